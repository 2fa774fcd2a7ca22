//! SM2 public-key encryption (GB/T 32918.4-2016): for short secrets such as keys and passwords.
//!
//! Two encodings of one ciphertext are offered: the ASN.1 `SM2Cipher` of GB/T 35276-2017, which
//! `openssl pkeyutl -encrypt` and `-decrypt` use, and the raw `C1 ‖ C3 ‖ C2` of the standard, which
//! devices and other libraries use. The old order `C1 ‖ C2 ‖ C3` is not offered.
//!
//! Decryption checks that C1 lies on the curve and that C3 is the digest of what came out, and
//! gives nothing out otherwise. A key pair either signs or decrypts, never both: the types differ.

use std::fmt;

use ::sm2::elliptic_curve::Generate as _;
use ::sm2::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    LineEnding,
};
use ::sm2::pke::{self, Mode};
use ::sm2::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::Sm2Error;
use crate::random::{self, EntropyError};
use crate::sm3::{self, Digest32};

/// Bytes of an uncompressed point: `04 ‖ x ‖ y`.
const POINT: usize = 65;
/// Bytes of C3.
const DIGEST: usize = 32;

/// The public half: encrypts.
#[derive(Clone)]
pub struct EncryptingKey(PublicKey);

/// The private half: decrypts. Wiped when dropped; `Debug` shows nothing.
pub struct DecryptingKey(SecretKey);

/// The ciphertext is not one of this key: damaged, cut, another key's, or never a ciphertext.
/// Which of them is not told, and no plaintext is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the SM2 ciphertext does not open with this key")]
pub struct DecryptError;

impl DecryptingKey {
    /// A new random key.
    pub fn generate() -> Result<Self, Sm2Error> {
        match SecretKey::try_generate_from_rng(&mut random::generator()) {
            Ok(secret) => Ok(Self(secret)),
            Err(error) => Err(EntropyError(error).into()),
        }
    }

    /// Reads an unencrypted PKCS#8 PEM (`BEGIN PRIVATE KEY`).
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, Sm2Error> {
        SecretKey::from_pkcs8_pem(pem)
            .map(Self)
            .map_err(|_| Sm2Error::PrivateKey)
    }

    /// Writes an unencrypted PKCS#8 PEM; the text is wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, Sm2Error> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| Sm2Error::Encoding)
    }

    /// The key of a scalar that the key ring's file held, or of the self-test's vector.
    pub(crate) fn from_scalar(scalar: &[u8; 32]) -> Result<Self, Sm2Error> {
        SecretKey::from_bytes(scalar.into())
            .map(Self)
            .map_err(|_| Sm2Error::PrivateKey)
    }

    /// The public half.
    pub fn encrypting_key(&self) -> EncryptingKey {
        EncryptingKey(self.0.public_key())
    }

    /// Opens an `SM2Cipher` in DER.
    pub fn decrypt(&self, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        self.opened(|key| key.decrypt_der(der))
    }

    /// Opens a raw `C1 ‖ C3 ‖ C2` whose C1 is an uncompressed point.
    pub fn decrypt_raw(&self, raw: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        // One spelling only: not the compressed points, and never the point at infinity.
        if raw.len() <= POINT + DIGEST || raw.first() != Some(&0x04) {
            return Err(DecryptError);
        }
        self.opened(|key| key.decrypt(raw))
    }

    fn opened(
        &self,
        open: impl FnOnce(&pke::DecryptingKey) -> Result<Vec<u8>, ::sm2::elliptic_curve::Error>,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        // Built per call: `SecretKey` wipes itself when dropped, this does not.
        let key = pke::DecryptingKey::new_with_mode(self.0.to_nonzero_scalar(), Mode::C1C3C2);
        match open(&key).map(Zeroizing::new) {
            // An empty message has no key stream, so nothing was ever encrypted as one.
            Ok(plain) if !plain.is_empty() => Ok(plain),
            _ => Err(DecryptError),
        }
    }
}

impl EncryptingKey {
    /// Reads a `SubjectPublicKeyInfo` PEM. Points off the curve are refused.
    pub fn from_pem(pem: &str) -> Result<Self, Sm2Error> {
        PublicKey::from_public_key_pem(pem)
            .map(Self)
            .map_err(|_| Sm2Error::PublicKey)
    }

    /// Writes a `SubjectPublicKeyInfo` PEM.
    pub fn to_pem(&self) -> Result<String, Sm2Error> {
        self.0
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| Sm2Error::Encoding)
    }

    /// Names the key: the SM3 digest of its uncompressed point.
    pub fn fingerprint(&self) -> Digest32 {
        sm3::digest(&self.0.to_sec1_bytes())
    }

    /// Encrypts `plain`, which must not be empty, as an `SM2Cipher` in DER.
    pub fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Sm2Error> {
        self.key()
            .encrypt_der(&mut random::generator(), plain)
            .map_err(|_| Sm2Error::Encrypting)
    }

    /// Encrypts `plain`, which must not be empty, as raw `C1 ‖ C3 ‖ C2`.
    pub fn encrypt_raw(&self, plain: &[u8]) -> Result<Vec<u8>, Sm2Error> {
        self.key()
            .encrypt(&mut random::generator(), plain)
            .map_err(|_| Sm2Error::Encrypting)
    }

    fn key(&self) -> pke::EncryptingKey {
        pke::EncryptingKey::new_with_mode(self.0, Mode::C1C3C2)
    }
}

impl fmt::Debug for DecryptingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sm2::DecryptingKey(…)")
    }
}

impl fmt::Debug for EncryptingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm2::EncryptingKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (DecryptingKey, EncryptingKey) {
        let private = DecryptingKey::generate().unwrap();
        let public = private.encrypting_key();
        (private, public)
    }

    #[test]
    fn what_is_encrypted_opens_with_its_key_only_and_differs_each_time() {
        let (private, public) = pair();
        let other = DecryptingKey::generate().unwrap();
        for length in [1, 16, 31, 32, 33, 500] {
            let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
            let der = public.encrypt(&plain).unwrap();
            let raw = public.encrypt_raw(&plain).unwrap();
            assert_eq!(*private.decrypt(&der).unwrap(), plain);
            assert_eq!(*private.decrypt_raw(&raw).unwrap(), plain);
            assert_eq!(other.decrypt(&der), Err(DecryptError));
            assert_eq!(other.decrypt_raw(&raw), Err(DecryptError));
            assert_ne!(public.encrypt_raw(&plain).unwrap(), raw);
        }
        assert!(public.encrypt(b"").is_err() && public.encrypt_raw(b"").is_err());
    }

    #[test]
    fn the_raw_order_is_point_digest_text() {
        let (private, public) = pair();
        let raw = public.encrypt_raw(b"order").unwrap();
        assert_eq!((raw.len(), raw[0]), (POINT + DIGEST + 5, 0x04));
        let (point, rest) = raw.split_at(POINT);
        let (digest, text) = rest.split_at(DIGEST);
        let old_order = [point, text, digest].concat();
        assert_eq!(private.decrypt_raw(&old_order), Err(DecryptError));
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_refused_and_gives_nothing() {
        let (private, public) = pair();
        let (der, raw) = (
            public.encrypt(b"13800000000").unwrap(),
            public.encrypt_raw(b"13800000000").unwrap(),
        );
        for bit in 0..raw.len() * 8 {
            let mut damaged = raw.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                private.decrypt_raw(&damaged),
                Err(DecryptError),
                "bit {bit}"
            );
        }
        for bit in 0..der.len() * 8 {
            let mut damaged = der.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(private.decrypt(&damaged), Err(DecryptError), "bit {bit}");
        }
        for length in 0..raw.len() {
            assert!(
                private.decrypt_raw(&raw[..length]).is_err(),
                "raw to {length}"
            );
        }
        for length in 0..der.len() {
            assert!(private.decrypt(&der[..length]).is_err(), "der to {length}");
        }
        assert!(private.decrypt(&[der, vec![0]].concat()).is_err(), "tail");
    }

    #[test]
    fn points_off_the_curve_and_at_infinity_are_refused() {
        let (private, public) = pair();
        let raw = public.encrypt_raw(b"secret").unwrap();
        let mut off = raw.clone();
        off[1..POINT].fill(0x11);
        assert!(private.decrypt_raw(&off).is_err());
        off[1..POINT].fill(0);
        assert!(private.decrypt_raw(&off).is_err());
        for first in [0x00, 0x02, 0x03, 0x05, 0x06] {
            let mut other = raw.clone();
            other[0] = first;
            assert!(private.decrypt_raw(&other).is_err(), "{first:02x}");
        }
        // The point at infinity in its one-byte spelling.
        assert!(private.decrypt_raw(&[vec![0], raw].concat()).is_err());
    }

    #[test]
    fn keys_survive_pem() {
        let (private, public) = pair();
        let sealed = public.encrypt(b"m").unwrap();
        let again = DecryptingKey::from_pkcs8_pem(&private.to_pkcs8_pem().unwrap()).unwrap();
        assert_eq!(*again.decrypt(&sealed).unwrap(), b"m");
        let again = EncryptingKey::from_pem(&public.to_pem().unwrap()).unwrap();
        assert_eq!(again.fingerprint(), public.fingerprint());
        assert!(EncryptingKey::from_pem("x").is_err());
        assert!(DecryptingKey::from_pkcs8_pem("x").is_err());
    }
}
