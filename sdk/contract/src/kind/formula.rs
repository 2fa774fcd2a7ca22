//! How a computed field is made of other fields: a closed list, so that it can be checked when it
//! is declared and means the same wherever it is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Kind;
use crate::def::FieldDef;
use crate::scalar::{Date, parse_scaled, print_scaled};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "formula", rename_all = "kebab-case")]
pub enum Formula {
    /// Numbers of one kind added up; absent ones count nothing, none at all gives none.
    Sum { of: Vec<String> },
    /// A number less another of the same kind; none when either is absent.
    Difference { of: String, less: String },
    /// A number column of a rows field added up; none when there are no rows.
    Total { rows: String, of: String },
    /// How many rows there are: integer.
    Count { rows: String },
    /// Texts and codes that are there, one after the other.
    Join {
        of: Vec<String>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        between: String,
    },
    /// Whole days from one date to another, negative when it is earlier: integer.
    Days { from: String, to: String },
}

/// Digits after the point; `None` for what is not counted in units.
fn scale(kind: &Kind) -> Option<u8> {
    match kind {
        Kind::Integer { .. } => Some(0),
        Kind::Decimal { scale, .. } => Some(*scale),
        Kind::Money { .. } => Some(2),
        _ => None,
    }
}

/// A canonical number in units of its last digit.
fn units(kind: &Kind, value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => parse_scaled(s, scale(kind)?),
        _ => None,
    }
}

fn number(kind: &Kind, n: Option<i64>) -> Value {
    match (n, scale(kind)) {
        (Some(n), Some(0)) => n.into(),
        (Some(n), Some(scale)) => print_scaled(n, scale).into(),
        _ => Value::Null,
    }
}

impl Formula {
    /// Why this formula cannot give a `result` from these fields; `None` when it can.
    pub fn fault(&self, result: &Kind, fields: &[FieldDef]) -> Option<String> {
        let kind = |name: &String| {
            // What is made of a masked field would say what it holds to whoever sees the result.
            let open = |f: &&FieldDef| f.name == *name && !f.encrypted && f.mask.is_none();
            fields.iter().find(open).map(|f| &f.kind)
        };
        let alike = |kind: Option<&Kind>| {
            kind.is_some_and(|k| {
                scale(k).is_some()
                    && scale(k) == scale(result)
                    && matches!(k, Kind::Money { .. }) == matches!(result, Kind::Money { .. })
            })
        };
        let row = |rows: &String| match kind(rows) {
            Some(Kind::Rows { fields, .. }) => Some(fields),
            _ => None,
        };
        let integer = matches!(result, Kind::Integer { .. });
        let fits = match self {
            Self::Sum { of } => !of.is_empty() && of.iter().all(|f| alike(kind(f))),
            Self::Difference { of, less } => alike(kind(of)) && alike(kind(less)),
            Self::Total { rows, of } => row(rows).is_some_and(|fields| {
                alike(fields.iter().find(|f| f.name == *of).map(|f| &f.kind))
            }),
            Self::Count { rows } => integer && row(rows).is_some(),
            Self::Join { of, .. } => {
                matches!(result, Kind::Text { .. })
                    && !of.is_empty()
                    && of
                        .iter()
                        .all(|f| matches!(kind(f), Some(Kind::Text { .. } | Kind::Code { .. })))
            }
            Self::Days { from, to } => {
                integer
                    && [from, to]
                        .iter()
                        .all(|f| matches!(kind(f), Some(Kind::Date)))
            }
        };
        (!fits).then(|| {
            "its formula names fields that are not there, are encrypted or masked, or are not of the kind of its result"
                .to_owned()
        })
    }

    /// The value for a record in wire form. A sum that overflows is none.
    pub fn value(&self, result: &Kind, record: &Map<String, Value>) -> Value {
        let of = |name: &String| units(result, record.get(name));
        let rows = |name: &String| {
            record
                .get(name)
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice)
        };
        let sum = |all: Vec<i64>| match all.as_slice() {
            [] => None,
            all => all.iter().try_fold(0_i64, |sum, n| sum.checked_add(*n)),
        };
        match self {
            Self::Sum { of: all } => number(result, sum(all.iter().filter_map(of).collect())),
            Self::Difference { of: from, less } => {
                let both = of(from).zip(of(less));
                number(result, both.and_then(|(a, b)| a.checked_sub(b)))
            }
            Self::Total { rows: name, of } => {
                let column = rows(name).iter().filter_map(|r| units(result, r.get(of)));
                number(result, sum(column.collect()))
            }
            Self::Count { rows: name } => rows(name).len().into(),
            Self::Join { of: all, between } => {
                let texts = all.iter().filter_map(|f| record.get(f)?.as_str());
                let texts: Vec<&str> = texts.filter(|t| !t.is_empty()).collect();
                if texts.is_empty() {
                    Value::Null
                } else {
                    texts.join(between).into()
                }
            }
            Self::Days { from, to } => {
                let day =
                    |name: &String| -> Option<Date> { record.get(name)?.as_str()?.parse().ok() };
                match day(from).zip(day(to)) {
                    Some((from, to)) => from.days_until(to).into(),
                    None => Value::Null,
                }
            }
        }
    }
}

/// Puts every computed field of a record in place.
pub fn compute(fields: &[FieldDef], record: &mut Map<String, Value>) {
    for field in fields {
        if let Kind::Computed { result, from } = &field.kind {
            let value = from.value(result, record);
            record.insert(field.name.clone(), value);
        }
    }
}
