//! How a key ring fails.

use std::io;
use std::path::PathBuf;

use super::custody::CustodyError;
use super::kms::KmsError;
use crate::kdf::DeriveError;
use crate::random::EntropyError;

/// The key ring could not be opened, changed or saved.
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
    #[error("{path} has format {found:?}, which this program does not read")]
    Format { path: PathBuf, found: String },
    #[error("{path} was changed behind the program's back, or belongs to another root key")]
    Altered { path: PathBuf },
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
    #[error("the root key of this key ring is held elsewhere: by a device, or by another one")]
    OtherRoot,
    #[error("key {name} in the key ring is damaged or was exchanged")]
    Damaged { name: String },
    #[error("the key ring has no active key {name}")]
    Missing { name: &'static str },
    #[error("there is no key {0}")]
    UnknownKey(String),
    #[error(
        "{name} cannot be rotated: what it made is in files that went out, and none of it could be \
         made again"
    )]
    NotRotatable { name: String },
    #[error("key {number} is in use or destroyed already; only a rotated key can be destroyed")]
    NotRetired { number: u32 },
    #[error("the root key cannot be derived")]
    Derive(#[from] DeriveError),
    #[error("the holder of the root key failed")]
    Kms(#[from] KmsError),
    #[error("no entropy for a key")]
    Entropy(#[from] EntropyError),
    #[error("dual control refuses")]
    Custody(#[from] CustodyError),
}
