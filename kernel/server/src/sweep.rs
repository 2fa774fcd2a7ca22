//! Once a day, and soon after the start: every record of the attested collections is held against its
//! code and its history, and what is not as the platform wrote it is an alarm and in the audit trail.

use std::time::Duration;

use kernel_host::Host;

/// Between the start and the first sweep.
const FIRST: Duration = Duration::from_mins(5);
const DAY: Duration = Duration::from_hours(24);

pub(crate) async fn daily(host: Host) {
    tokio::time::sleep(FIRST).await;
    loop {
        if let Err(fault) = host.sweep_records().await {
            tracing::error!(
                code = "record.not-swept",
                %fault,
                "attested records were not looked through"
            );
        }
        tokio::time::sleep(DAY).await;
    }
}
