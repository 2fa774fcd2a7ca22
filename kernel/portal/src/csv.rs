//! A page's table as a file for spreadsheets: CSV (RFC 4180) in UTF-8 with a byte order mark, which
//! spreadsheet programs take for a sign of the encoding.

use sdk_contract::page::{Body, Datum, Page};
use sdk_contract::scalar::{Timestamp, print_scaled};

const MARK: &str = "\u{feff}";

/// The first table of a page; none where there is none.
pub fn csv(page: &Page) -> Option<String> {
    let table = page.blocks().find_map(|b| match &b.body {
        Body::Table(table) => Some(table),
        _ => None,
    })?;
    let mut text = MARK.to_owned();
    line(&mut text, table.columns.iter().map(|c| c.label.clone()));
    for row in &table.rows {
        line(&mut text, row.cells.iter().map(plain));
    }
    Some(text)
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&quoted(&cell));
    }
    text.push_str("\r\n");
}

/// A cell as it must be written. What a spreadsheet would take for a formula becomes text.
fn quoted(cell: &str) -> String {
    let number = cell.parse::<f64>().is_ok();
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number;
    let safe = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if safe.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

fn plain(value: &Datum) -> String {
    match value {
        Datum::None => String::new(),
        Datum::Text(text)
        | Datum::Decimal(text)
        | Datum::Ratio(text)
        | Datum::Date(text)
        | Datum::Qr(text) => text.clone(),
        Datum::Integer(n) => n.to_string(),
        Datum::Quantity { amount, unit } => format!("{amount} {unit}"),
        Datum::Money(fen) => print_scaled(*fen, 2),
        Datum::Time(micros) => Timestamp(*micros).local_minute(),
        Datum::Status(status) => status.label.clone(),
        Datum::Progress(percent) => format!("{percent}%"),
        Datum::Masked(masked) => masked.shown.clone(),
        Datum::Link(link) => link.label.clone(),
        Datum::Tags(tags) => {
            let words: Vec<&str> = tags.iter().map(|t| t.label.as_str()).collect();
            words.join("、")
        }
        Datum::File(file) => file.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use sdk_contract::page::{Block, Column, Row, Table};

    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let columns = vec![Column::new("a", "名称", 0), Column::new("b", "数", 1)];
        let row =
            |key: &str, text: &str, n| Row::new(key, vec![Datum::text(text), Datum::Integer(n)]);
        let table = Table::new(columns).rows([
            row("1", "甲,乙 \"丙\"", -3),
            row("2", "=1+1", 4),
            row("3", "两行\n字", 5),
        ]);
        let page = Page::new("x").block(Block::table("t", table));
        assert_eq!(
            csv(&page).unwrap(),
            "\u{feff}名称,数\r\n\"甲,乙 \"\"丙\"\"\",-3\r\n'=1+1,4\r\n\"两行\n字\",5\r\n"
        );
        assert_eq!(csv(&Page::new("x")), None);
    }
}
