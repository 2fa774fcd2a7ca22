//! Signing in: a turn in the queue, password, second factor, session.

use std::sync::Arc;

use kernel_crypto::password;
use kernel_storage::CommitError;
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::counting::{ATTEMPTS, Forgiven, account_key, address_key};
use crate::error::{IdentityError, LoginError};
use crate::module::MODULE;
use crate::offer::{Offer, Ways};
use crate::people::User;
use crate::principal::Principal;
use crate::session::{Origin, Sessions, SignedIn, blocking, draft};
use crate::throttle::Tally;

/// Seconds within which the second factor must follow the password.
const PENDING_SECONDS: i64 = 300;
/// What a stamp of [`Sessions::stamp`] is for, when it says that a password was right.
const PENDING: &str = "second-factor";

impl Sessions {
    /// Checks a password, and the second factor where the user has one, and opens a session. Every
    /// outcome is one audit record, except where no turn was to be had: then nothing was judged.
    pub async fn login(
        &self,
        login: &str,
        password: &str,
        code: Option<&str>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let login: String = login.trim().chars().take(64).collect();
        // Waiting here, before anything is counted, keeps a burst of honest sign-ins honest.
        let _turn = self.inner.queue.turn(origin.ip).await?;
        self.admit(&login, origin).await?;
        let user = User::by_login(&self.inner.store, &login).await?;
        let right = self.check(password, user.as_ref()).await?;
        let Some(user) = user.filter(|u| right && u.active) else {
            self.audit_login(&login, "denied", "wrong login or password", origin)
                .await?;
            return Err(LoginError::Refused);
        };
        let ways = self.ways(&user.id).await?;
        if !ways.any() {
            return self.enter(user, &login, false, origin).await;
        }
        if let Some(code) = code {
            let offer = (Offer::Code(code), "");
            return self.prove(user, ways, offer, origin).await;
        }
        // No failure of the address, which many may share; of the account it stays one until the
        // code comes.
        self.forgive(&[(address_key(origin.ip), Tally::forgive)], origin)
            .await?;
        Err(LoginError::CodeNeeded {
            pending: self.pending(&user.id, origin.now),
            ways,
        })
    }

    /// Goes on after [`LoginError::CodeNeeded`] with a second factor.
    pub async fn login_with(
        &self,
        pending: &str,
        offer: Offer<'_>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let user = self
            .pending_user(pending, origin.now)
            .ok_or(LoginError::Late)?;
        let user = User::by_id(&self.inner.store, &user).await?;
        let user = user.filter(|u| u.active).ok_or(LoginError::Late)?;
        let login = user.login.clone();
        self.admit(&login, origin).await?;
        let ways = self.ways(&user.id).await?;
        if !ways.any() {
            return Err(LoginError::Late);
        }
        self.prove(user, ways, (offer, pending), origin).await
    }

    /// Judges a second factor; a challenge in it was given out for `purpose`.
    async fn prove(
        &self,
        user: User,
        ways: Ways,
        (offer, purpose): (Offer<'_>, &str),
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let login = user.login.clone();
        let fits = self.fits(&user.id, offer, purpose, origin.now).await?;
        let Some(spent) = fits else {
            self.audit_login(&login, "denied", "wrong code", origin)
                .await?;
            return Err(LoginError::WrongCode {
                pending: self.pending(&user.id, origin.now),
                ways,
            });
        };
        // The used step is durable before the session is: of two at once with one code, the second
        // finds the factor changed.
        let by = Principal::module(MODULE, origin.request);
        let mut commit = Self::commit(&by, origin);
        commit.writes = vec![spent];
        match self.inner.store.commit(commit).await {
            Ok(_) => self.enter(user, &login, true, origin).await,
            Err(CommitError::Stale { .. }) => Err(LoginError::WrongCode {
                pending: self.pending(&user.id, origin.now),
                ways,
            }),
            Err(e) => Err(IdentityError::from(e).into()),
        }
    }

    /// Everything asked for was right; `proven` when a second factor was asked for.
    async fn enter(
        &self,
        mut user: User,
        login: &str,
        proven: bool,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let stale = self.inner.policy.is_stale(user.used_at, origin.now);
        if stale && !user.suspended && !self.is_last_operator(&user).await? {
            self.suspend(&user, origin).await?;
            user.suspended = true;
        }
        if user.suspended {
            self.audit_login(login, "denied", "unused too long", origin)
                .await?;
            return Err(LoginError::Stale);
        }
        self.open(user, login, proven, origin).await
    }

    /// Opens a session and, in the same commit, takes back what was counted against it: the one
    /// attempt of the address, every attempt of the account.
    async fn open(
        &self,
        mut user: User,
        login: &str,
        proven: bool,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let forgiven: [Forgiven; 2] = [
            (address_key(origin.ip), Tally::forgive),
            (account_key(login), Tally::forgive_all),
        ];
        let as_principal = async |user: &User| {
            let principal = self.principal(user.clone(), None, origin.now).await?;
            Ok::<_, IdentityError>(principal.at(origin.request, origin.ip, origin.locale))
        };
        let mut principal = as_principal(&user).await?;
        let _alone = self.inner.counting.lock().await;
        for _ in 0..ATTEMPTS {
            let (signed, commit) = self
                .begin(principal, (user.revision, proven), origin)
                .await?;
            match self.commit_forgiving(commit, &forgiven).await {
                Ok(()) => return Ok(signed),
                Err(IdentityError::Write(CommitError::Stale { .. })) => {}
                Err(e) => return Err(e.into()),
            }
            // The person signed in elsewhere at the same moment, or the account was changed: what
            // was proved must still be so.
            let now = User::by_id(&self.inner.store, &user.id).await?;
            let Some(now) =
                now.filter(|now| now.active && !now.suspended && now.password == user.password)
            else {
                self.audit_login(login, "denied", "changed meanwhile", origin)
                    .await?;
                return Err(LoginError::Refused);
            };
            user = now;
            principal = as_principal(&user).await?;
        }
        Err(LoginError::Locked { retry_after: 1 })
    }

    /// Counts an attempt at the account and from the address, before it is judged.
    async fn admit(&self, login: &str, origin: Origin<'_>) -> Result<(), LoginError> {
        let throttle = self.inner.policy.throttle;
        let limits = [
            (address_key(origin.ip), throttle.address_failures),
            (account_key(login), throttle.account_failures),
        ];
        let counted = self.count(&limits, origin).await;
        if let Err(LoginError::Locked { .. }) = counted {
            self.audit_login(login, "denied", "locked", origin).await?;
        }
        counted
    }

    /// Proof that a user's password was right a moment ago.
    fn pending(&self, user: &str, now: i64) -> String {
        let until = Timestamp(now).plus_seconds(PENDING_SECONDS).micros();
        let text = format!("{user}.{until}");
        format!("{text}.{}", self.stamp(PENDING, &text))
    }

    fn pending_user(&self, pending: &str, now: i64) -> Option<String> {
        let (text, proof) = pending.rsplit_once('.')?;
        let right = self.stamp(PENDING, text);
        let same = crate::factor::same(proof, &right);
        let (user, until) = text.split_once('.')?;
        let live = until.parse::<i64>().is_ok_and(|until| now < until);
        (same && live).then(|| user.to_owned())
    }

    /// Whether `password` is the user's. A user who is not there takes as long. A bounded number
    /// is checked at a time.
    pub(crate) async fn check(
        &self,
        password: &str,
        user: Option<&User>,
    ) -> Result<bool, IdentityError> {
        let permit = self.inner.hashing.acquire().await;
        let _permit = permit.map_err(|_| IdentityError::Stopped)?;
        let keys = Arc::clone(&self.inner.keys);
        let password: String = password.chars().take(256).collect();
        let stored = user.map(|u| u.password.clone());
        blocking(move || {
            if let Some(stored) = stored {
                return Ok(password::verify(&keys, &password, &stored)?);
            }
            password::verify_absent(&keys, &password)?;
            Ok(false)
        })
        .await
    }

    async fn audit_login(
        &self,
        login: &str,
        outcome: &str,
        why: &str,
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let nobody = Principal::anonymous();
        let detail = json!({ "login": login, "why": why });
        let draft = draft(&nobody, "platform.session.start", outcome, detail, origin);
        self.inner.store.audit_append(vec![draft]).await?;
        Ok(())
    }
}
