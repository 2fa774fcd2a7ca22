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
    moments.extend(next.iter().map(|(title, mark)| Moment::new(*title, *mark)));
    Ok(moments)
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
