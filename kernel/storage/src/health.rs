//! What a store can say about its own state.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::backend::{Engine, sql};
use crate::schemas::declarations;
use crate::{StorageError, Store, known, migrate};

/// The kernel's tables and the modules'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaState {
    /// Migrations of this build.
    pub known: usize,
    /// Migrations the database has.
    pub applied: usize,
    /// Applied declarations by module: the SM3 of each.
    pub modules: BTreeMap<String, String>,
    /// A sentence for each table or column that is not as the applied declarations say.
    pub differences: Vec<String>,
}

/// The end of the audit chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditHead {
    pub records: u64,
    pub hash: String,
    /// Number of the last record that a signed checkpoint covers.
    pub signed: u64,
}

/// The outbox, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OutboxState {
    pub waiting: i64,
    pub dead: i64,
}

impl Store {
    pub async fn schema_state(&self) -> Result<SchemaState, StorageError> {
        let mut snapshot = self.db().snapshot().await?;
        let mut conn = snapshot.conn();
        let rows = conn
            .rows(sql("SELECT module, digest FROM kernel__schema", []))
            .await
            .map_err(StorageError::db("reading the schemas"))?;
        let mut modules = BTreeMap::new();
        for row in rows {
            modules.insert(row.string(0)?, row.string(1)?);
        }
        let mut differences = Vec::new();
        for stored in declarations(&mut conn, self.keys()).await? {
            let id = stored.def.id.clone();
            differences.extend(known::differences(&mut conn, &id, Some(&stored)).await?);
        }
        Ok(SchemaState {
            known: migrate::KNOWN,
            applied: migrate::applied(&mut conn).await?,
            modules,
            differences,
        })
    }

    pub async fn audit_head(&self) -> Result<AuditHead, StorageError> {
        let mut held = self.db().acquire().await?;
        let end = crate::audit::head(&mut held.conn()).await?;
        let signed = held
            .conn()
            .row(sql(
                "SELECT COALESCE(MAX(seq), 0) FROM kernel__checkpoints",
                [],
            ))
            .await
            .map_err(StorageError::db("reading checkpoints"))?;
        Ok(AuditHead {
            records: end.seq,
            hash: end.hash.to_string(),
            signed: signed.map_or(Ok(0), |r| r.number(0))?.cast_unsigned(),
        })
    }

    pub async fn outbox_state(&self) -> Result<OutboxState, StorageError> {
        let rows = self
            .fixed(
                "SELECT CAST(COALESCE(SUM(CASE WHEN dead = 0 AND done_at IS NULL THEN 1 ELSE 0 END), 0) AS bigint), \
                 CAST(COALESCE(SUM(CASE WHEN dead = 1 THEN 1 ELSE 0 END), 0) AS bigint) FROM kernel__outbox",
                vec![],
                "counting the outbox",
            )
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| StorageError::Damaged("a count without a row".into()))?;
        Ok(OutboxState {
            waiting: row.number(0)?,
            dead: row.number(1)?,
        })
    }

    /// What the engine itself finds wrong with its files; empty when nothing. `SQLite` checks
    /// every page and index. `PostgreSQL` says whether it keeps page checksums, which is what it
    /// verifies on each read.
    pub async fn integrity(&self) -> Result<Vec<String>, StorageError> {
        let (text, good) = match self.engine() {
            Engine::Sqlite => ("PRAGMA integrity_check", "ok"),
            Engine::Postgres => (
                "SELECT CASE current_setting('data_checksums') WHEN 'on' THEN 'on' \
                 ELSE 'page checksums are off' END",
                "on",
            ),
        };
        let rows = self
            .fixed(text, vec![], "checking the database's files")
            .await?;
        let found: Result<Vec<String>, _> = rows.iter().map(|row| row.string(0)).collect();
        Ok(found?.into_iter().filter(|line| line != good).collect())
    }
}
