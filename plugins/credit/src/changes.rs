//! What became of what the release before declared.

use sdk::prelude::*;

use crate::model::{InsuranceRecord, TaxRecord, UtilityRecord};

/// Figures of level L3 that were stored in plain. The plain values go with the release that leaves
/// this out.
pub(crate) fn all() -> Vec<ChangeDef> {
    let sealed = |collection: &str, fields: &[&str]| {
        let sealed = |field: &&str| ChangeDef::Converted {
            collection: collection.to_owned(),
            field: (*field).to_owned(),
            from: None,
            by: Conversion::Read,
            lossy: false,
        };
        fields.iter().map(sealed).collect::<Vec<_>>()
    };
    [
        sealed(
            TaxRecord::COLLECTION,
            &[
                "paid_12m",
                "sales_12m",
                "sales_cv",
                "grade",
                "months_declared",
            ],
        ),
        sealed(
            InsuranceRecord::COLLECTION,
            &["insured", "insured_change_12m", "months_in_arrears"],
        ),
        sealed(
            UtilityRecord::COLLECTION,
            &["power_change_12m", "arrears_count"],
        ),
    ]
    .concat()
}
