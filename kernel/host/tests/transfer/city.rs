//! A city on each engine: the demo's people, and a table of sites that enterprises keep.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_host::clock::TestClock;
use kernel_host::{Act, Engines, Host, KeptCode, Lane, RecordFile};
use kernel_identity::demo::{self, Demo};
use kernel_identity::principal::Principal;
use kernel_identity::session::{Origin, Sessions};
use kernel_storage::{Commit, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::error::Fault;
use sdk_contract::page::Place;
use sdk_contract::query::Query;
use serde_json::{Map, Value, json};
use tests_scratch::Scratch;

use super::support::{TestHost, usual};

pub(crate) const BANK: &str = "01930000-0000-7000-8000-000000000101";
pub(crate) const SITES: &str = "data.sites";
/// More than are between two saves.
pub(crate) const MANY: usize = 700;

pub(crate) struct City {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) test: TestHost,
    pub(crate) demo: Demo,
    pub(crate) sessions: Sessions,
}

pub(crate) fn guests() -> Option<PathBuf> {
    let found = std::env::var_os("RONGQIAO_GUESTS").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: RONGQIAO_GUESTS is not set");
    }
    found
}

/// Tells a story on `SQLite`, and on `PostgreSQL` where there is one.
pub(crate) async fn on_each_engine(story: impl AsyncFn(&City)) {
    let Some(guests) = guests() else { return };
    story(&City::open(&guests, None).await).await;
    let Some(server) = tests_scratch::server() else {
        println!("skipped on PostgreSQL: RONGQIAO_TEST_PG is not set");
        return;
    };
    let scratch = Scratch::create(&server, "transfer").await.unwrap();
    story(&City::open(&guests, Some(scratch.url())).await).await;
    scratch.remove().await.unwrap();
}

impl City {
    pub(crate) async fn open(guests: &Path, postgres: Option<String>) -> Self {
        let keys = KeyRing::open_or_create(&guests.join("keys"), None).unwrap();
        let code = KeptCode::open(&guests.join("code"), Arc::new(keys)).unwrap();
        let engines = Engines::keeping(Arc::new(code)).unwrap();
        let data = Arc::new(tempfile::tempdir().unwrap());
        let plugins = guests.join("plugins");
        let (clock, policy) = usual();
        let under = (Arc::clone(&clock), policy.clone());
        let test = TestHost::start(under, postgres, Arc::clone(&data), &plugins, engines).await;
        let keys = Arc::new(KeyRing::open_or_create(&data.path().join("keys"), None).unwrap());
        let store = test.host.store().clone();
        let sessions = Sessions::new(store, keys, policy);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let people = std::fs::read_to_string(root.join("host-config/demo.toml")).unwrap();
        let demo: Demo = toml::from_str(&people).unwrap();
        let now = test.host.clock().now().micros();
        demo::apply(test.host.store(), &sessions, &demo, data.path(), now)
            .await
            .unwrap();
        kernel_identity::posts::give_first(test.host.store(), now)
            .await
            .unwrap();
        let city = Self {
            clock,
            test,
            demo,
            sessions,
        };
        city.design_sites().await;
        city
    }

    pub(crate) fn host(&self) -> &Host {
        &self.test.host
    }

    pub(crate) async fn person(&self, login: &str) -> Principal {
        let user = self.demo.users.iter().find(|u| u.login == login).unwrap();
        let origin = Origin {
            request: "test",
            ip: "",
            locale: "zh-CN",
            now: self.host().clock().now().micros(),
        };
        let found = self.sessions.preview(&user.id, &user.organisation, origin);
        found.await.unwrap().unwrap()
    }

    pub(crate) async fn act(
        &self,
        p: &Principal,
        action: &str,
        id: Option<&str>,
        input: Value,
    ) -> Result<Value, Fault> {
        let (module, action) = action.split_once(':').unwrap();
        let act = Act {
            module: module.into(),
            action: action.into(),
            id: id.map(str::to_owned),
            input,
            ..Act::default()
        };
        self.host().act(p, act).await.map(|reply| reply.result)
    }

    /// Designs a table of sites, which enterprises keep, and has it approved.
    pub(crate) async fn design_sites(&self) {
        let (operator, security) = (self.person("operator").await, self.person("security").await);
        let table = json!({
            "name": "sites", "label": "经营场所", "title_name": "name", "title_label": "名称",
            "scope": "organisation", "readers": [], "writers": ["enterprise.owner"],
        });
        let made = self.act(&operator, "data:structure.create", None, table);
        let id = made.await.unwrap()["id"].as_str().unwrap().to_owned();
        for field in [
            json!({ "name": "kind", "label": "类型", "kind": "choice",
                "options": "office 办公\nplant 厂房", "required": true }),
            json!({ "name": "opened", "label": "启用日", "kind": "date", "required": true }),
            json!({ "name": "own", "label": "自有", "kind": "bool" }),
        ] {
            let added = self.act(&operator, "data:structure.add", Some(&id), field);
            added.await.unwrap();
        }
        let reason = json!({ "reason": "业务需要" });
        let asked = self.act(
            &operator,
            "data:structure.submit",
            Some(&id),
            reason.clone(),
        );
        let request = asked.await.unwrap()["request"].as_str().unwrap().to_owned();
        let approved = self.act(
            &security,
            "platform:request.approve",
            Some(&request),
            reason,
        );
        approved.await.unwrap();
        self.host().refresh_data().await.unwrap();
    }

    /// Begins an import of sites; gives the job's id.
    pub(crate) async fn import(&self, p: &Principal, name: &str, bytes: &[u8]) -> String {
        let file = self
            .host()
            .store_upload(p, name, bytes.to_vec())
            .await
            .unwrap();
        let input = json!({ "collection": SITES, "file": file });
        let begun = self
            .act(p, "console:job.import", None, input)
            .await
            .unwrap();
        begun["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn job(&self, p: &Principal, id: &str) -> Map<String, Value> {
        self.host().get(p, "console.jobs", id).await.unwrap()
    }

    pub(crate) async fn sites(&self) -> u64 {
        let all = Query::new(SITES).page(1, 1);
        let found = self.host().store().find(&all, &RowFilter::All).await;
        found.unwrap().total.unwrap()
    }

    /// Works until so many sites are there, and then as a machine does that fails.
    pub(crate) async fn fail_after(&self, sites: u64) {
        let reached = async {
            while self.sites().await < sites {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = self.host().run_jobs(Lane::Any) => panic!("it ended: {done:?}"),
            () = reached => {}
        }
    }

    /// As if the lease of a job had run out.
    pub(crate) async fn run_out(&self, id: &str) {
        let p = self.person("operator").await;
        let job = self.job(&p, id).await;
        let mut values = Map::new();
        values.insert("held_until".into(), "2026-11-23T07:00:00.000000Z".into());
        let commit = Commit {
            at: 1,
            module: "console".into(),
            writes: vec![Write::Update {
                collection: "jobs".into(),
                id: id.to_owned(),
                revision: job["revision"].as_i64().unwrap(),
                values,
            }],
            ..Commit::default()
        };
        self.host().store().commit(commit).await.unwrap();
    }

    pub(crate) async fn opened(
        &self,
        p: &Principal,
        job: &Map<String, Value>,
        field: &str,
    ) -> Result<RecordFile, Fault> {
        let at = Place {
            collection: "console.jobs".into(),
            id: job["id"].as_str().unwrap().into(),
            field: field.into(),
        };
        self.host().file(p, at, None).await
    }

    /// A file of a job, opened where it stands.
    pub(crate) async fn file(
        &self,
        p: &Principal,
        job: &Map<String, Value>,
        field: &str,
    ) -> String {
        let file = self.opened(p, job, field).await.unwrap();
        assert!(file.recorded, "whoever fetches it is recorded");
        let bytes = self.host().file_part(&file, 0..file.size).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

/// A file of so many sites, of which every tenth has a day that is none.
pub(crate) fn sites(rows: usize) -> String {
    let head = "\u{feff}名称,类型,启用日,own\r\n".to_owned();
    let line = |row: usize| {
        let day = if row % 10 == 9 { "没有" } else { "2027/1/5" };
        format!("网点 {row},办公,{day},是\r\n")
    };
    std::iter::once(head).chain((0..rows).map(line)).collect()
}
