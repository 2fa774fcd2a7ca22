//! Extending the chain and its tree.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kernel_crypto::chain::{Head, is_backdated};
use kernel_crypto::merkle::{self, Frontier, Node};
use kernel_crypto::sm3::Digest32;
use sea_query::{Alias, Expr, ExprTrait as _, Query as Statement};

use super::{AuditDraft, CHAIN, Gauge, PAGE, content, digest, nodes, parties};
use crate::backend::{Conn, sql};
use crate::store::Shared;
use crate::write::late;
use crate::{StorageError, value};

/// Only one transaction at a time may extend the chain or number events.
pub(crate) const LOCK_CHAIN: i64 = 0x726f_6e67_0002;

/// The end of the trail, remembered between transactions. It is only ever used together with the
/// record it was taken at, so that one left by a transaction that came to nothing does no harm.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Option<End>>);

#[derive(Clone)]
pub(super) struct End {
    pub(super) head: Head,
    pub(super) tree: Frontier,
    /// The latest time seen.
    at: i64,
}

/// Appends to the chain inside the transaction that `conn` is in. On `PostgreSQL` the caller holds
/// [`LOCK_CHAIN`]. A failure is an alarm: what should have been recorded must not happen.
pub(crate) async fn append(
    conn: &mut Conn<'_>,
    shared: &Shared,
    drafts: &[AuditDraft],
) -> Result<Vec<u64>, StorageError> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let appended = extend(conn, (&shared.tail, &shared.audit), drafts).await;
    shared.audit.appended(appended.as_ref().err());
    appended
}

/// The same where no store is open yet: at the end of a restore.
pub(crate) async fn append_first(
    conn: &mut Conn<'_>,
    drafts: &[AuditDraft],
) -> Result<Vec<u64>, StorageError> {
    extend(conn, (&Tail::default(), &Gauge::default()), drafts).await
}

async fn extend(
    conn: &mut Conn<'_>,
    (tail, gauge): (&Tail, &Gauge),
    drafts: &[AuditDraft],
) -> Result<Vec<u64>, StorageError> {
    let mut end = end(conn, tail).await?;
    let mut seqs = Vec::with_capacity(drafts.len());
    let mut rows = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let link = end.head.link(&content(draft));
        let filled = end.tree.push(merkle::leaf(link.hash));
        rows.push(vec![
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
            kept(&filled).into(),
        ]);
        if is_backdated(draft.at, end.at) {
            gauge.clock_set_back(link.seq, draft.at, end.at);
        }
        seqs.push(link.seq);
        end.head = link.head();
        end.at = Ord::max(end.at, draft.at);
    }
    late::insert(
        conn,
        "INSERT INTO kernel__audit (seq, at, actor, organisation, subject, action, object, \
         outcome, detail, request, prev, hash, nodes) VALUES ",
        rows,
    )
    .await
    .map_err(StorageError::db("appending to the audit trail"))?;
    parties::keep(conn, drafts, &seqs).await?;
    tail.put(end);
    Ok(seqs)
}

impl Tail {
    /// What was remembered, when it belongs to `head`.
    fn take(&self, head: Head) -> Option<End> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take().filter(|end| end.head == head)
    }

    pub(super) fn put(&self, end: End) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
}

/// The last record and the time it says; none before the first.
async fn last(conn: &mut Conn<'_>) -> Result<Option<(Head, i64)>, StorageError> {
    let last = conn
        .row(sql(
            "SELECT seq, hash, at FROM kernel__audit ORDER BY seq DESC LIMIT 1",
            [],
        ))
        .await
        .map_err(StorageError::db("reading the end of the audit trail"))?;
    last.map(|row| {
        let head = Head {
            seq: row.number(0)?.cast_unsigned(),
            hash: digest(&row.string(1)?)?,
        };
        Ok((head, row.number(2)?))
    })
    .transpose()
}

/// Where the chain ends.
pub(crate) async fn head(conn: &mut Conn<'_>) -> Result<Head, StorageError> {
    Ok(last(conn)
        .await?
        .map_or_else(|| Head::start(CHAIN), |(head, _)| head))
}

/// Where the trail ends as this transaction sees it.
pub(super) async fn end(conn: &mut Conn<'_>, tail: &Tail) -> Result<End, StorageError> {
    let Some((head, at)) = last(conn).await? else {
        return Ok(End {
            head: Head::start(CHAIN),
            tree: Frontier::new(),
            at: i64::MIN,
        });
    };
    if let Some(end) = tail.take(head) {
        return Ok(end);
    }
    let wanted = Frontier::nodes(head.seq);
    let roots = roots(conn, &wanted).await?;
    let roots: Option<Vec<Digest32>> = wanted.iter().map(|n| roots.get(n).copied()).collect();
    let tree = roots.and_then(|roots| Frontier::from_roots(head.seq, roots));
    Ok(End {
        head,
        tree: tree.ok_or_else(|| StorageError::Damaged("the audit tree's right edge".into()))?,
        at,
    })
}

/// The roots of `wanted` subtrees that are kept; those that are not are absent.
pub(super) async fn roots(
    conn: &mut Conn<'_>,
    wanted: &[Node],
) -> Result<BTreeMap<Node, Digest32>, StorageError> {
    let statement = {
        let ends = wanted.iter().map(|n| n.end.cast_signed());
        let mut select = Statement::select();
        select
            .columns(["seq", "hash", "nodes"].map(Alias::new))
            .from(Alias::new("kernel__audit"))
            .and_where(Expr::col(Alias::new("seq")).is_in(ends));
        conn.engine().build(&select)
    };
    let rows = conn
        .rows(statement)
        .await
        .map_err(StorageError::db("reading the audit tree"))?;
    let mut kept = BTreeMap::new();
    for row in &rows {
        let end = row.number(0)?.cast_unsigned();
        let leaf = merkle::leaf(digest(&row.string(1)?)?);
        let above = nodes(row, 2)?;
        for (height, root) in (0..).zip(std::iter::once(leaf).chain(above)) {
            kept.insert(Node { end, height }, root);
        }
    }
    Ok(kept)
}

/// Makes the tree over the records of a database from before there was one, inside the migration.
/// A trail with a gap is refused: a tree over it would hide the gap.
pub(crate) async fn plant(conn: &mut Conn<'_>) -> Result<(), StorageError> {
    let mut tree = Frontier::new();
    loop {
        let rows = conn
            .rows(sql(
                "SELECT seq, hash FROM kernel__audit WHERE seq > $1 ORDER BY seq LIMIT $2",
                [tree.size().cast_signed().into(), i64::from(PAGE).into()],
            ))
            .await
            .map_err(StorageError::db("reading the audit trail"))?;
        for row in &rows {
            let seq = row.number(0)?;
            if seq.cast_unsigned() != tree.size().saturating_add(1) {
                return Err(StorageError::Damaged(format!(
                    "the audit trail has no record {}",
                    tree.size().saturating_add(1)
                )));
            }
            let filled = tree.push(merkle::leaf(digest(&row.string(1)?)?));
            if let Some(filled) = kept(&filled) {
                conn.execute(sql(
                    "UPDATE kernel__audit SET nodes = $1 WHERE seq = $2",
                    [filled.into(), seq.into()],
                ))
                .await
                .map_err(StorageError::db("planting the audit tree"))?;
            }
        }
        if rows.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// As the column holds them.
fn kept(roots: &[Digest32]) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = roots.iter().flat_map(|root| *root.as_bytes()).collect();
    (!bytes.is_empty()).then_some(bytes)
}
