//! A whole page, and blocks alone.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sdk_contract::def::Tone;
use sdk_contract::page::{Arrange, Block, Page, Section, Shell};

use crate::blocks;
use crate::blocks::actions;
use crate::datum::{status, tone_class};
use crate::frame;
use crate::url::href;
use crate::view::ViewContext;

/// What htmx may do: no eval, no inline style, this origin only.
const HTMX: &str = r#"{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"allowScriptTags":false,"historyCacheSize":0}"#;

/// What a form that passwords are typed into has; as text it would be escaped.
const SEALS: &str = " data-seal=\"";

/// The page as a whole HTML document. The page must have passed `sdk_contract::page::check`; what
/// slipped through is still escaped, and links that leave the site lead nowhere.
pub fn render(page: &Page, ctx: &ViewContext) -> String {
    let lang = foreign(page, ctx);
    let body = html! {
        @if lang.is_some() {
            p.lang-note lang="en" { "The content of this page is available in Chinese only." }
        }
        (head(page, ctx))
        @for section in joined(&page.sections) { (blocks::section(ctx, &section)) }
        @if page.guarded { (watermark(ctx)) }
    };
    let frame = match page.shell {
        Shell::Portal => frame::portal(ctx, &body, lang),
        Shell::Bench => frame::bench(ctx, &body, lang),
        Shell::Plain => frame::plain(&body, lang),
    };
    document(ctx, &page.title, &frame, false)
}

/// The language of the page's own words, where it is not the frame's: a screen reader has to know
/// (WCAG 2.1, 3.1.2).
fn foreign(page: &Page, ctx: &ViewContext) -> Option<&'static str> {
    let chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    (ctx.english() && page.title.chars().any(chinese)).then_some("zh-CN")
}

/// Grids that follow each other without a title between are one grid: the front page's blocks come
/// from modules that know nothing of each other, and still share a line.
fn joined(sections: &[Section]) -> Vec<Section> {
    let open = |s: &Section| s.arrange == Arrange::Grid && s.title.is_none();
    let mut all: Vec<Section> = Vec::new();
    for section in sections {
        match all.last_mut() {
            Some(last) if last.arrange == Arrange::Grid && open(section) => {
                last.blocks.extend(section.blocks.iter().cloned());
            }
            _ => all.push(section.clone()),
        }
    }
    all
}

/// Blocks alone, for a page that is already there.
pub fn render_blocks(blocks: &[&Block], ctx: &ViewContext) -> String {
    html! { @for block in blocks { (blocks::block(ctx, block)) } }.into_string()
}

/// The document around a body. `keep_drafts` says that nothing typed has been accepted.
pub(crate) fn document(ctx: &ViewContext, title: &str, body: &Markup, keep_drafts: bool) -> String {
    html! {
        (DOCTYPE)
        html lang=(if ctx.english() { "en" } else { "zh-CN" }) class=[ctx.care.then_some("care")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="htmx-config" content=(HTMX);
                title { (title) " - " (ctx.word(&ctx.site.name)) }
                link rel="icon" type="image/svg+xml" href=(ctx.assets.favicon);
                link rel="stylesheet" href=(ctx.assets.styles);
                script src=(ctx.assets.script) defer {}
                @if body.0.contains(SEALS) { script src=(ctx.assets.seal) defer {} }
            }
            body data-keep-drafts=[keep_drafts.then_some("true")] {
                a.skip href="#main" { (ctx.say("跳到主要内容", "Skip to content")) }
                (body)
                @if let Some(toast) = ctx.toast.as_ref().filter(|t| t.tone != Tone::Danger) {
                    div class={ "toast " (tone_class(toast.tone)) } role="status" { (toast.text) }
                }
            }
        }
    }
    .into_string()
}

fn head(page: &Page, ctx: &ViewContext) -> Markup {
    html! {
        div.page-head {
            div.page-words {
                @if !page.trail.is_empty() {
                    nav.trail aria-label=(ctx.say("当前位置", "You are here")) {
                        ol {
                            @for link in &page.trail { li { a href=(href(&link.to)) { (link.label) } } }
                            li aria-current="page" { (page.title) }
                        }
                    }
                }
                h1.page-title {
                    (page.title)
                    @if let Some(s) = &page.status { " " (status(s)) }
                }
                @if let Some(text) = &page.subtitle { p.page-sub { (text) } }
            }
            (actions::bar(ctx, &page.actions))
        }
        // What went wrong stays where it is read, until something is done about it.
        @if let Some(toast) = ctx.toast.as_ref().filter(|t| t.tone == Tone::Danger) {
            div.notice.tone-danger role="alert" { p.notice-text { (toast.text) } }
        }
    }
}

/// Who looked, and when, all over the page.
fn watermark(ctx: &ViewContext) -> Markup {
    let who = ctx.user.as_ref().map_or("", |u| u.name.as_str());
    let when = sdk_contract::scalar::Timestamp::from_micros(ctx.now).local_minute();
    html! {
        svg.watermark aria-hidden="true" {
            (PreEscaped(r#"<defs><pattern id="watermark" width="320" height="180" patternUnits="userSpaceOnUse" patternTransform="rotate(-24)">"#))
            text x="10" y="60" { (who) " " (when) }
            (PreEscaped("</pattern></defs>"))
            rect width="100%" height="100%" fill="url(#watermark)" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use sdk_contract::page::Datum;

    use super::*;

    #[test]
    fn untitled_grids_share_a_line_and_others_stay_apart() {
        let block =
            |id: &str| Block::details(id, vec![sdk_contract::page::Fact::new("a", Datum::None)]);
        let sections = [
            Section::grid().block(block("a")),
            Section::grid().block(block("b")),
            Section::grid().title("t").block(block("c")),
            Section::stack().block(block("d")),
            Section::grid().block(block("e")),
        ];
        let ids: Vec<Vec<String>> = joined(&sections)
            .iter()
            .map(|s| s.blocks.iter().map(|b| b.id.clone()).collect())
            .collect();
        assert_eq!(ids, [vec!["a", "b"], vec!["c"], vec!["d"], vec!["e"]]);
    }
}
