//! How long records are kept: what is declared or configured for each collection, and what happens
//! when the time is over. The record is then deleted as if somebody had: it can be restored or held
//! for the days that its collection keeps what is deleted, and is gone after them.

use std::collections::BTreeSet;

use kernel_identity::principal::Principal;
use kernel_storage::{AuditDraft, CollectionName, Commit, CommitError};
use sdk_contract::call::Write;
use sdk_contract::def::{CollectionDef, Level, ModuleDef, Term};
use sdk_contract::error::Fault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{Block, Column, Datum, Page, Row, Table};
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::ID;
use super::deletions::{self, DELETIONS, RESTORED};
use super::pages::bench;
use crate::Host;
use crate::dispatch::by_platform;
use crate::reads::ask as ask_fault;
use crate::values::{number, word};

/// Records looked at together.
const AT_ONCE: u32 = 100;
/// Fields that a row names.
const MOST: usize = 3;
const DAY_SECONDS: i64 = 24 * 3600;

/// Days that records of a collection are kept: what the configuration says, else the declaration.
fn days(host: &Host, def: &ModuleDef, c: &CollectionDef, term: &Term) -> u32 {
    let name = CollectionName::new(&def.id, &c.name).to_string();
    let configured = host.limits().retention.get(&name);
    configured.map_or(term.days, |days| days.get())
}

/// The last value of the field at which a record's time is over: a date counts to its end.
fn last(c: &CollectionDef, term: &Term, days: u32, now: Timestamp) -> String {
    let is_date = c.field(&term.from).is_some_and(|f| f.kind == Kind::Date);
    if is_date {
        let last = now.local_date().plus_days(-i64::from(days) - 1);
        last.to_string()
    } else {
        now.plus_seconds(-i64::from(days) * DAY_SECONDS).to_string()
    }
}

impl Host {
    /// Deletes the records whose time is over. Says how many that were. Another node may do the same.
    pub async fn delete_expired(&self) -> Result<usize, Fault> {
        let mut deleted = 0;
        for installed in self.catalog().modules.values() {
            for c in &installed.def.collections {
                if let Some(term) = c.retention.as_ref().and_then(|r| r.term.as_ref()) {
                    deleted += self.delete_expired_of(&installed.def, c, term).await?;
                }
            }
        }
        Ok(deleted)
    }

    async fn delete_expired_of(
        &self,
        def: &ModuleDef,
        c: &CollectionDef,
        term: &Term,
    ) -> Result<usize, Fault> {
        let days = days(self, def, c, term);
        let over = Filter::Range {
            field: term.from.clone(),
            min: None,
            max: Some(last(c, term, days, self.clock().now()).into()),
        };
        let (mut deleted, mut cursor) = (0, String::new());
        loop {
            let due = Query::new(format!("{}.{}", def.id, c.name))
                .filter(over.clone())
                .after(cursor, AT_ONCE);
            // What is not as the platform wrote it stays, and keeps nothing else.
            let due = self.store().list(&due, &Self::KERNEL).await;
            let due = due.map_err(|e| ask_fault(&e))?;
            let restored = self.restored(&due.records).await?;
            for record in &due.records {
                // Somebody had a reason to bring it back.
                if restored.contains(word(record, "id")) {
                    continue;
                }
                match self
                    .store()
                    .commit(self.expired(def, c, days, record)?)
                    .await
                {
                    Ok(_) => deleted += 1,
                    // Changed or deleted meanwhile, by another node too.
                    Err(CommitError::Stale { .. } | CommitError::NotFound { .. }) => {}
                    Err(error) => tracing::warn!(
                        error = crate::reads::chain(&error),
                        collection = format!("{}.{}", def.id, c.name),
                        record = word(record, "id"),
                        "a record whose time is over is not deleted"
                    ),
                }
            }
            match due.next {
                Some(next) => cursor = next,
                None => return Ok(deleted),
            }
        }
    }

    /// Those of the records that were deleted before and brought back.
    async fn restored(&self, records: &[Map<String, Value>]) -> Result<BTreeSet<String>, Fault> {
        if records.is_empty() {
            return Ok(BTreeSet::new());
        }
        let ids = records.iter().map(|r| word(r, "id").into()).collect();
        let asked = Query::new(format!("{ID}.{DELETIONS}"))
            .filter(Filter::eq("status", RESTORED))
            .filter(Filter::In {
                field: "record".into(),
                values: ids,
            })
            .limit(AT_ONCE);
        let found = self.store().find(&asked, &Self::KERNEL).await;
        let found = found.map_err(|e| ask_fault(&e))?.records;
        Ok(found.iter().map(|r| word(r, "record").to_owned()).collect())
    }

    fn expired(
        &self,
        def: &ModuleDef,
        c: &CollectionDef,
        days: u32,
        record: &Map<String, Value>,
    ) -> Result<Commit, Fault> {
        let now = self.clock().now();
        let id = word(record, "id").to_owned();
        let writes = vec![Write::Delete {
            collection: c.name.clone(),
            id: id.clone(),
            revision: number(record, "revision"),
        }];
        let platform = Principal {
            name: "平台".into(),
            ..Principal::module(ID, "retention")
        };
        let call = self.call(&platform)?;
        let why = format!("保存期限 {days} 天届满");
        let others = deletions::rows(&call, def, &writes, Some(record), Some(&why))?;
        let action = format!("{ID}.retention.delete");
        Ok(Commit {
            at: now.micros(),
            by: by_platform(),
            request: "retention".into(),
            action: action.clone(),
            note: Some(why),
            module: def.id.clone(),
            writes,
            others,
            audit: vec![AuditDraft {
                at: now.micros(),
                actor: "kernel".into(),
                action,
                object: id,
                outcome: "ok".into(),
                detail: json!({
                    "collection": CollectionName::new(&def.id, &c.name).to_string(),
                    "days": days,
                }),
                request: "retention".into(),
                ..AuditDraft::default()
            }],
            ..Commit::default()
        })
    }
}

/// What holds sensitive fields or has a time, collection by collection.
pub(super) fn list(host: &Host) -> Page {
    let catalog = host.catalog();
    let mut rows = Vec::new();
    for installed in catalog.modules.values() {
        let def = &installed.def;
        for c in &def.collections {
            let fields = c.fields.iter().filter(|f| f.level >= Some(Level::L2));
            let fields: Vec<&str> = fields.map(|f| f.label.zh.as_str()).collect();
            if fields.is_empty() && c.retention.is_none() {
                continue;
            }
            let mut cells = vec![
                Datum::text(c.label.zh.as_str()),
                Datum::text(def.label.zh.as_str()),
            ];
            cells.extend(kept(host, def, c));
            cells.push(Datum::text(few(&fields)));
            rows.push(Row::new(format!("{}.{}", def.id, c.name), cells));
        }
    }
    let columns = vec![
        Column::new("collection", "数据集", 0),
        Column::new("module", "模块", 2),
        Column::new("purpose", "处理目的", 1),
        Column::new("days", "保存期限", 0),
        Column::new("from", "自何时起算", 1),
        Column::new("keep", "删除后可恢复", 2),
        Column::new("fields", "敏感字段", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .empty("没有含敏感字段的数据集");
    bench("保存期限")
        .subtitle("期满的记录由平台删除，保留期后连同变更内容清除；删除与清除记入审计日志")
        .block(Block::table("retention", table))
}

/// The first of many; 数据分级目录 has all.
fn few(fields: &[&str]) -> String {
    match fields.get(..MOST) {
        Some(first) if fields.len() > MOST => {
            format!("{}等 {} 项", first.join("、"), fields.len())
        }
        _ => fields.join("、"),
    }
}

fn kept(host: &Host, def: &ModuleDef, c: &CollectionDef) -> [Datum; 4] {
    let Some(retention) = &c.retention else {
        return [Datum::None, Datum::None, Datum::None, Datum::None];
    };
    let purpose = Datum::text(retention.purpose.as_str());
    let Some(term) = &retention.term else {
        let standing = Datum::text("主体或业务存续期间");
        return [purpose, standing, Datum::None, Datum::None];
    };
    let days = days(host, def, c, term);
    let kept = if days == term.days {
        format!("{days} 天")
    } else {
        format!("{days} 天（模块建议 {} 天）", term.days)
    };
    let from = c
        .field(&term.from)
        .map_or("创建时间", |f| f.label.zh.as_str());
    let keep = format!("{} 天", c.keep_deleted.unwrap_or_default());
    [
        purpose,
        Datum::text(kept),
        Datum::text(from),
        Datum::text(keep),
    ]
}
