//! The derived resource API: lists, records and actions of every declared collection.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use kernel_host::{Act, Installed, listing};
use sdk_contract::call::Reply;
use sdk_contract::def::CollectionDef;
use sdk_contract::error::{Fault, SIGN};
use sdk_contract::listing::Listing;
use sdk_contract::page::Outcome;
use sdk_contract::query::Query;
use serde_json::{Map, Value, json};

use crate::Web;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::typed::pairs;
use crate::{look, sealed, signing, transfer};

const IDEMPOTENCY: &str = "idempotency-key";
/// Fields whose doubts the caller has confirmed, separated by commas.
pub(crate) const CONFIRM: &str = "x-confirm";

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
            web.host().list(&caller.principal, probe).await?;
            return Err(Fault::invalid(faults).into());
        }
    };
    let Listing { query, page, size } = listing;
    let paged = query.cursor.is_some();
    let found = web.host().list(&caller.principal, query).await?;
    let view = ("list.view", asked.as_deref().unwrap_or_default());
    web.host()
        .viewed(&caller.principal, &name, view, of(&found.records))
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
    if !found.altered.is_empty() {
        answer.insert("altered".into(), json!(found.altered));
    }
    Ok(Json(Value::Object(answer)))
}

/// How many records, and whose.
fn of(records: &[Map<String, Value>]) -> (usize, impl Iterator<Item = &str> + Send) {
    let parties = records.iter().filter_map(|r| r.get("subject")?.as_str());
    (records.len(), parties)
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
    let one = std::slice::from_ref(&record);
    host.viewed(p, &name, ("record.view", &id), of(one)).await?;
    Ok(Json(Value::Object(record)))
}

/// `GET /api/v1/{module}/{plural}/{id}/history`, and `…/signatures`
pub(crate) async fn of_record(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, id, what)): Path<(String, String, String, String)>,
) -> Result<Json<Value>, Problem> {
    let installed = installed(&web, &module)?;
    collection(&installed, &plural)?;
    let (host, p) = (web.host(), &caller.principal);
    let name = format!("{module}.{plural}");
    let party = host.party(&name, &id).await?;
    if what == "signatures" {
        let all = host.signatures(p, &name, &id).await?;
        let seen = (all.len(), party.as_deref());
        host.viewed(p, &name, ("signatures.view", &id), seen)
            .await?;
        return Ok(Json(json!({ "items": all })));
    }
    if what != "history" {
        return Err(Problem::not_found());
    }
    let past = host.history(p, &name, &id).await?;
    let seen = (past.len(), party.as_deref());
    host.viewed(p, &name, ("history.view", &id), seen).await?;
    Ok(Json(json!({ "items": past })))
}

/// `POST /api/v1/{module}/{plural}/{verb}`
pub(crate) async fn act(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, verb)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    run(
        &web,
        &caller,
        Called {
            module,
            plural,
            id: None,
            verb,
            query,
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
            query: String::new(),
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
    /// The address's parameters, where they say something.
    query: String,
}

impl Called {
    /// As it was called, without parameters.
    fn path(&self) -> String {
        let Self {
            module,
            plural,
            verb,
            ..
        } = self;
        match &self.id {
            Some(id) => format!("/api/v1/{module}/{plural}/{id}/{verb}"),
            None => format!("/api/v1/{module}/{plural}/{verb}"),
        }
    }
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
    let transfer = transfer::Verb::of(&called.verb)
        .filter(|_| called.id.is_none() && installed.def.action(&action).is_none());
    let declared = installed
        .def
        .action(&action)
        .filter(|a| a.collection == declared_in.name && a.record == called.id.is_some());
    if declared.is_none() && transfer.is_none() {
        return Err(Problem::not_found());
    }
    by.checked(web, headers)?;
    let mut input = json_body(headers, body)?;
    if declared.is_some() {
        let path = called.path();
        sealed::open_input(web, by, (&called.module, &path), &mut input).await?;
    }
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
    let act = match transfer {
        Some(verb) => {
            let of = format!("{}.{}", called.module, declared_in.name);
            Act {
                key,
                confirmed,
                ..verb.act(of, &called.query, input)?
            }
        }
        None => Act {
            module: called.module,
            action,
            id: called.id,
            input,
            key,
            confirmed,
            proof: signing::proof(by, headers)?,
        },
    };
    match web.host().act(&by.principal, act.clone()).await {
        Ok(reply) => Ok(Json(answer(&reply)).into_response()),
        Err(fault) if fault.code == SIGN => Err(signing::asked(web, by, &act, fault).await),
        Err(fault) => Err(fault.into()),
    }
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

pub(crate) fn installed(web: &Web, module: &str) -> Result<Arc<Installed>, Problem> {
    let catalog = web.host().catalog();
    let found = catalog.modules.get(module).map(Arc::clone);
    found.ok_or_else(Problem::not_found)
}

pub(crate) fn collection<'m>(
    installed: &'m Installed,
    plural: &str,
) -> Result<&'m CollectionDef, Problem> {
    let found = installed.collection(plural);
    found.ok_or_else(Problem::not_found)
}

#[cfg(test)]
mod tests;
