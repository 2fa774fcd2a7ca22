//! A form: one real `<form>`, its faults summed up at the top, what was typed put back.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sdk_contract::page::{Deed, FORM_FIELD, Field, FieldKind, Form};

use crate::blocks::{actions, field};
use crate::sealed_for;
use crate::url::{here, href};
use crate::view::ViewContext;

pub(crate) fn form(ctx: &ViewContext, form: &Form) -> Markup {
    let typed = typed_into(ctx, form);
    let draft = (form.drafts && !form.query).then(|| format!("{}#{}", ctx.path, form.name));
    let sealed = has_secrets(form).then(|| sealed_for(&ctx.path, &form.name));
    let method = if form.query { "get" } else { "post" };
    let action = if form.query {
        href(&ctx.path).to_owned()
    } else {
        here(ctx)
    };
    html! {
        form.page-form method=(method) action=(action) id={ "f-" (form.name) }
            enctype=[(form.has_files() && !form.query).then_some("multipart/form-data")]
            data-draft=[draft.as_deref()] data-restored=[typed.map(|_| "true")]
            data-seal=[sealed.as_deref()] {
            @if let (Deed::Send(send), false) = (&form.submit.deed, form.query) {
                (actions::hidden(ctx, send))
                input type="hidden" name=(FORM_FIELD) value=(form.name);
            }
            @if sealed.is_some() { (actions::sealed(ctx)) }
            @if typed.is_some() && !ctx.faults.is_empty() { (summary(ctx, form)) }
            @if draft.is_some() {
                p.draft-note data-draft-note hidden role="status" {
                    (ctx.say("已恢复您上次未提交的内容。", "What you typed before is back."))
                    button.btn.btn-ghost.btn-sm type="button" data-draft-forget { (ctx.say("清除", "Clear")) }
                }
            }
            @for group in &form.groups {
                @match &group.title {
                    Some(title) => fieldset.group {
                        legend.group-title { (title) }
                        div.fields { @for f in &group.fields { (field::field(ctx, form, f, typed)) } }
                    },
                    None => div.fields { @for f in &group.fields { (field::field(ctx, form, f, typed)) } },
                }
            }
            div.form-go { (actions::submit_of(ctx, &form.submit)) }
        }
    }
}

/// Whether passwords are typed into it. Those of a query form go nowhere.
pub(crate) fn has_secrets(form: &Form) -> bool {
    let secret = |f: &Field| matches!(f.kind, FieldKind::Secret { .. });
    !form.query && form.fields().any(secret)
}

/// What was typed into this form and refused; for a query form, what the URL says.
fn typed_into<'a>(ctx: &'a ViewContext, form: &Form) -> Option<&'a BTreeMap<String, Vec<String>>> {
    if form.query {
        return Some(&ctx.query).filter(|q| form.fields().any(|f| q.contains_key(&f.name)));
    }
    ctx.typed
        .as_ref()
        .filter(|t| t.get(FORM_FIELD).and_then(|v| v.first()) == Some(&form.name))
}

fn summary(ctx: &ViewContext, form: &Form) -> Markup {
    html! {
        div.notice.tone-danger.fault-sum role="alert" {
            div.notice-text {
                strong { (ctx.say("有内容需要修改，已填写的内容都还在：", "Please check; nothing you typed is lost:")) }
                ul {
                    @for fault in &ctx.faults {
                        li {
                            @if form.fields().any(|f| f.name == fault.field) {
                                a href={ "#" (field::id(&form.name, &fault.field)) } { (fault.message) }
                            } @else { (fault.message) }
                        }
                    }
                }
            }
        }
    }
}
