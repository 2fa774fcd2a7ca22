//! Business records that were changed in the database by other means than the platform: loans, letters of
//! consent, what is scored. Nothing is made of them, whoever works with them is told, and everything else
//! goes on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{
    BANK, application, in_days, live_model, over, recorded, scored_product, sign_letter, text,
};
use tests_http::{Answer, Browser, Client, Server, until};

const APPLICATIONS: &str = "/api/v1/lending/applications";
const LETTERS: &str = "/api/v1/consent/letters";
const ALTERATIONS: &str = "/api/v1/console/alterations";
const ESTIMATE: &str = "/api/v1/lending/quotas/estimate";
const LEFT_OUT: &str = "本页有 1 条记录未显示";

fn tamper(server: &Server, sql: &str) {
    let file = server.data().join("rongqiao.sqlite");
    tests_scratch::tamper_file(&file, sql).unwrap();
}

fn done(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["result"].clone()
}

fn is_altered(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.code()),
        (503, "record-altered"),
        "{}",
        answer.body
    );
}

/// The subject that a person acts for.
fn subject(client: &Client) -> String {
    let own = client.get("/api/v1/enterprise/enterprises").body;
    text(&own["items"][0]["subject"])
}

fn apply(client: &mut Client) -> Answer {
    let product = scored_product(client, BANK);
    client.post(&format!("{APPLICATIONS}/apply"), &application(&product))
}

fn applied(client: &mut Client) -> String {
    sign_letter(client, BANK);
    text(&done(&apply(client))["id"])
}

/// The list names the record and has the others; so does the page, to a person.
fn is_left_out(client: &Client, list: &str, (collection, id): (&str, &str), others: usize) {
    let answer = client.get(list);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let items = answer.body["items"].as_array().unwrap();
    assert_eq!(items.len(), others, "{}", answer.body);
    let named = json!([{ "collection": collection, "id": id }]);
    assert_eq!(answer.body["altered"], named, "{}", answer.body);
    is_altered(&client.get(&format!("{list}/{id}")));
}

fn html(browser: &mut Browser, path: &str) -> (u16, String) {
    let screen = browser.get(path);
    (screen.status, screen.html)
}

/// Keeps a record as it stands, to put it back whole, with its code, when it is another.
fn keep(server: &Server, table: &str, id: &str) -> String {
    let of = format!("{table} WHERE id = '{id}'");
    tamper(server, &format!("CREATE TABLE kept AS SELECT * FROM {of}"));
    format!("DELETE FROM {of}; INSERT INTO {table} SELECT * FROM kept")
}

/// What a look through all records says of one.
fn found(server: &Server, id: &str) -> Value {
    let mut security = server.user("security");
    done(&security.post(&format!("{ALTERATIONS}/look"), &json!({})));
    let mut row = Value::Null;
    until("the record is found", || {
        let list = security.get(&format!("{ALTERATIONS}?q={id}&status=open"));
        row = list.body["items"][0].clone();
        !row.is_null()
    });
    row
}

/// A repair by two people.
fn put_back(server: &Server, id: &str, field: &str) {
    let (mut security, mut auditor) = (server.user("security"), server.user("auditor"));
    let row = found(server, id);
    assert_eq!(
        (&row["finding"], &row["fields"]),
        (&json!("altered"), &json!(field))
    );
    let ask = format!("{ALTERATIONS}/{}/repair", text(&row["id"]));
    let how = json!({ "how": "put-back", "reason": "数据库被直接修改" });
    let request = text(&done(&security.post(&ask, &how))["request"]);
    let approve = format!("/api/v1/platform/requests/{request}/approve");
    done(&auditor.post(&approve, &json!({ "reason": "已核对" })));
}

#[test]
fn dj_14_an_altered_application_is_shown_decided_and_exported_by_nobody() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut owner = server.user("enterprise");
    let id = applied(&mut owner);
    applied(&mut server.user("enterprise2"));
    let mut officer = server.user("officer");
    let record = format!("{APPLICATIONS}/{id}");
    done(&officer.post(&format!("{record}/accept"), &json!({})));
    let change = |by: &str| {
        tamper(
            &server,
            &format!("UPDATE lending__applications SET amount = amount {by} WHERE id = '{id}'"),
        );
    };
    change("* 9");

    is_left_out(&officer, APPLICATIONS, ("lending.applications", &id), 1);
    is_left_out(&owner, APPLICATIONS, ("lending.applications", &id), 0);
    // The officer at the counter: the queue with the other one, and what to do about this one.
    let mut desk = Browser::signed_in(&server, "officer");
    let (status, queue) = html(&mut desk, "/lending/queue");
    assert_eq!(status, 200, "{queue}");
    assert!(queue.contains(LEFT_OUT) && queue.contains(&id), "{queue}");
    let links = queue.matches("href=\"/lending/applications/").count();
    assert!(links > 0, "the other one is there: {queue}");
    assert!(!queue.contains("9,000,000"), "{queue}");
    let (status, page) = html(&mut desk, &format!("/lending/applications/{id}"));
    assert_eq!(status, 503, "{page}");
    assert!(page.contains("数据与平台写入时不一致"), "{page}");
    // Who may look into it is led there, nobody else.
    assert!(!queue.contains("/console/alterations"), "{queue}");
    let (status, home) = html(&mut Browser::signed_in(&server, "enterprise"), "/");
    assert_eq!(status, 200, "{home}");

    // Nobody decides about it, and no look opens it.
    let rate = scored_product(&owner, BANK)["rate_from"].clone();
    let yes = json!({ "amount": "800000.00", "rate": rate, "reason": "经营稳定，同意授信" });
    is_altered(&officer.post(&format!("{record}/approve"), &yes));
    let no = json!({ "refusal": "debt", "reason": "现有负债过高" });
    is_altered(&officer.post(&format!("{record}/refuse"), &no));
    is_altered(&owner.post(
        &format!("{record}/withdraw"),
        &json!({ "reason": "不再需要" }),
    ));
    // No file leaves that silently lacks it.
    let wanted = json!({ "format": "csv", "reason": "核对", "fields": "number,amount" });
    let begun = officer.post(&format!("{APPLICATIONS}/export"), &wanted);
    let job = over(&officer, &begun);
    assert_eq!(job["status"], "failed", "{job}");
    assert!(job.to_string().contains(&id), "{job}");

    // The alarm and the trail say so.
    let alarm = |line: &str| line.contains("record.altered") && line.contains(&id);
    until("the alarm is in the log", || {
        server.log().lines().any(alarm)
    });
    for verb in ["approve", "refuse", "withdraw"] {
        let refused = format!("what=lending.application.{verb}&outcome=refused&object={id}");
        assert_eq!(recorded(&server, &refused), 1, "{verb}");
    }
    put_back(&server, &id, "申请金额");
    assert_eq!(recorded(&server, "what=platform.record.sweep"), 1);
    assert_eq!(officer.get(&record).body["amount"], "1000000.00");
    let back = keep(&server, "lending__applications", &id);
    done(&officer.post(&format!("{record}/approve"), &yes));
    // Whole again as it was before the decision, its code holds; but decided it was, and is not again.
    tamper(&server, &back);
    is_altered(&officer.post(&format!("{record}/refuse"), &no));
    assert_eq!(found(&server, &id)["finding"], json!("put-back"));
    assert!(server.result(&["audit", "verify"]).contains("hold"));
}

/// How many certificates of scores there are.
fn scores(server: &Server) -> u64 {
    let all = server
        .user("auditor")
        .get("/api/v1/console/certificates")
        .body;
    all["total"].as_u64().unwrap()
}

#[test]
fn mm_4g_a_letter_whose_end_was_moved_gives_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    // It ended long ago.
    let mut late = server.user("enterprise2");
    let expired = apply(&mut late);
    assert_eq!(
        (expired.status, expired.code()),
        (403, "consent.expired"),
        "{}",
        expired.body
    );
    let all = late.get(&format!("{LETTERS}?recipient={BANK}")).body;
    let (letter, end) = (
        text(&all["items"][0]["id"]),
        text(&all["items"][0]["valid_to"]),
    );
    let others = late.get(LETTERS).body["items"].as_array().unwrap().len() - 1;
    let ends = |day: &str| {
        tamper(
            &server,
            &format!("UPDATE consent__letters SET valid_to = '{day}' WHERE id = '{letter}'"),
        );
    };
    ends(&in_days(5));
    let before = scores(&server);
    is_altered(&apply(&mut late));
    assert_eq!(scores(&server), before);
    is_left_out(&late, LETTERS, ("consent.letters", &letter), others);
    let page = server
        .user("officer")
        .page("/consent/letters")
        .body
        .to_string();
    assert!(page.contains(LEFT_OUT) && page.contains(&letter), "{page}");
    let mut owner = Browser::signed_in(&server, "enterprise2");
    let (status, page) = html(&mut owner, "/consent/letters");
    assert_eq!((status, page.contains(LEFT_OUT)), (200, true), "{page}");

    // Others are reminded of theirs all the same: it keeps the platform from nothing else.
    let mut other = server.user("enterprise");
    let soon = json!({
        "recipient": BANK, "items": ["15"], "purposes": ["02"], "valid_to": in_days(10),
        "agree": true,
    });
    done(&other.post(&format!("{LETTERS}/sign"), &soon));
    let mut operator = server.user("operator");
    let schedules = "/api/v1/console/schedules";
    let mut run = String::new();
    until("the schedule is there", || {
        let rows = operator.get(&format!("{schedules}?code=consent.letter.day-began"));
        run = rows.body["items"][0]["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        !run.is_empty()
    });
    done(&operator.post(&format!("{schedules}/{run}/run"), &json!({})));
    until("who signed it is told", || {
        let told = other.get("/api/v1/notices").body.to_string();
        told.contains("授权书即将到期")
    });
    assert!(
        !late
            .get("/api/v1/notices")
            .body
            .to_string()
            .contains(&letter)
    );

    // As it was, it is what it was.
    ends(&end);
    assert_eq!(apply(&mut late).code(), "consent.expired");

    // Put back whole, with its code, as it was before it was revoked: its use would be the change that
    // revoked it, so there is none.
    let letter = sign_letter(&mut late, BANK);
    let back = keep(&server, "consent__letters", &letter);
    let reason = json!({ "reason": "不再需要" });
    done(&late.post(&format!("{LETTERS}/{letter}/revoke"), &reason));
    tamper(&server, &back);
    assert_eq!(late.get(&format!("{LETTERS}/{letter}")).status, 200);
    is_altered(&apply(&mut late));
    assert_eq!(scores(&server), before);
    assert_eq!(found(&server, &letter)["finding"], json!("put-back"));
}

#[test]
fn mm_4g_what_the_tax_office_told_is_not_scored_after_it_was_changed() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let (mut owner, mut other) = (server.user("enterprise"), server.user("enterprise2"));
    sign_letter(&mut owner, BANK);
    sign_letter(&mut other, BANK);
    let of = |client: &Client| format!("WHERE subject = '{}'", subject(client));
    let (own, another) = (of(&owner), of(&other));
    let before = scores(&server);
    for change in [
        // Another's figure, what speaks against them taken away, and a newer day.
        format!("paid_12m = (SELECT paid_12m FROM credit__tax_records {another})"),
        "months_declared = NULL".to_owned(),
        "as_of = '2026-11-30'".to_owned(),
    ] {
        tamper(
            &server,
            "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM credit__tax_records",
        );
        tamper(
            &server,
            &format!("UPDATE credit__tax_records SET {change} {own}"),
        );
        is_altered(&apply(&mut owner));
        is_altered(&owner.post(ESTIMATE, &json!({})));
        tamper(
            &server,
            "DELETE FROM credit__tax_records; INSERT INTO credit__tax_records SELECT * FROM kept",
        );
    }
    assert_eq!(scores(&server), before, "nothing was scored");
    let uses = owner.get("/api/v1/consent/uses").body;
    assert_eq!(uses["total"], 0, "{uses}");
    done(&apply(&mut owner));

    // Without a court's record either; and nobody else's score is in the way.
    tamper(
        &server,
        &format!("UPDATE credit__judicial_records SET dishonest_count = dishonest_count + 1 {own}"),
    );
    is_altered(&owner.post(ESTIMATE, &json!({})));
    done(&other.post(ESTIMATE, &json!({})));
    done(&apply(&mut other));
    let page = owner.page("/credit/data").body.to_string();
    assert!(page.contains(LEFT_OUT), "{page}");
}

#[test]
fn dj_14_an_altered_product_or_enterprise_is_applied_for_by_nobody() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let (mut owner, mut other) = (server.user("enterprise"), server.user("enterprise2"));
    sign_letter(&mut owner, BANK);
    let product = scored_product(&owner, BANK);
    let id = text(&product["id"]);
    let estimated = done(&owner.post(ESTIMATE, &json!({})))["products"].clone();
    tamper(
        &server,
        &format!("UPDATE market__products SET amount_max = amount_max * 9 WHERE id = '{id}'"),
    );
    let asked = application(&product);
    is_altered(&owner.post(&format!("{APPLICATIONS}/apply"), &asked));
    let list = owner.get("/api/v1/market/products?size=100").body;
    assert_eq!(list["altered"][0]["id"], json!(id), "{list}");
    let found = owner.get(&format!("/api/v1/market/products/{id}"));
    is_altered(&found);
    let page = owner.page("/market/products").body.to_string();
    assert!(page.contains("未显示") && page.contains(&id), "{page}");
    // An estimate goes over the products of all banks: one of them does not end it for everybody.
    let now = owner.post(ESTIMATE, &json!({}));
    if estimated == json!(1) {
        assert_eq!(now.code(), "lending.no-estimate", "{}", now.body);
    } else {
        let left = estimated.as_i64().unwrap() - 1;
        assert_eq!(done(&now)["products"], json!(left), "{}", now.body);
    }

    let of = subject(&other);
    tamper(
        &server,
        &format!("UPDATE enterprise__enterprises SET uscc = uscc || '0' WHERE subject = '{of}'"),
    );
    sign_refused(&mut other);
    done(&owner.post(
        &format!("{LETTERS}/sign"),
        &json!({
            "recipient": BANK, "items": ["15"], "purposes": ["02"], "valid_to": in_days(10),
            "agree": true,
        }),
    ));
}

/// Who is not as the register wrote it signs nothing.
fn sign_refused(client: &mut Client) {
    let letter = json!({
        "recipient": BANK, "items": ["15"], "purposes": ["02"], "valid_to": in_days(10),
        "agree": true,
    });
    is_altered(&client.post(&format!("{LETTERS}/sign"), &letter));
}

#[test]
fn dj_14_what_people_decided_about_models_and_exports_is_not_believed_after_it_was_changed() {
    let Some(server) = Server::start() else {
        return;
    };
    let model = live_model(&server);
    let mut owner = server.user("enterprise");
    applied(&mut owner);
    let mut officer = server.user("officer");
    let export = |officer: &mut Client, fields: &str| {
        let wanted = json!({ "format": "csv", "reason": "核对", "fields": fields });
        officer.post(&format!("{APPLICATIONS}/export"), &wanted)
    };
    // With what is sensitive it waits for another person, who has not approved it.
    let waits = text(&done(&export(&mut officer, "number,reasons"))["id"]);
    let job = format!("/api/v1/console/jobs/{waits}");
    assert_eq!(officer.get(&job).body["status"], "waiting");
    tamper(
        &server,
        &format!(
            "UPDATE console__jobs SET status = 'queued', approved_by = created_by WHERE id = '{waits}'"
        ),
    );
    is_altered(&officer.get(&job));
    // What others began is done.
    let begun = export(&mut officer, "number,amount");
    assert_eq!(over(&officer, &begun)["status"], "done");
    is_altered(&officer.get(&job));
    let page = officer.page("/console/jobs").body.to_string();
    assert!(page.contains(LEFT_OUT) && page.contains(&waits), "{page}");

    tamper(
        &server,
        &format!("UPDATE console__models SET decided_by_name = '甲' WHERE id = '{model}'"),
    );
    let mut other = server.user("enterprise2");
    sign_letter(&mut other, BANK);
    is_altered(&apply(&mut other));
}

/// Has a schedule of a module run now.
fn run(operator: &mut Client, schedule: &str) {
    let schedules = "/api/v1/console/schedules";
    let mut row = Value::Null;
    until("the schedule is there", || {
        let rows = operator.get(&format!("{schedules}?code={schedule}")).body;
        row = rows["items"][0].clone();
        row.is_object()
    });
    done(&operator.post(&format!("{schedules}/{}/run", text(&row["id"])), &json!({})));
}

#[test]
fn dj_14_what_a_module_does_by_itself_passes_over_what_was_altered() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);

    // Of two entries that are due soon one was changed: the other is told of.
    let (mut operator, mut security) = (server.user("operator"), server.user("security"));
    let mut held = |name: &str| {
        let holding = json!({
            "name": name, "place": "credit.tax-records", "class": "core", "basis": "地区目录",
            "quantity": "二十四户", "keeper": "数据安全处", "measures": "加密", "review_by": in_days(3),
        });
        text(&done(&security.post("/api/v1/privacy/holdings/register", &holding))["id"])
    };
    let (changed, whole) = (held("税务数据"), held("社保数据"));
    tamper(
        &server,
        &format!("UPDATE privacy__holdings SET review_by = '2020-01-01' WHERE id = '{changed}'"),
    );
    run(&mut operator, "privacy.register.day-began");
    let told = |keeper: &Client| keeper.get("/api/v1/notices").body.to_string();
    until("the other is told of", || told(&security).contains(&whole));
    assert!(!told(&security).contains(&changed), "{}", told(&security));

    // Of a party's two applications one was changed: the other is marked as its data is disputed.
    let mut owner = server.user("enterprise");
    let mut made = Vec::new();
    for _ in 0..2 {
        made.push(applied(&mut owner));
        let own = format!("{APPLICATIONS}/{}/withdraw", made.last().unwrap());
        done(&owner.post(&own, &json!({ "reason": "重新申请" })));
    }
    let (changed, whole) = (&made[0], &made[1]);
    tamper(
        &server,
        &format!("UPDATE lending__applications SET amount = amount * 9 WHERE id = '{changed}'"),
    );
    let disputes = "/api/v1/exchange/disputes";
    let claim = json!({ "item": "tax.grade", "claimed": "D", "statement": "评级通知书为 D 级" });
    let dispute = text(&done(&owner.post(&format!("{disputes}/submit"), &claim))["id"]);
    done(&operator.post(&format!("{disputes}/{dispute}/mark"), &json!({})));
    until("the other is marked", || {
        let seen = owner.get(&format!("{APPLICATIONS}/{whole}")).body;
        seen["disputed"] == json!(["tax.grade"])
    });
}
