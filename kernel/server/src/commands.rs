//! The command line.

mod audit;
mod backup;
mod config;
mod crypto;
mod doctor;
mod keys;
mod model;
mod release;
mod serve;

use anyhow::Result;
use clap::{Parser, Subcommand};

pub(crate) use serve::Serve;

use crate::wire::{self, Place};

/// 融桥: a city's financing service platform.
#[derive(Debug, Parser)]
#[command(name = "rongqiao", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the portal and the API.
    Serve(Serve),
    /// Brings the kernel's tables up to date and ends.
    Migrate {
        #[command(flatten)]
        place: Place,
    },
    /// The configuration.
    #[command(subcommand)]
    Config(config::Config),
    /// Checks, runs and replays scoring models.
    #[command(subcommand)]
    Model(model::Model),
    /// What a publisher signs.
    #[command(subcommand)]
    Release(release::Release),
    /// The audit trail.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// The platform's keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The cryptography.
    #[command(subcommand)]
    Crypto(crypto::Crypto),
    /// Writes everything into one sealed file, also while the platform serves.
    Backup(backup::BackupArgs),
    /// Makes a new data folder, and database, of a backup.
    Restore(backup::RestoreArgs),
    /// Says how the data is, also while the platform serves; fails when something is wrong.
    Doctor(doctor::Doctor),
}

impl Cli {
    pub(crate) async fn run(self) -> Result<()> {
        match self.command {
            // On the heap: all of starting is in it.
            Command::Serve(serve) => Box::pin(serve.run()).await,
            Command::Migrate { place } => {
                let ground = wire::open(&place).await?;
                ground.store.close().await;
                Ok(())
            }
            Command::Config(config) => config.run(),
            Command::Model(model) => model.run().await,
            Command::Release(release) => release.run(),
            Command::Audit(audit) => audit.run().await,
            Command::Keys(keys) => keys.run().await,
            Command::Crypto(crypto) => crypto.run(),
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
            Command::Doctor(doctor) => doctor.run().await,
        }
    }
}

/// One line for the person at the terminal.
#[expect(
    clippy::print_stdout,
    reason = "a command's result belongs on standard output"
)]
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{line}");
}

/// Advice for the person at the terminal, which is no part of a command's result.
#[expect(
    clippy::print_stderr,
    reason = "advice must not end up in a file that the result is written to"
)]
pub(crate) fn advise(line: impl std::fmt::Display) {
    eprintln!("{line}");
}
