//! Whose data was read by whom: for the party itself, and for whoever reads the trail.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{BANK, application, live_model, over, scored_product, sign_letter, text};
use tests_http::{Browser, Client, Server, Start, until};

const READERS: &str = "/platform/readers";
const APPLICATIONS: &str = "/api/v1/lending/applications";

/// An HTML page as a signed-in person gets it.
fn page(browser: &mut Browser, path: &str) -> String {
    let screen = browser.get(path);
    assert_eq!(screen.status, 200, "{path}: {}", screen.html);
    screen.html
}

/// What a form has in a field already.
fn typed_in(html: &str, field: &str) -> String {
    let tag = html
        .split('<')
        .find(|tag| tag.contains(&format!("name=\"{field}\"")));
    let value = tag
        .and_then(|tag| tag.split_once(" value=\""))
        .map(|(_, rest)| rest);
    let value = value.and_then(|rest| rest.split('"').next());
    value.unwrap_or_default().to_owned()
}

fn applied(enterprise: &mut Client) -> String {
    let asks = application(&scored_product(enterprise, BANK));
    let applied = enterprise.post(&format!("{APPLICATIONS}/apply"), &asks);
    assert_eq!(applied.status, 200, "{}", applied.body);
    text(&applied.body["result"]["id"])
}

/// Rows of the page's table, with its head.
fn rows(html: &str) -> usize {
    html.matches("<tr").count()
}

#[test]
fn pi_02_a_party_sees_who_read_its_data_and_nobody_else_does() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut owner = Browser::signed_in(&server, "enterprise");
    let before = page(&mut owner, READERS);
    assert!(
        before.contains("没有其他机构查看或使用过您的数据"),
        "{before}"
    );

    // Its own deeds are none of others': the score that it asked for itself names nobody.
    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, BANK);
    let id = applied(&mut enterprise);
    let own = page(&mut owner, READERS);
    assert!(own.contains("没有其他机构查看或使用过您的数据"), "{own}");

    // The bank reads: a list and a record by the API, a page, a number it looks at, and a decision.
    let officer = server.user("officer");
    assert_eq!(officer.get(APPLICATIONS).status, 200);
    assert_eq!(officer.get(&format!("{APPLICATIONS}/{id}")).status, 200);
    let mut desk = Browser::signed_in(&server, "officer");
    page(&mut desk, &format!("/lending/applications/{id}"));
    let read = page(&mut owner, READERS);
    for what in ["查询记录", "查看记录", "查看页面："] {
        assert!(read.contains(what), "{what} in {read}");
    }
    assert!(!read.contains("没有其他机构"), "{read}");
    // It takes the list along in a file.
    let mut officer = officer;
    let wanted = json!({ "format": "csv", "reason": "核对", "fields": "number,amount" });
    let begun = officer.post(&format!("{APPLICATIONS}/export"), &wanted);
    let job = over(&officer, &begun);
    assert_eq!((&job["status"], &job["done"]), (&json!("done"), &json!(1)));
    let read = page(&mut owner, READERS);
    assert!(read.contains("导出数据"), "{read}");
    // The institution, and not who it was there.
    let bank = officer.get("/api/v1/session").body;
    let bank_name = text(&bank["organisation_name"]);
    assert!(read.contains(&bank_name), "{bank_name} in {read}");

    // Whoever reads the trail finds the same by the party's name, and nothing by another's.
    let me = enterprise.get("/api/v1/session").body;
    let name = text(&me["organisation_name"]);
    let mut auditor = Browser::signed_in(&server, "auditor");
    let found = page(&mut auditor, &format!("/console/audit?party={name}"));
    assert!(rows(&read) > 3, "{read}");
    assert_eq!(rows(&found), rows(&read), "{found}");
    assert!(found.contains("查询记录"), "{found}");
    let none = page(&mut auditor, "/console/audit?party=无此企业");
    assert!(none.contains("没有符合条件的记录"), "{none}");

    // A bank acts for no party.
    let of_bank = page(&mut desk, READERS);
    assert!(of_bank.contains("没有代表任何主体"), "{of_bank}");
    let (holds, said) = server.command(&["audit", "verify"]);
    assert!(holds, "{said}");
}

/// Findings that wait.
const WAITING: &str = "/api/v1/console/readings?status=open";

/// A city in which an official has read of more than twenty parties, with what was found of it.
fn watched() -> Option<(Server, Client, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let rules = "[audit.unusual]\nparties = 20\nlooks = 0\n";
    std::fs::write(&config, rules).unwrap();
    let server = Server::start_as(Start {
        config: Some(config),
        ..Start::default()
    })?;
    // The demo's enterprises, all on two pages: more than twenty parties.
    let official = server.user("government");
    for at in 1..=2 {
        let list = format!("/api/v1/enterprise/enterprises?page={at}");
        assert_eq!(official.get(&list).status, 200);
    }
    let mut auditor = server.user("auditor");
    let begun = auditor.post("/api/v1/console/readings/count", &json!({}));
    assert_eq!(begun.status, 200, "{}", begun.body);
    let mut list = begun;
    until("the reading is found", || {
        list = auditor.get(WAITING);
        list.body["total"] == 1
    });
    let row = list.body["items"][0].clone();
    assert!(row["parties"].as_i64() > Some(20), "{row}");
    Some((server, auditor, row))
}

#[test]
fn row_120_the_auditor_hears_of_whoever_reads_more_than_usual() {
    let Some((server, mut auditor, row)) = watched() else {
        return;
    };
    let waiting = WAITING;
    let mut desk = Browser::signed_in(&server, "auditor");
    let home = page(&mut desk, "/");
    assert!(home.contains("待核实的异常查询"), "{home}");
    let detail = format!("/console/readings/{}", text(&row["id"]));
    let shown = page(&mut desk, &detail);
    assert!(
        shown.contains("待核实") && shown.contains("有正当理由"),
        "{shown}"
    );
    assert_eq!(server.user("operator").get(waiting).status, 403);

    let settle = format!("/api/v1{detail}/settle");
    let vague = auditor.post(&settle, &json!({ "finding": "explained" }));
    assert_eq!(
        (vague.status, text(&vague.body["code"])),
        (400, "invalid".into()),
        "{}",
        vague.body
    );
    let done = auditor.post(
        &settle,
        &json!({ "finding": "explained", "reason": "季度走访" }),
    );
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(auditor.get(waiting).body["total"], 0);
    let trail = page(&mut desk, "/console/audit?what=console.reading.");
    assert!(trail.contains("发现异常查询"), "{trail}");
    assert!(page(&mut desk, &detail).contains("季度走访"));
}

#[test]
fn pi_06_a_breach_that_the_platform_found_becomes_an_incident_and_those_concerned_are_told() {
    let Some((server, mut auditor, row)) = watched() else {
        return;
    };
    let settle = format!("/api/v1/console/readings/{}/settle", text(&row["id"]));
    let finding = json!({ "finding": "breach", "reason": "无业务理由批量查看" });
    assert_eq!(auditor.post(&settle, &finding).status, 200);
    let mut security = server.user("security");
    let signals = "/api/v1/privacy/signals";
    let mut found = json!(null);
    until("the signal is there", || {
        found = security.get(signals).body;
        found["total"] == 1
    });
    let signal = &found["items"][0];
    let id = text(&signal["id"]);
    assert_eq!(signal["status"], "waiting");
    assert!(
        text(&signal["cause"]).contains("无业务理由批量查看"),
        "{signal}"
    );
    // The demo's others have no account to be told by.
    let cause = text(&signal["cause"]);
    assert!(cause.contains("已列出 2 个"), "{cause}");
    // Whoever keeps the registers is told, and finds the form filled in.
    let mut desk = Browser::signed_in(&server, "security");
    let notices = page(&mut desk, "/notices");
    assert!(notices.contains("有一条线索可能是安全事件"), "{notices}");
    assert!(page(&mut desk, "/").contains("违规查询他方数据"));
    let detail = page(&mut desk, &format!("/privacy/signals/{id}"));
    let place = format!("/privacy/incidents?signal={id}");
    assert!(detail.contains(&place), "{detail}");
    let form = desk.get(&place);
    assert!(form.html.contains("无业务理由批量查看"), "{}", form.html);
    let found_at = typed_in(&form.html, "found_at");
    let linked = form.hidden("signal");
    assert_eq!(linked, id);
    let parties = text(&json!(row["parties"].to_string()));
    let typed = [
        ("_form", "report"),
        ("_action", "incident.report"),
        ("signal", linked.as_str()),
        ("cause", cause.as_str()),
        ("found_at", found_at.as_str()),
        ("title", "违规查询企业信息"),
        ("grade", "major"),
        ("categories", "企业登记信息、联系人"),
        ("people", parties.as_str()),
        ("harm", "联系人被骚扰"),
        ("remedy", "已停用账号"),
        ("advice", "警惕陌生来电"),
    ];
    let sent = desk.send(&place, &form, &typed);
    assert_eq!(sent.status, 303, "{}", sent.html);
    let incident = security.get("/api/v1/privacy/incidents").body["items"][0].clone();
    assert!(
        text(&incident["cause"]).contains("无业务理由批量查看"),
        "{incident}"
    );
    let settled = security.get(&format!("{signals}/{id}")).body;
    assert_eq!(
        (&settled["status"], &settled["incident"]),
        (&json!("registered"), &incident["id"])
    );
    // It is made an incident once.
    let again = security.post(
        &format!("{signals}/{id}/dismiss"),
        &json!({ "reason": "重复" }),
    );
    assert_eq!(
        (again.status, again.code()),
        (409, "privacy.signal-settled")
    );
    assert!(!page(&mut desk, "/privacy/incidents").contains("待判断的线索"));

    concerned_are_told(&server, &incident, &text(&settled["receivers"]));
}

/// Those whose data the trail says was read are named in the form, and told once they are sent to.
fn concerned_are_told(server: &Server, incident: &Value, named: &str) {
    let (mut security, mut desk) = (
        server.user("security"),
        Browser::signed_in(server, "security"),
    );
    let owner = server.user("enterprise");
    let name = text(&owner.get("/api/v1/session").body["organisation_name"]);
    let place = format!("/privacy/incidents/{}", text(&incident["id"]));
    assert!(
        named.lines().count() == 2 && named.contains(&name),
        "{named}"
    );
    assert!(page(&mut desk, &place).contains(named), "the form has them");
    let tell = format!("/api/v1/privacy/incidents/{}/tell", text(&incident["id"]));
    let told = security.post(
        &tell,
        &json!({ "receivers": name, "contact": "运营中心安全岗 021-60000000" }),
    );
    assert_eq!(told.status, 200, "{}", told.body);
    let mut hers = Browser::signed_in(server, "enterprise");
    assert!(page(&mut hers, "/notices").contains("您的信息可能受到安全事件影响"));
    let tellings = owner.get("/api/v1/privacy/tellings").body;
    assert_eq!(tellings["total"], 1, "{tellings}");
    let read = format!("/privacy/tellings/{}", text(&tellings["items"][0]["id"]));
    let shown = page(&mut hers, &read);
    for words in [
        "企业登记信息、联系人",
        "联系人被骚扰",
        "已停用账号",
        "警惕陌生来电",
        "021-60000000",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(
        server
            .user("enterprise2")
            .get("/api/v1/privacy/tellings")
            .body["total"],
        0
    );
    assert_eq!(server.user("enterprise2").page(&read).status, 404);
}
