//! The history of organisations and access: one row a change, with before and after, who, when,
//! why, and where the organisation stood then.

use kernel_crypto::random;
use sdk_contract::call::Write;
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Value, json};

use crate::error::IdentityError;
use crate::module::CHANGES;
use crate::principal::Principal;
use crate::session::object;

/// Longest reason and title that are kept, in characters.
const LONGEST_REASON: usize = 500;
const LONGEST_TITLE: usize = 200;

/// Who changes something, when and why.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    pub by: &'a Principal,
    /// Microseconds since 1970, UTC.
    pub now: i64,
    pub reason: &'a str,
    /// The second person, where it took two.
    pub approved_by: Option<&'a str>,
}

/// What changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change<'a> {
    /// The declared action that did it.
    pub(crate) what: &'a str,
    pub(crate) object: &'a str,
    /// What people call the object.
    pub(crate) title: String,
    pub(crate) person: Option<&'a str>,
    pub(crate) organisation: Option<&'a str>,
    /// `总行 / 分行`
    pub(crate) place: String,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

impl Deed<'_> {
    pub(crate) fn user(&self) -> &str {
        self.by.user.as_deref().unwrap_or_default()
    }

    /// The row of the history.
    pub(crate) fn record(&self, change: &Change<'_>) -> Result<Write, IdentityError> {
        let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        Ok(Write::Insert {
            collection: CHANGES.into(),
            id: new_id(self.now)?,
            subject: None,
            organisation: change.organisation.map(str::to_owned),
            district: None,
            values: object(json!({
                "title": cut(&change.title, LONGEST_TITLE),
                "what": change.what,
                "object": change.object,
                "person": change.person,
                "place": change.place,
                "before": change.before,
                "after": change.after,
                "reason": cut(self.reason, LONGEST_REASON),
                "by_name": self.by.name,
                "approved_by": self.approved_by,
            })),
        })
    }
}

pub(crate) fn new_id(now: i64) -> Result<String, IdentityError> {
    let mut entropy = [0; 10];
    random::fill(&mut entropy)?;
    Ok(uuid7(Timestamp(now), entropy))
}
