//! The root key in the process: for development, and where no certified device is at hand.

use zeroize::Zeroizing;

use super::kek::Root;
use super::kms::{Kms, KmsError, Pair};
use crate::random;
use crate::sm2::SigningKey;
use crate::sm3::{self, Digest32};
use crate::sm4;

/// The provider whose root key comes from a passphrase or a key file. Signing keys are wrapped like
/// all others and lie open in memory only while they sign.
pub struct Embedded(Root);

impl Embedded {
    pub(super) fn new(root: Root) -> Self {
        Self(root)
    }
}

impl Kms for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn random(&self, out: &mut [u8]) -> Result<(), KmsError> {
        Ok(random::fill(out)?)
    }

    fn wrap(&self, label: &str, secret: &[u8]) -> Result<Vec<u8>, KmsError> {
        Ok(sm4::seal(&self.0.kek, label.as_bytes(), secret)?)
    }

    fn unwrap(&self, label: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        sm4::open(&self.0.kek, label.as_bytes(), wrapped)
            .map(Zeroizing::new)
            .map_err(|_| KmsError::Unwrap)
    }

    fn mac(&self, data: &[u8]) -> Result<Digest32, KmsError> {
        Ok(sm3::hmac(&*self.0.mac, data))
    }

    fn new_pair(&self, label: &str) -> Result<Pair, KmsError> {
        let key = SigningKey::generate()?;
        Ok(Pair {
            stored: self.wrap(label, &*key.to_scalar())?,
            public: key.verifying_key()?,
        })
    }

    fn sign(&self, label: &str, pair: &[u8], message: &[u8]) -> Result<Vec<u8>, KmsError> {
        let scalar = self.unwrap(label, pair)?;
        let scalar = <&[u8; 32]>::try_from(scalar.as_slice()).map_err(|_| KmsError::Unwrap)?;
        Ok(SigningKey::from_scalar(scalar)?.sign(message)?)
    }

    fn destroy_pair(&self, _label: &str, _pair: &[u8]) -> Result<(), KmsError> {
        // It exists in wrapped form only, which the ring forgets.
        Ok(())
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Embedded(…)")
    }
}
