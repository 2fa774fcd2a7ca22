//! Detached SM2 signatures over documents: who signed this content, and when, by his own key.
//!
//! The signed bytes are [canonical](crate::canonical) JSON of `{"at", "content", "format"}`, so that
//! a browser, a device or `openssl` makes and checks them without this crate: [`message`] shows
//! them. The signature does not contain the content; whoever keeps it keeps both.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::canonical;
use crate::sm2::VerifyingKey;
use crate::sm3::Digest32;

const FORMAT: &str = "rongqiao.signature.1";

/// A signature of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detached {
    /// Fingerprint of the signer's key.
    pub key: Digest32,
    /// When, by the signer's word, in microseconds since the epoch, UTC.
    pub at: i64,
    /// SM2 signature in DER over [`message`].
    #[serde(with = "hex::serde")]
    pub signature: Vec<u8>,
}

/// The bytes that are signed for `content` at time `at`.
pub fn message(content: &Value, at: i64) -> Vec<u8> {
    canonical::to_vec(&json!({ "format": FORMAT, "at": at, "content": content }))
}

impl Detached {
    /// Signs `content`. `sign` gets [`message`] and returns a DER signature by `key`.
    pub fn sign<E>(
        content: &Value,
        at: i64,
        key: &VerifyingKey,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            key: key.fingerprint(),
            at,
            signature: sign(&message(content, at))?,
        })
    }

    /// Whether `key` signed exactly this content at this time.
    #[must_use]
    pub fn holds(&self, content: &Value, key: &VerifyingKey) -> bool {
        self.key == key.fingerprint() && key.verify(&message(content, self.at), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sm2::SigningKey;

    #[test]
    fn mm_4h_a_signature_holds_for_its_content_time_and_key_only() {
        let signing = SigningKey::generate().unwrap();
        let key = signing.verifying_key().unwrap();
        let content = json!({"amount": 500_000_000, "letter": "L-1"});
        let signed = Detached::sign(&content, 7, &key, |bytes| signing.sign(bytes)).unwrap();
        assert!(signed.holds(&content, &key));
        // The order of the members is no part of a document.
        let same: Value = serde_json::from_str(r#"{"letter":"L-1","amount":500000000}"#).unwrap();
        assert!(signed.holds(&same, &key));
        assert!(!signed.holds(&json!({"amount": 500_000_001, "letter": "L-1"}), &key));
        let later = Detached {
            at: 8,
            ..signed.clone()
        };
        assert!(!later.holds(&content, &key));
        let other = SigningKey::generate().unwrap().verifying_key().unwrap();
        assert!(!signed.holds(&content, &other));
        let renamed = Detached {
            key: other.fingerprint(),
            ..signed.clone()
        };
        assert!(!renamed.holds(&content, &key) && !renamed.holds(&content, &other));
        let text = serde_json::to_string(&signed).unwrap();
        assert_eq!(serde_json::from_str::<Detached>(&text).unwrap(), signed);
    }

    #[test]
    fn the_signed_bytes_are_as_documented() {
        assert_eq!(
            message(&json!({"b": 1, "a": "同意"}), 7),
            r#"{"at":7,"content":{"a":"同意","b":1},"format":"rongqiao.signature.1"}"#.as_bytes()
        );
    }
}
