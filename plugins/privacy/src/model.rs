//! What exists: an assessment, a processor, an incident, and how soon an incident is reported.

mod foreign;
mod told;
mod yearly;

use sdk::prelude::*;

pub(crate) use foreign::Organisation;
pub(crate) use told::{Lead, Signal, Telling};
pub(crate) use yearly::{Held, Holding, Importance, Review, Risk};

use crate::permissions;

/// 个人信息保护影响评估. One processing activity, assessed before it begins and again when due.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "assessments",
    title = activity,
    shard = reference,
    audited,
    attested,
    read = permissions::READ,
    index(status, next_due)
)]
pub(crate) struct Assessment {
    /// 处理活动.
    #[field(max = 100, frozen, list, search)]
    pub(crate) activity: String,
    /// 评估情形. 个人信息保护法第五十五条。
    #[field(frozen, list)]
    pub(crate) situation: Situation,
    /// 处理目的与方式.
    #[field(max = 500)]
    pub(crate) purpose: String,
    /// 个人信息种类.
    #[field(max = 500)]
    pub(crate) categories: String,
    /// 合法、正当、必要性.
    #[field(max = 2000)]
    pub(crate) necessity: String,
    /// 对个人权益的影响及安全风险.
    #[field(max = 2000)]
    pub(crate) risks: String,
    /// 保护措施. 是否合法、有效并与风险程度相适应。
    #[field(max = 2000)]
    pub(crate) measures: String,
    /// 状态.
    #[field(list)]
    pub(crate) status: Stage,
    /// 结论.
    #[field(list)]
    pub(crate) verdict: Option<Verdict>,
    /// 评估意见.
    #[field(max = 1000)]
    pub(crate) opinion: Option<String>,
    /// 评估人.
    #[field(max = 40)]
    pub(crate) assessed_by: Option<String>,
    /// 评估时间.
    pub(crate) assessed_at: Option<Timestamp>,
    /// 下次评估日.
    #[field(list)]
    pub(crate) next_due: Option<Date>,
}

/// 评估情形.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// 处理敏感个人信息.
    Sensitive,
    /// 利用个人信息进行自动化决策.
    Automated,
    /// 委托处理、向他人提供或公开.
    Provision,
    /// 向境外提供.
    Abroad,
    /// 其他对个人权益有重大影响.
    Other,
}

/// 评估结论.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 可以开展.
    #[choice(tone = "success")]
    Fit,
    /// 落实措施后可以开展.
    #[choice(tone = "warning")]
    Conditional,
    /// 不得开展.
    #[choice(tone = "danger")]
    Unfit,
}

/// 评估状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// 评估中.
    #[choice(tone = "warning")]
    Draft,
    /// 已评估.
    #[choice(tone = "success")]
    Concluded,
}

/// 受托处理人. Somebody whom handling personal information is entrusted to.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "processors",
    title = name,
    shard = reference,
    audited,
    attested,
    read = permissions::READ,
    index(status, supervise_by)
)]
pub(crate) struct Processor {
    /// 受托人.
    #[field(max = 100, frozen, list, search)]
    pub(crate) name: String,
    /// 统一社会信用代码.
    #[field(format = "uscc", frozen)]
    pub(crate) uscc: Option<String>,
    /// 委托目的与处理方式.
    #[field(max = 500, frozen)]
    pub(crate) purpose: String,
    /// 个人信息种类.
    #[field(max = 500, frozen)]
    pub(crate) categories: String,
    /// 保护措施.
    #[field(max = 1000, frozen)]
    pub(crate) measures: String,
    /// 合同编号.
    #[field(max = 60, frozen)]
    pub(crate) contract: String,
    /// 委托起始日.
    #[field(frozen)]
    pub(crate) since: Date,
    /// 委托期限止.
    #[field(frozen, list)]
    pub(crate) until: Date,
    /// 状态.
    #[field(list)]
    pub(crate) status: Standing,
    /// 最近监督情况.
    #[field(max = 1000)]
    pub(crate) supervision: Option<String>,
    /// 最近监督日.
    pub(crate) supervised_on: Option<Date>,
    /// 下次监督日.
    #[field(list)]
    pub(crate) supervise_by: Date,
    /// 返还或删除情况. 委托终止后受托人不得保留个人信息。
    #[field(max = 1000)]
    pub(crate) returned: Option<String>,
}

/// 委托状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// 委托中.
    #[choice(tone = "info")]
    Active,
    /// 已终止.
    #[choice(tone = "neutral")]
    Ended,
}

/// 个人信息安全事件. What became known, what was done, and whom it was told to; a drill takes the
/// same way.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "incidents",
    title = title,
    shard = reference,
    audited,
    attested,
    read = permissions::READ,
    index(status, report_by)
)]
pub(crate) struct Incident {
    /// 事件.
    #[field(max = 100, frozen, list, search)]
    pub(crate) title: String,
    /// 演练.
    #[field(frozen, list)]
    pub(crate) drill: bool,
    /// 级别.
    #[field(frozen, list)]
    pub(crate) grade: Grade,
    /// 发现时间.
    #[field(frozen, list)]
    pub(crate) found_at: Timestamp,
    /// 报告期限. 发现时间加上该级别的小时数。
    #[field(frozen, list)]
    pub(crate) report_by: Timestamp,
    /// 涉及的信息种类.
    #[field(max = 500)]
    pub(crate) categories: String,
    /// 涉及人数.
    #[field(min = 0)]
    pub(crate) people: i64,
    /// 原因.
    #[field(max = 1000)]
    pub(crate) cause: String,
    /// 可能造成的危害.
    #[field(max = 1000)]
    pub(crate) harm: String,
    /// 已采取的补救措施.
    #[field(max = 1000)]
    pub(crate) remedy: String,
    /// 个人可以采取的减轻危害的措施.
    #[field(max = 1000)]
    pub(crate) advice: String,
    /// 状态.
    #[field(list)]
    pub(crate) status: Progress,
    /// 报告的部门.
    #[field(max = 100)]
    pub(crate) authority: Option<String>,
    /// 报告时间.
    pub(crate) authority_at: Option<Timestamp>,
    /// 通知个人的方式，或不通知的理由.
    #[field(max = 1000)]
    pub(crate) persons: Option<String>,
    /// 通知个人的时间. 采取措施能有效避免危害的，可以不通知。
    pub(crate) persons_at: Option<Timestamp>,
    /// 已发站内信的主体数.
    pub(crate) told: Option<i64>,
    /// 最近一次发站内信的时间.
    pub(crate) told_at: Option<Timestamp>,
    /// 复盘与整改.
    #[field(max = 2000)]
    pub(crate) lessons: Option<String>,
    /// 办结时间.
    pub(crate) closed_at: Option<Timestamp>,
}

/// 事件级别.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    /// 一般.
    #[choice(tone = "info")]
    Minor,
    /// 较大.
    #[choice(tone = "warning")]
    Major,
    /// 重大.
    #[choice(tone = "danger")]
    Severe,
    /// 特别重大.
    #[choice(tone = "danger")]
    Extreme,
}

/// 处置状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// 处置中.
    #[choice(tone = "danger")]
    Open,
    /// 已办结.
    #[choice(tone = "success")]
    Closed,
}

/// 报告时限. Within how many hours an incident of a grade is reported, and by which rule.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "deadlines",
    title = basis,
    shard = reference,
    audited,
    attested,
    read = permissions::READ
)]
pub(crate) struct Deadline {
    /// 级别.
    #[field(frozen, list, unique)]
    pub(crate) grade: Grade,
    /// 小时数.
    #[field(min = 1, max = 720, list)]
    pub(crate) hours: i64,
    /// 依据.
    #[field(max = 200, list)]
    pub(crate) basis: String,
}
