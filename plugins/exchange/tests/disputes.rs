//! A dispute from its filing to its end, with everybody who takes part.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a scenario that goes wrong fails its test"
)]

use sdk::contract::error::{Fault, FaultKind};
use sdk::contract::page::{Body, Datum, Page, check};
use sdk::serde_json::{Value, json};
use sdk_testkit::{Setting, User, World, scenario};

const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";
const TAX_LOAN: &str = "01930000-0000-7000-8000-000000002001";
/// The first enterprise's tax record: grade A.
const RECORD: &str = "01930000-0000-7000-8000-000000011001";
const ITEMS: [&str; 10] = ["25", "26", "27", "33", "35", "57", "59", "15", "16", "20"];
const MODEL: &str = include_str!("../../../examples/bank-models/tax-loan/model.json");

fn city() -> Setting {
    Setting::of([
        plugin_enterprise::module(),
        plugin_consent::module(),
        plugin_market::module(),
        plugin_credit::module(),
        plugin_lending::module(),
        plugin_exchange::module(),
    ])
    .model(HUJIANG, MODEL)
}

fn claim() -> Value {
    json!({ "item": "tax.grade", "claimed": "B", "statement": "最近一年评为 B 级，有税务局通知书" })
}

fn submit(t: &World) -> String {
    let owner = t.user("enterprise");
    let made = owner.act("exchange.dispute.submit", None, claim()).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

fn act(user: &User<'_>, verb: &str, id: &str, input: Value) -> Result<Value, Fault> {
    user.act(&format!("exchange.dispute.{verb}"), Some(id), input)
}

fn reply(words: &str) -> Value {
    json!({ "reply": words })
}

/// Submitted, marked, passed on, and taken by the source's officer.
fn checking(t: &World) -> String {
    let id = submit(t);
    let operator = t.user("operator");
    act(&operator, "mark", &id, json!({})).unwrap();
    act(&operator, "transfer", &id, json!({})).unwrap();
    act(&t.user("source"), "take", &id, json!({})).unwrap();
    id
}

fn corrected_to(
    user: &User<'_>,
    record: &str,
    dispute: &str,
    value: &Value,
) -> Result<Value, Fault> {
    let input = json!({ "field": "grade", "value": value, "dispute": dispute });
    user.act("credit.tax-record.correct", Some(record), input)
}

fn apply(t: &World) -> Value {
    let owner = t.user("enterprise");
    let request = json!({
        "product": TAX_LOAN, "amount": "500000.00", "term_months": 12, "purpose": "materials",
        "contact": "林知远", "phone": "13800001001", "agree": true,
    });
    let made = owner
        .act("lending.application.apply", None, request)
        .unwrap();
    let id = made["id"].as_str().unwrap();
    Value::Object(owner.get("lending.applications", id).unwrap())
}

fn sign(t: &World) {
    let letter = json!({
        "recipient": HUJIANG, "items": ITEMS, "purposes": ["02", "04"],
        "valid_to": t.today().plus_days(30).to_string(), "separate": true, "agree": true,
    });
    let owner = t.user("enterprise");
    owner.act("consent.letter.sign", None, letter).unwrap();
}

fn reason<'a>(application: &'a Value, feature: &str) -> &'a Value {
    let all = application["reasons"].as_array().unwrap();
    all.iter().find(|r| r["feature"] == feature).unwrap()
}

fn drawn(user: &User<'_>, path: &str) -> (Page, String) {
    let page = user.page(path).unwrap();
    check(&page).unwrap();
    let text = sdk::serde_json::to_string(&page).unwrap();
    (page, text)
}

fn status(user: &User<'_>, id: &str) -> String {
    let dispute = user.get("exchange.disputes", id).unwrap();
    dispute["status"].as_str().unwrap().to_owned()
}

/// What the desk says of a dispute's deadline.
fn due(user: &User<'_>, id: &str) -> Datum {
    let (page, _) = drawn(user, "/exchange/desk?late=yes");
    let Some(Body::Table(table)) = page.find_block("desk").map(|b| &b.body) else {
        panic!("no desk")
    };
    let row = table.rows.iter().find(|row| row.key == id);
    row.map_or(Datum::None, |row| row.cells[5].clone())
}

#[scenario(city())]
fn pi_02_a_party_has_its_data_corrected_and_the_next_score_reads_the_new_version(t: &World) {
    sign(t);
    let (owner, officer, source) = (t.user("enterprise"), t.user("officer"), t.user("source"));
    let first = apply(t);
    let read = &reason(&first, "tax.grade")["record"];
    assert_eq!(
        (&read["id"], &read["revision"]),
        (&json!(RECORD), &json!(1))
    );
    t.advance_days(1);
    let id = checking(t);

    // Whoever queries the item sees the mark: its owner, the bank, the next score.
    let record = owner.get("credit.tax-records", RECORD).unwrap();
    assert_eq!(record["disputed"], json!(["grade"]));
    assert!(drawn(&owner, "/credit/data").1.contains("异议处理中"));
    let application = first["id"].as_str().unwrap();
    let seen = officer.get("lending.applications", application).unwrap();
    assert_eq!(seen["disputed"], json!(["tax.grade"]));
    let path = format!("/lending/applications/{application}");
    assert!(drawn(&officer, &path).1.contains("异议处理中"));
    let withdrawn = json!({ "reason": "先等异议办结" });
    owner
        .act("lending.application.withdraw", Some(application), withdrawn)
        .unwrap();
    let marked = apply(t);
    assert_eq!(reason(&marked, "tax.grade")["disputed"], json!(true));
    assert_eq!(reason(&marked, "tax.grade")["record"]["revision"], json!(2));

    // Its figures are the handler's to see in the dispute, and nowhere else.
    let dispute = source.get("exchange.disputes", &id).unwrap();
    assert_eq!(
        (&dispute["recorded"], &dispute["claimed"]),
        (&json!("A"), &json!("B"))
    );
    let hidden = source.get("credit.tax-records", RECORD).unwrap();
    assert_eq!(hidden["grade"], Value::Null);
    let early = act(&source, "correct", &id, reply("已按通知书更正为 B 级"));
    assert_eq!(early.unwrap_err().code, "exchange.not-corrected");
    let form = format!("/credit/records/{RECORD}?dispute={id}&item=grade");
    assert!(drawn(&source, &form).0.form("correct").is_some());
    let made = corrected_to(&source, RECORD, &id, &json!("B")).unwrap();
    let after = made["id"].as_str().unwrap();
    act(&source, "correct", &id, reply("已按通知书更正为 B 级")).unwrap();

    // The dispute names the version before and the one after, and they name each other.
    let done = owner.get("exchange.disputes", &id).unwrap();
    assert_eq!(
        (
            &done["status"],
            &done["record_id"],
            &done["after_record"],
            &done["after_version"]
        ),
        (
            &json!("corrected"),
            &json!(RECORD),
            &json!(after),
            &json!(2)
        )
    );
    let (old, new) = (
        owner.get("credit.tax-records", RECORD).unwrap(),
        owner.get("credit.tax-records", after).unwrap(),
    );
    assert_eq!(
        (&old["grade"], &old["replaced_by"]),
        (&json!("A"), &json!(after))
    );
    assert_eq!(
        (&new["grade"], &new["corrects"]),
        (&json!("B"), &json!(RECORD))
    );
    assert_eq!(
        (&new["dispute"], &new["disputed"]),
        (&json!(id), &json!([]))
    );
    assert_eq!(new["paid_12m"], old["paid_12m"]);
    assert!(!drawn(&owner, "/credit/data").1.contains("异议处理中"));
    assert!(
        drawn(&owner, &format!("/credit/records/{RECORD}"))
            .1
            .contains(after)
    );

    // The next score reads the new value, and says of which record.
    let marked = marked["id"].as_str().unwrap();
    let told = owner.get("lending.applications", marked).unwrap();
    assert_eq!(
        (&told["disputed"], &told["corrected"]),
        (&json!([]), &json!(["tax.grade"]))
    );
    let withdrawn = json!({ "reason": "按更正后的数据重新申请" });
    owner
        .act("lending.application.withdraw", Some(marked), withdrawn)
        .unwrap();
    let next = apply(t);
    let read = reason(&next, "tax.grade");
    assert_eq!(
        (&read["value"], &read["record"]["id"]),
        (&json!("B"), &json!(after))
    );
    assert_eq!(read.get("disputed"), None);
    assert_ne!(next["score"], first["score"]);
}

#[scenario(city())]
fn row_101_one_appeal_decided_by_another_and_no_second(t: &World) {
    let (owner, source, lead) = (t.user("enterprise"), t.user("source"), t.user("sourcelead"));
    let id = checking(t);
    let appeal = || json!({ "statement": "通知书编号有误，附新的证明" });
    let early = act(&owner, "appeal", &id, appeal()).unwrap_err();
    assert_eq!(early.code, "exchange.illegal-transition");
    act(&source, "maintain", &id, reply("经核对，评级为 A 级无误")).unwrap();
    assert_eq!(status(&owner, &id), "maintained");
    let (page, text) = drawn(&owner, &format!("/exchange/disputes/{id}"));
    assert!(page.form("appeal").is_some() && text.contains("经核对，评级为 A 级无误"));
    assert!(
        !text.contains("陆望川"),
        "the source, not its staff by name"
    );
    let name = |user: &User<'_>| {
        let dispute = user.get("exchange.disputes", &id).unwrap();
        dispute["handler_name"].clone()
    };
    assert_eq!((name(&owner), name(&lead)), (Value::Null, json!("陆望川")));
    let record = owner.get("credit.tax-records", RECORD).unwrap();
    assert_eq!(record["disputed"], json!([]));

    // What was decided is appealed against, not disputed anew.
    let again = owner.act("exchange.dispute.submit", None, claim());
    assert_eq!(again.unwrap_err().code, "exchange.decided");
    for (login, kind) in [
        ("enterprise2", FaultKind::NotFound),
        ("source", FaultKind::Forbidden),
    ] {
        let fault = act(&t.user(login), "appeal", &id, appeal()).unwrap_err();
        assert_eq!(fault.kind, kind, "{login}");
    }
    act(&owner, "appeal", &id, appeal()).unwrap();
    let record = owner.get("credit.tax-records", RECORD).unwrap();
    assert_eq!(record["disputed"], json!(["grade"]));
    let hidden = source.get("exchange.disputes", &id).unwrap();
    assert_eq!(
        hidden["appeal_statement"],
        Value::Null,
        "it is nobody's yet"
    );
    let same = act(&source, "take", &id, json!({})).unwrap_err();
    assert_eq!(same.code, "exchange.same-person");
    act(&lead, "take", &id, json!({})).unwrap();
    let other = act(&source, "maintain", &id, reply("仍然维持原来的结论"));
    assert_eq!(other.unwrap_err().code, "exchange.not-handler");
    corrected_to(&lead, RECORD, &id, &json!("B")).unwrap();
    let not = act(&lead, "maintain", &id, reply("仍然维持原来的结论"));
    assert_eq!(not.unwrap_err().code, "exchange.was-corrected");
    act(&lead, "correct", &id, reply("新的证明属实，已更正")).unwrap();
    assert_eq!(status(&owner, &id), "appeal-corrected");
    let second = act(&owner, "appeal", &id, appeal()).unwrap_err();
    assert_eq!(second.code, "exchange.illegal-transition");
    let (page, _) = drawn(&owner, &format!("/exchange/disputes/{id}"));
    assert!(page.form("appeal").is_none());
}

#[scenario(city())]
fn row_101_an_appeal_comes_in_time_or_not_at_all(t: &World) {
    let (owner, source) = (t.user("enterprise"), t.user("source"));
    let id = checking(t);
    act(&source, "maintain", &id, reply("经核对，评级为 A 级无误")).unwrap();
    let answered = owner.get("exchange.disputes", &id).unwrap();
    assert_eq!(answered["appeal_until"], "2026-12-07", "ten working days");
    t.advance_days(15);
    let late = act(
        &owner,
        "appeal",
        &id,
        json!({ "statement": "现在才看到答复" }),
    );
    assert_eq!(late.unwrap_err().code, "exchange.appeal-over");
}

#[scenario(city())]
fn row_101_each_late_step_is_told_to_the_superior_once(t: &World) {
    let set = json!({ "mark_days": 1, "transfer_days": 1, "decide_days": 2, "appeal_days": 3 });
    let (operator, lead, auditor) = (t.user("operator"), t.user("sourcelead"), t.user("auditor"));
    operator.act("exchange.standard.set", None, set).unwrap();
    // Wednesday is no working day this week, Saturday is one.
    for (day, kind) in [("2026-11-25", "off"), ("2026-11-28", "working")] {
        let holiday = json!({ "day": day, "kind": kind, "name": "调休" });
        operator.act("exchange.holiday.set", None, holiday).unwrap();
    }
    let id = submit(t);
    let path = format!("/exchange/disputes/{id}");
    let told = |user: &User<'_>| {
        let all = user.notices().unwrap();
        let late = all
            .iter()
            .filter(|n| n["path"] == path && n["title"]["zh"].as_str().unwrap().contains("逾期"));
        late.count()
    };
    assert_eq!(
        t.user("operator").get("exchange.disputes", &id).unwrap()["due_on"],
        "2026-11-24"
    );
    t.advance_days(1);
    assert_eq!(told(&auditor), 0, "its last day");
    t.advance_days(1);
    assert_eq!((told(&auditor), told(&lead), told(&operator)), (1, 0, 0));
    let shown = sdk::serde_json::to_string(&due(&operator, &id)).unwrap();
    assert!(shown.contains("逾期 1 天，已上报"), "{shown}");
    t.advance_days(1);
    assert_eq!(told(&auditor), 1, "once");

    // Thursday: marked and passed on; then two working days, of which one is the Saturday.
    act(&operator, "mark", &id, json!({})).unwrap();
    act(&operator, "transfer", &id, json!({})).unwrap();
    assert_eq!(due(&operator, &id), Datum::None);
    assert_eq!(
        operator.get("exchange.disputes", &id).unwrap()["due_on"],
        "2026-11-28"
    );
    t.advance_days(2);
    assert_eq!(told(&lead), 0);
    act(&t.user("source"), "take", &id, json!({})).unwrap();
    t.advance_days(1);
    assert_eq!((told(&lead), told(&auditor)), (1, 1));
    assert_eq!(told(&t.user("source")), 0, "who is late is not who is told");
    t.advance_days(3);
    assert_eq!(told(&lead), 1);
    let (_, text) = drawn(&lead, &path);
    assert!(
        text.contains("办理逾期") && text.contains("2026-11-28"),
        "{text}"
    );
    act(
        &t.user("source"),
        "maintain",
        &id,
        reply("经核对，评级为 A 级无误"),
    )
    .unwrap();
    assert_eq!(due(&operator, &id), Datum::None);
}

#[scenario(city())]
fn row_101_who_sees_what_of_a_dispute(t: &World) {
    let owner = t.user("enterprise");
    let id = submit(t);
    let path = format!("/exchange/disputes/{id}");
    for login in ["enterprise2", "source2", "sourcelead2"] {
        let user = t.user(login);
        let kind = user.get("exchange.disputes", &id).unwrap_err().kind;
        assert_eq!(kind, FaultKind::NotFound, "{login}");
        assert_eq!(
            user.page(&path).unwrap_err().kind,
            FaultKind::NotFound,
            "{login}"
        );
    }
    for login in ["officer", "government"] {
        let fault = t.user(login).page(&path).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Forbidden, "{login}");
    }
    assert!(t.anonymous().page(&path).is_err());
    let seen = |user: &User<'_>| {
        let dispute = user.get("exchange.disputes", &id).unwrap();
        let (_, text) = drawn(user, &path);
        (
            dispute["claimed"].clone(),
            dispute["statement"].clone(),
            text.contains("通知书"),
        )
    };
    assert_eq!(seen(&owner).0, "B");
    for login in ["operator", "auditor", "source", "sourcelead"] {
        assert_eq!(
            seen(&t.user(login)),
            (Value::Null, Value::Null, false),
            "{login}"
        );
    }
    let operator = t.user("operator");
    act(&operator, "mark", &id, json!({})).unwrap();
    act(&operator, "transfer", &id, json!({})).unwrap();
    act(&t.user("source"), "take", &id, json!({})).unwrap();
    assert_eq!(seen(&t.user("source")).0, "B", "whoever has taken it");
    assert_eq!(seen(&t.user("sourcelead")).0, Value::Null);
    act(&t.user("sourcelead"), "take", &id, json!({})).unwrap();
    assert_eq!(seen(&t.user("source")).0, Value::Null, "handed over");
    for (login, verb) in [
        ("source", "mark"),
        ("enterprise", "transfer"),
        ("operator", "take"),
    ] {
        assert!(
            act(&t.user(login), verb, &id, json!({})).is_err(),
            "{login} {verb}"
        );
    }
    // Nobody corrects without the dispute, nor another item, nor for another unit.
    let (source, lead, source2) = (t.user("source"), t.user("sourcelead"), t.user("source2"));
    let refused = |user: &User<'_>, dispute: &str| {
        corrected_to(user, RECORD, dispute, &json!("B")).unwrap_err()
    };
    assert_eq!(refused(&source, &id).code, "credit.no-dispute");
    assert_eq!(refused(&lead, RECORD).code, "credit.no-dispute");
    assert_eq!(refused(&source2, &id).kind, FaultKind::NotFound);
    assert_eq!(refused(&owner, &id).kind, FaultKind::Forbidden);
    let other = json!({ "field": "paid_12m", "value": "1", "dispute": id });
    let other = lead.act("credit.tax-record.correct", Some(RECORD), other);
    assert_eq!(other.unwrap_err().code, "credit.no-dispute");
    for value in [json!("E"), json!(5), json!("")] {
        let fault = corrected_to(&lead, RECORD, &id, &value).unwrap_err();
        assert_eq!(fault.fields[0].field, "value");
    }
    assert_eq!(
        corrected_to(&lead, RECORD, &id, &json!("A"))
            .unwrap_err()
            .code,
        "credit.unchanged"
    );
    corrected_to(&lead, RECORD, &id, &json!("B")).unwrap();
    assert_eq!(refused(&lead, &id).code, "credit.replaced");
}

#[scenario(city())]
fn row_101_what_cannot_be_disputed_is_named(t: &World) {
    let owner = t.user("enterprise");
    let with = |change: Value| {
        let mut claim = claim();
        let Value::Object(change) = change else {
            panic!("no object")
        };
        claim.as_object_mut().unwrap().extend(change);
        owner
            .act("exchange.dispute.submit", None, claim)
            .unwrap_err()
    };
    for (change, field) in [
        (json!({ "item": "tax.unknown" }), "item"),
        (json!({ "claimed": "S" }), "claimed"),
        (json!({ "claimed": 12 }), "claimed"),
        (json!({ "claimed": "A" }), "claimed"),
        (
            json!({ "item": "tax.months_declared", "claimed": 37 }),
            "claimed",
        ),
        (
            json!({ "item": "tax.paid_12m", "claimed": "很多" }),
            "claimed",
        ),
        (json!({ "statement": "错了" }), "statement"),
        (json!({ "statement": "长".repeat(1001) }), "statement"),
    ] {
        let fault = with(change.clone());
        assert_eq!(
            (fault.kind, fault.fields[0].field.as_str()),
            (FaultKind::Invalid, field),
            "{change}"
        );
    }
    assert_eq!(owner.find("exchange.disputes", &[]).len(), 0);
    submit(t);
    let twice = owner.act("exchange.dispute.submit", None, claim());
    assert_eq!(twice.unwrap_err().code, "exchange.already-open");
    let (page, text) = drawn(&owner, "/exchange/disputes/new?item=tax.grade");
    assert!(page.form("submit").is_none() && text.contains("在途的异议"));
    let (page, _) = drawn(&owner, "/exchange/disputes/new?item=tax.paid_12m");
    assert!(page.form("submit").is_some());
    let (page, _) = drawn(&owner, "/exchange/disputes/new");
    assert!(page.find_block("items").is_some());
}

#[scenario(city())]
fn row_101_two_items_of_one_record_are_corrected_one_after_the_other(t: &World) {
    let (owner, source) = (t.user("enterprise"), t.user("source"));
    let operator = t.user("operator");
    let first = checking(t);
    let months = json!({
        "item": "tax.months_declared", "claimed": 30, "statement": "多计了停业的六个月",
    });
    let second = owner.act("exchange.dispute.submit", None, months).unwrap();
    let second = second["id"].as_str().unwrap();
    for (user, verb) in [
        (&operator, "mark"),
        (&operator, "transfer"),
        (&source, "take"),
    ] {
        act(user, verb, second, json!({})).unwrap();
    }
    let marked = owner.get("credit.tax-records", RECORD).unwrap();
    assert_eq!(marked["disputed"], json!(["grade", "months_declared"]));
    let made = corrected_to(&source, RECORD, &first, &json!("C")).unwrap();
    let made = made["id"].as_str().unwrap().to_owned();
    // Typed wrong, and corrected again before the answer.
    let again = format!("/credit/records/{made}?dispute={first}&item=grade");
    assert!(
        drawn(&source, &format!("/exchange/disputes/{first}"))
            .1
            .contains(&again)
    );
    let made = corrected_to(&source, &made, &first, &json!("B")).unwrap();
    let made = made["id"].as_str().unwrap().to_owned();

    // The other dispute leads to the record that counts, and is corrected before this one is answered.
    let path = format!("/exchange/disputes/{second}");
    let to = format!("/credit/records/{made}?dispute={second}&item=months_declared");
    assert!(drawn(&source, &path).1.contains(&to));
    let input = json!({ "field": "months_declared", "value": 30, "dispute": second });
    let last = source
        .act("credit.tax-record.correct", Some(&made), input)
        .unwrap();
    act(&source, "correct", &first, reply("已按通知书更正为 B 级")).unwrap();
    let done = owner.get("exchange.disputes", &first).unwrap();
    assert_eq!(
        (&done["after_record"], &done["after_version"]),
        (&json!(made), &json!(3))
    );
    let last = last["id"].as_str().unwrap();
    let newest = owner.get("credit.tax-records", last).unwrap();
    assert_eq!(newest["disputed"], json!(["months_declared"]));
    // Taken back too late for the correction, which stays and stays linked.
    let back = json!({ "reason": "已经更正，不必答复" });
    act(&owner, "withdraw", second, back).unwrap();
    let done = owner.get("exchange.disputes", second).unwrap();
    assert_eq!(
        (&done["status"], &done["after_version"]),
        (&json!("withdrawn"), &json!(4))
    );
    assert_eq!(done["after_record"], json!(last));
    let newest = owner.get("credit.tax-records", last).unwrap();
    assert_eq!(
        (
            &newest["grade"],
            &newest["months_declared"],
            &newest["disputed"]
        ),
        (&json!("B"), &json!(30), &json!([]))
    );
    let decided = owner.act("exchange.dispute.submit", None, claim());
    assert_eq!(
        decided.unwrap_err().code,
        "exchange.decided",
        "the same day's data"
    );
}

#[scenario(city())]
fn row_101_a_late_appeal_is_told_to_the_office_as_well(t: &World) {
    let (owner, source, lead) = (t.user("enterprise"), t.user("source"), t.user("sourcelead"));
    let id = checking(t);
    act(&source, "maintain", &id, reply("经核对，评级为 A 级无误")).unwrap();
    let appeal = json!({ "statement": "通知书编号有误，附新的证明" });
    act(&owner, "appeal", &id, appeal).unwrap();
    act(&lead, "take", &id, json!({})).unwrap();
    t.advance_days(8);
    let path = format!("/exchange/disputes/{id}");
    for login in ["sourcelead", "auditor"] {
        let told = t.user(login).notices().unwrap();
        let late = |n: &&sdk::Map| {
            n["path"] == path && n["title"]["zh"].as_str().unwrap().contains("逾期")
        };
        assert_eq!(told.iter().filter(late).count(), 1, "{login}");
    }
}

#[scenario(city())]
fn row_101_a_dispute_taken_back_takes_its_mark_along(t: &World) {
    let owner = t.user("enterprise");
    let id = checking(t);
    let back = json!({ "reason": "已与来源单位说清" });
    let other = act(&t.user("enterprise2"), "withdraw", &id, back.clone());
    assert_eq!(other.unwrap_err().kind, FaultKind::NotFound);
    act(&owner, "withdraw", &id, back).unwrap();
    let record = owner.get("credit.tax-records", RECORD).unwrap();
    assert_eq!(record["disputed"], json!([]));
    let late = act(
        &t.user("source"),
        "maintain",
        &id,
        reply("经核对，评级为 A 级无误"),
    );
    assert_eq!(late.unwrap_err().code, "exchange.illegal-transition");
    submit(t);
}

#[scenario(city())]
fn row_101_an_appeal_taken_back_opens_nothing_anew(t: &World) {
    let (owner, source) = (t.user("enterprise"), t.user("source"));
    let id = checking(t);
    act(&source, "maintain", &id, reply("经核对，评级为 A 级无误")).unwrap();
    let appeal = || json!({ "statement": "通知书编号有误，附新的证明" });
    act(&owner, "appeal", &id, appeal()).unwrap();
    act(&owner, "withdraw", &id, json!({ "reason": "不再申诉" })).unwrap();
    let again = owner.act("exchange.dispute.submit", None, claim());
    assert_eq!(again.unwrap_err().code, "exchange.decided");
    assert!(act(&owner, "appeal", &id, appeal()).is_err());
}

/// What is disputed here is what credit declares, of the same kinds.
#[test]
fn every_item_is_a_feature_of_credit() {
    let features = plugin_credit::module().describe();
    let items = plugin_exchange::items();
    assert_eq!(items.len(), features.features.len());
    for feature in &features.features {
        let of = format!("credit.{}", feature.collection);
        let field = features.collection(&feature.collection).unwrap();
        let field = field.field(&feature.field).unwrap();
        let item = items.iter().find(|item| item.0 == feature.name).unwrap();
        assert_eq!(item.1, (of.as_str(), feature.field.as_str()));
        assert_eq!((&item.2, &item.3), (&feature.label.zh, &field.kind));
    }
}
