//! Closed lists of values.

use sdk_contract::def::ChoiceDef;
use serde::de::{Deserialize, Deserializer, Error};

/// A type that derives `Choice`.
#[diagnostic::on_unimplemented(message = "`{Self}` does not derive Choice")]
pub trait Choice: Copy + 'static {
    const NAME: &'static str;
    fn def() -> ChoiceDef;
    fn of_value(value: &str) -> Option<Self>;
    /// As records and the API keep it.
    fn value(self) -> &'static str;
}

#[doc(hidden)]
pub fn deserialize<'de, C: Choice, D: Deserializer<'de>>(deserializer: D) -> Result<C, D::Error> {
    let value = String::deserialize(deserializer)?;
    C::of_value(&value).ok_or_else(|| D::Error::custom(format!("{value} is no {}", C::NAME)))
}
