//! Events between their commit and their delivery.
//!
//! At least once, in order within an aggregate: an event is due only when every earlier one of its
//! aggregate is done or dead. Numbers are given in commit order.

use sdk_contract::call::Event;

use crate::backend::{Conn, Row, sql};
use crate::write::{Work, late};
use crate::{CommitError, NewEvent, StorageError, Store, value};

/// An event to deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub event: Event,
    /// Deliveries that have failed so far.
    pub attempts: i64,
}

/// What becomes of an event that could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Try again at this time, in microseconds since 1970, at most an hour from now. Also brings a
    /// dead event back.
    At(i64),
    /// Given up: kept and shown, no longer in the way of its aggregate.
    Dead,
}

/// How far an event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Waiting,
    Done,
    GivenUp,
}

const MOST: u32 = 1_000;
/// No retry waits longer, in microseconds. One that seems to was put off by a clock that has since
/// stepped back, and is due.
const LONGEST_PAUSE: i64 = 3_600_000_000;

impl Store {
    /// Up to `most` events that are due at `now`, oldest first, one per aggregate.
    pub async fn outbox_due(&self, now: i64, most: u32) -> Result<Vec<Due>, StorageError> {
        let rows = self
            .fixed(
                "SELECT id, name, aggregate, at, data, attempts FROM kernel__outbox o \
                 WHERE done_at IS NULL AND dead = 0 AND (next_at <= $1 OR next_at > $3) \
                 AND NOT EXISTS ( \
                 SELECT 1 FROM kernel__outbox p WHERE p.aggregate = o.aggregate \
                 AND p.seq < o.seq AND p.done_at IS NULL AND p.dead = 0) ORDER BY seq LIMIT $2",
                vec![
                    now.into(),
                    i64::from(most.min(MOST)).into(),
                    now.saturating_add(LONGEST_PAUSE).into(),
                ],
                "reading the outbox",
            )
            .await?;
        rows.iter().map(due).collect()
    }

    /// Events given up, newest first.
    pub async fn outbox_dead(&self, most: u32) -> Result<Vec<Due>, StorageError> {
        let rows = self
            .fixed(
                "SELECT id, name, aggregate, at, data, attempts FROM kernel__outbox \
                 WHERE dead = 1 ORDER BY seq DESC LIMIT $1",
                vec![i64::from(most.min(MOST)).into()],
                "reading dead events",
            )
            .await?;
        rows.iter().map(due).collect()
    }

    /// How far an event has come; none where there is no such event.
    pub async fn outbox_delivery(&self, id: &str) -> Result<Option<Delivery>, StorageError> {
        let rows = self
            .fixed(
                "SELECT COALESCE(done_at, 0), dead FROM kernel__outbox WHERE id = $1",
                vec![id.into()],
                "reading an event",
            )
            .await?;
        let delivery = |row: &Row| {
            Ok(match (row.number(0)?, row.number(1)?) {
                (_, 1) => Delivery::GivenUp,
                (0, _) => Delivery::Waiting,
                _ => Delivery::Done,
            })
        };
        rows.first().map(delivery).transpose()
    }

    /// Every subscriber has handled the event. `at` is in microseconds since 1970.
    pub async fn outbox_done(&self, id: &str, at: i64) -> Result<(), StorageError> {
        self.mark(Work::Delivered {
            id: id.to_owned(),
            at,
        })
        .await
    }

    /// A delivery failed.
    pub async fn outbox_failed(&self, id: &str, retry: Retry) -> Result<(), StorageError> {
        self.mark(Work::Undelivered {
            id: id.to_owned(),
            retry,
        })
        .await
    }

    async fn mark(&self, work: Work) -> Result<(), StorageError> {
        match self.submit(work).await {
            Ok(_) => Ok(()),
            Err(CommitError::Storage(e)) => Err(e),
            Err(e) => Err(StorageError::Damaged(e.to_string())),
        }
    }
}

fn due(row: &Row) -> Result<Due, StorageError> {
    Ok(Due {
        event: Event {
            id: row.string(0)?,
            name: row.string(1)?,
            aggregate: row.string(2)?,
            at: row.number(3)?,
            data: value::parse(&row.string(4)?)?,
        },
        attempts: row.number(5)?,
    })
}

/// An event's row, but for its number.
pub(crate) fn row(module: &str, at: i64, event: &NewEvent) -> Vec<sea_query::Value> {
    vec![
        event.id.as_str().into(),
        format!("{module}.{}", event.draft.name).into(),
        event.draft.aggregate.as_str().into(),
        at.into(),
        value::canonical(&event.draft.data).into(),
        // At once, whatever another node's clock says.
        0_i64.into(),
    ]
}

/// Numbers events and puts them into the outbox. On `PostgreSQL` the caller holds the order lock.
pub(crate) async fn append(
    conn: &mut Conn<'_>,
    mut events: Vec<Vec<sea_query::Value>>,
) -> Result<(), StorageError> {
    if events.is_empty() {
        return Ok(());
    }
    let adding = StorageError::db("adding events to the outbox");
    let last = conn
        .row(sql("SELECT COALESCE(MAX(seq), 0) FROM kernel__outbox", []))
        .await
        .map_err(&adding)?;
    let mut seq = last.map(|r| r.number(0)).transpose()?.unwrap_or(0);
    for event in &mut events {
        seq += 1;
        event.push(seq.into());
    }
    late::insert(
        conn,
        "INSERT INTO kernel__outbox (id, name, aggregate, at, data, next_at, seq) VALUES ",
        events,
    )
    .await
    .map_err(&adding)
}

pub(crate) async fn delivered(conn: &mut Conn<'_>, id: &str, at: i64) -> Result<(), StorageError> {
    conn.execute(sql(
        "UPDATE kernel__outbox SET done_at = $1, dead = 0 WHERE id = $2",
        [at.into(), id.into()],
    ))
    .await
    .map(drop)
    .map_err(StorageError::db("closing an event"))
}

pub(crate) async fn undelivered(
    conn: &mut Conn<'_>,
    id: &str,
    retry: Retry,
) -> Result<(), StorageError> {
    let statement = match retry {
        Retry::At(at) => sql(
            "UPDATE kernel__outbox SET attempts = attempts + 1, next_at = $1, dead = 0 \
             WHERE id = $2 AND done_at IS NULL",
            [at.into(), id.into()],
        ),
        Retry::Dead => sql(
            "UPDATE kernel__outbox SET attempts = attempts + 1, dead = 1 \
             WHERE id = $1 AND done_at IS NULL",
            [id.into()],
        ),
    };
    conn.execute(statement)
        .await
        .map(drop)
        .map_err(StorageError::db("postponing an event"))
}
