//! Bindings of the WIT worlds, and the translation between their small types and the contract's.

use sdk_contract::error::{Fault, FaultKind, FieldFault};

/// World `plugin`: the host's side.
pub(crate) mod plugin {
    wasmtime::component::bindgen!({
        path: "../../wit/plugin",
        world: "plugin",
        imports: { default: async, "rongqiao:plugin/crypto": trappable, "rongqiao:plugin/log": trappable },
        exports: { default: async },
    });
}

/// World `model`: pure, nothing imported. Called on its own threads, so not async.
pub(crate) mod model {
    wasmtime::component::bindgen!({ path: "../../wit/model", world: "model" });
}

use plugin::rongqiao::plugin::types as wit;

pub(crate) fn fault_to_guest(fault: Fault) -> wit::Fault {
    use FaultKind as K;
    use wit::FaultKind as W;
    wit::Fault {
        kind: match fault.kind {
            K::NotFound => W::NotFound,
            K::Forbidden => W::Forbidden,
            K::Conflict => W::Conflict,
            K::Invalid => W::Invalid,
            K::Refused => W::Refused,
            K::Unavailable => W::Unavailable,
            K::Internal => W::Internal,
        },
        code: fault.code,
        message: fault.message,
        fields: fault
            .fields
            .into_iter()
            .map(|f| wit::FieldFault {
                field: f.field,
                code: f.code,
                message: f.message,
            })
            .collect(),
    }
}

pub(crate) fn fault_from_guest(fault: wit::Fault) -> Fault {
    use FaultKind as K;
    use wit::FaultKind as W;
    Fault {
        kind: match fault.kind {
            W::NotFound => K::NotFound,
            W::Forbidden => K::Forbidden,
            W::Conflict => K::Conflict,
            W::Invalid => K::Invalid,
            W::Refused => K::Refused,
            W::Unavailable => K::Unavailable,
            W::Internal => K::Internal,
        },
        code: fault.code,
        message: fault.message,
        fields: fault
            .fields
            .into_iter()
            .map(|f| FieldFault::new(f.field, f.code, f.message))
            .collect(),
    }
}
