//! How the store fails. `Display` never repeats a source; print the chain where it is logged.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
use serde_json::Value;
use sqlx::error::DatabaseError;

use crate::layout::ROW_CODE;
use crate::{CollectionName, Record};

/// What an engine, or the way to it, answered instead of rows.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    #[error("the store does not bind {0}")]
    Unbound(String),
    #[error("column {index} holds {what}")]
    Odd { index: usize, what: &'static str },
    #[error("no connection became free in time")]
    Waited,
    #[error("the thread that had the connection ended")]
    Thread,
}

/// The store itself failed: not the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Shared, for one failure may end a whole group of commits.
    #[error("the database failed while {doing}")]
    Database {
        doing: &'static str,
        #[source]
        source: Arc<EngineError>,
    },
    #[error("a file of the store could not be used: {path}")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the store address is neither sqlite:PATH nor postgres://…")]
    Address,
    #[error(
        "the database is on another machine, and its address does not ask for TLS with a checked \
         certificate: add ?sslmode=verify-full&sslrootcert=FILE"
    )]
    InPlain,
    /// Written by a newer or an altered build; starting would guess.
    #[error("the database is not in a state this build knows: {0}")]
    UnknownState(String),
    #[error("an encrypted value could not be sealed")]
    Seal(#[source] kernel_crypto::sm4::SealError),
    /// Altered, moved to another place, or sealed with another key ring.
    #[error("an encrypted value could not be opened")]
    Open(#[source] kernel_crypto::sm4::OpenError),
    #[error("the key ring could not keep a note")]
    Keys(#[source] kernel_crypto::keys::KeyRingError),
    #[error("the audit chain's end could not be signed")]
    Sign(#[source] kernel_crypto::keys::KmsError),
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// A record of an attested collection was changed, moved or put there behind the platform's
    /// back. It is not used.
    #[error("{collection} {id} is not as the platform wrote it")]
    Altered {
        collection: CollectionName,
        id: String,
    },
    /// Sentences; nothing was changed.
    #[error("values do not convert: {}", .0.join(" "))]
    Unfit(Vec<String>),
    #[error("the store is closed")]
    Closed,
    #[error("the store was opened to read only")]
    ReadOnly,
}

/// A declaration was not applied. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Every reason, each a sentence for the module's author.
    #[error("the declaration cannot be applied: {}", .0.join(" "))]
    Refused(Vec<String>),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A question that has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("there is no collection {0}")]
    UnknownCollection(String),
    #[error("{collection} has no field {field}")]
    UnknownField { collection: String, field: String },
    /// Encrypted or json fields, sums of text and the like.
    #[error("{collection}.{field} cannot be used to {what}")]
    Unsuited {
        collection: String,
        field: String,
        what: &'static str,
    },
    #[error("the value asked for in {collection}.{field} is not of its kind")]
    BadValue { collection: String, field: String },
    /// Of another question, altered, or made before the keys changed: begin again.
    #[error("the cursor does not belong to this question; begin again without one")]
    BadCursor,
    /// History is asked of a collection that keeps none.
    #[error("{0} keeps no history")]
    NotAudited(String),
    /// Records of a search field are still being indexed: ask again later.
    #[error("{0} is not yet indexed for searching")]
    Indexing(String),
    /// A question that rows of a moment do not answer.
    #[error("{0}")]
    Moment(String),
    #[error("{what} must be at most {most}")]
    TooMuch { what: &'static str, most: u32 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A commit that wrote nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("there is no collection {0}")]
    UnknownCollection(String),
    #[error("there is no record {id} in {collection}")]
    NotFound {
        collection: CollectionName,
        id: String,
    },
    /// A unique key is taken.
    #[error("another record of {collection} has the same {}", fields.join(", "))]
    Conflict {
        collection: CollectionName,
        fields: Vec<String>,
    },
    /// The record moved on since it was read.
    #[error("{collection} {id} was changed by someone else")]
    Stale {
        collection: CollectionName,
        id: String,
        /// The revision that the write was based on.
        based: i64,
        now: Box<Record>,
    },
    /// An [`Expected`](crate::Expected) value no longer holds.
    #[error("{field} of {collection} {id} is no longer as expected")]
    Unexpected {
        collection: CollectionName,
        id: String,
        field: String,
        now: Box<Value>,
    },
    /// Unknown field, wrong kind, missing or frozen value.
    #[error("{field} of {collection} {why}")]
    Invalid {
        collection: CollectionName,
        field: String,
        why: &'static str,
    },
    /// A file that the commit names is not in the blob store any more.
    #[error("there is no file {0}")]
    NoFile(String),
    /// A ref field names a record that does not exist.
    #[error("{field} of {collection} names {to} {id}, which does not exist")]
    BadReference {
        collection: CollectionName,
        field: String,
        to: String,
        id: String,
    },
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Of the store's own work, of which it alone is to blame whatever happens.
impl From<CommitError> for StorageError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error,
            error => Self::Damaged(error.to_string()),
        }
    }
}

impl StorageError {
    /// For `map_err`: names what was being done.
    pub(crate) fn db<E: Into<EngineError>>(doing: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::Database {
            doing,
            source: Arc::new(source.into()),
        }
    }

    fn engine(&self) -> Option<&EngineError> {
        match self {
            Self::Database { source, .. } => Some(source),
            _ => None,
        }
    }

    /// `PostgreSQL` ended the transaction in favour of another: deadlock or serialisation failure.
    pub(crate) fn is_lost_race(&self) -> bool {
        let state = self.engine().and_then(EngineError::state);
        matches!(state.as_deref(), Some("40P01" | "40001"))
    }

    /// A table or column is not there: they were changed since the asker looked.
    pub(crate) fn is_of_the_past(&self) -> bool {
        let Some(error) = self.engine() else {
            return false;
        };
        matches!(error.state().as_deref(), Some("42703" | "42P01"))
            // Written without a code, by a node that has not heard that there are codes.
            || error.constraint().is_some_and(|c| c.starts_with(ROW_CODE))
            // SQLite has one code for all that is wrong with a statement.
            || error.message().is_some_and(|message| {
                message.starts_with("no such column")
                    || message.starts_with("no such table")
                    || message.contains(" has no column named ")
            })
    }

    pub(crate) fn is_unique_violation(&self) -> bool {
        self.engine().is_some_and(EngineError::is_unique_violation)
    }
}

impl EngineError {
    fn postgres(&self) -> Option<&dyn DatabaseError> {
        match self {
            Self::Postgres(error) => error.as_database_error(),
            _ => None,
        }
    }

    /// `PostgreSQL`'s code of five characters.
    pub(crate) fn state(&self) -> Option<Cow<'_, str>> {
        self.postgres()?.code()
    }

    /// What the engine says.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(_, message)) => message.as_deref(),
            Self::Sqlite(rusqlite::Error::SqlInputError { msg, .. }) => Some(msg),
            error => error.postgres().map(DatabaseError::message),
        }
    }

    pub(crate) fn is_unique_violation(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error().is_some_and(|e| {
                matches!(
                    e.extended_code,
                    SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY
                )
            }),
            error => error
                .postgres()
                .is_some_and(DatabaseError::is_unique_violation),
        }
    }

    /// The unique index that a row is not let into; `SQLite` does not say.
    pub(crate) fn constraint(&self) -> Option<&str> {
        self.postgres()?.constraint()
    }

    /// The server ended the connection, is about to, or is not there yet.
    pub(crate) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Postgres(sqlx::Error::Io(_)) => true,
            error => error.state().is_some_and(|code| {
                matches!(&*code, "57P01" | "57P02" | "57P03") || code.starts_with("08")
            }),
        }
    }
}
