//! Signing in with 随申办 and 企业云, as people do it: the way there and back, one account for one
//! person, and whatever does not hold.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::json;
use tests_http::{Authenticator, Browser, Providers, Screen, Server, Start};

const PASSWORD: &str = "Nine9lamps%over";
const BUILDER: (&str, &str) = ("上海禾汀序建筑工程有限公司", "91310104MA90001185");
const PERSONS: &str = "suishenban";
const LEGAL_PERSONS: &str = "qiyeyun";

fn start(more: &str) -> Option<(Providers, Server)> {
    let providers = Providers::start()?;
    let server = Server::start_as(Start {
        config: Some(providers.config(more)),
        ..Start::default()
    })?;
    Some((providers, server))
}

/// Comes back as somebody; where the platform leads.
fn comes(server: &Server, browser: &mut Browser, who: (&str, &str)) -> String {
    let back = Providers::sign_in(server, browser, who, "/market/products");
    assert_eq!(back.status, 303, "{}", back.html);
    back.to.unwrap()
}

fn presses(browser: &mut Browser, path: &str, typed: &[(&str, &str)]) -> Screen {
    let screen = browser.get(path);
    assert_eq!(screen.status, 200, "{path}: {}", screen.html);
    browser.send(path, &screen, typed)
}

fn registers(browser: &mut Browser, arrival: &str) -> Screen {
    let typed = [
        ("_form", "arrival-register"),
        ("_action", "arrival.register"),
        ("login", "linzhiyuan"),
        ("phone", "13800001234"),
        ("password", PASSWORD),
        ("again", PASSWORD),
        ("agree", "true"),
    ];
    presses(browser, arrival, &typed)
}

fn session(browser: &mut Browser) -> serde_json::Value {
    let screen = browser.get("/api/v1/session");
    serde_json::from_str(&screen.html).unwrap_or_default()
}

/// Asserts that somebody is told why, and is not signed in.
fn refused(browser: &mut Browser, screen: &Screen, words: &str) {
    assert!((400..500).contains(&screen.status), "{}", screen.html);
    assert!(screen.html.contains(words), "{words} in {}", screen.html);
    assert!(!browser.cookies.contains_key("rq_session"));
}

#[test]
fn one_person_has_one_account_through_both_providers() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    let mut browser = Browser::new(&server);
    let login = browser.get("/login?next=/platform/claim");
    for words in ["用随申办登录", "用企业云登录", "next=%2Fplatform%2Fclaim"] {
        assert!(login.html.contains(words), "{words} in {}", login.html);
    }
    let arrival = comes(&server, &mut browser, (PERSONS, "lin"));
    assert!(arrival.starts_with("/platform/arrival?id="), "{arrival}");
    assert!(!browser.cookies.contains_key("rq_session"));
    let page = browser.get(&arrival);
    assert!(
        page.html.contains("随申办已确认您是 林知远"),
        "{}",
        page.html
    );
    // Nobody else has it: another browser does not see it.
    let other = Browser::new(&server).get(&arrival);
    assert!(other.html.contains("这次登录已失效"), "{}", other.html);
    let weak = presses(
        &mut browser,
        &arrival,
        &[
            ("_form", "arrival-register"),
            ("_action", "arrival.register"),
            ("login", "linzhiyuan"),
            ("phone", "13800001234"),
            ("password", "short"),
            ("again", "short"),
            ("agree", "true"),
        ],
    );
    assert_eq!(weak.status, 422, "{}", weak.html);
    assert!(weak.html.contains("13800001234"), "what was typed stays");
    let registered = registers(&mut browser, &arrival);
    assert_eq!(registered.status, 303, "{}", registered.html);
    assert!(registered.to.unwrap().contains("login=linzhiyuan-"));
    let again = browser.get(&arrival);
    assert!(again.html.contains("这次登录已失效"), "good once");

    // From now on it is one press, to where the person wanted to go.
    assert_eq!(
        comes(&server, &mut browser, (PERSONS, "lin")),
        "/market/products"
    );
    let person = session(&mut browser);
    assert_eq!(person["name"], "林知远");

    // 企业云 verified the same resident id: the same account, and the party to act for.
    let mut office = Browser::new(&server);
    let arrival = comes(&server, &mut office, (LEGAL_PERSONS, "builder"));
    assert_eq!(session(&mut office)["user"], person["user"]);
    let page = office.get(&arrival);
    for words in [BUILDER.0, BUILDER.1, "法定代表人", "登记状态正常"] {
        assert!(page.html.contains(words), "{words} in {}", page.html);
    }
    let id = arrival.split("id=").nth(1).unwrap();
    let claim = [("_action", "arrival.claim"), ("arrival", id)];
    let done = presses(&mut office, &arrival, &claim);
    assert_eq!(done.status, 303, "{}", done.html);
    let acts = session(&mut office);
    assert_eq!(acts["organisation_name"], BUILDER.0, "{acts}");
    assert!(
        acts["roles"]
            .as_array()
            .unwrap()
            .contains(&json!("enterprise.owner"))
    );
    let own = office.get("/platform/claim");
    assert!(own.html.contains("企业云核验为法定代表人"), "{}", own.html);
    let twice = office.get(&arrival);
    assert!(twice.html.contains("这次登录已失效"));

    // The next time the person acts for it at once.
    let mut next = Browser::new(&server);
    assert_eq!(
        comes(&server, &mut next, (LEGAL_PERSONS, "builder")),
        "/market/products"
    );
    assert_eq!(session(&mut next)["organisation_name"], BUILDER.0);
    let account = next.get("/platform/account");
    assert!(account.html.contains("绑定的外部账号"));
    let operator = server.user("operator");
    let users = operator.get("/api/v1/platform/users?size=200");
    let all = users.body["items"].as_array().unwrap().iter();
    // One of the demo is called the same, which says nothing.
    assert_eq!(all.filter(|u| u["name"] == "林知远").count(), 2);
    let auditor = server.user("auditor");
    let bindings = auditor.get("/api/v1/platform/bindings");
    assert_eq!(bindings.body["total"], 2, "{}", bindings.body);
    let one = &bindings.body["items"][0];
    assert_eq!(
        (&one["account"], &one["id_number"]),
        (&json!("****"), &json!("****"))
    );
    let trail = auditor.page("/console/audit?what=platform.");
    let trail = trail.body.to_string();
    for words in ["platform.binding.add", "注册并绑定", "凭外部登录认证主体"] {
        assert!(trail.contains(words), "{words} in {trail}");
    }
}

#[test]
fn who_comes_second_for_a_party_waits_for_a_decision() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    let mut browser = Browser::new(&server);
    let arrival = comes(&server, &mut browser, (LEGAL_PERSONS, "spruce"));
    registers(&mut browser, &arrival);
    // Somebody of the demo administers it already.
    let arrival = comes(&server, &mut browser, (LEGAL_PERSONS, "spruce"));
    let id = arrival.split("id=").nth(1).unwrap();
    let claim = [("_action", "arrival.claim"), ("arrival", id)];
    let done = presses(&mut browser, &arrival, &claim);
    assert_eq!(done.to.as_deref(), Some("/platform/claim"), "{}", done.html);
    assert_eq!(session(&mut browser)["organisation"], json!(null));
    let mut operator = Browser::signed_in(&server, "operator");
    let list = operator.get("/platform/claims");
    let (_, path) = list.html.split_once("/platform/claims/").unwrap();
    let path = format!("/platform/claims/{}", path.split('"').next().unwrap());
    let page = operator.get(&path);
    for words in ["企业云核验为授权经办人", "已在该主体任职的人员"] {
        assert!(page.html.contains(words), "{words} in {}", page.html);
    }
    let id = path.rsplit('/').next().unwrap();
    let decided = operator.send(
        &path,
        &page,
        &[
            ("_action", "claim.approve"),
            ("_record", id),
            ("reason", "与管理员核实"),
        ],
    );
    assert_eq!(decided.status, 303, "{}", decided.html);
    let acts = session(&mut browser);
    assert_eq!(acts["organisation_name"], "上海云杉智能装备有限公司");
}

#[test]
fn a_party_that_is_gone_or_no_party_lets_nobody_in() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    for (person, words) in [
        ("gone", "登记状态为“注销”，不能登录"),
        ("late", "登记状态为“注销”，不能登录"),
        ("digit", "校验位不符"),
    ] {
        let mut browser = Browser::new(&server);
        let who = (LEGAL_PERSONS, person);
        let back = Providers::sign_in(&server, &mut browser, who, "/");
        refused(&mut browser, &back, words);
    }
    let mut browser = Browser::new(&server);
    let back = Providers::sign_in(&server, &mut browser, (PERSONS, "nameless"), "/");
    refused(&mut browser, &back, "信息不完整");
    let trail = server.user("auditor").page("/console/audit?what=platform.");
    let refused = trail.body.to_string().matches("\"未完成\"").count();
    assert!(refused >= 4, "{}", trail.body);
}

#[test]
fn a_return_is_good_once_here_and_for_us_alone() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    let mut browser = Browser::new(&server);
    let away = Providers::away(&mut browser, PERSONS, "/");
    let back = Providers::choose(&server, &away, "lin", "");
    let mut thief = Browser::new(&server);
    thief.get("/login");
    let stolen = thief.get(&back);
    refused(&mut thief, &stolen, "不是从本浏览器发起的");
    let mixed = browser.get(&back.replacen(PERSONS, LEGAL_PERSONS, 1));
    refused(&mut browser, &mixed, "不是从本浏览器发起的");
    let (path, state) = back.split_once("state=").unwrap();
    let forged = browser.get(&format!("{path}state=x{state}"));
    refused(&mut browser, &forged, "不是从本浏览器发起的");
    let first = browser.get(&back);
    assert_eq!(first.status, 303, "{}", first.html);
    let replayed = browser.get(&back);
    refused(&mut browser, &replayed, "已使用过");
    // A code that another return has used, with a state of its own.
    let code = back
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let away = Providers::away(&mut browser, PERSONS, "/");
    let back = Providers::choose(&server, &away, "lin", "");
    let fresh = back
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let spent = browser.get(&back.replacen(fresh, code, 1));
    refused(&mut browser, &spent, "已使用或已失效");
    let away = Providers::away(&mut browser, PERSONS, "/");
    let state = away
        .split("state=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let cancelled = format!("/login/from/{PERSONS}?error=access_denied&state={state}");
    let cancelled = browser.get(&cancelled);
    refused(&mut browser, &cancelled, "没有完成登录");
    assert_eq!(browser.get("/login/with/nobody").status, 404);
}

#[test]
fn a_token_that_does_not_hold_lets_nobody_in() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    for fault in ["issuer", "audience", "nonce", "time", "signature", "person"] {
        let mut browser = Browser::new(&server);
        let away = Providers::away(&mut browser, PERSONS, "/");
        let back = Providers::choose(&server, &away, "lin", fault);
        let back = browser.get(&back);
        assert!(back.html.contains("没有通过核验"), "{fault}: {}", back.html);
        refused(&mut browser, &back, "没有通过核验");
    }
}

#[test]
fn nobody_is_led_to_another_site() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    let mut browser = Browser::new(&server);
    let arrival = comes(&server, &mut browser, (PERSONS, "lin"));
    registers(&mut browser, &arrival);
    for evil in [
        "//evil.example",
        "https:%2F%2Fevil.example",
        "/%5Cevil.example",
        "/logout",
    ] {
        let mut browser = Browser::new(&server);
        let back = Providers::sign_in(&server, &mut browser, (PERSONS, "lin"), evil);
        assert_eq!(back.to.as_deref(), Some("/"), "{evil}");
    }
}

#[test]
fn dj_04_a_provider_stands_for_the_password_and_not_for_the_second_factor() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    let mut phone = Authenticator::set_up(&server, &mut server.user("bankadmin"), "bankadmin");
    let mut browser = Browser::new(&server);
    let arrival = comes(&server, &mut browser, (PERSONS, "qiao"));
    let page = browser.get(&arrival);
    // Signing in once, second factor included, leads back to bind.
    assert!(
        page.html.contains("/login?next=%2Fplatform%2Farrival"),
        "{}",
        page.html
    );
    let to = format!(
        "/login?next={}",
        arrival.replace('?', "%3F").replace('=', "%3D")
    );
    let form = browser.get(&to);
    let asked = browser.sign_in(&server, "bankadmin", &form);
    let (pending, code) = (asked.hidden("pending"), phone.code());
    let typed = [
        ("username", "bankadmin"),
        ("pending", &pending),
        ("code", &code),
    ];
    let done = browser.send("/login", &asked, &typed);
    assert_eq!(done.to.as_deref(), Some(arrival.as_str()), "{}", done.html);
    let id = arrival.split("id=").nth(1).unwrap();
    let bind = [
        ("_form", "arrival-bind"),
        ("_action", "arrival.bind"),
        ("arrival", id),
        ("current", server.password("bankadmin")),
    ];
    let bound = presses(&mut browser, &arrival, &bind);
    assert_eq!(
        bound.to.as_deref(),
        Some("/platform/account"),
        "{}",
        bound.html
    );

    let mut other = Browser::new(&server);
    let asked = Providers::sign_in(&server, &mut other, (PERSONS, "qiao"), "/platform/account");
    assert_eq!(asked.status, 200, "{}", asked.html);
    assert!(
        asked.html.contains("name=\"code\""),
        "the second factor is asked for"
    );
    assert!(!other.cookies.contains_key("rq_session"));
    let pending = asked.hidden("pending");
    let typed = [("pending", pending.as_str()), ("code", "000000")];
    let wrong = other.send("/login", &asked, &typed);
    assert_eq!(wrong.status, 401, "{}", wrong.html);
    let (pending, code) = (wrong.hidden("pending"), phone.code());
    let typed = [("pending", pending.as_str()), ("code", code.as_str())];
    let done = other.send("/login", &wrong, &typed);
    assert_eq!(
        done.to.as_deref(),
        Some("/platform/account"),
        "{}",
        done.html
    );

    // Whose account it is cannot be changed by another who is signed in.
    let mut enterprise = Browser::signed_in(&server, "enterprise");
    let who = (PERSONS, "qiao");
    let another = Providers::sign_in(&server, &mut enterprise, who, "/");
    assert_eq!(another.status, 401, "{}", another.html);
    assert!(another.html.contains("与当前登录的不同"));

    // Taking it away takes the password, and afterwards nobody is known by it.
    let page = other.get("/platform/account");
    let (_, id) = page.html.split_once("name=\"binding\" value=\"").unwrap();
    let id = id.split('"').next().unwrap().to_owned();
    let password = server.password("bankadmin").to_owned();
    let end = |current: &str| {
        [
            ("_form", "binding-end".to_owned()),
            ("_action", "binding.end".to_owned()),
            ("binding", id.clone()),
            ("current", current.to_owned()),
        ]
    };
    let send = |browser: &mut Browser, typed: &[(&str, String)]| {
        let typed: Vec<(&str, &str)> = typed.iter().map(|(n, v)| (*n, v.as_str())).collect();
        presses(browser, "/platform/account", &typed)
    };
    let wrong = send(&mut other, &end("wrong"));
    assert_eq!(wrong.status, 422, "{}", wrong.html);
    let ended = send(&mut other, &end(&password));
    assert_eq!(ended.status, 303, "{}", ended.html);
    let mut again = Browser::new(&server);
    let arrival = comes(&server, &mut again, (PERSONS, "qiao"));
    assert!(arrival.starts_with("/platform/arrival"), "{arrival}");
}

#[test]
fn a_provider_may_stand_for_both_factors_where_the_operator_says_so() {
    let Some(providers) = Providers::start() else {
        return;
    };
    let file = providers.config("");
    let text = std::fs::read_to_string(&file).unwrap();
    let both = text.replacen(
        "keeps = \"person\"",
        "keeps = \"person\"\ntwo_factors = true",
        1,
    );
    std::fs::write(&file, both).unwrap();
    let start = Start {
        config: Some(file),
        ..Start::default()
    };
    let Some(server) = Server::start_as(start) else {
        return;
    };
    let mut browser = Browser::signed_in(&server, "bankadmin");
    let arrival = comes(&server, &mut browser, (PERSONS, "qiao"));
    let id = arrival.split("id=").nth(1).unwrap();
    let bind = [
        ("_form", "arrival-bind"),
        ("_action", "arrival.bind"),
        ("arrival", id),
        ("current", server.password("bankadmin")),
    ];
    let bound = presses(&mut browser, &arrival, &bind);
    assert_eq!(bound.status, 303, "{}", bound.html);
    Authenticator::set_up(&server, &mut server.user("bankadmin"), "bankadmin");

    let mut other = Browser::new(&server);
    let who = (PERSONS, "qiao");
    assert_eq!(comes(&server, &mut other, who), "/market/products");
    assert_eq!(session(&mut other)["user"], session(&mut browser)["user"]);
    // What is sensitive asks for the factor all the same: the provider may have asked nobody.
    let page = other.get("/platform/account");
    let (_, id) = page.html.split_once("name=\"binding\" value=\"").unwrap();
    let end = [
        ("_form", "binding-end"),
        ("_action", "binding.end"),
        ("binding", id.split('"').next().unwrap()),
        ("current", server.password("bankadmin")),
    ];
    let asked = other.send("/platform/account", &page, &end);
    assert_eq!(asked.status, 403, "{}", asked.html);
    assert!(asked.html.contains("name=\"_code\""), "{}", asked.html);
}

#[test]
fn binding_takes_the_password_and_is_for_good() {
    let Some((_providers, server)) = start("") else {
        return;
    };
    let mut browser = Browser::signed_in(&server, "enterprise");
    let account = browser.get("/platform/account");
    assert!(account.html.contains("绑定随申办"), "{}", account.html);
    let arrival = comes(&server, &mut browser, (PERSONS, "lin"));
    let id = arrival.split("id=").nth(1).unwrap();
    let password = server.password("enterprise").to_owned();
    let bind = |browser: &mut Browser, current: &str| {
        let typed = [
            ("_form", "arrival-bind"),
            ("_action", "arrival.bind"),
            ("arrival", id),
            ("current", current),
        ];
        presses(browser, &arrival, &typed)
    };
    let wrong = bind(&mut browser, "wrong");
    assert_eq!(wrong.status, 422, "{}", wrong.html);
    assert!(wrong.html.contains("当前密码不正确"));
    let bound = bind(&mut browser, &password);
    assert_eq!(bound.status, 303, "{}", bound.html);
    // From now on it is the same account in any browser.
    let mut other = Browser::new(&server);
    comes(&server, &mut other, (PERSONS, "lin"));
    assert_eq!(session(&mut other)["user"], session(&mut browser)["user"]);
}

#[test]
fn in_earnest_no_provider_is_asked_without_tls() {
    let Some(providers) = Providers::start() else {
        return;
    };
    let built = tests_http::Built::find().unwrap();
    let data = tempfile::tempdir().unwrap();
    let (data, config) = (data.path().join("data"), providers.config(""));
    let (data, config) = (data.display().to_string(), config.display().to_string());
    let args = ["serve", "--port", "0", "--data", &data, "--config", &config];
    let (done, said) = built.run(&args);
    assert!(!done, "{said}");
    assert!(said.contains("is not an https address"), "{said}");
}
