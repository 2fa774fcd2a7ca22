//! The console's declaration, written by hand since the kernel does not use the SDK.

mod alterations;
mod availability;
mod classified;
mod deletions;
mod jobs;
mod projects;
mod readings;
mod schedules;
mod trail;
mod validations;

use sdk_contract::change::{ChangeDef, Conversion};
use sdk_contract::def::{
    ActionDef, Area, BlockDef, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, Level, Mask,
    ModuleDef, OptionDef, PageDef, PermissionDef, Retention, RoleGrant, RowScope, Shard, Tone,
    TransitionDef,
};
use sdk_contract::kind::Kind;

const OPERATOR: &str = "platform.operator";
const AUDITOR: &str = "platform.auditor";
const DEVELOPER: &str = "model.developer";
const VALIDATOR: &str = "model.validator";
const SECURITY: &str = kernel_identity::module::SECURITY;

pub(super) fn verification_status() -> ChoiceDef {
    trail::status()
}

pub(crate) fn def() -> ModuleDef {
    ModuleDef {
        id: super::ID.into(),
        label: Label::new("平台控制台", "Console"),
        collections: [
            vec![
                plugins(),
                models(),
                certificates(),
                trials(),
                validations::collection(),
                deletions::collection(),
                classified::collection(),
                alterations::collection(),
                availability::collection(),
                readings::collection(),
                schedules::collection(),
            ],
            jobs::collections(),
            trail::collections(),
            projects::collections(),
        ]
        .concat(),
        choices: [
            vec![
                model_status(),
                trial_status(),
                validations::conclusion(),
                deletions::status(),
                projects::status(),
                trail::status(),
            ],
            classified::choices(),
            alterations::choices(),
            readings::choices(),
            jobs::choices(),
        ]
        .concat(),
        flows: vec![
            model_flow(),
            deletions::flow(),
            jobs::flow(),
            projects::flow(),
        ],
        actions: [
            actions(),
            vec![validations::action_def()],
            deletions::actions(),
            jobs::actions(),
            trail::actions(),
            projects::actions(),
            alterations::actions(),
            readings::actions(),
            schedules::actions(),
        ]
        .concat(),
        pages: [
            pages(),
            vec![deletions::page(), availability::page(), schedules::page()],
            classified::pages(),
            jobs::pages(),
            projects::pages(),
            trail::pages(),
            alterations::pages(),
            readings::pages(),
        ]
        .concat(),
        blocks: vec![
            block("tasks", 5, "model.inspect"),
            readings::block(),
            block(super::stamps::STAMPS, 4, "schedule.read"),
        ],
        events: vec![readings::event(), alterations::event()],
        // It was stored in plain; the plain values go with the release that leaves this out.
        changes: vec![ChangeDef::Converted {
            collection: "certificates".into(),
            field: "document".into(),
            from: None,
            by: Conversion::Read,
            lossy: false,
        }],
        permissions: [
            permissions(),
            validations::permissions(),
            classified::permissions(),
            deletions::permissions(),
            jobs::permissions(),
            projects::permissions(),
            alterations::permissions(),
            readings::permissions(),
            availability::permissions(),
            schedules::permissions(),
        ]
        .concat(),
        ..ModuleDef::default()
    }
}

fn block(id: &str, order: u16, permission: &str) -> BlockDef {
    BlockDef {
        id: id.into(),
        order,
        permission: permission.into(),
    }
}

fn field(name: &str, zh: &str, en: &str, kind: Kind) -> FieldDef {
    FieldDef {
        required: true,
        list: true,
        ..FieldDef::new(name, Label::new(zh, en), kind)
    }
}

fn text(name: &str, zh: &str, en: &str) -> FieldDef {
    field(name, zh, en, Kind::Text { max: 200 })
}

fn optional(field: FieldDef) -> FieldDef {
    FieldDef {
        required: false,
        ..field
    }
}

fn frozen(field: FieldDef) -> FieldDef {
    FieldDef {
        frozen: true,
        ..field
    }
}

/// For the institution's own people; what others read has it not.
fn closed(field: FieldDef, reveal: &str) -> FieldDef {
    FieldDef {
        required: false,
        level: Some(Level::L2),
        mask: Some(Mask::Hidden),
        reveal: Some(reveal.into()),
        ..field
    }
}

fn integer(name: &str, zh: &str, en: &str) -> FieldDef {
    field(
        name,
        zh,
        en,
        Kind::Integer {
            min: Some(0),
            max: None,
        },
    )
}

fn flag(name: &str, zh: &str, en: &str) -> FieldDef {
    optional(field(name, zh, en, Kind::Bool))
}

fn choice(name: &str, zh: &str, en: &str, of: &str) -> FieldDef {
    field(name, zh, en, Kind::Choice { of: of.into() })
}

fn collection(
    name: &str,
    entity: &str,
    label: Label,
    shard: Shard,
    fields: Vec<FieldDef>,
) -> CollectionDef {
    CollectionDef {
        audited: true,
        ..CollectionDef::new(name, entity, label, shard, fields)
    }
}

fn plugins() -> CollectionDef {
    let fields = vec![
        FieldDef {
            unique: true,
            ..frozen(text("code", "标识", "Code"))
        },
        field("everywhere", "全市启用", "Enabled everywhere", Kind::Bool),
        field("districts", "启用的区", "Districts", Kind::Json),
    ];
    collection(
        "plugins",
        "plugin",
        Label::new("插件", "Plugins"),
        Shard::Reference,
        fields,
    )
}

fn models() -> CollectionDef {
    let fields = vec![
        frozen(text("name", "模型标识", "Name")),
        frozen(text("version", "版本", "Version")),
        frozen(text("title", "模型名称", "Title")),
        choice("status", "状态", "Status", "model-status"),
        frozen(text("digest", "摘要", "Digest")),
        frozen(text("file_name", "文件名", "File name")),
        closed(
            frozen(field("document", "声明", "Declaration", Kind::Json)),
            "model.inspect",
        ),
        closed(
            frozen(field("report", "检查报告", "Report", Kind::Json)),
            "model.inspect",
        ),
        frozen(text("owner_name", "机构", "Owner")),
        frozen(text("uploaded_by_name", "上传人", "Uploaded by")),
        optional(frozen(text("remark", "说明", "Remark"))),
        optional(text("decided_by_name", "批准人", "Decided by")),
        optional(field(
            "decided_at",
            "批准时间",
            "Decided at",
            Kind::Datetime,
        )),
        optional(field("reason", "意见", "Reason", Kind::Text { max: 500 })),
    ];
    let indexes = vec![vec!["organisation".into(), "name".into(), "status".into()]];
    CollectionDef {
        indexes,
        title: "title".into(),
        // Which model scores whom is decided by a person and read from here.
        attested: true,
        ..collection(
            "models",
            "model",
            Label::new("评分模型", "Scoring models"),
            Shard::Organisation,
            fields,
        )
    }
}

fn certificates() -> CollectionDef {
    let fields = vec![
        frozen(text("model", "模型", "Model")),
        frozen(text("version", "版本", "Version")),
        frozen(text("purpose", "用途", "Purpose")),
        frozen(text("reference", "业务编号", "Reference")),
        frozen(text("consent", "授权书", "Consent")),
        closed(frozen(text("score", "得分", "Score")), "certificate.reveal"),
        // The figures that a score was made of are in it.
        FieldDef {
            encrypted: true,
            level: Some(Level::L3),
            ..closed(
                frozen(field("document", "证书", "Certificate", Kind::Json)),
                "certificate.reveal",
            )
        },
        optional(frozen(text("asker", "发起模块", "Asked by"))),
    ];
    CollectionDef {
        retention: Some(Retention::standing(
            "证明评分所依据的数据与模型，供复核与重算",
        )),
        ..collection(
            "certificates",
            "certificate",
            Label::new("评分证书", "Score certificates"),
            Shard::Subject,
            fields,
        )
    }
}

fn trials() -> CollectionDef {
    let fields = vec![
        frozen(text("file_name", "文件名", "File name")),
        frozen(field(
            "model",
            "模型",
            "Model",
            Kind::Ref {
                to: "models".into(),
            },
        )),
        choice("status", "状态", "Status", "trial-status"),
        integer("total", "总行数", "Rows"),
        integer("done", "已评分", "Scored"),
        integer("refused", "无法评分", "Refused"),
        optional(field("quality", "质量指标", "Quality", Kind::Json)),
        optional(field("why", "失败原因", "Why", Kind::Text { max: 500 })),
    ];
    CollectionDef {
        audited: false,
        ..collection(
            "trials",
            "trial",
            Label::new("批量试算", "Batch trials"),
            Shard::Organisation,
            fields,
        )
    }
}

fn options(name: &str, label: Label, all: &[(&str, &str, &str, Tone)]) -> ChoiceDef {
    let option = |(value, zh, en, tone): &(&str, &str, &str, Tone)| OptionDef {
        value: (*value).into(),
        label: Label::new(*zh, *en),
        tone: *tone,
    };
    ChoiceDef {
        name: name.into(),
        label,
        options: all.iter().map(option).collect(),
    }
}

fn model_status() -> ChoiceDef {
    options(
        "model-status",
        Label::new("模型状态", "Model status"),
        &[
            ("submitted", "待验证", "Submitted", Tone::Warning),
            ("approved", "已上线", "Approved", Tone::Success),
            ("rejected", "已驳回", "Rejected", Tone::Danger),
            ("withdrawn", "已下线", "Withdrawn", Tone::Neutral),
        ],
    )
}

fn trial_status() -> ChoiceDef {
    options(
        "trial-status",
        Label::new("试算状态", "Trial status"),
        &[
            ("running", "进行中", "Running", Tone::Info),
            ("done", "已完成", "Done", Tone::Success),
            ("failed", "失败", "Failed", Tone::Danger),
        ],
    )
}

/// The life of a collection by its `status`: what it begins as, and of each action what from and to.
fn flow(collection: &str, initial: &[&str], steps: &[(&str, &[&str], &str)]) -> FlowDef {
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    let step = |(action, from, to): &(&str, &[&str], &str)| TransitionDef {
        action: (*action).into(),
        from: owned(from),
        to: (*to).into(),
    };
    FlowDef {
        collection: collection.into(),
        field: "status".into(),
        initial: owned(initial),
        transitions: steps.iter().map(step).collect(),
    }
}

fn model_flow() -> FlowDef {
    flow(
        "models",
        &["submitted"],
        &[
            ("model.approve", &["submitted"], "approved"),
            ("model.reject", &["submitted"], "rejected"),
            ("model.withdraw", &["approved"], "withdrawn"),
        ],
    )
}

fn action(name: &str, label: Label, record: bool, input: Vec<FieldDef>) -> ActionDef {
    let entity = name.split('.').next().unwrap_or_default();
    ActionDef {
        name: name.into(),
        label,
        help: String::new(),
        collection: format!("{entity}s"),
        record,
        permission: name.into(),
        step_up: false,
        signed: false,
        purpose: None,
        input,
    }
}

fn actions() -> Vec<ActionDef> {
    let district = || {
        optional(field(
            "district",
            "区",
            "District",
            Kind::Code {
                format: sdk_contract::code::Format::Region,
            },
        ))
    };
    let reason = || field("reason", "意见", "Reason", Kind::Text { max: 500 });
    let file = || {
        let kind = Kind::File {
            accept: Vec::new(),
            max_bytes: crate::uploads::MAX_UPLOAD as u64,
            many: false,
        };
        field("file", "文件", "File", kind)
    };
    vec![
        action(
            "plugin.enable",
            Label::new("启用", "Enable"),
            true,
            vec![district()],
        ),
        action(
            "plugin.disable",
            Label::new("停用", "Disable"),
            true,
            vec![district()],
        ),
        action(
            "model.upload",
            Label::new("上传模型", "Upload"),
            false,
            vec![
                file(),
                optional(field("remark", "说明", "Remark", Kind::Text { max: 200 })),
            ],
        ),
        action(
            "model.approve",
            Label::new("批准上线", "Approve"),
            true,
            vec![reason()],
        ),
        action(
            "model.reject",
            Label::new("驳回", "Reject"),
            true,
            vec![reason()],
        ),
        action(
            "model.withdraw",
            Label::new("下线", "Withdraw"),
            true,
            vec![reason()],
        ),
        action(
            "model.trial",
            Label::new("批量试算", "Trial"),
            true,
            vec![file()],
        ),
    ]
}

fn page(path: &str, label: Label, icon: &str, area: Area, permission: &str) -> PageDef {
    PageDef {
        path: path.into(),
        label,
        icon: icon.into(),
        area,
        order: 900,
        permission: permission.into(),
    }
}

fn pages() -> Vec<PageDef> {
    vec![
        page(
            "/console/models",
            Label::new("评分模型", "Scoring models"),
            "cpu",
            Area::Bench,
            "model.read",
        ),
        page(
            "/console/models/upload",
            Label::new("上传模型", "Upload a model"),
            "",
            Area::None,
            "model.upload",
        ),
        page(
            "/console/models/{id}",
            Label::new("模型详情", "Model"),
            "",
            Area::None,
            "model.read",
        ),
        page(
            "/console/models/{id}/trial",
            Label::new("批量试算", "Batch trial"),
            "",
            Area::None,
            "model.trial",
        ),
        page(
            "/console/trials/{id}",
            Label::new("试算结果", "Trial"),
            "",
            Area::None,
            "trial.read",
        ),
        page(
            "/console/plugins",
            Label::new("插件管理", "Plugins"),
            "puzzle",
            Area::Bench,
            "plugin.read",
        ),
        page(
            "/console/certificates",
            Label::new("模型调用", "Model calls"),
            "certificate",
            Area::Bench,
            "certificate.read",
        ),
        page(
            "/console/certificates/{id}",
            Label::new("评分证书", "Certificate"),
            "",
            Area::None,
            "certificate.read",
        ),
        page(
            "/console/audit",
            Label::new("审计日志", "Audit"),
            "history",
            Area::Bench,
            "audit.read",
        ),
        page(
            "/console/audit/{seq}",
            Label::new("审计记录", "Audit record"),
            "",
            Area::None,
            "audit.read",
        ),
    ]
}

/// Name, label in both languages, grants.
type Declared<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, RowScope)]);

fn permissions() -> Vec<PermissionDef> {
    use RowScope::{All, Organisation};
    let staff: &[(&str, RowScope)] = &[
        (DEVELOPER, Organisation),
        (VALIDATOR, Organisation),
        (OPERATOR, All),
    ];
    let people: &[(&str, RowScope)] = &[(DEVELOPER, Organisation), (VALIDATOR, Organisation)];
    let list: [Declared<'_>; 15] = [
        (
            "plugin.read",
            "查看插件",
            "Read plugins",
            &[(OPERATOR, All), (AUDITOR, All)],
        ),
        (
            "plugin.enable",
            "启用插件",
            "Enable plugins",
            &[(OPERATOR, All)],
        ),
        (
            "plugin.disable",
            "停用插件",
            "Disable plugins",
            &[(OPERATOR, All)],
        ),
        (
            "model.read",
            "查看模型登记",
            "Read the register of models",
            staff,
        ),
        ("model.inspect", "查看模型内容", "Look into models", people),
        (
            "model.upload",
            "上传模型",
            "Upload models",
            &[(DEVELOPER, Organisation)],
        ),
        (
            "model.approve",
            "批准模型",
            "Approve models",
            &[(VALIDATOR, Organisation)],
        ),
        (
            "model.reject",
            "驳回模型",
            "Reject models",
            &[(VALIDATOR, Organisation)],
        ),
        (
            "model.withdraw",
            "下线模型",
            "Withdraw models",
            &[(VALIDATOR, Organisation)],
        ),
        ("model.trial", "批量试算", "Run trials", people),
        ("trial.read", "查看试算", "Read trials", people),
        (
            "certificate.read",
            "查看模型调用",
            "Read model calls",
            &[(AUDITOR, All), (VALIDATOR, Organisation)],
        ),
        (
            "certificate.reveal",
            "查看评分结果",
            "Read scores",
            &[(VALIDATOR, Organisation)],
        ),
        (
            "audit.read",
            "查看审计日志",
            "Read the audit log",
            &[(AUDITOR, All)],
        ),
        (
            "audit.verify",
            "核验审计日志",
            "Verify the audit log",
            &[(AUDITOR, All)],
        ),
    ];
    granted(&list)
}

fn granted(list: &[Declared<'_>]) -> Vec<PermissionDef> {
    list.iter()
        .map(|(name, zh, en, grants)| PermissionDef {
            name: (*name).into(),
            label: Label::new(*zh, *en),
            grants: grants
                .iter()
                .map(|(role, scope)| RoleGrant {
                    role: (*role).into(),
                    scope: *scope,
                })
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_declaration_is_valid() {
        assert_eq!(
            sdk_contract::validate::faults(&super::def()),
            Vec::<String>::new()
        );
    }
}
