//! A person looks again: the enterprise asks why it was decided so, and an officer of the bank answers
//! in writing (个人信息保护法 art. 24: nobody is decided on by a machine alone).

use sdk::prelude::*;

use crate::model::{Application, Status};
use crate::{events, permissions, rules};

/// 申请人工复核. Once, when the bank has decided.
#[derive(Action, Debug)]
#[action(name = "application.ask-review", permission = permissions::APPLY)]
pub(crate) struct AskReview {
    /// 复核理由.
    #[field(max = 500)]
    pub(crate) reason: String,
}

impl RecordAction for AskReview {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        rules::reason(&self.reason)?;
        if !Status::DECIDED.contains(&application.status) {
            let what = "银行作出审批决定后，才能申请人工复核";
            return Err(Fault::refused("lending.not-decided", what));
        }
        if application.review_asked_at.is_some() {
            let what = "已申请过人工复核，请看办理过程";
            return Err(Fault::refused("lending.review-asked", what));
        }
        let patch = Patch::new()
            .set(Application::REVIEW_REASON, self.reason.clone())
            .set(Application::REVIEW_ASKED_AT, ctx.now());
        ctx.update(&application, patch);
        events::tell(ctx, events::REVIEW_ASKED, &application);
        let told = format!(
            "已提交，{}的审批人员会书面答复",
            application.institution_name
        );
        Ok(Done::new().note(self.reason).stay(told))
    }
}

/// 答复人工复核. In words that the enterprise reads.
#[derive(Action, Debug)]
#[action(name = "application.answer-review", permission = permissions::DECIDE)]
pub(crate) struct AnswerReview {
    /// 复核答复.
    #[field(max = 1000)]
    pub(crate) reason: String,
}

impl RecordAction for AnswerReview {
    type Record = Application;

    fn run(self, ctx: &mut Ctx, application: Stored<Application>) -> Result<Done, Fault> {
        rules::reason(&self.reason)?;
        if !application.awaits_review() {
            let what = "没有待答复的人工复核申请";
            return Err(Fault::refused("lending.no-review", what));
        }
        let patch = Patch::new()
            .set(Application::REVIEW_ANSWER, self.reason.clone())
            .set(Application::REVIEW_ANSWERED_BY, ctx.caller().name.clone())
            .set(Application::REVIEW_ANSWERED_AT, ctx.now());
        ctx.update(&application, patch);
        events::tell(ctx, events::REVIEW_ANSWERED, &application);
        Ok(Done::new()
            .note(self.reason)
            .stay("已答复，企业可在申请进度中看到"))
    }
}
