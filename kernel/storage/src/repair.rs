//! What can be made of a record that is not as the platform wrote it: what its history says, or what
//! stands there. Either takes people who answer for it; see [`Commit::repairs`](crate::Commit).
//!
//! The history keeps no encrypted value, nobody's ownership and no deletion, so these stay as they
//! stand when a record is put back. Where its code holds for what that makes, [`Wronged::proven`],
//! nothing else of it was changed.

use sea_query::{Alias, Expr, ExprTrait as _, Order, Query as Statement, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::attest::{Image, Raw, row_cells};
use crate::backend::Conn;
use crate::read::object;
use crate::schema::{
    CollectionName, Column, ROW_DELETED, ROW_POSITION, ROW_RECORD, ROW_SHARD, RowsField, Storage,
    Table,
};
use crate::{Finding, QueryError, Record, StorageError, Store, query, value, whole};
use kernel_crypto::keys::KeyRing;

/// How a record is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mend {
    /// As its history has it last. One that has no history goes: the platform never wrote it.
    PutBack,
    /// As it stands.
    Accept,
}

/// A record that is to be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    pub collection: CollectionName,
    pub id: String,
    pub how: Mend,
    /// [`Wronged::stands`] of when it was decided; refused where something else stands by now.
    pub stands: String,
}

/// A record that is not as the platform wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wronged {
    pub finding: Finding,
    /// SM3 of what stands there, hex.
    pub stands: String,
    /// What putting it back would change.
    pub fields: Vec<Differing>,
    /// Whether its history has it.
    pub kept: bool,
    /// Whether its code is of what putting it back makes.
    pub proven: bool,
    /// What can be done.
    pub ways: Vec<Mend>,
    /// What stands there, to tell whom it is about; nothing is allowed by it.
    pub record: Record,
}

/// A field that is not as the history has it last.
#[derive(Debug, Clone, PartialEq)]
pub struct Differing {
    pub field: String,
    pub kept: Json,
    pub stands: Json,
}

/// What the history has of a record.
pub(crate) struct Kept {
    pub(crate) revision: i64,
    at: i64,
    by: String,
    /// When and by whom it was made.
    made: Option<(i64, String)>,
    /// Fields as they became last, in the names of today.
    pub(crate) fields: Record,
}

/// A record as its history has it.
pub(crate) struct Back<'t> {
    /// What is to be set: columns, and rows of fields.
    pub(crate) columns: Vec<(&'t Column, Value)>,
    pub(crate) rows: Vec<(&'t RowsField, Vec<Vec<Value>>)>,
    pub(crate) differing: Vec<Differing>,
    /// What it is then, as it was last written.
    pub(crate) image: Image,
    proven: bool,
}

impl Store {
    /// What is wrong with a record and what can be made of it; none where there is no such record, or
    /// it is as it was written.
    pub async fn wronged(
        &self,
        name: &CollectionName,
        id: &str,
    ) -> Result<Option<Wronged>, QueryError> {
        let table = self.table(name)?;
        let Some(uuid) = value::id(id).filter(|_| table.code.is_some()) else {
            return Ok(None);
        };
        let mut snapshot = self.db().snapshot().await?;
        let mut conn = snapshot.conn();
        let statement = {
            let mut select = query::select(&table);
            let own = Expr::val(Value::Uuid(Some(uuid)));
            select.and_where(Expr::col(Alias::new("id")).eq(own));
            conn.engine().build(&select)
        };
        let row = conn.row(statement).await;
        let Some(row) = row.map_err(StorageError::db(READING))? else {
            return Ok(None);
        };
        let mut raw = [value::record(self.keys(), &table, row)?];
        let rows: Vec<&RowsField> = table.rows.iter().collect();
        whole::fill(&mut conn, &table, &rows, &mut raw).await?;
        let [raw] = raw;
        let kept = kept(&mut conn, &table, id).await?;
        if !is_wrong(self.keys(), &table, &raw, kept.as_ref()) {
            return Ok(None);
        }
        let finding = if raw.holds(self.keys(), &table) {
            Finding::PutBack
        } else {
            self.why(&mut conn, &table, &raw).await?
        };
        let back = kept.as_ref().map(|k| back(self.keys(), &table, &raw, k));
        let mut ways = Vec::new();
        // A history that has nothing of a record tells that it was never written; none tells nothing.
        if back.as_ref().map_or(table.audited, Option::is_some) {
            ways.push(Mend::PutBack);
        }
        if raw.is_readable() {
            ways.push(Mend::Accept);
        }
        let back = back.flatten();
        Ok(Some(Wronged {
            finding,
            stands: stands(&table, &raw),
            kept: kept.is_some(),
            proven: back.as_ref().is_some_and(|back| back.proven),
            fields: back.map(|back| back.differing).unwrap_or_default(),
            ways,
            record: raw.unchecked(),
        }))
    }
}

const READING: &str = "reading a record to put right";

/// Its code is not of what it holds, or it is as it was before its last change.
pub(crate) fn is_wrong(keys: &KeyRing, table: &Table, raw: &Raw, kept: Option<&Kept>) -> bool {
    let revision = raw.get("revision").and_then(Json::as_i64);
    !raw.holds(keys, table) || kept.map(|k| k.revision) > revision
}

pub(crate) fn stands(table: &Table, raw: &Raw) -> String {
    raw.image()
        .map(|image| image.digest(table))
        .unwrap_or_default()
}

/// What the history has of a record of an audited collection.
pub(crate) async fn kept(
    conn: &mut Conn<'_>,
    table: &Table,
    id: &str,
) -> Result<Option<Kept>, StorageError> {
    if !table.audited {
        return Ok(None);
    }
    let statement = {
        let columns = ["revision", "at", "by_user", "after"];
        let mut select = Statement::select();
        select
            .columns(columns.map(Alias::new))
            .from(Alias::new("kernel__changes"))
            .and_where(Expr::col(Alias::new("collection")).eq(table.first.to_string()))
            .and_where(Expr::col(Alias::new("record")).eq(id))
            .order_by(Alias::new("revision"), Order::Asc);
        conn.engine().build(&select)
    };
    let rows = conn.rows(statement).await;
    let mut kept: Option<Kept> = None;
    for row in rows.map_err(StorageError::db("reading a history"))? {
        let (revision, at, by) = (row.number(0)?, row.number(1)?, row.string(2)?);
        let mut before = kept.take();
        let mut fields = before.as_mut().map(|k| std::mem::take(&mut k.fields));
        let fields = fields.get_or_insert_default();
        fields.extend(table.of_history(object(&row.string(3)?)?));
        let made = match before {
            Some(before) => before.made,
            None => (revision == 1).then(|| (at, by.clone())),
        };
        kept = Some(Kept {
            revision,
            at,
            by,
            made,
            fields: std::mem::take(fields),
        });
    }
    Ok(kept)
}

/// The record as its history has it; none where what the history does not keep cannot be read.
pub(crate) fn back<'t>(
    keys: &KeyRing,
    table: &'t Table,
    raw: &Raw,
    kept: &Kept,
) -> Option<Back<'t>> {
    let code = raw.code().unwrap_or_default();
    // A field that the history does not name was empty, or was filled by a conversion since.
    let empty = back_with(table, raw, kept)?;
    if empty.image.holds(keys, table, code) {
        return Some(Back {
            proven: true,
            ..empty
        });
    }
    let filled = kept.filled(table, raw).and_then(|kept| {
        let filled = back_with(table, raw, &kept)?;
        filled.image.holds(keys, table, code).then_some(filled)
    });
    Some(match filled {
        Some(filled) => Back {
            proven: true,
            ..filled
        },
        None => empty,
    })
}

impl Kept {
    /// The same with what stands in fields that the history does not name.
    fn filled(&self, table: &Table, raw: &Raw) -> Option<Self> {
        let mut fields = self.fields.clone();
        let own = table.columns.iter().filter(|c| !c.system);
        let missing = own.filter(|c| !self.fields.contains_key(&c.name));
        for column in missing {
            fields.insert(column.name.clone(), raw.get(&column.name)?.clone());
        }
        (fields.len() > self.fields.len()).then(|| Self {
            revision: self.revision,
            at: self.at,
            by: self.by.clone(),
            made: self.made.clone(),
            fields,
        })
    }

    /// What the history says of a system column.
    fn system(&self, name: &str) -> Option<Value> {
        match name {
            "revision" => Some(self.revision.into()),
            "updated_at" => Some(self.at.into()),
            "updated_by" => Some(self.by.as_str().into()),
            "created_at" => self.made.as_ref().map(|(at, _)| (*at).into()),
            "created_by" => self.made.as_ref().map(|(_, by)| by.as_str().into()),
            _ => None,
        }
    }
}

fn back_with<'t>(table: &'t Table, raw: &Raw, kept: &Kept) -> Option<Back<'t>> {
    let unread = |name: &str| raw.unread().iter().any(|field| field == name);
    if unread(ROW_DELETED) {
        return None;
    }
    let mut image = raw.image()?.clone();
    let (mut columns, mut rows, mut differing) = (Vec::new(), Vec::new(), Vec::new());
    for column in &table.columns {
        if column.system {
            match kept.system(&column.name) {
                Some(value) => {
                    image.set(&column.stored, &value);
                    columns.push((column, value));
                }
                None if unread(&column.name) => return None,
                None => {}
            }
            continue;
        }
        let json = kept.fields.get(&column.name).unwrap_or(&Json::Null);
        let bound = value::bind(column.storage, json)
            .filter(|_| column.storage != Storage::Sealed && !(column.required && json.is_null()));
        let Some(bound) = bound else {
            // What the history does not keep, or keeps in a shape of before, stays as it stands.
            if unread(&column.name) {
                return None;
            }
            continue;
        };
        let stands = raw.get(&column.name).unwrap_or(&Json::Null);
        if stands == json && !unread(&column.name) {
            continue;
        }
        image.put(column, &bound, json);
        columns.push((column, bound));
        differing.push(Differing {
            field: column.name.clone(),
            kept: json.clone(),
            stands: stands.clone(),
        });
    }
    let shard = table.shard_column().and_then(|name| raw.get(name));
    let key = (shard.and_then(Json::as_str), raw.id());
    for of in &table.rows {
        let none = Json::Array(Vec::new());
        let json = kept.fields.get(&of.name).filter(|json| !json.is_null());
        let json = json.unwrap_or(&none);
        let stands = raw.get(&of.name).unwrap_or(&Json::Null);
        if stands == json && !unread(&of.name) {
            continue;
        }
        let bound = bound_rows(of, key, json)?;
        let own = |row: &Vec<Value>| row_cells(of.table.columns.iter().zip(row));
        image.put_rows(&of.key, bound.iter().map(own).collect());
        rows.push((of, bound));
        differing.push(Differing {
            field: of.name.clone(),
            kept: json.clone(),
            stands: stands.clone(),
        });
    }
    Some(Back {
        columns,
        rows,
        differing,
        image,
        proven: false,
    })
}

/// Rows of the history, as they are written; none where one is of a shape of before.
fn bound_rows(
    of: &RowsField,
    (shard, id): (Option<&str>, &str),
    rows: &Json,
) -> Option<Vec<Vec<Value>>> {
    let bound = |(position, row): (usize, &Json)| {
        let columns = of.table.columns.iter();
        let bound = columns.map(|column| match column.name.as_str() {
            ROW_SHARD => Some(Value::Uuid(shard.and_then(value::uuid))),
            ROW_RECORD => Some(Value::Uuid(value::uuid(id))),
            ROW_POSITION => Some(Value::BigInt(i64::try_from(position).ok())),
            name => value::bind(column.storage, row.get(name).unwrap_or(&Json::Null)),
        });
        bound.collect()
    };
    rows.as_array()?.iter().enumerate().map(bound).collect()
}
