//! What people meet in a browser, as far as it needs no script: lost sessions, refusals in words,
//! who sees what of a bank's score.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{exported, recorded, text};
use tests_http::{Browser, Client, Screen, Server, Start};

const BANK: &str = "01930000-0000-7000-8000-000000000101";
const ITEMS: [&str; 10] = ["15", "16", "20", "25", "26", "27", "33", "35", "57", "59"];
const NOTE: &str = "三家长期客户的订单";

fn product(client: &Client, scored: bool) -> Value {
    let found = client.get("/api/v1/market/products?size=50&status=online");
    assert_eq!(found.status, 200, "{}", found.body);
    let mut all = found.body["items"].as_array().unwrap().iter();
    let wanted = all.find(|p| p["model"].is_string() == scored && p["park"].is_null());
    wanted.expect("such a product").clone()
}

fn apply_path(product: &Value) -> String {
    format!("/lending/apply?product={}", product["id"].as_str().unwrap())
}

/// The application form, filled in.
fn filled(note: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("_form", "apply"),
        ("_action", "application.apply"),
        ("amount", "100"),
        ("term_months", "12"),
        ("purpose", "materials"),
        ("contact", "林知远"),
        ("phone", "13800001001"),
        ("note", note),
        ("agree", "true"),
    ]
}

/// Signs in on the screen that asks for it, and goes where it leads.
fn back(browser: &mut Browser, server: &Server, login: &str, screen: &Screen) -> Screen {
    let done = browser.sign_in(server, login, screen);
    assert_eq!(done.status, 303, "{}", done.html);
    browser.get(&done.to.expect("a way on"))
}

fn applications(server: &Server, login: &str) -> u64 {
    let all = server.user(login).get("/api/v1/lending/applications");
    all.body["total"].as_u64().unwrap()
}

#[test]
fn a_form_whose_cookies_are_gone_leads_to_sign_in_and_back_with_everything_typed() {
    let Some(server) = Server::start() else {
        return;
    };
    let path = apply_path(&product(&server.anonymous(), false));

    // The session's cookie alone, then every cookie: both look like nobody.
    for keep in [vec!["rq_visit"], vec![]] {
        let mut browser = Browser::signed_in(&server, "enterprise");
        let form = browser.get(&path);
        assert_eq!(form.status, 200);
        browser
            .cookies
            .retain(|name, _| keep.contains(&name.as_str()));
        let asked = browser.send(&path, &form, &filled(NOTE));
        assert_eq!(asked.status, 401, "{}", asked.html);
        assert!(asked.html.contains("您填写的内容已为您保留"));
        let again = back(&mut browser, &server, "enterprise", &asked);
        assert_eq!(again.status, 200);
        assert!(again.html.contains(NOTE), "kept {keep:?}: {}", again.html);
        assert!(again.html.contains("您先前填写的内容已恢复"));
        assert_eq!(applications(&server, "enterprise"), 0, "nothing was sent");

        // The form that came back is one like any other.
        if keep.is_empty() {
            let sent = browser.send(&path, &again, &filled(NOTE));
            assert_eq!(sent.status, 303, "{}", sent.html);
            assert_eq!(applications(&server, "enterprise"), 1);
        }
    }
}

#[test]
fn what_was_typed_goes_to_nobody_else() {
    let Some(server) = Server::start() else {
        return;
    };
    let path = apply_path(&product(&server.anonymous(), false));
    let mut browser = Browser::signed_in(&server, "enterprise");
    let form = browser.get(&path);
    browser.cookies.clear();
    let asked = browser.send(&path, &form, &filled(NOTE));
    assert_eq!(asked.status, 401);
    // Another person at the same browser finds an empty form.
    let other = back(&mut browser, &server, "enterprise2", &asked);
    assert_eq!(other.status, 200);
    assert!(!other.html.contains(NOTE));
}

#[test]
fn another_site_can_neither_act_nor_fill_in_a_form() {
    let Some(server) = Server::start() else {
        return;
    };
    let path = apply_path(&product(&server.anonymous(), false));
    // What another site's form sends arrives without cookies, and without a token of ours…
    let mut victim = Browser::new(&server);
    let nothing = Screen {
        status: 200,
        to: None,
        html: String::new(),
    };
    let forged = victim.send(&path, &nothing, &filled("伪造"));
    assert_eq!(forged.status, 403, "{}", forged.html);
    assert!(forged.html.contains("页面已过期"), "{}", forged.html);

    // … or with one the attacker was given: nothing of it reaches the victim's form.
    let mut attacker = Browser::signed_in(&server, "enterprise2");
    let own = attacker.get(&path);
    let mut victim = Browser::new(&server);
    let led = victim.send(&path, &own, &filled("伪造"));
    assert_eq!(led.status, 401);
    let form = back(&mut victim, &server, "enterprise", &led);
    assert_eq!(form.status, 200);
    assert!(!form.html.contains("伪造"), "{}", form.html);

    // A victim who is signed in does not act with the attacker's token either.
    let mut victim = Browser::signed_in(&server, "enterprise");
    let acted = victim.send(&path, &own, &filled("伪造"));
    assert_eq!(acted.status, 403);
    assert!(!acted.html.contains("伪造"));
    // Nor is anybody signed in with a sign-in form of another browser.
    let mut fresh = Browser::new(&server);
    let theirs = fresh.get("/login");
    let mut lured = Browser::new(&server);
    let refused = lured.sign_in(&server, "enterprise2", &theirs);
    assert_eq!(refused.status, 403);
    assert!(!lured.cookies.contains_key("rq_session"));
    assert_eq!(applications(&server, "enterprise"), 0);
}

#[test]
fn a_form_of_an_older_session_comes_back_filled_in() {
    let Some(server) = Server::start() else {
        return;
    };
    let path = apply_path(&product(&server.anonymous(), false));
    let mut browser = Browser::signed_in(&server, "enterprise");
    let form = browser.get(&path);
    // Signed in again in another window meanwhile.
    browser.cookies.remove("rq_session");
    let login = browser.get("/login");
    assert_eq!(browser.sign_in(&server, "enterprise", &login).status, 303);
    let refused = browser.send(&path, &form, &filled(NOTE));
    assert_eq!(refused.status, 403);
    assert!(refused.html.contains(NOTE) && refused.html.contains("您重新登录过"));
    assert_eq!(applications(&server, "enterprise"), 0);
    let sent = browser.send(&path, &refused, &filled(NOTE));
    assert_eq!(sent.status, 303, "{}", sent.html);
}

/// A scored application of the demo's first enterprise.
fn scored(server: &Server) -> String {
    let mut developer = server.user("developer");
    let model = std::fs::read(server.model("tax-loan")).unwrap();
    let file = developer.upload("tax-loan.wasm", &model);
    let input = json!({ "file": file.body, "remark": "首次上线" });
    let uploaded = developer.post("/api/v1/console/models/upload", &input);
    assert_eq!(uploaded.status, 200, "{}", uploaded.body);
    let id = uploaded.body["result"]["id"].as_str().unwrap();
    tests_http::steps::validated(&mut server.user("validator"), id);
    let approved = server.user("validator").post(
        &format!("/api/v1/console/models/{id}/approve"),
        &json!({ "reason": "样例一致" }),
    );
    assert_eq!(approved.status, 200, "{}", approved.body);

    let mut enterprise = server.user("enterprise");
    let letter = enterprise.post(
        "/api/v1/consent/letters/sign",
        &json!({ "recipient": BANK, "items": ITEMS, "purposes": ["02", "04"],
            "valid_to": tests_http::steps::in_days(30), "separate": true, "agree": true }),
    );
    assert_eq!(letter.status, 200, "{}", letter.body);
    let found = enterprise.get("/api/v1/market/products?model=tax-loan&size=50");
    let mut all = found.body["items"].as_array().unwrap().iter();
    let product = all.find(|p| p["organisation"] == json!(BANK)).unwrap();
    let applied = enterprise.post(
        "/api/v1/lending/applications/apply",
        &json!({ "product": product["id"], "amount": "1000000.00", "term_months": 12,
            "purpose": "operations", "contact": "林知远", "phone": "13800001234", "agree": true }),
    );
    assert_eq!(applied.status, 200, "{}", applied.body);
    applied.body["result"]["id"].as_str().unwrap().to_owned()
}

const RESULTS: [&str; 5] = ["score", "base", "probability", "grade", "reasons"];

/// Tender row 63: a bank's model, data and results are invisible to the platform's people.
#[test]
fn an_auditor_sees_that_there_was_a_score_and_not_the_score() {
    let Some(server) = Server::start() else {
        return;
    };
    let id = scored(&server);
    let record = format!("/api/v1/lending/applications/{id}");
    let officer = server.user("officer");
    let seen = officer.get(&record).body;
    assert!(RESULTS.iter().all(|name| !seen[name].is_null()), "{seen}");
    let score = seen["score"].as_str().unwrap().to_owned();
    let number = seen["number"].as_str().unwrap().to_owned();

    let overseer = server.user("auditor");
    let listed = overseer.get("/api/v1/lending/applications").body;
    let record = overseer.get(&record).body;
    for row in [&listed["items"][0], &record] {
        for name in RESULTS {
            assert!(row[name].is_null(), "seen {name}: {row}");
        }
        assert!(row["certificate"].is_string() && row["model"].is_string());
    }
    // Neither order nor filter tells it.
    for query in [
        "sort=-score".to_owned(),
        "sort=grade".to_owned(),
        format!("score={score}"),
    ] {
        let asked = overseer.get(&format!("/api/v1/lending/applications?{query}"));
        assert_eq!(asked.status, 400, "{query}: {}", asked.body);
    }
    let calls = overseer.get("/api/v1/console/certificates").body;
    let call = &calls["items"][0];
    assert_eq!(call["reference"], json!(id));
    assert!(
        call["score"].is_null() && call["document"].is_null(),
        "{call}"
    );
    let page = format!("/console/certificates/{}", call["id"].as_str().unwrap());
    for path in [
        page.as_str(),
        "/console/certificates",
        &format!("/lending/applications/{id}"),
        &format!("/console/audit?object={number}"),
    ] {
        let page = overseer.get(path);
        assert_eq!(page.status, 200, "{path}");
        let digits = score.split('.').next().unwrap();
        assert!(!page.text().contains(&format!(">{digits}.")), "{path}");
        assert!(!page.text().contains(&score), "{path}");
    }
    let model = server.user("operator").get("/api/v1/console/models").body;
    let model = &model["items"][0];
    assert_eq!(
        model["name"],
        json!("tax-loan"),
        "that it is there is no secret"
    );
    assert!(model["document"].is_null() && model["report"].is_null());
    // Its own people see it, and can ask by it.
    assert_eq!(
        officer
            .get("/api/v1/lending/applications?sort=-score")
            .status,
        200
    );
    let validator = server
        .user("validator")
        .get("/api/v1/console/certificates")
        .body;
    assert!(validator["items"][0]["score"].is_string(), "{validator}");
}

#[test]
fn auditors_read_names_and_find_a_record_with_its_evidence() {
    let Some(server) = Server::start() else {
        return;
    };
    let id = scored(&server);
    let auditor = server.user("auditor");
    let number = auditor
        .get(&format!("/api/v1/lending/applications/{id}"))
        .body["number"]
        .clone();
    let number = number.as_str().unwrap();

    let calls = auditor.get("/console/certificates");
    for name in ["上海云杉智能装备有限公司", "沪江银行", number] {
        assert!(calls.text().contains(name), "{name}");
    }
    let trail = auditor.get(&format!("/console/audit?object={number}"));
    assert!(
        trail.text().contains("贷款申请 · 提交申请"),
        "{}",
        trail.text()
    );
    assert!(trail.text().contains("林知远") && trail.text().contains(number));
    let none = auditor.get("/console/audit?who=nobody-of-this-name");
    assert!(none.text().contains("没有符合条件的记录"));
    let by_name = auditor.get("/console/audit?who=enterprise&what=lending.&outcome=done");
    assert!(by_name.text().contains("贷款申请 · 提交申请"));
    let refused = auditor.get("/console/audit?outcome=refused&what=lending.");
    assert!(!refused.text().contains("贷款申请 · 提交申请"));
    let later = auditor.get("/console/audit?from=2099-01-01");
    assert!(later.text().contains("没有符合条件的记录"));

    let trail = auditor.get(&format!("/console/audit?object={number}&what=lending."));
    let row = trail.text().split_once("href=\"/console/audit/").unwrap().1;
    let seq = row.split('"').next().unwrap();
    let record = auditor.get(&format!("/console/audit/{seq}"));
    assert_eq!(record.status, 200);
    for words in [
        format!("第 {seq} 条"),
        "内容与摘要一致".into(),
        "变更前后".into(),
        "lending.application.apply".into(),
        id,
    ] {
        assert!(record.text().contains(&words), "{words}: {}", record.text());
    }
    assert!(!record.text().contains("信用分</td>"), "nor in the history");
    assert_eq!(auditor.get("/console/audit/999999999").status, 404);
    assert_eq!(auditor.get("/console/audit/x").status, 404);
}

#[test]
fn an_edition_is_switched_district_by_district() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut operator = server.user("operator");
    let plugins = operator.get("/api/v1/console/plugins?code=park").body;
    let id = plugins["items"][0]["id"].as_str().unwrap().to_owned();
    let mut switch = |verb: &str, input: &Value| {
        operator.post(&format!("/api/v1/console/plugins/{id}/{verb}"), input)
    };
    let at = |code: &str| json!({ "district": code });
    // One enterprise in Pudong, one in Xuhui.
    let (pudong, xuhui) = (server.user("enterprise"), server.user("enterprise2"));
    let there = |client: &Client| client.get("/park/home").status;

    assert_eq!(switch("enable", &at("310115")).status, 200);
    assert_eq!((there(&pudong), there(&xuhui)), (200, 404));
    assert_eq!(switch("enable", &at("310104")).status, 200);
    assert_eq!((there(&pudong), there(&xuhui)), (200, 200), "a second one");
    let twice = switch("enable", &at("310104"));
    assert_eq!(
        (twice.status, twice.code()),
        (422, "console.nothing-to-switch")
    );
    assert!(twice.body["detail"].as_str().unwrap().contains("徐汇区"));
    assert_eq!(switch("disable", &at("310115")).status, 200);
    assert_eq!((there(&pudong), there(&xuhui)), (404, 200), "one by one");
    let unknown = switch("enable", &at("999999"));
    assert_eq!(unknown.status, 400, "{}", unknown.body);
    assert_eq!(unknown.body["errors"][0]["field"], json!("district"));
    assert_eq!(switch("enable", &json!({})).status, 200);
    assert_eq!(switch("disable", &at("310104")).status, 200);
    assert_eq!((there(&pudong), there(&xuhui)), (200, 404), "all but one");
    assert_eq!(switch("disable", &json!({})).status, 200);
    assert_eq!((there(&pudong), there(&xuhui)), (404, 404));

    let page = server.user("operator").get("/console/plugins");
    assert!(
        page.text()
            .contains("<option value=\"310115\">浦东新区</option>")
    );
}

#[test]
fn the_frame_speaks_to_its_viewer() {
    let Some(server) = Server::start() else {
        return;
    };
    for (login, bench, path) in [
        ("officer", "金融机构工作台", "/lending/queue"),
        ("operator", "平台运营工作台", "/console/plugins"),
    ] {
        let page = server.user(login).get(path);
        assert!(page.text().contains(bench), "{login}: {bench}");
    }
    let mut browser = Browser::signed_in(&server, "operator");
    let english = browser.get("/console/plugins?lang=en");
    for words in [
        "<html lang=\"en\"",
        "Operations workbench",
        "Scoring models",
        "Sign out",
        "lang=\"zh-CN\"",
    ] {
        assert!(english.html.contains(words), "{words}");
    }
    let kept = browser.get("/no/such/page");
    assert_eq!(kept.status, 404);
    assert!(
        kept.html.contains("Not found") && kept.html.contains("start again from the front page")
    );
    let care = browser.get("/?care=1");
    assert!(care.html.contains("class=\"care\""));
    assert!(
        browser.get("/").html.contains("class=\"care\""),
        "and is kept"
    );
}

/// Each refusal a person can meet says what happened and what to do.
#[test]
fn refusals_are_in_words() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut enterprise = Browser::signed_in(&server, "enterprise");
    let says = |screen: &Screen, status: u16, words: &[&str]| {
        assert_eq!(screen.status, status, "{}", screen.html);
        for words in words {
            assert!(screen.html.contains(words), "{status}: {words}");
        }
    };
    says(
        &enterprise.get("/no/such/page"),
        404,
        &["没有找到", "请检查地址", "请求编号"],
    );
    says(
        &enterprise.get("/console/plugins"),
        403,
        &["没有权限", "查看插件", "换一个账号登录"],
    );
    let mut nobody = Browser::new(&server);
    let asked = nobody.get("/lending/applications");
    assert_eq!(asked.status, 303);
    assert!(asked.to.unwrap().starts_with("/login?next="));

    // Too large a body: the form's own page is still open behind it.
    let path = apply_path(&product(&server.anonymous(), false));
    let form = enterprise.get(&path);
    let huge = "长".repeat(120_000);
    says(
        &enterprise.send(&path, &form, &filled(&huge)),
        413,
        &["内容过大", "本次没有提交成功"],
    );

    // A button somebody else has pressed already: the page again, and why.
    let sent = enterprise.send(&path, &form, &filled(NOTE));
    assert_eq!(sent.status, 303, "{}", sent.html);
    let own = sent.to.unwrap();
    let page = enterprise.get(&own);
    let gone = [
        ("_action", "application.resubmit"),
        ("_record", own.rsplit('/').next().unwrap()),
    ];
    says(
        &enterprise.send(&own, &page, &gone),
        409,
        &["此操作已不可用"],
    );

    // Too many wrong passwords.
    let mut guesser = Browser::new(&server);
    let mut screen = guesser.get("/login");
    for _ in 0..6 {
        let wrong = [("username", "enterprise2"), ("password", "wrong")];
        screen = guesser.send("/login", &screen, &wrong);
    }
    says(&screen, 429, &["失败次数过多", "分钟后再试"]);
}

/// Tender row 93: a masked value whole takes a reason, and the look is on record before it is shown.
#[test]
fn a_look_at_a_phone_number_takes_a_reason_and_is_on_record() {
    let Some(server) = Server::start() else {
        return;
    };
    let id = scored(&server);
    let record = format!("/api/v1/lending/applications/{id}");
    let look = format!("{record}/look");
    let ask = |reason: &str| json!({ "field": "phone", "reason": reason });
    let mut officer = server.user("officer");
    assert_eq!(officer.get(&record).body["phone"], json!("138****1234"));
    let bare = officer.post(&look, &ask(" "));
    assert_eq!(
        (bare.status, bare.code()),
        (400, "invalid"),
        "{}",
        bare.body
    );
    assert_eq!(bare.body["errors"][0]["field"], json!("reason"));
    let nothing = officer.post(&look, &json!({}));
    assert_eq!(nothing.body["errors"].as_array().map(Vec::len), Some(2));
    let seen = officer.post(&look, &ask("电话核实经营地址"));
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.body["value"], json!("13800001234"));
    // Only what is masked and may be looked at.
    let other = json!({ "field": "amount", "reason": "电话核实经营地址" });
    assert_eq!(officer.post(&look, &other).status, 404);

    for (login, status) in [("officer2", 404), ("enterprise2", 404), ("operator", 403)] {
        let answer = server.user(login).post(&look, &ask("想看一看"));
        assert_eq!(answer.status, status, "{login}: {}", answer.body);
        assert!(!answer.body.to_string().contains("13800001234"));
    }
    assert_eq!(server.anonymous().post(&look, &ask("想看一看")).status, 401);

    // The page of the bank offers it, and shows the value on a page that is kept nowhere.
    let mut browser = Browser::signed_in(&server, "officer");
    let page = browser.get(&format!("/lending/applications/{id}"));
    assert!(page.html.contains("138****1234") && !page.html.contains("13800001234"));
    assert!(page.html.contains("action=\"/look\""));
    let form = [
        ("collection", "lending.applications"),
        ("id", id.as_str()),
        ("field", "phone"),
        ("reason", "再次核实"),
        ("back", "/lending/queue"),
    ];
    let shown = browser.send("/look", &page, &form);
    assert_eq!(shown.status, 200, "{}", shown.html);
    assert!(shown.html.contains("13800001234") && shown.html.contains("href=\"/lending/queue\""));

    // Two were shown, and those of the operator and of nobody were refused; who does not see the
    // record, and who gives no reason, is told so and no more.
    let looks = |outcome: &str| {
        let filters = format!("what=field.look&object={id}&outcome={outcome}");
        recorded(&server, &filters)
    };
    assert_eq!((looks("done"), looks("refused")), (2, 2));
}

#[test]
fn dj_17_after_signing_out_nothing_of_it_can_be_used() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut owner = server.user("enterprise");
    let (job, _) = exported(&mut owner, "consent/letters");
    let file = format!("/api/v1/console/jobs/{}/files/result", text(&job["id"]));
    for path in [
        "/consent/letters",
        "/credit/data",
        "/api/v1/consent/letters",
        file.as_str(),
    ] {
        let seen = owner.send("GET", path, &[], b"");
        assert_eq!(seen.answer.status, 200, "{path}");
        // What is not stored comes back neither by the back button nor from a shared cache.
        assert_eq!(seen.header("cache-control"), Some("no-store"), "{path}");
    }
    server.end_session(&owner);
    let read = owner.get("/api/v1/consent/letters");
    assert_eq!(read.status, 401, "the cookie is worth nothing");
    assert_eq!(owner.page("/credit/data").status, 401);
    assert_eq!(owner.get(&file).status, 401);
}

#[test]
fn dj_03_a_browser_that_came_by_tls_comes_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rongqiao.toml");
    std::fs::write(&config, "[http]\nsecure_cookies = true\n").unwrap();
    let start = Start {
        config: Some(config),
        ..Start::default()
    };
    let Some(server) = Server::start_as(start) else {
        return;
    };
    for path in ["/", "/login", "/nowhere", "/api/v1/openapi.json"] {
        let seen = server.anonymous().send("GET", path, &[], b"");
        let hsts = seen.header("strict-transport-security");
        assert_eq!(hsts, Some("max-age=31536000"), "{path}");
    }
}

#[test]
fn dj_12_an_administrator_who_comes_from_elsewhere_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rongqiao.toml");
    let text = "[sessions]\nadministrator_networks = [\"10.1.0.0/16\"]\n";
    std::fs::write(&config, text).unwrap();
    let Some(server) = Server::start_as(Start {
        config: Some(config),
        ..Start::default()
    }) else {
        return;
    };
    let sign_in = |login: &str| {
        let who = json!({ "login": login, "password": server.password(login) });
        server.anonymous().post("/api/v1/session", &who)
    };
    for login in ["operator", "security", "auditor"] {
        let refused = sign_in(login);
        assert_eq!(
            (refused.status, refused.code()),
            (403, "address-not-allowed"),
            "{login}"
        );
    }
    assert_eq!(sign_in("officer").status, 200);
}
