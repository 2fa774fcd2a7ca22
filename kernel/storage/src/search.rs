//! The search index: for each search field of each record a document, under the name of the
//! field's column, and the grams that lead to it. Written in the commit that writes the record;
//! what is found is decided by `sdk_search`.
//!
//! The grams are a filter before the documents, so both engines find exactly the same. `SQLite`
//! keeps them in FTS5, `PostgreSQL` in a `tsvector` under GIN.

mod build;

use std::collections::BTreeSet;

use sdk_contract::query::Filter;
use sdk_search::Term;
use sea_query::{
    Alias, BinOper, Cond, Expr, ExprTrait as _, Func, Query as Statement, SelectStatement,
};
use serde_json::{Map, Value as Json};

pub use build::SearchState;
pub(crate) use build::index;

use crate::backend::{Conn, Engine, sql};
use crate::schema::Table;
use crate::{QueryError, StorageError, value};

/// Bytes of a question.
const MAX_QUESTION: u32 = 500;
/// What the tables of the index begin with; they are made of the records, so no backup holds them.
pub(crate) const TABLES: &str = "kernel__search";

const WRITING: &str = "writing the search index";

/// A record as the index knows it.
#[derive(Clone, Copy)]
pub(crate) struct Key<'k> {
    /// Of the table's shard column; the record's own id where it has none.
    pub(crate) shard: Option<&'k str>,
    pub(crate) id: &'k str,
}

/// Writes the documents of those search fields that are among the values. A record that was just
/// inserted has none to replace.
pub(crate) async fn put(
    conn: &mut Conn<'_>,
    table: &Table,
    key: Key<'_>,
    values: &Map<String, Json>,
    fresh: bool,
) -> Result<(), StorageError> {
    for (field, column) in table.searched() {
        let Some(value) = values.get(&field.name) else {
            continue;
        };
        let of = Of { table, key, column };
        if !fresh {
            of.remove(conn).await?;
        }
        if let Some(text) = value.as_str() {
            let document = sdk_search::document(&field.kind, text);
            of.insert(conn, document).await?;
        }
    }
    Ok(())
}

/// Removes a record's documents.
pub(crate) async fn remove(
    conn: &mut Conn<'_>,
    table: &Table,
    key: Key<'_>,
) -> Result<(), StorageError> {
    for (_, column) in table.searched() {
        let of = Of { table, key, column };
        of.remove(conn).await?;
    }
    Ok(())
}

/// One document's place.
struct Of<'a> {
    table: &'a Table,
    key: Key<'a>,
    column: &'a str,
}

impl Of<'_> {
    fn place(&self) -> Vec<sea_query::Value> {
        let id = |text: &str| sea_query::Value::Uuid(value::uuid(text));
        vec![
            id(self.key.shard.unwrap_or(self.key.id)),
            self.table.first.to_string().into(),
            id(self.key.id),
            self.column.into(),
        ]
    }

    async fn remove(&self, conn: &mut Conn<'_>) -> Result<(), StorageError> {
        let failed = StorageError::db(WRITING);
        match conn.engine() {
            Engine::Postgres => {
                let delete = "DELETE FROM kernel__search WHERE shard = $1 AND collection = $2 \
                              AND record = $3 AND field = $4";
                conn.execute(sql(delete, self.place()))
                    .await
                    .map_err(&failed)?;
            }
            Engine::Sqlite => {
                let delete = "DELETE FROM kernel__search WHERE shard = $1 AND collection = $2 \
                              AND record = $3 AND field = $4 RETURNING seq";
                let removed = conn.rows(sql(delete, self.place())).await;
                for row in removed.map_err(&failed)? {
                    let delete = "DELETE FROM kernel__search_grams WHERE rowid = $1";
                    conn.execute(sql(delete, [row.number(0)?.into()]))
                        .await
                        .map_err(&failed)?;
                }
            }
        }
        Ok(())
    }

    async fn insert(&self, conn: &mut Conn<'_>, document: String) -> Result<(), StorageError> {
        let failed = StorageError::db(WRITING);
        let grams = sdk_search::grams(&document);
        let mut values = self.place();
        values.push(document.into());
        match conn.engine() {
            Engine::Postgres => {
                values.push(quoted(&grams, '\'', " ").into());
                let insert = "INSERT INTO kernel__search (shard, collection, record, field, \
                              document, grams) VALUES ($1, $2, $3, $4, $5, CAST($6 AS tsvector))";
                conn.execute(sql(insert, values)).await.map_err(&failed)?;
            }
            Engine::Sqlite => {
                let insert = "INSERT INTO kernel__search (shard, collection, record, field, \
                              document) VALUES ($1, $2, $3, $4, $5) RETURNING seq";
                let row = conn.row(sql(insert, values)).await.map_err(&failed)?;
                let row =
                    row.ok_or_else(|| StorageError::Damaged("a row without number".into()))?;
                let grams: Vec<&str> = grams.iter().map(String::as_str).collect();
                let insert = "INSERT INTO kernel__search_grams (rowid, grams) VALUES ($1, $2)";
                conn.execute(sql(insert, [row.number(0)?.into(), grams.join(" ").into()]))
                    .await
                    .map_err(&failed)?;
            }
        }
        Ok(())
    }
}

/// Grams are letters, digits and marks, so a quote needs no care.
fn quoted(grams: &BTreeSet<String>, quote: char, between: &str) -> String {
    let quoted: Vec<String> = grams.iter().map(|g| format!("{quote}{g}{quote}")).collect();
    quoted.join(between)
}

/// The columns of the search fields that a question is about.
pub(crate) fn named<'t>(table: &'t Table, names: &[String]) -> Result<Vec<&'t str>, QueryError> {
    let all: Vec<(&str, &str)> = table
        .searched()
        .map(|(field, column)| (field.name.as_str(), column))
        .collect();
    let unsuited = |field: &str| QueryError::Unsuited {
        collection: table.name.to_string(),
        field: field.to_owned(),
        what: "search",
    };
    if all.is_empty() {
        return Err(unsuited(names.first().map_or("*", String::as_str)));
    }
    let known = |name: &String| all.iter().any(|(field, _)| field == name);
    if let Some(other) = names.iter().find(|name| !known(name)) {
        return Err(unsuited(other));
    }
    let asked = |(name, _): &(&str, &str)| names.is_empty() || names.iter().any(|n| n == name);
    Ok(all.into_iter().filter(asked).map(|(_, c)| c).collect())
}

/// Adds the search fields that a filter needs to be indexed.
pub(crate) fn needs<'t>(
    table: &'t Table,
    filter: &Filter,
    fields: &mut BTreeSet<&'t str>,
) -> Result<(), QueryError> {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().try_for_each(|f| needs(table, f, fields)),
        Filter::Not(one) => needs(table, one, fields),
        Filter::Search { fields: names, .. } => {
            fields.extend(named(table, names)?);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The condition that a record is found: each word somewhere in its documents of these fields.
pub(crate) fn found(
    engine: Engine,
    table: &Table,
    names: &[String],
    question: &str,
) -> Result<Expr, QueryError> {
    let fields = named(table, names)?;
    if question.len() > MAX_QUESTION as usize {
        return Err(QueryError::TooMuch {
            what: "the bytes of a search",
            most: MAX_QUESTION,
        });
    }
    let Some(terms) = sdk_search::terms(question) else {
        return Ok(Expr::cust("1 = 1"));
    };
    if terms.is_empty() {
        return Ok(crate::query::never());
    }
    let mut all = Cond::all();
    for term in &terms {
        let records = records(engine, table, &fields, term);
        // The shard key goes along, so that each shard joins its own documents.
        let place = [table.shard_column().unwrap_or("id"), "id"];
        let place = Expr::tuple(place.map(|name| Expr::col(Alias::new(name))));
        all = all.add(place.in_subquery(records));
    }
    Ok(all.into())
}

/// The records that have a word.
fn records(engine: Engine, table: &Table, fields: &[&str], term: &Term) -> SelectStatement {
    let col = |name: &'static str| Expr::col(Alias::new(name));
    let needed = |quote: char, and: &str, or: &str| {
        let patterns = term.patterns().iter();
        let each: Vec<String> = patterns
            .map(|p| format!("({})", quoted(&sdk_search::needed(p), quote, and)))
            .collect();
        each.join(or)
    };
    let candidate = match engine {
        Engine::Postgres => {
            let asked = Expr::val(needed('\'', " & ", " | ")).cast_as("tsquery");
            col("grams").binary(BinOper::Custom("@@"), asked)
        }
        Engine::Sqlite => {
            let asked = Expr::val(needed('"', " AND ", " OR "));
            let mut rows = Statement::select();
            rows.column(Alias::new("rowid"))
                .from(Alias::new("kernel__search_grams"))
                .and_where(col("kernel__search_grams").binary(BinOper::Custom("MATCH"), asked));
            col("seq").in_subquery(rows)
        }
    };
    let mut stands = Cond::any();
    for pattern in term.patterns() {
        // Taking it out makes the text another one: exact on both engines, unlike LIKE.
        let without = Func::cust("replace").args([
            col("document"),
            Expr::val(pattern.as_str()),
            Expr::val(""),
        ]);
        stands = stands.add(Expr::expr(without).ne(col("document")));
    }
    let mut select = Statement::select();
    select
        .columns(["shard", "record"].map(Alias::new))
        .from(Alias::new("kernel__search"))
        .and_where(candidate)
        .and_where(col("collection").eq(table.first.to_string()))
        .and_where(col("field").is_in(fields.iter().copied()))
        .cond_where(stands);
    select
}
