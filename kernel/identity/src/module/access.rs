//! What organisations, posts, roles and the changes of them are declared as.

mod actions;

use sdk_contract::code::Format;
use sdk_contract::def::{
    Area, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, Level, Mask, OptionDef, PageDef,
    PermissionDef, RowScope, Shard, Tone, TransitionDef,
};
use sdk_contract::kind::Kind;

use super::{
    ADMIN, AUDITOR, CHANGES, GRANTS, INVITATIONS, LEVELS, MODULE, OPERATOR, ORGANISATIONS, POSTS,
    REQUESTS, ROLES, SECURITY, USERS, collection, field, permission, required,
};
use crate::principal::{ANYONE, SIGNED_IN};

pub(super) use actions::action;

const PLACE_STATUS: &str = "organisation-status";
const REQUEST_STATUS: &str = "request-status";
const LEVEL: &str = "data-level";

fn text(name: &str, zh: &str, en: &str, max: u32) -> FieldDef {
    field(name, Label::new(zh, en), Kind::Text { max })
}

pub(in crate::module) fn needed(name: &str, zh: &str, en: &str, max: u32) -> FieldDef {
    required(name, Label::new(zh, en), Kind::Text { max })
}

fn reference(name: &str, zh: &str, en: &str, to: &str) -> FieldDef {
    required(name, Label::new(zh, en), Kind::Ref { to: to.into() })
}

pub(in crate::module) fn moment(name: &str, zh: &str, en: &str) -> FieldDef {
    field(name, Label::new(zh, en), Kind::Datetime)
}

pub(in crate::module) fn frozen(field: FieldDef) -> FieldDef {
    FieldDef {
        frozen: true,
        ..field
    }
}

fn indexed(def: CollectionDef, indexes: &[&[&str]]) -> CollectionDef {
    let names = |fields: &&[&str]| fields.iter().map(|f| (*f).to_owned()).collect();
    CollectionDef {
        indexes: indexes.iter().map(names).collect(),
        ..def
    }
}

/// What an organisation has besides its name, its type and its place in the tree.
pub(super) fn organisation_fields() -> Vec<FieldDef> {
    vec![
        text("code", "机构代码", "Code", 32),
        text("tier", "层级", "Tier", 20),
        text("licence", "许可证号", "Licence number", 40),
        field(
            "region",
            Label::new("所在区", "District"),
            Kind::Code {
                format: Format::Region,
            },
        ),
        field(
            "status",
            Label::new("状态", "Status"),
            Kind::Choice {
                of: PLACE_STATUS.into(),
            },
        ),
        field(
            "merged_into",
            Label::new("并入机构", "Merged into"),
            Kind::Ref {
                to: ORGANISATIONS.into(),
            },
        ),
        field("ceiling", Label::new("权限上限", "Ceiling"), Kind::Json),
        // Counts changes of the tree below a root, so that two at once cannot both hold.
        FieldDef {
            list: false,
            ..field(
                "shape",
                Label::new("架构版本", "Shape"),
                Kind::Integer {
                    min: Some(0),
                    max: None,
                },
            )
        },
    ]
}

pub(super) use actions::actions;

pub(super) fn collections() -> Vec<CollectionDef> {
    vec![
        posts(),
        roles(),
        grants(),
        changes(),
        requests(),
        invitations(),
    ]
}

/// A person's place in an organisation, which is the row's system field. It ends and is never
/// moved, so that what was done in it stays attributed.
fn posts() -> CollectionDef {
    let fields = vec![
        needed("title", "岗位", "Post", 40),
        frozen(reference("user", "人员", "Person", USERS)),
        moment("ended_at", "离任时间", "Ended"),
        moment("reviewed_at", "最近核查", "Last reviewed"),
    ];
    let def = collection(
        POSTS,
        ("post", Label::new("岗位任职", "Posts"), "post.read"),
        Shard::Reference,
        fields,
    );
    indexed(
        CollectionDef {
            audited: true,
            ..def
        },
        &[
            &["user", "created_at"],
            &["organisation", "created_at"],
            &["reviewed_at", "created_at"],
        ],
    )
}

/// Up to which level whoever holds a composed role sees values whole.
fn clearance() -> FieldDef {
    field(
        "clearance",
        Label::new("数据级别上限", "Clearance"),
        Kind::Choice { of: LEVEL.into() },
    )
}

/// Roles that an organisation composed for itself and those below it.
fn roles() -> CollectionDef {
    let fields = vec![
        needed("title", "角色名称", "Title", 40),
        text("about", "说明", "About", 200),
        required("permissions", Label::new("权限", "Permissions"), Kind::Json),
        clearance(),
        moment("retired_at", "停用时间", "Retired"),
    ];
    let def = collection(
        ROLES,
        (
            "role",
            Label::new("自定义角色", "Composed roles"),
            "role.read",
        ),
        Shard::Reference,
        fields,
    );
    indexed(
        CollectionDef {
            audited: true,
            ..def
        },
        &[&["organisation", "created_at"]],
    )
}

/// A role given to a post; the system field `organisation` is the post's.
fn grants() -> CollectionDef {
    let fields = vec![
        // Of a declared role its name, of a composed one its id.
        frozen(needed("role", "角色", "Role", 80)),
        frozen(reference("user", "人员", "Person", USERS)),
        frozen(reference("post", "岗位", "Post", POSTS)),
        moment("expires_at", "到期时间", "Expires"),
        moment("ended_at", "收回时间", "Ended"),
    ];
    let def = collection(
        GRANTS,
        ("grant", Label::new("授权", "Grants"), "grant.read"),
        Shard::Reference,
        fields,
    );
    indexed(
        CollectionDef {
            audited: true,
            ..def
        },
        &[
            &["user", "created_at"],
            &["post", "created_at"],
            &["role", "created_at"],
            &["organisation", "created_at"],
        ],
    )
}

/// Who changed what about organisations and access, when and why. Nothing updates or removes one.
fn changes() -> CollectionDef {
    let fields = vec![
        frozen(needed("title", "对象", "Object", 200)),
        frozen(needed("what", "变更", "Change", 60)),
        frozen(needed("object", "对象编号", "Object id", 64)),
        frozen(field(
            "person",
            Label::new("涉及人员", "Person"),
            Kind::Ref { to: USERS.into() },
        )),
        // As it was then: where the organisation stood is not what it may be today.
        frozen(text("place", "当时所属", "Place then", 400)),
        frozen(field("before", Label::new("变更前", "Before"), Kind::Json)),
        frozen(field("after", Label::new("变更后", "After"), Kind::Json)),
        frozen(text("reason", "原因", "Reason", 500)),
        frozen(text("by_name", "经办人", "By", 64)),
        frozen(text("approved_by", "复核人", "Approved by", 64)),
    ];
    let def = collection(
        CHANGES,
        (
            "change",
            Label::new("权限变更历史", "Changes of access"),
            "change.read",
        ),
        Shard::Aggregate,
        fields,
    );
    indexed(
        def,
        &[
            &["object", "created_at"],
            &["person", "created_at"],
            &["organisation", "created_at"],
        ],
    )
}

/// What one person asked for and another decides.
fn requests() -> CollectionDef {
    let fields = vec![
        frozen(needed("title", "事项", "Title", 200)),
        frozen(needed("deed", "类别", "Deed", 60)),
        frozen(FieldDef {
            level: Some(Level::L2),
            mask: Some(Mask::Hidden),
            ..field("payload", Label::new("内容", "Payload"), Kind::Json)
        }),
        required(
            "status",
            Label::new("状态", "Status"),
            Kind::Choice {
                of: REQUEST_STATUS.into(),
            },
        ),
        frozen(field(
            "beneficiary",
            Label::new("涉及人员", "Beneficiary"),
            Kind::Ref { to: USERS.into() },
        )),
        frozen(reference("asker", "申请人", "Asked by", USERS)),
        frozen(needed("asker_name", "申请人姓名", "Asked by", 64)),
        frozen(text("reason", "申请原因", "Reason", 500)),
        frozen(required(
            "expires_at",
            Label::new("复核期限", "Expires"),
            Kind::Datetime,
        )),
        text("decider_name", "复核人", "Decided by", 64),
        moment("decided_at", "复核时间", "Decided"),
        text("verdict", "复核意见", "Verdict", 500),
        moment("used_at", "使用时间", "Used"),
    ];
    let def = collection(
        REQUESTS,
        (
            "request",
            Label::new("待复核事项", "Requests"),
            "request.read",
        ),
        Shard::Aggregate,
        fields,
    );
    indexed(
        CollectionDef {
            audited: true,
            assignee: Some("asker".into()),
            ..def
        },
        &[
            &["status", "created_at"],
            &["beneficiary", "created_at"],
            &["asker", "created_at"],
        ],
    )
}

/// Somebody is asked to open an account and take a post. Of the link's token there is a digest.
fn invitations() -> CollectionDef {
    let fields = vec![
        frozen(needed("name", "姓名", "Name", 64)),
        frozen(needed("login", "登录名", "Login", 64)),
        frozen(needed("title", "岗位", "Post", 40)),
        frozen(FieldDef {
            unique: true,
            level: Some(Level::L2),
            mask: Some(Mask::All),
            ..needed("digest", "摘要", "Digest", 64)
        }),
        frozen(required(
            "expires_at",
            Label::new("有效期至", "Expires"),
            Kind::Datetime,
        )),
        moment("used_at", "开户时间", "Used"),
        moment("ended_at", "作废时间", "Ended"),
    ];
    let def = collection(
        INVITATIONS,
        (
            "invitation",
            Label::new("开户邀请", "Invitations"),
            "post.assign",
        ),
        Shard::Reference,
        fields,
    );
    indexed(
        CollectionDef {
            audited: true,
            ..def
        },
        &[&["login", "created_at"], &["organisation", "created_at"]],
    )
}

pub(crate) fn options(name: &str, label: Label, all: &[(&str, &str, &str, Tone)]) -> ChoiceDef {
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

pub(super) fn choices() -> Vec<ChoiceDef> {
    vec![
        options(
            PLACE_STATUS,
            Label::new("机构状态", "Status of an organisation"),
            &[
                ("active", "正常", "Active", Tone::Success),
                ("closed", "停用", "Closed", Tone::Neutral),
            ],
        ),
        options(
            REQUEST_STATUS,
            Label::new("复核状态", "Status of a request"),
            &[
                ("pending", "待复核", "Pending", Tone::Warning),
                ("approved", "已同意", "Approved", Tone::Success),
                ("refused", "已驳回", "Refused", Tone::Danger),
                ("withdrawn", "已撤回", "Withdrawn", Tone::Neutral),
            ],
        ),
        options(LEVEL, Label::new("数据级别", "Level of data"), &LEVELS),
    ]
}

pub(super) fn flow() -> FlowDef {
    let step = |verb: &str, to: &str| TransitionDef {
        action: format!("request.{verb}"),
        from: vec!["pending".into()],
        to: to.into(),
    };
    FlowDef {
        collection: REQUESTS.into(),
        field: "status".into(),
        initial: vec!["pending".into()],
        transitions: vec![
            step("approve", "approved"),
            step("refuse", "refused"),
            step("withdraw", "withdrawn"),
        ],
    }
}

pub(super) fn pages() -> Vec<PageDef> {
    let page = |path: &str, zh: &str, en: &str, icon: &str, order: u16, permission: &str| PageDef {
        path: format!("/{MODULE}/{path}"),
        label: Label::new(zh, en),
        icon: icon.into(),
        area: if icon.is_empty() {
            Area::None
        } else {
            Area::Bench
        },
        order,
        permission: permission.into(),
    };
    vec![
        page(
            "organisations",
            "组织架构",
            "Organisations",
            "hierarchy",
            910,
            "organisation.browse",
        ),
        page(
            "organisations/{id}",
            "机构详情",
            "Organisation",
            "",
            910,
            "organisation.browse",
        ),
        page(
            "posts",
            "人员与岗位",
            "People and posts",
            "users",
            911,
            "post.read",
        ),
        page("posts/{id}", "任职详情", "Post", "", 911, "post.read"),
        page(
            "invitations",
            "开户邀请",
            "Invitations",
            "user-search",
            911,
            "post.assign",
        ),
        page(
            "invitation",
            "接受邀请",
            "Accept an invitation",
            "",
            911,
            "invitation.accept",
        ),
        page(
            "roles",
            "角色与权限",
            "Roles",
            "shield-check",
            912,
            "role.read",
        ),
        page("roles/{id}", "角色详情", "Role", "", 912, "role.read"),
        page(
            "requests",
            "待复核",
            "To be approved",
            "checks",
            913,
            "request.decide",
        ),
        page(
            "changes",
            "权限变更历史",
            "Changes of access",
            "history",
            914,
            "change.read",
        ),
    ]
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::{All, Organisation};
    let watched: &[(&str, RowScope)] = &[
        (OPERATOR, All),
        (SECURITY, All),
        (AUDITOR, All),
        (ADMIN, Organisation),
    ];
    let checked: &[(&str, RowScope)] = &[(SECURITY, All), (AUDITOR, All), (ADMIN, Organisation)];
    // Whoever asked sees what became of it.
    let known = &[checked, &[(SIGNED_IN, RowScope::Assigned)]].concat();
    let arranged: &[(&str, RowScope)] = &[(OPERATOR, All), (ADMIN, Organisation)];
    let granted: &[(&str, RowScope)] = &[(SECURITY, All), (ADMIN, Organisation)];
    let of = |name: &str, zh: &str, en: &str, grants| permission(name, Label::new(zh, en), grants);
    vec![
        of(
            "organisation.browse",
            "查看组织架构",
            "Browse organisations",
            watched,
        ),
        of(
            "organisation.found",
            "新设机构",
            "Found organisations",
            &[(OPERATOR, All)],
        ),
        of(
            "organisation.arrange",
            "管理组织架构",
            "Arrange organisations",
            arranged,
        ),
        of(
            "organisation.limit",
            "限定机构权限",
            "Limit organisations",
            &[(SECURITY, All)],
        ),
        of("post.read", "查看人员与岗位", "Read posts", watched),
        of("post.assign", "管理人员与岗位", "Assign posts", arranged),
        of(
            "invitation.accept",
            "接受邀请",
            "Accept an invitation",
            &[(ANYONE, All)],
        ),
        of(
            "post.act",
            "切换机构",
            "Act for another organisation",
            &[(SIGNED_IN, All)],
        ),
        of("role.read", "查看角色", "Read roles", watched),
        of("role.compose", "组建角色", "Compose roles", granted),
        of("grant.read", "查看授权", "Read grants", checked),
        of(
            "grant.give",
            "授予与收回角色",
            "Give and revoke roles",
            granted,
        ),
        of(
            "change.read",
            "查看权限变更",
            "Read changes of access",
            checked,
        ),
        of("request.read", "查看待复核事项", "Read requests", known),
        of("request.decide", "复核", "Decide requests", checked),
    ]
}
