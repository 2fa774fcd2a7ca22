//! What is allowed, and what follows from the registered facts.

use sdk::prelude::*;

/// Whole years from `since` to `today`; none before the first.
pub(crate) fn years(since: Date, today: Date) -> i64 {
    let parts = |date: Date| {
        let text = date.to_string();
        let year = text
            .get(..4)
            .and_then(|y| y.parse::<i64>().ok())
            .unwrap_or_default();
        (year, text.get(5..).unwrap_or_default().to_owned())
    };
    let ((first, birthday), (last, day)) = (parts(since), parts(today));
    (last - first - i64::from(day < birthday)).max(0)
}

/// A contact is a name of at least two characters.
pub(crate) fn contact(name: &str) -> Result<(), Fault> {
    if name.trim().chars().count() >= 2 {
        return Ok(());
    }
    Err(Fault::invalid(vec![FieldFault::new(
        "contact",
        "too-short",
        "请填写联系人的全名",
    )]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_year_is_full_on_its_day() {
        assert_eq!(years(day("2016-04-08"), day("2026-04-07")), 9);
        assert_eq!(years(day("2016-04-08"), day("2026-04-08")), 10);
        assert_eq!(years(day("2026-04-08"), day("2026-01-01")), 0);
    }

    #[test]
    fn a_contact_has_a_full_name() {
        assert!(contact("林知远").is_ok());
        assert_eq!(contact(" 林 ").unwrap_err().fields[0].field, "contact");
    }
}
