//! What the command `rongqiao` is made of. A library, so that test stages wire the same platform
//! ([`wire`]) instead of one that resembles it.

mod background;
mod clients;
mod commands;
mod config;
mod evidence;
mod forward;
mod lifecycle;
mod lists;
mod release;
mod reseal;
mod sntp;
mod sweep;
mod tls;
pub mod wire;

use std::io::IsTerminal as _;

use clap::Parser as _;

/// Runs the command line.
pub async fn run() -> anyhow::Result<()> {
    // What it holds while it serves is too much for the stack of a thread.
    Box::pin(commands::Cli::parse().run()).await
}

/// Logs to standard error what `RONGQIAO_LOG` asks for.
pub fn log() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // Colours are for people: a file or a collector gets plain lines.
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(config::log_filter())
        .init();
}
