//! What a person's own account is declared as: second factors, sessions, the password.

use sdk_contract::def::{ActionDef, Area, CollectionDef, FieldDef, Label, PageDef, Shard};
use sdk_contract::kind::Kind;

use super::access::needed;
use super::{
    ACCOUNT, AUTHORITIES, FACTORS, MODULE, SESSIONS, USERS, collection, field, required, secret,
};

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
                field(
                    "certificate",
                    Label::new("证书", "Certificate"),
                    Kind::Text { max: 4_000 },
                ),
                field(
                    "expires_at",
                    Label::new("有效期至", "Expires"),
                    Kind::Datetime,
                ),
                // As browsers name a security key.
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
    let word = |name: &str, zh: &str, en: &str| {
        required(name, Label::new(zh, en), Kind::Text { max: 256 })
    };
    let action = |entity: &str, collection: &str, verb: &str, label: Label, input| ActionDef {
        name: format!("{entity}.{verb}"),
        label,
        help: String::new(),
        collection: collection.into(),
        record: false,
        permission: ACCOUNT.into(),
        // The first factor is set up here, so who has none is not asked for one.
        step_up: verb.starts_with("begin")
            || ["revoke-certificate", "add-key", "remove-key"].contains(&verb),
        input,
    };
    vec![
        action(
            "user",
            USERS,
            "change-password",
            Label::new("修改密码", "Change password"),
            vec![
                word("current", "当前密码", "Current password"),
                word("new", "新密码", "New password"),
                word("again", "再输入一次新密码", "New password again"),
            ],
        ),
        action(
            "session",
            SESSIONS,
            "end",
            Label::new("退出这个会话", "End this session"),
            vec![required(
                "session",
                Label::new("会话", "Session"),
                Kind::Text { max: 64 },
            )],
        ),
        action(
            "factor",
            FACTORS,
            "begin",
            Label::new("启用动态口令", "Set up one-time codes"),
            vec![word("current", "当前密码", "Current password")],
        ),
        action(
            "factor",
            FACTORS,
            "confirm",
            Label::new("确认启用", "Confirm"),
            vec![word("code", "动态口令", "One-time code")],
        ),
        action(
            "factor",
            FACTORS,
            "remove",
            Label::new("停用动态口令", "Remove one-time codes"),
            vec![
                word("current", "当前密码", "Current password"),
                word("code", "动态口令或恢复码", "One-time or recovery code"),
            ],
        ),
        action(
            "factor",
            FACTORS,
            "begin-certificate",
            Label::new("申请数字证书", "Ask for a certificate"),
            vec![
                word("current", "当前密码", "Current password"),
                required("label", Label::new("名称", "Label"), Kind::Text { max: 40 }),
                required(
                    "key",
                    Label::new("公钥", "Public key"),
                    Kind::Text { max: 2_000 },
                ),
            ],
        ),
        action(
            "factor",
            FACTORS,
            "confirm-certificate",
            Label::new("启用数字证书", "Confirm a certificate"),
            vec![
                word("factor", "证书", "Certificate"),
                required(
                    "signature",
                    Label::new("签名", "Signature"),
                    Kind::Text { max: 2_000 },
                ),
            ],
        ),
        action(
            "factor",
            FACTORS,
            "revoke-certificate",
            Label::new("吊销数字证书", "Revoke a certificate"),
            vec![
                word("current", "当前密码", "Current password"),
                word("factor", "证书", "Certificate"),
            ],
        ),
        action(
            "factor",
            FACTORS,
            "add-key",
            Label::new("添加安全密钥", "Add a security key"),
            vec![
                word("current", "当前密码", "Current password"),
                needed("label", "名称", "Label", 40),
                needed("security_key", "密钥的应答", "Answer of the key", 8_000),
            ],
        ),
        action(
            "factor",
            FACTORS,
            "remove-key",
            Label::new("移除安全密钥", "Remove a security key"),
            vec![
                word("current", "当前密码", "Current password"),
                word("factor", "安全密钥", "Security key"),
            ],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    vec![PageDef {
        path: format!("/{MODULE}/account"),
        label: Label::new("账号安全", "Account security"),
        icon: "shield-lock".into(),
        area: Area::Me,
        order: 900,
        permission: ACCOUNT.into(),
    }]
}
