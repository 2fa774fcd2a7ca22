//! The way to the source: the platform marks the item and passes the dispute on, an officer of the source
//! takes it.

use sdk::prelude::*;

use super::step;
use crate::model::{Dispute, Status};
use crate::rules::{self, Clock};
use crate::{events, permissions};

/// 标注. From now on whoever queries the item sees that it is disputed.
#[derive(Action, Debug)]
#[action(name = "dispute.mark", permission = permissions::MARK)]
pub(crate) struct Mark {}

impl RecordAction for Mark {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx, dispute: Stored<Dispute>) -> Result<Done, Fault> {
        let patch = step(&Clock::read(ctx)?, Status::Marked).set(Dispute::MARKED_AT, ctx.now());
        ctx.update(&dispute, patch);
        events::marked(ctx, &dispute);
        Ok(Done::new().stay("已标注：查询该数据项的人会看到“异议处理中”"))
    }
}

/// 转来源单位.
#[derive(Action, Debug)]
#[action(name = "dispute.transfer", permission = permissions::MARK)]
pub(crate) struct Transfer {}

impl RecordAction for Transfer {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx, dispute: Stored<Dispute>) -> Result<Done, Fault> {
        let patch =
            step(&Clock::read(ctx)?, Status::Transferred).set(Dispute::TRANSFERRED_AT, ctx.now());
        ctx.update(&dispute, patch);
        events::transferred(ctx, &dispute);
        Ok(Done::new().stay(format!("已转{}核查", dispute.source_name)))
    }
}

/// 受理核查. What is in dispute is for whoever takes it; an appeal is for another than before.
#[derive(Action, Debug)]
#[action(name = "dispute.take", permission = permissions::CHECK, purpose = rules::PURPOSE)]
pub(crate) struct Take {}

impl RecordAction for Take {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx, dispute: Stored<Dispute>) -> Result<Done, Fault> {
        let Some(user) = ctx.caller().user.clone() else {
            return Err(Fault::forbidden("请先登录"));
        };
        if dispute.handler.as_ref() == Some(&user) {
            let what = "这件异议已由您受理";
            return Err(Fault::refused("exchange.taken", what));
        }
        let again = matches!(dispute.status, Status::Appealed | Status::Rechecking);
        if again && dispute.replied_by.as_ref() == Some(&user) {
            let what = "申诉须由原答复人以外的人核查";
            return Err(Fault::refused("exchange.same-person", what));
        }
        let status = if again {
            Status::Rechecking
        } else {
            Status::Checking
        };
        // The deadline is that of the check as a whole.
        let patch = Patch::new()
            .set(Dispute::STATUS, status)
            .set(Dispute::HANDLER, user)
            .set(Dispute::HANDLER_NAME, ctx.caller().name.clone());
        ctx.update(&dispute, patch);
        Ok(Done::new().stay("已受理，请核对后更正或维持，并答复申请人"))
    }
}
