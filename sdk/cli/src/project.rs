//! The folder an author works in, and the checkout of the platform it is built against.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sdk_build::guests::Guest;
use sdk_build::place::Place;
use toml::{Table, Value};

/// A plugin or model with what it is built against.
pub(crate) struct Project {
    pub(crate) place: Place,
    pub(crate) guest: Guest,
}

impl Project {
    /// A crate of the checkout names its SDK by the workspace; one that stands alone by a path,
    /// which leads to the checkout.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let folder = fs::canonicalize(folder)
            .with_context(|| format!("there is no folder {}", folder.display()))?;
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("{} cannot be read", manifest.display()))?;
        let table: Table =
            toml::from_str(&text).with_context(|| format!("{}", manifest.display()))?;
        let place = match sdk_path(&table) {
            Some(path) => Place::of(&folder.join(path))?,
            None => Place::of(&folder)?,
        };
        let guest = Guest::at(&folder, &place)?;
        Ok(Self { place, guest })
    }

    /// Whether it is one of the checkout's own.
    pub(crate) fn is_of_the_checkout(&self) -> bool {
        self.guest.workspace == self.place.root()
    }

    /// Where components go when nobody says: inside the checkout where a server looks.
    pub(crate) fn out(&self) -> PathBuf {
        if self.is_of_the_checkout() {
            self.place.guests()
        } else {
            self.guest.dir.join("dist")
        }
    }
}

/// The path to the SDK that a manifest's dependencies name.
fn sdk_path(manifest: &Table) -> Option<&str> {
    let dependencies = manifest.get("dependencies")?.as_table()?;
    ["sdk", "sdk-model"]
        .iter()
        .find_map(|name| dependencies.get(*name)?.get("path").and_then(Value::as_str))
}
