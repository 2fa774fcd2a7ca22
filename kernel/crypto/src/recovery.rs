//! Opening data far from the key ring it came from: a data key locked under something that a
//! person can keep elsewhere.
//!
//! A backup that opens only with the machine it was taken from is no backup. So the data key of a
//! backup is sealed either under a passphrase (Argon2id, 64 MiB, a salt of its own) or under a
//! random [`RecoveryKey`], and the [`Lock`] stands in clear at the head of the data.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::kdf::{self, Cost, DeriveError};
use crate::random::{self, EntropyError};
use crate::sm3;
use crate::sm4::{self, SealError};
use crate::stream::ChunkKey;

const COST: Cost = Cost {
    memory_kib: 64 * 1024,
    passes: 3,
    lanes: 1,
};
const AAD: &[u8] = b"rongqiao.recovery.key.1";

/// What opens a lock.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    Passphrase(&'a [u8]),
    Key(&'a RecoveryKey),
}

/// 256 random bits to be kept apart from what they open.
pub struct RecoveryKey(Zeroizing<[u8; 32]>);

/// A sealed data key and how to open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Lock {
    Passphrase {
        memory_kib: u32,
        passes: u32,
        #[serde(with = "hex::serde")]
        salt: [u8; 16],
        #[serde(with = "hex::serde")]
        key: Vec<u8>,
    },
    RecoveryKey {
        #[serde(with = "hex::serde")]
        key: Vec<u8>,
    },
}

/// The data key could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the passphrase is empty")]
    Empty,
    #[error("the locking key cannot be derived")]
    Derive(#[from] DeriveError),
    #[error("the data key cannot be sealed")]
    Seal(#[from] SealError),
    #[error("no entropy for a key")]
    Entropy(#[from] EntropyError),
}

/// The lock stays shut.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    #[error("it was locked with a passphrase; give it")]
    PassphraseNeeded,
    #[error("it was locked with a recovery key; give the file that holds it")]
    KeyNeeded,
    #[error("the passphrase is not the one it was locked with")]
    PassphraseWrong,
    #[error("the recovery key is not the one it was locked with")]
    KeyWrong,
    #[error("the locking key cannot be derived")]
    Derive(#[from] DeriveError),
}

impl Lock {
    /// Locks `key` so that `secret` opens it.
    pub fn new(key: &ChunkKey, secret: Secret<'_>) -> Result<Self, LockError> {
        match secret {
            Secret::Passphrase([]) => Err(LockError::Empty),
            Secret::Passphrase(passphrase) => {
                let salt = *random::array()?;
                let kek = stretched(passphrase, &salt, COST)?;
                Ok(Self::Passphrase {
                    memory_kib: COST.memory_kib,
                    passes: COST.passes,
                    salt,
                    key: key.wrap_under(&kek, AAD)?,
                })
            }
            Secret::Key(recovery) => Ok(Self::RecoveryKey {
                key: key.wrap_under(&derived(&*recovery.0), AAD)?,
            }),
        }
    }

    /// The data key.
    pub fn open(&self, secret: Option<Secret<'_>>) -> Result<ChunkKey, UnlockError> {
        match (self, secret) {
            (
                Self::Passphrase {
                    memory_kib,
                    passes,
                    salt,
                    key,
                },
                Some(Secret::Passphrase(passphrase)),
            ) => {
                let cost = Cost {
                    memory_kib: *memory_kib,
                    passes: *passes,
                    lanes: COST.lanes,
                };
                let kek = stretched(passphrase, salt, cost)?;
                ChunkKey::unwrap_under(&kek, AAD, key).map_err(|_| UnlockError::PassphraseWrong)
            }
            (Self::Passphrase { .. }, _) => Err(UnlockError::PassphraseNeeded),
            (Self::RecoveryKey { key }, Some(Secret::Key(recovery))) => {
                ChunkKey::unwrap_under(&derived(&*recovery.0), AAD, key)
                    .map_err(|_| UnlockError::KeyWrong)
            }
            (Self::RecoveryKey { .. }, _) => Err(UnlockError::KeyNeeded),
        }
    }
}

fn stretched(passphrase: &[u8], salt: &[u8; 16], cost: Cost) -> Result<sm4::Key, DeriveError> {
    Ok(derived(&*kdf::argon2id(passphrase, salt, cost)?))
}

fn derived(strong: &[u8]) -> sm4::Key {
    sm4::Key::from_digest(sm3::hmac(strong, b"rongqiao.recovery.kek.1"))
}

impl RecoveryKey {
    pub fn generate() -> Result<Self, EntropyError> {
        random::array().map(Self)
    }

    /// 64 hex characters and a line end, as it is kept in a file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", hex::encode(*self.0)))
    }

    /// Reads [`RecoveryKey::to_text`]; none when it is anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *key).ok()?;
        Some(Self(key))
    }
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_opens_with_its_own_secret_alone() {
        let key = ChunkKey::generate().unwrap();
        let sealed = key.seal(0, true, b"x").unwrap();
        let recovery = RecoveryKey::generate().unwrap();
        let kept = RecoveryKey::from_text(&recovery.to_text()).unwrap();
        let other = RecoveryKey::generate().unwrap();

        let lock = Lock::new(&key, Secret::Key(&recovery)).unwrap();
        let lock: Lock = serde_json::from_str(&serde_json::to_string(&lock).unwrap()).unwrap();
        let opened = lock.open(Some(Secret::Key(&kept))).unwrap();
        assert_eq!(opened.open(0, true, &sealed).unwrap(), b"x");
        let refused = |lock: &Lock, secret| lock.open(secret).unwrap_err();
        assert!(matches!(
            refused(&lock, Some(Secret::Key(&other))),
            UnlockError::KeyWrong
        ));
        assert!(matches!(refused(&lock, None), UnlockError::KeyNeeded));

        let lock = Lock::new(&key, Secret::Passphrase(b"long enough")).unwrap();
        let opened = lock.open(Some(Secret::Passphrase(b"long enough"))).unwrap();
        assert_eq!(opened.open(0, true, &sealed).unwrap(), b"x");
        let wrong = refused(&lock, Some(Secret::Passphrase(b"another")));
        assert!(matches!(wrong, UnlockError::PassphraseWrong));
        let wrong = refused(&lock, Some(Secret::Key(&recovery)));
        assert!(matches!(wrong, UnlockError::PassphraseNeeded));
        let empty = Lock::new(&key, Secret::Passphrase(b""));
        assert!(matches!(empty, Err(LockError::Empty)));
    }

    #[test]
    fn a_cut_recovery_key_is_no_key() {
        let text = RecoveryKey::generate().unwrap().to_text();
        assert!(RecoveryKey::from_text(&text[..62]).is_none());
        assert!(RecoveryKey::from_text("").is_none());
    }
}
