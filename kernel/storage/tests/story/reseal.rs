//! A key is rotated and destroyed under load, and nothing sealed is lost or stays behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel_crypto::keys::custody::{CustodianKey, Operation};
use kernel_crypto::keys::{Done, KeyRing, SealKey};
use kernel_storage::BlobStore;
use serde_json::json;

use crate::bench::{Bench, NOW, change, get, on_each_engine, order, put};

const RECORDS: u32 = 450;

/// What two custodians agree on.
pub(crate) fn both(ring: &KeyRing, people: &[CustodianKey; 2], operation: Operation) -> Done {
    let request = ring.request(operation, &people[0], NOW).unwrap();
    let approval = ring.approve(&request.id, &people[1], NOW).unwrap();
    ring.execute(approval, NOW).unwrap()
}

pub(crate) fn custodians(bench: &Bench) -> [CustodianKey; 2] {
    ["lin", "qiao"].map(|name| {
        let file = bench.dir.path().join(name);
        let key = CustodianKey::create(&file, name, "three quiet herons").unwrap();
        bench.keys.found(key.custodian().unwrap()).unwrap();
        key
    })
}

fn phone(n: u32) -> String {
    format!("138{n:08}")
}

#[tokio::test]
async fn mm_9_a_rotated_key_is_destroyed_under_load_and_nothing_is_lost() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let people = custodians(bench);
        let old = bench.keys.sealing_with(SealKey::Field);
        let all: Vec<u32> = (2..2 + RECORDS).collect();
        for some in all.chunks(50) {
            let orders = some.iter().map(|n| order(*n, json!({"phone": phone(*n)})));
            put(&store, orders.collect()).await.unwrap();
        }
        assert_eq!(store.sealed_by(old).await.unwrap(), u64::from(RECORDS));
        let blobs = BlobStore::open(bench.dir.path().join("blobs"), Arc::clone(&bench.keys));
        let (blobs, letter) = (blobs.unwrap(), b"a letter".to_vec());
        blobs.put("desk/letter", letter.clone()).await.unwrap();

        let resealed = AtomicBool::new(false);
        let writers = (0..4).map(|writer| {
            let (store, resealed, all) = (&store, &resealed, &all);
            async move {
                // Each has records of its own, so that nobody's revision moves under another.
                let own = all.iter().filter(|n| *n % 4 == writer);
                let mut written = Vec::new();
                for n in own {
                    let next = phone(n + 10_000);
                    put(store, vec![change(*n, 1, json!({"phone": next}))])
                        .await
                        .unwrap();
                    written.push(*n);
                    if resealed.load(Ordering::Relaxed) {
                        break;
                    }
                }
                written
            }
        });
        let rotated = async {
            let Done::Rotated { number } = both(
                &bench.keys,
                &people,
                Operation::Rotate {
                    key: "field".into(),
                },
            ) else {
                panic!("no rotation");
            };
            assert!(bench.keys.opens_older(SealKey::Field));
            let exchanged = store.reseal().await.unwrap();
            resealed.store(true, Ordering::Relaxed);
            (number, exchanged)
        };
        let (written, (new, exchanged)) =
            tokio::join!(futures_util::future::join_all(writers), rotated);
        assert!(exchanged > 0);
        // What a writer sealed just before it saw the new key.
        store.reseal().await.unwrap();
        assert_eq!(store.sealed_by(old).await.unwrap(), 0);
        assert_eq!(store.sealed_by(new).await.unwrap(), u64::from(RECORDS));
        assert_eq!(store.reseal().await.unwrap(), 0);

        assert_eq!(blobs.rewrap().await.unwrap(), 1);
        assert_eq!(blobs.rewrap().await.unwrap(), 0);

        both(&bench.keys, &people, Operation::Destroy { number: old });
        assert_eq!(blobs.get("desk/letter").await.unwrap(), Some(letter));
        let written = written.concat();
        assert!(!written.is_empty());
        for n in all {
            let now = get(&store, n).await.unwrap();
            let (number, revision) = if written.contains(&n) {
                (n + 10_000, 2)
            } else {
                (n, 1)
            };
            assert_eq!(
                (&now["phone"], &now["revision"]),
                (&json!(phone(number)), &json!(revision)),
                "of record {n}"
            );
        }
    })
    .await;
}
