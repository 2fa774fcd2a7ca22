//! Inviting people to open an account and take a post, one by one or from a file.
//!
//! The link's token is `<id>.<proof>`, the proof a keyed digest of the id; the store keeps an SM3
//! digest of the token and nothing to make it from. A link is good once and for a while. Whoever
//! may invite can look at an open invitation's link again; nobody can at a used one's.

use std::collections::BTreeMap;

use kernel_crypto::sm3;
use kernel_storage::{Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::account::AccountError;
use crate::directory::{Directory, within};
use crate::error::IdentityError;
use crate::history::{Change, Deed, new_id};
use crate::module::{INVITATIONS, MODULE, USERS};
use crate::password_rules;
use crate::people::{User, optional, qualified, text};
use crate::posts::first_post;
use crate::principal::Principal;
use crate::refusal::{ChangeError, Refusal};
use crate::session::{Sessions, object, update};
use crate::tree::Tree;

/// What a stamp of [`Sessions::stamp`] is for.
const STAMP: &str = "invitation";
/// Seconds for which a link is good: seven days.
const GOOD: i64 = 7 * 86_400;
/// Most people of one file.
pub const MOST: usize = 200;

/// Somebody to be invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    pub name: String,
    pub login: String,
    pub title: String,
    /// Id of the organisation.
    pub organisation: String,
}

/// An invitation as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    pub id: String,
    pub name: String,
    pub login: String,
    pub title: String,
    pub organisation: String,
    pub expires_at: Timestamp,
    pub used: bool,
    pub ended: bool,
    row: Record,
}

impl Invitation {
    pub fn read(record: &Record) -> Self {
        Self {
            id: text(record, "id"),
            name: text(record, "name"),
            login: text(record, "login"),
            title: text(record, "title"),
            organisation: text(record, "organisation"),
            expires_at: optional(record, "expires_at")
                .and_then(|t| t.parse().ok())
                .unwrap_or(Timestamp(0)),
            used: optional(record, "used_at").is_some(),
            ended: optional(record, "ended_at").is_some(),
            row: record.clone(),
        }
    }

    pub fn is_open(&self, now: i64) -> bool {
        !self.used && !self.ended && now < self.expires_at.micros()
    }
}

/// Whether a text may be a login. Pure.
pub(crate) fn is_login(text: &str) -> bool {
    (3..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

impl Sessions {
    /// The token of an invitation's link.
    pub fn invitation_token(&self, id: &str) -> String {
        format!("{id}.{}", self.stamp(STAMP, id))
    }

    /// The open invitation behind a token.
    pub async fn invited(
        &self,
        token: &str,
        now: i64,
    ) -> Result<Option<Invitation>, IdentityError> {
        let query = Query::new(qualified(INVITATIONS))
            .filter(Filter::eq("digest", digest(token)))
            .limit(1);
        let found = self.inner.store.find(&query, &RowFilter::All).await?;
        let found = found.records.first().map(Invitation::read);
        Ok(found.filter(|i| i.is_open(now)))
    }

    /// Opens the account: its id, and the writes. The invitation is good no more.
    pub async fn accept(
        &self,
        invitation: &Invitation,
        password: &str,
        now: i64,
    ) -> Result<(String, Vec<Write>), AccountError> {
        let policy = self.inner.policy.password;
        password_rules::check(policy, false, &invitation.login, password)
            .map_err(AccountError::Weak)?;
        let user = new_id(now)?;
        let place = &invitation.organisation;
        let by = Principal {
            name: invitation.name.clone(),
            ..Principal::module(MODULE, "")
        };
        let deed = Deed {
            by: &by,
            now,
            reason: "接受开户邀请",
            approved_by: None,
        };
        let path = Tree::place_of(&self.inner.store, Some(place)).await?;
        let opened = Write::Insert {
            collection: USERS.into(),
            id: user.clone(),
            subject: None,
            organisation: Some(place.clone()),
            district: None,
            values: object(json!({
                "name": invitation.name,
                "login": invitation.login,
                "roles": [],
                "active": true,
                "password": self.hash(password).await?,
                "password_at": Timestamp(now),
            })),
        };
        let spent = object(json!({ "used_at": Timestamp(now) }));
        let post = new_id(now)?;
        let writes = vec![
            opened,
            first_post(post, &user, place, &invitation.title),
            update(INVITATIONS, &invitation.row, spent),
            deed.record(&Change {
                what: "invitation.accept",
                object: &invitation.id,
                title: format!("{} · {}", invitation.name, invitation.title),
                person: Some(&user),
                organisation: Some(place),
                place: path,
                after: json!({ "title": invitation.title }),
                ..Change::default()
            })?,
        ];
        Ok((user, writes))
    }
}

impl Directory {
    /// Invites all of these people or none: what is wrong with each, by their place in the list.
    pub async fn invite(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        sessions: &Sessions,
        guests: &[Guest],
    ) -> Result<Vec<Write>, Vec<(usize, ChangeError)>> {
        let mut faults = Vec::new();
        let mut writes = Vec::new();
        let mut seen = BTreeMap::new();
        for (at, guest) in guests.iter().enumerate() {
            let twice = seen.insert(guest.login.as_str(), at).is_some();
            let one = if twice {
                Err(Refusal::LoginTaken.into())
            } else {
                self.one(deed, reach, sessions, guest).await
            };
            match one {
                Ok(more) => writes.extend(more),
                Err(fault) => faults.push((at, fault)),
            }
        }
        if faults.is_empty() {
            Ok(writes)
        } else {
            Err(faults)
        }
    }

    async fn one(
        &self,
        deed: Deed<'_>,
        reach: &RowFilter,
        sessions: &Sessions,
        guest: &Guest,
    ) -> Result<Vec<Write>, ChangeError> {
        if !is_login(&guest.login) {
            return Err(Refusal::BadLogin.into());
        }
        let tree = self.tree(&guest.organisation).await?;
        let node = tree.get(&guest.organisation).ok_or(Refusal::OutOfReach)?;
        if !within(reach, &node.id) {
            return Err(Refusal::OutOfReach.into());
        }
        if node.closed {
            return Err(Refusal::Closed.into());
        }
        let taken = User::by_login(self.store(), &guest.login).await?.is_some();
        if taken || self.is_invited(&guest.login, deed.now).await? {
            return Err(Refusal::LoginTaken.into());
        }
        let id = new_id(deed.now)?;
        Ok(vec![
            Write::Insert {
                collection: INVITATIONS.into(),
                id: id.clone(),
                subject: None,
                organisation: Some(node.id.clone()),
                district: None,
                values: object(json!({
                    "name": guest.name,
                    "login": guest.login,
                    "title": guest.title,
                    "digest": digest(&sessions.invitation_token(&id)),
                    "expires_at": Timestamp(deed.now).plus_seconds(GOOD),
                })),
            },
            deed.record(&Change {
                what: "organisation.invite",
                object: &id,
                title: format!("{} · {}", guest.name, guest.title),
                organisation: Some(&node.id),
                place: tree.place(&node.id),
                after: json!({ "title": guest.title }),
                ..Change::default()
            })?,
        ])
    }

    async fn is_invited(&self, login: &str, now: i64) -> Result<bool, IdentityError> {
        let query = Query::new(qualified(INVITATIONS))
            .filter(Filter::eq("login", login))
            .sort("created_at", true)
            .limit(50);
        let found = self.store().find(&query, &RowFilter::All).await?;
        let all = found.records.iter().map(Invitation::read);
        Ok(all.into_iter().any(|i| i.is_open(now)))
    }

    /// Takes an invitation back.
    pub async fn end_invitation(
        &self,
        deed: Deed<'_>,
        invitation: &Invitation,
    ) -> Result<Vec<Write>, ChangeError> {
        if !invitation.is_open(deed.now) {
            return Err(Refusal::InvitationGone.into());
        }
        let tree = self.tree(&invitation.organisation).await?;
        let ended = object(json!({ "ended_at": Timestamp(deed.now) }));
        Ok(vec![
            update(INVITATIONS, &invitation.row, ended),
            deed.record(&Change {
                what: "invitation.end",
                object: &invitation.id,
                title: format!("{} · {}", invitation.name, invitation.title),
                organisation: Some(&invitation.organisation),
                place: tree.place(&invitation.organisation),
                before: json!({ "title": invitation.title }),
                ..Change::default()
            })?,
        ])
    }
}

fn digest(token: &str) -> String {
    sm3::digest(token.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_plain() {
        for good in ["abc", "li.ming", "a-1_b", "007"] {
            assert!(is_login(good), "{good}");
        }
        for bad in [
            "ab",
            "Li",
            "李明明",
            ".abc",
            "a b c",
            "a/b",
            &"x".repeat(65),
        ] {
            assert!(!is_login(bad), "{bad}");
        }
    }
}
