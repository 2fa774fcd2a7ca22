//! Switching modules on and off for districts.

use std::collections::BTreeSet;

use kernel_storage::{By, CollectionName, Commit, CommitError};
use sdk_contract::call::{Reply, Write};
use sdk_contract::error::Fault;
use sdk_contract::query::{Filter, Query};
use serde_json::{Map, Value, json};

use super::{ID, number, record, stay, text, values};
use crate::Host;
use crate::catalog::{Enabled, Installed};
use crate::install::{InstallError, query};
use crate::module::{Call, Input, new_id};

impl Host {
    /// Where a plugin is switched on, from its row; a new plugin gets one. A module starts enabled
    /// everywhere, an edition nowhere.
    pub(crate) async fn enabled(
        &self,
        plugin: &str,
        edition: bool,
    ) -> Result<Enabled, InstallError> {
        if let Some(row) = self.plugin_row(plugin).await? {
            return Ok(enabled(&row));
        }
        let start = Enabled {
            everywhere: !edition,
            districts: BTreeSet::new(),
        };
        let now = self.clock().now();
        let id = new_id(now).map_err(|f| InstallError::SeedValues {
            plugin: plugin.into(),
            what: f.message,
        })?;
        let insert = Write::Insert {
            collection: "plugins".into(),
            id,
            subject: None,
            organisation: None,
            district: None,
            values: values(
                json!({ "code": plugin, "everywhere": start.everywhere, "districts": [] }),
            ),
        };
        let commit = Commit {
            at: now.micros(),
            by: By {
                user: String::new(),
                name: "install".into(),
                organisation: None,
            },
            request: "install".into(),
            module: ID.into(),
            writes: vec![insert],
            ..Commit::default()
        };
        match self.store().commit(commit).await {
            Ok(_) => Ok(start),
            // Another node was faster.
            Err(CommitError::Conflict { .. }) => Ok(self
                .plugin_row(plugin)
                .await?
                .map_or(start, |row| enabled(&row))),
            Err(source) => Err(InstallError::Seed {
                plugin: plugin.into(),
                source,
            }),
        }
    }

    async fn plugin_row(&self, plugin: &str) -> Result<Option<Map<String, Value>>, InstallError> {
        let name = CollectionName::new(ID, "plugins");
        let asked = Query::new(name.to_string())
            .filter(Filter::eq("code", plugin))
            .limit(1);
        let found = self
            .store()
            .find(&asked, &Self::KERNEL)
            .await
            .map_err(query)?;
        Ok(found.records.into_iter().next())
    }

    /// Brings the catalogue in line with the stored switches: after a switch, and now and then
    /// because another node may have switched.
    pub async fn refresh_enabled(&self) -> Result<(), InstallError> {
        let _one = self.0.switches.lock().await;
        for (id, installed) in &self.catalog().modules {
            let Some(row) = self.plugin_row(id).await? else {
                continue;
            };
            let now = enabled(&row);
            if now != installed.enabled {
                tracing::info!(plugin = %id, ?now, "switched");
                let changed = Installed {
                    def: installed.def.clone(),
                    manifest: installed.manifest.clone(),
                    digest: installed.digest.clone(),
                    enabled: now,
                    module: std::sync::Arc::clone(&installed.module),
                };
                self.change_catalog(|c| {
                    c.modules.insert(id.clone(), std::sync::Arc::new(changed));
                });
            }
        }
        Ok(())
    }
}

fn enabled(row: &Map<String, Value>) -> Enabled {
    let districts = row
        .get("districts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    Enabled {
        everywhere: row
            .get("everywhere")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        districts: districts
            .filter_map(|d| d.as_str().map(str::to_owned))
            .collect(),
    }
}

/// Switches on or off: one district, or everywhere when none is named.
pub(super) fn switch(host: &Host, call: &Call, input: &Input, on: bool) -> Result<Reply, Fault> {
    let row = record(input)?;
    let code = text(row, "code");
    let edition = host
        .catalog()
        .modules
        .get(code)
        .is_some_and(|m| m.is_edition());
    if !edition {
        return Err(Fault::refused(
            "console.not-an-edition",
            "只有专版可以按区启用或停用；业务模块由安装管理",
        ));
    }
    let mut now = enabled(row);
    match input.values.get("district").and_then(Value::as_str) {
        Some(district) if on => {
            now.districts.insert(district.to_owned());
        }
        Some(district) => {
            now.districts.remove(district);
        }
        None => {
            now.everywhere = on;
            if !on {
                now.districts.clear();
            }
        }
    }
    let write = Write::Update {
        collection: "plugins".into(),
        id: text(row, "id").to_owned(),
        revision: number(row, "revision"),
        values: values(json!({ "everywhere": now.everywhere, "districts": now.districts })),
    };
    let toast = if on {
        "已启用，立即生效"
    } else {
        "已停用，立即生效；数据均保留"
    };
    tracing::info!(plugin = code, on, by = %call.principal.name, "switch asked");
    Ok(Reply {
        writes: vec![write],
        note: Some(format!(
            "{code}: everywhere={} districts={:?}",
            now.everywhere, now.districts
        )),
        ..stay(toast)
    })
}
