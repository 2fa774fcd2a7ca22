//! Letters of consent: which organisation may read which data of an enterprise, for what, until
//! when.
//!
//! The kernel reads the letters at every scoring; this module signs, shows and revokes them, and
//! keeps the templates that they are made on.

mod actions;
mod events;
mod flows;
mod jobs;
mod model;
mod pages;
mod permissions;
mod rules;
mod seed;

sdk::plugin! {
    id: "consent",
    label: ("数据授权", "Data authorization"),
    collections: [model::Letter, model::Use, model::Template, model::Edition],
    choices: [model::Status, model::Purpose, model::Category, model::Stage, model::Standing],
    flows: [flows::letter, flows::template, flows::edition],
    actions: [
        actions::Sign,
        actions::Revoke,
        actions::template::Create,
        actions::template::Edit,
        actions::template::Submit,
        actions::template::Publish,
        actions::template::Return,
        actions::template::Revise,
        actions::edition::Withdraw,
        actions::edition::Revoke,
    ],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    events: events::ALL,
    on: jobs::ON,
    schedules: jobs::ALL,
    permissions: permissions::ALL,
    disclosures: Some(model::disclosures()),
    seeds: seed::all(),
    changes: model::changes()
}
