//! What an operator must hear of: a trail that cannot be written, a clock that was set back, and a
//! collector that does not take what is handed on to it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::StorageError;

/// A checkpoint is due after so many records, however short the time.
const UNSIGNED: u64 = 1_000;

/// How the audit trail fares on this node since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditHealth {
    /// The last record could not be written. Sensitive writes and guarded reads are refused.
    pub down: bool,
    /// How often a record could not be written.
    pub failures: u64,
    /// How many records came from a clock that had been set back.
    pub set_back: u64,
    /// Records written since the last checkpoint.
    pub unsigned: u64,
    /// Absent where there is no collector.
    pub handed_on: Option<HandedOn>,
}

/// How far a central collector has the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedOn {
    /// Whether it took what was handed to it last.
    pub reached: bool,
    /// Records that it has not got.
    pub behind: u64,
}

#[derive(Default)]
pub(crate) struct Gauge {
    down: AtomicBool,
    failures: AtomicU64,
    set_back: AtomicU64,
    unsigned: AtomicU64,
    handed_on: Mutex<Option<HandedOn>>,
    pub(super) due: Notify,
}

impl Gauge {
    /// Told of every attempt to append. A transaction that only lost a race is tried again and is
    /// no failure.
    pub(super) fn appended(&self, error: Option<&StorageError>) {
        match error {
            None => {
                if self.down.swap(false, Relaxed) {
                    tracing::warn!(code = "audit.up", "the audit trail is written again");
                }
            }
            Some(error) if error.is_lost_race() => {}
            Some(error) => {
                self.down.store(true, Relaxed);
                self.failures.fetch_add(1, Relaxed);
                tracing::error!(
                    code = "audit.down",
                    error = error as &dyn std::error::Error,
                    "the audit trail cannot be written: what should be recorded is refused"
                );
            }
        }
    }

    pub(super) fn clock_set_back(&self, seq: u64, at: i64, before: i64) {
        self.set_back.fetch_add(1, Relaxed);
        tracing::error!(
            code = "audit.clock-set-back",
            seq,
            at,
            before,
            "the clock was set back"
        );
    }

    /// Told of records once they are durable.
    pub(crate) fn wrote(&self, records: usize) {
        let before = self.unsigned.fetch_add(records as u64, Relaxed);
        if before.saturating_add(records as u64) >= UNSIGNED {
            self.due.notify_one();
        }
    }

    pub(super) fn signed(&self) {
        self.unsigned.store(0, Relaxed);
    }

    pub(super) fn handed_on(&self, how: HandedOn) {
        *self.lock() = Some(how);
    }

    fn lock(&self) -> MutexGuard<'_, Option<HandedOn>> {
        let held = self.handed_on.lock();
        held.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> AuditHealth {
        AuditHealth {
            down: self.down.load(Relaxed),
            failures: self.failures.load(Relaxed),
            set_back: self.set_back.load(Relaxed),
            unsigned: self.unsigned.load(Relaxed),
            handed_on: *self.lock(),
        }
    }
}
