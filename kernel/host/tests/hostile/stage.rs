//! A host with a few test plugins on it, and what a tester does with them.

use std::sync::{Arc, OnceLock};

use kernel_host::clock::TestClock;
use kernel_host::{Act, Engines, Host, InstallError};
use kernel_identity::principal::Principal;
use kernel_identity::session::SessionPolicy;
use sdk_contract::call::{Ask, Reply};
use sdk_contract::error::Fault;
use sdk_contract::page::Page;
use sdk_contract::query::Query;
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::plugin_guest::{PluginGuest, SEEDED, TESTER};
use crate::support::{NOW, TestHost, person};

pub(crate) struct Stage {
    test: TestHost,
    plugins: tempfile::TempDir,
    tester: Principal,
    clock: Arc<TestClock>,
}

impl Stage {
    /// Starts with the plugin `calm` and these.
    pub(crate) async fn with(guests: &[PluginGuest]) -> Self {
        Self::on(engines(), guests).await
    }

    pub(crate) async fn on(engines: Engines, guests: &[PluginGuest]) -> Self {
        let plugins = tempfile::tempdir().unwrap();
        PluginGuest::calm("calm").put(plugins.path());
        for guest in guests {
            guest.put(plugins.path());
        }
        let data = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(TestClock::at(Timestamp(NOW)));
        let policy = SessionPolicy::default();
        let under = (Arc::clone(&clock), policy);
        let test = TestHost::start(under, None, data, plugins.path(), engines).await;
        Self {
            test,
            plugins,
            tester: person(TESTER),
            clock,
        }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.test.host
    }
    pub(crate) fn clock(&self) -> &TestClock {
        &self.clock
    }
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.plugins.path()
    }
    pub(crate) fn tester(&self) -> &Principal {
        &self.tester
    }

    /// Installs a plugin while the others serve; it must be refused, and nothing of it be there.
    pub(crate) async fn refuses(&self, guest: &PluginGuest) -> InstallError {
        guest.put(self.folder());
        self.refuses_folder(guest.id()).await
    }

    pub(crate) async fn refuses_folder(&self, id: &str) -> InstallError {
        let error = self.host().install(id).await.unwrap_err();
        assert!(
            !self.host().catalog().modules.contains_key(id),
            "{id} is in the catalogue"
        );
        self.calm_is_served().await;
        error
    }

    pub(crate) async fn page(&self, id: &str) -> Result<Page, Fault> {
        let ask = Ask {
            path: format!("/{id}/things"),
            ..Ask::default()
        };
        self.host().page(&self.tester, id, ask).await
    }

    /// Runs an action without input; `thing.add` has no record, the others act on the seeded one.
    pub(crate) async fn act(&self, id: &str, action: &str) -> Result<Reply, Fault> {
        let act = Act {
            module: id.into(),
            action: action.into(),
            id: (action != "thing.add").then(|| SEEDED.into()),
            input: json!({}),
            ..Act::default()
        };
        self.host().act(&self.tester, act).await
    }

    /// `thing.add` with this input and these confirmed fields.
    pub(crate) async fn add(
        &self,
        id: &str,
        input: Value,
        confirmed: &[&str],
    ) -> Result<Reply, Fault> {
        let act = Act {
            module: id.into(),
            action: "thing.add".into(),
            input,
            confirmed: confirmed.iter().map(|f| (*f).to_owned()).collect(),
            ..Act::default()
        };
        self.host().act(&self.tester, act).await
    }

    pub(crate) async fn calm_is_served(&self) {
        assert_eq!(self.page("calm").await.unwrap().title, "calm");
    }

    /// The seeded record of a plugin.
    pub(crate) async fn seeded(&self, id: &str) -> Map<String, Value> {
        self.host()
            .get(&self.tester, &format!("{id}.things"), SEEDED)
            .await
            .unwrap()
    }

    /// How many records a plugin has.
    pub(crate) async fn count(&self, id: &str) -> usize {
        let found = self
            .host()
            .find(&self.tester, Query::new(format!("{id}.things")))
            .await;
        found.unwrap().records.len()
    }
}

/// One for all hosts of a process, because a pool's address space is large.
pub(crate) fn engines() -> Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    ENGINES.get_or_init(|| Engines::new().unwrap()).clone()
}
