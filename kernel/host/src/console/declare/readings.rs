//! Who reads more than they usually do, as the console declares it.

use sdk_contract::def::{
    ActionDef, Area, BlockDef, ChoiceDef, CollectionDef, EventDef, FieldDef, Label, PageDef,
    PermissionDef, RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::readings::{BREACH, BREACHED, EXPLAINED, PATH, READINGS};
use super::{
    AUDITOR, action, choice, collection as declared, field, frozen, granted, integer, optional,
    options, page as entry, text,
};

const READ: &str = "reading.read";

/// Counted anew every ten minutes, so it keeps no history; what is decided is in the trail.
pub(super) fn collection() -> CollectionDef {
    let counts = |name: &str, zh: &str, en: &str| FieldDef {
        list: false,
        ..optional(field(name, zh, en, Kind::Json))
    };
    let fields = vec![
        frozen(field("day", "日期", "Day", Kind::Date)),
        frozen(text("reader", "人员或应用", "Reader")),
        optional(frozen(text("institution", "所属机构", "Institution"))),
        integer("parties", "涉及他方主体", "Parties whose data was read"),
        integer("looks", "查看完整内容", "Looks at masked values"),
        integer("refused", "被拒绝", "Refused"),
        counts("usual", "本人往常", "Usual"),
        counts("settled", "认定时", "When it was settled"),
        choice("status", "状态", "Status", "reading-status"),
        optional(text("decided_by_name", "认定人", "Decided by")),
        optional(field(
            "decided_at",
            "认定时间",
            "Decided at",
            Kind::Datetime,
        )),
        optional(text("reason", "说明", "Reason")),
    ];
    CollectionDef {
        audited: false,
        unique: vec![vec!["day".into(), "reader".into()]],
        indexes: vec![
            vec!["reader".into(), "day".into()],
            vec!["status".into(), "day".into()],
        ],
        ..declared(
            READINGS,
            "reading",
            Label::new("查询监测", "Watch over readers"),
            Shard::Reference,
            fields,
        )
    }
}

pub(super) fn choices() -> Vec<ChoiceDef> {
    use Tone::{Danger, Neutral, Success, Warning};
    let states = [
        ("usual", "正常", "Usual", Neutral),
        ("open", "待核实", "To be looked into", Danger),
        (EXPLAINED, "有正当理由", "Explained", Success),
        (BREACH, "违规查询", "Breach", Warning),
    ];
    let findings = [
        (EXPLAINED, "有正当理由", "Explained", Success),
        (BREACH, "违规查询", "Breach", Warning),
    ];
    vec![
        options("reading-status", Label::new("状态", "Status"), &states),
        options("reading-finding", Label::new("认定", "Finding"), &findings),
    ]
}

pub(super) fn actions() -> Vec<ActionDef> {
    let finding = choice("finding", "认定", "Finding", "reading-finding");
    let settle = Label::new("认定异常查询", "Settle an unusual reading");
    let count = Label::new("统计查询", "Count readings");
    let reason = text("reason", "说明", "Reason");
    vec![
        action("reading.count", count, false, Vec::new()),
        action("reading.settle", settle, true, vec![finding, reason]),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    let label = || Label::new("查询监测", "Watch over readers");
    vec![
        entry(PATH, label(), "eye", Area::Bench, READ),
        PageDef {
            path: format!("{PATH}/{{id}}"),
            ..entry("", label(), "", Area::None, READ)
        },
    ]
}

pub(super) fn block() -> BlockDef {
    BlockDef {
        id: READINGS.into(),
        order: 6,
        permission: READ.into(),
    }
}

pub(super) fn event() -> EventDef {
    EventDef {
        name: BREACHED.into(),
        label: Label::new("认定为违规查询", "A reading was a breach"),
    }
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::All;
    granted(&[
        (
            READ,
            "查看查询监测",
            "Read who reads what",
            &[(AUDITOR, All)],
        ),
        (
            "reading.settle",
            "认定异常查询",
            "Settle unusual readings",
            &[(AUDITOR, All)],
        ),
        (
            "reading.count",
            "统计查询",
            "Count readings",
            &[(AUDITOR, All)],
        ),
    ])
}
