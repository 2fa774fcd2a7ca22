//! Proofs for third parties, made from the tree without reading the log.

use kernel_crypto::chain::Checkpoint;
use kernel_crypto::chain::proof::{Consistency, Inclusion, Proof};
use kernel_crypto::merkle::{self, Span};
use kernel_crypto::sm3::Digest32;

use super::append::roots;
use super::{document, link, record};
use crate::{StorageError, Store};

impl Store {
    /// Proves that record `seq` is in the log that `checkpoint` signs; none when it is not there.
    pub async fn audit_prove(
        &self,
        seq: u64,
        checkpoint: Checkpoint,
    ) -> Result<Option<Proof>, StorageError> {
        let spans = seq
            .checked_sub(1)
            .and_then(|index| merkle::inclusion(index, checkpoint.statement.seq));
        let Some(spans) = spans else { return Ok(None) };
        let rows = self
            .fixed(
                "SELECT seq, at, actor, organisation, subject, action, object, outcome, detail, \
                 request, prev, hash FROM kernel__audit WHERE seq = $1",
                vec![seq.cast_signed().into()],
                "reading an audit record",
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Proof::Inclusion(Inclusion {
            seq,
            record: document(&record(row)?.draft),
            prev: link(row)?.prev,
            path: self.audit_path(&spans).await?,
            checkpoint,
        })))
    }

    /// Proves that the log `later` signs begins with the whole of the log `earlier` signs; none
    /// when it is the shorter one.
    pub async fn audit_prove_growth(
        &self,
        earlier: Checkpoint,
        later: Checkpoint,
    ) -> Result<Option<Proof>, StorageError> {
        let spans = merkle::consistency(earlier.statement.seq, later.statement.seq);
        let Some(spans) = spans else { return Ok(None) };
        let path = self.audit_path(&spans).await?;
        Ok(Some(Proof::Consistency(Consistency {
            earlier,
            later,
            path,
        })))
    }

    async fn audit_path(&self, spans: &[Span]) -> Result<Vec<Digest32>, StorageError> {
        let wanted: Vec<_> = spans.iter().flat_map(|span| span.nodes()).collect();
        let mut held = self.db().acquire().await?;
        let roots = roots(&mut held.conn(), &wanted).await?;
        let path: Option<Vec<Digest32>> = spans
            .iter()
            .map(|span| span.root(|node| roots.get(&node).copied()))
            .collect();
        path.ok_or_else(|| StorageError::Damaged("the audit tree lacks a node".into()))
    }
}
