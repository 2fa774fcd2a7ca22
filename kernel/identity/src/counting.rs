//! Keeping the tallies of failed sign-ins: one row for each account and each address.

use kernel_crypto::keys::MacKey;
use kernel_storage::{Commit, CommitError, Record};
use sdk_contract::call::Write;
use sdk_contract::scalar::{Timestamp, uuid7};
use serde_json::{Value, json};

use crate::error::{IdentityError, LoginError};
use crate::module::{MODULE, THROTTLES};
use crate::people::{get, optional};
use crate::principal::Principal;
use crate::session::{Origin, Sessions, object, update};
use crate::throttle::Tally;

/// How often a commit is tried again whose tallies moved meanwhile.
pub(crate) const ATTEMPTS: u32 = 8;

/// A key, and what a success makes of its tally.
pub(crate) type Forgiven = (String, fn(Tally) -> Tally);

impl Sessions {
    /// Counts an attempt at every key before it is judged, in one commit, or says how long to
    /// wait. With each key goes how many failures lock it; what stands before a locked key is
    /// counted all the same.
    pub(crate) async fn count(
        &self,
        limits: &[(String, i64)],
        origin: Origin<'_>,
    ) -> Result<(), LoginError> {
        let window = self.inner.policy.throttle.window_seconds;
        let _alone = self.inner.counting.lock().await;
        for _ in 0..ATTEMPTS {
            let mut commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
            let mut locked = None;
            for (key, limit) in limits {
                let (id, row) = self.tally(key).await?;
                let before = row.as_ref().map(read);
                match Tally::attempt(before, *limit, window, origin.now) {
                    Ok(after) => commit.writes.push(write(key, id, row.as_ref(), after)),
                    Err(retry_after) => {
                        locked = Some(LoginError::Locked { retry_after });
                        break;
                    }
                }
            }
            if !commit.writes.is_empty() {
                match self.inner.store.commit(commit).await {
                    Ok(_) => {}
                    Err(CommitError::Stale { .. } | CommitError::Conflict { .. }) => continue,
                    Err(e) => return Err(IdentityError::from(e).into()),
                }
            }
            return locked.map_or(Ok(()), Err);
        }
        // Losing this often on one key is an attack in itself.
        Err(LoginError::Locked { retry_after: 1 })
    }

    /// Seconds for which a network address is still locked.
    pub(crate) async fn locked(&self, ip: &str, now: i64) -> Result<Option<i64>, IdentityError> {
        let policy = self.inner.policy.throttle;
        let (_, row) = self.tally(&address_key(ip)).await?;
        let before = row.as_ref().map(read);
        let next = Tally::attempt(before, policy.address_failures, policy.window_seconds, now);
        Ok(next.err())
    }

    /// Takes counted attempts back after a success.
    pub(crate) async fn forgive(
        &self,
        keys: &[Forgiven],
        origin: Origin<'_>,
    ) -> Result<(), IdentityError> {
        let _alone = self.inner.counting.lock().await;
        let commit = Self::commit(&Principal::module(MODULE, origin.request), origin);
        self.commit_forgiving(commit, keys).await
    }

    /// Makes `commit` and, in it, takes counted attempts back. The caller holds `counting`.
    pub(crate) async fn commit_forgiving(
        &self,
        commit: Commit,
        keys: &[Forgiven],
    ) -> Result<(), IdentityError> {
        for _ in 0..ATTEMPTS {
            let mut whole = commit.clone();
            for (key, forgive) in keys {
                if let (id, Some(row)) = self.tally(key).await? {
                    let after = forgive(read(&row));
                    whole.writes.push(write(key, id, Some(&row), after));
                }
            }
            match self.inner.store.commit(whole).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Stale { collection, .. })
                    if collection.module == MODULE && collection.collection == THROTTLES => {}
                Err(e) => return Err(e.into()),
            }
        }
        // What stays counted costs a later attempt; the right password must not be refused for it.
        self.inner.store.commit(commit).await?;
        Ok(())
    }

    /// The id of a key's tally, and its row if there is one.
    async fn tally(&self, key: &str) -> Result<(String, Option<Record>), IdentityError> {
        let id = self.throttle_id(key);
        let row = get(&self.inner.store, THROTTLES, &id).await?;
        Ok((id, row))
    }

    /// A row id that two nodes agree on without asking.
    fn throttle_id(&self, key: &str) -> String {
        let digest = self
            .inner
            .keys
            .mac(MacKey::Session, format!("throttle:{key}").as_bytes());
        let mut bytes = [0; 10];
        for (to, from) in bytes.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        uuid7(Timestamp(0), bytes)
    }
}

pub(crate) fn account_key(login: &str) -> String {
    format!("account:{login}")
}

pub(crate) fn address_key(ip: &str) -> String {
    format!("address:{ip}")
}

fn read(row: &Record) -> Tally {
    Tally {
        failures: row
            .get("failures")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        since: optional(row, "since")
            .and_then(|t| t.parse::<Timestamp>().ok())
            .map_or(0, Timestamp::micros),
    }
}

fn write(key: &str, id: String, row: Option<&Record>, after: Tally) -> Write {
    let values = object(json!({
        "key": key, "failures": after.failures, "since": Timestamp(after.since),
    }));
    match row {
        Some(row) => update(THROTTLES, row, values),
        None => Write::Insert {
            collection: THROTTLES.into(),
            id,
            subject: None,
            organisation: None,
            district: None,
            values,
        },
    }
}
