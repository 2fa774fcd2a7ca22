use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::def::LetterTemplateDef;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn letter() -> Letter {
    Letter {
        id: "l1".into(),
        subject: "s1".into(),
        recipient: "b1".into(),
        items: vec!["tax".into(), "social".into()],
        purposes: vec!["01".into(), "02".into()],
        valid_from: day("2026-11-01"),
        valid_to: day("2026-11-30"),
        max_uses: Some(2),
        uses: 0,
        denied: None,
    }
}

fn want() -> Want {
    Want {
        subject: "s1".into(),
        recipient: "b1".into(),
        items: vec!["tax".into()],
        purpose: "02".into(),
        today: day("2026-11-23"),
    }
}

/// Makes one check after the other fail, last one first.
fn spoil(letter: &mut Letter, denial: Denial) {
    match denial {
        Denial::TemplateRevoked => letter.denied = Some(Denial::TemplateRevoked),
        Denial::NoConsent => letter.subject = "s2".into(),
        Denial::NotYetValid => letter.valid_from = day("2026-11-24"),
        Denial::Expired => letter.valid_to = day("2026-11-22"),
        Denial::Revoked => letter.denied = Some(Denial::Revoked),
        Denial::RecipientMismatch => letter.recipient = "b2".into(),
        Denial::ItemOutOfScope => letter.items = vec!["social".into()],
        Denial::PurposeMismatch => letter.purposes = vec!["03".into()],
        Denial::UsesExhausted => letter.uses = 2,
    }
}

#[test]
fn a_fitting_letter_allows() {
    let letters = [letter()];
    assert_eq!(check(&letters, &want()).unwrap().id, "l1");
}

#[test]
fn both_ends_of_the_validity_are_included() {
    for today in ["2026-11-01", "2026-11-30"] {
        assert!(
            check(
                &[letter()],
                &Want {
                    today: day(today),
                    ..want()
                }
            )
            .is_ok(),
            "{today}"
        );
    }
}

#[test]
fn without_a_letter_there_is_no_consent() {
    assert_eq!(check(&[], &want()), Err(Denial::NoConsent));
}

#[test]
fn pi_01_each_check_has_its_code() {
    for denial in Denial::ALL {
        let mut one = letter();
        spoil(&mut one, denial);
        assert_eq!(check(&[one], &want()), Err(denial));
    }
}

#[test]
fn the_earlier_check_is_named_when_several_fail() {
    let mut one = letter();
    for denial in Denial::ALL.into_iter().rev() {
        spoil(&mut one, denial);
        assert_eq!(one.denial(&want()), Some(denial));
    }
    // A letter of somebody else for somebody else is none.
    assert_eq!(check(&[one], &want()), Err(Denial::NoConsent));
}

#[test]
fn all_items_must_be_in_one_letter() {
    let only = |item: &str| Letter {
        items: vec![item.into()],
        ..letter()
    };
    let both = Want {
        items: vec!["tax".into(), "social".into()],
        ..want()
    };
    assert_eq!(
        check(&[only("tax"), only("social")], &both),
        Err(Denial::ItemOutOfScope)
    );
    assert!(check(&[only("tax"), letter()], &both).is_ok());
}

#[test]
fn the_letter_that_came_furthest_gives_the_reason() {
    let mut revoked = letter();
    spoil(&mut revoked, Denial::Revoked);
    let mut used = letter();
    spoil(&mut used, Denial::UsesExhausted);
    assert_eq!(
        check(&[revoked.clone(), used.clone()], &want()),
        Err(Denial::UsesExhausted)
    );
    assert_eq!(check(&[used, revoked], &want()), Err(Denial::UsesExhausted));
}

#[test]
fn a_letter_for_this_recipient_speaks_before_those_for_others() {
    let mut expired = letter();
    spoil(&mut expired, Denial::Expired);
    let mut other = letter();
    spoil(&mut other, Denial::RecipientMismatch);
    assert_eq!(
        check(&[expired.clone(), other.clone()], &want()),
        Err(Denial::Expired)
    );
    assert_eq!(
        check(&[other.clone(), expired], &want()),
        Err(Denial::Expired)
    );
    assert_eq!(check(&[other], &want()), Err(Denial::RecipientMismatch));
}

#[test]
fn no_limit_never_runs_out() {
    let free = Letter {
        max_uses: None,
        uses: 1_000_000,
        ..letter()
    };
    assert!(check(&[free], &want()).is_ok());
}

fn def() -> DisclosureDef {
    DisclosureDef {
        collection: "letters".into(),
        usable: "signed".into(),
        denials: BTreeMap::from([
            ("revoked".into(), "REVOKED".into()),
            ("expired".into(), "EXPIRED".into()),
        ]),
        template: Some(LetterTemplateDef {
            field: "template".into(),
            collection: "templates".into(),
            revoked: vec!["void".into()],
        }),
        uses: None,
    }
}

fn record(status: &str) -> Map<String, Value> {
    let value = json!({
        "id": "l1", "subject": "s1", "recipient": "b1", "items": ["tax", "social"],
        "purposes": ["01", "02"], "valid_from": "2026-11-01", "valid_to": "2026-11-30",
        "max_uses": 2, "uses": 0, "status": status,
    });
    value.as_object().unwrap().clone()
}

fn read(record: &Map<String, Value>) -> Option<Letter> {
    Letter::read(record, &def(), &BTreeSet::new())
}

#[test]
fn a_letter_on_a_revoked_template_says_so_before_all_else() {
    let templates = [("t1", "void"), ("t2", "in-force")].map(|(id, status)| {
        let template = json!({ "id": id, "status": status });
        template.as_object().unwrap().clone()
    });
    let gone = revoked(&templates, &def());
    assert_eq!(gone, BTreeSet::from(["t1".to_owned()]));
    let on = |template: Value| {
        let mut letter = record("revoked");
        letter.insert("template".into(), template);
        let letter = Letter::read(&letter, &def(), &gone).unwrap();
        check(&[letter], &want()).unwrap_err()
    };
    assert_eq!(on(json!("t1")), Denial::TemplateRevoked);
    for other in [json!("t2"), Value::Null] {
        assert_eq!(on(other), Denial::Revoked);
    }
    assert_eq!(
        Denial::TemplateRevoked.fault().code,
        "consent.template-revoked"
    );
}

#[test]
fn records_are_read_with_what_their_status_means() {
    assert_eq!(read(&record("signed")), Some(letter()));
    for (status, denial) in [
        ("revoked", Denial::Revoked),
        ("expired", Denial::Expired),
        ("draft", Denial::NoConsent),
    ] {
        let one = read(&record(status)).unwrap();
        assert_eq!(check(&[one], &want()), Err(denial), "{status}");
    }
}

#[test]
fn a_record_of_another_shape_is_no_letter() {
    for (field, value) in [
        ("items", json!("tax")),
        ("valid_to", json!("soon")),
        ("max_uses", json!("2")),
        ("uses", Value::Null),
    ] {
        let mut broken = record("signed");
        broken.insert(field.into(), value);
        assert_eq!(read(&broken), None, "{field}");
    }
}

#[test]
fn codes_round_trip_and_reach_the_caller() {
    for denial in Denial::ALL {
        assert_eq!(Denial::of_code(denial.code()), Some(denial));
    }
    let fault = Denial::ItemOutOfScope.fault();
    assert_eq!(fault.kind, FaultKind::Forbidden);
    assert_eq!(fault.code, "consent.item-out-of-scope");
}
