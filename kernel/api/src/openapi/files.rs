//! Files in the description of the API.

use sdk_contract::def::{CollectionDef, ModuleDef};
use sdk_contract::kind::Kind;
use serde_json::{Map, Value, json};

use super::{
    guarded, object, opened, operation, parameter, put, reference, tagged, uuid, with_problems,
};

/// What may be done with an upload in pieces, after tus 1.0.
pub(super) fn upload() -> Value {
    let integer = json!({ "type": "integer" });
    let header = |name: &str, text: &str| {
        let schema = json!({ "type": "string", "description": text });
        parameter("header", name, false, &schema)
    };
    let stands = json!({
        "description": "where it stands",
        "headers": {
            "Upload-Offset": { "schema": integer },
            "Upload-Length": { "schema": integer },
            "Tus-Resumable": { "schema": { "type": "string" } },
        },
    });
    let state = object(&[
        ("id", uuid()),
        ("size", integer.clone()),
        ("offset", integer),
        (
            "ends_at",
            json!({ "type": "string", "format": "date-time" }),
        ),
        (
            "file",
            json!({ "anyOf": [reference("File"), { "type": "null" }] }),
        ),
    ]);
    let whole = json!({
        "description": "how far it is, and once it is whole what an action takes as a file",
        "content": { "application/json": { "schema": state } },
    });
    let ended = json!({ "description": "ended" });
    let mut append = guarded(operation(
        "files.append",
        "续传文件",
        &with_problems(&stands, "204"),
    ));
    let body = json!({
        "required": true, "content": { "application/offset+octet-stream": {} },
    });
    put(&mut append, "requestBody", body);
    let id = || parameter("path", "id", true, &uuid());
    let parameters = json!([
        id(),
        header("Tus-Resumable", "1.0.0"),
        header("Upload-Offset", "where the piece begins, in bytes"),
    ]);
    put(&mut append, "parameters", parameters);
    let of = |mut operation: Value| {
        put(&mut operation, "parameters", json!([id()]));
        operation
    };
    json!({
        "get": of(operation("files.progress", "上传进度", &with_problems(&whole, "200"))),
        "head": of(operation("files.offset", "上传位置", &with_problems(&stands, "200"))),
        "patch": append,
        "delete": of(guarded(operation("files.end", "取消上传", &with_problems(&ended, "204")))),
    })
}

/// The paths under which the files of a collection's records are read.
pub(super) fn paths(module: &ModuleDef, collection: &CollectionDef) -> Vec<(String, Value)> {
    let files = |many: bool| {
        let is = move |kind: &Kind| matches!(kind, Kind::File { many: m, .. } if *m == many);
        let names = collection.fields.iter().filter(move |f| is(&f.kind));
        names.map(|f| f.name.as_str()).collect::<Vec<_>>()
    };
    let (one, several) = (files(false), files(true));
    let all: Vec<&str> = one.iter().chain(&several).copied().collect();
    let base = format!("/api/v1/{}/{}/{{id}}/files", module.id, collection.name);
    let mut paths = Vec::new();
    if !one.is_empty() {
        let id = format!("{}.{}.file", module.id, collection.entity);
        let get = read(module, collection, &id, &one, false);
        paths.push((format!("{base}/{{field}}"), json!({ "get": get })));
    }
    if !all.is_empty() {
        let id = format!("{}.{}.file-of", module.id, collection.entity);
        let get = read(module, collection, &id, &all, true);
        paths.push((
            format!("{base}/{{field}}/{{digest}}"),
            json!({ "get": get }),
        ));
    }
    paths
}

fn read(
    module: &ModuleDef,
    collection: &CollectionDef,
    id: &str,
    fields: &[&str],
    digest: bool,
) -> Value {
    let header = |text: &str| json!({ "schema": { "type": "string" }, "description": text });
    let headers = json!({
        "ETag": header("the SM3 digest of the bytes, hex, in quotation marks"),
        "Content-Disposition": header("an attachment with the file's name"),
        "Accept-Ranges": header("bytes"),
    });
    let bytes = json!({ "application/octet-stream": {} });
    let label = format!("{}的文件", collection.label.zh);
    let whole = json!({ "description": label, "headers": headers, "content": bytes });
    let mut responses: Map<String, Value> = match with_problems(&whole, "200") {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let mut part = whole;
    if let Some(headers) = part.get_mut("headers") {
        put(headers, "Content-Range", header("`bytes first-last/size`"));
    }
    responses.insert("206".into(), part);
    let unchanged = json!({ "description": "the caller has it: `If-None-Match`" });
    responses.insert("304".into(), unchanged);
    let mut parameters = vec![
        parameter("path", "id", true, &uuid()),
        parameter(
            "path",
            "field",
            true,
            &json!({ "type": "string", "enum": fields }),
        ),
    ];
    if digest {
        let schema = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
        parameters.push(parameter("path", "digest", true, &schema));
    }
    for (name, text) in [
        ("Range", "`bytes=first-last`, one range"),
        ("If-Range", "the ETag that the range belongs to"),
        ("If-None-Match", "the ETag of what the caller has"),
    ] {
        let schema = json!({ "type": "string", "description": text });
        parameters.push(parameter("header", name, false, &schema));
    }
    let operation = operation(id, &label, &Value::Object(responses));
    tagged(
        module,
        opened(module, &collection.read, operation),
        parameters,
    )
}
