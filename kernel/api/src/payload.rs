//! Bodies of signed calls that are sealed for the two ends, beside TLS. The program chooses a key for the
//! call and sends it encrypted for the platform in `content-key`, under its signature: the answer is
//! sealed with that key, and so is the request's body where its `content-encoding` says so.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::keys::{DecryptKey, KeyRing};
use kernel_crypto::payload::{ContentKey, Way};

use crate::problem::Problem;

pub(crate) const KEY: &str = "content-key";
/// As `content-encoding` names a sealed body; this platform's name.
const CODING: &str = "sm4ctr-hsm3";

/// What the answer to a call is sealed with.
#[derive(Clone)]
pub(crate) struct Sealing {
    key: ContentKey,
    nonce: String,
}

impl Sealing {
    /// What a call brings, if it brings any.
    pub(crate) fn read(
        keys: &KeyRing,
        headers: &HeaderMap,
        nonce: &str,
    ) -> Result<Option<Self>, Problem> {
        let mut all = headers.get_all(KEY).iter();
        let Some(sent) = all.next() else {
            return if is_sealed(headers) {
                Err(wrong("请求内容已加密，但没有 content-key"))
            } else {
                Ok(None)
            };
        };
        let wrong_key = || wrong("content-key 不能用平台的 payload 密钥解开，请用当前公钥重新加密");
        let der = STANDARD.decode(sent.as_bytes()).map_err(|_| wrong_key())?;
        let bytes = keys.decrypt(DecryptKey::Payload, &der);
        let key = bytes.ok().and_then(|bytes| ContentKey::from_bytes(&bytes));
        let (Some(key), None) = (key, all.next()) else {
            return Err(wrong_key());
        };
        let nonce = nonce.to_owned();
        Ok(Some(Self { key, nonce }))
    }

    /// The body of the call as it was before it was sealed.
    pub(crate) fn open(&self, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let opened = self.key.open(Way::Request, &self.nonce, body);
        opened
            .map_err(|_| wrong("加密的请求内容打不开：内容、content-key 与 nonce 须属于同一次调用"))
    }

    /// The answer, sealed. One that is longer than `most` is not given: nobody keeps that much in memory
    /// for one call.
    pub(crate) async fn seal(&self, response: Response, most: usize) -> Result<Response, Problem> {
        let (mut parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, most).await else {
            let detail = format!(
                "加密的回答不得超过 {} MB，请用 Range 分段取得",
                most / 1024 / 1024
            );
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "payload-too-long", &detail));
        };
        let sealed = self.key.seal(Way::Answer, &self.nonce, &body);
        let sealed = sealed.map_err(|error| {
            tracing::error!(%error, "an answer cannot be sealed");
            Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
        })?;
        parts.headers.remove(CONTENT_LENGTH);
        // It names bytes that another call's answer does not have.
        parts.headers.remove(ETAG);
        parts
            .headers
            .insert(CONTENT_ENCODING, HeaderValue::from_static(CODING));
        Ok(Response::from_parts(parts, Body::from(sealed)))
    }
}

/// Whether a request's body says that it is sealed.
pub(crate) fn is_sealed(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(CONTENT_ENCODING).iter();
    let only = all.next().is_some_and(|value| value == CODING);
    only && all.next().is_none()
}

fn wrong(detail: &str) -> Problem {
    Problem::bad_request("payload-wrong", detail)
}
