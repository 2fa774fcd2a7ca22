//! Deleted records, each with a row of its own: who deleted it and why, until when it is kept, and
//! whether it is held. Restoring, holding and purging go by these rows.

use kernel_storage::{AuditDraft, CollectionName, Commit, CommitError, Expected, Gone};
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::def::ModuleDef;
use sdk_contract::error::Fault;
use sdk_contract::page::{Action, Block, Column, Confirm, Datum, Field, Page, Row, Table};
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::pages::{PAGE, bench, may, page_number};
use super::{ID, record, stay};
use crate::Host;
use crate::dispatch::by_platform;
use crate::module::{Call, Input, new_id};
use crate::reads::ask as ask_fault;
use crate::values::{number, object, word};

/// Name of the collection.
pub(super) const DELETIONS: &str = "deletions";
const KEPT: &str = "kept";
const HELD: &str = "held";
pub(super) const RESTORED: &str = "restored";
const PURGED: &str = "purged";
/// Records that one round purges.
const AT_ONCE: u32 = 50;
const DAY: i64 = 24 * 3600 * 1_000_000;

/// The rows that go with the deletions among a module's writes, in the same commit.
pub(crate) fn rows(
    call: &Call,
    def: &ModuleDef,
    writes: &[Write],
    target: Option<&Map<String, Value>>,
    note: Option<&str>,
) -> Result<Vec<(String, Write)>, Fault> {
    let mut rows = Vec::new();
    for write in writes {
        let Write::Delete { collection, id, .. } = write else {
            continue;
        };
        let c = def.collection(collection).ok_or_else(Fault::not_found)?;
        let days = i64::from(c.keep_deleted.unwrap_or_default());
        // What only some may see is not shown to whoever looks after deletions.
        let title = c
            .field(&c.title)
            .filter(|f| f.mask.is_none() && !f.encrypted)
            .and_then(|f| {
                let record = target.filter(|r| word(r, "id") == id)?;
                Some(word(record, &f.name).to_owned())
            });
        let until = call.now.micros().saturating_add(days * DAY);
        let insert = Write::Insert {
            collection: DELETIONS.into(),
            id: new_id(call.now)?,
            subject: None,
            organisation: None,
            district: None,
            values: object(json!({
                "what": format!("{}.{collection}", def.id),
                "label": c.label.zh,
                "record": id,
                "title": title,
                "by_name": call.principal.name,
                "reason": note,
                "until": Timestamp::from_micros(until).to_string(),
                "status": KEPT,
            })),
        };
        rows.push((ID.to_owned(), insert));
    }
    Ok(rows)
}

/// What an action of the console brings back besides its writes.
pub(crate) fn restored(module: &str, action: &str, row: Option<&Map<String, Value>>) -> Vec<Gone> {
    let restores = module == ID && action == "deletion.restore";
    row.filter(|_| restores)
        .and_then(gone)
        .into_iter()
        .collect()
}

fn gone(row: &Map<String, Value>) -> Option<Gone> {
    Some(Gone {
        collection: word(row, "what").parse::<CollectionName>().ok()?,
        id: word(row, "record").to_owned(),
    })
}

pub(super) fn restore(call: &Call, input: &Input) -> Result<Reply, Fault> {
    moved(call, input, RESTORED, "已恢复，记录回到原处")
}

pub(super) fn hold(call: &Call, input: &Input) -> Result<Reply, Fault> {
    moved(call, input, HELD, "已保全；解除之前不会清除")
}

pub(super) fn release(call: &Call, input: &Input) -> Result<Reply, Fault> {
    moved(call, input, KEPT, "已解除保全；保留期满后清除")
}

fn moved(call: &Call, input: &Input, to: &str, toast: &str) -> Result<Reply, Fault> {
    let row = record(input)?;
    let reason = input.values.get("reason").and_then(Value::as_str);
    let write = Write::Update {
        collection: DELETIONS.into(),
        id: word(row, "id").to_owned(),
        revision: number(row, "revision"),
        values: object(json!({
            "status": to,
            "decided_by_name": call.principal.name,
            "decision": reason,
        })),
    };
    Ok(Reply {
        writes: vec![write],
        note: reason.map(str::to_owned),
        ..stay(toast)
    })
}

impl Host {
    /// Removes for good the deleted records whose time has passed and that are not held, each with
    /// a record in the audit trail. Says how many that were.
    pub async fn purge_due(&self) -> Result<usize, Fault> {
        let now = self.clock().now();
        let due = Query::new(format!("{ID}.{DELETIONS}"))
            .filter(Filter::eq("status", KEPT))
            .filter(Filter::Range {
                field: "until".into(),
                min: None,
                max: Some(now.to_string().into()),
            })
            .sort("until", false)
            .limit(AT_ONCE);
        let due = self.store().find(&due, &Self::KERNEL).await;
        let mut purged = 0;
        for row in due.map_err(|e| ask_fault(&e))?.records {
            let Some(gone) = gone(&row) else { continue };
            match self.store().commit(purge(now, &row, gone)).await {
                Ok(_) => purged += 1,
                // Held, restored or purged by another node meanwhile.
                Err(CommitError::Unexpected { .. } | CommitError::Stale { .. }) => {}
                // Of a module that is not installed any more: it waits for it.
                Err(error) => tracing::warn!(
                    error = crate::reads::chain(&error),
                    what = word(&row, "what"),
                    record = word(&row, "record"),
                    "a deleted record is not purged"
                ),
            }
        }
        Ok(purged)
    }
}

fn purge(now: Timestamp, row: &Map<String, Value>, gone: Gone) -> Commit {
    let id = word(row, "id").to_owned();
    let action = format!("{ID}.deletion.purge");
    Commit {
        at: now.micros(),
        by: by_platform(),
        request: "purge".into(),
        action: action.clone(),
        module: ID.into(),
        expected: vec![Expected {
            collection: CollectionName::new(ID, DELETIONS),
            id: id.clone(),
            field: "status".into(),
            value: KEPT.into(),
        }],
        audit: vec![AuditDraft {
            at: now.micros(),
            actor: "kernel".into(),
            action,
            object: gone.id.clone(),
            outcome: "ok".into(),
            detail: json!({ "collection": gone.collection.to_string(), "until": row.get("until") }),
            request: "purge".into(),
            ..AuditDraft::default()
        }],
        writes: vec![Write::Update {
            collection: DELETIONS.into(),
            id,
            revision: number(row, "revision"),
            values: object(json!({ "status": PURGED })),
        }],
        purged: vec![gone],
        ..Commit::default()
    }
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let page = page_number(ask);
    let mut query = Query::new(format!("{ID}.{DELETIONS}"))
        .sort("created_at", true)
        .page(page, PAGE);
    if let Some(status) = ask.query("status") {
        query = query.filter(Filter::eq("status", status));
    }
    if let Some(words) = ask.query("q") {
        query = query.filter(Filter::search(words));
    }
    let found = host.listed(call, query).await?;
    let total = found.total.unwrap_or_default();
    let catalog = host.catalog();
    let declared = catalog.modules.get(ID).ok_or_else(Fault::not_found)?;
    let c = declared
        .def
        .collection(DELETIONS)
        .ok_or_else(Fault::not_found)?;
    let field = |name: &str| c.field(name).ok_or_else(Fault::not_found);
    let (status, until) = (field("status")?, field("until")?);
    let rows = found.records.iter().map(|r| {
        let value = |name: &str| r.get(name).cloned().unwrap_or_default();
        let title = match word(r, "title") {
            "" => word(r, "record"),
            title => title,
        };
        let cells = vec![
            Datum::text(title),
            Datum::text(word(r, "label")),
            Datum::text(word(r, "by_name")),
            Datum::time_text(word(r, "created_at")),
            Datum::of(until, &declared.def.choices, &value("until")),
            Datum::of(status, &declared.def.choices, &value("status")),
            Datum::text(word(r, "reason")),
        ];
        let row = Row::new(word(r, "id"), cells);
        possible(host, call, r).into_iter().fold(row, Row::action)
    });
    let columns = vec![
        Column::new("title", "记录", 0),
        Column::new("label", "类别", 1),
        Column::new("by", "删除人", 2),
        Column::new("at", "删除时间", 2),
        Column::new("until", "保留至", 1),
        Column::new("status", "状态", 1),
        Column::new("reason", "原因", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .filter(Field::of(status, &declared.def.choices).ok_or_else(Fault::not_found)?)
        .search("记录名称或编号")
        .paging(page, PAGE, total)
        .empty("没有已删除的记录");
    Ok(bench("已删除的记录")
        .subtitle("保留期内可恢复；保全的不清除；清除记入审计日志，变更历史和审计记录不删除")
        .block(Block::table("deletions", table)))
}

/// What the caller may do with a deletion as it stands.
fn possible(host: &Host, call: &Call, row: &Map<String, Value>) -> Vec<Action> {
    let send = |label: &str, action: &str, confirm: Confirm| {
        Action::send(label, action)
            .record(word(row, "id"))
            .confirm(confirm)
    };
    let ask = |title: &str, body: &str, yes: &str| Confirm::new(title, body, yes);
    let all = match word(row, "status") {
        KEPT => vec![
            (
                "deletion.restore",
                send(
                    "恢复",
                    "deletion.restore",
                    ask(
                        "确认恢复？",
                        "记录回到原处，所有人按原来的权限看到它。",
                        "恢复",
                    ),
                ),
            ),
            (
                "deletion.hold",
                send(
                    "保全",
                    "deletion.hold",
                    ask("确认保全？", "解除之前，保留期满也不清除。", "保全"),
                ),
            ),
        ],
        HELD => vec![(
            "deletion.release",
            send(
                "解除保全",
                "deletion.release",
                ask("确认解除？", "保留期满后清除，不能恢复。", "解除"),
            ),
        )],
        _ => Vec::new(),
    };
    let allowed = all.into_iter().filter(|(name, _)| may(host, call, name));
    allowed.map(|(_, action)| action).collect()
}
