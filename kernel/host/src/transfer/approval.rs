//! Exports that another person approves first. The request has the job's id, and whatever is decided
//! about it moves the job in the same commit.

use kernel_identity::history::Deed;
use kernel_identity::module::{MODULE, REQUESTS};
use kernel_identity::two_person::{self, Verdict};
use sdk_contract::call::Write;
use sdk_contract::def::ModuleDef;
use sdk_contract::error::Fault;
use sdk_contract::query::Filter;
use serde_json::{Map, Value, json};

use super::run::{Job, Stop};
use super::{object, word};
use crate::Host;
use crate::console::{ID, JOBS};
use crate::module::Call;
use crate::values::number;

/// What an approved request lets happen.
pub(crate) const DEED: &str = "export";

impl Host {
    /// What goes with writes of the console or of the platform in the same commit: an export that waits
    /// asks for its approval, one that is cancelled meanwhile takes the question back, and a decision
    /// lets it begin or ends it.
    pub(crate) async fn job_requests(
        &self,
        call: &Call,
        def: &ModuleDef,
        writes: &[Write],
        record: Option<&Map<String, Value>>,
    ) -> Result<Vec<(String, Write)>, Fault> {
        let mut others = Vec::new();
        for write in writes {
            let beside = match (def.id.as_str(), write) {
                (
                    ID,
                    Write::Insert {
                        collection,
                        id,
                        organisation,
                        values,
                        ..
                    },
                ) if collection == JOBS && word(values, "status") == "waiting" => {
                    let question = self.question(call, id, organisation.as_deref(), values)?;
                    Some((MODULE, question))
                }
                (ID, Write::Update { collection, id, .. })
                    if collection == JOBS && record.is_some_and(waits) =>
                {
                    let request = self.request(id).await?.filter(|r| r.pending);
                    let deed = deed(call, "");
                    request.map(|r| (MODULE, r.decided(Verdict::Withdrawn, deed)))
                }
                (
                    MODULE,
                    Write::Update {
                        collection,
                        id,
                        values,
                        ..
                    },
                ) if collection == REQUESTS && record.is_some_and(|r| word(r, "deed") == DEED) => {
                    let job = self.kept(ID, JOBS, id).await?.filter(waits);
                    job.map(|job| (ID, decided(call, &job, values)))
                }
                _ => None,
            };
            others.extend(beside.map(|(module, write)| (module.to_owned(), write)));
        }
        Ok(others)
    }

    fn question(
        &self,
        call: &Call,
        job: &str,
        organisation: Option<&str>,
        values: &Map<String, Value>,
    ) -> Result<Write, Fault> {
        let total = values.get("total").and_then(Value::as_u64);
        let clear = match word(values, "clear") {
            "" => String::new(),
            fields => format!("，含敏感信息：{fields}"),
        };
        let replaced = match word(values, "replaced") {
            "" => String::new(),
            words => format!("，{words}"),
        };
        let label = word(values, "label");
        let what = two_person::Ask {
            deed: DEED,
            title: format!(
                "导出{label} {} 条{clear}{replaced}",
                total.unwrap_or_default()
            ),
            payload: json!({ "job": job }),
            organisation,
            beneficiary: None,
        };
        let hours = self.sessions().request_hours();
        let asked = two_person::ask(deed(call, word(values, "reason")), &what, hours);
        let (_, mut write) = asked.map_err(|_| Fault::internal("随机数服务不可用"))?;
        if let Write::Insert { id, .. } = &mut write {
            job.clone_into(id);
        }
        Ok(write)
    }

    /// Cancels the exports about which nobody decided in time.
    pub(super) async fn expire_jobs(&self) -> Result<(), Fault> {
        let now = self.clock().now();
        let hours = self.sessions().request_hours();
        let last = now.plus_seconds(hours.saturating_mul(-3_600));
        let expired = Filter::And(vec![
            Filter::eq("status", "waiting"),
            Filter::Range {
                field: "created_at".into(),
                min: None,
                max: Some(last.to_string().into()),
            },
        ]);
        for row in self.jobs(expired).await? {
            let mut job = Job::of(self, row);
            let values = json!({
                "status": "cancelled", "why": "复核期限已过，未获同意", "ended_at": now.to_string(),
            });
            match job.save(values, Vec::new(), Vec::new()).await {
                Ok(()) | Err(Stop::Lost | Stop::Failed(_)) => {}
                Err(Stop::Later(fault)) => return Err(fault),
            }
        }
        Ok(())
    }
}

fn waits(job: &Map<String, Value>) -> bool {
    word(job, "status") == "waiting"
}

/// What a decision, as it is written, does to the job.
fn decided(call: &Call, job: &Map<String, Value>, decision: &Map<String, Value>) -> Write {
    let by = call.principal.name.as_str();
    let cancelled = |why: String| {
        let ended = call.now.to_string();
        json!({ "status": "cancelled", "why": why, "ended_at": ended })
    };
    let values = match word(decision, "status") {
        "approved" => json!({ "status": "queued", "approved_by": by }),
        "refused" => cancelled(format!("{by}未同意：{}", word(decision, "verdict"))),
        _ => cancelled("申请已撤回".to_owned()),
    };
    Write::Update {
        collection: JOBS.into(),
        id: word(job, "id").to_owned(),
        revision: number(job, "revision"),
        values: object(values),
    }
}

fn deed<'a>(call: &'a Call, reason: &'a str) -> Deed<'a> {
    Deed {
        by: &call.principal,
        now: call.now.micros(),
        reason,
        approved_by: None,
    }
}
