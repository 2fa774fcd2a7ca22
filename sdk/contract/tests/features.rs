//! Features that scoring models ask for, and the marks of what is disputed of them.

use sdk_contract::def::{CollectionDef, FeatureDef, FieldDef, Label, ModuleDef, Shard};
use sdk_contract::kind::Kind;
use sdk_contract::validate;
use serde_json::json;

fn module(disputed: Option<&str>) -> ModuleDef {
    let field = |name: &str, kind| FieldDef::new(name, Label::from("项"), kind);
    let grade = field("grade", Kind::Text { max: 1 });
    let marks = field("disputed", Kind::Json);
    let records = CollectionDef::new(
        "records",
        "record",
        Label::from("记录"),
        Shard::Subject,
        vec![grade, marks],
    );
    ModuleDef {
        id: "credit".into(),
        collections: vec![records],
        features: vec![FeatureDef {
            name: "tax.grade".into(),
            label: Label::from("等级"),
            item: "25".into(),
            collection: "records".into(),
            field: "grade".into(),
            disputed: disputed.map(str::to_owned),
        }],
        ..ModuleDef::default()
    }
}

#[test]
fn what_marks_a_feature_is_a_json_field_of_its_collection() {
    let said = |disputed| {
        let faults = validate::faults(&module(disputed));
        faults.into_iter().any(|f| f.contains("what marks it"))
    };
    assert!(!said(None) && !said(Some("disputed")));
    assert!(said(Some("grade")) && said(Some("marks")));
}

#[test]
fn a_record_marks_its_fields_by_name() {
    let def = module(Some("disputed")).features.remove(0);
    let marked = |record: serde_json::Value| def.is_disputed(record.as_object().unwrap());
    assert!(marked(json!({ "disputed": ["other", "grade"] })));
    for record in [
        json!({}),
        json!({ "disputed": null }),
        json!({ "disputed": [] }),
        json!({ "disputed": ["other"] }),
        json!({ "disputed": "grade" }),
    ] {
        assert!(!marked(record.clone()), "{record}");
    }
    let without = module(None).features.remove(0);
    assert!(!without.is_disputed(json!({ "disputed": ["grade"] }).as_object().unwrap()));
}
