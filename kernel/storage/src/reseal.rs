//! Sealing anew what an older key sealed, after a rotation, while everything goes on.
//!
//! Values are read in batches, sealed under the active key, and exchanged where they are still what
//! was read: a record that somebody writes meanwhile is sealed with the active key anyway. Nothing
//! else of a record changes, neither its revision nor its history.

use kernel_crypto::keys::{self, SealKey};
use sea_query::{Alias, Expr, ExprTrait as _, Func, Order, Query as Statement, Value};

use crate::backend::{Conn, Row};
use crate::schema::{Column, Storage, Table};
use crate::write::Work;
use crate::{StorageError, Store, query, value};

/// Values read, and exchanged in one transaction.
const BATCH: u64 = 200;

const READING: &str = "reading what an older key sealed";

/// Columns and values of a record's key.
pub(crate) type Place = Vec<(&'static str, Value)>;

/// A sealed value or a digest that takes the place of another.
pub(crate) struct Exchange {
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) place: Place,
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
}

impl Exchange {
    /// Of a table and a column, at a place, the old value and the new one.
    pub(crate) fn new(
        (table, column): (String, String),
        place: Place,
        (old, new): (Vec<u8>, Vec<u8>),
    ) -> Self {
        Self {
            table,
            column,
            place,
            old,
            new,
        }
    }
}

impl Store {
    /// Seals anew every encrypted value that the active key did not seal; how many there were. May be
    /// dropped at any point and called again.
    pub async fn reseal(&self) -> Result<u64, StorageError> {
        let mut exchanged = 0;
        let registry = self.registry();
        for table in registry.all_tables() {
            for column in sealed(table) {
                exchanged += self.reseal_column(table, column).await?;
            }
        }
        Ok(exchanged)
    }

    /// How many values a key of the ring has sealed that are stored now, by its number.
    pub async fn sealed_by(&self, number: u32) -> Result<u64, StorageError> {
        let mut count = 0;
        let registry = self.registry();
        for table in registry.all_tables() {
            for column in sealed(table) {
                let is = if self.keys().opens_unnumbered(SealKey::Field) == Some(number) {
                    begins(column, &keys::mark(number)).or(unnumbered(column))
                } else {
                    begins(column, &keys::mark(number))
                };
                let statement = {
                    let mut select = Statement::select();
                    select
                        .expr(Func::count(query::col(column)))
                        .from(Alias::new(&table.sql_name))
                        .and_where(is);
                    self.engine().build(&select)
                };
                let mut held = self.db().acquire().await?;
                let row = held.conn().row(statement).await;
                let row = row.map_err(StorageError::db(READING))?;
                let found = row.map(|row| row.number(0)).transpose()?.unwrap_or(0);
                count += found.cast_unsigned();
            }
        }
        Ok(count)
    }

    async fn reseal_column(&self, table: &Table, column: &Column) -> Result<u64, StorageError> {
        let mut exchanged = 0;
        let mut after = None;
        loop {
            let active = keys::mark(self.keys().sealing_with(SealKey::Field));
            let statement = {
                let shard = table.shard_column().unwrap_or("id");
                let mut select = Statement::select();
                select
                    .columns(["id", shard, &column.stored].map(Alias::new))
                    .from(Alias::new(&table.sql_name))
                    .and_where(query::col(column).is_not_null())
                    .and_where(begins(column, &active).not())
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
                let (id, place) = place(table, row)?;
                let old = row.bytes(2)?.unwrap_or_default();
                let new = value::reseal(self.keys(), table, column, &id, &old)?;
                after = Some(key(&id));
                batch.push(Exchange {
                    table: table.sql_name.clone(),
                    column: column.stored.clone(),
                    place,
                    old,
                    new,
                });
            }
            exchanged += batch.len() as u64;
            let more = batch.len() as u64 == BATCH;
            if !batch.is_empty() {
                self.submit(Work::Exchange(batch)).await?;
            }
            if !more {
                return Ok(exchanged);
            }
        }
    }
}

/// The id of the record that a row begins with, by its id and shard key, and where it is.
pub(crate) fn place(table: &Table, row: &Row) -> Result<(String, Place), StorageError> {
    let id = row.uuid(0)?.unwrap_or_default();
    let mut place = vec![("id", key(&id))];
    if let Some(name) = table.shard_column() {
        place.push((name, key(&row.uuid(1)?.unwrap_or_default())));
    }
    Ok((id, place))
}

/// An id as it is bound.
pub(crate) fn key(id: &str) -> Value {
    Value::Uuid(value::uuid(id))
}

/// Runs inside the transaction that `conn` is in.
pub(crate) async fn exchange(conn: &mut Conn<'_>, batch: &[Exchange]) -> Result<(), StorageError> {
    for one in batch {
        let statement = {
            let column = || Alias::new(&one.column);
            let mut update = Statement::update();
            update
                .table(Alias::new(&one.table))
                .value(column(), one.new.clone());
            for (name, value) in &one.place {
                let value = Expr::val(value.clone());
                update.and_where(Expr::col(Alias::new(*name)).eq(value));
            }
            update.and_where(Expr::col(column()).eq(one.old.clone()));
            conn.engine().build(&update)
        };
        conn.execute(statement)
            .await
            .map_err(StorageError::db("sealing a value anew"))?;
    }
    Ok(())
}

/// Columns of sealed values, of fields out of use too.
fn sealed(table: &Table) -> impl Iterator<Item = &Column> {
    let retired = table.retired.columns.iter().chain(&table.retired.kept);
    let columns = table.columns.iter().chain(retired);
    columns.filter(|column| column.storage == Storage::Sealed)
}

fn begins(column: &Column, mark: &[u8]) -> Expr {
    let length = i32::try_from(mark.len()).unwrap_or(i32::MAX);
    let start = Func::cust("substr").args([query::col(column), Expr::val(1), Expr::val(length)]);
    Expr::expr(start).eq(mark.to_vec())
}

/// Sealed before values said by which key.
fn unnumbered(column: &Column) -> Expr {
    begins(column, &keys::SEALED).not()
}
