use sdk_contract::def::{ChoiceDef, Label, OptionDef, Tone};
use sdk_contract::kind::Kind;
use serde_json::json;

use super::*;

fn field(name: &str, kind: &str, extra: &serde_json::Value) -> FieldDef {
    let mut v = json!({"name": name, "label": {"zh": "", "en": ""}, "kind": kind});
    v.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    serde_json::from_value(v).unwrap()
}

fn module() -> ModuleDef {
    ModuleDef {
        id: "shop".into(),
        collections: vec![CollectionDef {
            indexes: vec![vec!["status".into()]],
            ..CollectionDef::new(
                "orders",
                "order",
                Label::default(),
                Shard::Subject,
                vec![
                    field("number", "text", &json!({"max": 10, "required": true})),
                    field("status", "choice", &json!({"of": "states"})),
                    field("price", "decimal", &json!({"scale": 4})),
                ],
            )
        }],
        choices: vec![ChoiceDef {
            name: "states".into(),
            label: Label::default(),
            options: ["open", "done"]
                .map(|v| OptionDef {
                    value: v.into(),
                    label: Label::default(),
                    tone: Tone::default(),
                })
                .into(),
        }],
        ..ModuleDef::default()
    }
}

fn stored(def: ModuleDef, layout: Layout) -> Stored {
    Stored {
        def,
        layout,
        next: None,
    }
}

fn sentences(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

/// The plan from [`module`] to a changed copy of it, as sentences.
fn after(change: impl FnOnce(&mut ModuleDef)) -> Result<Vec<String>, Vec<String>> {
    let mut new = module();
    change(&mut new);
    let old = stored(module(), Layout::default());
    plan(Some(&old), &new).map(|plan| sentences(&plan.steps))
}

/// Releases one after another: what each changes of the one before, and the sentences it makes.
struct Releases(Stored);

impl Releases {
    fn first() -> Self {
        Self(stored(module(), Layout::default()))
    }

    fn next(&mut self, change: impl FnOnce(&mut ModuleDef)) -> Result<Vec<String>, Vec<String>> {
        let mut new = self.0.def.clone();
        new.changes.clear();
        change(&mut new);
        let plan = plan(Some(&self.0), &new)?;
        let mut all = sentences(&plan.begin);
        all.extend(sentences(&plan.steps));
        self.0 = stored(new, plan.layout);
        Ok(all)
    }
}

fn rename(field: &str, from: &str) -> ChangeDef {
    ChangeDef::Renamed {
        collection: "orders".into(),
        field: Some(field.into()),
        from: from.into(),
    }
}

fn retire(field: Option<&str>) -> ChangeDef {
    ChangeDef::Retired {
        collection: "orders".into(),
        field: field.map(str::to_owned),
    }
}

fn convert(field: &str, from: Option<&str>, by: Conversion) -> ChangeDef {
    ChangeDef::Converted {
        collection: "orders".into(),
        field: field.into(),
        from: from.map(str::to_owned),
        by,
        lossy: false,
    }
}

fn refused(change: impl FnOnce(&mut ModuleDef)) -> String {
    let reasons = after(change).unwrap_err();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons.into_iter().next().unwrap()
}

#[test]
fn the_same_declaration_needs_nothing() {
    assert_eq!(after(|_| ()), Ok(vec![]));
}

#[test]
fn a_first_declaration_creates_its_tables() {
    let plan = plan(None, &module()).unwrap();
    assert_eq!(sentences(&plan.steps), ["Create table shop__orders."]);
}

#[test]
fn additions_are_carried_out() {
    let steps = after(|m| {
        let c = &mut m.collections[0];
        c.fields.push(field("note", "text", &json!({"max": 10})));
        c.fields
            .push(field("code", "text", &json!({"max": 10, "unique": true})));
        c.indexes = vec![vec!["status".into(), "created_at".into()]];
        m.choices[0].options.push(OptionDef {
            value: "lost".into(),
            label: Label::default(),
            tone: Tone::default(),
        });
        let mut second = m.collections[0].clone();
        second.name = "returns".into();
        m.collections.push(second);
    });
    assert_eq!(
        steps.unwrap(),
        [
            "Drop index on shop__orders (status, id).",
            "Add column note to shop__orders.",
            "Add column code to shop__orders.",
            "Create unique index on shop__orders (code).",
            "Create index on shop__orders (status, created_at, id).",
            "Create table shop__returns.",
        ]
    );
}

#[test]
fn bounds_may_move_and_a_field_may_become_optional() {
    let steps = after(|m| {
        let c = &mut m.collections[0];
        c.fields[0].kind = Kind::Text { max: 5 };
        c.fields[0].required = false;
        c.fields[2].kind = Kind::Decimal {
            scale: 4,
            min: Some(0),
            max: None,
        };
        c.audited = true;
    });
    assert_eq!(steps, Ok(vec![]));
}

#[test]
fn whatever_could_lose_data_is_refused_in_words() {
    assert!(refused(|m| m.collections.clear()).contains("orders is gone"));
    assert!(refused(|m| drop(m.collections[0].fields.remove(2))).contains("price is gone"));
    assert!(refused(|m| m.collections[0].fields[2].name = "cost".into()).contains("price is gone"));
    assert!(
        refused(|m| m.collections[0].fields[2].kind = Kind::Money {
            min: None,
            max: None
        })
        .contains("price of orders changes its kind")
    );
    assert!(
        refused(|m| m.collections[0].fields[2].kind = Kind::Decimal {
            scale: 2,
            min: None,
            max: None
        })
        .contains("changes its kind")
    );
    assert!(
        refused(|m| m.collections[0]
            .fields
            .push(field("due", "date", &json!({"required": true}))))
        .contains("due is added to orders as required")
    );
    assert!(refused(|m| m.collections[0].fields[2].required = true).contains("becomes required"));
    assert!(refused(|m| m.collections[0].fields[2].encrypted = true).contains("encrypted"));
    assert!(
        refused(|m| m.collections[0].shard = Shard::Aggregate)
            .contains("from subject to aggregate")
    );
    assert!(refused(|m| drop(m.choices[0].options.remove(0))).contains("Option open is gone"));
}

#[test]
fn a_renamed_field_keeps_its_column_and_nobody_else_gets_it() {
    let mut releases = Releases::first();
    let steps = releases.next(|m| {
        let c = &mut m.collections[0];
        c.fields[1].name = "state".into();
        c.indexes = vec![vec!["state".into()]];
        m.changes = vec![rename("state", "status")];
    });
    assert_eq!(
        steps.unwrap(),
        ["Field status of orders is called state; its values stay where they are."],
        "the index stays, too"
    );
    assert_eq!(releases.0.layout.of("orders").column("state"), "status");
    // The change may be left out of the next release, and the old name be given again.
    let steps = releases.next(|m| {
        let again = field("status", "text", &json!({"max": 10}));
        m.collections[0].fields.push(again);
    });
    assert_eq!(
        steps.unwrap(),
        ["Add column status_2 to shop__orders."],
        "a column of its own"
    );
}

/// Orders, and returns that refer to them.
fn with_returns(m: &mut ModuleDef) {
    let mut returns = m.collections[0].clone();
    returns.name = "returns".into();
    let of = field("of", "ref", &json!({"to": "orders"}));
    returns.fields = vec![of];
    returns.indexes.clear();
    m.collections.push(returns);
}

fn call(m: &mut ModuleDef, collection: &str, from: &str) {
    let before = m.collections.iter_mut().find(|c| c.name == from);
    before.unwrap().name = collection.into();
    for c in &mut m.collections {
        for field in &mut c.fields {
            if let Kind::Ref { to } = &mut field.kind
                && to == from
            {
                collection.clone_into(to);
            }
        }
    }
    m.changes.push(ChangeDef::Renamed {
        collection: collection.into(),
        field: None,
        from: from.into(),
    });
}

#[test]
fn a_renamed_collection_keeps_its_table_and_no_other_gets_its_name() {
    let mut releases = Releases::first();
    releases.next(with_returns).unwrap();
    let steps = releases.next(|m| {
        call(m, "purchases", "orders");
        let c = &mut m.collections[0];
        c.fields.push(field("note", "text", &json!({"max": 10})));
        c.fields[1].name = "state".into();
        c.indexes = vec![vec!["state".into()]];
        m.changes.push(ChangeDef::Renamed {
            collection: "purchases".into(),
            field: Some("state".into()),
            from: "status".into(),
        });
    });
    assert_eq!(
        steps.unwrap(),
        [
            "Collection orders is called purchases; its table stays as it is.",
            "Field status of purchases is called state; its values stay where they are.",
            "Add column note to shop__orders.",
        ]
    );
    let orders = releases.0.def.collections[0].clone();
    let refused = releases.next(|m| {
        m.collections.push(CollectionDef {
            name: "orders".into(),
            ..orders.clone()
        });
    });
    assert!(refused.unwrap_err()[0].contains("orders is what purchases was called before"));
    assert_eq!(
        releases.next(|m| call(m, "orders", "purchases")).unwrap(),
        ["Collection purchases is called orders; its table stays as it is."]
    );
}

#[test]
fn a_collection_is_renamed_once_and_not_while_it_is_declared() {
    let twice = after(|m| {
        call(m, "purchases", "orders");
        let again = m.collections[0].clone();
        m.collections.push(CollectionDef {
            name: "buys".into(),
            ..again
        });
        m.changes.push(ChangeDef::Renamed {
            collection: "buys".into(),
            field: None,
            from: "orders".into(),
        });
    });
    assert!(twice.unwrap_err()[0].contains("has two new names"));
    let both = after(|m| {
        let orders = m.collections[0].clone();
        call(m, "purchases", "orders");
        m.collections.push(orders);
    });
    assert!(both.unwrap_err()[0].contains("still declared"));
    // Referring to another collection is another meaning, unless it is the same under another name.
    let elsewhere = |from: Option<&str>| {
        let mut releases = Releases::first();
        let to = |to: &str| field("park", "ref", &json!({"to": to}));
        releases
            .next(|m| m.collections[0].fields.push(to("park.parks")))
            .unwrap();
        releases.next(|m| {
            m.collections[0].fields[3] = to("park.sites");
            m.changes = from
                .map(|from| ChangeDef::Renamed {
                    collection: "park.sites".into(),
                    field: None,
                    from: from.into(),
                })
                .into_iter()
                .collect();
        })
    };
    assert!(elsewhere(None).unwrap_err()[0].contains("changes its kind"));
    assert_eq!(elsewhere(Some("park.parks")), Ok(Vec::new()));
}

#[test]
fn what_goes_is_retired_first() {
    let mut releases = Releases::first();
    let price = releases.0.def.collections[0].fields[2].clone();
    let steps = releases.next(|m| {
        m.collections[0].fields.remove(2);
        m.changes = vec![retire(Some("price"))];
    });
    assert_eq!(
        steps.unwrap(),
        ["Field price of orders is retired; its values stay until a release leaves that out."]
    );
    let mut back = Releases(releases.0.clone());
    let steps = back.next(|m| m.collections[0].fields.push(price.clone()));
    assert_eq!(steps.unwrap(), ["Field price of orders is in use again."]);
    assert_eq!(back.0.layout, Layout::default());

    let steps = releases.next(|_| ()).unwrap();
    assert_eq!(steps, ["Drop column price of shop__orders."]);
    let steps = releases.next(|m| m.collections[0].fields.push(price));
    assert_eq!(
        steps.unwrap(),
        ["Add column price_2 to shop__orders."],
        "its past is not that of the one that went"
    );
}

#[test]
fn a_collection_goes_over_two_releases() {
    let mut releases = Releases::first();
    releases.0.def.collections[0].fields.push(
        serde_json::from_value(json!({
            "name": "lines", "label": {"zh": "", "en": ""}, "kind": "rows", "max": 9,
            "fields": [{"name": "item", "label": {"zh": "", "en": ""}, "kind": "text", "max": 9}],
        }))
        .unwrap(),
    );
    let steps = releases.next(|m| {
        m.collections.clear();
        m.changes = vec![retire(None)];
    });
    assert!(steps.unwrap()[0].contains("orders is retired"));
    assert_eq!(
        releases.next(|_| ()).unwrap(),
        [
            "Drop table shop__orders__lines.",
            "Drop table shop__orders."
        ]
    );
    assert_eq!(releases.0.layout, Layout::default());
}

#[test]
fn values_are_converted_beside_those_that_serve() {
    let mut releases = Releases::first();
    let steps = releases.next(|m| {
        let c = &mut m.collections[0];
        c.fields[2] = FieldDef {
            unique: true,
            ..field("price", "money", &json!({}))
        };
        c.fields[1].required = true;
        m.choices[0].options.remove(1);
        let to = [("done".to_owned(), "open".to_owned())].into();
        m.changes = vec![
            convert("price", None, Conversion::Round),
            convert("status", None, Conversion::Options(to)),
        ];
    });
    assert_eq!(
        steps.unwrap(),
        [
            "Add column status__2 to shop__orders.",
            "Add column price__2 to shop__orders.",
            "Add column row__converted to shop__orders.",
            "Drop index on shop__orders (status, id).",
            "Keep column status of shop__orders as status__was.",
            "Keep column price of shop__orders as price__was.",
            "Drop column row__converted of shop__orders.",
            "Create unique index on shop__orders (price__2).",
            "Create index on shop__orders (status__2, id).",
        ]
    );
    // The same changes again have nothing left to do.
    let changes = releases.0.def.changes.clone();
    assert_eq!(releases.next(|m| m.changes = changes), Ok(vec![]));
    // Without them what was before goes.
    assert_eq!(
        releases.next(|_| ()).unwrap(),
        [
            "Drop column price__was of shop__orders.",
            "Drop column status__was of shop__orders.",
        ]
    );
}

#[test]
fn a_field_can_be_made_of_another() {
    let split = |number| Conversion::Part {
        between: "-".into(),
        number,
    };
    let year = || field("year", "integer", &json!({}));
    let steps = Releases::first().next(|m| {
        m.collections[0].fields.push(year());
        m.changes = vec![convert("year", Some("number"), split(0))];
    });
    assert_eq!(
        steps.unwrap(),
        [
            "Add column year to shop__orders.",
            "Add column row__converted to shop__orders.",
            "Drop column row__converted of shop__orders.",
        ]
    );
    assert!(
        refused(|m| {
            m.collections[0].fields.push(year());
            m.changes = vec![convert("year", Some("nothing"), split(0))];
        })
        .contains("made of nothing, which is no field")
    );
}

#[test]
fn a_declaration_must_make_sense_by_itself() {
    assert!(refused(|m| m.collections[0].fields[0].name = "id".into()).contains("system field"));
    assert!(
        refused(|m| m.collections[0].fields[0].name = "no\"; --".into())
            .contains("not a field name")
    );
    assert!(refused(|m| m.collections[0].name = "a__b".into()).contains("not a collection name"));
    assert!(refused(|m| m.id = "Shop".into()).contains("not a module id"));
    assert!(
        refused(|m| m.collections[0].indexes.push(vec!["nothing".into()])).contains("not a field")
    );
    assert!(refused(|m| m.choices.clear()).contains("not declared"));
    assert!(
        refused(|m| {
            m.collections[0].fields[0].encrypted = true;
            m.collections[0].fields[0].unique = true;
        })
        .contains("cannot be unique")
    );
}
