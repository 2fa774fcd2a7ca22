//! What is allowed, and what is due.

use sdk::prelude::*;

/// Days before a due date from which on it is told.
pub(crate) const SOON: i64 = 30;
/// Days from one assessment, or one look at a processor, to the next at the most.
const LONGEST: i64 = 3 * 366;
/// Those who are told of an incident by one call.
const MOST_AT_ONCE: usize = 100;

/// A next date lies ahead, and not so far that it means never.
pub(crate) fn next(field: &'static str, day: Date, today: Date) -> Result<(), Fault> {
    if (1..=LONGEST).contains(&today.days_until(day)) {
        return Ok(());
    }
    let what = "应在明天至三年以内";
    Err(Fault::invalid(vec![FieldFault::new(
        field, "past-day", what,
    )]))
}

/// A term ends after it begins.
pub(crate) fn term(since: Date, until: Date) -> Result<(), Fault> {
    if since < until {
        return Ok(());
    }
    let what = "期限止应晚于起始日";
    Err(Fault::invalid(vec![FieldFault::new(
        "until",
        "too-early",
        what,
    )]))
}

/// What has happened is not in the future.
pub(crate) fn happened(field: &'static str, at: Timestamp, now: Timestamp) -> Result<(), Fault> {
    if at <= now {
        return Ok(());
    }
    let what = "不能晚于现在";
    Err(Fault::invalid(vec![FieldFault::new(
        field, "too-late", what,
    )]))
}

/// What is told comes after what it is about, and has happened.
pub(crate) fn told(
    field: &'static str,
    at: Timestamp,
    found_at: Timestamp,
    now: Timestamp,
) -> Result<(), Fault> {
    happened(field, at, now)?;
    if found_at <= at {
        return Ok(());
    }
    let what = "不能早于发现时间";
    Err(Fault::invalid(vec![FieldFault::new(
        field,
        "too-early",
        what,
    )]))
}

/// A day that is told of as past is not ahead.
pub(crate) fn past(field: &'static str, day: Date, today: Date) -> Result<(), Fault> {
    if day <= today {
        return Ok(());
    }
    let what = "不能晚于今天";
    Err(Fault::invalid(vec![FieldFault::new(
        field, "too-late", what,
    )]))
}

/// What was sent was sent to somebody, on a day.
pub(crate) fn sent(to: Option<&str>, on: Option<Date>, today: Date) -> Result<(), Fault> {
    let missing = |field: &'static str, what: &str| {
        Err(Fault::invalid(vec![FieldFault::new(
            field, "required", what,
        )]))
    };
    match (to, on) {
        (None, None) => Ok(()),
        (Some(_), Some(day)) => past("submitted_on", day, today),
        (Some(_), None) => missing("submitted_on", "请填写报送日"),
        (None, Some(_)) => missing("submitted_to", "请填写报送的部门"),
    }
}

/// The day from which the next yearly look is late.
pub(crate) fn in_a_year(today: Date) -> Date {
    today.plus_days(365)
}

/// The lines that name somebody, each once.
pub(crate) fn receivers(text: &str) -> Result<Vec<&str>, Fault> {
    let mut all: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !all.contains(&line) {
            all.push(line);
        }
    }
    let wrong = |code: &'static str, what: &str| {
        Err(Fault::invalid(vec![FieldFault::new(
            "receivers",
            code,
            what,
        )]))
    };
    match all.len() {
        0 => wrong("required", "请至少写明一个主体"),
        1..=MOST_AT_ONCE => Ok(all),
        _ => wrong("too-many", "一次最多 100 个，请分批通知"),
    }
}

/// How a day to come is told of.
pub(crate) fn due(day: Date, today: Date) -> Option<(String, Tone)> {
    match today.days_until(day) {
        days if days < 0 => Some((format!("逾期 {} 天", -days), Tone::Danger)),
        0 => Some(("今天到期".to_owned(), Tone::Danger)),
        days if days <= SOON => Some((format!("还有 {days} 天"), Tone::Warning)),
        _ => None,
    }
}

/// How a moment to come is told of.
pub(crate) fn within(until: Timestamp, now: Timestamp) -> (String, Tone) {
    let left = until.micros().saturating_sub(now.micros());
    let hours = left.unsigned_abs().div_ceil(3_600_000_000);
    if left < 0 {
        (format!("逾期 {hours} 小时"), Tone::Danger)
    } else {
        (format!("还有 {hours} 小时"), Tone::Warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_day_lies_ahead() {
        let today = Date::new(2026, 11, 23).unwrap();
        assert!(next("x", today.plus_days(1), today).is_ok());
        assert!(next("x", today, today).is_err());
        assert!(next("x", today.plus_days(LONGEST + 1), today).is_err());
        assert!(term(today, today.plus_days(1)).is_ok());
        assert!(term(today, today).is_err());
    }

    #[test]
    fn what_is_told_has_happened_and_comes_after() {
        let at = |n: i64| Timestamp::from_micros(n);
        assert!(told("x", at(5), at(5), at(5)).is_ok());
        assert_eq!(
            told("x", at(6), at(5), at(5)).unwrap_err().fields[0].code,
            "too-late"
        );
        assert_eq!(
            told("x", at(4), at(5), at(5)).unwrap_err().fields[0].code,
            "too-early"
        );
    }

    #[test]
    fn whoever_is_named_is_named_once_and_not_too_many_are() {
        assert_eq!(receivers(" 甲 \n\n乙\n甲\r\n").unwrap(), ["甲", "乙"]);
        let code = |text: &str| receivers(text).unwrap_err().fields[0].code.clone();
        assert_eq!(code(" \n"), "required");
        let many = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(receivers(&many(100)).unwrap().len(), 100);
        assert_eq!(code(&many(101)), "too-many");
    }

    #[test]
    fn what_was_sent_was_sent_to_somebody_on_a_day() {
        let today = Date::new(2026, 11, 23).unwrap();
        let field = |to, on| sent(to, on, today).map_err(|f| f.fields[0].field.clone());
        assert_eq!(field(None, None), Ok(()));
        assert_eq!(field(Some("市委网信办"), Some(today)), Ok(()));
        assert_eq!(field(Some("市委网信办"), None), Err("submitted_on".into()));
        assert_eq!(field(None, Some(today)), Err("submitted_to".into()));
        let ahead = field(Some("市委网信办"), Some(today.plus_days(1)));
        assert_eq!(ahead, Err("submitted_on".into()));
    }

    #[test]
    fn what_is_due_is_told_in_time() {
        let today = Date::new(2026, 11, 23).unwrap();
        let said = |days: i64| due(today.plus_days(days), today).map(|(words, _)| words);
        assert_eq!(said(-2).as_deref(), Some("逾期 2 天"));
        assert_eq!(said(0).as_deref(), Some("今天到期"));
        assert_eq!(said(30).as_deref(), Some("还有 30 天"));
        assert_eq!(said(31), None);
        let hour = 3_600_000_000;
        let now = Timestamp::from_micros(10 * hour);
        let until = |n: i64| within(Timestamp::from_micros(n), now).0;
        assert_eq!(until(14 * hour), "还有 4 小时");
        assert_eq!(until(10 * hour), "还有 0 小时");
        assert_eq!(until(10 * hour - 1), "逾期 1 小时");
    }
}
