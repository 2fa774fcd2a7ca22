//! `rongqiao release …`

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use super::say;
use crate::release;

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Lists the SM3 of this program and of the plugins in a folder, for their publisher to sign.
    List {
        /// Folder of plugins, as `serve` gets it.
        #[arg(long, default_value = "plugins")]
        plugins: PathBuf,
    },
}

impl Release {
    pub(super) fn run(self) -> Result<()> {
        let Self::List { plugins } = self;
        say(release::list(&plugins)?.trim_end());
        Ok(())
    }
}
