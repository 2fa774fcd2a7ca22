//! Switching modules on and off for districts.

use std::collections::BTreeSet;

use kernel_storage::{By, CollectionName, Commit, CommitError};
use sdk_contract::call::{Reply, Write};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::query::{Filter, Query};
use serde_json::{Map, Value, json};

use super::names::region;
use super::{ID, record, stay};
use crate::Host;
use crate::catalog::{Enabled, Installed};
use crate::install::{InstallError, query};
use crate::module::{Call, Input, new_id};
use crate::values::{number, object, word};

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
            values: object(
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
                    former: installed.former.clone(),
                    manifest: installed.manifest.clone(),
                    digest: installed.digest.clone(),
                    enabled: now,
                    suspended: installed.suspended.clone(),
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
    let code = word(row, "code");
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
    let district = input.values.get("district").and_then(Value::as_str);
    let known = host.regions();
    if let Some(code) = district.filter(|code| !known.is_empty() && !known.contains_key(*code)) {
        return Err(Fault::invalid(vec![FieldFault::new(
            "district",
            "not-an-option",
            format!("没有代码为 {code} 的区"),
        )]));
    }
    let was = enabled(row);
    let now = was.switched(known.keys(), district, on);
    let place = district.map_or("全市", |code| region(host, code));
    if now == was {
        let already = if on { "已经启用" } else { "没有启用" };
        return Err(Fault::refused(
            "console.nothing-to-switch",
            format!("该专版在{place}本来就{already}，无需更改"),
        ));
    }
    let write = Write::Update {
        collection: "plugins".into(),
        id: word(row, "id").to_owned(),
        revision: number(row, "revision"),
        values: object(json!({ "everywhere": now.everywhere, "districts": now.districts })),
    };
    let toast = if on {
        format!("已在{place}启用，立即生效")
    } else {
        format!("已在{place}停用，立即生效；数据均保留")
    };
    tracing::info!(plugin = code, on, by = %call.principal.name, "switch asked");
    Ok(Reply {
        writes: vec![write],
        note: Some(format!(
            "{code}: everywhere={} districts={:?}",
            now.everywhere, now.districts
        )),
        ..stay(&toast)
    })
}

impl Enabled {
    /// After a switch of one district, or of the whole city. One district taken out of the whole
    /// city leaves the others, as far as it is known which there are.
    fn switched<'a>(
        &self,
        known: impl Iterator<Item = &'a String>,
        district: Option<&str>,
        on: bool,
    ) -> Self {
        let mut now = self.clone();
        match district {
            None => {
                now.everywhere = on;
                now.districts.clear();
            }
            Some(_) if on && now.everywhere => {}
            Some(district) if on => {
                now.districts.insert(district.to_owned());
            }
            Some(district) => {
                if now.everywhere {
                    now.everywhere = false;
                    now.districts = known.cloned().collect();
                }
                now.districts.remove(district);
            }
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn districts_are_switched_one_by_one() {
        let city = ["310104".to_owned(), "310115".to_owned()];
        let off = Enabled::default();
        let one = off.switched(city.iter(), Some("310115"), true);
        let two = one.switched(city.iter(), Some("310104"), true);
        assert_eq!(two.districts.len(), 2, "a second one beside the first");
        assert_eq!(two.switched(city.iter(), Some("310104"), false), one);
        assert_eq!(one.switched(city.iter(), Some("310115"), true), one);
        let all = two.switched(city.iter(), None, true);
        assert!(all.everywhere && all.districts.is_empty());
        assert_eq!(all.switched(city.iter(), Some("310115"), true), all);
        let rest = all.switched(city.iter(), Some("310104"), false);
        assert_eq!(rest, one, "the others stay on");
        assert_eq!(all.switched(city.iter(), None, false), off);
    }
}
