//! The product market: what banks offer, found, compared and calculated.

mod actions;
mod events;
mod flows;
mod model;
mod pages;
mod permissions;
mod rules;
mod seed;

sdk::plugin! {
    id: "market",
    label: ("金融产品超市", "Product market"),
    collections: [model::Product],
    choices: [model::ProductKind, model::Repayment, model::Zone, model::Status],
    flows: [flows::product],
    actions: [actions::Publish, actions::Withdraw],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    events: events::ALL,
    permissions: permissions::ALL,
    seeds: seed::all()
}
