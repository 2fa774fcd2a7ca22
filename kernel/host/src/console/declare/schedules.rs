//! What modules do by the clock, as the console declares it.

use sdk_contract::def::{
    ActionDef, Area, CollectionDef, FieldDef, Label, PageDef, PermissionDef, RowScope, Shard,
};
use sdk_contract::kind::Kind;

use super::super::schedules::SCHEDULES;
use super::{
    AUDITOR, Declared, OPERATOR, action, collection as declared, field, frozen, granted, optional,
    page as entry, text,
};

/// Changed with every run, so it keeps no history; who ran one by hand is in the audit trail.
pub(super) fn collection() -> CollectionDef {
    let moment = |name: &str, zh: &str, en: &str| field(name, zh, en, Kind::Datetime);
    let fields = vec![
        FieldDef {
            unique: true,
            ..frozen(text("code", "定时任务", "Schedule"))
        },
        moment("slot", "已办到", "Done up to"),
        optional(moment("ran_at", "上次运行", "Ran last")),
        optional(text("event", "上次的事件", "Its event")),
        optional(text("asked_by", "由谁要求立即运行", "Asked for by")),
    ];
    CollectionDef {
        audited: false,
        ..declared(
            SCHEDULES,
            "schedule",
            Label::new("定时任务", "Schedules"),
            Shard::Reference,
            fields,
        )
    }
}

pub(super) fn actions() -> Vec<ActionDef> {
    vec![
        action(
            "schedule.run",
            Label::new("立即运行", "Run now"),
            true,
            vec![],
        ),
        action(
            "schedule.revive",
            Label::new("再送一次事件", "Deliver an event again"),
            false,
            vec![text("event", "事件", "Event")],
        ),
    ]
}

pub(super) fn page() -> PageDef {
    entry(
        "/console/schedules",
        Label::new("定时任务", "Schedules"),
        "alarm",
        Area::Bench,
        "schedule.read",
    )
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::All;
    let list: [Declared<'_>; 3] = [
        (
            "schedule.read",
            "查看定时任务",
            "Read schedules",
            &[(OPERATOR, All), (AUDITOR, All)],
        ),
        (
            "schedule.run",
            "立即运行定时任务",
            "Run schedules now",
            &[(OPERATOR, All)],
        ),
        (
            "schedule.revive",
            "再送一次事件",
            "Deliver events again",
            &[(OPERATOR, All)],
        ),
    ];
    granted(&list)
}
