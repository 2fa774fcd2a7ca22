//! What is allowed: terms of an application and of a decision, consent at a glance.

pub(crate) mod quota;

use sdk::prelude::*;

use crate::model::{Application, Letter, Product};

/// Fewest characters of a reason that a person can do something with.
pub(crate) const REASON_MIN: usize = 5;
/// Purpose code of a letter: approval.
pub(crate) const APPROVAL: &str = "02";
/// Purpose code of a letter: estimate.
pub(crate) const ESTIMATE: &str = "04";

/// `1000000.00` as `100 万元`, other amounts in 元.
pub(crate) fn words(amount: Money) -> String {
    if amount.units % 1_000_000 == 0 {
        return format!("{} 万元", amount.units / 1_000_000);
    }
    format!("{amount} 元")
}

fn faults(faults: Vec<FieldFault>) -> Result<(), Fault> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Fault::invalid(faults))
    }
}

fn amount_fault(amount: Money, least: Money, most: Money, whose: &str) -> Option<FieldFault> {
    let range = || format!("{whose} {} 至 {}", words(least), words(most));
    match amount {
        a if a < least => Some(FieldFault::new("amount", "too-small", range())),
        a if a > most => Some(FieldFault::new("amount", "too-large", range())),
        _ => None,
    }
}

/// What was asked for is what the product offers.
pub(crate) fn terms(
    product: &Product,
    amount: Money,
    months: i64,
    agreed: bool,
) -> Result<(), Fault> {
    let mut wrong = Vec::new();
    wrong.extend(amount_fault(
        amount,
        product.amount_min,
        product.amount_max,
        "该产品额度为",
    ));
    if !(product.term_min..=product.term_max).contains(&months) {
        let message = format!(
            "该产品期限为 {} 至 {} 个月",
            product.term_min, product.term_max
        );
        wrong.push(FieldFault::new("term_months", "out-of-range", message));
    }
    if !agreed {
        wrong.push(FieldFault::new("agree", "required", "请确认并勾选后再提交"));
    }
    faults(wrong)
}

/// An approval stays within what was asked for and what the product offers.
pub(crate) fn approval(
    application: &Application,
    product: &Product,
    amount: Money,
    rate: Decimal<4>,
) -> Result<(), Fault> {
    let mut wrong = Vec::new();
    let most = application.amount.min(product.amount_max);
    wrong.extend(amount_fault(
        amount,
        product.amount_min,
        most,
        "批准金额应为",
    ));
    if rate < product.rate_from || rate > product.rate_to {
        let message = format!(
            "该产品年化利率为 {} 至 {}",
            percent(product.rate_from),
            percent(product.rate_to)
        );
        wrong.push(FieldFault::new("rate", "out-of-range", message));
    }
    faults(wrong)
}

/// `0.0345` as `3.45%`.
pub(crate) fn percent(rate: Decimal<4>) -> String {
    format!("{}%", sdk::contract::scalar::print_scaled(rate.units, 2))
}

/// A score's figure as records keep it. `None` when it is no finite number of usual size.
pub(crate) fn decimal<const S: u8>(figure: f64) -> Option<Decimal<S>> {
    format!("{figure:.digits$}", digits = usize::from(S))
        .parse()
        .ok()
}

/// A reason says enough for the other side to act on it.
pub(crate) fn reason(text: &str) -> Result<(), Fault> {
    if text.trim().chars().count() >= REASON_MIN {
        return Ok(());
    }
    let message = format!("请至少填写 {REASON_MIN} 个字，让对方知道怎么办");
    faults(vec![FieldFault::new("reason", "too-short", message)])
}

/// Names of the features that the party disputed when they were read.
pub(crate) fn disputed(reasons: &[Contribution]) -> Vec<String> {
    let disputed = reasons.iter().filter(|reason| reason.disputed);
    disputed.map(|reason| reason.feature.clone()).collect()
}

/// Whether a letter looks good for a read today. The kernel decides at the read itself; this is
/// for telling a person beforehand.
pub(crate) fn covers(letter: &Letter, bank: &str, purpose: &str, today: Date) -> bool {
    letter.recipient == bank
        && letter.status == "effective"
        && letter.purposes.iter().any(|p| p == purpose)
        && letter.valid_from <= today
        && today <= letter.valid_to
        && letter.max_uses.is_none_or(|max| letter.uses < max)
}

/// A consent refusal with what to do about it; other faults as they are.
pub(crate) fn explain(fault: Fault, bank: &str) -> Fault {
    if leaves_it_to_a_person(&fault) {
        let message = format!("{}；也可以勾选“没有评分时转人工评审”后提交", fault.message);
        return Fault { message, ..fault };
    }
    if !fault.code.starts_with("consent.") {
        return fault;
    }
    let message = format!(
        "{}。请先为{bank}签署数据授权书，再提交一次；已填写的内容不会丢失",
        fault.message
    );
    Fault { message, ..fault }
}

/// Whether no model gave a score for reasons of its own, so that a person may look instead. That
/// nobody may read the data is none.
pub(crate) fn leaves_it_to_a_person(fault: &Fault) -> bool {
    ["model.no-score", "model.not-live", "model.unknown-feature"].contains(&fault.code.as_str())
}

/// What a person decides without a score has its grounds in writing.
pub(crate) fn grounds(application: &Application, reason: Option<&str>) -> Result<(), Fault> {
    let said = reason.is_some_and(|reason| !reason.trim().is_empty());
    if said || application.unscored.is_none() {
        return Ok(());
    }
    let what = "没有评分的申请由人工评审，请写明依据";
    Err(Fault::invalid(vec![FieldFault::new(
        "reason", "required", what,
    )]))
}

/// Where to sign for a bank and come back from.
pub(crate) fn sign_path(recipient: &str, back: &str) -> String {
    let back = back
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('&', "%26")
        .replace('=', "%3D");
    format!("/consent/letters/new?recipient={recipient}&return={back}")
}

/// One open application a product and subject: the key that makes the store refuse a second.
pub(crate) fn open_key(subject: &str, product: &str) -> String {
    format!("{subject}:{product}")
}

/// `SQ`, the day, and the end of the id.
pub(crate) fn number(day: Date, id: &str) -> String {
    let day = day.to_string().replace('-', "");
    let tail = id
        .get(id.len().saturating_sub(8)..)
        .unwrap_or(id)
        .to_ascii_uppercase();
    format!("SQ{day}{tail}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn product() -> Product {
        Product {
            id: "01930000-0000-7000-8000-000000002001".into(),
            organisation: "01930000-0000-7000-8000-000000000101".into(),
            name: "云税贷".into(),
            institution_name: "沪江银行".into(),
            amount_min: Money::from_yuan(100_000),
            amount_max: Money::from_yuan(3_000_000),
            term_min: 3,
            term_max: 12,
            rate_from: Decimal::from_units(345),
            rate_to: Decimal::from_units(435),
            model: Some("tax-loan".into()),
            park: None,
            status: "online".into(),
        }
    }

    fn fields(result: Result<(), Fault>) -> Vec<(String, String)> {
        let fault = result.err().into_iter().flat_map(|f| f.fields);
        fault.map(|f| (f.field, f.code)).collect()
    }

    fn pair(field: &str, code: &str) -> (String, String) {
        (field.into(), code.into())
    }

    #[test]
    fn terms_within_the_product_pass() {
        for (yuan, months) in [(100_000, 3), (3_000_000, 12)] {
            assert!(terms(&product(), Money::from_yuan(yuan), months, true).is_ok());
        }
    }

    #[test]
    fn every_wrong_term_is_named_at_once() {
        let low = terms(&product(), Money::from_units(9_999_999), 2, false);
        assert_eq!(
            fields(low),
            [
                pair("amount", "too-small"),
                pair("term_months", "out-of-range"),
                pair("agree", "required")
            ]
        );
        let high = terms(&product(), Money::from_units(300_000_001), 13, true).unwrap_err();
        assert!(
            high.fields[0].message.contains("10 万元 至 300 万元"),
            "{:?}",
            high.fields
        );
    }

    #[test]
    fn an_approval_stays_within_request_and_product() {
        let a = application();
        let yuan = Money::from_yuan;
        assert!(approval(&a, &product(), yuan(500_000), Decimal::from_units(345)).is_ok());
        assert_eq!(
            fields(approval(
                &a,
                &product(),
                yuan(500_001),
                Decimal::from_units(436)
            )),
            [pair("amount", "too-large"), pair("rate", "out-of-range")]
        );
        assert_eq!(
            fields(approval(
                &a,
                &product(),
                yuan(99_999),
                Decimal::from_units(344)
            )),
            [pair("amount", "too-small"), pair("rate", "out-of-range")]
        );
    }

    fn application() -> Application {
        Application {
            number: "SQ1".into(),
            product: product().id,
            product_name: "云税贷".into(),
            institution_name: "沪江银行".into(),
            enterprise_name: "上海云杉智能装备有限公司".into(),
            uscc: "91310115MA90090168".into(),
            region_name: "浦东新区".into(),
            industry_name: "专用设备制造业".into(),
            registered_capital: Money::from_yuan(5_000_000),
            established: Date::new(2016, 4, 8).unwrap(),
            staff: 20,
            contact: "林知远".into(),
            phone: "13800001001".into(),
            amount: Money::from_yuan(500_000),
            term_months: 12,
            purpose: crate::model::Purpose::Materials,
            note: None,
            status: crate::model::Status::Submitted,
            open_key: None,
            model: None,
            score: None,
            base: None,
            probability: None,
            grade: None,
            reasons: None,
            disputed: None,
            corrected: None,
            certificate: None,
            consent: None,
            approved_amount: None,
            approved_rate: None,
            refusal: None,
            decision_reason: None,
            return_reason: None,
            submitted_at: Timestamp::from_micros(0),
            decided_at: None,
            acknowledged_at: None,
            review_reason: None,
            review_asked_at: None,
            review_answer: None,
            review_answered_by: None,
            review_answered_at: None,
            unscored: None,
        }
    }

    #[test]
    fn figures_become_decimals() {
        assert_eq!(
            decimal::<4>(637.191_505),
            Some(Decimal::from_units(6_371_915))
        );
        assert_eq!(decimal::<2>(-3.25), Some(Decimal::from_units(-325)));
        assert_eq!(decimal::<4>(f64::NAN), None);
    }

    #[test]
    fn a_reason_is_more_than_a_word() {
        assert!(reason("请补充近三个月流水").is_ok());
        assert_eq!(fields(reason("  不行 ")), [pair("reason", "too-short")]);
    }

    #[test]
    fn a_letter_covers_its_bank_purpose_and_days() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let letter = Letter {
            recipient: "bank".into(),
            purposes: vec!["02".into()],
            valid_from: day("2026-11-01"),
            valid_to: day("2026-11-30"),
            max_uses: Some(2),
            uses: 1,
            status: "effective".into(),
        };
        assert!(covers(&letter, "bank", "02", day("2026-11-30")));
        assert!(!covers(&letter, "bank", "02", day("2026-12-01")));
        assert!(!covers(&letter, "bank", "04", day("2026-11-30")));
        assert!(!covers(&letter, "other", "02", day("2026-11-30")));
        assert!(!covers(
            &Letter {
                uses: 2,
                ..letter.clone()
            },
            "bank",
            "02",
            day("2026-11-30")
        ));
        assert!(!covers(
            &Letter {
                status: "revoked".into(),
                ..letter
            },
            "bank",
            "02",
            day("2026-11-30")
        ));
    }

    #[test]
    fn only_consent_faults_are_explained() {
        let consent = Fault::new(
            FaultKind::Forbidden,
            "consent.expired",
            "数据授权已过有效期",
        );
        let explained = explain(consent, "沪江银行");
        assert_eq!(
            (explained.kind, explained.code.as_str()),
            (FaultKind::Forbidden, "consent.expired")
        );
        assert!(explained.message.contains("沪江银行签署"));
        assert_eq!(explain(Fault::not_found(), "沪江银行"), Fault::not_found());
    }

    #[test]
    fn the_way_back_survives_the_url() {
        let path = sign_path("b", "/lending/apply?product=1&x=2");
        assert_eq!(
            path,
            "/consent/letters/new?recipient=b&return=/lending/apply%3Fproduct%3D1%26x%3D2"
        );
    }

    #[test]
    fn a_number_has_the_day_and_eight_characters() {
        let day = Date::new(2026, 11, 23).unwrap();
        assert_eq!(
            number(day, "01930000-0000-7000-8000-0000abcd1234"),
            "SQ20261123ABCD1234"
        );
    }
}
