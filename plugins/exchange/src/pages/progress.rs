//! The way of a dispute: what was done, what was late, and what comes next.

use sdk::choice::Choice as _;
use sdk::prelude::*;

use crate::model::{Dispute, Status};

/// Whose eyes the timeline is for: a filer sees the source, not its staff by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Filer,
    Staff,
}

pub(super) fn moments(
    ctx: &Ctx,
    dispute: &Stored<Dispute>,
    side: Side,
) -> Result<Vec<Moment>, Fault> {
    let mut dated: Vec<(i64, Moment)> = ctx
        .steps(dispute)?
        .iter()
        .map(|step| done(step, dispute, side))
        .collect();
    if dated.is_empty() {
        let at = dispute.submitted_at.micros();
        let filed = Moment::new("提出异议", Mark::Done).at(at);
        dated.push((at, filed.who(&dispute.filer_name)));
    }
    for late in dispute.escalations.iter().flatten() {
        let told = Timestamp::from_local(&format!("{}T08:30", late.told_on));
        let status = Status::of_value(&late.status).map_or("", |s| s.label());
        let note = format!("“{status}”应于 {} 前办理，已上报督办", late.due_on);
        let moment = Moment::new("办理逾期", Mark::Failed).note(note);
        let at = told.unwrap_or_default().micros();
        dated.push((at, moment.at(at)));
    }
    dated.sort_by_key(|(at, _)| *at);
    let mut moments: Vec<Moment> = dated.into_iter().map(|(_, moment)| moment).collect();
    let next: &[&str] = match dispute.status {
        Status::Submitted => &["平台标注", "转来源单位", "核查并答复"],
        Status::Marked => &["转来源单位", "核查并答复"],
        Status::Transferred | Status::Checking => &["核查并答复"],
        Status::Appealed | Status::Rechecking => &["另一人核查并答复"],
        _ => &[],
    };
    moments.extend(next.iter().enumerate().map(|(n, title)| {
        let current = n == 0;
        let moment = Moment::new(
            *title,
            if current {
                Mark::Current
            } else {
                Mark::Waiting
            },
        );
        let due = dispute.due_on.filter(|_| current);
        let end = due.and_then(|day| Timestamp::from_local(&format!("{day}T23:59")));
        match end {
            Some(end) => moment.due(end.micros()),
            None => moment,
        }
    }));
    Ok(moments)
}

fn done(step: &Step, dispute: &Dispute, side: Side) -> (i64, Moment) {
    let title = match step.to.as_str() {
        "submitted" => "提出异议",
        "marked" => "平台标注",
        "transferred" => "转来源单位",
        "checking" => "来源单位受理",
        "corrected" => "答复：已更正",
        "maintained" => "答复：维持",
        "appealed" => "申诉",
        "rechecking" => "来源单位另一人受理",
        "appeal-corrected" => "申诉答复：已更正",
        "appeal-maintained" => "申诉答复：维持",
        "withdrawn" => "撤回异议",
        other => other,
    };
    let who = match (step.to.as_str(), side) {
        ("submitted" | "appealed" | "withdrawn", _) => dispute.filer_name.as_str(),
        ("marked" | "transferred", Side::Filer) => "平台",
        (_, Side::Filer) => dispute.source_name.as_str(),
        (_, Side::Staff) => step.by_name.as_str(),
    };
    let at = step.at.parse::<Timestamp>().unwrap_or_default().micros();
    let mut moment = Moment::new(title, Mark::Done).at(at);
    if !who.is_empty() {
        moment = moment.who(who);
    }
    if let Some(note) = &step.note {
        moment = moment.note(note);
    }
    (at, moment)
}
