//! From the filing to the end: marked, passed on, checked, answered, and once more after an appeal.

use sdk::prelude::*;

use crate::actions::{answer, file, handle};
use crate::model::{Dispute, Status};

pub(crate) fn dispute() -> FlowDef {
    use Status::{
        AppealCorrected, AppealMaintained, Appealed, Checking, Corrected, Maintained, Marked,
        Rechecking, Submitted, Transferred, Withdrawn,
    };
    Flow::on(Dispute::STATUS)
        .start([Submitted])
        .step::<handle::Mark>([Submitted], Marked)
        .step::<handle::Transfer>([Marked], Transferred)
        .step::<handle::Take>([Transferred, Checking], Checking)
        .step::<answer::Correct>([Checking], Corrected)
        .step::<answer::Maintain>([Checking], Maintained)
        .step::<file::Appeal>([Corrected, Maintained], Appealed)
        .step::<handle::Take>([Appealed, Rechecking], Rechecking)
        .step::<answer::Correct>([Rechecking], AppealCorrected)
        .step::<answer::Maintain>([Rechecking], AppealMaintained)
        .step::<file::Withdraw>(
            [
                Submitted,
                Marked,
                Transferred,
                Checking,
                Appealed,
                Rechecking,
            ],
            Withdrawn,
        )
        .build()
}
