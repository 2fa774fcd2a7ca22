//! One internal trait for everything that answers for pages and actions: a plugin in the sandbox
//! or the native console. There is one dispatch path, so there is one place for every check.

use std::sync::Arc;

use async_trait::async_trait;
use kernel_identity::principal::Principal;
use sdk_contract::call::{Ask, CallContext, Event, Reply};
use sdk_contract::error::Fault;
use sdk_contract::page::Page;
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Map, Value};

/// One call of a module: who, when, and the randomness it may use.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub principal: Arc<Principal>,
    pub now: Timestamp,
    pub seed: [u8; 32],
}

impl Call {
    pub(crate) fn context(&self) -> CallContext {
        CallContext {
            now: self.now.micros(),
            seed: hex(&self.seed),
            locale: self.principal.locale.clone(),
            request: self.principal.request.clone(),
            caller: self.principal.caller(),
        }
    }
}

/// What a module is given to act on: checked input and, for a record action, the record as the
/// caller may see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub record: Option<Map<String, Value>>,
    pub values: Map<String, Value>,
}

#[async_trait]
pub(crate) trait Module: Send + Sync {
    async fn page(&self, call: &Call, ask: &Ask) -> Result<Page, Fault>;
    async fn act(&self, call: &Call, action: &str, input: Input) -> Result<Reply, Fault>;
    async fn on_event(&self, call: &Call, event: &Event) -> Result<Reply, Fault>;
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            for nibble in [b >> 4, b & 15] {
                out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            out
        })
}

/// A fresh id from the operating system's randomness.
pub(crate) fn new_id(now: Timestamp) -> Result<String, Fault> {
    let mut random = [0_u8; 10];
    fill(&mut random)?;
    Ok(uuid7(now, random))
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Fault> {
    kernel_crypto::random::fill(bytes).map_err(|error| {
        tracing::error!(%error, "the random number generator failed");
        Fault::internal("随机数服务不可用")
    })
}
