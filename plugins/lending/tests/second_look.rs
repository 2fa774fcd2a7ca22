//! A person's look at what was decided, for whoever asks for it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a scenario that goes wrong fails its test"
)]

use sdk::contract::error::FaultKind;
use sdk::contract::page::{Body, Page, check};
use sdk::serde_json::{Value, json};
use sdk_testkit::{Setting, User, World, scenario};

const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";
const TAX_LOAN: &str = "01930000-0000-7000-8000-000000002001";
const ITEMS: [&str; 10] = ["25", "26", "27", "33", "35", "57", "59", "15", "16", "20"];
const MODEL: &str = include_str!("../../../examples/bank-models/tax-loan/model.json");

fn city() -> Setting {
    Setting::of([
        plugin_enterprise::module(),
        plugin_consent::module(),
        plugin_market::module(),
        plugin_credit::module(),
        plugin_lending::module(),
    ])
    .model(HUJIANG, MODEL)
}

/// An application that was scored and waits for its bank.
fn applied(t: &World) -> String {
    let owner = t.user("enterprise");
    let letter = json!({
        "recipient": HUJIANG, "items": ITEMS, "purposes": ["02", "04"],
        "valid_to": t.today().plus_days(30).to_string(), "separate": true, "agree": true,
    });
    owner.act("consent.letter.sign", None, letter).unwrap();
    let request = json!({
        "product": TAX_LOAN, "amount": "500000.00", "term_months": 12, "purpose": "materials",
        "contact": "林知远", "phone": "13800001001", "agree": true,
    });
    let made = owner
        .act("lending.application.apply", None, request)
        .unwrap();
    made["id"].as_str().unwrap().to_owned()
}

/// Titles and notes of the timeline.
fn moments(page: &Page) -> Vec<(String, Option<String>)> {
    check(page).unwrap();
    let Some(Body::Timeline(timeline)) = page.find_block("progress").map(|b| &b.body) else {
        panic!("no timeline")
    };
    let moments = timeline.moments.iter();
    moments.map(|m| (m.title.clone(), m.note.clone())).collect()
}

fn queued(officer: &User<'_>, id: &str) -> bool {
    let page = officer.page("/lending/queue?review=asked").unwrap();
    check(&page).unwrap();
    let Some(Body::Table(table)) = page.find_block("queue").map(|b| &b.body) else {
        panic!("no queue")
    };
    table.rows.iter().any(|row| row.key == id)
}

#[scenario(city())]
fn pi_02_a_person_looks_again_at_what_was_decided_and_says_why(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let id = applied(t);
    let path = format!("/lending/applications/{id}");
    let ask = || json!({ "reason": "纳税额没有计入今年三季度" });
    let asks = |user: &User<'_>, input: Value| {
        user.act("lending.application.ask-review", Some(&id), input)
    };
    let answers = |user: &User<'_>, words: &str| {
        let input = json!({ "reason": words });
        user.act("lending.application.answer-review", Some(&id), input)
    };
    let early = asks(&owner, ask()).unwrap_err();
    assert_eq!(early.code, "lending.not-decided");
    let refused = json!({ "refusal": "cash-flow", "reason": "近一年经营现金流不足" });
    officer
        .act("lending.application.refuse", Some(&id), refused)
        .unwrap();

    assert!(owner.page(&path).unwrap().form("ask-review").is_some());
    assert_eq!(
        answers(&officer, "没有人问过这件事").unwrap_err().code,
        "lending.no-review"
    );
    let short = asks(&owner, json!({ "reason": "？" })).unwrap_err();
    assert_eq!(short.fields[0].field, "reason");
    for (login, kind) in [
        ("officer", FaultKind::Forbidden),
        ("enterprise2", FaultKind::NotFound),
    ] {
        assert_eq!(
            asks(&t.user(login), ask()).unwrap_err().kind,
            kind,
            "{login}"
        );
    }
    asks(&owner, ask()).unwrap();
    assert_eq!(
        asks(&owner, ask()).unwrap_err().code,
        "lending.review-asked"
    );
    let page = owner.page(&path).unwrap();
    assert!(page.form("ask-review").is_none());
    assert_eq!(moments(&page).last().unwrap().0, "银行答复");

    // The officer finds it in the queue, and answers in words.
    assert!(queued(&officer, &id));
    let page = officer.page(&path).unwrap();
    assert!(page.form("answer-review").is_some());
    let drawn = sdk::serde_json::to_string(&page).unwrap();
    assert!(drawn.contains("纳税额没有计入今年三季度"), "{drawn}");
    let words = "已重新核对：三季度纳税额已计入，现金流仍不足以覆盖还款";
    let other = answers(&t.user("officer2"), words).unwrap_err();
    assert_eq!(other.kind, FaultKind::NotFound);
    assert_eq!(
        answers(&owner, words).unwrap_err().kind,
        FaultKind::Forbidden
    );
    answers(&officer, words).unwrap();
    assert!(!queued(&officer, &id));
    assert_eq!(
        answers(&officer, words).unwrap_err().code,
        "lending.no-review"
    );

    let page = owner.page(&path).unwrap();
    let told = moments(&page);
    let last = told.last().unwrap();
    assert_eq!(
        (last.0.as_str(), last.1.as_deref()),
        ("人工复核答复", Some(words))
    );
    let drawn = sdk::serde_json::to_string(&page).unwrap();
    assert!(!drawn.contains("程见山"), "the bank, not its staff by name");
    let events = t.events();
    let names: Vec<&str> = events
        .iter()
        .rev()
        .take(2)
        .map(|e| e.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "lending.application.review-answered",
            "lending.application.review-asked"
        ]
    );
}
