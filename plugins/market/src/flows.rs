//! A product is on the market or off it.

use sdk::prelude::*;

use crate::actions::{Publish, Withdraw};
use crate::model::{Product, Status};

pub(crate) fn product() -> FlowDef {
    Flow::on(Product::STATUS)
        .start([Status::Online, Status::Offline])
        .step::<Publish>([Status::Offline], Status::Online)
        .step::<Withdraw>([Status::Online], Status::Offline)
        .build()
}
