//! What tables a database really has, in words of both engines.

use serde::{Deserialize, Serialize};

use crate::StorageError;
use crate::backend::{Conn, Engine, sql};

/// A column's type as far as moving its values between engines needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Type {
    Integer,
    Text,
    Uuid,
    Bool,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) columns: Vec<(String, Type)>,
    /// Columns of the primary key, in its order.
    pub(crate) key: Vec<String>,
}

const LOOKING: &str = "looking at the tables";

/// Names of all tables, sorted.
pub(crate) async fn tables(conn: &mut Conn<'_>) -> Result<Vec<String>, StorageError> {
    let statement = match conn.engine() {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        }
        Engine::Postgres => {
            "SELECT table_name::text COLLATE \"C\" FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1"
        }
    };
    let rows = conn.rows(sql(statement, [])).await;
    let rows = rows.map_err(StorageError::db(LOOKING))?;
    rows.iter().map(|row| row.string(0)).collect()
}

/// A table's columns and key; no columns when there is no such table.
pub(crate) async fn table(conn: &mut Conn<'_>, name: &str) -> Result<Found, StorageError> {
    let (columns, key) = match conn.engine() {
        Engine::Sqlite => (
            "SELECT name, lower(type) FROM pragma_table_info($1) ORDER BY cid",
            "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk",
        ),
        Engine::Postgres => (
            "SELECT column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1 \
             AND is_generated = 'NEVER' ORDER BY ordinal_position",
            "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a \
             ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
             WHERE i.indrelid = to_regclass(quote_ident($1)) AND i.indisprimary \
             ORDER BY array_position(i.indkey::int2[], a.attnum)",
        ),
    };
    let rows = conn.rows(sql(columns, [name.into()])).await;
    let rows = rows.map_err(StorageError::db(LOOKING))?;
    let mut found = Found {
        name: name.to_owned(),
        columns: Vec::with_capacity(rows.len()),
        key: Vec::new(),
    };
    for row in rows {
        let (column, declared) = (row.string(0)?, row.string(1)?);
        let kind = match declared.as_str() {
            "integer" | "bigint" => Type::Integer,
            "text" => Type::Text,
            "uuid" => Type::Uuid,
            "boolean" => Type::Bool,
            "blob" | "bytea" => Type::Bytes,
            _ => {
                return Err(StorageError::UnknownState(format!(
                    "column {column} of {name} has the type {declared}"
                )));
            }
        };
        found.columns.push((column, kind));
    }
    let rows = conn.rows(sql(key, [name.into()])).await;
    for row in rows.map_err(StorageError::db(LOOKING))? {
        found.key.push(row.string(0)?);
    }
    Ok(found)
}

impl Type {
    /// The type as a column of `engine` declares it.
    pub(crate) const fn declared(self, engine: Engine) -> &'static str {
        match (engine, self) {
            (Engine::Sqlite, Self::Integer) => "INTEGER",
            (Engine::Sqlite, Self::Text | Self::Uuid) => "TEXT",
            (Engine::Sqlite, Self::Bytes) => "BLOB",
            (Engine::Postgres, Self::Integer) => "bigint",
            (Engine::Postgres, Self::Text) => "text COLLATE \"C\"",
            (Engine::Postgres, Self::Uuid) => "uuid",
            (Engine::Postgres, Self::Bytes) => "bytea",
            (_, Self::Bool) => "boolean",
        }
    }
}

/// A name of the database's own, quoted.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
