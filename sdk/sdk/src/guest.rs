//! The component boundary: JSON text to the contract's types and back.

use std::rc::Rc;

use sdk_bindings::rongqiao::plugin::{crypto, log, models, storage, types};
use sdk_contract::call::{ScoreRequest, Scored};
use sdk_contract::def::MODULE_DOCUMENT;
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::page::PAGE_DOCUMENT;
use sdk_contract::query::{Aggregate, Found, Group, Query, Step};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Map;
use crate::host::{Host, Level};
use crate::module::Module;

/// The type that a component exports.
#[doc(hidden)]
pub trait Component {
    fn module() -> Module;
}

#[doc(hidden)]
pub fn describe<C: Component>() -> types::Document {
    // A declaration is strings and numbers; should it not be JSON, the empty text is refused.
    let json = serde_json::to_string(&C::module().describe()).unwrap_or_default();
    types::Document {
        version: MODULE_DOCUMENT,
        json,
    }
}

#[doc(hidden)]
pub fn page<C: Component>(context: &str, ask: &str) -> Result<types::Document, types::Fault> {
    let page = || {
        let page = C::module().page(Rc::new(WitHost), read(context)?, &read(ask)?)?;
        Ok(types::Document {
            version: PAGE_DOCUMENT,
            json: write(&page)?,
        })
    };
    page().map_err(to_wit)
}

#[doc(hidden)]
pub fn act<C: Component>(context: &str, action: &str, input: &str) -> Result<String, types::Fault> {
    let act =
        || write(&C::module().act(Rc::new(WitHost), read(context)?, action, &read(input)?)?);
    act().map_err(to_wit)
}

#[doc(hidden)]
pub fn on_event<C: Component>(context: &str, event: &str) -> Result<String, types::Fault> {
    let heard = || write(&C::module().on_event(Rc::new(WitHost), read(context)?, &read(event)?)?);
    heard().map_err(to_wit)
}

/// The kernel, from inside a component.
struct WitHost;

impl Host for WitHost {
    fn get(&self, collection: &str, id: &str) -> Result<Option<Map>, Fault> {
        let found = storage::get(collection, id).map_err(from_wit)?;
        found.map(|text| read(&text)).transpose()
    }
    fn find(&self, query: &Query) -> Result<Found, Fault> {
        ask(query, storage::find)
    }
    fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Group>, Fault> {
        ask(aggregate, storage::aggregate)
    }
    fn steps(&self, collection: &str, id: &str) -> Result<Vec<Step>, Fault> {
        read(&storage::steps(collection, id).map_err(from_wit)?)
    }
    fn score(&self, request: &ScoreRequest) -> Result<Scored, Fault> {
        ask(request, models::score)
    }
    fn digest(&self, data: &[u8]) -> String {
        crypto::digest(data)
    }
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::log(level, message);
    }
}

fn ask<T: DeserializeOwned>(
    what: &impl Serialize,
    import: fn(&str) -> Result<String, types::Fault>,
) -> Result<T, Fault> {
    read(&import(&write(what)?).map_err(from_wit)?)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text)
        .map_err(|e| Fault::internal(format!("not the expected document: {e}")))
}

fn write(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::internal(e.to_string()))
}

fn to_wit(fault: Fault) -> types::Fault {
    use types::FaultKind as W;
    types::Fault {
        kind: match fault.kind {
            FaultKind::NotFound => W::NotFound,
            FaultKind::Forbidden => W::Forbidden,
            FaultKind::Conflict => W::Conflict,
            FaultKind::Invalid => W::Invalid,
            FaultKind::Refused => W::Refused,
            FaultKind::Unavailable => W::Unavailable,
            FaultKind::Internal => W::Internal,
        },
        code: fault.code,
        message: fault.message,
        fields: fault
            .fields
            .into_iter()
            .map(|f| types::FieldFault {
                field: f.field,
                code: f.code,
                message: f.message,
            })
            .collect(),
    }
}

fn from_wit(fault: types::Fault) -> Fault {
    use types::FaultKind as W;
    Fault {
        kind: match fault.kind {
            W::NotFound => FaultKind::NotFound,
            W::Forbidden => FaultKind::Forbidden,
            W::Conflict => FaultKind::Conflict,
            W::Invalid => FaultKind::Invalid,
            W::Refused => FaultKind::Refused,
            W::Unavailable => FaultKind::Unavailable,
            W::Internal => FaultKind::Internal,
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
