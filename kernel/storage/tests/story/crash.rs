//! Killed under load of a hundred writers, the store has every write it acknowledged and no half of
//! one.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kernel_crypto::keys::KeyRing;
use kernel_storage::{AuditDraft, NewEvent, RowFilter, Store, StoreUrl};
use sdk_contract::call::EventDraft;
use sdk_contract::query::{Aggregate, Measure};
use serde_json::json;

use crate::bench::{Bench, commit, get, id, on_each_engine, order, shelf};

const TOLD: &str = "RONGQIAO_TEST_CRASH";
/// Acknowledged writes to wait for before the kill.
const ENOUGH: usize = 300;

#[expect(
    clippy::disallowed_methods,
    reason = "how the parent tells its child where to write"
)]
pub(crate) fn told() -> Option<(StoreUrl, PathBuf)> {
    let told = std::env::var(TOLD).ok()?;
    let (keys, url) = told.split_once('\n')?;
    Some((url.parse().unwrap(), keys.into()))
}

/// The process that is killed; does nothing unless the test below starts it.
#[tokio::test]
#[ignore = "started by killed_under_load"]
async fn child() {
    let Some((url, keys)) = told() else { return };
    let keys = Arc::new(KeyRing::open_or_create(&keys, None).unwrap());
    let store = Store::open(&url, keys).await.unwrap();
    let next = AtomicU32::new(1000);
    let writers = (0..100).map(|_| async {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let mut both = commit(vec![
                order(n, json!({"shelf": id(n), "phone": "13800001234"})),
                shelf(n),
            ]);
            both.events = vec![NewEvent {
                id: id(n),
                draft: EventDraft {
                    name: "x".into(),
                    aggregate: id(n),
                    data: json!(n),
                },
            }];
            both.audit = vec![AuditDraft {
                object: id(n),
                ..AuditDraft::default()
            }];
            store.commit(both).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {n}").unwrap();
            out.flush().unwrap();
        }
    });
    let _: Vec<()> = futures_util::future::join_all(writers).await;
}

#[tokio::test]
async fn killed_under_load() {
    on_each_engine(killed).await;
}

/// Starts an ignored test of this program as a process of its own, on the bench's store.
pub(crate) fn start(test: &str, bench: &Bench) -> Child {
    let url = match &bench.url {
        StoreUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        StoreUrl::Postgres(url) => url.clone(),
    };
    let told = format!("{}\n{url}", bench.dir.path().join("keys").display());
    Command::new(std::env::current_exe().unwrap())
        .args([
            test,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(TOLD, told)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn killed(bench: &Bench) {
    bench.stocked().await.close().await;
    let mut child = start("crash::child", bench);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    while acknowledged.len() < ENOUGH {
        let Some(line) = lines.next() else {
            panic!("the child ended by itself")
        };
        acknowledged.extend(number(&line.unwrap()));
    }
    // SIGKILL: no handler, no flush.
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had printed before it died counts, too; the last line may be cut.
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|l| number(&l)));

    let store = bench.open().await;
    for n in &acknowledged {
        let order = get(&store, *n)
            .await
            .unwrap_or_else(|| panic!("{n} was acknowledged and is lost"));
        assert_eq!(order["phone"], json!("13800001234"));
    }
    // Nothing by halves: orders, their shelves, their audit records, their events.
    let orders = count(&store, "desk.orders").await;
    assert!(orders >= acknowledged.len() as u64);
    assert_eq!(count(&store, "desk.shelves").await, orders + 1);
    assert_eq!(store.audit_verify().await.unwrap(), orders);
    let mut events = BTreeSet::new();
    loop {
        let due = store.outbox_due(i64::MAX, 1000).await.unwrap();
        if due.is_empty() {
            break;
        }
        for due in due {
            store.outbox_done(&due.event.id, 1).await.unwrap();
            events.insert(due.event.id);
        }
    }
    assert_eq!(events.len() as u64, orders);
}

/// The number in a whole line `acknowledged N`; the test harness may print on the same line first.
fn number(line: &str) -> Option<u32> {
    line.rsplit_once("acknowledged ")
        .and_then(|(_, n)| n.parse().ok())
}

async fn count(store: &Store, collection: &str) -> u64 {
    let ask = Aggregate {
        collection: collection.into(),
        filter: None,
        group_by: vec![],
        measures: vec![Measure::Count],
        ..Aggregate::default()
    };
    let groups = store.aggregate(&ask, &RowFilter::All).await.unwrap();
    groups[0].measures[0].as_u64().unwrap()
}
