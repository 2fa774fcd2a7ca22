//! Records: what is stored, what is new, what changes, what is looked for.

use std::marker::PhantomData;
use std::ops::Deref;

use sdk_contract::call::Write;
use sdk_contract::def::{CollectionDef, FieldDef};
use sdk_contract::error::{Fault, FieldFault};
use sdk_contract::query::{Facet, Filter, Query, Sort};
use sdk_contract::scalar::{Id, Timestamp};

use crate::Map;
use crate::field::{Field, FieldType, Settable};

/// A type that derives `Collection`.
#[diagnostic::on_unimplemented(message = "`{Self}` does not derive Collection")]
pub trait Record: Sized {
    /// Plural, as in URLs: `applications`.
    const COLLECTION: &'static str;
    /// Singular: `application`.
    const ENTITY: &'static str;

    const ID: Field<Self, Id<Self>> = Field::new("id");
    const SUBJECT: Field<Self, String> = Field::new("subject");
    const ORGANISATION: Field<Self, String> = Field::new("organisation");
    const DISTRICT: Field<Self, String> = Field::new("district");
    const CREATED_AT: Field<Self, Timestamp> = Field::new("created_at");
    const CREATED_BY: Field<Self, String> = Field::new("created_by");
    const UPDATED_AT: Field<Self, Timestamp> = Field::new("updated_at");

    fn def() -> CollectionDef;
    /// From declared fields; others are passed over.
    fn from_map(map: &Map) -> Result<Self, Vec<FieldFault>>;
    /// Declared fields that hold something.
    fn to_map(&self) -> Map;
}

/// A type that derives `Row`: one row of a list field.
#[diagnostic::on_unimplemented(message = "`{Self}` does not derive Row")]
pub trait Row: Sized {
    fn fields() -> Vec<FieldDef>;
    fn from_map(map: &Map) -> Result<Self, Vec<FieldFault>>;
    fn to_map(&self) -> Map;
}

/// A record with what the kernel keeps about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    pub id: Id<T>,
    /// Grows with every change, from 1.
    pub revision: i64,
    /// The party the record is about.
    pub subject: Option<String>,
    /// The organisation that owns it.
    pub organisation: Option<String>,
    /// GB/T 2260 code.
    pub district: Option<String>,
    pub created_at: Timestamp,
    /// User id; absent for seeds and events.
    pub created_by: Option<String>,
    pub updated_at: Timestamp,
    /// What was read along of other records, by `<field>.<read>`.
    pub joined: Map,
    pub record: T,
}

impl<T> Deref for Stored<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.record
    }
}

impl<T: Record> Stored<T> {
    /// From the wire form: system fields and declared fields side by side.
    pub fn from_map(map: &Map) -> Result<Self, Fault> {
        let text = |name: &str| map.get(name).and_then(String::read);
        let time = |name: &str| map.get(name).and_then(Timestamp::read).unwrap_or_default();
        let id = text("id").ok_or_else(|| Fault::internal("a record without an id"))?;
        let record = T::from_map(map).map_err(|faults| {
            let names: Vec<String> = faults
                .iter()
                .map(|f| format!("{} {}", f.field, f.code))
                .collect();
            Fault::internal(format!(
                "{} {id} cannot be read: {}",
                T::COLLECTION,
                names.join(", ")
            ))
        })?;
        Ok(Self {
            id: Id::new(id),
            revision: map.get("revision").and_then(i64::read).unwrap_or_default(),
            subject: text("subject"),
            organisation: text("organisation"),
            district: text("district"),
            created_at: time("created_at"),
            created_by: text("created_by"),
            updated_at: time("updated_at"),
            joined: map
                .iter()
                .filter(|(name, _)| name.contains('.'))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            record,
        })
    }
}

/// An id or a code, or none: `"310115"`, `&id`, `caller.subject.clone()`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party(Option<String>);

impl Party {
    pub(crate) fn into_option(self) -> Option<String> {
        self.0
    }
}
impl From<&str> for Party {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}
impl From<String> for Party {
    fn from(text: String) -> Self {
        Self(Some(text))
    }
}
impl From<&String> for Party {
    fn from(text: &String) -> Self {
        Self(Some(text.clone()))
    }
}
impl From<Option<String>> for Party {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}
impl From<&Option<String>> for Party {
    fn from(text: &Option<String>) -> Self {
        Self(text.clone())
    }
}
impl From<Option<&str>> for Party {
    fn from(text: Option<&str>) -> Self {
        Self(text.map(str::to_owned))
    }
}
impl<T> From<&Id<T>> for Party {
    fn from(id: &Id<T>) -> Self {
        Self(Some(id.as_str().to_owned()))
    }
}
impl<T> From<Id<T>> for Party {
    fn from(id: Id<T>) -> Self {
        Self::from(&id)
    }
}

/// A record to insert. Without an id of its own it gets a fresh one.
#[derive(Debug, Clone, PartialEq)]
pub struct New<T> {
    pub(crate) id: Option<Id<T>>,
    pub(crate) subject: Party,
    pub(crate) organisation: Party,
    pub(crate) district: Party,
    pub(crate) record: T,
}

impl<T: Record> New<T> {
    pub fn of(record: T) -> Self {
        Self {
            id: None,
            subject: Party::default(),
            organisation: Party::default(),
            district: Party::default(),
            record,
        }
    }
    #[must_use]
    pub fn id(mut self, id: Id<T>) -> Self {
        self.id = Some(id);
        self
    }
    /// The party it is about.
    #[must_use]
    pub fn subject(mut self, id: impl Into<Party>) -> Self {
        self.subject = id.into();
        self
    }
    /// The organisation that owns it.
    #[must_use]
    pub fn organisation(mut self, id: impl Into<Party>) -> Self {
        self.organisation = id.into();
        self
    }
    /// GB/T 2260 code.
    #[must_use]
    pub fn district(mut self, code: impl Into<Party>) -> Self {
        self.district = code.into();
        self
    }
    pub(crate) fn into_write(self, id: &Id<T>) -> Write {
        Write::Insert {
            collection: T::COLLECTION.to_owned(),
            id: id.as_str().to_owned(),
            subject: self.subject.into_option(),
            organisation: self.organisation.into_option(),
            district: self.district.into_option(),
            values: self.record.to_map(),
        }
    }
}

/// What changes in a record of `T`; what is not named stays.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch<T> {
    pub(crate) values: Map,
    of: PhantomData<fn() -> T>,
}

impl<T> Default for Patch<T> {
    fn default() -> Self {
        Self {
            values: Map::new(),
            of: PhantomData,
        }
    }
}

impl<T: Record> Patch<T> {
    pub fn new() -> Self {
        Self::default()
    }
    #[must_use]
    pub fn set<F: Settable<T>>(mut self, field: F, value: impl Into<F::Value>) -> Self {
        self.values
            .insert(field.name().to_owned(), F::write(&value.into()));
        self
    }
    /// Empties an optional field.
    #[must_use]
    pub fn clear<F: Settable<T>>(mut self, field: F) -> Self {
        self.values
            .insert(field.name().to_owned(), crate::Value::Null);
        self
    }
    /// Sets an optional field, or empties it.
    #[must_use]
    pub fn put<F: Settable<T>>(self, field: F, value: Option<F::Value>) -> Self {
        match value {
            Some(value) => self.set(field, value),
            None => self.clear(field),
        }
    }
}

/// A question for records of `T`: 20 rows from the first unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Find<T> {
    pub(crate) query: Query,
    of: PhantomData<fn() -> T>,
}

impl<T: Record> Default for Find<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Record> Find<T> {
    /// All records the caller may read.
    pub fn new() -> Self {
        Query::new(T::COLLECTION).into()
    }
    /// Narrows; several calls must all hold.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.query = self.query.filter(filter);
        self
    }
    /// Narrows to what is found by words that people typed, in the search fields: by any part, names
    /// also by pinyin.
    #[must_use]
    pub fn search(self, words: impl Into<String>) -> Self {
        self.filter(Filter::search(words))
    }
    /// Sorts by this after what was said before. Ties are broken by id.
    #[must_use]
    pub fn sort(mut self, sort: Sort) -> Self {
        self.query.sort.push(sort);
        self
    }
    /// At most [`MAX_LIMIT`](sdk_contract::query::MAX_LIMIT).
    #[must_use]
    pub fn limit(mut self, rows: u32) -> Self {
        self.query = self.query.limit(rows);
        self
    }
    /// Page `number`, from 1, of `size` rows; also counts all rows.
    #[must_use]
    pub fn page(mut self, number: u32, size: u32) -> Self {
        self.query = self.query.page(number, size);
        self
    }
    /// Also counts all rows that match.
    #[must_use]
    pub fn total(mut self) -> Self {
        self.query.total = true;
        self
    }
    /// `size` rows after a cursor, an earlier answer's [`Rows::next`]; the empty one begins.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>, size: u32) -> Self {
        self.query = self.query.after(cursor, size);
        self
    }
    /// Also counts the rows that match by the values of a field.
    #[must_use]
    pub fn facet<V>(mut self, field: Field<T, V>) -> Self {
        self.query = self.query.facet(field.name());
        self
    }
    /// Also reads fields of the record that a field refers to; see [`Stored::joined`].
    #[must_use]
    pub fn with<V, S: Into<String>>(
        mut self,
        field: Field<T, V>,
        read: impl IntoIterator<Item = S>,
    ) -> Self {
        self.query = self.query.with(field.name(), read);
        self
    }
    /// As it was at a moment; for audited collections.
    #[must_use]
    pub fn as_of(mut self, moment: Timestamp) -> Self {
        self.query = self.query.as_of(moment);
        self
    }
    /// Without records of an attested collection that were changed in the database, with one of which
    /// an action or a handler is else refused whole. For what is done to each record by itself, a
    /// reminder; not where something follows from what is not found.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.query = self.query.apart();
        self
    }
}

impl<T: Record> From<Query> for Find<T> {
    fn from(query: Query) -> Self {
        Self {
            query: Query {
                collection: T::COLLECTION.to_owned(),
                ..query
            },
            of: PhantomData,
        }
    }
}
impl<T: Record> From<Filter> for Find<T> {
    fn from(filter: Filter) -> Self {
        Self::new().filter(filter)
    }
}

/// What a [`Find`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    pub items: Vec<Stored<T>>,
    /// All rows that match where the question asked for it, else the number of `items`.
    pub total: u64,
    /// Where to go on, when a cursor was asked for and there is more.
    pub next: Option<String>,
    /// In the order asked.
    pub facets: Vec<Facet>,
}

impl<T> Rows<T> {
    pub fn first(self) -> Option<Stored<T>> {
        self.items.into_iter().next()
    }
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<T> IntoIterator for Rows<T> {
    type Item = Stored<T>;
    type IntoIter = std::vec::IntoIter<Stored<T>>;
    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}
