//! An import: every row becomes the input of the creating action, as its person.
//!
//! A row that the action refuses is kept with every fault, in `console.job-parts`, in the same commit
//! as the progress; at the end the refused rows become a file that can be corrected and sent again. So
//! rows in are always rows accepted and rows refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel_identity::principal::Principal;
use sdk_contract::call::Write;
use sdk_contract::def::{ActionDef, ModuleDef};
use sdk_contract::error::{CONFIRM, FaultKind, FieldFault};
use sdk_contract::page::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::columns::{Columns, FAULT_COLUMN, MESSAGE, OWN, ROW, RULE};
use super::read::{self, Cells, Line};
use super::run::{Job, Stop, unwritten};
use super::start::importable;
use super::write::Sheet;
use super::{Format, Misread};
use crate::console::JOB_PARTS;
use crate::dispatch::Act;
use crate::module::new_id;

/// Rows that are read ahead.
const AHEAD: usize = 64;

/// What is wrong with one cell of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wrong {
    column: String,
    rule: String,
    message: String,
}

/// A row by its number, and everything wrong with it.
type RefusedRow = (u64, Vec<Wrong>);

/// What was done since the last save.
#[derive(Default)]
struct Batch {
    accepted: u64,
    refused: Vec<RefusedRow>,
}

impl Batch {
    fn rows(&self) -> u64 {
        self.accepted.saturating_add(self.refused.len() as u64)
    }
}

/// Why a row is not accepted.
enum Refused {
    Row(Vec<Wrong>),
    Stop(Stop),
}

pub(super) async fn run(job: &mut Job) -> Result<(), Stop> {
    let catalog = job.host.catalog();
    let source = job.value("source");
    let digest = source
        .get("digest")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let bytes = job.host.upload(digest).await?;
    let bytes = Arc::new(bytes);
    let format = Format::parse(job.word("format")).unwrap_or(Format::Csv);
    let mut person = job.person().await?;
    let of = job.word("collection").to_owned();
    let (installed, _, action) = importable(&catalog, &person, &of)?;
    let plan = Plan {
        def: &installed.def,
        action,
    };
    let skip = job.number("done") + job.number("failed");
    let (mut seen, mut batch) = (0, Batch::default());
    let mut rows = ahead(Arc::clone(&bytes), format);
    let mut columns: Option<Columns<'_>> = None;
    while let Some(line) = rows.recv().await {
        if columns.is_none() {
            let read = Columns::read(plan.def, plan.action, &line);
            columns = Some(read.map_err(|Misread(why)| Stop::Failed(why))?);
        }
        let Some(columns) = columns.as_ref().filter(|c| !c.is_head(&line)) else {
            continue;
        };
        seen += 1;
        if seen <= skip {
            continue;
        }
        match plan.one(job, &person, columns, &line).await {
            Ok(()) => batch.accepted += 1,
            Err(Refused::Row(wrong)) => batch.refused.push((line.number, wrong)),
            Err(Refused::Stop(stop)) => return Err(stop),
        }
        if job.is_due(batch.rows()) {
            save(job, std::mem::take(&mut batch)).await?;
            person = job.person().await?;
            importable(&job.host.catalog(), &person, &of)?;
        }
    }
    if batch.rows() > 0 {
        save(job, batch).await?;
    }
    if seen != job.number("total") {
        return Err(unread());
    }
    let mut files = json!({});
    if job.number("failed") > 0
        && let Some(columns) = &columns
    {
        let (sheet, why) = returned(job, columns, format, bytes).await?;
        // Its rows are in, whether or not those that are not can be given back.
        files = match job.keep(&person, &job.file_name("退回"), sheet).await {
            Ok(kept) => json!({ "errors": kept, "why": why }),
            Err(Stop::Failed(why)) => json!({ "why": format!("退回文件不能保存：{why}") }),
            Err(stop) => return Err(stop),
        };
    }
    let told = json!({ "source": digest, "dry": job.yes("dry") });
    job.finish(&person, files, &told, BTreeSet::new()).await
}

fn unread() -> Stop {
    Stop::Failed("文件没有读完，请重新上传".to_owned())
}

/// The rows, read on a thread of their own as they are wanted.
fn ahead(bytes: Arc<Vec<u8>>, format: Format) -> mpsc::Receiver<Line> {
    let (send, rows) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let read = read::lines(&bytes, format, &mut |line| send.blocking_send(line).is_ok());
        if let Err(Misread(why)) = read {
            tracing::error!(why, "a file that could be read cannot be read now");
        }
    });
    rows
}

/// The one way in for every row.
struct Plan<'a> {
    def: &'a ModuleDef,
    action: &'a ActionDef,
}

impl Plan<'_> {
    async fn one(
        &self,
        job: &Job,
        person: &Principal,
        columns: &Columns<'_>,
        line: &Line,
    ) -> Result<(), Refused> {
        let row = |faults: Vec<FieldFault>| Refused::Row(wrong(columns, faults));
        let input = columns.input(line).map_err(row)?;
        let confirm = job.yes("confirm");
        if job.yes("dry") {
            let checked =
                sdk_contract::input::check(&self.action.input, &self.def.choices, input, &[]);
            let doubts = checked.map_err(row)?.doubts;
            return if doubts.is_empty() || confirm {
                Ok(())
            } else {
                Err(row(doubts))
            };
        }
        let mut act = Act {
            module: self.def.id.clone(),
            action: self.action.name.clone(),
            id: None,
            input: Value::Object(input),
            key: Some(format!("import-{}-{}", job.id(), line.number)),
            confirmed: Vec::new(),
            ..Act::default()
        };
        let mut done = job.host.act(person, act.clone()).await;
        if confirm
            && let Err(fault) = &done
            && fault.code == CONFIRM
        {
            act.confirmed = fault.fields.iter().map(|f| f.field.clone()).collect();
            done = job.host.act(person, act).await;
        }
        match done {
            Ok(reply) => match reply.outcome {
                Some(Outcome::Faults { faults }) => Err(row(faults)),
                _ => Ok(()),
            },
            Err(fault) if fault.kind == FaultKind::Unavailable => {
                Err(Refused::Stop(Stop::Later(fault)))
            }
            Err(fault) if fault.fields.is_empty() => Err(Refused::Row(vec![Wrong {
                column: columns.called("row"),
                rule: fault.code,
                message: fault.message,
            }])),
            Err(fault) => Err(row(fault.fields)),
        }
    }
}

fn wrong(columns: &Columns<'_>, faults: Vec<FieldFault>) -> Vec<Wrong> {
    let wrong = |fault: FieldFault| Wrong {
        column: columns.called(&fault.field),
        rule: fault.code,
        message: fault.message,
    };
    faults.into_iter().map(wrong).collect()
}

async fn save(job: &mut Job, batch: Batch) -> Result<(), Stop> {
    let values = json!({
        "done": job.number("done") + batch.accepted,
        "failed": job.number("failed") + batch.refused.len() as u64,
    });
    let mut more = Vec::new();
    if let Some((first, _)) = batch.refused.first() {
        let mut part = Map::new();
        part.insert("job".into(), job.id().into());
        part.insert("first".into(), (*first).into());
        part.insert("rows".into(), json!(batch.refused));
        more.push(Write::Insert {
            collection: JOB_PARTS.into(),
            id: new_id(job.host.clock().now()).map_err(Stop::Later)?,
            subject: None,
            organisation: Some(job.word("organisation").to_owned()),
            district: None,
            values: part,
        });
    }
    job.save(values, more, Vec::new()).await
}

/// The refused rows as they came, each with what is wrong with it, and a word where they are more than a
/// file holds.
async fn returned(
    job: &Job,
    columns: &Columns<'_>,
    format: Format,
    bytes: Arc<Vec<u8>>,
) -> Result<(Vec<u8>, Option<String>), Stop> {
    let mut sheet = Sheet::new(format);
    if format != Format::Jsonl {
        let added = [ROW, FAULT_COLUMN, RULE, MESSAGE].map(str::to_owned);
        let own = columns.own(&columns.header);
        sheet.cells(&[own, added.to_vec()].concat());
    }
    let mut rows = ahead(bytes, format);
    let mut refused = RefusedRows::of(job);
    let mut why = None;
    while let Some((number, wrong)) = refused.next().await? {
        let line = loop {
            let line = rows.recv().await.ok_or_else(unread)?;
            if line.number == number {
                break line;
            }
        };
        give_back(&mut sheet, columns, line, &wrong);
        if sheet.is_full() {
            let what = "退回的行过多，退回文件到第";
            why = Some(format!("{what} {number} 行为止，其后退回的行不在其中"));
            break;
        }
    }
    Ok((sheet.finish().ok_or_else(unwritten)?, why))
}

/// The refused rows in their order, a part of them in memory at a time.
struct RefusedRows<'j> {
    job: &'j Job,
    /// Where the next part begins; none after the last.
    cursor: Option<String>,
    part: std::vec::IntoIter<RefusedRow>,
}

impl<'j> RefusedRows<'j> {
    fn of(job: &'j Job) -> Self {
        Self {
            job,
            cursor: Some(String::new()),
            part: Vec::new().into_iter(),
        }
    }

    async fn next(&mut self) -> Result<Option<RefusedRow>, Stop> {
        loop {
            if let Some(row) = self.part.next() {
                return Ok(Some(row));
            }
            let Some(cursor) = self.cursor.take() else {
                return Ok(None);
            };
            let (part, next) = self.job.part(cursor).await?;
            self.cursor = next;
            let rows = part.and_then(|mut part| part.remove("rows"));
            let rows: Vec<RefusedRow> = serde_json::from_value(rows.unwrap_or_else(|| json!([])))
                .map_err(|_| Stop::Failed("退回的行已损坏".to_owned()))?;
            self.part = rows.into_iter();
        }
    }
}

fn give_back(sheet: &mut Sheet, columns: &Columns<'_>, line: Line, wrong: &[Wrong]) {
    let all = |part: fn(&Wrong) -> &str| wrong.iter().map(part).collect::<Vec<_>>().join("；");
    let mut map = match line.cells {
        Cells::Listed(cells) => {
            let mut row = columns.own(&cells);
            row.extend([
                line.number.to_string(),
                all(|w| &w.column),
                all(|w| &w.rule),
                all(|w| &w.message),
            ]);
            sheet.cells(&row);
            return;
        }
        Cells::Named(map) => map,
        Cells::Broken(text) => Map::from_iter([(format!("{OWN}text"), text.into())]),
    };
    map.retain(|key, _| !key.starts_with(OWN) || key.ends_with("text"));
    map.insert(format!("{OWN}row"), line.number.into());
    map.insert(format!("{OWN}faults"), json!(wrong));
    sheet.object(&map);
}
