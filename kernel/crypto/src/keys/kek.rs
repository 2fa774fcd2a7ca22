//! The root key of the embedded provider: derived from a passphrase or a key file.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Secret;
use crate::kdf::{self, Cost, DeriveError};
use crate::sm3;
use crate::sm4;

/// The root key's two uses, each with a key of its own.
pub(super) struct Root {
    /// Wraps the ring's keys.
    pub(super) kek: sm4::Key,
    /// Protects the ring's file.
    pub(super) mac: Secret,
}

/// Where a ring's root key comes from; stored in clear at the head of its file.
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
    /// A cryptographic device, by its name.
    Device { name: String },
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

    /// The root key from `secret`: the passphrase, or the content of the key file.
    pub(super) fn derive(&self, secret: &[u8]) -> Result<Root, DeriveError> {
        let strong = match self {
            // A device's root key is never derived; the key file's secret is one already.
            Self::KeyFile | Self::Device { .. } => Zeroizing::new(*sm3::digest(secret).as_bytes()),
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
        let part = |use_for: &[u8]| sm3::hmac(&*strong, use_for);
        Ok(Root {
            kek: sm4::Key::from_digest(part(b"rongqiao.keyring.kek.1")),
            mac: Zeroizing::new(*part(b"rongqiao.keyring.mac.1").as_bytes()),
        })
    }
}
