//! The way of an application: what was done, and what comes next.

use sdk::prelude::*;

use crate::model::{Application, Status};

/// Whose eyes the timeline is for: an enterprise sees the bank, not its staff by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Enterprise,
    Bank,
}

pub(super) fn moments(
    ctx: &Ctx,
    application: &Stored<Application>,
    side: Side,
) -> Result<Vec<Moment>, Fault> {
    let steps = ctx.steps(application)?;
    let mut moments: Vec<Moment> = steps
        .iter()
        .map(|step| done(step, application, side))
        .collect();
    if moments.is_empty() {
        moments.push(Moment::new("提交申请", Mark::Done).at(application.submitted_at.micros()));
    }
    let next: &[(&str, Mark)] = match application.status {
        Status::Submitted => &[("银行受理", Mark::Current), ("银行审批", Mark::Waiting)],
        Status::UnderReview => &[("银行审批", Mark::Current)],
        Status::Returned => &[
            ("企业补充后重新提交", Mark::Current),
            ("银行审批", Mark::Waiting),
        ],
        Status::Approved | Status::Rejected | Status::Withdrawn => &[],
    };
    moments.extend(second_look(application, side));
    moments.extend(next.iter().map(|(title, mark)| Moment::new(*title, *mark)));
    Ok(moments)
}

/// What a person's look that was asked for came to.
fn second_look(application: &Application, side: Side) -> Vec<Moment> {
    let Some(asked_at) = application.review_asked_at else {
        return Vec::new();
    };
    let asked = Moment::new("申请人工复核", Mark::Done)
        .at(asked_at.micros())
        .who(&application.enterprise_name)
        .note(application.review_reason.as_deref().unwrap_or_default());
    let Some(at) = application.review_answered_at else {
        return vec![asked, Moment::new("银行答复", Mark::Current)];
    };
    let who = match side {
        Side::Enterprise => Some(&application.institution_name),
        Side::Bank => application.review_answered_by.as_ref(),
    };
    let answer = application.review_answer.as_deref().unwrap_or_default();
    let answered = Moment::new("人工复核答复", Mark::Done)
        .at(at.micros())
        .who(who.map_or("", String::as_str))
        .note(answer);
    vec![asked, answered]
}

fn done(step: &Step, application: &Application, side: Side) -> Moment {
    let by_bank = !matches!(step.to.as_str(), "submitted" | "withdrawn");
    let (title, mark) = match step.to.as_str() {
        "submitted" if step.from.is_some() => ("重新提交", Mark::Done),
        "submitted" => ("提交申请", Mark::Done),
        "under-review" => ("银行受理", Mark::Done),
        "returned" => ("退回补充", Mark::Done),
        "approved" => ("审批通过", Mark::Done),
        "rejected" => ("审批未通过", Mark::Failed),
        "withdrawn" => ("企业撤回", Mark::Done),
        other => (other, Mark::Done),
    };
    let mut moment = Moment::new(title, mark);
    if let Ok(at) = step.at.parse::<Timestamp>() {
        moment = moment.at(at.micros());
    }
    let who = match side {
        _ if !by_bank => application.enterprise_name.as_str(),
        Side::Enterprise => application.institution_name.as_str(),
        Side::Bank => step.by_name.as_str(),
    };
    if !who.is_empty() {
        moment = moment.who(who);
    }
    match &step.note {
        Some(note) => moment.note(note),
        None => moment,
    }
}
