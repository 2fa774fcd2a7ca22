use kernel_storage::{CollectionName, QueryError, RowFilter, Store};
use sdk_contract::query::{Aggregate, Filter, Measure, Query};
use serde_json::{Value, json};

use crate::bench::{get, id, module, on_each_engine, order, order_of, orders, put};

#[tokio::test]
async fn every_kind_comes_back_as_it_was_written() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let values = json!({
            "status": "open", "amount": "9007199254740993.01", "ratio": "-0.0345",
            "lines": -7, "placed": "2026-11-23", "seen": "2026-11-23T08:00:00.123456Z",
            "urgent": true, "shelf": id(1), "extra": {"b": [1, null, "融桥"], "a": {}},
            "phone": "13800001234",
        });
        put(&store, vec![order(2, values.clone()), order(3, json!({}))])
            .await
            .unwrap();

        let full = get(&store, 2).await.unwrap();
        for (field, value) in values.as_object().unwrap() {
            assert_eq!(&full[field], value, "{field}");
        }
        assert_eq!(full["id"], json!(id(2)));
        assert_eq!(full["revision"], json!(1));
        assert_eq!(full["subject"], json!(id(9000)));
        assert_eq!(full["organisation"], Value::Null);
        assert_eq!(full["created_at"], json!("2026-11-23T08:00:00.000000Z"));
        assert_eq!(full["updated_by"], json!(id(8000)));

        let bare = get(&store, 3).await.unwrap();
        let fields = &module().collections[0].fields;
        assert_eq!(bare.len(), 9 + fields.len());
        assert!(
            fields.iter().skip(1).all(|f| bare[&f.name].is_null()),
            "{bare:?}"
        );
        assert_eq!(get(&store, 4).await, None);
        assert_eq!(
            store
                .get(&orders(), "no-id", &RowFilter::All)
                .await
                .unwrap(),
            None
        );
    })
    .await;
}

/// Ten orders; number 15 has neither status nor amount.
async fn shelf_of_orders(store: &Store) {
    let mut writes = Vec::new();
    for n in 10..20 {
        writes.push(match n {
            15 => order(15, json!({"number": "100%_off!"})),
            n => order(
                n,
                json!({
                    "status": if n % 2 == 0 { "open" } else { "done" },
                    "amount": format!("{}.50", n * 100),
                    "lines": n % 3, "urgent": n < 12,
                    "placed": format!("2026-11-{n}"),
                    "shelf": if n == 11 { json!(id(1)) } else { Value::Null },
                }),
            ),
        });
    }
    put(store, writes).await.unwrap();
}

/// The orders that a query finds, by their number in this file.
async fn found(store: &Store, query: Query) -> Vec<u32> {
    let found = store.find(&query.limit(50), &RowFilter::All).await.unwrap();
    found
        .records
        .iter()
        .map(|r| r["id"].as_str().unwrap()[24..].parse().unwrap())
        .collect()
}

fn ask(filter: Filter) -> Query {
    Query::new("desk.orders").filter(filter)
}

fn range(field: &str, min: Option<Value>, max: Option<Value>) -> Filter {
    Filter::Range {
        field: field.into(),
        min,
        max,
    }
}

#[tokio::test]
async fn filters_mean_the_same_everywhere() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        shelf_of_orders(&store).await;
        let find = async |filter| found(&store, ask(filter)).await;

        assert_eq!(
            find(Filter::eq("status", "open")).await,
            [10, 12, 14, 16, 18]
        );
        assert_eq!(find(Filter::eq("amount", "1300.50")).await, [13]);
        // As numbers: as text "1000.50" would come before "200".
        assert_eq!(
            find(range(
                "amount",
                Some(json!("200.00")),
                Some(json!("1200.50"))
            ))
            .await,
            [10, 11, 12]
        );
        assert_eq!(
            find(range("placed", Some(json!("2026-11-18")), None)).await,
            [18, 19]
        );
        assert_eq!(find(Filter::eq("urgent", true)).await, [10, 11]);
        assert_eq!(find(Filter::eq("shelf", id(1))).await, [11]);
        assert_eq!(find(Filter::eq("shelf", "not an id")).await, [0; 0]);
        assert_eq!(find(Filter::eq("id", id(12))).await, [12]);
        assert_eq!(
            find(Filter::Missing {
                field: "status".into()
            })
            .await,
            [15]
        );
        assert_eq!(find(Filter::eq("status", Value::Null)).await, [15]);
        assert_eq!(
            find(Filter::In {
                field: "lines".into(),
                values: vec![json!(0), json!(2)]
            })
            .await,
            [11, 12, 14, 17, 18]
        );
        assert_eq!(
            find(Filter::In {
                field: "lines".into(),
                values: vec![]
            })
            .await,
            [0; 0]
        );
        assert_eq!(find(Filter::And(vec![])).await.len(), 10);
        assert_eq!(find(Filter::Or(vec![])).await, [0; 0]);
        // What has no status is not open.
        let not_open = Filter::Not(Box::new(Filter::eq("status", "open")));
        assert_eq!(find(not_open).await, [11, 13, 15, 17, 19]);
        let either = Filter::Or(vec![Filter::eq("lines", 0), Filter::eq("urgent", true)]);
        assert_eq!(find(either.clone()).await, [10, 11, 12, 18]);
        assert_eq!(
            find(Filter::And(vec![either, Filter::eq("status", "open")])).await,
            [10, 12, 18]
        );
    })
    .await;
}

#[tokio::test]
async fn contains_folds_ascii_and_takes_wildcards_literally() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        shelf_of_orders(&store).await;
        let find = async |text: &str| found(&store, ask(Filter::contains("number", text))).await;
        assert_eq!(find("n1").await.len(), 9);
        assert_eq!(find("%").await, [15]);
        assert_eq!(find("0%_O").await, [15]);
        assert_eq!(find("!").await, [15]);
        assert_eq!(find("N_0").await, [0; 0]);
        assert_eq!(find("\0").await, [0; 0]);
    })
    .await;
}

#[tokio::test]
async fn pages_are_ordered_counted_and_bounded() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        shelf_of_orders(&store).await;
        let by = |field: &str, down| Query::new("desk.orders").sort(field, down);

        assert_eq!(
            found(&store, by("amount", true)).await,
            [19, 18, 17, 16, 14, 13, 12, 11, 10, 15]
        );
        assert_eq!(
            found(&store, by("amount", false)).await.last(),
            Some(&15),
            "nulls are last"
        );
        assert_eq!(
            found(&store, by("urgent", true).sort("lines", false)).await,
            [10, 11, 12, 18, 13, 16, 19, 14, 17, 15],
            "ties by id"
        );
        assert_eq!(
            found(&store, by("number", false)).await[0],
            15,
            "byte order: digits first"
        );

        let page = store
            .find(&by("number", false).page(2, 4), &RowFilter::All)
            .await
            .unwrap();
        assert_eq!(page.total, Some(10));
        let numbers: Vec<_> = page
            .records
            .iter()
            .map(|r| r["number"].as_str().unwrap())
            .collect();
        assert_eq!(numbers, ["N13", "N14", "N16", "N17"]);

        for (query, what) in [
            (Query::new("desk.orders").limit(201), "limit"),
            (Query::new("desk.orders").limit(0), "limit"),
            (Query::new("desk.orders").page(5000, 20), "offset"),
        ] {
            let refused = store.find(&query, &RowFilter::All).await.unwrap_err();
            assert!(
                matches!(refused, QueryError::TooMuch { .. }),
                "{what}: {refused}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_total_is_true_after_every_commit() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let query = Query::new("desk.orders").page(1, 1);
        for n in 0..5 {
            for _ in 0..2 {
                let page = store.find(&query, &RowFilter::All).await.unwrap();
                assert_eq!(page.total, Some(u64::from(n)));
            }
            put(&store, vec![order(10 + n, json!({}))]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_by_name() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let refused = async |query: Query| store.find(&query, &RowFilter::All).await.unwrap_err();

        let e = refused(ask(Filter::eq("colour", "red"))).await;
        assert!(
            matches!(&e, QueryError::UnknownField { field, .. } if field == "colour"),
            "{e}"
        );
        let e = refused(Query::new("desk.orders").sort("1; DROP TABLE", false)).await;
        assert!(matches!(e, QueryError::UnknownField { .. }), "{e}");
        let e = refused(Query::new("desk.lamps")).await;
        assert!(matches!(e, QueryError::UnknownCollection(_)), "{e}");
        let e = refused(ask(Filter::eq("phone", "13800001234"))).await;
        assert!(
            matches!(e, QueryError::Unsuited { what: "filter", .. }),
            "{e}"
        );
        let e = refused(Query::new("desk.orders").sort("extra", false)).await;
        assert!(
            matches!(e, QueryError::Unsuited { what: "sort", .. }),
            "{e}"
        );
        let e = refused(ask(Filter::eq("amount", 12.5))).await;
        assert!(matches!(e, QueryError::BadValue { .. }), "{e}");
        let deep = (0..40).fold(Filter::eq("lines", 1), |f, _| Filter::Not(Box::new(f)));
        assert!(matches!(
            refused(ask(deep)).await,
            QueryError::TooMuch { .. }
        ));
    })
    .await;
}

#[tokio::test]
async fn dj_07_a_row_scope_holds_for_get_find_and_count() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let writes = vec![
            order_of(20, 9001, Some(7001), json!({ "shelf": id(1) })),
            order_of(21, 9001, Some(7002), json!({ "shelf": id(1) })),
            order_of(22, 9002, Some(7002), json!({})),
            order_of(23, 9003, None, json!({})),
        ];
        put(&store, writes).await.unwrap();

        let subject = |n| RowFilter::Subject(id(n));
        let organisations =
            |ns: &[u32]| RowFilter::Organisations(ns.iter().map(|n| id(*n)).collect());
        let cases = [
            (RowFilter::All, vec![20, 21, 22, 23]),
            (RowFilter::None, vec![]),
            (subject(9001), vec![20, 21]),
            (RowFilter::Subject("' OR 1=1 --".into()), vec![]),
            (organisations(&[7002]), vec![21, 22]),
            (organisations(&[7001, 7002]), vec![20, 21, 22]),
            (organisations(&[]), vec![]),
            (RowFilter::District("310112".into()), vec![22]),
            (RowFilter::Assigned(id(1)), vec![20, 21]),
            (RowFilter::Assigned(id(2)), vec![]),
            (RowFilter::Assigned("' OR 1=1 --".into()), vec![]),
            (RowFilter::Assigned(String::new()), vec![]),
            (RowFilter::Any(vec![]), vec![]),
            (
                RowFilter::Any(vec![RowFilter::Assigned(id(1)), subject(9003)]),
                vec![20, 21, 23],
            ),
            (
                RowFilter::Any(vec![subject(9003), organisations(&[7001])]),
                vec![20, 23],
            ),
            (
                RowFilter::Any(vec![RowFilter::None, RowFilter::All]),
                vec![20, 21, 22, 23],
            ),
        ];
        for (rows, expected) in cases {
            // A wide filter of the asker's must not widen the scope.
            let wide = Filter::Or(vec![Filter::And(vec![]), Filter::eq("lines", 1)]);
            let page = store.find(&ask(wide).page(1, 50), &rows).await.unwrap();
            let ids: Vec<_> = page
                .records
                .iter()
                .map(|r| r["id"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(
                ids,
                expected.iter().map(|n| id(*n)).collect::<Vec<_>>(),
                "{rows:?}"
            );
            assert_eq!(page.total, Some(expected.len() as u64), "{rows:?}");
            for n in 20..24 {
                let seen = store.get(&orders(), &id(n), &rows).await.unwrap().is_some();
                assert_eq!(seen, expected.contains(&n), "{n} {rows:?}");
            }
            let count = Aggregate {
                collection: "desk.orders".into(),
                filter: None,
                group_by: vec![],
                measures: vec![Measure::Count],
                ..Aggregate::default()
            };
            let groups = store.aggregate(&count, &rows).await.unwrap();
            assert_eq!(groups[0].measures, [json!(expected.len())], "{rows:?}");
        }
        // Where nobody is named, nothing is anybody's.
        let shelves = CollectionName::new("desk", "shelves");
        let assigned = RowFilter::Assigned(id(1));
        assert_eq!(store.get(&shelves, &id(1), &assigned).await.unwrap(), None);
        let elsewhere = CollectionName::new("desk", "lamps");
        let e = store
            .get(&elsewhere, &id(20), &RowFilter::All)
            .await
            .unwrap_err();
        assert!(matches!(e, QueryError::UnknownCollection(_)));
    })
    .await;
}

#[tokio::test]
async fn sums_are_exact_and_grouped() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        shelf_of_orders(&store).await;
        let measure = |group_by: &[&str], measures: Vec<Measure>, filter| Aggregate {
            collection: "desk.orders".into(),
            filter,
            group_by: group_by.iter().map(|s| (*s).into()).collect(),
            measures,
            ..Aggregate::default()
        };
        let all = vec![
            Measure::Count,
            Measure::Sum("amount".into()),
            Measure::Sum("lines".into()),
            Measure::Min("placed".into()),
            Measure::Max("amount".into()),
        ];
        let groups = store
            .aggregate(&measure(&["status"], all.clone(), None), &RowFilter::All)
            .await
            .unwrap();
        let rows: Vec<_> = groups
            .iter()
            .map(|g| (json!(g.keys), json!(g.measures)))
            .collect();
        assert_eq!(
            rows,
            [
                (
                    json!(["done"]),
                    json!([4, "6002.00", 6, "2026-11-11", "1900.50"])
                ),
                (
                    json!(["open"]),
                    json!([5, "7002.50", 4, "2026-11-10", "1800.50"])
                ),
                (json!([null]), json!([1, "0.00", 0, null, null])),
            ]
        );
        let nothing = Some(Filter::eq("number", "none"));
        let groups = store
            .aggregate(&measure(&[], all, nothing), &RowFilter::All)
            .await
            .unwrap();
        assert_eq!(json!(groups[0].measures), json!([0, "0.00", 0, null, null]));

        for (bad, what) in [("status", "sum"), ("phone", "sum"), ("extra", "sum")] {
            let ask = measure(&[], vec![Measure::Sum(bad.into())], None);
            let e = store.aggregate(&ask, &RowFilter::All).await.unwrap_err();
            assert!(
                matches!(e, QueryError::Unsuited { what: w, .. } if w == what),
                "{e}"
            );
        }
        // Past 64 bits: an error, never a wrapped or rounded sum.
        let big = json!({"amount": "92233720368547758.07"});
        put(&store, vec![order(30, big.clone()), order(31, big)])
            .await
            .unwrap();
        let ask = measure(&[], vec![Measure::Sum("amount".into())], None);
        let e = store.aggregate(&ask, &RowFilter::All).await.unwrap_err();
        assert!(matches!(e, QueryError::Storage(_)), "{e}");
    })
    .await;
}
