//! Cards in their four looks.

use maud::{Markup, html};
use sdk_contract::page::{Card, CardLook, Cards};

use crate::blocks::actions::{self, Size};
use crate::blocks::{filter, plain};
use crate::datum::{datum, status, tone_class};
use crate::icon::icon;
use crate::url::href;
use crate::view::ViewContext;

pub(crate) fn cards(ctx: &ViewContext, cards: &Cards) -> Markup {
    html! {
        (filter::chips(ctx, &cards.filters, cards.search.as_deref()))
        @if cards.items.is_empty() {
            (plain::nothing(ctx, &cards.empty))
        } @else {
            @match cards.look {
                CardLook::Product => ul.products { @for c in &cards.items { li.product.card { (product(ctx, c)) } } },
                CardLook::Tile => ul.tiles { @for c in &cards.items { li.tile.card { (tile(ctx, c)) } } },
                CardLook::News => ul.news { @for c in &cards.items { li.news-item { (news(ctx, c)) } } },
                CardLook::Menu => ul.menu { @for c in &cards.items { li { (menu(ctx, c)) } } },
            }
        }
        @if let Some(paging) = cards.paging { (filter::pager(ctx, paging)) }
    }
}

fn title(card: &Card) -> Markup {
    html! {
        @match &card.to {
            Some(to) => a href=(href(to)) { (card.title) },
            None => (card.title),
        }
    }
}

fn product(ctx: &ViewContext, card: &Card) -> Markup {
    html! {
        div.product-head {
            @if !card.icon.is_empty() { span class={ "product-icon " (tone_class(card.tone)) } { (icon(ctx, &card.icon)) } }
            div {
                h3.product-title { (title(card)) }
                @if let Some(text) = &card.subtitle { p.product-sub { (text) } }
            }
        }
        @if !card.tags.is_empty() { p.tags { @for tag in &card.tags { (status(tag)) } } }
        @if let Some(text) = &card.text { p.product-text { (text) } }
        dl.product-facts {
            @for fact in &card.facts { div { dt { (fact.label) } dd { (datum(ctx, &fact.value)) } } }
        }
        @if !card.actions.is_empty() {
            div.product-foot {
                div.actions { @for a in &card.actions { (actions::button(ctx, a, Size::Normal)) } }
            }
        }
    }
}

fn tile(ctx: &ViewContext, card: &Card) -> Markup {
    html! {
        div.tile-head {
            @if !card.icon.is_empty() { span class={ "stat-icon " (tone_class(card.tone)) } { (icon(ctx, &card.icon)) } }
            div {
                h3.tile-title { (title(card)) @for tag in &card.tags { " " (status(tag)) } }
                @if let Some(text) = &card.subtitle { p.product-sub { (text) } }
            }
        }
        @if let Some(text) = &card.text { p { (text) } }
        @if !card.facts.is_empty() {
            dl.tile-facts { @for fact in &card.facts { div { dt { (fact.label) } dd { (datum(ctx, &fact.value)) } } } }
        }
        @if !card.actions.is_empty() {
            div.actions { @for a in &card.actions { (actions::button(ctx, a, Size::Small)) } }
        }
    }
}

fn news(ctx: &ViewContext, card: &Card) -> Markup {
    html! {
        span.news-title { (title(card)) }
        span.news-side {
            @for tag in &card.tags { (status(tag)) }
            @if let Some(text) = &card.subtitle { span { (text) } }
            @for fact in &card.facts { span { (datum(ctx, &fact.value)) } }
        }
    }
}

fn menu(ctx: &ViewContext, card: &Card) -> Markup {
    let inner = html! {
        span class={ "menu-icon " (tone_class(card.tone)) } { (icon(ctx, &card.icon)) }
        span { (card.title) }
    };
    html! {
        @match &card.to {
            Some(to) => a.menu-item href=(href(to)) { (inner) },
            None => span.menu-item { (inner) },
        }
    }
}
