//! What a module says and hears.

use sdk_contract::call::Event;
use sdk_contract::def::{EventDef, Label};
use sdk_contract::error::Fault;

use crate::ctx::Ctx;

/// An event the module emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventName {
    /// `<entity>.<past>`
    pub name: &'static str,
    pub label: &'static str,
    pub en: &'static str,
}

impl EventName {
    pub(crate) fn def(&self) -> EventDef {
        EventDef {
            name: self.name.to_owned(),
            label: Label::new(self.label, self.en),
        }
    }
}

/// A handler of an event, `<plugin>.<entity>.<past>`. It may hear one event twice.
#[derive(Debug, Clone, Copy)]
pub struct Listener {
    pub event: &'static str,
    pub run: fn(&mut Ctx, &Event) -> Result<(), Fault>,
}
