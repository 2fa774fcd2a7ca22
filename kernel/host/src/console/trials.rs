//! Scoring a whole file in the background, with progress.

use std::sync::Arc;

use kernel_storage::{CollectionName, Commit};
use sdk_contract::call::{Reply, Write};
use sdk_contract::error::Fault;
use serde_json::{Map, Value, json};

use super::models::{file, wrong_file};
use super::{ID, go, record};
use crate::Host;
use crate::dispatch::by;
use crate::models::Admitted;
use crate::models::batch::{self, BatchError, Rows};
use crate::module::{Call, Input, new_id};
use crate::reads::chain;
use crate::values::{number, object, word};

pub(super) async fn start(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let row = record(input)?;
    let upload = file(input)?;
    let bytes = host.upload(&upload.digest).await?;
    let model = host.admitted_digest(word(row, "digest")).await?;
    let rows = batch::read(&model.def, bytes.as_slice()).map_err(|e| wrong_file(sentence(&e)))?;
    let id = new_id(call.now)?;
    let write = Write::Insert {
        collection: "trials".into(),
        id: id.clone(),
        subject: None,
        organisation: row
            .get("organisation")
            .and_then(Value::as_str)
            .map(str::to_owned),
        district: None,
        values: object(json!({
            "file_name": upload.name, "model": row.get("id"), "status": "running",
            "total": rows.bad.len(), "done": 0, "refused": rows.refused.len(),
        })),
    };
    let trial = Trial {
        host: host.clone(),
        call: call.clone(),
        id: id.clone(),
    };
    host.tasks().spawn(trial.run(model, rows));
    let reply = go(
        format!("/console/trials/{id}"),
        "已开始试算",
        json!({ "id": id }),
    );
    Ok(Reply {
        writes: vec![write],
        ..reply
    })
}

fn sentence(error: &BatchError) -> String {
    match error {
        BatchError::Csv(e) => format!("文件不是带表头的 CSV：{e}"),
        BatchError::NoFeatures(names) => format!("表头中没有模型所需的列，需要：{names}"),
        BatchError::TooManyRows => format!("最多 {} 行", batch::MAX_ROWS),
        BatchError::Empty => "文件没有数据行".into(),
        BatchError::Model(e) => chain(e),
    }
}

struct Trial {
    host: Host,
    call: Call,
    id: String,
}

impl Trial {
    /// Scores chunk by chunk, keeping the progress; a failure ends up in the row, in words.
    async fn run(self, model: Arc<Admitted>, rows: Rows) {
        let ended = match self.score(&model, &rows).await {
            Ok(changes) => self.change(changes).await,
            Err(error) => {
                tracing::warn!(trial = %self.id, error = chain(&error), "a trial failed");
                self.change(json!({ "status": "failed", "why": sentence(&error) }))
                    .await
            }
        };
        if let Err(fault) = ended {
            tracing::error!(trial = %self.id, %fault, "a trial's end cannot be kept");
        }
    }

    async fn score(&self, model: &Arc<Admitted>, rows: &Rows) -> Result<Value, BatchError> {
        let mut run = batch::Run::new(self.host.models(), model, rows);
        let mut last = 0;
        while let Some(done) = run.step().await? {
            last = done;
            if let Err(fault) = self.change(json!({ "done": done })).await {
                tracing::warn!(trial = %self.id, %fault, "progress not kept");
            }
        }
        let scores = run.scores();
        let quality = batch::judge(&scores, &rows.bad).map(|quality| batch::Quality {
            spread: batch::spread(&model.def, &scores),
            ..quality
        });
        Ok(json!({ "status": "done", "done": last, "quality": quality }))
    }

    async fn change(&self, changes: Value) -> Result<(), Fault> {
        let host = &self.host;
        let name = CollectionName::new(ID, "trials");
        // The trial's own row may not be committed yet: its action commits after it returns.
        for _ in 0..200 {
            let row: Option<Map<String, Value>> = host
                .store()
                .get(&name, &self.id, &Host::KERNEL)
                .await
                .map_err(|e| crate::reads::ask(&e))?;
            let Some(row) = row else {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            let commit = Commit {
                at: host.clock().now().micros(),
                by: by(&self.call.principal),
                request: self.call.principal.request.clone(),
                module: ID.into(),
                writes: vec![Write::Update {
                    collection: "trials".into(),
                    id: self.id.clone(),
                    revision: number(&row, "revision"),
                    values: object(changes),
                }],
                ..Commit::default()
            };
            return host
                .store()
                .commit(commit)
                .await
                .map(|_| ())
                .map_err(|e| crate::dispatch::commit_fault(&e));
        }
        Err(Fault::not_found())
    }
}
