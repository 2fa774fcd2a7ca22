//! Import and export: files into collections and out of them, as jobs.
//!
//! A job is a record of `console.jobs`. Whoever begins one is its person: an import runs the
//! collection's creating action row by row as them, an export reads as them, so there is no second
//! way to write or to read. A worker has one job at a time and holds it by a lease; each save is an
//! update of the job's revision, so that a node that lost the lease, or whose job was cancelled, stops
//! at its next save ([`run`]).
//!
//! | | when a node dies in the middle |
//! |---|---|
//! | import | goes on after the last save; a row's idempotency key `import-<job>-<row>` keeps the rows since then from counting twice |
//! | export | begins again: reading has no effect |
//!
//! Files are read and made in memory, which the largest upload bounds ([`crate::uploads::MAX_UPLOAD`]) and,
//! of a workbook, how much it may unpack to ([`xlsx`]).

mod approval;
mod columns;
mod export;
mod import;
mod kept;
mod offer;
mod read;
mod replace;
mod run;
mod start;
mod write;
mod xlsx;

use crate::values::{object, word};

pub(crate) use approval::DEED;
pub use columns::creating;
pub(crate) use offer::export_of;
pub(crate) use replace::is_replaceable;
pub use run::Lane;
pub(crate) use start::Work;
pub(crate) use write::Marks;

/// Rows of one job.
pub(crate) const MAX_ROWS: u64 = 200_000;
/// Columns of a file.
const MAX_COLUMNS: usize = 200;
/// Characters of a cell, as spreadsheets have it.
const MAX_CELL: usize = 32_767;

/// How a file of rows is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With a header line; read in UTF-8 or GB 18030, written in UTF-8 with a byte order mark.
    Csv,
    /// The first sheet of a workbook.
    Xlsx,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Csv, Self::Xlsx, Self::Jsonl];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// Also how its files' names end.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Jsonl => "jsonl",
        }
    }

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Xlsx => "Excel",
            Self::Jsonl => "JSON 行",
        }
    }

    pub fn media(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Jsonl => "application/jsonl",
        }
    }

    /// What a file is, by its content.
    fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"PK\x03\x04") {
            return Self::Xlsx;
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match text.trim_ascii_start().first() {
            Some(b'{') => Self::Jsonl,
            _ => Self::Csv,
        }
    }
}

/// A file that cannot be read as rows, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misread(pub(crate) String);

impl Misread {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
