//! `rongqiao backup` and `rongqiao restore`

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kernel_crypto::recovery::{RecoveryKey, Secret};
use kernel_host::clock::{Clock as _, SystemClock};
use kernel_storage::StoreUrl;
use kernel_storage::backup::{self, Backup, BackupError, Database, Restore, Summary};

use super::say;
use crate::wire::Place;
use crate::{config, wire};

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    place: Place,
    /// The backup; must not exist. Without `RONGQIAO_PASSPHRASE` its recovery key goes to FILE.key.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    file: PathBuf,
    /// The new data folder: absent or empty.
    #[arg(long, required_unless_present = "check")]
    data: Option<PathBuf>,
    /// `postgres://…`, an empty database; an `SQLite` file in the data folder when absent.
    #[arg(long)]
    database: Option<String>,
    /// File of the recovery key, for a backup that no passphrase locks; FILE.key when absent.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Only read the backup to its end and say whether it is whole.
    #[arg(long)]
    check: bool,
}

impl BackupArgs {
    pub(super) async fn run(self) -> Result<()> {
        if self.out.exists() {
            return Err(BackupError::Exists(self.out).into());
        }
        let ground = wire::open_reading(&self.place).await?;
        ground.gathered().await?;
        let clock = SystemClock::default();
        let passphrase = config::passphrase();
        let (recovery, kept) = (RecoveryKey::generate()?, key_file(&self.out));
        let secret = if let Some(passphrase) = &passphrase {
            Secret::Passphrase(passphrase.as_bytes())
        } else {
            // Before the backup: one whose key was lost would be worse than none.
            keep(&kept, &recovery)?;
            Secret::Key(&recovery)
        };
        let job = Backup {
            id: kernel_crypto::random::token_hex(16)?,
            at: clock.now().micros(),
            version: env!("CARGO_PKG_VERSION"),
            secret,
            keys: &wire::keys_folder(&self.place),
            blobs: &ground.blobs,
        };
        let made = ground.store.backup(&job, &self.out).await;
        ground.store.close().await;
        if made.is_err() && passphrase.is_none() {
            std::fs::remove_file(&kept)
                .with_context(|| format!("{} is left and opens nothing", kept.display()))?;
        }
        let made = made?;
        report(&made, &self.out);
        say(match passphrase {
            Some(_) => {
                "opens    with the passphrase of the key ring; nothing of this machine".into()
            }
            None => format!(
                "opens    with {}: keep it apart from the backup, and safe",
                kept.display()
            ),
        });
        if !made.missing.is_empty() {
            bail!(
                "the backup is made, but {} listed files are not in it, for they were not found: \
                 `rongqiao doctor` names those that records need; is --config the server's?",
                made.missing.len()
            );
        }
        Ok(())
    }
}

impl RestoreArgs {
    pub(super) async fn run(self) -> Result<()> {
        let passphrase = config::passphrase();
        let kept = self.key.clone().unwrap_or_else(|| key_file(&self.file));
        let recovery = match std::fs::read_to_string(&kept) {
            Ok(text) => {
                let key = RecoveryKey::from_text(&text);
                Some(key.with_context(|| format!("{} holds no recovery key", kept.display()))?)
            }
            Err(error) if self.key.is_some() => {
                return Err(error).with_context(|| format!("{} cannot be read", kept.display()));
            }
            Err(_) => None,
        };
        let secret = match (&recovery, &passphrase) {
            (Some(key), _) => Some(Secret::Key(key)),
            (None, Some(passphrase)) => Some(Secret::Passphrase(passphrase.as_bytes())),
            (None, None) => None,
        };
        if self.check {
            report(&backup::check(&self.file, secret)?, &self.file);
            return Ok(());
        }
        let Some(data) = self.data else {
            bail!("--data says where to");
        };
        let database = match self.database.as_deref().map(str::parse).transpose()? {
            None => Database::Sqlite(wire::SQLITE.to_owned()),
            Some(StoreUrl::Postgres(url)) => Database::Postgres(url),
            Some(StoreUrl::Sqlite(_)) => {
                bail!("an SQLite file is restored into the data folder; leave --database out")
            }
        };
        let job = Restore {
            file: &self.file,
            secret,
            data: &data,
            database,
            at: SystemClock::default().now().micros(),
        };
        report(&backup::restore(&job).await?, &self.file);
        say(format!("restored {}", data.display()));
        say("files    in its folder `blobs`; a server with a bucket moves them there as it starts");
        Ok(())
    }
}

fn report(summary: &Summary, file: &Path) {
    let (manifest, contents) = (&summary.manifest, &summary.contents);
    let rows: u64 = contents.tables.values().sum();
    say(format!("backup   {}", manifest.id));
    say(format!("file     {}", file.display()));
    say(format!("bytes    {}", summary.size));
    say(format!("digest   {}", summary.digest));
    say(format!("of       {} {}", manifest.engine, manifest.version));
    say(format!(
        "rows     {rows} in {} tables",
        contents.tables.len()
    ));
    say(format!(
        "files    {}, {} bytes",
        contents.files, contents.bytes
    ));
}

fn key_file(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

fn keep(path: &Path, key: &RecoveryKey) -> Result<()> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(key.to_text().as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("the recovery key {} cannot be kept", path.display()))
}
