//! Lifting the second factor of somebody who lost it, of whatever kind.
//!
//! It takes two people ([`crate::two_person`]), and never one for themselves: the person asks, with
//! the password, or an administrator does for them; somebody else approves. Who issued the last
//! password link that was used does not approve what was asked with a password: they might have
//! set it themselves, and be both. The factors and every session end; where a factor is needed, the
//! next sign-in sets one up before anything else ([`crate::duty`]). The person is told in the portal
//! of what was asked and of what was done.

use kernel_storage::{Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};

use crate::account::AccountError;
use crate::counting::{account_key, address_key};
use crate::directory::Directory;
use crate::error::IdentityError;
use crate::factor;
use crate::history::{Change, Deed};
use crate::module::{CHANGES, FACTORS, REQUESTS};
use crate::people::{User, optional, qualified};
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::session::{Origin, Sessions, update};
use crate::throttle::Tally;
use crate::tree::Tree;
use crate::two_person::{self, Ask, Request};

/// What the request and the change are called.
pub const LIFT: &str = "user.lift-factor";
/// Seconds for which the person is told: thirty days.
const TOLD: i64 = 30 * 86_400;

/// What somebody is told of their own factor.
#[derive(Debug, Clone, Default)]
pub struct Lifts {
    /// What waits for a second person.
    pub asked: Vec<Request>,
    /// Changes of the last thirty days, newest first.
    pub done: Vec<Record>,
}

impl Sessions {
    /// What somebody who cannot sign in any more asks for, with the password. Asked again while it
    /// waits, nothing new is. Attempts count as those of a sign-in do.
    pub async fn ask_lift(
        &self,
        (login, password): (&str, &str),
        reason: &str,
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let login: String = login.trim().chars().take(64).collect();
        let Ok(_turn) = self.inner.queue.turn(origin.ip).await else {
            return Err(AccountError::Busy);
        };
        let throttle = self.inner.policy.throttle;
        let limits = [
            (address_key(origin.ip), throttle.address_failures),
            (account_key(&login), throttle.account_failures),
        ];
        self.attempt(&limits, origin).await?;
        let user = User::by_login(&self.inner.store, &login).await?;
        let right = self.check(password, user.as_ref()).await?;
        let user = user.filter(|u| right && u.active);
        let user = user.ok_or(AccountError::WrongPassword)?;
        // Of the account it stays one: what has a second factor is not opened by a password.
        self.forgive(&[(address_key(origin.ip), Tally::forgive)], origin)
            .await?;
        let by = Principal {
            user: Some(user.id.clone()),
            name: user.name.clone(),
            ..Principal::anonymous()
        };
        let deed = Deed {
            by: &by,
            now: origin.now,
            reason,
            approved_by: None,
        };
        match self.directory().request_lift(deed, &user).await {
            Ok((_, writes)) => Ok(writes),
            Err(ChangeError::Refused(Refusal::AskedAlready)) => Ok(Vec::new()),
            Err(ChangeError::Refused(_)) => Err(AccountError::NoSuchFactor),
            Err(ChangeError::Failed(error)) => Err(error.into()),
        }
    }
}

impl Directory {
    /// What an administrator asks for, for somebody. The request's id, and the writes.
    pub async fn ask_lift(
        &self,
        deed: Deed<'_>,
        user: &str,
    ) -> Result<(String, Vec<Write>), ChangeError> {
        if user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let user = User::by_id(self.store(), user).await?;
        let user = user.ok_or(Refusal::NoSuchPerson)?;
        self.request_lift(deed, &user).await
    }

    async fn request_lift(
        &self,
        deed: Deed<'_>,
        user: &User,
    ) -> Result<(String, Vec<Write>), ChangeError> {
        self.liftable(user).await?;
        if !self.waiting_lifts(&user.id, deed.now).await?.is_empty() {
            return Err(Refusal::AskedAlready.into());
        }
        let what = Ask {
            deed: LIFT,
            title: format!("解除{}（{}）的第二重验证", user.name, user.login),
            payload: json!({ "user": user.id }),
            organisation: user.organisation.as_deref(),
            beneficiary: Some(&user.id),
        };
        let hours = self.inner.policy.organisations.request_hours;
        let (id, write) = two_person::ask(deed, &what, hours)?;
        let change = self.lift_change(deed, user, ("request.ask-lift", &id));
        Ok((id.clone(), vec![write, change.await?]))
    }

    /// The effect of an approved request; `deed` is the second person's.
    pub async fn lift_approved(
        &self,
        deed: Deed<'_>,
        request: &Request,
    ) -> Result<Vec<Write>, ChangeError> {
        let user = request.payload.get("user").and_then(Value::as_str);
        let user = User::by_id(self.store(), user.unwrap_or_default()).await?;
        let user = user.ok_or(Refusal::NoSuchPerson)?;
        let sessions = self.sessions();
        if request.asker == user.id {
            let handed = sessions.password_handed_by(&user.id).await?;
            if handed.as_deref() == Some(deed.user()) {
                return Err(Refusal::NotAnother.into());
            }
        }
        let factors = self.liftable(&user).await?;
        let ended = factor::ended(deed.now);
        let mut writes: Vec<Write> = factors
            .iter()
            .map(|factor| update(FACTORS, factor, ended.clone()))
            .collect();
        writes.extend(sessions.end_all(&user.id, deed.now).await?);
        let first = request.first();
        let both = Deed {
            by: &first,
            now: deed.now,
            reason: &request.reason,
            approved_by: Some(&deed.by.name),
        };
        writes.push(self.lift_change(both, &user, (LIFT, &user.id)).await?);
        sessions.forget(&user.id);
        Ok(writes)
    }

    /// What a person is told.
    pub async fn lifts_of(&self, user: &str, now: i64) -> Result<Lifts, IdentityError> {
        let since = Timestamp(now).plus_seconds(-TOLD);
        let query = Query::new(qualified(CHANGES))
            .filter(Filter::eq("person", user))
            .filter(Filter::eq("what", LIFT))
            .filter(Filter::Range {
                field: "created_at".into(),
                min: Some(since.to_string().into()),
                max: None,
            })
            .sort("created_at", true)
            .limit(3);
        let done = self.store().find(&query, &RowFilter::All).await?.records;
        Ok(Lifts {
            asked: self.waiting_lifts(user, now).await?,
            done,
        })
    }

    /// The factors that end, those that are still being set up among them.
    async fn liftable(&self, user: &User) -> Result<Vec<Record>, ChangeError> {
        if !user.active {
            return Err(Refusal::Left.into());
        }
        let found = factor::rows(self.store(), &user.id, None).await?;
        let proves = |row: &Record| optional(row, "confirmed_at").is_some();
        if found.iter().any(proves) {
            Ok(found)
        } else {
            Err(Refusal::NoFactor.into())
        }
    }

    async fn waiting_lifts(&self, user: &str, now: i64) -> Result<Vec<Request>, IdentityError> {
        let query = Query::new(qualified(REQUESTS))
            .filter(Filter::eq("beneficiary", user))
            .filter(Filter::eq("status", "pending"))
            .filter(Filter::eq("deed", LIFT))
            .sort("created_at", true)
            .limit(50);
        let found = self.store().find(&query, &RowFilter::All).await?;
        let mut all: Vec<Request> = found.records.iter().map(Request::read).collect();
        all.retain(|r| !r.is_expired(now));
        Ok(all)
    }

    async fn lift_change(
        &self,
        deed: Deed<'_>,
        user: &User,
        (what, object): (&str, &str),
    ) -> Result<Write, IdentityError> {
        let place = Tree::place_of(self.store(), user.organisation.as_deref()).await?;
        deed.record(&Change {
            what,
            object,
            title: user.name.clone(),
            person: Some(&user.id),
            organisation: user.organisation.as_deref(),
            place,
            ..Change::default()
        })
    }
}
