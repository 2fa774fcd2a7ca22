//! One change of the tables, and the sentence that says it.

use std::fmt;

use crate::schema::{Column, Index, Table};

#[derive(Debug)]
pub(crate) enum Step {
    CreateTable(Box<Table>),
    /// With what the search index has of it.
    DropTable {
        table: String,
        collection: String,
    },
    AddColumn {
        table: String,
        column: Column,
    },
    RenameColumn {
        table: String,
        from: String,
        to: String,
    },
    DropColumn {
        table: String,
        column: String,
    },
    CreateIndex {
        table: String,
        index: Index,
    },
    DropIndex {
        table: String,
        index: Index,
    },
    /// From here on no record is written without its code, not by a node that has yet to hear of
    /// codes either. There are such nodes on `PostgreSQL` only.
    Guard {
        table: String,
        column: String,
    },
    /// Only the declaration changes.
    Note(String),
}

impl Step {
    pub(super) fn guard(table: &Table) -> Option<Self> {
        table.code.as_ref().map(|code| Self::Guard {
            table: table.sql_name.clone(),
            column: code.stored.clone(),
        })
    }

    pub(super) fn drop_table(table: &Table) -> Self {
        Self::DropTable {
            table: table.sql_name.clone(),
            collection: table.first.to_string(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTable(table) => write!(f, "Create table {}.", table.sql_name),
            Self::DropTable { table, .. } => write!(f, "Drop table {table}."),
            Self::AddColumn { table, column } => {
                write!(f, "Add column {} to {table}.", column.stored)
            }
            Self::RenameColumn { table, from, to } => {
                write!(f, "Keep column {from} of {table} as {to}.")
            }
            Self::DropColumn { table, column } => write!(f, "Drop column {column} of {table}."),
            Self::CreateIndex { table, index } => {
                let unique = if index.unique { "unique " } else { "" };
                write!(
                    f,
                    "Create {unique}index on {table} ({}).",
                    index.fields.join(", ")
                )
            }
            Self::DropIndex { table, index } => {
                write!(f, "Drop index on {table} ({}).", index.fields.join(", "))
            }
            Self::Guard { table, .. } => write!(f, "Let nothing into {table} without its code."),
            Self::Note(sentence) => f.write_str(sentence),
        }
    }
}
