//! Which second factors a person has, and whether one that is offered fits.

use kernel_crypto::ca::RefusedCertificate;
use kernel_storage::Record;
use sdk_contract::call::Write;
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::account::AccountError;
use crate::certificates;
use crate::error::IdentityError;
use crate::factor::{self, Factor};
use crate::grants;
use crate::module::{FACTORS, SESSIONS};
use crate::outside;
use crate::people::{User, get, optional, text};
use crate::principal::Principal;
use crate::security_keys::{self, Answer, SecurityKey};
use crate::session::{COMPOSED, Sessions, object, update, update_of};

/// One-time and recovery codes, as [`Offer::way`] names them.
pub(crate) const CODE: &str = "code";

/// A second factor that somebody offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer<'a> {
    /// A one-time code, or a recovery code.
    Code(&'a str),
    /// A challenge, and the signature of a certificate's key over it.
    Signed {
        challenge: &'a str,
        /// DER in base64.
        signature: &'a str,
        /// The platform's address as the person sees it.
        address: &'a str,
    },
    /// A challenge, and what a security key answered.
    Key {
        challenge: &'a str,
        /// `AuthenticationResponseJSON` of Web Authentication.
        answer: &'a str,
        address: &'a str,
    },
}

/// The second factors that a person can prove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ways {
    pub code: bool,
    pub certificate: bool,
    /// Security keys, as browsers name them.
    pub keys: Vec<String>,
}

impl Offer<'_> {
    /// The kind of factor, as sessions and signatures name it.
    pub fn way(self) -> &'static str {
        match self {
            Self::Code(_) => CODE,
            Self::Signed { .. } => certificates::KIND,
            Self::Key { .. } => security_keys::KIND,
        }
    }
}

/// Why what was offered does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It is nobody's to say more.
    Wrong,
    /// The person's key signed, and the certificate of it is not believed.
    Certificate(RefusedCertificate),
}

impl Misfit {
    pub(crate) fn certificate(self) -> Option<RefusedCertificate> {
        match self {
            Self::Wrong => None,
            Self::Certificate(why) => Some(why),
        }
    }

    /// For the audit trail.
    pub(crate) fn told(self) -> &'static str {
        self.certificate()
            .map_or("wrong code", |why| outside::told(why).0)
    }
}

/// What a session keeps of a factor that was proven.
pub(crate) fn proven(way: &str, now: Timestamp) -> Map<String, Value> {
    object(json!({ "proven_at": now, "proven_by": way }))
}

impl Ways {
    pub fn any(&self) -> bool {
        self.code || self.signs()
    }

    /// Whether what is offered is of a kind that counts.
    fn take(&self, offer: Offer<'_>) -> bool {
        match offer {
            Offer::Code(_) => self.code,
            Offer::Signed { .. } => self.certificate,
            Offer::Key { .. } => !self.keys.is_empty(),
        }
    }

    /// Whether there is something that signs a challenge.
    pub fn signs(&self) -> bool {
        self.certificate || !self.keys.is_empty()
    }
}

impl Sessions {
    /// What a person can prove.
    pub async fn ways(&self, user: &str) -> Result<Ways, IdentityError> {
        let mut ways = Ways::default();
        for factor in self.factors_in_use(user).await? {
            match optional(&factor, "kind").as_deref() {
                None => ways.code = true,
                Some(certificates::KIND) => ways.certificate = true,
                Some(security_keys::KIND) => ways.keys.push(text(&factor, "credential")),
                Some(_) => {}
            }
        }
        Ok(ways)
    }

    /// What of it counts at a sign-in and a step-up: of whoever needs a certificate and has one, nothing
    /// else. Who has none yet proves what they have, and registers one before all else ([`crate::duty`]).
    pub async fn counting_ways(&self, user: &str, now: i64) -> Result<Ways, IdentityError> {
        let ways = self.ways(user).await?;
        if !ways.certificate || !self.needs_certificate(user, now).await? {
            return Ok(ways);
        }
        Ok(Ways {
            certificate: true,
            ..Ways::default()
        })
    }

    /// Whether somebody has a role, in whatever post, whose second factor is a certificate.
    pub(crate) async fn needs_certificate(
        &self,
        user: &str,
        now: i64,
    ) -> Result<bool, IdentityError> {
        if self.inner.policy.certificate.is_empty() {
            return Ok(false);
        }
        let roles = self.directory().everything(user, now).await?;
        let needs = |role: &String| self.inner.policy.needs_certificate(as_policy_says(role));
        Ok(roles.iter().any(needs))
    }

    /// The write that spends what was offered, where it fits. `ways` are those that count, `purpose` is
    /// what a challenge was given out for.
    pub(crate) async fn fits(
        &self,
        (user, ways): (&str, &Ways),
        offer: Offer<'_>,
        purpose: &str,
        now: i64,
    ) -> Result<Result<Write, Misfit>, IdentityError> {
        if !ways.take(offer) {
            return Ok(Err(Misfit::Wrong));
        }
        let store = &self.inner.store;
        match offer {
            Offer::Code(code) => {
                let factor = Factor::of(store, user).await?;
                let factor = factor.filter(|f| f.confirmed);
                let spent = factor.and_then(|factor| {
                    let fits = factor.fits(&self.inner.keys, code, Timestamp(now))?;
                    Some(update_of(FACTORS, &factor.id, factor.revision, fits.values))
                });
                Ok(spent.ok_or(Misfit::Wrong))
            }
            Offer::Signed {
                challenge,
                signature,
                address,
            } => {
                let challenge = self.challenged(challenge, (purpose, address), now);
                let signature = certificates::signature(signature);
                let (Some(challenge), Some(signature)) = (challenge, signature) else {
                    return Ok(Err(Misfit::Wrong));
                };
                let proof = self.certified(user, &challenge, &signature, now).await?;
                Ok(proof.map(|(_, spent)| spent))
            }
            Offer::Key {
                challenge,
                answer,
                address,
            } => {
                let challenge = self.challenged(challenge, (purpose, address), now);
                let (Some(challenge), Some(answer)) = (challenge, Answer::read(answer)) else {
                    return Ok(Err(Misfit::Wrong));
                };
                let own = SecurityKey::of(store, user).await?;
                let spent = own
                    .iter()
                    .find_map(|key| key.signed(&challenge, &answer, address));
                Ok(spent.ok_or(Misfit::Wrong))
            }
        }
    }

    /// The write that keeps that the caller has proven a factor in this session just now.
    pub(crate) async fn proven_now(
        &self,
        caller: &Principal,
        way: &str,
        now: Timestamp,
    ) -> Result<Option<Write>, IdentityError> {
        let session = caller.session.as_deref().unwrap_or_default();
        let row = get(&self.inner.store, SESSIONS, session).await?;
        Ok(row.map(|row| update(SESSIONS, &row, proven(way, now))))
    }

    /// The write that takes a factor, by id and revision, away from its person: refused where it is in
    /// use, a role needs one and there is no other.
    pub(crate) async fn take_away(
        &self,
        user: &User,
        (id, revision): (&str, i64),
        in_use: bool,
        now: i64,
    ) -> Result<Write, AccountError> {
        if in_use && self.is_last_factor(user, id, now).await? {
            return Err(AccountError::Needed);
        }
        self.forget(&user.id);
        Ok(update_of(FACTORS, id, revision, factor::ended(now)))
    }

    /// Whether a person's roles need a second factor and `factor` is the only one in use.
    async fn is_last_factor(
        &self,
        user: &User,
        factor: &str,
        now: i64,
    ) -> Result<bool, IdentityError> {
        let policy = &self.inner.policy;
        let needs = |role: &String| policy.needs_factor(as_policy_says(role));
        let roles = self.directory().everything(&user.id, now).await?;
        if !roles.iter().any(needs) {
            return Ok(false);
        }
        let all = self.factors_in_use(&user.id).await?;
        let (taken, others): (Vec<_>, Vec<_>) =
            all.iter().partition(|row| text(row, "id") == factor);
        let certifies = |row: &&Record| text(row, "kind") == certificates::KIND;
        if taken.iter().any(certifies) && self.needs_certificate(&user.id, now).await? {
            return Ok(!others.iter().any(certifies));
        }
        Ok(others.is_empty())
    }

    async fn factors_in_use(&self, user: &str) -> Result<Vec<Record>, IdentityError> {
        let mut rows = factor::rows(&self.inner.store, user, None).await?;
        rows.retain(|row| optional(row, "confirmed_at").is_some());
        Ok(rows)
    }
}

/// A role as [`crate::session::SessionPolicy`] names it.
fn as_policy_says(role: &str) -> &str {
    if grants::is_composed(role) {
        COMPOSED
    } else {
        role
    }
}
