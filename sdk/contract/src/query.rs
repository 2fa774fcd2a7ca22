//! Questions to collections, free of any SQL dialect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most rows one query may answer with.
pub const MAX_LIMIT: u32 = 200;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sort {
    pub field: String,
    #[serde(default)]
    pub descending: bool,
}

/// A condition on one record. Fields may be system fields.
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
    Missing {
        field: String,
    },
}

/// What [`Query`] found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Records as JSON objects: system fields and declared fields side by side.
    pub records: Vec<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Counts and sums, grouped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Aggregate {
    pub collection: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
    pub measures: Vec<Measure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    Count,
    /// Integer, decimal or money.
    Sum(String),
    Min(String),
    Max(String),
}

/// One row of an [`Aggregate`]: the group's values and the measures, in the order asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    pub keys: Vec<Value>,
    pub measures: Vec<Value>,
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
            filter: None,
            sort: Vec::new(),
            limit: 20,
            offset: 0,
            total: false,
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
