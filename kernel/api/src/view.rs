//! What a page is drawn with: who looks, which menu they have, what was typed.

use std::collections::BTreeMap;

use kernel_crypto::random;
use kernel_identity::decide::decide;
use kernel_identity::principal::Principal;
use kernel_portal::assets::Assets;
use kernel_portal::{
    ErrorScreen, LoginScreen, MenuItem, PostView, Toast, UnreadView, UserView, ViewContext,
    error_page, login_page,
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use sdk_contract::def::{Area, Label, Tone};
use sdk_contract::page::Choice;

use crate::caller::Caller;
use crate::edge::RequestInfo;
use crate::problem::Problem;
use crate::typed::{Typed, gather, pairs};
use crate::{Web, federation};

/// Everything but what needs no escaping in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// A path and query as a header may carry it.
pub(crate) fn header_path(path: &str) -> String {
    utf8_percent_encode(path, CONTROLS).to_string()
}

/// The context of a page at `path`, without anything typed.
pub(crate) fn context(
    web: &Web,
    caller: Option<&Caller>,
    info: &RequestInfo,
    path: &str,
) -> ViewContext {
    let nobody = Principal::anonymous();
    let principal = caller.map_or(&nobody, |c| &c.principal);
    let english = info.english();
    let settings = web.settings();
    ViewContext {
        site: settings.site.clone(),
        user: user(web, principal, english),
        menu: menu(web, principal, path, english),
        unread: caller.and_then(|c| c.unread).map(|u| UnreadView {
            count: u.count,
            more: u.more,
        }),
        csrf: caller.map(|c| c.csrf(web)).unwrap_or_default(),
        key: random::token_hex(16).unwrap_or_default(),
        path: path.to_owned(),
        query: query(&info.target),
        locale: info.locale.clone(),
        toast: caller.and_then(|c| c.toast.clone()).map(|text| Toast {
            tone: Tone::Success,
            text,
        }),
        typed: None,
        faults: Vec::new(),
        regions: settings
            .regions
            .iter()
            .map(|(code, label)| Choice::new(code, label.pick(english)))
            .collect(),
        care: info.care,
        now: web.now(),
        assets: Assets::embedded(),
    }
}

/// The parameters of a path and query that are not the portal's own.
pub(crate) fn query(target: &str) -> Typed {
    let text = target.split_once('?').map_or("", |(_, q)| q);
    let mut query = gather(pairs(text.as_bytes()).unwrap_or_default());
    query.retain(|name, _| !name.starts_with('_') && name != "care" && name != "lang");
    query
}

/// As modules get it: one text a name, several values joined by commas.
pub(crate) fn flat(query: &Typed) -> BTreeMap<String, String> {
    query
        .iter()
        .map(|(n, vs)| (n.clone(), vs.join(",")))
        .collect()
}

pub(crate) fn error(
    web: &Web,
    caller: Option<&Caller>,
    info: &RequestInfo,
    problem: &Problem,
    sent: bool,
) -> String {
    let path = info.target.split('?').next().unwrap_or("/");
    let mut ctx = context(web, caller, info, path);
    ctx.toast = None;
    let status = problem.status.as_u16();
    let (title, advice) = (problem.title(), what_to_do(status));
    let screen = ErrorScreen {
        status,
        title: title.pick(info.english()),
        what: &problem.detail,
        what_to_do: advice.pick(info.english()),
        sent,
        request: &info.id,
    };
    error_page(&screen, &ctx)
}

/// The sign-in page, with the name that was typed and why it is shown again.
pub(crate) fn login(
    web: &Web,
    caller: &Caller,
    info: &RequestInfo,
    screen: &LoginScreen<'_>,
) -> String {
    let ctx = context(web, Some(caller), info, kernel_portal::LOGIN_PATH);
    let providers = federation::offered(web, info.english(), screen.next);
    let screen = LoginScreen {
        providers: &providers,
        ..*screen
    };
    login_page(&screen, &ctx)
}

fn what_to_do(status: u16) -> Label {
    let (zh, en) = match status {
        401 => ("请登录后再试。", "Please sign in and try again."),
        403 => (
            "如确需办理，请联系本机构管理员开通权限，或换一个账号登录。",
            "If you need this, ask your organisation's administrator, or sign in with another account.",
        ),
        404 => (
            "请检查地址，或从首页重新进入。",
            "Please check the address, or start again from the front page.",
        ),
        409 => (
            "请返回上一页刷新后再试。",
            "Please go back, reload the page and try again.",
        ),
        413 => ("请减小文件后重新上传。", "Please upload a smaller file."),
        429 => ("请稍后再试。", "Please try again later."),
        500.. => (
            "请稍后再试；若反复出现，请把请求编号告诉客服。",
            "Please try again later; if it happens again, tell the service desk the request number.",
        ),
        _ => (
            "请返回上一页检查后再试。",
            "Please go back, check and try again.",
        ),
    };
    Label::new(zh, en)
}

fn user(web: &Web, principal: &Principal, english: bool) -> Option<UserView> {
    let roles = &web.settings().roles;
    let posts = principal.posts.iter();
    let posts = posts.filter(|p| Some(&p.organisation) != principal.organisation.as_ref());
    principal.user.as_ref().map(|_| UserView {
        posts: posts
            .map(|p| PostView {
                organisation: p.organisation.clone(),
                name: p.organisation_name.clone(),
                title: p.title.clone(),
            })
            .collect(),
        name: principal.name.clone(),
        organisation: principal.organisation_name.clone(),
        kind: principal.organisation_kind.clone(),
        role: principal
            .roles
            .iter()
            .filter_map(|role| roles.get(role))
            .map(|label| label.pick(english))
            .chain(principal.composed.titles.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(if english { ", " } else { "、" }),
    })
}

/// Entries for the pages the principal may open, by area, order and module.
fn menu(web: &Web, principal: &Principal, path: &str, english: bool) -> Vec<MenuItem> {
    let catalog = web.host().catalog();
    let mut found = Vec::new();
    for (id, installed) in &catalog.modules {
        if !installed.visible(principal) {
            continue;
        }
        for page in &installed.def.pages {
            let fixed = page.area != Area::None && !page.path.contains('{');
            let permission = installed.def.permission(&page.permission);
            if fixed && permission.is_some_and(|p| decide(principal, id, p).allowed()) {
                found.push((page, id));
            }
        }
    }
    found.sort_by_key(|(page, id)| (page.area, page.order, id.as_str()));
    // The deepest entry above the page is where the person is.
    let here = found
        .iter()
        .map(|(page, _)| page.path.as_str())
        .filter(|p| {
            path == *p
                || path
                    .strip_prefix(p)
                    .is_some_and(|rest| rest.starts_with('/'))
        })
        .max_by_key(|p| p.len());
    found
        .iter()
        .map(|(page, _)| MenuItem {
            title: page.label.pick(english).to_owned(),
            path: page.path.clone(),
            icon: page.icon.clone(),
            active: here == Some(page.path.as_str()),
            area: page.area,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portals_own_parameters_are_not_the_modules() {
        let q = query("/a?b=1&b=2&_parked=x&care=1&c=%26");
        assert_eq!(
            flat(&q),
            [
                ("b".to_owned(), "1,2".to_owned()),
                ("c".to_owned(), "&".to_owned())
            ]
            .into()
        );
        assert!(query("/a").is_empty());
    }

    #[test]
    fn escaping_leaves_nothing_that_ends_a_value() {
        assert_eq!(escape("/a?b=c&d"), "%2Fa%3Fb%3Dc%26d");
    }
}
