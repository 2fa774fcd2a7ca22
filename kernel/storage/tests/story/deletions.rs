//! Deleted records: out of sight for everyone, kept, brought back as they were, or gone for good.

use kernel_storage::{Change, CollectionName, CommitError, Gone, PlanError, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::def::ModuleDef;
use sdk_contract::query::{Aggregate, Filter, Measure, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};

use crate::bench::{NOW, commit, id, object, on_each_engine};

fn letters(keep: Option<u32>) -> ModuleDef {
    let label = json!({"zh": "", "en": ""});
    let field = |name: &str, more: Value| {
        let mut field = json!({"name": name, "label": label});
        field.as_object_mut().unwrap().extend(object(more));
        field
    };
    serde_json::from_value(json!({
        "id": "post", "label": label,
        "collections": [{
            "name": "letters", "entity": "letter", "label": label, "title": "number",
            "shard": "subject", "audited": true, "read": "letter.read", "keep_deleted": keep,
            "fields": [
                field("number", json!({"kind": "text", "max": 20, "unique": true, "search": true})),
                field("note", json!({"kind": "text", "max": 200})),
                field("answers", json!({"kind": "ref", "to": "letters"})),
                field("lines", json!({"kind": "rows", "max": 9, "fields": [
                    field("item", json!({"kind": "text", "max": 20})),
                ]})),
            ],
        }],
    }))
    .unwrap()
}

fn name() -> CollectionName {
    CollectionName::new("post", "letters")
}

fn insert(n: u32, values: Value) -> Write {
    Write::Insert {
        collection: "letters".into(),
        id: id(n),
        subject: Some(id(9000)),
        organisation: None,
        district: None,
        values: object(values),
    }
}

fn delete(n: u32, revision: i64) -> Write {
    Write::Delete {
        collection: "letters".into(),
        id: id(n),
        revision,
    }
}

async fn put(store: &Store, writes: Vec<Write>) -> Result<(), CommitError> {
    let mut commit = commit(writes);
    commit.module = "post".into();
    commit.at = NOW + 5;
    store.commit(commit).await.map(drop)
}

async fn gone(store: &Store, restored: Vec<u32>, purged: Vec<u32>) -> Result<(), CommitError> {
    let of = |n: u32| Gone {
        collection: name(),
        id: id(n),
    };
    let mut commit = commit(Vec::new());
    commit.restored = restored.into_iter().map(of).collect();
    commit.purged = purged.into_iter().map(of).collect();
    store.commit(commit).await.map(drop)
}

async fn total(store: &Store, filter: Option<Filter>) -> u64 {
    let query = Query {
        filter,
        ..Query::new("post.letters").page(1, 9)
    };
    let found = store.find(&query, &RowFilter::All).await.unwrap();
    assert_eq!(found.total, Some(found.records.len() as u64));
    found.records.len() as u64
}

async fn filled(store: &Store) {
    store.apply(&letters(Some(30)), NOW).await.unwrap();
    let lines = json!([{"item": "bolt"}, {"item": "nut"}]);
    let writes = vec![
        insert(1, json!({"number": "RQ-0001", "lines": lines})),
        insert(2, json!({"number": "RQ-0002", "answers": id(1)})),
    ];
    put(store, writes).await.unwrap();
}

#[tokio::test]
async fn a_deleted_record_is_in_no_answer_and_out_of_reach() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        filled(&store).await;
        let refused = put(&store, vec![delete(1, 7)]).await;
        assert!(matches!(refused, Err(CommitError::Stale { based: 7, .. })));
        put(&store, vec![delete(1, 1)]).await.unwrap();

        assert_eq!(
            store.get(&name(), &id(1), &RowFilter::All).await.unwrap(),
            None
        );
        assert_eq!(total(&store, None).await, 1);
        assert_eq!(total(&store, Some(Filter::search("rq0001"))).await, 0);
        assert_eq!(
            total(&store, Some(Filter::eq("number", "RQ-0001"))).await,
            0
        );
        let count = Aggregate::new("post.letters", vec![Measure::Count]);
        let groups = store.aggregate(&count, &RowFilter::All).await.unwrap();
        assert_eq!(groups[0].measures, [json!(1)]);
        let before = Query::new("post.letters").as_of(Timestamp::from_micros(NOW + 6));
        let found = store.find(&before, &RowFilter::All).await.unwrap();
        assert_eq!(found.records.len(), 1);

        // No write reaches it, nothing new refers to it; what did refer to it still does.
        let change = Write::Update {
            collection: "letters".into(),
            id: id(1),
            revision: 2,
            values: object(json!({"note": "x"})),
        };
        for write in [change, delete(1, 2)] {
            let refused = put(&store, vec![write]).await;
            assert!(matches!(refused, Err(CommitError::NotFound { .. })));
        }
        let refers = insert(3, json!({"number": "RQ-0003", "answers": id(1)}));
        let refused = put(&store, vec![refers]).await;
        assert!(matches!(refused, Err(CommitError::BadReference { .. })));
        let other = store.get(&name(), &id(2), &RowFilter::All).await.unwrap();
        assert_eq!(other.unwrap()["answers"], json!(id(1)));
        // Its id and its unique keys are taken: it may come back.
        for write in [
            insert(1, json!({"number": "RQ-0009"})),
            insert(4, json!({"number": "RQ-0001"})),
        ] {
            let refused = put(&store, vec![write]).await;
            assert!(matches!(refused, Err(CommitError::Conflict { .. })));
        }

        // Readers of its history still come to it, within their rows.
        let kept = store
            .get_kept(&name(), &id(1), &RowFilter::All)
            .await
            .unwrap();
        assert_eq!(kept.unwrap()["number"], json!("RQ-0001"));
        let none = RowFilter::Subject(id(1));
        assert_eq!(store.get_kept(&name(), &id(1), &none).await.unwrap(), None);
        let changes = store.changes(&name(), &id(1)).await.unwrap();
        assert_eq!((changes.len(), changes[1].revision), (2, 2));
    })
    .await;
}

#[tokio::test]
async fn pi_03_a_restored_record_is_as_it_was_and_a_purged_one_is_gone() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        filled(&store).await;
        let get = async |n| store.get(&name(), &id(n), &RowFilter::All).await.unwrap();
        let was = get(1).await.unwrap();
        // What is there is neither restored nor purged.
        for refused in [
            gone(&store, vec![1], vec![]).await,
            gone(&store, vec![], vec![1]).await,
        ] {
            assert!(matches!(refused, Err(CommitError::NotFound { .. })));
        }
        put(&store, vec![delete(1, 1)]).await.unwrap();
        gone(&store, vec![1], vec![]).await.unwrap();
        let now = get(1).await.unwrap();
        for field in ["number", "note", "answers", "lines", "created_at"] {
            assert_eq!(now[field], was[field], "{field}");
        }
        assert_eq!(now["revision"], json!(3));
        assert_eq!(total(&store, Some(Filter::search("rq0001"))).await, 1);

        put(&store, vec![delete(1, 3)]).await.unwrap();
        gone(&store, vec![], vec![1]).await.unwrap();
        let kept = store.get_kept(&name(), &id(1), &RowFilter::All).await;
        assert_eq!(kept.unwrap(), None);
        let past = store.changes(&name(), &id(1)).await.unwrap();
        assert_eq!(past.len(), 4, "that there were changes stays");
        let erased = |c: &Change| c.before.is_none() && c.after.is_empty();
        assert!(past.iter().all(erased), "{past:?}");
        let other = store.changes(&name(), &id(2)).await.unwrap();
        assert!(!other.iter().any(erased), "{other:?}");
        let again = insert(5, json!({"number": "RQ-0001"}));
        put(&store, vec![again]).await.unwrap();
        assert_eq!(total(&store, Some(Filter::search("rq0001"))).await, 1);
        assert_eq!(store.contents().await.unwrap()["post.letters"].rows, 2);
    })
    .await;
}

#[tokio::test]
async fn deletion_is_declared_and_not_taken_back() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&letters(None), NOW).await.unwrap();
        put(&store, vec![insert(1, json!({"number": "A"}))])
            .await
            .unwrap();
        let refused = put(&store, vec![delete(1, 1)]).await;
        assert!(matches!(refused, Err(CommitError::Invalid { .. })));
        let applied = store.apply(&letters(Some(30)), NOW).await.unwrap();
        assert_eq!(applied.steps.len(), 1, "{:?}", applied.steps);
        assert_eq!(total(&store, None).await, 1);
        put(&store, vec![delete(1, 1)]).await.unwrap();
        assert_eq!(total(&store, None).await, 0);
        match store.apply(&letters(None), NOW).await.unwrap_err() {
            PlanError::Refused(reasons) => {
                assert!(
                    reasons[0].contains("can no longer be deleted"),
                    "{reasons:?}"
                );
            }
            other @ PlanError::Storage(_) => panic!("{other}"),
        }
    })
    .await;
}
