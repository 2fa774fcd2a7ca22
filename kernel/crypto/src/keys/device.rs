//! The root key and the signing keys in a certified cryptographic device.
//!
//! [`Device`] is the small part of such a device's interface that is used here, in the words of
//! GM/T 0018-2023 (SDF) with the PKCS#11 call in brackets; [`DeviceKms`] makes a [`Kms`] of it.
//! **No driver of a real device is in this repository**: a vendor's library is bound by an adapter
//! that implements [`Device`], outside it. What is tested here is the protocol, against a double
//! that keeps its keys in memory.
//!
//! Keys that seal data are wrapped by the device and used in memory, for a device is slower by
//! orders of magnitude; so is the key that passwords are encrypted for, because the standard has no
//! call that decrypts data with an internal key of SM2 (what vendors offer beside it differs).
//! Signing keys and the root key never leave it.

use zeroize::Zeroizing;

use super::kms::{Kms, KmsError, Pair};
use crate::sm2::VerifyingKey;
use crate::sm3::Digest32;
use crate::sm4::TAG;

/// Bytes of an initialisation vector in front of a wrapped key.
const IV: usize = 12;

/// A device's error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

/// What is used of a cryptographic device. Keys are named by their index in it.
pub trait Device: Send + Sync {
    /// `SDF_GenerateRandom` (`C_GenerateRandom`).
    fn generate_random(&self, out: &mut [u8]) -> Result<(), Code>;

    /// `SDF_AuthEnc` with the internal key-encryption key, SM4-GCM: `ciphertext ‖ tag (16)`
    /// (`C_EncryptMessage`).
    fn auth_enc(&self, iv: &[u8; 12], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Code>;

    /// `SDF_AuthDec`; an error when the tag does not hold (`C_DecryptMessage`).
    fn auth_dec(&self, iv: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Code>;

    /// `SDF_HMACInit` to `SDF_HMACFinal` with an internal key, HMAC-SM3 (`C_Sign`).
    fn hmac(&self, data: &[u8]) -> Result<[u8; 32], Code>;

    /// The index of a new SM2 signing pair (`C_GenerateKeyPair`). SDF leaves making pairs to the
    /// vendor's tool: there the adapter gives out the next index that was made and not used.
    fn new_pair(&self) -> Result<u32, Code>;

    /// `SDF_ExportSignPublicKey_ECC`: `x ‖ y` (`C_GetAttributeValue`).
    fn export_sign_public_key(&self, index: u32) -> Result<[u8; 64], Code>;

    /// `SDF_InternalSign_ECC`: `r ‖ s` over the digest `e` (`C_Sign`).
    fn internal_sign(&self, index: u32, digest: &[u8; 32]) -> Result<[u8; 64], Code>;

    /// `C_DestroyObject`; with SDF the vendor's own call.
    fn destroy_pair(&self, index: u32) -> Result<(), Code>;
}

/// A [`Kms`] over a device.
#[derive(Debug)]
pub struct DeviceKms<D> {
    name: String,
    device: D,
}

impl<D: Device> DeviceKms<D> {
    /// `name` says which device it is, such as a serial number; it stands in the ring's file, and
    /// the ring opens with that device only.
    pub fn new(name: impl Into<String>, device: D) -> Self {
        Self {
            name: name.into(),
            device,
        }
    }

    fn public(&self, index: u32) -> Result<VerifyingKey, KmsError> {
        let point = self
            .device
            .export_sign_public_key(index)
            .map_err(failed("ExportSignPublicKey"))?;
        Ok(VerifyingKey::from_point(&point)?)
    }
}

impl<D: Device> Kms for DeviceKms<D> {
    fn name(&self) -> &str {
        &self.name
    }

    fn random(&self, out: &mut [u8]) -> Result<(), KmsError> {
        self.device
            .generate_random(out)
            .map_err(failed("GenerateRandom"))
    }

    fn wrap(&self, label: &str, secret: &[u8]) -> Result<Vec<u8>, KmsError> {
        let mut iv = [0; IV];
        self.random(&mut iv)?;
        let sealed = self
            .device
            .auth_enc(&iv, label.as_bytes(), secret)
            .map_err(failed("AuthEnc"))?;
        Ok([iv.as_slice(), &sealed].concat())
    }

    fn unwrap(&self, label: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let (iv, sealed) = wrapped.split_first_chunk::<IV>().ok_or(KmsError::Unwrap)?;
        if sealed.len() < TAG {
            return Err(KmsError::Unwrap);
        }
        self.device
            .auth_dec(iv, label.as_bytes(), sealed)
            .map(Zeroizing::new)
            .map_err(failed("AuthDec"))
    }

    fn mac(&self, data: &[u8]) -> Result<Digest32, KmsError> {
        self.device
            .hmac(data)
            .map(Digest32::from_bytes)
            .map_err(failed("HMAC"))
    }

    fn new_pair(&self, _label: &str) -> Result<Pair, KmsError> {
        let index = self.device.new_pair().map_err(failed("GenerateKeyPair"))?;
        Ok(Pair {
            stored: index.to_be_bytes().to_vec(),
            public: self.public(index)?,
        })
    }

    fn sign(&self, _label: &str, pair: &[u8], message: &[u8]) -> Result<Vec<u8>, KmsError> {
        let index = index(pair)?;
        let public = self.public(index)?;
        let raw = self
            .device
            .internal_sign(index, public.message_digest(message).as_bytes())
            .map_err(failed("InternalSign"))?;
        // A wrong index or a fault in the device must not leave as a signature of ours.
        public
            .signature_from_raw(&raw)
            .filter(|der| public.verify(message, der))
            .ok_or(KmsError::BadSignature)
    }

    fn destroy_pair(&self, _label: &str, pair: &[u8]) -> Result<(), KmsError> {
        self.device
            .destroy_pair(index(pair)?)
            .map_err(failed("DestroyObject"))
    }
}

fn index(pair: &[u8]) -> Result<u32, KmsError> {
    <[u8; 4]>::try_from(pair)
        .map(u32::from_be_bytes)
        .map_err(|_| KmsError::Unwrap)
}

fn failed(call: &'static str) -> impl Fn(Code) -> KmsError {
    move |Code(code)| KmsError::Device { call, code }
}

#[cfg(test)]
mod tests;
