//! Signing in: a turn in the queue, password, second factor, session.

use std::sync::Arc;

use kernel_crypto::password;
use kernel_storage::CommitError;
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};

use crate::counting::{ATTEMPTS, Forgiven, account_key, address_key};
use crate::error::{IdentityError, LoginError};
use crate::module::{MODULE, USERS};
use crate::offer::{Offer, Ways};
use crate::people::User;
use crate::principal::Principal;
use crate::sealed::{Opened, SealError};
use crate::session::{Origin, Sessions, SignedIn, blocking, draft, object, update_of};
use crate::throttle::Tally;

/// Characters of a password that count.
const LONGEST_PASSWORD: usize = 256;
/// Seconds within which the second factor must follow the password.
const PENDING_SECONDS: i64 = 300;
/// What a stamp of [`Sessions::stamp`] is for, when it says that a password was right.
const PENDING: &str = "second-factor";

/// How somebody gets in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry<'a> {
    /// Who vouched for them; empty where they gave their password.
    pub(crate) provider: &'a str,
    /// The organisation they come to act for; empty is the usual one.
    pub(crate) acting: &'a str,
    /// The kind of second factor that was proven, see [`Offer::way`].
    pub(crate) proven: Option<&'static str>,
}

impl Entry<'_> {
    /// For the audit trail.
    pub(crate) fn detail(&self) -> Value {
        if self.provider.is_empty() {
            json!({})
        } else {
            json!({ "provider": self.provider })
        }
    }
}

/// A sign-in that waits for its second factor, read back.
struct Waiting<'a> {
    user: &'a str,
    entry: Entry<'a>,
}

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
        self.judge(login, (password, None), code, origin).await
    }

    /// The same with a password that came sealed, in the field `password`.
    pub async fn login_sealed(
        &self,
        login: &str,
        opened: &Opened,
        code: Option<&str>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let password = opened.field("password");
        self.judge(login, (password, Some(opened)), code, origin)
            .await
    }

    async fn judge(
        &self,
        login: &str,
        (password, sealed): (&str, Option<&Opened>),
        code: Option<&str>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let login: String = login.trim().chars().take(64).collect();
        // Waiting here, before anything is counted, keeps a burst of honest sign-ins honest.
        let _turn = self.inner.queue.turn(origin.ip).await?;
        self.admit(&login, origin).await?;
        // Only now, so that whoever is turned away before has nothing remembered.
        if let Some(sealed) = sealed
            && let Err(error) = self.use_up(sealed, origin.now).await
        {
            if let SealError::Used = error {
                self.audit_login(&login, "denied", "sealed password used before", origin)
                    .await?;
            }
            return Err(LoginError::Sealed(error));
        }
        let user = User::by_login(&self.inner.store, &login).await?;
        let right = self.check(password, user.as_ref()).await?;
        let Some(user) = user.filter(|u| right && u.active) else {
            self.audit_login(&login, "denied", "wrong login or password", origin)
                .await?;
            return Err(LoginError::Refused);
        };
        let user = self.upgraded(user, password, origin).await?;
        let ways = self.counting_ways(&user.id, origin.now).await?;
        if !ways.any() {
            return self.enter(user, Entry::default(), origin).await;
        }
        if let Some(code) = code {
            let offer = (Offer::Code(code), "");
            return self
                .prove((user, Entry::default()), ways, offer, origin)
                .await;
        }
        // No failure of the address, which many may share; of the account it stays one until the
        // code comes.
        self.forgive(&[(address_key(origin.ip), Tally::forgive)], origin)
            .await?;
        Err(LoginError::CodeNeeded {
            pending: self.pending(&user.id, Entry::default(), origin.now),
            ways,
        })
    }

    /// The user, whose password was right, with it stored as passwords are stored now: under the
    /// pepper and at the cost of today.
    async fn upgraded(
        &self,
        user: User,
        password: &str,
        origin: Origin<'_>,
    ) -> Result<User, IdentityError> {
        if !password::needs_upgrade(&self.inner.keys, &user.password) {
            return Ok(user);
        }
        let password: String = password.chars().take(LONGEST_PASSWORD).collect();
        let values = object(json!({ "password": self.hash(&password).await? }));
        let by = Principal::module(MODULE, origin.request);
        let mut commit = Self::commit(&by, origin);
        commit.writes = vec![update_of(USERS, &user.id, user.revision, values)];
        match self.inner.store.commit(commit).await {
            Ok(_) => Ok(User::by_id(&self.inner.store, &user.id)
                .await?
                .unwrap_or(user)),
            // Signed in elsewhere at the same moment, or changed: what was right must still be.
            Err(CommitError::Stale { .. }) => {
                let now = User::by_id(&self.inner.store, &user.id).await?;
                match now.filter(|now| now.active) {
                    Some(now) if self.check(&password, Some(&now)).await? => Ok(now),
                    _ => Ok(user),
                }
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Goes on after [`LoginError::CodeNeeded`] with a second factor.
    pub async fn login_with(
        &self,
        pending: &str,
        offer: Offer<'_>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let waiting = self.waiting(pending, origin.now);
        let waiting = waiting.ok_or(LoginError::Late)?;
        let user = User::by_id(&self.inner.store, waiting.user).await?;
        let user = user.filter(|u| u.active).ok_or(LoginError::Late)?;
        let login = user.login.clone();
        self.admit(&login, origin).await?;
        let ways = self.counting_ways(&user.id, origin.now).await?;
        if !ways.any() {
            return Err(LoginError::Late);
        }
        self.prove((user, waiting.entry), ways, (offer, pending), origin)
            .await
    }

    /// Judges a second factor; a challenge in it was given out for `purpose`.
    async fn prove(
        &self,
        (user, entry): (User, Entry<'_>),
        ways: Ways,
        (offer, purpose): (Offer<'_>, &str),
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let login = user.login.clone();
        let whose = (user.id.as_str(), &ways);
        let fits = self.fits(whose, offer, purpose, origin.now).await?;
        let spent = match fits {
            Ok(spent) => spent,
            Err(misfit) => {
                self.audit_login(&login, "denied", misfit.told(), origin)
                    .await?;
                return Err(LoginError::WrongCode {
                    pending: self.pending(&user.id, entry, origin.now),
                    ways,
                    why: misfit.certificate(),
                });
            }
        };
        // The used step is durable before the session is: of two at once with one code, the second
        // finds the factor changed.
        let by = Principal::module(MODULE, origin.request);
        let mut commit = Self::commit(&by, origin);
        commit.writes = vec![spent];
        match self.inner.store.commit(commit).await {
            Ok(_) => {
                let proven = Entry {
                    proven: Some(offer.way()),
                    ..entry
                };
                self.enter(user, proven, origin).await
            }
            Err(CommitError::Stale { .. }) => Err(LoginError::WrongCode {
                pending: self.pending(&user.id, entry, origin.now),
                ways,
                why: None,
            }),
            Err(e) => Err(IdentityError::from(e).into()),
        }
    }

    /// Everything asked for was right.
    pub(crate) async fn enter(
        &self,
        mut user: User,
        entry: Entry<'_>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let stale = self.inner.policy.is_stale(user.used_at, origin.now);
        if stale && !user.suspended && !self.is_last_operator(&user).await? {
            self.suspend(&user, origin).await?;
            user.suspended = true;
        }
        if user.suspended {
            self.audit_login(&user.login, "denied", "unused too long", origin)
                .await?;
            return Err(LoginError::Stale);
        }
        self.open(user, entry, origin).await
    }

    /// Opens a session and, in the same commit, takes back what was counted against it: the one
    /// attempt of the address, every attempt of the account.
    async fn open(
        &self,
        mut user: User,
        entry: Entry<'_>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let forgiven: [Forgiven; 2] = [
            (address_key(origin.ip), Tally::forgive),
            (account_key(&user.login), Tally::forgive_all),
        ];
        let as_principal = async |user: &User| {
            let acting = Some(entry.acting).filter(|acting| !acting.is_empty());
            let principal = self.principal(user.clone(), acting, origin.now).await?;
            Ok::<_, IdentityError>(principal.at(origin.request, origin.ip, origin.locale))
        };
        let mut principal = as_principal(&user).await?;
        if !self.inner.policy.admits(&principal.roles, origin.ip) {
            self.audit_login(&user.login, "denied", "network", origin)
                .await?;
            return Err(LoginError::Elsewhere);
        }
        let _alone = self.inner.counting.lock().await;
        for _ in 0..ATTEMPTS {
            let (signed, commit) = self
                .begin(principal, (user.revision, entry), origin)
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
                self.audit_login(&user.login, "denied", "changed meanwhile", origin)
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

    /// Proof that the first factor was right a moment ago.
    pub(crate) fn pending(&self, user: &str, entry: Entry<'_>, now: i64) -> String {
        let until = Timestamp(now).plus_seconds(PENDING_SECONDS).micros();
        let text = format!("{user}.{until}.{}.{}", entry.provider, entry.acting);
        format!("{text}.{}", self.stamp(PENDING, &text))
    }

    fn waiting<'a>(&self, pending: &'a str, now: i64) -> Option<Waiting<'a>> {
        let (text, proof) = pending.rsplit_once('.')?;
        let right = self.stamp(PENDING, text);
        let same = crate::factor::same(proof, &right);
        let mut parts = text.split('.');
        let (user, until) = (parts.next()?, parts.next()?);
        let (provider, acting) = (parts.next()?, parts.next()?);
        let live = until.parse::<i64>().is_ok_and(|until| now < until);
        (same && live).then_some(Waiting {
            user,
            entry: Entry {
                provider,
                acting,
                proven: None,
            },
        })
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
        let password: String = password.chars().take(LONGEST_PASSWORD).collect();
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
