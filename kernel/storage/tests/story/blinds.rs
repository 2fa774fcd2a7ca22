//! The key of blind indexes is rotated and destroyed under load: what is looked for is found and what
//! must be unique is, at every moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel_crypto::keys::custody::Operation;
use kernel_crypto::keys::{Done, KeyRing};
use kernel_storage::{CommitError, RowFilter, Store, StoreUrl};
use sdk_contract::query::{Filter, Query};
use serde_json::json;

use crate::bench::{Bench, NOW, change, id, on_each_engine, on_postgres, order, put};
use crate::reseal::{both, custodians};
use crate::schema_life::{desk, ids};

const RECORDS: u32 = 900;

fn card(n: u32) -> String {
    format!("4111-{n}")
}

fn key(ring: &KeyRing) -> u32 {
    let list = ring.list();
    list.iter().rfind(|key| key.name == "blind").unwrap().number
}

async fn filled(bench: &Bench) -> Store {
    let store = bench.open().await;
    store.apply(&desk(), NOW).await.unwrap();
    let all: Vec<u32> = (2..2 + RECORDS).collect();
    for some in all.chunks(100) {
        let orders = some.iter().map(|n| order(*n, json!({"card": card(*n)})));
        put(&store, orders.collect()).await.unwrap();
    }
    store
}

fn rotate(ring: &KeyRing, people: &[kernel_crypto::keys::custody::CustodianKey; 2]) -> u32 {
    let operation = Operation::Rotate {
        key: "blind".into(),
    };
    match both(ring, people, operation) {
        Done::Rotated { number } => number,
        other => panic!("{other:?}"),
    }
}

async fn is_taken(store: &Store, n: u32, card: &str) {
    let taken = put(store, vec![order(n, json!({"card": card}))]).await;
    assert!(
        matches!(&taken, Err(CommitError::Conflict { fields, .. }) if *fields == ["card"]),
        "{card}: {taken:?}"
    );
}

#[tokio::test]
async fn a_blind_index_has_another_key_and_nobody_notices() {
    on_each_engine(async |bench| {
        let store = filled(bench).await;
        let people = custodians(bench);
        let old = key(&bench.keys);
        assert_eq!(store.indexed_by(old).await.unwrap(), u64::from(RECORDS));
        assert_eq!(store.reindex().await.unwrap(), 0);

        let new = rotate(&bench.keys, &people);
        // Before anything is made anew: the old key is in force yet.
        assert_eq!(ids(&store, Filter::eq("card", card(5))).await, [id(5)]);
        is_taken(&store, 9_000, &card(5)).await;

        let over = AtomicBool::new(false);
        let asking = async {
            let mut rounds = 0_u32;
            while !over.load(Ordering::Relaxed) {
                for n in [2, 300, 600, RECORDS + 1] {
                    assert_eq!(ids(&store, Filter::eq("card", card(n))).await, [id(n)]);
                    is_taken(&store, 9_001, &card(n)).await;
                    let other = vec![change(700, 1, json!({"card": card(n)}))];
                    let taken = put(&store, other).await;
                    assert!(
                        matches!(taken, Err(CommitError::Conflict { .. })),
                        "{taken:?}"
                    );
                }
                rounds += 1;
            }
            rounds
        };
        let writing = async {
            for n in (20..200).step_by(3) {
                let next = json!({"card": card(n + 50_000)});
                put(&store, vec![change(n, 1, next)]).await.unwrap();
                // What is given up is free at once, and taken again at once.
                put(&store, vec![order(n + 20_000, json!({"card": card(n)}))])
                    .await
                    .unwrap();
                is_taken(&store, 9_002, &card(n + 50_000)).await;
            }
        };
        let making = async {
            let made = store.reindex().await.unwrap();
            over.store(true, Ordering::Relaxed);
            made
        };
        let (rounds, (), made) = tokio::join!(asking, writing, making);
        assert!(rounds > 0 && made > 0);
        assert_eq!(store.reindex().await.unwrap(), 0);
        let all = u64::from(RECORDS) + 60;
        assert_eq!(store.indexed_by(old).await.unwrap(), 0);
        assert_eq!(store.indexed_by(new).await.unwrap(), all);

        both(&bench.keys, &people, Operation::Destroy { number: old });
        assert_eq!(ids(&store, Filter::eq("card", card(5))).await, [id(5)]);
        assert_eq!(
            ids(&store, Filter::eq("card", card(20))).await,
            [id(20_020)]
        );
        is_taken(&store, 9_003, &card(5)).await;

        // And once more: from one numbered key to another.
        rotate(&bench.keys, &people);
        assert_eq!(store.reindex().await.unwrap(), all);
        both(&bench.keys, &people, Operation::Destroy { number: new });
        store.close().await;
        let store = bench.open().await;
        assert_eq!(ids(&store, Filter::eq("card", card(5))).await, [id(5)]);
        is_taken(&store, 9_004, &card(5)).await;
    })
    .await;
}

#[tokio::test]
async fn two_nodes_of_which_one_has_not_heard_of_the_new_key_refuse_the_same_value() {
    on_postgres(async |url| {
        let bench = Bench::at(StoreUrl::Postgres(url.to_owned()));
        let one = filled(&bench).await;
        let people = custodians(&bench);
        // A process of its own, which has read the ring before the rotation.
        let ring = KeyRing::open_or_create(&bench.dir.path().join("keys"), None).unwrap();
        let other = Store::open(&bench.url, Arc::new(ring)).await.unwrap();
        rotate(&bench.keys, &people);

        let both_at_once = async |n: u32| {
            let value = format!("race-{n}");
            let of = |n: u32| vec![order(n, json!({"card": value}))];
            let (a, b) = tokio::join!(put(&one, of(n)), put(&other, of(n + 1)));
            let won = [a.is_ok(), b.is_ok()];
            assert!(won[0] != won[1], "{n}: {a:?} {b:?}");
            for store in [&one, &other] {
                let found = ids(store, Filter::eq("card", value.as_str())).await;
                assert_eq!(found.len(), 1, "{value}");
            }
        };
        let races = async {
            for n in (30_000..30_080).step_by(2) {
                both_at_once(n).await;
            }
        };
        let (made, ()) = tokio::join!(one.reindex(), races);
        made.unwrap();
        assert_eq!(one.reindex().await.unwrap(), 0);
        for n in [2, 500, RECORDS + 1] {
            assert_eq!(ids(&other, Filter::eq("card", card(n))).await, [id(n)]);
            is_taken(&other, 9_100, &card(n)).await;
        }
        let query = Query::new("desk.orders").filter(Filter::eq("card", card(2)));
        let found = other.find(&query, &RowFilter::All).await.unwrap();
        assert_eq!(found.records.len(), 1);
    })
    .await;
}
