//! The fields of rows change as those of records do.

use kernel_storage::Store;
use sdk_contract::change::{ChangeDef, Conversion};
use sdk_contract::def::{FieldDef, ModuleDef};
use sdk_contract::kind::Kind;
use sdk_contract::query::Filter;
use serde_json::{Value, json};

use crate::bench::{NOW, get, id, on_each_engine, order, orders, put};
use crate::schema_life::{as_of, change_at, desk, field, fields, ids, refusals};

const HOUR: i64 = 3_600_000_000;

fn parts(module: &mut ModuleDef) -> &mut Vec<FieldDef> {
    let parts = fields(module).iter_mut().find(|f| f.name == "parts");
    match &mut parts.unwrap().kind {
        Kind::Rows { fields, .. } => fields,
        other => panic!("{other:?}"),
    }
}

fn text(name: &str) -> FieldDef {
    field(name, &json!({"kind": "text", "max": 20}))
}

/// Orders with parts of an item, how many, and a remark.
fn stocked() -> ModuleDef {
    let mut desk = desk();
    *parts(&mut desk) = vec![text("item"), text("pieces"), text("remark")];
    desk
}

fn renamed(field: &str, from: &str) -> ChangeDef {
    ChangeDef::Renamed {
        collection: "orders.parts".into(),
        field: Some(field.into()),
        from: from.into(),
    }
}

fn converted(lossy: bool) -> ChangeDef {
    ChangeDef::Converted {
        collection: "orders.parts".into(),
        field: "pieces".into(),
        from: None,
        by: Conversion::Read,
        lossy,
    }
}

fn bolt(pieces: &str) -> Value {
    json!({"item": "bolt", "pieces": pieces, "remark": "旧"})
}

async fn filled(bench: &crate::bench::Bench) -> Store {
    let store = bench.open().await;
    store.apply(&stocked(), NOW).await.unwrap();
    let first = order(2, json!({"parts": [bolt("7"), bolt("12")]}));
    let second = order(3, json!({"parts": [bolt("七")]}));
    put(&store, vec![first, second]).await.unwrap();
    let nut = json!({"parts": [{"item": "nut", "pieces": "8"}]});
    change_at(&store, NOW + HOUR, 1, nut).await;
    store
}

fn has(field: &str, value: Value) -> Filter {
    Filter::Any {
        field: "parts".into(),
        filter: Box::new(Filter::eq(field, value)),
    }
}

#[tokio::test]
async fn fields_of_rows_are_renamed_retired_and_gone() {
    on_each_engine(async |bench| {
        let store = filled(bench).await;
        let mut left = stocked();
        parts(&mut left).remove(2);
        let reasons = refusals(store.apply(&left, NOW).await.unwrap_err());
        assert!(reasons[0].contains("remark is gone from orders.parts"), "{reasons:?}");

        let mut next = left.clone();
        parts(&mut next)[0] = text("thing");
        next.changes = vec![
            renamed("thing", "item"),
            ChangeDef::Retired {
                collection: "orders.parts".into(),
                field: Some("remark".into()),
            },
        ];
        let steps = store.apply(&next, NOW).await.unwrap().steps;
        assert_eq!(
            steps,
            [
                "Field item of orders.parts is called thing; its values stay where they are.",
                "Field remark of orders.parts is retired; its values stay until a release leaves that out."
            ]
        );
        assert_eq!(
            get(&store, 2).await.unwrap()["parts"],
            json!([{"thing": "nut", "pieces": "8"}])
        );
        assert_eq!(ids(&store, has("thing", json!("bolt"))).await, [id(3)]);
        let then = as_of(&store, 2, NOW).await;
        assert_eq!(
            then["parts"],
            json!([
                {"thing": "bolt", "pieces": "7", "remark": "旧"},
                {"thing": "bolt", "pieces": "12", "remark": "旧"}
            ]),
            "the history is in the names of today"
        );
        let past = store.changes(&orders(), &id(2)).await.unwrap();
        assert_eq!(past[1].after["parts"][0]["thing"], json!("nut"));
        change_at(&store, NOW + 2 * HOUR, 2, json!({"parts": [{"thing": "pin"}]})).await;
        assert_eq!(as_of(&store, 2, NOW + HOUR).await["parts"][0]["thing"], json!("nut"));

        // Back again, what was not written meanwhile has what it had.
        let mut back = next.clone();
        back.changes = vec![renamed("thing", "item")];
        parts(&mut back).push(text("remark"));
        store.apply(&back, NOW).await.unwrap();
        assert_eq!(get(&store, 3).await.unwrap()["parts"][0]["remark"], json!("旧"));
        store.apply(&next, NOW).await.unwrap();

        next.changes.clear();
        assert_eq!(
            store.apply(&next, NOW).await.unwrap().steps,
            ["Drop column remark of desk__orders__parts."]
        );
        // A new field of an old name is another field, with no past.
        parts(&mut next).extend([text("item"), text("remark")]);
        assert_eq!(
            store.apply(&next, NOW).await.unwrap().steps,
            [
                "Add column item_2 to desk__orders__parts.",
                "Add column remark_2 to desk__orders__parts."
            ]
        );
        assert_eq!(get(&store, 3).await.unwrap()["parts"][0]["item"], Value::Null);
        assert_eq!(as_of(&store, 2, NOW).await["parts"][0].get("remark"), None);
        let rows = json!([{"thing": "a", "item": "b", "remark": "c", "pieces": null}]);
        change_at(&store, NOW + 3 * HOUR, 3, json!({"parts": rows.clone()})).await;
        store.close().await;
        let store = bench.open().await;
        assert_eq!(get(&store, 2).await.unwrap()["parts"], rows);
        assert!(store.schema_state().await.unwrap().differences.is_empty());
    })
    .await;
}

#[tokio::test]
async fn values_in_rows_are_converted_with_a_dry_run_and_a_way_back() {
    on_each_engine(async |bench| {
        let store = filled(bench).await;
        let mut next = stocked();
        parts(&mut next)[1] = field("pieces", &json!({"kind": "integer"}));
        let reasons = refusals(store.apply(&next, NOW).await.unwrap_err());
        assert!(
            reasons[0].contains("pieces of orders.parts changes its kind"),
            "{reasons:?}"
        );
        next.changes = vec![converted(false)];
        let forecast = store.forecast(&next).await.unwrap();
        let values = &forecast.values[0];
        assert_eq!(
            (values.collection.as_str(), values.fit, values.unfit),
            ("orders.parts", 1, 1)
        );
        assert_eq!(values.examples[0].record, id(3));
        let reasons = refusals(store.apply(&next, NOW).await.unwrap_err());
        assert_eq!(
            reasons,
            [format!(
                "pieces of desk.orders.parts {} does not convert: not-an-integer.",
                id(3)
            )]
        );
        assert!(store.apply(&stocked(), NOW).await.unwrap().steps.is_empty());
        assert!(store.schema_state().await.unwrap().differences.is_empty());

        next.changes = vec![converted(true)];
        store.apply(&next, NOW).await.unwrap();
        assert_eq!(
            get(&store, 2).await.unwrap()["parts"][0]["pieces"],
            json!(8)
        );
        assert_eq!(
            get(&store, 3).await.unwrap()["parts"][0]["pieces"],
            Value::Null
        );
        assert_eq!(ids(&store, has("pieces", json!(8))).await, [id(2)]);
        // The past is read in the kind of today.
        assert_eq!(as_of(&store, 2, NOW).await["parts"][1]["pieces"], json!(12));
        next.changes.clear();
        assert_eq!(
            store.apply(&next, NOW).await.unwrap().steps,
            ["Drop column pieces__was of desk__orders__parts."]
        );
        store.close().await;
        let store = bench.open().await;
        assert_eq!(
            get(&store, 2).await.unwrap()["parts"][0]["pieces"],
            json!(8)
        );
    })
    .await;
}
