//! What the derives make of a type.

use sdk::action::Input;
use sdk::choice::Choice as _;
use sdk::contract::def::{Mask, SYSTEM_FIELDS};
use sdk::contract::kind::Kind;
use sdk::prelude::*;

mod permissions {
    sdk::permissions! {
        /// 查看.
        READ = "thing.read", "Read things": { "anyone": all };
        /// 修改.
        CHANGE = "thing.change": { "signed-in": own, "operator": district };
    }
}

/// 状态. Where it stands.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
#[choice(name = "thing-status")]
enum Status {
    /// 处理中.
    #[choice(tone = "warning")]
    UnderReview,
    #[choice(value = "01", en = "Done!")]
    Done,
}

/// 东西。用来试的。
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "things", entity = "thing", en = "A thing", title = name,
             shard = organisation, read = permissions::READ, update = permissions::CHANGE,
             index(organisation, status), unique(name, day))]
struct TestThing {
    /// 名称. As printed.
    #[field(max = 8, frozen, list, search, unique, en = "Title")]
    name: String,
    plain: String,
    #[field(to = "market.products")]
    product: Option<String>,
    #[field(format = "uscc")]
    code: Option<String>,
    #[field(min = -1, max = 100)]
    count: Option<i64>,
    #[field(min = 0.5, max = 3)]
    amount: Option<Money>,
    #[field(max = 0.24)]
    rate: Option<Decimal<4>>,
    ratio: Option<Decimal<2>>,
    #[field(encrypted, mask = "id-number", reveal = permissions::CHANGE)]
    secret: Option<String>,
    parent: Option<Ref<TestThing>>,
    day: Option<Date>,
    at: Option<Timestamp>,
    flag: bool,
    status: Status,
    #[field(json)]
    list: Vec<u8>,
    #[field(json)]
    maybe: Option<Inner>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    a: i64,
}

/// 改名. Only the name.
#[derive(Action, Debug, PartialEq)]
#[action(name = "thing.rename", permission = permissions::CHANGE)]
struct Rename {
    /// 名称.
    #[field(max = 8)]
    name: String,
    at: Option<Timestamp>,
}

/// 归档.
#[derive(Action, Debug, PartialEq)]
#[action(name = "thing.archive", permission = permissions::CHANGE, en = "Put away")]
struct Archive;

fn thing() -> TestThing {
    TestThing {
        name: "甲".into(),
        plain: String::new(),
        product: None,
        code: None,
        count: Some(-1),
        amount: Some(Money::from_yuan(3)),
        rate: Some(Decimal::from_units(345)),
        ratio: Some(Decimal::from_units(50)),
        secret: None,
        parent: Some(Id::new("01930000-0000-7000-8000-000000000001")),
        day: Date::new(2026, 2, 28),
        at: Some(Timestamp::from_micros(0)),
        flag: true,
        status: Status::UnderReview,
        list: vec![1, 2],
        maybe: Some(Inner { a: 1 }),
    }
}

#[test]
fn a_collection_is_declared_as_written() {
    let def = TestThing::def();
    assert_eq!(
        (def.name.as_str(), def.entity.as_str()),
        ("things", "thing")
    );
    assert_eq!(def.label, Label::new("东西", "A thing"));
    assert_eq!(def.help, "用来试的。");
    assert_eq!(
        (def.title.as_str(), def.shard, def.audited),
        ("name", Shard::Organisation, false)
    );
    assert_eq!(
        (def.read.as_str(), def.create, def.update.as_deref()),
        ("thing.read", None, Some("thing.change"))
    );
    assert_eq!(def.indexes, [["organisation", "status"]]);
    assert_eq!(def.unique, [["name", "day"]]);
}

#[test]
fn fields_are_declared_as_written() {
    let def = TestThing::def();
    let kind = |name: &str| def.field(name).unwrap().kind.clone();
    assert_eq!(kind("name"), Kind::Text { max: 8 });
    assert_eq!(kind("plain"), Kind::Text { max: 200 });
    assert_eq!(
        kind("product"),
        Kind::Ref {
            to: "market.products".into()
        }
    );
    assert_eq!(
        kind("code"),
        Kind::Code {
            format: Format::Uscc
        }
    );
    assert_eq!(
        kind("count"),
        Kind::Integer {
            min: Some(-1),
            max: Some(100)
        }
    );
    assert_eq!(
        kind("amount"),
        Kind::Money {
            min: Some(50),
            max: Some(300)
        }
    );
    assert_eq!(
        kind("rate"),
        Kind::Decimal {
            scale: 4,
            min: None,
            max: Some(2400)
        }
    );
    assert_eq!(
        kind("ratio"),
        Kind::Decimal {
            scale: 2,
            min: None,
            max: None
        }
    );
    assert_eq!(
        kind("parent"),
        Kind::Ref {
            to: "things".into()
        }
    );
    assert_eq!(
        kind("status"),
        Kind::Choice {
            of: "thing-status".into()
        }
    );
    assert_eq!(
        [
            kind("day"),
            kind("at"),
            kind("flag"),
            kind("list"),
            kind("maybe")
        ],
        [
            Kind::Date,
            Kind::Datetime,
            Kind::Bool,
            Kind::Json,
            Kind::Json
        ]
    );

    let name = def.field("name").unwrap();
    assert_eq!(name.label, Label::new("名称", "Title"));
    assert_eq!(name.help, "As printed.");
    assert!(
        name.required && name.unique && name.frozen && name.list && name.search && !name.encrypted
    );
    let secret = def.field("secret").unwrap();
    assert_eq!(secret.label, Label::new("Secret", "Secret"));
    assert!(secret.encrypted && !secret.required);
    assert_eq!(
        (secret.mask, secret.reveal.as_deref()),
        (Some(Mask::IdNumber), Some("thing.change"))
    );
}

#[test]
fn a_record_survives_the_way_out_and_back() {
    let map = thing().to_map();
    assert_eq!(map["amount"], "3.00");
    assert_eq!(map["rate"], "0.0345");
    assert_eq!(map["at"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(map["status"], "under-review");
    assert!(!map.contains_key("product"));
    assert_eq!(TestThing::from_map(&map).unwrap(), thing());
    for (name, value) in &map {
        let field = TestThing::def().field(name).unwrap().clone();
        assert_eq!(
            &field.kind.check(value, &[Status::def()]).unwrap(),
            value,
            "{name} is canonical"
        );
    }
}

#[test]
fn every_wrong_field_is_named() {
    let mut map = thing().to_map();
    map.remove("name");
    map.insert("status".into(), json!("gone"));
    map.insert("amount".into(), json!(3));
    map.insert("list".into(), json!("no"));
    let faults = TestThing::from_map(&map).unwrap_err();
    let named: Vec<(&str, &str)> = faults
        .iter()
        .map(|f| (f.field.as_str(), f.code.as_str()))
        .collect();
    assert_eq!(
        named,
        [
            ("name", "required"),
            ("amount", "bad-value"),
            ("status", "bad-value"),
            ("list", "bad-value")
        ]
    );
}

#[test]
fn stored_records_carry_what_the_kernel_keeps() {
    let mut map = thing().to_map();
    let system = json!({
        "id": "t1", "revision": 3, "subject": null, "organisation": "o1", "district": "310115",
        "created_at": "2026-11-23T02:00:00.000000Z", "created_by": "u1",
        "updated_at": "2026-11-23T02:00:01.000000Z", "updated_by": "u1",
    });
    map.extend(system.as_object().unwrap().clone());
    let stored = Stored::<TestThing>::from_map(&map).unwrap();
    assert_eq!(
        (
            stored.id.as_str(),
            stored.revision,
            stored.subject.as_deref()
        ),
        ("t1", 3, None)
    );
    assert_eq!(
        (stored.organisation.as_deref(), stored.district.as_deref()),
        (Some("o1"), Some("310115"))
    );
    assert_eq!(stored.updated_at, stored.created_at.plus_seconds(1));
    assert_eq!(stored.name, "甲");
    map.insert("flag".into(), json!("yes"));
    let fault = Stored::<TestThing>::from_map(&map).unwrap_err();
    assert!(
        fault
            .message
            .contains("things t1 cannot be read: flag bad-value"),
        "{fault}"
    );
}

#[test]
fn choices_are_kept_by_value() {
    assert_eq!(Status::ALL, [Status::UnderReview, Status::Done]);
    assert_eq!(
        (Status::Done.value(), Status::UnderReview.value()),
        ("01", "under-review")
    );
    assert_eq!(
        (Status::UnderReview.label(), Status::Done.label()),
        ("处理中", "Done")
    );
    assert_eq!(Status::UnderReview.tone(), Tone::Warning);
    assert_eq!(json!(Status::Done), json!("01"));
    assert_eq!(
        serde_json::from_value::<Status>(json!("under-review")).unwrap(),
        Status::UnderReview
    );
    let def = <Status as sdk::choice::Choice>::def();
    assert_eq!(def.label, Label::new("状态", "Status"));
    assert_eq!(def.options[1].label, Label::new("Done!", "Done!"));
}

#[test]
fn actions_declare_their_input() {
    assert_eq!(Rename::NAME, "thing.rename");
    assert_eq!(
        (Rename::label(), Rename::help()),
        (Label::new("改名", "Rename"), "Only the name.")
    );
    assert_eq!(Rename::permission(), permissions::CHANGE);
    let names: Vec<String> = Rename::fields().into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["name", "at"]);
    let given = json!({ "name": "乙" });
    let rename = Rename::from_map(given.as_object().unwrap()).unwrap();
    assert_eq!(
        rename,
        Rename {
            name: "乙".into(),
            at: None
        }
    );
    assert_eq!(Archive::from_map(&Map::new()).unwrap(), Archive);
    assert_eq!(Archive::label().en, "Put away");
}

#[test]
fn handles_make_filters_and_sorts() {
    let filter = TestThing::STATUS
        .is_in([Status::Done])
        .and(TestThing::AMOUNT.between(Money::from_yuan(1), Money::from_yuan(2)))
        .and(
            TestThing::NAME
                .contains("甲")
                .or(TestThing::CODE.missing())
                .not(),
        );
    let expected = json!({ "and": [
        { "in": { "field": "status", "values": ["01"] } },
        { "range": { "field": "amount", "min": "1.00", "max": "2.00" } },
        { "not": { "or": [
            { "contains": { "field": "name", "text": "甲" } },
            { "missing": { "field": "code" } },
        ] } },
    ] });
    assert_eq!(json!(filter), expected);
    assert_eq!(
        json!(TestThing::NAME.eq("乙")),
        json!({ "eq": { "field": "name", "value": "乙" } })
    );
    assert_eq!(
        json!(TestThing::COUNT.at_least(3)),
        json!({ "range": { "field": "count", "min": 3 } })
    );
    assert_eq!(
        TestThing::CREATED_AT.desc(),
        Sort {
            field: "created_at".into(),
            descending: true
        }
    );
}

#[test]
fn permissions_are_constants() {
    assert_eq!(permissions::ALL.len(), 2);
    let def = permissions::CHANGE.def();
    assert_eq!(def.label, Label::new("修改", "thing.change"));
    assert_eq!(permissions::READ.def().label.en, "Read things");
    let scopes: Vec<(String, RowScope)> =
        def.grants.into_iter().map(|g| (g.role, g.scope)).collect();
    assert_eq!(
        scopes,
        [
            ("signed-in".into(), RowScope::Own),
            ("operator".into(), RowScope::District)
        ]
    );
}

/// The macros keep their own copy, because a macro crate should not need the whole contract.
#[test]
fn the_macros_know_the_system_fields() {
    let source = include_str!("../../macros/src/fields.rs");
    let list = source.split("const SYSTEM_FIELDS").nth(1).unwrap();
    let list = list.split("];").next().unwrap();
    let known: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(known, SYSTEM_FIELDS);
}

/// 一行.
#[derive(Row, Clone, Debug, PartialEq)]
struct Line {
    /// 品名.
    #[field(max = 20)]
    item: String,
    price: Option<Money>,
}

/// 全. A field of every kind.
#[derive(Collection, Clone, Debug, PartialEq)]
#[collection(plural = "everything", title = text, shard = subject, suppress_below = 5,
             read = permissions::READ)]
struct Everything {
    text: String,
    #[field(
        format = "resident-id",
        encrypted,
        blind,
        unique,
        level = "L3",
        mask = "id-number"
    )]
    code: Option<String>,
    integer: Option<i64>,
    decimal: Option<Decimal<4>>,
    money: Option<Money>,
    date: Option<Date>,
    until: Option<Date>,
    month: Option<Month>,
    datetime: Option<Timestamp>,
    choice: Option<Status>,
    #[field(max = 2)]
    choices: Option<Vec<Status>>,
    flag: bool,
    other: Option<Ref<Everything>>,
    #[field(max = 9)]
    lines: Vec<Line>,
    #[field(accept = "PDF, jpg", max = 1000)]
    file: Option<StoredFile>,
    files: Option<Vec<StoredFile>>,
    #[field(json)]
    free: Option<Inner>,
    #[field(total(lines, price))]
    total: Option<Money>,
    #[field(days(date, until))]
    days: Option<i64>,
}

#[test]
fn every_kind_can_be_declared() {
    let def = Everything::def();
    let declared: std::collections::BTreeSet<&str> =
        def.fields.iter().map(|f| f.kind.name()).collect();
    let all: std::collections::BTreeSet<&str> = sdk::contract::kind::TABLE
        .iter()
        .map(|entry| entry.kind)
        .collect();
    assert_eq!(declared, all, "a kind that no field type makes");
    assert_eq!(def.suppress_below, Some(5));
    let kind = |name: &str| def.field(name).unwrap().kind.clone();
    assert_eq!(
        kind("file"),
        Kind::File {
            accept: vec!["pdf".into(), "jpg".into()],
            max_bytes: 1000,
            many: false
        }
    );
    assert!(matches!(kind("files"), Kind::File { many: true, .. }));
    assert!(matches!(
        kind("choices"),
        Kind::MultiChoice { max: Some(2), .. }
    ));
    let Kind::Rows { fields, max } = kind("lines") else {
        panic!("not rows")
    };
    assert_eq!((fields.len(), max), (2, 9));
    assert!(fields[0].required && !fields[1].required);
    let code = def.field("code").unwrap();
    assert!(code.blind && code.encrypted && code.unique);
    assert_eq!(code.level, Some(sdk::contract::def::Level::L3));
    for field in &def.fields {
        if let Kind::Computed { result, from } = &field.kind {
            assert_eq!(from.fault(result, &def.fields), None, "{}", field.name);
        }
    }
}

#[test]
fn lists_and_computed_fields_survive_the_way_out_and_back() {
    let file = StoredFile {
        digest: "ab".repeat(32),
        name: "a.pdf".into(),
        size: 7,
    };
    let record = Everything {
        text: "甲".into(),
        code: None,
        integer: None,
        decimal: None,
        money: None,
        date: None,
        until: None,
        month: Month::new(2026, 11),
        datetime: None,
        choice: None,
        choices: Some(vec![Status::UnderReview, Status::Done]),
        flag: false,
        other: None,
        lines: vec![Line {
            item: "螺栓".into(),
            price: Some(Money::from_yuan(3)),
        }],
        file: Some(file.clone()),
        files: Some(vec![file]),
        free: None,
        total: Some(Money::from_yuan(9)),
        days: None,
    };
    let map = record.to_map();
    assert_eq!(map["month"], "2026-11");
    assert_eq!(map["choices"], json!(["under-review", "01"]));
    assert_eq!(map["lines"], json!([{"item": "螺栓", "price": "3.00"}]));
    assert!(!map.contains_key("total"), "nobody writes a computed field");
    let choices = [Status::def()];
    for (name, value) in &map {
        let field = Everything::def().field(name).unwrap().clone();
        assert_eq!(
            &field.kind.check(value, &choices).unwrap(),
            value,
            "{name} is canonical"
        );
    }
    let mut read = map;
    read.insert("total".into(), json!("9.00"));
    assert_eq!(Everything::from_map(&read).unwrap(), record);
    assert_eq!(
        serde_json::to_value(Everything::CHOICES.has(&Status::Done)).unwrap(),
        json!({"eq": {"field": "choices", "value": "01"}})
    );
}
