//! What people call what the records name by id: users, organisations, subjects, records.

use std::collections::{BTreeMap, BTreeSet};

use kernel_identity::principal::Principal;
use kernel_storage::{CollectionName, is_id};
use sdk_contract::def::{CollectionDef, ModuleDef};
use sdk_contract::error::Fault;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::Value;

use crate::Host;
use crate::reads::ask;
use crate::values::word;

/// Names of the platform's own collections of people and parties, and of programs.
const USERS: &str = "users";
const ORGANISATIONS: &str = "organisations";

/// Names of users and organisations by id, looked up in one go.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Everybody behind these ids. Names only, so that who may see the record may see them too.
    pub(crate) async fn of(
        host: &Host,
        users: Vec<&str>,
        organisations: Vec<&str>,
    ) -> Result<Self, Fault> {
        let mut names = BTreeMap::new();
        let people = kernel_identity::module::MODULE;
        let programs = kernel_identity::apps::MODULE;
        for (module, collection, ids) in [
            (people, USERS, ids(users.clone())),
            (programs, kernel_identity::apps::APPS, ids(users)),
            (people, ORGANISATIONS, ids(organisations)),
        ] {
            if ids.is_empty() {
                continue;
            }
            let name = CollectionName::new(module, collection);
            // What is not as the platform wrote it has no name.
            let found = host
                .store()
                .list(&by_ids(&name.to_string(), ids), &Host::KERNEL)
                .await
                .map_err(|e| ask(&e))?;
            let pairs = found
                .records
                .iter()
                .map(|r| (word(r, "id").to_owned(), word(r, "name").to_owned()));
            names.extend(pairs);
        }
        Ok(Self(names))
    }

    pub(crate) fn get(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// The name, or what stood there where it is nobody's id.
    pub(crate) fn or_id<'a>(&'a self, id: &'a str) -> &'a str {
        self.get(id).unwrap_or(id)
    }
}

fn ids(all: Vec<&str>) -> Vec<Value> {
    let different: BTreeSet<&str> = all.into_iter().filter(|id| !id.is_empty()).collect();
    different
        .into_iter()
        .take(MAX_LIMIT as usize)
        .map(Value::from)
        .collect()
}

fn by_ids(collection: &str, ids: Vec<Value>) -> Query {
    Query::new(collection)
        .filter(Filter::In {
            field: "id".into(),
            values: ids,
        })
        .limit(MAX_LIMIT)
}

/// Ids of the users whose name or login somebody typed, in whole or part.
pub(crate) async fn users_called(host: &Host, typed: &str) -> Result<Vec<String>, Fault> {
    let name = CollectionName::new(kernel_identity::module::MODULE, USERS);
    let query = Query::new(name.to_string())
        .filter(Filter::Or(vec![
            Filter::contains("name", typed),
            Filter::eq("login", typed),
        ]))
        .limit(MAX_LIMIT);
    let found = host
        .store()
        .list(&query, &Host::KERNEL)
        .await
        .map_err(|e| ask(&e))?;
    let ids = found.records.iter().map(|r| word(r, "id").to_owned());
    Ok(ids.collect())
}

/// Id of the party that somebody called by its name or code, or by the id itself.
pub(crate) async fn party_called(host: &Host, typed: &str) -> Result<Option<String>, Fault> {
    if is_id(typed) {
        return Ok(Some(typed.to_owned()));
    }
    let name = CollectionName::new(kernel_identity::module::MODULE, ORGANISATIONS);
    let code = typed.to_ascii_uppercase();
    let query = Query::new(name.to_string())
        .filter(Filter::eq("name", typed).or(Filter::eq("code", code)))
        .limit(1);
    let found = host.store().list(&query, &Host::KERNEL).await;
    let found = found.map_err(|e| ask(&e))?.records;
    Ok(found.first().map(|r| word(r, "id").to_owned()))
}

/// Titles of records of some collections, as far as the caller may read them.
pub(crate) async fn titles(
    host: &Host,
    p: &Principal,
    collections: Vec<(&ModuleDef, &CollectionDef)>,
    wanted: Vec<&str>,
) -> BTreeMap<String, String> {
    let wanted = ids(wanted);
    let mut titles = BTreeMap::new();
    if wanted.is_empty() {
        return titles;
    }
    for (def, collection) in collections {
        let name = format!("{}.{}", def.id, collection.name);
        // What the caller may not read stays an id.
        let Ok(found) = host.list(p, by_ids(&name, wanted.clone())).await else {
            continue;
        };
        for record in &found.records {
            let title = word(record, &collection.title);
            if !title.is_empty() {
                titles.insert(word(record, "id").to_owned(), title.to_owned());
            }
        }
    }
    titles
}

/// Ids of the records that people call `typed`, among those the caller may read.
pub(crate) async fn records_called(host: &Host, p: &Principal, typed: &str) -> Vec<String> {
    let catalog = host.catalog();
    let mut found = Vec::new();
    for installed in catalog.modules.values() {
        for collection in &installed.def.collections {
            let name = format!("{}.{}", installed.def.id, collection.name);
            let query = Query::new(name)
                .filter(Filter::eq(&collection.title, typed))
                .limit(MAX_LIMIT);
            if let Ok(rows) = host.list(p, query).await {
                found.extend(rows.records.iter().map(|r| word(r, "id").to_owned()));
            }
        }
    }
    found
}

/// A district's name, or its code where the deployment has no name for it.
pub(crate) fn region<'a>(host: &'a Host, code: &'a str) -> &'a str {
    host.regions().get(code).map_or(code, |label| &label.zh)
}
