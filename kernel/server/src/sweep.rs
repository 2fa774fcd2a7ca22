//! Once a day, and soon after the start: every record of the attested collections is held against its
//! code and its history, and what is not as the platform wrote it is an alarm and in the audit trail.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use kernel_host::clock::Clock;
use kernel_storage::{AuditDraft, Store};
use serde_json::json;

/// Between the start and the first sweep.
const FIRST: Duration = Duration::from_mins(5);
const DAY: Duration = Duration::from_hours(24);

pub(crate) struct Sweep {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Sweep {
    pub(crate) async fn run(self) {
        tokio::time::sleep(FIRST).await;
        loop {
            if let Err(error) = self.once().await {
                tracing::error!(
                    code = "record.not-swept",
                    "attested records were not looked through: {error:#}"
                );
            }
            tokio::time::sleep(DAY).await;
        }
    }

    async fn once(&self) -> Result<()> {
        let swept = self.store.sweep().await?;
        let (records, wrong) = (swept.records, swept.wrong);
        tracing::info!(records, wrong, "looked through attested records");
        if wrong == 0 {
            return Ok(());
        }
        for one in &swept.found {
            tracing::error!(
                code = "record.altered",
                collection = one.collection,
                id = one.id,
                finding = ?one.finding,
                "a record is not as the platform wrote it"
            );
        }
        let draft = AuditDraft {
            at: self.clock.now().micros(),
            actor: "kernel".into(),
            action: "platform.record.sweep".into(),
            object: "records".into(),
            outcome: "failed".into(),
            detail: json!(swept),
            ..AuditDraft::default()
        };
        self.store.audit_append(vec![draft]).await?;
        Ok(())
    }
}
