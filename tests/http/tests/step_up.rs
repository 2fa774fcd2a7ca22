//! What takes a second factor proven a moment ago, as people and programs meet it. Time cannot be
//! moved here, so a second session that never proved one stands for one that did so long ago.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{BANK, in_days};
use tests_http::{Authenticator, Browser, Client, Screen, Server, Start};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";

fn post_of(client: &Client, user: &str) -> String {
    let found = client.get(&format!("/api/v1/platform/posts?user={user}"));
    found.body["items"][0]["id"].as_str().unwrap().to_owned()
}

fn grant() -> Value {
    json!({ "role": "model.validator", "reason": "轮岗" })
}

/// Roles given to the officer.
fn grants(client: &Client) -> usize {
    let found = client.get(&format!("/api/v1/platform/grants?user={OFFICER}"));
    found.body["items"].as_array().unwrap().len()
}

#[test]
fn dj_04_a_program_is_told_how_to_step_up_and_goes_on() {
    let Some(server) = Server::start() else {
        return;
    };
    // Signed in before the factor was there: this session never proved it.
    let mut admin = server.user("bankadmin");
    let post = post_of(&admin, OFFICER);
    let path = format!("/api/v1/platform/posts/{post}/grant");
    let mut other = server.user("bankadmin");
    let mut phone = Authenticator::set_up(&server, &mut other, "bankadmin");

    let refused = admin.post(&path, &grant());
    assert_eq!(
        (refused.status, refused.code()),
        (403, "step-up-needed"),
        "{}",
        refused.body
    );
    let at = refused.body["step_up"].as_str().unwrap().to_owned();
    let wrong = admin.post(&at, &json!({ "code": "000000" }));
    assert_eq!((wrong.status, wrong.code()), (401, "wrong-code"));
    assert_eq!(admin.post(&path, &grant()).code(), "step-up-needed");
    let unproven = server.anonymous().post(&at, &json!({ "code": "000000" }));
    assert_eq!(unproven.status, 401);
    let strange = admin.post(&at, &json!({ "code": "1", "way": "x" }));
    assert_eq!(strange.status, 400, "{}", strange.body);
    assert_eq!(grants(&admin), 0);

    let proven = admin.post(&at, &json!({ "code": phone.code() }));
    assert_eq!(proven.status, 204, "{}", proven.body);
    let done = admin.post(&path, &grant());
    assert_eq!(done.status, 200, "{}", done.body);
    // The session in which it was set up had proven it.
    let revoked = other.post(
        &format!("/api/v1/platform/posts/{post}/revoke"),
        &json!({ "role": "model.validator", "reason": "轮岗结束" }),
    );
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    let session = admin.get("/console/audit?what=platform.session.step-up");
    assert_eq!(
        session.status, 403,
        "an administrator of a bank reads no trail"
    );
    let trail = server
        .user("auditor")
        .page("/console/audit?what=platform.session.step-up");
    let text = trail.body.to_string();
    assert!(text.contains("第二重验证"), "{text}");
    assert!(text.contains("罗清和"), "{text}");

    // Without a cross-site token nothing is proven.
    let mut forged = server.user("officer");
    forged.without_token();
    let answer = forged.post(&at, &json!({ "code": "000000" }));
    assert_eq!((answer.status, answer.code()), (403, "csrf"));
}

#[test]
fn dj_04_a_person_is_asked_in_between_and_what_was_typed_goes_on() {
    let Some(server) = Server::start() else {
        return;
    };
    let security = server.user("security");
    let mut browser = Browser::signed_in(&server, "bankadmin");
    let mut phone = Authenticator::set_up(&server, &mut server.user("bankadmin"), "bankadmin");
    let post = post_of(&security, OFFICER);
    let path = format!("/platform/posts/{post}");
    let form = browser.get(&path);
    let typed = [
        ("_form", "grant"),
        ("_action", "post.grant"),
        ("_record", post.as_str()),
        ("role", "model.validator"),
        ("reason", "模型评审轮岗"),
    ];
    let asked = browser.send(&path, &form, &typed);
    assert_eq!(asked.status, 403, "{}", asked.html);
    assert!(asked.html.contains("请确认是您本人"), "{}", asked.html);

    let parked = asked.hidden("_parked");
    let send = |browser: &mut Browser, screen: &Screen, code: &str| {
        browser.send(&path, screen, &[("_parked", &parked), ("_code", code)])
    };
    let wrong = send(&mut browser, &asked, "000000");
    assert_eq!(wrong.status, 401);
    assert!(wrong.html.contains("口令不正确或已用过"), "{}", wrong.html);
    assert_eq!(grants(&security), 0);

    // Another browser of the same person finds nothing waiting.
    let mut elsewhere = Browser::new(&server);
    let login = elsewhere.get("/login");
    let asked = elsewhere.sign_in(&server, "bankadmin", &login);
    let (pending, code) = (asked.hidden("pending"), phone.code());
    let typed = [
        ("username", "bankadmin"),
        ("pending", &pending),
        ("code", &code),
    ];
    assert_eq!(elsewhere.send("/login", &asked, &typed).status, 303);
    let theirs = elsewhere.get(&path);
    let nothing = send(&mut elsewhere, &theirs, "000000");
    assert_eq!(nothing.status, 409, "{}", nothing.html);

    let done = send(&mut browser, &wrong, &phone.code());
    assert_eq!(done.status, 303, "{}", done.html);
    assert!(browser.get(&path).html.contains("模型验证"));
    // Sent twice, it is done once.
    let twice = send(&mut browser, &wrong, "000000");
    assert_eq!(twice.status, 303, "{}", twice.html);
    assert_eq!(grants(&security), 1);
}

#[test]
fn dj_04_who_has_no_factor_is_led_to_set_one_up_and_back() {
    let config = tempfile::NamedTempFile::new().unwrap();
    // Here nobody of the platform has to have one, but what asks for one still does.
    std::fs::write(&config, "[sessions]\nsecond_factor = [\"bank.\"]\n").unwrap();
    let start = Start {
        bare: true,
        config: Some(config.path().to_owned()),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let mut security = Browser::signed_in(&server, "secadmin");
    let screen = security.get("/platform/account");
    let given = server.password("secadmin").to_owned();
    let new = [
        ("_form", "password"),
        ("_action", "user.change-password"),
        ("current", given.as_str()),
        ("new", "Nine9lamps%over"),
        ("again", "Nine9lamps%over"),
    ];
    let changed = security.send("/platform/account", &screen, &new);
    assert_eq!(changed.status, 303, "{}", changed.html);
    server.now_password("secadmin", "Nine9lamps%over");
    // An account that others made has accepted no terms yet.
    let terms = security.get("/platform/account");
    assert!(terms.html.contains("用户服务协议"), "{}", terms.html);
    let agreed = [
        ("_form", "terms"),
        ("_action", "user.accept-terms"),
        ("agree", "1"),
    ];
    let accepted = security.send("/platform/account", &terms, &agreed);
    assert_eq!(accepted.status, 303, "{}", accepted.html);

    let post = post_of(&server.user("secadmin"), &user_called(&server, "sysadmin"));
    let path = format!("/platform/posts/{post}");
    let form = security.get(&path);
    let typed = [
        ("_form", "grant"),
        ("_action", "post.grant"),
        ("_record", post.as_str()),
        ("role", "platform.auditor"),
        ("reason", "同一岗位"),
    ];
    let led = security.send(&path, &form, &typed);
    assert_eq!(led.status, 303, "{}", led.html);
    let account = led.to.unwrap();
    assert!(account.starts_with("/platform/account?back="), "{account}");
    assert!(security.get(&account).html.contains("请先启用第二重验证"));
    Authenticator::set_up_on(&server, &mut security, &account, "secadmin");
    let done = security.get(&account);
    assert!(done.html.contains("返回继续办理"), "{}", done.html);
    let (_, link) = done.html.split_once(&format!("href=\"{path}")).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let back = security.get(&format!("{path}{link}"));
    assert!(back.html.contains("同一岗位"), "{}", back.html);
}

fn user_called(server: &Server, login: &str) -> String {
    let found = server.user("secadmin").get("/api/v1/platform/users");
    let all = found.body["items"].as_array().unwrap();
    let one = all.iter().find(|u| u["login"] == json!(login)).unwrap();
    one["id"].as_str().unwrap().to_owned()
}

#[test]
fn dj_04_who_signs_a_letter_proves_the_second_factor_they_have() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut owner = server.user("enterprise");
    let mut other = server.user("enterprise");
    let mut phone = Authenticator::set_up(&server, &mut other, "enterprise");
    let letter = json!({
        "recipient": BANK, "items": ["25"], "purposes": ["02"],
        "valid_to": in_days(30), "separate": true, "agree": true,
    });
    let sign = "/api/v1/consent/letters/sign";
    let refused = owner.post(sign, &letter);
    assert_eq!(
        (refused.status, refused.code()),
        (403, "step-up-needed"),
        "{}",
        refused.body
    );
    assert_eq!(owner.get("/api/v1/consent/letters").body["total"], json!(0));
    let at = refused.body["step_up"].as_str().unwrap();
    let proven = owner.post(at, &json!({ "code": phone.code() }));
    assert_eq!(proven.status, 204, "{}", proven.body);
    let signed = owner.post(sign, &letter);
    assert_eq!(signed.status, 200, "{}", signed.body);
}
