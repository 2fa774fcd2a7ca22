//! Questions as statements: filters, row scopes, sorts and measures over one table.
//!
//! Every name in a statement comes from the [`Table`], never from the asker; every value is bound.

use sdk_contract::query::{Aggregate, Filter, Measure, Query, Sort};
use sea_query::{
    Alias, Cond, Condition, Expr, ExprTrait as _, Func, LikeExpr, NullOrdering, Order,
    Query as Statement, SelectStatement,
};
use serde_json::Value as Json;

use crate::read::RowFilter;
use crate::schema::{Column, Storage, Table};
use crate::{QueryError, value};

/// Rows a numbered page may pass over; beyond that a person filters instead.
pub(crate) const MAX_OFFSET: u32 = 10_000;
/// Groups an aggregate may answer with.
pub(crate) const MAX_GROUPS: u32 = 1_000;
/// Conditions in one filter, and how deep they nest.
const MAX_CONDITIONS: u32 = 200;
const MAX_DEPTH: u32 = 16;
/// Values in one `in`.
const MAX_VALUES: u32 = 500;
/// Bytes in one `contains`.
const MAX_PATTERN: u32 = 500;
/// Neither engine gives it a meaning of its own.
const ESCAPE: char = '!';

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
    Expr::col(Alias::new(&column.name))
}

/// All columns of the table, in the order that [`value::record`] reads.
pub(crate) fn select(table: &Table) -> SelectStatement {
    let mut select = Statement::select();
    select
        .columns(table.columns.iter().map(|c| Alias::new(&c.name)))
        .from(Alias::new(&table.sql_name));
    select
}

/// One page of a query.
pub(crate) fn page(
    table: &Table,
    query: &Query,
    rows: &RowFilter,
) -> Result<SelectStatement, QueryError> {
    let most = sdk_contract::query::MAX_LIMIT;
    if query.limit == 0 || query.limit > most {
        return Err(too_much("the rows of one answer (at least 1)", most));
    }
    if query.offset > MAX_OFFSET {
        return Err(too_much("the rows passed over", MAX_OFFSET));
    }
    let mut select = select(table);
    select.cond_where(conditions(table, query.filter.as_ref(), rows)?);
    sort(&mut select, table, &query.sort)?;
    select.limit(query.limit.into()).offset(query.offset.into());
    Ok(select)
}

/// How many rows a query matches in all.
pub(crate) fn count(
    table: &Table,
    query: &Query,
    rows: &RowFilter,
) -> Result<SelectStatement, QueryError> {
    let mut select = Statement::select();
    select
        .expr(Func::count(Expr::col(Alias::new("id"))))
        .from(Alias::new(&table.sql_name))
        .cond_where(conditions(table, query.filter.as_ref(), rows)?);
    Ok(select)
}

/// What each selected expression of an aggregate reads back as.
pub(crate) enum Shape {
    Value(Storage),
    /// Like the storage, but zero instead of null.
    Sum(Storage),
}

/// The group keys, then the measures, in the order asked; and how to read them.
pub(crate) fn groups(
    table: &Table,
    ask: &Aggregate,
    rows: &RowFilter,
) -> Result<(SelectStatement, Vec<Shape>), QueryError> {
    let mut select = Statement::select();
    let mut shapes = Vec::new();
    for field in &ask.group_by {
        let column = column(table, field)?;
        if matches!(column.storage, Storage::Sealed | Storage::Json) {
            return Err(unsuited(table, field, "group by"));
        }
        select.expr(col(column)).add_group_by([col(column)]);
        select.order_by_with_nulls(Alias::new(&column.name), Order::Asc, NullOrdering::Last);
        shapes.push(Shape::Value(column.storage));
    }
    for measure in &ask.measures {
        let (expr, shape) = self::measure(table, measure)?;
        select.expr(expr);
        shapes.push(shape);
    }
    if shapes.is_empty() {
        return Err(too_much("an aggregate without keys and measures", 0));
    }
    select
        .from(Alias::new(&table.sql_name))
        .cond_where(conditions(table, ask.filter.as_ref(), rows)?)
        // One more than allowed shows that there are too many.
        .limit(u64::from(MAX_GROUPS) + 1);
    Ok((select, shapes))
}

fn measure(table: &Table, measure: &Measure) -> Result<(Expr, Shape), QueryError> {
    Ok(match measure {
        Measure::Count => {
            let id = Expr::col(Alias::new("id"));
            (Func::count(id).into(), Shape::Value(Storage::Integer))
        }
        Measure::Sum(field) => {
            let column = column(table, field)?;
            if !matches!(column.storage, Storage::Integer | Storage::Scaled(_)) {
                return Err(unsuited(table, field, "sum"));
            }
            // PostgreSQL sums bigints as numeric; both engines refuse an overflow.
            let sum = Func::cast_as(Func::sum(col(column)), "bigint");
            (sum.into(), Shape::Sum(column.storage))
        }
        Measure::Min(field) | Measure::Max(field) => {
            let column = column(table, field)?;
            if matches!(
                column.storage,
                Storage::Sealed | Storage::Json | Storage::Uuid | Storage::Bool
            ) {
                return Err(unsuited(table, field, "find an end of"));
            }
            let end = match measure {
                Measure::Min(_) => Func::min(col(column)),
                _ => Func::max(col(column)),
            };
            (end.into(), Shape::Value(column.storage))
        }
    })
}

/// Sorts as asked, nulls last, ties by id in the direction of the last sort.
fn sort(select: &mut SelectStatement, table: &Table, sorts: &[Sort]) -> Result<(), QueryError> {
    let mut last = Order::Asc;
    for sort in sorts.iter().take(8) {
        let column = column(table, &sort.field)?;
        if matches!(column.storage, Storage::Sealed | Storage::Json) {
            return Err(unsuited(table, &sort.field, "sort"));
        }
        last = if sort.descending {
            Order::Desc
        } else {
            Order::Asc
        };
        if column.required {
            // Without the clause an index can serve the order.
            select.order_by(Alias::new(&column.name), last.clone());
        } else {
            select.order_by_with_nulls(Alias::new(&column.name), last.clone(), NullOrdering::Last);
        }
    }
    if !sorts.iter().any(|s| s.field == "id") {
        select.order_by(Alias::new("id"), last);
    }
    Ok(())
}

/// The asker's filter within the rows the asker may see.
fn conditions(
    table: &Table,
    filter: Option<&Filter>,
    rows: &RowFilter,
) -> Result<Condition, QueryError> {
    let mut all = Cond::all().add_option(scope(table, rows));
    if let Some(filter) = filter {
        let mut left = MAX_CONDITIONS;
        all = all.add(
            Builder {
                table,
                left: &mut left,
            }
            .condition(filter, MAX_DEPTH)?,
        );
    }
    Ok(all)
}

/// The condition of a row scope; none means every row.
pub(crate) fn scope(table: &Table, rows: &RowFilter) -> Option<Condition> {
    let bound = |field: &str, text: &str| {
        let column = table.column(field)?;
        value::bind(column.storage, &text.into()).map(Expr::val)
    };
    let of = |field: &str, text: &str| match bound(field, text) {
        Some(value) => Expr::col(Alias::new(field)).eq(value),
        None => never(),
    };
    let any = match rows {
        RowFilter::All => return None,
        RowFilter::None => Cond::any().add(never()),
        RowFilter::Subject(subject) => Cond::any().add(of("subject", subject)),
        RowFilter::District(district) => Cond::any().add(of("district", district)),
        // One list and no alternatives, so that an index serves it.
        RowFilter::Organisations(organisations) => {
            let ids = organisations
                .iter()
                .filter_map(|o| bound("organisation", o));
            Cond::any().add(one_of(Expr::col(Alias::new("organisation")), ids.collect()))
        }
        RowFilter::Any(filters) => {
            let mut any = Cond::any();
            if filters.is_empty() {
                any = any.add(never());
            }
            for filter in filters {
                // One that lets everything through lets everything through.
                any = any.add(scope(table, filter)?);
            }
            any
        }
    };
    Some(any)
}

fn one_of(what: Expr, values: Vec<Expr>) -> Expr {
    if values.is_empty() {
        never()
    } else {
        what.is_in(values)
    }
}

/// Written out: a planner cannot see through bound values, and would pass over every index.
fn never() -> Expr {
    Expr::cust("1 = 0")
}

struct Builder<'a> {
    table: &'a Table,
    /// Conditions that may still come.
    left: &'a mut u32,
}

impl Builder<'_> {
    fn condition(&mut self, filter: &Filter, depth: u32) -> Result<Condition, QueryError> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| too_much("the conditions of a filter", MAX_CONDITIONS))?;
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| too_much("the depth of a filter", MAX_DEPTH))?;
        Ok(match filter {
            Filter::And(all) => {
                let mut cond = Cond::all();
                for one in all {
                    cond = cond.add(self.condition(one, depth)?);
                }
                cond
            }
            Filter::Or(any) if any.is_empty() => Cond::all().add(never()),
            Filter::Or(any) => {
                let mut cond = Cond::any();
                for one in any {
                    cond = cond.add(self.condition(one, depth)?);
                }
                cond
            }
            // Two-valued: what is not known to hold does not hold, so its negation does.
            Filter::Not(inner) => {
                let inner: Expr = self.condition(inner, depth)?.into();
                let holds: Expr = Func::coalesce([inner, Expr::val(false)]).into();
                Cond::all().add(holds.not())
            }
            leaf => Cond::all().add(self.leaf(leaf)?),
        })
    }

    fn leaf(&self, filter: &Filter) -> Result<Expr, QueryError> {
        match filter {
            Filter::Eq { field, value } if value.is_null() => {
                Ok(col(column(self.table, field)?).is_null())
            }
            Filter::Eq { field, value } => {
                let column = self.comparable(field)?;
                Ok(match self.value(column, value)? {
                    Some(value) => col(column).eq(value),
                    None => never(),
                })
            }
            Filter::In { field, values } => {
                let column = self.comparable(field)?;
                if values.len() > MAX_VALUES as usize {
                    return Err(too_much("the values of one 'in'", MAX_VALUES));
                }
                let mut bound = Vec::with_capacity(values.len());
                for value in values {
                    bound.extend(self.value(column, value)?.map(Expr::val));
                }
                Ok(one_of(col(column), bound))
            }
            Filter::Range { field, min, max } => self.range(field, min.as_ref(), max.as_ref()),
            Filter::Contains { field, text } => self.contains(field, text),
            Filter::Missing { field } => Ok(col(column(self.table, field)?).is_null()),
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) => Ok(never()),
        }
    }

    fn range(
        &self,
        field: &str,
        min: Option<&Json>,
        max: Option<&Json>,
    ) -> Result<Expr, QueryError> {
        let column = self.comparable(field)?;
        if matches!(column.storage, Storage::Bool | Storage::Uuid) {
            return Err(unsuited(self.table, field, "compare by size"));
        }
        let mut all = Cond::all();
        if let Some(min) = min {
            all = all.add(
                self.value(column, min)?
                    .map_or_else(never, |v| col(column).gte(v)),
            );
        }
        if let Some(max) = max {
            all = all.add(
                self.value(column, max)?
                    .map_or_else(never, |v| col(column).lte(v)),
            );
        }
        if min.is_none() && max.is_none() {
            all = all.add(col(column).is_not_null());
        }
        Ok(all.into())
    }

    fn contains(&self, field: &str, text: &str) -> Result<Expr, QueryError> {
        let column = self.comparable(field)?;
        if column.storage != Storage::Text {
            return Err(unsuited(self.table, field, "look for text in"));
        }
        if text.len() > MAX_PATTERN as usize {
            return Err(too_much("the bytes of a text looked for", MAX_PATTERN));
        }
        if text.contains('\0') {
            return Ok(never());
        }
        let mut pattern = String::from("%");
        for c in text.chars() {
            if matches!(c, '%' | '_' | ESCAPE) {
                pattern.push(ESCAPE);
            }
            pattern.push(c);
        }
        pattern.push('%');
        // Both engines fold ASCII alone: SQLite always, PostgreSQL on a column in byte order.
        let folded = Expr::expr(Func::lower(col(column)));
        Ok(folded.like(LikeExpr::new(pattern.to_ascii_lowercase()).escape(ESCAPE)))
    }

    fn comparable(&self, field: &str) -> Result<&Column, QueryError> {
        let column = column(self.table, field)?;
        if matches!(column.storage, Storage::Sealed | Storage::Json) {
            return Err(unsuited(self.table, field, "filter"));
        }
        Ok(column)
    }

    /// A value to compare with; `None` when no row can have it, as with an id that is none.
    fn value(&self, column: &Column, json: &Json) -> Result<Option<sea_query::Value>, QueryError> {
        match value::bind(column.storage, json) {
            Some(value) if !json.is_null() => Ok(Some(value)),
            None if column.storage == Storage::Uuid && json.is_string() => Ok(None),
            _ => Err(QueryError::BadValue {
                collection: self.table.name.to_string(),
                field: column.name.clone(),
            }),
        }
    }
}
