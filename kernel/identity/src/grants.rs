//! Giving roles to posts and taking them away: who may, what excludes what, until when, and which
//! roles take two people.

use std::collections::BTreeMap;

use kernel_storage::{AuditDraft, Commit, CommitError, Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::{Date, Timestamp};
use serde_json::{Value, json};

use crate::composed::covers;
use crate::directory::Directory;
use crate::error::IdentityError;
use crate::history::{Change, Deed, new_id};
use crate::module::{
    ADMIN, GRANTS, MODULE, ORGANISATIONS, POSTS, REQUESTS, ROLES, SECURITY, USERS,
};
use crate::people::{User, get, optional, qualified, strings, text};
use crate::posts::PostRow;
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::separation::{ADMINISTRATORS, clash, is_administrative};
use crate::session::{Origin, Sessions, object, update_of};
use crate::tree::Tree;
use crate::two_person::{self, Ask, Request};

/// What a request to give a role is called.
pub const GIVE: &str = "post.grant";
/// Longest a grant with an end may last, in seconds: five years.
const LONGEST: i64 = 5 * 366 * 86_400;
/// Grants that are ended in one go when their day has come.
const AT_ONCE: u32 = 100;

/// The declared roles by name, with what people call them.
pub type RoleBook = BTreeMap<String, String>;

/// A role somebody holds in a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of a declared role its name, of a composed one its id.
    pub role: String,
    /// Absent for a role that came with the account.
    pub grant: Option<GrantRow>,
}

/// A grant as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    pub id: String,
    pub revision: i64,
    pub role: String,
    pub user: String,
    pub post: String,
    pub organisation: String,
    pub expires_at: Option<Timestamp>,
}

impl GrantRow {
    fn read(record: &Record) -> Self {
        Self {
            id: text(record, "id"),
            revision: record
                .get("revision")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            role: text(record, "role"),
            user: text(record, "user"),
            post: text(record, "post"),
            organisation: text(record, "organisation"),
            expires_at: optional(record, "expires_at").and_then(|t| t.parse().ok()),
        }
    }
}

/// What came of giving a role.
#[derive(Debug, Clone)]
pub enum Given {
    Done(Vec<Write>),
    /// It takes a second person; the request's id.
    Asked(String, Vec<Write>),
}

/// Whether a role is a composed one: those are named by id.
pub fn is_composed(role: &str) -> bool {
    role.len() == 36 && role.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// The moment a day ends in Beijing.
pub fn end_of(day: Date) -> Option<Timestamp> {
    let begin: Timestamp = format!("{day}T00:00:00+08:00").parse().ok()?;
    Some(begin.plus_seconds(86_400))
}

/// Grants that match and hold now.
pub(crate) async fn holding(
    store: &kernel_storage::Store,
    field: &str,
    value: &str,
    now: i64,
) -> Result<Vec<GrantRow>, IdentityError> {
    let query = Query::new(qualified(GRANTS))
        .filter(Filter::eq(field, value))
        .filter(Filter::Missing {
            field: "ended_at".into(),
        })
        .sort("created_at", false)
        .limit(MAX_LIMIT);
    let found = store.find(&query, &RowFilter::All).await?;
    let mut grants: Vec<GrantRow> = found.records.iter().map(GrantRow::read).collect();
    grants.retain(|g| g.expires_at.is_none_or(|end| now < end.micros()));
    Ok(grants)
}

impl Directory {
    /// The roles somebody holds in a post now.
    pub async fn held_in(&self, post: &PostRow, now: i64) -> Result<Vec<Held>, IdentityError> {
        if post.ended {
            return Ok(Vec::new());
        }
        let user = User::by_id(self.store(), &post.user).await?;
        let home = user.filter(|u| u.organisation.as_deref() == Some(&post.organisation));
        let mut held: Vec<Held> = home
            .into_iter()
            .flat_map(|u| u.roles)
            .map(|role| Held { role, grant: None })
            .collect();
        let granted = holding(self.store(), "post", &post.id, now).await?;
        held.extend(granted.into_iter().map(|grant| Held {
            role: grant.role.clone(),
            grant: Some(grant),
        }));
        Ok(held)
    }

    /// The roles that an organisation may hand out: declared ones under its ceiling, and those
    /// composed at it or above it, with what people call them.
    pub async fn offered(
        &self,
        tree: &Tree,
        id: &str,
        book: &RoleBook,
    ) -> Result<RoleBook, IdentityError> {
        let ceiling = self.ceiling(tree, id);
        let kind = tree.get(id).map(|n| n.kind.as_str()).unwrap_or_default();
        let mut offered: RoleBook = book
            .iter()
            .filter(|(role, _)| may_offer(kind, &ceiling, role))
            .map(|(role, title)| (role.clone(), title.clone()))
            .collect();
        let owners: Vec<Value> = tree.path(id).iter().map(|n| n.id.clone().into()).collect();
        let query = Query::new(qualified(ROLES))
            .filter(Filter::In {
                field: "organisation".into(),
                values: owners,
            })
            .filter(Filter::Missing {
                field: "retired_at".into(),
            })
            .limit(MAX_LIMIT);
        let found = self.store().find(&query, &RowFilter::All).await?;
        offered.extend(
            found
                .records
                .iter()
                .map(|r| (text(r, "id"), text(r, "title"))),
        );
        Ok(offered)
    }

    /// Gives a role to a post, or asks for it where that takes two people.
    pub async fn give(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        post: &PostRow,
        (role, last_day): (&str, Option<Date>),
        book: &RoleBook,
    ) -> Result<Given, ChangeError> {
        let expires_at = match last_day {
            None => None,
            Some(day) => Some(end_of(day).ok_or(Refusal::PastDay)?),
        };
        let wanted = Wanted {
            role,
            expires_at,
            request: None,
        };
        let title = self.may_give(deed, reach, post, &wanted, book).await?;
        if !is_administrative(role) {
            return Ok(Given::Done(self.gift(deed, post, &wanted, &title).await?));
        }
        let person = self.name_of(&post.user).await?;
        let tree = self.tree(&post.organisation).await?;
        let platform = ADMINISTRATORS.contains(&role);
        let what = Ask {
            deed: GIVE,
            title: format!(
                "授予{person}（{}）“{title}”",
                tree.place(&post.organisation)
            ),
            payload: json!({ "post": post.id, "role": role, "expires_at": expires_at }),
            organisation: Some(post.organisation.as_str()).filter(|_| !platform),
            beneficiary: Some(&post.user),
        };
        let hours = self.inner.policy.organisations.request_hours;
        let (id, write) = two_person::ask(deed, &what, hours)?;
        let change = deed.record(&Change {
            what: "request.ask",
            object: &id,
            title: format!("{person} · {title}"),
            person: Some(&post.user),
            organisation: Some(&post.organisation),
            place: tree.place(&post.organisation),
            after: json!({ "role": title, "expires_at": expires_at }),
            ..Change::default()
        })?;
        Ok(Given::Asked(id, vec![write, change]))
    }

    /// The effect of an approved request to give a role: what held when it was asked for must hold
    /// still.
    pub async fn give_approved(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        request: &Request,
        book: &RoleBook,
    ) -> Result<Vec<Write>, ChangeError> {
        let word = |name: &str| request.payload.get(name).and_then(Value::as_str);
        let id = word("post").unwrap_or_default();
        let post = get(self.store(), POSTS, id).await?;
        let post = PostRow::read(&post.ok_or(Refusal::Ended)?);
        let wanted = Wanted {
            role: word("role").unwrap_or_default(),
            expires_at: word("expires_at").and_then(|t| t.parse().ok()),
            request: Some(&request.id),
        };
        let title = self.may_give(deed, reach, &post, &wanted, book).await?;
        let first = request.first();
        let both = Deed {
            by: &first,
            now: deed.now,
            reason: &request.reason,
            approved_by: Some(&deed.by.name),
        };
        self.gift(both, &post, &wanted, &title).await
    }

    /// Whether the role may be given; what people call it.
    async fn may_give(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        post: &PostRow,
        wanted: &Wanted<'_>,
        book: &RoleBook,
    ) -> Result<String, ChangeError> {
        if post.ended {
            return Err(Refusal::Ended.into());
        }
        if post.user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let now = Timestamp(deed.now);
        let late = |end: Timestamp| end <= now || end > now.plus_seconds(LONGEST);
        if wanted.expires_at.is_some_and(late) {
            return Err(Refusal::PastDay.into());
        }
        let tree = self.tree(&post.organisation).await?;
        let offered = self.offered(&tree, &post.organisation, book).await?;
        let title = offered.get(wanted.role).ok_or(Refusal::OverCeiling)?;
        if ADMINISTRATORS.contains(&wanted.role) && *reach != RowFilter::All {
            return Err(Refusal::OverCeiling.into());
        }
        let here = self.held_in(post, deed.now).await?;
        if here.iter().any(|h| h.role == wanted.role) {
            return Err(Refusal::HeldAlready.into());
        }
        let pending = self.pending(&post.user, deed.now).await?;
        let others: Vec<&Request> = pending
            .iter()
            .filter(|r| Some(r.id.as_str()) != wanted.request)
            .collect();
        let role_of = |r: &Request| {
            r.payload
                .get("role")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let same = |r: &&Request| {
            role_of(r).as_deref() == Some(wanted.role)
                && r.payload.get("post").and_then(Value::as_str) == Some(&post.id)
        };
        if others.iter().any(same) {
            return Err(Refusal::AskedAlready.into());
        }
        let mut all = self.everything(&post.user, deed.now).await?;
        all.extend(others.iter().filter_map(|r| role_of(r)));
        let exclusive = &self.inner.policy.organisations.exclusive;
        if let Some(other) = clash(all.iter().map(String::as_str), wanted.role, exclusive) {
            let name = book.get(other).map_or(other, String::as_str);
            return Err(Refusal::Excluded(name.to_owned()).into());
        }
        Ok(title.clone())
    }

    /// The writes of a role that may be given.
    async fn gift(
        &self,
        deed: Deed<'_>,
        post: &PostRow,
        wanted: &Wanted<'_>,
        title: &str,
    ) -> Result<Vec<Write>, ChangeError> {
        let id = new_id(deed.now)?;
        let user = User::by_id(self.store(), &post.user).await?;
        let user = user.ok_or(Refusal::Ended)?;
        let tree = self.tree(&post.organisation).await?;
        let mut values = object(json!({
            "role": wanted.role, "user": post.user, "post": post.id,
            "expires_at": wanted.expires_at,
        }));
        values.retain(|_, value| !value.is_null());
        Ok(vec![
            Write::Insert {
                collection: GRANTS.into(),
                id: id.clone(),
                subject: None,
                organisation: Some(post.organisation.clone()),
                district: None,
                values,
            },
            touch(&user),
            deed.record(&Change {
                what: GIVE,
                object: &id,
                title: format!("{} · {title}", user.name),
                person: Some(&post.user),
                organisation: Some(&post.organisation),
                place: tree.place(&post.organisation),
                after: json!({ "role": title, "expires_at": wanted.expires_at }),
                ..Change::default()
            })?,
        ])
    }

    /// Takes a role away from a post, however it came.
    pub async fn revoke(
        &self,
        deed: Deed<'_>,
        post: &PostRow,
        role: &str,
        book: &RoleBook,
    ) -> Result<Vec<Write>, ChangeError> {
        if post.user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let held = self.held_in(post, deed.now).await?;
        let held: Vec<Held> = held.into_iter().filter(|h| h.role == role).collect();
        if held.is_empty() {
            return Err(Refusal::NotHeld.into());
        }
        self.may_lose(&post.user, role, deed.now).await?;
        let user = User::by_id(self.store(), &post.user).await?;
        let user = user.ok_or(Refusal::Ended)?;
        let tree = self.tree(&post.organisation).await?;
        let title = self.called(role, book).await?;
        let ends: Vec<Option<Timestamp>> = held
            .iter()
            .map(|h| h.grant.as_ref().and_then(|g| g.expires_at))
            .collect();
        let mut writes: Vec<Write> = held
            .iter()
            .filter_map(|h| h.grant.as_ref())
            .map(|g| ended(g, deed.now))
            .collect();
        writes.push(if held.iter().any(|h| h.grant.is_none()) {
            let left: Vec<&String> = user.roles.iter().filter(|r| *r != role).collect();
            let values = object(json!({ "roles": left }));
            update_of(USERS, &user.id, user.revision, values)
        } else {
            touch(&user)
        });
        writes.push(deed.record(&Change {
            what: "post.revoke",
            object: &post.id,
            title: format!("{} · {title}", user.name),
            person: Some(&post.user),
            organisation: Some(&post.organisation),
            place: tree.place(&post.organisation),
            before: json!({ "role": title, "expires_at": ends.into_iter().flatten().next() }),
            ..Change::default()
        })?);
        Ok(writes)
    }

    /// What people call a role.
    pub async fn called(&self, role: &str, book: &RoleBook) -> Result<String, IdentityError> {
        if let Some(title) = book.get(role) {
            return Ok(title.clone());
        }
        let row = if is_composed(role) {
            get(self.store(), ROLES, role).await?
        } else {
            None
        };
        Ok(row.map_or_else(|| role.to_owned(), |r| text(&r, "title")))
    }

    /// All roles of a person, in whatever post.
    pub(crate) async fn everything(
        &self,
        user: &str,
        now: i64,
    ) -> Result<Vec<String>, IdentityError> {
        let account = User::by_id(self.store(), user).await?;
        let mut all = account.map(|u| u.roles).unwrap_or_default();
        let granted = holding(self.store(), "user", user, now).await?;
        all.extend(granted.into_iter().map(|g| g.role));
        Ok(all)
    }

    /// Requests for a person that nobody has decided.
    async fn pending(&self, user: &str, now: i64) -> Result<Vec<Request>, IdentityError> {
        let query = Query::new(qualified(REQUESTS))
            .filter(Filter::eq("beneficiary", user))
            .filter(Filter::eq("status", "pending"))
            .filter(Filter::eq("deed", GIVE))
            .limit(MAX_LIMIT);
        let found = self.store().find(&query, &RowFilter::All).await?;
        let mut all: Vec<Request> = found.records.iter().map(Request::read).collect();
        all.retain(|r| !r.is_expired(now));
        Ok(all)
    }

    /// Somebody must be left who can give roles.
    pub(crate) async fn may_lose(
        &self,
        user: &str,
        role: &str,
        now: i64,
    ) -> Result<(), ChangeError> {
        if role != SECURITY {
            return Ok(());
        }
        let granted = holding(self.store(), "role", SECURITY, now).await?;
        if granted.iter().any(|g| g.user != user) {
            return Ok(());
        }
        let query = Query::new(qualified(ORGANISATIONS))
            .filter(Filter::eq("type", "platform"))
            .limit(MAX_LIMIT);
        let places = self.store().find(&query, &RowFilter::All).await?.records;
        let places = places.iter().map(|o| text(o, "id").into()).collect();
        let query = Query::new(qualified(USERS))
            .filter(Filter::In {
                field: "organisation".into(),
                values: places,
            })
            .filter(Filter::eq("active", true))
            .limit(MAX_LIMIT);
        let users = self.store().find(&query, &RowFilter::All).await?.records;
        let other = users
            .iter()
            .any(|u| text(u, "id") != user && strings(u, "roles").iter().any(|r| r == SECURITY));
        if other {
            Ok(())
        } else {
            Err(Refusal::LastOne.into())
        }
    }
}

impl Sessions {
    /// Ends the grants whose day has come, with their history and audit records. They have no
    /// effect from that moment in any case; this writes it down. How many.
    pub async fn lapse(&self, origin: Origin<'_>) -> Result<usize, IdentityError> {
        let query = Query::new(qualified(GRANTS))
            .filter(Filter::Missing {
                field: "ended_at".into(),
            })
            .filter(Filter::Range {
                field: "expires_at".into(),
                min: None,
                max: Some(Timestamp(origin.now).to_string().into()),
            })
            .limit(AT_ONCE);
        let store = &self.inner.store;
        let found = store.find(&query, &RowFilter::All).await?;
        let by = Principal::module(MODULE, origin.request);
        let deed = Deed {
            by: &by,
            now: origin.now,
            reason: "到期自动收回",
            approved_by: None,
        };
        let mut lapsed = 0;
        for grant in found.records.iter().map(GrantRow::read) {
            let directory = self.directory();
            let person = directory.name_of(&grant.user).await?;
            let title = directory.called(&grant.role, &RoleBook::new()).await?;
            let place = Tree::place_of(store, Some(&grant.organisation)).await?;
            let mut commit: Commit = Self::commit(&by, origin);
            commit.writes = vec![
                ended(&grant, origin.now),
                deed.record(&Change {
                    what: "grant.lapse",
                    object: &grant.id,
                    title: format!("{person} · {title}"),
                    person: Some(&grant.user),
                    organisation: Some(&grant.organisation),
                    place,
                    before: json!({ "role": title, "expires_at": grant.expires_at }),
                    ..Change::default()
                })?,
            ];
            commit.audit = vec![AuditDraft {
                at: origin.now,
                actor: String::new(),
                organisation: Some(grant.organisation.clone()),
                subject: None,
                action: "platform.grant.lapse".into(),
                object: grant.id.clone(),
                outcome: "ok".into(),
                detail: json!({ "user": grant.user, "role": grant.role }),
                request: origin.request.into(),
            }];
            match store.commit(commit).await {
                Ok(_) => lapsed += 1,
                // Another node was faster.
                Err(CommitError::Stale { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        if lapsed > 0 {
            self.forget_all();
        }
        Ok(lapsed)
    }
}

/// A role that is to be given.
struct Wanted<'a> {
    role: &'a str,
    expires_at: Option<Timestamp>,
    /// The request that was approved for it.
    request: Option<&'a str>,
}

/// Whether a declared role is one that an organisation of a type may hand out at all.
fn may_offer(kind: &str, ceiling: &[String], role: &str) -> bool {
    match role {
        ADMIN => kind != "platform",
        _ if ADMINISTRATORS.contains(&role) => kind == "platform",
        _ => covers(ceiling, role),
    }
}

/// Counts up the person's revision: of two changes of their roles at once, each checked without
/// the other, only one holds.
fn touch(user: &User) -> Write {
    let values = object(json!({ "roles": user.roles }));
    update_of(USERS, &user.id, user.revision, values)
}

fn ended(grant: &GrantRow, now: i64) -> Write {
    let values = object(json!({ "ended_at": Timestamp(now) }));
    update_of(GRANTS, &grant.id, grant.revision, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_holds_to_the_end_of_its_last_day_in_beijing() {
        let day: Date = "2026-11-30".parse().unwrap();
        let want: Timestamp = "2026-11-30T16:00:00Z".parse().unwrap();
        assert_eq!(end_of(day), Some(want));
    }

    #[test]
    fn administrators_are_of_the_platform_and_admins_of_the_others() {
        let ceiling = ["bank.".to_owned()];
        assert!(may_offer("institution", &ceiling, "bank.officer"));
        assert!(may_offer("institution", &ceiling, ADMIN));
        assert!(!may_offer("institution", &ceiling, SECURITY));
        assert!(may_offer("platform", &[], SECURITY));
        assert!(!may_offer("platform", &[], ADMIN));
        assert!(!may_offer("platform", &[], "bank.officer"));
    }

    #[test]
    fn composed_roles_are_named_by_id() {
        assert!(is_composed("01930000-0000-7000-8000-000000000101"));
        assert!(!is_composed("bank.officer"));
    }
}
