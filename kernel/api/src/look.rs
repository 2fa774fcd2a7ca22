//! A look at one masked value or file, for a reason: from a page by a form, from a program as JSON.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use kernel_host::{Look, Shown, Sought, Waiting};
use kernel_portal::LOOK_PATH;
use sdk_contract::def::Tone;
use sdk_contract::error::{Fault, FieldFault, STEP_UP};
use sdk_contract::page::{Action, Block, Datum, Fact, Page, Place, is_site_path};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::edge::RequestInfo;
use crate::problem::Problem;
use crate::step_up::{self, FACTOR_NEEDED, Held, Resumed};
use crate::typed::Post;
use crate::{Web, files, view};

/// Stands where the verb of an action does: `POST /api/v1/<plugin>/<plural>/<id>/look`.
pub(crate) const VERB: &str = "look";
/// A form with a reason is short.
const FORM_BYTES: usize = 16 * 1024;

/// The value alone on a page that is kept nowhere.
pub(crate) async fn show(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Result<Response, Problem> {
    let mut post = Post::read(request, FORM_BYTES).await?;
    if !caller.owns(&web, post.first("_csrf")) {
        return Err(Problem::csrf());
    }
    match step_up::resume(&web, &caller, &info, LOOK_PATH, &post).await? {
        Resumed::No => {}
        Resumed::Again(response) => return Ok(response),
        Resumed::Post(parked, _) => post.typed = parked.typed,
    }
    let text = |name: &str| post.first(name).to_owned();
    let file = match post.first("file") {
        "" => None,
        number => Some(number.parse().map_err(|_| not_a_file())?),
    };
    let sought = Sought {
        place: Place {
            collection: text("collection"),
            id: text("id"),
            field: text("field"),
        },
        file,
        reason: text("reason"),
    };
    let back = text("back");
    let back = if is_site_path(&back) {
        back
    } else {
        "/".to_owned()
    };
    let look = match web.host().look(&caller.principal, &sought).await {
        Err(fault) if [STEP_UP, FACTOR_NEEDED].contains(&fault.code.as_str()) => {
            let held = Held {
                path: LOOK_PATH,
                typed: post.typed,
                uploads: Vec::new(),
                incomplete: false,
                signs: None,
                again: false,
                back: &back,
            };
            return Ok(step_up::ask(&web, &caller, &info, held, &fault).await);
        }
        look => look?,
    };
    let page = match look {
        Look::File(file) => return files::once(&web, file).await,
        Look::Shown(shown) => value(shown),
        Look::Waiting(waiting) => asked(&waiting),
    };
    let page = page.action(Action::open("返回", back));
    let ctx = view::context(&web, Some(&caller), &info, LOOK_PATH);
    let mut response = Html(kernel_portal::render(&page, &ctx)).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn value(shown: Shown) -> Page {
    let value = match shown.value {
        Value::Null => Datum::None,
        Value::String(text) => Datum::Text(text),
        other => Datum::Text(other.to_string()),
    };
    Page::new(format!("查看完整{}", shown.label))
        .subtitle("本次查看已记入审计日志；离开本页后需要重新说明理由")
        .block(Block::details("value", vec![Fact::new(shown.label, value)]))
        .guarded()
}

fn asked(waiting: &Waiting) -> Page {
    let text = "已提交，须由同机构另一位有复核权限的人员在“待复核”中同意。\
                同意后 15 分钟内，您可在原页面查看一次。";
    Page::new(format!("申请查看完整{}", waiting.label)).block(Block::details(
        "asked",
        vec![
            Fact::new("进度", Datum::status("待复核", Tone::Warning)).help(text),
            Fact::new("复核期限", Datum::Time(waiting.until.micros())),
        ],
    ))
}

/// `{"field", "reason"}` → `{"value"}`, or 202 `{"request", "until"}` where a second person decides
/// first. Of a field of files the answer is the file, which `file` numbers from 1 where there are
/// several.
pub(crate) async fn one(
    web: &Web,
    caller: &Caller,
    collection: String,
    id: &str,
    input: Value,
) -> Result<Response, Problem> {
    let text = |name: &str| match input.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(FieldFault::new(name, "not-text", "须为文字")),
        None => Err(FieldFault::new(name, "required", "请填写此项")),
    };
    let (field, reason) = match (text("field"), text("reason")) {
        (Ok(field), Ok(reason)) => (field, reason),
        (field, reason) => {
            let faults = field.err().into_iter().chain(reason.err()).collect();
            return Err(Fault::invalid(faults).into());
        }
    };
    let file = match input.get("file") {
        None | Some(Value::Null) => None,
        Some(number) => {
            let number = number.as_u64().and_then(|n| n.try_into().ok());
            Some(number.ok_or_else(not_a_file)?)
        }
    };
    let sought = Sought {
        place: Place {
            collection,
            id: id.to_owned(),
            field,
        },
        file,
        reason,
    };
    let look = web.host().look(&caller.principal, &sought).await?;
    Ok(match look {
        Look::File(file) => files::once(web, file).await?,
        Look::Shown(shown) => Json(json!({ "value": shown.value })).into_response(),
        Look::Waiting(Waiting { request, until, .. }) => {
            let answer = json!({ "request": request, "until": until });
            (StatusCode::ACCEPTED, Json(answer)).into_response()
        }
    })
}

fn not_a_file() -> Fault {
    let fault = FieldFault::new("file", "not-an-integer", "须为第几份文件，从 1 起");
    Fault::invalid(vec![fault])
}
