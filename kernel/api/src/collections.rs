//! The derived resource API: lists, records and actions of every declared collection.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use kernel_host::{Act, Installed};
use kernel_identity::decide::decide;
use kernel_identity::principal::Principal;
use sdk_contract::call::Reply;
use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef, SYSTEM_FIELDS};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::eval::system_kind;
use sdk_contract::kind::{Kind, Ops};
use sdk_contract::page::Outcome;
use sdk_contract::query::{Filter, MAX_FACETS, MAX_LIMIT, Query, With};
use sdk_contract::scalar::Timestamp;
use serde_json::{Map, Value, json};

use crate::Web;
use crate::caller::Caller;
use crate::look;
use crate::problem::Problem;
use crate::typed::pairs;

const IDEMPOTENCY: &str = "idempotency-key";
/// Fields whose doubts the caller has confirmed, separated by commas.
pub(crate) const CONFIRM: &str = "x-confirm";
/// Rows of a page unless `size` says otherwise.
const DEFAULT_SIZE: u32 = 20;

/// `GET /api/v1/{module}/{plural}`
pub(crate) async fn list(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural)): Path<(String, String)>,
    RawQuery(asked): RawQuery,
) -> Result<Json<Value>, Problem> {
    let installed = installed(&web, &module)?;
    let collection = collection(&installed, &plural)?;
    // Who may not read at all should hear that, not what is wrong with the question.
    let name = format!("{module}.{plural}");
    let listing = pairs(asked.as_deref().unwrap_or_default().as_bytes())
        .ok_or_else(|| Problem::bad_request("bad-query", "查询参数格式不正确"))
        .map(|pairs| listing(&installed.def, collection, &caller.principal, &pairs));
    let probe = Query {
        limit: 1,
        ..Query::new(&name)
    };
    let listing = match listing? {
        Ok(listing) => listing,
        Err(faults) => {
            web.host().find(&caller.principal, probe).await?;
            return Err(Fault::invalid(faults).into());
        }
    };
    let Listing { query, page, size } = listing;
    let paged = query.cursor.is_some();
    let found = web.host().find(&caller.principal, query).await?;
    let view = ("list.view", asked.as_deref().unwrap_or_default());
    web.host()
        .viewed(&caller.principal, &name, view, found.records.len())
        .await?;
    let mut answer = Map::new();
    answer.insert("items".into(), found.records.into());
    answer.insert("size".into(), size.into());
    if paged {
        answer.insert("next".into(), json!(found.next));
    } else {
        answer.insert("total".into(), json!(found.total));
        answer.insert("page".into(), page.into());
    }
    if !found.facets.is_empty() {
        answer.insert("facets".into(), json!(found.facets));
    }
    Ok(Json(Value::Object(answer)))
}

/// `GET /api/v1/{module}/{plural}/{id}`
pub(crate) async fn read(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, Problem> {
    let installed = installed(&web, &module)?;
    collection(&installed, &plural)?;
    let (host, p) = (web.host(), &caller.principal);
    let name = format!("{module}.{plural}");
    let record = host.get(p, &name, &id).await?;
    host.viewed(p, &name, ("record.view", &id), 1).await?;
    Ok(Json(Value::Object(record)))
}

/// `GET /api/v1/{module}/{plural}/{id}/history`
pub(crate) async fn of_record(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, id, what)): Path<(String, String, String, String)>,
) -> Result<Json<Value>, Problem> {
    let installed = installed(&web, &module)?;
    collection(&installed, &plural)?;
    if what != "history" {
        return Err(Problem::not_found());
    }
    let (host, p) = (web.host(), &caller.principal);
    let name = format!("{module}.{plural}");
    let past = host.history(p, &name, &id).await?;
    host.viewed(p, &name, ("history.view", &id), past.len())
        .await?;
    Ok(Json(json!({ "items": past })))
}

/// `POST /api/v1/{module}/{plural}/{verb}`
pub(crate) async fn act(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, verb)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    run(
        &web,
        &caller,
        Called {
            module,
            plural,
            id: None,
            verb,
        },
        &headers,
        &body,
    )
    .await
}

/// `POST /api/v1/{module}/{plural}/{id}/{verb}`
pub(crate) async fn act_on(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, id, verb)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    run(
        &web,
        &caller,
        Called {
            module,
            plural,
            id: Some(id),
            verb,
        },
        &headers,
        &body,
    )
    .await
}

struct Called {
    module: String,
    plural: String,
    id: Option<String>,
    verb: String,
}

async fn run(
    web: &Web,
    by: &Caller,
    called: Called,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let installed = installed(web, &called.module)?;
    let declared_in = collection(&installed, &called.plural)?;
    let action = format!("{}.{}", declared_in.entity, called.verb);
    if called.verb == look::VERB
        && let Some(id) = &called.id
        && installed.def.action(&action).is_none()
    {
        by.checked(web, headers)?;
        let of = format!("{}.{}", called.module, declared_in.name);
        return look::one(web, by, of, id, json_body(headers, body)?).await;
    }
    let declared = installed
        .def
        .action(&action)
        .filter(|a| a.collection == declared_in.name && a.record == called.id.is_some());
    if declared.is_none() {
        return Err(Problem::not_found());
    }
    by.checked(web, headers)?;
    let input = json_body(headers, body)?;
    let key = match headers.get(IDEMPOTENCY).map(|h| h.to_str()) {
        None => None,
        Some(Ok(key)) => Some(key.to_owned()),
        Some(Err(_)) => return Err(Problem::bad_request("bad-key", "幂等键只能含可见字符")),
    };
    let confirmed = headers
        .get_all(CONFIRM)
        .iter()
        .filter_map(|h| h.to_str().ok())
        .flat_map(|h| h.split(','))
        .map(|f| f.trim().to_owned())
        .filter(|f| !f.is_empty())
        .collect();
    let act = Act {
        module: called.module,
        action,
        id: called.id,
        input,
        key,
        confirmed,
    };
    let reply = web.host().act(&by.principal, act).await?;
    Ok(Json(answer(&reply)).into_response())
}

/// The result, and where a person would be led.
fn answer(reply: &Reply) -> Value {
    let mut body = json!({ "result": reply.result });
    if let (Some(body), Some(Outcome::Go { path, .. })) = (body.as_object_mut(), &reply.outcome) {
        body.insert("path".into(), path.as_str().into());
    }
    body
}

/// An empty body is an empty object.
fn json_body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|h| h.to_str().ok())
        .unwrap_or_default();
    // A form of another site cannot send this type without a preflight.
    if !kind.starts_with("application/json") {
        return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    serde_json::from_slice(body)
        .map_err(|_| Problem::bad_request("bad-json", "请求内容不是有效的 JSON"))
}

fn installed(web: &Web, module: &str) -> Result<Arc<Installed>, Problem> {
    let catalog = web.host().catalog();
    let found = catalog.modules.get(module).map(Arc::clone);
    found.ok_or_else(Problem::not_found)
}

fn collection<'m>(installed: &'m Installed, plural: &str) -> Result<&'m CollectionDef, Problem> {
    let found = installed.def.collection(plural);
    found.ok_or_else(Problem::not_found)
}

#[derive(Debug)]
struct Listing {
    query: Query,
    page: u32,
    size: u32,
}

/// Reads a list's parameters: `field=value` (repeated: any of them), `field.min=`, `field.max=`,
/// `sort=-field,field`, `page` or `cursor`, `size`, `q`, `facets=field,field`,
/// `with=field.read,field.read`, `as_of=time`. Every wrong one is named.
fn listing(
    module: &ModuleDef,
    collection: &CollectionDef,
    principal: &Principal,
    pairs: &[(String, String)],
) -> Result<Listing, Vec<FieldFault>> {
    let may_reveal = |field: &FieldDef| {
        let permission = field.reveal.as_ref().and_then(|r| module.permission(r));
        permission.is_some_and(|p| decide(principal, &module.id, p).allowed())
    };
    let reader = Reader {
        module,
        collection,
        may_reveal: &may_reveal,
    };
    let mut faults = Vec::new();
    let (mut page, mut size) = (1, DEFAULT_SIZE);
    let mut query = Query::new(format!("{}.{}", module.id, collection.name));
    let mut wanted: Vec<(String, Vec<Value>)> = Vec::new();
    let mut paged = false;
    for (name, value) in pairs {
        let wrong = |message: &str| FieldFault::new(name, "bad-parameter", message);
        match name.as_str() {
            "page" => match value.parse() {
                Ok(n) if n >= 1 => (page, paged) = (n, true),
                _ => faults.push(wrong("页码从 1 开始")),
            },
            "size" => match value.parse() {
                Ok(n) if (1..=MAX_LIMIT).contains(&n) => size = n,
                _ => faults.push(wrong("每页 1 到 200 条")),
            },
            "sort" => {
                for part in value.split(',').filter(|p| !p.is_empty()) {
                    let (field, descending) =
                        part.strip_prefix('-').map_or((part, false), |f| (f, true));
                    match reader.plain(field, |ops| ops.sort) {
                        Ok(()) => query = query.sort(field, descending),
                        Err(message) => faults.push(wrong(message)),
                    }
                }
            }
            "cursor" => query.cursor = Some(value.clone()),
            "facets" => {
                for field in value.split(',').filter(|p| !p.is_empty()) {
                    match reader.countable(field) {
                        Ok(()) if query.facets.len() < MAX_FACETS => query = query.facet(field),
                        Ok(()) => faults.push(wrong("最多按 8 个字段计数")),
                        Err(message) => faults.push(wrong(message)),
                    }
                }
            }
            "with" => {
                for path in value.split(',').filter(|p| !p.is_empty()) {
                    match reader.reference(path) {
                        Ok((field, read)) => follow(&mut query, field, read),
                        Err(message) => faults.push(wrong(message)),
                    }
                }
            }
            "as_of" => match value.parse::<Timestamp>() {
                Ok(at) if collection.audited => query = query.as_of(at),
                Ok(_) => faults.push(wrong("此列表不保留历史")),
                Err(_) => faults.push(wrong("时间格式不对，如 2026-11-23T08:00:00Z")),
            },
            "q" => match reader.search(value) {
                Ok(Some(filter)) => query = query.filter(filter),
                Ok(None) => {}
                Err(message) => faults.push(wrong(message)),
            },
            name if name.contains('.') => match reader.end(name, value) {
                Ok(filter) => query = query.filter(filter),
                Err(message) => faults.push(wrong(&message)),
            },
            field => match reader.value(field, value) {
                Ok(value) => match wanted.iter_mut().find(|(f, _)| f == field) {
                    Some((_, values)) => values.push(value),
                    None => wanted.push((field.to_owned(), vec![value])),
                },
                Err(message) => faults.push(wrong(&message)),
            },
        }
    }
    for (field, mut values) in wanted {
        query = query.filter(match values.len() {
            1 => Filter::Eq {
                field,
                value: values.remove(0),
            },
            _ => Filter::In { field, values },
        });
    }
    if query.cursor.is_some() && paged {
        let message = "page 与 cursor 只能用一种";
        faults.push(FieldFault::new("cursor", "bad-parameter", message));
    }
    if faults.is_empty() {
        query.limit = size;
        if query.cursor.is_none() {
            query = query.page(page, size);
        }
        Ok(Listing { query, page, size })
    } else {
        Err(faults)
    }
}

/// Adds a field to read of what a reference names.
fn follow(query: &mut Query, field: &str, read: &str) {
    match query.with.iter_mut().find(|w| w.field == field) {
        Some(with) => with.read.push(read.to_owned()),
        None => query.with.push(With {
            field: field.to_owned(),
            read: vec![read.to_owned()],
        }),
    }
}

/// Reads parameters against a declaration.
struct Reader<'a> {
    module: &'a ModuleDef,
    collection: &'a CollectionDef,
    /// Asking by a masked field would read it.
    may_reveal: &'a dyn Fn(&FieldDef) -> bool,
}

impl Reader<'_> {
    fn usable(&self, name: &str) -> Result<(), &'static str> {
        if SYSTEM_FIELDS.contains(&name) {
            return Ok(());
        }
        match self.collection.field(name) {
            None => Err("没有这个字段"),
            Some(f) if f.encrypted && !f.blind || !f.kind.ops().equal => Err("该字段不能用于查询"),
            Some(f) if f.mask.is_some() && !(self.may_reveal)(f) => Err("该字段不能用于查询"),
            Some(_) => Ok(()),
        }
    }

    /// A field whose values are in plain columns, to be sorted, ranged or counted by.
    fn plain(&self, name: &str, fits: impl Fn(Ops) -> bool) -> Result<(), &'static str> {
        self.usable(name)?;
        match self.collection.field(name) {
            Some(f) if f.encrypted || !fits(f.kind.ops()) => Err("该字段不能这样查询"),
            _ => Ok(()),
        }
    }

    fn countable(&self, name: &str) -> Result<(), &'static str> {
        self.plain(name, |ops| ops.group)
    }

    /// `product.name`: a ref field, and a field of what it names.
    fn reference<'t>(&self, path: &'t str) -> Result<(&'t str, &'t str), &'static str> {
        let (field, read) = path.split_once('.').ok_or("请写成 字段.字段")?;
        match self.collection.field(field).map(|f| &f.kind) {
            Some(Kind::Ref { .. }) => Ok((field, read)),
            _ => Err("该字段不引用其他记录"),
        }
    }

    /// `amount.min` or `amount.max`.
    fn end(&self, name: &str, text: &str) -> Result<Filter, String> {
        let (field, end) = name.split_once('.').unwrap_or((name, ""));
        self.plain(field, |ops| ops.range)?;
        let value = Some(self.value(field, text)?);
        let (min, max) = match end {
            "min" => (value, None),
            "max" => (None, value),
            _ => return Err("没有这个字段".to_owned()),
        };
        Ok(Filter::Range {
            field: field.to_owned(),
            min,
            max,
        })
    }

    fn value(&self, name: &str, text: &str) -> Result<Value, String> {
        self.usable(name)?;
        let text = Value::from(text);
        let checked = match self.collection.field(name) {
            // One option at a time: a record that has it among others is found.
            Some(field) => match &field.kind {
                Kind::MultiChoice { of, .. } => {
                    Kind::Choice { of: of.clone() }.check(&text, &self.module.choices)
                }
                kind => kind.check(&text, &self.module.choices),
            },
            None => system_kind(name)
                .unwrap_or(Kind::Text { max: 64 })
                .check(&text, &[]),
        };
        checked.map_err(|m| m.message)
    }

    fn search(&self, text: &str) -> Result<Option<Filter>, &'static str> {
        let text = text.trim();
        let fields: Vec<&FieldDef> = self
            .collection
            .fields
            .iter()
            .filter(|f| f.search && self.usable(&f.name).is_ok())
            .collect();
        match (text.is_empty(), fields.is_empty(), text.chars().count()) {
            (true, ..) => Ok(None),
            (_, true, _) => Err("此列表不支持搜索"),
            (.., 101..) => Err("搜索文字过长"),
            _ => Ok(Some(Filter::Search {
                text: text.to_owned(),
                fields: fields.iter().map(|f| f.name.clone()).collect(),
            })),
        }
    }
}

#[cfg(test)]
mod tests;
