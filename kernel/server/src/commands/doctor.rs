//! `rongqiao doctor`

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kernel_crypto::keys::SignKey;
use kernel_crypto::sm3;
use kernel_host::timestamps::LATE;
use kernel_storage::{BlobState, Content, QueryError, RowFilter, Survey};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::say;
use crate::wire::Place;
use crate::{config, wire};

/// Less free space than this is a warning: a full disk refuses every write.
const FREE: u64 = 1 << 30;

/// A collector that lags by more records than this is not only catching up.
const BEHIND: u64 = 1_000;
const COLLECTORS: &str = "console.collectors";
const TIMESTAMPS: &str = "platform.timestamps";

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    place: Place,
    /// One JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether no check failed.
    ok: bool,
    version: &'static str,
    engine: &'static str,
    /// Rows and digest of each collection, `<module>.<collection>`.
    collections: BTreeMap<String, Content>,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// In one line.
    says: String,
    detail: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

impl Doctor {
    pub(super) async fn run(self) -> Result<()> {
        let ground = wire::open_reading(&self.place).await?;
        let store = &ground.store;
        let seen = store.survey().await.context("a collection does not read")?;
        let checks = vec![
            schema(&ground).await,
            integrity(&ground).await,
            codes(&ground).await,
            audit(&ground).await,
            collectors(&ground).await,
            stamps(&ground).await,
            outbox(&ground).await,
            search(&ground).await,
            blobs(&ground, &seen).await,
            keys(&ground),
            disk(&self.place.data),
        ];
        let report = Report {
            ok: checks.iter().all(|check| check.state != State::Failed),
            version: env!("CARGO_PKG_VERSION"),
            engine: store.engine().name(),
            collections: seen.collections,
            checks,
        };
        store.close().await;
        if self.json {
            say(serde_json::to_string_pretty(&report)?);
        } else {
            report.print();
        }
        if !report.ok {
            bail!("something is wrong: see the failed checks");
        }
        Ok(())
    }
}

impl Report {
    fn print(&self) {
        for check in &self.checks {
            let state = match check.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "FAILED",
            };
            say(format!("{state:<8} {:<10} {}", check.name, check.says));
        }
        for (name, content) in &self.collections {
            say(format!("{:>10}  {}  {name}", content.rows, content.digest));
        }
    }
}

impl Check {
    fn new(name: &'static str, state: State, says: impl Into<String>, detail: Value) -> Self {
        Self {
            name,
            state,
            says: says.into(),
            detail,
        }
    }

    /// A check that could not be made has failed.
    fn failed(name: &'static str, error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        Self::new(name, State::Failed, format!("{error:#}"), Value::Null)
    }
}

/// The search index is made of the records: one that is missing or partial is a delay, no loss.
async fn search(ground: &wire::Opened) -> Check {
    let name = "search";
    match ground.store.search_state().await {
        Err(error) => Check::failed(name, error),
        Ok(found) => {
            let (ready, waiting) = (found.ready.len(), found.waiting.len());
            let (state, says) = if waiting == 0 {
                (State::Ok, format!("{ready} search fields are indexed"))
            } else {
                let says = format!("{waiting} search fields are indexed while the platform serves");
                (State::Warning, says)
            };
            Check::new(name, state, says, json!(found))
        }
    }
}

async fn schema(ground: &wire::Opened) -> Check {
    let name = "schema";
    match ground.store.schema_state().await {
        Err(error) => Check::failed(name, error),
        Ok(found) => {
            let (state, says) = if !found.differences.is_empty() {
                (State::Failed, found.differences.join(" "))
            } else if found.applied < found.known {
                (
                    State::Warning,
                    "older than this build: it migrates when it serves".to_owned(),
                )
            } else {
                let (modules, applied) = (found.modules.len(), found.applied);
                (
                    State::Ok,
                    format!("{applied} migrations, {modules} modules"),
                )
            };
            Check::new(name, state, says, json!(found))
        }
    }
}

async fn integrity(ground: &wire::Opened) -> Check {
    let name = "integrity";
    match ground.store.integrity().await {
        Err(error) => Check::failed(name, error),
        Ok(found) if found.is_empty() => Check::new(name, State::Ok, "no fault found", json!([])),
        Ok(found) => {
            // PostgreSQL without checksums is a choice; a damaged SQLite file is a loss.
            let state = match ground.store.engine() {
                kernel_storage::Engine::Sqlite => State::Failed,
                kernel_storage::Engine::Postgres => State::Warning,
            };
            Check::new(name, state, found.join("; "), json!(found))
        }
    }
}

/// Holds every record of the attested collections against its code and its history.
async fn codes(ground: &wire::Opened) -> Check {
    let name = "codes";
    match ground.store.sweep().await {
        Err(error) => Check::failed(name, error),
        Ok(swept) => {
            let (records, wrong) = (swept.records, swept.wrong);
            let state = if wrong == 0 { State::Ok } else { State::Failed };
            let collections = swept.collections;
            let mut says = vec![format!(
                "{records} records of {collections} collections have codes, \
                 {wrong} are not as they were written"
            )];
            let found = swept.found.iter();
            says.extend(found.map(|f| format!("{} {}: {:?}", f.collection, f.id, f.finding)));
            let says = says.join("; ");
            Check::new(name, state, says, json!(swept))
        }
    }
}

async fn audit(ground: &wire::Opened) -> Check {
    let name = "audit";
    let head = match ground.store.audit_head().await {
        Ok(head) => head,
        Err(error) => return Check::failed(name, error),
    };
    match ground.store.audit_verify().await {
        Err(error) => Check::failed(name, error),
        Ok(records) => {
            let says = format!("{records} records hold, signed to {}", head.signed);
            Check::new(name, State::Ok, says, json!(head))
        }
    }
}

/// How far each collector has the trail. One that lags stays on the list when it is no more configured:
/// whoever took it out knows why.
async fn collectors(ground: &wire::Opened) -> Check {
    let name = "collectors";
    let head = match ground.store.audit_head().await {
        Ok(head) => head.records,
        Err(error) => return Check::failed(name, error),
    };
    let query = Query::new(COLLECTORS).limit(MAX_LIMIT);
    let found = match ground.store.find(&query, &RowFilter::All).await {
        Ok(found) => found.records,
        // A database of before.
        Err(QueryError::UnknownCollection(_)) => Vec::new(),
        Err(error) => return Check::failed(name, error),
    };
    let (mut state, mut says, mut detail) = (State::Ok, Vec::new(), Vec::new());
    for row in &found {
        let address = row
            .get("address")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let has = row
            .get("number")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let behind = head.saturating_sub(has);
        if behind > BEHIND {
            state = State::Warning;
        }
        says.push(format!("{address} has record {has}, {behind} behind"));
        detail.push(json!({ "address": address, "number": has, "behind": behind }));
    }
    let says = if says.is_empty() {
        "the audit trail is handed on to nobody".to_owned()
    } else {
        says.join("; ")
    };
    Check::new(name, state, says, json!(detail))
}

/// Signatures that wait for a time stamp, and whether one waits too long.
async fn stamps(ground: &wire::Opened) -> Check {
    let waiting = Filter::Not(Box::new(Filter::Missing {
        field: "due_at".into(),
    }));
    let query = Query::new(TIMESTAMPS)
        .filter(waiting)
        .sort("created_at", false)
        .page(1, 1);
    match ground.store.find(&query, &RowFilter::All).await {
        Ok(found) => {
            let waiting = found.total.unwrap_or_default();
            let oldest = found.records.first();
            let since = oldest.and_then(|row| row.get("created_at")?.as_str());
            stamps_say(waiting, since, wire::now())
        }
        // A database of before.
        Err(QueryError::UnknownCollection(_)) => stamps_say(0, None, wire::now()),
        Err(error) => Check::failed("stamps", error),
    }
}

fn stamps_say(waiting: u64, since: Option<&str>, now: i64) -> Check {
    let began = since.and_then(|since| since.parse::<Timestamp>().ok());
    let late = began.is_some_and(|began| now.saturating_sub(began.micros()) > LATE);
    let state = if late { State::Warning } else { State::Ok };
    let says = match since {
        Some(since) => {
            format!("{waiting} signatures wait for a time stamp, the first since {since}")
        }
        None => "no signature waits for a time stamp".to_owned(),
    };
    let detail = json!({ "waiting": waiting, "since": since });
    Check::new("stamps", state, says, detail)
}

async fn outbox(ground: &wire::Opened) -> Check {
    let name = "outbox";
    match ground.store.outbox_state().await {
        Err(error) => Check::failed(name, error),
        Ok(found) => {
            let state = if found.dead > 0 {
                State::Warning
            } else {
                State::Ok
            };
            let says = format!("{} waiting, {} given up", found.waiting, found.dead);
            Check::new(name, state, says, json!(found))
        }
    }
}

/// What is wrong with the blobs, and what lies there.
#[derive(Debug, Default, Serialize)]
struct Blobs {
    /// Copies that are listed, each of one owner.
    all: usize,
    /// Digests that a record names and that nobody has.
    missing: Vec<String>,
    /// Places that do not open, or hold other bytes than listed.
    unreadable: Vec<String>,
    /// Copies that no record names: uploads that nobody has used yet, and what is collected next.
    unnamed: usize,
    /// Files that are not listed: what a killed server left, collected later.
    orphans: usize,
    /// Copies that have yet to be scanned.
    waiting: usize,
    /// Copies that a scan found something in.
    quarantined: usize,
}

/// Opens every blob and compares them with what is listed and with what records name.
async fn blobs(ground: &wire::Opened, seen: &Survey) -> Check {
    let name = "blobs";
    if let Ok(schema) = ground.store.schema_state().await
        && schema.applied < schema.known
    {
        let says = "they are listed once the database is migrated";
        return Check::new(name, State::Warning, says, Value::Null);
    }
    match examine(ground, seen).await {
        Err(error) => Check::failed(name, error),
        Ok(found) => {
            let state = if !found.unreadable.is_empty() || !found.missing.is_empty() {
                State::Failed
            } else if found.quarantined > 0 || found.waiting > 0 {
                State::Warning
            } else {
                State::Ok
            };
            let says = format!(
                "{} blobs, {} missing, {} unreadable, {} named by no record, {} not listed, \
                 {} to be scanned, {} quarantined",
                found.all,
                found.missing.len(),
                found.unreadable.len(),
                found.unnamed,
                found.orphans,
                found.waiting,
                found.quarantined
            );
            Check::new(name, state, says, json!(found))
        }
    }
}

async fn examine(ground: &wire::Opened, seen: &Survey) -> Result<Blobs> {
    let mut found = Blobs::default();
    let mut places: BTreeSet<String> = ground.blobs.places().await?.into_iter().collect();
    let mut listed = BTreeSet::new();
    let mut after = (String::new(), String::new());
    loop {
        let some = ground.store.all_blobs((&after.0, &after.1)).await?;
        let Some(last) = some.last() else { break };
        after = (last.digest.clone(), last.owner.clone());
        for blob in some {
            places.remove(&blob.place);
            found.all += 1;
            found.unnamed += usize::from(!seen.digests.contains(&blob.digest));
            found.waiting += usize::from(blob.state == BlobState::Waiting);
            found.quarantined += usize::from(blob.state == BlobState::Quarantined);
            match ground.blobs.get(&blob.place).await {
                Ok(Some(bytes)) if sm3::digest(&bytes).to_string() == blob.digest => {
                    listed.insert(blob.digest);
                }
                // Without its file it is nothing; it counts where a record names it.
                Ok(None) => {}
                Ok(Some(_)) => found.unreadable.push(blob.place),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a blob");
                    found.unreadable.push(blob.place);
                }
            }
        }
    }
    found.orphans = places.len();
    found.missing = seen.files.difference(&listed).cloned().collect();
    Ok(found)
}

fn keys(ground: &wire::Opened) -> Check {
    let name = "keys";
    let guarded = config::passphrase().is_some();
    let fingerprint = ground.keys.verifying_key(SignKey::Audit).fingerprint();
    let detail = json!({ "passphrase": guarded, "audit": fingerprint.to_string() });
    if guarded {
        Check::new(name, State::Ok, "the key ring opens", detail)
    } else {
        let says = "the key ring opens without a passphrase: for development only";
        Check::new(name, State::Warning, says, detail)
    }
}

fn disk(data: &Path) -> Check {
    let name = "disk";
    match rustix::fs::statvfs(data) {
        Err(error) => Check::failed(name, std::io::Error::from(error)),
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let total = found.f_blocks.saturating_mul(found.f_frsize);
            let state = if free < FREE {
                State::Warning
            } else {
                State::Ok
            };
            let says = format!("{} MiB free of {}", free >> 20, total >> 20);
            Check::new(name, state, says, json!({ "free": free, "total": total }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stamp_is_late_after_an_hour() {
        let now = 1_795_420_800_000_000;
        let since = |seconds: i64| Timestamp(now - seconds * 1_000_000).to_string();
        let state = |seconds| stamps_say(2, Some(&since(seconds)), now).state;
        assert_eq!(state(3_600), State::Ok);
        assert_eq!(state(3_601), State::Warning);
        assert_eq!(stamps_say(0, None, now).state, State::Ok);
    }
}
