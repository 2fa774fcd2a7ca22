//! Accounts, sessions and organisations on a real store; what organisations and access are about
//! on both engines. `PostgreSQL` runs when `RONGQIAO_TEST_PG` names a server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, and says what it skips"
)]

mod access;
mod account;
mod attested;
mod certificates;
mod clearances;
mod federation;
mod invitations;
mod lifts;
mod merging;
mod organisations;
mod outside;
mod people;
mod registration;
mod reviews;
mod sealed;
mod sessions;
mod step_up;

use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_identity::ThrottlePolicy;
use kernel_identity::demo::{self, Demo, DemoLogin, DemoOrganisation, DemoUser};
use kernel_identity::module::definition;
use kernel_identity::session::{Origin, SessionPolicy, Sessions};
use kernel_storage::{AuditFilter, Store, StoreUrl};
use sdk_contract::def::Level;
use tests_scratch::Scratch;

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const START: i64 = 1_764_000_000 * SECOND;

pub(crate) struct World {
    folder: tempfile::TempDir,
    store: Store,
    sessions: Sessions,
    logins: Vec<DemoLogin>,
    /// On `PostgreSQL`.
    scratch: Option<Scratch>,
}

fn organisation(n: u32, kind: &str, parent: Option<u32>) -> DemoOrganisation {
    DemoOrganisation {
        id: id(n),
        name: format!("机构{n}"),
        kind: kind.into(),
        parent: parent.map(id),
        district: (kind == "subject").then(|| "310115".into()),
        code: None,
        tier: None,
        licence: None,
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
        post: String::new(),
        also: Vec::new(),
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
    let url = StoreUrl::Sqlite(folder.path().join("rongqiao.sqlite"));
    (open(&folder, url).await, folder)
}

async fn open(folder: &tempfile::TempDir, url: StoreUrl) -> (Store, Sessions) {
    let keys = Arc::new(KeyRing::open_or_create(&folder.path().join("keys"), None).unwrap());
    let store = Store::open(&url, Arc::clone(&keys)).await.unwrap();
    store.apply(&definition(), START).await.unwrap();
    let apps = kernel_identity::apps::definition();
    store.apply(&apps, START).await.unwrap();
    let policy = SessionPolicy {
        throttle: ThrottlePolicy {
            address_failures: 7,
            ..ThrottlePolicy::default()
        },
        clearances: [
            ("bank.officer", Level::L4),
            ("organisation.admin", Level::L4),
            ("model.developer", Level::L2),
        ]
        .map(|(role, level)| (role.to_owned(), level))
        .into_iter()
        .collect(),
        ..SessionPolicy::default()
    };
    let sessions = Sessions::new(store.clone(), keys, policy);
    (store, sessions)
}

pub(crate) async fn world() -> World {
    let (opened, folder) = empty().await;
    people(opened, folder, &city()).await
}

async fn people(
    (store, sessions): (Store, Sessions),
    folder: tempfile::TempDir,
    demo: &Demo,
) -> World {
    let logins = demo::apply(&store, &sessions, demo, folder.path(), START)
        .await
        .unwrap();
    World {
        folder,
        store,
        sessions,
        logins,
        scratch: None,
    }
}

/// Tells one story on `SQLite`, and on `PostgreSQL` where there is one.
pub(crate) async fn on_each_engine(demo: &Demo, story: impl AsyncFn(&World)) {
    let (opened, folder) = empty().await;
    story(&people(opened, folder, demo).await).await;
    let Some(server) = tests_scratch::server() else {
        println!("skipped on PostgreSQL: RONGQIAO_TEST_PG is not set");
        return;
    };
    let scratch = Scratch::create(&server, "identity").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let opened = open(&folder, scratch.url().parse().unwrap()).await;
    let mut world = people(opened, folder, demo).await;
    world.scratch = Some(scratch);
    story(&world).await;
    world.store.close().await;
    world.scratch.unwrap().remove().await.unwrap();
}

impl World {
    /// The sessions as a server that starts anew on the same store has them.
    fn restarted(&self) -> Sessions {
        let keys = KeyRing::open_or_create(&self.folder.path().join("keys"), None).unwrap();
        Sessions::new(self.store.clone(), Arc::new(keys), SessionPolicy::default())
    }

    /// Runs statements behind the platform's back.
    async fn tamper(&self, sql: &str) {
        if let Some(scratch) = &self.scratch {
            scratch.tamper(sql).await.unwrap();
        } else {
            let file = self.folder.path().join("rongqiao.sqlite");
            tests_scratch::tamper_file(&file, sql).unwrap();
        }
    }

    fn password(&self, login: &str) -> &str {
        &self
            .logins
            .iter()
            .find(|l| l.login == login)
            .unwrap()
            .password
    }

    async fn audit(&self, outcome: &str) -> usize {
        self.audited("platform.session", outcome).await
    }

    /// Records of step-ups.
    async fn steps(&self, outcome: &str) -> usize {
        self.audited("platform.session.step-up", outcome).await
    }

    async fn audited(&self, action: &str, outcome: &str) -> usize {
        let filter = AuditFilter {
            action: Some(action.into()),
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
