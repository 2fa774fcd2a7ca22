//! Files of rows, made line by line, and the mark by which an export is known again.
//!
//! # The mark
//!
//! How a file is laid out says nothing to whoever reads it: a CSV cell may stand in quotes or not, a
//! JSON key may be followed by a space or not. In an export each such choice is one bit of
//! SM3(trace id ‖ row), so that some dozen rows, in any order and without the line that names the
//! export, still belong to one trace id and no other ([`Marks::of`]). No value is changed for it.
//!
//! It proves which export a file, or a part of it, came from. It does not survive a program that
//! reads the values and writes them anew, as a spreadsheet does when it saves; and it says nothing
//! about who passed the file on.

use kernel_crypto::sm3;
use serde_json::{Map, Value};

use super::read::MAX_LINE;
use super::{Format, MAX_COLUMNS, xlsx};
use crate::uploads::MAX_UPLOAD;

/// Bits that must be there before a part of a file is said to come from an export, and how many of a
/// hundred must be right: of another export's, half are.
const LEAST_BITS: u32 = 64;
const RIGHT: u32 = 90;
/// Rows of a file that are looked at for its mark.
const LOOKED_AT: usize = 200;

/// What a spreadsheet would compute when it opens the file, in characters of half and of full width.
const FORMULAS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Whether an apostrophe is put before a cell: before a formula, and before what has one already, so
/// that taking one off gives what was there.
pub(super) fn needs_apostrophe(cell: &str) -> bool {
    let bare = cell.trim_start_matches('\'');
    bare.starts_with(FORMULAS) && bare.parse::<f64>().is_err()
}

/// A file on its way.
pub(super) struct Sheet {
    out: Out,
    trace: Option<String>,
}

enum Out {
    /// CSV and JSON lines.
    Text(Vec<u8>),
    Book(Box<xlsx::Writer>),
}

impl Sheet {
    pub(super) fn new(format: Format) -> Self {
        Self::of(format, "", "")
    }

    fn of(format: Format, trace: &str, says: &str) -> Self {
        let out = match format {
            Format::Csv => Out::Text("\u{feff}".into()),
            Format::Jsonl => Out::Text(Vec::new()),
            Format::Xlsx => Out::Book(Box::new(xlsx::Writer::new(says, trace))),
        };
        Self { out, trace: None }
    }

    /// One whose rows from now on bear a trace id, and whose first line says what it is.
    pub(super) fn marked(format: Format, trace: &str, says: &str) -> Self {
        let mut sheet = Self::of(format, trace, says);
        match format {
            Format::Csv | Format::Xlsx => sheet.cells(&[says.to_owned()]),
            Format::Jsonl => {
                let mut line = Map::new();
                line.insert("_export".into(), says.into());
                sheet.object(&line);
            }
        }
        sheet.trace = Some(trace.to_owned());
        sheet
    }

    /// Whether another line might make it larger than a file may be.
    pub(super) fn is_full(&self) -> bool {
        match &self.out {
            Out::Text(bytes) => bytes.len() > MAX_UPLOAD - 2 * MAX_LINE,
            Out::Book(book) => book.is_full(),
        }
    }

    /// The file; none when it could not be written.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        match self.out {
            Out::Text(bytes) => Some(bytes),
            Out::Book(book) => book.finish(),
        }
    }

    /// A line of a table.
    pub(super) fn cells(&mut self, cells: &[String]) {
        let bytes = match &mut self.out {
            Out::Text(bytes) => bytes,
            Out::Book(book) => return book.row(cells),
        };
        let cells: Vec<String> = cells.iter().map(|cell| safe(cell)).collect();
        let bits = self.trace.as_deref().map(|trace| bits_of(trace, &cells));
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                bytes.push(b',');
            }
            let marked = is_free(cell) && bits.is_some_and(|bits| bit(&bits, at));
            if marked || needs_quotes(cell) {
                let quoted = format!("\"{}\"", cell.replace('"', "\"\""));
                bytes.extend(quoted.as_bytes());
            } else {
                bytes.extend(cell.as_bytes());
            }
        }
        bytes.extend(b"\r\n");
    }

    /// A line of JSON.
    pub(super) fn object(&mut self, object: &Map<String, Value>) {
        let Out::Text(bytes) = &mut self.out else {
            return;
        };
        let pairs = pairs(object);
        let bits = self.trace.as_deref().map(|trace| bits_of(trace, &pairs));
        for (at, pair) in pairs.iter().enumerate() {
            bytes.push(if at == 0 { b'{' } else { b',' });
            let (key, value) = pair.split_once('\n').unwrap_or((pair, ""));
            bytes.extend(key.as_bytes());
            bytes.push(b':');
            if bits.is_some_and(|bits| bit(&bits, at)) {
                bytes.push(b' ');
            }
            bytes.extend(value.as_bytes());
        }
        let end: &[u8] = if pairs.is_empty() { b"{}\n" } else { b"}\n" };
        bytes.extend(end);
    }
}

/// A cell that a spreadsheet takes for what it is: text.
fn safe(cell: &str) -> String {
    if needs_apostrophe(cell) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

fn needs_quotes(cell: &str) -> bool {
    cell.contains([',', '"', '\n', '\r'])
}

/// Whether quotes about a cell are a choice.
fn is_free(cell: &str) -> bool {
    !cell.is_empty() && !needs_quotes(cell)
}

/// Keys and values as JSON, a line break between them: neither has one of its own.
fn pairs(object: &Map<String, Value>) -> Vec<String> {
    let pair = |(key, value): (&String, &Value)| format!("{}\n{value}", Value::from(key.as_str()));
    object.iter().map(pair).collect()
}

fn bits_of(trace: &str, parts: &[String]) -> [u8; 32] {
    let mut text = trace.to_owned();
    for part in parts {
        text.push('\u{1f}');
        text.push_str(part);
    }
    *sm3::digest(text.as_bytes()).as_bytes()
}

fn bit(bits: &[u8; 32], at: usize) -> bool {
    let byte = bits.get(at / 8 % 32).copied().unwrap_or_default();
    byte >> (at % 8) & 1 == 1
}

/// What a row says, and by place which way was chosen where there was a choice.
type MarkedRow = (Vec<String>, Vec<(usize, bool)>);

/// The choices of layout in a part of a file: for each row what it says, and which way was chosen
/// where there was a choice.
pub(crate) struct Marks {
    rows: Vec<MarkedRow>,
    /// The trace id that a workbook names.
    named: Option<String>,
}

impl Marks {
    /// Reads them; of lines that are no rows there are none.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let named = xlsx::trace(bytes);
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}');
        let rows = if text.starts_with("PK") {
            Vec::new()
        } else if text.trim_start().starts_with('{') {
            let lines = text.lines().filter(|line| line.len() <= MAX_LINE);
            let marked = lines.filter_map(chosen_spaces);
            marked.take(LOOKED_AT).collect()
        } else {
            chosen_quotes(text)
        };
        Self { rows, named }
    }

    /// Whether the rows bear a trace id.
    pub(crate) fn bear(&self, trace: &str) -> bool {
        if self.named.as_deref() == Some(trace) {
            return true;
        }
        let (mut right, mut all) = (0_u32, 0_u32);
        for (parts, chosen) in &self.rows {
            let bits = bits_of(trace, parts);
            for (at, was) in chosen {
                all = all.saturating_add(1);
                right = right.saturating_add(u32::from(bit(&bits, *at) == *was));
            }
        }
        all >= LEAST_BITS && right.saturating_mul(100) >= all.saturating_mul(RIGHT)
    }
}

fn chosen_quotes(text: &str) -> Vec<MarkedRow> {
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    let mut left = text;
    // What is wider is no part of an export.
    while !left.is_empty() && rows.len() < LOOKED_AT && row.len() <= MAX_COLUMNS {
        let (cell, quoted, rest) = one_cell(left);
        row.push((cell, quoted));
        let (ends, rest) = match rest.strip_prefix(',') {
            Some(rest) => (rest.is_empty(), rest),
            None => (true, rest.trim_start_matches(['\r', '\n'])),
        };
        left = rest;
        if ends {
            let free = |(at, (cell, quoted)): (usize, &(String, bool))| {
                is_free(cell).then_some((at, *quoted))
            };
            let chosen = row.iter().enumerate().filter_map(free).collect();
            let parts = std::mem::take(&mut row).into_iter().map(|(cell, _)| cell);
            rows.push((parts.collect(), chosen));
        }
    }
    rows
}

/// A cell, whether it stands in quotes, and what follows it.
fn one_cell(text: &str) -> (String, bool, &str) {
    let Some(mut left) = text.strip_prefix('"') else {
        let end = text.find([',', '\r', '\n']).unwrap_or(text.len());
        let (cell, rest) = text.split_at(end);
        return (cell.to_owned(), false, rest);
    };
    let mut cell = String::new();
    while let Some((before, after)) = left.split_once('"') {
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                left = more;
            }
            None => return (cell, true, after),
        }
    }
    cell.push_str(left);
    (cell, true, "")
}

fn chosen_spaces(line: &str) -> Option<MarkedRow> {
    let Ok(Value::Object(object)) = serde_json::from_str(line) else {
        return None;
    };
    let parts = pairs(&object);
    let mut left = line.strip_prefix('{')?;
    let mut chosen = Vec::new();
    for (at, pair) in parts.iter().enumerate() {
        let (key, value) = pair.split_once('\n')?;
        let rest = left.strip_prefix(key)?.strip_prefix(':')?;
        let spaced = rest.strip_prefix(' ');
        chosen.push((at, spaced.is_some()));
        let rest = spaced.unwrap_or(rest).strip_prefix(value)?;
        left = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some((parts, chosen))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TRACE: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    const OTHER: &str = "ffffffffffffffffffffffffffffffff";

    fn words(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|c| (*c).to_owned()).collect()
    }

    fn marked(format: Format) -> String {
        let mut sheet = Sheet::marked(format, TRACE, "沪江银行 王芳 导出");
        for n in 0..50 {
            match format {
                Format::Csv => sheet.cells(&words(&[
                    &format!("RQ-{n}"),
                    "甲,乙",
                    "已提交",
                    &format!("{n}.00"),
                    "",
                ])),
                Format::Xlsx | Format::Jsonl => {
                    let row = json!({"number": format!("RQ-{n}"), "n": n, "note": "a:{\"b\", c}"});
                    sheet.object(row.as_object().unwrap());
                }
            }
        }
        String::from_utf8(sheet.finish().unwrap()).unwrap()
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_are_no_formulas() {
        let mut sheet = Sheet::new(Format::Csv);
        sheet.cells(&words(&["名称", "数"]));
        sheet.cells(&words(&["甲,乙 \"丙\"", "-3"]));
        sheet.cells(&words(&["=1+1", "@x"]));
        sheet.cells(&words(&["＝1", "'-x"]));
        sheet.cells(&words(&["两行\n字", "+8613800001234 "]));
        let text = String::from_utf8(sheet.finish().unwrap()).unwrap();
        let wanted = "\u{feff}名称,数\r\n\"甲,乙 \"\"丙\"\"\",-3\r\n'=1+1,'@x\r\n'＝1,''-x\r\n\"两行\n字\",'+8613800001234 \r\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn row_120_fifty_leaked_rows_name_their_export_and_no_other() {
        for format in [Format::Csv, Format::Jsonl] {
            let text = marked(format);
            // Without the line that says it, and in another order.
            let mut rows: Vec<&str> = text.lines().skip(1).collect();
            rows.reverse();
            let leaked = rows.join("\n");
            assert!(!leaked.contains(TRACE));
            let marks = Marks::of(leaked.as_bytes());
            assert!(marks.bear(TRACE), "{format:?}");
            assert!(!marks.bear(OTHER), "{format:?}");
            let few = rows.iter().take(5).copied().collect::<Vec<_>>().join("\n");
            assert!(!Marks::of(few.as_bytes()).bear(TRACE), "too few to say");
        }
    }

    #[test]
    fn the_mark_changes_no_value() {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(std::io::Cursor::new(marked(Format::Csv)));
        let row = reader.records().nth(7).unwrap().unwrap();
        let cells: Vec<&str> = row.iter().collect();
        assert_eq!(cells, ["RQ-7", "甲,乙", "已提交", "7.00", ""]);
        let text = marked(Format::Jsonl);
        let row: Value = serde_json::from_str(text.lines().nth(8).unwrap()).unwrap();
        assert_eq!(
            row,
            json!({"number": "RQ-7", "n": 7, "note": "a:{\"b\", c}"})
        );
    }

    #[test]
    fn a_file_of_somebody_else_bears_nothing() {
        for text in ["", "a,b\n1,2\n", "{\"a\": 1}", "\"", "{", "\u{feff}\""] {
            assert!(!Marks::of(text.as_bytes()).bear(TRACE), "{text:?}");
        }
    }
}
