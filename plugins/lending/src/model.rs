//! What exists: a loan application, and an estimate of how much one could get.

mod foreign;

use sdk::prelude::*;

pub(crate) use foreign::{Enterprise, Letter, Product};

use crate::permissions;

/// 贷款申请. One request to one bank for one product, with what was known when it was made.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "applications",
    title = number,
    shard = subject,
    audited,
    attested,
    suppress_below = 5,
    keep_deleted = 90,
    retention(purpose = "受理、审批贷款申请并留存依据", days = 3650, from = decided_at),
    read = permissions::READ,
    index(organisation, status),
    index(subject, created_at)
)]
pub(crate) struct Application {
    /// 申请编号.
    #[field(max = 32, frozen, unique, list, search)]
    pub(crate) number: String,
    /// 产品.
    #[field(to = "market.products", frozen)]
    pub(crate) product: String,
    /// 产品名称.
    #[field(max = 60, frozen, list, search)]
    pub(crate) product_name: String,
    /// 金融机构.
    #[field(max = 60, frozen, list)]
    pub(crate) institution_name: String,
    /// 企业名称.
    #[field(max = 100, frozen, list, search)]
    pub(crate) enterprise_name: String,
    /// 统一社会信用代码.
    #[field(format = "uscc", frozen)]
    pub(crate) uscc: String,
    /// 所属区.
    #[field(max = 20, frozen)]
    pub(crate) region_name: String,
    /// 行业.
    #[field(max = 60, frozen)]
    pub(crate) industry_name: String,
    /// 注册资本.
    #[field(frozen)]
    pub(crate) registered_capital: Money,
    /// 成立日期.
    #[field(frozen)]
    pub(crate) established: Date,
    /// 从业人数.
    #[field(frozen)]
    pub(crate) staff: i64,
    /// 联系人.
    #[field(max = 40, frozen, level = "L2", mask = "name", reveal = permissions::CONTACT)]
    pub(crate) contact: String,
    /// 联系电话.
    #[field(
        format = "phone",
        frozen,
        encrypted,
        level = "L3",
        mask = "phone",
        reveal = permissions::PHONE,
        look = permissions::CALL
    )]
    pub(crate) phone: String,
    /// 申请金额.
    #[field(min = 0, list)]
    pub(crate) amount: Money,
    /// 申请期限. 单位：月。
    #[field(min = 1, max = 360)]
    pub(crate) term_months: i64,
    /// 贷款用途.
    #[field(frozen)]
    pub(crate) purpose: Purpose,
    /// 补充说明.
    #[field(max = 500)]
    pub(crate) note: Option<String>,
    /// 状态.
    #[field(list)]
    pub(crate) status: Status,
    /// 在途标记. 企业与产品；办结后清空，因此同一产品同时只有一笔在途申请。
    #[field(max = 80, unique)]
    pub(crate) open_key: Option<String>,
    /// 评分模型. 名称与版本。
    #[field(max = 80)]
    pub(crate) model: Option<String>,
    /// 信用分.
    #[field(list, level = "L2", mask = "hidden", reveal = permissions::SCORE)]
    pub(crate) score: Option<Decimal<4>>,
    /// 基准分. 与各项得分之和即信用分。
    #[field(level = "L2", mask = "hidden", reveal = permissions::SCORE)]
    pub(crate) base: Option<Decimal<4>>,
    /// 违约概率.
    #[field(level = "L2", mask = "hidden", reveal = permissions::SCORE)]
    pub(crate) probability: Option<Decimal<6>>,
    /// 等级.
    #[field(max = 10, level = "L2", mask = "hidden", reveal = permissions::SCORE)]
    pub(crate) grade: Option<String>,
    /// 评分依据. 含读取的数据。
    #[field(json, encrypted, level = "L3", mask = "hidden", reveal = permissions::SCORE)]
    pub(crate) reasons: Option<Vec<Contribution>>,
    /// 异议处理中的数据项. 评分所读取、企业有异议而尚未办结的。
    #[field(json)]
    pub(crate) disputed: Option<Vec<String>>,
    /// 已更正的数据项. 评分读取之后由来源单位更正的。
    #[field(json)]
    pub(crate) corrected: Option<Vec<String>>,
    /// 评分证书.
    #[field(max = 64)]
    pub(crate) certificate: Option<String>,
    /// 未评分原因. 银行模型没有给出评分，由银行人工评审。
    #[field(max = 300)]
    pub(crate) unscored: Option<String>,
    /// 授权书.
    #[field(max = 64)]
    pub(crate) consent: Option<String>,
    /// 批准金额.
    pub(crate) approved_amount: Option<Money>,
    /// 批准年化利率.
    pub(crate) approved_rate: Option<Decimal<4>>,
    /// 拒绝原因.
    pub(crate) refusal: Option<Refusal>,
    /// 审批意见.
    #[field(max = 500)]
    pub(crate) decision_reason: Option<String>,
    /// 退回原因.
    #[field(max = 500)]
    pub(crate) return_reason: Option<String>,
    /// 提交时间.
    pub(crate) submitted_at: Timestamp,
    /// 审批时间.
    pub(crate) decided_at: Option<Timestamp>,
    /// 企业知悉时间. 企业确认看到审批结果后，首页不再提醒。
    pub(crate) acknowledged_at: Option<Timestamp>,
    /// 人工复核理由.
    #[field(max = 500)]
    pub(crate) review_reason: Option<String>,
    /// 人工复核申请时间.
    pub(crate) review_asked_at: Option<Timestamp>,
    /// 人工复核答复.
    #[field(max = 1000)]
    pub(crate) review_answer: Option<String>,
    /// 答复人.
    #[field(max = 64)]
    pub(crate) review_answered_by: Option<String>,
    /// 人工复核答复时间.
    pub(crate) review_answered_at: Option<Timestamp>,
}

impl Application {
    /// Whether there is a decision the enterprise has not said it has seen.
    pub(crate) fn news(&self) -> bool {
        self.acknowledged_at.is_none() && Status::DECIDED.contains(&self.status)
    }

    /// Whether the enterprise has asked for a person's look and has no answer.
    pub(crate) fn awaits_review(&self) -> bool {
        self.review_asked_at.is_some() && self.review_answered_at.is_none()
    }
}

/// 申请状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 待受理.
    #[choice(tone = "warning")]
    Submitted,
    /// 审批中.
    #[choice(tone = "info")]
    UnderReview,
    /// 待补充.
    #[choice(tone = "danger")]
    Returned,
    /// 已通过.
    #[choice(tone = "success")]
    Approved,
    /// 已拒绝.
    #[choice(tone = "neutral")]
    Rejected,
    /// 已撤回.
    #[choice(tone = "neutral")]
    Withdrawn,
}

impl Status {
    /// What the bank has decided.
    pub(crate) const DECIDED: [Self; 2] = [Self::Approved, Self::Rejected];
}

/// 贷款用途.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// 采购原材料.
    Materials,
    /// 支付工资与日常经营.
    Operations,
    /// 购置设备.
    Equipment,
    /// 研发投入.
    Research,
}

/// 拒绝原因.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 经营现金流不足以还款.
    CashFlow,
    /// 信用记录不符合要求.
    CreditRecord,
    /// 负债水平偏高.
    Debt,
    /// 行业或用途不符合产品要求.
    Scope,
    /// 资料不完整或不一致.
    Material,
}

/// 测额记录. What one product could lend, on the day it was asked.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "quotas",
    title = product_name,
    shard = subject,
    audited,
    attested,
    keep_deleted = 30,
    retention(purpose = "向企业展示可贷额度", days = 365, from = estimated_at),
    read = permissions::ESTIMATE,
    index(subject, estimated_at)
)]
pub(crate) struct Quota {
    /// 产品.
    #[field(to = "market.products", frozen)]
    pub(crate) product: String,
    /// 产品名称.
    #[field(max = 60, frozen, list)]
    pub(crate) product_name: String,
    /// 金融机构.
    #[field(max = 60, frozen, list)]
    pub(crate) institution_name: String,
    /// 最低额度.
    #[field(frozen)]
    pub(crate) low: Money,
    /// 最高额度. 零表示暂不满足起贷金额。
    #[field(frozen, list)]
    pub(crate) high: Money,
    /// 测算依据. 含读取的数据。
    #[field(
        json,
        frozen,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::ESTIMATE
    )]
    pub(crate) reasons: Option<Vec<String>>,
    /// 评分证书.
    #[field(max = 64, frozen)]
    pub(crate) certificate: String,
    /// 测算时间.
    #[field(frozen, list)]
    pub(crate) estimated_at: Timestamp,
}
