//! Signing in, staying signed in, signing out.
//!
//! A session is a 256-bit random token in the caller's hands; the store keeps a keyed digest of
//! it. Every node sees an ended session at the latest [`CACHE_MICROS`] later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel_crypto::keys::{KeyRing, MacKey};
use kernel_crypto::{password, random};
use kernel_storage::{AuditDraft, By, Commit, CommitError, Record, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::{Timestamp, uuid7};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::error::{IdentityError, LoginError};
use crate::module::{MODULE, SESSIONS, THROTTLES};
use crate::people::{User, get, optional, qualified, text};
use crate::principal::Principal;
use crate::throttle::{Tally, ThrottlePolicy};

/// How long a resolved session is trusted without looking again.
pub const CACHE_MICROS: i64 = 5_000_000;
/// Sessions remembered at once; beyond it the memory is emptied, which only costs reads.
const CACHE_ENTRIES: usize = 10_000;
/// `seen_at` is written at most this often.
const TOUCH_MICROS: i64 = 60_000_000;
/// Password hashes computed at once: each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 2;

/// Times and limits of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionPolicy {
    /// Seconds without a request after which a session ends.
    pub idle_seconds: i64,
    /// Seconds after sign-in at which a session ends whatever happens.
    pub absolute_seconds: i64,
    pub throttle: ThrottlePolicy,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            idle_seconds: 30 * 60,
            absolute_seconds: 12 * 3600,
            throttle: ThrottlePolicy::default(),
        }
    }
}

/// A fresh session. The token is shown to nobody but the caller.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub token: String,
    pub principal: Principal,
}

/// Where a request came from and when.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub request: &'a str,
    pub ip: &'a str,
    pub locale: &'a str,
    /// Microseconds since 1970, UTC.
    pub now: i64,
}

/// The sessions of all users. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    keys: Arc<KeyRing>,
    policy: SessionPolicy,
    hashing: Semaphore,
    /// By token digest: the principal and when it was resolved.
    cache: Mutex<BTreeMap<String, (Principal, i64)>>,
}

impl Sessions {
    pub fn new(store: Store, keys: Arc<KeyRing>, policy: SessionPolicy) -> Self {
        let inner = Inner {
            store,
            keys,
            policy,
            hashing: Semaphore::new(HASHES_AT_ONCE),
            cache: Mutex::new(BTreeMap::new()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Checks a password and opens a session. Every outcome is one audit record.
    pub async fn login(
        &self,
        login: &str,
        password: &str,
        origin: Origin<'_>,
    ) -> Result<SignedIn, LoginError> {
        let login: String = login.trim().chars().take(64).collect();
        // Waiting here, before anything is counted, keeps a burst of honest sign-ins honest.
        let _permit = self
            .inner
            .hashing
            .acquire()
            .await
            .map_err(|_| IdentityError::Stopped)?;
        let account = format!("account:{login}");
        let address = format!("address:{}", origin.ip);
        let throttle = self.inner.policy.throttle;
        for (key, limit) in [
            (&address, throttle.address_failures),
            (&account, throttle.account_failures),
        ] {
            if let Err(locked) = self.count(key, limit, origin).await {
                if let LoginError::Locked { .. } = locked {
                    self.audit_login(&login, "denied", "locked", origin).await?;
                }
                return Err(locked);
            }
        }
        let user = User::by_login(&self.inner.store, &login).await?;
        let right = self.check(password, user.as_ref()).await?;
        let Some(user) = user.filter(|u| right && u.active) else {
            self.audit_login(&login, "denied", "wrong login or password", origin)
                .await?;
            return Err(LoginError::Refused);
        };
        self.forgive(&account, true, origin).await?;
        self.forgive(&address, false, origin).await?;
        Ok(self.open(user, origin).await?)
    }

    /// The principal of a token, or `None` when there is no such session (any more).
    pub async fn resolve(
        &self,
        token: &str,
        origin: Origin<'_>,
    ) -> Result<Option<Principal>, IdentityError> {
        let digest = self.digest(token);
        if let Some(principal) = self.remembered(&digest, origin.now) {
            return Ok(Some(principal.at(origin.request, origin.ip, origin.locale)));
        }
        let Some(session) = self.row(&digest).await? else {
            return Ok(None);
        };
        let moment = |field| {
            optional(&session, field)
                .and_then(|t| t.parse::<Timestamp>().ok())
                .map_or(i64::MIN, Timestamp::micros)
        };
        let idle = self.inner.policy.idle_seconds.saturating_mul(1_000_000);
        let live = optional(&session, "ended_at").is_none()
            && origin.now < moment("expires_at")
            && origin.now < moment("seen_at").saturating_add(idle);
        if !live {
            return Ok(None);
        }
        let user = User::by_id(&self.inner.store, &text(&session, "user")).await?;
        let Some(user) = user.filter(|u| u.active) else {
            return Ok(None);
        };
        let mut principal = user.principal(&self.inner.store).await?;
        principal.session = Some(text(&session, "id"));
        if origin.now.saturating_sub(moment("seen_at")) > TOUCH_MICROS {
            self.touch(&session, origin).await?;
        }
        self.remember(digest, principal.clone(), origin.now);
        Ok(Some(principal.at(origin.request, origin.ip, origin.locale)))
    }

    /// Ends a session. Ending none, or one that ended, is no error.
    pub async fn logout(&self, token: &str, origin: Origin<'_>) -> Result<(), IdentityError> {
        let digest = self.digest(token);
        let Some(principal) = self.resolve(token, origin).await? else {
            return Ok(());
        };
        // A touch on another node may get in between; ending must win.
        for _ in 0..5 {
            let Some(session) = self.row(&digest).await? else {
                break;
            };
            if optional(&session, "ended_at").is_some() {
                break;
            }
            let values = object(json!({ "ended_at": Timestamp(origin.now) }));
            let mut commit = Self::commit(&principal, origin);
            commit.writes = vec![update(SESSIONS, &session, values)];
            commit.audit = vec![draft(
                &principal,
                "platform.session.end",
                "ok",
                json!({}),
                origin,
            )];
            match self.inner.store.commit(commit).await {
                Ok(_) => break,
                Err(CommitError::Stale { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.cache().remove(&digest);
        Ok(())
    }

    /// A keyed digest, hex, of `text` for one purpose; for form tokens and signed cookies.
    pub fn stamp(&self, purpose: &str, text: &str) -> String {
        let message = format!("stamp:{purpose}:{text}");
        self.inner
            .keys
            .mac(MacKey::Session, message.as_bytes())
            .to_string()
    }

    /// Hashes a password off the async threads, a bounded number at a time.
    pub async fn hash(&self, password: &str) -> Result<String, IdentityError> {
        let _permit = self
            .inner
            .hashing
            .acquire()
            .await
            .map_err(|_| IdentityError::Stopped)?;
        let keys = Arc::clone(&self.inner.keys);
        let password = password.to_owned();
        blocking(move || Ok(password::hash(&keys, &password)?)).await
    }

    async fn check(&self, password: &str, user: Option<&User>) -> Result<bool, IdentityError> {
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

    async fn open(&self, user: User, origin: Origin<'_>) -> Result<SignedIn, IdentityError> {
        let mut principal =
            user.principal(&self.inner.store)
                .await?
                .at(origin.request, origin.ip, origin.locale);
        let token = random::token_base64url(32)?;
        let mut entropy = [0; 10];
        random::fill(&mut entropy)?;
        let id = uuid7(Timestamp(origin.now), entropy);
        let expires = Timestamp(origin.now).plus_seconds(self.inner.policy.absolute_seconds);
        let values = object(json!({
            "ip": origin.ip,
            "digest": self.digest(&token),
            "user": principal.user,
            "seen_at": Timestamp(origin.now),
            "expires_at": expires,
        }));
        principal.session = Some(id.clone());
        let mut commit = Self::commit(&principal, origin);
        commit.writes = vec![Write::Insert {
            collection: SESSIONS.into(),
            id,
            subject: None,
            organisation: principal.organisation.clone(),
            district: None,
            values,
        }];
        commit.audit = vec![draft(
            &principal,
            "platform.session.start",
            "ok",
            json!({}),
            origin,
        )];
        self.inner.store.commit(commit).await?;
        Ok(SignedIn { token, principal })
    }

    async fn touch(&self, session: &Record, origin: Origin<'_>) -> Result<(), IdentityError> {
        let values = object(json!({ "seen_at": Timestamp(origin.now), "ip": origin.ip }));
        let mut commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
        commit.writes = vec![update(SESSIONS, session, values)];
        match self.inner.store.commit(commit).await {
            // Somebody else touched or ended it; the next look decides.
            Ok(_) | Err(CommitError::Stale { .. }) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    async fn row(&self, digest: &str) -> Result<Option<Record>, IdentityError> {
        let query = Query::new(qualified(SESSIONS))
            .filter(Filter::eq("digest", digest))
            .limit(1);
        Ok(self
            .inner
            .store
            .find(&query, &RowFilter::All)
            .await?
            .records
            .into_iter()
            .next())
    }

    /// Counts an attempt before it is judged, or says how long to wait.
    async fn count(&self, key: &str, limit: i64, origin: Origin<'_>) -> Result<(), LoginError> {
        let window = self.inner.policy.throttle.window_seconds;
        let change = |t| Tally::attempt(t, limit, window, origin.now).map(Some);
        match self.tally(key, origin, change).await? {
            Ok(()) => Ok(()),
            Err(retry_after) => Err(LoginError::Locked { retry_after }),
        }
    }

    /// Takes the counted attempt back after a success; all of them where `whole`.
    async fn forgive(
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

    fn commit(principal: &Principal, origin: Origin<'_>) -> Commit {
        Commit {
            at: origin.now,
            by: By {
                user: principal.user.clone().unwrap_or_else(|| MODULE.into()),
                name: principal.name.clone(),
                organisation: principal.organisation.clone(),
            },
            request: origin.request.into(),
            module: MODULE.into(),
            ..Commit::default()
        }
    }

    fn digest(&self, token: &str) -> String {
        self.inner
            .keys
            .mac(MacKey::Session, format!("token:{token}").as_bytes())
            .to_string()
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

    fn remembered(&self, digest: &str, now: i64) -> Option<Principal> {
        let cache = self.cache();
        let (principal, at) = cache.get(digest)?;
        let fresh = now >= *at && now.saturating_sub(*at) < CACHE_MICROS;
        fresh.then(|| principal.clone())
    }

    fn remember(&self, digest: String, principal: Principal, now: i64) {
        let mut cache = self.cache();
        if cache.len() >= CACHE_ENTRIES {
            cache.clear();
        }
        cache.insert(digest, (principal, now));
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Principal, i64)>> {
        // A panic elsewhere cannot leave the map half changed.
        self.inner
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn draft(
    principal: &Principal,
    action: &str,
    outcome: &str,
    mut detail: Value,
    origin: Origin<'_>,
) -> AuditDraft {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("ip".into(), origin.ip.into());
    }
    AuditDraft {
        at: origin.now,
        actor: principal.user.clone().unwrap_or_default(),
        organisation: principal.organisation.clone(),
        subject: principal.subject.clone(),
        action: action.into(),
        object: principal.session.clone().unwrap_or_default(),
        outcome: outcome.into(),
        detail,
        request: origin.request.into(),
    }
}

fn update(collection: &str, row: &Record, values: Map<String, Value>) -> Write {
    Write::Update {
        collection: collection.into(),
        id: text(row, "id"),
        revision: row
            .get("revision")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        values,
    }
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, IdentityError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| IdentityError::Stopped)?
}
