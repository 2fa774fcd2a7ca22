//! What the command `rongqiao` is made of. A library, so that test stages wire the same platform
//! ([`wire`]) instead of one that resembles it.

mod commands;
mod config;
mod evidence;
mod lifecycle;
mod reseal;
mod tls;
pub mod wire;

use clap::Parser as _;

pub use config::Config;

/// Runs the command line.
pub async fn run() -> anyhow::Result<()> {
    commands::Cli::parse().run().await
}

/// Logs to standard error what `RONGQIAO_LOG` asks for.
pub fn log() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(config::log_filter())
        .init();
}
