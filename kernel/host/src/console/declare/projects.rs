//! Projects that data is made for without saying whose it is, as the console declares them.

use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, Level, Mask, PageDef,
    PermissionDef, Retention, RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

use super::super::projects::{LONGEST, PROJECTS, RESTORATIONS};
use super::{
    AUDITOR, Declared, action, choice, collection as declared, field, flow as by_status, frozen,
    granted, integer, optional, options, page as entry, text,
};

const SIGNED_IN: &str = kernel_identity::principal::SIGNED_IN;
/// Characters of a token: its letter, and the sealed value in hexadecimal.
const TOKEN: u32 = 1 + 2 * (36 + 4 * LONGEST);

pub(super) fn collections() -> Vec<CollectionDef> {
    vec![projects(), restorations()]
}

fn words(name: &str, zh: &str, en: &str, max: u32) -> FieldDef {
    field(name, zh, en, Kind::Text { max })
}

fn projects() -> CollectionDef {
    // Nobody reads it: only the platform makes pseudonyms and opens tokens.
    let secret = FieldDef {
        encrypted: true,
        level: Some(Level::L4),
        mask: Some(Mask::Hidden),
        list: false,
        ..optional(words("secret", "密钥材料", "Secret", 64))
    };
    let fields = vec![
        frozen(words("name", "名称", "Name", 60)),
        frozen(words("purpose", "用途", "Purpose", 200)),
        frozen(field("ends_on", "结束日", "Ends on", Kind::Date)),
        choice("status", "状态", "Status", "project-status"),
        frozen(text("by_name", "建立人", "Made by")),
        integer("restored", "还原次数", "Tokens turned back"),
        optional(field("ended_at", "结束时间", "Ended", Kind::Datetime)),
        secret,
    ];
    CollectionDef {
        title: "name".into(),
        assignee: Some("created_by".into()),
        retention: Some(Retention::standing(
            "为去标识项目生成代号和令牌，项目结束即清空",
        )),
        indexes: vec![
            vec!["created_by".into(), "created_at".into()],
            vec!["status".into(), "ends_on".into()],
        ],
        ..declared(
            PROJECTS,
            "project",
            Label::new("去标识项目", "De-identification projects"),
            Shard::Organisation,
            fields,
        )
    }
}

/// A token that was turned back. What it stands for is a most sensitive value like any other: whoever
/// asked looks at it, once a second person has agreed.
fn restorations() -> CollectionDef {
    let project = Kind::Ref {
        to: PROJECTS.into(),
    };
    let value = FieldDef {
        encrypted: true,
        level: Some(Level::L4),
        mask: Some(Mask::All),
        look: Some("restoration.look".into()),
        ..optional(words("value", "原值", "Value", LONGEST))
    };
    let fields = vec![
        frozen(words("name", "项目名称", "Project", 60)),
        frozen(field("project", "项目", "Project", project)),
        frozen(text("digest", "令牌摘要", "Digest of the token")),
        frozen(text("by_name", "申请人", "Asked by")),
        value,
    ];
    CollectionDef {
        title: "name".into(),
        assignee: Some("created_by".into()),
        retention: Some(Retention::standing(
            "经两人同意查看去标识令牌的原值，项目结束即清空",
        )),
        indexes: vec![vec!["project".into(), "created_at".into()]],
        ..declared(
            RESTORATIONS,
            "restoration",
            Label::new("令牌还原", "Tokens turned back"),
            Shard::Organisation,
            fields,
        )
    }
}

pub(super) fn status() -> ChoiceDef {
    options(
        "project-status",
        Label::new("项目状态", "Status of a project"),
        &[
            ("open", "进行中", "Open", Tone::Success),
            ("ended", "已结束", "Ended", Tone::Neutral),
        ],
    )
}

pub(super) fn flow() -> FlowDef {
    by_status(PROJECTS, &["open"], &[("project.end", &["open"], "ended")])
}

pub(super) fn actions() -> Vec<ActionDef> {
    vec![
        action(
            "project.create",
            Label::new("建立项目", "Make a project"),
            false,
            vec![
                words("name", "名称", "Name", 60),
                words("purpose", "用途", "Purpose", 200),
                field("ends_on", "结束日", "Ends on", Kind::Date),
            ],
        ),
        action(
            "project.restore",
            Label::new("还原令牌", "Turn a token back"),
            true,
            vec![words("token", "令牌", "Token", TOKEN)],
        ),
        action(
            "project.end",
            Label::new("结束项目", "End a project"),
            true,
            vec![],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    vec![
        entry(
            "/console/projects",
            Label::new("去标识项目", "De-identification projects"),
            "lock",
            Area::Me,
            "project.read",
        ),
        entry(
            "/console/projects/{id}",
            Label::new("项目", "Project"),
            "",
            Area::None,
            "project.read",
        ),
    ]
}

/// Colleagues see that there is a project; it is used by whoever made it.
pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::{All, Assigned, Organisation};
    let seen: &[(&str, RowScope)] = &[(SIGNED_IN, Organisation), (AUDITOR, All)];
    let own: &[(&str, RowScope)] = &[(SIGNED_IN, Assigned)];
    let list: [Declared<'_>; 6] = [
        ("project.read", "查看去标识项目", "Read projects", seen),
        (
            "project.create",
            "建立去标识项目",
            "Make projects",
            &[(SIGNED_IN, All)],
        ),
        ("project.restore", "还原令牌", "Turn tokens back", own),
        ("project.end", "结束去标识项目", "End projects", own),
        (
            "restoration.read",
            "查看令牌还原",
            "Read restorations",
            seen,
        ),
        (
            "restoration.look",
            "经复核查看原值",
            "Look at what a token stands for",
            own,
        ),
    ];
    granted(&list)
}
