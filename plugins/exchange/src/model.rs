//! What exists: a dispute of one item of one record, and what its deadlines are counted with.

mod filing;
mod foreign;
mod terms;

use sdk::prelude::*;

use crate::permissions;
pub(crate) use filing::Filing;
pub(crate) use foreign::Source;
pub(crate) use terms::{DayKind, Holiday, Standard};

/// 数据异议. What is in dispute and what is claimed instead is for the filer and the handler.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "disputes",
    title = number,
    shard = subject,
    audited,
    attested,
    assignee = handler,
    keep_deleted = 90,
    retention(purpose = "受理、核查和答复数据异议并留存依据", days = 1825, from = ended_on),
    read = permissions::READ,
    index(subject, created_at),
    index(organisation, status),
    index(handler),
    index(due_on)
)]
pub(crate) struct Dispute {
    /// 异议编号.
    #[field(max = 32, frozen, unique, list, search)]
    pub(crate) number: String,
    /// 申请人.
    #[field(max = 100, frozen, list, search)]
    pub(crate) filer_name: String,
    /// 数据项. 特征名。
    #[field(max = 40, frozen)]
    pub(crate) item: String,
    /// 数据项名称.
    #[field(max = 40, frozen, list, search)]
    pub(crate) item_label: String,
    /// 数据集.
    #[field(max = 60, frozen)]
    pub(crate) dataset: String,
    /// 字段.
    #[field(max = 40, frozen)]
    pub(crate) field: String,
    /// 来源单位.
    #[field(max = 60, frozen, list)]
    pub(crate) source_name: String,
    /// 有异议的记录.
    #[field(max = 64, frozen)]
    pub(crate) record_id: String,
    /// 有异议的记录的修订号.
    #[field(min = 1, frozen)]
    pub(crate) record_revision: i64,
    /// 有异议的记录的版次.
    #[field(min = 1, frozen)]
    pub(crate) record_version: i64,
    /// 数据日期. 同一日期的数据答复后不再受理新的异议，可以申诉。
    #[field(frozen)]
    pub(crate) as_of: Option<Date>,
    /// 记录的值.
    #[field(
        max = 40,
        frozen,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) recorded: Option<String>,
    /// 主张的值.
    #[field(
        max = 40,
        frozen,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) claimed: Option<String>,
    /// 异议说明.
    #[field(
        max = 1000,
        frozen,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) statement: Option<String>,
    /// 证明材料.
    #[field(
        accept = "pdf, jpg, png",
        max = 5_000_000,
        frozen,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) evidence: Option<Vec<StoredFile>>,
    /// 状态.
    #[field(list)]
    pub(crate) status: Status,
    /// 在途标记. 申请人与数据项；办结后清空，因此同一数据项同时只有一件在途异议。
    #[field(max = 100, unique)]
    pub(crate) open_key: Option<String>,
    /// 经办人.
    #[field(to = "platform.users")]
    pub(crate) handler: Option<String>,
    /// 经办人姓名. 申请人看到的是来源单位。
    #[field(max = 64, level = "L2", mask = "hidden", reveal = permissions::DESK)]
    pub(crate) handler_name: Option<String>,
    /// 提出时间.
    #[field(frozen, list)]
    pub(crate) submitted_at: Timestamp,
    /// 标注时间.
    pub(crate) marked_at: Option<Timestamp>,
    /// 转办时间.
    pub(crate) transferred_at: Option<Timestamp>,
    /// 本环节期限. 当日仍在期限内；没有待办环节的为空。
    #[field(list)]
    pub(crate) due_on: Option<Date>,
    /// 本环节逾期上报日.
    pub(crate) escalated_on: Option<Date>,
    /// 逾期记录.
    #[field(json)]
    pub(crate) escalations: Option<Vec<Escalation>>,
    /// 更正后的记录.
    #[field(max = 64)]
    pub(crate) after_record: Option<String>,
    /// 更正后的版次.
    #[field(min = 1)]
    pub(crate) after_version: Option<i64>,
    /// 答复.
    #[field(
        max = 1000,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) reply: Option<String>,
    /// 答复时间.
    pub(crate) replied_at: Option<Timestamp>,
    /// 答复人. 用户编号；申诉由另一人核查。
    #[field(max = 64)]
    pub(crate) replied_by: Option<String>,
    /// 申诉截止日. 当日仍可申诉。
    pub(crate) appeal_until: Option<Date>,
    /// 申诉理由.
    #[field(
        max = 1000,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) appeal_statement: Option<String>,
    /// 申诉材料.
    #[field(
        accept = "pdf, jpg, png",
        max = 5_000_000,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) appeal_evidence: Option<Vec<StoredFile>>,
    /// 申诉时间.
    pub(crate) appealed_at: Option<Timestamp>,
    /// 申诉答复.
    #[field(
        max = 1000,
        encrypted,
        level = "L3",
        mask = "hidden",
        reveal = permissions::VALUES
    )]
    pub(crate) appeal_reply: Option<String>,
    /// 申诉答复时间.
    pub(crate) appeal_replied_at: Option<Timestamp>,
    /// 办结日.
    pub(crate) ended_on: Option<Date>,
}

/// A step that was not done in time, and was told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Escalation {
    pub(crate) status: String,
    pub(crate) due_on: Date,
    pub(crate) told_on: Date,
}

/// 异议状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 待标注.
    #[choice(tone = "warning")]
    Submitted,
    /// 已标注，待转办.
    #[choice(tone = "warning")]
    Marked,
    /// 待核查.
    #[choice(tone = "warning")]
    Transferred,
    /// 核查中.
    #[choice(tone = "info")]
    Checking,
    /// 已更正.
    #[choice(tone = "success")]
    Corrected,
    /// 已维持.
    #[choice(tone = "neutral")]
    Maintained,
    /// 申诉待核查.
    #[choice(tone = "warning")]
    Appealed,
    /// 申诉核查中.
    #[choice(tone = "info")]
    Rechecking,
    /// 申诉后更正.
    #[choice(tone = "success")]
    AppealCorrected,
    /// 申诉后维持.
    #[choice(tone = "neutral")]
    AppealMaintained,
    /// 已撤回.
    #[choice(tone = "neutral")]
    Withdrawn,
}

impl Status {
    /// Waits for somebody.
    pub(crate) const OPEN: [Self; 6] = [
        Self::Submitted,
        Self::Marked,
        Self::Transferred,
        Self::Checking,
        Self::Appealed,
        Self::Rechecking,
    ];

    pub(crate) fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }

    /// Waits for the platform; the other steps are the source's.
    pub(crate) fn at_platform(self) -> bool {
        matches!(self, Self::Submitted | Self::Marked)
    }

    /// Answered, so that an appeal may follow.
    pub(crate) fn is_answered(self) -> bool {
        matches!(self, Self::Corrected | Self::Maintained)
    }
}
