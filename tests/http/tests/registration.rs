//! Registering and being certified for an enterprise, as a person does it in the portal.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tests_http::{Browser, Client, Screen, Server};

const PASSWORD: &str = "Nine9lamps%over";
const YUNSHAN: (&str, &str) = ("上海云杉智能装备有限公司", "91310115MA90090168");
const GONE: (&str, &str) = ("上海柏舟济汽车零部件有限公司", "91310104MA90002491");
const ORGANISATION: &str = "01930000-0000-7000-8000-000000001001";

fn fills(login: &str, again: &str) -> Vec<(&'static str, String)> {
    [
        ("_form", "register"),
        ("_action", "user.register"),
        ("login", login),
        ("name", "林知远"),
        ("phone", "13800001234"),
        ("password", PASSWORD),
        ("again", again),
        ("agree", "true"),
    ]
    .map(|(n, v)| (n, v.to_owned()))
    .to_vec()
}

fn sends(browser: &mut Browser, path: &str, screen: &Screen, typed: &[(&str, String)]) -> Screen {
    let typed: Vec<(&str, &str)> = typed.iter().map(|(n, v)| (*n, v.as_str())).collect();
    browser.send(path, screen, &typed)
}

/// Registers in the portal; the login that the platform made.
fn registers(server: &Server, wish: &str) -> String {
    let path = "/platform/register";
    let mut browser = Browser::new(server);
    let form = browser.get(path);
    let wrong = sends(&mut browser, path, &form, &fills(wish, "another"));
    assert_eq!(wrong.status, 422, "{}", wrong.html);
    assert!(wrong.html.contains("两次输入的密码不一致") && wrong.html.contains("13800001234"));
    assert!(!wrong.html.contains(PASSWORD));
    let done = sends(&mut browser, path, &wrong, &fills(wish, PASSWORD));
    assert_eq!(done.status, 303, "{}", done.html);
    let to = done.to.unwrap();
    let login = to.split("login=").nth(1).unwrap().to_owned();
    assert!(browser.get(&to).html.contains(&login));
    login
}

fn signs_in(server: &Server, login: &str) -> Client {
    let mut client = server.anonymous();
    let credentials = json!({ "login": login, "password": PASSWORD });
    let signed = client.post("/api/v1/session", &credentials);
    assert_eq!(signed.status, 200, "{}", signed.body);
    client.renew();
    client
}

fn claim(client: &mut Client, (name, code): (&str, &str)) -> tests_http::Answer {
    let evidence = client.upload("letter.txt", "授权林知远办理".as_bytes());
    assert_eq!(evidence.status, 200, "{}", evidence.body);
    let input = json!({
        "name": name, "code": code, "capacity": "agent", "evidence": evidence.body,
    });
    client.post("/api/v1/platform/claims/ask", &input)
}

#[test]
fn a_person_registers_is_certified_and_acts_for_the_enterprise() {
    let Some(server) = Server::start() else {
        return;
    };
    let login = Browser::new(&server).get("/login");
    assert!(login.html.contains("href=\"/platform/register\""));
    let terms = Browser::new(&server).get("/platform/terms");
    assert!(terms.html.contains("最小必要"), "{}", terms.html);
    // Whether somebody is called so already is nobody's business.
    let login = registers(&server, "enterprise");
    assert!(login.starts_with("enterprise-"));
    let mut person = signs_in(&server, &login);
    assert_eq!(person.get("/api/v1/session").body["roles"], json!([]));
    let own = person.get("/platform/claim");
    assert!(own.text().contains("申请认证"), "{}", own.text());

    let gone = claim(&mut person, GONE);
    assert_eq!(
        gone.body["errors"][0]["code"], "party-gone",
        "{}",
        gone.body
    );
    assert!(
        gone.body["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("注销")
    );
    let other = claim(&mut person, (GONE.0, YUNSHAN.1));
    assert_eq!(other.body["errors"][0]["code"], "party-differs");
    let asked = claim(&mut person, YUNSHAN);
    assert_eq!(asked.status, 200, "{}", asked.body);
    let id = asked.body["result"]["id"].as_str().unwrap().to_owned();
    let twice = claim(&mut person, YUNSHAN);
    assert_eq!((twice.status, twice.code()), (422, "asked-already"));

    let approve = format!("/api/v1/platform/claims/{id}/approve");
    let verdict = json!({ "reason": "授权书与执照相符" });
    assert_eq!(person.post(&approve, &verdict).status, 403);
    assert_eq!(server.user("security").post(&approve, &verdict).status, 403);
    let mut operator = Browser::signed_in(&server, "operator");
    let list = operator.get("/platform/claims");
    assert!(list.html.contains(YUNSHAN.0), "{}", list.html);
    let path = format!("/platform/claims/{id}");
    let page = operator.get(&path);
    for words in ["letter.txt", "登记状态正常", "林知远", "授权经办人"] {
        assert!(page.html.contains(words), "{words}");
    }
    let decided = operator.send(
        &path,
        &page,
        &[
            ("_action", "claim.approve"),
            ("_record", &id),
            ("reason", "授权书与执照相符"),
        ],
    );
    assert_eq!(decided.status, 303, "{}", decided.html);

    let session = person.get("/api/v1/session").body;
    assert_eq!(session["subject"], ORGANISATION, "{session}");
    let roles = session["roles"].as_array().unwrap();
    for role in ["organisation.admin", "enterprise.owner"] {
        assert!(roles.contains(&json!(role)), "{session}");
    }
    let enterprise = person.get("/enterprise/me");
    assert!(
        enterprise.text().contains(YUNSHAN.1),
        "{}",
        enterprise.text()
    );
    assert!(person.get("/platform/claim").text().contains("已认证"));
    let trail = server.user("auditor").page("/console/audit?what=platform.");
    for words in ["用户 · 注册", "主体认证 · 申请主体认证", "主体认证 · 通过"]
    {
        assert!(trail.body.to_string().contains(words), "{words}");
    }
    // The number is for those who need it, and each look is recorded.
    let users = server
        .user("operator")
        .get("/api/v1/platform/users?size=200");
    let all = users.body["items"].as_array().unwrap().clone();
    let one = all.iter().find(|u| u["login"] == json!(login)).unwrap();
    assert_eq!(one["phone"], json!("138****1234"));
}

#[test]
fn a_code_with_another_check_digit_is_confirmed_and_decided_by_hand() {
    let Some(server) = Server::start() else {
        return;
    };
    let login = registers(&server, "linzhiyuan");
    let mut person = signs_in(&server, &login);
    let early = ("福州海峡示范有限公司", "91350100M0001TGQXM");
    let doubtful = claim(&mut person, early);
    assert_eq!(
        (doubtful.status, doubtful.code()),
        (422, "confirm"),
        "{}",
        doubtful.body
    );
    // In the portal the person ticks that it is right.
    let path = "/platform/claim";
    let mut browser = Browser::new(&server);
    let screen = browser.get("/login");
    let typed = [("username", login.as_str()), ("password", PASSWORD)];
    assert_eq!(browser.send("/login", &screen, &typed).status, 303);
    let form = browser.get(path);
    let typed = [
        ("_form", "claim"),
        ("_action", "claim.ask"),
        ("name", early.0),
        ("code", early.1),
        ("capacity", "representative"),
    ];
    let bare = browser.send(path, &form, &typed);
    assert_eq!(bare.status, 422, "{}", bare.html);
    assert!(bare.html.contains(early.0), "what was typed stays");
    let short = claim(&mut person, ("某企业", "91350100M0001TGQX"));
    assert_eq!(
        short.body["errors"][0]["code"], "bad-code",
        "{}",
        short.body
    );
}

#[test]
fn registration_is_bounded_and_can_be_closed() {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&config, "[sessions.registration]\nopen = false\n").unwrap();
    let start = tests_http::Start {
        config: Some(config.path().to_owned()),
        ..tests_http::Start::default()
    };
    let input = json!({
        "login": "nobody", "name": "某人", "phone": "13800001234", "password": PASSWORD,
        "again": PASSWORD, "agree": true,
    });
    let path = "/api/v1/platform/users/register";
    {
        let Some(closed) = Server::start_as(start) else {
            return;
        };
        let refused = closed.anonymous().post(path, &input);
        assert_eq!(
            (refused.status, refused.code()),
            (422, "registration-closed")
        );
        let page = closed.anonymous().get("/platform/register");
        assert!(page.text().contains("暂不开放"));
    }
    let Some(server) = Server::start() else {
        return;
    };
    let without = |name: &str, value: Value| {
        let mut input = input.clone();
        input[name] = value;
        server.anonymous().post(path, &input)
    };
    for (name, value, code) in [
        ("agree", json!(false), "required"),
        ("phone", json!("123"), "bad-code"),
        ("login", json!("Li Ming"), "bad-value"),
        ("name", json!("x".repeat(65)), "too-long"),
    ] {
        let wrong = without(name, value);
        assert_eq!(
            wrong.body["errors"][0]["field"],
            json!(name),
            "{}",
            wrong.body
        );
        assert_eq!(wrong.body["errors"][0]["code"], json!(code));
    }
    let mut last = Value::Null;
    for _ in 0..11 {
        last = without("login", json!("somebody")).body;
    }
    assert_eq!(last["code"], "too-many-failures", "{last}");
}
