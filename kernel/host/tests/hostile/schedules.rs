//! What the clock says is said once, whichever node looks, whoever is killed and wherever the clock
//! steps; and what fails is seen, and sent again.

use std::sync::Arc;

use kernel_host::clock::TestClock;
use kernel_host::{Act, Host};
use kernel_identity::principal::Principal;
use kernel_identity::session::SessionPolicy;
use kernel_storage::{AuditFilter, CollectionName, RowFilter};
use sdk_contract::call::Ask;
use sdk_contract::page::{Body, Datum, Page};
use sdk_contract::query::Query;
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};
use tests_scratch::Scratch;

use crate::plugin_guest::{PluginGuest, TRAPS, inserts};
use crate::stage::engines;
use crate::support::{NOW, TestHost, person};

const DAY: i64 = 24 * 3600;

/// A day's beginning is 06:00 in the city; the clock begins at 16:00.
fn daily(id: &str) -> PluginGuest {
    PluginGuest::calm(id).declares(|def| {
        def["schedules"] = json!([{
            "name": "day.began", "label": { "zh": "晨间盘点", "en": "" },
            "when": { "daily": { "hour": 6, "minute": 0 } },
        }]);
    })
}

/// Notices the first time it hears; a second one would be refused, since its id is taken.
fn heard_once(id: &str) -> PluginGuest {
    let values = json!({ "title": "盘点", "status": "draft" });
    let reply = json!({ "writes": [inserts("things", &values)] });
    daily(id).hear_says(reply.to_string())
}

/// What is left of a deployment when its nodes are gone, and what makes new ones.
struct Site {
    data: Arc<tempfile::TempDir>,
    plugins: tempfile::TempDir,
    clock: Arc<TestClock>,
    postgres: Option<String>,
}

impl Site {
    async fn node(&self) -> TestHost {
        let under = (Arc::clone(&self.clock), SessionPolicy::default());
        let data = Arc::clone(&self.data);
        let postgres = self.postgres.clone();
        TestHost::start(under, postgres, data, self.plugins.path(), engines()).await
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }
}

async fn on_each_engine(guests: &[PluginGuest], told: impl AsyncFn(&Site)) {
    let site = |postgres| {
        let plugins = tempfile::tempdir().unwrap();
        for guest in guests {
            guest.put(plugins.path());
        }
        Site {
            data: Arc::new(tempfile::tempdir().unwrap()),
            plugins,
            clock: Arc::new(TestClock::at(Timestamp(NOW))),
            postgres,
        }
    };
    told(&site(None)).await;
    let Some(server) = tests_scratch::server() else {
        println!("skipped: RONGQIAO_TEST_PG is not set");
        return;
    };
    let scratch = Scratch::create(&server, "schedules").await.unwrap();
    told(&site(Some(scratch.url()))).await;
    scratch.remove().await.unwrap();
}

async fn said(host: &Host) -> usize {
    host.run_schedules().await.unwrap()
}

/// Names of the events that wait, with the moment each stands for.
async fn waiting(host: &Host) -> Vec<(String, String)> {
    let due = host.store().outbox_due(i64::MAX, 10).await.unwrap();
    let slot = |data: &Value| data["slot"].as_str().unwrap_or_default().to_owned();
    due.iter()
        .map(|d| (d.event.name.clone(), slot(&d.event.data)))
        .collect()
}

async fn deliver(host: &Host) -> usize {
    kernel_messaging::once(host.store(), host).await.unwrap()
}

async fn things(host: &Host, plugin: &str) -> usize {
    let query = Query::new(format!("{plugin}.things"));
    let found = host.store().find(&query, &RowFilter::All).await;
    found.unwrap().records.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_one_event_whichever_node_looks() {
    let guests = [heard_once("early"), PluginGuest::calm("calm")];
    on_each_engine(&guests, async |site| {
        let (a, b) = (site.node().await, site.node().await);
        let (a, b) = (&a.host, &b.host);
        // What was over before it was first seen is not made up for.
        assert_eq!((said(a).await, said(b).await), (0, 0));
        assert_eq!(waiting(a).await, []);
        site.pass(DAY);
        let (first, second) = tokio::join!(a.run_schedules(), b.run_schedules());
        assert_eq!(first.unwrap() + second.unwrap(), 1);
        assert_eq!((said(a).await, said(b).await), (0, 0));
        let event = (
            "early.day.began".to_owned(),
            "2026-11-23T22:00:00.000000Z".to_owned(),
        );
        assert_eq!(waiting(a).await, std::slice::from_ref(&event));
        assert_eq!(b.listeners(&event.0), ["early"]);
        // While it waits, what comes joins it.
        site.pass(3 * DAY);
        assert_eq!((said(b).await, waiting(b).await), (0, vec![event]));
        assert_eq!(deliver(b).await, 1);
        assert_eq!(
            things(a, "early").await,
            2,
            "the seeded one, and what it heard"
        );
        assert_eq!(said(a).await, 1, "three days, once");
        assert_eq!(waiting(b).await[0].1, "2026-11-26T22:00:00.000000Z");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_kill_nor_a_clock_that_steps_back_has_a_moment_twice_or_never() {
    on_each_engine(&[heard_once("early")], async |site| {
        let node = site.node().await;
        said(&node.host).await;
        site.pass(DAY);
        assert_eq!(said(&node.host).await, 1);
        // Gone before it was delivered.
        drop(node);
        let node = site.node().await;
        let host = &node.host;
        assert_eq!((said(host).await, waiting(host).await.len()), (0, 1));
        site.pass(-2 * DAY);
        assert_eq!(said(host).await, 0);
        assert_eq!(deliver(host).await, 1);
        assert_eq!(said(host).await, 0, "the same day again");
        site.pass(2 * DAY);
        assert_eq!(said(host).await, 0, "and again");
        site.pass(DAY);
        assert_eq!(said(host).await, 1, "the next one");
        assert_eq!(things(host, "early").await, 2);
    })
    .await;
}

async fn page(host: &Host, role: &str) -> Page {
    let ask = Ask {
        path: "/console/schedules".into(),
        ..Ask::default()
    };
    host.page(&person(role), "console", ask).await.unwrap()
}

/// What the page says became of the only schedule, and how many events it says were given up.
async fn shown(host: &Host) -> (String, usize) {
    let page = page(host, "platform.operator").await;
    let table = |id: &str| match page.find_block(id).map(|b| &b.body) {
        Some(Body::Table(table)) => table.clone(),
        other => panic!("{id}: {other:?}"),
    };
    let Datum::Status(status) = table("schedules").rows[0].cells[4].clone() else {
        panic!("no status")
    };
    (status.label, table("dead").rows.len())
}

async fn press(host: &Host, verb: &str, id: Option<&str>, input: Value) {
    let act = Act {
        module: "console".into(),
        action: format!("schedule.{verb}"),
        id: id.map(str::to_owned),
        input,
        ..Act::default()
    };
    host.act(&person("platform.operator"), act).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_seen_and_sent_again_and_one_may_be_run_by_hand() {
    on_each_engine(&[daily("early").hear_runs(TRAPS)], async |site| {
        let node = site.node().await;
        let host = &node.host;
        said(host).await;
        assert_eq!(shown(host).await, ("尚未运行".into(), 0));
        site.pass(DAY);
        said(host).await;
        assert_eq!(shown(host).await, ("运行中".into(), 0));
        for _ in 0..20 {
            deliver(host).await;
            site.pass(120);
        }
        assert_eq!(shown(host).await, ("失败".into(), 1));
        // Put right, and sent again.
        heard_once("early").put(site.plugins.path());
        host.install("early").await.unwrap();
        let dead = host.store().outbox_dead(9).await.unwrap();
        press(host, "revive", None, json!({ "event": dead[0].event.id })).await;
        assert_eq!(deliver(host).await, 1);
        assert_eq!(shown(host).await, ("完成".into(), 0));
        assert_eq!(things(host, "early").await, 2);

        // Run by hand: an event of its own for the same moment, and the next one comes as ever.
        daily("early").put(site.plugins.path());
        host.install("early").await.unwrap();
        let all = Query::new("console.schedules");
        let row = host.store().find(&all, &RowFilter::All).await.unwrap();
        let (row, slot) = (row.records[0].clone(), row.records[0]["slot"].clone());
        press(host, "run", row["id"].as_str(), json!({})).await;
        assert_eq!(shown(host).await.0, "即将运行");
        assert_eq!((said(host).await, said(host).await), (1, 0));
        assert_eq!(deliver(host).await, 1);
        let name = CollectionName::new("console", "schedules");
        let now = host
            .store()
            .get(&name, row["id"].as_str().unwrap(), &RowFilter::All);
        let now = now.await.unwrap().unwrap();
        assert_eq!((&now["slot"], &now["asked_by"]), (&slot, &Value::Null));
        site.pass(DAY);
        assert_eq!(said(host).await, 1);

        for verb in ["run", "revive"] {
            let filter = AuditFilter {
                action: Some(format!("console.schedule.{verb}")),
                ..AuditFilter::default()
            };
            let kept = host.store().audit_find(&filter, 9, 0).await.unwrap();
            assert_eq!(kept.records.len(), 1, "{verb}");
        }
        let stranger = Principal::anonymous();
        let ask = Ask {
            path: "/console/schedules".into(),
            ..Ask::default()
        };
        assert!(host.page(&stranger, "console", ask).await.is_err());
        let read_only = page(host, "platform.auditor").await;
        let actions = |page: &Page| match page.find_block("schedules").map(|b| &b.body) {
            Some(Body::Table(table)) => table.rows[0].actions.len(),
            _ => 0,
        };
        assert_eq!(actions(&read_only), 0, "an auditor runs nothing");
        assert_eq!(actions(&page(host, "platform.operator").await), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_runs_nothing() {
    on_each_engine(&[heard_once("early")], async |site| {
        let manifest = site.plugins.path().join("early/plugin.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let edition = text.replace("kind = \"module\"", "kind = \"edition\"");
        std::fs::write(manifest, edition).unwrap();
        let node = site.node().await;
        let host = &node.host;
        said(host).await;
        site.pass(DAY);
        assert_eq!((said(host).await, waiting(host).await.len()), (0, 0));

        let all = Query::new("console.plugins");
        let rows = host.store().find(&all, &RowFilter::All);
        let rows = rows.await.unwrap().records;
        let row = rows.iter().find(|row| row["code"] == "early").unwrap();
        let switch = async |verb: &str| {
            let act = Act {
                module: "console".into(),
                action: format!("plugin.{verb}"),
                id: row["id"].as_str().map(str::to_owned),
                input: json!({}),
                ..Act::default()
            };
            host.act(&person("platform.operator"), act).await.unwrap();
        };
        switch("enable").await;
        assert_eq!(said(host).await, 0, "it begins with its next moment");
        site.pass(DAY);
        assert_eq!(said(host).await, 1);
        // Said, and then switched off before it was delivered.
        switch("disable").await;
        assert_eq!(deliver(host).await, 1);
        assert_eq!(things(host, "early").await, 1);
        site.pass(3 * DAY);
        assert_eq!(said(host).await, 0);
        switch("enable").await;
        assert_eq!(said(host).await, 1, "what was missed, once");
        assert_eq!(deliver(host).await, 1);
        assert_eq!(things(host, "early").await, 2);
    })
    .await;
}
