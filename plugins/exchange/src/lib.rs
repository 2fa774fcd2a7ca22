//! Disputes of data: whoever an item is about says that it is wrong; it is marked, checked by the unit it
//! comes from, corrected or maintained, and answered, each step within so many working days.
//!
//! The data is credit's: it is read here as the caller, and marked and corrected there.

mod actions;
mod events;
mod flows;
mod jobs;
mod model;
mod pages;
mod permissions;
mod rules;
mod seed;

/// Items that can be disputed: name, collection and field, label and kind. For a test that holds them
/// against the declaration of whose they are.
#[doc(hidden)]
pub fn items() -> Vec<(
    &'static str,
    (&'static str, &'static str),
    String,
    sdk::contract::kind::Kind,
)> {
    let items = rules::items::ITEMS.iter();
    items
        .map(|i| {
            (
                i.name,
                (i.collection, i.field),
                i.label.to_owned(),
                i.kind(),
            )
        })
        .collect()
}

sdk::plugin! {
    id: "exchange",
    label: ("数据异议", "Data disputes"),
    collections: [model::Dispute, model::Standard, model::Holiday],
    choices: [model::Status, model::DayKind],
    flows: [flows::dispute],
    actions: [
        actions::file::Submit,
        actions::file::Withdraw,
        actions::file::Appeal,
        actions::handle::Mark,
        actions::handle::Transfer,
        actions::handle::Take,
        actions::answer::Correct,
        actions::answer::Maintain,
        actions::keep::SetStandard,
        actions::keep::SetHoliday,
    ],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    events: events::ALL,
    on: jobs::ON,
    schedules: jobs::ALL,
    permissions: permissions::ALL,
    seeds: seed::all()
}
