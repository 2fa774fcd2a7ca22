//! The one writer of this process: it commits in groups, on either engine.
//!
//! Waiting work is taken together into one durable transaction. Nobody is answered before it is.
//! A group hopes that nothing in it is refused; when a piece is, the group starts again with each
//! piece behind its own savepoint, so that the refused one does not take the others with it. A piece
//! that panics fails its group, and writing goes on.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use crate::backend::sqlite::Lite;
use crate::backend::{Conn, postgres, sql};
use crate::schemas::declarations;
use crate::store::Shared;
use crate::write::late::Late;
use crate::write::overtaken::overtaken;
use crate::write::{self, Work};
use crate::{CommitError, Committed, EngineError, StorageError};

/// Pieces of work in one transaction at most, so that the first does not wait long.
const GROUP: usize = 128;
/// Pieces that may wait before callers do.
const QUEUE: usize = 1024;
/// How often a group is tried that lost a race with another node, or its connection.
const ATTEMPTS: u32 = 4;
/// Between the first two of them.
const PAUSE: Duration = Duration::from_millis(25);

type Outcome = Result<Committed, CommitError>;

struct Job {
    work: Work,
    reply: oneshot::Sender<Outcome>,
}

pub(crate) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    /// Told when the last piece is done and the file is closed.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// Where a writer's transactions run.
pub(crate) enum Lane {
    /// The only connection that writes to the file.
    Lite(Lite),
    Pg(postgres::Pool),
}

impl Writer {
    pub(crate) fn start(lane: Lane, shared: Arc<Shared>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (end, ended) = oneshot::channel();
        let on_a_thread = matches!(lane, Lane::Lite(_));
        let serving = async move {
            serve(lane, shared, queue).await;
            let _ = end.send(());
        };
        if on_a_thread {
            // It waits for the disk as often as it commits, and nothing else may wait for it then.
            let runtime = tokio::runtime::Handle::current();
            std::thread::spawn(move || runtime.block_on(serving));
        } else {
            #[expect(
                clippy::disallowed_methods,
                reason = "the task ends with the store: when its queue closes, or in Writer::close"
            )]
            tokio::spawn(serving);
        }
        Self {
            jobs: Mutex::new(Some(jobs)),
            ended: Mutex::new(Some(ended)),
        }
    }

    pub(crate) async fn submit(&self, work: Work) -> Outcome {
        let jobs = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(jobs) = jobs else {
            return Err(StorageError::Closed.into());
        };
        let (reply, outcome) = oneshot::channel();
        jobs.send(Job { work, reply })
            .await
            .map_err(|_| StorageError::Closed)?;
        outcome.await.map_err(|_| StorageError::Closed)?
    }

    /// Lets the queue run dry, then ends.
    pub(crate) async fn close(&self) {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ended) = ended
            && ended.await.is_err()
        {
            tracing::error!("the writer ended badly");
        }
    }
}

async fn serve(mut lane: Lane, shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    // Taken out of the queue, but for a group of its own.
    let mut kept = None;
    while let Some(first) = match kept.take() {
        Some(job) => Some(job),
        None => queue.recv().await,
    } {
        let mut group = vec![first];
        while group.len() < GROUP
            && group.iter().all(|job: &Job| job.work.joins())
            && let Ok(next) = queue.try_recv()
        {
            if !next.work.joins() {
                kept = Some(next);
                break;
            }
            group.push(next);
        }
        let outcomes = lane.commit(&shared, &group).await;
        for (job, outcome) in group.into_iter().zip(outcomes) {
            if let Ok(done) = &outcome {
                shared.after(&job.work, done);
            }
            // The caller may have gone; the work stands all the same.
            let _ = job.reply.send(outcome);
        }
    }
}

/// Why a transaction was given up. Nothing of it is durable, except that a failure of the commit
/// itself leaves that open.
enum Stop {
    /// A piece was refused; the others may stand.
    Refused,
    /// The same group may be run again and may then succeed.
    Again(Cause),
    /// The same, once it is known which tables there are now.
    Past(Cause),
    Failed(Cause),
}

/// Shared by all of a group.
struct Cause {
    doing: &'static str,
    source: Arc<EngineError>,
}

impl Cause {
    fn error(&self) -> CommitError {
        CommitError::Storage(StorageError::Database {
            doing: self.doing,
            source: Arc::clone(&self.source),
        })
    }
}

impl Lane {
    /// The outcome of each piece, in order.
    async fn commit(&mut self, shared: &Shared, group: &[Job]) -> Vec<Outcome> {
        let mut each = false;
        let mut attempt = 1;
        loop {
            match self.transaction(shared, group, each).await {
                Ok(outcomes) => return outcomes,
                Err(Stop::Refused) => each = true,
                Err(Stop::Again(_)) if attempt < ATTEMPTS => {
                    // Longer each time, for a database that starts again.
                    tokio::time::sleep(PAUSE.saturating_mul(attempt)).await;
                    attempt += 1;
                }
                Err(Stop::Past(_)) if attempt < ATTEMPTS => {
                    if let Err(error) = self.learn(shared).await {
                        tracing::warn!("what other nodes declared is not known: {error:#}");
                    }
                    attempt += 1;
                }
                Err(Stop::Again(cause) | Stop::Past(cause) | Stop::Failed(cause)) => {
                    return group.iter().map(|_| Err(cause.error())).collect();
                }
            }
        }
    }

    async fn learn(&mut self, shared: &Shared) -> Result<(), StorageError> {
        let modules = match self {
            Self::Lite(conn) => declarations(&mut Conn::Lite(conn), &shared.keys).await?,
            Self::Pg(pool) => {
                let mut held = postgres::leased(pool).await?;
                declarations(&mut Conn::Pg(&mut held), &shared.keys).await?
            }
        };
        for module in &modules {
            shared.put(module);
        }
        Ok(())
    }

    async fn transaction(
        &mut self,
        shared: &Shared,
        group: &[Job],
        each: bool,
    ) -> Result<Vec<Outcome>, Stop> {
        match self {
            Self::Lite(conn) => {
                let mut lite = Conn::Lite(conn);
                let done = contained(whole(&mut lite, shared, group, each)).await;
                if matches!(done, Err(Stop::Failed(_))) {
                    // It is the only one, and may have been left in the middle.
                    let _ = conn.script("ROLLBACK");
                }
                done
            }
            Self::Pg(pool) => {
                let held = postgres::leased(pool).await;
                let mut held = held.map_err(unleased)?;
                let mut pg = Conn::Pg(&mut held);
                let done = contained(whole(&mut pg, shared, group, each)).await;
                if matches!(done, Err(Stop::Again(_) | Stop::Failed(_))) {
                    // Whatever state it is in, nobody gets it again.
                    held.spoil();
                }
                done
            }
        }
    }
}

/// Makes a failure of a panic, which the hook has logged: one piece must not end all writing.
async fn contained<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.unwrap_or_else(|_| Err(stop("writing")(EngineError::Thread)))
}

/// Runs the group in one transaction: durable, or rolled back.
async fn whole(
    conn: &mut Conn<'_>,
    shared: &Shared,
    group: &[Job],
    each: bool,
) -> Result<Vec<Outcome>, Stop> {
    run(conn, conn.engine().begin(), "beginning a transaction").await?;
    let done = if each {
        by_piece(conn, shared, group).await
    } else {
        together(conn, shared, group).await
    };
    let end = match &done {
        Ok(done) if done.iter().any(Result::is_ok) => "COMMIT",
        _ => "ROLLBACK",
    };
    match run(conn, end, "committing").await {
        // It may be done all the same, so it is never tried again.
        Err(Stop::Again(cause) | Stop::Failed(cause)) if end == "COMMIT" => {
            // Fails when the engine has already rolled back by itself; then nothing is open.
            let _ = run(conn, "ROLLBACK", "rolling back").await;
            Err(Stop::Failed(cause))
        }
        _ => done,
    }
}

/// Runs the group, hoping for the best. Alone, a piece has its answer, whatever it is.
async fn together(
    conn: &mut Conn<'_>,
    shared: &Shared,
    group: &[Job],
) -> Result<Vec<Outcome>, Stop> {
    let mut late = Late::default();
    let mut done = Vec::with_capacity(group.len());
    for job in group {
        match write::run(conn, shared, &job.work, &mut late).await {
            Ok(one) => done.push(one),
            Err(error) => return refused(group, error),
        }
    }
    match late.write(conn, shared).await {
        Ok(first) => Ok(done
            .into_iter()
            .map(|one| Ok(numbered(one, first)))
            .collect()),
        Err(error) => refused(group, error.into()),
    }
}

fn refused(group: &[Job], error: CommitError) -> Result<Vec<Outcome>, Stop> {
    if let Some(stop) = lost(&error) {
        return Err(stop);
    }
    match group {
        [job] if !lost_a_number(&job.work, &error) => Ok(vec![Err(error)]),
        _ => Err(Stop::Refused),
    }
}

/// Runs the group with a savepoint for each piece.
async fn by_piece(
    conn: &mut Conn<'_>,
    shared: &Shared,
    group: &[Job],
) -> Result<Vec<Outcome>, Stop> {
    let doing = "keeping a savepoint";
    let mut done = Vec::with_capacity(group.len());
    for job in group {
        run(conn, "SAVEPOINT piece", doing).await?;
        let mut outcome = piece(conn, shared, &job.work).await;
        if matches!(&outcome, Err(e) if lost_a_number(&job.work, e)) {
            run(conn, "ROLLBACK TO piece", doing).await?;
            outcome = piece(conn, shared, &job.work).await;
        }
        if let Err(error) = &outcome {
            if let Some(stop) = lost(error) {
                return Err(stop);
            }
            run(conn, "ROLLBACK TO piece", doing).await?;
            match overtaken(conn, shared, (&job.work, error)).await {
                Ok(Some(altered)) => outcome = Err(altered),
                Ok(None) => {}
                Err(StorageError::Database { doing, source }) => {
                    return Err(Stop::Failed(Cause { doing, source }));
                }
                Err(other) => outcome = Err(other.into()),
            }
        }
        done.push(outcome);
        run(conn, "RELEASE piece", doing).await?;
    }
    Ok(done)
}

async fn piece(conn: &mut Conn<'_>, shared: &Shared, work: &Work) -> Outcome {
    let mut late = Late::default();
    let done = write::run(conn, shared, work, &mut late).await?;
    let first = late.write(conn, shared).await?;
    Ok(numbered(done, first))
}

/// Turns places in the group into numbers of the trail.
fn numbered(mut done: Committed, first: u64) -> Committed {
    for number in &mut done.audit {
        *number = number.saturating_add(first);
    }
    done
}

async fn run(conn: &mut Conn<'_>, text: &'static str, doing: &'static str) -> Result<(), Stop> {
    conn.execute(sql(text, []))
        .await
        .map(drop)
        .map_err(stop(doing))
}

fn stop<E: Into<EngineError>>(doing: &'static str) -> impl Fn(E) -> Stop {
    move |error| {
        let error = error.into();
        let lost = error.is_lost_connection();
        let source = Arc::new(error);
        let cause = Cause { doing, source };
        if lost {
            Stop::Again(cause)
        } else {
            Stop::Failed(cause)
        }
    }
}

/// Where there is no connection; the server may be about to come back.
fn unleased(error: StorageError) -> Stop {
    let doing = "waiting for a connection";
    match error {
        StorageError::Database { source, .. } if source.is_lost_connection() => {
            Stop::Again(Cause { doing, source })
        }
        StorageError::Database { source, .. } => Stop::Failed(Cause { doing, source }),
        _ => stop(doing)(EngineError::Waited),
    }
}

/// Where the whole transaction is gone and the same closed list may be run again: it was ended in
/// favour of another node's (deadlock, serialisation failure), the tables were changed, or
/// the server ended the connection, is about to, or is not there yet.
fn lost(error: &CommitError) -> Option<Stop> {
    let CommitError::Storage(error) = error else {
        return None;
    };
    let StorageError::Database { doing, source } = error else {
        return None;
    };
    let cause = Cause {
        doing,
        source: Arc::clone(source),
    };
    if error.is_of_the_past() {
        Some(Stop::Past(cause))
    } else if error.is_lost_race() || source.is_lost_connection() {
        Some(Stop::Again(cause))
    } else {
        None
    }
}

/// Another node took a number in one of the kernel's own tables first. A collection's own conflicts
/// are no errors of the storage.
fn lost_a_number(work: &Work, error: &CommitError) -> bool {
    matches!(work, Work::Commit(_))
        && matches!(error, CommitError::Storage(e) if e.is_unique_violation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_of_its_group_and_not_tried_again() {
        let done: Result<(), Stop> = contained(async { panic!("a piece that is wrong") }).await;
        assert!(matches!(done, Err(Stop::Failed(_))));
    }
}
