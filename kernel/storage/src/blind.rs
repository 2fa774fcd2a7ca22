//! Blind indexes: keyed digests that stand for encrypted values, so that they can be asked for and be
//! unique; and giving them another key while everybody reads and writes.
//!
//! The first key's digests are 32 bytes; those of a later one begin with its number. Which key is in
//! force stands in the database: a writer reads it under a lock that it shares with other writers,
//! and who changes it waits for them. So from then on every digest is made with the new key, and a
//! writer sees all that were made with another. It refuses a unique value that one of those stands
//! for; among its own the index does. Readers look for a value under all keys. The digests of before
//! are made anew in batches, of the encrypted values, and are exchanged where they still are what was
//! read.

use kernel_crypto::keys::{KeyRing, MacKey};
use sea_query::{Alias, Expr, ExprTrait as _, Func, Order, Query as Statement, Value};
use serde_json::Value as Json;

use crate::backend::{Conn, Engine, sql};
use crate::reseal::{self, Exchange};
use crate::schema::{BlindField, Column, Table};
use crate::write::Work;
use crate::{StorageError, Store, query, value};

/// Values read, and exchanged in one transaction.
const BATCH: u64 = 200;

/// Shared by those who make digests, and held alone by who brings another key into force.
const LOCK_BLIND: i64 = 0x726f_6e67_0008;

const READING: &str = "reading which key makes digests";

/// A key by its number; none is the first.
pub(crate) type Number = Option<u32>;

/// The key in force until the transaction ends.
pub(crate) async fn hold(conn: &mut Conn<'_>) -> Result<Number, StorageError> {
    lock(conn, "SELECT pg_advisory_xact_lock_shared($1)").await?;
    in_force(conn).await
}

/// Brings a key into force, unless a later one is.
pub(crate) async fn change(conn: &mut Conn<'_>, number: u32) -> Result<(), StorageError> {
    lock(conn, "SELECT pg_advisory_xact_lock($1)").await?;
    let insert = "INSERT INTO kernel__blind (key) VALUES ($1) ON CONFLICT (key) DO NOTHING";
    let done = conn.execute(sql(insert, [i64::from(number).into()])).await;
    done.map(drop)
        .map_err(StorageError::db("bringing a key of digests into force"))
}

async fn lock(conn: &mut Conn<'_>, text: &'static str) -> Result<(), StorageError> {
    if conn.engine() == Engine::Postgres {
        conn.rows(sql(text, [LOCK_BLIND.into()]))
            .await
            .map_err(StorageError::db(READING))?;
    }
    Ok(())
}

async fn in_force(conn: &mut Conn<'_>) -> Result<Number, StorageError> {
    let row = conn
        .row(sql("SELECT COALESCE(MAX(key), 0) FROM kernel__blind", []))
        .await
        .map_err(StorageError::db(READING))?;
    let number = row.map_or(Ok(0), |row| row.number(0))?;
    Ok(u32::try_from(number).ok().filter(|number| *number > 0))
}

/// The digest of a value by a key; null for null.
pub(crate) fn digest(
    keys: &KeyRing,
    table: &Table,
    column: &Column,
    json: &Json,
    number: Number,
) -> Result<Value, StorageError> {
    if json.is_null() {
        return Ok(Value::Bytes(None));
    }
    let mut text = format!("blind\0{}\0{}\0", table.sql_name, column.stored).into_bytes();
    text.extend(kernel_crypto::canonical::to_vec(json));
    let code = keys.mac_by(MacKey::Blind, number, &text);
    let code = code.ok_or_else(|| StorageError::Damaged("the key of digests is gone".into()))?;
    let mut digest = number.map_or_else(Vec::new, |number| number.to_be_bytes().to_vec());
    digest.extend(code.as_bytes());
    Ok(Value::Bytes(Some(digest)))
}

/// The digests of a value by every key there is.
pub(crate) fn all(
    keys: &KeyRing,
    table: &Table,
    column: &Column,
    json: &Json,
) -> Result<Vec<Value>, StorageError> {
    let numbers = keys.coding_numbers(MacKey::Blind).into_iter();
    numbers
        .map(|number| digest(keys, table, column, json, number))
        .collect()
}

/// Whether a digest is by the key of that number.
fn is_by(column: &Column, number: Number) -> Expr {
    let length = || Expr::expr(Func::cust("length").arg(query::col(column)));
    match number {
        None => length().eq(32),
        Some(number) => {
            let start = Func::cust("substr").args([query::col(column), Expr::val(1), Expr::val(4)]);
            let same = Expr::expr(start).eq(number.to_be_bytes().to_vec());
            length().gt(32).and(same)
        }
    }
}

/// The encrypted column that a blind index is beside.
fn sealed<'t>(table: &'t Table, blind: &BlindField) -> Option<&'t Column> {
    let mut all = table.columns.iter().chain(&table.retired.columns);
    all.find(|column| column.name == blind.of)
}

fn blinds(table: &Table) -> impl Iterator<Item = &BlindField> {
    table.blinds.iter().chain(&table.retired.blinds)
}

impl Store {
    /// Makes every digest anew that the ring's active key did not make, after bringing that key into
    /// force; how many there were. May be dropped at any point and called again.
    pub async fn reindex(&self) -> Result<u64, StorageError> {
        // The newest is the active one.
        let number = self.keys().coding_numbers(MacKey::Blind).pop().flatten();
        if let Some(active) = number
            && self.blind_key().await? != number
        {
            self.submit(Work::Blind(active)).await?;
        }
        let mut exchanged = 0;
        let registry = self.registry();
        for table in registry.all_tables() {
            for blind in blinds(table) {
                exchanged += self.reindex_field(table, blind, number).await?;
            }
        }
        Ok(exchanged)
    }

    /// How many digests that are stored now a key of the ring has made, by its number.
    pub async fn indexed_by(&self, number: u32) -> Result<u64, StorageError> {
        let number = Some(number).filter(|n| *n != self.keys().first(MacKey::Blind));
        let mut count = 0;
        let registry = self.registry();
        for table in registry.all_tables() {
            for blind in blinds(table) {
                let statement = {
                    let mut select = Statement::select();
                    select
                        .expr(Func::count(query::col(&blind.column)))
                        .from(Alias::new(&table.sql_name))
                        .and_where(is_by(&blind.column, number));
                    self.engine().build(&select)
                };
                let row = self.db().acquire().await?.conn().row(statement).await;
                let row = row.map_err(StorageError::db(READING))?;
                let found = row.map(|row| row.number(0)).transpose()?.unwrap_or(0);
                count += found.cast_unsigned();
            }
        }
        Ok(count)
    }

    async fn blind_key(&self) -> Result<Number, StorageError> {
        in_force(&mut self.db().acquire().await?.conn()).await
    }

    async fn reindex_field(
        &self,
        table: &Table,
        blind: &BlindField,
        number: Number,
    ) -> Result<u64, StorageError> {
        let Some(column) = sealed(table, blind) else {
            return Ok(0);
        };
        let mut exchanged = 0;
        let mut after = None;
        loop {
            let statement = {
                let shard = table.shard_column().unwrap_or("id");
                let columns = ["id", shard, &column.stored, &blind.column.stored];
                let mut select = Statement::select();
                select
                    .columns(columns.map(Alias::new))
                    .from(Alias::new(&table.sql_name))
                    .and_where(query::col(&blind.column).is_not_null())
                    .and_where(is_by(&blind.column, number).not())
                    .order_by(Alias::new("id"), Order::Asc)
                    .limit(BATCH);
                if let Some(after) = after.take() {
                    select.and_where(Expr::col(Alias::new("id")).gt(Expr::val(after)));
                }
                self.engine().build(&select)
            };
            let rows = self.db().acquire().await?.conn().rows(statement).await;
            let rows = rows.map_err(StorageError::db(READING))?;
            let mut batch = Vec::with_capacity(rows.len());
            for row in &rows {
                let (id, place) = reseal::place(table, row)?;
                after = Some(reseal::key(&id));
                let sealed = row.bytes(2)?.unwrap_or_default();
                let plain = value::open(self.keys(), table, column, &id, &sealed)?;
                let plain = value::opened(&plain)?;
                if let Value::Bytes(Some(new)) = digest(self.keys(), table, column, &plain, number)?
                {
                    batch.push(Exchange {
                        table: table.sql_name.clone(),
                        column: blind.column.stored.clone(),
                        place,
                        old: row.bytes(3)?.unwrap_or_default(),
                        new,
                    });
                }
            }
            exchanged += batch.len() as u64;
            let more = rows.len() as u64 == BATCH;
            if !batch.is_empty() {
                self.submit(Work::Exchange(batch)).await?;
            }
            if !more {
                return Ok(exchanged);
            }
        }
    }

    /// The key in force for a table that has digests; the ring has heard of it then. Who asks for
    /// values reads it before and after: where it is another one, values may have been passed over.
    pub(crate) async fn blind_key_of(&self, table: &Table) -> Result<Number, StorageError> {
        if table.blinds.is_empty() {
            return Ok(None);
        }
        let number = self.blind_key().await?;
        self.keys().learn_of(MacKey::Blind, number);
        Ok(number)
    }
}
