//! Digests of encrypted values, under the key that is in force.

use sea_query::{Alias, Expr, ExprTrait as _, Query as Statement};
use serde_json::Value as Json;

use super::{Run, is};
use crate::schema::{BlindField, Table};
use crate::{CommitError, StorageError, blind, query, value};

impl Run<'_, '_> {
    /// The digest to keep beside a value of a record. Refused where the value must be unique and
    /// another record has one that an older key stands for; the index knows only those of one key.
    pub(super) async fn blinded(
        &mut self,
        table: &Table,
        of: &BlindField,
        id: &str,
        json: &Json,
    ) -> Result<sea_query::Value, CommitError> {
        let number = match self.blind {
            Some(number) => number,
            None => *self.blind.insert(blind::hold(self.conn).await?),
        };
        let keys = &self.shared.keys;
        let column = table.column(&of.of);
        let column = column.ok_or_else(|| StorageError::Damaged("a digest of nothing".into()))?;
        let digest = blind::digest(keys, table, column, json, number)?;
        let unique = table.def.field(&of.of).is_some_and(|field| field.unique);
        if unique && !json.is_null() {
            let mut others = blind::all(keys, table, column, json)?;
            others.retain(|other| *other != digest);
            if !others.is_empty() && self.has(table, of, id, others).await? {
                return Err(CommitError::Conflict {
                    collection: table.name.clone(),
                    fields: vec![of.of.clone()],
                });
            }
        }
        Ok(digest)
    }

    /// Whether another record has one of these digests.
    async fn has(
        &mut self,
        table: &Table,
        of: &BlindField,
        id: &str,
        digests: Vec<sea_query::Value>,
    ) -> Result<bool, StorageError> {
        let own = is("id", sea_query::Value::Uuid(value::uuid(id)));
        let statement = {
            let mut select = Statement::select();
            select
                .column(Alias::new("id"))
                .from(Alias::new(&table.sql_name))
                .and_where(query::col(&of.column).is_in(digests.into_iter().map(Expr::val)))
                .and_where(own.not())
                .limit(1);
            self.conn.engine().build(&select)
        };
        let row = self.conn.row(statement).await;
        let row = row.map_err(StorageError::db("looking for a digest of before"))?;
        Ok(row.is_some())
    }
}
