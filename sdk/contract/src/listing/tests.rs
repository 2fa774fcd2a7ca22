use serde_json::json;

use super::*;
use crate::def::{ChoiceDef, Label, Mask, OptionDef, Shard, Tone};

fn field(name: &str, kind: Kind) -> FieldDef {
    FieldDef {
        list: true,
        ..FieldDef::new(name, Label::default(), kind)
    }
}

fn module() -> ModuleDef {
    ModuleDef {
        id: "shop".into(),
        collections: vec![CollectionDef {
            audited: true,
            ..CollectionDef::new(
                "things",
                "thing",
                Label::default(),
                Shard::Reference,
                vec![
                    FieldDef {
                        search: true,
                        ..field("name", Kind::Text { max: 9 })
                    },
                    field(
                        "price",
                        Kind::Money {
                            min: None,
                            max: None,
                        },
                    ),
                    field(
                        "count",
                        Kind::Integer {
                            min: None,
                            max: None,
                        },
                    ),
                    field("state", Kind::Choice { of: "state".into() }),
                    FieldDef {
                        mask: Some(Mask::Phone),
                        ..field("phone", Kind::Text { max: 20 })
                    },
                    FieldDef {
                        encrypted: true,
                        ..field("secret", Kind::Text { max: 20 })
                    },
                    field("extra", Kind::Json),
                    field(
                        "sizes",
                        Kind::MultiChoice {
                            of: "state".into(),
                            max: None,
                        },
                    ),
                    field(
                        "other",
                        Kind::Ref {
                            to: "things".into(),
                        },
                    ),
                    FieldDef {
                        encrypted: true,
                        blind: true,
                        ..field("number", Kind::Text { max: 20 })
                    },
                ],
            )
        }],
        choices: vec![ChoiceDef {
            name: "state".into(),
            label: Label::default(),
            options: vec![OptionDef {
                value: "open".into(),
                label: Label::default(),
                tone: Tone::Info,
            }],
        }],
        ..ModuleDef::default()
    }
}

fn ask(query: &str) -> Result<Listing, Vec<FieldFault>> {
    let def = module();
    let pairs = query.split('&').map(|text| text.split_once('=').unwrap());
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let sees = |f: &FieldDef| f.mask.is_none();
    listing(&def, &def.collections[0], &sees, &pairs)
}

#[test]
fn values_are_read_by_the_kind_of_their_field() {
    let listing =
        ask("price=300&count=7&state=open&state=open&sort=-price,name&page=3&size=50").unwrap();
    assert_eq!((listing.page, listing.size), (3, 50));
    assert_eq!((listing.query.limit, listing.query.offset), (50, 100));
    assert_eq!(listing.query.sort.len(), 2);
    assert!(listing.query.sort[0].descending && listing.query.total);
    let filter = serde_json::to_value(listing.query.filter.unwrap()).unwrap();
    assert_eq!(
        filter,
        json!({"and": [
            {"eq": {"field": "price", "value": "300.00"}},
            {"eq": {"field": "count", "value": 7}},
            {"in": {"field": "state", "values": ["open", "open"]}},
        ]})
    );
}

#[test]
fn dj_12_every_wrong_parameter_is_named() {
    let query =
        "page=0&size=201&sort=nothing&colour=red&count=x&state=gone&secret=1&extra=1&phone=138";
    let faults = ask(query).unwrap_err();
    let names: Vec<&str> = faults.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(
        names,
        [
            "page", "size", "sort", "colour", "count", "state", "secret", "extra", "phone"
        ]
    );
}

#[test]
fn a_search_leaves_to_the_masks_where_it_looks() {
    let filter = ask("q=桥").unwrap().query.filter.unwrap();
    assert_eq!(
        serde_json::to_value(filter).unwrap(),
        json!({"search": {"text": "桥"}})
    );
    assert!(ask("q=").unwrap().query.filter.is_none());
}

#[test]
fn system_fields_can_be_asked_for() {
    assert!(ask("subject=01930000-0000-7000-8000-000000001001&sort=-created_at").is_ok());
    assert_eq!(
        ask("created_at=yesterday").unwrap_err()[0].field,
        "created_at"
    );
}

#[test]
fn ranges_facets_references_and_moments_are_read() {
    let query = ask("price.min=1&price.max=2&sizes=open&number=x&facets=state,count&with=other.name,other.price&as_of=2026-11-23T08:00:00Z")
        .unwrap()
        .query;
    assert_eq!(query.facets, ["state", "count"]);
    assert_eq!(query.with.len(), 1);
    assert_eq!(query.with[0].read, ["name", "price"]);
    assert_eq!(query.as_of.as_deref(), Some("2026-11-23T08:00:00.000000Z"));
    let filter = serde_json::to_value(query.filter.unwrap()).unwrap();
    let text = filter.to_string();
    assert!(
        text.contains(r#""min":"1.00""#) && text.contains(r#""max":"2.00""#),
        "{text}"
    );
    assert_eq!(
        filter["and"][2],
        json!({"eq": {"field": "sizes", "value": "open"}})
    );

    let wrong = "price.least=1&state.min=open&number.min=x&facets=extra&with=state.name&with=other&as_of=now&sort=sizes";
    let faults = ask(wrong).unwrap_err();
    let names: Vec<&str> = faults.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(
        names,
        [
            "price.least",
            "state.min",
            "number.min",
            "facets",
            "with",
            "with",
            "as_of",
            "sort"
        ]
    );
}

#[test]
fn a_day_is_all_of_it_in_beijing() {
    let query = ask("created_at.min=2026-11-23&created_at.max=2026-11-23").unwrap();
    let filter = serde_json::to_value(query.query.filter.unwrap()).unwrap();
    assert_eq!(
        (
            &filter["and"][0]["range"]["min"],
            &filter["and"][1]["range"]["max"]
        ),
        (
            &json!("2026-11-22T16:00:00.000000Z"),
            &json!("2026-11-23T15:59:59.999999Z")
        )
    );
}

#[test]
fn a_cursor_replaces_numbered_pages() {
    let query = ask("cursor=&size=5").unwrap().query;
    assert_eq!((query.cursor.as_deref(), query.limit), (Some(""), 5));
    assert!(!query.total, "a walk counts nothing");
    assert_eq!(ask("cursor=&page=2").unwrap_err()[0].field, "cursor");
}
