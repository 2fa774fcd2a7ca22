//! Links: only within the site, and state kept in the query.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sdk_contract::page::is_site_path;

use crate::view::ViewContext;

const KEEP: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b',');

/// The path when it stays on this site, else `#`: the second fence behind the page check.
pub(crate) fn href(path: &str) -> &str {
    if is_site_path(path) { path } else { "#" }
}

/// This page with some of its query replaced; an empty value removes the name. `page` always goes,
/// because another filter or order begins at page 1, unless it is what is set.
pub(crate) fn with(ctx: &ViewContext, changes: &[(&str, &str)]) -> String {
    let mut query: BTreeMap<&str, Vec<&str>> = ctx
        .query
        .iter()
        .filter(|(name, _)| !name.starts_with('_') && *name != "page")
        .map(|(name, values)| (name.as_str(), values.iter().map(String::as_str).collect()))
        .collect();
    for (name, value) in changes {
        if value.is_empty() {
            query.remove(name);
        } else {
            query.insert(name, vec![value]);
        }
    }
    write(
        &ctx.path,
        query
            .into_iter()
            .flat_map(|(n, vs)| vs.into_iter().map(move |v| (n, v))),
    )
}

/// This very page, its query complete.
pub(crate) fn here(ctx: &ViewContext) -> String {
    match ctx.asked("page") {
        "" => with(ctx, &[]),
        page => with(ctx, &[("page", page)]),
    }
}

fn write<'a>(path: &str, query: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = href(if path.is_empty() { "/" } else { path }).to_owned();
    let mut mark = if text.contains('?') { '&' } else { '?' };
    for (name, value) in query {
        text.push(mark);
        text.extend(utf8_percent_encode(name, KEEP));
        text.push('=');
        text.extend(utf8_percent_encode(value, KEEP));
        mark = '&';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ctx() -> ViewContext {
        let query = [
            ("q", "a&b"),
            ("page", "3"),
            ("sort", "-id"),
            ("_block", "x"),
        ];
        ViewContext {
            path: "/market/products".into(),
            query: query
                .map(|(n, v)| (n.to_owned(), vec![v.to_owned()]))
                .into(),
            ..ViewContext::default()
        }
    }

    #[test]
    fn a_change_keeps_the_rest_and_begins_at_page_one() {
        assert_eq!(
            with(&ctx(), &[("sort", "id")]),
            "/market/products?q=a%26b&sort=id"
        );
        assert_eq!(with(&ctx(), &[("sort", ""), ("q", "")]), "/market/products");
        assert_eq!(here(&ctx()), "/market/products?page=3&q=a%26b&sort=-id");
    }

    #[test]
    fn ds_02_links_that_leave_the_site_lead_nowhere() {
        assert_eq!(href("javascript:alert(1)"), "#");
        assert_eq!(href("//evil.example"), "#");
        assert_eq!(href("/ok"), "/ok");
    }
}
