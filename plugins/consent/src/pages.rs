//! What is shown: the letters, one letter, the form to sign a new one, and the templates.

mod detail;
mod edition;
mod ending;
mod list;
mod sign;
mod template;
mod templates;

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
    Route {
        path: "/consent/templates",
        label: "授权书模版",
        en: "Letter templates",
        icon: "file-text",
        area: Area::Bench,
        order: 340,
        permission: permissions::TEMPLATES,
        render: templates::page,
    },
    Route {
        path: "/consent/templates/new",
        label: "新建模版",
        en: "New template",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::DRAFT,
        render: templates::new,
    },
    Route {
        path: "/consent/templates/{id}",
        label: "授权书模版",
        en: "Letter template",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::TEMPLATES,
        render: template::page,
    },
    Route {
        path: "/consent/editions/{id}",
        label: "授权书模版版本",
        en: "Published template",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::EDITIONS,
        render: edition::page,
    },
];

pub(crate) const BLOCKS: &[HomeBlock] = &[HomeBlock {
    id: "ending",
    order: 25,
    permission: permissions::READ,
    render: ending::block,
}];

/// Whether the caller may do what is granted to roles on all rows.
fn may(ctx: &Ctx, permission: Permission) -> bool {
    let mut roles = permission.grants.iter();
    roles.any(|(role, _)| ctx.caller().has_role(role))
}

/// Staff see letters on their bench, enterprises on the portal.
fn shell(ctx: &Ctx) -> Shell {
    if ctx.caller().subject.is_some() {
        Shell::Portal
    } else {
        Shell::Bench
    }
}
