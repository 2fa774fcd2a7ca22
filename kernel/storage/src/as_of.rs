//! Lists and records as they were at a moment, from the kept history of an audited collection.
//!
//! A row that has not changed since is read as it stands; of one that has, the later changes are
//! taken back. Encrypted fields are not in the history, so a row that has changed since has none.
//! Retired fields are in it, for then they were in use; what a field was called then it is called by
//! the name of today. System fields that never change are the row's own: who may see it now may see it as it was.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use sdk_contract::change::Conversion;
use sdk_contract::eval;
use sdk_contract::kind::compute;
use sdk_contract::query::{Found, Query};
use sdk_contract::scalar::Timestamp;
use sea_query::{Alias, Cond, Expr, ExprTrait as _, Order, Query as Statement};
use serde_json::Value as Json;

use crate::backend::Conn;
use crate::query::{self, Asked};
use crate::read::object;
use crate::schema::{Column, Storage, Table};
use crate::{QueryError, Record, RowFilter, StorageError, Store, value, whole};

/// Rows that one look at a moment may go through.
const MAX_ROWS: u32 = 5_000;
/// Records whose history one statement reads.
const AT_ONCE: usize = 200;

/// One kept change, as far as it is needed to take it back.
struct Kept {
    revision: i64,
    at: i64,
    by: String,
    before: Option<Record>,
}

impl Store {
    pub(crate) async fn find_as_of(
        &self,
        table: &Table,
        query: &Query,
        rows: &RowFilter,
    ) -> Result<Found, QueryError> {
        if !table.audited {
            return Err(QueryError::NotAudited(table.name.to_string()));
        }
        let wrong = || QueryError::BadValue {
            collection: table.name.to_string(),
            field: "as_of".into(),
        };
        let moment = query.as_of.as_deref().unwrap_or_default();
        let moment = Timestamp::from_str(moment).map_err(|_| wrong())?.micros();
        let of = Asked {
            engine: self.engine(),
            table,
            keys: self.keys(),
        };
        let after = match &query.cursor {
            Some(cursor) => query::read_cursor(of, query, cursor)?,
            None => None,
        };
        // Checked as any other question; only its rows are looked for in another way.
        query::page(of, query, rows)?;
        query::facets(of, query, rows)?;
        let statement = {
            let mut select = query::select_full(table);
            let changed = Expr::col(Alias::new("updated_at")).gt(moment);
            let mut candidate = Cond::any().add(changed);
            candidate = match &query.filter {
                Some(filter) => candidate.add(query::condition(of, filter)?),
                None => candidate.add(Expr::val(1).eq(1)),
            };
            select
                .cond_where(query::conditions(of, None, rows)?)
                .and_where(Expr::col(Alias::new("created_at")).lte(moment))
                .cond_where(candidate)
                .order_by(Alias::new("created_at"), Order::Asc)
                .limit(u64::from(MAX_ROWS) + 1);
            self.engine().build(&select)
        };
        let mut held = self.db().acquire().await?;
        let mut conn = held.conn();
        let found = conn.rows(statement).await;
        let found = found.map_err(StorageError::db("finding records of a moment"))?;
        if found.len() > MAX_ROWS as usize {
            return Err(QueryError::TooMuch {
                what: "the rows of a moment",
                most: MAX_ROWS,
            });
        }
        let mut read = Vec::with_capacity(found.len());
        for row in found {
            read.push(value::full_record(self.keys(), table, row)?);
        }
        let (mut records, altered) = whole::apart(&mut conn, self.keys(), table, read).await?;
        take_back(&mut conn, table, &mut records, moment).await?;

        let answer = eval::answer(
            &table.def,
            query,
            records,
            after.as_deref(),
            sdk_search::finds,
        );
        let (mut found, last) = answer.map_err(|e| QueryError::Moment(e.to_string()))?;
        // Whether they were in the answer then is not known of them.
        found.altered = crate::read::named(altered)?;
        if let Some(last) = last {
            found.next = Some(query::next(of, query, &last)?);
        }
        Ok(found)
    }
}

async fn take_back(
    conn: &mut Conn<'_>,
    table: &Table,
    records: &mut [Record],
    moment: i64,
) -> Result<(), StorageError> {
    let later = |record: &Record| {
        let at = record.get("updated_at").and_then(Json::as_str);
        at.and_then(|at| Timestamp::from_str(at).ok())
            .is_some_and(|at| at.micros() > moment)
    };
    let mut changed: Vec<&mut Record> = records.iter_mut().filter(|r| later(r)).collect();
    for some in changed.chunks_mut(AT_ONCE) {
        let ids: Vec<String> = some.iter().map(|r| id(r).to_owned()).collect();
        let mut history = history(conn, table, ids).await?;
        for record in some {
            let kept = history.remove(id(record)).unwrap_or_default();
            restore(table, record, &kept, moment);
        }
    }
    Ok(())
}

fn id(record: &Record) -> &str {
    record.get("id").and_then(Json::as_str).unwrap_or_default()
}

/// The record before the first change after the moment. Revisions say what came after what, also
/// where a clock went back.
fn restore(table: &Table, record: &mut Record, kept: &[Kept], moment: i64) {
    let last = kept
        .iter()
        .filter(|c| c.at <= moment)
        .map(|c| c.revision)
        .max();
    let then = last.unwrap_or(0);
    for change in kept.iter().rev().filter(|c| c.revision > then) {
        for (field, was) in change.before.iter().flatten() {
            record.insert(field.clone(), of_today(table, field, was));
        }
        record.insert("revision".into(), change.revision.saturating_sub(1).into());
    }
    let (at, by) = if let Some(c) = kept.iter().find(|c| c.revision == then) {
        (Timestamp::from_micros(c.at).to_string(), c.by.clone())
    } else {
        let own = |name: &str| record.get(name).and_then(Json::as_str).unwrap_or_default();
        (own("created_at").to_owned(), own("created_by").to_owned())
    };
    record.insert("updated_at".into(), at.into());
    record.insert("updated_by".into(), by.into());
    let columns = table.columns.iter().chain(&table.retired.columns);
    for column in columns.filter(|c| c.storage == Storage::Sealed) {
        record.insert(column.name.clone(), Json::Null);
    }
    compute(&table.def.fields, record);
}

/// A value in the shape of today: the field may have been converted since, or one of its rows.
fn of_today(table: &Table, field: &str, was: &Json) -> Json {
    if let (Some(rows), Json::Array(all)) = (table.rows_field(field), was) {
        let value =
            |(field, was): (&String, &Json)| (field.clone(), of_today(&rows.table, field, was));
        let row = |row: &Json| match row {
            Json::Object(row) => Json::Object(row.iter().map(value).collect()),
            other => other.clone(),
        };
        return all.iter().map(row).collect();
    }
    let shaped = |column: &Column| value::bind(column.wire, was).is_some();
    match (table.column(field), table.def.field(field)) {
        (Some(column), Some(declared)) if !shaped(column) => {
            let mut optional = declared.clone();
            optional.required = false;
            let read = Conversion::Read.value(&declared.kind, &optional, &[], was);
            read.unwrap_or_default()
        }
        _ => was.clone(),
    }
}

async fn history(
    conn: &mut Conn<'_>,
    table: &Table,
    ids: Vec<String>,
) -> Result<BTreeMap<String, Vec<Kept>>, StorageError> {
    let statement = {
        let columns = ["record", "revision", "at", "by_user", "before"];
        let mut select = Statement::select();
        select
            .columns(columns.map(Alias::new))
            .from(Alias::new("kernel__changes"))
            .and_where(Expr::col(Alias::new("collection")).eq(table.first.to_string()))
            .and_where(Expr::col(Alias::new("record")).is_in(ids))
            .order_by(Alias::new("record"), Order::Asc)
            .order_by(Alias::new("revision"), Order::Asc);
        conn.engine().build(&select)
    };
    let rows = conn.rows(statement).await;
    let mut history: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
    for row in rows.map_err(StorageError::db("reading a history"))? {
        let kept = Kept {
            revision: row.number(1)?,
            at: row.number(2)?,
            by: row.string(3)?,
            before: row
                .text(4)?
                .map(|s| object(&s))
                .transpose()?
                .map(|before| table.of_history(before)),
        };
        history.entry(row.string(0)?).or_default().push(kept);
    }
    Ok(history)
}
