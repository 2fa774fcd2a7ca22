//! What a bank does with its products.

use sdk::prelude::*;

use crate::model::{Product, Status};
use crate::{events, permissions};

/// 上线. Offers the product to everybody from now on.
#[derive(Action, Debug)]
#[action(name = "product.publish", permission = permissions::MANAGE)]
pub(crate) struct Publish {}

impl RecordAction for Publish {
    type Record = Product;

    fn run(self, ctx: &mut Ctx, product: Stored<Product>) -> Result<Done, Fault> {
        ctx.update(&product, Patch::new().set(Product::STATUS, Status::Online));
        ctx.emit(
            events::PUBLISHED,
            product.id.as_str(),
            json!({ "name": product.name }),
        );
        Ok(Done::new().stay(format!("“{}”已上线", product.name)))
    }
}

/// 下线. Takes no new applications; those on their way go on.
#[derive(Action, Debug)]
#[action(name = "product.withdraw", permission = permissions::MANAGE)]
pub(crate) struct Withdraw {
    /// 下线原因.
    #[field(max = 200)]
    pub(crate) reason: String,
}

impl RecordAction for Withdraw {
    type Record = Product;

    fn run(self, ctx: &mut Ctx, product: Stored<Product>) -> Result<Done, Fault> {
        ctx.update(&product, Patch::new().set(Product::STATUS, Status::Offline));
        ctx.emit(
            events::WITHDRAWN,
            product.id.as_str(),
            json!({ "name": product.name }),
        );
        Ok(Done::new()
            .note(self.reason)
            .stay(format!("“{}”已下线，在途申请不受影响", product.name)))
    }
}
