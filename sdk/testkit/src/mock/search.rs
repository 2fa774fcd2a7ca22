//! Filters, sorts and sums over rows in memory, with the meaning the kernel's stores give them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use sdk::Map;
use sdk_contract::def::CollectionDef;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::kind::Kind;
use sdk_contract::query::{Aggregate, Filter, Found, Group, MAX_LIMIT, Measure, Query, Sort};
use sdk_contract::scalar::{parse_scaled, print_scaled};
use serde_json::Value;

/// Rows a query may pass over.
const MAX_OFFSET: u32 = 10_000;

/// A value that can be put in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Bool(bool),
    Number(i64),
    Text(String),
}

fn bad(what: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Invalid, "bad-query", what)
}

/// The kind of a field that may be asked about.
fn kind(collection: &CollectionDef, name: &str) -> Result<Kind, Fault> {
    if let Some(field) = collection.field(name) {
        return match &field.kind {
            Kind::Json => Err(bad(format!("{name} is json"))),
            _ if field.encrypted => Err(bad(format!("{name} is encrypted"))),
            kind => Ok(kind.clone()),
        };
    }
    match name {
        "revision" => Ok(Kind::Integer {
            min: None,
            max: None,
        }),
        "created_at" | "updated_at" => Ok(Kind::Datetime),
        _ if sdk_contract::def::SYSTEM_FIELDS.contains(&name) => Ok(Kind::Text { max: 64 }),
        _ => Err(bad(format!("no field {name}"))),
    }
}

fn key(kind: &Kind, value: &Value) -> Option<Key> {
    match (kind, value) {
        (Kind::Money { .. }, Value::String(s)) => parse_scaled(s, 2).map(Key::Number),
        (Kind::Decimal { scale, .. }, Value::String(s)) => parse_scaled(s, *scale).map(Key::Number),
        (_, Value::String(s)) => Some(Key::Text(s.clone())),
        (_, Value::Bool(b)) => Some(Key::Bool(*b)),
        (_, Value::Number(n)) => n.as_i64().map(Key::Number),
        _ => None,
    }
}

/// A value of a filter, as the field's kind has it.
fn wanted(kind: &Kind, name: &str, value: &Value) -> Result<Key, Fault> {
    // The options of a choice are of no concern: one that is not there just finds nothing.
    let canonical = match kind {
        Kind::Choice { .. } => value.clone(),
        kind => kind
            .check(value, &[])
            .map_err(|m| bad(format!("{name}: {}", m.code)))?,
    };
    key(kind, &canonical).ok_or_else(|| bad(format!("{name}: not a value")))
}

fn of(kind: &Kind, row: &Map, name: &str) -> Option<Key> {
    row.get(name).and_then(|v| key(kind, v))
}

pub(super) fn holds(c: &CollectionDef, filter: &Filter, row: &Map) -> Result<bool, Fault> {
    Ok(match filter {
        Filter::And(all) => {
            let each = all
                .iter()
                .map(|f| holds(c, f, row))
                .collect::<Result<Vec<_>, _>>()?;
            each.iter().all(|held| *held)
        }
        Filter::Or(any) => {
            let each = any
                .iter()
                .map(|f| holds(c, f, row))
                .collect::<Result<Vec<_>, _>>()?;
            each.iter().any(|held| *held)
        }
        Filter::Not(inner) => !holds(c, inner, row)?,
        Filter::Eq { field, value } if value.is_null() => {
            of(&kind(c, field)?, row, field).is_none()
        }
        Filter::Eq { field, value } => {
            let kind = kind(c, field)?;
            of(&kind, row, field) == Some(wanted(&kind, field, value)?)
        }
        Filter::In { field, values } => {
            let kind = kind(c, field)?;
            let wanted = values
                .iter()
                .map(|v| wanted(&kind, field, v))
                .collect::<Result<Vec<_>, _>>()?;
            of(&kind, row, field).is_some_and(|have| wanted.contains(&have))
        }
        Filter::Range { field, min, max } => {
            let kind = kind(c, field)?;
            let end = |v: &Option<Value>| v.as_ref().map(|v| wanted(&kind, field, v)).transpose();
            let (min, max) = (end(min)?, end(max)?);
            of(&kind, row, field).is_some_and(|have| {
                min.is_none_or(|min| have >= min) && max.is_none_or(|max| have <= max)
            })
        }
        Filter::Contains { field, text } => match of(&kind(c, field)?, row, field) {
            Some(Key::Text(have)) => have
                .to_ascii_lowercase()
                .contains(&text.to_ascii_lowercase()),
            _ => false,
        },
        Filter::Missing { field } => of(&kind(c, field)?, row, field).is_none(),
    })
}

fn order(c: &CollectionDef, sort: &[Sort], a: &Map, b: &Map) -> Result<Ordering, Fault> {
    for by in sort {
        let kind = kind(c, &by.field)?;
        // What is missing comes last in both directions.
        let ordering = match (of(&kind, a, &by.field), of(&kind, b, &by.field)) {
            (Some(a), Some(b)) if by.descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        if ordering != Ordering::Equal {
            return Ok(ordering);
        }
    }
    let id = |row: &Map| {
        row.get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let by_id = id(a).cmp(&id(b));
    // Ties go the way of the last sort.
    Ok(match sort.last() {
        Some(last) if last.descending => by_id.reverse(),
        _ => by_id,
    })
}

/// Answers a query over the rows the asker may see.
pub(super) fn find(c: &CollectionDef, query: &Query, rows: Vec<Map>) -> Result<Found, Fault> {
    if query.limit == 0 || query.limit > MAX_LIMIT || query.offset > MAX_OFFSET {
        return Err(bad(format!(
            "limit 1 to {MAX_LIMIT}, offset up to {MAX_OFFSET}"
        )));
    }
    let mut rows = matching(c, query.filter.as_ref(), rows)?;
    // Sorting cannot fail half-way, so the fields are looked at first.
    for by in &query.sort {
        kind(c, &by.field)?;
    }
    rows.sort_by(|a, b| order(c, &query.sort, a, b).unwrap_or(Ordering::Equal));
    let total = u64::try_from(rows.len()).ok().filter(|_| query.total);
    let records = rows
        .into_iter()
        .skip(query.offset as usize)
        .take(query.limit as usize)
        .collect();
    Ok(Found { records, total })
}

fn matching(c: &CollectionDef, filter: Option<&Filter>, rows: Vec<Map>) -> Result<Vec<Map>, Fault> {
    let Some(filter) = filter else {
        return Ok(rows);
    };
    let mut kept = Vec::new();
    for row in rows {
        if holds(c, filter, &row)? {
            kept.push(row);
        }
    }
    Ok(kept)
}

pub(super) fn aggregate(
    c: &CollectionDef,
    aggregate: &Aggregate,
    rows: Vec<Map>,
) -> Result<Vec<Group>, Fault> {
    let kinds = aggregate
        .group_by
        .iter()
        .map(|name| kind(c, name))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = aggregate
        .group_by
        .iter()
        .find(|n| c.field(n).is_some_and(|f| f.mask.is_some()))
    {
        return Err(Fault::new(
            FaultKind::Invalid,
            "masked-field",
            format!("{name} 不能用于分组"),
        ));
    }
    // What is missing comes last.
    let mut groups: BTreeMap<Vec<(bool, Option<Key>)>, Vec<Map>> = BTreeMap::new();
    if kinds.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for row in matching(c, aggregate.filter.as_ref(), rows)? {
        let keys = kinds
            .iter()
            .zip(&aggregate.group_by)
            .map(|(k, name)| of(k, &row, name))
            .map(|key| (key.is_none(), key));
        groups.entry(keys.collect()).or_default().push(row);
    }
    groups
        .into_values()
        .map(|rows| {
            let first = rows.first();
            let keys = aggregate.group_by.iter().map(|name| {
                first
                    .and_then(|row| row.get(name))
                    .cloned()
                    .unwrap_or_default()
            });
            let measures = aggregate.measures.iter().map(|m| measure(c, m, &rows));
            Ok(Group {
                keys: keys.collect(),
                measures: measures.collect::<Result<_, Fault>>()?,
            })
        })
        .collect()
}

fn measure(c: &CollectionDef, measure: &Measure, rows: &[Map]) -> Result<Value, Fault> {
    let values = |name: &str| -> Result<(Kind, Vec<Key>), Fault> {
        let kind = kind(c, name)?;
        let keys = rows.iter().filter_map(|row| of(&kind, row, name)).collect();
        Ok((kind, keys))
    };
    match measure {
        Measure::Count => Ok(rows.len().into()),
        Measure::Min(name) => values(name).map(|(kind, keys)| show(&kind, keys.into_iter().min())),
        Measure::Max(name) => values(name).map(|(kind, keys)| show(&kind, keys.into_iter().max())),
        Measure::Sum(name) => {
            let (kind, keys) = values(name)?;
            let sum = keys.iter().try_fold(0_i64, |sum, key| match key {
                Key::Number(n) => sum.checked_add(*n),
                _ => None,
            });
            let sum = sum.ok_or_else(|| bad(format!("{name} cannot be summed")))?;
            Ok(show(&kind, Some(Key::Number(sum))))
        }
    }
}

fn show(kind: &Kind, key: Option<Key>) -> Value {
    match (kind, key) {
        (Kind::Money { .. }, Some(Key::Number(n))) => print_scaled(n, 2).into(),
        (Kind::Decimal { scale, .. }, Some(Key::Number(n))) => print_scaled(n, *scale).into(),
        (_, Some(Key::Number(n))) => n.into(),
        (_, Some(Key::Text(s))) => s.into(),
        (_, Some(Key::Bool(b))) => b.into(),
        (_, None) => Value::Null,
    }
}
