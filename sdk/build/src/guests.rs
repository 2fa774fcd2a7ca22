//! Guest crates, and their components in the layout that a server watches:
//! `plugins/<name>/component.wasm`, `plugins/<name>/plugin.toml` and `models/<name>.wasm`; plugins
//! for tests alone lie in `test-plugins` instead, where no server looks.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::place::Place;
use crate::{compile, component};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plugin,
    /// A plugin that only tests install.
    TestPlugin,
    Model,
}

/// A crate that becomes a component.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The crate's name.
    pub package: String,
    /// The name without the crate's `plugin-` or `model-`.
    pub name: String,
    pub kind: Kind,
    /// The crate's folder.
    pub dir: PathBuf,
    /// The folder cargo runs in: the checkout's root, or the crate's own when it stands alone.
    pub workspace: PathBuf,
}

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Built {
    pub package: String,
    pub path: PathBuf,
    pub bytes: usize,
    /// False when the same bytes were there already.
    pub changed: bool,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.changed { "" } else { " (unchanged)" };
        write!(
            f,
            "{:<28} {:>5} KiB{state}",
            self.package,
            self.bytes.div_ceil(1024)
        )
    }
}

impl Guest {
    /// Every guest of the repository, by name: nothing lists them but the folders themselves.
    pub fn all(root: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for (folder, kind, prefix) in [
            ("plugins", Kind::Plugin, "plugin-"),
            ("tests/plugins", Kind::TestPlugin, "plugin-"),
            ("examples/bank-models", Kind::Model, "model-"),
        ] {
            let entries = match fs::read_dir(root.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).context(folder),
            };
            for entry in entries {
                let dir = entry?.path();
                // Models in other languages have no manifest of cargo's.
                let Ok(text) = fs::read_to_string(dir.join("Cargo.toml")) else {
                    continue;
                };
                let guest = Self::read(&text, &dir, root)?;
                ensure!(
                    guest.package.starts_with(prefix),
                    "crate `{}` in {folder} must start with `{prefix}`",
                    guest.package
                );
                // Only the folder tells a plugin for tests from one that is served.
                found.push(Self { kind, ..guest });
            }
        }
        found.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(found)
    }

    /// The guest whose crate lies in `dir`: of the checkout's workspace, or standing alone.
    pub fn at(dir: &Path, place: &Place) -> Result<Self> {
        let manifest = dir.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("{} cannot be read", manifest.display()))?;
        Self::read(&text, dir, place.root())
    }

    fn read(manifest: &str, dir: &Path, root: &Path) -> Result<Self> {
        let read = || -> Result<(toml::Table, String)> {
            let table: toml::Table = toml::from_str(manifest)?;
            let package = table
                .get("package")
                .and_then(|package| package.get("name"))
                .and_then(toml::Value::as_str)
                .context("no package name")?
                .to_owned();
            Ok((table, package))
        };
        let (table, package) = read().with_context(|| format!("{}", dir.display()))?;
        let kinds = [(Kind::Plugin, "plugin-"), (Kind::Model, "model-")];
        let (kind, name) = kinds
            .into_iter()
            .find_map(|(kind, prefix)| Some((kind, package.strip_prefix(prefix)?.to_owned())))
            .with_context(|| format!("crate `{package}` must start with `plugin-` or `model-`"))?;
        let alone = table.contains_key("workspace");
        Ok(Self {
            package,
            name,
            kind,
            dir: dir.to_owned(),
            workspace: if alone { dir } else { root }.to_owned(),
        })
    }

    /// Where the component goes below `out`.
    pub fn output(&self, out: &Path) -> PathBuf {
        match self.kind {
            Kind::Plugin => out.join("plugins").join(&self.name).join("component.wasm"),
            Kind::TestPlugin => out
                .join("test-plugins")
                .join(&self.name)
                .join("component.wasm"),
            Kind::Model => out.join("models").join(format!("{}.wasm", self.name)),
        }
    }
}

/// The guests named, or all of them when none is named.
pub fn choose<'a>(all: &'a [Guest], only: &[String]) -> Result<Vec<&'a Guest>> {
    for name in only {
        if !all.iter().any(|guest| guest.name == *name) {
            let known: Vec<_> = all.iter().map(|guest| guest.name.as_str()).collect();
            bail!("no guest `{name}`; there are {}", known.join(", "));
        }
    }
    Ok(all
        .iter()
        .filter(|guest| only.is_empty() || only.contains(&guest.name))
        .collect())
}

/// Builds `guests`, all of one workspace, into `out`.
pub fn build(place: &Place, guests: &[&Guest], out: &Path) -> Result<Vec<Built>> {
    ensure!(!guests.is_empty(), "no guest to build");
    let modules = compile::modules(place, guests)?;
    let mut report = Vec::new();
    for guest in guests {
        let module = modules.get(&guest.package).with_context(|| {
            format!(
                "cargo named no module for `{}`; is it a cdylib?",
                guest.package
            )
        })?;
        let module = fs::read(module).with_context(|| format!("{}", module.display()))?;
        let bytes = component::encode(&module).with_context(|| guest.package.clone())?;
        let output = guest.output(out);
        if guest.kind != Kind::Model {
            // The manifest first: a server that sees the new component finds it beside it.
            let manifest = fs::read(guest.dir.join("plugin.toml"))
                .with_context(|| format!("plugin.toml of `{}`", guest.package))?;
            put(out, &output.with_file_name("plugin.toml"), &manifest)?;
        }
        report.push(Built {
            package: guest.package.clone(),
            changed: put(out, &output, &bytes)?,
            path: output,
            bytes: bytes.len(),
        });
    }
    Ok(report)
}

/// Removes the components of plugins that no longer exist: a server installs what it finds there.
/// Models stay; nobody installs one by finding it.
pub fn prune(all: &[Guest], out: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(out.join("plugins")) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let known = all.iter().any(|guest| guest.output(out).starts_with(&path));
        if path.join("component.wasm").is_file() && !known {
            fs::remove_dir_all(&path).with_context(|| format!("{}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes `bytes` to `path` in one step, so that a reader sees the old file or the new one, never
/// half of it. Leaves an equal file alone. True if it wrote.
fn put(out: &Path, path: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    // Outside the watched folders, and on the same file system.
    let partial = out.join(format!(".partial-{}", std::process::id()));
    fs::write(&partial, bytes).with_context(|| format!("{}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("{}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_at(root: &Path, dir: &str, name: &str) {
        fs::create_dir_all(root.join(dir)).unwrap();
        fs::write(
            root.join(dir).join("Cargo.toml"),
            format!("[package]\nname = \"{name}\"\n"),
        )
        .unwrap();
    }

    #[test]
    fn guests_are_the_folders_that_hold_a_crate() {
        let root = tempfile::tempdir().unwrap();
        crate_at(root.path(), "plugins/tea", "plugin-tea");
        crate_at(root.path(), "tests/plugins/cup", "plugin-cup");
        crate_at(root.path(), "examples/bank-models/first", "model-leaf");
        fs::create_dir_all(root.path().join("examples/bank-models/python")).unwrap();
        let all = Guest::all(root.path()).unwrap();
        let found: Vec<_> = all.iter().map(|g| (g.name.as_str(), g.kind)).collect();
        assert_eq!(
            found,
            [
                ("leaf", Kind::Model),
                ("cup", Kind::TestPlugin),
                ("tea", Kind::Plugin)
            ]
        );
        assert_eq!(choose(&all, &["tea".into()]).unwrap().len(), 1);
        let refusal = choose(&all, &["coffee".into()]).unwrap_err().to_string();
        assert!(refusal.contains("leaf, cup, tea"), "{refusal}");
    }

    #[test]
    fn a_crate_with_a_foreign_name_is_refused() {
        let root = tempfile::tempdir().unwrap();
        crate_at(root.path(), "plugins/tea", "tea");
        assert!(
            Guest::all(root.path())
                .unwrap_err()
                .to_string()
                .contains("plugin-")
        );
    }

    #[test]
    fn an_equal_file_is_left_alone_and_another_replaced() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("models/leaf.wasm");
        assert!(put(out.path(), &path, b"one").unwrap());
        assert!(!put(out.path(), &path, b"one").unwrap());
        assert!(put(out.path(), &path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::read_dir(out.path()).unwrap().count(),
            1,
            "no partial file stays"
        );
    }

    #[test]
    fn pruning_removes_only_components_without_a_crate() {
        let root = tempfile::tempdir().unwrap();
        crate_at(root.path(), "plugins/tea", "plugin-tea");
        let all = Guest::all(root.path()).unwrap();
        let out = tempfile::tempdir().unwrap();
        for name in ["tea", "gone"] {
            put(
                out.path(),
                &out.path().join(format!("plugins/{name}/component.wasm")),
                b"x",
            )
            .unwrap();
        }
        put(out.path(), &out.path().join("plugins/notes/text"), b"x").unwrap();
        prune(&all, out.path()).unwrap();
        assert!(out.path().join("plugins/tea").is_dir());
        assert!(out.path().join("plugins/notes").is_dir());
        assert!(!out.path().join("plugins/gone").exists());
    }
}
