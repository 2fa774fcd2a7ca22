//! Events between their commit and their delivery, as the kernel's relay takes them: at least once,
//! in order within an aggregate, tried again with a growing pause, given up after a while.

use std::collections::BTreeSet;

use sdk_contract::call::Event;
use sdk_contract::def::ModuleDef;
use sdk_contract::error::Fault;
use sdk_contract::scalar::Timestamp;

use super::access::Runner;
use super::check::Running;
use super::{Mock, tell};

/// Rounds of delivery before a scenario is taken for a loop.
const MOST_ROUNDS: u32 = 1_000;
/// Deliveries before an event is given up.
const MOST_ATTEMPTS: u32 = 8;
/// Pause after the first failure, in microseconds; each next one is twice as long.
const FIRST_PAUSE: i64 = 500_000;

/// An event that is not delivered yet.
pub(super) struct Pending {
    event: Event,
    attempts: u32,
    next_at: Timestamp,
    /// Modules that have handled it.
    done: BTreeSet<String>,
}

impl Pending {
    pub(super) fn new(event: Event) -> Self {
        Self {
            attempts: 0,
            next_at: Timestamp::from_micros(event.at),
            done: BTreeSet::new(),
            event,
        }
    }
}

impl Mock {
    /// Delivers until nothing is due.
    #[expect(clippy::panic, reason = "a scenario without an end fails its test")]
    pub(super) fn deliver(&self) {
        for _ in 0..MOST_ROUNDS {
            let due = self.due();
            if due.is_empty() {
                return;
            }
            for event in due {
                let told = self.tell_listeners(&event);
                self.settle(&event, told);
            }
        }
        panic!("events go round in circles");
    }

    /// The oldest event of each aggregate, if its time has come.
    fn due(&self) -> Vec<Event> {
        let state = self.0.borrow();
        let mut seen = BTreeSet::new();
        let first = state
            .outbox
            .iter()
            .filter(|pending| seen.insert(pending.event.aggregate.clone()));
        first
            .filter(|pending| pending.next_at <= state.now)
            .map(|pending| pending.event.clone())
            .collect()
    }

    fn tell_listeners(&self, event: &Event) -> Result<(), Fault> {
        let listening: Vec<_> = self
            .0
            .borrow()
            .modules
            .iter()
            .filter(|m| m.def.on.contains(&event.name) || is_told(&m.def, event))
            .map(|m| (m.module.clone(), std::rc::Rc::clone(&m.def)))
            .collect();
        for (module, def) in listening {
            if self.pending(event, |p| p.done.contains(&def.id)) {
                continue;
            }
            let runner = Runner::Module(def.id.clone());
            let host = self.host(runner.clone(), module.id());
            let reply = module.on_event(host, self.context(&runner), event)?;
            let running = Running {
                def: &def,
                step: &event.name,
                action: None,
                record: None,
            };
            self.0
                .borrow_mut()
                .commit(running, &runner.caller(), reply)?;
            self.pending(event, |p| p.done.insert(def.id.clone()));
        }
        Ok(())
    }

    fn pending(&self, event: &Event, ask: impl FnOnce(&mut Pending) -> bool) -> bool {
        let mut state = self.0.borrow_mut();
        let found = state.outbox.iter_mut().find(|p| p.event.id == event.id);
        found.is_some_and(ask)
    }

    fn settle(&self, event: &Event, told: Result<(), Fault>) {
        let (now, heard) = (self.now(), told.is_ok());
        let stays = self.pending(event, |pending| match told {
            Ok(()) => false,
            Err(fault) => {
                tell(&format!("{} is not delivered: {fault}", event.name));
                let pause = FIRST_PAUSE
                    .checked_shl(pending.attempts)
                    .unwrap_or(i64::MAX);
                pending.attempts += 1;
                pending.next_at = Timestamp::from_micros(now.micros().saturating_add(pause));
                pending.attempts < MOST_ATTEMPTS
            }
        });
        let mut state = self.0.borrow_mut();
        if !stays {
            state.outbox.retain(|pending| pending.event.id != event.id);
        }
        if heard {
            state.heard.push(event.clone());
        }
    }
}

/// Whether the clock said it to this module.
fn is_told(def: &ModuleDef, event: &Event) -> bool {
    let own = event.name.strip_prefix(&def.id);
    let name = own.and_then(|rest| rest.strip_prefix('.'));
    def.schedules.iter().any(|s| Some(s.name.as_str()) == name)
}
