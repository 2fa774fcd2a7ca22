//! Proving a second factor in the middle of a session: between a form and what it does, and at an
//! address of its own for programs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel_crypto::random;
use kernel_host::{ACCOUNT_PAGE, UploadRef, chain};
use kernel_identity::account::AccountError;
use kernel_identity::challenge::Asked;
use kernel_identity::error::IdentityError;
use kernel_identity::offer::{Offer, Ways};
use kernel_identity::outside;
use kernel_identity::security_keys::site_of;
use kernel_portal::{FactorsView, StepUpScreen};
use sdk_contract::error::{Fault, SIGN, STEP_UP};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::caller::Caller;
use crate::edge::RequestInfo;
use crate::login::{WRONG_CODE, WRONG_CODE_EN, see_other};
use crate::parked::{self, Parked};
use crate::problem::Problem;
use crate::signing::challenge;
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
/// The field of what a security key answered.
const KEY_FIELD: &str = "_security_key";

/// A post that waits for the factor.
pub(crate) struct Held<'a> {
    pub(crate) path: &'a str,
    pub(crate) typed: Typed,
    pub(crate) uploads: Vec<UploadRef>,
    pub(crate) incomplete: bool,
    /// The content that the caller's certificate is to sign, where it is that which is asked for.
    pub(crate) signs: Option<Vec<u8>>,
    /// A signature came with it that was not right.
    pub(crate) again: bool,
    /// Where to go instead.
    pub(crate) back: &'a str,
}

/// What a post is to the factor that was asked for.
pub(crate) enum Resumed {
    /// It brings none.
    No,
    /// It brings one that is not right, or that nothing waits for.
    Again(Response),
    /// The factor is proven, or will be by what was signed; this is what waited for it.
    Post(Parked, kernel_host::Proof),
}

/// How somebody is asked for a second factor: what they can prove, and a challenge for what signs.
pub(crate) struct Question {
    ways: Ways,
    asked: Option<Asked>,
    /// `PublicKeyCredentialRequestOptionsJSON` of Web Authentication; empty where there is no key.
    options: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Proof {
    Code(Code),
    Signed(Signed),
    Key(Assertion),
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assertion {
    challenge: String,
    /// `AuthenticationResponseJSON`.
    security_key: Value,
}

/// `GET /api/v1/session/step-up`: what the caller can prove, and a challenge to sign.
pub(crate) async fn ask_how(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
) -> Result<Json<Value>, Problem> {
    let (ways, session) = standing(&web, &caller).await?;
    let question = Question::of(&web, &info, &ways, &session)?;
    Ok(Json(Value::Object(question.told())))
}

/// The second factors of somebody who is signed in, and the session.
async fn standing(web: &Web, caller: &Caller) -> Result<(Ways, String), Problem> {
    let p = &caller.principal;
    let (Some(user), Some(session)) = (&p.user, &p.session) else {
        return Err(Problem::unauthenticated());
    };
    let ways = web.sessions().counting_ways(user, web.now()).await;
    let ways = ways.map_err(|error| failed(&error))?;
    Ok((ways, session.clone()))
}

/// The factor that a form brings: what a key or a certificate signed where there is that, else the
/// code in `field`.
pub(crate) fn offer<'a>(post: &'a Post, field: &str, address: &'a str) -> Offer<'a> {
    let challenge = post.first(CHALLENGE_FIELD);
    match (post.first(SIGNATURE_FIELD), post.first(KEY_FIELD)) {
        ("", "") => Offer::Code(post.first(field)),
        ("", answer) => Offer::Key {
            challenge,
            answer,
            address,
        },
        (signature, _) => Offer::Signed {
            challenge,
            signature,
            address,
        },
    }
}

impl Question {
    /// For a session, or a sign-in that waits (`purpose`).
    pub(crate) fn of(
        web: &Web,
        info: &RequestInfo,
        ways: &Ways,
        purpose: &str,
    ) -> Result<Self, Problem> {
        let address = web.address(info);
        let mut question = Self {
            ways: ways.clone(),
            asked: None,
            options: String::new(),
        };
        if ways.signs() {
            let asked = web.sessions().challenge(purpose, &address, web.now());
            question.asked = Some(asked.map_err(|error| failed(&error))?);
        }
        if let (Some(asked), false) = (&question.asked, ways.keys.is_empty()) {
            question.options = json!({
                "challenge": URL_SAFE_NO_PAD.encode(&asked.text),
                "rpId": site_of(&address),
                "allowCredentials": credentials(&ways.keys),
                "userVerification": "preferred",
            })
            .to_string();
        }
        Ok(question)
    }

    /// What the caller's certificate signs of what they are about to do.
    pub(crate) fn about(web: &Web, caller: &Caller, content: &[u8]) -> Result<Self, Problem> {
        Ok(Self {
            ways: Ways {
                certificate: true,
                ..Ways::default()
            },
            asked: Some(challenge(web, caller, content)?),
            options: String::new(),
        })
    }

    /// What the portal shows of it.
    pub(crate) fn view(&self) -> FactorsView<'_> {
        let asked = self.asked.as_ref();
        let token = asked.map_or("", |asked| asked.token.as_str());
        FactorsView {
            code: self.ways.code,
            challenge: asked
                .filter(|_| self.ways.certificate)
                .map(|asked| (asked.text.as_str(), token)),
            key: (!self.options.is_empty()).then_some((self.options.as_str(), token)),
        }
    }

    /// The same for programs: `ways`, and a challenge with its token.
    pub(crate) fn told(self) -> Map<String, Value> {
        let names = [
            ("code", self.ways.code),
            ("certificate", self.ways.certificate),
            ("security-key", !self.ways.keys.is_empty()),
        ];
        let names = names.iter().filter(|(_, is)| *is).map(|(name, _)| *name);
        let mut told = Map::new();
        told.insert("ways".into(), names.collect::<Vec<_>>().into());
        if !self.ways.keys.is_empty() {
            told.insert("keys".into(), self.ways.keys.into());
        }
        if let Some(asked) = self.asked {
            told.insert("text".into(), asked.text.into());
            told.insert("challenge".into(), asked.token.into());
        }
        told
    }
}

/// As browsers take them.
fn credentials(ids: &[String]) -> Value {
    let all = ids
        .iter()
        .map(|id| json!({ "type": "public-key", "id": id }));
    all.collect()
}

/// `GET /api/v1/session/security-key`: what a browser makes a new key for, and the challenge's token
/// to send back with what it answers.
pub(crate) async fn ask_to_add(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
) -> Result<Json<Value>, Problem> {
    let (ways, session) = standing(&web, &caller).await?;
    let p = &caller.principal;
    let address = web.address(&info);
    let asked = web.sessions().challenge(&session, &address, web.now());
    let asked = asked.map_err(|error| failed(&error))?;
    let user = p.user.as_deref().unwrap_or_default();
    let site = site_of(&address);
    Ok(Json(json!({
        "challenge": asked.token,
        "options": {
            "challenge": URL_SAFE_NO_PAD.encode(&asked.text),
            "rp": { "id": site, "name": web.settings().site.name.pick(info.english()) },
            "user": {
                "id": URL_SAFE_NO_PAD.encode(user), "name": p.login, "displayName": p.name,
            },
            "pubKeyCredParams": [
                { "type": "public-key", "alg": -7 },
                { "type": "public-key", "alg": -257 },
            ],
            "excludeCredentials": credentials(&ways.keys),
            "authenticatorSelection": { "userVerification": "preferred" },
            "attestation": "none",
        },
    })))
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
    let answer = match &proof {
        Proof::Key(proof) => proof.security_key.to_string(),
        _ => String::new(),
    };
    let offer = match &proof {
        Proof::Key(proof) => Offer::Key {
            challenge: &proof.challenge,
            answer: &answer,
            address: &address,
        },
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
        signs: held.signs.clone(),
        visit: caller.visit.clone(),
        user: caller.principal.user.clone(),
        at: web.now(),
    };
    if name.is_empty() || !web.lot().park(&name, post) {
        let status = StatusCode::FORBIDDEN;
        return Problem::new(status, &fault.code, &fault.message).into_response();
    }
    if ![STEP_UP, SIGN].contains(&fault.code.as_str()) {
        let mark = if held.back.contains('?') { '&' } else { '?' };
        let back = format!("{}{mark}{}={name}", held.back, parked::PARAMETER);
        return see_other(&format!("{ACCOUNT_PAGE}?back={}", view::escape(&back)));
    }
    let signs = held.signs.as_deref();
    let refused = held.again.then(|| {
        let status = StatusCode::UNAUTHORIZED;
        Problem::new(status, &fault.code, &fault.message)
    });
    let asked = screen(
        web,
        caller,
        info,
        (&name, held.back, signs),
        refused.as_ref(),
    )
    .await;
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
    let fields = [CODE_FIELD, SIGNATURE_FIELD, KEY_FIELD];
    if !fields.iter().any(|field| post.typed.contains_key(*field)) {
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
    let back = crate::typed::first(&parked.typed, "back");
    let back = if path == kernel_portal::LOOK_PATH {
        back
    } else {
        &info.target
    };
    let signs = parked.signs.as_deref();
    // Where scripts are off a key's field comes empty: nothing is judged, and nothing counts.
    if fields.iter().all(|field| post.first(field).is_empty()) {
        let again = screen(web, caller, info, (name, back, signs), None).await?;
        return Ok(Resumed::Again(again));
    }
    if signs.is_some() {
        let proof = kernel_host::Proof::Signed {
            challenge: post.first(CHALLENGE_FIELD).to_owned(),
            signature: post.first(SIGNATURE_FIELD).to_owned(),
        };
        return Ok(Resumed::Post(parked, proof));
    }
    let origin = info.origin(web.now());
    let address = web.address(info);
    let offer = offer(post, CODE_FIELD, &address);
    let proven = web.sessions().step_up(&caller.principal, offer, origin);
    let Err(error) = proven.await else {
        return Ok(Resumed::Post(parked, kernel_host::Proof::None));
    };
    let problem = refusal(&error);
    if problem.status.is_server_error() {
        return Err(problem);
    }
    let again = screen(web, caller, info, (name, back, signs), Some(&problem)).await?;
    Ok(Resumed::Again(again))
}

async fn screen(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    (parked, back, signs): (&str, &str, Option<&[u8]>),
    refused: Option<&Problem>,
) -> Result<Response, Problem> {
    let (ways, session) = standing(web, caller).await?;
    let question = match signs {
        Some(content) => Question::about(web, caller, content)?,
        None => Question::of(web, info, &ways, &session)?,
    };
    let content = signs.map(String::from_utf8_lossy);
    let message = refused.map(|problem| match problem.retry_after {
        None if info.english() && signs.is_none() && problem.code == "wrong-code" => {
            WRONG_CODE_EN.to_owned()
        }
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
        factors: question.view(),
        content: content.as_deref(),
        back,
    };
    let path = info.target.split('?').next().unwrap_or("/");
    let ctx = view::context(web, Some(caller), info, path);
    let status = refused.map_or(StatusCode::FORBIDDEN, |p| p.status);
    let html = Html(kernel_portal::step_up_page(&screen, &ctx));
    let response = (status, html).into_response();
    Ok(match refused {
        Some(problem) => problem.waits(response),
        None => response,
    })
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
        AccountError::Certificate(why) => {
            let (code, message) = outside::told(*why);
            Problem::new(StatusCode::UNAUTHORIZED, code, message)
        }
        _ => Problem::new(StatusCode::UNAUTHORIZED, "wrong-code", WRONG_CODE),
    }
}

fn failed(error: &IdentityError) -> Problem {
    tracing::error!(error = chain(error), "step-up failed");
    Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
}
