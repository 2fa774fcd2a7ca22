//! What an audit record says of the history: which changes belong to it, and the digests of before and
//! after as they are kept. The history cannot be altered behind the trail's back then.

use kernel_crypto::sm3::{self, Digest32};
use serde_json::{Value, json};

use super::AuditDraft;
use crate::schema::CollectionName;
use crate::{StorageError, Store};

/// What they are called in the detail.
const CHANGES: &str = "changes";

/// A change as it goes into the history, by the digests of the texts that are kept.
pub(crate) struct Kept {
    pub(crate) collection: CollectionName,
    pub(crate) id: String,
    pub(crate) revision: i64,
    pub(crate) before: Option<Digest32>,
    pub(crate) after: Digest32,
}

impl AuditDraft {
    /// Names the changes that the record is of.
    pub(crate) fn tell(&mut self, kept: &[Kept]) {
        if kept.is_empty() {
            return;
        }
        let changes = kept.iter().map(|k| {
            json!({
                "record": format!("{}/{}", k.collection, k.id),
                "revision": k.revision,
                "before": k.before.map(|digest| digest.to_string()),
                "after": k.after.to_string(),
            })
        });
        if self.detail.is_null() {
            self.detail = json!({});
        }
        if let Some(detail) = self.detail.as_object_mut() {
            detail.insert(CHANGES.into(), changes.collect());
        }
    }

    /// Names the records that were put right, with the digests of what stood there and stands there now.
    pub(crate) fn tell_repaired(&mut self, repaired: Vec<Value>) {
        if repaired.is_empty() {
            return;
        }
        if self.detail.is_null() {
            self.detail = json!({});
        }
        if let Some(detail) = self.detail.as_object_mut() {
            detail.insert("repaired".into(), repaired.into());
        }
    }

    fn told(&self) -> &[Value] {
        let changes = self.detail.get(CHANGES).and_then(Value::as_array);
        changes.map_or(&[], Vec::as_slice)
    }
}

impl Store {
    /// Whether the history still has the changes of a record of the trail as they were made; none where
    /// the record is of no change.
    pub async fn audit_changes_hold(
        &self,
        draft: &AuditDraft,
    ) -> Result<Option<bool>, StorageError> {
        let told = draft.told();
        for change in told {
            if !self.holds(change).await? {
                return Ok(Some(false));
            }
        }
        Ok((!told.is_empty()).then_some(true))
    }

    async fn holds(&self, change: &Value) -> Result<bool, StorageError> {
        let word = |name: &str| change.get(name).and_then(Value::as_str);
        let named = word("record").and_then(|record| record.split_once('/'));
        let revision = change.get("revision").and_then(Value::as_i64);
        let Some(((collection, id), revision)) = named.zip(revision) else {
            return Ok(false);
        };
        let rows = self
            .fixed(
                "SELECT before, after FROM kernel__changes \
                 WHERE collection = $1 AND record = $2 AND revision = $3",
                vec![collection.into(), id.into(), revision.into()],
                "comparing a change with the trail",
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(false);
        };
        let digest = |text: String| sm3::digest(text.as_bytes()).to_string();
        let (before, after) = (row.text(0)?.map(digest), digest(row.string(1)?));
        Ok(before.as_deref() == word("before") && word("after") == Some(after.as_str()))
    }
}
