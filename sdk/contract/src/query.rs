//! Questions to collections, free of any SQL dialect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::scalar::{Date, Timestamp, print_scaled};

/// The most rows one query may answer with.
pub const MAX_LIMIT: u32 = 200;
/// Rows a numbered page may pass over; beyond that a cursor goes on.
pub const MAX_OFFSET: u32 = 10_000;
/// Facets of one query.
pub const MAX_FACETS: usize = 8;
/// Values of one facet: the most frequent.
pub const FACET_VALUES: u32 = 100;
/// References one query may follow.
pub const MAX_WITH: usize = 8;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// `<plugin>.<collection>`, or a collection of the asking module.
    pub collection: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Ties are broken by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort: Vec<Sort>,
    /// 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// Rows to pass over; for numbered pages. Bounded by the kernel.
    #[serde(default)]
    pub offset: u32,
    /// Also count all rows that match.
    #[serde(default)]
    pub total: bool,
    /// Go on after the row where an answer ended: its [`Found::next`], or empty to begin. Rows that
    /// come or go meanwhile move nothing. Only with the same collection, filter, sort and moment,
    /// and without an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Fields to count the matching rows by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<String>,
    /// References to follow, and what to read there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<With>,
    /// RFC 3339: rows as they were at that moment. Only of an audited collection; encrypted fields
    /// of a record that has changed since are absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Leave out records that are not as the platform wrote them, also where something is done by the
    /// answer, which is else refused with one of them: for what is done to each record by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
}

/// Fields of the record that a ref field names. They come as `<field>.<read>` beside the record's
/// own; all are null where the asker may not read that record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct With {
    pub field: String,
    pub read: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sort {
    pub field: String,
    #[serde(default)]
    pub descending: bool,
}

/// A condition on one record. Fields may be system fields. Of a multi-choice, `eq` holds when the
/// option is chosen and `in` when one of them is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Eq {
        field: String,
        value: Value,
    },
    In {
        field: String,
        values: Vec<Value>,
    },
    /// Both ends included; an absent end is open.
    Range {
        field: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Value>,
    },
    /// Case-insensitive for ASCII; wildcards in the text are literal.
    Contains {
        field: String,
        text: String,
    },
    /// Each word of the text is in one of the search fields that are named, as `sdk-search` finds
    /// words; without names, in any search field that the asker may ask about. A blank text holds.
    Search {
        text: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<String>,
    },
    Missing {
        field: String,
    },
    /// Holds when one row of a rows field meets a condition on the row's fields.
    Any {
        field: String,
        filter: Box<Filter>,
    },
}

/// What [`Query`] found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Records as JSON objects: system fields and declared fields side by side.
    pub records: Vec<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Where to go on; absent without a cursor, and after the last row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// In the order asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<Facet>,
    /// Records of this answer that are not as the platform wrote them. They are counted where
    /// records are, and not among `records`: nothing is read from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altered: Vec<AlteredRecord>,
}

/// A record that was changed, moved or put there behind the platform's back, by its name alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct AlteredRecord {
    /// `<module>.<collection>`
    pub collection: String,
    pub id: String,
}

/// How the matching rows spread over the values of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facet {
    pub field: String,
    /// Most frequent first, then by value, null last; each count is what the same query with this
    /// value as a further condition would find.
    pub values: Vec<FacetValue>,
    /// There are more values than [`FACET_VALUES`].
    #[serde(default)]
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FacetValue {
    pub value: Value,
    pub count: u64,
}

/// Counts and sums, grouped.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Aggregate {
    pub collection: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<Key>,
    pub measures: Vec<Measure>,
    /// Groups that stay; all of these must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub having: Vec<Having>,
    /// Only the first groups by a measure; otherwise all, by their keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<Top>,
}

/// What to group by: a field, or the day, month, quarter or year that a date, month or datetime
/// field is in. Of a datetime, in Beijing time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Key {
    Field(String),
    Bucket { field: String, by: Bucket },
}

/// A bucket's value is text: `2026-11-23`, `2026-11`, `2026-Q4`, `2026`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bucket {
    Day,
    Month,
    Quarter,
    Year,
}

/// A bound on a measure, both ends included; an absent measure is within none. Not on averages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Having {
    /// Its place in `measures`, from 0.
    pub measure: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
}

/// Groups with the greatest measure, ties by the keys. Not by averages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Top {
    /// Its place in `measures`, from 0.
    pub measure: usize,
    pub groups: u32,
    /// The least instead of the greatest.
    #[serde(default)]
    pub least: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    Count,
    /// Integer, decimal or money.
    Sum(String),
    /// Of the rows that have a value: decimal text with two digits more than the field, rounded
    /// half away from zero; null without any.
    Avg(String),
    Min(String),
    Max(String),
}

/// One row of an [`Aggregate`]: the group's values and the measures, in the order asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    pub keys: Vec<Value>,
    /// All null when suppressed.
    pub measures: Vec<Value>,
    /// Too few records to be shown to this asker, see
    /// [`suppress_below`](crate::def::CollectionDef::suppress_below).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suppressed: bool,
}

/// One step of a record through its flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub to: String,
    /// RFC 3339.
    pub at: String,
    /// The operator's user id.
    pub by: String,
    pub by_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Query {
    pub fn new(collection: impl Into<String>) -> Self {
        Self {
            collection: collection.into(),
            limit: 20,
            ..Self::default()
        }
    }
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(Filter::And(mut all)) => {
                all.push(filter);
                Filter::And(all)
            }
            Some(one) => Filter::And(vec![one, filter]),
            None => filter,
        });
        self
    }
    #[must_use]
    pub fn sort(mut self, field: impl Into<String>, descending: bool) -> Self {
        self.sort.push(Sort {
            field: field.into(),
            descending,
        });
        self
    }
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
    #[must_use]
    pub fn page(mut self, number: u32, size: u32) -> Self {
        self.limit = size;
        self.offset = number.saturating_sub(1).saturating_mul(size);
        self.total = true;
        self
    }
    /// `size` rows after a cursor; the empty one begins.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>, size: u32) -> Self {
        self.limit = size;
        self.cursor = Some(cursor.into());
        self
    }
    #[must_use]
    pub fn facet(mut self, field: impl Into<String>) -> Self {
        self.facets.push(field.into());
        self
    }
    /// Also reads fields of the record that a ref field names.
    #[must_use]
    pub fn with<S: Into<String>>(
        mut self,
        field: impl Into<String>,
        read: impl IntoIterator<Item = S>,
    ) -> Self {
        self.with.push(With {
            field: field.into(),
            read: read.into_iter().map(Into::into).collect(),
        });
        self
    }
    #[must_use]
    pub fn as_of(mut self, moment: Timestamp) -> Self {
        self.as_of = Some(moment.to_string());
        self
    }
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }
}

impl Aggregate {
    pub fn new(collection: impl Into<String>, measures: Vec<Measure>) -> Self {
        Self {
            collection: collection.into(),
            measures,
            ..Self::default()
        }
    }
    #[must_use]
    pub fn by(mut self, key: impl Into<Key>) -> Self {
        self.group_by.push(key.into());
        self
    }
}

impl Key {
    pub fn field(&self) -> &str {
        match self {
            Self::Field(field) | Self::Bucket { field, .. } => field,
        }
    }
    pub fn bucket(field: impl Into<String>, by: Bucket) -> Self {
        Self::Bucket {
            field: field.into(),
            by,
        }
    }
}

impl From<&str> for Key {
    fn from(field: &str) -> Self {
        Self::Field(field.to_owned())
    }
}
impl From<String> for Key {
    fn from(field: String) -> Self {
        Self::Field(field)
    }
}

impl Bucket {
    /// The bucket that a day is in.
    pub fn of(self, day: Date) -> String {
        let text = day.to_string();
        let (year, month) = (text.get(..4), text.get(5..7));
        match self {
            Self::Day => text,
            Self::Month => text.get(..7).unwrap_or_default().to_owned(),
            Self::Quarter => {
                let month: u8 = month.and_then(|m| m.parse().ok()).unwrap_or(1);
                let quarter = month.div_ceil(3);
                format!("{}-Q{quarter}", year.unwrap_or_default())
            }
            Self::Year => year.unwrap_or_default().to_owned(),
        }
    }
}

/// The average of `count` values that sum to `sum` units of a field with `scale` digits.
pub fn average(sum: i64, count: i64, scale: u8) -> Option<String> {
    let sum = i128::from(sum).checked_mul(100)?;
    let count = i128::from(count);
    if count <= 0 {
        return None;
    }
    let half = if sum < 0 { -count } else { count };
    let rounded = (sum * 2 + half) / (count * 2);
    let units = i64::try_from(rounded).ok()?;
    Some(print_scaled(units, scale.saturating_add(2)))
}

impl Filter {
    pub fn eq(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Eq {
            field: field.into(),
            value: value.into(),
        }
    }
    pub fn contains(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Contains {
            field: field.into(),
            text: text.into(),
        }
    }
    /// What people type into a search box, in all search fields.
    pub fn search(text: impl Into<String>) -> Self {
        Self::Search {
            text: text.into(),
            fields: Vec::new(),
        }
    }
    /// Names the fields of every search within it that names none; says whether each has some now.
    #[must_use]
    pub fn search_in(&mut self, all: &[String]) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().all(|f| f.search_in(all)),
            Self::Not(one) => one.search_in(all),
            Self::Search { fields, .. } => {
                if fields.is_empty() {
                    fields.extend_from_slice(all);
                }
                !fields.is_empty()
            }
            _ => true,
        }
    }
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut all) => {
                all.push(other);
                Self::And(all)
            }
            one => Self::And(vec![one, other]),
        }
    }
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut any) => {
                any.push(other);
                Self::Or(any)
            }
            one => Self::Or(vec![one, other]),
        }
    }
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "reads as one chain with and() and or()"
    )]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_round_half_away_from_zero() {
        assert_eq!(average(100, 3, 2).as_deref(), Some("0.3333"));
        assert_eq!(average(1, 200, 0).as_deref(), Some("0.01"));
        assert_eq!(average(-1, 200, 0).as_deref(), Some("-0.01"));
        assert_eq!(average(0, 5, 2).as_deref(), Some("0.0000"));
        assert_eq!(average(5, 0, 2), None);
        assert_eq!(average(i64::MAX, 1, 2), None);
    }

    #[test]
    fn buckets_hold_their_days() {
        let of = |by: Bucket, day: &str| by.of(day.parse().unwrap());
        assert_eq!(of(Bucket::Quarter, "2026-03-31"), "2026-Q1");
        assert_eq!(of(Bucket::Quarter, "2026-04-01"), "2026-Q2");
        assert_eq!(of(Bucket::Quarter, "2026-12-31"), "2026-Q4");
        assert_eq!(of(Bucket::Month, "2026-12-31"), "2026-12");
        assert_eq!(of(Bucket::Year, "2026-12-31"), "2026");
    }

    #[test]
    fn old_questions_are_still_understood() {
        let ask: Aggregate = serde_json::from_str(
            r#"{"collection": "a", "group_by": ["status", {"field": "at", "by": "month"}], "measures": ["count"]}"#,
        )
        .unwrap();
        assert_eq!(ask.group_by[0], Key::from("status"));
        assert_eq!(ask.group_by[1], Key::bucket("at", Bucket::Month));
        let query: Query = serde_json::from_str(r#"{"collection": "a", "limit": 3}"#).unwrap();
        assert_eq!(query, Query::new("a").limit(3));
    }
}
