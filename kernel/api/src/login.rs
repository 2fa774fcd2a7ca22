//! Signing in and out: the form for people, `/api/v1/session` for programs.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use kernel_crypto::ca::RefusedCertificate;
use kernel_host::{Act, chain};
use kernel_identity::error::LoginError;
use kernel_identity::offer::Offer;
use kernel_identity::outside;
use kernel_portal::{LOGIN_PATH, LoginScreen, SEALED_FIELD};
use sdk_contract::page::is_site_path;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::edge::RequestInfo;
use crate::problem::Problem;
use crate::step_up::Question;
use crate::typed::Post;
use crate::{Web, cookies, sealed, step_up, view};

const REFUSED: &str = "用户名或密码不正确";
pub(crate) const WRONG_CODE: &str = "口令不正确或已用过，请填写验证器现在显示的数字，或一个恢复码";
pub(crate) const WRONG_CODE_EN: &str = "The code is wrong or was used before. Please type what your \
                             authenticator shows now, or a recovery code";

#[derive(Debug, Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    pub(crate) next: String,
}

pub(crate) async fn form(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    Query(asked): Query<Next>,
) -> Response {
    let next = local(&asked.next);
    if caller.principal.user.is_some() {
        return see_other(next);
    }
    let message =
        (!asked.next.is_empty()).then_some(info.say("请登录后继续", "Please sign in to go on"));
    let screen = LoginScreen {
        message,
        next,
        ..LoginScreen::default()
    };
    Html(view::login(&web, &caller, &info, &screen)).into_response()
}

pub(crate) async fn submit(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Result<Response, Problem> {
    let post = Post::read(request, 0).await?;
    let next = local(post.first("next")).to_owned();
    let username = post.first("username").to_owned();
    let again = |status: StatusCode, message: &str| {
        let screen = LoginScreen {
            username: &username,
            message: Some(message),
            next: &next,
            ..LoginScreen::default()
        };
        (status, Html(view::login(&web, &caller, &info, &screen))).into_response()
    };
    if !caller.owns(&web, post.first("_csrf")) {
        let message = info.say(
            "页面已过期，请再登录一次",
            "The page has expired. Please sign in once more",
        );
        return Ok(again(StatusCode::FORBIDDEN, message));
    }
    let (sessions, origin) = (web.sessions(), info.origin(web.now()));
    let pending = post.first("pending");
    let done = if pending.is_empty() {
        // Nothing is made of a password that came in clear: the page's script did not run.
        let sealed = post.first(SEALED_FIELD);
        let opened = match sealed {
            "" => Err(sealed::in_clear()),
            sealed => sealed::open(&web, &caller, LOGIN_PATH, sealed).await,
        };
        match opened {
            Ok(opened) => {
                let done = sessions.login_sealed(&username, &opened, None, origin);
                done.await
            }
            Err(fault) => {
                let problem = Problem::from(fault);
                if problem.status.is_server_error() {
                    return Err(problem);
                }
                return Ok(again(problem.status, &why(&info, &problem)));
            }
        }
    } else {
        let address = web.address(&info);
        let offer = step_up::offer(&post, "code", &address);
        sessions.login_with(pending, offer, origin).await
    };
    let error = match done {
        Ok(signed) => return Ok(with_session(&web, see_other(&next), &signed.token)),
        Err(error) => error,
    };
    if let LoginError::CodeNeeded { pending, ways } | LoginError::WrongCode { pending, ways, .. } =
        &error
    {
        let wrong = matches!(error, LoginError::WrongCode { .. });
        let disbelieved = match &error {
            LoginError::WrongCode { why: Some(why), .. } => Some(disbelieved(&info, *why)),
            _ => None,
        };
        let wrong_code = info.say(WRONG_CODE, WRONG_CODE_EN);
        let question = Question::of(&web, &info, ways, pending)?;
        let screen = LoginScreen {
            username: &username,
            pending,
            factors: question.view(),
            message: wrong.then_some(disbelieved.as_deref().unwrap_or(wrong_code)),
            next: &next,
            ..LoginScreen::default()
        };
        let status = if wrong {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        };
        return Ok((status, Html(view::login(&web, &caller, &info, &screen))).into_response());
    }
    let problem = refusal(&error);
    if problem.status.is_server_error() {
        return Err(problem);
    }
    Ok(problem.waits(again(problem.status, &why(&info, &problem))))
}

/// Why a certificate is not believed, in the language of the page.
pub(crate) fn disbelieved(info: &RequestInfo, why: RefusedCertificate) -> String {
    if info.english() {
        format!("Your certificate is not accepted: {why}")
    } else {
        outside::told(why).1.to_owned()
    }
}

/// Why a sign-in was refused, in the language of the page.
pub(crate) fn why(info: &RequestInfo, problem: &Problem) -> String {
    if !info.english() {
        return problem.detail.clone();
    }
    match problem.retry_after {
        Some(seconds) if problem.code == "sign-in-busy" => {
            format!("Many people are signing in. Please sign in again in {seconds} seconds")
        }
        Some(seconds) => {
            let minutes = seconds.saturating_add(59) / 60;
            format!("Too many failed attempts. Please try again in {minutes} minutes")
        }
        None => match problem.code.as_str() {
            "password-in-clear" => {
                "Passwords are sealed in the browser. Please turn scripts on and reload the page"
            }
            "seal-wrong" => {
                "The password was not sealed correctly. Please reload the page and type it again"
            }
            "seal-late" | "seal-used" => "Please type your password once more",
            "sign-in-late" => "Signing in took too long. Please begin again",
            "sign-in-replayed" => "This sign-in was used before. Please begin again",
            "sign-in-another" => {
                "That account belongs to another person than the one who is signed in. Sign out first"
            }
            "account-closed" => "The account is closed. Please ask your administrator",
            "address-not-allowed" => {
                "Administrators sign in from the networks set for them only. Please change to one of these"
            }
            "account-unused" => {
                "The account was unused for too long and is closed. Please ask your administrator"
            }
            _ => "Wrong user name or password",
        }
        .to_owned(),
    }
}

pub(crate) async fn logout(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Result<Response, Problem> {
    let post = Post::read(request, 0).await?;
    // Nobody to sign out: nothing to protect.
    if caller.principal.session.is_some() && !caller.owns(&web, post.first("_csrf")) {
        return Err(Problem::csrf());
    }
    end(&web, &caller, &info).await?;
    Ok(without_session(&web, see_other("/")))
}

/// `POST /switch`: from the account's menu, to act for another of one's organisations.
pub(crate) async fn switch(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Result<Response, Problem> {
    let post = Post::read(request, 0).await?;
    if caller.principal.is_anonymous() {
        return Ok(see_other("/login"));
    }
    if !caller.owns(&web, post.first("_csrf")) {
        return Err(Problem::csrf());
    }
    let act = Act {
        module: kernel_identity::module::MODULE.into(),
        action: "session.switch".into(),
        input: json!({ "organisation": post.first("organisation") }),
        ..Act::default()
    };
    let reply = web.host().act(&caller.principal, act).await?;
    Ok(crate::posts::lead_on(&web, &info, reply.outcome))
}

/// What a program signs in with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Credentials {
    First(First),
    Sealed(FirstSealed),
    Second(Second),
    Assertion(Assertion),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct First {
    login: String,
    password: String,
    /// Of the second factor, where the user has one.
    code: Option<String>,
}

/// The same with the password sealed, see [`sealed`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstSealed {
    login: String,
    sealed_password: String,
    code: Option<String>,
}

/// After `code-needed`, with what its answer said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Second {
    pending: String,
    challenge: String,
    /// DER in base64, over the challenge's text.
    signature: String,
}

/// The same with a security key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assertion {
    pending: String,
    challenge: String,
    /// `AuthenticationResponseJSON`.
    security_key: Value,
}

/// `POST /api/v1/session`. JSON from another site needs a preflight, so no form token is asked.
pub(crate) async fn start(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    Json(given): Json<Credentials>,
) -> Result<Response, Problem> {
    let origin = info.origin(web.now());
    let signed = match &given {
        Credentials::First(_) if !web.sessions().takes_clear() => {
            return Err(sealed::in_clear_of_a_program().into());
        }
        Credentials::Sealed(first) => {
            let given = &first.sealed_password;
            let opened = sealed::open(&web, &caller, sealed::SIGN_IN, given).await?;
            let (login, code) = (&first.login, first.code.as_deref());
            let sessions = web.sessions();
            sessions.login_sealed(login, &opened, code, origin).await
        }
        Credentials::First(first) => {
            let (login, password) = (&first.login, &first.password);
            let code = first.code.as_deref();
            web.sessions().login(login, password, code, origin).await
        }
        Credentials::Second(second) => {
            let address = web.address(&info);
            let offer = Offer::Signed {
                challenge: &second.challenge,
                signature: &second.signature,
                address: &address,
            };
            web.sessions()
                .login_with(&second.pending, offer, origin)
                .await
        }
        Credentials::Assertion(key) => {
            let address = web.address(&info);
            let answer = key.security_key.to_string();
            let offer = Offer::Key {
                challenge: &key.challenge,
                answer: &answer,
                address: &address,
            };
            web.sessions().login_with(&key.pending, offer, origin).await
        }
    };
    let signed = match signed {
        Ok(signed) => signed,
        Err(error) => {
            let mut problem = refusal(&error);
            if let LoginError::CodeNeeded { pending, ways }
            | LoginError::WrongCode { pending, ways, .. } = &error
            {
                problem.more = Question::of(&web, &info, ways, pending)?.told();
                let pending = pending.as_str().into();
                problem.more.insert("pending".into(), pending);
            }
            return Err(problem);
        }
    };
    let fresh = caller.signed_in(&signed.principal);
    let body = Json(who(&web, &fresh));
    Ok(with_session(&web, body.into_response(), &signed.token))
}

/// `GET /api/v1/session`: who calls, and a form token.
pub(crate) async fn current(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    if caller.principal.is_anonymous() {
        return Err(Problem::unauthenticated());
    }
    Ok(Json(who(&web, &caller)))
}

/// `DELETE /api/v1/session`
pub(crate) async fn finish(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.checked(&web, &headers)?;
    end(&web, &caller, &info).await?;
    Ok(without_session(
        &web,
        StatusCode::NO_CONTENT.into_response(),
    ))
}

/// Why a sign-in was not granted, for the one who asked.
pub(crate) fn refusal(error: &LoginError) -> Problem {
    let refused = |code, detail| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
    match error {
        LoginError::Refused => refused("bad-credentials", REFUSED),
        LoginError::CodeNeeded { .. } => refused(
            "code-needed",
            "请补充第二重验证：动态口令或恢复码（code）、数字证书签名或安全密钥",
        ),
        LoginError::WrongCode { why: None, .. } => refused("wrong-code", WRONG_CODE),
        LoginError::WrongCode { why: Some(why), .. } => {
            let (code, message) = outside::told(*why);
            refused(code, message)
        }
        LoginError::Late => refused("sign-in-late", "登录用时过长，请重新填写用户名和密码"),
        LoginError::Replayed => refused("sign-in-replayed", "登录凭据已使用过，请重新点击登录"),
        LoginError::Another => refused(
            "sign-in-another",
            "该外部账号绑定的是另一个账号，与当前登录的不同；请先退出再登录",
        ),
        LoginError::Closed => refused("account-closed", "账号已停用，请联系本机构管理员"),
        LoginError::Stale => refused(
            "account-unused",
            "账号长期未使用，已停用，请联系本机构管理员恢复",
        ),
        LoginError::Elsewhere => Problem::new(
            StatusCode::FORBIDDEN,
            "address-not-allowed",
            "管理员只能从指定的网络登录，请换到该网络后再试",
        ),
        LoginError::Sealed(error) => sealed::fault(error).into(),
        LoginError::Locked { retry_after } => Problem::locked(*retry_after),
        LoginError::Busy { retry_after } => Problem::busy(*retry_after),
        LoginError::Failed(error) => {
            tracing::error!(error = chain(error), "sign-in failed");
            Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn end(web: &Web, caller: &Caller, info: &RequestInfo) -> Result<(), Problem> {
    let Some(token) = &caller.token else {
        return Ok(());
    };
    web.sessions()
        .logout(token, info.origin(web.now()))
        .await
        .map_err(|error| {
            tracing::error!(error = chain(&error), "sign-out failed");
            Problem::of_status(StatusCode::SERVICE_UNAVAILABLE)
        })
}

fn who(web: &Web, caller: &Caller) -> Value {
    let p = &caller.principal;
    json!({
        "csrf": caller.csrf(web),
        "user": p.user,
        "name": p.name,
        "roles": p.roles,
        "organisation": p.organisation,
        "organisation_name": p.organisation_name,
        "subject": p.subject,
        "district": p.district,
        "posts": p.posts.iter().map(|post| json!({
            "organisation": post.organisation,
            "organisation_name": post.organisation_name,
            "title": post.title,
        })).collect::<Vec<_>>(),
    })
}

/// A path of this site that is not the sign-in itself.
pub(crate) fn local(next: &str) -> &str {
    let sign_in = ["/login", "/logout"]
        .iter()
        .filter_map(|p| next.strip_prefix(p))
        .any(|rest| rest.is_empty() || rest.starts_with(['?', '/']));
    if is_site_path(next) && !sign_in {
        next
    } else {
        "/"
    }
}

pub(crate) fn see_other(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(&view::header_path(path)) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

pub(crate) fn with_session(web: &Web, mut response: Response, token: &str) -> Response {
    if let Some(cookie) = cookies::set(cookies::SESSION, token, None, web.secure()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn without_session(web: &Web, mut response: Response) -> Response {
    if let Some(cookie) = cookies::set(cookies::SESSION, "", Some(0), web.secure()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_leads_to_this_site_only() {
        assert_eq!(local("/a?b=1"), "/a?b=1");
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/login",
            "/login?next=/",
            "/login/with/suishenban",
        ] {
            assert_eq!(local(bad), "/", "{bad}");
        }
    }
}
