//! People who leave an organisation, and come back; accounts that nobody used.
//!
//! Nothing is deleted: what a person did stays theirs. The account keeps its login, which is
//! nobody else's ever after.

use kernel_storage::{AuditDraft, CommitError, Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::directory::{Directory, within};
use crate::error::IdentityError;
use crate::grants::GrantRow;
use crate::history::{Change, Deed, new_id};
use crate::invitations::Invitation;
use crate::module::{GRANTS, INVITATIONS, MODULE, OPERATOR, POSTS, USERS};
use crate::people::{User, qualified};
use crate::posts::{PostRow, first_post};
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::session::{Origin, Sessions, object, update, update_of};
use crate::tree::Tree;

/// Accounts that are suspended in one go.
const AT_ONCE: u32 = 100;

/// What came of somebody's leaving.
#[derive(Debug, Clone)]
pub struct Farewell {
    pub writes: Vec<Write>,
    /// Posts that ended.
    pub posts: usize,
    /// The account is closed: no post is left elsewhere.
    pub closed: bool,
}

impl Directory {
    /// Somebody leaves: their sessions, posts within reach, roles, links and the invitations they
    /// made end. Who has a post beyond reach keeps the account for it.
    pub async fn leave(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        user: &str,
    ) -> Result<Farewell, ChangeError> {
        if user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let user = User::by_id(self.store(), user).await?;
        let user = user.ok_or(Refusal::NoSuchPerson)?;
        if !user.active {
            return Err(Refusal::Left.into());
        }
        self.farewell(deed, reach, &user, "user.leave").await
    }

    /// What ends with somebody's posts within reach.
    pub(crate) async fn farewell(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        user: &User,
        what: &str,
    ) -> Result<Farewell, ChangeError> {
        let (ours, others): (Vec<PostRow>, Vec<PostRow>) = self
            .posts_of(&user.id)
            .await?
            .into_iter()
            .partition(|p| within(reach, &p.organisation));
        let end = object(json!({ "ended_at": Timestamp(deed.now) }));
        let (mut writes, mut roles) = (Vec::new(), user.roles.clone());
        for post in &ours {
            for held in self.held_in(post, deed.now).await? {
                self.may_lose(&user.id, &held.role, deed.now).await?;
                if let Some(grant) = &held.grant {
                    writes.push(ended_grant(grant, deed.now));
                    roles.push(held.role);
                }
            }
            writes.push(update_of(POSTS, &post.id, post.revision, end.clone()));
        }
        let closed = others.is_empty();
        let mut values = object(json!({ "roles": [] }));
        if closed {
            values.insert("active".into(), false.into());
            values.insert("left_at".into(), json!(Timestamp(deed.now)));
            values.insert("phone".into(), serde_json::Value::Null);
        }
        writes.push(update_of(USERS, &user.id, user.revision, values));
        let sessions = self.sessions();
        writes.extend(sessions.end_sessions(&user.id, None, deed.now).await?);
        writes.extend(self.end_links(&user.id, deed.now).await?);
        for invitation in self.invitations_by(&user.id).await? {
            if Invitation::read(&invitation).is_open(deed.now) {
                writes.push(update(INVITATIONS, &invitation, end.clone()));
            }
        }
        let posts = ours.len();
        let place = Tree::place_of(self.store(), user.organisation.as_deref()).await?;
        writes.push(deed.record(&Change {
            what,
            object: &user.id,
            title: user.name.clone(),
            person: Some(&user.id),
            organisation: user.organisation.as_deref(),
            place,
            before: json!({ "roles": roles }),
            ..Change::default()
        })?);
        Ok(Farewell {
            writes,
            posts,
            closed,
        })
    }

    /// Somebody who left comes back to the organisation they were of, in a post and without roles.
    pub async fn come_back(
        &self,
        deed: Deed<'_>,
        user: &str,
        title: &str,
    ) -> Result<Vec<Write>, ChangeError> {
        let user = User::by_id(self.store(), user).await?;
        let user = user.ok_or(Refusal::NoSuchPerson)?;
        if user.id == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let home = user.organisation.clone().ok_or(Refusal::OutOfReach)?;
        let tree = self.tree(&home).await?;
        if tree.get(&home).is_none_or(|n| n.closed) {
            return Err(Refusal::Closed.into());
        }
        let posts = self.posts_of(&user.id).await?;
        if user.active && posts.iter().any(|p| p.organisation == home) {
            return Err(Refusal::HeldAlready.into());
        }
        let values = object(json!({
            "active": true, "left_at": null, "suspended_at": null,
            "opened_at": Timestamp(deed.now),
        }));
        Ok(vec![
            update_of(USERS, &user.id, user.revision, values),
            first_post(new_id(deed.now)?, &user.id, &home, title),
            deed.record(&Change {
                what: "user.return",
                object: &user.id,
                title: format!("{} · {title}", user.name),
                person: Some(&user.id),
                organisation: Some(&home),
                place: tree.place(&home),
                after: json!({ "title": title }),
                ..Change::default()
            })?,
        ])
    }

    /// Opens an account again that was suspended because nobody used it.
    pub async fn open_again(&self, deed: Deed<'_>, user: &str) -> Result<Vec<Write>, ChangeError> {
        let user = User::by_id(self.store(), user).await?;
        let user = user.ok_or(Refusal::NoSuchPerson)?;
        if !user.suspended {
            return Err(Refusal::Nothing.into());
        }
        let values = object(json!({ "suspended_at": null, "opened_at": Timestamp(deed.now) }));
        let place = Tree::place_of(self.store(), user.organisation.as_deref()).await?;
        Ok(vec![
            update_of(USERS, &user.id, user.revision, values),
            deed.record(&Change {
                what: "user.open",
                object: &user.id,
                title: user.name.clone(),
                person: Some(&user.id),
                organisation: user.organisation.as_deref(),
                place,
                ..Change::default()
            })?,
        ])
    }

    pub(crate) fn sessions(&self) -> Sessions {
        Sessions {
            inner: std::sync::Arc::clone(&self.inner),
        }
    }

    /// The posts of a person that have not ended, also in organisations that are closed.
    pub async fn posts_of(&self, user: &str) -> Result<Vec<PostRow>, IdentityError> {
        let query = Query::new(qualified(POSTS))
            .filter(Filter::eq("user", user))
            .filter(Filter::Missing {
                field: "ended_at".into(),
            })
            .sort("created_at", false)
            .limit(MAX_LIMIT);
        let found = self.store().find(&query, &RowFilter::All).await?;
        Ok(found.records.iter().map(PostRow::read).collect())
    }

    /// The newest invitations somebody made.
    async fn invitations_by(&self, user: &str) -> Result<Vec<Record>, IdentityError> {
        let query = Query::new(qualified(INVITATIONS))
            .filter(Filter::eq("created_by", user))
            .filter(Filter::Missing {
                field: "used_at".into(),
            })
            .sort("created_at", true)
            .limit(MAX_LIMIT);
        Ok(self.store().find(&query, &RowFilter::All).await?.records)
    }
}

fn ended_grant(grant: &GrantRow, now: i64) -> Write {
    let values = object(json!({ "ended_at": Timestamp(now) }));
    update_of(GRANTS, &grant.id, grant.revision, values)
}

impl Sessions {
    /// Suspends accounts that nobody used for as many days as the policy says. How many.
    pub async fn suspend_unused(&self, origin: Origin<'_>) -> Result<usize, IdentityError> {
        let days = self.inner.policy.stale_days;
        if days <= 0 {
            return Ok(0);
        }
        let before = Timestamp(origin.now).plus_seconds(-days.saturating_mul(86_400));
        let until = |field: &str| Filter::Range {
            field: field.into(),
            min: None,
            max: Some(before.to_string().into()),
        };
        let missing = |field: &str| Filter::Missing {
            field: field.into(),
        };
        let unless = |field: &str| Filter::Or(vec![missing(field), until(field)]);
        let query = Query::new(qualified(USERS))
            .filter(Filter::eq("active", true))
            .filter(missing("suspended_at"))
            .filter(until("created_at"))
            .filter(unless("seen_at"))
            .filter(unless("opened_at"))
            .limit(AT_ONCE);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        let mut suspended = 0;
        for user in found.records.iter().map(User::read) {
            if !self.is_last_operator(&user).await? && self.suspend(&user, origin).await? {
                suspended += 1;
            }
        }
        Ok(suspended)
    }

    /// Whether nobody would be left who could open accounts again.
    pub(crate) async fn is_last_operator(&self, user: &User) -> Result<bool, IdentityError> {
        let runs = |roles: &[String]| roles.iter().any(|r| r == OPERATOR);
        if !runs(&user.roles) {
            return Ok(false);
        }
        let home = user.organisation.as_deref().unwrap_or_default();
        let query = Query::new(qualified(USERS))
            .filter(Filter::eq("organisation", home))
            .filter(Filter::eq("active", true))
            .filter(Filter::Missing {
                field: "suspended_at".into(),
            })
            .limit(MAX_LIMIT);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        let mut others = found.records.iter().map(User::read);
        Ok(!others.any(|other| other.id != user.id && runs(&other.roles)))
    }

    /// Suspends an account that nobody used, with its history and audit record; false when somebody
    /// was faster.
    pub(crate) async fn suspend(
        &self,
        user: &User,
        origin: Origin<'_>,
    ) -> Result<bool, IdentityError> {
        let by = Principal::module(MODULE, origin.request);
        let deed = Deed {
            by: &by,
            now: origin.now,
            reason: "长期未使用，自动停用",
            approved_by: None,
        };
        let place = Tree::place_of(&self.inner.store, user.organisation.as_deref()).await?;
        let mut commit = Self::commit(&by, origin);
        let values = object(json!({ "suspended_at": Timestamp(origin.now) }));
        commit.writes = vec![
            update_of(USERS, &user.id, user.revision, values),
            deed.record(&Change {
                what: "user.suspend",
                object: &user.id,
                title: user.name.clone(),
                person: Some(&user.id),
                organisation: user.organisation.as_deref(),
                place,
                ..Change::default()
            })?,
        ];
        commit.audit = vec![AuditDraft {
            at: origin.now,
            actor: String::new(),
            organisation: user.organisation.clone(),
            subject: None,
            action: "platform.user.suspend".into(),
            object: user.id.clone(),
            outcome: "ok".into(),
            detail: json!({ "seen_at": user.seen_at }),
            request: origin.request.into(),
        }];
        match self.inner.store.commit(commit).await {
            Ok(_) => Ok(true),
            Err(CommitError::Stale { .. }) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}
