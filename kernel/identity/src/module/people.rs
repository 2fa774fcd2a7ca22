//! What looking after people's accounts is declared as: new passwords, leaving, coming back.

use sdk_contract::def::{
    ActionDef, Area, CollectionDef, FieldDef, Label, Level, Mask, PageDef, PermissionDef, RowScope,
    Shard,
};
use sdk_contract::kind::Kind;

use super::access::{action, frozen, moment, needed};
use super::{
    ADMIN, MODULE, OPERATOR, RESETS, SECURITY, USERS, collection, field, permission, required,
};
use crate::principal::ANYONE;

/// What becomes of an account besides being used.
pub(super) fn account_fields() -> Vec<FieldDef> {
    vec![
        moment("suspended_at", "因长期未用停用于", "Suspended as unused"),
        moment("opened_at", "恢复时间", "Opened again"),
        moment("left_at", "离职时间", "Left"),
    ]
}

pub(super) fn collections() -> Vec<CollectionDef> {
    vec![resets()]
}

/// Somebody needs a new password: asked for by anyone, answered with a link by an administrator. Of
/// the link's token there is a digest. The system field `organisation` is the person's.
fn resets() -> CollectionDef {
    let digest = FieldDef {
        unique: true,
        level: Some(Level::L2),
        mask: Some(Mask::All),
        list: false,
        ..field(
            "digest",
            Label::new("摘要", "Digest"),
            Kind::Text { max: 64 },
        )
    };
    let fields = vec![
        frozen(needed("name", "姓名", "Name", 64)),
        frozen(required(
            "user",
            Label::new("人员", "Person"),
            Kind::Ref { to: USERS.into() },
        )),
        digest,
        moment("issued_at", "签发时间", "Issued"),
        field(
            "issued_by",
            Label::new("签发人", "Issued by"),
            Kind::Ref { to: USERS.into() },
        ),
        moment("expires_at", "有效期至", "Expires"),
        moment("used_at", "使用时间", "Used"),
        moment("ended_at", "作废时间", "Ended"),
    ];
    CollectionDef {
        audited: true,
        indexes: vec![
            vec!["user".into(), "created_at".into()],
            vec!["organisation".into(), "created_at".into()],
        ],
        ..collection(
            RESETS,
            (
                "reset",
                Label::new("密码重置", "Password resets"),
                "user.reset",
            ),
            Shard::Reference,
            fields,
        )
    }
}

pub(super) fn actions() -> Vec<ActionDef> {
    const PERSON: (&str, bool) = (USERS, true);
    let reason = || needed("reason", "原因", "Reason", 500);
    vec![
        action(
            "user.issue-reset",
            Label::new("签发重置链接", "Issue a link"),
            PERSON,
            "user.reset",
            vec![reason()],
        ),
        action(
            "user.leave",
            Label::new("办理离职", "Leave"),
            PERSON,
            "user.leave",
            vec![reason()],
        ),
        action(
            "user.return",
            Label::new("返聘", "Return"),
            PERSON,
            "user.leave",
            vec![needed("title", "岗位", "Post", 40), reason()],
        ),
        action(
            "user.open",
            Label::new("恢复账号", "Open again"),
            PERSON,
            "user.open",
            vec![reason()],
        ),
        action(
            "reset.ask",
            Label::new("申请重置密码", "Ask for a new password"),
            (RESETS, false),
            "reset.ask",
            vec![needed("login", "登录名", "Login", 64)],
        ),
        action(
            "reset.end",
            Label::new("作废重置链接", "End the link"),
            (RESETS, true),
            "user.reset",
            vec![reason()],
        ),
        action(
            "reset.use",
            Label::new("设置新密码", "Set a new password"),
            (RESETS, false),
            "reset.use",
            vec![
                needed("token", "重置码", "Token", 160),
                needed("password", "新密码", "New password", 256),
                needed("again", "再输入一次新密码", "New password again", 256),
            ],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    let page = |path: &str, zh: &str, en: &str, icon: &str, permission: &str| PageDef {
        path: format!("/{MODULE}/{path}"),
        label: Label::new(zh, en),
        icon: icon.into(),
        area: if icon.is_empty() {
            Area::None
        } else {
            Area::Bench
        },
        order: 911,
        permission: permission.into(),
    };
    vec![
        page("users", "账号", "Accounts", "id-badge", "user.read"),
        page("users/{id}", "账号详情", "Account", "", "user.read"),
        page("resets", "密码重置", "Password resets", "key", "user.reset"),
        page(
            "forgotten",
            "忘记密码",
            "Forgotten password",
            "",
            "reset.ask",
        ),
        page("reset", "设置新密码", "New password", "", "reset.use"),
    ]
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::{All, Organisation};
    let of = |name: &str, zh: &str, en: &str, grants: &[(&str, RowScope)]| {
        permission(name, Label::new(zh, en), grants)
    };
    let own: &[(&str, RowScope)] = &[(OPERATOR, All), (ADMIN, Organisation)];
    vec![
        of(
            "user.reset",
            "重置他人密码",
            "Reset passwords",
            &[(OPERATOR, All), (SECURITY, All), (ADMIN, Organisation)],
        ),
        of("user.leave", "办理离职与返聘", "Leavers", own),
        of("user.open", "恢复停用账号", "Open accounts again", own),
        of(
            "reset.ask",
            "申请重置密码",
            "Ask for a new password",
            &[(ANYONE, All)],
        ),
        of(
            "reset.use",
            "设置新密码",
            "Set a new password",
            &[(ANYONE, All)],
        ),
    ]
}
