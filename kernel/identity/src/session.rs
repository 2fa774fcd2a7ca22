//! Staying signed in, signing out.
//!
//! A session is a 256-bit random token in the caller's hands; the store keeps a keyed digest of
//! it. Every node sees an ended session at the latest [`CACHE_MICROS`] later.

mod policy;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernel_crypto::ca::Lists;
use kernel_crypto::keys::{KeyRing, MacKey};
use kernel_crypto::{password, random};
use kernel_storage::{AuditDraft, By, Commit, CommitError, Record, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::clearance::Clearances;
use crate::composed::Composed;
use crate::duty::{self, Standing};
use crate::error::IdentityError;
use crate::login::Entry;
use crate::module::{MODULE, SESSIONS, USERS};
use crate::offer::proven;
use crate::people::{User, below, optional, qualified, text};
use crate::principal::Principal;
use crate::queue::Queue;
use crate::revocation::Listed;
use crate::tree::SUBJECT;
use crate::{grants, posts};

pub(crate) use policy::COMPOSED;
pub use policy::SessionPolicy;

/// How long a resolved session is trusted without looking again.
pub const CACHE_MICROS: i64 = 5_000_000;
/// Sessions remembered at once; beyond it the memory is emptied, which only costs reads.
const CACHE_ENTRIES: usize = 10_000;
/// `seen_at` is written at most this often.
const TOUCH_MICROS: i64 = 60_000_000;
/// Most password hashes computed at once, whatever the cores: each takes 7 MiB and a core.
const MOST_HASHES: usize = 8;

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
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) policy: SessionPolicy,
    pub(crate) queue: Queue,
    pub(crate) hashing: Semaphore,
    /// Held while tallies are read and written: many people share an address, and sign-ins of one
    /// node need not race each other for its row.
    pub(crate) counting: tokio::sync::Mutex<()>,
    /// By token digest: the principal and when it was resolved.
    cache: Mutex<BTreeMap<String, (Principal, i64)>>,
    /// Counts what may have made the memory wrong. What was read before is not remembered after.
    epoch: AtomicU64,
    /// Of authorities outside.
    pub(crate) lists: Lists,
    /// The revocation list that is handed out.
    pub(crate) listed: Mutex<Option<Listed>>,
}

impl Sessions {
    pub fn new(store: Store, keys: Arc<KeyRing>, policy: SessionPolicy) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let hashes = cores.min(MOST_HASHES);
        let inner = Inner {
            store,
            keys,
            policy,
            // A few more than can hash, so that one writes while another hashes.
            queue: Queue::new(hashes + 2),
            hashing: Semaphore::new(hashes),
            counting: tokio::sync::Mutex::new(()),
            cache: Mutex::new(BTreeMap::new()),
            epoch: AtomicU64::new(0),
            lists: Lists::default(),
            listed: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Hours within which a second person must decide what one asked for.
    pub fn request_hours(&self) -> i64 {
        self.inner.policy.organisations.request_hours
    }

    /// Of declared roles.
    pub fn clearances(&self) -> &Clearances {
        &self.inner.policy.clearances
    }

    /// The principal of a token, or `None` when there is no such session (any more).
    pub async fn resolve(
        &self,
        token: &str,
        origin: Origin<'_>,
    ) -> Result<Option<Principal>, IdentityError> {
        let digest = self.digest(token);
        let policy = &self.inner.policy;
        let here = |principal: Principal| {
            let admitted = policy.admits(&principal.roles, origin.ip);
            admitted.then(|| principal.at(origin.request, origin.ip, origin.locale))
        };
        if let Some(principal) = self.remembered(&digest, origin.now) {
            return Ok(here(principal));
        }
        let epoch = self.inner.epoch.load(Ordering::SeqCst);
        let Some(session) = self.row(&digest).await? else {
            return Ok(None);
        };
        let moment = |field| {
            optional(&session, field)
                .and_then(|t| t.parse::<Timestamp>().ok())
                .map_or(i64::MIN, Timestamp::micros)
        };
        let idle_for = |seconds: i64| {
            origin.now >= moment("seen_at").saturating_add(seconds.saturating_mul(1_000_000))
        };
        // Before anything else is read: what is over for everybody is asked about again and again.
        let over = origin.now >= moment("expires_at") || idle_for(policy.longest_idle());
        if optional(&session, "ended_at").is_some() || over {
            return Ok(None);
        }
        let user = User::by_id(&self.inner.store, &text(&session, "user")).await?;
        let Some(user) = user.filter(|u| u.active && !u.suspended) else {
            return Ok(None);
        };
        let acting = optional(&session, "acting");
        let mut principal = self.principal(user, acting.as_deref(), origin.now).await?;
        if idle_for(policy.idle(&principal.roles)) {
            return Ok(None);
        }
        principal.session = Some(text(&session, "id"));
        if origin.now.saturating_sub(moment("seen_at")) > TOUCH_MICROS {
            self.touch(&session, origin).await?;
        }
        self.remember(digest, principal.clone(), origin.now, epoch);
        Ok(here(principal))
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

    /// Somebody as they would be after signing in, acting for one of their organisations: to show
    /// what they may do. Holds no session.
    pub async fn preview(
        &self,
        user: &str,
        organisation: &str,
        origin: Origin<'_>,
    ) -> Result<Option<Principal>, IdentityError> {
        let found = User::by_id(&self.inner.store, user).await?;
        let Some(user) = found.filter(|u| u.active) else {
            return Ok(None);
        };
        let principal = self.principal(user, Some(organisation), origin.now).await?;
        Ok(Some(principal.at(origin.request, origin.ip, origin.locale)))
    }

    /// The user in the organisation they act for, with what is to be done first.
    pub(crate) async fn principal(
        &self,
        user: User,
        chosen: Option<&str>,
        now: i64,
    ) -> Result<Principal, IdentityError> {
        let store = &self.inner.store;
        let ways = self.ways(&user.id).await?;
        let accepted = self.registration().accepted_by(&user);
        let (held, places) = posts::held(store, &user.id).await?;
        let post = posts::acting(&held, chosen, user.organisation.as_deref());
        let own = post.and_then(|p| places.iter().find(|n| n.id == p.organisation));
        let organisation = own.map(|n| n.id.clone());
        let organisations = match &organisation {
            Some(id) => std::iter::once(id.clone())
                .chain(below(store, id).await?.iter().map(|o| text(o, "id")))
                .collect(),
            None => Vec::new(),
        };
        let at_home = organisation.is_some() && organisation == user.organisation;
        let mut roles = if at_home { user.roles } else { Vec::new() };
        let (mut composed, mut until) = (Vec::new(), None);
        if let Some(post) = post {
            for grant in grants::holding(store, "post", &post.id, now).await? {
                let end = grant.expires_at.map(Timestamp::micros);
                until = [until, end].into_iter().flatten().min();
                if grants::is_composed(&grant.role) {
                    composed.push(grant.role);
                } else if !roles.contains(&grant.role) {
                    roles.push(grant.role);
                }
            }
        }
        let composed = match &organisation {
            Some(id) => self.directory().composed(id, &composed).await?,
            None => Composed::default(),
        };
        // What a composed role gives came from roles that may need the factor.
        let mut needing = roles.clone();
        if !composed.pieces.is_empty() {
            needing.push(COMPOSED.to_owned());
        }
        let standing = Standing {
            roles: &needing,
            given: user.given,
            set_at: user.password_at,
            accepted,
            ways: &ways,
        };
        let duty = duty::open(&self.inner.policy, standing, Timestamp(now));
        let clearance = self.inner.policy.clearances.held(&roles, &composed);
        Ok(Principal {
            subject: organisation
                .clone()
                .filter(|_| own.is_some_and(|n| n.kind == SUBJECT)),
            organisation_name: own.map(|n| n.name.clone()).unwrap_or_default(),
            organisation_kind: own.map(|n| n.kind.clone()).unwrap_or_default(),
            district: own
                .and_then(|n| n.region.clone())
                .or(user.district.filter(|_| at_home)),
            user: Some(user.id),
            login: user.login,
            name: user.name,
            roles,
            composed: Arc::new(composed),
            clearance,
            posts: held.into(),
            organisation,
            organisations,
            duty,
            until,
            ..Principal::anonymous()
        })
    }

    /// A session of `principal`, whose account was read at `revision`, and the commit that begins
    /// it.
    pub(crate) async fn begin(
        &self,
        mut principal: Principal,
        (revision, entry): (i64, Entry<'_>),
        origin: Origin<'_>,
    ) -> Result<(SignedIn, Commit), IdentityError> {
        let owner = principal.user.clone().unwrap_or_default();
        let token = random::token_base64url(32)?;
        let mut entropy = [0; 10];
        random::fill(&mut entropy)?;
        let id = uuid7(Timestamp(origin.now), entropy);
        let expires = Timestamp(origin.now).plus_seconds(self.inner.policy.absolute_seconds);
        let mut values = object(json!({
            "ip": origin.ip,
            "digest": self.digest(&token),
            "user": owner,
            "seen_at": Timestamp(origin.now),
            "expires_at": expires,
        }));
        if let Some(way) = entry.proven {
            values.extend(proven(way, Timestamp(origin.now)));
        }
        if !entry.acting.is_empty() && principal.organisation.as_deref() == Some(entry.acting) {
            values.insert("acting".into(), entry.acting.into());
        }
        principal.session = Some(id.clone());
        let mut commit = Self::commit(&principal, origin);
        let mut ended = self.oldest(&owner, origin.now).await?;
        let seen = object(json!({ "seen_at": Timestamp(origin.now) }));
        commit.writes = vec![
            update_of(USERS, &owner, revision, seen),
            Write::Insert {
                collection: SESSIONS.into(),
                id,
                subject: None,
                organisation: principal.organisation.clone(),
                district: None,
                values,
            },
        ];
        commit.writes.append(&mut ended);
        commit.audit = vec![draft(
            &principal,
            "platform.session.start",
            "ok",
            entry.detail(),
            origin,
        )];
        Ok((SignedIn { token, principal }, commit))
    }

    /// Ends a person's live sessions but `kept`, and forgets them here at once.
    pub(crate) async fn end_sessions(
        &self,
        user: &str,
        kept: Option<&str>,
        now: i64,
    ) -> Result<Vec<Write>, IdentityError> {
        let mut live = self.live(user, now).await?;
        live.retain(|session| Some(text(session, "id").as_str()) != kept);
        self.forget(user);
        let ended = object(json!({ "ended_at": Timestamp(now) }));
        Ok(live
            .iter()
            .map(|session| update(SESSIONS, session, ended.clone()))
            .collect())
    }

    /// Ends the user's live sessions beyond what is allowed at once, so that one more fits.
    async fn oldest(&self, user: &str, now: i64) -> Result<Vec<Write>, IdentityError> {
        let live = self.live(user, now).await?;
        let most = self.inner.policy.at_once.max(1);
        let surplus = (live.len() + 1).saturating_sub(most);
        let ended = object(json!({ "ended_at": Timestamp(now) }));
        Ok(live
            .iter()
            .rev()
            .take(surplus)
            .map(|session| update(SESSIONS, session, ended.clone()))
            .collect())
    }

    /// The user's sessions that have not ended, newest first; an administrator's that ends sooner for
    /// being idle is among them until anybody's would.
    pub async fn live(&self, user: &str, now: i64) -> Result<Vec<Record>, IdentityError> {
        let idle = self.inner.policy.longest_idle();
        let from = |moment: Timestamp| Some(Value::from(moment.to_string()));
        let range = |field: &str, min| Filter::Range {
            field: field.into(),
            min,
            max: None,
        };
        let query = Query::new(qualified(SESSIONS))
            .filter(Filter::eq("user", user))
            .filter(Filter::Missing {
                field: "ended_at".into(),
            })
            .filter(range("expires_at", from(Timestamp(now))))
            .filter(range("seen_at", from(Timestamp(now).plus_seconds(-idle))))
            .sort("created_at", true)
            .limit(200);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        Ok(found.records)
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

    pub(crate) fn commit(principal: &Principal, origin: Origin<'_>) -> Commit {
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

    /// What is remembered of a user's sessions is looked up anew. Other nodes do so within
    /// [`CACHE_MICROS`].
    pub fn forget(&self, user: &str) {
        let mut cache = self.cache();
        self.inner.epoch.fetch_add(1, Ordering::SeqCst);
        cache.retain(|_, (principal, _)| principal.user.as_deref() != Some(user));
    }

    /// The same of everybody: after a change of organisations, posts or roles.
    pub fn forget_all(&self) {
        let mut cache = self.cache();
        self.inner.epoch.fetch_add(1, Ordering::SeqCst);
        cache.clear();
    }

    fn remembered(&self, digest: &str, now: i64) -> Option<Principal> {
        let cache = self.cache();
        let (principal, at) = cache.get(digest)?;
        let fresh = now >= *at
            && now.saturating_sub(*at) < CACHE_MICROS
            && principal.until.is_none_or(|end| now < end);
        fresh.then(|| principal.clone())
    }

    fn remember(&self, digest: String, principal: Principal, now: i64, epoch: u64) {
        let mut cache = self.cache();
        if self.inner.epoch.load(Ordering::SeqCst) != epoch {
            return;
        }
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

pub(crate) fn draft(
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

pub(crate) fn update(collection: &str, row: &Record, values: Map<String, Value>) -> Write {
    let revision = row.get("revision").and_then(Value::as_i64);
    update_of(
        collection,
        &text(row, "id"),
        revision.unwrap_or_default(),
        values,
    )
}

pub(crate) fn update_of(
    collection: &str,
    id: &str,
    revision: i64,
    values: Map<String, Value>,
) -> Write {
    Write::Update {
        collection: collection.into(),
        id: id.into(),
        revision,
        values,
    }
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, IdentityError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| IdentityError::Stopped)?
}
