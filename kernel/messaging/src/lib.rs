//! Carries committed events from the outbox to the modules that hear them.
//!
//! At least once, in order within an aggregate, retried with a growing pause, given up after
//! [`MAX_ATTEMPTS`] and kept for an operator to see. Subscribers are idempotent by event id; the
//! host makes sure of it. Deliberately absent: knowledge of who hears what.

use std::time::Duration;

use async_trait::async_trait;
use kernel_storage::{Due, Retry, StorageError, Store};
use sdk_contract::call::Event;

/// Deliveries before an event is given up.
pub const MAX_ATTEMPTS: i64 = 8;
/// How long the relay sleeps when nobody wakes it.
const POLL: Duration = Duration::from_millis(250);
/// Events taken at once.
const BATCH: u32 = 64;
/// First pause after a failure, in microseconds; each next one is twice as long.
const FIRST_PAUSE: i64 = 500_000;

/// Hands one event to everyone who hears it. All of them, or an error: then it is tried again.
#[async_trait]
pub trait Deliver: Send + Sync {
    async fn deliver(&self, event: &Event) -> Result<(), String>;
    /// Microseconds since 1970, UTC.
    fn now(&self) -> i64;
}

/// Runs until the future is dropped.
pub async fn relay(store: Store, deliver: impl Deliver) {
    loop {
        match once(&store, &deliver).await {
            Ok(0) => {
                // Woken by a commit with events, or by time for retries.
                let _ = tokio::time::timeout(POLL, store.wake().notified()).await;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the outbox cannot be read"
                );
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// Delivers what is due now and says how many events that were.
pub async fn once(store: &Store, deliver: &impl Deliver) -> Result<usize, StorageError> {
    let due = store.outbox_due(deliver.now(), BATCH).await?;
    for Due { event, attempts } in &due {
        match deliver.deliver(event).await {
            Ok(()) => store.outbox_done(&event.id, deliver.now()).await?,
            Err(why) => {
                let retry = after_failure(*attempts + 1, deliver.now());
                tracing::warn!(event = %event.name, id = %event.id, attempts, why, ?retry, "not delivered");
                store.outbox_failed(&event.id, retry).await?;
            }
        }
    }
    Ok(due.len())
}

fn after_failure(failures: i64, now: i64) -> Retry {
    if failures >= MAX_ATTEMPTS {
        return Retry::Dead;
    }
    let doubled = u32::try_from(failures - 1)
        .ok()
        .and_then(|n| FIRST_PAUSE.checked_shl(n));
    Retry::At(now.saturating_add(doubled.unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        assert_eq!(after_failure(1, 0), Retry::At(500_000));
        assert_eq!(after_failure(2, 0), Retry::At(1_000_000));
        assert_eq!(after_failure(7, 10), Retry::At(32_000_010));
        assert_eq!(after_failure(MAX_ATTEMPTS, 0), Retry::Dead);
    }
}
