//! What a design would do, in words for people: its changes, and what would become of values.

use kernel_storage::Outlook;
use sdk_contract::change::ChangeDef;
use sdk_contract::error::Fault;
use sdk_contract::page::{Block, Column, Datum, Row, Table};
use sdk_contract::validate;

use super::declare;
use super::design::{Design, Life, kind_word};
use super::structures::Structure;
use super::suspended;
use crate::Host;
use crate::reads::storage;

pub(super) struct Forecast {
    pub(super) changes: Vec<String>,
    pub(super) refusals: Vec<String>,
    pub(super) values: Vec<Outlook>,
}

impl Forecast {
    pub(super) fn may_be_sent(&self) -> bool {
        let stops = |o: &Outlook| o.unfit > 0 && !o.lossy;
        self.refusals.is_empty() && !self.changes.is_empty() && !self.values.iter().any(stops)
    }

    pub(super) fn why_not(&self) -> String {
        let stops = self.values.iter().filter(|o| o.unfit > 0 && !o.lossy);
        let stops = stops.map(|o| format!("字段 {} 有 {} 个值不能转换", o.field, o.unfit));
        let all: Vec<String> = self.refusals.iter().cloned().chain(stops).collect();
        if all.is_empty() {
            "没有变更".to_owned()
        } else {
            all.join("；")
        }
    }
}

/// Tries the draft of one structure out beside what is in use of the others.
pub(super) async fn of(
    host: &Host,
    structure: &Structure,
    draft: &Design,
) -> Result<Forecast, Fault> {
    let all = host.structures().await.map_err(|error| {
        tracing::error!(
            error = crate::reads::chain(&error),
            "the designs cannot be read"
        );
        Fault::new(
            sdk_contract::error::FaultKind::Unavailable,
            "storage-unavailable",
            "数据服务暂时不可用，请稍后再试",
        )
    })?;
    let designs = all.iter().filter_map(|other| {
        if other.id == structure.id {
            Some(draft)
        } else {
            other.approved.as_ref().or(other.live.as_ref())
        }
    });
    let mut def = declare::definition(designs);
    let declared = host.store().declared(declare::ID).await;
    if let Some(declared) = declared.map_err(|e| storage(&e))? {
        suspended::carry(&mut def, &declared, &all);
    }
    let mut refusals = validate::faults(&def);
    if draft.lacks_purpose() {
        let what = "有 L3 或 L4 的字段，请先在名称与说明处写明处理目的";
        refusals.push(what.to_owned());
    }
    let mut values = Vec::new();
    if refusals.is_empty() {
        let forecast = host.store().forecast(&def).await;
        let forecast = forecast.map_err(|e| storage(&e))?;
        refusals = forecast.refusals;
        values = forecast.values;
        values.retain(|o| o.collection == draft.name());
    }
    Ok(Forecast {
        changes: changes(structure.live.as_ref(), draft),
        refusals,
        values,
    })
}

/// The first changes of a draft, for a title.
pub(super) fn summary(structure: &Structure) -> String {
    let draft = structure.draft.as_ref();
    draft.map_or_else(String::new, |d| said(structure, d))
}

/// What `new` changes of what is in use, in a line.
pub(super) fn said(structure: &Structure, new: &Design) -> String {
    changes(structure.live.as_ref(), new).join("；")
}

fn changes(live: Option<&Design>, draft: &Design) -> Vec<String> {
    let Some(live) = live else {
        let fields = draft.collection.fields.iter();
        let names: Vec<&str> = fields.map(|f| f.label.zh.as_str()).collect();
        return vec![format!("新建数据表，字段：{}", names.join("、"))];
    };
    let mut all = Vec::new();
    match (live.life, draft.life) {
        (Life::Used, Life::Retired) => all.push("停用数据表，数据保留".to_owned()),
        (Life::Retired, Life::Used) => all.push("恢复使用数据表".to_owned()),
        (Life::Retired, Life::Gone) => all.push("移除数据表，全部记录删除".to_owned()),
        _ => {}
    }
    if live.name() != draft.name() {
        let (was, now) = (live.name(), draft.name());
        all.push(format!("数据表 {was} 改名为 {now}，数据不动，原名仍可访问"));
    }
    for field in &draft.collection.fields {
        let name = &field.name;
        let from = draft.changes.iter().find_map(|c| match c {
            ChangeDef::Renamed {
                field: Some(field),
                from,
                ..
            } if field == name => Some(from),
            _ => None,
        });
        let label = &field.label.zh;
        let Some(before) = live.collection.field(from.unwrap_or(name)) else {
            let back = live.is_retired(name);
            let what = if back { "恢复字段" } else { "新增字段" };
            all.push(format!("{what}“{label}”（{name}，{}）", kind_word(field)));
            continue;
        };
        if let Some(from) = from {
            all.push(format!("字段 {from} 改名为 {name}，数据不动"));
        }
        if before.kind.name() != field.kind.name() || kind_word(before) != kind_word(field) {
            let (was, now) = (kind_word(before), kind_word(field));
            all.push(format!("字段“{label}”由{was}改为{now}"));
        }
        if live.options_of(before) != draft.options_of(field) {
            all.push(format!("字段“{label}”的选项有变化"));
        }
        let same = |f: &sdk_contract::def::FieldDef| {
            let marks = (f.required, f.unique, f.list, f.search, f.level, f.encrypted);
            (marks, f.label.clone(), f.help.clone())
        };
        let index = live.is_indexed(&before.name) != draft.is_indexed(name);
        if same(before) != same(field) || index {
            all.push(format!("字段“{label}”的名称、要求或显示方式有变化"));
        }
    }
    for name in draft.retired().filter(|n| !live.is_retired(n)) {
        all.push(format!("停用字段 {name}，数据保留"));
    }
    let back = |name: &&str| draft.collection.field(name).is_some();
    for name in live.retired().filter(|n| !draft.is_retired(n) && !back(n)) {
        all.push(format!("移除已停用字段 {name} 的数据，不能恢复"));
    }
    for name in live.kept().filter(|n| !draft.kept().any(|k| k == *n)) {
        all.push(format!("移除字段 {name} 类型变更前的旧值，不能恢复"));
    }
    let words = |d: &Design| {
        (
            d.collection.label.clone(),
            (d.collection.help.clone(), d.purpose().to_owned()),
            d.readers.clone(),
            d.writers.clone(),
            d.scope,
        )
    };
    if words(live) != words(draft) {
        all.push("名称、说明或可查看、可维护的角色有变化".to_owned());
    }
    all
}

/// How many values convert.
pub(super) fn counts(values: &[Outlook]) -> Block {
    let rows = values.iter().map(|o| {
        let left = match (o.unfit, o.lossy) {
            (0, _) => "全部可以转换",
            (_, true) => "不能转换的将留空，旧值保留至确认",
            (_, false) => "有值不能转换，须先修正或选择留空",
        };
        Row::new(
            o.field.as_str(),
            vec![
                Datum::text(o.field.as_str()),
                Datum::quantity(o.records, "条"),
                Datum::quantity(o.fit, "条"),
                Datum::quantity(o.unfit, "条"),
                Datum::text(left),
            ],
        )
    });
    let columns = vec![
        Column::new("field", "字段", 0),
        Column::new("records", "记录", 2),
        Column::new("fit", "可转换", 1),
        Column::new("unfit", "不能转换", 1),
        Column::new("left", "结论", 1),
    ];
    Block::table("outlook", Table::new(columns).rows(rows)).title("数据转换预演")
}

/// The values that do not, one by one.
pub(super) fn unfit(values: &[Outlook]) -> Option<Block> {
    let rows: Vec<Row> = values
        .iter()
        .flat_map(|o| o.examples.iter().map(move |e| (o, e)))
        .enumerate()
        .map(|(n, (o, e))| {
            let to = format!("/{}/{}/{}", declare::ID, o.collection, e.record);
            let cells = vec![
                Datum::link(e.record.as_str(), to),
                Datum::text(o.field.as_str()),
                Datum::text(e.message.as_str()),
            ];
            Row::new(format!("u{n}"), cells)
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let columns = vec![
        Column::new("record", "记录", 0),
        Column::new("field", "字段", 1),
        Column::new("rule", "原因", 1),
    ];
    let table = Table::new(columns).rows(rows);
    Some(
        Block::table("unfit", table)
            .title("不能转换的值")
            .help("每个字段最多列出 100 条"),
    )
}
