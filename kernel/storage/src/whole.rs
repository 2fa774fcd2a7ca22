//! Records made whole: the rows of their rows fields read, held against their codes, their computed
//! fields made.

use std::collections::BTreeMap;

use kernel_crypto::keys::KeyRing;
use sdk_contract::kind::compute;
use sea_query::{Alias, Expr, ExprTrait as _};
use serde_json::Value as Json;

use crate::attest::{self, Cells, Raw};
use crate::backend::Conn;
use crate::query;
use crate::schema::{ROW_POSITION, ROW_RECORD, ROW_SHARD, RowsField, Table};
use crate::{Record, StorageError, value};

/// Records whose rows one statement reads; more are read in turns.
const AT_ONCE: usize = 200;

/// Records as they are handed on: with what a table's own columns do not hold. One that is not as it
/// was written is refused, and all with it.
pub(crate) async fn complete(
    conn: &mut Conn<'_>,
    keys: &KeyRing,
    table: &Table,
    mut read: Vec<Raw>,
) -> Result<Vec<Record>, StorageError> {
    let rows: Vec<&RowsField> = table.rows.iter().collect();
    fill(conn, table, &rows, &mut read).await?;
    let mut records = Vec::with_capacity(read.len());
    for raw in read {
        let (mut record, _) = raw.checked(keys, table)?;
        if table.computes {
            compute(&table.def.fields, &mut record);
        }
        records.push(record);
    }
    Ok(records)
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
                    name => {
                        if let Some(cell) = attest::stored(column.storage, &row, index)? {
                            cells.insert(column.stored.clone(), cell);
                        }
                        let value = value::read(column.storage, &mut row, index)?;
                        fields.insert(name.to_owned(), value);
                    }
                }
            }
            let row = (Json::Object(fields), cells);
            of.entry(record).or_default().push(row);
        }
    }
    for record in records {
        let list = of.remove(record.id()).unwrap_or_default();
        record.add_rows((&rows.name, &rows.key), list);
    }
    Ok(())
}
