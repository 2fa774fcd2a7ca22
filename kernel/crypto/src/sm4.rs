//! SM4 in GCM mode (GB/T 32907-2016, RFC 8998): sealing of bytes with associated data.
//!
//! A sealed value is `nonce (12) ‖ ciphertext ‖ tag (16)`. It carries no key number: the key ring
//! puts that in front. The nonce is random, so one [`Key`] may seal at most 2³² values;
//! the key ring avoids that limit by deriving a key per associated data.

use ::sm4::cipher::BlockCipherEncrypt as _;
use ::sm4::cipher::consts::U12;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::random::{self, EntropyError};
use crate::sm3::Digest32;

pub(crate) type Gcm = AesGcm<::sm4::Sm4, U12>;

/// Bytes of nonce in front of the ciphertext.
const NONCE: usize = 12;
/// Bytes of tag behind the ciphertext.
pub(crate) const TAG: usize = 16;

/// A 128-bit SM4 key. It can be made and used, not read out; it is wiped when dropped.
pub struct Key(Zeroizing<[u8; 16]>);

/// Sealing failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("no nonce could be drawn")]
    Entropy(#[from] EntropyError),
    #[error("the plaintext is longer than GCM allows (64 GiB)")]
    TooLong,
}

/// The sealed value, its associated data or the key is not what it was when sealed. Which of them
/// is not told, and no plaintext is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open with this key and associated data")]
pub struct OpenError;

/// Seals `plain` under `key`, binding it to `aad`. The result is 28 bytes longer than `plain`.
pub fn seal(key: &Key, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    seal_with_nonce(key, *random::array()?, aad, plain)
}

/// Opens what [`seal`] made, with the same key and `aad`.
pub fn open(key: &Key, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or(OpenError)?;
    let mut buffer = body.to_vec();
    let opened = key
        .cipher()
        .decrypt_in_place(nonce.into(), aad, &mut buffer);
    if opened.is_err() {
        buffer.zeroize();
        return Err(OpenError);
    }
    Ok(buffer)
}

/// The sealing itself. Apart from [`seal`] only the self-test calls it: a nonce used twice under
/// one key gives both plaintexts away.
pub(crate) fn seal_with_nonce(
    key: &Key,
    nonce: [u8; NONCE],
    aad: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
    sealed.extend_from_slice(plain);
    // In place: the plaintext's copy becomes the ciphertext.
    if key
        .cipher()
        .encrypt_in_place((&nonce).into(), aad, &mut sealed)
        .is_err()
    {
        sealed.zeroize();
        return Err(SealError::TooLong);
    }
    sealed.splice(..0, nonce);
    Ok(sealed)
}

/// One block through the bare cipher, for the self-test's vector.
pub(crate) fn encrypt_block(key: &Key, block: [u8; 16]) -> [u8; 16] {
    let cipher = ::sm4::Sm4::new((&*key.0).into());
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    block.into()
}

impl Key {
    /// A new random key.
    pub fn generate() -> Result<Self, EntropyError> {
        random::array().map(Self)
    }

    /// A key from bytes agreed elsewhere; the caller wipes its own copy.
    pub fn from_bytes(bytes: &[u8; 16]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// A key from the first half of a derivation's output.
    pub(crate) fn from_digest(digest: Digest32) -> Self {
        let mut key = Zeroizing::new([0; 16]);
        for (slot, byte) in key.iter_mut().zip(digest.as_bytes()) {
            *slot = *byte;
        }
        Self(key)
    }

    pub(crate) fn cipher(&self) -> Gcm {
        Gcm::new((&*self.0).into())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sm4::Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_again_and_two_seals_differ() {
        let key = Key::generate().unwrap();
        let sealed = seal(&key, b"row 1", "沪江银行".as_bytes()).unwrap();
        assert_eq!(sealed.len(), "沪江银行".len() + NONCE + TAG);
        assert_eq!(
            open(&key, b"row 1", &sealed).unwrap(),
            "沪江银行".as_bytes()
        );
        assert_ne!(seal(&key, b"row 1", "沪江银行".as_bytes()).unwrap(), sealed);
    }

    #[test]
    fn an_empty_value_is_sealed_too() {
        let key = Key::generate().unwrap();
        let sealed = seal(&key, b"", b"").unwrap();
        assert_eq!(open(&key, b"", &sealed).unwrap(), b"");
        assert_eq!(open(&key, b"x", &sealed), Err(OpenError));
    }

    #[test]
    fn another_key_or_other_associated_data_is_refused() {
        let key = Key::generate().unwrap();
        let sealed = seal(&key, b"row 1", b"13800000000").unwrap();
        assert_eq!(open(&key, b"row 2", &sealed), Err(OpenError));
        assert_eq!(
            open(&Key::generate().unwrap(), b"row 1", &sealed),
            Err(OpenError)
        );
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_refused() {
        let key = Key::generate().unwrap();
        let sealed = seal(&key, b"row 1", b"13800000000").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, b"row 1", &damaged), Err(OpenError), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(
                open(&key, b"row 1", &sealed[..length]),
                Err(OpenError),
                "cut to {length}"
            );
        }
    }
}
