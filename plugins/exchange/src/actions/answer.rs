//! The answer: corrected, where credit has a version that was made for the dispute, or maintained.

use sdk::prelude::*;

use super::step;
use crate::model::{Dispute, Source, Status};
use crate::rules::items::Item;
use crate::rules::{self, Clock};
use crate::{events, permissions};

/// 答复：已更正. The record was corrected before, at the source's data.
#[derive(Action, Debug)]
#[action(name = "dispute.correct", permission = permissions::CHECK, purpose = rules::PURPOSE)]
pub(crate) struct Correct {
    /// 答复.
    #[field(max = 1000)]
    pub(crate) reply: String,
}

impl RecordAction for Correct {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx, dispute: Stored<Dispute>) -> Result<Done, Fault> {
        let Some(corrected) = checked(ctx, &dispute, &self.reply)? else {
            let what = "还没有更正：请先打开数据记录更正，再答复；无误的请答复“维持”";
            return Err(Fault::refused("exchange.not-corrected", what));
        };
        let patch = Patch::new()
            .set(Dispute::AFTER_RECORD, corrected.id)
            .set(Dispute::AFTER_VERSION, corrected.version);
        answer(ctx, &dispute, self.reply, patch, true)
    }
}

/// 答复：维持. The record is right as it is.
#[derive(Action, Debug)]
#[action(name = "dispute.maintain", permission = permissions::CHECK, purpose = rules::PURPOSE)]
pub(crate) struct Maintain {
    /// 答复.
    #[field(max = 1000)]
    pub(crate) reply: String,
}

impl RecordAction for Maintain {
    type Record = Dispute;

    fn run(self, ctx: &mut Ctx, dispute: Stored<Dispute>) -> Result<Done, Fault> {
        if checked(ctx, &dispute, &self.reply)?.is_some() {
            let what = "这项数据已为本异议更正，请答复“已更正”";
            return Err(Fault::refused("exchange.was-corrected", what));
        }
        answer(ctx, &dispute, self.reply, Patch::new(), false)
    }
}

/// The version that was made in this round, for an answer that its handler may give.
fn checked(ctx: &Ctx, dispute: &Stored<Dispute>, reply: &str) -> Result<Option<Source>, Fault> {
    rules::worded("reply", reply)?;
    let user = ctx.caller().user.as_ref();
    if user.is_none() || dispute.handler.as_ref() != user {
        let what = "请由受理人答复；需要接手的，请先受理";
        return Err(Fault::refused("exchange.not-handler", what));
    }
    correction(ctx, dispute)
}

/// The version that credit made for a dispute, since it was filed or appealed.
pub(crate) fn correction(ctx: &Ctx, dispute: &Stored<Dispute>) -> Result<Option<Source>, Fault> {
    let Some(item) = Item::of(&dispute.item) else {
        return Ok(None);
    };
    let subject = dispute.subject.clone().unwrap_or_default();
    let since = dispute.appealed_at.unwrap_or(dispute.submitted_at);
    Source::made_for(ctx, item, (&subject, dispute.id.as_str()), since)
}

/// The record that counts now.
pub(crate) fn newest(ctx: &Ctx, dispute: &Stored<Dispute>) -> Result<Option<Source>, Fault> {
    let Some(item) = Item::of(&dispute.item) else {
        return Ok(None);
    };
    let subject = dispute.subject.clone().unwrap_or_default();
    Source::newest(ctx, item, &subject)
}

/// The reply of this round, and with it the end of the mark.
fn answer(
    ctx: &mut Ctx,
    dispute: &Stored<Dispute>,
    reply: String,
    patch: Patch<Dispute>,
    corrected: bool,
) -> Result<Done, Fault> {
    let again = dispute.status == Status::Rechecking;
    let status = match (again, corrected) {
        (false, true) => Status::Corrected,
        (false, false) => Status::Maintained,
        (true, true) => Status::AppealCorrected,
        (true, false) => Status::AppealMaintained,
    };
    let clock = Clock::read(ctx)?;
    ctx.update(dispute, patch);
    let patch = step(&clock, status)
        .clear(Dispute::OPEN_KEY)
        .set(Dispute::ENDED_ON, ctx.today());
    let patch = if again {
        patch
            .set(Dispute::APPEAL_REPLY, reply)
            .set(Dispute::APPEAL_REPLIED_AT, ctx.now())
            .clear(Dispute::APPEAL_UNTIL)
    } else {
        let user = ctx.caller().user.clone().unwrap_or_default();
        patch
            .set(Dispute::REPLY, reply)
            .set(Dispute::REPLIED_AT, ctx.now())
            .set(Dispute::REPLIED_BY, user)
            .set(Dispute::APPEAL_UNTIL, clock.appeal_until())
    };
    ctx.update(dispute, patch);
    events::answered(ctx, dispute, status);
    events::ended(ctx, dispute);
    Ok(Done::new().stay(format!("{}，已答复申请人", status.label())))
}
