//! What a form sends beyond one text a field: the rows of a grid, and confirmed doubts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A doubt the person has looked at and confirmed, see [`confirms`]; repeated.
pub const CONFIRM_FIELD: &str = "_confirm";

/// The rows of a grid as typed, each cell's texts by its name. Rows left empty are left out, so
/// that a row's place here is its place in the value.
pub fn typed_rows(
    field: &str,
    typed: &BTreeMap<String, Vec<String>>,
) -> Vec<BTreeMap<String, Vec<String>>> {
    let mut grid: BTreeMap<usize, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (name, texts) in typed {
        let place = name
            .strip_prefix(field)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.split_once('.'));
        if let Some((number, cell)) = place
            && let Ok(number) = number.parse()
            && texts.iter().any(|t| !t.trim().is_empty())
        {
            let row = grid.entry(number).or_default();
            row.insert(cell.to_owned(), texts.clone());
        }
    }
    grid.into_values().collect()
}

/// The value of a box that confirms a doubt: the field, and the text it was about. With another
/// text the doubt is open again.
pub fn confirms(field: &str, text: &str) -> String {
    format!("{field}={}", text.trim().to_ascii_uppercase())
}

/// The fields whose doubts were confirmed for the very values that were sent.
pub(super) fn confirmed(
    values: &Map<String, Value>,
    typed: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let boxes = typed.get(CONFIRM_FIELD).into_iter().flatten();
    boxes
        .filter_map(|ticked| {
            let (field, _) = ticked.split_once('=')?;
            let mut steps = field.split('.');
            let mut value = values.get(steps.next()?)?;
            for step in steps {
                value = match value {
                    Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                    other => other.get(step)?,
                };
            }
            (confirms(field, value.as_str()?) == *ticked).then(|| field.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_confirmation_holds_for_the_value_it_was_given_for() {
        let values = json!({"uscc": "9135X", "parties": [{"uscc": "9131Y"}]});
        let values = values.as_object().unwrap();
        let ticked = |boxes: &[String]| {
            let typed = BTreeMap::from([(CONFIRM_FIELD.to_owned(), boxes.to_vec())]);
            confirmed(values, &typed)
        };
        assert_eq!(ticked(&[confirms("uscc", " 9135x ")]), ["uscc"]);
        assert_eq!(
            ticked(&[confirms("parties.0.uscc", "9131Y")]),
            ["parties.0.uscc"]
        );
        let others = [
            confirms("uscc", "9135Z"),
            confirms("parties.1.uscc", "9131Y"),
            confirms("other", ""),
            "uscc".to_owned(),
        ];
        assert!(ticked(&others).is_empty());
    }
}
