//! Putting right what is not as the platform wrote it: the one write to a record that its code does
//! not speak for.

use sea_query::{Alias, Expr, Query as Statement};
use serde_json::{Value as Json, json};

use super::gone::place;
use super::records::{conflict, visible};
use super::{Run, is};
use crate::attest::{Image, Raw};
use crate::repair::{self, Kept};
use crate::schema::Table;
use crate::{CommitError, Mend, Record, Repair, StorageError, search};

impl Run<'_, '_> {
    pub(super) async fn repair(&mut self, repair: &Repair) -> Result<(), CommitError> {
        let table = self.table(&repair.collection)?;
        let (id, raw) = self.raw(&table, &repair.id, None).await?;
        let kept = repair::kept(self.conn, &table, &id).await?;
        let keys = &self.shared.keys;
        let stands = repair::stands(&table, &raw);
        let wrong = repair::is_wrong(keys, &table, &raw, kept.as_ref());
        if !wrong || stands != repair.stands {
            // It was put right meanwhile, or is wrong in another way than was decided about.
            return Err(CommitError::Unexpected {
                collection: table.name.clone(),
                id,
                field: "record".into(),
                now: Box::new(stands.into()),
            });
        }
        let after = match (repair.how, &kept) {
            (Mend::Accept, _) => Some(self.accept(&table, &raw, kept.as_ref()).await?),
            (Mend::PutBack, Some(kept)) => Some(self.put_back(&table, &raw, kept).await?),
            (Mend::PutBack, None) if table.audited => {
                self.take_away(&table, raw.record()).await?;
                None
            }
            (Mend::PutBack, None) => return Err(refused(&table, &id)),
        };
        self.repaired.push(json!({
            "record": format!("{}/{id}", table.name),
            "how": repair.how,
            "before": stands,
            "after": after,
        }));
        Ok(())
    }

    /// Attests what stands there.
    async fn accept(
        &mut self,
        table: &Table,
        raw: &Raw,
        kept: Option<&Kept>,
    ) -> Result<String, CommitError> {
        let (Some(image), true) = (raw.image(), raw.is_readable()) else {
            return Err(refused(table, raw.id()));
        };
        let own = |field: &String| table.column(field).is_none_or(|c| !c.system);
        let mut now = visible(table, raw.record());
        now.retain(|field, _| own(field));
        let (before, after) = match kept {
            None => (None, now),
            Some(kept) => {
                let differs = |(field, value): &(&String, &Json)| {
                    kept.fields.get(*field).unwrap_or(&Json::Null) != *value
                };
                let after = now.iter().filter(differs);
                let after: Record = after.map(|(f, v)| (f.clone(), v.clone())).collect();
                let was = |field: &String| kept.fields.get(field).cloned().unwrap_or_default();
                let before = after.keys().map(|f| (f.clone(), was(f)));
                (Some(before.collect()), after)
            }
        };
        let image = image.clone();
        let record = raw.record().clone();
        let next = next(raw, kept);
        let digest = self.mended(table, &record, image, (next, &[])).await?;
        if table.audited {
            self.keep(table, raw.id(), next, (before, after));
        }
        Ok(digest)
    }

    /// Writes what the history has.
    async fn put_back(
        &mut self,
        table: &Table,
        raw: &Raw,
        kept: &Kept,
    ) -> Result<String, CommitError> {
        let back = repair::back(&self.shared.keys, table, raw, kept);
        let back = back.ok_or_else(|| refused(table, raw.id()))?;
        let mut record = raw.record().clone();
        let (mut before, mut after) = (Record::new(), Record::new());
        for one in back.differing {
            record.insert(one.field.clone(), one.kept.clone());
            before.insert(one.field.clone(), one.stands);
            after.insert(one.field, one.kept);
        }
        let columns = back.columns.into_iter();
        let columns: Vec<(&str, sea_query::Value)> = columns
            .map(|(c, value)| (c.stored.as_str(), value))
            .collect();
        let next = next(raw, Some(kept));
        let digest = self
            .mended(table, &record, back.image, (next, &columns))
            .await?;
        let shard = table.shard_column().and_then(|name| raw.get(name));
        let shard = shard.and_then(Json::as_str);
        for (of, bound) in back.rows {
            self.remove_rows(&of.table, (shard, raw.id())).await?;
            self.put_rows(of, bound).await?;
        }
        self.keep(table, raw.id(), next, (Some(before), after));
        Ok(digest)
    }

    /// Writes a record with what is set of it, its digests and its code; the digest of what stands then.
    async fn mended(
        &mut self,
        table: &Table,
        record: &Record,
        mut image: Image,
        (revision, set): (i64, &[(&str, sea_query::Value)]),
    ) -> Result<String, CommitError> {
        let id = record.get("id").and_then(Json::as_str).unwrap_or_default();
        let touched = self.touched(revision, Some(&mut image));
        let names: Vec<&str> = touched.iter().map(|(name, _)| *name).collect();
        let set = set.iter().filter(|(name, _)| !names.contains(name));
        let mut values: Vec<(Alias, sea_query::Value)> = set
            .cloned()
            .chain(touched)
            .map(|(name, value)| (Alias::new(name), value))
            .collect();
        for blind in &table.blinds {
            let json = record.get(&blind.of).unwrap_or(&Json::Null);
            let digest = self.blinded(table, blind, id, json).await?;
            values.push((Alias::new(&blind.column.stored), digest));
        }
        values.extend(self.code(table, Some(&image)));
        let statement = {
            let values = values.into_iter();
            let mut update = Statement::update();
            update
                .table(Alias::new(&table.sql_name))
                .values(values.map(|(column, value)| (column, Expr::val(value))));
            for (name, value) in place(table, record) {
                update.and_where(is(name, value));
            }
            self.conn.engine().build(&update)
        };
        let touched = self.conn.execute(statement).await;
        let touched = touched.map_err(|e| conflict(table, e))?;
        if touched != 1 {
            return Err(StorageError::Damaged(format!("{touched} rows of one record")).into());
        }
        let shard = table.shard_column().and_then(|name| record.get(name));
        let shard = shard.and_then(Json::as_str);
        let key = search::Key { shard, id };
        search::put(self.conn, table, key, record, false).await?;
        self.wrote(table, id.to_owned(), revision);
        Ok(image.digest(table))
    }
}

/// Above all that the history has.
fn next(raw: &Raw, kept: Option<&Kept>) -> i64 {
    let stands = || raw.get("revision").and_then(Json::as_i64);
    let last = kept.map_or_else(|| stands().unwrap_or_default(), |kept| kept.revision);
    last.saturating_add(1)
}

fn refused(table: &Table, id: &str) -> CommitError {
    StorageError::Altered {
        collection: table.name.clone(),
        id: id.to_owned(),
    }
    .into()
}
