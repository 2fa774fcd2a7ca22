//! Passwords at the edge: what comes sealed is opened here, and from here on it is what was typed.
//! Forms of the portal bring them sealed only; programs as the configuration says.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::{Extension, Json};
use kernel_host::chain;
use kernel_identity::module::{MODULE, PASSWORDS};
use kernel_identity::sealed::{Opened, SealError};
use kernel_portal::{SEALED_FIELD, sealed_for};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::{FORM_FIELD, Field, FieldKind, Form, Page};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Web;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::typed::Post;

/// The member of a request that brings passwords sealed.
const MEMBER: &str = "sealed_password";
/// Code of a refusal that sealing lifts.
const IN_CLEAR: &str = "password-in-clear";
/// What the passwords of a sign-in over the API are sealed for.
pub(crate) const SIGN_IN: &str = "/api/v1/session";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    r#for: String,
}

/// `GET /api/v1/session/seal?for=…`: what the passwords of one request are sealed with. Open to
/// everybody, and nothing is kept of it.
pub(crate) async fn ask(
    State(web): State<Web>,
    Extension(caller): Extension<Arc<Caller>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Problem> {
    let address = &caller.principal.address;
    match web.sessions().sealing(&asked.r#for, address, web.now()) {
        Ok(sealing) => Ok(Json(
            json!({ "key": sealing.key, "nonce": sealing.nonce, "for": asked.r#for }),
        )),
        Err(error) => Err(fault(&error.into()).into()),
    }
}

/// Opens what was sealed for `form`.
pub(crate) async fn open(
    web: &Web,
    caller: &Caller,
    form: &str,
    sealed: &str,
) -> Result<Opened, Fault> {
    let given = (form, caller.principal.address.as_str());
    let opened = web.sessions().unseal(sealed, given, web.now()).await;
    opened.map_err(|error| fault(&error))
}

/// Takes the nonce, before anything is done with what was opened.
pub(crate) async fn use_up(web: &Web, opened: &Opened) -> Result<(), Fault> {
    let used = web.sessions().use_up(opened, web.now()).await;
    used.map_err(|error| fault(&error))
}

/// Puts the passwords of a page's form among what was typed, where none may come in clear. None where
/// it takes no password, or one that may be left out and was.
pub(crate) async fn open_form(
    web: &Web,
    caller: &Caller,
    (path, page): (&str, &Page),
    post: &mut Post,
) -> Result<Option<Opened>, Fault> {
    let sealed = post.first(SEALED_FIELD).to_owned();
    post.typed.remove(SEALED_FIELD);
    let Some(form) = page.form(post.first(FORM_FIELD)) else {
        return Ok(None);
    };
    let secrets: Vec<&Field> = secrets(form).collect();
    let mut clear = false;
    for field in &secrets {
        let typed = post.typed.remove(&field.name).unwrap_or_default();
        clear |= typed.iter().any(|text| !text.is_empty());
    }
    let missing = sealed.is_empty() && secrets.iter().any(|field| field.required);
    if clear || missing {
        return Err(in_clear());
    }
    if secrets.is_empty() || sealed.is_empty() {
        return Ok(None);
    }
    let opened = open(web, caller, &sealed_for(path, &form.name), &sealed).await?;
    for (name, text) in opened.fields() {
        if !secrets.iter().any(|field| field.name == name) {
            return Err(fault(&SealError::Wrong));
        }
        post.typed.insert(name.to_owned(), vec![text.to_owned()]);
    }
    Ok(Some(opened))
}

/// The fields of a form that passwords are typed into.
pub(crate) fn secrets(form: &Form) -> impl Iterator<Item = &Field> {
    let secret = |field: &&Field| matches!(field.kind, FieldKind::Secret { .. });
    form.fields().filter(secret)
}

/// Puts the passwords of an action's input, sent to `path` by a program, in their places.
pub(crate) async fn open_input(
    web: &Web,
    caller: &Caller,
    (module, path): (&str, &str),
    input: &mut Value,
) -> Result<(), Fault> {
    let Some(values) = input.as_object_mut().filter(|_| module == MODULE) else {
        return Ok(());
    };
    let Some(sealed) = values.remove(MEMBER) else {
        let clear = PASSWORDS.iter().any(|name| values.contains_key(*name));
        let refused = clear && !web.sessions().takes_clear();
        return if refused {
            Err(in_clear_of_a_program())
        } else {
            Ok(())
        };
    };
    let sealed = sealed.as_str().unwrap_or_default();
    let opened = open(web, caller, path, sealed).await?;
    for (name, text) in opened.fields() {
        if !PASSWORDS.contains(&name) {
            return Err(fault(&SealError::Wrong));
        }
        values.insert(name.to_owned(), text.into());
    }
    use_up(web, &opened).await
}

/// A page's password came in clear, or did not come at all.
pub(crate) fn in_clear() -> Fault {
    let what = "密码须由浏览器加密后提交，请启用浏览器脚本，刷新页面后再填写一次";
    Fault::refused(IN_CLEAR, what)
}

/// A program's password came in clear where none does.
pub(crate) fn in_clear_of_a_program() -> Fault {
    let what = "密码须加密后以 sealed_password 提交，见接口文档“Sealed passwords”";
    Fault::refused(IN_CLEAR, what)
}

pub(crate) fn fault(error: &SealError) -> Fault {
    if let SealError::Failed(cause) = error {
        tracing::error!(error = chain(cause), "a sealed password cannot be judged");
        return Fault::new(FaultKind::Unavailable, error.code(), error.message());
    }
    Fault::refused(error.code(), error.message())
}
