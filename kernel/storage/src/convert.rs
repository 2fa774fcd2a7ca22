//! Values on their way into another kind, in batches, while the platform serves.
//!
//! Next to the values that serve, the new ones get columns of their own, and each record a mark of
//! the revision that was converted. A batch takes records whose mark is not their revision: those
//! that have not been converted, and those that were written since, by whichever node. So nothing
//! has to be written twice, a batch that is done is done for good, and after a stop the next start
//! goes on. At last the table is locked, what is left is converted, and the declaration changes in
//! the same transaction; until then nobody sees anything of it.

use sdk_contract::change::Conversion;
use sdk_contract::def::{ChoiceDef, FieldDef, ModuleDef};
use sdk_contract::kind::Misfit;
use sea_query::{Alias, Cond, Expr, ExprTrait as _, Order, Query as Statement};
use serde::Serialize;
use serde_json::Value as Json;

use kernel_crypto::keys::KeyRing;

use crate::attest::Raw;
use crate::backend::{Conn, Engine, Sql, built};
use crate::layout::{Layout, Stored};
use crate::plan::Plan;
use crate::schema::{
    BlindField, Column, ROW_CONVERTED, ROW_POSITION, ROW_RECORD, RowsField, Storage, Table,
    blind as beside, column,
};
use crate::{Record, StorageError, blind, query, value, whole};

/// Records of one batch.
pub(crate) const BATCH: u64 = 500;
/// Records converted at last, while nobody else can write.
const AT_LAST: u64 = 2_000;
/// Values that do not convert, named one by one.
const EXAMPLES: usize = 100;

const CONVERTING: &str = "converting values";

/// What would become of one field's values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outlook {
    pub collection: String,
    pub field: String,
    /// Records, or rows of a field, that were looked at.
    pub records: u64,
    /// Values that convert; an absent one that may stay absent does.
    pub fit: u64,
    pub unfit: u64,
    /// Unfit values become empty; else one of them stops the change.
    pub lossy: bool,
    /// Of the unfit ones, the first hundred.
    pub examples: Vec<Unfit>,
}

/// A value that does not convert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfit {
    pub record: String,
    /// Stable code of the rule it breaks.
    pub rule: String,
    /// The same in words for people.
    pub message: String,
}

/// What one batch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) records: u64,
    pub(crate) last: Option<String>,
    /// Sentences; with one of them nothing was changed.
    pub(crate) unfit: Vec<String>,
    /// More was left than can be converted while nobody writes.
    pub(crate) again: bool,
}

/// One table whose fields are converted, or whose records get their codes.
#[derive(Debug)]
pub(crate) struct Converter {
    /// As it serves.
    pub(crate) table: Table,
    /// As it will be, where each record gets a code of what it will hold.
    next: Option<Table>,
    fields: Vec<Target>,
    choices: Vec<ChoiceDef>,
}

#[derive(Debug)]
struct Target {
    column: Column,
    blind: Option<BlindField>,
    field: FieldDef,
    source: FieldDef,
    by: Conversion,
    lossy: bool,
}

impl Converter {
    /// One for each table that a plan converts values of, or makes codes of.
    pub(crate) fn all(old: &Stored, plan: &Plan, new: &ModuleDef) -> Vec<Self> {
        let rows = |table: Table| table.rows.into_iter().map(|r| r.table);
        let of = |table: Table| {
            let name = &table.sql_name;
            let coded = plan.attested.iter();
            let mut coded = coded.map(|c| Table::of(&new.id, c, &plan.layout.of(&c.name)));
            let next = coded.find(|next| next.sql_name == *name);
            let own = plan.conversions.iter().filter(|c| c.table == *name);
            let fields: Vec<Target> = own
                .filter_map(|c| target(&table, &plan.layout, c))
                .collect();
            (!fields.is_empty() || next.is_some()).then(|| Self {
                table,
                next,
                fields,
                choices: new.choices.clone(),
            })
        };
        let tables = old.tables().chain(old.tables().flat_map(rows));
        tables.filter_map(of).collect()
    }

    /// The column with the id of the record.
    fn record(&self) -> &'static str {
        match self.table.parent {
            None => "id",
            Some(_) => ROW_RECORD,
        }
    }

    fn value(&self, target: &Target, was: Option<&Json>) -> Result<Json, Misfit> {
        let was = was.unwrap_or(&Json::Null);
        let (by, old) = (&target.by, &target.source.kind);
        by.value(old, &target.field, &self.choices, was)
    }

    /// Converts some records after an id.
    pub(crate) async fn batch(
        &self,
        conn: &mut Conn<'_>,
        keys: &KeyRing,
        after: Option<&str>,
        most: u64,
    ) -> Result<Batch, StorageError> {
        let failed = StorageError::db(CONVERTING);
        let statement = {
            let mark = || Expr::col(Alias::new(ROW_CONVERTED));
            let record = || Expr::col(Alias::new(self.record()));
            let mut stale = Cond::any().add(mark().is_null());
            let after = after.and_then(value::uuid);
            let after = after.map(|id| Expr::val(sea_query::Value::Uuid(Some(id))));
            let mut select = if self.next.is_some() {
                query::select_full(&self.table)
            } else {
                query::select(&self.table)
            };
            select.order_by(Alias::new(self.record()), Order::Asc);
            if self.table.parent.is_none() {
                stale = stale.add(mark().ne(Expr::col(Alias::new("revision"))));
                select.and_where_option(after.map(|after| record().gt(after)));
            } else {
                // A batch may end amid the rows of a record.
                select.order_by(Alias::new(ROW_POSITION), Order::Asc);
                select.and_where_option(after.map(|after| record().gte(after)));
            }
            select.cond_where(stale).limit(most);
            conn.engine().build(&select)
        };
        let blinds = self.fields.iter().any(|target| target.blind.is_some());
        let number = if blinds {
            blind::hold(conn).await?
        } else {
            None
        };
        let mut batch = Batch::default();
        for record in self.read(conn, keys, statement).await? {
            let id = record.get(self.record()).and_then(Json::as_str);
            let id = id.unwrap_or_default().to_owned();
            batch.records += 1;
            batch.last = Some(id.clone());
            match self.update((keys, number), &record, &id)? {
                Ok(update) => {
                    let statement = conn.engine().build(&update);
                    conn.execute(statement).await.map_err(&failed)?;
                }
                Err(mut sentences) => batch.unfit.append(&mut sentences),
            }
        }
        Ok(batch)
    }

    /// Records that are as they were written: nothing new is made of one that is not.
    async fn read(
        &self,
        conn: &mut Conn<'_>,
        keys: &KeyRing,
        statement: Sql,
    ) -> Result<Vec<Raw>, StorageError> {
        let table = &self.table;
        let rows = conn.rows(statement).await;
        let rows = rows.map_err(StorageError::db(CONVERTING))?.into_iter();
        let mut read: Vec<Raw> = match &self.next {
            Some(_) => rows
                .map(|row| value::imaged(keys, table, row))
                .collect::<Result<_, _>>()?,
            None => rows
                .map(|row| value::record(keys, table, row))
                .collect::<Result<_, _>>()?,
        };
        let mut rows: Vec<&RowsField> = Vec::new();
        if table.code.is_some() {
            rows.extend(&table.rows);
        }
        // What the new code speaks for and is there already.
        for next in self.next.iter().flat_map(|next| &next.rows) {
            let mut all = table.rows.iter().chain(&table.retired.rows);
            let there = all.find(|is| is.key == next.key);
            rows.extend(there.filter(|is| rows.iter().all(|r| r.key != is.key)));
        }
        whole::fill(conn, table, &rows, &mut read).await?;
        for raw in &read {
            raw.check(keys, table)?;
        }
        Ok(read)
    }

    /// The statement that converts one record, if nobody has written it since; or why not. Rows are
    /// written anew with their record, so theirs have no mark then; a row that has others' place is
    /// known by its values.
    fn update(
        &self,
        (keys, number): (&KeyRing, blind::Number),
        record: &Raw,
        id: &str,
    ) -> Result<Result<sea_query::UpdateStatement, Vec<String>>, StorageError> {
        let revision = record.get("revision").and_then(Json::as_i64).unwrap_or(1);
        let mut values = vec![(Alias::new(ROW_CONVERTED), Expr::val(revision))];
        let mut image = record.image().cloned();
        let mut unfit = Vec::new();
        for target in &self.fields {
            let made = match self.value(target, record.get(&target.source.name)) {
                Ok(made) => made,
                Err(_) if target.lossy && !target.field.required => Json::Null,
                Err(misfit) => {
                    unfit.push(format!(
                        "{} of {} {id} does not convert: {}.",
                        target.field.name, self.table.name, misfit.code
                    ));
                    continue;
                }
            };
            let shaped = || {
                let what = format!("{} of {id} was converted badly", target.field.name);
                StorageError::Damaged(what)
            };
            let plain = value::bind(target.column.wire, &made).ok_or_else(shaped)?;
            if let Some(image) = &mut image {
                image.put(&target.column, &plain, &made);
            }
            let bound = match target.column.storage {
                Storage::Sealed if made.is_null() => sea_query::Value::Bytes(None),
                Storage::Sealed => value::seal(keys, &self.table, &target.column, id, &made)?,
                _ => plain,
            };
            values.push((Alias::new(&target.column.stored), Expr::val(bound)));
            if let Some(blind) = &target.blind {
                let digest = blind::digest(keys, &self.table, &target.column, &made, number)?;
                values.push((Alias::new(&blind.column.stored), Expr::val(digest)));
            }
        }
        if !unfit.is_empty() {
            return Ok(Err(unfit));
        }
        if let (Some(next), Some(image)) = (&self.next, &image)
            && let Some(code) = &next.code
        {
            let code_value = Expr::val(image.code(keys, next));
            values.push((Alias::new(&code.stored), code_value));
        }
        let mut update = Statement::update();
        update
            .table(Alias::new(&self.table.sql_name))
            .values(values);
        let sources = self.fields.iter().map(|target| target.source.name.as_str());
        let same: Vec<&str> = match self.table.parent {
            None => vec!["revision"],
            Some(_) => sources.collect(),
        };
        let key = self.table.key.iter().map(String::as_str);
        for column in key.chain(same).filter_map(|name| self.table.column(name)) {
            let is = record.get(&column.name).unwrap_or(&Json::Null);
            let bound = value::bind(column.storage, is);
            update.and_where(match bound {
                Some(bound) if !is.is_null() => query::col(column).eq(bound),
                _ => query::col(column).is_null(),
            });
        }
        Ok(Ok(update))
    }

    /// Locks the table until the transaction ends, and converts what is left.
    pub(crate) async fn finish(
        &self,
        conn: &mut Conn<'_>,
        keys: &KeyRing,
    ) -> Result<Batch, StorageError> {
        if conn.engine() == Engine::Postgres {
            // Who writes rows has written their record before, so they wait in one order.
            let parent = self.table.parent.iter().map(String::as_str);
            let tables = parent.chain([self.table.sql_name.as_str()]);
            let tables: Vec<String> = tables.map(|t| format!("\"{t}\"")).collect();
            let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
            let locked = conn.execute(built(lock, Vec::new())).await;
            locked.map_err(StorageError::db("locking a table"))?;
        }
        let mut batch = self.batch(conn, keys, None, AT_LAST).await?;
        batch.again = batch.records >= AT_LAST;
        Ok(batch)
    }

    /// What would become of every record, without changing one.
    pub(crate) async fn outlook(
        &self,
        conn: &mut Conn<'_>,
        keys: &KeyRing,
    ) -> Result<Vec<Outlook>, StorageError> {
        let mut all: Vec<Outlook> = self
            .fields
            .iter()
            .map(|target| Outlook {
                collection: self.table.name.collection.clone(),
                field: target.field.name.clone(),
                records: 0,
                fit: 0,
                unfit: 0,
                lossy: target.lossy,
                examples: Vec::new(),
            })
            .collect();
        let statement = conn.engine().build(&query::select(&self.table));
        conn.each(statement, CONVERTING, |row| {
            let record = value::record(keys, &self.table, row)?.unchecked();
            for (target, outlook) in self.fields.iter().zip(&mut all) {
                outlook.records += 1;
                match self.value(target, record.get(&target.source.name)) {
                    Ok(_) => outlook.fit += 1,
                    Err(misfit) => {
                        outlook.unfit += 1;
                        if outlook.examples.len() < EXAMPLES {
                            outlook.examples.push(Unfit {
                                record: text(&record, self.record()).to_owned(),
                                rule: misfit.code.into_owned(),
                                message: misfit.message,
                            });
                        }
                    }
                }
            }
            Ok::<_, StorageError>(())
        })
        .await?;
        Ok(all)
    }
}

fn target(table: &Table, layout: &Layout, converting: &crate::plan::Converting) -> Option<Target> {
    let places = layout.of(&converting.collection);
    let field = &converting.field;
    let stored = places.column(&field.name);
    Some(Target {
        column: column(&table.name.module, field, stored)?,
        blind: beside(field, stored),
        field: field.clone(),
        source: converting.source.clone(),
        by: converting.by.clone(),
        lossy: converting.lossy,
    })
}

fn text<'r>(record: &'r Record, field: &str) -> &'r str {
    record.get(field).and_then(Json::as_str).unwrap_or_default()
}
