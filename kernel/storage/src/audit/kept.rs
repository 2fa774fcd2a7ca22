//! What an audit record says of the history: which changes belong to it, and the digests of before and
//! after as they are kept. The history cannot be altered behind the trail's back then.

use kernel_crypto::sm3::{self, Digest32};
use serde_json::{Value, json};

use super::AuditDraft;
use crate::schema::CollectionName;
use crate::{StorageError, Store, value};

/// What they are called in the detail.
const CHANGES: &str = "changes";
/// Whose history has lost its values, in the detail of the record that tells of it.
const ERASED: &str = "erased";

/// What the history still has of the changes that an audit record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryState {
    /// They are as they were made.
    Whole,
    /// The values of some were erased with their record, and the trail says so.
    Erased,
    /// It has them otherwise, or not at all.
    Altered,
}

/// A change as it goes into the history, by the digests of the texts that are kept.
pub(crate) struct Told {
    pub(crate) collection: CollectionName,
    pub(crate) id: String,
    pub(crate) revision: i64,
    pub(crate) before: Option<Digest32>,
    pub(crate) after: Digest32,
}

impl AuditDraft {
    /// Names the changes that the record is of.
    pub(crate) fn tell(&mut self, kept: &[Told]) {
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
        self.add(CHANGES, changes.collect());
    }

    /// Names the records that were put right, with the digests of what stood there and stands there now.
    pub(crate) fn tell_repaired(&mut self, repaired: Vec<Value>) {
        if !repaired.is_empty() {
            self.add("repaired", repaired.into());
        }
    }

    /// Names the records whose history has lost its values.
    pub(crate) fn tell_erased(&mut self, erased: &[String]) {
        if !erased.is_empty() {
            self.add(ERASED, erased.into());
        }
    }

    pub(super) fn add(&mut self, name: &str, value: Value) {
        if self.detail.is_null() {
            self.detail = json!({});
        }
        if let Some(detail) = self.detail.as_object_mut() {
            detail.insert(name.into(), value);
        }
    }

    fn told(&self) -> &[Value] {
        let changes = self.detail.get(CHANGES).and_then(Value::as_array);
        changes.map_or(&[], Vec::as_slice)
    }
}

impl Store {
    /// What the history has of the changes of a record of the trail; none where it is of no change.
    pub async fn audit_changes_kept(
        &self,
        draft: &AuditDraft,
    ) -> Result<Option<HistoryState>, StorageError> {
        let told = draft.told();
        let mut all = HistoryState::Whole;
        for change in told {
            match self.kept(change).await? {
                HistoryState::Whole => {}
                HistoryState::Erased => all = HistoryState::Erased,
                HistoryState::Altered => return Ok(Some(HistoryState::Altered)),
            }
        }
        Ok((!told.is_empty()).then_some(all))
    }

    async fn kept(&self, change: &Value) -> Result<HistoryState, StorageError> {
        let word = |name: &str| change.get(name).and_then(Value::as_str);
        let named = word("record").and_then(|record| record.split_once('/'));
        let revision = change.get("revision").and_then(Value::as_i64);
        let Some(((collection, id), revision)) = named.zip(revision) else {
            return Ok(HistoryState::Altered);
        };
        // The trail has the name of the day, the history the first one.
        let collection = match collection.parse() {
            Ok(name) => self.registry().first(&name).to_string(),
            Err(_) => return Ok(HistoryState::Altered),
        };
        let rows = self
            .fixed(
                "SELECT before, after FROM kernel__changes \
                 WHERE collection = $1 AND record = $2 AND revision = $3",
                vec![collection.as_str().into(), id.into(), revision.into()],
                "comparing a change with the trail",
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(HistoryState::Altered);
        };
        let (before, after) = (row.text(0)?, row.string(1)?);
        if before.is_none() && after.is_empty() {
            return self.erased(&format!("{collection}/{id}"), id).await;
        }
        let digest = |text: String| sm3::digest(text.as_bytes()).to_string();
        let (before, after) = (before.map(digest), digest(after));
        let same = before.as_deref() == word("before") && word("after") == Some(after.as_str());
        Ok(if same {
            HistoryState::Whole
        } else {
            HistoryState::Altered
        })
    }

    /// Nobody else empties a history: the trail tells of each that was, on the record's own page of it.
    async fn erased(&self, record: &str, id: &str) -> Result<HistoryState, StorageError> {
        let rows = self
            .fixed(
                "SELECT detail FROM kernel__audit WHERE object = $1 ORDER BY seq",
                vec![id.into()],
                "looking for what emptied a history",
            )
            .await?;
        for row in &rows {
            let detail: Value = value::parse(&row.string(0)?)?;
            let erased = detail.get(ERASED).and_then(Value::as_array);
            if erased.is_some_and(|all| all.iter().any(|one| one == record)) {
                return Ok(HistoryState::Erased);
            }
        }
        Ok(HistoryState::Altered)
    }
}
