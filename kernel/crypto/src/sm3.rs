//! SM3 digests (GB/T 32905-2016) and HMAC-SM3.

use std::fmt;
use std::str::FromStr;

use ::hmac::{KeyInit as _, Mac as _};
use ::sm3::{Digest as _, Sm3};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes in one SM3 compression block, which is also the key block of HMAC.
const BLOCK: usize = 64;

/// A 32-byte SM3 digest or code. Shown, parsed and serialised as 64 lower-case hex characters.
///
/// Equality takes the same time wherever the difference lies, so a code may be compared with `==`.
#[derive(Clone, Copy, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest32([u8; 32]);

/// The text is not 64 lower-case hex characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hex characters")]
pub struct ParseDigestError;

/// A digest over data that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sm3);

/// The SM3 digest of `data`.
pub fn digest(data: &[u8]) -> Digest32 {
    Digest32(Sm3::digest(data).into())
}

/// HMAC-SM3 over data that comes in pieces.
#[derive(Clone)]
pub(crate) struct Hmac(::hmac::Hmac<Sm3>);

/// HMAC-SM3 of `data` under `key`, which may have any length.
pub fn hmac(key: &[u8], data: &[u8]) -> Digest32 {
    let mut mac = Hmac::new(key);
    mac.update(data);
    mac.finish()
}

/// The key padded to one block as HMAC defines it; doing it here leaves no length to refuse.
fn key_block(key: &[u8]) -> Zeroizing<[u8; BLOCK]> {
    let hashed;
    let key = if key.len() > BLOCK {
        hashed = Zeroizing::new(digest(key).0);
        &hashed[..]
    } else {
        key
    };
    let mut block = Zeroizing::new([0; BLOCK]);
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    block
}

impl Hmac {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(::hmac::Hmac::new((&*key_block(key)).into()))
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    pub(crate) fn finish(self) -> Digest32 {
        Digest32(self.0.finalize().into_bytes().into())
    }
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next piece.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest32 {
        Digest32(self.0.finalize().into())
    }
}

impl Digest32 {
    /// Wraps bytes that are already a digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Digest32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest32({self})")
    }
}

impl FromStr for Digest32 {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // One spelling only: a digest in a signed document must not have two.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseDigestError);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseDigestError)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest32 {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest32> for String {
    fn from(digest: Digest32) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_the_digest_of_the_whole() {
        let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut hasher = Hasher::new();
        for piece in data.chunks(37) {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), digest(&data));
    }

    #[test]
    fn hmac_agrees_with_openssl_for_short_and_overlong_keys() {
        // printf … | openssl dgst -sm3 -mac HMAC -macopt hexkey:…
        assert_eq!(
            hmac(b"key", b"abc").to_string(),
            "28e63256e7c5a087b1f073265dc53092163f7b82729735d06f28f10af9d52393"
        );
        assert_eq!(
            hmac(&[0xaa; 131], b"Hi There").to_string(),
            "e760df9495d6be82b447e1b92b1f5ef7c7fe29fe88607d212b30ee6aae753aeb"
        );
    }

    #[test]
    fn a_digest_reads_back_from_its_hex_and_from_nothing_else() {
        let digest = digest(b"abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(
            digest.to_string().to_uppercase().parse::<Digest32>(),
            Err(ParseDigestError)
        );
        assert_eq!("66c7".parse::<Digest32>(), Err(ParseDigestError));
        assert_eq!("zz".repeat(32).parse::<Digest32>(), Err(ParseDigestError));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest32>(&json).unwrap(), digest);
    }
}
