//! What this module tells, and what it hears of disputes: it marks the item that is disputed, on the
//! record itself, so that whoever reads the record or has it read sees the mark.

use sdk::prelude::*;

use crate::model::versions::{Versioned, newest};
use crate::model::{InsuranceRecord, JudicialRecord, TaxRecord, UtilityRecord, feature_of};

pub(crate) const DISPUTED: EventName = EventName {
    name: "record.disputed",
    label: "数据项已标注异议",
    en: "Item marked as disputed",
};
pub(crate) const SETTLED: EventName = EventName {
    name: "record.settled",
    label: "数据项异议已办结",
    en: "Dispute of an item settled",
};
pub(crate) const CORRECTED: EventName = EventName {
    name: "record.corrected",
    label: "数据已更正",
    en: "Record corrected",
};

pub(crate) const ALL: &[EventName] = &[DISPUTED, SETTLED, CORRECTED];

pub(crate) const ON: &[Listener] = &[
    Listener {
        event: "exchange.dispute.marked",
        run: mark,
    },
    Listener {
        event: "exchange.dispute.ended",
        run: unmark,
    },
];

fn mark(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    at_item(ctx, event, true)
}

fn unmark(ctx: &mut Ctx, event: &Event) -> Result<(), Fault> {
    at_item(ctx, event, false)
}

/// Sets or takes away the mark of the item that an event names; of an item that is not here, nothing.
fn at_item(ctx: &mut Ctx, event: &Event, on: bool) -> Result<(), Fault> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let (Some(subject), Some(collection), Some(field)) =
        (text("subject"), text("collection"), text("field"))
    else {
        return Ok(());
    };
    let item = (subject, field);
    match collection.strip_prefix("credit.") {
        Some(TaxRecord::COLLECTION) => set::<TaxRecord>(ctx, item, on),
        Some(InsuranceRecord::COLLECTION) => set::<InsuranceRecord>(ctx, item, on),
        Some(UtilityRecord::COLLECTION) => set::<UtilityRecord>(ctx, item, on),
        Some(JudicialRecord::COLLECTION) => set::<JudicialRecord>(ctx, item, on),
        _ => Ok(()),
    }
}

fn set<R: Versioned>(ctx: &mut Ctx, (subject, field): (&str, &str), on: bool) -> Result<(), Fault> {
    let Some(feature) = feature_of(R::COLLECTION, field) else {
        return Ok(());
    };
    let Some(record) = newest::<R>(ctx, subject)? else {
        return Ok(());
    };
    let before = record.links().disputed;
    let mut fields: Vec<String> = before.iter().filter(|f| *f != field).cloned().collect();
    if on {
        fields.push(field.to_owned());
    }
    if fields.len() != before.len() {
        ctx.update(&record, R::marked(fields));
    }
    let event = if on { DISPUTED } else { SETTLED };
    let data = json!({ "subject": subject, "feature": feature.name });
    ctx.emit(event, subject, data);
    Ok(())
}
