//! Demo data: the sources' records of 24 invented enterprises.
//!
//! `seed/city.json` was made from `examples/bank-models/fit/demo-city.json`; a source without a
//! record of an enterprise is null there.

use sdk::prelude::*;
use sdk::serde_json;

use crate::model::{InsuranceRecord, JudicialRecord, TaxRecord, UtilityRecord};

/// Whose the tax records are in the demo, and whose the others.
const TAX_UNIT: &str = "01930000-0000-7000-8000-000000000003";
const CREDIT_UNIT: &str = "01930000-0000-7000-8000-000000000004";

const CITY: &str = include_str!("seed/city.json");

#[derive(Deserialize)]
struct Row {
    subject: String,
    district: String,
    tax: Tax,
    insurance: Option<Insurance>,
    utility: Option<Utility>,
    judicial: Judicial,
}

#[derive(Deserialize)]
struct Tax {
    paid_12m: Money,
    sales_12m: Money,
    sales_cv: Decimal<4>,
    grade: String,
    months_declared: i64,
}

#[derive(Deserialize)]
struct Insurance {
    insured: i64,
    insured_change_12m: Decimal<4>,
    months_in_arrears: i64,
}

#[derive(Deserialize)]
struct Utility {
    power_change_12m: Decimal<4>,
    arrears_count: i64,
}

#[derive(Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the record's fields"
)]
struct Judicial {
    enforcement_count: i64,
    dishonest_count: i64,
    penalty_count: i64,
}

pub(crate) fn all() -> Vec<SeedDef> {
    let (Ok(rows), Some(as_of)) = (rows(), Date::new(2026, 10, 31)) else {
        return Vec::new();
    };
    rows.into_iter().flat_map(|row| seeds(row, as_of)).collect()
}

fn rows() -> serde_json::Result<Vec<Row>> {
    serde_json::from_str(CITY)
}

fn seeds(row: Row, as_of: Date) -> Vec<SeedDef> {
    let Row {
        subject,
        district,
        tax,
        insurance,
        utility,
        judicial,
    } = row;
    let tax = TaxRecord {
        paid_12m: Some(tax.paid_12m),
        sales_12m: Some(tax.sales_12m),
        sales_cv: Some(tax.sales_cv),
        grade: Some(tax.grade),
        months_declared: Some(tax.months_declared),
        source: "税务局".into(),
        as_of,
        version: None,
        corrects: None,
        replaced_by: None,
        dispute: None,
        disputed: None,
    };
    let judicial = JudicialRecord {
        enforcement_count: judicial.enforcement_count,
        dishonest_count: judicial.dishonest_count,
        penalty_count: judicial.penalty_count,
        source: "高级人民法院、市信用中心".into(),
        as_of,
        version: None,
        corrects: None,
        replaced_by: None,
        dispute: None,
        disputed: None,
    };
    let insurance = insurance.map(|i| InsuranceRecord {
        insured: Some(i.insured),
        insured_change_12m: Some(i.insured_change_12m),
        months_in_arrears: Some(i.months_in_arrears),
        source: "人力资源社会保障局".into(),
        as_of,
        version: None,
        corrects: None,
        replaced_by: None,
        dispute: None,
        disputed: None,
    });
    let utility = utility.map(|u| UtilityRecord {
        power_change_12m: Some(u.power_change_12m),
        arrears_count: Some(u.arrears_count),
        source: "供电、供水与燃气企业".into(),
        as_of,
        version: None,
        corrects: None,
        replaced_by: None,
        dispute: None,
        disputed: None,
    });
    let about = (subject.as_str(), district.as_str());
    let mut seeds = vec![
        seed(about, ("1", TAX_UNIT), tax),
        seed(about, ("4", CREDIT_UNIT), judicial),
    ];
    seeds.extend(insurance.map(|i| seed(about, ("2", CREDIT_UNIT), i)));
    seeds.extend(utility.map(|u| seed(about, ("3", CREDIT_UNIT), u)));
    seeds
}

/// The record's id is the subject's with the source's digit before its last four; it belongs to the
/// unit that answers for it.
fn seed<R: Record>(
    (subject, district): (&str, &str),
    (source, unit): (&str, &str),
    record: R,
) -> SeedDef {
    let (head, tail) = subject.split_at(subject.len().saturating_sub(4));
    let id = format!(
        "{}{source}{tail}",
        head.get(..head.len().saturating_sub(1)).unwrap_or(head)
    );
    Seed::demo(id, record)
        .subject(subject)
        .organisation(unit)
        .district(district)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_city_is_read_whole() {
        assert_eq!(rows().unwrap().len(), 24);
        let all = all();
        assert_eq!(
            all.iter()
                .filter(|s| s.collection == TaxRecord::COLLECTION)
                .count(),
            24
        );
        assert_eq!(
            all.iter()
                .filter(|s| s.collection == JudicialRecord::COLLECTION)
                .count(),
            24
        );
        let mut ids: Vec<&String> = all.iter().map(|s| &s.id).collect();
        assert!(ids.iter().all(|id| id.len() == 36));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
    }
}
