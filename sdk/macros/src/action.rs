//! `#[derive(Action)]`

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Expr, Path, Result};

use crate::fields::{self, Field};
use crate::{attrs, words};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let (mut name, mut permission, mut en): (Option<String>, Option<Path>, Option<String>) =
        (None, None, None);
    let (mut step_up, mut signed) = (false, false);
    let mut purpose: Option<Expr> = None;
    for attr in input.attrs.iter().filter(|a| a.path().is_ident("action")) {
        attr.parse_nested_meta(|meta| {
            match meta.path.require_ident()?.to_string().as_str() {
                "name" => name = Some(attrs::dotted(&attrs::text(&meta)?)?),
                "permission" => permission = Some(attrs::path(&meta)?),
                "step_up" => step_up = true,
                "signed" => (step_up, signed) = (true, true),
                "purpose" => purpose = Some(attrs::expr(&meta)?),
                "en" => en = Some(attrs::text(&meta)?.value()),
                other => return Err(meta.error(format!("no action option is called `{other}`"))),
            }
            Ok(())
        })?;
    }
    let missing = |what: &str| Error::new(input.ident.span(), format!("#[action] needs {what}"));
    let name = name.ok_or_else(|| missing("`name = \"<entity>.<verb>\"`"))?;
    let permission = permission.ok_or_else(|| missing("`permission = …`"))?;
    let words = words::of(&input.attrs);
    if words.label.is_empty() {
        return Err(Error::new(
            input.ident.span(),
            "an action needs a doc comment; its first sentence is the label",
        ));
    }

    let purpose = if let Some(code) = purpose {
        quote!(::core::option::Option::Some(#code))
    } else {
        quote!(::core::option::Option::None)
    };
    let ident = &input.ident;
    let label = words::label(&words, en.as_deref(), &ident.to_string());
    let help = &words.help;
    let declared = fields::all(input)?;
    let defs = declared.iter().map(Field::def);
    let read_all = fields::read_all(input, &declared);
    Ok(quote! {
        #[automatically_derived]
        impl ::sdk::action::Input for #ident {
            const NAME: &'static str = #name;
            const STEP_UP: bool = #step_up;
            const SIGNED: bool = #signed;
            const PURPOSE: ::core::option::Option<&'static str> = #purpose;
            fn permission() -> ::sdk::permission::Permission {
                #permission
            }
            fn label() -> ::sdk::contract::def::Label {
                #label
            }
            fn help() -> &'static str {
                #help
            }
            fn fields() -> ::std::vec::Vec<::sdk::contract::def::FieldDef> {
                ::std::vec![#(#defs),*]
            }
            fn from_map(
                map: &::sdk::Map,
            ) -> ::core::result::Result<Self, ::std::vec::Vec<::sdk::contract::error::FieldFault>> {
                #read_all
            }
        }
    })
}
