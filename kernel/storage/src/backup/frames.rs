//! The parts of a backup, written to and read from its sealed stream.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use kernel_crypto::recovery::{Lock, Secret};
use kernel_crypto::sm3;
use kernel_crypto::stream::{ChunkKey, Damage, Opener, Sealer};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{BackupError, Contents, Manifest, file_error};
use crate::inspect::Type;

const MAGIC: &[u8] = b"rongqiao-backup-1\n";
const DIGEST: usize = 32;
/// Longest lock; a longer one is no lock.
const LONGEST_LOCK: usize = 4096;
/// Longest frame: a row of texts of their longest is below.
const LONGEST: u32 = 256 << 20;
/// Bytes of a file in one frame.
pub(super) const PIECE: usize = 1 << 20;

/// A table as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TableFrame {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Type)>,
    pub(super) key: Vec<String>,
}

pub(super) enum Frame {
    Manifest(Manifest),
    Table(TableFrame),
    Row(Vec<Json>),
    /// The name of the file whose bytes follow.
    File(String),
    Data(Vec<u8>),
    End(Contents),
}

pub(super) struct Writer {
    sealer: Sealer<BufWriter<File>>,
    path: PathBuf,
}

impl Writer {
    pub(super) fn new(path: &Path, file: File, secret: Secret<'_>) -> Result<Self, BackupError> {
        let key = ChunkKey::generate().map_err(|e| BackupError::Lock(e.into()))?;
        let lock = Lock::new(&key, secret).map_err(BackupError::Lock)?;
        let lock = serde_json::to_vec(&lock)
            .map_err(io::Error::other)
            .map_err(file_error(path))?;
        let length = u32::try_from(lock.len()).unwrap_or(u32::MAX).to_be_bytes();
        let head = [MAGIC, &length, &lock].concat();
        let mut out = BufWriter::new(file);
        out.write_all(&head)
            .and_then(|()| out.write_all(sm3::digest(&head).as_bytes()))
            .map_err(file_error(path))?;
        Ok(Self {
            sealer: Sealer::new(out, key),
            path: path.to_owned(),
        })
    }

    pub(super) fn manifest(&mut self, manifest: &Manifest) -> Result<(), BackupError> {
        self.json(b'm', manifest)
    }

    pub(super) fn table(&mut self, table: &TableFrame) -> Result<(), BackupError> {
        self.json(b't', table)
    }

    pub(super) fn row(&mut self, row: &[Json]) -> Result<(), BackupError> {
        self.json(b'r', &row)
    }

    pub(super) fn file(&mut self, name: &str) -> Result<(), BackupError> {
        self.json(b'f', &name)
    }

    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.put(b'd', bytes)
    }

    /// Writes the end and makes everything durable.
    pub(super) fn finish(mut self, contents: &Contents) -> Result<(), BackupError> {
        self.json(b'e', contents)?;
        let done = self
            .sealer
            .finish()
            .and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all());
        done.map_err(file_error(&self.path))
    }

    fn json(&mut self, kind: u8, body: &impl Serialize) -> Result<(), BackupError> {
        let body = serde_json::to_vec(body)
            .map_err(io::Error::other)
            .map_err(file_error(&self.path))?;
        self.put(kind, &body)
    }

    fn put(&mut self, kind: u8, body: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(body.len()).ok().filter(|l| *l <= LONGEST);
        let length = length
            .ok_or_else(|| io::Error::other("a row is too long for a backup"))
            .map_err(file_error(&self.path))?;
        self.sealer
            .write_all(&[kind])
            .and_then(|()| self.sealer.write_all(&length.to_be_bytes()))
            .and_then(|()| self.sealer.write_all(body))
            .map_err(file_error(&self.path))
    }
}

pub(super) struct Reader {
    opener: Opener<BufReader<File>>,
    path: PathBuf,
    /// Bytes before the sealed stream.
    head: u64,
    /// Plain bytes read so far.
    at: u64,
}

impl Reader {
    /// Opens the lock; the first chunk is read with the manifest.
    pub(super) fn open(path: &Path, secret: Option<Secret<'_>>) -> Result<Self, BackupError> {
        let not_a_backup = || BackupError::NotABackup(path.to_owned());
        let file = File::open(path).map_err(file_error(path))?;
        let mut file = BufReader::new(file);
        let mut head = vec![0; MAGIC.len() + 4];
        file.read_exact(&mut head).map_err(|_| not_a_backup())?;
        let length = head
            .strip_prefix(MAGIC)
            .and_then(|l| <[u8; 4]>::try_from(l).ok())
            .map(|l| u32::from_be_bytes(l) as usize)
            .ok_or_else(not_a_backup)?;
        let damaged = || BackupError::Damaged {
            offset: 0,
            what: "its head was altered or cut".into(),
        };
        if length > LONGEST_LOCK {
            return Err(damaged());
        }
        let mut lock = vec![0; length];
        let mut sum = [0; DIGEST];
        file.read_exact(&mut lock).map_err(|_| damaged())?;
        file.read_exact(&mut sum).map_err(|_| damaged())?;
        head.extend_from_slice(&lock);
        // Tells a damaged lock from a wrong passphrase.
        if sm3::digest(&head).as_bytes() != &sum {
            return Err(damaged());
        }
        let lock: Lock = serde_json::from_slice(&lock).map_err(|_| damaged())?;
        let key = lock.open(secret).map_err(BackupError::Locked)?;
        Ok(Self {
            opener: Opener::new(file, key),
            path: path.to_owned(),
            head: (head.len() + DIGEST) as u64,
            at: 0,
        })
    }

    pub(super) fn manifest(&mut self) -> Result<Manifest, BackupError> {
        match self.next()? {
            Frame::Manifest(manifest) => Ok(manifest),
            _ => Err(self.damaged("no manifest comes first")),
        }
    }

    pub(super) fn next(&mut self) -> Result<Frame, BackupError> {
        let [kind] = self.take()?;
        let length = u32::from_be_bytes(self.take()?);
        if length > LONGEST {
            return Err(self.damaged("a part is longer than any can be"));
        }
        let mut body = vec![0; length as usize];
        self.fill(&mut body)?;
        match kind {
            b'd' => Ok(Frame::Data(body)),
            b'm' => self.json(&body).map(Frame::Manifest),
            b't' => self.json(&body).map(Frame::Table),
            b'r' => self.json(&body).map(Frame::Row),
            b'f' => self.json(&body).map(Frame::File),
            b'e' => self.json(&body).map(Frame::End),
            _ => Err(self.damaged("a part of no known kind")),
        }
    }

    /// Nothing may follow the end.
    pub(super) fn at_end(&mut self) -> Result<(), BackupError> {
        let mut byte = [0];
        match self.opener.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn damaged(&self, what: &str) -> BackupError {
        BackupError::Damaged {
            offset: self.head + self.at,
            what: what.to_owned(),
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&self, body: &[u8]) -> Result<T, BackupError> {
        serde_json::from_slice(body).map_err(|e| self.damaged(&e.to_string()))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        self.opener
            .read_exact(bytes)
            .map_err(|error| self.failed(error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Names the place of a damaged chunk; other errors are the file's.
    fn failed(&self, error: io::Error) -> BackupError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.damaged("it ends without its end");
        }
        match error.get_ref().and_then(|e| e.downcast_ref::<Damage>()) {
            Some(damage) => BackupError::Damaged {
                offset: self.head + damage.offset,
                what: damage.to_string(),
            },
            None => file_error(&self.path)(error),
        }
    }
}
