//! Working on jobs: a worker has one at a time, held by a lease.
//!
//! The lease is the row itself. Whoever takes a job writes a time until when it holds it; each save
//! is an update of the revision it last wrote, so of two nodes that think they hold a job one fails
//! at its next save and stops ([`Stop::Lost`]). Cancelling is such an update too.

use std::collections::BTreeSet;

use kernel_identity::principal::Principal;
use kernel_identity::session::Origin;
use kernel_storage::{AuditDraft, By, Commit, CommitError};
use sdk_contract::call::Write;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::{export, import, object, word};
use crate::Host;
use crate::console::{ID, JOB_PARTS, JOBS};
use crate::dispatch::{commit_fault, draft};
use crate::reads::{ask, chain};
use crate::uploads::{UploadRef, digest};

/// Seconds for which a save holds a job.
const LEASE: i64 = 60;
/// Jobs that are looked at in one round.
const AT_ONCE: u32 = 50;
/// Microseconds between two saves at the most, as far as rows allow.
const BETWEEN: i64 = 1_000_000;
/// Rows between two saves at the most.
const STEP: u64 = 500;
/// Rows of a job that is over soon.
const SHORT: u64 = 1000;

/// Parties that one record of the trail names at most.
const PARTIES: usize = 500;
/// What names the others that an export read.
const MORE_PARTIES: &str = "console.job.exported.parties";

/// Which jobs a worker takes. One lane is kept for short ones, so that long ones never hold them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Any,
    Short,
}

/// Why work on a job ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Somebody else holds it now, or it was cancelled.
    Lost,
    /// It cannot go on; why, for whoever began it.
    Failed(String),
    /// The platform fails now; the job is taken up again when its lease has run out.
    Later(Fault),
}

impl From<Fault> for Stop {
    /// For now, where the platform fails; for good, where what was asked for cannot be.
    fn from(fault: Fault) -> Self {
        if matches!(fault.kind, FaultKind::Unavailable | FaultKind::Internal) {
            return Self::Later(fault);
        }
        let wrong = fault.fields.into_iter().next();
        Self::Failed(wrong.map_or(fault.message, |wrong| wrong.message))
    }
}

pub(super) fn unwritten() -> Stop {
    Stop::Failed("文件不能写成，请缩小范围后再试".to_owned())
}

impl Host {
    /// Works on the lane's oldest job that nobody works on. Says whether there was one.
    pub async fn run_jobs(&self, lane: Lane) -> Result<bool, Fault> {
        // Once a round is enough.
        if lane == Lane::Any {
            self.expire_jobs().await?;
        }
        let Some(mut job) = self.take_job(lane).await? else {
            return Ok(false);
        };
        let done = if job.word("kind") == "import" {
            import::run(&mut job).await
        } else {
            export::run(&mut job).await
        };
        match done {
            Ok(()) | Err(Stop::Lost) => Ok(true),
            Err(Stop::Later(fault)) => Err(fault),
            Err(Stop::Failed(why)) => match job.fail(&why).await {
                Ok(()) | Err(Stop::Lost | Stop::Failed(_)) => Ok(true),
                Err(Stop::Later(fault)) => Err(fault),
            },
        }
    }

    pub(super) async fn jobs(&self, filter: Filter) -> Result<Vec<Map<String, Value>>, Fault> {
        let query = Query::new(format!("{ID}.{JOBS}"))
            .filter(filter)
            .sort("created_at", false)
            .limit(AT_ONCE);
        // One that is not as the platform wrote it is not run, and keeps no other from it.
        let found = self.store().list(&query, &Self::KERNEL).await;
        Ok(found.map_err(|e| ask(&e))?.records)
    }

    async fn take_job(&self, lane: Lane) -> Result<Option<Job>, Fault> {
        let now = self.clock().now();
        let abandoned = Filter::And(vec![
            Filter::eq("status", "running"),
            Filter::Range {
                field: "held_until".into(),
                min: None,
                max: Some(now.to_string().into()),
            },
        ]);
        let mut free = Filter::Or(vec![Filter::eq("status", "queued"), abandoned]);
        if lane == Lane::Short {
            free = Filter::And(vec![
                free,
                Filter::Range {
                    field: "total".into(),
                    min: None,
                    max: Some(SHORT.into()),
                },
            ]);
        }
        for row in self.jobs(free).await? {
            let mut job = Job::of(self, row);
            let mut values = json!({ "status": "running" });
            if job.word("started_at").is_empty()
                && let Some(values) = values.as_object_mut()
            {
                values.insert("started_at".into(), now.to_string().into());
            }
            match job.save(values, Vec::new(), Vec::new()).await {
                Ok(()) => return Ok(Some(job)),
                // Another node was faster.
                Err(Stop::Lost | Stop::Failed(_)) => {}
                Err(Stop::Later(fault)) => return Err(fault),
            }
        }
        Ok(None)
    }
}

/// A job that this node holds.
pub(super) struct Job {
    pub(super) host: Host,
    row: Map<String, Value>,
    saved_at: i64,
}

impl Job {
    pub(super) fn of(host: &Host, row: Map<String, Value>) -> Self {
        Self {
            host: host.clone(),
            row,
            saved_at: host.clock().now().micros(),
        }
    }

    pub(super) fn id(&self) -> &str {
        self.word("id")
    }

    pub(super) fn row(&self) -> &Map<String, Value> {
        &self.row
    }

    pub(super) fn word(&self, name: &str) -> &str {
        word(&self.row, name)
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.row
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    pub(super) fn yes(&self, name: &str) -> bool {
        self.row.get(name) == Some(&Value::Bool(true))
    }

    pub(super) fn value(&self, name: &str) -> Value {
        self.row.get(name).cloned().unwrap_or_default()
    }

    /// Whether it is time to save after so many rows.
    pub(super) fn is_due(&self, rows: u64) -> bool {
        let now = self.host.clock().now().micros();
        rows >= STEP || rows > 0 && now.saturating_sub(self.saved_at) >= BETWEEN
    }

    /// Who began it, as they are now: what was taken from them since is not theirs here either.
    pub(super) async fn person(&self) -> Result<Principal, Stop> {
        let request = format!("job-{}", self.id());
        let origin = Origin {
            request: &request,
            ip: "",
            locale: "zh-CN",
            now: self.host.clock().now().micros(),
        };
        let (user, organisation) = (self.word("created_by"), self.word("organisation"));
        let found = self
            .host
            .sessions()
            .preview(user, organisation, origin)
            .await;
        let found = found.map_err(|error| {
            tracing::error!(error = chain(&error), "an account cannot be read");
            Stop::Later(Fault::internal("账号服务暂时不可用"))
        })?;
        found
            .filter(|p| p.organisation.as_deref() == Some(organisation))
            .ok_or_else(|| Stop::Failed("发起人的账号已停用，或已不在该机构任职".to_owned()))
    }

    /// Saves changes and holds the job on.
    pub(super) async fn save(
        &mut self,
        values: Value,
        more: Vec<Write>,
        audit: Vec<AuditDraft>,
    ) -> Result<(), Stop> {
        let now = self.host.clock().now();
        let mut values = object(values);
        // Those it names from now on.
        let files = values.values().filter_map(digest).map(str::to_owned);
        let files = files.collect();
        let held = now.plus_seconds(LEASE).to_string();
        values.insert("held_until".into(), held.into());
        let revision = self.number("revision");
        let mut writes = vec![Write::Update {
            collection: JOBS.into(),
            id: self.id().to_owned(),
            revision: i64::try_from(revision).unwrap_or_default(),
            values: values.clone(),
        }];
        writes.extend(more);
        let commit = Commit {
            at: now.micros(),
            // On behalf of whoever began it.
            by: By {
                user: self.word("created_by").to_owned(),
                name: self.word("by_name").to_owned(),
                organisation: Some(self.word("organisation").to_owned()),
            },
            request: format!("job-{}", self.id()),
            action: format!("{ID}.job.run"),
            module: ID.into(),
            writes,
            files,
            audit,
            ..Commit::default()
        };
        match self.host.store().commit(commit).await {
            Ok(_) => {
                self.row.extend(values);
                self.row.insert("revision".into(), (revision + 1).into());
                self.saved_at = now.micros();
                Ok(())
            }
            Err(CommitError::Stale { .. } | CommitError::Unexpected { .. }) => Err(Stop::Lost),
            Err(error) => Err(Stop::Later(commit_fault(&error))),
        }
    }

    /// Ends it with a file or two, and with the one record that says what it was. Where `parties`,
    /// whose data it read, are more than one record of the trail holds, others follow it.
    pub(super) async fn finish(
        &mut self,
        person: &Principal,
        changes: Value,
        told: &Value,
        parties: BTreeSet<String>,
    ) -> Result<(), Stop> {
        let parties: Vec<String> = parties.into_iter().collect();
        let mut parts = parties.chunks(PARTIES).map(|p| p.iter().cloned().collect());
        let first = parts.next().unwrap_or_default();
        let mut audit = vec![self.record(person, "ok", told)?.about(&first)];
        let call = self.host.call(person).map_err(Stop::Later)?;
        for more in parts {
            let detail =
                json!({ "collection": self.word("collection"), "trace": self.word("trace") });
            let record = draft(&call, MORE_PARTIES, self.id(), "ok", detail);
            audit.push(record.about(&more));
        }
        let mut values = self.ended("done");
        if let (Some(values), Value::Object(changes)) = (values.as_object_mut(), changes) {
            values.extend(changes);
        }
        self.save(values, Vec::new(), audit).await
    }

    async fn fail(&mut self, why: &str) -> Result<(), Stop> {
        tracing::warn!(job = self.id(), why, "a job failed");
        let person = Principal {
            user: Some(self.word("created_by").to_owned()),
            organisation: Some(self.word("organisation").to_owned()),
            request: format!("job-{}", self.id()),
            ..Principal::anonymous()
        };
        let audit = self.record(&person, "failed", &json!({ "why": why }))?;
        let mut values = self.ended("failed");
        if let Some(values) = values.as_object_mut() {
            let why: String = why.chars().take(500).collect();
            values.insert("why".into(), why.into());
        }
        self.save(values, Vec::new(), vec![audit]).await
    }

    fn ended(&self, status: &str) -> Value {
        json!({ "status": status, "ended_at": self.host.clock().now().to_string() })
    }

    /// The audit record of its end, by whom it was begun.
    fn record(&self, person: &Principal, outcome: &str, told: &Value) -> Result<AuditDraft, Stop> {
        let call = self.host.call(person).map_err(Stop::Later)?;
        let action = format!("{ID}.job.{}ed", self.word("kind"));
        let mut detail = json!({
            "collection": self.word("collection"), "format": self.word("format"),
            "done": self.number("done"), "failed": self.number("failed"),
        });
        if let Some(detail) = detail.as_object_mut() {
            let names = [
                "reason",
                "trace",
                "approved_by",
                "query",
                "fields",
                "project",
                "pseudonyms",
                "tokens",
            ];
            for name in names {
                let value = self.value(name);
                if !value.is_null() && value != "" {
                    detail.insert(name.into(), value);
                }
            }
            detail.extend(told.as_object().cloned().unwrap_or_default());
        }
        Ok(draft(&call, &action, self.id(), outcome, detail))
    }

    /// Keeps a file that the job has made, in its person's name.
    pub(super) async fn keep(
        &self,
        person: &Principal,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<UploadRef, Stop> {
        Ok(self.host.store_upload(person, name, bytes).await?)
    }

    /// What the job's files are called.
    pub(super) fn file_name(&self, what: &str) -> String {
        let at = self.word("created_at").parse::<Timestamp>();
        let day = at.map_or_else(|_| String::new(), |at| at.local_date().to_string());
        let day = day.replace('-', "");
        let id = self.id();
        let short = id.get(id.len().saturating_sub(6)..).unwrap_or_default();
        format!(
            "{}-{what}-{day}-{short}.{}",
            self.word("label"),
            self.word("format")
        )
    }

    /// The next part of what was refused, and where the one after it begins.
    pub(super) async fn part(
        &self,
        cursor: String,
    ) -> Result<(Option<Map<String, Value>>, Option<String>), Stop> {
        let query = Query::new(format!("{ID}.{JOB_PARTS}"))
            .filter(Filter::eq("job", self.id()))
            .sort("first", false)
            .after(cursor, 1);
        let found = self.host.store().find(&query, &Host::KERNEL).await;
        let found = found.map_err(|e| Stop::Later(ask(&e)))?;
        Ok((found.records.into_iter().next(), found.next))
    }
}
