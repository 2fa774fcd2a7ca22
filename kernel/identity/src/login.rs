//! Signing in: password, second factor, and the counting that makes guessing slow.

use std::sync::Arc;

use kernel_crypto::keys::MacKey;
use kernel_crypto::password;
use kernel_storage::CommitError;
use sdk_contract::call::Write;
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Value, json};

use crate::error::{IdentityError, LoginError};
use crate::factor::Factor;
use crate::module::{FACTORS, MODULE, THROTTLES};
use crate::people::{User, get, optional};
use crate::principal::Principal;
use crate::session::{Origin, Sessions, SignedIn, blocking, draft, object, update, update_of};
use crate::throttle::Tally;

/// Seconds within which the second factor must follow the password.
const PENDING_SECONDS: i64 = 300;
/// What a stamp of [`Sessions::stamp`] is for, when it says that a password was right.
const PENDING: &str = "second-factor";

impl Sessions {
    /// Checks a password, and the second factor where the user has one, and opens a session. Every
    /// outcome is one audit record.
    pub async fn login(
        &self,
        login: &str,
        password: &str,
        code: Option<&str>,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let login: String = login.trim().chars().take(64).collect();
        // Waiting here, before anything is counted, keeps a burst of honest sign-ins honest.
        let permit = self.inner.hashing.acquire().await;
        let permit = permit.map_err(|_| IdentityError::Stopped)?;
        self.admit(&login, origin).await?;
        let user = User::by_login(&self.inner.store, &login).await?;
        let right = self.check(password, user.as_ref()).await?;
        drop(permit);
        let Some(user) = user.filter(|u| right && u.active) else {
            self.audit_login(&login, "denied", "wrong login or password", origin)
                .await?;
            return Err(LoginError::Refused);
        };
        let factor = Factor::of(&self.inner.store, &user.id).await?;
        let Some(factor) = factor.filter(|f| f.confirmed) else {
            return self.enter(user, &login, origin).await;
        };
        if let Some(code) = code {
            return self.prove(user, &login, &factor, code, origin).await;
        }
        // No failure of the address, which many may share; of the account it stays one until the
        // code comes.
        self.forgive(&address_key(origin.ip), false, origin).await?;
        Err(LoginError::CodeNeeded {
            pending: self.pending(&user.id, origin.now),
        })
    }

    /// Goes on after [`LoginError::CodeNeeded`] with the code of the second factor.
    pub async fn login_with_code(
        &self,
        pending: &str,
        code: &str,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let user = self
            .pending_user(pending, origin.now)
            .ok_or(LoginError::Late)?;
        let user = User::by_id(&self.inner.store, &user).await?;
        let user = user.filter(|u| u.active).ok_or(LoginError::Late)?;
        let login = user.login.clone();
        self.admit(&login, origin).await?;
        let factor = Factor::of(&self.inner.store, &user.id).await?;
        let factor = factor.filter(|f| f.confirmed).ok_or(LoginError::Late)?;
        self.prove(user, &login, &factor, code, origin).await
    }

    async fn prove(
        &self,
        user: User,
        login: &str,
        factor: &Factor,
        code: &str,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let Some(fits) = factor.fits(&self.inner.keys, code, Timestamp(origin.now)) else {
            self.audit_login(login, "denied", "wrong code", origin)
                .await?;
            return Err(LoginError::WrongCode {
                pending: self.pending(&user.id, origin.now),
            });
        };
        // The used step is durable before the session is: of two at once with one code, the second
        // finds the factor changed.
        let by = Principal::module(MODULE, origin.request);
        let mut commit = Self::commit(&by, origin);
        commit.writes = vec![update_of(FACTORS, &factor.id, factor.revision, fits.values)];
        match self.inner.store.commit(commit).await {
            Ok(_) => self.enter(user, login, origin).await,
            Err(CommitError::Stale { .. }) => Err(LoginError::WrongCode {
                pending: self.pending(&user.id, origin.now),
            }),
            Err(e) => Err(IdentityError::from(e).into()),
        }
    }

    /// Everything asked for was right.
    async fn enter(
        &self,
        user: User,
        login: &str,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        if self.inner.policy.is_stale(user.seen_at, origin.now) {
            self.audit_login(login, "denied", "unused too long", origin)
                .await?;
            return Err(LoginError::Stale);
        }
        self.forgive(&account_key(login), true, origin).await?;
        self.forgive(&address_key(origin.ip), false, origin).await?;
        Ok(self.open(user, origin).await?)
    }

    /// Counts an attempt at the account and from the address, before it is judged.
    async fn admit(&self, login: &str, origin: Origin<'_>) -> Result<(), LoginError> {
        let throttle = self.inner.policy.throttle;
        for (key, limit) in [
            (address_key(origin.ip), throttle.address_failures),
            (account_key(login), throttle.account_failures),
        ] {
            if let Err(locked) = self.count(&key, limit, origin).await {
                if let LoginError::Locked { .. } = locked {
                    self.audit_login(login, "denied", "locked", origin).await?;
                }
                return Err(locked);
            }
        }
        Ok(())
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
        let same = proof.len() == right.len()
            && proof
                .bytes()
                .zip(right.bytes())
                .fold(0, |d, (a, b)| d | (a ^ b))
                == 0;
        let (user, until) = text.split_once('.')?;
        let live = until.parse::<i64>().is_ok_and(|until| now < until);
        (same && live).then(|| user.to_owned())
    }

    /// Whether `password` is the user's. A user who is not there takes as long.
    pub(crate) async fn check(
        &self,
        password: &str,
        user: Option<&User>,
    ) -> Result<bool, IdentityError> {
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

    /// Counts an attempt before it is judged, or says how long to wait.
    pub(crate) async fn count(
        &self,
        key: &str,
        limit: i64,
        origin: Origin<'_>,
    ) -> Result<(), LoginError> {
        let window = self.inner.policy.throttle.window_seconds;
        let change = |t| Tally::attempt(t, limit, window, origin.now).map(Some);
        match self.tally(key, origin, change).await? {
            Ok(()) => Ok(()),
            Err(retry_after) => Err(LoginError::Locked { retry_after }),
        }
    }

    /// Takes the counted attempt back after a success; all of them where `whole`.
    pub(crate) async fn forgive(
        &self,
        key: &str,
        whole: bool,
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let change = |t: Option<Tally>| {
            Ok(t.map(|t| {
                if whole {
                    Tally { failures: 0, ..t }
                } else {
                    t.forgive()
                }
            }))
        };
        self.tally(key, origin, change).await.map(|_| ())
    }

    /// Reads, changes and writes a tally, again when another node was faster.
    async fn tally(
        &self,
        key: &str,
        origin: Origin<'_>,
        change: impl Fn(Option<Tally>) -> Result<Option<Tally>, i64>,
    ) -> Result<Result<(), i64>, IdentityError> {
        let id = self.throttle_id(key);
        for _ in 0..8 {
            let row = get(&self.inner.store, THROTTLES, &id).await?;
            let before = row.as_ref().map(|r| Tally {
                failures: r
                    .get("failures")
                    .and_then(Value::as_i64)
                    .unwrap_or_default(),
                since: optional(r, "since")
                    .and_then(|t| t.parse::<Timestamp>().ok())
                    .map_or(0, Timestamp::micros),
            });
            let after = match change(before) {
                Ok(Some(after)) => after,
                Ok(None) => return Ok(Ok(())),
                Err(wait) => return Ok(Err(wait)),
            };
            let values = object(json!({
                "key": key, "failures": after.failures, "since": Timestamp(after.since),
            }));
            let mut commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
            commit.writes = vec![match &row {
                Some(row) => update(THROTTLES, row, values),
                None => Write::Insert {
                    collection: THROTTLES.into(),
                    id: id.clone(),
                    subject: None,
                    organisation: None,
                    district: None,
                    values,
                },
            }];
            match self.inner.store.commit(commit).await {
                Ok(_) => return Ok(Ok(())),
                Err(CommitError::Stale { .. } | CommitError::Conflict { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        // Eight lost races in a row on one key are an attack in themselves.
        Ok(Err(1))
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

    /// A row id that two nodes agree on without asking.
    fn throttle_id(&self, key: &str) -> String {
        let digest = self
            .inner
            .keys
            .mac(MacKey::Session, format!("throttle:{key}").as_bytes());
        let mut bytes = [0; 10];
        for (to, from) in bytes.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        uuid7(Timestamp(0), bytes)
    }
}

pub(crate) fn account_key(login: &str) -> String {
    format!("account:{login}")
}

fn address_key(ip: &str) -> String {
    format!("address:{ip}")
}
