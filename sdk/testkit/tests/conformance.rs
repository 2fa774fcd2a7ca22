//! What the mock enforces. The kernel enforces the same; where the two differ, one of them is
//! wrong.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "conformance/example.rs"]
pub mod example;

use example::module;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::{Body, Datum, Page};
use sdk_testkit::{User, World};
use serde_json::{Value, json};

const BANK: &str = "01930000-0000-7000-8000-000000000101";
const BRANCH: &str = "01930000-0000-7000-8000-000000000111";
const OTHER_BANK: &str = "01930000-0000-7000-8000-000000000201";

fn world() -> World {
    World::mock(&[module()])
}

fn request(user: &User<'_>, number: &str, amount: &str) -> String {
    request_with(user, number, amount, &json!({})).unwrap()
}

fn request_with(
    user: &User<'_>,
    number: &str,
    amount: &str,
    more: &Value,
) -> Result<String, Fault> {
    let mut input = json!({ "number": number, "amount": amount, "bank": BANK });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = user.act("example.loan.request", None, input)?;
    Ok(made["id"].as_str().unwrap().to_owned())
}

fn facts(page: &Page) -> Vec<(String, Datum)> {
    let Body::Details { facts, .. } = &page.blocks().next().unwrap().body else {
        panic!("no details")
    };
    facts
        .iter()
        .map(|f| (f.label.clone(), f.value.clone()))
        .collect()
}

#[test]
fn input_is_brought_to_canonical_form_and_all_its_faults_are_named() {
    let t = world();
    let owner = t.user("enterprise");
    let id = request(&owner, " L1 ", "1,000");
    let loan = owner.get("example.loans", &id).unwrap();
    assert_eq!(loan["number"], "L1");
    assert_eq!(loan["amount"], "1000.00");
    assert_eq!(loan["revision"], 1);
    assert_eq!(loan["created_at"], "2026-11-23T02:00:00.000000Z");

    let fault = owner
        .act(
            "example.loan.request",
            None,
            json!({ "amount": "0.5", "extra": 1, "bank": BANK }),
        )
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Invalid);
    let mut named: Vec<(&str, &str)> = fault
        .fields
        .iter()
        .map(|f| (f.field.as_str(), f.code.as_str()))
        .collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            ("amount", "too-small"),
            ("extra", "unknown-field"),
            ("number", "required")
        ]
    );
}

#[test]
fn permissions_decide_who_may() {
    let t = world();
    let input = json!({ "number": "L1", "amount": "10", "bank": BANK });
    let fault = t
        .anonymous()
        .act("example.loan.request", None, input.clone())
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "unauthenticated")
    );
    let fault = t
        .user("officer")
        .act("example.loan.request", None, input)
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "forbidden")
    );
    assert_eq!(
        t.user("nobody").page("/example/welcome").unwrap_err().kind,
        FaultKind::Forbidden
    );
    assert_eq!(
        t.anonymous().page("/example/welcome").unwrap().title,
        "欢迎"
    );
    assert_eq!(
        t.anonymous().page("/example/loans").unwrap_err().code,
        "unauthenticated"
    );
}

#[test]
fn rows_outside_the_scope_do_not_exist() {
    let t = world();
    let id = request(&t.user("enterprise"), "L1", "10");
    for (login, sees) in [
        ("enterprise", true),
        ("enterprise2", false),
        ("officer", true),
        ("officer2", false),
        ("operator", true),
        ("government", false),
    ] {
        let user = t.user(login);
        let got = user.get("example.loans", &id);
        assert_eq!(got.is_ok(), sees, "{login}");
        assert_eq!(
            user.find("example.loans", &[]).len(),
            usize::from(sees),
            "{login}"
        );
        if !sees {
            assert_eq!(got.unwrap_err().kind, FaultKind::NotFound, "{login}");
            let page = user.page(&format!("/example/loans/{id}"));
            assert_eq!(page.unwrap_err().kind, FaultKind::NotFound, "{login}");
        }
    }
}

#[test]
fn a_head_office_sees_its_branches_and_not_the_other_way() {
    let t = world();
    let owner = t.user("enterprise");
    request_with(&owner, "L1", "10", &json!({ "bank": BRANCH })).unwrap();
    assert_eq!(t.user("officer").find("example.loans", &[]).len(), 1);
    request_with(&owner, "L2", "10", &json!({ "bank": OTHER_BANK })).unwrap();
    assert_eq!(t.user("officer").find("example.loans", &[]).len(), 1);
    assert_eq!(t.user("officer2").find("example.loans", &[]).len(), 1);
}

#[test]
fn a_record_is_acted_on_only_within_the_scope() {
    let t = world();
    let id = request(&t.user("enterprise"), "L1", "10");
    let rate = json!({ "rate": "0.0345" });
    let approve = |login: &str| {
        t.user(login)
            .act("example.loan.approve", Some(&id), rate.clone())
    };
    assert_eq!(approve("officer2").unwrap_err().kind, FaultKind::NotFound);
    assert_eq!(
        approve("enterprise").unwrap_err().kind,
        FaultKind::Forbidden
    );
    approve("officer").unwrap();
    assert_eq!(
        t.user("enterprise").get("example.loans", &id).unwrap()["rate"],
        "0.0345"
    );
}

#[test]
fn a_flow_allows_each_step_once_and_keeps_it() {
    let t = world();
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let id = request(&owner, "L1", "10");
    let input = json!({ "rate": "0.05", "note": "材料齐全" });
    officer
        .act("example.loan.approve", Some(&id), input.clone())
        .unwrap();
    let fault = officer
        .act("example.loan.approve", Some(&id), input)
        .unwrap_err();
    assert_eq!(fault.code, "example.illegal-transition");
    let page = owner.page(&format!("/example/loans/{id}")).unwrap();
    assert_eq!(facts(&page)[1].1, Datum::text("submitted approved"));
    assert_eq!(facts(&page)[2].1, Datum::text("材料齐全"));
}

#[test]
fn a_record_starts_in_an_initial_state() {
    let t = world();
    let fault = request_with(
        &t.user("enterprise"),
        "L1",
        "10",
        &json!({ "status": "approved" }),
    )
    .unwrap_err();
    assert_eq!(fault.code, "plugin.bad-write");
    assert!(fault.message.contains("no initial state"), "{fault}");
}

#[test]
fn a_module_cannot_write_past_its_declaration() {
    let t = world();
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let id = request(&owner, "L1", "10");
    let before = owner.get("example.loans", &id).unwrap();
    for (how, says) in [
        ("frozen", "is frozen"),
        ("flow", "does not lead from"),
        ("required", "is required"),
        ("range", "too-large"),
        ("event", "is not declared"),
    ] {
        let fault = officer
            .act("example.loan.spoil", Some(&id), json!({ "how": how }))
            .unwrap_err();
        assert_eq!(fault.code, "plugin.bad-write", "{how}");
        assert!(fault.message.contains(says), "{how}: {fault}");
    }
    let fault = officer
        .act("example.loan.spoil", Some(&id), json!({ "how": "stale" }))
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Conflict, "stale")
    );
    assert_eq!(owner.get("example.loans", &id).unwrap(), before);
}

#[test]
fn a_refused_commit_leaves_nothing_behind() {
    let t = world();
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    let notices = owner.find("example.notices", &[]).len();
    let fault = t
        .user("officer")
        .act("example.loan.spoil", Some(&id), json!({ "how": "half" }))
        .unwrap_err();
    assert_eq!(fault.fields[0].code, "missing-reference");
    assert_eq!(owner.find("example.notices", &[]).len(), notices);
}

#[test]
fn updates_count_revisions_and_keep_what_they_do_not_name() {
    let t = world();
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    assert!(t.advance_seconds(60));
    t.user("officer")
        .act("example.loan.spoil", Some(&id), json!({ "how": "well" }))
        .unwrap();
    let loan = owner.get("example.loans", &id).unwrap();
    assert_eq!(
        (&loan["revision"], &loan["amount"], &loan["number"]),
        (&json!(2), &json!("7.00"), &json!("L1"))
    );
    assert_eq!(loan["created_at"], "2026-11-23T02:00:00.000000Z");
    assert_eq!(loan["updated_at"], "2026-11-23T02:01:00.000000Z");
}

#[test]
fn unique_keys_are_kept() {
    let t = world();
    let owner = t.user("enterprise");
    request_with(&owner, "L1", "10", &json!({ "tax_number": "T1" })).unwrap();
    let fault = request_with(&owner, "L2", "10", &json!({ "tax_number": "T1" })).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Conflict);
    assert_eq!(fault.fields[0].field, "tax_number");
    let fault = request_with(&owner, "L1", "10.00", &json!({})).unwrap_err();
    assert_eq!(fault.fields.len(), 2);
    request(&owner, "L1", "11");
}

#[test]
fn references_must_lead_somewhere() {
    let t = world();
    let owner = t.user("enterprise");
    let first = request(&owner, "L1", "10");
    request_with(&owner, "L2", "10", &json!({ "previous": first })).unwrap();
    let fault = request_with(&owner, "L3", "10", &json!({ "previous": "nowhere" })).unwrap_err();
    assert_eq!(fault.fields[0].field, "previous");
}

#[test]
fn one_key_is_one_deed() {
    let t = world();
    let owner = t.user("enterprise");
    let input = json!({ "number": "L1", "amount": "10", "bank": BANK });
    let act = |input: &Value| owner.act_once("k", "example.loan.request", None, input.clone());
    let first = act(&input).unwrap();
    assert_eq!(act(&input).unwrap(), first);
    assert_eq!(owner.find("example.loans", &[]).len(), 1);
    let other = json!({ "number": "L2", "amount": "10", "bank": BANK });
    assert_eq!(act(&other).unwrap_err().code, "key-reused");
    let second = t
        .user("enterprise2")
        .act_once("k", "example.loan.request", None, other);
    assert!(second.is_ok(), "another person's keys are their own");
}

#[test]
fn masked_values_are_shown_to_whom_they_concern() {
    let t = world();
    let owner = t.user("enterprise");
    let id = request_with(&owner, "L1", "10", &json!({ "phone": "13800001234" })).unwrap();
    assert_eq!(
        owner.get("example.loans", &id).unwrap()["phone"],
        "13800001234"
    );
    let officer = t.user("officer");
    assert_eq!(
        officer.get("example.loans", &id).unwrap()["phone"],
        "138****1234"
    );
    assert_eq!(
        officer.find("example.loans", &[])[0]["phone"],
        "138****1234"
    );
    let page = officer.page(&format!("/example/loans/{id}")).unwrap();
    assert_eq!(facts(&page)[0].1, Datum::text("138****1234"));
}

#[test]
fn finds_filter_sort_and_page() {
    let t = world();
    let owner = t.user("enterprise");
    for (number, amount) in [("AL-1", "9"), ("AL-2", "100"), ("B-3", "20")] {
        request(&owner, number, amount);
    }
    let numbers = |pairs: &[(&str, &str)]| -> Vec<String> {
        let found = owner.find("example.loans", pairs);
        found
            .iter()
            .map(|r| r["number"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(numbers(&[("sort", "-amount")]), ["AL-2", "B-3", "AL-1"]);
    assert_eq!(
        numbers(&[("sort", "amount"), ("size", "2"), ("page", "2")]),
        ["AL-2"]
    );
    assert_eq!(numbers(&[("amount", "20")]), ["B-3"]);
    assert_eq!(
        numbers(&[("q", "al"), ("sort", "number")]),
        ["AL-1", "AL-2"]
    );
    assert_eq!(numbers(&[("status", "approved")]), Vec::<String>::new());
    for bad in [
        ("phone", "1"),
        ("score", "1"),
        ("nothing", "1"),
        ("size", "201"),
        ("sort", "nothing"),
    ] {
        let fault = owner.try_find("example.loans", &[bad]).unwrap_err();
        assert_eq!(fault.code, "bad-query", "{bad:?}");
    }
}

#[test]
fn pages_get_their_parameters_and_literals_win() {
    let t = world();
    let owner = t.user("enterprise");
    for (number, amount) in [("L1", "9"), ("L2", "100"), ("L3", "20")] {
        request(&owner, number, amount);
    }
    let first = owner.page("/example/loans").unwrap();
    assert_eq!(first.subtitle.as_deref(), Some("3"));
    assert_eq!(
        facts(&first),
        [
            ("L2".into(), Datum::Money(10_000)),
            ("L3".into(), Datum::Money(2_000))
        ]
    );
    let second = owner
        .page("/example/loans?page=2&status=submitted")
        .unwrap();
    assert_eq!(facts(&second), [("L1".into(), Datum::Money(900))]);
    let sums = owner.page("/example/loans/sums").unwrap();
    assert_eq!(
        facts(&sums),
        [("[\"submitted\"]".into(), Datum::text("[3,\"129.00\"]"))]
    );
    assert_eq!(
        owner.page("/example/nothing").unwrap_err().kind,
        FaultKind::NotFound
    );
}

#[test]
fn home_has_the_blocks_of_whom_it_is_for() {
    let t = world();
    let home = t.user("enterprise").home().unwrap();
    assert_eq!(home.sections[0].title.as_deref(), Some("林知远"));
    assert!(t.anonymous().home().unwrap().sections.is_empty());
}

#[test]
fn events_reach_their_listeners_after_the_commit() {
    let t = world();
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    let events = t.events().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].name.as_str(), events[0].aggregate.as_str()),
        ("example.loan.requested", id.as_str())
    );
    assert_eq!(events[0].data, json!({ "amount": "10.00" }));
    assert_eq!(owner.find("example.notices", &[])[0]["text"], "L1 10.00");
    request_with(&owner, "L1", "10", &json!({})).unwrap_err();
    assert_eq!(t.events().unwrap().len(), 1, "what was refused is not said");
}

#[test]
fn scoring_needs_a_letter_that_covers_it() {
    let t = world();
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let id = request(&owner, "L1", "10");
    let score = |purpose: &str| {
        officer.act(
            "example.loan.score",
            Some(&id),
            json!({ "purpose": purpose }),
        )
    };
    let code = |purpose: &str| score(purpose).unwrap_err().code;
    let sign = |bank: &str, items: &[&str], uses: i64| {
        let input = json!({ "bank": bank, "items": items, "max_uses": uses });
        owner.act("example.letter.sign", None, input).unwrap();
    };
    assert_eq!(code("02"), "consent.no-consent");
    sign(OTHER_BANK, &["tax"], 9);
    assert_eq!(code("02"), "consent.recipient-mismatch");
    sign(BANK, &["social"], 9);
    assert_eq!(code("02"), "consent.item-out-of-scope");
    sign(BANK, &["tax"], 1);
    assert_eq!(code("03"), "consent.purpose-mismatch");

    let scored = score("02").unwrap();
    let sum: f64 = scored["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["points"].as_f64().unwrap())
        .sum();
    assert_eq!(
        scored["score"].as_f64().unwrap().to_bits(),
        sum_with_base(&scored, sum).to_bits()
    );
    assert_eq!(scored["reasons"][0]["value"], "A");
    assert_eq!(code("02"), "consent.uses-exhausted");
    sign(BANK, &["tax"], 9);
    assert!(t.advance_days(30));
    assert_eq!(code("02"), "consent.expired");
}

#[expect(clippy::float_arithmetic, reason = "points of a score")]
fn sum_with_base(scored: &Value, sum: f64) -> f64 {
    scored["base"].as_f64().unwrap() + sum
}
