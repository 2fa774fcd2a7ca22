//! Working days: Monday to Friday, but for the days that the operator has said something else of.

use std::collections::BTreeMap;

use sdk::prelude::*;

use crate::model::{DayKind, Holiday};

/// The longest way to a working day that is looked for.
const MOST_DAYS: i64 = 400;
/// Days ahead that the calendar is read for: the longest deadline and holidays between.
const AHEAD: i64 = 180;
/// Special days that are read.
const MOST_SPECIAL: u32 = 200;

/// Whether people work, of days that the week does not tell of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calendar {
    special: BTreeMap<Date, bool>,
}

impl Calendar {
    /// The special days from a day on.
    pub(crate) fn read(ctx: &Ctx, from: Date) -> Result<Self, Fault> {
        let find = Find::<Holiday>::new()
            .filter(Holiday::DAY.between(from, from.plus_days(AHEAD)))
            .sort(Holiday::DAY.asc())
            .limit(MOST_SPECIAL);
        let days = ctx.find(find)?.into_iter();
        Ok(Self::of(days.map(|holiday| (holiday.day, holiday.kind))))
    }

    pub(crate) fn of(days: impl IntoIterator<Item = (Date, DayKind)>) -> Self {
        let special = days.into_iter().filter_map(|(day, kind)| match kind {
            DayKind::Off => Some((day, false)),
            DayKind::Working => Some((day, true)),
            DayKind::Usual => None,
        });
        Self {
            special: special.collect(),
        }
    }

    pub(crate) fn is_working(&self, day: Date) -> bool {
        self.special
            .get(&day)
            .copied()
            .unwrap_or_else(|| !is_weekend(day))
    }

    /// The last of so many working days that begin after a day; the day itself does not count.
    pub(crate) fn after(&self, day: Date, working_days: i64) -> Date {
        let mut left = working_days;
        let mut at = day;
        for _ in 0..MOST_DAYS {
            if left <= 0 {
                break;
            }
            at = at.plus_days(1);
            left -= i64::from(self.is_working(at));
        }
        at
    }
}

fn is_weekend(day: Date) -> bool {
    // A Monday.
    let Some(monday) = Date::new(2024, 1, 1) else {
        return false;
    };
    monday.days_until(day).rem_euclid(7) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn after(calendar: &Calendar, from: &str, days: i64) -> String {
        calendar.after(day(from), days).to_string()
    }

    #[test]
    fn the_week_is_told_before_and_after_the_day_it_is_counted_from() {
        let calendar = Calendar::default();
        for (text, works) in [
            ("2026-11-23", true),
            ("2026-11-27", true),
            ("2026-11-28", false),
            ("2026-11-29", false),
            ("2023-12-31", false),
            ("2023-12-30", false),
            ("2023-12-29", true),
            ("2024-02-29", true),
        ] {
            assert_eq!(calendar.is_working(day(text)), works, "{text}");
        }
    }

    #[test]
    fn row_101_deadlines_pass_over_weekends() {
        let calendar = Calendar::default();
        assert_eq!(after(&calendar, "2026-11-23", 1), "2026-11-24");
        assert_eq!(after(&calendar, "2026-11-27", 1), "2026-11-30", "Friday");
        assert_eq!(after(&calendar, "2026-11-28", 1), "2026-11-30", "Saturday");
        assert_eq!(after(&calendar, "2026-11-29", 2), "2026-12-01", "Sunday");
        assert_eq!(after(&calendar, "2026-11-23", 5), "2026-11-30");
        assert_eq!(after(&calendar, "2026-11-23", 0), "2026-11-23");
    }

    #[test]
    fn row_101_deadlines_pass_over_holidays_and_the_years_end() {
        let calendar = Calendar::of([
            (day("2027-01-01"), DayKind::Off),
            (day("2027-01-02"), DayKind::Off),
            (day("2027-01-03"), DayKind::Working),
            (day("2027-01-04"), DayKind::Usual),
        ]);
        assert_eq!(after(&calendar, "2026-12-31", 1), "2027-01-03", "a Sunday");
        assert_eq!(after(&calendar, "2026-12-31", 2), "2027-01-04");
        assert_eq!(after(&calendar, "2026-12-30", 1), "2026-12-31");
        assert_eq!(after(&calendar, "2026-12-30", 5), "2027-01-06");
        let without = Calendar::default();
        assert_eq!(after(&without, "2026-12-31", 1), "2027-01-01");
    }

    #[test]
    fn a_calendar_without_a_working_day_ends_the_count() {
        let off = (0..500).map(|n| (day("2026-11-23").plus_days(n), DayKind::Off));
        let calendar = Calendar::of(off);
        assert_eq!(after(&calendar, "2026-11-23", 1), "2027-12-28");
    }
}
