//! The one place where everything meets: for the command, and for the stages of tests, which serve
//! the same platform under a clock of their own.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use kernel_api::Web;
use kernel_crypto::keys::{KeyRing, KeyRingError};
use kernel_host::clock::{Clock, SystemClock};
use kernel_host::{Engines, Ground, Host, KeptCode, Limits};
use kernel_identity::demo::{self, Demo, DemoLogin};
use kernel_identity::first::{self, FirstLogin};
use kernel_identity::session::{SessionPolicy, Sessions};
use kernel_storage::backup::RESTORING;
use kernel_storage::{BlobStore, CheckpointFolder, Store, StoreUrl};

use crate::config::{self as settings, City, Config};
use crate::evidence::Configured;
use crate::forward::Forward;
use crate::lists::Lists;
use crate::sntp::ClockCheck;

/// The demo city of this repository.
const DEMO: &str = include_str!("../../../host-config/demo.toml");

/// Where the data is.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// Data folder: uploads, compiled code and, unless the options below say otherwise, keys and
    /// database.
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// `sqlite:PATH` or `postgres://…`; a SQLite file in the data folder when absent.
    #[arg(long)]
    pub database: Option<String>,
    /// Folder of the key ring; `keys` in the data folder when absent.
    #[arg(long)]
    pub keys: Option<PathBuf>,
    /// TOML; `host-config/reference.toml` shows every key. It says where files lie, too.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// What every command that touches data needs.
pub struct Opened {
    pub keys: Arc<KeyRing>,
    pub store: Store,
    pub blobs: BlobStore,
    config: Config,
    place: Place,
}

/// What is served, and from where.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Folder of plugins: `<name>/{plugin.toml,component.wasm}`.
    pub plugins: PathBuf,
    /// Folder of compiled code; `code` in the data folder when absent.
    pub code: Option<PathBuf>,
    /// With demo organisations, users and data.
    pub demo: bool,
}

/// Everything that serves, ready to.
pub struct Platform {
    pub host: Host,
    pub store: Store,
    /// Of the demo users, if there are any.
    pub logins: Vec<DemoLogin>,
    /// Of the administrators that this first start has made; to be shown once.
    pub first: Vec<FirstLogin>,
    pub(crate) sessions: Sessions,
    config: Config,
    city: City,
}

impl Opened {
    /// Refuses while some files are not where the configuration says that they are.
    pub(crate) async fn gathered(&self) -> Result<()> {
        let behind = self.blobs.behind().await?;
        ensure!(
            behind == 0,
            "{behind} files in {} have yet to move into the bucket: `rongqiao serve` moves them as \
             it starts",
            self.place.data.display()
        );
        Ok(())
    }

    /// Ends a command.
    pub(crate) async fn close(self) {
        if let Err(error) = self.keys.save_uses() {
            tracing::warn!("{:#}", anyhow::Error::from(error));
        }
        self.store.close().await;
    }
}

/// The `SQLite` file's name in the data folder.
pub(crate) const SQLITE: &str = "rongqiao.sqlite";

/// Opens keys, database and uploads. The cryptography proves itself first: a machine on which the
/// standard vectors fail serves nothing.
pub async fn open(place: &Place) -> Result<Opened> {
    let (data, config) = (&place.data, config(place)?);
    std::fs::create_dir_all(data).with_context(|| format!("{} cannot be made", data.display()))?;
    let keys = keys(place, KeyRing::open_or_create).await?;
    let store = Store::open(&url(place)?, Arc::clone(&keys))
        .await
        .context("the database cannot be opened")?;
    opened(place, config, keys, store)
}

/// Opens what exists and changes none of it: for a look beside the process that serves.
pub(crate) async fn open_reading(place: &Place) -> Result<Opened> {
    let config = config(place)?;
    let keys = existing_keys(place).await?;
    let store = Store::open_reading(&url(place)?, Arc::clone(&keys))
        .await
        .context("the database cannot be opened")?;
    opened(place, config, keys, store)
}

fn opened(place: &Place, config: Config, keys: Arc<KeyRing>, store: Store) -> Result<Opened> {
    let (folder, ring) = (place.data.join("blobs"), Arc::clone(&keys));
    let blobs = match config.bucket()? {
        None => BlobStore::open(folder, ring),
        Some(bucket) => BlobStore::in_bucket(&bucket, &folder, ring),
    };
    Ok(Opened {
        keys,
        store,
        blobs: blobs.context("files cannot be opened")?,
        config,
        place: place.clone(),
    })
}

/// Held while a process serves. An `SQLite` file has one server: a second would not see the first
/// one's switches and caches at once, and would wait for every write. Commands that end soon may run
/// beside it. `PostgreSQL` takes any number of servers.
pub(crate) fn sole(place: &Place) -> Result<Option<File>> {
    let StoreUrl::Sqlite(path) = url(place)? else {
        return Ok(None);
    };
    let mut name = path.into_os_string();
    name.push(".serving");
    let path = PathBuf::from(name);
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| File::options().create(true).append(true).open(&path))
        .with_context(|| format!("{} cannot be made", path.display()))
        .and_then(|file| match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => bail!(
                "another server serves this SQLite file (it holds {}): stop it first, or use \
                 PostgreSQL for several",
                path.display()
            ),
            Err(TryLockError::Error(error)) => Err(error.into()),
        })
}

impl Platform {
    /// Installs everything and has it ready to serve.
    pub async fn start(opened: Opened, clock: Arc<dyn Clock>, setup: Setup) -> Result<Self> {
        let Opened {
            keys,
            store,
            blobs,
            config,
            place,
        } = opened;
        let city = config.city()?;
        let now = clock.now().micros();
        store
            .apply(&kernel_identity::module::definition(), now)
            .await?;
        let policy = SessionPolicy {
            clearances: city.clearances(),
            ..config.sessions(setup.demo)?
        };
        let sessions = Sessions::new(store.clone(), Arc::clone(&keys), policy);
        let (mut logins, mut first) = (Vec::new(), Vec::new());
        if setup.demo {
            let demo: Demo = toml::from_str(DEMO)?;
            logins = demo::apply(&store, &sessions, &demo, &place.data, now).await?;
        } else {
            let operator = config.operator();
            first = first::administrators(&store, &sessions, operator, now).await?;
        }
        let posts = kernel_identity::posts::give_first(&store, now).await?;
        if posts > 0 {
            tracing::info!(posts, "everybody has a post in their organisation now");
        }
        let folder = setup.code.unwrap_or_else(|| place.data.join("code"));
        let code = KeptCode::open(&folder, Arc::clone(&keys))
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        if let Err(error) = blobs.reach().await {
            // All else is served; a file is asked for anew each time.
            let error = anyhow::Error::from(error);
            tracing::error!(alarm = "files", "files cannot be stored or read: {error:#}");
        }
        let host = Host::start(Ground {
            store: store.clone(),
            keys,
            blobs,
            clock,
            engines: Engines::keeping(Arc::new(code))?,
            scanner: config.scanner()?,
            stamping: config.stamping()?,
            plugins: setup.plugins,
            regions: city.regions.clone(),
            roles: city.roles(),
            sessions: sessions.clone(),
            limits: Limits {
                export_without_approval: config.exports.without_approval,
                job_file_days: config.jobs.file_days,
                key_hours: config.key_hours(),
                retention: config.retention.days.clone(),
                notice_days: config.notices.days,
                unusual: config.audit.unusual,
            },
            demo: setup.demo,
        })
        .await?;
        Ok(Self {
            host,
            store,
            logins,
            first,
            sessions,
            config,
            city,
        })
    }

    /// Of the configuration file, none where the defaults hold, and of the files that it names.
    pub(crate) fn configured(&self) -> Configured {
        Configured {
            digest: self.config.digest(),
            files: self.config.files(),
        }
    }

    /// Where checkpoints of the audit trail go, off the machine.
    pub(crate) fn checkpoint_folder(&self) -> Option<CheckpointFolder> {
        self.config.audit.checkpoint_folder()
    }

    /// The lists of what the authority for time stamps took back, if any are read.
    pub(crate) fn stamp_lists(&self) -> Result<Option<Lists>> {
        self.config.stamp_lists()
    }

    /// The lists of what authorities outside took back, if any are read.
    pub(crate) fn lists(&self) -> Result<Option<Lists>> {
        self.config.lists()
    }

    /// Hands the trail on, if anybody collects it.
    pub(crate) fn forward(&self) -> Result<Option<Forward>> {
        let Some((collector, sender)) = self.config.forward(&machine())? else {
            return Ok(None);
        };
        Ok(Some(Forward {
            host: self.host.clone(),
            collector,
            sender,
            holder: kernel_crypto::random::token_hex(8)?,
        }))
    }

    /// Compares the clock with another's, if one is named.
    pub(crate) fn clock_check(&self) -> Option<ClockCheck> {
        self.config.clock.check(Arc::clone(self.host.clock()))
    }

    /// The whole web face. Serve it with connection info.
    pub fn router(&self) -> Result<Router> {
        Ok(kernel_api::router(self.web()?))
    }

    /// Of a server that serves nobody: whether it is well.
    pub(crate) fn probe(&self) -> Result<Router> {
        Ok(kernel_api::probe(self.web()?))
    }

    fn web(&self) -> Result<Web> {
        Ok(Web::new(
            self.host.clone(),
            self.sessions.clone(),
            self.config.web(self.city.clone())?,
        ))
    }
}

/// As [`open`], for commands that are about what is there: a mistyped folder is refused, not made.
pub(crate) async fn existing(place: &Place) -> Result<Opened> {
    existing_keys(place).await?;
    open(place).await
}

/// The configuration, or the defaults.
pub(crate) fn config(place: &Place) -> Result<Config> {
    Config::read(place.config.as_deref())
}

/// The key ring of a data folder that has one.
pub(crate) async fn existing_keys(place: &Place) -> Result<Arc<KeyRing>> {
    keys(place, KeyRing::open_existing).await
}

async fn keys(
    place: &Place,
    open: fn(&Path, Option<&[u8]>) -> Result<KeyRing, KeyRingError>,
) -> Result<Arc<KeyRing>> {
    kernel_crypto::self_test().context("the cryptographic self-test failed")?;
    ensure!(
        !place.data.join(RESTORING).exists(),
        "{} is half restored: run the same restore again, it ends what was begun",
        place.data.display()
    );
    let folder = keys_folder(place);
    // Deriving the root key is slow on purpose, so not on a thread that serves.
    let keys = tokio::task::spawn_blocking(move || {
        open(
            &folder,
            settings::passphrase().as_deref().map(str::as_bytes),
        )
    })
    .await?
    .context("the key ring cannot be opened")?;
    Ok(Arc::new(keys))
}

/// Where the key ring is.
pub(crate) fn keys_folder(place: &Place) -> PathBuf {
    let own = place.keys.clone();
    own.unwrap_or_else(|| place.data.join("keys"))
}

/// Where the database is.
pub(crate) fn url(place: &Place) -> Result<StoreUrl> {
    Ok(match &place.database {
        Some(url) => url.parse()?,
        None => StoreUrl::Sqlite(place.data.join(SQLITE)),
    })
}

/// What this machine is called; empty where it does not say.
pub(crate) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}

/// A request id for what a command records.
pub(crate) fn request() -> Result<String> {
    Ok(format!("cli-{}", kernel_crypto::random::token_hex(8)?))
}

/// What a command records as the moment it ran, in microseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemClock::default().now().micros()
}
