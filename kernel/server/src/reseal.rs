//! After a rotation: what the older key sealed is sealed anew beside serving, and the digests and codes
//! that it made are made anew, so that the older key can be destroyed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use kernel_crypto::keys::{AttestKey, KeyRing, MacKey, SealKey};
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
        let (mut sealed, mut attested) = (None, None);
        loop {
            let active = self.active();
            let older = self.keys.opens_older(SealKey::Field) || active.1.is_some();
            if older && sealed != Some(active) {
                match self.all(active.0).await {
                    Ok(()) => sealed = Some(active),
                    Err(error) => not_resealed(&error).await,
                }
            }
            let active = self.keys.attesting_with(AttestKey::Record);
            if self.keys.attests_older(AttestKey::Record) && attested != Some(active) {
                match self.codes(active).await {
                    Ok(()) => attested = Some(active),
                    Err(error) => not_resealed(&error).await,
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

    async fn codes(&self, active: u32) -> Result<()> {
        let codes = self.store.reattest().await?;
        if codes > 0 {
            self.record(active, json!({ "codes": codes })).await?;
        }
        Ok(())
    }

    async fn record(&self, active: u32, detail: serde_json::Value) -> Result<()> {
        let draft = AuditDraft {
            at: self.clock.now().micros(),
            actor: "kernel".into(),
            action: "platform.key.reseal".into(),
            object: format!("key/{active}"),
            outcome: "ok".into(),
            detail,
            ..AuditDraft::default()
        };
        self.store.audit_append(vec![draft]).await?;
        Ok(())
    }

    async fn all(&self, active: u32) -> Result<()> {
        let digests = self.store.reindex().await?;
        let fields = self.store.reseal().await?;
        let files = self.blobs.rewrap().await?;
        if digests + fields + files > 0 {
            let detail = json!({ "fields": fields, "files": files, "digests": digests });
            self.record(active, detail).await?;
            tracing::info!(fields, files, digests, "made anew after a rotation");
        }
        Ok(())
    }
}

async fn not_resealed(error: &anyhow::Error) {
    tracing::error!(
        code = "keys.not-resealed",
        "what an older key sealed is not sealed anew: {error:#}"
    );
    tokio::time::sleep(PAUSE).await;
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

/// Before a key that attests is destroyed: no code may be left that only it made.
pub(crate) async fn free_codes(store: &Store, number: u32) -> Result<()> {
    store.reattest().await?;
    let left = store.attested_by(number).await?;
    ensure!(
        left == 0,
        "key {number} is needed: {left} records that are not as they were written carry its codes"
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
