//! Exact scalars: money, scaled decimals, dates and times, typed ids. No floats.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A string that is not the scalar it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct BadScalar(pub &'static str);

/// Reads a decimal string as an integer of units of its `scale`-th digit. Grouping commas and
/// outer blanks are allowed; more digits than `scale`, or an overflow, is `None`.
pub fn parse_scaled(s: &str, scale: u8) -> Option<i64> {
    let s: String = s.trim().chars().filter(|c| *c != ',').collect();
    let (negative, digits) = match s.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, s.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty()
        || fraction.len() > usize::from(scale)
        || !whole
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let padded = format!("{whole}{fraction:0<width$}", width = usize::from(scale));
    let n: i64 = padded.parse().ok()?;
    Some(if negative { -n } else { n })
}

/// The inverse of [`parse_scaled`]: exactly `scale` digits after the point.
pub fn print_scaled(n: i64, scale: u8) -> String {
    if scale == 0 {
        return n.to_string();
    }
    let width = usize::from(scale) + 1;
    let mut text = format!("{:0width$}", n.unsigned_abs());
    text.insert(text.len() - usize::from(scale), '.');
    if n < 0 {
        text.insert(0, '-');
    }
    text
}

/// A decimal with `S` digits after the point, as an integer of its smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const S: u8> {
    /// Units of the last digit.
    pub units: i64,
}

/// Renminbi in 分.
pub type Money = Decimal<2>;

impl<const S: u8> Decimal<S> {
    pub const ZERO: Self = Self { units: 0 };
    pub const fn from_units(units: i64) -> Self {
        Self { units }
    }
    /// `None` on overflow: money never wraps.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.units.checked_add(other.units).map(Self::from_units)
    }
    /// `self × numerator ÷ denominator`, rounded half up (away from zero at the half).
    /// `None` on overflow or a zero denominator.
    pub fn scale_by(self, numerator: i64, denominator: i64) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let product = i128::from(self.units) * i128::from(numerator);
        let d = i128::from(denominator);
        // Half a denominator towards the quotient's own sign, then cut.
        let half = d.abs() / 2 * if product < 0 { -1 } else { 1 };
        let rounded = (product + half) / d;
        i64::try_from(rounded).ok().map(Self::from_units)
    }
}

impl Money {
    pub const fn from_yuan(yuan: i64) -> Self {
        Self { units: yuan * 100 }
    }
}

impl<const S: u8> fmt::Display for Decimal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_scaled(self.units, S))
    }
}

impl<const S: u8> FromStr for Decimal<S> {
    type Err = BadScalar;
    fn from_str(s: &str) -> Result<Self, BadScalar> {
        parse_scaled(s, S)
            .map(Self::from_units)
            .ok_or(BadScalar("decimal"))
    }
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// `None` when there is no such day.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        jiff::civil::Date::new(year, month, day).ok().map(Self)
    }
    /// Whole days from this day to a later one; negative to an earlier one.
    pub fn days_until(self, later: Self) -> i64 {
        self.0
            .until(later.0)
            .map_or(0, |span| i64::from(span.get_days()))
    }
    /// Saturates at the ends of the calendar.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        Self(
            self.0
                .saturating_add(jiff::Span::new().try_days(days).unwrap_or_default()),
        )
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02}",
            self.0.year(),
            self.0.month(),
            self.0.day()
        )
    }
}

impl FromStr for Date {
    type Err = BadScalar;
    fn from_str(s: &str) -> Result<Self, BadScalar> {
        if s.len() == 10 {
            s.parse().map(Self).map_err(|_| BadScalar("date"))
        } else {
            Err(BadScalar("date"))
        }
    }
}

/// A month of the calendar, `YYYY-MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// `None` when there is no such month.
    pub fn new(year: i16, month: i8) -> Option<Self> {
        (year >= 0)
            .then(|| Date::new(year, month, 1))
            .flatten()
            .map(Self::of)
    }
    /// The month that a day is in.
    pub fn of(day: Date) -> Self {
        Self {
            year: day.0.year(),
            month: day.0.month(),
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = BadScalar;
    fn from_str(s: &str) -> Result<Self, BadScalar> {
        if s.len() != 7 {
            return Err(BadScalar("month"));
        }
        let day: Date = format!("{s}-01").parse().map_err(|_| BadScalar("month"))?;
        Ok(Self::of(day))
    }
}

/// A moment, UTC, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// The platform's civil time: UTC+8 all year.
pub(crate) const LOCAL_OFFSET_MICROS: i64 = 8 * 3600 * 1_000_000;

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }
    pub const fn micros(self) -> i64 {
        self.0
    }
    /// The day in Beijing time: what a person calls today.
    pub fn local_date(self) -> Date {
        Date(
            Self(self.0.saturating_add(LOCAL_OFFSET_MICROS))
                .civil()
                .date(),
        )
    }
    /// From what a person typed as Beijing time: `2026-11-23T16:05`, with or without seconds.
    pub fn from_local(text: &str) -> Option<Self> {
        let local: jiff::civil::DateTime = text.trim().parse().ok()?;
        let at = jiff::tz::Offset::constant(8).to_timestamp(local).ok()?;
        Some(Self(at.as_microsecond()))
    }
    /// `2026-11-23T16:05` in Beijing time, as a browser's picker takes it.
    pub fn local_input(self) -> String {
        self.local_minute().replace(' ', "T")
    }
    /// `2026-11-23 16:05` in Beijing time.
    pub fn local_minute(self) -> String {
        let t = Self(self.0.saturating_add(LOCAL_OFFSET_MICROS)).civil();
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute()
        )
    }
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
    fn civil(self) -> jiff::civil::DateTime {
        jiff::tz::Offset::UTC.to_datetime(self.instant())
    }
    fn instant(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.instant())
    }
}

impl FromStr for Timestamp {
    type Err = BadScalar;
    fn from_str(s: &str) -> Result<Self, BadScalar> {
        let t: jiff::Timestamp = s.parse().map_err(|_| BadScalar("timestamp"))?;
        Ok(Self(t.as_microsecond()))
    }
}

/// The id of a record of `T`.
pub struct Id<T> {
    text: String,
    of: PhantomData<fn() -> T>,
}

/// A field that holds the id of a record of `T`.
pub type Ref<T> = Id<T>;

impl<T> Id<T> {
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            of: PhantomData,
        }
    }
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> AsRef<str> for Id<T> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<T> Eq for Id<T> {}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}
impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self::new)
    }
}

macro_rules! as_text {
    ($({$($generics:tt)*} $type:ty),* $(,)?) => {$(
        impl<$($generics)*> Serialize for $type {
            fn serialize<Z: Serializer>(&self, s: Z) -> Result<Z::Ok, Z::Error> {
                s.collect_str(self)
            }
        }
        impl<'de, $($generics)*> Deserialize<'de> for $type {
            fn deserialize<Z: Deserializer<'de>>(d: Z) -> Result<Self, Z::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
as_text!({const S: u8} Decimal<S>, {} Date, {} Month, {} Timestamp);

/// A version 7 UUID from a time and 80 bits of caller-given randomness: ids sort by time, and
/// tests with a fixed seed are stable.
pub fn uuid7(at: Timestamp, random: [u8; 10]) -> String {
    let millis = u64::try_from(at.0 / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random)
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_decimals_round_trip() {
        for (text, scale, units) in [
            ("0.00", 2, 0),
            ("-0.05", 2, -5),
            ("12.30", 2, 1230),
            ("7", 0, 7),
            ("0.0345", 4, 345),
        ] {
            assert_eq!(parse_scaled(text, scale), Some(units), "{text}");
            assert_eq!(print_scaled(units, scale), text);
        }
        assert_eq!(parse_scaled("", 2), None);
        assert_eq!(parse_scaled(".", 2), None);
        assert_eq!(parse_scaled("1e5", 2), None);
        assert_eq!(parse_scaled("--1", 2), None);
    }

    #[test]
    fn scaling_rounds_half_away_from_zero() {
        let m = Money::from_units(101);
        assert_eq!(m.scale_by(1, 2).unwrap().units, 51);
        assert_eq!(Money::from_units(-101).scale_by(1, 2).unwrap().units, -51);
        assert_eq!(m.scale_by(1, -2).unwrap().units, -51);
        assert_eq!(m.scale_by(1, 0), None);
        assert_eq!(Money::from_units(i64::MAX).scale_by(2, 1), None);
    }

    #[test]
    fn a_local_day_begins_at_sixteen_utc() {
        let before: Timestamp = "2026-11-23T15:59:59Z".parse().unwrap();
        assert_eq!(before.local_date().to_string(), "2026-11-23");
        assert_eq!(
            before.plus_seconds(1).local_date().to_string(),
            "2026-11-24"
        );
        assert_eq!(before.plus_seconds(1).local_minute(), "2026-11-24 00:00");
    }

    #[test]
    fn ids_sort_by_time() {
        let a = uuid7(Timestamp(1_000_000), [255; 10]);
        let b = uuid7(Timestamp(1_001_000), [0; 10]);
        assert!(a < b);
        assert_eq!(a.len(), 36);
    }
}
