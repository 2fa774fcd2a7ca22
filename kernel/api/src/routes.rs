//! Which address goes where, and the layers around all of them.

use std::any::Any;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use kernel_portal::{LOOK_PATH, NOTICES_PATH};
use serde_json::{Map, Value, json};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _};

use crate::payload::Sealing;
use crate::problem::Problem;
use crate::{
    Web, bodies, caller, collections, edge, federation, files, login, look, notices, openapi, own,
    pages, pki, resumable, sealed, signing, step_up, transfer,
};

/// Where files are sent to.
pub(crate) const FILES: &str = "/api/v1/files";
/// Most bytes of a JSON body.
pub(crate) const JSON_BYTES: usize = 1024 * 1024;

/// The whole web face. Serve it with connection info, so that addresses are known.
pub fn router(web: Web) -> Router {
    let uploads = web.settings().upload_bytes;
    // Beyond what is kept: somebody who chose a file that is too large gets the form back.
    let form_bytes = uploads.saturating_mul(4).saturating_add(2 * JSON_BYTES);
    let api = Router::new()
        .route("/openapi.json", get(describe))
        .route(
            "/session",
            get(login::current).post(login::start).delete(login::finish),
        )
        .route(
            "/session/step-up",
            get(step_up::ask_how).post(step_up::prove),
        )
        .route("/session/security-key", get(step_up::ask_to_add))
        .route("/session/seal", get(sealed::ask))
        .route(
            "/files",
            post(files::upload)
                .options(resumable::options)
                .layer(DefaultBodyLimit::max(uploads)),
        )
        .route(
            "/files/{id}",
            get(resumable::state)
                .head(resumable::offset)
                .patch(resumable::append)
                .delete(resumable::end)
                .options(resumable::options)
                .layer(DefaultBodyLimit::max(uploads)),
        )
        .route("/platform/account/copy", get(own::copy))
        .route("/notices", get(notices::list))
        .route("/notices/unread", get(notices::unread))
        .route("/notices/read", post(notices::read_all))
        .route("/notices/{id}/read", post(notices::read))
        .route("/{module}/{plural}", get(collections::list))
        .route("/{module}/{plural}/template", get(transfer::template))
        .route(
            "/{module}/{plural}/{id}",
            get(collections::read).post(collections::act),
        )
        .route(
            "/{module}/{plural}/{id}/{verb}",
            post(collections::act_on).get(collections::of_record),
        )
        .route("/{module}/{plural}/{id}/files/{field}", get(files::only))
        .route(
            "/{module}/{plural}/{id}/files/{field}/{digest}",
            get(files::one),
        )
        .route(
            "/{module}/{plural}/{id}/signatures/{signature}",
            get(signing::evidence),
        )
        .fallback(unknown);
    Router::new()
        .nest("/api/v1", api)
        .route("/api", any(unknown))
        .route("/api/{*rest}", any(unknown))
        .route(
            "/files/{module}/{plural}/{id}/{field}/{digest}",
            get(files::one),
        )
        .route(
            "/signatures/{module}/{plural}/{id}/{signature}",
            get(signing::evidence),
        )
        .route("/login", get(login::form).post(login::submit))
        .route("/login/with/{provider}", get(federation::start))
        .route("/login/from/{provider}", get(federation::finish))
        .route("/logout", post(login::logout))
        .route(LOOK_PATH, post(look::show))
        .route(NOTICES_PATH, get(notices::page).post(notices::post))
        .route("/switch", post(login::switch))
        // Forms may bring files; what they read is counted there.
        .fallback(any(pages::any).layer(DefaultBodyLimit::max(form_bytes)))
        .layer(DefaultBodyLimit::max(JSON_BYTES))
        .layer(from_fn_with_state(web.clone(), caller::resolve))
        // These need no caller.
        .route("/healthz", get(health))
        .route("/assets/{name}", get(asset))
        .route(kernel_identity::certificates::LIST, get(pki::list))
        .route("/pki/users.pem", get(pki::roots))
        .route("/pki/payload.pem", get(pki::payload))
        .layer(from_fn_with_state(web.clone(), edge::within_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(packed)))
        .layer(from_fn_with_state(web.clone(), bodies::read_out))
        .layer(from_fn_with_state(web.clone(), edge::serve))
        .with_state(web)
}

/// `/healthz` alone, for a server that only works.
pub fn probe(web: Web) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .layer(from_fn_with_state(web.clone(), edge::serve))
        .with_state(web)
}

/// A file is sent as it is: its parts and its length must be those of its bytes.
/// What is sealed afterwards is not packed before.
fn packed(_: StatusCode, _: Version, headers: &HeaderMap, more: &Extensions) -> bool {
    !headers.contains_key(ACCEPT_RANGES) && more.get::<Sealing>().is_none()
}

async fn unknown() -> Problem {
    Problem::not_found()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands over the box"
)]
fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| cause.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = text, "a handler panicked");
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Ready as soon as it answers: the store and the modules are opened before.
async fn health(State(web): State<Web>) -> Json<Value> {
    let store = web.host().store();
    // Without its audit trail the platform refuses sensitive writes and guarded reads.
    let health = store.audit_health();
    let (status, audit) = if health.down {
        ("degraded", "down")
    } else {
        ("ok", "ok")
    };
    let mut told = Map::new();
    told.insert("status".into(), status.into());
    told.insert("version".into(), web.settings().version.into());
    told.insert("engine".into(), store.engine().name().into());
    told.insert("audit".into(), audit.into());
    if let Some(collector) = health.handed_on {
        let how = json!({ "reached": collector.reached, "behind": collector.behind });
        told.insert("collector".into(), how);
    }
    Json(told.into())
}

async fn describe(State(web): State<Web>) -> Json<Value> {
    let catalog = web.host().catalog();
    let modules = catalog.modules.values().map(|m| &m.def);
    let settings = web.settings();
    Json(openapi::document(
        &settings.site.name.zh,
        settings.version,
        modules,
    ))
}

async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let file = kernel_portal::assets::file(&name).ok_or_else(Problem::not_found)?;
    let mut response = file.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media));
    // The name carries a hash of the content.
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    Ok(response)
}
