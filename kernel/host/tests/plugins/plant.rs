//! A row of every collection there is, as lifelike as its declaration allows: kinds, choices, first
//! states of flows, codes with check characters, and references to rows that were planted before.
//!
//! Of free JSON a declaration does not say the shape: it is as a row that the plugin seeds has it,
//! or as `<module>.json` beside this file for the kernel's own, and otherwise an empty list.

use std::collections::BTreeMap;
use std::path::Path;

use kernel_host::Host;
use kernel_storage::{By, Commit, CommitError};
use sdk_contract::call::Write;
use sdk_contract::code::Format;
use sdk_contract::def::{CollectionDef, FieldDef, Level, ModuleDef};
use sdk_contract::kind::{Kind, TABLE};
use sdk_contract::scalar::print_scaled;
use serde_json::{Map, Value, json};

use crate::support::{NOW, person};

/// Whose the rows are, and who deals with them.
pub(crate) const PARTY: &str = "01930000-0000-7000-8000-00000000a001";
pub(crate) const ORGANISATION: &str = "01930000-0000-7000-8000-00000000a002";
pub(crate) const DISTRICT: &str = "310115";
pub(crate) const ASSIGNEE: &str = "01930000-0000-7000-8000-00000000a003";
/// Somebody else.
pub(crate) const OTHER_PARTY: &str = "01930000-0000-7000-8000-00000000b001";
pub(crate) const OTHER_ORGANISATION: &str = "01930000-0000-7000-8000-00000000b002";
pub(crate) const OTHER_DISTRICT: &str = "310104";
pub(crate) const OTHER_USER: &str = "01930000-0000-7000-8000-00000000b003";
/// One level above the organisation, and one below it.
pub(crate) const ABOVE: &str = "01930000-0000-7000-8000-00000000c001";
pub(crate) const BELOW: &str = "01930000-0000-7000-8000-00000000c002";

/// What every file holds.
pub(crate) const FILE: &[u8] = b"a,b\n1,2\n";

/// A row of a collection, and the values it was written with.
pub(crate) struct Planted {
    pub(crate) module: String,
    /// Its full name.
    pub(crate) collection: String,
    pub(crate) id: String,
    pub(crate) values: Map<String, Value>,
}

impl Planted {
    /// What anything within it is called: a page may be of a part of a record.
    pub(crate) fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut within: Vec<&Value> = self.values.values().collect();
        while let Some(value) = within.pop() {
            match value {
                Value::Array(all) => within.extend(all),
                Value::Object(all) => {
                    parts.extend(all.get("name").and_then(Value::as_str).map(str::to_owned));
                    within.extend(all.values());
                }
                _ => {}
            }
        }
        parts
    }

    /// What stands in its most guarded fields and nowhere else.
    pub(crate) fn canaries<'a>(
        &'a self,
        def: &'a ModuleDef,
    ) -> impl Iterator<Item = (&'a FieldDef, String)> {
        let fields = self.declared(def).fields.iter();
        fields.filter_map(|field| {
            let canary = canary(field)?;
            (self.values.get(&field.name)? == canary.as_str()).then_some((field, canary))
        })
    }

    /// What its collection is declared as.
    pub(crate) fn declared<'a>(&self, def: &'a ModuleDef) -> &'a CollectionDef {
        let (_, plural) = self.collection.split_once('.').unwrap();
        def.collection(plural).unwrap()
    }
}

/// Plants a row in every collection of every module, what is referred to first.
pub(crate) async fn everywhere(host: &Host) -> Vec<Planted> {
    settle(host).await;
    let catalog = host.catalog();
    let mut waiting = Vec::new();
    for (number, installed) in (0_u32..).zip(catalog.modules.values()) {
        let collections = (0_u32..).zip(&installed.def.collections);
        waiting.extend(collections.map(|(place, collection)| {
            let id = format!("01930000-0000-7000-8000-0001{number:04x}{place:04x}");
            (id, &installed.def, collection)
        }));
    }
    let mut planted: Vec<Planted> = Vec::new();
    let mut ids = BTreeMap::new();
    while !waiting.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, def, c)| needs(def, c).all(|to| ids.contains_key(&to)));
        let stuck: Vec<_> = later.iter().map(|(_, def, c)| (&def.id, &c.name)).collect();
        assert!(!ready.is_empty(), "refer to nothing there is: {stuck:?}");
        for (id, def, collection) in ready {
            let row = plant(host, def, collection, id, &ids).await;
            ids.insert(row.collection.clone(), row.id.clone());
            planted.push(row);
        }
        waiting = later;
    }
    planted
}

/// The collections that a row must name a row of.
fn needs<'a>(
    def: &'a ModuleDef,
    collection: &'a CollectionDef,
) -> impl Iterator<Item = String> + use<'a> {
    let needed = collection
        .fields
        .iter()
        .filter(|f| filled(f) && collection.assignee.as_ref() != Some(&f.name));
    needed.filter_map(|field| match &field.kind {
        Kind::Ref { to } => Some(full(def, to)),
        _ => None,
    })
}

/// What may be empty is so, unless something depends on who sees it.
fn filled(field: &FieldDef) -> bool {
    field.required || field.mask.is_some() || field.level.is_some()
}

fn full(def: &ModuleDef, to: &str) -> String {
    if to.contains('.') {
        to.to_owned()
    } else {
        format!("{}.{to}", def.id)
    }
}

/// Writes a row past every check.
async fn plant(
    host: &Host,
    def: &ModuleDef,
    collection: &CollectionDef,
    id: String,
    ids: &BTreeMap<String, String>,
) -> Planted {
    let mut values = Map::new();
    for field in &collection.fields {
        let assignee = collection.assignee.as_ref() == Some(&field.name);
        let given = match &field.kind {
            Kind::Computed { .. } => continue,
            _ if assignee => ASSIGNEE.into(),
            Kind::File { many, .. } => {
                let by = person("uploads");
                let stored = host.store_upload(&by, "a.csv", FILE.to_vec()).await;
                let stored = json!(stored.unwrap());
                if *many { json!([stored]) } else { stored }
            }
            Kind::Json => match example(def, collection, field) {
                Some(example) => example,
                None if filled(field) => json!([]),
                None => continue,
            },
            _ if !filled(field) => continue,
            Kind::Ref { to } => ids[&full(def, to)].as_str().into(),
            _ => value(def, collection, field, &id),
        };
        // Every file is the same one, whatever a field accepts.
        if !matches!(field.kind, Kind::File { .. }) {
            let fits = field.kind.check(&given, &def.choices);
            let name = format!("{}.{}.{}", def.id, collection.name, field.name);
            assert_eq!(fits.as_ref(), Ok(&given), "{name}");
        }
        values.insert(field.name.clone(), given);
    }
    let made_by = match collection.assignee.as_deref() {
        Some("created_by") => ASSIGNEE,
        _ => "test",
    };
    let commit = Commit {
        at: NOW,
        by: By {
            user: made_by.into(),
            name: "test".into(),
            organisation: None,
        },
        request: "test".into(),
        module: def.id.clone(),
        writes: vec![Write::Insert {
            collection: collection.name.clone(),
            id: id.clone(),
            subject: Some(PARTY.into()),
            organisation: Some(ORGANISATION.into()),
            district: Some(DISTRICT.into()),
            values: values.clone(),
        }],
        ..Commit::default()
    };
    let mut seeds = def.seeds.iter();
    let seed = seeds.find(|s| s.collection == collection.name);
    let collection = format!("{}.{}", def.id, collection.name);
    let written = host.store().commit(commit).await;
    // Where every value there may be is there from the start, what is there will do.
    if let (Err(CommitError::Conflict { .. }), Some(seed)) = (&written, seed) {
        return Planted {
            module: def.id.clone(),
            collection,
            id: seed.id.clone(),
            values: seed.values.clone(),
        };
    }
    assert!(written.is_ok(), "{collection}: {:?}", written.err());
    Planted {
        module: def.id.clone(),
        collection,
        id,
        values,
    }
}

/// Those who ask are users: what they are assigned or ask for names them. The organisations stand
/// below each other.
async fn settle(host: &Host) {
    let insert =
        |collection: &str, id: &str, organisation: Option<&str>, values: Value| Write::Insert {
            collection: collection.into(),
            id: id.into(),
            subject: None,
            organisation: organisation.map(str::to_owned),
            district: None,
            values: serde_json::from_value(values).unwrap(),
        };
    let user = |id: &str| {
        let values = json!({
            "name": "测", "login": id, "roles": [], "active": true, "password": "x",
        });
        insert("users", id, None, values)
    };
    let place = |id: &str, parent: Option<&str>| {
        let values = json!({ "name": "测试机构", "type": "bank", "parent": parent });
        insert("organisations", id, Some(id), values)
    };
    let writes = vec![
        user(ASSIGNEE),
        user(OTHER_USER),
        place(ABOVE, None),
        place(ORGANISATION, Some(ABOVE)),
        place(BELOW, Some(ORGANISATION)),
        place(OTHER_ORGANISATION, None),
    ];
    let commit = Commit {
        at: 1,
        module: "platform".into(),
        writes,
        ..Commit::default()
    };
    host.store().commit(commit).await.unwrap();
}

/// Free JSON as somebody wrote it who knows its shape.
fn example(def: &ModuleDef, collection: &CollectionDef, field: &FieldDef) -> Option<Value> {
    let mut seeds = def.seeds.iter().filter(|s| s.collection == collection.name);
    if let Some(seeded) = seeds.find_map(|s| s.values.get(&field.name)) {
        return Some(seeded.clone());
    }
    let own = format!("tests/plugins/{}.json", def.id);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(own);
    let own = std::fs::read_to_string(own).ok()?;
    let own: Value = serde_json::from_str(&own).unwrap();
    own[&collection.name].get(&field.name).cloned()
}

/// A value that is nowhere else, of a field of level L3 or above that can hold one.
pub(crate) fn canary(field: &FieldDef) -> Option<String> {
    match &field.kind {
        _ if field.level < Some(Level::L3) => None,
        // A letter or two stand on every page.
        Kind::Text { max } if *max < 8 => None,
        Kind::Text { max } => {
            let own = format!("canary-{}", field.name);
            Some(own.chars().take(*max as usize).collect())
        }
        Kind::Code {
            format: Format::Phone,
        } => Some("19900007731".to_owned()),
        _ => None,
    }
}

/// A value of a field, canonical; of its own where it must be unique.
fn value(def: &ModuleDef, collection: &CollectionDef, field: &FieldDef, id: &str) -> Value {
    let own: String = id.chars().rev().take(8).collect();
    let flow = def.flow(&collection.name).filter(|f| f.field == field.name);
    if let Some(canary) = canary(field) {
        return canary.into();
    }
    match &field.kind {
        Kind::Choice { .. } if flow.is_some() => json!(flow.unwrap().initial[0]),
        Kind::Choice { of } => json!(def.choice(of).unwrap().options[0].value),
        Kind::MultiChoice { of, .. } => json!([def.choice(of).unwrap().options[0].value]),
        Kind::Text { max } => json!(own.chars().take(*max as usize).collect::<String>()),
        Kind::Code { format } => json!(format.example()),
        Kind::Integer { min, .. } => json!(min.unwrap_or(1)),
        Kind::Money { min, .. } => json!(print_scaled(min.unwrap_or_default().max(100), 2)),
        Kind::Decimal { scale, min, .. } => {
            json!(print_scaled(min.unwrap_or_default().max(0), *scale))
        }
        Kind::Rows { fields, .. } if field.required => {
            let cell = |f: &FieldDef| (f.name.clone(), value(def, collection, f, id));
            json!([fields.iter().map(cell).collect::<Map<_, _>>()])
        }
        Kind::Rows { .. } => json!([]),
        kind => {
            let entry = TABLE.iter().find(|e| e.kind == kind.name()).unwrap();
            entry.sample().good[0].1.clone()
        }
    }
}
