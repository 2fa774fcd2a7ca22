//! After a rotation: what the older key sealed is sealed anew beside serving, so that the older key
//! can be destroyed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use kernel_crypto::keys::{KeyRing, SealKey};
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
            let active = self.keys.sealing_with(SealKey::Field);
            if self.keys.opens_older(SealKey::Field) && done != Some(active) {
                match self.all(active).await {
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

    async fn all(&self, active: u32) -> Result<()> {
        let fields = self.store.reseal().await?;
        let files = self.blobs.rewrap().await?;
        if fields + files > 0 {
            let draft = AuditDraft {
                at: self.clock.now().micros(),
                actor: "kernel".into(),
                action: "platform.key.reseal".into(),
                object: format!("key/{active}"),
                outcome: "ok".into(),
                detail: json!({ "fields": fields, "files": files }),
                ..AuditDraft::default()
            };
            self.store.audit_append(vec![draft]).await?;
            tracing::info!(fields, files, key = active, "sealed anew after a rotation");
        }
        Ok(())
    }
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
