//! Uploads in pieces, after tus 1.0 (core, creation, termination).
//!
//! tus and not the draft of the IETF: it is finished, clients of it exist in every language, and it
//! needs no interim answers, which proxies lose.
//!
//! | request | |
//! |---|---|
//! | `POST /api/v1/files`, `Upload-Length`, `Upload-Metadata: filename …` | 201, `Location` |
//! | `HEAD /api/v1/files/{id}` | 200, `Upload-Offset` |
//! | `PATCH /api/v1/files/{id}`, `Upload-Offset` | 204, the new `Upload-Offset` |
//! | `DELETE /api/v1/files/{id}` | 204 |
//! | `GET /api/v1/files/{id}` | ours: how far it is, and once it is whole what an action takes as a file |
//!
//! A piece is acknowledged when it is durable; one whose sending broke off is not kept, and its
//! sender goes on from the offset that HEAD tells.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_host::Progress;
use serde_json::{Value, json};

use crate::Web;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::FILES;

const VERSION: &str = "1.0.0";
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const PIECE: &str = "application/offset+octet-stream";

/// Whether a POST begins an upload in pieces.
pub(crate) fn begins(headers: &HeaderMap) -> bool {
    headers.contains_key(LENGTH)
}

/// `POST /api/v1/files` with a length and no bytes.
pub(crate) async fn begin(
    web: &Web,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    understood(headers)?;
    let size = number(headers, &LENGTH)?;
    let most = web.settings().upload_bytes;
    if size > most as u64 {
        return Err(Problem::too_large(most));
    }
    let name = headers.get(METADATA).and_then(|h| h.to_str().ok());
    let name = name.and_then(file_name).unwrap_or_default();
    let begun = web
        .host()
        .begin_upload(&caller.principal, &name, size)
        .await?;
    let mut response = stands(StatusCode::CREATED, &begun);
    if let Ok(to) = HeaderValue::from_str(&format!("{FILES}/{}", begun.id)) {
        response.headers_mut().insert(LOCATION, to);
    }
    Ok(response)
}

/// `HEAD /api/v1/files/{id}`
pub(crate) async fn offset(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let upload = web.host().upload_progress(&caller.principal, &id).await?;
    Ok(stands(StatusCode::OK, &upload))
}

/// `GET /api/v1/files/{id}`
pub(crate) async fn state(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let upload = web.host().upload_progress(&caller.principal, &id).await?;
    Ok(Json(json!(upload)))
}

/// `PATCH /api/v1/files/{id}`
pub(crate) async fn append(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    caller.checked(&web, &headers)?;
    understood(&headers)?;
    let kind = headers.get(CONTENT_TYPE).and_then(|h| h.to_str().ok());
    if kind != Some(PIECE) {
        return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let offset = number(&headers, &OFFSET)?;
    let body = body.map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(web.settings().upload_bytes),
        status => Problem::of_status(status),
    })?;
    let upload = web
        .host()
        .append_upload(&caller.principal, &id, offset, body.to_vec())
        .await?;
    Ok(stands(StatusCode::NO_CONTENT, &upload))
}

/// `DELETE /api/v1/files/{id}`
pub(crate) async fn end(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.checked(&web, &headers)?;
    understood(&headers)?;
    web.host().end_upload(&caller.principal, &id).await?;
    Ok(spoken(StatusCode::NO_CONTENT))
}

/// `OPTIONS` of both addresses: what is spoken here.
pub(crate) async fn options(State(web): State<Web>) -> Response {
    let mut response = spoken(StatusCode::NO_CONTENT);
    let map = response.headers_mut();
    let most = HeaderValue::from(web.settings().upload_bytes);
    map.insert(HeaderName::from_static("tus-max-size"), most);
    for (name, value) in [
        ("tus-version", VERSION),
        ("tus-extension", "creation,termination"),
    ] {
        map.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    response
}

fn spoken(status: StatusCode) -> Response {
    let mut response = status.into_response();
    response
        .headers_mut()
        .insert(RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// How far the upload is.
fn stands(status: StatusCode, upload: &Progress) -> Response {
    let mut response = spoken(status);
    let map = response.headers_mut();
    map.insert(OFFSET, HeaderValue::from(upload.offset));
    map.insert(LENGTH, HeaderValue::from(upload.size));
    map.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn understood(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(RESUMABLE) {
        Some(version) if version != VERSION => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "tus-version",
            "只支持 tus 1.0.0",
        )),
        _ => Ok(()),
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Problem> {
    let text = headers.get(name).and_then(|h| h.to_str().ok());
    text.filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|t| t.parse().ok())
        .ok_or_else(|| {
            let detail = format!("请求头 {name} 须为字节数");
            Problem::bad_request("bad-header", &detail)
        })
}

/// `filename <base64>` among the pairs that a client tells of the file.
fn file_name(metadata: &str) -> Option<String> {
    let mut pairs = metadata.split(',').map(str::trim);
    let encoded = pairs.find_map(|pair| pair.strip_prefix("filename "))?;
    String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_among_what_else_is_told() {
        let name = file_name("type dGV4dA==, filename 5ZCI5ZCMLnBkZg==,relevant");
        assert_eq!(name.as_deref(), Some("合同.pdf"));
        for none in ["", "filename", "filename %%", "name 5ZCI"] {
            assert_eq!(file_name(none), None, "{none}");
        }
    }

    #[test]
    fn a_length_is_a_number_of_bytes() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LENGTH, HeaderValue::from_static(text));
            number(&headers, &LENGTH).map_err(|p| p.code)
        };
        assert_eq!(read("12"), Ok(12));
        for bad in ["", "-1", "+1", "1.5", "99999999999999999999999"] {
            assert_eq!(read(bad), Err("bad-header".to_owned()), "{bad}");
        }
    }
}
