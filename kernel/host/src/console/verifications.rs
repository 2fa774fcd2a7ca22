//! Verifying the whole audit trail from the console, in the background, for a long trail takes minutes.

use std::time::Duration;

use kernel_storage::{AuditFault, CollectionName, Commit};
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::error::Fault;
use sdk_contract::page::{Action, Block, Column, Datum, Page, Row, Table};
use sdk_contract::query::Query;
use serde_json::{Map, Value, json};

use super::pages::{PAGE, bench, may, page_number};
use super::{ID, declare, go};
use crate::Host;
use crate::dispatch::{by, commit_fault, draft};
use crate::module::{Call, new_id};
use crate::reads::{ask as ask_fault, chain, storage};
use crate::values::{number, object, word};

/// Name of the collection.
pub(super) const VERIFICATIONS: &str = "verifications";
pub(super) const PATH: &str = "/console/verifications";
/// What its end is called in the trail.
const END: &str = "console.verification.end";
/// Seconds between two looks at one that is not over.
const REFRESH: u16 = 2;
/// Between two looks for the row that the action commits after it has begun the work, and how many.
const BREATH: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;

pub(super) fn start(host: &Host, call: &Call) -> Result<Reply, Fault> {
    let id = new_id(call.now)?;
    let write = Write::Insert {
        collection: VERIFICATIONS.into(),
        id: id.clone(),
        subject: None,
        organisation: None,
        district: None,
        values: object(json!({ "status": "running", "by_name": call.principal.name })),
    };
    let work = run(host.clone(), call.clone(), id.clone());
    host.tasks().spawn(async move {
        if let Err(fault) = work.await {
            tracing::error!(%fault, "the end of a verification cannot be kept");
        }
    });
    Ok(Reply {
        writes: vec![write],
        ..go(PATH.into(), "已开始核验", json!({ "id": id }))
    })
}

async fn run(host: Host, call: Call, id: String) -> Result<(), Fault> {
    let revision = revision(&host, &id).await?;
    let signed = host.store().audit_head().await;
    let signed = signed.map_err(|e| storage(&e))?.signed;
    let (outcome, found) = match host.store().audit_verify().await {
        Ok(records) => (
            "ok",
            json!({ "status": "holds", "records": records, "signed": signed }),
        ),
        Err(AuditFault::Broken(at)) => {
            tracing::error!(code = "audit.broken", "the audit trail does not hold: {at}");
            let why = at.to_string();
            ("broken", json!({ "status": "broken", "why": why }))
        }
        Err(AuditFault::Storage(error)) => {
            tracing::error!(error = chain(&error), "the audit trail cannot be verified");
            let why = "数据库暂时不可用，请稍后再试";
            ("failed", json!({ "status": "failed", "why": why }))
        }
    };
    let now = host.clock().now();
    let mut values = object(found.clone());
    values.insert("ended_at".into(), json!(now.to_string()));
    let ended = Call { now, ..call };
    let commit = Commit {
        at: now.micros(),
        by: by(&ended.principal),
        request: ended.principal.request.clone(),
        action: END.into(),
        module: ID.into(),
        writes: vec![Write::Update {
            collection: VERIFICATIONS.into(),
            id: id.clone(),
            revision,
            values,
        }],
        audit: vec![draft(&ended, END, &id, outcome, found)],
        ..Commit::default()
    };
    let done = host.store().commit(commit).await;
    done.map(drop).map_err(|e| commit_fault(&e))
}

/// Of the row, once the action that began the work has committed.
async fn revision(host: &Host, id: &str) -> Result<i64, Fault> {
    let name = CollectionName::new(ID, VERIFICATIONS);
    for _ in 0..LOOKS {
        let row = host.store().get(&name, id, &Host::KERNEL).await;
        if let Some(row) = row.map_err(|e| ask_fault(&e))? {
            return Ok(number(&row, "revision"));
        }
        tokio::time::sleep(BREATH).await;
    }
    Err(Fault::not_found())
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let at = page_number(ask);
    let query = Query::new(CollectionName::new(ID, VERIFICATIONS).to_string())
        .sort("created_at", true)
        .page(at, PAGE);
    let found = host.listed(call, query).await?;
    let status = declare::verification_status();
    let shown = |value: &str| {
        let option = status.options.iter().find(|o| o.value == value);
        option.map_or(Datum::None, |o| Datum::status(o.label.zh.as_str(), o.tone))
    };
    let counted = |row: &Map<String, Value>, name: &str| match row.get(name) {
        Some(Value::Number(n)) => Datum::text(n.to_string()),
        _ => Datum::None,
    };
    let rows = found.records.iter().map(|row| {
        let cells = vec![
            Datum::time_text(word(row, "created_at")),
            shown(word(row, "status")),
            counted(row, "records"),
            counted(row, "signed"),
            Datum::text(word(row, "why")),
            Datum::text(word(row, "by_name")),
        ];
        Row::new(word(row, "id"), cells)
    });
    let columns = vec![
        Column::new("at", "开始时间", 0),
        Column::new("status", "结果", 0),
        Column::new("records", "核验条数", 1),
        Column::new("signed", "已签名至", 2),
        Column::new("why", "说明", 1),
        Column::new("by", "核验人", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(at, PAGE, found.total.unwrap_or_default())
        .empty("还没有核验过；点“核验整条链”");
    let mut block = Block::table("verifications", table);
    if found.records.iter().any(|r| word(r, "status") == "running") {
        block = block.live(REFRESH);
    }
    let mut page = bench("审计日志核验")
        .subtitle(
            "逐条重算 SM3 链与树，并核对每个签名检查点；服务器以外的副本用 audit verify 命令核验",
        )
        .under("审计日志", "/console/audit")
        .block(block);
    if may(host, call, "audit.verify") {
        page = page.action(begin());
    }
    Ok(page)
}

/// What begins one.
pub(super) fn begin() -> Action {
    Action::send("核验整条链", "verification.start").icon("shield-check")
}
