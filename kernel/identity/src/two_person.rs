//! Two people for what one must not do alone: one asks, another approves or refuses within a time,
//! and the effect happens exactly once.
//!
//! The mechanism knows nothing of what is asked for. Whoever needs it names a deed and a payload,
//! makes the request with [`ask`], and, when another person approves, reads the deed back with
//! [`Request::read`], checks [`Request::may_decide`], and commits [`Request::decided`] together
//! with the writes that are the effect. The decision and the effect are one commit: the request's
//! revision and its flow (pending → approved) hold that there is one decision, and with it one
//! effect. What was true when it was asked for is checked again when it is approved.
//!
//! Where the effect is that the one who asked may do something, such as look at a value, that is
//! done later, by that person, and committed with [`Request::spent`].

use kernel_storage::Record;
use sdk_contract::call::Write;
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};

use crate::error::IdentityError;
use crate::history::{Deed, new_id};
use crate::module::REQUESTS;
use crate::people::{optional, text};
use crate::principal::Principal;
use crate::refusal::Refusal;
use crate::session::{object, update_of};

/// What somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// What kind of thing, for the one who carries it out: `post.grant`.
    pub deed: &'a str,
    /// The same in a sentence for the one who decides.
    pub title: String,
    pub payload: Value,
    /// Whose administrators may decide; none is the platform's.
    pub organisation: Option<&'a str>,
    /// Who would gain by it, and so does not decide.
    pub beneficiary: Option<&'a str>,
}

/// A request as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: String,
    pub revision: i64,
    pub deed: String,
    pub title: String,
    pub payload: Value,
    pub pending: bool,
    pub asker: String,
    pub asker_name: String,
    pub beneficiary: Option<String>,
    pub reason: String,
    pub expires_at: Timestamp,
    /// Whose administrators decide; none is the platform's.
    pub organisation: Option<String>,
    /// Who approved it and when, where somebody has.
    pub approved: Option<(String, Timestamp)>,
    /// What the approval allows was done; only where that is not done by approving.
    pub used: bool,
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approved,
    Refused,
    Withdrawn,
}

/// The request's id and the write that makes it; nothing else happens yet.
pub fn ask(deed: Deed<'_>, what: &Ask<'_>, hours: i64) -> Result<(String, Write), IdentityError> {
    let id = new_id(deed.now)?;
    let title: String = what.title.chars().take(200).collect();
    let write = Write::Insert {
        collection: REQUESTS.into(),
        id: id.clone(),
        subject: None,
        organisation: what.organisation.map(str::to_owned),
        district: None,
        values: object(json!({
            "title": title,
            "deed": what.deed,
            "payload": what.payload,
            "status": "pending",
            "beneficiary": what.beneficiary,
            "asker": deed.by.user,
            "asker_name": deed.by.name,
            "reason": deed.reason,
            "expires_at": Timestamp(deed.now).plus_seconds(hours.saturating_mul(3_600)),
        })),
    };
    Ok((id, write))
}

impl Request {
    pub fn read(record: &Record) -> Self {
        let status = text(record, "status");
        let moment = |name: &str| optional(record, name).and_then(|t| t.parse::<Timestamp>().ok());
        let decided = moment("decided_at").filter(|_| status == "approved");
        Self {
            id: text(record, "id"),
            revision: record
                .get("revision")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            deed: text(record, "deed"),
            title: text(record, "title"),
            payload: record.get("payload").cloned().unwrap_or_default(),
            pending: status == "pending",
            asker: text(record, "asker"),
            asker_name: text(record, "asker_name"),
            beneficiary: optional(record, "beneficiary"),
            reason: text(record, "reason"),
            expires_at: moment("expires_at").unwrap_or(Timestamp(0)),
            organisation: optional(record, "organisation"),
            approved: decided.map(|at| (text(record, "decider_name"), at)),
            used: optional(record, "used_at").is_some(),
        }
    }

    /// Whoever asked, for the history of what was approved.
    pub(crate) fn first(&self) -> Principal {
        Principal {
            user: Some(self.asker.clone()),
            name: self.asker_name.clone(),
            ..Principal::anonymous()
        }
    }

    pub fn is_expired(&self, now: i64) -> bool {
        now >= self.expires_at.micros()
    }

    /// Whether this person may decide now. Pure.
    pub fn may_decide(&self, by: &Principal, now: i64) -> Result<(), Refusal> {
        let Some(user) = by.user.as_deref() else {
            return Err(Refusal::NotAnother);
        };
        if user == self.asker || Some(user) == self.beneficiary.as_deref() {
            return Err(Refusal::NotAnother);
        }
        if self.is_expired(now) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    /// Whether this person may take the request back. Pure.
    pub fn may_withdraw(&self, by: &Principal) -> Result<(), Refusal> {
        let own = by.user.as_deref() == Some(self.asker.as_str());
        if own { Ok(()) } else { Err(Refusal::NotAsker) }
    }

    /// The write that ends it, to be committed with the effect.
    pub fn decided(&self, verdict: Verdict, deed: Deed<'_>) -> Write {
        let status = match verdict {
            Verdict::Approved => "approved",
            Verdict::Refused => "refused",
            Verdict::Withdrawn => "withdrawn",
        };
        let values = json!({
            "status": status,
            "decider_name": deed.by.name,
            "decided_at": Timestamp(deed.now),
            "verdict": deed.reason,
        });
        update_of(REQUESTS, &self.id, self.revision, object(values))
    }

    /// The write that uses the approval up, to be committed with what it allows: of two at once the
    /// second finds the request changed.
    pub fn spent(&self, now: i64) -> Write {
        let values = object(json!({ "used_at": Timestamp(now) }));
        update_of(REQUESTS, &self.id, self.revision, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str) -> Principal {
        Principal {
            user: Some(id.into()),
            ..Principal::anonymous()
        }
    }

    fn request() -> Request {
        Request {
            id: "r".into(),
            revision: 1,
            deed: "post.grant".into(),
            title: String::new(),
            payload: Value::Null,
            pending: true,
            asker: "asker".into(),
            asker_name: String::new(),
            beneficiary: Some("gainer".into()),
            reason: String::new(),
            expires_at: Timestamp(100),
            organisation: None,
            approved: None,
            used: false,
        }
    }

    #[test]
    fn dj_06_neither_who_asked_nor_who_gains_decides() {
        let request = request();
        let decide = |who: &str, now| request.may_decide(&person(who), now);
        assert_eq!(decide("asker", 1), Err(Refusal::NotAnother));
        assert_eq!(decide("gainer", 1), Err(Refusal::NotAnother));
        assert_eq!(
            request.may_decide(&Principal::anonymous(), 1),
            Err(Refusal::NotAnother)
        );
        assert_eq!(
            request.may_decide(&Principal::module("m", "r"), 1),
            Err(Refusal::NotAnother)
        );
        assert_eq!(decide("other", 99), Ok(()));
        assert_eq!(decide("other", 100), Err(Refusal::Expired));
        assert_eq!(
            request.may_withdraw(&person("other")),
            Err(Refusal::NotAsker)
        );
        assert_eq!(request.may_withdraw(&person("asker")), Ok(()));
    }
}
