//! A record that somebody put back whole, with its code of then: its next change would have a revision
//! that is in its history already, and so the history refuses it.

use sdk_contract::call::Write;

use super::Work;
use crate::backend::{Conn, sql};
use crate::schema::CollectionName;
use crate::store::Shared;
use crate::{CommitError, StorageError};

/// The record whose history is ahead of it, of a commit that broke a unique key of the kernel's own.
pub(crate) async fn overtaken(
    conn: &mut Conn<'_>,
    shared: &Shared,
    (work, error): (&Work, &CommitError),
) -> Result<Option<CommitError>, StorageError> {
    let (Work::Commit(commit), CommitError::Storage(broken)) = (work, error) else {
        return Ok(None);
    };
    if !broken.is_unique_violation() {
        return Ok(None);
    }
    let own = commit.writes.iter();
    let own = own.map(|write| (commit.module.as_str(), write));
    let others = commit.others.iter();
    let others = others.map(|(module, write)| (module.as_str(), write));
    let registry = shared.registry();
    for (module, write) in own.chain(others) {
        let (Write::Update {
            collection,
            id,
            revision,
            ..
        }
        | Write::Delete {
            collection,
            id,
            revision,
        }) = write
        else {
            continue;
        };
        let collection = CollectionName::within(module, collection);
        let later = "SELECT revision FROM kernel__changes \
                     WHERE collection = $1 AND record = $2 AND revision > $3 LIMIT 1";
        let first = registry.first(&collection).to_string();
        let asked = [first.into(), id.as_str().into(), (*revision).into()];
        let found = conn.row(sql(later, asked)).await;
        let found = found.map_err(StorageError::db("looking for a later change"))?;
        if found.is_some() {
            tracing::error!(
                code = "record.altered",
                %collection,
                id,
                "a record is older than its history; nothing is done to it"
            );
            let id = id.clone();
            return Ok(Some(StorageError::Altered { collection, id }.into()));
        }
    }
    Ok(None)
}
