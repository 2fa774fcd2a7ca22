//! Records that are not as the platform wrote them: lists name them and have the others, and two ways
//! lead back, each a change of its own with the digests of before and after in the trail.

use std::time::Duration;

use kernel_crypto::keys::KeyRing;
use kernel_storage::{
    AuditDraft, AuditFilter, CommitError, Finding, HistoryState, Mend, Repair, RowFilter,
    StorageError, Store, StoreUrl, Wronged,
};
use sdk_contract::query::{Filter, Query};
use serde_json::{Value, json};

use crate::attested::{desk, findings, full, refused, stocked, unguard};
use crate::bench::{Bench, NOW, change, commit, get, id, on_each_engine, order, orders, put};
use crate::crash;

async fn wronged(store: &Store, n: u32) -> Option<Wronged> {
    store.wronged(&orders(), &id(n)).await.unwrap()
}

async fn repair(
    store: &Store,
    n: u32,
    how: Mend,
    stands: &str,
) -> Result<kernel_storage::Committed, CommitError> {
    let mut repair = commit(Vec::new());
    repair.at = NOW + 1;
    repair.action = "platform.record.repair".into();
    repair.note = Some("数据库被直接修改".into());
    repair.repairs = vec![Repair {
        collection: orders(),
        id: id(n),
        how,
        stands: stands.into(),
    }];
    repair.audit = vec![AuditDraft {
        at: NOW + 1,
        action: "platform.record.repair".into(),
        object: id(n),
        ..AuditDraft::default()
    }];
    store.commit(repair).await
}

async fn last_audit(store: &Store) -> (AuditDraft, Value) {
    let found = store.audit_find(&AuditFilter::default(), 1, 0).await;
    let record = found.unwrap().records.remove(0);
    let repaired = record.draft.detail["repaired"][0].clone();
    (record.draft, repaired)
}

async fn set(bench: &Bench, n: u32, set: &str) {
    let of = id(n);
    let update = format!("UPDATE desk__orders SET {set} WHERE id = '{of}'");
    bench.tamper(&update).await;
}

/// Bytes that no key has sealed.
fn bytes(bench: &Bench) -> &'static str {
    match bench.url {
        StoreUrl::Sqlite(_) => "x'0001'",
        StoreUrl::Postgres(_) => "'\\x0001'::bytea",
    }
}

#[tokio::test]
async fn dj_14_a_list_names_what_was_altered_and_has_the_rest() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        let all = Query::new("desk.orders").page(1, 20).facet("status");
        let before = store.list(&all, &RowFilter::All).await.unwrap();
        assert!(before.altered.is_empty() && before.records.len() == 4);
        set(bench, 2, "note = 'x'").await;
        set(bench, 5, &format!("phone = {}", bytes(bench))).await;
        for query in [
            all.clone(),
            Query::new("desk.orders").as_of(sdk_contract::scalar::Timestamp(NOW + 5)),
        ] {
            let found = store.list(&query, &RowFilter::All).await.unwrap();
            let ids: Vec<&Value> = found.records.iter().map(|r| &r["id"]).collect();
            assert_eq!(ids, [&json!(id(3)), &json!(id(4))]);
            let named: Vec<&str> = found.altered.iter().map(|a| a.id.as_str()).collect();
            assert_eq!(named, [id(2), id(5)]);
            assert!(found.altered.iter().all(|a| a.collection == "desk.orders"));
            let refused = store.find(&query, &RowFilter::All).await;
            assert!(refused.is_err(), "nothing is decided by such a list");
        }
        let found = store.list(&all, &RowFilter::All).await.unwrap();
        assert_eq!(found.total, Some(4), "counted with the others");
        assert_eq!(found.facets[0].values[0].count, 4);
        refused(&store, 2).await;
        refused(&store, 5).await;

        // Whoever walks comes past them, and to every other.
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        for _ in 0..4 {
            let query = Query::new("desk.orders")
                .sort("created_at", true)
                .after(cursor, 2);
            let found = store.list(&query, &RowFilter::All).await.unwrap();
            seen.extend(
                found
                    .records
                    .iter()
                    .map(|r| r["id"].as_str().unwrap().to_owned()),
            );
            seen.extend(found.altered.iter().map(|a| a.id.clone()));
            let Some(next) = found.next else { break };
            cursor = next;
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (2..6).map(id).collect::<Vec<_>>());
        let one = Query::new("desk.orders").filter(Filter::eq("note", "x"));
        let one = store.list(&one, &RowFilter::All).await.unwrap();
        assert!(one.records.is_empty() && one.altered.len() == 1);
    })
    .await;
}

#[tokio::test]
async fn dj_14_a_record_is_put_back_as_its_history_has_it() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        unguard(bench, "row__code").await;
        put(
            &store,
            vec![change(2, 1, json!({"amount": "99.00", "note": "新"}))],
        )
        .await
        .unwrap();
        let before = get(&store, 2).await.unwrap();
        assert_eq!(wronged(&store, 2).await, None);
        set(
            bench,
            2,
            "amount = 1, status = NULL, revision = 77, created_by = 'x'",
        )
        .await;
        bench
            .tamper("UPDATE desk__orders__parts SET count = 3")
            .await;
        let wrong = wronged(&store, 2).await.unwrap();
        assert_eq!(
            (&wrong.finding, wrong.kept, wrong.proven),
            (&Finding::Altered, true, true)
        );
        let fields: Vec<&str> = wrong.fields.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(fields, ["status", "amount", "parts"]);
        assert_eq!(
            (&wrong.fields[1].kept, &wrong.fields[1].stands),
            (&json!("99.00"), &json!("0.01"))
        );
        assert_eq!(wrong.ways, [Mend::PutBack, Mend::Accept]);

        // What was decided about is what is done.
        set(bench, 2, "amount = 2").await;
        let refused = repair(&store, 2, Mend::PutBack, &wrong.stands).await;
        assert!(
            matches!(refused, Err(CommitError::Unexpected { .. })),
            "{refused:?}"
        );
        let wrong = wronged(&store, 2).await.unwrap();
        repair(&store, 2, Mend::PutBack, &wrong.stands)
            .await
            .unwrap();
        let mut now = get(&store, 2).await.unwrap();
        assert_eq!(
            (&now["revision"], &now["created_by"]),
            (&json!(3), &before["created_by"])
        );
        for own in ["revision", "updated_at", "updated_by"] {
            now[own] = before[own].clone();
        }
        assert_eq!(now, before);
        let (audit, repaired) = last_audit(&store).await;
        assert_eq!(audit.object, id(2));
        assert_eq!(
            (&repaired["how"], &repaired["before"]),
            (&json!("put-back"), &json!(wrong.stands))
        );
        assert_eq!(repaired["after"].as_str().unwrap().len(), 64);
        let kept = store.audit_changes_kept(&audit).await.unwrap();
        assert_eq!(kept, Some(HistoryState::Whole));
        let past = store.changes(&orders(), &id(2)).await.unwrap();
        let last = past.last().unwrap();
        assert_eq!(
            (
                &last.before.as_ref().unwrap()["amount"],
                &last.after["amount"]
            ),
            (&json!("0.02"), &json!("99.00"))
        );
        assert_eq!(last.note.as_deref(), Some("数据库被直接修改"));
        // It is a record as any other, and nothing more is put right of it.
        put(&store, vec![change(2, 3, json!({"note": "再"}))])
            .await
            .unwrap();
        let again = repair(&store, 2, Mend::PutBack, &wrong.stands).await;
        assert!(
            matches!(again, Err(CommitError::Unexpected { .. })),
            "{again:?}"
        );
        let found = findings(&store).await;
        assert!(found.iter().all(|f| f.0 != id(2)), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn dj_14_what_no_history_tells_is_said_and_what_was_never_written_goes() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        // The encrypted value was taken away: the history cannot say so, but the code does.
        set(bench, 2, "phone = NULL, note = 'x'").await;
        let wrong = wronged(&store, 2).await.unwrap();
        assert!(!wrong.proven && wrong.fields.len() == 1);
        // One that opens with no key leaves nothing to be made of it.
        set(bench, 3, &format!("phone = {}", bytes(bench))).await;
        let lost = wronged(&store, 3).await.unwrap();
        assert_eq!(lost.ways, []);
        for how in [Mend::PutBack, Mend::Accept] {
            let refused = repair(&store, 3, how, &lost.stands).await;
            assert!(
                matches!(&refused, Err(CommitError::Storage(StorageError::Altered { .. }))),
                "{refused:?}"
            );
        }
        // Put there by somebody.
        let columns = "revision, subject, created_at, created_by, updated_at, updated_by, row__code";
        bench
            .tamper(&format!(
                "INSERT INTO desk__orders (id, number, {columns}) SELECT '{}', 'copy', {columns} FROM desk__orders WHERE id = '{}'",
                id(300), id(4)
            ))
            .await;
        let wrong = wronged(&store, 300).await.unwrap();
        assert_eq!((wrong.finding, wrong.kept), (Finding::CopyOf(id(4)), false));
        repair(&store, 300, Mend::PutBack, &wrong.stands).await.unwrap();
        assert_eq!(get(&store, 300).await, None);
        assert_eq!(last_audit(&store).await.1["after"], Value::Null);
        let all = Query::new("desk.orders").page(1, 20);
        assert_eq!(store.list(&all, &RowFilter::All).await.unwrap().total, Some(4));
    })
    .await;
}

#[tokio::test]
async fn dj_14_what_stands_is_accepted_for_a_reason() {
    on_each_engine(async |bench| {
        let store = stocked(bench).await;
        unguard(bench, "row__code").await;
        set(bench, 2, "note = '改过的', row__code = NULL").await;
        let wrong = wronged(&store, 2).await.unwrap();
        assert_eq!(wrong.finding, Finding::Uncoded);
        repair(&store, 2, Mend::Accept, &wrong.stands)
            .await
            .unwrap();
        let now = get(&store, 2).await.unwrap();
        assert_eq!(
            (&now["note"], &now["phone"], &now["revision"]),
            (&json!("改过的"), &json!("13800001234"), &json!(2))
        );
        let past = store.changes(&orders(), &id(2)).await.unwrap();
        assert_eq!(past[1].before.as_ref().unwrap()["note"], json!("融桥"));
        assert_eq!(
            past[1].after,
            crate::bench::object(json!({"note": "改过的"}))
        );
        assert_eq!(store.sweep().await.unwrap().wrong, 0);

        // One that was put back as it was then, with its code of then.
        put(
            &store,
            vec![change(4, 1, json!({"note": "b", "parts": []}))],
        )
        .await
        .unwrap();
        bench
            .tamper("CREATE TABLE kept AS SELECT * FROM desk__orders")
            .await;
        put(&store, vec![change(4, 2, json!({"note": "c"}))])
            .await
            .unwrap();
        bench
            .tamper(&format!("DELETE FROM desk__orders WHERE id = '{}'", id(4)))
            .await;
        bench
            .tamper(&format!(
                "INSERT INTO desk__orders SELECT * FROM kept WHERE id = '{}'; DROP TABLE kept",
                id(4)
            ))
            .await;
        let wrong = wronged(&store, 4).await.unwrap();
        assert_eq!(wrong.finding, Finding::PutBack);
        repair(&store, 4, Mend::PutBack, &wrong.stands)
            .await
            .unwrap();
        let now = get(&store, 4).await.unwrap();
        assert_eq!((&now["note"], &now["revision"]), (&json!("c"), &json!(4)));
        assert_eq!(store.sweep().await.unwrap().wrong, 0);
    })
    .await;
}

const MANY: u32 = 400;

/// The process that is killed; does nothing unless the test below starts it.
#[tokio::test]
#[ignore = "started by dj_14_killed_while_records_are_put_right"]
async fn child() {
    let Some((url, keys)) = crash::told() else {
        return;
    };
    let keys = std::sync::Arc::new(KeyRing::open_or_create(&keys, None).unwrap());
    let store = Store::open(&url, keys).await.unwrap();
    for n in 10..10 + MANY {
        if let Some(wrong) = wronged(&store, n).await {
            repair(&store, n, Mend::PutBack, &wrong.stands)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn dj_14_killed_while_records_are_put_right() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&desk(), NOW).await.unwrap();
        put(&store, vec![crate::bench::shelf(1)]).await.unwrap();
        for first in (10..10 + MANY).step_by(100) {
            let some = (first..first + 100).map(|n| order(n, full()));
            put(&store, some.collect()).await.unwrap();
        }
        store.close().await;
        bench.tamper("UPDATE desk__orders SET amount = 7").await;
        let right = "SELECT COUNT(*) FROM desk__orders WHERE amount <> 7";
        let mut on_the_way = false;
        for at_least in [1, 60, 150, i64::from(MANY)] {
            let mut child = crash::start("repairs::child", bench);
            loop {
                let done = crate::schema_life::numbers(bench, right).await;
                if done[0] >= at_least || child.try_wait().unwrap().is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let _ = child.kill();
            child.wait().unwrap();
            let store = bench.open().await;
            let swept = store.sweep().await.unwrap();
            let done = crate::schema_life::numbers(bench, right).await[0];
            on_the_way |= done > 0 && done < i64::from(MANY);
            // Before or after, each with its line in the history and its record in the trail.
            assert_eq!(swept.wrong + done.unsigned_abs(), u64::from(MANY));
            let trail = store.audit_verify().await.unwrap();
            assert_eq!(trail, done.unsigned_abs());
            let lines = crate::schema_life::numbers(
                bench,
                "SELECT COUNT(*) FROM kernel__changes WHERE revision = 2",
            );
            assert_eq!(lines.await[0], done);
            store.close().await;
        }
        assert!(
            on_the_way,
            "killed before it began, or after its end, each time"
        );
        let store = bench.open().await;
        assert_eq!(store.sweep().await.unwrap().wrong, 0);
        assert_eq!(get(&store, 10).await.unwrap()["amount"], json!("12.50"));
    })
    .await;
}
