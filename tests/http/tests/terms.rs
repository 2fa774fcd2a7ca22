//! The terms of use: whoever has not accepted them as they are now does so before all else.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tests_http::program::Program;
use tests_http::steps::{recorded, text};
use tests_http::{Browser, Client, Server, Start};

const ACCEPT: &str = "/api/v1/platform/users/accept-terms";
const LETTERS: &str = "/api/v1/consent/letters";

/// Writes the terms of a deployment.
fn terms(file: &std::path::Path, version: &str, paragraph: &str) {
    let config = format!(
        "[sessions.registration]\nterms_version = \"{version}\"\nterms = [\"{paragraph}\"]\n"
    );
    std::fs::write(file, config).unwrap();
}

fn refused(client: &Client) {
    let read = client.get(LETTERS);
    assert_eq!(
        (read.status, read.code()),
        (403, "terms-acceptance-needed"),
        "{}",
        read.body
    );
}

#[test]
fn pi_01_changed_terms_are_accepted_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rongqiao.toml");
    terms(&config, "2026-12", "旧条款。");
    let start = Start {
        config: Some(config.clone()),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let mut owner = server.user("enterprise");
    assert_eq!(owner.get(LETTERS).status, 200, "accepted from the start");
    let program = Program::approved(&server, |_| {});

    server.stop();
    terms(&config, "2027-01", "新条款：增加敏感信息的处理规则。");
    server.start_again();
    owner.follow(&server);
    refused(&owner);
    // A program agrees to nothing.
    assert_eq!(program.calls(&server.anonymous()).answer.status, 200);

    // A person is led to the terms wherever they go; they read, leave it, or agree.
    let mut browser = Browser::signed_in(&server, "enterprise");
    for path in ["/", "/consent/letters", "/platform/me"] {
        let led = browser.get(path);
        assert_eq!(
            (led.status, led.to.as_deref()),
            (303, Some("/platform/account")),
            "{path}"
        );
    }
    assert!(browser.get("/platform/terms").html.contains("2027-01 版"));
    let page = browser.get("/platform/account");
    for words in [
        "新条款：增加敏感信息的处理规则。",
        "2027-01 版",
        "请退出登录",
    ] {
        assert!(page.html.contains(words), "{words}");
    }
    let typed = |agree: bool| {
        let mut typed = vec![("_form", "terms"), ("_action", "user.accept-terms")];
        if agree {
            typed.push(("agree", "1"));
        }
        typed
    };
    let without = browser.send("/platform/account", &page, &typed(false));
    assert!(matches!(without.status, 400 | 422), "{}", without.html);
    assert!(
        without.html.contains("请阅读并勾选同意"),
        "{}",
        without.html
    );
    let done = browser.send("/platform/account", &page, &typed(true));
    assert_eq!((done.status, done.to.as_deref()), (303, Some("/")));
    assert_eq!(browser.get("/consent/letters").status, 200);
    assert_eq!(owner.get(LETTERS).status, 200, "in every session of theirs");

    // A program that speaks for a person is told what to do.
    let mut officer = server.user("officer");
    refused(&officer);
    let shown = officer.page("/platform/terms");
    assert!(shown.body.to_string().contains("2027-01"));
    for (input, expected) in [
        (
            json!({ "version": "2027-01", "agree": false }),
            (400, "invalid"),
        ),
        (
            json!({ "version": "2026-12", "agree": true }),
            (409, "terms-changed"),
        ),
    ] {
        let wrong = officer.post(ACCEPT, &input);
        assert_eq!((wrong.status, wrong.code()), expected, "{}", wrong.body);
    }
    refused(&officer);
    let right = json!({ "version": "2027-01", "agree": true });
    let accepted = officer.post(ACCEPT, &right);
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    assert_eq!(officer.get(LETTERS).status, 200);

    // Who, when, which text: with the account, in its history, in the trail.
    let copy = officer.get("/api/v1/platform/account/copy").body;
    let account = &copy["account"];
    assert_eq!(account["terms_version"], json!("2027-01"));
    assert!(account["terms_at"].is_string(), "{account}");
    let digest = text(&account["terms_digest"]);
    let changes = copy["changes"].as_array().unwrap();
    let change = changes.iter().find(|c| c["what"] == "user.accept-terms");
    let change: &Value = change.unwrap();
    assert!(change["before"].to_string().contains("2026-12"), "{change}");
    assert!(change["after"].to_string().contains(&digest), "{change}");
    assert_eq!(account_trail(&server), 2);

    // The same version with another text is another text.
    server.stop();
    terms(&config, "2027-01", "又改了的条款。");
    server.start_again();
    officer.follow(&server);
    refused(&officer);
    server.end_session(&officer);
    assert_eq!(
        officer.get("/api/v1/session").status,
        401,
        "leaving is open"
    );
}

/// Acceptances in the trail, as an auditor who accepted reads them.
fn account_trail(server: &Server) -> u64 {
    let right = json!({ "version": "2027-01", "agree": true });
    let mut auditor = server.user("auditor");
    assert_eq!(auditor.post(ACCEPT, &right).status, 200);
    recorded(server, "what=platform.user.accept-terms&outcome=done") - 1
}
