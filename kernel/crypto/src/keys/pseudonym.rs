//! What stands for values in data that is made for one project: pseudonyms, which nobody turns back,
//! and tokens, which the ring turns back while the project's secret is there.
//!
//! A project's secret is random and kept with the project. All keys come of it and of the ring, so
//! that neither alone is enough, and destroying the secret ends both for good: no pseudonym can be
//! made or tried again, and no token opens.

use super::{KeyRing, MacKey, SealKey};
use crate::random::{self, EntropyError};
use crate::sm4::{OpenError, SealError};

/// Bytes of a pseudonym, in hexadecimal behind its letter. Half of the code: among 2³² values of a
/// project two are alike with a probability of 2⁻⁶⁵.
const PSEUDONYM: usize = 16;

/// What one project's pseudonyms and tokens are made with.
pub struct Pseudonyms<'r> {
    ring: &'r KeyRing,
    /// The project and its secret, as the keys are derived of them.
    of: Vec<u8>,
}

/// A new project's secret, as text that can be kept in a sealed field.
pub fn new_secret() -> Result<String, EntropyError> {
    random::token_hex(32)
}

impl KeyRing {
    pub fn pseudonyms(&self, project: &str, secret: &str) -> Pseudonyms<'_> {
        let mut of = Vec::new();
        for part in [project, secret] {
            of.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            of.extend(part.as_bytes());
        }
        Pseudonyms { ring: self, of }
    }
}

impl Pseudonyms<'_> {
    /// The same for the same value, wherever it stands; in another project another. It begins with
    /// a letter, so that no spreadsheet takes it for a number.
    pub fn pseudonym(&self, value: &str) -> String {
        let text = [
            b"rongqiao.pseudonym.1\0",
            self.of.as_slice(),
            value.as_bytes(),
        ]
        .concat();
        let code = self.ring.mac(MacKey::Pseudonym, &text);
        let half: Vec<u8> = code.as_bytes().iter().take(PSEUDONYM).copied().collect();
        format!("p{}", hex::encode(half))
    }

    /// Another each time, so that tokens tell nothing of each other. It opens while the ring's key
    /// of fields that sealed it is there.
    pub fn token(&self, value: &str) -> Result<String, SealError> {
        let sealed = self
            .ring
            .seal(SealKey::Field, &self.place(), value.as_bytes())?;
        Ok(format!("t{}", hex::encode(sealed)))
    }

    /// The value that a token of this project stands for.
    pub fn value(&self, token: &str) -> Result<String, OpenError> {
        let sealed = token.strip_prefix('t').and_then(|t| hex::decode(t).ok());
        let sealed = sealed.ok_or(OpenError)?;
        let value = self.ring.open(SealKey::Field, &self.place(), &sealed)?;
        String::from_utf8(value).map_err(|_| OpenError)
    }

    fn place(&self) -> Vec<u8> {
        [b"rongqiao.token.1\0", self.of.as_slice()].concat()
    }
}
