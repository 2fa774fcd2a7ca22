//! Reading attribute arguments.

use syn::meta::ParseNestedMeta;
use syn::{Expr, Ident, LitStr, Path, Result, Token, parenthesized};

pub(crate) fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

pub(crate) fn ident(meta: &ParseNestedMeta<'_>) -> Result<Ident> {
    meta.value()?.parse()
}

pub(crate) fn path(meta: &ParseNestedMeta<'_>) -> Result<Path> {
    meta.value()?.parse()
}

pub(crate) fn expr(meta: &ParseNestedMeta<'_>) -> Result<Expr> {
    meta.value()?.parse()
}

/// `index(a, b)`
pub(crate) fn idents(meta: &ParseNestedMeta<'_>) -> Result<Vec<Ident>> {
    let content;
    parenthesized!(content in meta.input);
    Ok(content
        .parse_terminated(<Ident as syn::parse::Parse>::parse, Token![,])?
        .into_iter()
        .collect())
}

/// Refuses anything but lower-case letters, digits and inner hyphens.
pub(crate) fn slug(text: &LitStr) -> Result<String> {
    let s = text.value();
    let good = s.len() <= 40
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && !s.ends_with('-')
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good {
        Ok(s)
    } else {
        Err(syn::Error::new(
            text.span(),
            "lower-case letters, digits and inner hyphens only",
        ))
    }
}

/// Refuses anything but `<entity>.<verb>`.
pub(crate) fn dotted(text: &LitStr) -> Result<String> {
    let s = text.value();
    let part = |p: &str| slug(&LitStr::new(p, text.span())).is_ok();
    if s.split_once('.')
        .is_some_and(|(entity, verb)| part(entity) && part(verb))
    {
        Ok(s)
    } else {
        Err(syn::Error::new(
            text.span(),
            "an action is named \"<entity>.<verb>\"",
        ))
    }
}
