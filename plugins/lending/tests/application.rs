//! The main job and its wrong paths.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a scenario that goes wrong fails its test"
)]

use sdk::contract::error::{Fault, FaultKind};
use sdk::contract::page::{Body, Datum, Deed, Page, check};
use sdk::serde_json::{Value, json};
use sdk_testkit::{Setting, User, World, scenario};

const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";
const PUCHENG: &str = "01930000-0000-7000-8000-000000000201";
/// 云税贷: scored, 10 to 300 万元, 3 to 12 months, 3.45 % to 4.35 %.
const TAX_LOAN: &str = "01930000-0000-7000-8000-000000002001";
/// 仓单通, off the market.
const OFFLINE: &str = "01930000-0000-7000-8000-000000002011";
/// For tenants of the first enterprise's park alone.
const PARK_LOAN: &str = "01930000-0000-7000-8000-000000002012";
const ITEMS: [&str; 10] = ["25", "26", "27", "33", "35", "57", "59", "15", "16", "20"];

/// The bank's model, as it declares itself.
const MODEL: &str = include_str!("../../../examples/bank-models/tax-loan/model.json");

fn city() -> Setting {
    without_park().with(plugin_park::module())
}

fn without_park() -> Setting {
    Setting::of([
        plugin_enterprise::module(),
        plugin_consent::module(),
        plugin_market::module(),
        plugin_credit::module(),
        plugin_lending::module(),
    ])
    .model(HUJIANG, MODEL)
}

fn sign(owner: &User<'_>, recipient: &str, valid_to: &str) -> String {
    let letter = json!({
        "recipient": recipient, "items": ITEMS, "purposes": ["02", "04"],
        "valid_to": valid_to, "separate": true, "agree": true,
    });
    id_of(&owner.act("consent.letter.sign", None, letter).unwrap())
}

fn in_days(t: &World, days: i64) -> String {
    t.today().plus_days(days).to_string()
}

fn request() -> Value {
    json!({
        "product": TAX_LOAN, "amount": "500000.00", "term_months": 12, "purpose": "materials",
        "contact": "林知远", "phone": "13800001001", "agree": true,
    })
}

fn with(change: Value) -> Value {
    let mut request = request();
    let Value::Object(change) = change else {
        panic!("not an object")
    };
    request.as_object_mut().unwrap().extend(change);
    request
}

fn apply(owner: &User<'_>) -> Result<String, Fault> {
    owner
        .act("lending.application.apply", None, request())
        .map(|made| id_of(&made))
}

fn id_of(result: &Value) -> String {
    result["id"].as_str().unwrap().to_owned()
}

fn open_count(owner: &User<'_>) -> usize {
    owner
        .find("lending.applications", &[("status", "submitted")])
        .len()
}

fn told(page: &Page, block: &str) -> String {
    match page.find_block(block).map(|b| &b.body) {
        Some(Body::Notice(notice)) => format!("{} {}", notice.lead, notice.text),
        other => panic!("no notice {block}: {other:?}"),
    }
}

/// Signed, applied, accepted: the application's id.
fn under_review(t: &World) -> String {
    let owner = t.user("enterprise");
    sign(&owner, HUJIANG, &in_days(t, 30));
    let id = apply(&owner).unwrap();
    t.user("officer")
        .act("lending.application.accept", Some(&id), json!({}))
        .unwrap();
    id
}

/// The masked values of a page, and whether it offers to look at them.
fn phones(page: &Page) -> Vec<(&str, bool)> {
    let facts = page.blocks().filter_map(|b| match &b.body {
        Body::Details { facts, .. } => Some(facts),
        _ => None,
    });
    let masked = facts.flatten().filter_map(|f| match &f.value {
        Datum::Masked(m) => Some((m.shown.as_str(), m.of.is_some())),
        _ => None,
    });
    masked.collect()
}

#[scenario(city())]
fn an_application_is_scored_and_approved(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let letter = sign(&owner, HUJIANG, &in_days(t, 30));
    let id = apply(&owner).unwrap();
    let path = format!("/lending/applications/{id}");

    let seen = officer.get("lending.applications", &id).unwrap();
    assert_eq!(seen["status"], "submitted");
    assert_eq!(seen["enterprise_name"], "上海云杉智能装备有限公司");
    assert_eq!(seen["phone"], "138****1001", "the bank looks, for a reason");
    assert_eq!(seen["consent"], letter);
    assert!(seen["certificate"].as_str().is_some_and(|c| !c.is_empty()));
    let page = officer.page(&path).unwrap();
    assert_eq!(phones(&page), [("138****1001", true)]);
    assert_eq!(
        phones(&owner.page(&path).unwrap()),
        [("13800001001", false)]
    );
    reasons_add_up(&page);
    assert!(page.form("approve").is_some() && page.guarded);
    let queue = officer.page("/lending/queue?status=submitted").unwrap();
    let Some(Body::Table(table)) = queue.find_block("queue").map(|b| &b.body) else {
        panic!("no queue")
    };
    assert!(table.rows.iter().any(|row| row.key == id));

    officer
        .act("lending.application.accept", Some(&id), json!({}))
        .unwrap();
    let terms = json!({ "amount": "400000.00", "rate": "0.0385", "reason": "经营稳定" });
    officer
        .act("lending.application.approve", Some(&id), terms)
        .unwrap();
    let done = owner.get("lending.applications", &id).unwrap();
    assert_eq!(done["status"], "approved");
    assert_eq!(
        (&done["approved_amount"], &done["approved_rate"]),
        (&json!("400000.00"), &json!("0.0385"))
    );

    let page = owner.page(&path).unwrap();
    assert!(told(&page, "outcome").contains("批准 40 万元，年化利率 3.85%"));
    let Some(Body::Timeline(timeline)) = page.find_block("progress").map(|b| &b.body) else {
        panic!("no timeline")
    };
    let titles: Vec<&str> = timeline.moments.iter().map(|m| m.title.as_str()).collect();
    assert_eq!(titles, ["提交申请", "银行受理", "审批通过"]);
    assert_eq!(
        timeline.moments[2].who.as_deref(),
        Some("沪江银行"),
        "no officer by name"
    );
    told_at_home(&owner, &id);
    let events = t.events();
    let names: Vec<&str> = events.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "consent.letter.signed",
            "lending.application.submitted",
            "lending.application.accepted",
            "lending.application.approved"
        ]
    );
}

/// The home page tells the decision until the enterprise says it has seen it.
fn told_at_home(owner: &User<'_>, id: &str) {
    let to = format!("/lending/applications/{id}");
    let news = || {
        let home = owner.home().unwrap();
        let notices = home.blocks().filter_map(|b| match &b.body {
            Body::Notice(notice) => Some(notice),
            _ => None,
        });
        let mine = notices.filter(|n| {
            n.actions
                .iter()
                .any(|a| matches!(&a.deed, Deed::Open { to: there } if *there == to))
        });
        mine.map(|n| format!("{} {}", n.lead, n.text))
            .collect::<Vec<_>>()
    };
    let told = news();
    assert!(
        told.len() == 1 && told[0].contains("申请已通过") && told[0].contains("40 万元"),
        "{told:?}"
    );
    let acknowledge = || owner.act("lending.application.acknowledge", Some(id), json!({}));
    acknowledge().unwrap();
    assert!(news().is_empty());
    assert_eq!(acknowledge().unwrap_err().code, "lending.nothing-new");
}

/// The points column of the bench page, from the base to the total.
fn reasons_add_up(page: &Page) {
    let Some(Body::Table(table)) = page.find_block("reasons").map(|b| &b.body) else {
        panic!("no reasons")
    };
    let points = |cell: &Datum| match cell {
        Datum::Decimal(text) => sdk::contract::scalar::parse_scaled(text, 2).unwrap(),
        other => panic!("not a figure: {other:?}"),
    };
    assert!(table.rows.len() > 5);
    let sum: i64 = table.rows.iter().map(|row| points(&row.cells[2])).sum();
    assert_eq!(sum, points(&table.totals[2]));
}

#[scenario(city())]
fn mm_4h_each_decision_is_signed_with_what_it_decided(t: &World) {
    let id = under_review(t);
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let signed = || owner.signatures("lending.applications", &id).unwrap();
    assert_eq!(signed(), ["lending.application.accept"]);
    let back = json!({ "reason": "请补充近三个月流水" });
    officer
        .act("lending.application.return", Some(&id), back)
        .unwrap();
    let again = json!({ "amount": "500000.00", "term_months": 12 });
    owner
        .act("lending.application.resubmit", Some(&id), again)
        .unwrap();
    let high = json!({ "amount": "999999999.00", "rate": "0.0420" });
    let refused = officer.act("lending.application.approve", Some(&id), high);
    assert_eq!(refused.unwrap_err().kind, FaultKind::Invalid);
    let right = json!({ "amount": "400000.00", "rate": "0.0385" });
    officer
        .act("lending.application.approve", Some(&id), right)
        .unwrap();
    let all = ["accept", "return", "approve"].map(|verb| format!("lending.application.{verb}"));
    assert_eq!(signed(), all, "what the enterprise does is not signed");
}

#[scenario(city())]
fn no_consent_no_application(t: &World) {
    let owner = t.user("enterprise");
    let page = owner
        .page(&format!("/lending/apply?product={TAX_LOAN}"))
        .unwrap();
    assert!(told(&page, "consent").contains("沪江银行"));
    assert!(
        page.form("apply").is_some(),
        "the form can be filled in before signing"
    );
    let fault = apply(&owner).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Forbidden);
    assert!(fault.code.starts_with("consent."), "{fault}");
    assert!(fault.message.contains("请先为沪江银行签署"), "{fault}");
    assert_eq!(open_count(&owner), 0);

    sign(&owner, HUJIANG, &in_days(t, 30));
    let page = owner
        .page(&format!("/lending/apply?product={TAX_LOAN}"))
        .unwrap();
    assert!(page.find_block("consent").is_none());
}

#[scenario(city())]
fn a_letter_for_another_bank_is_no_consent(t: &World) {
    let owner = t.user("enterprise");
    sign(&owner, PUCHENG, &in_days(t, 30));
    // What another scenario left for this bank says more than a letter for another.
    let left = owner.find("consent.letters", &[("recipient", HUJIANG)]);
    let expected = if left.is_empty() {
        "consent.recipient-mismatch"
    } else {
        "consent.revoked"
    };
    assert_eq!(apply(&owner).unwrap_err().code, expected);
}

#[scenario(city())]
fn pi_02_a_revoked_letter_is_no_consent(t: &World) {
    let owner = t.user("enterprise");
    let letter = sign(&owner, HUJIANG, &in_days(t, 30));
    owner
        .act(
            "consent.letter.revoke",
            Some(&letter),
            json!({ "reason": "不再需要" }),
        )
        .unwrap();
    assert_eq!(apply(&owner).unwrap_err().code, "consent.revoked");
}

#[scenario(city())]
fn an_expired_letter_is_no_consent(t: &World) {
    let owner = t.user("enterprise");
    sign(&owner, HUJIANG, &in_days(t, 1));
    t.advance_days(2);
    assert_eq!(apply(&owner).unwrap_err().code, "consent.expired");
}

#[scenario(city())]
fn row_60_a_revoked_template_takes_its_letters_with_it(t: &World) {
    let owner = t.user("enterprise");
    let letter = sign(&owner, HUJIANG, &in_days(t, 30));
    let on = owner.get("consent.letters", &letter).unwrap()["template"].clone();
    let (operator, security) = (t.user("operator"), t.user("security"));
    let reason = json!({ "reason": "文本有重大错误" });
    operator
        .act("consent.edition.withdraw", on.as_str(), reason.clone())
        .unwrap();
    assert!(apply(&owner).is_ok(), "what was signed before holds");
    security
        .act("consent.edition.revoke", on.as_str(), reason)
        .unwrap();
    let fault = owner
        .act("lending.quota.estimate", None, json!({}))
        .unwrap_err();
    assert_eq!(fault.code, "consent.template-revoked");
}

#[scenario(city())]
fn others_see_nothing(t: &World) {
    let id = under_review(t);
    let path = format!("/lending/applications/{id}");
    for login in ["enterprise2", "officer2"] {
        let other = t.user(login);
        assert_eq!(
            other.get("lending.applications", &id).unwrap_err().kind,
            FaultKind::NotFound,
            "{login}"
        );
        assert_eq!(
            other.page(&path).unwrap_err().kind,
            FaultKind::NotFound,
            "{login}"
        );
        assert!(
            other
                .find("lending.applications", &[])
                .iter()
                .all(|row| row["id"] != json!(id))
        );
    }
    let terms = json!({ "amount": "400000.00", "rate": "0.0385" });
    let fault = t
        .user("officer2")
        .act("lending.application.approve", Some(&id), terms)
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    let overseer = t.user("auditor");
    let masked = overseer.get("lending.applications", &id).unwrap();
    assert_eq!(masked["phone"], "138****1001");
    for result in ["score", "base", "probability", "grade", "reasons"] {
        assert_eq!(masked[result], Value::Null, "an auditor sees no {result}");
    }
    assert!(masked["model"].is_string() && masked["certificate"].is_string());
    let page = overseer.page(&path).unwrap();
    assert!(told(&page, "no-score").contains("只有该机构和企业自己能看到"));
    assert!(page.find_block("reasons").is_none());
    let operator = t.user("operator");
    assert!(operator.try_find("lending.applications", &[]).is_err());
    assert!(operator.page(&path).is_err());
    assert!(t.anonymous().try_find("lending.applications", &[]).is_err());
}

#[scenario(city())]
fn wrong_terms_are_named_field_by_field(t: &World) {
    let owner = t.user("enterprise");
    sign(&owner, HUJIANG, &in_days(t, 30));
    let wrong = with(json!({ "amount": "3000000.01", "term_months": 13, "agree": false }));
    let fault = owner
        .act("lending.application.apply", None, wrong)
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Invalid);
    let fields: Vec<&str> = fault.fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["amount", "term_months", "agree"]);
    assert!(
        fault.fields[0].message.contains("10 万元 至 300 万元"),
        "{fault:?}"
    );
    let missing = with(json!({ "phone": "12345" }));
    let fault = owner
        .act("lending.application.apply", None, missing)
        .unwrap_err();
    assert_eq!(fault.fields[0].field, "phone");
    assert_eq!(open_count(&owner), 0);
}

#[scenario(city())]
fn one_application_at_a_time(t: &World) {
    let owner = t.user("enterprise");
    sign(&owner, HUJIANG, &in_days(t, 30));
    let first = owner
        .act_once("once", "lending.application.apply", None, request())
        .unwrap();
    let again = owner
        .act_once("once", "lending.application.apply", None, request())
        .unwrap();
    assert_eq!(first, again, "the same press twice");
    assert_eq!(apply(&owner).unwrap_err().code, "lending.already-open");
    assert_eq!(open_count(&owner), 1);
    let page = owner
        .page(&format!("/lending/apply?product={TAX_LOAN}"))
        .unwrap();
    assert!(told(&page, "stop").contains("在途申请"));

    let reason = json!({ "reason": "改用其他产品" });
    owner
        .act("lending.application.withdraw", Some(&id_of(&first)), reason)
        .unwrap();
    assert!(
        apply(&owner).is_ok(),
        "after one is closed another may follow"
    );
}

#[scenario(city())]
fn decisions_keep_to_the_flow_and_the_terms(t: &World) {
    let id = under_review(t);
    let officer = t.user("officer");
    let approve = |amount: &str, rate: &str| {
        let terms = json!({ "amount": amount, "rate": rate });
        officer.act("lending.application.approve", Some(&id), terms)
    };
    let fault = approve("500000.01", "0.0500").unwrap_err();
    let fields: Vec<&str> = fault.fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["amount", "rate"]);
    let short = json!({ "refusal": "debt", "reason": "不行" });
    let fault = officer
        .act("lending.application.refuse", Some(&id), short)
        .unwrap_err();
    assert_eq!(fault.fields[0].field, "reason");
    let fault = officer
        .act("lending.application.accept", Some(&id), json!({}))
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Conflict, "it is accepted already");

    let why = json!({ "refusal": "cash-flow", "reason": "近三月流水不足以覆盖还款" });
    officer
        .act("lending.application.refuse", Some(&id), why)
        .unwrap();
    assert_eq!(
        approve("400000.00", "0.0385").unwrap_err().kind,
        FaultKind::Conflict
    );
    let owner = t.user("enterprise");
    let page = owner.page(&format!("/lending/applications/{id}")).unwrap();
    let outcome = told(&page, "outcome");
    assert!(
        outcome.contains("经营现金流不足以还款") && outcome.contains("近三月流水"),
        "{outcome}"
    );
    let fault = owner.act(
        "lending.application.approve",
        Some(&id),
        json!({ "amount": "1.00", "rate": "0.0400" }),
    );
    assert_eq!(fault.unwrap_err().kind, FaultKind::Forbidden);
}

#[scenario(city())]
fn a_returned_application_can_be_resubmitted(t: &World) {
    let id = under_review(t);
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let why = json!({ "reason": "请把金额降到三十万元以内" });
    officer
        .act("lending.application.return", Some(&id), why)
        .unwrap();
    let page = owner.page(&format!("/lending/applications/{id}")).unwrap();
    assert!(told(&page, "outcome").contains("请把金额降到三十万元以内"));
    assert!(page.form("resubmit").is_some());
    let terms = json!({ "amount": "300000.00", "term_months": 6, "note": "已下调" });
    owner
        .act("lending.application.resubmit", Some(&id), terms)
        .unwrap();
    let again = officer.get("lending.applications", &id).unwrap();
    assert_eq!(
        (&again["status"], &again["amount"]),
        (&json!("submitted"), &json!("300000.00"))
    );
    assert!(again.get("return_reason").is_none_or(Value::is_null));
}

#[scenario(city())]
fn products_that_are_not_offered_are_refused(t: &World) {
    let owner = t.user("enterprise2");
    let apply = |product: &str| {
        let request = with(json!({ "product": product, "amount": "200000.00" }));
        owner
            .act("lending.application.apply", None, request)
            .unwrap_err()
            .code
    };
    assert_eq!(apply(OFFLINE), "lending.product-offline");
    assert_eq!(
        apply(PARK_LOAN),
        "lending.park-only",
        "a tenant of another park"
    );
}

#[scenario(city())]
fn a_park_product_is_for_its_tenants(t: &World) {
    let owner = t.user("enterprise");
    sign(&owner, HUJIANG, &in_days(t, 30));
    let request = with(json!({ "product": PARK_LOAN }));
    assert!(
        owner
            .act("lending.application.apply", None, request)
            .is_ok()
    );
}

#[scenario(city())]
fn an_estimate_needs_its_own_consent(t: &World) {
    let owner = t.user("enterprise");
    let fault = owner
        .act("lending.quota.estimate", None, json!({}))
        .unwrap_err();
    assert!(fault.code.starts_with("consent."), "{fault}");
    let page = owner.page("/lending/quota").unwrap();
    assert!(told(&page, "consent-0").contains("沪江银行"));

    sign(&owner, HUJIANG, &in_days(t, 30));
    owner
        .act("lending.quota.estimate", None, json!({}))
        .unwrap();
    let page = owner.page("/lending/quota").unwrap();
    let Some(Body::Cards(cards)) = page.find_block("estimates").map(|b| &b.body) else {
        panic!("no estimate")
    };
    assert_eq!(cards.items[0].title, "云税贷");
    assert!(
        cards.items[0]
            .text
            .as_ref()
            .is_some_and(|t| t.contains("纳税信用等级 A"))
    );
    assert!(
        t.user("officer").try_find("lending.quotas", &[]).is_err(),
        "the bank was not asked"
    );
}

#[scenario(city())]
fn every_page_is_well_formed(t: &World) {
    let id = under_review(t);
    let detail = format!("/lending/applications/{id}");
    let form = format!("/lending/apply?product={TAX_LOAN}");
    for (login, paths) in [
        (
            "enterprise",
            vec![
                "/lending/applications",
                "/lending/apply",
                "/lending/quota",
                &form,
                &detail,
            ],
        ),
        (
            "officer",
            vec![
                "/lending/queue?sort=-score&q=云杉",
                "/lending/queue",
                &detail,
            ],
        ),
        ("auditor", vec![&detail]),
    ] {
        let user = t.user(login);
        for path in paths {
            let page = user
                .page(path)
                .unwrap_or_else(|f| panic!("{login} {path}: {f}"));
            check(&page).unwrap_or_else(|f| panic!("{login} {path}: {f}"));
        }
        check(&user.home().unwrap()).unwrap();
    }
    check(&t.anonymous().home().unwrap()).unwrap();
}

#[scenario(without_park())]
fn with_the_park_edition_off_its_products_are_closed(t: &World) {
    let owner = t.user("enterprise");
    sign(&owner, HUJIANG, &in_days(t, 30));
    let request = with(json!({ "product": PARK_LOAN }));
    let fault = owner
        .act("lending.application.apply", None, request)
        .unwrap_err();
    assert_eq!(fault.code, "lending.park-only");
}

/// Titles of what somebody has been told, oldest first.
fn told_of(user: &User<'_>) -> Vec<String> {
    let mut all = user.notices().unwrap();
    all.reverse();
    let title = all
        .iter()
        .map(|n| n["title"]["zh"].as_str().unwrap().to_owned());
    title.collect()
}

#[scenario(city())]
fn the_bank_is_told_of_what_comes_and_the_enterprise_of_what_is_decided(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    sign(&owner, HUJIANG, &in_days(t, 30));
    let id = apply(&owner).unwrap();
    let path = format!("/lending/applications/{id}");
    assert_eq!(told_of(&officer), ["收到贷款申请"]);
    assert_eq!(told_of(&owner), [""; 0], "who applies knows");
    let act = |user: &User<'_>, verb: &str, input: Value| {
        let action = format!("lending.application.{verb}");
        user.act(&action, Some(&id), input).unwrap();
    };
    let why = json!({ "reason": "请补充近三个月流水" });
    act(&officer, "accept", json!({}));
    act(&officer, "return", why.clone());
    let again = json!({ "amount": "400000.00", "term_months": 12 });
    act(&owner, "resubmit", again.clone());
    act(&officer, "accept", json!({}));
    act(&officer, "return", why);
    act(&owner, "resubmit", again);
    act(&officer, "accept", json!({}));
    let refusal = json!({ "refusal": "cash-flow", "reason": "近期收入不足以覆盖还款" });
    act(&officer, "refuse", refusal);
    let returned = "申请被退回，请补充";
    let mut told = told_of(&owner);
    // Its clock stands still, so what was told at one moment comes in any order.
    told.sort();
    assert_eq!(told, ["申请未通过", returned, returned]);
    assert_eq!(told_of(&officer).len(), 3, "each time that it came");
    for notice in owner.notices().unwrap() {
        assert_eq!(notice["path"], path);
        let text = notice["text"]["zh"].as_str().unwrap();
        assert!(
            text.contains("云税贷") && !text.contains("400"),
            "no figures: {text}"
        );
    }
    assert_eq!(told_of(&t.user("officer2")), [""; 0]);
    assert_eq!(told_of(&t.user("enterprise2")), [""; 0]);
}
