//! Records that are not as the platform wrote them, as the console declares them.

use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, EventDef, FieldDef, Label, PageDef, PermissionDef,
    RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::alterations::{ALTERATIONS, FOUND, PATH};
use super::{
    AUDITOR, Declared, OPERATOR, SECURITY, action, choice, collection as declared, field, frozen,
    granted, optional, options, page as entry, text,
};

pub(super) fn event() -> EventDef {
    EventDef {
        name: FOUND.into(),
        label: Label::new("发现被改动的记录", "Records were altered"),
    }
}

pub(super) fn collection() -> CollectionDef {
    let fields = vec![
        frozen(text("what", "集合", "Collection")),
        frozen(text("label", "类别", "Kind")),
        FieldDef {
            search: true,
            ..frozen(text("record", "记录编号", "Record"))
        },
        choice("finding", "发现", "Finding", "alteration-finding"),
        optional(field(
            "fields",
            "与变更历史不同的字段",
            "Fields",
            Kind::Text { max: 500 },
        )),
        choice("status", "状态", "Status", "alteration-status"),
        optional(text("request", "复核事项", "Request")),
        field("found_at", "发现时间", "Found", Kind::Datetime),
    ];
    CollectionDef {
        title: "record".into(),
        unique: vec![vec!["what".into(), "record".into()]],
        indexes: vec![vec!["status".into(), "found_at".into()]],
        ..declared(
            ALTERATIONS,
            "alteration",
            Label::new("被改动的记录", "Altered records"),
            Shard::Reference,
            fields,
        )
    }
}

pub(super) fn choices() -> Vec<ChoiceDef> {
    use Tone::{Danger, Success, Warning};
    let all = [
        ("uncoded", "没有编码", "No code", Danger),
        ("altered", "内容被改动", "Altered", Danger),
        ("copy-of", "复制自其他记录", "Copied", Danger),
        ("put-back", "退回旧版本", "Put back", Danger),
        ("removed", "被删除", "Removed", Danger),
    ];
    let states = [
        ("open", "待处理", "Open", Danger),
        ("asked", "待复核", "Waiting", Warning),
        ("closed", "已恢复一致", "As written again", Success),
    ];
    let way = [
        (
            "put-back",
            "恢复为变更历史所载",
            "As its history has it",
            Success,
        ),
        ("accept", "接受现有内容", "As it stands", Warning),
    ];
    vec![
        options("alteration-finding", Label::new("发现", "Finding"), &all),
        options("alteration-status", Label::new("状态", "Status"), &states),
        options("alteration-way", Label::new("修复方式", "Way"), &way),
    ]
}

pub(super) fn actions() -> Vec<ActionDef> {
    let reason = field("reason", "原因", "Reason", Kind::Text { max: 200 });
    let how = choice("how", "修复方式", "Way", "alteration-way");
    let look = Label::new("核查被改动的记录", "Look for altered records");
    let repair = Label::new("申请修复", "Ask for a repair");
    vec![
        action("alteration.look", look, false, Vec::new()),
        action("alteration.repair", repair, true, vec![how, reason]),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    let page = |path: String, zh: &str, en: &str, icon: &str, area| PageDef {
        path,
        ..entry("", Label::new(zh, en), icon, area, "alteration.read")
    };
    vec![
        page(
            PATH.to_owned(),
            "被改动的记录",
            "Altered records",
            "shield-check",
            Area::Bench,
        ),
        page(
            format!("{PATH}/{{id}}"),
            "被改动的记录",
            "Altered record",
            "",
            Area::None,
        ),
    ]
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::All;
    let list: [Declared<'_>; 3] = [
        (
            "alteration.read",
            "查看被改动的记录",
            "Read altered records",
            &[(SECURITY, All), (AUDITOR, All), (OPERATOR, All)],
        ),
        (
            "alteration.look",
            "核查被改动的记录",
            "Look for altered records",
            &[(SECURITY, All), (AUDITOR, All)],
        ),
        (
            "alteration.repair",
            "申请修复记录",
            "Ask for repairs",
            &[(SECURITY, All)],
        ),
    ];
    granted(&list)
}
