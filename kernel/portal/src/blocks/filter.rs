//! Filters, search and pages of a list. All of it is links and one GET form; the state is the URL.

use maud::{Markup, html};
use sdk_contract::page::{Choice, Field, FieldKind, Paging};

use crate::blocks::field;
use crate::icon::icon;
use crate::url::{here, href, with};
use crate::view::ViewContext;

/// Drop-downs and a search box in one GET form.
pub(crate) fn bar(ctx: &ViewContext, id: &str, filters: &[Field], search: Option<&str>) -> Markup {
    let mine = |name: &str| filters.iter().any(|f| f.name == name) || matches!(name, "q" | "page");
    html! {
        @if !filters.is_empty() || search.is_some() {
            form.filters role="search" method="get" action=(href(&ctx.path)) {
                @for (name, values) in ctx.query.iter().filter(|(n, _)| !mine(n) && !n.starts_with('_')) {
                    @for value in values { input type="hidden" name=(name) value=(value); }
                }
                @for f in filters { (field::filter(ctx, id, f)) }
                @if let Some(hint) = search {
                    div.field {
                        label.form-label for={ (id) "-q" } { (ctx.say("搜索", "Search")) }
                        input.form-control type="search" id={ (id) "-q" } name="q" maxlength="100"
                            value=(ctx.asked("q")) placeholder=(hint);
                    }
                }
                div.filter-go {
                    button.btn.btn-primary type="submit" { (ctx.say("查询", "Search")) }
                    a.btn.btn-outline href=(reset(ctx, filters)) { (ctx.say("重置", "Reset")) }
                }
            }
        }
    }
}

/// Rows of chips, each a link; for lists of cards.
pub(crate) fn chips(ctx: &ViewContext, filters: &[Field], search: Option<&str>) -> Markup {
    let picks: Vec<(&Field, &[Choice], bool)> = filters
        .iter()
        .filter_map(|f| match &f.kind {
            FieldKind::Pick { choices, many, .. } => Some((f, choices.as_slice(), *many)),
            _ => None,
        })
        .collect();
    html! {
        @if !picks.is_empty() || search.is_some() {
            div.chips.card {
                @for (field, choices, many) in &picks { (chip_row(ctx, field, choices, *many)) }
                @if let Some(hint) = search {
                    form.chip-search role="search" method="get" action=(href(&ctx.path)) {
                        @for (name, values) in ctx.query.iter().filter(|(n, _)| !matches!(n.as_str(), "q" | "page") && !n.starts_with('_')) {
                            @for value in values { input type="hidden" name=(name) value=(value); }
                        }
                        input.form-control type="search" name="q" maxlength="100" value=(ctx.asked("q"))
                            placeholder=(hint) aria-label=(hint);
                        button.btn.btn-primary type="submit" { (ctx.say("查询", "Search")) }
                        a.btn.btn-outline href=(reset(ctx, filters)) { (ctx.say("重置", "Reset")) }
                    }
                }
            }
        }
    }
}

fn reset(ctx: &ViewContext, filters: &[Field]) -> String {
    let mut changes: Vec<(&str, &str)> = filters.iter().map(|f| (f.name.as_str(), "")).collect();
    changes.push(("q", ""));
    with(ctx, &changes)
}

fn chip_row(ctx: &ViewContext, field: &Field, choices: &[Choice], many: bool) -> Markup {
    let mut picked: Vec<&str> = ctx
        .query
        .get(&field.name)
        .into_iter()
        .flatten()
        .flat_map(|v| v.split(','))
        .filter(|v| !v.is_empty())
        .collect();
    if picked.is_empty() {
        picked.extend(field.initial.iter().map(String::as_str));
    }
    let name_id = format!("chips-{}", field.name);
    html! {
        div.chip-row role="group" aria-labelledby=(name_id) {
            span.chip-name id=(name_id) { (field.label) }
            div.chip-list {
                // One of several orders always holds; of filters there may be none.
                @if !field.required {
                    a.chip href=(with(ctx, &[(&field.name, "")])) aria-current=[picked.is_empty().then_some("true")] {
                        (ctx.say("全部", "All"))
                    }
                }
                @for choice in choices {
                    @let on = picked.contains(&choice.value.as_str());
                    @let next = toggled(&picked, &choice.value, on, many);
                    a.chip href=(with(ctx, &[(&field.name, &next)])) aria-current=[on.then_some("true")] {
                        (choice.label)
                        @if let Some(count) = choice.count { small { " " (count) } }
                    }
                }
            }
        }
    }
}

fn toggled(picked: &[&str], value: &str, on: bool, many: bool) -> String {
    match (on, many) {
        (true, false) => String::new(),
        (false, false) => value.to_owned(),
        (true, true) => picked
            .iter()
            .filter(|p| **p != value)
            .copied()
            .collect::<Vec<_>>()
            .join(","),
        (false, true) => picked
            .iter()
            .copied()
            .chain([value])
            .collect::<Vec<_>>()
            .join(","),
    }
}

/// How many there are, and the ways to the other pages.
pub(crate) fn pager(ctx: &ViewContext, paging: Paging) -> Markup {
    let size = u64::from(paging.size.max(1));
    let last = paging.total.div_ceil(size).max(1);
    let current = u64::from(paging.page).clamp(1, last);
    let to = |page: u64| with(ctx, &[("page", &page.to_string())]);
    html! {
        nav.pager aria-label=(ctx.say("分页", "Pages")) {
            p.pager-count {
                @if ctx.english() { (paging.total) " in all, page " (current) " of " (last) }
                @else { "共 " (paging.total) " 条，第 " (current) " / " (last) " 页" }
            }
            @if last > 1 {
                ul.pages {
                    @if current > 1 { li { a.page rel="prev" href=(to(current - 1)) { (ctx.say("上一页", "Back")) } } }
                    @for slot in slots(current, last) {
                        li {
                            @match slot {
                                Some(p) if p == current => a.page aria-current="page" href=(here(ctx)) { (p) },
                                Some(p) => a.page href=(to(p)) { (p) },
                                None => span.page-gap aria-hidden="true" { "…" },
                            }
                        }
                    }
                    @if current < last { li { a.page rel="next" href=(to(current + 1)) { (ctx.say("下一页", "Next")) } } }
                }
            }
        }
    }
}

/// First, last and the five around the current page; `None` where some are left out.
fn slots(current: u64, last: u64) -> Vec<Option<u64>> {
    let low = current.saturating_sub(2).min(last.saturating_sub(4)).max(1);
    let high = (low + 4).min(last);
    let mut slots = Vec::new();
    if low > 1 {
        slots.push(Some(1));
    }
    if low > 2 {
        slots.push(None);
    }
    slots.extend((low..=high).map(Some));
    if high + 1 < last {
        slots.push(None);
    }
    if high < last {
        slots.push(Some(last));
    }
    slots
}

/// A column's head that orders by it: up, down, up.
pub(crate) fn sort_head(ctx: &ViewContext, key: &str, label: &str) -> Markup {
    let (next, name) = match ctx.asked("sort") {
        s if s == key => (format!("-{key}"), "arrow-up"),
        s if s.strip_prefix('-') == Some(key) => (key.to_owned(), "arrow-down"),
        _ => (key.to_owned(), "arrows-sort"),
    };
    html! { a.sort href=(with(ctx, &[("sort", &next)])) { (label) (icon(ctx, name)) } }
}

/// The `aria-sort` of a column.
pub(crate) fn sort_state(ctx: &ViewContext, key: &str) -> Option<&'static str> {
    match ctx.asked("sort") {
        s if s == key => Some("ascending"),
        s if s.strip_prefix('-') == Some(key) => Some("descending"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_around_the_current_one() {
        let show = |c, l| {
            slots(c, l)
                .iter()
                .map(|s| s.map_or("…".into(), |p| p.to_string()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(show(1, 19), "1 2 3 4 5 … 19");
        assert_eq!(show(10, 19), "1 … 8 9 10 11 12 … 19");
        assert_eq!(show(19, 19), "1 … 15 16 17 18 19");
        assert_eq!(show(4, 7), "1 2 3 4 5 6 7");
        assert_eq!(show(2, 3), "1 2 3");
    }

    #[test]
    fn chips_toggle() {
        assert_eq!(toggled(&["a"], "a", true, false), "");
        assert_eq!(toggled(&["a"], "b", false, false), "b");
        assert_eq!(toggled(&["a", "b"], "a", true, true), "b");
        assert_eq!(toggled(&["a"], "b", false, true), "a,b");
    }
}
