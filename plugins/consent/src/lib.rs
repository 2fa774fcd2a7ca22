//! Letters of consent: which organisation may read which data of an enterprise, for what, until
//! when.
//!
//! The kernel reads the letters at every scoring; this module signs, shows and revokes them.

mod actions;
mod events;
mod flows;
mod model;
mod pages;
mod permissions;
mod rules;
mod seed;

sdk::plugin! {
    id: "consent",
    label: ("数据授权", "Data authorization"),
    collections: [model::Letter],
    choices: [model::Status],
    flows: [flows::letter],
    actions: [actions::Sign, actions::Revoke],
    pages: pages::ALL,
    events: events::ALL,
    permissions: permissions::ALL,
    disclosures: Some(model::disclosures()),
    seeds: seed::all()
}
