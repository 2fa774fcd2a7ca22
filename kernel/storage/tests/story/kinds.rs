//! Every kind of the contract's table, kept and asked about on both engines.

use kernel_storage::{CollectionName, CommitError, Engine, QueryError, RowFilter, Store};
use sdk_contract::call::Write;
use sdk_contract::code::Format;
use sdk_contract::def::{CollectionDef, FieldDef, Label, ModuleDef, Shard};
use sdk_contract::kind::{Entry, Kind, TABLE};
use sdk_contract::query::{Aggregate, Filter, Measure, Query};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::bench::{Bench, NOW, commit, id, object, on_each_engine};

fn name_of(entry: &Entry) -> String {
    format!("f_{}", entry.kind.replace('-', "_"))
}

fn field(name: &str, kind: Kind) -> FieldDef {
    FieldDef::new(name, Label::default(), kind)
}

/// One collection with a field of every line of the table, and a blind one.
fn module() -> ModuleDef {
    let mut fields = vec![field("begins", Kind::Date), field("ends", Kind::Date)];
    fields.extend(TABLE.iter().map(|entry| FieldDef {
        name: name_of(entry),
        ..entry.sample().field
    }));
    let resident = Kind::Code {
        format: Format::ResidentId,
    };
    fields.push(FieldDef {
        encrypted: true,
        blind: true,
        unique: true,
        ..field("secret", resident)
    });
    ModuleDef {
        id: "kinds".into(),
        choices: Entry::choices(),
        collections: vec![CollectionDef {
            title: "begins".into(),
            audited: true,
            ..CollectionDef::new(
                "samples",
                "sample",
                Label::default(),
                Shard::Subject,
                fields,
            )
        }],
        ..ModuleDef::default()
    }
}

fn samples() -> CollectionName {
    CollectionName::new("kinds", "samples")
}

fn insert(n: u32, values: Value) -> Write {
    Write::Insert {
        collection: "samples".into(),
        id: id(n),
        subject: Some(id(9000)),
        organisation: None,
        district: None,
        values: object(values),
    }
}

fn update(n: u32, revision: i64, values: Value) -> Write {
    Write::Update {
        collection: "samples".into(),
        id: id(n),
        revision,
        values: object(values),
    }
}

async fn put(store: &Store, write: Write) -> Result<(), CommitError> {
    let mut all = commit(vec![write]);
    all.module = "kinds".into();
    store.commit(all).await.map(drop)
}

async fn get(store: &Store, n: u32) -> serde_json::Map<String, Value> {
    let found = store.get(&samples(), &id(n), &RowFilter::All).await;
    found.unwrap().unwrap()
}

async fn found(store: &Store, filter: Filter) -> Result<Vec<String>, QueryError> {
    let query = Query::new("kinds.samples").filter(filter).limit(200);
    let found = store.find(&query, &RowFilter::All).await?;
    let ids = found.records.iter().map(|r| r["id"].as_str().unwrap());
    Ok(ids.map(str::to_owned).collect())
}

async fn columns(bench: &Bench) -> Vec<(String, String)> {
    let pairs = match &bench.url {
        kernel_storage::StoreUrl::Sqlite(path) => {
            let conn = rusqlite::Connection::open(path).unwrap();
            let text = "SELECT name, type FROM pragma_table_info('kinds__samples')";
            let mut statement = conn.prepare(text).unwrap();
            let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)));
            rows.unwrap()
                .collect::<Result<Vec<(String, String)>, _>>()
                .unwrap()
        }
        kernel_storage::StoreUrl::Postgres(url) => {
            let mut conn = sqlx::PgConnection::connect(url).await.unwrap();
            let text = "SELECT column_name::text, data_type::text FROM information_schema.columns \
                        WHERE table_name = 'kinds__samples'";
            let rows = sqlx::query(AssertSqlSafe(text))
                .fetch_all(&mut conn)
                .await
                .unwrap();
            rows.iter()
                .map(|r| (r.get::<String, _>(0), r.get::<String, _>(1)))
                .collect()
        }
    };
    pairs
        .into_iter()
        .map(|(n, t)| (n, t.to_lowercase()))
        .collect()
}

#[tokio::test]
async fn every_kind_has_the_column_of_its_line() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&module(), NOW).await.unwrap();
        let columns = columns(bench).await;
        for entry in TABLE {
            let expected = match store.engine() {
                Engine::Sqlite => entry.sqlite,
                Engine::Postgres => entry.postgres,
            };
            let made = columns.iter().find(|(n, _)| *n == name_of(entry));
            assert_eq!(
                made.map(|(_, t)| t.as_str()).unwrap_or_default(),
                expected.to_lowercase(),
                "{}",
                entry.kind
            );
        }
    })
    .await;
}

#[tokio::test]
async fn every_sample_is_kept_changed_and_asked_about_as_its_line_says() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&module(), NOW).await.unwrap();
        let mut n = 1;
        for entry in TABLE {
            let (name, sample) = (name_of(entry), entry.sample());
            let ops = entry.ops;
            for (_, value) in &sample.good {
                // By insert, and by a change from nothing.
                put(&store, insert(n, json!({ &name: value })))
                    .await
                    .unwrap();
                put(&store, insert(n + 1, json!({}))).await.unwrap();
                put(&store, update(n + 1, 1, json!({ &name: value })))
                    .await
                    .unwrap();
                for n in [n, n + 1] {
                    assert_eq!(&get(&store, n).await[&name], value, "{}", entry.kind);
                }
                let mine = [id(n), id(n + 1)];
                let one = match value {
                    Value::Array(items) if ops.equal => items[0].clone(),
                    one => one.clone(),
                };
                let asked = [
                    (ops.equal, Filter::eq(&name, one.clone())),
                    (
                        ops.range,
                        Filter::Range {
                            field: name.clone(),
                            min: Some(one.clone()),
                            max: Some(one.clone()),
                        },
                    ),
                    (
                        ops.text,
                        Filter::contains(&name, one.as_str().unwrap_or("x")),
                    ),
                ];
                for (may, filter) in asked {
                    match found(&store, filter.clone()).await {
                        Ok(all) => {
                            assert!(may, "{} answers {filter:?}", entry.kind);
                            assert!(
                                mine.iter().all(|m| all.contains(m)),
                                "{} {filter:?}",
                                entry.kind
                            );
                        }
                        Err(e) => assert!(!may, "{} {filter:?}: {e}", entry.kind),
                    }
                }
                let missing = found(
                    &store,
                    Filter::Missing {
                        field: name.clone(),
                    },
                )
                .await
                .unwrap();
                assert!(!mine.iter().any(|m| missing.contains(m)), "{}", entry.kind);
                put(&store, update(n, 1, json!({ &name: null })))
                    .await
                    .unwrap();
                let missing = found(
                    &store,
                    Filter::Missing {
                        field: name.clone(),
                    },
                )
                .await
                .unwrap();
                assert!(missing.contains(&id(n)), "{}", entry.kind);
                n += 2;
            }
            let by = Query::new("kinds.samples").sort(&name, false);
            let sorted = store.find(&by, &RowFilter::All).await;
            assert_eq!(sorted.is_ok(), ops.sort, "{} sorts", entry.kind);
            let ask = |measure: Measure, key: Option<&String>| Aggregate {
                group_by: key.map(|k| k.as_str().into()).into_iter().collect(),
                ..Aggregate::new("kinds.samples", vec![measure])
            };
            for (may, ask) in [
                (ops.group, ask(Measure::Count, Some(&name))),
                (ops.sum, ask(Measure::Sum(name.clone()), None)),
                (ops.sum, ask(Measure::Avg(name.clone()), None)),
                (ops.range, ask(Measure::Max(name.clone()), None)),
            ] {
                let answered = store.aggregate(&ask, &RowFilter::None).await;
                assert_eq!(answered.is_ok(), may, "{} {ask:?}", entry.kind);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn rows_are_kept_in_order_and_replaced_as_a_whole() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&module(), NOW).await.unwrap();
        let rows = |items: &[&str]| -> Value {
            let row = |item: &&str| json!({"item": item, "price": "1.00"});
            items.iter().map(row).collect()
        };
        put(&store, insert(1, json!({"f_rows": rows(&["b", "a"])})))
            .await
            .unwrap();
        put(&store, insert(2, json!({"f_rows": rows(&["c"])})))
            .await
            .unwrap();
        put(&store, insert(3, json!({}))).await.unwrap();
        assert_eq!(get(&store, 1).await["f_rows"], rows(&["b", "a"]));
        assert_eq!(get(&store, 3).await["f_rows"], json!([]));

        put(
            &store,
            update(1, 1, json!({"f_rows": rows(&["a", "c", "d"])})),
        )
        .await
        .unwrap();
        put(&store, update(1, 2, json!({"begins": "2026-01-01"})))
            .await
            .unwrap();
        assert_eq!(get(&store, 1).await["f_rows"], rows(&["a", "c", "d"]));
        let any = |filter: Filter| Filter::Any {
            field: "f_rows".into(),
            filter: Box::new(filter),
        };
        assert_eq!(
            found(&store, any(Filter::eq("item", "c"))).await.unwrap(),
            [id(1), id(2)]
        );
        let both = any(Filter::eq("item", "c").and(Filter::eq("price", "2.00")));
        assert_eq!(found(&store, both).await.unwrap(), [""; 0]);
        let none = any(Filter::contains("item", "")).not();
        assert_eq!(found(&store, none).await.unwrap(), [id(3)]);
        assert!(
            found(&store, any(Filter::eq("id", id(1)))).await.is_err(),
            "only the row's fields"
        );

        let history = store.changes(&samples(), &id(1)).await.unwrap();
        assert_eq!(
            history[1].before.as_ref().unwrap()["f_rows"],
            rows(&["b", "a"])
        );
        assert_eq!(history[1].after["f_rows"], rows(&["a", "c", "d"]));
        assert!(!history[2].after.contains_key("f_rows"));

        for bad in [json!([1]), json!([{"item": 7}]), json!([{"other": "x"}])] {
            let refused = put(&store, insert(9, json!({ "f_rows": bad }))).await;
            assert!(
                matches!(refused, Err(CommitError::Invalid { .. })),
                "{refused:?}"
            );
        }
        let whole = store
            .get(&samples(), &id(9), &RowFilter::All)
            .await
            .unwrap();
        assert_eq!(whole, None, "no half record");
    })
    .await;
}

#[tokio::test]
async fn computed_fields_are_made_when_read() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&module(), NOW).await.unwrap();
        let days = json!({"begins": "2026-01-01", "ends": "2026-01-31"});
        put(&store, insert(1, days)).await.unwrap();
        assert_eq!(get(&store, 1).await["f_computed"], json!(30));
        put(&store, update(1, 1, json!({"ends": "2025-12-31"})))
            .await
            .unwrap();
        assert_eq!(get(&store, 1).await["f_computed"], json!(-1));
        let given = put(&store, insert(2, json!({"f_computed": 1}))).await;
        assert!(matches!(given, Err(CommitError::Invalid { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_blind_index_finds_and_guards_what_it_cannot_read() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        store.apply(&module(), NOW).await.unwrap();
        let (one, other) = ("310101190001010011", "31010119000101002X");
        put(&store, insert(1, json!({ "secret": one })))
            .await
            .unwrap();
        put(&store, insert(2, json!({}))).await.unwrap();
        put(&store, insert(3, json!({}))).await.unwrap();
        assert_eq!(get(&store, 1).await["secret"], json!(one));
        assert_eq!(
            found(&store, Filter::eq("secret", one)).await.unwrap(),
            [id(1)]
        );
        let either = Filter::In {
            field: "secret".into(),
            values: vec![json!(other), json!(one)],
        };
        assert_eq!(found(&store, either).await.unwrap(), [id(1)]);
        for filter in [
            Filter::contains("secret", "3101"),
            Filter::Range {
                field: "secret".into(),
                min: Some(json!("3")),
                max: None,
            },
        ] {
            assert!(found(&store, filter).await.is_err());
        }
        let taken = put(&store, insert(4, json!({ "secret": one }))).await;
        match taken {
            Err(CommitError::Conflict { fields, .. }) => assert_eq!(fields, ["secret"]),
            other => panic!("{other:?}"),
        }
        put(&store, update(1, 1, json!({ "secret": other })))
            .await
            .unwrap();
        put(&store, insert(5, json!({ "secret": one })))
            .await
            .unwrap();
        assert_eq!(
            found(&store, Filter::eq("secret", other)).await.unwrap(),
            [id(1)]
        );
        assert_eq!(
            found(&store, Filter::eq("secret", one)).await.unwrap(),
            [id(5)]
        );
        let history = store.changes(&samples(), &id(1)).await.unwrap();
        assert!(history.iter().all(|c| !c.after.contains_key("secret")));
    })
    .await;
}
