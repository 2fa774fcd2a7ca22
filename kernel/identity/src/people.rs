//! Reading and writing users and organisations.

use std::collections::BTreeSet;

use kernel_storage::{CollectionName, Record, RowFilter, Store};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::Value;

use crate::error::IdentityError;
use crate::module::{MODULE, ORGANISATIONS, USERS};

/// Most organisations below one that are followed; more is a damaged tree.
const MOST_BELOW: usize = 5_000;

/// A user as stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) revision: i64,
    pub(crate) login: String,
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) active: bool,
    pub(crate) organisation: Option<String>,
    pub(crate) district: Option<String>,
    /// Stored form; never shown.
    pub(crate) password: String,
    /// When the password was set.
    pub(crate) password_at: Option<Timestamp>,
    /// Somebody else set the password.
    pub(crate) given: bool,
    /// The passwords before, as stored.
    pub(crate) previous: Vec<String>,
    /// Version and digest of the terms that the person accepted last.
    pub(crate) terms: Option<(String, String)>,
    /// Last sign-in.
    pub(crate) seen_at: Option<Timestamp>,
    /// Last sign-in, or when the account was made or opened again since.
    pub(crate) used_at: Option<Timestamp>,
    /// Nobody used the account for too long.
    pub(crate) suspended: bool,
}

impl User {
    pub(crate) async fn by_login(
        store: &Store,
        login: &str,
    ) -> Result<Option<Self>, IdentityError> {
        let query = Query::new(qualified(USERS))
            .filter(Filter::eq("login", login))
            .limit(1);
        let found = store.find(&query, &RowFilter::All).await?;
        Ok(found.records.first().map(Self::read))
    }

    pub(crate) async fn by_id(store: &Store, id: &str) -> Result<Option<Self>, IdentityError> {
        Ok(get(store, USERS, id).await?.as_ref().map(Self::read))
    }

    pub(crate) fn read(record: &Record) -> Self {
        let used = ["seen_at", "opened_at", "created_at"];
        Self {
            used_at: used.iter().filter_map(|f| moment(record, f)).max(),
            suspended: optional(record, "suspended_at").is_some(),
            id: text(record, "id"),
            revision: record
                .get("revision")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            login: text(record, "login"),
            name: text(record, "name"),
            roles: strings(record, "roles"),
            active: record
                .get("active")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            organisation: optional(record, "organisation"),
            district: optional(record, "district"),
            password: text(record, "password"),
            password_at: moment(record, "password_at"),
            given: record
                .get("given")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            previous: strings(record, "previous"),
            terms: optional(record, "terms_version").zip(optional(record, "terms_digest")),
            seen_at: moment(record, "seen_at"),
        }
    }
}

/// The organisations below one, breadth first; the tree is shallow.
pub(crate) async fn below(store: &Store, root: &str) -> Result<Vec<Record>, IdentityError> {
    let mut all: Vec<Record> = Vec::new();
    let mut seen = BTreeSet::from([root.to_owned()]);
    let mut level = vec![root.to_owned()];
    while !level.is_empty() && all.len() < MOST_BELOW {
        let parents: Vec<Value> = level.drain(..).map(Value::from).collect();
        for chunk in parents.chunks(100) {
            let under = Filter::In {
                field: "parent".into(),
                values: chunk.to_vec(),
            };
            let mut page = 1;
            loop {
                let query = Query::new(qualified(ORGANISATIONS))
                    .filter(under.clone())
                    .page(page, MAX_LIMIT);
                let found = store.find(&query, &RowFilter::All).await?.records;
                let full = found.len() == MAX_LIMIT as usize;
                for organisation in found {
                    let id = text(&organisation, "id");
                    if seen.insert(id.clone()) {
                        level.push(id);
                        all.push(organisation);
                    }
                }
                if !full {
                    break;
                }
                page += 1;
            }
        }
    }
    Ok(all)
}

pub(crate) async fn get(
    store: &Store,
    collection: &str,
    id: &str,
) -> Result<Option<Record>, IdentityError> {
    let name = CollectionName::new(MODULE, collection);
    Ok(store.get(&name, id, &RowFilter::All).await?)
}

pub(crate) fn qualified(collection: &str) -> String {
    format!("{MODULE}.{collection}")
}

pub(crate) fn text(record: &Record, field: &str) -> String {
    optional(record, field).unwrap_or_default()
}

pub(crate) fn optional(record: &Record, field: &str) -> Option<String> {
    record.get(field).and_then(Value::as_str).map(str::to_owned)
}

pub(crate) fn strings(record: &Record, field: &str) -> Vec<String> {
    let all = record.get(field).and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}

fn moment(record: &Record, field: &str) -> Option<Timestamp> {
    optional(record, field)?.parse().ok()
}
