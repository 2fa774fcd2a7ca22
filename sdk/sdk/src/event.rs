//! What a module says and hears, from others and from the clock.

use sdk_contract::call::Event;
use sdk_contract::def::{EventDef, Label};
use sdk_contract::error::Fault;
use sdk_contract::schedule::{ScheduleDef, When};

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

/// An event that the clock says, and its handler. It may hear one moment twice, and hears only the
/// last of those it missed. It reads and writes a bounded number of records; where there are more it
/// emits an event of the module that the module hears itself, and goes on there.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// `<entity>.<past>`
    pub name: &'static str,
    pub label: &'static str,
    pub en: &'static str,
    pub when: When,
    pub run: fn(&mut Ctx, &Event) -> Result<(), Fault>,
}

impl Schedule {
    pub(crate) fn def(&self) -> ScheduleDef {
        ScheduleDef {
            name: self.name.to_owned(),
            label: Label::new(self.label, self.en),
            when: self.when,
        }
    }
}
