//! What a caller can do: the enterprise's side, the bank's side, and the estimate.

mod apply;
mod decide;
mod estimate;
mod review;
mod second_look;

pub(crate) use apply::{Acknowledge, Apply, Resubmit, Withdraw};
pub(crate) use decide::{Approve, Refuse};
pub(crate) use estimate::Estimate;
pub(crate) use estimate::scored_products;
pub(crate) use review::{Accept, Return};
pub(crate) use second_look::{AnswerReview, AskReview};

use sdk::prelude::*;

use crate::model::{Enterprise, Letter, Product};

/// A product that is there, whatever its state.
pub(crate) fn product(ctx: &Ctx, id: &str) -> Result<Option<Product>, Fault> {
    ctx.get_as(Product::COLLECTION, id)
}

/// The enterprise the caller acts for.
pub(crate) fn enterprise(ctx: &Ctx) -> Result<Option<Enterprise>, Fault> {
    let Some(subject) = ctx.caller().subject.as_deref() else {
        return Ok(None);
    };
    let query = Query::new(Enterprise::COLLECTION)
        .filter(Filter::eq("subject", subject))
        .limit(1);
    Ok(ctx.find_as(query)?.into_iter().next())
}

/// The caller's letters of consent, newest first.
pub(crate) fn letters(ctx: &Ctx) -> Result<Vec<Letter>, Fault> {
    let Some(subject) = ctx.caller().subject.as_deref() else {
        return Ok(Vec::new());
    };
    let query = Query::new(Letter::COLLECTION)
        .filter(Filter::eq("subject", subject))
        .sort("created_at", true)
        .limit(100);
    ctx.find_as(query)
}

/// Whether the caller may apply for a park's product: only as a tenant of that park, and only
/// where the park edition is switched on.
pub(crate) fn park_admits(ctx: &Ctx, product: &Product) -> Result<bool, Fault> {
    let Some(park) = product.park.as_deref() else {
        return Ok(true);
    };
    let Some(subject) = ctx.caller().subject.as_deref() else {
        return Ok(false);
    };
    let query = Query::new("park.tenancies")
        .filter(Filter::eq("subject", subject))
        .filter(Filter::eq("park", park))
        .limit(1);
    match ctx.find_raw(query) {
        Ok(found) => Ok(!found.records.is_empty()),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(false),
        Err(fault) => Err(fault),
    }
}
