//! The database restarts, fills its disk, has two masters, and its clock steps back: nothing that
//! was acknowledged is lost, nothing is there by halves, and the service goes on by itself.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use kernel_crypto::chain::Break;
use kernel_storage::{
    AuditDraft, AuditFault, CommitError, NewEvent, Retry, RowFilter, StorageError, Store, StoreUrl,
};
use sdk_contract::call::EventDraft;
use sdk_contract::query::{Aggregate, Measure};
use serde_json::json;

use crate::bench::{
    Bench, NOW, change, commit, execute_on, get, id, on_each_engine, on_postgres, order, put, shelf,
};
use crate::server::Server;

/// Writers that go on until told, and remember what was acknowledged and what was not.
#[derive(Default)]
struct Load {
    next: AtomicU32,
    stop: AtomicBool,
    acknowledged: Mutex<BTreeSet<u32>>,
    refused: AtomicU32,
}

impl Load {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    async fn run(&self, store: &Store, writers: u32) {
        let writers = (0..writers).map(|_| async {
            while !self.stop.load(Ordering::Relaxed) {
                let n = 1000 + self.next.fetch_add(1, Ordering::Relaxed);
                let mut both = commit(vec![
                    order(
                        n,
                        json!({"shelf": id(n), "phone": "13800001234", "extra": filler(n)}),
                    ),
                    shelf(n),
                ]);
                both.audit = vec![AuditDraft {
                    object: id(n),
                    ..AuditDraft::default()
                }];
                match store.commit(both).await {
                    Ok(_) => drop(self.acknowledged.lock().unwrap().insert(n)),
                    // The store's failure, never a sentence about the record.
                    Err(CommitError::Storage(StorageError::Database { .. })) => {
                        self.refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(other) => panic!("{other}"),
                }
                tokio::task::yield_now().await;
            }
        });
        let _: Vec<()> = futures_util::future::join_all(writers).await;
    }

    /// Waits until as many more were acknowledged.
    async fn more(&self, count: usize) {
        let enough = self.acknowledged() + count;
        while self.acknowledged() < enough {
            tokio::task::yield_now().await;
        }
    }

    /// Every acknowledged commit is there, and each is whole.
    async fn verify(&self, store: &Store) {
        let all = self.acknowledged.lock().unwrap().clone();
        for n in &all {
            let order = get(store, *n).await;
            let order = order.unwrap_or_else(|| panic!("{n} was acknowledged and is lost"));
            assert_eq!(order["phone"], json!("13800001234"));
        }
        let orders = count(store, "desk.orders").await;
        assert!(orders >= all.len() as u64);
        assert_eq!(count(store, "desk.shelves").await, orders + 1);
        assert_eq!(store.audit_verify().await.unwrap(), orders);
    }
}

/// 8 KiB that do not compress, so that a disk fills.
fn filler(n: u32) -> String {
    let mut text = String::new();
    for part in 0..128 {
        let digest = kernel_crypto::sm3::digest(format!("{n} {part}").as_bytes());
        text.push_str(&digest.to_string());
    }
    text
}

async fn count(store: &Store, collection: &str) -> u64 {
    let ask = Aggregate {
        collection: collection.into(),
        measures: vec![Measure::Count],
        ..Aggregate::default()
    };
    let groups = store.aggregate(&ask, &RowFilter::All).await.unwrap();
    groups[0].measures[0].as_u64().unwrap()
}

#[tokio::test]
async fn every_connection_is_ended_again_and_again() {
    on_postgres(async |url| {
        let bench = Bench::at(StoreUrl::Postgres(url.into()));
        let store = bench.stocked().await;
        let load = Load::default();
        let ends = async {
            for _ in 0..8 {
                load.more(30).await;
                execute_on(
                    url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .await;
            }
            load.more(30).await;
            load.stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(load.run(&store, 16), ends);
        load.verify(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_database_is_killed_and_started_under_load() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let bench = Bench::at(StoreUrl::Postgres(server.url()));
    let store = bench.stocked().await;
    let load = Load::default();
    let restarts = async {
        for _ in 0..2 {
            load.more(50).await;
            server.restart().await;
        }
        load.more(50).await;
        load.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load.run(&store, 16), restarts);
    load.verify(&store).await;
    store.close().await;
}

const FULL: &str = "RONGQIAO_TEST_FULL_DIR";

#[expect(
    clippy::disallowed_methods,
    reason = "how the parent tells its child where to write"
)]
fn told() -> Option<std::path::PathBuf> {
    std::env::var(FULL).ok().map(Into::into)
}

/// The process whose files may not grow; does nothing unless the test below starts it.
#[tokio::test]
#[ignore = "started by a_full_disk_under_sqlite"]
async fn child() {
    let Some(dir) = told() else { return };
    let bench = Bench::at(StoreUrl::Sqlite(dir.join("store.db")));
    let store = bench.stocked().await;
    let load = Load::default();
    let bound = |most: &str| {
        let pid = std::process::id().to_string();
        let limit = format!("--fsize={most}:unlimited");
        let done = Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .status();
        assert!(done.unwrap().success());
    };
    let full = async {
        load.more(50).await;
        bound("2000000");
        while load.refused() < 50 {
            tokio::task::yield_now().await;
        }
        assert!(get(&store, 1000).await.is_some());
        bound("unlimited");
        load.more(50).await;
        load.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load.run(&store, 16), full);
    load.verify(&store).await;
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    store.close().await;
    let again = bench.open().await;
    load.verify(&again).await;
    again.close().await;
}

#[test]
fn a_full_disk_under_sqlite() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: prlimit (util-linux) is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // The signal of a file that may not grow is ignored, as servers do: the write fails instead.
    let done = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["faults::child", "--exact", "--ignored", "--test-threads=1"])
        .env(FULL, dir.path())
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success());
}

#[tokio::test]
async fn a_full_disk_under_postgres() {
    let Some(server) = Server::start().await else {
        return;
    };
    let bench = Bench::at(StoreUrl::Postgres(server.url()));
    let store = bench.stocked().await;
    let load = Load::default();
    let full = async {
        load.more(20).await;
        // No file may grow beyond this; the log's segments, 1 MiB, still fit.
        server.limit_files(Some(3 << 20));
        while load.refused() < 20 {
            tokio::task::yield_now().await;
        }
        // What is there can still be read.
        assert!(get(&store, 1000).await.is_some());
        server.limit_files(None);
        load.more(20).await;
        load.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load.run(&store, 16), full);
    load.verify(&store).await;
    store.close().await;
}

#[tokio::test]
async fn dj_16_two_nodes_write_one_record() {
    on_each_engine(async |bench| {
        let first = bench.stocked().await;
        put(&first, vec![order(2, json!({"lines": 0}))])
            .await
            .unwrap();
        let second = bench.open().await;
        // Each adds one, as often as it takes: no addition is lost.
        let add = async |store: &Store| {
            for _ in 0..10 {
                loop {
                    let now = get(store, 2).await.unwrap();
                    let lines = now["lines"].as_i64().unwrap() + 1;
                    let revision = now["revision"].as_i64().unwrap();
                    match put(store, vec![change(2, revision, json!({"lines": lines}))]).await {
                        Ok(_) => break,
                        Err(CommitError::Stale { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        };
        tokio::join!(add(&first), add(&second), add(&second));
        let now = get(&first, 2).await.unwrap();
        assert_eq!((&now["lines"], &now["revision"]), (&json!(30), &json!(31)));
        let history = first.changes(&crate::bench::orders(), &id(2)).await;
        assert_eq!(history.unwrap().len(), 31);
        // Both number one chain and one outbox without a gap.
        let audits = |store: &Store| {
            let store = store.clone();
            async move {
                for _ in 0..10 {
                    store
                        .audit_append(vec![AuditDraft::default()])
                        .await
                        .unwrap();
                }
            }
        };
        tokio::join!(audits(&first), audits(&second));
        assert_eq!(second.audit_verify().await.unwrap(), 20);
        first.close().await;
        second.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_steps_back_stops_nothing() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let day = 86_400_000_000;
        for (n, at) in [(2, NOW), (3, NOW - day), (4, NOW - day + 1)] {
            let mut all = commit(vec![order(n, json!({}))]);
            all.at = at;
            all.audit = vec![AuditDraft {
                at,
                ..AuditDraft::default()
            }];
            all.events = vec![NewEvent {
                id: id(n),
                draft: EventDraft {
                    name: "x".into(),
                    aggregate: id(1),
                    data: json!(n),
                },
            }];
            store.commit(all).await.unwrap();
        }
        // The chain goes by number, not by time; that the clock stepped back is found, and where.
        let backdated = store.audit_verify().await.unwrap_err();
        assert!(
            matches!(
                backdated,
                AuditFault::Broken(Break::Backdated { seq: 2, .. })
            ),
            "{backdated}"
        );
        // Events are due at once, in the order of their commits.
        let now = NOW - day + 2;
        for n in [2, 3, 4] {
            let due = store.outbox_due(now, 10).await.unwrap();
            assert_eq!((due.len(), &due[0].event.id), (1, &id(n)));
            // A retry put off by the clock of before does not wait for a day.
            let retry = Retry::At(if n == 2 { NOW + 1_000_000 } else { now });
            store.outbox_failed(&id(n), retry).await.unwrap();
            assert_eq!(store.outbox_due(now, 10).await.unwrap()[0].event.id, id(n));
            store.outbox_done(&id(n), now).await.unwrap();
        }
        // One that is put off for a minute waits.
        let mut later = commit(vec![]);
        later.events = vec![NewEvent {
            id: id(5),
            draft: EventDraft {
                name: "x".into(),
                aggregate: id(1),
                data: json!(5),
            },
        }];
        store.commit(later).await.unwrap();
        store
            .outbox_failed(&id(5), Retry::At(now + 60_000_000))
            .await
            .unwrap();
        assert!(store.outbox_due(now, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_reader_beside_it_does_not_stop_the_writer() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let reading = Store::open_reading(&bench.url, Arc::clone(&bench.keys));
        let reading = reading.await.unwrap();
        let load = Load::default();
        let looks = async {
            for _ in 0..5 {
                load.more(10).await;
                reading.contents().await.unwrap();
            }
            load.stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(load.run(&store, 8), looks);
        assert_eq!(load.refused(), 0);
        load.verify(&store).await;
    })
    .await;
}
