//! What lending tells others. Each event carries the application's number, product, bank and subject;
//! a notice says what came or was decided, and leads to the application for the rest.

pub(crate) mod disputes;

use sdk::prelude::*;

use crate::model::Application;
use crate::permissions;

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

/// Heard by this module itself: there are more applications to mark.
pub(crate) const DISPUTES_CONTINUED: EventName = event(
    "application.disputes-continued",
    "异议标注未完",
    "More applications to mark",
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
    DISPUTES_CONTINUED,
];

/// Says `event` of an application, and has told whom it concerns.
pub(crate) fn tell(ctx: &mut Ctx, event: EventName, application: &Stored<Application>) {
    let data = json!({
        "number": application.number,
        "product": application.product,
        "organisation": application.organisation,
        "subject": application.subject,
    });
    ctx.emit(event, application.id.as_str(), data);
    let party = |id: &Option<String>| id.clone().unwrap_or_default();
    let parties = Parties {
        bank: &party(&application.organisation),
        enterprise: &party(&application.subject),
    };
    let step = (application.id.as_str(), application.revision);
    notify(ctx, event, step, parties, application);
}

/// Whose application it is, and whose to decide on.
#[derive(Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) bank: &'a str,
    pub(crate) enterprise: &'a str,
}

/// Tells the bank of what has come, and the enterprise of what was decided. `step` is the
/// application's id, and the revision that this led from: a step back and forth is told of each time.
pub(crate) fn notify(
    ctx: &mut Ctx,
    event: EventName,
    (id, revision): (&str, i64),
    to: Parties<'_>,
    application: &Application,
) {
    let reviewers = (permissions::REVIEW, to.bank);
    let deciders = (permissions::DECIDE, to.bank);
    let applicants = (permissions::READ, to.enterprise);
    let ((permission, organisation), zh, en) = match event {
        SUBMITTED => (reviewers, "收到贷款申请", "An application has arrived"),
        RETURNED => (
            applicants,
            "申请被退回，请补充",
            "Your application was returned",
        ),
        APPROVED => (applicants, "申请已通过", "Your application was approved"),
        REJECTED => (applicants, "申请未通过", "Your application was refused"),
        REVIEW_ASKED => (
            deciders,
            "企业申请人工复核",
            "A review by a person is asked for",
        ),
        REVIEW_ANSWERED => (applicants, "人工复核已答复", "The review was answered"),
        _ => return,
    };
    let other = if organisation == to.bank {
        &application.enterprise_name
    } else {
        &application.institution_name
    };
    let what = format!("{}（{}）", application.product_name, application.number);
    let notice = permission
        .notice(organisation, format!("{}:{id}:{revision}", event.name))
        .title(zh, en)
        .text(format!("{other}：{what}"), format!("{other}: {what}"))
        .path(format!("/lending/applications/{id}"));
    ctx.notify(notice);
}
