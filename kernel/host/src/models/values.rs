//! From a record's field to a feature's value.

use sdk_contract::model::FeatureValue;
use serde_json::Value;

/// A stored value as a model may read it. Money and decimals travel as text and are read as
/// numbers by the declared kind; what is neither number, text nor flag counts as missing.
pub(super) fn feature(value: Option<&Value>) -> FeatureValue {
    match value {
        Some(Value::String(text)) => FeatureValue::Text(text.clone()),
        Some(Value::Number(n)) => n
            .as_f64()
            .map_or(FeatureValue::Missing, FeatureValue::Number),
        Some(Value::Bool(b)) => FeatureValue::Number(if *b { 1.0 } else { 0.0 }),
        _ => FeatureValue::Missing,
    }
}
