//! Enterprises: who they are, as the registry says, and whom to call.

mod actions;
mod model;
mod pages;
mod permissions;
mod rules;
mod seed;

sdk::plugin! {
    id: "enterprise",
    label: ("企业中心", "Enterprise"),
    collections: [model::Enterprise],
    choices: [model::Standing],
    actions: [actions::UpdateContact],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    permissions: permissions::ALL,
    parties: Some(model::parties()),
    seeds: seed::all()
}
