//! Lending: an enterprise applies, the bank's own model scores, a person decides.

mod actions;
mod changes;
mod events;
mod flows;
mod model;
mod pages;
mod permissions;
mod rules;

sdk::plugin! {
    id: "lending",
    label: ("信贷流程", "Lending"),
    collections: [model::Application, model::Quota],
    choices: [model::Status, model::Purpose, model::Refusal],
    flows: [flows::application],
    actions: [
        actions::Apply,
        actions::Resubmit,
        actions::Withdraw,
        actions::Acknowledge,
        actions::Accept,
        actions::Approve,
        actions::Return,
        actions::Refuse,
        actions::AskReview,
        actions::AnswerReview,
        actions::Estimate
    ],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    events: events::ALL,
    on: events::disputes::ON,
    permissions: permissions::ALL,
    changes: changes::all()
}
