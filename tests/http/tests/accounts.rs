//! Accounts as people and their administrators meet them: a forgotten password, leaving and coming
//! back.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::{Authenticator, Browser, Client, Screen, Server};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";
const OTHER_OFFICER: &str = "01930000-0000-7000-8000-000000000921";
const OPERATOR: &str = "01930000-0000-7000-8000-000000000931";
const NEW: &str = "Nine9lamps%over";

fn forgets(server: &Server, login: &str) -> Screen {
    let path = "/platform/forgotten";
    let mut browser = Browser::new(server);
    let form = browser.get(path);
    let typed = [
        ("_form", "forgotten"),
        ("_action", "reset.ask"),
        ("login", login),
    ];
    let asked = browser.send(path, &form, &typed);
    assert_eq!(asked.status, 303, "{}", asked.html);
    browser.get(&asked.to.unwrap())
}

/// What an administrator copies from the list.
fn link(admin: &Client) -> String {
    let page = admin.page("/platform/resets").body.to_string();
    let (_, rest) = page.split_once("/platform/reset?token=").unwrap();
    let token = rest.split('"').next().unwrap();
    format!("/platform/reset?token={token}")
}

fn sets(browser: &mut Browser, link: &str, password: &str) -> Screen {
    let form = browser.get(link);
    let typed = [
        ("_form", "reset"),
        ("_action", "reset.use"),
        ("password", password),
        ("again", password),
    ];
    browser.send(link, &form, &typed)
}

fn signs_in(server: &Server, login: &str, password: &str) -> (u16, Value) {
    let credentials = json!({ "login": login, "password": password });
    let answer = server.anonymous().post("/api/v1/session", &credentials);
    (answer.status, answer.body["code"].clone())
}

#[test]
fn a_forgotten_password_is_set_anew_with_a_link_and_the_factor_stays() {
    let Some(server) = Server::start() else {
        return;
    };
    let login = Browser::new(&server).get("/login");
    assert!(login.html.contains("href=\"/platform/forgotten\""));
    let known = forgets(&server, "officer");
    let unknown = forgets(&server, "nobody.at.all");
    let said = |screen: &Screen| screen.html.contains("如果有这个账号");
    assert!(said(&known) && said(&unknown), "{}", known.html);

    let mut officer = server.user("officer");
    Authenticator::set_up(&server, &mut officer, "officer");
    let mut admin = server.user("bankadmin");
    let waiting = admin.get("/api/v1/platform/resets");
    assert_eq!(waiting.body["total"], 1, "{}", waiting.body);
    assert_eq!(
        server
            .user("officer2")
            .get("/api/v1/platform/resets")
            .status,
        403
    );

    let path = |user: &str| format!("/api/v1/platform/users/{user}/issue-reset");
    let why = json!({ "reason": "当面核对工作证" });
    assert_eq!(
        admin.post(&path(OTHER_OFFICER), &why).status,
        404,
        "another bank's"
    );
    let issued = admin.post(&path(OFFICER), &why);
    assert_eq!(issued.status, 200, "{}", issued.body);
    let link = link(&admin);
    assert!(!server.log().contains(link.split('=').nth(1).unwrap()));

    let mut browser = Browser::new(&server);
    let weak = sets(&mut browser, &link, "officer");
    assert_eq!(weak.status, 422, "{}", weak.html);
    let set = sets(&mut browser, &link, NEW);
    assert_eq!((set.status, set.to.as_deref()), (303, Some("/login")));
    assert!(browser.get(&link).html.contains("链接已使用"));
    assert_eq!(
        officer.get("/api/v1/session").status,
        401,
        "every session ended"
    );
    let old = server.password("officer");
    assert_eq!(signs_in(&server, "officer", old).0, 401);
    let (status, code) = signs_in(&server, "officer", NEW);
    assert_eq!((status, code), (401, json!("code-needed")));
    let trail = server.user("auditor").page("/console/audit?what=platform.");
    for words in [
        "密码重置 · 申请重置密码",
        "用户 · 签发重置链接",
        "密码重置 · 设置新密码",
    ] {
        assert!(trail.body.to_string().contains(words), "{words}");
    }

    // One of the three administrators takes two others.
    let mut security = server.user("security");
    let asked = security.post(&path(OPERATOR), &why);
    assert_eq!(asked.status, 200, "{}", asked.body);
    let request = asked.body["result"]["request"].as_str().unwrap();
    let approve = format!("/api/v1/platform/requests/{request}/approve");
    let approval = json!({ "reason": "已核实" });
    assert_eq!(security.post(&approve, &approval).status, 403);
    let approved = server.user("auditor").post(&approve, &approval);
    assert_eq!(approved.status, 200, "{}", approved.body);
    let page = security.page("/platform/resets").body.to_string();
    assert!(page.contains("周令仪"), "{page}");
}

#[test]
fn an_address_asks_so_often_and_no_more() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut last = Value::Null;
    for n in 0..21 {
        let mut nobody = server.anonymous();
        let login = json!({ "login": format!("nobody{n}") });
        last = nobody.post("/api/v1/platform/resets/ask", &login).body;
    }
    assert_eq!(last["code"], "too-many-failures", "{last}");
}

#[test]
fn dj_04_a_lost_factor_is_lifted_when_another_agrees() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut officer = server.user("officer");
    Authenticator::set_up(&server, &mut officer, "officer");
    let password = server.password("officer").to_owned();

    // The sign-in that asks for the factor leads to the page.
    let mut browser = Browser::new(&server);
    let form = browser.get("/login");
    let typed = [("username", "officer"), ("password", password.as_str())];
    let asked = browser.send("/login", &form, &typed);
    assert!(
        asked.html.contains("href=\"/platform/lost-factor\""),
        "{}",
        asked.html
    );
    let path = "/platform/lost-factor";
    let mut lost = |password: &str| {
        let form = browser.get(path);
        let typed = [
            ("_form", "lost"),
            ("_action", "factor.ask-lift"),
            ("login", "officer"),
            ("password", password),
            ("reason", "手机遗失"),
        ];
        browser.send(path, &form, &typed)
    };
    let wrong = lost("not it");
    assert_eq!(wrong.status, 422, "{}", wrong.html);
    assert!(wrong.html.contains("登录名或密码不正确") && wrong.html.contains("手机遗失"));
    let sent = lost(&password);
    assert_eq!(
        (sent.status, sent.to.as_deref()),
        (303, Some("/login")),
        "{}",
        sent.html
    );

    // Who is still signed in somewhere sees it.
    let home = officer.page("/").body.to_string();
    assert!(home.contains("有人申请解除您的第二重验证"), "{home}");
    let mut other = server.user("branchadmin");
    let all = other.get("/api/v1/platform/requests").body;
    assert_eq!(all["total"], 0, "of a branch below: {all}");
    let mut admin = server.user("bankadmin");
    let all = admin.get("/api/v1/platform/requests").body;
    let request = all["items"][0]["id"].as_str().unwrap().to_owned();
    let approve = format!("/api/v1/platform/requests/{request}/approve");
    let why = json!({ "reason": "当面核对工作证" });
    assert_eq!(officer.post(&approve, &why).status, 403, "not one's own");
    assert_eq!(other.post(&approve, &why).status, 404);
    let before = signs_in(&server, "officer", &password);
    assert_eq!(before, (401, json!("code-needed")));
    let approved = admin.post(&approve, &why);
    assert_eq!(approved.status, 200, "{}", approved.body);
    assert_eq!(admin.post(&approve, &why).status, 409, "once");

    assert_eq!(officer.get("/api/v1/session").status, 401);
    assert_eq!(signs_in(&server, "officer", &password).0, 200);
    let officer = server.user("officer");
    for page in ["/", "/platform/account"] {
        let shown = officer.page(page).body.to_string();
        assert!(shown.contains("您的第二重验证已解除"), "{page}: {shown}");
    }
    let trail = server.user("auditor").page("/console/audit?what=platform.");
    let trail = trail.body.to_string();
    for words in ["申请解除第二重验证", "待复核事项 · 同意"] {
        assert!(trail.contains(words), "{words}: {trail}");
    }

    // An administrator asks for somebody who cannot, and does not decide it.
    let mut officer = server.user("officer");
    Authenticator::set_up(&server, &mut officer, "officer");
    let start = format!("/api/v1/platform/users/{OFFICER}/lift-factor");
    assert_eq!(other.post(&start, &why).status, 404);
    assert_eq!(server.user("operator").post(&start, &why).status, 403);
    let asked = admin.post(&start, &why);
    assert_eq!(asked.status, 200, "{}", asked.body);
    let request = asked.body["result"]["request"].as_str().unwrap();
    let approve = format!("/api/v1/platform/requests/{request}/approve");
    assert_eq!(admin.post(&approve, &why).status, 403);
    let approved = server.user("security").post(&approve, &why);
    assert_eq!(approved.status, 200, "{}", approved.body);
    assert_eq!(signs_in(&server, "officer", &password).0, 200);
}

#[test]
fn dj_05_a_leaver_can_do_nothing_more_and_comes_back_without_roles() {
    let Some(server) = Server::start() else {
        return;
    };
    let officer = server.user("officer");
    let mut admin = server.user("bankadmin");
    let path = |verb: &str| format!("/api/v1/platform/users/{OFFICER}/{verb}");
    let why = json!({ "reason": "合同到期" });
    let bare = admin.post(&path("leave"), &json!({}));
    assert_eq!((bare.status, bare.code()), (400, "invalid"));
    let left = admin.post(&path("leave"), &why);
    assert_eq!(left.status, 200, "{}", left.body);
    assert_eq!(left.body["result"]["closed"], true);
    assert_eq!(officer.get("/api/v1/session").status, 401);
    let password = server.password("officer");
    assert_eq!(signs_in(&server, "officer", password).0, 401);
    let gone = admin.page("/platform/users?state=left").body.to_string();
    assert!(
        gone.contains("程见山") && !gone.contains("罗清和"),
        "{gone}"
    );
    let again = admin.post(&path("leave"), &why);
    assert_eq!((again.status, again.code()), (422, "account-left"));

    let mut browser = Browser::signed_in(&server, "bankadmin");
    let page = format!("/platform/users/{OFFICER}");
    let form = browser.get(&page);
    let typed = [
        ("_form", "return"),
        ("_action", "user.return"),
        ("_record", OFFICER),
        ("title", "返聘顾问"),
        ("reason", "项目需要"),
    ];
    let back = browser.send(&page, &form, &typed);
    assert_eq!(back.status, 303, "{}", back.html);
    let (status, _) = signs_in(&server, "officer", password);
    assert_eq!(status, 200);
    let session = server.user("officer").get("/api/v1/session").body;
    assert_eq!(session["roles"], json!([]), "{session}");
    let history = browser.get(&format!("{page}?tab=history")).html;
    for words in ["办理离职", "返聘", "合同到期", "返聘顾问"] {
        assert!(history.contains(words), "{words}: {history}");
    }
}
