//! Hands the audit trail on to a central collector, record by record and in its order.
//!
//! How far the collector has it stands in the store ([`kernel_host::Stand`]) and moves only once the
//! collector has read what was sent, so a restart, a lost connection or a collector that was away for days
//! loses nothing. What was sent and not yet kept as sent comes again: the record's number tells. Writes never
//! wait for it; it reads behind them.

mod collector;
mod syslog;

use std::time::Duration;

use anyhow::{Context as _, Result};
use kernel_host::Host;
use kernel_storage::{Engine, HandedOn};

pub(crate) use collector::{Address, Collector};
pub(crate) use syslog::Sender;

/// Between two looks for new records.
const EVERY: Duration = Duration::from_secs(1);
/// Records handed on in one connection.
const BATCH: u32 = 500;
/// Longest that a collector may take to read them.
const PATIENCE: Duration = Duration::from_secs(20);
/// Seconds for which a node hands on alone; longer than one batch may take.
const LEASE: i64 = 60;
/// Of which so many must be left for another batch.
const ENOUGH: i64 = 30;
/// Longest wait for a collector that is away.
const LONGEST: Duration = Duration::from_mins(1);

pub(crate) struct Forward {
    pub(crate) host: Host,
    pub(crate) collector: Collector,
    pub(crate) sender: Sender,
    /// Tells this process from others that hand on.
    pub(crate) holder: String,
}

enum Turn {
    /// A batch was handed on; more may wait.
    HandedOn,
    Idle,
    /// Another node hands on.
    Another,
}

impl Forward {
    pub(crate) async fn run(self) {
        let mut failed: u32 = 0;
        loop {
            let wait = match self.turn().await {
                Ok(turn) => {
                    if failed > 0 && !matches!(turn, Turn::Another) {
                        tracing::warn!(
                            code = "audit.forwarded",
                            "the collector takes the audit trail again"
                        );
                        failed = 0;
                    }
                    match turn {
                        Turn::HandedOn => Duration::ZERO,
                        Turn::Idle | Turn::Another => EVERY,
                    }
                }
                Err(error) => {
                    failed = failed.saturating_add(1);
                    let behind = self.away().await;
                    tracing::error!(
                        code = "audit.forward-failed",
                        behind,
                        "the audit trail is not handed on to {}: {error:#}",
                        self.collector
                    );
                    EVERY.saturating_mul(1 << failed.min(6)).min(LONGEST)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Hands on the records that follow, if there are any and it is this node that does it.
    async fn turn(&self) -> Result<Turn> {
        let address = self.collector.to_string();
        let mut stand = self.host.collector(&address).await?;
        let store = self.host.store();
        let records = store.audit_after(stand.number, BATCH).await?;
        let Some(last) = records.last().map(|record| record.seq) else {
            self.told(true, 0);
            return Ok(Turn::Idle);
        };
        // An SQLite file has one server: whoever held it before is gone.
        let shared = store.engine() == Engine::Postgres;
        let now = self.host.clock().now();
        if shared && stand.is_held(&self.holder, now) {
            self.told(true, last - stand.number);
            return Ok(Turn::Another);
        }
        if shared && !stand.is_ours(&self.holder, now.plus_seconds(ENOUGH)) {
            let number = stand.number;
            let ours = self.keep(&mut stand, number).await?;
            if !ours {
                return Ok(Turn::Another);
            }
        }
        let mut frames = Vec::new();
        for record in &records {
            self.sender.frame(record, &mut frames);
        }
        tokio::time::timeout(PATIENCE, self.collector.take(&frames))
            .await
            .context("it did not read everything and close in time")??;
        if !self.keep(&mut stand, last).await? {
            // It comes again, from the node that holds on to it now.
            return Ok(Turn::Another);
        }
        let head = store.audit_head().await?.records;
        self.told(true, head.saturating_sub(last));
        Ok(Turn::HandedOn)
    }

    async fn keep(&self, stand: &mut kernel_host::Stand, number: u64) -> Result<bool> {
        let kept = self.host.keep_collector(stand, number, &self.holder, LEASE);
        Ok(kept.await?)
    }

    /// How many records the collector has not got, as far as that can be read.
    async fn away(&self) -> u64 {
        let has = self.host.collector(&self.collector.to_string()).await;
        let head = self.host.store().audit_head().await;
        let behind = match (has, head) {
            (Ok(has), Ok(head)) => head.records.saturating_sub(has.number),
            _ => 0,
        };
        self.told(false, behind);
        behind
    }

    fn told(&self, reached: bool, behind: u64) {
        let how = HandedOn { reached, behind };
        self.host.store().audit_handed_on(how);
    }
}
