//! Request bodies: none that has to be unpacked, and none left half read.
//!
//! Whoever sends a body that is refused early still writes it, and many clients read no answer before
//! they have. Were the connection closed under them, they would see it broken instead of why. So what
//! a handler left is read and thrown away, within bounds, before the answer goes out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Web;
use crate::problem::Problem;
use crate::{payload, signature};

/// Longest the rest of a body is read for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Beyond the largest form: clients that send more than this see the connection end.
const SLACK: usize = 8 * 1024 * 1024;

/// Middleware: see the module.
pub(crate) async fn read_out(State(web): State<Web>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // What is sealed for the platform is opened once the caller is proven, and grows by nothing.
    let sealed = payload::is_sealed(&parts.headers) && signature::is_there(&parts.headers);
    let packed = is_packed(&parts.headers) && !sealed;
    // A client that waits to be asked for the body has not sent it.
    let waits = parts.headers.contains_key(EXPECT);
    let kept = Arc::new(Mutex::new(Kept {
        body,
        touched: false,
        ended: false,
    }));
    let response = if packed {
        Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE).into_response()
    } else {
        let body = Body::new(Shared(Arc::clone(&kept)));
        next.run(Request::from_parts(parts, body)).await
    };
    let untouched = waits && !lock(&kept).touched;
    if !untouched {
        let most = web.settings().upload_bytes.saturating_mul(5) + SLACK;
        // Whatever remains after that is the client's loss.
        let _ = tokio::time::timeout(PATIENCE, drain(&kept, most)).await;
    }
    response
}

/// Unpacking would let a small body become a large one.
fn is_packed(headers: &HeaderMap) -> bool {
    let plain = |value: &[u8]| value.eq_ignore_ascii_case(b"identity");
    let mut all = headers.get_all(CONTENT_ENCODING).iter();
    all.any(|value| !plain(value.as_bytes()))
}

/// The body, shared between whoever reads it and whoever reads the rest.
struct Kept {
    body: Body,
    touched: bool,
    ended: bool,
}

struct Shared(Arc<Mutex<Kept>>);

fn lock(kept: &Mutex<Kept>) -> std::sync::MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

type Frame = http_body::Frame<Bytes>;

impl Kept {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, axum::Error>>> {
        self.touched = true;
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.ended = true;
        }
        polled
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, axum::Error>>> {
        lock(&self.0).poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        lock(&self.0).body.size_hint()
    }
}

async fn drain(kept: &Mutex<Kept>, most: usize) {
    let mut read = 0_usize;
    while read <= most {
        if lock(kept).body.is_end_stream() {
            return;
        }
        match std::future::poll_fn(|cx| lock(kept).poll(cx)).await {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                read = read.saturating_add(bytes);
            }
            Some(Err(_)) | None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn kept(pieces: usize) -> Arc<Mutex<Kept>> {
        let body = Body::from(vec![0; pieces]);
        Arc::new(Mutex::new(Kept {
            body,
            touched: false,
            ended: false,
        }))
    }

    #[tokio::test]
    async fn what_a_reader_left_is_read() {
        let left = kept(10);
        drop(Body::new(Shared(Arc::clone(&left))));
        drain(&left, 100).await;
        assert!(lock(&left).body.is_end_stream());
        let read = axum::body::to_bytes(Body::new(Shared(kept(10))), 100).await;
        assert_eq!(read.unwrap().len(), 10);
    }

    #[test]
    fn a_body_to_be_unpacked_is_told_from_a_plain_one() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(value));
            is_packed(&headers)
        };
        assert!(with("gzip") && with("identity, br") && with("x"));
        assert!(!with("identity") && !is_packed(&HeaderMap::new()));
    }
}
