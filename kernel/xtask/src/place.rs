//! Where things are: the repository's root and the cache beside it. The cache's rule is the one
//! of the script `x`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(crate) struct Place {
    root: PathBuf,
    cache: PathBuf,
}

impl Place {
    /// Finds the root above the current folder, and the cache from `RONGQIAO_CACHE`,
    /// `XDG_CACHE_HOME` or `HOME`.
    pub(crate) fn find() -> Result<Self> {
        let here = env::current_dir().context("no current folder")?;
        let root = here
            .ancestors()
            .find(|dir| dir.join("rust-toolchain.toml").is_file() && dir.join("wit").is_dir())
            .context("not inside the repository")?
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

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Finished components: `plugins/<name>/{component.wasm,plugin.toml}`, `models/<name>.wasm`.
    pub(crate) fn guests(&self) -> PathBuf {
        self.cache.join("guests")
    }

    /// cargo's target folder for guests, apart from the native one.
    pub(crate) fn guest_target(&self) -> PathBuf {
        self.cache.join("guest-target")
    }
}
