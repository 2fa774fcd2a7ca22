//! What is done with the whole audit trail, as the console declares it: verified, and handed on to
//! collectors.

use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, Label, PageDef, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::collectors::COLLECTORS;
use super::super::verifications::VERIFICATIONS;
use super::{
    action, choice, collection as declared, field, frozen, integer, optional, options,
    page as entry, text,
};

/// Whoever reads the trail reads what became of it.
const READ: &str = "audit.read";

fn moment(name: &str, zh: &str, en: &str) -> FieldDef {
    optional(field(name, zh, en, Kind::Datetime))
}

pub(super) fn collections() -> Vec<CollectionDef> {
    vec![collectors(), verifications()]
}

/// Changed with every batch, so it keeps no history.
fn collectors() -> CollectionDef {
    let fields = vec![
        FieldDef {
            unique: true,
            ..frozen(text("address", "收集端", "Collector"))
        },
        integer("number", "已送到的编号", "Last record handed on"),
        moment("handed_at", "最近一次送到", "Handed on last"),
        optional(text("holder", "由谁在送", "Handed on by")),
        moment("held_until", "占用至", "Held until"),
    ];
    CollectionDef {
        audited: false,
        read: READ.into(),
        ..declared(
            COLLECTORS,
            "collector",
            Label::new("审计日志收集端", "Collectors of the audit trail"),
            Shard::Reference,
            fields,
        )
    }
}

fn verifications() -> CollectionDef {
    let fields = vec![
        choice("status", "结果", "Result", "verification-status"),
        frozen(text("by_name", "核验人", "Begun by")),
        optional(integer("records", "核验条数", "Records that hold")),
        optional(integer("signed", "已签名至", "Signed up to")),
        optional(field("why", "说明", "Why", Kind::Text { max: 500 })),
        moment("ended_at", "结束时间", "Ended"),
    ];
    CollectionDef {
        read: READ.into(),
        ..declared(
            VERIFICATIONS,
            "verification",
            Label::new("审计日志核验", "Verifications of the audit trail"),
            Shard::Reference,
            fields,
        )
    }
}

pub(super) fn status() -> ChoiceDef {
    options(
        "verification-status",
        Label::new("核验结果", "Result of a verification"),
        &[
            ("running", "核验中", "Running", Tone::Info),
            ("holds", "完整", "Holds", Tone::Success),
            ("broken", "被改动", "Broken", Tone::Danger),
            ("failed", "未能核验", "Failed", Tone::Warning),
        ],
    )
}

pub(super) fn actions() -> Vec<ActionDef> {
    let start = action(
        "verification.start",
        Label::new("核验审计日志", "Verify the audit log"),
        false,
        Vec::new(),
    );
    vec![ActionDef {
        permission: "audit.verify".into(),
        ..start
    }]
}

pub(super) fn pages() -> Vec<PageDef> {
    let page =
        |path: &str, zh: &str, en: &str| entry(path, Label::new(zh, en), "", Area::None, READ);
    vec![
        page(
            "/console/verifications",
            "审计日志核验",
            "Verifications of the audit log",
        ),
        page(
            "/console/collectors",
            "日志集中收集",
            "Collection of the audit log",
        ),
    ]
}
