//! Records made whole: the rows of their rows fields read, held against their codes, their computed
//! fields made.

use std::collections::{BTreeMap, BTreeSet};

use kernel_crypto::keys::KeyRing;
use sdk_contract::kind::compute;
use sea_query::{Alias, Expr, ExprTrait as _};
use serde_json::Value as Json;

use crate::attest::{self, Cells, Raw};
use crate::backend::{Conn, Row};
use crate::query;
use crate::schema::{Column, ROW_POSITION, ROW_RECORD, ROW_SHARD, RowsField, Table};
use crate::{Record, StorageError, value};

/// Records whose rows one statement reads; more are read in turns.
const AT_ONCE: usize = 200;

/// Records as they are handed on: with what a table's own columns do not hold. One that is not as it
/// was written is refused, and all with it.
pub(crate) async fn complete(
    conn: &mut Conn<'_>,
    keys: &KeyRing,
    table: &Table,
    read: Vec<Raw>,
) -> Result<Vec<Record>, StorageError> {
    let (records, altered) = apart(conn, keys, table, read).await?;
    match altered.into_iter().next() {
        None => Ok(records),
        Some(error) => Err(error),
    }
}

/// The same, with each that is not as it was written set apart, as the error that it is.
pub(crate) async fn apart(
    conn: &mut Conn<'_>,
    keys: &KeyRing,
    table: &Table,
    mut read: Vec<Raw>,
) -> Result<(Vec<Record>, Vec<StorageError>), StorageError> {
    let rows: Vec<&RowsField> = table.rows.iter().collect();
    fill(conn, table, &rows, &mut read).await?;
    let mut records = Vec::with_capacity(read.len());
    let mut altered = Vec::new();
    for raw in read {
        match raw.checked(keys, table) {
            Ok((mut record, _)) => {
                if table.computes {
                    compute(&table.def.fields, &mut record);
                }
                records.push(record);
            }
            Err(error) => altered.push(error),
        }
    }
    Ok((records, altered))
}

/// Reads the rows of some of a table's rows fields.
pub(crate) async fn fill(
    conn: &mut Conn<'_>,
    table: &Table,
    fields: &[&RowsField],
    read: &mut [Raw],
) -> Result<(), StorageError> {
    for rows in fields {
        for some in read.chunks_mut(AT_ONCE) {
            read_rows(conn, table, rows, some).await?;
        }
    }
    Ok(())
}

async fn read_rows(
    conn: &mut Conn<'_>,
    table: &Table,
    rows: &RowsField,
    records: &mut [Raw],
) -> Result<(), StorageError> {
    let mut of: BTreeMap<String, Vec<(Json, Cells)>> = BTreeMap::new();
    // Records of which a row cannot be read, where codes speak for them.
    let mut unreadable = BTreeSet::new();
    let ids = |name: &str| -> Vec<sea_query::Value> {
        let mut ids: Vec<_> = records
            .iter()
            .filter_map(|r| r.get(name)?.as_str().and_then(value::uuid))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let ids = ids.into_iter();
        ids.map(|id| sea_query::Value::Uuid(Some(id))).collect()
    };
    let keys = ids("id");
    if !keys.is_empty() {
        let statement = {
            let mut select = query::select(&rows.table);
            if let Some(shard) = table.shard_column() {
                select.and_where(Expr::col(Alias::new(ROW_SHARD)).is_in(ids(shard)));
            }
            select
                .and_where(Expr::col(Alias::new(ROW_RECORD)).is_in(keys))
                .order_by(Alias::new(ROW_RECORD), sea_query::Order::Asc)
                .order_by(Alias::new(ROW_POSITION), sea_query::Order::Asc);
            conn.engine().build(&select)
        };
        let found = conn.rows(statement).await;
        for mut row in found.map_err(StorageError::db("reading the rows of a field"))? {
            let (mut record, mut fields) = (String::new(), Record::new());
            let mut cells = Cells::new();
            for (index, column) in rows.table.columns.iter().enumerate() {
                match column.name.as_str() {
                    ROW_RECORD => record = row.uuid(index)?.unwrap_or_default(),
                    _ if column.system => {}
                    name => match read_cell(column, &mut row, index) {
                        Ok((cell, value)) => {
                            cells.extend(cell.map(|cell| (column.stored.clone(), cell)));
                            fields.insert(name.to_owned(), value);
                        }
                        Err(_) if table.code.is_some() => {
                            unreadable.insert(record.clone());
                        }
                        Err(error) => return Err(error),
                    },
                }
            }
            let row = (Json::Object(fields), cells);
            of.entry(record).or_default().push(row);
        }
    }
    for record in records {
        let list = of.remove(record.id()).unwrap_or_default();
        record.add_rows((&rows.name, &rows.key), list);
        if unreadable.contains(record.id()) {
            record.unreadable(vec![rows.name.clone()]);
        }
    }
    Ok(())
}

/// A value of a row as it is stored, and as it is read.
fn read_cell(
    column: &Column,
    row: &mut Row,
    index: usize,
) -> Result<(Option<Vec<u8>>, Json), StorageError> {
    let cell = attest::stored(column.storage, row, index)?;
    Ok((cell, value::read(column.storage, row, index)?))
}
