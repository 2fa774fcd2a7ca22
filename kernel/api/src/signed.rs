//! Letting a signed call in: proof first, then whether the app may call now and from there, then the
//! body, and at last nonce, quota and record in one transaction. Each call leaves one record in the
//! audit trail, let in or not.
//!
//! Nothing of the body is read before the signature is proven, and of an unknown caller nothing is
//! told but that it is unknown.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kernel_crypto::sm3;
use kernel_host::{SignedCall, chain};
use kernel_identity::apps::{App, CLOCK_SECONDS, EXHAUSTED, Proven, REPLAYED};
use kernel_identity::error::IdentityError;
use kernel_identity::principal::Principal;
use kernel_storage::{Admission, Used};
use sdk_contract::scalar::Timestamp;

use crate::Web;
use crate::caller::same;
use crate::edge::RequestInfo;
use crate::payload::{self, Sealing};
use crate::problem::Problem;
use crate::routes::{FILES, JSON_BYTES};
use crate::signature::{self, Sent};

pub(crate) const RATE_LIMIT: &str = "ratelimit";
pub(crate) const RATE_LIMIT_POLICY: &str = "ratelimit-policy";

/// Refusals of one address or app that are recorded in a minute; beyond it they are answered without
/// a record, so that nobody fills the trail.
const MOST_RECORDED: u32 = 120;
/// Addresses and apps remembered; beyond it the memory is emptied.
const MOST_KEYS: usize = 10_000;
const MINUTE: i64 = 60_000_000;

/// A call that is let in.
pub(crate) struct Entered {
    pub(crate) principal: Principal,
    pub(crate) request: Request,
    /// The call as it was signed.
    pub(crate) call: SignedCall,
    /// What its answer is sealed with, where it asks for that.
    pub(crate) sealing: Option<Sealing>,
    /// What is left of the app's quotas.
    pub(crate) limits: HeaderMap,
}

/// Why a call is not let in.
struct Refused {
    problem: Problem,
    /// Where the signature was proven.
    app: Option<App>,
    /// Its record stands already.
    recorded: bool,
    limits: HeaderMap,
}

/// Whether a request is a signed call. Only the API takes them; a page is for a person.
pub(crate) fn is_call(request: &Request) -> bool {
    request.uri().path().starts_with("/api/") && signature::is_there(request.headers())
}

pub(crate) async fn enter(
    web: &Web,
    info: &RequestInfo,
    request: Request,
) -> Result<Entered, Response> {
    let now = web.now();
    let path: String = request.uri().path().chars().take(200).collect();
    let object = format!("{} {path}", request.method());
    let claimed = signature::claimed(request.headers()).to_owned();
    let refused = match prove(web, info, request, &object, now).await {
        Ok(entered) => return Ok(entered),
        Err(refused) => refused,
    };
    let mut problem = refused.problem;
    // A failure of ours is in the log, and nothing was done.
    if !refused.recorded && !problem.status.is_server_error() {
        let key = match &refused.app {
            Some(app) => format!("app:{}", app.id),
            None => format!("ip:{}", info.ip),
        };
        let record = web.refusals().count(key, now);
        if record != Count::Record {
            problem = Problem::locked(Refusals::seconds_left(now));
        }
        if record != Count::Silent {
            let what = (object.as_str(), problem.code.as_str(), claimed.as_str());
            let recorded = web
                .apps()
                .refused(refused.app.as_ref(), what, info.origin(now));
            if let Err(error) = recorded.await {
                problem = unavailable(&error);
            }
        }
    }
    let mut response = problem.into_response();
    response.headers_mut().extend(refused.limits);
    Err(response)
}

async fn prove(
    web: &Web,
    info: &RequestInfo,
    request: Request,
    object: &str,
    now: i64,
) -> Result<Entered, Refused> {
    let (parts, body) = request.into_parts();
    let malformed = |what| {
        let detail = format!("签名格式不正确：{what}");
        Problem::bad_request("signature-malformed", &detail)
    };
    let sent = Sent::read(&parts.headers).map_err(|what| unproven(malformed(what)))?;
    let base = sent.base(&parts.method, &parts.uri, &parts.headers);
    let base = base.map_err(|what| unproven(malformed(what)))?;
    if !in_time(&sent, now) {
        let problem = unauthorized("signature-expired", "签名已过期或时钟不准，须在五分钟之内");
        return Err(unproven(problem));
    }
    let apps = web.apps();
    let failed = |error: IdentityError| unproven(unavailable(&error));
    let found = apps.find(sent.keyid).await.map_err(failed)?;
    let proven = found.and_then(|app| {
        let key = app.signed(base.as_bytes(), &sent.signature, Timestamp(now));
        let key = key?.to_owned();
        Some((app, key))
    });
    let Some((app, key)) = proven else {
        let problem = unauthorized("signature-invalid", "签名无效：没有这个应用，或签名不符");
        return Err(unproven(problem));
    };
    if let Some(refusal) = app.refusal((&info.ip, info.certificate.as_ref()), Timestamp(now)) {
        let problem = Problem::new(StatusCode::FORBIDDEN, refusal.code(), refusal.message());
        return Err(proven_but(app, problem));
    }
    let file = parts.uri.path().starts_with(FILES);
    let most = if file {
        web.settings().upload_bytes
    } else {
        JSON_BYTES
    };
    let Ok(body) = to_bytes(body, most).await else {
        return Err(proven_but(app, Problem::too_large(most)));
    };
    let digest = sm3::digest(&body);
    if !same(digest.as_bytes(), &sent.digest) {
        let problem = Problem::bad_request("digest-mismatch", "请求内容与签名的摘要不符");
        return Err(proven_but(app, problem));
    }
    let (sealing, opened) = match unsealed(web, &parts.headers, sent.nonce, &body) {
        Ok(both) => both,
        Err(problem) => return Err(proven_but(app, problem)),
    };
    let principal = apps.principal(&app, info.origin(now)).await;
    let mut principal = principal.map_err(failed)?;
    if sealing.is_none() {
        principal.clearance = principal.clearance.min(web.settings().in_clear);
    }
    let call = Proven {
        app: &app,
        nonce: sent.nonce,
        signed_at: sent.created.saturating_mul(1_000_000),
        object,
        digest: &digest.to_string(),
        sealed: sealing.is_some(),
    };
    let admission = apps.admit(call, info.origin(now)).await.map_err(failed)?;
    let (problem, used) = match admission {
        Admission::Admitted(used) => {
            let call = SignedCall {
                base,
                signature: sent.signature.clone(),
                key,
                // No action takes the bytes of a file.
                body: if file { Vec::new() } else { body.to_vec() },
                sealed: opened.is_some(),
            };
            return Ok(Entered {
                principal,
                call,
                sealing,
                limits: limits(&used, now),
                request: with_body(parts, body, opened),
            });
        }
        Admission::Replayed => {
            let detail = "这个 nonce 已经用过，请换一个重新签名";
            (unauthorized(REPLAYED, detail), Vec::new())
        }
        Admission::Exhausted(used) => (exhausted(&used, now), used),
    };
    Err(Refused {
        problem,
        limits: limits(&used, now),
        app: Some(app),
        recorded: true,
    })
}

/// What the answer is sealed with, and the body where it came sealed.
fn unsealed(
    web: &Web,
    headers: &HeaderMap,
    nonce: &str,
    body: &[u8],
) -> Result<(Option<Sealing>, Option<Vec<u8>>), Problem> {
    let sealing = Sealing::read(web.host().keys(), headers, nonce)?;
    let sealed = sealing.as_ref().filter(|_| payload::is_sealed(headers));
    let opened = sealed.map(|sealing| sealing.open(body)).transpose()?;
    Ok((sealing, opened))
}

/// The request with its body as it was sent, or as it was opened.
fn with_body(parts: Parts, sent: Bytes, opened: Option<Vec<u8>>) -> Request {
    let Some(opened) = opened else {
        return Request::from_parts(parts, Body::from(sent));
    };
    let length = HeaderValue::from(opened.len());
    let mut request = Request::from_parts(parts, Body::from(opened));
    request.headers_mut().remove(CONTENT_ENCODING);
    request.headers_mut().insert(CONTENT_LENGTH, length);
    request
}

fn unproven(problem: Problem) -> Refused {
    Refused {
        problem,
        app: None,
        recorded: false,
        limits: HeaderMap::new(),
    }
}

fn proven_but(app: App, problem: Problem) -> Refused {
    Refused {
        app: Some(app),
        ..unproven(problem)
    }
}

fn unauthorized(code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
}

fn unavailable(error: &IdentityError) -> Problem {
    tracing::error!(error = chain(error), "a signed call cannot be let in");
    Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
}

fn in_time(sent: &Sent<'_>, now: i64) -> bool {
    let now = now / 1_000_000;
    let near = (sent.created - now).abs() < CLOCK_SECONDS;
    near && sent.expires.is_none_or(|end| now < end)
}

/// Until the longest of the used up spans ends.
fn exhausted(used: &[Used], now: i64) -> Problem {
    let full = used.iter().filter(|u| u.used >= u.quota.most);
    let wait = full.map(|u| seconds_left(u, now)).max().unwrap_or(1);
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        EXHAUSTED,
        "已达到该应用的调用次数上限，请稍后再试",
    );
    Problem {
        retry_after: Some(wait),
        ..problem
    }
}

fn seconds_left(used: &Used, now: i64) -> i64 {
    let end = used
        .quota
        .began
        .saturating_add(used.quota.seconds.saturating_mul(1_000_000));
    let micros = end.saturating_sub(now).max(0);
    micros.saturating_add(999_999) / 1_000_000
}

/// As draft-ietf-httpapi-ratelimit-headers has them.
fn limits(used: &[Used], now: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if used.is_empty() {
        return headers;
    }
    let name = |u: &Used| {
        if u.quota.seconds == 60 {
            "minute"
        } else {
            "day"
        }
    };
    let policy = used
        .iter()
        .map(|u| format!("\"{}\";q={};w={}", name(u), u.quota.most, u.quota.seconds));
    let left = used.iter().map(|u| {
        let left = u.quota.most.saturating_sub(u.used).max(0);
        format!("\"{}\";r={left};t={}", name(u), seconds_left(u, now))
    });
    for (name, value) in [
        (RATE_LIMIT_POLICY, policy.collect::<Vec<_>>()),
        (RATE_LIMIT, left.collect()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value.join(", ")) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Refusals of this node in the present minute, by who caused them.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<(i64, BTreeMap<String, u32>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Record,
    /// The first beyond the limit: its record says that more may follow unrecorded.
    Last,
    Silent,
}

impl Refusals {
    fn count(&self, key: String, now: i64) -> Count {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.div_euclid(MINUTE);
        if kept.0 != minute || kept.1.len() >= MOST_KEYS {
            *kept = (minute, BTreeMap::new());
        }
        let count = kept.1.entry(key).or_default();
        *count = count.saturating_add(1);
        match *count {
            n if n <= MOST_RECORDED => Count::Record,
            n if n == MOST_RECORDED + 1 => Count::Last,
            _ => Count::Silent,
        }
    }

    fn seconds_left(now: i64) -> i64 {
        (MINUTE - now.rem_euclid(MINUTE)) / 1_000_000 + 1
    }
}

#[cfg(test)]
mod tests {
    use kernel_storage::Quota;

    use super::*;

    const NOW: i64 = 1_795_420_800_000_000;

    fn used(seconds: i64, most: i64, used: i64) -> Used {
        let quota = Quota {
            seconds,
            began: NOW - 1_000_000,
            most,
        };
        Used { quota, used }
    }

    #[test]
    fn what_is_left_of_each_quota_is_said() {
        let headers = limits(&[used(60, 5, 2), used(86_400, 9, 9)], NOW);
        assert_eq!(
            headers[RATE_LIMIT_POLICY],
            "\"minute\";q=5;w=60, \"day\";q=9;w=86400"
        );
        assert_eq!(
            headers[RATE_LIMIT],
            "\"minute\";r=3;t=59, \"day\";r=0;t=86399"
        );
        assert!(limits(&[], NOW).is_empty());
    }

    #[test]
    fn one_waits_for_the_longest_of_the_used_up_spans() {
        let wait = |all: &[Used]| exhausted(all, NOW).retry_after.unwrap();
        assert_eq!(wait(&[used(60, 5, 5), used(86_400, 9, 2)]), 59);
        assert_eq!(wait(&[used(60, 5, 5), used(86_400, 9, 9)]), 86_399);
    }

    #[test]
    fn nobody_fills_the_trail_with_refusals() {
        let refusals = Refusals::default();
        for _ in 0..MOST_RECORDED {
            assert_eq!(refusals.count("a".into(), NOW), Count::Record);
        }
        assert_eq!(refusals.count("a".into(), NOW), Count::Last);
        assert_eq!(refusals.count("a".into(), NOW), Count::Silent);
        assert_eq!(refusals.count("b".into(), NOW), Count::Record);
        assert_eq!(refusals.count("a".into(), NOW + MINUTE), Count::Record);
        assert_eq!(Refusals::seconds_left(NOW + MINUTE - 1), 1);
    }
}
