//! Pages of the bank's model people: upload, examination report, decision, batch trial.

use sdk_contract::call::Ask;
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::model::{FeatureKind, ModelDef};
use sdk_contract::page::{
    Action, Block, Chart, Column, Curve, Datum, Fact, Field, Form, Job, JobState, Link, Notice,
    Page, Roc, Row, Section, Shape, Stat, Table,
};
use sdk_contract::query::{Filter, Query};
use serde_json::{Map, Value};

use super::declare;
use super::pages::{PAGE, bench, fact, may, page_number, param};
use super::validations;
use crate::Host;
use crate::models::Report;
use crate::models::batch::Quality;
use crate::module::Call;
use crate::values::{number, word};

/// The largest file a trial takes.
const TRIAL_BYTES: u64 = 20 * 1024 * 1024;

/// A choice value as people read it.
pub(super) fn status(choice: &str, value: &str) -> Datum {
    let def = declare::def();
    let option = def
        .choice(choice)
        .and_then(|c| c.options.iter().find(|o| o.value == value).cloned());
    option.map_or(Datum::None, |o| Datum::status(o.label.zh, o.tone))
}

pub(super) async fn list(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let at = page_number(ask);
    let query = Query::new("console.models")
        .sort("created_at", true)
        .page(at, PAGE);
    let found = host.listed(call, query).await?;
    let rows = found.records.iter().map(|r| {
        let id = word(r, "id");
        Row::new(
            id,
            vec![
                Datum::text(word(r, "title")),
                Datum::text(format!("{} {}", word(r, "name"), word(r, "version"))),
                status("model-status", word(r, "status")),
                Datum::text(word(r, "owner_name")),
                Datum::text(word(r, "uploaded_by_name")),
                Datum::time_text(word(r, "created_at")),
            ],
        )
        .to(format!("/console/models/{id}"))
    });
    let columns = vec![
        Column::new("title", "模型", 0),
        Column::new("version", "标识与版本", 2),
        Column::new("status", "状态", 1),
        Column::new("owner", "机构", 3),
        Column::new("by", "上传人", 3),
        Column::new("at", "上传时间", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(at, PAGE, found.total.unwrap_or_default())
        .empty("还没有模型。模型开发人员上传组件文件后，由另一名验证人批准上线");
    let mut page = bench("评分模型").subtitle("本机构的模型只在沙箱中运行，其他机构看不到");
    if may(host, call, "model.upload") {
        page = page.action(
            Action::open("上传模型", "/console/models/upload")
                .icon("upload")
                .primary(),
        );
    }
    Ok(page.block(Block::table("models", table)))
}

pub(super) fn upload() -> Page {
    let form = Form::new("upload", Action::send("上传并检查", "model.upload"))
        .field(
            Field::file(
                "file",
                "模型组件（.wasm）",
                crate::uploads::MAX_UPLOAD as u64,
            )
            .required()
            .help(
                "WebAssembly 组件，不得导入任何接口；平台会检查导入、限制，并运行模型自带的金样例",
            ),
        )
        .field(Field::area("remark", "说明", 200).hint("本次更新了什么"));
    bench("上传模型")
        .under("评分模型", "/console/models")
        .block(Block::form(form).title("上传模型"))
}

pub(super) async fn detail(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let id = param(ask, "id");
    let r = host.get(&call.principal, "console.models", id).await?;
    let read = |field: &str| r.get(field).cloned().unwrap_or_default();
    let state = word(&r, "status");
    let mut page = bench(word(&r, "title"))
        .subtitle(format!(
            "{} {} · {}",
            word(&r, "name"),
            word(&r, "version"),
            word(&r, "owner_name")
        ))
        .under("评分模型", "/console/models");
    if let Datum::Status(s) = status("model-status", state) {
        page = page.status(s.label, s.tone);
    }
    // Others than the institution know that there is a model, not what is in it.
    if read("document").is_null() {
        let text = "模型的声明、检查报告与结果只有所属金融机构能看到。";
        let notice = Notice::new(Tone::Info, "只显示登记信息。", text);
        return Ok(page
            .block(Block::notice("closed", notice))
            .block(registration(&r)));
    }
    let damaged = |_| Fault::internal("模型登记已损坏");
    let def: ModelDef = serde_json::from_value(read("document")).map_err(damaged)?;
    let report: Report = serde_json::from_value(read("report")).map_err(damaged)?;
    if may(host, call, "model.trial") {
        page = page
            .action(Action::open("批量试算", format!("/console/models/{id}/trial")).icon("table"));
    }
    page = page
        .block(examination(&report))
        .section(
            Section::grid()
                .block(facts(&r, &def).span(7))
                .block(golden(&report).span(5)),
        )
        .block(features(&def));
    let validates = may(host, call, "model.validate");
    for block in validations::blocks(host, call, &r, validates).await? {
        page = page.block(block);
    }
    if state == "submitted" && may(host, call, "model.approve") {
        let own = Some(word(&r, "created_by")) == call.principal.user.as_deref();
        page = page.section(decision(id, own));
    }
    if state == "approved" && may(host, call, "model.withdraw") {
        let submit = Action::send("下线", "model.withdraw").record(id).danger();
        let form =
            Form::new("withdraw", submit).field(Field::area("reason", "原因", 500).required());
        page = page.block(
            Block::form(form)
                .title("下线")
                .help("下线后恢复使用上一个已批准的版本"),
        );
    }
    Ok(page.block(trials(host, call, id).await?))
}

fn examination(report: &Report) -> Block {
    let passed = report.passed();
    Block::stats(
        "examination",
        vec![
            Stat::new(
                "外部导入",
                Datum::Integer(i64::try_from(report.imports.len()).unwrap_or_default()),
            )
            .icon("shield-check", Tone::Success),
            Stat::new(
                "金样例",
                Datum::text(format!(
                    "{}/{}",
                    report.golden.iter().filter(|g| g.holds).count(),
                    report.golden.len()
                )),
            )
            .icon("checks", if passed { Tone::Success } else { Tone::Danger }),
            Stat::new("单笔计算量", Datum::quantity(report.fuel, "fuel")).icon("cpu", Tone::Info),
            Stat::new("单笔用时", Datum::quantity(report.micros, "微秒")).icon("clock", Tone::Info),
        ],
    )
    .title("检查结果")
}

/// What is known of a model outside its institution.
fn registration(r: &Map<String, Value>) -> Block {
    let facts = vec![
        fact(r, "机构", "owner_name"),
        fact(r, "上传人", "uploaded_by_name"),
        Fact::new("上传时间", Datum::time_text(word(r, "created_at"))),
        fact(r, "文件", "file_name"),
        fact(r, "组件摘要（SM3）", "digest"),
        fact(r, "批准人", "decided_by_name"),
        Fact::new("批准时间", Datum::time_text(word(r, "decided_at"))),
    ];
    Block::details("facts", facts).title("登记信息")
}

fn facts(r: &Map<String, Value>, def: &ModelDef) -> Block {
    let p = &def.provenance;
    let held_out = |v: Option<f64>| v.map_or_else(|| "未提供".to_owned(), |v| format!("{v:.4}"));
    Block::details(
        "facts",
        vec![
            Fact::new("说明", Datum::text(def.description.as_str())),
            fact(r, "文件", "file_name"),
            fact(r, "组件摘要（SM3）", "digest"),
            fact(r, "上传人", "uploaded_by_name"),
            fact(r, "备注", "remark"),
            Fact::new("训练数据", Datum::text(p.data.as_str())),
            Fact::new("样本量", Datum::text(p.rows.to_string())),
            Fact::new("留出集 AUC", Datum::text(held_out(p.held_out_auc))),
            Fact::new("留出集 KS", Datum::text(held_out(p.held_out_ks))),
            fact(r, "批准人", "decided_by_name"),
            fact(r, "批准意见", "reason"),
        ],
    )
    .title("登记信息")
}

fn golden(report: &Report) -> Block {
    let rows = report.golden.iter().enumerate().map(|(i, g)| {
        Row::new(
            format!("g{i}"),
            vec![
                Datum::text(format!("{:.4}", g.expected)),
                Datum::text(format!("{:.4}", g.score)),
                if g.holds {
                    Datum::status("一致", Tone::Success)
                } else {
                    Datum::status("不符", Tone::Danger)
                },
            ],
        )
    });
    let columns = vec![
        Column::new("expected", "声明得分", 0),
        Column::new("score", "沙箱得分", 1),
        Column::new("holds", "结果", 1),
    ];
    Block::table("golden", Table::new(columns).rows(rows)).title("金样例")
}

fn features(def: &ModelDef) -> Block {
    let rows = def.features.iter().map(|f| {
        let kind = match &f.kind {
            FeatureKind::Number { .. } => "数值".to_owned(),
            FeatureKind::Category { values } => values.join("、"),
        };
        Row::new(
            f.reason.code.as_str(),
            vec![
                Datum::text(f.label.as_str()),
                Datum::text(f.name.as_str()),
                Datum::text(kind),
                Datum::text(f.reason.text.as_str()),
            ],
        )
    });
    let columns = vec![
        Column::new("label", "数据项", 0),
        Column::new("name", "标识", 1),
        Column::new("kind", "取值", 3),
        Column::new("reason", "原因说明", 2),
    ];
    Block::table("features", Table::new(columns).rows(rows))
        .title("读取的数据项")
        .help("平台只收集这里列出的数据项")
}

fn decision(id: &str, own: bool) -> Section {
    let form = |name: &str, label: &str, action: &str| {
        let mut submit = Action::send(label, action).record(id);
        if own {
            submit = submit.off("上传人不能批准自己的模型");
        }
        Form::new(name, submit).field(Field::area("reason", "意见", 500).required())
    };
    Section::grid()
        .title("批准")
        .block(
            Block::form(form("approve", "批准上线", "model.approve"))
                .title("批准")
                .span(6),
        )
        .block(
            Block::form(form("reject", "驳回", "model.reject"))
                .title("驳回")
                .span(6),
        )
}

async fn trials(host: &Host, call: &Call, model: &str) -> Result<Block, Fault> {
    if !may(host, call, "trial.read") {
        return Ok(Block::notice(
            "trials",
            Notice::new(Tone::Neutral, "", "试算结果仅本机构模型人员可见"),
        ));
    }
    let query = Query::new("console.trials")
        .filter(Filter::eq("model", model))
        .sort("created_at", true)
        .limit(10);
    let found = host.listed(call, query).await?;
    let rows = found.records.iter().map(|r| {
        let id = word(r, "id");
        Row::new(
            id,
            vec![
                Datum::text(word(r, "file_name")),
                Datum::Integer(number(r, "total")),
                status("trial-status", word(r, "status")),
                Datum::time_text(word(r, "created_at")),
            ],
        )
        .to(format!("/console/trials/{id}"))
    });
    let columns = vec![
        Column::new("file", "文件", 0),
        Column::new("rows", "行数", 2),
        Column::new("status", "状态", 1),
        Column::new("at", "时间", 2),
    ];
    Ok(
        Block::table("trials", Table::new(columns).rows(rows).empty("还没有试算"))
            .title("批量试算"),
    )
}

pub(super) async fn trial_form(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let id = param(ask, "id");
    let r = host.get(&call.principal, "console.models", id).await?;
    let form = Form::new("trial", Action::send("开始试算", "model.trial").record(id)).field(
        Field::file("file", "样本文件（.csv）", TRIAL_BYTES)
            .required()
            .help("首行为列名，列名即数据项标识；含好坏标签列时给出 AUC 与 KS"),
    );
    Ok(bench("批量试算")
        .subtitle(word(&r, "title"))
        .under("评分模型", "/console/models")
        .under(word(&r, "title"), format!("/console/models/{id}"))
        .block(Block::form(form).title("选择文件")))
}

pub(super) async fn trial(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let id = param(ask, "id");
    let r = host.get(&call.principal, "console.trials", id).await?;
    let (total, done) = (number(&r, "total"), number(&r, "done"));
    let state = match word(&r, "status") {
        "done" => JobState::Done,
        "failed" => JobState::Failed,
        _ => JobState::Running,
    };
    let percent = if state == JobState::Done {
        100
    } else {
        (done * 100).checked_div(total).unwrap_or(0)
    };
    let job = Job {
        name: word(&r, "file_name").to_owned(),
        percent: u8::try_from(percent.clamp(0, 100)).unwrap_or(100),
        state,
        note: match state {
            JobState::Failed => word(&r, "why").to_owned(),
            _ => format!(
                "{done}/{total} 行，{} 行数据不全未评分",
                number(&r, "refused")
            ),
        },
        done: Some(Link::new(
            "查看模型",
            format!("/console/models/{}", word(&r, "model")),
        )),
    };
    let mut block = Block::job("progress", job).title("进度");
    if state == JobState::Running {
        block = block.live(1);
    }
    let mut page = bench("试算结果")
        .under("评分模型", "/console/models")
        .block(block);
    if let Ok(quality) =
        serde_json::from_value::<Quality>(r.get("quality").cloned().unwrap_or_default())
    {
        page = page.section(quality_section(&quality));
    }
    Ok(page)
}

fn quality_section(quality: &Quality) -> Section {
    let summary = format!(
        "AUC {:.4}，KS {:.4}：从好、坏样本中各取一个，模型把坏样本评得更低的概率为 {:.1}%",
        quality.auc,
        quality.ks,
        percent(quality.auc)
    );
    let points = quality.curve.iter().map(|(x, y)| [*x, *y]).collect();
    let curve = Roc {
        curves: vec![Curve {
            name: "模型".into(),
            points,
        }],
    };
    Section::grid()
        .title("区分能力")
        .block(
            Block::stats(
                "quality",
                vec![
                    Stat::new("AUC", Datum::text(format!("{:.4}", quality.auc)))
                        .icon("chart-line", Tone::Info),
                    Stat::new("KS", Datum::text(format!("{:.4}", quality.ks)))
                        .icon("chart-bar", Tone::Info),
                ],
            )
            .span(4),
        )
        .block(
            Block::chart("roc", Chart::new(Shape::Roc(curve), summary))
                .title("ROC 曲线")
                .span(8),
        )
}

#[expect(clippy::float_arithmetic, reason = "a share for people to read")]
fn percent(share: f64) -> f64 {
    share * 100.0
}
