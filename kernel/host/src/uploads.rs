//! Uploads: judged by their content, and kept sealed until an action names them.
//!
//! A large one may come in pieces, each durable before it is acknowledged, and be gone on with after
//! whatever happened in between ([`Host::begin_upload`]).
//!
//! An upload is its uploader's: nobody else may name it, and a digest alone opens nothing. Whoever
//! may read a file in a record reads it there ([`crate::files`]).

use std::collections::BTreeSet;

use kernel_identity::principal::Principal;
use kernel_storage::{Blob, BlobState, FileChange, FileWork, Piece, Upload};
use sdk_contract::call::Write;
use sdk_contract::def::{ActionDef, CollectionDef, FieldDef, ModuleDef};
use sdk_contract::error::{Fault, FaultKind, FieldFault};
use sdk_contract::kind::Kind;
use sdk_contract::scalar::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::effects::Running;
use crate::mask::Sight;
use crate::module::{Call, new_id};
use crate::reads::{chain, storage};
use crate::{Host, sniff};

/// A stored upload, as it stands in an action's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRef {
    /// SM3 of its bytes, hex.
    pub digest: String,
    pub name: String,
    pub size: u64,
}

/// An upload in pieces, as far as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub id: String,
    /// Bytes it will have.
    pub size: u64,
    /// Bytes that are kept.
    pub offset: u64,
    /// Until then it may be gone on with, or named.
    pub ends_at: Timestamp,
    /// What an action takes as a file, once it is whole.
    pub file: Option<UploadRef>,
}

/// The largest upload.
pub(crate) const MAX_UPLOAD: usize = sdk_contract::manifest::MAX_COMPONENT_BYTES;
/// Microseconds for which an upload may be gone on with or named.
const LIFE: i64 = 24 * 3600 * 1_000_000;
/// Uploads in pieces that one user may have at once.
const OPEN: usize = 20;
/// Pieces of one upload.
const PIECES: usize = 1000;
/// Folder of pieces in the blob store.
pub(crate) const PARTS: &str = "parts";
/// How often bytes are written anew that were collected just then.
const ATTEMPTS: u32 = 3;
/// Characters of a name that are kept.
const NAME: usize = 120;

impl Host {
    /// Keeps an upload, sealed, until an action names it.
    pub async fn store_upload(
        &self,
        p: &Principal,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<UploadRef, Fault> {
        let upload = self.begun(p, name, bytes.len() as u64)?;
        self.keep(upload, bytes).await
    }

    /// Begins an upload that comes in pieces.
    pub async fn begin_upload(
        &self,
        p: &Principal,
        name: &str,
        size: u64,
    ) -> Result<Progress, Fault> {
        let upload = self.begun(p, name, size)?;
        let open = self.store().open_uploads(&upload.user, self.moment()).await;
        if open.map_err(|e| storage(&e))? >= OPEN {
            let message = format!("最多同时有 {OPEN} 个未完成的上传，请先完成或取消");
            return Err(Fault::refused("too-many-uploads", message));
        }
        if size == 0 {
            let file = self.keep(upload.clone(), Vec::new()).await?;
            return Ok(progress(upload, Some(file)));
        }
        self.change_files(FileChange::Begin(upload.clone()), Vec::new())
            .await?;
        Ok(progress(upload, None))
    }

    /// How far an upload of the principal's own is.
    pub async fn upload_progress(&self, p: &Principal, id: &str) -> Result<Progress, Fault> {
        let upload = self.own_upload(p, id).await?;
        let file = upload.digest.clone().map(|digest| UploadRef {
            digest,
            name: upload.name.clone(),
            size: upload.size,
        });
        Ok(progress(upload, file))
    }

    /// Keeps the next piece, which begins at `offset`; with the last one the upload is judged and
    /// whole. A piece that is refused leaves the upload as it was.
    pub async fn append_upload(
        &self,
        p: &Principal,
        id: &str,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<Progress, Fault> {
        let mut upload = self.own_upload(p, id).await?;
        let (received, more) = (upload.received(), bytes.len() as u64);
        if offset != received || upload.digest.is_some() {
            return Err(elsewhere(received));
        }
        if more > upload.size - received {
            return Err(wrong("too-large", "内容超出所声明的大小"));
        }
        if received + more == upload.size {
            let whole = self.assemble(&upload, bytes).await?;
            let pieces = upload.parts.clone();
            let file = self.keep(upload.clone(), whole).await?;
            self.remove_pieces(&pieces).await;
            return Ok(progress(upload, Some(file)));
        }
        if more == 0 {
            return Ok(progress(upload, None));
        }
        if upload.parts.len() >= PIECES {
            return Err(wrong("too-many", format!("最多分 {PIECES} 片上传")));
        }
        let now = self.clock().now();
        let piece = Piece {
            bytes: more,
            name: new_id(now)?,
        };
        let place = format!("{PARTS}/{}", piece.name);
        let put = self.blobs().put(&place, bytes);
        put.await.map_err(|e| unavailable(&e))?;
        let change = FileChange::Part {
            id: upload.id.clone(),
            before: upload.parts.clone(),
            piece: piece.clone(),
            ends_at: now.micros().saturating_add(LIFE),
        };
        if !self.change_files(change, Vec::new()).await? {
            // Another request was faster with the same piece, or it has ended.
            self.remove_pieces(&[piece]).await;
            return Err(elsewhere(self.own_upload(p, id).await?.received()));
        }
        upload.ends_at = now.micros().saturating_add(LIFE);
        upload.parts.push(piece);
        Ok(progress(upload, None))
    }

    /// Gives an upload up. What an action has named stays.
    pub async fn end_upload(&self, p: &Principal, id: &str) -> Result<(), Fault> {
        let upload = self.own_upload(p, id).await?;
        self.end(&upload).await
    }

    pub(crate) async fn end(&self, upload: &Upload) -> Result<(), Fault> {
        let id = upload.id.clone();
        self.change_files(FileChange::End { id }, Vec::new())
            .await?;
        self.remove_pieces(&upload.parts).await;
        Ok(())
    }

    async fn own_upload(&self, p: &Principal, id: &str) -> Result<Upload, Fault> {
        whose(p).ok_or_else(nobody)?;
        let found = self.store().upload(id).await.map_err(|e| storage(&e))?;
        let own = |u: &Upload| whose(p) == Some((&u.owner, &u.user)) && u.ends_at > self.moment();
        found.filter(own).ok_or_else(Fault::not_found)
    }

    /// The pieces of an upload and its last bytes in one.
    async fn assemble(&self, upload: &Upload, last: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let mut whole = Vec::new();
        for piece in &upload.parts {
            let bytes = self.blobs().get(&format!("{PARTS}/{}", piece.name)).await;
            let bytes = bytes.map_err(|e| unavailable(&e))?;
            // Another request has just made it whole.
            let bytes = bytes.ok_or_else(|| elsewhere(upload.size))?;
            whole.extend(bytes);
        }
        whole.extend(last);
        Ok(whole)
    }

    /// What a failure leaves there is collected later.
    async fn remove_pieces(&self, pieces: &[Piece]) {
        for piece in pieces {
            let place = format!("{PARTS}/{}", piece.name);
            if let Err(error) = self.blobs().remove(&place).await {
                tracing::warn!(error = chain(&error), place, "a piece stays for now");
            }
        }
    }

    fn moment(&self) -> i64 {
        self.clock().now().micros()
    }

    /// An upload as it begins.
    fn begun(&self, p: &Principal, name: &str, size: u64) -> Result<Upload, Fault> {
        let (owner, user) = whose(p).ok_or_else(nobody)?;
        if size > MAX_UPLOAD as u64 {
            let most = MAX_UPLOAD / 1024 / 1024;
            return Err(wrong("too-large", format!("文件不得大于 {most} MB")));
        }
        let now = self.clock().now();
        let name: String = name
            .chars()
            .filter(|c| !c.is_control())
            .take(NAME)
            .collect();
        Ok(Upload {
            id: new_id(now)?,
            owner: owner.to_owned(),
            user: user.to_owned(),
            name: match name.trim() {
                "" => "file".to_owned(),
                name => name.to_owned(),
            },
            size,
            parts: Vec::new(),
            digest: None,
            ends_at: now.micros().saturating_add(LIFE),
        })
    }

    /// Judges the whole of an upload and keeps it: once for all of its owner's with these bytes.
    async fn keep(&self, mut upload: Upload, bytes: Vec<u8>) -> Result<UploadRef, Fault> {
        let judged = tokio::task::spawn_blocking(move || {
            let media = sniff::media(&bytes)?;
            let digest = kernel_crypto::sm3::digest(&bytes).to_string();
            Ok::<_, &'static str>((media, digest, bytes))
        });
        let (media, digest, bytes) = judged
            .await
            .map_err(|_| Fault::internal("内部错误"))?
            .map_err(|why| wrong("bad-file", why))?;
        upload.name = sniff::name(&upload.name, media).map_err(|why| wrong("bad-file", why))?;
        upload.digest = Some(digest.clone());
        upload.parts.clear();
        let now = self.clock().now();
        upload.ends_at = now.micros().saturating_add(LIFE);
        let owner = upload.owner.clone();
        let stored = UploadRef {
            digest: digest.clone(),
            name: upload.name.clone(),
            size: upload.size,
        };
        for _ in 0..ATTEMPTS {
            let known = self.store().blob(&digest, &owner).await;
            let known = known.map_err(|e| storage(&e))?;
            let new = known.is_none();
            let blob = if let Some(blob) = known {
                blob
            } else {
                let place = format!("{owner}/{}", new_id(now)?);
                let put = self.blobs().put(&place, bytes.clone()).await;
                put.map_err(|e| unavailable(&e))?;
                Blob {
                    digest: digest.clone(),
                    owner: owner.clone(),
                    place,
                    size: upload.size,
                    media: media.to_owned(),
                    state: match self.scanner() {
                        Some(_) => BlobState::Waiting,
                        None => BlobState::Clear,
                    },
                    finding: None,
                    unused_since: None,
                }
            };
            if blob.state == BlobState::Quarantined {
                return Err(infected());
            }
            let place = blob.place.clone();
            let change = FileChange::Keep {
                blob,
                new,
                upload: upload.clone(),
            };
            if !self.change_files(change, Vec::new()).await? {
                // Collected between the question and the change.
                continue;
            }
            if new {
                self.yield_to_the_first(&digest, &owner, &place).await;
                self.scan_upload(&upload, &digest, bytes).await?;
            }
            return Ok(stored);
        }
        Err(Fault::new(
            FaultKind::Unavailable,
            "storage-unavailable",
            "文件暂时无法保存，请稍后再试",
        ))
    }

    /// Of two uploads of the same bytes at once, the later one's copy is nobody's. What a failure
    /// leaves there is collected later.
    async fn yield_to_the_first(&self, digest: &str, owner: &str, place: &str) {
        if let Ok(Some(first)) = self.store().blob(digest, owner).await
            && first.place != place
            && let Err(error) = self.blobs().remove(place).await
        {
            tracing::warn!(error = chain(&error), place, "a second copy stays for now");
        }
    }

    pub(crate) async fn change_files(
        &self,
        change: FileChange,
        audit: Vec<kernel_storage::AuditDraft>,
    ) -> Result<bool, Fault> {
        let at = self.clock().now().micros();
        let work = FileWork { change, at, audit };
        let done = self.store().change_files(work).await;
        done.map_err(|e| storage(&e))
    }

    /// Puts what is known of the files that an input names in place of what the caller says of
    /// them: only uploads of the caller's own, and files that stand in the action's record where
    /// the caller sees them. Gives their digests.
    pub(crate) async fn own_files(
        &self,
        call: &Call,
        def: &ModuleDef,
        action: &ActionDef,
        record: Option<&Map<String, Value>>,
        given: &mut Map<String, Value>,
    ) -> Result<BTreeSet<String>, Fault> {
        let p = &call.principal;
        let mut own = BTreeSet::new();
        let mut faults = Vec::new();
        let seen = match (record, def.collection(&action.collection)) {
            (Some(record), Some(c)) => {
                let mut seen = record.clone();
                Sight::of(def, c, p).mask(&mut seen);
                files(&c.fields, &seen).cloned().collect()
            }
            _ => Vec::new(),
        };
        for field in action.input.iter().filter(|f| is_file(f)) {
            let Some(value) = given.get_mut(&field.name) else {
                continue;
            };
            for item in items_mut(value) {
                // What has no digest is refused for its form.
                let Some(digest) = digest(item).map(str::to_owned) else {
                    continue;
                };
                let known = match seen.iter().find(|f| self::digest(f) == Some(&digest)) {
                    Some(file) => Some(file.clone()),
                    None => self.upload_of(p, &digest, call.now.micros()).await?,
                };
                let blobs = self.store().blobs(&digest).await;
                let blobs = blobs.map_err(|e| storage(&e))?;
                let found = blobs.iter().any(|b| b.state == BlobState::Quarantined);
                match known {
                    Some(_) if found => faults.push(FieldFault {
                        field: field.name.clone(),
                        ..infection()
                    }),
                    Some(known) => {
                        *item = known;
                        own.insert(digest);
                    }
                    None => faults.push(FieldFault::new(
                        &field.name,
                        "bad-file",
                        "文件已不在，或不是您上传的，请重新上传",
                    )),
                }
            }
        }
        if faults.is_empty() {
            Ok(own)
        } else {
            Err(Fault::invalid(faults))
        }
    }

    /// What is known of an upload that is the principal's own.
    async fn upload_of(
        &self,
        p: &Principal,
        digest: &str,
        now: i64,
    ) -> Result<Option<Value>, Fault> {
        let Some((owner, user)) = whose(p) else {
            return Ok(None);
        };
        let found = self.store().uploaded(digest, owner, user, now).await;
        let found = found.map_err(|e| storage(&e))?;
        Ok(found.map(|u| json!({ "digest": digest, "name": u.name, "size": u.size })))
    }
}

/// The digests of the files that a commit names, if the module may name them all: those of its
/// input, of the action's record, and those it has read in this call.
pub(crate) fn named(
    call: &Call,
    running: Running<'_>,
    writes: &[Write],
    own: BTreeSet<String>,
) -> Result<Vec<String>, Fault> {
    let def = running.def;
    let fields = |collection: &str| {
        let declared = def.collection(collection);
        declared.map_or([].as_slice(), |c| c.fields.as_slice())
    };
    if let (Some(action), Some(record)) = (running.action, running.record) {
        call.seen.record(fields(&action.collection), record);
    }
    let mut named = own;
    for write in writes {
        let (collection, values) = match write {
            Write::Insert {
                collection, values, ..
            }
            | Write::Update {
                collection, values, ..
            } => (collection, values),
            Write::Delete { .. } => continue,
        };
        for digest in files(fields(collection), values).filter_map(digest) {
            if !named.contains(digest) && !call.seen.has(digest) {
                tracing::error!(plugin = %def.id, collection, digest, blame = "plugin", "a file it was not given");
                return Err(Fault::new(
                    FaultKind::Internal,
                    "plugin.bad-write",
                    "该功能出错了，本次操作没有生效",
                ));
            }
            named.insert(digest.to_owned());
        }
    }
    Ok(named.into_iter().collect())
}

/// Whose the uploads of a principal are: the owner, and the user.
pub(crate) fn whose(p: &Principal) -> Option<(&str, &str)> {
    let user = p.user.as_deref()?;
    Some((p.organisation.as_deref().unwrap_or(user), user))
}

pub(crate) fn is_file(field: &FieldDef) -> bool {
    matches!(field.kind, Kind::File { .. })
}

/// The files in a record's file fields.
pub(crate) fn files<'v>(
    fields: &[FieldDef],
    record: &'v Map<String, Value>,
) -> impl Iterator<Item = &'v Value> {
    let values = fields.iter().filter(|f| is_file(f));
    let values: Vec<&Value> = values.filter_map(|f| record.get(&f.name)).collect();
    values.into_iter().flat_map(items)
}

/// One file or several.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    }
    .iter()
}

fn items_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    match value {
        Value::Array(all) => all.as_mut_slice(),
        one => std::slice::from_mut(one),
    }
    .iter_mut()
}

pub(crate) fn digest(file: &Value) -> Option<&str> {
    file.get("digest")?.as_str()
}

fn nobody() -> Fault {
    Fault::new(FaultKind::Forbidden, "unauthenticated", "请先登录")
}

fn progress(upload: Upload, file: Option<UploadRef>) -> Progress {
    let offset = match file {
        Some(_) => upload.size,
        None => upload.received(),
    };
    Progress {
        id: upload.id,
        size: upload.size,
        offset,
        ends_at: Timestamp::from_micros(upload.ends_at),
        file,
    }
}

fn elsewhere(received: u64) -> Fault {
    Fault::conflict(
        "upload-offset",
        format!("已收到 {received} 字节，请从那里继续"),
    )
}

fn infection() -> FieldFault {
    FieldFault::new(
        "file",
        "infected",
        "文件未通过安全检查（疑含恶意代码），已隔离，请更换文件",
    )
}

pub(crate) fn infected() -> Fault {
    Fault::invalid(vec![infection()])
}

pub(crate) fn wrong(code: &str, message: impl Into<String>) -> Fault {
    Fault::invalid(vec![FieldFault::new("file", code, message)])
}

pub(crate) fn unavailable(error: &kernel_storage::BlobError) -> Fault {
    tracing::error!(error = chain(error), "the blob store failed");
    Fault::new(
        FaultKind::Unavailable,
        "storage-unavailable",
        "文件暂时无法存取，请稍后再试",
    )
}

/// The collection's declaration, for whoever has its name only.
pub(crate) fn file_field<'c>(collection: &'c CollectionDef, name: &str) -> Option<&'c FieldDef> {
    collection.field(name).filter(|f| is_file(f))
}
