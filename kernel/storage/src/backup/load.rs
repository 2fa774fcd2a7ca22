//! Restoring a backup into a new place.
//!
//! Nothing is visible before the last byte was found authentic and every row in place. The data
//! folder is made under another name beside its own, `.<name>.restoring`, and renamed when it is
//! complete. `SQLite` is a file in it; `PostgreSQL` is filled in one transaction, and so that the two
//! cannot come apart, the folder then holds the mark [`RESTORING`] from before its renaming until after
//! the commit, and a platform must not open a folder with that mark. Restoring again, after a crash
//! at any moment, ends what was begun.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kernel_crypto::keys::KeyRing;
use kernel_crypto::recovery::Secret;
use sea_query::Value;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::frames::{Frame, Reader, TableFrame};
use super::{BackupError, Contents, Counted, Manifest, Summary, digest, file_error, sync_folder};
use crate::backend::{Conn, Db, Transaction, built, sql};
use crate::inspect::{self, Found, Type};
use crate::schema::Registry;
use crate::schemas::restored;
use crate::{AuditDraft, StorageError, audit, contents, ddl, migrate, plan};

/// Name of the mark of a folder whose database is not yet restored.
pub const RESTORING: &str = "RESTORING";

/// Rows in one statement; with their values below what the engines bind.
const ROWS: usize = 200;
const BOUND: usize = 16_000;

/// Where the restored database comes to.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file of this name in the data folder.
    Sqlite(String),
    /// The address of an empty database.
    Postgres(String),
}

/// What to restore, and where to.
pub struct Restore<'a> {
    pub file: &'a Path,
    pub secret: Option<Secret<'a>>,
    /// Must not exist, or be empty.
    pub data: &'a Path,
    pub database: Database,
    /// Microseconds since 1970, UTC; of the audit record that says so.
    pub at: i64,
}

/// Restores everything, or changes nothing that shows. The restored audit chain goes on with one
/// record, `kernel.restore`, that names the backup.
pub async fn restore(job: &Restore<'_>) -> Result<Summary, BackupError> {
    let mut reader = Reader::open(job.file, job.secret)?;
    let manifest = reader.manifest()?;
    if manifest.migrations > migrate::KNOWN {
        return Err(BackupError::Newer(manifest.migrations));
    }
    let stage = Stage::new(job.data)?;
    let db = match &job.database {
        Database::Sqlite(name) => Db::sqlite_loading(&stage.path.join(name)).await?,
        Database::Postgres(url) => Db::Pg(Db::postgres(url).await?),
    };
    let loaded = load(job, &stage, &db, &mut reader, &manifest).await;
    let contents = match loaded {
        Ok(Loaded::Now(tx, contents)) => {
            let commit = async {
                tx.commit().await?;
                db.close();
                Ok::<(), StorageError>(())
            };
            match job.database {
                Database::Sqlite(_) => {
                    commit.await?;
                    stage.publish(job.data)?;
                }
                Database::Postgres(_) => {
                    stage.mark(&manifest.id)?;
                    stage.publish(job.data)?;
                    commit.await?;
                    unmark(job.data)?;
                }
            }
            contents
        }
        Ok(Loaded::Before(contents)) => {
            db.close();
            unmark(job.data)?;
            contents
        }
        Err(error) => {
            db.close();
            return Err(error);
        }
    };
    let (size, digest) = digest(job.file)?;
    Ok(Summary {
        manifest,
        contents,
        size,
        digest,
        missing: BTreeSet::new(),
    })
}

enum Loaded {
    Now(Transaction, Contents),
    /// The database was filled by a restore of this backup that ended before its folder was ready.
    Before(Contents),
}

async fn load(
    job: &Restore<'_>,
    stage: &Stage,
    db: &Db,
    reader: &mut Reader,
    manifest: &Manifest,
) -> Result<Loaded, BackupError> {
    let mut tx = db.begin().await?;
    let before = !inspect::tables(&mut tx.conn()).await?.is_empty();
    let ours = stage.left.as_ref() == Some(&manifest.id);
    if before && !(ours && restored_last(&mut tx.conn(), &manifest.id).await?) {
        return Err(BackupError::NotEmpty("the database".into()));
    }
    let mut counted = Counted::default();
    let mut open: Option<Rows> = None;
    let mut file: Option<File> = None;
    let mut made = false;
    let contents = loop {
        match reader.next()? {
            Frame::Table(table) => {
                if let Some(rows) = open.take() {
                    rows.end(&mut tx.conn()).await?;
                }
                counted.table(&table.name);
                if !before {
                    if !made && table.name != SCHEMA {
                        make_tables(&mut tx.conn()).await?;
                        made = true;
                    } else if table.name == SCHEMA {
                        migrate::run_to(&mut tx.conn(), manifest.migrations).await?;
                    }
                    open = Some(Rows::new(&mut tx.conn(), &table).await?);
                }
            }
            Frame::Row(row) => {
                counted.row();
                if let Some(rows) = &mut open {
                    rows.push(&mut tx.conn(), row).await?;
                }
            }
            Frame::File(name) => {
                if let Some(rows) = open.take() {
                    rows.end(&mut tx.conn()).await?;
                }
                finish_file(file.take())?;
                counted.found.files += 1;
                file = Some(stage.create(&name)?);
            }
            Frame::Data(bytes) => {
                counted.found.bytes += bytes.len() as u64;
                let written = file.as_mut().map(|f| f.write_all(&bytes));
                written
                    .ok_or_else(|| reader.damaged("bytes of no file"))?
                    .map_err(file_error(&stage.path))?;
            }
            Frame::Manifest(_) => return Err(reader.damaged("a second manifest")),
            Frame::End(contents) => break contents,
        }
    };
    reader.at_end()?;
    if let Some(rows) = open.take() {
        rows.end(&mut tx.conn()).await?;
    }
    finish_file(file.take())?;
    counted.compare(&contents)?;
    verify(job, stage, &mut tx.conn(), &contents).await?;
    if before {
        return Ok(Loaded::Before(contents));
    }
    for module in restored(&mut tx.conn()).await? {
        let engine = tx.conn().engine();
        let guards = plan::guards(&module);
        for statement in guards.iter().flat_map(|s| ddl::statements(engine, s)) {
            let done = tx.conn().execute(built(statement, Vec::new())).await;
            done.map_err(StorageError::db("guarding a module's tables"))?;
        }
    }
    let record = AuditDraft {
        at: job.at,
        actor: "kernel".into(),
        action: RESTORED.into(),
        object: manifest.id.clone(),
        outcome: "ok".into(),
        detail: json!({ "tables": contents.tables.len(), "files": contents.files }),
        ..AuditDraft::default()
    };
    audit::append_first(&mut tx.conn(), &[record]).await?;
    Ok(Loaded::Now(tx, contents))
}

const SCHEMA: &str = "kernel__schema";
const RESTORED: &str = "kernel.restore";

/// Whether the last thing that happened in the database was a restore of this backup.
async fn restored_last(conn: &mut Conn<'_>, id: &str) -> Result<bool, StorageError> {
    let row = conn
        .row(sql(
            "SELECT action, object FROM kernel__audit ORDER BY seq DESC LIMIT 1",
            [],
        ))
        .await
        .map_err(StorageError::db("looking for an earlier restore"))?;
    let Some(row) = row else { return Ok(false) };
    Ok(row.string(0)? == RESTORED && row.string(1)? == id)
}

/// Makes the modules' tables as their declarations, just restored, say.
async fn make_tables(conn: &mut Conn<'_>) -> Result<(), BackupError> {
    for module in restored(conn).await? {
        let steps =
            plan::create(&module).map_err(|reasons| BackupError::Tables(reasons.join(" ")))?;
        let engine = conn.engine();
        for statement in steps.iter().flat_map(|s| ddl::statements(engine, s)) {
            conn.execute(built(statement, Vec::new()))
                .await
                .map_err(StorageError::db("making a module's tables"))?;
        }
    }
    Ok(())
}

/// Every collection has the digest it had.
async fn verify(
    job: &Restore<'_>,
    stage: &Stage,
    conn: &mut Conn<'_>,
    expected: &Contents,
) -> Result<(), BackupError> {
    let passphrase = match job.secret {
        Some(Secret::Passphrase(passphrase)) => Some(passphrase),
        _ => None,
    };
    let folder = stage.path.join("keys");
    let keys = KeyRing::open_or_create(&folder, passphrase).map_err(BackupError::Keys)?;
    let registry = Registry::of(&restored(conn).await?);
    let found = contents::contents(conn, &registry, &Arc::new(keys)).await?;
    let differs: Vec<&str> = expected
        .collections
        .iter()
        .filter(|(name, content)| found.get(*name) != Some(content))
        .map(|(name, _)| name.as_str())
        .collect();
    if differs.is_empty() && found.len() == expected.collections.len() {
        Ok(())
    } else {
        Err(BackupError::Differs(differs.join(", ")))
    }
}

/// Rows of one table on their way in, some at a time.
struct Rows {
    table: Found,
    types: Vec<Type>,
    /// Rows of one full statement.
    most: usize,
    waiting: Vec<Vec<Value>>,
}

impl Rows {
    /// Finds the table, or makes what is missing of it: a table or column that no declaration
    /// names any more still holds data.
    async fn new(conn: &mut Conn<'_>, frame: &TableFrame) -> Result<Self, BackupError> {
        let engine = conn.engine();
        let is = inspect::table(conn, &frame.name).await?;
        let name = inspect::quoted(&frame.name);
        let define = |(name, kind): &(String, Type)| {
            format!("{} {}", inspect::quoted(name), kind.declared(engine))
        };
        let missing: Vec<_> = frame
            .columns
            .iter()
            .filter(|(column, _)| !is.columns.iter().any(|(c, _)| c == column))
            .collect();
        let statements = if is.columns.is_empty() {
            let mut parts: Vec<String> = frame.columns.iter().map(define).collect();
            if !frame.key.is_empty() {
                let key: Vec<String> = frame.key.iter().map(|k| inspect::quoted(k)).collect();
                parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
            }
            vec![format!("CREATE TABLE {name} ({})", parts.join(", "))]
        } else {
            missing
                .iter()
                .map(|column| format!("ALTER TABLE {name} ADD COLUMN {}", define(column)))
                .collect()
        };
        for statement in statements {
            conn.execute(built(statement, Vec::new()))
                .await
                .map_err(StorageError::db("making a table again"))?;
        }
        let is = inspect::table(conn, &frame.name).await?;
        let known: BTreeMap<&String, Type> = is.columns.iter().map(|(n, t)| (n, *t)).collect();
        let types = frame.columns.iter().map(|(column, _)| known.get(column));
        let types = types
            .map(Option::<&Type>::copied)
            .collect::<Option<Vec<Type>>>();
        Ok(Self {
            types: types.ok_or_else(|| BackupError::Tables(frame.name.clone()))?,
            most: (BOUND / frame.columns.len().max(1)).clamp(1, ROWS),
            table: Found {
                name: frame.name.clone(),
                columns: frame.columns.clone(),
                key: Vec::new(),
            },
            waiting: Vec::new(),
        })
    }

    async fn push(&mut self, conn: &mut Conn<'_>, row: Vec<Json>) -> Result<(), BackupError> {
        let values: Option<Vec<Value>> = row
            .into_iter()
            .zip(&self.types)
            .map(|(json, kind)| bound(json, *kind))
            .collect();
        let values = values.filter(|v| v.len() == self.types.len());
        let values = values.ok_or_else(|| {
            BackupError::Tables(format!("a row of {} does not fit", self.table.name))
        })?;
        self.waiting.push(values);
        if self.waiting.len() >= self.most {
            self.insert(conn).await?;
        }
        Ok(())
    }

    async fn end(mut self, conn: &mut Conn<'_>) -> Result<(), BackupError> {
        if !self.waiting.is_empty() {
            self.insert(conn).await?;
        }
        Ok(())
    }

    async fn insert(&mut self, conn: &mut Conn<'_>) -> Result<(), StorageError> {
        let columns = self.table.columns.iter();
        let columns: Vec<String> = columns.map(|(n, _)| inspect::quoted(n)).collect();
        let mut next = 0_usize;
        let rows: Vec<String> = self
            .waiting
            .iter()
            .map(|row| {
                let marks: Vec<String> = row
                    .iter()
                    .map(|_| {
                        next += 1;
                        format!("${next}")
                    })
                    .collect();
                format!("({})", marks.join(", "))
            })
            .collect();
        let text = format!(
            "INSERT INTO {} ({}) VALUES {}",
            inspect::quoted(&self.table.name),
            columns.join(", "),
            rows.join(", ")
        );
        let values = self.waiting.drain(..).flatten().collect();
        conn.execute(built(text, values))
            .await
            .map(drop)
            .map_err(StorageError::db("restoring rows"))
    }
}

/// A value of a backup as a column of this type takes it.
fn bound(json: Json, kind: Type) -> Option<Value> {
    let value = match (kind, json) {
        (Type::Integer, Json::Null) => Value::BigInt(None),
        (Type::Integer, json) => Value::BigInt(Some(json.as_i64()?)),
        (Type::Text, Json::Null) => Value::String(None),
        (Type::Text, Json::String(text)) => Value::String(Some(text)),
        (Type::Uuid, Json::Null) => Value::Uuid(None),
        (Type::Uuid, json) => Value::Uuid(Some(Uuid::parse_str(json.as_str()?).ok()?)),
        (Type::Bool, Json::Null) => Value::Bool(None),
        (Type::Bool, json) => Value::Bool(Some(json.as_bool()?)),
        (Type::Bytes, Json::Null) => Value::Bytes(None),
        (Type::Bytes, json) => Value::Bytes(Some(BASE64.decode(json.get("b")?.as_str()?).ok()?)),
        _ => return None,
    };
    Some(value)
}

/// The data folder while it is made: beside its final place, locked, removed unless published.
struct Stage {
    path: PathBuf,
    /// Id of the backup whose restore was killed and left the final folder with its mark.
    left: Option<String>,
    published: std::cell::Cell<bool>,
    _lock: File,
}

impl Stage {
    fn new(data: &Path) -> Result<Self, BackupError> {
        let left = fs::read_to_string(data.join(RESTORING)).ok();
        let empty = match fs::read_dir(data) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(file_error(data)(error)),
        };
        let (Some(name), true) = (data.file_name(), empty || left.is_some()) else {
            return Err(BackupError::NotEmpty(data.display().to_string()));
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".restoring");
        let path = data.with_file_name(hidden);
        private_folder(&path)?;
        let lock = File::open(&path).map_err(file_error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Running(data.to_owned())),
            Err(TryLockError::Error(error)) => return Err(file_error(&path)(error)),
        }
        // What a killed restore left there.
        for entry in fs::read_dir(&path).map_err(file_error(&path))? {
            remove(&entry.map_err(file_error(&path))?.path())?;
        }
        Ok(Self {
            path,
            left,
            published: false.into(),
            _lock: lock,
        })
    }

    /// A new file of the backup; its name may only lead to where backups have files.
    fn create(&self, name: &str) -> Result<File, BackupError> {
        let relative = Path::new(name);
        let plain = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain || !(name.starts_with("keys/") || name.starts_with("blobs/")) {
            return Err(BackupError::Tables(format!("a file called {name}")));
        }
        let path = self.path.join(relative);
        private_folder(path.parent().unwrap_or(&self.path))?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(file_error(&path))
    }

    fn mark(&self, id: &str) -> Result<(), BackupError> {
        let path = self.path.join(RESTORING);
        File::create(&path)
            .and_then(|mut file| file.write_all(id.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(file_error(&path))
    }

    /// Gives the folder its name.
    fn publish(&self, data: &Path) -> Result<(), BackupError> {
        sync_all(&self.path)?;
        if self.left.is_some() {
            remove(data)?;
        }
        // Takes the place of an empty folder, too.
        fs::rename(&self.path, data).map_err(file_error(data))?;
        self.published.set(true);
        sync_folder(data.parent().unwrap_or(Path::new(".")))
    }
}

/// The database is there: the folder may be opened.
fn unmark(data: &Path) -> Result<(), BackupError> {
    let mark = data.join(RESTORING);
    fs::remove_file(&mark).map_err(file_error(&mark))?;
    sync_folder(data)
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.published.get() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn private_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(file_error(path))
}

fn finish_file(file: Option<File>) -> Result<(), BackupError> {
    match file {
        Some(file) => file.sync_all().map_err(file_error(Path::new("a file"))),
        None => Ok(()),
    }
}

/// Removes a file or folder, if it is there.
fn remove(path: &Path) -> Result<(), BackupError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error(path)(error)),
        _ => Ok(()),
    }
}

/// Makes the names in a folder and below durable; the files themselves are.
fn sync_all(folder: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(file_error(folder))? {
        let path = entry.map_err(file_error(folder))?.path();
        if path.is_dir() {
            sync_all(&path)?;
        }
    }
    sync_folder(folder)
}
