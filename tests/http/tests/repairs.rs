//! Records that were changed in the database by other means than the platform: lists name them and serve
//! the rest, a designed table is out of use while its design is not to be relied on, and two people put
//! them right.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{designed, text};
use tests_http::{Answer, Client, Server, until};

const ALTERATIONS: &str = "/api/v1/console/alterations";
const USERS: &str = "/api/v1/platform/users";

fn tamper(server: &Server, sql: &str) {
    let file = server.data().join("rongqiao.sqlite");
    tests_scratch::tamper_file(&file, sql).unwrap();
}

fn table(name: &str) -> Value {
    json!({
        "name": name, "label": name, "purpose": "联系租户", "title_name": "name", "title_label": "企业名称", "scope": "all",
        "readers": ["platform.auditor"], "writers": ["platform.security"],
    })
}

/// The row about a record, once a look through all of them has found it.
fn found(security: &mut Client, record: &str) -> Value {
    let begun = security.post(&format!("{ALTERATIONS}/look"), &json!({}));
    assert_eq!(begun.status, 200, "{}", begun.body);
    let mut row = Value::Null;
    until("the record is found", || {
        let list = security.get(&format!("{ALTERATIONS}?q={record}&status=open"));
        row = list.body["items"][0].clone();
        !row.is_null()
    });
    row
}

fn ask(client: &mut Client, row: &Value, how: &str) -> Answer {
    let path = format!("{ALTERATIONS}/{}/repair", text(&row["id"]));
    client.post(&path, &json!({ "how": how, "reason": "数据库被直接修改" }))
}

fn approve(client: &mut Client, asked: &Answer) -> Answer {
    assert_eq!(asked.status, 200, "{}", asked.body);
    let request = text(&asked.body["result"]["request"]);
    let path = format!("/api/v1/platform/requests/{request}/approve");
    client.post(&path, &json!({ "reason": "已核对" }))
}

/// The table `tenants` is out of use, and nothing else is; the id of its design.
fn is_out(server: &Server) -> String {
    let auditor = server.user("auditor");
    until("the table is out of use", || {
        auditor.get("/api/v1/data/tenants").status == 503
    });
    let list = auditor.get("/api/v1/data/tenants");
    assert_eq!(list.code(), "structure-altered");
    for page in ["/data/tenants", "/data/tenants/new"] {
        let page = server.user("security").page(page);
        assert_eq!(page.status, 503, "{}", page.body);
    }
    let written = server.user("security").post(
        "/api/v1/data/tenants/create",
        &json!({"name": "乙", "phone": "1"}),
    );
    assert_eq!((written.status, written.code()), (503, "structure-altered"));
    // Everything else serves.
    assert_eq!(auditor.get("/api/v1/data/others").body["total"], 1);
    assert_eq!(auditor.page("/data/others").status, 200);
    let structures = auditor.get("/api/v1/data/structures");
    assert_eq!(structures.status, 200, "{}", structures.body);
    assert_eq!(structures.body["total"], 2);
    assert_eq!(structures.body["items"].as_array().unwrap().len(), 1);
    let altered = &structures.body["altered"][0];
    assert_eq!(altered["collection"], "data.structures");
    let page = auditor.page("/data/structures").body.to_string();
    let id = text(&altered["id"]);
    assert!(
        page.contains("本页有 1 条记录未显示") && page.contains(&id),
        "{page}"
    );
    let one = auditor.get(&format!("/api/v1/data/structures/{id}"));
    assert_eq!((one.status, one.code()), (503, "record-altered"));
    id
}

/// Bad input, people who may not, and a record that was changed once more.
fn refusals(server: &Server, row: &Value) {
    let (mut security, mut auditor) = (server.user("security"), server.user("auditor"));
    assert_eq!(
        ask(&mut server.user("operator"), row, "put-back").status,
        403
    );
    let odd = ask(&mut security, row, "away");
    assert_eq!(
        (odd.status, odd.body["errors"][0]["code"].as_str()),
        (400, Some("not-an-option"))
    );
    let path = format!("{ALTERATIONS}/{}/repair", text(&row["id"]));
    let silent = security.post(&path, &json!({ "how": "put-back", "reason": " " }));
    assert_eq!(
        (silent.status, silent.body["errors"][0]["code"].as_str()),
        (400, Some("required"))
    );

    // Refused by the second person, it may be asked for again.
    let asked = ask(&mut security, row, "put-back");
    let again = ask(&mut security, row, "accept");
    assert_eq!((again.status, again.code()), (409, "alteration.in-review"));
    let own = approve(&mut security, &asked);
    assert_eq!((own.status, own.code()), (403, "second-person-needed"));
    let request = text(&asked.body["result"]["request"]);
    let refuse = format!("/api/v1/platform/requests/{request}/refuse");
    assert_eq!(
        auditor.post(&refuse, &json!({ "reason": "再查" })).status,
        200
    );

    // Changed once more after it was asked for: what was decided about is not there any more.
    let asked = ask(&mut security, row, "put-back");
    tamper(
        server,
        "UPDATE data__structures SET problem = 'x' WHERE name = 'tenants'",
    );
    let stale = approve(&mut auditor, &asked);
    assert_eq!(
        (stale.status, stale.code()),
        (409, "stale"),
        "{}",
        stale.body
    );
    let request = text(&asked.body["result"]["request"]);
    let withdraw = format!("/api/v1/platform/requests/{request}/withdraw");
    assert_eq!(
        security
            .post(&withdraw, &json!({ "reason": "重新申请" }))
            .status,
        200
    );
}

#[test]
fn mm_4c_an_altered_structure_is_out_of_use_until_two_people_put_it_back() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let phone = [json!({"name": "phone", "label": "电话", "kind": "text", "level": "L3"})];
    designed(&server, &table("tenants"), &phone);
    designed(&server, &table("others"), &[]);
    let mut security = server.user("security");
    let values = json!({"name": "融桥科技", "phone": "13800001234"});
    for (path, values) in [("tenants", &values), ("others", &json!({"name": "甲"}))] {
        let made = security.post(&format!("/api/v1/data/{path}/create"), values);
        assert_eq!(made.status, 200, "{}", made.body);
    }
    tamper(
        &server,
        "UPDATE data__structures SET live = replace(live, '\"level\":\"L3\"', '\"level\":\"L1\"') WHERE name = 'tenants'",
    );
    is_out(&server);
    // So is it after a start.
    server.kill();
    server.start_again();
    let id = is_out(&server);
    // Others are designed meanwhile, and not by its name.
    designed(&server, &table("thirds"), &[]);
    let mut operator = server.user("operator");
    let taken = operator.post("/api/v1/data/structures/create", &table("tenants"));
    assert_eq!(taken.body["errors"][0]["code"], "taken", "{}", taken.body);

    let mut security = server.user("security");
    let mut auditor = server.user("auditor");
    let row = found(&mut security, &id);
    assert_eq!(
        (&row["finding"], &row["fields"]),
        (&json!("altered"), &json!("已启用的结构"))
    );
    let detail = format!("/console/alterations/{}", text(&row["id"]));
    let page = security.page(&detail).body.to_string();
    assert!(page.contains("按历史恢复后与原编码相符"), "{page}");
    assert!(
        security
            .page("/console/alterations")
            .body
            .to_string()
            .contains(&id)
    );

    refusals(&server, &row);
    let asked = ask(&mut security, &row, "put-back");
    let done = approve(&mut auditor, &asked);
    assert_eq!(done.status, 200, "{}", done.body);
    until("the table is in use", || {
        auditor.get("/api/v1/data/tenants").status == 200
    });
    let list = auditor.get("/api/v1/data/tenants");
    assert_eq!(list.body["items"][0]["phone"], "****", "{}", list.body);
    let structure = auditor.get(&format!("/api/v1/data/structures/{id}"));
    assert_eq!(
        (structure.status, &structure.body["problem"]),
        (200, &Value::Null)
    );
    let history = auditor.get(&format!("/api/v1/data/structures/{id}/history"));
    let mended = history.body["items"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(mended["before"]["problem"], "x", "{mended}");
    let row = auditor.get(&format!("{ALTERATIONS}/{}", text(&row["id"])));
    assert_eq!(row.body["status"], "closed");
    let held = server.result(&["audit", "verify"]);
    assert!(held.contains("hold"), "{held}");
}

#[test]
fn mm_4c_an_altered_account_costs_the_others_nothing_and_is_accepted_for_a_reason() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut security = server.user("security");
    let mut auditor = server.user("auditor");
    let before = security.get(&format!("{USERS}?size=100")).body;
    let users = before["items"].as_array().unwrap();
    let officer = users.iter().find(|u| u["login"] == "officer2").unwrap();
    let id = text(&officer["id"]);
    tamper(
        &server,
        &format!("UPDATE platform__users SET name = '张三' WHERE id = '{id}'"),
    );

    let after = security.get(&format!("{USERS}?size=100")).body;
    assert_eq!(after["total"], before["total"]);
    assert_eq!(after["items"].as_array().unwrap().len(), users.len() - 1);
    let named = json!([{ "collection": "platform.users", "id": id }]);
    assert_eq!(after["altered"], named, "{after}");
    assert_eq!(
        security.get(&format!("{USERS}/{id}")).code(),
        "record-altered"
    );
    for page in ["/platform/posts", "/platform/people"] {
        let drawn = security.page(page);
        assert!([200, 404].contains(&drawn.status), "{page}: {}", drawn.body);
    }
    // Nobody signs in by it; everybody else does.
    let login = json!({ "login": "officer2", "password": server.password("officer2") });
    let refused = server.anonymous().post("/api/v1/session", &login);
    assert_eq!(refused.status, 503, "{}", refused.body);
    server.user("officer");
    // No file leaves that silently lacks it.
    let wanted = json!({ "format": "csv", "reason": "核对" });
    let begun = security.post("/api/v1/platform/users/export", &wanted);
    let job = tests_http::steps::over(&security, &begun);
    assert_eq!(job["status"], "failed", "{job}");

    let row = found(&mut security, &id);
    let asked = ask(&mut security, &row, "accept");
    let done = approve(&mut auditor, &asked);
    assert_eq!(done.status, 200, "{}", done.body);
    let one = security.get(&format!("{USERS}/{id}"));
    assert_eq!(one.body["name"], "张三", "{}", one.body);
    server.user("officer2");
    // Done once, it is not done again.
    let again = ask(&mut security, &row, "accept");
    assert_eq!(
        (again.status, again.code()),
        (409, "alteration.none"),
        "{}",
        again.body
    );
}

#[test]
fn pi_06_records_that_were_altered_are_a_signal_to_whoever_keeps_the_incidents() {
    let Some(server) = Server::start() else {
        return;
    };
    let field = json!({ "name": "phone", "label": "电话", "kind": "text", "level": "L2" });
    designed(&server, &table("tenants"), &[field]);
    let mut security = server.user("security");
    let signals = "/api/v1/privacy/signals";
    assert_eq!(security.get(signals).body["total"], 0);
    tamper(
        &server,
        "UPDATE data__structures SET problem = 'x' WHERE name = 'tenants'",
    );
    let structures = server.user("auditor").get("/api/v1/data/structures").body;
    found(&mut security, &text(&structures["altered"][0]["id"]));
    let mut all = Value::Null;
    until("the signal is there", || {
        all = security.get(signals).body;
        all["total"] == 1
    });
    assert!(
        text(&all["items"][0]["cause"]).contains("被改动的记录"),
        "{all}"
    );
    let told = security.get("/api/v1/notices").body.to_string();
    assert!(told.contains("记录被绕过平台改动"), "{told}");
    // Looked through again, it is nothing new.
    let begun = security.post(&format!("{ALTERATIONS}/look"), &json!({}));
    assert_eq!(begun.status, 200, "{}", begun.body);
    let dismissed = format!("{signals}/{}/dismiss", text(&all["items"][0]["id"]));
    let reason = json!({ "reason": "试验库上的演练" });
    assert_eq!(security.post(&dismissed, &reason).status, 200);
    assert_eq!(security.get(signals).body["total"], 1);
    assert_eq!(
        server.user("operator").post(&dismissed, &reason).status,
        403
    );
}
