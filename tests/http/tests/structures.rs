//! Data structures as people design them while the platform serves: tender row 143.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests_http::steps::designed;
use tests_http::{Client, Server, until};

const TABLE: &str = "/api/v1/data/park-tenants";
/// What it is called once it is renamed.
const NEW: &str = "/api/v1/data/tenants";

/// A design on its way: who designs, and the row.
struct Desk {
    operator: Client,
    security: Client,
    id: String,
}

impl Desk {
    fn open(server: &Server) -> Self {
        let mut operator = server.user("operator");
        let made = operator.post(
            "/api/v1/data/structures/create",
            &json!({
                "name": "park-tenants", "label": "园区租户", "title_name": "name", "purpose": "联系租户",
                "title_label": "企业名称", "scope": "all",
                "readers": ["platform.auditor"], "writers": ["platform.security"],
            }),
        );
        assert_eq!(made.status, 200, "{}", made.body);
        let id = made.body["result"]["id"].as_str().unwrap().to_owned();
        Self {
            operator,
            security: server.user("security"),
            id,
        }
    }

    fn design(&mut self, verb: &str, input: &Value) -> tests_http::Answer {
        let path = format!("/api/v1/data/structures/{}/{verb}", self.id);
        self.operator.post(&path, input)
    }

    fn designed(&mut self, verb: &str, input: &Value) {
        let done = self.design(verb, input);
        assert_eq!(done.status, 200, "{verb}: {}", done.body);
    }

    fn page(&self) -> String {
        let path = format!("/data/structures/{}", self.id);
        self.operator.page(&path).body.to_string()
    }

    /// Sends the design; the request's id.
    fn submit(&mut self) -> String {
        let sent = self.design("submit", &json!({ "reason": "业务需要" }));
        assert_eq!(sent.status, 200, "{}", sent.body);
        sent.body["result"]["request"].as_str().unwrap().to_owned()
    }

    fn approve(&mut self) {
        let request = self.submit();
        let path = format!("/api/v1/platform/requests/{request}/approve");
        let own = self.operator.post(&path, &json!({ "reason": "x" }));
        assert!(own.status == 403 || own.status == 404, "{}", own.body);
        let done = self.security.post(&path, &json!({ "reason": "同意" }));
        assert_eq!(done.status, 200, "{}", done.body);
    }

    fn insert(&mut self, values: &Value) -> String {
        let made = self.security.post(&format!("{TABLE}/create"), values);
        assert_eq!(made.status, 200, "{}", made.body);
        made.body["result"]["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn mm_4c_a_level_lowered_in_the_database_is_not_believed() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut desk = Desk::open(&server);
    let phone = json!({"name": "phone", "label": "电话", "kind": "text", "level": "L3"});
    desk.designed("add", &phone);
    desk.approve();
    desk.insert(&json!({"name": "融桥科技", "phone": "13800001234"}));
    let auditor = server.user("auditor");
    let seen = || {
        let list = auditor.get(TABLE);
        assert_eq!(list.status, 200, "{}", list.body);
        list.body["items"][0]["phone"].clone()
    };
    assert_eq!(seen(), json!("****"));
    let file = server.data().join("rongqiao.sqlite");
    let lower =
        "UPDATE data__structures SET live = replace(live, '\"level\":\"L3\"', '\"level\":\"L1\"')";
    tests_scratch::tamper_file(&file, lower).unwrap();
    // The servers look every two seconds, and take the table out of use.
    until("the alarm is raised", || {
        server.log().contains("record.altered")
    });
    until("the table is out of use", || {
        auditor.get(TABLE).status == 503
    });
    assert_eq!(auditor.get(TABLE).code(), "structure-altered");
    let structure = desk
        .operator
        .get(&format!("/api/v1/data/structures/{}", desk.id));
    assert_eq!(
        (structure.status, structure.code()),
        (503, "record-altered")
    );
}

#[test]
fn row_143_a_nullable_field_is_in_api_and_list_after_approval_without_downtime() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut desk = Desk::open(&server);
    let auditor = server.user("auditor");
    assert_eq!(auditor.get(TABLE).status, 404, "designing serves nothing");
    desk.designed(
        "add",
        &json!({"name": "staff", "label": "员工数", "kind": "text", "list": true}),
    );
    assert!(desk.page().contains("新建数据表，字段：企业名称、员工数"));
    desk.approve();
    assert_eq!(auditor.get(TABLE).status, 200, "at once");
    assert_eq!(server.user("officer").get(TABLE).status, 403);
    let first = desk.insert(&json!({"name": "融桥科技", "staff": "12"}));

    // Requests go on while the field comes.
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let reader = server.user("auditor");
        let mut writer = server.user("security");
        let (stop, asked) = (&stop, &asked);
        let reading = scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let list = reader.get(TABLE);
                assert_eq!(list.status, 200, "{}", list.body);
                assert_eq!(reader.page("/data/park-tenants").status, 200);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
        let writing = scope.spawn(move || {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                let name = json!({ "name": format!("租户{n}") });
                let made = writer.post(&format!("{TABLE}/create"), &name);
                assert_eq!(made.status, 200, "{}", made.body);
                n += 1;
            }
        });
        desk.designed(
            "add",
            &json!({"name": "rent", "label": "月租金", "kind": "money", "list": true}),
        );
        assert!(desk.page().contains("新增字段“月租金”"), "the plan");
        let before = auditor.get(TABLE);
        assert!(before.body["items"][0].get("rent").is_none());
        desk.approve();
        let record = auditor.get(&format!("{TABLE}/{first}"));
        assert_eq!(
            record.body.get("rent"),
            Some(&Value::Null),
            "{}",
            record.body
        );
        let begun = asked.load(Ordering::Relaxed);
        until("five more rounds of reading", || {
            asked.load(Ordering::Relaxed) >= begun + 5 || reading.is_finished()
        });
        stop.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        writing.join().unwrap();
    });
    let page = auditor.page("/data/park-tenants").body.to_string();
    assert!(page.contains("月租金"), "the list page has it");
    let api = auditor.get("/api/v1/openapi.json").body.to_string();
    assert!(api.contains("月租金") && api.contains("/api/v1/data/park-tenants"));
    let saved = desk.security.post(
        &format!("{TABLE}/{first}/update"),
        &json!({"name": "融桥科技", "staff": "12", "rent": "8800.00"}),
    );
    assert_eq!(saved.status, 200, "{}", saved.body);
    let history = auditor.get(&format!("{TABLE}/{first}/history"));
    assert_eq!(history.body["items"][1]["after"]["rent"], "8800.00");
    let audit = auditor.page("/console/audit?what=data.").body.to_string();
    assert!(
        audit.contains("园区租户") || audit.contains("数据表"),
        "{audit}"
    );
}

#[test]
fn row_143_an_incompatible_change_is_tried_out_and_then_converts() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let mut desk = Desk::open(&server);
    desk.designed(
        "add",
        &json!({"name": "staff", "label": "员工数", "kind": "text", "list": true}),
    );
    desk.approve();
    desk.insert(&json!({"name": "甲", "staff": "12"}));
    let odd = desk.insert(&json!({"name": "乙", "staff": "约20人"}));

    let number = json!({"field": "staff", "kind": "integer", "by": "read"});
    desk.designed("convert", &number);
    let page = desk.page();
    for part in ["数据转换预演", "不能转换的值", &odd, "请填写整数"] {
        assert!(page.contains(part), "{part}");
    }
    let refused = desk.design("submit", &json!({ "reason": "x" }));
    assert_eq!((refused.status, refused.code()), (422, "data.not-ready"));
    let unchanged = desk.security.get(&format!("{TABLE}/{odd}"));
    assert_eq!(unchanged.body["staff"], "约20人", "nothing was changed");

    let mended = desk.security.post(
        &format!("{TABLE}/{odd}/update"),
        &json!({"name": "乙", "staff": "20"}),
    );
    assert_eq!(mended.status, 200, "{}", mended.body);
    desk.approve();
    let by_number = format!("{TABLE}?staff.min=15");
    until("the values are numbers", || {
        desk.security.get(&by_number).status == 200
    });
    let filtered = desk.security.get(&by_number);
    assert_eq!(filtered.body["total"], 1, "{}", filtered.body);
    assert_eq!(filtered.body["items"][0]["staff"], 20);

    // The history says in words what was changed.
    let page = desk.page();
    assert!(page.contains("改为整数"), "{page}");
    assert!(!page.contains("&quot;collection&quot;"), "{page}");

    // It is all there after a restart, and the old values go when somebody confirms.
    server.kill();
    server.start_again();
    let mut desk = Desk {
        operator: server.user("operator"),
        security: server.user("security"),
        id: desk.id,
    };
    let record = desk.security.get(&format!("{TABLE}/{odd}"));
    assert_eq!(record.body["staff"], 20, "{}", record.body);
    assert!(desk.page().contains("保留的旧数据"));
    desk.designed("forget", &json!({ "field": "staff" }));
    desk.approve();
    assert!(!desk.page().contains("保留的旧数据"));
}

#[test]
fn row_143_a_table_is_renamed_and_answers_to_both_names() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let mut desk = Desk::open(&server);
    desk.designed(
        "add",
        &json!({"name": "class", "label": "规模", "kind": "choice", "options": "small 小型\nlarge 大型", "list": true}),
    );
    desk.approve();
    let id = desk.insert(&json!({ "name": "融桥科技", "class": "small" }));

    // What is no name, or somebody else's, is refused in words, and nothing is changed.
    for (name, code) in [
        ("", "required"),
        ("园区", "bad-design"),
        ("structures", "taken"),
        ("a-name-of-more-than-thirty-characters", "too-long"),
    ] {
        let refused = desk.design("rename", &json!({ "name": name }));
        assert_eq!(refused.status, 400, "{name}: {}", refused.body);
        assert_eq!(refused.body["errors"][0]["code"], code, "{}", refused.body);
    }
    desk.designed("rename", &json!({ "name": "tenants" }));
    assert!(
        desk.page().contains("数据表 park-tenants 改名为 tenants"),
        "the plan"
    );
    assert_eq!(
        desk.security.get("/api/v1/data/tenants").status,
        404,
        "not yet"
    );
    assert_eq!(desk.design("close", &json!({})).code(), "data.not-ready");
    desk.approve();

    let auditor = server.user("auditor");
    for path in [NEW, TABLE] {
        let record = auditor.get(&format!("{path}/{id}"));
        assert_eq!(record.body["name"], "融桥科技", "{path}: {}", record.body);
        let list = auditor.get(&format!("{path}?class=small"));
        assert_eq!(list.body["total"], 1, "{path}: {}", list.body);
    }
    for page in ["/data/tenants", "/data/park-tenants"] {
        for path in [page.to_owned(), format!("{page}/{id}")] {
            let drawn = auditor.page(&path);
            assert_eq!(drawn.status, 200, "{path}: {}", drawn.body);
            assert!(drawn.body.to_string().contains("融桥科技"), "{path}");
        }
    }
    // Written by either name, with one history.
    for (n, path) in [(1, TABLE), (2, NEW)] {
        let saved = desk.security.post(
            &format!("{path}/{id}/update"),
            &json!({ "name": format!("融桥科技{n}"), "class": "large" }),
        );
        assert_eq!(saved.status, 200, "{}", saved.body);
    }
    let history = auditor.get(&format!("{NEW}/{id}/history"));
    assert_eq!(history.body["items"].as_array().unwrap().len(), 3);
    assert!(
        desk.page().contains("改名为 tenants"),
        "the history in words"
    );
    let api = auditor.get("/api/v1/openapi.json").body.to_string();
    assert!(api.contains(NEW));
    // The old name is no other table's; its own it may be again.
    let input =
        json!({"name": "park-tenants", "label": "x", "title_name": "name", "title_label": "x"});
    let other = desk.operator.post("/api/v1/data/structures/create", &input);
    assert_eq!(other.body["errors"][0]["code"], "taken", "{}", other.body);

    server.kill();
    server.start_again();
    let mut desk = Desk {
        operator: server.user("operator"),
        security: server.user("security"),
        id: desk.id,
    };
    assert_eq!(desk.security.get(&format!("{TABLE}/{id}")).status, 200);
    desk.designed("rename", &json!({ "name": "park-tenants" }));
    desk.approve();
    for path in [NEW, TABLE] {
        let record = desk.security.get(&format!("{path}/{id}"));
        assert_eq!(record.body["name"], "融桥科技2", "{path}: {}", record.body);
    }
}

#[test]
fn bad_designs_are_refused_in_words_and_decided_by_another() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut desk = Desk::open(&server);
    let create = |operator: &mut Client, name: &str| {
        let input = json!({"name": name, "label": "x", "title_name": "name", "title_label": "x"});
        operator.post("/api/v1/data/structures/create", &input)
    };
    for (name, code) in [
        ("园区", "bad-design"),
        ("park-tenants", "taken"),
        ("structures", "taken"),
    ] {
        let refused = create(&mut desk.operator, name);
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert_eq!(refused.body["errors"][0]["code"], code, "{}", refused.body);
    }
    let doubled = json!({"name": "name", "label": "x", "kind": "date"});
    assert_eq!(
        desk.design("add", &doubled).body["errors"][0]["code"],
        "taken"
    );
    let stranger = server.user("officer").post(
        "/api/v1/data/structures/create",
        &json!({"name": "mine", "label": "x", "title_name": "name", "title_label": "x"}),
    );
    assert_eq!(stranger.status, 403);

    // Refused by the second person, it can be worked on again.
    let request = desk.submit();
    let busy = desk.design("add", &json!({"name": "day", "label": "x", "kind": "date"}));
    assert_eq!((busy.status, busy.code()), (409, "data.in-review"));
    let path = format!("/api/v1/platform/requests/{request}/refuse");
    let refused = desk.security.post(&path, &json!({ "reason": "重复建设" }));
    assert_eq!(refused.status, 200, "{}", refused.body);
    desk.designed(
        "add",
        &json!({"name": "day", "label": "日期", "kind": "date"}),
    );
    desk.approve();
    // A retired field is gone from the API and back again.
    desk.designed("retire", &json!({ "field": "day" }));
    desk.approve();
    let id = desk.insert(&json!({ "name": "甲" }));
    let record = desk.security.get(&format!("{TABLE}/{id}"));
    assert!(record.body.get("day").is_none(), "{}", record.body);
    let unknown = json!({"name": "乙", "day": "2026-11-23"});
    let refused = desk.security.post(&format!("{TABLE}/create"), &unknown);
    assert_eq!(refused.body["errors"][0]["code"], "unknown-field");
    desk.designed("restore", &json!({ "field": "day" }));
    desk.approve();
    let record = desk.security.get(&format!("{TABLE}/{id}"));
    assert_eq!(record.body.get("day"), Some(&Value::Null));
    // The whole collection goes in two steps.
    assert_eq!(desk.design("remove", &json!({})).code(), "data.not-retired");
    desk.designed("close", &json!({}));
    desk.approve();
    assert_eq!(desk.security.get(TABLE).status, 404);
    desk.designed("remove", &json!({}));
    desk.approve();
    assert!(desk.page().contains("已移除"));
}

#[test]
fn whoever_comes_second_learns_what_changed_and_no_secret() {
    const SECRETS: [&str; 2] = ["13800001234", "13900005678"];
    let Some(server) = Server::start() else {
        return;
    };
    let table = json!({
        "name": "park-tenants", "label": "园区租户", "title_name": "name", "title_label": "企业名称",
        "purpose": "联系租户", "scope": "all", "readers": [], "writers": ["platform.auditor", "platform.security"],
    });
    let fields = [
        json!({ "name": "staff", "label": "员工数", "kind": "integer" }),
        json!({ "name": "phone", "label": "电话", "kind": "text", "level": "L3" }),
    ];
    designed(&server, &table, &fields);
    let mut security = server.user("security");
    let values = |staff: u32, phone: &str, based_on: Option<u32>| {
        let mut values = json!({ "name": "融桥科技", "staff": staff, "phone": phone });
        if let Some(based_on) = based_on {
            values["based_on"] = json!(based_on);
        }
        values
    };
    let path = format!("{TABLE}/create");
    let made = security.post(&path, &values(3, SECRETS[0], None));
    assert_eq!(made.status, 200, "{}", made.body);
    let id = made.body["result"]["id"].as_str().unwrap();
    let path = format!("{TABLE}/{id}/update");
    let mut auditor = server.user("auditor");
    let first = auditor.post(&path, &values(5, SECRETS[1], Some(1)));
    assert_eq!(first.status, 200, "{}", first.body);

    let second = security.post(&path, &values(4, SECRETS[0], Some(1)));
    assert_eq!(
        (second.status, second.code()),
        (409, "stale"),
        "{}",
        second.body
    );
    let errors = second.body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{}", second.body);
    assert_eq!(
        (&errors[0]["field"], &errors[0]["code"]),
        (&json!("staff"), &json!("changed"))
    );
    let detail = errors[0]["detail"].as_str().unwrap();
    assert!(detail.contains("改为：5"), "{detail}");
    let whole = second.body["detail"].as_str().unwrap();
    assert!(whole.contains("（员工数）"), "{whole}");
    let told = second.body.to_string();
    assert!(SECRETS.iter().all(|s| !told.contains(s)), "{told}");
    // Nothing of the second is there.
    let now = security.get(&format!("{TABLE}/{id}")).body;
    assert_eq!(
        (&now["staff"], &now["phone"]),
        (&json!(5), &json!(SECRETS[1]))
    );
}
