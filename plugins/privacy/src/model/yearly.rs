//! What the Data Security Law asks for every year: which data is important, and what its risks are.

use sdk::prelude::*;

use super::Stage;
use crate::permissions;

/// 重要数据. One kind of data with the class it was given, and who answers for it.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "holdings",
    title = name,
    shard = reference,
    audited,
    attested,
    read = permissions::READ,
    index(status, review_by)
)]
pub(crate) struct Holding {
    /// 数据名称.
    #[field(max = 100, frozen, list, search)]
    pub(crate) name: String,
    /// 所在数据集. 数据分级目录中的模块与数据集，或系统外的位置。
    #[field(max = 200, frozen)]
    pub(crate) place: String,
    /// 类别.
    #[field(list)]
    pub(crate) class: Importance,
    /// 认定依据. 国家、地区或行业的重要数据目录与识别规则。
    #[field(max = 500)]
    pub(crate) basis: String,
    /// 数量与规模.
    #[field(max = 200)]
    pub(crate) quantity: String,
    /// 安全负责人与管理机构.
    #[field(max = 100, list)]
    pub(crate) keeper: String,
    /// 保护措施.
    #[field(max = 1000)]
    pub(crate) measures: String,
    /// 状态.
    #[field(list)]
    pub(crate) status: Held,
    /// 目录报送的部门.
    #[field(max = 100)]
    pub(crate) reported_to: Option<String>,
    /// 目录报送日.
    pub(crate) reported_on: Option<Date>,
    /// 下次复核日.
    #[field(list)]
    pub(crate) review_by: Date,
    /// 移出理由.
    #[field(max = 500)]
    pub(crate) reason: Option<String>,
}

/// 数据类别. 数据安全法第二十一条。
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Importance {
    /// 核心数据.
    #[choice(tone = "danger")]
    Core,
    /// 重要数据.
    #[choice(tone = "warning")]
    Important,
    /// 一般数据.
    #[choice(tone = "neutral")]
    General,
}

/// 目录状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// 在目录.
    #[choice(tone = "info")]
    Listed,
    /// 已移出.
    #[choice(tone = "neutral")]
    Removed,
}

/// 数据安全风险评估. What the handling of data risks, looked at once a year.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "reviews",
    title = title,
    shard = reference,
    audited,
    attested,
    read = permissions::READ,
    index(status, next_due)
)]
pub(crate) struct Review {
    /// 评估名称.
    #[field(max = 100, frozen, list, search)]
    pub(crate) title: String,
    /// 评估范围. 处理活动、系统与数据集。
    #[field(max = 1000)]
    pub(crate) scope: String,
    /// 重要数据的种类与数量. 没有的写明没有。
    #[field(max = 1000)]
    pub(crate) data: String,
    /// 发现的风险.
    #[field(max = 2000)]
    pub(crate) findings: String,
    /// 应对措施与整改期限.
    #[field(max = 2000)]
    pub(crate) measures: String,
    /// 状态.
    #[field(list)]
    pub(crate) status: Stage,
    /// 风险等级.
    #[field(list)]
    pub(crate) risk: Option<Risk>,
    /// 结论.
    #[field(max = 1000)]
    pub(crate) conclusion: Option<String>,
    /// 评估人.
    #[field(max = 40)]
    pub(crate) assessed_by: Option<String>,
    /// 评估时间.
    pub(crate) assessed_at: Option<Timestamp>,
    /// 下次评估日. 结论之日起一年。
    #[field(list)]
    pub(crate) next_due: Option<Date>,
    /// 评估报告.
    #[field(accept = "pdf, docx", max = 20_000_000)]
    pub(crate) report: Option<StoredFile>,
    /// 报送的部门.
    #[field(max = 100)]
    pub(crate) submitted_to: Option<String>,
    /// 报送日.
    pub(crate) submitted_on: Option<Date>,
}

/// 风险等级.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Risk {
    /// 低.
    #[choice(tone = "success")]
    Low,
    /// 中.
    #[choice(tone = "warning")]
    Medium,
    /// 高.
    #[choice(tone = "danger")]
    High,
}
