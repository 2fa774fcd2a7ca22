//! Whose data a record of the trail is about. The record's detail says so, under its hash; a table
//! beside the trail finds the records of a party.

use std::collections::BTreeSet;

use sea_query::Value as Sql;
use serde_json::Value;

use super::AuditDraft;
use crate::backend::Conn;
use crate::write::late;
use crate::{StorageError, value};

/// What they are called in the detail.
const PARTIES: &str = "parties";

impl AuditDraft {
    /// Names the parties whose data was read or changed, beside whoever acted.
    #[must_use]
    pub fn about(mut self, parties: &BTreeSet<String>) -> Self {
        if !parties.is_empty() {
            self.add(PARTIES, parties.iter().map(String::as_str).collect());
        }
        self
    }

    /// The parties whose data was read or changed, as far as their ids are some.
    pub fn parties(&self) -> impl Iterator<Item = &str> {
        let named = self.detail.get(PARTIES).and_then(Value::as_array);
        let named = named.into_iter().flatten().filter_map(Value::as_str);
        named.filter(|id| value::is_id(id))
    }
}

/// Keeps where the records of each party are.
pub(super) async fn keep(
    conn: &mut Conn<'_>,
    drafts: &[AuditDraft],
    seqs: &[u64],
) -> Result<(), StorageError> {
    let numbered = drafts.iter().zip(seqs);
    let pairs = numbered.flat_map(|(draft, seq)| draft.parties().map(move |p| (p, *seq)));
    // A draft may name one twice.
    let pairs: BTreeSet<(&str, u64)> = pairs.collect();
    let rows: Vec<Vec<Sql>> = pairs
        .into_iter()
        .map(|(party, seq)| vec![party.into(), seq.cast_signed().into()])
        .collect();
    late::insert(
        conn,
        "INSERT INTO kernel__audit_parties (party, seq) VALUES ",
        rows,
    )
    .await
    .map_err(StorageError::db("keeping whose data a record is about"))
}
