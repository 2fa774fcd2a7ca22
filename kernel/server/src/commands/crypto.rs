//! `rongqiao crypto …`

use anyhow::{Context as _, Result};
use clap::Subcommand;
use kernel_crypto::{TESTED, self_test};

use super::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Crypto {
    /// Runs the standards' test vectors, as every start does.
    SelfTest,
}

impl Crypto {
    pub(super) fn run(self) -> Result<()> {
        let Self::SelfTest = self;
        self_test().context("nothing may be signed, sealed or verified on this machine")?;
        for what in TESTED {
            say(format!("ok  {what}"));
        }
        Ok(())
    }
}
