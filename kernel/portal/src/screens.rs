//! Pages of the platform itself: sign-in and errors.

use maud::{Markup, html};

use crate::blocks::actions;
use crate::frame;
use crate::icon::icon;
use crate::render::document;
use crate::url::href;
use crate::view::ViewContext;

/// What a person reads when something went wrong.
#[derive(Debug, Clone, Copy)]
pub struct ErrorScreen<'a> {
    /// HTTP status.
    pub status: u16,
    pub title: &'a str,
    /// In Chinese, as modules say it.
    pub what: &'a str,
    pub what_to_do: &'a str,
    /// Whether something typed was sent: it is still in the page before this one.
    pub sent: bool,
    /// To be named when asking for help.
    pub request: &'a str,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct LoginScreen<'a> {
    /// Put back after a refusal.
    pub username: &'a str,
    /// Set when the password was right and the second factor's code is asked for; sent back as is.
    pub pending: &'a str,
    /// Why the last try was refused, or why to sign in again.
    pub message: Option<&'a str>,
    /// Where to go afterwards.
    pub next: &'a str,
    /// Said below the form: demo accounts, where to get help.
    pub note: Option<&'a str>,
}

pub fn error_page(screen: &ErrorScreen<'_>, ctx: &ViewContext) -> String {
    let body = html! {
        section.error-page {
            p.error-code { (screen.status) }
            h1.page-title { (screen.title) }
            p lang=[ctx.english().then_some("zh-CN")] { (screen.what) }
            p { (screen.what_to_do) }
            p.muted {
                @if screen.sent {
                    (ctx.say(
                        "本次没有提交成功；您填写的内容还在上一页，返回后可继续。",
                        "Nothing was submitted; what you typed is still on the page before this one.",
                    ))
                    " "
                }
                @if !screen.request.is_empty() { (ctx.say("请求编号：", "Request: ")) code { (screen.request) } }
            }
            div.actions {
                @if screen.sent {
                    button.btn.btn-outline type="button" data-back hidden { (ctx.say("返回上一页", "Back")) }
                }
                a.btn.btn-primary href="/" { (ctx.say("返回首页", "Front page")) }
                @if ctx.user.is_none() {
                    a.btn.btn-outline href=(crate::LOGIN_PATH) { (ctx.say("登录", "Sign in")) }
                }
            }
        }
    };
    document(ctx, screen.title, &frame::portal(ctx, &body, None), true)
}

pub fn login_page(screen: &LoginScreen<'_>, ctx: &ViewContext) -> String {
    let title = ctx.say("登录", "Sign in");
    let body = html! {
        div.login {
            a.brand href="/" {
                @if !ctx.site.mark.is_empty() { span.mark aria-hidden="true" { (ctx.site.mark) } }
                span.brand-words { strong { (ctx.word(&ctx.site.name)) } small { (ctx.word(&ctx.site.subtitle)) } }
            }
            div.card.login-card {
                h1.page-title { (title) }
                @if let Some(message) = screen.message {
                    p.notice.tone-danger role="alert" id="login-message" { (icon(ctx, "alert-circle")) span.notice-text { (message) } }
                }
                form.page-form method="post" action=(crate::LOGIN_PATH) {
                    (actions::guard(ctx))
                    input type="hidden" name="next" value=(next(screen.next));
                    @if screen.pending.is_empty() {
                        (input(ctx, screen, "username"))
                        (input(ctx, screen, "password"))
                    } @else {
                        input type="hidden" name="username" value=(screen.username);
                        input type="hidden" name="pending" value=(screen.pending);
                        (code(ctx, screen))
                    }
                    button.btn.btn-primary.btn-wide type="submit" { (title) }
                }
                @if let Some(note) = screen.note { p.login-note { (note) } }
            }
        }
    };
    document(ctx, title, &frame::plain(&body, None), true)
}

/// Where to go after sign-in: only this site, and not back to sign-in.
fn next(next: &str) -> &str {
    match href(next) {
        "#" => "/",
        to if to.starts_with(crate::LOGIN_PATH) || to.starts_with(crate::LOGOUT_PATH) => "/",
        to => to,
    }
}

fn code(ctx: &ViewContext, screen: &LoginScreen<'_>) -> Markup {
    let described = screen.message.map(|_| "login-message");
    html! {
        div.field {
            label.form-label for="code" { (ctx.say("动态口令或恢复码", "One-time or recovery code")) }
            input.form-control type="text" id="code" name="code" autocomplete="one-time-code"
                maxlength="24" required autofocus aria-describedby=[described];
            p.field-help { (ctx.say("打开手机验证器应用，填写六位数字", "The six digits your authenticator shows")) }
        }
    }
}

fn input(ctx: &ViewContext, screen: &LoginScreen<'_>, name: &str) -> Markup {
    let secret = name == "password";
    let label = if secret {
        ctx.say("密码", "Password")
    } else {
        ctx.say("用户名", "User name")
    };
    let described = screen.message.map(|_| "login-message");
    html! {
        div.field {
            label.form-label for=(name) { (label) }
            @if secret {
                input.form-control type="password" id=(name) name=(name) autocomplete="current-password"
                    maxlength="256" required aria-describedby=[described];
            } @else {
                input.form-control type="text" id=(name) name=(name) autocomplete="username" value=(screen.username)
                    maxlength="128" required autofocus aria-describedby=[described];
            }
        }
    }
}
