//! What exists: a bank's loan product, on the terms it is offered at.

use sdk::prelude::*;

use crate::permissions;

/// 金融产品. One loan product of the bank that owns the row.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "products",
    title = name,
    shard = organisation,
    audited,
    attested,
    read = permissions::READ,
    index(status, kind),
    index(organisation, status)
)]
pub(crate) struct Product {
    /// 产品代码.
    #[field(max = 32, frozen, unique, list)]
    pub(crate) code: String,
    /// 产品名称.
    #[field(max = 60, list, search)]
    pub(crate) name: String,
    /// 金融机构.
    #[field(max = 60, frozen, list, search)]
    pub(crate) institution_name: String,
    /// 产品类型.
    #[field(list)]
    pub(crate) kind: ProductKind,
    /// 最低额度.
    #[field(min = 0)]
    pub(crate) amount_min: Money,
    /// 最高额度.
    #[field(min = 0, list)]
    pub(crate) amount_max: Money,
    /// 最短期限. 单位：月。
    #[field(min = 1, max = 360)]
    pub(crate) term_min: i64,
    /// 最长期限. 单位：月。
    #[field(min = 1, max = 360, list)]
    pub(crate) term_max: i64,
    /// 最低年化利率. 单利。
    #[field(min = 0, max = 0.24, list)]
    pub(crate) rate_from: Decimal<4>,
    /// 最高年化利率. 单利。
    #[field(min = 0, max = 0.24)]
    pub(crate) rate_to: Decimal<4>,
    /// 还款方式.
    pub(crate) repayment: Repayment,
    /// 担保方式.
    #[field(max = 60)]
    pub(crate) guarantee: String,
    /// 产品特点.
    #[field(max = 1000, search)]
    pub(crate) features: String,
    /// 适用对象.
    #[field(max = 500)]
    pub(crate) audience: String,
    /// 审批时长. 自受理起的工作日数。
    #[field(min = 0, max = 60)]
    pub(crate) approval_days: i64,
    /// 评分模型. 该行用于本产品的评分模型名称；没有时全部由人工审批。
    #[field(max = 40)]
    pub(crate) model: Option<String>,
    /// 专属园区. 园区编号；只对该园区的企业开放。
    #[field(max = 64)]
    pub(crate) park: Option<String>,
    /// 特色专区.
    pub(crate) zone: Option<Zone>,
    /// 标签.
    #[field(json)]
    pub(crate) tags: Vec<String>,
    /// 状态.
    #[field(list)]
    pub(crate) status: Status,
}

/// 产品类型.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProductKind {
    /// 信用.
    Credit,
    /// 抵押.
    Mortgage,
    /// 质押.
    Pledge,
    /// 保证.
    Guarantee,
}

/// 还款方式.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repayment {
    /// 等额本息.
    EqualInstallment,
    /// 等额本金.
    EqualPrincipal,
    /// 先息后本.
    InterestFirst,
    /// 随借随还.
    Revolving,
}

/// 特色专区.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// 绿色金融.
    Green,
    /// 科创金融.
    Innovation,
    /// 农业金融.
    Agriculture,
    /// 供应链金融.
    SupplyChain,
}

/// 状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 已上线.
    #[choice(tone = "success")]
    Online,
    /// 已下线.
    #[choice(tone = "neutral")]
    Offline,
}
