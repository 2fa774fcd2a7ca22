//! The declaration of the native module `access`.

use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, Level, ModuleDef, PageDef,
    PermissionDef, RoleGrant, RowScope, Shard, Tone, TransitionDef,
};
use sdk_contract::kind::Kind;

use crate::issued;
use crate::module::{AUDITOR, OPERATOR, SECURITY, options};

/// Id of the native module.
pub const MODULE: &str = "access";
/// Its collection.
pub const APPS: &str = "apps";

/// What is answered for by the host's native module of the same id.
pub fn definition() -> ModuleDef {
    let mut choices = vec![status()];
    choices.extend(issued::choices());
    ModuleDef {
        id: MODULE.into(),
        label: Label::new("应用接入", "Connected systems"),
        collections: vec![apps(), issued::collection()],
        choices,
        flows: vec![flow(), issued::flow()],
        actions: [actions(), issued::actions()].concat(),
        pages: [pages(), issued::pages()].concat(),
        permissions: [permissions(), issued::permissions()].concat(),
        ..ModuleDef::default()
    }
}

pub(crate) fn field(name: &str, zh: &str, en: &str, kind: Kind) -> FieldDef {
    FieldDef {
        list: true,
        ..FieldDef::new(name, Label::new(zh, en), kind)
    }
}

pub(crate) fn required(field: FieldDef) -> FieldDef {
    FieldDef {
        required: true,
        ..field
    }
}

/// Sealed at its place: what was written there by other means does not open.
fn sealed(field: FieldDef) -> FieldDef {
    FieldDef {
        encrypted: true,
        level: Some(Level::L2),
        list: false,
        ..field
    }
}

fn name() -> FieldDef {
    field("name", "应用名称", "Name", Kind::Text { max: 64 })
}

fn key() -> FieldDef {
    FieldDef {
        help: "SM2 公钥，PEM（BEGIN PUBLIC KEY）".into(),
        ..field("key", "公钥", "Public key", Kind::Text { max: 400 })
    }
}

fn count(name: &str, zh: &str, en: &str) -> FieldDef {
    let kind = Kind::Integer {
        min: Some(1),
        max: Some(100_000_000),
    };
    field(name, zh, en, kind)
}

fn apps() -> CollectionDef {
    let until = field(
        "previous_until",
        "原公钥有效期至",
        "Previous key holds until",
        Kind::Datetime,
    );
    let fields = vec![
        required(name()),
        required(field(
            "status",
            "状态",
            "Status",
            Kind::Choice {
                of: "app-status".into(),
            },
        )),
        sealed(required(field("roles", "角色", "Roles", Kind::Json))),
        sealed(required(field(
            "networks",
            "允许的网络",
            "Networks",
            Kind::Json,
        ))),
        sealed(required(key())),
        sealed(field(
            "previous_key",
            "原公钥",
            "Previous key",
            Kind::Text { max: 400 },
        )),
        sealed(until),
        sealed(field(
            "certificates",
            "客户端证书",
            "Client certificates",
            Kind::Json,
        )),
        sealed(required(count(
            "per_minute",
            "每分钟次数",
            "Calls a minute",
        ))),
        sealed(required(count("per_day", "每日次数", "Calls a day"))),
        sealed(field(
            "change",
            "待批准的变更",
            "Change asked for",
            Kind::Json,
        )),
        sealed(field(
            "asked_by",
            "申请人",
            "Asked by",
            Kind::Text { max: 64 },
        )),
    ];
    CollectionDef {
        audited: true,
        attested: true,
        ..CollectionDef::new(
            APPS,
            "app",
            Label::new("应用", "Apps"),
            Shard::Reference,
            fields,
        )
    }
}

fn status() -> ChoiceDef {
    options(
        "app-status",
        Label::new("应用状态", "App status"),
        &[
            ("pending", "待批准", "Pending", Tone::Warning),
            ("active", "已启用", "Active", Tone::Success),
            ("suspended", "已停用", "Suspended", Tone::Danger),
            ("closed", "已注销", "Closed", Tone::Neutral),
        ],
    )
}

fn flow() -> FlowDef {
    let step = |action: &str, from: &[&str], to: &str| TransitionDef {
        action: action.into(),
        from: from.iter().map(|s| (*s).to_owned()).collect(),
        to: to.into(),
    };
    FlowDef {
        collection: APPS.into(),
        field: "status".into(),
        initial: vec!["pending".into()],
        transitions: vec![
            step("app.approve", &["pending"], "active"),
            step("app.suspend", &["active"], "suspended"),
            step("app.resume", &["suspended"], "active"),
            step("app.close", &["pending", "suspended"], "closed"),
        ],
    }
}

/// What is asked for an app, and what may be changed of it.
fn limits() -> Vec<FieldDef> {
    let long = |max, help: &str, field: FieldDef| FieldDef {
        help: help.into(),
        kind: Kind::Text { max },
        ..field
    };
    vec![
        field("roles", "角色", "Roles", Kind::Json),
        long(
            4_000,
            "每行一个网段，可加起止日期：203.0.113.0/24 2026-11-01 2027-10-31",
            field("networks", "允许的网络", "Networks", Kind::Json),
        ),
        long(
            16_000,
            "该应用建立连接须出示的证书，PEM，可填两张以便更换；不填则不要求",
            field(
                "certificates",
                "客户端证书",
                "Client certificates",
                Kind::Json,
            ),
        ),
        key(),
        count("per_minute", "每分钟次数", "Calls a minute"),
        count("per_day", "每日次数", "Calls a day"),
    ]
}

fn register() -> Vec<FieldDef> {
    let to = "platform.organisations".into();
    let organisation = field("organisation", "所属机构", "Organisation", Kind::Ref { to });
    let mut fields = vec![required(name()), required(organisation)];
    fields.extend(limits().into_iter().map(|field| FieldDef {
        required: field.name != "certificates",
        ..field
    }));
    fields
}

fn change() -> Vec<FieldDef> {
    let mut fields = limits();
    fields.push(field(
        "any_connection",
        "不再要求客户端证书",
        "Ask for no client certificate any more",
        Kind::Bool,
    ));
    fields.push(field(
        "overlap_hours",
        "原公钥继续有效的小时数",
        "Hours the key before still holds",
        Kind::Integer {
            min: Some(0),
            max: Some(720),
        },
    ));
    fields
}

fn actions() -> Vec<ActionDef> {
    let action = |name: &str, label: Label, record: bool, input: Vec<FieldDef>| ActionDef {
        name: name.into(),
        label,
        help: String::new(),
        collection: APPS.into(),
        record,
        permission: name.into(),
        step_up: ["app.approve", "app.accept-change"].contains(&name),
        signed: false,
        purpose: None,
        input,
    };
    let reason = || {
        vec![required(field(
            "reason",
            "原因",
            "Reason",
            Kind::Text { max: 200 },
        ))]
    };
    vec![
        action(
            "app.register",
            Label::new("登记应用", "Register"),
            false,
            register(),
        ),
        action(
            "app.approve",
            Label::new("批准接入", "Approve"),
            true,
            Vec::new(),
        ),
        action(
            "app.change",
            Label::new("申请变更", "Ask for a change"),
            true,
            change(),
        ),
        action(
            "app.accept-change",
            Label::new("批准变更", "Accept the change"),
            true,
            Vec::new(),
        ),
        action(
            "app.drop-change",
            Label::new("撤销变更申请", "Drop the change"),
            true,
            Vec::new(),
        ),
        action("app.suspend", Label::new("停用", "Suspend"), true, reason()),
        action("app.resume", Label::new("恢复", "Resume"), true, reason()),
        action("app.close", Label::new("注销", "Close"), true, reason()),
    ]
}

fn pages() -> Vec<PageDef> {
    let page = |path: &str, label: Label, area: Area, permission: &str| PageDef {
        path: format!("/{MODULE}{path}"),
        label,
        icon: "link".into(),
        area,
        order: 910,
        permission: permission.into(),
    };
    vec![
        page(
            "/apps",
            Label::new("应用接入", "Connected systems"),
            Area::Bench,
            "app.read",
        ),
        page(
            "/apps/new",
            Label::new("登记应用", "Register an app"),
            Area::None,
            "app.register",
        ),
        page(
            "/apps/{id}",
            Label::new("应用详情", "App"),
            Area::None,
            "app.read",
        ),
        page(
            "/apps/{id}/change",
            Label::new("申请变更", "Change an app"),
            Area::None,
            "app.change",
        ),
    ]
}

/// Whoever runs the platform asks; whoever guards it grants; either may stop an app.
fn permissions() -> Vec<PermissionDef> {
    let list: [(&str, &str, &str, &[&str]); 9] = [
        (
            "app.read",
            "查看应用",
            "Read apps",
            &[OPERATOR, SECURITY, AUDITOR],
        ),
        ("app.register", "登记应用", "Register apps", &[OPERATOR]),
        ("app.approve", "批准应用接入", "Approve apps", &[SECURITY]),
        (
            "app.change",
            "申请应用变更",
            "Ask for changes of apps",
            &[OPERATOR],
        ),
        (
            "app.accept-change",
            "批准应用变更",
            "Accept changes of apps",
            &[SECURITY],
        ),
        (
            "app.drop-change",
            "撤销应用变更",
            "Drop changes of apps",
            &[OPERATOR, SECURITY],
        ),
        (
            "app.suspend",
            "停用应用",
            "Suspend apps",
            &[OPERATOR, SECURITY],
        ),
        ("app.resume", "恢复应用", "Resume apps", &[SECURITY]),
        ("app.close", "注销应用", "Close apps", &[OPERATOR, SECURITY]),
    ];
    granted(&list)
}

/// Permissions over everything there is of a kind: name, labels, and the roles that have it.
pub(crate) fn granted(list: &[(&str, &str, &str, &[&str])]) -> Vec<PermissionDef> {
    let scope = RowScope::All;
    let all = list.iter().map(|(name, zh, en, roles)| PermissionDef {
        name: (*name).into(),
        label: Label::new(*zh, *en),
        grants: roles
            .iter()
            .map(|role| RoleGrant {
                role: (*role).into(),
                scope,
            })
            .collect(),
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_valid() {
        let faults = sdk_contract::validate::faults(&definition());
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn dj_06_nobody_both_asks_and_grants() {
        let module = definition();
        let roles = |name: &str| {
            let permission = module.permission(name).unwrap();
            permission
                .grants
                .iter()
                .map(|g| g.role.as_str())
                .collect::<Vec<_>>()
        };
        for (asks, grants) in [
            ("app.register", "app.approve"),
            ("app.change", "app.accept-change"),
            ("certificate.request", "certificate.issue"),
        ] {
            assert!(
                roles(asks).iter().all(|role| !roles(grants).contains(role)),
                "{asks}"
            );
        }
    }

    #[test]
    fn mm_2d_what_decides_about_a_call_is_sealed() {
        let module = definition();
        let apps = module.collection(APPS).unwrap();
        for name in [
            "roles",
            "networks",
            "certificates",
            "key",
            "previous_key",
            "previous_until",
            "change",
        ] {
            assert!(apps.field(name).unwrap().encrypted, "{name}");
        }
    }
}
