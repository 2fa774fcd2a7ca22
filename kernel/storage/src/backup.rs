//! Backups: one sealed file with every table, every blob and the key ring, of either engine.
//!
//! # What a restore needs
//!
//! The file, and what locked it ([`Secret`]): the passphrase of the key ring at that time or, where
//! the ring has none, the recovery key that was made with the backup and must be kept apart from
//! it. Nothing of the lost machine.
//!
//! # The file
//!
//! ```text
//! "rongqiao-backup-1\n" ‖ length (4, big-endian) ‖ lock (JSON) ‖ SM3 of all before (32)
//! ‖ sealed stream
//! ```
//!
//! The [`Lock`](kernel_crypto::recovery::Lock) holds the key of the
//! [stream](kernel_crypto::stream), so an exchanged lock opens nothing. Inside the stream are
//! frames, `kind (1) ‖ length (4, big-endian) ‖ body`:
//!
//! | kind | body | where |
//! |---|---|---|
//! | `m` | manifest: id, time, engine, migrations | first |
//! | `t` | a table's name, columns and primary key | |
//! | `r` | a row: JSON array; bytes as `{"b": base64}` | after its table, in key order |
//! | `f` | a file's name: `keys/…` or `blobs/…` | |
//! | `d` | bytes of the file before | |
//! | `e` | rows of each table, digest of each collection, files | last |
//!
//! Rows are in words of no engine, so a backup of one restores into the other. Keys are in it only
//! as the ring keeps them, wrapped; blobs and encrypted fields as they lie, sealed.
//!
//! # One moment
//!
//! All tables are read in one snapshot, so a commit is in a backup whole or not at all. Blobs are
//! written before a record can name them and the key ring only gains keys, so both are read after
//! the snapshot was taken: they hold at least what its records need.

mod dump;
mod frames;
mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use kernel_crypto::recovery::{LockError, Secret, UnlockError};
use serde::{Deserialize, Serialize};

use crate::{BlobError, StorageError};
use frames::{Frame, Reader};

pub use crate::contents::Content;
pub use dump::Backup;
pub use load::{Database, RESTORING, Restore, restore};

/// A backup was not made, or a restore changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path} could not be used")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} exists; a backup never replaces a file", .0.display())]
    Exists(PathBuf),
    #[error("{} is not a backup of this platform", .0.display())]
    NotABackup(PathBuf),
    /// Where in the file.
    #[error("the backup is damaged at byte {offset}: {what}")]
    Damaged { offset: u64, what: String },
    #[error("the backup does not open")]
    Locked(#[source] UnlockError),
    #[error("the backup cannot be locked")]
    Lock(#[source] LockError),
    #[error("the backup has migration {0}, which a newer build made; restore it with that build")]
    Newer(usize),
    #[error("{0} is not empty; restore into a new place")]
    NotEmpty(String),
    #[error("another restore into {} is running", .0.display())]
    Running(PathBuf),
    #[error("what was restored is not what was backed up: {0}")]
    Differs(String),
    #[error("the restored key ring does not open")]
    Keys(#[source] kernel_crypto::keys::KeyRingError),
    #[error("a module's tables cannot be made again: {0}")]
    Tables(String),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The head of a backup, sealed like the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub id: String,
    /// Microseconds since 1970, UTC: when the snapshot was taken.
    pub at: i64,
    /// Of the program that made it.
    pub version: String,
    pub engine: String,
    /// How many of the kernel's migrations its tables have.
    pub migrations: usize,
}

/// What a backup holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    /// By `<module>.<collection>`.
    pub collections: BTreeMap<String, Content>,
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub manifest: Manifest,
    pub contents: Contents,
    /// Bytes of the backup itself.
    pub size: u64,
    /// SM3 of the backup itself, to compare copies of it by.
    pub digest: String,
    /// Places of blobs that the tables list and where none was found as the backup was made: it is
    /// without them. Nothing is known of it when it is read.
    pub missing: BTreeSet<String>,
}

/// Reads a backup to its end: every byte authentic, everything there that its end says.
pub fn check(file: &Path, secret: Option<Secret<'_>>) -> Result<Summary, BackupError> {
    let mut reader = Reader::open(file, secret)?;
    let manifest = reader.manifest()?;
    let mut counted = Counted::default();
    loop {
        match reader.next()? {
            Frame::Table(table) => counted.table(&table.name),
            Frame::Row(_) => counted.row(),
            Frame::File(_) => counted.found.files += 1,
            Frame::Data(bytes) => counted.found.bytes += bytes.len() as u64,
            Frame::Manifest(_) => return Err(reader.damaged("a second manifest")),
            Frame::End(contents) => {
                counted.compare(&contents)?;
                reader.at_end()?;
                let (size, digest) = digest(file)?;
                return Ok(Summary {
                    manifest,
                    contents,
                    size,
                    digest,
                    missing: BTreeSet::new(),
                });
            }
        }
    }
}

/// What was seen so far, to compare with what the end of a backup says.
#[derive(Default)]
struct Counted {
    found: Contents,
    current: String,
}

impl Counted {
    fn table(&mut self, name: &str) {
        name.clone_into(&mut self.current);
        self.found.tables.insert(name.to_owned(), 0);
    }

    fn row(&mut self) {
        *self.found.tables.entry(self.current.clone()).or_default() += 1;
    }

    fn compare(&self, end: &Contents) -> Result<(), BackupError> {
        let found = &self.found;
        if found.tables != end.tables {
            return Err(BackupError::Differs("the rows of its tables".into()));
        }
        if (found.files, found.bytes) != (end.files, end.bytes) {
            return Err(BackupError::Differs("its files".into()));
        }
        Ok(())
    }
}

/// Size and SM3 of a file.
fn digest(path: &Path) -> Result<(u64, String), BackupError> {
    struct Digesting(kernel_crypto::sm3::Hasher);
    impl io::Write for Digesting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hasher = Digesting(kernel_crypto::sm3::Hasher::new());
    let size = File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .map_err(file_error(path))?;
    Ok((size, hasher.0.finish().to_string()))
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}

/// Makes a folder's names durable.
fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(file_error(path))
}
