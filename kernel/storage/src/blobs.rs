//! Sealed files by the name of their place: readable from the middle, never changed.
//!
//! What a blob is and who has it is in the tables ([`crate::Blob`]); here are its bytes, at
//! `<dir>/<place>`. A place is `<folder>/<name>` and is given to one blob once, so that nothing is
//! ever written where something else is being removed:
//!
//! ```text
//! "rongqiao-blob-2\n" ‖ plain length (8) ‖ length of the wrapped key (4) ‖ wrapped key
//! ‖ sealed chunks
//! ```
//!
//! Numbers are big-endian. The chunks are those of [`kernel_crypto::stream`], under a key of the
//! blob's own that the key ring wraps for this place; so a ring that changes its key rewrites heads
//! and no content ([`BlobStore::rewrap`]), and a range costs the chunks it touches.
//!
//! Blobs of before there were places lie at `<2 hex>/<62 hex>`, the SM3 of their plain bytes, and
//! their keys are wrapped for that digest. A file without the head above is of the first format,
//! sealed whole under the ring's key. Both stay readable; rewrapping brings the second into the
//! first.
//!
//! Writing is temporary file, sync, rename, sync of the folder: after a crash a blob is whole or
//! absent. Removing overwrites the head before the file goes, so that whatever the disk keeps of the
//! chunks has lost its key.

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
    #[error("'{0}' is not a blob's place")]
    BadPlace(String),
    #[error("the blob file {path} could not be used")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("a blob could not be sealed")]
    Seal(#[source] kernel_crypto::sm4::SealError),
    #[error("the blob {place} was altered or belongs to another key ring")]
    Altered { place: String },
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

    /// Keeps the bytes durably at a place that nothing was at before.
    pub async fn put(&self, place: &str, bytes: Vec<u8>) -> Result<(), BlobError> {
        let place = parse(place)?;
        let inner = Arc::clone(&self.inner);
        aside(move || inner.write(&place, &bytes)).await
    }

    /// All bytes at a place; none when there is no such blob.
    pub async fn get(&self, place: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let place = parse(place)?;
        let inner = Arc::clone(&self.inner);
        aside(move || {
            let Some(mut blob) = inner.find(&place)? else {
                return Ok(None);
            };
            let plain = blob.range(0..u64::MAX)?;
            match place.digest {
                Some(digest) if sm3::digest(&plain) != digest => Err(altered(&place)),
                _ => Ok(Some(plain)),
            }
        })
        .await
    }

    /// The bytes of `range`, as far as there are any; none when there is no such blob. Each chunk
    /// they lie in is authentic and in its place.
    pub async fn range(
        &self,
        place: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        let place = parse(place)?;
        let inner = Arc::clone(&self.inner);
        aside(move || match inner.find(&place)? {
            Some(mut blob) => blob.range(range).map(Some),
            None => Ok(None),
        })
        .await
    }

    /// How many bytes a blob has; none when there is no such blob.
    pub async fn size(&self, place: &str) -> Result<Option<u64>, BlobError> {
        let place = parse(place)?;
        let inner = Arc::clone(&self.inner);
        aside(move || Ok(inner.find(&place)?.map(|blob| blob.size()))).await
    }

    /// Removes the blob and erases its key, if it is there.
    pub async fn remove(&self, place: &str) -> Result<(), BlobError> {
        let place = parse(place)?;
        let inner = Arc::clone(&self.inner);
        aside(move || inner.remove(&place)).await
    }

    /// The places of all blobs, sorted.
    pub async fn places(&self) -> Result<Vec<String>, BlobError> {
        let names = self.raw_names().await?.into_iter();
        // What has no place's name was put there by somebody else.
        Ok(names.filter(|name| parse(name).is_ok()).collect())
    }

    /// Seals every blob's key under the ring's present key, and brings blobs of the first format
    /// into this one. Returns how many were not so already. Readers go on meanwhile; killed, it has done
    /// some of them, and can be run again.
    pub async fn rewrap(&self) -> Result<u64, BlobError> {
        let mut done = 0;
        for place in self.places().await? {
            let place = parse(&place)?;
            let inner = Arc::clone(&self.inner);
            done += u64::from(aside(move || inner.rewrap(&place)).await?);
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
            Ok(sealed) => Ok(Some(sealed).filter(|sealed| !file::is_erased(sealed))),
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

    fn path(&self, place: &Place) -> PathBuf {
        self.dir.join(&place.name)
    }

    fn remove(&self, place: &Place) -> Result<(), BlobError> {
        let path = self.path(place);
        match file::erase(&path).and_then(|()| fs::remove_file(&path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(&path)(e)),
            _ => Ok(()),
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, BlobError> {
    fs::read_dir(folder)
        .and_then(|all| all.map(|e| e.map(|e| e.path())).collect())
        .map_err(failed(folder))
}

/// A blob's place, read.
struct Place {
    /// `<folder>/<name>`
    name: String,
    /// For a blob of before there were places: what its name says that it is.
    digest: Option<Digest32>,
}

fn parse(place: &str) -> Result<Place, BlobError> {
    let plain = |part: &str| {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=64).contains(&part.len()) && part.bytes().all(fine)
    };
    match place.split_once('/') {
        Some((folder, name)) if plain(folder) && plain(name) => Ok(Place {
            name: place.to_owned(),
            digest: format!("{folder}{name}")
                .parse()
                .ok()
                .filter(|_| folder.len() == 2),
        }),
        _ => Err(BlobError::BadPlace(place.to_owned())),
    }
}

/// The digest that the name of a place of before says; none for others.
pub fn old_digest(place: &str) -> Option<String> {
    let digest = parse(place).ok()?.digest?;
    Some(digest.to_string())
}

fn altered(place: &Place) -> BlobError {
    BlobError::Altered {
        place: place.name.clone(),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> BlobError {
    let path = path.display().to_string();
    move |source| BlobError::File { path, source }
}
