//! Files into collections and out of them, as a person sends and gets them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{BANK, designed, exported, in_days, over, trail};
use tests_http::{Answer, Client, Server, Start, until};

const SITES: &str = "/api/v1/data/sites";
const LETTERS: &str = "/api/v1/consent/letters";
const JOBS: &str = "/api/v1/console/jobs";

/// A server with a table of sites, which enterprises keep.
fn sites(start: Start) -> Option<Server> {
    let server = Server::start_as(start)?;
    let table = json!({
        "name": "sites", "label": "经营场所", "title_name": "name", "title_label": "名称",
        "scope": "organisation", "readers": [], "writers": ["enterprise.owner"],
    });
    let fields = [
        json!({ "name": "kind", "label": "类型", "kind": "choice", "list": true,
            "options": "office 办公\nplant 厂房", "required": true }),
        json!({ "name": "opened", "label": "启用日", "kind": "date", "required": true }),
        json!({ "name": "own", "label": "自有", "kind": "bool" }),
    ];
    designed(&server, &table, &fields);
    Some(server)
}

fn row(day: &str) -> String {
    format!("一号厂,厂房,{day},是\r\n")
}

fn head() -> String {
    "名称,类型,启用日,own\r\n".to_owned()
}

fn import(client: &mut Client, name: &str, bytes: &[u8], more: &Value) -> Answer {
    let file = client.upload(name, bytes);
    if file.status != 200 {
        return file;
    }
    let mut body = json!({ "file": file.body });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    client.post(&format!("{SITES}/import"), &body)
}

#[test]
fn a_file_is_imported_row_by_row_in_each_format() {
    let Some(server) = sites(Start::default()) else {
        return;
    };
    let mut owner = server.user("enterprise");
    let before = owner.get(SITES).body["total"].as_u64().unwrap();
    let day = in_days(60);
    let csv = [head(), row(&day), row("没有"), row(&day)].concat();
    let begun = import(&mut owner, "sites.csv", csv.as_bytes(), &json!({}));
    let job = over(&owner, &begun);
    assert_eq!(
        (&job["status"], &job["done"], &job["failed"]),
        (&json!("done"), &json!(2), &json!(1)),
        "{job}"
    );
    assert!(job["errors"]["name"].as_str().unwrap().contains("退回"));

    let line = json!({"name": "二号厂", "kind": "plant", "opened": day, "own": true});
    let lines = format!("{line}\n{line}\nnot json\n");
    let begun = import(&mut owner, "sites.jsonl", lines.as_bytes(), &json!({}));
    let job = over(&owner, &begun);
    assert_eq!(
        (&job["done"], &job["failed"]),
        (&json!(2), &json!(1)),
        "{job}"
    );

    let after = owner.get(SITES).body["total"].as_u64().unwrap();
    assert_eq!(after, before + 4);
    // Checking alone writes nothing.
    let begun = import(
        &mut owner,
        "sites.csv",
        csv.as_bytes(),
        &json!({"dry": true}),
    );
    let job = over(&owner, &begun);
    assert_eq!(
        (&job["done"], &job["failed"]),
        (&json!(2), &json!(1)),
        "{job}"
    );
    assert_eq!(owner.get(SITES).body["total"].as_u64().unwrap(), after);

    // What the page shows of it.
    let page = owner.page(&format!("/console/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.to_string().contains("退回的行"), "{}", page.body);
    // An import leaves its record, and each row the one it always leaves.
    let told = trail(&server.user("auditor"), job["id"].as_str().unwrap());
    assert_eq!(told.len(), 2, "{told:?}");
}

/// As spreadsheets here write it, without a mark.
#[test]
fn gb_18030_is_read() {
    let Some(server) = sites(Start::default()) else {
        return;
    };
    let mut owner = server.user("enterprise");
    let head = b"\xc3\xfb\xb3\xc6,\xc0\xe0\xd0\xcd,\xc6\xf4\xd3\xc3\xc8\xd5,\xd7\xd4\xd3\xd0\r\n";
    let row = b"\xfe\x9f\xc9\xbd\xb3\xa7,\xb3\xa7\xb7\xbf,";
    let day = in_days(60);
    let bytes = [head.as_slice(), row, day.as_bytes(), b",\xca\xc7\r\n"].concat();
    let begun = import(&mut owner, "gb.csv", &bytes, &json!({}));
    assert_eq!(over(&owner, &begun)["done"], 1);
    assert_eq!(owner.get(SITES).body["items"][0]["name"], "䶮山厂");
}

#[test]
fn a_template_can_be_filled_in_and_sent() {
    let Some(server) = sites(Start::default()) else {
        return;
    };
    let mut owner = server.user("enterprise");
    let template = owner.get(&format!("{SITES}/template?format=csv"));
    assert_eq!(
        (template.status, template.kind.as_str()),
        (200, "text/csv; charset=utf-8")
    );
    let text = template.text();
    assert!(
        text.starts_with("\u{feff}名称*,类型*,启用日*,自有\r\n填写说明："),
        "{text}"
    );
    let filled = format!("{text}{}", row(&in_days(30)));
    let begun = import(&mut owner, "filled.csv", filled.as_bytes(), &json!({}));
    let job = over(&owner, &begun);
    assert_eq!(
        (&job["total"], &job["done"]),
        (&json!(1), &json!(1)),
        "{job}"
    );
    let refused = server.user("officer").get(&format!("{SITES}/template"));
    assert_eq!(refused.status, 403, "{}", refused.body);
}

/// A letter is signed and an application sent by somebody, one at a time.
#[test]
fn only_what_is_plainly_kept_is_imported() {
    let Some(server) = sites(Start::default()) else {
        return;
    };
    let mut owner = server.user("enterprise");
    let before = owner.get(LETTERS).body["total"].clone();
    let text = format!("被授权机构,数据项,用途,到期日,agree\r\n{BANK},15,02,2027-01-05,是\r\n");
    let file = owner.upload("letters.csv", text.as_bytes()).body;
    for list in ["consent/letters", "lending/applications"] {
        let path = format!("/api/v1/{list}");
        let refused = owner.post(&format!("{path}/import"), &json!({ "file": file }));
        assert_eq!(
            (refused.status, refused.code()),
            (422, "not-importable"),
            "{list}: {}",
            refused.body
        );
        let template = owner.get(&format!("{path}/template"));
        assert_eq!(template.code(), "not-importable", "{list}");
        let of = list.replace('/', ".");
        let form = owner.page(&format!("/console/jobs/import?of={of}"));
        assert_eq!(form.status, 404, "{list}: {}", form.body);
        let page = owner.page(&format!("/{list}")).body["actions"].to_string();
        assert!(page.contains("导出") && !page.contains("导入"), "{page}");
    }
    assert_eq!(owner.get(LETTERS).body["total"], before);
    let page = owner.page("/data/sites").body["actions"].to_string();
    assert!(page.contains("导出") && page.contains("导入"), "{page}");
    let offered = owner.page("/console/jobs/import").body.to_string();
    assert!(
        offered.contains("of=data.sites") && !offered.contains("of=consent.letters"),
        "{offered}"
    );
    let api = owner.get("/api/v1/openapi.json").body;
    let described = |path: &str| api["paths"][path].is_object();
    assert!(described("/api/v1/data/sites/import"));
    assert!(described("/api/v1/consent/letters/export"));
    for path in ["consent/letters/import", "data/structures/import"] {
        assert!(!described(&format!("/api/v1/{path}")), "{path}");
    }
}

#[test]
fn files_that_are_no_table_of_this_collection_are_refused_with_why() {
    let Some(server) = sites(Start::default()) else {
        return;
    };
    let mut owner = server.user("enterprise");
    let wide = format!("{}x", "x,".repeat(1_000_000));
    let missing = "名称,启用日\r\na,b\r\n";
    let invented = [head().trim_end(), ",颜色\r\n"].concat();
    let double = [head().trim_end(), ",启用日\r\n"].concat();
    let cut = [head(), row("2027-01-05"), "\"二号".to_owned()].concat();
    for (name, bytes, why) in [
        ("empty.csv", b"".as_slice(), "空"),
        ("head.csv", head().as_bytes(), "没有数据行"),
        ("code.csv", b"\xff\xff\xff,\xff\n", "编码"),
        ("wide.csv", wide.as_bytes(), "最多 200 列"),
        ("missing.csv", missing.as_bytes(), "缺少列"),
        ("invented.csv", invented.as_bytes(), "不认识的列：颜色"),
        ("double.csv", double.as_bytes(), "出现两次"),
        ("cut.csv", cut.as_bytes(), "引号没有结束"),
    ] {
        let refused = import(&mut owner, name, bytes, &json!({}));
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid"),
            "{name}: {}",
            refused.body
        );
        let told = refused.body["errors"][0]["detail"].as_str().unwrap();
        assert!(told.contains(why), "{name}: {told}");
    }
    let zip = owner.upload("a.xlsx", b"PK\x03\x04 and no more PK\x05\x06");
    assert_eq!(zip.status, 400, "{}", zip.body);
    // Not by who may not do it one by one either.
    let officer = import(
        &mut server.user("officer"),
        "a.csv",
        head().as_bytes(),
        &json!({}),
    );
    assert_eq!(officer.status, 403, "{}", officer.body);
}

/// A table whose one row has a field of level L3, which the operator sees in clear.
fn phones(server: &Server) {
    let table = json!({
        "name": "tenants", "purpose": "联系租户", "label": "园区租户", "title_name": "name", "title_label": "企业名称",
        "scope": "all", "readers": [], "writers": ["platform.security"],
    });
    let phone = json!({ "name": "phone", "label": "电话", "kind": "text", "level": "L3" });
    designed(server, &table, &[phone]);
    let row = json!({ "name": "上海澄湖食品", "phone": "13800001234" });
    let made = server
        .user("security")
        .post("/api/v1/data/tenants/create", &row);
    assert_eq!(made.status, 200, "{}", made.body);
}

#[test]
fn ds_01_sensitive_fields_in_clear_wait_for_another_person() {
    let Some(server) = Server::start() else {
        return;
    };
    phones(&server);
    let mut operator = server.user("operator");
    let path = "/api/v1/data/tenants/export?sort=-created_at";
    let wanted = json!({ "format": "csv", "reason": "电话回访" });
    let begun = operator.post(path, &wanted);
    assert_eq!(begun.status, 200, "{}", begun.body);
    assert_eq!(begun.body["result"]["status"], "waiting", "{}", begun.body);
    let id = begun.body["result"]["id"].as_str().unwrap().to_owned();
    let request = format!("/api/v1/platform/requests/{id}/approve");
    let own = operator.post(&request, &json!({ "reason": "x" }));
    assert!([403, 404].contains(&own.status), "{}", own.body);
    let other = server.user("security").get(&format!("{JOBS}/{id}"));
    assert_eq!(
        other.status, 404,
        "another person's job is none: {}",
        other.body
    );
    let approved = server
        .user("security")
        .post(&request, &json!({ "reason": "已核实" }));
    assert_eq!(approved.status, 200, "{}", approved.body);
    let job = over(&operator, &begun);
    assert_eq!(job["status"], "done", "{job}");
    assert!(job["approved_by"].as_str().is_some_and(|by| !by.is_empty()));
    let file = operator.get(&format!("{JOBS}/{id}/files/result"));
    assert!(file.text().contains("13800001234"), "{}", file.text());

    // Without them it begins at once, and one that is taken back takes its question with it.
    let plain = operator.post(
        path,
        &json!({ "format": "xlsx", "reason": "电话回访", "fields": "name" }),
    );
    assert_eq!(plain.body["result"]["status"], "queued", "{}", plain.body);
    assert_eq!(over(&operator, &plain)["status"], "done");
    let begun = operator.post(path, &wanted);
    let id = begun.body["result"]["id"].as_str().unwrap().to_owned();
    let cancelled = operator.post(&format!("{JOBS}/{id}/cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    let request = server
        .user("security")
        .get(&format!("/api/v1/platform/requests/{id}"));
    assert_eq!(request.body["status"], "withdrawn", "{}", request.body);

    for (path, body, status, code) in [
        (
            "/api/v1/data/tenants/export?colour=red",
            json!({ "format": "csv", "reason": "查账" }),
            400,
            "invalid",
        ),
        (path, json!({ "format": "csv" }), 400, "invalid"),
        (
            path,
            json!({ "format": "pdf", "reason": "查账" }),
            400,
            "invalid",
        ),
        (
            path,
            json!({ "format": "csv", "reason": "查账", "fields": "colour" }),
            400,
            "invalid",
        ),
        (
            "/api/v1/data/nothing/export",
            wanted.clone(),
            404,
            "not-found",
        ),
    ] {
        let refused = operator.post(path, &body);
        assert_eq!(
            (refused.status, refused.code()),
            (status, code),
            "{path} {body}: {}",
            refused.body
        );
    }
    assert_eq!(server.anonymous().post(path, &wanted).status, 401);
}

#[test]
fn ds_03_an_export_shows_no_more_than_the_list() {
    let Some(server) = Server::start() else {
        return;
    };
    let auditor = server.user("auditor");
    let both = |login: &str| {
        let mut client = server.user(login);
        let (job, file) = exported(&mut client, "enterprise/enterprises");
        let told = trail(&auditor, job["id"].as_str().unwrap());
        assert_eq!(told.len(), 3, "asked for, done, fetched: {told:?}");
        (file, client.get("/api/v1/enterprise/enterprises").body)
    };
    let (all, listed) = both("government");
    assert_eq!(
        all.lines().count() as u64,
        listed["total"].as_u64().unwrap() + 2
    );
    let shown = listed["items"][0]["phone"].as_str().unwrap();
    assert!(
        shown.contains('*') && all.contains(shown),
        "{shown} in {all}"
    );

    // The enterprise itself: its own row alone, and in clear.
    let (own, listed) = both("enterprise");
    assert_eq!(own.lines().count(), 3, "{own}");
    let phone = listed["items"][0]["phone"].as_str().unwrap();
    assert!(own.contains(phone) && !all.contains(phone), "{phone}");
}

#[test]
fn an_import_survives_a_kill() {
    killed_while_importing(None);
}

#[test]
fn an_import_survives_a_kill_on_postgresql() {
    if let Some(database) = Database::create("transfer") {
        killed_while_importing(Some(database));
    }
}

fn killed_while_importing(database: Option<Database>) {
    let Some(mut server) = sites(Start {
        database,
        ..Start::default()
    }) else {
        return;
    };
    let mut owner = server.user("enterprise");
    let total = |owner: &mut Client| -> u64 {
        let listed = owner.get(SITES).body;
        listed.get("total").and_then(Value::as_u64).unwrap()
    };
    let before = total(&mut owner);
    let day = in_days(60);
    let csv = [head(), row(&day).repeat(600)].concat();
    let begun = import(&mut owner, "sites.csv", csv.as_bytes(), &json!({}));
    until("some rows are there", || total(&mut owner) > before + 20);
    server.kill();
    server.start_again();
    let mut owner = server.user("enterprise");
    let job = over(&owner, &begun);
    let done = (job.get("status").unwrap(), job.get("done").unwrap());
    assert_eq!(done, (&json!("done"), &json!(600)), "{job}");
    assert_eq!(total(&mut owner), before + 600);
}
