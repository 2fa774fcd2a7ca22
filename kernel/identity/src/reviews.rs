//! Reviews of access: every so often somebody looks at each post and the roles in it, and says that
//! they are still needed, or takes them away.
//!
//! A post is due so many days after it was confirmed last, or given. Whoever confirms names the
//! roles that they saw, so that what came in between is not confirmed unseen; nobody confirms their
//! own. A review that is late takes nothing away by itself: that would stop people's work for
//! somebody else's omission. It is shown until it is done.

use kernel_storage::{Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::directory::Directory;
use crate::error::IdentityError;
use crate::history::{Change, Deed};
use crate::module::{POSTS, SESSIONS};
use crate::people::{User, optional, qualified, text};
use crate::posts::PostRow;
use crate::refusal::{ChangeError, Refusal};
use crate::session::{object, update_of};

/// What a confirmation is called.
pub const CONFIRM: &str = "post.confirm";
/// The last part of the time between two reviews in which one is asked for: a sixth, fifteen days
/// of ninety.
const NOTICE: i64 = 6;

/// How a post stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// Not to be looked at yet.
    Done,
    /// To be looked at.
    Due,
    /// Should have been looked at.
    Late,
}

/// When posts are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// What was confirmed or given until then is due.
    due: Timestamp,
    /// … is late.
    late: Timestamp,
}

/// When somebody did anything last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    pub signed_in: Option<Timestamp>,
    /// Acting in this post.
    pub acted: Option<Timestamp>,
}

impl Times {
    /// Pure. None where nothing is reviewed.
    fn of(days: i64, now: i64) -> Option<Self> {
        let seconds = days.saturating_mul(86_400);
        let ago = |seconds: i64| Timestamp(now).plus_seconds(-seconds);
        (days > 0).then(|| Self {
            due: ago(seconds - seconds / NOTICE),
            late: ago(seconds),
        })
    }

    /// How a post stands.
    pub fn review(self, post: &Record) -> Review {
        match since(post) {
            Some(since) if since <= self.late => Review::Late,
            Some(since) if since <= self.due => Review::Due,
            _ => Review::Done,
        }
    }

    /// The posts that are late, or due and late.
    pub fn filter(self, late: bool) -> Filter {
        let until = if late { self.late } else { self.due };
        let range = |field: &str| Filter::Range {
            field: field.into(),
            min: None,
            max: Some(until.to_string().into()),
        };
        let never = Filter::Missing {
            field: "reviewed_at".into(),
        };
        Filter::Or(vec![
            range("reviewed_at"),
            Filter::And(vec![never, range("created_at")]),
        ])
    }
}

/// When a post was confirmed last, or given.
fn since(post: &Record) -> Option<Timestamp> {
    let moment = |field: &str| optional(post, field)?.parse().ok();
    moment("reviewed_at").or_else(|| moment("created_at"))
}

/// Roles as a confirmation names them.
pub fn named<'a>(roles: impl IntoIterator<Item = &'a str>) -> String {
    let mut roles: Vec<&str> = roles.into_iter().map(str::trim).collect();
    roles.retain(|r| !r.is_empty());
    roles.sort_unstable();
    roles.dedup();
    roles.join(",")
}

impl Directory {
    pub fn review_times(&self, now: i64) -> Option<Times> {
        Times::of(self.review_days(), now)
    }

    /// Days between two reviews; 0 is no reviews.
    pub fn review_days(&self) -> i64 {
        self.inner.policy.organisations.review_days
    }

    /// Says that a post and exactly these roles are still needed.
    pub async fn confirm(
        &self,
        deed: Deed<'_>,
        post: &PostRow,
        seen: &str,
    ) -> Result<Vec<Write>, ChangeError> {
        if post.ended {
            return Err(Refusal::Ended.into());
        }
        if post.user == deed.user() {
            return Err(Refusal::Oneself.into());
        }
        let held = self.held_in(post, deed.now).await?;
        let roles = named(held.iter().map(|h| h.role.as_str()));
        if roles != named(seen.split(',')) {
            return Err(Refusal::RolesChanged.into());
        }
        let person = self.name_of(&post.user).await?;
        let tree = self.tree(&post.organisation).await?;
        let values = object(json!({ "reviewed_at": Timestamp(deed.now) }));
        Ok(vec![
            update_of(POSTS, &post.id, post.revision, values),
            deed.record(&Change {
                what: CONFIRM,
                object: &post.id,
                title: format!("{person} · {}", post.title),
                person: Some(&post.user),
                organisation: Some(&post.organisation),
                place: tree.place(&post.organisation),
                after: json!({ "title": post.title, "roles": roles }),
                ..Change::default()
            })?,
        ])
    }

    /// When the person signed in last, and when they last did anything in this post.
    pub async fn used(&self, post: &PostRow) -> Result<Used, IdentityError> {
        let Some(user) = User::by_id(self.store(), &post.user).await? else {
            return Ok(Used::default());
        };
        let here = Filter::eq("acting", post.organisation.as_str());
        // Who chose none acts where they were made.
        let acting = if user.organisation.as_deref() == Some(&post.organisation) {
            let none = Filter::Missing {
                field: "acting".into(),
            };
            Filter::Or(vec![here, none])
        } else {
            here
        };
        let query = Query::new(qualified(SESSIONS))
            .filter(Filter::eq("user", user.id.as_str()))
            .filter(acting)
            .sort("seen_at", true)
            .limit(1);
        let found = self.store().find(&query, &RowFilter::All).await?;
        let acted = found.records.first().map(|row| text(row, "seen_at"));
        Ok(Used {
            signed_in: user.seen_at,
            acted: acted.and_then(|t| t.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn post(created: i64, reviewed: Option<i64>) -> Record {
        let mut values = object(json!({ "created_at": Timestamp(created * DAY) }));
        if let Some(at) = reviewed {
            values.insert("reviewed_at".into(), json!(Timestamp(at * DAY)));
        }
        values
    }

    #[test]
    fn a_post_is_due_fifteen_days_before_it_is_late() {
        let at = |day: i64| Times::of(90, day * DAY).unwrap();
        for (day, stands) in [(74, Review::Done), (75, Review::Due), (90, Review::Late)] {
            assert_eq!(at(day).review(&post(0, None)), stands, "{day}");
            assert_eq!(at(10 + day).review(&post(0, Some(10))), stands, "{day}");
        }
        assert_eq!(Times::of(0, 100 * DAY), None);
    }

    #[test]
    fn roles_are_named_in_any_order() {
        assert_eq!(named("b, a,,a".split(',')), named(["a", "b"]));
        assert_eq!(named("".split(',')), "");
        assert_ne!(named(["a"]), named(["a", "b"]));
    }
}
