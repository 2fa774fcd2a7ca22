//! Reviews of access, on both engines.

use kernel_identity::grants::Given;
use kernel_identity::principal::Principal;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_identity::reviews::{CONFIRM, Review};
use kernel_storage::RowFilter;
use sdk_contract::query::{MAX_LIMIT, Query};
use serde_json::Value;

use crate::account::signed_in;
use crate::organisations::{bank, deed, refused};
use crate::{SECOND, START, World, id, on_each_engine};

const DAY: i64 = 86_400 * SECOND;

/// The posts of which a review is due, or late.
async fn listed(w: &World, late: bool, now: i64) -> usize {
    let times = w.directory().review_times(now).unwrap();
    let query = Query::new("platform.posts")
        .filter(times.filter(late))
        .limit(MAX_LIMIT);
    let found = w.store.find(&query, &RowFilter::All).await.unwrap().records;
    for post in &found {
        let stands = times.review(post);
        assert!(stands == Review::Late || !late && stands == Review::Due);
    }
    found.len()
}

async fn confirms(
    w: &World,
    by: &Principal,
    (user, organisation): (u32, u32),
    roles: &str,
    now: i64,
) -> Result<(), ChangeError> {
    let post = w.post_of(user, organisation).await;
    let writes = w.directory().confirm(deed(by, now), &post, roles).await?;
    w.done(by, writes, now).await;
    Ok(())
}

#[tokio::test]
async fn dj_05_every_post_is_due_for_review_after_ninety_days() {
    on_each_engine(&bank(), async |w| {
        // Somebody has a post in each of two organisations.
        let all = w.logins.len() + 1;
        let (due, late) = (START + 75 * DAY, START + 90 * DAY);
        assert_eq!(listed(w, false, due - SECOND).await, 0);
        assert_eq!(listed(w, false, due).await, all);
        assert_eq!(listed(w, true, late - SECOND).await, 0);
        assert_eq!(listed(w, true, late).await, all);

        let admin = w.as_in(13, 1, late).await;
        confirms(w, &admin, (14, 3), "bank.officer", late)
            .await
            .unwrap();
        assert_eq!(listed(w, true, late).await, all - 1);
        let post = w.post_of(14, 3).await;
        assert_eq!(w.row("posts", &post.id).await["ended_at"], Value::Null);
        assert_eq!(listed(w, true, late + 90 * DAY).await, all, "and again");
        let history = w.history(CONFIRM).await;
        assert_eq!(history.len(), 1);
        assert_eq!(history[0]["by_name"], Value::from("用户13"));
        assert_eq!(history[0]["after"]["roles"], Value::from("bank.officer"));

        // What is late is shown, and taken from nobody.
        let still = w.as_in(11, 1, late + DAY).await;
        assert_eq!(still.roles, ["bank.officer"]);
    })
    .await;
}

#[tokio::test]
async fn dj_05_what_was_not_seen_is_not_confirmed_and_nobody_confirms_their_own() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        for seen in ["", "bank.officer,model.developer", "model.developer"] {
            let unseen = confirms(w, &admin, (14, 3), seen, START).await;
            assert_eq!(refused(unseen), Refusal::RolesChanged, "{seen}");
        }
        let own = confirms(w, &admin, (13, 1), "organisation.admin", START).await;
        assert_eq!(refused(own), Refusal::Oneself);

        // A role that came after it was looked at.
        let post = w.post_of(14, 3).await;
        let book = [("model.validator".to_owned(), "模型验证".to_owned())].into();
        let wanted = ("model.validator", None);
        let given = w
            .directory()
            .give(deed(&admin, START), &RowFilter::All, &post, wanted, &book)
            .await;
        let Given::Done(writes) = given.unwrap() else {
            unreachable!("one person is enough");
        };
        w.done(&admin, writes, START).await;
        let stale = confirms(w, &admin, (14, 3), "bank.officer", START).await;
        assert_eq!(refused(stale), Refusal::RolesChanged);
        let both = "model.validator, bank.officer";
        confirms(w, &admin, (14, 3), both, START).await.unwrap();

        let post = w.post_of(14, 3).await;
        let ended = w.directory().end_post(deed(&admin, START), &post).await;
        w.done(&admin, ended.unwrap(), START).await;
        let over = confirms(w, &admin, (14, 3), "", START).await;
        assert_eq!(refused(over), Refusal::Ended);
    })
    .await;
}

#[tokio::test]
async fn a_review_says_when_each_post_was_used_last() {
    on_each_engine(&bank(), async |w| {
        let (home, other) = (w.post_of(14, 3).await, w.post_of(14, 5).await);
        let used = w.directory().used(&home).await.unwrap();
        assert_eq!((used.signed_in, used.acted), (None, None));
        let now = START + DAY;
        let p = signed_in(w, "teller", now).await;
        let used = w.directory().used(&home).await.unwrap();
        assert_eq!(used.signed_in.unwrap().micros(), now);
        assert_eq!(used.acted.unwrap().micros(), now);
        let used = w.directory().used(&other).await.unwrap();
        assert_eq!((used.signed_in.unwrap().micros(), used.acted), (now, None));
        let (write, _) = w.directory().act_for(&p, &id(5)).await.unwrap();
        w.done(&p, vec![write], now).await;
        let used = w.directory().used(&other).await.unwrap();
        assert_eq!(used.acted.unwrap().micros(), now);
    })
    .await;
}
