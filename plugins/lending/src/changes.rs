//! What became of what the release before declared.

use sdk::prelude::*;

use crate::model::{Application, Quota};

/// Reasons name the figures that were read, which are L3, and were stored in plain. The plain values go
/// with the release that leaves this out.
pub(crate) fn all() -> Vec<ChangeDef> {
    let sealed = |collection: &str| ChangeDef::Converted {
        collection: collection.to_owned(),
        field: "reasons".to_owned(),
        from: None,
        by: Conversion::Read,
        lossy: false,
    };
    vec![sealed(Application::COLLECTION), sealed(Quota::COLLECTION)]
}
