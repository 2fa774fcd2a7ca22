//! A letter is effective from its signature until it is revoked; that it has expired its dates
//! tell.

use sdk::prelude::*;

use crate::actions::Revoke;
use crate::model::{Letter, Status};

pub(crate) fn letter() -> FlowDef {
    Flow::on(Letter::STATUS)
        .start([Status::Effective])
        .step::<Revoke>([Status::Effective], Status::Revoked)
        .build()
}
