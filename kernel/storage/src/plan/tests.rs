use sdk_contract::def::{ChoiceDef, Label, OptionDef, Tone};
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
            name: "orders".into(),
            entity: "order".into(),
            label: Label::default(),
            help: String::new(),
            title: "number".into(),
            shard: Shard::Subject,
            audited: false,
            keep_deleted: None,
            suppress_below: None,
            fields: vec![
                field("number", "text", &json!({"max": 10, "required": true})),
                field("status", "choice", &json!({"of": "states"})),
                field("price", "decimal", &json!({"scale": 4})),
            ],
            indexes: vec![vec!["status".into()]],
            unique: vec![],
            read: "order.read".into(),
            create: None,
            update: None,
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

/// The plan from [`module`] to a changed copy of it, as sentences.
fn after(change: impl FnOnce(&mut ModuleDef)) -> Result<Vec<String>, Vec<String>> {
    let mut new = module();
    change(&mut new);
    plan(Some(&module()), &new).map(|steps| steps.iter().map(ToString::to_string).collect())
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
    let steps = plan(None, &module()).unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].to_string(), "Create table shop__orders.");
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
            "Add column note to shop__orders.",
            "Add column code to shop__orders.",
            "Drop index on shop__orders (status, id).",
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
