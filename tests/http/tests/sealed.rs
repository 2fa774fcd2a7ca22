//! Passwords leave the browser sealed: what a form sends is no use a second time or in another form,
//! and what comes in clear is not taken.

use std::process::Command;

use serde_json::{Value, json};
use tests_http::sealed::Sealing;
use tests_http::{Browser, Screen, Server, Start, documented};

const ACCOUNT: &str = "/platform/account";
const CHANGE: &str = "/api/v1/platform/users/change-password";
const SESSION: &str = "/api/v1/session";
const NEW: &str = "Nine9lamps%over";

fn signs_in(server: &Server, browser: &mut Browser, typed: &[(&str, &str)]) -> Screen {
    let screen = browser.get("/login");
    let who = [("username", "officer")];
    let typed = [&who, typed].concat();
    let done = browser.send_as_is("/login", &screen, &typed);
    assert!(!done.html.contains(server.password("officer")));
    done
}

fn says(screen: &Screen, words: &str) {
    assert_eq!(screen.status, 422, "{}", screen.html);
    assert!(screen.html.contains(words), "{words}: {}", screen.html);
}

#[test]
fn dj_03_the_sign_in_form_takes_a_sealed_password_once() {
    let Some(server) = Server::start() else {
        return;
    };
    let password = server.password("officer").to_owned();
    let mut browser = Browser::new(&server);
    let screen = browser.get("/login");
    // Without its script, the form sends no password at all.
    assert!(screen.html.contains("data-secret=\"password\""));
    assert!(!screen.html.contains("name=\"password\""));
    assert!(screen.html.contains("<noscript>") && screen.html.contains("/assets/seal."));
    assert!(!browser.get("/").html.contains("/assets/seal."));

    let clear = [("password", password.as_str())];
    let refused = signs_in(&server, &mut browser, &clear);
    says(&refused, "请启用浏览器脚本");
    assert!(
        refused.html.contains("value=\"officer\""),
        "the name is kept"
    );
    says(&signs_in(&server, &mut browser, &[]), "请启用浏览器脚本");

    let sealed = Sealing::ask(&server.url, "/login").seal(&clear);
    let mut damaged = sealed.clone().into_bytes();
    damaged[40] = if damaged[40] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8(damaged).unwrap();
    let wrong = signs_in(&server, &mut browser, &[("_sealed", &damaged)]);
    says(&wrong, "请刷新页面后再填写一次");
    let another = Sealing::ask(&server.url, "/platform/account#password").seal(&clear);
    let wrong = signs_in(&server, &mut browser, &[("_sealed", &another)]);
    says(&wrong, "请刷新页面后再填写一次");

    let done = signs_in(&server, &mut browser, &[("_sealed", &sealed)]);
    assert_eq!(done.status, 303, "{}", done.html);
    let mut thief = Browser::new(&server);
    let again = signs_in(&server, &mut thief, &[("_sealed", &sealed)]);
    says(&again, "只能使用一次");
    assert!(!thief.cookies.contains_key("rq_session"));
    assert!(!server.log().contains(&password));
}

#[test]
fn dj_03_a_captured_change_of_password_changes_nothing_a_second_time() {
    let Some(server) = Server::start() else {
        return;
    };
    let old = server.password("officer").to_owned();
    let mut browser = Browser::signed_in(&server, "officer");
    let screen = browser.get(ACCOUNT);
    let what = [("_form", "password"), ("_action", "user.change-password")];
    let typed = [("current", old.as_str()), ("new", NEW), ("again", NEW)];
    let clear = browser.send_as_is(ACCOUNT, &screen, &[&what[..], &typed[..]].concat());
    says(&clear, "密码须由浏览器加密后提交");
    assert!(!clear.html.contains(&old) && !clear.html.contains(NEW));

    let to = format!("{ACCOUNT}#password");
    // What no form asks for is not slipped in among the passwords.
    let more = [&typed[..], &[("_action", "user.close")]].concat();
    let more = Sealing::ask(&server.url, &to).seal(&more);
    let wrong = [&what[..], &[("_sealed", more.as_str())]].concat();
    says(
        &browser.send_as_is(ACCOUNT, &screen, &wrong),
        "没有正确加密",
    );

    let sealed = Sealing::ask(&server.url, &to).seal(&typed);
    let body = [&what[..], &[("_sealed", sealed.as_str())]].concat();
    let done = browser.send_as_is(ACCOUNT, &screen, &body);
    assert_eq!(done.status, 303, "{}", done.html);
    // Sent again as it was, it is the same request, and has the same answer.
    let mut owner = Browser::new(&server);
    let login = owner.get("/login");
    let with = [("username", "officer"), ("password", NEW)];
    assert_eq!(owner.send("/login", &login, &with).status, 303);
    // On another form it is another request.
    let fresh = owner.get(ACCOUNT);
    says(&owner.send_as_is(ACCOUNT, &fresh, &body), "只能使用一次");
}

#[test]
fn dj_03_what_else_was_typed_is_kept_where_a_sealed_password_is_refused() {
    let Some(server) = Server::start() else {
        return;
    };
    let path = "/platform/lost-factor";
    let mut browser = Browser::new(&server);
    let form = browser.get(path);
    let sealed = Sealing::ask(&server.url, "/login").seal(&[("password", "x")]);
    let typed = [
        ("_form", "lost"),
        ("_action", "factor.ask-lift"),
        ("login", "officer"),
        ("reason", "手机遗失"),
        ("_sealed", &sealed),
    ];
    let refused = browser.send_as_is(path, &form, &typed);
    says(&refused, "请刷新页面后再填写一次");
    assert!(refused.html.contains("手机遗失"));
    assert_eq!(refused.hidden("_sealed"), "");
    let typed = [
        ("_form", "lost"),
        ("_action", "factor.ask-lift"),
        ("login", "officer"),
        ("reason", "手机遗失"),
        ("password", "not it"),
    ];
    says(&browser.send(path, &refused, &typed), "登录名或密码不正确");
}

#[test]
fn dj_03_programs_may_seal_and_where_the_configuration_says_must() {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&config, "[sessions.password]\nin_clear = \"none\"\n").unwrap();
    let start = Start {
        config: Some(config.path().to_owned()),
        ..Start::default()
    };
    let (Some(open), Some(strict)) = (Server::start(), Server::start_as(start)) else {
        return;
    };
    for (server, takes_clear) in [(&open, true), (&strict, false)] {
        let password = server.password("officer");
        let mut program = server.anonymous();
        let clear = program.post(
            SESSION,
            &json!({ "login": "officer", "password": password }),
        );
        assert_eq!(clear.status, if takes_clear { 200 } else { 422 });
        if !takes_clear {
            assert_eq!(clear.code(), "password-in-clear");
        }

        let sealed = Sealing::ask(&server.url, SESSION).seal(&[("password", password)]);
        let body = json!({ "login": "officer", "sealed_password": sealed });
        let mut program = server.signed_in(&body);
        let again = server.anonymous().post(SESSION, &body);
        assert_eq!((again.status, again.code()), (422, "seal-used"));

        let typed = [("current", password), ("new", NEW), ("again", NEW)];
        if !takes_clear {
            let clear = json!({ "current": password, "new": NEW, "again": NEW });
            let refused = program.post(CHANGE, &clear);
            assert_eq!((refused.status, refused.code()), (422, "password-in-clear"));
        }
        let elsewhere = Sealing::ask(&server.url, SESSION).seal(&typed);
        let wrong = program.post(CHANGE, &json!({ "sealed_password": elsewhere }));
        assert_eq!((wrong.status, wrong.code()), (422, "seal-wrong"));
        let sealed = Sealing::ask(&server.url, CHANGE).seal(&typed);
        let changed = program.post(CHANGE, &json!({ "sealed_password": sealed }));
        assert_eq!(changed.status, 200, "{}", changed.body);
        let sealed = Sealing::ask(&server.url, SESSION).seal(&[("password", NEW)]);
        let body = json!({ "login": "officer", "sealed_password": sealed });
        assert_eq!(server.anonymous().post(SESSION, &body).status, 200);
    }
}

#[test]
fn the_documented_way_to_seal_runs_with_curl_and_openssl() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = Command::new("sh")
        .args(["-e", "-c", &documented("Sealed passwords")])
        .env("url", &server.url)
        .env("login", "officer")
        .env("password", server.password("officer"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{errors}");
    let who: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(who["roles"], json!(["bank.officer"]), "{who}");
}
