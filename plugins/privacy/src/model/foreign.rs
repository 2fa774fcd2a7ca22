//! What this module reads of other modules' records: only the fields it needs.

use sdk::prelude::*;

/// Whoever can be told, from `platform.organisations`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Organisation {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) code: Option<String>,
}

impl Organisation {
    pub(crate) const COLLECTION: &'static str = "platform.organisations";

    pub(crate) fn is_called(&self, line: &str) -> bool {
        self.name == line || self.code.as_deref() == Some(line)
    }
}
