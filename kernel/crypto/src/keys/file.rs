//! The ring's file: what it looks like, who may read it, and how it is written so that a crash
//! leaves either the old ring or the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Secret;
use super::kek::Source;
use crate::kdf::DeriveError;
use crate::random::{self, EntropyError};
use crate::sm2::Sm2Error;
use crate::sm4::{self, SealError};

const FORMAT: &str = "rongqiao-keyring-1";
/// Sealed under the KEK to tell a wrong passphrase from a damaged key.
const CHECK: &[u8] = b"rongqiao.keyring.check.1";

/// The key ring could not be opened, created or saved.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error("cannot {action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{path} may be read by others (mode {mode:o}); set it to 600")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path} is not a key ring file")]
    Malformed {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path} has format {found:?}; this program reads {expected:?}", expected = FORMAT)]
    Format { path: PathBuf, found: String },
    #[error("this key ring was created with a passphrase; give it")]
    PassphraseNeeded,
    #[error("this key ring was created without a passphrase; open it without")]
    PassphraseUnexpected,
    #[error("the passphrase is empty")]
    PassphraseEmpty,
    #[error("the passphrase is not the one this key ring was created with")]
    PassphraseWrong,
    #[error("the key file kek is damaged or does not belong to this key ring")]
    KeyFileWrong,
    #[error("key {name} in the key ring is damaged or was exchanged")]
    Damaged { name: &'static str },
    #[error("SM2 key {name} cannot be made or read")]
    Key {
        name: &'static str,
        source: Sm2Error,
    },
    #[error("the key-encryption key cannot be derived")]
    Derive(#[from] DeriveError),
    #[error("a key cannot be wrapped")]
    Wrap(#[from] SealError),
    #[error("no entropy for a key")]
    Entropy(#[from] EntropyError),
}

/// What a key is for. Bound into its wrapping, so that keys cannot be exchanged in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeyKind {
    Sm2,
    HmacSm3,
    Sm4Master,
}

/// A ring whose KEK is at hand, held under an exclusive lock until dropped.
pub(super) struct Unlocked {
    path: PathBuf,
    content: Content,
    kek: sm4::Key,
    created: BTreeSet<&'static str>,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    kek: Source,
    #[serde(with = "hex::serde")]
    check: Vec<u8>,
    keys: BTreeMap<String, Wrapped>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    kind: KeyKind,
    #[serde(with = "hex::serde")]
    wrapped: Vec<u8>,
}

impl Unlocked {
    pub(super) fn open_or_create(
        dir: &Path,
        passphrase: Option<&[u8]>,
    ) -> Result<Self, KeyRingError> {
        if passphrase.is_some_and(<[u8]>::is_empty) {
            return Err(KeyRingError::PassphraseEmpty);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io_error("create", dir))?;
        let lock = lock(&dir.join("keys.lock"))?;
        let path = dir.join("keys.json");
        let (content, kek) = match read(&path)? {
            Some(bytes) => existing(&path, &bytes, passphrase)?,
            None => fresh(&path, passphrase)?,
        };
        Ok(Self {
            path,
            content,
            kek,
            created: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// The key called `name`; made by `make` and added when the ring has none.
    pub(super) fn key(
        &mut self,
        name: &'static str,
        kind: KeyKind,
        make: impl FnOnce() -> Result<Secret, KeyRingError>,
    ) -> Result<Secret, KeyRingError> {
        if let Some(entry) = self.content.keys.get(name) {
            let opened = sm4::open(&self.kek, &aad(name, kind), &entry.wrapped).map(Zeroizing::new);
            return match opened
                .as_deref()
                .map(|bytes| <[u8; 32]>::try_from(bytes.as_slice()))
            {
                Ok(Ok(bytes)) => Ok(Zeroizing::new(bytes)),
                _ => Err(KeyRingError::Damaged { name }),
            };
        }
        let secret = make()?;
        let wrapped = sm4::seal(&self.kek, &aad(name, kind), &*secret)?;
        self.content
            .keys
            .insert(name.to_owned(), Wrapped { kind, wrapped });
        self.created.insert(name);
        Ok(secret)
    }

    pub(super) fn created(&self) -> &BTreeSet<&'static str> {
        &self.created
    }

    /// Writes the ring if a key was added.
    pub(super) fn save(&self) -> Result<(), KeyRingError> {
        if self.created.is_empty() {
            return Ok(());
        }
        let mut text =
            serde_json::to_vec_pretty(&self.content).map_err(|source| KeyRingError::Malformed {
                path: self.path.clone(),
                source,
            })?;
        text.push(b'\n');
        write_atomically(&self.path, &text)
    }
}

fn aad(name: &str, kind: KeyKind) -> Vec<u8> {
    let kind = match kind {
        KeyKind::Sm2 => "sm2",
        KeyKind::HmacSm3 => "hmac-sm3",
        KeyKind::Sm4Master => "sm4-master",
    };
    format!("rongqiao.keyring.key.1\0{name}\0{kind}").into_bytes()
}

/// Reads a ring's file and derives its KEK.
fn existing(
    path: &Path,
    bytes: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<(Content, sm4::Key), KeyRingError> {
    let malformed = |source| KeyRingError::Malformed {
        path: path.to_owned(),
        source,
    };
    // The format first, so that a newer file is called newer and not broken.
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed)?;
    if let Some(found) = value.get("format").and_then(|format| format.as_str())
        && found != FORMAT
    {
        return Err(KeyRingError::Format {
            path: path.to_owned(),
            found: found.to_owned(),
        });
    }
    let content: Content = serde_json::from_value(value).map_err(malformed)?;
    let (kek, wrong) = match (&content.kek, passphrase) {
        (Source::Argon2id { .. }, None) => return Err(KeyRingError::PassphraseNeeded),
        (Source::KeyFile, Some(_)) => return Err(KeyRingError::PassphraseUnexpected),
        (source @ Source::Argon2id { .. }, Some(passphrase)) => {
            (source.derive(passphrase)?, KeyRingError::PassphraseWrong)
        }
        (source @ Source::KeyFile, None) => {
            let path = key_file(path);
            let secret = read_key_file(&path)?
                .ok_or_else(|| io_error("read", &path)(io::Error::from(io::ErrorKind::NotFound)))?;
            (source.derive(&*secret)?, KeyRingError::KeyFileWrong)
        }
    };
    match sm4::open(&kek, CHECK, &content.check) {
        Ok(_) => Ok((content, kek)),
        Err(_) => Err(wrong),
    }
}

/// Starts an empty ring and its KEK. Only the key file, if any, is written here.
fn fresh(path: &Path, passphrase: Option<&[u8]>) -> Result<(Content, sm4::Key), KeyRingError> {
    let (source, kek) = match passphrase {
        Some(passphrase) => {
            let source = Source::passphrase(*random::array()?);
            let kek = source.derive(passphrase)?;
            (source, kek)
        }
        None => (
            Source::KeyFile,
            Source::KeyFile.derive(&*read_or_write_key_file(path)?)?,
        ),
    };
    let check = sm4::seal(&kek, CHECK, &[])?;
    let content = Content {
        format: FORMAT.to_owned(),
        kek: source,
        check,
        keys: BTreeMap::new(),
    };
    Ok((content, kek))
}

/// The key file's secret. One left by a creation that did not finish is used.
fn read_or_write_key_file(ring: &Path) -> Result<Secret, KeyRingError> {
    let path = key_file(ring);
    if let Some(secret) = read_key_file(&path)? {
        return Ok(secret);
    }
    let secret = random::array()?;
    write_atomically(&path, Zeroizing::new(hex::encode(*secret)).as_bytes())?;
    Ok(secret)
}

fn read_key_file(path: &Path) -> Result<Option<Secret>, KeyRingError> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    // Whole or refused: an emptied file must not become a guessable key.
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), &mut *secret)
        .map_err(|_| KeyRingError::KeyFileWrong)?;
    Ok(Some(secret))
}

fn key_file(ring: &Path) -> PathBuf {
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
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyRingError> {
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

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyRingError {
    let path = path.to_owned();
    move |source| KeyRingError::Io {
        action,
        path,
        source,
    }
}
