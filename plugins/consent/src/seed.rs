//! Demo letters of the second demo enterprise: one that has expired, one for another bank. The
//! first enterprise has none, so that its user meets signing.

use sdk::prelude::*;

use crate::model::{ITEMS, Letter, Status};
use crate::rules::{self, Parties, Terms};

const ENTERPRISE: &str = "01930000-0000-7000-8000-000000001002";
const DISTRICT: &str = "310104";

/// What the two letters differ in.
struct Demo {
    id: &'static str,
    recipient: (&'static str, &'static str),
    number: &'static str,
    from: Option<Date>,
    to: Option<Date>,
    /// SM3 of the text, which a test compares.
    digest: &'static str,
}

pub(crate) fn all() -> Vec<SeedDef> {
    let expired = Demo {
        id: "01930000-0000-7000-8000-000000004001",
        recipient: ("01930000-0000-7000-8000-000000000101", "沪江银行"),
        number: "SQS2025090100000001",
        from: Date::new(2025, 9, 1),
        to: Date::new(2026, 8, 31),
        digest: "2bf2a800e41ad4588479361fa62d259c209e438284928a80ca33b8b7904c3d4f",
    };
    let other_bank = Demo {
        id: "01930000-0000-7000-8000-000000004002",
        recipient: ("01930000-0000-7000-8000-000000000201", "浦城农商银行"),
        number: "SQS2026110100000002",
        from: Date::new(2026, 11, 1),
        to: Date::new(2027, 10, 31),
        digest: "c4991d185939d7b717ff01e2bc8ae295ffe5fabe9099bae2d5c00a969225c3c1",
    };
    [expired, other_bank].iter().filter_map(letter).collect()
}

fn letter(demo: &Demo) -> Option<SeedDef> {
    let (valid_from, valid_to) = (demo.from?, demo.to?);
    let (recipient, recipient_name) = demo.recipient;
    let signed_at: Timestamp = format!("{valid_from}T02:00:00Z").parse().ok()?;
    let terms = Terms {
        items: ITEMS.iter().map(|i| i.number.to_owned()).collect(),
        purposes: vec!["02".into(), "04".into()],
        valid_from,
        valid_to,
        max_uses: None,
    };
    let parties = Parties {
        number: demo.number,
        grantor: "上海澄湖食品有限公司",
        uscc: "91310104MA90090245",
        recipient: recipient_name,
        signer: "苏晴川",
        signed_at,
    };
    let text = rules::text(&parties, &terms);
    let letter = Letter {
        number: demo.number.into(),
        grantor_name: parties.grantor.into(),
        recipient: recipient.into(),
        recipient_name: recipient_name.into(),
        items: terms.items,
        purposes: terms.purposes,
        valid_from,
        valid_to,
        max_uses: None,
        uses: 0,
        status: Status::Effective,
        text,
        text_digest: demo.digest.into(),
        signed_by: parties.signer.into(),
        signed_at,
        revoked_at: None,
        reason: None,
    };
    Some(
        Seed::demo(demo.id, letter)
            .subject(ENTERPRISE)
            .organisation(recipient)
            .district(DISTRICT)
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_demo_letters_are_there() {
        assert_eq!(all().len(), 2);
    }
}
