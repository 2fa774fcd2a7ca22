//! After a rotation: what the older key sealed is sealed anew beside serving, and what it made digests
//! of is digested anew, so that the older key can be destroyed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use kernel_crypto::keys::{KeyRing, MacKey, SealKey};
use kernel_host::clock::Clock;
use kernel_storage::{AuditDraft, BlobStore, Store};
use serde_json::json;

/// Between two looks at which key seals.
const LOOK: Duration = Duration::from_secs(2);
/// What failed is tried again after this.
const PAUSE: Duration = Duration::from_mins(1);

pub(crate) struct Reseal {
    pub(crate) store: Store,
    pub(crate) blobs: BlobStore,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Reseal {
    /// Once at the start, and after each rotation; nothing while there is one key only.
    pub(crate) async fn run(self) {
        let mut done = None;
        loop {
            let active = self.active();
            let older = self.keys.opens_older(SealKey::Field) || active.1.is_some();
            if older && done != Some(active) {
                match self.all(active.0).await {
                    Ok(()) => done = Some(active),
                    Err(error) => {
                        tracing::error!(
                            code = "keys.not-resealed",
                            "what an older key sealed is not sealed anew: {error:#}"
                        );
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The keys that seal and that digest; the first of those has no number.
    fn active(&self) -> (u32, Option<u32>) {
        let digests = self.keys.coding_numbers(MacKey::Blind).pop().flatten();
        (self.keys.sealing_with(SealKey::Field), digests)
    }

    async fn all(&self, active: u32) -> Result<()> {
        let digests = self.store.reindex().await?;
        let fields = self.store.reseal().await?;
        let files = self.blobs.rewrap().await?;
        if digests + fields + files > 0 {
            let draft = AuditDraft {
                at: self.clock.now().micros(),
                actor: "kernel".into(),
                action: "platform.key.reseal".into(),
                object: format!("key/{active}"),
                outcome: "ok".into(),
                detail: json!({ "fields": fields, "files": files, "digests": digests }),
                ..AuditDraft::default()
            };
            self.store.audit_append(vec![draft]).await?;
            tracing::info!(fields, files, digests, "made anew after a rotation");
        }
        Ok(())
    }
}

/// Before a key of blind indexes is destroyed: no digest may be left that it made.
pub(crate) async fn unindexed(store: &Store, number: u32) -> Result<()> {
    store.reindex().await?;
    let left = store.indexed_by(number).await?;
    ensure!(
        left == 0,
        "key {number} is needed: {left} stored values are found by it"
    );
    Ok(())
}

/// Before a key that seals is destroyed: nothing may be left that only it opens.
pub(crate) async fn free(store: &Store, blobs: &BlobStore, number: u32) -> Result<()> {
    store.reseal().await?;
    blobs.rewrap().await?;
    let left = store.sealed_by(number).await?;
    ensure!(
        left == 0,
        "key {number} is needed: {left} stored values are sealed by it"
    );
    Ok(())
}
