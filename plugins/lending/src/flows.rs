//! From the application to the decision.

use sdk::prelude::*;

use crate::actions::{Accept, Approve, Refuse, Resubmit, Return, Withdraw};
use crate::model::{Application, Status};

pub(crate) fn application() -> FlowDef {
    use Status::{Approved, Rejected, Returned, Submitted, UnderReview, Withdrawn};
    Flow::on(Application::STATUS)
        .start([Submitted])
        .step::<Accept>([Submitted], UnderReview)
        .step::<Approve>([Submitted, UnderReview], Approved)
        .step::<Refuse>([Submitted, UnderReview], Rejected)
        .step::<Return>([Submitted, UnderReview], Returned)
        .step::<Resubmit>([Returned], Submitted)
        .step::<Withdraw>([Submitted, UnderReview, Returned], Withdrawn)
        .build()
}
