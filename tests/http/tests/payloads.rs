//! Signed calls whose bodies are sealed for the two ends: by `openssl` as documented, what only they see,
//! and what does not open.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::payload::{ContentKey, Way};
use kernel_crypto::sm2::encryption::EncryptingKey;
use serde_json::{Value, json};
use tests_http::program::{Parts, Program};
use tests_http::steps::{
    BANK, application, live_model, recorded, scored_product, sign_letter, text,
};
use tests_http::{Client, Server, Signed, documented};

const APPLICATIONS: &str = "/api/v1/lending/applications";
const CODING: &str = "sm4ctr-hsm3";
const KEY: [u8; 48] = [9; 48];

fn content_key(bytes: &[u8]) -> ContentKey {
    ContentKey::from_bytes(bytes).expect("a key")
}

/// `content-key` for the platform's key.
fn encrypted(client: &Client, bytes: &[u8]) -> String {
    let pem = text(&client.get("/pki/payload.pem").body);
    let key = EncryptingKey::from_pem(&pem).expect("the platform's key");
    STANDARD.encode(key.encrypt(bytes).expect("a ciphertext"))
}

/// A call whose answer is to be sealed.
fn asking(program: &Program, client: &Client, method: &'static str, path: &str) -> Parts {
    let mut parts = program.parts(method, path, "?");
    parts.more = vec![("content-key", encrypted(client, &KEY))];
    parts
}

fn seal_body(parts: &mut Parts, body: &Value) {
    let plain = body.to_string();
    let sealed = content_key(&KEY).seal(Way::Request, &parts.nonce, plain.as_bytes());
    parts.body = sealed.expect("entropy");
    parts.more.push(("content-encoding", CODING.into()));
}

/// What an answer says, once it is opened.
fn opened(parts: &Parts, called: &Signed) -> Value {
    let said = &called.answer;
    assert_eq!(
        called.header("content-encoding"),
        Some(CODING),
        "{}",
        said.body
    );
    let plain = content_key(&KEY).open(Way::Answer, &parts.nonce, &said.bytes);
    serde_json::from_slice(&plain.expect("it opens")).expect("JSON")
}

#[test]
fn mm_4d_the_documented_example_runs_with_curl_and_openssl() {
    let Some(server) = Server::start() else {
        return;
    };
    let both = documented("Signed calls") + &documented("Sealed calls");
    let script = both.replace("DIR/", &format!("{}/", server.data().display()));
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
    let last = documents.last().expect("an answer").expect("JSON");
    assert_eq!(last["size"], 5, "{said}{errors}");
    // What went over the wire is nothing that anybody else reads.
    let sent = std::fs::read(folder.path().join("answer")).expect("the answer as it came");
    assert!(!String::from_utf8_lossy(&sent).contains("items"));
}

#[test]
fn mm_4d_sensitive_values_leave_for_programs_sealed_only() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, BANK);
    let asks = application(&scored_product(&enterprise, BANK));
    let applied = enterprise.post(&format!("{APPLICATIONS}/apply"), &asks);
    assert_eq!(applied.status, 200, "{}", applied.body);
    let path = format!("{APPLICATIONS}/{}", text(&applied.body["result"]["id"]));

    let program = Program::approved(&server, |_| {});
    let anyone = server.anonymous();
    // Its role may see what the score was made of; over a call that is not sealed nobody does.
    let clear = program.send(&anyone, &program.parts("GET", &path, "?"));
    assert_eq!(clear.answer.status, 200, "{}", clear.answer.body);
    assert_eq!(clear.answer.body["reasons"], Value::Null);
    assert!(!clear.answer.body["score"].is_null(), "of no level");
    let parts = asking(&program, &anyone, "GET", &path);
    let sealed = program.send(&anyone, &parts);
    let said = opened(&parts, &sealed);
    assert!(
        said["reasons"].as_array().is_some_and(|r| !r.is_empty()),
        "{said}"
    );
    assert!(!String::from_utf8_lossy(&sealed.answer.bytes).contains("reasons"));
    assert_eq!(
        sealed.header("etag"),
        None,
        "it would tell two answers alike"
    );
    let officer = server.user("officer").get(&path);
    assert_eq!(
        officer.body["reasons"], said["reasons"],
        "a person's session is another matter"
    );
    assert!(recorded(&server, "what=api.call&outcome=done") >= 2);

    // A body that is sealed does what it would do otherwise, and what fails is told sealed.
    let mut look = asking(&program, &anyone, "POST", &format!("{path}/look"));
    seal_body(&mut look, &json!({ "field": "phone", "reason": "" }));
    let refused = opened(&look, &program.send(&anyone, &look));
    assert!(refused["code"].is_string(), "{refused}");
    // What the app signs is evidence here, so it must be something to read.
    let mut accept = asking(&program, &anyone, "POST", &format!("{path}/accept"));
    seal_body(&mut accept, &json!({}));
    let refused = opened(&accept, &program.send(&anyone, &accept));
    assert_eq!(refused["code"], "sealed-evidence", "{refused}");
    let mut accept = asking(&program, &anyone, "POST", &format!("{path}/accept"));
    accept.body = b"{}".to_vec();
    let done = opened(&accept, &program.send(&anyone, &accept));
    assert_eq!(done, json!({ "result": null }));
    let taken = server.user("officer").get(&path);
    assert_eq!(taken.body["status"], "under-review", "{}", taken.body);
}

#[test]
fn mm_4d_what_does_not_open_is_refused_and_does_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let program = Program::approved(&server, |_| {});
    let anyone = server.anonymous();
    let wrong = |change: &dyn Fn(&mut Parts)| {
        let mut parts = asking(&program, &anyone, "GET", "/api/v1/session");
        change(&mut parts);
        let called = program.send(&anyone, &parts);
        (called.answer.status, called.answer.code().to_owned())
    };
    let key = |bytes: &[u8]| vec![("content-key", encrypted(&anyone, bytes))];
    let bad = (400, "payload-wrong".to_owned());
    assert_eq!(wrong(&|p| p.more = key(&[9; 47])), bad, "too short");
    assert_eq!(wrong(&|p| p.more = key(&[9; 49])), bad, "too long");
    assert_eq!(
        wrong(&|p| p.more[0].1 = "AAAA".into()),
        bad,
        "no ciphertext"
    );
    assert_eq!(wrong(&|p| p.more[0].1 = "no base64".into()), bad);
    assert_eq!(
        wrong(&|p| p.more[0].1.replace_range(40..44, "AAAA")),
        bad,
        "flipped"
    );
    let sealed = |p: &mut Parts| seal_body(p, &json!({}));
    assert_eq!(
        wrong(&|p| {
            sealed(p);
            p.more.remove(0);
        }),
        bad,
        "without its key"
    );
    assert_eq!(
        wrong(&|p| {
            sealed(p);
            p.body[20] ^= 1;
        }),
        bad,
        "flipped"
    );
    assert_eq!(
        wrong(&|p| {
            sealed(p);
            p.body.truncate(47);
        }),
        bad,
        "cut"
    );
    assert_eq!(
        wrong(&|p| {
            sealed(p);
            p.body.clear();
        }),
        bad,
        "empty"
    );
    assert_eq!(
        wrong(&|p| {
            sealed(p);
            p.nonce = format!("{}x", p.nonce);
        }),
        bad,
        "another call's"
    );
    let other = |p: &mut Parts| {
        sealed(p);
        p.more[0].1 = encrypted(&anyone, &[8; 48]);
    };
    assert_eq!(wrong(&other), bad, "another key's");

    // What is not signed along could be exchanged on the way.
    let mut parts = asking(&program, &anyone, "GET", "/api/v1/session");
    let unsigned = parts.more.remove(0);
    let mut headers = program.headers(&parts);
    headers.push((unsigned.0.into(), unsigned.1));
    let called = anyone.signed("GET", "/api/v1/session", &headers, b"");
    assert_eq!(called.answer.code(), "signature-malformed");
    // Whoever does not sign cannot seal, and nothing is unpacked for anybody.
    let headers = [("content-encoding".to_owned(), CODING.to_owned())];
    let called = anyone.signed("POST", "/api/v1/session", &headers, b"sealed");
    assert_eq!(called.answer.status, 415);
    for coding in ["gzip", "gzip, sm4ctr-hsm3"] {
        let mut parts = asking(&program, &anyone, "GET", "/api/v1/session");
        parts.more.push(("content-encoding", coding.into()));
        assert_eq!(program.send(&anyone, &parts).answer.status, 415, "{coding}");
    }
    // Nothing is packed before it is sealed, for its length would tell of what is in it.
    let parts = asking(&program, &anyone, "GET", "/api/v1/openapi.json");
    let mut headers = program.headers(&parts);
    headers.push(("accept-encoding".into(), "gzip".into()));
    let called = anyone.signed("GET", "/api/v1/openapi.json", &headers, b"");
    assert_eq!(opened(&parts, &called)["openapi"], "3.1.0");
}
