//! Rows that are there when a module first runs.

use sdk_contract::def::SeedDef;
use sdk_contract::scalar::Id;

use crate::record::{New, Party, Record};

/// One row to insert, with a fixed id so that rows can name each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed<T> {
    demo: bool,
    id: Id<T>,
    new: New<T>,
}

impl<T: Record> Seed<T> {
    /// Only in demo mode.
    pub fn demo(id: impl Into<String>, record: T) -> Self {
        Self {
            demo: true,
            id: Id::new(id),
            new: New::of(record),
        }
    }
    /// Always: dictionaries and the like.
    pub fn reference(id: impl Into<String>, record: T) -> Self {
        Self {
            demo: false,
            ..Self::demo(id, record)
        }
    }
    #[must_use]
    pub fn subject(mut self, id: impl Into<Party>) -> Self {
        self.new = self.new.subject(id);
        self
    }
    #[must_use]
    pub fn organisation(mut self, id: impl Into<Party>) -> Self {
        self.new = self.new.organisation(id);
        self
    }
    #[must_use]
    pub fn district(mut self, code: impl Into<Party>) -> Self {
        self.new = self.new.district(code);
        self
    }
}

impl<T: Record> From<Seed<T>> for SeedDef {
    fn from(seed: Seed<T>) -> Self {
        let New {
            subject,
            organisation,
            district,
            record,
            ..
        } = seed.new;
        Self {
            demo: seed.demo,
            collection: T::COLLECTION.to_owned(),
            id: seed.id.as_str().to_owned(),
            subject: subject.into_option(),
            organisation: organisation.into_option(),
            district: district.into_option(),
            values: record.to_map(),
        }
    }
}
