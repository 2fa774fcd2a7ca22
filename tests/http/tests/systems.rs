//! Programs of other organisations: registered by one person and approved by another, signed calls,
//! replays and forgeries, addresses behind proxies, quotas, rotation, and the documented example.

use std::process::Command;

use kernel_crypto::sm2::SigningKey;
use serde_json::{Value, json};
use tests_http::program::{Parts, Program, now, pem, registration};
use tests_http::steps::{BANK, recorded};
use tests_http::{Server, Signed, Start, documented, until};

/// Records of calls of programs, as an auditor finds them.
fn calls_recorded(server: &Server) -> u64 {
    recorded(server, "what=api.call")
}

#[test]
fn dj_06_an_app_is_registered_by_one_person_and_approved_by_another() {
    let Some(server) = Server::start() else {
        return;
    };
    let program = Program::registered(&server, |_| {});
    let anyone = server.anonymous();
    assert_eq!(program.calls(&anyone).answer.code(), "app-not-active");

    let approve = format!("/api/v1/access/apps/{}/approve", program.id);
    for login in ["operator", "auditor", "officer", "enterprise"] {
        let refused = server.user(login).post(&approve, &json!({}));
        assert!(
            matches!(refused.status, 403 | 404),
            "{login}: {}",
            refused.body
        );
    }
    let other = server.user("officer").get("/api/v1/access/apps");
    assert_eq!(other.status, 403, "{}", other.body);
    program.decide(&server, "security", "approve", &json!({}));

    let called = program.calls(&anyone);
    assert_eq!(called.answer.status, 200, "{}", called.answer.body);
    let who = program.send(&anyone, &program.parts("GET", "/api/v1/session", "?"));
    assert_eq!(who.answer.body["organisation"], BANK);
    assert_eq!(who.answer.body["roles"], json!(["bank.officer"]));
    // Its roles are all it has.
    let users = program.send(
        &anyone,
        &program.parts("GET", "/api/v1/platform/users", "?"),
    );
    assert_eq!(
        (users.answer.status, users.answer.code()),
        (403, "forbidden")
    );

    // The page shows it to whoever looks after apps, and what was typed is only text there.
    let detail = format!("/access/apps/{}", program.id);
    let page = server.user("security").get(&detail);
    assert!(page.text().contains("已启用") && page.text().contains("203.0.113.0/24"));
    assert_eq!(server.user("officer").get(&detail).status, 403);
    for verb in ["app.register", "app.approve"] {
        assert_eq!(
            recorded(&server, &format!("what=access.{verb}&outcome=done")),
            1,
            "{verb}"
        );
    }
}

#[test]
fn an_app_is_refused_with_every_fault_named() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut operator = server.user("operator");
    let key = SigningKey::generate().expect("a key");
    let mut body = registration(&key);
    body["roles"] = json!(["platform.operator"]);
    body["networks"] = "203.0.113.7/24".into();
    body["key"] = key.to_pkcs8_pem().expect("a PEM").as_str().into();
    let refused = operator.post("/api/v1/access/apps/register", &body);
    let named: Vec<&str> = refused.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|e| e["field"].as_str())
        .collect();
    assert_eq!(
        (refused.status, named),
        (400, vec!["roles", "networks", "key"])
    );
    let mut nowhere = registration(&key);
    nowhere["organisation"] = "01930000-0000-7000-8000-999999999999".into();
    let refused = operator.post("/api/v1/access/apps/register", &nowhere);
    assert_eq!(refused.body["errors"][0]["code"], "missing-reference");

    // The portal's form keeps what was typed and says the same.
    let token = operator.form_token("/access/apps/new");
    let shown = operator.form(
        "/access/apps/new",
        &[
            ("_csrf", &token),
            ("_form", "register"),
            ("_action", "app.register"),
            ("name", "信贷核心系统"),
            ("organisation", BANK),
            ("roles", "bank.officer"),
            ("key", "<script>alert(1)</script>"),
            ("networks", "203.0.113.7/24"),
            ("per_minute", "5"),
            ("per_day", "5"),
        ],
    );
    assert_eq!(shown.status, 422, "{}", shown.text());
    assert!(
        shown.text().contains("网段的主机位须为 0"),
        "{}",
        shown.text()
    );
    assert!(shown.text().contains("&lt;script&gt;alert(1)"));
    assert!(!shown.text().contains("<script>alert(1)"));
}

#[test]
fn mm_2a_only_what_the_app_signed_is_done_once_and_each_call_is_one_record() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let program = Program::approved(&server, |_| {});
    let stranger = SigningKey::generate().expect("a key");
    let anyone = server.anonymous();
    let good = program.list();
    assert_eq!(program.send(&anyone, &good).answer.status, 200);
    assert_eq!(calls_recorded(&server), 1);

    let mut refused = 0;
    let mut expect = |code: &str, status: u16, got: &Signed| {
        assert_eq!((got.answer.status, got.answer.code()), (status, code));
        assert_eq!(got.answer.kind, "application/problem+json");
        refused += 1;
        assert_eq!(calls_recorded(&server), 1 + refused, "one record of {code}");
    };
    expect("signature-replayed", 401, &program.send(&anyone, &good));

    // Signed for one thing, sent for another.
    let signed = program.list();
    let headers = program.headers(&signed);
    let target = "/api/v1/lending/applications?size=4";
    expect(
        "signature-invalid",
        401,
        &anyone.signed("GET", target, &headers, b""),
    );
    let target = "/api/v1/lending/applications?size=3";
    expect(
        "signature-invalid",
        401,
        &anyone.signed("POST", target, &headers, b""),
    );
    expect(
        "digest-mismatch",
        400,
        &anyone.signed("GET", target, &headers, b"{}"),
    );

    let forged = Program {
        id: program.id.clone(),
        key: stranger,
    };
    expect("signature-invalid", 401, &forged.calls(&anyone));
    let unknown = Parts {
        keyid: "01930000-0000-7000-8000-999999999999".into(),
        ..program.list()
    };
    expect("signature-invalid", 401, &program.send(&anyone, &unknown));
    for off in [-301, 301] {
        let late = Parts {
            created: now() + off,
            ..program.list()
        };
        expect("signature-expired", 401, &program.send(&anyone, &late));
    }
    let mut bare = program.headers(&program.list());
    bare.retain(|(name, _)| name != "content-digest");
    expect(
        "signature-malformed",
        400,
        &anyone.signed("GET", target, &bare, b""),
    );
    // An idempotency key that the signature does not cover could be another's.
    let mut keyed = program.headers(&program.list());
    keyed.push(("idempotency-key".into(), "k".into()));
    expect(
        "signature-malformed",
        400,
        &anyone.signed("GET", target, &keyed, b""),
    );

    // A session beside a signature that does not hold gives nothing.
    let officer = server.user("officer");
    let with_session = forged.calls(&officer);
    assert_eq!(with_session.answer.code(), "signature-invalid");

    // The nonce is remembered where no memory is left of it.
    server.kill();
    server.start_again();
    let mut anyone = server.anonymous();
    anyone.follow(&server);
    let again = program.send(&anyone, &good);
    assert_eq!(again.answer.code(), "signature-replayed");
    assert_eq!(program.calls(&anyone).answer.status, 200);
}

#[test]
fn addresses_count_as_the_trusted_proxy_saw_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("rongqiao.toml");
    std::fs::write(&config, "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n").expect("written");
    let Some(server) = Server::start_as(Start {
        config: Some(config),
        ..Start::default()
    }) else {
        return;
    };
    let from = |program: &Program, forwarded: &str| {
        let mut headers = program.headers(&program.list());
        if !forwarded.is_empty() {
            headers.push(("x-forwarded-for".into(), forwarded.into()));
        }
        let target = "/api/v1/lending/applications?size=3";
        server
            .anonymous()
            .signed("GET", target, &headers, b"")
            .answer
            .code()
            .to_owned()
    };
    let program = Program::approved(&server, |asked| asked["networks"] = "203.0.113.0/24".into());
    assert_eq!(from(&program, "203.0.113.9"), "");
    assert_eq!(from(&program, "203.0.113.9, 127.0.0.5"), "");
    for spoofed in [
        "",
        "198.51.100.9",
        "203.0.113.9, 198.51.100.9",
        "203.0.113.9, x",
    ] {
        assert_eq!(
            from(&program, spoofed),
            "address-not-allowed",
            "{spoofed:?}"
        );
    }
    let over = "198.51.100.0/24 2020-01-01 2020-12-31";
    let program = Program::approved(&server, |asked| asked["networks"] = over.into());
    assert_eq!(from(&program, "198.51.100.9"), "address-not-allowed");
}

#[test]
fn without_a_trusted_proxy_the_header_is_nobodys_word() {
    let Some(server) = Server::start() else {
        return;
    };
    let program = Program::approved(&server, |asked| asked["networks"] = "203.0.113.0/24".into());
    let mut headers = program.headers(&program.list());
    headers.push(("x-forwarded-for".into(), "203.0.113.9".into()));
    let target = "/api/v1/lending/applications?size=3";
    let refused = server.anonymous().signed("GET", target, &headers, b"");
    assert_eq!(refused.answer.code(), "address-not-allowed");
}

#[test]
fn a_quota_is_said_and_kept() {
    let Some(server) = Server::start() else {
        return;
    };
    let program = Program::approved(&server, |asked| asked["per_day"] = 3.into());
    let anyone = server.anonymous();
    for left in [2, 1, 0] {
        let called = program.calls(&anyone);
        assert_eq!(called.answer.status, 200);
        let said = called.header("ratelimit").expect("what is left");
        assert!(said.contains(&format!("\"day\";r={left};t=")), "{said}");
    }
    let refused = program.calls(&anyone);
    assert_eq!(
        (refused.answer.status, refused.answer.code()),
        (429, "quota-exhausted")
    );
    let wait: i64 = refused
        .header("retry-after")
        .expect("a wait")
        .parse()
        .expect("seconds");
    assert!((1..=86_400).contains(&wait), "{wait}");
    assert!(
        refused
            .header("ratelimit")
            .expect("what is left")
            .contains("\"day\";r=0")
    );
    assert!(
        refused
            .header("ratelimit-policy")
            .expect("the quota")
            .contains("\"day\";q=3;w=86400")
    );
    // Also a failed call is answered with what is left.
    let other = Program::approved(&server, |_| {});
    let missing = other.send(&anyone, &other.parts("GET", "/api/v1/lending/nothing", "?"));
    assert_eq!(missing.answer.status, 404);
    assert!(missing.header("ratelimit").is_some());
}

#[test]
fn a_key_is_rotated_without_a_pause_and_an_app_is_stopped_at_once() {
    let Some(server) = Server::start() else {
        return;
    };
    let old = Program::approved(&server, |_| {});
    let new = Program {
        id: old.id.clone(),
        key: SigningKey::generate().expect("a key"),
    };
    let anyone = server.anonymous();
    let change = json!({ "key": pem(&new.key), "overlap_hours": 1 });
    old.decide(&server, "operator", "change", &change);
    assert_eq!(
        new.calls(&anyone).answer.code(),
        "signature-invalid",
        "not accepted yet"
    );
    let path = format!("/api/v1/access/apps/{}", old.id);
    let twice = server
        .user("operator")
        .post(&format!("{path}/change"), &change);
    assert_eq!((twice.status, twice.code()), (409, "access.change-waits"));
    let own = server
        .user("operator")
        .post(&format!("{path}/accept-change"), &json!({}));
    assert_eq!(own.status, 403, "{}", own.body);
    old.decide(&server, "security", "accept-change", &json!({}));
    assert_eq!(new.calls(&anyone).answer.status, 200);
    assert_eq!(
        old.calls(&anyone).answer.status,
        200,
        "both hold for an hour"
    );

    let third = SigningKey::generate().expect("a key");
    let change = json!({ "key": pem(&third), "overlap_hours": 0 });
    new.decide(&server, "operator", "change", &change);
    new.decide(&server, "security", "accept-change", &json!({}));
    assert_eq!(old.calls(&anyone).answer.code(), "signature-invalid");
    assert_eq!(new.calls(&anyone).answer.code(), "signature-invalid");
    let now = Program {
        id: old.id,
        key: third,
    };
    assert_eq!(now.calls(&anyone).answer.status, 200);
    now.decide(
        &server,
        "operator",
        "suspend",
        &json!({ "reason": "疑似泄露" }),
    );
    assert_eq!(now.calls(&anyone).answer.code(), "app-not-active");
    now.decide(
        &server,
        "security",
        "resume",
        &json!({ "reason": "已核实" }),
    );
    assert_eq!(now.calls(&anyone).answer.status, 200);
}

#[test]
fn a_signed_action_is_done_under_the_apps_name() {
    let Some(server) = Server::start() else {
        return;
    };
    let program = Program::approved(&server, |_| {});
    let anyone = server.anonymous();
    let path = "/api/v1/lending/applications/00000000-0000-7000-8000-000000000000/accept";
    let mut parts = program.parts("POST", path, "?");
    parts.body = b"{}".to_vec();
    let answer = program.send(&anyone, &parts).answer;
    // No form token is asked: there is no session to borrow.
    assert_eq!(
        (answer.status, answer.code()),
        (404, "not-found"),
        "{}",
        answer.body
    );
    let mut upload = program.parts("POST", "/api/v1/files", "?name=a.csv");
    upload.body = b"a,b\n1,2\n".to_vec();
    assert_eq!(program.send(&anyone, &upload).answer.status, 200);
}

#[test]
fn the_documented_example_runs_with_curl_and_openssl() {
    let Some(server) = Server::start() else {
        return;
    };
    let script =
        documented("Signed calls").replace("DIR/", &format!("{}/", server.data().display()));
    let folder = tempfile::tempdir().expect("a folder");
    let out = Command::new("sh")
        .args(["-e", "-c", &script])
        .env("url", &server.url)
        .current_dir(folder.path())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}{errors}");
    let documents = serde_json::Deserializer::from_str(&said).into_iter::<Value>();
    let answers: Vec<Value> = documents.map(|d| d.expect("JSON")).collect();
    let [approved, who, list, missing] = answers.as_slice() else {
        panic!("{said}{errors}")
    };
    assert_eq!(approved["result"], json!({}));
    assert_eq!(who["name"], "信贷核心系统");
    assert_eq!(list["size"], 5, "{list}");
    assert_eq!(missing["code"], "not-found");
}

#[test]
fn mm_2d_an_app_let_in_by_a_change_of_the_database_is_not_let_in() {
    let Some(server) = Server::start() else {
        return;
    };
    let suspended = Program::approved(&server, |_| {});
    let other = Program::approved(&server, |_| {});
    let reason = json!({ "reason": "核查" });
    suspended.decide(&server, "operator", "suspend", &reason);
    let anyone = server.anonymous();
    assert_eq!(suspended.calls(&anyone).answer.code(), "app-not-active");
    let file = server.data().join("rongqiao.sqlite");
    let let_in = format!(
        "UPDATE access__apps SET status = 'active' WHERE id = '{}'",
        suspended.id
    );
    tests_scratch::tamper_file(&file, &let_in).expect("the database is changed");
    // What is remembered of an app is short-lived; what is read again is not believed.
    until("the alarm is raised", || {
        let refused = suspended.calls(&anyone).answer;
        assert_ne!(refused.status, 200, "{}", refused.body);
        server.log().contains("record.altered")
    });
    assert_eq!(suspended.calls(&anyone).answer.status, 503);
    assert_eq!(other.calls(&anyone).answer.status, 200);
}
