//! Filters and row scopes as conditions.

use kernel_crypto::keys::KeyRing;
use sdk_contract::query::Filter;
use sea_query::{Alias, Cond, Condition, Expr, ExprTrait as _, Func, LikeExpr, Query as Statement};
use serde_json::Value as Json;

use super::{Asked, col, column, there, too_much, unsuited};
use crate::read::RowFilter;
use crate::schema::{Column, ROW_RECORD, ROW_SHARD, Storage, Table};
use crate::{Engine, QueryError, blind, search, value};

/// Conditions in one filter, and how deep they nest.
const MAX_CONDITIONS: u32 = 200;
const MAX_DEPTH: u32 = 16;
/// Values in one `in`.
const MAX_VALUES: u32 = 500;
/// Bytes in one `contains`.
const MAX_PATTERN: u32 = 500;
/// Neither engine gives it a meaning of its own.
const ESCAPE: char = '!';

/// The asker's filter within the rows the asker may see.
pub(crate) fn conditions(
    of: Asked<'_>,
    filter: Option<&Filter>,
    rows: &RowFilter,
) -> Result<Condition, QueryError> {
    let mut all = Cond::all()
        .add_option(scope(of.table, rows))
        .add_option(there(of.table));
    if let Some(filter) = filter {
        all = all.add(condition(of, filter)?);
    }
    Ok(all)
}

/// A filter by itself.
pub(crate) fn condition(of: Asked<'_>, filter: &Filter) -> Result<Condition, QueryError> {
    let mut left = MAX_CONDITIONS;
    Builder {
        engine: of.engine,
        table: of.table,
        keys: of.keys,
        left: &mut left,
    }
    .condition(filter, MAX_DEPTH)
}

/// The condition of a row scope; none means every row.
pub(crate) fn scope(table: &Table, rows: &RowFilter) -> Option<Condition> {
    let of = |field: &str, texts: &[String]| {
        let bound = table.column(field).map(|c| {
            let values = texts.iter();
            values.filter_map(|t| value::bind(c.storage, &t.as_str().into()))
        });
        let values = bound.into_iter().flatten().collect();
        among(Expr::col(Alias::new(field)), values)
    };
    let any = match rows {
        RowFilter::All => return None,
        RowFilter::None => Cond::any().add(never()),
        RowFilter::Assigned(user) => match &table.def.assignee {
            Some(field) => Cond::any().add(of(field, std::slice::from_ref(user))),
            None => Cond::any().add(never()),
        },
        RowFilter::Subject(subject) => {
            Cond::any().add(of("subject", std::slice::from_ref(subject)))
        }
        RowFilter::District(district) => {
            Cond::any().add(of("district", std::slice::from_ref(district)))
        }
        RowFilter::Organisations(organisations) => {
            Cond::any().add(of("organisation", organisations))
        }
        RowFilter::Any(filters) => {
            let mut any = Cond::any();
            for filter in filters {
                // One that lets everything through lets everything through.
                any = any.add(scope(table, filter)?);
            }
            some(any)
        }
    };
    Some(any)
}

/// Written out: a planner cannot see through bound values, and would pass over every index.
pub(crate) fn never() -> Expr {
    Expr::cust("1 = 0")
}

/// A choice of conditions, of which none holds when there is none. No false one stands beside
/// others: it would keep an index from serving them.
fn some(any: Condition) -> Condition {
    if any.is_empty() {
        any.add(never())
    } else {
        any
    }
}

fn among(expr: Expr, values: Vec<sea_query::Value>) -> Expr {
    let mut values = values;
    match (values.pop(), values.is_empty()) {
        (None, _) => never(),
        // An index serves an equality and then the order; of a list it does not.
        (Some(one), true) => expr.eq(one),
        (Some(last), false) => {
            values.push(last);
            expr.is_in(values)
        }
    }
}

struct Builder<'a> {
    engine: Engine,
    table: &'a Table,
    keys: &'a KeyRing,
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
            Filter::Or(any) => {
                let mut cond = Cond::any();
                for one in any {
                    cond = cond.add(self.condition(one, depth)?);
                }
                some(cond)
            }
            // Two-valued: what is not known to hold does not hold, so its negation does.
            Filter::Not(inner) => {
                let inner: Expr = self.condition(inner, depth)?.into();
                let holds: Expr = Func::coalesce([inner, Expr::val(false)]).into();
                Cond::all().add(holds.not())
            }
            leaf => Cond::all().add(self.leaf(leaf, depth)?),
        })
    }

    fn leaf(&mut self, filter: &Filter, depth: u32) -> Result<Expr, QueryError> {
        match filter {
            Filter::Eq { field, value } if value.is_null() => self.missing(field),
            Filter::Eq { field, value } => self.any_of(field, std::slice::from_ref(value)),
            Filter::In { field, values } => self.any_of(field, values),
            Filter::Range { field, min, max } => self.range(field, min.as_ref(), max.as_ref()),
            Filter::Contains { field, text } => self.contains(field, text),
            Filter::Search { text, fields } => search::found(self.engine, self.table, fields, text),
            Filter::Missing { field } => self.missing(field),
            Filter::Any { field, filter } => self.any_row(field, Some(filter), depth),
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) => Ok(never()),
        }
    }

    fn missing(&mut self, field: &str) -> Result<Expr, QueryError> {
        if self.table.rows_field(field).is_some() {
            return Ok(self.any_row(field, None, 0)?.not());
        }
        let column = column(self.table, field)?;
        let none = col(column).is_null();
        Ok(if column.storage == Storage::Tags {
            // Nothing chosen may have been written as an empty list.
            none.or(col(column).eq("[]"))
        } else {
            none
        })
    }

    /// Equal to one of the values; for options, has one of them.
    fn any_of(&self, field: &str, values: &[Json]) -> Result<Expr, QueryError> {
        if values.len() > MAX_VALUES as usize {
            return Err(too_much("the values of one 'in'", MAX_VALUES));
        }
        if let Some(index) = self.table.blind_of(field) {
            let sealed = column(self.table, field)?;
            let mut digests = Vec::with_capacity(values.len());
            for value in values {
                digests.extend(blind::all(self.keys, self.table, sealed, value)?);
            }
            return Ok(among(col(&index.column), digests));
        }
        let column = self.comparable(field)?;
        if column.storage == Storage::Tags {
            let mut any = Cond::any();
            for value in values {
                any = any.add(self.has(column, value)?);
            }
            return Ok(some(any).into());
        }
        let mut bound = Vec::with_capacity(values.len());
        for value in values {
            bound.extend(self.value(column, value)?);
        }
        Ok(among(col(column), bound))
    }

    /// Whether a list of options has one: taking it out makes the text another one. Unlike a
    /// pattern, this is exact on both engines.
    fn has(&self, column: &Column, option: &Json) -> Result<Expr, QueryError> {
        if !option.is_string() {
            return Err(QueryError::BadValue {
                collection: self.table.name.to_string(),
                field: column.name.clone(),
            });
        }
        let text = value::canonical(option);
        let without = Func::cust("replace").args([col(column), Expr::val(text), Expr::val("")]);
        Ok(Expr::expr(without).ne(col(column)))
    }

    /// Whether a rows field has a row that meets the filter.
    fn any_row(
        &mut self,
        field: &str,
        filter: Option<&Filter>,
        depth: u32,
    ) -> Result<Expr, QueryError> {
        let Some(rows) = self.table.rows_field(field) else {
            column(self.table, field)?;
            return Err(unsuited(self.table, field, "look for rows in"));
        };
        let of = |column: &str| Expr::col((Alias::new(&self.table.sql_name), Alias::new(column)));
        let mut select = Statement::select();
        select
            .expr(Expr::val(1))
            .from(Alias::new(&rows.table.sql_name))
            .and_where(Expr::col(Alias::new(ROW_RECORD)).eq(of("id")));
        if let Some(shard) = self.table.shard_column() {
            select.and_where(Expr::col(Alias::new(ROW_SHARD)).eq(of(shard)));
        }
        if let Some(filter) = filter {
            let mut inner = Builder {
                engine: self.engine,
                table: &rows.table,
                keys: self.keys,
                left: &mut *self.left,
            };
            select.cond_where(inner.condition(filter, depth)?);
        }
        Ok(Expr::exists(select))
    }

    fn range(
        &self,
        field: &str,
        min: Option<&Json>,
        max: Option<&Json>,
    ) -> Result<Expr, QueryError> {
        let column = self.comparable(field)?;
        if !column.storage.ranges() {
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
        match column.storage {
            Storage::Sealed | Storage::Json | Storage::Blind => {
                Err(unsuited(self.table, field, "filter"))
            }
            _ => Ok(column),
        }
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
