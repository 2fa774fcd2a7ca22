//! Values on their way between wire form and columns.

use sdk_contract::scalar::{Date, Month, Timestamp, parse_scaled, print_scaled};
use sea_query::Value;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::StorageError;
use crate::attest::{Image, Raw, stored};
use crate::backend::Row;
use crate::schema::{Column, ROW_DELETED, Storage, Table};
use kernel_crypto::keys::{KeyRing, SealKey};

/// Longest text a filter or a text column takes, in bytes. Kinds bound fields far below.
const LONGEST_TEXT: usize = 1 << 20;

/// The column value of a wire value; `None` when it is not of that shape. Null is a typed null.
/// Sealed columns are not made here but by [`seal`].
pub(crate) fn bind(storage: Storage, json: &Json) -> Option<Value> {
    let null = json.is_null();
    let value = match storage {
        Storage::Uuid if null => Value::Uuid(None),
        Storage::Uuid => Value::Uuid(Some(uuid(json.as_str()?)?)),
        Storage::Text
        | Storage::Word
        | Storage::Date
        | Storage::Month
        | Storage::Tags
        | Storage::Json
            if null =>
        {
            Value::String(None)
        }
        Storage::Text | Storage::Word => text(json.as_str()?)?,
        Storage::Date => text(&json.as_str()?.parse::<Date>().ok()?.to_string())?,
        Storage::Month => text(&json.as_str()?.parse::<Month>().ok()?.to_string())?,
        Storage::Tags if json.as_array()?.iter().all(Json::is_string) => text(&canonical(json))?,
        Storage::Json => Value::String(Some(canonical(json))),
        Storage::Integer | Storage::Scaled(_) | Storage::Datetime if null => Value::BigInt(None),
        Storage::Integer => Value::BigInt(Some(json.as_i64()?)),
        Storage::Scaled(scale) => Value::BigInt(Some(parse_scaled(json.as_str()?, scale)?)),
        Storage::Datetime => {
            Value::BigInt(Some(json.as_str()?.parse::<Timestamp>().ok()?.micros()))
        }
        Storage::Bool if null => Value::Bool(None),
        Storage::Bool => Value::Bool(Some(json.as_bool()?)),
        Storage::Sealed | Storage::Blind if null => Value::Bytes(None),
        Storage::Tags | Storage::Sealed | Storage::Blind => return None,
    };
    Some(value)
}

/// A UUID in any of its spellings.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok()
}

/// What a record is read or written by: a UUID in the one spelling that is stored and answered with,
/// lower case and hyphenated. In another it names nothing. So a record has one name wherever it is
/// named, and who looks for it in the audit trail finds all that was done to it.
pub(crate) fn id(text: &str) -> Option<Uuid> {
    uuid(text).filter(|id| {
        let mut spelt = Uuid::encode_buffer();
        id.hyphenated().encode_lower(&mut spelt) == text
    })
}

/// Whether a text may be a record's id.
pub fn is_id(text: &str) -> bool {
    id(text).is_some()
}

fn text(s: &str) -> Option<Value> {
    // PostgreSQL has no NUL in text; SQLite would cut there in places.
    (s.len() <= LONGEST_TEXT && !s.contains('\0')).then(|| Value::String(Some(s.to_owned())))
}

pub(crate) fn canonical(json: &Json) -> String {
    String::from_utf8_lossy(&kernel_crypto::canonical::to_vec(json)).into_owned()
}

/// The wire value of column `index` of a row, which may be taken from it.
pub(crate) fn read(storage: Storage, row: &mut Row, index: usize) -> Result<Json, StorageError> {
    let json = match storage {
        Storage::Uuid => row.take_uuid(index)?.map(Json::from),
        Storage::Text | Storage::Word | Storage::Date | Storage::Month => {
            row.take_text(index)?.map(Json::from)
        }
        Storage::Integer => row.integer(index)?.map(Json::from),
        Storage::Scaled(scale) => row.integer(index)?.map(|n| print_scaled(n, scale).into()),
        Storage::Datetime => row
            .integer(index)?
            .map(|n| Timestamp::from_micros(n).to_string().into()),
        Storage::Bool => row.boolean(index)?.map(Json::from),
        Storage::Json | Storage::Tags => row.text(index)?.map(|s| parse(&s)).transpose()?,
        Storage::Sealed | Storage::Blind => {
            return Err(StorageError::Damaged("a sealed value read plainly".into()));
        }
    };
    Ok(json.unwrap_or(Json::Null))
}

/// JSON that the store itself wrote.
pub(crate) fn parse(text: &str) -> Result<Json, StorageError> {
    serde_json::from_str(text).map_err(|e| StorageError::Damaged(format!("stored JSON: {e}")))
}

/// A row that was selected with all of the table's columns in order.
pub(crate) fn record(keys: &KeyRing, table: &Table, row: Row) -> Result<Raw, StorageError> {
    let image = table.code.as_ref().map(|_| Image::default());
    of_columns(keys, table, table.columns.iter(), (row, image))
}

/// The same of a row that was selected with its retired columns behind the others.
pub(crate) fn full_record(keys: &KeyRing, table: &Table, row: Row) -> Result<Raw, StorageError> {
    let columns = table.columns.iter().chain(&table.retired.columns);
    let image = table.code.as_ref().map(|_| Image::default());
    of_columns(keys, table, columns, (row, image))
}

/// The same, also where there is no code yet: to make one.
pub(crate) fn imaged(keys: &KeyRing, table: &Table, row: Row) -> Result<Raw, StorageError> {
    let columns = table.columns.iter().chain(&table.retired.columns);
    of_columns(keys, table, columns, (row, Some(Image::default())))
}

fn of_columns<'t>(
    keys: &KeyRing,
    table: &Table,
    columns: impl Iterator<Item = &'t Column>,
    (mut row, mut image): (Row, Option<Image>),
) -> Result<Raw, StorageError> {
    let mut record = crate::Record::new();
    let mut id = String::new();
    let mut unreadable = Vec::new();
    let mut next = 0;
    for (index, column) in columns.enumerate() {
        next = index + 1;
        let at = At {
            table,
            column,
            id: &id,
        };
        let value = match cell(keys, at, (&mut row, index), image.as_mut()) {
            Ok(value) => value,
            // Where a code speaks for the record, it is this record alone that is of no use.
            Err(_) if table.code.is_some() => {
                unreadable.push(column.name.clone());
                Json::Null
            }
            Err(error) => return Err(error),
        };
        if index == 0 {
            value.as_str().unwrap_or_default().clone_into(&mut id);
        }
        record.insert(column.name.clone(), value);
    }
    let Some(mut image) = image else {
        return Ok(Raw::new(record, None));
    };
    if table.deletes {
        match stored(Storage::Datetime, &row, next) {
            Ok(cell) => image.keep(ROW_DELETED, cell),
            Err(_) if table.code.is_some() => unreadable.push(ROW_DELETED.to_owned()),
            Err(error) => return Err(error),
        }
        next += 1;
    }
    let code = match table.code {
        // One of another type is none.
        Some(_) => row.bytes(next).ok().flatten(),
        None => None,
    };
    let mut raw = Raw::new(record, Some((image, code)));
    raw.unreadable(unreadable);
    Ok(raw)
}

/// Where a value stands. The id is the first column, so it is known when others are read.
#[derive(Clone, Copy)]
struct At<'a> {
    table: &'a Table,
    column: &'a Column,
    id: &'a str,
}

/// A value, kept in the image as it is stored; a sealed one as it was before, or, where it does not
/// open, as it is.
fn cell(
    keys: &KeyRing,
    at: At<'_>,
    (row, index): (&mut Row, usize),
    image: Option<&mut Image>,
) -> Result<Json, StorageError> {
    let At { table, column, id } = at;
    if column.storage != Storage::Sealed {
        if let Some(image) = image {
            image.keep(&column.stored, stored(column.storage, row, index)?);
        }
        return read(column.storage, row, index);
    }
    let Some(sealed) = row.bytes(index)? else {
        return Ok(Json::Null);
    };
    let plain = open(keys, table, column, id, &sealed);
    if let Some(image) = image {
        let kept = plain.as_ref().map_or(&sealed, |plain| plain);
        image.keep(&column.stored, Some(kept.clone()));
    }
    opened(&plain?)
}

/// Binds ciphertext to its table, column and row, so that it opens nowhere else.
fn place(table: &Table, column: &Column, id: &str) -> Vec<u8> {
    format!("field\0{}\0{}\0{id}", table.sql_name, column.bound()).into_bytes()
}

/// The column value of an encrypted field.
pub(crate) fn seal(
    keys: &KeyRing,
    table: &Table,
    column: &Column,
    id: &str,
    json: &Json,
) -> Result<Value, StorageError> {
    let plain = kernel_crypto::canonical::to_vec(json);
    let sealed = keys
        .seal(SealKey::Field, &place(table, column, id), &plain)
        .map_err(StorageError::Seal)?;
    Ok(Value::Bytes(Some(sealed)))
}

/// The same value, sealed by the active key.
pub(crate) fn reseal(
    keys: &KeyRing,
    table: &Table,
    column: &Column,
    id: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, StorageError> {
    let place = place(table, column, id);
    let plain = keys
        .open(SealKey::Field, &place, sealed)
        .map_err(StorageError::Open)?;
    keys.seal(SealKey::Field, &place, &plain)
        .map_err(StorageError::Seal)
}

pub(crate) fn open(
    keys: &KeyRing,
    table: &Table,
    column: &Column,
    id: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, StorageError> {
    keys.open(SealKey::Field, &place(table, column, id), sealed)
        .map_err(StorageError::Open)
}

pub(crate) fn opened(plain: &[u8]) -> Result<Json, StorageError> {
    serde_json::from_slice(plain)
        .map_err(|e| StorageError::Damaged(format!("an opened field: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_name() {
        let name = "01930000-0000-7000-8000-00000000a001";
        assert!(is_id(name));
        let others = [
            name.to_uppercase(),
            name.replace('-', ""),
            format!("{{{name}}}"),
            format!("urn:uuid:{name}"),
        ];
        for other in others {
            assert_eq!(uuid(&other), uuid(name), "{other}");
            assert!(!is_id(&other), "{other}");
        }
        assert!(!is_id("") && !is_id("a001"));
    }
}
