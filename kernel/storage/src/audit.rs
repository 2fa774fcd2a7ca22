//! The audit trail: appended to, chained by SM3, searched, verified. There is no way to delete.

use kernel_crypto::chain::{self, Break, Checkpoint, Head, Link};
use kernel_crypto::keys::SignKey;
use sea_query::{Alias, Cond, Expr, ExprTrait as _, Func, Order, Query as Statement};
use serde_json::{Value, json};

use crate::backend::{Conn, Row, sql};
use crate::store::Shared;
use crate::write::Work;
use crate::{CommitError, QueryError, StorageError, Store, value};

/// Names this chain, so that no record of another fits into it.
const CHAIN: &str = "audit";
/// The outcome of what was done as asked.
const DONE: &str = "ok";
/// Records checked at a time.
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

    /// Signs where the chain stands and keeps the statement; none when there is nothing new.
    /// `at` is in microseconds since 1970. Export the result: a trail and its checkpoints can be
    /// cut off together only where both are kept.
    pub async fn audit_checkpoint(&self, at: i64) -> Result<Option<Checkpoint>, StorageError> {
        let done = storage_only(self.submit(Work::Checkpoint(at)).await)?;
        let Some(seq) = done.audit.first() else {
            return Ok(None);
        };
        Ok(self
            .checkpoints()
            .await?
            .into_iter()
            .find(|point| point.seq == *seq))
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

    /// Walks the whole chain and past every checkpoint kept here. Returns how many records hold.
    pub async fn audit_verify(&self) -> Result<u64, AuditFault> {
        let key = self.keys().verifying_key(SignKey::Audit);
        let points = self.checkpoints().await?;
        let mut head = Head::start(CHAIN);
        loop {
            let rows = self
                .fixed(
                    "SELECT seq, at, actor, organisation, subject, action, object, outcome, \
                     detail, request, prev, hash FROM kernel__audit WHERE seq > $1 \
                     ORDER BY seq LIMIT $2",
                    vec![head.seq.cast_signed().into(), i64::from(PAGE).into()],
                    "verifying the audit trail",
                )
                .await?;
            let last = rows.len() < PAGE as usize;
            let mut page = Vec::with_capacity(rows.len());
            for row in &rows {
                // What no longer parses was altered, too.
                let altered = |_| Break::Altered {
                    seq: head.seq.saturating_add(1),
                };
                let draft = record(row).map_err(altered)?.draft;
                page.push((link(row).map_err(altered)?, content(&draft)));
            }
            let end = page.last().map_or(head.seq, |(link, _)| link.seq);
            // Later checkpoints belong to later pages; after the last page, to nothing.
            let here: Vec<Checkpoint> = points
                .iter()
                .filter(|p| p.seq >= head.seq && (last || p.seq <= end))
                .cloned()
                .collect();
            head = chain::verify(head, page, &here, key)?;
            if last {
                return Ok(head.seq);
            }
        }
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StorageError> {
        let rows = self
            .fixed(
                "SELECT seq, hash, at, signature FROM kernel__checkpoints ORDER BY seq",
                vec![],
                "reading checkpoints",
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Checkpoint {
                    seq: row.number(0)?.cast_unsigned(),
                    hash: digest(&row.string(1)?)?,
                    at: row.number(2)?,
                    signature: hex::decode(row.string(3)?)
                        .map_err(|_| StorageError::Damaged("a checkpoint's signature".into()))?,
                })
            })
            .collect()
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

/// Only one transaction at a time may extend the chain or number events.
pub(crate) const LOCK_CHAIN: i64 = 0x726f_6e67_0002;

/// Appends to the chain inside the transaction that `conn` is in. On `PostgreSQL` the caller holds
/// [`LOCK_CHAIN`].
pub(crate) async fn append(
    conn: &mut Conn<'_>,
    drafts: &[AuditDraft],
) -> Result<Vec<u64>, StorageError> {
    let mut head = head(conn).await?;
    let mut seqs = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let link = head.link(&content(draft));
        conn.execute(sql(
            "INSERT INTO kernel__audit (seq, at, actor, organisation, subject, action, object, \
             outcome, detail, request, prev, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            [
                link.seq.cast_signed().into(),
                draft.at.into(),
                draft.actor.as_str().into(),
                draft.organisation.clone().into(),
                draft.subject.clone().into(),
                draft.action.as_str().into(),
                draft.object.as_str().into(),
                draft.outcome.as_str().into(),
                value::canonical(&draft.detail).into(),
                draft.request.as_str().into(),
                link.prev.to_string().into(),
                link.hash.to_string().into(),
            ],
        ))
        .await
        .map_err(StorageError::db("appending to the audit trail"))?;
        seqs.push(link.seq);
        head = link.head();
    }
    Ok(seqs)
}

/// Signs the chain's end; the number of the last record, unless it was signed before.
pub(crate) async fn checkpoint(
    conn: &mut Conn<'_>,
    shared: &Shared,
    at: i64,
) -> Result<Vec<u64>, StorageError> {
    let head = head(conn).await?;
    if head.seq == 0 {
        return Ok(Vec::new());
    }
    let point = Checkpoint::sign(&head, at, |message| {
        shared.keys.sign(SignKey::Audit, message)
    })
    .map_err(StorageError::Sign)?;
    let new = conn
        .execute(sql(
            "INSERT INTO kernel__checkpoints (seq, hash, at, signature) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (seq) DO NOTHING",
            [
                point.seq.cast_signed().into(),
                point.hash.to_string().into(),
                at.into(),
                hex::encode(&point.signature).into(),
            ],
        ))
        .await
        .map_err(StorageError::db("keeping a checkpoint"))?;
    Ok(if new == 0 { Vec::new() } else { vec![head.seq] })
}

async fn head(conn: &mut Conn<'_>) -> Result<Head, StorageError> {
    let last = conn
        .row(sql(
            "SELECT seq, hash FROM kernel__audit ORDER BY seq DESC LIMIT 1",
            [],
        ))
        .await
        .map_err(StorageError::db("reading the end of the audit trail"))?;
    match last {
        None => Ok(Head::start(CHAIN)),
        Some(row) => Ok(Head {
            seq: row.number(0)?.cast_unsigned(),
            hash: digest(&row.string(1)?)?,
        }),
    }
}

/// The bytes that are chained: every column but the link itself.
fn content(draft: &AuditDraft) -> Vec<u8> {
    kernel_crypto::canonical::to_vec(&json!({
        "at": draft.at,
        "actor": draft.actor,
        "organisation": draft.organisation,
        "subject": draft.subject,
        "action": draft.action,
        "object": draft.object,
        "outcome": draft.outcome,
        "detail": draft.detail,
        "request": draft.request,
    }))
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

fn digest(text: &str) -> Result<kernel_crypto::sm3::Digest32, StorageError> {
    text.parse()
        .map_err(|_| StorageError::Damaged("a digest of the audit trail".into()))
}

/// Work that touches no collection can only fail in the store itself.
fn storage_only<T>(outcome: Result<T, CommitError>) -> Result<T, StorageError> {
    outcome.map_err(|e| match e {
        CommitError::Storage(e) => e,
        other => StorageError::Damaged(other.to_string()),
    })
}
