//! `rongqiao config …`

use std::path::PathBuf;

use anyhow::{Error, Result, bail};
use clap::Subcommand;

use super::say;
use crate::config;
use crate::wire;

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Reads a configuration, and the files that it names, as a start would; opens and changes nothing
    /// else.
    Check {
        /// TOML; `host-config/reference.toml` shows every key.
        file: PathBuf,
    },
}

impl Config {
    pub(super) fn run(self) -> Result<()> {
        let Self::Check { file } = self;
        let read = config::Config::read(Some(&file))?;
        let city = read.city();
        let known = city
            .as_ref()
            .ok()
            .map(|c| (c.regions.len(), c.roles().len()));
        let parts: [(&str, Result<()>); 9] = [
            ("city", city.and_then(|c| read.web(c)).map(drop)),
            ("tls", read.tls.load().map(drop)),
            ("release", read.release.signed().map(drop)),
            ("sessions", read.sessions(false).map(drop)),
            ("certificates", read.lists().map(drop)),
            ("files", read.bucket().map(drop)),
            ("scan", read.scanner().map(drop)),
            (
                "timestamps",
                read.stamping().and_then(|_| read.stamp_lists()).map(drop),
            ),
            ("audit.forward", read.forward(&wire::machine()).map(drop)),
        ];
        let wrong: Vec<String> = parts
            .into_iter()
            .filter_map(|(part, checked)| Some(told(part, &checked.err()?)))
            .collect();
        if !wrong.is_empty() {
            bail!("{} is not valid:\n{}", file.display(), wrong.join("\n"));
        }
        let (districts, roles) = known.unwrap_or_default();
        say(format!("ok  {districts} districts, {roles} roles"));
        Ok(())
    }
}

fn told(part: &str, error: &Error) -> String {
    format!("  [{part}] {error:#}")
}
