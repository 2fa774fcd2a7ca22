//! Keyset paging: where an answer ended, and the rows after it.
//!
//! A cursor holds the last row's sort values and id, sealed and bound to the question it belongs
//! to, so that it says nothing to whoever carries it and fits nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_crypto::keys::SealKey;
use sdk_contract::query::{Query, Sort};
use sea_query::{Cond, Condition, Expr, ExprTrait as _};
use serde_json::{Value as Json, json};

use super::filter::never;
use super::{Asked, col, sortable};
use crate::schema::Column;
use crate::{QueryError, Record, StorageError, value};

/// Longest cursor that is looked at.
const MAX_CURSOR: usize = 4096;

/// What a cursor belongs to: everything that decides which rows come, and in which order.
fn binding(query: &Query) -> Vec<u8> {
    let asked = json!([query.collection, query.filter, query.sort, query.as_of]);
    let digest = kernel_crypto::sm3::digest(&kernel_crypto::canonical::to_vec(&asked));
    format!("cursor\0{digest}").into_bytes()
}

/// The cursor that goes on after a record.
pub(crate) fn next(of: Asked<'_>, query: &Query, last: &Record) -> Result<String, StorageError> {
    let value = |field: &str| last.get(field).cloned().unwrap_or_default();
    let mut values: Vec<Json> = query.sort.iter().map(|s| value(&s.field)).collect();
    values.push(value("id"));
    let plain = kernel_crypto::canonical::to_vec(&Json::from(values));
    let sealed = of.keys.seal(SealKey::Field, &binding(query), &plain);
    Ok(URL_SAFE_NO_PAD.encode(sealed.map_err(StorageError::Seal)?))
}

/// The values of a cursor, one a sort and then the id; `None` for the empty one.
pub(crate) fn read(
    of: Asked<'_>,
    query: &Query,
    cursor: &str,
) -> Result<Option<Vec<Json>>, QueryError> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let open = || {
        let sealed =
            (cursor.len() <= MAX_CURSOR).then(|| URL_SAFE_NO_PAD.decode(cursor).ok())??;
        let plain = of
            .keys
            .open(SealKey::Field, &binding(query), &sealed)
            .ok()?;
        let values: Vec<Json> = serde_json::from_slice(&plain).ok()?;
        (values.len() == query.sort.len() + 1).then_some(values)
    };
    open().map(Some).ok_or(QueryError::BadCursor)
}

/// The condition of the rows after a cursor; `None` for the empty one.
///
/// With sorts a, b and the id: a comes after, or a is equal and b comes after, or both are equal
/// and the id comes after. Null comes last in both directions. That a does not come before is said
/// once more in front, so that an index on it begins at the right place.
pub(crate) fn after(
    of: Asked<'_>,
    query: &Query,
    cursor: &str,
) -> Result<Option<Condition>, QueryError> {
    let Some(values) = read(of, query, cursor)? else {
        return Ok(None);
    };
    let id = Sort {
        field: "id".into(),
        descending: query.sort.last().is_some_and(|s| s.descending),
    };
    let mut by: Vec<(&Column, bool, Option<sea_query::Value>)> = Vec::new();
    for (sort, json) in query.sort.iter().chain([&id]).zip(&values) {
        let column = sortable(of.table, &query.sort, sort)?;
        let bound = value::bind(column.storage, json).ok_or(QueryError::BadCursor)?;
        by.push((column, sort.descending, (!json.is_null()).then_some(bound)));
        // The id decides every tie, so what is sorted by after it decides nothing.
        if sort.field == "id" {
            break;
        }
    }
    let mut any = Cond::any();
    let mut equal: Vec<Expr> = Vec::new();
    for (column, descending, bound) in &by {
        if let Some(beyond) = beyond(column, *descending, bound.as_ref()) {
            let mut all = Cond::all();
            for expr in &equal {
                all = all.add(expr.clone());
            }
            any = any.add(all.add(beyond));
        }
        equal.push(match bound {
            Some(value) => col(column).eq(value.clone()),
            None => col(column).is_null(),
        });
    }
    let mut all = Cond::all();
    if let Some((column, descending, Some(value))) = by.first()
        && column.required
    {
        all = all.add(if *descending {
            col(column).lte(value.clone())
        } else {
            col(column).gte(value.clone())
        });
    }
    Ok(Some(all.add(any.add(never()))))
}

/// Strictly after a value in the order of one sort; nothing is after null.
fn beyond(column: &Column, descending: bool, value: Option<&sea_query::Value>) -> Option<Expr> {
    let value = value?.clone();
    let past = if descending {
        col(column).lt(value)
    } else {
        col(column).gt(value)
    };
    Some(if column.required {
        past
    } else {
        past.or(col(column).is_null())
    })
}
