//! One blob's file: written whole, read by chunk.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;

use kernel_crypto::keys::{SealKey, sealed_with};
use kernel_crypto::sm3::{self, Digest32};
use kernel_crypto::stream::{CHUNK, ChunkKey, OVERHEAD};

use super::{BlobError, Inner, Place, altered, failed};

const MAGIC: &[u8] = b"rongqiao-blob-2\n";
/// Longest wrapped key; a longer one is none.
const LONGEST_KEY: u64 = 4096;
/// Bytes before the wrapped key.
const START: usize = MAGIC.len() + 12;

/// A blob found.
pub(super) enum Blob {
    Chunks(Chunks),
    /// Of the first format: opened whole.
    Whole(Vec<u8>),
}

pub(super) struct Chunks {
    place: String,
    file: File,
    key: ChunkKey,
    /// The number of the ring's key that wraps it.
    wrapped_by: Option<u32>,
    size: u64,
    /// Bytes before the first chunk.
    head: u64,
}

impl Inner {
    pub(super) fn write(&self, place: &Place, plain: &[u8]) -> Result<(), BlobError> {
        let key = ChunkKey::generate().map_err(|e| BlobError::Seal(e.into()))?;
        let mut sealed = self.head(place, &key, plain.len() as u64)?;
        let last = chunks(plain.len() as u64).saturating_sub(1);
        for number in 0..=last {
            let start = usize::try_from(u64::from(number) * CHUNK as u64).unwrap_or(usize::MAX);
            let rest = plain.get(start..).unwrap_or_default();
            let chunk = rest.get(..CHUNK).unwrap_or(rest);
            let chunk = key.seal(number, number == last, chunk);
            sealed.extend(chunk.map_err(BlobError::Seal)?);
        }
        self.replace(place, &sealed)
    }

    pub(super) fn find(&self, place: &Place) -> Result<Option<Blob>, BlobError> {
        let path = self.path(place);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(&path)(e)),
        };
        let mut start = Vec::new();
        (&mut file)
            .take(START as u64)
            .read_to_end(&mut start)
            .map_err(failed(&path))?;
        if is_erased(&start) {
            return Ok(None);
        }
        let Some(numbers) = start.strip_prefix(MAGIC) else {
            let digest = place.digest.ok_or_else(|| altered(place))?;
            let sealed = fs::read(&path).map_err(failed(&path))?;
            let plain = self.keys.open(SealKey::Field, &whole(digest), &sealed);
            return Ok(Some(Blob::Whole(plain.map_err(|_| altered(place))?)));
        };
        let (size, length) = numbers
            .split_first_chunk()
            .and_then(|(size, length)| {
                let length = u32::from_be_bytes(length.try_into().ok()?);
                Some((u64::from_be_bytes(*size), u64::from(length)))
            })
            .filter(|(_, length)| *length <= LONGEST_KEY)
            .ok_or_else(|| altered(place))?;
        let mut wrapped = Vec::new();
        (&mut file)
            .take(length)
            .read_to_end(&mut wrapped)
            .map_err(failed(&path))?;
        let key = ChunkKey::unwrap(&self.keys, SealKey::Field, &aad(place, size), &wrapped);
        Ok(Some(Blob::Chunks(Chunks {
            place: place.name.clone(),
            file,
            key: key.map_err(|_| altered(place))?,
            wrapped_by: sealed_with(&wrapped),
            size,
            head: START as u64 + length,
        })))
    }

    /// Whether there was such a blob, and it was of another key or of the first format.
    pub(super) fn rewrap(&self, place: &Place) -> Result<bool, BlobError> {
        match self.find(place)? {
            None => Ok(false),
            Some(Blob::Whole(plain)) => {
                if Some(sm3::digest(&plain)) != place.digest {
                    return Err(altered(place));
                }
                self.write(place, &plain)?;
                Ok(true)
            }
            Some(Blob::Chunks(blob))
                if blob.wrapped_by == Some(self.keys.sealing_with(SealKey::Field)) =>
            {
                Ok(false)
            }
            Some(Blob::Chunks(mut blob)) => {
                let path = self.path(place);
                let mut sealed = self.head(place, &blob.key, blob.size)?;
                // The chunks as they lie: their key stays.
                blob.file
                    .seek(SeekFrom::Start(blob.head))
                    .and_then(|_| blob.file.read_to_end(&mut sealed))
                    .map_err(failed(&path))?;
                self.replace(place, &sealed)?;
                Ok(true)
            }
        }
    }

    fn head(&self, place: &Place, key: &ChunkKey, size: u64) -> Result<Vec<u8>, BlobError> {
        let wrapped = key
            .wrap(&self.keys, SealKey::Field, &aad(place, size))
            .map_err(BlobError::Seal)?;
        let length = u32::try_from(wrapped.len()).unwrap_or(u32::MAX);
        Ok([MAGIC, &size.to_be_bytes(), &length.to_be_bytes(), &wrapped].concat())
    }

    /// Puts a blob's file in its place, whole or not at all.
    fn replace(&self, place: &Place, sealed: &[u8]) -> Result<(), BlobError> {
        let path = self.path(place);
        let folder = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let draft = folder.join(format!("{}-{number}.part", std::process::id()));
        let written = write_synced(&draft, sealed)
            .map_err(failed(&draft))
            .and_then(|()| fs::rename(&draft, &path).map_err(failed(&path)));
        if written.is_err() {
            // On a full disk the draft would keep what little there is.
            let _ = fs::remove_file(&draft);
        }
        written?;
        // The names must be durable as well as the bytes.
        sync_folder(folder)
            .and_then(|()| sync_folder(&self.dir))
            .map_err(failed(folder))
    }
}

impl Blob {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Chunks(blob) => blob.size,
            Self::Whole(plain) => plain.len() as u64,
        }
    }

    /// The plain bytes of a range, as far as there are any.
    pub(super) fn range(&mut self, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let size = self.size();
        let (start, end) = (range.start.min(size), range.end.min(size));
        match self {
            Self::Chunks(blob) => blob.range(start..end.max(start)),
            Self::Whole(plain) => Ok(slice(plain, start, end).to_vec()),
        }
    }
}

impl Chunks {
    fn range(&mut self, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let whole = CHUNK as u64;
        let last = chunks(self.size).saturating_sub(1);
        let mut plain = Vec::new();
        let from = u32::try_from(range.start / whole).unwrap_or(u32::MAX);
        let to = u32::try_from(range.end.saturating_sub(1) / whole).unwrap_or(u32::MAX);
        // An empty range opens a chunk all the same: it says whether the blob is authentic.
        for number in from..=to.max(from).min(last) {
            let chunk = self.chunk(number, number == last)?;
            let begins = u64::from(number) * whole;
            plain.extend_from_slice(slice(
                &chunk,
                range.start.saturating_sub(begins),
                range.end.saturating_sub(begins),
            ));
        }
        Ok(plain)
    }

    fn chunk(&mut self, number: u32, last: bool) -> Result<Vec<u8>, BlobError> {
        let sealed_whole = (CHUNK + OVERHEAD) as u64;
        let mut sealed = Vec::new();
        let read = self
            .file
            .seek(SeekFrom::Start(
                self.head + u64::from(number) * sealed_whole,
            ))
            .and_then(|_| {
                // The last is read to the end of the file: nothing may follow it.
                let most = if last { u64::MAX } else { sealed_whole };
                (&mut self.file).take(most).read_to_end(&mut sealed)
            });
        read.map_err(|source| BlobError::File {
            path: self.place.clone(),
            source,
        })?;
        self.key
            .open(number, last, &sealed)
            .map_err(|_| BlobError::Altered {
                place: self.place.clone(),
            })
    }
}

/// How many chunks hold so many bytes.
fn chunks(size: u64) -> u32 {
    u32::try_from(size.div_ceil(CHUNK as u64).max(1)).unwrap_or(u32::MAX)
}

fn slice(bytes: &[u8], start: u64, end: u64) -> &[u8] {
    let at = |n: u64| usize::try_from(n).map_or(bytes.len(), |n| n.min(bytes.len()));
    bytes.get(at(start)..at(end)).unwrap_or_default()
}

/// Binds a blob's key to its place and length, so that files cannot be exchanged.
fn aad(place: &Place, size: u64) -> Vec<u8> {
    match place.digest {
        Some(digest) => format!("blob-key\0{digest}\0{size}"),
        None => format!("blob-key\0{}\0{size}", place.name),
    }
    .into_bytes()
}

/// What the first format bound its ciphertext to.
fn whole(digest: Digest32) -> Vec<u8> {
    format!("blob\0{digest}").into_bytes()
}

/// Overwrites a file's head durably. What is killed before it removes the file leaves one that
/// [`is_erased`].
pub(super) fn erase(path: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let head = file.metadata()?.len().min(START as u64 + LONGEST_KEY);
    io::copy(&mut io::repeat(0).take(head), &mut file)?;
    file.sync_all()
}

/// Whether the beginning of a file, or all of it, is what [`erase`] leaves.
pub(super) fn is_erased(bytes: &[u8]) -> bool {
    bytes
        .get(..START)
        .is_some_and(|start| start.iter().all(|byte| *byte == 0))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
