//! `SQLite`: connections to one file.
//!
//! A short question is answered on the thread that asks it, for another thread would take longer to
//! wake than `SQLite` to answer. What turns out long, or meets a lock, is given up after a moment and
//! asked again on a thread that may be held up, for as long as somebody waits for the answer. Only
//! questions are asked so: the writer has a thread for itself ([`Opening::Writer`]), and a restore
//! holds up whoever awaits it ([`Opening::Loader`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, QueueMode, RecycleError, RecycleResult};
use rusqlite::config::DbConfig;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement};
use sea_query::Value;
use tokio::sync::mpsc;

use super::{ACQUIRE, Row, Sql, unbindable};
use crate::{EngineError, StorageError};

/// Connections for reading, for each core and in all at the least: as many long questions can be under
/// way at once. More would not answer sooner, and each holds pages of its own in memory.
const READERS_A_CORE: usize = 2;
const LEAST_READERS: usize = 4;
/// How long a statement waits for another process that holds the file.
const BUSY: Duration = Duration::from_secs(10);
/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;
/// Steps of `SQLite`'s machine between two looks at the time, some 25 µs where no page is read.
const STEPS: i32 = 1_000;
/// Microseconds that a short question takes at most.
const SHORT: u64 = 1_000;
/// Rows that one thread hands to another at once.
const BATCH: usize = 256;

/// What a connection is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// To write on a thread of its own; makes the file if there is none.
    Writer,
    /// The same, into a new file that is thrown away unless it is completed: its journal need not
    /// survive.
    Loader,
    /// To read a file that exists, and is written meanwhile.
    Reader,
    /// To read one that must not be touched at all.
    ReadOnly,
}

/// Opens connections, as the pool of them wants it.
#[derive(Debug)]
pub(crate) struct Manager {
    path: PathBuf,
    opening: Opening,
}

pub(crate) type Pool = managed::Pool<Manager>;

/// A connection.
#[derive(Debug)]
pub(crate) struct Lite {
    /// Absent while another thread asks with it; for good, where nobody waited for that.
    conn: Option<Box<Connection>>,
    /// Whether whoever asks may be held up.
    held_up: bool,
    until: Until,
}

/// When the statement that runs is given up; the thread that runs it looks, others move it.
#[derive(Debug, Clone)]
struct Until {
    opened: Instant,
    /// Microseconds since then.
    at: Arc<AtomicU64>,
}

impl Until {
    const NEVER: u64 = u64::MAX;

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(Self::NEVER)
    }

    fn set(&self, at: u64) {
        self.at.store(at, Ordering::Relaxed);
    }

    fn is_past(&self) -> bool {
        self.now() >= self.at.load(Ordering::Relaxed)
    }
}

/// Somebody waits for an answer. Dropped, the statement is given up at its next look at the time.
struct Waited(Until);

impl Drop for Waited {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

impl managed::Manager for Manager {
    type Type = Lite;
    type Error = EngineError;

    async fn create(&self) -> Result<Lite, EngineError> {
        let (path, opening) = (self.path.clone(), self.opening);
        // Another process may hold the file.
        let opened = tokio::task::spawn_blocking(move || Lite::open(&path, opening));
        opened.await.map_err(|_| EngineError::Thread)?
    }

    async fn recycle(&self, lite: &mut Lite, _: &Metrics) -> RecycleResult<EngineError> {
        match &lite.conn {
            Some(conn) if conn.is_autocommit() => Ok(()),
            _ => Err(RecycleError::message("left in the middle of something")),
        }
    }
}

/// The pool of a file, with one connection opened to see whether it can be.
pub(crate) async fn pool(path: &Path, opening: Opening) -> Result<Pool, StorageError> {
    let manager = Manager {
        path: path.to_owned(),
        opening,
    };
    let size = if opening == Opening::Reader {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.saturating_mul(READERS_A_CORE).max(LEAST_READERS)
    } else {
        1
    };
    let pool = Pool::builder(manager)
        .max_size(size)
        // Always the same few, whose pages are in memory.
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(ACQUIRE))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|e| StorageError::Damaged(format!("a pool: {e}")))?;
    drop(held(&pool).await?);
    Ok(pool)
}

/// A connection out of the pool.
pub(crate) async fn held(pool: &Pool) -> Result<managed::Object<Manager>, StorageError> {
    let waiting = StorageError::db("waiting for a connection");
    pool.get().await.map_err(|e| match e {
        managed::PoolError::Closed => StorageError::Closed,
        managed::PoolError::Backend(e) => StorageError::db("opening the SQLite file")(e),
        _ => waiting(EngineError::Waited),
    })
}

/// A transaction on a connection of the pool; dropped, it is rolled back.
pub(crate) struct Transaction(managed::Object<Manager>);

impl Transaction {
    pub(crate) async fn begin(pool: &Pool, how: &'static str) -> Result<Self, StorageError> {
        let mut object = held(pool).await?;
        let begun = object.execute(super::sql(how, [])).await;
        begun.map_err(StorageError::db("beginning a transaction"))?;
        Ok(Self(object))
    }

    pub(crate) fn conn(&mut self) -> &mut Lite {
        &mut self.0
    }

    pub(crate) async fn commit(mut self) -> Result<(), EngineError> {
        self.0.execute(super::sql("COMMIT", [])).await.map(drop)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(conn) = &self.0.conn
            && !conn.is_autocommit()
        {
            // A connection that does not roll back is not given to anybody else.
            let _ = conn.execute_batch("ROLLBACK");
        }
    }
}

impl Lite {
    pub(crate) fn open(path: &Path, opening: Opening) -> Result<Self, EngineError> {
        let flags = match opening {
            Opening::Writer | Opening::Loader => {
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
            }
            Opening::Reader => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Opening::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let held_up = matches!(opening, Opening::Writer | Opening::Loader);
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(PREPARED);
        // Plans do not depend on values; or a prepared statement is planned anew for each it is given.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.execute_batch(match opening {
            Opening::Writer => {
                "PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
            }
            Opening::Loader => {
                "PRAGMA foreign_keys = ON; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL"
            }
            Opening::Reader | Opening::ReadOnly => {
                // Pages that are not in it come from the system's memory at once, and each reader has a
                // cache of its own: with 8 MiB each they were a third of what the process held, and with
                // 1 MiB counting facets took twice as long.
                "PRAGMA query_only = ON; PRAGMA cache_size = -3072"
            }
        })?;
        let until = Until {
            opened: Instant::now(),
            at: Arc::new(AtomicU64::new(Until::NEVER)),
        };
        if !held_up {
            conn.busy_timeout(Duration::ZERO)?;
            let until = until.clone();
            conn.progress_handler(STEPS, Some(move || until.is_past()))?;
        }
        Ok(Self {
            conn: Some(Box::new(conn)),
            held_up,
            until,
        })
    }

    /// Runs a statement; returns how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: Sql) -> Result<u64, EngineError> {
        self.ask(sql, |conn, sql| run(conn, sql, |_| true)).await
    }

    pub(crate) async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>, EngineError> {
        let collect = |conn: &Connection, sql: &Sql| {
            let mut rows = Vec::new();
            run(conn, sql, |row| {
                rows.push(Row::Lite(row));
                true
            })?;
            Ok(rows)
        };
        self.ask(sql, collect).await
    }

    /// Hands rows on as they come, until one is not taken.
    pub(crate) async fn each(
        &mut self,
        sql: Sql,
        mut take: impl FnMut(Row) -> bool,
    ) -> Result<(), EngineError> {
        if self.held_up {
            let done = run(self.conn()?, &sql, |row| take(Row::Lite(row)));
            return done.map(drop);
        }
        let (send, mut batches) = mpsc::channel(2);
        let asking = self.elsewhere(move |conn| {
            let mut batch = Vec::with_capacity(BATCH);
            let done = run(conn, &sql, |row| {
                batch.push(Row::Lite(row));
                if batch.len() < BATCH {
                    return true;
                }
                // Nobody takes them any more where one was refused.
                send.blocking_send(std::mem::take(&mut batch)).is_ok()
            });
            let _ = send.blocking_send(batch);
            done
        });
        let taking = async move {
            while let Some(batch) = batches.recv().await {
                if !batch.into_iter().all(&mut take) {
                    return;
                }
            }
        };
        let (done, ()) = tokio::join!(asking, taking);
        done.map(drop)
    }

    /// Several statements without values, separated by semicolons.
    pub(crate) fn script(&mut self, text: &str) -> Result<(), EngineError> {
        Ok(self.conn()?.execute_batch(text)?)
    }

    fn conn(&self) -> Result<&Connection, EngineError> {
        self.conn.as_deref().ok_or(EngineError::Thread)
    }

    async fn ask<T: Send + 'static>(
        &mut self,
        sql: Sql,
        run: impl Fn(&Connection, &Sql) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.until.set(self.until.now().saturating_add(SHORT));
        match run(self.conn()?, &sql) {
            Err(error) if !self.held_up && is_unfinished(&error) => {}
            done => return done,
        }
        self.elsewhere(move |conn| run(conn, &sql)).await
    }

    /// Runs something that may take long on a thread that may be held up.
    async fn elsewhere<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let conn = self.conn.take().ok_or(EngineError::Thread)?;
        self.until.set(Until::NEVER);
        let _waited = Waited(self.until.clone());
        let done = tokio::task::spawn_blocking(move || {
            let done = conn
                .busy_timeout(BUSY)
                .map_err(EngineError::from)
                .and_then(|()| work(&conn));
            let back = conn.busy_timeout(Duration::ZERO);
            (conn, back.map_err(EngineError::from).and(done))
        });
        let (conn, done) = done.await.map_err(|_| EngineError::Thread)?;
        self.conn = Some(conn);
        done
    }
}

/// Whether a statement was given up because it is long, or somebody holds the file.
fn is_unfinished(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Sqlite(rusqlite::Error::SqliteFailure(e, _))
            if matches!(e.code, ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy)
    )
}

/// Runs a statement to its end, or until a row is not taken; returns how many rows it touched.
fn run(
    conn: &Connection,
    sql: &Sql,
    mut take: impl FnMut(Box<[Cell]>) -> bool,
) -> Result<u64, EngineError> {
    let mut statement = conn.prepare_cached(sql.text())?;
    bind(&mut statement, sql.text(), &sql.values)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|index| row.get(index));
        if !take(cells.collect::<Result<_, _>>()?) {
            break;
        }
    }
    drop(rows);
    Ok(if statement.readonly() {
        0
    } else {
        conn.changes()
    })
}

fn bind(statement: &mut Statement<'_>, text: &str, values: &[Value]) -> Result<(), EngineError> {
    let order = order(text);
    for place in 1..=statement.parameter_count() {
        let number = order.get(place - 1).map_or(place, |number| *number);
        let value = number.checked_sub(1).and_then(|index| values.get(index));
        let value = value.ok_or_else(|| EngineError::Unbound("a missing value".into()))?;
        match value {
            Value::Bool(v) => statement.raw_bind_parameter(place, v),
            Value::Int(v) => statement.raw_bind_parameter(place, v),
            Value::BigInt(v) => statement.raw_bind_parameter(place, v),
            Value::BigUnsigned(v) => statement.raw_bind_parameter(place, v.map(u64::cast_signed)),
            Value::String(v) => statement.raw_bind_parameter(place, v),
            Value::Bytes(v) => statement.raw_bind_parameter(place, v),
            Value::Uuid(v) => statement.raw_bind_parameter(place, v.map(|u| u.to_string())),
            other => return Err(unbindable(other)),
        }?;
    }
    Ok(())
}

/// Which value each place of a statement with `$1` placeholders takes. To `SQLite` they are names,
/// which have places in the order in which they first stand.
fn order(text: &str) -> Vec<usize> {
    let (mut order, mut highest) = (Vec::new(), 0);
    for part in text.split('$').skip(1) {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let Some(number) = part.get(..digits).and_then(|n| n.parse().ok()) else {
            continue;
        };
        // Nearly all texts number them in order, and long ones need not be searched then.
        if number > highest || !order.contains(&number) {
            order.push(number);
            highest = highest.max(number);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::built;
    use super::*;

    /// A file, and a pool of connections that read it.
    async fn reading() -> (tempfile::TempDir, Pool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.sqlite");
        let mut writer = Lite::open(&path, Opening::Writer).unwrap();
        writer.script("CREATE TABLE t (n INTEGER)").unwrap();
        let pool = pool(&path, Opening::Reader).await.unwrap();
        (dir, pool)
    }

    fn count_to(n: u32) -> Sql {
        let text = format!(
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {n}) "
        );
        built(text + "SELECT i FROM c", Vec::new())
    }

    /// Who is done first on one thread: who asks, or who has nothing to do but a turn.
    async fn first(lite: &mut Lite, n: u32) -> &'static str {
        let done = RefCell::new(Vec::new());
        let asking = async {
            assert_eq!(lite.rows(count_to(n)).await.unwrap().len(), n as usize);
            done.borrow_mut().push("who asks");
        };
        let other = async { done.borrow_mut().push("the other") };
        tokio::join!(asking, other);
        done.borrow()[0]
    }

    #[tokio::test]
    async fn a_long_question_lets_others_have_their_turn_and_a_short_one_is_answered_at_once() {
        let (_dir, pool) = reading().await;
        let mut lite = held(&pool).await.unwrap();
        assert_eq!(first(&mut lite, 20).await, "who asks");
        assert_eq!(first(&mut lite, 200_000).await, "the other");
        assert_eq!(first(&mut lite, 20).await, "who asks");
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_any_more_ends() {
        let (_dir, pool) = reading().await;
        // Out of the pool, which would keep it until somebody asks for it.
        let mut lite = managed::Object::take(held(&pool).await.unwrap());
        let until = lite.until.clone();
        {
            let endless = lite.rows(count_to(u32::MAX));
            let gone = std::future::ready(());
            tokio::select! { biased; _ = endless => panic!("it has an end"), () = gone => {} }
        }
        drop(lite);
        // The thread that asks holds the connection, whose handler holds the other end.
        while Arc::strong_count(&until.at) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_row_that_is_not_taken_ends_the_rest_and_leaves_the_connection_usable() {
        let (_dir, pool) = reading().await;
        let mut lite = held(&pool).await.unwrap();
        let mut taken = 0;
        let done = lite
            .each(count_to(100_000), |_| {
                taken += 1;
                taken < 300
            })
            .await;
        assert!(done.is_ok() && taken == 300);
        assert_eq!(first(&mut lite, 20).await, "who asks");
    }

    #[tokio::test]
    async fn a_connection_left_in_the_middle_is_not_given_to_anybody_else() {
        let (_dir, pool) = reading().await;
        let mut lite = held(&pool).await.unwrap();
        {
            let long = lite.rows(count_to(1_000_000));
            let gone = std::future::ready(());
            tokio::select! { biased; _ = long => panic!("answered at once"), () = gone => {} }
        }
        assert!(matches!(
            lite.rows(count_to(1)).await,
            Err(EngineError::Thread)
        ));
        drop(lite);
        let mut open = held(&pool).await.unwrap();
        open.execute(super::super::sql("BEGIN", [])).await.unwrap();
        drop(open);
        let mut lite = held(&pool).await.unwrap();
        lite.execute(super::super::sql("BEGIN", [])).await.unwrap();
    }

    #[test]
    fn placeholders_are_numbered_as_they_first_stand() {
        assert!(order("SELECT 1 WHERE a = ? AND b = ?").is_empty());
        assert_eq!(order("VALUES ($1, $2), ($3, $4)"), [1, 2, 3, 4]);
        assert_eq!(order("SET a = $2 WHERE b = $1 OR c = $2"), [2, 1]);
        assert_eq!(
            order("SET a = $2 WHERE b = $2 OR c = $10 OR d = $1"),
            [2, 10, 1]
        );
    }
}
