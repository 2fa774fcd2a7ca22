//! The JSON Schema (2020-12) of a field's values, as `OpenAPI` 3.1 takes it.

use serde_json::{Map, Value, json};

use super::{Kind, MAX_FILES};
use crate::code::Format;
use crate::def::{ChoiceDef, FieldDef};

/// The schema of a field of `module`. Labels are its titles.
pub fn schema(module: &str, choices: &[ChoiceDef], field: &FieldDef) -> Value {
    let mut schema = of(module, choices, &field.kind);
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".into(), field.label.zh.as_str().into());
        if !field.help.is_empty() {
            map.insert("description".into(), field.help.as_str().into());
        }
        if let Some(level) = field.level {
            map.insert("x-level".into(), json!(level));
        }
        if matches!(field.kind, Kind::Computed { .. }) {
            map.insert("readOnly".into(), true.into());
        }
    }
    schema
}

fn of(module: &str, choices: &[ChoiceDef], kind: &Kind) -> Value {
    match kind {
        Kind::Text { max } => json!({ "type": "string", "maxLength": max }),
        Kind::Code { format } => json!({
            "type": "string", "format": format.name(), "pattern": pattern(*format),
        }),
        Kind::Integer { min, max } => {
            let mut schema = json!({ "type": "integer", "format": "int64" });
            if let Some(map) = schema.as_object_mut() {
                map.extend(min.map(|m| ("minimum".to_owned(), m.into())));
                map.extend(max.map(|m| ("maximum".to_owned(), m.into())));
            }
            schema
        }
        Kind::Decimal { scale, .. } => decimal(*scale),
        Kind::Money { .. } => decimal(2),
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Month => json!({ "type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$" }),
        Kind::Datetime => json!({ "type": "string", "format": "date-time" }),
        Kind::Choice { of } => json!({ "type": "string", "enum": values(choices, of) }),
        Kind::MultiChoice { of, max } => {
            let item = json!({ "type": "string", "enum": values(choices, of) });
            let mut schema = json!({ "type": "array", "uniqueItems": true, "items": item });
            if let Some(map) = schema.as_object_mut() {
                map.extend(max.map(|m| ("maxItems".to_owned(), m.into())));
            }
            schema
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Ref { to } => {
            let to = if to.contains('.') {
                to.clone()
            } else {
                format!("{module}.{to}")
            };
            json!({ "type": "string", "format": "uuid", "x-refers-to": to })
        }
        Kind::Rows { fields, max } => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|f| (f.name.clone(), schema(module, choices, f)))
                .collect();
            let required: Vec<&str> = fields
                .iter()
                .filter(|f| f.required)
                .map(|f| f.name.as_str())
                .collect();
            let item = json!({ "type": "object", "properties": properties, "required": required });
            json!({ "type": "array", "maxItems": max, "items": item })
        }
        Kind::File {
            accept,
            max_bytes,
            many,
        } => {
            let mut file = json!({
                "type": "object",
                "required": ["digest", "name", "size"],
                "properties": {
                    "digest": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                    "name": { "type": "string" },
                    "size": { "type": "integer", "minimum": 0, "maximum": max_bytes },
                },
            });
            if let Some(map) = file.as_object_mut()
                && !accept.is_empty()
            {
                map.insert("x-accept".into(), json!(accept));
            }
            if *many {
                json!({ "type": "array", "maxItems": MAX_FILES, "items": file })
            } else {
                file
            }
        }
        Kind::Json => json!({}),
        Kind::Computed { result, .. } => of(module, choices, result),
    }
}

fn values<'c>(choices: &'c [ChoiceDef], name: &str) -> Vec<&'c str> {
    super::options(choices, name).collect()
}

fn pattern(format: Format) -> &'static str {
    match format {
        Format::Uscc => "^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$",
        Format::ResidentId => "^[0-9]{17}[0-9X]$",
        Format::Phone => "^1[1-9][0-9]{9}$",
        Format::Region => "^[0-9]{6}$",
        Format::Industry => "^[A-T]([0-9]{2,4})?$",
    }
}

fn decimal(scale: u8) -> Value {
    let pattern = match scale {
        0 => "^-?[0-9]+$".to_owned(),
        n => format!("^-?[0-9]+\\.[0-9]{{{n}}}$"),
    };
    json!({ "type": "string", "pattern": pattern })
}
