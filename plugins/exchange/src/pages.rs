//! What is shown: to whoever files disputes their own, to the platform and the sources what waits for
//! them, and to all one dispute, each with what is theirs to do.

mod calendar;
mod desk;
mod detail;
mod mine;
mod new;
mod progress;

use sdk::prelude::*;

use crate::permissions;

pub(crate) const ALL: &[Route] = &[
    Route {
        path: "/exchange/disputes",
        label: "数据异议",
        en: "Disputes of data",
        icon: "message",
        area: Area::Me,
        order: 45,
        permission: permissions::FILE,
        render: mine::page,
    },
    Route {
        path: "/exchange/disputes/new",
        label: "提出异议",
        en: "File a dispute",
        icon: "message",
        area: Area::None,
        order: 0,
        permission: permissions::FILE,
        render: new::page,
    },
    Route {
        path: "/exchange/disputes/{id}",
        label: "数据异议详情",
        en: "Dispute",
        icon: "message",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: detail::page,
    },
    Route {
        path: "/exchange/desk",
        label: "数据异议办理",
        en: "Desk of disputes",
        icon: "message",
        area: Area::Bench,
        order: 30,
        permission: permissions::DESK,
        render: desk::page,
    },
    Route {
        path: "/exchange/calendar",
        label: "异议时限与日历",
        en: "Deadlines and working days",
        icon: "clock",
        area: Area::Bench,
        order: 345,
        permission: permissions::KEEP,
        render: calendar::page,
    },
];

pub(crate) const BLOCKS: &[HomeBlock] = &[HomeBlock {
    id: "disputes",
    order: 8,
    permission: permissions::DESK,
    render: desk::block,
}];

/// Whether the caller's roles are granted something by default.
fn may(ctx: &Ctx, permission: Permission) -> bool {
    let mut roles = permission.grants.iter();
    roles.any(|(role, _)| ctx.caller().has_role(role))
}

/// An area that says something, and no more than it may.
fn words(name: &str, label: &str, hint: &str) -> Field {
    let mut field = Field::area(name, label, 1000).required().hint(hint);
    if let FieldKind::Text { min, .. } = &mut field.kind {
        *min = crate::rules::LEAST_WORDS;
    }
    field
}

/// Papers that prove it.
fn papers(label: &str) -> Field {
    let kind = FieldKind::File {
        accept: ["pdf", "jpg", "png"].map(str::to_owned).to_vec(),
        max_bytes: 5_000_000,
        many: true,
    };
    Field::new("evidence", label, kind).help("PDF 或图片，每份不超过 5 MB，可不填")
}
