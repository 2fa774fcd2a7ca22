//! Accounts and sessions on a real store.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod account;
mod sessions;

use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_identity::ThrottlePolicy;
use kernel_identity::demo::{self, Demo, DemoLogin, DemoOrganisation, DemoUser};
use kernel_identity::module::definition;
use kernel_identity::session::{Origin, SessionPolicy, Sessions};
use kernel_storage::{AuditFilter, Store, StoreUrl};

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const START: i64 = 1_764_000_000 * SECOND;

pub(crate) struct World {
    folder: tempfile::TempDir,
    store: Store,
    sessions: Sessions,
    logins: Vec<DemoLogin>,
}

fn organisation(n: u32, kind: &str, parent: Option<u32>) -> DemoOrganisation {
    DemoOrganisation {
        id: id(n),
        name: format!("机构{n}"),
        kind: kind.into(),
        parent: parent.map(id),
        district: (kind == "subject").then(|| "310115".into()),
    }
}

pub(crate) fn id(n: u32) -> String {
    format!("01930000-0000-7000-8000-{n:012}")
}

pub(crate) fn city() -> Demo {
    let user = |n, login: &str, organisation, role: &str| DemoUser {
        id: id(n),
        login: login.into(),
        name: format!("用户{n}"),
        organisation: id(organisation),
        roles: vec![role.into()],
    };
    Demo {
        organisations: vec![
            organisation(1, "institution", None),
            organisation(2, "institution", Some(1)),
            organisation(3, "institution", Some(2)),
            organisation(4, "subject", None),
        ],
        users: vec![
            user(11, "officer", 1, "bank.officer"),
            user(12, "owner", 4, "enterprise.owner"),
        ],
    }
}

/// A store that nobody can sign in to yet, and the folder it lies in.
pub(crate) async fn empty() -> ((Store, Sessions), tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(KeyRing::open_or_create(&folder.path().join("keys"), None).unwrap());
    let url = StoreUrl::Sqlite(folder.path().join("rongqiao.sqlite"));
    let store = Store::open(&url, Arc::clone(&keys)).await.unwrap();
    store.apply(&definition(), START).await.unwrap();
    let policy = SessionPolicy {
        throttle: ThrottlePolicy {
            address_failures: 7,
            ..ThrottlePolicy::default()
        },
        ..SessionPolicy::default()
    };
    let sessions = Sessions::new(store.clone(), keys, policy);
    ((store, sessions), folder)
}

pub(crate) async fn world() -> World {
    let ((store, sessions), folder) = empty().await;
    let logins = demo::apply(&store, &sessions, &city(), folder.path(), START)
        .await
        .unwrap();
    World {
        folder,
        store,
        sessions,
        logins,
    }
}

impl World {
    fn password(&self, login: &str) -> &str {
        &self
            .logins
            .iter()
            .find(|l| l.login == login)
            .unwrap()
            .password
    }

    async fn audit(&self, outcome: &str) -> usize {
        let filter = AuditFilter {
            action: Some("platform.session".into()),
            ..AuditFilter::default()
        };
        let page = self.store.audit_find(&filter, 200, 0).await.unwrap();
        page.records
            .iter()
            .filter(|r| r.draft.outcome == outcome)
            .count()
    }
}

pub(crate) fn at(ip: &str, now: i64) -> Origin<'_> {
    Origin {
        request: "r",
        ip,
        locale: "zh-CN",
        now,
    }
}
