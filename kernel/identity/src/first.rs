//! The first start: an installation that nobody can sign in to yet gets three administrators, each
//! with a random password that is shown once and must be changed at the first sign-in. There is no
//! built-in credential and no super-user: running the platform, granting and checking are three
//! people's work (GB/T 22239-2019 8.1.4.2).

use kernel_crypto::random;
use kernel_storage::{By, Commit, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::query::Query;
use sdk_contract::scalar::Timestamp;
use serde_json::json;

use crate::error::IdentityError;
use crate::history::new_id;
use crate::module::{AUDITOR, MODULE, OPERATOR, ORGANISATIONS, SECURITY, USERS};
use crate::people::qualified;
use crate::posts::first_post;
use crate::session::{Sessions, object};

/// Random bytes of a first password.
const PASSWORD_BYTES: usize = 18;

/// Login, name and role of each.
const ADMINISTRATORS: [(&str, &str, &str); 3] = [
    ("sysadmin", "系统管理员", OPERATOR),
    ("secadmin", "安全管理员", SECURITY),
    ("auditadmin", "审计管理员", AUDITOR),
];

/// An account that was just made, to be shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstLogin {
    pub login: String,
    pub password: String,
    pub name: String,
}

/// Makes the administrators where there is no user at all; else does nothing.
pub async fn administrators(
    store: &Store,
    sessions: &Sessions,
    organisation: &str,
    now: i64,
) -> Result<Vec<FirstLogin>, IdentityError> {
    let any = Query::new(qualified(USERS)).limit(1);
    if !store.find(&any, &RowFilter::All).await?.records.is_empty() {
        return Ok(Vec::new());
    }
    let platform = new_id(now)?;
    let mut writes = vec![Write::Insert {
        collection: ORGANISATIONS.into(),
        id: platform.clone(),
        subject: None,
        organisation: Some(platform.clone()),
        district: None,
        values: object(json!({ "name": organisation, "type": "platform" })),
    }];
    let mut made = Vec::new();
    for (login, name, role) in ADMINISTRATORS {
        let password = random::token_base64url(PASSWORD_BYTES)?;
        let user = new_id(now)?;
        writes.push(first_post(new_id(now)?, &user, &platform, name));
        writes.push(Write::Insert {
            collection: USERS.into(),
            id: user,
            subject: None,
            organisation: Some(platform.clone()),
            district: None,
            values: object(json!({
                "name": name,
                "login": login,
                "roles": [role],
                "active": true,
                "password": sessions.hash(&password).await?,
                "password_at": Timestamp(now),
                "given": true,
            })),
        });
        made.push(FirstLogin {
            login: login.into(),
            password,
            name: name.into(),
        });
    }
    store
        .commit(Commit {
            at: now,
            by: By {
                user: MODULE.into(),
                name: "first start".into(),
                organisation: None,
            },
            request: "first-start".into(),
            module: MODULE.into(),
            writes,
            ..Commit::default()
        })
        .await?;
    Ok(made)
}
