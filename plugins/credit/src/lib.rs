//! What public departments know of an enterprise, kept by subject: the data behind a bank's score.
//!
//! Banks read none of it here. Their models name features, and the kernel hands over just those,
//! under a letter of consent. A party that disputes an item does so in `exchange`; the mark and the
//! correction are made here.

mod actions;
mod changes;
mod events;
mod model;
mod pages;
mod permissions;
mod seed;

sdk::plugin! {
    id: "credit",
    label: ("信用数据", "Credit data"),
    collections: [
        model::TaxRecord,
        model::InsuranceRecord,
        model::UtilityRecord,
        model::JudicialRecord
    ],
    actions: [
        actions::CorrectTax,
        actions::CorrectInsurance,
        actions::CorrectUtility,
        actions::CorrectJudicial
    ],
    pages: pages::ALL,
    events: events::ALL,
    on: events::ON,
    permissions: permissions::ALL,
    features: model::features(),
    seeds: seed::all(),
    changes: changes::all()
}
