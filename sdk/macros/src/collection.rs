//! `#[derive(Collection)]`

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::meta::ParseNestedMeta;
use syn::{DeriveInput, Error, Ident, LitStr, Path, Result};

use crate::fields::{self, Field};
use crate::{attrs, words};

#[derive(Default)]
struct Options {
    plural: Option<String>,
    entity: Option<String>,
    en: Option<String>,
    title: Option<Ident>,
    shard: Option<Ident>,
    audited: bool,
    attested: bool,
    keep_deleted: Option<u32>,
    retention: Option<TokenStream>,
    suppress_below: Option<u32>,
    assignee: Option<Ident>,
    read: Option<Path>,
    create: Option<Path>,
    update: Option<Path>,
    indexes: Vec<Vec<Ident>>,
    unique: Vec<Vec<Ident>>,
}

/// System fields that an index may name.
const INDEXABLE: [&str; 5] = [
    "subject",
    "organisation",
    "district",
    "created_at",
    "updated_at",
];

impl Options {
    fn read(input: &DeriveInput) -> Result<Self> {
        let mut this = Self::default();
        for attr in input
            .attrs
            .iter()
            .filter(|a| a.path().is_ident("collection"))
        {
            attr.parse_nested_meta(|meta| {
                let name = meta.path.require_ident()?.to_string();
                match name.as_str() {
                    "plural" => this.plural = Some(attrs::slug(&attrs::text(&meta)?)?),
                    "entity" => this.entity = Some(attrs::slug(&attrs::text(&meta)?)?),
                    "en" => this.en = Some(attrs::text(&meta)?.value()),
                    "title" => this.title = Some(attrs::ident(&meta)?),
                    "shard" => {
                        let given = attrs::ident(&meta)?;
                        let known = ["subject", "organisation", "aggregate", "reference"];
                        let text = LitStr::new(&given.to_string(), given.span());
                        this.shard = Some(fields::variant(&text, &known)?);
                    }
                    "audited" => this.audited = true,
                    "attested" => this.attested = true,
                    "keep_deleted" => {
                        let days: syn::LitInt = meta.value()?.parse()?;
                        this.keep_deleted = Some(days.base10_parse()?);
                    }
                    "retention" => this.retention = Some(retention(&meta)?),
                    "suppress_below" => {
                        let least: syn::LitInt = meta.value()?.parse()?;
                        this.suppress_below = Some(least.base10_parse()?);
                    }
                    "assignee" => this.assignee = Some(attrs::ident(&meta)?),
                    "read" => this.read = Some(attrs::path(&meta)?),
                    "create" => this.create = Some(attrs::path(&meta)?),
                    "update" => this.update = Some(attrs::path(&meta)?),
                    "index" => this.indexes.push(attrs::idents(&meta)?),
                    "unique" => this.unique.push(attrs::idents(&meta)?),
                    other => {
                        return Err(meta.error(format!("no collection option is called `{other}`")));
                    }
                }
                Ok(())
            })?;
        }
        Ok(this)
    }
}

/// `retention(purpose = "…")`, or with `days = 365, from = ended_on`
fn retention(meta: &ParseNestedMeta<'_>) -> Result<TokenStream> {
    let (mut days, mut from, mut purpose) = (None, None, None);
    meta.parse_nested_meta(|inner| {
        match inner.path.require_ident()?.to_string().as_str() {
            "days" => {
                let given: syn::LitInt = inner.value()?.parse()?;
                days = Some(given.base10_parse::<u32>()?);
            }
            "from" => from = Some(attrs::ident(&inner)?.to_string()),
            "purpose" => purpose = Some(attrs::text(&inner)?.value()),
            other => return Err(inner.error(format!("a retention has no `{other}`"))),
        }
        Ok(())
    })?;
    let Some(purpose) = purpose else {
        return Err(meta.error("a retention needs its `purpose`"));
    };
    let term = match (days, from) {
        (Some(days), Some(from)) => Some(quote!(::sdk::contract::def::Term {
            days: #days,
            from: #from.to_owned(),
        })),
        (None, None) => None,
        _ => return Err(meta.error("a retention has both `days` and `from`, or neither")),
    };
    let term = fields::option(term);
    Ok(quote!(::sdk::contract::def::Retention {
        purpose: #purpose.to_owned(),
        term: #term,
    }))
}

fn needed<T>(input: &DeriveInput, value: Option<T>, how: &str) -> Result<T> {
    value.ok_or_else(|| Error::new(input.ident.span(), format!("#[collection] needs {how}")))
}

/// Refuses a title, an assignee or an index that names no field.
fn check_names(options: &Options, declared: &[Field]) -> Result<()> {
    let is_field = |name: &Ident| declared.iter().any(|f| name == &f.name);
    let is_column = |name: &&Ident| is_field(name) || INDEXABLE.iter().any(|s| *name == s);
    let mut named = options.title.iter().chain(&options.assignee);
    let named = named.find(|name| !is_field(name));
    let mut keys = options.indexes.iter().chain(&options.unique).flatten();
    match named.or_else(|| keys.find(|name| !is_column(name))) {
        Some(name) => Err(Error::new(
            name.span(),
            format!("no field is called `{name}`"),
        )),
        None => Ok(()),
    }
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let options = Options::read(input)?;
    let declared = fields::all(input)?;
    declared.iter().try_for_each(Field::own_name)?;
    check_names(&options, &declared)?;

    let plural = needed(input, options.plural, "`plural = \"…\"`, its name in URLs")?;
    let title = needed(
        input,
        options.title,
        "`title = …`, the field that names a record",
    )?;
    let shard = needed(
        input,
        options.shard,
        "`shard = subject | organisation | aggregate | reference`",
    )?;
    let read = needed(
        input,
        options.read,
        "`read = …`, the permission to list and read",
    )?;
    let words = words::of(&input.attrs);
    if words.label.is_empty() {
        return Err(Error::new(
            input.ident.span(),
            "a collection needs a doc comment; its first sentence is the label",
        ));
    }
    let ident = &input.ident;
    let type_name = ident.to_string();
    let entity = options.entity.unwrap_or_else(|| words::kebab(&type_name));
    let label = words::label(&words, options.en.as_deref(), &type_name);
    let help = &words.help;
    let title = title.to_string();
    let audited = options.audited;
    let attested = options.attested;
    let keep_deleted = fields::option(options.keep_deleted.map(|n| quote!(#n)));
    let retention = fields::option(options.retention);
    let suppress_below = fields::option(options.suppress_below.map(|n| quote!(#n)));
    let assignee = options.assignee.map(|name| name.to_string());
    let assignee = fields::option(assignee.map(|name| quote!(#name.to_owned())));
    let [create, update] = [options.create, options.update].map(|permission| {
        permission.map_or_else(
            || quote!(::core::option::Option::None),
            |path| quote!(::core::option::Option::Some(#path.name.to_owned())),
        )
    });
    let [indexes, unique] = [options.indexes, options.unique].map(|keys| {
        let keys = keys.into_iter().map(|key| {
            let names = key.iter().map(Ident::to_string);
            quote!(::std::vec![#(#names.to_owned()),*])
        });
        quote!(::std::vec![#(#keys),*])
    });
    let defs = declared.iter().map(Field::def);
    let puts = declared.iter().map(Field::put);
    let read_all = fields::read_all(input, &declared);
    let handles = declared.iter().map(handle);

    Ok(quote! {
        #[automatically_derived]
        impl #ident {
            #(#handles)*
        }
        #[automatically_derived]
        impl ::sdk::record::Record for #ident {
            const COLLECTION: &'static str = #plural;
            const ENTITY: &'static str = #entity;
            fn def() -> ::sdk::contract::def::CollectionDef {
                ::sdk::contract::def::CollectionDef {
                    name: #plural.to_owned(),
                    entity: #entity.to_owned(),
                    label: #label,
                    help: #help.to_owned(),
                    title: #title.to_owned(),
                    shard: ::sdk::contract::def::Shard::#shard,
                    audited: #audited,
                    attested: #attested,
                    keep_deleted: #keep_deleted,
                    retention: #retention,
                    suppress_below: #suppress_below,
                    assignee: #assignee,
                    fields: ::std::vec![#(#defs),*],
                    indexes: #indexes,
                    unique: #unique,
                    read: #read.name.to_owned(),
                    create: #create,
                    update: #update,
                }
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
    })
}

/// `pub const AMOUNT: Field<Self, Money>`. At the call site, so that an unused one is no warning.
fn handle(field: &Field) -> TokenStream {
    let name = &field.name;
    let ty = &field.ty;
    let upper = format_ident!("{}", name.to_ascii_uppercase(), span = Span::call_site());
    let handle = if field.is_json() {
        quote!(JsonField)
    } else {
        quote!(Field)
    };
    let doc = format!("The field `{name}`.");
    quote! {
        #[doc = #doc]
        pub const #upper: ::sdk::field::#handle<Self, #ty> = ::sdk::field::#handle::new(#name);
    }
}
