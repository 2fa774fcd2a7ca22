//! Demo products of two invented banks, two of them for the demo parks alone.

use sdk::prelude::*;
use sdk::serde_json;

use crate::model::{Product, ProductKind, Repayment, Status, Zone};

const PRODUCTS: &str = include_str!("seed/products.json");

const HUJIANG: &str = "01930000-0000-7000-8000-000000000101";
const PUCHENG: &str = "01930000-0000-7000-8000-000000000201";

/// A product as the file writes it: pairs from least to most, in 万元, months and basis points.
#[derive(Deserialize)]
struct Row {
    id: String,
    bank: String,
    code: String,
    name: String,
    kind: ProductKind,
    amount_wan: (i64, i64),
    term: (i64, i64),
    rate_bp: (i64, i64),
    repayment: Repayment,
    guarantee: String,
    features: String,
    audience: String,
    approval_days: i64,
    zone: Option<Zone>,
    tags: Vec<String>,
    model: Option<String>,
    park: Option<String>,
    status: Status,
}

pub(crate) fn all() -> Vec<SeedDef> {
    rows().unwrap_or_default().into_iter().map(seed).collect()
}

fn rows() -> serde_json::Result<Vec<Row>> {
    serde_json::from_str(PRODUCTS)
}

fn seed(row: Row) -> SeedDef {
    let organisation = if row.bank == "沪江银行" {
        HUJIANG
    } else {
        PUCHENG
    };
    let wan = |n: i64| Money::from_yuan(n * 10_000);
    let product = Product {
        code: row.code,
        name: row.name,
        institution_name: row.bank,
        kind: row.kind,
        amount_min: wan(row.amount_wan.0),
        amount_max: wan(row.amount_wan.1),
        term_min: row.term.0,
        term_max: row.term.1,
        rate_from: Decimal::from_units(row.rate_bp.0),
        rate_to: Decimal::from_units(row.rate_bp.1),
        repayment: row.repayment,
        guarantee: row.guarantee,
        features: row.features,
        audience: row.audience,
        approval_days: row.approval_days,
        model: row.model,
        park: row.park,
        zone: row.zone,
        tags: row.tags,
        status: row.status,
    };
    Seed::demo(row.id, product)
        .organisation(organisation)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_is_well_formed() {
        assert_eq!(rows().unwrap().len(), 13);
        let all = all();
        assert_eq!(all.len(), 13);
        for seed in &all {
            let p = Product::from_map(&seed.values).unwrap();
            assert!(p.amount_min < p.amount_max, "{}", p.name);
            assert!(
                p.term_min <= p.term_max && p.rate_from <= p.rate_to,
                "{}",
                p.name
            );
            assert!(["沪江银行", "浦城农商银行"].contains(&p.institution_name.as_str()));
        }
    }
}
