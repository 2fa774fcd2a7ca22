//! Builds the `openssl` command of OpenSSL 4, the first release that speaks RFC 8998, into the
//! folder given as argument, unless it is there, and prints its path.
#![expect(clippy::print_stdout, reason = "the path belongs on standard output")]

#[cfg(feature = "openssl4")]
mod openssl {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use anyhow::{Context as _, Result, ensure};

    /// Parts of the library that the tests do without.
    const LEFT_OUT: [&str; 4] = ["no-shared", "no-docs", "no-tests", "no-legacy"];

    pub(super) fn build(into: &Path) -> Result<PathBuf> {
        let command = into.join("apps/openssl");
        if command.is_file() {
            return Ok(command);
        }
        std::fs::create_dir_all(into)
            .with_context(|| format!("{} cannot be made", into.display()))?;
        let configure = openssl_src::source_dir().join("Configure");
        run(Command::new("perl").arg(configure).args(LEFT_OUT), into)?;
        run(
            Command::new("make").args(["-s", "-j2", "build_programs"]),
            into,
        )?;
        ensure!(command.is_file(), "no command was built");
        Ok(command)
    }

    fn run(command: &mut Command, folder: &Path) -> Result<()> {
        // Its output must not mix with the path.
        let status = command
            .current_dir(folder)
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("{command:?} does not start"))?;
        ensure!(status.success(), "{command:?} failed");
        Ok(())
    }
}

#[cfg(feature = "openssl4")]
fn main() -> anyhow::Result<()> {
    use anyhow::Context as _;

    let into = std::env::args_os().nth(1).context("which folder?")?;
    println!("{}", openssl::build(into.as_ref())?.display());
    Ok(())
}

#[cfg(not(feature = "openssl4"))]
fn main() {
    println!("nothing built: run with --features openssl4");
}
