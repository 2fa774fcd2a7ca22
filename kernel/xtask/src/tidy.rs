//! Checks of the repository's shape. A rule here is a sentence of `docs/architecture.md` that a
//! compiler cannot hold; each is a function over the files' text, so that its tests need no disk.
//!
//! The bans that cargo-deny would hold (who may depend on what, licences, sources) are here too:
//! building that tool costs a fresh machine more than the rest of the checks together.

mod codes;
mod glossary;
mod licences;
mod manifests;
mod places;
mod plugins;
mod sources;
mod trace;
mod wit;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root, with the line after a colon where there is one.
    at: String,
    what: String,
}

impl Finding {
    fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// The text files of the repository by their path from the root, and what cargo says of the
/// packages outside it.
pub(crate) struct Repo {
    files: BTreeMap<String, String>,
    packages: Vec<licences::Package>,
}

impl Repo {
    /// Reads every file that git tracks or would track.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let listed = output(
            root,
            "git",
            &[
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ],
        )?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A tracked file may be deleted in the work tree; binary files have no text to check.
            let Ok(bytes) = fs::read(root.join(path)) else {
                continue;
            };
            let text = if bytes.contains(&0) {
                String::new()
            } else {
                String::from_utf8_lossy(&bytes).into_owned()
            };
            files.insert(path.to_owned(), text);
        }
        let metadata = output(
            root,
            "cargo",
            &["metadata", "--format-version", "1", "--locked"],
        )?;
        Ok(Self {
            files,
            packages: licences::packages(&metadata)?,
        })
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        Self {
            files,
            packages: Vec::new(),
        }
    }

    /// Files whose path starts with `folder` and ends with `ending`.
    fn under<'a>(
        &'a self,
        folder: &'a str,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.starts_with(folder) && path.ends_with(ending))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The names of the folders in `plugins/`.
    fn plugins(&self) -> Vec<&str> {
        self.under("plugins/", "/Cargo.toml")
            .filter_map(|(path, _)| path.strip_prefix("plugins/")?.strip_suffix("/Cargo.toml"))
            .filter(|name| !name.contains('/'))
            .collect()
    }
}

fn output(root: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .current_dir(root)
        .args(arguments)
        .output()
        .with_context(|| format!("{program} does not start"))?;
    ensure!(
        output.status.success(),
        "{program} {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed no text"))
}

/// Every finding of every rule, in order of place.
pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let members = manifests::members(repo)?;
    let mut findings = Vec::new();
    findings.extend(manifests::lints_of_the_workspace(&members));
    findings.extend(manifests::versions_in_one_place(&members));
    findings.extend(manifests::one_owner(&members));
    findings.extend(manifests::layers(&members));
    findings.extend(manifests::guests_stay_pure(&members));
    findings.extend(licences::accepted(&repo.packages));
    findings.extend(licences::from_the_registry(&repo.packages));
    findings.extend(licences::banned(&repo.packages));
    findings.extend(plugins::file_set(repo));
    findings.extend(plugins::unknown_to_the_kernel(repo));
    findings.extend(glossary::kernel_types(repo));
    findings.extend(sources::length(repo));
    findings.extend(sources::module_doc(repo));
    findings.extend(sources::unsafe_code(repo));
    findings.extend(wit::change_is_told(repo));
    findings.extend(codes::in_the_table(repo));
    findings.extend(trace::requirements(repo));
    findings.extend(trace::compliance(repo));
    findings.extend(places::none_of_a_machine(repo));
    findings.sort();
    Ok(findings)
}
