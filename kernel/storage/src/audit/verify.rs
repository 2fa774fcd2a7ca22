//! Verifying the trail, in the running store or in a copy of its database elsewhere.

use kernel_crypto::chain::{Break, Checkpoint, Entry, Verifier};
use kernel_crypto::keys::SignKey;
use kernel_crypto::sm2::VerifyingKey;

use super::{AuditFault, CHAIN, PAGE, checkpoint, content, link, nodes, record};
use crate::backend::{Conn, Db, sql};
use crate::{StorageError, Store, StoreUrl};

/// A trail that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many records hold.
    pub records: u64,
    /// How many checkpoints were passed, each counted once.
    pub checkpoints: usize,
    /// Number of the last record a checkpoint covers. Later ones hold together, but no signature
    /// says so yet.
    pub signed: u64,
}

/// A database that is only read: no migration, no writer, no private key.
#[derive(Debug)]
pub struct AuditCopy(Db);

impl Store {
    /// Walks the whole chain and past every checkpoint kept here. Returns how many records hold.
    pub async fn audit_verify(&self) -> Result<u64, AuditFault> {
        let keys = self.keys().verifying_keys(SignKey::Audit);
        let mut held = self.db().acquire().await?;
        Ok(verify(&mut held.conn(), &keys, Vec::new()).await?.records)
    }
}

impl AuditCopy {
    /// Opens the database without changing anything in it.
    pub async fn open(url: &StoreUrl) -> Result<Self, StorageError> {
        Ok(Self(match url {
            StoreUrl::Sqlite(path) => Db::sqlite_read_only(path).await?,
            StoreUrl::Postgres(url) => Db::Pg(Db::postgres(url).await?),
        }))
    }

    /// Walks the whole chain, past every checkpoint in the database and every `exported` one.
    pub async fn verify(
        &self,
        keys: &[VerifyingKey],
        exported: Vec<Checkpoint>,
    ) -> Result<Verified, AuditFault> {
        let mut held = self.0.acquire().await?;
        verify(&mut held.conn(), keys, exported).await
    }
}

async fn verify(
    conn: &mut Conn<'_>,
    keys: &[VerifyingKey],
    exported: Vec<Checkpoint>,
) -> Result<Verified, AuditFault> {
    // Before the records, so that what is signed meanwhile is not missed in them.
    let mut points = checkpoint::after(conn, 0).await?;
    points.extend(exported);
    let mut numbers: Vec<u64> = points.iter().map(|point| point.statement.seq).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut walk = Verifier::new(CHAIN, points, keys)?;
    loop {
        let seq = walk.head().seq;
        let rows = conn
            .rows(sql(
                "SELECT seq, at, actor, organisation, subject, action, object, outcome, detail, \
                 request, prev, hash, nodes FROM kernel__audit WHERE seq > $1 \
                 ORDER BY seq LIMIT $2",
                [seq.cast_signed().into(), i64::from(PAGE).into()],
            ))
            .await
            .map_err(StorageError::db("verifying the audit trail"))?;
        let mut page = Vec::with_capacity(rows.len());
        for row in &rows {
            let next = seq.saturating_add(page.len() as u64).saturating_add(1);
            // What no longer parses was altered, too.
            let altered = |_| Break::Altered { seq: next };
            let draft = record(row).map_err(altered)?.draft;
            page.push(Entry {
                link: link(row).map_err(altered)?,
                at: draft.at,
                content: content(&draft),
                nodes: nodes(row, 12).map_err(|_| Break::Tree { seq: next })?,
            });
        }
        walk.records(page)?;
        if rows.len() < PAGE as usize {
            let head = walk.finish()?;
            return Ok(Verified {
                records: head.seq,
                checkpoints: numbers.len(),
                signed: numbers.last().copied().unwrap_or(0),
            });
        }
    }
}
