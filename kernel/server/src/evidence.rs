//! What runs beside serving so that the evidence holds: checkpoints signed and taken off the machine,
//! key changes of other processes noticed, key uses counted, and a changed configuration recorded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kernel_crypto::keys::KeyRing;
use kernel_crypto::sm3::Digest32;
use kernel_host::clock::Clock;
use kernel_storage::{AuditDraft, AuditFilter, CheckpointFolder, Store};
use serde_json::json;

use crate::wire;

/// Between two checkpoints at most, while there is something to sign.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// What a start under another configuration than the last is called in the trail.
const CONFIGURED: &str = "platform.config.change";
/// Between two looks at the key ring's file.
const KEYS: Duration = Duration::from_secs(2);
/// Looks between two saves of the keys' uses.
const SAVES: u32 = 30;

/// What a machine serves under.
#[derive(Debug)]
pub(crate) struct Configured {
    /// SM3 of the configuration file; none is the defaults.
    pub(crate) digest: Option<Digest32>,
    /// The same, in hex, of the files that it names, by path.
    pub(crate) files: BTreeMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct Evidence {
    pub(crate) store: Store,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) folder: Option<CheckpointFolder>,
}

impl Evidence {
    /// Signs and exports every 10 seconds, or at once when a thousand records wait.
    pub(crate) async fn sign_as_due(self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(CHECKPOINT) => {}
                () = self.store.audit_checkpoint_due().notified() => {}
            }
            self.sign().await;
        }
    }

    async fn sign(&self) {
        let at = self.clock.now().micros();
        if let Err(error) = self.store.audit_checkpoint(at).await {
            let error = anyhow::Error::from(error);
            tracing::error!(
                code = "audit.unsigned",
                "no checkpoint was signed: {error:#}"
            );
        }
        if let Err(error) = self.export().await {
            tracing::error!(
                code = "audit.export-failed",
                "checkpoints were not exported: {error:#}"
            );
        }
    }

    /// Writes the checkpoints that the folder has not got, however long it was away.
    async fn export(&self) -> Result<()> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let there = folder.clone();
        let last = tokio::task::spawn_blocking(move || there.last()).await??;
        let points = self.store.audit_checkpoints_after(last).await?;
        tokio::task::spawn_blocking(move || points.iter().try_for_each(|point| folder.write(point)))
            .await?
            .context("the folder of checkpoints")
    }

    /// Learns of rotated keys and saves how often the keys were used.
    pub(crate) async fn keep_keys(self) {
        let mut looks = 0;
        loop {
            tokio::time::sleep(KEYS).await;
            looks = (looks + 1) % SAVES;
            let (keys, save) = (Arc::clone(&self.keys), looks == 0);
            let kept = tokio::task::spawn_blocking(move || {
                if keys.refresh()? {
                    tracing::info!("the key ring was changed; its keys were read again");
                }
                if save { keys.save_uses() } else { Ok(()) }
            });
            match kept.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let error = anyhow::Error::from(error);
                    tracing::error!(code = "keys.unreadable", "the key ring: {error:#}");
                }
                Err(error) => tracing::error!(code = "keys.unreadable", "the key ring: {error}"),
            }
        }
    }

    /// Records that this machine serves under another configuration than it did last: its files are nobody's
    /// request, so the start is what shows it.
    pub(crate) async fn configured(&self, machine: &str, now: Configured) -> Result<()> {
        let asked = AuditFilter {
            action: Some(CONFIGURED.into()),
            objects: vec![machine.to_owned()],
            ..AuditFilter::default()
        };
        let last = self.store.audit_find(&asked, 1, 0).await?;
        let last = last.records.first();
        let said = |name: &str| last.and_then(|r| r.draft.detail.get(name).cloned());
        let before = said("after").unwrap_or_default();
        let after = json!(now.digest.map(|d| d.to_string()));
        // Of a release before there are none.
        let files = said("files").unwrap_or_else(|| json!({}));
        if before == after && files == json!(now.files) {
            return Ok(());
        }
        let draft = AuditDraft {
            at: self.clock.now().micros(),
            actor: "kernel".into(),
            action: CONFIGURED.into(),
            object: machine.to_owned(),
            outcome: "ok".into(),
            detail: json!({ "before": before, "after": after, "files": now.files }),
            request: wire::request()?,
            ..AuditDraft::default()
        };
        self.store.audit_append(vec![draft]).await?;
        Ok(())
    }

    /// The last checkpoint and the last count, when nothing else runs any more.
    pub(crate) async fn finish(&self) {
        self.sign().await;
        if let Err(error) = self.keys.save_uses() {
            let error = anyhow::Error::from(error);
            tracing::error!(code = "keys.unreadable", "the key ring: {error:#}");
        }
    }
}
