//! What reviewing access is declared as.

use sdk_contract::def::{
    ActionDef, Area, BlockDef, FieldDef, Label, PageDef, PermissionDef, RowScope,
};
use sdk_contract::kind::Kind;

use super::access::action;
use super::{ADMIN, AUDITOR, MODULE, POSTS, SECURITY, field, permission};
use crate::reviews::CONFIRM;

const REVIEW: &str = "access.review";

pub(super) fn actions() -> Vec<ActionDef> {
    let text = |name: &str, label: Label, max: u32| field(name, label, Kind::Text { max });
    let roles = FieldDef {
        help: "逗号分隔，须与岗位现有的角色一致".into(),
        ..text(
            "roles",
            Label::new("看到的角色", "Roles that were seen"),
            2_000,
        )
    };
    vec![action(
        CONFIRM,
        Label::new("确认保留", "Confirm"),
        (POSTS, true),
        REVIEW,
        vec![roles, text("reason", Label::new("说明", "Reason"), 500)],
    )]
}

pub(super) fn pages() -> Vec<PageDef> {
    vec![PageDef {
        path: format!("/{MODULE}/reviews"),
        label: Label::new("权限核查", "Reviews of access"),
        icon: "shield-check".into(),
        area: Area::Bench,
        order: 912,
        permission: REVIEW.into(),
    }]
}

pub(super) fn blocks() -> Vec<BlockDef> {
    vec![BlockDef {
        id: "reviews".into(),
        order: 6,
        permission: REVIEW.into(),
    }]
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    vec![permission(
        REVIEW,
        Label::new("核查权限", "Review access"),
        &[
            (SECURITY, RowScope::All),
            (AUDITOR, RowScope::All),
            (ADMIN, RowScope::Organisation),
        ],
    )]
}
