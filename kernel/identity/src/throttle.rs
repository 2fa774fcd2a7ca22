//! Counting failed sign-ins, so that guessing is slow. Pure: `counting` keeps the rows.

use serde::{Deserialize, Serialize};

/// How many failures within which time lock an account or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottlePolicy {
    /// Failures after which an account is locked.
    pub account_failures: i64,
    /// Failures after which a network address is locked; many people may share one.
    pub address_failures: i64,
    /// Seconds over which failures count, and for which a lock lasts from the last of them.
    pub window_seconds: i64,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            account_failures: 5,
            address_failures: 20,
            window_seconds: 900,
        }
    }
}

/// Failures of one account or address since the first that counts, or since the one that locked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) failures: i64,
    /// Microseconds since 1970, UTC.
    pub(crate) since: i64,
}

impl Tally {
    /// One attempt more, counted as failed until [`Tally::forgive`]; or the seconds to wait.
    /// Counting first means that guesses sent side by side cannot pass the limit together.
    pub(crate) fn attempt(
        tally: Option<Self>,
        limit: i64,
        window_seconds: i64,
        now: i64,
    ) -> Result<Self, i64> {
        let end = |t: Self| {
            t.since
                .saturating_add(window_seconds.saturating_mul(1_000_000))
        };
        match tally {
            Some(t) if now < end(t) && t.failures >= limit => {
                Err(end(t).saturating_sub(now).saturating_add(999_999) / 1_000_000)
            }
            Some(t) if now < end(t) && t.failures > 0 => {
                let failures = t.failures.saturating_add(1);
                // However slowly the guesses came, the lock lasts its whole time.
                let since = if failures >= limit { now } else { t.since };
                Ok(Self { failures, since })
            }
            _ => Ok(Self {
                failures: 1,
                since: now,
            }),
        }
    }

    /// Takes all failures back.
    pub(crate) fn forgive_all(self) -> Self {
        Self {
            failures: 0,
            ..self
        }
    }

    /// Takes one failure back.
    pub(crate) fn forgive(self) -> Self {
        Self {
            failures: self.failures.saturating_sub(1).max(0),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn the_sixth_attempt_is_refused_until_the_window_ends() {
        let mut tally = None;
        for i in 0..5 {
            tally = Some(Tally::attempt(tally, 5, 600, i * SECOND).unwrap());
        }
        assert_eq!(Tally::attempt(tally, 5, 600, 5 * SECOND), Err(599));
        assert_eq!(Tally::attempt(tally, 5, 600, 604 * SECOND - 1), Err(1));
        let again = Tally::attempt(tally, 5, 600, 604 * SECOND).unwrap();
        assert_eq!(
            again,
            Tally {
                failures: 1,
                since: 604 * SECOND
            }
        );
    }

    #[test]
    fn dj_02_a_lock_lasts_its_whole_time_however_slowly_the_guesses_came() {
        let mut tally = None;
        for i in 0..5 {
            tally = Some(Tally::attempt(tally, 5, 900, i * 224 * SECOND).unwrap());
        }
        let locked = 4 * 224 * SECOND;
        assert_eq!(Tally::attempt(tally, 5, 900, locked + 1), Err(900));
    }

    #[test]
    fn forgiving_never_goes_below_zero() {
        let t = Tally {
            failures: 1,
            since: 7,
        };
        assert_eq!(t.forgive().failures, 0);
        assert_eq!(t.forgive().forgive().failures, 0);
        // A forgiven tally starts a new window.
        assert_eq!(
            Tally::attempt(Some(t.forgive()), 5, 600, 9),
            Ok(Tally {
                failures: 1,
                since: 9
            })
        );
    }
}
