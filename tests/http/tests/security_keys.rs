//! A security key as a second factor, from adding it to the next sign-in, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tests_http::{Answer, Browser, Client, SecurityKey, Server};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";
const LOGIN: &str = "bankadmin";

fn with_key(server: &Server) -> SecurityKey {
    let mut key = SecurityKey::new(server);
    let added = key.set_up(server, &mut server.user(LOGIN), LOGIN);
    assert_eq!(added.status, 200, "{}", added.body);
    key
}

/// Gives the password; what the second factor is asked with.
fn asked(server: &Server, client: &mut Client) -> Value {
    let credentials = json!({ "login": LOGIN, "password": server.password(LOGIN) });
    let asked = client.post("/api/v1/session", &credentials);
    assert_eq!(asked.code(), "code-needed", "{}", asked.body);
    asked.body
}

fn answers(client: &mut Client, asked: &Value, answer: &Value) -> Answer {
    let proof = json!({
        "pending": asked["pending"], "challenge": asked["challenge"], "security_key": answer,
    });
    client.post("/api/v1/session", &proof)
}

fn token(asked: &Value) -> &str {
    asked["challenge"].as_str().unwrap()
}

#[test]
fn dj_04_a_security_key_signs_in_and_steps_up() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut before = server.user(LOGIN);
    let mut key = with_key(&server);
    let mut client = server.anonymous();
    let first = asked(&server, &mut client);
    assert_eq!(first["ways"], json!(["security-key"]), "{first}");
    assert_eq!(first["keys"], json!([key.id()]));
    let answer = key.signs(token(&first));
    let done = answers(&mut client, &first, &answer);
    assert_eq!(done.status, 200, "{}", done.body);
    let replayed = answers(&mut client, &first, &answer);
    assert_eq!(replayed.code(), "wrong-code", "a challenge is good once");

    let found = before.get(&format!("/api/v1/platform/posts?user={OFFICER}"));
    let post = found.body["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/platform/posts/{post}/grant");
    let grant = json!({ "role": "model.validator", "reason": "轮岗" });
    let refused = before.post(&path, &grant);
    let at = refused.body["step_up"].as_str().unwrap();
    let mut spare = SecurityKey::new(&server);
    let asked = before.get("/api/v1/session/security-key").body;
    let how = before.get(at).body;
    let proof = json!({ "challenge": how["challenge"], "security_key": key.signs(token(&how)) });
    assert_eq!(before.post(at, &proof).status, 204);
    assert_eq!(before.post(&path, &grant).status, 200);

    // A second key whose challenge is older than the proof of who adds it is not asked for again.
    let mut made = spare.made(token(&asked));
    made["challenge"] = asked["challenge"].clone();
    let input = json!({
        "current": server.password(LOGIN), "label": "备用", "security_key": made.to_string(),
    });
    let added = before.post("/api/v1/platform/factors/add-key", &input);
    assert_eq!(added.status, 200, "{}", added.body);
}

#[test]
fn dj_04_what_was_signed_elsewhere_or_by_another_key_is_worth_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut key = with_key(&server);
    let mut client = server.anonymous();
    let right = key.address.clone();
    // A page of another site, and one of this machine under another name.
    for elsewhere in ["https://rongqiao.evil.example", "http://localhost"] {
        let first = asked(&server, &mut client);
        elsewhere.clone_into(&mut key.address);
        let answer = key.signs(token(&first));
        let wrong = answers(&mut client, &first, &answer);
        assert_eq!(
            (wrong.status, wrong.code()),
            (401, "wrong-code"),
            "{elsewhere}"
        );
        // A right answer takes the counted failures back.
        key.address.clone_from(&right);
        let first = asked(&server, &mut client);
        let answer = key.signs(token(&first));
        assert_eq!(answers(&mut client, &first, &answer).status, 200);
    }

    let first = asked(&server, &mut client);
    let unknown = SecurityKey::new(&server).signs(token(&first));
    assert_eq!(answers(&mut client, &first, &unknown).code(), "wrong-code");
    let mut named = SecurityKey::new(&server).signs(token(&first));
    named["id"] = json!(key.id());
    assert_eq!(answers(&mut client, &first, &named).code(), "wrong-code");
    // Made for a session, not for this sign-in.
    let other = server
        .user("enterprise")
        .get("/api/v1/session/security-key");
    let theirs = key.signs(token(&other.body));
    let proof = json!({
        "pending": first["pending"], "challenge": other.body["challenge"], "security_key": theirs,
    });
    let mixed = client.post("/api/v1/session", &proof);
    assert_eq!(mixed.code(), "wrong-code", "{}", mixed.body);
}

#[test]
fn dj_04_a_count_that_goes_back_is_a_copy() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut key = with_key(&server);
    let mut client = server.anonymous();
    key.count = 40;
    let first = asked(&server, &mut client);
    let answer = key.signs(token(&first));
    assert_eq!(answers(&mut client, &first, &answer).status, 200);
    for (on, back) in [(41, 40), (42, 7)] {
        key.count = back;
        let first = asked(&server, &mut client);
        let answer = key.signs(token(&first));
        let copy = answers(&mut client, &first, &answer);
        assert_eq!(copy.code(), "wrong-code", "{back}");
        key.count = on;
        let first = asked(&server, &mut client);
        let answer = key.signs(token(&first));
        assert_eq!(answers(&mut client, &first, &answer).status, 200);
    }
}

#[test]
fn a_key_is_added_for_a_challenge_of_the_session_and_taken_away() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut client = server.user("enterprise");
    let path = "/api/v1/platform/factors/add-key";
    let password = server.password("enterprise").to_owned();
    let mut key = SecurityKey::new(&server);
    let asked = client.get("/api/v1/session/security-key").body;
    let input = |answer: &Value| json!({ "current": password, "label": "手机", "security_key": answer.to_string() });
    let mut made = key.made(token(&asked));
    let unasked = client.post(path, &input(&made));
    assert_eq!(
        unasked.body["errors"][0]["code"], "wrong-signature",
        "{}",
        unasked.body
    );
    made["challenge"] = server
        .user("officer")
        .get("/api/v1/session/security-key")
        .body["challenge"]
        .clone();
    let another = client.post(path, &input(&made));
    assert_eq!(another.body["errors"][0]["code"], "wrong-signature");
    made["challenge"] = asked["challenge"].clone();
    let mut elsewhere = SecurityKey::new(&server);
    elsewhere.address = "https://rongqiao.evil.example".into();
    let mut there = elsewhere.made(token(&asked));
    there["challenge"] = asked["challenge"].clone();
    let there = client.post(path, &input(&there));
    assert_eq!(there.body["errors"][0]["code"], "bad-key", "{}", there.body);
    assert_eq!(client.post(path, &input(&made)).status, 200);
    let twice = client.post(path, &input(&made));
    assert_ne!(twice.status, 200, "one key twice: {}", twice.body);
    // Nor is it a key of somebody else.
    let mut officer = server.user("officer");
    let asked = officer.get("/api/v1/session/security-key").body;
    let mut theirs = key.made(token(&asked));
    theirs["challenge"] = asked["challenge"].clone();
    let theirs = json!({
        "current": server.password("officer"), "label": "手机", "security_key": theirs.to_string(),
    });
    let taken = officer.post(path, &theirs);
    assert_eq!(taken.status, 409, "{}", taken.body);

    let factors = server.user("auditor").get("/api/v1/platform/factors");
    let id = factors.body["items"][0]["id"].clone();
    let remove = json!({ "current": password, "factor": id });
    let removed = client.post("/api/v1/platform/factors/remove-key", &remove);
    assert_eq!(removed.status, 200, "{}", removed.body);
    server.user("enterprise");
}

#[test]
fn a_person_is_shown_what_the_browser_needs() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut key = with_key(&server);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login");
    let asked = browser.sign_in(&server, LOGIN, &login);
    assert!(asked.html.contains("data-security-key="), "{}", asked.html);
    assert!(asked.html.contains(&key.id()) && asked.html.contains("使用安全密钥"));
    let (pending, challenge) = (asked.hidden("pending"), asked.hidden("_challenge"));
    let answer = key.signs(&challenge).to_string();
    let typed = [
        ("username", LOGIN),
        ("pending", &pending),
        ("_challenge", &challenge),
        ("_security_key", &answer),
    ];
    let done = browser.send("/login", &asked, &typed);
    assert_eq!(done.status, 303, "{}", done.html);
    let account = browser.get("/platform/account");
    assert!(account.html.contains("移除安全密钥"), "{}", account.html);
}
