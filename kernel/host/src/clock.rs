//! Where the time comes from. One place reads the machine's clock; tests move their own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sdk_contract::scalar::Timestamp;

/// The platform's clock.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock, without its steps backwards, so that ids and audit times of one process
/// stay in order. After such a step the time goes on at half its speed until the machine's clock
/// has caught up: deadlines still come, and the difference goes away.
#[derive(Debug, Default)]
pub struct SystemClock {
    shown: Mutex<Option<Shown>>,
}

/// What was last told, and when that was on the clock that has no date but never steps.
#[derive(Debug, Clone, Copy)]
struct Shown {
    micros: i64,
    at: Instant,
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let machine = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let at = Instant::now();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = shown.map_or(machine, |last| {
            onward(machine, last.micros, at.duration_since(last.at))
        });
        // Not on every call: halves of short times would be lost in the rounding.
        if shown.is_none_or(|last| micros > last.micros) {
            *shown = Some(Shown { micros, at });
        }
        Timestamp(micros)
    }
}

/// The time to tell, `passed` after `last` was told.
fn onward(machine: i64, last: i64, passed: Duration) -> i64 {
    let half = i64::try_from(passed.as_micros() / 2).unwrap_or(i64::MAX);
    machine.max(last.saturating_add(half))
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.micros()))
    }
    pub fn advance_seconds(&self, seconds: i64) {
        self.0
            .fetch_add(seconds.saturating_mul(1_000_000), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_back_slows_the_time_until_it_is_caught_up() {
        let hour = 3_600_000_000;
        let passed = |seconds| Duration::from_secs(seconds);
        // As the machine says, also after a step forward.
        assert_eq!(onward(1_000, 900, passed(0)), 1_000);
        assert_eq!(onward(hour, 900, passed(1)), hour);
        // One hour back: half speed, never back, never still.
        assert_eq!(onward(0, hour, passed(0)), hour);
        assert_eq!(onward(60_000_000, hour, passed(60)), hour + 30_000_000);
        // Two hours later both say the same.
        assert_eq!(onward(2 * hour, hour, passed(7_200)), 2 * hour);
        assert_eq!(onward(2 * hour + 1, hour, passed(7_200)), 2 * hour + 1);
    }

    #[test]
    fn the_machine_s_time_does_not_go_back() {
        let clock = SystemClock::default();
        let mut last = clock.now();
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
