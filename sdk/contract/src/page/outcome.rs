//! What a person sees after an action.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Block, FileRef};
use crate::error::FieldFault;

/// Where an action leaves the person. `toast` is one short sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// See other, with a toast there.
    Go {
        path: String,
        #[serde(default)]
        toast: String,
    },
    /// The same page again, with a toast.
    Stay {
        toast: String,
    },
    /// The same page with what was typed and what is wrong with it. For a refusal that must also
    /// undo the writes, return a fault instead.
    Faults {
        #[schemars(with = "Vec<std::collections::BTreeMap<String, String>>")]
        faults: Vec<FieldFault>,
    },
    /// These blocks in place of those with the same ids.
    Redraw {
        blocks: Vec<Block>,
    },
    Download {
        file: FileRef,
    },
}

impl Outcome {
    pub fn go(path: impl Into<String>, toast: impl Into<String>) -> Self {
        Self::Go {
            path: path.into(),
            toast: toast.into(),
        }
    }
    pub fn stay(toast: impl Into<String>) -> Self {
        Self::Stay {
            toast: toast.into(),
        }
    }
}
