//! The component, and the files beside the source that are written from its declaration.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sdk_build::guests::{self, Built, Kind};
use sdk_build::readme;
use sdk_contract::def::ModuleDef;

use crate::project::Project;
use crate::sandbox::Sandbox;

/// Builds the component to `out`, or where components of this project go.
pub(crate) fn component(project: &Project, out: Option<&Path>) -> Result<Built> {
    let out = out.map_or_else(|| project.out(), Path::to_owned);
    let mut built = guests::build(&project.place, &[&project.guest], &out)?;
    built.pop().context("cargo built nothing")
}

/// The text of `schema.lock.json` for a declaration.
pub(crate) fn lock(def: &ModuleDef) -> Result<String> {
    Ok(serde_json::to_string_pretty(def)? + "\n")
}

/// Writes `schema.lock.json` and the README's tables, or only says which differ when `check`. A
/// model has neither: its declaration is a file already.
pub(crate) fn generated(project: &Project, built: &Built, check: bool) -> Result<Vec<PathBuf>> {
    if project.guest.kind == Kind::Model {
        return Ok(Vec::new());
    }
    let bytes = fs::read(&built.path).with_context(|| format!("{}", built.path.display()))?;
    let def = Sandbox::open(&bytes)?.module()?.def;
    let mut files = vec![("schema.lock.json", lock(&def)?)];
    let text = fs::read_to_string(project.guest.dir.join("README.md")).unwrap_or_default();
    files.push(("README.md", readme::with_tables(&text, &def)?));
    let mut changed = Vec::new();
    for (name, text) in files {
        let path = project.guest.dir.join(name);
        if fs::read_to_string(&path).ok().as_deref() == Some(&text) {
            continue;
        }
        if !check {
            fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        }
        changed.push(path);
    }
    Ok(changed)
}
