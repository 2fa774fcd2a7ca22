//! What a caller can do. The kernel has checked permission, input and state before `run`; what
//! `run` inserts, updates and says is committed together after it.

use sdk::prelude::*;

use crate::model::{Status, Ticket};
use crate::{events, permissions, rules};

/// 提出问题.
#[derive(Action, Debug)]
#[action(name = "ticket.ask", permission = permissions::ASK)]
pub(crate) struct Ask {
    /// 标题.
    #[field(max = 60)]
    pub(crate) title: String,
    /// 问题.
    #[field(max = 2000)]
    pub(crate) question: String,
}

impl CollectionAction for Ask {
    type Record = Ticket;

    fn run(self, ctx: &mut Ctx) -> Result<Done, Fault> {
        rules::question(&self.question)?;
        let subject = ctx.subject()?.to_owned();
        let ticket = Ticket {
            title: self.title,
            question: self.question,
            answer: None,
            status: Status::Open,
        };
        let id = ctx.insert(New::of(ticket).subject(subject));
        ctx.emit(events::ASKED, id.as_str(), json!({}));
        Ok(Done::new()
            .result(json!({ "id": id.as_str() }))
            .go(format!("/{{id}}/tickets/{id}"), "已提交，请等待答复"))
    }
}

/// 答复.
#[derive(Action, Debug)]
#[action(name = "ticket.answer", permission = permissions::ANSWER)]
pub(crate) struct Answer {
    /// 答复.
    #[field(max = 2000)]
    pub(crate) answer: String,
}

impl RecordAction for Answer {
    type Record = Ticket;

    fn run(self, ctx: &mut Ctx, ticket: Stored<Ticket>) -> Result<Done, Fault> {
        let patch = Patch::new()
            .set(Ticket::ANSWER, self.answer)
            .set(Ticket::STATUS, Status::Answered);
        ctx.update(&ticket, patch);
        ctx.emit(events::ANSWERED, ticket.id.as_str(), json!({}));
        Ok(Done::new().stay("已答复"))
    }
}

/// 关闭.
#[derive(Action, Debug)]
#[action(name = "ticket.close", permission = permissions::ASK)]
pub(crate) struct Close {}

impl RecordAction for Close {
    type Record = Ticket;

    fn run(self, ctx: &mut Ctx, ticket: Stored<Ticket>) -> Result<Done, Fault> {
        ctx.update(&ticket, Patch::new().set(Ticket::STATUS, Status::Closed));
        Ok(Done::new().stay("已关闭"))
    }
}
