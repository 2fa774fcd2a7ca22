//! Where things are: the root of the platform's checkout and the cache beside it. The cache's rule
//! is the one of the script `x`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A checkout of the platform, which has the SDK and the interfaces, and the cache that goes with it.
#[derive(Debug, Clone)]
pub struct Place {
    root: PathBuf,
    cache: PathBuf,
}

impl Place {
    /// The checkout that the current folder is in.
    pub fn find() -> Result<Self> {
        let here = env::current_dir().context("no current folder")?;
        Self::of(&here)
    }

    /// The checkout that `folder` is in; the cache from `RONGQIAO_CACHE`, `XDG_CACHE_HOME` or
    /// `HOME`.
    pub fn of(folder: &Path) -> Result<Self> {
        let root = folder
            .ancestors()
            .find(|dir| dir.join("sdk/contract").is_dir() && dir.join("wit").is_dir())
            .with_context(|| {
                format!(
                    "{} is not inside a checkout of the platform",
                    folder.display()
                )
            })?
            .to_owned();
        let folder = |name: &str| {
            env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let cache = folder("RONGQIAO_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|dir| dir.join("rongqiao")))
            .or_else(|| folder("HOME").map(|dir| dir.join(".cache/rongqiao")))
            .context("none of RONGQIAO_CACHE, XDG_CACHE_HOME and HOME is set")?;
        Ok(Self { root, cache })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Finished components: `plugins/<name>/{component.wasm,plugin.toml}`, `models/<name>.wasm`.
    pub fn guests(&self) -> PathBuf {
        self.cache.join("guests")
    }

    /// cargo's target folder for guests, apart from the native one.
    pub fn guest_target(&self) -> PathBuf {
        self.cache.join("guest-target")
    }
}
