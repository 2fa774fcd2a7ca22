//! The native module `platform`: declarations of the collections this crate keeps.

mod access;
mod federation;
mod lifts;
mod own;
mod people;
mod registration;
mod reviews;
mod signatures;

pub(crate) use access::options;
pub use signatures::{MOST_SIGNED, MOST_STAMP};

use sdk_contract::def::{
    CollectionDef, FieldDef, Label, Level, Mask, ModuleDef, PermissionDef, Retention, RoleGrant,
    RowScope, Shard, Tone,
};
use sdk_contract::kind::Kind;

/// Id of the native module.
pub const MODULE: &str = "platform";
/// The fields of this module's actions that passwords are given in.
pub const PASSWORDS: [&str; 4] = ["password", "again", "current", "new"];
/// Runs the platform: sees users, organisations and operations.
pub const OPERATOR: &str = "platform.operator";
/// Grants and takes away what people may do; runs nothing itself.
pub const SECURITY: &str = "platform.security";
/// Reads what others did.
pub const AUDITOR: &str = "platform.auditor";
/// Looks after an organisation and those below it: its tree, its people, its roles.
pub const ADMIN: &str = "organisation.admin";

pub(crate) const USERS: &str = "users";
pub const ORGANISATIONS: &str = "organisations";
pub(crate) const SESSIONS: &str = "sessions";
pub(crate) const THROTTLES: &str = "throttles";
pub(crate) const FACTORS: &str = "factors";
pub(crate) const AUTHORITIES: &str = "authorities";
pub const SIGNATURES: &str = "signatures";
pub const TIMESTAMPS: &str = "timestamps";
pub(crate) const POSTS: &str = "posts";
pub(crate) const ROLES: &str = "roles";
pub(crate) const GRANTS: &str = "grants";
pub const CHANGES: &str = "changes";
pub const REQUESTS: &str = "requests";
pub(crate) const INVITATIONS: &str = "invitations";
pub(crate) const CLAIMS: &str = "claims";
pub(crate) const RESETS: &str = "resets";
pub(crate) const BINDINGS: &str = "bindings";
pub(crate) const ARRIVALS: &str = "arrivals";

/// Levels of data as values, and what people call them.
pub const LEVELS: [(&str, &str, &str, Tone); 4] = [
    ("L1", "L1 公开", "L1 public", Tone::Neutral),
    ("L2", "L2 内部", "L2 inner", Tone::Info),
    ("L3", "L3 敏感", "L3 sensitive", Tone::Warning),
    ("L4", "L4 高敏", "L4 most sensitive", Tone::Danger),
];

/// Permission to look after one's own account; every signed-in person has it, whatever their
/// duties.
pub const ACCOUNT: &str = "account.manage";

/// What [`crate`] declares. The pages and actions are answered for by the host's native module of
/// the same id.
pub fn definition() -> ModuleDef {
    let mut collections = vec![
        organisations(),
        users(),
        sessions(),
        own::factors(),
        own::authorities(),
        throttles(),
    ];
    collections.extend(access::collections());
    collections.extend(people::collections());
    collections.extend(registration::collections());
    collections.extend(federation::collections());
    collections.push(signatures::collection());
    collections.push(signatures::timestamps());
    // Whatever says who somebody is and what they may do; not what counts failures.
    for collection in collections.iter_mut().filter(|c| c.name != THROTTLES) {
        collection.attested = true;
    }
    let mut actions = own::actions();
    actions.extend(access::actions());
    actions.extend(people::actions());
    actions.extend(registration::actions());
    actions.extend(federation::actions());
    actions.extend(lifts::actions());
    actions.extend(reviews::actions());
    let mut pages = own::pages();
    pages.extend(access::pages());
    pages.extend(people::pages());
    pages.extend(registration::pages());
    pages.extend(federation::pages());
    pages.extend(lifts::pages());
    pages.extend(reviews::pages());
    let mut permissions = permissions();
    permissions.extend(access::permissions());
    permissions.extend(people::permissions());
    permissions.extend(registration::permissions());
    permissions.extend(lifts::permissions());
    permissions.extend(reviews::permissions());
    let mut choices = access::choices();
    choices.extend(registration::choices());
    ModuleDef {
        id: MODULE.into(),
        label: Label::new("平台管理", "Platform"),
        collections,
        choices,
        flows: vec![access::flow(), registration::flow()],
        actions,
        pages,
        blocks: [lifts::blocks(), reviews::blocks()].concat(),
        permissions,
        ..ModuleDef::default()
    }
}

fn permissions() -> Vec<PermissionDef> {
    vec![
        permission(
            "organisation.read",
            Label::new("查看机构", "Read organisations"),
            &[
                (OPERATOR, RowScope::All),
                (SECURITY, RowScope::All),
                (AUDITOR, RowScope::All),
                (crate::principal::SIGNED_IN, RowScope::Organisation),
            ],
        ),
        permission(
            "user.read",
            Label::new("查看用户", "Read users"),
            &[
                (OPERATOR, RowScope::All),
                (SECURITY, RowScope::All),
                (AUDITOR, RowScope::All),
                (ADMIN, RowScope::Organisation),
            ],
        ),
        permission(
            ACCOUNT,
            Label::new("管理自己的账号", "Manage own account"),
            &[(crate::principal::SIGNED_IN, RowScope::All)],
        ),
        permission(
            "session.read",
            Label::new("查看会话", "Read sessions"),
            &[(AUDITOR, RowScope::All)],
        ),
    ]
}

/// A row's system field `organisation` is its own id, so that row scopes work on it too.
fn organisations() -> CollectionDef {
    let mut fields = vec![
        required("name", Label::new("名称", "Name"), Kind::Text { max: 120 }),
        required("type", Label::new("类型", "Type"), Kind::Text { max: 32 }),
        field(
            "parent",
            Label::new("上级", "Parent"),
            Kind::Ref {
                to: ORGANISATIONS.into(),
            },
        ),
    ];
    fields.extend(access::organisation_fields());
    CollectionDef {
        audited: true,
        indexes: vec![vec!["parent".into()]],
        ..collection(
            ORGANISATIONS,
            (
                "organisation",
                Label::new("机构", "Organisations"),
                "organisation.read",
            ),
            Shard::Reference,
            fields,
        )
    }
}

/// A row's system field `organisation` is the one the user was made in; `roles` are held there.
fn users() -> CollectionDef {
    let mut fields = vec![
        required("name", Label::new("姓名", "Name"), Kind::Text { max: 64 }),
        FieldDef {
            unique: true,
            ..required(
                "login",
                Label::new("登录名", "Login"),
                Kind::Text { max: 64 },
            )
        },
        required("roles", Label::new("角色", "Roles"), Kind::Json),
        required("active", Label::new("启用", "Active"), Kind::Bool),
        FieldDef {
            encrypted: true,
            level: Some(Level::L4),
            mask: Some(Mask::All),
            ..required(
                "password",
                Label::new("口令", "Password"),
                Kind::Text { max: 400 },
            )
        },
        field(
            "password_at",
            Label::new("口令设置时间", "Password set"),
            Kind::Datetime,
        ),
        field(
            "given",
            Label::new("口令由他人设置", "Password set by another"),
            Kind::Bool,
        ),
        secret(
            "previous",
            Label::new("用过的口令", "Earlier passwords"),
            Kind::Json,
        ),
        field(
            "seen_at",
            Label::new("最近登录", "Last sign-in"),
            Kind::Datetime,
        ),
    ];
    fields.extend(people::account_fields());
    fields.extend(registration::account_fields());
    CollectionDef {
        audited: true,
        retention: Some(Retention::standing("识别登录的人并与其联系；注销即清空")),
        ..collection(
            USERS,
            ("user", Label::new("用户", "Users"), "user.read"),
            Shard::Reference,
            fields,
        )
    }
}

fn sessions() -> CollectionDef {
    CollectionDef {
        indexes: vec![vec!["user".into(), "created_at".into()]],
        ..session_fields()
    }
}

fn session_fields() -> CollectionDef {
    collection(
        SESSIONS,
        ("session", Label::new("会话", "Sessions"), "session.read"),
        Shard::Aggregate,
        vec![
            required(
                "ip",
                Label::new("网络地址", "Address"),
                Kind::Text { max: 64 },
            ),
            // A keyed digest of the token. The token itself is nowhere.
            FieldDef {
                unique: true,
                frozen: true,
                level: Some(Level::L2),
                mask: Some(Mask::All),
                ..required(
                    "digest",
                    Label::new("摘要", "Digest"),
                    Kind::Text { max: 64 },
                )
            },
            FieldDef {
                frozen: true,
                ..required(
                    "user",
                    Label::new("用户", "User"),
                    Kind::Ref { to: USERS.into() },
                )
            },
            required(
                "seen_at",
                Label::new("最近活动", "Last seen"),
                Kind::Datetime,
            ),
            required(
                "expires_at",
                Label::new("最迟到期", "Expires"),
                Kind::Datetime,
            ),
            field("ended_at", Label::new("退出时间", "Ended"), Kind::Datetime),
            field(
                "proven_at",
                Label::new("最近第二重验证", "Second factor proven"),
                Kind::Datetime,
            ),
            field(
                "proven_by",
                Label::new("第二重验证方式", "How it was proven"),
                Kind::Text { max: 16 },
            ),
            field(
                "acting",
                Label::new("代表的机构", "Acting for"),
                Kind::Ref {
                    to: ORGANISATIONS.into(),
                },
            ),
        ],
    )
}

/// Failed sign-ins, one row for each account or address; the id is derived from the key.
fn throttles() -> CollectionDef {
    collection(
        THROTTLES,
        (
            "throttle",
            Label::new("登录失败计数", "Throttles"),
            "session.read",
        ),
        Shard::Aggregate,
        vec![
            required("key", Label::new("对象", "Key"), Kind::Text { max: 140 }),
            required(
                "failures",
                Label::new("失败次数", "Failures"),
                Kind::Integer {
                    min: Some(0),
                    max: None,
                },
            ),
            required("since", Label::new("起始时间", "Since"), Kind::Datetime),
        ],
    )
}

fn collection(
    name: &str,
    (entity, label, read): (&str, Label, &str),
    shard: Shard,
    fields: Vec<FieldDef>,
) -> CollectionDef {
    CollectionDef {
        read: read.into(),
        ..CollectionDef::new(name, entity, label, shard, fields)
    }
}

fn field(name: &str, label: Label, kind: Kind) -> FieldDef {
    FieldDef {
        list: true,
        ..FieldDef::new(name, label, kind)
    }
}

/// Kept encrypted and shown to nobody: what somebody proves who they are by.
fn secret(name: &str, label: Label, kind: Kind) -> FieldDef {
    FieldDef {
        encrypted: true,
        level: Some(Level::L4),
        mask: Some(Mask::All),
        ..field(name, label, kind)
    }
}

fn required(name: &str, label: Label, kind: Kind) -> FieldDef {
    FieldDef {
        required: true,
        ..field(name, label, kind)
    }
}

fn permission(name: &str, label: Label, grants: &[(&str, RowScope)]) -> PermissionDef {
    PermissionDef {
        name: name.into(),
        label,
        grants: grants
            .iter()
            .map(|(role, scope)| RoleGrant {
                role: (*role).into(),
                scope: *scope,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collection_names_a_declared_permission_and_title() {
        let module = definition();
        for c in &module.collections {
            assert!(module.permission(&c.read).is_some(), "{}", c.name);
            assert!(c.field(&c.title).is_some(), "{}", c.name);
            for f in &c.fields {
                assert!(
                    !sdk_contract::def::SYSTEM_FIELDS.contains(&f.name.as_str()),
                    "{}",
                    f.name
                );
            }
        }
    }

    #[test]
    fn passwords_and_session_digests_are_masked_for_everybody() {
        let module = definition();
        for (collection, field) in [
            (USERS, "password"),
            (USERS, "previous"),
            (SESSIONS, "digest"),
            (FACTORS, "secret"),
            (FACTORS, "codes"),
            (FACTORS, "recovery"),
            (BINDINGS, "account"),
            (BINDINGS, "id_number"),
            (ARRIVALS, "told"),
        ] {
            let field = module.collection(collection).unwrap().field(field).unwrap();
            assert_eq!(field.mask, Some(Mask::All));
            assert_eq!(field.reveal, None);
        }
        assert!(
            module
                .collection(USERS)
                .unwrap()
                .field("password")
                .unwrap()
                .encrypted
        );
    }
}
