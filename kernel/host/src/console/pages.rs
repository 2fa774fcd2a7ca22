//! Operators' and auditors' pages.

use kernel_storage::AuditFilter;
use sdk_contract::call::Ask;
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Column, Datum, Fact, Field, FieldKind, Notice, Page, Row, Shell, Table,
};
use sdk_contract::query::Query;
use serde_json::{Map, Value};

use super::text;
use crate::Host;
use crate::module::Call;
use crate::reads::ask as ask_fault;

/// Rows of one list page.
const PAGE: u32 = 20;

pub(super) fn page_number(ask: &Ask) -> u32 {
    ask.query
        .get("page")
        .and_then(|p| p.parse().ok())
        .unwrap_or(1)
        .clamp(1, 500)
}

pub(super) fn bench(title: &str) -> Page {
    Page::new(title).shell(Shell::Bench)
}

pub(super) fn param<'a>(ask: &'a Ask, name: &str) -> &'a str {
    ask.params.get(name).map_or("", String::as_str)
}

pub(super) fn fact(record: &Map<String, Value>, label: &str, field: &str) -> Fact {
    Fact::new(label, Datum::text(text(record, field)))
}

pub(super) async fn plugins(host: &Host, call: &Call) -> Result<Page, Fault> {
    let found = host
        .find(
            &call.principal,
            Query::new("console.plugins").sort("code", false).limit(200),
        )
        .await?;
    let catalog = host.catalog();
    let mut rows = Vec::new();
    let mut page = bench("插件管理").subtitle("专版可以按区启用或停用，立即生效；停用不删除数据");
    let mut editions = Vec::new();
    for record in &found.records {
        let code = text(record, "code");
        let Some(m) = catalog.modules.get(code) else {
            continue;
        };
        let manifest = m.manifest.as_ref();
        let state = if m.enabled.everywhere {
            Datum::status("全市启用", Tone::Success)
        } else if m.enabled.districts.is_empty() {
            Datum::status("未启用", Tone::Neutral)
        } else {
            let codes: Vec<&str> = m.enabled.districts.iter().map(String::as_str).collect();
            Datum::status(format!("启用于 {}", codes.join("、")), Tone::Info)
        };
        rows.push(Row::new(
            code,
            vec![
                Datum::text(m.def.label.zh.as_str()),
                Datum::text(code),
                Datum::text(manifest.map_or("", |m| m.version.as_str())),
                Datum::text(if m.is_edition() {
                    "专版"
                } else {
                    "业务模块"
                }),
                state,
                Datum::text(m.digest.get(..16).unwrap_or_default()),
            ],
        ));
        if m.is_edition() {
            editions.push((text(record, "id").to_owned(), code.to_owned(), m));
        }
    }
    let columns = vec![
        Column::new("name", "名称", 0),
        Column::new("code", "标识", 1),
        Column::new("version", "版本", 3),
        Column::new("kind", "类别", 2),
        Column::new("state", "状态", 1),
        Column::new("digest", "组件摘要", 4),
    ];
    page = page.block(Block::table("plugins", Table::new(columns).rows(rows)).title("已安装"));
    for (id, code, m) in editions {
        page = page.block(edition(&id, &code, m));
    }
    Ok(page)
}

fn edition(id: &str, code: &str, m: &crate::Installed) -> Block {
    use sdk_contract::page::Form;
    let on = m.enabled.everywhere || !m.enabled.districts.is_empty();
    let district = || Field::new("district", "区", FieldKind::Region).hint("不选则全市");
    let form = if on {
        let submit = Action::send("停用", "plugin.disable").record(id).danger();
        Form::new(format!("disable-{code}"), submit).field(district())
    } else {
        Form::new(
            format!("enable-{code}"),
            Action::send("启用", "plugin.enable").record(id),
        )
        .field(district())
    };
    Block::form(form).title(format!(
        "{} · {}",
        m.def.label.zh,
        if on { "停用" } else { "启用" }
    ))
}

pub(super) async fn certificates(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let query = Query::new("console.certificates")
        .sort("created_at", true)
        .page(number, PAGE);
    let found = host.find(&call.principal, query).await?;
    let rows = found.records.iter().map(|r| {
        let id = text(r, "id");
        Row::new(
            id,
            vec![
                Datum::text(text(r, "reference")),
                Datum::text(format!("{} {}", text(r, "model"), text(r, "version"))),
                Datum::text(text(r, "score").get(..6).unwrap_or(text(r, "score"))),
                Datum::text(text(r, "purpose")),
                Datum::time_text(text(r, "created_at")),
            ],
        )
        .to(format!("/console/certificates/{id}"))
    });
    let columns = vec![
        Column::new("reference", "业务编号", 0),
        Column::new("model", "模型", 1),
        Column::new("score", "得分", 1),
        Column::new("purpose", "用途", 3),
        Column::new("at", "时间", 2),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .paging(number, PAGE, found.total.unwrap_or_default())
        .empty("还没有模型调用");
    Ok(bench("模型调用")
        .subtitle("每次评分一张证书，可在任何机器上重放")
        .block(Block::table("calls", table)))
}

pub(super) async fn certificate(host: &Host, call: &Call, ask: &Ask) -> Result<Page, Fault> {
    let id = param(ask, "id");
    let record = host
        .get(&call.principal, "console.certificates", id)
        .await?;
    let signed: crate::models::certificate::Signed =
        serde_json::from_value(record.get("document").cloned().unwrap_or_default())
            .map_err(|_| Fault::internal("证书已损坏"))?;
    let genuine = signed.verify(host.keys()).is_ok();
    let c = &signed.certificate;
    let notice = if genuine {
        Notice::new(Tone::Success, "签名有效", "内容与签发时一致（SM2）")
    } else {
        Notice::new(Tone::Danger, "签名无效", "内容在签发后被改动")
    };
    let facts = vec![
        Fact::new("证书编号", Datum::text(c.id.as_str())),
        Fact::new(
            "模型",
            Datum::text(format!("{} {}", c.model.name, c.model.version)),
        ),
        Fact::new("组件摘要", Datum::text(c.model.digest.as_str())),
        Fact::new("用途", Datum::text(c.purpose.as_str())),
        Fact::new("授权书", Datum::text(c.consent.as_str())),
        Fact::new("业务编号", Datum::text(c.reference.as_str())),
        Fact::new("时间", Datum::time_text(&c.at)),
        Fact::new("得分", Datum::text(c.output.score.to_string())),
        Fact::new("计算量", Datum::text(c.output.fuel.to_string())),
        Fact::new(
            "读取的数据项",
            Datum::text(c.input.keys().cloned().collect::<Vec<_>>().join("、")),
        ),
    ];
    Ok(bench("评分证书")
        .under("模型调用", "/console/certificates")
        .guarded()
        .block(Block::notice("signature", notice))
        .block(Block::details("certificate", facts)))
}

pub(super) async fn audit(host: &Host, ask: &Ask) -> Result<Page, Fault> {
    let number = page_number(ask);
    let given = |name: &str| ask.query.get(name).filter(|v| !v.is_empty()).cloned();
    let filter = AuditFilter {
        actor: given("actor"),
        object: given("object"),
        action: given("action"),
        ..AuditFilter::default()
    };
    let found = host
        .store()
        .audit_find(&filter, PAGE, (number - 1) * PAGE)
        .await
        .map_err(|e| ask_fault(&e))?;
    let rows = found.records.iter().map(|r| {
        let seq = r.seq;
        let r = &r.draft;
        let tone = if r.outcome == "ok" {
            Tone::Success
        } else {
            Tone::Warning
        };
        Row::new(
            format!("a{seq}"),
            vec![
                Datum::Integer(i64::try_from(seq).unwrap_or_default()),
                Datum::Time(r.at),
                Datum::text(r.action.as_str()),
                Datum::text(r.actor.as_str()),
                Datum::text(r.object.as_str()),
                Datum::status(
                    if r.outcome == "ok" {
                        "完成"
                    } else {
                        "拒绝"
                    },
                    tone,
                ),
                Datum::text(if r.detail.is_null() {
                    String::new()
                } else {
                    r.detail.to_string()
                }),
            ],
        )
    });
    let columns = vec![
        Column::new("seq", "序号", 2),
        Column::new("at", "时间", 1),
        Column::new("action", "操作", 0),
        Column::new("actor", "操作人", 3),
        Column::new("object", "对象", 3),
        Column::new("outcome", "结果", 1),
        Column::new("detail", "详情", 4),
    ];
    let table = Table::new(columns)
        .rows(rows)
        .filter(Field::text("action", "操作", 80).hint("如 lending."))
        .filter(Field::text("object", "对象", 80))
        .filter(Field::text("actor", "操作人编号", 80))
        .paging(number, PAGE, found.total)
        .empty("没有符合条件的记录");
    Ok(bench("审计日志")
        .subtitle("只增不改，SM3 链式防篡改")
        .guarded()
        .block(Block::table("audit", table)))
}
