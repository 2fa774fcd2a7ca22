//! Files: uploads, and what records hold.
//!
//! | address | |
//! |---|---|
//! | `POST /api/v1/files?name=…` | the raw bytes; answers what an action takes as a file ([`resumable`] for pieces) |
//! | `GET /api/v1/{plugin}/{plural}/{id}/files/{field}` | the one file of a field |
//! | `GET /api/v1/{plugin}/{plural}/{id}/files/{field}/{digest}` | one of several |
//! | `GET /files/{plugin}/{plural}/{id}/{field}/{digest}` | the same for people |
//!
//! A file is always an attachment: nothing that somebody uploaded is ever shown as a page of this
//! site.

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use futures_util::stream::try_unfold;
use kernel_host::RecordFile;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sdk_contract::error::Fault;
use sdk_contract::page::Place;
use serde_json::json;

use crate::Web;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::resumable;
use crate::typed::pairs;

/// Bytes that are read and sent at a time: one chunk of a blob.
const PIECE: u64 = 1 << 20;
/// No page, whatever its content says.
const CSP: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";
/// Characters that RFC 5987 leaves as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `POST /api/v1/files?name=…`
pub(crate) async fn upload(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    if caller.principal.is_anonymous() {
        return Err(Problem::unauthenticated());
    }
    caller.checked(&web, &headers)?;
    if resumable::begins(&headers) {
        return resumable::begin(&web, &caller, &headers).await;
    }
    let body = body.map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(web.settings().upload_bytes),
        status => Problem::of_status(status),
    })?;
    let name = pairs(query.unwrap_or_default().as_bytes())
        .and_then(|q| q.into_iter().find(|(n, _)| n == "name"))
        .map_or_else(|| "file".to_owned(), |(_, v)| v);
    let stored = web
        .host()
        .store_upload(&caller.principal, &name, body.to_vec())
        .await?;
    Ok(Json(json!(stored)).into_response())
}

/// `GET /api/v1/{module}/{plural}/{id}/files/{field}`
pub(crate) async fn only(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, id, field)): Path<(String, String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at = place(&module, &plural, id, field);
    let file = web.host().file(&caller.principal, at, None).await?;
    send(&web, &caller, file, &method, &headers).await
}

/// `GET /api/v1/{module}/{plural}/{id}/files/{field}/{digest}`, and the same under `/files`.
pub(crate) async fn one(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, id, field, digest)): Path<(String, String, String, String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let at = place(&module, &plural, id, field);
    let file = web
        .host()
        .file(&caller.principal, at, Some(&digest))
        .await?;
    send(&web, &caller, file, &method, &headers).await
}

fn place(module: &str, plural: &str, id: String, field: String) -> Place {
    Place {
        collection: format!("{module}.{plural}"),
        id,
        field,
    }
}

/// The whole of a file that somebody may open this once, which is on record already.
pub(crate) async fn once(web: &Web, file: RecordFile) -> Result<Response, Problem> {
    let mut response = StatusCode::OK.into_response();
    named(&mut response, &file, file.size)?;
    let map = response.headers_mut();
    map.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    map.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // It is sent once, so not in parts.
    map.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    let size = file.size;
    *response.body_mut() = body(web.host().clone(), file, 0..size).await?;
    Ok(response)
}

async fn send(
    web: &Web,
    caller: &Caller,
    file: RecordFile,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", file.digest);
    if header(headers, &IF_NONE_MATCH).is_some_and(|given| matches_tag(given, &tag)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(&mut response, &file, &tag)?;
        return Ok(response);
    }
    let (status, range) = match wanted(headers, &tag, file.size) {
        Wanted::Whole => (StatusCode::OK, 0..file.size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => return Ok(beyond(file.size)),
    };
    let mut response = status.into_response();
    describe(&mut response, &file, &tag)?;
    named(&mut response, &file, range.end - range.start)?;
    let map = response.headers_mut();
    if status == StatusCode::PARTIAL_CONTENT {
        let (last, size) = (range.end.saturating_sub(1), file.size);
        let part = format!("bytes {}-{last}/{size}", range.start);
        map.insert(CONTENT_RANGE, value(&part)?);
    }
    if *method != Method::HEAD {
        let host = web.host();
        host.file_is_read(&caller.principal, &file).await?;
        *response.body_mut() = body(host.clone(), file, range).await?;
    }
    Ok(response)
}

/// What so many bytes of a file are, and what it is called.
fn named(response: &mut Response, file: &RecordFile, bytes: u64) -> Result<(), Problem> {
    let map = response.headers_mut();
    map.insert(CONTENT_TYPE, value(&file.media)?);
    map.insert(CONTENT_LENGTH, value(&bytes.to_string())?);
    map.insert(CONTENT_DISPOSITION, value(&disposition(&file.name))?);
    Ok(())
}

/// What an answer about a file says, with its bytes or without.
fn describe(response: &mut Response, file: &RecordFile, tag: &str) -> Result<(), Problem> {
    let map = response.headers_mut();
    map.insert(ETAG, value(tag)?);
    map.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    map.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    // The right to read it is asked anew each time.
    let keep = if file.recorded {
        "no-store"
    } else {
        "private, no-cache"
    };
    map.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    Ok(())
}

/// The bytes of a range. The first are read before the answer begins, so that a blob that cannot be
/// read is a failure like any other.
async fn body(
    host: kernel_host::Host,
    file: RecordFile,
    range: Range<u64>,
) -> Result<Body, Problem> {
    let piece = |from: u64| from..range.end.min((from / PIECE + 1) * PIECE);
    let first = host.file_part(&file, piece(range.start)).await?;
    let start = range.start + first.len() as u64;
    let end = range.end;
    let rest = try_unfold((start, Some(first)), move |(from, ready)| {
        let (host, file) = (host.clone(), file.clone());
        async move {
            if let Some(first) = ready {
                return Ok((!first.is_empty()).then_some((Bytes::from(first), (from, None))));
            }
            if from >= end {
                return Ok(None);
            }
            let until = end.min((from / PIECE + 1) * PIECE);
            let bytes = host.file_part(&file, from..until).await?;
            if bytes.is_empty() {
                return Err(Fault::internal("文件不完整"));
            }
            let next = from + bytes.len() as u64;
            Ok(Some((Bytes::from(bytes), (next, None))))
        }
    });
    Ok(Body::from_stream(rest))
}

/// Which bytes a request is about.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    /// A range that begins behind the end.
    Nothing,
}

/// One range of bytes, RFC 9110. Several at once, another unit and what is no range are answered
/// with the whole, as is a range of a version that is no more.
fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let stale = header(headers, &IF_RANGE).is_some_and(|given| given != tag);
    let range = header(headers, &RANGE).filter(|_| !stale);
    let parts = range
        .and_then(|r| r.strip_prefix("bytes="))
        .and_then(|r| r.trim().split_once('-'));
    let Some((from, to)) = parts else {
        return Wanted::Whole;
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(from) || !digits(to) {
        return Wanted::Whole;
    }
    // What does not fit is larger than any file.
    let read = |text: &str| text.parse().unwrap_or(u64::MAX);
    let (start, end) = match (from, to) {
        ("", "") => return Wanted::Whole,
        ("", last) => (size.saturating_sub(read(last)), size),
        (from, "") => (read(from), size),
        (from, to) if read(from) > read(to) => return Wanted::Whole,
        (from, to) => (read(from), size.min(read(to).saturating_add(1))),
    };
    if start < end {
        Wanted::Part(start..end)
    } else {
        Wanted::Nothing
    }
}

fn beyond(size: u64) -> Response {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range-not-satisfiable",
        "所要的部分超出文件的大小",
    );
    let mut response = problem.into_response();
    if let Ok(size) = HeaderValue::from_str(&format!("bytes */{size}")) {
        response.headers_mut().insert(CONTENT_RANGE, size);
    }
    response
}

fn matches_tag(given: &str, tag: &str) -> bool {
    given.split(',').map(str::trim).any(|one| {
        let strong = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || strong == tag
    })
}

/// As an attachment with its name, RFC 6266: in ASCII for whoever reads no more, and as it is.
fn disposition(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ' ');
    let ascii: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}\"");
    }
    let whole = utf8_percent_encode(name, PLAIN);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(range: &'static str, if_range: Option<&'static str>) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static(range));
        if let Some(tag) = if_range {
            headers.insert(IF_RANGE, HeaderValue::from_static(tag));
        }
        wanted(&headers, "\"a\"", 10)
    }

    #[test]
    fn one_range_is_answered_in_part() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=3-5", 3..6),
            ("bytes=3-", 3..10),
            ("bytes=3-99", 3..10),
            ("bytes=-4", 6..10),
            ("bytes=-99", 0..10),
            ("bytes=0-99999999999999999999999", 0..10),
        ] {
            assert_eq!(asks(range, None), Wanted::Part(part.clone()), "{range}");
            assert_eq!(asks(range, Some("\"a\"")), Wanted::Part(part), "{range}");
            assert_eq!(asks(range, Some("\"b\"")), Wanted::Whole, "{range}");
        }
    }

    #[test]
    fn what_lies_behind_the_end_is_nothing_and_what_is_no_range_the_whole() {
        for range in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
            assert_eq!(asks(range, None), Wanted::Nothing, "{range}");
        }
        for range in [
            "bytes=5-3",
            "bytes=0-1,4-5",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "rows=0-1",
        ] {
            assert_eq!(asks(range, None), Wanted::Whole, "{range}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        assert_eq!(wanted(&headers, "\"a\"", 0), Wanted::Nothing);
    }

    #[test]
    fn a_name_travels_whole_and_breaks_no_header() {
        assert_eq!(disposition("a b.pdf"), "attachment; filename=\"a b.pdf\"");
        assert_eq!(
            disposition("合同\"\r\n;.pdf"),
            "attachment; filename=\"______.pdf\"; \
             filename*=UTF-8''%E5%90%88%E5%90%8C%22%0D%0A%3B.pdf"
        );
    }

    #[test]
    fn a_tag_is_found_among_others() {
        for given in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(matches_tag(given, "\"a\""), "{given}");
        }
        assert!(!matches_tag("\"b\"", "\"a\""));
    }
}
