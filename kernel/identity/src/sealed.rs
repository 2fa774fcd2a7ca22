//! Passwords that are sealed where they are typed, so that nothing between the browser and the
//! platform sees them: no proxy, no log, and not whoever ends TLS in front of it.
//!
//! Whoever is about to send some asks for a nonce and the public half of the ring's key `password`
//! ([`Sessions::sealing`]). What is sent is the base64 of an `SM2Cipher` in DER over this JSON:
//!
//! ```json
//! { "for": "/account#password", "nonce": "…", "fields": { "current": "…", "new": "…" } }
//! ```
//!
//! `for` says which form it is of, and the nonce is given out for that one, so what was sealed for one
//! form is no use in another. The nonce is a [challenge](crate::challenge): nothing is kept of it when
//! it is given out, so asking for many costs nobody room. It is good for five minutes, and once on all
//! nodes: the ones that were used are remembered until they are too old.
//!
//! Sealing adds to TLS and does not stand in for it: whoever changes what the browser gets can give it
//! another key, or another script.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::keys::DecryptKey;
use kernel_crypto::sm3;
use kernel_storage::Nonce;
use sdk_contract::scalar::Timestamp;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::challenge::{Challenge, GOOD};
use crate::error::IdentityError;
use crate::password_rules::InClear;
use crate::session::{Sessions, blocking};

/// Longest text that is looked at, in bytes of base64: a form has some passwords of 256 characters.
const LONGEST: usize = 16 * 1024;
/// Seconds that the clock of the node which gave the nonce out may be ahead of this one's.
const AHEAD: i64 = 60;
/// Whose nonces they are, in the store.
const OF: &str = "platform.password";

/// What passwords are sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    /// To go into what is sealed as it is.
    pub nonce: String,
    /// The public half of the key, `SubjectPublicKeyInfo` in PEM.
    pub key: String,
}

/// What was sealed, opened, and its nonce, which is still to be taken ([`Sessions::use_up`]).
#[derive(PartialEq, Eq)]
pub struct Opened {
    fields: BTreeMap<String, Zeroizing<String>>,
    nonce: Challenge,
}

/// Why a sealed password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Damaged, encrypted for another key, of another form, or with a nonce that is not ours.
    #[error("the sealed password does not open here")]
    Wrong,
    #[error("the sealed password is too old")]
    Late,
    #[error("the sealed password was used before")]
    Used,
    #[error("the sealed password could not be judged")]
    Failed(#[from] IdentityError),
}

impl SealError {
    /// Stable; for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wrong => "seal-wrong",
            Self::Late => "seal-late",
            Self::Used => "seal-used",
            Self::Failed(_) => "unavailable",
        }
    }

    /// What to do about it.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Wrong => "密码没有正确加密，请刷新页面后再填写一次",
            Self::Late => "加密的密码已超过五分钟，请再填写一次密码并提交",
            Self::Used => "加密的密码只能使用一次，请再填写一次密码并提交",
            Self::Failed(_) => "服务暂时不可用，请稍后再试",
        }
    }
}

/// What is sealed, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    r#for: String,
    nonce: String,
    fields: BTreeMap<String, String>,
}

impl Opened {
    /// What was typed in a field; empty where there is no such.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |text| text.as_str())
    }

    /// What was typed, by field.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields.keys()).finish()
    }
}

impl Sessions {
    /// Whether programs may send passwords in clear.
    pub fn takes_clear(&self) -> bool {
        self.inner.policy.password.in_clear == InClear::Api
    }

    /// What to seal the passwords of a form with, at the platform's address as the person sees it.
    pub fn sealing(&self, form: &str, address: &str, now: i64) -> Result<Sealing, IdentityError> {
        let key = self.inner.keys.encrypting_key(DecryptKey::Password);
        Ok(Sealing {
            nonce: self.challenge(&purpose(form), address, now)?.token,
            key: key.to_pem()?,
        })
    }

    /// Opens what was sealed for a form, at the platform's address.
    pub async fn unseal(
        &self,
        sealed: &str,
        (form, address): (&str, &str),
        now: i64,
    ) -> Result<Opened, SealError> {
        if sealed.len() > LONGEST {
            return Err(SealError::Wrong);
        }
        let der = STANDARD.decode(sealed).map_err(|_| SealError::Wrong)?;
        let keys = Arc::clone(&self.inner.keys);
        let plain = blocking(move || Ok(keys.decrypt(DecryptKey::Password, &der).ok())).await?;
        let plain = plain.ok_or(SealError::Wrong)?;
        let content: Content = serde_json::from_slice(&plain).map_err(|_| SealError::Wrong)?;
        if content.r#for != form {
            return Err(SealError::Wrong);
        }
        let given = (purpose(form), address);
        let nonce = self.read_back(&content.nonce, (&given.0, given.1), None);
        let nonce = nonce.ok_or(SealError::Wrong)?;
        let given_at = Timestamp(nonce.at);
        if Timestamp(now) >= given_at.plus_seconds(GOOD)
            || given_at >= Timestamp(now).plus_seconds(AHEAD)
        {
            return Err(SealError::Late);
        }
        let fields = content.fields.into_iter();
        Ok(Opened {
            fields: fields
                .map(|(name, text)| (name, Zeroizing::new(text)))
                .collect(),
            nonce,
        })
    }

    /// Takes the nonce of what was opened, before anything is done with it.
    pub async fn use_up(&self, opened: &Opened, now: i64) -> Result<(), SealError> {
        let nonce = Nonce {
            of: OF.to_owned(),
            nonce: sm3::digest(opened.nonce.text.as_bytes()).to_string(),
            // Twice as long as this node takes it: another's clock may be behind.
            ends_at: Timestamp(opened.nonce.at).plus_seconds(2 * GOOD).micros(),
            at: now,
        };
        let claimed = self.inner.store.claim(nonce).await;
        if claimed.map_err(IdentityError::from)? {
            Ok(())
        } else {
            Err(SealError::Used)
        }
    }
}

fn purpose(form: &str) -> String {
    format!("password:{form}")
}
