//! A new password for somebody who forgot theirs.
//!
//! Whoever forgot asks, and is told the same whether there is such an account or not. An
//! administrator of the person's own organisation issues a link and hands it over, as an
//! invitation's ([`crate::invitations`]): its token is `<id>.<proof>`, the store keeps a digest, it
//! is good once and for a day. The person sets the password; the second factor stays as it is, so
//! the link alone opens nothing that needed one. For one of the platform's three administrators it
//! takes two people to issue a link: otherwise one could become another.

use kernel_crypto::sm3;
use kernel_storage::{Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::account::AccountError;
use crate::counting::account_key;
use crate::directory::Directory;
use crate::error::{IdentityError, LoginError};
use crate::grants::Given;
use crate::history::{Change, Deed, new_id};
use crate::module::{MODULE, RESETS, SESSIONS};
use crate::people::{User, optional, qualified, text};
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::separation::ADMINISTRATORS;
use crate::session::{Origin, Sessions, object, update};
use crate::throttle::Tally;
use crate::tree::Tree;
use crate::two_person::{self, Ask, Request};

/// What a request to issue a link for an administrator is called.
pub const ISSUE: &str = "user.issue-reset";
/// What a stamp of [`Sessions::stamp`] is for.
const STAMP: &str = "reset";
/// Seconds for which a link is good: a day.
const GOOD: i64 = 86_400;

/// A reset as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Reset {
    pub id: String,
    pub user: String,
    pub name: String,
    /// Absent where it was asked for and nobody has answered.
    pub issued_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub used: bool,
    pub ended: bool,
    row: Record,
}

impl Reset {
    pub fn read(record: &Record) -> Self {
        let moment = |field: &str| optional(record, field).and_then(|t| t.parse().ok());
        Self {
            id: text(record, "id"),
            user: text(record, "user"),
            name: text(record, "name"),
            issued_at: moment("issued_at"),
            expires_at: moment("expires_at"),
            used: optional(record, "used_at").is_some(),
            ended: optional(record, "ended_at").is_some(),
            row: record.clone(),
        }
    }

    /// Whether its link opens.
    pub fn is_open(&self, now: i64) -> bool {
        let live = self.expires_at.is_some_and(|end| now < end.micros());
        !self.used && !self.ended && live
    }

    /// Whether somebody waits for a link.
    pub fn waits(&self) -> bool {
        self.issued_at.is_none() && !self.ended
    }
}

impl Sessions {
    /// The token of a link.
    pub fn reset_token(&self, id: &str) -> String {
        format!("{id}.{}", self.stamp(STAMP, id))
    }

    /// Notes that somebody forgot a password, where there is such an account; an address asks so
    /// many times and no more.
    pub async fn ask_reset(
        &self,
        login: &str,
        origin: Origin<'_>,
    ) -> Result<Vec<Write>, AccountError> {
        let most = self.inner.policy.throttle.address_failures;
        match self
            .count(&[(format!("forgotten:{}", origin.ip), most)], origin)
            .await
        {
            Ok(()) => {}
            Err(LoginError::Locked { retry_after }) => {
                return Err(AccountError::Locked { retry_after });
            }
            Err(LoginError::Failed(error)) => return Err(error.into()),
            Err(_) => return Err(AccountError::WrongPassword),
        }
        let user = User::by_login(&self.inner.store, login.trim()).await?;
        let Some(user) = user.filter(|u| u.active) else {
            return Ok(Vec::new());
        };
        let all = resets_of(self, &user.id).await?;
        if all.iter().any(Reset::waits) {
            return Ok(Vec::new());
        }
        Ok(vec![insert(new_id(origin.now)?, &user)])
    }

    /// The open link behind a token.
    pub async fn reset(&self, token: &str, now: i64) -> Result<Option<Reset>, IdentityError> {
        let query = Query::new(qualified(RESETS))
            .filter(Filter::eq("digest", digest(token)))
            .limit(1);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        let found = found.records.first().map(Reset::read);
        Ok(found.filter(|r| r.is_open(now)))
    }

    /// Sets the password that the person chose; every session of theirs ends, and the link is good
    /// no more. The user's id, and the writes.
    pub async fn use_reset(
        &self,
        reset: &Reset,
        password: &str,
        origin: Origin<'_>,
    ) -> Result<(String, Vec<Write>), AccountError> {
        let user = User::by_id(&self.inner.store, &reset.user).await?;
        let user = user
            .filter(|u| u.active)
            .ok_or(AccountError::NoSuchFactor)?;
        let now = Timestamp(origin.now);
        let mut writes = vec![self.new_password(&user, password, now).await?];
        writes.extend(self.end_all(&user.id, origin.now).await?);
        let spent = object(json!({ "used_at": now }));
        writes.push(update(RESETS, &reset.row, spent));
        let by = Principal {
            name: user.name.clone(),
            ..Principal::module(MODULE, origin.request)
        };
        let deed = Deed {
            by: &by,
            now: origin.now,
            reason: "凭一次性链接设置新密码",
            approved_by: None,
        };
        let place = Tree::place_of(&self.inner.store, user.organisation.as_deref()).await?;
        writes.push(deed.record(&Change {
            what: "reset.use",
            object: &reset.id,
            title: user.name.clone(),
            person: Some(&user.id),
            organisation: user.organisation.as_deref(),
            place,
            ..Change::default()
        })?);
        // Whoever guessed before does not keep the person out.
        self.forgive(&[(account_key(&user.login), Tally::forgive_all)], origin)
            .await?;
        Ok((user.id, writes))
    }

    /// Who issued the last link that set a person's password, where one did.
    pub(crate) async fn password_handed_by(
        &self,
        user: &str,
    ) -> Result<Option<String>, IdentityError> {
        let all = resets_of(self, user).await?;
        let last = all.iter().find(|r| r.used);
        Ok(last.and_then(|r| optional(&r.row, "issued_by")))
    }

    /// Ends every live session of a person.
    pub(crate) async fn end_all(&self, user: &str, now: i64) -> Result<Vec<Write>, IdentityError> {
        let ended = object(json!({ "ended_at": Timestamp(now) }));
        let live = self.live(user, now).await?;
        Ok(live
            .iter()
            .map(|session| update(SESSIONS, session, ended.clone()))
            .collect())
    }
}

impl Directory {
    /// Issues a link for a person, or asks for it where that takes two people. A link before it is
    /// good no more.
    pub async fn issue_reset(&self, deed: Deed<'_>, user: &str) -> Result<Given, ChangeError> {
        let user = self.may_reset(deed, user).await?;
        let roles = self.everything(&user.id, deed.now).await?;
        if !roles.iter().any(|r| ADMINISTRATORS.contains(&r.as_str())) {
            return Ok(Given::Done(self.issue(deed, &user).await?));
        }
        let what = Ask {
            deed: ISSUE,
            title: format!("为{}（{}）签发密码重置链接", user.name, user.login),
            payload: json!({ "user": user.id }),
            organisation: None,
            beneficiary: Some(&user.id),
        };
        let hours = self.inner.policy.organisations.request_hours;
        let (id, write) = two_person::ask(deed, &what, hours)?;
        let place = Tree::place_of(self.store(), user.organisation.as_deref()).await?;
        let change = deed.record(&Change {
            what: "request.ask-reset",
            object: &id,
            title: user.name.clone(),
            person: Some(&user.id),
            organisation: user.organisation.as_deref(),
            place,
            ..Change::default()
        })?;
        Ok(Given::Asked(id, vec![write, change]))
    }

    /// The effect of an approved request.
    pub async fn issue_approved(
        &self,
        deed: Deed<'_>,
        request: &Request,
    ) -> Result<Vec<Write>, ChangeError> {
        let user = request.payload.get("user").and_then(|v| v.as_str());
        let first = request.first();
        let both = Deed {
            by: &first,
            now: deed.now,
            reason: &request.reason,
            approved_by: Some(&deed.by.name),
        };
        let user = self.may_reset(both, user.unwrap_or_default()).await?;
        self.issue(both, &user).await
    }

    async fn may_reset(&self, deed: Deed<'_>, user: &str) -> Result<User, ChangeError> {
        if user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let user = User::by_id(self.store(), user).await?;
        let user = user.ok_or(Refusal::NoSuchPerson)?;
        if user.active {
            Ok(user)
        } else {
            Err(Refusal::Left.into())
        }
    }

    async fn issue(&self, deed: Deed<'_>, user: &User) -> Result<Vec<Write>, ChangeError> {
        let sessions = self.sessions();
        let mut writes = Vec::new();
        let mut asked = None;
        for one in resets_of(&sessions, &user.id).await? {
            if one.waits() && asked.is_none() {
                asked = Some(one);
            } else if one.is_open(deed.now) || one.waits() {
                let ended = object(json!({ "ended_at": Timestamp(deed.now) }));
                writes.push(update(RESETS, &one.row, ended));
            }
        }
        let issued = |id: &str| {
            object(json!({
                "digest": digest(&sessions.reset_token(id)),
                "issued_at": Timestamp(deed.now),
                "issued_by": deed.user(),
                "expires_at": Timestamp(deed.now).plus_seconds(GOOD),
            }))
        };
        let id = if let Some(asked) = asked {
            writes.push(update(RESETS, &asked.row, issued(&asked.id)));
            asked.id
        } else {
            let id = new_id(deed.now)?;
            let mut write = insert(id.clone(), user);
            if let Write::Insert { values, .. } = &mut write {
                values.extend(issued(&id));
            }
            writes.push(write);
            id
        };
        let place = Tree::place_of(self.store(), user.organisation.as_deref()).await?;
        writes.push(deed.record(&Change {
            what: ISSUE,
            object: &id,
            title: user.name.clone(),
            person: Some(&user.id),
            organisation: user.organisation.as_deref(),
            place,
            ..Change::default()
        })?);
        Ok(writes)
    }

    /// Takes a link back, or puts an ask aside.
    pub async fn end_reset(
        &self,
        deed: Deed<'_>,
        reset: &Reset,
    ) -> Result<Vec<Write>, ChangeError> {
        if !reset.is_open(deed.now) && !reset.waits() {
            return Err(Refusal::ResetGone.into());
        }
        let organisation = optional(&reset.row, "organisation");
        let place = Tree::place_of(self.store(), organisation.as_deref()).await?;
        let ended = object(json!({ "ended_at": Timestamp(deed.now) }));
        Ok(vec![
            update(RESETS, &reset.row, ended),
            deed.record(&Change {
                what: "reset.end",
                object: &reset.id,
                title: reset.name.clone(),
                person: Some(&reset.user),
                organisation: organisation.as_deref(),
                place,
                ..Change::default()
            })?,
        ])
    }

    /// What ends when somebody leaves: links for them, and those they issued and so may know.
    pub(crate) async fn end_links(
        &self,
        user: &str,
        now: i64,
    ) -> Result<Vec<Write>, IdentityError> {
        let mut writes = Vec::new();
        let ended = object(json!({ "ended_at": Timestamp(now) }));
        for field in ["user", "issued_by"] {
            let query = Query::new(qualified(RESETS))
                .filter(Filter::eq(field, user))
                .sort("created_at", true)
                .limit(MAX_LIMIT);
            let found = self.store().find(&query, &RowFilter::All).await?;
            let open = found.records.iter().map(Reset::read);
            writes.extend(
                open.filter(|r| r.is_open(now) || r.waits() && r.user == user)
                    .map(|r| update(RESETS, &r.row, ended.clone())),
            );
        }
        Ok(writes)
    }
}

async fn resets_of(sessions: &Sessions, user: &str) -> Result<Vec<Reset>, IdentityError> {
    let query = Query::new(qualified(RESETS))
        .filter(Filter::eq("user", user))
        .sort("created_at", true)
        .limit(50);
    let found = sessions.inner.store.find(&query, &RowFilter::All).await?;
    Ok(found.records.iter().map(Reset::read).collect())
}

fn insert(id: String, user: &User) -> Write {
    Write::Insert {
        collection: RESETS.into(),
        id,
        subject: None,
        organisation: user.organisation.clone(),
        district: None,
        values: object(json!({ "name": user.name, "user": user.id })),
    }
}

fn digest(token: &str) -> String {
    sm3::digest(token.as_bytes()).to_string()
}
