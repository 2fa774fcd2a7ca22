//! Certificates that the platform's authority issues for nodes and for publishers of plugins. One person
//! asks, with a request that the key itself signed, another approves, and either takes it back.
//!
//! A node's certificate proves a client at the door as long as its row is in use: what is not there
//! proves nothing, whatever its dates say. Those that were taken back are on the authority's list
//! ([`crate::revocation`]).

mod declare;

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel_crypto::ca::{self, Period, Purpose, RefusedCertificate as Refused, Subject};
use kernel_crypto::keys::SignKey;
use kernel_crypto::random;
use kernel_crypto::sm2::VerifyingKey;
use kernel_crypto::sm3::Digest32;
use kernel_storage::{CollectionName, RowFilter};
use sdk_contract::error::FieldFault;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::apps::MODULE;
use crate::certificates::LIST;
use crate::error::IdentityError;
use crate::people::{optional, text};
use crate::session::{Origin, Sessions, blocking, object};

pub use declare::CERTIFICATES;
pub(crate) use declare::{actions, choices, collection, flow, pages, permissions};

const DAY_SECONDS: i64 = 86_400;
pub(crate) const ACTIVE: &str = "active";
pub(crate) const REVOKED: &str = "revoked";
const NODE: &str = "node";

/// A certificate, or what waits to become one.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    pub id: String,
    pub revision: i64,
    pub name: String,
    pub organisation: String,
    /// `node` or `publisher`.
    pub purpose: String,
    /// `pending`, `active`, `revoked` or `dropped`.
    pub status: String,
    pub days: i64,
    /// PEM of the public key.
    pub key: String,
    pub asked_by: String,
    /// PEM; none before it is issued.
    pub certificate: Option<String>,
    /// Big-endian hex.
    pub serial: String,
    pub expires_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

impl Issued {
    pub fn read(record: &Map<String, Value>) -> Self {
        let count = |name: &str| record.get(name).and_then(Value::as_i64).unwrap_or_default();
        let time = |name: &str| optional(record, name).and_then(|t| t.parse().ok());
        Self {
            id: text(record, "id"),
            revision: count("revision"),
            name: text(record, "name"),
            organisation: text(record, "holder"),
            purpose: text(record, "purpose"),
            status: text(record, "status"),
            days: count("days"),
            key: text(record, "key"),
            asked_by: text(record, "asked_by"),
            certificate: optional(record, "certificate"),
            serial: text(record, "serial"),
            expires_at: time("expires_at"),
            ended_at: time("ended_at"),
        }
    }

    fn purpose(&self) -> Purpose {
        if self.purpose == NODE {
            Purpose::Node
        } else {
            Purpose::Publisher
        }
    }

    /// SM3 of the certificate in DER: what a connection is recognised by.
    pub fn digest(&self) -> Option<Digest32> {
        let pem = self.certificate.as_deref()?;
        ca::shown(pem).ok()?.first().map(|shown| shown.digest)
    }
}

/// What somebody asks for, checked, in the form the collection keeps. Every fault at once.
pub fn ask(input: &Map<String, Value>, by: &str) -> Result<Map<String, Value>, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let (name, purpose) = (text(input, "name"), text(input, "purpose"));
    if purpose == NODE && !ca::is_host(&name) {
        let message = "节点以主机名命名：小写字母、数字、连字符和点，如 node1.bank.example";
        faults.push(FieldFault::new("name", "bad-value", message));
    }
    for field in ["name", "holder"] {
        if text(input, field).contains(|c: char| c.is_control() || ",+\"\\<>;=#".contains(c)) {
            let message = "不能有控制字符和 , + \" \\ < > ; = # 这些符号";
            faults.push(FieldFault::new(field, "bad-value", message));
        }
    }
    let key = match ca::requested(&text(input, "request")) {
        Ok(key) => key.to_pem().ok(),
        Err(why) => {
            faults.push(FieldFault::new("request", "bad-value", told(why)));
            None
        }
    };
    let Some(key) = key.filter(|_| faults.is_empty()) else {
        return Err(faults);
    };
    Ok(object(json!({
        "name": name, "holder": text(input, "holder"), "purpose": purpose,
        "days": input.get("days"), "key": key.trim(), "status": "pending", "asked_by": by,
    })))
}

fn told(why: Refused) -> &'static str {
    match why {
        Refused::Signature => "申请不是由其中的密钥签名的：请用该密钥重新生成证书申请",
        Refused::Algorithm | Refused::Key => {
            "不是 SM2 密钥的申请：请用 SM2 密钥生成，并以 SM3 签名"
        }
        _ => "不是证书申请：请粘贴以 -----BEGIN CERTIFICATE REQUEST----- 开头的内容",
    }
}

impl Sessions {
    /// What issuing a certificate that was asked for writes to its row.
    pub async fn issue(
        &self,
        asked: &Issued,
        origin: Origin<'_>,
    ) -> Result<Map<String, Value>, IdentityError> {
        let subject = Subject {
            common_name: asked.name.clone(),
            organisation: asked.organisation.clone(),
        };
        let key = VerifyingKey::from_pem(&asked.key).map_err(|_| ca::CaError::Encoding)?;
        let seconds = asked.days.saturating_mul(DAY_SECONDS);
        let made = self
            .signed_certificate((asked.purpose(), subject), key, seconds, origin)
            .await?;
        Ok(object(json!({
            "status": ACTIVE, "certificate": made.pem, "serial": made.serial,
            "expires_at": made.expires_at, "asked_by": null,
        })))
    }

    /// Certificates of nodes that may be shown at the door now, by their digests, and when each ends.
    pub async fn nodes(&self) -> Result<BTreeMap<[u8; 32], i64>, IdentityError> {
        let filter = [("status", ACTIVE), ("purpose", NODE)];
        let all = self.issued(&filter).await?;
        let known = all.iter().filter_map(|node| {
            let until = node.expires_at?.micros();
            Some((*node.digest()?.as_bytes(), until))
        });
        Ok(known.collect())
    }

    /// Rows with these values, oldest first.
    pub(crate) async fn issued(
        &self,
        equal: &[(&str, &str)],
    ) -> Result<Vec<Issued>, IdentityError> {
        let name = CollectionName::new(MODULE, CERTIFICATES).to_string();
        let mut query = Query::new(name).after("", MAX_LIMIT);
        for (field, value) in equal {
            query = query.filter(Filter::eq(*field, *value));
        }
        let mut all = Vec::new();
        loop {
            let found = self.inner.store.find(&query, &RowFilter::All).await?;
            all.extend(found.records.iter().map(Issued::read));
            match found.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Signs a certificate with the authority's key of now, holding from a minute ago for so many seconds.
    pub(crate) async fn signed_certificate(
        &self,
        (purpose, subject): (Purpose, Subject),
        key: VerifyingKey,
        seconds: i64,
        origin: Origin<'_>,
    ) -> Result<Made, IdentityError> {
        let mut serial = [0; 8];
        random::fill(&mut serial)?;
        // Positive, and of one length.
        let serial = u64::from_be_bytes(serial) >> 1 | 1 << 62;
        let expires_at = Timestamp(origin.now).plus_seconds(seconds);
        let period = Period {
            from: Timestamp(origin.now).plus_seconds(-60).micros(),
            to: expires_at.micros(),
        };
        let root = self.root(origin).await?;
        let address = self.inner.policy.address.trim_end_matches('/');
        let list = (!address.is_empty()).then(|| format!("{address}{LIST}"));
        let keys = Arc::clone(&self.inner.keys);
        let pem = blocking(move || {
            let signer = keys.signer(SignKey::Authority);
            let shape = (purpose, &subject);
            let issuer = (root.as_str(), list.as_deref());
            Ok(ca::issue(&signer, issuer, shape, &key, (serial, period))?)
        })
        .await?;
        Ok(Made {
            pem,
            serial: hex::encode(serial.to_be_bytes()),
            expires_at,
        })
    }
}

/// A certificate that was just signed.
pub(crate) struct Made {
    pub(crate) pem: String,
    /// Big-endian hex.
    pub(crate) serial: String,
    pub(crate) expires_at: Timestamp,
}
