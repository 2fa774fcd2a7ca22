//! Questions of enterprises and their answers.

mod actions;
mod events;
mod flows;
mod model;
mod pages;
mod permissions;
mod rules;

sdk::plugin! {
    id: "{{id}}",
    label: ("{{id}}", "{{id}}"),
    collections: [model::Ticket],
    choices: [model::Status],
    flows: [flows::ticket],
    actions: [actions::Ask, actions::Answer, actions::Close],
    pages: pages::ALL,
    events: events::ALL,
    permissions: permissions::ALL
}
