//! Making the documents of records that were there before their field was searched: when a field
//! becomes a search field, after a restore, and when documents are made in a new way.
//!
//! In batches, each a transaction that also says how far it came, so that a stop loses nothing.
//! Commits write the documents of their records meanwhile, whether a batch has been there or not.

use std::collections::{BTreeMap, BTreeSet};

use sdk_contract::query::Filter;
use sea_query::{Alias, Expr, ExprTrait as _, Order, Query as Statement};
use serde::Serialize;
use serde_json::Map;

use super::{Key, needs, put};
use crate::backend::{Conn, Engine, sql};
use crate::schema::{Registry, Table};
use crate::write::Work;
use crate::{QueryError, StorageError, Store, value};

/// Records of one batch.
const BATCH: u64 = 500;
/// Batches that a schema change waits for; the rest is made while the platform serves.
const AT_ONCE: usize = 20;

const READING: &str = "reading how far the search index is";
const BUILDING: &str = "building the search index";

/// How far the search index is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SearchState {
    /// Search fields, `<module>.<collection>.<field>`, whose records are all indexed.
    pub ready: BTreeSet<String>,
    /// Those whose records are not yet.
    pub waiting: BTreeSet<String>,
}

struct Progress {
    version: i64,
    last: Option<String>,
    done: bool,
}

type States = BTreeMap<(String, String), Progress>;

impl Store {
    /// How far the search index is.
    pub async fn search_state(&self) -> Result<SearchState, StorageError> {
        Ok(self.look_up().await?.0)
    }

    /// The same, and whether a field is indexed that is not searched any more.
    async fn look_up(&self) -> Result<(SearchState, bool), StorageError> {
        let mut held = self.db().acquire().await?;
        let states = states(&mut held.conn()).await?;
        let mut state = SearchState::default();
        let mut left_over = false;
        let registry = self.registry();
        for table in registry.tables() {
            let name = table.first.to_string();
            left_over |= states
                .keys()
                .any(|key| key.0 == name && !searched(table, &key.1));
            for (_, column) in table.searched() {
                let key = (name.clone(), column.to_owned());
                let ready = states.get(&key).is_some_and(ready);
                let set = if ready {
                    &mut state.ready
                } else {
                    &mut state.waiting
                };
                set.insert(format!("{}.{}", table.name, key.1));
            }
        }
        Ok((state, left_over))
    }

    /// Indexes some more records, and says whether all are.
    pub async fn index_search(&self) -> Result<bool, StorageError> {
        let (state, left_over) = self.look_up().await?;
        let ready = state.waiting.is_empty() && !left_over;
        self.shared().searched(state.ready);
        if ready {
            return Ok(true);
        }
        self.submit(Work::Index).await?;
        Ok(false)
    }

    /// The same until all are, or until it would take long.
    pub(crate) async fn index_at_once(&self) -> Result<(), StorageError> {
        for _ in 0..AT_ONCE {
            if self.index_search().await? {
                return Ok(());
            }
        }
        tracing::info!("the search index goes on being built");
        Ok(())
    }

    /// Refuses a search of fields whose records are not all indexed: it would not find them all.
    pub(crate) async fn searchable(
        &self,
        table: &Table,
        filter: Option<&Filter>,
    ) -> Result<(), QueryError> {
        let mut fields = BTreeSet::new();
        filter.map_or(Ok(()), |f| needs(table, f, &mut fields))?;
        let names: Vec<String> = fields
            .iter()
            .map(|field| format!("{}.{field}", table.name))
            .collect();
        if names.is_empty() || self.shared().are_searched(&names) {
            return Ok(());
        }
        // Another node may have built them.
        let state = self.search_state().await?;
        let ready = names.iter().all(|name| state.ready.contains(name));
        self.shared().searched(state.ready);
        if ready {
            Ok(())
        } else {
            Err(QueryError::Indexing(table.name.to_string()))
        }
    }
}

fn searched(table: &Table, column: &str) -> bool {
    table.searched().any(|(_, c)| c == column)
}

fn ready(progress: &Progress) -> bool {
    progress.done && progress.version == sdk_search::VERSION
}

async fn states(conn: &mut Conn<'_>) -> Result<States, StorageError> {
    let all = "SELECT collection, field, version, done, last FROM kernel__search_state";
    let rows = conn.rows(sql(all, [])).await;
    let rows = rows.map_err(StorageError::db(READING))?;
    rows.iter()
        .map(|row| {
            let progress = Progress {
                version: row.number(2)?,
                done: row.number(3)? != 0,
                last: row.uuid(4)?,
            };
            Ok(((row.string(0)?, row.string(1)?), progress))
        })
        .collect()
}

/// One batch, inside a transaction.
pub(crate) async fn index(conn: &mut Conn<'_>, registry: &Registry) -> Result<(), StorageError> {
    let states = states(conn).await?;
    let mut left = BATCH;
    for table in registry.tables() {
        let name = table.first.to_string();
        let fields: Vec<&str> = table.searched().map(|(_, column)| column).collect();
        let of = |(collection, _): &&(String, String)| *collection == name;
        for (_, field) in states.keys().filter(of) {
            if !searched(table, field) {
                forget(conn, &name, field).await?;
            }
        }
        for field in fields {
            let known = states.get(&(name.clone(), field.to_owned()));
            if known.is_some_and(ready) {
                continue;
            }
            if left == 0 {
                return Ok(());
            }
            let known = known.filter(|p| p.version == sdk_search::VERSION);
            let after = known.and_then(|p| p.last.as_deref());
            left = left.saturating_sub(batch(conn, table, field, after, left).await?);
        }
    }
    Ok(())
}

/// Indexes one column of the next records after an id, and keeps how far it came.
async fn batch(
    conn: &mut Conn<'_>,
    table: &Table,
    column: &str,
    after: Option<&str>,
    most: u64,
) -> Result<u64, StorageError> {
    let statement = {
        let mut select = Statement::select();
        select
            .column(Alias::new("id"))
            .column(Alias::new(table.shard_column().unwrap_or("id")))
            .column(Alias::new(column))
            .from(Alias::new(&table.sql_name))
            .order_by(Alias::new("id"), Order::Asc)
            .limit(most);
        if let Some(after) = after.and_then(value::uuid) {
            let after = Expr::val(sea_query::Value::Uuid(Some(after)));
            select.and_where(Expr::col(Alias::new("id")).gt(after));
        }
        if conn.engine() == Engine::Postgres {
            // Held, so that no commit changes one between reading and indexing it.
            select.lock_exclusive();
        }
        conn.engine().build(&select)
    };
    let rows = conn.rows(statement).await;
    let rows = rows.map_err(StorageError::db(BUILDING))?;
    let mut last = after.map(str::to_owned);
    for row in &rows {
        let (id, shard) = (row.uuid(0)?.unwrap_or_default(), row.uuid(1)?);
        let field = table.field_of(column).to_owned();
        let values = Map::from_iter([(field, row.text(2)?.into())]);
        let key = Key {
            shard: shard.as_deref(),
            id: &id,
        };
        put(conn, table, key, &values, false).await?;
        last = Some(id);
    }
    let count = rows.len() as u64;
    conn.execute(sql(
        "INSERT INTO kernel__search_state (collection, field, version, done, last) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (collection, field) DO UPDATE SET \
         version = excluded.version, done = excluded.done, last = excluded.last",
        [
            table.first.to_string().into(),
            column.into(),
            sdk_search::VERSION.into(),
            i64::from(count < most).into(),
            sea_query::Value::Uuid(last.as_deref().and_then(value::uuid)),
        ],
    ))
    .await
    .map_err(StorageError::db(BUILDING))?;
    Ok(count)
}

/// Removes the documents of a field that is not searched any more: they would grow stale.
async fn forget(conn: &mut Conn<'_>, collection: &str, field: &str) -> Result<(), StorageError> {
    let mut statements = vec![
        "DELETE FROM kernel__search WHERE collection = $1 AND field = $2",
        "DELETE FROM kernel__search_state WHERE collection = $1 AND field = $2",
    ];
    if conn.engine() == Engine::Sqlite {
        statements.insert(
            0,
            "DELETE FROM kernel__search_grams WHERE rowid IN \
             (SELECT seq FROM kernel__search WHERE collection = $1 AND field = $2)",
        );
    }
    for text in statements {
        conn.execute(sql(text, [collection.into(), field.into()]))
            .await
            .map_err(StorageError::db(BUILDING))?;
    }
    Ok(())
}
