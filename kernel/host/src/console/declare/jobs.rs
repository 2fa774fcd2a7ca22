//! Imports and exports, as the console declares them.

use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, PageDef, PermissionDef,
    RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::jobs::{JOB_PARTS, JOBS};
use super::super::projects::PROJECTS;
use super::{
    AUDITOR, Declared, OPERATOR, SECURITY, action, choice, closed, collection as declared, field,
    flag, flow as by_status, frozen, granted, integer, optional, options, page as entry, text,
};
use crate::uploads::MAX_UPLOAD;

const SIGNED_IN: &str = kernel_identity::principal::SIGNED_IN;

pub(super) fn collections() -> Vec<CollectionDef> {
    vec![jobs(), parts()]
}

fn file(name: &str, zh: &str, en: &str) -> FieldDef {
    let kind = Kind::File {
        accept: Vec::new(),
        max_bytes: MAX_UPLOAD as u64,
        many: false,
    };
    field(name, zh, en, kind)
}

/// Whoever watches over jobs sees how they went; what is in the files is for whoever began them.
fn jobs() -> CollectionDef {
    let moment = |name: &str, zh: &str, en: &str| optional(field(name, zh, en, Kind::Datetime));
    let held = |field: FieldDef| closed(field, "job.open");
    let fields = vec![
        frozen(text("label", "内容", "What")),
        frozen(choice("kind", "类别", "Kind", "job-kind")),
        frozen(text("collection", "集合", "Collection")),
        optional(frozen(text("action", "操作", "Action"))),
        frozen(choice("format", "格式", "Format", "job-format")),
        choice("status", "状态", "Status", "job-status"),
        optional(integer("total", "总条数", "Rows")),
        integer("done", "已完成", "Done"),
        integer("failed", "退回", "Refused"),
        flag("dry", "只检查", "Check only"),
        flag("confirm", "疑点已核对", "Doubts confirmed"),
        optional(frozen(field(
            "reason",
            "用途",
            "Reason",
            Kind::Text { max: 200 },
        ))),
        optional(frozen(field("query", "查询条件", "Query", Kind::Json))),
        optional(frozen(field("fields", "字段", "Fields", Kind::Json))),
        optional(frozen(field(
            "clear",
            "敏感信息",
            "Sensitive fields",
            Kind::Text { max: 500 },
        ))),
        optional(frozen(field(
            "project",
            "项目",
            "Project",
            Kind::Ref {
                to: PROJECTS.into(),
            },
        ))),
        optional(frozen(field(
            "pseudonyms",
            "假名字段",
            "Pseudonyms",
            Kind::Json,
        ))),
        optional(frozen(field("tokens", "令牌字段", "Tokens", Kind::Json))),
        optional(frozen(field(
            "replaced",
            "去标识",
            "De-identified",
            Kind::Text { max: 500 },
        ))),
        optional(frozen(text("trace", "追溯码", "Trace id"))),
        optional(text("approved_by", "复核人", "Approved by")),
        frozen(text("by_name", "发起人", "Begun by")),
        optional(field("why", "原因", "Why", Kind::Text { max: 500 })),
        held(file("source", "原文件", "Source")),
        held(file("result", "结果文件", "Result")),
        held(file("errors", "退回文件", "Refused rows")),
        moment("started_at", "开始时间", "Started"),
        moment("ended_at", "结束时间", "Ended"),
        moment("held_until", "占用至", "Held until"),
        moment("expired_at", "文件删除时间", "Files gone"),
    ];
    CollectionDef {
        // How far it is changes all the time; what counts of it is in the audit trail.
        audited: false,
        // Who approved an export of what is sensitive is read from here.
        attested: true,
        assignee: Some("created_by".into()),
        indexes: [
            ["created_by", "created_at"],
            ["status", "created_at"],
            ["trace", "created_at"],
        ]
        .map(|index| index.map(str::to_owned).to_vec())
        .to_vec(),
        ..declared(
            JOBS,
            "job",
            Label::new("导入导出任务", "Imports and exports"),
            Shard::Organisation,
            fields,
        )
    }
}

/// Rows of an import that were refused since the save before.
fn parts() -> CollectionDef {
    let job = Kind::Ref { to: JOBS.into() };
    let fields = vec![
        frozen(integer("first", "首行", "First row")),
        frozen(field("job", "任务", "Job", job)),
        field("rows", "退回的行", "Refused rows", Kind::Json),
    ];
    CollectionDef {
        audited: false,
        assignee: Some("created_by".into()),
        read: "job.open".into(),
        indexes: vec![vec!["job".into(), "first".into()]],
        ..declared(
            JOB_PARTS,
            "job-part",
            Label::new("导入退回的行", "Refused rows of imports"),
            Shard::Organisation,
            fields,
        )
    }
}

pub(super) fn choices() -> Vec<ChoiceDef> {
    vec![
        options(
            "job-kind",
            Label::new("任务类别", "Kind of job"),
            &[
                ("import", "导入", "Import", Tone::Neutral),
                ("export", "导出", "Export", Tone::Neutral),
            ],
        ),
        options(
            "job-format",
            Label::new("文件格式", "File format"),
            &[
                ("csv", "CSV", "CSV", Tone::Neutral),
                ("xlsx", "Excel", "Excel", Tone::Neutral),
                ("jsonl", "JSON 行", "JSON lines", Tone::Neutral),
            ],
        ),
        options(
            "job-status",
            Label::new("任务状态", "Status of a job"),
            &[
                ("waiting", "待复核", "Waiting for approval", Tone::Warning),
                ("queued", "排队中", "Queued", Tone::Info),
                ("running", "进行中", "Running", Tone::Info),
                ("done", "已完成", "Done", Tone::Success),
                ("failed", "失败", "Failed", Tone::Danger),
                ("cancelled", "已取消", "Cancelled", Tone::Neutral),
            ],
        ),
    ]
}

/// What people do to a job; the rest of its life is the platform's work.
pub(super) fn flow() -> FlowDef {
    by_status(
        JOBS,
        &["queued", "waiting"],
        &[("job.cancel", &["waiting", "queued", "running"], "cancelled")],
    )
}

pub(super) fn actions() -> Vec<ActionDef> {
    let of = || text("collection", "集合", "Collection");
    vec![
        action(
            "job.import",
            Label::new("导入", "Import"),
            false,
            vec![
                of(),
                file("file", "文件", "File"),
                flag("dry", "只检查，不写入", "Check only"),
                flag("confirm", "疑点已核对", "Doubts confirmed"),
            ],
        ),
        action(
            "job.export",
            Label::new("导出", "Export"),
            false,
            vec![
                of(),
                choice("format", "格式", "Format", "job-format"),
                field("reason", "用途", "Reason", Kind::Text { max: 200 }),
                optional(field("filter", "查询条件", "Filter", Kind::Json)),
                optional(field("fields", "字段", "Fields", Kind::Text { max: 2000 })),
                optional(field(
                    "project",
                    "项目",
                    "Project",
                    Kind::Ref {
                        to: PROJECTS.into(),
                    },
                )),
                optional(field("pseudonyms", "以假名代替", "Pseudonyms", Kind::Json)),
                optional(field("tokens", "以令牌代替", "Tokens", Kind::Json)),
            ],
        ),
        action("job.cancel", Label::new("取消任务", "Cancel"), true, vec![]),
        action(
            "job.trace",
            Label::new("溯源", "Trace a file"),
            false,
            vec![file("file", "文件", "File")],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    let page = |path: &str, zh: &str, en: &str, permission: &str| {
        entry(path, Label::new(zh, en), "", Area::None, permission)
    };
    vec![
        entry(
            "/console/jobs",
            Label::new("导入导出", "Imports and exports"),
            "download",
            Area::Me,
            "job.read",
        ),
        page("/console/jobs/import", "导入", "Import", "job.import"),
        page("/console/jobs/export", "导出", "Export", "job.export"),
        page(
            "/console/jobs/trace",
            "导出溯源",
            "Trace an export",
            "job.trace",
        ),
        page("/console/jobs/{id}", "任务", "Job", "job.read"),
    ]
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::{All, Assigned};
    let own: &[(&str, RowScope)] = &[(SIGNED_IN, Assigned)];
    let watched: &[(&str, RowScope)] = &[(SIGNED_IN, Assigned), (OPERATOR, All), (AUDITOR, All)];
    let list: [Declared<'_>; 6] = [
        ("job.read", "查看导入导出任务", "Read jobs", watched),
        ("job.open", "打开任务的文件", "Open the files of jobs", own),
        ("job.import", "导入", "Import", &[(SIGNED_IN, All)]),
        ("job.export", "导出", "Export", &[(SIGNED_IN, All)]),
        (
            "job.cancel",
            "取消任务",
            "Cancel jobs",
            &[(SIGNED_IN, Assigned), (OPERATOR, All)],
        ),
        (
            "job.trace",
            "导出溯源",
            "Trace exports",
            &[(OPERATOR, All), (AUDITOR, All), (SECURITY, All)],
        ),
    ];
    granted(&list)
}
