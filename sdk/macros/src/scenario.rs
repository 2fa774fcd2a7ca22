//! `#[scenario(…)]`: one body, a test for each place where it must mean the same.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, Expr, ItemFn, Result};

pub(crate) fn expand(setting: &Expr, scenario: &ItemFn) -> Result<TokenStream> {
    let signature = &scenario.sig;
    if signature.inputs.len() != 1 || signature.asyncness.is_some() {
        let wanted = "a scenario is `fn name(t: &World)`";
        return Err(Error::new_spanned(signature, wanted));
    }
    let name = &signature.ident;
    let begins = format_ident!("{name}_begins_with");
    let tests = [
        ("mock", "Mock"),
        ("sqlite", "Sqlite"),
        ("postgres", "Postgres"),
    ]
    .map(|(test, profile)| {
        let (test, profile) = (format_ident!("{test}"), format_ident!("{profile}"));
        quote! {
            #[test]
            fn #test() {
                let setting = super::#begins();
                ::sdk_testkit::play(::sdk_testkit::Profile::#profile, &setting, super::#name);
            }
        }
    });
    Ok(quote! {
        #[cfg(test)]
        #scenario

        #[cfg(test)]
        fn #begins() -> ::sdk_testkit::Setting {
            ::core::convert::Into::into(#setting)
        }

        mod #name {
            #(#tests)*
        }
    })
}
