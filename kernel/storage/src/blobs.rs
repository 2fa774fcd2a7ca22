//! Files by their digest: sealed at rest, verified when read.
//!
//! A blob lies at `<dir>/<2 hex>/<62 hex>` under the SM3 of its plain bytes and never changes, so
//! putting the same bytes twice keeps one file. Writing is temporary file, sync, rename, sync of
//! the folder: after a crash a blob is whole or absent. Whole files pass through memory.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel_crypto::keys::{KeyRing, SealKey};
use kernel_crypto::sm3::{self, Digest32};

/// A blob could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("'{0}' is not a blob's digest")]
    BadDigest(String),
    #[error("the blob file {path} could not be used")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("a blob could not be sealed")]
    Seal(#[source] kernel_crypto::sm4::SealError),
    #[error("the blob {digest} was altered or belongs to another key ring")]
    Altered { digest: String },
    #[error("the file work was stopped")]
    Stopped,
}

/// A folder of blobs. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    keys: Arc<KeyRing>,
    /// Makes names of temporary files differ within this process.
    next: AtomicU64,
}

impl BlobStore {
    /// Makes the folder if absent. Blocks for that moment.
    pub fn open(dir: impl Into<PathBuf>, keys: Arc<KeyRing>) -> Result<Self, BlobError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(failed(&dir))?;
        Ok(Self {
            inner: Arc::new(Inner {
                dir,
                keys,
                next: AtomicU64::new(0),
            }),
        })
    }

    /// Keeps the bytes durably and returns their SM3 digest, 64 hex characters.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        let inner = Arc::clone(&self.inner);
        aside(move || inner.put(&bytes)).await
    }

    /// The bytes of a digest; none when there is no such blob.
    pub async fn get(&self, digest: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let digest: Digest32 = digest
            .parse()
            .map_err(|_| BlobError::BadDigest(digest.to_owned()))?;
        let inner = Arc::clone(&self.inner);
        aside(move || inner.get(digest)).await
    }
}

/// The sealed files as they lie, for backups.
impl BlobStore {
    /// Relative names, sorted.
    pub(crate) async fn raw_names(&self) -> Result<Vec<String>, BlobError> {
        let inner = Arc::clone(&self.inner);
        aside(move || inner.names()).await
    }

    /// None when there is no such file.
    pub(crate) async fn raw(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.inner.dir.join(name);
        aside(move || match fs::read(&path) {
            Ok(sealed) => Ok(Some(sealed)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(&path)(e)),
        })
        .await
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| BlobError::Stopped)?
}

impl Inner {
    fn put(&self, bytes: &[u8]) -> Result<String, BlobError> {
        let digest = sm3::digest(bytes);
        let path = self.path(&digest.to_string());
        if path.exists() {
            return Ok(digest.to_string());
        }
        let sealed = self
            .keys
            .seal(SealKey::Field, &place(digest), bytes)
            .map_err(BlobError::Seal)?;
        let folder = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let draft = folder.join(format!("{}-{number}.part", std::process::id()));
        write_synced(&draft, &sealed).map_err(failed(&draft))?;
        fs::rename(&draft, &path).map_err(failed(&path))?;
        // The names must be durable as well as the bytes.
        sync_folder(folder)
            .and_then(|()| sync_folder(&self.dir))
            .map_err(failed(folder))?;
        Ok(digest.to_string())
    }

    fn get(&self, digest: Digest32) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.path(&digest.to_string());
        let sealed = match fs::read(&path) {
            Ok(sealed) => sealed,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(&path)(e)),
        };
        let altered = || BlobError::Altered {
            digest: digest.to_string(),
        };
        let plain = self
            .keys
            .open(SealKey::Field, &place(digest), &sealed)
            .map_err(|_| altered())?;
        if sm3::digest(&plain) == digest {
            Ok(Some(plain))
        } else {
            Err(altered())
        }
    }

    fn names(&self) -> Result<Vec<String>, BlobError> {
        let mut names = Vec::new();
        for folder in entries(&self.dir)?.into_iter().filter(|p| p.is_dir()) {
            for file in entries(&folder)? {
                let name = file.strip_prefix(&self.dir).ok().and_then(Path::to_str);
                names.extend(name.filter(|n| !n.ends_with(".part")).map(str::to_owned));
            }
        }
        names.sort();
        Ok(names)
    }

    fn path(&self, digest: &str) -> PathBuf {
        let (folder, name) = digest.split_at_checked(2).unwrap_or(("", digest));
        self.dir.join(folder).join(name)
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, BlobError> {
    fs::read_dir(folder)
        .and_then(|all| all.map(|e| e.map(|e| e.path())).collect())
        .map_err(failed(folder))
}

/// Binds ciphertext to its digest, so that files cannot be swapped.
fn place(digest: Digest32) -> Vec<u8> {
    format!("blob\0{digest}").into_bytes()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> BlobError {
    let path = path.display().to_string();
    move |source| BlobError::File { path, source }
}
