//! Reading records, their steps and their history.

use std::str::FromStr as _;
use std::sync::Arc;

use sdk_contract::query::{Aggregate, Found, Group, Query, Step};
use sdk_contract::scalar::{Timestamp, print_scaled};
use sea_query::{Alias, Expr, ExprTrait as _};
use serde_json::Value as Json;

use crate::backend::{Row, sql};
use crate::query::{self, Shape};
use crate::schema::{Storage, Table};
use crate::{Change, CollectionName, Idempotent, QueryError, Record, StorageError, Store, value};

/// Which rows the asker may see. Applied in the statement, before sorting, paging and counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFilter {
    All,
    None,
    /// Rows about this party.
    Subject(String),
    /// Rows of one of these organisations.
    Organisations(Vec<String>),
    /// Rows of this district, GB/T 2260.
    District(String),
    /// Rows that one of these lets through.
    Any(Vec<RowFilter>),
}

impl Store {
    /// The record, or none when there is none among the asker's rows.
    pub async fn get(
        &self,
        name: &CollectionName,
        id: &str,
        rows: &RowFilter,
    ) -> Result<Option<Record>, QueryError> {
        let table = self.table(name)?;
        let Some(id) = value::uuid(id) else {
            return Ok(None);
        };
        let mut select = query::select(&table);
        select
            .and_where(Expr::col(Alias::new("id")).eq(Expr::val(sea_query::Value::Uuid(Some(id)))));
        if let Some(scope) = query::scope(&table, rows) {
            select.cond_where(scope);
        }
        let statement = self.engine().build(&select);
        let mut held = self.db().acquire().await?;
        let row = held
            .conn()
            .row(statement)
            .await
            .map_err(StorageError::db("reading a record"))?;
        Ok(row
            .map(|row| value::record(self.keys(), &table, &row))
            .transpose()?)
    }

    /// A page of records. `query.collection` is the full name.
    pub async fn find(&self, query: &Query, rows: &RowFilter) -> Result<Found, QueryError> {
        let table = self.table(&CollectionName::from_str(&query.collection)?)?;
        let page = self.engine().build(&query::page(&table, query, rows)?);
        let count = if query.total {
            Some(self.engine().build(&query::count(&table, query, rows)?))
        } else {
            None
        };
        let finding = StorageError::db("finding records");
        let mut held = self.db().acquire().await?;
        let mut conn = held.conn();
        let mut found = Found::default();
        for row in conn.rows(page).await.map_err(&finding)? {
            found
                .records
                .push(value::record(self.keys(), &table, &row)?);
        }
        if let Some(count) = count {
            let row = conn.row(count).await.map_err(&finding)?;
            let n = row.map(|r| r.number(0)).transpose()?.unwrap_or(0);
            found.total = Some(n.cast_unsigned());
        }
        Ok(found)
    }

    /// Counts and sums by group, ordered by the group's keys, nulls last. A sum over nothing is
    /// zero. `ask.collection` is the full name.
    pub async fn aggregate(
        &self,
        ask: &Aggregate,
        rows: &RowFilter,
    ) -> Result<Vec<Group>, QueryError> {
        let table = self.table(&CollectionName::from_str(&ask.collection)?)?;
        let (statement, shapes) = {
            let (select, shapes) = query::groups(&table, ask, rows)?;
            (self.engine().build(&select), shapes)
        };
        let mut held = self.db().acquire().await?;
        let rows = held.conn().rows(statement).await;
        let rows = rows.map_err(StorageError::db("counting and summing"))?;
        if rows.len() > query::MAX_GROUPS as usize {
            return Err(QueryError::TooMuch {
                what: "the groups",
                most: query::MAX_GROUPS,
            });
        }
        let mut groups = Vec::with_capacity(rows.len());
        for row in rows {
            let mut values = Vec::with_capacity(shapes.len());
            for (index, shape) in shapes.iter().enumerate() {
                values.push(measured(&row, index, shape)?);
            }
            let measures = values.split_off(ask.group_by.len());
            groups.push(Group {
                keys: values,
                measures,
            });
        }
        Ok(groups)
    }

    /// A record's steps through its flow, oldest first.
    pub async fn steps(&self, name: &CollectionName, id: &str) -> Result<Vec<Step>, StorageError> {
        let Some(id) = value::canonical_id(id) else {
            return Ok(Vec::new());
        };
        let rows = self
            .fixed(
                "SELECT action, from_state, to_state, at, by_user, by_name, note \
                 FROM kernel__steps WHERE collection = $1 AND record = $2 ORDER BY number",
                vec![name.to_string().into(), id.into()],
                "reading steps",
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Step {
                    action: row.string(0)?,
                    from: row.text(1)?,
                    to: row.string(2)?,
                    at: Timestamp::from_micros(row.number(3)?).to_string(),
                    by: row.string(4)?,
                    by_name: row.string(5)?,
                    note: row.text(6)?,
                })
            })
            .collect()
    }

    /// The kept history of a record of an audited collection, oldest first.
    pub async fn changes(
        &self,
        name: &CollectionName,
        id: &str,
    ) -> Result<Vec<Change>, StorageError> {
        let Some(id) = value::canonical_id(id) else {
            return Ok(Vec::new());
        };
        let rows = self
            .fixed(
                "SELECT revision, at, by_user, before, after \
                 FROM kernel__changes WHERE collection = $1 AND record = $2 ORDER BY revision",
                vec![name.to_string().into(), id.into()],
                "reading a history",
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Change {
                    revision: row.number(0)?,
                    at: row.number(1)?,
                    by: row.string(2)?,
                    before: row.text(3)?.map(|s| object(&s)).transpose()?,
                    after: object(&row.string(4)?)?,
                })
            })
            .collect()
    }

    /// What was answered to a user's idempotency key, if it was used.
    pub async fn idempotent(
        &self,
        key: &str,
        user: &str,
    ) -> Result<Option<Idempotent>, StorageError> {
        let rows = self
            .fixed(
                "SELECT digest, reply FROM kernel__idempotency WHERE user_id = $1 AND key = $2",
                vec![user.into(), key.into()],
                "looking up an idempotency key",
            )
            .await?;
        rows.first()
            .map(|row| {
                Ok(Idempotent {
                    digest: row.string(0)?,
                    reply: value::parse(&row.string(1)?)?,
                })
            })
            .transpose()
    }

    pub(crate) fn table(&self, name: &CollectionName) -> Result<Arc<Table>, QueryError> {
        self.registry()
            .table(name)
            .ok_or_else(|| QueryError::UnknownCollection(name.to_string()))
    }

    /// Reads with one fixed statement.
    pub(crate) async fn fixed(
        &self,
        text: &'static str,
        values: Vec<sea_query::Value>,
        doing: &'static str,
    ) -> Result<Vec<Row>, StorageError> {
        let mut held = self.db().acquire().await?;
        held.conn()
            .rows(sql(text, values))
            .await
            .map_err(StorageError::db(doing))
    }
}

fn measured(row: &Row, index: usize, shape: &Shape) -> Result<Json, StorageError> {
    match shape {
        Shape::Value(storage) => value::read(*storage, row, index),
        Shape::Sum(Storage::Scaled(scale)) => {
            Ok(print_scaled(row.integer(index)?.unwrap_or(0), *scale).into())
        }
        Shape::Sum(_) => Ok(row.integer(index)?.unwrap_or(0).into()),
    }
}

fn object(text: &str) -> Result<Record, StorageError> {
    match value::parse(text)? {
        Json::Object(map) => Ok(map),
        _ => Err(StorageError::Damaged(
            "a history entry is not an object".into(),
        )),
    }
}
