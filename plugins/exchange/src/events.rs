//! What this module tells others, and whom it has told of a dispute.
//!
//! Events name the item and whose it is, never what it says. Those that set and end a mark go by the
//! party, so that of one item they arrive in order.

use sdk::prelude::*;

use crate::model::{Dispute, Status};
use crate::permissions;
use crate::rules::Clock;

const fn event(name: &'static str, label: &'static str, en: &'static str) -> EventName {
    EventName { name, label, en }
}

pub(crate) const SUBMITTED: EventName = event("dispute.submitted", "异议已提出", "Dispute filed");
/// `credit` hears it, and marks the item.
pub(crate) const MARKED: EventName = event("dispute.marked", "异议已标注", "Item marked");
pub(crate) const TRANSFERRED: EventName = event(
    "dispute.transferred",
    "异议已转来源单位",
    "Dispute passed on",
);
pub(crate) const ANSWERED: EventName = event("dispute.answered", "异议已答复", "Dispute answered");
pub(crate) const APPEALED: EventName = event("dispute.appealed", "已申诉", "Appeal made");
/// `credit` hears it, and takes the mark away.
pub(crate) const ENDED: EventName = event("dispute.ended", "异议标注已结束", "Mark ended");
pub(crate) const OVERDUE: EventName = event("dispute.overdue", "异议办理逾期", "Dispute overdue");
/// Heard by this module itself: there are more disputes to look at.
pub(crate) const REMINDERS_CONTINUED: EventName = event(
    "dispute.reminders-continued",
    "逾期督办未完",
    "More overdue disputes",
);

pub(crate) const ALL: &[EventName] = &[
    SUBMITTED,
    MARKED,
    TRANSFERRED,
    ANSWERED,
    APPEALED,
    ENDED,
    OVERDUE,
    REMINDERS_CONTINUED,
];

fn path(id: &Id<Dispute>) -> String {
    format!("/exchange/disputes/{id}")
}

/// `近12个月纳税额（YY20261123…）`
fn what(dispute: &Dispute) -> String {
    format!("{}（{}）", dispute.item_label, dispute.number)
}

fn say(ctx: &mut Ctx, event: EventName, dispute: &Stored<Dispute>) {
    let subject = dispute.subject.clone().unwrap_or_default();
    let data = json!({
        "dispute": dispute.id, "number": dispute.number, "subject": subject,
        "item": dispute.item, "collection": dispute.dataset, "field": dispute.field,
    });
    ctx.emit(event, subject, data);
}

pub(crate) fn submitted(ctx: &mut Ctx, id: &Id<Dispute>, dispute: &Dispute) -> Result<(), Fault> {
    let subject = ctx.subject()?.to_owned();
    let data = json!({
        "dispute": id, "number": dispute.number, "subject": subject, "item": dispute.item,
    });
    ctx.emit(SUBMITTED, subject, data);
    if let Some(office) = Clock::read(ctx)?.standard.office {
        let notice = permissions::MARK
            .notice(office, format!("submitted:{id}"))
            .title("收到数据异议，请标注", "A dispute has arrived")
            .text(format!("{}：{}", dispute.filer_name, what(dispute)), "")
            .path(path(id));
        ctx.notify(notice);
    }
    Ok(())
}

pub(crate) fn marked(ctx: &mut Ctx, dispute: &Stored<Dispute>) {
    say(ctx, MARKED, dispute);
    let title = ("您的数据异议已标注", "Your dispute is marked");
    to_filer(ctx, dispute, "marked", title);
}

pub(crate) fn transferred(ctx: &mut Ctx, dispute: &Stored<Dispute>) {
    say(ctx, TRANSFERRED, dispute);
    let title = ("转来数据异议，请核查", "A dispute to check");
    to_source(ctx, dispute, "transferred", title);
}

pub(crate) fn appealed(ctx: &mut Ctx, dispute: &Stored<Dispute>) {
    say(ctx, APPEALED, dispute);
    say(ctx, MARKED, dispute);
    let title = (
        "收到申诉，请由另一人核查",
        "An appeal, for another to check",
    );
    to_source(ctx, dispute, "appealed", title);
}

pub(crate) fn answered(ctx: &mut Ctx, dispute: &Stored<Dispute>, status: Status) {
    say(ctx, ANSWERED, dispute);
    let title = ("您的数据异议已答复", "Your dispute was answered");
    to_filer(ctx, dispute, status.value(), title);
}

pub(crate) fn ended(ctx: &mut Ctx, dispute: &Stored<Dispute>) {
    say(ctx, ENDED, dispute);
}

/// A step is late: whoever supervises those who should have done it is told; of an appeal the office's
/// supervisors as well, for at the source its own head may be whom it waits for.
pub(crate) fn overdue(ctx: &mut Ctx, dispute: &Stored<Dispute>, office: Option<&str>) {
    say(ctx, OVERDUE, dispute);
    let Some(due) = dispute.due_on else {
        return;
    };
    let platform = dispute.status.at_platform();
    let source = dispute.organisation.as_deref().filter(|_| !platform);
    let office = office.filter(|_| platform || dispute.appealed_at.is_some());
    let text = format!(
        "{}应于 {due} 前办理，现为“{}”",
        what(dispute),
        dispute.status.label()
    );
    for unit in source.into_iter().chain(office) {
        let key = format!("overdue:{}:{}", dispute.id, dispute.status.value());
        let notice = permissions::SUPERVISE
            .notice(unit, key)
            .title("数据异议办理逾期，请督办", "A dispute is overdue")
            .text(&text, format!("{} was due on {due}", dispute.number))
            .path(path(&dispute.id));
        ctx.notify(notice);
    }
}

fn to_filer(
    ctx: &mut Ctx,
    dispute: &Stored<Dispute>,
    key: &str,
    (title, en): (&'static str, &'static str),
) {
    let Some(subject) = dispute.subject.clone() else {
        return;
    };
    let notice = permissions::FILE
        .notice(subject, format!("{key}:{}", dispute.id))
        .title(title, en)
        .text(what(dispute), dispute.number.clone())
        .path(path(&dispute.id));
    ctx.notify(notice);
}

fn to_source(
    ctx: &mut Ctx,
    dispute: &Stored<Dispute>,
    key: &str,
    (title, en): (&'static str, &'static str),
) {
    let Some(unit) = dispute.organisation.clone() else {
        return;
    };
    let notice = permissions::CHECK
        .notice(unit, format!("{key}:{}", dispute.id))
        .title(title, en)
        .text(what(dispute), dispute.number.clone())
        .path(path(&dispute.id));
    ctx.notify(notice);
}
