use std::time::Duration;

use kernel_storage::{Delivery, NewEvent, Retry, Store};
use sdk_contract::call::EventDraft;
use serde_json::json;

use crate::bench::{NOW, commit, id, on_each_engine, order};

/// Commits the events as `(number, aggregate)` in one go.
async fn publish(store: &Store, events: &[(u32, &str)]) {
    let mut commit = commit(vec![]);
    commit.events = events
        .iter()
        .map(|(n, aggregate)| NewEvent {
            id: id(*n),
            draft: EventDraft {
                name: "order.placed".into(),
                aggregate: (*aggregate).into(),
                data: json!({"n": n}),
            },
        })
        .collect();
    store.commit(commit).await.unwrap();
}

async fn due(store: &Store, now: i64) -> Vec<String> {
    store
        .outbox_due(now, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|d| d.event.id)
        .collect()
}

#[tokio::test]
async fn events_come_in_order_within_an_aggregate() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        publish(&store, &[(1, "a"), (2, "b"), (3, "a")]).await;
        publish(&store, &[(4, "c")]).await;
        // Also for a node whose clock is behind.
        assert_eq!(due(&store, NOW - 1).await, [id(1), id(2), id(4)]);
        assert_eq!(due(&store, NOW).await, [id(1), id(2), id(4)]);

        let first = &store.outbox_due(NOW, 1).await.unwrap()[0];
        assert_eq!(first.event.name, "desk.order.placed");
        assert_eq!(
            (first.event.at, first.event.data.clone()),
            (NOW, json!({"n": 1}))
        );

        store
            .outbox_failed(&id(1), Retry::At(NOW + 60))
            .await
            .unwrap();
        assert_eq!(due(&store, NOW).await, [id(2), id(4)], "3 waits for 1");
        assert_eq!(store.outbox_due(NOW + 60, 1).await.unwrap()[0].attempts, 1);

        store.outbox_failed(&id(1), Retry::Dead).await.unwrap();
        store.outbox_done(&id(2), NOW).await.unwrap();
        assert_eq!(
            due(&store, NOW + 60).await,
            [id(3), id(4)],
            "a dead event blocks nobody"
        );
        let dead = store.outbox_dead(10).await.unwrap();
        assert_eq!(
            (dead.len(), dead[0].event.id.as_str(), dead[0].attempts),
            (1, id(1).as_str(), 2)
        );

        store.outbox_failed(&id(1), Retry::At(NOW)).await.unwrap();
        assert_eq!(
            due(&store, NOW).await,
            [id(1), id(4)],
            "replayed, and in order again"
        );
    })
    .await;
}

#[tokio::test]
async fn a_refused_commit_publishes_nothing_and_a_good_one_wakes_the_relay() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let woken =
            async || tokio::time::timeout(Duration::from_millis(20), store.wake().notified()).await;

        let mut refused = commit(vec![order(2, json!({"colour": "red"}))]);
        refused.events = vec![NewEvent {
            id: id(9),
            draft: EventDraft {
                name: "x".into(),
                aggregate: "a".into(),
                data: json!(null),
            },
        }];
        assert!(store.commit(refused).await.is_err());
        assert_eq!(due(&store, NOW).await, [""; 0]);
        assert!(woken().await.is_err());

        publish(&store, &[(1, "a")]).await;
        publish(&store, &[(2, "a")]).await;
        assert!(woken().await.is_ok());
        assert!(woken().await.is_err(), "coalesced");
    })
    .await;
}

#[tokio::test]
async fn an_event_that_was_given_up_is_brought_back_by_a_commit() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let how = async |n| store.outbox_delivery(&id(n)).await.unwrap();
        assert_eq!(how(1).await, None);
        publish(&store, &[(1, "a")]).await;
        assert_eq!(how(1).await, Some(Delivery::Waiting));
        store.outbox_failed(&id(1), Retry::Dead).await.unwrap();
        assert_eq!(how(1).await, Some(Delivery::GivenUp));

        let mut refused = commit(vec![order(2, json!({"colour": "red"}))]);
        refused.revived = vec![id(1)];
        store.commit(refused).await.unwrap_err();
        assert_eq!(how(1).await, Some(Delivery::GivenUp));
        let mut revives = commit(vec![]);
        revives.revived = vec![id(1), id(99)];
        store.commit(revives).await.unwrap();
        assert_eq!(how(1).await, Some(Delivery::Waiting));
        assert_eq!(due(&store, NOW).await, [id(1)]);
        store.outbox_done(&id(1), NOW).await.unwrap();
        assert_eq!(how(1).await, Some(Delivery::Done));
    })
    .await;
}
