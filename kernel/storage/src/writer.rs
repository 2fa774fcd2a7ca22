//! The one writer of an `SQLite` file: a task that owns the connection and commits in groups.
//!
//! Waiting work is taken together into one synced transaction. Nobody is answered before the sync.
//! A group hopes that nothing in it is refused; when a piece is, the group starts again with each
//! piece behind its own savepoint, so that the refused one does not take the others with it.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::backend::{Conn, sql};
use crate::store::Shared;
use crate::write::{self, Work};
use crate::{CommitError, Committed, StorageError};

/// Pieces of work in one transaction at most, so that the first does not wait long.
const GROUP: usize = 128;
/// Pieces that may wait before callers do.
const QUEUE: usize = 1024;

type Outcome = Result<Committed, CommitError>;

struct Job {
    work: Work,
    reply: oneshot::Sender<Outcome>,
}

pub(crate) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(conn: SqliteConnection, shared: Arc<Shared>) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        #[expect(
            clippy::disallowed_methods,
            reason = "the task ends with the store: when its queue closes, or in Writer::close"
        )]
        let task = tokio::spawn(serve(conn, shared, queue));
        Self {
            jobs: Mutex::new(Some(jobs)),
            task: Mutex::new(Some(task)),
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

    /// Lets the queue run dry, then ends the task.
    pub(crate) async fn close(&self) {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the SQLite writer ended badly");
        }
    }
}

async fn serve(mut conn: SqliteConnection, shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let mut outcomes = Vec::with_capacity(group.len());
        let mut whole = transaction(&mut conn, &shared, &group, &mut outcomes).await;
        if matches!(whole, Ok(false)) {
            outcomes.clear();
            whole = transaction_by_piece(&mut conn, &shared, &group, &mut outcomes)
                .await
                .map(|()| true);
        }
        if whole.is_err() {
            // Fails when the engine has already rolled back by itself; then nothing is open.
            let _ = Conn::Lite(&mut conn).execute(sql("ROLLBACK", [])).await;
        }
        let mut outcomes = outcomes.into_iter();
        for job in group {
            let outcome = match (outcomes.next(), &whole) {
                (Some(Ok(_)) | None, Err(source)) => {
                    Err(CommitError::Storage(StorageError::Database {
                        doing: "committing",
                        source: Arc::clone(source),
                    }))
                }
                (Some(own), _) => own,
                (None, Ok(_)) => Err(StorageError::Closed.into()),
            };
            if let Ok(done) = &outcome {
                shared.after(&job.work, done);
            }
            // The caller may have gone; the work stands all the same.
            let _ = job.reply.send(outcome);
        }
    }
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "closing the SQLite file");
    }
}

/// Runs the group; false if a piece was refused and all of it rolled back. An error means that
/// nothing of it is durable.
async fn transaction(
    conn: &mut SqliteConnection,
    shared: &Shared,
    group: &[Job],
    outcomes: &mut Vec<Outcome>,
) -> Result<bool, Arc<sqlx::Error>> {
    let mut conn = Conn::Lite(conn);
    conn.execute(sql("BEGIN IMMEDIATE", [])).await?;
    for job in group {
        let outcome = write::run(&mut conn, shared, &job.work).await;
        let refused = outcome.is_err();
        outcomes.push(outcome);
        if refused {
            conn.execute(sql("ROLLBACK", [])).await?;
            // Alone, it has its answer.
            return Ok(group.len() == 1);
        }
    }
    conn.execute(sql("COMMIT", [])).await?;
    Ok(true)
}

/// Runs the group with a savepoint for each piece.
async fn transaction_by_piece(
    conn: &mut SqliteConnection,
    shared: &Shared,
    group: &[Job],
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Arc<sqlx::Error>> {
    let mut conn = Conn::Lite(conn);
    conn.execute(sql("BEGIN IMMEDIATE", [])).await?;
    for job in group {
        conn.execute(sql("SAVEPOINT piece", [])).await?;
        let outcome = write::run(&mut conn, shared, &job.work).await;
        if outcome.is_err() {
            conn.execute(sql("ROLLBACK TO piece", [])).await?;
        }
        outcomes.push(outcome);
        conn.execute(sql("RELEASE piece", [])).await?;
    }
    conn.execute(sql("COMMIT", [])).await?;
    Ok(())
}
