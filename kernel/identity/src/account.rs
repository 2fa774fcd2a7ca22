//! What a person does with the own account: password, second factor, sessions.
//!
//! Each answers with the writes to make; the host makes them durable in one commit with the audit
//! record, as it does for every module.

use kernel_crypto::ca::RefusedCertificate;
use kernel_crypto::password;
use sdk_contract::call::Write;
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::counting::account_key;
use crate::error::{IdentityError, LoginError};
use crate::factor::{self, Factor};
use crate::module::{FACTORS, SESSIONS, USERS};
use crate::offer::CODE;
use crate::password_rules::{self, Weak};
use crate::people::{User, text};
use crate::principal::Principal;
use crate::session::{Origin, Sessions, blocking, object, update, update_of};
use crate::throttle::Tally;

/// Roles whose passwords must be longer, and whose sessions end sooner.
pub(crate) const ADMINISTRATORS: &str = "platform.";

/// Why a change of the own account was not made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the current password is wrong")]
    WrongPassword,
    #[error("the new password is weak")]
    Weak(Weak),
    #[error("the code is wrong")]
    WrongCode,
    #[error("the signature is not the key's over this text")]
    WrongSignature,
    #[error("not an SM2 public key in PEM")]
    BadKey,
    /// A certificate of an authority outside, for one of the reasons that [`crate::outside::told`] says.
    #[error("the certificate is not believed")]
    Certificate(#[from] RefusedCertificate),
    /// The certificate or its key is registered already, by this person or another.
    #[error("the certificate is registered")]
    Taken,
    #[error("no more of these")]
    TooMany,
    /// There is no factor to do this with, or there is one already.
    #[error("the second factor is not in that state")]
    NoSuchFactor,
    /// A role of the user needs the factor.
    #[error("the second factor is needed")]
    Needed,
    #[error("too many failures")]
    Locked { retry_after: i64 },
    /// Nobody registers by themselves here.
    #[error("registration is closed")]
    Closed,
    #[error("the login is not a login")]
    BadLogin,
    /// What came from a provider was used, or waited too long.
    #[error("the return from the provider is gone")]
    ArrivalGone,
    #[error("the account elsewhere is bound to another one here")]
    BoundElsewhere,
    /// The resident ids of two bindings differ.
    #[error("the account elsewhere is another person's")]
    OtherPerson,
    /// Other terms than those that are to be accepted.
    #[error("these are not the terms of now")]
    OtherTerms,
    #[error("too many people sign in or register at this moment")]
    Busy,
    #[error(transparent)]
    Failed(#[from] IdentityError),
}

impl Sessions {
    /// A new password; every other session of the user ends.
    pub async fn change_password(
        &self,
        caller: &Principal,
        (current, new): (&str, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        let now = Timestamp(origin.now);
        let mut writes = vec![self.new_password(&user, new, now).await?];
        let kept = caller.session.as_deref();
        writes.extend(self.end_sessions(&user.id, kept, origin.now).await?);
        Ok(writes)
    }

    /// A password that the person chose, held against the rules.
    pub(crate) async fn new_password(
        &self,
        user: &User,
        new: &str,
        now: Timestamp,
    ) -> Result<Write, AccountError> {
        let policy = self.inner.policy.password;
        let administrator = user.roles.iter().any(|r| r.starts_with(ADMINISTRATORS));
        password_rules::check(policy, administrator, &user.login, new)
            .map_err(AccountError::Weak)?;
        let mut previous = user.previous.clone();
        previous.insert(0, user.password.clone());
        previous.truncate(policy.remembered);
        if self.is_one_of(new, &previous).await? {
            return Err(AccountError::Weak(Weak::Used));
        }
        let values = object(json!({
            "password": self.hash(new).await?,
            "password_at": now,
            "given": false,
            "previous": previous,
        }));
        Ok(update_of(USERS, &user.id, user.revision, values))
    }

    /// Ends one of the caller's sessions; none when it is not the caller's or has ended.
    pub async fn end_own(
        &self,
        caller: &Principal,
        session: &str,
        origin: Origin<'_>,
    ) -> Result<Option<Write>, AccountError> {
        let user = caller.user.as_deref().unwrap_or_default();
        let live = self.live(user, origin.now).await?;
        let found = live.iter().find(|s| text(s, "id") == session);
        self.forget(user);
        let ended = object(json!({ "ended_at": Timestamp(origin.now) }));
        Ok(found.map(|s| update(SESSIONS, s, ended)))
    }

    /// Starts setting up one-time codes under `id`; one that was begun before is dropped.
    pub async fn begin_factor(
        &self,
        caller: &Principal,
        current: &str,
        id: String,
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        let mut writes = Vec::new();
        if let Some(begun) = self.factor(&user.id).await? {
            if begun.confirmed {
                return Err(AccountError::NoSuchFactor);
            }
            let ended = factor::ended(origin.now);
            writes.push(update_of(FACTORS, &begun.id, begun.revision, ended));
        }
        writes.push(Write::Insert {
            collection: FACTORS.into(),
            id,
            subject: None,
            organisation: user.organisation.clone(),
            district: None,
            values: factor::new(&user.id).map_err(IdentityError::from)?,
        });
        Ok(writes)
    }

    /// The first code shows that the authenticator has the secret.
    pub async fn confirm_factor(
        &self,
        caller: &Principal,
        code: &str,
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = caller.user.as_deref().unwrap_or_default();
        let begun = self.factor(user).await?.filter(|f| !f.confirmed);
        let begun = begun.ok_or(AccountError::NoSuchFactor)?;
        let now = Timestamp(origin.now);
        let fits = begun.fits(&self.inner.keys, code, now);
        let fits = fits.ok_or(AccountError::WrongCode)?;
        let values = begun.confirmed(&self.inner.keys, fits, now);
        self.forget(user);
        let mut writes = vec![update_of(FACTORS, &begun.id, begun.revision, values)];
        writes.extend(self.proven_now(caller, CODE, now).await?);
        Ok(writes)
    }

    /// Takes the one-time codes away, with a last code of it.
    pub async fn remove_factor(
        &self,
        caller: &Principal,
        (current, code): (&str, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        let factor = self.factor(&user.id).await?.filter(|f| f.confirmed);
        let factor = factor.ok_or(AccountError::NoSuchFactor)?;
        let one = (factor.id.as_str(), factor.revision);
        let ended = self.take_away(&user, one, true, origin.now).await?;
        if factor
            .fits(&self.inner.keys, code, Timestamp(origin.now))
            .is_none()
        {
            return Err(AccountError::WrongCode);
        }
        Ok(vec![ended])
    }

    /// The user's one-time codes, in use or being set up.
    pub async fn factor(&self, user: &str) -> Result<Option<Factor>, IdentityError> {
        Factor::of(&self.inner.store, user).await
    }

    /// Counts an attempt at an account before it is judged.
    pub(crate) async fn attempt(
        &self,
        limits: &[(String, i64)],
        origin: Origin<'_>,
    ) -> Result<(), AccountError> {
        match self.count(limits, origin).await {
            Ok(()) => Ok(()),
            Err(LoginError::Locked { retry_after }) => Err(AccountError::Locked { retry_after }),
            Err(LoginError::Failed(error)) => Err(error.into()),
            Err(_) => Err(AccountError::WrongPassword),
        }
    }

    /// The caller's account, once the caller has shown to know its password; attempts count.
    pub(crate) async fn proved(
        &self,
        caller: &Principal,
        current: &str,
        origin: Origin<'_>,
    ) -> Result<User, AccountError> {
        let id = caller.user.as_deref().unwrap_or_default();
        let user = User::by_id(&self.inner.store, id).await?;
        let user = user.ok_or(AccountError::WrongPassword)?;
        let key = account_key(&user.login);
        let most = self.inner.policy.throttle.account_failures;
        self.attempt(&[(key.clone(), most)], origin).await?;
        if !self.check(current, Some(&user)).await? {
            return Err(AccountError::WrongPassword);
        }
        self.forgive(&[(key, Tally::forgive_all)], origin).await?;
        Ok(user)
    }

    async fn is_one_of(&self, new: &str, stored: &[String]) -> Result<bool, IdentityError> {
        let keys = std::sync::Arc::clone(&self.inner.keys);
        let (new, stored) = (new.to_owned(), stored.to_vec());
        blocking(move || {
            for one in stored {
                if password::verify(&keys, &new, &one)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }
}
