//! The store: opening, schemas, and the way of every change to the engine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use kernel_crypto::keys::KeyRing;
use tokio::sync::{Mutex, Notify};

use crate::audit::{Gauge, Tail};
pub use crate::backend::Engine;
use crate::backend::{Conn, Db};
use crate::layout::Stored;
use crate::schema::Registry;
use crate::totals::Totals;
use crate::write::Work;
use crate::writer::{Lane, Writer};
use crate::{Commit, CommitError, Committed, StorageError, migrate, schemas};

/// Where the data is.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    Sqlite(PathBuf),
    /// With the password; never log it.
    Postgres(String),
}

impl FromStr for StoreUrl {
    type Err = StorageError;

    /// Reads `sqlite:PATH` or `postgres://…`.
    fn from_str(s: &str) -> Result<Self, StorageError> {
        if s.starts_with("postgres://") || s.starts_with("postgresql://") {
            return Ok(Self::Postgres(s.to_owned()));
        }
        match s
            .strip_prefix("sqlite:")
            .map(|p| p.strip_prefix("//").unwrap_or(p))
        {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(StorageError::Address),
        }
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

/// An open store. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    /// None where it was opened by [`Store::open_reading`].
    writer: Option<Writer>,
    shared: Arc<Shared>,
    /// One schema change at a time.
    applying: Mutex<()>,
}

/// What statements need besides a connection.
pub(crate) struct Shared {
    pub(crate) keys: Arc<KeyRing>,
    /// Where the audit trail ends.
    pub(crate) tail: Tail,
    pub(crate) audit: Gauge,
    /// Search fields whose records were all indexed when somebody last looked.
    searched: RwLock<BTreeSet<String>>,
    registry: RwLock<Arc<Registry>>,
    wake: Notify,
    pub(crate) totals: Totals,
}

impl Shared {
    fn new(keys: Arc<KeyRing>) -> Self {
        Self {
            keys,
            tail: Tail::default(),
            audit: Gauge::default(),
            searched: RwLock::default(),
            registry: RwLock::default(),
            wake: Notify::new(),
            totals: Totals::default(),
        }
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn searched(&self, fields: BTreeSet<String>) {
        *self
            .searched
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fields;
    }

    pub(crate) fn are_searched(&self, fields: &[String]) -> bool {
        let searched = self.searched.read().unwrap_or_else(PoisonError::into_inner);
        fields.iter().all(|field| searched.contains(field))
    }

    pub(crate) fn put(&self, module: &Stored) {
        let mut registry = self
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut next = Registry::clone(&registry);
        next.put(module);
        let changed = next.tables().filter(|t| t.name.module == module.def.id);
        self.totals.wrote(changed.map(|t| &t.name));
        *registry = Arc::new(next);
    }

    /// Called once the work is durable: forgets the totals it made untrue, and tells the relay that
    /// there may be events, and the signer of new audit records.
    pub(crate) fn after(&self, work: &Work, done: &Committed) {
        self.totals
            .wrote(done.written.iter().map(|w| &w.collection));
        if !matches!(work, Work::Checkpoint(_)) && !done.audit.is_empty() {
            self.audit.wrote(done.audit.len());
        }
        if matches!(work, Work::Commit(c) if !c.events.is_empty() || !c.revived.is_empty()) {
            self.wake.notify_one();
        }
    }
}

impl Store {
    /// Opens the database, makes it if absent (`SQLite`), and brings the kernel's tables up to
    /// date. Must be called inside a tokio runtime.
    pub async fn open(url: &StoreUrl, keys: Arc<KeyRing>) -> Result<Self, StorageError> {
        let shared = Arc::new(Shared::new(keys));
        let (db, lane) = match url {
            StoreUrl::Sqlite(path) => {
                let (mut lite, db) = Db::sqlite(path).await?;
                migrate::run(&mut Conn::Lite(&mut lite)).await?;
                schemas::attest(&mut Conn::Lite(&mut lite), &shared.keys).await?;
                (db, Lane::Lite(lite))
            }
            StoreUrl::Postgres(url) => {
                let pool = Db::postgres(url).await?;
                let db = Db::Pg(pool.clone());
                migrate::run(&mut db.acquire().await?.conn()).await?;
                schemas::attest(&mut db.acquire().await?.conn(), &shared.keys).await?;
                (db, Lane::Pg(pool))
            }
        };
        let writer = Some(Writer::start(lane, Arc::clone(&shared)));
        let store = Self {
            inner: Arc::new(Inner {
                db,
                writer,
                shared,
                applying: Mutex::default(),
            }),
        };
        store.refresh().await?;
        Ok(store)
    }

    /// Opens a database that exists to read it, also beside the process that serves it: changes
    /// nothing, and takes an older state of the kernel's tables as it is. Commits are refused.
    pub async fn open_reading(url: &StoreUrl, keys: Arc<KeyRing>) -> Result<Self, StorageError> {
        let db = match url {
            StoreUrl::Sqlite(path) => Db::sqlite_reading(path).await?,
            StoreUrl::Postgres(url) => Db::Pg(Db::postgres(url).await?),
        };
        migrate::applied(&mut db.acquire().await?.conn()).await?;
        let store = Self {
            inner: Arc::new(Inner {
                db,
                writer: None,
                shared: Arc::new(Shared::new(keys)),
                applying: Mutex::default(),
            }),
        };
        store.refresh().await?;
        Ok(store)
    }

    pub fn engine(&self) -> Engine {
        self.inner.db.engine()
    }

    /// Finishes the commits already handed over, then closes all connections.
    pub async fn close(&self) {
        if let Some(writer) = &self.inner.writer {
            writer.close().await;
        }
        self.inner.db.close();
    }

    /// Makes everything in `commit` durable at once, or nothing.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.submit(Work::Commit(Box::new(commit))).await
    }

    /// Woken, coalesced, after commits that had events.
    pub fn wake(&self) -> &Notify {
        &self.inner.shared.wake
    }

    pub(crate) fn applying(&self) -> &Mutex<()> {
        &self.inner.applying
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.inner.shared.keys
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.inner.shared.registry()
    }

    /// The one way of a change to the engine.
    pub(crate) async fn submit(&self, work: Work) -> Result<Committed, CommitError> {
        match &self.inner.writer {
            Some(writer) => writer.submit(work).await,
            None => Err(StorageError::ReadOnly.into()),
        }
    }
}
