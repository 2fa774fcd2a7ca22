//! What each role is shown of a sensitive field, wherever it meets it, and what stands for one in
//! files that are made for a project.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{designed, exported, in_days, over, recorded, text};
use tests_http::{Client, Server, Start};

const DEBTORS: &str = "/api/v1/data/debtors";
const PROJECTS: &str = "/api/v1/console/projects";
const PHONE: &str = "13800001234";
const LIMIT: &str = "1234567.00";

fn on_each_engine(story: impl Fn(Server)) {
    if let Some(server) = Server::start() {
        story(server);
    }
    if let Some(database) = Database::create("masking")
        && let Some(server) = Server::start_as(Start {
            database: Some(database),
            ..Start::default()
        })
    {
        story(server);
    }
}

/// A server with a table of debtors: the operator keeps it, officials of the government read it.
fn debtors(server: &Server) {
    let table = json!({
        "name": "debtors", "purpose": "催收", "label": "债务人", "title_name": "name", "title_label": "名称",
        "scope": "all", "readers": ["government.official"], "writers": ["platform.operator"],
    });
    let fields = [
        json!({ "name": "phone", "label": "电话", "kind": "text", "level": "L3", "list": true }),
        json!({ "name": "owed", "label": "欠款", "kind": "money", "level": "L3", "list": true }),
    ];
    designed(server, &table, &fields);
    let row = json!({ "name": "上海澄湖食品", "phone": PHONE, "owed": LIMIT });
    let mut operator = server.user("operator");
    let made = operator.post(&format!("{DEBTORS}/create"), &row);
    assert_eq!(made.status, 200, "{}", made.body);
}

/// Has what a client waits for decided by the security administrator.
fn approve(server: &Server, request: &str) {
    let path = format!("/api/v1/platform/requests/{request}/approve");
    let reason = json!({ "reason": "已核实" });
    let approved = server.user("security").post(&path, &reason);
    assert_eq!(approved.status, 200, "{}", approved.body);
}

#[test]
fn row_93_a_field_is_masked_per_role_in_api_export_page_and_log() {
    on_each_engine(|server| {
        debtors(&server);
        let (mut operator, mut official) = (server.user("operator"), server.user("government"));
        let first = |client: &Client| client.get(DEBTORS).body["items"][0].clone();
        let (clear, masked) = (first(&operator), first(&official));
        assert_eq!(
            (&clear["phone"], &clear["owed"]),
            (&json!(PHONE), &json!(LIMIT))
        );
        let shown = (&json!("****"), &json!("100万～1000万"));
        assert_eq!((&masked["phone"], &masked["owed"]), shown);
        // Neither is it asked about where it is not shown.
        for asked in ["sort=owed", &format!("phone={PHONE}"), "facets=phone"] {
            let refused = official.get(&format!("{DEBTORS}?{asked}"));
            assert_eq!(refused.status, 400, "{asked}: {}", refused.body);
        }

        // A file, which takes a second person where it would be in clear.
        let (_, file) = exported(&mut official, "data/debtors");
        // Quotes are where the mark of the export wants them.
        assert!(
            file.replace('"', "").contains("****,100万～1000万"),
            "{file}"
        );
        assert!(!file.contains(PHONE) && !file.contains("1234567"), "{file}");
        let wanted = json!({ "format": "csv", "reason": "电话回访" });
        let begun = operator.post(&format!("{DEBTORS}/export"), &wanted);
        approve(&server, &text(&begun.body["result"]["id"]));
        let job = over(&operator, &begun);
        let path = format!("/api/v1/console/jobs/{}/files/result", text(&job["id"]));
        let file = operator.get(&path).text().replace('"', "");
        assert!(file.contains(&format!("{PHONE},{LIMIT}")), "{file}");

        // Its pages.
        let id = text(&clear["id"]);
        for path in ["/data/debtors".to_owned(), format!("/data/debtors/{id}")] {
            let page = official.page(&path);
            assert_eq!(page.status, 200, "{path}: {}", page.body);
            let drawn = page.body.to_string();
            assert!(drawn.contains("100万～1000万"), "{path}: {drawn}");
            assert!(
                !drawn.contains(PHONE) && !drawn.contains("123456700"),
                "{path}"
            );
            let drawn = operator.page(&path).body.to_string();
            assert!(
                drawn.contains(PHONE) && drawn.contains("123456700"),
                "{path}: {drawn}"
            );
        }

        // What was done to it is on record without it, for the auditor and in the server's log.
        let auditor = server.user("auditor");
        let made = "what=data.debtors&outcome=done";
        assert!(recorded(&server, made) >= 1, "it was entered");
        let told = auditor.page(&format!("/console/audit?{made}"));
        assert_eq!(told.status, 200, "{}", told.body);
        let told = told.body.to_string();
        let history = official.get(&format!("{DEBTORS}/{id}/history"));
        assert_eq!(history.status, 200, "{}", history.body);
        for (place, words) in [
            ("trail", told),
            ("history", history.body.to_string()),
            ("log", server.log()),
        ] {
            assert!(
                !words.contains(PHONE) && !words.contains("1234567"),
                "{place}: {words}"
            );
        }
    });
}

fn project(client: &mut Client, name: &str) -> String {
    let input = json!({ "name": name, "purpose": "联合建模样本", "ends_on": in_days(30) });
    let made = client.post(&format!("{PROJECTS}/create"), &input);
    assert_eq!(made.status, 200, "{}", made.body);
    text(&made.body["result"]["id"])
}

/// The one row of an export for a project.
fn row(client: &mut Client, project: &str) -> Value {
    let wanted = json!({
        "format": "jsonl", "reason": "联合建模", "project": project,
        "pseudonyms": ["name", "owed"], "tokens": ["phone"],
    });
    let begun = client.post(&format!("{DEBTORS}/export"), &wanted);
    assert_eq!(begun.body["result"]["status"], "queued", "{}", begun.body);
    let job = over(client, &begun);
    assert_eq!(job["status"], "done", "{job}");
    let path = format!("/api/v1/console/jobs/{}/files/result", text(&job["id"]));
    let file = client.get(&path).text().to_owned();
    assert!(!file.contains(PHONE) && !file.contains(LIMIT), "{file}");
    let line = file.lines().nth(1).expect("a row");
    serde_json::from_str(line).expect("an object")
}

#[test]
fn row_93_a_token_is_turned_back_for_a_reason_by_two_people_and_on_record() {
    on_each_engine(|server| {
        debtors(&server);
        let mut operator = server.user("operator");
        let (one, other) = (project(&mut operator, "甲"), project(&mut operator, "乙"));
        let (first, again) = (row(&mut operator, &one), row(&mut operator, &one));
        assert_eq!(
            (&first["name"], &first["owed"]),
            (&again["name"], &again["owed"])
        );
        assert_ne!(first["name"], row(&mut operator, &other)["name"]);

        let restore = format!("{PROJECTS}/{one}/restore");
        let token = json!({ "token": first["phone"] });
        let back = operator.post(&restore, &token);
        assert_eq!(back.status, 200, "{}", back.body);
        assert!(!back.body.to_string().contains(PHONE), "{}", back.body);
        let restoration = text(&back.body["result"]["id"]);
        let look = format!("/api/v1/console/restorations/{restoration}/look");
        let ask = json!({ "field": "value", "reason": "模型结果复核" });
        let bare = operator.post(&look, &json!({ "field": "value", "reason": "" }));
        assert_eq!(bare.status, 400, "{}", bare.body);
        let asked = operator.post(&look, &ask);
        assert_eq!(asked.status, 202, "{}", asked.body);
        let request = text(&asked.body["request"]);
        let own = format!("/api/v1/platform/requests/{request}/approve");
        let own = operator.post(&own, &json!({ "reason": "x" }));
        assert!([403, 404].contains(&own.status), "{}", own.body);
        assert_eq!(operator.post(&look, &ask).status, 202, "not decided yet");
        approve(&server, &request);
        let shown = operator.post(&look, &ask);
        assert_eq!(
            (shown.status, &shown.body),
            (200, &json!({ "value": PHONE }))
        );
        assert_eq!(operator.post(&look, &ask).status, 202, "once");
        // Nobody else looks, colleagues and auditors included.
        for (login, status) in [("security", 403), ("auditor", 403), ("officer", 404)] {
            let answer = server.user(login).post(&look, &ask);
            assert_eq!(answer.status, status, "{login}: {}", answer.body);
        }
        let looks = format!("what=field.look&object={restoration}&outcome=done");
        assert_eq!(recorded(&server, &looks), 3, "asked for twice, taken once");

        // On the page as well, and no more after the end.
        let page = operator.page(&format!("/console/projects/{one}"));
        assert_eq!(page.status, 200, "{}", page.body);
        let drawn = page.body.to_string();
        assert!(
            drawn.contains("已还原的令牌") && !drawn.contains(PHONE),
            "{drawn}"
        );
        let form = operator.page("/console/jobs/export?of=data.debtors");
        assert!(
            form.body.to_string().contains("以假名代替"),
            "{}",
            form.body
        );
        let ended = operator.post(&format!("{PROJECTS}/{one}/end"), &json!({}));
        assert_eq!(ended.status, 200, "{}", ended.body);
        let late = operator.post(&restore, &token);
        assert_eq!(
            (late.status, late.code()),
            (422, "project-ended"),
            "{}",
            late.body
        );
        assert_eq!(
            operator.get(&format!("{PROJECTS}/{one}")).body["secret"],
            Value::Null
        );
        let gone = operator.post(&format!("{PROJECTS}/{one}/end"), &json!({}));
        assert_eq!(gone.status, 409, "{}", gone.body);
    });
}
