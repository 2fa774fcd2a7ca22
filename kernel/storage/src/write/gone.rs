//! Records on their way out of sight, back again, and out for good.

use sea_query::{Alias, Expr, ExprTrait as _, Query as Statement};
use serde_json::Value as Json;

use super::records::invalid;
use super::{Held, Run, is};
use crate::backend::sql;
use crate::schema::{ROW_DELETED, Storage, Table};
use crate::{CommitError, Gone, Record, StorageError, search, value};

impl Run<'_, '_> {
    /// Puts a record out of sight. Its values, files and unique keys stay.
    pub(super) async fn delete(
        &mut self,
        table: &Table,
        id: &str,
        revision: i64,
    ) -> Result<(), CommitError> {
        if !table.deletes {
            return Err(invalid(table, "id", "is of a collection that keeps all"));
        }
        let now = self.current(table, id).await?;
        if now.record.get("revision").and_then(Json::as_i64) != Some(revision) {
            return Err(CommitError::Stale {
                collection: table.name.clone(),
                id: now.id,
                based: revision,
                now: Box::new(now.record),
            });
        }
        let at = sea_query::Value::BigInt(Some(self.commit.at));
        self.mark(table, now, at).await
    }

    /// Puts a deleted record in sight again, as it was.
    pub(super) async fn restore(&mut self, gone: &Gone) -> Result<(), CommitError> {
        let table = self.table(&gone.collection)?;
        let now = self.deleted(&table, gone).await?;
        let none = sea_query::Value::BigInt(None);
        self.mark(&table, now, none).await
    }

    /// Removes a deleted record, and the values that its history has of it. Who changed it and when
    /// stays, and so do its steps.
    pub(super) async fn purge(&mut self, gone: &Gone) -> Result<(), CommitError> {
        let table = self.table(&gone.collection)?;
        let now = self.deleted(&table, gone).await?;
        self.take_away(&table, &now.record).await?;
        if table.audited {
            self.erase(&table, &now.id).await?;
        }
        Ok(())
    }

    async fn erase(&mut self, table: &Table, id: &str) -> Result<(), CommitError> {
        let statement = sql(
            "UPDATE kernel__changes SET before = NULL, after = '', note = NULL \
             WHERE collection = $1 AND record = $2",
            [table.first.to_string().into(), id.into()],
        );
        let done = self.conn.execute(statement).await;
        done.map_err(StorageError::db("erasing a history"))?;
        self.erased.push(format!("{}/{id}", table.first));
        Ok(())
    }

    /// Removes a record with its rows and what it is found by.
    pub(super) async fn take_away(
        &mut self,
        table: &Table,
        now: &Record,
    ) -> Result<(), CommitError> {
        let id = now.get("id").and_then(Json::as_str).unwrap_or_default();
        let shard = table.shard_column().and_then(|name| now.get(name));
        let shard = shard.and_then(Json::as_str);
        for rows in table.rows_tables() {
            self.remove_rows(rows, (shard, id)).await?;
        }
        let key = search::Key { shard, id };
        search::remove(self.conn, table, key).await?;
        let statement = {
            let mut delete = Statement::delete();
            delete.from_table(Alias::new(&table.sql_name));
            for (name, value) in place(table, now) {
                delete.and_where(is(name, value));
            }
            self.conn.engine().build(&delete)
        };
        self.conn
            .execute(statement)
            .await
            .map_err(StorageError::db("removing a record"))?;
        Ok(())
    }

    async fn deleted(&mut self, table: &Table, gone: &Gone) -> Result<Held, CommitError> {
        if !table.deletes {
            return Err(invalid(table, "id", "is of a collection that keeps all"));
        }
        let only = Expr::col(Alias::new(ROW_DELETED)).is_not_null();
        self.held(table, &gone.id, Some(only)).await
    }

    /// Sets or clears when a record was deleted, as a change of its own.
    async fn mark(
        &mut self,
        table: &Table,
        held: Held,
        at: sea_query::Value,
    ) -> Result<(), CommitError> {
        let Held {
            id,
            record: now,
            mut image,
        } = held;
        let revision = now.get("revision").and_then(Json::as_i64).unwrap_or(0);
        let next = revision.saturating_add(1);
        let mut values = self.touched(next, image.as_mut());
        if let Some(image) = &mut image {
            image.set(ROW_DELETED, &at);
        }
        values.push((ROW_DELETED, at));
        let values = values.into_iter().map(|(c, v)| (Alias::new(c), v));
        let values = values.chain(self.code(table, image.as_ref()));
        let statement = {
            let mut update = Statement::update();
            update
                .table(Alias::new(&table.sql_name))
                .values(values.map(|(column, value)| (column, Expr::val(value))));
            for (name, value) in place(table, &now) {
                update.and_where(is(name, value));
            }
            update.and_where(is("revision", revision.into()));
            self.conn.engine().build(&update)
        };
        let touched = self.conn.execute(statement).await;
        let touched = touched.map_err(StorageError::db("deleting or restoring a record"))?;
        if touched != 1 {
            return Err(StorageError::Damaged(format!("{touched} rows of one record")).into());
        }
        if table.audited {
            let nothing = (Some(Record::new()), Record::new());
            self.keep(table, &id, next, nothing);
        }
        self.wrote(table, id, next);
        Ok(())
    }
}

/// The shard key goes along, so that the statement reaches one shard.
pub(super) fn place(table: &Table, record: &Record) -> Vec<(&'static str, sea_query::Value)> {
    let bound = |name: &'static str| {
        let json = record.get(name);
        let bound = json.and_then(|json| value::bind(Storage::Uuid, json));
        (name, bound.unwrap_or(sea_query::Value::Uuid(None)))
    };
    let names = ["id"].into_iter().chain(table.shard_column());
    names.map(bound).collect()
}
