//! Buttons. What changes something is a form of its own; a question before it opens in place and
//! needs no script.

use maud::{Markup, html};
use sdk_contract::page::{
    ACTION_FIELD, Action, Deed, MARK_FIELD, REASON_FIELD, RECORD_FIELD, Send, Weight,
};

use crate::SEALED_FIELD;
use crate::icon::icon;
use crate::url::{here, href};
use crate::view::ViewContext;

/// A row of buttons.
pub(crate) fn bar(ctx: &ViewContext, actions: &[Action]) -> Markup {
    html! {
        @if !actions.is_empty() {
            div.actions { @for a in actions { (button(ctx, a, Size::Normal)) } }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Normal,
    Small,
}

fn class(weight: Weight, size: Size) -> String {
    let look = match weight {
        Weight::Primary => "btn btn-primary",
        Weight::Normal => "btn btn-outline",
        Weight::Quiet => "btn btn-ghost",
        Weight::Danger => "btn btn-danger",
    };
    format!("{look}{}", if size == Size::Small { " btn-sm" } else { "" })
}

pub(crate) fn button(ctx: &ViewContext, action: &Action, size: Size) -> Markup {
    let class = class(action.weight, size);
    let inner = html! { (icon(ctx, &action.icon)) span { (action.label) } };
    if let Some(why) = &action.off {
        return match size {
            Size::Normal => html! {
                span.held { button class=(class) type="button" disabled { (inner) } small { (why) } }
            },
            // A row of a table has no room for it.
            Size::Small => html! {
                button class=(class) type="button" disabled title=(why) { (inner) span.sr-only { "（" (why) "）" } }
            },
        };
    }
    match &action.deed {
        Deed::Open { to } => html! { a class=(class) href=(href(to)) { (inner) } },
        Deed::Download { to } => html! { a class=(class) href=(href(to)) download { (inner) } },
        Deed::Print => html! {
            button class=(class) type="button" data-print hidden { (inner) }
        },
        Deed::Send(send) => html! {
            form.inline method="post" action=(here(ctx)) {
                (hidden(ctx, send))
                (submit(&class, &inner, action, ctx, None))
            }
        },
    }
}

/// What every post carries.
pub(crate) fn hidden(ctx: &ViewContext, send: &Send) -> Markup {
    html! {
        (guard(ctx))
        input type="hidden" name=(ACTION_FIELD) value=(send.action);
        @if let Some(record) = &send.record {
            input type="hidden" name=(RECORD_FIELD) value=(record);
        }
        @if !send.args.is_empty() {
            input type="hidden" name=(MARK_FIELD) value=(send.mark());
        }
    }
}

/// The marks against forgery and repetition.
pub(crate) fn guard(ctx: &ViewContext) -> Markup {
    html! {
        input type="hidden" name="_csrf" value=(ctx.csrf);
        input type="hidden" name="_key" value=(ctx.key);
    }
}

/// What goes with a form that passwords are typed into: where they go once the browser has sealed
/// them, and what to say where it cannot.
pub(crate) fn sealed(ctx: &ViewContext) -> Markup {
    html! {
        input type="hidden" name=(SEALED_FIELD) value="" autocomplete="off";
        noscript {
            p.notice.tone-warning {
                (icon(ctx, "alert-circle"))
                span.notice-text {
                    (ctx.say(
                        "密码在您的浏览器中加密后才会发送，请启用脚本后刷新页面",
                        "Passwords are sealed in your browser before they are sent. Please turn scripts on and reload the page",
                    ))
                }
            }
        }
    }
}

/// The submit button of a form's action, behind its question when it has one.
pub(crate) fn submit_of(ctx: &ViewContext, action: &Action) -> Markup {
    let class = class(action.weight, Size::Normal);
    let inner = html! { (icon(ctx, &action.icon)) span { (action.label) } };
    submit(&class, &inner, action, ctx, None)
}

/// A button that sends the form of another place, and names its own action.
pub(crate) fn bulk(ctx: &ViewContext, action: &Action, send: &Send, form: &str) -> Markup {
    if action.off.is_some() {
        return button(ctx, action, Size::Normal);
    }
    let class = class(action.weight, Size::Normal);
    let inner = html! { (icon(ctx, &action.icon)) span { (action.label) } };
    submit(&class, &inner, action, ctx, Some((form, &send.action)))
}

fn submit(
    class: &str,
    inner: &Markup,
    action: &Action,
    ctx: &ViewContext,
    elsewhere: Option<(&str, &str)>,
) -> Markup {
    let (form, value) = elsewhere.unzip();
    let name = value.map(|_| ACTION_FIELD);
    let Some(confirm) = &action.confirm else {
        return html! { button class=(class) type="submit" form=[form] name=[name] value=[value] { (inner) } };
    };
    // The question that was answered stands open, with what is wrong; no other does.
    let sent = confirm.reason.is_some() && was_sent(ctx, action);
    let fault = ctx.faults.iter().find(|f| sent && f.field == REASON_FIELD);
    html! {
        details.ask open[fault.is_some()] {
            summary class=(class) role="button" { (inner) }
            div.ask-back {
                div.ask-sheet role="group" aria-label=(confirm.title) {
                    p.ask-title { (confirm.title) }
                    p { (confirm.text) }
                    @if let Some(reason) = &confirm.reason {
                        label.form-label {
                            (reason) " " span.must aria-hidden="true" { "*" }
                            textarea.form-control name=(REASON_FIELD) rows="3" maxlength="500" aria-required="true" form=[form] {
                                (if sent { typed(ctx, REASON_FIELD) } else { "" })
                            }
                        }
                        @if let Some(fault) = fault {
                            p.fault { (fault.message) }
                        }
                    }
                    div.actions {
                        button.btn.btn-primary type="submit" form=[form] name=[name] value=[value] { (confirm.ok) }
                        button.btn.btn-outline type="button" data-cancel { (ctx.say("取消", "Cancel")) }
                    }
                }
            }
        }
    }
}

/// Whether the refused post is this button's.
fn was_sent(ctx: &ViewContext, action: &Action) -> bool {
    let Deed::Send(send) = &action.deed else {
        return false;
    };
    let record = send.record.as_deref().unwrap_or_default();
    let mark = typed(ctx, MARK_FIELD);
    typed(ctx, ACTION_FIELD) == send.action
        && typed(ctx, RECORD_FIELD) == record
        && (mark.is_empty() || mark == send.mark())
}

fn typed<'a>(ctx: &'a ViewContext, name: &str) -> &'a str {
    let values = ctx.typed.as_ref().and_then(|typed| typed.get(name));
    values.and_then(|v| v.first()).map_or("", String::as_str)
}
