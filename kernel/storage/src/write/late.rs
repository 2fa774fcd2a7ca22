//! What the pieces of a group leave to its end: history, events and audit records, each kind written
//! in as few statements as it takes. From the lock of the trail to the end of the transaction
//! everyone else waits, on every node; so it is taken last, and little happens under it.

use sea_query::Value;

use super::lock;
use crate::backend::{Conn, built};
use crate::store::Shared;
use crate::{AuditDraft, EngineError, StorageError, audit, outbox};

/// Rows of one statement: 2 to this power at most, so that few different texts are prepared.
const LARGEST: u32 = 6;

#[derive(Default)]
pub(crate) struct Late {
    /// Rows of `kernel__changes`.
    pub(super) changes: Vec<Vec<Value>>,
    /// Rows of `kernel__outbox` without their number.
    pub(super) events: Vec<Vec<Value>>,
    audit: Vec<AuditDraft>,
}

impl Late {
    /// Takes audit records and says which places they have in the group.
    pub(crate) fn record(&mut self, drafts: &[AuditDraft]) -> Vec<u64> {
        let first = self.audit.len();
        self.audit.extend_from_slice(drafts);
        (first..self.audit.len()).map(|n| n as u64).collect()
    }

    /// Writes all of it inside the transaction that `conn` is in. Returns what to add to an audit
    /// record's place in the group for its number in the trail.
    pub(crate) async fn write(
        self,
        conn: &mut Conn<'_>,
        shared: &Shared,
    ) -> Result<u64, StorageError> {
        insert(
            conn,
            "INSERT INTO kernel__changes (collection, record, revision, at, by_user, before, \
             after, by_name, action, note) VALUES ",
            self.changes,
        )
        .await
        .map_err(StorageError::db("keeping changes"))?;
        if self.events.is_empty() && self.audit.is_empty() {
            return Ok(0);
        }
        lock(conn, audit::LOCK_CHAIN).await?;
        outbox::append(conn, self.events).await?;
        let seqs = audit::append(conn, shared, &self.audit).await?;
        Ok(seqs.first().copied().unwrap_or_default())
    }
}

/// Inserts rows of equal length. `head` ends with `VALUES `.
pub(crate) async fn insert(
    conn: &mut Conn<'_>,
    head: &'static str,
    rows: Vec<Vec<Value>>,
) -> Result<(), EngineError> {
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    while let Some(power) = left.checked_ilog2() {
        let count = 1_usize << power.min(LARGEST);
        let values: Vec<Vec<Value>> = rows.by_ref().take(count).collect();
        left -= count;
        let mut text = head.to_owned();
        let mut number = 0;
        for row in &values {
            text.push_str(if number == 0 { "(" } else { "), (" });
            for column in 0..row.len() {
                number += 1;
                text.push_str(if column == 0 { "$" } else { ", $" });
                text.push_str(&number.to_string());
            }
        }
        text.push(')');
        conn.execute(built(text, values.into_iter().flatten().collect()))
            .await?;
    }
    Ok(())
}
