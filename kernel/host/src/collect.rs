//! Removing files that nobody names.
//!
//! A look reads every record, history and waiting event, and marks the blobs that none of them
//! names. One that a look a day later still finds so, and that no upload holds, is removed, with a
//! record in the audit trail. Why that never takes a file that somebody is just naming is told in
//! `kernel-storage`'s `files.rs`. A killed look has done some of it; the next does the rest.

use std::collections::BTreeSet;

use kernel_storage::{AuditDraft, Blob, BlobState, FileChange};
use sdk_contract::error::Fault;
use serde_json::json;

use crate::Host;
use crate::reads::storage;
use crate::uploads::{PARTS, unavailable};

/// Microseconds for which a blob stays that nobody names, and a file that is not listed: longer than
/// any request takes.
const GRACE: i64 = 24 * 3600 * 1_000_000;

/// What one look did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs that nobody named.
    pub removed: usize,
    /// Files that were not listed: what a kill left between a file and its row.
    pub orphans: usize,
    /// Uploads whose time has passed.
    pub ended: usize,
}

impl Host {
    /// One look; see the module. Several servers may look at once.
    pub async fn collect_files(&self) -> Result<Collected, Fault> {
        let now = self.clock().now().micros();
        self.expire_job_files().await?;
        self.end_projects().await?;
        let mut done = Collected::default();
        loop {
            let ended = self.store().ended_uploads(now).await;
            let ended = ended.map_err(|e| storage(&e))?;
            if ended.is_empty() {
                break;
            }
            for upload in ended {
                self.end(&upload).await?;
                done.ended += 1;
            }
        }
        // What is there before the rows are read either has one, or had time enough to get one.
        let mut orphans: BTreeSet<String> = self
            .blobs()
            .places()
            .await
            .map_err(|e| unavailable(&e))?
            .into_iter()
            .filter(|place| born(place).is_some_and(|at| at.saturating_add(GRACE) <= now))
            .collect();
        let named = self.store().named_digests().await;
        let named = named.map_err(|e| storage(&e))?;
        let mut after = (String::new(), String::new());
        loop {
            let some = self.store().all_blobs((&after.0, &after.1)).await;
            let some = some.map_err(|e| storage(&e))?;
            let Some(last) = some.last() else { break };
            after = (last.digest.clone(), last.owner.clone());
            for blob in some {
                orphans.remove(&blob.place);
                done.removed += usize::from(self.look_at(&named, blob, now).await?);
            }
        }
        let mut after = String::new();
        loop {
            let some = self.store().unfinished_uploads(&after).await;
            let some = some.map_err(|e| storage(&e))?;
            let Some(last) = some.last() else { break };
            after.clone_from(&last.id);
            for piece in some.iter().flat_map(|u| &u.parts) {
                orphans.remove(&format!("{PARTS}/{}", piece.name));
            }
        }
        for place in orphans {
            self.blobs()
                .remove(&place)
                .await
                .map_err(|e| unavailable(&e))?;
            done.orphans += 1;
        }
        if done != Collected::default() {
            tracing::info!(?done, "files were collected");
        }
        Ok(done)
    }

    /// Marks a blob, takes its mark off, or removes it; says whether it was removed.
    async fn look_at(&self, named: &BTreeSet<String>, blob: Blob, now: i64) -> Result<bool, Fault> {
        let used = named.contains(&blob.digest)
            // What a scan found something in is kept as evidence.
            || blob.state == BlobState::Quarantined;
        let (digest, owner) = (blob.digest.clone(), blob.owner.clone());
        let marked = match (used, blob.unused_since) {
            (true, None) => return Ok(false),
            (false, Some(marked)) => marked,
            (used, _) => {
                let change = FileChange::Mark {
                    digest,
                    owner,
                    unused: !used,
                };
                self.change_files(change, Vec::new()).await?;
                return Ok(false);
            }
        };
        if marked.saturating_add(GRACE) > now {
            return Ok(false);
        }
        let audit = AuditDraft {
            at: now,
            actor: "kernel".into(),
            organisation: Some(owner.clone()).filter(|o| !o.is_empty()),
            action: "file.collect".into(),
            object: digest.clone(),
            outcome: "ok".into(),
            detail: json!({ "size": blob.size }),
            request: "collect".into(),
            ..AuditDraft::default()
        };
        let change = FileChange::Remove {
            digest,
            owner,
            marked,
        };
        if !self.change_files(change, vec![audit]).await? {
            return Ok(false);
        }
        self.blobs()
            .remove(&blob.place)
            .await
            .map_err(|e| unavailable(&e))?;
        Ok(true)
    }
}

/// When a place got its name, in microseconds since 1970: names are UUIDs of version 7. None for
/// places of before.
fn born(place: &str) -> Option<i64> {
    let (_, name) = place.split_once('/')?;
    let (high, rest) = name.split_once('-')?;
    let (low, version) = rest.split_once('-')?;
    if !version.starts_with('7') || high.len() != 8 || low.len() != 4 {
        return None;
    }
    let millis = i64::from_str_radix(&format!("{high}{low}"), 16).ok()?;
    millis.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use sdk_contract::scalar::{Timestamp, uuid7};

    use super::*;

    #[test]
    fn a_place_says_when_it_got_its_name() {
        let at = 1_795_420_800_123_000;
        let name = uuid7(Timestamp(at), [7; 10]);
        assert_eq!(born(&format!("parts/{name}")), Some(at));
        assert_eq!(born("ab/cdef"), None);
        assert_eq!(born("parts/not-a-uuid"), None);
    }
}
