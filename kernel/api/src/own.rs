//! What the platform holds of the person who asks, as a copy to take along.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use crate::Web;
use crate::caller::Caller;
use crate::problem::Problem;

const NAMED: &str = "attachment; filename=\"my-data.json\"";

/// `GET /api/v1/platform/account/copy`
pub(crate) async fn copy(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Response, Problem> {
    let held = web.host().own_copy(&caller.principal).await?;
    let mut response = Json(held).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(NAMED));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
