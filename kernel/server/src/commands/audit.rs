//! `rongqiao audit …`

use anyhow::{Context as _, Result};
use clap::Subcommand;

use super::say;
use crate::wire::{self, Place};

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Walks the whole chain and says how many records hold, or where it breaks.
    Verify {
        #[command(flatten)]
        place: Place,
    },
}

impl Audit {
    pub(super) async fn run(self) -> Result<()> {
        let Self::Verify { place } = self;
        let ground = wire::open(&place).await?;
        let held = ground
            .store
            .audit_verify()
            .await
            .context("the audit trail does not hold")?;
        say(format!("{held} records hold"));
        ground.store.close().await;
        Ok(())
    }
}
