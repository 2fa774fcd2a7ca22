//! One blob's bytes as they lie: sealed whole, opened by chunk.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use kernel_crypto::keys::{KeyRing, SealKey, sealed_with};
use kernel_crypto::sm3::{self, Digest32};
use kernel_crypto::stream::{CHUNK, ChunkKey, OVERHEAD};

use super::{BlobError, Place, altered};

const MAGIC: &[u8] = b"rongqiao-blob-2\n";
/// Longest wrapped key; a longer one is none.
const LONGEST_KEY: u64 = 4096;
/// Bytes before the wrapped key.
const START: usize = MAGIC.len() + 12;
/// Bytes in which every head ends.
pub(super) const LONGEST_HEAD: u64 = START as u64 + LONGEST_KEY;
const SEALED_CHUNK: u64 = (CHUNK + OVERHEAD) as u64;

/// What stands before the chunks, read and found authentic.
pub(super) struct Head {
    key: ChunkKey,
    /// The number of the ring's key that wraps it.
    wrapped_by: Option<u32>,
    /// Plain bytes.
    size: u64,
    /// Bytes before the first chunk.
    length: u64,
}

/// Seals a blob for its place under a new key.
pub(super) fn seal(keys: &KeyRing, place: &Place, plain: &[u8]) -> Result<Vec<u8>, BlobError> {
    let key = ChunkKey::generate().map_err(|e| BlobError::Seal(e.into()))?;
    let mut sealed = head(keys, place, &key, plain.len() as u64)?;
    let last = chunks(plain.len() as u64).saturating_sub(1);
    for number in 0..=last {
        let start = usize::try_from(u64::from(number) * CHUNK as u64).unwrap_or(usize::MAX);
        let rest = plain.get(start..).unwrap_or_default();
        let chunk = rest.get(..CHUNK).unwrap_or(rest);
        let chunk = key.seal(number, number == last, chunk);
        sealed.extend(chunk.map_err(BlobError::Seal)?);
    }
    Ok(sealed)
}

/// Opens the whole of a blob, of either format.
pub(super) fn open(keys: &KeyRing, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, BlobError> {
    let plain = if let Some(head) = Head::read(keys, place, sealed, sealed.len() as u64)? {
        let all = 0..=head.last();
        let chunks = usize::try_from(head.length).ok();
        let chunks = chunks.and_then(|length| sealed.get(length..));
        head.open(place, all, chunks.unwrap_or_default())?
    } else {
        let digest = place.digest.ok_or_else(|| altered(place))?;
        let plain = keys.open(SealKey::Field, &whole(digest), sealed);
        plain.map_err(|_| altered(place))?
    };
    match place.digest {
        Some(digest) if sm3::digest(&plain) != digest => Err(altered(place)),
        _ => Ok(plain),
    }
}

/// The blob with its key wrapped by the ring's present key; one of the first format in this one.
pub(super) fn rewrap(keys: &KeyRing, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, BlobError> {
    let Some(before) = Head::read(keys, place, sealed, sealed.len() as u64)? else {
        return seal(keys, place, &open(keys, place, sealed)?);
    };
    let mut again = head(keys, place, &before.key, before.size)?;
    // The chunks as they lie: their key stays.
    let chunks = usize::try_from(before.length).ok();
    again.extend_from_slice(chunks.and_then(|n| sealed.get(n..)).unwrap_or_default());
    Ok(again)
}

fn head(keys: &KeyRing, place: &Place, key: &ChunkKey, size: u64) -> Result<Vec<u8>, BlobError> {
    let wrapped = key
        .wrap(keys, SealKey::Field, &aad(place, size))
        .map_err(BlobError::Seal)?;
    let length = u32::try_from(wrapped.len()).unwrap_or(u32::MAX);
    Ok([MAGIC, &size.to_be_bytes(), &length.to_be_bytes(), &wrapped].concat())
}

/// Overwrites the head of a blob in a folder durably, if it is there. What is killed before it removes
/// the file leaves one that [`is_erased`].
pub(super) fn erase(path: &Path) -> io::Result<()> {
    let mut file = match File::options().write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let head = file.metadata()?.len().min(LONGEST_HEAD);
    io::copy(&mut io::repeat(0).take(head), &mut file)?;
    file.sync_all()
}

/// Whether the beginning of a blob, or all of it, is what [`erase`] leaves.
pub(super) fn is_erased(bytes: &[u8]) -> bool {
    bytes
        .get(..START)
        .is_some_and(|start| start.iter().all(|byte| *byte == 0))
}

impl Head {
    /// Reads the head of a blob that is `total` bytes long as it lies; none when it is of the first
    /// format. What is longer or shorter than the head says was altered.
    pub(super) fn read(
        keys: &KeyRing,
        place: &Place,
        start: &[u8],
        total: u64,
    ) -> Result<Option<Self>, BlobError> {
        let Some(rest) = start.strip_prefix(MAGIC) else {
            return match place.digest {
                Some(_) => Ok(None),
                None => Err(altered(place)),
            };
        };
        let read = || {
            let (size, rest) = rest.split_first_chunk()?;
            let (length, rest) = rest.split_first_chunk()?;
            let (size, length) = (u64::from_be_bytes(*size), u32::from_be_bytes(*length));
            let wrapped = rest.get(..usize::try_from(length).ok()?)?;
            let key = ChunkKey::unwrap(keys, SealKey::Field, &aad(place, size), wrapped).ok()?;
            let head = Self {
                key,
                wrapped_by: sealed_with(wrapped),
                size,
                length: START as u64 + u64::from(length),
            };
            (head.total() == total).then_some(head)
        };
        read().map(Some).ok_or_else(|| altered(place))
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the ring's present key wraps the blob's.
    pub(super) fn is_current(&self, keys: &KeyRing) -> bool {
        self.wrapped_by == Some(keys.sealing_with(SealKey::Field))
    }

    /// Bytes of the whole, as it lies.
    fn total(&self) -> u64 {
        self.length + self.size + u64::from(chunks(self.size)) * OVERHEAD as u64
    }

    fn last(&self) -> u32 {
        chunks(self.size).saturating_sub(1)
    }

    /// The numbers of the chunks that a range of plain bytes lies in; none beyond the end. An empty
    /// range has a chunk all the same: it says whether the blob is authentic.
    pub(super) fn chunks(&self, range: &Range<u64>) -> RangeInclusive<u32> {
        let number = |at: u64| u32::try_from(at / CHUNK as u64).unwrap_or(u32::MAX);
        let (from, to) = (number(range.start), number(range.end.saturating_sub(1)));
        from..=to.max(from).min(self.last())
    }

    /// Where chunks lie.
    pub(super) fn lie(&self, chunks: &RangeInclusive<u32>) -> Range<u64> {
        let at = |number: u64| self.length + number * SEALED_CHUNK;
        at(u64::from(*chunks.start()))..at(u64::from(*chunks.end()) + 1).min(self.total())
    }

    /// Opens these chunks, as they lie one behind the other.
    pub(super) fn open(
        &self,
        place: &Place,
        numbers: RangeInclusive<u32>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, BlobError> {
        let lie = self.lie(&numbers);
        if sealed.len() as u64 != lie.end - lie.start {
            return Err(altered(place));
        }
        let mut plain = Vec::with_capacity(sealed.len());
        for (number, chunk) in numbers.zip(sealed.chunks(CHUNK + OVERHEAD)) {
            let chunk = self.key.open(number, number == self.last(), chunk);
            plain.extend(chunk.map_err(|_| altered(place))?);
        }
        Ok(plain)
    }
}

/// How many chunks hold so many bytes.
fn chunks(size: u64) -> u32 {
    u32::try_from(size.div_ceil(CHUNK as u64).max(1)).unwrap_or(u32::MAX)
}

/// The bytes of a range out of those that begin at `begins`, as far as there are any.
pub(super) fn cut(mut bytes: Vec<u8>, begins: u64, range: &Range<u64>) -> Vec<u8> {
    let at = |n: u64| {
        let n = usize::try_from(n.saturating_sub(begins));
        n.map_or(bytes.len(), |n| n.min(bytes.len()))
    };
    let (start, end) = (at(range.start), at(range.end));
    bytes.truncate(end);
    bytes.split_off(start.min(end))
}

/// Where the plain bytes of a chunk begin.
pub(super) fn begins(chunk: u32) -> u64 {
    u64::from(chunk) * CHUNK as u64
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
