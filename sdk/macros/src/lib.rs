//! Derives that turn a plugin's types into its declaration: `Collection`, `Row`, `Choice`,
//! `Action`; and `scenario`, which the test kit offers.
//!
//! A derive writes only what an author could have written by hand against `sdk`: a declaration,
//! reading from and writing to a JSON map, typed handles. Everything that can be wrong with a
//! declaration by its looks alone is an error at the place where it stands.

mod action;
mod attrs;
mod choice;
mod collection;
mod fields;
mod row;
mod scenario;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, Expr, ItemFn, parse_macro_input};

/// A set of records. The first sentence of each doc comment is its label, the rest its help.
///
/// On the type: `#[collection(plural = "applications", title = number, shard = subject)]`, with
/// `audited`, `attested`, `suppress_below = 5`, `assignee = officer`, `read = P`, `create = P`, `update = P`, `index(a, b)`, `unique(a, b)`,
/// `entity = "…"` and `en = "…"` as wanted. On fields `#[field(…)]`: `max`, `min`, `frozen`,
/// `list`, `search`, `unique`, `to = "plugin.collection"`, `format = "uscc"`, `encrypted`,
/// `blind`, `level = "L3"`, `mask = "phone"` (`name`, `id-number`, `account`, `address`, `all`, `hidden`), `reveal = P`, `look = P`,
/// `json`, `accept = "pdf, jpg"`, `en = "…"`; and of a computed field one of `sum(a, b)`,
/// `difference(a, b)`, `total(rows, a)`, `count(rows)`, `join(a, b)`, `days(a, b)`.
#[proc_macro_derive(Collection, attributes(collection, field))]
pub fn collection(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    collection::derive(&input)
        .unwrap_or_else(|e| e.to_compile_error())
        .into()
}

/// One row of a field `Vec<Row>`, which is kept in a table of its own. Fields as in `Collection`,
/// without `unique` and `encrypted`.
#[proc_macro_derive(Row, attributes(field))]
pub fn row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    row::derive(&input)
        .unwrap_or_else(|e| e.to_compile_error())
        .into()
}

/// A closed list of values, kept by their names in kebab case.
///
/// On the type `#[choice(name = "…", en = "…")]`, on variants `#[choice(tone = "info", value =
/// "…", en = "…")]`; all optional.
#[proc_macro_derive(Choice, attributes(choice))]
pub fn choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::derive(&input)
        .unwrap_or_else(|e| e.to_compile_error())
        .into()
}

/// The input of something a caller can do.
///
/// On the type `#[action(name = "application.submit", permission = permissions::SUBMIT)]`, with
/// `en = "…"` as wanted; fields as in `Collection`.
#[proc_macro_derive(Action, attributes(action, field))]
pub fn action(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    action::derive(&input)
        .unwrap_or_else(|e| e.to_compile_error())
        .into()
}

/// A scenario: `fn name(t: &World)`, run on the mock and on the real host with `SQLite` and with
/// `PostgreSQL`, as the tests `name::mock`, `name::sqlite` and `name::postgres`.
///
/// The argument is what the scenario begins with: anything that becomes a `sdk_testkit::Setting`.
#[proc_macro_attribute]
pub fn scenario(setting: TokenStream, item: TokenStream) -> TokenStream {
    let setting = parse_macro_input!(setting as Expr);
    let item = parse_macro_input!(item as ItemFn);
    scenario::expand(&setting, &item)
        .unwrap_or_else(|e| e.to_compile_error())
        .into()
}
