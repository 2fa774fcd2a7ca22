//! Imports and exports as their people begin, watch and cancel them. How they are carried out:
//! [`crate::transfer`].

use kernel_identity::principal::Principal;
use sdk_contract::call::{Ask, Reply, Write};
use sdk_contract::def::{CollectionDef, FieldDef};
use sdk_contract::error::Fault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Fact, Field, Form, Job, JobState, Notice, Page,
    Place, Row, Section, Table, Tone,
};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Map, Value, json};

use super::pages::{PAGE, bench, may, page_number, param};
use super::{ID, go, projects, record, stay};
use crate::Host;
use crate::module::{Call, Input, new_id};
use crate::reads::ask as ask_fault;
use crate::transfer::{Format, Marks, Work, is_replaceable};
use crate::uploads::MAX_UPLOAD;
use crate::values::{number, object, word};

/// Names of the collections.
pub(crate) const JOBS: &str = "jobs";
pub(crate) const JOB_PARTS: &str = "job-parts";
const PATH: &str = "/console/jobs";
/// Seconds between two looks at jobs that are not over.
const REFRESH: u16 = 2;

pub(super) async fn import(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let values = host.begin_job(call, Work::Import, input).await?;
    begun(call, values, "已开始导入")
}

pub(super) async fn export(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let values = host.begin_job(call, Work::Export, input).await?;
    let toast = if word(&values, "status") == "waiting" {
        "已提交，须另一人复核后才开始导出"
    } else {
        "已开始导出"
    };
    begun(call, values, toast)
}

fn begun(call: &Call, job: Map<String, Value>, toast: &str) -> Result<Reply, Fault> {
    let id = new_id(call.now)?;
    let path = format!("{PATH}/{id}");
    let result = json!({ "id": id, "status": word(&job, "status"), "total": job.get("total") });
    let note = Some(word(&job, "reason").to_owned()).filter(|n| !n.is_empty());
    let write = Write::Insert {
        collection: JOBS.into(),
        id,
        subject: None,
        organisation: call.principal.organisation.clone(),
        district: None,
        values: job,
    };
    Ok(Reply {
        writes: vec![write],
        note,
        ..go(path, toast, result)
    })
}

pub(super) fn cancel(call: &Call, input: &Input) -> Result<Reply, Fault> {
    let job = record(input)?;
    let write = Write::Update {
        collection: JOBS.into(),
        id: word(job, "id").to_owned(),
        revision: number(job, "revision"),
        values: object(json!({
            "status": "cancelled", "ended_at": call.now.to_string(),
            "why": format!("由{}取消；已处理的不撤销", call.principal.name),
        })),
    };
    Ok(Reply {
        writes: vec![write],
        ..stay("已取消")
    })
}

/// Finds the export that a leaked file, or a part of it, came from.
pub(super) async fn trace(host: &Host, input: &Input) -> Result<Reply, Fault> {
    let digest = input
        .values
        .get("file")
        .and_then(|f| f.get("digest")?.as_str());
    let bytes = host.upload(digest.unwrap_or_default()).await?;
    let marks = Marks::of(&bytes);
    let mut cursor = String::new();
    loop {
        let query = Query::new(format!("{ID}.{JOBS}"))
            .filter(Filter::eq("kind", "export"))
            .after(cursor, MAX_LIMIT);
        let found = host.store().list(&query, &Host::KERNEL).await;
        let found = found.map_err(|e| ask_fault(&e))?;
        let bears = |job: &&Map<String, Value>| marks.bear(word(job, "trace"));
        if let Some(job) = found.records.iter().find(bears) {
            let id = word(job, "id");
            let result = json!({ "id": id, "trace": word(job, "trace") });
            return Ok(go(format!("{PATH}/{id}"), "文件出自这次导出", result));
        }
        let Some(next) = found.next else {
            let what = "没有找到：行数太少，或文件另存过，或不是本平台导出的";
            return Err(Fault::refused("untraceable", what));
        };
        cursor = next;
    }
}

fn declared(host: &Host, name: &str) -> Result<(CollectionDef, Datums), Fault> {
    let catalog = host.catalog();
    let (installed, c) = catalog.collection(name).ok_or_else(Fault::not_found)?;
    Ok((c.clone(), Datums(installed.def.choices.clone())))
}

/// Cells of a job's declared fields.
struct Datums(Vec<sdk_contract::def::ChoiceDef>);

impl Datums {
    fn of(&self, c: &CollectionDef, job: &Map<String, Value>, name: &str) -> Datum {
        let value = job.get(name).cloned().unwrap_or_default();
        let shown = c.field(name).map(|field| Datum::of(field, &self.0, &value));
        let mut shown = shown.unwrap_or_default();
        if let Datum::File(file) = &mut shown {
            file.of = Some(Place {
                collection: JOBS.into(),
                id: word(job, "id").to_owned(),
                field: name.to_owned(),
            });
        }
        shown
    }
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let page = page_number(ask);
    let mut query = Query::new(format!("{ID}.{JOBS}"))
        .sort("created_at", true)
        .page(page, PAGE);
    if let Some(status) = ask.query("status") {
        query = query.filter(Filter::eq("status", status));
    }
    if let Some(words) = ask.query("q") {
        let trace = Filter::eq("trace", words.trim().to_lowercase());
        query = query.filter(trace.or(Filter::contains("label", words)));
    }
    let found = host.listed(call, query).await?;
    let (c, datums) = declared(host, &format!("{ID}.{JOBS}"))?;
    let rows = found.records.iter().map(|job| {
        let id = word(job, "id");
        let shown = |name: &str| datums.of(&c, job, name);
        let cells = vec![
            shown("label"),
            shown("kind"),
            shown("status"),
            Datum::text(progress(job)),
            shown("by_name"),
            Datum::time_text(word(job, "created_at")),
        ];
        Row::new(id, cells).to(format!("{PATH}/{id}"))
    });
    let columns = vec![
        Column::new("label", "内容", 0),
        Column::new("kind", "类别", 1),
        Column::new("status", "状态", 1),
        Column::new("rows", "进度", 2),
        Column::new("by", "发起人", 3),
        Column::new("at", "发起时间", 2),
    ];
    let status = c.field("status").ok_or_else(Fault::not_found)?;
    let mut by_status = Field::of(status, &datums.0).ok_or_else(Fault::not_found)?;
    by_status.required = false;
    let table = Table::new(columns)
        .rows(rows)
        .filter(by_status)
        .search("内容或追溯码")
        .paging(page, PAGE, found.total.unwrap_or_default())
        .empty("还没有任务；在列表页选“导入”或“导出”");
    let mut block = Block::table("jobs", table);
    if found.records.iter().any(|job| !is_over(job)) {
        block = block.live(REFRESH);
    }
    let mut page = bench("导入导出")
        .subtitle("在后台进行，可以离开本页；服务重启后接着做")
        .block(block);
    for (permission, label, verb, icon) in [
        ("job.import", "导入", "import", "upload"),
        ("job.export", "导出", "export", "download"),
    ] {
        if may(host, call, permission) {
            page = page.action(Action::open(label, format!("{PATH}/{verb}")).icon(icon));
        }
    }
    if may(host, call, "job.trace") {
        page = page.action(Action::open("导出溯源", format!("{PATH}/trace")).icon("search"));
    }
    Ok(page)
}

fn is_over(job: &Map<String, Value>) -> bool {
    ["done", "failed", "cancelled"].contains(&word(job, "status"))
}

fn progress(job: &Map<String, Value>) -> String {
    let (done, failed) = (number(job, "done"), number(job, "failed"));
    let refused = match failed {
        0 => String::new(),
        n => format!("，退回 {n}"),
    };
    format!("{done} / {}{refused}", number(job, "total"))
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let job = host
        .get(&call.principal, &format!("{ID}.{JOBS}"), param(ask, "id"))
        .await?;
    let (c, datums) = declared(host, &format!("{ID}.{JOBS}"))?;
    let is_import = word(&job, "kind") == "import";
    let mut page = bench(&format!(
        "{}{}",
        if is_import { "导入" } else { "导出" },
        word(&job, "label")
    ))
    .under("导入导出", PATH)
    .block(state(&job));
    if !is_over(&job) && may(host, call, "job.cancel") {
        let body = "已处理的行不会撤销，其余的不再处理。";
        page = page.action(
            Action::send("取消任务", "job.cancel")
                .record(word(&job, "id"))
                .danger()
                .confirm(Confirm::new("取消任务", body, "取消任务")),
        );
    }
    let (end, gone) = (host.files_end(&job), host.files_gone(&job));
    let expired = gone.is_some();
    let shown = |field: &&FieldDef| {
        let inner = [
            "expired_at",
            "label",
            "query",
            "fields",
            "project",
            "pseudonyms",
            "tokens",
            "held_until",
            "action",
            "collection",
        ];
        let lost = expired && matches!(field.kind, Kind::File { .. });
        !lost
            && !inner.contains(&field.name.as_str())
            && (is_import || field.name != "failed")
            && job
                .get(&field.name)
                .is_some_and(|v| !v.is_null() && v != "" && v != &json!(false))
    };
    let mut facts = vec![Fact::new(
        "发起时间",
        Datum::time_text(word(&job, "created_at")),
    )];
    facts.extend(
        c.fields
            .iter()
            .filter(shown)
            .map(|f| Fact::new(&f.label.zh, datums.of(&c, &job, &f.name))),
    );
    if let Some(end) = end {
        let what = if expired {
            "文件已于"
        } else {
            "文件保留至"
        };
        facts.push(Fact::new(what, Datum::time_text(&end.to_string())));
    }
    let mut page = page.block(Block::details("facts", facts).title("任务"));
    if let Some(gone) = gone {
        let words = format!("{}。任务本身的记录不变。", gone.message);
        let notice = Notice::new(Tone::Neutral, "文件已过期", words);
        page = page.block(Block::notice("expired", notice));
    } else if is_import && number(&job, "failed") > 0 {
        let refused = refused(host, &call.principal, word(&job, "id")).await?;
        return Ok(page.block(refused));
    }
    Ok(page)
}

fn state(job: &Map<String, Value>) -> Block {
    let why = word(job, "why");
    let notice =
        |tone, lead: &str, words: &str| Block::notice("state", Notice::new(tone, lead, words));
    match word(job, "status") {
        "waiting" => notice(
            Tone::Warning,
            "待复核",
            "须另一人在“待复核”中同意后才开始；同意之前不读取任何数据",
        )
        .live(REFRESH),
        "cancelled" => notice(Tone::Neutral, "已取消", why),
        status => {
            let over = |done: i64| (done * 100).checked_div(number(job, "total"));
            let (state, percent) = match status {
                "done" => (JobState::Done, 100),
                "failed" => (JobState::Failed, 100),
                _ => {
                    let rows = number(job, "done") + number(job, "failed");
                    (JobState::Running, over(rows).unwrap_or(0).clamp(0, 99))
                }
            };
            let job = Job {
                name: word(job, "label").to_owned(),
                percent: u8::try_from(percent).unwrap_or(100),
                state,
                note: if why.is_empty() {
                    format!("{} 条", progress(job))
                } else {
                    why.to_owned()
                },
                done: None,
            };
            let block = Block::job("state", job).title("进度");
            if state == JobState::Running {
                block.live(REFRESH)
            } else {
                block
            }
        }
    }
}

/// The first rows that were refused; all of them are in the file.
async fn refused(host: &Host, p: &Principal, job: &str) -> Result<Block, Fault> {
    let query = Query::new(format!("{ID}.{JOB_PARTS}"))
        .filter(Filter::eq("job", job))
        .sort("first", false)
        .limit(1);
    // Who only watches over jobs is not shown what was in them.
    let parts = match host.find(p, query).await {
        Ok(found) => found.records,
        Err(fault) if fault.kind == sdk_contract::error::FaultKind::Forbidden => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let all = parts
        .first()
        .and_then(|part| part.get("rows")?.as_array().cloned());
    let mut rows = Vec::new();
    for refused in all.unwrap_or_default().iter().take(PAGE as usize) {
        let line = refused.get(0).and_then(Value::as_i64).unwrap_or_default();
        let wrong = refused.get(1).and_then(Value::as_array).cloned();
        for (n, wrong) in wrong.unwrap_or_default().iter().enumerate() {
            let word = |name: &str| wrong.get(name).and_then(Value::as_str).unwrap_or_default();
            let cells = vec![
                Datum::text(line.to_string()),
                Datum::text(word("column")),
                Datum::text(word("message")),
                Datum::text(word("rule")),
            ];
            rows.push(Row::new(format!("r{line}-{n}"), cells));
        }
    }
    let columns = vec![
        Column::new("row", "行号", 0),
        Column::new("column", "列", 1),
        Column::new("message", "原因", 1),
        Column::new("rule", "规则", 3),
    ];
    let table = Table::new(columns).rows(rows).empty("退回的行见退回文件");
    Ok(Block::table("refused", table)
        .title("退回的行")
        .help("全部退回的行在退回文件中，更正后可直接再次导入"))
}

fn formats() -> Vec<Choice> {
    let all = Format::ALL.into_iter();
    all.map(|f| Choice::new(f.name(), f.title())).collect()
}

/// What there is to import into, or to export, for whoever came by no list.
fn choose(host: &Host, call: &Call, import: bool) -> Page {
    let (title, verb) = if import {
        ("导入", "import")
    } else {
        ("导出", "export")
    };
    let catalog = host.catalog();
    let all = catalog
        .modules
        .values()
        .flat_map(|m| m.def.collections.iter().map(move |c| (m, c)));
    let rows = all.filter_map(|(m, c)| {
        let of = format!("{}.{}", m.def.id, c.name);
        let (may_import, may_export) = host.may_transfer(&call.principal, &of);
        let may = if import { may_import } else { may_export };
        let cells = vec![
            Datum::text(c.label.zh.as_str()),
            Datum::text(m.def.label.zh.as_str()),
        ];
        may.then(|| Row::new(of.as_str(), cells).to(format!("{PATH}/{verb}?of={of}")))
    });
    let columns = vec![
        Column::new("what", "内容", 0),
        Column::new("where", "所属", 1),
    ];
    let table = Table::new(columns).rows(rows).empty("没有您可以办理的内容");
    bench(title)
        .under("导入导出", PATH)
        .block(Block::table("collections", table).title("选择内容"))
}

pub(super) fn import_form(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let Some(of) = ask.query("of") else {
        return Ok(choose(host, call, true));
    };
    if !host.may_transfer(&call.principal, of).0 {
        return Err(Fault::not_found());
    }
    let (c, _) = declared(host, of)?;
    let form = Form::new("import", Action::send("开始导入", "job.import"))
        .field(Field::hidden("collection", of))
        .field(
            Field::file("file", "文件", MAX_UPLOAD as u64)
                .required()
                .help("CSV（UTF-8 或 GB18030）、Excel 工作簿的第一张表，或 JSON 行；首行为列名"),
        )
        .field(
            Field::toggle("dry", "只检查，不写入").help("只核对每一格的格式；业务规则在写入时检查"),
        )
        .field(
            Field::toggle("confirm", "疑点已核对").help("如校验位与计算不符的代码，确认无误后勾选"),
        );
    let mut templates = Vec::new();
    for format in Format::ALL {
        let to = format!(
            "/api/v1/{}/template?format={}",
            of.replace('.', "/"),
            format.name()
        );
        templates.push(Action::download(format!("{} 模板", format.title()), to).icon("download"));
    }
    Ok(bench(&format!("导入{}", c.label.zh))
        .under("导入导出", PATH)
        .subtitle("逐行按您本人的权限办理，与逐条填写相同；不合格的行退回，合格的生效")
        .section(
            Section::grid()
                .block(Block::form(form).title("选择文件").span(8))
                .block(
                    Block::actions("templates", templates)
                        .title("下载模板")
                        .span(4),
                ),
        ))
}

pub(super) async fn export_form(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let Some(of) = ask.query("of") else {
        return Ok(choose(host, call, false));
    };
    if !host.may_transfer(&call.principal, of).1 {
        return Err(Fault::not_found());
    }
    let (c, _) = declared(host, of)?;
    let range = host.filter_of(&call.principal, of, ask)?;
    let form = Form::new("export", Action::send("开始导出", "job.export"))
        .field(Field::hidden("collection", of))
        .field(Field::hidden("filter", json!(range.filter).to_string()))
        .field(
            Field::pick("format", "格式", formats())
                .required()
                .initial("csv"),
        )
        .field(
            Field::text("reason", "用途", 200)
                .required()
                .help("写入文件首行和审计日志"),
        );
    let form = replacing(form, &c, projects::own(host, call).await?);
    let words = if range.words.is_empty() {
        "全部您可以查看的记录".to_owned()
    } else {
        range.words.join("；")
    };
    let most = host.limits().export_without_approval;
    let mut page = bench(&format!("导出{}", c.label.zh));
    if range.partial {
        let words = "列表页上的其他筛选条件不适用于导出，导出范围以下方为准";
        let notice = Notice::new(Tone::Warning, "", words);
        page = page.block(Block::notice("partial", notice));
    }
    Ok(page
        .under("导入导出", PATH)
        .subtitle(format!(
            "超过 {most} 条或含未脱敏的敏感信息时，须另一人复核后才开始"
        ))
        .block(Block::details(
            "range",
            vec![Fact::new("范围", Datum::text(words))],
        ))
        .block(Block::form(form).title("导出")))
}

/// Asks which fields are replaced, where there is a project to replace them for.
fn replacing(form: Form, c: &CollectionDef, projects: Vec<Choice>) -> Form {
    if projects.is_empty() {
        return form;
    }
    let fields = || {
        let fields = c.fields.iter().filter(|f| is_replaceable(f));
        fields.map(|f| Choice::new(&f.name, &f.label.zh)).collect()
    };
    let chosen: Vec<String> = projects.iter().map(|p| p.value.clone()).collect();
    let many = |name: &str, label: &str, help: &str| {
        Field::pick_many(name, label, fields())
            .wide()
            .help(help)
            .when("project", chosen.clone())
    };
    form.group("去标识")
        .field(Field::pick("project", "项目", projects).help("不选则不代替任何字段"))
        .field(many(
            "pseudonyms",
            "以假名代替",
            "同一项目内同值同假名，不能还原；您看到的脱敏值不变",
        ))
        .field(many(
            "tokens",
            "以令牌代替",
            "项目期内可还原：说明理由并经另一人同意",
        ))
}

pub(super) fn trace_form() -> Page {
    let form = Form::new("trace", Action::send("查找", "job.trace")).field(
        Field::file("file", "泄露的文件或其中一部分", MAX_UPLOAD as u64)
            .required()
            .help("未经另存的 CSV 或 JSON 行，约二十行以上，首行的追溯码被删去也能认出；Excel 文件另存过也能认出"),
    );
    bench("导出溯源")
        .under("导入导出", PATH)
        .subtitle("知道追溯码的，直接在任务列表中搜索")
        .block(Block::form(form).title("由文件查找"))
}
