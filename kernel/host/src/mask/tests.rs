use kernel_identity::composed::{Composed, Piece};
use proptest::prelude::*;
use sdk_contract::def::{Label, PermissionDef, RoleGrant, RowScope, Shard};
use serde_json::json;

use super::*;

fn module() -> ModuleDef {
    let field = |name: &str, mask| FieldDef {
        list: true,
        mask,
        reveal: mask.map(|_| "thing.reveal".into()),
        ..FieldDef::new(name, Label::default(), Kind::Json)
    };
    let grant = |role: &str, scope| RoleGrant {
        role: role.into(),
        scope,
    };
    ModuleDef {
        id: "m".into(),
        collections: vec![CollectionDef::new(
            "things",
            "thing",
            Label::default(),
            Shard::Subject,
            vec![
                field("open", None),
                field("phone", Some(Mask::Phone)),
                field("figure", Some(Mask::Hidden)),
            ],
        )],
        permissions: vec![PermissionDef {
            name: "thing.reveal".into(),
            label: Label::default(),
            grants: vec![
                grant("owner", RowScope::Own),
                grant("staff", RowScope::Organisation),
            ],
        }],
        ..ModuleDef::default()
    }
}

fn person(roles: &[&str]) -> Principal {
    Principal {
        user: Some("u".into()),
        roles: roles.iter().map(|r| (*r).into()).collect(),
        subject: Some("s1".into()),
        organisations: vec!["o1".into()],
        ..Principal::anonymous()
    }
}

fn row(subject: &str, organisation: &str) -> Map<String, Value> {
    let row = json!({ "subject": subject, "organisation": organisation,
        "open": "x", "phone": "13800001234", "figure": { "score": 7 } });
    row.as_object().cloned().unwrap()
}

fn seen(p: &Principal, mut row: Map<String, Value>) -> (Value, Value) {
    let def = module();
    let sight = Sight::of(&def, &def.collections[0], p);
    sight.mask(&mut row);
    (row["phone"].clone(), row["figure"].clone())
}

#[test]
fn a_value_is_shown_in_the_rows_its_permission_reaches_and_in_no_other() {
    let plain = (json!("13800001234"), json!({ "score": 7 }));
    let masked = (json!("138****1234"), Value::Null);
    assert_eq!(seen(&person(&["owner"]), row("s1", "o9")), plain);
    assert_eq!(seen(&person(&["owner"]), row("s2", "o1")), masked);
    assert_eq!(seen(&person(&["staff"]), row("s2", "o1")), plain);
    assert_eq!(seen(&person(&["owner", "staff"]), row("s2", "o2")), masked);
    assert_eq!(seen(&person(&["operator"]), row("s1", "o1")), masked);
    assert_eq!(seen(&Principal::module("m", "r"), row("s2", "o2")), plain);
}

/// The same module with classes of its fields.
fn classed(open: Level, phone: Level, figure: Level) -> ModuleDef {
    let mut def = module();
    let fields = def.collections[0].fields.iter_mut();
    for (field, level) in fields.zip([open, phone, figure]) {
        field.level = Some(level);
    }
    def
}

fn cleared(clearance: Level, roles: &[&str]) -> Principal {
    Principal {
        clearance,
        ..person(roles)
    }
}

/// Which fields of a row are shown as they are.
fn whole(def: &ModuleDef, p: &Principal, row: &Map<String, Value>) -> [bool; 3] {
    let sight = Sight::of(def, &def.collections[0], p);
    let mut seen = row.clone();
    sight.mask(&mut seen);
    ["open", "phone", "figure"].map(|name| {
        let shown = seen[name] == row[name];
        assert_eq!(sight.hides(name, row), !shown, "{name}");
        shown
    })
}

#[test]
fn dj_08_no_grant_shows_what_is_above_the_clearance() {
    use Level::{L1, L2, L3, L4};
    let def = classed(L2, L3, L4);
    let mine = row("s1", "o1");
    let cases = [
        (L1, [false, false, false]),
        (L2, [true, false, false]),
        (L3, [true, true, false]),
        (L4, [true, true, true]),
    ];
    for (clearance, want) in cases {
        let p = cleared(clearance, &["owner", "staff"]);
        assert_eq!(whole(&def, &p, &mine), want, "{clearance:?}");
        // A clearance gives nothing by itself.
        let stranger = cleared(clearance, &["operator"]);
        let open = [want[0], false, false];
        assert_eq!(whole(&def, &stranger, &mine), open, "{clearance:?}");
    }
    let itself = Principal::module("m", "r");
    assert_eq!(whole(&def, &itself, &row("s2", "o2")), [true; 3]);
    assert_eq!(whole(&def, &Principal::anonymous(), &mine), [false; 3]);
}

#[test]
fn dj_07_what_a_composed_role_takes_away_is_neither_shown_nor_asked_about() {
    let mut def = module();
    let grant = |role: &str, scope| RoleGrant {
        role: role.into(),
        scope,
    };
    let c = &mut def.collections[0];
    c.fields[0].search = true;
    c.fields[1].required = true;
    c.fields[1].kind = Kind::Text { max: 20 };
    let read = c.read.clone();
    def.permissions.push(PermissionDef {
        name: read.clone(),
        label: Label::default(),
        grants: vec![grant("staff", RowScope::All)],
    });
    let c = &def.collections[0];
    let composed = |pieces: &[&str]| {
        let pieces = pieces.iter().map(|scope| format!("m:{read}@{scope}"));
        let composed = Composed {
            ceiling: vec!["staff".into()],
            pieces: pieces.map(|text| Piece::parse(&text).unwrap()).collect(),
            ..Composed::default()
        };
        Principal {
            composed: composed.into(),
            ..person(&["owner"])
        }
    };
    let seen = |p: &Principal| {
        let mut row = row("s1", "o1");
        Sight::of(&def, c, p).mask(&mut row);
        (row["open"].clone(), row["phone"].clone())
    };
    // Revealed to the owner of the row, and taken away all the same; a text must be there.
    let low = composed(&["all!things.open!things.phone"]);
    assert_eq!(seen(&low), (Value::Null, json!("****")));
    let sight = Sight::of(&def, c, &low);
    assert!(sight.takes("phone", &row("s1", "o1")));
    let query = || Query::new("m.things");
    for query in [query().sort("open", false), query().facet("open")] {
        assert!(sight.may_query(&query, &RowFilter::All).is_err());
    }
    assert!(
        sight
            .narrow(c, Some(&mut Filter::search("x")), &RowFilter::All)
            .is_err()
    );
    // What another role reads stays, in its rows.
    let more = composed(&["all!things.open!things.phone", "organisation"]);
    assert_eq!(seen(&more), (json!("x"), json!("13800001234")));
    assert!(!Sight::of(&def, c, &more).takes("phone", &row("s1", "o1")));
    assert!(Sight::of(&def, c, &more).takes("phone", &row("s1", "o2")));
    let declared = Principal {
        roles: vec!["staff".into()],
        ..low
    };
    assert_eq!(seen(&declared), (json!("x"), json!("13800001234")));
    // Nothing is counted as taken that is not.
    let sight = Sight::of(&def, c, &declared);
    assert!(
        sight
            .may_query(&query().facet("open"), &RowFilter::All)
            .is_ok()
    );
}

#[test]
fn dj_08_what_is_above_the_clearance_cannot_be_asked_about() {
    let mut def = classed(Level::L2, Level::L3, Level::L4);
    for field in &mut def.collections[0].fields {
        field.search = true;
    }
    let c = &def.collections[0];
    let all = RowFilter::Organisations(vec!["o1".into()]);
    let may = |clearance, query: Query| {
        let sight = Sight::of(&def, c, &cleared(clearance, &["staff"]));
        sight.may_query(&query, &all).is_ok()
    };
    let query = || Query::new("m.things");
    for (name, level) in [
        ("open", Level::L2),
        ("phone", Level::L3),
        ("figure", Level::L4),
    ] {
        for clearance in Level::ALL {
            let cleared = level <= clearance;
            assert_eq!(
                may(clearance, query().filter(Filter::eq(name, 1))),
                cleared,
                "{name}"
            );
            assert_eq!(may(clearance, query().sort(name, false)), cleared, "{name}");
            // Counts are made by no masked field, whoever asks.
            let counted = cleared && name == "open";
            assert_eq!(may(clearance, query().facet(name)), counted, "{name}");
        }
    }
    let searched = |clearance| {
        let mut filter = Filter::search("x");
        let sight = Sight::of(&def, c, &cleared(clearance, &["staff"]));
        let may = sight.narrow(c, Some(&mut filter), &all);
        let Filter::Search { fields, .. } = filter else {
            panic!()
        };
        may.map(|()| fields).map_err(|fault| fault.code)
    };
    assert_eq!(searched(Level::L1), Err("masked-field".to_owned()));
    assert_eq!(searched(Level::L2).unwrap(), ["open"]);
    assert_eq!(searched(Level::L3).unwrap(), ["open", "phone"]);
    assert_eq!(searched(Level::L4).unwrap(), ["open", "phone", "figure"]);
}

#[test]
fn dj_08_a_list_of_rows_is_of_the_class_of_what_stands_in_it() {
    let mut def = classed(Level::L1, Level::L1, Level::L1);
    let cell = FieldDef {
        level: Some(Level::L2),
        ..FieldDef::new("cell", Label::default(), Kind::Bool)
    };
    def.collections[0].fields[0].kind = Kind::Rows {
        fields: vec![cell],
        max: 1,
    };
    let row = row("s1", "o1");
    assert!(!whole(&def, &cleared(Level::L1, &["owner"]), &row)[0]);
    assert!(whole(&def, &cleared(Level::L2, &["owner"]), &row)[0]);
}

fn levels() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL.to_vec())
}

proptest! {
    #[test]
    fn dj_08_a_higher_clearance_never_shows_less_and_none_what_is_above_it(
        (open, phone, figure) in (levels(), levels(), levels()),
        (low, high) in (levels(), levels()),
        roles in prop::collection::vec(prop::sample::select(vec!["owner", "staff", "other"]), 0..3),
        (subject, organisation) in (
            prop::sample::select(vec!["s1", "s2"]), prop::sample::select(vec!["o1", "o2"]),
        ),
    ) {
        let (def, row) = (classed(open, phone, figure), row(subject, organisation));
        let (low, high) = (low.min(high), low.max(high));
        let before = whole(&def, &cleared(low, &roles), &row);
        let after = whole(&def, &cleared(high, &roles), &row);
        let granted = whole(&module(), &cleared(low, &roles), &row);
        for (at, level) in [open, phone, figure].into_iter().enumerate() {
            prop_assert!(!before[at] || after[at], "a higher clearance shows less");
            prop_assert_eq!(before[at], granted[at] && level <= low);
        }
    }
}

#[test]
fn whom_a_record_was_assigned_to_then_sees_no_more_of_it_now() {
    let mut def = module();
    def.permissions[0].grants[0].scope = RowScope::Assigned;
    let owner = person(&["owner"]);
    let mut mine = row("s1", "o1");
    mine.insert("officer".into(), "u".into());
    mine.insert("created_by".into(), "u".into());
    for (assignee, then) in [("officer", "138****1234"), ("created_by", "13800001234")] {
        def.collections[0].assignee = Some(assignee.into());
        let sight = Sight::of(&def, &def.collections[0], &owner);
        assert!(!sight.hides("phone", &mine), "{assignee}");
        let mut past = mine.clone();
        sight.of_then().mask(&mut past);
        assert_eq!(past["phone"], then, "{assignee}");
    }
}

#[test]
fn what_is_not_shown_cannot_be_asked_about() {
    let def = module();
    let (staff, operator) = (person(&["staff"]), person(&["operator"]));
    let asked = |p: &Principal, query: Query, rows: &RowFilter| {
        let sight = Sight::of(&def, &def.collections[0], p);
        sight.may_query(&query, rows).map_err(|f| f.code)
    };
    let own = RowFilter::Organisations(vec!["o1".into()]);
    let no = || Err("masked-field".to_owned());
    let query = || Query::new("m.things");
    let deep = query().filter(Filter::eq("open", 1).or(Filter::eq("figure", 1).not()));
    assert_eq!(asked(&operator, query(), &RowFilter::All), Ok(()));
    assert_eq!(asked(&operator, deep.clone(), &RowFilter::All), no());
    let sorted = query().sort("figure", true);
    assert_eq!(asked(&operator, sorted.clone(), &RowFilter::All), no());
    assert_eq!(asked(&staff, deep, &own), Ok(()));
    assert_eq!(asked(&staff, sorted.clone(), &own), Ok(()));
    // Who reads more rows than are revealed would learn about the others from the order.
    assert_eq!(asked(&staff, sorted, &RowFilter::All), no());
}

#[test]
fn a_search_passes_over_what_is_not_shown() {
    let mut def = module();
    for field in &mut def.collections[0].fields {
        field.search = true;
    }
    let c = &def.collections[0];
    let looked_at = |p: &Principal, rows: &RowFilter| {
        let mut filter = Filter::search("x").not();
        let sight = Sight::of(&def, c, p);
        sight.narrow(c, Some(&mut filter), rows).unwrap();
        let Filter::Not(one) = filter else { panic!() };
        let Filter::Search { fields, .. } = *one else {
            panic!()
        };
        fields
    };
    let own = RowFilter::Organisations(vec!["o1".into()]);
    assert_eq!(looked_at(&person(&["operator"]), &RowFilter::All), ["open"]);
    assert_eq!(looked_at(&person(&["staff"]), &RowFilter::All), ["open"]);
    assert_eq!(
        looked_at(&person(&["staff"]), &own),
        ["open", "phone", "figure"]
    );
    let hidden = CollectionDef {
        fields: c.fields[1..].to_vec(),
        ..c.clone()
    };
    let sight = Sight::of(&def, &hidden, &person(&["operator"]));
    let mut filter = Filter::search("x");
    let refused = sight.narrow(&hidden, Some(&mut filter), &RowFilter::All);
    assert_eq!(refused.unwrap_err().code, "masked-field");
}

#[test]
fn pi_04_what_is_not_shown_is_not_summed() {
    let def = module();
    let ask = |group_by: &[&str], measures: Vec<Measure>| Aggregate {
        collection: "m.things".into(),
        filter: None,
        group_by: group_by.iter().map(|g| (*g).into()).collect(),
        measures,
        ..Aggregate::default()
    };
    let may = |p: &Principal, ask: &Aggregate, rows: &RowFilter| {
        let sight = Sight::of(&def, &def.collections[0], p);
        sight.may_aggregate(ask, rows).is_ok()
    };
    let own = RowFilter::Organisations(vec!["o1".into()]);
    let count = ask(&["open"], vec![Measure::Count]);
    assert!(may(&person(&["operator"]), &count, &RowFilter::All));
    for measure in [Measure::Sum, Measure::Min, Measure::Max] {
        let figure = ask(&["open"], vec![measure("figure".into())]);
        assert!(!may(&person(&["operator"]), &figure, &RowFilter::All));
        assert!(may(&person(&["staff"]), &figure, &own));
    }
    let grouped = ask(&["figure"], vec![Measure::Count]);
    assert!(!may(&person(&["staff"]), &grouped, &own));
}
