//! Planned steps as statements of each engine.

use kernel_crypto::keys::ATTESTED;
use sea_query::{
    Alias, ColumnDef, ForeignKey, Index as IndexOf, PostgresQueryBuilder, SqliteQueryBuilder,
    Table as TableOf, TableAlterStatement,
};

use crate::backend::Engine;
use crate::plan::Step;
use crate::schema::{Column, Index, ROW_RECORD, ROW_SHARD, Storage, Table, shard_column};

/// The statements of one step, in order.
pub(crate) fn statements(engine: Engine, step: &Step) -> Vec<String> {
    match step {
        Step::CreateTable(table) => {
            let mut all = vec![create_table(engine, table)];
            all.extend(
                table
                    .indexes
                    .iter()
                    .map(|i| create_index(engine, &table.sql_name, i)),
            );
            all
        }
        Step::AddColumn { table, column } => {
            let mut add = TableOf::alter();
            add.table(Alias::new(table))
                .add_column(definition(engine, column));
            vec![altered(engine, &add)]
        }
        Step::RenameColumn { table, from, to } => {
            let mut rename = TableOf::alter();
            rename
                .table(Alias::new(table))
                .rename_column(Alias::new(from), Alias::new(to));
            vec![altered(engine, &rename)]
        }
        Step::DropColumn { table, column } => {
            let mut drop = TableOf::alter();
            drop.table(Alias::new(table))
                .drop_column(Alias::new(column));
            vec![altered(engine, &drop)]
        }
        Step::DropTable { table, collection } => {
            let mut drop = TableOf::drop();
            drop.table(Alias::new(table));
            let mut all = forget(engine, collection);
            all.push(match engine {
                Engine::Sqlite => drop.to_string(SqliteQueryBuilder),
                Engine::Postgres => drop.to_string(PostgresQueryBuilder),
            });
            all
        }
        Step::Guard { table, column } => guard(engine, table, column),
        Step::Note(_) => Vec::new(),
        Step::CreateIndex { table, index } => vec![create_index(engine, table, index)],
        Step::DropIndex { index, .. } => {
            let mut drop = IndexOf::drop();
            drop.name(&index.name);
            vec![match engine {
                Engine::Sqlite => drop.to_string(SqliteQueryBuilder),
                Engine::Postgres => drop.to_string(PostgresQueryBuilder),
            }]
        }
    }
}

/// A code ends in the revision it speaks for. What is there already is let be: a restored record
/// that was altered is found when it is read. One process alone writes to `SQLite`.
fn guard(engine: Engine, table: &str, column: &str) -> Vec<String> {
    let statement = format!(
        "ALTER TABLE \"{table}\" ADD CONSTRAINT \"{column}__guard\" CHECK (\"{column}\" IS NOT NULL \
         AND substr(\"{column}\", {}) = int8send(revision)) NOT VALID",
        ATTESTED + 1
    );
    match engine {
        Engine::Sqlite => Vec::new(),
        Engine::Postgres => vec![statement],
    }
}

fn altered(engine: Engine, alter: &TableAlterStatement) -> String {
    match engine {
        Engine::Sqlite => alter.to_string(SqliteQueryBuilder),
        Engine::Postgres => alter.to_string(PostgresQueryBuilder),
    }
}

/// Removes what the search index has of a collection. The plan lets no quote into its name.
fn forget(engine: Engine, collection: &str) -> Vec<String> {
    let of = format!("WHERE collection = '{collection}'");
    let mut all = vec![
        format!("DELETE FROM kernel__search {of}"),
        format!("DELETE FROM kernel__search_state {of}"),
    ];
    if engine == Engine::Sqlite {
        let rows = format!("(SELECT seq FROM kernel__search {of})");
        let grams = format!("DELETE FROM kernel__search_grams WHERE rowid IN {rows}");
        all.insert(0, grams);
    }
    all
}

fn create_table(engine: Engine, table: &Table) -> String {
    let mut create = TableOf::create();
    create.table(Alias::new(&table.sql_name));
    for column in &table.stored() {
        create.col(definition_in(engine, table, column));
    }
    let mut key = IndexOf::create();
    for column in &table.key {
        key.col(Alias::new(column));
    }
    create.primary_key(&mut key);
    if let Some(parent) = &table.parent {
        let mut to = ForeignKey::create();
        to.from_tbl(Alias::new(&table.sql_name))
            .to_tbl(Alias::new(parent));
        if let Some(shard) = shard_column(table.shard) {
            to.from_col(Alias::new(ROW_SHARD)).to_col(Alias::new(shard));
        }
        to.from_col(Alias::new(ROW_RECORD)).to_col(Alias::new("id"));
        create.foreign_key(&mut to);
    }
    match engine {
        Engine::Sqlite => create.to_string(SqliteQueryBuilder),
        Engine::Postgres => create.to_string(PostgresQueryBuilder),
    }
}

fn create_index(engine: Engine, table: &str, index: &Index) -> String {
    let mut create = IndexOf::create();
    create.name(&index.name).table(Alias::new(table));
    for field in &index.fields {
        create.col(Alias::new(field));
    }
    if index.unique {
        create.unique();
    }
    match engine {
        Engine::Sqlite => create.to_string(SqliteQueryBuilder),
        Engine::Postgres => create.to_string(PostgresQueryBuilder),
    }
}

fn definition_in(engine: Engine, table: &Table, column: &Column) -> ColumnDef {
    let mut def = definition(engine, column);
    // Declared fields stay nullable: see the crate's documentation.
    if column.system && column.required || table.key.contains(&column.name) {
        def.not_null();
    }
    def
}

fn definition(engine: Engine, column: &Column) -> ColumnDef {
    let mut def = ColumnDef::new(Alias::new(&column.stored));
    match (engine, column.storage) {
        (Engine::Postgres, Storage::Uuid) => def.uuid(),
        // Byte order, so that both engines sort and fold alike.
        (
            Engine::Postgres,
            Storage::Text | Storage::Word | Storage::Date | Storage::Month | Storage::Tags,
        ) => def.text().extra("COLLATE \"C\""),
        (
            _,
            Storage::Uuid
            | Storage::Text
            | Storage::Word
            | Storage::Date
            | Storage::Month
            | Storage::Tags
            | Storage::Json,
        ) => def.text(),
        (_, Storage::Integer | Storage::Scaled(_) | Storage::Datetime) => def.big_integer(),
        (_, Storage::Bool) => def.boolean(),
        (_, Storage::Sealed | Storage::Blind) => def.blob(),
    };
    def
}
