//! The native module `access`: programs of other organisations, and certificates of nodes and of
//! publishers, asked for by one person and approved by another. The rules are `kernel-identity`'s; here is their way through the one
//! dispatch path.

mod certificates;
mod pages;

use std::collections::BTreeSet;

use async_trait::async_trait;
use kernel_identity::apps::{self, App, Draft};
use kernel_identity::module::MODULE as PLATFORM;
use kernel_storage::CollectionName;
use sdk_contract::call::{Ask, Event, Reply, Write};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::{Outcome, Page};
use serde_json::{Map, Value, json};

use crate::Host;
use crate::module::{Call, Input, Module, new_id};
use crate::reads::ask as ask_fault;
use crate::values::object;

pub(crate) struct Access {
    host: Host,
}

impl Access {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }

    /// Roles that any installed module grants anything to.
    fn known_roles(&self) -> BTreeSet<String> {
        let catalog = self.host.catalog();
        let modules = catalog.modules.values();
        let grants = modules
            .flat_map(|m| &m.def.permissions)
            .flat_map(|p| &p.grants);
        grants.map(|g| g.role.clone()).collect()
    }

    async fn register(&self, call: &Call, input: &Input) -> Result<Reply, Fault> {
        let by = call.principal.user.as_deref().unwrap_or_default();
        let draft = apps::register(&input.values, &self.known_roles(), by);
        let Draft { values, note } = draft.map_err(Fault::invalid)?;
        let organisation = input.values.get("organisation").and_then(Value::as_str);
        let organisation = organisation.unwrap_or_default();
        let name = CollectionName::new(PLATFORM, "organisations");
        let found = self
            .host
            .store()
            .get(&name, organisation, &Host::KERNEL)
            .await;
        let Some(found) = found.map_err(|e| ask_fault(&e))? else {
            let fault = FieldFault::new("organisation", "missing-reference", "没有这个机构");
            return Err(Fault::invalid(vec![fault]));
        };
        let id = new_id(call.now)?;
        let district = found.get("district").and_then(Value::as_str);
        let write = Write::Insert {
            collection: apps::APPS.into(),
            id: id.clone(),
            subject: None,
            organisation: Some(organisation.to_owned()),
            district: district.map(str::to_owned),
            values,
        };
        Ok(Reply {
            result: json!({ "id": id }),
            outcome: Some(Outcome::go(page(&id), "已登记，待安全管理员批准")),
            writes: vec![write],
            note: Some(note),
            ..Reply::default()
        })
    }

    fn change(&self, call: &Call, app: &App, input: &Input) -> Result<Reply, Fault> {
        open(app)?;
        if app.change.is_some() {
            return Err(Fault::conflict(
                "access.change-waits",
                "已有一项变更待批准，请先批准或撤销它",
            ));
        }
        let draft = apps::change(app, &input.values, &self.known_roles());
        let Draft { values, note } = draft.map_err(Fault::invalid)?;
        let values = json!({ "change": values, "asked_by": call.principal.user });
        Ok(Reply {
            note: Some(note),
            ..wrote(app, object(values), "已提交，待安全管理员批准")
        })
    }
}

#[async_trait]
impl Module for Access {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault> {
        match ask.path.as_str() {
            certificates::PATH => certificates::list(&self.host, call, ask).await,
            "/access/certificates/new" => Ok(certificates::new()),
            "/access/certificates/{id}" => certificates::detail(&self.host, call, ask).await,
            "/access/apps" => pages::list(&self.host, call, ask).await,
            "/access/apps/new" => pages::new(&self.host, &self.known_roles()).await,
            "/access/apps/{id}" => pages::detail(&self.host, call, ask).await,
            "/access/apps/{id}/change" => {
                pages::change(&self.host, call, ask, &self.known_roles()).await
            }
            _ => Err(Fault::not_found()),
        }
    }

    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault> {
        if action == "app.register" {
            return self.register(call, &input).await;
        }
        if let Some(("certificate", verb)) = action.split_once('.') {
            return certificates::act(&self.host, call, verb, &input).await;
        }
        let record = input.record.as_ref().ok_or_else(Fault::not_found)?;
        let app = App::read(record);
        match action {
            "app.change" => self.change(call, &app, &input),
            "app.approve" => {
                another(call, &app.asked_by)?;
                let values = json!({ "status": "active", "asked_by": null });
                Ok(wrote(&app, object(values), "已批准，立即生效"))
            }
            "app.accept-change" => {
                another(call, &app.asked_by)?;
                open(&app)?;
                let accepted = app.accepted(call.now).ok_or_else(nothing_asked)?;
                let note = accepted.keys().map(String::as_str).collect::<Vec<_>>();
                Ok(Reply {
                    note: Some(note.join(",")),
                    ..wrote(&app, accepted, "变更已生效")
                })
            }
            "app.drop-change" => {
                if app.change.is_none() {
                    return Err(nothing_asked());
                }
                let values = json!({ "change": null, "asked_by": null });
                Ok(wrote(&app, object(values), "变更申请已撤销"))
            }
            "app.suspend" => Ok(moved(&app, &input, "suspended", "已停用，立即生效")),
            "app.resume" => Ok(moved(&app, &input, "active", "已恢复，立即生效")),
            "app.close" => Ok(moved(&app, &input, "closed", "已注销")),
            _ => Err(Fault::not_found()),
        }
    }

    async fn on_event(&self, _: &Call, _: &Event) -> Result<Reply, Fault> {
        Err(Fault::not_found())
    }
}

fn page(id: &str) -> String {
    format!("/access/apps/{id}")
}

/// Whoever asked does not grant.
fn another(call: &Call, asked_by: &str) -> Result<(), Fault> {
    if call.principal.user.as_deref() == Some(asked_by) {
        return Err(Fault::refused(
            "access.same-person",
            "须由申请人以外的安全管理员批准",
        ));
    }
    Ok(())
}

fn open(app: &App) -> Result<(), Fault> {
    if matches!(app.status.as_str(), "active" | "suspended") {
        Ok(())
    } else {
        Err(Fault::conflict(
            "access.not-open",
            "只有已启用或已停用的应用可以变更",
        ))
    }
}

fn nothing_asked() -> Fault {
    Fault::conflict("access.nothing-asked", "没有待批准的变更，请刷新页面")
}

fn wrote(app: &App, values: Map<String, Value>, toast: &str) -> Reply {
    Reply {
        result: json!({}),
        outcome: Some(Outcome::go(page(&app.id), toast)),
        writes: vec![Write::Update {
            collection: apps::APPS.into(),
            id: app.id.clone(),
            revision: app.revision,
            values,
        }],
        ..Reply::default()
    }
}

fn moved(app: &App, input: &Input, to: &str, toast: &str) -> Reply {
    let reason = input.values.get("reason").and_then(Value::as_str);
    Reply {
        note: reason.map(str::to_owned),
        ..wrote(app, object(json!({ "status": to })), toast)
    }
}
