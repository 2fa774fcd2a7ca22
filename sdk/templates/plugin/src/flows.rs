//! What happens next: a ticket is open, then answered, then closed by whoever asked.

use sdk::prelude::*;

use crate::actions::{Answer, Close};
use crate::model::{Status, Ticket};

pub(crate) fn ticket() -> FlowDef {
    Flow::on(Ticket::STATUS)
        .start([Status::Open])
        .step::<Answer>([Status::Open], Status::Answered)
        .step::<Close>([Status::Open, Status::Answered], Status::Closed)
        .build()
}
