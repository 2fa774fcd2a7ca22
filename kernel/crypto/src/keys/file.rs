//! The ring's file: what it looks like, who may read it, and how it is written so that a crash
//! leaves either the old ring or the new one.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::custody::{Custodian, Request};
use super::kek::Source;
use super::kms::Kms;
use super::{KeyKind, KeyRingError, KeyState, Secret};
use crate::canonical;
use crate::random;
use crate::sm3::Digest32;

pub(super) const FORMAT: &str = "rongqiao-keyring-2";
const MAC_TAG: &[u8] = b"rongqiao.keyring.mac.2\0";

/// The file's content, complete.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    pub(super) format: String,
    /// Names this ring in labels and requests.
    pub(super) ring: String,
    pub(super) root: Source,
    /// Wrapped under the root key, to tell a wrong passphrase from damage.
    #[serde(with = "hex::serde")]
    pub(super) check: Vec<u8>,
    /// The next key's number; numbers are never used again.
    pub(super) next: u32,
    pub(super) keys: Vec<StoredKey>,
    pub(super) custodians: Vec<Custodian>,
    pub(super) requests: Vec<Request>,
    /// What users of the ring have noted in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) notes: BTreeSet<String>,
}

/// A key of the ring, of any state.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredKey {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) kind: KeyKind,
    pub(super) state: KeyState,
    /// When it was made, in microseconds since the epoch; unknown for a ring's first keys.
    pub(super) since: Option<i64>,
    /// When it stopped sealing or signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retired: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destroyed: Option<i64>,
    /// How often it sealed, signed, decrypted or made a code, up to the last save.
    pub(super) uses: u64,
    /// Opens values from before sealed values carried key numbers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unnumbered: bool,
    /// The wrapped key or the device's name of it, in hex; gone once destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) material: Option<String>,
    /// The public half of a key of SM2, PEM; stays for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) public: Option<String>,
}

/// The content with its code.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    content: Content,
    mac: Digest32,
}

/// Which file was read: it changes with every save, for a save is a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

/// A ring's folder, held under an exclusive lock until dropped.
pub(super) struct Locked {
    path: PathBuf,
    _lock: File,
}

impl Content {
    fn mac(&self, kms: &dyn Kms, path: &Path) -> Result<Digest32, KeyRingError> {
        let value = serde_json::to_value(self).map_err(malformed(path))?;
        Ok(kms.mac(&[MAC_TAG, &canonical::to_vec(&value)].concat())?)
    }
}

impl Stamp {
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let data = std::fs::metadata(file_in(dir)).ok()?;
        Some(Self {
            inode: data.ino(),
            modified: (data.mtime(), data.mtime_nsec()),
            size: data.len(),
        })
    }
}

impl Locked {
    /// Makes the folder (0700) when there is none, and keeps other processes out of it.
    pub(super) fn folder(dir: &Path) -> Result<Self, KeyRingError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io_error("create", dir))?;
        Ok(Self {
            path: file_in(dir),
            _lock: lock(&dir.join("keys.lock"))?,
        })
    }

    /// The file's bytes; none when there is no ring yet.
    pub(super) fn bytes(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyRingError> {
        read(&self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the ring.
    pub(super) fn save(&self, content: &Content, kms: &dyn Kms) -> Result<(), KeyRingError> {
        let sealed = Sealed {
            content: content.clone(),
            mac: content.mac(kms, &self.path)?,
        };
        let mut text = serde_json::to_vec_pretty(&sealed).map_err(malformed(&self.path))?;
        text.push(b'\n');
        write_atomically(&self.path, &text)
    }
}

pub(super) fn file_in(dir: &Path) -> PathBuf {
    dir.join("keys.json")
}

/// The format a file says it has, and its whole as JSON.
pub(super) fn format(
    path: &Path,
    bytes: &[u8],
) -> Result<(String, serde_json::Value), KeyRingError> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed(path))?;
    let format = value.get("format").and_then(|format| format.as_str());
    Ok((format.unwrap_or_default().to_owned(), value))
}

/// Reads a ring's content and the code that protects it.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<(Content, Digest32), KeyRingError> {
    // The format first, so that a newer file is called newer and not broken.
    let (found, value) = format(path, bytes)?;
    if found != FORMAT {
        let path = path.to_owned();
        return Err(KeyRingError::Format { path, found });
    }
    let Sealed { content, mac } = serde_json::from_value(value).map_err(malformed(path))?;
    Ok((content, mac))
}

/// Whether the content is as the holder of the root key wrote it.
pub(super) fn check_mac(
    path: &Path,
    content: &Content,
    mac: Digest32,
    kms: &dyn Kms,
) -> Result<(), KeyRingError> {
    if content.mac(kms, path)? == mac {
        Ok(())
    } else {
        let path = path.to_owned();
        Err(KeyRingError::Altered { path })
    }
}

pub(super) fn malformed(path: &Path) -> impl Fn(serde_json::Error) -> KeyRingError {
    let path = path.to_owned();
    move |source| KeyRingError::Malformed {
        path: path.clone(),
        source,
    }
}

/// The key file's secret. One left by a creation that did not finish is used.
pub(super) fn read_or_write_key_file(ring: &Path) -> Result<Secret, KeyRingError> {
    if let Some(secret) = read_key_file(ring)? {
        return Ok(secret);
    }
    let secret = random::array()?;
    write_atomically(
        &key_file(ring),
        Zeroizing::new(hex::encode(*secret)).as_bytes(),
    )?;
    Ok(secret)
}

pub(super) fn read_key_file(ring: &Path) -> Result<Option<Secret>, KeyRingError> {
    let Some(text) = read(&key_file(ring))? else {
        return Ok(None);
    };
    // Whole or refused: an emptied file must not become a guessable key.
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), &mut *secret)
        .map_err(|_| KeyRingError::KeyFileWrong)?;
    Ok(Some(secret))
}

/// Where the key file lies beside the ring's file.
pub(super) fn key_file(ring: &Path) -> PathBuf {
    ring.with_file_name("kek")
}

/// Keeps other processes out while the ring is read and completed.
fn lock(path: &Path) -> Result<File, KeyRingError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(io_error("open", path))?;
    file.lock().map_err(io_error("lock", path))?;
    Ok(file)
}

/// Reads a private file whole; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyRingError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mode = file
        .metadata()
        .map_err(io_error("inspect", path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyRingError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)
        .map_err(io_error("read", path))?;
    Ok(Some(bytes))
}

/// Writes a private file so that it is either whole or not there. Call under the lock.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), KeyRingError> {
    let temporary = path.with_extension("new");
    // Left by a crash; it may have any mode, so it is not reused.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &temporary)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(io_error("create", &temporary))?;
    file.write_all(bytes)
        .map_err(io_error("write", &temporary))?;
    file.sync_all().map_err(io_error("sync", &temporary))?;
    std::fs::rename(&temporary, path).map_err(io_error("replace", path))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    // The new name is durable only once its folder is.
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync", dir))
}

pub(super) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> KeyRingError {
    let path = path.to_owned();
    move |source| KeyRingError::Io {
        action,
        path,
        source,
    }
}
