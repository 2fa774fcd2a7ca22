//! Signatures over actions in the description of the API.

use sdk_contract::def::{CollectionDef, ModuleDef};
use serde_json::{Value, json};

use super::{json_content, object, operation, parameter, tagged, uuid, with_problems};

/// The signatures of a collection's records.
pub(super) fn paths(
    module: &ModuleDef,
    collection: &CollectionDef,
    base: &str,
) -> Vec<(String, Value)> {
    let text = json!({ "type": "string" });
    let mut stamp = object(&[
        ("at", json!({ "type": ["string", "null"] })),
        ("authority", text.clone()),
        ("holds", json!({ "type": "boolean" })),
    ]);
    if let Some(stamp) = stamp.as_object_mut() {
        stamp.insert("type".into(), json!(["object", "null"]));
    }
    let signature = object(&[
        ("id", uuid()),
        ("at", json!({ "type": "string", "format": "date-time" })),
        ("action", text.clone()),
        ("label", text.clone()),
        ("name", text.clone()),
        ("organisation", text.clone()),
        ("way", text.clone()),
        ("serial", json!({ "type": ["string", "null"] })),
        ("digest", text.clone()),
        ("revision", json!({ "type": "integer" })),
        ("holds", json!({ "type": "boolean" })),
        ("differs", json!({ "type": "array", "items": text })),
        ("stamp", stamp),
    ]);
    let all = object(&[("items", json!({ "type": "array", "items": signature }))]);
    let label = format!("{}的签名", collection.label.zh);
    let listed = json!({ "description": label, "content": json_content(&all) });
    let file = format!("{}的签名文件", collection.label.zh);
    let packed = json!({ "description": file, "content": { "application/zip": {} } });
    let of = |what: &str, label: &str, answer: &Value, names: &[&str]| {
        let id = format!("{}.{}.{what}", module.id, collection.entity);
        let operation = operation(&id, label, &with_problems(answer, "200"));
        let parameters = names
            .iter()
            .map(|name| parameter("path", name, true, &uuid()));
        json!({ "get": tagged(module, operation, parameters.collect()) })
    };
    vec![
        (
            format!("{base}/{{id}}/signatures"),
            of("signatures", &label, &listed, &["id"]),
        ),
        (
            format!("{base}/{{id}}/signatures/{{signature}}"),
            of("signature", &file, &packed, &["id", "signature"]),
        ),
    ]
}

/// The headers of a signature by the caller's certificate.
pub(super) fn parameters() -> [Value; 2] {
    let header = |name: &str, what: &str| {
        let schema = json!({ "type": "string", "description": what });
        parameter("header", name, false, &schema)
    };
    [
        header("X-Challenge", "of the refusal `signature-needed`"),
        header("X-Signature", "over its text: DER in base64"),
    ]
}
