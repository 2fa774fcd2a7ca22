//! The native module `platform`: declarations of the collections this crate keeps.

use sdk_contract::def::{
    CollectionDef, FieldDef, Label, Mask, ModuleDef, PermissionDef, RoleGrant, RowScope, Shard,
};
use sdk_contract::kind::Kind;

/// Id of the native module.
pub const MODULE: &str = "platform";
/// Runs the platform: sees users, organisations and operations.
pub const OPERATOR: &str = "platform.operator";
/// Reads what others did.
pub const AUDITOR: &str = "platform.auditor";

pub(crate) const USERS: &str = "users";
pub(crate) const ORGANISATIONS: &str = "organisations";
pub(crate) const SESSIONS: &str = "sessions";
pub(crate) const THROTTLES: &str = "throttles";

/// What [`crate`] declares: collections and who may read them. The console's pages are added by
/// the crate that answers for them.
pub fn definition() -> ModuleDef {
    ModuleDef {
        id: MODULE.into(),
        label: Label::new("平台管理", "Platform"),
        collections: vec![organisations(), users(), sessions(), throttles()],
        permissions: vec![
            permission(
                "organisation.read",
                Label::new("查看机构", "Read organisations"),
                &[
                    (OPERATOR, RowScope::All),
                    (AUDITOR, RowScope::All),
                    (crate::principal::SIGNED_IN, RowScope::Organisation),
                ],
            ),
            permission(
                "user.read",
                Label::new("查看用户", "Read users"),
                &[(OPERATOR, RowScope::All), (AUDITOR, RowScope::All)],
            ),
            permission(
                "session.read",
                Label::new("查看会话", "Read sessions"),
                &[(AUDITOR, RowScope::All)],
            ),
        ],
        ..ModuleDef::default()
    }
}

/// A row's system field `organisation` is its own id, so that row scopes work on it too.
fn organisations() -> CollectionDef {
    CollectionDef {
        indexes: vec![vec!["parent".into()]],
        ..collection(
            ORGANISATIONS,
            (
                "organisation",
                Label::new("机构", "Organisations"),
                "organisation.read",
            ),
            Shard::Reference,
            vec![
                required("name", Label::new("名称", "Name"), Kind::Text { max: 120 }),
                required("type", Label::new("类型", "Type"), Kind::Text { max: 32 }),
                field(
                    "parent",
                    Label::new("上级", "Parent"),
                    Kind::Ref {
                        to: ORGANISATIONS.into(),
                    },
                ),
            ],
        )
    }
}

/// A row's system field `organisation` is the one the user acts for.
fn users() -> CollectionDef {
    CollectionDef {
        audited: true,
        ..collection(
            USERS,
            ("user", Label::new("用户", "Users"), "user.read"),
            Shard::Reference,
            vec![
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
                    mask: Some(Mask::All),
                    ..required(
                        "password",
                        Label::new("口令", "Password"),
                        Kind::Text { max: 400 },
                    )
                },
            ],
        )
    }
}

fn sessions() -> CollectionDef {
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
        name: name.into(),
        entity: entity.into(),
        label,
        help: String::new(),
        title: fields.first().map(|f| f.name.clone()).unwrap_or_default(),
        shard,
        audited: false,
        fields,
        indexes: Vec::new(),
        unique: Vec::new(),
        read: read.into(),
        create: None,
        update: None,
    }
}

fn field(name: &str, label: Label, kind: Kind) -> FieldDef {
    FieldDef {
        name: name.into(),
        label,
        help: String::new(),
        kind,
        required: false,
        unique: false,
        frozen: false,
        list: true,
        search: false,
        encrypted: false,
        mask: None,
        reveal: None,
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
        for (collection, field) in [(USERS, "password"), (SESSIONS, "digest")] {
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
