//! Figures that matter, large.

use maud::{Markup, html};
use sdk_contract::page::Stat;

use crate::chart::spark;
use crate::datum::{datum, percent_text, tone_class};
use crate::icon::icon;
use crate::url::href;
use crate::view::ViewContext;

pub(crate) fn stats(ctx: &ViewContext, stats: &[Stat]) -> Markup {
    html! {
        ul.stats { @for stat in stats { li.stat.card { (one(ctx, stat)) } } }
    }
}

fn one(ctx: &ViewContext, stat: &Stat) -> Markup {
    html! {
        @if !stat.icon.is_empty() {
            span class={ "stat-icon " (tone_class(stat.tone)) } { (icon(ctx, &stat.icon)) }
        }
        div.stat-words {
            p.stat-label {
                @match &stat.to {
                    Some(to) => a.stat-link href=(href(to)) { (stat.label) },
                    None => (stat.label),
                }
            }
            p.stat-value { (datum(ctx, &stat.value)) }
            @if let Some(change) = &stat.change { (against(ctx, change)) }
        }
        @if stat.spark.len() > 1 { (spark(&stat.spark)) }
    }
}

fn against(ctx: &ViewContext, change: &str) -> Markup {
    let (class, sign, word) = match change.strip_prefix('-') {
        Some(_) => ("stat-change down", "▼ ", ctx.say("下降", "down")),
        None => ("stat-change up", "▲ ", ctx.say("上升", "up")),
    };
    let size = percent_text(change.trim_start_matches('-'));
    html! {
        p class=(class) {
            span aria-hidden="true" { (sign) } span.sr-only { (word) " " } (size) "%"
            small { " " (ctx.say("较上期", "on last period")) }
        }
    }
}
