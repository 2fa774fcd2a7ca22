//! Signed requests: a nonce is good once and a quota is one for all nodes.

use kernel_storage::{Admission, AuditDraft, AuditFilter, Call, Nonce, Quota, Store};

use crate::bench::{Bench, NOW, on_each_engine};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

fn call(app: &str, nonce: &str, at: i64, most: i64) -> Call {
    Call {
        app: app.into(),
        nonce: nonce.into(),
        nonce_ends_at: at + 10 * MINUTE,
        at,
        quotas: vec![Quota {
            seconds: 60,
            began: at - at % MINUTE,
            most,
        }],
        audit: AuditDraft {
            at,
            actor: app.into(),
            action: "api.call".into(),
            outcome: "ok".into(),
            ..AuditDraft::default()
        },
        replayed: "replayed".into(),
        exhausted: "exhausted".into(),
    }
}

async fn outcomes(store: &Store) -> Vec<String> {
    let filter = AuditFilter {
        action: Some("api.call".into()),
        ..AuditFilter::default()
    };
    let page = store.audit_find(&filter, 200, 0).await.unwrap();
    let records = page.records.into_iter().rev();
    records.map(|r| r.draft.outcome).collect()
}

fn used(admission: &Admission) -> i64 {
    match admission {
        Admission::Admitted(used) => used[0].used,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_nonce_is_good_once_also_after_a_restart() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.open().await;
        let first = store.admit(call("a", "n", NOW, 9)).await.unwrap();
        assert_eq!(used(&first), 1);
        let again = store.admit(call("a", "n", NOW + 1, 9)).await.unwrap();
        assert_eq!(again, Admission::Replayed);
        // Another app may choose the same.
        let other = store.admit(call("b", "n", NOW + 2, 9)).await.unwrap();
        assert_eq!(used(&other), 1);
        store.close().await;

        let store = bench.open().await;
        let later = store.admit(call("a", "n", NOW + 3, 9)).await.unwrap();
        assert_eq!(later, Admission::Replayed);
        // One that was not let in is not counted.
        let next = store.admit(call("a", "m", NOW + 4, 9)).await.unwrap();
        assert_eq!(used(&next), 2);
        assert_eq!(
            outcomes(&store).await,
            ["ok", "replayed", "ok", "replayed", "ok"],
            "one record a call"
        );
        store.audit_verify().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_nonce_is_forgotten_once_its_request_is_too_old() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.open().await;
        store.admit(call("a", "n", NOW, 9)).await.unwrap();
        let on_time = NOW + 10 * MINUTE;
        let replayed = store.admit(call("a", "n", on_time, 9)).await.unwrap();
        assert_eq!(replayed, Admission::Replayed);
        let after = store.admit(call("a", "n", on_time + 1, 9)).await.unwrap();
        assert_eq!(used(&after), 1);
    })
    .await;
}

fn single(nonce: &str, at: i64) -> Nonce {
    Nonce {
        of: "password".into(),
        nonce: nonce.into(),
        ends_at: NOW + 10 * MINUTE,
        at,
    }
}

#[tokio::test]
async fn dj_03_a_nonce_without_a_call_is_good_once_also_after_a_restart() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.open().await;
        assert!(store.claim(single("n", NOW)).await.unwrap());
        assert!(!store.claim(single("n", NOW + 1)).await.unwrap());
        assert!(store.claim(single("m", NOW + 1)).await.unwrap());
        let at_once = (0..8).map(|_| store.claim(single("o", NOW + 2)));
        let all = futures_util::future::join_all(at_once).await;
        assert_eq!(all.iter().filter(|new| *new.as_ref().unwrap()).count(), 1);
        // An app's nonces are its own.
        let call = store.admit(call("a", "n", NOW, 9)).await.unwrap();
        assert_eq!(used(&call), 1);
        store.close().await;

        let store = bench.open().await;
        assert!(!store.claim(single("n", NOW + 10 * MINUTE)).await.unwrap());
        // Nothing takes it for its age by now, so it need not be remembered.
        assert!(
            store
                .claim(single("n", NOW + 10 * MINUTE + 1))
                .await
                .unwrap()
        );
    })
    .await;
}

#[tokio::test]
async fn a_quota_is_counted_exactly_and_begins_anew() {
    on_each_engine(async |bench: &Bench| {
        let store = bench.open().await;
        let calls = (0..8).map(|n| {
            let store = store.clone();
            async move {
                store
                    .admit(call("a", &n.to_string(), NOW, 5))
                    .await
                    .unwrap()
            }
        });
        let all = futures_util::future::join_all(calls).await;
        let admitted = all.iter().filter(|a| matches!(a, Admission::Admitted(_)));
        assert_eq!(admitted.count(), 5);
        let refused = all.iter().filter(|a| matches!(a, Admission::Exhausted(_)));
        assert_eq!(refused.count(), 3);

        // A node whose clock is a little behind has no span of its own.
        let behind = store.admit(call("a", "x", NOW - MINUTE, 5)).await.unwrap();
        assert!(matches!(behind, Admission::Exhausted(_)), "{behind:?}");
        let next = store.admit(call("a", "y", NOW + MINUTE, 5)).await.unwrap();
        assert_eq!(used(&next), 1);
        // One that was hours ahead does not shut the app out for as long.
        store
            .admit(call("a", "z", NOW + 60 * MINUTE, 1))
            .await
            .unwrap();
        let back = store
            .admit(call("a", "w", NOW + 2 * MINUTE, 1))
            .await
            .unwrap();
        assert_eq!(used(&back), 1);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_count_together_and_know_each_others_nonces() {
    crate::bench::on_postgres(async |url| {
        let bench = Bench::at(kernel_storage::StoreUrl::Postgres(url.to_owned()));
        let (one, two) = (bench.open().await, bench.open().await);
        let calls = (0..12).map(|n| {
            let node = if n % 2 == 0 { &one } else { &two };
            node.admit(call("a", &n.to_string(), NOW, 7))
        });
        let all = futures_util::future::join_all(calls).await;
        let admitted = all
            .iter()
            .filter(|a| matches!(a, Ok(Admission::Admitted(_))));
        assert_eq!(admitted.count(), 7);
        let replayed = two.admit(call("a", "0", NOW, 7)).await.unwrap();
        assert_eq!(replayed, Admission::Replayed);
    })
    .await;
}
