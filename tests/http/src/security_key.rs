//! A security key in software: what a browser and an authenticator do together.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_crypto::foreign::sha256;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::{Client, Server};

/// `SubjectPublicKeyInfo` of a key on P-256, up to its point.
const INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const PRESENT: u8 = 0x01;
const ATTESTED: u8 = 0x40;

/// A key that knows one credential.
pub struct SecurityKey {
    pair: EcdsaKeyPair,
    id: Vec<u8>,
    /// What it has counted so far; a test may turn it back.
    pub count: u32,
    /// The address that the browser shows; a test may have it show another.
    pub address: String,
}

impl SecurityKey {
    pub fn new(server: &Server) -> Self {
        let random = SystemRandom::new();
        let how = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(how, &random).expect("a key");
        let mut id = vec![0; 20];
        random.fill(&mut id).expect("an id");
        Self {
            pair: EcdsaKeyPair::from_pkcs8(how, key.as_ref(), &random).expect("a key"),
            id,
            count: 0,
            address: server.url.clone(),
        }
    }

    /// As browsers name it.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// Adds it to the account of a client that is signed in; the answer of the platform.
    pub fn set_up(&mut self, server: &Server, client: &mut Client, login: &str) -> crate::Answer {
        let asked = client.get("/api/v1/session/security-key");
        assert_eq!(asked.status, 200, "{}", asked.body);
        let mut answer = self.made(asked.body["challenge"].as_str().expect("a challenge"));
        answer["challenge"] = asked.body["challenge"].clone();
        let input = json!({
            "current": server.password(login), "label": "手机", "security_key": answer.to_string(),
        });
        client.post("/api/v1/platform/factors/add-key", &input)
    }

    /// What a browser says of a credential made for a challenge, by the challenge's token.
    pub fn made(&mut self, token: &str) -> Value {
        let length = u16::try_from(self.id.len()).expect("a short id");
        let mut data = self.data(PRESENT | ATTESTED);
        data.extend([0; 16]);
        data.extend(length.to_be_bytes());
        data.extend(&self.id);
        // The key as CBOR, which nobody here reads.
        data.push(0xa5);
        let public = [&INFO, self.pair.public_key().as_ref()].concat();
        json!({ "id": self.id(), "type": "public-key", "response": {
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client("webauthn.create", token)),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "publicKey": URL_SAFE_NO_PAD.encode(public), "publicKeyAlgorithm": -7,
        }})
    }

    /// What a browser says of the credential's signature over a challenge.
    pub fn signs(&mut self, token: &str) -> Value {
        self.count += 1;
        let (client, data) = (self.client("webauthn.get", token), self.data(PRESENT));
        let message = [data.as_slice(), &sha256(client.as_bytes())].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &message);
        json!({ "id": self.id(), "type": "public-key", "response": {
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature.expect("a signature")),
        }})
    }

    fn client(&self, deed: &str, token: &str) -> String {
        let challenge = token.split('.').next().unwrap_or_default();
        json!({ "type": deed, "challenge": challenge, "origin": self.address }).to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let host = self.address.trim_start_matches("http://");
        let host = host.trim_start_matches("https://");
        let host = host.split(':').next().unwrap_or_default();
        let mut data = sha256(host.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.count.to_be_bytes());
        data
    }
}
