//! Files that are written from a declaration: schemas, tables of codes and of configuration, the
//! tables of plugins' READMEs. They are committed; whoever changes a declaration runs `gen`, and
//! `gen --check` fails where somebody forgot to.

mod config;
mod errors;
mod schemas;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sdk_build::readme;
use sdk_contract::def::ModuleDef;

/// A generated file: its path from the root and its whole text.
pub(crate) type File = (PathBuf, String);

/// Every generated file as it should be.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut files = schemas::files();
    files.push(errors::file());
    files.push(config::file(root)?);
    files.extend(readmes(root)?);
    Ok(files)
}

/// The README of every plugin that has a frozen declaration.
fn readmes(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("plugins")).context("plugins")? {
        let name = entry?.file_name();
        let folder = Path::new("plugins").join(&name);
        let lock = folder.join("schema.lock.json");
        let Ok(text) = fs::read_to_string(root.join(&lock)) else {
            continue;
        };
        let def: ModuleDef =
            serde_json::from_str(&text).with_context(|| format!("{}", lock.display()))?;
        let path = folder.join("README.md");
        let old =
            fs::read_to_string(root.join(&path)).with_context(|| format!("{}", path.display()))?;
        let new = readme::with_tables(&old, &def).with_context(|| format!("{}", path.display()))?;
        files.push((path, new));
    }
    files.sort();
    Ok(files)
}

/// Files under `wit/` that look generated and are not: of a document that is no more.
fn stray(root: &Path, files: &[File]) -> Result<Vec<PathBuf>> {
    let mut stray = Vec::new();
    for entry in fs::read_dir(root.join("wit")).context("wit")? {
        let folder = entry?.path();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotADirectory => continue,
            Err(error) => return Err(error).with_context(|| format!("{}", folder.display())),
        };
        for entry in entries {
            let path = entry?.path();
            let path = path.strip_prefix(root).unwrap_or(&path);
            let schema = path.to_string_lossy().ends_with(".schema.json");
            if schema && !files.iter().any(|(known, _)| known == path) {
                stray.push(path.to_owned());
            }
        }
    }
    Ok(stray)
}

/// Brings the files up to date, or only says which are not when `check`. The paths concerned.
pub(crate) fn run(root: &Path, check: bool) -> Result<Vec<PathBuf>> {
    let files = files(root)?;
    let mut changed = stray(root, &files)?;
    if !check {
        for path in &changed {
            fs::remove_file(root.join(path)).with_context(|| format!("{}", path.display()))?;
        }
    }
    for (path, text) in files {
        let full = root.join(&path);
        if fs::read_to_string(&full).ok().as_deref() == Some(&text) {
            continue;
        }
        if !check {
            fs::write(&full, text).with_context(|| format!("{}", path.display()))?;
        }
        changed.push(path);
    }
    changed.sort();
    Ok(changed)
}

/// A line of a table in Markdown.
fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository of just the files that `gen` reads.
    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("wit/plugin/plugin.wit", "");
        put("wit/model/model.wit", "");
        put("wit/CHANGES.md", "");
        put("docs/architecture.md", "");
        put(
            "host-config/reference.toml",
            "[http]\n# Seconds.\ntimeout = 30\n",
        );
        put(
            "plugins/tea/schema.lock.json",
            r#"{ "id": "tea", "label": { "zh": "茶", "en": "Tea" } }"#,
        );
        put("plugins/tea/README.md", "# tea\n");
        root
    }

    #[test]
    fn what_was_generated_is_up_to_date_and_what_changed_is_named() {
        let root = repository();
        let stale = run(root.path(), true).unwrap();
        assert!(
            stale.contains(&PathBuf::from("docs/errors.md")),
            "{stale:?}"
        );
        assert!(
            !root.path().join("docs/errors.md").exists(),
            "checking writes nothing"
        );
        assert_eq!(run(root.path(), false).unwrap(), stale);
        assert_eq!(run(root.path(), true).unwrap(), Vec::<PathBuf>::new());
        let gone = "wit/plugin/gone.schema.json";
        fs::write(root.path().join(gone), "{}").unwrap();
        fs::write(root.path().join("docs/errors.md"), "edited").unwrap();
        let drift = ["docs/errors.md", gone].map(PathBuf::from);
        assert_eq!(run(root.path(), true).unwrap(), drift);
        run(root.path(), false).unwrap();
        assert!(!root.path().join(gone).exists());
        assert_eq!(run(root.path(), true).unwrap(), Vec::<PathBuf>::new());
    }
}
