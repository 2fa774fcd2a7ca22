//! Workbooks (ECMA-376, `.xlsx`): one sheet read row by row, one sheet written row by row.
//!
//! A workbook is a ZIP archive of XML. What unpacks to more than [`MAX_UNPACKED`] is refused while it
//! is unpacked, whatever the archive says of itself; so are macros, and document types, so that no
//! entity is ever expanded. Of a formula the value that stands beside it is read, and none is computed.
//!
//! Why it is read and written here: `calamine` reserves as many strings as the file claims to have, so
//! that forty bytes end the process, and `rust_xlsxwriter` keeps every cell in memory, or in clear in a
//! temporary file. What rows need of the format is small.

mod write;
mod xml;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor};

use sdk_contract::scalar::Date;
use zip::ZipArchive;

use super::read::{Each, listed};
use super::{MAX_COLUMNS, Misread};
use crate::sniff::is_workbook;

pub(super) use write::Writer;
use xml::{Counted, Element, Seen, Xml};

/// Bytes that a workbook may unpack to, and that its cells may have together: many may refer to one long
/// text.
const MAX_UNPACKED: u64 = 128 * 1024 * 1024;
/// Name of the property that bears the trace id.
const PROPERTY: &str = "trace";
/// Number formats of dates that a workbook need not declare.
const DATES: [std::ops::RangeInclusive<u32>; 4] = [14..=22, 27..=36, 45..=47, 50..=58];

fn bad() -> Misread {
    Misread::new("工作簿已损坏或不是 .xlsx，请另存为 Excel 工作簿后再试")
}

fn too_large() -> Misread {
    Misread::new("工作簿解开后过大，请拆分后再试")
}

/// Rows of the first sheet.
pub(super) fn lines(bytes: &[u8], each: Each<'_>) -> Result<(), Misread> {
    let mut book = Book::open(bytes)?;
    let (sheet, from_1904) = book.first_sheet()?;
    let facts = Facts {
        strings: book.strings()?,
        dates: book.date_styles()?,
        from_1904,
    };
    book.rows(&sheet, &facts, each)
}

/// The trace id that an exported workbook bears.
pub(super) fn trace(bytes: &[u8]) -> Option<String> {
    let mut book = Book::open(bytes).ok()?;
    let mut xml = book.part("docProps/custom.xml").ok()??;
    let (mut named, mut found) = (false, None);
    xml.each(|event, text| {
        match event {
            Seen::Start(element) => named |= element.attribute("name").as_deref() == Some(PROPERTY),
            Seen::End(b"lpwstr") if named && found.is_none() => found = Some(text.clone()),
            Seen::End(_) => {}
        }
        text.clear();
        true
    })
    .ok()?;
    found
}

struct Book<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be unpacked.
    left: u64,
}

/// Texts that many cells may refer to, one after another.
#[derive(Default)]
struct Strings {
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Strings {
    fn get(&self, at: usize) -> Option<&str> {
        let end = |at: usize| self.ends.get(at).map(|end| *end as usize);
        let from = at.checked_sub(1).map_or(Some(0), end)?;
        self.text.get(from..end(at)?)
    }
}

/// What cells refer to.
struct Facts {
    strings: Strings,
    /// By style: whether its numbers are dates.
    dates: Vec<bool>,
    from_1904: bool,
}

impl<'a> Book<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Misread> {
        if !is_workbook(bytes) {
            return Err(bad());
        }
        Ok(Self {
            archive: ZipArchive::new(Cursor::new(bytes)).map_err(|_| bad())?,
            left: MAX_UNPACKED,
        })
    }

    /// A part of it; none when there is no such part.
    fn part(&mut self, name: &str) -> Result<Option<Xml<impl BufRead + use<'_, 'a>>>, Misread> {
        let there = self.archive.index_for_name(name);
        let Some(at) = there else { return Ok(None) };
        let file = self.archive.by_index(at).map_err(|_| bad())?;
        let counted = Counted::new(file, &mut self.left);
        Ok(Some(Xml::new(BufReader::new(counted))))
    }

    /// Where the first sheet is, and whether its days count from 1904.
    fn first_sheet(&mut self) -> Result<(String, bool), Misread> {
        let (mut id, mut from_1904) = (None, false);
        let mut xml = self.part("xl/workbook.xml")?.ok_or_else(bad)?;
        xml.each(|event, _| {
            if let Seen::Start(element) = event {
                match element.name() {
                    b"sheet" if id.is_none() => id = element.attribute("id"),
                    b"workbookPr" => {
                        let value = element.attribute("date1904");
                        from_1904 = matches!(value.as_deref(), Some("1" | "true"));
                    }
                    _ => {}
                }
            }
            id.is_none()
        })?;
        drop(xml);
        let id = id.ok_or_else(bad)?;
        let mut target = None;
        let mut xml = self.part("xl/_rels/workbook.xml.rels")?.ok_or_else(bad)?;
        xml.each(|event, _| {
            if let Seen::Start(element) = event
                && element.attribute("Id").as_deref() == Some(&id)
            {
                target = element.attribute("Target");
            }
            target.is_none()
        })?;
        let target = target.ok_or_else(bad)?;
        let path = match target.strip_prefix('/') {
            Some(whole) => whole.to_owned(),
            None => format!("xl/{target}"),
        };
        Ok((path, from_1904))
    }

    fn strings(&mut self) -> Result<Strings, Misread> {
        let mut strings = Strings::default();
        let Some(mut xml) = self.part("xl/sharedStrings.xml")? else {
            return Ok(strings);
        };
        let mut phonetic = false;
        xml.each(|event, text| {
            match event {
                Seen::Start(element) if element.name() == b"rPh" => phonetic = true,
                Seen::End(b"t") if !phonetic => strings.text.push_str(text),
                Seen::End(b"rPh") => phonetic = false,
                Seen::End(b"si") => {
                    let end = u32::try_from(strings.text.len());
                    strings.ends.push(end.unwrap_or(u32::MAX));
                }
                Seen::Start(_) | Seen::End(_) => {}
            }
            text.clear();
            true
        })?;
        Ok(strings)
    }

    fn date_styles(&mut self) -> Result<Vec<bool>, Misread> {
        let Some(mut xml) = self.part("xl/styles.xml")? else {
            return Ok(Vec::new());
        };
        let mut formats: BTreeMap<u32, bool> = BTreeMap::new();
        let (mut styles, mut inside) = (Vec::new(), false);
        xml.each(|event, _| {
            let Seen::Start(element) = event else {
                inside &= !matches!(event, Seen::End(b"cellXfs"));
                return true;
            };
            let number = element.attribute("numFmtId").and_then(|n| n.parse().ok());
            match element.name() {
                b"numFmt" => {
                    let code = element.attribute("formatCode").unwrap_or_default();
                    formats.extend(number.map(|number| (number, is_date_format(&code))));
                }
                b"cellXfs" => inside = true,
                b"xf" if inside => {
                    let number = number.unwrap_or_default();
                    let declared = formats.get(&number).copied();
                    let known = DATES.iter().any(|range| range.contains(&number));
                    styles.push(declared.unwrap_or(known));
                }
                _ => {}
            }
            true
        })?;
        Ok(styles)
    }

    fn rows(&mut self, sheet: &str, facts: &Facts, each: Each<'_>) -> Result<(), Misread> {
        let mut xml = self.part(sheet)?.ok_or_else(bad)?;
        let mut wrong = None;
        let (mut number, mut cells) = (0_u64, Vec::new());
        let mut left = MAX_UNPACKED;
        let mut cell = CellSeen::default();
        let mut phonetic = false;
        xml.each(|event, text| {
            let mut go_on = true;
            match event {
                Seen::Start(element) => match element.name() {
                    b"row" => {
                        let next = number.saturating_add(1);
                        let said = element.attribute("r").and_then(|r| r.parse().ok());
                        number = said.unwrap_or(next);
                        if number < next {
                            // A row's number is what it is known by.
                            wrong = Some(bad());
                            go_on = false;
                        }
                        cells.clear();
                    }
                    b"c" => cell = CellSeen::new(&element, cells.len()),
                    b"rPh" => phonetic = true,
                    _ => {}
                },
                Seen::End(b"v") => cell.value.clone_from(text),
                Seen::End(b"t") if !phonetic => cell.inline.push_str(text),
                Seen::End(b"rPh") => phonetic = false,
                Seen::End(b"c") if cell.column >= MAX_COLUMNS => {
                    let what = format!("第 {number} 行的列太多，最多 {MAX_COLUMNS} 列");
                    wrong = Some(Misread::new(what));
                    go_on = false;
                }
                Seen::End(b"c") => {
                    if cells.len() <= cell.column {
                        cells.resize(cell.column + 1, String::new());
                    }
                    let text = cell.text(facts);
                    left = left.saturating_sub(text.len() as u64);
                    if left == 0 {
                        wrong = Some(too_large());
                        go_on = false;
                    }
                    if let Some(slot) = cells.get_mut(cell.column) {
                        *slot = text.into_owned();
                    }
                }
                Seen::End(b"row") => match listed(number, std::mem::take(&mut cells)) {
                    Ok(Some(line)) => go_on = each(line),
                    Ok(None) => {}
                    Err(why) => {
                        wrong = Some(why);
                        go_on = false;
                    }
                },
                Seen::End(b"sheetData") => go_on = false,
                Seen::End(_) => {}
            }
            text.clear();
            go_on
        })?;
        wrong.map_or(Ok(()), Err)
    }
}

/// A cell as far as it was read.
#[derive(Default)]
struct CellSeen {
    column: usize,
    kind: String,
    style: usize,
    value: String,
    inline: String,
}

impl CellSeen {
    fn new(element: &Element<'_>, next: usize) -> Self {
        let place = element.attribute("r");
        Self {
            column: place.as_deref().and_then(column).unwrap_or(next),
            kind: element.attribute("t").unwrap_or_default(),
            style: element
                .attribute("s")
                .and_then(|s| s.parse().ok())
                .unwrap_or_default(),
            ..Self::default()
        }
    }

    fn text<'f>(&mut self, facts: &'f Facts) -> Cow<'f, str> {
        let value = std::mem::take(&mut self.value);
        match self.kind.as_str() {
            "s" => {
                let at = value.trim().parse().ok();
                at.and_then(|at| facts.strings.get(at))
                    .unwrap_or_default()
                    .into()
            }
            "inlineStr" => std::mem::take(&mut self.inline).into(),
            "b" if value.trim() == "1" => "TRUE".into(),
            "b" => "FALSE".into(),
            // Text of a formula, an error, or a date in words.
            "str" | "e" | "d" => value.into(),
            _ if facts.dates.get(self.style) == Some(&true) => {
                date(&value, facts.from_1904).unwrap_or(value).into()
            }
            _ => number(value).into(),
        }
    }
}

/// `BC12` is column 54.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let mut column = 0_usize;
    for letter in letters {
        let digit = usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    column.checked_sub(1)
}

/// A number with the fifteen digits that spreadsheets have: 0.3, not 0.30000000000000004.
fn number(text: String) -> String {
    let Ok(n) = text.trim().parse::<f64>() else {
        return text;
    };
    let plain = n.to_string();
    if plain.bytes().filter(u8::is_ascii_digit).count() <= 15 {
        return plain;
    }
    format!("{n:.14e}")
        .parse::<f64>()
        .map_or(plain, |n| n.to_string())
}

/// A count of days, with a part of a day as the time in Beijing.
#[expect(
    clippy::float_arithmetic,
    reason = "a spreadsheet keeps a moment as a number of days"
)]
#[expect(clippy::cast_possible_truncation, reason = "bounded a line above")]
fn date(text: &str, from_1904: bool) -> Option<String> {
    let days: f64 = text.trim().parse().ok()?;
    if !(0.0..2_958_466.0).contains(&days) {
        return None;
    }
    let (day, seconds) = (
        days.trunc() as i64,
        (days.fract() * 86_400.0).round() as i64,
    );
    let zero = if from_1904 {
        Date::new(1904, 1, 1)?
    } else {
        Date::new(1899, 12, 30)?
    };
    let day = zero.plus_days(day + seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    Some(if seconds % 86_400 == 0 {
        day.to_string()
    } else {
        format!("{day}T{hour:02}:{minute:02}:{second:02}+08:00")
    })
}

/// Whether a number format shows a date: it has letters of one outside quotes and brackets.
fn is_date_format(code: &str) -> bool {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    code.chars().any(|c| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match c {
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '[' => bracketed = true,
            ']' => bracketed = false,
            'y' | 'Y' | 'd' | 'D' | 'h' | 'H' | 's' => return !quoted && !bracketed,
            _ => {}
        }
        false
    })
}
