//! What modules do by the clock, how it went, and the events that reached nobody.

use kernel_storage::{Delivery, Due};
use sdk_contract::call::{Reply, Write};
use sdk_contract::error::Fault;
use sdk_contract::page::{Action, Block, Column, Confirm, Datum, Page, Row, Section, Table, Tone};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use super::pages::{bench, may};
use super::{ID, record, stamps, stay};
use crate::Host;
use crate::module::{Call, Input};
use crate::reads::storage;
use crate::schedules::{Progress, code, off};
use crate::values::{number, object, word};

/// Name of the collection.
pub(crate) const SCHEDULES: &str = "schedules";
/// Events on the page; the newest.
const MOST_DEAD: u32 = 50;

pub(super) async fn list(host: &Host, call: &Call) -> Result<Page, Fault> {
    let rows = host.schedule_rows().await?;
    let now = host.clock().now();
    let mut shown = Vec::new();
    for installed in host.catalog().modules.values() {
        for schedule in &installed.def.schedules {
            let row = rows.get(&code(&installed.def.id, schedule));
            let progress = row.map(Progress::read);
            let next = schedule.when.next(now);
            let ran = progress.as_ref().and_then(|p| p.ran.as_ref());
            let delivery = match ran {
                Some((_, event)) => {
                    let known = host.store().outbox_delivery(event).await;
                    known.map_err(|e| storage(&e))?
                }
                None => None,
            };
            let off = off(installed);
            let state = match (&progress, delivery) {
                _ if off => Datum::status("模块未启用", Tone::Neutral),
                (Some(p), _) if p.slot > next => {
                    Datum::status("时钟曾经超前，请立即运行一次", Tone::Danger)
                }
                (Some(p), _) if p.asked => Datum::status("即将运行", Tone::Info),
                (_, Some(Delivery::Waiting)) => Datum::status("运行中", Tone::Info),
                (_, Some(Delivery::GivenUp)) => Datum::status("失败", Tone::Danger),
                (_, Some(Delivery::Done)) => Datum::status("完成", Tone::Success),
                (_, None) => Datum::status("尚未运行", Tone::Neutral),
            };
            let at = |moment: Option<Timestamp>| {
                moment.map_or(Datum::None, |at| Datum::Time(at.micros()))
            };
            let cells = vec![
                Datum::text(schedule.label.zh.as_str()),
                Datum::text(installed.def.label.zh.as_str()),
                Datum::text(schedule.when.words().zh),
                at(ran.map(|(at, _)| *at)),
                state,
                at((!off).then_some(next)),
            ];
            let key = code(&installed.def.id, schedule).replace('.', "-");
            let mut line = Row::new(key, cells);
            if let Some(row) = row.filter(|_| !off && may(host, call, "schedule.run")) {
                line = line.action(run_now(word(row, "id")));
            }
            shown.push(line);
        }
    }
    let columns = vec![
        Column::new("label", "名称", 0),
        Column::new("module", "模块", 3),
        Column::new("when", "时间", 1),
        Column::new("ran", "上次运行", 2),
        Column::new("state", "结果", 1),
        Column::new("next", "下次运行", 2),
    ];
    let table = Table::new(columns)
        .rows(shown)
        .empty("已安装的模块都没有定时任务");
    let page = bench("定时任务")
        .subtitle("模块按时自动办理的事；错过的时间在恢复后补办一次")
        .block(Block::table("schedules", table))
        .section(Section::stack().block(dead(host, call).await?));
    let stamps = stamps::section(host).await?;
    Ok(stamps.into_iter().fold(page, Page::section))
}

fn run_now(id: &str) -> Action {
    let confirm = Confirm::new(
        "立即运行？",
        "不影响下次运行的时间；本次操作记入审计日志。",
        "运行",
    );
    Action::send("立即运行", "schedule.run")
        .record(id)
        .confirm(confirm)
}

/// Events that were given up, of schedules and of what people did.
async fn dead(host: &Host, call: &Call) -> Result<Block, Fault> {
    let dead = host.store().outbox_dead(MOST_DEAD).await;
    let dead = dead.map_err(|e| storage(&e))?;
    let may_revive = may(host, call, "schedule.revive");
    let row = |due: Due| {
        let event = due.event;
        let row = Row::new(
            event.id.clone(),
            vec![
                Datum::text(called(host, &event.name)),
                Datum::text(host.listeners(&event.name).join("、")),
                Datum::Time(event.at),
                Datum::Integer(due.attempts),
            ],
        );
        let again = Action::send("再送一次", "schedule.revive").arg("event", event.id);
        if may_revive { row.action(again) } else { row }
    };
    let columns = vec![
        Column::new("event", "事件", 0),
        Column::new("to", "送往", 1),
        Column::new("at", "发生时间", 1),
        Column::new("attempts", "已尝试（次）", 2),
    ];
    let table = Table::new(columns)
        .rows(dead.into_iter().map(row))
        .empty("没有；每件事件都已送达或正在送达");
    Ok(Block::table("dead", table).title("未能送达的事件"))
}

/// An event as its module calls it.
fn called(host: &Host, name: &str) -> String {
    let label = || {
        let (module, event) = name.split_once('.')?;
        let catalog = host.catalog();
        let def = &catalog.modules.get(module)?.def;
        let said = def.events.iter().find(|e| e.name == event);
        let due = def.schedules.iter().find(|s| s.name == event);
        let label = said.map(|e| &e.label).or(due.map(|s| &s.label))?;
        Some(format!("{}：{}", def.label.zh, label.zh))
    };
    label().unwrap_or_else(|| name.to_owned())
}

/// Whoever works says it at the next look at the clock.
pub(super) fn run(host: &Host, call: &Call, input: &Input) -> Result<Reply, Fault> {
    let row = record(input)?;
    let catalog = host.catalog();
    let found = crate::schedules::of(&catalog, word(row, "code"));
    // Its module may have gone, or be switched off: then there is nothing to run.
    let (installed, schedule) = found
        .filter(|(installed, _)| !off(installed))
        .ok_or_else(Fault::not_found)?;
    let write = Write::Update {
        collection: SCHEDULES.into(),
        id: word(row, "id").to_owned(),
        revision: number(row, "revision"),
        values: object(json!({ "asked_by": call.principal.name })),
    };
    Ok(Reply {
        writes: vec![write],
        note: Some(code(&installed.def.id, schedule)),
        ..stay("即将运行，请稍后刷新查看结果")
    })
}

pub(super) fn revive(input: &Input) -> Reply {
    Reply {
        note: Some(word(&input.values, "event").to_owned()),
        ..stay("将再送一次，请稍后刷新查看结果")
    }
}

/// The events that an action of the console has delivered once more.
pub(crate) fn revived(module: &str, action: &str, values: &Map<String, Value>) -> Vec<String> {
    let revives = module == ID && action == "schedule.revive";
    let event = revives.then(|| word(values, "event").to_owned());
    event.into_iter().collect()
}
