//! What the clock says: a moment of a schedule becomes one event for its module.
//!
//! Each schedule has a row with the last moment that became an event. The event and the row's next
//! revision are one commit, which one node alone can make: so there is no lease to lose, a killed node
//! has done all of it or nothing, and a clock that steps back finds its moments done. Moments that
//! nobody was there for become one event, for the last of them; so do those that come while an earlier
//! event waits to be delivered. A schedule that is seen for the first time begins with its next moment.
//!
//! A clock that was far ahead leaves a moment that has yet to come: until then nothing runs by itself,
//! since no node can tell which of two clocks was right. An operator sees it, and runs the schedule once
//! to put it right.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel_crypto::sm3;
use kernel_storage::{Commit, CommitError, Delivery, NewEvent};
use sdk_contract::call::{Event, EventDraft, Write};
use sdk_contract::error::Fault;
use sdk_contract::query::{MAX_LIMIT, Query};
use sdk_contract::scalar::{Timestamp, uuid7};
use sdk_contract::schedule::ScheduleDef;
use serde_json::{Map, Value, json};

use crate::Host;
use crate::catalog::{Catalog, Installed};
use crate::console::{ID, SCHEDULES};
use crate::dispatch::{by_platform, commit_fault};
use crate::module::new_id;
use crate::reads::{ask as ask_fault, storage};
use crate::values::{number, object, word};

/// How far a schedule has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    id: String,
    revision: i64,
    /// The last moment that became an event, or that was over when the schedule was first seen.
    pub(crate) slot: Timestamp,
    /// When the last event was said, and its id.
    pub(crate) ran: Option<(Timestamp, String)>,
    /// Somebody has asked to run it now.
    pub(crate) asked: bool,
}

impl Progress {
    pub(crate) fn read(row: &Map<String, Value>) -> Self {
        let ran: Option<Timestamp> = word(row, "ran_at").parse().ok();
        Self {
            id: word(row, "id").to_owned(),
            revision: number(row, "revision"),
            slot: word(row, "slot").parse().unwrap_or_default(),
            ran: ran.map(|at| (at, word(row, "event").to_owned())),
            asked: !word(row, "asked_by").is_empty(),
        }
    }

    /// The moment to say now, and the one to remember as said.
    fn due(&self, schedule: &ScheduleDef, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let last = schedule.when.last(now);
        if last > self.slot {
            return Some((last, last));
        }
        // Of a clock that was ahead only what lies beyond the next moment is taken back.
        let ahead = self.slot > schedule.when.next(now);
        let kept = if ahead { last } else { self.slot };
        self.asked.then_some((last, kept))
    }
}

impl Host {
    /// Says what is due, and how many events that were. Every node may call it at any time.
    pub async fn run_schedules(&self) -> Result<usize, Fault> {
        let now = self.clock().now();
        let rows = self.schedule_rows().await?;
        let mut said = 0;
        for installed in self.catalog().modules.values() {
            if off(installed) {
                continue;
            }
            for schedule in &installed.def.schedules {
                let code = code(&installed.def.id, schedule);
                match rows.get(&code) {
                    None => self.begin(&code, schedule.when.last(now), now).await?,
                    Some(row) => {
                        let progress = Progress::read(row);
                        let done = self.say(&installed.def.id, schedule, &progress, now);
                        said += usize::from(done.await?);
                    }
                }
            }
        }
        Ok(said)
    }

    /// The rows of schedules, by `<module>.<name>`.
    pub(crate) async fn schedule_rows(
        &self,
    ) -> Result<BTreeMap<String, Map<String, Value>>, Fault> {
        let query = Query::new(format!("{ID}.{SCHEDULES}"))
            .sort("code", false)
            .limit(MAX_LIMIT);
        let found = self.store().find(&query, &Self::KERNEL).await;
        let records = found.map_err(|e| ask_fault(&e))?.records;
        let named = records.into_iter();
        Ok(named
            .map(|row| (word(&row, "code").to_owned(), row))
            .collect())
    }

    async fn begin(&self, code: &str, slot: Timestamp, now: Timestamp) -> Result<(), Fault> {
        let insert = Write::Insert {
            collection: SCHEDULES.into(),
            id: new_id(now)?,
            subject: None,
            organisation: None,
            district: None,
            values: object(json!({ "code": code, "slot": slot.to_string() })),
        };
        let commit = Commit {
            module: ID.into(),
            writes: vec![insert],
            ..by_the_clock(code, now)
        };
        match self.store().commit(commit).await {
            // Of two nodes the other was faster.
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(commit_fault(&error)),
        }
    }

    /// One event, if there is one to say. False also where another node has just said it.
    async fn say(
        &self,
        module: &str,
        schedule: &ScheduleDef,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Some((slot, kept)) = progress.due(schedule, now) else {
            return Ok(false);
        };
        if let Some((_, event)) = &progress.ran {
            let before = self.store().outbox_delivery(event).await;
            if before.map_err(|e| storage(&e))? == Some(Delivery::Waiting) {
                return Ok(false);
            }
        }
        let code = code(module, schedule);
        let event = event_id(&code, slot, progress.revision);
        let update = Write::Update {
            collection: SCHEDULES.into(),
            id: progress.id.clone(),
            revision: progress.revision,
            values: object(json!({
                "slot": kept.to_string(),
                "ran_at": now.to_string(),
                "event": event,
                "asked_by": null,
            })),
        };
        let draft = EventDraft {
            name: schedule.name.clone(),
            aggregate: format!("schedule:{code}"),
            data: json!({ "slot": slot.to_string() }),
        };
        let commit = Commit {
            // Whose event it is.
            module: module.to_owned(),
            others: vec![(ID.to_owned(), update)],
            events: vec![NewEvent { id: event, draft }],
            ..by_the_clock(&code, now)
        };
        match self.store().commit(commit).await {
            Ok(_) => Ok(true),
            Err(CommitError::Stale { .. }) => Ok(false),
            Err(error) => Err(commit_fault(&error)),
        }
    }
}

fn by_the_clock(code: &str, now: Timestamp) -> Commit {
    Commit {
        at: now.micros(),
        by: by_platform(),
        request: "schedule".into(),
        action: code.to_owned(),
        ..Commit::default()
    }
}

/// The same for the same moment from the same revision of the row, which commits once.
fn event_id(code: &str, slot: Timestamp, revision: i64) -> String {
    let text = format!("schedule\n{code}\n{slot}\n{revision}");
    let digest = sm3::digest(text.as_bytes());
    let first = digest.as_bytes().first_chunk().copied();
    uuid7(slot, first.unwrap_or_default())
}

/// `<module>.<name>`: how its event is called, too.
pub(crate) fn code(module: &str, schedule: &ScheduleDef) -> String {
    format!("{module}.{}", schedule.name)
}

/// The module and its schedule that an event is of.
pub(crate) fn of<'c>(
    catalog: &'c Catalog,
    event: &str,
) -> Option<(&'c Arc<Installed>, &'c ScheduleDef)> {
    let (module, name) = event.split_once('.')?;
    let installed = catalog.modules.get(module)?;
    let schedule = installed.def.schedules.iter().find(|s| s.name == name)?;
    Some((installed, schedule))
}

/// Switched on nowhere: nothing of it runs by itself.
pub(crate) fn off(installed: &Installed) -> bool {
    !installed.enabled.everywhere && installed.enabled.districts.is_empty()
}

/// Whether an event is what the clock said to a module that has been switched off meanwhile.
pub(crate) fn is_off(installed: &Installed, event: &Event) -> bool {
    let mut own = installed.def.schedules.iter();
    off(installed) && own.any(|s| event.name == code(&installed.def.id, s))
}

#[cfg(test)]
mod tests {
    use sdk_contract::schedule::When;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_that_was_ahead_is_put_right_by_hand_alone() {
        let schedule = ScheduleDef {
            name: "day.began".into(),
            label: "".into(),
            when: When::Daily { hour: 0, minute: 0 },
        };
        let mut progress = Progress {
            id: String::new(),
            revision: 1,
            slot: at("2027-11-23T16:00:00Z"),
            ran: None,
            asked: false,
        };
        let (now, last) = (at("2026-11-24T01:00:00Z"), at("2026-11-23T16:00:00Z"));
        assert_eq!(progress.due(&schedule, now), None);
        progress.asked = true;
        assert_eq!(progress.due(&schedule, now), Some((last, last)));
        // A little ahead: the moment that was said is not said again when it comes.
        let next = at("2026-11-24T16:00:00Z");
        progress.slot = next;
        assert_eq!(progress.due(&schedule, now), Some((last, next)));
    }

    #[test]
    fn ids_differ_by_schedule_moment_and_run() {
        let slot = at("2026-11-23T16:00:00Z");
        let first = event_id("a.b.c", slot, 1);
        assert_eq!(first, event_id("a.b.c", slot, 1));
        for other in [
            event_id("a.b.d", slot, 1),
            event_id("a.b.c", slot.plus_seconds(1), 1),
            event_id("a.b.c", slot, 2),
        ] {
            assert_ne!(first, other);
        }
    }
}
