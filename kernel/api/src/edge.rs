//! The outermost layer: what every request gets whatever happens inside.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::random;
use kernel_crypto::sm3::{self, Digest32};
use kernel_identity::network::Network;
use tracing::Instrument as _;

use crate::caller::Caller;
use crate::payload::Sealing;
use crate::problem::{Problem, UNAUTHENTICATED};
use crate::signed::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::{Peer, Web, cookies, typed, view};

/// Media type of a page document.
pub(crate) const PAGE_JSON: &str = "application/vnd.rongqiao.page+json";
const PROBLEM_JSON: &str = "application/problem+json";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Most proxies that are followed back through `X-Forwarded-For`.
const MOST_HOPS: usize = 8;

/// Facts about one request that every layer may need.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestInfo {
    pub(crate) id: String,
    pub(crate) ip: String,
    pub(crate) locale: String,
    /// Answered with HTML, unlike a program.
    pub(crate) person: bool,
    /// 关怀版: large type, high contrast.
    pub(crate) care: bool,
    /// Path and query, for coming back after sign-in.
    pub(crate) target: String,
    /// The platform's name and port as the request has them.
    pub(crate) host: String,
    /// SM3 of the certificate, in DER, that whoever asks proved to hold.
    pub(crate) certificate: Option<Digest32>,
}

impl RequestInfo {
    pub(crate) fn english(&self) -> bool {
        self.locale.starts_with("en")
    }

    /// The platform's own words in the caller's language.
    pub(crate) fn say<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        if self.english() { en } else { zh }
    }
}

/// Middleware: see the crate's documentation.
pub(crate) async fn serve(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let Ok(id) = random::token_hex(12) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let peer = peer.map(|c| c.0.clone());
    let proved = peer.as_ref().and_then(|p| p.certificate.clone());
    let taken_back = proved.as_ref().is_some_and(|p| !p.still_holds());
    let peer = peer.map(|p| p.address.ip());
    let settings = web.settings();
    let path = request.uri().path().to_owned();
    let info = RequestInfo {
        ip: client(peer, request.headers(), &settings.trusted_proxies),
        certificate: proved.map(|p| p.digest()).or_else(|| {
            let proxy = is_proxy(peer, &settings.trusted_proxies) && settings.proxy_certificates;
            proxy.then(|| told_certificate(request.headers())).flatten()
        }),
        locale: choice(&request, "lang", cookies::LANGUAGE)
            .unwrap_or_else(|| locale(request.headers())),
        care: choice(&request, "care", cookies::CARE).is_some_and(|c| c == "1"),
        person: person(&path, request.headers()),
        target: request
            .uri()
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        host: host(&request),
        id,
    };
    let method = request.method().clone();
    let kept = [("lang", cookies::LANGUAGE), ("care", cookies::CARE)]
        .map(|(parameter, cookie)| Some((cookie, asked(&request, parameter)?)))
        .into_iter()
        .flatten()
        .filter(|_| info.person);
    let kept: Vec<(&str, String)> = kept.collect();
    request.extensions_mut().insert(info.clone());
    let span = tracing::info_span!("http", request.id = %info.id, %method, %path);
    let began = web.now();
    let response = if taken_back {
        let detail = "建立连接所用的证书已吊销或过期，请更换证书后重新连接";
        Problem::new(StatusCode::FORBIDDEN, "client-certificate-refused", detail).into_response()
    } else {
        next.run(request).instrument(span.clone()).await
    };
    let failure = failure(&response);
    let sealing = response.extensions().get::<Sealing>().cloned();
    let mut response = match &failure {
        Some(problem) => face(&web, &info, &method, problem, &response),
        None => response,
    };
    let took = web.now().saturating_sub(began);
    span.in_scope(|| log(&response, failure.as_ref(), took));
    // A body that must not be there is not sealed either.
    let bodiless = method == Method::HEAD
        || matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    if let Some(sealing) = sealing.filter(|_| !bodiless) {
        let sealed = sealing.seal(response, web.settings().upload_bytes).await;
        response = sealed.unwrap_or_else(|problem| {
            let nothing = StatusCode::OK.into_response();
            face(&web, &info, &method, &problem, &nothing)
        });
    }
    headers(&mut response, &info.id);
    if taken_back {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    if web.secure() {
        response
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    for (name, value) in kept {
        if let Some(cookie) = cookies::set(name, &value, Some(YEAR_SECONDS), web.secure()) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

/// Only what may stand in an address.
fn host(request: &Request) -> String {
    let named = request.headers().get(HOST).and_then(|h| h.to_str().ok());
    let authority = request.uri().authority().map(ToString::to_string);
    let name = authority.unwrap_or_else(|| named.unwrap_or_default().to_owned());
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".:-[]".contains(&b);
    if name.len() <= LONGEST_HOST && name.bytes().all(plain) {
        name.to_ascii_lowercase()
    } else {
        String::new()
    }
}

/// Longest name of a host with its port.
const LONGEST_HOST: usize = 260;

/// How long a choice of language or large type is kept.
const YEAR_SECONDS: u32 = 365 * 24 * 3600;

/// What the address says now, else what was chosen before.
fn choice(request: &Request, parameter: &str, cookie: &str) -> Option<String> {
    asked(request, parameter)
        .or_else(|| cookies::read(request.headers(), cookie).map(str::to_owned))
        .filter(|v| matches!(v.as_str(), "zh-CN" | "en" | "1" | "0"))
}

fn asked(request: &Request, parameter: &str) -> Option<String> {
    let query = typed::pairs(request.uri().query()?.as_bytes())?;
    query
        .into_iter()
        .find(|(name, _)| name == parameter)
        .map(|(_, value)| value)
}

/// Middleware: gives up on a request that takes too long. What it had not committed is not done.
pub(crate) async fn within_time(State(web): State<Web>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(web.settings().timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "处理时间过长，请稍后重试",
        )
        .into_response(),
    }
}

/// The failure an answer stands for, also when a library made it.
fn failure(response: &Response) -> Option<Problem> {
    let ours = response.extensions().get::<Problem>();
    if ours.is_some() {
        return ours.cloned();
    }
    let status = response.status();
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|h| h.to_str().ok());
    let bare = kind.is_none_or(|k| k.starts_with("text/plain"));
    (bare && (status.is_client_error() || status.is_server_error())).then(|| {
        Problem::of_status(match status {
            // A library's word for a body of the wrong shape; ours is for rules.
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        })
    })
}

/// The body of a failure. A person who should sign in is led there.
fn face(
    web: &Web,
    info: &RequestInfo,
    method: &Method,
    problem: &Problem,
    inner: &Response,
) -> Response {
    let caller = inner.extensions().get::<Arc<Caller>>();
    let mut response = if !info.person {
        let mut json = (problem.status, Json(problem.json(&info.id))).into_response();
        json.headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        json
    } else if problem.code == UNAUTHENTICATED && *method == Method::GET {
        let to = format!("/login?next={}", view::escape(&info.target));
        let mut see_other = StatusCode::SEE_OTHER.into_response();
        if let Ok(to) = HeaderValue::from_str(&to) {
            see_other.headers_mut().insert(LOCATION, to);
        }
        see_other
    } else {
        let sent = *method == Method::POST;
        let html = view::error(web, caller.map(AsRef::as_ref), info, problem, sent);
        (problem.status, Html(html)).into_response()
    };
    for name in [
        SET_COOKIE,
        ALLOW,
        CONTENT_RANGE,
        HeaderName::from_static(RATE_LIMIT),
        HeaderName::from_static(RATE_LIMIT_POLICY),
    ] {
        for value in inner.headers().get_all(&name) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    problem.waits(response)
}

/// One line a request. The caller's mistakes are information, ours are errors.
fn log(response: &Response, failure: Option<&Problem>, micros: i64) {
    let status = response.status().as_u16();
    let duration_ms = micros / 1000;
    match failure {
        Some(p) if p.status.is_server_error() => {
            tracing::error!(status, duration_ms, code = %p.code, detail = %p.detail, "failed");
        }
        Some(p) => tracing::info!(status, duration_ms, code = %p.code, "refused"),
        None => tracing::debug!(status, duration_ms, "answered"),
    }
}

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                   font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                   frame-ancestors 'none'";

/// A browser that came by TLS once comes by TLS for a year.
const HSTS: &str = "max-age=31536000";

fn headers(response: &mut Response, request: &str) {
    let map = response.headers_mut();
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in fixed {
        map.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    // A file that somebody uploaded may do even less than a page.
    map.entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(CSP));
    // What a person sees is theirs; assets say otherwise themselves.
    map.entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request) {
        map.insert(REQUEST_ID, id);
    }
}

/// Programs ask under `/api` or for JSON by name; everybody else is a person.
fn person(path: &str, headers: &HeaderMap) -> bool {
    let machine = path == "/healthz" || path == "/api" || path.starts_with("/api/");
    let accept = headers
        .get(ACCEPT)
        .and_then(|h| h.to_str().ok())
        .unwrap_or_default();
    !machine && !accept.contains("json")
}

/// zh-CN unless English is asked for first.
fn locale(headers: &HeaderMap) -> String {
    let first = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|h| h.to_str().ok())
        .and_then(|l| l.split([',', ';']).next())
        .unwrap_or_default();
    if first.trim().starts_with("en") {
        "en".into()
    } else {
        "zh-CN".into()
    }
}

/// The caller's address: the last one before the proxies we trust. What cannot be read ends the
/// search, so that nobody is taken for what he wrote before it.
fn client(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> String {
    let Some(mut address) = peer.map(|a| a.to_canonical()) else {
        return "unknown".into();
    };
    let lines: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .collect();
    for hop in lines.into_iter().rev().take(MOST_HOPS) {
        if !trusted.iter().any(|network| network.contains(address)) {
            break;
        }
        match forwarded(hop) {
            Some(hop) => address = hop,
            None => break,
        }
    }
    address.to_string()
}

fn is_proxy(peer: Option<IpAddr>, trusted: &[Network]) -> bool {
    let peer = peer.map(|address| address.to_canonical());
    peer.is_some_and(|address| trusted.iter().any(|network| network.contains(address)))
}

/// The certificate that a gateway says was proved to it: one line `Client-Cert`, DER as a byte sequence
/// (RFC 9440 §2.2). Several lines are nobody's word.
fn told_certificate(headers: &HeaderMap) -> Option<Digest32> {
    let mut lines = headers.get_all("client-cert").iter();
    let line = lines.next()?.to_str().ok()?.trim();
    if lines.next().is_some() {
        return None;
    }
    let packed = line.strip_prefix(':')?.strip_suffix(':')?;
    let der = STANDARD.decode(packed).ok()?;
    (!der.is_empty()).then(|| sm3::digest(&der))
}

/// An address as proxies write it, with or without the port.
fn forwarded(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|a| a.ip()));
    address.ok().map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(value));
        headers
    }

    fn told(peer: &str, header: &'static str) -> String {
        let trusted = ["10.0.0.0/24", "2001:db8::1"].map(|n| n.parse().unwrap());
        client(Some(peer.parse().unwrap()), &said(header), &trusted)
    }

    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
        assert_eq!(told("192.0.2.9", "203.0.113.7, 198.51.100.2"), "192.0.2.9");
        // What the client itself wrote before the proxy's entry is not believed.
        assert_eq!(
            told("10.0.0.1", "203.0.113.7, 198.51.100.2"),
            "198.51.100.2"
        );
        assert_eq!(told("10.0.0.1", "203.0.113.7, 10.0.0.2"), "203.0.113.7");
        assert_eq!(told("::ffff:10.0.0.1", "203.0.113.7"), "203.0.113.7");
        assert_eq!(told("2001:db8::1", "203.0.113.7:5023"), "203.0.113.7");
        assert_eq!(told("10.0.0.1", "[2001:db8::7]:443"), "2001:db8::7");
        assert_eq!(client(None, &said("203.0.113.7"), &[]), "unknown");
    }

    #[test]
    fn dj_12_no_one_passes_for_another_by_writing_into_the_header() {
        // The allowed address written in front, garbage, or the proxy's own addresses in a row.
        assert_eq!(
            told("10.0.0.1", "203.0.113.7, x, 198.51.100.2"),
            "198.51.100.2"
        );
        assert_eq!(told("10.0.0.1", "203.0.113.7, x"), "10.0.0.1");
        assert_eq!(told("10.0.0.1", "203.0.113.7, "), "10.0.0.1");
        let mut two = said("203.0.113.7");
        two.append("x-forwarded-for", HeaderValue::from_static("198.51.100.2"));
        let trusted = ["10.0.0.0/24".parse().unwrap()];
        let peer = Some("10.0.0.1".parse().unwrap());
        assert_eq!(client(peer, &two, &trusted), "198.51.100.2");
    }

    #[test]
    fn mm_2a_a_certificate_is_told_by_one_line_of_a_proxy() {
        let line = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append("client-cert", HeaderValue::from_static(text));
            headers
        };
        assert_eq!(
            told_certificate(&line(":AQID:")),
            Some(sm3::digest(&[1, 2, 3]))
        );
        for bad in ["", ":", "::", "AQID", ":AQID", ":A?:", ":AQI:"] {
            assert_eq!(told_certificate(&line(bad)), None, "{bad:?}");
        }
        let mut two = line(":AQID:");
        two.append("client-cert", HeaderValue::from_static(":AQID:"));
        assert_eq!(told_certificate(&two), None);
        let trusted = ["10.0.0.0/24".parse().unwrap()];
        let from = |ip: &str| is_proxy(Some(ip.parse().unwrap()), &trusted);
        assert!(from("10.0.0.9") && from("::ffff:10.0.0.9") && !from("10.0.1.9"));
    }

    #[test]
    fn programs_and_people_are_told_apart() {
        let mut json = HeaderMap::new();
        json.insert(ACCEPT, HeaderValue::from_static(PAGE_JSON));
        let browser = HeaderMap::new();
        assert!(!person("/api/v1/x", &browser));
        assert!(!person("/lending/applications", &json));
        assert!(person("/lending/applications", &browser));
        assert!(person("/apiary", &browser));
    }

    #[test]
    fn a_librarys_bare_error_is_a_failure_and_a_page_is_not() {
        assert_eq!(
            failure(&StatusCode::METHOD_NOT_ALLOWED.into_response())
                .unwrap()
                .code,
            "method-not-allowed"
        );
        assert!(
            failure(&(StatusCode::UNPROCESSABLE_ENTITY, Html("<p>")).into_response()).is_none()
        );
        assert!(failure(&StatusCode::OK.into_response()).is_none());
        let misshapen = (StatusCode::UNPROCESSABLE_ENTITY, "missing field").into_response();
        assert_eq!(failure(&misshapen).unwrap().status, StatusCode::BAD_REQUEST);
    }
}
