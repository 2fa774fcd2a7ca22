//! The key-encryption key: derived, used to wrap the ring's keys, and forgotten.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::kdf::{self, Cost, DeriveError};
use crate::sm3;
use crate::sm4;

/// Where a ring's KEK comes from; stored in clear at the head of its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Source {
    /// A random file beside the ring. Development only.
    KeyFile,
    /// A passphrase.
    Argon2id {
        memory_kib: u32,
        passes: u32,
        #[serde(with = "hex::serde")]
        salt: [u8; 16],
    },
}

impl Source {
    /// The source of a new ring opened with a passphrase.
    pub(super) fn passphrase(salt: [u8; 16]) -> Self {
        Self::Argon2id {
            memory_kib: 64 * 1024,
            passes: 3,
            salt,
        }
    }

    /// The KEK from `secret`: the passphrase, or the content of the key file.
    pub(super) fn derive(&self, secret: &[u8]) -> Result<sm4::Key, DeriveError> {
        let strong = match self {
            Self::KeyFile => Zeroizing::new(*sm3::digest(secret).as_bytes()),
            Self::Argon2id {
                memory_kib,
                passes,
                salt,
            } => {
                let cost = Cost {
                    memory_kib: *memory_kib,
                    passes: *passes,
                    lanes: 1,
                };
                kdf::argon2id(secret, salt, cost)?
            }
        };
        Ok(sm4::Key::from_digest(sm3::hmac(
            &*strong,
            b"rongqiao.keyring.kek.1",
        )))
    }
}
