//! Which peppers stored passwords need: one that none needs can be destroyed.

use kernel_crypto::keys::KeyRing;
use kernel_crypto::password;
use kernel_storage::{RowFilter, Store};
use sdk_contract::query::{MAX_LIMIT, Query};

use crate::error::IdentityError;
use crate::module::USERS;
use crate::people::{User, qualified};

/// How many users could not sign in any more without the pepper of that number. Passwords they had
/// before do not count: they serve only to refuse the same again.
pub async fn needed_by(store: &Store, keys: &KeyRing, number: u32) -> Result<u64, IdentityError> {
    let mut count = 0;
    let mut query = Query::new(qualified(USERS)).after("", MAX_LIMIT);
    loop {
        let found = store.find(&query, &RowFilter::All).await?;
        let users = found.records.iter().map(User::read);
        let needing = users.filter(|user| password::needs_pepper(keys, &user.password, number));
        count += needing.count() as u64;
        match found.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(count),
        }
    }
}
