//! `PostgreSQL`: its pool of connections, and how values are bound.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use sea_query::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool, Postgres};

use super::{ACQUIRE, Row, Sql, Text, unbindable};
use crate::{EngineError, StorageError};

const CONNECTIONS: u32 = 16;
/// A connection that was idle for longer is tried before it is used.
const IDLE: Duration = Duration::from_secs(1);

pub(crate) async fn pool(url: &str) -> Result<PgPool, StorageError> {
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

/// The statement with its values, as the driver takes it.
pub(super) fn query(
    sql: Sql,
) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, EngineError> {
    let args = arguments(sql.values)?;
    Ok(match sql.text {
        Text::Built(text) => sqlx::query_with(AssertSqlSafe(text), args),
        Text::Fixed(text) => sqlx::query_with(text, args),
    })
}

/// Hands rows on one by one until one is not taken.
pub(super) async fn each(
    conn: &mut PgConnection,
    sql: Sql,
    mut take: impl FnMut(Row) -> bool,
) -> Result<(), EngineError> {
    let mut rows = query(sql)?.fetch(conn);
    while let Some(row) = rows.try_next().await? {
        if !take(Row::Pg(row)) {
            break;
        }
    }
    Ok(())
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
