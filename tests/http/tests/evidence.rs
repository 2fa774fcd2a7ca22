//! Keys and evidence of a running platform, as an operator and an auditor handle them.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise; a skipped one says why"
)]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests_http::program::Program;
use tests_http::steps::{
    self, BANK, application, audited, exported, in_days, live_model, recorded, scored_product, text,
};
use tests_http::{Client, Server, Start, until};

const VERIFY: &str = "/api/v1/console/verifications/start";

fn sign_letter(enterprise: &mut Client) -> (u16, Value) {
    let signed = enterprise.post(
        "/api/v1/consent/letters/sign",
        &json!({
            "recipient": "01930000-0000-7000-8000-000000000101", "items": ["15", "16"],
            "purposes": ["04"], "valid_to": in_days(30), "agree": true,
        }),
    );
    (signed.status, signed.body)
}

/// Whether this machine has a program; says so when not.
fn has(program: &str, arguments: &[&str]) -> bool {
    let ran = Command::new(program).args(arguments).output();
    let found = ran.is_ok_and(|out| out.status.success());
    if !found {
        eprintln!("skipped: no {program} on this machine that can {arguments:?}");
    }
    found
}

/// Changes the database of a running platform. Only its own tool can do that: no command of the platform
/// stops the trail or alters it.
fn tamper(server: &Server, sql: &str) {
    let code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=20); \
                c.execute(sys.argv[2]); c.commit()";
    let database = server.data().join("rongqiao.sqlite");
    let out = Command::new("python3")
        .args(["-c", code])
        .arg(database)
        .arg(sql)
        .output()
        .unwrap();
    assert!(out.status.success(), "{out:?}");
}

#[test]
fn dj_10_the_trail_of_a_running_platform_is_verified_and_proven_by_strangers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = format!("[audit]\ncheckpoint_folder = \"{}\"\n", path("checkpoints"));
    std::fs::write(path("config.toml"), config).unwrap();
    let start = Start {
        config: Some(path("config.toml").into()),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    server.user("auditor").get("/console/audit");

    let held = server.result(&["audit", "verify"]);
    assert!(held.contains("records hold"), "{held}");
    std::fs::write(
        path("audit.pem"),
        server.result(&["keys", "export-public", "audit"]),
    )
    .unwrap();

    server.result(&["audit", "prove", "1", "--out", &path("proof.json")]);
    let check = |file: &str| {
        let args = ["audit", "check-proof", file, "--key", &path("audit.pem")];
        server.run(&args)
    };
    let (holds, text) = check(&path("proof.json"));
    assert!(holds && text.contains("record 1 is in the log"), "{text}");
    let proof = std::fs::read_to_string(path("proof.json")).unwrap();
    let forged = proof.replacen("\"outcome\": \"ok\"", "\"outcome\": \"denied\"", 1);
    assert_ne!(forged, proof);
    std::fs::write(path("forged.json"), forged).unwrap();
    assert!(!check(&path("forged.json")).0);

    let proof: Value = serde_json::from_str(&proof).unwrap();
    let from = proof["checkpoint"]["seq"].to_string();
    let growth = path("growth.json");
    server.result(&["audit", "prove-growth", &from, "--out", &growth]);
    assert!(check(&growth).0);

    server.result(&["audit", "export-checkpoint", "--out", &path("out")]);
    assert!(Path::new(&path("out/message")).is_file());
    if has("openssl", &["version"]) {
        let verify = |message: &str| {
            Command::new("openssl")
                .args(["dgst", "-sm3", "-verify", &path("audit.pem"), "-sigopt"])
                .args(["distid:1234567812345678", "-signature"])
                .args([path("out/signature.der"), path(message)])
                .output()
                .unwrap()
        };
        let good = verify("out/message");
        assert!(good.status.success(), "{good:?}");
        assert!(!verify("audit.pem").status.success());
    }

    // The stranger's view: the public key, the exported checkpoints, the database. The last
    // checkpoint is made when the platform stops.
    server.stop();
    let stranger = [
        "--key",
        &path("audit.pem"),
        "--checkpoints",
        &path("checkpoints"),
    ];
    let held = server.result(&[&["audit", "verify"][..], &stranger].concat());
    assert!(held.contains("records hold"), "{held}");

    // A mistyped folder is refused and not made.
    let nowhere = path("nowhere");
    let (ran, text) = server.run(&["audit", "verify", "--data", &nowhere]);
    assert!(!ran && !Path::new(&nowhere).exists(), "{text}");
}

#[test]
fn mm_9_two_custodians_rotate_a_key_while_the_platform_serves() {
    let start = Start {
        own_keys: true,
        ..Start::default()
    };
    let Some(server) = Server::start_as(start) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (lin, qiao) = (path("lin.json"), path("qiao.json"));
    let mut enterprise = server.user("enterprise");

    let (alone, text) = server.command(&["keys", "rotate", "audit"]);
    assert!(!alone && text.contains("two custodians"), "{text}");
    server.result(&["keys", "enroll", "lin", "--out", &lin]);
    server.result(&["keys", "enroll", "qiao", "--out", &qiao]);
    let old = server.result(&["keys", "export-public", "audit"]);

    for key in ["audit", "field"] {
        let asked = server.result(&["keys", "rotate", key, "--custodian", &lin]);
        let id = asked.split([' ', ':']).nth(1).unwrap().to_owned();
        assert!(server.result(&["keys", "requests"]).contains(&id));
        let own = ["keys", "approve", &id, "--custodian", &lin];
        assert!(server.refuses(&own), "not by the same person");
        server.result(&["keys", "approve", &id, "--custodian", &qiao]);
        // The server serves on, with sessions and letters of before.
        assert_eq!(enterprise.get("/api/v1/consent/letters").status, 200);
    }
    let (status, body) = sign_letter(&mut enterprise);
    assert_eq!(status, 200, "{body}");
    assert_ne!(server.result(&["keys", "export-public", "audit"]), old);
    let list = server.result(&["keys", "list"]);
    assert_eq!(list.matches("decrypt-only").count(), 2, "{list}");
    assert!(list.contains("custodian lin"), "{list}");

    // What the old key sealed is sealed anew, so that it can go while everybody works.
    let old = list
        .lines()
        .find(|line| line.contains(" field ") && line.contains("decrypt-only"))
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    let asked = server.result(&["keys", "destroy", old, "--custodian", &lin]);
    let id = asked.split([' ', ':']).nth(1).unwrap().to_owned();
    server.result(&["keys", "approve", &id, "--custodian", &qiao]);
    let list = server.result(&["keys", "list"]);
    assert_eq!(list.matches("destroyed").count(), 1, "{list}");
    let after = enterprise.get("/api/v1/enterprise/enterprises");
    assert_eq!(after.status, 200, "{}", after.text());

    // The checkpoints of before and after verify, and the trail tells who did it.
    server.result(&["audit", "verify"]);
    for what in ["request", "rotate", "destroy"] {
        let filters = format!("what=platform.key.{what}");
        assert!(recorded(&server, &filters) > 0, "{what}");
    }
    let trail = server.user("auditor").get("/console/audit");
    assert!(trail.text().contains("qiao"));
}

#[test]
fn dj_11_without_its_audit_trail_the_platform_refuses_and_says_so() {
    if !has("python3", &["-c", "import sqlite3"]) {
        return;
    }
    let Some(server) = Server::start() else {
        return;
    };
    let auditor = server.user("auditor");
    let mut enterprise = server.user("enterprise");
    assert_eq!(auditor.get("/console/audit").status, 200);
    assert_eq!(
        server.anonymous().get("/healthz").body["audit"],
        json!("ok")
    );

    tamper(
        &server,
        "CREATE TRIGGER stop BEFORE INSERT ON kernel__audit \
         BEGIN SELECT RAISE(ABORT, 'stopped'); END",
    );
    assert_eq!(auditor.get("/console/audit").status, 503, "a guarded page");
    let letters =
        |enterprise: &Client| enterprise.get("/api/v1/consent/letters").body["total"].clone();
    let before = letters(&enterprise);
    let (status, body) = sign_letter(&mut enterprise);
    assert_eq!(status, 503, "a sensitive write: {body}");
    assert_eq!(letters(&enterprise), before, "and nothing of it stands");
    let health = server.anonymous().get("/healthz").body;
    assert_eq!(
        (&health["status"], &health["audit"]),
        (&json!("degraded"), &json!("down"))
    );

    tamper(&server, "DROP TRIGGER stop");
    assert_eq!(auditor.get("/console/audit").status, 200);
    assert_eq!(sign_letter(&mut enterprise).0, 200);
    assert_eq!(
        server.anonymous().get("/healthz").body["status"],
        json!("ok")
    );
}

/// What a record of the trail has besides who, what, when and whether it was done.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// It changed records: digests of before and after, and the history holds by them.
    Change,
    /// It changed none.
    Deed,
    /// A command on the machine itself, which comes from no address.
    Command,
}

/// That the trail has one record of a deed, with everything that a record has to say.
fn is_on_record_once(server: &Server, filters: &str, kind: Kind) {
    let auditor = server.user("auditor");
    let table = audited(&auditor, filters);
    assert_eq!(table["paging"]["total"], 1, "{filters}: {table}");
    let record = auditor.page(&text(&table["rows"][0]["to"]));
    let block = |id: &str| {
        let sections = record.body["sections"].as_array().unwrap().iter();
        let mut blocks = sections.flat_map(|s| s["blocks"].as_array().unwrap());
        blocks.find(|b| b["id"] == id).cloned().unwrap_or_default()
    };
    let fact = |id: &str, label: &str| {
        let facts = block(id)["facts"].as_array().cloned();
        let found = facts.into_iter().flatten().find(|f| f["label"] == label);
        found.map(|f| f["value"].to_string()).unwrap_or_default()
    };
    for label in ["操作", "结果", "时间", "操作人", "请求编号"] {
        assert!(
            !fact("facts", label).is_empty(),
            "{filters}: {label} of {}",
            record.body
        );
    }
    let address = fact("detail", "网络地址");
    if kind != Kind::Command {
        assert!(address.contains("127.0.0.1"), "{filters}: {}", record.body);
    }
    if kind == Kind::Change {
        let holds = fact("chain", "变更前后");
        assert!(holds.contains("一致"), "{filters}: {}", block("chain"));
        let after = fact("chain", "变更后摘要");
        assert!(after.len() > 64, "{filters}: {}", block("chain"));
    }
}

#[test]
fn dj_09_each_important_deed_is_one_record_with_all_that_a_record_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("config.toml"), "[export]\nwithout_approval = 1000\n").unwrap();
    let start = Start {
        config: Some(path("config.toml").into()),
        own_keys: true,
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    // A sign-in, which looks at nothing that is guarded.
    server.user("government");
    live_model(&server);
    let mut enterprise = server.user("enterprise");
    let asks = application(&scored_product(&enterprise, BANK));
    let apply = "/api/v1/lending/applications/apply";
    assert_eq!(enterprise.post(apply, &asks).code(), "consent.no-consent");
    let letter = steps::sign_letter(&mut enterprise, BANK);
    let applied = enterprise.post(apply, &asks);
    assert_eq!(applied.status, 200, "{}", applied.body);
    let id = text(&applied.body["result"]["id"]);
    let looked = server.user("officer").post(
        &format!("/api/v1/lending/applications/{id}/look"),
        &json!({ "field": "phone", "reason": "电话核实" }),
    );
    assert_eq!(looked.status, 200, "{}", looked.body);
    let revoked = enterprise.post(
        &format!("/api/v1/consent/letters/{letter}/revoke"),
        &json!({ "reason": "不再需要" }),
    );
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    exported(&mut enterprise, "consent/letters");

    let mut head = server.user("bankadmin");
    let posts = head.get("/api/v1/platform/posts?user=01930000-0000-7000-8000-000000000913");
    let post = text(&posts.body["items"][0]["id"]);
    for verb in ["grant", "revoke"] {
        let changed = head.post(
            &format!("/api/v1/platform/posts/{post}/{verb}"),
            &json!({ "role": "model.validator", "reason": "轮岗" }),
        );
        assert_eq!(changed.status, 200, "{verb}: {}", changed.body);
    }
    let limited = server.user("security").post(
        &format!("/api/v1/platform/organisations/{BANK}/limit"),
        &json!({ "ceiling": ["bank.officer", "model.validator"], "reason": "收紧" }),
    );
    assert_eq!(limited.status, 200, "{}", limited.body);
    let mut operator = server.user("operator");
    let plugins = operator.get("/api/v1/console/plugins?code=park");
    let plugin = text(&plugins.body["items"][0]["id"]);
    let enable = format!("/api/v1/console/plugins/{plugin}/enable");
    assert_eq!(operator.post(&enable, &json!({})).status, 200);
    let program = Program::approved(&server, |_| {});
    let called = program.send(&server.anonymous(), &program.list());
    assert_eq!(called.answer.status, 200, "{}", called.answer.body);

    let (lin, qiao) = (path("lin.json"), path("qiao.json"));
    server.result(&["keys", "enroll", "lin", "--out", &lin]);
    server.result(&["keys", "enroll", "qiao", "--out", &qiao]);
    let asked = server.result(&["keys", "rotate", "audit", "--custodian", &lin]);
    let request = asked.split([' ', ':']).nth(1).unwrap().to_owned();
    server.result(&["keys", "approve", &request, "--custodian", &qiao]);

    for (filters, kind) in [
        ("what=platform.session.start&who=government", Kind::Deed),
        ("what=console.model.upload", Kind::Change),
        ("what=console.model.approve", Kind::Change),
        ("what=consent.letter.sign", Kind::Change),
        ("what=consent.letter.revoke", Kind::Change),
        ("what=lending.application.apply&outcome=done", Kind::Change),
        ("what=lending.application.apply&outcome=refused", Kind::Deed),
        ("what=model.score&outcome=done", Kind::Change),
        ("what=field.look", Kind::Deed),
        ("what=platform.post.grant", Kind::Change),
        ("what=platform.post.revoke", Kind::Change),
        ("what=platform.organisation.limit", Kind::Change),
        ("what=console.plugin.enable", Kind::Change),
        ("what=access.app.approve", Kind::Change),
        ("what=api.call", Kind::Deed),
        ("what=file.read&who=enterprise", Kind::Deed),
        ("what=platform.key.request", Kind::Command),
        ("what=platform.key.rotate&outcome=done", Kind::Command),
        ("what=platform.config.change", Kind::Command),
    ] {
        is_on_record_once(&server, filters, kind);
    }
    // What an export was is told at its end, by the job that did it.
    assert_eq!(recorded(&server, "what=console.job.exported"), 1);

    // A start under another configuration is one record, and one under the same is none.
    let config = "what=platform.config.change";
    server.stop();
    server.start_again();
    assert_eq!(recorded(&server, config), 1);
    server.stop();
    std::fs::write(path("config.toml"), "[export]\nwithout_approval = 500\n").unwrap();
    server.start_again();
    assert_eq!(recorded(&server, config), 2);
}

/// The city's file says what roles are cleared for.
#[test]
fn dj_14_a_start_under_another_file_that_the_configuration_names_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let (city, config) = (
        folder.path().join("city.toml"),
        folder.path().join("config.toml"),
    );
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host-config/city.toml");
    let own = std::fs::read_to_string(own).unwrap();
    std::fs::write(&city, &own).unwrap();
    std::fs::write(&config, format!("city = \"{}\"\n", city.display())).unwrap();
    let start = Start {
        config: Some(config),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let changes = "what=platform.config.change";
    assert_eq!(recorded(&server, changes), 1);
    for (text, expected) in [(own.clone(), 1), (own + "# another\n", 2)] {
        server.stop();
        std::fs::write(&city, text).unwrap();
        server.start_again();
        assert_eq!(recorded(&server, changes), expected);
    }
    let page = audited(&server.user("auditor"), changes);
    let record = text(&page["rows"][0]["to"]);
    let page = server.user("auditor").page(&record).body.to_string();
    assert!(
        page.contains("所引用文件的摘要") && page.contains("city.toml"),
        "{page}"
    );
}

#[test]
fn dj_09_a_history_that_was_altered_no_longer_fits_the_trail() {
    if !has("python3", &["-c", "import sqlite3"]) {
        return;
    }
    let Some(server) = Server::start() else {
        return;
    };
    assert_eq!(sign_letter(&mut server.user("enterprise")).0, 200);
    let auditor = server.user("auditor");
    let table = audited(&auditor, "what=consent.letter.sign");
    let record = text(&table["rows"][0]["to"]);
    assert!(auditor.get(&record).text().contains("变更历史与摘要一致"));
    tamper(
        &server,
        "UPDATE kernel__changes SET after = replace(after, '04', '02') \
         WHERE collection = 'consent.letters'",
    );
    assert!(auditor.get(&record).text().contains("变更历史已被改动"));
}

#[test]
fn dj_10_the_auditor_verifies_the_trail_from_the_console() {
    if !has("python3", &["-c", "import sqlite3"]) {
        return;
    }
    let Some(server) = Server::start() else {
        return;
    };
    let mut auditor = server.user("auditor");
    let mut verified = |outcome: &str| {
        let begun = auditor.post(VERIFY, &json!({}));
        assert_eq!(begun.status, 200, "{}", begun.body);
        let path = format!(
            "/api/v1/console/verifications/{}",
            text(&begun.body["result"]["id"])
        );
        let mut row = Value::Null;
        until("the verification is over", || {
            row = auditor.get(&path).body;
            row["status"] != "running"
        });
        assert_eq!(row["status"], outcome, "{row}");
        row
    };
    let row = verified("holds");
    assert!(row["records"].as_u64() > Some(0), "{row}");
    assert_eq!(recorded(&server, "what=console.verification.start"), 1);
    assert_eq!(
        recorded(&server, "what=console.verification.end&outcome=done"),
        1
    );

    tamper(
        &server,
        "UPDATE kernel__audit SET actor = 'nobody' WHERE seq = 2",
    );
    let row = verified("broken");
    assert!(text(&row["why"]).contains('2'), "{row}");
    until("the alarm is in the log", || {
        server.log().contains("audit.broken")
    });
    let page = auditor.get("/console/verifications");
    assert!(page.text().contains("被改动") && page.text().contains("完整"));
    for login in ["operator", "security", "officer"] {
        let other = server.user(login).post(VERIFY, &json!({}));
        assert_eq!(other.status, 403, "{login}: {}", other.body);
    }
}
