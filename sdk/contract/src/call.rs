//! What goes over the boundary with each call: who asks, when, and what comes back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::notice::NoticeDraft;
use crate::page::Outcome;

/// Everything a guest knows of the world at a call. Time and randomness come from here only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallContext {
    /// Microseconds since 1970, UTC.
    pub now: i64,
    /// 64 hex digits of randomness for ids.
    pub seed: String,
    pub locale: String,
    /// Joins logs, audit and answers.
    pub request: String,
    pub caller: Caller,
}

/// The principal as a guest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// Absent for an anonymous caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub name: String,
    pub roles: Vec<String>,
    /// The party the caller acts for, when it is one that data can be about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    pub organisation_name: String,
    /// GB/T 2260 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
}

impl Caller {
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r == role)
    }
}

/// A request for a page, or for one home block of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ask {
    /// The declared path that matched, e.g. `/lending/applications/{id}`; empty for a block.
    pub path: String,
    /// Values of the path's `{name}` segments.
    pub params: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
    /// A declared home block instead of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
}

impl Ask {
    /// The value of a `{name}` segment of the path; empty when the path has none.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }
    /// A value of the query that is not blank.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .get(name)
            .map(|v| v.trim())
            .filter(|v| !v.is_empty())
    }
    /// `page` of the query, from 1.
    pub fn page_number(&self) -> u32 {
        self.query("page")
            .and_then(|n| n.parse().ok())
            .unwrap_or(1)
            .max(1)
    }
}

/// What an action is given: the record, for a record action, and the checked values of its input.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Given {
    #[serde(default)]
    pub record: Option<Map<String, Value>>,
    /// By field name, in canonical form.
    #[serde(default)]
    pub values: Map<String, Value>,
}

/// What an action or event handler wants done and said. The kernel commits all of `writes`,
/// `events` and `notices` in one transaction with the flow step, the audit record and the idempotency key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// For API callers.
    #[serde(default)]
    pub result: Value,
    /// For people: where to go next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventDraft>,
    /// Asks for `[capabilities] notices`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<NoticeDraft>,
    /// Kept with the flow step: the reason a person gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One change to a record of the module's own collections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Write {
    Insert {
        collection: String,
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organisation: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        district: Option<String>,
        values: Map<String, Value>,
    },
    Update {
        collection: String,
        id: String,
        /// The revision the change is based on.
        revision: i64,
        /// Only what changes; null clears.
        values: Map<String, Value>,
    },
    /// Out of everybody's sight; see [`keep_deleted`](crate::def::CollectionDef::keep_deleted).
    Delete {
        collection: String,
        id: String,
        /// The revision the decision is based on.
        revision: i64,
    },
}

impl Write {
    /// The name of the collection it writes to.
    pub fn collection(&self) -> &str {
        match self {
            Self::Insert { collection, .. }
            | Self::Update { collection, .. }
            | Self::Delete { collection, .. } => collection,
        }
    }

    /// The id of the record that it writes.
    pub fn id(&self) -> &str {
        match self {
            Self::Insert { id, .. } | Self::Update { id, .. } | Self::Delete { id, .. } => id,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventDraft {
    /// Declared name: `application.submitted`.
    pub name: String,
    /// Events of one aggregate arrive in order.
    pub aggregate: String,
    pub data: Value,
}

/// An event as a subscriber hears it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    pub id: String,
    /// `<plugin>.<entity>.<past>`
    pub name: String,
    pub aggregate: String,
    pub at: i64,
    pub data: Value,
}

/// Asks the kernel to score a subject with a bank's live model, for the purpose that the running
/// action declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreRequest {
    /// The model's owner, who is also the recipient that consent must name.
    pub organisation: String,
    pub model: String,
    pub subject: String,
    /// What it is for: an application's id.
    pub reference: String,
}

/// A score with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scored {
    /// Id of the score certificate.
    pub certificate: String,
    pub model: String,
    pub version: String,
    pub score: f64,
    pub base: f64,
    pub probability: f64,
    pub grade: String,
    /// base + all contributions = score.
    pub reasons: Vec<Contribution>,
    /// The consent letter it was read under.
    pub consent: String,
}

/// One feature's part of a score, with the value that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contribution {
    pub feature: String,
    pub label: String,
    pub item: String,
    pub value: Value,
    pub code: String,
    pub text: String,
    pub points: f64,
    /// The record it was read of; none where the source has none of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRead>,
    /// The party disputes the value, and that is being looked into.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
}

/// Which version of which record was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordRead {
    /// `<plugin>.<collection>`
    pub collection: String,
    pub id: String,
    pub revision: i64,
}
