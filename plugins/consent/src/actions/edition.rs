//! A published version that may not be used any more.

use sdk::prelude::*;

use crate::model::{Edition, Standing};
use crate::{events, permissions};

/// 停用. No new letters on it; those that were signed hold.
#[derive(Action, Debug)]
#[action(name = "edition.withdraw", permission = permissions::WITHDRAW)]
pub(crate) struct Withdraw {
    /// 停用原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Withdraw {
    type Record = Edition;

    fn run(self, ctx: &mut Ctx, edition: Stored<Edition>) -> Result<Done, Fault> {
        end(ctx, &edition, Standing::Withdrawn, &self.reason);
        ctx.emit(events::WITHDRAWN, edition.id.as_str(), json!({}));
        Ok(Done::new()
            .note(self.reason)
            .stay("已停用，不再用于签署；已签署的授权书不受影响"))
    }
}

/// 撤销. For cause: nothing is read any more under the letters that were signed on it.
#[derive(Action, Debug)]
#[action(name = "edition.revoke", permission = permissions::REVOKE_TEMPLATE, step_up)]
pub(crate) struct Revoke {
    /// 撤销原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Revoke {
    type Record = Edition;

    fn run(self, ctx: &mut Ctx, edition: Stored<Edition>) -> Result<Done, Fault> {
        end(ctx, &edition, Standing::Revoked, &self.reason);
        ctx.emit(events::TEMPLATE_REVOKED, edition.id.as_str(), json!({}));
        Ok(Done::new()
            .note(self.reason)
            .stay("已撤销，用该版签署的授权书即刻不能再使用"))
    }
}

fn end(ctx: &mut Ctx, edition: &Stored<Edition>, to: Standing, reason: &str) {
    let patch = Patch::new()
        .set(Edition::STATUS, to)
        .set(Edition::ENDED_AT, ctx.now())
        .set(Edition::REASON, reason.to_owned());
    ctx.update(edition, patch);
}
