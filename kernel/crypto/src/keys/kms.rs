//! What the key ring asks of whatever holds the root key.

use zeroize::Zeroizing;

use crate::random::EntropyError;
use crate::sm2::{Sm2Error, VerifyingKey};
use crate::sm3::Digest32;
use crate::sm4::SealError;

/// Holder of the root key: everything that touches the root key or a signing key's private half.
///
/// The ring keeps what these calls return (wrapped keys, or a device's names of its keys) in its
/// file and hands it back on use. A `label` names what a key is for and is bound into its wrapping,
/// so that one key cannot be put in another's place.
///
/// Implementations: [`Embedded`](super::Embedded), and [`DeviceKms`](super::device::DeviceKms) over
/// a cryptographic device.
pub trait Kms: Send + Sync {
    /// What kind of holder this is; stands in the ring's file.
    fn name(&self) -> &str;

    /// Fills `out` with unpredictable bytes.
    fn random(&self, out: &mut [u8]) -> Result<(), KmsError>;

    /// Encrypts a key under the root key.
    fn wrap(&self, label: &str, secret: &[u8]) -> Result<Vec<u8>, KmsError>;

    /// Opens what [`Kms::wrap`] made for the same label.
    fn unwrap(&self, label: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KmsError>;

    /// A code of `data` that only the holder of the root key can make; it protects the ring's file.
    fn mac(&self, data: &[u8]) -> Result<Digest32, KmsError>;

    /// Makes an SM2 key that signs.
    fn new_pair(&self, label: &str) -> Result<Pair, KmsError>;

    /// The DER signature of `message` by the key that [`Kms::new_pair`] stored as `pair`.
    fn sign(&self, label: &str, pair: &[u8], message: &[u8]) -> Result<Vec<u8>, KmsError>;

    /// Destroys the private half. The caller forgets `pair` as well.
    fn destroy_pair(&self, label: &str, pair: &[u8]) -> Result<(), KmsError>;
}

/// A new signing key.
#[derive(Debug)]
pub struct Pair {
    /// What the holder needs to use it again; no secret in clear.
    pub stored: Vec<u8>,
    pub public: VerifyingKey,
}

/// The holder of the root key refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    #[error("no entropy for a key")]
    Entropy(#[from] EntropyError),
    #[error("a key cannot be wrapped")]
    Wrap(#[from] SealError),
    #[error("a wrapped key is damaged, was exchanged, or belongs to another root key")]
    Unwrap,
    #[error("an SM2 key cannot be made or used")]
    Sm2(#[from] Sm2Error),
    /// The device's own code, for its vendor's manual.
    #[error("the cryptographic device failed in {call} with code {code:#010x}")]
    Device { call: &'static str, code: u32 },
    #[error("the cryptographic device gave a signature that its public key does not verify")]
    BadSignature,
}
