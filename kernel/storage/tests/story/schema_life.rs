//! The life of a schema: renamed, retired, gone, converted; refused where the tables are not what
//! was declared; killed at every step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kernel_crypto::keys::KeyRing;
use kernel_storage::{CommitError, PlanError, RowFilter, Store, StoreUrl};
use sdk_contract::change::{ChangeDef, Conversion};
use sdk_contract::def::{FieldDef, ModuleDef};
use sdk_contract::kind::Kind;
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::bench::{
    Bench, NOW, change, commit, get, id, module, on_each_engine, on_postgres, order, orders, put,
};
use crate::crash;

const HOUR: i64 = 3_600_000_000;

pub(crate) fn field(name: &str, kind: &Value) -> FieldDef {
    let mut field = json!({"name": name, "label": {"zh": name, "en": ""}});
    field
        .as_object_mut()
        .unwrap()
        .extend(kind.as_object().unwrap().clone());
    serde_json::from_value(field).unwrap()
}

pub(crate) fn fields(module: &mut ModuleDef) -> &mut Vec<FieldDef> {
    &mut module.collections[0].fields
}

pub(crate) fn take(module: &mut ModuleDef, name: &str) -> FieldDef {
    let all = fields(module);
    let at = all.iter().position(|f| f.name == name).unwrap();
    all.remove(at)
}

/// The bench's module with a searched note, a secret that can be asked for, and rows.
pub(crate) fn desk() -> ModuleDef {
    let mut desk = module();
    fields(&mut desk).extend([
        field("note", &json!({"kind": "text", "max": 50, "search": true})),
        field("card", &json!({"kind": "text", "max": 20, "encrypted": true, "blind": true, "unique": true}),
        ),
        field("parts", &json!({"kind": "rows", "max": 9, "fields": [field("item", &json!({"kind": "text", "max": 9}))]}),
        ),
    ]);
    desk
}

pub(crate) fn renamed(field: &str, from: &str) -> ChangeDef {
    ChangeDef::Renamed {
        collection: "orders".into(),
        field: Some(field.into()),
        from: from.into(),
    }
}

pub(crate) fn retired(field: &str) -> ChangeDef {
    ChangeDef::Retired {
        collection: "orders".into(),
        field: Some(field.into()),
    }
}

pub(crate) fn converted(field: &str, by: Conversion) -> ChangeDef {
    ChangeDef::Converted {
        collection: "orders".into(),
        field: field.into(),
        from: None,
        by,
        lossy: false,
    }
}

pub(crate) fn refusals(error: PlanError) -> Vec<String> {
    match error {
        PlanError::Refused(reasons) => reasons,
        PlanError::Storage(error) => panic!("{error:?}"),
    }
}

pub(crate) async fn ids(store: &Store, filter: Filter) -> Vec<String> {
    let query = Query::new("desk.orders").filter(filter).limit(200);
    let found = store.find(&query, &RowFilter::All).await.unwrap();
    let ids = found.records.iter().map(|r| r["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

pub(crate) async fn as_of(store: &Store, n: u32, at: i64) -> Value {
    let query = Query::new("desk.orders")
        .filter(Filter::eq("id", id(n)))
        .as_of(Timestamp(at));
    let found = store.find(&query, &RowFilter::All).await.unwrap();
    Value::Object(found.records.into_iter().next().unwrap())
}

pub(crate) async fn change_at(store: &Store, at: i64, revision: i64, values: Value) {
    let mut all = commit(vec![change(2, revision, values)]);
    all.at = at;
    store.commit(all).await.unwrap();
}

/// The numbers in the first column of an answer.
pub(crate) async fn numbers(bench: &Bench, sql: &str) -> Vec<i64> {
    match &bench.url {
        StoreUrl::Sqlite(path) => {
            let conn = rusqlite::Connection::open(path).unwrap();
            let Ok(mut statement) = conn.prepare(sql) else {
                return Vec::new();
            };
            let rows = statement.query_map([], |r| r.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        }
        StoreUrl::Postgres(url) => {
            let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await;
            rows.unwrap_or_default().iter().map(|r| r.get(0)).collect()
        }
    }
}

#[tokio::test]
async fn a_renamed_field_keeps_its_values_its_past_and_its_keys() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&desk(), NOW).await.unwrap();
        let first = json!({"note": "融桥", "card": "4111", "parts": [{"item": "bolt"}]});
        put(&store, vec![order(2, first)]).await.unwrap();
        change_at(&store, NOW + HOUR, 1, json!({"note": "通商", "parts": []})).await;

        let mut next = desk();
        for (old, new) in [
            ("note", "remark"),
            ("card", "secret"),
            ("parts", "pieces"),
            ("number", "code"),
        ] {
            let mut field = take(&mut next, old);
            field.name = new.into();
            fields(&mut next).push(field);
            next.changes.push(renamed(new, old));
        }
        next.collections[0].title = "code".into();
        let applied = store.apply(&next, NOW).await.unwrap();
        assert_eq!(applied.steps.len(), 4, "{:?}", applied.steps);

        let now = get(&store, 2).await.unwrap();
        assert_eq!(
            (&now["remark"], &now["secret"], &now["pieces"], &now["code"]),
            (&json!("通商"), &json!("4111"), &json!([]), &json!("N2"))
        );
        assert!(!now.contains_key("note"));
        assert_eq!(ids(&store, Filter::search("通商")).await, [id(2)]);
        assert_eq!(ids(&store, Filter::eq("secret", "4111")).await, [id(2)]);
        let then = as_of(&store, 2, NOW).await;
        assert_eq!(
            (&then["remark"], &then["pieces"]),
            (&json!("融桥"), &json!([{"item": "bolt"}]))
        );
        let past = store.changes(&orders(), &id(2)).await.unwrap();
        assert_eq!(past[1].before.as_ref().unwrap()["remark"], json!("融桥"));

        // Keys hold under the new names, and say them.
        let taken = order(3, json!({"secret": "4111"}));
        let taken = put(&store, vec![rename_number(taken)]).await.unwrap_err();
        assert!(
            matches!(&taken, CommitError::Conflict { fields, .. } if *fields == ["secret"]),
            "{taken}"
        );
        change_at(
            &store,
            NOW + 2 * HOUR,
            2,
            json!({"remark": "新", "pieces": [{"item": "nut"}]}),
        )
        .await;
        assert_eq!(as_of(&store, 2, NOW + HOUR).await["remark"], json!("通商"));

        // A new field of the old name is another field, with no past.
        next.changes.clear();
        fields(&mut next).push(field(
            "note",
            &json!({"kind": "text", "max": 50, "search": true}),
        ));
        store.apply(&next, NOW).await.unwrap();
        assert_eq!(get(&store, 2).await.unwrap()["note"], Value::Null);
        assert_eq!(as_of(&store, 2, NOW).await["note"], Value::Null);
        store.close().await;
        let store = bench.open().await;
        assert_eq!(get(&store, 2).await.unwrap()["remark"], json!("新"));
        assert!(store.apply(&next, NOW).await.unwrap().steps.is_empty());
    })
    .await;
}

fn rename_number(mut write: sdk_contract::call::Write) -> sdk_contract::call::Write {
    if let sdk_contract::call::Write::Insert { values, .. } = &mut write {
        let number = values.remove("number").unwrap();
        values.insert("code".into(), number);
    }
    write
}

#[tokio::test]
async fn a_retired_field_is_out_of_use_and_gone_a_release_later() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&desk(), NOW).await.unwrap();
        put(
            &store,
            vec![order(
                2,
                json!({"note": "融桥", "lines": 7, "parts": [{"item": "bolt"}]}),
            )],
        )
        .await
        .unwrap();
        change_at(&store, NOW + HOUR, 1, json!({"note": "通商"})).await;

        let mut left = desk();
        take(&mut left, "note");
        assert!(refusals(store.apply(&left, NOW).await.unwrap_err())[0].contains("note is gone"));

        let mut second = left.clone();
        take(&mut second, "parts");
        second.changes = vec![retired("note"), retired("parts")];
        store.apply(&second, NOW).await.unwrap();
        let now = get(&store, 2).await.unwrap();
        assert!(!now.contains_key("note") && !now.contains_key("parts"));
        let write = put(&store, vec![change(2, 2, json!({"note": "x"}))]).await;
        assert!(matches!(write, Err(CommitError::Invalid { .. })));
        let by_note = Query::new("desk.orders").filter(Filter::eq("note", "通商"));
        assert!(store.find(&by_note, &RowFilter::All).await.is_err());
        assert!(
            store
                .find(
                    &Query::new("desk.orders").filter(Filter::search("通商")),
                    &RowFilter::All
                )
                .await
                .is_err()
        );
        assert_eq!(store.retired(&orders()).len(), 2);
        assert_eq!(as_of(&store, 2, NOW).await["note"], json!("融桥"));
        assert_eq!(as_of(&store, 2, NOW + HOUR).await["note"], json!("通商"));
        let past = store.changes(&orders(), &id(2)).await.unwrap();
        assert_eq!(past[1].after["note"], json!("通商"));

        // Back again, it has what it had.
        store.apply(&desk(), NOW).await.unwrap();
        assert_eq!(get(&store, 2).await.unwrap()["note"], json!("通商"));
        assert_eq!(
            get(&store, 2).await.unwrap()["parts"],
            json!([{"item": "bolt"}])
        );
        store.apply(&second, NOW).await.unwrap();

        let mut third = second.clone();
        third.changes.clear();
        let steps = store.apply(&third, NOW).await.unwrap().steps;
        assert_eq!(
            steps,
            [
                "Drop column note of desk__orders.",
                "Drop table desk__orders__parts."
            ]
        );
        let then = as_of(&store, 2, NOW).await;
        assert!(then.get("note").is_none() && then["lines"] == json!(7));
        assert_eq!(store.changes(&orders(), &id(2)).await.unwrap().len(), 2);

        // A collection goes the same way.
        let mut none = third.clone();
        none.collections.remove(0);
        assert!(refusals(store.apply(&none, NOW).await.unwrap_err())[0].contains("orders is gone"));
        none.changes = vec![ChangeDef::Retired {
            collection: "orders".into(),
            field: None,
        }];
        store.apply(&none, NOW).await.unwrap();
        assert!(store.get(&orders(), &id(2), &RowFilter::All).await.is_err());
        store.close().await;
        let store = bench.open().await;
        store.apply(&third, NOW).await.unwrap();
        assert_eq!(get(&store, 2).await.unwrap()["lines"], json!(7));
        store.apply(&none, NOW).await.unwrap();
        none.changes.clear();
        assert_eq!(
            store.apply(&none, NOW).await.unwrap().steps,
            ["Drop table desk__orders."]
        );
        assert!(store.apply(&none, NOW).await.unwrap().steps.is_empty());
    })
    .await;
}

#[tokio::test]
async fn tables_that_are_not_as_declared_are_refused_by_name() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&desk(), NOW).await.unwrap();
        let mut grown = desk();
        fields(&mut grown).push(field("more", &json!({"kind": "integer"})));
        for (broken, mended, words) in [
            (
                "ALTER TABLE desk__orders ADD COLUMN stray text",
                "ALTER TABLE desk__orders DROP COLUMN stray",
                "Column stray of desk__orders is there, but no declaration made it.",
            ),
            (
                "ALTER TABLE desk__orders RENAME COLUMN note TO other",
                "ALTER TABLE desk__orders RENAME COLUMN other TO note",
                "Column note of desk__orders is missing.",
            ),
            (
                "ALTER TABLE desk__orders__parts RENAME TO desk__orders__bits",
                "ALTER TABLE desk__orders__bits RENAME TO desk__orders__parts",
                "Table desk__orders__parts is declared, but it is not there.",
            ),
            (
                "CREATE TABLE desk__stray (id text)",
                "DROP TABLE desk__stray",
                "Table desk__stray is there, but no declaration made it.",
            ),
        ] {
            bench.tamper(broken).await;
            let reasons = refusals(store.apply(&grown, NOW).await.unwrap_err());
            assert!(reasons.iter().any(|r| r == words), "{reasons:?}");
            assert_eq!(store.forecast(&grown).await.unwrap().refusals, reasons);
            bench.tamper(mended).await;
        }
        assert_eq!(
            store.apply(&grown, NOW).await.unwrap().steps,
            ["Add column more to desk__orders."]
        );
    })
    .await;
}

/// Its note as a number, and so what its parts are.
pub(crate) fn counted() -> ModuleDef {
    let mut counted = desk();
    let note = fields(&mut counted)
        .iter_mut()
        .find(|f| f.name == "note")
        .unwrap();
    *note = field("note", &json!({"kind": "integer", "unique": true}));
    let parts = fields(&mut counted).iter_mut().find(|f| f.name == "parts");
    if let Kind::Rows { fields, .. } = &mut parts.unwrap().kind {
        fields[0] = field("item", &json!({"kind": "integer"}));
    }
    counted.changes = vec![
        converted("note", Conversion::Read),
        ChangeDef::Converted {
            collection: "orders.parts".into(),
            field: "item".into(),
            from: None,
            by: Conversion::Read,
            lossy: false,
        },
    ];
    counted
}

#[tokio::test]
async fn values_are_converted_with_a_dry_run_and_a_way_back() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&desk(), NOW).await.unwrap();
        let note = |n: u32, note: &str| order(n, json!({"note": note, "card": format!("c{n}")}));
        put(
            &store,
            vec![
                note(2, "12"),
                note(3, "十三"),
                order(4, json!({})),
                note(5, "15.0"),
            ],
        )
        .await
        .unwrap();

        let mut plain = counted();
        plain.changes.clear();
        assert!(
            refusals(store.apply(&plain, NOW).await.unwrap_err())[0].contains("changes its kind")
        );

        let forecast = store.forecast(&counted()).await.unwrap();
        assert!(forecast.refusals.is_empty() && !forecast.steps.is_empty());
        let values = &forecast.values[0];
        assert_eq!(
            (
                values.field.as_str(),
                values.records,
                values.fit,
                values.unfit
            ),
            ("note", 4, 3, 1)
        );
        assert_eq!(
            (&values.examples[0].record, values.examples[0].rule.as_str()),
            (&id(3), "not-an-integer")
        );

        // One that does not fit stops it, and everything is as before.
        let reasons = refusals(store.apply(&counted(), NOW).await.unwrap_err());
        assert_eq!(
            reasons,
            [format!(
                "note of desk.orders {} does not convert: not-an-integer.",
                id(3)
            )]
        );
        assert_eq!(get(&store, 2).await.unwrap()["note"], json!("12"));
        assert!(
            store.apply(&desk(), NOW).await.unwrap().steps.is_empty(),
            "no trace is left"
        );

        change_at_of(&store, 3, 1, json!({"note": "13"})).await;
        store.apply(&counted(), NOW).await.unwrap();
        for (n, is) in [
            (2, json!(12)),
            (3, json!(13)),
            (4, Value::Null),
            (5, json!(15)),
        ] {
            assert_eq!(get(&store, n).await.unwrap()["note"], is);
        }
        let range = Filter::Range {
            field: "note".into(),
            min: Some(json!(13)),
            max: None,
        };
        assert_eq!(ids(&store, range).await, [id(3), id(5)]);
        let again = put(&store, vec![order(6, json!({"note": 13}))]).await;
        assert!(matches!(&again, Err(CommitError::Conflict { fields, .. }) if *fields == ["note"]));
        // The past is read in the kind of today.
        change_at_of(&store, 3, 2, json!({"note": 33})).await;
        assert_eq!(as_of(&store, 3, NOW).await["note"], Value::Null);
        assert_eq!(as_of(&store, 3, NOW + HOUR).await["note"], json!(33));

        // What was before is there until a release leaves the change out.
        let kept = "SELECT COUNT(*) FROM desk__orders WHERE note__was = '15.0'";
        assert_eq!(numbers(bench, kept).await, [1]);
        assert!(store.apply(&counted(), NOW).await.unwrap().steps.is_empty());
        assert_eq!(
            store.apply(&plain, NOW).await.unwrap().steps,
            [
                "Drop column note__was of desk__orders.",
                "Drop column item__was of desk__orders__parts."
            ]
        );
        assert!(numbers(bench, kept).await.is_empty());

        // Sealed, and a gap filled.
        let mut sealed = plain.clone();
        let lines = fields(&mut sealed)
            .iter_mut()
            .find(|f| f.name == "note")
            .unwrap();
        *lines = field(
            "note",
            &json!({"kind": "text", "max": 20, "encrypted": true, "blind": true, "required": true}),
        );
        sealed.changes = vec![converted("note", Conversion::Fill(json!("无")))];
        store.apply(&sealed, NOW).await.unwrap();
        assert_eq!(get(&store, 2).await.unwrap()["note"], json!("12"));
        assert_eq!(ids(&store, Filter::eq("note", "无")).await, [id(4)]);
    })
    .await;
}

async fn change_at_of(store: &Store, n: u32, revision: i64, values: Value) {
    let mut all = commit(vec![change(n, revision, values)]);
    all.at = NOW + HOUR;
    store.commit(all).await.unwrap();
}

/// Orders that the tests below convert: several batches.
const MANY: u32 = 2_600;

/// A note, and the same in two rows.
fn numbered(value: &Value) -> Value {
    let parts = json!([{"item": value}, {"item": value}]);
    json!({"note": value, "parts": parts})
}

async fn many(store: &Store) {
    store.apply(&desk(), NOW).await.unwrap();
    let all: Vec<u32> = (10..10 + MANY).collect();
    for some in all.chunks(200) {
        let some = some
            .iter()
            .map(|n| order(*n, numbered(&json!(n.to_string()))));
        put(store, some.collect()).await.unwrap();
    }
}

async fn assert_numbered(store: &Store, n: u32, value: &Value) {
    let is = get(store, n).await.unwrap();
    let expected = numbered(value);
    assert_eq!(
        (&is["note"], &is["parts"]),
        (&expected["note"], &expected["parts"]),
        "{n}"
    );
}

#[tokio::test]
async fn what_is_written_meanwhile_is_converted_too() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        many(&store).await;
        let writer = async {
            let mut written = Vec::new();
            for n in (10..10 + MANY).step_by(7) {
                let value = 100_000 + n;
                // As text before the change over, as a number after it.
                let text = put(
                    &store,
                    vec![change(n, 1, numbered(&json!(value.to_string())))],
                )
                .await;
                match text {
                    Ok(_) => {}
                    Err(CommitError::Invalid { .. }) => {
                        put(&store, vec![change(n, 1, numbered(&json!(value)))])
                            .await
                            .unwrap();
                    }
                    Err(other) => panic!("{other}"),
                }
                written.push((n, value));
            }
            written
        };
        let counted = counted();
        let (applied, written) = futures_util::join!(store.apply(&counted, NOW), writer);
        applied.unwrap();
        assert!(written.len() > 300);
        for (n, value) in written {
            assert_numbered(&store, n, &json!(value)).await;
        }
        assert_numbered(&store, 11, &json!(11)).await;
    })
    .await;
}

/// The process that is killed; does nothing unless the test below starts it.
#[tokio::test]
#[ignore = "started by killed_at_every_step_it_is_before_or_after"]
async fn child() {
    let Some((url, keys)) = crash::told() else {
        return;
    };
    let keys = Arc::new(KeyRing::open_or_create(&keys, None).unwrap());
    let store = Store::open(&url, keys).await.unwrap();
    store.apply(&counted(), NOW).await.unwrap();
    println!("applied");
}

const MARKED: &str = "SELECT COUNT(*) FROM desk__orders WHERE row__converted IS NOT NULL";

#[tokio::test]
async fn killed_at_every_step_it_is_before_or_after() {
    on_each_engine(async |bench| killed(bench, "schema_life::child", &counted()).await).await;
}

/// Kills a process that applies a declaration in which the note is a number, each time a little
/// further.
pub(crate) async fn killed(bench: &Bench, child: &str, next: &ModuleDef) {
    let store = bench.open().await;
    many(&store).await;
    store.close().await;
    let mut seen = BTreeSet::new();
    // Room made, some batches done, most of them, all of it.
    for at_least in [0, 1, 600, 1_200, 1_800, i64::from(MANY)] {
        let mut child = crash::start(child, bench);
        loop {
            let marked = numbers(bench, MARKED).await;
            if marked.first().is_some_and(|n| *n >= at_least) || child.try_wait().unwrap().is_some()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // SIGKILL; it may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();

        let store = bench.open().await;
        let after = store.declared("desk").await.unwrap().as_ref() == Some(next);
        let is = |n: u32| {
            if after {
                json!(n)
            } else {
                json!(n.to_string())
            }
        };
        for n in [10, 600, 1_500, 10 + MANY - 1] {
            assert_numbered(&store, n, &is(n)).await;
        }
        let marked = numbers(bench, MARKED).await.first().copied();
        seen.insert((after, marked.is_some()));
        assert!(!(after && marked.is_some()), "nothing of the way is left");
        store.close().await;
    }
    assert!(seen.contains(&(false, true)), "killed on the way: {seen:?}");

    let store = bench.open().await;
    store.apply(next, NOW).await.unwrap();
    for n in 10..10 + MANY {
        assert_numbered(&store, n, &json!(n)).await;
    }
    assert!(store.apply(next, NOW).await.unwrap().steps.is_empty());
}

#[tokio::test]
async fn a_conversion_that_is_given_up_leaves_nothing() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        many(&store).await;
        store.close().await;
        let mut child = crash::start("schema_life::child", bench);
        while numbers(bench, MARKED).await.is_empty() && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let _ = child.kill();
        child.wait().unwrap();
        // The release of before is back: room that was made goes, unless all was done already.
        let store = bench.open().await;
        let before = store.declared("desk").await.unwrap() == Some(desk());
        if before {
            assert!(store.apply(&desk(), NOW).await.unwrap().steps.is_empty());
            assert!(numbers(bench, MARKED).await.is_empty());
            assert_eq!(get(&store, 10).await.unwrap()["note"], json!("10"));
            put(&store, vec![change(10, 1, json!({"note": "words"}))])
                .await
                .unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_has_not_heard_of_a_change_writes_nothing_by_the_old_tables() {
    on_postgres(async |url| {
        let bench = Bench::at(StoreUrl::Postgres(url.to_owned()));
        let (one, other) = (bench.open().await, bench.open().await);
        one.apply(&desk(), NOW).await.unwrap();
        other.refresh().await.unwrap();
        put(&one, vec![order(2, json!({"note": "12"}))])
            .await
            .unwrap();
        one.apply(&counted(), NOW).await.unwrap();
        // It reads and writes by what it knows, is told that this is past, and learns.
        let text = put(&other, vec![change(2, 1, json!({"note": "13"}))]).await;
        assert!(matches!(text, Err(CommitError::Invalid { .. })), "{text:?}");
        put(&other, vec![change(2, 1, json!({"note": 13}))])
            .await
            .unwrap();
        assert_eq!(get(&one, 2).await.unwrap()["note"], json!(13));

        let mut gone = counted();
        take(&mut gone, "note");
        gone.changes = vec![retired("note")];
        one.apply(&gone, NOW).await.unwrap();
        gone.changes.clear();
        one.apply(&gone, NOW).await.unwrap();
        assert!(!get(&other, 2).await.unwrap().contains_key("note"));
    })
    .await;
}
