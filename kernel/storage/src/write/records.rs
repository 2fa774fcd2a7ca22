//! Inserts and updates of records: values checked, bound, sealed, and kept for the history.

use kernel_crypto::sm3;
use sea_query::{Alias, Expr, Query as Statement};
use serde_json::{Map, Value as Json};

use super::gone::place;
use super::{Held, Reference, Run, is};
use crate::attest::{self, Cells, Image};
use crate::audit::Told;
use crate::schema::{Column, RowsField, Storage, Table};
use crate::{CommitError, EngineError, Record, StorageError, search, value};

impl Run<'_, '_> {
    pub(super) async fn insert(
        &mut self,
        table: &Table,
        id: &str,
        owner: [(&str, &Option<String>); 3],
        values: &Map<String, Json>,
    ) -> Result<(), CommitError> {
        if !value::is_id(id) {
            return Err(invalid(table, "id", "is not a UUID as ids are spelt"));
        }
        for field in values.keys() {
            writable(table, field)?;
        }
        let by = Json::from(self.commit.by.user.as_str());
        let at = sea_query::Value::BigInt(Some(self.commit.at));
        let mut columns = Vec::with_capacity(table.columns.len());
        let mut bound = Vec::with_capacity(table.columns.len());
        let mut image = table.code.as_ref().map(|_| Image::default());
        for column in &table.columns {
            let mut given = &Json::Null;
            let value = match column.name.as_str() {
                "id" => self.bind(table, column, id, &Json::from(id))?,
                "revision" => 1_i64.into(),
                "created_at" | "updated_at" => at.clone(),
                "created_by" | "updated_by" => self.bind(table, column, id, &by)?,
                name if column.system => {
                    let given = owner
                        .iter()
                        .find(|(n, _)| *n == name)
                        .and_then(|(_, v)| v.as_ref());
                    if given.is_none() && table.shard_column() == Some(name) {
                        return Err(invalid(
                            table,
                            name,
                            "is the shard key, so it must be given",
                        ));
                    }
                    let json = given.map_or(Json::Null, |s| s.as_str().into());
                    self.bind(table, column, id, &json)?
                }
                name => {
                    given = values.get(name).unwrap_or(&Json::Null);
                    self.bind(table, column, id, given)?
                }
            };
            if let Some(image) = &mut image {
                image.put(column, &value, given);
            }
            columns.push(Alias::new(&column.stored));
            bound.push(value);
        }
        for blind in &table.blinds {
            let json = values.get(&blind.of).unwrap_or(&Json::Null);
            columns.push(Alias::new(&blind.column.stored));
            bound.push(self.blinded(table, blind, id, json).await?);
        }
        if table.shard_column().is_some() && self.exists(table, id, true).await? {
            return Err(CommitError::Conflict {
                collection: table.name.clone(),
                fields: vec!["id".into()],
            });
        }
        let shard = shard_of(table, owner);
        let mut rows = Vec::with_capacity(table.rows.len());
        for of in &table.rows {
            let given = list(values.get(&of.name));
            if of.required && given.is_empty() {
                return Err(invalid(table, &of.name, "is required"));
            }
            let bound = self.bind_rows(of, (shard, id), &given)?;
            if let Some(image) = &mut image {
                image.put_rows(&of.key, cells(of, &bound));
            }
            rows.push((of, bound));
        }
        if let Some((column, code)) = self.code(table, image.as_ref()) {
            columns.push(column);
            bound.push(code);
        }
        let statement = {
            let mut insert = Statement::insert();
            insert
                .into_table(Alias::new(&table.sql_name))
                .columns(columns);
            let bound = bound.into_iter().map(Expr::val);
            insert
                .values(bound)
                .map_err(|e| StorageError::Damaged(e.to_string()))?;
            self.conn.engine().build(&insert)
        };
        self.conn
            .execute(statement)
            .await
            .map_err(|e| conflict(table, e))?;
        for (of, bound) in rows {
            self.put_rows(of, bound).await?;
        }
        let key = search::Key { shard, id };
        search::put(self.conn, table, key, values, true).await?;
        if table.audited {
            let after = visible(table, values);
            self.keep(table, id, 1, (None, after));
        }
        self.wrote(table, id.to_owned(), 1);
        Ok(())
    }

    pub(super) async fn update(
        &mut self,
        table: &Table,
        id: &str,
        revision: i64,
        values: &Map<String, Json>,
    ) -> Result<(), CommitError> {
        let Held {
            id,
            record: now,
            mut image,
        } = self.current(table, id).await?;
        if now.get("revision").and_then(Json::as_i64) != Some(revision) {
            let now = Box::new(now);
            return Err(CommitError::Stale {
                collection: table.name.clone(),
                id,
                based: revision,
                now,
            });
        }
        let next = revision.saturating_add(1);
        let shard = table.shard_column().and_then(|name| now.get(name));
        let shard = shard.and_then(Json::as_str);
        let mut update = self.touched(next, image.as_mut());
        let (mut before, mut after) = (Record::new(), Record::new());
        let mut rows = Vec::new();
        for (field, json) in values {
            writable(table, field)?;
            let was = now.get(field).unwrap_or(&Json::Null);
            if was == json {
                continue;
            }
            if let Some(of) = table.rows_field(field) {
                let given = list(Some(json));
                if list(Some(was)) == given {
                    continue;
                }
                if of.frozen {
                    return Err(invalid(table, field, "is set once and never changed"));
                }
                if of.required && given.is_empty() {
                    return Err(invalid(table, field, "is required"));
                }
                let bound = self.bind_rows(of, (shard, &id), &given)?;
                if let Some(image) = &mut image {
                    image.put_rows(&of.key, cells(of, &bound));
                }
                before.insert(field.clone(), was.clone());
                after.insert(field.clone(), Json::from(given));
                rows.push((of, bound));
                continue;
            }
            let column = declared(table, field)?;
            if column.frozen {
                return Err(invalid(table, field, "is set once and never changed"));
            }
            let value = self.bind(table, column, &id, json)?;
            if let Some(image) = &mut image {
                image.put(column, &value, json);
            }
            update.push((&column.stored, value));
            if let Some(blind) = table.blind_of(field) {
                let digest = self.blinded(table, blind, &id, json).await?;
                update.push((&blind.column.stored, digest));
            }
            before.insert(field.clone(), was.clone());
            after.insert(field.clone(), json.clone());
        }
        let update = update.into_iter().map(|(c, v)| (Alias::new(c), v));
        let update = update.chain(self.code(table, image.as_ref()));
        let statement = {
            let mut statement = Statement::update();
            statement
                .table(Alias::new(&table.sql_name))
                .values(update.map(|(column, value)| (column, Expr::val(value))));
            for (name, value) in place(table, &now) {
                statement.and_where(is(name, value));
            }
            statement.and_where(is("revision", revision.into()));
            self.conn.engine().build(&statement)
        };
        let touched = self
            .conn
            .execute(statement)
            .await
            .map_err(|e| conflict(table, e))?;
        if touched != 1 {
            return Err(StorageError::Damaged(format!("{touched} rows of one record")).into());
        }
        for (of, bound) in rows {
            self.remove_rows(&of.table, (shard, &id)).await?;
            self.put_rows(of, bound).await?;
        }
        let key = search::Key { shard, id: &id };
        search::put(self.conn, table, key, &after, false).await?;
        if table.audited {
            let change = (Some(visible(table, &before)), visible(table, &after));
            self.keep(table, &id, next, change);
        }
        self.wrote(table, id, next);
        Ok(())
    }

    /// What every change of a record sets, by column.
    pub(super) fn touched<'t>(
        &self,
        revision: i64,
        image: Option<&mut Image>,
    ) -> Vec<(&'t str, sea_query::Value)> {
        let values = vec![
            ("revision", revision.into()),
            ("updated_at", self.commit.at.into()),
            ("updated_by", self.commit.by.user.as_str().into()),
        ];
        if let Some(image) = image {
            for (column, value) in &values {
                image.set(column, value);
            }
        }
        values
    }

    /// The column value of a wire value, with its references noted.
    pub(super) fn bind(
        &mut self,
        table: &Table,
        column: &Column,
        id: &str,
        json: &Json,
    ) -> Result<sea_query::Value, CommitError> {
        if json.is_null() && column.required {
            return Err(invalid(table, &column.name, "is required"));
        }
        let value = value::bind(column.wire, json)
            .ok_or_else(|| invalid(table, &column.name, "is not of its kind"))?;
        if let (Some(to), Some(id)) = (&column.refers, json.as_str()) {
            self.references.push(Reference {
                from: table.name.clone(),
                field: column.name.clone(),
                to: to.clone(),
                id: id.to_owned(),
            });
        }
        match column.storage {
            Storage::Sealed if json.is_null() => Ok(sea_query::Value::Bytes(None)),
            Storage::Sealed => Ok(value::seal(&self.shared.keys, table, column, id, json)?),
            _ => Ok(value),
        }
    }

    /// Keeps a change of an audited collection: the fields before and after.
    pub(super) fn keep(
        &mut self,
        table: &Table,
        id: &str,
        revision: i64,
        (before, after): (Option<Record>, Record),
    ) {
        let before = before.map(|b| value::canonical(&Json::Object(table.to_history(b))));
        let after = value::canonical(&Json::Object(table.to_history(after)));
        self.kept.push(Told {
            collection: table.name.clone(),
            id: id.to_owned(),
            revision,
            before: before.as_ref().map(|b| sm3::digest(b.as_bytes())),
            after: sm3::digest(after.as_bytes()),
        });
        self.late.changes.push(vec![
            table.first.to_string().into(),
            id.into(),
            revision.into(),
            self.commit.at.into(),
            self.commit.by.user.as_str().into(),
            before.into(),
            after.into(),
            self.commit.by.name.as_str().into(),
            self.commit.action.as_str().into(),
            self.commit.note.clone().into(),
        ]);
    }
}

/// Bound rows as a code speaks for them.
fn cells(of: &RowsField, rows: &[Vec<sea_query::Value>]) -> Vec<Cells> {
    let row = |bound: &Vec<_>| attest::row_cells(of.table.columns.iter().zip(bound));
    rows.iter().map(row).collect()
}

/// The shard key of a record of this owner.
fn shard_of<'o>(table: &Table, owner: [(&str, &'o Option<String>); 3]) -> Option<&'o str> {
    let mut owner = owner.into_iter();
    let own = owner.find(|(name, _)| table.shard_column() == Some(*name));
    own.and_then(|(_, id)| id.as_deref())
}

/// The rows of a value; null is none.
fn list(json: Option<&Json>) -> Vec<Json> {
    json.and_then(Json::as_array).cloned().unwrap_or_default()
}

/// Refuses a field that no write may name.
fn writable(table: &Table, field: &str) -> Result<(), CommitError> {
    if table.rows_field(field).is_some() {
        return Ok(());
    }
    declared(table, field).map(drop)
}

pub(super) fn invalid(table: &Table, field: &str, why: &'static str) -> CommitError {
    CommitError::Invalid {
        collection: table.name.clone(),
        field: field.to_owned(),
        why,
    }
}

/// A field that a write may name.
fn declared<'t>(table: &'t Table, field: &str) -> Result<&'t Column, CommitError> {
    match table.column(field) {
        Some(column) if column.system => Err(invalid(table, field, "is set by the store alone")),
        Some(column) => Ok(column),
        None => Err(invalid(table, field, "is not a field")),
    }
}

/// What the history may show: nothing encrypted.
pub(super) fn visible(table: &Table, values: &Map<String, Json>) -> Record {
    let shown = |field: &str| {
        table
            .column(field)
            .map_or(table.rows_field(field).is_some(), |c| {
                c.storage != Storage::Sealed
            })
    };
    values
        .iter()
        .filter(|(f, _)| shown(f))
        .map(|(f, v)| (f.clone(), v.clone()))
        .collect()
}

/// A failed insert or update, as a conflict where a unique key was taken.
pub(super) fn conflict(table: &Table, error: EngineError) -> CommitError {
    if !error.is_unique_violation() {
        return StorageError::db("writing a record")(error).into();
    }
    let fields: Vec<String> = match error.constraint() {
        Some(index) => {
            let index = table.indexes.iter().find(|i| i.name == index);
            index.map_or_else(|| vec!["id".to_owned()], |i| i.fields.clone())
        }
        None => named(error.message().unwrap_or_default()),
    };
    let fields = fields.iter().map(|f| table.field_of(f).to_owned());
    let fields = fields.collect();
    CommitError::Conflict {
        collection: table.name.clone(),
        fields,
    }
}

/// The columns in `UNIQUE constraint failed: table.a, table.b`; a primary key is about its id.
fn named(message: &str) -> Vec<String> {
    let columns = message.rsplit(": ").next().unwrap_or_default();
    let columns: Vec<String> = columns
        .split(", ")
        .filter_map(|c| c.rsplit('.').next())
        .map(str::to_owned)
        .collect();
    if columns.iter().any(|c| c == "id") {
        vec!["id".to_owned()]
    } else {
        columns
    }
}
