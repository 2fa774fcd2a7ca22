//! The native module `data`: collections that people design while the platform serves. A second
//! person approves, and each is there at once, on every node: in the API, in the portal, in the
//! permissions, with audit and history.
//!
//! The rows of `structures` say what shall be; [`Host::refresh_data`] makes it so. It can be stopped
//! at any moment and run on any node: applying a declaration again changes nothing. Tables are the
//! planner's, as those of every module are.

mod declare;
mod design;
mod forecast;
mod forms;
mod records;
mod structures;
mod suspended;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel_identity::two_person::{Request, Verdict};
use kernel_storage::{CollectionName, Commit, CommitError, PlanError};
use sdk_contract::call::{Ask, Event, Reply, Write};
use sdk_contract::def::{CollectionDef, ModuleDef};
use sdk_contract::error::Fault;
use sdk_contract::page::Page;
use sdk_contract::query::{MAX_LIMIT, Query};
use serde_json::json;

use crate::Host;
use crate::catalog::Installed;
use crate::dispatch::by_platform;
use crate::install::{InstallError, query};
use crate::module::{Call, Input, Module};
use crate::values::object;

pub(crate) use declare::ID;
use declare::{COLLECTION, PATH};
use design::Design;
use structures::Structure;
pub(crate) use suspended::fault as suspended;

/// How long an approval waits for what it approves to be there. It goes on all the same.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Data {
    host: Host,
}

#[async_trait]
impl Module for Data {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault> {
        let host = &self.host;
        match ask.path.strip_prefix(PATH) {
            Some("") => structures::list(host, call, ask).await,
            Some("/new") => Ok(forms::new(host)),
            Some("/{id}") => structures::detail(host, call, ask).await,
            Some("/{id}/add") => forms::add(host, call, ask).await,
            Some("/{id}/fields/{field}") => forms::change(host, call, ask).await,
            Some("/{id}/fields/{field}/convert") => forms::convert(host, call, ask).await,
            _ => {
                let collection = ask.path.split('/').nth(2).unwrap_or_default();
                suspended::in_use(host, collection)?;
                records::page(host, call, ask).await
            }
        }
    }

    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault> {
        match action.split_once('.') {
            Some(("structure", verb)) => structures::act(&self.host, call, verb, &input).await,
            Some((entity, verb)) => records::act(&self.host, call, entity, verb, &input),
            None => Err(Fault::not_found()),
        }
    }

    async fn others(
        &self,
        call: &Call,
        action: &str,
        input: &Input,
        reply: &Reply,
    ) -> Result<Vec<(String, Write)>, Fault> {
        if action == "structure.submit" {
            structures::ask(&self.host, call, input, reply)
        } else {
            Ok(Vec::new())
        }
    }

    async fn on_event(&self, _: &Call, _: &Event) -> Result<Reply, Fault> {
        Err(Fault::not_found())
    }
}

/// What a decision about a design writes, in the commit of the decision.
pub(crate) async fn decided(
    host: &Host,
    request: &Request,
    verdict: Verdict,
) -> Result<Vec<(String, Write)>, Fault> {
    structures::decided(host, request, verdict).await
}

/// What designs are called among the deeds that take two people.
pub(crate) const DEED: &str = "data.structure";

/// Whether people have designed a collection.
pub(crate) fn is_designed(def: &ModuleDef, c: &CollectionDef) -> bool {
    def.id == ID && c.name != COLLECTION
}

impl Host {
    /// Puts the module in place, with everything that is in use.
    pub(crate) async fn install_data(&self) -> Result<(), InstallError> {
        // The collection of designs must be there before it can be read.
        let declared = self.store().declared(ID).await?;
        if declared.is_none() {
            self.declare(&declare::definition(std::iter::empty()))
                .await?;
        }
        self.make_data().await.map(drop)
    }

    /// Makes the module what the approved designs say, and its classes with it. Called after a decision,
    /// and now and then because another node may have decided.
    pub async fn refresh_data(&self) -> Result<(), InstallError> {
        if self.make_data().await? {
            self.refresh_classified().await?;
        }
        Ok(())
    }

    /// Whether there was anything to make.
    async fn make_data(&self) -> Result<bool, InstallError> {
        let _one = self.0.designs.lock().await;
        let all = self.structures().await?;
        let wanted = self.wanted(&all).await?;
        if self.data_is(&wanted) && all.iter().all(|s| s.approved.is_none()) {
            return Ok(false);
        }
        match self.declare(&wanted.def).await {
            Ok(()) => {
                self.put_data(wanted);
                for structure in all.iter().filter(|s| s.approved.is_some()) {
                    self.settle(structure, None).await?;
                }
                Ok(true)
            }
            Err(InstallError::Plan {
                source: PlanError::Refused(reasons),
                ..
            }) => {
                tracing::warn!(?reasons, "an approved design cannot be applied");
                let waiting: Vec<&Structure> =
                    all.iter().filter(|s| s.approved.is_some()).collect();
                for structure in waiting {
                    let why = reasons.join("\n");
                    self.settle(structure, Some(&why)).await?;
                }
                let serving = self.wanted(&self.structures().await?).await?;
                self.declare(&serving.def).await?;
                self.put_data(serving);
                Ok(true)
            }
            Err(other) => Err(other),
        }
    }

    /// The same, waiting only for so long.
    pub(crate) async fn refresh_data_soon(&self) {
        let host = self.clone();
        let work = self.tasks().spawn(async move {
            if let Err(error) = host.refresh_data().await {
                tracing::error!(
                    error = crate::reads::chain(&error),
                    "an approved design is not in use yet"
                );
            }
        });
        // The task goes on when nobody waits any more.
        let _ = tokio::time::timeout(PATIENCE, work).await;
    }

    /// What the approved designs make, and beside it what is out of use.
    async fn wanted(&self, all: &[Structure]) -> Result<Wanted, InstallError> {
        let mut def = definition(all);
        let declared = self.store().declared(ID).await?;
        let suspended = declared.map(|declared| suspended::carry(&mut def, &declared, all));
        let suspended = suspended.unwrap_or_default();
        Ok(Wanted { def, suspended })
    }

    fn data_is(&self, wanted: &Wanted) -> bool {
        let catalog = self.catalog();
        let is = |m: &Arc<Installed>| m.def == wanted.def && m.suspended == wanted.suspended;
        catalog.modules.get(ID).is_some_and(is)
    }

    fn put_data(&self, wanted: Wanted) {
        if !wanted.suspended.is_empty() {
            tracing::error!(
                code = "record.altered",
                collections = ?wanted.suspended,
                "designed collections are out of use: what was designed is not as the platform wrote it"
            );
        }
        let former = self.store().former(ID);
        let module = Arc::new(Data { host: self.clone() });
        let installed = Installed {
            suspended: wanted.suspended,
            ..Installed::native(wanted.def, former, module)
        };
        self.change_catalog(|c| {
            c.modules.insert(ID.to_owned(), Arc::new(installed));
        });
    }

    /// Those that are as the platform wrote them.
    async fn structures(&self) -> Result<Vec<Structure>, InstallError> {
        let name = CollectionName::new(ID, COLLECTION);
        let asked = Query::new(name.to_string())
            .sort("created_at", false)
            .limit(MAX_LIMIT);
        let found = self.store().list(&asked, &Self::KERNEL).await;
        let found = found.map_err(query)?;
        Ok(found.records.iter().map(Structure::read).collect())
    }

    /// What was approved is in use now, or cannot be, for these reasons.
    async fn settle(
        &self,
        structure: &Structure,
        problem: Option<&str>,
    ) -> Result<(), InstallError> {
        let approved = json!(structure.approved);
        let values = match problem {
            None => json!({
                "name": structure.approved.as_ref().map(Design::name),
                "live": approved,
                "approved": null,
                "problem": null,
            }),
            Some(why) => {
                let why: String = why.chars().take(2_000).collect();
                json!({ "draft": approved, "approved": null, "problem": why })
            }
        };
        let commit = Commit {
            at: self.clock().now().micros(),
            by: by_platform(),
            request: "structure".into(),
            action: format!("{ID}.structure.settle"),
            module: ID.into(),
            note: structure
                .approved
                .as_ref()
                .map(|new| forecast::said(structure, new)),
            writes: vec![structure.update(object(values))],
            ..Commit::default()
        };
        match self.store().commit(commit).await {
            // Another node was faster.
            Ok(_) | Err(CommitError::Stale { .. }) => Ok(()),
            Err(source) => Err(InstallError::Seed {
                plugin: ID.into(),
                source,
            }),
        }
    }
}

/// What the module is to be.
struct Wanted {
    def: ModuleDef,
    /// Names of collections that are out of use.
    suspended: BTreeSet<String>,
}

fn definition(all: &[Structure]) -> ModuleDef {
    let designs = all
        .iter()
        .filter_map(|s| s.approved.as_ref().or(s.live.as_ref()));
    declare::definition(designs)
}
