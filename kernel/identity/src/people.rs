//! Reading and writing users and organisations.

use kernel_storage::{CollectionName, Record, RowFilter, Store};
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::Value;

use crate::error::IdentityError;
use crate::module::{MODULE, ORGANISATIONS, USERS};
use crate::principal::Principal;

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
    /// Last sign-in.
    pub(crate) seen_at: Option<Timestamp>,
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

    fn read(record: &Record) -> Self {
        Self {
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
            seen_at: moment(record, "seen_at"),
        }
    }

    /// The user as a principal, with the organisations below theirs.
    pub(crate) async fn principal(self, store: &Store) -> Result<Principal, IdentityError> {
        let organisation = match &self.organisation {
            Some(id) => get(store, ORGANISATIONS, id).await?,
            None => None,
        };
        let organisations = match &self.organisation {
            Some(id) => with_below(store, id).await?,
            None => Vec::new(),
        };
        let own = organisation.as_ref();
        let is_subject = own.is_some_and(|o| text(o, "type") == "subject");
        Ok(Principal {
            subject: self.organisation.clone().filter(|_| is_subject),
            organisation_name: own.map(|o| text(o, "name")).unwrap_or_default(),
            organisation_kind: own.map(|o| text(o, "type")).unwrap_or_default(),
            district: self
                .district
                .or_else(|| own.and_then(|o| optional(o, "district"))),
            user: Some(self.id),
            login: self.login,
            name: self.name,
            roles: self.roles,
            organisation: self.organisation,
            organisations,
            ..Principal::anonymous()
        })
    }
}

/// An organisation and all below it, breadth first; the tree is shallow.
async fn with_below(store: &Store, root: &str) -> Result<Vec<String>, IdentityError> {
    let mut all = vec![root.to_owned()];
    let mut level = all.clone();
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
                level.extend(
                    found
                        .iter()
                        .map(|o| text(o, "id"))
                        .filter(|id| !all.contains(id)),
                );
                if !full {
                    break;
                }
                page += 1;
            }
        }
        all.extend(level.iter().cloned());
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
