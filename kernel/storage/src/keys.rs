//! Forgetting idempotency keys once nobody repeats their requests any more.
//!
//! They are walked in the order of their primary key, a slice at a time, so that no statement is long
//! and no index on their time costs every request something.

use crate::backend::{Conn, Row, sql};
use crate::write::Work;
use crate::{CommitError, StorageError, Store};

/// Keys that one step looks at.
const SLICE: i64 = 1000;

/// A key by its user and its name; they are walked in this order.
pub(crate) type Place = (String, String);

impl Store {
    /// Forgets the keys that were answered before a moment, in microseconds since 1970, and says how
    /// many. What a killed walk has left the next one does.
    pub async fn forget_keys(&self, before: i64) -> Result<u64, StorageError> {
        let mut forgotten = 0_u64;
        let mut after = Some(Place::default());
        while let Some(from) = after {
            let to = self.slice(&from).await?;
            let work = Work::Forget {
                before,
                from,
                to: to.clone(),
            };
            match self.submit(work).await {
                Ok(done) => forgotten = forgotten.saturating_add(done.forgotten),
                Err(CommitError::Storage(error)) => return Err(error),
                Err(error) => return Err(StorageError::Damaged(error.to_string())),
            }
            after = to;
        }
        Ok(forgotten)
    }

    /// The last key of the slice after one; none where the rest is less than a slice.
    async fn slice(&self, from: &Place) -> Result<Option<Place>, StorageError> {
        let rows = self
            .fixed(
                "SELECT user_id, key FROM kernel__idempotency WHERE (user_id, key) > ($1, $2) \
                 ORDER BY user_id, key LIMIT 1 OFFSET $3",
                vec![
                    from.0.as_str().into(),
                    from.1.as_str().into(),
                    (SLICE - 1).into(),
                ],
                "walking idempotency keys",
            )
            .await?;
        let place = |row: &Row| Ok((row.string(0)?, row.string(1)?));
        rows.first().map(place).transpose()
    }
}

/// Runs inside the transaction that `conn` is in; says how many keys are gone.
pub(crate) async fn forget(
    conn: &mut Conn<'_>,
    before: i64,
    from: &Place,
    to: Option<&Place>,
) -> Result<u64, StorageError> {
    let mut values = vec![
        before.into(),
        from.0.as_str().into(),
        from.1.as_str().into(),
    ];
    let text = match to {
        None => "DELETE FROM kernel__idempotency WHERE at < $1 AND (user_id, key) > ($2, $3)",
        Some((user, key)) => {
            values.extend([user.as_str().into(), key.as_str().into()]);
            "DELETE FROM kernel__idempotency WHERE at < $1 AND (user_id, key) > ($2, $3) \
             AND (user_id, key) <= ($4, $5)"
        }
    };
    conn.execute(sql(text, values))
        .await
        .map_err(StorageError::db("forgetting idempotency keys"))
}
