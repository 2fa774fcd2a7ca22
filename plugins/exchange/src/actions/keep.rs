//! What the operator keeps: how long each step may take, and which days are no ordinary ones.

use sdk::prelude::*;

use crate::model::{DayKind, Holiday, Standard};
use crate::permissions;

/// 设定办理时限. For steps that begin from now on; the caller's organisation is the office.
#[derive(Action, Debug)]
#[action(name = "standard.set", permission = permissions::KEEP)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the record's fields"
)]
pub(crate) struct SetStandard {
    /// 标注时限. 工作日。
    #[field(min = 1, max = 60)]
    pub(crate) mark_days: i64,
    /// 转办时限. 工作日。
    #[field(min = 1, max = 60)]
    pub(crate) transfer_days: i64,
    /// 核查答复时限. 工作日。
    #[field(min = 1, max = 60)]
    pub(crate) decide_days: i64,
    /// 申诉期. 工作日。
    #[field(min = 1, max = 60)]
    pub(crate) appeal_days: i64,
}

impl CollectionAction for SetStandard {
    type Record = Standard;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        let office = ctx.organisation()?.to_owned();
        let found = ctx.find::<Standard>(Standard::CODE.eq(Standard::CODE_OF_ALL))?;
        match found.first() {
            Some(standard) => {
                let patch = Patch::new()
                    .set(Standard::MARK_DAYS, self.mark_days)
                    .set(Standard::TRANSFER_DAYS, self.transfer_days)
                    .set(Standard::DECIDE_DAYS, self.decide_days)
                    .set(Standard::APPEAL_DAYS, self.appeal_days)
                    .set(Standard::OFFICE, office);
                ctx.update(&standard, patch);
            }
            None => {
                ctx.insert(New::of(Standard {
                    mark_days: self.mark_days,
                    transfer_days: self.transfer_days,
                    decide_days: self.decide_days,
                    appeal_days: self.appeal_days,
                    office: Some(office),
                    ..Standard::initial()
                }));
            }
        }
        Ok(Done::new().stay("已设定，此后开始的环节按新时限"))
    }
}

/// 设定特殊日期. A day off, a Saturday or Sunday with work, or as usual again.
#[derive(Action, Debug)]
#[action(name = "holiday.set", permission = permissions::KEEP)]
pub(crate) struct SetHoliday {
    /// 日期.
    pub(crate) day: Date,
    /// 安排.
    pub(crate) kind: DayKind,
    /// 说明.
    #[field(max = 40)]
    pub(crate) name: String,
}

impl CollectionAction for SetHoliday {
    type Record = Holiday;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        match ctx.find::<Holiday>(Holiday::DAY.eq(self.day))?.first() {
            Some(holiday) => {
                let patch = Patch::new()
                    .set(Holiday::KIND, self.kind)
                    .set(Holiday::NAME, self.name);
                ctx.update(&holiday, patch);
            }
            None => {
                ctx.insert(New::of(Holiday {
                    day: self.day,
                    kind: self.kind,
                    name: self.name,
                }));
            }
        }
        Ok(Done::new().stay("已设定，此后计算的期限按新的日历"))
    }
}
