//! Doc comments to labels and help, names to words.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, Lit, Meta};

/// What a doc comment says.
pub(crate) struct Words {
    /// First sentence, without its full stop; empty without a doc comment.
    pub(crate) label: String,
    pub(crate) help: String,
}

pub(crate) fn of(attrs: &[Attribute]) -> Words {
    let lines: Vec<String> = attrs.iter().filter_map(line).collect();
    let text = lines.join(" ");
    let text = text.trim();
    let (label, help) = split(text);
    Words {
        label: label.trim().to_owned(),
        help: help.trim().to_owned(),
    }
}

fn line(attr: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attr.meta else {
        return None;
    };
    if !pair.path.is_ident("doc") {
        return None;
    }
    match &pair.value {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(s) => Some(s.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// At the first `。`, or the first `.` before a blank or the end: `3.5%` is one word.
fn split(text: &str) -> (&str, &str) {
    let stop = text.char_indices().find(|(at, c)| {
        let next = text
            .get(at + c.len_utf8()..)
            .and_then(|rest| rest.chars().next());
        *c == '。' || *c == '.' && next.is_none_or(char::is_whitespace)
    });
    match stop {
        Some((at, c)) => (
            text.get(..at).unwrap_or(text),
            text.get(at + c.len_utf8()..).unwrap_or_default(),
        ),
        None => (text, ""),
    }
}

/// `submitted_at`, `DataAuthorization`, `application.submit` → `Submitted at`, …
pub(crate) fn human(name: &str) -> String {
    let spaced = kebab(name).replace(['-', '.'], " ");
    let mut chars = spaced.chars();
    chars
        .next()
        .map(|c| c.to_ascii_uppercase().to_string() + chars.as_str())
        .unwrap_or_default()
}

/// `UnderReview`, `under_review` → `under-review`.
pub(crate) fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(if c == '_' { '-' } else { c });
        }
    }
    out
}

/// A `Label` of the doc comment and the English words.
pub(crate) fn label(words: &Words, en: Option<&str>, name: &str) -> TokenStream {
    let en = en.map_or_else(|| human(name), str::to_owned);
    let zh = if words.label.is_empty() {
        &en
    } else {
        &words.label
    };
    quote!(::sdk::contract::def::Label::new(#zh, #en))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_is_the_label() {
        assert_eq!(
            split("贷款申请. One request."),
            ("贷款申请", " One request.")
        );
        assert_eq!(
            split("贷款申请。向银行提出。"),
            ("贷款申请", "向银行提出。")
        );
        assert_eq!(split("利率 3.5% 以下. More."), ("利率 3.5% 以下", " More."));
        assert_eq!(split("状态"), ("状态", ""));
    }

    #[test]
    fn names_become_words() {
        assert_eq!(human("submitted_at"), "Submitted at");
        assert_eq!(human("DataAuthorization"), "Data authorization");
        assert_eq!(human("application.submit"), "Application submit");
        assert_eq!(kebab("UnderReview"), "under-review");
        assert_eq!(kebab("max_uses"), "max-uses");
    }
}
