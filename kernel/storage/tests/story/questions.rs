//! Cursors, facets, time buckets, bounds on groups, suppression, indexes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_storage::{QueryError, RowFilter, Store};
use sdk_contract::def::ModuleDef;
use sdk_contract::query::{Aggregate, Bucket, Filter, Group, Having, Key, Measure, Query, Top};
use serde_json::{Value, json};

use crate::bench::{NOW, change, id, module, on_each_engine, order, order_of, put};

/// Orders with many ties and gaps: numbers 100 up.
async fn many(store: &Store, count: u32) {
    let mut writes = Vec::new();
    for n in 0..count {
        let mut values = json!({
            "lines": n % 3, "amount": format!("{}.50", n % 7),
            "placed": format!("2026-{:02}-{:02}", n % 12 + 1, n % 28 + 1),
        });
        let map = values.as_object_mut().unwrap();
        if n % 4 != 0 {
            map.insert(
                "status".into(),
                json!(if n % 5 == 0 { "done" } else { "open" }),
            );
        }
        if n % 6 == 0 {
            map.remove("amount");
        }
        if n % 2 == 0 {
            map.insert("urgent".into(), json!(n % 3 == 0));
        }
        // Unique with `lines`, so every third day differs.
        map.insert("placed".into(), json!(format!("{:04}-01-01", 1990 + n)));
        writes.push(order_of(100 + n, 9000 + n % 40, None, values));
    }
    put(store, writes).await.unwrap();
}

async fn ids(store: &Store, query: &Query) -> Vec<String> {
    let found = store.find(query, &RowFilter::All).await.unwrap();
    let ids = found.records.iter().map(|r| r["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_cursor_walks_every_row_once_in_any_order() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        many(&store, 60).await;
        let sorts: [&[(&str, bool)]; 9] = [
            &[],
            &[("status", false)],
            &[("status", true)],
            &[("amount", true), ("lines", false)],
            &[("urgent", false), ("amount", false), ("status", true)],
            &[("created_at", true)],
            &[("number", true)],
            &[("lines", true), ("id", false)],
            &[("placed", false)],
        ];
        for sort in sorts {
            let query = sort
                .iter()
                .fold(Query::new("desk.orders"), |q, (f, down)| q.sort(*f, *down));
            let whole = ids(&store, &query.clone().limit(200)).await;
            assert_eq!(whole.len(), 60);
            for size in [1, 7, 60, 200] {
                let (mut walked, mut cursor) = (Vec::new(), String::new());
                loop {
                    let page = query.clone().after(&cursor, size);
                    let found = store.find(&page, &RowFilter::All).await.unwrap();
                    assert!(found.records.len() <= size as usize);
                    let read = found.records.iter().map(|r| r["id"].as_str().unwrap());
                    walked.extend(read.map(str::to_owned));
                    match found.next {
                        Some(next) => cursor = next,
                        None => break,
                    }
                }
                assert_eq!(walked, whole, "{sort:?} by {size}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_stands_while_rows_come_and_is_bound_to_its_question() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        many(&store, 12).await;
        let query = Query::new("desk.orders").sort("number", false);
        let first = query.clone().after("", 5);
        let found = store.find(&first, &RowFilter::All).await.unwrap();
        let next = found.next.unwrap();
        let last = found.records.last().unwrap();
        let rest = ids(&store, &query.clone().after(&next, 200)).await;
        // One before the cursor, one after it.
        put(
            &store,
            vec![
                order(1, json!({"number": "A"})),
                order(2, json!({"number": "Z"})),
            ],
        )
        .await
        .unwrap();
        let mut later = rest.clone();
        later.push(id(2));
        assert_eq!(ids(&store, &query.clone().after(&next, 200)).await, later);

        let filtered = query.clone().filter(Filter::eq("lines", 1));
        let others = [
            filtered.after(&next, 5),
            Query::new("desk.orders")
                .sort("number", true)
                .after(&next, 5),
            Query::new("desk.shelves")
                .sort("name", false)
                .after(&next, 5),
            query.clone().after(format!("{next}A"), 5),
            query.clone().after("AAAA", 5),
            query.clone().after("?", 5),
        ];
        for other in others {
            let refused = store.find(&other, &RowFilter::All).await;
            assert!(matches!(refused, Err(QueryError::BadCursor)), "{other:?}");
        }
        let mut both = query.after(&next, 5);
        both.offset = 1;
        assert!(store.find(&both, &RowFilter::All).await.is_err());
        // Two letters may stand in any random text; a whole id does not.
        let bytes = URL_SAFE_NO_PAD.decode(&next).unwrap();
        let id = last["id"].as_str().unwrap().as_bytes();
        assert!(
            !bytes.windows(id.len()).any(|part| part == id),
            "a cursor shows no value"
        );
    })
    .await;
}

/// A filter made of a number: conditions on four fields, joined in all ways.
fn filter(mut seed: u32) -> Filter {
    let mut pick = |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % n
    };
    let mut leaf = || match pick(6) {
        0 => Filter::eq("status", if pick(2) == 0 { "open" } else { "done" }),
        1 => Filter::eq("lines", pick(3)),
        2 => Filter::Range {
            field: "amount".into(),
            min: Some(json!(format!("{}.00", pick(4)))),
            max: Some(json!(format!("{}.00", 3 + pick(4)))),
        },
        3 => Filter::Missing {
            field: "status".into(),
        },
        4 => Filter::eq("urgent", pick(2) == 0),
        _ => Filter::contains("number", pick(10).to_string()),
    };
    let (a, b, c) = (leaf(), leaf(), leaf());
    match pick(4) {
        0 => a,
        1 => a.and(b),
        2 => a.or(b).and(c.not()),
        _ => a.or(b).or(c),
    }
}

#[tokio::test]
async fn facet_counts_are_what_the_filtered_query_counts() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        many(&store, 90).await;
        let fields = ["status", "lines", "urgent", "amount"];
        for seed in 0..40 {
            let base = Query::new("desk.orders").filter(filter(seed));
            let asked = fields.iter().fold(base.clone(), |q, f| q.facet(*f));
            let asked = Query {
                total: true,
                ..asked.limit(1)
            };
            let found = store.find(&asked, &RowFilter::All).await.unwrap();
            let total = found.total.unwrap();
            assert_eq!(found.facets.len(), fields.len());
            for facet in &found.facets {
                let sum: u64 = facet.values.iter().map(|v| v.count).sum();
                assert_eq!((sum, facet.more), (total, false), "{seed} {}", facet.field);
                let counts: Vec<u64> = facet.values.iter().map(|v| v.count).collect();
                assert!(counts.is_sorted_by(|a, b| a >= b));
                for value in &facet.values {
                    let query = base
                        .clone()
                        .filter(Filter::eq(&facet.field, value.value.clone()));
                    let query = Query {
                        total: true,
                        ..query.limit(1)
                    };
                    let one = store.find(&query, &RowFilter::All).await.unwrap();
                    assert_eq!(
                        one.total,
                        Some(value.count),
                        "{seed} {} {}",
                        facet.field,
                        value.value
                    );
                }
            }
        }
        let wrong = Query::new("desk.orders").facet("phone");
        assert!(store.find(&wrong, &RowFilter::All).await.is_err());
    })
    .await;
}

fn cells(groups: &[Group]) -> Value {
    groups.iter().map(|g| json!([g.keys, g.measures])).collect()
}

#[tokio::test]
async fn times_are_grouped_by_the_calendar_of_beijing() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let at = |n: u32, seen: &str, placed: &str| {
            order(n, json!({"seen": seen, "placed": placed, "lines": n}))
        };
        put(
            &store,
            vec![
                // Still the old year in UTC, already the new one here.
                at(1, "2025-12-31T15:59:59.999999Z", "2025-12-31"),
                at(2, "2025-12-31T16:00:00Z", "2026-01-01"),
                at(3, "2026-03-31T15:59:59Z", "2026-03-31"),
                at(4, "2026-03-31T16:00:00Z", "2026-04-01"),
                at(5, "1969-12-31T15:59:59Z", "2026-04-02"),
                at(6, "1969-12-31T16:00:00Z", "2026-10-01"),
            ],
        )
        .await
        .unwrap();
        put(&store, vec![order(7, json!({}))]).await.unwrap();
        let by = async |field: &str, bucket| {
            let ask =
                Aggregate::new("desk.orders", vec![Measure::Count]).by(Key::bucket(field, bucket));
            cells(&store.aggregate(&ask, &RowFilter::All).await.unwrap())
        };
        assert_eq!(
            by("seen", Bucket::Day).await,
            json!([
                [["1969-12-31"], [1]],
                [["1970-01-01"], [1]],
                [["2025-12-31"], [1]],
                [["2026-01-01"], [1]],
                [["2026-03-31"], [1]],
                [["2026-04-01"], [1]],
                [[null], [1]]
            ])
        );
        assert_eq!(
            by("seen", Bucket::Quarter).await,
            json!([
                [["1969-Q4"], [1]],
                [["1970-Q1"], [1]],
                [["2025-Q4"], [1]],
                [["2026-Q1"], [2]],
                [["2026-Q2"], [1]],
                [[null], [1]]
            ])
        );
        assert_eq!(
            by("seen", Bucket::Month).await[4],
            json!([["2026-03"], [1]])
        );
        assert_eq!(
            by("placed", Bucket::Quarter).await,
            json!([
                [["2025-Q4"], [1]],
                [["2026-Q1"], [2]],
                [["2026-Q2"], [2]],
                [["2026-Q4"], [1]],
                [[null], [1]]
            ])
        );
        assert_eq!(
            by("placed", Bucket::Year).await,
            json!([[["2025"], [1]], [["2026"], [5]], [[null], [1]]])
        );
        let wrong = Aggregate::new("desk.orders", vec![Measure::Count])
            .by(Key::bucket("number", Bucket::Day));
        assert!(store.aggregate(&wrong, &RowFilter::All).await.is_err());
    })
    .await;
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one set of groups, asked in every way"
)]
async fn groups_are_bounded_ordered_and_averaged() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let of =
            |n: u32, lines: i64, amount: &str| order(n, json!({"lines": lines, "amount": amount}));
        put(
            &store,
            vec![
                of(1, 1, "0.01"),
                of(2, 1, "0.02"),
                of(3, 1, "0.02"),
                of(4, 2, "5.00"),
                of(5, 3, "-1.00"),
                of(6, 3, "4.00"),
                order(7, json!({"lines": 4})),
            ],
        )
        .await
        .unwrap();
        let measures = || {
            vec![
                Measure::Count,
                Measure::Sum("amount".into()),
                Measure::Avg("amount".into()),
                Measure::Avg("lines".into()),
            ]
        };
        let ask = || Aggregate::new("desk.orders", measures()).by("lines");
        let run =
            async |ask: Aggregate| cells(&store.aggregate(&ask, &RowFilter::All).await.unwrap());
        assert_eq!(
            run(ask()).await,
            json!([
                [[1], [3, "0.05", "0.0167", "1.00"]],
                [[2], [1, "5.00", "5.0000", "2.00"]],
                [[3], [2, "3.00", "1.5000", "3.00"]],
                [[4], [1, "0.00", null, "4.00"]],
            ])
        );
        let having = |measure, min: Option<Value>, max: Option<Value>| Having { measure, min, max };
        let keys = async |ask: Aggregate| -> Vec<Value> {
            let groups = store.aggregate(&ask, &RowFilter::All).await.unwrap();
            groups.into_iter().map(|g| g.keys[0].clone()).collect()
        };
        let twice = Aggregate {
            having: vec![having(0, Some(json!(2)), None)],
            ..ask()
        };
        assert_eq!(keys(twice).await, [json!(1), json!(3)]);
        let between = Aggregate {
            having: vec![
                having(1, Some(json!("0.05")), Some(json!("3.00"))),
                having(0, None, Some(json!(2))),
            ],
            ..ask()
        };
        assert_eq!(keys(between).await, [json!(3)]);
        let top = |measure, groups, least| {
            Some(Top {
                measure,
                groups,
                least,
            })
        };
        assert_eq!(
            keys(Aggregate {
                top: top(1, 2, false),
                ..ask()
            })
            .await,
            [json!(2), json!(3)]
        );
        assert_eq!(
            keys(Aggregate {
                top: top(0, 3, true),
                ..ask()
            })
            .await,
            [json!(2), json!(4), json!(3)],
            "ties by key"
        );
        for bad in [
            Aggregate {
                top: top(2, 2, false),
                ..ask()
            },
            Aggregate {
                top: top(9, 2, false),
                ..ask()
            },
            Aggregate {
                top: top(0, 0, false),
                ..ask()
            },
            Aggregate {
                having: vec![having(2, Some(json!("1")), None)],
                ..ask()
            },
            Aggregate {
                having: vec![having(0, Some(json!("many")), None)],
                ..ask()
            },
        ] {
            assert!(
                store.aggregate(&bad, &RowFilter::All).await.is_err(),
                "{bad:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn pi_04_small_groups_are_suppressed_for_whoever_does_not_own_them() {
    on_each_engine(async |bench| {
        let mut declared: ModuleDef = module();
        declared.collections[0].suppress_below = Some(3);
        let store = bench.open().await;
        store.apply(&declared, NOW).await.unwrap();
        let of = |n: u32, lines: i64| {
            order_of(
                n,
                9000,
                Some(7000),
                json!({"lines": lines, "amount": "1.00"}),
            )
        };
        put(
            &store,
            vec![of(1, 1), of(2, 1), of(3, 2), of(4, 2), of(5, 2)],
        )
        .await
        .unwrap();
        let ask = Aggregate::new(
            "desk.orders",
            vec![Measure::Count, Measure::Sum("amount".into())],
        )
        .by("lines");
        let district = RowFilter::District("310110".into());
        for stranger in [
            &RowFilter::All,
            &district,
            &RowFilter::Any(vec![RowFilter::Subject(id(9000)), district.clone()]),
        ] {
            let groups = store.aggregate(&ask, stranger).await.unwrap();
            assert_eq!(
                cells(&groups),
                json!([[[1], [null, null]], [[2], [3, "3.00"]]]),
                "{stranger:?}"
            );
            assert!(groups[0].suppressed && !groups[1].suppressed);
            // A bound on a measure must not tell what is hidden.
            let top = Aggregate {
                top: Some(Top {
                    measure: 1,
                    groups: 9,
                    least: true,
                }),
                ..ask.clone()
            };
            assert_eq!(store.aggregate(&top, stranger).await.unwrap().len(), 1);
            let having = Having {
                measure: 0,
                min: None,
                max: Some(json!(2)),
            };
            let having = Aggregate {
                having: vec![having],
                ..ask.clone()
            };
            assert!(store.aggregate(&having, stranger).await.unwrap().is_empty());
        }
        for owner in [
            RowFilter::Subject(id(9000)),
            RowFilter::Organisations(vec![id(7000)]),
        ] {
            let groups = store.aggregate(&ask, &owner).await.unwrap();
            assert_eq!(
                cells(&groups),
                json!([[[1], [2, "2.00"]], [[2], [3, "3.00"]]])
            );
        }
        let nothing = Aggregate::new("desk.orders", vec![Measure::Count]);
        let none = store
            .aggregate(
                &Aggregate {
                    filter: Some(Filter::eq("lines", 9)),
                    ..nothing
                },
                &RowFilter::All,
            )
            .await
            .unwrap();
        assert_eq!(
            cells(&none),
            json!([[[], [0]]]),
            "none at all is no small group"
        );
    })
    .await;
}

/// The declared access paths, and those every collection has for its row scopes, are served by
/// their index in its order.
#[tokio::test]
async fn declared_indexes_serve_what_they_were_declared_for() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        many(&store, 200).await;
        bench.tamper("ANALYZE").await;
        let all = RowFilter::All;
        let bank = RowFilter::Organisations(vec![id(7000)]);
        let party = RowFilter::Subject(id(9000));
        let orders = || Query::new("desk.orders");
        let done = || orders().filter(Filter::eq("status", "done"));
        let next = |query: Query| async {
            let first = Query {
                cursor: Some(String::new()),
                ..query.clone().limit(5)
            };
            let found = store.find(&first, &RowFilter::All).await.unwrap();
            query.after(found.next.unwrap(), 5)
        };
        let paths = [
            (
                done().sort("placed", false),
                &all,
                "ix_desk__orders_status_placed_id",
            ),
            (
                done().filter(Filter::Range {
                    field: "placed".into(),
                    min: Some(json!("2020-01-01")),
                    max: None,
                }),
                &all,
                "ix_desk__orders_status_placed_id",
            ),
            (
                orders().filter(Filter::eq("number", "N7")),
                &all,
                "ux_desk__orders_number",
            ),
            (
                orders().filter(Filter::eq("id", id(107))),
                &all,
                "ix_desk__orders_id",
            ),
            (
                orders().sort("created_at", true),
                &all,
                "ix_desk__orders_created_at_id",
            ),
            (
                next(orders().sort("created_at", true)).await,
                &all,
                "ix_desk__orders_created_at_id",
            ),
            (orders(), &bank, "ix_desk__orders_organisation_id"),
            (
                orders(),
                &party,
                match store.engine() {
                    kernel_storage::Engine::Sqlite => "sqlite_autoindex_desk__orders_1",
                    kernel_storage::Engine::Postgres => "desk__orders_pkey",
                },
            ),
        ];
        for (query, rows, index) in paths {
            let plan = store.explain(&query, rows).await.unwrap().join("\n");
            let named = plan.contains(index) || plan.contains(&index.replace("ix_", ""));
            assert!(
                named,
                "{index} is not used by {query:?} for {rows:?}:\n{plan}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn every_statement_on_a_collection_is_watched() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        put(&store, vec![order(1, json!({}))]).await.unwrap();
        put(&store, vec![change(1, 1, json!({"lines": 1}))])
            .await
            .unwrap();
        ids(&store, &Query::new("desk.orders")).await;
        let (seen, faults) = kernel_storage::lint::report();
        assert!(seen >= 4, "insert, select to change, update, list: {seen}");
        assert!(faults.is_empty(), "{faults:#?}");
    })
    .await;
}
