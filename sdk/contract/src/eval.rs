//! Filters and sorts over records in memory, with the meaning that stores give them. For records
//! that no table holds: rows as they were at a moment, and the SDK's mock.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::def::{CollectionDef, SYSTEM_FIELDS};
use crate::kind::Kind;
use crate::query::{FACET_VALUES, Facet, FacetValue, Filter, Found, Query, Sort};
use crate::scalar::parse_scaled;

/// A question that has no answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

/// A value that can be put in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Bool(bool),
    Number(i64),
    Text(String),
}

/// The kind of a system field.
pub fn system_kind(name: &str) -> Option<Kind> {
    match name {
        "revision" => Some(Kind::Integer {
            min: None,
            max: None,
        }),
        "created_at" | "updated_at" => Some(Kind::Datetime),
        _ if SYSTEM_FIELDS.contains(&name) => Some(Kind::Text { max: 64 }),
        _ => None,
    }
}

/// The kind of a field that may be asked about.
pub fn kind(collection: &CollectionDef, name: &str) -> Result<Kind, Wrong> {
    let Some(field) = collection.field(name) else {
        return system_kind(name).ok_or_else(|| Wrong(format!("no field {name}")));
    };
    if field.encrypted && !field.blind {
        return Err(Wrong(format!("{name} is encrypted")));
    }
    if !field.kind.ops().equal {
        return Err(Wrong(format!("{name} cannot be asked about")));
    }
    Ok(field.kind.clone())
}

/// The rank of a canonical value; `None` for null.
pub fn rank(kind: &Kind, value: &Value) -> Option<Rank> {
    match (kind, value) {
        (Kind::Money { .. }, Value::String(s)) => parse_scaled(s, 2).map(Rank::Number),
        (Kind::Decimal { scale, .. }, Value::String(s)) => {
            parse_scaled(s, *scale).map(Rank::Number)
        }
        (_, Value::String(s)) => Some(Rank::Text(s.clone())),
        (_, Value::Bool(b)) => Some(Rank::Bool(*b)),
        (_, Value::Number(n)) => n.as_i64().map(Rank::Number),
        _ => None,
    }
}

/// The rank of a record's field.
pub fn of(kind: &Kind, record: &Map<String, Value>, name: &str) -> Option<Rank> {
    record.get(name).and_then(|v| rank(kind, v))
}

/// A value of a filter, as the field's kind has it.
fn wanted(kind: &Kind, name: &str, value: &Value) -> Result<Rank, Wrong> {
    // The options of a choice are of no concern: one that is not there just finds nothing.
    let canonical = match kind {
        Kind::Choice { .. } | Kind::MultiChoice { .. } => value.clone(),
        kind => kind
            .check(value, &[])
            .map_err(|m| Wrong(format!("{name}: {}", m.code)))?,
    };
    rank(kind, &canonical).ok_or_else(|| Wrong(format!("{name}: not a value")))
}

/// Whether a field holds a value: is it, or has it among its options.
fn has(kind: &Kind, record: &Map<String, Value>, name: &str, value: &Rank) -> bool {
    match record.get(name) {
        Some(Value::Array(items)) => items.iter().any(|i| rank(kind, i).as_ref() == Some(value)),
        Some(one) => rank(kind, one).as_ref() == Some(value),
        None => false,
    }
}

fn missing(record: &Map<String, Value>, name: &str) -> bool {
    match record.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

/// Whether a record is found by a text in the fields that are named: `sdk_search::finds`, which
/// guests go without.
pub type Finds = fn(&CollectionDef, &[String], &str, &Map<String, Value>) -> bool;

/// Whether a record meets a filter.
pub fn holds(
    c: &CollectionDef,
    filter: &Filter,
    record: &Map<String, Value>,
    finds: Finds,
) -> Result<bool, Wrong> {
    let each = |all: &[Filter]| {
        all.iter()
            .map(|f| holds(c, f, record, finds))
            .collect::<Result<Vec<bool>, Wrong>>()
    };
    Ok(match filter {
        Filter::And(all) => each(all)?.iter().all(|held| *held),
        Filter::Or(any) => each(any)?.iter().any(|held| *held),
        Filter::Not(inner) => !holds(c, inner, record, finds)?,
        Filter::Eq { field, value } if value.is_null() => missing(record, field),
        Filter::Eq { field, value } => {
            let kind = kind(c, field)?;
            has(&kind, record, field, &wanted(&kind, field, value)?)
        }
        Filter::In { field, values } => {
            let kind = kind(c, field)?;
            let mut found = false;
            for value in values {
                found |= has(&kind, record, field, &wanted(&kind, field, value)?);
            }
            found
        }
        Filter::Range { field, min, max } => {
            let kind = plain(c, field)?;
            if !kind.ops().range {
                return Err(Wrong(format!("{field} has no order")));
            }
            let end = |v: &Option<Value>| v.as_ref().map(|v| wanted(&kind, field, v)).transpose();
            let (min, max) = (end(min)?, end(max)?);
            of(&kind, record, field).is_some_and(|have| {
                min.is_none_or(|min| have >= min) && max.is_none_or(|max| have <= max)
            })
        }
        Filter::Contains { field, text } => {
            let kind = plain(c, field)?;
            if !kind.ops().text {
                return Err(Wrong(format!("{field} is no text")));
            }
            match of(&kind, record, field) {
                Some(Rank::Text(have)) => have
                    .to_ascii_lowercase()
                    .contains(&text.to_ascii_lowercase()),
                _ => false,
            }
        }
        Filter::Search { text, fields } => {
            let all: Vec<String> = c
                .fields
                .iter()
                .filter(|f| f.search && !f.encrypted)
                .map(|f| f.name.clone())
                .collect();
            let named = if fields.is_empty() { &all } else { fields };
            match named.iter().find(|f| !all.contains(f)) {
                Some(other) => return Err(Wrong(format!("{other} is not searched"))),
                None if named.is_empty() => return Err(Wrong("nothing is searched".into())),
                None => finds(c, named, text, record),
            }
        }
        Filter::Missing { field } => {
            if c.field(field).is_none() {
                kind(c, field)?;
            }
            missing(record, field)
        }
        Filter::Any { field, filter } => any(c, field, filter, record, finds)?,
    })
}

/// A kind whose values are compared as they are: nothing encrypted, no list.
fn plain(c: &CollectionDef, name: &str) -> Result<Kind, Wrong> {
    if c.field(name).is_some_and(|f| f.encrypted) {
        return Err(Wrong(format!("{name} is encrypted")));
    }
    let kind = kind(c, name)?;
    if matches!(kind, Kind::MultiChoice { .. }) {
        return Err(Wrong(format!("{name} is a list")));
    }
    Ok(kind)
}

fn any(
    c: &CollectionDef,
    name: &str,
    filter: &Filter,
    record: &Map<String, Value>,
    finds: Finds,
) -> Result<bool, Wrong> {
    let Some(Kind::Rows { fields, .. }) = c.field(name).map(|f| &f.kind) else {
        return Err(Wrong(format!("{name} has no rows")));
    };
    let row = CollectionDef {
        fields: fields.clone(),
        ..c.clone()
    };
    let rows = record.get(name).and_then(Value::as_array);
    for one in rows.into_iter().flatten().filter_map(Value::as_object) {
        if holds(&row, filter, one, finds)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The order of two records: as sorted, what is missing last in both directions, ties by id in the
/// direction of the last sort.
pub fn order(
    c: &CollectionDef,
    sorts: &[Sort],
    a: &Map<String, Value>,
    b: &Map<String, Value>,
) -> Result<Ordering, Wrong> {
    for by in sorts {
        let kind = sortable(c, &by.field)?;
        let ordering = match (of(&kind, a, &by.field), of(&kind, b, &by.field)) {
            (Some(a), Some(b)) if by.descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        if ordering != Ordering::Equal {
            return Ok(ordering);
        }
    }
    let id = |record: &Map<String, Value>| {
        let id = record.get("id").and_then(Value::as_str);
        id.unwrap_or_default().to_owned()
    };
    let ordering = id(a).cmp(&id(b));
    Ok(if sorts.last().is_some_and(|s| s.descending) {
        ordering.reverse()
    } else {
        ordering
    })
}

/// The kind of a field that rows may be sorted by.
pub fn sortable(c: &CollectionDef, name: &str) -> Result<Kind, Wrong> {
    let kind = plain(c, name)?;
    if kind.ops().sort {
        Ok(kind)
    } else {
        Err(Wrong(format!("{name} cannot be sorted by")))
    }
}

/// Sorts records; the fields are looked at first, so that it fails before it moves anything.
pub fn sort(
    c: &CollectionDef,
    sorts: &[Sort],
    records: &mut [Map<String, Value>],
) -> Result<(), Wrong> {
    for by in sorts {
        sortable(c, &by.field)?;
    }
    records.sort_by(|a, b| order(c, sorts, a, b).unwrap_or(Ordering::Equal));
    Ok(())
}

/// Answers a query over all records that the asker may see: rows, total and facets. `after` holds
/// the values of a cursor, one a sort and then the id. Besides, the record that a cursor to go on
/// would hold, if there is more.
pub fn answer(
    c: &CollectionDef,
    query: &Query,
    records: Vec<Map<String, Value>>,
    after: Option<&[Value]>,
    finds: Finds,
) -> Result<(Found, Option<Map<String, Value>>), Wrong> {
    let mut matching = Vec::new();
    for record in records {
        let held = query.filter.as_ref().map(|f| holds(c, f, &record, finds));
        if held.transpose()?.unwrap_or(true) {
            matching.push(record);
        }
    }
    let facets = query.facets.iter().map(|f| facet(c, f, &matching));
    let facets = facets.collect::<Result<Vec<Facet>, Wrong>>()?;
    sort(c, &query.sort, &mut matching)?;
    let total = query.total.then_some(matching.len() as u64);
    if let Some(values) = after {
        let names = query.sort.iter().map(|s| s.field.as_str()).chain(["id"]);
        let last: Map<String, Value> = names
            .zip(values)
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        let mut beyond = Vec::new();
        for record in matching {
            if order(c, &query.sort, &record, &last)? == Ordering::Greater {
                beyond.push(record);
            }
        }
        matching = beyond;
    }
    let (limit, offset) = (query.limit as usize, query.offset as usize);
    let more = query.cursor.is_some() && matching.len() > limit;
    let records: Vec<_> = matching.into_iter().skip(offset).take(limit).collect();
    let last = records.last().filter(|_| more).cloned();
    let found = Found {
        records,
        total,
        facets,
        ..Found::default()
    };
    Ok((found, last))
}

fn facet(c: &CollectionDef, name: &str, records: &[Map<String, Value>]) -> Result<Facet, Wrong> {
    let kind = plain(c, name)?;
    if !kind.ops().group {
        return Err(Wrong(format!("{name} cannot be counted by")));
    }
    let mut counts: BTreeMap<Option<Rank>, (Value, u64)> = BTreeMap::new();
    for record in records {
        let value = record.get(name).cloned().unwrap_or_default();
        let count = counts.entry(rank(&kind, &value)).or_insert((value, 0));
        count.1 += 1;
    }
    let mut values: Vec<_> = counts.into_iter().collect();
    values.sort_by_key(|(rank, (_, count))| (Reverse(*count), rank.is_none(), rank.clone()));
    let most = FACET_VALUES as usize;
    let more = values.len() > most;
    values.truncate(most);
    Ok(Facet {
        field: name.to_owned(),
        values: values
            .into_iter()
            .map(|(_, (value, count))| FacetValue { value, count })
            .collect(),
        more,
    })
}
