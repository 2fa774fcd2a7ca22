//! Rights written into the database by other means than the platform give nothing: nobody signs in
//! with them, and a session that lives on them ends in an alarm.

use kernel_identity::error::IdentityError;
use kernel_identity::module::SECURITY;
use kernel_identity::principal::Principal;
use kernel_storage::{Finding, QueryError, StorageError};

use crate::access::{book, carried_out, given};
use crate::organisations::{bank, deed};
use crate::{SECOND, START, World, at, id, on_each_engine};

/// A quarter of an hour, so that no session is remembered and none has ended.
const LATER: i64 = START + 900 * SECOND;

/// What somebody is after signing in; nothing where a record is not as it was written.
pub(crate) async fn is(w: &World, user: u32, organisation: u32) -> Option<Principal> {
    let seen = w
        .sessions
        .preview(&id(user), &id(organisation), at("a", LATER))
        .await;
    match seen {
        Ok(principal) => principal,
        Err(IdentityError::Read(QueryError::Storage(StorageError::Altered { .. }))) => None,
        Err(error) => unreachable!("{error:?}"),
    }
}

pub(crate) async fn found(w: &World) -> Vec<(String, String, Finding)> {
    let swept = w.store.sweep().await.unwrap();
    let found = swept.found.into_iter();
    found.map(|f| (f.collection, f.id, f.finding)).collect()
}

#[tokio::test]
async fn mm_4b_a_role_written_into_the_database_gives_nothing() {
    on_each_engine(&bank(), async |w| {
        let password = w.password("teller").to_owned();
        let login = async || {
            let origin = at("a", LATER);
            w.sessions.login("teller", &password, None, origin).await
        };
        let signed = login().await.unwrap();
        assert!(is(w, 14, 3).await.is_some());
        w.tamper(&format!(
            "UPDATE platform__users SET roles = '[\"{SECURITY}\"]' WHERE id = '{}'",
            id(14)
        ))
        .await;
        assert!(is(w, 14, 3).await.is_none());
        assert!(login().await.is_err());
        let resolved = w
            .sessions
            .resolve(&signed.token, at("a", LATER + 60 * SECOND))
            .await;
        assert!(resolved.is_err(), "{resolved:?}");
        // Others are none the worse.
        assert!(is(w, 13, 1).await.is_some());
        let wrong = ("platform.users".to_owned(), id(14), Finding::Altered);
        assert_eq!(found(w).await, [wrong]);
    })
    .await;
}

#[tokio::test]
async fn mm_4b_a_grant_moved_ended_later_or_copied_gives_nothing() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let role = "model.developer";
        let post = w.post_of(14, 3).await;
        let until = Some("2025-11-25".parse().unwrap());
        let reach = kernel_storage::RowFilter::Organisations(admin.organisations.clone());
        let done = w
            .directory()
            .give(deed(&admin, START), &reach, &post, (role, until), &book())
            .await
            .unwrap();
        carried_out(w, &admin, done).await;
        assert!(is(w, 14, 3).await.unwrap().has_role(role));
        for change in [
            "expires_at = expires_at + 86400000000",
            "expires_at = NULL",
            "role = 'bank.officer'",
        ] {
            w.tamper("CREATE TABLE kept AS SELECT * FROM platform__grants").await;
            w.tamper(&format!("UPDATE platform__grants SET {change}")).await;
            assert!(is(w, 14, 3).await.is_none(), "{change}");
            w.tamper("DELETE FROM platform__grants; INSERT INTO platform__grants SELECT * FROM kept; DROP TABLE kept").await;
            assert!(is(w, 14, 3).await.unwrap().has_role(role));
        }
        // The same post for somebody else, and an organisation hung under another.
        w.tamper(&format!(
            "UPDATE platform__posts SET \"user\" = '{}' WHERE id = '{}'",
            id(13), post.id
        ))
        .await;
        assert!(is(w, 13, 1).await.is_none());
        w.tamper(&format!(
            "UPDATE platform__posts SET \"user\" = '{}' WHERE id = '{}'",
            id(14), post.id
        ))
        .await;
        w.tamper(&format!(
            "UPDATE platform__organisations SET parent = NULL WHERE id = '{}'",
            id(3)
        ))
        .await;
        assert!(is(w, 14, 3).await.is_none());
        let wrong = ("platform.organisations".to_owned(), id(3), Finding::Altered);
        assert_eq!(found(w).await, [wrong]);
    })
    .await;
}

#[tokio::test]
async fn mm_4b_a_composed_role_and_a_session_are_what_the_platform_wrote() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let role = crate::access::composed(w, &admin, 1).await;
        let done = given(w, &admin, 14, 3, &role).await;
        carried_out(w, &admin, done).await;
        assert!(!is(w, 14, 3).await.unwrap().composed.pieces.is_empty());
        let password = w.password("teller").to_owned();
        let signed = w
            .sessions
            .login("teller", &password, None, at("a", START))
            .await
            .unwrap();
        w.tamper(&format!(
            "UPDATE platform__sessions SET \"user\" = '{}'",
            id(13)
        ))
        .await;
        let resolved = w.sessions.resolve(&signed.token, at("a", LATER)).await;
        assert!(resolved.is_err(), "another's session: {resolved:?}");
        w.tamper("UPDATE platform__roles SET title = 'x'").await;
        assert!(is(w, 14, 3).await.is_none());
    })
    .await;
}

#[test]
fn mm_4b_everything_that_says_who_may_what_is_attested() {
    let mut all = kernel_identity::module::definition().collections;
    all.extend(kernel_identity::apps::definition().collections);
    let without = all.iter().filter(|c| !c.attested);
    let without: Vec<&str> = without.map(|c| c.name.as_str()).collect();
    assert_eq!(without, ["throttles"]);
}
