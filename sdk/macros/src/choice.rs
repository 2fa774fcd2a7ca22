//! `#[derive(Choice)]`

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Result, Variant};

use crate::{attrs, fields, words};

#[derive(Default)]
struct Options {
    /// Name of the choice, or value of the option.
    name: Option<String>,
    en: Option<String>,
    tone: Option<Ident>,
}

impl Options {
    fn read(all: &[Attribute], naming: &str) -> Result<Self> {
        let mut this = Self::default();
        for attr in all.iter().filter(|a| a.path().is_ident("choice")) {
            attr.parse_nested_meta(|meta| {
                match meta.path.require_ident()?.to_string().as_str() {
                    name if name == naming => this.name = Some(value(&attrs::text(&meta)?)?),
                    "en" => this.en = Some(attrs::text(&meta)?.value()),
                    "tone" if naming == "value" => {
                        let known = ["neutral", "info", "success", "warning", "danger"];
                        this.tone = Some(fields::variant(&attrs::text(&meta)?, &known)?);
                    }
                    other => {
                        return Err(meta.error(format!("no choice option is called `{other}`")));
                    }
                }
                Ok(())
            })?;
        }
        Ok(this)
    }
}

/// Values come from standards too (`01`, `CS03`), so they need not be slugs.
fn value(text: &LitStr) -> Result<String> {
    let s = text.value();
    let good = !s.is_empty()
        && s.len() <= 40
        && s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if good {
        Ok(s)
    } else {
        Err(Error::new(text.span(), "letters, digits, - and _ only"))
    }
}

struct Option_<'a> {
    ident: &'a Ident,
    value: String,
    tone: Ident,
    label: TokenStream,
    zh: String,
}

fn option(variant: &Variant) -> Result<Option_<'_>> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(
            variant,
            "an option of a choice has no fields",
        ));
    }
    let options = Options::read(&variant.attrs, "value")?;
    let name = variant.ident.to_string();
    let words = words::of(&variant.attrs);
    let label = words::label(&words, options.en.as_deref(), &name);
    Ok(Option_ {
        ident: &variant.ident,
        value: options.name.unwrap_or_else(|| words::kebab(&name)),
        tone: options
            .tone
            .unwrap_or_else(|| Ident::new("Neutral", variant.ident.span())),
        zh: if words.label.is_empty() {
            words::human(&name)
        } else {
            words.label
        },
        label,
    })
}

#[expect(
    clippy::too_many_lines,
    reason = "one quoted text, which reads best in one piece"
)]
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "only an enum can be a choice",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "a choice needs at least one option",
        ));
    }
    let ident = &input.ident;
    let options = Options::read(&input.attrs, "name")?;
    let type_name = ident.to_string();
    let name = options.name.unwrap_or_else(|| words::kebab(&type_name));
    let label = words::label(&words::of(&input.attrs), options.en.as_deref(), &type_name);
    let all = data
        .variants
        .iter()
        .map(option)
        .collect::<Result<Vec<_>>>()?;
    let variants: Vec<_> = all.iter().map(|o| o.ident).collect();
    let values: Vec<_> = all.iter().map(|o| &o.value).collect();
    let tones: Vec<_> = all.iter().map(|o| &o.tone).collect();
    let labels = all.iter().map(|o| &o.label);
    let zh = all.iter().map(|o| &o.zh);

    let item = item(ident);
    Ok(quote! {
        #[automatically_derived]
        impl #ident {
            /// Every option, in declared order.
            pub const ALL: &'static [Self] = &[#(Self::#variants),*];
            /// As records and the API keep it.
            pub const fn value(self) -> &'static str {
                match self { #(Self::#variants => #values),* }
            }
            /// For people, in Chinese.
            pub const fn label(self) -> &'static str {
                match self { #(Self::#variants => #zh),* }
            }
            pub const fn tone(self) -> ::sdk::contract::def::Tone {
                match self { #(Self::#variants => ::sdk::contract::def::Tone::#tones),* }
            }
            /// As a page shows it.
            pub fn status(self) -> ::sdk::contract::page::Status {
                ::sdk::contract::page::Status::new(self.label(), self.tone())
            }
        }
        #[automatically_derived]
        impl ::sdk::choice::Choice for #ident {
            const NAME: &'static str = #name;
            fn def() -> ::sdk::contract::def::ChoiceDef {
                ::sdk::contract::def::ChoiceDef {
                    name: #name.to_owned(),
                    label: #label,
                    options: ::std::vec![#(::sdk::contract::def::OptionDef {
                        value: #values.to_owned(),
                        label: #labels,
                        tone: ::sdk::contract::def::Tone::#tones,
                    }),*],
                }
            }
            fn of_value(value: &str) -> ::core::option::Option<Self> {
                match value {
                    #(#values => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }
            fn value(self) -> &'static str {
                Self::value(self)
            }
        }
        #[automatically_derived]
        impl ::sdk::field::FieldType for #ident {
            fn kind(_: &::sdk::field::Rules) -> ::sdk::contract::kind::Kind {
                ::sdk::contract::kind::Kind::Choice {
                    of: <Self as ::sdk::choice::Choice>::NAME.to_owned(),
                }
            }
            fn read(value: &::sdk::Value) -> ::core::option::Option<Self> {
                value.as_str().and_then(<Self as ::sdk::choice::Choice>::of_value)
            }
            fn write(&self) -> ::sdk::Value {
                ::sdk::Value::from(Self::value(*self))
            }
        }
        #item
        #[automatically_derived]
        impl ::sdk::serde::Serialize for #ident {
            fn serialize<S: ::sdk::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(Self::value(*self))
            }
        }
        #[automatically_derived]
        impl<'de> ::sdk::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::sdk::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                ::sdk::choice::deserialize(deserializer)
            }
        }
    })
}

/// Lets a field hold several options.
fn item(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::sdk::field::Item for #ident {
            fn list(rules: &::sdk::field::Rules) -> ::sdk::contract::kind::Kind {
                ::sdk::contract::kind::Kind::MultiChoice {
                    of: <Self as ::sdk::choice::Choice>::NAME.to_owned(),
                    max: rules.most(),
                }
            }
            fn read(value: &::sdk::Value) -> ::core::option::Option<Self> {
                value.as_str().and_then(<Self as ::sdk::choice::Choice>::of_value)
            }
            fn write(&self) -> ::sdk::Value {
                ::sdk::Value::from(Self::value(*self))
            }
        }
    }
}
