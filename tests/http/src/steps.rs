//! Steps of the main job that several tests stand on, over the API.

use serde_json::{Value, json};

use crate::{Answer, Client, Server, until};

/// 沪江银行, the bank of the demo's developer, validator and officer.
pub const BANK: &str = "01930000-0000-7000-8000-000000000101";
/// 浦城农商银行, the bank of everybody else's.
pub const OTHER_BANK: &str = "01930000-0000-7000-8000-000000000201";

/// Uploads a component as a model, or gives the refusal of one of both steps.
pub fn submit_model(developer: &mut Client, name: &str, bytes: &[u8]) -> Answer {
    let file = developer.upload(&format!("{name}.wasm"), bytes);
    // What is no model by its first bytes is refused at the door.
    if file.status != 200 {
        return file;
    }
    developer.post(
        "/api/v1/console/models/upload",
        &json!({ "file": file.body }),
    )
}

/// Uploads a component that must pass, and has it approved.
pub fn approved_model(server: &Server, name: &str, bytes: &[u8]) -> String {
    let uploaded = submit_model(&mut server.user("developer"), name, bytes);
    assert_eq!(uploaded.status, 200, "{}", uploaded.body);
    let report = &uploaded.body["result"]["report"];
    assert!(report["fuel"].as_u64() > Some(0));
    let golden = report["golden"].as_array().expect("the golden cases");
    assert!(!golden.is_empty() && golden.iter().all(|g| g["holds"] == json!(true)));
    let id = text(&uploaded.body["result"]["id"]);
    validated(&mut server.user("validator"), &id);
    let approved = server.user("validator").post(
        &format!("/api/v1/console/models/{id}/approve"),
        &json!({ "reason": "样例一致，留出集指标达标" }),
    );
    assert_eq!(approved.status, 200, "{}", approved.body);
    id
}

/// A validation of a model of which there is no sample with outcomes yet.
pub fn validated(validator: &mut Client, model: &str) {
    let done = validator.post(
        &format!("/api/v1/console/models/{model}/validate"),
        &json!({
            "data": "金样例与脱敏样本，尚无还款结果", "findings": "复算一致，入模变量合规",
            "conclusion": "conditional", "valid_until": in_days(180),
        }),
    );
    assert_eq!(done.status, 200, "{}", done.body);
}

/// The tax-loan model, live at its bank.
pub fn live_model(server: &Server) -> String {
    let bytes = std::fs::read(server.model("tax-loan")).expect("the built model");
    approved_model(server, "tax-loan", &bytes)
}

/// A letter for a bank, for approval and estimate; gives its id.
pub fn sign_letter(enterprise: &mut Client, recipient: &str) -> String {
    let signed = enterprise.post(
        "/api/v1/consent/letters/sign",
        &json!({
            "recipient": recipient, "items": ITEMS, "purposes": ["02", "04"],
            "valid_to": in_days(30), "separate": true, "agree": true,
        }),
    );
    assert_eq!(signed.status, 200, "{}", signed.body);
    text(&signed.body["result"]["id"])
}

/// Items of the sharing catalogue behind the tax-loan model's features.
const ITEMS: [&str; 10] = ["15", "16", "20", "25", "26", "27", "33", "35", "57", "59"];

/// The day in so many days.
pub fn in_days(days: u64) -> String {
    let out = std::process::Command::new("date")
        .args(["-d", &format!("+{days} days"), "+%F"])
        .output()
        .expect("the date");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// The product of a bank that its model scores.
pub fn scored_product(client: &Client, bank: &str) -> Value {
    let found = client.get("/api/v1/market/products?model=tax-loan&size=50");
    assert_eq!(found.status, 200, "{}", found.body);
    let items = found.body["items"].as_array().expect("products");
    items
        .iter()
        .find(|p| p["organisation"] == json!(bank))
        .expect("a scored product")
        .clone()
}

/// What an enterprise sends to apply for a product.
pub fn application(product: &Value) -> Value {
    json!({
        "product": product["id"], "amount": "1000000.00", "term_months": 12,
        "purpose": "operations", "contact": "林知远", "phone": "13800001234", "agree": true,
    })
}

/// A text that must be there.
pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The table of the audit page under filters, `what=…&outcome=…`.
pub fn audited(auditor: &Client, filters: &str) -> Value {
    let page = auditor.page(&format!("/console/audit?{filters}"));
    assert_eq!(page.status, 200, "{}", page.body);
    let blocks = page.body["sections"].as_array().expect("sections").iter();
    let mut blocks = blocks.flat_map(|s| s["blocks"].as_array().expect("blocks"));
    let table = blocks.find(|b| b["id"] == "audit");
    table.expect("the trail").clone()
}

/// How many records of the trail there are under filters.
pub fn recorded(server: &Server, filters: &str) -> u64 {
    let table = audited(&server.user("auditor"), filters);
    table["paging"]["total"].as_u64().expect("a total")
}

/// What the audit page tells of an object, newest first: `<collection> · <action>`, as people read it.
pub fn trail(auditor: &Client, object: &str) -> Vec<String> {
    let table = audited(auditor, &format!("object={object}"));
    let rows = table["rows"].as_array().into_iter().flatten();
    rows.map(|row| text(&row["cells"][0]["value"])).collect()
}

/// Has a table designed with these fields, and approved.
pub fn designed(server: &Server, table: &Value, fields: &[Value]) {
    let (mut operator, mut security) = (server.user("operator"), server.user("security"));
    let done = |client: &mut Client, path: &str, body: &Value| {
        let answer = client.post(&format!("/api/v1/{path}"), body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body["result"].clone()
    };
    let made = done(&mut operator, "data/structures/create", table);
    let design = format!("data/structures/{}", text(&made["id"]));
    for field in fields {
        done(&mut operator, &format!("{design}/add"), field);
    }
    let reason = json!({ "reason": "业务需要" });
    let asked = done(&mut operator, &format!("{design}/submit"), &reason);
    let request = text(&asked["request"]);
    let approve = format!("platform/requests/{request}/approve");
    done(&mut security, &approve, &reason);
}

/// Waits until an import or export is over, and gives its job.
pub fn over(client: &Client, begun: &Answer) -> Value {
    assert_eq!(begun.status, 200, "{}", begun.body);
    let id = text(&begun.body["result"]["id"]);
    let mut job = Value::Null;
    until("the job is over", || {
        job = client.get(&format!("/api/v1/console/jobs/{id}")).body;
        ["done", "failed", "cancelled"].contains(&text(&job["status"]).as_str())
    });
    job
}

/// Exports a list as CSV, its filters behind it, and gives the job and the file.
pub fn exported(client: &mut Client, list: &str) -> (Value, String) {
    let (path, filters) = list.split_once('?').unwrap_or((list, ""));
    let wanted = json!({ "format": "csv", "reason": "核对" });
    let begun = client.post(&format!("/api/v1/{path}/export?{filters}"), &wanted);
    let job = over(client, &begun);
    assert_eq!(job["status"], "done", "{job}");
    let path = format!("/api/v1/console/jobs/{}/files/result", text(&job["id"]));
    let file = client.get(&path);
    assert_eq!(file.status, 200, "{}", file.body);
    (job, file.text().to_owned())
}
