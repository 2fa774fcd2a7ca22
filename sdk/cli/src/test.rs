//! Scenarios and unit tests, natively on the mock host.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};

use crate::project::Project;

/// Runs `cargo test` on the project. Whether it passed.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(cargo)
        .current_dir(&project.guest.workspace)
        .args(["test", "-p", &project.guest.package])
        .args(arguments)
        .status()
        .context("cargo does not start")?;
    Ok(status.success())
}
