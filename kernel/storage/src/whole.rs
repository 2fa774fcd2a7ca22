//! Records made whole: the rows of their rows fields read, their computed fields made.

use std::collections::BTreeMap;

use sdk_contract::kind::compute;
use sea_query::{Alias, Expr, ExprTrait as _};
use serde_json::Value as Json;

use crate::backend::Conn;
use crate::query;
use crate::schema::{ROW_POSITION, ROW_RECORD, ROW_SHARD, RowsField, Table};
use crate::{Record, StorageError, value};

/// Records whose rows one statement reads; more are read in turns.
const AT_ONCE: usize = 200;

/// Adds what a table's own columns do not hold.
pub(crate) async fn complete(
    conn: &mut Conn<'_>,
    table: &Table,
    records: &mut [Record],
) -> Result<(), StorageError> {
    for rows in &table.rows {
        for some in records.chunks_mut(AT_ONCE) {
            read_rows(conn, table, rows, some).await?;
        }
    }
    if table.computes {
        for record in records {
            compute(&table.def.fields, record);
        }
    }
    Ok(())
}

async fn read_rows(
    conn: &mut Conn<'_>,
    table: &Table,
    rows: &RowsField,
    records: &mut [Record],
) -> Result<(), StorageError> {
    let mut of: BTreeMap<String, Vec<Json>> = BTreeMap::new();
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
            for (index, column) in rows.table.columns.iter().enumerate() {
                match column.name.as_str() {
                    ROW_RECORD => record = row.uuid(index)?.unwrap_or_default(),
                    _ if column.system => {}
                    name => {
                        let value = value::read(column.storage, &mut row, index)?;
                        fields.insert(name.to_owned(), value);
                    }
                }
            }
            of.entry(record).or_default().push(Json::Object(fields));
        }
    }
    for record in records {
        let id = record.get("id").and_then(Json::as_str).unwrap_or_default();
        let list = of.remove(id).unwrap_or_default();
        record.insert(rows.name.clone(), list.into());
    }
    Ok(())
}
