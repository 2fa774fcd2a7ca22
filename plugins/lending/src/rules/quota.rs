//! 一键测额: a rule of thumb for tax-based loans, exact in integers.
//!
//! base = the lesser of tax paid × 6 and sales × 15 %
//! limit = base × grade factor × stability × growth, capped by the product, down to whole 万元
//!
//! Grade: A 1.0, B 0.8, M 0.5, others 0. Stability: months declared ÷ 24 (at most 1), less the
//! variation of monthly sales (at most a half). Growth: 1 + change of power used, within 0.8 and
//! 1.2. A dishonest-debtor record makes it zero. The low end of the range is 70 % of the limit.
//! The parameters are the platform's; a bank's own come with its products later.

use sdk::contract::scalar::parse_scaled;
use sdk::prelude::*;

use super::{Product, words};

const TAX_TIMES: i64 = 6;
const SALES_PERCENT: i64 = 15;
/// One in the units of factors.
const ONE: i64 = 10_000;
/// 万元 in 分.
const WAN: i64 = 1_000_000;
const LOW_PERCENT: i64 = 70;

/// What the rule looks at. Factors and ratios in ten-thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) paid: Money,
    pub(crate) sales: Money,
    /// Coefficient of variation.
    pub(crate) variation: i64,
    pub(crate) grade: String,
    pub(crate) months: i64,
    /// None without a meter of one's own.
    pub(crate) power_change: Option<i64>,
    pub(crate) dishonest: i64,
}

/// Both ends in whole 万元; zero when the product's least amount is not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: Money,
    pub(crate) high: Money,
    pub(crate) reasons: Vec<String>,
}

impl Facts {
    /// From what the kernel read for a score, so that the estimate sees nothing the letter of
    /// consent does not cover. `None` when the model reads no tax data.
    pub(crate) fn of(reasons: &[Contribution]) -> Option<Self> {
        let value = |name: &str| {
            reasons
                .iter()
                .find(|r| r.feature == name)
                .map(|r| &r.value)
                .filter(|v| !v.is_null())
        };
        let number = |name: &str, scale: u8| value(name).and_then(|v| units(v, scale));
        Some(Self {
            paid: Money::from_units(number("tax.paid_12m", 2)?),
            sales: Money::from_units(number("tax.sales_12m", 2)?),
            variation: number("tax.sales_cv", 4).unwrap_or_default(),
            grade: value("tax.grade")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            months: number("tax.months_declared", 0).unwrap_or_default(),
            power_change: number("utility.power_change_12m", 4),
            dishonest: number("judicial.dishonest_count", 0).unwrap_or_default(),
        })
    }
}

/// A number, or decimal text, in units of the `scale`-th digit; further digits are cut off.
fn units(value: &Value, scale: u8) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction: String = fraction.chars().take(usize::from(scale)).collect();
    let whole = if whole.is_empty() || whole == "-" {
        format!("{whole}0")
    } else {
        whole.to_owned()
    };
    parse_scaled(&format!("{whole}.{fraction}"), scale)
}

fn grade_factor(grade: &str) -> i64 {
    match grade {
        "A" => ONE,
        "B" => 8_000,
        "M" => 5_000,
        _ => 0,
    }
}

/// The estimate. `None` on an overflow, which no real figures reach.
pub(crate) fn estimate(facts: &Facts, product: &Product) -> Option<Range> {
    let by_tax = facts.paid.units.checked_mul(TAX_TIMES)?;
    let by_sales = facts.sales.units.checked_mul(SALES_PERCENT)? / 100;
    let base = by_tax.min(by_sales).max(0);
    let grade = grade_factor(&facts.grade);
    let steadiness = ONE - facts.variation.clamp(0, ONE / 2);
    let stability = facts.months.clamp(0, 24) * steadiness / 24;
    let growth = (ONE + facts.power_change.unwrap_or_default()).clamp(8_000, 12_000);

    let mut limit = i128::from(base);
    for factor in [grade, stability, growth] {
        limit = limit.checked_mul(i128::from(factor))?;
    }
    let one = i128::from(ONE);
    let limit = i64::try_from(limit / (one * one * one)).ok()?;
    let vetoed = facts.dishonest > 0;
    let capped = if vetoed {
        0
    } else {
        limit.min(product.amount_max.units)
    };
    let high = down(capped);
    let enough = high >= product.amount_min.units;

    let mut reasons = vec![
        format!(
            "近12个月纳税额 × {TAX_TIMES} 与销售收入 × {SALES_PERCENT}% 取低：{}",
            words(Money::from_units(down(base)))
        ),
        format!("纳税信用等级 {}，系数 {}", facts.grade, factor(grade)),
        format!(
            "连续申报 {} 个月、销售平稳程度，系数 {}",
            facts.months,
            factor(stability)
        ),
        match facts.power_change {
            Some(_) => format!("用电量变化，系数 {}", factor(growth)),
            None => "没有独立用电数据，不作调整".to_owned(),
        },
    ];
    if limit > product.amount_max.units {
        reasons.push(format!("以产品上限 {} 为准", words(product.amount_max)));
    }
    if vetoed {
        reasons.push("存在失信被执行记录，暂不能测额".to_owned());
    } else if !enough {
        reasons.push(format!("未达到产品起贷金额 {}", words(product.amount_min)));
    }
    let high = if enough { high } else { 0 };
    let low = down(high / 100 * LOW_PERCENT).max(if enough { product.amount_min.units } else { 0 });
    Some(Range {
        low: Money::from_units(low),
        high: Money::from_units(high),
        reasons,
    })
}

fn down(units: i64) -> i64 {
    units / WAN * WAN
}

fn factor(units: i64) -> String {
    Decimal::<4>::from_units(units).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::product;

    fn facts() -> Facts {
        Facts {
            paid: Money::from_yuan(300_000),
            sales: Money::from_yuan(15_000_000),
            variation: 500,
            grade: "A".into(),
            months: 36,
            power_change: Some(1_000),
            dishonest: 0,
        }
    }

    fn range(facts: &Facts) -> (i64, i64) {
        let range = estimate(facts, &product()).unwrap();
        (range.low.units / WAN, range.high.units / WAN)
    }

    #[test]
    fn the_formula_by_hand() {
        // min(180 万, 225 万) × 1.0 × 0.95 × 1.1 = 188.1 万; 70 % = 131.6 万
        assert_eq!(range(&facts()), (131, 188));
        // B: 188.1 × 0.8 = 150.48
        assert_eq!(
            range(&Facts {
                grade: "B".into(),
                ..facts()
            })
            .1,
            150
        );
        // half the months: 180 × 0.475 × 1.1 = 94.05
        assert_eq!(
            range(&Facts {
                months: 12,
                ..facts()
            })
            .1,
            94
        );
        // growth is clamped: 180 × 0.95 × 0.8 = 136.8
        assert_eq!(
            range(&Facts {
                power_change: Some(-9_000),
                ..facts()
            })
            .1,
            136
        );
        // sales bind: min(180, 15) × 0.95 × 1.1 = 15.675
        assert_eq!(
            range(&Facts {
                sales: Money::from_yuan(1_000_000),
                ..facts()
            }),
            (10, 15)
        );
    }

    #[test]
    fn the_product_caps_and_floors() {
        let rich = Facts {
            paid: Money::from_yuan(9_000_000),
            sales: Money::from_yuan(900_000_000),
            ..facts()
        };
        assert_eq!(range(&rich), (210, 300));
        let poor = Facts {
            paid: Money::from_yuan(10_000),
            ..facts()
        };
        assert_eq!(range(&poor), (0, 0));
    }

    #[test]
    fn bad_grades_and_dishonesty_make_it_zero() {
        for grade in ["C", "D", ""] {
            assert_eq!(
                range(&Facts {
                    grade: grade.into(),
                    ..facts()
                }),
                (0, 0),
                "{grade}"
            );
        }
        let range = estimate(
            &Facts {
                dishonest: 1,
                ..facts()
            },
            &product(),
        )
        .unwrap();
        assert_eq!(range.high, Money::ZERO);
        assert!(range.reasons.iter().any(|r| r.contains("失信")));
    }

    #[test]
    fn figures_are_read_in_any_form_a_score_gives_them() {
        assert_eq!(units(&json!("256839.00"), 2), Some(25_683_900));
        assert_eq!(units(&json!(256_839), 2), Some(25_683_900));
        assert_eq!(units(&json!(-0.1131), 4), Some(-1_131));
        assert_eq!(units(&json!("0.123456"), 4), Some(1_234));
        assert_eq!(units(&json!(null), 4), None);
        assert_eq!(units(&json!("A"), 0), None);
    }
}
