//! `#[field(…)]`: what one field of a collection or an action's input declares.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Data, DeriveInput, Error, Expr, Fields, GenericArgument, Ident, Lit, Path, PathArguments,
    Result, Type, UnOp,
};

use crate::{attrs, words};

/// Columns every record has; mirrors `sdk_contract::def::SYSTEM_FIELDS`, which a test of `sdk`
/// compares.
const SYSTEM_FIELDS: [&str; 9] = [
    "id",
    "revision",
    "subject",
    "organisation",
    "district",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
];

pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// Without the `Option`.
    pub(crate) ty: Type,
    optional: bool,
    words: words::Words,
    en: Option<String>,
    min: Option<i64>,
    max: Option<i64>,
    to: Option<String>,
    format: Option<Ident>,
    plain_decimal: bool,
    flags: Vec<Ident>,
    mask: Option<Ident>,
    reveal: Option<Path>,
    look: Option<Path>,
    level: Option<Ident>,
    accept: Vec<String>,
    formula: Option<(Ident, Vec<Ident>)>,
}

const FLAGS: [&str; 7] = [
    "unique",
    "frozen",
    "list",
    "search",
    "encrypted",
    "blind",
    "json",
];
/// Formulas of a computed field, with the number of fields each names; 0 is any.
const FORMULAS: [(&str, usize); 6] = [
    ("sum", 0),
    ("difference", 2),
    ("total", 2),
    ("count", 1),
    ("join", 0),
    ("days", 2),
];

/// The named fields of a struct; none for a unit struct.
pub(crate) fn all(input: &DeriveInput) -> Result<Vec<Field>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "only a struct can declare fields",
        ));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "a declaration has no type parameters",
        ));
    }
    match &data.fields {
        Fields::Named(named) => named.named.iter().map(Field::read).collect(),
        Fields::Unit => Ok(Vec::new()),
        Fields::Unnamed(fields) => Err(Error::new_spanned(fields, "fields need names")),
    }
}

impl Field {
    fn read(field: &syn::Field) -> Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new_spanned(field, "fields need names"));
        };
        let name = ident.to_string();
        let (ty, optional) = match argument(&field.ty, "Option") {
            Some(inner) => (inner.clone(), true),
            None => (field.ty.clone(), false),
        };
        let mut this = Self {
            plain_decimal: last(&ty).is_some_and(|s| s.ident == "Decimal"),
            ident,
            name,
            ty,
            optional,
            words: words::of(&field.attrs),
            en: None,
            min: None,
            max: None,
            to: None,
            format: None,
            flags: Vec::new(),
            mask: None,
            reveal: None,
            look: None,
            level: None,
            accept: Vec::new(),
            formula: None,
        };
        for attr in field.attrs.iter().filter(|a| a.path().is_ident("field")) {
            attr.parse_nested_meta(|meta| this.option(&meta))?;
        }
        this.check()?;
        Ok(this)
    }

    fn option(&mut self, meta: &syn::meta::ParseNestedMeta<'_>) -> Result<()> {
        let name = meta.path.require_ident()?.clone();
        match name.to_string().as_str() {
            "min" => self.min = Some(self.bound(&attrs::expr(meta)?)?),
            "max" => self.max = Some(self.bound(&attrs::expr(meta)?)?),
            "to" => self.to = Some(attrs::text(meta)?.value()),
            "en" => self.en = Some(attrs::text(meta)?.value()),
            "format" => {
                let known = ["uscc", "resident-id", "phone", "region", "industry"];
                self.format = Some(variant(&attrs::text(meta)?, &known)?);
            }
            "mask" => {
                let known = [
                    "phone",
                    "name",
                    "id-number",
                    "account",
                    "address",
                    "all",
                    "hidden",
                ];
                self.mask = Some(variant(&attrs::text(meta)?, &known)?);
            }
            "reveal" => self.reveal = Some(attrs::path(meta)?),
            "look" => self.look = Some(attrs::path(meta)?),
            "level" => {
                let known = ["L1", "L2", "L3", "L4"];
                self.level = Some(variant(&attrs::text(meta)?, &known)?);
            }
            "accept" => {
                let endings = attrs::text(meta)?.value().to_ascii_lowercase();
                self.accept = endings.split(',').map(|e| e.trim().to_owned()).collect();
            }
            formula if FORMULAS.iter().any(|(f, _)| *f == formula) => {
                let of = attrs::idents(meta)?;
                let count = FORMULAS.iter().find(|(f, _)| *f == formula);
                let fits = count.is_some_and(|(_, n)| *n == of.len() || *n == 0 && !of.is_empty());
                if !fits {
                    return Err(meta.error("not as many fields as the formula takes"));
                }
                self.formula = Some((name, of));
            }
            flag if FLAGS.contains(&flag) => self.flags.push(name),
            other => return Err(meta.error(format!("no field option is called `{other}`"))),
        }
        Ok(())
    }

    fn has(&self, flag: &str) -> Option<&Ident> {
        self.flags.iter().find(|f| *f == flag)
    }

    /// Refuses the name of a column that every record has.
    pub(crate) fn own_name(&self) -> Result<()> {
        let name = &self.name;
        if SYSTEM_FIELDS.contains(&name.as_str()) {
            return Err(Error::new(
                self.ident.span(),
                format!("every record already has `{name}`"),
            ));
        }
        Ok(())
    }

    pub(crate) fn is_json(&self) -> bool {
        self.has("json").is_some()
    }

    fn check(&self) -> Result<()> {
        let refuse = |at: &Ident, why: &str| Err(Error::new(at.span(), why));
        let blind = self.has("blind");
        let found = self
            .has("search")
            .or_else(|| self.has("unique").filter(|_| blind.is_none()));
        if let Some(flag) = found.filter(|_| self.is_json() || self.has("encrypted").is_some()) {
            return refuse(
                flag,
                "an encrypted or json field cannot be searched, nor unique unless it is blind",
            );
        }
        if let Some(flag) = blind.filter(|_| self.has("encrypted").is_none()) {
            return refuse(flag, "`blind` is for encrypted fields");
        }
        if self.formula.is_some() && !self.optional {
            return refuse(
                &self.ident,
                "a computed field is an Option: it has a value only once it is stored",
            );
        }
        let hidden = self.mask.as_ref().is_some_and(|m| m == "Hidden");
        if hidden && !self.optional {
            return refuse(&self.ident, "what may be hidden must be an Option");
        }
        let is_string = last(&self.ty).is_some_and(|s| s.ident == "String");
        let partly = self.mask.is_some() && !hidden;
        if !is_string && (self.to.is_some() || self.format.is_some() || partly) {
            return refuse(
                &self.ident,
                "`to`, `format` and `mask` (but `hidden`) are for String fields",
            );
        }
        match self.reveal.as_ref().or(self.look.as_ref()) {
            Some(path) if self.mask.is_none() => Err(Error::new_spanned(
                path,
                "`reveal` and `look` need a `mask` to lift",
            )),
            _ => Ok(()),
        }
    }

    /// A bound in units of the field's last digit; characters for text.
    fn bound(&self, expr: &Expr) -> Result<i64> {
        let scale = match last(&self.ty) {
            Some(s) if s.ident == "Money" => 2,
            Some(s) if s.ident == "Decimal" => decimal_scale(s)?,
            Some(s)
                if ["i64", "String", "Vec", "StoredFile"]
                    .iter()
                    .any(|t| s.ident == t) =>
            {
                0
            }
            _ => {
                return Err(Error::new_spanned(
                    expr,
                    "bounds are for i64, Money, Decimal<N>, String, Vec and StoredFile",
                ));
            }
        };
        let text = number(expr)?;
        units(&text, scale).ok_or_else(|| {
            Error::new_spanned(
                expr,
                format!("a number with at most {scale} digits after the point"),
            )
        })
    }

    /// The field's `FieldDef`.
    pub(crate) fn def(&self) -> TokenStream {
        let name = &self.name;
        let label = words::label(&self.words, self.en.as_deref(), name);
        let help = &self.words.help;
        let required = !self.optional;
        let [unique, frozen, list, search, encrypted, blind] =
            ["unique", "frozen", "list", "search", "encrypted", "blind"]
                .map(|f| self.has(f).is_some());
        let level = option(
            self.level
                .as_ref()
                .map(|l| quote!(::sdk::contract::def::Level::#l)),
        );
        let kind = self.kind();
        let mask = option(
            self.mask
                .as_ref()
                .map(|m| quote!(::sdk::contract::def::Mask::#m)),
        );
        let name_of = |p: &Path| quote!(#p.name.to_owned());
        let reveal = option(self.reveal.as_ref().map(name_of));
        let look = option(self.look.as_ref().map(name_of));
        quote! {
            ::sdk::contract::def::FieldDef {
                name: #name.to_owned(), label: #label, help: #help.to_owned(), kind: #kind,
                required: #required, unique: #unique, frozen: #frozen, list: #list,
                search: #search, encrypted: #encrypted, blind: #blind, level: #level,
                mask: #mask, reveal: #reveal, look: #look,
            }
        }
    }

    fn kind(&self) -> TokenStream {
        if self.is_json() {
            return quote!(::sdk::contract::kind::Kind::Json);
        }
        let ty = &self.ty;
        let min = option(self.min.map(|n| quote!(#n)));
        let max = option(self.max.map(|n| quote!(#n)));
        let to = option(self.to.as_ref().map(|t| quote!(#t)));
        let format = option(
            self.format
                .as_ref()
                .map(|f| quote!(::sdk::contract::code::Format::#f)),
        );
        let plain_decimal = self.plain_decimal;
        let accept = &self.accept;
        let kind = quote! {
            <#ty as ::sdk::field::FieldType>::kind(&::sdk::field::Rules {
                min: #min, max: #max, to: #to, format: #format, plain_decimal: #plain_decimal,
                accept: &[#(#accept),*],
            })
        };
        match &self.formula {
            None => kind,
            Some((formula, of)) => {
                let from = formula_of(formula, of);
                quote!(::sdk::contract::kind::Kind::Computed {
                    result: ::std::boxed::Box::new(#kind),
                    from: ::sdk::contract::kind::Formula::#from,
                })
            }
        }
    }

    /// An expression that takes the field out of `map` as `Option<field type>`, or notes why not
    /// in `faults`.
    fn take(&self) -> TokenStream {
        let (ty, name) = (&self.ty, &self.name);
        let function = match (self.is_json(), self.optional) {
            (false, false) => quote!(required),
            (false, true) => quote!(optional),
            (true, false) => quote!(required_json),
            (true, true) => quote!(optional_json),
        };
        quote!(::sdk::field::#function::<#ty>(map, #name, &mut faults))
    }

    /// A statement that puts `self`'s field into `map`.
    pub(crate) fn put(&self) -> TokenStream {
        if self.formula.is_some() {
            return TokenStream::new();
        }
        let (ident, name) = (&self.ident, &self.name);
        let write = if self.is_json() {
            quote!(::sdk::field::write_json(value))
        } else {
            quote!(::sdk::field::FieldType::write(value))
        };
        if self.optional {
            quote!(if let ::core::option::Option::Some(value) = &self.#ident {
                map.insert(#name.to_owned(), #write);
            })
        } else {
            quote!({ let value = &self.#ident; map.insert(#name.to_owned(), #write); })
        }
    }
}

/// The body of `from_map`.
pub(crate) fn read_all(input: &DeriveInput, fields: &[Field]) -> TokenStream {
    if matches!(&input.data, Data::Struct(data) if matches!(data.fields, Fields::Unit)) {
        return quote!(let _ = map; ::core::result::Result::Ok(Self));
    }
    if fields.is_empty() {
        return quote!(let _ = map; ::core::result::Result::Ok(Self {}));
    }
    let idents: Vec<&Ident> = fields.iter().map(|f| &f.ident).collect();
    let takes = fields.iter().map(Field::take);
    quote! {
        let mut faults = ::std::vec::Vec::new();
        #(let #idents = #takes;)*
        let (#(::core::option::Option::Some(#idents),)*) = (#(#idents,)*) else {
            return ::core::result::Result::Err(faults);
        };
        ::core::result::Result::Ok(Self { #(#idents),* })
    }
}

/// A variant of `Formula`, from its name and the fields it names.
fn formula_of(formula: &Ident, of: &[Ident]) -> TokenStream {
    let names: Vec<String> = of.iter().map(Ident::to_string).collect();
    let at = |i: usize| names.get(i).cloned().unwrap_or_default();
    let (a, b) = (at(0), at(1));
    match formula.to_string().as_str() {
        "sum" => quote!(Sum {
            of: ::std::vec![#(#names.to_owned()),*]
        }),
        "difference" => quote!(Difference { of: #a.to_owned(), less: #b.to_owned() }),
        "total" => quote!(Total { rows: #a.to_owned(), of: #b.to_owned() }),
        "count" => quote!(Count { rows: #a.to_owned() }),
        "days" => quote!(Days { from: #a.to_owned(), to: #b.to_owned() }),
        _ => quote!(Join {
            of: ::std::vec![#(#names.to_owned()),*],
            between: ::std::string::String::new(),
        }),
    }
}

pub(crate) fn option(inner: Option<TokenStream>) -> TokenStream {
    inner.map_or_else(
        || quote!(::core::option::Option::None),
        |t| quote!(::core::option::Option::Some(#t)),
    )
}

/// The variant that a text in kebab case names, if it is a known one.
pub(crate) fn variant(text: &syn::LitStr, known: &[&str]) -> Result<Ident> {
    let value = text.value();
    if !known.contains(&value.as_str()) {
        let list = known.join(", ");
        return Err(Error::new(text.span(), format!("one of: {list}")));
    }
    let camel: String = value
        .split('-')
        .flat_map(|part| {
            let mut chars = part.chars();
            chars
                .next()
                .map(|c| c.to_ascii_uppercase())
                .into_iter()
                .chain(chars)
        })
        .collect();
    Ok(Ident::new(&camel, Span::call_site()))
}

fn last(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The `T` of `wrapper<T>`.
fn argument<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let segment = last(ty).filter(|s| s.ident == wrapper)?;
    match &segment.arguments {
        PathArguments::AngleBracketed(args) => args.args.iter().find_map(|a| match a {
            GenericArgument::Type(inner) => Some(inner),
            _ => None,
        }),
        _ => None,
    }
}

fn decimal_scale(segment: &syn::PathSegment) -> Result<u8> {
    let scale = match &segment.arguments {
        PathArguments::AngleBracketed(args) => args.args.iter().find_map(|a| match a {
            GenericArgument::Const(Expr::Lit(lit)) => match &lit.lit {
                Lit::Int(n) => n.base10_parse().ok(),
                _ => None,
            },
            _ => None,
        }),
        _ => None,
    };
    scale.ok_or_else(|| Error::new_spanned(segment, "write the number of digits: Decimal<4>"))
}

/// A literal, perhaps negative, as text.
fn number(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(n) => Ok(n.base10_digits().to_owned()),
            Lit::Float(n) => Ok(n.base10_digits().to_owned()),
            _ => Err(Error::new_spanned(expr, "a number")),
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            number(&unary.expr).map(|n| format!("-{n}"))
        }
        _ => Err(Error::new_spanned(expr, "a number written out")),
    }
}

/// Decimal text as an integer of its `scale`-th digit.
fn units(text: &str, scale: u8) -> Option<i64> {
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > usize::from(scale) {
        return None;
    }
    let n: i64 = format!("{whole}{fraction:0<width$}", width = usize::from(scale))
        .parse()
        .ok()?;
    Some(if negative { -n } else { n })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_exact() {
        assert_eq!(units("0.24", 4), Some(2400));
        assert_eq!(units("-5", 2), Some(-500));
        assert_eq!(units("0.245", 2), None);
        assert_eq!(units("100", 0), Some(100));
        assert_eq!(units("1.0", 0), None);
    }

    #[test]
    fn a_record_has_no_second_revision() {
        let input: DeriveInput = syn::parse_quote! { struct A { revision: i64 } };
        let fields = all(&input).unwrap();
        let error = fields[0].own_name().unwrap_err();
        assert!(error.to_string().contains("already has `revision`"));
    }
}
