//! The plugins' collections as they become attested, over the records of a database of before.

use std::time::Duration;

use kernel_crypto::keys::KeyRing;
use kernel_storage::{CollectionName, Finding, QueryError, RowFilter, StorageError, Store};
use sdk_contract::call::Write;
use sdk_contract::change::ChangeDef;
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef};
use sdk_contract::kind::Kind;
use serde_json::{Map, Value, json};

use crate::attested::findings;
use crate::bench::{Bench, NOW, commit, id, on_each_engine};
use crate::crash;
use crate::moments::{locks, value};
use crate::schema_life::numbers;

/// Those that others refer to come first.
fn modules() -> Vec<ModuleDef> {
    let locks = locks();
    let read = locks.iter().map(|lock| serde_json::from_str(lock));
    let mut all: Vec<ModuleDef> = read.collect::<Result<_, _>>().unwrap();
    all.sort_by_key(|m| m.id != "market");
    all
}

fn lending() -> ModuleDef {
    modules().into_iter().find(|m| m.id == "lending").unwrap()
}

/// As it was before its records had codes.
fn before(module: &ModuleDef) -> ModuleDef {
    let mut before = module.clone();
    for c in &mut before.collections {
        c.attested = false;
    }
    before
}

/// A value for every field that needs no other record, or cannot do without it: then that is `id(1)`.
/// What is unique is told by `n`.
fn insert(module: &ModuleDef, c: &CollectionDef, n: u32) -> Write {
    let of = |f: &FieldDef| match &f.kind {
        Kind::Ref { .. } => json!(id(1)),
        Kind::Text { .. } if f.unique => json!(format!("N{n}")),
        kind => value(module, kind),
    };
    let stands = |f: &&FieldDef| f.required || !matches!(f.kind, Kind::Ref { .. });
    let fields = c.fields.iter().filter(stands);
    let values: Map<String, Value> = fields.map(|f| (f.name.clone(), of(f))).collect();
    Write::Insert {
        collection: c.name.clone(),
        id: id(n),
        subject: Some(id(9000)),
        organisation: Some(id(7000)),
        district: None,
        values,
    }
}

async fn put(store: &Store, module: &ModuleDef, writes: Vec<Write>) {
    let mut all = commit(writes);
    all.module.clone_from(&module.id);
    store.commit(all).await.unwrap();
}

#[tokio::test]
async fn dj_14_what_the_plugins_kept_before_gets_its_codes() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        let modules = modules();
        let mut all = Vec::new();
        for module in &modules {
            store.apply(&before(module), NOW).await.unwrap();
            let each = module.collections.iter();
            let writes = each.clone().map(|c| insert(module, c, 1));
            put(&store, module, writes.collect()).await;
            let attested = each.filter(|c| c.attested);
            all.extend(attested.map(|c| CollectionName::new(&module.id, &c.name)));
        }
        assert!(all.len() >= 17, "{all:?}");
        assert_eq!(store.sweep().await.unwrap().records, 0);
        for module in &modules {
            let steps = store.apply(module, NOW).await.unwrap().steps;
            assert!(
                steps.iter().any(|s| s.starts_with("Make codes")),
                "{steps:?}"
            );
            assert!(store.apply(module, NOW).await.unwrap().steps.is_empty());
        }
        let swept = store.sweep().await.unwrap();
        assert_eq!((swept.records, swept.wrong), (all.len() as u64, 0));
        for name in &all {
            let found = store.get(name, &id(1), &RowFilter::All).await;
            assert!(found.unwrap().is_some(), "{name}");
            let table = name.to_string().replace('.', "__").replace('-', "_");
            let change = format!("UPDATE {table} SET created_by = 'x' WHERE id = '{}'", id(1));
            bench.tamper(&change).await;
            let found = store.get(name, &id(1), &RowFilter::All).await;
            assert!(
                matches!(
                    &found,
                    Err(QueryError::Storage(StorageError::Altered { .. }))
                ),
                "{name}: {found:?}"
            );
        }
        let found = findings(&store).await;
        assert_eq!(found.len(), all.len());
        assert!(
            found
                .iter()
                .all(|(_, finding, _)| *finding == Finding::Altered)
        );
    })
    .await;
}

/// As it was before its figures were sealed, in the release before that.
fn plain(module: &ModuleDef) -> ModuleDef {
    let mut plain = before(module);
    for change in std::mem::take(&mut plain.changes) {
        let ChangeDef::Converted {
            collection, field, ..
        } = change
        else {
            continue;
        };
        let mut collections = plain.collections.iter_mut();
        let c = collections.find(|c| c.name == collection).unwrap();
        let mut fields = c.fields.iter_mut();
        fields.find(|f| f.name == field).unwrap().encrypted = false;
    }
    plain
}

/// Whoever leaves a release out has both at once.
#[tokio::test]
async fn dj_14_figures_are_sealed_and_get_their_codes_in_one_release() {
    on_each_engine(async |bench| {
        let store = bench.open().await;
        let modules = modules();
        let kept = ["market", "credit", "lending"];
        let kept = modules.iter().filter(|m| kept.contains(&m.id.as_str()));
        for module in kept {
            store.apply(&plain(module), NOW).await.unwrap();
            let each = module.collections.iter();
            let writes = each.clone().map(|c| insert(module, c, 1));
            put(&store, module, writes.collect()).await;
            let stands = async |c: &CollectionDef| {
                let name = CollectionName::new(&module.id, &c.name);
                let found = store.get(&name, &id(1), &RowFilter::All).await;
                found.unwrap().unwrap()
            };
            let mut was = Vec::new();
            for c in each.clone() {
                was.push(stands(c).await);
            }
            store.apply(module, NOW).await.unwrap();
            for (c, was) in each.zip(was) {
                assert_eq!(stands(c).await, was, "{}.{}", module.id, c.name);
            }
        }
        let swept = store.sweep().await.unwrap();
        assert_eq!((swept.records, swept.wrong), (7, 0));
        bench
            .tamper("UPDATE credit__tax_records SET source = 'y'")
            .await;
        assert_eq!(findings(&store).await.len(), 1);
    })
    .await;
}

const MANY: u32 = 1_600;
const CODED: &str = "SELECT COUNT(*) FROM lending__applications WHERE row__code IS NOT NULL";

/// The process that is killed; does nothing unless the test below starts it.
#[tokio::test]
#[ignore = "started by dj_14_killed_while_applications_get_their_codes"]
async fn child() {
    let Some((url, keys)) = crash::told() else {
        return;
    };
    let keys = std::sync::Arc::new(KeyRing::open_or_create(&keys, None).unwrap());
    let store = Store::open(&url, keys).await.unwrap();
    store.apply(&lending(), NOW).await.unwrap();
}

/// Applications of before, more than one batch makes codes of.
async fn kept_before(bench: &Bench, lending: &ModuleDef) -> CollectionName {
    let store = bench.open().await;
    let market = modules().into_iter().find(|m| m.id == "market").unwrap();
    store.apply(&market, NOW).await.unwrap();
    put(
        &store,
        &market,
        vec![insert(&market, &market.collections[0], 1)],
    )
    .await;
    store.apply(&before(lending), NOW).await.unwrap();
    let c = &lending.collections[0];
    for first in (1..=MANY).step_by(100) {
        let some = (first..first + 100).map(|n| insert(lending, c, n));
        put(&store, lending, some.collect()).await;
    }
    store.close().await;
    CollectionName::new("lending", &c.name)
}

#[tokio::test]
async fn dj_14_killed_while_applications_get_their_codes() {
    on_each_engine(async |bench| {
        let lending = lending();
        let name = kept_before(bench, &lending).await;
        let mut on_the_way = false;
        for at_least in [0, 1, 500, 1_000] {
            let mut child = crash::start("attested_plugins::child", bench);
            loop {
                let coded = numbers(bench, CODED).await;
                let enough = coded.first().is_some_and(|n| *n >= at_least);
                if enough || child.try_wait().unwrap().is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let _ = child.kill();
            child.wait().unwrap();
            let store = bench.open().await;
            let declared = store.declared("lending").await.unwrap().unwrap();
            let coded = numbers(bench, CODED).await;
            let some = coded
                .first()
                .is_some_and(|n| (1..i64::from(MANY)).contains(n));
            on_the_way |= !declared.collections[0].attested && some;
            // Whichever serves, people read and decide.
            let found = store
                .get(&name, &id(7), &RowFilter::All)
                .await
                .unwrap()
                .unwrap();
            let update = Write::Update {
                collection: name.collection.clone(),
                id: id(7),
                revision: found["revision"].as_i64().unwrap(),
                values: json!({"amount": format!("{at_least}.00")})
                    .as_object()
                    .unwrap()
                    .clone(),
            };
            put(&store, &lending, vec![update]).await;
            store.close().await;
        }
        assert!(
            on_the_way,
            "killed before it began, or after its end, each time"
        );
        let store = bench.open().await;
        store.apply(&lending, NOW).await.unwrap();
        let swept = store.sweep().await.unwrap();
        assert_eq!((swept.records, swept.wrong), (u64::from(MANY) + 1, 0));
        unguard_applications(bench).await;
        let change = format!(
            "UPDATE lending__applications SET row__code = NULL WHERE id = '{}'",
            id(12)
        );
        bench.tamper(&change).await;
        let found = findings(&store).await;
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].0, &found[0].1), (&id(12), &Finding::Uncoded));
    })
    .await;
}

/// On `PostgreSQL` the table lets nothing in without a code; who can change rows can take that away.
async fn unguard_applications(bench: &Bench) {
    if matches!(bench.url, kernel_storage::StoreUrl::Postgres(_)) {
        let guard = "ALTER TABLE lending__applications DROP CONSTRAINT row__code__guard";
        bench.tamper(guard).await;
    }
}
