//! Checks that hold for every plugin and every model there is, generated from their declarations:
//! nothing here names one. `RONGQIAO_GUESTS` is the folder of built guests
//! (`plugins/<name>/{component.wasm,plugin.toml}`, `models/*.wasm`).
//!
//! `UPDATE_LOCKS=1` writes `plugins/<name>/schema.lock.json` instead of comparing it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::similar_names,
    reason = "a test stops at the first surprise, and says what it skips"
)]

#[path = "plugins/pages.rs"]
mod pages;
#[path = "plugins/plant.rs"]
mod plant;
#[path = "plugins/rows.rs"]
mod rows;
#[path = "support/host.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_host::{Act, Engines, Host, Installed, KeptCode};
use kernel_identity::decide::decide;
use kernel_identity::demo::{Demo, DemoOrganisation, DemoUser};
use kernel_identity::principal::{ANYONE, Principal, SIGNED_IN};
use kernel_storage::RowFilter;
use sdk_contract::call::Ask;
use sdk_contract::def::{Level, ModuleDef, PermissionDef, RowScope};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::{Body, Page, check};
use sdk_contract::query::{Aggregate, Measure, Query};
use sdk_contract::validate;
use serde_json::json;

use support::{TestHost, person};

/// An id that no record has.
const NOWHERE: &str = "01930000-0000-7000-8000-0000000fffff";

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration file"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The built guests; says so where there are none.
fn guests() -> Option<PathBuf> {
    let found = setting("RONGQIAO_GUESTS").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: RONGQIAO_GUESTS is not set");
    }
    found
}

/// Engines that keep what they compile beside the guests, for all tests that run them.
fn engines(guests: &Path) -> Engines {
    let keys = KeyRing::open_or_create(&guests.join("keys"), None).unwrap();
    let code = KeptCode::open(&guests.join("code"), Arc::new(keys)).unwrap();
    Engines::keeping(Arc::new(code)).unwrap()
}

/// Every real plugin installed, editions switched on everywhere, and the people of the demo.
struct City {
    test: TestHost,
    people: Vec<Principal>,
}

impl City {
    async fn open(guests: &Path) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let test = TestHost::start(
            support::usual(),
            None,
            data,
            &guests.join("plugins"),
            engines(guests),
        )
        .await;
        let text = std::fs::read_to_string(root().join("host-config/demo.toml")).unwrap();
        let demo: Demo = toml::from_str(&text).unwrap();
        let people = demo
            .users
            .iter()
            .map(|user| principal(&demo, user))
            .collect();
        let city = Self { test, people };
        city.enable_editions().await;
        city
    }

    fn host(&self) -> &Host {
        &self.test.host
    }

    /// The modules made from components: all but the kernel's own, which is checked too.
    fn modules(&self) -> BTreeMap<String, Arc<Installed>> {
        self.host().catalog().modules.clone()
    }

    /// Those of the demo's people whom a permission is granted to.
    fn granted<'a>(
        &'a self,
        def: &'a ModuleDef,
        permission: &'a str,
    ) -> impl Iterator<Item = &'a Principal> {
        let declared = def.permission(permission).unwrap();
        self.people
            .iter()
            .filter(|p| decide(p, &def.id, declared).allowed())
    }

    async fn enable_editions(&self) {
        let operator = self
            .people
            .iter()
            .find(|p| p.has_role("platform.operator"))
            .unwrap();
        let found = self
            .host()
            .find(operator, Query::new("console.plugins").limit(200))
            .await
            .unwrap();
        for row in found.records {
            let code = row["code"].as_str().unwrap();
            if self.modules().get(code).is_some_and(|m| m.is_edition()) {
                let act = Act {
                    module: "console".into(),
                    action: "plugin.enable".into(),
                    id: row["id"].as_str().map(str::to_owned),
                    input: json!({}),
                    ..Act::default()
                };
                self.host().act(operator, act).await.unwrap();
            }
        }
    }
}

/// A demo user as they are after signing in.
fn principal(demo: &Demo, user: &DemoUser) -> Principal {
    let own = demo
        .organisations
        .iter()
        .find(|o| o.id == user.organisation)
        .unwrap();
    let below = |o: &&DemoOrganisation| o.id == own.id || o.parent.as_ref() == Some(&own.id);
    Principal {
        user: Some(user.id.clone()),
        login: user.login.clone(),
        name: user.name.clone(),
        roles: user.roles.clone(),
        clearance: Level::L4,
        organisation: Some(own.id.clone()),
        organisation_name: own.name.clone(),
        organisation_kind: own.kind.clone(),
        organisations: demo
            .organisations
            .iter()
            .filter(below)
            .map(|o| o.id.clone())
            .collect(),
        subject: (own.kind == "subject").then(|| own.id.clone()),
        district: own.district.clone(),
        request: "test".into(),
        ..Principal::anonymous()
    }
}

fn granted_to(permission: &PermissionDef, roles: &[&str]) -> bool {
    permission
        .grants
        .iter()
        .any(|g| roles.contains(&g.role.as_str()))
}

/// What a caller without the right role must hear; none when everybody is meant to get through.
struct Refusal<'a> {
    what: String,
    permission: &'a PermissionDef,
}

impl Refusal<'_> {
    /// The anonymous are asked to sign in.
    fn anonymous<T>(&self, heard: Result<T, Fault>) {
        if granted_to(self.permission, &[ANYONE]) {
            return;
        }
        let fault = heard
            .err()
            .unwrap_or_else(|| panic!("{}: open to the anonymous", self.what));
        assert_eq!(
            (fault.kind, fault.code.as_str()),
            (FaultKind::Forbidden, "unauthenticated"),
            "{}",
            self.what
        );
    }

    /// Somebody else's role is told no, or that there is nothing.
    fn stranger<T>(&self, heard: Result<T, Fault>) {
        if granted_to(self.permission, &[ANYONE, SIGNED_IN]) {
            return;
        }
        let fault = heard
            .err()
            .unwrap_or_else(|| panic!("{}: open to every role", self.what));
        let refused = matches!(fault.kind, FaultKind::Forbidden | FaultKind::NotFound);
        assert!(
            refused && fault.code != "unauthenticated",
            "{}: {fault:?}",
            self.what
        );
    }
}

/// One test, because installing every plugin costs more than all the checks.
#[tokio::test(flavor = "multi_thread")]
async fn dj_07_every_plugin_keeps_the_rules() {
    let Some(guests) = guests() else { return };
    let city = City::open(&guests).await;
    everything_refuses_the_anonymous_and_the_wrong_role(&city).await;
    every_page_draws_for_everybody_it_is_granted_to(&city).await;
    everybodys_home_page_is_whole(&city).await;
    declarations_are_valid_and_frozen(&city);
    let planted = plant::everywhere(city.host()).await;
    assert!(planted.len() > 15, "{} collections", planted.len());
    let asked = rows::only_what_is_declared(city.host(), &planted).await;
    assert!(asked.refused > 100, "{} were refused", asked.refused);
    let asked = pages::only_for_whom_they_are(city.host(), &planted).await;
    assert!(asked.pages.len() > 17, "{:?}", asked.pages);
    assert!(asked.drawn > 30, "{} were drawn", asked.drawn);
    assert!(asked.refused > 150, "{} were refused", asked.refused);
    assert!(asked.told > 0, "no page tells of what is guarded");
    assert!(asked.guarded > asked.told, "{} told", asked.told);
}

/// Whoever counts over everybody is not told of few; the few themselves are counted for their owner.
#[tokio::test(flavor = "multi_thread")]
async fn pi_04_a_count_over_everybody_does_not_tell_of_few() {
    let Some(guests) = guests() else { return };
    let city = City::open(&guests).await;
    let (mut kept_back, mut owned) = (0, 0);
    for (id, installed) in city.modules() {
        let def = &installed.def;
        for collection in &def.collections {
            let Some(least) = collection.suppress_below.map(u64::from) else {
                continue;
            };
            let read = def.permission(&collection.read).unwrap();
            for p in city.granted(def, &collection.read) {
                let name = format!("{id}.{}", collection.name);
                let found = city.host().find(p, Query::new(&name).page(1, 1)).await;
                let rows = found.unwrap().total.unwrap();
                let count = Aggregate::new(&name, vec![Measure::Count]);
                let group = city.host().aggregate(p, count).await.unwrap().remove(0);
                let few = (1..least).contains(&rows);
                let ones_own = |scope| matches!(scope, RowScope::Own | RowScope::Organisation);
                let mut grants = read.grants.iter().filter(|g| p.has_role(&g.role));
                let owns = grants.all(|g| ones_own(g.scope));
                let hidden = few && !owns;
                let shown = if hidden { json!(null) } else { json!(rows) };
                let counted = (group.suppressed, &group.measures[0]);
                assert_eq!(counted, (hidden, &shown), "{name} by {}", p.name);
                kept_back += u32::from(hidden);
                owned += u32::from(few && owns);
            }
        }
    }
    assert!(kept_back > 0 && owned > 0, "{kept_back}, {owned}");
}

/// Said again without the rule that admission goes by, of the platform's own modules too.
#[tokio::test(flavor = "multi_thread")]
async fn ds_01_every_guarded_field_of_every_plugin_has_a_level() {
    let Some(guests) = guests() else { return };
    let city = City::open(&guests).await;
    let mut guarded = 0;
    for (id, installed) in city.modules() {
        for c in &installed.def.collections {
            for f in &c.fields {
                let open = !f.encrypted && f.mask.is_none();
                let at = format!("{id}.{}.{}", c.name, f.name);
                assert!(open || f.level.is_some(), "{at} has no level");
                guarded += u32::from(!open);
            }
        }
    }
    assert!(guarded > 30, "{guarded} are guarded");
}

/// The same of what sensitive data is kept for.
#[tokio::test(flavor = "multi_thread")]
async fn dj_18_every_sensitive_field_of_every_plugin_is_kept_for_a_purpose() {
    let Some(guests) = guests() else { return };
    let city = City::open(&guests).await;
    let mut sensitive = 0;
    for (id, installed) in city.modules() {
        for c in &installed.def.collections {
            if !c.fields.iter().any(|f| f.class() >= Some(Level::L3)) {
                continue;
            }
            let purpose = c.retention.as_ref().map(|r| r.purpose.trim());
            let said = purpose.is_some_and(|purpose| !purpose.is_empty());
            assert!(said, "{id}.{}: kept for what, and how long", c.name);
            sensitive += 1;
        }
    }
    assert!(sensitive > 8, "{sensitive} are sensitive");
}

/// The plugins that are for tests alone have what no other has yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_test_plugins_declare_keeps_the_rules_too() {
    let Some(guests) = guests() else { return };
    let data = Arc::new(tempfile::tempdir().unwrap());
    let plugins = guests.join("test-plugins");
    let test = TestHost::start(support::usual(), None, data, &plugins, engines(&guests)).await;
    let planted = plant::everywhere(&test.host).await;
    let asked = rows::only_what_is_declared(&test.host, &planted).await;
    assert!(asked.files > 50, "{} files", asked.files);
    let asked = pages::only_for_whom_they_are(&test.host, &planted).await;
    let of_loans = "/example/loans/{id}".to_owned();
    assert!(asked.pages.contains(&of_loans), "{:?}", asked.pages);
}

fn declarations_are_valid_and_frozen(city: &City) {
    let update = setting("UPDATE_LOCKS").is_some();
    let mut drifted = Vec::new();
    // Installing has described each of them twice, with every import closed.
    for (id, installed) in city.modules() {
        assert_eq!(
            validate::faults(&installed.def),
            Vec::<String>::new(),
            "{id}"
        );
        if installed.manifest.is_none() {
            continue;
        }
        let lock = root().join("plugins").join(&id).join("schema.lock.json");
        let declared = serde_json::to_string_pretty(&installed.def).unwrap() + "\n";
        if update {
            std::fs::write(lock, declared).unwrap();
        } else if std::fs::read_to_string(lock).ok().as_deref() != Some(&declared) {
            drifted.push(id);
        }
    }
    assert!(
        drifted.is_empty(),
        "{drifted:?} differ from their schema.lock.json; review, then UPDATE_LOCKS=1"
    );
}

async fn everything_refuses_the_anonymous_and_the_wrong_role(city: &City) {
    let host = city.host();
    let (nobody, stranger) = (Principal::anonymous(), person("nobodys.role"));
    for (id, installed) in city.modules() {
        let def = &installed.def;
        let refusal = |what: String, permission: &str| Refusal {
            what,
            permission: installed.def.permission(permission).unwrap(),
        };
        for page in &def.pages {
            let refusal = refusal(format!("page {}", page.path), &page.permission);
            refusal.anonymous(host.page(&nobody, &id, ask(&page.path)).await);
            refusal.stranger(host.page(&stranger, &id, ask(&page.path)).await);
        }
        for collection in &def.collections {
            let name = format!("{id}.{}", collection.name);
            let refusal = refusal(format!("collection {name}"), &collection.read);
            refusal.anonymous(host.find(&nobody, Query::new(&name)).await);
            refusal.stranger(host.find(&stranger, Query::new(&name)).await);
            refusal.anonymous(host.get(&nobody, &name, NOWHERE).await);
            refusal.stranger(host.get(&stranger, &name, NOWHERE).await);
            refusal.anonymous(host.steps(&nobody, &name, NOWHERE).await);
        }
        for action in &def.actions {
            let refusal = refusal(format!("action {id}.{}", action.name), &action.permission);
            let act = || Act {
                module: id.clone(),
                action: action.name.clone(),
                id: action.record.then(|| NOWHERE.into()),
                input: json!({}),
                ..Act::default()
            };
            refusal.anonymous(host.act(&nobody, act()).await);
            refusal.stranger(host.act(&stranger, act()).await);
        }
    }
}

/// A request for a declared page, with every `{name}` of its path naming a record that is not there.
fn ask(path: &str) -> Ask {
    let names = path
        .split('/')
        .filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    Ask {
        path: path.into(),
        params: names
            .map(|name| (name.to_owned(), NOWHERE.to_owned()))
            .collect(),
        ..Ask::default()
    }
}

async fn every_page_draws_for_everybody_it_is_granted_to(city: &City) {
    let schema = serde_json::from_str(include_str!("../../../wit/plugin/page.schema.json"));
    let schema = jsonschema::validator_for(&schema.unwrap()).unwrap();
    for (id, installed) in city.modules() {
        for page in &installed.def.pages {
            let nobody = Principal::anonymous();
            let open = granted_to(
                installed.def.permission(&page.permission).unwrap(),
                &[ANYONE],
            );
            let callers = city
                .granted(&installed.def, &page.permission)
                .chain(open.then_some(&nobody));
            for caller in callers {
                let ask = ask(&page.path);
                let who = format!("{} for {:?}", page.path, caller.login);
                let asks_for_nothing = !ask.params.is_empty();
                match city.host().page(caller, &id, ask).await {
                    Ok(drawn) => {
                        check(&drawn).unwrap_or_else(|fault| panic!("{who}: {fault}"));
                        let document = serde_json::to_value(drawn).unwrap();
                        let faults: Vec<String> = schema
                            .iter_errors(&document)
                            .map(|error| format!("{}: {error}", error.instance_path()))
                            .collect();
                        assert_eq!(faults, Vec::<String>::new(), "{who}");
                    }
                    // A record that is not there is not there.
                    Err(fault) if asks_for_nothing => {
                        assert_eq!(fault.kind, FaultKind::NotFound, "{who}: {fault:?}");
                    }
                    Err(fault) => panic!("{who}: {fault:?}"),
                }
            }
        }
    }
}

async fn everybodys_home_page_is_whole(city: &City) {
    let nobody = Principal::anonymous();
    for person in city.people.iter().chain([&nobody]) {
        let home = city.host().home(person).await.unwrap();
        check(&home).unwrap_or_else(|fault| panic!("{}: {fault}", person.login));
        assert_eq!(missing(&home), Vec::<&str>::new(), "{}", person.login);
    }
}

/// Notices that stand in for blocks that failed.
fn missing(home: &Page) -> Vec<&str> {
    let notices = home.blocks().filter_map(|b| match &b.body {
        Body::Notice(notice) => Some(notice.text.as_str()),
        _ => None,
    });
    notices
        .filter(|text| text.contains("暂时无法显示"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn al_01_every_model_passes_its_golden_cases() {
    let Some(guests) = guests() else { return };
    let Ok(folder) = std::fs::read_dir(guests.join("models")) else {
        println!("skipped: no models are built");
        return;
    };
    let engines = engines(&guests);
    let pool = kernel_host::models::Pool::new(engines.models.clone());
    for entry in folder {
        let path = entry.unwrap().path();
        let model = pool.admit(std::fs::read(&path).unwrap()).await;
        let model = model.unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        let report = pool.report(&model).await.unwrap();
        assert!(report.passed(), "{}: {:?}", path.display(), report.golden);
    }
}

/// Whoever may read a record reads its history, masked as the record is; nobody else does.
#[tokio::test]
async fn a_history_shows_what_its_record_shows() {
    let Some(guests) = guests() else { return };
    let city = City::open(&guests).await;
    let host = city.host();
    let mut seen = 0;
    for (module, installed) in city.modules() {
        for c in installed.def.collections.iter().filter(|c| c.audited) {
            let name = format!("{module}.{}", c.name);
            let all = Query::new(&name).limit(5);
            let all = host.store().find(&all, &RowFilter::All).await.unwrap();
            for id in all.records.iter().map(|r| r["id"].as_str().unwrap()) {
                for p in &city.people {
                    let record = host.get(p, &name, id).await;
                    let past = host.history(p, &name, id).await;
                    let (record, past) = match (record, past) {
                        (Ok(record), Ok(past)) => (record, past),
                        (Err(get), Err(history)) => {
                            assert_eq!(get.kind, history.kind, "{name} {}", p.login);
                            continue;
                        }
                        (get, history) => panic!("{name} {}: {get:?}, {history:?}", p.login),
                    };
                    seen += 1;
                    assert_eq!(past[0].before, None);
                    let last = past.iter().flat_map(|change| &change.after);
                    let last: BTreeMap<_, _> = last.collect();
                    for (field, value) in last {
                        let shown = record.get(field).unwrap();
                        assert_eq!(value, shown, "{name}.{field} {}", p.login);
                    }
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
