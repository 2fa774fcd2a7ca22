//! Brings the kernel's own tables up to date, forward only, and refuses a state it does not know.

use std::collections::BTreeSet;

use crate::backend::{Conn, Engine, sql};
use crate::{StorageError, audit, backend};

/// Number, name and text for each engine. Released files never change; a change is a new file.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "kernel",
        include_str!("../../../migrations/sqlite/0001_kernel.sql"),
        include_str!("../../../migrations/postgres/0001_kernel.sql"),
    ),
    (
        2,
        AUDIT_TREE,
        include_str!("../../../migrations/sqlite/0002_audit_tree.sql"),
        include_str!("../../../migrations/postgres/0002_audit_tree.sql"),
    ),
    (
        4,
        "calls",
        include_str!("../../../migrations/sqlite/0004_calls.sql"),
        include_str!("../../../migrations/postgres/0004_calls.sql"),
    ),
    (
        5,
        "search",
        include_str!("../../../migrations/sqlite/0005_search.sql"),
        include_str!("../../../migrations/postgres/0005_search.sql"),
    ),
    (
        6,
        "files",
        include_str!("../../../migrations/sqlite/0006_files.sql"),
        include_str!("../../../migrations/postgres/0006_files.sql"),
    ),
    (
        7,
        "schema-codes",
        include_str!("../../../migrations/sqlite/0007_schema_codes.sql"),
        include_str!("../../../migrations/postgres/0007_schema_codes.sql"),
    ),
    (
        8,
        "blind",
        include_str!("../../../migrations/sqlite/0008_blind.sql"),
        include_str!("../../../migrations/postgres/0008_blind.sql"),
    ),
    (
        9,
        "notices",
        include_str!("../../../migrations/sqlite/0009_notices.sql"),
        include_str!("../../../migrations/postgres/0009_notices.sql"),
    ),
    (
        10,
        "audit parties",
        include_str!("../../../migrations/sqlite/0010_audit_parties.sql"),
        include_str!("../../../migrations/postgres/0010_audit_parties.sql"),
    ),
];

/// The records that exist get their tree in the same transaction.
const AUDIT_TREE: &str = "audit-tree";

/// Only one node migrates at a time. The number is this table set's own.
pub(crate) const LOCK_SCHEMA: i64 = 0x726f_6e67_0001;

/// Runs what is missing in one transaction. Where it fails the connection is of no more use.
pub(crate) async fn run(conn: &mut Conn<'_>) -> Result<(), StorageError> {
    let migrating = StorageError::db("migrating the kernel's tables");
    let begin = sql(conn.engine().begin(), []);
    conn.execute(begin).await.map_err(&migrating)?;
    run_to(conn, MIGRATIONS.len()).await?;
    let commit = conn.execute(sql("COMMIT", [])).await;
    commit.map(drop).map_err(migrating)
}

/// How many migrations this build knows.
pub(crate) const KNOWN: usize = MIGRATIONS.len();

/// The same, up to a number and inside the transaction that `conn` is in: what an older backup holds
/// fits only the tables of its time.
pub(crate) async fn run_to(conn: &mut Conn<'_>, last: usize) -> Result<(), StorageError> {
    let migrating = StorageError::db("migrating the kernel's tables");
    let engine = conn.engine();
    if engine == Engine::Postgres {
        conn.rows(sql(
            "SELECT pg_advisory_xact_lock($1)",
            [LOCK_SCHEMA.into()],
        ))
        .await
        .map_err(&migrating)?;
    }
    conn.script(
        "CREATE TABLE IF NOT EXISTS kernel__migrations \
         (version bigint NOT NULL PRIMARY KEY, name text NOT NULL, digest text NOT NULL)",
    )
    .await
    .map_err(&migrating)?;

    let done = done(conn).await?;
    let missing = MIGRATIONS.iter().take(last);
    for &(version, name, sqlite, postgres) in missing.filter(|(v, ..)| !done.contains(v)) {
        let text = if engine == Engine::Sqlite {
            sqlite
        } else {
            postgres
        };
        conn.script(text).await.map_err(&migrating)?;
        if name == AUDIT_TREE {
            audit::plant(conn).await?;
        }
        conn.execute(sql(
            "INSERT INTO kernel__migrations (version, name, digest) VALUES ($1, $2, $3)",
            [version.into(), name.into(), digest(text).into()],
        ))
        .await
        .map_err(&migrating)?;
        tracing::info!(version, name, "migrated the kernel's tables");
    }
    Ok(())
}

/// How many migrations the database has; refused when one of them is not of this build.
pub(crate) async fn applied(conn: &mut Conn<'_>) -> Result<usize, StorageError> {
    Ok(done(conn).await?.len())
}

/// Their numbers.
async fn done(conn: &mut Conn<'_>) -> Result<BTreeSet<i64>, StorageError> {
    let engine = conn.engine();
    let applied = conn
        .rows(sql(
            "SELECT version, name, digest FROM kernel__migrations ORDER BY version",
            [],
        ))
        .await
        .map_err(StorageError::db("reading which migrations there are"))?;
    applied
        .iter()
        .map(|row| check(engine, row).and_then(|()| row.number(0)))
        .collect()
}

fn check(engine: Engine, row: &backend::Row) -> Result<(), StorageError> {
    let (version, name, stored) = (row.number(0)?, row.string(1)?, row.string(2)?);
    let Some((_, _, sqlite, postgres)) = MIGRATIONS.iter().find(|(v, ..)| *v == version) else {
        return Err(StorageError::UnknownState(format!(
            "it has migration {version} ({name}), which a newer build made"
        )));
    };
    let text = if engine == Engine::Sqlite {
        sqlite
    } else {
        postgres
    };
    if digest(text) == stored {
        Ok(())
    } else {
        Err(StorageError::UnknownState(format!(
            "its migration {version} ({name}) is not the one of this build"
        )))
    }
}

fn digest(text: &str) -> String {
    kernel_crypto::sm3::digest(text.as_bytes()).to_string()
}
