//! Passwords sealed as the portal's script seals them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::sm2::encryption::EncryptingKey;
use serde_json::{Map, Value, json};

use crate::browser::agent;

/// What passwords are sealed with for one request.
#[derive(Debug, Clone)]
pub struct Sealing {
    pub to: String,
    pub nonce: String,
    /// PEM.
    pub key: String,
}

impl Sealing {
    /// Asks a server, at `url`, for what is sent to `to`.
    pub fn ask(url: &str, to: &str) -> Self {
        let asked = agent()
            .get(format!("{url}/api/v1/session/seal"))
            .query("for", to)
            .call();
        let mut answer = asked.expect("the server answers");
        assert_eq!(answer.status().as_u16(), 200);
        let told: Value = answer.body_mut().read_json().expect("JSON");
        let text = |name: &str| told[name].as_str().expect("a text").to_owned();
        Self {
            to: text("for"),
            nonce: text("nonce"),
            key: text("key"),
        }
    }

    pub fn seal(&self, fields: &[(&str, &str)]) -> String {
        let fields: Map<String, Value> = fields
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).into()))
            .collect();
        let content = json!({ "for": self.to, "nonce": self.nonce, "fields": fields });
        let key = EncryptingKey::from_pem(&self.key).expect("a public key");
        let sealed = key.encrypt(content.to_string().as_bytes());
        STANDARD.encode(sealed.expect("a ciphertext"))
    }
}
