//! The bell in the bar, and the page of what somebody was told.

use kernel_portal::{
    MenuItem, NOTICES_PATH, NoticeView, NoticesScreen, UnreadView, ViewContext, notices_page,
    render,
};
use sdk_contract::def::Area;
use sdk_contract::page::{Page, Shell};

use super::{ctx, has};

fn unread(count: u32, more: bool) -> ViewContext {
    ViewContext {
        unread: Some(UnreadView { count, more }),
        path: NOTICES_PATH.into(),
        ..ctx()
    }
}

fn notice(title: &str, read: bool) -> NoticeView {
    NoticeView {
        id: "n-1".into(),
        at: 1_795_420_800_000_000,
        title: title.into(),
        text: "给沪江银行的授权书将于 2026-12-15 到期".into(),
        read,
    }
}

fn page(items: &[NoticeView], next: Option<&str>, ctx: &ViewContext) -> String {
    let screen = NoticesScreen {
        items,
        newest: true,
        next,
    };
    notices_page(&screen, ctx)
}

#[test]
fn the_bell_says_how_many_in_both_shells_and_is_nobodys_without_a_session() {
    for shell in [Shell::Portal, Shell::Bench] {
        let page = Page::new("页").shell(shell);
        let drawn = |ctx: &ViewContext| render(&page, ctx);
        assert!(!drawn(&ctx()).contains("class=\"bell\""));
        let none = drawn(&unread(0, false));
        has(&none, &["aria-label=\"站内信\"", "href=\"/notices\""]);
        assert!(!none.contains("bell-count"));
        has(
            &drawn(&unread(99, true)),
            &["aria-label=\"站内信，99+ 条未读\"", ">99+<"],
        );
        let english = ViewContext {
            locale: "en".into(),
            ..unread(3, false)
        };
        has(&drawn(&english), &["aria-label=\"Notices, 3 unread\""]);
    }
}

#[test]
fn a_notice_is_opened_and_marked_by_forms_of_their_own() {
    let items = [notice("到期", false)];
    let html = page(&items, Some("n-0"), &unread(1, false));
    has(
        &html,
        &[
            "<h1",
            "name=\"open\" value=\"n-1\"",
            "name=\"read\" value=\"n-1\"",
            "name=\"read\" value=\"all\"",
            "value=\"the-csrf\"",
            "未读",
            "2026-11-23 16:00",
            "/notices?before=n-0",
        ],
    );
    // Every one of them proves itself.
    assert_eq!(html.matches("action=\"/notices\"").count(), 3);
    let read = page(&[notice("到期", true)], None, &unread(0, false));
    for gone in ["未读", "标为已读", "value=\"all\"", "class=\"pager\""] {
        assert!(!read.contains(gone), "{gone}");
    }
    has(&page(&[], None, &unread(0, false)), &["没有站内信"]);
}

#[test]
fn staff_stay_at_their_bench_and_words_stay_words() {
    let mut ctx = unread(1, false);
    assert!(page(&[], None, &ctx).contains("site-foot"));
    ctx.menu.push(MenuItem {
        title: "贷款审批".into(),
        path: "/lending/queue".into(),
        icon: String::new(),
        active: false,
        area: Area::Bench,
    });
    let hostile = notice("<script>alert(1)</script>", false);
    let html = page(&[hostile], None, &ctx);
    assert!(html.contains("bench-side") && !html.contains("site-foot"));
    assert!(!html.contains("<script>alert"));
    has(&html, &["&lt;script&gt;alert(1)"]);
}
