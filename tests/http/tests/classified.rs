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
        "name": "visits", "label": "走访记录", "title_name": "name", "title_label": "企业名称",
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
