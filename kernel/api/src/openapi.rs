//! `OpenAPI` 3.1 of the resource API, derived from the declarations that serve it.

mod notices;
mod sealing;
mod signing;
mod transfer;

use kernel_identity::principal::ANYONE;
use sdk_contract::def::{ActionDef, CollectionDef, FieldDef, ModuleDef, SYSTEM_FIELDS};
use sdk_contract::kind::{self, Kind};
use serde_json::{Map, Value, json};

use crate::signature;

/// The document for these modules, in their order.
pub(crate) fn document<'a>(
    title: &str,
    version: &str,
    modules: impl Iterator<Item = &'a ModuleDef>,
) -> Value {
    let mut paths = fixed_paths();
    let mut schemas = fixed_schemas();
    let mut tags = Vec::new();
    for module in modules {
        tags.push(json!({ "name": module.id, "description": module.label.zh }));
        for collection in &module.collections {
            let name = schema_name(module, &collection.entity);
            schemas.insert(name.clone(), record(module, collection));
            let base = format!("/api/v1/{}/{}", module.id, collection.name);
            paths.insert(
                base.clone(),
                json!({ "get": list(module, collection, &name) }),
            );
            paths.insert(
                format!("{base}/{{id}}"),
                json!({ "get": read(module, collection, &name) }),
            );
            paths.extend(files::paths(module, collection));
            paths.extend(transfer::paths(module, collection, &base));
            if module
                .actions
                .iter()
                .any(|a| a.signed && a.collection == collection.name)
            {
                paths.extend(signing::paths(module, collection, &base));
            }
            if collection.audited {
                paths.insert(
                    format!("{base}/{{id}}/history"),
                    json!({ "get": history(module, collection) }),
                );
            }
        }
        for action in &module.actions {
            let Some((path, operation)) = act(module, action) else {
                continue;
            };
            // An action may be called as the history is.
            let item = paths.entry(path).or_insert_with(|| json!({}));
            if let Some(item) = item.as_object_mut() {
                item.insert("post".into(), operation);
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": version },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": schemes(),
            "responses": {
                "problem": {
                    "description": "RFC 9457",
                    "headers": {
                        "Retry-After": { "schema": { "type": "integer" }, "description": "seconds, with 429" },
                        "RateLimit": { "schema": { "type": "string" }, "description": "what is left of a signed caller's quotas" },
                    },
                    "content": { "application/problem+json": { "schema": reference("Problem") } },
                },
            },
        },
    })
}

/// A person's session, or the signature of an app.
fn schemes() -> Value {
    let header = |name: &str, text: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": text });
    json!({
        "session": { "type": "apiKey", "in": "cookie", "name": crate::cookies::SESSION },
        "csrf": header("x-csrf-token", "The form token of the session, for whatever changes something."),
        "digest": header(
            signature::DIGEST,
            "RFC 9530: `sm3=:…:`, the SM3 digest (GB/T 32905) of the body in base64, also of an empty one.",
        ),
        "signature-input": header(
            signature::INPUT,
            "RFC 9421: `sig=(\"@method\" \"@path\" \"@query\" \"content-digest\");created=…;nonce=\"…\";\
             keyid=\"…\";alg=\"sm2-sm3\"`. `keyid` is the app's id, `created` seconds since 1970 within five \
             minutes of now, `nonce` 16 to 64 characters that are never used again. `idempotency-key`, \
             `content-key` and `content-encoding` are covered where they are sent. With `content-key`, a \
             key for this call encrypted for /pki/payload.pem, the answer comes sealed, and what is of \
             level L3 and above comes at all: docs/api.md, Sealed calls.",
        ),
        "signature": header(
            signature::SIGNATURE,
            "RFC 9421: `sig=:…:`, the SM2 signature (GB/T 32918.2, identity 1234567812345678, DER) of the \
             signature base in base64. docs/api.md has a runnable example with curl and openssl.",
        ),
    })
}

/// The ways to be somebody; a session's writes need the form token besides.
fn security(session: &[&str]) -> Value {
    let all = |names: &[&str]| {
        let pairs = names.iter().map(|n| ((*n).to_owned(), json!([])));
        Value::Object(pairs.collect())
    };
    json!([
        all(session),
        all(&["digest", "signature-input", "signature"])
    ])
}

fn fixed_paths() -> Map<String, Value> {
    let credentials = sealing::credentials();
    let open = json!([{}]);
    let who = json!({ "description": "who calls, and a form token", "content": json_content(&reference("Session")) });
    let mut paths = Map::new();
    paths.insert(
        "/api/v1/session".into(),
        json!({
            "get": operation("session.read", "当前会话", &with_problems(&who, "200")),
            "post": {
                "operationId": "session.start",
                "summary": "登录",
                "security": open,
                "requestBody": { "required": true, "content": json_content(&credentials) },
                "responses": with_problems(&who, "200"),
            },
            "delete": guarded(operation(
                "session.end", "退出", &with_problems(&json!({ "description": "ended" }), "204"),
            )),
        }),
    );
    paths.insert("/api/v1/session/step-up".into(), step_up());
    paths.insert("/api/v1/session/seal".into(), sealing::path());
    paths.insert("/api/v1/platform/account/copy".into(), own_copy());
    paths.extend(notices::paths());
    let stored = json!({ "description": "what an action takes as a file", "content": json_content(&reference("File")) });
    let bytes = json!({ "application/octet-stream": {} });
    let mut upload = guarded(operation(
        "files.upload",
        "上传文件",
        &with_problems(&stored, "200"),
    ));
    let text = |text: &str| json!({ "type": "string", "description": text });
    put(
        &mut upload,
        "requestBody",
        json!({ "required": true, "content": bytes }),
    );
    let parameters = json!([
        parameter("query", "name", false, &text("of the file")),
        parameter(
            "header",
            "Upload-Length",
            false,
            &text("begins an upload in pieces, without bytes")
        ),
        parameter(
            "header",
            "Upload-Metadata",
            false,
            &text("of one in pieces: `filename <base64>`")
        ),
    ]);
    put(&mut upload, "parameters", parameters);
    let begun = json!({
        "description": "an upload in pieces has begun",
        "headers": { "Location": { "schema": { "type": "string" } } },
    });
    if let Some(responses) = upload.get_mut("responses") {
        put(responses, "201", begun);
    }
    paths.insert("/api/v1/files".into(), json!({ "post": upload }));
    paths.insert("/api/v1/files/{id}".into(), files::upload());
    paths
}

/// Adds a member to an object.
fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}

/// What the platform holds of the person who asks.
fn own_copy() -> Value {
    let held = json!({ "type": "object", "additionalProperties": true });
    let copy = json!({ "description": "everything, by kind", "content": json_content(&held) });
    let mut read = operation("account.copy", "下载我的信息", &with_problems(&copy, "200"));
    put(&mut read, "security", security(&["session"]));
    json!({ "get": read })
}

/// Proving the second factor again, for operations with `x-step-up`.
fn step_up() -> Value {
    let proof = json!({
        "type": "object",
        "required": ["code"],
        "properties": { "code": { "type": "string", "description": "of the second factor, or a recovery code" } },
        "additionalProperties": false,
    });
    let proven = json!({ "description": "proven; send what was refused again" });
    let mut post = guarded(operation(
        "session.step-up",
        "第二重验证",
        &with_problems(&proven, "204"),
    ));
    if let Some(map) = post.as_object_mut() {
        let body = json!({ "required": true, "content": json_content(&proof) });
        map.insert("requestBody".into(), body);
    }
    json!({ "post": post })
}

fn fixed_schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let optional = json!({ "type": ["string", "null"] });
    let entries = [
        (
            "Problem",
            object(&[
                ("type", text.clone()),
                ("title", text.clone()),
                ("status", json!({ "type": "integer" })),
                ("code", text.clone()),
                ("detail", text.clone()),
                ("request_id", text.clone()),
                ("step_up", text.clone()),
                (
                    "errors",
                    json!({ "type": "array", "items": object(&[
                    ("field", text.clone()), ("code", text.clone()), ("detail", text.clone()),
                    ("confirm", json!({ "type": "boolean" })),
                ]) }),
                ),
            ]),
        ),
        (
            "Session",
            object(&[
                ("csrf", text.clone()),
                ("user", text.clone()),
                ("name", text.clone()),
                ("roles", json!({ "type": "array", "items": text })),
                ("organisation", optional.clone()),
                ("organisation_name", text.clone()),
                ("subject", optional.clone()),
                ("district", optional),
            ]),
        ),
        (
            "Facet",
            object(&[
                ("field", text.clone()),
                ("more", json!({ "type": "boolean" })),
                (
                    "values",
                    json!({ "type": "array", "items": object(&[
                        ("value", json!({})), ("count", json!({ "type": "integer" })),
                    ]) }),
                ),
            ]),
        ),
        (
            "AlteredRecord",
            object(&[("collection", text.clone()), ("id", uuid())]),
        ),
        (
            "File",
            object(&[
                ("digest", text.clone()),
                ("name", text),
                ("size", json!({ "type": "integer" })),
            ]),
        ),
    ];
    entries
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

fn list(module: &ModuleDef, collection: &CollectionDef, schema: &str) -> Value {
    let integer = |max: u32| json!({ "type": "integer", "minimum": 1, "maximum": max });
    let sortable = |f: &&FieldDef| !f.encrypted && f.mask.is_none() && f.kind.ops().sort;
    let names: Vec<&str> = collection
        .fields
        .iter()
        .filter(sortable)
        .map(|f| f.name.as_str())
        .chain(SYSTEM_FIELDS)
        .collect();
    let field = format!("-?({})", names.join("|"));
    let sort = json!({
        "type": "string",
        "pattern": format!("^({field}(,{field})*)?$"),
        "description": "descending with `-`",
    });
    let mut parameters = vec![
        parameter("query", "page", false, &integer(u32::MAX)),
        parameter(
            "query",
            "size",
            false,
            &integer(sdk_contract::query::MAX_LIMIT),
        ),
        parameter("query", "sort", false, &sort),
    ];
    if collection.fields.iter().any(|f| f.search) {
        parameters.push(parameter(
            "query",
            "q",
            false,
            &json!({ "type": "string", "maxLength": 100 }),
        ));
    }
    let text = |description: &str| json!({ "type": "string", "description": description });
    let mut word = |name: &str, description: &str| {
        parameters.push(parameter("query", name, false, &text(description)));
    };
    word(
        "cursor",
        "empty to begin, then `next` of the answer; instead of `page`",
    );
    word(
        "facets",
        "fields to count the matching records by, separated by commas",
    );
    if collection
        .fields
        .iter()
        .any(|f| matches!(f.kind, Kind::Ref { .. }))
    {
        word(
            "with",
            "fields of referred records to read along, `field.read`, separated by commas",
        );
    }
    if collection.audited {
        let moment = json!({ "type": "string", "format": "date-time", "description": "records as they were at that moment" });
        parameters.push(parameter("query", "as_of", false, &moment));
    }
    let askable =
        |f: &&FieldDef| (!f.encrypted || f.blind) && f.mask.is_none() && f.kind.ops().equal;
    for field in collection.fields.iter().filter(askable) {
        let schema = described(module, field);
        // One option of several at a time.
        let schema = match &field.kind {
            Kind::MultiChoice { .. } => schema.get("items").cloned().unwrap_or_default(),
            _ => schema,
        };
        if field.kind.ops().range && !field.encrypted {
            for end in ["min", "max"] {
                let name = format!("{}.{end}", field.name);
                parameters.push(parameter("query", &name, false, &schema));
            }
        }
        parameters.push(parameter("query", &field.name, false, &schema));
    }
    let page = object(&[
        (
            "items",
            json!({ "type": "array", "items": reference(schema) }),
        ),
        ("total", json!({ "type": "integer" })),
        ("page", json!({ "type": "integer" })),
        ("size", json!({ "type": "integer" })),
        ("next", json!({ "type": ["string", "null"] })),
        ("facets", many("Facet")),
        ("altered", many("AlteredRecord")),
    ]);
    let answer = json!({ "description": collection.label.zh, "content": json_content(&page) });
    let id = format!("{}.{}.list", module.id, collection.entity);
    let operation = operation(&id, &collection.label.zh, &with_problems(&answer, "200"));
    tagged(
        module,
        opened(module, &collection.read, operation),
        parameters,
    )
}

fn read(module: &ModuleDef, collection: &CollectionDef, schema: &str) -> Value {
    let answer =
        json!({ "description": collection.label.zh, "content": json_content(&reference(schema)) });
    let id = format!("{}.{}.get", module.id, collection.entity);
    let parameters = vec![parameter("path", "id", true, &uuid())];
    let operation = operation(&id, &collection.label.zh, &with_problems(&answer, "200"));
    tagged(
        module,
        opened(module, &collection.read, operation),
        parameters,
    )
}

fn history(module: &ModuleDef, collection: &CollectionDef) -> Value {
    let text = json!({ "type": "string" });
    let optional = json!({ "type": ["string", "null"] });
    let change = object(&[
        ("revision", json!({ "type": "integer" })),
        ("at", json!({ "type": "string", "format": "date-time" })),
        ("by", text.clone()),
        ("by_name", text),
        ("action", optional.clone()),
        ("note", optional),
        ("before", json!({ "type": ["object", "null"] })),
        ("after", json!({ "type": "object" })),
    ]);
    let page = object(&[("items", json!({ "type": "array", "items": change }))]);
    let label = format!("{}的变更历史", collection.label.zh);
    let answer = json!({ "description": label, "content": json_content(&page) });
    let id = format!("{}.{}.history", module.id, collection.entity);
    let parameters = vec![parameter("path", "id", true, &uuid())];
    tagged(
        module,
        operation(&id, &label, &with_problems(&answer, "200")),
        parameters,
    )
}

/// The path and operation of an action; `None` when its collection is not declared.
fn act(module: &ModuleDef, action: &ActionDef) -> Option<(String, Value)> {
    let collection = module.collection(&action.collection)?;
    let verb = action.name.rsplit('.').next()?;
    let record = if action.record { "/{id}" } else { "" };
    let path = format!("/api/v1/{}/{}{record}/{verb}", module.id, collection.name);
    let answer = object(&[("result", json!({})), ("path", json!({ "type": "string" }))]);
    let answer = json!({ "description": action.label.zh, "content": json_content(&answer) });
    let id = format!("{}.{}", module.id, action.name);
    let mut operation = guarded(operation(
        &id,
        &action.label.zh,
        &with_problems(&answer, "200"),
    ));
    if let Some(map) = operation.as_object_mut() {
        let mut input = fields(module, &action.input, &[]);
        sealing::action(&module.id, &mut input);
        map.insert(
            "requestBody".into(),
            json!({ "content": json_content(&input) }),
        );
        if action.step_up {
            map.insert("x-step-up".into(), true.into());
        }
        if action.signed {
            map.insert("x-signed".into(), true.into());
        }
        if !action.help.is_empty() {
            map.insert("description".into(), action.help.as_str().into());
        }
    }
    let mut parameters = vec![parameter(
        "header",
        "Idempotency-Key",
        false,
        &json!({ "type": "string", "maxLength": 100 }),
    )];
    if action.input.iter().any(|f| doubtful(&f.kind)) {
        let fields = json!({ "type": "string", "description": "确认过的存疑字段，逗号分隔" });
        parameters.push(parameter("header", "X-Confirm", false, &fields));
    }
    if action.signed {
        parameters.extend(signing::parameters());
    }
    if action.record {
        parameters.insert(0, parameter("path", "id", true, &uuid()));
    }
    let operation = opened(module, &action.permission, operation);
    Some((path, tagged(module, operation, parameters)))
}

fn record(module: &ModuleDef, collection: &CollectionDef) -> Value {
    let optional = json!({ "type": ["string", "null"] });
    let time = json!({ "type": "string", "format": "date-time" });
    let system = [
        ("id", uuid()),
        ("revision", json!({ "type": "integer" })),
        ("subject", optional.clone()),
        ("organisation", optional.clone()),
        ("district", optional),
        ("created_at", time.clone()),
        ("created_by", json!({ "type": "string" })),
        ("updated_at", time),
        ("updated_by", json!({ "type": "string" })),
    ];
    let mut schema = fields(module, &collection.fields, &system);
    // A record has every field: what is empty, or masked for the caller, is null.
    let optional = |f: &&FieldDef| !f.required || f.mask.is_some();
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties {
        for field in collection.fields.iter().filter(optional) {
            if let Some(schema) = properties.get_mut(&field.name) {
                nullable(schema, field.mask.is_some());
            }
        }
    }
    schema
}

fn nullable(schema: &mut Value, masked: bool) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    if let Some(kind) = map.get("type").cloned() {
        map.insert("type".into(), json!([kind, "null"]));
    }
    if let Some(options) = map.get_mut("enum").and_then(Value::as_array_mut) {
        options.push(Value::Null);
    }
    if masked {
        // What is left of it is not of the field's form.
        map.remove("pattern");
    }
}

fn fields(module: &ModuleDef, declared: &[FieldDef], system: &[(&str, Value)]) -> Value {
    let mut schema = object(system);
    let required: Vec<&str> = declared
        .iter()
        .filter(|f| f.required && !matches!(f.kind, Kind::Computed { .. }))
        .map(|f| f.name.as_str())
        .collect();
    if let Some(map) = schema.as_object_mut() {
        if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
            for field in declared {
                properties.insert(field.name.clone(), described(module, field));
            }
        }
        if !required.is_empty() {
            map.insert("required".into(), json!(required));
        }
    }
    schema
}

fn described(module: &ModuleDef, field: &FieldDef) -> Value {
    kind::schema(&module.id, &module.choices, field)
}

/// Whether a value of it may have to be confirmed.
fn doubtful(kind: &Kind) -> bool {
    match kind {
        Kind::Code { .. } => true,
        Kind::Rows { fields, .. } => fields.iter().any(|f| doubtful(&f.kind)),
        _ => false,
    }
}

fn operation(id: &str, summary: &str, responses: &Value) -> Value {
    json!({
        "operationId": id,
        "summary": summary,
        "security": security(&["session"]),
        "responses": responses,
    })
}

/// Writes need the form token besides the session.
fn guarded(mut operation: Value) -> Value {
    if let Some(map) = operation.as_object_mut() {
        map.insert("security".into(), security(&["session", "csrf"]));
    }
    operation
}

/// What everybody may do needs nobody to be signed in.
fn opened(module: &ModuleDef, permission: &str, mut operation: Value) -> Value {
    let declared = module.permission(permission);
    let open = declared.is_some_and(|p| p.grants.iter().any(|g| g.role == ANYONE));
    let ways = operation.get_mut("security").and_then(Value::as_array_mut);
    if let Some(ways) = ways.filter(|_| open) {
        ways.insert(0, json!({}));
    }
    operation
}

fn tagged(module: &ModuleDef, mut operation: Value, parameters: Vec<Value>) -> Value {
    if let Some(map) = operation.as_object_mut() {
        map.insert("tags".into(), json!([module.id]));
        map.insert("parameters".into(), parameters.into());
    }
    operation
}

fn with_problems(answer: &Value, status: &str) -> Value {
    let problem = json!({ "$ref": "#/components/responses/problem" });
    json!({ status: answer, "default": problem })
}

fn parameter(place: &str, name: &str, required: bool, schema: &Value) -> Value {
    json!({ "in": place, "name": name, "required": required, "schema": schema })
}

fn many(schema: &str) -> Value {
    json!({ "type": "array", "items": reference(schema) })
}

fn object(properties: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> = properties
        .iter()
        .map(|(n, s)| ((*n).to_owned(), s.clone()))
        .collect();
    json!({ "type": "object", "properties": properties })
}

fn json_content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// `lending.application`
fn schema_name(module: &ModuleDef, entity: &str) -> String {
    format!("{}.{entity}", module.id)
}

mod files;
#[cfg(test)]
mod tests;
