//! What exists: one record a source and subject; the newest counts. A correction is a new record
//! beside the one it takes the place of ([`versions`]).
//!
//! Each field that a scoring model may ask for is declared as a feature with the item of the
//! sharing catalogue that consent must name, and has the level of that item: what the tax office,
//! the insurance fund and the utilities tell is L3 and stored encrypted, what courts publish L1.

pub(crate) mod versions;

use sdk::prelude::*;

use crate::permissions;

/// 纳税数据. The last twelve months as declared to the tax office.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "tax-records",
    title = source,
    shard = subject,
    attested,
    retention(purpose = "经企业授权后评估其信用；由来源单位的新数据更新"),
    read = permissions::READ,
    index(subject, created_at)
)]
pub(crate) struct TaxRecord {
    /// 近12个月纳税额.
    #[field(min = 0, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) paid_12m: Option<Money>,
    /// 近12个月销售收入.
    #[field(min = 0, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) sales_12m: Option<Money>,
    /// 月销售收入变异系数. 越小越平稳。
    #[field(min = 0, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) sales_cv: Option<Decimal<4>>,
    /// 纳税信用等级. A、B、M、C、D。
    #[field(max = 1, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) grade: Option<String>,
    /// 连续申报月数. 最近 36 个月内。
    #[field(min = 0, max = 36, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) months_declared: Option<i64>,
    /// 数据来源.
    #[field(max = 60)]
    pub(crate) source: String,
    /// 数据日期.
    pub(crate) as_of: Date,
    /// 版次. 更正一次加一；空为第 1 版。
    #[field(min = 1)]
    pub(crate) version: Option<i64>,
    /// 更正前的记录. 本记录替代的那一版。
    #[field(max = 64, frozen, unique)]
    pub(crate) corrects: Option<String>,
    /// 更正后的记录. 有值时本记录已被替代。
    #[field(max = 64)]
    pub(crate) replaced_by: Option<String>,
    /// 更正所据的异议.
    #[field(max = 64, frozen)]
    pub(crate) dispute: Option<String>,
    /// 异议处理中的数据项. 字段名。
    #[field(json)]
    pub(crate) disputed: Option<Vec<String>>,
}

/// What the tax office grades with, the best first.
pub(crate) const GRADES: [&str; 5] = ["A", "B", "M", "C", "D"];

/// 社保数据. Insured staff and arrears.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "insurance-records",
    title = source,
    shard = subject,
    attested,
    retention(purpose = "经企业授权后评估其信用；由来源单位的新数据更新"),
    read = permissions::READ,
    index(subject, created_at)
)]
pub(crate) struct InsuranceRecord {
    /// 参保人数.
    #[field(min = 0, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) insured: Option<i64>,
    /// 参保人数同比变动.
    #[field(encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) insured_change_12m: Option<Decimal<4>>,
    /// 社保欠缴月数. 最近 36 个月内。
    #[field(min = 0, max = 36, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) months_in_arrears: Option<i64>,
    /// 数据来源.
    #[field(max = 60)]
    pub(crate) source: String,
    /// 数据日期.
    pub(crate) as_of: Date,
    /// 版次. 更正一次加一；空为第 1 版。
    #[field(min = 1)]
    pub(crate) version: Option<i64>,
    /// 更正前的记录. 本记录替代的那一版。
    #[field(max = 64, frozen, unique)]
    pub(crate) corrects: Option<String>,
    /// 更正后的记录. 有值时本记录已被替代。
    #[field(max = 64)]
    pub(crate) replaced_by: Option<String>,
    /// 更正所据的异议.
    #[field(max = 64, frozen)]
    pub(crate) dispute: Option<String>,
    /// 异议处理中的数据项. 字段名。
    #[field(json)]
    pub(crate) disputed: Option<Vec<String>>,
}

/// 水电气数据. Consumption and arrears.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "utility-records",
    title = source,
    shard = subject,
    attested,
    retention(purpose = "经企业授权后评估其信用；由来源单位的新数据更新"),
    read = permissions::READ,
    index(subject, created_at)
)]
pub(crate) struct UtilityRecord {
    /// 用电量同比变动.
    #[field(encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) power_change_12m: Option<Decimal<4>>,
    /// 水电气欠费次数. 最近 12 个月内。
    #[field(min = 0, encrypted, level = "L3", mask = "hidden", reveal = permissions::REVEAL)]
    pub(crate) arrears_count: Option<i64>,
    /// 数据来源.
    #[field(max = 60)]
    pub(crate) source: String,
    /// 数据日期.
    pub(crate) as_of: Date,
    /// 版次. 更正一次加一；空为第 1 版。
    #[field(min = 1)]
    pub(crate) version: Option<i64>,
    /// 更正前的记录. 本记录替代的那一版。
    #[field(max = 64, frozen, unique)]
    pub(crate) corrects: Option<String>,
    /// 更正后的记录. 有值时本记录已被替代。
    #[field(max = 64)]
    pub(crate) replaced_by: Option<String>,
    /// 更正所据的异议.
    #[field(max = 64, frozen)]
    pub(crate) dispute: Option<String>,
    /// 异议处理中的数据项. 字段名。
    #[field(json)]
    pub(crate) disputed: Option<Vec<String>>,
}

/// 司法与处罚数据. Public records, still listed in a letter of consent.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "judicial-records",
    title = source,
    shard = subject,
    attested,
    read = permissions::READ,
    index(subject, created_at)
)]
pub(crate) struct JudicialRecord {
    /// 被执行案件数.
    #[field(min = 0, level = "L1")]
    pub(crate) enforcement_count: i64,
    /// 失信被执行记录数.
    #[field(min = 0, level = "L1")]
    pub(crate) dishonest_count: i64,
    /// 行政处罚次数.
    #[field(min = 0, level = "L1")]
    pub(crate) penalty_count: i64,
    /// 数据来源.
    #[field(max = 60)]
    pub(crate) source: String,
    /// 数据日期.
    pub(crate) as_of: Date,
    /// 版次. 更正一次加一；空为第 1 版。
    #[field(min = 1)]
    pub(crate) version: Option<i64>,
    /// 更正前的记录. 本记录替代的那一版。
    #[field(max = 64, frozen, unique)]
    pub(crate) corrects: Option<String>,
    /// 更正后的记录. 有值时本记录已被替代。
    #[field(max = 64)]
    pub(crate) replaced_by: Option<String>,
    /// 更正所据的异议.
    #[field(max = 64, frozen)]
    pub(crate) dispute: Option<String>,
    /// 异议处理中的数据项. 字段名。
    #[field(json)]
    pub(crate) disputed: Option<Vec<String>>,
}

/// A field's feature, by the name of its collection and its own.
pub(crate) fn feature_of(collection: &str, field: &str) -> Option<FeatureDef> {
    let mut all = features().into_iter();
    all.find(|f| f.collection == collection && f.field == field)
}

/// Feature, label, English label, catalogue item.
type Row = (&'static str, &'static str, &'static str, &'static str);

const TAX: [Row; 5] = [
    (
        "tax.paid_12m",
        "近12个月纳税额",
        "Tax paid in 12 months",
        "26",
    ),
    (
        "tax.sales_12m",
        "近12个月销售收入",
        "Sales in 12 months",
        "27",
    ),
    (
        "tax.sales_cv",
        "月销售收入变异系数",
        "Variation of monthly sales",
        "27",
    ),
    ("tax.grade", "纳税信用等级", "Tax credit grade", "25"),
    (
        "tax.months_declared",
        "连续申报月数",
        "Months declared",
        "26",
    ),
];
const SOCIAL: [Row; 3] = [
    ("social.insured", "参保人数", "Insured staff", "33"),
    (
        "social.insured_change_12m",
        "参保人数同比变动",
        "Change of insured staff",
        "33",
    ),
    (
        "social.months_in_arrears",
        "社保欠缴月数",
        "Months in arrears",
        "35",
    ),
];
const UTILITY: [Row; 2] = [
    (
        "utility.power_change_12m",
        "用电量同比变动",
        "Change of power used",
        "57",
    ),
    (
        "utility.arrears_count",
        "水电气欠费次数",
        "Utility arrears",
        "59",
    ),
];
const JUDICIAL: [Row; 3] = [
    (
        "judicial.enforcement_count",
        "被执行案件数",
        "Enforcement cases",
        "16",
    ),
    (
        "judicial.dishonest_count",
        "失信被执行记录数",
        "Dishonest debtor records",
        "15",
    ),
    (
        "judicial.penalty_count",
        "行政处罚次数",
        "Administrative penalties",
        "20",
    ),
];

/// Everything a scoring model may ask for here by name. A feature's field is what stands after
/// the dot of its name.
pub(crate) fn features() -> Vec<FeatureDef> {
    [
        features_of::<TaxRecord>(&TAX),
        features_of::<InsuranceRecord>(&SOCIAL),
        features_of::<UtilityRecord>(&UTILITY),
        features_of::<JudicialRecord>(&JUDICIAL),
    ]
    .concat()
}

fn features_of<R: Record>(rows: &[Row]) -> Vec<FeatureDef> {
    rows.iter()
        .map(|(name, zh, en, item)| FeatureDef {
            name: (*name).into(),
            label: Label::new(*zh, *en),
            item: (*item).into(),
            collection: R::COLLECTION.into(),
            field: name.rsplit('.').next().unwrap_or_default().into(),
            disputed: Some("disputed".into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_a_field_of_its_collection() {
        let collections = [
            TaxRecord::def(),
            InsuranceRecord::def(),
            UtilityRecord::def(),
            JudicialRecord::def(),
        ];
        let all = features();
        assert_eq!(all.len(), 13);
        for feature in all {
            let there = collections
                .iter()
                .any(|c| c.name == feature.collection && c.field(&feature.field).is_some());
            assert!(there, "{}", feature.name);
        }
    }
}
