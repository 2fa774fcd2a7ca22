//! The operator's page of modules: what is installed, and where each edition is switched on.

use sdk_contract::error::Fault;
use sdk_contract::page::{
    Action, Block, Choice, Column, Confirm, Datum, Fact, Field, Form, Page, Row, Section, Status,
    Table, Tone,
};
use sdk_contract::query::Query;

use super::names::region;
use super::pages::{bench, may};
use crate::module::Call;
use crate::values::word;
use crate::{Host, Installed};

pub(super) async fn list(host: &Host, call: &Call) -> Result<Page, Fault> {
    let query = Query::new("console.plugins").sort("code", false).limit(200);
    let found = host.listed(call, query).await?;
    let catalog = host.catalog();
    let mut rows = Vec::new();
    let mut editions = Vec::new();
    for record in &found.records {
        let code = word(record, "code");
        let Some(m) = catalog.modules.get(code) else {
            continue;
        };
        rows.push(row(host, code, m));
        if m.is_edition() {
            editions.push(edition(host, call, word(record, "id"), m));
        }
    }
    let columns = vec![
        Column::new("name", "名称", 0),
        Column::new("kind", "类别", 2),
        Column::new("state", "状态", 1),
        Column::new("code", "标识", 3),
        Column::new("version", "版本", 3),
        Column::new("digest", "组件摘要", 4),
    ];
    let mut page = bench("插件管理")
        .subtitle("专版可以按区启用或停用，立即生效；停用不删除数据")
        .block(Block::table("plugins", Table::new(columns).rows(rows)).title("已安装"));
    for section in editions {
        page = page.section(section);
    }
    Ok(page)
}

fn row(host: &Host, code: &str, m: &Installed) -> Row {
    let manifest = m.manifest.as_ref();
    let kind = if m.is_edition() {
        "专版"
    } else {
        "业务模块"
    };
    Row::new(
        code,
        vec![
            Datum::text(m.def.label.zh.as_str()),
            Datum::text(kind),
            state(host, m),
            Datum::text(code),
            Datum::text(manifest.map_or("", |m| m.version.as_str())),
            Datum::text(m.digest.get(..16).unwrap_or_default()),
        ],
    )
}

fn state(host: &Host, m: &Installed) -> Datum {
    if m.enabled.everywhere {
        return Datum::status("全市启用", Tone::Success);
    }
    let names: Vec<&str> = m
        .enabled
        .districts
        .iter()
        .map(|d| region(host, d))
        .collect();
    match names.as_slice() {
        [] => Datum::status("未启用", Tone::Neutral),
        names => Datum::status(format!("启用于{}", names.join("、")), Tone::Info),
    }
}

/// Where an edition is on, with one form to switch it on in a district and one to switch it off.
fn edition(host: &Host, call: &Call, id: &str, m: &Installed) -> Section {
    let code = &m.def.id;
    let mut section = Section::grid()
        .title(m.def.label.zh.as_str())
        .block(scope(host, m));
    if may(host, call, "plugin.enable") && !m.enabled.everywhere {
        section = section.block(enable(id, code).span(6));
    }
    let on = m.enabled.everywhere || !m.enabled.districts.is_empty();
    if may(host, call, "plugin.disable") && on {
        section = section.block(disable(host, id, m).span(6));
    }
    section
}

fn scope(host: &Host, m: &Installed) -> Block {
    let tag = |d: &String| Status::new(region(host, d), Tone::Info);
    let value = if m.enabled.everywhere {
        Datum::status("全市", Tone::Success)
    } else if m.enabled.districts.is_empty() {
        Datum::text("没有一个区启用；在下方选择区后点“启用”")
    } else {
        Datum::Tags(m.enabled.districts.iter().map(tag).collect())
    };
    let facts = vec![Fact::new("已启用的区", value)];
    Block::list(format!("scope-{}", m.def.id), facts)
}

fn enable(id: &str, code: &str) -> Block {
    let district = Field::region("district", "区").help("不选则在全市启用");
    let form = Form::new(
        format!("enable-{code}"),
        Action::send("启用", "plugin.enable").record(id),
    );
    Block::form(form.field(district)).title("启用")
}

fn disable(host: &Host, id: &str, m: &Installed) -> Block {
    let confirm = Confirm::new(
        "确认停用？",
        "停用后这些区的用户立即看不到该专版；已有数据都保留，可随时重新启用。",
        "停用",
    );
    let submit = Action::send("停用", "plugin.disable")
        .record(id)
        .danger()
        .confirm(confirm);
    let form = Form::new(format!("disable-{}", m.def.id), submit);
    let form = if m.enabled.everywhere {
        form.field(Field::region("district", "区").help("不选则在全市停用；选一个区则其他区保留"))
    } else {
        let on = m.enabled.districts.iter();
        let choices = on.map(|d| Choice::new(d, region(host, d))).collect();
        form.field(Field::pick("district", "区", choices).help("不选则全部停用"))
    };
    Block::form(form).title("停用")
}
