//! Questions as statements: filters, row scopes, sorts and measures over one table.
//!
//! Every name in a statement comes from the [`Table`], never from the asker; every value is bound.

mod cursor;
mod filter;
mod groups;

use kernel_crypto::keys::KeyRing;
use sdk_contract::query::{FACET_VALUES, MAX_FACETS, MAX_OFFSET, Query, Sort};
use sea_query::{
    Alias, Expr, ExprTrait as _, Func, NullOrdering, Order, Query as Statement, SelectStatement,
};

use crate::read::RowFilter;
use crate::schema::{Column, ROW_DELETED, Table};
use crate::{Engine, QueryError};

pub(crate) use cursor::{next, read as read_cursor};
pub(crate) use filter::{condition, conditions, never, scope};
pub(crate) use groups::{MAX_GROUPS, Shape, groups, suppress_below};

/// Sorts of one query.
const MAX_SORTS: usize = 8;

/// The table that is asked, and the keys for its blind indexes and cursors.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) engine: Engine,
    pub(crate) table: &'a Table,
    pub(crate) keys: &'a KeyRing,
}

pub(crate) fn column<'t>(table: &'t Table, field: &str) -> Result<&'t Column, QueryError> {
    table.column(field).ok_or_else(|| QueryError::UnknownField {
        collection: table.name.to_string(),
        field: field.to_owned(),
    })
}

fn unsuited(table: &Table, field: &str, what: &'static str) -> QueryError {
    QueryError::Unsuited {
        collection: table.name.to_string(),
        field: field.to_owned(),
        what,
    }
}

fn too_much(what: &'static str, most: u32) -> QueryError {
    QueryError::TooMuch { what, most }
}

pub(crate) fn col(column: &Column) -> Expr {
    Expr::col(Alias::new(&column.stored))
}

/// All columns of the table, in the order that [`value::record`] reads.
pub(crate) fn select(table: &Table) -> SelectStatement {
    let mut select = Statement::select();
    select
        .columns(table.columns.iter().map(|c| Alias::new(&c.stored)))
        .from(Alias::new(&table.sql_name));
    if table.code.is_some() {
        attested(&mut select, table);
    }
    select
}

/// The same, and the columns of retired fields, as [`value::full_record`] reads them.
pub(crate) fn select_full(table: &Table) -> SelectStatement {
    let columns = table.columns.iter().chain(&table.retired.columns);
    let mut select = Statement::select();
    select
        .columns(columns.map(|c| Alias::new(&c.stored)))
        .from(Alias::new(&table.sql_name));
    attested(&mut select, table);
    select
}

/// What a record is not read from, but its code speaks for, and the code.
fn attested(select: &mut SelectStatement, table: &Table) {
    if table.deletes {
        select.column(Alias::new(ROW_DELETED));
    }
    if let Some(code) = &table.code {
        select.column(Alias::new(&code.stored));
    }
}

/// Narrows to the records that are not deleted.
pub(crate) fn there(table: &Table) -> Option<Expr> {
    let column = || Expr::col(Alias::new(ROW_DELETED));
    table.deletes.then(|| column().is_null())
}

/// One page of a query; with a cursor one row more, which shows that there is more.
pub(crate) fn page(
    of: Asked<'_>,
    query: &Query,
    rows: &RowFilter,
) -> Result<SelectStatement, QueryError> {
    let table = of.table;
    let most = sdk_contract::query::MAX_LIMIT;
    if query.limit == 0 || query.limit > most {
        return Err(too_much("the rows of one answer (at least 1)", most));
    }
    if query.offset > MAX_OFFSET {
        return Err(too_much("the rows passed over", MAX_OFFSET));
    }
    let mut select = select(table);
    select.cond_where(conditions(of, query.filter.as_ref(), rows)?);
    sort(&mut select, table, &query.sort)?;
    match &query.cursor {
        None => select.limit(query.limit.into()).offset(query.offset.into()),
        Some(_) if query.offset > 0 => {
            return Err(too_much("the rows passed over besides a cursor", 0));
        }
        Some(cursor) => {
            if let Some(after) = cursor::after(of, query, cursor)? {
                select.cond_where(after);
            }
            select.limit(u64::from(query.limit) + 1)
        }
    };
    Ok(select)
}

/// Counts by the values of each facet, the most frequent first; one value more than is answered.
pub(crate) fn facets(
    of: Asked<'_>,
    query: &Query,
    rows: &RowFilter,
) -> Result<Vec<SelectStatement>, QueryError> {
    if query.facets.len() > MAX_FACETS {
        return Err(too_much(
            "the facets",
            u32::try_from(MAX_FACETS).unwrap_or(0),
        ));
    }
    let facet = |field: &String| {
        let column = column(of.table, field)?;
        if !column.storage.groups() {
            return Err(unsuited(of.table, field, "count by"));
        }
        let count = Func::count(Expr::col(Alias::new("id")));
        let mut select = Statement::select();
        select
            .expr(col(column))
            .expr(count.clone())
            .from(Alias::new(&of.table.sql_name))
            .cond_where(conditions(of, query.filter.as_ref(), rows)?)
            .add_group_by([col(column)])
            .order_by_expr(count.into(), Order::Desc)
            .order_by_expr_with_nulls(col(column), Order::Asc, NullOrdering::Last)
            .limit(u64::from(FACET_VALUES) + 1);
        Ok(select)
    };
    query.facets.iter().map(facet).collect()
}

/// How many rows a query matches in all.
pub(crate) fn count(
    of: Asked<'_>,
    query: &Query,
    rows: &RowFilter,
) -> Result<SelectStatement, QueryError> {
    let mut select = Statement::select();
    select
        .expr(Func::count(Expr::col(Alias::new("id"))))
        .from(Alias::new(&of.table.sql_name))
        .cond_where(conditions(of, query.filter.as_ref(), rows)?);
    Ok(select)
}

fn sortable<'t>(table: &'t Table, sorts: &[Sort], sort: &Sort) -> Result<&'t Column, QueryError> {
    if sorts.len() > MAX_SORTS {
        return Err(too_much("the sorts", 8));
    }
    let column = column(table, &sort.field)?;
    if column.storage.groups() {
        Ok(column)
    } else {
        Err(unsuited(table, &sort.field, "sort"))
    }
}

/// Sorts as asked, nulls last, ties by id in the direction of the last sort.
fn sort(select: &mut SelectStatement, table: &Table, sorts: &[Sort]) -> Result<(), QueryError> {
    let mut last = Order::Asc;
    for sort in sorts {
        let column = sortable(table, sorts, sort)?;
        last = if sort.descending {
            Order::Desc
        } else {
            Order::Asc
        };
        if column.required {
            // Without the clause an index can serve the order.
            select.order_by(Alias::new(&column.stored), last.clone());
        } else {
            select.order_by_with_nulls(
                Alias::new(&column.stored),
                last.clone(),
                NullOrdering::Last,
            );
        }
    }
    if !sorts.iter().any(|s| s.field == "id") {
        select.order_by(Alias::new("id"), last);
    }
    Ok(())
}
