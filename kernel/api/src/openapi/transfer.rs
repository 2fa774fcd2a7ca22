//! Import and export of a collection, described as the actions of the console that they begin.

use kernel_host::creating;
use sdk_contract::def::{CollectionDef, ModuleDef};
use serde_json::{Map, Value, json};

use super::{
    guarded, json_content, object, operation, parameter, reference, tagged, uuid, with_problems,
};

/// The addresses under a collection's: every one is exported, and imported where an action takes rows.
pub(super) fn paths(module: &ModuleDef, c: &CollectionDef, base: &str) -> Map<String, Value> {
    let text = |most: u32| json!({ "type": "string", "maxLength": most });
    let format = json!({ "type": "string", "enum": ["csv", "xlsx", "jsonl"] });
    let yes = json!({ "type": "boolean" });
    let names = json!({ "type": "array", "items": { "type": "string" } });
    let export = [
        ("format", format.clone()),
        ("reason", text(200)),
        ("fields", text(2000)),
        ("project", uuid()),
        ("pseudonyms", names.clone()),
        ("tokens", names),
    ];
    let export = with(object(&export), "required", json!(["format", "reason"]));
    let import = [
        ("file", reference("File")),
        ("dry", yes.clone()),
        ("confirm", yes),
    ];
    let import = with(object(&import), "required", json!(["file"]));
    let post = |verb: &str, words: &str, body: &Value| {
        let begun = guarded(operation(
            &format!("{}.{}.{verb}", module.id, c.entity),
            &format!("{words}{}", c.label.zh),
            &with_problems(&job(), "200"),
        ));
        let body = json!({ "content": json_content(body) });
        json!({ "post": tagged(module, with(begun, "requestBody", body), Vec::new()) })
    };
    let template = operation(
        &format!("{}.{}.template", module.id, c.entity),
        &format!("{}的导入模板", c.label.zh),
        &with_problems(&json!({ "description": "an empty file to fill in" }), "200"),
    );
    let asked = vec![parameter("query", "format", false, &format)];
    let mut paths = Map::new();
    paths.insert(format!("{base}/export"), post("export", "导出", &export));
    if creating(module, c).is_some() {
        paths.insert(format!("{base}/import"), post("import", "导入", &import));
        let get = json!({ "get": tagged(module, template, asked) });
        paths.insert(format!("{base}/template"), get);
    }
    paths
}

fn with(mut value: Value, name: &str, part: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.insert(name.to_owned(), part);
    }
    value
}

/// The job that has begun, to be looked at as `console.jobs`.
fn job() -> Value {
    let status = json!({ "type": "string", "enum": ["waiting", "queued"] });
    let result = object(&[
        ("id", uuid()),
        ("status", status),
        ("total", json!({ "type": "integer" })),
    ]);
    let answer = object(&[("result", result), ("path", json!({ "type": "string" }))]);
    json!({ "description": "a record of console.jobs", "content": json_content(&answer) })
}
