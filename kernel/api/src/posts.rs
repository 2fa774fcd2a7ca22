//! POST to a page: one action of its module, read against the page as it is drawn now. A fault
//! shows the same page with what was typed; a success leads on by redirect.
//!
//! # A form whose session is gone
//!
//! A form may arrive with a session that has ended, with none at all (the cookie was cleared, or
//! the person signed out in another tab), or with a newer one. None of these runs an action: only
//! a token of the very session does. But what was typed is kept, when the form's token proves that
//! this server drew the form for a user ([`drawn_for`]), and it is given back to that user alone.
//! Another site can send a victim's browser here without cookies, which looks the same; but it has
//! no token drawn for the victim, and what it sends with a token drawn for itself, only its own
//! account gets to see. So it can neither fill in a victim's form nor, by leading a victim to the
//! sign-in page, learn or choose who signs in: that form has a token of its own, tied to the
//! browser's visit.
//!
//! # A form that takes a second factor
//!
//! An action may ask for a factor proven a moment ago. Then the code is asked for in between, on a
//! form that comes here as well, and what was typed goes on from there ([`step_up`]).

use axum::extract::Request;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use kernel_crypto::{random, sm3};
use kernel_host::{Act, Proof, UploadRef};
use kernel_portal::{LoginScreen, SEALED_FIELD};
use sdk_contract::call::Reply;
use sdk_contract::def::Tone;
use sdk_contract::error::{CONFIRM, Fault, FaultKind, FieldFault, SIGN, STEP_UP};
use sdk_contract::page::{
    ACTION_FIELD, FORM_FIELD, FieldKind, Outcome, Page, PostFault, Posted, RECORD_FIELD,
    is_site_path, read_post,
};
use serde_json::Value;

use crate::caller::{Caller, drawn_for};
use crate::edge::RequestInfo;
use crate::pages::{Place, draw};
use crate::parked::Parked;
use crate::problem::Problem;
use crate::step_up::{self, FACTOR_NEEDED, Held, Resumed};
use crate::typed::Post;
use crate::{Web, cookies, parked, sealed, view};

const CSRF_FIELD: &str = "_csrf";
const KEY_FIELD: &str = "_key";
/// Most rows one bulk action takes.
const MOST_ROWS: usize = 200;

#[expect(
    clippy::too_many_lines,
    reason = "one way in order: each step takes the post from the one before, or ends it"
)]
pub(crate) async fn post(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    path: &str,
    place: &Place,
    request: Request,
) -> Result<Response, Problem> {
    let mut post = Post::read(request, web.settings().upload_bytes).await?;
    let owner = drawn_for(web, post.first(CSRF_FIELD)).map(str::to_owned);
    // Who is invited has no account to sign in to, though an old cookie may lie in the browser.
    let open = kernel_host::SESSIONLESS_PAGES.contains(&path);
    let invited = open && caller.owns(web, post.first(CSRF_FIELD));
    let lost = caller.token.is_some() || owner.is_some();
    if caller.principal.is_anonymous() && lost && !invited {
        return Ok(ended(web, caller, info, path, post, owner));
    }
    let Place::Declared(matched) = place else {
        return Err(Problem::of_status(StatusCode::METHOD_NOT_ALLOWED));
    };
    if !caller.owns(web, post.first(CSRF_FIELD)) {
        if owner.is_none() || owner != caller.principal.user {
            return Err(Problem::csrf());
        }
        let page = draw(web, caller, info, place).await?;
        let screen = Screen {
            web,
            caller,
            info,
            path,
            page: &page,
        };
        return Ok(screen.refused(post, older()));
    }
    let (resumed, proof) = match step_up::resume(web, caller, info, path, &post).await? {
        Resumed::No => (None, Proof::None),
        Resumed::Again(response) => return Ok(response),
        Resumed::Post(parked, proof) => {
            post.typed.clone_from(&parked.typed);
            (Some(parked), proof)
        }
    };
    unqualify(&mut post, &matched.module);
    if let Some(reply) = before(web, caller, &post).await? {
        return Ok(lead_on(web, info, reply.outcome));
    }
    let page = match draw(web, caller, info, place).await {
        Ok(page) => page,
        Err(fault) if fault.code == crate::problem::UNAUTHENTICATED => {
            return Ok(ended(web, caller, info, path, post, owner));
        }
        Err(fault) => return Err(fault.into()),
    };
    let screen = Screen {
        web,
        caller,
        info,
        path,
        page: &page,
    };
    let waited = resumed.is_some();
    let kept = match resumed {
        Some(parked) if parked.incomplete => {
            let message = "已确认是您本人。口令没有保留，请再填写一次并提交".to_owned();
            let message = Some((Tone::Info, message));
            return Ok(screen.again(StatusCode::OK, &page, post, Vec::new(), message));
        }
        Some(parked) => Ok(parked.uploads),
        None => keep_files(web, caller, &page, &mut post).await,
    };
    let uploads = match kept {
        Ok(uploads) => uploads,
        Err(Kept::TooLarge(fault)) => {
            let message = Some((Tone::Danger, fault.message.clone()));
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Ok(screen.again(status, &page, post, vec![fault], message));
        }
        Err(Kept::Failed(fault)) => return Ok(screen.refused(post, fault)),
    };
    let mut opened = None;
    if !waited {
        match sealed::open_form(web, caller, (path, &page), &mut post).await {
            Ok(found) => opened = found,
            Err(fault) => return Ok(screen.refused(post, fault)),
        }
    }
    let posted = match read_post(&page, &post.typed) {
        Ok(posted) => posted,
        Err(PostFault::Gone) => {
            // The same form may have come twice at once, and the faster one used it up.
            return Ok(match before(web, caller, &post).await? {
                Some(reply) => lead_on(web, info, reply.outcome),
                None => screen.refused(post, gone()),
            });
        }
        Err(PostFault::Fields(faults)) => return Ok(screen.refused(post, Fault::invalid(faults))),
    };
    // Only now: what is refused before leaves nothing that has to be remembered.
    if let Some(opened) = &opened
        && let Err(fault) = sealed::use_up(web, opened).await
    {
        return Ok(match before(web, caller, &post).await? {
            Some(reply) => lead_on(web, info, reply.outcome),
            None => screen.refused(post, fault),
        });
    }
    let signed = proof != Proof::None;
    let mut acts = acts(&matched.module, &posted, &uploads, post.first(KEY_FIELD));
    if let [one] = acts.as_mut_slice() {
        one.proof = proof;
    }
    match act(web, caller, &acts, !posted.rows.is_empty()).await {
        Ok(reply) => screen.went(place, post, reply).await,
        Err(fault) if fault.code == crate::problem::UNAUTHENTICATED => {
            Ok(ended(web, caller, info, path, post, owner))
        }
        Err(fault) if fault.code == SIGN && acts.len() > 1 => {
            let what = "使用数字证书的，须逐条签名：请只选一条，或打开记录后办理";
            Ok(screen.refused(post, Fault::refused("too-many-rows", what)))
        }
        Err(fault) if [SIGN, STEP_UP, FACTOR_NEEDED].contains(&fault.code.as_str()) => {
            let signs = match acts.first().filter(|_| fault.code == SIGN) {
                Some(act) => match web.host().content(&caller.principal, act).await {
                    Ok(content) => Some(content),
                    Err(fault) => return Ok(screen.refused(post, fault)),
                },
                None => None,
            };
            let secrets = secrets(&page, &mut post);
            let held = Held {
                path,
                typed: post.typed,
                uploads,
                incomplete: secrets,
                signs,
                again: signed,
                back: &info.target,
            };
            Ok(step_up::ask(web, caller, info, held, &fault).await)
        }
        Err(fault) => Ok(screen.refused(post, fault)),
    }
}

/// Takes out what is kept nowhere; whether there was any.
fn secrets(page: &Page, post: &mut Post) -> bool {
    let form = page.form(post.first(FORM_FIELD));
    let mut any = false;
    for field in form.into_iter().flat_map(sealed::secrets) {
        any |= post.typed.remove(&field.name).is_some();
    }
    any
}

/// The first answer to the same form, when it was sent twice. Asked before the page is drawn: by
/// now it may no longer offer what was pressed.
async fn before(web: &Web, caller: &Caller, post: &Post) -> Result<Option<Reply>, Problem> {
    let record = Some(post.first(RECORD_FIELD)).filter(|r| !r.is_empty());
    let user = caller.principal.user.as_deref().unwrap_or_default();
    let key = idempotency(post.first(KEY_FIELD), post.first(ACTION_FIELD), record);
    let Some(key) = key else { return Ok(None) };
    match web.host().store().idempotent(&key, user).await {
        Ok(first) => Ok(first.and_then(|f| serde_json::from_value(f.reply).ok())),
        Err(error) => {
            tracing::error!(error = kernel_host::chain(&error), "the store failed");
            Err(Problem::of_status(StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}

/// Buttons may name their action with its module in front.
fn unqualify(post: &mut Post, module: &str) {
    for action in post.typed.get_mut(ACTION_FIELD).into_iter().flatten() {
        let bare = action
            .strip_prefix(module)
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some(bare) = bare.filter(|b| b.contains('.')) {
            *action = bare.to_owned();
        }
    }
}

/// Why a form's files were not stored.
enum Kept {
    TooLarge(FieldFault),
    Failed(Fault),
}

/// Stores the files of the form that was sent and puts their digests in place of them.
async fn keep_files(
    web: &Web,
    caller: &Caller,
    page: &Page,
    post: &mut Post,
) -> Result<Vec<UploadRef>, Kept> {
    let form = page.form(post.first(FORM_FIELD));
    let mut kept = Vec::new();
    // A file field's text can only come from us.
    for field in form.into_iter().flat_map(sdk_contract::page::Form::fields) {
        if matches!(field.kind, FieldKind::File { .. }) {
            post.typed.remove(&field.name);
        }
    }
    for upload in std::mem::take(&mut post.files) {
        let declared = form
            .into_iter()
            .flat_map(sdk_contract::page::Form::fields)
            .find(|f| f.name == upload.field);
        let Some(FieldKind::File {
            max_bytes, many, ..
        }) = declared.map(|f| &f.kind)
        else {
            continue;
        };
        let values = post.typed.entry(upload.field.clone()).or_default();
        if !*many && !values.is_empty() {
            continue;
        }
        if upload.too_large || upload.bytes.len() as u64 > *max_bytes {
            let most = (web.settings().upload_bytes as u64).min(*max_bytes);
            let message = format!("文件不得大于 {}", kernel_portal::size(most));
            return Err(Kept::TooLarge(FieldFault::new(
                upload.field,
                "too-large",
                message,
            )));
        }
        let stored = web
            .host()
            .store_upload(&caller.principal, &upload.name, upload.bytes)
            .await
            .map_err(Kept::Failed)?;
        values.push(stored.digest.clone());
        kept.push(stored);
    }
    Ok(kept)
}

/// What was posted as an action: one, or one for each ticked row.
fn acts(module: &str, posted: &Posted, uploads: &[UploadRef], key: &str) -> Vec<Act> {
    let mut input = posted.values.clone();
    for value in input.values_mut() {
        put_uploads(value, uploads);
    }
    let one = |id: Option<String>| Act {
        module: module.to_owned(),
        action: posted.action.clone(),
        key: idempotency(key, &posted.action, id.as_deref()),
        confirmed: posted.confirmed.clone(),
        input: Value::Object(input.clone()),
        id,
        proof: Proof::None,
    };
    if posted.rows.is_empty() {
        return vec![one(posted.record.clone())];
    }
    let rows = posted.rows.iter().take(MOST_ROWS + 1);
    rows.map(|row| one(Some(row.clone()))).collect()
}

/// Runs the action: once, or once for each ticked row.
async fn act(web: &Web, caller: &Caller, acts: &[Act], rows: bool) -> Result<Reply, Fault> {
    let (host, p) = (web.host(), &caller.principal);
    if let ([one], false) = (acts, rows) {
        return host.act(p, one.clone()).await;
    }
    if acts.len() > MOST_ROWS {
        return Err(Fault::refused(
            "too-many-rows",
            format!("一次最多处理 {MOST_ROWS} 行"),
        ));
    }
    let (mut done, mut first) = (0_usize, None);
    for act in acts {
        match host.act(p, act.clone()).await {
            Ok(_) => done += 1,
            Err(fault) => drop(first.get_or_insert(fault)),
        }
    }
    match first {
        None => Ok(Reply {
            outcome: Some(Outcome::stay(format!("已处理 {done} 条"))),
            ..Reply::default()
        }),
        Some(fault) if done == 0 => Err(fault),
        Some(fault) => Err(Fault {
            message: format!(
                "已处理 {done} 条，{} 条未能处理：{}",
                acts.len() - done,
                fault.message
            ),
            ..fault
        }),
    }
}

/// The page's key, told apart by what was pressed: going back and pressing another button is
/// another request.
fn idempotency(key: &str, action: &str, id: Option<&str>) -> Option<String> {
    if key.is_empty() {
        return None;
    }
    let all = format!("{key}\n{action}\n{}", id.unwrap_or_default());
    Some(sm3::digest(all.as_bytes()).to_string())
}

/// A file field's digests become what is known of the files.
fn put_uploads(value: &mut Value, uploads: &[UploadRef]) {
    let Value::Array(items) = value else { return };
    for item in items {
        let known = item
            .as_str()
            .and_then(|d| uploads.iter().find(|u| u.digest == d));
        if let Some(known) = known.and_then(|u| serde_json::to_value(u).ok()) {
            *item = known;
        }
    }
}

fn gone() -> Fault {
    Fault::conflict("gone", "此操作已不可用：可能已被他人处理，页面已刷新")
}

/// The form is of a session before this one, or was drawn for another organisation.
fn older() -> Fault {
    Fault::new(
        FaultKind::Forbidden,
        "csrf",
        "您重新登录过或切换过机构，本次没有提交；填写的内容都在，请核对后再提交一次",
    )
}

/// The session ended while the person was typing: sign in, then find it all again. Nothing is kept
/// of a form that proves neither its user nor this very browser.
fn ended(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    path: &str,
    post: Post,
    owner: Option<String>,
) -> Response {
    let ours = owner.is_some() || caller.owns(web, post.first(CSRF_FIELD));
    let mut typed = post.typed;
    typed.retain(|name, _| ![CSRF_FIELD, KEY_FIELD, SEALED_FIELD].contains(&name.as_str()));
    if path == kernel_host::ACCOUNT_PAGE || kernel_host::SESSIONLESS_PAGES.contains(&path) {
        // Passwords are typed there, and are kept nowhere.
        typed.clear();
    }
    let post = Parked {
        path: path.to_owned(),
        typed,
        uploads: Vec::new(),
        incomplete: false,
        signs: None,
        visit: caller.visit.clone(),
        user: owner,
        at: web.now(),
    };
    let name = random::token_hex(16).unwrap_or_default();
    let kept = ours && !name.is_empty() && web.lot().park(&name, post);
    let mut next = info.target.clone();
    if kept {
        next.push(if next.contains('?') { '&' } else { '?' });
        next.push_str(parked::PARAMETER);
        next.push('=');
        next.push_str(&name);
    }
    let message = if kept {
        info.say(
            "登录已过期。请重新登录，您填写的内容已为您保留，登录后可继续提交。",
            "Your session has ended. What you typed is kept: sign in again to go on.",
        )
    } else {
        info.say(
            "登录已过期，请重新登录。",
            "Your session has ended. Please sign in again.",
        )
    };
    let screen = LoginScreen {
        message: Some(message),
        next: &next,
        ..LoginScreen::default()
    };
    let html = view::login(web, caller, info, &screen);
    (StatusCode::UNAUTHORIZED, Html(html)).into_response()
}

/// The page a post was sent to, to be shown again.
struct Screen<'a> {
    web: &'a Web,
    caller: &'a Caller,
    info: &'a RequestInfo,
    path: &'a str,
    page: &'a Page,
}

impl Screen<'_> {
    /// The same page with what was typed and what is wrong with it.
    fn refused(&self, post: Post, fault: Fault) -> Response {
        tracing::info!(code = %fault.code, "form refused");
        let status = match fault.kind {
            FaultKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            kind => {
                StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        let tone = if fault.code == CONFIRM {
            Tone::Warning
        } else {
            Tone::Danger
        };
        self.again(
            status,
            self.page,
            post,
            fault.fields,
            Some((tone, fault.message)),
        )
    }

    fn again(
        &self,
        status: StatusCode,
        page: &Page,
        post: Post,
        faults: Vec<FieldFault>,
        toast: Option<(Tone, String)>,
    ) -> Response {
        let mut ctx = view::context(self.web, Some(self.caller), self.info, self.path);
        ctx.typed = Some(post.typed);
        ctx.faults = faults;
        ctx.toast = toast.map(|(tone, text)| kernel_portal::Toast { tone, text });
        (status, Html(kernel_portal::render(page, &ctx))).into_response()
    }

    async fn went(&self, place: &Place, post: Post, reply: Reply) -> Result<Response, Problem> {
        match reply.outcome {
            Some(Outcome::Faults { faults }) => {
                let message = (Tone::Danger, "有内容需要更正".to_owned());
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Ok(self.again(status, self.page, post, faults, Some(message)))
            }
            Some(Outcome::Redraw { blocks }) => {
                let mut page = draw(self.web, self.caller, self.info, place).await?;
                for block in page.sections.iter_mut().flat_map(|s| &mut s.blocks) {
                    if let Some(new) = blocks.iter().find(|b| b.id == block.id) {
                        *block = new.clone();
                    }
                }
                Ok(self.again(StatusCode::OK, &page, post, Vec::new(), None))
            }
            other => Ok(lead_on(self.web, self.info, other)),
        }
    }
}

/// By redirect to where the outcome points, else to the same page.
pub(crate) fn lead_on(web: &Web, info: &RequestInfo, outcome: Option<Outcome>) -> Response {
    match outcome {
        Some(Outcome::Go { path, toast }) if is_site_path(&path) => lead(web, &path, &toast),
        Some(Outcome::Stay { toast }) => lead(web, &info.target, &toast),
        Some(Outcome::Download { file }) => {
            lead(web, file.path().as_deref().unwrap_or(&info.target), "")
        }
        _ => lead(web, &info.target, "已办理"),
    }
}

/// See other, with a sentence for the next page.
fn lead(web: &Web, path: &str, toast: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(path) = HeaderValue::from_str(&view::header_path(path)) {
        headers.insert(LOCATION, path);
    }
    if !toast.is_empty() {
        let toast: String = toast.chars().take(200).collect();
        let stamped = web.stamp("toast", &toast);
        if let Some(cookie) = cookies::set(cookies::TOAST, &stamped, Some(60), web.secure()) {
            headers.append(SET_COOKIE, cookie);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pages_key_differs_by_what_is_pressed() {
        let submit = idempotency("k", "application.submit", Some("1"));
        assert_eq!(submit, idempotency("k", "application.submit", Some("1")));
        assert_ne!(submit, idempotency("k", "application.submit", Some("2")));
        assert_ne!(submit, idempotency("k", "application.refuse", Some("1")));
        assert_ne!(submit, idempotency("l", "application.submit", Some("1")));
        assert_eq!(idempotency("", "a.b", None), None);
    }

    #[test]
    fn only_uploads_of_this_post_become_files() {
        let uploads = [UploadRef {
            digest: "d1".into(),
            name: "m.wasm".into(),
            size: 3,
        }];
        let mut value = json!(["d1", "d2"]);
        put_uploads(&mut value, &uploads);
        assert_eq!(
            value,
            json!([{"digest": "d1", "name": "m.wasm", "size": 3}, "d2"])
        );
    }

    #[test]
    fn a_qualified_action_is_read_like_a_bare_one() {
        let mut post = Post::default();
        post.typed.insert(
            ACTION_FIELD.into(),
            vec!["lending.application.submit".into()],
        );
        unqualify(&mut post, "lending");
        assert_eq!(post.first(ACTION_FIELD), "application.submit");
        unqualify(&mut post, "application");
        assert_eq!(post.first(ACTION_FIELD), "application.submit");
    }
}
