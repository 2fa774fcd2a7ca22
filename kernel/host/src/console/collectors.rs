//! How far each central collector has the audit trail: the rows by which the handing on goes on after a
//! restart, on any node.

use kernel_storage::{CollectionName, Commit, CommitError};
use sdk_contract::call::{Ask, Write};
use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Column, Datum, Page, Row, Table};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::ID;
use super::pages::bench;
use crate::Host;
use crate::dispatch::{by_platform, commit_fault};
use crate::module::{Call, new_id};
use crate::reads::ask as ask_fault;
use crate::values::{number, object, word};

/// Name of the collection.
pub(crate) const COLLECTORS: &str = "collectors";

/// Where a collector stands.
#[derive(Debug, Clone)]
pub struct Stand {
    id: String,
    revision: i64,
    /// Number of the last record that it has; 0 is none.
    pub number: u64,
    /// Who hands on, and until when nobody else does.
    held: Option<(String, Timestamp)>,
}

impl Stand {
    fn read(row: &Map<String, Value>) -> Self {
        let until = word(row, "held_until").parse().ok();
        Self {
            id: word(row, "id").to_owned(),
            revision: number(row, "revision"),
            number: u64::try_from(number(row, "number")).unwrap_or_default(),
            held: until.map(|until| (word(row, "holder").to_owned(), until)),
        }
    }

    /// Whether somebody else hands on at this moment.
    pub fn is_held(&self, holder: &str, now: Timestamp) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|(by, until)| by != holder && *until > now)
    }

    /// Whether `holder` may hand on until a moment.
    pub fn is_ours(&self, holder: &str, moment: Timestamp) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|(by, until)| by == holder && *until > moment)
    }
}

impl Host {
    /// Where a collector stands; one that is new, at the beginning of the trail.
    pub async fn collector(&self, address: &str) -> Result<Stand, Fault> {
        if let Some(row) = self.collector_row(address).await? {
            return Ok(Stand::read(&row));
        }
        let now = self.clock().now();
        let insert = Write::Insert {
            collection: COLLECTORS.into(),
            id: new_id(now)?,
            subject: None,
            organisation: None,
            district: None,
            values: object(json!({ "address": address, "number": 0 })),
        };
        match self.store().commit(commit(now, insert)).await {
            // Of two nodes the other was faster.
            Ok(_) | Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(commit_fault(&error)),
        }
        let row = self.collector_row(address).await?;
        row.as_ref().map(Stand::read).ok_or_else(Fault::not_found)
    }

    /// Keeps that a collector has the trail up to `number`, and that `holder` hands on for so many
    /// seconds more. False when another node did so meanwhile.
    pub async fn keep_collector(
        &self,
        stand: &mut Stand,
        number: u64,
        holder: &str,
        seconds: i64,
    ) -> Result<bool, Fault> {
        let now = self.clock().now();
        let until = now.plus_seconds(seconds);
        let mut values = object(json!({
            "number": number, "holder": holder, "held_until": until.to_string(),
        }));
        if number != stand.number {
            values.insert("handed_at".into(), now.to_string().into());
        }
        let update = Write::Update {
            collection: COLLECTORS.into(),
            id: stand.id.clone(),
            revision: stand.revision,
            values,
        };
        match self.store().commit(commit(now, update)).await {
            Ok(_) => {
                stand.revision = stand.revision.saturating_add(1);
                stand.number = number;
                stand.held = Some((holder.to_owned(), until));
                Ok(true)
            }
            Err(CommitError::Stale { .. }) => Ok(false),
            Err(error) => Err(commit_fault(&error)),
        }
    }

    async fn collector_row(&self, address: &str) -> Result<Option<Map<String, Value>>, Fault> {
        let query = Query::new(CollectionName::new(ID, COLLECTORS).to_string())
            .filter(Filter::eq("address", address))
            .limit(1);
        let found = self.store().find(&query, &Self::KERNEL).await;
        Ok(found.map_err(|e| ask_fault(&e))?.records.into_iter().next())
    }
}

/// No record of the trail: each would have to be handed on in its turn.
fn commit(now: Timestamp, write: Write) -> Commit {
    Commit {
        at: now.micros(),
        by: by_platform(),
        request: "collector".into(),
        module: ID.into(),
        writes: vec![write],
        ..Commit::default()
    }
}

pub(super) async fn list(host: &Host, call: &Call, _: &Ask) -> Result<Page, Fault> {
    let query = Query::new(CollectionName::new(ID, COLLECTORS).to_string())
        .sort("address", false)
        .limit(MAX_LIMIT);
    let found = host.listed(call, query).await?;
    let last = host.store().audit_head().await;
    let last = last.map_err(|e| crate::reads::storage(&e))?.records;
    let rows = found.records.iter().map(|row| {
        let has = u64::try_from(number(row, "number")).unwrap_or_default();
        let cells = vec![
            Datum::text(word(row, "address")),
            Datum::text(format!("第 {has} 条")),
            Datum::text(last.saturating_sub(has).to_string()),
            Datum::time_text(word(row, "handed_at")),
        ];
        Row::new(word(row, "id"), cells)
    });
    let columns = vec![
        Column::new("address", "收集端", 0),
        Column::new("number", "已送到", 1),
        Column::new("behind", "尚未送到（条）", 1),
        Column::new("at", "最近一次送到", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .empty("没有配置集中收集审计日志的服务器（audit.forward）");
    Ok(bench("日志集中收集")
        .subtitle("每条审计记录按顺序送到集中日志服务器，收集端恢复后自动补送")
        .under("审计日志", "/console/audit")
        .block(Block::table("collectors", table)))
}
