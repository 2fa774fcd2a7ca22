//! Records that are not as the platform wrote them, each with a row of its own: found by looking
//! through all of them, and put right by two people. The row is a note to work by: what is done, and
//! what is decided about, is the record as it stands, by its digest.

use std::collections::BTreeMap;

use kernel_identity::module::MODULE as PLATFORM;
use kernel_identity::two_person::{self, Request, Verdict};
use kernel_storage::{
    Alteration, AuditDraft, CollectionName, Commit, CommitError, Finding, Mend, NewEvent, Record,
    Repair, Swept, Wronged,
};
use sdk_contract::call::{Ask, EventDraft, Reply, Write};
use sdk_contract::def::{FieldDef, Tone};
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Column, Confirm, Datum, Fact, Field, Notice, Page, Row, Table,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::pages::{PAGE, bench, may, page_number, param};
use super::{ID, go, record, stay};
use crate::Host;
use crate::dispatch::{by_platform, commit_fault};
use crate::module::{Call, Input, new_id};
use crate::reads::{ask as ask_fault, storage};
use crate::values::{number, object, word};

/// Name of the collection.
pub(super) const ALTERATIONS: &str = "alterations";
pub(crate) const PATH: &str = "/console/alterations";
/// What repairs are called among the deeds that take two people.
pub(crate) const DEED: &str = "record.repair";
/// What a look through all records is called in the trail.
const SWEEP: &str = "platform.record.sweep";
/// What modules hear of new ones.
pub(super) const FOUND: &str = "alteration.found";
const OPEN: &str = "open";
const ASKED: &str = "asked";
const CLOSED: &str = "closed";
/// The platform's own collections of people and their posts.
const USERS: &str = "users";
const POSTS: &str = "posts";
const ORGANISATIONS: &str = "organisations";
/// Rows of one commit.
const AT_ONCE: usize = 100;

impl Host {
    /// Holds every record of the attested collections against its code and its history. What is found
    /// is an alarm each, one record in the trail, and a row to work by; rows of records that are as
    /// they were written again are closed.
    pub async fn sweep_records(&self) -> Result<Swept, Fault> {
        let swept = self.store().sweep().await.map_err(|e| storage(&e))?;
        let (records, wrong) = (swept.records, swept.wrong);
        tracing::info!(records, wrong, "looked through attested records");
        for one in &swept.found {
            tracing::error!(
                code = "record.altered",
                collection = one.collection,
                id = one.id,
                finding = ?one.finding,
                "a record is not as the platform wrote it"
            );
        }
        let now = self.clock().now();
        let mut audit = Vec::new();
        if wrong > 0 {
            audit.push(AuditDraft {
                at: now.micros(),
                actor: "kernel".into(),
                action: SWEEP.into(),
                object: "records".into(),
                outcome: "failed".into(),
                detail: json!(swept),
                ..AuditDraft::default()
            });
        }
        let rows = self.alterations().await?;
        let mut writes = Vec::new();
        for one in &swept.found {
            let at = (one.collection.clone(), one.id.clone());
            writes.extend(self.noted(one, rows.get(&at), now)?);
        }
        let mut events = Vec::new();
        if !writes.is_empty() {
            events.push(NewEvent {
                id: new_id(now)?,
                draft: EventDraft {
                    name: FOUND.into(),
                    aggregate: "records".into(),
                    data: json!({
                        "number": writes.len(), "organisation": self.own_organisation().await?,
                    }),
                },
            });
        }
        let all_named = swept.found.len() as u64 == wrong;
        let found = |at: &(String, String)| {
            let mut found = swept.found.iter();
            found.any(|one| one.collection == at.0 && one.id == at.1)
        };
        let closed = rows
            .iter()
            .filter(|(at, row)| all_named && word(row, "status") != CLOSED && !found(at));
        writes.extend(closed.map(|(_, row)| update(row, json!({ "status": CLOSED }))));
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() || !audit.is_empty() {
            let commit = Commit {
                at: now.micros(),
                by: by_platform(),
                request: "sweep".into(),
                action: SWEEP.into(),
                module: ID.into(),
                writes: writes.by_ref().take(AT_ONCE).collect(),
                audit: std::mem::take(&mut audit),
                events: std::mem::take(&mut events),
                ..Commit::default()
            };
            match self.store().commit(commit).await {
                // Another node looks as well, and has noted it.
                Ok(_) | Err(CommitError::Stale { .. } | CommitError::Conflict { .. }) => {}
                Err(error) => return Err(commit_fault(&error)),
            }
        }
        Ok(swept)
    }

    /// The organisation that runs the platform, whose people what was found is for.
    async fn own_organisation(&self) -> Result<Option<String>, Fault> {
        let query = Query::new(CollectionName::new(PLATFORM, ORGANISATIONS).to_string())
            .filter(Filter::eq("type", PLATFORM))
            .limit(1);
        // Where its own record was altered, the home page tells.
        let found = self.store().list(&query, &Self::KERNEL).await;
        let found = found.map_err(|e| ask_fault(&e))?.records;
        Ok(found.first().map(|row| word(row, "id").to_owned()))
    }

    /// Every row, by what it is about.
    async fn alterations(&self) -> Result<BTreeMap<(String, String), Record>, Fault> {
        let mut all = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let name = CollectionName::new(ID, ALTERATIONS).to_string();
            let query = Query::new(name)
                .sort("created_at", false)
                .after(cursor, MAX_LIMIT);
            let found = self.store().find(&query, &Self::KERNEL).await;
            let found = found.map_err(|e| ask_fault(&e))?;
            let rows = found.records.into_iter().map(|row| {
                let at = (
                    word(&row, "what").to_owned(),
                    word(&row, "record").to_owned(),
                );
                (at, row)
            });
            all.extend(rows);
            match found.next {
                Some(next) => cursor = next,
                None => return Ok(all),
            }
        }
    }

    /// The row of a finding, where it says something new.
    fn noted(
        &self,
        one: &Alteration,
        row: Option<&Record>,
        now: Timestamp,
    ) -> Result<Option<Write>, Fault> {
        let catalog = self.catalog();
        let declared = catalog.collection(&one.collection).map(|(_, c)| c);
        let label = |field: &String| {
            let declared = declared.and_then(|c| c.field(field));
            declared
                .map_or(field.as_str(), |f| f.label.zh.as_str())
                .to_owned()
        };
        let fields: Vec<String> = one.fields.iter().map(label).collect();
        let fields: String = fields.join("、").chars().take(500).collect();
        let values = json!({
            "finding": finding_word(&one.finding),
            "fields": fields,
            "status": OPEN,
            "found_at": now,
        });
        match row {
            Some(row) if word(row, "status") != CLOSED => Ok(None),
            Some(row) => Ok(Some(update(row, values))),
            None => {
                let mut values = object(values);
                values.insert("what".into(), one.collection.as_str().into());
                values.insert("record".into(), one.id.as_str().into());
                let label = declared.map_or(one.collection.as_str(), |c| c.label.zh.as_str());
                values.insert("label".into(), label.into());
                Ok(Some(Write::Insert {
                    collection: ALTERATIONS.into(),
                    id: new_id(now)?,
                    subject: None,
                    organisation: None,
                    district: None,
                    values,
                }))
            }
        }
    }

    /// What is wrong with the record that a row is about; none where nothing is, or it is not there.
    async fn wronged(&self, row: &Map<String, Value>) -> Result<Option<Wronged>, Fault> {
        let Ok(name) = word(row, "what").parse::<CollectionName>() else {
            return Ok(None);
        };
        let wronged = self.store().wronged(&name, word(row, "record")).await;
        wronged.map_err(|e| ask_fault(&e))
    }

    /// Whose rights a record is about: that person does not decide about it.
    async fn gains(&self, what: &str, record: &Record) -> Option<String> {
        let own = |record: &Record, field: &str| {
            Some(word(record, field).to_owned()).filter(|id| !id.is_empty())
        };
        if what == format!("{PLATFORM}.{USERS}") {
            return own(record, "id");
        }
        if let Some(user) = own(record, "user") {
            return Some(user);
        }
        let post = self.kept(PLATFORM, POSTS, &own(record, "post")?).await;
        post.ok().flatten().and_then(|post| own(&post, "user"))
    }
}

fn finding_word(finding: &Finding) -> &'static str {
    match finding {
        Finding::Uncoded => "uncoded",
        Finding::Altered => "altered",
        Finding::CopyOf(_) => "copy-of",
        Finding::PutBack => "put-back",
        Finding::Removed => "removed",
    }
}

fn update(row: &Map<String, Value>, values: Value) -> Write {
    Write::Update {
        collection: ALTERATIONS.into(),
        id: word(row, "id").to_owned(),
        revision: number(row, "revision"),
        values: object(values),
    }
}

fn way_word(how: Mend) -> &'static str {
    match how {
        Mend::PutBack => "恢复为变更历史所载",
        Mend::Accept => "接受现有内容",
    }
}

/// Looks through all records, in the background: there may be many.
pub(super) fn look(host: &Host) -> Reply {
    let work = host.clone();
    host.tasks().spawn(async move {
        if let Err(fault) = work.sweep_records().await {
            tracing::error!(code = "record.not-swept", %fault, "attested records were not looked through");
        }
    });
    stay("已开始核查，发现的记录随后列出，请稍后刷新")
}

/// Asks for a repair, which another person decides about.
pub(super) async fn repair(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let row = record(input)?;
    if word(row, "status") == ASKED {
        let what = "该记录的修复正在复核，复核结束或撤回后才能再申请";
        return Err(Fault::conflict("alteration.in-review", what));
    }
    let how = how(input)?;
    let wronged = host.wronged(row).await?;
    let wronged = wronged.ok_or_else(|| not_wrong(row))?;
    if !wronged.ways.contains(&how) {
        return Err(Fault::refused("alteration.impossible", impossible(how)));
    }
    let request = new_id(call.now)?;
    Ok(Reply {
        writes: vec![update(row, json!({ "status": ASKED, "request": request }))],
        note: Some(word(&input.values, "reason").to_owned()),
        ..go(
            PATH.into(),
            "已申请，待另一人复核",
            json!({ "id": word(row, "id"), "request": request }),
        )
    })
}

fn how(input: &Input) -> Result<Mend, Fault> {
    let how = input.values.get("how").cloned().unwrap_or_default();
    serde_json::from_value(how).map_err(|_| Fault::not_found())
}

fn not_wrong(row: &Map<String, Value>) -> Fault {
    let what = match word(row, "finding") {
        "removed" => "该记录已不在数据库中，须用备份恢复",
        _ => "该记录与平台写入时一致，无需修复",
    };
    Fault::conflict("alteration.none", what)
}

const fn impossible(how: Mend) -> &'static str {
    match how {
        Mend::PutBack => "变更历史不足以恢复该记录（不保留历史，或加密内容已损坏），须用备份恢复",
        Mend::Accept => "该记录的内容已无法读取，不能接受，须恢复",
    }
}

/// The request that goes with it.
pub(super) async fn ask(
    host: &Host,
    call: &Call,
    input: &Input,
    reply: &Reply,
) -> Result<Vec<(String, Write)>, Fault> {
    let (row, how) = (record(input)?, how(input)?);
    let wronged = host.wronged(row).await?;
    let wronged = wronged.ok_or_else(|| not_wrong(row))?;
    let gains = host.gains(word(row, "what"), &wronged.record).await;
    let asked = two_person::Ask {
        deed: DEED,
        title: format!(
            "修复被改动的记录（{}）：{} {}，{}",
            way_word(how),
            word(row, "label"),
            word(row, "record"),
            said(host, row, &wronged)
        ),
        payload: json!({
            "alteration": word(row, "id"),
            "what": word(row, "what"),
            "record": word(row, "record"),
            "how": how,
            "stands": wronged.stands,
        }),
        organisation: None,
        beneficiary: gains.as_deref(),
    };
    host.asked_beside(call, input, reply, &asked)
}

/// What is wrong, in a phrase.
fn said(host: &Host, row: &Map<String, Value>, wronged: &Wronged) -> String {
    if !wronged.kept {
        return "变更历史中没有这条记录".to_owned();
    }
    let catalog = host.catalog();
    let declared = catalog.collection(word(row, "what")).map(|(_, c)| c);
    let labels = wronged.fields.iter().map(|one| {
        let field = declared.and_then(|c| c.field(&one.field));
        field.map_or(one.field.as_str(), |f| f.label.zh.as_str())
    });
    let labels: Vec<&str> = labels.collect();
    let proof = if wronged.proven {
        "编码证实其余内容未变"
    } else {
        "编码不能证实其余内容"
    };
    if labels.is_empty() {
        format!("字段与历史相同，{proof}")
    } else {
        format!("不同的字段：{}；{proof}", labels.join("、"))
    }
}

/// What a decision about a repair writes besides: the row says what became of it.
pub(crate) async fn decided(
    host: &Host,
    request: &Request,
    verdict: Verdict,
) -> Result<Vec<(String, Write)>, Fault> {
    let id = request.payload.get("alteration").and_then(Value::as_str);
    let row = host.kept(ID, ALTERATIONS, id.unwrap_or_default()).await?;
    let Some(row) = row.filter(|row| word(row, "request") == request.id) else {
        // It was noted anew since; what is decided about is the record.
        return Ok(Vec::new());
    };
    let status = match verdict {
        Verdict::Approved => CLOSED,
        Verdict::Refused | Verdict::Withdrawn => OPEN,
    };
    let values = json!({ "status": status, "request": null });
    Ok(vec![(ID.to_owned(), update(&row, values))])
}

/// What an action puts right: it approves a request to.
pub(crate) fn repairs(
    module: &str,
    action: &str,
    request: Option<&Map<String, Value>>,
) -> Vec<Repair> {
    let approves = module == PLATFORM && action == "request.approve";
    let request = request.filter(|_| approves).map(Request::read);
    let asked = request.filter(|request| request.deed == DEED);
    let repair = asked.and_then(|request| {
        let payload = request.payload.as_object()?;
        Some(Repair {
            collection: word(payload, "what").parse().ok()?,
            id: word(payload, "record").to_owned(),
            how: serde_json::from_value(payload.get("how")?.clone()).ok()?,
            stands: word(payload, "stands").to_owned(),
        })
    });
    repair.into_iter().collect()
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let at = page_number(ask);
    let name = CollectionName::new(ID, ALTERATIONS).to_string();
    let mut query = Query::new(name).sort("found_at", true).page(at, PAGE);
    if let Some(status) = ask.query("status") {
        query = query.filter(Filter::eq("status", status));
    }
    if let Some(words) = ask.query("q") {
        query = query.filter(Filter::search(words));
    }
    let found = host.listed(call, query).await?;
    let catalog = host.catalog();
    let def = &catalog.modules.get(ID).ok_or_else(Fault::not_found)?.def;
    let c = def.collection(ALTERATIONS).ok_or_else(Fault::not_found)?;
    let field = |name: &str| c.field(name).ok_or_else(Fault::not_found);
    let (finding, status) = (field("finding")?, field("status")?);
    let rows = found.records.iter().map(|row| {
        let of = |field: &FieldDef| {
            let value = row.get(&field.name).unwrap_or(&Value::Null);
            Datum::of(field, &def.choices, value)
        };
        let cells = vec![
            Datum::text(word(row, "label")),
            Datum::text(word(row, "record")),
            of(finding),
            Datum::text(word(row, "fields")),
            of(status),
            Datum::time_text(word(row, "found_at")),
        ];
        let id = word(row, "id");
        Row::new(id, cells).to(format!("{PATH}/{id}"))
    });
    let columns = vec![
        Column::new("label", "类别", 0),
        Column::new("record", "记录编号", 1),
        Column::new("finding", "发现", 0),
        Column::new("fields", "不同的字段", 2),
        Column::new("status", "状态", 0),
        Column::new("found", "发现时间", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .filter(Field::of(status, &def.choices).ok_or_else(Fault::not_found)?)
        .search("记录编号")
        .paging(at, PAGE, found.total.unwrap_or_default())
        .empty("没有被改动的记录");
    let mut page = bench("被改动的记录")
        .subtitle("绕过平台改动的记录不再使用；每天核查一次。修复须一人申请、另一人同意，改动前后的摘要记入审计日志")
        .block(Block::table("alterations", table));
    if may(host, call, "alteration.look") {
        page = page.action(Action::send("立即核查", "alteration.look").icon("shield-check"));
    }
    Ok(page)
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let name = CollectionName::new(ID, ALTERATIONS).to_string();
    let row = host.get(&call.principal, &name, param(ask, "id")).await?;
    let wronged = host.wronged(&row).await?;
    let page = bench("被改动的记录")
        .subtitle(format!("{} {}", word(&row, "label"), word(&row, "record")))
        .under("被改动的记录", PATH)
        .guarded();
    let Some(wronged) = wronged else {
        let fault = not_wrong(&row);
        let tone = if word(&row, "finding") == "removed" {
            Tone::Danger
        } else {
            Tone::Success
        };
        return Ok(page.block(Block::notice("state", Notice::new(tone, "", fault.message))));
    };
    let finding = match &wronged.finding {
        Finding::Uncoded => "没有编码".to_owned(),
        Finding::Altered => "内容与编码不符".to_owned(),
        Finding::CopyOf(other) => format!("编码是记录 {other} 的"),
        Finding::PutBack => "退回到最近一次修改之前".to_owned(),
        Finding::Removed => "被删除".to_owned(),
    };
    let proof = match (wronged.kept, wronged.proven) {
        (false, _) => "变更历史中没有这条记录：平台没有写过它，恢复即移除",
        (true, true) => "按历史恢复后与原编码相符：除所列字段外没有别的改动",
        (true, false) => "不能证实：加密内容、归属和是否已删除不在历史中，恢复时保持现状",
    };
    let facts = vec![
        Fact::new("发现", Datum::text(finding)),
        Fact::new("证据", Datum::text(proof)),
        Fact::new(
            "现有内容的摘要（SM3）",
            Datum::text(wronged.stands.as_str()),
        ),
    ];
    let columns = vec![
        Column::new("field", "字段", 0),
        Column::new("which", "依据", 0),
        Column::new("value", "内容", 0),
    ];
    let rows = differing(host, &row, &wronged);
    let table = Table::new(columns).rows(rows).empty("字段与变更历史相同");
    let mut page = page
        .block(Block::details("facts", facts))
        .block(Block::table("differing", table).title("与变更历史不同的字段"));
    if word(&row, "status") == ASKED {
        let text = "修复已申请，待另一人在“待复核”中决定";
        return Ok(page.block(Block::notice("state", Notice::new(Tone::Warning, "", text))));
    }
    if may(host, call, "alteration.repair") {
        let ways = [Mend::PutBack, Mend::Accept].map(|how| way(&row, &wronged, how));
        page = page.block(Block::actions("repair", ways.into()));
    }
    Ok(page)
}

fn way(row: &Map<String, Value>, wronged: &Wronged, how: Mend) -> Action {
    let text = match how {
        Mend::PutBack if !wronged.kept => "另一人同意后，该记录从数据库移除。",
        Mend::PutBack => "另一人同意后，所列字段恢复为变更历史所载。",
        Mend::Accept => "另一人同意后，现有内容视为有效，并记入变更历史。",
    };
    let label = way_word(how);
    let send = Action::send(label, "alteration.repair")
        .record(word(row, "id"))
        .arg("how", json!(how).as_str().unwrap_or_default())
        .confirm(Confirm::new(label, text, "申请").reason("原因"));
    let send = match how {
        Mend::PutBack => send.primary(),
        Mend::Accept => send.danger(),
    };
    if wronged.ways.contains(&how) {
        send
    } else {
        send.off(impossible(how))
    }
}

/// What differs, as far as everybody who reads such records sees it.
fn differing(host: &Host, row: &Map<String, Value>, wronged: &Wronged) -> Vec<Row> {
    let catalog = host.catalog();
    let declared = catalog.collection(word(row, "what"));
    let rows = wronged.fields.iter().flat_map(|one| {
        let field = declared.and_then(|(_, c)| c.field(&one.field));
        let shown = |value: &Value| match (declared, field) {
            (Some(_), Some(field)) if field.mask.is_some() => Datum::text("***"),
            (Some((installed, _)), Some(field)) => {
                Datum::text(crate::history::words(&installed.def, field, value))
            }
            _ => Datum::text(value.to_string()),
        };
        let label = field.map_or(one.field.as_str(), |f| f.label.zh.as_str());
        // One below the other: a value may be long.
        let both = [
            ("kept", "变更历史所载", &one.kept),
            ("stands", "现有内容", &one.stands),
        ];
        both.map(|(key, which, value)| {
            let cells = vec![Datum::text(label), Datum::text(which), shown(value)];
            Row::new(format!("{}-{key}", one.field), cells)
        })
    });
    rows.collect()
}
