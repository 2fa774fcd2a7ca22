//! What lifting a lost second factor is declared as.

use sdk_contract::def::{ActionDef, Area, BlockDef, Label, PageDef, PermissionDef, RowScope};

use super::access::{action, needed};
use super::{ACCOUNT, ADMIN, FACTORS, MODULE, SECURITY, USERS, permission};
use crate::lifts::LIFT;
use crate::principal::ANYONE;

const ASK: &str = "factor.ask-lift";
const START: &str = "user.lift";

pub(super) fn actions() -> Vec<ActionDef> {
    let reason = || needed("reason", "原因", "Reason", 500);
    vec![
        action(
            ASK,
            Label::new("申请解除第二重验证", "Ask to have it lifted"),
            (FACTORS, false),
            ASK,
            vec![
                needed("login", "登录名", "Login", 64),
                needed("password", "密码", "Password", 256),
                reason(),
            ],
        ),
        action(
            LIFT,
            Label::new("解除第二重验证", "Lift the second factor"),
            (USERS, true),
            START,
            vec![reason()],
        ),
    ]
}

pub(super) fn pages() -> Vec<PageDef> {
    vec![PageDef {
        path: format!("/{MODULE}/lost-factor"),
        label: Label::new("丢失第二重验证", "Lost second factor"),
        icon: String::new(),
        area: Area::None,
        order: 911,
        permission: ASK.into(),
    }]
}

/// What a person is told of the own account.
pub(super) fn blocks() -> Vec<BlockDef> {
    vec![BlockDef {
        id: "account".into(),
        order: 1,
        permission: ACCOUNT.into(),
    }]
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    vec![
        permission(
            ASK,
            Label::new(
                "申请解除自己的第二重验证",
                "Ask to have the own factor lifted",
            ),
            &[(ANYONE, RowScope::All)],
        ),
        permission(
            START,
            Label::new("申请解除他人的第二重验证", "Ask to have factors lifted"),
            &[(SECURITY, RowScope::All), (ADMIN, RowScope::Organisation)],
        ),
    ]
}
