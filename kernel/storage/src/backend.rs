//! The two engines behind one pair of concrete types. Nothing outside this file and `writer.rs`
//! knows which one runs, except where a statement needs a lock that only one engine has.

use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sea_query::{PostgresQueryBuilder, QueryStatementWriter, SqliteQueryBuilder, Value};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool,
    Postgres, Row as _, Sqlite, SqliteConnection, SqlitePool,
};
use uuid::Uuid;

use crate::StorageError;

/// Connections for reading on `SQLite`; measured best on two cores.
const READERS: u32 = 8;
/// Connections to `PostgreSQL`.
const CONNECTIONS: u32 = 16;
/// How long a statement waits for another process that holds the file.
const BUSY: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is tried before it is used.
const IDLE: Duration = Duration::from_secs(1);
/// How long a request waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// Which engine keeps the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// Turns a statement into the engine's text and its bound values.
    pub(crate) fn build(self, statement: &impl QueryStatementWriter) -> Sql {
        let (text, values) = match self {
            Self::Sqlite => statement.build(SqliteQueryBuilder),
            Self::Postgres => statement.build(PostgresQueryBuilder),
        };
        Sql {
            text: Text::Built(text),
            values: values.0,
        }
    }
}

/// Pools to read from. On `PostgreSQL` the pool also writes.
#[derive(Debug)]
pub(crate) enum Db {
    Lite(SqlitePool),
    Pg(PgPool),
}

/// A borrowed connection.
pub(crate) enum Conn<'c> {
    Lite(&'c mut SqliteConnection),
    Pg(&'c mut PgConnection),
}

/// A connection out of the pool.
pub(crate) enum Held {
    Lite(PoolConnection<Sqlite>),
    Pg(PoolConnection<Postgres>),
}

/// A transaction; dropped, it is rolled back.
pub(crate) enum Transaction {
    Lite(sqlx::Transaction<'static, Sqlite>),
    Pg(sqlx::Transaction<'static, Postgres>),
}

/// A statement with its values. The text is ours: built, or a constant of this crate.
pub(crate) struct Sql {
    text: Text,
    values: Vec<Value>,
}

enum Text {
    Built(String),
    Fixed(&'static str),
}

impl Sql {
    fn text(&self) -> &str {
        match &self.text {
            Text::Built(text) => text,
            Text::Fixed(text) => text,
        }
    }

    /// The statement that tells how this one would be run.
    pub(crate) fn explained(self, engine: Engine) -> Self {
        let verb = match engine {
            Engine::Sqlite => "EXPLAIN QUERY PLAN",
            Engine::Postgres => "EXPLAIN",
        };
        Self {
            text: Text::Built(format!("{verb} {}", self.text())),
            values: self.values,
        }
    }
}

/// A fixed statement with `$1` placeholders, which both engines number alike.
pub(crate) fn sql(text: &'static str, values: impl Into<Vec<Value>>) -> Sql {
    Sql {
        text: Text::Fixed(text),
        values: values.into(),
    }
}

/// A statement this crate put together itself, such as DDL.
pub(crate) fn built(text: String, values: Vec<Value>) -> Sql {
    Sql {
        text: Text::Built(text),
        values,
    }
}

impl Sql {
    /// The statement with its values as one text: two that are equal ask the same.
    pub(crate) fn question(&self) -> String {
        let text = match &self.text {
            Text::Built(text) => text,
            Text::Fixed(text) => *text,
        };
        format!("{text} {:?}", self.values)
    }
}

pub(crate) enum Row {
    Lite(SqliteRow),
    Pg(PgRow),
}

impl Db {
    /// The writer's connection and the readers' pool of an `SQLite` file, made if absent.
    pub(crate) async fn sqlite(path: &Path) -> Result<(SqliteConnection, Self), StorageError> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| StorageError::File {
                path: folder.display().to_string(),
                source,
            })?;
        }
        let options = lite_options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = options.connect().await.map_err(StorageError::db(OPENING))?;
        Ok((writer, Self::readers(options).await?))
    }

    /// Only the readers of an `SQLite` file that exists.
    pub(crate) async fn sqlite_reading(path: &Path) -> Result<Self, StorageError> {
        Self::readers(lite_options(path)).await
    }

    /// One connection that fills a new `SQLite` file in one transaction. A file that is not
    /// complete is thrown away, so the journal need not survive.
    pub(crate) async fn sqlite_loading(path: &Path) -> Result<Self, StorageError> {
        let options = lite_options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(StorageError::db(OPENING))?;
        Ok(Self::Lite(pool))
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, StorageError> {
        match self {
            Self::Lite(pool) => pool
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Transaction::Lite),
            Self::Pg(pool) => pool.begin().await.map(Transaction::Pg),
        }
        .map_err(StorageError::db("beginning a transaction"))
    }

    async fn readers(options: SqliteConnectOptions) -> Result<Self, StorageError> {
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(StorageError::db(OPENING))?;
        Ok(Self::Lite(readers))
    }

    /// An `SQLite` file that is only read, and never made.
    pub(crate) async fn sqlite_read_only(path: &Path) -> Result<Self, StorageError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE)
            .connect_with(options)
            .await
            .map_err(StorageError::db("opening the SQLite file to read"))?;
        Ok(Self::Lite(pool))
    }

    pub(crate) async fn postgres(url: &str) -> Result<PgPool, StorageError> {
        let options: PgConnectOptions = url.parse().map_err(|_| StorageError::Address)?;
        PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(|conn, of| {
                Box::pin(async move {
                    // A round trip for each statement would be a third of its time.
                    if of.idle_for > IDLE {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options.disable_statement_logging())
            .await
            .map_err(StorageError::db("connecting to PostgreSQL"))
    }

    pub(crate) const fn engine(&self) -> Engine {
        match self {
            Self::Lite(_) => Engine::Sqlite,
            Self::Pg(_) => Engine::Postgres,
        }
    }

    pub(crate) async fn acquire(&self) -> Result<Held, StorageError> {
        let held = match self {
            Self::Lite(pool) => pool.acquire().await.map(Held::Lite),
            Self::Pg(pool) => pool.acquire().await.map(Held::Pg),
        };
        held.map_err(|e| match e {
            sqlx::Error::PoolClosed => StorageError::Closed,
            e => StorageError::db("waiting for a connection")(e),
        })
    }

    /// A transaction that sees one moment of the data, whatever is written meanwhile. Nothing can
    /// be written through it.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, StorageError> {
        let opened = match self {
            // A deferred transaction sees what was there at its first read; WAL keeps it so.
            Self::Lite(pool) => pool.begin_with("BEGIN").await.map(Transaction::Lite),
            Self::Pg(pool) => pool
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
                .map(Transaction::Pg),
        };
        let mut snapshot = opened.map_err(StorageError::db("opening a snapshot"))?;
        snapshot
            .conn()
            .rows(sql("SELECT COUNT(*) FROM kernel__migrations", []))
            .await
            .map_err(StorageError::db("opening a snapshot"))?;
        Ok(snapshot)
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Lite(pool) => pool.close().await,
            Self::Pg(pool) => pool.close().await,
        }
    }
}

impl Transaction {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Lite(c) => Conn::Lite(c),
            Self::Pg(c) => Conn::Pg(c),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Lite(tx) => tx.commit().await,
            Self::Pg(tx) => tx.commit().await,
        }
        .map_err(StorageError::db("committing"))
    }
}

impl Held {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Lite(c) => Conn::Lite(c),
            Self::Pg(c) => Conn::Pg(c),
        }
    }
}

impl Conn<'_> {
    pub(crate) const fn engine(&self) -> Engine {
        match self {
            Self::Lite(_) => Engine::Sqlite,
            Self::Pg(_) => Engine::Postgres,
        }
    }

    /// Runs a statement; returns how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: Sql) -> Result<u64, sqlx::Error> {
        crate::lint::statement(sql.text());
        match self {
            Self::Lite(conn) => {
                let args = lite_arguments(sql.values)?;
                let done = match sql.text {
                    Text::Built(t) => {
                        sqlx::query_with(AssertSqlSafe(t), args)
                            .execute(&mut **conn)
                            .await
                    }
                    Text::Fixed(t) => sqlx::query_with(t, args).execute(&mut **conn).await,
                };
                done.map(|d| d.rows_affected())
            }
            Self::Pg(conn) => {
                let args = pg_arguments(sql.values)?;
                let done = match sql.text {
                    Text::Built(t) => {
                        sqlx::query_with(AssertSqlSafe(t), args)
                            .execute(&mut **conn)
                            .await
                    }
                    Text::Fixed(t) => sqlx::query_with(t, args).execute(&mut **conn).await,
                };
                done.map(|d| d.rows_affected())
            }
        }
    }

    pub(crate) async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>, sqlx::Error> {
        crate::lint::statement(sql.text());
        match self {
            Self::Lite(conn) => {
                let args = lite_arguments(sql.values)?;
                let rows = match sql.text {
                    Text::Built(t) => {
                        sqlx::query_with(AssertSqlSafe(t), args)
                            .fetch_all(&mut **conn)
                            .await
                    }
                    Text::Fixed(t) => sqlx::query_with(t, args).fetch_all(&mut **conn).await,
                };
                Ok(rows?.into_iter().map(Row::Lite).collect())
            }
            Self::Pg(conn) => {
                let args = pg_arguments(sql.values)?;
                let rows = match sql.text {
                    Text::Built(t) => {
                        sqlx::query_with(AssertSqlSafe(t), args)
                            .fetch_all(&mut **conn)
                            .await
                    }
                    Text::Fixed(t) => sqlx::query_with(t, args).fetch_all(&mut **conn).await,
                };
                Ok(rows?.into_iter().map(Row::Pg).collect())
            }
        }
    }

    /// Hands rows on one by one, as they come, so that a table need not fit into memory.
    pub(crate) async fn each<E: From<StorageError>>(
        &mut self,
        sql: Sql,
        doing: &'static str,
        mut take: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = StorageError::db(doing);
        match self {
            Self::Lite(conn) => {
                let args = lite_arguments(sql.values).map_err(&failed)?;
                let query = match sql.text {
                    Text::Built(t) => sqlx::query_with(AssertSqlSafe(t), args),
                    Text::Fixed(t) => sqlx::query_with(t, args),
                };
                let mut rows = query.fetch(&mut **conn);
                while let Some(row) = rows.try_next().await.map_err(&failed)? {
                    take(Row::Lite(row))?;
                }
            }
            Self::Pg(conn) => {
                let args = pg_arguments(sql.values).map_err(&failed)?;
                let query = match sql.text {
                    Text::Built(t) => sqlx::query_with(AssertSqlSafe(t), args),
                    Text::Fixed(t) => sqlx::query_with(t, args),
                };
                let mut rows = query.fetch(&mut **conn);
                while let Some(row) = rows.try_next().await.map_err(&failed)? {
                    take(Row::Pg(row))?;
                }
            }
        }
        Ok(())
    }

    /// The first row, if any.
    pub(crate) async fn row(&mut self, sql: Sql) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// Several statements without values, separated by semicolons: a migration.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Lite(conn) => sqlx::raw_sql(text).execute(&mut **conn).await.map(drop),
            Self::Pg(conn) => sqlx::raw_sql(text).execute(&mut **conn).await.map(drop),
        }
    }
}

const OPENING: &str = "opening the SQLite file";

fn lite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

fn lite_arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut args = SqliteArguments::default();
    for value in values {
        // The trait's method: the type's own is private.
        let args = &mut args;
        match value {
            Value::Bool(v) => args.add(v),
            Value::Int(v) => args.add(v),
            Value::BigInt(v) => args.add(v),
            Value::BigUnsigned(v) => args.add(v.map(u64::cast_signed)),
            Value::String(v) => args.add(v),
            Value::Bytes(v) => args.add(v),
            Value::Uuid(v) => args.add(v.map(|u| u.to_string())),
            other => return Err(unbindable(&other)),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(args)
}

fn pg_arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut args = PgArguments::default();
    for value in values {
        let args = &mut args;
        match value {
            Value::Bool(v) => args.add(v),
            Value::Int(v) => args.add(v),
            Value::BigInt(v) => args.add(v),
            Value::BigUnsigned(v) => args.add(v.map(u64::cast_signed)),
            Value::String(v) => args.add(v),
            Value::Bytes(v) => args.add(v),
            Value::Uuid(v) => args.add(v),
            other => return Err(unbindable(&other)),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(args)
}

fn unbindable(value: &Value) -> sqlx::Error {
    sqlx::Error::Encode(format!("the store does not bind {value:?}").into())
}

impl Row {
    pub(crate) fn integer(&self, index: usize) -> Result<Option<i64>, StorageError> {
        match self {
            Self::Lite(r) => r.try_get_unchecked(index),
            Self::Pg(r) => r.try_get(index),
        }
        .map_err(StorageError::db("reading a number"))
    }

    pub(crate) fn text(&self, index: usize) -> Result<Option<String>, StorageError> {
        match self {
            Self::Lite(r) => r.try_get_unchecked(index),
            Self::Pg(r) => r.try_get(index),
        }
        .map_err(StorageError::db("reading a text"))
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, StorageError> {
        match self {
            Self::Lite(r) => r.try_get_unchecked(index),
            Self::Pg(r) => r.try_get(index),
        }
        .map_err(StorageError::db("reading bytes"))
    }

    pub(crate) fn boolean(&self, index: usize) -> Result<Option<bool>, StorageError> {
        match self {
            Self::Lite(r) => r.try_get_unchecked(index),
            Self::Pg(r) => r.try_get(index),
        }
        .map_err(StorageError::db("reading a bool"))
    }

    /// A UUID in its canonical spelling.
    pub(crate) fn uuid(&self, index: usize) -> Result<Option<String>, StorageError> {
        match self {
            Self::Lite(r) => r.try_get_unchecked(index),
            Self::Pg(r) => r
                .try_get::<Option<Uuid>, _>(index)
                .map(|u| u.map(|u| u.to_string())),
        }
        .map_err(StorageError::db("reading an id"))
    }

    /// A number that the table does not allow to be null.
    pub(crate) fn number(&self, index: usize) -> Result<i64, StorageError> {
        self.integer(index)?
            .ok_or_else(|| StorageError::Damaged("a null where a number must be".into()))
    }

    /// A text that the table does not allow to be null.
    pub(crate) fn string(&self, index: usize) -> Result<String, StorageError> {
        self.text(index)?
            .ok_or_else(|| StorageError::Damaged("a null where a text must be".into()))
    }
}
