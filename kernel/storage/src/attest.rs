//! Codes of records: what of an attested collection was changed behind the platform's back is found
//! whenever it is read, and nothing comes of it.
//!
//! The column [`ROW_CODE`] of such a collection holds, for each record,
//! `key number (4) ‖ HMAC-SM3 (32) ‖ revision (8)`. The code speaks for the table, and for the name
//! and stored value of every column that a record is read from, its id and revision among them, for
//! when it was deleted, and for its rows in their order. Absent values are left out, so that a new
//! column changes no code. Values count as they are stored and not as an engine spells them, and
//! encrypted ones as they were before: neither another engine nor another sealing key changes a code.
//!
//! [`Raw`] is the only way from a table to a record, and [`Raw::checked`] the only way on. Every
//! statement that writes a record of such a collection makes its code of the [`Image`] it leaves.

use std::collections::BTreeMap;

use kernel_crypto::keys::{ATTESTED, AttestKey, KeyRing};
use sea_query::Value;
use serde_json::Value as Json;

use crate::backend::Row;
use crate::schema::{Column, ROW_DELETED, Storage, Table};
use crate::{Record, StorageError};

/// Before everything that a record's code speaks for.
const RECORD: &[u8] = b"record\0";

/// Stored values by the names of their columns, absent ones left out.
pub(crate) type Cells = BTreeMap<String, Vec<u8>>;

/// A record as it is stored: what a code can speak for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    cells: Cells,
    /// By the keys of rows fields.
    rows: BTreeMap<String, Vec<Cells>>,
}

/// A record as its own columns have it: not yet whole, and not known to be as it was written.
pub(crate) struct Raw {
    record: Record,
    found: Option<Box<Found>>,
}

/// What a code is held against, and the code.
struct Found {
    image: Image,
    code: Option<Vec<u8>>,
    /// Fields in which nothing stands that the platform could have written.
    unreadable: Vec<String>,
}

impl Image {
    /// Puts a value that is bound to a column in the place of the one before.
    pub(crate) fn put(&mut self, column: &Column, bound: &Value, json: &Json) {
        put(&mut self.cells, column, bound, json);
    }

    /// Keeps a value as it was read.
    pub(crate) fn keep(&mut self, column: &str, cell: Option<Vec<u8>>) {
        set(&mut self.cells, column, cell);
    }

    /// Puts a value that is bound to a column of no field in the place of the one before.
    pub(crate) fn set(&mut self, column: &str, bound: &Value) {
        set(&mut self.cells, column, cell(bound));
    }

    pub(crate) fn put_rows(&mut self, key: &str, rows: Vec<Cells>) {
        self.rows.insert(key.to_owned(), rows);
    }

    /// What the code speaks for: of what is stored, that which `table` reads.
    fn text(&self, table: &Table) -> Vec<u8> {
        let mut text = RECORD.to_vec();
        piece(&mut text, table.sql_name.as_bytes());
        let names = table.columns.iter().map(|c| c.stored.as_str());
        cells(&mut text, &self.cells, names.chain([ROW_DELETED]));
        let mut fields: Vec<_> = table.rows.iter().collect();
        fields.sort_by(|a, b| a.key.cmp(&b.key));
        for field in fields {
            let Some(rows) = self.rows.get(&field.key).filter(|rows| !rows.is_empty()) else {
                continue;
            };
            piece(&mut text, field.key.as_bytes());
            text.extend((rows.len() as u64).to_be_bytes());
            for row in rows {
                let own = field.table.columns.iter().filter(|c| !c.system);
                cells(&mut text, row, own.map(|c| c.stored.as_str()));
            }
        }
        text
    }

    /// SM3 of it, in hex: two that are alike read alike.
    pub(crate) fn digest(&self, table: &Table) -> String {
        kernel_crypto::sm3::digest(&self.text(table)).to_string()
    }

    fn revision(&self) -> &[u8] {
        self.cells.get("revision").map_or(&[], Vec::as_slice)
    }

    /// The value of the table's column of codes.
    pub(crate) fn code(&self, keys: &KeyRing, table: &Table) -> Value {
        Value::Bytes(Some(self.code_bytes(keys, table)))
    }

    pub(crate) fn code_bytes(&self, keys: &KeyRing, table: &Table) -> Vec<u8> {
        let code = keys.attest(AttestKey::Record, &self.text(table));
        [&code, self.revision()].concat()
    }

    pub(crate) fn holds(&self, keys: &KeyRing, table: &Table, code: &[u8]) -> bool {
        code.split_at_checked(ATTESTED).is_some_and(|(code, of)| {
            of == self.revision() && keys.attests(AttestKey::Record, &self.text(table), code)
        })
    }
}

impl Raw {
    /// `found` where somebody is to hold the record against its code, or to make one.
    pub(crate) fn new(record: Record, found: Option<(Image, Option<Vec<u8>>)>) -> Self {
        let found = found.map(|(image, code)| {
            Box::new(Found {
                image,
                code,
                unreadable: Vec::new(),
            })
        });
        Self { record, found }
    }

    /// Names fields that cannot be read, of a record that a code speaks for: it does not hold.
    pub(crate) fn unreadable(&mut self, fields: Vec<String>) {
        if let Some(found) = &mut self.found {
            found.unreadable.extend(fields);
        }
    }

    /// Whether all of it can be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.unread().is_empty()
    }

    /// The fields that cannot be read.
    pub(crate) fn unread(&self) -> &[String] {
        self.found.as_ref().map_or(&[], |found| &found.unreadable)
    }

    pub(crate) fn id(&self) -> &str {
        let id = self.record.get("id").and_then(Json::as_str);
        id.unwrap_or_default()
    }

    /// The record, whatever became of it: for its place among others, never to hand on.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn get(&self, field: &str) -> Option<&Json> {
        self.record.get(field)
    }

    pub(crate) fn add_rows(&mut self, (name, key): (&str, &str), rows: Vec<(Json, Cells)>) {
        let (list, cells): (Vec<Json>, Vec<Cells>) = rows.into_iter().unzip();
        self.record.insert(name.to_owned(), list.into());
        if let Some(found) = &mut self.found {
            found.image.put_rows(key, cells);
        }
    }

    /// Whether the record is as it was written; always, where nothing speaks for it.
    pub(crate) fn holds(&self, keys: &KeyRing, table: &Table) -> bool {
        let holds = |found: &Found| {
            let code = found.code.as_deref().unwrap_or_default();
            found.unreadable.is_empty() && found.image.holds(keys, table, code)
        };
        table.code.is_none() || self.found.as_deref().is_some_and(holds)
    }

    /// Refuses a record that is not as it was written, and raises the alarm.
    pub(crate) fn check(&self, keys: &KeyRing, table: &Table) -> Result<(), StorageError> {
        if self.holds(keys, table) {
            return Ok(());
        }
        let (collection, id) = (table.name.clone(), self.id().to_owned());
        tracing::error!(
            code = "record.altered",
            %collection,
            id,
            "a record is not as the platform wrote it; it is not used"
        );
        Err(StorageError::Altered { collection, id })
    }

    /// The record and, where a code is kept or to be made, its image.
    pub(crate) fn checked(
        self,
        keys: &KeyRing,
        table: &Table,
    ) -> Result<(Record, Option<Image>), StorageError> {
        self.check(keys, table)?;
        Ok((self.record, self.found.map(|found| found.image)))
    }

    /// The record, whatever became of it: to count and to compare, never to hand on.
    pub(crate) fn unchecked(self) -> Record {
        self.record
    }

    /// The code as it is stored.
    pub(crate) fn code(&self) -> Option<&[u8]> {
        self.found.as_ref()?.code.as_deref()
    }

    pub(crate) fn image(&self) -> Option<&Image> {
        self.found.as_ref().map(|found| &found.image)
    }
}

/// The image of a row of a rows field, as it is written.
pub(crate) fn row_cells<'b>(bound: impl Iterator<Item = (&'b Column, &'b Value)>) -> Cells {
    let mut cells = Cells::new();
    // Rows have no encrypted fields.
    for (column, bound) in bound.filter(|(column, _)| !column.system) {
        set(&mut cells, &column.stored, cell(bound));
    }
    cells
}

fn put(cells: &mut Cells, column: &Column, bound: &Value, json: &Json) {
    let cell = match column.storage {
        Storage::Sealed => (!json.is_null()).then(|| kernel_crypto::canonical::to_vec(json)),
        _ => cell(bound),
    };
    set(cells, &column.stored, cell);
}

fn set(cells: &mut Cells, column: &str, cell: Option<Vec<u8>>) {
    match cell {
        Some(cell) => cells.insert(column.to_owned(), cell),
        None => cells.remove(column),
    };
}

/// A value as it is bound.
fn cell(bound: &Value) -> Option<Vec<u8>> {
    match bound {
        Value::Uuid(id) => id.map(|id| id.to_string().into_bytes()),
        Value::String(text) => text.as_ref().map(|text| text.as_bytes().to_vec()),
        Value::BigInt(n) => n.map(|n| n.to_be_bytes().to_vec()),
        Value::Bool(b) => b.map(|b| vec![u8::from(b)]),
        // Nothing else is bound to a plain column.
        _ => None,
    }
}

/// The same value as it is read; `column` is none that is sealed.
pub(crate) fn stored(
    storage: Storage,
    row: &Row,
    index: usize,
) -> Result<Option<Vec<u8>>, StorageError> {
    Ok(match storage {
        Storage::Uuid => row.uuid(index)?.map(String::into_bytes),
        Storage::Text
        | Storage::Word
        | Storage::Date
        | Storage::Month
        | Storage::Tags
        | Storage::Json => row.text(index)?.map(String::into_bytes),
        Storage::Integer | Storage::Scaled(_) | Storage::Datetime => {
            row.integer(index)?.map(|n| n.to_be_bytes().to_vec())
        }
        Storage::Bool => row.boolean(index)?.map(|b| vec![u8::from(b)]),
        Storage::Sealed | Storage::Blind => None,
    })
}

/// Names and values, each with its length before it, and how many there are.
fn cells<'n>(text: &mut Vec<u8>, cells: &Cells, names: impl Iterator<Item = &'n str>) {
    let mut own: Vec<(&str, &Vec<u8>)> = names
        .filter_map(|name| Some((name, cells.get(name)?)))
        .collect();
    own.sort_unstable();
    text.extend((own.len() as u64).to_be_bytes());
    for (name, value) in own {
        piece(text, name.as_bytes());
        piece(text, value);
    }
}

fn piece(text: &mut Vec<u8>, bytes: &[u8]) {
    text.extend((bytes.len() as u64).to_be_bytes());
    text.extend(bytes);
}
