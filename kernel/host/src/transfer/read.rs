//! Rows of a file, one at a time.

use std::io::Read as _;

use serde_json::{Map, Value};

use super::{Format, MAX_CELL, MAX_COLUMNS, MAX_ROWS, Misread, xlsx};

/// Bytes of one row.
pub(super) const MAX_LINE: usize = 1024 * 1024;

/// A line after the last of a CSV file, which a quote that was never closed swallows. No upload that is
/// text has its first character.
const END: &str = "\n\0\n";

/// One row as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// From 1, as a spreadsheet numbers it.
    pub(super) number: u64,
    pub(super) cells: Cells,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cells {
    /// Under the columns of the header, which is the first line.
    Listed(Vec<String>),
    Named(Map<String, Value>),
    /// A line that is no JSON object.
    Broken(String),
}

/// Whether to go on.
pub(super) type Each<'a> = &'a mut dyn FnMut(Line) -> bool;

/// Hands over the rows in their order; blank ones are passed over.
pub(super) fn lines(bytes: &[u8], format: Format, each: Each<'_>) -> Result<(), Misread> {
    match format {
        Format::Csv => csv(&text(bytes)?, each),
        Format::Jsonl => jsonl(&text(bytes)?, each),
        Format::Xlsx => xlsx::lines(bytes, each),
    }
}

/// Whatever is not UTF-8 is taken for GB 18030, which every older spreadsheet here writes.
fn text(bytes: &[u8]) -> Result<std::borrow::Cow<'_, str>, Misread> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.trim_start_matches('\u{feff}').into());
    }
    let (text, wrong) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
    if wrong {
        return Err(Misread::new(
            "文件不是 UTF-8 或 GB18030 编码，请另存为 CSV UTF-8",
        ));
    }
    Ok(text)
}

fn csv(text: &str, each: Each<'_>) -> Result<(), Misread> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes().chain(END.as_bytes()));
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    loop {
        number += 1;
        let bad = || Misread::new(format!("第 {number} 行不是 CSV"));
        reader.read_record(&mut record).map_err(|_| bad())?;
        match record.iter().find(|cell| cell.contains('\0')) {
            None if record.is_empty() => return Err(bad()),
            None => {}
            Some("\0") if record.len() == 1 => return Ok(()),
            Some(_) => {
                let what = format!("第 {number} 行的引号没有结束，文件可能不完整");
                return Err(Misread::new(what));
            }
        }
        let cells = record.iter().map(|cell| marked_text(cell).to_owned());
        let Some(line) = listed(number, cells.collect())? else {
            continue;
        };
        if !each(line) {
            return Ok(());
        }
    }
}

/// A row of cells within the limits; none when it is blank.
pub(super) fn listed(number: u64, mut cells: Vec<String>) -> Result<Option<Line>, Misread> {
    while cells.last().is_some_and(|cell| cell.trim().is_empty()) {
        cells.pop();
    }
    if cells.is_empty() {
        return Ok(None);
    }
    if number > MAX_ROWS + 1 {
        return Err(Misread::new(format!("一个文件最多 {MAX_ROWS} 行")));
    }
    if cells.len() > MAX_COLUMNS {
        let what = format!("第 {number} 行有 {} 列，最多 {MAX_COLUMNS} 列", cells.len());
        return Err(Misread::new(what));
    }
    if cells.iter().map(String::len).sum::<usize>() > MAX_LINE {
        return Err(Misread::new(format!("第 {number} 行过长")));
    }
    if cells.iter().any(|cell| cell.chars().count() > MAX_CELL) {
        let what = format!("第 {number} 行有单元格超过 {MAX_CELL} 字");
        return Err(Misread::new(what));
    }
    let cells = Cells::Listed(cells);
    Ok(Some(Line { number, cells }))
}

/// Without the apostrophe that made text of what a spreadsheet would take for a formula.
fn marked_text(cell: &str) -> &str {
    cell.strip_prefix('\'')
        .filter(|rest| super::write::needs_apostrophe(rest))
        .unwrap_or(cell)
}

fn jsonl(text: &str, each: Each<'_>) -> Result<(), Misread> {
    let mut number = 0;
    for line in text.lines() {
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        if number > MAX_ROWS {
            return Err(Misread::new(format!("一个文件最多 {MAX_ROWS} 行")));
        }
        if line.len() > MAX_LINE {
            return Err(Misread::new(format!("第 {number} 行过长")));
        }
        let cells = match serde_json::from_str(line) {
            Ok(Value::Object(map)) if map.len() > MAX_COLUMNS => {
                let what = format!("第 {number} 行有 {} 项，最多 {MAX_COLUMNS} 项", map.len());
                return Err(Misread::new(what));
            }
            Ok(Value::Object(map)) => Cells::Named(map),
            _ => Cells::Broken(line.to_owned()),
        };
        if !each(Line { number, cells }) {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], format: Format) -> Result<Vec<(u64, Vec<String>)>, Misread> {
        let mut rows = Vec::new();
        lines(bytes, format, &mut |line| {
            let cells = match line.cells {
                Cells::Listed(cells) => cells,
                Cells::Named(map) => vec![Value::Object(map).to_string()],
                Cells::Broken(text) => vec![format!("!{text}")],
            };
            rows.push((line.number, cells));
            true
        })?;
        Ok(rows)
    }

    fn row(number: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (number, cells.iter().map(|c| (*c).to_owned()).collect())
    }

    #[test]
    fn encodings_line_ends_and_quotes_read_alike() {
        // With characters of four bytes, as names have them.
        let text = "编号,说明\r\nA-1,\"甲,\"\"乙\"\"\n丙\"\r\n,\r\nA-2,'=1+1\r\n䶮𠮷,㐂\r\n";
        let wanted = [
            row(1, &["编号", "说明"]),
            row(2, &["A-1", "甲,\"乙\"\n丙"]),
            row(4, &["A-2", "=1+1"]),
            row(5, &["䶮𠮷", "㐂"]),
        ];
        let (gb, _, _) = encoding_rs::GB18030.encode(text);
        let marked = format!("\u{feff}{text}");
        let unix = text.replace("\r\n", "\n");
        for bytes in [text.as_bytes(), marked.as_bytes(), unix.as_bytes(), &gb] {
            assert_eq!(all(bytes, Format::Csv).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_no_text_or_too_much_is_refused_whole() {
        let long = format!("a\n{}\n", "字".repeat(MAX_CELL + 1));
        for bad in [b"\xff\xff\xff".as_slice(), long.as_bytes()] {
            assert!(all(bad, Format::Csv).is_err());
        }
        let cut = all(b"a,b\n1,2\n3,\"half of", Format::Csv).unwrap_err();
        assert!(cut.0.contains("第 3 行的引号没有结束"), "{cut:?}");
        assert!(all(b"a\n\"1\"", Format::Csv).is_ok());
        let wide = "x,".repeat(1_000_000) + "x";
        assert!(
            all(wide.as_bytes(), Format::Csv)
                .unwrap_err()
                .0
                .contains("最多 200 列")
        );
        let many = "1\n".repeat(usize::try_from(MAX_ROWS).unwrap() + 2);
        assert!(all(many.as_bytes(), Format::Csv).is_err());
        assert_eq!(all(b"", Format::Csv).unwrap(), []);
    }

    #[test]
    fn json_lines_are_objects() {
        let text = b"{\"a\": 1}\n\n[1]\n{\"a\"\n";
        let wanted = [
            row(1, &["{\"a\":1}"]),
            row(3, &["![1]"]),
            row(4, &["!{\"a\""]),
        ];
        assert_eq!(all(text, Format::Jsonl).unwrap(), wanted);
    }
}
