//! What stands around a page: the public site's header and footer, the staff's side menu.

use maud::{Markup, html};
use sdk_contract::def::Area;
use sdk_contract::page::Link;

use crate::blocks::actions;
use crate::icon::icon;
use crate::notices::bell;
use crate::url::{here, href, with};
use crate::view::{MenuItem, PostView, ViewContext};

/// Entries of a phone's bar at the foot, the front page not counted.
const PHONE_TABS: usize = 3;

/// `lang` is the body's own language where it is not the frame's.
pub(crate) fn portal(ctx: &ViewContext, body: &Markup, lang: Option<&str>) -> Markup {
    html! {
        header.site-head {
            div.site-top { div.wrap { (links(&ctx.site.above)) (switches(ctx)) } }
            div.site-brand {
                div.wrap {
                    a.brand href="/" { (brand(ctx, ctx.word(&ctx.site.name), ctx.word(&ctx.site.subtitle))) }
                    (search(ctx))
                    (bell(ctx))
                    (account(ctx))
                    (phone_menu(ctx))
                }
            }
            nav.site-nav aria-label=(ctx.say("主菜单", "Main menu")) {
                div.wrap { ul { @for item in portal_menu(ctx) { li { (nav_link(ctx, &item, false)) } } } }
            }
        }
        main.wrap.site-main id="main" tabindex="-1" lang=[lang] { (body) }
        (footer(ctx))
        (phone_bar(ctx))
    }
}

pub(crate) fn bench(ctx: &ViewContext, body: &Markup, lang: Option<&str>) -> Markup {
    html! {
        div.bench {
            header.bench-side {
                a.brand href="/" { (brand(ctx, ctx.bench_title(), "")) }
                nav aria-label=(ctx.say("工作台菜单", "Workbench menu")) {
                    ul { @for item in ctx.menu_of(true) { li { (nav_link(ctx, item, true)) } } }
                }
            }
            div.bench-body {
                div.bench-top {
                    span.bench-org { @if let Some(user) = &ctx.user { (user.organisation) } }
                    (switches(ctx))
                    (bell(ctx))
                    (account(ctx))
                }
                main.bench-main id="main" tabindex="-1" lang=[lang] { (body) }
            }
        }
    }
}

pub(crate) fn plain(body: &Markup, lang: Option<&str>) -> Markup {
    html! { main.plain-main id="main" tabindex="-1" lang=[lang] { (body) } }
}

fn brand(ctx: &ViewContext, name: &str, subtitle: &str) -> Markup {
    html! {
        @if !ctx.site.mark.is_empty() { span.mark aria-hidden="true" { (ctx.site.mark) } }
        span.brand-words {
            strong { (name) }
            @if !subtitle.is_empty() { small { (subtitle) } }
        }
    }
}

fn links(all: &[Link]) -> Markup {
    html! {
        ul.bar-links { @for link in all { li { a href=(href(&link.to)) { (link.label) } } } }
    }
}

/// Large type and the other language; the kernel keeps the choice.
fn switches(ctx: &ViewContext) -> Markup {
    let (care, care_word) = if ctx.care {
        ("0", ctx.say("标准版", "Standard type"))
    } else {
        ("1", ctx.say("关怀版", "Large type"))
    };
    let (lang, lang_word) = if ctx.english() {
        ("zh-CN", "中文")
    } else {
        ("en", "English")
    };
    html! {
        ul.bar-links {
            li { a href=(with(ctx, &[("care", care)])) { (care_word) } }
            li { a href=(with(ctx, &[("lang", lang)])) lang=(lang) { (lang_word) } }
        }
    }
}

fn search(ctx: &ViewContext) -> Markup {
    html! {
        @if let Some(search) = &ctx.site.search {
            form.site-search role="search" method="get" action=(href(&search.to)) {
                @let hint = ctx.word(&search.hint);
                input type="search" name="q" maxlength="100" placeholder=(hint) aria-label=(hint);
                button type="submit" aria-label=(ctx.say("搜索", "Search")) { (icon(ctx, "search")) }
            }
        }
    }
}

fn account(ctx: &ViewContext) -> Markup {
    html! {
        @match &ctx.user {
            Some(user) => details.drop.account {
                summary { (icon(ctx, "user")) span { (user.name) } @if !user.role.is_empty() { small { (user.role) } } }
                div.drop-sheet {
                    p { strong { (user.name) } }
                    @if !user.organisation.is_empty() { p { (user.organisation) } }
                    @if !user.role.is_empty() { p.muted { (user.role) } }
                    (others(ctx, &user.posts))
                    @if let Some(first) = ctx.menu_of(true).next() {
                        p { a href=(href(&first.path)) { (ctx.say("进入工作台", "Workbench")) } }
                    }
                    p { a href="/" { (ctx.say("网站首页", "Front page")) } }
                    form method="post" action=(crate::LOGOUT_PATH) {
                        (actions::guard(ctx))
                        button.btn.btn-outline.btn-sm type="submit" { (icon(ctx, "logout")) span { (ctx.say("退出登录", "Sign out")) } }
                    }
                }
            },
            None => a.account-in href=(login_to(ctx)) { (icon(ctx, "user")) span { (ctx.say("登录", "Sign in")) } },
        }
    }
}

/// The organisations that the person may act for instead.
fn others(ctx: &ViewContext, posts: &[PostView]) -> Markup {
    html! {
        @if !posts.is_empty() {
            p.muted { (ctx.say("切换机构", "Act for")) }
            @for post in posts {
                form method="post" action=(crate::SWITCH_PATH) {
                    (actions::guard(ctx))
                    input type="hidden" name="organisation" value=(post.organisation);
                    button.btn.btn-ghost.btn-sm type="submit" {
                        (icon(ctx, "arrows-exchange"))
                        span { (post.name) @if !post.title.is_empty() { "（" (post.title) "）" } }
                    }
                }
            }
        }
    }
}

fn login_to(ctx: &ViewContext) -> String {
    let next = here(ctx);
    let login = ViewContext {
        path: crate::LOGIN_PATH.into(),
        ..ViewContext::default()
    };
    if next == "/" {
        crate::LOGIN_PATH.to_owned()
    } else {
        with(&login, &[("next", &next)])
    }
}

fn portal_menu(ctx: &ViewContext) -> Vec<MenuItem> {
    let items: Vec<MenuItem> = ctx.menu_of(false).cloned().collect();
    let home = MenuItem {
        title: ctx.say("首页", "Home").into(),
        path: "/".into(),
        icon: "home".into(),
        active: !items.iter().any(|i| i.active) && matches!(ctx.path.as_str(), "/" | ""),
        area: Area::Services,
    };
    // Staff find their way to the workbench from every page.
    let bench = ctx.menu_of(true).next().map(|first| MenuItem {
        title: ctx.say("工作台", "Workbench").into(),
        active: false,
        area: Area::Me,
        ..first.clone()
    });
    [home].into_iter().chain(items).chain(bench).collect()
}

fn nav_link(ctx: &ViewContext, item: &MenuItem, with_icon: bool) -> Markup {
    html! {
        a href=(href(&item.path)) aria-current=[item.active.then_some("page")] {
            @if with_icon { (icon(ctx, &item.icon)) }
            span { (item.title) }
        }
    }
}

fn footer(ctx: &ViewContext) -> Markup {
    let site = &ctx.site;
    html! {
        footer.site-foot {
            div.wrap {
                (links(&site.below))
                p {
                    @if !site.sponsor.zh.is_empty() { span { (ctx.say("主办：", "Sponsor: ")) (ctx.word(&site.sponsor)) } }
                    @if !site.operator.zh.is_empty() { span { (ctx.say("承办：", "Operator: ")) (ctx.word(&site.operator)) } }
                    @if !site.hotline.is_empty() { span { (ctx.say("服务热线：", "Hotline: ")) (site.hotline) } }
                }
                @if !site.codes.is_empty() { p { @for code in &site.codes { span { (code) } } } }
            }
        }
    }
}

/// Everything of the header that a phone has no room for.
fn phone_menu(ctx: &ViewContext) -> Markup {
    html! {
        details.drop.phone-menu {
            summary aria-label=(ctx.say("全部菜单", "Whole menu")) { (icon(ctx, "menu-2")) }
            div.drop-sheet {
                (search(ctx))
                ul { @for item in portal_menu(ctx) { li { (nav_link(ctx, &item, false)) } } }
                (switches(ctx))
            }
        }
    }
}

/// 首页, services, 个人中心: the first entries of each area.
fn phone_bar(ctx: &ViewContext) -> Markup {
    let menu = portal_menu(ctx);
    let (home, rest) = (menu.first(), menu.get(1..).unwrap_or_default());
    let me = rest.iter().find(|i| i.area == Area::Me);
    let places = PHONE_TABS - usize::from(me.is_some());
    let services = rest
        .iter()
        .filter(|i| i.area == Area::Services)
        .take(places);
    html! {
        nav.phone-bar aria-label=(ctx.say("快捷菜单", "Quick menu")) {
            ul {
                @for item in home.into_iter().chain(services).chain(me) {
                    li { (nav_link(ctx, item, true)) }
                }
            }
        }
    }
}
