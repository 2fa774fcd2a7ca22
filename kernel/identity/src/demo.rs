//! Demo organisations and users. Passwords are generated here, stored hashed, and kept for people
//! and tests in a file only the server's user can read.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use kernel_crypto::random;
use kernel_storage::{By, Commit, Store};
use sdk_contract::call::Write;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::IdentityError;
use crate::history::new_id;
use crate::module::{GRANTS, MODULE, ORGANISATIONS, USERS};
use crate::people::{User, get};
use crate::posts::first_post;
use crate::session::{Sessions, object};

/// Name of the file of demo logins in the data folder: a JSON object of login to password.
pub const LOGINS_FILE: &str = "demo-logins.json";

/// The parsed `demo.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    #[serde(default)]
    pub organisations: Vec<DemoOrganisation>,
    #[serde(default)]
    pub users: Vec<DemoUser>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoOrganisation {
    pub id: String,
    pub name: String,
    /// `platform`, `government`, `institution` or `subject`.
    pub kind: String,
    /// Comes before its children in the file.
    pub parent: Option<String>,
    /// GB/T 2260 code.
    pub district: Option<String>,
    pub code: Option<String>,
    pub tier: Option<String>,
    pub licence: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoUser {
    pub id: String,
    pub login: String,
    pub name: String,
    pub organisation: String,
    pub roles: Vec<String>,
    /// What the post is called.
    #[serde(default)]
    pub post: String,
    /// Posts in further organisations, with nothing granted to them yet.
    #[serde(default)]
    pub also: Vec<DemoPost>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoPost {
    pub organisation: String,
    pub post: String,
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A demo user that can sign in, for the table printed at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoLogin {
    pub login: String,
    pub password: String,
    pub name: String,
    pub organisation: String,
    pub roles: Vec<String>,
}

/// Creates what is missing of `demo` and returns all its logins. Passwords stay the same as long
/// as `folder` keeps [`LOGINS_FILE`]; a user without an entry there gets a new password.
pub async fn apply(
    store: &Store,
    sessions: &Sessions,
    demo: &Demo,
    folder: &Path,
    now: i64,
) -> Result<Vec<DemoLogin>, IdentityError> {
    let path = folder.join(LOGINS_FILE);
    let mut passwords = read(&path)?;
    let mut fresh = Vec::new();
    for user in &demo.users {
        if !passwords.contains_key(&user.login) {
            passwords.insert(user.login.clone(), random::token_base64url(12)?);
            fresh.push(user.login.as_str());
        }
    }
    // The file first: a password that is stored only hashed is lost.
    if !fresh.is_empty() {
        write(&path, &passwords).map_err(IdentityError::DemoFile)?;
    }
    let mut writes = Vec::new();
    for organisation in &demo.organisations {
        if get(store, ORGANISATIONS, &organisation.id).await?.is_none() {
            writes.push(insert_organisation(organisation));
        }
    }
    let mut logins = Vec::new();
    for user in &demo.users {
        let organisation = demo
            .organisations
            .iter()
            .find(|o| o.id == user.organisation)
            .ok_or_else(|| IdentityError::Demo(format!("{} has no organisation", user.login)))?;
        let password = passwords.get(&user.login).cloned().unwrap_or_default();
        let stored = User::by_id(store, &user.id).await?;
        match stored {
            None => {
                let hash = sessions.hash(&password).await?;
                let accepted = sessions.registration().acceptance(now);
                writes.push(insert_user(user, organisation, &hash, accepted));
                writes.extend(posts(user, now)?);
            }
            Some(stored) if fresh.contains(&user.login.as_str()) => writes.push(Write::Update {
                collection: USERS.into(),
                id: stored.id,
                revision: stored.revision,
                values: object(json!({ "password": sessions.hash(&password).await? })),
            }),
            Some(_) => {}
        }
        logins.push(DemoLogin {
            login: user.login.clone(),
            password,
            name: user.name.clone(),
            organisation: organisation.name.clone(),
            roles: user.roles.clone(),
        });
    }
    if !writes.is_empty() {
        let by = By {
            user: MODULE.into(),
            name: MODULE.into(),
            organisation: None,
        };
        let module = MODULE.into();
        let request = "demo".into();
        store
            .commit(Commit {
                at: now,
                by,
                request,
                module,
                writes,
                ..Commit::default()
            })
            .await?;
    }
    Ok(logins)
}

fn insert_organisation(o: &DemoOrganisation) -> Write {
    Write::Insert {
        collection: ORGANISATIONS.into(),
        id: o.id.clone(),
        subject: (o.kind == "subject").then(|| o.id.clone()),
        organisation: Some(o.id.clone()),
        district: o.district.clone(),
        values: present(json!({
            "name": o.name, "type": o.kind, "parent": o.parent, "code": o.code,
            "tier": o.tier, "licence": o.licence, "region": o.district, "status": "active",
        })),
    }
}

/// The user's posts, with the roles of the further ones.
fn posts(user: &DemoUser, now: i64) -> Result<Vec<Write>, IdentityError> {
    let mut writes = vec![first_post(
        new_id(now)?,
        &user.id,
        &user.organisation,
        &user.post,
    )];
    for also in &user.also {
        let post = new_id(now)?;
        writes.push(first_post(
            post.clone(),
            &user.id,
            &also.organisation,
            &also.post,
        ));
        for role in &also.roles {
            writes.push(Write::Insert {
                collection: GRANTS.into(),
                id: new_id(now)?,
                subject: None,
                organisation: Some(also.organisation.clone()),
                district: None,
                values: object(json!({ "role": role, "user": user.id, "post": post })),
            });
        }
    }
    Ok(writes)
}

fn present(values: Value) -> Map<String, Value> {
    let mut values = object(values);
    values.retain(|_, value| !value.is_null());
    values
}

/// Somebody who has accepted the terms.
fn insert_user(
    u: &DemoUser,
    o: &DemoOrganisation,
    password: &str,
    accepted: Map<String, Value>,
) -> Write {
    let mut values = object(json!({
        "name": u.name, "login": u.login, "roles": u.roles, "active": true,
        "password": password,
    }));
    values.extend(accepted);
    Write::Insert {
        collection: USERS.into(),
        id: u.id.clone(),
        subject: None,
        organisation: Some(u.organisation.clone()),
        district: o.district.clone(),
        values,
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, String>, IdentityError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| IdentityError::Demo(format!("{LOGINS_FILE}: {e}"))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(IdentityError::DemoFile(e)),
    }
}

/// Whole or not at all, readable by its owner only.
fn write(path: &Path, passwords: &BTreeMap<String, String>) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&part)?;
    file.write_all(&serde_json::to_vec_pretty(passwords)?)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}
