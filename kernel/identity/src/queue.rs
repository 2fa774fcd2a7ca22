//! The queue before sign-ins: bounded, first come first served, and never all of it one address's.
//!
//! A password check takes a core for tens of milliseconds on purpose. Without a bound a burst would
//! make everybody wait past their patience; without a share one address could keep others out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{IdentityError, LoginError};

/// Sign-ins that wait at once. On two cores the last of them waits about ten seconds.
const WAITING: usize = 200;
/// Of those, from one address: a whole office may share one, but a quarter stays for others.
const OF_ONE_ADDRESS: usize = 150;
/// Seconds after which somebody who was not let in tries again.
const RETRY_AFTER: i64 = 3;

pub(crate) struct Queue {
    turns: Semaphore,
    /// How many wait, by address.
    waiting: Mutex<BTreeMap<String, usize>>,
}

/// Counts one that waits for as long as it lives, also when its request is given up.
struct Waiting<'a> {
    queue: &'a Queue,
    address: &'a str,
}

impl Queue {
    /// `at_once` have their turn at the same time.
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            turns: Semaphore::new(at_once),
            waiting: Mutex::default(),
        }
    }

    /// Waits for a turn, which lasts until it is dropped; refuses when too many wait.
    pub(crate) async fn turn(&self, address: &str) -> Result<SemaphorePermit<'_>, LoginError> {
        let _waiting = self.join(address)?;
        let turn = self.turns.acquire().await;
        turn.map_err(|_| LoginError::Failed(IdentityError::Stopped))
    }

    fn join<'a>(&'a self, address: &'a str) -> Result<Waiting<'a>, LoginError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = waiting.values().sum();
        let own = waiting.get(address).copied().unwrap_or_default();
        if all >= WAITING || own >= OF_ONE_ADDRESS {
            return Err(LoginError::Busy {
                retry_after: RETRY_AFTER,
            });
        }
        waiting.insert(address.to_owned(), own + 1);
        Ok(Waiting {
            queue: self,
            address,
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self
            .queue
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                waiting.remove(self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(joined: &Result<Waiting<'_>, LoginError>) -> bool {
        matches!(
            joined,
            Err(LoginError::Busy {
                retry_after: RETRY_AFTER
            })
        )
    }

    #[test]
    fn one_address_never_fills_the_queue_and_all_together_do() {
        let queue = Queue::new(1);
        let crowd: Vec<_> = (0..OF_ONE_ADDRESS)
            .map(|_| queue.join("crowd").unwrap())
            .collect();
        assert!(busy(&queue.join("crowd")));
        let others: Vec<_> = (OF_ONE_ADDRESS..WAITING)
            .map(|_| queue.join("other").unwrap())
            .collect();
        assert!(busy(&queue.join("third")));
        drop(crowd);
        assert!(queue.join("third").is_ok());
        drop(others);
        assert!(queue.waiting.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_has_a_turn_or_gave_up_no_longer_waits() {
        let queue = Queue::new(1);
        let turn = queue.turn("a").await.unwrap();
        assert!(queue.waiting.lock().unwrap().is_empty());
        let given_up = tokio::time::timeout(std::time::Duration::ZERO, queue.turn("b")).await;
        assert!(given_up.is_err());
        assert!(queue.waiting.lock().unwrap().is_empty());
        drop(turn);
        assert!(queue.turn("c").await.is_ok());
    }
}
