use kernel_storage::{Engine, PlanError, RowFilter, StorageError, Store, StoreUrl};
use sdk_contract::def::FieldDef;
use sdk_contract::query::{Filter, Query};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};

use crate::bench::{NOW, change, get, module, on_each_engine, order, orders, put};

pub(crate) fn optional(name: &str) -> FieldDef {
    serde_json::from_value(json!({
        "name": name, "label": {"zh": "", "en": ""}, "kind": "text", "max": 20
    }))
    .unwrap()
}

#[tokio::test]
async fn a_declaration_grows_and_survives_a_restart() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        let first = store.apply(&module(), NOW).await.unwrap();
        assert_eq!(
            first.steps,
            ["Create table desk__orders.", "Create table desk__shelves."]
        );
        let again = store.apply(&module(), NOW).await.unwrap();
        assert_eq!((again.steps.len(), again.digest == first.digest), (0, true));
        put(&store, vec![order(2, json!({"phone": "13800001234"}))])
            .await
            .unwrap();
        get(&store, 2).await.unwrap();

        let mut grown = module();
        grown.collections[0].fields.insert(1, optional("note"));
        grown.collections[0].indexes.push(vec!["note".into()]);
        let applied = store.apply(&grown, NOW).await.unwrap();
        assert_eq!(applied.steps.len(), 2, "{:?}", applied.steps);
        assert_eq!(get(&store, 2).await.unwrap()["note"], Value::Null);
        put(&store, vec![change(2, 1, json!({"note": "新"}))])
            .await
            .unwrap();

        match store.apply(&module(), NOW).await.unwrap_err() {
            PlanError::Refused(reasons) => {
                assert_eq!(reasons.len(), 1);
                assert!(
                    reasons[0].contains("note is gone from orders"),
                    "{reasons:?}"
                );
            }
            other @ PlanError::Storage(_) => panic!("{other}"),
        }
        store.close().await;
        assert!(matches!(
            put(&store, vec![order(3, json!({}))]).await,
            Err(kernel_storage::CommitError::Storage(StorageError::Closed))
        ));

        let store = bench.open().await;
        let now = get(&store, 2).await.unwrap();
        assert_eq!(
            (&now["note"], &now["phone"], &now["revision"]),
            (&json!("新"), &json!("13800001234"), &json!(2))
        );
        let by_note = Query::new("desk.orders").filter(Filter::eq("note", "新"));
        assert_eq!(
            store
                .find(&by_note, &RowFilter::All)
                .await
                .unwrap()
                .records
                .len(),
            1
        );
        assert_eq!(store.declared("desk").await.unwrap(), Some(grown));
        assert_eq!(store.declared("lamp").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_unique_key_that_records_break_is_refused() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put(
            &store,
            vec![order(2, json!({"lines": 1})), order(3, json!({"lines": 1}))],
        )
        .await
        .unwrap();
        let mut unique = module();
        unique.collections[0].unique.push(vec!["lines".into()]);
        assert!(matches!(
            store.apply(&unique, NOW).await.unwrap_err(),
            PlanError::Refused(_)
        ));
        // Nothing of it happened.
        put(&store, vec![order(4, json!({"lines": 1}))])
            .await
            .unwrap();
        assert_eq!(store.apply(&module(), NOW).await.unwrap().steps, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn dj_15_an_encrypted_field_is_nowhere_in_plain() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let secret = "13812345678";
        put(&store, vec![order(2, json!({"phone": secret})), order(3, json!({"phone": secret}))]).await.unwrap();
        put(&store, vec![change(2, 1, json!({"phone": secret, "lines": 1}))]).await.unwrap();
        assert_eq!(get(&store, 2).await.unwrap()["phone"], json!(secret));

        let stored = sealed(&bench.url).await;
        assert_eq!(stored.len(), 2);
        assert_ne!(stored[0], stored[1], "equal values must not look equal");
        assert!(stored.iter().all(|s| !contains(s, secret)));
        if let StoreUrl::Sqlite(path) = &bench.url {
            for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                assert!(!contains(&bytes, secret));
            }
        }
        // Moved to another row, the ciphertext does not open.
        bench
            .tamper("UPDATE desk__orders SET phone = (SELECT phone FROM desk__orders WHERE number = 'N2') WHERE number = 'N3'")
            .await;
        let id = crate::bench::id(3);
        assert!(store.get(&orders(), &id, &RowFilter::All).await.is_err());
        get(&store, 2).await.unwrap();
    })
    .await;
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

async fn sealed(url: &StoreUrl) -> Vec<Vec<u8>> {
    let sql = "SELECT phone FROM desk__orders ORDER BY number";
    match url {
        StoreUrl::Sqlite(path) => {
            let conn = rusqlite::Connection::open(path).unwrap();
            let mut statement = conn.prepare(sql).unwrap();
            let rows = statement.query_map([], |r| r.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        }
        StoreUrl::Postgres(url) => {
            let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
            sqlx::query(sql)
                .fetch_all(&mut conn)
                .await
                .unwrap()
                .iter()
                .map(|r| r.get(0))
                .collect()
        }
    }
}

#[tokio::test]
async fn a_database_of_another_build_is_refused() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        let expected = if matches!(bench.url, StoreUrl::Sqlite(_)) {
            Engine::Sqlite
        } else {
            Engine::Postgres
        };
        assert_eq!(store.engine(), expected);
        store.close().await;
        let refused = async || match Store::open(&bench.url, bench.keys.clone()).await {
            Err(StorageError::UnknownState(why)) => why,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("opened"),
        };
        bench
            .tamper(
                "INSERT INTO kernel__migrations (version, name, digest) VALUES (99, 'later', 'x')",
            )
            .await;
        assert!(refused().await.contains("newer build"));
        bench
            .tamper("DELETE FROM kernel__migrations WHERE version = 99")
            .await;
        bench
            .tamper("UPDATE kernel__migrations SET digest = 'x'")
            .await;
        assert!(refused().await.contains("is not the one of this build"));
    })
    .await;
}

#[test]
fn addresses_are_read_and_passwords_not_shown() {
    let lite: StoreUrl = "sqlite:data/store.db".parse().unwrap();
    assert_eq!(lite, StoreUrl::Sqlite("data/store.db".into()));
    let absolute: StoreUrl = "sqlite:///var/store.db".parse().unwrap();
    assert_eq!(absolute, StoreUrl::Sqlite("/var/store.db".into()));
    let pg: StoreUrl = "postgres://u:secret@h/db".parse().unwrap();
    assert!(!format!("{pg:?}").contains("secret"));
    assert!("mysql://h/db".parse::<StoreUrl>().is_err());
    assert!("sqlite:".parse::<StoreUrl>().is_err());
}
