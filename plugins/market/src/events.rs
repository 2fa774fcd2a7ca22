//! What the market tells others.

use sdk::prelude::*;

pub(crate) const PUBLISHED: EventName = EventName {
    name: "product.published",
    label: "产品已上线",
    en: "Product published",
};
pub(crate) const WITHDRAWN: EventName = EventName {
    name: "product.withdrawn",
    label: "产品已下线",
    en: "Product withdrawn",
};

pub(crate) const ALL: &[EventName] = &[PUBLISHED, WITHDRAWN];
