//! What comes before an incident and after it: a signal that there may be one, and who was told.

use sdk::prelude::*;

use super::Incident;
use crate::permissions;

/// 线索. What the platform found and a person judged: it becomes an incident, or it is said why not.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "signals",
    title = title,
    shard = reference,
    audited,
    attested,
    read = permissions::READ,
    index(status, found_at)
)]
pub(crate) struct Signal {
    /// 线索.
    #[field(max = 100, frozen, list, search)]
    pub(crate) title: String,
    /// 来源标识. 同一来源只记一次。
    #[field(max = 120, frozen, unique)]
    pub(crate) key: String,
    /// 发现时间.
    #[field(frozen, list)]
    pub(crate) found_at: Timestamp,
    /// 情况.
    #[field(max = 1000, frozen)]
    pub(crate) cause: String,
    /// 涉及的主体数.
    #[field(min = 0, frozen)]
    pub(crate) parties: Option<i64>,
    /// 涉及的主体. 审计日志中当天被查询的，至多 100 个，每行一个。
    #[field(max = 12_000, frozen)]
    pub(crate) receivers: Option<String>,
    /// 状态.
    #[field(list)]
    pub(crate) status: Lead,
    /// 登记的事件.
    pub(crate) incident: Option<Id<Incident>>,
    /// 不作为事件的理由.
    #[field(max = 500)]
    pub(crate) reason: Option<String>,
}

/// 线索状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// 待判断.
    #[choice(tone = "danger")]
    Waiting,
    /// 已登记为事件.
    #[choice(tone = "info")]
    Registered,
    /// 不作为事件.
    #[choice(tone = "neutral")]
    Dismissed,
}

/// 告知. One organisation that was told of an incident, and what it was told: this stays as it was.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "tellings",
    title = organisation_name,
    shard = reference,
    audited,
    attested,
    read = permissions::TOLD,
    unique(incident, organisation)
)]
pub(crate) struct Telling {
    /// 事件.
    #[field(frozen)]
    pub(crate) incident: Id<Incident>,
    /// 被告知的主体.
    #[field(max = 120, frozen, list, search)]
    pub(crate) organisation_name: String,
    /// 告知时间.
    #[field(frozen, list)]
    pub(crate) told_at: Timestamp,
    /// 发现时间.
    #[field(frozen)]
    pub(crate) found_at: Timestamp,
    /// 涉及的信息种类.
    #[field(max = 500, frozen)]
    pub(crate) categories: String,
    /// 原因.
    #[field(max = 1000, frozen)]
    pub(crate) cause: String,
    /// 可能造成的危害.
    #[field(max = 1000, frozen)]
    pub(crate) harm: String,
    /// 已采取的补救措施.
    #[field(max = 1000, frozen)]
    pub(crate) remedy: String,
    /// 您可以采取的减轻危害的措施.
    #[field(max = 1000, frozen)]
    pub(crate) advice: String,
    /// 联系方式.
    #[field(max = 200, frozen)]
    pub(crate) contact: String,
}
