//! What a caller can do: whoever files a dispute, the platform that passes it on, the source that checks
//! and answers it, and the operator who keeps what deadlines are counted with.

pub(crate) mod answer;
pub(crate) mod file;
pub(crate) mod handle;
pub(crate) mod keep;

use sdk::prelude::*;

use crate::model::{Dispute, Status};
use crate::rules::Clock;

/// To the next step, with the day by which that is to be done.
fn step(clock: &Clock, status: Status) -> Patch<Dispute> {
    Patch::new()
        .set(Dispute::STATUS, status)
        .put(Dispute::DUE_ON, clock.due(status))
        .clear(Dispute::ESCALATED_ON)
}
