use sdk_contract::kind::TABLE;
use sdk_contract::validate;
use serde_json::json;

use super::super::declare::definition;
use super::*;

fn typed(value: Value) -> Typed {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn tenants() -> Design {
    let typed = typed(json!({
        "name": "park-tenants", "label": "园区租户", "title_name": "name", "title_label": "企业名称",
        "readers": ["government.regulator"], "writers": [], "scope": "district",
    }));
    Design::new(&typed, &[]).unwrap()
}

fn add(design: &mut Design, value: Value) -> Vec<String> {
    let done = design.add(&typed(value));
    let faults = done.err().unwrap_or_default();
    faults.into_iter().map(|f| f.field).collect()
}

fn faults(design: &Design) -> Vec<String> {
    validate::faults(&definition([design].into_iter()))
}

#[test]
fn what_is_designed_is_a_valid_declaration() {
    let mut design = tenants();
    let every = kinds();
    for option in &every.options {
        let name = option.value.replace('-', "_");
        let wrong = add(
            &mut design,
            json!({
                "name": name, "label": option.label.zh, "kind": option.value, "scale": 2,
                "options": "small 小型\nlarge 大型", "list": true,
            }),
        );
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
    let secret = json!({"name": "secret", "label": "联系电话", "kind": "text", "level": "L3"});
    assert!(add(&mut design, secret).is_empty());
    assert_eq!(faults(&design), Vec::<String>::new());
    let field = design.collection.field("secret").unwrap();
    assert!(field.encrypted && field.mask == Some(Mask::All));
    // An amount is shown in bands, the most sensitive one not at all.
    for (name, level, mask) in [("lent", "L3", Mask::Amount), ("owed", "L4", Mask::Hidden)] {
        let amount = json!({"name": name, "label": name, "kind": "money", "level": level});
        assert!(add(&mut design, amount).is_empty(), "{name}");
        let field = design.collection.field(name).unwrap();
        assert_eq!(field.mask, Some(mask), "{name}");
    }
    assert_eq!(faults(&design), Vec::<String>::new());
}

#[test]
fn every_kind_is_offered_or_left_out_on_purpose() {
    let offered = kinds();
    for entry in TABLE {
        let there = offered.options.iter().any(|o| o.value == entry.kind);
        // Codes, references and rows need more than a form asks; the others nobody fills in.
        let left_out = ["code", "ref", "rows", "json", "computed"].contains(&entry.kind);
        assert!(there != left_out, "{}", entry.kind);
    }
}

#[test]
fn bad_names_doubles_and_too_many_are_refused_in_words() {
    let bad_name = |name: &str| {
        let typed =
            typed(json!({"name": name, "label": "x", "title_name": "id", "title_label": "x"}));
        let faults = Design::new(&typed, &["taken".to_owned()]).unwrap_err();
        faults.into_iter().map(|f| f.field).collect::<Vec<_>>()
    };
    for name in [
        "",
        "Tenants",
        "园区",
        "a b",
        "structures",
        "structure",
        "taken",
        &"x".repeat(31),
    ] {
        assert_eq!(bad_name(name), ["name", "title_name"], "{name}");
    }
    let mut design = tenants();
    let field = |name: &str| json!({"name": name, "label": "x", "kind": "date"});
    for name in ["name", "id", "a__b", "1a", "A", "员工", ""] {
        assert_eq!(add(&mut design, field(name)), ["name"], "{name}");
    }
    let unfit = json!({"name": "day", "label": "x", "kind": "date", "search": true, "level": "L4", "required": true});
    assert_eq!(add(&mut design, unfit), ["level", "required", "search"]);
    let no_options = json!({"name": "size", "label": "x", "kind": "choice", "options": "小型 x"});
    assert_eq!(add(&mut design, no_options), ["options"]);
    for n in 1..MOST_FIELDS {
        assert!(add(&mut design, field(&format!("f{n}"))).is_empty());
    }
    assert_eq!(add(&mut design, field("one_more")), ["name"]);
}

#[test]
fn a_field_in_use_is_renamed_retired_and_converted_by_changes() {
    let mut live = tenants();
    add(
        &mut live,
        json!({"name": "staff", "label": "员工数", "kind": "text", "list": true}),
    );
    let mut draft = live.again();
    let change =
        |name: &str| typed(json!({"field": "staff", "name": name, "label": "人数", "list": true}));
    draft.change(&change("headcount"), Some(&live)).unwrap();
    let again = typed(json!({"field": "headcount", "name": "people", "label": "人数"}));
    draft.change(&again, Some(&live)).unwrap();
    assert_eq!(
        draft.changes,
        [ChangeDef::Renamed {
            collection: "park-tenants".into(),
            field: Some("people".into()),
            from: "staff".into()
        }],
        "from what is in use to what is wanted"
    );
    assert_eq!(faults(&draft), Vec::<String>::new());
    let number = typed(json!({"field": "people", "kind": "integer", "by": "read"}));
    draft.convert(&number, Some(&live)).unwrap();
    assert_eq!(faults(&draft), Vec::<String>::new());
    assert_eq!(draft.kept().collect::<Vec<_>>(), ["people"]);

    let mut gone = live.again();
    gone.retire("staff", Some(&live)).unwrap();
    assert_eq!(gone.retired().collect::<Vec<_>>(), ["staff"]);
    assert_eq!(faults(&gone), Vec::<String>::new());
    assert_eq!(
        add(
            &mut gone,
            json!({"name": "staff", "label": "x", "kind": "date"})
        ),
        ["name"]
    );
    gone.restore("staff", &live.collection.fields).unwrap();
    assert_eq!(gone, live.again());
    assert!(
        gone.retire("name", Some(&live)).is_err(),
        "it names the records"
    );

    let stricter =
        typed(json!({"field": "staff", "name": "staff", "label": "x", "required": true}));
    let faults = live.again().change(&stricter, Some(&live)).unwrap_err();
    assert_eq!(faults[0].field, "required");
}

#[test]
fn dj_18_a_table_with_sensitive_fields_says_what_they_are_kept_for() {
    let mut design = tenants();
    assert!(!design.lacks_purpose());
    let secret = json!({"name": "secret", "label": "联系电话", "kind": "text", "level": "L3"});
    assert!(add(&mut design, secret).is_empty());
    assert!(design.lacks_purpose());
    for (purpose, lacks) in [(" ", true), ("联系租户", false)] {
        let words = json!({ "label": "园区租户", "purpose": purpose, "scope": "all" });
        design.describe(&typed(words));
        assert_eq!(design.lacks_purpose(), lacks, "{purpose}");
    }
    assert_eq!(design.purpose(), "联系租户");
    assert_eq!(faults(&design), Vec::<String>::new());
}
