//! What this module tells others.

use sdk::prelude::*;

pub(crate) const ASKED: EventName = EventName {
    name: "ticket.asked",
    label: "工单已提出",
    en: "Ticket asked",
};
pub(crate) const ANSWERED: EventName = EventName {
    name: "ticket.answered",
    label: "工单已答复",
    en: "Ticket answered",
};

pub(crate) const ALL: &[EventName] = &[ASKED, ANSWERED];
