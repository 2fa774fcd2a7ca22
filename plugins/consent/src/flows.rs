//! A letter is effective from its signature until it is revoked; that it has expired its dates
//! tell. A template is drafted, submitted, published by somebody else, and drafted again as its
//! next version; a published version is in force until it is withdrawn or revoked.

use sdk::prelude::*;

use crate::actions::{Revoke, edition, template};
use crate::model::{Edition, Letter, Stage, Standing, Status, Template};

pub(crate) fn letter() -> FlowDef {
    Flow::on(Letter::STATUS)
        .start([Status::Effective])
        .step::<Revoke>([Status::Effective], Status::Revoked)
        .build()
}

/// What the platform comes with is published.
pub(crate) fn template() -> FlowDef {
    use Stage::{Draft, Published, Submitted};
    Flow::on(Template::STAGE)
        .start([Draft, Published])
        .step::<template::Edit>([Draft], Draft)
        .step::<template::Submit>([Draft], Submitted)
        .step::<template::Publish>([Submitted], Published)
        .step::<template::Return>([Submitted], Draft)
        .step::<template::Revise>([Published], Draft)
        .build()
}

pub(crate) fn edition() -> FlowDef {
    use Standing::{InForce, Revoked, Withdrawn};
    Flow::on(Edition::STATUS)
        .start([InForce])
        .step::<edition::Withdraw>([InForce], Withdrawn)
        .step::<edition::Revoke>([InForce, Withdrawn], Revoked)
        .build()
}
