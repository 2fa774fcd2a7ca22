//! Where the values of declared fields are, as far as not in the column of their name; what is out
//! of use and still stored. Kept beside the declaration it belongs to.
//!
//! A column never changes its name and a name is never taken twice, so that a renamed field keeps
//! its ciphertexts, digests, indexes and history as they are: they are bound to the column. A table
//! does not either, for the same reasons, when its collection is renamed. The
//! first part of a column's name, before a double underscore, is the key of its values in histories:
//! a converted field goes from `amount` to `amount__2`, and its past stays with it.

use std::collections::{BTreeMap, BTreeSet};

use sdk_contract::def::{CollectionDef, FieldDef, ModuleDef};
use serde::{Deserialize, Serialize};

/// The first column of codes of an attested collection's records.
pub(crate) const ROW_CODE: &str = "row__code";

/// What the column of a field's values of before is called behind its own name.
pub(crate) const KEPT: &str = "__was";

/// A module's declaration as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    #[serde(flatten)]
    pub(crate) def: ModuleDef,
    #[serde(default, skip_serializing_if = "Layout::is_plain")]
    pub(crate) layout: Layout,
    /// What follows once all values are converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Box<Next>>,
}

/// A declaration on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Next {
    pub(crate) def: ModuleDef,
    pub(crate) layout: Layout,
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layout {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<String, Places>,
    /// Collections that are retired, as they were last declared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) retired: BTreeMap<String, CollectionDef>,
}

/// The same of one collection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Places {
    /// What the collection was called before, oldest first: its table, and what the kernel keeps of
    /// its records, is called by the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    /// Fields whose column is not called as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    columns: BTreeMap<String, String>,
    /// Fields that are retired, as they were last declared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) retired: BTreeMap<String, FieldDef>,
    /// What fields held before they were converted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) kept: BTreeMap<String, Kept>,
    /// How often the codes of its records were made anew, each time in a new column.
    #[serde(default, skip_serializing_if = "is_zero")]
    codes: u32,
    /// The same of the fields of its rows fields, by the rows field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rows: BTreeMap<String, Places>,
    /// Keys of histories whose fields are gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    spent: BTreeSet<String>,
}

/// A column that a conversion has left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) column: String,
    /// As it was declared.
    pub(crate) field: FieldDef,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The key in histories of the values in a column.
pub(crate) fn key(column: &str) -> &str {
    column.split("__").next().unwrap_or(column)
}

impl Layout {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Of a collection or, as `<collection>.<field>`, of the rows in a field of it.
    pub(crate) fn of(&self, collection: &str) -> Places {
        match collection.split_once('.') {
            Some((collection, field)) => self.of(collection).rows(field),
            None => self.places.get(collection).cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn put(&mut self, collection: &str, places: Places) {
        if places == Places::default() {
            self.places.remove(collection);
        } else {
            self.places.insert(collection.to_owned(), places);
        }
    }

    pub(crate) fn forget(&mut self, collection: &str) {
        self.places.remove(collection);
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let mut places = self.places.remove(from).unwrap_or_default();
        if !places.names.iter().any(|name| name == from) {
            places.names.push(from.to_owned());
        }
        self.put(to, places);
    }

    /// Names that collections had before, with those they have now.
    pub(crate) fn former(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places.iter().flat_map(|(now, places)| {
            let before = places.names.iter().filter(move |name| *name != now);
            before.map(move |name| (name.as_str(), now.as_str()))
        })
    }
}

impl Places {
    /// The name a collection first had, of which its table's name is made.
    pub(crate) fn first<'a>(&'a self, collection: &'a str) -> &'a str {
        self.names.first().map_or(collection, String::as_str)
    }

    pub(crate) fn column<'a>(&'a self, field: &'a str) -> &'a str {
        self.columns.get(field).map_or(field, String::as_str)
    }

    /// The column of its records' codes, where it has one.
    pub(crate) fn code(&self) -> String {
        match self.codes {
            0 => ROW_CODE.to_owned(),
            n => format!("{ROW_CODE}__{}", n.saturating_add(1)),
        }
    }

    /// Codes get another column, beside the one that serves.
    pub(crate) fn code_anew(&mut self) {
        self.codes = self.codes.saturating_add(1);
    }

    /// Of the rows in a field.
    pub(crate) fn rows(&self, field: &str) -> Self {
        self.rows.get(field).cloned().unwrap_or_default()
    }

    pub(crate) fn put_rows(&mut self, field: &str, rows: Self) {
        if rows == Self::default() {
            self.rows.remove(field);
        } else {
            self.rows.insert(field.to_owned(), rows);
        }
    }

    fn place(&mut self, field: &str, column: String) {
        if field == column {
            self.columns.remove(field);
        } else {
            self.columns.insert(field.to_owned(), column);
        }
    }

    /// Gives a field its first column, of a name that none had before. `fields` are those that were
    /// declared.
    pub(crate) fn add<'f>(&mut self, field: &str, fields: impl Iterator<Item = &'f str>) {
        let mut taken: BTreeSet<String> = self.spent.clone();
        taken.extend(fields.map(|f| key(self.column(f)).to_owned()));
        let retired = self.retired.keys();
        taken.extend(retired.map(|f| key(self.column(f)).to_owned()));
        let mut column = field.to_owned();
        let mut number = 2_u32;
        while taken.contains(&column) {
            column = format!("{field}_{number}");
            number = number.saturating_add(1);
        }
        self.place(field, column);
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let column = self.column(from).to_owned();
        self.columns.remove(from);
        self.place(to, column);
        if let Some(kept) = self.kept.remove(from) {
            self.kept.insert(to.to_owned(), kept);
        }
        if let Some(rows) = self.rows.remove(from) {
            self.rows.insert(to.to_owned(), rows);
        }
    }

    /// Gives a field a second column beside that of before, which is kept.
    pub(crate) fn convert(&mut self, before: FieldDef, name: &str) {
        let column = self.column(name).to_owned();
        let number = column
            .rsplit_once("__")
            .and_then(|(_, n)| n.parse::<u32>().ok())
            .unwrap_or(1);
        let next = format!("{}__{}", key(&column), number.saturating_add(1));
        self.place(name, next);
        let kept = Kept {
            column: format!("{column}{KEPT}"),
            field: before,
        };
        self.kept.insert(name.to_owned(), kept);
    }

    /// A retired field goes for good, and its names with it.
    pub(crate) fn drop_field(&mut self, field: &str) {
        self.spent.insert(key(self.column(field)).to_owned());
        self.columns.remove(field);
        self.rows.remove(field);
        self.retired.remove(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdk_contract::def::Label;
    use sdk_contract::kind::Kind;

    fn note() -> FieldDef {
        FieldDef::new("note", Label::default(), Kind::Date)
    }

    #[test]
    fn a_column_keeps_its_name_and_no_other_gets_it() {
        let mut places = Places::default();
        places.rename("note", "remark");
        assert_eq!(places.column("remark"), "note");
        places.add("note", ["remark"].into_iter());
        assert_eq!(places.column("note"), "note_2");
        places.rename("remark", "words");
        assert_eq!(places.column("words"), "note");
        places.drop_field("words");
        places.add("note", [].into_iter());
        assert_eq!(places.column("note"), "note_2");
        places.rename("note", "x");
        places.rename("x", "note_2");
        assert!(places.columns.is_empty(), "as it is called");
    }

    #[test]
    fn a_converted_field_keeps_its_past() {
        let mut places = Places::default();
        places.convert(note(), "note");
        assert_eq!(places.column("note"), "note__2");
        assert_eq!(key(places.column("note")), "note");
        assert_eq!(places.kept["note"].column, "note__was");
        places.kept.clear();
        places.convert(note(), "note");
        assert_eq!(places.column("note"), "note__3");
        assert_eq!(places.kept["note"].column, "note__2__was");
    }
}
