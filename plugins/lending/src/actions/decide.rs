//! The bank decides. A score never decides by itself: both actions are a person's.

use sdk::prelude::*;

use super::product;
use crate::model::{Application, Refusal, Status};
use crate::{events, permissions, rules};

/// 同意. With an amount and a rate within what was asked for and what the product offers.
#[derive(Action, Debug)]
#[action(name = "application.approve", permission = permissions::DECIDE, signed)]
pub(crate) struct Approve {
    /// 批准金额.
    #[field(min = 0)]
    pub(crate) amount: Money,
    /// 年化利率.
    #[field(min = 0, max = 0.24)]
    pub(crate) rate: Decimal<4>,
    /// 审批意见.
    #[field(max = 500)]
    pub(crate) reason: Option<String>,
}

impl RecordAction for Approve {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        let product = product(ctx, &application.product)?.ok_or_else(Fault::not_found)?;
        rules::approval(&application, &product, self.amount, self.rate)?;
        rules::grounds(&application, self.reason.as_deref())?;
        let patch = Patch::new()
            .set(Application::STATUS, Status::Approved)
            .set(Application::APPROVED_AMOUNT, self.amount)
            .set(Application::APPROVED_RATE, self.rate)
            .put(Application::DECISION_REASON, self.reason.clone())
            .set(Application::DECIDED_AT, ctx.now())
            .clear(Application::OPEN_KEY);
        ctx.update(&application, patch);
        events::tell(ctx, events::APPROVED, &application);
        let told = format!(
            "批准 {}，年化利率 {}",
            rules::words(self.amount),
            rules::percent(self.rate)
        );
        let note = self
            .reason
            .map_or_else(|| told.clone(), |reason| format!("{told}。{reason}"));
        Ok(Done::new().note(note).stay(told))
    }
}

/// 拒绝. With a reason in plain words; the enterprise reads it.
#[derive(Action, Debug)]
#[action(name = "application.refuse", permission = permissions::DECIDE, signed)]
pub(crate) struct Refuse {
    /// 拒绝原因.
    pub(crate) refusal: Refusal,
    /// 说明.
    #[field(max = 500)]
    pub(crate) reason: String,
}

impl RecordAction for Refuse {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        rules::reason(&self.reason)?;
        let patch = Patch::new()
            .set(Application::STATUS, Status::Rejected)
            .set(Application::REFUSAL, self.refusal)
            .set(Application::DECISION_REASON, self.reason.clone())
            .set(Application::DECIDED_AT, ctx.now())
            .clear(Application::OPEN_KEY);
        ctx.update(&application, patch);
        events::tell(ctx, events::REJECTED, &application);
        let note = format!("{}：{}", self.refusal.label(), self.reason);
        Ok(Done::new()
            .note(note)
            .stay(format!("已拒绝 {}，理由已告知企业", application.number)))
    }
}
