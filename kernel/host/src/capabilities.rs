//! What a guest may do to the world, each effect checked against its manifest before it happens.
//!
//! A denial is a typed fault, not a trap, and says which line of `plugin.toml` would allow it.

use sdk_contract::call::ScoreRequest;
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::query::{Aggregate, Query};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::abi::fault_to_guest;
use crate::abi::plugin::rongqiao::plugin::{crypto, log, models, storage, types};
use crate::guest::GuestState;

/// Log lines a guest may write in one call.
const MAX_LOG_LINES: u32 = 100;
/// Bytes of one log line.
const MAX_LOG_BYTES: usize = 1024;

/// Turns what a guest names into what it may have.
pub(crate) trait Granted {
    /// `<plugin>.<collection>`, if the manifest asks for it or it is the plugin's own.
    fn collection(&self, name: &str) -> Result<String, Fault>;
}

pub(crate) fn denied(line: &str) -> Fault {
    Fault::new(
        FaultKind::Forbidden,
        "capability.denied",
        format!("this needs a grant; add to plugin.toml: {line}"),
    )
}

impl Granted for GuestState {
    fn collection(&self, name: &str) -> Result<String, Fault> {
        match name.split_once('.') {
            None => Ok(format!("{}.{name}", self.manifest.id)),
            Some((plugin, _)) if plugin == self.manifest.id => Ok(name.to_owned()),
            Some(_) if self.manifest.capabilities.read.contains(name) => Ok(name.to_owned()),
            Some(_) => Err(denied(&format!("[capabilities] read = [\"{name}\"]"))),
        }
    }
}

impl GuestState {
    /// The files in these records may be named in what the guest wants written.
    fn saw(&self, collection: &str, records: &[Map<String, Value>]) {
        let catalog = self.host.catalog();
        if let Some((_, declared)) = catalog.collection(collection) {
            self.call.seen.data_of(declared, records);
            for record in records {
                self.call.seen.record(&declared.fields, record);
            }
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text)
        .map_err(|e| Fault::new(FaultKind::Invalid, "bad-document", e.to_string()))
}

fn write(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault::internal(e.to_string()))
}

impl types::Host for GuestState {}

impl storage::Host for GuestState {
    async fn get(
        &mut self,
        collection: String,
        id: String,
    ) -> Result<Option<String>, types::Fault> {
        let found = async {
            let name = self.collection(&collection)?;
            match self.host.get(&self.call.principal, &name, &id).await {
                Ok(record) => {
                    self.saw(&name, std::slice::from_ref(&record));
                    write(&record).map(Some)
                }
                Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
                Err(fault) => Err(fault),
            }
        };
        found.await.map_err(fault_to_guest)
    }

    async fn find(&mut self, query: String) -> Result<String, types::Fault> {
        let found = async {
            let mut query: Query = read(&query)?;
            query.collection = self.collection(&query.collection)?;
            // What is read along is read just the same.
            for with in &query.with {
                let to =
                    self.host
                        .refers_to(&self.call.principal, &query.collection, &with.field)?;
                self.collection(&to)?;
            }
            let name = query.collection.clone();
            let found = self.host.listed(&self.call, query).await?;
            self.saw(&name, &found.records);
            write(&found)
        };
        found.await.map_err(fault_to_guest)
    }

    async fn aggregate(&mut self, aggregate: String) -> Result<String, types::Fault> {
        let found = async {
            let mut aggregate: Aggregate = read(&aggregate)?;
            aggregate.collection = self.collection(&aggregate.collection)?;
            write(&self.host.aggregate(&self.call.principal, aggregate).await?)
        };
        found.await.map_err(fault_to_guest)
    }

    async fn steps(&mut self, collection: String, id: String) -> Result<String, types::Fault> {
        let found = async {
            let name = self.collection(&collection)?;
            write(&self.host.steps(&self.call.principal, &name, &id).await?)
        };
        found.await.map_err(fault_to_guest)
    }
}

impl models::Host for GuestState {
    async fn score(&mut self, request: String) -> Result<String, types::Fault> {
        let scored = async {
            if !self.manifest.capabilities.models {
                return Err(denied("[capabilities] models = true"));
            }
            let request: ScoreRequest = read(&request)?;
            write(
                &self
                    .host
                    .score(&self.call, &self.manifest.id, &request)
                    .await?,
            )
        };
        scored.await.map_err(fault_to_guest)
    }
}

impl crypto::Host for GuestState {
    fn digest(&mut self, data: Vec<u8>) -> wasmtime::Result<String> {
        if self.manifest.capabilities.digest {
            Ok(kernel_crypto::sm3::digest(&data).to_string())
        } else {
            Err(wasmtime::format_err!(
                "{}",
                denied("[capabilities] digest = true")
            ))
        }
    }
}

impl log::Host for GuestState {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.log_lines += 1;
        if self.log_lines > MAX_LOG_LINES {
            return Ok(());
        }
        let line: String = message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .scan(0, |bytes, c| {
                *bytes += c.len_utf8();
                (*bytes <= MAX_LOG_BYTES).then_some(c)
            })
            .collect();
        let plugin = self.manifest.id.as_str();
        match level {
            log::Level::Debug => tracing::debug!(plugin, "{line}"),
            log::Level::Info => tracing::info!(plugin, "{line}"),
            log::Level::Warn => tracing::warn!(plugin, "{line}"),
            log::Level::Error => tracing::error!(plugin, "{line}"),
        }
        Ok(())
    }
}
