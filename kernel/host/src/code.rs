//! Compiled code kept between starts, because compiling a component takes seconds and loading its
//! code a millisecond.
//!
//! Loading a file runs it as native code, outside every sandbox. So each file carries a code
//! ([`MacKey::Code`]) over the component it was compiled from, the settings it was compiled with
//! and every byte of it; a file without the right one is never loaded, but compiled again and
//! replaced. The names are keyed as well: deployments that share a folder have files of their own
//! there, and nodes of one deployment, which share its keys, use each other's.
//!
//! A file is written beside its name and then renamed, so that a reader sees a whole one or none.
//! Nothing is synced: what a crash damages is compiled again. Losing the folder loses time only.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel_crypto::keys::{KeyRing, MacKey};
use kernel_crypto::random;
use kernel_crypto::sm3::{self, Digest32};

/// Bytes of the code at the head of a file.
const PROOF: usize = 32;
/// Files kept; beyond it the oldest go.
const MOST: usize = 256;
const ENDING: &str = "code";

/// Where code is kept. See the [module](self).
pub struct KeptCode {
    folder: PathBuf,
    keys: Arc<KeyRing>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    loaded: AtomicU64,
    compiled: AtomicU64,
    refused: AtomicU64,
}

/// What became of components so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodeCounts {
    /// Loaded from the folder.
    pub loaded: u64,
    /// Compiled, because the folder had nothing for them or nothing that could be trusted.
    pub compiled: u64,
    /// Files that this deployment did not write, or that were changed since; not loaded.
    pub refused: u64,
}

/// What code was compiled from, and with which settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) component: Digest32,
    pub(crate) settings: Digest32,
}

/// Code that this deployment compiled itself, from a known component with known settings. Only
/// [`KeptCode::read`] makes one.
pub(crate) struct Authentic(Vec<u8>);

impl Authentic {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.get(PROOF..).unwrap_or_default()
    }
}

impl KeptCode {
    /// Keeps code in `folder`, made (0700) when it is missing, under a key of `keys`.
    pub fn open(folder: &Path, keys: Arc<KeyRing>) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            keys,
            counts: Counts::default(),
        })
    }

    pub fn counts(&self) -> CodeCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CodeCounts {
            loaded: of(&self.counts.loaded),
            compiled: of(&self.counts.compiled),
            refused: of(&self.counts.refused),
        }
    }

    pub(crate) fn count_loaded(&self) {
        self.counts.loaded.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn count_compiled(&self) {
        self.counts.compiled.fetch_add(1, Ordering::Relaxed);
    }
    /// Also for code that is ours but does not load.
    pub(crate) fn count_refused(&self) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// The code kept for `origin`, if there is any and it is ours.
    pub(crate) fn read(&self, origin: Origin) -> Option<Authentic> {
        let path = self.path(origin);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "kept code cannot be read");
                return None;
            }
        };
        let ours = bytes
            .split_first_chunk::<PROOF>()
            .is_some_and(|(proof, code)| Digest32::from_bytes(*proof) == self.proof(origin, code));
        if !ours {
            self.count_refused();
            tracing::error!(path = %path.display(), "kept code was not written here or was changed; compiling again");
            return None;
        }
        Some(Authentic(bytes))
    }

    /// Keeps code. That it cannot be kept costs the next start time, nothing else.
    pub(crate) fn write(&self, origin: Origin, code: &[u8]) {
        let path = self.path(origin);
        if let Err(error) = Self::put(&path, self.proof(origin, code), code) {
            tracing::warn!(path = %path.display(), %error, "compiled code cannot be kept");
        }
        if let Err(error) = self.prune() {
            tracing::warn!(folder = %self.folder.display(), %error, "old code cannot be removed");
        }
    }

    fn put(path: &Path, proof: Digest32, code: &[u8]) -> io::Result<()> {
        // A name of its own: two nodes may well have the same process number, each in its container.
        let mut name = [0; 8];
        random::fill(&mut name).map_err(io::Error::other)?;
        let partial = path.with_extension(format!("{:016x}", u64::from_be_bytes(name)));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)?;
        let mut write = || {
            file.write_all(proof.as_bytes())?;
            file.write_all(code)?;
            fs::rename(&partial, path)
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&partial);
        })
    }

    /// Removes the oldest files, those that a crash left half-written among them.
    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another node may remove it meanwhile.
            let Ok(about) = entry.metadata() else {
                continue;
            };
            if about.is_file() {
                files.push((about.modified()?, entry.path()));
            }
        }
        files.sort();
        let surplus = files.len().saturating_sub(MOST);
        for (_, path) in files.into_iter().take(surplus) {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    fn path(&self, origin: Origin) -> PathBuf {
        let name = self.mac(b"rongqiao.code.name.1\0", origin, &[]).to_string();
        let component = origin.component.to_string();
        let (component, name) = (component.get(..16), name.get(..32));
        let name = format!(
            "{}-{}",
            component.unwrap_or_default(),
            name.unwrap_or_default()
        );
        self.folder.join(name).with_extension(ENDING)
    }

    fn proof(&self, origin: Origin, code: &[u8]) -> Digest32 {
        self.mac(b"rongqiao.code.1\0", origin, sm3::digest(code).as_bytes())
    }

    fn mac(&self, purpose: &[u8], origin: Origin, rest: &[u8]) -> Digest32 {
        let origin = [*origin.component.as_bytes(), *origin.settings.as_bytes()].concat();
        self.keys
            .mac(MacKey::Code, &[purpose, &origin, rest].concat())
    }
}

#[cfg(test)]
mod tests;
