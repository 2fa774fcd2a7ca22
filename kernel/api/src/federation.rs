//! Signing in with an account that another keeps: away to the provider, and back with a code.
//!
//! Nothing is kept of who is sent away. The state that goes along is stamped and says where, until
//! when and from which browser (by its visit cookie); the verifier of PKCE and the nonce are stamps
//! of that state. Coming back spends it ([`Sessions::spend`]), before the code is exchanged: the same
//! return does nothing a second time, nor in another browser, nor at another provider's address.
//! Where somebody goes afterwards is a path of this site, checked on the way out and on the way back.
//!
//! [`Sessions::spend`]: kernel_identity::session::Sessions::spend

mod exchange;
mod id_token;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_crypto::foreign::sha256;
use kernel_crypto::{random, sm3};
use kernel_host::{Host, chain};
use kernel_identity::error::IdentityError;
use kernel_identity::federation::Arrived;
use kernel_portal::{LoginScreen, ProviderView};
use sdk_contract::def::Label;
use sdk_contract::scalar::Timestamp;
use serde::Deserialize;

use crate::caller::Caller;
use crate::edge::RequestInfo;
use crate::login::{self, Next, local, see_other, with_session};
use crate::problem::Problem;
use crate::step_up::Question;
use crate::{Web, cookies, view};

use exchange::Sent;

/// Seconds within which somebody comes back.
const GOOD: i64 = 600;
/// Longest path that is remembered on the way.
const LONGEST: usize = 500;
/// What stamps of [`Web::stamp`] are for.
const STATE: &str = "federation";

/// What a provider sends people back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Returned {
    code: String,
    state: String,
    error: String,
}

/// `GET /login/with/{provider}`: away.
pub(crate) async fn start(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    Path(id): Path<String>,
    Query(asked): Query<Next>,
) -> Result<Response, Problem> {
    let providers = web.sessions().providers();
    let provider = providers.get(&id).ok_or_else(Problem::not_found)?;
    let next = Some(local(&asked.next)).filter(|next| next.len() <= LONGEST);
    let until = Timestamp(web.now()).plus_seconds(GOOD).micros();
    let nonce = random::token_hex(16).map_err(|error| failed(&error.into()))?;
    let visit = sm3::digest(caller.visit.as_bytes());
    let text = format!("{id}\n{until}\n{visit}\n{nonce}\n{}", next.unwrap_or("/"));
    let state = web.stamp(STATE, &text);
    let sent = Sent::of(&web, &info, &id, &state);
    let challenge = URL_SAFE_NO_PAD.encode(sha256(sent.verifier.as_bytes()));
    let mut query = vec![
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", &sent.redirect),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if !provider.scope.is_empty() {
        query.push(("scope", &provider.scope));
    }
    if !provider.issuer.is_empty() {
        query.push(("nonce", &sent.nonce));
    }
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", view::escape(value)))
        .collect();
    let mark = if provider.authorize.contains('?') {
        '&'
    } else {
        '?'
    };
    let to = format!("{}{mark}{}", provider.authorize, query.join("&"));
    let to = HeaderValue::from_str(&to).map_err(|_| Problem::not_found())?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, to);
    // Who is signed in may have no mark of the visit yet.
    if caller.principal.session.is_some()
        && let Some(cookie) = cookies::set(cookies::VISIT, &caller.visit, None, web.secure())
    {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /login/from/{provider}`: back.
pub(crate) async fn finish(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    Path(id): Path<String>,
    Query(returned): Query<Returned>,
) -> Result<Response, Problem> {
    let sessions = web.sessions();
    let provider = sessions.providers().get(&id);
    let provider = provider.ok_or_else(Problem::not_found)?;
    let origin = info.origin(web.now());
    let refused = async |why: &str, message: &str| {
        let noted = sessions
            .refuse_return(&id, why, &caller.principal, origin)
            .await;
        noted.map_err(|error| failed(&error))?;
        Ok(again(&web, &caller, &info, StatusCode::FORBIDDEN, message))
    };
    let Some(next) = sent_from_here(&web, &caller, &id, &returned.state) else {
        let message = info.say(
            "登录请求已失效或不是从本浏览器发起的，请重新点击登录",
            "This sign-in has expired, or was begun in another browser. Please begin again",
        );
        return refused("state", message).await;
    };
    if returned.code.is_empty() {
        let message = info.say(
            "没有完成登录，您可以重新点击或换一种方式",
            "The sign-in was not completed. Try again, or another way",
        );
        let why: String = returned.error.chars().take(60).collect();
        return refused(&format!("provider: {why}"), message).await;
    }
    let visit = (id.as_str(), caller.visit.as_str());
    let arrival = match sessions.spend(&returned.state, visit, origin).await {
        Ok(arrival) => arrival,
        Err(error) => return problem(&web, &caller, &info, login::refusal(&error)),
    };
    let sent = Sent::of(&web, &info, &id, &returned.state);
    let vouched = exchange::vouched(&web, (&id, provider), &sent, &returned.code).await;
    let vouched = match vouched {
        Ok(vouched) => vouched,
        Err(error) => {
            tracing::warn!(
                provider = id,
                error = chain(&error),
                "nobody is vouched for"
            );
            let message = error.message();
            let message = message.pick(info.english());
            if !error.is_of_the_code() {
                return refused(error.why(), message).await;
            }
            let counted = sessions.refuse_code(&id, &caller.principal, origin).await;
            if let Err(error) = counted {
                return problem(&web, &caller, &info, login::refusal(&error));
            }
            return Ok(again(&web, &caller, &info, StatusCode::FORBIDDEN, message));
        }
    };
    let place = match &vouched.party {
        None => None,
        Some(party) => match web.host().arrives_for(&caller.principal, party).await {
            Ok(place) => place,
            Err(fault) => return refused(&fault.code, &fault.message).await,
        },
    };
    let who = (&caller.principal, place.as_deref());
    let (arrived, left) = match sessions.arrive(&arrival, &vouched, who, origin).await {
        Ok(arrived) => arrived,
        Err(error) => return problem(&web, &caller, &info, login::refusal(&error)),
    };
    let next = if left {
        Host::arrival_page(&arrival.id)
    } else {
        next
    };
    Ok(match arrived {
        Arrived::In(signed) => with_session(&web, see_other(&next), &signed.token),
        Arrived::Here | Arrived::New => see_other(&next),
        Arrived::Pending { pending, ways } => {
            let question = Question::of(&web, &info, &ways, &pending)?;
            let screen = LoginScreen {
                pending: &pending,
                factors: question.view(),
                next: &next,
                ..LoginScreen::default()
            };
            Html(view::login(&web, &caller, &info, &screen)).into_response()
        }
    })
}

/// Where somebody wanted to go whom this server sent away, a while ago, from this browser, to this
/// provider.
fn sent_from_here(web: &Web, caller: &Caller, id: &str, state: &str) -> Option<String> {
    let text = web.unstamp(STATE, state)?;
    let mut lines = text.splitn(5, '\n');
    let provider = lines.next()? == id;
    let until: i64 = lines.next()?.parse().ok()?;
    let visit = lines.next()? == sm3::digest(caller.visit.as_bytes()).to_string();
    let next = lines.nth(1)?;
    (provider && visit && web.now() < until).then(|| local(next).to_owned())
}

/// The providers that the sign-in page offers.
pub(crate) fn offered(web: &Web, english: bool, next: &str) -> Vec<ProviderView> {
    let providers = web.sessions().providers().iter();
    providers
        .map(|(id, provider)| ProviderView {
            label: label(&provider.label()).pick(english).to_owned(),
            to: format!("/login/with/{id}?next={}", view::escape(next)),
        })
        .collect()
}

fn label(name: &Label) -> Label {
    let en = if name.en.is_empty() {
        &name.zh
    } else {
        &name.en
    };
    Label::new(format!("用{}登录", name.zh), format!("Sign in with {en}"))
}

fn again(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    status: StatusCode,
    message: &str,
) -> Response {
    let screen = LoginScreen {
        message: Some(message),
        ..LoginScreen::default()
    };
    (status, Html(view::login(web, caller, info, &screen))).into_response()
}

fn problem(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    problem: Problem,
) -> Result<Response, Problem> {
    if problem.status.is_server_error() {
        return Err(problem);
    }
    let why = login::why(info, &problem);
    let mut response = again(web, caller, info, problem.status, &why);
    if let Some(seconds) = problem.retry_after {
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    Ok(response)
}

fn failed(error: &IdentityError) -> Problem {
    tracing::error!(error = chain(error), "sign-in failed");
    Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
}
