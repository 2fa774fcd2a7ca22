//! One block of a page.

pub(crate) mod actions;
mod cards;
mod field;
mod filter;
mod form;
mod grid;
pub(crate) mod plain;
mod prose;
mod stats;
mod table;
mod timeline;

use maud::{Markup, html};
use sdk_contract::page::{Arrange, Block, Body, CardLook, FORM_FIELD, JobState, Section};

use crate::chart;
use crate::url::{self, href};
use crate::view::ViewContext;

/// Seconds between two looks at running work.
const JOB_SECONDS: u16 = 2;

pub(crate) fn section(ctx: &ViewContext, section: &Section) -> Markup {
    html! {
        section.part {
            @if let Some(title) = &section.title { h2.part-title { (title) } }
            @match section.arrange {
                Arrange::Stack => div.stack { @for b in &section.blocks { (block(ctx, b)) } },
                Arrange::Grid => div.grid {
                    @for b in &section.blocks {
                        div class=(span_class(b.span)) { (block(ctx, b)) }
                    }
                },
                Arrange::MainAndSide => (main_and_side(ctx, &section.blocks)),
                Arrange::Tabs => (tabs(ctx, &section.blocks)),
            }
        }
    }
}

fn main_and_side(ctx: &ViewContext, blocks: &[Block]) -> Markup {
    let (side, main) = match blocks.split_last() {
        Some((side, main)) if !main.is_empty() => (Some(side), main),
        _ => (None, blocks),
    };
    html! {
        div.grid.main-side {
            div class=(span_class(if side.is_some() { 8 } else { 12 })) {
                div.stack { @for b in main { (block(ctx, b)) } }
            }
            @if let Some(side) = side { div class=(span_class(4)) { (block(ctx, side)) } }
        }
    }
}

fn tabs(ctx: &ViewContext, blocks: &[Block]) -> Markup {
    let asked = ctx.asked("tab");
    // A form whose post comes back is seen, wherever it was sent from.
    let sent = ctx.typed.as_ref().and_then(|t| t.get(FORM_FIELD)?.first());
    let came_back = |b: &&Block| matches!(&b.body, Body::Form(form) if sent == Some(&form.name));
    let open = blocks
        .iter()
        .find(came_back)
        .or_else(|| blocks.iter().find(|b| b.id == asked))
        .or_else(|| blocks.first());
    html! {
        nav.tabs aria-label=(ctx.say("分页签", "Tabs")) {
            @for b in blocks {
                @let current = open.is_some_and(|o| o.id == b.id);
                a.tab href=(url::with(ctx, &[("tab", &b.id)])) aria-current=[current.then_some("true")] {
                    (b.title.as_deref().unwrap_or(&b.id))
                }
            }
        }
        @if let Some(b) = open { (block(ctx, b)) }
    }
}

fn span_class(span: u8) -> &'static str {
    match span {
        1 | 2 => "span-2",
        3 => "span-3",
        4 => "span-4",
        5 => "span-5",
        6 => "span-6",
        7 => "span-7",
        8 => "span-8",
        9 => "span-9",
        10 | 11 => "span-10",
        _ => "span-12",
    }
}

pub(crate) fn block(ctx: &ViewContext, block: &Block) -> Markup {
    let live = match &block.body {
        Body::Job(job) if job.state == JobState::Running => Some(block.live.unwrap_or(JOB_SECONDS)),
        _ => block.live,
    };
    let refresh = live.map(|_| url::with(ctx, &[("_block", &block.id)]));
    // A notice says its title itself.
    let title = block
        .title
        .as_ref()
        .filter(|_| !matches!(block.body, Body::Notice(_)));
    let title_id = title.map(|_| format!("{}-title", block.id));
    html! {
        section.block.card[has_frame(&block.body)] id=(block.id) aria-labelledby=[title_id.as_deref()]
            hx-get=[refresh.as_deref()] hx-trigger=[live.map(|s| format!("every {s}s"))]
            hx-swap=[live.map(|_| "outerHTML")] {
            @if title.is_some() || block.more.is_some() {
                div.block-head {
                    @if let Some(title) = title {
                        h2.block-title id=[title_id.as_deref()] { (title) }
                    }
                    @if let Some(help) = &block.help { span.block-help { (help) } }
                    @if let Some(more) = &block.more {
                        a.block-more href=(href(&more.to)) { (more.label) " ›" }
                    }
                }
            }
            div.block-body { (body(ctx, block)) }
        }
    }
}

/// Whether the block stands in a white box of its own.
fn has_frame(body: &Body) -> bool {
    match body {
        Body::Notice(_) | Body::Stats { .. } | Body::Actions { .. } => false,
        Body::Cards(cards) => matches!(cards.look, CardLook::News | CardLook::Menu),
        _ => true,
    }
}

fn body(ctx: &ViewContext, block: &Block) -> Markup {
    match &block.body {
        Body::Prose { text } => prose::prose(text),
        Body::Notice(notice) => plain::notice(ctx, notice, block.title.as_deref()),
        Body::Stats { stats } => stats::stats(ctx, stats),
        Body::Details { facts, across } => plain::details(ctx, facts, *across),
        Body::Table(table) => table::table(ctx, &block.id, table),
        Body::Cards(cards) => cards::cards(ctx, cards),
        Body::Form(form) => form::form(ctx, form),
        Body::Timeline(timeline) => timeline::timeline(ctx, timeline),
        Body::Chart(chart) => chart::chart(ctx, &block.id, chart),
        Body::Files { files, empty } => plain::files(ctx, files, empty),
        Body::Actions { actions } => actions::bar(ctx, actions),
        Body::Job(job) => plain::job(ctx, job),
        // What nobody put in place is a part that this platform cannot show.
        Body::History { .. } | Body::Signatures { .. } | Body::Unknown => html! {
            p.unknown {
                (ctx.say("此处内容需要更新的平台版本才能显示。", "This part needs a newer version of the platform."))
            }
        },
    }
}
