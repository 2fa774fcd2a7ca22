//! The rows of rows fields: written as a whole, in the transaction of their record.

use sea_query::{Alias, Expr, Query as Statement};
use serde_json::Value as Json;

use super::records::{conflict, invalid};
use super::{Run, is};
use crate::schema::{ROW_POSITION, ROW_RECORD, ROW_SHARD, RowsField, Table};
use crate::{CommitError, StorageError, value};

/// Rows of one statement: engines bound how many values they bind.
const AT_ONCE: usize = 100;

/// The shard key of a record, where it has one, and its id.
type Key<'k> = (Option<&'k str>, &'k str);

impl Run<'_, '_> {
    /// The values of given rows, in the order of the table's columns.
    pub(super) fn bind_rows(
        &mut self,
        rows: &RowsField,
        (shard, id): Key<'_>,
        given: &[Json],
    ) -> Result<Vec<Vec<sea_query::Value>>, CommitError> {
        let table = &rows.table;
        let mut all = Vec::with_capacity(given.len());
        let mut position = 0_i64;
        for row in given {
            let Json::Object(row) = row else {
                return Err(invalid(table, &rows.name, "is not of its kind"));
            };
            let known = |name: &String| table.def.field(name).is_some();
            if let Some(unknown) = row.keys().find(|name| !known(name)) {
                return Err(invalid(table, unknown, "is not a field"));
            }
            let mut bound = Vec::with_capacity(table.columns.len());
            for column in &table.columns {
                bound.push(match column.name.as_str() {
                    ROW_SHARD => sea_query::Value::Uuid(shard.and_then(value::uuid)),
                    ROW_RECORD => sea_query::Value::Uuid(value::uuid(id)),
                    ROW_POSITION => position.into(),
                    name => {
                        let json = row.get(name).unwrap_or(&Json::Null);
                        self.bind(table, column, id, json)?
                    }
                });
            }
            all.push(bound);
            position = position.saturating_add(1);
        }
        Ok(all)
    }

    pub(super) async fn put_rows(
        &mut self,
        rows: &RowsField,
        bound: Vec<Vec<sea_query::Value>>,
    ) -> Result<(), CommitError> {
        let table = &rows.table;
        for some in bound.chunks(AT_ONCE) {
            let mut insert = Statement::insert();
            insert
                .into_table(Alias::new(&table.sql_name))
                .columns(table.columns.iter().map(|c| Alias::new(&c.stored)));
            for row in some {
                insert
                    .values(row.iter().cloned().map(Expr::val))
                    .map_err(|e| StorageError::Damaged(e.to_string()))?;
            }
            let statement = self.conn.engine().build(&insert);
            self.conn
                .execute(statement)
                .await
                .map_err(|e| conflict(table, e))?;
        }
        Ok(())
    }

    pub(super) async fn remove_rows(
        &mut self,
        table: &Table,
        (shard, id): Key<'_>,
    ) -> Result<(), StorageError> {
        let statement = {
            let mut delete = Statement::delete();
            delete.from_table(Alias::new(&table.sql_name));
            if table.shard_column().is_some() {
                let shard = shard.and_then(value::uuid);
                delete.and_where(is(ROW_SHARD, sea_query::Value::Uuid(shard)));
            }
            delete.and_where(is(ROW_RECORD, sea_query::Value::Uuid(value::uuid(id))));
            self.conn.engine().build(&delete)
        };
        self.conn
            .execute(statement)
            .await
            .map(drop)
            .map_err(StorageError::db("removing the rows of a field"))
    }
}
