//! What happens by itself: a step that was not done in time is told to whoever supervises it, once.

use sdk::prelude::*;

use crate::events;
use crate::model::{Dispute, Escalation};
use crate::rules::Clock;

/// Disputes of one run; the rest are left to the next event.
const AT_ONCE: u32 = 40;

pub(crate) const ALL: &[Schedule] = &[Schedule {
    name: "dispute.day-began",
    label: "督办逾期的数据异议",
    en: "Escalate overdue disputes",
    when: When::Daily {
        hour: 8,
        minute: 30,
    },
    run: begin,
}];

pub(crate) const ON: &[Listener] = &[Listener {
    event: "exchange.dispute.reminders-continued",
    run: go_on,
}];

fn begin(ctx: &mut Ctx, _: &Event) -> Result<(), Fault> {
    escalate(ctx, "")
}

fn go_on(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    let cursor = event.data.get("cursor").and_then(Value::as_str);
    escalate(ctx, cursor.unwrap_or_default())
}

/// Some of the disputes whose step is late and was not told of. What has ended has no deadline.
fn escalate(ctx: &mut Ctx, cursor: &str) -> Result<(), Fault> {
    let today = ctx.today();
    let office = Clock::read(ctx)?.standard.office;
    let find = Find::<Dispute>::new()
        .filter(Dispute::DUE_ON.at_most(today.plus_days(-1)))
        .sort(Dispute::DUE_ON.asc())
        .apart()
        .after(cursor, AT_ONCE);
    let found = ctx.find(find)?;
    let untold = found.items.iter().filter(|d| d.escalated_on.is_none());
    for dispute in untold {
        let Some(due_on) = dispute.due_on else {
            continue;
        };
        let mut all = dispute.escalations.clone().unwrap_or_default();
        all.push(Escalation {
            status: dispute.status.value().into(),
            due_on,
            told_on: today,
        });
        let patch = Patch::new()
            .set(Dispute::ESCALATED_ON, today)
            .set(Dispute::ESCALATIONS, all);
        ctx.update(dispute, patch);
        events::overdue(ctx, dispute, office.as_deref());
    }
    if let Some(next) = found.next {
        let data = json!({ "cursor": next });
        ctx.emit(events::REMINDERS_CONTINUED, "reminders", data);
    }
    Ok(())
}
