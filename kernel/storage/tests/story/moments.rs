//! Records and lists as they were, and databases made by declarations of before.

use std::path::Path;

use kernel_storage::{CollectionName, QueryError, RowFilter, Store};
use sdk_contract::def::{FieldDef, Label, ModuleDef};
use sdk_contract::kind::{Entry, Kind, TABLE};
use sdk_contract::query::{Filter, Query};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::bench::{NOW, change, commit, id, module, on_each_engine, order};

async fn put_at(store: &Store, at: i64, writes: Vec<sdk_contract::call::Write>) {
    let mut all = commit(writes);
    all.at = at;
    store.commit(all).await.unwrap();
}

fn questions() -> Vec<Query> {
    let orders = || Query::new("desk.orders").limit(200);
    vec![
        orders(),
        orders().sort("amount", true),
        orders()
            .filter(Filter::eq("status", "open"))
            .sort("lines", false),
        orders().filter(Filter::Missing {
            field: "status".into(),
        }),
        orders()
            .filter(Filter::contains("number", "1").not())
            .facet("status")
            .facet("lines"),
        orders().filter(Filter::eq("id", id(3))),
        Query {
            total: true,
            ..orders().sort("lines", true).limit(3)
        },
    ]
}

/// Without what a history does not keep.
fn plain(records: Vec<Map<String, Value>>) -> Vec<Map<String, Value>> {
    let strip = |mut record: Map<String, Value>| {
        record.remove("phone");
        record
    };
    records.into_iter().map(strip).collect()
}

/// What was answered then is answered now about then.
#[tokio::test]
async fn a_moment_is_answered_as_it_was() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let mut then = Vec::new();
        for step in 0..12_u32 {
            let at = NOW + i64::from(step) * 1_000_000;
            let lines =
                json!({"lines": step % 4, "amount": format!("{step}.00"), "phone": "13800001234"});
            put_at(&store, at, vec![order(step + 1, lines)]).await;
            if step % 2 == 1 {
                // Every second step changes the record before it once more.
                let revision = 1;
                let status = if step % 3 == 0 {
                    json!("open")
                } else {
                    json!("done")
                };
                put_at(
                    &store,
                    at,
                    vec![change(
                        step,
                        revision,
                        json!({"status": status, "lines": 9}),
                    )],
                )
                .await;
            }
            if step == 7 {
                put_at(
                    &store,
                    at,
                    vec![change(
                        1,
                        2,
                        json!({"status": null, "amount": "99.00", "phone": "13900001234"}),
                    )],
                )
                .await;
            }
            let mut answers = Vec::new();
            for query in questions() {
                answers.push(store.find(&query, &RowFilter::All).await.unwrap());
            }
            then.push((at, answers));
        }
        for (at, answers) in then {
            // Half a second later nothing has happened yet.
            let moment = Timestamp::from_micros(at + 500_000);
            for (query, was) in questions().into_iter().zip(answers) {
                let query = query.as_of(moment);
                let is = store.find(&query, &RowFilter::All).await.unwrap();
                assert_eq!(plain(is.records), plain(was.records), "{at} {query:?}");
                assert_eq!(
                    (is.total, is.facets),
                    (was.total, was.facets),
                    "{at} {query:?}"
                );
            }
        }
        let before = Query::new("desk.orders").as_of(Timestamp::from_micros(NOW - 1));
        let none = store.find(&before, &RowFilter::All).await.unwrap();
        assert!(none.records.is_empty());
        let now = Query::new("desk.orders").filter(Filter::eq("id", id(12)));
        let unchanged = now.as_of(Timestamp::from_micros(NOW + 60_000_000));
        let found = store.find(&unchanged, &RowFilter::All).await.unwrap();
        assert_eq!(
            found.records[0]["phone"],
            json!("13800001234"),
            "unchanged since, so as it stands"
        );
    })
    .await;
}

#[tokio::test]
async fn a_moment_is_walked_by_cursor_within_the_askers_rows() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put_at(
            &store,
            NOW,
            (1..=9).map(|n| order(n, json!({"lines": n % 2}))).collect(),
        )
        .await;
        put_at(
            &store,
            NOW + 10,
            (1..=9).map(|n| change(n, 1, json!({"lines": 5}))).collect(),
        )
        .await;
        let query = Query::new("desk.orders")
            .sort("lines", true)
            .as_of(Timestamp::from_micros(NOW + 5));
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let found = store
                .find(&query.clone().after(&cursor, 2), &RowFilter::All)
                .await
                .unwrap();
            walked.extend(
                found
                    .records
                    .iter()
                    .map(|r| (r["lines"].clone(), r["id"].clone())),
            );
            match found.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let expected: Vec<(Value, Value)> = [9, 7, 5, 3, 1, 8, 6, 4, 2]
            .map(|n| (json!(n % 2), json!(id(n))))
            .into();
        assert_eq!(walked, expected);
        let stranger = RowFilter::Subject(id(1));
        let none = store.find(&query, &stranger).await.unwrap();
        assert!(none.records.is_empty());
        let shelves = Query::new("desk.shelves").as_of(Timestamp::from_micros(NOW));
        let refused = store.find(&shelves, &RowFilter::All).await;
        assert!(matches!(refused, Err(QueryError::NotAudited(_))));
        let bad = Query {
            as_of: Some("yesterday".into()),
            ..Query::new("desk.orders")
        };
        assert!(matches!(
            store.find(&bad, &RowFilter::All).await,
            Err(QueryError::BadValue { .. })
        ));
    })
    .await;
}

/// What every plugin has frozen.
pub(crate) fn locks() -> Vec<String> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let folders = std::fs::read_dir(plugins).unwrap();
    let locks = folders.map(|plugin| plugin.unwrap().path().join("schema.lock.json"));
    let mut locks: Vec<_> = locks.filter(|lock| lock.exists()).collect();
    locks.sort();
    let read = locks
        .iter()
        .map(|lock| std::fs::read_to_string(lock).unwrap());
    read.collect()
}

/// A value of a kind, canonical.
pub(crate) fn value(module: &ModuleDef, kind: &Kind) -> Value {
    if let Kind::Choice { of } = kind {
        return json!(module.choice(of).unwrap().options[0].value);
    }
    let entry = TABLE.iter().find(|e| e.kind == kind.name()).unwrap();
    match kind {
        Kind::MultiChoice { of, .. } => json!([module.choice(of).unwrap().options[0].value]),
        Kind::Rows { fields, .. } => {
            let cell = |f: &FieldDef| (f.name.clone(), value(module, &f.kind));
            json!([fields.iter().map(cell).collect::<Map<_, _>>()])
        }
        Kind::Text { .. } => json!("x"),
        Kind::Code { format } => json!(format.example()),
        Kind::Integer { min, .. } => json!(min.unwrap_or(1)),
        Kind::Money { .. } => json!("1.00"),
        Kind::Decimal { scale, .. } => json!(format!("0.{}", "0".repeat((*scale).into()))),
        _ => entry.sample().good[0].1.clone(),
    }
}

/// Every plugin's declaration as it is frozen: applied, filled, read, and grown by every kind.
#[tokio::test]
async fn frozen_declarations_apply_and_grow_by_every_kind() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        let mut rows = 0;
        for lock in locks() {
            let frozen: Value = serde_json::from_str(&lock).unwrap();
            let old: ModuleDef = serde_json::from_str(&lock).unwrap();
            // What is frozen means the same to this build, to the byte.
            assert_eq!(serde_json::to_value(&old).unwrap(), frozen, "{}", old.id);
            store.apply(&old, NOW).await.unwrap();
            let mut written = Vec::new();
            for (n, c) in (1_u32..).zip(&old.collections) {
                // A reference needs its record; those of other modules are not here.
                let plain = |f: &&FieldDef| !matches!(f.kind, Kind::Ref { .. }) || f.required;
                if c.fields.iter().any(|f| f.required && matches!(f.kind, Kind::Ref { .. })) {
                    continue;
                }
                let values: Map<String, Value> = c
                    .fields
                    .iter()
                    .filter(plain)
                    .filter(|f| !matches!(f.kind, Kind::Ref { .. }))
                    .map(|f| (f.name.clone(), value(&old, &f.kind)))
                    .collect();
                let mut all = commit(vec![sdk_contract::call::Write::Insert {
                    collection: c.name.clone(),
                    id: id(n),
                    subject: Some(id(9000)),
                    organisation: Some(id(7000)),
                    district: None,
                    values: values.clone(),
                }]);
                all.module.clone_from(&old.id);
                store.commit(all).await.unwrap();
                written.push((CollectionName::new(&old.id, &c.name), id(n), values));
            }
            rows += written.len();

            let mut new = old.clone();
            new.choices.extend(Entry::choices());
            let grown = |entry: &Entry| FieldDef {
                name: format!("grown_{}", entry.kind.replace('-', "_")),
                ..entry.sample().field
            };
            for c in &mut new.collections {
                let to = c.name.clone();
                c.fields.push(FieldDef::new("begins", Label::default(), Kind::Date));
                c.fields.push(FieldDef::new("ends", Label::default(), Kind::Date));
                c.fields.extend(TABLE.iter().map(grown).map(|f| match f.kind {
                    Kind::Ref { .. } => FieldDef { kind: Kind::Ref { to: to.clone() }, ..f },
                    _ => f,
                }));
                c.fields.push(FieldDef {
                    encrypted: true,
                    blind: true,
                    ..FieldDef::new("grown_secret", Label::default(), Kind::Text { max: 9 })
                });
                c.indexes.push(vec!["grown_month".into(), "grown_money".into()]);
            }
            let applied = store.apply(&new, NOW).await.unwrap();
            assert!(!applied.steps.is_empty());
            for (name, id, values) in &written {
                let record = store.get(name, id, &RowFilter::All).await.unwrap().unwrap();
                for (field, value) in values {
                    assert_eq!(&record[field], value, "{name} {field}");
                }
                assert_eq!((&record["grown_rows"], &record["grown_month"]), (&json!([]), &Value::Null));
                let month = json!({"grown_month": "2026-11", "grown_rows": [{"item": "x"}], "grown_secret": "s"});
                let mut all = commit(vec![sdk_contract::call::Write::Update {
                    collection: name.collection.clone(),
                    id: id.clone(),
                    revision: 1,
                    values: month.as_object().unwrap().clone(),
                }]);
                all.module.clone_from(&old.id);
                store.commit(all).await.unwrap();
                let by = Query::new(name.to_string()).filter(Filter::eq("grown_secret", "s").and(Filter::eq("grown_month", "2026-11")));
                assert_eq!(store.find(&by, &RowFilter::All).await.unwrap().records.len(), 1);
            }
            assert!(store.apply(&new, NOW).await.unwrap().steps.is_empty());
        }
        assert!(rows >= 8, "only {rows} records were carried over");
        // And a declaration never quietly changes what is encrypted how.
        let mut blind = module();
        store.apply(&blind, NOW).await.unwrap();
        blind.collections[0].fields.last_mut().unwrap().blind = true;
        assert!(store.apply(&blind, NOW).await.is_err());
    })
    .await;
}
