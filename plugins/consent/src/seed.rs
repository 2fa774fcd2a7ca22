//! The templates that the platform comes with, and demo letters of the second demo enterprise: one
//! that has expired, one for another bank, both older than templates. The first enterprise has none,
//! so that its user meets signing.

pub(crate) mod texts;

use sdk::prelude::*;

use crate::model::{
    Allowed, Category, Edition, ITEMS, Letter, Purpose, Stage, Standing, Status, Template, number,
};
use crate::rules::{Parties, Terms, wording};

const ENTERPRISE: &str = "01930000-0000-7000-8000-000000001002";
const DISTRICT: &str = "310104";

/// A template that the platform comes with, published as its first version.
struct Supplied {
    template: &'static str,
    edition: &'static str,
    code: &'static str,
    name: &'static str,
    text: &'static str,
    /// SM3 of the text, which a test compares.
    digest: &'static str,
    /// Purposes with the days that letters are valid at most.
    purposes: &'static [(&'static str, i64)],
}

const APPLYING: Supplied = Supplied {
    template: "01930000-0000-7000-8000-000000004101",
    edition: "01930000-0000-7000-8000-000000004111",
    code: "QY01",
    name: "企业数据授权书",
    text: texts::APPLYING,
    digest: "ecab2bbc259c18679d779df18c81751ec25721354a8fad65c14c5ca51be775b9",
    purposes: &[("01", 90), ("02", 90), ("04", 30)],
};

const MONITORING: Supplied = Supplied {
    template: "01930000-0000-7000-8000-000000004102",
    edition: "01930000-0000-7000-8000-000000004112",
    code: "QY02",
    name: "企业贷后管理数据授权书",
    text: texts::MONITORING,
    digest: "d798237bb5377d7aa8a776bf2ba10b28646d378df17f3dff0fed2cb8290f0ee7",
    purposes: &[("03", 365)],
};

/// The first day of 2026.
const SUPPLIED_AT: i64 = 1_767_225_600_000_000;
/// Who drafted and published it.
const PLATFORM: &str = "随平台提供";

fn supplied(of: &Supplied) -> [SeedDef; 2] {
    let text = of.text.to_owned();
    let items: Vec<String> = ITEMS.iter().map(|i| i.number.to_owned()).collect();
    let allowed = |(purpose, days): &(&str, i64)| Allowed {
        purpose: (*purpose).to_owned(),
        days: *days,
    };
    let purposes: Vec<Allowed> = of.purposes.iter().map(allowed).collect();
    let template = Template {
        code: of.code.into(),
        name: of.name.into(),
        category: Category::Enterprise,
        version: 1,
        items: items.clone(),
        purposes: purposes.clone(),
        recipients: Vec::new(),
        text: text.clone(),
        stage: Stage::Published,
        edited_by: "platform".into(),
        submitted_by: None,
        submitted_name: None,
        returned: None,
    };
    let edition = Edition {
        number: number(of.code, 1),
        template: Id::new(of.template),
        name: of.name.into(),
        category: Category::Enterprise,
        version: 1,
        items,
        purposes,
        recipients: Vec::new(),
        text,
        text_digest: of.digest.into(),
        submitted_name: PLATFORM.into(),
        published_name: PLATFORM.into(),
        published_at: Timestamp::from_micros(SUPPLIED_AT),
        status: Standing::InForce,
        replaced_at: None,
        ended_at: None,
        reason: None,
    };
    [
        Seed::reference(of.template, template).into(),
        Seed::reference(of.edition, edition).into(),
    ]
}

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
    let letters = [expired, other_bank];
    let templates = [APPLYING, MONITORING];
    templates
        .iter()
        .flat_map(supplied)
        .chain(letters.iter().filter_map(letter))
        .collect()
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
    let text = wording::render(APPLYING.text, &parties, &terms).ok()?;
    let letter = Letter {
        number: demo.number.into(),
        grantor_name: parties.grantor.into(),
        recipient: recipient.into(),
        recipient_name: recipient_name.into(),
        items: terms.items,
        purposes: vec![Purpose::Approval, Purpose::Estimate],
        valid_from,
        valid_to,
        max_uses: None,
        uses: 0,
        status: Status::Effective,
        text,
        text_digest: demo.digest.into(),
        template: None,
        template_name: None,
        template_version: None,
        template_digest: None,
        separate_items: None,
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
    fn every_seed_is_there_and_every_template_holds() {
        assert_eq!(all().len(), 6);
        for of in [APPLYING, MONITORING] {
            assert_eq!(wording::check(of.text), Ok(()), "{}", of.code);
        }
    }
}
