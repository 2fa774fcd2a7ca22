//! What registering, and asking to act for a party, is declared as.

use sdk_contract::code::Format;
use sdk_contract::def::{
    ActionDef, Area, ChoiceDef, CollectionDef, FieldDef, FlowDef, Label, Level, Mask, OptionDef,
    PageDef, PermissionDef, RowScope, Shard, Tone, TransitionDef,
};
use sdk_contract::kind::Kind;

use super::access::{action, frozen, needed};
use super::{
    ADMIN, AUDITOR, CLAIMS, MODULE, OPERATOR, SECURITY, USERS, collection, field, permission,
    required,
};
use crate::principal::{ANYONE, SIGNED_IN};

const STATUS: &str = "claim-status";
const CAPACITY: &str = "claim-capacity";
/// Bytes of the paper that shows somebody may act.
const EVIDENCE: u64 = 8 * 1024 * 1024;

/// What is known of a person who registered: how to reach them, and to what they agreed.
pub(super) fn account_fields() -> Vec<FieldDef> {
    vec![
        FieldDef {
            encrypted: true,
            level: Some(Level::L3),
            mask: Some(Mask::Phone),
            look: Some("user.reach".into()),
            ..field("phone", Label::new("手机号码", "Phone"), phone())
        },
        field(
            "terms_version",
            Label::new("同意的协议版本", "Terms agreed to"),
            Kind::Text { max: 20 },
        ),
        field(
            "terms_digest",
            Label::new("协议摘要", "Digest of the terms"),
            Kind::Text { max: 64 },
        ),
        field(
            "terms_at",
            Label::new("同意协议的时间", "Terms agreed to at"),
            Kind::Datetime,
        ),
    ]
}

const fn phone() -> Kind {
    Kind::Code {
        format: Format::Phone,
    }
}

fn choice(name: &str, zh: &str, en: &str, of: &str) -> FieldDef {
    required(name, Label::new(zh, en), Kind::Choice { of: of.into() })
}

/// What a person says of the party they want to act for.
fn said() -> Vec<FieldDef> {
    let code = Kind::Code {
        format: Format::Uscc,
    };
    let region = Kind::Code {
        format: Format::Region,
    };
    let evidence = Kind::File {
        accept: Vec::new(),
        max_bytes: EVIDENCE,
        many: false,
    };
    vec![
        needed("name", "主体名称", "Name of the party", 120),
        required("code", Label::new("统一社会信用代码", "Code"), code),
        field("region", Label::new("所在区", "District"), region),
        choice("capacity", "身份", "Capacity", CAPACITY),
        required("evidence", Label::new("证明材料", "Evidence"), evidence),
    ]
}

/// What whoever registers chooses, wherever they come from.
pub(super) fn chosen() -> Vec<FieldDef> {
    vec![
        required("phone", Label::new("手机号码", "Phone"), phone()),
        needed("password", "密码", "Password", 256),
        needed("again", "再输入一次密码", "Password again", 256),
        required("agree", Label::new("同意协议", "Agree"), Kind::Bool),
    ]
}

/// A person asks to administer a party: who, which, on what evidence, and what was decided.
pub(super) fn collections() -> Vec<CollectionDef> {
    let mut fields: Vec<FieldDef> = said().into_iter().map(frozen).collect();
    // Where a provider vouches for the person there is none.
    for evidence in fields.iter_mut().filter(|f| f.name == "evidence") {
        evidence.required = false;
    }
    fields.extend([
        frozen(required(
            "user",
            Label::new("申请人", "Asked by"),
            Kind::Ref { to: USERS.into() },
        )),
        frozen(needed("user_name", "申请人姓名", "Asked by", 64)),
        choice("status", "状态", "Status", STATUS),
        // As the register said when it was asked for.
        frozen(field(
            "registered",
            Label::new("登记核对", "Register"),
            Kind::Text { max: 200 },
        )),
        field(
            "decider_name",
            Label::new("审核人", "Decided by"),
            Kind::Text { max: 64 },
        ),
        field(
            "decided_at",
            Label::new("审核时间", "Decided"),
            Kind::Datetime,
        ),
        field(
            "verdict",
            Label::new("审核意见", "Verdict"),
            Kind::Text { max: 500 },
        ),
    ]);
    vec![CollectionDef {
        audited: true,
        indexes: vec![
            vec!["status".into(), "created_at".into()],
            vec!["user".into(), "created_at".into()],
        ],
        ..collection(
            CLAIMS,
            (
                "claim",
                Label::new("主体认证", "Claims of parties"),
                "claim.read",
            ),
            Shard::Aggregate,
            fields,
        )
    }]
}

pub(super) fn choices() -> Vec<ChoiceDef> {
    let options = |name: &str, label: Label, all: &[(&str, &str, &str, Tone)]| ChoiceDef {
        name: name.into(),
        label,
        options: all
            .iter()
            .map(|(value, zh, en, tone)| OptionDef {
                value: (*value).into(),
                label: Label::new(*zh, *en),
                tone: *tone,
            })
            .collect(),
    };
    vec![
        options(
            STATUS,
            Label::new("认证状态", "Status of a claim"),
            &[
                ("pending", "待审核", "Pending", Tone::Warning),
                ("approved", "已认证", "Approved", Tone::Success),
                ("refused", "未通过", "Refused", Tone::Danger),
            ],
        ),
        options(
            CAPACITY,
            Label::new("身份", "Capacity"),
            &[
                (
                    "representative",
                    "法定代表人",
                    "Legal representative",
                    Tone::Neutral,
                ),
                ("agent", "授权经办人", "Authorised agent", Tone::Neutral),
            ],
        ),
    ]
}

pub(super) fn flow() -> FlowDef {
    let step = |verb: &str, to: &str| TransitionDef {
        action: format!("claim.{verb}"),
        from: vec!["pending".into()],
        to: to.into(),
    };
    FlowDef {
        collection: CLAIMS.into(),
        field: "status".into(),
        // Approved from the start is what a provider vouches for.
        initial: vec!["pending".into(), "approved".into()],
        transitions: vec![step("approve", "approved"), step("refuse", "refused")],
    }
}

pub(super) fn actions() -> Vec<ActionDef> {
    let reason = || needed("reason", "意见", "Verdict", 500);
    let mut register = vec![
        needed("login", "登录名", "Login", 40),
        needed("name", "姓名", "Name", 64),
    ];
    register.extend(chosen());
    vec![
        action(
            "user.register",
            Label::new("注册", "Register"),
            (USERS, false),
            "user.register",
            register,
        ),
        action(
            "claim.ask",
            Label::new("申请主体认证", "Ask"),
            (CLAIMS, false),
            "claim.ask",
            said(),
        ),
        action(
            "claim.approve",
            Label::new("通过", "Approve"),
            (CLAIMS, true),
            "claim.decide",
            vec![reason()],
        ),
        action(
            "claim.refuse",
            Label::new("不通过", "Refuse"),
            (CLAIMS, true),
            "claim.decide",
            vec![reason()],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    let page = |path: &str, label: Label, icon: &str, area: Area, permission: &str| PageDef {
        path: format!("/{MODULE}/{path}"),
        label,
        icon: icon.into(),
        area,
        order: 905,
        permission: permission.into(),
    };
    vec![
        page(
            "register",
            Label::new("注册", "Register"),
            "",
            Area::None,
            "user.register",
        ),
        page(
            "registered",
            Label::new("注册成功", "Registered"),
            "",
            Area::None,
            "user.register",
        ),
        page(
            "terms",
            Label::new("用户服务协议", "Terms"),
            "",
            Area::None,
            "user.register",
        ),
        page(
            "claim",
            Label::new("主体认证", "Act for a party"),
            "certificate",
            Area::Me,
            "claim.ask",
        ),
        page(
            "claims",
            Label::new("主体认证审核", "Claims"),
            "certificate",
            Area::Bench,
            "claim.read",
        ),
        page(
            "claims/{id}",
            Label::new("认证申请", "Claim"),
            "",
            Area::None,
            "claim.read",
        ),
    ]
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::{All, Organisation};
    let of = |name: &str, zh: &str, en: &str, grants: &[(&str, RowScope)]| {
        permission(name, Label::new(zh, en), grants)
    };
    vec![
        of("user.register", "注册", "Register", &[(ANYONE, All)]),
        of(
            "user.reach",
            "查看联系电话",
            "See how to reach people",
            &[(OPERATOR, All), (ADMIN, Organisation)],
        ),
        of(
            "claim.ask",
            "申请主体认证",
            "Ask to act for a party",
            &[(SIGNED_IN, All)],
        ),
        of(
            "claim.read",
            "查看主体认证",
            "Read claims",
            &[(OPERATOR, All), (SECURITY, All), (AUDITOR, All)],
        ),
        of(
            "claim.decide",
            "审核主体认证",
            "Decide claims",
            &[(OPERATOR, All)],
        ),
    ]
}
