//! Projects that data is exported for with pseudonyms and tokens in place of what says whose it is, see
//! [`crate::transfer`]. A project has a secret; with its end the secret is gone, so that no token of
//! its files is turned back any more, and so are the values that were turned back.

use kernel_crypto::{keys, sm3};
use kernel_storage::{AuditDraft, Commit, CommitError};
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Fact, Field, Form, Masked, Notice, Page, Place,
    Row, Section, Table, Tone,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::pages::{PAGE, bench, may, page_number, param};
use super::{ID, go, record, stay};
use crate::Host;
use crate::dispatch::by_platform;
use crate::module::{Call, Input, new_id};
use crate::reads::ask as ask_fault;
use crate::values::{number, object, word};

/// Names of the collections.
pub(crate) const PROJECTS: &str = "projects";
pub(super) const RESTORATIONS: &str = "restorations";
/// Characters of a value that a token can stand for.
pub(crate) const LONGEST: u32 = 2_000;
const PATH: &str = "/console/projects";
/// Days that a project lasts at the most.
const LONGEST_DAYS: i64 = 5 * 366;
const DAY: i64 = 24 * 3600;
/// Projects that one round ends.
const AT_ONCE: u32 = 50;

pub(super) fn create(call: &Call, input: &Input) -> Result<Reply, Fault> {
    let p = &call.principal;
    let organisation = p.organisation.clone().filter(|_| p.user.is_some());
    let organisation =
        organisation.ok_or_else(|| Fault::forbidden("去标识项目须由代表某个机构的人员建立"))?;
    let ends_on = word(&input.values, "ends_on");
    let last = call.now.plus_seconds(LONGEST_DAYS * DAY);
    let days = call.now.local_date().to_string()..=last.local_date().to_string();
    if !days.contains(&ends_on.to_owned()) {
        let what = "结束日应为今天或以后，最长五年";
        return Err(Fault::invalid(vec![FieldFault::new(
            "ends_on", "past-day", what,
        )]));
    }
    let secret = keys::new_secret().map_err(|_| Fault::internal("随机数服务不可用"))?;
    let id = new_id(call.now)?;
    let write = Write::Insert {
        collection: PROJECTS.into(),
        id: id.clone(),
        subject: None,
        organisation: Some(organisation),
        district: None,
        values: object(json!({
            "name": word(&input.values, "name"), "purpose": word(&input.values, "purpose"),
            "ends_on": ends_on, "status": "open", "by_name": p.name, "restored": 0,
            "secret": secret,
        })),
    };
    Ok(Reply {
        writes: vec![write],
        ..go(format!("{PATH}/{id}"), "项目已建立", json!({ "id": id }))
    })
}

/// Turns a token back, into a record whose value takes a reason and a second person to be seen.
pub(super) fn restore(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let project = record(input)?;
    let id = word(project, "id");
    let secret = secret(project, call.now)
        .ok_or_else(|| Fault::refused("project-ended", "项目已结束，令牌不能再还原"))?;
    let token = word(&input.values, "token").trim();
    let opened = host.keys().pseudonyms(id, secret).value(token);
    let value = opened.map_err(|_| {
        let what = "不是本项目的令牌，或不完整";
        Fault::invalid(vec![FieldFault::new("token", "bad-value", what)])
    })?;
    let made = new_id(call.now)?;
    let result = json!({ "id": made });
    let insert = Write::Insert {
        collection: RESTORATIONS.into(),
        id: made,
        subject: None,
        organisation: call.principal.organisation.clone(),
        district: None,
        values: object(json!({
            "name": word(project, "name"), "project": id, "by_name": call.principal.name,
            "digest": sm3::digest(token.as_bytes()).to_string(), "value": value,
        })),
    };
    // By the project's revision: of a project that ends meanwhile nothing is turned back.
    let counted = updated(
        PROJECTS,
        project,
        json!({ "restored": number(project, "restored") + 1 }),
    );
    Ok(Reply {
        writes: vec![insert, counted],
        ..go(
            format!("{PATH}/{id}"),
            "令牌有效；说明理由并经另一人同意后查看原值",
            result,
        )
    })
}

pub(super) async fn end(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    Ok(Reply {
        writes: ended(host, record(input)?, call.now).await?,
        ..stay("项目已结束，其令牌不能再还原")
    })
}

/// What ends a project: its secret goes, and what was turned back.
async fn ended(
    host: &Host,
    project: &Map<String, Value>,
    now: Timestamp,
) -> Result<Vec<Write>, Fault> {
    let gone = json!({ "status": "ended", "ended_at": now.to_string(), "secret": null });
    let mut writes = vec![updated(PROJECTS, project, gone)];
    let mut cursor = Some(String::new());
    while let Some(from) = cursor {
        let query = Query::new(format!("{ID}.{RESTORATIONS}"))
            .filter(Filter::eq("project", word(project, "id")))
            .sort("created_at", false)
            .after(from, MAX_LIMIT);
        let found = host.store().find(&query, &Host::KERNEL).await;
        let found = found.map_err(|e| ask_fault(&e))?;
        let there = |r: &&Map<String, Value>| r.get("value").is_some_and(|v| !v.is_null());
        let emptied = |r| updated(RESTORATIONS, r, json!({ "value": null }));
        writes.extend(found.records.iter().filter(there).map(emptied));
        cursor = found.next;
    }
    Ok(writes)
}

fn updated(collection: &str, record: &Map<String, Value>, values: Value) -> Write {
    Write::Update {
        collection: collection.into(),
        id: word(record, "id").to_owned(),
        revision: number(record, "revision"),
        values: object(values),
    }
}

/// The secret of a project that still goes on: an unmasked record of it, whether or not the end of
/// it was carried out yet.
pub(crate) fn secret(project: &Map<String, Value>, now: Timestamp) -> Option<&str> {
    let there = Some(word(project, "secret")).filter(|secret| !secret.is_empty());
    there.filter(|_| is_open(project, now))
}

/// Until the end of its last day.
pub(crate) fn is_open(project: &Map<String, Value>, now: Timestamp) -> bool {
    let today = now.local_date().to_string();
    word(project, "status") == "open" && word(project, "ends_on") >= today.as_str()
}

impl Host {
    /// Ends the projects whose last day has passed. They were of no use since then anyway; now
    /// their secrets are gone too. Says how many that were.
    pub async fn end_projects(&self) -> Result<usize, Fault> {
        let now = self.clock().now();
        let yesterday = now.plus_seconds(-DAY).local_date().to_string();
        let over = Query::new(format!("{ID}.{PROJECTS}"))
            .filter(Filter::eq("status", "open"))
            .filter(Filter::Range {
                field: "ends_on".into(),
                min: None,
                max: Some(yesterday.into()),
            })
            .sort("ends_on", false)
            .limit(AT_ONCE);
        let found = self.store().find(&over, &Self::KERNEL).await;
        let mut count = 0;
        for project in found.map_err(|e| ask_fault(&e))?.records {
            let action = format!("{ID}.project.end");
            let commit = Commit {
                at: now.micros(),
                by: by_platform(),
                request: "end".into(),
                action: action.clone(),
                module: ID.into(),
                writes: ended(self, &project, now).await?,
                audit: vec![AuditDraft {
                    at: now.micros(),
                    actor: "kernel".into(),
                    action,
                    object: word(&project, "id").to_owned(),
                    outcome: "ok".into(),
                    detail: json!({ "ends_on": project.get("ends_on") }),
                    request: "end".into(),
                    ..AuditDraft::default()
                }],
                ..Commit::default()
            };
            match self.store().commit(commit).await {
                Ok(_) => count += 1,
                // Another node was faster, or somebody is just ending it.
                Err(CommitError::Stale { .. } | CommitError::Unexpected { .. }) => {}
                Err(error) => tracing::error!(
                    error = crate::reads::chain(&error),
                    project = word(&project, "id"),
                    "a project whose time has passed is not ended"
                ),
            }
        }
        Ok(count)
    }
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let page = page_number(ask);
    let query = Query::new(format!("{ID}.{PROJECTS}"))
        .sort("created_at", true)
        .page(page, PAGE);
    let found = host.listed(call, query).await?;
    let rows = found.records.iter().map(|project| {
        let id = word(project, "id");
        let cells = vec![
            Datum::text(word(project, "name")),
            state(project, call.now),
            Datum::date(word(project, "ends_on")),
            Datum::text(word(project, "by_name")),
            Datum::text(word(project, "purpose")),
        ];
        Row::new(id, cells).to(format!("{PATH}/{id}"))
    });
    let columns = vec![
        Column::new("name", "名称", 0),
        Column::new("status", "状态", 1),
        Column::new("ends", "结束日", 1),
        Column::new("by", "建立人", 2),
        Column::new("purpose", "用途", 3),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(page, PAGE, found.total.unwrap_or_default())
        .empty("本机构还没有去标识项目");
    let mut page = bench("去标识项目")
        .subtitle(
            "导出时以假名或令牌代替指明身份的字段；同一项目内同值同假名，不同项目之间不能对应",
        )
        .block(Block::table("projects", table));
    if may(host, call, "project.create") && call.principal.organisation.is_some() {
        let form = Form::new("create", Action::send("建立项目", "project.create"))
            .field(Field::text("name", "名称", 60).required())
            .field(
                Field::date("ends_on", "结束日")
                    .required()
                    .help("这一天过后令牌不能再还原，假名不能再生成"),
            )
            .field(Field::text("purpose", "用途", 200).required().wide());
        page = page.block(Block::form(form).title("建立项目"));
    }
    Ok(page)
}

/// The projects that somebody may export for.
pub(super) async fn own(host: &Host, call: &Call) -> Result<Vec<Choice>, Fault> {
    let p = &call.principal;
    let Some(user) = p
        .user
        .as_deref()
        .filter(|_| may(host, call, "project.read"))
    else {
        return Ok(Vec::new());
    };
    let query = Query::new(format!("{ID}.{PROJECTS}"))
        .filter(Filter::eq("created_by", user))
        .filter(Filter::eq("status", "open"))
        .sort("created_at", true)
        .limit(MAX_LIMIT);
    let found = host.find(p, query).await?.records;
    let open = found.iter().filter(|project| is_open(project, call.now));
    Ok(open
        .map(|project| Choice::new(word(project, "id"), word(project, "name")))
        .collect())
}

fn state(project: &Map<String, Value>, now: Timestamp) -> Datum {
    if is_open(project, now) {
        Datum::status("进行中", Tone::Success)
    } else {
        Datum::status("已结束", Tone::Neutral)
    }
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let p = &call.principal;
    let id = param(ask, "id");
    let project = host.get(p, &format!("{ID}.{PROJECTS}"), id).await?;
    let open = is_open(&project, call.now);
    let own = p.user.as_deref() == Some(word(&project, "created_by"));
    let facts = vec![
        Fact::new("状态", state(&project, call.now)),
        Fact::new("用途", Datum::text(word(&project, "purpose"))),
        Fact::new("结束日", Datum::date(word(&project, "ends_on"))),
        Fact::new("建立人", Datum::text(word(&project, "by_name"))),
        Fact::new("建立时间", Datum::time_text(word(&project, "created_at"))),
        Fact::new("还原次数", Datum::Integer(number(&project, "restored"))),
    ];
    let facts = Block::details("facts", facts).title("项目");
    let mut page = bench(word(&project, "name")).under("去标识项目", PATH);
    if own && open {
        let body =
            "密钥材料随即销毁：已导出文件中的令牌不能再还原，已还原的原值一并清除，不能恢复。";
        page = page
            .action(
                Action::send("结束项目", "project.end")
                    .record(id)
                    .danger()
                    .confirm(Confirm::new("结束项目", body, "结束项目")),
            )
            .action(Action::open("导出", "/console/jobs/export").icon("download"));
        let form = Form::new(
            "restore",
            Action::send("还原", "project.restore").record(id),
        )
        .field(
            Field::text("token", "令牌", 20_000)
                .required()
                .wide()
                .help("导出文件中以 t 开头的一格；原值须说明理由、经另一人同意后查看"),
        );
        let form = Block::form(form).title("还原令牌");
        page = page.section(Section::grid().block(facts.span(6)).block(form.span(6)));
    } else {
        page = page.block(facts);
        if !open {
            let words = "密钥材料已销毁，令牌不能再还原，也不能再以本项目导出。";
            let notice = Notice::new(Tone::Neutral, "项目已结束", words);
            page = page.block(Block::notice("ended", notice));
        }
    }
    Ok(page.block(turned_back(host, call, ask, id).await?))
}

/// The tokens that were turned back; their values take a look.
async fn turned_back(host: &Host, call: &Call, ask: &Ask, project: &str) -> Result<Block, Fault> {
    let page = page_number(ask);
    let query = Query::new(format!("{ID}.{RESTORATIONS}"))
        .filter(Filter::eq("project", project))
        .sort("created_at", true)
        .page(page, PAGE);
    let found = host.listed(call, query).await?;
    let rows = found.records.iter().map(|r| {
        let id = word(r, "id");
        let value = match word(r, "value") {
            "" => Datum::text("已清除"),
            shown => Datum::Masked(Masked {
                shown: shown.to_owned(),
                of: Some(Place {
                    collection: RESTORATIONS.into(),
                    id: id.to_owned(),
                    field: "value".into(),
                }),
                ..Masked::default()
            }),
        };
        let digest: String = word(r, "digest").chars().take(16).collect();
        let cells = vec![
            Datum::time_text(word(r, "created_at")),
            Datum::text(word(r, "by_name")),
            Datum::text(digest),
            value,
        ];
        Row::new(id, cells)
    });
    let columns = vec![
        Column::new("at", "时间", 0),
        Column::new("by", "申请人", 1),
        Column::new("digest", "令牌摘要", 2),
        Column::new("value", "原值", 0),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(page, PAGE, found.total.unwrap_or_default())
        .empty("还没有还原过令牌");
    Ok(Block::table("restorations", table).title("已还原的令牌"))
}
