//! Whether the platform was there, as the console declares it.

use sdk_contract::def::{
    Area, CollectionDef, FieldDef, Label, PageDef, PermissionDef, RowScope, Shard,
};
use sdk_contract::kind::Kind;

use super::super::availability::UPTIME;
use super::{
    AUDITOR, OPERATOR, SECURITY, collection as declared, field, frozen, granted, page as entry,
};

const READ: &str = "uptime-day.read";

/// Changed every minute, so it keeps no history.
pub(super) fn collection() -> CollectionDef {
    let day = FieldDef {
        unique: true,
        ..frozen(field("day", "日期", "Day", Kind::Date))
    };
    let minutes = field("minutes", "可用的分钟", "Minutes it was there", Kind::Json);
    CollectionDef {
        audited: false,
        ..declared(
            UPTIME,
            "uptime-day",
            Label::new("可用性", "Availability"),
            Shard::Reference,
            vec![day, minutes],
        )
    }
}

pub(super) fn page() -> PageDef {
    let label = Label::new("可用性", "Availability");
    entry(
        "/console/availability",
        label,
        "activity",
        Area::Bench,
        READ,
    )
}

pub(super) fn permissions() -> Vec<PermissionDef> {
    use RowScope::All;
    granted(&[(
        READ,
        "查看可用性",
        "Read the platform's availability",
        &[(OPERATOR, All), (AUDITOR, All), (SECURITY, All)],
    )])
}
