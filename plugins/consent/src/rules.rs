//! What a letter and a template may say, and what state a letter's dates put it in.

pub(crate) mod difference;
pub(crate) mod wording;

use sdk::choice::Choice as _;
use sdk::prelude::*;

use crate::model::{Allowed, Edition, ITEMS, Item, Letter, Purpose, Status, purpose};

/// Longest validity of a letter.
pub(crate) const MAX_DAYS: i64 = 365;

/// What an enterprise is about to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) items: Vec<String>,
    pub(crate) purposes: Vec<String>,
    pub(crate) valid_from: Date,
    pub(crate) valid_to: Date,
    pub(crate) max_uses: Option<i64>,
}

/// What the enterprise ticked: that it agrees, and that it does so separately to what is sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) to_all: bool,
    pub(crate) separately: bool,
}

/// The items of these numbers, in the order of the catalogue.
pub(crate) fn items(numbers: &[String]) -> impl Iterator<Item = &'static Item> {
    ITEMS
        .iter()
        .filter(|item| numbers.iter().any(|n| n == item.number))
}

/// Those of these items whose provision needs a consent of its own (个人信息保护法 art. 23, 29).
pub(crate) fn sensitive(numbers: &[String]) -> Vec<String> {
    let sensitive = items(numbers).filter(|item| item.sensitive());
    sensitive.map(|item| item.number.to_owned()).collect()
}

/// Names every field that is wrong at once.
pub(crate) fn check(terms: &Terms, agreed: Agreed) -> Result<(), Fault> {
    let mut faults = Vec::new();
    let mut fault = |wrong: bool, field: &str, code: &str, message: String| {
        if wrong {
            faults.push(FieldFault::new(field, code, message));
        }
    };
    let known_items = terms
        .items
        .iter()
        .all(|i| ITEMS.iter().any(|k| k.number == i));
    let known_purposes = terms
        .purposes
        .iter()
        .all(|p| Purpose::of_value(p).is_some());
    fault(
        terms.items.is_empty(),
        "items",
        "required",
        "请至少选择一个数据项".into(),
    );
    fault(
        !known_items,
        "items",
        "not-an-option",
        "请从所列数据项中选择".into(),
    );
    fault(
        terms.purposes.is_empty(),
        "purposes",
        "required",
        "请至少选择一种用途".into(),
    );
    fault(
        !known_purposes,
        "purposes",
        "not-an-option",
        "请从所列用途中选择".into(),
    );
    fault(
        terms.valid_to < terms.valid_from,
        "valid_to",
        "too-early",
        format!("到期日不得早于今天（{}）", terms.valid_from),
    );
    let latest = terms.valid_from.plus_days(MAX_DAYS);
    fault(
        terms.valid_to > latest,
        "valid_to",
        "too-late",
        format!("授权最长一年，不得晚于 {latest}"),
    );
    let sensitive = sensitive(&terms.items);
    let named: Vec<String> = items(&sensitive).map(Item::title).collect();
    fault(
        !named.is_empty() && !agreed.separately,
        "separate",
        "required",
        format!("所选数据项含敏感数据，须单独同意：{}", named.join("、")),
    );
    fault(
        !agreed.to_all,
        "agree",
        "required",
        "请阅读授权书并勾选同意".into(),
    );
    none(faults)
}

/// What a template does not let a letter say.
pub(crate) fn misfits(edition: &Edition, recipient: &str, terms: &Terms) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    let title = edition.title();
    if !edition.recipients.is_empty() && !edition.recipients.iter().any(|r| r == recipient) {
        let message = format!("{title}不供该机构使用");
        faults.push(FieldFault::new("recipient", "not-an-option", message));
    }
    let outside = terms.items.iter().filter(|i| !edition.items.contains(i));
    let outside: Vec<String> = items(&outside.cloned().collect::<Vec<_>>())
        .map(Item::title)
        .collect();
    if !outside.is_empty() {
        let message = format!("{title}不含数据项 {}", outside.join("、"));
        faults.push(FieldFault::new("items", "not-an-option", message));
    }
    let days = |code: &String| days(&edition.purposes, code);
    let outside = terms.purposes.iter().filter(|code| days(code).is_none());
    let outside: Vec<&str> = outside.map(|code| purpose(code)).collect();
    if !outside.is_empty() {
        let message = format!("{title}不含用途 {}", outside.join("、"));
        faults.push(FieldFault::new("purposes", "not-an-option", message));
    }
    let shortest = terms
        .purposes
        .iter()
        .filter_map(|code| Some((days(code)?, code)))
        .min();
    if let Some((days, code)) = shortest {
        let latest = terms.valid_from.plus_days(days);
        if terms.valid_to > latest {
            let of = purpose(code);
            let message = format!("用途“{of}”最长授权 {days} 天，到期日不得晚于 {latest}");
            faults.push(FieldFault::new("valid_to", "too-late", message));
        }
    }
    faults
}

/// The longest that letters for a purpose may be valid; none where there are none.
pub(crate) fn days(purposes: &[Allowed], code: &str) -> Option<i64> {
    let allowed = purposes.iter().find(|allowed| allowed.purpose == code);
    allowed.map(|allowed| allowed.days)
}

/// What a template would allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) code: &'a str,
    pub(crate) items: &'a [String],
    pub(crate) purposes: &'a [Allowed],
    pub(crate) recipients: &'a [String],
    pub(crate) text: &'a str,
    /// Institutions on the market.
    pub(crate) institutions: &'a [(String, String)],
}

/// Names every field that is wrong at once.
pub(crate) fn check_template(draft: Draft<'_>) -> Result<(), Fault> {
    let mut faults = Vec::new();
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if draft.code.is_empty() || !draft.code.bytes().all(plain) {
        let message = "模版代码为大写字母和数字，如 QY01";
        faults.push(FieldFault::new("code", "bad-value", message));
    }
    let mut option = |wrong: bool, field: &str, message: &str| {
        if wrong {
            faults.push(FieldFault::new(field, "not-an-option", message));
        }
    };
    let unknown = draft.items.iter().any(|i| Item::of(i).is_none());
    option(unknown, "items", "请从所列数据项中选择");
    let known = |code: &str| Purpose::of_value(code).is_some();
    let unknown = draft.purposes.iter().any(|p| !known(&p.purpose));
    option(unknown, "purposes", "请从所列用途中选择");
    let twice = draft.purposes.iter().enumerate().any(|(at, p)| {
        draft
            .purposes
            .iter()
            .skip(at + 1)
            .any(|q| q.purpose == p.purpose)
    });
    option(twice, "purposes", "同一用途只填一行");
    let here = |id: &String| draft.institutions.iter().any(|(known, _)| known == id);
    let unknown = !draft.recipients.iter().all(here);
    option(unknown, "recipients", "请从所列金融机构中选择");
    if draft.items.is_empty() {
        let message = "请至少选择一个数据项";
        faults.push(FieldFault::new("items", "required", message));
    }
    if draft.purposes.is_empty() {
        let message = "请至少填写一种用途";
        faults.push(FieldFault::new("purposes", "required", message));
    }
    faults.extend(wording::check(draft.text).err());
    none(faults)
}

fn none(faults: Vec<FieldFault>) -> Result<(), Fault> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Fault::invalid(faults))
    }
}

/// Who signs what for whom, as the letter names them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) number: &'a str,
    pub(crate) grantor: &'a str,
    pub(crate) uscc: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) signer: &'a str,
    pub(crate) signed_at: Timestamp,
}

/// Days before a letter ends from which people are told; and from which it is urgent.
pub(crate) const SOON: [i64; 2] = [15, 3];

/// How near a letter's last day is, for those that it is told of.
pub(crate) fn nearness(valid_to: Date, today: Date) -> Option<(String, Tone)> {
    let [told, urgent] = SOON;
    let left = today.days_until(valid_to);
    match left {
        0 => Some(("今天到期".to_owned(), Tone::Danger)),
        days if days > 0 && days <= urgent => Some((format!("{days} 天后到期"), Tone::Danger)),
        days if days > 0 && days <= told => Some((format!("{days} 天后到期"), Tone::Warning)),
        _ => None,
    }
}

/// What a person is told of a letter today.
pub(crate) fn state(letter: &Letter, today: Date) -> (&'static str, Tone) {
    match letter.status {
        Status::Revoked => ("已撤回", Tone::Neutral),
        Status::Effective if letter.valid_to < today => ("已到期", Tone::Neutral),
        Status::Effective if letter.max_uses.is_some_and(|max| letter.uses >= max) => {
            ("次数已用完", Tone::Neutral)
        }
        Status::Effective if today < letter.valid_from => ("未到生效日", Tone::Info),
        Status::Effective if nearness(letter.valid_to, today).is_some() => {
            ("即将到期", Tone::Warning)
        }
        Status::Effective => ("生效中", Tone::Success),
    }
}

/// Where a person may be sent after signing: a path of this site.
pub(crate) fn back(path: Option<&str>) -> Option<&str> {
    path.filter(|p| sdk::contract::page::is_site_path(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn terms() -> Terms {
        Terms {
            items: vec!["26".into(), "25".into()],
            purposes: vec!["02".into(), "04".into()],
            valid_from: day("2026-11-23"),
            valid_to: day("2027-02-21"),
            max_uses: None,
        }
    }

    const BOTH: Agreed = Agreed {
        to_all: true,
        separately: true,
    };

    fn fields(terms: &Terms, agreed: bool) -> Vec<String> {
        match check(
            terms,
            Agreed {
                to_all: agreed,
                separately: true,
            },
        ) {
            Ok(()) => Vec::new(),
            Err(fault) => fault.fields.into_iter().map(|f| f.field).collect(),
        }
    }

    #[test]
    fn good_terms_pass() {
        assert!(check(&terms(), BOTH).is_ok());
        assert!(
            check(
                &Terms {
                    valid_to: day("2026-11-23"),
                    ..terms()
                },
                BOTH
            )
            .is_ok()
        );
        assert!(
            check(
                &Terms {
                    valid_to: day("2027-11-23"),
                    ..terms()
                },
                BOTH
            )
            .is_ok()
        );
    }

    #[test]
    fn every_wrong_term_names_its_field() {
        assert_eq!(fields(&terms(), false), ["agree"]);
        assert_eq!(
            fields(
                &Terms {
                    items: vec![],
                    ..terms()
                },
                true
            ),
            ["items"]
        );
        assert_eq!(
            fields(
                &Terms {
                    items: vec!["99".into()],
                    ..terms()
                },
                true
            ),
            ["items"]
        );
        assert_eq!(
            fields(
                &Terms {
                    purposes: vec!["06".into()],
                    ..terms()
                },
                true
            ),
            ["purposes"]
        );
        assert_eq!(
            fields(
                &Terms {
                    valid_to: day("2026-11-22"),
                    ..terms()
                },
                true
            ),
            ["valid_to"]
        );
        assert_eq!(
            fields(
                &Terms {
                    valid_to: day("2027-11-24"),
                    ..terms()
                },
                true
            ),
            ["valid_to"]
        );
    }

    #[test]
    fn pi_01_sensitive_items_need_a_consent_of_their_own() {
        let alone = Agreed {
            to_all: true,
            separately: false,
        };
        let fault = check(&terms(), alone).unwrap_err();
        assert_eq!(fault.fields[0].field, "separate");
        assert!(fault.fields[0].message.contains("25 纳税信用等级"));
        let public = Terms {
            items: vec!["15".into()],
            ..terms()
        };
        assert!(check(&public, alone).is_ok());
        assert_eq!(
            sensitive(&["26".into(), "15".into(), "25".into()]),
            ["25", "26"]
        );
    }

    #[test]
    fn people_are_sent_to_this_site_only() {
        assert_eq!(
            back(Some("/lending/apply?product=1")),
            Some("/lending/apply?product=1")
        );
        assert_eq!(back(Some("//evil.example")), None);
        assert_eq!(back(Some("https://evil.example")), None);
        assert_eq!(back(None), None);
    }
}
