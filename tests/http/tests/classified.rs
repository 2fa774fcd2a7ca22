//! The catalogue of classified data, as the security administrator and the auditor read it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tests_http::steps::{designed, exported, text};
use tests_http::{Client, Server, until};

const REVIEWS: &str = "/api/v1/privacy/reviews";

const PAGE: &str = "/console/classified";
const LIST: &str = "/api/v1/console/classified-fields";

/// The catalogue by place.
fn catalogue(client: &Client) -> BTreeMap<String, Value> {
    let found = client.get(&format!("{LIST}?size=200"));
    assert_eq!(found.status, 200, "{}", found.body);
    let items = found.body["items"].as_array().unwrap();
    assert_eq!(found.body["total"], items.len(), "all on one page");
    let place = |row: &Value| (text(&row["place"]), row.clone());
    items.iter().map(place).collect()
}

/// What the plugins of this repository declare: place and level of what is guarded.
fn declared() -> BTreeMap<String, Value> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let mut all = BTreeMap::new();
    for plugin in std::fs::read_dir(plugins).unwrap() {
        let Ok(lock) = std::fs::read(plugin.unwrap().path().join("schema.lock.json")) else {
            continue;
        };
        let def: Value = serde_json::from_slice(&lock).unwrap();
        for c in def["collections"].as_array().unwrap() {
            for field in c["fields"].as_array().unwrap() {
                let is = |name: &str| field.get(name).is_some_and(|v| *v != json!(false));
                if is("level") || is("mask") || is("encrypted") {
                    let names = [&def["id"], &c["name"], &field["name"]].map(text);
                    let level = field.get("level").cloned().unwrap_or(json!("none"));
                    all.insert(names.join("."), level);
                }
            }
        }
    }
    all
}

#[test]
fn ds_01_whoever_answers_for_it_reads_what_is_classified_and_how_it_is_guarded() {
    let Some(server) = Server::start() else {
        return;
    };
    let security = server.user("security");
    let before = catalogue(&security);
    let plugins = declared();
    assert!(plugins.len() > 5, "{plugins:?}");
    for (place, level) in &plugins {
        assert_eq!(&before[place]["level"], level, "{place}");
    }
    let phone = &before["lending.applications.phone"];
    let told = ["encrypted", "mask", "file", "designed", "retired"].map(|name| &phone[name]);
    assert_eq!(json!(told), json!([true, "phone", false, false, false]));
    let (seen, looked) = (text(&phone["seen_by"]), text(&phone["looked_at_by"]));
    assert!(looked.contains("授信审批"), "{looked}");
    assert_ne!(seen, looked);

    // What the operator designs is in it as soon as it serves, an attachment, too.
    let table = json!({
        "name": "visits", "purpose": "走访企业", "label": "走访记录", "title_name": "name", "title_label": "企业名称",
        "scope": "all", "readers": [], "writers": ["platform.security"],
    });
    let field = |name: &str, kind: &str, level: &str| json!({ "name": name, "label": name, "kind": kind, "level": level });
    let fields = [field("phone", "text", "L4"), field("minutes", "file", "L2")];
    designed(&server, &table, &fields);
    until("the designed table is in it", || {
        catalogue(&security).contains_key("data.visits.minutes")
    });
    let after = catalogue(&security);
    let (phone, minutes) = (&after["data.visits.phone"], &after["data.visits.minutes"]);
    assert_eq!(
        (&phone["level"], &phone["designed"]),
        (&json!("L4"), &json!(true))
    );
    let told = ["level", "file", "encrypted"].map(|name| &minutes[name]);
    assert_eq!(json!(told), json!(["L2", true, true]));

    // By module and level, on the page and in the file.
    let auditor = server.user("auditor");
    let page = auditor.page(&format!("{PAGE}?module=data&level=L4"));
    assert_eq!(page.status, 200, "{}", page.body);
    let table = page.body.to_string();
    assert!(
        table.contains("走访记录") && !table.contains("贷款申请"),
        "{table}"
    );
    let mut auditor = auditor;
    let (_, file) = exported(&mut auditor, "console/classified-fields?level=L4");
    assert!(
        file.contains("L4 高敏") && file.contains("走访记录"),
        "{file}"
    );
    assert!(!file.contains("L3 敏感"), "{file}");

    for login in ["operator", "officer", "enterprise"] {
        let other = server.user(login);
        assert_eq!(other.get(PAGE).status, 403, "{login}");
        assert_eq!(other.get(LIST).code(), "forbidden", "{login}");
    }
    assert_eq!(server.anonymous().get(LIST).status, 401);
}

#[test]
fn dj_18_no_table_with_sensitive_fields_comes_into_use_without_a_purpose() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut operator = server.user("operator");
    let structures = "/api/v1/data/structures";
    let words = |purpose: &str| {
        json!({
            "label": "走访记录", "purpose": purpose, "scope": "all", "readers": [],
            "writers": ["platform.security"],
        })
    };
    let mut table = words("");
    let named = json!({ "name": "visits", "title_name": "name", "title_label": "企业名称" });
    table
        .as_object_mut()
        .unwrap()
        .extend(named.as_object().unwrap().clone());
    let made = operator.post(&format!("{structures}/create"), &table);
    assert_eq!(made.status, 200, "{}", made.body);
    let design = format!("{structures}/{}", text(&made.body["result"]["id"]));
    let phone = json!({ "name": "phone", "label": "电话", "kind": "text", "level": "L3" });
    assert_eq!(operator.post(&format!("{design}/add"), &phone).status, 200);
    let submit = |operator: &mut Client| {
        operator.post(
            &format!("{design}/submit"),
            &json!({ "reason": "业务需要" }),
        )
    };
    let refused = submit(&mut operator);
    assert!(refused.status >= 400, "{}", refused.body);
    assert!(
        refused.body.to_string().contains("处理目的"),
        "{}",
        refused.body
    );
    let said = operator.post(&format!("{design}/describe"), &words("走访企业"));
    assert_eq!(said.status, 200, "{}", said.body);
    let asked = submit(&mut operator);
    assert_eq!(asked.status, 200, "{}", asked.body);
    let request = text(&asked.body["result"]["request"]);
    let approve = format!("/api/v1/platform/requests/{request}/approve");
    let mut security = server.user("security");
    let approved = security.post(&approve, &json!({ "reason": "已核对" }));
    assert_eq!(approved.status, 200, "{}", approved.body);
    until("what it is kept for is shown", || {
        let page = security.page("/console/retention").body.to_string();
        page.contains("走访企业")
    });
}

#[test]
fn ds_01_the_report_of_a_yearly_assessment_is_kept() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut security = server.user("security");
    let draft = json!({
        "title": "2026 年度数据安全风险评估", "scope": "平台全部处理活动",
        "data": "重要数据一种，约 30 万户", "findings": "接口调用方过多", "measures": "收窄授权",
    });
    let made = security.post(&format!("{REVIEWS}/draft"), &draft);
    assert_eq!(made.status, 200, "{}", made.body);
    let review = format!("{REVIEWS}/{}", text(&made.body["result"]["id"]));
    let file = |security: &Client, name: &str, bytes: &[u8]| security.upload(name, bytes).body;
    let report = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n";
    let kept = file(&security, "report.pdf", report);
    let filed =
        json!({ "report": kept, "submitted_to": "市委网信办", "submitted_on": "2026-01-05" });
    let early = security.post(&format!("{review}/file"), &filed);
    assert_eq!((early.status, early.code()), (422, "privacy.not-concluded"));
    let conclusion = json!({ "risk": "medium", "conclusion": "措施落实后风险可控" });
    let concluded = security.post(&format!("{review}/conclude"), &conclusion);
    assert_eq!(concluded.status, 200, "{}", concluded.body);
    let mut nameless = filed.clone();
    nameless["submitted_to"] = json!(null);
    let wrong = security.post(&format!("{review}/file"), &nameless);
    assert_eq!(
        (wrong.status, wrong.code()),
        (400, "invalid"),
        "{}",
        wrong.body
    );
    let other = file(&security, "notes.txt", b"no report");
    let wrong = security.post(&format!("{review}/file"), &json!({ "report": other }));
    assert!(wrong.status >= 400, "{}", wrong.body);
    let done = security.post(&format!("{review}/file"), &filed);
    assert_eq!(done.status, 200, "{}", done.body);
    let stored = security.get(&review).body;
    assert_eq!(stored["report"]["name"], "report.pdf", "{stored}");
    assert_eq!(stored["submitted_to"], "市委网信办");
    let page = review.replace("/api/v1", "");
    let shown = server.user("auditor").page(&page).body.to_string();
    assert!(
        shown.contains("report.pdf") && !shown.contains("报告未归档"),
        "{shown}"
    );
    assert_eq!(server.user("officer").get(&review).status, 403);
}
