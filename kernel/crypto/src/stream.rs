//! Long data sealed in chunks, so that it can be written as it comes and read from the middle.
//!
//! The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption
//! and its Nonce-Reuse Misuse-Resistance, CRYPTO 2015) over SM4-GCM: chunk `n` of [`CHUNK`] plain
//! bytes is sealed on its own under the nonce
//!
//! ```text
//! nonce of the data (7) ‖ n (4, big-endian) ‖ 1 for the last chunk, else 0 (1)
//! ```
//!
//! so that chunks can be neither exchanged, repeated nor cut off at the end. Every data has a
//! [`ChunkKey`] of its own, kept sealed beside it. The last chunk may be short or empty; there is
//! always one.

use std::io::{self, Read, Write};

use aes_gcm::AeadInOut as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::keys::{KeyRing, SealKey};
use crate::random::{self, EntropyError};
use crate::sm4::{self, OpenError, SealError};

/// Plain bytes in every chunk but the last.
pub const CHUNK: usize = 1 << 20;
/// Bytes that sealing adds to a chunk.
pub const OVERHEAD: usize = sm4::TAG;

const NONCE: usize = 7;
const KEY: usize = 16;

/// The key and nonce of one piece of data. Used for it alone, never read out.
pub struct ChunkKey {
    key: sm4::Key,
    nonce: [u8; NONCE],
    /// Key and nonce in the form that is sealed.
    packed: Zeroizing<[u8; KEY + NONCE]>,
}

/// A chunk that is not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chunk {chunk}, at byte {offset}, was altered, or the data ends too early")]
pub struct Damage {
    /// From 0.
    pub chunk: u32,
    /// Of the sealed bytes.
    pub offset: u64,
}

impl ChunkKey {
    /// A new random key and nonce.
    pub fn generate() -> Result<Self, EntropyError> {
        random::array().map(Self::unpack)
    }

    fn unpack(packed: Zeroizing<[u8; KEY + NONCE]>) -> Self {
        let (mut key, mut nonce) = (Zeroizing::new([0; KEY]), [0; NONCE]);
        for (slot, byte) in key.iter_mut().chain(&mut nonce).zip(packed.iter()) {
            *slot = *byte;
        }
        Self {
            key: sm4::Key::from_bytes(&key),
            nonce,
            packed,
        }
    }

    fn from_slice(packed: &[u8]) -> Result<Self, OpenError> {
        let packed: [u8; KEY + NONCE] = packed.try_into().map_err(|_| OpenError)?;
        Ok(Self::unpack(Zeroizing::new(packed)))
    }

    /// The key, sealed under the ring's key for `aad`.
    pub fn wrap(&self, ring: &KeyRing, key: SealKey, aad: &[u8]) -> Result<Vec<u8>, SealError> {
        ring.seal(key, aad, &*self.packed)
    }

    /// Opens what [`ChunkKey::wrap`] made for the same `aad`.
    pub fn unwrap(
        ring: &KeyRing,
        key: SealKey,
        aad: &[u8],
        wrapped: &[u8],
    ) -> Result<Self, OpenError> {
        let packed = Zeroizing::new(ring.open(key, aad, wrapped)?);
        Self::from_slice(&packed)
    }

    pub(crate) fn wrap_under(&self, kek: &sm4::Key, aad: &[u8]) -> Result<Vec<u8>, SealError> {
        sm4::seal(kek, aad, &*self.packed)
    }

    pub(crate) fn unwrap_under(
        kek: &sm4::Key,
        aad: &[u8],
        wrapped: &[u8],
    ) -> Result<Self, OpenError> {
        let packed = Zeroizing::new(sm4::open(kek, aad, wrapped)?);
        Self::from_slice(&packed)
    }

    /// Seals chunk `number`; the result is [`OVERHEAD`] bytes longer. A chunk of one number is
    /// sealed once: twice, with different bytes, would give both away.
    pub fn seal(&self, number: u32, last: bool, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.extend_from_slice(plain);
        let nonce = self.nonce(number, last);
        let done = self
            .key
            .cipher()
            .encrypt_in_place((&nonce).into(), b"", &mut sealed);
        if done.is_err() {
            sealed.zeroize();
            return Err(SealError::TooLong);
        }
        Ok(sealed)
    }

    /// Opens chunk `number`, which must be the last exactly when `last` says so.
    pub fn open(&self, number: u32, last: bool, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut plain = sealed.to_vec();
        let nonce = self.nonce(number, last);
        let done = self
            .key
            .cipher()
            .decrypt_in_place((&nonce).into(), b"", &mut plain);
        if done.is_err() {
            plain.zeroize();
            return Err(OpenError);
        }
        Ok(plain)
    }

    fn nonce(&self, number: u32, last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        let parts = self
            .nonce
            .into_iter()
            .chain(number.to_be_bytes())
            .chain([u8::from(last)]);
        for (slot, byte) in nonce.iter_mut().zip(parts) {
            *slot = byte;
        }
        nonce
    }
}

impl std::fmt::Debug for ChunkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stream::ChunkKey(…)")
    }
}

/// Seals what is written to it into `inner`. [`Sealer::finish`] must be called: without it the end
/// is missing, and whoever reads will say so.
pub struct Sealer<W> {
    inner: W,
    key: ChunkKey,
    buffer: Zeroizing<Vec<u8>>,
    number: u32,
}

impl<W: Write> Sealer<W> {
    pub fn new(inner: W, key: ChunkKey) -> Self {
        Self {
            inner,
            key,
            buffer: Zeroizing::new(Vec::with_capacity(CHUNK)),
            number: 0,
        }
    }

    /// Seals the last chunk and gives `inner` back.
    pub fn finish(mut self) -> io::Result<W> {
        self.chunk(true)?;
        Ok(self.inner)
    }

    fn chunk(&mut self, last: bool) -> io::Result<()> {
        let sealed = self
            .key
            .seal(self.number, last, &self.buffer)
            .map_err(io::Error::other)?;
        self.inner.write_all(&sealed)?;
        self.buffer.clear();
        self.number = self
            .number
            .checked_add(1)
            .ok_or_else(|| io::Error::other(SealError::TooLong))?;
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for what follows, for it may be the last.
        if self.buffer.len() == CHUNK && !bytes.is_empty() {
            self.chunk(false)?;
        }
        let room = CHUNK.saturating_sub(self.buffer.len());
        let (taken, _) = bytes.split_at(room.min(bytes.len()));
        self.buffer.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Only a whole chunk can be sealed, so what is left stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Opens what a [`Sealer`] wrote. A damaged chunk is an error of kind
/// [`io::ErrorKind::InvalidData`] that holds a [`Damage`]; nothing of it is given out.
pub struct Opener<R> {
    inner: R,
    key: ChunkKey,
    plain: Zeroizing<Vec<u8>>,
    at: usize,
    /// Sealed bytes read beyond the chunk at hand: they tell whether it is the last.
    ahead: Vec<u8>,
    number: u32,
    ended: bool,
}

impl<R: Read> Opener<R> {
    pub fn new(inner: R, key: ChunkKey) -> Self {
        Self {
            inner,
            key,
            plain: Zeroizing::default(),
            at: 0,
            ahead: Vec::new(),
            number: 0,
            ended: false,
        }
    }

    fn chunk(&mut self) -> io::Result<()> {
        let whole = CHUNK + OVERHEAD;
        let mut sealed = std::mem::take(&mut self.ahead);
        let wanted = (whole + 1).saturating_sub(sealed.len());
        (&mut self.inner)
            .take(wanted as u64)
            .read_to_end(&mut sealed)?;
        if sealed.len() > whole {
            self.ahead = sealed.split_off(whole);
        } else {
            self.ended = true;
        }
        let plain = self.key.open(self.number, self.ended, &sealed);
        let plain = plain.map_err(|OpenError| {
            let damage = Damage {
                chunk: self.number,
                offset: u64::from(self.number) * whole as u64,
            };
            io::Error::new(io::ErrorKind::InvalidData, damage)
        })?;
        self.plain = Zeroizing::new(plain);
        self.at = 0;
        self.number = self.number.saturating_add(1);
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() && !self.ended {
            self.chunk()?;
        }
        let left = self.plain.get(self.at..).unwrap_or_default();
        let count = left.len().min(out.len());
        for (slot, byte) in out.iter_mut().zip(left) {
            *slot = *byte;
        }
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    fn sealed(plain: &[u8]) -> (Vec<u8>, impl Fn() -> ChunkKey) {
        let key = ChunkKey::generate().unwrap();
        let packed = *key.packed;
        let mut sealer = Sealer::new(Vec::new(), key);
        for piece in plain.chunks(70_001) {
            sealer.write_all(piece).unwrap();
        }
        let again = move || ChunkKey::unpack(Zeroizing::new(packed));
        (sealer.finish().unwrap(), again)
    }

    fn opened(sealed: &[u8], key: ChunkKey) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Opener::new(sealed, key).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn every_length_around_a_chunk_opens_again() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7] {
            let plain = data(len);
            let (sealed, key) = sealed(&plain);
            let chunks = len.div_ceil(CHUNK).max(1);
            assert_eq!(sealed.len(), len + chunks * OVERHEAD);
            assert!(opened(&sealed, key()).unwrap() == plain, "{len} bytes");
        }
    }

    #[test]
    fn mm_4g_a_flip_a_cut_an_exchange_and_an_addition_are_named() {
        let plain = data(2 * CHUNK + 7);
        let (sealed, key) = sealed(&plain);
        let whole = CHUNK + OVERHEAD;
        let damage = |sealed: &[u8]| {
            let error = opened(sealed, key()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            *error.into_inner().unwrap().downcast::<Damage>().unwrap()
        };
        for (at, chunk) in [(0, 0), (whole - 1, 0), (whole, 1), (sealed.len() - 1, 2)] {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(damage(&flipped).chunk, chunk, "byte {at}");
        }
        // At a chunk's end, too.
        for (len, chunk) in [(0, 0), (whole, 0), (2 * whole, 1), (sealed.len() - 1, 2)] {
            assert_eq!(damage(&sealed[..len]).chunk, chunk, "{len} bytes left");
        }
        let exchanged = [
            &sealed[whole..2 * whole],
            &sealed[..whole],
            &sealed[2 * whole..],
        ];
        assert_eq!(
            damage(&exchanged.concat()),
            Damage {
                chunk: 0,
                offset: 0
            }
        );
        let longer = [&sealed[..], &[0]].concat();
        assert_eq!(
            damage(&longer),
            Damage {
                chunk: 2,
                offset: 2 * whole as u64
            }
        );
    }

    #[test]
    fn a_chunk_opens_alone_and_only_in_its_place() {
        let key = ChunkKey::generate().unwrap();
        let chunk = key.seal(5, false, b"middle").unwrap();
        assert_eq!(key.open(5, false, &chunk).unwrap(), b"middle");
        assert_eq!(key.open(4, false, &chunk), Err(OpenError));
        assert_eq!(key.open(5, true, &chunk), Err(OpenError));
        let other = ChunkKey::generate().unwrap();
        assert_eq!(other.open(5, false, &chunk), Err(OpenError));
    }

    #[test]
    fn a_wrapped_key_opens_only_for_its_data() {
        let dir = tempfile::tempdir().unwrap();
        let ring = KeyRing::open_or_create(dir.path(), None).unwrap();
        let key = ChunkKey::generate().unwrap();
        let wrapped = key.wrap(&ring, SealKey::Field, b"blob 1").unwrap();
        let again = ChunkKey::unwrap(&ring, SealKey::Field, b"blob 1", &wrapped).unwrap();
        let chunk = key.seal(0, true, b"x").unwrap();
        assert_eq!(again.open(0, true, &chunk).unwrap(), b"x");
        let other = ChunkKey::unwrap(&ring, SealKey::Field, b"blob 2", &wrapped);
        assert_eq!(other.unwrap_err(), OpenError);
    }
}
