//! The legal text of a template: what may stand in its braces, and what a letter says there.

use sdk::prelude::*;

use super::{Parties, Terms};
use crate::model::{ITEMS, Item, Purpose};

/// Longest text of a letter, in characters.
pub(crate) const LETTER_MAX: usize = 4000;
/// Characters of a letter's text that are not the template's: what [`closing`] adds at most.
const CLOSING_MAX: usize = 500;

/// Something that a letter fills in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// Without it a letter does not say what was agreed.
    pub(crate) needed: bool,
}

const fn variable(name: &'static str, label: &'static str, needed: bool) -> Variable {
    Variable {
        name,
        label,
        needed,
    }
}

pub(crate) const VARIABLES: [Variable; 11] = [
    variable("number", "授权书编号", false),
    variable("grantor", "授权人名称", true),
    variable("uscc", "统一社会信用代码", false),
    variable("recipient", "被授权机构", true),
    variable("items", "数据项，每项一行", true),
    variable("purposes", "用途", true),
    variable("valid_from", "生效日", false),
    variable("valid_to", "到期日", true),
    variable("uses", "使用次数", false),
    variable("signer", "签署人", true),
    variable("signed_at", "签署时间", true),
];

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Words(&'a str),
    Filled(&'static Variable),
}

/// The text in parts, or what is wrong with it and where.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braced) = rest.split_at(at);
        let here = || place(text, rest, at);
        parts.push(Part::Words(before));
        let Some(inner) = braced.strip_prefix('{') else {
            return Err(format!("{}的“}}”前面没有“{{”", here()));
        };
        let Some(end) = inner.find(['{', '}', '\n']) else {
            return Err(format!("{}的“{{”没有“}}”与之配对", here()));
        };
        let (name, after) = inner.split_at(end);
        let Some(after) = after.strip_prefix('}') else {
            return Err(format!("{}的“{{”没有“}}”与之配对", here()));
        };
        let known = VARIABLES.iter().find(|v| v.name == name);
        let Some(known) = known else {
            let all: Vec<&str> = VARIABLES.iter().map(|v| v.name).collect();
            let what = format!("{}的 {{{name}}} 不是可用的变量", here());
            return Err(format!("{what}；可用：{}", all.join("、")));
        };
        parts.push(Part::Filled(known));
        rest = after;
    }
    parts.push(Part::Words(rest));
    Ok(parts)
}

/// `第 3 行第 5 字`, of what stands at `at` in `rest`, the end of `text`.
fn place(text: &str, rest: &str, at: usize) -> String {
    let before = text.len().saturating_sub(rest.len()).saturating_add(at);
    let before = text.get(..before).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).unwrap_or("").chars().count() + 1;
    format!("第 {line} 行第 {column} 字")
}

/// Whether letters can be made of it, whatever they fill in.
pub(crate) fn check(text: &str) -> Result<(), FieldFault> {
    let fault = |code: &str, message: String| FieldFault::new("text", code, message);
    let parts = parts(text).map_err(|what| fault("bad-value", what))?;
    let missing: Vec<String> = VARIABLES
        .iter()
        .filter(|v| v.needed && !parts.contains(&Part::Filled(v)))
        .map(|v| format!("{{{}}}（{}）", v.name, v.label))
        .collect();
    if !missing.is_empty() {
        let what = format!("文本缺少 {}", missing.join("、"));
        return Err(fault("required", what));
    }
    let (name, institution) = ("企".repeat(100), "行".repeat(60));
    let longest = Parties {
        number: "SQS2026110100000002",
        grantor: &name,
        uscc: "91310104MA90090245",
        recipient: &institution,
        signer: &"人".repeat(40),
        signed_at: Timestamp::default(),
    };
    let terms = Terms {
        items: ITEMS.iter().map(|i| i.number.to_owned()).collect(),
        purposes: Purpose::ALL.iter().map(|p| p.value().to_owned()).collect(),
        valid_from: Timestamp::default().local_date(),
        valid_to: Timestamp::default().local_date(),
        max_uses: Some(10_000),
    };
    let long = fill(&parts, &longest, &terms).chars().count();
    let most = LETTER_MAX.saturating_sub(CLOSING_MAX);
    if long > most {
        let what = format!("填入最长的内容后有 {long} 字，授权书正文不得超过 {most} 字，请缩短");
        return Err(fault("too-long", what));
    }
    Ok(())
}

/// What a letter of these parties on these terms says.
pub(crate) fn render(text: &str, parties: &Parties<'_>, terms: &Terms) -> Result<String, Fault> {
    let broken = |what| Fault::internal(format!("a published template is broken: {what}"));
    let parts = parts(text).map_err(broken)?;
    Ok(fill(&parts, parties, terms))
}

fn fill(parts: &[Part<'_>], parties: &Parties<'_>, terms: &Terms) -> String {
    let part = |part: &Part<'_>| match part {
        Part::Words(words) => (*words).to_owned(),
        Part::Filled(variable) => value(variable.name, parties, terms),
    };
    parts.iter().map(part).collect()
}

fn value(name: &str, parties: &Parties<'_>, terms: &Terms) -> String {
    match name {
        "number" => parties.number.to_owned(),
        "grantor" => parties.grantor.to_owned(),
        "uscc" => parties.uscc.to_owned(),
        "recipient" => parties.recipient.to_owned(),
        "items" => {
            let line = |i: &Item| format!("- {}（{}，{}）", i.title(), i.provider, i.level);
            let lines: Vec<String> = super::items(&terms.items).map(line).collect();
            lines.join("\n")
        }
        "purposes" => {
            let known = Purpose::ALL
                .iter()
                .filter(|p| terms.purposes.iter().any(|n| n == p.value()));
            let words: Vec<String> = known
                .map(|p| format!("{} {}", p.value(), p.label()))
                .collect();
            words.join("、")
        }
        "valid_from" => terms.valid_from.to_string(),
        "valid_to" => terms.valid_to.to_string(),
        "uses" => terms
            .max_uses
            .map_or_else(|| "不限次数".to_owned(), |n| format!("最多 {n} 次")),
        "signer" => parties.signer.to_owned(),
        "signed_at" => parties.signed_at.local_minute(),
        _ => String::new(),
    }
}

/// What stands below every letter, whatever its template says: the consent that the law wants given
/// separately, and the template itself.
pub(crate) fn closing(separate: &[String], template: &str, digest: &str) -> String {
    let named: Vec<String> = super::items(separate).map(Item::title).collect();
    let separately = if named.is_empty() {
        String::new()
    } else {
        let named = named.join("、");
        format!("\n\n授权企业单独同意向被授权机构提供其中的敏感数据：{named}。")
    };
    format!("{separately}\n\n所用模版：{template}，文本摘要（SM3）{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = crate::seed::texts::APPLYING;

    fn parties() -> Parties<'static> {
        Parties {
            number: "SQS1",
            grantor: "上海云杉智能装备有限公司",
            uscc: "91310115MA90090168",
            recipient: "沪江银行",
            signer: "林知远",
            signed_at: "2026-11-23T01:30:00Z".parse().unwrap(),
        }
    }

    fn terms() -> Terms {
        Terms {
            items: vec!["26".into(), "25".into()],
            purposes: vec!["02".into(), "04".into()],
            valid_from: "2026-11-23".parse().unwrap(),
            valid_to: "2027-02-21".parse().unwrap(),
            max_uses: Some(3),
        }
    }

    #[test]
    fn the_text_says_everything_that_was_agreed() {
        let text = render(TEXT, &parties(), &terms()).unwrap();
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
        assert!(!text.contains(['{', '}']));
        let closing = closing(&["25".into()], "企业数据授权书（QY01 第 1 版）", "ab");
        for part in ["单独同意", "25 纳税信用等级。", "QY01 第 1 版", "ab"] {
            assert!(closing.contains(part), "{part}");
        }
        assert!(!super::closing(&[], "", "").contains("单独同意"));
    }

    #[test]
    fn the_closing_keeps_within_what_a_letter_has_left() {
        let all: Vec<String> = ITEMS.iter().map(|i| i.number.to_owned()).collect();
        let longest = closing(&all, &"模".repeat(100), &"0".repeat(64));
        assert!(longest.chars().count() <= CLOSING_MAX);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let told = |text: &str| check(text).unwrap_err().message;
        assert!(check(TEXT).is_ok());
        let with = |extra: &str| format!("{TEXT}{extra}");
        let unknown = told(&with("\n另：{foo}"));
        assert!(
            unknown.contains("行第 3 字的 {foo} 不是可用的变量"),
            "{unknown}"
        );
        assert!(told("甲{乙\n").contains("第 1 行第 2 字的“{”"));
        assert!(told("甲\n{乙{items}").contains("第 2 行第 1 字的“{”"));
        assert!(told("甲\n乙}").contains("第 2 行第 2 字的“}”"));
        assert!(told("{items}").contains("{grantor}（授权人名称）"));
        assert_eq!(check("").unwrap_err().code, "required");
        let long = check(&with(&"字".repeat(3000))).unwrap_err();
        assert_eq!(long.code, "too-long");
        let again = check(&with(&"{items}".repeat(20))).unwrap_err();
        assert_eq!(again.code, "too-long");
    }
}
