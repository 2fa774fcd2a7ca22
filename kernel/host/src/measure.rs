//! What a plugin's page costs in the sandbox that serves it: an instance alone, a call in a fresh
//! instance as every request gets one, and a call in an instance that is kept.

use std::io;
use std::path::Path;
use std::sync::Arc;

use kernel_identity::principal::Principal;
use sdk_contract::call::Ask;
use sdk_contract::error::Fault;

use crate::guest::Guest;
use crate::module::{Call, Module as _};
use crate::plugin_toml::{self, ManifestError};
use crate::{DescribeError, Host};

/// One page of a plugin, ready to be drawn again and again.
pub struct Measured {
    guest: Guest,
    call: Call,
    ask: Ask,
}

/// The plugin cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("the manifest is refused")]
    Manifest(#[from] ManifestError),
    #[error("the component cannot be read")]
    Read(#[from] io::Error),
    #[error("the component does not compile")]
    Compile(#[source] wasmtime::Error),
    #[error("the declaration is refused")]
    Describe(#[from] DescribeError),
    #[error("no call can be made: {}", .0.message)]
    Call(Fault),
}

impl Host {
    /// Compiles the plugin in `folder` apart from the installed ones, to draw the page that `ask`
    /// names for `p`. Nothing is declared and nothing installed.
    pub async fn measured(
        &self,
        folder: &Path,
        p: &Principal,
        ask: Ask,
    ) -> Result<Measured, MeasureError> {
        let manifest = plugin_toml::read(&folder.join("plugin.toml"))?;
        let component = std::fs::read(folder.join("component.wasm"))?;
        let component = self.engines().plugins.compile(&component);
        let component = component.map_err(MeasureError::Compile)?;
        let (guest, _) = Guest::load(self.clone(), Arc::new(manifest), &component).await?;
        let call = self.call(p).map_err(MeasureError::Call)?;
        Ok(Measured { guest, call, ask })
    }
}

impl Measured {
    /// An instance, made and dropped.
    pub async fn instantiate(&self) -> Result<(), Fault> {
        self.guest.instantiate(&self.call).await
    }

    /// The page in a fresh instance, read and checked: what a request costs.
    pub async fn fresh(&self) -> Result<(), Fault> {
        self.guest.page(&self.call, &self.ask).await.map(drop)
    }

    /// The page `times` over in one instance, not read.
    pub async fn warm(&self, times: u32) -> Result<(), Fault> {
        self.guest.page_warm(&self.call, &self.ask, times).await
    }
}
