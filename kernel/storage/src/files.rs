//! What is known of blobs and uploads, beside the bytes in the [`BlobStore`](crate::BlobStore).
//!
//! The same bytes are one blob within an owner and two in two: nobody learns from an upload that
//! somebody else has the file. A record names a file by its digest alone, because whoever may read
//! the record may read those bytes, whichever copy they come from.
//!
//! # What is never removed
//!
//! A blob that nobody names is first marked, and removed by a later look that still finds it
//! unnamed and marked, in one transaction. Whatever names a blob – an upload, a commit with
//! [`Commit::files`](crate::Commit) – takes the mark off in its own transaction, and is refused when
//! the blob is gone. So of the two, one waits for the other, and neither is half done.

use std::collections::BTreeSet;

use crate::backend::{Conn, Row, sql};
use crate::write::Work;
use crate::write::late::Late;
use crate::{AuditDraft, CommitError, Committed, StorageError, Store, contents};

/// Rows that one question answers.
const MOST: i64 = 500;

/// Whether a blob may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    Clear,
    /// It has yet to be scanned.
    Waiting,
    /// A scan found something: never opened again.
    Quarantined,
}

/// One blob of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SM3 of its bytes, hex.
    pub digest: String,
    /// Organisation, or user; empty for blobs of before owners were kept.
    pub owner: String,
    /// Its name in the blob store.
    pub place: String,
    /// Bytes.
    pub size: u64,
    /// What it is by its content.
    pub media: String,
    pub state: BlobState,
    /// What a scan found.
    pub finding: Option<String>,
    /// Microseconds since 1970, UTC: since when nobody was seen to name it.
    pub unused_since: Option<i64>,
}

/// What somebody has uploaded, or begun to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub id: String,
    pub owner: String,
    pub user: String,
    pub name: String,
    /// Bytes it has, or will have.
    pub size: u64,
    /// What is kept so far, in order; nothing once it is whole.
    pub parts: Vec<Piece>,
    /// There once it is whole.
    pub digest: Option<String>,
    /// Microseconds since 1970, UTC: until then its owner may go on, or name it.
    pub ends_at: i64,
}

/// A piece of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub bytes: u64,
    /// Its name in the folder `parts` of the blob store, given to no other.
    pub name: String,
}

/// One change of files, with its audit records.
#[derive(Debug, Clone)]
pub struct FileWork {
    pub change: FileChange,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    pub audit: Vec<AuditDraft>,
}

#[derive(Debug, Clone)]
pub enum FileChange {
    /// An upload is whole. A blob that is not new must still be there.
    Keep {
        blob: Blob,
        new: bool,
        upload: Upload,
    },
    /// A blob that was in the store before blobs were listed.
    Adopt(Blob),
    Begin(Upload),
    /// One more piece is kept, behind those there were.
    Part {
        id: String,
        before: Vec<Piece>,
        piece: Piece,
        ends_at: i64,
    },
    /// The upload is over.
    End {
        id: String,
    },
    /// What a scan said.
    Scanned {
        digest: String,
        owner: String,
        state: BlobState,
        finding: Option<String>,
    },
    /// Somebody names it, or nobody was seen to.
    Mark {
        digest: String,
        owner: String,
        unused: bool,
    },
    /// Nobody names a blob that was marked at that time: its row goes, the file may follow.
    Remove {
        digest: String,
        owner: String,
        marked: i64,
    },
}

impl BlobState {
    const fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Waiting => "waiting",
            Self::Quarantined => "quarantined",
        }
    }

    fn read(word: &str) -> Result<Self, StorageError> {
        [Self::Clear, Self::Waiting, Self::Quarantined]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| StorageError::Damaged(format!("a blob is {word}")))
    }
}

impl Upload {
    /// Bytes kept so far.
    pub fn received(&self) -> u64 {
        match self.digest {
            Some(_) => self.size,
            None => self.parts.iter().map(|piece| piece.bytes).sum(),
        }
    }
}

impl Store {
    /// Every owner's copy of a blob; those that may be opened first.
    pub async fn blobs(&self, digest: &str) -> Result<Vec<Blob>, StorageError> {
        let rows = self
            .fixed(
                "SELECT digest, owner, place, size, media, state, finding, unused_since \
                 FROM kernel__blobs WHERE digest = $1 ORDER BY state, owner LIMIT $2",
                vec![digest.into(), MOST.into()],
                "looking for a blob",
            )
            .await?;
        rows.iter().map(blob).collect()
    }

    pub async fn blob(&self, digest: &str, owner: &str) -> Result<Option<Blob>, StorageError> {
        let rows = self
            .fixed(
                "SELECT digest, owner, place, size, media, state, finding, unused_since \
                 FROM kernel__blobs WHERE digest = $1 AND owner = $2",
                vec![digest.into(), owner.into()],
                "looking for a blob",
            )
            .await?;
        rows.first().map(blob).transpose()
    }

    /// Up to 500 blobs behind `after`, by digest and owner.
    pub async fn all_blobs(&self, after: (&str, &str)) -> Result<Vec<Blob>, StorageError> {
        let rows = self
            .fixed(
                "SELECT digest, owner, place, size, media, state, finding, unused_since \
                 FROM kernel__blobs WHERE digest > $1 OR (digest = $1 AND owner > $2) \
                 ORDER BY digest, owner LIMIT $3",
                vec![after.0.into(), after.1.into(), MOST.into()],
                "listing blobs",
            )
            .await?;
        rows.iter().map(blob).collect()
    }

    /// Blobs that have yet to be scanned, oldest first, and how many there are.
    pub async fn waiting_blobs(&self, most: u32) -> Result<Vec<Blob>, StorageError> {
        let rows = self
            .fixed(
                "SELECT digest, owner, place, size, media, state, finding, unused_since \
                 FROM kernel__blobs WHERE state = 'waiting' ORDER BY at LIMIT $1",
                vec![i64::from(most).min(MOST).into()],
                "listing blobs that wait",
            )
            .await?;
        rows.iter().map(blob).collect()
    }

    pub async fn upload(&self, id: &str) -> Result<Option<Upload>, StorageError> {
        let rows = self
            .fixed(
                "SELECT id, owner, user_id, name, size, parts, digest, ends_at \
                 FROM kernel__uploads WHERE id = $1",
                vec![id.into()],
                "looking for an upload",
            )
            .await?;
        rows.first().map(upload).transpose()
    }

    /// The newest upload of a user with this content that has not ended.
    pub async fn uploaded(
        &self,
        digest: &str,
        owner: &str,
        user: &str,
        now: i64,
    ) -> Result<Option<Upload>, StorageError> {
        let rows = self
            .fixed(
                "SELECT id, owner, user_id, name, size, parts, digest, ends_at \
                 FROM kernel__uploads WHERE digest = $1 AND owner = $2 AND user_id = $3 \
                 AND ends_at > $4 ORDER BY ends_at DESC, id DESC LIMIT 1",
                vec![digest.into(), owner.into(), user.into(), now.into()],
                "looking for an upload",
            )
            .await?;
        rows.first().map(upload).transpose()
    }

    /// Uploads of a user that are not whole and have not ended.
    pub async fn open_uploads(&self, user: &str, now: i64) -> Result<usize, StorageError> {
        let rows = self
            .fixed(
                "SELECT id FROM kernel__uploads WHERE user_id = $1 AND digest IS NULL \
                 AND ends_at > $2 LIMIT $3",
                vec![user.into(), now.into(), MOST.into()],
                "counting uploads",
            )
            .await?;
        Ok(rows.len())
    }

    /// Up to 500 uploads that are not whole, behind `after`, by id.
    pub async fn unfinished_uploads(&self, after: &str) -> Result<Vec<Upload>, StorageError> {
        let rows = self
            .fixed(
                "SELECT id, owner, user_id, name, size, parts, digest, ends_at \
                 FROM kernel__uploads WHERE digest IS NULL AND id > $1 ORDER BY id LIMIT $2",
                vec![after.into(), MOST.into()],
                "listing uploads",
            )
            .await?;
        rows.iter().map(upload).collect()
    }

    /// Uploads that ended by `now`.
    pub async fn ended_uploads(&self, now: i64) -> Result<Vec<Upload>, StorageError> {
        let rows = self
            .fixed(
                "SELECT id, owner, user_id, name, size, parts, digest, ends_at \
                 FROM kernel__uploads WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2",
                vec![now.into(), MOST.into()],
                "looking for ended uploads",
            )
            .await?;
        rows.iter().map(upload).collect()
    }

    /// Every digest that something names at one moment: a record, deleted ones that are kept
    /// included, a version in its history, an event that waits. Reads all of them.
    pub async fn named_digests(&self) -> Result<BTreeSet<String>, StorageError> {
        let mut snapshot = self.db().snapshot().await?;
        let (registry, mut conn) = (self.registry(), snapshot.conn());
        let mut named = contents::survey(&mut conn, &registry, self.keys())
            .await?
            .digests;
        for text in [
            "SELECT before, after FROM kernel__changes",
            "SELECT data, data FROM kernel__outbox WHERE done_at IS NULL",
        ] {
            conn.each(sql(text, []), "looking for named files", |row| {
                for column in 0..2 {
                    let text = row.text(column)?.unwrap_or_default();
                    contents::named(text.as_bytes(), &mut named);
                }
                Ok::<_, StorageError>(())
            })
            .await?;
        }
        Ok(named)
    }

    /// Whether it was done: false where what it rests on is not so any more.
    pub async fn change_files(&self, work: FileWork) -> Result<bool, StorageError> {
        match self.submit(Work::File(Box::new(work))).await {
            Ok(done) => Ok(done.files > 0),
            Err(CommitError::Storage(e)) => Err(e),
            Err(e) => Err(StorageError::Damaged(e.to_string())),
        }
    }
}

fn blob(row: &Row) -> Result<Blob, StorageError> {
    Ok(Blob {
        digest: row.string(0)?,
        owner: row.string(1)?,
        place: row.string(2)?,
        size: whole(row.number(3)?)?,
        media: row.string(4)?,
        state: BlobState::read(&row.string(5)?)?,
        finding: row.text(6)?,
        unused_since: row.integer(7)?,
    })
}

fn upload(row: &Row) -> Result<Upload, StorageError> {
    Ok(Upload {
        id: row.string(0)?,
        owner: row.string(1)?,
        user: row.string(2)?,
        name: row.string(3)?,
        size: whole(row.number(4)?)?,
        parts: read_parts(&row.string(5)?)?,
        digest: row.text(6)?,
        ends_at: row.number(7)?,
    })
}

fn whole(number: i64) -> Result<u64, StorageError> {
    u64::try_from(number).map_err(|_| StorageError::Damaged("a size below zero".into()))
}

fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn read_parts(text: &str) -> Result<Vec<Piece>, StorageError> {
    let damaged = || StorageError::Damaged("an upload's pieces".into());
    let all = text.split(',').filter(|part| !part.is_empty());
    all.map(|part| {
        let (bytes, name) = part.split_once(':').ok_or_else(damaged)?;
        Ok(Piece {
            bytes: bytes.parse().map_err(|_| damaged())?,
            name: name.to_owned(),
        })
    })
    .collect()
}

fn parts(pieces: &[Piece]) -> String {
    let all = pieces.iter().map(|p| format!("{}:{}", p.bytes, p.name));
    all.collect::<Vec<_>>().join(",")
}

/// Runs inside the transaction that `conn` is in.
pub(crate) async fn change(
    conn: &mut Conn<'_>,
    work: &FileWork,
    late: &mut Late,
) -> Result<Committed, StorageError> {
    let mut done = Committed {
        files: apply(conn, work).await?,
        ..Committed::default()
    };
    if done.files > 0 {
        done.audit = late.record(&work.audit);
    }
    Ok(done)
}

async fn apply(conn: &mut Conn<'_>, work: &FileWork) -> Result<u64, StorageError> {
    let statement = match &work.change {
        FileChange::Keep { blob, new, upload } => {
            let there = if *new {
                add(conn, blob, work.at).await?
            } else {
                unmark(conn, blob).await?
            };
            if there == 0 {
                return Ok(0);
            }
            return put(conn, upload).await;
        }
        FileChange::Adopt(blob) => return add(conn, blob, work.at).await,
        FileChange::Begin(upload) => return put(conn, upload).await,
        FileChange::Part {
            id,
            before,
            piece,
            ends_at,
        } => {
            let after = [before.as_slice(), std::slice::from_ref(piece)].concat();
            sql(
                "UPDATE kernel__uploads SET parts = $1, ends_at = $2 \
                 WHERE id = $3 AND parts = $4 AND digest IS NULL AND ends_at > $5",
                [
                    parts(&after).into(),
                    (*ends_at).into(),
                    id.as_str().into(),
                    parts(before).into(),
                    work.at.into(),
                ],
            )
        }
        FileChange::End { id } => sql(
            "DELETE FROM kernel__uploads WHERE id = $1",
            [id.as_str().into()],
        ),
        FileChange::Scanned {
            digest,
            owner,
            state,
            finding,
        } => sql(
            "UPDATE kernel__blobs SET state = $1, finding = $2 WHERE digest = $3 AND owner = $4",
            [
                state.word().into(),
                finding.clone().into(),
                digest.as_str().into(),
                owner.as_str().into(),
            ],
        ),
        FileChange::Mark {
            digest,
            owner,
            unused,
        } => sql(
            "UPDATE kernel__blobs SET unused_since = $1 WHERE digest = $2 AND owner = $3",
            [
                unused.then_some(work.at).into(),
                digest.as_str().into(),
                owner.as_str().into(),
            ],
        ),
        FileChange::Remove {
            digest,
            owner,
            marked,
        } => sql(
            "DELETE FROM kernel__blobs WHERE digest = $1 AND owner = $2 AND unused_since = $3 \
             AND NOT EXISTS (SELECT 1 FROM kernel__uploads WHERE digest = $1 AND owner = $2)",
            [
                digest.as_str().into(),
                owner.as_str().into(),
                (*marked).into(),
            ],
        ),
    };
    conn.execute(statement)
        .await
        .map_err(StorageError::db("changing what is known of files"))
}

/// Of two that add the same at once the first one's place stays.
async fn add(conn: &mut Conn<'_>, blob: &Blob, at: i64) -> Result<u64, StorageError> {
    conn.execute(sql(
        "INSERT INTO kernel__blobs (digest, owner, place, size, media, state, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (digest, owner) DO UPDATE SET unused_since = NULL",
        [
            blob.digest.as_str().into(),
            blob.owner.as_str().into(),
            blob.place.as_str().into(),
            number(blob.size).into(),
            blob.media.as_str().into(),
            blob.state.word().into(),
            at.into(),
        ],
    ))
    .await
    .map_err(StorageError::db("listing a blob"))
}

async fn unmark(conn: &mut Conn<'_>, blob: &Blob) -> Result<u64, StorageError> {
    conn.execute(sql(
        "UPDATE kernel__blobs SET unused_since = NULL \
         WHERE digest = $1 AND owner = $2 AND place = $3",
        [
            blob.digest.as_str().into(),
            blob.owner.as_str().into(),
            blob.place.as_str().into(),
        ],
    ))
    .await
    .map_err(StorageError::db("using a blob again"))
}

/// Takes the mark off every copy of a blob; false when there is none.
pub(crate) async fn name(conn: &mut Conn<'_>, digest: &str) -> Result<bool, StorageError> {
    conn.execute(sql(
        "UPDATE kernel__blobs SET unused_since = NULL WHERE digest = $1",
        [digest.into()],
    ))
    .await
    .map(|rows| rows > 0)
    .map_err(StorageError::db("naming a blob"))
}

async fn put(conn: &mut Conn<'_>, upload: &Upload) -> Result<u64, StorageError> {
    conn.execute(sql(
        "INSERT INTO kernel__uploads (id, owner, user_id, name, size, parts, digest, ends_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, parts = excluded.parts, \
         digest = excluded.digest, \
         ends_at = excluded.ends_at",
        [
            upload.id.as_str().into(),
            upload.owner.as_str().into(),
            upload.user.as_str().into(),
            upload.name.as_str().into(),
            number(upload.size).into(),
            parts(&upload.parts).into(),
            upload.digest.clone().into(),
            upload.ends_at.into(),
        ],
    ))
    .await
    .map_err(StorageError::db("keeping an upload"))
}
