//! Masked fields whose values lie in plain columns: what somebody may not see is told neither by a
//! question about it, nor by what it refers to, nor by the past.

use kernel_host::listing;
use kernel_identity::principal::Principal;
use kernel_storage::Commit;
use sdk_contract::call::Write;
use sdk_contract::error::Fault;
use sdk_contract::query::{Aggregate, Filter, Key, Measure, Query, With};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::plugin_guest::{PluginGuest, SEEDED, TESTER};
use crate::stage::Stage;
use crate::support::{NOW, person};

/// Sees every value.
const KEEPER: &str = "keeper";
/// Sees the values of records that are assigned to them.
const OFFICER: &str = "officer";
const OTHER: &str = "01930000-0000-7000-8000-00000000a003";
const PARTY: &str = "01930000-0000-7000-8000-00000000b001";
const FIRST: &str = "01930000-0000-7000-8000-00000000f101";
const SECOND: &str = "01930000-0000-7000-8000-00000000f102";

const WORD: &str = "烛火四七一一";
const COUNT: i64 = 4711;

fn guest() -> PluginGuest {
    PluginGuest::calm("veiled").declares(|def| {
        let label = json!({ "zh": "项", "en": "" });
        let things = &mut def["collections"][0];
        things["shard"] = "subject".into();
        things["audited"] = true.into();
        things["assignee"] = "officer".into();
        let fields = things["fields"].as_array_mut().unwrap();
        fields[0]["search"] = true.into();
        let reveal = "thing.reveal";
        fields.extend([
            json!({ "name": "word", "label": label, "kind": "text", "max": 40, "search": true,
                "level": "L2", "mask": "all", "reveal": reveal }),
            json!({ "name": "count", "label": label, "kind": "integer",
                "level": "L2", "mask": "hidden", "reveal": reveal }),
            json!({ "name": "other", "label": label, "kind": "ref", "to": "things",
                "level": "L2", "mask": "hidden", "reveal": reveal }),
            json!({ "name": "near", "label": label, "kind": "ref", "to": "things",
                "level": "L2", "mask": "all", "reveal": reveal }),
            json!({ "name": "officer", "label": label, "kind": "ref", "to": "platform.users" }),
        ]);
        let grant = |role: &str, scope: &str| json!({ "role": role, "scope": scope });
        let all = [TESTER, KEEPER, OFFICER].map(|role| grant(role, "all"));
        let permissions = def["permissions"].as_array_mut().unwrap();
        for permission in permissions.iter_mut() {
            permission["grants"] = json!(all);
        }
        permissions.push(json!({
            "name": reveal, "label": label,
            "grants": [grant(KEEPER, "all"), grant(OFFICER, "assigned")],
        }));
        def["seeds"] = json!([]);
    })
}

fn officer(user: &str) -> Principal {
    Principal {
        user: Some(user.into()),
        ..person(OFFICER)
    }
}

fn values(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

async fn commit(stage: &Stage, module: &str, writes: Vec<Write>) {
    let commit = Commit {
        at: stage.host().clock().now().micros(),
        module: module.into(),
        writes,
        ..Commit::default()
    };
    stage.host().store().commit(commit).await.unwrap();
}

/// Two records that name each other: the first officer's, and one that is nobody's.
async fn stage() -> Stage {
    let stage = Stage::with(&[guest()]).await;
    let insert = |collection: &str, id: &str, subject: Option<&str>, of: Value| Write::Insert {
        collection: collection.into(),
        id: id.into(),
        subject: subject.map(str::to_owned),
        organisation: None,
        district: None,
        values: values(of),
    };
    let users = [FIRST, SECOND].map(|id| {
        let of = json!({
            "name": "测", "login": id, "roles": [], "active": true, "password": "x",
        });
        insert("users", id, None, of)
    });
    commit(&stage, "platform", users.into()).await;
    let thing = |id: &str, title: &str, other: &str, officer: Value| {
        let of = json!({
            "title": title, "status": "draft", "word": WORD, "count": COUNT,
            "other": other, "near": other, "officer": officer,
        });
        insert("things", id, Some(PARTY), of)
    };
    let things = vec![
        thing(SEEDED, "甲件", OTHER, json!(FIRST)),
        thing(OTHER, "乙件", SEEDED, Value::Null),
    ];
    commit(&stage, "veiled", things).await;
    stage
}

fn all() -> Query {
    Query::new("veiled.things").sort("id", false)
}

async fn find(stage: &Stage, p: &Principal, query: Query) -> Vec<Map<String, Value>> {
    stage.host().find(p, query).await.unwrap().records
}

fn column(records: &[Map<String, Value>], name: &str) -> Vec<Value> {
    records.iter().map(|r| r[name].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_reference_leads_nowhere() {
    let stage = stage().await;
    let [tester, keeper] = [TESTER, KEEPER].map(person);
    let along = |field: &str| With {
        field: field.into(),
        read: vec!["title".into()],
    };
    let query = Query {
        with: vec![along("other"), along("near")],
        ..all()
    };
    let (null, [one, two]) = (Value::Null, ["乙件", "甲件"].map(Value::from));
    for (p, titles) in [
        (&tester, [&null, &null]),
        (&officer(FIRST), [&one, &null]),
        (&officer(SECOND), [&null, &null]),
        (&keeper, [&one, &two]),
    ] {
        let found = find(&stage, p, query.clone()).await;
        for name in ["other.title", "near.title"] {
            let led = column(&found, name);
            assert_eq!(
                led.iter().collect::<Vec<_>>(),
                titles,
                "{:?} {name}",
                p.roles
            );
        }
    }

    // The resource API says so at once to whoever sees it in no row.
    let catalog = stage.host().catalog();
    let (installed, things) = catalog.collection("veiled.things").unwrap();
    let pairs = [("with".to_owned(), "other.title".to_owned())];
    let may = |p: &Principal| listing(&installed.def, things, p, &pairs).is_ok();
    assert!(!may(&tester) && may(&officer(FIRST)) && may(&keeper));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_passes_over_what_is_shown_in_some_rows_only() {
    let stage = stage().await;
    let catalog = stage.host().catalog();
    let (installed, things) = catalog.collection("veiled.things").unwrap();
    for (text, role, count) in [
        (WORD, KEEPER, 2),
        (WORD, OFFICER, 0),
        (WORD, TESTER, 0),
        ("甲件", KEEPER, 1),
        ("甲件", OFFICER, 1),
        ("甲件", TESTER, 1),
    ] {
        let p = Principal {
            user: Some(FIRST.into()),
            ..person(role)
        };
        let pairs = [("q".to_owned(), text.to_owned())];
        let asked = listing(&installed.def, things, &p, &pairs).unwrap();
        let found = find(&stage, &p, asked.query).await;
        assert_eq!(found.len(), count, "{role} searches {text}");
    }
}

/// Everything that can be asked by a masked field.
fn finds() -> Vec<Query> {
    let word = |filter: Filter| all().filter(filter);
    let range = |field: &str, least: Value| Filter::Range {
        field: field.into(),
        min: Some(least),
        max: None,
    };
    vec![
        word(Filter::eq("word", WORD)),
        word(Filter::eq("word", WORD).not()),
        word(Filter::eq("title", "甲件").or(Filter::eq("count", COUNT))),
        word(Filter::In {
            field: "word".into(),
            values: vec![WORD.into()],
        }),
        word(range("word", "烛".into())),
        word(range("count", 4000.into())),
        word(Filter::contains("word", "四七")),
        word(Filter::Search {
            text: WORD.into(),
            fields: vec!["title".into(), "word".into()],
        }),
        word(Filter::Missing {
            field: "word".into(),
        }),
        all().sort("word", true),
        all().sort("count", false),
        word(Filter::eq("other", OTHER)),
    ]
}

fn sums() -> Vec<Aggregate> {
    let of = |measure: Measure| Aggregate::new("veiled.things", vec![measure]);
    let counted = |filter: Filter| Aggregate {
        filter: Some(filter),
        ..of(Measure::Count)
    };
    vec![
        of(Measure::Min("word".into())),
        of(Measure::Max("word".into())),
        of(Measure::Min("count".into())),
        of(Measure::Sum("count".into())),
        of(Measure::Avg("count".into())),
        counted(Filter::eq("word", WORD)),
    ]
}

fn code<T>(answer: Result<T, Fault>) -> Option<String> {
    answer.err().map(|fault| fault.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_by_what_is_not_shown_in_every_row() {
    let stage = stage().await;
    let host = stage.host();
    let [tester, keeper] = [TESTER, KEEPER].map(person);
    let refused = Some("masked-field".to_owned());
    for p in [&tester, &officer(FIRST)] {
        for query in finds() {
            let asked = json!(query);
            assert_eq!(code(host.find(p, query).await), refused, "{asked}");
        }
        for sum in sums() {
            let asked = json!(sum);
            assert_eq!(code(host.aggregate(p, sum).await), refused, "{asked}");
        }
    }
    for query in finds() {
        let asked = json!(query);
        assert_eq!(code(host.find(&keeper, query).await), None, "{asked}");
    }
    for sum in sums() {
        let asked = json!(sum);
        assert_eq!(code(host.aggregate(&keeper, sum).await), None, "{asked}");
    }
    // Values would stand in the answer as its keys, so nobody counts by them.
    for name in ["word", "count", "other"] {
        for p in [&tester, &keeper] {
            let facets = host.find(p, all().facet(name)).await;
            assert_eq!(code(facets), refused, "{name}");
            let groups = Aggregate {
                group_by: vec![Key::from(name)],
                ..Aggregate::new("veiled.things", vec![Measure::Count])
            };
            assert_eq!(code(host.aggregate(p, groups).await), refused, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_in_charge_sees_no_more_by_asking_for_that_day() {
    let stage = stage().await;
    stage.clock().advance_seconds(3_600);
    let update = Write::Update {
        collection: "things".into(),
        id: SEEDED.into(),
        revision: 1,
        values: values(json!({ "officer": SECOND, "word": "灯影五八二二" })),
    };
    commit(&stage, "veiled", vec![update]).await;
    let of_record = || all().filter(Filter::eq("id", SEEDED));
    let then = || of_record().as_of(Timestamp(NOW + 1_000_000));
    let [first, second, keeper] = [officer(FIRST), officer(SECOND), person(KEEPER)];
    for (p, now, past) in [
        (&first, "****", "****"),
        // Whose it is now was not in charge then, so that is not shown either.
        (&second, "灯影五八二二", "****"),
        (&keeper, "灯影五八二二", WORD),
    ] {
        let found = find(&stage, p, of_record()).await;
        assert_eq!(found[0]["word"], now, "{:?}", p.user);
        let found = find(&stage, p, then()).await;
        assert_eq!(found[0]["officer"], FIRST, "it was theirs");
        assert_eq!(found[0]["word"], past, "{:?}", p.user);
    }
}
