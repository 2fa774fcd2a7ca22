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

pub(crate) const ALL: &[EventName] = &[SIGNED, REVOKED];
