//! Resolving who calls, once per request, and the tokens tied to them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kernel_crypto::random;
use kernel_host::{SignedCall, Unread};
use kernel_identity::principal::Principal;
use kernel_identity::session::Origin;

use crate::edge::RequestInfo;
use crate::problem::Problem;
use crate::signed::{self, Entered};
use crate::{Web, cookies};

/// Header by which scripts and programs send the form token.
const CSRF_HEADER: &str = "x-csrf-token";

/// The caller of one request.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// The session token as sent, living or not.
    pub(crate) token: Option<String>,
    /// What form tokens are tied to: the session and the organisation it acts for, or the visit
    /// before sign-in.
    bound: String,
    /// The visit cookie, also when signed in.
    pub(crate) visit: String,
    /// The toast cookie's sentence.
    pub(crate) toast: Option<String>,
    /// What a program signed to call; absent for people.
    pub(crate) call: Option<Arc<SignedCall>>,
    /// What a person was told and has not read, for the bar of the page.
    pub(crate) unread: Option<Unread>,
}

/// Middleware: puts an `Arc<Caller>` into the request, and into the answer for the edge.
pub(crate) async fn resolve(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let info = request
        .extensions()
        .get::<RequestInfo>()
        .cloned()
        .unwrap_or_default();
    if signed::is_call(&request) {
        return match signed::enter(&web, &info, request).await {
            Ok(entered) => called(entered, next).await,
            Err(refused) => refused,
        };
    }
    let headers = request.headers();
    let token = cookies::read(headers, cookies::SESSION).map(str::to_owned);
    let old_visit = cookies::read(headers, cookies::VISIT).map(str::to_owned);
    let toast = cookies::read(headers, cookies::TOAST).and_then(|t| web.unstamp("toast", t));
    let origin = info.origin(web.now());
    let session = match &token {
        Some(token) => match web.sessions().resolve(token, origin).await {
            Ok(session) => session,
            Err(error) => {
                tracing::error!(
                    error = kernel_host::chain(&error),
                    "sessions cannot be read"
                );
                return Problem::of_status(axum::http::StatusCode::SERVICE_UNAVAILABLE)
                    .into_response();
            }
        },
        None => None,
    };
    let visit = match &old_visit {
        Some(visit) => visit.clone(),
        None => match random::token_base64url(16) {
            Ok(visit) => visit,
            Err(error) => {
                tracing::error!(%error, "no entropy");
                return Problem::of_status(axum::http::StatusCode::SERVICE_UNAVAILABLE)
                    .into_response();
            }
        },
    };
    let mut principal =
        session.unwrap_or_else(|| Principal::anonymous().at(&info.id, &info.ip, &info.locale));
    principal.visit.clone_from(&visit);
    principal.address = web.address(&info);
    let bound = bound(&principal).unwrap_or_else(|| format!("visit:{visit}"));
    // A page without a form token needs no visit mark; programs bring their own session.
    let mark = old_visit.is_none() && principal.session.is_none() && info.person;
    let unread = unread(&web, &info, &principal).await;
    let caller = Arc::new(Caller {
        principal,
        token,
        bound,
        visit,
        toast,
        call: None,
        unread,
    });
    request.extensions_mut().insert(Arc::clone(&caller));
    let mut response = next.run(request).await;
    if mark && let Some(cookie) = cookies::set(cookies::VISIT, &caller.visit, None, web.secure()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response.extensions_mut().insert(caller);
    response
}

/// Asked once a page. A page is shown without its bell rather than not at all.
async fn unread(web: &Web, info: &RequestInfo, principal: &Principal) -> Option<Unread> {
    if !info.person || principal.is_anonymous() {
        return None;
    }
    match web.host().unread(principal).await {
        Ok(unread) => Some(unread),
        Err(fault) => {
            tracing::error!(%fault, "notices cannot be counted");
            None
        }
    }
}

/// Runs a signed call. There is no session in it, whatever cookies came along.
async fn called(entered: Entered, next: Next) -> Response {
    let Entered {
        principal,
        mut request,
        call,
        sealing,
        limits,
    } = entered;
    let caller = Arc::new(Caller {
        principal,
        token: None,
        bound: String::new(),
        visit: String::new(),
        toast: None,
        call: Some(Arc::new(call)),
        unread: None,
    });
    request.extensions_mut().insert(Arc::clone(&caller));
    let mut response = next.run(request).await;
    response.headers_mut().extend(limits);
    response.extensions_mut().insert(caller);
    if let Some(sealing) = sealing {
        response.extensions_mut().insert(sealing);
    }
    response
}

/// A form that was drawn while somebody acted for one organisation is not sent for another.
fn bound(principal: &Principal) -> Option<String> {
    let session = principal.session.as_ref()?;
    let organisation = principal.organisation.as_deref().unwrap_or_default();
    Some(format!("{session}:{organisation}"))
}

impl Caller {
    /// The same caller once signed in, before the browser has sent the new cookie.
    pub(crate) fn signed_in(&self, principal: &Principal) -> Self {
        Self {
            bound: bound(principal).unwrap_or_default(),
            principal: principal.clone(),
            token: None,
            visit: self.visit.clone(),
            toast: None,
            call: None,
            unread: None,
        }
    }

    /// A form token: `salt.proof`, and for a signed-in user `.user.proof` as well. Each is
    /// different, so that compressed pages do not give it away.
    pub(crate) fn csrf(&self, web: &Web) -> String {
        let salt = random::token_hex(8).unwrap_or_default();
        let proof = self.proof(web, &salt);
        match &self.principal.user {
            Some(user) => format!("{salt}.{proof}.{user}.{}", drawn(web, &salt, user)),
            None => format!("{salt}.{proof}"),
        }
    }

    /// Whether a form token was given to this caller.
    pub(crate) fn owns(&self, web: &Web, token: &str) -> bool {
        let mut parts = token.split('.');
        let (Some(salt), Some(proof)) = (parts.next(), parts.next()) else {
            return false;
        };
        salt.len() == 16 && same(proof.as_bytes(), self.proof(web, salt).as_bytes())
    }

    /// For programs: the token comes in a header.
    pub(crate) fn checked(&self, web: &Web, headers: &HeaderMap) -> Result<(), Problem> {
        // Without a session there is nothing a forged request could borrow.
        if self.principal.session.is_none() {
            return Ok(());
        }
        let token = headers
            .get(CSRF_HEADER)
            .and_then(|h| h.to_str().ok())
            .unwrap_or_default();
        if self.owns(web, token) {
            Ok(())
        } else {
            Err(Problem::csrf())
        }
    }

    fn proof(&self, web: &Web, salt: &str) -> String {
        web.sessions()
            .stamp("csrf", &format!("{salt}:{}", self.bound))
    }
}

impl RequestInfo {
    pub(crate) fn origin(&self, now: i64) -> Origin<'_> {
        Origin {
            request: &self.id,
            ip: &self.ip,
            locale: &self.locale,
            now,
        }
    }
}

/// The user a form was drawn for, whatever became of the session since. It says nothing about who
/// sends it: it allows no action, only keeping what was typed for that user.
pub(crate) fn drawn_for<'a>(web: &Web, token: &'a str) -> Option<&'a str> {
    let mut parts = token.split('.');
    let (salt, _, user, proof) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let right = drawn(web, salt, user);
    same(proof.as_bytes(), right.as_bytes()).then_some(user)
}

fn drawn(web: &Web, salt: &str, user: &str) -> String {
    web.sessions().stamp("form", &format!("{salt}:{user}"))
}

/// Compares without telling by time where the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}
