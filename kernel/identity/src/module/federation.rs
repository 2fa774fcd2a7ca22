//! What signing in with an account elsewhere is declared as.

use sdk_contract::code::Format;
use sdk_contract::def::{
    ActionDef, Area, CollectionDef, FieldDef, Label, Level, Mask, PageDef, Retention, Shard,
};
use sdk_contract::kind::Kind;

use super::access::{action, frozen, moment, needed};
use super::own::current;
use super::{
    ACCOUNT, ARRIVALS, BINDINGS, MODULE, USERS, collection, field, registration, required, secret,
};

pub(super) fn collections() -> Vec<CollectionDef> {
    vec![bindings(), arrivals()]
}

/// One that has ended stays, without what it was bound by.
fn bindings() -> CollectionDef {
    let user = Kind::Ref { to: USERS.into() };
    CollectionDef {
        indexes: vec![vec!["user".into(), "created_at".into()]],
        retention: Some(Retention::standing("以外部账号登录时识别本人；解绑即清空")),
        ..collection(
            BINDINGS,
            (
                "binding",
                Label::new("绑定的外部账号", "Bindings"),
                "session.read",
            ),
            Shard::Aggregate,
            vec![
                frozen(needed("provider", "登录渠道", "Provider", 32)),
                frozen(required("user", Label::new("用户", "User"), user)),
                // The provider and its identifier of the account.
                FieldDef {
                    blind: true,
                    unique: true,
                    level: Some(Level::L3),
                    ..secret(
                        "account",
                        Label::new("外部账号", "Account there"),
                        Kind::Text { max: 300 },
                    )
                },
                frozen(needed("name", "姓名", "Name", 64)),
                FieldDef {
                    blind: true,
                    frozen: true,
                    level: Some(Level::L3),
                    ..secret(
                        "id_number",
                        Label::new("居民身份证号", "Resident id"),
                        Kind::Code {
                            format: Format::ResidentId,
                        },
                    )
                },
                moment("ended_at", "解绑时间", "Ended"),
            ],
        )
    }
}

/// Returns from providers. What a provider said is kept only as long as somebody may go on.
fn arrivals() -> CollectionDef {
    let user = Kind::Ref { to: USERS.into() };
    CollectionDef {
        indexes: vec![vec!["ended_at".into(), "expires_at".into()]],
        retention: Some(Retention::standing(
            "以外部账号登录时核对去与回；登录完成即清空",
        )),
        ..collection(
            ARRIVALS,
            (
                "arrival",
                Label::new("外部登录", "Returns from providers"),
                "session.read",
            ),
            Shard::Aggregate,
            vec![
                frozen(needed("provider", "登录渠道", "Provider", 32)),
                // A digest. That no two are alike is what makes each good once.
                FieldDef {
                    unique: true,
                    level: Some(Level::L2),
                    mask: Some(Mask::All),
                    ..frozen(needed("state", "去时的凭据", "Sent away with", 64))
                },
                FieldDef {
                    level: Some(Level::L2),
                    mask: Some(Mask::All),
                    ..frozen(needed("visit", "浏览器", "Browser", 64))
                },
                field("user", Label::new("用户", "User"), user),
                FieldDef {
                    level: Some(Level::L3),
                    ..secret("told", Label::new("渠道返回", "What it said"), Kind::Json)
                },
                required(
                    "expires_at",
                    Label::new("有效期至", "Expires"),
                    Kind::Datetime,
                ),
                moment("ended_at", "结束时间", "Ended"),
            ],
        )
    }
}

pub(super) fn actions() -> Vec<ActionDef> {
    let arrival = || needed("arrival", "外部登录", "Return", 64);
    let mut newcomer = vec![arrival(), needed("login", "登录名", "Login", 40)];
    newcomer.extend(registration::chosen());
    vec![
        action(
            "arrival.register",
            Label::new("注册并绑定", "Register and bind"),
            (ARRIVALS, false),
            "user.register",
            newcomer,
        ),
        action(
            "arrival.bind",
            Label::new("绑定外部账号", "Bind"),
            (ARRIVALS, false),
            ACCOUNT,
            vec![arrival(), current()],
        ),
        action(
            "arrival.claim",
            Label::new("凭外部登录认证主体", "Act for the party"),
            (ARRIVALS, false),
            "claim.ask",
            vec![arrival()],
        ),
        action(
            "binding.end",
            Label::new("解除绑定", "Unbind"),
            (BINDINGS, false),
            ACCOUNT,
            vec![current(), needed("binding", "外部账号", "Binding", 64)],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    vec![PageDef {
        path: format!("/{MODULE}/arrival"),
        label: Label::new("首次登录", "First sign-in"),
        icon: String::new(),
        area: Area::None,
        order: 905,
        permission: "user.register".into(),
    }]
}
