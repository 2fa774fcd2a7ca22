//! Files by their digest: sealed at rest, verified when read, readable from the middle.
//!
//! A blob lies at `<dir>/<2 hex>/<62 hex>` under the SM3 of its plain bytes and never changes, so
//! putting the same bytes twice keeps one file:
//!
//! ```text
//! "rongqiao-blob-2\n" ‖ plain length (8) ‖ length of the wrapped key (4) ‖ wrapped key
//! ‖ sealed chunks
//! ```
//!
//! Numbers are big-endian. The chunks are those of [`kernel_crypto::stream`], under a key of the
//! blob's own that the key ring wraps for this digest; so a ring that changes its key rewrites heads
//! and no content ([`BlobStore::rewrap`]), and a range costs the chunks it touches. A file without
//! that head is of the first format, sealed whole under the ring's key, and stays readable; its
//! rewrapping brings it into this one.
//!
//! Writing is temporary file, sync, rename, sync of the folder: after a crash a blob is whole or
//! absent.

mod file;

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kernel_crypto::keys::KeyRing;
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
        aside(move || {
            let digest = sm3::digest(&bytes);
            if !inner.path(&digest.to_string()).exists() {
                inner.write(digest, &bytes)?;
            }
            Ok(digest.to_string())
        })
        .await
    }

    /// The bytes of a digest, checked against it; none when there is no such blob.
    pub async fn get(&self, digest: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let digest = parse(digest)?;
        let inner = Arc::clone(&self.inner);
        aside(move || {
            let Some(mut blob) = inner.find(digest)? else {
                return Ok(None);
            };
            let plain = blob.range(0..u64::MAX)?;
            if sm3::digest(&plain) == digest {
                Ok(Some(plain))
            } else {
                Err(altered(digest))
            }
        })
        .await
    }

    /// The bytes of `range`, as far as there are any; none when there is no such blob. Each chunk
    /// they lie in is authentic and in its place.
    pub async fn range(
        &self,
        digest: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        let digest = parse(digest)?;
        let inner = Arc::clone(&self.inner);
        aside(move || match inner.find(digest)? {
            Some(mut blob) => blob.range(range).map(Some),
            None => Ok(None),
        })
        .await
    }

    /// How many bytes a blob has; none when there is no such blob.
    pub async fn size(&self, digest: &str) -> Result<Option<u64>, BlobError> {
        let digest = parse(digest)?;
        let inner = Arc::clone(&self.inner);
        aside(move || Ok(inner.find(digest)?.map(|blob| blob.size()))).await
    }

    /// Digests of all blobs, sorted.
    pub async fn digests(&self) -> Result<Vec<String>, BlobError> {
        let names = self.raw_names().await?.into_iter();
        let names = names.map(|name| name.replace('/', ""));
        // What is no blob's name was put there by somebody else.
        Ok(names.filter(|name| parse(name).is_ok()).collect())
    }

    /// Seals every blob's key under the ring's present key, and brings blobs of the first format
    /// into this one. Returns how many there are. Readers go on meanwhile; killed, it has done
    /// some of them, and can be run again.
    pub async fn rewrap(&self) -> Result<u64, BlobError> {
        let mut done = 0;
        for digest in self.digests().await? {
            let digest = parse(&digest)?;
            let inner = Arc::clone(&self.inner);
            done += u64::from(aside(move || inner.rewrap(digest)).await?);
        }
        Ok(done)
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
    fn names(&self) -> Result<Vec<String>, BlobError> {
        let mut names = Vec::new();
        for folder in entries(&self.dir)?.into_iter().filter(|p| p.is_dir()) {
            for file in entries(&folder)? {
                if file.extension().is_some_and(|e| e == "part") {
                    continue;
                }
                let name = file.strip_prefix(&self.dir).ok().and_then(Path::to_str);
                names.extend(name.map(str::to_owned));
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

fn parse(digest: &str) -> Result<Digest32, BlobError> {
    digest
        .parse()
        .map_err(|_| BlobError::BadDigest(digest.to_owned()))
}

fn altered(digest: Digest32) -> BlobError {
    BlobError::Altered {
        digest: digest.to_string(),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> BlobError {
    let path = path.display().to_string();
    move |source| BlobError::File { path, source }
}
