//! Posts: in which organisations a person works, and for which one they act.

use kernel_storage::{By, Commit, Record, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Value, json};

use crate::error::IdentityError;
use crate::history::new_id;
use crate::module::{MODULE, ORGANISATIONS, POSTS, USERS};
use crate::people::{optional, qualified, text};
use crate::session::object;
use crate::tree::Node;

/// What a post is called that nobody gave a name.
const PLAIN: &str = "工作人员";

/// A post that has not ended, in an organisation that is not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub id: String,
    pub organisation: String,
    pub organisation_name: String,
    pub title: String,
}

/// A post as stored, ended or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostRow {
    pub id: String,
    pub revision: i64,
    pub user: String,
    pub organisation: String,
    pub title: String,
    pub ended: bool,
}

impl PostRow {
    pub fn read(record: &Record) -> Self {
        Self {
            id: text(record, "id"),
            revision: record
                .get("revision")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            user: text(record, "user"),
            organisation: text(record, "organisation"),
            title: text(record, "title"),
            ended: optional(record, "ended_at").is_some(),
        }
    }
}

/// What of an organisation has not ended, of posts or invitations.
pub(crate) fn open(collection: &str, organisation: &str) -> Query {
    Query::new(qualified(collection))
        .filter(Filter::eq("organisation", organisation))
        .filter(Filter::Missing {
            field: "ended_at".into(),
        })
}

/// The posts of a person that hold, oldest first, and the organisations they are in.
pub(crate) async fn held(
    store: &Store,
    user: &str,
) -> Result<(Vec<Post>, Vec<Node>), IdentityError> {
    let query = Query::new(qualified(POSTS))
        .filter(Filter::eq("user", user))
        .filter(Filter::Missing {
            field: "ended_at".into(),
        })
        .sort("created_at", false)
        .limit(MAX_LIMIT);
    let found = store.find(&query, &RowFilter::All).await?;
    let rows: Vec<PostRow> = found.records.iter().map(PostRow::read).collect();
    let ids: Vec<Value> = rows.iter().map(|p| p.organisation.clone().into()).collect();
    if ids.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let query = Query::new(qualified(ORGANISATIONS))
        .filter(Filter::In {
            field: "id".into(),
            values: ids,
        })
        .limit(MAX_LIMIT);
    let found = store.find(&query, &RowFilter::All).await?;
    let mut places: Vec<Node> = found.records.iter().map(Node::read).collect();
    places.retain(|n| !n.closed);
    let posts = rows.into_iter().filter_map(|post| {
        let place = places.iter().find(|n| n.id == post.organisation)?;
        Some(Post {
            id: post.id,
            organisation: post.organisation,
            organisation_name: place.name.clone(),
            title: post.title,
        })
    });
    Ok((posts.collect(), places))
}

/// The organisation a person acts for: the one chosen, else the one they were made in, else the
/// first; none without a post. Pure.
pub(crate) fn acting<'a>(
    posts: &'a [Post],
    chosen: Option<&str>,
    home: Option<&str>,
) -> Option<&'a Post> {
    let of = |wanted: Option<&str>| {
        let wanted = wanted?;
        posts.iter().find(|p| p.organisation == wanted)
    };
    of(chosen).or_else(|| of(home)).or_else(|| posts.first())
}

/// A post in the organisation a new user is made in.
pub(crate) fn first_post(id: String, user: &str, organisation: &str, title: &str) -> Write {
    let title = if title.is_empty() { PLAIN } else { title };
    Write::Insert {
        collection: POSTS.into(),
        id,
        subject: None,
        organisation: Some(organisation.into()),
        district: None,
        values: object(json!({ "title": title, "user": user })),
    }
}

/// Gives everybody a post in their organisation, in a store from before there were posts. Does
/// nothing where there is any.
pub async fn give_first(store: &Store, now: i64) -> Result<usize, IdentityError> {
    let any = Query::new(qualified(POSTS)).limit(1);
    if !store.find(&any, &RowFilter::All).await?.records.is_empty() {
        return Ok(0);
    }
    let mut writes = Vec::new();
    for page in 1.. {
        let query = Query::new(qualified(USERS)).page(page, MAX_LIMIT);
        let users = store.find(&query, &RowFilter::All).await?.records;
        for user in &users {
            if let Some(organisation) = optional(user, "organisation") {
                let post = first_post(new_id(now)?, &text(user, "id"), &organisation, "");
                writes.push(post);
            }
        }
        if users.len() < MAX_LIMIT as usize {
            break;
        }
    }
    let made = writes.len();
    if made > 0 {
        let commit = Commit {
            at: now,
            by: By {
                user: MODULE.into(),
                name: MODULE.into(),
                organisation: None,
            },
            request: "posts".into(),
            module: MODULE.into(),
            writes,
            ..Commit::default()
        };
        store.commit(commit).await?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_acts_where_they_have_a_post() {
        let post = |organisation: &str| Post {
            id: format!("p-{organisation}"),
            organisation: organisation.into(),
            organisation_name: organisation.into(),
            title: "经办".into(),
        };
        let posts = [post("a"), post("b")];
        let name = |chosen, home| acting(&posts, chosen, home).map(|p| p.organisation.as_str());
        assert_eq!(name(None, Some("b")), Some("b"));
        assert_eq!(name(Some("a"), Some("b")), Some("a"));
        // A post that ended is none to act in.
        assert_eq!(name(Some("c"), Some("b")), Some("b"));
        assert_eq!(name(Some("c"), Some("c")), Some("a"));
        assert_eq!(acting(&[], Some("a"), Some("a")), None);
    }
}
