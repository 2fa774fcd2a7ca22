//! `#[derive(Row)]`: one row of a rows field.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use crate::fields::{self, Field};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let declared = fields::all(input)?;
    let ident = &input.ident;
    let defs = declared.iter().map(Field::def);
    let puts = declared.iter().map(Field::put);
    let read_all = fields::read_all(input, &declared);
    Ok(quote! {
        #[automatically_derived]
        impl ::sdk::record::Row for #ident {
            fn fields() -> ::std::vec::Vec<::sdk::contract::def::FieldDef> {
                ::std::vec![#(#defs),*]
            }
            fn from_map(
                map: &::sdk::Map,
            ) -> ::core::result::Result<Self, ::std::vec::Vec<::sdk::contract::error::FieldFault>> {
                #read_all
            }
            fn to_map(&self) -> ::sdk::Map {
                let mut map = ::sdk::Map::new();
                #(#puts)*
                map
            }
        }
        #[automatically_derived]
        impl ::sdk::field::Item for #ident {
            fn list(rules: &::sdk::field::Rules) -> ::sdk::contract::kind::Kind {
                ::sdk::contract::kind::Kind::Rows {
                    fields: <Self as ::sdk::record::Row>::fields(),
                    max: rules.most().unwrap_or(::sdk::field::MOST_ROWS),
                }
            }
            fn read(value: &::sdk::Value) -> ::core::option::Option<Self> {
                <Self as ::sdk::record::Row>::from_map(value.as_object()?).ok()
            }
            fn write(&self) -> ::sdk::Value {
                ::sdk::Value::Object(<Self as ::sdk::record::Row>::to_map(self))
            }
        }
    })
}
