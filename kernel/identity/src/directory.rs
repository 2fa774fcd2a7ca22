//! Changing organisations and posts: the rules of [`crate::tree`] over what is stored. Each answers
//! with the writes to make; the host makes them durable in one commit with the audit record.
//!
//! Two changes of one tree at once cannot both hold: each also counts up the root's `shape`, so the
//! slower finds the root changed.

use std::sync::Arc;

use kernel_storage::{RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::IdentityError;
use crate::history::{Change, Deed, new_id};
use crate::module::{ORGANISATIONS, POSTS};
use crate::people::User;
use crate::posts::{self, PostRow, open};
use crate::refusal::{ChangeError, Refusal};
use crate::session::{Inner, Sessions, object, update_of};
use crate::tree::{Node, SUBJECT, Tree};

/// Organisations, posts and roles, to be changed. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    pub(crate) inner: Arc<Inner>,
}

/// What people say of an organisation. Texts are trimmed; an empty one is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    pub name: String,
    pub code: Option<String>,
    pub tier: Option<String>,
    pub licence: Option<String>,
    pub region: Option<String>,
}

impl Told {
    fn values(&self) -> Map<String, Value> {
        object(json!({
            "name": self.name, "code": self.code, "tier": self.tier,
            "licence": self.licence, "region": self.region,
        }))
    }

    fn of(node: &Node) -> Self {
        Self {
            name: node.name.clone(),
            code: node.code.clone(),
            tier: node.tier.clone(),
            licence: node.licence.clone(),
            region: node.region.clone(),
        }
    }
}

/// Whether a row filter lets an organisation's rows through.
pub fn within(reach: &RowFilter, organisation: &str) -> bool {
    match reach {
        RowFilter::All => true,
        RowFilter::Organisations(all) => all.iter().any(|o| o == organisation),
        RowFilter::Any(any) => any.iter().any(|f| within(f, organisation)),
        RowFilter::None
        | RowFilter::Assigned(_)
        | RowFilter::Subject(_)
        | RowFilter::District(_) => false,
    }
}

impl Sessions {
    pub fn directory(&self) -> Directory {
        Directory {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl Directory {
    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The tree an organisation stands in.
    pub async fn tree(&self, id: &str) -> Result<Tree, ChangeError> {
        let found = Tree::around(self.store(), id).await?;
        Ok(found.ok_or(Refusal::OutOfReach)?)
    }

    /// The ceiling of an organisation of a tree.
    pub fn ceiling(&self, tree: &Tree, id: &str) -> Vec<String> {
        let kind = tree.get(id).map(|n| n.kind.as_str()).unwrap_or_default();
        let policy = &self.inner.policy.organisations;
        policy.ceiling(kind, tree.limit(id))
    }

    /// The ceiling of a type of organisation that nobody narrowed.
    pub fn whole_ceiling(&self, kind: &str) -> Vec<String> {
        self.inner.policy.organisations.ceiling(kind, None)
    }

    /// Types of organisation that there are.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        let kinds = &self.inner.policy.organisations.ceilings;
        kinds.keys().map(String::as_str)
    }

    /// A new root. Its id, and the writes.
    pub fn found(
        &self,
        deed: Deed<'_>,
        kind: &str,
        told: &Told,
    ) -> Result<(String, Vec<Write>), ChangeError> {
        if !self.kinds().any(|k| k == kind) {
            return Err(Refusal::UnknownType.into());
        }
        let id = new_id(deed.now)?;
        let writes = vec![
            insert(&id, kind, None, told),
            deed.record(&Change {
                what: "organisation.found",
                object: &id,
                title: told.name.clone(),
                organisation: Some(&id),
                place: told.name.clone(),
                after: Value::Object(told.values()),
                ..Change::default()
            })?,
        ];
        Ok((id, writes))
    }

    /// A new organisation below one. Its id, and the writes.
    pub async fn add(
        &self,
        deed: Deed<'_>,
        parent: &str,
        told: &Told,
    ) -> Result<(String, Vec<Write>), ChangeError> {
        let tree = self.tree(parent).await?;
        let above = tree.may_hold(parent, told.code.as_deref())?;
        let id = new_id(deed.now)?;
        let mut writes = vec![insert(&id, &above.kind, Some(parent), told)];
        writes.extend(reshape(&tree));
        writes.push(
            deed.record(&Change {
                what: "organisation.add",
                object: &id,
                title: told.name.clone(),
                organisation: Some(&id),
                place: format!("{} / {}", tree.place(parent), told.name)
                    .chars()
                    .take(400)
                    .collect(),
                after: Value::Object(told.values()),
                ..Change::default()
            })?,
        );
        Ok((id, writes))
    }

    pub async fn edit(
        &self,
        deed: Deed<'_>,
        id: &str,
        told: &Told,
    ) -> Result<Vec<Write>, ChangeError> {
        let tree = self.tree(id).await?;
        let node = tree.get(id).ok_or(Refusal::OutOfReach)?;
        let was = Told::of(node);
        if was == *told {
            return Err(Refusal::Nothing.into());
        }
        tree.code_is_free(told.code.as_deref(), Some(id))?;
        let (mut before, mut after) = (was.values(), told.values());
        let same: Vec<String> = after
            .iter()
            .filter(|(name, value)| before.get(*name) == Some(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in same {
            before.remove(&name);
            after.remove(&name);
        }
        let recoded = after.contains_key("code");
        let mut values = after.clone();
        let mut writes = Vec::new();
        // A code is free in the tree as it was read.
        if recoded && node.parent.is_none() {
            values.insert("shape".into(), (node.shape + 1).into());
        } else if recoded {
            writes.extend(reshape(&tree));
        }
        writes.push(update_of(ORGANISATIONS, id, node.revision, values));
        writes.push(deed.record(&Change {
            what: "organisation.edit",
            object: id,
            title: told.name.clone(),
            organisation: Some(id),
            place: tree.place(id),
            before: Value::Object(before),
            after: Value::Object(after),
            ..Change::default()
        })?);
        Ok(writes)
    }

    /// Puts an organisation with all below it under another. What is in it stays in it; who sees it
    /// from above changes at once. The mover must reach both where it stands and where it goes.
    pub async fn relocate(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        id: &str,
        parent: &str,
    ) -> Result<Vec<Write>, ChangeError> {
        let tree = self.tree(id).await?;
        let node = tree.get(id).ok_or(Refusal::OutOfReach)?;
        let from = node.parent.as_deref();
        let target = self.destination(reach, (&tree, node), parent).await?;
        tree.may_move(id, &target, parent)?;
        let mut writes = vec![update_of(
            ORGANISATIONS,
            id,
            node.revision,
            object(json!({ "parent": parent })),
        )];
        writes.extend(reshaped((&tree, node), &target));
        let name = |id: Option<&str>, tree: &Tree| match id {
            Some(id) => json!({ "parent": id, "place": tree.place(id) }),
            None => json!({ "parent": null, "place": "" }),
        };
        writes.push(deed.record(&Change {
            what: "organisation.move",
            object: id,
            title: node.name.clone(),
            organisation: Some(id),
            place: tree.place(id),
            before: name(from, &tree),
            after: name(Some(parent), &target),
            ..Change::default()
        })?);
        Ok(writes)
    }

    /// The tree that an organisation is to come into, under `parent`, where the caller reaches both
    /// this and where it stands.
    pub(crate) async fn destination(
        &self,
        reach: &RowFilter,
        (tree, node): (&Tree, &Node),
        parent: &str,
    ) -> Result<Tree, ChangeError> {
        // A root is under nobody but the platform.
        let from = node.parent.as_deref();
        let may_leave = from.map_or(*reach == RowFilter::All, |from| within(reach, from));
        if !may_leave || !within(reach, parent) {
            return Err(Refusal::OutOfReach.into());
        }
        if tree.get(parent).is_some() {
            Ok(tree.clone())
        } else {
            self.tree(parent).await
        }
    }

    /// Closes an organisation that nobody works in and nothing stands below, or opens it again.
    pub async fn switch(
        &self,
        deed: Deed<'_>,
        id: &str,
        closed: bool,
    ) -> Result<Vec<Write>, ChangeError> {
        let tree = self.tree(id).await?;
        let node = tree.get(id).ok_or(Refusal::OutOfReach)?;
        if node.closed == closed {
            return Err(Refusal::Nothing.into());
        }
        let in_use = closed && (tree.children(id).any(|n| !n.closed) || self.has_posts(id).await?);
        if in_use {
            return Err(Refusal::InUse.into());
        }
        let word = |closed: bool| if closed { "closed" } else { "active" };
        let value = |closed: bool| json!({ "status": word(closed) });
        let mut values = object(value(closed));
        if node.merged_into.is_some() {
            values.insert("merged_into".into(), Value::Null);
        }
        let mut writes = Vec::new();
        if node.parent.is_none() {
            values.insert("shape".into(), (node.shape + 1).into());
        } else {
            writes.extend(reshape(&tree));
        }
        writes.push(update_of(ORGANISATIONS, id, node.revision, values));
        writes.push(deed.record(&Change {
            what: if closed {
                "organisation.close"
            } else {
                "organisation.reopen"
            },
            object: id,
            title: node.name.clone(),
            organisation: Some(id),
            place: tree.place(id),
            before: value(node.closed),
            after: value(closed),
            ..Change::default()
        })?);
        Ok(writes)
    }

    /// Narrows what an organisation and those below it may hand out; none lifts the limit.
    pub async fn limit(
        &self,
        deed: Deed<'_>,
        id: &str,
        roles: Option<&[String]>,
    ) -> Result<Vec<Write>, ChangeError> {
        let tree = self.tree(id).await?;
        let node = tree.get(id).ok_or(Refusal::OutOfReach)?;
        if node.ceiling.as_deref() == roles {
            return Err(Refusal::Nothing.into());
        }
        let policy = &self.inner.policy.organisations;
        let all = policy.ceiling(&node.kind, None);
        if let Some(over) = roles
            .into_iter()
            .flatten()
            .find(|r| !crate::composed::covers(&all, r))
        {
            return Err(Refusal::PermissionOverCeiling(over.clone()).into());
        }
        Ok(vec![
            update_of(
                ORGANISATIONS,
                id,
                node.revision,
                object(json!({ "ceiling": roles })),
            ),
            deed.record(&Change {
                what: "organisation.limit",
                object: id,
                title: node.name.clone(),
                organisation: Some(id),
                place: tree.place(id),
                before: json!({ "ceiling": node.ceiling }),
                after: json!({ "ceiling": roles }),
                ..Change::default()
            })?,
        ])
    }

    /// Gives a person a post. Who does not reach everybody appoints people that work within reach.
    pub async fn appoint(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        organisation: &str,
        (login, title): (&str, &str),
    ) -> Result<(String, Vec<Write>), ChangeError> {
        let tree = self.tree(organisation).await?;
        let node = tree.get(organisation).ok_or(Refusal::OutOfReach)?;
        if node.closed {
            return Err(Refusal::Closed.into());
        }
        let user = User::by_login(self.store(), login).await?;
        let user = user.filter(|u| u.active).ok_or(Refusal::NoSuchPerson)?;
        if user.id == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let (held, _) = posts::held(self.store(), &user.id).await?;
        let known = *reach == RowFilter::All || held.iter().any(|p| within(reach, &p.organisation));
        if !known {
            return Err(Refusal::NoSuchPerson.into());
        }
        if held.iter().any(|p| p.organisation == organisation) {
            return Err(Refusal::HeldAlready.into());
        }
        let id = new_id(deed.now)?;
        let writes = vec![
            posts::first_post(id.clone(), &user.id, organisation, title),
            deed.record(&Change {
                what: "organisation.appoint",
                object: &id,
                title: format!("{} · {title}", user.name),
                person: Some(&user.id),
                organisation: Some(organisation),
                place: tree.place(organisation),
                after: json!({ "title": title }),
                ..Change::default()
            })?,
        ];
        Ok((id, writes))
    }

    /// Ends a post and what was granted to it.
    pub async fn end_post(
        &self,
        deed: Deed<'_>,
        post: &PostRow,
    ) -> Result<Vec<Write>, ChangeError> {
        if post.ended {
            return Err(Refusal::Ended.into());
        }
        if post.user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let tree = self.tree(&post.organisation).await?;
        let held = self.held_in(post, deed.now).await?;
        for role in &held {
            self.may_lose(&post.user, &role.role, deed.now).await?;
        }
        let end = object(json!({ "ended_at": Timestamp(deed.now) }));
        let mut writes = vec![update_of(POSTS, &post.id, post.revision, end.clone())];
        for grant in held.iter().filter_map(|r| r.grant.as_ref()) {
            writes.push(update_of(
                crate::module::GRANTS,
                &grant.id,
                grant.revision,
                end.clone(),
            ));
        }
        let person = self.name_of(&post.user).await?;
        let roles: Vec<&str> = held.iter().map(|r| r.role.as_str()).collect();
        writes.push(deed.record(&Change {
            what: "post.end",
            object: &post.id,
            title: format!("{person} · {}", post.title),
            person: Some(&post.user),
            organisation: Some(&post.organisation),
            place: tree.place(&post.organisation),
            before: json!({ "title": post.title, "roles": roles }),
            ..Change::default()
        })?);
        Ok(writes)
    }

    /// Chooses the organisation a session acts for from now on.
    pub async fn act_for(
        &self,
        by: &crate::principal::Principal,
        organisation: &str,
    ) -> Result<(Write, String), ChangeError> {
        let post = by.posts.iter().find(|p| p.organisation == organisation);
        let post = post.ok_or(Refusal::OutOfReach)?;
        let write = self.acting(by, organisation).await?;
        let write = write.ok_or(Refusal::OutOfReach)?;
        Ok((write, post.organisation_name.clone()))
    }

    /// The same for an organisation whose post comes in the same commit; none without a session.
    pub async fn acting(
        &self,
        by: &crate::principal::Principal,
        organisation: &str,
    ) -> Result<Option<Write>, IdentityError> {
        let session = by.session.as_deref().unwrap_or_default();
        let row = crate::people::get(self.store(), crate::module::SESSIONS, session).await?;
        let values = object(json!({ "acting": organisation }));
        Ok(row.map(|row| crate::session::update(crate::module::SESSIONS, &row, values)))
    }

    pub(crate) async fn name_of(&self, user: &str) -> Result<String, IdentityError> {
        let user = User::by_id(self.store(), user).await?;
        Ok(user.map(|u| u.name).unwrap_or_default())
    }

    /// Whether anybody holds a post in an organisation.
    pub async fn has_posts(&self, organisation: &str) -> Result<bool, IdentityError> {
        let query = open(POSTS, organisation).limit(1);
        let found = self.store().find(&query, &RowFilter::All).await?;
        Ok(!found.records.is_empty())
    }
}

pub(crate) fn insert(id: &str, kind: &str, parent: Option<&str>, told: &Told) -> Write {
    let mut values = told.values();
    values.insert("type".into(), kind.into());
    values.insert("parent".into(), parent.into());
    values.insert("status".into(), "active".into());
    values.retain(|_, value| !value.is_null());
    Write::Insert {
        collection: ORGANISATIONS.into(),
        id: id.into(),
        subject: (kind == SUBJECT).then(|| id.to_owned()),
        organisation: Some(id.into()),
        district: told.region.clone(),
        values,
    }
}

/// Counts up the shapes of the tree that an organisation leaves and of the one it comes into. That of
/// a root is its own revision.
pub(crate) fn reshaped((tree, node): (&Tree, &Node), target: &Tree) -> Vec<Write> {
    let other = tree.root().map(|n| &n.id) != target.root().map(|n| &n.id);
    let left = node.parent.as_ref().and_then(|_| reshape(tree));
    let entered = if other { reshape(target) } else { None };
    left.into_iter().chain(entered).collect()
}

/// Counts up the shape of a tree.
fn reshape(tree: &Tree) -> Option<Write> {
    tree.root().map(|root| {
        let values = object(json!({ "shape": root.shape + 1 }));
        update_of(ORGANISATIONS, &root.id, root.revision, values)
    })
}
