//! Which of the authority's certificates were taken back, for whoever checks them elsewhere: a list that the
//! authority signs (RFC 5280 §5).
//!
//! It has every certificate that ended before its time. A new one is made when one more was taken
//! back, and each hour; in between the same bytes are handed out.

use std::sync::{Arc, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::ca::{self, Period, Revoked};
use kernel_crypto::canonical;
use kernel_crypto::keys::SignKey;
use kernel_crypto::sm3::{self, Digest32};
use kernel_storage::RowFilter;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::certificates::KIND;
use crate::error::IdentityError;
use crate::issued::REVOKED;
use crate::module::FACTORS;
use crate::people::{optional, qualified, text};
use crate::session::{Sessions, blocking};

/// Seconds for which a list may be relied on.
const HOLDS: i64 = 7 * 86_400;
/// Seconds for which one is handed out as long as nothing changed.
const SAME: i64 = 3_600;

/// A list as it is handed out.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Digest of what is on it.
    of: Digest32,
    made_at: i64,
    der: Arc<Vec<u8>>,
}

impl Sessions {
    /// Certificates of every authority key that is or was in use, PEM, newest first.
    pub async fn authorities(&self) -> Result<Vec<String>, IdentityError> {
        self.roots().await
    }

    /// The list in DER; none as long as the authority has issued nothing.
    pub async fn revocation_list(&self, now: i64) -> Result<Option<Arc<Vec<u8>>>, IdentityError> {
        let Some(root) = self.known_root().await? else {
            return Ok(None);
        };
        let revoked = self.revoked(now).await?;
        let all: Vec<_> = revoked.iter().map(|r| (r.serial, r.at)).collect();
        let of = sm3::digest(&canonical::to_vec(&json!([root, all])));
        let kept = self.inner.listed.lock();
        let kept = kept.unwrap_or_else(PoisonError::into_inner).clone();
        let fresh = |one: &Listed| {
            one.of == of && Timestamp(now) < Timestamp(one.made_at).plus_seconds(SAME)
        };
        if let Some(one) = kept.filter(fresh) {
            return Ok(Some(one.der));
        }
        let period = Period {
            from: now,
            to: Timestamp(now).plus_seconds(HOLDS).micros(),
        };
        // Later lists have higher numbers, whichever node makes them.
        let number = u64::try_from(now.div_euclid(1_000)).unwrap_or_default();
        let keys = Arc::clone(&self.inner.keys);
        let pem = blocking(move || {
            let signer = keys.signer(SignKey::Authority);
            Ok(ca::revocation_list(
                &signer, &root, number, period, &revoked,
            )?)
        })
        .await?;
        let der = Arc::new(der(&pem));
        let kept = self.inner.listed.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = Some(Listed {
            of,
            made_at: now,
            der: Arc::clone(&der),
        });
        Ok(Some(der))
    }

    /// What was taken back and would hold still: people's, then nodes' and publishers', each in the order
    /// in which it was issued.
    async fn revoked(&self, now: i64) -> Result<Vec<Revoked>, IdentityError> {
        let mut all = self.revoked_of_people(now).await?;
        for one in self.issued(&[("status", REVOKED)]).await? {
            let holds = one.expires_at.is_none_or(|end| Timestamp(now) < end);
            let serial = u64::from_str_radix(&one.serial, 16);
            if let (Ok(serial), Some(at), true) = (serial, one.ended_at, holds) {
                let at = at.micros();
                all.push(Revoked { serial, at });
            }
        }
        Ok(all)
    }

    async fn revoked_of_people(&self, now: i64) -> Result<Vec<Revoked>, IdentityError> {
        let ended = Filter::Not(Box::new(Filter::Missing {
            field: "ended_at".into(),
        }));
        let mut query = Query::new(qualified(FACTORS))
            .filter(Filter::eq("kind", KIND))
            // Of what others issued they have lists of their own.
            .filter(Filter::Missing {
                field: "issuer".into(),
            })
            .filter(ended)
            .after("", MAX_LIMIT);
        let mut all = Vec::new();
        loop {
            let found = self.inner.store.find(&query, &RowFilter::All).await?;
            for row in &found.records {
                let time = |name| optional(row, name).and_then(|t| t.parse::<Timestamp>().ok());
                let serial = u64::from_str_radix(&text(row, "serial"), 16);
                let holds = time("expires_at").is_none_or(|end| Timestamp(now) < end);
                if let (Ok(serial), Some(at), true) = (serial, time("ended_at"), holds) {
                    let at = at.micros();
                    all.push(Revoked { serial, at });
                }
            }
            match found.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok(all),
            }
        }
    }
}

/// The bytes in a PEM.
fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    let packed: String = lines.collect();
    STANDARD.decode(packed).unwrap_or_default()
}
