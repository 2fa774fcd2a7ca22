//! Proving a second factor in the middle of a session: between a form and what it does, and at an
//! address of its own for programs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use kernel_crypto::random;
use kernel_host::{ACCOUNT_PAGE, UploadRef, chain};
use kernel_identity::account::AccountError;
use kernel_identity::challenge::Asked;
use kernel_identity::error::IdentityError;
use kernel_identity::offer::{Offer, Ways};
use kernel_portal::{FactorsView, StepUpScreen};
use sdk_contract::error::{Fault, STEP_UP};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::edge::RequestInfo;
use crate::login::{WRONG_CODE, WRONG_CODE_EN, see_other};
use crate::parked::{self, Parked};
use crate::problem::Problem;
use crate::typed::{Post, Typed};
use crate::{Web, view};

/// Where programs prove it.
pub(crate) const ADDRESS: &str = "/api/v1/session/step-up";
/// Code of a refusal that setting up a second factor may lift.
pub(crate) const FACTOR_NEEDED: &str = "second-factor-needed";
/// The field of the code.
const CODE_FIELD: &str = "_code";
/// The fields of a signed challenge.
const CHALLENGE_FIELD: &str = "_challenge";
const SIGNATURE_FIELD: &str = "_signature";

/// A post that waits for the factor.
pub(crate) struct Held<'a> {
    pub(crate) path: &'a str,
    pub(crate) typed: Typed,
    pub(crate) uploads: Vec<UploadRef>,
    pub(crate) incomplete: bool,
    /// Where to go instead.
    pub(crate) back: &'a str,
}

/// What a post is to the factor that was asked for.
pub(crate) enum Resumed {
    /// It brings none.
    No,
    /// It brings one that is not right, or that nothing waits for.
    Again(Response),
    /// The factor is proven; this is what waited for it.
    Post(Parked),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Proof {
    Code(Code),
    Signed(Signed),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    code: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    challenge: String,
    /// DER in base64, over the challenge's text.
    signature: String,
}

/// `GET /api/v1/session/step-up`: what the caller can prove, and a challenge to sign.
pub(crate) async fn ask_how(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
) -> Result<Json<Value>, Problem> {
    let (ways, session) = standing(&web, &caller).await?;
    let mut told = told(&web, &info, ways, &session)?;
    told.remove("pending");
    Ok(Json(Value::Object(told)))
}

/// The second factors of somebody who is signed in, and the session.
async fn standing(web: &Web, caller: &Caller) -> Result<(Ways, String), Problem> {
    let p = &caller.principal;
    let (Some(user), Some(session)) = (&p.user, &p.session) else {
        return Err(Problem::unauthenticated());
    };
    let ways = web.sessions().ways(user).await;
    let ways = ways.map_err(|error| failed(&error))?;
    Ok((ways, session.clone()))
}

/// The factor that a form brings: a signature where there is one, else the code in `field`.
pub(crate) fn offer<'a>(post: &'a Post, field: &str, address: &'a str) -> Offer<'a> {
    match post.first(SIGNATURE_FIELD) {
        "" => Offer::Code(post.first(field)),
        signature => Offer::Signed {
            challenge: post.first(CHALLENGE_FIELD),
            signature,
            address,
        },
    }
}

/// A challenge for whoever has something to sign it with.
pub(crate) fn challenge(
    web: &Web,
    info: &RequestInfo,
    ways: Ways,
    purpose: &str,
) -> Result<Option<Asked>, Problem> {
    if !ways.certificate {
        return Ok(None);
    }
    let asked = web
        .sessions()
        .challenge(purpose, &web.address(info), web.now());
    asked.map(Some).map_err(|error| failed(&error))
}

/// What the portal shows of them.
pub(crate) fn factors(ways: Ways, challenge: Option<&Asked>) -> FactorsView<'_> {
    FactorsView {
        code: ways.code,
        challenge: challenge.map(|asked| (asked.text.as_str(), asked.token.as_str())),
    }
}

/// The same for programs: `pending`, `ways`, and a challenge with its token.
pub(crate) fn told(
    web: &Web,
    info: &RequestInfo,
    ways: Ways,
    purpose: &str,
) -> Result<Map<String, Value>, Problem> {
    let names = [("code", ways.code), ("certificate", ways.certificate)];
    let names: Vec<&str> = names
        .iter()
        .filter(|(_, is)| *is)
        .map(|(n, _)| *n)
        .collect();
    let mut told = Map::new();
    told.insert("pending".into(), purpose.into());
    told.insert("ways".into(), names.into());
    if let Some(asked) = challenge(web, info, ways, purpose)? {
        told.insert("text".into(), asked.text.into());
        told.insert("challenge".into(), asked.token.into());
    }
    Ok(told)
}

/// `POST /api/v1/session/step-up`
pub(crate) async fn prove(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    Json(proof): Json<Proof>,
) -> Result<StatusCode, Problem> {
    if caller.principal.session.is_none() {
        return Err(Problem::unauthenticated());
    }
    caller.checked(&web, &headers)?;
    let origin = info.origin(web.now());
    let address = web.address(&info);
    let offer = match &proof {
        Proof::Code(proof) => Offer::Code(&proof.code),
        Proof::Signed(proof) => Offer::Signed {
            challenge: &proof.challenge,
            signature: &proof.signature,
            address: &address,
        },
    };
    let proven = web.sessions().step_up(&caller.principal, offer, origin);
    proven.await.map_err(|error| refusal(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for the factor, or leads to where one is set up; what was typed waits meanwhile.
pub(crate) async fn ask(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    held: Held<'_>,
    fault: &Fault,
) -> Response {
    let mut typed = held.typed;
    typed.remove("_csrf");
    let name = random::token_hex(16).unwrap_or_default();
    let post = Parked {
        path: held.path.to_owned(),
        typed,
        uploads: held.uploads,
        incomplete: held.incomplete,
        visit: caller.visit.clone(),
        user: caller.principal.user.clone(),
        at: web.now(),
    };
    if name.is_empty() || !web.lot().park(&name, post) {
        let status = StatusCode::FORBIDDEN;
        return Problem::new(status, &fault.code, &fault.message).into_response();
    }
    if fault.code != STEP_UP {
        let mark = if held.back.contains('?') { '&' } else { '?' };
        let back = format!("{}{mark}{}={name}", held.back, parked::PARAMETER);
        return see_other(&format!("{ACCOUNT_PAGE}?back={}", view::escape(&back)));
    }
    let asked = screen(web, caller, info, (&name, held.back), None).await;
    asked.unwrap_or_else(IntoResponse::into_response)
}

/// Takes a post that brings the factor for one that waits.
pub(crate) async fn resume(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    path: &str,
    post: &Post,
) -> Result<Resumed, Problem> {
    if !post.typed.contains_key(CODE_FIELD) && !post.typed.contains_key(SIGNATURE_FIELD) {
        return Ok(Resumed::No);
    }
    let name = post.first(parked::PARAMETER);
    let user = caller.principal.user.as_deref();
    let found = web.lot().find(name, path, &caller.visit, user, web.now());
    let Some(parked) = found else {
        let gone = info.say(
            "等待时间过长，请返回重新提交",
            "This took too long; please go back and send it again",
        );
        return Err(Problem::new(StatusCode::CONFLICT, "gone", gone));
    };
    let origin = info.origin(web.now());
    let address = web.address(info);
    let offer = offer(post, CODE_FIELD, &address);
    let proven = web.sessions().step_up(&caller.principal, offer, origin);
    let Err(error) = proven.await else {
        return Ok(Resumed::Post(parked));
    };
    let problem = refusal(&error);
    if problem.status.is_server_error() {
        return Err(problem);
    }
    let back = crate::typed::first(&parked.typed, "back");
    let back = if path == kernel_portal::LOOK_PATH {
        back
    } else {
        &info.target
    };
    let again = screen(web, caller, info, (name, back), Some(&problem)).await?;
    Ok(Resumed::Again(again))
}

async fn screen(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    (parked, back): (&str, &str),
    refused: Option<&Problem>,
) -> Result<Response, Problem> {
    let (ways, session) = standing(web, caller).await?;
    let challenge = challenge(web, info, ways, &session)?;
    let message = refused.map(|problem| match problem.retry_after {
        None if info.english() => WRONG_CODE_EN.to_owned(),
        Some(seconds) if info.english() => {
            let minutes = seconds.saturating_add(59) / 60;
            format!("Too many failed attempts. Please try again in {minutes} minutes")
        }
        _ => problem.detail.clone(),
    });
    let screen = StepUpScreen {
        action: &info.target,
        parked,
        message: message.as_deref(),
        factors: factors(ways, challenge.as_ref()),
        back,
    };
    let path = info.target.split('?').next().unwrap_or("/");
    let ctx = view::context(web, Some(caller), info, path);
    let status = refused.map_or(StatusCode::FORBIDDEN, |p| p.status);
    let html = Html(kernel_portal::step_up_page(&screen, &ctx));
    let mut response = (status, html).into_response();
    if let Some(seconds) = refused.and_then(|p| p.retry_after) {
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    Ok(response)
}

/// Why a factor was not taken, for the one who offered it.
fn refusal(error: &AccountError) -> Problem {
    match error {
        AccountError::Locked { retry_after } => Problem::locked(*retry_after),
        AccountError::Failed(error) => failed(error),
        AccountError::NoSuchFactor => Problem::new(
            StatusCode::FORBIDDEN,
            FACTOR_NEEDED,
            "请先在“账号安全”中启用第二重验证",
        ),
        _ => Problem::new(StatusCode::UNAUTHORIZED, "wrong-code", WRONG_CODE),
    }
}

fn failed(error: &IdentityError) -> Problem {
    tracing::error!(error = chain(error), "step-up failed");
    Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
}
