//! `rongqiao`: the platform in one binary.

use std::process::ExitCode;

/// Requests make many small, short-lived values; with the system's allocator a quarter of a list's time
/// went into making room for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    kernel_server::log();
    match kernel_server::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
