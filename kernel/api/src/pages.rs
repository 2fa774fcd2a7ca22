//! GET of a page: the declaring module draws it, the portal renders it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use kernel_host::Matched;
use kernel_portal::Toast;
use percent_encoding::percent_decode_str;
use sdk_contract::call::Ask;
use sdk_contract::def::Tone;
use sdk_contract::error::Fault;
use sdk_contract::page::{Page, Shell};

use crate::caller::Caller;
use crate::edge::{PAGE_JSON, RequestInfo};
use crate::login::see_other;
use crate::problem::Problem;
use crate::typed::Typed;
use crate::{Web, cookies, parked, posts, view};

/// Name of the parameter that asks for one block alone.
const BLOCK: &str = "_block";

/// A page's address: the module that draws it and the values in its path.
pub(crate) enum Place {
    Home,
    Declared(Matched),
}

/// Everything no other route takes.
pub(crate) async fn any(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Result<Response, Problem> {
    let path = decoded(request.uri().path()).ok_or_else(Problem::not_found)?;
    if let Some(duty) = caller.principal.duty
        && info.person
        && path != kernel_host::ACCOUNT_PAGE
        && path != kernel_host::TERMS_PAGE
    {
        tracing::debug!(?duty, "led to the account first");
        return Ok(see_other(kernel_host::ACCOUNT_PAGE));
    }
    let place = place(&web, &path).ok_or_else(Problem::not_found)?;
    match *request.method() {
        Method::GET | Method::HEAD => {
            get(&web, &caller, &info, &path, &place, request.headers()).await
        }
        Method::POST => posts::post(&web, &caller, &info, &path, &place, request).await,
        _ => Err(Problem::of_status(StatusCode::METHOD_NOT_ALLOWED)),
    }
}

async fn get(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    path: &str,
    place: &Place,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let page = draw(web, caller, info, place).await?;
    if !info.person && wants_document(headers) {
        let mut response = Json(&page).into_response();
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(PAGE_JSON));
        return Ok(response);
    }
    let mut ctx = view::context(web, Some(caller), info, path);
    let own = own_parameters(&info.target);
    if let Some(block) = own.get(BLOCK).and_then(|v| v.first()) {
        let block = page.find_block(block).ok_or_else(Problem::not_found)?;
        return Ok(Html(kernel_portal::render_blocks(&[block], &ctx)).into_response());
    }
    if let Some(name) = own.get(parked::PARAMETER).and_then(|v| v.first()) {
        let user = caller.principal.user.as_deref();
        let parked = web.lot().find(name, path, &caller.visit, user, web.now());
        ctx.typed = parked.map(|p| p.typed);
        if ctx.typed.is_some() {
            let text = "您先前填写的内容已恢复，请核对后重新提交".to_owned();
            ctx.toast = Some(Toast {
                tone: Tone::Info,
                text,
            });
        }
    }
    let mut response = Html(kernel_portal::render(&page, &ctx)).into_response();
    if caller.toast.is_some()
        && let Some(cookie) = cookies::set(cookies::TOAST, "", Some(0), web.secure())
    {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    // Only what everybody sees alike may be kept by others.
    if let Some(seconds) = page
        .cache
        .filter(|_| caller.principal.is_anonymous() && !page.guarded)
        && let Ok(value) = HeaderValue::from_str(&format!("private, max-age={seconds}"))
    {
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    Ok(response)
}

/// The page as its module draws it now.
pub(crate) async fn draw(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    place: &Place,
) -> Result<Page, Fault> {
    match place {
        Place::Home => {
            let mut page = web.host().home(&caller.principal).await?;
            page.shell = Shell::Portal;
            Ok(page)
        }
        Place::Declared(matched) => {
            let ask = Ask {
                path: matched.page.path.clone(),
                params: matched.params.clone(),
                query: view::flat(&view::query(&info.target)),
                block: None,
            };
            web.host()
                .page(&caller.principal, &matched.module, ask)
                .await
        }
    }
}

fn place(web: &Web, path: &str) -> Option<Place> {
    match path {
        "/" => Some(Place::Home),
        _ => web.host().match_page(path).map(Place::Declared),
    }
}

/// The path in plain text; `None` when it is not UTF-8 or hides a separator or a control.
fn decoded(path: &str) -> Option<String> {
    let text = percent_decode_str(path).decode_utf8().ok()?;
    let hidden = text.matches('/').count() != path.matches('/').count();
    (!hidden && !text.chars().any(char::is_control)).then(|| text.into_owned())
}

fn own_parameters(target: &str) -> Typed {
    let text = target.split_once('?').map_or("", |(_, q)| q);
    let mut own = crate::typed::gather(crate::typed::pairs(text.as_bytes()).unwrap_or_default());
    own.retain(|name, _| name.starts_with('_'));
    own
}

fn wants_document(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(axum::http::header::ACCEPT)
        .and_then(|h| h.to_str().ok());
    accept.is_some_and(|a| a.contains(PAGE_JSON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_text_without_hidden_separators() {
        assert_eq!(decoded("/a/%E6%A1%A5").as_deref(), Some("/a/桥"));
        assert_eq!(decoded("/a%2Fb"), None);
        assert_eq!(decoded("/a%00"), None);
        assert_eq!(decoded("/a%FF"), None);
    }
}
