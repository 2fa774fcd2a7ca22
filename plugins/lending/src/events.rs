//! What lending tells others. Each carries the application's number, product, bank and subject.

use sdk::prelude::*;

use crate::model::Application;

const fn event(name: &'static str, label: &'static str, en: &'static str) -> EventName {
    EventName { name, label, en }
}

pub(crate) const SUBMITTED: EventName = event(
    "application.submitted",
    "申请已提交",
    "Application submitted",
);
pub(crate) const ACCEPTED: EventName =
    event("application.accepted", "申请已受理", "Application accepted");
pub(crate) const RETURNED: EventName =
    event("application.returned", "申请已退回", "Application returned");
pub(crate) const APPROVED: EventName =
    event("application.approved", "申请已通过", "Application approved");
pub(crate) const REJECTED: EventName =
    event("application.rejected", "申请已拒绝", "Application rejected");
pub(crate) const WITHDRAWN: EventName = event(
    "application.withdrawn",
    "申请已撤回",
    "Application withdrawn",
);

pub(crate) const REVIEW_ASKED: EventName = event(
    "application.review-asked",
    "已申请人工复核",
    "Review by a person asked for",
);
pub(crate) const REVIEW_ANSWERED: EventName = event(
    "application.review-answered",
    "人工复核已答复",
    "Review by a person answered",
);

pub(crate) const ALL: &[EventName] = &[
    SUBMITTED,
    ACCEPTED,
    RETURNED,
    APPROVED,
    REJECTED,
    WITHDRAWN,
    REVIEW_ASKED,
    REVIEW_ANSWERED,
];

/// Says `event` of an application.
pub(crate) fn tell(ctx: &mut Ctx, event: EventName, application: &Stored<Application>) {
    let data = json!({
        "number": application.number,
        "product": application.product,
        "organisation": application.organisation,
        "subject": application.subject,
    });
    ctx.emit(event, application.id.as_str(), data);
}
