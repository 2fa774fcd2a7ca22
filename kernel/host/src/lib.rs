//! Runs plugins and scoring models, and is the only way to them.
//!
//! A plugin's life: read `plugin.toml` → inspect the component's imports ([`inspect`]) → compile →
//! `describe()` sealed, twice ([`guest`]) → validate
//! ([`sdk_contract::validate`]) → tables → seeds → serve. Every
//! call goes through [`Host::page`] or [`Host::act`]: enablement, permission, row scope, legal
//! transition and input are checked before a guest runs, its writes after; then one commit makes
//! the writes, the flow step, the audit record and the idempotency key durable together.
//!
//! The native modules ([`console`], [`platform`], [`access`], [`data`]) stand behind the same trait, so there is one
//! dispatch path. `wasmtime` is named only here. Deliberately absent: any business noun, HTTP, HTML.

mod abi;
mod access;
mod account;
mod capabilities;
mod catalog;
pub mod clock;
mod code;
mod collect;
mod console;
mod data;
mod dispatch;
mod effects;
mod engine;
mod files;
mod guest;
mod history;
mod inspect;
mod install;
mod look;
mod mask;
pub mod measure;
pub mod models;
mod module;
mod notices;
pub mod outgoing;
mod platform;
mod plugin_toml;
pub mod quality;
mod reads;
pub mod scan;
mod schedules;
mod signatures;
mod signing;
mod sniff;
mod step_up;
pub mod timestamps;
mod transfer;
mod uploads;
mod values;
mod watch;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use kernel_crypto::keys::KeyRing;
use kernel_identity::session::Sessions;
use kernel_storage::{BlobStore, Store};
use sdk_contract::def::Label;
use serde::Deserialize;
use tokio_util::task::TaskTracker;

pub use account::PAGE as ACCOUNT_PAGE;
pub use catalog::{Catalog, Enabled, Installed, Matched};
use clock::Clock;
pub use code::{CodeCounts, KeptCode};
pub use collect::Collected;
pub use console::Stand;
pub use dispatch::Act;
pub use engine::{EngineError, Engines, Sandbox};
pub use files::RecordFile;
pub use guest::DescribeError;
pub use history::Past;
pub use inspect::{InspectError, Surface, admit, surface};
pub use install::InstallError;
pub use kernel_storage::is_id;
pub use look::{Look, Shown, Sought, Waiting};
pub use notices::{MOST_NOTICES, Noticed, Unread};
pub use platform::{SESSIONLESS_PAGES, TERMS as TERMS_PAGE};
pub use plugin_toml::ManifestError;
pub use reads::{chain, listing};
pub use signatures::Signature;
pub use signing::{Proof, SignedCall};
pub use transfer::{Format, Lane, creating};
pub use uploads::{Progress, UploadRef};

/// How much one person may do alone, and how long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Rows that one person may export without another's approval.
    pub export_without_approval: u64,
    /// Days for which the files of an import or export can be fetched once it is over.
    pub job_file_days: u32,
    /// Hours for which an idempotency key is known at the least.
    pub key_hours: u32,
    /// Days that records of a collection are kept, by its full name, instead of those declared.
    pub retention: BTreeMap<String, NonZeroU32>,
    /// Days for which people find what they were told.
    pub notice_days: u32,
    pub unusual: Unusual,
}

/// When somebody's reading of other parties' data in a day is out of the ordinary: there is as much of
/// it as is said here, and it is more than so many times what is usual for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unusual {
    /// Parties whose data was read; 0 is never, for each of the three.
    pub parties: u32,
    /// Looks at masked values.
    pub looks: u32,
    /// What was refused.
    pub refused: u32,
    pub times: u32,
}

impl Default for Unusual {
    fn default() -> Self {
        Self {
            parties: 100,
            looks: 20,
            refused: 50,
            times: 3,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            export_without_approval: 1000,
            job_file_days: 7,
            key_hours: 24,
            retention: BTreeMap::new(),
            notice_days: 180,
            unusual: Unusual::default(),
        }
    }
}

/// What the host stands on.
pub struct Ground {
    pub store: Store,
    pub keys: Arc<KeyRing>,
    pub blobs: BlobStore,
    pub clock: Arc<dyn Clock>,
    pub engines: Engines,
    /// Whose accounts the native module `platform` looks after.
    pub sessions: Sessions,
    /// What uploads are scanned with; without it they are not.
    pub scanner: Option<scan::Clamd>,
    /// Who says when signatures were there; without it nobody but the platform.
    pub stamping: Option<timestamps::Stamping>,
    /// Holds `<name>/{plugin.toml,component.wasm}`.
    pub plugins: PathBuf,
    /// The deployment's districts, by GB/T 2260 code; without any, every code is taken.
    pub regions: BTreeMap<String, Label>,
    /// Roles as people call them, by name.
    pub roles: BTreeMap<String, Label>,
    pub limits: Limits,
    /// Insert modules' demo seeds.
    pub demo: bool,
}

/// Handle to the running host; cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    ground: Ground,
    catalog: RwLock<Arc<Catalog>>,
    /// Held from reading the stored switches until the catalogue agrees with them, so that an older
    /// look never overwrites a newer one.
    switches: tokio::sync::Mutex<()>,
    /// Held while the designed collections are made what was approved.
    designs: tokio::sync::Mutex<()>,
    models: models::Pool,
    tasks: TaskTracker,
    /// Changes when a job may be there to work on.
    jobs: tokio::sync::watch::Sender<()>,
}

impl Host {
    /// Installs the console and every plugin of the plugin folder. The live models follow in the
    /// background.
    pub async fn start(ground: Ground) -> Result<Self, InstallError> {
        let models = models::Pool::new(ground.engines.models.clone());
        let host = Self(Arc::new(Inner {
            ground,
            catalog: RwLock::default(),
            switches: tokio::sync::Mutex::default(),
            designs: tokio::sync::Mutex::default(),
            models,
            tasks: TaskTracker::new(),
            jobs: tokio::sync::watch::Sender::new(()),
        }));
        host.adopt_files().await.map_err(InstallError::Files)?;
        host.install_native().await?;
        host.install_all().await?;
        host.refresh_classified().await?;
        let models = host.clone();
        host.tasks()
            .spawn(async move { models.prepare_models().await });
        Ok(host)
    }

    /// The modules as they are now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(
            &self
                .0
                .catalog
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// Puts a changed catalogue in place.
    fn change_catalog(&self, change: impl FnOnce(&mut Catalog)) {
        let mut current = self
            .0
            .catalog
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut next = Catalog {
            modules: current.modules.clone(),
        };
        change(&mut next);
        *current = Arc::new(next);
    }

    pub fn store(&self) -> &Store {
        &self.0.ground.store
    }
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.0.ground.keys
    }
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.ground.clock
    }
    fn engines(&self) -> &Engines {
        &self.0.ground.engines
    }
    fn blobs(&self) -> &BlobStore {
        &self.0.ground.blobs
    }
    fn scanner(&self) -> Option<&scan::Clamd> {
        self.0.ground.scanner.as_ref()
    }
    pub fn stamping(&self) -> Option<&timestamps::Stamping> {
        self.0.ground.stamping.as_ref()
    }
    fn regions(&self) -> &BTreeMap<String, Label> {
        &self.0.ground.regions
    }
    fn roles(&self) -> &BTreeMap<String, Label> {
        &self.0.ground.roles
    }
    fn limits(&self) -> &Limits {
        &self.0.ground.limits
    }
    fn sessions(&self) -> &Sessions {
        &self.0.ground.sessions
    }
    /// Changes whenever a job may be there for [`Host::run_jobs`].
    pub fn jobs_wake(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.jobs.subscribe()
    }
    fn wake_jobs(&self) {
        self.0.jobs.send_replace(());
    }
    /// Background work the host started; wait for it at shutdown.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
    pub fn models(&self) -> &models::Pool {
        &self.0.models
    }
}

#[async_trait::async_trait]
impl kernel_messaging::Deliver for Host {
    async fn deliver(&self, event: &sdk_contract::call::Event) -> Result<(), String> {
        for module in self.listeners(&event.name) {
            Self::deliver(self, &module, event)
                .await
                .map_err(|fault| format!("{module}: {fault}"))?;
        }
        Ok(())
    }

    fn now(&self) -> i64 {
        self.clock().now().micros()
    }
}
