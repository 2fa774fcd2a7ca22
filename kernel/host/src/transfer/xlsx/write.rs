//! A workbook of one sheet, written row by row.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{MAX_UNPACKED, PROPERTY};

/// A workbook of one sheet on its way. All cells are text, as they are in the other formats.
pub(crate) struct Writer {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    says: String,
    rows: u64,
    /// Bytes written, not yet packed.
    size: u64,
    /// Once a part could not be written, nothing is.
    failed: bool,
}

pub(super) const TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/docProps/custom.xml" ContentType="application/vnd.openxmlformats-officedocument.custom-properties+xml"/></Types>"#;
pub(super) const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/custom-properties" Target="docProps/custom.xml"/></Relationships>"#;
pub(super) const WORKBOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
pub(super) const SHEETS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
pub(super) const SHEET: &str =
    r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#;

impl Writer {
    /// `says` heads every printed page; `trace` is a property of the file, which saving it in a
    /// spreadsheet keeps.
    pub(crate) fn new(says: &str, trace: &str) -> Self {
        let mut writer = Self {
            zip: ZipWriter::new(Cursor::new(Vec::new())),
            says: says.to_owned(),
            rows: 0,
            size: 0,
            failed: false,
        };
        let custom = format!(
            r#"<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/custom-properties" xmlns:vt="http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"><property fmtid="{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}" pid="2" name="{PROPERTY}"><vt:lpwstr>{}</vt:lpwstr></property></Properties>"#,
            escape(trace)
        );
        for (name, text) in [
            ("[Content_Types].xml", TYPES),
            ("_rels/.rels", RELATIONS),
            ("xl/workbook.xml", WORKBOOK),
            ("xl/_rels/workbook.xml.rels", SHEETS),
            ("docProps/custom.xml", &custom),
            ("xl/worksheets/sheet1.xml", SHEET),
        ] {
            writer.begin(name);
            writer.put(r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#);
            writer.put(text);
        }
        writer
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.rows = self.rows.saturating_add(1);
        let mut row = format!("<row r=\"{}\">", self.rows);
        for cell in cells {
            // Named by nobody, a cell stands after the one before it.
            row.push_str("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">");
            row.push_str(&escape(cell));
            row.push_str("</t></is></c>");
        }
        row.push_str("</row>");
        self.put(&row);
    }

    /// Whether it unpacks to more than may be read again.
    pub(crate) fn is_full(&self) -> bool {
        self.size > MAX_UNPACKED
    }

    /// The file; none when it could not be written.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        self.put("</sheetData>");
        if !self.says.is_empty() {
            let head = format!("&L{}", self.says.replace('&', "&&"));
            let head: String = head.chars().take(250).collect();
            self.put("<headerFooter><oddHeader>");
            self.put(&escape(&head));
            self.put("</oddHeader></headerFooter>");
        }
        self.put("</worksheet>");
        let failed = self.failed;
        let done = self.zip.finish().ok().filter(|_| !failed)?;
        Some(done.into_inner())
    }

    fn begin(&mut self, name: &str) {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        self.failed |= self.zip.start_file(name, options).is_err();
    }

    fn put(&mut self, text: &str) {
        self.size = self.size.saturating_add(text.len() as u64);
        self.failed |= self.zip.write_all(text.as_bytes()).is_err();
    }
}

/// Text as XML takes it; what XML has no place for is left out.
fn escape(text: &str) -> String {
    let kept = |c: &char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
    };
    let text: String = text.chars().filter(kept).collect();
    quick_xml::escape::escape(text.as_str()).into_owned()
}
