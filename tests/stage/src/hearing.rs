//! The relay of a stage: runs when the scenario did something, and remembers what it delivered.

use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use async_trait::async_trait;
use kernel_host::Host;
use kernel_messaging::Deliver;
use sdk_contract::call::Event;

/// Rounds of delivery before a scenario is taken for a loop.
const MOST_ROUNDS: u32 = 1_000;

pub(crate) struct Hearing {
    host: Host,
    heard: Mutex<Vec<Event>>,
    /// One relay at a time, as in production.
    turn: tokio::sync::Mutex<()>,
}

impl Hearing {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            heard: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Says what the clock says now, and delivers until nothing is due.
    pub(crate) async fn settle(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        self.host.run_schedules().await?;
        for _ in 0..MOST_ROUNDS {
            if kernel_messaging::once(self.host.store(), self).await? == 0 {
                return Ok(());
            }
        }
        bail!("events go round in circles")
    }

    /// Delivered events, oldest first.
    pub(crate) fn heard(&self) -> Vec<Event> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Deliver for Hearing {
    async fn deliver(&self, event: &Event) -> Result<(), String> {
        Deliver::deliver(&self.host, event).await?;
        self.lock().push(event.clone());
        Ok(())
    }

    fn now(&self) -> i64 {
        Deliver::now(&self.host)
    }
}
