//! What the platform will say of a component, said before it is handed over.

mod model;
mod plugin;

use std::fmt;
use std::fs;

use anyhow::{Context, Result};
use sdk_build::component::Surface;
use sdk_build::guests::{Built, Kind};
use sdk_contract::manifest::MAX_COMPONENT_BYTES;

use crate::project::Project;
use crate::sandbox::Sandbox;

/// Lines for the author; those that stand in the way of admission are marked.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<(&'static str, String)>,
    faults: Vec<String>,
}

impl Report {
    fn say(&mut self, part: &'static str, line: impl Into<String>) {
        self.lines.push((part, line.into()));
    }

    fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    pub(crate) fn passed(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (part, line) in &self.lines {
            let head = if before == *part { "" } else { part };
            writeln!(f, "{head:<12} {line}")?;
            before = part;
        }
        for fault in &self.faults {
            writeln!(f, "{:<12} {fault}", "WRONG")?;
        }
        Ok(())
    }
}

/// Everything that can be told of a built component without the platform.
pub(crate) fn component(project: &Project, built: &Built) -> Result<Report> {
    let bytes = fs::read(&built.path).with_context(|| format!("{}", built.path.display()))?;
    let mut report = Report::default();
    report.say("component", built.path.display().to_string());
    let most = MAX_COMPONENT_BYTES / 1024;
    let size = bytes.len().div_ceil(1024);
    report.say("size", format!("{size} KiB of at most {most} KiB"));
    if bytes.len() > MAX_COMPONENT_BYTES {
        report.fault("the component is too large");
    }
    let surface = Surface::read(&bytes)?;
    let sandbox = Sandbox::open(&bytes)?;
    match project.guest.kind {
        Kind::Plugin | Kind::TestPlugin => plugin::check(project, &surface, &sandbox, &mut report)?,
        Kind::Model => model::check(&surface, &sandbox, &mut report),
    }
    Ok(report)
}
