//! What people were told: the bell in the bar, and the page behind it.

use maud::{Markup, html};
use sdk_contract::def::Tone;
use sdk_contract::page::Status;

use crate::blocks::actions;
use crate::datum::{status, time};
use crate::frame;
use crate::icon::icon;
use crate::render::document;
use crate::url::with;
use crate::view::ViewContext;

/// How much the viewer has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadView {
    pub count: u32,
    /// There are more than that.
    pub more: bool,
}

/// One notice, in the viewer's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeView {
    pub id: String,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub title: String,
    pub text: String,
    pub read: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct NoticesScreen<'a> {
    /// Newest first.
    pub items: &'a [NoticeView],
    /// These are the newest there are.
    pub newest: bool,
    /// Id of the notice before which the older ones are.
    pub next: Option<&'a str>,
}

/// Leads to the page; nothing where nobody is signed in.
pub(crate) fn bell(ctx: &ViewContext) -> Markup {
    html! {
        @if let Some(unread) = ctx.unread {
            a.bell href=(crate::NOTICES_PATH) aria-label=(told(ctx, unread))
                aria-current=[(ctx.path == crate::NOTICES_PATH).then_some("page")] {
                (icon(ctx, "bell"))
                @if unread.count > 0 {
                    span.bell-count aria-hidden="true" {
                        (unread.count) @if unread.more { "+" }
                    }
                }
            }
        }
    }
}

fn told(ctx: &ViewContext, unread: UnreadView) -> String {
    let UnreadView { count, more } = unread;
    let plus = if more { "+" } else { "" };
    match (count, ctx.english()) {
        (0, true) => "Notices".to_owned(),
        (0, false) => "站内信".to_owned(),
        (count, true) => format!("Notices, {count}{plus} unread"),
        (count, false) => format!("站内信，{count}{plus} 条未读"),
    }
}

/// The page of notices. Opening one is a form, since it marks it as read.
pub fn notices_page(screen: &NoticesScreen<'_>, ctx: &ViewContext) -> String {
    let title = ctx.say("站内信", "Notices");
    let unread = ctx.unread.is_some_and(|u| u.count > 0);
    let body = html! {
        div.page-head {
            div.page-words { h1.page-title { (title) } }
            @if unread {
                div.actions {
                    (button(ctx, "read", "all", &html! {
                        button.btn.btn-outline type="submit" {
                            (icon(ctx, "checks")) span { (ctx.say("全部标为已读", "Mark all as read")) }
                        }
                    }))
                }
            }
        }
        div.card.told {
            @if screen.items.is_empty() {
                p.muted {
                    (ctx.say(
                        "没有站内信。您的申请、授权等有进展时，会在这里告知。",
                        "No notices. You are told here when something happens to what you applied for or agreed to.",
                    ))
                }
            } @else {
                ol { @for notice in screen.items { (entry(ctx, notice)) } }
            }
        }
        @if !screen.newest || screen.next.is_some() {
            nav.pager aria-label=(ctx.say("翻页", "Pages")) {
                @if !screen.newest {
                    a.btn.btn-outline.btn-sm href=(crate::NOTICES_PATH) { (ctx.say("最新的", "Newest")) }
                }
                @if let Some(next) = screen.next {
                    a.btn.btn-outline.btn-sm href=(with(ctx, &[("before", next)])) { (ctx.say("更早的", "Older")) }
                }
            }
        }
    };
    // Staff stay at their workbench.
    let frame = if ctx.menu_of(true).next().is_some() {
        frame::bench(ctx, &body, None)
    } else {
        frame::portal(ctx, &body, None)
    };
    document(ctx, title, &frame, false)
}

fn entry(ctx: &ViewContext, notice: &NoticeView) -> Markup {
    let unread = Status::new(ctx.say("未读", "Unread"), Tone::Info);
    html! {
        li class=[(!notice.read).then_some("unread")] {
            div.told-words {
                (button(ctx, "open", &notice.id, &html! {
                    button.told-open type="submit" { (notice.title) }
                }))
                @if !notice.read { " " (status(&unread)) }
                @if !notice.text.is_empty() { p { (notice.text) } }
            }
            div.told-side {
                span.muted { (time(notice.at)) }
                @if !notice.read {
                    (button(ctx, "read", &notice.id, &html! {
                        button.btn.btn-ghost.btn-sm type="submit" {
                            (ctx.say("标为已读", "Mark as read"))
                            span.sr-only { "：" (notice.title) }
                        }
                    }))
                }
            }
        }
    }
}

/// A form of one button, back to the same page.
fn button(ctx: &ViewContext, name: &str, value: &str, inner: &Markup) -> Markup {
    html! {
        form.inline method="post" action=(with(ctx, &[])) {
            (actions::guard(ctx))
            input type="hidden" name=(name) value=(value);
            (inner)
        }
    }
}
