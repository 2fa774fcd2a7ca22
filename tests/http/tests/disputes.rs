//! Disputes of data over HTTP, from the filing to the next score.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use tests_http::steps::{
    BANK, application, audited, live_model, recorded, scored_product, sign_letter, text,
};
use tests_http::{Answer, Browser, Client, Server, until};

const DISPUTES: &str = "/api/v1/exchange/disputes";
/// The first enterprise's tax record: grade A.
const RECORD: &str = "01930000-0000-7000-8000-000000011001";
/// The demo's, which nobody has marked in time.
const LATE: &str = "01930000-0000-7000-8000-000000005101";

fn done(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body.clone()
}

fn claim() -> Value {
    json!({ "item": "tax.grade", "claimed": "D", "statement": "本年度评级通知书为 D 级，记录有误" })
}

fn submit(owner: &mut Client, claim: &Value) -> String {
    text(&done(&owner.post(&format!("{DISPUTES}/submit"), claim))["result"]["id"])
}

fn act(client: &mut Client, id: &str, verb: &str, input: &Value) -> Answer {
    client.post(&format!("{DISPUTES}/{id}/{verb}"), input)
}

/// Marked, passed on, and taken by the source's officer.
fn to_check(server: &Server, id: &str) {
    let mut operator = server.user("operator");
    done(&act(&mut operator, id, "mark", &json!({})));
    done(&act(&mut operator, id, "transfer", &json!({})));
    done(&act(&mut server.user("source"), id, "take", &json!({})));
}

fn tax_record(owner: &Client, id: &str) -> Value {
    done(&owner.get(&format!("/api/v1/credit/tax-records/{id}")))
}

/// An application of the first enterprise, as its bank reads it.
fn applied(owner: &mut Client) -> Value {
    let product = scored_product(owner, BANK);
    let made = done(&owner.post("/api/v1/lending/applications/apply", &application(&product)));
    let id = text(&made["result"]["id"]);
    done(&owner.get(&format!("/api/v1/lending/applications/{id}")))
}

fn take_back(owner: &mut Client, application: &Value) {
    let path = format!(
        "/api/v1/lending/applications/{}/withdraw",
        text(&application["id"])
    );
    done(&owner.post(&path, &json!({ "reason": "更正后重新申请" })));
}

fn grade(application: &Value) -> &Value {
    let reasons = application["reasons"].as_array().expect("reasons");
    let found = reasons.iter().find(|r| r["feature"] == "tax.grade");
    found.expect("the grade")
}

#[test]
fn row_101_a_mark_is_seen_a_correction_reaches_the_next_score_and_its_version_is_named() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut owner = server.user("enterprise");
    sign_letter(&mut owner, BANK);
    let first = applied(&mut owner);
    assert_eq!(grade(&first)["record"]["id"], RECORD);
    let id = submit(&mut owner, &claim());
    to_check(&server, &id);

    // The bank sees the mark on the application that it has, in the API and on the page.
    let officer = server.user("officer");
    let path = format!("/lending/applications/{}", text(&first["id"]));
    until("the bank sees the mark", || {
        let seen = done(&officer.get(&format!("/api/v1{path}")));
        seen["disputed"] == json!(["tax.grade"])
    });
    let mut bank = Browser::signed_in(&server, "officer");
    assert!(bank.get(&path).html.contains("异议处理中"));
    assert_eq!(tax_record(&owner, RECORD)["disputed"], json!(["grade"]));
    let mut filer = Browser::signed_in(&server, "enterprise");
    assert!(filer.get("/credit/data").html.contains("异议处理中"));
    take_back(&mut owner, &first);
    let marked = applied(&mut owner);
    assert_eq!(grade(&marked)["disputed"], json!(true));

    // Corrected at the source, and answered.
    let mut source = server.user("source");
    let correct = json!({ "field": "grade", "value": "D", "dispute": id });
    let path = format!("/api/v1/credit/tax-records/{RECORD}/correct");
    let made = done(&source.post(&path, &correct));
    let after = text(&made["result"]["id"]);
    let reply = json!({ "reply": "经核对，已更正为 D 级" });
    done(&act(&mut source, &id, "correct", &reply));
    let dispute = done(&owner.get(&format!("{DISPUTES}/{id}")));
    assert_eq!(
        (&dispute["record_id"], &dispute["after_record"]),
        (&json!(RECORD), &json!(after))
    );
    until("the mark is gone", || {
        tax_record(&owner, &after)["disputed"] == json!([])
    });

    // The next score reads the new version, and its certificate names it.
    take_back(&mut owner, &marked);
    let next = applied(&mut owner);
    let read = grade(&next);
    assert_eq!(
        (&read["value"], &read["record"]["id"]),
        (&json!("D"), &json!(after))
    );
    assert_ne!(next["score"], first["score"]);
    let auditor = server.user("auditor");
    let certificate = |application: &Value| {
        let id = text(&application["certificate"]);
        let page = auditor.page(&format!("/console/certificates/{id}"));
        done(&page).to_string()
    };
    let (before, now) = (certificate(&marked), certificate(&next));
    assert!(before.contains(RECORD) && before.contains("异议处理中的数据项"));
    assert!(now.contains(&after) && !now.contains(RECORD) && !now.contains("异议"));
    // What the handler did is on record, and for what.
    let taken = audited(&auditor, "what=exchange.dispute.take");
    let record = done(&auditor.page(&text(&taken["rows"][0]["to"]))).to_string();
    assert!(
        record.contains("用途代码") && record.contains("\"09\""),
        "{record}"
    );
}

#[test]
fn row_101_one_appeal_and_strangers_find_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut owner = server.user("enterprise");
    let id = submit(&mut owner, &claim());
    to_check(&server, &id);
    let mut source = server.user("source");
    let reply = json!({ "reply": "经核对，评级为 A 级无误" });
    done(&act(&mut source, &id, "maintain", &reply));
    let appeal = json!({ "statement": "附上最新的评级通知书" });
    for login in ["enterprise2", "source2"] {
        let mut stranger = server.user(login);
        let path = format!("{DISPUTES}/{id}");
        assert_eq!(stranger.get(&path).status, 404, "{login}");
        assert_eq!(
            stranger.page(&format!("/exchange/disputes/{id}")).status,
            404
        );
        let refused = act(&mut stranger, &id, "appeal", &appeal);
        assert!(
            [403, 404].contains(&refused.status),
            "{login}: {}",
            refused.body
        );
    }
    assert_eq!(server.user("officer").get(DISPUTES).status, 403);
    assert_eq!(server.anonymous().get(DISPUTES).status, 401);
    done(&act(&mut owner, &id, "appeal", &appeal));
    let same = act(&mut source, &id, "take", &json!({}));
    assert_eq!((same.status, same.code()), (422, "exchange.same-person"));
    let mut lead = server.user("sourcelead");
    done(&act(&mut lead, &id, "take", &json!({})));
    done(&act(&mut lead, &id, "maintain", &reply));
    let second = act(&mut owner, &id, "appeal", &appeal);
    assert_eq!(second.status, 409, "{}", second.body);
    // The operator reads that it was, not what it was about.
    let seen = done(&server.user("operator").get(&format!("{DISPUTES}/{id}")));
    assert_eq!(seen["status"], "appeal-maintained");
    for field in ["claimed", "recorded", "statement", "reply", "appeal_reply"] {
        assert_eq!(seen[field], Value::Null, "{field}");
    }
}

#[test]
fn row_101_what_is_late_is_told_to_the_superior_once() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut operator = server.user("operator");
    let schedules = "/api/v1/console/schedules";
    let asked = format!("{schedules}?code=exchange.dispute.day-began");
    let row = |operator: &Client| done(&operator.get(&asked))["items"][0].clone();
    until("the schedule is there", || row(&operator).is_object());
    let run = format!("{schedules}/{}/run", text(&row(&operator)["id"]));
    let auditor = server.user("auditor");
    let told = || {
        let all = done(&auditor.get("/api/v1/notices"));
        let items = all["items"].as_array().cloned().unwrap_or_default();
        let path = json!(format!("/exchange/disputes/{LATE}"));
        items.iter().filter(|n| n["path"] == path).count()
    };
    for _ in 0..2 {
        let before = row(&operator)["event"].clone();
        done(&operator.post(&run, &json!({})));
        until("it has run", || row(&operator)["event"] != before);
        until("it was told", || told() == 1);
    }
    let dispute = done(&operator.get(&format!("{DISPUTES}/{LATE}")));
    assert!(dispute["escalated_on"].is_string(), "{dispute}");
    assert_eq!(dispute["escalations"].as_array().map(Vec::len), Some(1));
    let desk = Browser::signed_in(&server, "operator")
        .get("/exchange/desk?late=yes")
        .html;
    assert!(desk.contains("已上报") && desk.contains("上海澄湖食品有限公司"));
}

#[test]
fn row_101_bad_input_is_refused_and_nothing_typed_is_lost() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut owner = server.user("enterprise");
    let with = |change: Value| {
        let mut claim = claim();
        for (name, value) in change.as_object().expect("an object") {
            claim[name] = value.clone();
        }
        claim
    };
    for (change, field) in [
        (json!({ "item": "tax.unknown" }), "item"),
        (json!({ "claimed": "S" }), "claimed"),
        (json!({ "claimed": [1, 2] }), "claimed"),
        (
            json!({ "item": "tax.paid_12m", "claimed": "-5" }),
            "claimed",
        ),
        (json!({ "statement": "长".repeat(1001) }), "statement"),
        (json!({ "statement": "错" }), "statement"),
    ] {
        let refused = owner.post(&format!("{DISPUTES}/submit"), &with(change));
        assert_eq!(refused.status, 400, "{field}: {}", refused.body);
        assert_eq!(
            refused.body["errors"][0]["field"], field,
            "{}",
            refused.body
        );
    }
    // A program is no paper, by whatever name, and neither is a table.
    let program = owner.upload("notice.pdf", b"MZ\x90\x00\x03\x00\x00\x00program");
    assert!(
        [400, 415, 422].contains(&program.status),
        "{}",
        program.body
    );
    let table = done(&owner.upload("notice.csv", b"a,b\n1,2\n"));
    let refused = owner.post(
        &format!("{DISPUTES}/submit"),
        &with(json!({ "evidence": [table] })),
    );
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(done(&owner.get(DISPUTES))["items"], json!([]));

    // On the page what was typed stays.
    let mut browser = Browser::signed_in(&server, "enterprise");
    let path = "/exchange/disputes/new?item=tax.months_declared";
    let page = browser.get(path);
    let typed = [
        ("claimed", "99"),
        ("statement", "本年已连续申报三十个月，记录少计"),
    ];
    let form = [("_form", "submit"), ("_action", "dispute.submit")];
    let fields: Vec<(&str, &str)> = form.into_iter().chain(typed).collect();
    let refused = browser.send(path, &page, &fields);
    assert_eq!(refused.status, 422, "{}", refused.html);
    assert!(refused.html.contains("value=\"99\"") && refused.html.contains("记录少计"));

    // A paper that is one is kept with it, for the filer and the handler.
    let paper = done(&owner.upload("notice.pdf", b"%PDF-1.7\nnotice\n%%EOF\n"));
    let id = submit(&mut owner, &with(json!({ "evidence": [paper] })));
    let file = format!("{DISPUTES}/{id}/files/evidence/{}", text(&paper["digest"]));
    assert_eq!(owner.get(&file).status, 200);
    assert_eq!(server.user("operator").get(&file).status, 403);
    to_check(&server, &id);
    assert_eq!(server.user("source").get(&file).status, 200);
    assert!(recorded(&server, &format!("object={id}")) >= 4);
}
