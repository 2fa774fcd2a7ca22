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
    /// The factors that can be proven then.
    pub factors: FactorsView<'a>,
    /// Why the last try was refused, or why to sign in again.
    pub message: Option<&'a str>,
    /// Where to go afterwards.
    pub next: &'a str,
    /// Where else one may sign in.
    pub providers: &'a [ProviderView],
    /// Said below the form: demo accounts, where to get help.
    pub note: Option<&'a str>,
}

/// Another who keeps accounts that one may sign in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderView {
    pub label: String,
    pub to: String,
}

/// The second factors that a person can prove.
#[derive(Debug, Clone, Copy, Default)]
pub struct FactorsView<'a> {
    /// One-time codes.
    pub code: bool,
    /// The text that a certificate's key signs, and the token it comes back with.
    pub challenge: Option<(&'a str, &'a str)>,
    /// What the browser asks a security key with, as JSON, and the token it comes back with.
    pub key: Option<(&'a str, &'a str)>,
}

/// The second factor is asked for in between; what was typed waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepUpScreen<'a> {
    /// Where the form was sent, and is sent from here.
    pub action: &'a str,
    /// Name under which what was typed waits.
    pub parked: &'a str,
    /// The factors that can be proven.
    pub factors: FactorsView<'a>,
    /// Why the last try was refused.
    pub message: Option<&'a str>,
    /// What is signed, where it is a signature over that which is asked for: canonical JSON.
    pub content: Option<&'a str>,
    /// Where to go instead.
    pub back: &'a str,
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
                @if screen.pending.is_empty() {
                    form.page-form method="post" action=(crate::LOGIN_PATH) data-seal=(crate::LOGIN_PATH) {
                        (actions::guard(ctx))
                        (actions::sealed(ctx))
                        input type="hidden" name="next" value=(next(screen.next));
                        (input(ctx, screen, "username"))
                        (input(ctx, screen, "password"))
                        button.btn.btn-primary.btn-wide type="submit" { (title) }
                    }
                } @else {
                    (factors(ctx, &Factors {
                        action: crate::LOGIN_PATH,
                        hidden: &[
                            ("next", next(screen.next)),
                            ("username", screen.username),
                            ("pending", screen.pending),
                        ],
                        code: "code",
                        submit: title,
                        refused: screen.message.is_some(),
                        view: screen.factors,
                    }))
                    p.login-note {
                        a href=(crate::LOST_FACTOR_PATH) { (ctx.say("丢失了第二重验证？", "Lost your second factor?")) }
                    }
                }
                @if screen.pending.is_empty() && !screen.providers.is_empty() {
                    div.login-others {
                        @for provider in screen.providers {
                            a.btn.btn-outline.btn-wide href=(href(&provider.to)) { (provider.label) }
                        }
                    }
                }
                @if screen.pending.is_empty() {
                    p.login-note {
                        a href=(crate::REGISTER_PATH) { (ctx.say("注册", "Register")) }
                        " · "
                        a href=(crate::FORGOTTEN_PATH) { (ctx.say("忘记密码", "Forgotten your password?")) }
                    }
                }
                @if let Some(note) = screen.note { p.login-note { (note) } }
            }
        }
    };
    document(ctx, title, &frame::plain(&body, None), true)
}

pub fn step_up_page(screen: &StepUpScreen<'_>, ctx: &ViewContext) -> String {
    let title = if screen.content.is_some() {
        ctx.say("请用数字证书签名", "Please sign with your certificate")
    } else {
        ctx.say("请确认是您本人", "Please confirm that it is you")
    };
    let body = html! {
        div.login {
            div.card.login-card {
                h1.page-title { (title) }
                p.muted {
                    @if screen.content.is_some() {
                        (ctx.say(
                            "您的签名与本次办理一并保存，可脱离平台核验。签名后接着办理，您填写的内容都在。",
                            "Your signature is kept with what you do. It goes on from there; what you typed is kept.",
                        ))
                    } @else {
                        (ctx.say(
                            "此操作需要第二重验证。确认后接着办理，您填写的内容都在。",
                            "This takes your second factor. It goes on from there; what you typed is kept.",
                        ))
                    }
                }
                @if let Some(message) = screen.message {
                    p.notice.tone-danger role="alert" id="login-message" { (icon(ctx, "alert-circle")) span.notice-text { (message) } }
                }
                @if let Some(content) = screen.content {
                    div.field {
                        label.form-label for="content" { (ctx.say("办理内容", "What is done")) }
                        textarea.form-control id="content" rows="6" readonly { (content) }
                        p.field-help {
                            (ctx.say(
                                "请核对。它的 SM3 摘要是待签名文本的末行。",
                                "Please check it. Its SM3 digest is the last line of the text to be signed.",
                            ))
                        }
                    }
                }
                (factors(ctx, &Factors {
                    action: href(screen.action),
                    hidden: &[("_parked", screen.parked)],
                    code: "_code",
                    submit: ctx.say("确认并继续", "Confirm and go on"),
                    refused: screen.message.is_some(),
                    view: screen.factors,
                }))
                p.login-note { a href=(href(screen.back)) { (ctx.say("不办理，返回", "Go back instead")) } }
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

/// The forms that ask for a second factor.
struct Factors<'a> {
    action: &'a str,
    /// What is sent along with any of them.
    hidden: &'a [(&'a str, &'a str)],
    /// Name of the field of the code.
    code: &'a str,
    submit: &'a str,
    refused: bool,
    view: FactorsView<'a>,
}

fn factors(ctx: &ViewContext, of: &Factors<'_>) -> Markup {
    let form = |fields: Markup| {
        html! {
            form.page-form method="post" action=(of.action) {
                (actions::guard(ctx))
                @for (name, value) in of.hidden { input type="hidden" name=(name) value=(value); }
                (fields)
                button.btn.btn-primary.btn-wide type="submit" { (of.submit) }
            }
        }
    };
    html! {
        @if let Some((options, token)) = of.view.key {
            form.page-form method="post" action=(of.action) data-security-key=(options) {
                (actions::guard(ctx))
                @for (name, value) in of.hidden { input type="hidden" name=(name) value=(value); }
                input type="hidden" name="_challenge" value=(token);
                input type="hidden" name="_security_key" value="";
                (key_note(ctx))
                button.btn.btn-primary.btn-wide type="submit" { (ctx.say("使用安全密钥", "Use a security key")) }
            }
            @if of.view.code || of.view.challenge.is_some() {
                p.login-note { (ctx.say("或用其他方式：", "Or another way:")) }
            }
        }
        @if of.view.code || (of.view.challenge.is_none() && of.view.key.is_none()) {
            (form(code(ctx, of.code, of.refused)))
        }
        @if let Some((text, token)) = of.view.challenge {
            @if of.view.code { p.login-note { (ctx.say("或用数字证书：", "Or with your certificate:")) } }
            (form(signed(ctx, text, token)))
        }
    }
}

/// Where scripts are off there is nothing that asks a key.
fn key_note(ctx: &ViewContext) -> Markup {
    html! {
        noscript { p.field-help { (ctx.say("安全密钥需要浏览器启用脚本", "Security keys need scripts to be on")) } }
    }
}

/// What a certificate's key signs. A device's program fills in the signature by the fields' names.
fn signed(ctx: &ViewContext, text: &str, token: &str) -> Markup {
    html! {
        input type="hidden" name="_challenge" value=(token);
        div.field {
            label.form-label for="challenge" { (ctx.say("待签名文本", "Text to be signed")) }
            textarea.form-control id="challenge" rows="6" readonly { (text) }
            p.field-help {
                (ctx.say(
                    "请核对第二行是本平台的网址，再用证书密钥签名（SM2 与 SM3，标识 1234567812345678）",
                    "See that the second line is this site's address, then sign with your certificate's key (SM2 with SM3, identity 1234567812345678)",
                ))
            }
        }
        div.field {
            label.form-label for="signature" { (ctx.say("签名（Base64）", "Signature (base64)")) }
            textarea.form-control id="signature" name="_signature" rows="3" maxlength="2000" required {}
        }
    }
}

fn code(ctx: &ViewContext, name: &str, refused: bool) -> Markup {
    let described = refused.then_some("login-message");
    html! {
        div.field {
            label.form-label for="code" { (ctx.say("动态口令或恢复码", "One-time or recovery code")) }
            input.form-control type="text" id="code" name=(name) autocomplete="one-time-code"
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
                input.form-control type="password" id=(name) data-secret=(name) autocomplete="current-password"
                    maxlength="256" required aria-describedby=[described];
            } @else {
                input.form-control type="text" id=(name) name=(name) autocomplete="username" value=(screen.username)
                    maxlength="128" required autofocus aria-describedby=[described];
            }
        }
    }
}
