//! What a person posted: names and texts, and files, within limits.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;

use crate::problem::Problem;

/// Each posted field's values in order.
pub(crate) type Typed = BTreeMap<String, Vec<String>>;

/// Most bytes of a form without files, and of all texts of one with files.
const TEXT_BYTES: usize = 1024 * 1024;
/// Most values of one post.
const MOST_VALUES: usize = 2_000;

/// A file as it came; its name is only ever shown.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) field: String,
    pub(crate) name: String,
    /// Empty when there were too many.
    pub(crate) bytes: Vec<u8>,
    /// It was over the limit, and none of it was kept.
    pub(crate) too_large: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Post {
    pub(crate) typed: Typed,
    /// Without the empty parts that browsers send for files not chosen.
    pub(crate) files: Vec<Upload>,
}

impl Post {
    /// Reads a form in either encoding. `upload_bytes` bounds its files together; what is beyond is
    /// passed over, so that the texts beside a file that is too large are not lost.
    pub(crate) async fn read(request: Request, upload_bytes: usize) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|h| h.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if kind.starts_with("multipart/form-data") {
            return multipart(request, upload_bytes).await;
        }
        if kind.starts_with("application/x-www-form-urlencoded") {
            return urlencoded(request.into_body()).await;
        }
        Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
    }

    pub(crate) fn first(&self, name: &str) -> &str {
        first(&self.typed, name)
    }
}

pub(crate) fn first<'a>(typed: &'a Typed, name: &str) -> &'a str {
    typed
        .get(name)
        .and_then(|v| v.first())
        .map_or("", String::as_str)
}

/// Pairs of a query or a form; `None` when they are not of that form.
pub(crate) fn pairs(text: &[u8]) -> Option<Vec<(String, String)>> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(text).ok()?;
    (pairs.len() <= MOST_VALUES).then_some(pairs)
}

pub(crate) fn gather(pairs: Vec<(String, String)>) -> Typed {
    let mut typed = Typed::new();
    for (name, value) in pairs {
        typed.entry(name).or_default().push(value);
    }
    typed
}

async fn urlencoded(body: Body) -> Result<Post, Problem> {
    let bytes = to_bytes(body, TEXT_BYTES)
        .await
        .map_err(|_| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE))?;
    let pairs = pairs(&bytes).ok_or_else(|| Problem::of_status(StatusCode::BAD_REQUEST))?;
    Ok(Post {
        typed: gather(pairs),
        files: Vec::new(),
    })
}

async fn multipart(request: Request, upload_bytes: usize) -> Result<Post, Problem> {
    let bad = || Problem::of_status(StatusCode::BAD_REQUEST);
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|_| bad())?;
    let mut post = Post::default();
    let (mut texts, mut files, mut values) = (0, 0, 0);
    let broken = |e: MultipartError| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(upload_bytes),
        // The body ended in the middle: the library calls that its own failure.
        status if status.is_server_error() => bad(),
        status => Problem::of_status(status),
    };
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        values += 1;
        let field = part.name().unwrap_or_default().to_owned();
        let file = part.file_name().map(str::to_owned);
        let used = match &file {
            Some(_) => &mut files,
            None => &mut texts,
        };
        let (mut bytes, mut too_large) = (Vec::new(), false);
        while let Some(chunk) = part.chunk().await.map_err(broken)? {
            *used += chunk.len();
            if values > MOST_VALUES || (file.is_none() && *used > TEXT_BYTES) {
                return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE));
            }
            if file.is_some() && *used > upload_bytes {
                too_large = true;
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&chunk);
            }
        }
        match file {
            Some(name) if name.is_empty() && bytes.is_empty() => {}
            Some(name) => post.files.push(Upload {
                field,
                name,
                bytes,
                too_large,
            }),
            None => {
                let text = String::from_utf8(bytes).map_err(|_| bad())?;
                post.typed.entry(field).or_default().push(text);
            }
        }
    }
    Ok(post)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: &str, body: &'static str) -> Request {
        Request::builder()
            .header(CONTENT_TYPE, kind)
            .body(Body::from(body))
            .unwrap()
    }

    #[tokio::test]
    async fn repeated_names_keep_their_order() {
        let form = request("application/x-www-form-urlencoded", "a=1&b=%E6%A1%A5&a=2");
        let post = Post::read(form, 10).await.unwrap();
        assert_eq!(post.typed["a"], ["1", "2"]);
        assert_eq!(post.first("b"), "桥");
    }

    const PARTS: &str = "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n\
        --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"m.wasm\"\r\n\r\n12345\r\n\
        --x\r\nContent-Disposition: form-data; name=\"other\"; filename=\"\"\r\n\r\n\r\n--x--\r\n";

    #[tokio::test]
    async fn files_come_apart_from_texts_and_unchosen_ones_are_dropped() {
        let post = Post::read(request("multipart/form-data; boundary=x", PARTS), 5)
            .await
            .unwrap();
        assert_eq!(post.first("note"), "hi");
        assert_eq!(post.files.len(), 1);
        assert_eq!(
            (post.files[0].name.as_str(), post.files[0].bytes.len()),
            ("m.wasm", 5)
        );
    }

    #[tokio::test]
    async fn of_a_file_over_the_limit_only_its_name_is_kept() {
        let post = Post::read(request("multipart/form-data; boundary=x", PARTS), 4)
            .await
            .unwrap();
        assert_eq!(post.first("note"), "hi");
        let [file] = post.files.as_slice() else {
            panic!("{:?}", post.files)
        };
        assert!(file.too_large && file.bytes.is_empty() && file.name == "m.wasm");
    }

    #[tokio::test]
    async fn dj_12_other_kinds_and_broken_bodies_are_refused() {
        let json = Post::read(request("application/json", "{}"), 4).await;
        assert_eq!(json.unwrap_err().code, "unsupported-media-type");
        let broken = Post::read(request("multipart/form-data; boundary=x", "--y"), 4).await;
        assert_eq!(broken.unwrap_err().code, "bad-request");
    }
}
