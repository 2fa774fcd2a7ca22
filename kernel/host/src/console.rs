//! The kernel's own module: plugins, scoring models, certificates, audit. Native, but behind the
//! same trait, declaration, permissions and pages as every plugin.

mod alterations;
mod audit_pages;
mod availability;
mod call_pages;
mod classified;
mod collectors;
mod declare;
mod deletions;
mod home;
mod jobs;
mod model_pages;
mod models;
pub(crate) mod names;
pub(crate) mod pages;
mod plugin_pages;
mod plugins;
pub(crate) mod projects;
mod readings;
mod retention;
mod schedules;
mod stamps;
mod trials;
mod validations;
mod verifications;

use async_trait::async_trait;
use kernel_identity::principal::Principal;
use sdk_contract::call::{Ask, Event, Reply, Write};
use sdk_contract::error::Fault;
use sdk_contract::page::{Outcome, Page};
use serde_json::{Map, Value, json};

use crate::Host;
use crate::module::{Call, Input, Module};

pub(crate) use alterations::{
    DEED as REPAIR, PATH as ALTERATIONS_PATH, decided as repair_decided, repairs,
};
pub(crate) use audit_pages::{action_words, midnight};
pub use collectors::Stand;
pub(crate) use declare::def;
pub(crate) use deletions::{restored, rows as deletion_rows};
pub(crate) use jobs::{JOB_PARTS, JOBS};
pub(crate) use models::certificate_row;
pub(crate) use names::Names;
pub(crate) use schedules::{SCHEDULES, revived};

/// Module id.
pub(crate) const ID: &str = "console";

pub(crate) struct Console {
    host: Host,
}

impl Console {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }
}

#[async_trait]
impl Module for Console {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault> {
        let host = &self.host;
        match ask.block.as_deref() {
            None => {}
            Some(readings::READINGS) => return readings::tile(host, call).await,
            Some(stamps::STAMPS) => return stamps::tile(host).await,
            Some(_) => return home::tasks(host, call).await,
        }
        match ask.path.as_str() {
            "/console/plugins" => plugin_pages::list(host, call).await,
            "/console/alterations" => alterations::list(host, call, ask).await,
            "/console/alterations/{id}" => alterations::detail(host, call, ask).await,
            "/console/availability" => availability::list(host).await,
            "/console/audit" => audit_pages::list(host, call, ask).await,
            "/console/classified" => classified::list(host, call, ask).await,
            "/console/retention" => Ok(retention::list(host)),
            "/console/collectors" => collectors::list(host, call, ask).await,
            "/console/verifications" => verifications::list(host, call, ask).await,
            "/console/deletions" => deletions::list(host, call, ask).await,
            "/console/jobs" => jobs::list(host, call, ask).await,
            "/console/jobs/import" => jobs::import_form(host, call, ask),
            "/console/jobs/export" => jobs::export_form(host, call, ask).await,
            "/console/jobs/trace" => Ok(jobs::trace_form()),
            "/console/jobs/{id}" => jobs::detail(host, call, ask).await,
            "/console/projects" => projects::list(host, call, ask).await,
            "/console/projects/{id}" => projects::detail(host, call, ask).await,
            "/console/readings" => readings::list(host, call, ask).await,
            "/console/readings/{id}" => readings::detail(host, call, ask).await,
            "/console/schedules" => schedules::list(host, call).await,
            "/console/audit/{seq}" => audit_pages::detail(host, call, ask).await,
            "/console/certificates" => call_pages::list(host, call, ask).await,
            "/console/certificates/{id}" => call_pages::detail(host, call, ask).await,
            "/console/models" => model_pages::list(host, call, ask).await,
            "/console/models/upload" => Ok(model_pages::upload()),
            "/console/models/{id}" => model_pages::detail(host, call, ask).await,
            "/console/models/{id}/trial" => model_pages::trial_form(host, call, ask).await,
            "/console/trials/{id}" => model_pages::trial(host, call, ask).await,
            _ => Err(Fault::not_found()),
        }
    }

    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault> {
        let host = &self.host;
        match action {
            "plugin.enable" => plugins::switch(host, call, &input, true),
            "plugin.disable" => plugins::switch(host, call, &input, false),
            "alteration.look" => Ok(alterations::look(host)),
            "alteration.repair" => alterations::repair(host, call, &input).await,
            "deletion.restore" => deletions::restore(call, &input),
            "deletion.hold" => deletions::hold(call, &input),
            "deletion.release" => deletions::release(call, &input),
            "job.import" => jobs::import(host, call, &input).await,
            "job.export" => jobs::export(host, call, &input).await,
            "job.cancel" => jobs::cancel(call, &input),
            "job.trace" => jobs::trace(host, &input).await,
            "reading.count" => Ok(readings::count(host)),
            "reading.settle" => readings::settle(host, call, &input).await,
            "schedule.run" => schedules::run(host, call, &input),
            "schedule.revive" => Ok(schedules::revive(&input)),
            "verification.start" => verifications::start(host, call),
            "project.create" => projects::create(call, &input),
            "project.restore" => projects::restore(host, call, &input),
            "project.end" => projects::end(host, call, &input).await,
            "model.upload" => models::upload(host, call, &input).await,
            "model.approve" => models::approve(host, call, &input).await,
            "model.validate" => validations::validate(host, call, &input).await,
            "model.reject" => models::close(call, &input, "rejected"),
            "model.withdraw" => models::close(call, &input, "withdrawn"),
            "model.trial" => trials::start(host, call, &input).await,
            _ => Err(Fault::not_found()),
        }
    }

    async fn others(
        &self,
        call: &Call,
        action: &str,
        input: &Input,
        reply: &Reply,
    ) -> Result<Vec<(String, Write)>, Fault> {
        if action == "alteration.repair" {
            alterations::ask(&self.host, call, input, reply).await
        } else {
            Ok(Vec::new())
        }
    }

    async fn on_event(&self, _: &Call, _: &Event) -> Result<Reply, Fault> {
        Err(Fault::not_found())
    }

    fn may_open(
        &self,
        p: &Principal,
        collection: &str,
        record: &Map<String, Value>,
    ) -> Result<(), Fault> {
        match collection {
            JOBS => self.host.may_open_job(p, record),
            _ => Ok(()),
        }
    }
}

/// The record of a record action; the host has looked it up.
fn record(input: &Input) -> Result<&Map<String, Value>, Fault> {
    input.record.as_ref().ok_or_else(Fault::not_found)
}

fn go(path: String, toast: &str, result: Value) -> Reply {
    Reply {
        result,
        outcome: Some(Outcome::go(path, toast)),
        ..Reply::default()
    }
}

fn stay(toast: &str) -> Reply {
    Reply {
        result: json!({}),
        outcome: Some(Outcome::stay(toast)),
        ..Reply::default()
    }
}
