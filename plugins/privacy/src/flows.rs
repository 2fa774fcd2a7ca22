//! What happens next.

use sdk::prelude::*;

use crate::actions::{assess, entrust, hold, respond, review};
use crate::model::{
    Assessment, Held, Holding, Incident, Processor, Progress, Review, Stage, Standing,
};

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

pub(crate) fn review() -> FlowDef {
    Flow::on(Review::STATUS)
        .start([Stage::Draft])
        .step::<review::Conclude>([Stage::Draft], Stage::Concluded)
        .build()
}

pub(crate) fn holding() -> FlowDef {
    Flow::on(Holding::STATUS)
        .start([Held::Listed])
        .step::<hold::Remove>([Held::Listed], Held::Removed)
        .build()
}
