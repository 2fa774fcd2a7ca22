//! A program of another organisation, which signs its calls.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::sm2::SigningKey;
use kernel_crypto::sm3;
use serde_json::{Value, json};

use crate::steps::{BANK, text};
use crate::{Client, Server, Signed};

static NONCES: AtomicU32 = AtomicU32::new(0);

/// A program with its key.
pub struct Program {
    pub id: String,
    pub key: SigningKey,
}

/// What goes into a signature; a test changes one part.
pub struct Parts {
    pub method: &'static str,
    pub path: String,
    pub query: String,
    pub body: Vec<u8>,
    pub created: i64,
    pub nonce: String,
    pub keyid: String,
    /// Further headers, signed as well.
    pub more: Vec<(&'static str, String)>,
}

pub fn pem(key: &SigningKey) -> String {
    let public = key.verifying_key().expect("the public half");
    public.to_pem().expect("a PEM")
}

pub fn now() -> i64 {
    let out = Command::new("date").arg("+%s").output().expect("the date");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.trim().parse().expect("seconds")
}

/// An app's registration that the demo's bank asks for.
pub fn registration(key: &SigningKey) -> Value {
    json!({
        "name": "信贷核心系统", "organisation": BANK, "roles": ["bank.officer"], "key": pem(key),
        "networks": "127.0.0.0/8\n203.0.113.0/24", "per_minute": 1_000, "per_day": 100_000,
    })
}

impl Program {
    pub fn registered(server: &Server, asked: impl FnOnce(&mut Value)) -> Self {
        let key = SigningKey::generate().expect("a key");
        let mut body = registration(&key);
        asked(&mut body);
        let done = server
            .user("operator")
            .post("/api/v1/access/apps/register", &body);
        assert_eq!(done.status, 200, "{}", done.body);
        let id = text(&done.body["result"]["id"]);
        Self { id, key }
    }

    pub fn approved(server: &Server, asked: impl FnOnce(&mut Value)) -> Self {
        let program = Self::registered(server, asked);
        program.decide(server, "security", "approve", &json!({}));
        program
    }

    pub fn decide(&self, server: &Server, login: &str, verb: &str, body: &Value) {
        let path = format!("/api/v1/access/apps/{}/{verb}", self.id);
        let done = server.user(login).post(&path, body);
        assert_eq!(done.status, 200, "{verb}: {}", done.body);
    }

    pub fn parts(&self, method: &'static str, path: &str, query: &str) -> Parts {
        let number = NONCES.fetch_add(1, Ordering::Relaxed);
        Parts {
            method,
            path: path.into(),
            query: query.into(),
            body: Vec::new(),
            created: now(),
            nonce: format!("{:016}-{}", number, std::process::id()),
            keyid: self.id.clone(),
            more: Vec::new(),
        }
    }

    pub fn list(&self) -> Parts {
        self.parts("GET", "/api/v1/lending/applications", "?size=3")
    }

    pub fn headers(&self, parts: &Parts) -> Vec<(String, String)> {
        let digest = STANDARD.encode(sm3::digest(&parts.body).as_bytes());
        let (mut names, mut lines) = (String::new(), String::new());
        for (name, value) in &parts.more {
            names = format!("{names} \"{name}\"");
            lines = format!("{lines}\"{name}\": {value}\n");
        }
        let input = format!(
            "(\"@method\" \"@path\" \"@query\" \"content-digest\"{names});created={};nonce=\"{}\"\
             ;keyid=\"{}\";alg=\"sm2-sm3\"",
            parts.created, parts.nonce, parts.keyid
        );
        let base = format!(
            "\"@method\": {}\n\"@path\": {}\n\"@query\": {}\n\"content-digest\": sm3=:{digest}:\n{lines}\
             \"@signature-params\": {input}",
            parts.method, parts.path, parts.query
        );
        let signature = self.key.sign(base.as_bytes()).expect("a signature");
        let header = |name: &str, value: String| (name.to_owned(), value);
        let more = parts.more.iter();
        let more = more.map(|(name, value)| header(name, value.clone()));
        let mut all: Vec<_> = more.collect();
        all.extend([
            header("content-digest", format!("sm3=:{digest}:")),
            header("signature-input", format!("sig={input}")),
            header("signature", format!("sig=:{}:", STANDARD.encode(signature))),
        ]);
        all
    }

    pub fn send(&self, client: &Client, parts: &Parts) -> Signed {
        client.signed(
            parts.method,
            &format!("{}{}", parts.path, parts.query.trim_end_matches('?')),
            &self.headers(parts),
            &parts.body,
        )
    }

    pub fn calls(&self, client: &Client) -> Signed {
        self.send(client, &self.list())
    }
}
