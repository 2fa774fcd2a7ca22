//! What the console's pages share.

use sdk_contract::call::Ask;
use sdk_contract::page::{Datum, Fact, Page, Shell};
use serde_json::{Map, Value};

use crate::Host;
use crate::module::Call;
use crate::values::word;

/// Rows of one list page.
pub(crate) const PAGE: u32 = 20;

pub(crate) fn page_number(ask: &Ask) -> u32 {
    ask.query
        .get("page")
        .and_then(|p| p.parse().ok())
        .unwrap_or(1)
        .clamp(1, 500)
}

pub(crate) fn bench(title: &str) -> Page {
    Page::new(title).shell(Shell::Bench)
}

pub(crate) fn param<'a>(ask: &'a Ask, name: &str) -> &'a str {
    ask.params.get(name).map_or("", String::as_str)
}

pub(crate) fn fact(record: &Map<String, Value>, label: &str, field: &str) -> Fact {
    Fact::new(label, Datum::text(word(record, field)))
}

/// Whether the caller's role may do it at all; the action itself is checked again.
pub(crate) fn may(host: &Host, call: &Call, permission: &str) -> bool {
    let catalog = host.catalog();
    catalog
        .modules
        .get(super::ID)
        .is_some_and(|m| crate::reads::permitted(&m.def, &call.principal, permission).is_ok())
}
