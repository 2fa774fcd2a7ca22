//! Whether a module's tables are what its stored declaration says. Where they are not, somebody
//! else has changed them, and whatever a plan did would be a guess.

use std::collections::BTreeMap;

use crate::backend::{Conn, Engine};
use crate::inspect::{self, Type};
use crate::layout::Stored;
use crate::plan::{self, Step};
use crate::schema::{Column, Storage, Table};
use crate::{StorageError, ddl};

type Columns = BTreeMap<String, Type>;

/// A sentence for each difference.
pub(crate) async fn differences(
    conn: &mut Conn<'_>,
    module: &str,
    stored: Option<&Stored>,
) -> Result<Vec<String>, StorageError> {
    let engine = conn.engine();
    let expected = stored.map(|s| expected(engine, s)).unwrap_or_default();
    let mut all = Vec::new();
    let there = inspect::tables(conn).await?;
    let own = format!("{}__", module.replace('-', "_"));
    for table in there.iter().filter(|t| t.starts_with(&own)) {
        if !expected.contains_key(table) && module != "kernel" {
            all.push(format!(
                "Table {table} is there, but no declaration made it."
            ));
        }
    }
    for (table, columns) in &expected {
        if !there.contains(table) {
            all.push(format!("Table {table} is declared, but it is not there."));
            continue;
        }
        let found: Columns = inspect::table(conn, table)
            .await?
            .columns
            .into_iter()
            .collect();
        for (name, kind) in columns {
            match found.get(name) {
                None => all.push(format!("Column {name} of {table} is missing.")),
                Some(is) if is != kind => all.push(format!(
                    "Column {name} of {table} has another type than its field needs."
                )),
                Some(_) => {}
            }
        }
        for name in found.keys().filter(|name| !columns.contains_key(*name)) {
            all.push(format!(
                "Column {name} of {table} is there, but no declaration made it."
            ));
        }
    }
    Ok(all)
}

fn expected(engine: Engine, stored: &Stored) -> BTreeMap<String, Columns> {
    let mut all = BTreeMap::new();
    let mut put = |table: &Table| {
        let columns = table.stored();
        let columns = columns.iter().map(|c| of(engine, c));
        all.insert(table.sql_name.clone(), columns.collect::<Columns>());
    };
    for table in stored.tables().chain(stored.retired_tables()) {
        put(&table);
        table.rows_tables().for_each(&mut put);
    }
    for (table, column) in begun(stored) {
        if let Some(columns) = all.get_mut(&table) {
            columns.extend([of(engine, &column)]);
        }
    }
    all
}

/// The columns that wait for converted values.
fn begun(stored: &Stored) -> Vec<(String, Column)> {
    let Some(next) = &stored.next else {
        return Vec::new();
    };
    let plan = plan::plan(Some(stored), &next.def).unwrap_or_default();
    let columns = plan.begin.into_iter().filter_map(|step| match step {
        Step::AddColumn { table, column } => Some((table, column)),
        _ => None,
    });
    columns.collect()
}

/// The statements that take them away again.
pub(crate) fn abandon(engine: Engine, stored: &Stored) -> Vec<String> {
    let drop = |(table, column): (String, Column)| Step::DropColumn {
        table,
        column: column.stored,
    };
    let steps = begun(stored).into_iter().map(drop);
    steps.flat_map(|s| ddl::statements(engine, &s)).collect()
}

fn of(engine: Engine, column: &Column) -> (String, Type) {
    let kind = match column.storage {
        Storage::Uuid if engine == Engine::Postgres => Type::Uuid,
        Storage::Uuid
        | Storage::Text
        | Storage::Word
        | Storage::Date
        | Storage::Month
        | Storage::Tags
        | Storage::Json => Type::Text,
        Storage::Integer | Storage::Scaled(_) | Storage::Datetime => Type::Integer,
        Storage::Bool => Type::Bool,
        Storage::Sealed | Storage::Blind => Type::Bytes,
    };
    (column.stored.clone(), kind)
}
