//! The committed schemas accept every real document of this repository and refuse wrong ones, as
//! an author's validator would.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use sdk_contract::call::{CallContext, Event, Given, Reply};
use sdk_contract::query::{Filter, Query};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A schema by its path under `wit/`, without the ending.
fn schema(name: &str) -> Validator {
    let text = read(&root().join(format!("wit/{name}.schema.json")));
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn faults(schema: &Validator, document: &Value) -> Vec<String> {
    schema
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn accepted(name: &str, document: &Value) {
    assert_eq!(faults(&schema(name), document), [""; 0], "{name}");
}

/// Every file of this name one folder below `folder`.
fn each(folder: &str, name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path().join(name))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no {name} in {folder}");
    found
}

#[test]
fn every_schema_is_one() {
    for document in sdk_contract::schema::documents() {
        let text = read(&root().join("wit").join(document.file));
        let committed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(&committed, document.schema.as_value(), "{}", document.file);
        jsonschema::meta::validate(&committed).unwrap();
    }
}

#[test]
fn every_plugin_has_declarations_of_the_schemas_shape() {
    let def = schema("plugin/module-def");
    for path in each("plugins", "schema.lock.json") {
        let lock = serde_json::from_str(&read(&path)).unwrap();
        assert_eq!(faults(&def, &lock), [""; 0], "{}", path.display());
    }
    let manifest = schema("plugin/plugin-toml");
    for path in each("plugins", "plugin.toml") {
        let table: toml::Table = toml::from_str(&read(&path)).unwrap();
        let table = serde_json::to_value(table).unwrap();
        assert_eq!(faults(&manifest, &table), [""; 0], "{}", path.display());
    }
}

#[test]
fn every_example_model_has_a_declaration_of_the_schemas_shape() {
    let def = schema("model/model-def");
    for path in each("examples/bank-models", "model.json") {
        let declared = serde_json::from_str(&read(&path)).unwrap();
        assert_eq!(faults(&def, &declared), [""; 0], "{}", path.display());
    }
}

#[test]
fn what_goes_over_the_boundary_has_the_schemas_shape() {
    let query = Query::new("market.products")
        .filter(Filter::eq("status", "open").and(Filter::contains("name", "贷").not()))
        .sort("created_at", true);
    accepted("plugin/query", &serde_json::to_value(query).unwrap());
    let context = json!({
        "now": 0, "seed": "0", "locale": "zh", "request": "r",
        "caller": { "name": "", "roles": [], "organisation_name": "" },
    });
    let read: CallContext = serde_json::from_value(context).unwrap();
    accepted("plugin/call-context", &serde_json::to_value(read).unwrap());
    accepted(
        "plugin/given",
        &serde_json::to_value(Given::default()).unwrap(),
    );
    accepted(
        "plugin/reply",
        &serde_json::to_value(Reply::default()).unwrap(),
    );
    accepted("plugin/reply", &json!({}));
    let event = Event {
        id: "1".into(),
        name: "tea.cup.poured".into(),
        aggregate: "1".into(),
        at: 0,
        data: Value::Null,
    };
    accepted("plugin/event", &serde_json::to_value(event).unwrap());
}

/// A good document, and what to put where to make it wrong.
fn refused(name: &str, good: &Value, wrong: &[(&str, Value)]) {
    let schema = schema(name);
    assert_eq!(faults(&schema, good), [""; 0], "{name}");
    for (place, value) in wrong {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value.clone();
        assert!(!schema.is_valid(&bad), "{name}: {place} = {value}");
    }
}

#[test]
fn wrong_documents_are_refused() {
    let lock = root().join("plugins/enterprise/schema.lock.json");
    refused(
        "plugin/module-def",
        &serde_json::from_str(&read(&lock)).unwrap(),
        &[
            ("/id", json!(7)),
            ("/label/zh", Value::Null),
            ("/collections/0/shard", json!("moon")),
            ("/collections/0/fields/0/kind", json!("float")),
            ("/collections/0/fields/0/max", json!("many")),
            ("/permissions/0/grants/0/scope", json!("everything")),
        ],
    );
    let model = root().join("examples/bank-models/tax-loan/model.json");
    refused(
        "model/model-def",
        &serde_json::from_str(&read(&model)).unwrap(),
        &[
            ("/features/0/kind", json!("number?")),
            ("/features/0/missing", json!("guess")),
            ("/scale/pdo", json!("50")),
            ("/golden/0/score", Value::Null),
        ],
    );
    refused(
        "plugin/page",
        &json!({ "version": 1, "title": "页", "sections": [
            { "blocks": [{ "id": "b", "kind": "prose", "text": "字" }] },
        ] }),
        &[
            ("/version", json!("1")),
            ("/sections/0/blocks/0/kind", json!("html")),
            ("/sections/0/blocks/0/text", json!(["字"])),
        ],
    );
    refused(
        "plugin/query",
        &json!({ "collection": "a.b", "limit": 1, "filter": { "eq": { "field": "x", "value": 1 } } }),
        &[
            ("/limit", json!(-1)),
            ("/filter", json!({ "like": "x" })),
            ("/filter/eq/field", json!(1)),
        ],
    );
    refused(
        "plugin/plugin-toml",
        &json!({ "id": "tea", "version": "0.1.0", "api": "0.1", "kind": "module",
            "name": { "zh": "茶", "en": "Tea" }, "limits": { "memory_mb": 64 } }),
        &[
            ("/kind", json!("virus")),
            ("/limits", json!({ "memory_gb": 64 })),
        ],
    );
}
