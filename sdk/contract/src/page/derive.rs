//! Form fields and cells made of a declaration, so that a module writes only what differs.

use serde_json::Value;

use super::{Choice, Datum, Field, FieldKind, FileRef, Status};
use crate::def::{ChoiceDef, FieldDef, Tone};
use crate::kind::Kind;

/// Texts longer than this are written in an area.
const ONE_LINE: u32 = 100;

impl Field {
    /// The form field that edits a declared field; `None` for what people do not edit: free JSON
    /// and computed fields. A reference comes without its choices: see [`Field::choices`].
    pub fn of(def: &FieldDef, choices: &[ChoiceDef]) -> Option<Self> {
        let (name, label) = (&def.name, &def.label.zh);
        let mut field = match &def.kind {
            Kind::Text { max } if *max > ONE_LINE => Self::area(name, label, *max),
            Kind::Text { max } => Self::text(name, label, *max),
            Kind::Code { format } => Self::code(name, label, *format),
            Kind::Integer { min, max } => Self::number(name, label, *min, *max, ""),
            Kind::Decimal { scale, min, max } => Self::new(
                name,
                label,
                FieldKind::Number {
                    scale: *scale,
                    min: *min,
                    max: *max,
                    unit: String::new(),
                },
            ),
            Kind::Money { min, max } => Self::money(name, label, *min, *max),
            Kind::Date => Self::date(name, label),
            Kind::Month => Self::month(name, label),
            Kind::Datetime => Self::time(name, label),
            Kind::Choice { of } => Self::pick(name, label, options(choices, of)),
            Kind::MultiChoice { of, .. } => Self::pick_many(name, label, options(choices, of)),
            Kind::Bool => Self::toggle(name, label),
            Kind::Ref { .. } => Self::pick(name, label, Vec::new()),
            Kind::Rows { fields, max } => {
                let cells = fields.iter().filter_map(|f| Self::of(f, choices));
                Self::rows(name, label, cells.collect(), *max)
            }
            Kind::File {
                accept,
                max_bytes,
                many,
            } => Self::new(
                name,
                label,
                FieldKind::File {
                    accept: accept.clone(),
                    max_bytes: *max_bytes,
                    many: *many,
                },
            ),
            Kind::Json | Kind::Computed { .. } => return None,
        };
        field.required = def.required;
        field.help = Some(def.help.clone()).filter(|h| !h.is_empty());
        Some(field)
    }

    /// With a canonical value to begin with.
    #[must_use]
    pub fn value(mut self, value: &Value) -> Self {
        let text = |v: &Value| match v {
            Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        match value {
            Value::Null => {}
            Value::Array(items) => self.initial.extend(items.iter().map(text)),
            one => self.initial.push(text(one)),
        }
        self
    }
}

fn options(choices: &[ChoiceDef], name: &str) -> Vec<Choice> {
    let choice = choices.iter().find(|c| c.name == name);
    choice
        .into_iter()
        .flat_map(|c| &c.options)
        .map(|o| Choice::new(&o.value, &o.label.zh))
        .collect()
}

impl Datum {
    /// The cell that shows a canonical value of a declared field.
    pub fn of(def: &FieldDef, choices: &[ChoiceDef], value: &Value) -> Self {
        cell(&def.kind, choices, value).unwrap_or_default()
    }
}

fn cell(kind: &Kind, choices: &[ChoiceDef], value: &Value) -> Option<Datum> {
    if value.is_null() {
        return None;
    }
    Some(match kind {
        Kind::Text { .. } | Kind::Code { .. } | Kind::Ref { .. } => Datum::text(value.as_str()?),
        Kind::Integer { .. } => Datum::Integer(value.as_i64()?),
        Kind::Decimal { .. } => Datum::Decimal(value.as_str()?.to_owned()),
        Kind::Money { .. } => match Datum::money_text(value.as_str()?) {
            // A band, where it is masked.
            Datum::None => Datum::text(value.as_str()?),
            money => money,
        },
        Kind::Date | Kind::Month => Datum::date(value.as_str()?),
        Kind::Datetime => Datum::time_text(value.as_str()?),
        Kind::Choice { of } => Datum::Status(status(choices, of, value.as_str()?)),
        Kind::MultiChoice { of, .. } => {
            let chosen = value.as_array()?.iter().filter_map(Value::as_str);
            Datum::Tags(chosen.map(|v| status(choices, of, v)).collect())
        }
        Kind::Bool if value.as_bool()? => Datum::status("是", Tone::Success),
        Kind::Bool => Datum::status("否", Tone::Neutral),
        Kind::Rows { .. } => Datum::quantity(value.as_array()?.len(), "项"),
        // A list shows how many; one file can be opened from its cell.
        Kind::File { many: true, .. } => Datum::quantity(value.as_array()?.len(), "个文件"),
        Kind::File { .. } => Datum::File(FileRef {
            id: value.get("digest")?.as_str()?.to_owned(),
            name: value.get("name")?.as_str()?.to_owned(),
            bytes: value.get("size")?.as_u64()?,
            of: None,
        }),
        Kind::Json => Datum::text(value.to_string()),
        Kind::Computed { result, .. } => return cell(result, choices, value),
    })
}

/// An option as people read it; one that is not declared any more as it is kept.
fn status(choices: &[ChoiceDef], name: &str, value: &str) -> Status {
    let option = choices
        .iter()
        .find(|c| c.name == name)
        .and_then(|c| c.options.iter().find(|o| o.value == value));
    option.map_or_else(
        || Status::new(value, Tone::Neutral),
        |o| Status::new(&o.label.zh, o.tone),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::kind::{Entry, TABLE};
    use crate::page::{Action, Form, read_form};

    #[test]
    fn every_kind_is_edited_and_shown_as_its_line_says() {
        let choices = Entry::choices();
        for entry in TABLE {
            let sample = entry.sample();
            let widget = Field::of(&sample.field, &choices);
            let kind = widget.map(|f| serde_json::to_value(f.kind).unwrap()["kind"].clone());
            assert_eq!(
                kind.as_ref().and_then(Value::as_str).unwrap_or_default(),
                entry.widget,
                "{}",
                entry.kind
            );
            let value = match sample.good.first() {
                Some((_, canonical)) => canonical.clone(),
                None => json!(1),
            };
            let cell = serde_json::to_value(Datum::of(&sample.field, &choices, &value)).unwrap();
            assert_eq!(cell["type"], entry.cell, "{}", entry.kind);
            assert_eq!(
                Datum::of(&sample.field, &choices, &Value::Null),
                Datum::None
            );
        }
    }

    /// What a form shows as initial and is sent back unchanged is the same value.
    #[test]
    fn a_value_passes_through_its_form_unchanged() {
        let choices = Entry::choices();
        for entry in TABLE {
            let sample = entry.sample();
            let Some(field) = Field::of(&sample.field, &choices) else {
                continue;
            };
            if matches!(field.kind, FieldKind::File { .. }) {
                // Only the kernel puts a file in place.
                continue;
            }
            for (_, canonical) in &sample.good {
                let mut field = field.clone().value(canonical);
                if entry.kind == "ref" {
                    let id = canonical.as_str().unwrap();
                    field = field.choices(vec![Choice::new(id, id)]);
                }
                field.readonly = true;
                let form = Form::new("f", Action::send("save", "thing.save")).field(field);
                let read = read_form(&form, &BTreeMap::new()).unwrap();
                let read = sample.field.kind.check(&read["sample"], &choices).unwrap();
                assert_eq!(read, *canonical, "{}", entry.kind);
            }
        }
    }

    #[test]
    fn a_grid_is_read_row_by_row() {
        let entry = TABLE.iter().find(|e| e.kind == "rows").unwrap();
        let field = Field::of(&entry.sample().field, &[]).unwrap();
        let form = Form::new("f", Action::send("save", "thing.save")).field(field);
        let typed = |pairs: &[(&str, &str)]| -> BTreeMap<String, Vec<String>> {
            pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), vec![(*v).to_owned()]))
                .collect()
        };
        let good = typed(&[
            ("sample.0.item", "bolt"),
            ("sample.0.price", "1"),
            ("sample.1.item", " "),
            ("sample.1.price", ""),
            ("sample.10.item", "nut"),
        ]);
        assert_eq!(
            read_form(&form, &good).unwrap()["sample"],
            json!([{"item": "bolt", "price": "1.00"}, {"item": "nut"}])
        );
        let bad = typed(&[("sample.2.price", "-1"), ("sample.x.item", "a")]);
        let faults = read_form(&form, &bad).unwrap_err();
        let places: Vec<(&str, &str)> = faults
            .iter()
            .map(|f| (f.field.as_str(), f.code.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("sample.0.item", "required"),
                ("sample.0.price", "too-small")
            ]
        );
        let many: Vec<(String, Vec<String>)> = (0..4)
            .map(|n| (format!("sample.{n}.item"), vec!["x".to_owned()]))
            .collect();
        let faults = read_form(&form, &many.into_iter().collect()).unwrap_err();
        assert_eq!(faults[0].code, "too-many");
    }
}
