//! The items that can be disputed: where each stands, and what a value of it looks like.

use sdk::contract::kind::Kind;
use sdk::contract::scalar::parse_scaled;
use sdk::prelude::*;

/// One item of a source's records, by the name that scoring models know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// Where its records are.
    pub(crate) collection: &'static str,
    pub(crate) field: &'static str,
    pub(crate) sort: Sort,
}

/// What its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// 元, not negative.
    Money,
    /// So many of a unit, up to a bound where there is one.
    Count(Option<i64>, &'static str),
    /// A fraction, shown in percent.
    Change,
    /// A decimal that is not negative.
    Figure,
    Grade,
}

const TAX: &str = "credit.tax-records";
const INSURANCE: &str = "credit.insurance-records";
const UTILITY: &str = "credit.utility-records";
const JUDICIAL: &str = "credit.judicial-records";
/// Grades of the tax office.
const GRADES: [&str; 5] = ["A", "B", "M", "C", "D"];

const fn item(
    (name, label): (&'static str, &'static str),
    (collection, field): (&'static str, &'static str),
    sort: Sort,
) -> Item {
    Item {
        name,
        label,
        collection,
        field,
        sort,
    }
}

/// All of them; a test holds them against what `credit` declares.
pub(crate) const ITEMS: [Item; 13] = [
    item(
        ("tax.paid_12m", "近12个月纳税额"),
        (TAX, "paid_12m"),
        Sort::Money,
    ),
    item(
        ("tax.sales_12m", "近12个月销售收入"),
        (TAX, "sales_12m"),
        Sort::Money,
    ),
    item(
        ("tax.sales_cv", "月销售收入变异系数"),
        (TAX, "sales_cv"),
        Sort::Figure,
    ),
    item(("tax.grade", "纳税信用等级"), (TAX, "grade"), Sort::Grade),
    item(
        ("tax.months_declared", "连续申报月数"),
        (TAX, "months_declared"),
        Sort::Count(Some(36), "个月"),
    ),
    item(
        ("social.insured", "参保人数"),
        (INSURANCE, "insured"),
        Sort::Count(None, "人"),
    ),
    item(
        ("social.insured_change_12m", "参保人数同比变动"),
        (INSURANCE, "insured_change_12m"),
        Sort::Change,
    ),
    item(
        ("social.months_in_arrears", "社保欠缴月数"),
        (INSURANCE, "months_in_arrears"),
        Sort::Count(Some(36), "个月"),
    ),
    item(
        ("utility.power_change_12m", "用电量同比变动"),
        (UTILITY, "power_change_12m"),
        Sort::Change,
    ),
    item(
        ("utility.arrears_count", "水电气欠费次数"),
        (UTILITY, "arrears_count"),
        Sort::Count(None, "次"),
    ),
    item(
        ("judicial.enforcement_count", "被执行案件数"),
        (JUDICIAL, "enforcement_count"),
        Sort::Count(None, "件"),
    ),
    item(
        ("judicial.dishonest_count", "失信被执行记录数"),
        (JUDICIAL, "dishonest_count"),
        Sort::Count(None, "条"),
    ),
    item(
        ("judicial.penalty_count", "行政处罚次数"),
        (JUDICIAL, "penalty_count"),
        Sort::Count(None, "次"),
    ),
];

impl Item {
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        ITEMS.iter().find(|item| item.name == name)
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.sort {
            Sort::Money => Kind::Money {
                min: Some(0),
                max: None,
            },
            Sort::Count(max, _) => Kind::Integer { min: Some(0), max },
            Sort::Change => Kind::Decimal {
                scale: 4,
                min: None,
                max: None,
            },
            Sort::Figure => Kind::Decimal {
                scale: 4,
                min: Some(0),
                max: None,
            },
            Sort::Grade => Kind::Text { max: 1 },
        }
    }

    /// A value that somebody claims, as it is kept; the fault names the input `claimed`.
    pub(crate) fn claimed(&self, value: &Value) -> Result<String, FieldFault> {
        let checked = self
            .kind()
            .check(value, &[])
            .map_err(|misfit| misfit.fault("claimed"))?;
        let kept = text(&checked).unwrap_or_default();
        if self.sort == Sort::Grade && !GRADES.contains(&kept.as_str()) {
            let what = "纳税信用等级为 A、B、M、C、D 之一";
            return Err(FieldFault::new("claimed", "not-an-option", what));
        }
        Ok(kept)
    }

    /// A kept value, to show.
    pub(crate) fn shown(&self, kept: &str) -> Datum {
        match self.sort {
            Sort::Money => parse_scaled(kept, 2).map_or(Datum::None, Datum::Money),
            Sort::Count(_, unit) => Datum::quantity(kept, unit),
            Sort::Change => Datum::ratio(kept),
            Sort::Figure => Datum::Decimal(kept.to_owned()),
            Sort::Grade => Datum::text(kept),
        }
    }

    /// The field to type a claimed value into.
    pub(crate) fn field(&self) -> Field {
        let (name, label) = ("claimed", format!("您认为正确的{}", self.label));
        let field = match self.sort {
            Sort::Money => Field::money(name, label, Some(0), None),
            Sort::Count(max, unit) => Field::number(name, label, Some(0), max, unit),
            Sort::Change => Field::ratio(name, label, None, None).help("下降的填负数"),
            Sort::Figure => {
                let kind = FieldKind::Number {
                    scale: 4,
                    min: Some(0),
                    max: None,
                    unit: String::new(),
                };
                Field::new(name, label, kind)
            }
            Sort::Grade => {
                let grades = GRADES.iter().map(|g| Choice::new(*g, *g)).collect();
                Field::pick(name, label, grades)
            }
        };
        field.required()
    }
}

/// A value of a record as text; none where it holds nothing.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_of_the_items_kind() {
        let claimed = |item: &str, value: Value| Item::of(item).unwrap().claimed(&value);
        for (item, value, kept) in [
            ("tax.paid_12m", json!("12,345.6"), "12345.60"),
            ("tax.grade", json!("A"), "A"),
            ("tax.months_declared", json!(36), "36"),
            ("social.insured", json!("7"), "7"),
            ("utility.power_change_12m", json!("-0.1"), "-0.1000"),
        ] {
            assert_eq!(claimed(item, value).as_deref(), Ok(kept), "{item}");
        }
        for (item, value) in [
            ("tax.paid_12m", json!("-1")),
            ("tax.paid_12m", json!("很多")),
            ("tax.paid_12m", json!({ "amount": 1 })),
            ("tax.grade", json!("S")),
            ("tax.grade", json!("")),
            ("tax.months_declared", json!(37)),
            ("tax.months_declared", json!("1.5")),
            ("tax.sales_cv", json!("-0.1")),
            ("social.insured", json!(null)),
        ] {
            let fault = claimed(item, value.clone()).unwrap_err();
            assert_eq!(fault.field, "claimed", "{item} {value}");
        }
    }

    #[test]
    fn a_value_is_shown_by_its_kind() {
        let shown = |item: &str, kept: &str| Item::of(item).unwrap().shown(kept);
        assert_eq!(shown("tax.paid_12m", "12.50"), Datum::Money(1250));
        assert_eq!(shown("social.insured", "7"), Datum::quantity(7, "人"));
        assert_eq!(Item::of("tax.unknown"), None);
    }
}
