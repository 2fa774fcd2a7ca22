//! Proving a second factor again in the middle of a session, for what must not be done by whoever
//! finds an unlocked screen or steals a cookie.
//!
//! When it was proven last is kept with the session. It is read anew whenever it matters, so a
//! proof given at one node holds at once at every other.

use kernel_crypto::sm3::Digest32;
use kernel_storage::CommitError;
use sdk_contract::call::Write;
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::account::AccountError;
use crate::certificates::{self, OwnSignature};
use crate::counting::account_key;
use crate::error::IdentityError;
use crate::module::SESSIONS;
use crate::offer::{Misfit, Offer, proven};
use crate::outside;
use crate::people::{User, get, optional};
use crate::principal::Principal;
use crate::session::{Origin, Sessions, draft, update};
use crate::throttle::Tally;

/// How often a commit is tried again that a touch of the session came before.
const ATTEMPTS: u32 = 5;

/// Whether a caller has proven a second factor a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Fresh,
    /// Never in this session, or too long ago.
    Old,
    /// The person has no factor to prove.
    NoFactor,
}

impl Sessions {
    /// How fresh the caller's proof is. A call without a session proves its own key each time, or
    /// is a module's. Where no role needs a factor, nobody is made to have one.
    pub async fn proof(&self, caller: &Principal, now: i64) -> Result<Proof, IdentityError> {
        let Some(session) = &caller.session else {
            return Ok(Proof::Fresh);
        };
        let row = get(&self.inner.store, SESSIONS, session).await?;
        let minutes = self.inner.policy.step_up_minutes.max(1);
        let proven = row
            .as_ref()
            .and_then(|row| optional(row, "proven_at"))
            .and_then(|t| t.parse::<Timestamp>().ok());
        let until = proven.map(|t| t.plus_seconds(minutes.saturating_mul(60)));
        let way = row.as_ref().and_then(|row| optional(row, "proven_by"));
        let user = caller.user.as_deref().unwrap_or_default();
        let ways = self.ways(user).await?;
        // What was proven in another way, before there was a certificate or a role that needs it, is over.
        let counts = way.as_deref() == Some(certificates::KIND)
            || !ways.certificate
            || !self.needs_certificate(user, now).await?;
        if until.is_some_and(|until| Timestamp(now) < until) && counts {
            return Ok(Proof::Fresh);
        }
        if ways.any() {
            return Ok(Proof::Old);
        }
        let policy = &self.inner.policy;
        let waived = policy.second_factor.is_empty() && policy.certificate.is_empty();
        Ok(if waived {
            Proof::Fresh
        } else {
            Proof::NoFactor
        })
    }

    /// Proves the second factor for the caller's session; one audit record, whatever comes of it.
    /// A proof that is fresh still is not asked for twice.
    pub async fn step_up(
        &self,
        caller: &Principal,
        offer: Offer<'_>,
        origin: Origin<'_>,
    ) -> Result<(), AccountError> {
        let id = caller.user.as_deref().unwrap_or_default();
        let user = User::by_id(&self.inner.store, id).await?;
        let user = user.ok_or(AccountError::NoSuchFactor)?;
        if self.proof(caller, origin.now).await? == Proof::Fresh {
            return Ok(());
        }
        let key = account_key(&user.login);
        let most = self.inner.policy.throttle.account_failures;
        let counted = self.attempt(&[(key.clone(), most)], origin).await;
        if let Err(AccountError::Locked { .. }) = counted {
            self.audit_step_up(caller, "locked", origin).await?;
        }
        counted?;
        let ways = self.counting_ways(&user.id, origin.now).await?;
        if !ways.any() {
            return Err(AccountError::NoSuchFactor);
        }
        let session = caller.session.as_deref().unwrap_or_default();
        let fits = self
            .fits((&user.id, &ways), offer, session, origin.now)
            .await?;
        let spent = match fits {
            Ok(spent) => spent,
            Err(misfit) => {
                self.audit_step_up(caller, misfit.told(), origin).await?;
                let why = misfit.certificate().map(AccountError::Certificate);
                return Err(why.unwrap_or(AccountError::WrongCode));
            }
        };
        for _ in 0..ATTEMPTS {
            let Some(row) = get(&self.inner.store, SESSIONS, session).await? else {
                return Err(AccountError::NoSuchFactor);
            };
            let proven = proven(offer.way(), Timestamp(origin.now));
            let mut commit = Self::commit(caller, origin);
            commit.writes = vec![spent.clone(), update(SESSIONS, &row, proven)];
            commit.audit = vec![draft(
                caller,
                "platform.session.step-up",
                "ok",
                json!({}),
                origin,
            )];
            match self.inner.store.commit(commit).await {
                Ok(_) => {
                    self.forgive(&[(key, Tally::forgive_all)], origin).await?;
                    return Ok(());
                }
                // The session was touched meanwhile.
                Err(CommitError::Stale { collection, .. }) if collection.collection == SESSIONS => {
                }
                // Of two at once with one code, the second finds the factor changed.
                Err(CommitError::Stale { .. }) => return Err(AccountError::WrongCode),
                Err(e) => return Err(IdentityError::from(e).into()),
            }
        }
        Err(AccountError::WrongCode)
    }

    /// Whether somebody has a certificate, with which they sign what they do.
    pub async fn signs(&self, caller: &Principal) -> Result<bool, IdentityError> {
        let user = caller.user.as_deref().unwrap_or_default();
        Ok(caller.session.is_some() && self.ways(user).await?.certificate)
    }

    /// Checks that the caller's certificate signed a challenge about exactly this content; the write
    /// spends the challenge, and belongs in the commit of what was signed. Failures count as those of
    /// every factor do.
    pub async fn signed_by(
        &self,
        caller: &Principal,
        (challenge, signature): (&str, &str),
        content: Digest32,
        origin: Origin<'_>,
    ) -> Result<(OwnSignature, Write), AccountError> {
        let key = account_key(&caller.login);
        let most = self.inner.policy.throttle.account_failures;
        let counted = self.attempt(&[(key.clone(), most)], origin).await;
        if let Err(AccountError::Locked { .. }) = counted {
            self.audit_step_up(caller, "locked", origin).await?;
        }
        counted?;
        let user = caller.user.as_deref().unwrap_or_default();
        let session = caller.session.as_deref().unwrap_or_default();
        let given = (session, caller.address.as_str());
        let challenge = self.challenged_about(challenge, given, content, origin.now);
        let mut proof = Err(Misfit::Wrong);
        if let (Some(challenge), Some(signature)) = (challenge, certificates::signature(signature))
        {
            proof = self
                .certified(user, &challenge, &signature, origin.now)
                .await?;
        }
        let proof = match proof {
            Ok(proof) => proof,
            Err(Misfit::Wrong) => {
                self.audit_step_up(caller, "wrong signature", origin)
                    .await?;
                return Err(AccountError::WrongSignature);
            }
            Err(Misfit::Certificate(why)) => {
                let told = outside::told(why).0;
                self.audit_step_up(caller, told, origin).await?;
                return Err(why.into());
            }
        };
        self.forgive(&[(key, Tally::forgive_all)], origin).await?;
        Ok(proof)
    }

    /// The kind of factor that was proven in the caller's session last, and when; none where none
    /// was.
    pub async fn proven_factor(
        &self,
        caller: &Principal,
    ) -> Result<Option<(String, String)>, IdentityError> {
        let session = caller.session.as_deref().unwrap_or_default();
        let row = get(&self.inner.store, SESSIONS, session).await?;
        Ok(row.and_then(|row| {
            let at = optional(&row, "proven_at")?;
            Some((optional(&row, "proven_by").unwrap_or_default(), at))
        }))
    }

    async fn audit_step_up(
        &self,
        caller: &Principal,
        why: &str,
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let detail = json!({ "why": why });
        let draft = draft(caller, "platform.session.step-up", "denied", detail, origin);
        self.inner.store.audit_append(vec![draft]).await?;
        Ok(())
    }
}
