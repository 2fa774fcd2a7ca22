//! Files that records hold, opened where they stand.
//!
//! The right to read a file is the right to read the field of the record that names it, asked anew
//! each time, and whatever the module says besides. It is named by record, field and digest, so that what is opened is what was shown.

use std::ops::Range;

use kernel_identity::principal::Principal;
use kernel_storage::{Blob, BlobState, FileChange, old_digest};
use sdk_contract::def::Level;
use sdk_contract::error::{FILE_COLLECTED, Fault, FaultKind};
use sdk_contract::page::Place;
use serde_json::{Value, json};

use crate::Host;
use crate::mask::needs_clearance;
use crate::reads::{Readable, ask, readable, storage};
use crate::uploads::{digest, file_field, items, unavailable};
use crate::values::word;
use crate::{reads, sniff};

/// A file that somebody may read now.
#[derive(Debug, Clone)]
pub struct RecordFile {
    /// SM3 of its bytes, hex.
    pub digest: String,
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What it is by its content.
    pub media: String,
    at: Place,
    place: String,
    /// Whether each reading is recorded: in what is audited, of level L3 and above, or masked for
    /// some.
    pub recorded: bool,
}

impl Host {
    /// A file of a record: the one with this digest, which may be one that the field had before, or the
    /// only one that is in it. Who may read the history may open what it names, as the field may be
    /// read now.
    pub async fn file(
        &self,
        p: &Principal,
        at: Place,
        wanted: Option<&str>,
    ) -> Result<RecordFile, Fault> {
        let catalog = self.catalog();
        let readable = readable(&catalog, p, &at.collection)?;
        let field = file_field(readable.collection, &at.field).ok_or_else(Fault::not_found)?;
        let record = self.store().get(&readable.name, &at.id, &readable.rows);
        let mut record = record.await.map_err(|e| ask(&e))?;
        let is_there = record.is_some();
        if !is_there {
            // Of one that was deleted and is kept there is the history.
            let kept = self
                .store()
                .get_kept(&readable.name, &at.id, &readable.rows);
            record = kept.await.map_err(|e| ask(&e))?;
        }
        let record = record.ok_or_else(Fault::not_found)?;
        if readable.sight(p).hides(&field.name, &record) {
            needs_clearance(readable.def, field, p)?;
            let label = &field.label.zh;
            return Err(Fault::forbidden(format!("您不能查看{label}")));
        }
        let (installed, c) = catalog
            .collection(&at.collection)
            .ok_or_else(Fault::not_found)?;
        installed.module.may_open(p, &c.name, &record)?;
        let value = record.get(&field.name).filter(|_| is_there);
        let mut files = items(value.unwrap_or(&Value::Null))
            .filter(|f| digest(f).is_some() && (wanted.is_none() || digest(f) == wanted));
        let recorded =
            readable.collection.audited || field.mask.is_some() || field.level >= Some(Level::L3);
        match (files.next(), wanted) {
            (Some(_), None) if files.next().is_some() => Err(Fault::not_found()),
            (Some(file), _) => self.record_file(file, at, recorded).await,
            (None, Some(wanted)) if readable.collection.audited => {
                let file = self.past_file(&readable, &at, wanted).await?;
                self.past_record_file(&file, at, recorded).await
            }
            (None, _) => Err(Fault::not_found()),
        }
    }

    /// A file that a field of a record had before, by its history.
    async fn past_file(
        &self,
        readable: &Readable<'_>,
        at: &Place,
        wanted: &str,
    ) -> Result<Value, Fault> {
        let changes = self.store().changes(&readable.name, &at.id).await;
        let changes = changes.map_err(|e| storage(&e))?;
        let versions = changes
            .iter()
            .flat_map(|c| c.before.iter().chain([&c.after]));
        let values = versions.filter_map(|version| version.get(&at.field));
        let mut files = values.flat_map(items);
        let file = files.find(|file| digest(file) == Some(wanted));
        file.cloned().ok_or_else(Fault::not_found)
    }

    /// The same to be read. What was removed when the history did not yet keep its files stays gone.
    async fn past_record_file(
        &self,
        file: &Value,
        at: Place,
        recorded: bool,
    ) -> Result<RecordFile, Fault> {
        if self.is_collected(digest(file).unwrap_or_default()).await? {
            let what = "该历史文件已清理，仅保留文件名和摘要";
            return Err(Fault::new(FaultKind::NotFound, FILE_COLLECTED, what));
        }
        self.record_file(file, at, recorded).await
    }

    /// Whether nobody's copy of a file is kept any more.
    pub(crate) async fn is_collected(&self, digest: &str) -> Result<bool, Fault> {
        let copies = self.store().blobs(digest).await;
        Ok(copies.map_err(|e| storage(&e))?.is_empty())
    }

    /// A file that a record names and somebody may read.
    pub(crate) async fn record_file(
        &self,
        file: &Value,
        at: Place,
        recorded: bool,
    ) -> Result<RecordFile, Fault> {
        let blob = self
            .openable(digest(file).ok_or_else(Fault::not_found)?)
            .await?;
        Ok(RecordFile {
            name: file.as_object().map_or("", |f| word(f, "name")).to_owned(),
            digest: blob.digest,
            size: blob.size,
            media: blob.media,
            place: blob.place,
            recorded,
            at,
        })
    }

    /// Part of a file's bytes, as far as there are any.
    pub async fn file_part(&self, file: &RecordFile, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        let part = self.blobs().range(&file.place, range).await;
        part.map_err(|e| unavailable(&e))?
            .ok_or_else(|| missing(&file.digest))
    }

    /// Records that a file is about to be read, where that is to be recorded.
    pub async fn file_is_read(&self, p: &Principal, file: &RecordFile) -> Result<(), Fault> {
        if !file.recorded {
            return Ok(());
        }
        let detail = json!({
            "collection": file.at.collection, "field": file.at.field, "digest": file.digest,
        });
        let call = self.call(p)?;
        let party = self.party(&file.at.collection, &file.at.id).await?;
        call.seen.parties(party.as_deref());
        self.audit(&call, "file.read", &file.at.id, "ok", detail)
            .await
    }

    /// A copy of these bytes that may be opened. Whose it is makes no difference: they are the same.
    pub(crate) async fn openable(&self, digest: &str) -> Result<Blob, Fault> {
        let all = self.store().blobs(digest).await.map_err(|e| storage(&e))?;
        let is = |state| all.iter().any(|blob| blob.state == state);
        if is(BlobState::Quarantined) {
            return Err(Fault::new(
                FaultKind::Forbidden,
                "file-quarantined",
                "该文件未通过安全检查，已隔离，不能打开",
            ));
        }
        let clear = all.iter().find(|blob| blob.state == BlobState::Clear);
        match clear {
            Some(blob) => Ok(blob.clone()),
            None if all.is_empty() => Err(missing(digest)),
            None => Err(Fault::new(
                FaultKind::Unavailable,
                "file-waiting",
                "该文件正在等待安全检查，请稍后再试",
            )),
        }
    }

    /// All bytes of a file that an action was given.
    pub(crate) async fn upload(&self, digest: &str) -> Result<Vec<u8>, Fault> {
        let blob = self.openable(digest).await?;
        let bytes = self.blobs().get(&blob.place).await;
        bytes
            .map_err(|e| unavailable(&e))?
            .ok_or_else(|| missing(digest))
    }

    /// Lists the blobs of before blobs were listed, which are nobody's uploads, and moves what lies in
    /// the data folder where files lie now.
    pub(crate) async fn adopt_files(&self) -> Result<(), Fault> {
        let Some(folder) = self.blobs().in_folder().map_err(|e| unavailable(&e))? else {
            return Ok(());
        };
        let places = folder.places().await.map_err(|e| unavailable(&e))?;
        for place in places {
            let Some(digest) = old_digest(&place) else {
                continue;
            };
            let known = self.store().blob(&digest, "").await;
            if known.map_err(|e| storage(&e))?.is_some() {
                continue;
            }
            let bytes = match folder.get(&place).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(error = reads::chain(&error), place, "a blob is not listed");
                    continue;
                }
            };
            let blob = Blob {
                digest,
                owner: String::new(),
                place,
                size: bytes.len() as u64,
                media: sniff::media(&bytes).unwrap_or(sniff::UNKNOWN).to_owned(),
                state: BlobState::Clear,
                finding: None,
                unused_since: None,
            };
            self.change_files(FileChange::Adopt(blob), Vec::new())
                .await?;
        }
        let moved = self.blobs().gather().await.map_err(|e| unavailable(&e))?;
        if moved > 0 {
            tracing::info!(moved, "files of the data folder are in the bucket now");
        }
        Ok(())
    }
}

/// A record names it, and it is gone: a loss.
fn missing(digest: &str) -> Fault {
    tracing::error!(digest, "a file that is named is not in the blob store");
    Fault::new(
        FaultKind::Unavailable,
        "file-missing",
        "文件暂时无法读取，请联系平台运维",
    )
}
