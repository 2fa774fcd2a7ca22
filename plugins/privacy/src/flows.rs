//! What happens next.

use sdk::prelude::*;

use crate::actions::{assess, entrust, respond};
use crate::model::{Assessment, Incident, Processor, Progress, Stage, Standing};

pub(crate) fn assessment() -> FlowDef {
    Flow::on(Assessment::STATUS)
        .start([Stage::Draft])
        .step::<assess::Conclude>([Stage::Draft], Stage::Concluded)
        .step::<assess::Reopen>([Stage::Concluded], Stage::Draft)
        .build()
}

pub(crate) fn processor() -> FlowDef {
    Flow::on(Processor::STATUS)
        .start([Standing::Active])
        .step::<entrust::End>([Standing::Active], Standing::Ended)
        .build()
}

pub(crate) fn incident() -> FlowDef {
    Flow::on(Incident::STATUS)
        .start([Progress::Open])
        .step::<respond::Close>([Progress::Open], Progress::Closed)
        .build()
}
