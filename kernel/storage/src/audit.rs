//! The audit trail: appended to, chained by SM3, searched, verified, proven to others. There is no
//! way to delete or change a record, and none is ever removed for its age.
//!
//! Appending reads one row and writes one a record: the right edge of the [tree](kernel_crypto::merkle)
//! is kept in memory under the hash of the record it belongs to, so that a rolled back transaction or
//! another node's record only costs reading it again ([`append`]).

mod append;
mod checkpoint;
mod health;
mod kept;
mod parties;
mod prove;
mod readings;
mod verify;

use kernel_crypto::chain::{Break, Head, Link};
use kernel_crypto::sm3::Digest32;
use sea_query::{Alias, Cond, Expr, ExprTrait as _, Func, Order, Query as Statement};
use serde_json::{Value, json};

use crate::backend::Row;
use crate::write::Work;
use crate::{CommitError, QueryError, StorageError, Store, value};

pub(crate) use append::{LOCK_CHAIN, Tail, append, append_first, head, plant};
pub use checkpoint::CheckpointFolder;
pub(crate) use checkpoint::checkpoint;
pub(crate) use health::Gauge;
pub use health::{AuditHealth, HandedOn};
pub use kept::HistoryState;
pub(crate) use kept::Told;
pub use readings::Reading;
pub use verify::{AuditCopy, Verified};

/// Names this chain, so that no record of another fits into it.
const CHAIN: &str = "audit";
/// The outcome of what was done as asked.
const DONE: &str = "ok";
/// Records read at a time.
const PAGE: u32 = 1_000;
const MOST: u32 = 200;
const MAX_OFFSET: u32 = 100_000;

/// Something that happened, to be recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditDraft {
    /// Microseconds since 1970, UTC.
    pub at: i64,
    /// User id, or the name of the kernel's part that acted; empty for an anonymous caller.
    pub actor: String,
    pub organisation: Option<String>,
    /// The party it was about.
    pub subject: Option<String>,
    /// `<module>.<entity>.<verb>`, or the kernel's own such as `session.login`.
    pub action: String,
    /// What it was done to: `<module>.<collection>/<id>` or a path.
    pub object: String,
    /// `ok`, `denied`, or a fault's code.
    pub outcome: String,
    /// Anything else worth keeping; no secrets.
    pub detail: Value,
    /// Request id.
    pub request: String,
}

/// A record of the trail with its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// From 1, without gaps.
    pub seq: u64,
    pub draft: AuditDraft,
    /// Hash of the record before, in hex.
    pub prev: String,
    /// SM3 over this record and the one before, in hex.
    pub hash: String,
}

impl AuditRecord {
    /// Whether the content still has its hash. That the record stands in its place in the chain,
    /// only [`Store::audit_verify`] shows.
    pub fn intact(&self) -> bool {
        let (Ok(prev), Some(seq)) = (self.prev.parse(), self.seq.checked_sub(1)) else {
            return false;
        };
        let link = Head { seq, hash: prev }.link(&content(&self.draft));
        link.hash.to_string() == self.hash
    }
}

/// Which records to show. Empty matches all; several are any of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    pub actors: Vec<String>,
    pub objects: Vec<String>,
    pub subject: Option<String>,
    /// The party whose data was read or changed, by somebody else; see [`AuditDraft::about`].
    pub party: Option<String>,
    /// What the action begins with.
    pub action: Option<String>,
    /// Only what was done, or only what was not.
    pub done: Option<bool>,
    /// The one record.
    pub seq: Option<u64>,
    /// Microseconds since 1970; included.
    pub from: Option<i64>,
    /// Excluded.
    pub to: Option<i64>,
}

/// Newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditPage {
    pub records: Vec<AuditRecord>,
    /// How many match in all.
    pub total: u64,
}

/// Why the trail does not verify.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// Names the record.
    #[error(transparent)]
    Broken(#[from] Break),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Store {
    /// Records what wrote nothing else: reads, denials, logins. Returns the sequence numbers.
    pub async fn audit_append(&self, drafts: Vec<AuditDraft>) -> Result<Vec<u64>, StorageError> {
        storage_only(
            self.submit(Work::Audit(drafts))
                .await
                .map(|done| done.audit),
        )
    }

    /// The records after number `seq` in their order, at most `limit`.
    pub async fn audit_after(
        &self,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StorageError> {
        let rows = self
            .fixed(
                "SELECT seq, at, actor, organisation, subject, action, object, outcome, detail, \
                 request, prev, hash FROM kernel__audit WHERE seq > $1 ORDER BY seq LIMIT $2",
                vec![seq.cast_signed().into(), i64::from(limit).into()],
                "reading on in the audit trail",
            )
            .await?;
        rows.iter().map(record).collect()
    }

    /// A page of the trail, `limit` 1 to 200.
    pub async fn audit_find(
        &self,
        filter: &AuditFilter,
        limit: u32,
        offset: u32,
    ) -> Result<AuditPage, QueryError> {
        if limit == 0 || limit > MOST {
            return Err(QueryError::TooMuch {
                what: "the rows of one answer (at least 1)",
                most: MOST,
            });
        }
        if offset > MAX_OFFSET {
            return Err(QueryError::TooMuch {
                what: "the rows passed over",
                most: MAX_OFFSET,
            });
        }
        let (page, count) = {
            let mut page = Statement::select();
            page.columns(COLUMNS.map(Alias::new))
                .from(Alias::new("kernel__audit"))
                .cond_where(filter.condition())
                .order_by(Alias::new("seq"), Order::Desc)
                .limit(limit.into())
                .offset(offset.into());
            let mut count = Statement::select();
            count
                .expr(Func::count(Expr::col(Alias::new("seq"))))
                .from(Alias::new("kernel__audit"))
                .cond_where(filter.condition());
            (self.engine().build(&page), self.engine().build(&count))
        };
        let finding = StorageError::db("searching the audit trail");
        let mut held = self.db().acquire().await?;
        let mut conn = held.conn();
        let rows = conn.rows(page).await.map_err(&finding)?;
        let total = conn.row(count).await.map_err(&finding)?;
        let total = total.map(|r| r.number(0)).transpose()?.unwrap_or(0);
        let records = rows.iter().map(record).collect::<Result<_, _>>()?;
        Ok(AuditPage {
            records,
            total: total.cast_unsigned(),
        })
    }
}

const COLUMNS: [&str; 12] = [
    "seq",
    "at",
    "actor",
    "organisation",
    "subject",
    "action",
    "object",
    "outcome",
    "detail",
    "request",
    "prev",
    "hash",
];

impl AuditFilter {
    fn condition(&self) -> Cond {
        let col = |name: &'static str| Expr::col(Alias::new(name));
        let is = |name, value: &Option<String>| value.as_ref().map(|v| col(name).eq(v.as_str()));
        let any = |name, values: &[String]| {
            let some = !values.is_empty();
            some.then(|| col(name).is_in(values.iter().map(String::as_str)))
        };
        let outcome = self.done.map(|done| {
            if done {
                col("outcome").eq(DONE)
            } else {
                col("outcome").ne(DONE)
            }
        });
        Cond::all()
            .add_option(any("actor", &self.actors))
            .add_option(any("object", &self.objects))
            .add_option(is("subject", &self.subject))
            .add_option(self.party.as_ref().map(|party| {
                let mut of_party = Statement::select();
                of_party
                    .column(Alias::new("seq"))
                    .from(Alias::new("kernel__audit_parties"))
                    .and_where(col("party").eq(party.as_str()));
                col("seq").in_subquery(of_party)
            }))
            .add_option(outcome)
            .add_option(self.seq.map(|seq| col("seq").eq(seq.cast_signed())))
            .add_option(self.action.as_ref().map(|a| col("action").gte(a.as_str())))
            // The greatest character ends everything that begins with the prefix.
            .add_option(
                self.action
                    .as_ref()
                    .map(|a| col("action").lt(format!("{a}\u{10ffff}"))),
            )
            .add_option(self.from.map(|t| col("at").gte(t)))
            .add_option(self.to.map(|t| col("at").lt(t)))
    }
}

/// What is chained, as canonical bytes: every column but the link itself.
fn document(draft: &AuditDraft) -> Value {
    json!({
        "at": draft.at,
        "actor": draft.actor,
        "organisation": draft.organisation,
        "subject": draft.subject,
        "action": draft.action,
        "object": draft.object,
        "outcome": draft.outcome,
        "detail": draft.detail,
        "request": draft.request,
    })
}

fn content(draft: &AuditDraft) -> Vec<u8> {
    kernel_crypto::canonical::to_vec(&document(draft))
}

fn record(row: &Row) -> Result<AuditRecord, StorageError> {
    Ok(AuditRecord {
        seq: row.number(0)?.cast_unsigned(),
        draft: AuditDraft {
            at: row.number(1)?,
            actor: row.string(2)?,
            organisation: row.text(3)?,
            subject: row.text(4)?,
            action: row.string(5)?,
            object: row.string(6)?,
            outcome: row.string(7)?,
            detail: value::parse(&row.string(8)?)?,
            request: row.string(9)?,
        },
        prev: row.string(10)?,
        hash: row.string(11)?,
    })
}

fn link(row: &Row) -> Result<Link, StorageError> {
    Ok(Link {
        seq: row.number(0)?.cast_unsigned(),
        prev: digest(&row.string(10)?)?,
        hash: digest(&row.string(11)?)?,
    })
}

fn digest(text: &str) -> Result<Digest32, StorageError> {
    text.parse()
        .map_err(|_| StorageError::Damaged("a digest of the audit trail".into()))
}

/// The tree's roots kept with a record: see [`kernel_crypto::merkle::Frontier::push`].
fn nodes(row: &Row, index: usize) -> Result<Vec<Digest32>, StorageError> {
    let bytes = row.bytes(index)?.unwrap_or_default();
    let (digests, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() {
        Ok(digests.iter().copied().map(Digest32::from_bytes).collect())
    } else {
        Err(StorageError::Damaged("a node of the audit tree".into()))
    }
}

/// Work that touches no collection can only fail in the store itself.
fn storage_only<T>(outcome: Result<T, CommitError>) -> Result<T, StorageError> {
    outcome.map_err(|e| match e {
        CommitError::Storage(e) => e,
        other => StorageError::Damaged(other.to_string()),
    })
}
