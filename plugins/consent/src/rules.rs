//! What a letter may say, how it reads, and what state its dates put it in.

use std::fmt::Write as _;

use sdk::prelude::*;

use crate::model::{ITEMS, Letter, PURPOSES, Status};

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

/// Names every field that is wrong at once.
pub(crate) fn check(terms: &Terms, agreed: bool) -> Result<(), Fault> {
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
        .all(|p| PURPOSES.iter().any(|k| k.0 == p));
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
    fault(
        !agreed,
        "agree",
        "required",
        "请阅读授权书并勾选同意".into(),
    );
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

/// The letter's whole text. The digest is taken over exactly these bytes, and the record keeps
/// them: a later wording changes no letter that was signed.
pub(crate) fn text(parties: &Parties<'_>, terms: &Terms) -> String {
    let items: Vec<String> = ITEMS
        .iter()
        .filter(|i| terms.items.iter().any(|n| n == i.number))
        .map(|i| format!("- {} {}（{}，{}）", i.number, i.name, i.provider, i.level))
        .collect();
    let purposes: Vec<String> = PURPOSES
        .iter()
        .filter(|p| terms.purposes.iter().any(|n| n == p.0))
        .map(|p| format!("{} {}", p.0, p.1))
        .collect();
    let uses = terms
        .max_uses
        .map_or_else(|| "不限次数".to_owned(), |n| format!("最多 {n} 次"));
    let Parties {
        number,
        grantor,
        uscc,
        recipient,
        signer,
        signed_at,
    } = parties;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "## 企业数据授权书\n\n\
         授权书编号：{number}\n\n\
         授权企业：{grantor}（统一社会信用代码 {uscc}）\n\n\
         被授权机构：{recipient}\n\n\
         授权企业同意平台向被授权机构提供下列数据：\n{}\n\n\
         用途：{}。被授权机构不得用于其他用途，不得再提供给第三方。\n\n\
         有效期：{} 至 {}，{uses}。授权企业可随时撤回；撤回前已依法使用的数据，记录予以保留。\n\n\
         本授权不包括法定代表人及其他个人的信用信息。\n\n\
         签署人：{signer}　签署时间：{}",
        items.join("\n"),
        purposes.join("、"),
        terms.valid_from,
        terms.valid_to,
        signed_at.local_minute(),
    );
    text
}

/// What a person is told of a letter today.
pub(crate) fn state(letter: &Letter, today: Date) -> (&'static str, Tone) {
    match letter.status {
        Status::Revoked => ("已撤回", Tone::Neutral),
        Status::Effective if letter.valid_to < today => ("已过期", Tone::Neutral),
        Status::Effective if letter.max_uses.is_some_and(|max| letter.uses >= max) => {
            ("次数已用完", Tone::Neutral)
        }
        Status::Effective if today < letter.valid_from => ("未到生效日", Tone::Info),
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

    fn fields(terms: &Terms, agreed: bool) -> Vec<String> {
        match check(terms, agreed) {
            Ok(()) => Vec::new(),
            Err(fault) => fault.fields.into_iter().map(|f| f.field).collect(),
        }
    }

    #[test]
    fn good_terms_pass() {
        assert!(check(&terms(), true).is_ok());
        assert!(
            check(
                &Terms {
                    valid_to: day("2026-11-23"),
                    ..terms()
                },
                true
            )
            .is_ok()
        );
        assert!(
            check(
                &Terms {
                    valid_to: day("2027-11-23"),
                    ..terms()
                },
                true
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
    fn the_text_says_everything_that_was_agreed() {
        let parties = Parties {
            number: "SQS1",
            grantor: "上海云杉智能装备有限公司",
            uscc: "91310115MA90090168",
            recipient: "沪江银行",
            signer: "林知远",
            signed_at: "2026-11-23T01:30:00Z".parse().unwrap(),
        };
        let text = text(
            &parties,
            &Terms {
                max_uses: Some(3),
                ..terms()
            },
        );
        for part in [
            "SQS1",
            "上海云杉智能装备有限公司",
            "91310115MA90090168",
            "沪江银行",
            "林知远",
            "- 25 纳税信用等级（税务局，L3）\n- 26 分税种纳税金额（36个月）（税务局，L3）",
            "02 授信审批、04 一键测额",
            "2026-11-23 至 2027-02-21",
            "最多 3 次",
            "2026-11-23 09:30",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.chars().count() < 4000);
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
