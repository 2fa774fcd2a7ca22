//! Signing in with an account that another keeps ([`crate::providers`]).
//!
//! An account there is bound to one of ours by its identifier, and by nothing else: a name proves
//! nothing. The one exception is a resident id that two providers have both verified: then the
//! second joins the account of the first by itself, so that one person has one account. Not where
//! the account has a second factor, which the first provider was bound past and this one was not,
//! nor where the person once took this provider away: then they sign in and bind it by hand.
//!
//! What a provider vouches for never counts as a factor proven just now: it may have asked nobody
//! anything, and says so nowhere. Sensitive actions ask for a factor of ours.
//!
//! Who comes back from a provider is a row of [`ARRIVALS`]. Inserting it spends the state that the
//! person was sent away with, so each return is good once, at whatever node it comes twice. Where
//! something is left to do – no account is bound yet, or the party is not the person's yet – what
//! the provider said waits in the row for a quarter of an hour, for the same browser.

use kernel_crypto::sm3;
use kernel_storage::{CommitError, Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::AccountError;
use crate::counting::address_key;
use crate::error::{IdentityError, LoginError};
use crate::history::{Change, Deed, new_id};
use crate::login::Entry;
use crate::module::{ARRIVALS, BINDINGS, MODULE};
use crate::offer::Ways;
use crate::people::{User, get, optional, qualified, text};
use crate::principal::Principal;
use crate::providers::Providers;
use crate::registration::{Newcomer, Opened};
use crate::session::{Origin, Sessions, SignedIn, draft, object, update};

/// Seconds for which an arrival waits.
const GOOD: i64 = 900;
/// Bindings one person has at once.
const MOST: usize = 10;
/// What a stamp of [`Sessions::stamp`] is for.
const VISIT: &str = "arrival-visit";
/// Arrivals ended in one go.
const BATCH: u32 = 200;

/// What a provider says of who signs in, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// Id of the provider, and what people call it.
    pub provider: String,
    pub provider_name: String,
    /// Identifier of the account there.
    pub subject: String,
    pub name: String,
    /// Resident id (GB 11643), verified there.
    pub id_number: Option<String>,
    /// The party that the person acts for there.
    pub party: Option<VouchedParty>,
    /// Two factors were proven there.
    pub two_factors: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchedParty {
    pub code: String,
    pub name: String,
    /// Its legal representative; otherwise an agent.
    pub representative: bool,
}

/// A return from a provider, as stored.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub id: String,
    /// Whose account is bound to it.
    pub user: Option<String>,
    /// What waits; none where the exchange with the provider has still to come.
    pub vouched: Option<Vouched>,
    visit: String,
    expires_at: Timestamp,
    ended: bool,
    row: Record,
}

/// What became of a return.
#[derive(Debug)]
pub enum Arrived {
    In(Box<SignedIn>),
    /// The same person is signed in already.
    Here,
    /// A second factor is to come, for [`Sessions::login_with`].
    Pending {
        pending: String,
        ways: Ways,
    },
    /// No account is bound to it yet.
    New,
}

/// An account elsewhere that a person signs in with.
#[derive(Debug, Clone)]
pub struct Binding {
    pub id: String,
    pub provider: String,
    /// As the provider said it when it was bound.
    pub name: String,
    pub created_at: String,
    user: String,
    id_number: Option<String>,
    row: Record,
}

impl Arrival {
    fn read(record: &Record) -> Self {
        let moment = |field: &str| {
            let at = optional(record, field).and_then(|t| t.parse().ok());
            at.unwrap_or(Timestamp(0))
        };
        let told = record.get("told").filter(|told| told.is_object());
        Self {
            id: text(record, "id"),
            user: optional(record, "user"),
            vouched: told.and_then(|told| serde_json::from_value(told.clone()).ok()),
            visit: text(record, "visit"),
            expires_at: moment("expires_at"),
            ended: optional(record, "ended_at").is_some(),
            row: record.clone(),
        }
    }
}

impl Binding {
    fn read(record: &Record) -> Self {
        Self {
            id: text(record, "id"),
            provider: text(record, "provider"),
            name: text(record, "name"),
            created_at: text(record, "created_at"),
            user: text(record, "user"),
            id_number: optional(record, "id_number"),
            row: record.clone(),
        }
    }
}

impl Sessions {
    pub fn providers(&self) -> &Providers {
        &self.inner.policy.providers
    }

    /// Spends the state that somebody comes back with.
    pub async fn spend(
        &self,
        state: &str,
        (provider, visit): (&str, &str),
        origin: Origin<'_>,
    ) -> Result<Arrival, LoginError> {
        if let Some(retry_after) = self.locked(origin.ip, origin.now).await? {
            self.refuse_return(provider, "locked", &Principal::anonymous(), origin)
                .await?;
            return Err(LoginError::Locked { retry_after });
        }
        let id = new_id(origin.now)?;
        let mut commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
        commit.writes = vec![Write::Insert {
            collection: ARRIVALS.into(),
            id: id.clone(),
            subject: None,
            organisation: None,
            district: None,
            values: object(json!({
                "state": sm3::digest(state.as_bytes()).to_string(),
                "provider": provider,
                "visit": self.stamp(VISIT, visit),
                "expires_at": Timestamp(origin.now).plus_seconds(GOOD),
                // Until something waits in it.
                "ended_at": Timestamp(origin.now),
            })),
        }];
        match self.inner.store.commit(commit).await {
            Ok(_) => {}
            Err(CommitError::Conflict { .. }) => {
                self.refuse_return(provider, "replayed", &Principal::anonymous(), origin)
                    .await?;
                return Err(LoginError::Replayed);
            }
            Err(e) => return Err(IdentityError::from(e).into()),
        }
        let row = get(&self.inner.store, ARRIVALS, &id).await?;
        let arrival = row.as_ref().map(Arrival::read);
        Ok(arrival.ok_or(IdentityError::Stopped)?)
    }

    /// Counts a code that its provider did not know against the address that brought it: each is a
    /// request to the provider. An outage there counts against nobody.
    pub async fn refuse_code(
        &self,
        provider: &str,
        caller: &Principal,
        origin: Origin<'_>,
    ) -> Result<(), LoginError> {
        self.refuse_return(provider, "code refused", caller, origin)
            .await?;
        let most = self.inner.policy.throttle.address_failures;
        self.count(&[(address_key(origin.ip), most)], origin).await
    }

    /// The record of a return that was not taken, and why.
    pub async fn refuse_return(
        &self,
        provider: &str,
        why: &str,
        caller: &Principal,
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let detail = json!({ "provider": provider, "why": why });
        let draft = draft(caller, "platform.session.start", "denied", detail, origin);
        self.inner.store.audit_append(vec![draft]).await?;
        Ok(())
    }

    /// Lets in who is bound to what the provider said. `place` is the organisation of the party, where
    /// there is one. The second value says whether something is left to do on the arrival's page.
    pub async fn arrive(
        &self,
        arrival: &Arrival,
        vouched: &Vouched,
        (caller, place): (&Principal, Option<&str>),
        origin: Origin<'_>,
    ) -> Result<(Arrived, bool), LoginError> {
        let provider = vouched.provider.as_str();
        let bound = self.bound(vouched).await?;
        let joins = bound.is_none();
        let user = match bound {
            Some(bound) => Some(bound.user),
            None => self.joins(vouched).await?,
        };
        let Some(user) = user else {
            self.keep(arrival, (None, vouched), origin).await?;
            return Ok((Arrived::New, true));
        };
        if caller.user.as_ref().is_some_and(|me| *me != user) {
            self.refuse_return(provider, "another is signed in", caller, origin)
                .await?;
            return Err(LoginError::Another);
        }
        let user = User::by_id(&self.inner.store, &user).await?;
        let Some(user) = user.filter(|u| u.active) else {
            self.refuse_return(provider, "closed", caller, origin)
                .await?;
            return Err(LoginError::Closed);
        };
        if joins {
            self.join(&user.id, vouched, origin).await?;
        }
        let place = match place {
            Some(place) if self.directory().works_in(&user.id, place).await? => Some(place),
            _ => None,
        };
        let left = vouched.party.is_some() && place.is_none();
        if left {
            self.keep(arrival, (Some(&user.id), vouched), origin)
                .await?;
        }
        if caller.user.is_some() {
            return Ok((Arrived::Here, left));
        }
        let entry = Entry {
            provider,
            acting: place.unwrap_or_default(),
            proven: None,
        };
        let ways = self.counting_ways(&user.id, origin.now).await?;
        // What is proven elsewhere is no certificate.
        let vouched_for =
            vouched.two_factors && !self.needs_certificate(&user.id, origin.now).await?;
        if ways.any() && !vouched_for {
            let pending = self.pending(&user.id, entry, origin.now);
            return Ok((Arrived::Pending { pending, ways }, left));
        }
        let signed = self.enter(user, entry, origin).await?;
        Ok((Arrived::In(Box::new(signed)), left))
    }

    /// An arrival that waits for this caller, in the browser that came back.
    pub async fn arrival(
        &self,
        id: &str,
        caller: &Principal,
        now: i64,
    ) -> Result<Option<Arrival>, IdentityError> {
        let row = get(&self.inner.store, ARRIVALS, id).await?;
        let arrival = row.as_ref().map(Arrival::read);
        let visit = self.stamp(VISIT, &caller.visit);
        Ok(arrival.filter(|a| {
            let open = !a.ended && now < a.expires_at.micros() && a.vouched.is_some();
            let same = !caller.visit.is_empty() && crate::factor::same(&a.visit, &visit);
            let own = a.user.is_none() || a.user == caller.user;
            open && same && own
        }))
    }

    /// Binds an account elsewhere to the caller's.
    pub async fn bind(
        &self,
        caller: &Principal,
        (arrival, current): (&Arrival, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let vouched = arrival.vouched.as_ref().ok_or(AccountError::ArrivalGone)?;
        let me = caller.user.as_deref().unwrap_or_default();
        if arrival.user.is_some() || me.is_empty() {
            return Err(AccountError::ArrivalGone);
        }
        self.proved(caller, current, origin).await?;
        self.may_bind(Some(me), vouched).await?;
        let mut moved = json!({ "user": me });
        if vouched.party.is_none() {
            moved = json!({ "user": me, "told": null, "ended_at": Timestamp(origin.now) });
        }
        let [bound, change] = binding(caller, (me, vouched, ""), origin)?;
        let arrived = update(ARRIVALS, &arrival.row, object(moved));
        Ok(vec![bound, change, arrived])
    }

    /// Opens an account for who came from a provider, bound to it from the start.
    pub async fn register_arrival(
        &self,
        (arrival, mut who): (&Arrival, Newcomer<'_>),
        origin: Origin<'_>,
    ) -> Result<Opened, AccountError> {
        let vouched = arrival.vouched.as_ref().ok_or(AccountError::ArrivalGone)?;
        if arrival.user.is_some() {
            return Err(AccountError::ArrivalGone);
        }
        self.may_bind(None, vouched).await?;
        who.name = &vouched.name;
        let mut opened = self.register(who, origin).await?;
        let by = Principal::module(MODULE, origin.request);
        let bound = binding(&by, (&opened.user, vouched, ""), origin)?;
        opened.writes.extend(bound);
        opened.writes.push(Self::end_arrival(arrival, origin.now));
        Ok(opened)
    }

    /// What was left to do is done.
    pub fn end_arrival(arrival: &Arrival, now: i64) -> Write {
        let ended = json!({ "told": null, "ended_at": Timestamp(now) });
        update(ARRIVALS, &arrival.row, object(ended))
    }

    /// The accounts elsewhere that a person signs in with, newest first.
    pub async fn bindings(&self, user: &str) -> Result<Vec<Binding>, IdentityError> {
        self.bound_by("user", user).await
    }

    /// Takes one of them away, and ends the person's other sessions: whoever had it may have begun
    /// one.
    pub async fn unbind(
        &self,
        caller: &Principal,
        (current, id): (&str, &str),
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let user = self.proved(caller, current, origin).await?;
        let own = self.bindings(&user.id).await?;
        let found = own.into_iter().find(|b| b.id == id);
        let found = found.ok_or(AccountError::ArrivalGone)?;
        // Without its identifier the account there can be bound again, to whomever.
        let values = json!({ "account": null, "ended_at": Timestamp(origin.now) });
        let deed = Deed {
            by: caller,
            now: origin.now,
            reason: "",
            approved_by: None,
        };
        let change = deed.record(&Change {
            what: "binding.end",
            object: &found.id,
            title: format!("{} · {}", found.provider, found.name),
            person: Some(&user.id),
            ..Change::default()
        })?;
        let mut writes = vec![update(BINDINGS, &found.row, object(values)), change];
        let kept = caller.session.as_deref();
        writes.extend(self.end_sessions(&user.id, kept, origin.now).await?);
        Ok(writes)
    }

    /// Forgets what providers said of people who did not go on; another node may do the same.
    pub async fn end_arrivals(&self, origin: Origin<'_>) -> Result<usize, IdentityError> {
        let query = Query::new(qualified(ARRIVALS))
            .filter(Filter::Missing {
                field: "ended_at".into(),
            })
            .filter(Filter::Range {
                field: "expires_at".into(),
                min: None,
                max: Some(Value::from(Timestamp(origin.now).to_string())),
            })
            .limit(BATCH);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        let mut ended = 0;
        for row in &found.records {
            let mut commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
            commit.writes = vec![Self::end_arrival(&Arrival::read(row), origin.now)];
            match self.inner.store.commit(commit).await {
                Ok(_) => ended += 1,
                Err(CommitError::Stale { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(ended)
    }

    /// Whose account this one joins by itself.
    async fn joins(&self, vouched: &Vouched) -> Result<Option<String>, IdentityError> {
        let Some(user) = self.same_person(vouched).await? else {
            return Ok(None);
        };
        match self.may_bind(Some(&user), vouched).await {
            Ok(()) => {}
            Err(AccountError::Failed(error)) => return Err(error),
            Err(_) => return Ok(None),
        }
        let alone =
            !self.ways(&user).await?.any() && !self.parted(&user, &vouched.provider).await?;
        Ok(alone.then_some(user))
    }

    /// Binds what joins by itself; of two returns at once, one binds and the other finds it bound.
    async fn join(
        &self,
        user: &str,
        vouched: &Vouched,
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let by = Principal {
            name: vouched.provider_name.clone(),
            ..Principal::module(MODULE, origin.request)
        };
        let reason = "实名信息与已绑定的账号一致";
        let mut commit = Self::commit(&by, origin);
        commit.writes = binding(&by, (user, vouched, reason), origin)?.into();
        let detail = json!({ "provider": vouched.provider, "user": user });
        commit.audit = vec![draft(&by, "platform.binding.add", "ok", detail, origin)];
        match self.inner.store.commit(commit).await {
            Ok(_) => Ok(()),
            Err(e @ CommitError::Conflict { .. }) => match self.bound(vouched).await? {
                Some(bound) if bound.user == user => Ok(()),
                _ => Err(e.into()),
            },
            Err(e) => Err(e.into()),
        }
    }

    /// Whether the person once had an account of this provider and took it away.
    async fn parted(&self, user: &str, provider: &str) -> Result<bool, IdentityError> {
        let query = Query::new(qualified(BINDINGS))
            .filter(Filter::eq("user", user))
            .filter(Filter::eq("provider", provider))
            .filter(
                Filter::Missing {
                    field: "ended_at".into(),
                }
                .not(),
            )
            .limit(1);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        Ok(!found.records.is_empty())
    }

    async fn bound(&self, vouched: &Vouched) -> Result<Option<Binding>, IdentityError> {
        let found = self.bound_by("account", &account(vouched)).await?;
        Ok(found.into_iter().next())
    }

    /// The one person whom another provider has verified to have this resident id.
    async fn same_person(&self, vouched: &Vouched) -> Result<Option<String>, IdentityError> {
        let Some(number) = &vouched.id_number else {
            return Ok(None);
        };
        let bound = self.bound_by("id_number", number).await?;
        let mut users = bound.into_iter().map(|b| b.user);
        let first = users.next();
        let alone = users.all(|user| Some(&user) == first.as_ref());
        Ok(first.filter(|_| alone))
    }

    async fn may_bind(&self, me: Option<&str>, vouched: &Vouched) -> Result<(), AccountError> {
        if self.bound(vouched).await?.is_some() {
            return Err(AccountError::BoundElsewhere);
        }
        // Two who registered at the same moment may both have this number: a third may not.
        if let Some(number) = &vouched.id_number {
            let all = self.bound_by("id_number", number).await?;
            if all.iter().any(|b| Some(b.user.as_str()) != me) {
                return Err(AccountError::BoundElsewhere);
            }
        }
        let own = match me {
            Some(me) => self.bindings(me).await?,
            None => Vec::new(),
        };
        if own.len() >= MOST {
            return Err(AccountError::TooMany);
        }
        let differs = |b: &Binding| match (&b.id_number, &vouched.id_number) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        if own.iter().any(differs) {
            return Err(AccountError::OtherPerson);
        }
        Ok(())
    }

    async fn bound_by(&self, field: &str, value: &str) -> Result<Vec<Binding>, IdentityError> {
        let query = Query::new(qualified(BINDINGS))
            .filter(Filter::eq(field, value))
            .filter(Filter::Missing {
                field: "ended_at".into(),
            })
            .sort("created_at", true)
            .limit(50);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        Ok(found.records.iter().map(Binding::read).collect())
    }

    async fn keep(
        &self,
        arrival: &Arrival,
        (user, vouched): (Option<&str>, &Vouched),
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let mut commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
        let values = object(json!({ "user": user, "told": vouched, "ended_at": null }));
        commit.writes = vec![update(ARRIVALS, &arrival.row, values)];
        let nobody = Principal::anonymous();
        let detail = json!({ "provider": vouched.provider, "user": user });
        commit.audit = vec![draft(
            &nobody,
            "platform.arrival.wait",
            "ok",
            detail,
            origin,
        )];
        self.inner.store.commit(commit).await?;
        Ok(())
    }
}

/// The identifier of an account elsewhere, among those of all providers.
fn account(vouched: &Vouched) -> String {
    format!("{}:{}", vouched.provider, vouched.subject)
}

/// Binds an account elsewhere to a person's, and says so in their history.
fn binding(
    by: &Principal,
    (user, vouched, reason): (&str, &Vouched, &str),
    origin: Origin<'_>,
) -> Result<[Write; 2], IdentityError> {
    let id = new_id(origin.now)?;
    let deed = Deed {
        by,
        now: origin.now,
        reason,
        approved_by: None,
    };
    let change = deed.record(&Change {
        what: "binding.add",
        object: &id,
        title: format!("{} · {}", vouched.provider, vouched.name),
        person: Some(user),
        ..Change::default()
    })?;
    let mut values = object(json!({
        "user": user,
        "provider": vouched.provider,
        "account": account(vouched),
        "name": vouched.name,
    }));
    if let Some(number) = &vouched.id_number {
        values.insert("id_number".into(), number.as_str().into());
    }
    let bound = Write::Insert {
        collection: BINDINGS.into(),
        id,
        subject: None,
        organisation: None,
        district: None,
        values,
    };
    Ok([bound, change])
}
