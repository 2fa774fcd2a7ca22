//! Registers of personal information and of data security: impact assessments, processors, incidents
//! with whoever was told of them, important data, and the yearly look at risks.

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
    id: "privacy",
    label: ("个人信息保护", "Personal information"),
    collections: [
        model::Assessment, model::Processor, model::Incident, model::Deadline, model::Signal,
        model::Telling, model::Holding, model::Review
    ],
    choices: [
        model::Situation, model::Verdict, model::Stage, model::Standing, model::Grade,
        model::Progress, model::Lead, model::Importance, model::Held, model::Risk
    ],
    flows: [
        flows::assessment, flows::processor, flows::incident, flows::review, flows::holding
    ],
    actions: [
        actions::assess::Draft, actions::assess::Revise, actions::assess::Conclude,
        actions::assess::Reopen, actions::entrust::Register, actions::entrust::Supervise,
        actions::entrust::End, actions::respond::Report, actions::respond::Amend,
        actions::respond::TellAuthority, actions::respond::TellPersons, actions::respond::Close,
        actions::respond::SetDeadline, actions::tell::Tell, actions::tell::Dismiss,
        actions::hold::Register, actions::hold::Look, actions::hold::Report,
        actions::hold::Remove, actions::review::Draft, actions::review::Revise,
        actions::review::Conclude, actions::review::File
    ],
    pages: pages::ALL,
    blocks: pages::BLOCKS,
    permissions: permissions::ALL,
    events: events::ALL,
    on: jobs::ON,
    schedules: jobs::ALL,
    seeds: seed::all()
}
