//! Attested collections: what was changed behind the store's back is never handed on, is found by a
//! sweep, and may not be made good by declaring, converting or rotating.

use std::time::Duration;

use kernel_crypto::keys::custody::Operation;
use kernel_crypto::keys::{AttestKey, Done, KeyRing};
use kernel_storage::{
    CommitError, Finding, Gone, PlanError, QueryError, RowFilter, StorageError, Store,
};
use sdk_contract::call::Write;
use sdk_contract::def::ModuleDef;
use sdk_contract::query::{Filter, Query};
use serde_json::{Value, json};

use crate::bench::{
    Bench, NOW, change, commit, get, id, module, on_each_engine, order, orders, put,
};
use crate::crash;
use crate::reseal::{both, custodians};
use crate::schema_life::{converted, field, fields, numbers, retired};

/// The bench's module with codes, rows, deletions and a secret.
pub(crate) fn desk() -> ModuleDef {
    let mut desk = module();
    desk.collections[0].attested = true;
    desk.collections[0].keep_deleted = Some(30);
    desk.collections[0].unique.clear();
    fields(&mut desk).extend([
        field("note", &json!({"kind": "text", "max": 50})),
        field(
            "parts",
            &json!({"kind": "rows", "max": 9, "fields": [field("item", &json!({"kind": "text", "max": 9})), field("count", &json!({"kind": "integer"}))]}),
        ),
    ]);
    desk
}

/// A value of every kind.
pub(crate) fn full() -> Value {
    json!({
        "status": "open", "amount": "12.50", "ratio": "0.1234", "lines": 7,
        "placed": "2026-11-23", "seen": "2026-11-23T08:00:00.000000Z", "urgent": true,
        "shelf": id(1), "extra": {"b": [1, "x"], "a": null}, "phone": "13800001234",
        "note": "融桥", "parts": [{"item": "bolt", "count": 2}, {"item": "nut", "count": null}],
    })
}

pub(crate) async fn stocked(bench: &Bench) -> Store {
    let store = bench.open().await;
    store.apply(&desk(), NOW).await.unwrap();
    put(&store, vec![crate::bench::shelf(1)]).await.unwrap();
    put(&store, (2..6).map(|n| order(n, full())).collect())
        .await
        .unwrap();
    store
}

/// On `PostgreSQL` the table lets nothing in without a code; who can change rows can take that away.
pub(crate) async fn unguard(bench: &Bench, column: &str) {
    if matches!(bench.url, kernel_storage::StoreUrl::Postgres(_)) {
        let guard = format!("ALTER TABLE desk__orders DROP CONSTRAINT {column}__guard");
        bench.tamper(&guard).await;
    }
}

fn is_altered(error: &StorageError, n: u32) -> bool {
    matches!(error, StorageError::Altered { collection, id: of }
        if *collection == orders() && *of == id(n))
}

pub(crate) async fn refused(store: &Store, n: u32) {
    let got = store.get(&orders(), &id(n), &RowFilter::All).await;
    assert!(
        matches!(&got, Err(QueryError::Storage(e)) if is_altered(e, n)),
        "{got:?}"
    );
    let query = Query::new("desk.orders").filter(Filter::eq("id", id(n)));
    let found = store.find(&query, &RowFilter::All).await;
    assert!(
        matches!(&found, Err(QueryError::Storage(e)) if is_altered(e, n)),
        "{found:?}"
    );
    let written = put(store, vec![change(n, 1, json!({"note": "x"}))]).await;
    assert!(
        matches!(&written, Err(CommitError::Storage(e)) if is_altered(e, n)),
        "{written:?}"
    );
}

pub(crate) async fn findings(store: &Store) -> Vec<(String, Finding, Vec<String>)> {
    let swept = store.sweep().await.unwrap();
    let found = swept.found.into_iter();
    found.map(|f| (f.id, f.finding, f.fields)).collect()
}

#[tokio::test]
async fn dj_14_a_record_of_every_kind_holds_through_its_life() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        let change_all = json!({"amount": "1.00", "phone": null, "parts": [], "note": "新"});
        put(&store, vec![change(2, 1, change_all)]).await.unwrap();
        let delete = Write::Delete {
            collection: "orders".into(),
            id: id(3),
            revision: 1,
        };
        put(&store, vec![delete]).await.unwrap();
        let mut back = commit(Vec::new());
        back.restored = vec![Gone {
            collection: orders(),
            id: id(3),
        }];
        store.commit(back).await.unwrap();
        for n in 2..6 {
            assert!(get(&store, n).await.is_some());
        }
        let swept = store.sweep().await.unwrap();
        assert_eq!((swept.collections, swept.records, swept.wrong), (1, 4, 0));
        store.close().await;

        // A field more, one that is called otherwise: no code is made anew, and all hold.
        let store = bench.open().await;
        let before = numbers(
            bench,
            "SELECT CAST(length(row__code) AS bigint) FROM desk__orders",
        )
        .await;
        assert_eq!(before, [44, 44, 44, 44]);
        let mut next = desk();
        fields(&mut next).push(field("more", &json!({"kind": "text", "max": 9})));
        let renamed = fields(&mut next).iter_mut().find(|f| f.name == "note");
        renamed.unwrap().name = "remark".into();
        next.changes
            .push(crate::schema_life::renamed("remark", "note"));
        let steps = store.apply(&next, NOW).await.unwrap().steps;
        assert!(steps.iter().all(|s| !s.contains("codes")), "{steps:?}");
        assert_eq!(get(&store, 4).await.unwrap()["remark"], json!("融桥"));
        assert_eq!(store.sweep().await.unwrap().wrong, 0);
    })
    .await;
}

#[tokio::test]
async fn dj_14_what_is_changed_in_the_database_is_refused_and_located() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        let codes = "UPDATE desk__orders SET row__code = NULL";
        let whole = [
            "UPDATE desk__orders SET amount = amount + 1",
            "UPDATE desk__orders SET status = 'done'",
            "UPDATE desk__orders SET urgent = NOT urgent",
            "UPDATE desk__orders SET placed = NULL",
            "UPDATE desk__orders SET phone = NULL",
            "UPDATE desk__orders SET created_by = 'x'",
            "UPDATE desk__orders SET revision = 2",
            "UPDATE desk__orders__parts SET count = 3",
            "DELETE FROM desk__orders__parts",
            codes,
        ];
        unguard(bench, "row__code").await;
        for (n, change) in whole.into_iter().enumerate() {
            let n = u32::try_from(n).unwrap() + 100;
            put(&store, vec![order(n, full())]).await.unwrap();
            let of = if change.contains("parts") { "row__record" } else { "id" };
            bench.tamper(&format!("{change} WHERE {of} = '{}'", id(n))).await;
            refused(&store, n).await;
            let expected = if change == codes { Finding::Uncoded } else { Finding::Altered };
            let found = findings(&store).await;
            let found = found.iter().find(|(of, ..)| *of == id(n)).unwrap();
            assert_eq!(found.1, expected, "{change}");
            if change.contains("amount") {
                assert_eq!(found.2, ["amount"]);
            }
        }
        // The others are read as ever, alone.
        assert!(get(&store, 2).await.is_some());

        // Deleted, it does not come back by an edit.
        let delete = Write::Delete {
            collection: "orders".into(),
            id: id(2),
            revision: 1,
        };
        put(&store, vec![delete]).await.unwrap();
        bench.tamper(&format!("UPDATE desk__orders SET row__deleted = NULL WHERE id = '{}'", id(2))).await;
        refused(&store, 2).await;

        // Copied to another id, with its code.
        let columns = "revision, subject, organisation, district, created_at, created_by, \
            updated_at, updated_by, status, amount, ratio, lines, seen, urgent, shelf, extra, \
            note, row__code";
        bench.tamper(&format!(
            "INSERT INTO desk__orders (id, number, {columns}) SELECT '{}', 'copy', {columns} FROM desk__orders WHERE id = '{}'",
            id(300), id(4)
        )).await;
        refused(&store, 300).await;
        let found = findings(&store).await;
        assert!(found.iter().any(|f| f.0 == id(300) && f.1 == Finding::CopyOf(id(4))));
    })
    .await;
}

#[tokio::test]
async fn dj_14_a_record_put_back_or_taken_away_is_located_by_its_history() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        let mut desk = desk();
        desk.collections[0].keep_deleted = None;
        store.apply(&desk, NOW).await.unwrap();
        let plain = json!({"note": "a"});
        put(&store, vec![order(2, plain.clone()), order(3, plain)])
            .await
            .unwrap();
        bench
            .tamper("CREATE TABLE kept AS SELECT * FROM desk__orders")
            .await;
        put(&store, vec![change(2, 1, json!({"note": "b"}))])
            .await
            .unwrap();
        bench
            .tamper(&format!(
                "DELETE FROM desk__orders WHERE id IN ('{}', '{}')",
                id(2),
                id(3)
            ))
            .await;
        bench
            .tamper(&format!(
                "INSERT INTO desk__orders SELECT * FROM kept WHERE id = '{}'",
                id(2)
            ))
            .await;
        bench.tamper("DROP TABLE kept").await;
        // Its code is right: read by itself it tells nothing, but nothing is done to it.
        assert_eq!(get(&store, 2).await.unwrap()["note"], json!("a"));
        let written = put(&store, vec![change(2, 1, json!({"note": "c"}))]).await;
        assert!(
            matches!(&written, Err(CommitError::Storage(e)) if is_altered(e, 2)),
            "{written:?}"
        );
        let found = findings(&store).await;
        assert_eq!(
            found,
            [
                (id(2), Finding::PutBack, vec!["note".to_owned()]),
                (id(3), Finding::Removed, Vec::new())
            ]
        );
    })
    .await;
}

/// The module as it was before its records had codes.
fn before() -> ModuleDef {
    let mut before = desk();
    before.collections[0].attested = false;
    before
}

const MANY: u32 = 1_600;

/// The process that is killed; does nothing unless the test below starts it.
#[tokio::test]
#[ignore = "started by dj_14_killed_while_codes_are_made"]
async fn child() {
    let Some((url, keys)) = crash::told() else {
        return;
    };
    let keys = std::sync::Arc::new(KeyRing::open_or_create(&keys, None).unwrap());
    let store = Store::open(&url, keys).await.unwrap();
    store.apply(&desk(), NOW).await.unwrap();
}

const CODED: &str = "SELECT COUNT(*) FROM desk__orders WHERE row__code IS NOT NULL";

#[tokio::test]
async fn dj_14_killed_while_codes_are_made() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&before(), NOW).await.unwrap();
        put(&store, vec![crate::bench::shelf(1)]).await.unwrap();
        for first in (10..10 + MANY).step_by(100) {
            let some = (first..first + 100).map(|n| order(n, full()));
            put(&store, some.collect()).await.unwrap();
        }
        store.close().await;
        let mut on_the_way = false;
        for at_least in [0, 1, 500, 1_000, i64::from(MANY)] {
            let mut child = crash::start("attested::child", bench);
            loop {
                let coded = numbers(bench, CODED).await;
                if coded.first().is_some_and(|n| *n >= at_least)
                    || child.try_wait().unwrap().is_some()
                {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let _ = child.kill();
            child.wait().unwrap();
            let store = bench.open().await;
            let declared = store.declared("desk").await.unwrap().unwrap();
            let after = declared.collections[0].attested;
            on_the_way |= !after && !numbers(bench, CODED).await.is_empty();
            assert_eq!(get(&store, 10).await.unwrap()["note"], json!("融桥"));
            // Written by the declaration that serves, whichever that is.
            let revision = get(&store, 11).await.unwrap()["revision"].as_i64().unwrap();
            put(
                &store,
                vec![change(11, revision, json!({"lines": at_least}))],
            )
            .await
            .unwrap();
            store.close().await;
        }
        assert!(
            on_the_way,
            "killed before it began, or after its end, each time"
        );
        let store = bench.open().await;
        store.apply(&desk(), NOW).await.unwrap();
        let swept = store.sweep().await.unwrap();
        assert_eq!((swept.records, swept.wrong), (u64::from(MANY), 0));
        unguard(bench, "row__code").await;
        bench
            .tamper(&format!(
                "UPDATE desk__orders SET row__code = NULL WHERE id = '{}'",
                id(12)
            ))
            .await;
        refused(&store, 12).await;
    })
    .await;
}

#[tokio::test]
async fn dj_14_nothing_new_is_made_of_what_was_altered() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        bench
            .tamper(&format!(
                "UPDATE desk__orders SET note = 'x' WHERE id = '{}'",
                id(2)
            ))
            .await;
        // Converted or retired, all codes are made anew, of records that hold.
        let mut next = desk();
        let lines = fields(&mut next)
            .iter_mut()
            .find(|f| f.name == "lines")
            .unwrap();
        *lines = field("lines", &json!({"kind": "text", "max": 20}));
        next.changes
            .push(converted("lines", sdk_contract::change::Conversion::Read));
        let error = store.apply(&next, NOW).await.unwrap_err();
        assert!(
            matches!(&error, PlanError::Storage(e) if is_altered(e, 2)),
            "{error:?}"
        );
        bench
            .tamper(&format!(
                "UPDATE desk__orders SET note = '融桥' WHERE id = '{}'",
                id(2)
            ))
            .await;
        store.apply(&next, NOW).await.unwrap();
        assert_eq!(get(&store, 2).await.unwrap()["lines"], json!("7"));

        // Retired, it is spoken for no more; back in use, it is.
        let mut less = next.clone();
        less.changes = vec![retired("note"), retired("parts")];
        fields(&mut less).retain(|f| f.name != "note" && f.name != "parts");
        store.apply(&less, NOW).await.unwrap();
        assert_eq!(store.sweep().await.unwrap().wrong, 0);
        next.changes.clear();
        store.apply(&next, NOW).await.unwrap();
        assert_eq!(
            get(&store, 2).await.unwrap()["parts"][0]["item"],
            json!("bolt")
        );
        bench
            .tamper("UPDATE desk__orders__parts SET item = 'x'")
            .await;
        refused(&store, 2).await;
    })
    .await;
}

#[tokio::test]
async fn dj_14_a_declaration_changed_in_the_database_is_not_believed() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        bench
            .tamper("UPDATE kernel__schema SET document = replace(document, '\"attested\":true', '\"attested\":false')")
            .await;
        assert!(matches!(store.refresh().await, Err(StorageError::UnknownState(_))));
        bench.tamper(&format!("UPDATE desk__orders SET note = 'x' WHERE id = '{}'", id(2))).await;
        refused(&store, 2).await;
        store.close().await;
        let opened = Store::open(&bench.url, std::sync::Arc::clone(&bench.keys)).await;
        assert!(matches!(opened, Err(StorageError::UnknownState(_))));
    })
    .await;
}

#[tokio::test]
async fn mm_9_codes_outlive_the_rotation_and_the_end_of_their_key() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        let people = custodians(bench);
        let old = bench.keys.attesting_with(AttestKey::Record);
        bench
            .tamper(&format!(
                "UPDATE desk__orders SET note = 'x' WHERE id = '{}'",
                id(5)
            ))
            .await;
        let rotate = Operation::Rotate {
            key: "record".into(),
        };
        let Done::Rotated { number } = both(&bench.keys, &people, rotate) else {
            panic!("no rotation");
        };
        // Those of before hold, and new ones are by the new key.
        assert!(get(&store, 2).await.is_some());
        put(&store, vec![change(3, 1, json!({"note": "新"}))])
            .await
            .unwrap();
        assert_eq!(store.attested_by(number).await.unwrap(), 1);
        // Two records, the declaration; not the one that was altered.
        assert_eq!(store.reattest().await.unwrap(), 3);
        assert_eq!(store.reattest().await.unwrap(), 0);
        assert_eq!(store.attested_by(old).await.unwrap(), 1);
        refused(&store, 5).await;
        both(&bench.keys, &people, Operation::Destroy { number: old });
        assert!(get(&store, 2).await.is_some() && get(&store, 3).await.is_some());
        assert_eq!(store.sweep().await.unwrap().wrong, 1);
        store.close().await;
        assert!(get(&bench.open().await, 2).await.is_some());
    })
    .await;
}
