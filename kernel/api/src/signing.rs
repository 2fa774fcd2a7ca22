//! Signatures over actions: the proof that comes with a call, what is asked for where there is none,
//! and what is taken along of those that are kept.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kernel_crypto::sm3;
use kernel_host::{Act, Proof, chain};
use kernel_identity::challenge::Asked;
use sdk_contract::error::Fault;
use serde_json::Map;

use crate::Web;
use crate::caller::Caller;
use crate::collections::{collection, installed};
use crate::problem::Problem;

/// A challenge that came with a refusal, and what the caller's key made of its text.
const CHALLENGE: &str = "x-challenge";
const SIGNATURE: &str = "x-signature";
const NAMED: &str = "attachment; filename=\"signature.zip\"";

/// What proves a call: the signature of a program's request, or one that comes in headers.
pub(crate) fn proof(by: &Caller, headers: &HeaderMap) -> Result<Proof, Problem> {
    if let Some(call) = &by.call {
        return Ok(Proof::Call(Arc::clone(call)));
    }
    let text = |name: &str| match headers.get(name).map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.to_owned())),
        Some(Err(_)) => {
            let detail = format!("{name} 只能含可见字符");
            Err(Problem::bad_request("bad-header", &detail))
        }
    };
    Ok(match (text(CHALLENGE)?, text(SIGNATURE)?) {
        (Some(challenge), Some(signature)) => Proof::Signed {
            challenge,
            signature,
        },
        _ => Proof::None,
    })
}

/// The refusal of an action that is to be signed, with what is to be signed.
pub(crate) async fn asked(web: &Web, by: &Caller, act: &Act, fault: Fault) -> Problem {
    let p = &by.principal;
    let content = match web.host().content(p, act).await {
        Ok(content) => content,
        Err(fault) => return fault.into(),
    };
    let asked = match challenge(web, by, &content) {
        Ok(asked) => asked,
        Err(problem) => return problem,
    };
    let content = String::from_utf8_lossy(&content).into_owned();
    let more = [
        ("content", content),
        ("text", asked.text),
        ("challenge", asked.token),
    ];
    let more = more.map(|(name, value)| (name.to_owned(), value.into()));
    Problem {
        more: Map::from_iter(more),
        ..fault.into()
    }
}

/// What the caller's certificate signs to do what `content` says.
pub(crate) fn challenge(web: &Web, by: &Caller, content: &[u8]) -> Result<Asked, Problem> {
    let p = &by.principal;
    let session = p.session.as_deref().unwrap_or_default();
    let given = (session, p.address.as_str());
    let asked = web
        .sessions()
        .challenge_about(given, sm3::digest(content), web.now());
    asked.map_err(|error| {
        tracing::error!(error = chain(&error), "no challenge can be made");
        Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
    })
}

/// `GET /api/v1/{module}/{plural}/{id}/signatures/{signature}`, and the same for people under
/// `/signatures`: a zip file that `openssl` checks.
pub(crate) async fn evidence(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path((module, plural, id, signature)): Path<(String, String, String, String)>,
) -> Result<Response, Problem> {
    let declared = installed(&web, &module)?;
    collection(&declared, &plural)?;
    let (host, p) = (web.host(), &caller.principal);
    let name = format!("{module}.{plural}");
    let zip = host.evidence(p, (&name, &id), &signature).await?;
    let party = host.party(&name, &id).await?;
    let taken = ("signature.take", id.as_str());
    host.viewed(p, &name, taken, (1, party.as_deref())).await?;
    let mut response = zip.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(NAMED));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
