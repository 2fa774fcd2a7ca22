//! Canonical JSON: the one sequence of bytes that a document is signed and hashed as.
//!
//! The rules: UTF-8; no white space; the members of an object sorted by the UTF-8 bytes of their
//! names; strings escaped as `serde_json` does (`\"`, `\\`, `\b \f \n \r \t`, other control
//! characters as `\u00xx`, everything else as it is); numbers as `serde_json` prints them, so an
//! integer has no point and a float reads back to the same bits (`1` and `1.0` are two documents).
//! The latter needs `serde_json`'s `float_roundtrip`, which this crate turns on for its users.
//!
//! This is not RFC 8785: that standard sorts by UTF-16 units and prints every number as a double,
//! which would lose 64-bit integers such as money in minor units.

use serde_json::Value;

/// The canonical bytes of `value`.
pub fn to_vec(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write(value, &mut out);
    out.into_bytes()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            // Sorted here: whether the map keeps insertion order depends on the build's features.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn canonical(text: &str) -> String {
        String::from_utf8(to_vec(&serde_json::from_str(text).unwrap())).unwrap()
    }

    #[test]
    fn order_and_white_space_of_the_source_do_not_matter() {
        let one = canonical(r#"{ "b": [1, {"z": null, "a": true}], "a": "x" }"#);
        let two = canonical(r#"{"a":"x","b":[1,{"a":true,"z":null}]}"#);
        assert_eq!(one, r#"{"a":"x","b":[1,{"a":true,"z":null}]}"#);
        assert_eq!(one, two);
    }

    #[test]
    fn array_order_and_number_kind_do_matter() {
        assert_ne!(canonical("[1,2]"), canonical("[2,1]"));
        assert_ne!(canonical("1"), canonical("1.0"));
    }

    #[test]
    fn large_amounts_keep_every_digit() {
        assert_eq!(
            canonical("[9007199254740993,-9223372036854775808]"),
            "[9007199254740993,-9223372036854775808]"
        );
        assert_eq!(canonical("[0.1,1e3,2.50]"), "[0.1,1000.0,2.5]");
    }

    #[test]
    fn a_float_reads_back_to_the_same_bits() {
        // serde_json without `float_roundtrip` reads the last digit of this one as 4.
        assert_eq!(
            canonical("-9.104600479178283e-63"),
            "-9.104600479178283e-63"
        );
    }

    #[test]
    fn text_is_kept_and_control_characters_are_escaped() {
        assert_eq!(
            canonical(r#""\u6d66\u57ce\/\u0001\n""#),
            r#""浦城/\u0001\n""#
        );
        assert_eq!(canonical(r#"{"\n":1}"#), r#"{"\n":1}"#);
    }

    #[test]
    fn names_sort_by_bytes_not_by_alphabet() {
        assert_eq!(
            canonical(r#"{"é":1,"a":2,"Z":3,"":4}"#),
            r#"{"":4,"Z":3,"a":2,"é":1}"#
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..5)
                    .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_bytes_are_json_and_a_fixed_point(value in any_json()) {
            let bytes = to_vec(&value);
            let read: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(to_vec(&read), bytes);
        }
    }

    #[test]
    fn a_built_value_equals_its_parsed_text() {
        assert_eq!(to_vec(&json!({"b": 1, "a": [0]})), br#"{"a":[0],"b":1}"#);
    }
}
