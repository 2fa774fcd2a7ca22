//! The park edition: parks, who is in them, and products for their tenants alone.
//!
//! An operator switches it on for a district and off again; nothing else depends on it.

mod model;
mod pages;
mod permissions;
mod rules;
mod seed;

sdk::plugin! {
    id: "park",
    label: ("特色园区", "Parks"),
    collections: [model::Park, model::Tenancy],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    permissions: permissions::ALL,
    seeds: seed::all()
}
