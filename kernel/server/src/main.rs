//! `rongqiao`: the platform in one binary.

use std::process::ExitCode;

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
