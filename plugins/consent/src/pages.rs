//! What is shown: the letters, one letter, and the form to sign a new one.

mod detail;
mod list;
mod sign;

use sdk::prelude::*;

use crate::permissions;

pub(crate) const ALL: &[Route] = &[
    Route {
        path: "/consent/letters",
        label: "数据授权",
        en: "Data authorizations",
        icon: "shield-check",
        area: Area::Me,
        order: 30,
        permission: permissions::READ,
        render: list::page,
    },
    Route {
        path: "/consent/letters/new",
        label: "签署授权书",
        en: "Sign a letter",
        icon: "signature",
        area: Area::None,
        order: 0,
        permission: permissions::SIGN,
        render: sign::page,
    },
    Route {
        path: "/consent/sample",
        label: "授权书样本",
        en: "Sample letter",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::SIGN,
        render: sign::sample,
    },
    Route {
        path: "/consent/letters/{id}",
        label: "授权书",
        en: "Letter",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: detail::page,
    },
];

/// Staff see letters on their bench, enterprises on the portal.
fn shell(ctx: &Ctx) -> Shell {
    if ctx.caller().subject.is_some() {
        Shell::Portal
    } else {
        Shell::Bench
    }
}
