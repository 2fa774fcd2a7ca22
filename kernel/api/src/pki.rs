//! What others need to check people's certificates: the authority's own, and the list of those that were
//! taken back. Both are for anybody.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kernel_crypto::keys::DecryptKey;
use kernel_host::chain;
use kernel_identity::error::IdentityError;

use crate::Web;
use crate::problem::Problem;

/// `GET /pki/users.crl`: DER (RFC 5280).
pub(crate) async fn list(State(web): State<Web>) -> Result<Response, Problem> {
    let list = web.sessions().revocation_list(web.now()).await;
    let list = list.map_err(|error| failed(&error))?;
    let list = list.ok_or_else(Problem::not_found)?;
    Ok(sent(list.to_vec(), "application/pkix-crl"))
}

/// `GET /pki/users.pem`: the root of each key that the authority has or had, newest first.
pub(crate) async fn roots(State(web): State<Web>) -> Result<Response, Problem> {
    let roots = web.sessions().authorities().await;
    let roots = roots.map_err(|error| failed(&error))?.concat();
    if roots.is_empty() {
        return Err(Problem::not_found());
    }
    Ok(sent(roots.into_bytes(), "application/x-pem-file"))
}

/// `GET /pki/payload.pem`: the public half of the key that content keys of calls are encrypted for.
pub(crate) async fn payload(State(web): State<Web>) -> Result<Response, Problem> {
    let key = web.host().keys().encrypting_key(DecryptKey::Payload);
    let pem = key.to_pem().map_err(|error| failed(&error.into()))?;
    Ok(sent(pem.into_bytes(), "application/x-pem-file"))
}

fn sent(bytes: Vec<u8>, kind: &'static str) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // A certificate may be taken back at any moment.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn failed(error: &IdentityError) -> Problem {
    tracing::error!(error = chain(error), "the authority cannot be read");
    Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
}
