//! What a server does beside answering: what every one keeps up with, and the work that nobody waits for.

use std::time::Duration;

use kernel_host::{Host, Lane};

use crate::lifecycle::Lifecycle;

/// Between two looks at what another node may have switched.
const REFRESH: Duration = Duration::from_secs(2);
/// Between two marks that the platform is there: none of its minutes may pass without one.
const MARK: Duration = Duration::from_secs(20);
/// Between two looks for what is due: deleted records whose time has passed, accounts nobody used,
/// arrivals that nobody finished, uploads that wait to be scanned.
const PURGE: Duration = Duration::from_mins(1);
/// Between two looks for files that nobody names, which read every record, for records whose time is
/// over, and for idempotency keys that nobody repeats.
const COLLECT: Duration = Duration::from_hours(6);
/// Before the first, so that a start is not slowed by it.
const SETTLE: Duration = Duration::from_mins(5);
/// Between two looks for an import or export that nobody has woken a worker for: one that was asked for
/// on another node, or left by one.
const JOBS: Duration = Duration::from_secs(15);
/// Between two looks at the clock for what modules do by it.
const CLOCK: Duration = Duration::from_secs(5);
/// Between two looks for somebody who reads more than they usually do.
const READINGS: Duration = Duration::from_mins(10);
/// Between two batches of the search index.
const BETWEEN: Duration = Duration::from_millis(20);

/// Follows what other nodes change: switches, designed tables, the ends of grants.
pub(crate) fn follow(life: &Lifecycle, host: &Host) {
    let host = host.clone();
    life.spawn(async move {
        loop {
            tokio::time::sleep(REFRESH).await;
            if let Err(error) = host.refresh_enabled().await {
                tracing::error!("{error:#}");
            }
            if let Err(error) = host.refresh_data().await {
                tracing::error!("{:#}", anyhow::Error::from(error));
            }
            if let Err(error) = host.lapse_grants().await {
                tracing::error!("{:#}", anyhow::Error::from(error));
            }
        }
    });
}

/// Marks the minutes in which people are served.
pub(crate) fn mark(life: &Lifecycle, host: &Host) {
    let host = host.clone();
    life.spawn(async move {
        loop {
            if let Err(fault) = host.mark_minute().await {
                tracing::error!(%fault, "this minute is not marked as one in which the platform is there");
            }
            tokio::time::sleep(MARK).await;
        }
    });
}

/// Shows every plugin as it is saved.
pub(crate) fn watch(life: &Lifecycle, host: &Host) {
    let host = host.clone();
    life.spawn(async move {
        if let Err(error) = host.watch().await {
            tracing::error!("plugins are not watched: {error:#}");
        }
    });
}

/// Events, jobs, the search index, scans and what falls due.
pub(crate) fn work(life: &Lifecycle, host: &Host) {
    life.spawn(kernel_messaging::relay(host.store().clone(), host.clone()));
    life.spawn(keep_time(host.clone()));
    life.spawn(end_what_is_due(host.clone()));
    life.spawn(scan(host.clone()));
    life.spawn(stamp(host.clone()));
    life.spawn(collect(host.clone()));
    life.spawn(watch_readings(host.clone()));
    for lane in [Lane::Any, Lane::Short] {
        life.spawn(run_jobs(host.clone(), lane));
    }
    life.spawn(index(host.clone()));
}

async fn keep_time(host: Host) {
    loop {
        if let Err(fault) = host.run_schedules().await {
            tracing::error!(%fault, "what is due by the clock is not said");
        }
        tokio::time::sleep(CLOCK).await;
    }
}

async fn end_what_is_due(host: Host) {
    loop {
        if let Err(fault) = host.purge_due().await {
            tracing::error!(%fault, "deleted records are not purged");
        }
        if let Err(error) = host.suspend_unused().await {
            tracing::error!("{:#}", anyhow::Error::from(error));
        }
        if let Err(error) = host.end_arrivals().await {
            tracing::error!("{:#}", anyhow::Error::from(error));
        }
        tokio::time::sleep(PURGE).await;
    }
}

async fn scan(host: Host) {
    loop {
        if let Err(fault) = host.scan_waiting().await {
            tracing::error!(%fault, "uploads are not scanned");
        }
        tokio::time::sleep(PURGE).await;
    }
}

async fn stamp(host: Host) {
    loop {
        match host.stamp_waiting().await {
            // There may be more.
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(REFRESH).await,
            Err(fault) => {
                tracing::error!(%fault, "signatures are not stamped");
                tokio::time::sleep(CLOCK).await;
            }
        }
    }
}

async fn watch_readings(host: Host) {
    loop {
        tokio::time::sleep(READINGS).await;
        if let Err(fault) = host.watch_readings().await {
            tracing::error!(code = "reading.not-watched", %fault, "nobody looks who reads more than usual");
        }
    }
}

async fn collect(host: Host) {
    tokio::time::sleep(SETTLE).await;
    loop {
        if let Err(fault) = host.collect_files().await {
            tracing::error!(%fault, "files are not collected");
        }
        if let Err(fault) = host.delete_expired().await {
            tracing::error!(%fault, "records whose time is over are not deleted");
        }
        if let Err(fault) = host.forget_keys().await {
            tracing::error!(%fault, "idempotency keys are not forgotten");
        }
        if let Err(fault) = host.tell_of_validations().await {
            tracing::error!(%fault, "nobody is told of models whose validation ran out");
        }
        if let Err(fault) = host.forget_notices().await {
            tracing::error!(%fault, "notices are not forgotten");
        }
        tokio::time::sleep(COLLECT).await;
    }
}

async fn run_jobs(host: Host, lane: Lane) {
    let mut wake = host.jobs_wake();
    loop {
        match host.run_jobs(lane).await {
            Ok(true) => {}
            Ok(false) => drop(tokio::time::timeout(JOBS, wake.changed()).await),
            Err(fault) => {
                tracing::error!(%fault, "a job does not go on");
                tokio::time::sleep(REFRESH).await;
            }
        }
    }
}

async fn index(host: Host) {
    loop {
        match host.store().index_search().await {
            // Batches take turns with the commits of people.
            Ok(false) => tokio::time::sleep(BETWEEN).await,
            Ok(true) => tokio::time::sleep(REFRESH).await,
            Err(error) => {
                tracing::error!("the search index is not built: {error:#}");
                tokio::time::sleep(REFRESH).await;
            }
        }
    }
}
