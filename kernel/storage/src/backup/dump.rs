//! Writing a backup.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kernel_crypto::recovery::Secret;
use serde_json::{Value as Json, json};

use super::frames::{PIECE, TableFrame, Writer};
use super::{BackupError, Contents, Manifest, Summary, check, file_error, sync_folder};
use crate::backend::{Conn, Row, built};
use crate::inspect::{self, Type};
use crate::schema::Registry;
use crate::schemas::declarations;
use crate::{BlobStore, StorageError, Store, contents, migrate, search};

/// What to back up besides the tables, and how to lock it.
pub struct Backup<'a> {
    pub id: String,
    /// Microseconds since 1970, UTC.
    pub at: i64,
    /// Of this program.
    pub version: &'a str,
    pub secret: Secret<'a>,
    /// The key ring's folder.
    pub keys: &'a Path,
    pub blobs: &'a BlobStore,
}

/// The table that the file's head and the restoring build stand for.
const MIGRATIONS: &str = "kernel__migrations";
/// Says which blobs there are.
const BLOBS: &str = "kernel__blobs";
/// Comes first: it says which other tables there are.
const SCHEMA: &str = "kernel__schema";

impl Store {
    /// Writes everything to `out`, reads it back, and only then gives it its name. The platform
    /// may serve meanwhile: the tables are read in one snapshot. Blocks on the file.
    pub async fn backup(&self, job: &Backup<'_>, out: &Path) -> Result<Summary, BackupError> {
        if out.exists() {
            return Err(BackupError::Exists(out.to_owned()));
        }
        let part = part(out);
        let made = self.write(job, &part).await;
        let made = made.and_then(|(contents, missing)| {
            let summary = Summary {
                missing,
                ..check(&part, Some(job.secret))?
            };
            if summary.contents != contents {
                return Err(BackupError::Differs("what reads back".into()));
            }
            // Not over a file that came meanwhile.
            fs::hard_link(&part, out).map_err(file_error(out))?;
            Ok(summary)
        });
        // Whole or not at all: the draft is never left.
        let removed = fs::remove_file(&part).map_err(file_error(&part));
        let summary = made?;
        removed?;
        sync_folder(out.parent().unwrap_or(Path::new(".")))?;
        Ok(summary)
    }

    /// What is in it, and the places of blobs that are not.
    async fn write(
        &self,
        job: &Backup<'_>,
        path: &Path,
    ) -> Result<(Contents, BTreeSet<String>), BackupError> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(file_error(path))?;
        let mut out = Writer::new(path, file, job.secret)?;
        let mut found = Contents::default();

        let mut snapshot = self.db().snapshot().await?;
        let mut conn = snapshot.conn();
        out.manifest(&Manifest {
            id: job.id.clone(),
            at: job.at,
            version: job.version.to_owned(),
            engine: self.engine().name().to_owned(),
            migrations: migrate::applied(&mut conn).await?,
        })?;
        let mut names = inspect::tables(&mut conn).await?;
        names.retain(|name| name != MIGRATIONS && !name.starts_with(search::TABLES));
        names.sort_by_key(|name| name != SCHEMA);
        let mut missing = if names.iter().any(|name| name == BLOBS) {
            listed(&mut conn).await?
        } else {
            BTreeSet::new()
        };
        for name in names {
            let rows = table(&mut conn, &name, &mut out).await?;
            found.tables.insert(name, rows);
        }
        let registry = Registry::of(&declarations(&mut conn, self.keys()).await?);
        found.collections = contents::contents(&mut conn, &registry, self.keys()).await?;
        drop(snapshot);

        for (name, path) in key_files(job.keys)? {
            out.file(&name)?;
            found.files += 1;
            found.bytes += copy(&path, &mut out)?;
        }
        for name in job.blobs.places().await? {
            // Collected since it was listed: then no record of the snapshot names it.
            let Some(bytes) = job.blobs.sealed(&name).await? else {
                continue;
            };
            missing.remove(&name);
            out.file(&format!("blobs/{name}"))?;
            found.files += 1;
            found.bytes += bytes.len() as u64;
            for piece in bytes.chunks(PIECE) {
                out.data(piece)?;
            }
        }
        out.finish(&found)?;
        if !missing.is_empty() {
            // What was collected meanwhile is listed no more.
            let still = listed(&mut self.db().snapshot().await?.conn()).await?;
            missing.retain(|place| still.contains(place));
        }
        Ok((found, missing))
    }
}

/// The places of all blobs that somebody has.
async fn listed(conn: &mut Conn<'_>) -> Result<BTreeSet<String>, StorageError> {
    let mut places = BTreeSet::new();
    let all = built(format!("SELECT place FROM {BLOBS}"), Vec::new());
    conn.each(all, "listing blobs", |row| {
        places.insert(row.string(0)?);
        Ok::<_, StorageError>(())
    })
    .await?;
    Ok(places)
}

async fn table(conn: &mut Conn<'_>, name: &str, out: &mut Writer) -> Result<u64, BackupError> {
    let found = inspect::table(conn, name).await?;
    let frame = TableFrame {
        name: found.name,
        columns: found.columns,
        key: found.key,
    };
    out.table(&frame)?;
    let list = |names: &mut dyn Iterator<Item = &String>| {
        let quoted: Vec<String> = names.map(|n| inspect::quoted(n)).collect();
        quoted.join(", ")
    };
    let order = if frame.key.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {}", list(&mut frame.key.iter()))
    };
    let text = format!(
        "SELECT {} FROM {}{order}",
        list(&mut frame.columns.iter().map(|(n, _)| n)),
        inspect::quoted(name)
    );
    let mut rows = 0;
    conn.each(built(text, Vec::new()), "reading a table", |row| {
        let values = frame.columns.iter().enumerate();
        let values: Result<Vec<Json>, StorageError> = values
            .map(|(index, (_, kind))| plain(&row, index, *kind))
            .collect();
        rows += 1;
        out.row(&values?)
    })
    .await?;
    Ok(rows)
}

/// A value in words of no engine.
fn plain(row: &Row, index: usize, kind: Type) -> Result<Json, StorageError> {
    let value = match kind {
        Type::Integer => row.integer(index)?.map(Json::from),
        Type::Text => row.text(index)?.map(Json::from),
        Type::Uuid => row.uuid(index)?.map(Json::from),
        Type::Bool => row.boolean(index)?.map(Json::from),
        Type::Bytes => row.bytes(index)?.map(|b| json!({"b": BASE64.encode(b)})),
    };
    Ok(value.unwrap_or(Json::Null))
}

/// The ring's files by their names in the backup: locks and drafts are none of it.
fn key_files(folder: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(file_error(folder))? {
        let path = entry.map_err(file_error(folder))?.path();
        let left_out = path.extension().is_some_and(|e| e == "lock" || e == "new");
        if let Some(name) = path.file_name().and_then(|n| n.to_str())
            && path.is_file()
            && !left_out
        {
            files.push((format!("keys/{name}"), path));
        }
    }
    files.sort();
    Ok(files)
}

fn copy(path: &Path, out: &mut Writer) -> Result<u64, BackupError> {
    let mut file = fs::File::open(path).map_err(file_error(path))?;
    let mut total = 0;
    loop {
        let mut piece = Vec::new();
        let read = (&mut file)
            .take(PIECE as u64)
            .read_to_end(&mut piece)
            .map_err(file_error(path))?;
        if read == 0 {
            return Ok(total);
        }
        total += read as u64;
        out.data(&piece)?;
    }
}

fn part(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
