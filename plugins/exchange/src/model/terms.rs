//! What deadlines are counted with: the working days that each step may take, and the days on which the
//! week does not tell whether people work.

use sdk::prelude::*;

use crate::permissions;

/// 办理时限. One record, in working days; for steps that begin from now on.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "standards", title = code, shard = aggregate, audited, read = permissions::CALENDAR)]
pub(crate) struct Standard {
    /// 代码.
    #[field(max = 16, frozen, unique)]
    pub(crate) code: String,
    /// 标注时限. 工作日。
    #[field(min = 1, max = 60)]
    pub(crate) mark_days: i64,
    /// 转办时限. 工作日，自标注起。
    #[field(min = 1, max = 60)]
    pub(crate) transfer_days: i64,
    /// 核查答复时限. 工作日，自转办或申诉起。
    #[field(min = 1, max = 60)]
    pub(crate) decide_days: i64,
    /// 申诉期. 工作日，自答复起。
    #[field(min = 1, max = 60)]
    pub(crate) appeal_days: i64,
    /// 受理单位. 机构编号；标注、转办由其人员办理，逾期向其督办人员上报。
    #[field(max = 64)]
    pub(crate) office: Option<String>,
}

impl Standard {
    pub(crate) const CODE_OF_ALL: &'static str = "default";

    /// What holds until the operator sets something else.
    pub(crate) fn initial() -> Self {
        Self {
            code: Self::CODE_OF_ALL.into(),
            mark_days: 1,
            transfer_days: 2,
            decide_days: 5,
            appeal_days: 10,
            office: None,
        }
    }
}

/// 特殊日期. A working day without work, or a Saturday or Sunday with.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "holidays", title = name, shard = aggregate, audited, read = permissions::CALENDAR)]
pub(crate) struct Holiday {
    /// 日期.
    #[field(frozen, unique, list)]
    pub(crate) day: Date,
    /// 安排.
    #[field(list)]
    pub(crate) kind: DayKind,
    /// 说明.
    #[field(max = 40, list)]
    pub(crate) name: String,
}

/// 安排.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayKind {
    /// 放假.
    #[choice(tone = "info")]
    Off,
    /// 上班.
    #[choice(tone = "warning")]
    Working,
    /// 照常. 与星期一致，即取消原来的安排。
    #[choice(tone = "neutral")]
    Usual,
}
