//! What a caller hands over to be made durable in one transaction, and what it gets back.

use sdk_contract::call::{EventDraft, Write};
use serde_json::Value;

use crate::convert::Batch;
use crate::{Admission, AuditDraft, CollectionName, NewNotice, Record, Repair};

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct By {
    /// User id, or the name of the kernel's part that acted; empty for nobody in particular.
    pub user: String,
    pub name: String,
    pub organisation: Option<String>,
}

/// A closed list of changes. Nothing runs between them but the store's own checks.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub by: By,
    /// Request id; joins logs, audit and answers.
    pub request: String,
    /// What was done, `<module>.<entity>.<verb>` or an event's name, and the reason that was given:
    /// kept with every change of an audited collection.
    pub action: String,
    pub note: Option<String>,
    /// Bare collection names in `writes`, `steps` and event names belong to this module.
    pub module: String,
    /// Writes to the module's own collections; a collection of another module is refused here.
    pub writes: Vec<Write>,
    /// The kernel's own writes to other modules' collections: module id and write.
    pub others: Vec<(String, Write)>,
    /// Deleted records that are to be there again.
    pub restored: Vec<Gone>,
    /// Deleted records that are to be gone for good, with the values that their history has. Who
    /// changed them and when stays, and so do their steps and audit records.
    pub purged: Vec<Gone>,
    /// Records that are not as the platform wrote them, and are to be put right. The first audit record
    /// has the digests of before and after.
    pub repairs: Vec<Repair>,
    pub steps: Vec<StepDraft>,
    pub events: Vec<NewEvent>,
    pub notices: Vec<NewNotice>,
    /// Ids of events that were given up and are to be delivered once more.
    pub revived: Vec<String>,
    pub audit: Vec<AuditDraft>,
    pub idempotency: Option<Idempotency>,
    /// Digests of files that the writes name: each must be there, and is kept from then on.
    pub files: Vec<String>,
    /// What the caller's decision rests on; rechecked inside the transaction before any write.
    pub expected: Vec<Expected>,
}

/// A deleted record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    pub collection: CollectionName,
    pub id: String,
}

/// A record's step through its flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDraft {
    /// Bare, or `<module>.<collection>`.
    pub collection: String,
    pub id: String,
    pub action: String,
    pub from: Option<String>,
    pub to: String,
    pub note: Option<String>,
}

/// An event to publish once the commit is durable, as `<module>.<draft name>`.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    pub id: String,
    pub draft: EventDraft,
}

/// Makes a repeated request answer as the first did. Keys are per user.
#[derive(Debug, Clone, PartialEq)]
pub struct Idempotency {
    pub key: String,
    /// Digest of the request; the same key with another digest is refused.
    pub digest: String,
    /// What to answer on a repeat.
    pub reply: Value,
}

/// A field's value that must still hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    pub collection: CollectionName,
    pub id: String,
    pub field: String,
    /// In wire form.
    pub value: Value,
}

/// A durable commit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Committed {
    /// Set when the idempotency key was known: the first reply. Nothing was written then.
    pub replayed: Option<Value>,
    /// One entry a write, in order: own writes first, then `others`.
    pub written: Vec<Written>,
    /// Sequence numbers of the audit records.
    pub audit: Vec<u64>,
    /// Rows of a change of files.
    pub(crate) files: u64,
    /// What became of a call that asked to be let in.
    pub(crate) admission: Option<Admission>,
    /// Whether a nonce was new.
    pub(crate) claimed: bool,
    /// Idempotency keys that are gone; rows of notices that changed.
    pub(crate) forgotten: u64,
    /// What became of values to convert.
    pub(crate) batch: Batch,
}

/// A record's new revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub collection: CollectionName,
    pub id: String,
    pub revision: i64,
}

/// What the store remembers of an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub struct Idempotent {
    pub digest: String,
    pub reply: Value,
}

/// One change of a record of an audited collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The revision it led to.
    pub revision: i64,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    /// User id.
    pub by: String,
    /// Empty for changes of before it was kept, and of nobody in particular.
    pub by_name: String,
    /// [`Commit::action`] and [`Commit::note`]; none for changes of before they were kept.
    pub action: Option<String>,
    pub note: Option<String>,
    /// The changed fields as they were, without encrypted ones; none for an insert.
    pub before: Option<Record>,
    /// The changed fields as they became, without encrypted ones; empty once they are erased.
    pub after: Record,
}
