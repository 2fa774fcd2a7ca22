//! The one place where everything meets.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use kernel_crypto::keys::KeyRing;
use kernel_host::clock::{Clock, SystemClock};
use kernel_storage::{BlobStore, Store, StoreUrl};

use crate::commands::Place;
use crate::config;

/// What every command that touches data needs.
pub(crate) struct Opened {
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) store: Store,
    pub(crate) blobs: BlobStore,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens keys, database and uploads. The cryptography proves itself first: a machine on which the
/// standard vectors fail serves nothing.
pub(crate) async fn open(place: &Place) -> Result<Opened> {
    kernel_crypto::self_test().context("the cryptographic self-test failed")?;
    let data = place.data.clone();
    std::fs::create_dir_all(&data).with_context(|| format!("{} cannot be made", data.display()))?;
    let folder = data.join("keys");
    // Deriving the key-encryption key is slow on purpose, so not on a thread that serves.
    let keys = tokio::task::spawn_blocking(move || {
        KeyRing::open_or_create(&folder, config::passphrase().as_deref().map(str::as_bytes))
    })
    .await?
    .context("the key ring cannot be opened")?;
    let keys = Arc::new(keys);
    let url: StoreUrl = match &place.database {
        Some(url) => url.parse()?,
        None => StoreUrl::Sqlite(data.join("rongqiao.sqlite")),
    };
    let store = Store::open(&url, Arc::clone(&keys))
        .await
        .context("the database cannot be opened")?;
    let blobs = BlobStore::open(data.join("blobs"), Arc::clone(&keys))
        .context("uploads cannot be opened")?;
    Ok(Opened {
        keys,
        store,
        blobs,
        clock: Arc::new(SystemClock::default()),
    })
}
