//! A certificate as a second factor, from the request to the next sign-in, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use kernel_crypto::sm2::SigningKey;
use serde_json::json;
use tests_http::certificate::{set_up, signed};
use tests_http::{Browser, Server};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";

#[test]
fn mm_4a_a_program_signs_in_and_steps_up_with_a_certificate() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut before = server.user("bankadmin");
    let key = set_up(&server, &mut server.user("bankadmin"), "bankadmin");

    let credentials = json!({ "login": "bankadmin", "password": server.password("bankadmin") });
    let mut client = server.anonymous();
    let asked = client.post("/api/v1/session", &credentials);
    assert_eq!((asked.status, asked.code()), (401, "code-needed"));
    assert_eq!(asked.body["ways"], json!(["certificate"]), "{}", asked.body);
    let text = asked.body["text"].as_str().unwrap().to_owned();
    assert_eq!(text.lines().nth(1), Some(server.url.as_str()));
    let proof = |signature: String| {
        json!({
            "pending": asked.body["pending"], "challenge": asked.body["challenge"],
            "signature": signature,
        })
    };
    let other = SigningKey::generate().unwrap();
    let wrong = client.post("/api/v1/session", &proof(signed(&other, &text)));
    assert_eq!((wrong.status, wrong.code()), (401, "wrong-code"));
    let done = client.post("/api/v1/session", &proof(signed(&key, &text)));
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.body["name"], "罗清和");
    let replayed = client.post("/api/v1/session", &proof(signed(&key, &text)));
    assert_eq!(replayed.code(), "wrong-code", "good once");

    // A session that never proved it.
    let found = before.get(&format!("/api/v1/platform/posts?user={OFFICER}"));
    let post = found.body["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/platform/posts/{post}/grant");
    let grant = json!({ "role": "model.validator", "reason": "轮岗" });
    let refused = before.post(&path, &grant);
    assert_eq!(refused.code(), "step-up-needed");
    let at = refused.body["step_up"].as_str().unwrap();
    let how = before.get(at);
    assert_eq!(how.body["ways"], json!(["certificate"]), "{}", how.body);
    let signature = signed(&key, how.body["text"].as_str().unwrap());
    let proof = json!({ "challenge": how.body["challenge"], "signature": signature });
    assert_eq!(before.post(at, &proof).status, 204);
    assert_eq!(before.post(&path, &grant).status, 200);
}

#[test]
fn mm_4a_a_person_signs_the_text_of_the_sign_in_page() {
    let Some(server) = Server::start() else {
        return;
    };
    let key = set_up(&server, &mut server.user("bankadmin"), "bankadmin");
    let mut browser = Browser::new(&server);
    let login = browser.get("/login");
    let asked = browser.sign_in(&server, "bankadmin", &login);
    assert_eq!(asked.status, 200, "{}", asked.html);
    assert!(!asked.html.contains("name=\"code\""), "there are no codes");
    let (_, text) = asked.html.split_once("readonly>").unwrap();
    let text = text.split("</textarea>").next().unwrap();
    let send = |browser: &mut Browser, signature: &str| {
        let (pending, challenge) = (asked.hidden("pending"), asked.hidden("_challenge"));
        let typed = [
            ("username", "bankadmin"),
            ("pending", &pending),
            ("_challenge", &challenge),
            ("_signature", signature),
        ];
        browser.send("/login", &asked, &typed)
    };
    let wrong = send(&mut browser, &signed(&key, "x"));
    assert_eq!(wrong.status, 401, "{}", wrong.html);
    assert!(wrong.html.contains("待签名文本"), "and is asked again");
    let done = send(&mut browser, &signed(&key, text));
    assert_eq!(done.status, 303, "{}", done.html);
}
