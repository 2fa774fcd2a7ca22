//! A grid: rows of a form, each with the same fields. Works without script: a few empty rows stand
//! at the end, and those left empty count for nothing.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sdk_contract::page::{Field, FieldKind, typed_rows};
use serde_json::Value;

use crate::blocks::field::{cell, typeable};
use crate::view::ViewContext;

/// Empty rows after those that are filled in.
const SPARE: usize = 3;

type Row = BTreeMap<String, Vec<String>>;

pub(crate) fn grid(
    ctx: &ViewContext,
    id: &str,
    field: &Field,
    (fields, max): (&[Field], u32),
    typed: Option<&Row>,
) -> Markup {
    let mut rows = match typed {
        Some(typed) if !field.readonly => typed_rows(&field.name, typed),
        _ => field
            .initial
            .iter()
            .map(|row| initial(fields, row))
            .collect(),
    };
    let spare = if field.readonly { 0 } else { SPARE };
    let shown = (rows.len() + spare).min(max as usize).max(rows.len());
    rows.resize(shown, Row::new());
    html! {
        fieldset.picks id=(id) tabindex="-1" {
            legend.form-label {
                (field.label)
                @if field.required { " " span.must aria-hidden="true" { "*" } }
            }
            div.table-responsive {
                table.table.cells {
                    thead { tr { @for f in fields {
                        th scope="col" {
                            (f.label)
                            @if f.required { " " span.must aria-hidden="true" { "*" } }
                        }
                    } } }
                    tbody { @for (number, row) in rows.iter().enumerate() {
                        tr { @for f in fields {
                            @let values = row.get(&f.name).cloned().unwrap_or_default();
                            @let placed = placed(ctx, field, f, number);
                            td { (cell(ctx, format!("{id}-{number}-{}", f.name), &placed, values, typed)) }
                        } }
                    } }
                }
            }
        }
    }
}

/// A cell's field under the name it is sent as, with the row in its label for those who hear it.
fn placed(ctx: &ViewContext, field: &Field, cell: &Field, number: usize) -> Field {
    let row = number + 1;
    Field {
        name: format!("{}.{number}.{}", field.name, cell.name),
        label: if ctx.english() {
            format!("{}, row {row}", cell.label)
        } else {
            format!("{}，第 {row} 行", cell.label)
        },
        readonly: field.readonly || cell.readonly,
        ..cell.clone()
    }
}

/// A row in the form collections keep, as texts that people type.
fn initial(fields: &[Field], row: &str) -> Row {
    let row: Value = serde_json::from_str(row).unwrap_or_default();
    let texts = |f: &Field| {
        let one = |v: &Value| match v {
            Value::String(s) => typeable(&f.kind, s),
            other => other.to_string(),
        };
        match row.get(&f.name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(one).collect(),
            Some(value) => vec![one(value)],
        }
    };
    let filled = fields
        .iter()
        .filter(|f| !matches!(f.kind, FieldKind::Hidden));
    filled.map(|f| (f.name.clone(), texts(f))).collect()
}
