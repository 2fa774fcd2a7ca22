//! What people and programs give, read out of its JSON.

use sdk_contract::error::{Fault, FieldFault};
use serde_json::{Map, Value};

/// Characters of a reason.
const LEAST_REASON: usize = 2;
const MOST_REASON: usize = 200;

/// A field as text; empty when it is absent or no text.
pub(crate) fn word<'a>(values: &'a Map<String, Value>, name: &str) -> &'a str {
    values.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The fields of a value that was written as an object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Why somebody looks at data or takes it away, as it goes on record: on one line, without the space
/// around it.
pub(crate) fn worded(reason: &str) -> Result<&str, Fault> {
    let reason = reason.trim();
    let length = reason.chars().count();
    let (code, message) = if length < LEAST_REASON {
        ("required", "请写明理由或用途")
    } else if reason.chars().any(char::is_control) {
        ("control-character", "请写在一行内，不要换行")
    } else if length > MOST_REASON {
        ("too-long", "请控制在 200 字以内")
    } else {
        return Ok(reason);
    };
    let fault = FieldFault::new("reason", code, message);
    Err(Fault::invalid(vec![fault]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_words() {
        assert_eq!(worded(" 核对 证件 ").unwrap(), "核对 证件");
        assert_eq!(worded(&"看".repeat(200)).unwrap().chars().count(), 200);
        let long = "看".repeat(201);
        for (reason, code) in [
            ("", "required"),
            (" 看 ", "required"),
            ("\u{7}\n", "required"),
            ("看\n看", "control-character"),
            ("核对\u{0}", "control-character"),
            (long.as_str(), "too-long"),
        ] {
            let fault = worded(reason).unwrap_err();
            let fault = &fault.fields[0];
            assert_eq!(
                (fault.field.as_str(), fault.code.as_str()),
                ("reason", code),
                "{reason:?}"
            );
        }
    }
}
