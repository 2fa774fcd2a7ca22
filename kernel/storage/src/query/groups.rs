//! Aggregates: keys, date buckets, measures, bounds on them, the first groups by one.

use sdk_contract::query::{Aggregate, Bucket, Having, Key, Measure, Top};
use sea_query::{
    Alias, Expr, ExprTrait as _, Func, NullOrdering, Order, Query as Statement, SelectStatement,
};

use super::{Asked, col, column, conditions, too_much, unsuited};
use crate::backend::Engine;
use crate::read::RowFilter;
use crate::schema::{Column, Storage, Table};
use crate::{QueryError, value};

/// Groups an aggregate may answer with.
pub(crate) const MAX_GROUPS: u32 = 1_000;
/// Keys and measures of one aggregate.
const MAX_COLUMNS: u32 = 32;

/// What each selected expression of an aggregate reads back as.
pub(crate) enum Shape {
    Value(Storage),
    /// Like the storage, but zero instead of null.
    Sum(Storage),
    /// Of two expressions, the sum and how many it is of; digits of the summed field.
    Average(u8),
    /// Not part of the answer: how many records the group has.
    Size,
}

/// The group keys, then the measures, in the order asked, then the group's size; and how to read
/// them.
pub(crate) fn groups(
    engine: Engine,
    of: Asked<'_>,
    ask: &Aggregate,
    rows: &RowFilter,
) -> Result<(SelectStatement, Vec<Shape>), QueryError> {
    let table = of.table;
    let least = suppress_below(table, rows);
    if ask.group_by.len() + ask.measures.len() > MAX_COLUMNS as usize {
        return Err(too_much("the keys and measures", MAX_COLUMNS));
    }
    if ask.group_by.is_empty() && ask.measures.is_empty() {
        return Err(too_much("an aggregate without keys and measures", 0));
    }
    let mut select = Statement::select();
    let mut shapes = Vec::new();
    let mut keys = Vec::new();
    for key in &ask.group_by {
        let (expr, shape) = self::key(engine, table, key)?;
        select.expr(expr.clone()).add_group_by([expr.clone()]);
        keys.push(expr);
        shapes.push(shape);
    }
    let mut measures = Vec::new();
    for measure in &ask.measures {
        let (exprs, shape) = self::measure(table, measure)?;
        for expr in &exprs {
            select.expr(expr.clone());
        }
        measures.push(exprs);
        shapes.push(shape);
    }
    let size = Func::count(Expr::col(Alias::new("id")));
    select.expr(size.clone());
    shapes.push(Shape::Size);
    // Which small groups stay, or come first, would tell of their measures: they are left out.
    if let Some(least) = least
        && (!ask.having.is_empty() || ask.top.is_some())
    {
        select.and_having(Expr::expr(size).gte(least));
    }
    for having in &ask.having {
        let (measure, expr) = one(table, ask, &measures, having.measure)?;
        select.and_having(bound(table, measure, expr, having)?);
    }
    if let Some(top) = &ask.top {
        let (_, expr) = one(table, ask, &measures, top.measure)?;
        let direction = if top.least { Order::Asc } else { Order::Desc };
        select.order_by_expr_with_nulls(expr.clone(), direction, NullOrdering::Last);
    }
    for key in keys {
        select.order_by_expr_with_nulls(key, Order::Asc, NullOrdering::Last);
    }
    select
        .from(Alias::new(&table.sql_name))
        .cond_where(conditions(of, ask.filter.as_ref(), rows)?)
        .limit(limit(ask.top.as_ref())?);
    Ok((select, shapes))
}

/// Groups of fewer records are suppressed for an asker who does not own the rows.
pub(crate) fn suppress_below(table: &Table, rows: &RowFilter) -> Option<i64> {
    let least = table.def.suppress_below?;
    (!rows.owns()).then(|| least.into())
}

/// One more than allowed shows that there are too many; of the first ones only so many are wanted.
fn limit(top: Option<&Top>) -> Result<u64, QueryError> {
    match top {
        None => Ok(u64::from(MAX_GROUPS) + 1),
        Some(top) if (1..=MAX_GROUPS).contains(&top.groups) => Ok(top.groups.into()),
        Some(_) => Err(too_much("the groups (at least 1)", MAX_GROUPS)),
    }
}

fn key(engine: Engine, table: &Table, key: &Key) -> Result<(Expr, Shape), QueryError> {
    let column = column(table, key.field())?;
    if !column.storage.groups() {
        return Err(unsuited(table, key.field(), "group by"));
    }
    match key {
        Key::Field(_) => Ok((col(column), Shape::Value(column.storage))),
        Key::Bucket { field, by } => bucket(engine, column, *by)
            .map(|expr| (expr, Shape::Value(Storage::Text)))
            .ok_or_else(|| unsuited(table, field, "group by time")),
    }
}

/// Microseconds of a day, and of the platform's civil time before UTC.
const DAY: i64 = 86_400_000_000;
const EAST: i64 = 8 * 3_600_000_000;
/// Whole days added before a division and taken off after it, so that moments before 1970 are
/// rounded down, too: both engines round a quotient towards zero.
const SHIFT: i64 = 1_000_000;

/// The bucket of a date, month or datetime as text. Built of names and numbers of this crate
/// alone, so nothing in it is bound.
fn bucket(engine: Engine, column: &Column, by: Bucket) -> Option<Expr> {
    let name = format!("\"{}\"", column.stored);
    let day = match column.storage {
        Storage::Month if by == Bucket::Day => return None,
        Storage::Date | Storage::Month => name,
        Storage::Datetime => {
            let days = format!("(({name} + {}) / {DAY} - {SHIFT})", EAST + SHIFT * DAY);
            match engine {
                Engine::Sqlite => format!("date({days} * 86400, 'unixepoch')"),
                Engine::Postgres => {
                    format!("to_char(DATE '1970-01-01' + CAST({days} AS integer), 'YYYY-MM-DD')")
                }
            }
        }
        _ => return None,
    };
    Some(Expr::cust(match by {
        Bucket::Day => day,
        Bucket::Month => format!("substr({day}, 1, 7)"),
        Bucket::Quarter => format!(
            "substr({day}, 1, 4) || '-Q' || CAST((CAST(substr({day}, 6, 2) AS integer) + 2) / 3 AS text)"
        ),
        Bucket::Year => format!("substr({day}, 1, 4)"),
    }))
}

fn measure(table: &Table, measure: &Measure) -> Result<(Vec<Expr>, Shape), QueryError> {
    // PostgreSQL sums bigints as numeric; both engines refuse an overflow.
    let sum = |column: &Column| Expr::expr(Func::cast_as(Func::sum(col(column)), "bigint"));
    let summed = |field: &str, what| {
        let column = column(table, field)?;
        match column.storage {
            Storage::Integer => Ok((column, 0)),
            Storage::Scaled(scale) => Ok((column, scale)),
            _ => Err(unsuited(table, field, what)),
        }
    };
    Ok(match measure {
        Measure::Count => {
            let id = Expr::col(Alias::new("id"));
            (vec![Func::count(id).into()], Shape::Value(Storage::Integer))
        }
        Measure::Sum(field) => {
            let (column, _) = summed(field, "sum")?;
            (vec![sum(column)], Shape::Sum(column.storage))
        }
        Measure::Avg(field) => {
            let (column, scale) = summed(field, "average")?;
            let count = Func::count(col(column)).into();
            (vec![sum(column), count], Shape::Average(scale))
        }
        Measure::Min(field) | Measure::Max(field) => {
            let column = column(table, field)?;
            if !column.storage.ranges() {
                return Err(unsuited(table, field, "find an end of"));
            }
            let end = match measure {
                Measure::Min(_) => Func::min(col(column)),
                _ => Func::max(col(column)),
            };
            (vec![end.into()], Shape::Value(column.storage))
        }
    })
}

/// The measure at a place, if groups may be compared by it.
fn one<'m>(
    table: &Table,
    ask: &'m Aggregate,
    exprs: &'m [Vec<Expr>],
    place: usize,
) -> Result<(&'m Measure, &'m Expr), QueryError> {
    match (ask.measures.get(place), exprs.get(place).map(Vec::as_slice)) {
        (Some(measure), Some([expr])) => Ok((measure, expr)),
        (Some(Measure::Avg(field)), _) => Err(unsuited(table, field, "compare averages of")),
        _ => Err(too_much("the place of a measure", MAX_COLUMNS)),
    }
}

fn bound(
    table: &Table,
    measure: &Measure,
    expr: &Expr,
    having: &Having,
) -> Result<Expr, QueryError> {
    let (storage, field) = match measure {
        Measure::Count => (Storage::Integer, "count"),
        Measure::Sum(f) | Measure::Avg(f) | Measure::Min(f) | Measure::Max(f) => {
            (column(table, f)?.storage, f.as_str())
        }
    };
    let bind = |json: &serde_json::Value| {
        let value = value::bind(storage, json).filter(|_| !json.is_null());
        value.ok_or_else(|| QueryError::BadValue {
            collection: table.name.to_string(),
            field: field.to_owned(),
        })
    };
    let mut all = expr.clone().is_not_null();
    if let Some(min) = &having.min {
        all = all.and(expr.clone().gte(bind(min)?));
    }
    if let Some(max) = &having.max {
        all = all.and(expr.clone().lte(bind(max)?));
    }
    Ok(all)
}
