//! Reading records, their steps and their history.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Arc;

use sdk_contract::def::FieldDef;
use sdk_contract::query::{
    Aggregate, AlteredRecord, FACET_VALUES, Facet, FacetValue, Found, Group, Query, Step, average,
};
use sdk_contract::scalar::{Timestamp, print_scaled};
use sea_query::{Alias, Expr, ExprTrait as _};
use serde_json::Value as Json;

use crate::attest::Raw;
use crate::backend::{Row, sql};
use crate::query::{self, Asked, Shape};
use crate::schema::{Storage, Table};
use crate::{
    Change, CollectionName, Engine, Idempotent, QueryError, Record, StorageError, Store, value,
    whole,
};

/// Which rows the asker may see. Applied in the statement, before sorting, paging and counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFilter {
    All,
    None,
    /// Rows whose assignee is this user; none where the collection names no assignee.
    Assigned(String),
    /// Rows about this party.
    Subject(String),
    /// Rows of one of these organisations.
    Organisations(Vec<String>),
    /// Rows of this district, GB/T 2260.
    District(String),
    /// Rows that one of these lets through.
    Any(Vec<RowFilter>),
}

impl RowFilter {
    /// Whether whatever it lets through belongs to the asker: is about it, or is its
    /// organisation's.
    pub fn owns(&self) -> bool {
        match self {
            Self::All | Self::Assigned(_) | Self::District(_) => false,
            Self::None | Self::Subject(_) | Self::Organisations(_) => true,
            Self::Any(filters) => filters.iter().all(Self::owns),
        }
    }
}

impl Store {
    /// The record, or none when there is none among the asker's rows.
    pub async fn get(
        &self,
        name: &CollectionName,
        id: &str,
        rows: &RowFilter,
    ) -> Result<Option<Record>, QueryError> {
        self.look_up_record(name, id, rows, false).await
    }

    /// The same, also when it is deleted and still kept: for its history.
    pub async fn get_kept(
        &self,
        name: &CollectionName,
        id: &str,
        rows: &RowFilter,
    ) -> Result<Option<Record>, QueryError> {
        self.look_up_record(name, id, rows, true).await
    }

    async fn look_up_record(
        &self,
        name: &CollectionName,
        id: &str,
        rows: &RowFilter,
        kept: bool,
    ) -> Result<Option<Record>, QueryError> {
        let found = self.look_up_now(name, id, rows, kept).await;
        if self.relearned(found.as_ref().err()).await? {
            return self.look_up_now(name, id, rows, kept).await;
        }
        found
    }

    /// Whether a question failed because another node has changed the tables. They are known now.
    async fn relearned(&self, error: Option<&QueryError>) -> Result<bool, StorageError> {
        let past = matches!(error, Some(QueryError::Storage(e)) if e.is_of_the_past());
        if past {
            self.learn().await?;
        }
        Ok(past)
    }

    async fn look_up_now(
        &self,
        name: &CollectionName,
        id: &str,
        rows: &RowFilter,
        kept: bool,
    ) -> Result<Option<Record>, QueryError> {
        let table = self.table(name)?;
        let Some(id) = value::id(id) else {
            return Ok(None);
        };
        let mut select = query::select(&table);
        select
            .and_where(Expr::col(Alias::new("id")).eq(Expr::val(sea_query::Value::Uuid(Some(id)))));
        if let Some(scope) = query::scope(&table, rows) {
            select.cond_where(scope);
        }
        if let (false, Some(there)) = (kept, query::there(&table)) {
            select.and_where(there);
        }
        let statement = self.engine().build(&select);
        let mut held = self.db().acquire().await?;
        let mut conn = held.conn();
        let row = conn
            .row(statement)
            .await
            .map_err(StorageError::db("reading a record"))?;
        let Some(row) = row else { return Ok(None) };
        let raw = value::record(self.keys(), &table, row)?;
        let whole = whole::complete(&mut conn, self.keys(), &table, vec![raw]).await?;
        Ok(whole.into_iter().next())
    }

    /// A page of records, to decide by. `query.collection` is the full name. With a record in it that
    /// is not as the platform wrote it, it is refused whole: whatever is decided by a list is decided
    /// by what is not in it, too.
    pub async fn find(&self, query: &Query, rows: &RowFilter) -> Result<Found, QueryError> {
        let found = self.list(query, rows).await?;
        match found.altered.first() {
            None => Ok(found),
            Some(one) => Err(StorageError::Altered {
                collection: one.collection.parse()?,
                id: one.id.clone(),
            }
            .into()),
        }
    }

    /// The same, to show: records that are not as the platform wrote them are named in
    /// [`Found::altered`], and the others are there.
    pub async fn list(&self, query: &Query, rows: &RowFilter) -> Result<Found, QueryError> {
        let found = self.find_now(query, rows).await;
        if self.relearned(found.as_ref().err()).await? {
            return self.find_now(query, rows).await;
        }
        found
    }

    async fn find_now(&self, query: &Query, rows: &RowFilter) -> Result<Found, QueryError> {
        let table = self.table(&CollectionName::from_str(&query.collection)?)?;
        if query.filter.is_none() {
            return self.find_in(&table, query, rows).await;
        }
        let mut key = self.blind_key_of(&table).await?;
        loop {
            let found = self.find_in(&table, query, rows).await;
            let now = self.blind_key_of(&table).await?;
            if now == key {
                return found;
            }
            key = now;
        }
    }

    async fn find_in(
        &self,
        table: &Table,
        query: &Query,
        rows: &RowFilter,
    ) -> Result<Found, QueryError> {
        self.searchable(table, query.filter.as_ref()).await?;
        if query.as_of.is_some() {
            return self.find_as_of(table, query, rows).await;
        }
        let of = Asked {
            engine: self.engine(),
            table,
            keys: self.keys(),
        };
        let page = self.engine().build(&query::page(of, query, rows)?);
        let count = if query.total {
            Some(self.engine().build(&query::count(of, query, rows)?))
        } else {
            None
        };
        let facets: Vec<_> = query::facets(of, query, rows)?
            .iter()
            .map(|f| self.engine().build(f))
            .collect();
        let finding = StorageError::db("finding records");
        let mut held = self.db().acquire().await?;
        let mut conn = held.conn();
        let mut found = Found::default();
        let mut read = Vec::new();
        for row in conn.rows(page).await.map_err(&finding)? {
            read.push(value::record(self.keys(), table, row)?);
        }
        let more = query.cursor.is_some() && read.len() > query.limit as usize;
        read.truncate(query.limit as usize);
        if more {
            // A place is all that is taken from it, whatever became of it. What cannot be read gives
            // none, and comes again on the next page.
            let last = read.iter().rev().find(|raw| raw.is_readable());
            let last = last.ok_or_else(|| altered_of(&read, table))?;
            found.next = Some(query::next(of, query, last.record())?);
        }
        let (records, altered) = whole::apart(&mut conn, self.keys(), table, read).await?;
        found.records = records;
        found.altered = named(altered)?;
        for (field, statement) in query.facets.iter().zip(facets) {
            let rows = conn.rows(statement).await.map_err(&finding)?;
            found.facets.push(facet(table, field, rows)?);
        }
        if let Some(count) = count {
            let (totals, question) = (&self.shared().totals, count.question());
            found.total = Some(match totals.find(&table.name, &question) {
                Ok(total) => total,
                Err(writes) => {
                    let row = conn.row(count).await.map_err(&finding)?;
                    let n = row.map(|r| r.number(0)).transpose()?.unwrap_or(0);
                    totals.keep(question, writes, n.cast_unsigned());
                    n.cast_unsigned()
                }
            });
        }
        Ok(found)
    }

    /// How the engine would find a page of records, line by line. On `PostgreSQL` as if reading
    /// the whole table were not to be had, so that a small table shows which index serves.
    pub async fn explain(
        &self,
        query: &Query,
        rows: &RowFilter,
    ) -> Result<Vec<String>, QueryError> {
        let table = self.table(&CollectionName::from_str(&query.collection)?)?;
        let of = Asked {
            engine: self.engine(),
            table: &table,
            keys: self.keys(),
        };
        let page = self.engine().build(&query::page(of, query, rows)?);
        let page = page.explained(self.engine());
        let explaining = StorageError::db("explaining a statement");
        let mut held = self.db().acquire().await?;
        let mut conn = held.conn();
        let (rows, column) = match self.engine() {
            Engine::Sqlite => (conn.rows(page).await, 3),
            Engine::Postgres => {
                conn.execute(sql("BEGIN", [])).await.map_err(&explaining)?;
                let setting = sql("SET LOCAL enable_seqscan = off", []);
                let rows = match conn.execute(setting).await {
                    Ok(_) => conn.rows(page).await,
                    Err(e) => Err(e),
                };
                conn.execute(sql("ROLLBACK", []))
                    .await
                    .map_err(&explaining)?;
                (rows, 0)
            }
        };
        let lines = rows.map_err(&explaining)?;
        let lines = lines.iter().map(|line| line.string(column));
        Ok(lines.collect::<Result<_, StorageError>>()?)
    }

    /// Counts and sums by group, ordered by the group's keys, nulls last. A sum over nothing is
    /// zero. `ask.collection` is the full name.
    ///
    /// Where the collection suppresses small groups and the asker does not own the rows, a small
    /// group comes without its measures; with `having` or `top` it does not come at all.
    pub async fn aggregate(
        &self,
        ask: &Aggregate,
        rows: &RowFilter,
    ) -> Result<Vec<Group>, QueryError> {
        let groups = self.aggregate_now(ask, rows).await;
        if self.relearned(groups.as_ref().err()).await? {
            return self.aggregate_now(ask, rows).await;
        }
        groups
    }

    async fn aggregate_now(
        &self,
        ask: &Aggregate,
        rows: &RowFilter,
    ) -> Result<Vec<Group>, QueryError> {
        let table = self.table(&CollectionName::from_str(&ask.collection)?)?;
        if ask.filter.is_none() {
            return self.aggregate_in(&table, ask, rows).await;
        }
        let mut key = self.blind_key_of(&table).await?;
        loop {
            let groups = self.aggregate_in(&table, ask, rows).await;
            let now = self.blind_key_of(&table).await?;
            if now == key {
                return groups;
            }
            key = now;
        }
    }

    async fn aggregate_in(
        &self,
        table: &Table,
        ask: &Aggregate,
        rows: &RowFilter,
    ) -> Result<Vec<Group>, QueryError> {
        self.searchable(table, ask.filter.as_ref()).await?;
        let (statement, shapes) = {
            let of = Asked {
                engine: self.engine(),
                table,
                keys: self.keys(),
            };
            let (select, shapes) = query::groups(self.engine(), of, ask, rows)?;
            (self.engine().build(&select), shapes)
        };
        let least = query::suppress_below(table, rows);
        let mut held = self.db().acquire().await?;
        let rows = held.conn().rows(statement).await;
        let rows = rows.map_err(StorageError::db("counting and summing"))?;
        if rows.len() > query::MAX_GROUPS as usize {
            return Err(QueryError::TooMuch {
                what: "the groups",
                most: query::MAX_GROUPS,
            });
        }
        let mut groups = Vec::with_capacity(rows.len());
        for mut row in rows {
            let mut values = Vec::with_capacity(shapes.len());
            let (mut index, mut size) = (0, 0);
            for shape in &shapes {
                match shape {
                    Shape::Size => size = row.number(index)?,
                    shape => values.push(measured(&mut row, index, shape)?),
                }
                index += if matches!(shape, Shape::Average(_)) {
                    2
                } else {
                    1
                };
            }
            let mut measures = values.split_off(ask.group_by.len());
            let suppressed = least.is_some_and(|least| (1..least).contains(&size));
            if suppressed {
                measures.fill(Json::Null);
            }
            groups.push(Group {
                keys: values,
                measures,
                suppressed,
            });
        }
        Ok(groups)
    }

    /// A record's steps through its flow, oldest first.
    pub async fn steps(&self, name: &CollectionName, id: &str) -> Result<Vec<Step>, StorageError> {
        if !value::is_id(id) {
            return Ok(Vec::new());
        }
        let rows = self
            .fixed(
                "SELECT action, from_state, to_state, at, by_user, by_name, note \
                 FROM kernel__steps WHERE collection = $1 AND record = $2 ORDER BY number",
                vec![self.registry().first(name).to_string().into(), id.into()],
                "reading steps",
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Step {
                    action: row.string(0)?,
                    from: row.text(1)?,
                    to: row.string(2)?,
                    at: Timestamp::from_micros(row.number(3)?).to_string(),
                    by: row.string(4)?,
                    by_name: row.string(5)?,
                    note: row.text(6)?,
                })
            })
            .collect()
    }

    /// Names that a module's collections had before, with those they have now.
    pub fn former(&self, module: &str) -> BTreeMap<String, String> {
        self.registry().former(module)
    }

    /// Fields of a collection that are retired, as they were last declared: its history has them.
    pub fn retired(&self, name: &CollectionName) -> Vec<FieldDef> {
        let table = self.registry().table(name);
        table.map_or_else(Vec::new, |table| table.retired.fields.clone())
    }

    /// The kept history of a record of an audited collection, oldest first, in the names of today.
    pub async fn changes(
        &self,
        name: &CollectionName,
        id: &str,
    ) -> Result<Vec<Change>, StorageError> {
        if !value::is_id(id) {
            return Ok(Vec::new());
        }
        let rows = self
            .fixed(
                "SELECT revision, at, by_user, before, after, by_name, action, note \
                 FROM kernel__changes WHERE collection = $1 AND record = $2 ORDER BY revision",
                vec![self.registry().first(name).to_string().into(), id.into()],
                "reading a history",
            )
            .await?;
        let table = self.registry().table(name);
        let named = |kept: Record| match &table {
            Some(table) => table.of_history(kept),
            None => kept,
        };
        rows.iter()
            .map(|row| {
                Ok(Change {
                    revision: row.number(0)?,
                    at: row.number(1)?,
                    by: row.string(2)?,
                    by_name: row.text(5)?.unwrap_or_default(),
                    action: row.text(6)?.filter(|a| !a.is_empty()),
                    note: row.text(7)?,
                    before: row.text(3)?.map(|s| object(&s)).transpose()?.map(named),
                    after: named(object(&row.string(4)?)?),
                })
            })
            .collect()
    }

    /// What was answered to a user's idempotency key, if it was used.
    pub async fn idempotent(
        &self,
        key: &str,
        user: &str,
    ) -> Result<Option<Idempotent>, StorageError> {
        let rows = self
            .fixed(
                "SELECT digest, reply FROM kernel__idempotency WHERE user_id = $1 AND key = $2",
                vec![user.into(), key.into()],
                "looking up an idempotency key",
            )
            .await?;
        rows.first()
            .map(|row| {
                Ok(Idempotent {
                    digest: row.string(0)?,
                    reply: value::parse(&row.string(1)?)?,
                })
            })
            .transpose()
    }

    pub(crate) fn table(&self, name: &CollectionName) -> Result<Arc<Table>, QueryError> {
        self.registry()
            .table(name)
            .ok_or_else(|| QueryError::UnknownCollection(name.to_string()))
    }

    /// Reads with one fixed statement.
    pub(crate) async fn fixed(
        &self,
        text: &'static str,
        values: Vec<sea_query::Value>,
        doing: &'static str,
    ) -> Result<Vec<Row>, StorageError> {
        let mut held = self.db().acquire().await?;
        held.conn()
            .rows(sql(text, values))
            .await
            .map_err(StorageError::db(doing))
    }
}

/// Those that errors are about; any other error is what it is.
pub(crate) fn named(altered: Vec<StorageError>) -> Result<Vec<AlteredRecord>, StorageError> {
    let name = |error| match error {
        StorageError::Altered { collection, id } => Ok(AlteredRecord {
            collection: collection.to_string(),
            id,
        }),
        other => Err(other),
    };
    altered.into_iter().map(name).collect()
}

fn altered_of(read: &[Raw], table: &Table) -> StorageError {
    StorageError::Altered {
        collection: table.name.clone(),
        id: read
            .last()
            .map(|raw| raw.id().to_owned())
            .unwrap_or_default(),
    }
}

fn measured(row: &mut Row, index: usize, shape: &Shape) -> Result<Json, StorageError> {
    match shape {
        Shape::Value(storage) => value::read(*storage, row, index),
        Shape::Sum(Storage::Scaled(scale)) => {
            Ok(print_scaled(row.integer(index)?.unwrap_or(0), *scale).into())
        }
        Shape::Sum(_) | Shape::Size => Ok(row.integer(index)?.unwrap_or(0).into()),
        Shape::Average(scale) => {
            let (sum, count) = (row.integer(index)?, row.number(index + 1)?);
            let average = sum.and_then(|sum| average(sum, count, *scale));
            Ok(average.map_or(Json::Null, Json::from))
        }
    }
}

fn facet(table: &Table, field: &str, rows: Vec<Row>) -> Result<Facet, QueryError> {
    let storage = query::column(table, field)?.storage;
    let most = FACET_VALUES as usize;
    let more = rows.len() > most;
    let values = rows.into_iter().take(most).map(|mut row| {
        Ok(FacetValue {
            value: value::read(storage, &mut row, 0)?,
            count: row.number(1)?.cast_unsigned(),
        })
    });
    Ok(Facet {
        field: field.to_owned(),
        values: values.collect::<Result<_, StorageError>>()?,
        more,
    })
}

/// The fields of an entry of the history; none where they were erased.
pub(crate) fn object(text: &str) -> Result<Record, StorageError> {
    if text.is_empty() {
        return Ok(Record::new());
    }
    match value::parse(text)? {
        Json::Object(map) => Ok(map),
        _ => Err(StorageError::Damaged(
            "a history entry is not an object".into(),
        )),
    }
}
