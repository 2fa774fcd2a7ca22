//! `PostgreSQL`: its pool of connections, and how values are bound.
//!
//! The pool is not the driver's, which asks a connection whether it lives each time it comes back: a
//! round trip for each statement. Here a connection that comes back in the middle of something is
//! closed, so that the server ends it and lets go of its locks; any other is as good as before.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, QueueMode, RecycleError, RecycleResult, Timeouts};
use futures_util::TryStreamExt as _;
use sea_query::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres};

use super::{ACQUIRE, Row, Sql, Text, unbindable};
use crate::{EngineError, StorageError};

const CONNECTIONS: usize = 16;
/// A connection that was idle for longer is tried before it is used.
const IDLE: Duration = Duration::from_secs(1);

pub(crate) type Pool = managed::Pool<Manager>;

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Manager {
    options: PgConnectOptions,
}

impl managed::Manager for Manager {
    type Type = Pg;
    type Error = EngineError;

    async fn create(&self) -> Result<Pg, EngineError> {
        // Rare and large: whoever waits for a connection does not carry it along.
        let conn = Box::pin(self.options.connect()).await?;
        Ok(Pg {
            conn: Some(conn),
            asked: false,
            open: false,
        })
    }

    async fn recycle(&self, pg: &mut Pg, metrics: &Metrics) -> RecycleResult<EngineError> {
        let Some(conn) = &mut pg.conn else {
            return Err(RecycleError::message("left in the middle of something"));
        };
        if metrics.last_used() > IDLE {
            Box::pin(conn.ping()).await.map_err(EngineError::from)?;
        }
        Ok(())
    }
}

/// The pool of a database, with one connection made to see whether it can be.
pub(crate) async fn pool(url: &str) -> Result<Pool, StorageError> {
    let options: PgConnectOptions = url.parse().map_err(|_| StorageError::Address)?;
    if !is_safe(&options) {
        return Err(StorageError::InPlain);
    }
    let manager = Manager {
        options: options.disable_statement_logging(),
    };
    let pool = Pool::builder(manager)
        .max_size(CONNECTIONS)
        .queue_mode(QueueMode::Lifo)
        .timeouts(Timeouts {
            wait: Some(ACQUIRE),
            create: Some(ACQUIRE),
            recycle: Some(ACQUIRE),
        })
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|e| StorageError::Damaged(format!("a pool: {e}")))?;
    drop(leased(&pool).await?);
    Ok(pool)
}

/// Whether what passes between here and the database stays on this machine, or under TLS with a server
/// whose certificate is checked.
fn is_safe(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    let here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    let mode = options.get_ssl_mode();
    here || matches!(mode, PgSslMode::VerifyCa | PgSslMode::VerifyFull)
}

/// A connection out of the pool.
pub(crate) async fn leased(pool: &Pool) -> Result<Leased, StorageError> {
    pool.get().await.map(Leased).map_err(|e| match e {
        managed::PoolError::Closed => StorageError::Closed,
        managed::PoolError::Backend(e) => StorageError::db("connecting to PostgreSQL")(e),
        _ => StorageError::db("waiting for a connection")(EngineError::Waited),
    })
}

/// A connection out of the pool.
pub(crate) struct Leased(Object<Manager>);

impl Deref for Leased {
    type Target = Pg;
    fn deref(&self) -> &Pg {
        &self.0
    }
}

impl DerefMut for Leased {
    fn deref_mut(&mut self) -> &mut Pg {
        &mut self.0
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if self.asked || self.open {
            self.spoil();
        }
    }
}

/// A transaction on a connection of the pool; dropped, it is rolled back.
pub(crate) struct Transaction(Leased);

impl Transaction {
    pub(crate) async fn begin(pool: &Pool, how: &'static str) -> Result<Self, StorageError> {
        let mut leased = leased(pool).await?;
        let begun = leased.execute(super::sql(how, [])).await;
        begun.map_err(StorageError::db("beginning a transaction"))?;
        leased.open = true;
        Ok(Self(leased))
    }

    pub(crate) fn conn(&mut self) -> &mut Pg {
        &mut self.0
    }

    pub(crate) async fn commit(mut self) -> Result<(), EngineError> {
        self.0.execute(super::sql("COMMIT", [])).await?;
        self.0.open = false;
        Ok(())
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Pg {
    /// Absent once nobody may get it again.
    conn: Option<PgConnection>,
    /// Whether it was asked something whose end nobody has heard.
    asked: bool,
    /// Whether a transaction on it has not ended.
    open: bool,
}

impl Pg {
    /// Closes it: whatever state it is in, nobody gets it again.
    pub(crate) fn spoil(&mut self) {
        self.conn = None;
    }

    /// Runs a statement; returns how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: Sql) -> Result<u64, EngineError> {
        let query = query(sql)?;
        let done = query.execute(self.ask()?).await;
        Ok(self.heard(done)?.rows_affected())
    }

    pub(crate) async fn rows(&mut self, sql: Sql) -> Result<Vec<Row>, EngineError> {
        let query = query(sql)?;
        let rows = query.fetch_all(self.ask()?).await;
        Ok(self.heard(rows)?.into_iter().map(Row::Pg).collect())
    }

    /// Hands rows on one by one until one is not taken.
    pub(crate) async fn each(
        &mut self,
        sql: Sql,
        mut take: impl FnMut(Row) -> bool,
    ) -> Result<(), EngineError> {
        let query = query(sql)?;
        let mut rows = query.fetch(self.ask()?);
        let ended = loop {
            match rows.try_next().await {
                Ok(Some(row)) => {
                    if !take(Row::Pg(row)) {
                        // The others are still to come.
                        return Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(rows);
        self.heard(ended)
    }

    /// Several statements without values, separated by semicolons.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), EngineError> {
        let done = sqlx::raw_sql(text).execute(self.ask()?).await;
        self.heard(done).map(drop)
    }

    fn ask(&mut self) -> Result<&mut PgConnection, EngineError> {
        self.asked = true;
        self.conn.as_mut().ok_or(EngineError::Thread)
    }

    /// A refusal of the server leaves the connection as good as before; what breaks it does not.
    fn heard<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, EngineError> {
        let answer = answer.map_err(EngineError::from);
        let broken = |e: &EngineError| e.state().is_none() || e.is_lost_connection();
        self.asked = answer.as_ref().is_err_and(broken);
        answer
    }
}

/// The statement with its values, as the driver takes it.
fn query(sql: Sql) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, EngineError> {
    let args = arguments(sql.values)?;
    Ok(match sql.text {
        Text::Built(text) => sqlx::query_with(AssertSqlSafe(text), args),
        Text::Fixed(text) => sqlx::query_with(text, args),
    })
}

fn arguments(values: Vec<Value>) -> Result<PgArguments, EngineError> {
    let mut args = PgArguments::default();
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
            Value::Uuid(v) => args.add(v),
            other => return Err(unbindable(&other)),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dj_15_a_database_elsewhere_is_asked_under_checked_tls_alone() {
        let safe = |url: &str| is_safe(&url.parse().unwrap());
        for here in [
            "postgres://a:b@127.0.0.1/x",
            "postgres://a:b@[::1]:5433/x?sslmode=disable",
            "postgres://a@localhost/x",
            "postgres:///x?host=/run/postgresql",
        ] {
            assert!(safe(here), "{here}");
        }
        for elsewhere in [
            "192.0.2.1",
            "db.example",
            "localhost.example",
            "[2001:db8::1]",
        ] {
            let url = format!("postgres://a:b@{elsewhere}/x");
            for mode in [
                "",
                "?sslmode=disable",
                "?sslmode=prefer",
                "?sslmode=require",
            ] {
                assert!(!safe(&format!("{url}{mode}")), "{elsewhere}{mode}");
            }
            for mode in ["verify-ca", "verify-full"] {
                assert!(safe(&format!("{url}?sslmode={mode}")), "{elsewhere} {mode}");
            }
        }
    }
}
