//! A host of its own for one test: its own data and keys, a clock that stands still.

use std::path::Path;
use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_host::clock::TestClock;
use kernel_host::{Engines, Ground, Host, Limits};
use kernel_identity::principal::Principal;
use kernel_identity::session::{SessionPolicy, Sessions};
use kernel_storage::{BlobStore, Store, StoreUrl};
use sdk_contract::def::Level;
use sdk_contract::scalar::Timestamp;

/// 2026-11-23T08:00:00Z.
pub(crate) const NOW: i64 = 1_795_420_800_000_000;

/// A running host, and the folder that goes with it when the test ends.
pub(crate) struct TestHost {
    pub(crate) host: Host,
    _data: Arc<tempfile::TempDir>,
}

impl TestHost {
    /// Starts a host over a plugin folder, with demo seeds: on the `SQLite` store of a data folder, or
    /// on a `PostgreSQL` database.
    pub(crate) async fn start(
        given: (Arc<TestClock>, SessionPolicy),
        postgres: Option<String>,
        data: Arc<tempfile::TempDir>,
        plugins: &Path,
        engines: Engines,
    ) -> Self {
        Self::limited(given, postgres, data, plugins, engines, Limits::default()).await
    }

    /// The same within other limits.
    pub(crate) async fn limited(
        (clock, policy): (Arc<TestClock>, SessionPolicy),
        postgres: Option<String>,
        data: Arc<tempfile::TempDir>,
        plugins: &Path,
        engines: Engines,
        limits: Limits,
    ) -> Self {
        let url = match postgres {
            Some(url) => StoreUrl::Postgres(url),
            None => StoreUrl::Sqlite(data.path().join("store.db")),
        };
        let keys = Arc::new(KeyRing::open_or_create(&data.path().join("keys"), None).unwrap());
        let store = Store::open(&url, Arc::clone(&keys)).await.unwrap();
        let ground = Ground {
            sessions: Sessions::new(store.clone(), Arc::clone(&keys), policy),
            store,
            blobs: BlobStore::open(data.path().join("blobs"), Arc::clone(&keys)).unwrap(),
            keys,
            clock,
            engines,
            scanner: None,
            stamping: None,
            plugins: plugins.to_owned(),
            regions: [("310115", "浦东新区"), ("310104", "徐汇区")]
                .map(|(code, name)| (code.to_owned(), name.into()))
                .into(),
            roles: std::collections::BTreeMap::new(),
            limits,
            demo: true,
        };
        Self {
            host: Host::start(ground).await.unwrap(),
            _data: data,
        }
    }
}

/// A clock that stands still until it is moved, and nobody needs a second factor.
pub(crate) fn usual() -> (Arc<TestClock>, SessionPolicy) {
    let clock = Arc::new(TestClock::at(Timestamp(NOW)));
    (clock, SessionPolicy::default().for_trying_out())
}

/// A signed-in person with one role, cleared for everything.
pub(crate) fn person(role: &str) -> Principal {
    Principal {
        user: Some("01930000-0000-7000-8000-00000000f001".into()),
        name: "何试之".into(),
        roles: vec![role.into()],
        clearance: Level::L4,
        request: "test".into(),
        ..Principal::anonymous()
    }
}
