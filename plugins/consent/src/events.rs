//! What this module tells others.

use sdk::prelude::*;

pub(crate) const SIGNED: EventName = EventName {
    name: "letter.signed",
    label: "授权书已签署",
    en: "Letter signed",
};
pub(crate) const REVOKED: EventName = EventName {
    name: "letter.revoked",
    label: "授权书已撤回",
    en: "Letter revoked",
};
pub(crate) const PUBLISHED: EventName = EventName {
    name: "edition.published",
    label: "授权书模版已发布",
    en: "Template published",
};
pub(crate) const WITHDRAWN: EventName = EventName {
    name: "edition.withdrawn",
    label: "授权书模版已停用",
    en: "Template withdrawn",
};
pub(crate) const TEMPLATE_REVOKED: EventName = EventName {
    name: "edition.revoked",
    label: "授权书模版已撤销",
    en: "Template revoked",
};

/// Heard by this module itself: there are more letters to tell of.
pub(crate) const REMINDERS_CONTINUED: EventName = EventName {
    name: "letter.reminders-continued",
    label: "到期提醒未完",
    en: "More reminders",
};

pub(crate) const ALL: &[EventName] = &[
    SIGNED,
    REVOKED,
    PUBLISHED,
    WITHDRAWN,
    TEMPLATE_REVOKED,
    REMINDERS_CONTINUED,
];
