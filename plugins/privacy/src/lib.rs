//! Registers of personal information: impact assessments, processors, incidents.

mod actions;
mod flows;
mod model;
mod pages;
mod permissions;
mod rules;
mod seed;

sdk::plugin! {
    id: "privacy",
    label: ("个人信息保护", "Personal information"),
    collections: [model::Assessment, model::Processor, model::Incident, model::Deadline],
    choices: [
        model::Situation, model::Verdict, model::Stage, model::Standing, model::Grade,
        model::Progress
    ],
    flows: [flows::assessment, flows::processor, flows::incident],
    actions: [
        actions::assess::Draft, actions::assess::Revise, actions::assess::Conclude,
        actions::assess::Reopen, actions::entrust::Register, actions::entrust::Supervise,
        actions::entrust::End, actions::respond::Report, actions::respond::Amend,
        actions::respond::TellAuthority, actions::respond::TellPersons, actions::respond::Close,
        actions::respond::SetDeadline
    ],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    permissions: permissions::ALL,
    seeds: seed::all()
}
