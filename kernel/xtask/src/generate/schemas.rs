//! The JSON Schemas under `wit/`.

use std::path::Path;

use sdk_contract::schema::documents;
use serde_json::{Map, Value};

use super::File;

pub(super) fn files() -> Vec<File> {
    documents()
        .into_iter()
        .map(|document| {
            let value = sorted(document.schema.to_value());
            (Path::new("wit").join(document.file), format!("{value:#}\n"))
        })
        .collect()
}

/// Objects with their keys in order, whatever order this build of `serde_json` keeps them in.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            let entries = entries.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        other => other,
    }
}
