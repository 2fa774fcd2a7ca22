use kernel_storage::{
    CollectionName, CommitError, Expected, Idempotency, RowFilter, StepDraft, Store,
};
use sdk_contract::call::Write;
use sdk_contract::query::Query;
use serde_json::{Value, json};

use crate::bench::{
    NOW, change, commit, get, id, object, on_each_engine, order, orders, put, shelf,
};

async fn refused(store: &Store, writes: Vec<Write>) -> CommitError {
    put(store, writes).await.unwrap_err()
}

#[tokio::test]
async fn an_update_is_based_on_a_revision() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put(
            &store,
            vec![order(2, json!({"status": "open", "lines": 1}))],
        )
        .await
        .unwrap();
        let done = put(
            &store,
            vec![change(2, 1, json!({"lines": 2, "status": null}))],
        )
        .await
        .unwrap();
        assert_eq!(
            (done.written[0].collection.clone(), done.written[0].revision),
            (orders(), 2)
        );
        let now = get(&store, 2).await.unwrap();
        assert_eq!(
            (&now["lines"], &now["status"], &now["revision"]),
            (&json!(2), &Value::Null, &json!(2))
        );

        match refused(&store, vec![change(2, 1, json!({"lines": 3}))]).await {
            CommitError::Stale { now, based, .. } => {
                assert_eq!((&now["lines"], based), (&json!(2), 1));
            }
            other => panic!("{other}"),
        }
        assert!(matches!(
            refused(&store, vec![change(7, 1, json!({}))]).await,
            CommitError::NotFound { .. }
        ));
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_second_learns_what_changed_and_no_secret() {
    const SECRETS: [&str; 2] = ["13800001234", "13900005678"];
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let first = json!({"status": "open", "lines": 1, "phone": SECRETS[0]});
        put(&store, vec![order(2, first)]).await.unwrap();
        let theirs = json!({"lines": 2, "phone": SECRETS[1]});
        let mut other = commit(vec![change(2, 1, theirs)]);
        other.by.name = "Bo".into();
        store.commit(other).await.unwrap();

        let error = refused(&store, vec![change(2, 1, json!({"lines": 3}))]).await;
        let CommitError::Stale { id, based, .. } = &error else {
            panic!("{error}")
        };
        let mut since = store.changes(&orders(), id).await.unwrap();
        since.retain(|c| c.revision > *based);
        assert_eq!(since.len(), 1);
        let theirs = &since[0];
        assert_eq!(theirs.by_name, "Bo");
        assert_eq!(theirs.before, Some(object(json!({"lines": 1}))));
        assert_eq!(theirs.after, object(json!({"lines": 2})));
        let told = format!("{error} {since:?}");
        assert!(SECRETS.iter().all(|s| !told.contains(s)), "{told}");
    })
    .await;
}

#[tokio::test]
async fn all_of_a_commit_or_nothing() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let e = refused(&store, vec![order(2, json!({})), change(7, 1, json!({}))]).await;
        assert!(matches!(e, CommitError::NotFound { .. }));
        assert_eq!(get(&store, 2).await, None);
    })
    .await;
}

#[tokio::test]
async fn bad_values_are_refused_by_field() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put(&store, vec![order(2, json!({}))]).await.unwrap();
        let cases = [
            (order(3, json!({"amount": 3.5})), "amount"),
            (order(3, json!({"placed": "2026-02-30"})), "placed"),
            (order(3, json!({"number": "a\0b"})), "number"),
            (order(3, json!({"number": null})), "number"),
            (order(3, json!({"shelf": "x"})), "shelf"),
            (order(3, json!({"phone": 1})), "phone"),
            (order(3, json!({"colour": "red"})), "colour"),
            (order(3, json!({"revision": 9})), "revision"),
            (change(2, 1, json!({"number": "N9"})), "number"),
            (change(2, 1, json!({"subject": id(1)})), "subject"),
        ];
        for (write, expected) in cases {
            match refused(&store, vec![write]).await {
                CommitError::Invalid { field, .. } => assert_eq!(field, expected),
                other => panic!("{expected}: {other}"),
            }
        }
        let mut ownerless = order(3, json!({}));
        if let Write::Insert { subject, .. } = &mut ownerless {
            *subject = None;
        }
        let e = refused(&store, vec![ownerless]).await;
        assert!(
            matches!(&e, CommitError::Invalid { field, .. } if field == "subject"),
            "{e}"
        );
        // The same value is no change of a frozen field.
        put(&store, vec![change(2, 1, json!({"number": "N2"}))])
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn unique_keys_and_ids_conflict_by_field() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let dated = json!({"placed": "2026-11-23", "lines": 1});
        put(&store, vec![order(2, dated.clone())]).await.unwrap();
        let fields = async |write| match refused(&store, vec![write]).await {
            CommitError::Conflict { fields, .. } => fields,
            other => panic!("{other}"),
        };
        assert_eq!(fields(order(3, json!({"number": "N2"}))).await, ["number"]);
        assert_eq!(fields(order(3, dated.clone())).await, ["placed", "lines"]);
        assert_eq!(fields(order(2, json!({"number": "N3"}))).await, ["id"]);
        assert_eq!(
            fields(crate::bench::order_of(
                2,
                9001,
                None,
                json!({"number": "N3"})
            ))
            .await,
            ["id"]
        );
        assert_eq!(fields(shelf(1)).await, ["id"]);
        put(&store, vec![order(4, json!({}))]).await.unwrap();
        assert_eq!(fields(change(4, 1, dated)).await, ["placed", "lines"]);
    })
    .await;
}

#[tokio::test]
async fn references_must_exist_by_the_end_of_the_commit() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let e = refused(&store, vec![order(2, json!({"shelf": id(5)}))]).await;
        assert!(
            matches!(&e, CommitError::BadReference { field, .. } if field == "shelf"),
            "{e}"
        );
        put(&store, vec![order(2, json!({"shelf": id(5)})), shelf(5)])
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_module_writes_its_own_collections_and_the_kernel_others() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let mut foreign = commit(vec![]);
        foreign.module = "other".into();
        foreign.writes = vec![shelf(5)];
        if let Write::Insert { collection, .. } = &mut foreign.writes[0] {
            *collection = "desk.shelves".into();
        }
        let e = store.commit(foreign.clone()).await.unwrap_err();
        assert!(matches!(e, CommitError::UnknownCollection(_)), "{e}");
        foreign.others = vec![("desk".into(), foreign.writes.remove(0))];
        store.commit(foreign).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_decision_rests_on_is_checked_again() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put(&store, vec![order(2, json!({"status": "open"}))])
            .await
            .unwrap();
        let mut next = commit(vec![order(3, json!({}))]);
        next.expected = vec![Expected {
            collection: orders(),
            id: id(2),
            field: "status".into(),
            value: json!("done"),
        }];
        match store.commit(next.clone()).await.unwrap_err() {
            CommitError::Unexpected { now, .. } => assert_eq!(*now, json!("open")),
            other => panic!("{other}"),
        }
        assert_eq!(get(&store, 3).await, None);
        put(&store, vec![change(2, 1, json!({"status": "done"}))])
            .await
            .unwrap();
        store.commit(next).await.unwrap();
        assert!(get(&store, 3).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn steps_and_changes_tell_a_records_story() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put(
            &store,
            vec![order(2, json!({"lines": 1, "phone": "13800001234"}))],
        )
        .await
        .unwrap();
        let step = |from: Option<&str>, to: &str, note: Option<&str>| StepDraft {
            collection: "orders".into(),
            id: id(2),
            action: format!("order.{to}"),
            from: from.map(str::to_owned),
            to: to.into(),
            note: note.map(str::to_owned),
        };
        let mut first = commit(vec![]);
        first.steps = vec![
            step(None, "open", None),
            step(Some("open"), "done", Some("因为")),
        ];
        store.commit(first).await.unwrap();
        let values = json!({"status": "done", "lines": 1, "phone": "13900001234"});
        let mut second = commit(vec![change(2, 1, values)]);
        second.action = "desk.order.finish".into();
        second.note = Some("到货".into());
        store.commit(second).await.unwrap();

        let steps = store.steps(&orders(), &id(2)).await.unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[1].from.as_deref(), Some("open"));
        assert_eq!(steps[1].note.as_deref(), Some("因为"));
        assert_eq!(
            (steps[1].by_name.as_str(), steps[1].at.as_str()),
            ("Ada", "2026-11-23T08:00:00.000000Z")
        );

        let changes = store.changes(&orders(), &id(2)).await.unwrap();
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[0].before, None);
        assert_eq!(
            changes[0].after,
            object(json!({"number": "N2", "lines": 1}))
        );
        // Only what changed, and never what is encrypted.
        assert_eq!(changes[1].before, Some(object(json!({"status": null}))));
        assert_eq!(changes[1].after, object(json!({"status": "done"})));
        assert_eq!((changes[1].revision, changes[1].at), (2, NOW));
        assert_eq!(changes[1].by_name, "Ada");
        assert_eq!(changes[1].action.as_deref(), Some("desk.order.finish"));
        assert_eq!(changes[1].note.as_deref(), Some("到货"));
        assert_eq!((&changes[0].action, &changes[0].note), (&None, &None));
        // Not audited: no history.
        let shelves = CollectionName::new("desk", "shelves");
        assert!(store.changes(&shelves, &id(1)).await.unwrap().is_empty());

        let mut lost = commit(vec![]);
        lost.steps = vec![StepDraft {
            id: id(77),
            ..step(None, "open", None)
        }];
        assert!(matches!(
            store.commit(lost).await.unwrap_err(),
            CommitError::NotFound { .. }
        ));
    })
    .await;
}

fn keyed(n: u32, key: &str, digest: &str) -> kernel_storage::Commit {
    let mut commit = commit(vec![order(n, json!({}))]);
    commit.idempotency = Some(Idempotency {
        key: key.into(),
        digest: digest.into(),
        reply: json!({"created": n}),
    });
    commit
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_the_first() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        assert_eq!(store.idempotent("k", &id(8000)).await.unwrap(), None);
        assert_eq!(
            store.commit(keyed(2, "k", "d")).await.unwrap().replayed,
            None
        );
        let again = store.commit(keyed(3, "k", "d")).await.unwrap();
        assert_eq!(again.replayed, Some(json!({"created": 2})));
        assert!(again.written.is_empty());
        assert_eq!(get(&store, 3).await, None);
        let e = store.commit(keyed(3, "k", "other")).await.unwrap_err();
        assert!(matches!(e, CommitError::KeyReused), "{e}");
        let known = store.idempotent("k", &id(8000)).await.unwrap().unwrap();
        assert_eq!(
            (known.digest.as_str(), known.reply),
            ("d", json!({"created": 2}))
        );

        // Another user's key is another key; a refused commit leaves none behind.
        let mut other = keyed(3, "k", "other");
        other.by.user = id(8001);
        assert_eq!(store.commit(other).await.unwrap().replayed, None);
        assert!(store.commit(keyed(3, "k2", "d")).await.is_err());
        assert_eq!(store.idempotent("k2", &id(8000)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn keys_of_long_ago_are_forgotten_slice_by_slice() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        // More than are looked at in one step, older and newer ones in turn.
        let keyed = |n: u32| {
            let mut commit = commit(Vec::new());
            commit.by.user = id(n % 7);
            commit.at = if n.is_multiple_of(2) { NOW } else { NOW - 10 };
            commit.idempotency = Some(Idempotency {
                key: format!("k-{n}"),
                digest: "d".into(),
                reply: json!(n),
            });
            commit
        };
        let all = (0..2100).map(|n| store.commit(keyed(n)));
        for done in futures_util::future::join_all(all).await {
            done.unwrap();
        }
        let known = async |n: u32| {
            let found = store.idempotent(&format!("k-{n}"), &id(n % 7)).await;
            found.unwrap().is_some()
        };
        assert_eq!(store.forget_keys(NOW - 10).await.unwrap(), 0);
        assert_eq!(store.forget_keys(NOW).await.unwrap(), 1050);
        for n in [0, 1, 999, 1000, 1001, 2098, 2099] {
            assert_eq!(known(n).await, n.is_multiple_of(2), "{n}");
        }
        assert_eq!(store.forget_keys(NOW).await.unwrap(), 0);
        // The request of a key that is forgotten is a new one.
        let again = store.commit(keyed(1)).await.unwrap();
        assert_eq!(again.replayed, None);
    })
    .await;
}

#[tokio::test]
async fn of_many_parallel_repeats_exactly_one_writes() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let all = (100..132).map(|n| store.commit(keyed(n, "once", "d")));
        let done = futures_util::future::join_all(all).await;
        let writers: Vec<_> = done
            .iter()
            .filter(|d| d.as_ref().unwrap().replayed.is_none())
            .collect();
        assert_eq!(writers.len(), 1);
        let first = writers[0].as_ref().unwrap().written[0].id.clone();
        let n: u32 = first[24..].parse().unwrap();
        assert!(
            done.iter()
                .filter_map(|d| d.as_ref().unwrap().replayed.clone())
                .all(|r| r == json!({"created": n}))
        );
        let found = store
            .find(&Query::new("desk.orders").page(1, 50), &RowFilter::All)
            .await
            .unwrap();
        assert_eq!(found.total, Some(1));
    })
    .await;
}

#[tokio::test]
async fn parallel_commits_stand_or_fall_alone() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put(&store, vec![order(500, json!({"lines": 0}))])
            .await
            .unwrap();
        // A third writes, a third repeats a taken number, a third races for one revision.
        let all = (0..60).map(|n| {
            let write = match n % 3 {
                0 => order(n + 10, json!({})),
                1 => order(n + 10, json!({"number": "N500"})),
                _ => change(500, 1, json!({"lines": n})),
            };
            put(&store, vec![write])
        });
        let done = futures_util::future::join_all(all).await;
        let ok = |k| done.iter().skip(k).step_by(3).filter(|d| d.is_ok()).count();
        assert_eq!((ok(0), ok(1), ok(2)), (20, 0, 1));
        assert!(
            done.iter()
                .skip(1)
                .step_by(3)
                .all(|d| matches!(d, Err(CommitError::Conflict { .. })))
        );
        assert!(
            done.iter()
                .skip(2)
                .step_by(3)
                .filter(|d| d.is_err())
                .all(|d| matches!(d, Err(CommitError::Stale { .. })))
        );
        let found = store
            .find(&Query::new("desk.orders").page(1, 50), &RowFilter::All)
            .await
            .unwrap();
        assert_eq!(found.total, Some(21));
        assert_eq!(get(&store, 500).await.unwrap()["revision"], json!(2));
    })
    .await;
}
