//! Keeps every record, event and audit entry of the platform, on `SQLite` or `PostgreSQL`.
//!
//! The only crate that names `rusqlite` and `sqlx`. It knows no business noun: modules declare collections
//! ([`sdk_contract::def::ModuleDef`]) and [`Store::apply`] makes one real table of each.
//!
//! # How a collection becomes a table
//!
//! `<module>__<plural>` (dashes become underscores), the system columns, then one column a field:
//!
//! | kind | `SQLite` | `PostgreSQL` |
//! |---|---|---|
//! | id, ref, subject, organisation | TEXT | uuid |
//! | text, code, choice, date, month | TEXT | text, byte order |
//! | multi-choice | TEXT, JSON array | text, the same |
//! | integer | INTEGER | bigint |
//! | decimal, money | INTEGER, in units of the last digit | bigint, the same |
//! | datetime | INTEGER, microseconds since 1970 | bigint, the same |
//! | bool | BOOLEAN, 0 or 1 | boolean |
//! | file, json | TEXT, canonical | text, the same |
//! | any kind, encrypted | BLOB | bytea |
//! | its blind index, `<field>__blind` | BLOB | bytea |
//! | rows | table `<table>__<field>` | the same |
//! | computed | none, made when read | none |
//!
//! Both engines therefore compare, sort and sum alike, and nothing passes through a float.
//!
//! - Ids, references, subjects and organisations are UUIDs; anything else is refused on write and
//!   matches nothing on read. A record's id has one spelling, lower case and hyphenated.
//! - The shard key leads the primary key: `(subject, id)`, `(organisation, id)`, or `(id)`. An index
//!   on `id` serves a look-up by id alone, which is a declared fan-out. Ids are unique per table:
//!   the writer checks it where the primary key does not.
//! - A declared unique key is global, also when it lacks the shard key. (A distributed deployment
//!   must declare unique keys that contain it.)
//! - Declared columns are nullable in the table; `required` is checked by every write. So a field
//!   can become optional without copying the table.
//!
//! # One way in
//!
//! Every change is a [`Commit`]: a closed list of writes, flow steps, events and audit records that
//! becomes durable together or not at all. One writer groups waiting commits into one synced
//! transaction, where a refused one takes no other with it.
//!
//! A collection with `keep_deleted` has the column `row__deleted`: its deleted records are in no
//! answer, and no write reaches them until they are restored or purged. Unique keys hold for them.
//! What is purged takes the values of its history along; that there were changes stays, by whom and when.
//!
//! A column never changes its name: `layout` says which field it belongs to, which fields are out of
//! use and still stored, and what fields held before they were converted.
//!
//! Search fields have documents in `kernel__search`, beside the records and in the same commit.
//!
//! # How to add a kernel table
//!
//! Add `migrations/{sqlite,postgres}/NNNN_<what>.sql` (same columns in both), list it in
//! `migrate.rs`, and write its statements with `$1` placeholders, which both engines take.
//!
//! Deliberately absent: permissions and masks (the host decides and passes a [`RowFilter`]), a
//! clock, ids.

mod as_of;
mod attest;
mod audit;
mod backend;
pub mod backup;
mod blind;
mod blobs;
mod calls;
mod commit;
mod contents;
mod convert;
mod ddl;
mod error;
mod files;
mod health;
mod inspect;
mod keys;
mod known;
mod layout;
pub mod lint;
mod migrate;
mod notices;
mod outbox;
mod plan;
mod query;
mod read;
mod repair;
mod reseal;
mod schema;
mod schemas;
mod search;
mod store;
mod sweep;
mod totals;
mod value;
mod whole;
mod write;
mod writer;

pub use audit::{
    AuditCopy, AuditDraft, AuditFault, AuditFilter, AuditHealth, AuditPage, AuditRecord,
    CheckpointFolder, HandedOn, HistoryState, Reading, Verified,
};
pub use blobs::{BlobError, BlobStore, Bucket, Credentials, old_digest};
pub use calls::{Admission, Call, Nonce, Quota, Used};
pub use commit::{
    By, Change, Commit, Committed, Expected, Gone, Idempotency, Idempotent, NewEvent, StepDraft,
    Written,
};
pub use contents::{Content, Survey};
pub use convert::{Outlook, Unfit};
pub use error::{CommitError, EngineError, PlanError, QueryError, StorageError};
pub use files::{Blob, BlobState, FileChange, FileWork, Piece, Upload};
pub use health::{AuditHead, OutboxState, SchemaState};
pub use notices::{COUNTED, NewNotice, Notice, Reader, Told};
pub use outbox::{Delivery, Due, Retry};
pub use plan::Applied;
pub use read::RowFilter;
pub use repair::{Differing, Mend, Repair, Wronged};
pub use schema::CollectionName;
pub use schemas::Forecast;
pub use search::SearchState;
pub use store::{Engine, Store, StoreUrl};
pub use sweep::{Alteration, Finding, Swept};
pub use value::is_id;

/// A record in wire form: system fields and declared fields side by side, absent values as null,
/// each value in the canonical form of its kind ([`sdk_contract::kind`]).
pub type Record = serde_json::Map<String, serde_json::Value>;
