//! Signed statements of where the trail stood, and the folder outside that holds them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use kernel_crypto::chain::{Checkpoint, Statement, TreeStatement};
use kernel_crypto::keys::SignKey;
use tokio::sync::Notify;

use super::append::end;
use super::{AuditHealth, HandedOn, digest, storage_only};
use crate::backend::{Conn, Row, sql};
use crate::store::Shared;
use crate::write::Work;
use crate::{StorageError, Store};

const SUFFIX: &str = ".checkpoint.json";
/// Records whose checkpoints share a folder.
const PART: u64 = 100_000;

impl Store {
    /// Signs where the chain stands and keeps the statement; none when there is nothing new.
    /// `at` is in microseconds since 1970. Export the result ([`CheckpointFolder`]): a trail and its
    /// checkpoints can be cut off together where both are kept.
    pub async fn audit_checkpoint(&self, at: i64) -> Result<Option<Checkpoint>, StorageError> {
        let done = storage_only(self.submit(Work::Checkpoint(at)).await)?;
        match done.audit.first() {
            Some(seq) => self.audit_checkpoint_at(*seq).await,
            None => Ok(None),
        }
    }

    /// Resolves when so many records are unsigned that a checkpoint should not wait for its time.
    pub fn audit_checkpoint_due(&self) -> &Notify {
        &self.shared().audit.due
    }

    pub fn audit_health(&self) -> AuditHealth {
        self.shared().audit.read()
    }

    /// Told by whoever hands the trail on, after each try.
    pub fn audit_handed_on(&self, how: HandedOn) {
        self.shared().audit.handed_on(how);
    }

    /// The checkpoints after record `seq`, in order.
    pub async fn audit_checkpoints_after(&self, seq: u64) -> Result<Vec<Checkpoint>, StorageError> {
        let mut held = self.db().acquire().await?;
        after(&mut held.conn(), seq).await
    }

    /// The first checkpoint that covers record `seq`, if it was signed by now.
    pub async fn audit_checkpoint_over(
        &self,
        seq: u64,
    ) -> Result<Option<Checkpoint>, StorageError> {
        self.one(
            "SELECT seq, hash, at, signature, root, signer FROM kernel__checkpoints \
             WHERE seq >= $1 AND root IS NOT NULL ORDER BY seq LIMIT 1",
            seq,
        )
        .await
    }

    /// The checkpoint that was signed at record `seq`.
    pub async fn audit_checkpoint_at(&self, seq: u64) -> Result<Option<Checkpoint>, StorageError> {
        self.one(
            "SELECT seq, hash, at, signature, root, signer FROM kernel__checkpoints \
             WHERE seq = $1",
            seq,
        )
        .await
    }

    /// The newest checkpoint.
    pub async fn audit_checkpoint_last(&self) -> Result<Option<Checkpoint>, StorageError> {
        self.one(
            "SELECT seq, hash, at, signature, root, signer FROM kernel__checkpoints \
             WHERE seq >= $1 ORDER BY seq DESC LIMIT 1",
            0,
        )
        .await
    }

    async fn one(&self, text: &'static str, seq: u64) -> Result<Option<Checkpoint>, StorageError> {
        let rows = self
            .fixed(text, vec![seq.cast_signed().into()], "reading a checkpoint")
            .await?;
        rows.first().map(read).transpose()
    }
}

/// The checkpoints after record `seq`, in order.
pub(super) async fn after(conn: &mut Conn<'_>, seq: u64) -> Result<Vec<Checkpoint>, StorageError> {
    let rows = conn
        .rows(sql(
            "SELECT seq, hash, at, signature, root, signer FROM kernel__checkpoints \
             WHERE seq > $1 ORDER BY seq",
            [seq.cast_signed().into()],
        ))
        .await
        .map_err(StorageError::db("reading checkpoints"))?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Checkpoint, StorageError> {
    let tree = match (row.text(4)?, row.text(5)?) {
        (Some(root), Some(key)) => Some(TreeStatement {
            root: digest(&root)?,
            key: digest(&key)?,
        }),
        _ => None,
    };
    Ok(Checkpoint {
        statement: Statement {
            seq: row.number(0)?.cast_unsigned(),
            hash: digest(&row.string(1)?)?,
            at: row.number(2)?,
            tree,
        },
        signature: hex::decode(row.string(3)?)
            .map_err(|_| StorageError::Damaged("a checkpoint's signature".into()))?,
    })
}

/// Signs the chain's end; the number of the last record, unless it was signed before.
pub(crate) async fn checkpoint(
    conn: &mut Conn<'_>,
    shared: &Shared,
    at: i64,
) -> Result<Vec<u64>, StorageError> {
    let end = end(conn, &shared.tail).await?;
    let head = end.head;
    if head.seq == 0 {
        return Ok(Vec::new());
    }
    let signer = shared.keys.signer(SignKey::Audit);
    let tree = TreeStatement {
        root: end.tree.root(),
        key: signer.verifying_key().fingerprint(),
    };
    shared.tail.put(end);
    let statement = Statement {
        seq: head.seq,
        hash: head.hash,
        at,
        tree: Some(tree),
    };
    let point = statement
        .sign(|message| signer.sign(message))
        .map_err(StorageError::Sign)?;
    let new = conn
        .execute(sql(
            "INSERT INTO kernel__checkpoints (seq, hash, at, signature, root, signer) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (seq) DO NOTHING",
            [
                head.seq.cast_signed().into(),
                head.hash.to_string().into(),
                at.into(),
                hex::encode(&point.signature).into(),
                tree.root.to_string().into(),
                tree.key.to_string().into(),
            ],
        ))
        .await
        .map_err(StorageError::db("keeping a checkpoint"))?;
    shared.audit.signed();
    Ok(if new == 0 { Vec::new() } else { vec![head.seq] })
}

/// A folder, best on another host, that holds every checkpoint as a file of its own:
/// `<seq / 100,000>/<seq>.checkpoint.json`, both with leading zeros. Files are written whole or not
/// at all and never replaced.
#[derive(Debug, Clone)]
pub struct CheckpointFolder(PathBuf);

impl CheckpointFolder {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Number of the newest checkpoint here; 0 where there is none. Lists the newest part only.
    pub fn last(&self) -> Result<u64, StorageError> {
        for (_, part) in numbered(&self.0, "")?.into_iter().rev() {
            if let Some((seq, _)) = numbered(&part, SUFFIX)?.last() {
                return Ok(*seq);
            }
        }
        Ok(0)
    }

    /// Every checkpoint here, in order.
    pub fn read(&self) -> Result<Vec<Checkpoint>, StorageError> {
        let mut points = Vec::new();
        for (_, part) in numbered(&self.0, "")? {
            for (_, path) in numbered(&part, SUFFIX)? {
                let text = std::fs::read(&path).map_err(file(&path))?;
                points.push(
                    serde_json::from_slice(&text)
                        .map_err(|e| StorageError::Damaged(format!("{}: {e}", path.display())))?,
                );
            }
        }
        Ok(points)
    }

    /// Adds a checkpoint; one that is here stays as it is.
    pub fn write(&self, point: &Checkpoint) -> Result<(), StorageError> {
        let seq = point.statement.seq;
        let part = self.0.join(format!("{:015}", seq / PART));
        std::fs::create_dir_all(&part).map_err(file(&part))?;
        let path = part.join(format!("{seq:020}{SUFFIX}"));
        if path.exists() {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(point)
            .map_err(|e| StorageError::Damaged(format!("a checkpoint: {e}")))?;
        let temporary = path.with_extension("new");
        let written = std::fs::File::create(&temporary).and_then(|mut new| {
            new.write_all(&text)?;
            new.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            // The new name is durable only once its folder is.
            std::fs::File::open(&part)?.sync_all()
        });
        written.map_err(file(&path))
    }
}

/// The entries of a folder whose name is a number and this ending, by number. None when there is no
/// such folder.
fn numbered(folder: &Path, ending: &str) -> Result<Vec<(u64, PathBuf)>, StorageError> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(file(folder)(e)),
    };
    let mut entries = Vec::new();
    for entry in listing {
        let path = entry.map_err(file(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(ending)?.parse().ok());
        entries.extend(number.map(|number| (number, path)));
    }
    entries.sort_unstable();
    Ok(entries)
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.display().to_string();
    move |source| StorageError::File { path, source }
}
