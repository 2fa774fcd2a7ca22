//! The two engines behind one pair of concrete types. Nothing outside this module and `writer.rs`
//! knows which one runs, except where a statement needs a lock that only one engine has.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::path::Path;
use std::time::Duration;

use deadpool::managed::Object;
use rusqlite::types::Value as Cell;
use sea_query::{PostgresQueryBuilder, QueryStatementWriter, SqliteQueryBuilder, Value};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use self::sqlite::{Lite, Opening};
use crate::{EngineError, StorageError};

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

    /// Begins a transaction that writes.
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
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
    Lite(sqlite::Pool),
    Pg(postgres::Pool),
}

/// A borrowed connection.
pub(crate) enum Conn<'c> {
    Lite(&'c mut Lite),
    Pg(&'c mut postgres::Pg),
}

/// A connection out of the pool.
pub(crate) enum Held {
    Lite(Object<sqlite::Manager>),
    Pg(postgres::Leased),
}

/// A transaction; dropped, it is rolled back.
pub(crate) enum Transaction {
    Lite(sqlite::Transaction),
    Pg(postgres::Transaction),
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

    /// The statement with its values as one text: two that are equal ask the same.
    pub(crate) fn question(&self) -> String {
        format!("{} {:?}", self.text(), self.values)
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

pub(crate) enum Row {
    Lite(Box<[Cell]>),
    Pg(PgRow),
}

impl Db {
    /// The writer's connection and the readers' pool of an `SQLite` file, made if absent.
    pub(crate) async fn sqlite(path: &Path) -> Result<(Lite, Self), StorageError> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| StorageError::File {
                path: folder.display().to_string(),
                source,
            })?;
        }
        let opening = StorageError::db("opening the SQLite file");
        let writer = Lite::open(path, Opening::Writer).map_err(opening)?;
        Ok((writer, Self::sqlite_reading(path).await?))
    }

    /// Only the readers of an `SQLite` file that exists.
    pub(crate) async fn sqlite_reading(path: &Path) -> Result<Self, StorageError> {
        sqlite::pool(path, Opening::Reader).await.map(Self::Lite)
    }

    /// One connection that fills a new `SQLite` file in one transaction.
    pub(crate) async fn sqlite_loading(path: &Path) -> Result<Self, StorageError> {
        sqlite::pool(path, Opening::Loader).await.map(Self::Lite)
    }

    /// An `SQLite` file that is only read, and never made.
    pub(crate) async fn sqlite_read_only(path: &Path) -> Result<Self, StorageError> {
        sqlite::pool(path, Opening::ReadOnly).await.map(Self::Lite)
    }

    pub(crate) async fn postgres(url: &str) -> Result<postgres::Pool, StorageError> {
        postgres::pool(url).await
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, StorageError> {
        match self {
            Self::Lite(pool) => sqlite::Transaction::begin(pool, Engine::Sqlite.begin())
                .await
                .map(Transaction::Lite),
            Self::Pg(pool) => postgres::Transaction::begin(pool, Engine::Postgres.begin())
                .await
                .map(Transaction::Pg),
        }
    }

    pub(crate) const fn engine(&self) -> Engine {
        match self {
            Self::Lite(_) => Engine::Sqlite,
            Self::Pg(_) => Engine::Postgres,
        }
    }

    pub(crate) async fn acquire(&self) -> Result<Held, StorageError> {
        match self {
            Self::Lite(pool) => sqlite::held(pool).await.map(Held::Lite),
            Self::Pg(pool) => postgres::leased(pool).await.map(Held::Pg),
        }
    }

    /// A transaction that sees one moment of the data, whatever is written meanwhile. Nothing can
    /// be written through it.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, StorageError> {
        let opening = StorageError::db("opening a snapshot");
        let mut snapshot = match self {
            // A deferred transaction sees what was there at its first read; WAL keeps it so.
            Self::Lite(pool) => Transaction::Lite(sqlite::Transaction::begin(pool, "BEGIN").await?),
            Self::Pg(pool) => {
                let how = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Transaction::Pg(postgres::Transaction::begin(pool, how).await?)
            }
        };
        snapshot
            .conn()
            .rows(sql("SELECT COUNT(*) FROM kernel__migrations", []))
            .await
            .map_err(opening)?;
        Ok(snapshot)
    }

    pub(crate) fn close(&self) {
        match self {
            Self::Lite(pool) => pool.close(),
            Self::Pg(pool) => pool.close(),
        }
    }
}

impl Transaction {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Lite(tx) => Conn::Lite(tx.conn()),
            Self::Pg(tx) => Conn::Pg(tx.conn()),
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
    pub(crate) async fn execute(&mut self, sql: Sql) -> Result<u64, EngineError> {
        crate::lint::statement(sql.text());
        match self {
            Self::Lite(conn) => conn.execute(sql).await,
            Self::Pg(conn) => conn.execute(sql).await,
        }
    }

    pub(crate) async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>, EngineError> {
        crate::lint::statement(sql.text());
        match self {
            Self::Lite(conn) => conn.rows(sql).await,
            Self::Pg(conn) => conn.rows(sql).await,
        }
    }

    /// Hands rows on one by one, as they come, so that a table need not fit into memory.
    pub(crate) async fn each<E: From<StorageError>>(
        &mut self,
        sql: Sql,
        doing: &'static str,
        mut take: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut taken = Ok(());
        let each = |row| {
            taken = take(row);
            taken.is_ok()
        };
        let done = match self {
            Self::Lite(conn) => conn.each(sql, each).await,
            Self::Pg(conn) => conn.each(sql, each).await,
        };
        taken?;
        Ok(done.map_err(StorageError::db(doing))?)
    }

    /// The first row, if any.
    pub(crate) async fn row(&mut self, sql: Sql) -> Result<Option<Row>, EngineError> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// Several statements without values, separated by semicolons: a migration.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), EngineError> {
        match self {
            Self::Lite(conn) => conn.script(text),
            Self::Pg(conn) => conn.script(text).await,
        }
    }
}

fn unbindable(value: &Value) -> EngineError {
    EngineError::Unbound(format!("{value:?}"))
}

impl Row {
    pub(crate) fn integer(&self, index: usize) -> Result<Option<i64>, StorageError> {
        match self {
            Self::Lite(cells) => match cells.get(index) {
                Some(Cell::Null) => Ok(None),
                Some(Cell::Integer(n)) => Ok(Some(*n)),
                other => Err(odd(index, other)),
            },
            Self::Pg(r) => r.try_get(index).map_err(EngineError::from),
        }
        .map_err(StorageError::db("reading a number"))
    }

    pub(crate) fn text(&self, index: usize) -> Result<Option<String>, StorageError> {
        match self {
            Self::Lite(cells) => match cells.get(index) {
                Some(Cell::Null) => Ok(None),
                Some(Cell::Text(text)) => Ok(Some(text.clone())),
                other => Err(odd(index, other)),
            },
            Self::Pg(r) => r.try_get(index).map_err(EngineError::from),
        }
        .map_err(StorageError::db("reading a text"))
    }

    /// The text, which is gone from the row then: a list is mostly texts, and copies of them would
    /// be a good part of its cost.
    pub(crate) fn take_text(&mut self, index: usize) -> Result<Option<String>, StorageError> {
        if let Self::Lite(cells) = self
            && let Some(cell @ Cell::Text(_)) = cells.get_mut(index)
            && let Cell::Text(text) = std::mem::replace(cell, Cell::Null)
        {
            return Ok(Some(text));
        }
        self.text(index)
    }

    /// The same of a UUID.
    pub(crate) fn take_uuid(&mut self, index: usize) -> Result<Option<String>, StorageError> {
        match self {
            Self::Lite(_) => self.take_text(index),
            Self::Pg(_) => self.uuid(index),
        }
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, StorageError> {
        match self {
            Self::Lite(cells) => match cells.get(index) {
                Some(Cell::Null) => Ok(None),
                Some(Cell::Blob(bytes)) => Ok(Some(bytes.clone())),
                other => Err(odd(index, other)),
            },
            Self::Pg(r) => r.try_get(index).map_err(EngineError::from),
        }
        .map_err(StorageError::db("reading bytes"))
    }

    pub(crate) fn boolean(&self, index: usize) -> Result<Option<bool>, StorageError> {
        match self {
            Self::Lite(cells) => match cells.get(index) {
                Some(Cell::Null) => Ok(None),
                Some(Cell::Integer(n)) => Ok(Some(*n != 0)),
                other => Err(odd(index, other)),
            },
            Self::Pg(r) => r.try_get(index).map_err(EngineError::from),
        }
        .map_err(StorageError::db("reading a bool"))
    }

    /// A UUID in its canonical spelling.
    pub(crate) fn uuid(&self, index: usize) -> Result<Option<String>, StorageError> {
        match self {
            Self::Lite(_) => self.text(index),
            Self::Pg(r) => r
                .try_get::<Option<Uuid>, _>(index)
                .map(|u| u.map(|u| u.to_string()))
                .map_err(StorageError::db("reading an id")),
        }
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

fn odd(index: usize, cell: Option<&Cell>) -> EngineError {
    EngineError::Odd {
        index,
        what: cell.map_or("nothing", |cell| match cell {
            Cell::Null => "a null",
            Cell::Integer(_) => "an integer",
            Cell::Real(_) => "a real number",
            Cell::Text(_) => "a text",
            Cell::Blob(_) => "bytes",
        }),
    }
}
