//! Merging an organisation into another: what moving, ending and giving posts and closing do one by
//! one, as one change with one record in the history.
//!
//! The organisation comes under the one it is merged into, so that whoever works there reaches what
//! was done in it, and every record keeps it as its organisation: what was reported stays as it was.
//! What stood right below it comes below the other. Each post in it ends and a like one begins in
//! the other, with the roles and their terms; it is closed and says where it went.
//!
//! What else there is of it:
//!
//! - Roles of administrators end with their posts. They take two people, and no merger by one gives
//!   somebody the administration of more than they had; who needs it there is given it anew.
//! - Other roles that are held and that the other may not hand out refuse the merger by name, also
//!   those composed in it, which are good in it and below it only. A copy would be composed by
//!   whoever arranges organisations, who need not be one to compose roles.
//! - Programs that act for it refuse it, too: one is registered for one organisation by two people,
//!   and would be cut off without a word.
//! - Open invitations end: each is the promise of a post in it.
//! - Requests for a role in it are approved no more, as after any end of a post. Whatever else waits
//!   with its administrators is decided from above it, where the other's are now.
//! - What narrowed its ceiling stays with it: below the other the other's limit holds, as after a
//!   move.
//! - Claims are for parties, which are not merged ([`is_mergeable`](crate::tree::is_mergeable)).
//! - Who acts for it acts for another of their posts from the next look at the session on.

use std::collections::{BTreeMap, BTreeSet};

use kernel_storage::{Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::apps::{self, App};
use crate::directory::{Directory, reshaped};
use crate::error::IdentityError;
use crate::grants::{GrantRow, RoleBook, holding, is_composed};
use crate::history::{Change, Deed, new_id};
use crate::invitations::Invitation;
use crate::module::{GRANTS, INVITATIONS, ORGANISATIONS, POSTS, ROLES, USERS};
use crate::people::{User, get, optional, qualified};
use crate::posts::{PostRow, first_post, open};
use crate::refusal::{ChangeError, Refusal};
use crate::roles::RoleRow;
use crate::separation::is_administrative;
use crate::session::{object, update, update_of};

/// Somebody who works in the organisation.
struct Person {
    user: User,
    posts: Vec<PostRow>,
    /// When a post of theirs was reviewed last.
    reviewed_at: Option<String>,
    /// What they hold there that was granted.
    grants: Vec<GrantRow>,
    /// The roles that go along, and until when.
    kept: BTreeMap<String, Option<Timestamp>>,
    /// Those of administrators, which do not.
    lost: BTreeSet<String>,
}

impl Directory {
    /// Merges an organisation into another. The caller must reach the other and where it stands, and
    /// not work in it.
    pub async fn merge(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        (id, into): (&str, &str),
        book: &RoleBook,
    ) -> Result<Vec<Write>, ChangeError> {
        let tree = self.tree(id).await?;
        let node = tree.get(id).ok_or(Refusal::OutOfReach)?;
        let target = self.destination(reach, (&tree, node), into).await?;
        tree.may_merge(id, &target, into)?;
        self.nobody_calls(id).await?;
        let staff = self.staff(id).await?;
        let staff = staff.iter().map(|post| (PostRow::read(post), post));
        let mut people: BTreeMap<String, Person> = BTreeMap::new();
        for (post, record) in staff {
            if post.user == deed.user() {
                return Err(Refusal::Oneself.into());
            }
            let known = people.remove(&post.user);
            let person = self.joined(known, post, record, deed.now).await?;
            people.insert(person.user.id.clone(), person);
        }
        let offered = self.offered(&target, into, book).await?;
        self.may_keep(id, &mut people, &offered, (deed.now, book))
            .await?;

        let merged = json!({ "parent": into, "status": "closed", "merged_into": into });
        let mut writes = vec![update_of(ORGANISATIONS, id, node.revision, object(merged))];
        writes.extend(reshaped((&tree, node), &target));
        let mut below = Vec::new();
        for child in tree.children(id) {
            let under = object(json!({ "parent": into }));
            writes.push(update_of(ORGANISATIONS, &child.id, child.revision, under));
            below.push(child.name.as_str());
        }
        let (mut names, mut lost) = (Vec::new(), Vec::new());
        for person in people.values() {
            writes.extend(self.passed(deed, person, (id, into)).await?);
            let name = &person.user.name;
            names.push(match &*self.titles(person.kept.keys(), book).await? {
                "" => name.clone(),
                kept => format!("{name}（{kept}）"),
            });
            if !person.lost.is_empty() {
                let gone = self.titles(&person.lost, book).await?;
                lost.push(format!("{name}（{gone}）"));
            }
        }
        let invitations = self.invitations_to(id, deed.now).await?;
        let end = object(json!({ "ended_at": Timestamp(deed.now) }));
        for invitation in &invitations {
            writes.push(update(INVITATIONS, invitation, end.clone()));
        }
        let from = node.parent.as_deref();
        writes.push(deed.record(&Change {
            what: "organisation.merge",
            object: id,
            title: node.name.clone(),
            organisation: Some(id),
            place: tree.place(id),
            before: json!({
                "status": "active",
                "parent": from,
                "place": from.map(|from| tree.place(from)).unwrap_or_default(),
                "below": below,
                "people": names,
            }),
            after: json!({
                "status": "closed",
                "parent": into,
                "merged_into": into,
                "into": target.place(into),
                "lost": lost,
                "invitations": invitations.len(),
            }),
            ..Change::default()
        })?);
        Ok(writes)
    }

    /// How many people work in an organisation.
    pub async fn headcount(&self, organisation: &str) -> Result<usize, IdentityError> {
        let staff = self.staff(organisation).await?;
        let people: BTreeSet<String> = staff.iter().map(|p| PostRow::read(p).user).collect();
        Ok(people.len())
    }

    /// The posts in an organisation that have not ended, oldest first.
    async fn staff(&self, organisation: &str) -> Result<Vec<Record>, IdentityError> {
        self.all(&open(POSTS, organisation)).await
    }

    async fn invitations_to(
        &self,
        organisation: &str,
        now: i64,
    ) -> Result<Vec<Record>, IdentityError> {
        let mut all = self.all(&open(INVITATIONS, organisation)).await?;
        all.retain(|row| Invitation::read(row).is_open(now));
        Ok(all)
    }

    /// No program acts for the organisation, or will once it is approved or switched on again.
    async fn nobody_calls(&self, organisation: &str) -> Result<(), ChangeError> {
        let query = Query::new(format!("{}.{}", apps::MODULE, apps::APPS))
            .filter(Filter::eq("organisation", organisation))
            .filter(Filter::eq("status", "closed").not());
        let apps = self.all(&query).await?;
        if apps.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = apps.iter().map(|row| App::read(row).name).collect();
        Err(Refusal::Connected(names.join("、")).into())
    }

    /// Somebody with one more of their posts.
    async fn joined(
        &self,
        known: Option<Person>,
        post: PostRow,
        record: &Record,
        now: i64,
    ) -> Result<Person, ChangeError> {
        let mut person = match known {
            Some(person) => person,
            None => Person {
                user: User::by_id(self.store(), &post.user)
                    .await?
                    .ok_or(Refusal::NoSuchPerson)?,
                posts: Vec::new(),
                reviewed_at: None,
                grants: Vec::new(),
                kept: BTreeMap::new(),
                lost: BTreeSet::new(),
            },
        };
        for held in self.held_in(&post, now).await? {
            let until = held.grant.as_ref().and_then(|g| g.expires_at);
            person.grants.extend(held.grant);
            if is_administrative(&held.role) {
                self.may_lose(&post.user, &held.role, now).await?;
                person.lost.insert(held.role);
                continue;
            }
            let longest = match person.kept.get(&held.role) {
                Some(other) => other.zip(until).map(|(a, b)| a.max(b)),
                None => until,
            };
            person.kept.insert(held.role, longest);
        }
        let reviewed = optional(record, "reviewed_at");
        person.reviewed_at = person.reviewed_at.max(reviewed);
        person.posts.push(post);
        Ok(person)
    }

    /// Whether the other may hand out every role that goes along, and nobody needs one that was
    /// composed here. A role that was retired gives nothing, and does not go along.
    async fn may_keep(
        &self,
        id: &str,
        people: &mut BTreeMap<String, Person>,
        offered: &RoleBook,
        (now, book): (i64, &RoleBook),
    ) -> Result<(), ChangeError> {
        let held: BTreeSet<String> = people
            .values()
            .flat_map(|p| p.kept.keys().cloned())
            .collect();
        let mut over = BTreeSet::new();
        for role in held.into_iter().filter(|r| !offered.contains_key(r)) {
            if self.is_retired(&role).await? {
                for person in people.values_mut() {
                    person.kept.remove(&role);
                }
            } else {
                over.insert(role);
            }
        }
        let composed = Query::new(qualified(ROLES))
            .filter(Filter::eq("organisation", id))
            .filter(missing("retired_at"));
        for row in &self.all(&composed).await? {
            let role = RoleRow::read(row).id;
            if !holding(self.store(), "role", &role, now).await?.is_empty() {
                over.insert(role);
            }
        }
        if over.is_empty() {
            return Ok(());
        }
        Err(Refusal::RolesOverCeiling(self.titles(&over, book).await?).into())
    }

    async fn is_retired(&self, role: &str) -> Result<bool, IdentityError> {
        if !is_composed(role) {
            return Ok(false);
        }
        let row = get(self.store(), ROLES, role).await?;
        Ok(row.is_none_or(|row| RoleRow::read(&row).retired))
    }

    /// What people call these roles.
    async fn titles(
        &self,
        roles: impl IntoIterator<Item = &String>,
        book: &RoleBook,
    ) -> Result<String, IdentityError> {
        let mut titles = Vec::new();
        for role in roles {
            titles.push(self.called(role, book).await?);
        }
        Ok(titles.join("、"))
    }

    /// The writes that end what somebody has in the one organisation and begin it in the other. Who
    /// has a post there keeps that and gets what it lacks, a role for longer included.
    async fn passed(
        &self,
        deed: Deed<'_>,
        person: &Person,
        (id, into): (&str, &str),
    ) -> Result<Vec<Write>, ChangeError> {
        let user = &person.user;
        let end = object(json!({ "ended_at": Timestamp(deed.now) }));
        let mut writes: Vec<Write> = person
            .posts
            .iter()
            .map(|post| update_of(POSTS, &post.id, post.revision, end.clone()))
            .collect();
        let ended = |g: &GrantRow| update_of(GRANTS, &g.id, g.revision, end.clone());
        writes.extend(person.grants.iter().map(ended));
        // Counts up the revision as every change of somebody's roles does. Those that came with the
        // account hold where it was made.
        let home = user.organisation.as_deref() == Some(id);
        let roles = if home { Vec::new() } else { user.roles.clone() };
        let roles = object(json!({ "roles": roles }));
        writes.push(update_of(USERS, &user.id, user.revision, roles));

        let there = self.posts_of(&user.id).await?;
        let there = there.into_iter().find(|p| p.organisation == into);
        let mut held = Vec::new();
        let post = if let Some(post) = there {
            held = self.held_in(&post, deed.now).await?;
            post.id
        } else {
            let new = new_id(deed.now)?;
            let title = person.posts.first().map_or("", |p| p.title.as_str());
            let mut post = first_post(new.clone(), &user.id, into, title);
            if let (Write::Insert { values, .. }, Some(at)) = (&mut post, &person.reviewed_at) {
                values.insert("reviewed_at".into(), at.as_str().into());
            }
            writes.push(post);
            new
        };
        for (role, until) in &person.kept {
            let lasts =
                |own: Option<Timestamp>| own.is_none_or(|own| until.is_some_and(|u| u <= own));
            let mut same = held.iter().filter(|h| h.role == *role);
            if same.any(|h| lasts(h.grant.as_ref().and_then(|g| g.expires_at))) {
                continue;
            }
            let mut values = object(json!({
                "role": role, "user": user.id, "post": post, "expires_at": until,
            }));
            values.retain(|_, value| !value.is_null());
            writes.push(Write::Insert {
                collection: GRANTS.into(),
                id: new_id(deed.now)?,
                subject: None,
                organisation: Some(into.into()),
                district: None,
                values,
            });
        }
        Ok(writes)
    }

    /// All that match, oldest first.
    async fn all(&self, query: &Query) -> Result<Vec<Record>, IdentityError> {
        let mut all = Vec::new();
        for page in 1.. {
            let query = query
                .clone()
                .sort("created_at", false)
                .page(page, MAX_LIMIT);
            let found = self.store().find(&query, &RowFilter::All).await?.records;
            let full = found.len() == MAX_LIMIT as usize;
            all.extend(found);
            if !full {
                break;
            }
        }
        Ok(all)
    }
}

fn missing(field: &str) -> Filter {
    Filter::Missing {
        field: field.into(),
    }
}
