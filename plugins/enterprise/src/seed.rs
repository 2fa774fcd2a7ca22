//! Demo data: 24 invented enterprises, the first two with users in `host-config/demo.toml`.
//!
//! `seed/city.json` was made from `examples/bank-models/fit/demo-city.json`.

use sdk::prelude::*;
use sdk::serde_json;

use crate::model::{Enterprise, Standing};

const CITY: &str = include_str!("seed/city.json");
/// The one that is no more, so that the demo has a party nobody may act for.
const GONE: &str = "01930000-0000-7000-8000-000000001024";

#[derive(Deserialize)]
struct Row {
    id: String,
    name: String,
    uscc: String,
    district: String,
    district_name: String,
    industry: String,
    industry_name: String,
    legal_representative: String,
    registered_capital_wan: i64,
    established: Date,
    staff: i64,
    contact: String,
    phone: String,
}

pub(crate) fn all() -> Vec<SeedDef> {
    let (Ok(rows), Some(as_of)) = (rows(), Date::new(2026, 11, 1)) else {
        return Vec::new();
    };
    rows.into_iter().map(|row| seed(row, as_of)).collect()
}

fn rows() -> serde_json::Result<Vec<Row>> {
    serde_json::from_str(CITY)
}

fn seed(row: Row, as_of: Date) -> SeedDef {
    let enterprise = Enterprise {
        name: row.name,
        uscc: row.uscc,
        region: row.district.clone(),
        region_name: row.district_name,
        industry: row.industry,
        industry_name: row.industry_name,
        legal_representative: row.legal_representative,
        registered_capital: Money::from_yuan(row.registered_capital_wan * 10_000),
        standing: Some(if row.id == GONE {
            Standing::Deregistered
        } else {
            Standing::Active
        }),
        established: row.established,
        staff: row.staff,
        as_of,
        contact: Some(row.contact),
        phone: Some(row.phone),
    };
    Seed::demo(&row.id, enterprise)
        .subject(&row.id)
        .district(&row.district)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdk::contract::code::{Format, uscc_check_holds};

    #[test]
    fn the_demo_city_is_read_whole_and_its_codes_hold() {
        let rows = rows().unwrap();
        assert_eq!(rows.len(), 24);
        assert_eq!(all().len(), 24);
        for row in rows {
            assert!(uscc_check_holds(&row.uscc), "{}", row.name);
            assert_eq!(&row.uscc[2..8], row.district, "{}", row.name);
            assert!(Format::Phone.check(&row.phone).is_ok(), "{}", row.name);
            assert!(
                Format::Industry.check(&row.industry).is_ok(),
                "{}",
                row.name
            );
        }
    }
}
