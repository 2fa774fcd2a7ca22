//! What a plugin may count on, on the mock, on `SQLite` and on `PostgreSQL`. Where the three differ,
//! one of them is wrong by `docs/architecture.md`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "conformance/told.rs"]
mod told;

use plugin_example::{LATE, module};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::{Body, Datum, Page};
use sdk_testkit::{Setting, User, World, scenario};
use serde_json::{Value, json};

const BANK: &str = "01930000-0000-7000-8000-000000000101";
const BRANCH: &str = "01930000-0000-7000-8000-000000000111";
const DEVELOPER: &str = "01930000-0000-7000-8000-000000000911";
const VALIDATOR: &str = "01930000-0000-7000-8000-000000000912";
const OTHER_BANK: &str = "01930000-0000-7000-8000-000000000201";

const MODEL: &str = include_str!("../../../examples/bank-models/tax-loan/model.json");
/// Well-formed, and no record has it.
const NOWHERE: &str = "01930000-0000-7000-8000-0000000fffff";

fn example() -> Setting {
    Setting::of([module()]).model(BANK, MODEL)
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

#[scenario(example())]
fn input_is_brought_to_canonical_form_and_all_its_faults_are_named(t: &World) {
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

#[scenario(example())]
fn permissions_decide_who_may(t: &World) {
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

#[scenario(example())]
fn rows_outside_the_scope_do_not_exist(t: &World) {
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

#[scenario(example())]
fn a_head_office_sees_its_branches_and_not_the_other_way(t: &World) {
    let owner = t.user("enterprise");
    request_with(&owner, "L1", "10", &json!({ "bank": BRANCH })).unwrap();
    assert_eq!(t.user("officer").find("example.loans", &[]).len(), 1);
    request_with(&owner, "L2", "10", &json!({ "bank": OTHER_BANK })).unwrap();
    assert_eq!(t.user("officer").find("example.loans", &[]).len(), 1);
    assert_eq!(t.user("officer2").find("example.loans", &[]).len(), 1);
}

#[scenario(example())]
fn a_record_is_acted_on_only_within_the_scope(t: &World) {
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

#[scenario(example())]
fn a_flow_allows_each_step_once_and_keeps_it(t: &World) {
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
    assert_eq!(facts(&page)[2].1, Datum::text("submitted approved"));
    assert_eq!(facts(&page)[3].1, Datum::text("材料齐全"));
}

#[scenario(example())]
fn a_record_starts_in_an_initial_state(t: &World) {
    let fault = request_with(
        &t.user("enterprise"),
        "L1",
        "10",
        &json!({ "status": "approved" }),
    )
    .unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Internal, "plugin.bad-write")
    );
}

#[scenario(example())]
fn a_module_cannot_write_past_its_declaration(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let id = request(&owner, "L1", "10");
    let before = owner.get("example.loans", &id).unwrap();
    for how in ["frozen", "flow", "required", "range", "event"] {
        let fault = officer
            .act("example.loan.spoil", Some(&id), json!({ "how": how }))
            .unwrap_err();
        assert_eq!(
            (fault.kind, fault.code.as_str()),
            (FaultKind::Internal, "plugin.bad-write"),
            "{how}"
        );
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

#[scenario(example())]
fn a_refused_commit_leaves_nothing_behind(t: &World) {
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    let notices = owner.find("example.notices", &[]).len();
    let fault = t
        .user("officer")
        .act("example.loan.spoil", Some(&id), json!({ "how": "half" }))
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Internal, "plugin.bad-write"),
        "the module named what is not there"
    );
    assert_eq!(owner.find("example.notices", &[]).len(), notices);
}

#[scenario(example())]
fn updates_count_revisions_and_keep_what_they_do_not_name(t: &World) {
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    t.advance_seconds(60);
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

#[scenario(example())]
fn unique_keys_are_kept(t: &World) {
    let owner = t.user("enterprise");
    request_with(&owner, "L1", "10", &json!({ "tax_number": "T1" })).unwrap();
    let fault = request_with(&owner, "L2", "10", &json!({ "tax_number": "T1" })).unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Conflict, "duplicate")
    );
    assert_eq!(
        (
            fault.fields[0].field.as_str(),
            fault.fields[0].code.as_str()
        ),
        ("tax_number", "taken")
    );
    let fault = request_with(&owner, "L1", "10.00", &json!({})).unwrap_err();
    assert_eq!(fault.fields.len(), 2);
    request(&owner, "L1", "11");
}

#[scenario(example())]
fn references_must_lead_somewhere(t: &World) {
    let owner = t.user("enterprise");
    let first = request(&owner, "L1", "10");
    request_with(&owner, "L2", "10", &json!({ "previous": first })).unwrap();
    for (id, code) in [(NOWHERE, "missing-reference"), ("nowhere", "bad-id")] {
        let fault = request_with(&owner, "L3", "10", &json!({ "previous": id })).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Invalid, "the caller named it");
        assert_eq!(
            (
                fault.fields[0].field.as_str(),
                fault.fields[0].code.as_str()
            ),
            ("previous", code)
        );
    }
}

#[scenario(example())]
fn one_key_is_one_deed(t: &World) {
    let owner = t.user("enterprise");
    let input = json!({ "number": "L1", "amount": "10", "bank": BANK });
    let act = |input: &Value| owner.act_once("k", "example.loan.request", None, input.clone());
    let first = act(&input).unwrap();
    assert_eq!(act(&input).unwrap(), first);
    assert_eq!(owner.find("example.loans", &[]).len(), 1);
    let other = json!({ "number": "L2", "amount": "10", "bank": BANK });
    assert_eq!(act(&other).unwrap_err().code, "idempotency-key-reused");
    let second = t
        .user("enterprise2")
        .act_once("k", "example.loan.request", None, other);
    assert!(second.is_ok(), "another person's keys are their own");
}

#[scenario(example())]
fn masked_values_are_shown_to_whom_they_concern(t: &World) {
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

#[scenario(example())]
fn finds_filter_sort_and_page(t: &World) {
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
        assert_eq!(fault.kind, FaultKind::Invalid, "{bad:?}");
        assert_eq!(
            (
                fault.fields[0].field.as_str(),
                fault.fields[0].code.as_str()
            ),
            (bad.0, "bad-parameter"),
            "{bad:?}"
        );
    }
}

#[scenario(example())]
fn pages_get_their_parameters_and_literals_win(t: &World) {
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

#[scenario(example())]
fn home_has_the_blocks_of_whom_it_is_for(t: &World) {
    let home = t.user("enterprise").home().unwrap();
    assert_eq!(home.sections[0].title.as_deref(), Some("林知远"));
    assert!(
        home.find_block("example-hello").is_some(),
        "named after its module, too"
    );
    assert!(t.anonymous().home().unwrap().sections.is_empty());
}

#[scenario(example())]
fn events_reach_their_listeners_after_the_commit(t: &World) {
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    let events = t.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].name.as_str(), events[0].aggregate.as_str()),
        ("example.loan.requested", id.as_str())
    );
    assert_eq!(events[0].data, json!({ "amount": "10.00" }));
    assert_eq!(owner.find("example.notices", &[])[0]["text"], "L1 10.00");
    request_with(&owner, "L1", "10", &json!({})).unwrap_err();
    assert_eq!(t.events().len(), 1, "what was refused is not said");
}

/// A developer sees and decides what is assigned to them, for as long as it is.
#[scenario(example())]
fn what_is_assigned_is_the_assignees(t: &World) {
    let owner = t.user("enterprise");
    let (officer, developer) = (t.user("officer"), t.user("developer"));
    let phone = json!({ "phone": "13800001234" });
    let first = request_with(&owner, "A1", "10", &phone).unwrap();
    let second = request_with(&owner, "A2", "20", &phone).unwrap();
    let assign = |id: &str, to: Value| {
        let input = json!({ "officer": to });
        officer.act("example.loan.assign", Some(id), input).unwrap();
    };
    let numbers = || -> Vec<Value> {
        let found = developer.find("example.loans", &[]);
        found.iter().map(|loan| loan["number"].clone()).collect()
    };
    let approve =
        |id: &str| developer.act("example.loan.approve", Some(id), json!({ "rate": "0.1" }));
    let unseen = |id: &str| {
        let missing = developer.get("example.loans", id).unwrap_err();
        assert_eq!(missing.kind, FaultKind::NotFound);
        assert_eq!(approve(id).unwrap_err().kind, FaultKind::NotFound);
    };
    assert_eq!(numbers(), Vec::<Value>::new());
    unseen(&first);
    let nobody = officer.act(
        "example.loan.assign",
        Some(&first),
        json!({ "officer": "01930000-0000-7000-8000-00000000ffff" }),
    );
    assert_eq!(nobody.unwrap_err().fields[0].code, "missing-reference");

    assign(&first, json!(DEVELOPER));
    assert_eq!(numbers(), [json!("A1")]);
    unseen(&second);
    let seen = developer.get("example.loans", &first).unwrap();
    assert_eq!(seen["phone"], "13800001234", "revealed in what is assigned");
    assert_eq!(
        officer.get("example.loans", &first).unwrap()["phone"],
        "138****1234"
    );
    approve(&first).unwrap();

    assign(&second, json!(VALIDATOR));
    unseen(&second);
    assign(&first, Value::Null);
    assert_eq!(numbers(), Vec::<Value>::new());
    unseen(&first);
}

#[scenario(example())]
fn scoring_needs_a_letter_that_covers_it(t: &World) {
    let (owner, officer) = (t.user("enterprise"), t.user("officer"));
    let id = request(&owner, "L1", "10");
    let act = |verb: &str| officer.act(&format!("example.loan.{verb}"), Some(&id), json!({}));
    let score = || act("score");
    let code = || score().unwrap_err().code;
    let sign = |bank: &str, items: &[&str], uses: i64| {
        let input = json!({ "bank": bank, "items": items, "max_uses": uses });
        owner.act("example.letter.sign", None, input).unwrap();
    };
    assert_eq!(code(), "consent.no-consent");
    sign(OTHER_BANK, &["tax"], 9);
    assert_eq!(code(), "consent.recipient-mismatch");
    sign(BANK, &["social"], 9);
    assert_eq!(code(), "consent.item-out-of-scope");
    sign(BANK, &["tax"], 1);
    // The purpose is the one that the action declares.
    let monitored = act("monitor").unwrap_err();
    assert_eq!(monitored.code, "consent.purpose-mismatch");
    let pried = act("pry").unwrap_err();
    assert_eq!(pried.code, "purpose-undeclared");

    let scored = score().unwrap();
    let reasons = scored["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 13, "what the model declares and no more");
    adds_up(&scored);
    let grade = reasons.iter().find(|r| r["feature"] == "tax.grade");
    let grade = grade.unwrap();
    assert_eq!(grade["value"], "A");
    assert_eq!(code(), "consent.uses-exhausted");
    sign(BANK, &["tax"], 9);
    t.advance_days(30);
    assert_eq!(code(), "consent.expired");
}

#[expect(clippy::float_arithmetic, reason = "points of a score")]
fn adds_up(scored: &Value) {
    let reasons = scored["reasons"].as_array().unwrap();
    let points: f64 = reasons.iter().map(|r| r["points"].as_f64().unwrap()).sum();
    let sum = scored["base"].as_f64().unwrap() + points;
    let score = scored["score"].as_f64().unwrap();
    assert!((score - sum).abs() < 1e-6, "{score} is not {sum}");
}

#[scenario(example())]
fn a_model_that_is_not_live_scores_nobody(t: &World) {
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    let input = json!({ "model": "nothing" });
    let fault = t
        .user("officer")
        .act("example.loan.score", Some(&id), input)
        .unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Unavailable, "model.not-live")
    );
}

#[scenario(example())]
fn a_record_has_every_declared_field(t: &World) {
    let owner = t.user("enterprise");
    let id = request(&owner, "L1", "10");
    let loan = owner.get("example.loans", &id).unwrap();
    let mut names: Vec<&str> = loan.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "amount",
            "contract",
            "created_at",
            "created_by",
            "credit",
            "district",
            "id",
            "number",
            "officer",
            "organisation",
            "papers",
            "phone",
            "previous",
            "rate",
            "report",
            "revision",
            "score",
            "status",
            "subject",
            "tax_number",
            "updated_at",
            "updated_by",
        ]
    );
    assert_eq!(
        (&loan["rate"], &loan["phone"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&loan["subject"], &loan["organisation"]),
        (&json!(owner.subject()), &json!(BANK))
    );
    assert_eq!(loan["created_by"], "01930000-0000-7000-8000-000000000901");
}

#[scenario(example())]
fn what_is_not_readable_is_not_found_whatever_else_is_wrong(t: &World) {
    let id = request(&t.user("enterprise"), "L1", "10");
    let approve = |login: &str, id: &str| {
        let input = json!({ "rate": "9" });
        let done = t.user(login).act("example.loan.approve", Some(id), input);
        done.unwrap_err().kind
    };
    assert_eq!(approve("enterprise2", &id), FaultKind::NotFound);
    assert_eq!(approve("enterprise", NOWHERE), FaultKind::NotFound);
    assert_eq!(approve("enterprise", &id), FaultKind::Forbidden);
    assert_eq!(approve("officer", &id), FaultKind::Invalid);
}

#[scenario(example())]
fn an_action_has_its_own_record_unmasked(t: &World) {
    let owner = t.user("enterprise");
    let id = request_with(&owner, "L1", "10", &json!({ "phone": "13800001234" })).unwrap();
    let officer = t.user("officer");
    let rate = json!({ "rate": "0.05" });
    let done = officer.act("example.loan.approve", Some(&id), rate);
    assert_eq!(done.unwrap()["phone"], "13800001234");
    let seen = officer.get("example.loans", &id).unwrap();
    assert_eq!(seen["phone"], "138****1234");
}

#[scenario(example())]
fn an_event_that_cannot_be_handled_is_tried_again(t: &World) {
    let owner = t.user("enterprise");
    let id = request(&owner, &format!("{LATE}-1"), "10");
    assert!(owner.get("example.loans", &id).is_ok(), "the deed stands");
    request(&owner, "L2", "10");
    let heard = || t.events().len();
    let told = || owner.find("example.notices", &[]).len();
    assert_eq!((heard(), told()), (1, 1), "others do not wait for it");
    t.advance_seconds(1);
    assert_eq!((heard(), told()), (1, 1), "it is too early");
    t.advance_seconds(60);
    assert_eq!((heard(), told()), (2, 2));
    t.advance_seconds(60);
    assert_eq!((heard(), told()), (2, 2), "once is enough");
}

#[scenario(example())]
fn people_stay_who_they_are_while_time_passes(t: &World) {
    let owner = t.user("enterprise");
    request(&owner, "L1", "10");
    t.advance_days(400);
    assert_eq!(t.today().to_string(), "2027-12-28");
    assert_eq!(owner.find("example.loans", &[]).len(), 1);
    let id = request(&owner, "L2", "10");
    let made = owner.get("example.loans", &id).unwrap();
    assert_eq!(made["created_at"], "2027-12-28T02:00:00.000000Z");
}
