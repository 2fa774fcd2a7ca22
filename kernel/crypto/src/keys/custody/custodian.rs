//! A custodian's key file: the private half of his SM2 key under his passphrase.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Custodian;
use crate::kdf::DeriveError;
use crate::keys::kek::Source;
use crate::random::{self, EntropyError};
use crate::sm2::{SigningKey, Sm2Error, VerifyingKey};
use crate::sm4::{self, SealError};

const FORMAT: &str = "rongqiao-custodian-1";
/// Characters of a passphrase at least.
const SHORTEST: usize = 12;

/// A custodian's key, opened.
pub struct CustodianKey {
    name: String,
    signing: SigningKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    name: String,
    public: String,
    root: Source,
    #[serde(with = "hex::serde")]
    wrapped: Vec<u8>,
}

/// The key file cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum CustodianError {
    #[error("cannot {action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{path} is not a custodian's key file")]
    Malformed { path: PathBuf },
    #[error("the passphrase has fewer than {SHORTEST} characters")]
    PassphraseShort,
    #[error("the passphrase does not open this key file, or the file is damaged")]
    PassphraseWrong,
    #[error("an SM2 key cannot be made or read")]
    Sm2(#[from] Sm2Error),
    #[error("the key cannot be derived from the passphrase")]
    Derive(#[from] DeriveError),
    #[error("the key cannot be wrapped")]
    Wrap(#[from] SealError),
    #[error("no entropy for a key")]
    Entropy(#[from] EntropyError),
}

impl CustodianKey {
    /// Makes a key and its file (0600). An existing file is never replaced.
    pub fn create(path: &Path, name: &str, passphrase: &str) -> Result<Self, CustodianError> {
        if passphrase.chars().count() < SHORTEST {
            return Err(CustodianError::PassphraseShort);
        }
        let signing = SigningKey::generate()?;
        let root = Source::passphrase(*random::array()?);
        let kek = root.derive(passphrase.as_bytes())?.kek;
        let content = Content {
            format: FORMAT.to_owned(),
            name: name.to_owned(),
            public: signing.verifying_key()?.to_pem()?,
            root,
            wrapped: sm4::seal(&kek, &label(name), &*signing.to_scalar())?,
        };
        let text = serde_json::to_vec_pretty(&content)
            .map_err(|_| CustodianError::Malformed { path: path.into() })?;
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            })
            .map_err(io_error("create", path))?;
        Ok(Self {
            name: content.name,
            signing,
        })
    }

    /// Opens a key file with its passphrase. Takes the time of one Argon2id derivation.
    pub fn open(path: &Path, passphrase: &str) -> Result<Self, CustodianError> {
        let malformed = || CustodianError::Malformed { path: path.into() };
        let text = std::fs::read(path).map_err(io_error("read", path))?;
        let content: Content = serde_json::from_slice(&text).map_err(|_| malformed())?;
        if content.format != FORMAT || !matches!(content.root, Source::Argon2id { .. }) {
            return Err(malformed());
        }
        let kek = content.root.derive(passphrase.as_bytes())?.kek;
        let scalar = sm4::open(&kek, &label(&content.name), &content.wrapped)
            .map(zeroize::Zeroizing::new)
            .map_err(|_| CustodianError::PassphraseWrong)?;
        let scalar: &[u8; 32] = scalar.as_slice().try_into().map_err(|_| malformed())?;
        Ok(Self {
            name: content.name,
            signing: SigningKey::from_scalar(scalar)?,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the ring is told of this person.
    pub fn custodian(&self) -> Result<Custodian, Sm2Error> {
        Ok(Custodian {
            name: self.name.clone(),
            public: self.public()?.to_pem()?,
        })
    }

    pub(super) fn public(&self) -> Result<VerifyingKey, Sm2Error> {
        self.signing.verifying_key()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Sm2Error> {
        self.signing.sign(message)
    }
}

impl std::fmt::Debug for CustodianKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CustodianKey({})", self.name)
    }
}

fn label(name: &str) -> Vec<u8> {
    format!("rongqiao.custodian.1\0{name}").into_bytes()
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CustodianError {
    let path = path.to_owned();
    move |source| CustodianError::Io {
        action,
        path,
        source,
    }
}
