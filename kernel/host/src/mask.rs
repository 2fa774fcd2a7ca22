//! Masking at the boundary: whoever may not see a value never has it in memory.

use sdk_contract::def::{CollectionDef, Mask};
use serde_json::{Map, Value};

/// Replaces the masked fields of a record, except those `reveals` says the caller may see.
pub(crate) fn apply(
    def: &CollectionDef,
    record: &mut Map<String, Value>,
    reveals: impl Fn(&str) -> bool,
) {
    for field in &def.fields {
        let Some(mask) = field.mask else { continue };
        if field.reveal.as_deref().is_some_and(&reveals) {
            continue;
        }
        if let Some(Value::String(text)) = record.get_mut(&field.name) {
            *text = masked(mask, text);
        }
    }
}

/// Formats of tender row 93.
fn masked(mask: Mask, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let keep = |head: usize, tail: usize| {
        if chars.len() <= head + tail {
            return "****".to_owned();
        }
        let start: String = chars.iter().take(head).collect();
        let end: String = chars.iter().skip(chars.len() - tail).collect();
        format!("{start}{}{end}", "*".repeat(chars.len() - head - tail))
    };
    match mask {
        Mask::Phone => keep(3, 4),
        Mask::Name => chars.first().map_or_else(String::new, |c| format!("{c}**")),
        Mask::IdNumber => keep(6, 4),
        Mask::All => "****".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_row_93() {
        assert_eq!(masked(Mask::Phone, "13800001234"), "138****1234");
        assert_eq!(masked(Mask::Name, "林知远"), "林**");
        assert_eq!(
            masked(Mask::IdNumber, "310115199001011234"),
            "310115********1234"
        );
        assert_eq!(masked(Mask::Phone, "123"), "****");
        assert_eq!(masked(Mask::All, "x"), "****");
    }
}
