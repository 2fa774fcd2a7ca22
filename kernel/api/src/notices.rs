//! What people were told: a page of it for people, the same for their programs.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use kernel_host::{MOST_NOTICES, Noticed};
use kernel_portal::{NOTICES_PATH, NoticeView, NoticesScreen, notices_page};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::page::is_site_path;
use sdk_contract::scalar::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::edge::RequestInfo;
use crate::login::see_other;
use crate::problem::Problem;
use crate::typed::Post;
use crate::{Web, view};

/// Notices on one page.
const PAGE: u32 = 20;
/// Notices of one answer, where nothing else is asked for.
const USUAL: u32 = 50;
/// A form of one button.
const FORM_BYTES: usize = 4 * 1024;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// Older than this one.
    before: Option<String>,
    size: Option<u32>,
}

impl Asked {
    fn before(&self) -> Result<Option<&str>, Problem> {
        let before = self.before.as_deref().filter(|id| !id.is_empty());
        match before {
            Some(id) if !kernel_host::is_id(id) => {
                let fault = FieldFault::new("before", "bad-id", "须为站内信的编号");
                Err(Fault::invalid(vec![fault]).into())
            }
            before => Ok(before),
        }
    }
}

/// `GET /notices`
pub(crate) async fn page(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    person(&caller)?;
    let before = asked.before()?;
    let found = web.host().notices(&caller.principal, before, PAGE).await?;
    let english = info.english();
    let pick = |zh: String, en: String| if english && !en.is_empty() { en } else { zh };
    let views: Vec<NoticeView> = found
        .items
        .into_iter()
        .map(|n| NoticeView {
            id: n.id,
            at: n.at,
            title: pick(n.told.title, n.told.title_en),
            text: pick(n.told.text, n.told.text_en),
            read: n.read,
        })
        .collect();
    let screen = NoticesScreen {
        items: &views,
        newest: before.is_none(),
        next: found.next.as_deref(),
    };
    let mut ctx = view::context(&web, Some(&caller), &info, NOTICES_PATH);
    ctx.toast = None;
    let mut response = Html(notices_page(&screen, &ctx)).into_response();
    let never = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, never);
    Ok(response)
}

/// `POST /notices`: opens one, marks one as read, or all.
pub(crate) async fn post(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Result<Response, Problem> {
    let post = Post::read(request, FORM_BYTES).await?;
    person(&caller)?;
    if !caller.owns(&web, post.first("_csrf")) {
        return Err(Problem::csrf());
    }
    let (host, p) = (web.host(), &caller.principal);
    match (post.first("open"), post.first("read")) {
        ("", "all") => {
            host.read_notices(p).await?;
        }
        ("", "") => return Err(Problem::of_status(StatusCode::BAD_REQUEST)),
        ("", id) => {
            host.open_notice(p, id).await?;
        }
        (id, _) => {
            let to = host.open_notice(p, id).await?;
            return Ok(see_other(if is_site_path(&to) { &to } else { "/" }));
        }
    }
    Ok(see_other(&info.target))
}

/// `GET /api/v1/notices`
pub(crate) async fn list(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Problem> {
    person(&caller)?;
    let size = asked.size.unwrap_or(USUAL);
    if !(1..MOST_NOTICES).contains(&size) {
        let most = MOST_NOTICES - 1;
        let fault = FieldFault::new("size", "bad-parameter", format!("须为 1 到 {most}"));
        return Err(Fault::invalid(vec![fault]).into());
    }
    let before = asked.before()?;
    let found = web.host().notices(&caller.principal, before, size).await?;
    let Noticed { items, next } = found;
    let items = items.into_iter().map(|n| {
        json!({
            "id": n.id,
            "at": Timestamp::from_micros(n.at).to_string(),
            "title": { "zh": n.told.title, "en": n.told.title_en },
            "text": { "zh": n.told.text, "en": n.told.text_en },
            "path": n.told.path,
            "read": n.read,
        })
    });
    let items: Vec<Value> = items.collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

/// `GET /api/v1/notices/unread`
pub(crate) async fn unread(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    person(&caller)?;
    let unread = web.host().unread(&caller.principal).await?;
    let told = json!({ "unread": unread.count, "more": unread.more });
    Ok(Json(told))
}

/// `POST /api/v1/notices/{id}/read`
pub(crate) async fn read(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    person(&caller)?;
    caller.checked(&web, &headers)?;
    let path = web.host().open_notice(&caller.principal, &id).await?;
    Ok(Json(json!({ "path": path })))
}

/// `POST /api/v1/notices/read`
pub(crate) async fn read_all(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    person(&caller)?;
    caller.checked(&web, &headers)?;
    let read = web.host().read_notices(&caller.principal).await?;
    Ok(Json(json!({ "read": read })))
}

/// Somebody is told only after signing in, and not while something else must be done first.
fn person(caller: &Caller) -> Result<(), Problem> {
    if caller.principal.is_anonymous() {
        return Err(Problem::unauthenticated());
    }
    Ok(())
}
