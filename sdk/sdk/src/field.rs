//! Which Rust type is which kind of field, and typed handles to name fields with.

use std::marker::PhantomData;

use sdk_contract::error::FieldFault;
use sdk_contract::kind::Kind;
use sdk_contract::page::{Datum, FileRef, Masked, Place};
use sdk_contract::query::{Filter, Sort};
use sdk_contract::scalar::{Date, Decimal, Id, Month, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Map;
use crate::record::Record;

/// What a field's attributes say about its kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// In units of the last digit.
    pub min: Option<i64>,
    /// In units of the last digit; characters for text.
    pub max: Option<i64>,
    /// Collection that a text refers to.
    pub to: Option<&'static str>,
    pub format: Option<sdk_contract::code::Format>,
    /// Two digits after the point, but no money.
    pub plain_decimal: bool,
    /// Endings of a file's name.
    pub accept: &'static [&'static str],
}

impl Rules {
    /// The most items, rows or options.
    pub fn most(&self) -> Option<u32> {
        self.max.and_then(|n| u32::try_from(n).ok())
    }
}

/// Rows of a field whose author said nothing.
pub const MOST_ROWS: u32 = 100;
/// Bytes of a file whose author said nothing.
const FILE_BYTES: u64 = 10 << 20;

/// Characters of a text whose author said nothing.
const TEXT_MAX: u32 = 200;

/// A type that a field of a collection or of an action's input can have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no kind of field",
    label = "use String, i64, Money, Decimal<N>, Date, Month, Timestamp, bool, Id<T>, StoredFile, a type deriving Choice, a Vec of one deriving Choice or Row, or mark the field `#[field(json)]`"
)]
pub trait FieldType: Sized {
    fn kind(rules: &Rules) -> Kind;
    /// From the canonical JSON of the kind; `None` when it is not that.
    fn read(value: &Value) -> Option<Self>;
    fn write(&self) -> Value;
}

impl FieldType for String {
    fn kind(rules: &Rules) -> Kind {
        match (rules.to, rules.format) {
            (Some(to), _) => Kind::Ref { to: to.to_owned() },
            (None, Some(format)) => Kind::Code { format },
            (None, None) => {
                let max = rules.max.and_then(|n| u32::try_from(n).ok());
                Kind::Text {
                    max: max.unwrap_or(TEXT_MAX),
                }
            }
        }
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl FieldType for i64 {
    fn kind(rules: &Rules) -> Kind {
        Kind::Integer {
            min: rules.min,
            max: rules.max,
        }
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_i64()
    }
    fn write(&self) -> Value {
        (*self).into()
    }
}

impl FieldType for bool {
    fn kind(_: &Rules) -> Kind {
        Kind::Bool
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
    fn write(&self) -> Value {
        (*self).into()
    }
}

impl<const S: u8> FieldType for Decimal<S> {
    fn kind(rules: &Rules) -> Kind {
        if S == 2 && !rules.plain_decimal {
            Kind::Money {
                min: rules.min,
                max: rules.max,
            }
        } else {
            Kind::Decimal {
                scale: S,
                min: rules.min,
                max: rules.max,
            }
        }
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
    fn write(&self) -> Value {
        self.to_string().into()
    }
}

impl FieldType for Date {
    fn kind(_: &Rules) -> Kind {
        Kind::Date
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
    fn write(&self) -> Value {
        self.to_string().into()
    }
}

impl FieldType for Month {
    fn kind(_: &Rules) -> Kind {
        Kind::Month
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
    fn write(&self) -> Value {
        self.to_string().into()
    }
}

/// A file that was uploaded, as records keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// SM3 of its bytes, hex; also its address.
    pub digest: String,
    pub name: String,
    /// Bytes.
    pub size: u64,
}

fn file_kind(rules: &Rules, many: bool) -> Kind {
    let bytes = rules.max.and_then(|n| u64::try_from(n).ok());
    Kind::File {
        accept: rules.accept.iter().map(|e| (*e).to_owned()).collect(),
        max_bytes: bytes.unwrap_or(FILE_BYTES),
        many,
    }
}

impl FieldType for StoredFile {
    fn kind(rules: &Rules) -> Kind {
        file_kind(rules, false)
    }
    fn read(value: &Value) -> Option<Self> {
        from_json(value)
    }
    fn write(&self) -> Value {
        write_json(self)
    }
}

/// What a field can hold a list of: options of a choice, rows, files.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no item of a list field",
    label = "derive Choice for several options or Row for a table of rows, or mark the field `#[field(json)]`"
)]
pub trait Item: Sized {
    /// The kind of the list.
    fn list(rules: &Rules) -> Kind;
    fn read(value: &Value) -> Option<Self>;
    fn write(&self) -> Value;
}

impl Item for StoredFile {
    fn list(rules: &Rules) -> Kind {
        file_kind(rules, true)
    }
    fn read(value: &Value) -> Option<Self> {
        from_json(value)
    }
    fn write(&self) -> Value {
        write_json(self)
    }
}

impl<T: Item> FieldType for Vec<T> {
    fn kind(rules: &Rules) -> Kind {
        T::list(rules)
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::read).collect()
    }
    fn write(&self) -> Value {
        self.iter().map(T::write).collect()
    }
}

impl FieldType for Timestamp {
    fn kind(_: &Rules) -> Kind {
        Kind::Datetime
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
    fn write(&self) -> Value {
        self.to_string().into()
    }
}

/// A reference to a record of the same module.
impl<T: Record> FieldType for Id<T> {
    fn kind(_: &Rules) -> Kind {
        Kind::Ref {
            to: T::COLLECTION.to_owned(),
        }
    }
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(Self::new)
    }
    fn write(&self) -> Value {
        self.as_str().into()
    }
}

/// The field of `R` that holds a `V`; made by the derive: `Application::AMOUNT`.
pub struct Field<R, V> {
    name: &'static str,
    of: PhantomData<fn() -> (R, V)>,
}

/// A field that holds any JSON: written and read, never filtered or sorted on.
pub struct JsonField<R, V> {
    name: &'static str,
    of: PhantomData<fn() -> (R, V)>,
}

impl<R, V> Clone for Field<R, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R, V> Copy for Field<R, V> {}
impl<R, V> Clone for JsonField<R, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R, V> Copy for JsonField<R, V> {}

impl<R, V> JsonField<R, V> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            of: PhantomData,
        }
    }
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<R, V> Field<R, V> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            of: PhantomData,
        }
    }
    pub const fn name(self) -> &'static str {
        self.name
    }
    /// Holds nothing.
    pub fn missing(self) -> Filter {
        Filter::Missing {
            field: self.name.to_owned(),
        }
    }
    /// Smallest first.
    pub fn asc(self) -> Sort {
        Sort {
            field: self.name.to_owned(),
            descending: false,
        }
    }
    /// Greatest first.
    pub fn desc(self) -> Sort {
        Sort {
            field: self.name.to_owned(),
            descending: true,
        }
    }
}

impl<R, V: FieldType> Field<R, V> {
    pub fn eq(self, value: impl Into<V>) -> Filter {
        Filter::Eq {
            field: self.name.to_owned(),
            value: value.into().write(),
        }
    }
    pub fn is_in<T: Into<V>>(self, values: impl IntoIterator<Item = T>) -> Filter {
        let values = values.into_iter().map(|v| v.into().write()).collect();
        Filter::In {
            field: self.name.to_owned(),
            values,
        }
    }
    pub fn at_least(self, min: impl Into<V>) -> Filter {
        self.range(Some(min.into()), None)
    }
    pub fn at_most(self, max: impl Into<V>) -> Filter {
        self.range(None, Some(max.into()))
    }
    /// Both ends included.
    pub fn between(self, min: impl Into<V>, max: impl Into<V>) -> Filter {
        self.range(Some(min.into()), Some(max.into()))
    }
    fn range(self, min: Option<V>, max: Option<V>) -> Filter {
        let [min, max] = [min, max].map(|end| end.map(|v| v.write()));
        Filter::Range {
            field: self.name.to_owned(),
            min,
            max,
        }
    }
}

impl<R, T: Item> Field<R, Vec<T>> {
    /// Holds this option.
    pub fn has(self, option: &T) -> Filter {
        Filter::Eq {
            field: self.name.to_owned(),
            value: option.write(),
        }
    }
    /// Holds when one of the rows meets a condition on the row's fields.
    pub fn any(self, row: Filter) -> Filter {
        Filter::Any {
            field: self.name.to_owned(),
            filter: Box::new(row),
        }
    }
}

impl<R: Record> Field<R, String> {
    /// The value to show, as it was read of the record `id`: where it is masked, whoever is allowed
    /// to may look at it whole.
    pub fn masked(self, id: &Id<R>, shown: impl Into<String>) -> Datum {
        masked::<R>(self.name, id, shown.into())
    }
}

impl<R: Record> Field<R, StoredFile> {
    /// The file to show, as it was read of the record `id`: whoever may read the field fetches it.
    pub fn shown(self, id: &Id<R>, file: &StoredFile) -> FileRef {
        shown::<R>(self.name, id, file)
    }
    /// Stands for the file of the record `id` where it is masked: whoever is allowed to may look at
    /// it. Nothing is offered where there is no file.
    pub fn masked(self, id: &Id<R>) -> Datum {
        masked::<R>(self.name, id, MASKED.to_owned())
    }
}

impl<R: Record> Field<R, Vec<StoredFile>> {
    /// One of the files to show, as it was read of the record `id`.
    pub fn shown(self, id: &Id<R>, file: &StoredFile) -> FileRef {
        shown::<R>(self.name, id, file)
    }
    /// Stands for the files of the record `id` where they are masked: whoever is allowed to may
    /// look at one at a time. Nothing is offered where there is none.
    pub fn masked(self, id: &Id<R>) -> Datum {
        masked::<R>(self.name, id, MASKED.to_owned())
    }
}

/// What is shown of a masked file.
const MASKED: &str = "****";

fn masked<R: Record>(field: &str, id: &Id<R>, shown: String) -> Datum {
    Datum::Masked(Masked {
        shown,
        of: Some(place::<R>(field, id)),
        ..Masked::default()
    })
}

fn shown<R: Record>(field: &str, id: &Id<R>, file: &StoredFile) -> FileRef {
    FileRef {
        id: file.digest.clone(),
        name: file.name.clone(),
        bytes: file.size,
        of: Some(place::<R>(field, id)),
    }
}

fn place<R: Record>(field: &str, id: &Id<R>) -> Place {
    Place {
        collection: R::COLLECTION.to_owned(),
        id: id.as_str().to_owned(),
        field: field.to_owned(),
    }
}

impl<R> Field<R, String> {
    /// Case-insensitive for ASCII.
    pub fn contains(self, text: impl Into<String>) -> Filter {
        Filter::Contains {
            field: self.name.to_owned(),
            text: text.into(),
        }
    }
}

/// A handle through which a [`Patch`](crate::record::Patch) sets a field of `R`.
pub trait Settable<R> {
    type Value;
    fn name(self) -> &'static str;
    fn write(value: &Self::Value) -> Value;
}

impl<R, V: FieldType> Settable<R> for Field<R, V> {
    type Value = V;
    fn name(self) -> &'static str {
        self.name
    }
    fn write(value: &V) -> Value {
        value.write()
    }
}

impl<R, V: Serialize> Settable<R> for JsonField<R, V> {
    type Value = V;
    fn name(self) -> &'static str {
        self.name
    }
    fn write(value: &V) -> Value {
        write_json(value)
    }
}

// What the derives call.

fn absent(name: &str) -> FieldFault {
    FieldFault::new(name, "required", "必填")
}

fn misread(name: &str) -> FieldFault {
    FieldFault::new(name, "bad-value", "内容格式不对")
}

fn given<'m>(map: &'m Map, name: &str) -> Option<&'m Value> {
    map.get(name).filter(|v| !v.is_null())
}

/// Outer: whether it could be read; inner: whether it was there.
type Readable<T> = Option<Option<T>>;

fn optional_by<T>(
    map: &Map,
    name: &str,
    faults: &mut Vec<FieldFault>,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Readable<T> {
    match given(map, name).map(read) {
        None => Some(None),
        Some(Some(value)) => Some(Some(value)),
        Some(None) => {
            faults.push(misread(name));
            None
        }
    }
}

fn required_by<T>(
    map: &Map,
    name: &str,
    faults: &mut Vec<FieldFault>,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Option<T> {
    let value = optional_by(map, name, faults, read)?;
    if value.is_none() {
        faults.push(absent(name));
    }
    value
}

fn from_json<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

#[doc(hidden)]
pub fn required<T: FieldType>(map: &Map, name: &str, faults: &mut Vec<FieldFault>) -> Option<T> {
    required_by(map, name, faults, T::read)
}

#[doc(hidden)]
pub fn optional<T: FieldType>(map: &Map, name: &str, faults: &mut Vec<FieldFault>) -> Readable<T> {
    optional_by(map, name, faults, T::read)
}

#[doc(hidden)]
pub fn required_json<T: DeserializeOwned>(
    map: &Map,
    name: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<T> {
    required_by(map, name, faults, from_json)
}

#[doc(hidden)]
pub fn optional_json<T: DeserializeOwned>(
    map: &Map,
    name: &str,
    faults: &mut Vec<FieldFault>,
) -> Readable<T> {
    optional_by(map, name, faults, from_json)
}

/// Null for what JSON cannot hold (maps with keys that are no text): the kernel refuses that for
/// a required field.
#[doc(hidden)]
pub fn write_json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
