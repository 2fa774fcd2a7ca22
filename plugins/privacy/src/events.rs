//! What this module says, to itself alone.

use sdk::prelude::*;

/// There are more entries to tell of.
pub(crate) const REMINDERS_CONTINUED: EventName = EventName {
    name: "register.reminders-continued",
    label: "台账提醒未完",
    en: "More reminders",
};

pub(crate) const ALL: &[EventName] = &[REMINDERS_CONTINUED];
