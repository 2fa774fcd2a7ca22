//! Looking through attested collections, record by record, for what is not as the platform wrote it;
//! and making their codes anew after a rotation.
//!
//! A code finds a record that was changed, moved to another id, or put there. A record that is again
//! as it was before, with its code of then, has a right code; so its revision is held against its
//! history, which also tells of records that are gone. That stands on the history alone: who takes
//! the lines of the history away as well is not found by this, but by whoever compares a backup.

use std::collections::{BTreeMap, BTreeSet};

use kernel_crypto::keys::{AttestKey, attested_with};
use sea_query::{Alias, Expr, ExprTrait as _, Func, Order, Query as Statement, SelectStatement};
use serde::Serialize;
use serde_json::Value as Json;

use crate::attest::Raw;
use crate::backend::Conn;
use crate::reseal::Exchange;
use crate::schema::{Column, RowsField, Table};
use crate::write::Work;
use crate::{Record, StorageError, Store, query, repair, schemas, value, whole};

/// Records of one batch.
const BATCH: usize = 200;
/// Findings that are named one by one.
const NAMED: usize = 1_000;

const SWEEPING: &str = "looking through attested records";

/// What a sweep saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    pub collections: u64,
    pub records: u64,
    /// How many records are not as the platform wrote them.
    pub wrong: u64,
    /// Of those, the first thousand.
    pub found: Vec<Alteration>,
}

/// A record that is not as the platform wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alteration {
    /// `<module>.<collection>`
    pub collection: String,
    pub id: String,
    pub finding: Finding,
    /// Fields that are not as the history has them last, as far as it has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It has no code.
    Uncoded,
    /// Its code is not of what it holds.
    Altered,
    /// Its code is that of another record.
    CopyOf(String),
    /// It is as it was before its last change.
    PutBack,
    /// It has a history and is not there.
    Removed,
}

impl Store {
    /// Looks through every record of every attested collection, some at a time: others read and
    /// write meanwhile. May be dropped at any point.
    pub async fn sweep(&self) -> Result<Swept, StorageError> {
        let mut swept = Swept::default();
        let registry = self.registry();
        for table in registry.all_tables().filter(|t| t.code.is_some()) {
            swept.collections += 1;
            self.sweep_table(table, &mut swept).await?;
            if table.audited && !table.deletes {
                self.sweep_history(table, &mut swept).await?;
            }
        }
        Ok(swept)
    }

    async fn sweep_table(&self, table: &Table, swept: &mut Swept) -> Result<(), StorageError> {
        let mut after = None;
        loop {
            let mut snapshot = self.db().snapshot().await?;
            let mut conn = snapshot.conn();
            let read = self.batch(&mut conn, table, after, None).await?;
            swept.records += read.len() as u64;
            let last = (read.len() == BATCH).then(|| read.last().map(|r| r.id().to_owned()));
            let kept = if table.audited {
                revisions(&mut conn, table, read.iter().map(Raw::id)).await?
            } else {
                BTreeMap::new()
            };
            for raw in read {
                let revision = raw.get("revision").and_then(Json::as_i64);
                let finding = if !raw.holds(self.keys(), table) {
                    self.why(&mut conn, table, &raw).await?
                } else if kept.get(raw.id()).copied() > revision {
                    Finding::PutBack
                } else {
                    continue;
                };
                let id = raw.id().to_owned();
                let fields = differing(&mut conn, table, &id, raw.unchecked()).await?;
                swept.add(table, id, finding, fields);
            }
            drop(snapshot);
            match last.flatten() {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Records after an id, with their rows; where that is asked, those whose code is not by the key
    /// of this number.
    async fn batch(
        &self,
        conn: &mut Conn<'_>,
        table: &Table,
        after: Option<String>,
        not_by: Option<u32>,
    ) -> Result<Vec<Raw>, StorageError> {
        let statement = {
            let mut select = query::select(table);
            following(&mut select, after.as_deref().and_then(value::uuid));
            if let (Some(number), Some(code)) = (not_by, &table.code) {
                select
                    .and_where(query::col(code).is_not_null())
                    .and_where(by(code, number).not());
            }
            conn.engine().build(&select)
        };
        let rows = conn.rows(statement).await;
        let rows = rows.map_err(StorageError::db(SWEEPING))?;
        let read = rows.into_iter();
        let read = read.map(|row| value::record(self.keys(), table, row));
        let mut read = read.collect::<Result<Vec<Raw>, _>>()?;
        let rows: Vec<&RowsField> = table.rows.iter().collect();
        whole::fill(conn, table, &rows, &mut read).await?;
        Ok(read)
    }

    pub(crate) async fn why(
        &self,
        conn: &mut Conn<'_>,
        table: &Table,
        raw: &Raw,
    ) -> Result<Finding, StorageError> {
        let (Some(code), Some(column)) = (raw.code(), &table.code) else {
            return Ok(Finding::Uncoded);
        };
        let own = sea_query::Value::Uuid(value::uuid(raw.id()));
        let statement = {
            let mut select = Statement::select();
            select
                .column(Alias::new("id"))
                .from(Alias::new(&table.sql_name))
                .and_where(query::col(column).eq(code.to_vec()))
                .and_where(Expr::col(Alias::new("id")).ne(Expr::val(own)))
                .limit(1);
            conn.engine().build(&select)
        };
        let row = conn.row(statement).await;
        let row = row.map_err(StorageError::db(SWEEPING))?;
        let other = row.map(|row| row.uuid(0)).transpose()?.flatten();
        Ok(other.map_or(Finding::Altered, Finding::CopyOf))
    }

    /// Records that have a history and are not there. None of this collection can be deleted.
    async fn sweep_history(&self, table: &Table, swept: &mut Swept) -> Result<(), StorageError> {
        let mut after = String::new();
        loop {
            let mut snapshot = self.db().snapshot().await?;
            let mut conn = snapshot.conn();
            let statement = {
                let mut select = Statement::select();
                select
                    .distinct()
                    .column(Alias::new("record"))
                    .from(Alias::new("kernel__changes"))
                    .and_where(Expr::col(Alias::new("collection")).eq(table.first.to_string()))
                    .and_where(Expr::col(Alias::new("record")).gt(after.as_str()))
                    .order_by(Alias::new("record"), Order::Asc)
                    .limit(BATCH as u64);
                conn.engine().build(&select)
            };
            let rows = conn.rows(statement).await;
            let rows = rows.map_err(StorageError::db(SWEEPING))?;
            let ids = rows.iter().map(|row| row.string(0));
            let ids = ids.collect::<Result<Vec<String>, _>>()?;
            let there = there(&mut conn, table, &ids).await?;
            for id in ids.iter().filter(|id| !there.contains(*id)) {
                swept.add(table, id.clone(), Finding::Removed, Vec::new());
            }
            match ids.last() {
                Some(last) if ids.len() == BATCH => last.clone_into(&mut after),
                _ => return Ok(()),
            }
        }
    }

    /// Makes anew every code that the active key did not make, of records that are as they were
    /// written; how many there were. May be dropped at any point and called again.
    pub async fn reattest(&self) -> Result<u64, StorageError> {
        let mut exchanged = 0;
        let registry = self.registry();
        for table in registry.all_tables() {
            if let Some(code) = &table.code {
                exchanged += self.reattest_table(table, code).await?;
            }
        }
        let schemas = self.submit(Work::Reattest).await?;
        Ok(exchanged + schemas.forgotten)
    }

    async fn reattest_table(&self, table: &Table, column: &Column) -> Result<u64, StorageError> {
        let mut exchanged = 0;
        let mut after = None;
        loop {
            let active = self.keys().attesting_with(AttestKey::Record);
            let mut snapshot = self.db().snapshot().await?;
            let mut conn = snapshot.conn();
            let read = self.batch(&mut conn, table, after, Some(active)).await?;
            drop(snapshot);
            after = read.last().map(|raw| raw.id().to_owned());
            let more = read.len() == BATCH;
            let mut batch = Vec::with_capacity(read.len());
            for raw in &read {
                if raw.check(self.keys(), table).is_err() {
                    // The alarm is raised, and the code stays for whoever looks into it.
                    continue;
                }
                let (Some(old), Some(image)) = (raw.code(), raw.image()) else {
                    continue;
                };
                let key = |name| {
                    let id = raw.get(name).and_then(Json::as_str).and_then(value::uuid);
                    (name, sea_query::Value::Uuid(id))
                };
                let place = ["id"].into_iter().chain(table.shard_column());
                let new = image.code_bytes(self.keys(), table);
                let place = place.map(key).collect();
                let at = (table.sql_name.clone(), column.stored.clone());
                batch.push(Exchange::new(at, place, (old.to_vec(), new)));
            }
            exchanged += batch.len() as u64;
            if !batch.is_empty() {
                self.submit(Work::Exchange(batch)).await?;
            }
            if !more {
                return Ok(exchanged);
            }
        }
    }

    /// How many codes that are stored now a key of the ring has made, by its number.
    pub async fn attested_by(&self, number: u32) -> Result<u64, StorageError> {
        let mut count = 0;
        let registry = self.registry();
        let mut held = self.db().acquire().await?;
        for table in registry.all_tables() {
            let Some(code) = &table.code else { continue };
            let statement = {
                let mut select = Statement::select();
                select
                    .expr(Func::count(query::col(code)))
                    .from(Alias::new(&table.sql_name))
                    .and_where(by(code, number));
                self.engine().build(&select)
            };
            let row = held.conn().row(statement).await;
            let row = row.map_err(StorageError::db(SWEEPING))?;
            let found = row.map(|row| row.number(0)).transpose()?.unwrap_or(0);
            count += found.cast_unsigned();
        }
        let schemas = schemas::codes(&mut held.conn()).await?;
        let own = schemas.iter().filter(|c| attested_with(c) == Some(number));
        Ok(count + own.count() as u64)
    }
}

impl Swept {
    fn add(&mut self, table: &Table, id: String, finding: Finding, fields: Vec<String>) {
        self.wrong += 1;
        if self.found.len() < NAMED {
            self.found.push(Alteration {
                collection: table.name.to_string(),
                id,
                finding,
                fields,
            });
        }
    }
}

fn following(select: &mut SelectStatement, after: Option<uuid::Uuid>) {
    let id = || Expr::col(Alias::new("id"));
    if let Some(after) = after {
        select.and_where(id().gt(Expr::val(sea_query::Value::Uuid(Some(after)))));
    }
    select
        .order_by(Alias::new("id"), Order::Asc)
        .limit(BATCH as u64);
}

fn by(code: &Column, number: u32) -> Expr {
    let start = Func::cust("substr").args([query::col(code), Expr::val(1), Expr::val(4)]);
    Expr::expr(start).eq(number.to_be_bytes().to_vec())
}

/// The last revision that the history has of each record.
async fn revisions<'i>(
    conn: &mut Conn<'_>,
    table: &Table,
    ids: impl Iterator<Item = &'i str>,
) -> Result<BTreeMap<String, i64>, StorageError> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let statement = {
        let mut select = Statement::select();
        select
            .column(Alias::new("record"))
            .expr(Func::max(Expr::col(Alias::new("revision"))))
            .from(Alias::new("kernel__changes"))
            .and_where(Expr::col(Alias::new("collection")).eq(table.first.to_string()))
            .and_where(Expr::col(Alias::new("record")).is_in(ids))
            .group_by_col(Alias::new("record"));
        conn.engine().build(&select)
    };
    let rows = conn.rows(statement).await;
    let rows = rows.map_err(StorageError::db(SWEEPING))?;
    let each = rows.iter().map(|row| Ok((row.string(0)?, row.number(1)?)));
    each.collect()
}

async fn there(
    conn: &mut Conn<'_>,
    table: &Table,
    ids: &[String],
) -> Result<BTreeSet<String>, StorageError> {
    let ids = ids.iter().filter_map(|id| value::uuid(id));
    let ids: Vec<_> = ids.map(|id| sea_query::Value::Uuid(Some(id))).collect();
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let statement = {
        let mut select = Statement::select();
        select
            .column(Alias::new("id"))
            .from(Alias::new(&table.sql_name))
            .and_where(Expr::col(Alias::new("id")).is_in(ids));
        conn.engine().build(&select)
    };
    let rows = conn.rows(statement).await;
    let rows = rows.map_err(StorageError::db(SWEEPING))?;
    let ids = rows.iter().map(|row| Ok(row.uuid(0)?.unwrap_or_default()));
    ids.collect()
}

/// Fields whose values are not those that the history has last.
async fn differing(
    conn: &mut Conn<'_>,
    table: &Table,
    id: &str,
    record: Record,
) -> Result<Vec<String>, StorageError> {
    let kept = repair::kept(conn, table, id).await?;
    let last = kept.map(|kept| kept.fields).unwrap_or_default();
    let now = |field: &str| record.get(field).cloned();
    let differing = last.iter().filter(|(field, value)| {
        // A field that has been converted since is not compared.
        now(field).is_some_and(|now| now != **value)
    });
    Ok(differing.map(|(field, _)| field.clone()).collect())
}
