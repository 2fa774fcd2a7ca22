//! Deleted records, as the console declares them.

use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, PageDef, PermissionDef,
    RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::deletions::DELETIONS;
use super::{
    AUDITOR, Declared, OPERATOR, SECURITY, action, choice, collection as declared, field,
    flow as by_status, frozen, granted, optional, options, page as entry, text,
};

pub(super) fn collection() -> CollectionDef {
    let searched = |field: FieldDef| FieldDef {
        search: true,
        ..field
    };
    let long =
        |name: &str, zh: &str, en: &str| optional(field(name, zh, en, Kind::Text { max: 500 }));
    let fields = vec![
        frozen(text("what", "集合", "Collection")),
        frozen(text("label", "类别", "Kind")),
        searched(frozen(text("record", "记录编号", "Record"))),
        searched(optional(frozen(text("title", "记录", "Title")))),
        frozen(text("by_name", "删除人", "Deleted by")),
        frozen(long("reason", "删除原因", "Reason")),
        frozen(field("until", "保留至", "Kept until", Kind::Datetime)),
        choice("status", "状态", "Status", "deletion-status"),
        optional(text("decided_by_name", "处理人", "Decided by")),
        long("decision", "处理意见", "Decision"),
    ];
    CollectionDef {
        title: "record".into(),
        indexes: vec![vec!["status".into(), "until".into()]],
        ..declared(
            DELETIONS,
            "deletion",
            Label::new("已删除的记录", "Deleted records"),
            Shard::Reference,
            fields,
        )
    }
}

pub(super) fn status() -> ChoiceDef {
    options(
        "deletion-status",
        Label::new("删除状态", "Deletion status"),
        &[
            ("kept", "保留中", "Kept", Tone::Info),
            ("held", "已保全", "Held", Tone::Warning),
            ("restored", "已恢复", "Restored", Tone::Success),
            ("purged", "已清除", "Purged", Tone::Neutral),
        ],
    )
}

pub(super) fn flow() -> FlowDef {
    by_status(
        DELETIONS,
        &["kept"],
        &[
            ("deletion.restore", &["kept"], "restored"),
            ("deletion.hold", &["kept"], "held"),
            ("deletion.release", &["held"], "kept"),
        ],
    )
}

pub(super) fn actions() -> Vec<ActionDef> {
    let reason = || optional(field("reason", "意见", "Reason", Kind::Text { max: 500 }));
    let all = [
        ("deletion.restore", "恢复", "Restore"),
        ("deletion.hold", "保全", "Hold"),
        ("deletion.release", "解除保全", "Release"),
    ];
    all.into_iter()
        .map(|(name, zh, en)| action(name, Label::new(zh, en), true, vec![reason()]))
        .collect()
}

pub(super) fn page() -> PageDef {
    entry(
        "/console/deletions",
        Label::new("已删除的记录", "Deleted records"),
        "trash",
        Area::Bench,
        "deletion.read",
    )
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::All;
    let list: [Declared<'_>; 4] = [
        (
            "deletion.read",
            "查看已删除的记录",
            "Read deletions",
            &[(OPERATOR, All), (AUDITOR, All), (SECURITY, All)],
        ),
        (
            "deletion.restore",
            "恢复已删除的记录",
            "Restore deleted records",
            &[(OPERATOR, All)],
        ),
        (
            "deletion.hold",
            "保全已删除的记录",
            "Hold deleted records",
            &[(AUDITOR, All), (SECURITY, All)],
        ),
        (
            "deletion.release",
            "解除保全",
            "Release held records",
            &[(AUDITOR, All), (SECURITY, All)],
        ),
    ];
    granted(&list)
}
