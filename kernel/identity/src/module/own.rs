//! What a person's own account is declared as: second factors, sessions, the password.

use sdk_contract::code::Format;
use sdk_contract::def::{
    ActionDef, Area, CollectionDef, FieldDef, Label, PageDef, Retention, Shard,
};
use sdk_contract::kind::Kind;

use super::access::{action, needed};
use super::{
    ACCOUNT, AUTHORITIES, FACTORS, MODULE, SESSIONS, USERS, collection, field, required, secret,
};
use crate::outside::LONGEST;

/// Roots of the platform's authority for users' certificates, one for each key it had.
pub(super) fn authorities() -> CollectionDef {
    collection(
        AUTHORITIES,
        (
            "authority",
            Label::new("用户证书根", "Authorities"),
            "session.read",
        ),
        Shard::Reference,
        vec![
            required("name", Label::new("名称", "Name"), Kind::Text { max: 64 }),
            FieldDef {
                unique: true,
                frozen: true,
                ..required(
                    "fingerprint",
                    Label::new("公钥指纹", "Fingerprint of the key"),
                    Kind::Text { max: 64 },
                )
            },
            FieldDef {
                frozen: true,
                ..required(
                    "certificate",
                    Label::new("证书", "Certificate"),
                    Kind::Text { max: 4_000 },
                )
            },
        ],
    )
}

/// Second factors. One that has ended stays, so that it can be told when there was one.
pub(super) fn factors() -> CollectionDef {
    CollectionDef {
        indexes: vec![vec!["user".into(), "created_at".into()]],
        retention: Some(Retention::standing(
            "登录时核对第二重验证，并证明何时启用、停用过",
        )),
        ..collection(
            FACTORS,
            (
                "factor",
                Label::new("第二重验证", "Second factors"),
                "session.read",
            ),
            Shard::Aggregate,
            vec![
                FieldDef {
                    frozen: true,
                    ..required(
                        "user",
                        Label::new("用户", "User"),
                        Kind::Ref { to: USERS.into() },
                    )
                },
                secret(
                    "secret",
                    Label::new("密钥", "Secret"),
                    Kind::Text { max: 64 },
                ),
                // Absent for one-time codes.
                field("kind", Label::new("类别", "Kind"), Kind::Text { max: 16 }),
                field("label", Label::new("名称", "Label"), Kind::Text { max: 40 }),
                field(
                    "serial",
                    Label::new("证书序列号", "Serial number"),
                    Kind::Text { max: 40 },
                ),
                field(
                    "fingerprint",
                    Label::new("公钥指纹", "Fingerprint of the key"),
                    Kind::Text { max: 64 },
                ),
                // With those between it and its root where somebody else issued it.
                field(
                    "certificate",
                    Label::new("证书", "Certificate"),
                    Kind::Text { max: LONGEST },
                ),
                // Absent for the platform's own certificates.
                field(
                    "issuer",
                    Label::new("签发机构", "Issuer"),
                    Kind::Text { max: 400 },
                ),
                field(
                    "expires_at",
                    Label::new("有效期至", "Expires"),
                    Kind::Datetime,
                ),
                // As browsers name a security key; of a certificate that somebody else issued, its digest.
                FieldDef {
                    unique: true,
                    ..field(
                        "credential",
                        Label::new("密钥标识", "Credential"),
                        Kind::Text { max: 1_400 },
                    )
                },
                field(
                    "count",
                    Label::new("密钥计数", "Count of the key"),
                    Kind::Integer {
                        min: Some(0),
                        max: None,
                    },
                ),
                required(
                    "step",
                    Label::new("最近使用的时间步", "Last step used"),
                    Kind::Integer {
                        min: Some(0),
                        max: None,
                    },
                ),
                secret("codes", Label::new("恢复码", "Recovery codes"), Kind::Json),
                secret(
                    "recovery",
                    Label::new("恢复码摘要", "Digests of recovery codes"),
                    Kind::Json,
                ),
                field(
                    "confirmed_at",
                    Label::new("启用时间", "Confirmed"),
                    Kind::Datetime,
                ),
                field("ended_at", Label::new("停用时间", "Ended"), Kind::Datetime),
            ],
        )
    }
}

/// What a person does with the own account.
pub(super) fn actions() -> Vec<ActionDef> {
    let mut all = vec![
        action(
            "user.change-password",
            Label::new("修改密码", "Change password"),
            (USERS, false),
            ACCOUNT,
            vec![
                current(),
                word("new", "新密码", "New password"),
                word("again", "再输入一次新密码", "New password again"),
            ],
        ),
        action(
            "user.accept-terms",
            Label::new("同意用户服务协议", "Accept the terms"),
            (USERS, false),
            ACCOUNT,
            vec![
                needed("version", "协议版本", "Version of the terms", 20),
                required(
                    "agree",
                    Label::new("已阅读并同意", "Read and agreed"),
                    Kind::Bool,
                ),
            ],
        ),
        action(
            "user.correct",
            Label::new("更正我的信息", "Correct what is held of me"),
            (USERS, false),
            ACCOUNT,
            vec![
                needed("name", "姓名", "Name", 64),
                field(
                    "phone",
                    Label::new("手机号码", "Phone"),
                    Kind::Code {
                        format: Format::Phone,
                    },
                ),
            ],
        ),
        action(
            "user.close",
            Label::new("注销我的账号", "Close my account"),
            (USERS, false),
            ACCOUNT,
            vec![current()],
        ),
        action(
            "session.end",
            Label::new("退出这个会话", "End this session"),
            (SESSIONS, false),
            ACCOUNT,
            vec![needed("session", "会话", "Session", 64)],
        ),
    ];
    all.extend(codes());
    all.extend(certificates());
    all.extend(security_keys());
    all
}

fn codes() -> [ActionDef; 3] {
    [
        factor(
            "begin",
            Label::new("启用动态口令", "Set up one-time codes"),
            vec![current()],
        ),
        factor(
            "confirm",
            Label::new("确认启用", "Confirm"),
            vec![word("code", "动态口令", "One-time code")],
        ),
        factor(
            "remove",
            Label::new("停用动态口令", "Remove one-time codes"),
            vec![
                current(),
                word("code", "动态口令或恢复码", "One-time or recovery code"),
            ],
        ),
    ]
}

fn certificates() -> [ActionDef; 4] {
    [
        factor(
            "begin-certificate",
            Label::new("申请数字证书", "Ask for a certificate"),
            vec![
                current(),
                needed("label", "名称", "Label", 40),
                needed("key", "公钥", "Public key", 2_000),
            ],
        ),
        factor(
            "register-certificate",
            Label::new(
                "登记外部机构证书",
                "Register another authority's certificate",
            ),
            vec![
                current(),
                needed("label", "名称", "Label", 40),
                needed("certificate", "证书", "Certificate", LONGEST),
            ],
        ),
        factor(
            "confirm-certificate",
            Label::new("启用数字证书", "Confirm a certificate"),
            vec![
                word("factor", "证书", "Certificate"),
                needed("signature", "签名", "Signature", 2_000),
            ],
        ),
        factor(
            "revoke-certificate",
            Label::new("停用数字证书", "End a certificate"),
            vec![current(), word("factor", "证书", "Certificate")],
        ),
    ]
}

fn security_keys() -> [ActionDef; 2] {
    [
        factor(
            "add-key",
            Label::new("添加安全密钥", "Add a security key"),
            vec![
                current(),
                needed("label", "名称", "Label", 40),
                needed("security_key", "密钥的应答", "Answer of the key", 8_000),
            ],
        ),
        factor(
            "remove-key",
            Label::new("移除安全密钥", "Remove a security key"),
            vec![current(), word("factor", "安全密钥", "Security key")],
        ),
    ]
}

pub(super) fn current() -> FieldDef {
    word("current", "当前密码", "Current password")
}

fn word(name: &str, zh: &str, en: &str) -> FieldDef {
    needed(name, zh, en, 256)
}

fn factor(verb: &str, label: Label, input: Vec<FieldDef>) -> ActionDef {
    let name = format!("factor.{verb}");
    action(&name, label, (FACTORS, false), ACCOUNT, input)
}

pub(super) fn pages() -> Vec<PageDef> {
    let page = |path: &str, zh: &str, en: &str, icon: &str| PageDef {
        path: format!("/{MODULE}/{path}"),
        label: Label::new(zh, en),
        icon: icon.into(),
        area: Area::Me,
        order: 900,
        permission: ACCOUNT.into(),
    };
    vec![
        page("account", "账号安全", "Account security", "shield-lock"),
        page("me", "我的信息", "What is held of me", "user"),
        // Opened from there.
        PageDef {
            area: Area::None,
            ..page("readers", "数据查询记录", "Who has read our data", "eye")
        },
    ]
}
