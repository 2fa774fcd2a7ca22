//! Times at which a module hears an event of its own.
//!
//! Two forms are enough: a time of day, and so many minutes. What happens weekly, on working days or
//! at the end of a month depends on a calendar, which the handler asks; so there is no language of
//! expressions here that could say more than anybody reads at a glance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::def::Label;
use crate::scalar::{LOCAL_OFFSET_MICROS, Timestamp};

const MINUTE: i64 = 60 * 1_000_000;
/// Minutes of a day.
const DAY: u32 = 24 * 60;

/// An event that the clock says, heard by its own module alone as `<module>.<name>`. Its data is
/// `{"slot": …}`, the moment (RFC 3339) it stands for. Where several moments were missed it is said
/// once, for the last of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleDef {
    /// `<entity>.<past>`, and no event's name.
    pub name: String,
    pub label: Label,
    pub when: When,
}

/// In the city's time, which has no daylight saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Once a day.
    Daily { hour: u8, minute: u8 },
    /// From midnight on, each time so many minutes have passed; the number divides a day.
    Every { minutes: u32 },
}

impl When {
    pub const fn is_valid(self) -> bool {
        match self {
            Self::Daily { hour, minute } => hour < 24 && minute < 60,
            Self::Every { minutes } => minutes > 0 && DAY.is_multiple_of(minutes),
        }
    }

    /// The last moment at or before `now`.
    pub fn last(self, now: Timestamp) -> Timestamp {
        let (period, offset) = self.grid();
        let local = now.micros().saturating_add(LOCAL_OFFSET_MICROS);
        let past = local.saturating_sub(offset).rem_euclid(period);
        Timestamp::from_micros(now.micros().saturating_sub(past))
    }

    /// The first moment after `now`.
    pub fn next(self, now: Timestamp) -> Timestamp {
        let (period, _) = self.grid();
        Timestamp::from_micros(self.last(now).micros().saturating_add(period))
    }

    /// How far its moments are apart, and how far the first is from midnight.
    fn grid(self) -> (i64, i64) {
        let minutes = |n: u32| MINUTE.saturating_mul(i64::from(n));
        match self {
            Self::Daily { hour, minute } => {
                let at = u32::from(hour) * 60 + u32::from(minute);
                (minutes(DAY), minutes(at))
            }
            Self::Every { minutes: n } => (minutes(n.max(1)), 0),
        }
    }

    /// `每天 06:30`, `每 15 分钟`
    pub fn words(self) -> Label {
        match self {
            Self::Daily { hour, minute } => Label::new(
                format!("每天 {hour:02}:{minute:02}"),
                format!("daily at {hour:02}:{minute:02}"),
            ),
            Self::Every { minutes } => Label::new(
                format!("每 {minutes} 分钟"),
                format!("every {minutes} minutes"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_the_citys() {
        let when = When::Daily {
            hour: 6,
            minute: 30,
        };
        for (now, last, next) in [
            // 06:29 and 06:30 there.
            (
                "2026-11-22T22:29:59Z",
                "2026-11-21T22:30:00Z",
                "2026-11-22T22:30:00Z",
            ),
            (
                "2026-11-22T22:30:00Z",
                "2026-11-22T22:30:00Z",
                "2026-11-23T22:30:00Z",
            ),
            (
                "2026-11-23T08:00:00Z",
                "2026-11-22T22:30:00Z",
                "2026-11-23T22:30:00Z",
            ),
        ] {
            assert_eq!(when.last(at(now)), at(last), "{now}");
            assert_eq!(when.next(at(now)), at(next), "{now}");
        }
    }

    #[test]
    fn minutes_are_counted_from_midnight() {
        let when = When::Every { minutes: 90 };
        assert_eq!(
            when.last(at("2026-11-23T08:10:00Z")),
            at("2026-11-23T07:00:00Z"),
            "15:00 there"
        );
        assert_eq!(
            when.next(at("2026-11-23T15:59:00Z")),
            at("2026-11-23T16:00:00Z"),
            "midnight there"
        );
        let before_1970 = Timestamp::from_micros(-1);
        assert!(when.last(before_1970) <= before_1970);
    }

    #[test]
    fn only_what_divides_a_day_repeats() {
        for minutes in [1, 15, 90, 720, 1440] {
            assert!(When::Every { minutes }.is_valid(), "{minutes}");
        }
        for minutes in [0, 7, 100, 1441] {
            assert!(!When::Every { minutes }.is_valid(), "{minutes}");
        }
        let late = When::Daily {
            hour: 24,
            minute: 0,
        };
        assert!(!late.is_valid());
    }
}
