//! What is allowed, and by when.

pub(crate) mod days;
pub(crate) mod items;

use sdk::prelude::*;

use crate::model::{Dispute, Standard, Status};
use days::Calendar;

/// The least a statement or a reply says.
pub(crate) const LEAST_WORDS: u32 = 5;
/// What the handler reads a party's data for: 异议核查.
pub(crate) const PURPOSE: &str = "09";

/// Words that somebody has to go by.
pub(crate) fn worded(field: &'static str, text: &str) -> Result<(), Fault> {
    let words = u32::try_from(text.trim().chars().count()).unwrap_or(u32::MAX);
    if words >= LEAST_WORDS {
        return Ok(());
    }
    let what = format!("请至少填写 {LEAST_WORDS} 个字，说明依据");
    Err(Fault::invalid(vec![FieldFault::new(
        field,
        "too-short",
        what,
    )]))
}

/// `YY`, the day, and the end of the id.
pub(crate) fn number(day: Date, id: &str) -> String {
    let day = day.to_string().replace('-', "");
    let tail = id.get(id.len().saturating_sub(8)..).unwrap_or(id);
    format!("YY{day}{}", tail.to_ascii_uppercase())
}

/// Of a party and an item one dispute is open at a time.
pub(crate) fn open_key(subject: &str, item: &str) -> String {
    format!("{subject}:{item}")
}

/// What deadlines are counted with, for steps that begin today.
pub(crate) struct Clock {
    pub(crate) standard: Standard,
    calendar: Calendar,
    today: Date,
}

impl Clock {
    pub(crate) fn read(ctx: &Ctx) -> Result<Self, Fault> {
        let found = ctx.find::<Standard>(Standard::CODE.eq(Standard::CODE_OF_ALL))?;
        Ok(Self {
            standard: found
                .first()
                .map_or_else(Standard::initial, |stored| stored.record),
            calendar: Calendar::read(ctx, ctx.today())?,
            today: ctx.today(),
        })
    }

    /// The day by which a step that begins today is to be done; none where nothing waits.
    pub(crate) fn due(&self, status: Status) -> Option<Date> {
        let days = match status {
            Status::Submitted => self.standard.mark_days,
            Status::Marked => self.standard.transfer_days,
            Status::Transferred | Status::Checking | Status::Appealed | Status::Rechecking => {
                self.standard.decide_days
            }
            _ => return None,
        };
        Some(self.calendar.after(self.today, days))
    }

    /// The last day of an appeal against what is answered today.
    pub(crate) fn appeal_until(&self) -> Date {
        self.calendar.after(self.today, self.standard.appeal_days)
    }
}

/// Whether, and until when, an appeal may be made.
pub(crate) fn may_appeal(dispute: &Dispute, today: Date) -> Result<(), Fault> {
    if dispute.appealed_at.is_some() {
        let what = "每件异议可以申诉一次，您已申诉过";
        return Err(Fault::refused("exchange.appealed", what));
    }
    match dispute.appeal_until {
        Some(last) if today <= last => Ok(()),
        Some(last) => {
            let what = format!("申诉期已于 {last} 届满");
            Err(Fault::refused("exchange.appeal-over", what))
        }
        None => {
            let what = "来源单位答复后，才能申诉";
            Err(Fault::refused("exchange.not-answered", what))
        }
    }
}

/// Days that a step is late by; none where it is in time, or nothing waits.
pub(crate) fn late_by(dispute: &Dispute, today: Date) -> Option<i64> {
    let late = dispute.due_on?.days_until(today);
    (dispute.status.is_open() && late > 0).then_some(late)
}

/// How the deadline of a step stands.
pub(crate) fn due(dispute: &Dispute, today: Date) -> Datum {
    let Some(day) = dispute.due_on.filter(|_| dispute.status.is_open()) else {
        return Datum::None;
    };
    match (late_by(dispute, today), dispute.escalated_on) {
        (Some(late), Some(_)) => Datum::status(format!("逾期 {late} 天，已上报"), Tone::Danger),
        (Some(late), None) => Datum::status(format!("逾期 {late} 天"), Tone::Danger),
        (None, _) if day == today => Datum::status("今天到期", Tone::Warning),
        (None, _) => Datum::date(day.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    pub(crate) fn dispute(status: Status) -> Dispute {
        let mut dispute = crate::seed::overdue(day("2026-11-12")).unwrap();
        dispute.status = status;
        dispute
    }

    fn clock() -> Clock {
        Clock {
            standard: Standard::initial(),
            calendar: Calendar::default(),
            today: day("2026-11-27"),
        }
    }

    #[test]
    fn row_101_each_step_has_the_working_days_that_are_set() {
        let clock = clock();
        let due = |status| clock.due(status).map(|day| day.to_string());
        assert_eq!(due(Status::Submitted).as_deref(), Some("2026-11-30"));
        assert_eq!(due(Status::Marked).as_deref(), Some("2026-12-01"));
        for status in [Status::Transferred, Status::Appealed] {
            assert_eq!(due(status).as_deref(), Some("2026-12-04"));
        }
        for status in Status::ALL.iter().filter(|s| !s.is_open()) {
            assert_eq!(due(*status), None, "{status:?}");
        }
        assert_eq!(clock.appeal_until(), day("2026-12-11"));
    }

    #[test]
    fn row_101_one_appeal_within_its_time() {
        let mut answered = dispute(Status::Maintained);
        let code = |d: &Dispute, today: &str| may_appeal(d, day(today)).map_err(|f| f.code);
        assert_eq!(
            code(&answered, "2026-12-01"),
            Err("exchange.not-answered".into())
        );
        answered.appeal_until = Some(day("2026-12-11"));
        assert_eq!(code(&answered, "2026-12-11"), Ok(()));
        assert_eq!(
            code(&answered, "2026-12-12"),
            Err("exchange.appeal-over".into())
        );
        answered.appealed_at = Some(Timestamp::from_micros(1));
        assert_eq!(
            code(&answered, "2026-12-11"),
            Err("exchange.appealed".into())
        );
    }

    #[test]
    fn a_step_is_late_from_the_day_after_its_last() {
        let mut d = dispute(Status::Submitted);
        let last = d.due_on.unwrap();
        assert_eq!(late_by(&d, last), None);
        assert_eq!(late_by(&d, last.plus_days(1)), Some(1));
        d.status = Status::Maintained;
        assert_eq!(late_by(&d, last.plus_days(9)), None);
    }

    #[test]
    fn a_statement_says_something() {
        assert!(worded("statement", " 对。。 ").is_err());
        assert!(worded("statement", "漏计三季度").is_ok());
    }
}
