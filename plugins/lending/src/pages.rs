//! What is shown: to the enterprise its applications and estimates, to the bank its queue, and to
//! both one application, each with what is theirs to do.

mod apply;
mod bench;
mod detail;
mod home;
mod list;
mod progress;
mod queue;
mod quota;

use sdk::prelude::*;

use crate::permissions;

pub(crate) const ALL: &[Route] = &[
    Route {
        path: "/lending/quota",
        label: "一键测额",
        en: "Quick estimate",
        icon: "calculator",
        area: Area::Services,
        order: 20,
        permission: permissions::ESTIMATE,
        render: quota::page,
    },
    Route {
        path: "/lending/applications",
        label: "我的申请",
        en: "My applications",
        icon: "file-text",
        area: Area::Me,
        order: 20,
        permission: permissions::APPLY,
        render: list::page,
    },
    Route {
        path: "/lending/apply",
        label: "贷款申请",
        en: "Apply",
        icon: "file-plus",
        area: Area::None,
        order: 0,
        permission: permissions::APPLY,
        render: apply::page,
    },
    Route {
        path: "/lending/applications/{id}",
        label: "申请详情",
        en: "Application",
        icon: "file-text",
        area: Area::None,
        order: 0,
        permission: permissions::READ,
        render: detail::page,
    },
    Route {
        path: "/lending/queue",
        label: "贷款审批",
        en: "Review queue",
        icon: "clipboard-list",
        area: Area::Bench,
        order: 10,
        permission: permissions::REVIEW,
        render: queue::page,
    },
];

pub(crate) const BLOCKS: &[HomeBlock] = &[
    HomeBlock {
        id: "desk",
        order: 5,
        permission: permissions::REVIEW,
        render: home::desk,
    },
    HomeBlock {
        id: "news",
        order: 12,
        permission: permissions::APPLY,
        render: home::news,
    },
    HomeBlock {
        id: "overview",
        order: 15,
        permission: permissions::APPLY,
        render: home::overview,
    },
    HomeBlock {
        id: "services",
        order: 20,
        permission: permissions::SERVICES,
        render: home::services,
    },
    HomeBlock {
        id: "progress",
        order: 40,
        permission: permissions::APPLY,
        render: home::progress,
    },
];

fn money(amount: Money) -> Datum {
    Datum::Money(amount.units)
}
