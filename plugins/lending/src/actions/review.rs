//! The bank takes an application on, or sends it back for more.

use sdk::prelude::*;

use crate::model::{Application, Status};
use crate::{events, permissions, rules};

/// 受理. The bank begins to look at it.
#[derive(Action, Debug)]
#[action(name = "application.accept", permission = permissions::REVIEW, signed)]
pub(crate) struct Accept {}

impl RecordAction for Accept {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        ctx.update(
            &application,
            Patch::new().set(Application::STATUS, Status::UnderReview),
        );
        events::tell(ctx, events::ACCEPTED, &application);
        Ok(Done::new().stay(format!("已受理 {}", application.number)))
    }
}

/// 退回补充. Says what is missing; the enterprise corrects it and sends it again.
#[derive(Action, Debug)]
#[action(name = "application.return", permission = permissions::REVIEW, signed)]
pub(crate) struct Return {
    /// 退回原因.
    #[field(max = 500)]
    pub(crate) reason: String,
}

impl RecordAction for Return {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        rules::reason(&self.reason)?;
        let patch = Patch::new()
            .set(Application::STATUS, Status::Returned)
            .set(Application::RETURN_REASON, self.reason.clone());
        ctx.update(&application, patch);
        events::tell(ctx, events::RETURNED, &application);
        let told = format!("已退回 {}，等待企业补充", application.number);
        Ok(Done::new().note(self.reason).stay(told))
    }
}
