//! What a job leaves: who may still open its files, and for how long they and its keys are kept.
//!
//! What is in them is of another collection, whose rights may have changed since. A job stays as it
//! was; its files go after a configured time, and what was refused in it with them.

use kernel_identity::principal::Principal;
use sdk_contract::call::Write;
use sdk_contract::error::{FILE_EXPIRED, Fault, FaultKind};
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::export::plain_of;
use super::run::{Job, Stop};
use super::start::clear_of;
use super::{object, word};
use crate::Host;
use crate::console::{ID, JOB_PARTS, JOBS};
use crate::reads::{ask, readable, storage};
use crate::values::number;

/// Parts that are emptied in one commit.
const AT_ONCE: u32 = 20;
const DAY: i64 = 24 * 3600;

impl Host {
    /// Refuses a job's file to whoever acts for another organisation by now, once it is kept no
    /// longer, and an export to whoever could not make it any more: may not read the collection, or
    /// not in clear what is in clear in it.
    pub(crate) fn may_open_job(
        &self,
        p: &Principal,
        job: &Map<String, Value>,
    ) -> Result<(), Fault> {
        if p.organisation.as_deref() != Some(word(job, "organisation")) {
            return Err(Fault::forbidden("该任务是您代表另一机构发起的"));
        }
        if let Some(gone) = self.files_gone(job) {
            return Err(gone);
        }
        if word(job, "kind") != "export" {
            return Ok(());
        }
        let catalog = self.catalog();
        let now = readable(&catalog, p, word(job, "collection"))?;
        let fields = plain_of(now.collection, job);
        let (then, now) = (word(job, "clear"), clear_of(now.def, p, &fields));
        if !then.is_empty() && then != now {
            let what = format!("您已不能查看其中未脱敏的{then}，请重新导出");
            return Err(Fault::forbidden(what));
        }
        Ok(())
    }

    /// Until when the files of a job can be fetched; none while it is not over.
    pub(crate) fn files_end(&self, job: &Map<String, Value>) -> Option<Timestamp> {
        let known = |name: &str| word(job, name).parse::<Timestamp>().ok();
        let ended = known("ended_at").map(|at| at.plus_seconds(self.kept_for()));
        known("expired_at").into_iter().chain(ended).min()
    }

    /// Says so once that time has passed.
    pub(crate) fn files_gone(&self, job: &Map<String, Value>) -> Option<Fault> {
        let over = self.files_end(job)? <= self.clock().now();
        let days = self.limits().job_file_days;
        let what = format!("任务的文件只保留 {days} 天，现已删除；需要时请重新办理");
        over.then(|| Fault::new(FaultKind::NotFound, FILE_EXPIRED, what))
    }

    /// Seconds for which files are kept once their job is over.
    fn kept_for(&self) -> i64 {
        i64::from(self.limits().job_file_days).saturating_mul(DAY)
    }

    /// Lets go of the files of jobs that are over for so long, which whoever looks for files that
    /// nobody names then removes.
    pub(crate) async fn expire_job_files(&self) -> Result<(), Fault> {
        let now = self.clock().now();
        let last = now.plus_seconds(self.kept_for().saturating_neg());
        let over = Filter::And(vec![
            Filter::Missing {
                field: "expired_at".into(),
            },
            Filter::Range {
                field: "ended_at".into(),
                min: None,
                max: Some(last.to_string().into()),
            },
        ]);
        loop {
            let some = self.jobs(over.clone()).await?;
            if some.is_empty() {
                return Ok(());
            }
            for row in some {
                let mut job = Job::of(self, row);
                self.empty_parts(&mut job).await?;
                let gone = json!({
                    "source": null, "result": null, "errors": null, "expired_at": now.to_string(),
                });
                save(&mut job, gone, Vec::new()).await?;
            }
        }
    }

    /// Forgets idempotency keys that were answered long ago, and says how many. Those of an import that
    /// a node left stay until another has gone on with it: without them, rows would count twice.
    pub async fn forget_keys(&self) -> Result<u64, Fault> {
        let known = i64::from(self.limits().key_hours).saturating_mul(3600);
        let mut before = self.clock().now().plus_seconds(known.saturating_neg());
        let running = Query::new(format!("{ID}.{JOBS}"))
            .filter(Filter::eq("kind", "import"))
            .filter(Filter::eq("status", "running"))
            .sort("started_at", false)
            .limit(1);
        let found = self.store().list(&running, &Self::KERNEL).await;
        if let Some(job) = found.map_err(|e| ask(&e))?.records.first() {
            let began = word(job, "started_at").parse().unwrap_or(before);
            before = before.min(began);
        }
        let forgotten = self.store().forget_keys(before.micros()).await;
        forgotten.map_err(|e| storage(&e))
    }

    /// What was refused is told of no longer either.
    async fn empty_parts(&self, job: &mut Job) -> Result<(), Fault> {
        let mut cursor = Some(String::new());
        while let Some(from) = cursor {
            let query = Query::new(format!("{ID}.{JOB_PARTS}"))
                .filter(Filter::eq("job", job.id()))
                .sort("first", false)
                .after(from, AT_ONCE);
            let found = self.store().find(&query, &Self::KERNEL).await;
            let found = found.map_err(|e| ask(&e))?;
            let full = |part: &&Map<String, Value>| part.get("rows") != Some(&json!([]));
            let empty = |part: &Map<String, Value>| Write::Update {
                collection: JOB_PARTS.into(),
                id: word(part, "id").to_owned(),
                revision: number(part, "revision"),
                values: object(json!({ "rows": [] })),
            };
            let writes: Vec<Write> = found.records.iter().filter(full).map(empty).collect();
            if !writes.is_empty() {
                save(job, json!({}), writes).await?;
            }
            cursor = found.next;
        }
        Ok(())
    }
}

/// Another node may be at it, too: then this one's work is done.
async fn save(job: &mut Job, values: Value, writes: Vec<Write>) -> Result<(), Fault> {
    match job.save(values, writes, Vec::new()).await {
        Ok(()) | Err(Stop::Lost | Stop::Failed(_)) => Ok(()),
        Err(Stop::Later(fault)) => Err(fault),
    }
}
