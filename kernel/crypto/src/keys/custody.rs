//! Dual control: what two custodians must sign before a key is rotated or destroyed.
//!
//! A custodian is a person with an SM2 key of his own, in a file that only his passphrase opens and
//! that he keeps ([`CustodianKey`]); the ring holds the public half. One custodian requests an
//! operation and another approves it, each by signing the same document; [`Approval`] is the proof
//! that both did, and [`KeyRing`](super::KeyRing) changes no key without one. Both signatures go into
//! the audit record, so neither person can deny it later, and neither can act alone.
//!
//! The first two custodians are enrolled when the platform is set up; from then on enrolling or
//! dismissing one takes two, too. A request lapses after [`VALID`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::canonical;
use crate::random::{self, EntropyError};
use crate::sm2::{Sm2Error, VerifyingKey};

mod custodian;

pub use custodian::{CustodianError, CustodianKey};

/// How long a request waits for its approval, in microseconds: one day.
pub const VALID: i64 = 86_400_000_000;
/// Custodians that must stay.
pub(super) const LEAST: usize = 2;

/// What needs two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// A new key takes over; the old one opens and verifies what it made.
    Rotate { key: String },
    /// A key that no longer seals or signs is destroyed.
    Destroy { number: u32 },
    /// A person becomes custodian.
    Enroll { custodian: Custodian },
    /// A custodian leaves.
    Dismiss { name: String },
}

/// A person who takes part in dual control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custodian {
    pub name: String,
    /// `SubjectPublicKeyInfo` PEM.
    pub public: String,
}

/// An operation that one custodian signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub id: String,
    pub operation: Operation,
    /// Microseconds since the epoch, UTC.
    pub at: i64,
    /// Name of the custodian.
    pub by: String,
    #[serde(with = "hex::serde")]
    signature: Vec<u8>,
}

/// An operation that two custodians signed. Only [`KeyRing::approve`](super::KeyRing::approve)
/// makes one, after checking both.
#[derive(Debug)]
pub struct Approval {
    pub(super) request: Request,
    pub(super) ring: String,
    approver: String,
    signature: Vec<u8>,
    at: i64,
}

/// Why dual control refuses.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    #[error("{name} is not a custodian of this key ring, or this is another person's key file")]
    NotCustodian { name: String },
    #[error("there is no custodian {0}")]
    Unknown(String),
    #[error("{name} is a custodian already, or the same key file is enrolled under another name")]
    Enrolled { name: String },
    #[error("two custodians are enrolled: another one needs the approval of two")]
    Founded,
    #[error("two custodians must be enrolled before a key can be rotated or destroyed")]
    TooFew,
    #[error("a custodian's name has 1 to 40 letters, digits, points, dashes or underscores")]
    Name,
    #[error("there is no request {0}")]
    NoRequest(String),
    #[error("the request has lapsed; make it again")]
    Lapsed,
    #[error("the custodian who requested it cannot approve it: ask another one")]
    SamePerson,
    #[error("the request in the key ring is not signed by the custodian it names")]
    BadSignature,
    #[error("the custodian's signature cannot be made or read")]
    Sm2(#[from] Sm2Error),
    #[error("no entropy for a request's number")]
    Entropy(#[from] EntropyError),
}

impl Custodian {
    fn key(&self) -> Result<VerifyingKey, CustodyError> {
        Ok(VerifyingKey::from_pem(&self.public)?)
    }

    /// Refuses names that would be mistaken, and keys that are none.
    pub(super) fn check(&self) -> Result<(), CustodyError> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let length = self.name.chars().count();
        if !(1..=40).contains(&length) || !self.name.chars().all(plain) {
            return Err(CustodyError::Name);
        }
        self.key().map(drop)
    }
}

/// The signed bytes: canonical JSON.
fn message(ring: &str, request: &Request, role: &str) -> Vec<u8> {
    canonical::to_vec(&json!({
        "format": "rongqiao.key-request.1",
        "ring": ring,
        "id": request.id,
        "operation": request.operation,
        "at": request.at,
        "by": request.by,
        "role": role,
    }))
}

/// The custodian whose key file this is.
fn find<'a>(
    custodians: &'a [Custodian],
    key: &CustodianKey,
) -> Result<&'a Custodian, CustodyError> {
    let unknown = || CustodyError::NotCustodian {
        name: key.name().to_owned(),
    };
    let found = custodians
        .iter()
        .find(|custodian| custodian.name == key.name())
        .ok_or_else(unknown)?;
    if found.key()?.fingerprint() == key.public()?.fingerprint() {
        Ok(found)
    } else {
        Err(unknown())
    }
}

impl Request {
    pub(super) fn new(
        ring: &str,
        custodians: &[Custodian],
        operation: Operation,
        key: &CustodianKey,
        at: i64,
    ) -> Result<Self, CustodyError> {
        if custodians.len() < LEAST {
            return Err(CustodyError::TooFew);
        }
        let mut request = Self {
            id: random::token_hex(6)?,
            operation,
            at,
            by: find(custodians, key)?.name.clone(),
            signature: Vec::new(),
        };
        request.signature = key.sign(&message(ring, &request, "request"))?;
        Ok(request)
    }

    pub(super) fn is_valid(&self, now: i64) -> bool {
        (self.at..=self.at.saturating_add(VALID)).contains(&now)
    }

    pub(super) fn approve(
        self,
        ring: &str,
        custodians: &[Custodian],
        key: &CustodianKey,
        now: i64,
    ) -> Result<Approval, CustodyError> {
        if !self.is_valid(now) {
            return Err(CustodyError::Lapsed);
        }
        let requester = custodians
            .iter()
            .find(|custodian| custodian.name == self.by)
            .ok_or_else(|| CustodyError::Unknown(self.by.clone()))?
            .key()?;
        let approver = find(custodians, key)?;
        if approver.name == self.by || approver.key()?.fingerprint() == requester.fingerprint() {
            return Err(CustodyError::SamePerson);
        }
        if !requester.verify(&message(ring, &self, "request"), &self.signature) {
            return Err(CustodyError::BadSignature);
        }
        Ok(Approval {
            signature: key.sign(&message(ring, &self, "approval"))?,
            approver: approver.name.clone(),
            ring: ring.to_owned(),
            request: self,
            at: now,
        })
    }
}

impl Approval {
    pub fn operation(&self) -> &Operation {
        &self.request.operation
    }

    /// The custodian who approved.
    pub fn approver(&self) -> &str {
        &self.approver
    }

    /// What the audit record keeps: who, what, when, and both signatures.
    pub fn evidence(&self) -> Value {
        json!({
            "ring": self.ring,
            "request": self.request,
            "approved_by": self.approver,
            "approved_at": self.at,
            "approval": hex::encode(&self.signature),
        })
    }
}
