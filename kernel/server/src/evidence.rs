//! What runs beside serving so that the evidence holds: checkpoints signed and taken off the machine,
//! key changes of other processes noticed, key uses counted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kernel_crypto::keys::KeyRing;
use kernel_host::clock::Clock;
use kernel_storage::{CheckpointFolder, Store};

/// Between two checkpoints at most, while there is something to sign.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// Between two looks at the key ring's file.
const KEYS: Duration = Duration::from_secs(2);
/// Looks between two saves of the keys' uses.
const SAVES: u32 = 30;

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

    /// The last checkpoint and the last count, when nothing else runs any more.
    pub(crate) async fn finish(&self) {
        self.sign().await;
        if let Err(error) = self.keys.save_uses() {
            let error = anyhow::Error::from(error);
            tracing::error!(code = "keys.unreadable", "the key ring: {error:#}");
        }
    }
}
