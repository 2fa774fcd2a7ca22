//! SM2 certificates as a second factor: the platform's authority issues one for a key that the
//! person made and keeps, in software or in a device, and the person proves to have the key by
//! signing a challenge ([`crate::challenge`]).
//!
//! A certificate is a row of the person's factors. Ending the row takes it back: what is not there
//! as a row in use proves nothing, whatever its dates say.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::ca::outside::{self, Brought};
use kernel_crypto::ca::{self, Holder, Period, Purpose, RefusedCertificate as Refused, Subject};
use kernel_crypto::keys::{KeyRing, SignKey};
use kernel_crypto::sm2::VerifyingKey;
use kernel_storage::{CommitError, Record, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};

use crate::account::AccountError;
use crate::challenge::Challenge;
use crate::error::IdentityError;
use crate::factor;
use crate::history::new_id;
use crate::module::{AUTHORITIES, FACTORS, MODULE};
use crate::offer::Misfit;
use crate::outside::{Trust, claim};
use crate::people::{optional, qualified, text};
use crate::principal::Principal;
use crate::session::{Origin, Sessions, blocking, object, update_of};

/// What the row's `kind` says; rows of one-time codes say nothing.
pub(crate) const KIND: &str = "certificate";
/// Seconds for which a certificate holds: a year.
const HOLDS: i64 = 366 * 86_400;
/// Seconds for which a root holds: twenty years.
const ROOT_HOLDS: i64 = 20 * 366 * 86_400;
/// Certificates one person has at once.
pub(crate) const MOST: usize = 5;
/// Longest public key and signature that are looked at.
const LONGEST: usize = 2_000;
/// Where the list of certificates that were taken back is, under the platform's address.
pub const LIST: &str = "/pki/users.crl";
/// Who issues.
const ISSUER: &str = "融桥平台";

/// A signature by the key of somebody's certificate, with all that anybody needs to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSignature {
    /// Exactly what was signed.
    pub text: String,
    /// DER.
    pub signature: Vec<u8>,
    /// PEM, as its root's.
    pub certificate: String,
    pub root: String,
    /// PEM of those between, the nearest first, where an authority outside issued it.
    pub between: Option<Vec<String>>,
    /// Big-endian hex.
    pub serial: String,
}

/// A certificate as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    pub id: String,
    pub revision: i64,
    pub label: String,
    /// PEM; of an authority outside with those between.
    pub pem: String,
    /// The authority outside that issued it, by its name; none for the platform's own.
    pub issuer: Option<String>,
    /// Big-endian hex.
    pub serial: String,
    pub confirmed: bool,
    pub created_at: String,
    pub expires_at: Option<Timestamp>,
    /// When the last challenge was made that it signed; later ones only are taken.
    last: i64,
}

impl Certificate {
    pub fn read(record: &Record) -> Self {
        Self {
            id: text(record, "id"),
            revision: record
                .get("revision")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            label: text(record, "label"),
            pem: text(record, "certificate"),
            issuer: optional(record, "issuer"),
            serial: text(record, "serial"),
            confirmed: optional(record, "confirmed_at").is_some(),
            created_at: text(record, "created_at"),
            expires_at: optional(record, "expires_at").and_then(|t| t.parse().ok()),
            last: record.get("step").and_then(Value::as_i64).unwrap_or(0),
        }
    }

    /// A person's certificates that are in use or being set up, newest first.
    pub(crate) async fn of(store: &Store, user: &str) -> Result<Vec<Self>, IdentityError> {
        let rows = factor::rows(store, user, Some(Filter::eq("kind", KIND))).await?;
        Ok(rows.iter().map(Self::read).collect())
    }

    /// Whether the certificate may be believed now; its key, and its issuers in PEM, the nearest first.
    fn believed(
        &self,
        trust: &Trust<'_>,
        now: i64,
    ) -> Result<(VerifyingKey, Vec<String>), Refused> {
        if self.issuer.is_some() {
            let brought = Brought::from_pem(&self.pem)?;
            let found = outside::verify(&brought, trust.outside, Some(&trust.lists), now)?;
            return self.same(&found.holder).map(|key| (key, found.issuers));
        }
        let mut why = Refused::Untrusted;
        for root in &trust.roots {
            match ca::verify(&self.pem, root, None, Purpose::User, now) {
                Ok(holder) => return self.same(&holder).map(|key| (key, vec![root.clone()])),
                Err(refused) => why = refused,
            }
        }
        Err(why)
    }

    /// The key, if the certificate is the one that the row says it is.
    fn same(&self, holder: &Holder) -> Result<VerifyingKey, Refused> {
        let same = !self.serial.is_empty() && hex::encode(&holder.serial) == self.serial;
        same.then(|| holder.key.clone()).ok_or(Refused::Malformed)
    }

    /// Whether the certificate is believed and its key signed the challenge, which is newer than every
    /// one before; the write that keeps it so, and what shows it to others. Why one is not believed is
    /// told to whoever has its key.
    fn proof(
        &self,
        trust: &Trust<'_>,
        challenge: &Challenge,
        signature: &[u8],
        now: i64,
    ) -> Result<(OwnSignature, Write), Misfit> {
        if challenge.at <= self.last {
            return Err(Misfit::Wrong);
        }
        let outside = self.issuer.is_some();
        let leaf = Brought::from_pem(&self.pem).map_err(|_| Misfit::Wrong)?;
        let key = leaf.key().map_err(|_| Misfit::Wrong)?;
        let text = signed_text(&key, &challenge.text, signature).ok_or(Misfit::Wrong)?;
        let (_, mut issuers) = self.believed(trust, now).map_err(|why| match why {
            why if outside => Misfit::Certificate(why),
            _ => Misfit::Wrong,
        })?;
        let proof = OwnSignature {
            text,
            signature: signature.to_vec(),
            certificate: leaf.leaf_pem().map_err(|_| Misfit::Wrong)?,
            root: issuers.pop().unwrap_or_default(),
            between: outside.then_some(issuers),
            serial: self.serial.clone(),
        };
        let values = object(json!({ "step": challenge.at }));
        let spent = update_of(FACTORS, &self.id, self.revision, values);
        Ok((proof, spent))
    }
}

/// A signature as people and programs hand it over: DER in base64, with whatever blanks.
pub(crate) fn signature(text: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST {
        return None;
    }
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(packed).ok()
}

/// The text that a key signed: as it is, or with the line feed that editors put at the end.
fn signed_text(key: &VerifyingKey, text: &str, signature: &[u8]) -> Option<String> {
    let mut texts = [text.to_owned(), format!("{text}\n")].into_iter();
    texts.find(|text| key.verify(text.as_bytes(), signature))
}

impl Sessions {
    /// A person's certificates.
    pub async fn certificates(&self, user: &str) -> Result<Vec<Certificate>, IdentityError> {
        Certificate::of(&self.inner.store, user).await
    }

    /// Issues a certificate for a public key (PEM), under `id`. It proves nothing until its key has
    /// signed once.
    pub async fn begin_certificate(
        &self,
        caller: &Principal,
        (current, label, key): (&str, &str, &str),
        id: String,
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        if key.len() > LONGEST {
            return Err(AccountError::BadKey);
        }
        let key = VerifyingKey::from_pem(key).map_err(|_| AccountError::BadKey)?;
        let fingerprint = key.fingerprint().to_string();
        let own = Certificate::of(&self.inner.store, &user.id).await?;
        if own.len() >= MOST {
            return Err(AccountError::TooMany);
        }
        let subject = Subject {
            common_name: user.login.clone(),
            organisation: ISSUER.into(),
        };
        let made = self
            .signed_certificate((Purpose::User, subject), key, HOLDS, origin)
            .await?;
        let values = object(json!({
            "user": user.id, "kind": KIND, "step": 0, "label": label,
            "certificate": made.pem, "fingerprint": fingerprint, "serial": made.serial,
            "expires_at": made.expires_at,
        }));
        Ok(vec![Write::Insert {
            collection: FACTORS.into(),
            id,
            subject: None,
            organisation: user.organisation.clone(),
            district: None,
            values,
        }])
    }

    /// What the key of a certificate signs to show that it is there, before it counts.
    pub fn possession(&self, caller: &Principal, certificate: &Certificate) -> String {
        let session = caller.session.as_deref().unwrap_or_default();
        let nonce = self.stamp("possession", &format!("{}:{session}", certificate.id));
        format!(
            "rongqiao.possession.1\n{}\n{}\n{session}\n{nonce}",
            caller.login, certificate.serial
        )
    }

    /// The key has signed: from now on the certificate is a second factor, and proven.
    pub async fn confirm_certificate(
        &self,
        caller: &Principal,
        (id, signed): (&str, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = caller.user.as_deref().unwrap_or_default();
        let own = Certificate::of(&self.inner.store, user).await?;
        let begun = own.into_iter().find(|c| c.id == id && !c.confirmed);
        let begun = begun.ok_or(AccountError::NoSuchFactor)?;
        let text = self.possession(caller, &begun);
        let now = Timestamp(origin.now);
        let signed = signature(signed).ok_or(AccountError::WrongSignature)?;
        let trust = self.trust().await?;
        let (key, _) = match begun.believed(&trust, origin.now) {
            Ok(found) => found,
            Err(why) if begun.issuer.is_some() => return Err(why.into()),
            Err(_) => return Err(AccountError::WrongSignature),
        };
        signed_text(&key, &text, &signed).ok_or(AccountError::WrongSignature)?;
        let mut values = object(json!({ "confirmed_at": now }));
        if begun.issuer.is_some() {
            let fingerprint = key.fingerprint().to_string();
            if self.is_anothers(user, &fingerprint).await? {
                return Err(AccountError::Taken);
            }
            // Unique: of two people who register one at once, one is refused.
            let claim = claim(&Brought::from_pem(&begun.pem)?)?;
            values.insert("credential".into(), claim.into());
        }
        self.forget(user);
        let mut writes = vec![update_of(FACTORS, &begun.id, begun.revision, values)];
        writes.extend(self.proven_now(caller, KIND, now).await?);
        Ok(writes)
    }

    /// Takes one of the caller's certificates back.
    pub async fn revoke_certificate(
        &self,
        caller: &Principal,
        (current, id): (&str, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        let own = Certificate::of(&self.inner.store, &user.id).await?;
        let found = own.iter().find(|c| c.id == id);
        let found = found.ok_or(AccountError::NoSuchFactor)?;
        let one = (found.id.as_str(), found.revision);
        let ended = self.take_away(&user, one, found.confirmed, origin.now);
        Ok(vec![ended.await?])
    }

    /// What the key of one of a person's certificates signed, and the write that spends it.
    pub(crate) async fn certified(
        &self,
        user: &str,
        challenge: &Challenge,
        signature: &[u8],
        now: i64,
    ) -> Result<Result<(OwnSignature, Write), Misfit>, IdentityError> {
        let trust = self.trust().await?;
        let own = Certificate::of(&self.inner.store, user).await?;
        let mut misfit = Misfit::Wrong;
        for certificate in own.iter().filter(|c| c.confirmed) {
            match certificate.proof(&trust, challenge, signature, now) {
                Ok(proof) => return Ok(Ok(proof)),
                Err(Misfit::Wrong) => {}
                Err(why) => misfit = why,
            }
        }
        Ok(Err(misfit))
    }

    /// Certificates of every authority key that is or was in use.
    pub(crate) async fn roots(&self) -> Result<Vec<String>, IdentityError> {
        let query = Query::new(qualified(AUTHORITIES))
            .sort("created_at", true)
            .limit(50);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        Ok(found
            .records
            .iter()
            .map(|r| text(r, "certificate"))
            .collect())
    }

    /// The root of the authority's key, where it was made.
    pub(crate) async fn known_root(&self) -> Result<Option<String>, IdentityError> {
        let key = self.inner.keys.verifying_key(SignKey::Authority);
        let query = Query::new(qualified(AUTHORITIES))
            .filter(Filter::eq("fingerprint", key.fingerprint().to_string()))
            .limit(1);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        Ok(found.records.first().map(|row| text(row, "certificate")))
    }

    /// The root of the authority's key, made when it is needed first.
    pub(crate) async fn root(&self, origin: Origin<'_>) -> Result<String, IdentityError> {
        let key = self.inner.keys.verifying_key(SignKey::Authority);
        let fingerprint = key.fingerprint().to_string();
        for _ in 0..2 {
            if let Some(root) = self.known_root().await? {
                return Ok(root);
            }
            let keys = Arc::clone(&self.inner.keys);
            let now = origin.now;
            let pem = blocking(move || self_signed(&keys, now)).await?;
            let mut commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
            commit.writes = vec![Write::Insert {
                collection: AUTHORITIES.into(),
                id: new_id(origin.now)?,
                subject: None,
                organisation: None,
                district: None,
                values: object(json!({
                    "name": ISSUER, "fingerprint": fingerprint, "certificate": pem,
                })),
            }];
            match self.inner.store.commit(commit).await {
                Ok(_) => return Ok(pem),
                // Another node was faster; its root is as good.
                Err(CommitError::Conflict { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(IdentityError::Stopped)
    }
}

fn self_signed(keys: &KeyRing, now: i64) -> Result<String, IdentityError> {
    let subject = Subject {
        common_name: "融桥用户证书根".into(),
        organisation: ISSUER.into(),
    };
    let period = Period {
        from: Timestamp(now).plus_seconds(-60).micros(),
        to: Timestamp(now).plus_seconds(ROOT_HOLDS).micros(),
    };
    let signer = keys.signer(SignKey::Authority);
    Ok(ca::root(&signer, &subject, 1, period)?)
}
