//! Sealed files by the name of their place: readable from the middle, never changed.
//!
//! What a blob is and who has it is in the tables ([`crate::Blob`]); here are its bytes, in a folder
//! or in a [`Bucket`] of an object store, which differ in nothing but where they are. A place is
//! `<folder>/<name>` and is given to one blob once, so that nothing is ever written where something
//! else is being removed:
//!
//! ```text
//! "rongqiao-blob-2\n" ‖ plain length (8) ‖ length of the wrapped key (4) ‖ wrapped key
//! ‖ sealed chunks
//! ```
//!
//! Numbers are big-endian. The chunks are those of [`kernel_crypto::stream`], under a key of the
//! blob's own that the key ring wraps for this place; so a ring that changes its key changes heads
//! and no content ([`BlobStore::rewrap`]), and a range costs the chunks it touches.
//!
//! Blobs of before there were places lie at `<2 hex>/<62 hex>`, the SM3 of their plain bytes, and
//! their keys are wrapped for that digest. A file without the head above is of the first format,
//! sealed whole under the ring's key. Both stay readable; rewrapping brings the second into the
//! first.
//!
//! Writing in a folder is temporary file, sync, rename, sync of the folder; in a bucket one request
//! that is done or not: after a crash a blob is whole or absent. Removing from a folder overwrites the
//! head before the file goes, so that whatever the disk keeps of the chunks has lost its key.

mod bucket;
mod sealed;

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use kernel_crypto::keys::KeyRing;
use kernel_crypto::sm3::Digest32;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _};

pub use bucket::{Bucket, Credentials};
use sealed::{Head, LONGEST_HEAD};

/// How often a blob is looked at anew that was rewrapped just then.
const ATTEMPTS: u32 = 3;

/// A blob could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("'{0}' is not a blob's place")]
    BadPlace(String),
    #[error("the folder {path} could not be made")]
    Folder {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the bucket cannot be used: {0}")]
    Bucket(String),
    /// Without what the store said of the credentials: it is not for a log.
    #[error("the object store refuses its credentials, or what they ask for ({0})")]
    Refused(String),
    #[error("the files are out of reach")]
    Store(#[source] object_store::Error),
    #[error("a file's key could not be erased")]
    Erase(#[source] io::Error),
    #[error("a blob could not be sealed")]
    Seal(#[source] kernel_crypto::sm4::SealError),
    #[error("the blob {place} was altered or belongs to another key ring")]
    Altered { place: String },
    #[error("the file work was stopped")]
    Stopped,
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error::{Generic, PermissionDenied, Unauthenticated};
        let said = error.to_string();
        let refused = match &error {
            PermissionDenied { .. } | Unauthenticated { .. } => true,
            // A refused list comes so.
            Generic { .. } => ["status code: 401", "status code: 403"]
                .iter()
                .any(|s| said.contains(s)),
            _ => false,
        };
        if !refused {
            return Self::Store(error);
        }
        let code = said.split_once("<Code>");
        let code = code.and_then(|(_, rest)| rest.split_once("</Code>"));
        Self::Refused(code.map_or("no reason", |(code, _)| code).to_owned())
    }
}

/// Where blobs are. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore {
    store: Arc<dyn ObjectStore>,
    place: Where,
    keys: Arc<KeyRing>,
}

#[derive(Clone)]
enum Where {
    Folder(PathBuf),
    Bucket {
        /// The folder where blobs were before, if there is one.
        before: Option<PathBuf>,
    },
}

impl BlobStore {
    /// Blobs in a folder, which is made if absent. Blocks for that moment.
    pub fn open(dir: impl AsRef<Path>, keys: Arc<KeyRing>) -> Result<Self, BlobError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(|source| BlobError::Folder {
            path: dir.display().to_string(),
            source,
        })?;
        let folder = LocalFileSystem::new_with_prefix(dir)?;
        Ok(Self {
            store: Arc::new(folder.with_fsync(true)),
            place: Where::Folder(dir.to_owned()),
            keys,
        })
    }

    /// Blobs in a bucket, which is not asked yet. What lies in the folder `before` moves there with
    /// [`BlobStore::gather`].
    pub fn in_bucket(
        bucket: &Bucket,
        before: &Path,
        keys: Arc<KeyRing>,
    ) -> Result<Self, BlobError> {
        Ok(Self {
            store: bucket.connect()?,
            place: Where::Bucket {
                before: before.is_dir().then(|| before.to_owned()),
            },
            keys,
        })
    }

    /// The blobs that lie in the folder: these, or those that have yet to move into the bucket.
    pub fn in_folder(&self) -> Result<Option<Self>, BlobError> {
        match &self.place {
            Where::Folder(_) => Ok(Some(self.clone())),
            Where::Bucket { before } => {
                let keys = || Arc::clone(&self.keys);
                before
                    .as_ref()
                    .map(|dir| Self::open(dir, keys()))
                    .transpose()
            }
        }
    }

    /// How many blobs have yet to move into the bucket.
    pub async fn behind(&self) -> Result<usize, BlobError> {
        match (&self.place, self.in_folder()?) {
            (Where::Bucket { .. }, Some(before)) => Ok(before.places().await?.len()),
            _ => Ok(0),
        }
    }

    /// Moves every blob of the folder into the bucket, as it lies, and says how many. Killed, it has
    /// moved some of them, and can be run again.
    pub async fn gather(&self) -> Result<u64, BlobError> {
        let mut moved = 0;
        let (Where::Bucket { .. }, Some(before)) = (&self.place, self.in_folder()?) else {
            return Ok(moved);
        };
        for place in before.places().await? {
            let parsed = parse(&place)?;
            // What was being removed is none any more.
            if let Some(sealed) = before.read(&parsed).await? {
                self.write(&parsed, sealed).await?;
                moved += 1;
            }
            before.remove(&place).await?;
        }
        Ok(moved)
    }

    /// Whether the store answers, and lets its blobs be listed.
    pub async fn reach(&self) -> Result<(), BlobError> {
        match self.store.list(None).next().await {
            Some(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Keeps the bytes durably at a place that nothing was at before.
    pub async fn put(&self, place: &str, bytes: Vec<u8>) -> Result<(), BlobError> {
        let place = parse(place)?;
        let keys = Arc::clone(&self.keys);
        let (place, sealed) = aside(move || {
            let sealed = sealed::seal(&keys, &place, &bytes)?;
            Ok((place, sealed))
        })
        .await?;
        self.write(&place, sealed).await
    }

    /// All bytes at a place; none when there is no such blob.
    pub async fn get(&self, place: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let place = parse(place)?;
        let Some(sealed) = self.read(&place).await? else {
            return Ok(None);
        };
        let keys = Arc::clone(&self.keys);
        aside(move || sealed::open(&keys, &place, &sealed).map(Some)).await
    }

    /// The bytes of `range`, as far as there are any; none when there is no such blob. Each chunk
    /// they lie in is authentic and in its place.
    pub async fn range(
        &self,
        place: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        let parsed = parse(place)?;
        for _ in 0..ATTEMPTS {
            let Some(start) = self.start(&parsed).await? else {
                return Ok(None);
            };
            let Some(head) = start.head else {
                let all = self.get(place).await?;
                return Ok(all.map(|plain| sealed::cut(plain, 0, &range)));
            };
            let chunks = head.chunks(&range);
            if chunks.is_empty() {
                return Ok(Some(Vec::new()));
            }
            let options = GetOptions {
                range: Some(GetRange::Bounded(head.lie(&chunks))),
                if_match: start.tag,
                ..GetOptions::default()
            };
            let sealed = match self.part(&parsed, options).await {
                Ok(Some(part)) => part.bytes,
                Ok(None) => return Ok(None),
                // It was rewrapped since its head was read.
                Err(BlobError::Store(object_store::Error::Precondition { .. })) => continue,
                Err(error) => return Err(error),
            };
            return aside(move || {
                let begins = sealed::begins(*chunks.start());
                let plain = head.open(&parsed, chunks, &sealed)?;
                Ok(Some(sealed::cut(plain, begins, &range)))
            })
            .await;
        }
        Err(altered(&parsed))
    }

    /// How many bytes a blob has; none when there is no such blob.
    pub async fn size(&self, place: &str) -> Result<Option<u64>, BlobError> {
        match self.start(&parse(place)?).await? {
            None => Ok(None),
            Some(Start {
                head: Some(head), ..
            }) => Ok(Some(head.size())),
            Some(_) => Ok(self.get(place).await?.map(|plain| plain.len() as u64)),
        }
    }

    /// Removes the blob and erases its key, if it is there.
    pub async fn remove(&self, place: &str) -> Result<(), BlobError> {
        let place = parse(place)?;
        if let Where::Folder(dir) = &self.place {
            let path = dir.join(&place.name);
            aside(move || sealed::erase(&path).map_err(BlobError::Erase)).await?;
        }
        found(self.store.delete(&place.key()).await).map(drop)
    }

    /// The places of all blobs, sorted. What has no place's name was put there by somebody else.
    pub async fn places(&self) -> Result<Vec<String>, BlobError> {
        let all = self.store.list(None).map_ok(|object| object.location);
        let all: Vec<Key> = all.try_collect().await?;
        let mut places: Vec<String> = all.into_iter().map(String::from).collect();
        places.retain(|place| parse(place).is_ok());
        places.sort();
        Ok(places)
    }

    /// Seals every blob's key under the ring's present key, and brings blobs of the first format
    /// into this one. Returns how many were not so already. Readers go on meanwhile; killed, it has done
    /// some of them, and can be run again.
    pub async fn rewrap(&self) -> Result<u64, BlobError> {
        let mut done = 0;
        for place in self.places().await? {
            let place = parse(&place)?;
            let start = self.start(&place).await?;
            let current =
                |start: &Start| matches!(&start.head, Some(h) if h.is_current(&self.keys));
            if start.as_ref().is_none_or(current) {
                continue;
            }
            let Some(sealed) = self.read(&place).await? else {
                continue;
            };
            let keys = Arc::clone(&self.keys);
            let (place, again) = aside(move || {
                let again = sealed::rewrap(&keys, &place, &sealed)?;
                Ok((place, again))
            })
            .await?;
            self.write(&place, again).await?;
            done += 1;
        }
        Ok(done)
    }

    /// A blob as it lies, for backups; none when there is no such blob.
    pub(crate) async fn sealed(&self, place: &str) -> Result<Option<Vec<u8>>, BlobError> {
        self.read(&parse(place)?).await
    }

    async fn read(&self, place: &Place) -> Result<Option<Vec<u8>>, BlobError> {
        let part = self.part(place, GetOptions::default()).await?;
        let bytes = part.map(|part| part.bytes);
        Ok(bytes.filter(|sealed| !sealed::is_erased(sealed)))
    }

    /// Puts a blob in its place, whole or not at all.
    async fn write(&self, place: &Place, sealed: Vec<u8>) -> Result<(), BlobError> {
        self.store.put(&place.key(), sealed.into()).await?;
        Ok(())
    }

    async fn start(&self, place: &Place) -> Result<Option<Start>, BlobError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..LONGEST_HEAD)),
            ..GetOptions::default()
        };
        let part = self.part(place, options).await?;
        let Some(part) = part.filter(|part| !sealed::is_erased(&part.bytes)) else {
            return Ok(None);
        };
        Ok(Some(Start {
            head: Head::read(&self.keys, place, &part.bytes, part.total)?,
            tag: part.tag,
        }))
    }

    async fn part(&self, place: &Place, options: GetOptions) -> Result<Option<Part>, BlobError> {
        let read = async {
            let got = self.store.get_opts(&place.key(), options).await?;
            let (total, tag) = (got.meta.size, got.meta.e_tag.clone());
            let bytes = got.bytes().await?.into();
            Ok(Part { bytes, total, tag })
        };
        found(read.await)
    }
}

/// The beginning of a blob.
struct Start {
    /// None when it is of the first format.
    head: Option<Head>,
    /// Changes when the blob is written anew.
    tag: Option<String>,
}

/// Some of a blob's bytes as they lie.
struct Part {
    bytes: Vec<u8>,
    /// How many there are of the whole.
    total: u64,
    tag: Option<String>,
}

/// None where there is nothing. That there is no bucket is another matter.
fn found<T>(answer: object_store::Result<T>) -> Result<Option<T>, BlobError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { source, .. })
            if !source.to_string().contains("NoSuchBucket") =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| BlobError::Stopped)?
}

/// A blob's place, read.
struct Place {
    /// `<folder>/<name>`
    name: String,
    /// For a blob of before there were places: what its name says that it is.
    digest: Option<Digest32>,
}

impl Place {
    fn key(&self) -> Key {
        Key::from(self.name.as_str())
    }
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
