//! What exists: a ticket, one question with its answer.

use sdk::prelude::*;

use crate::permissions;

/// 工单. One question of an enterprise and its answer.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(
    plural = "tickets",
    title = title,
    shard = subject,
    audited,
    read = permissions::READ,
    index(status, created_at)
)]
pub(crate) struct Ticket {
    /// 标题.
    #[field(max = 60, frozen, list, search)]
    pub(crate) title: String,
    /// 问题.
    #[field(max = 2000, frozen)]
    pub(crate) question: String,
    /// 答复. Empty until somebody answers.
    #[field(max = 2000)]
    pub(crate) answer: Option<String>,
    /// 状态.
    #[field(list)]
    pub(crate) status: Status,
}

/// 工单状态.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 待答复.
    #[choice(tone = "warning")]
    Open,
    /// 已答复.
    #[choice(tone = "success")]
    Answered,
    /// 已关闭.
    #[choice(tone = "neutral")]
    Closed,
}
