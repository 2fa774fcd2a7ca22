//! Signed requests of programs: a nonce is good once, a quota is counted, and the record of the call
//! stands, all in one transaction and for all nodes together. A nonce of something else is good once
//! in the same way.
//!
//! The record costs a write anyway, so counting exactly costs nothing more. Calls of different apps
//! wait for each other only as all audited work does; those of one app, for their turn to count.

use crate::backend::{Conn, sql};
use crate::write::Work;
use crate::{AuditDraft, CommitError, StorageError, Store};

/// Nonces that have ended are removed this many at a time, with a later call.
const SWEEP: i64 = 200;

/// A request that wants to be let in.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Who signed it, proven.
    pub app: String,
    /// Chosen by the caller; never taken twice until it ends.
    pub nonce: String,
    /// Microseconds since 1970, UTC: from then on the request is too old for any node.
    pub nonce_ends_at: i64,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub quotas: Vec<Quota>,
    /// The one record of the call. Its outcome is replaced where the call is not let in.
    pub audit: AuditDraft,
    /// Outcomes of a call that is not let in.
    pub replayed: String,
    pub exhausted: String,
}

/// Something that is good once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce {
    /// Who gives such out: an app by its id, or a part of the platform.
    pub of: String,
    pub nonce: String,
    /// Microseconds since 1970, UTC: from then on nobody takes it for its age.
    pub ends_at: i64,
    /// Microseconds since 1970, UTC.
    pub at: i64,
}

/// How many calls one app may make in a span of time, counted from the span's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Length of the span.
    pub seconds: i64,
    /// Beginning of the span that [`Call::at`] is in; microseconds since 1970, UTC.
    pub began: i64,
    /// Calls in one span.
    pub most: i64,
}

/// How far a quota is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    pub quota: Quota,
    /// With this call, if it was let in.
    pub used: i64,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    Admitted(Vec<Used>),
    /// The nonce was used before.
    Replayed,
    /// One of the quotas was used up; nothing was counted.
    Exhausted(Vec<Used>),
}

impl Store {
    /// Takes the call's nonce, counts it, and records it; or records why not. An error means that
    /// nothing was done and the call must not be answered.
    pub async fn admit(&self, call: Call) -> Result<Admission, StorageError> {
        match self.submit(Work::Call(Box::new(call))).await {
            Ok(done) => done
                .admission
                .ok_or_else(|| StorageError::Damaged("a call without an answer".into())),
            Err(CommitError::Storage(e)) => Err(e),
            Err(e) => Err(StorageError::Damaged(e.to_string())),
        }
    }
}

impl Store {
    /// Takes a nonce that no call brings; whether it was new. An error means that it may have been
    /// taken, and what came with it must not be done.
    pub async fn claim(&self, nonce: Nonce) -> Result<bool, StorageError> {
        match self.submit(Work::Nonce(nonce)).await {
            Ok(done) => Ok(done.claimed),
            Err(CommitError::Storage(e)) => Err(e),
            Err(e) => Err(StorageError::Damaged(e.to_string())),
        }
    }
}

/// The lock that the calls of an app take turns by.
pub(crate) fn lock_of(app: &str) -> i64 {
    let digest = kernel_crypto::sm3::digest(app.as_bytes());
    let start = digest.as_bytes().first_chunk().copied();
    i64::from_be_bytes(start.unwrap_or_default())
}

/// Runs inside the transaction that `conn` is in, and says what to record. On `PostgreSQL` the
/// caller holds the app's lock, so nobody counts beside it.
pub(crate) async fn admit(
    conn: &mut Conn<'_>,
    call: &Call,
) -> Result<(Admission, AuditDraft), StorageError> {
    let admission = decide(conn, call).await?;
    let outcome = match &admission {
        Admission::Admitted(_) => &call.audit.outcome,
        Admission::Replayed => &call.replayed,
        Admission::Exhausted(_) => &call.exhausted,
    };
    let record = AuditDraft {
        outcome: outcome.clone(),
        ..call.audit.clone()
    };
    Ok((admission, record))
}

async fn decide(conn: &mut Conn<'_>, call: &Call) -> Result<Admission, StorageError> {
    let nonce = Nonce {
        of: call.app.clone(),
        nonce: call.nonce.clone(),
        ends_at: call.nonce_ends_at,
        at: call.at,
    };
    if !claim(conn, &nonce).await? {
        return Ok(Admission::Replayed);
    }
    let mut counted = Vec::with_capacity(call.quotas.len());
    for quota in &call.quotas {
        counted.push(used(conn, &call.app, *quota).await?);
    }
    if counted.iter().any(|u| u.used >= u.quota.most) {
        return Ok(Admission::Exhausted(counted));
    }
    for one in &mut counted {
        one.used = one.used.saturating_add(1);
        count(conn, &call.app, *one).await?;
    }
    Ok(Admission::Admitted(counted))
}

/// Whether the nonce is new. Nonces that ended are swept on the way.
pub(crate) async fn claim(conn: &mut Conn<'_>, nonce: &Nonce) -> Result<bool, StorageError> {
    let claiming = StorageError::db("claiming a nonce");
    conn.execute(sql(
        "DELETE FROM kernel__nonces WHERE (app, nonce) IN (SELECT app, nonce FROM kernel__nonces \
         WHERE ends_at < $1 ORDER BY ends_at LIMIT $2)",
        [nonce.at.into(), SWEEP.into()],
    ))
    .await
    .map_err(&claiming)?;
    let added = conn
        .execute(sql(
            "INSERT INTO kernel__nonces (app, nonce, ends_at) VALUES ($1, $2, $3) \
             ON CONFLICT (app, nonce) DO NOTHING",
            [
                nonce.of.as_str().into(),
                nonce.nonce.as_str().into(),
                nonce.ends_at.into(),
            ],
        ))
        .await
        .map_err(&claiming)?;
    Ok(added == 1)
}

/// How many calls there were in the span. A node whose clock is behind counts in the span that
/// another has begun.
async fn used(conn: &mut Conn<'_>, app: &str, quota: Quota) -> Result<Used, StorageError> {
    let row = conn
        .row(sql(
            "SELECT began, used FROM kernel__quotas WHERE app = $1 AND seconds = $2",
            [app.into(), quota.seconds.into()],
        ))
        .await
        .map_err(StorageError::db("reading a quota"))?;
    let (began, used) = match row {
        Some(row) => (row.number(0)?, row.number(1)?),
        None => (i64::MIN, 0),
    };
    // A clock that was far ahead once must not shut the app out for longer than a span.
    let ahead = began.saturating_sub(quota.began);
    let same = (0..=quota.seconds.saturating_mul(1_000_000)).contains(&ahead);
    Ok(if same {
        let quota = Quota { began, ..quota };
        Used { quota, used }
    } else {
        Used { quota, used: 0 }
    })
}

async fn count(conn: &mut Conn<'_>, app: &str, used: Used) -> Result<(), StorageError> {
    conn.execute(sql(
        "INSERT INTO kernel__quotas (app, seconds, began, used) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (app, seconds) DO UPDATE SET began = excluded.began, used = excluded.used",
        [
            app.into(),
            used.quota.seconds.into(),
            used.quota.began.into(),
            used.used.into(),
        ],
    ))
    .await
    .map(drop)
    .map_err(StorageError::db("counting a call"))
}
