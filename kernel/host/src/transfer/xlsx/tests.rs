use std::io::Write as _;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::read::Cells;
use super::write::{RELATIONS, SHEET, SHEETS, TYPES, WORKBOOK};
use super::*;

fn all(bytes: &[u8]) -> Result<Vec<(u64, Vec<String>)>, Misread> {
    let mut rows = Vec::new();
    lines(bytes, &mut |line| {
        if let Cells::Listed(cells) = line.cells {
            rows.push((line.number, cells));
        }
        true
    })?;
    Ok(rows)
}

fn words(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|c| (*c).to_owned()).collect()
}

/// A workbook as a spreadsheet program writes it, around the sheet's rows.
fn book(rows: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let sheet = format!("{SHEET}{rows}</sheetData></worksheet>");
    let fixed = [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", RELATIONS),
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", SHEETS),
        ("xl/worksheets/sheet1.xml", sheet.as_str()),
    ];
    for (name, text) in fixed.iter().chain(more) {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(*name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn what_is_written_is_read_and_bears_its_trace() {
    let mut writer = Writer::new("沪江银行 王芳", "0f1e2d3c");
    let rows = [
        words(&["编号", "说明"]),
        words(&["A<1>", "甲 & \"乙\"\n丙"]),
        words(&["", "=1+1"]),
    ];
    for row in &rows {
        writer.row(row);
    }
    let bytes = writer.finish().unwrap();
    let wanted: Vec<(u64, Vec<String>)> = (1..).zip(rows).collect();
    assert_eq!(all(&bytes).unwrap(), wanted);
    assert_eq!(trace(&bytes).as_deref(), Some("0f1e2d3c"));
}

#[test]
fn shared_strings_numbers_dates_and_formulas_are_read_by_their_values() {
    let strings = "<sst><si><t>编号</t></si><si><r><t>富</t></r><r><t>文本</t></r><rPh><t>fu</t></rPh></si></sst>";
    let styles = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="22"/></cellXfs></styleSheet>"#;
    let rows = r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>
        <row r="3"><c r="A3"><v>0.30000000000000004</v></c><c r="B3" s="1"><v>46349</v></c>
        <c r="C3" s="2"><v>46349.5</v></c><c r="D3"><f>A3*2</f><v>1E+3</v></c>
        <c r="E3" t="b"><v>1</v></c><c r="F3" t="str"><f>x</f><v>a&amp;b</v></c></row>"#;
    let bytes = book(
        rows,
        &[("xl/sharedStrings.xml", strings), ("xl/styles.xml", styles)],
    );
    let wanted = [
        (1, words(&["编号", "", "富文本"])),
        (
            3,
            words(&[
                "0.3",
                "2026-11-23",
                "2026-11-23T12:00:00+08:00",
                "1000",
                "TRUE",
                "a&b",
            ]),
        ),
    ];
    assert_eq!(all(&bytes).unwrap(), wanted);
}

#[test]
fn a_workbook_that_unpacks_to_too_much_is_refused() {
    let space = " ".repeat(1024 * 1024);
    let many = space.repeat(130);
    let bytes = book(&many, &[]);
    assert!(
        bytes.len() < 1024 * 1024,
        "it is small until it is unpacked"
    );
    assert!(all(&bytes).unwrap_err().0.contains("过大"));
}

#[test]
fn cells_that_all_refer_to_one_long_text_are_too_much() {
    let strings = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(30_000));
    let cells = "<c t=\"s\"><v>0</v></c>".repeat(30);
    let row = format!("<row>{cells}</row>");
    let rows = row.repeat(200);
    let bytes = book(&rows, &[("xl/sharedStrings.xml", &strings)]);
    assert!(bytes.len() < 100_000);
    assert!(all(&bytes).unwrap_err().0.contains("过大"));
    let row = format!("<row>{}</row>", cells.repeat(6));
    let bytes = book(&row, &[("xl/sharedStrings.xml", &strings)]);
    assert!(all(&bytes).unwrap_err().0.contains("过长"));
}

#[test]
fn hostile_workbooks_are_refused_whole() {
    let wide = r#"<row r="1"><c r="XFD1" t="str"><v>x</v></c></row>"#;
    assert!(all(&book(wide, &[])).unwrap_err().0.contains("列太多"));
    let far = r#"<row r="99999999999"><c t="str"><v>x</v></c></row>"#;
    assert!(all(&book(far, &[])).is_err());
    for doubled in ["<row r=\"2\"/><row r=\"2\"/>", "<row r=\"0\"/>"] {
        assert!(all(&book(doubled, &[])).is_err(), "{doubled}");
    }
    let mut cut = book("<row/>", &[]);
    cut.truncate(cut.len() / 2);
    assert!(all(&cut).is_err());
    let entity = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><sst><si><t>&a;</t></si></sst>";
    assert!(all(&book("", &[("xl/sharedStrings.xml", entity)])).is_err());
    assert!(!is_workbook(&book("", &[("xl/vbaProject.bin", "x")])));
    assert!(!is_workbook(b"PK\x03\x04 no archive"));
    let wild = r#"<sst uniqueCount="18446744073709551615"></sst>"#;
    let row = r#"<row r="1"><c t="s"><v>99999999999999</v></c><c t="str"><v>x</v></c></row>"#;
    let bytes = book(row, &[("xl/sharedStrings.xml", wild)]);
    assert_eq!(all(&bytes).unwrap(), [(1, words(&["", "x"]))]);
}

#[test]
fn number_formats_of_dates_are_told_from_others() {
    for date in ["yyyy-mm-dd", "d/m/yy", "[$-804]h:mm", "yyyy\"年\""] {
        assert!(is_date_format(date), "{date}");
    }
    for other in ["0.00", "#,##0", "\"days\" 0", "[Red]0", "General", "\\d0"] {
        assert!(!is_date_format(other), "{other}");
    }
    assert_eq!(column("BC12"), Some(54));
    assert_eq!(column("12"), None);
}
