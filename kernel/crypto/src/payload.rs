//! Bodies of requests and answers that are sealed for the two ends of one call, whoever ends TLS between
//! them: SM4 in counter mode (GB/T 32907-2016, GB/T 17964-2021), then HMAC-SM3 of the result.
//!
//! A sealed body is `IV (16) ‖ ciphertext ‖ code (32)`, where the code is HMAC-SM3 of
//! `what ‖ "\n" ‖ nonce ‖ "\n" ‖ IV ‖ ciphertext`; what is `request` or `answer`, and the nonce is the
//! call's own, so that one body is no use in the place of another. It is not SM4-GCM, which everything
//! that the platform keeps is sealed with, because the `openssl` of today's distributions has counter mode
//! and HMAC on its command line and no GCM for SM4.

use ::sm4::Sm4;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use zeroize::Zeroizing;

use crate::random::{self, EntropyError};
use crate::sm3::{self, Digest32};
use crate::sm4::OpenError;

/// Bytes of a content key: 16 of SM4, then 32 of HMAC-SM3.
pub const KEY: usize = 48;
const IV: usize = 16;
const CODE: usize = 32;

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Request,
    Answer,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// The key that the caller chose for one call. Wiped when dropped.
#[derive(Clone)]
pub struct ContentKey {
    cipher: Zeroizing<[u8; 16]>,
    code: Zeroizing<[u8; 32]>,
}

impl ContentKey {
    /// A key from its bytes; none where they are not [`KEY`] many.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (cipher, code) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            cipher: Zeroizing::new(*cipher),
            code: Zeroizing::new(code.try_into().ok()?),
        })
    }

    /// Seals a body. The result is 48 bytes longer.
    pub fn seal(&self, way: Way, nonce: &str, plain: &[u8]) -> Result<Vec<u8>, EntropyError> {
        let iv: Zeroizing<[u8; IV]> = random::array()?;
        let mut sealed = Vec::with_capacity(IV + plain.len() + CODE);
        sealed.extend_from_slice(&*iv);
        sealed.extend_from_slice(plain);
        if let Some(body) = sealed.get_mut(IV..) {
            self.apply(&iv, body);
        }
        let code = self.code(way, nonce, &sealed);
        sealed.extend_from_slice(code.as_bytes());
        Ok(sealed)
    }

    /// Opens what [`ContentKey::seal`] made with the same key, way and nonce.
    pub fn open(&self, way: Way, nonce: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (body, code) = sealed.split_last_chunk::<CODE>().ok_or(OpenError)?;
        if self.code(way, nonce, body) != Digest32::from_bytes(*code) {
            return Err(OpenError);
        }
        let (iv, body) = body.split_first_chunk::<IV>().ok_or(OpenError)?;
        let mut plain = body.to_vec();
        self.apply(iv, &mut plain);
        Ok(plain)
    }

    fn apply(&self, iv: &[u8; IV], body: &mut [u8]) {
        Ctr128BE::<Sm4>::new((&*self.cipher).into(), iv.into()).apply_keystream(body);
    }

    fn code(&self, way: Way, nonce: &str, body: &[u8]) -> Digest32 {
        let head = format!("{}\n{nonce}\n", way.name());
        sm3::hmac(&*self.code, &[head.as_bytes(), body].concat())
    }
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("payload::ContentKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8) -> ContentKey {
        let mut bytes = [7; KEY];
        bytes[0] = first;
        ContentKey::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn mm_4d_a_body_opens_with_its_key_way_and_nonce_only() {
        let plain = "{\"phone\":\"13800001234\"}".as_bytes();
        let sealed = key(1).seal(Way::Answer, "nonce-1", plain).unwrap();
        assert_eq!(sealed.len(), plain.len() + 48);
        assert_eq!(key(1).open(Way::Answer, "nonce-1", &sealed).unwrap(), plain);
        assert_ne!(key(1).seal(Way::Answer, "nonce-1", plain).unwrap(), sealed);
        let mut other = [7; KEY];
        other[KEY - 1] = 8;
        let other = ContentKey::from_bytes(&other).unwrap();
        assert!(other.open(Way::Answer, "nonce-1", &sealed).is_err());
        assert!(key(1).open(Way::Request, "nonce-1", &sealed).is_err());
        assert!(key(1).open(Way::Answer, "nonce-2", &sealed).is_err());
        let empty = key(1).seal(Way::Request, "n", b"").unwrap();
        assert_eq!(key(1).open(Way::Request, "n", &empty).unwrap(), b"");
    }

    #[test]
    fn mm_4d_any_flipped_bit_and_any_cut_is_refused() {
        let sealed = key(1).seal(Way::Request, "n", b"body").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(key(1).open(Way::Request, "n", &damaged).is_err(), "{bit}");
        }
        for length in 0..sealed.len() {
            let cut = &sealed[..length];
            assert!(key(1).open(Way::Request, "n", cut).is_err(), "{length}");
        }
        for length in (0..100).filter(|n| *n != KEY) {
            assert!(ContentKey::from_bytes(&vec![1; length]).is_none());
        }
    }
}
