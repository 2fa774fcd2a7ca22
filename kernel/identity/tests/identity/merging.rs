//! Merging organisations, on both engines.

use kernel_identity::apps;
use kernel_identity::grants::Given;
use kernel_identity::invitations::Guest;
use kernel_identity::module::ADMIN;
use kernel_identity::principal::Principal;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_storage::{Commit, CommitError, Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{MAX_LIMIT, Query};
use serde_json::json;

use crate::access::{approval, asked, book, carried_out, composed, given};
use crate::organisations::{bank, deed, refused, told};
use crate::{SECOND, START, World, at, id, on_each_engine};

async fn merged(
    w: &World,
    by: &Principal,
    reach: &RowFilter,
    (one, into): (&str, &str),
) -> Result<Vec<Write>, ChangeError> {
    let directory = w.directory();
    directory
        .merge(deed(by, START), reach, (one, into), &book())
        .await
}

/// Merges as whoever runs the platform.
async fn merge(w: &World, one: u32, into: u32) {
    let operator = w.as_in(17, 6, START).await;
    let writes = merged(w, &operator, &RowFilter::All, (&id(one), &id(into))).await;
    w.done(&operator, writes.unwrap(), START).await;
}

/// Gives somebody a post, and a role in it until the end of a day in Beijing.
async fn appointed(w: &World, (user, login): (u32, &str), place: u32, role: &str, day: &str) {
    let admin = w.as_in(13, 1, START).await;
    let directory = w.directory();
    let (at, whom) = (id(place), (login, "客户经理"));
    let made = directory.appoint(deed(&admin, START), &RowFilter::All, &at, whom);
    w.done(&admin, made.await.unwrap().1, START).await;
    granted(w, (user, place), role, day).await;
}

async fn granted(w: &World, (user, place): (u32, u32), role: &str, day: &str) {
    let admin = w.as_in(13, 1, START).await;
    let post = w.post_of(user, place).await;
    let (wanted, book) = ((role, day.parse().ok()), book());
    let directory = w.directory();
    let gift = directory.give(deed(&admin, START), &RowFilter::All, &post, wanted, &book);
    carried_out(w, &admin, gift.await.unwrap()).await;
}

async fn changes(w: &World) -> Vec<Record> {
    let query = Query::new("platform.changes").limit(MAX_LIMIT);
    let found = w.store.find(&query, &RowFilter::All).await;
    found.unwrap().records
}

async fn place(w: &World, n: u32) -> Record {
    w.row("organisations", &id(n)).await
}

fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort();
    all
}

#[tokio::test]
async fn row_75_a_merger_takes_people_and_what_is_below_along_in_one_record() {
    on_each_engine(&bank(), async |w| {
        // Until the end of the 25th.
        appointed(w, (11, "officer"), 2, "bank.officer", "2025-11-25").await;
        let old = w.post_of(11, 2).await;
        assert_eq!(w.directory().headcount(&id(2)).await.unwrap(), 2);
        let before = changes(w).await.len();
        merge(w, 2, 5).await;

        // They act for the other, with what they had for as long, and reach what was theirs.
        let officer = w.as_in(11, 5, START).await;
        assert_eq!(officer.organisation, Some(id(5)));
        assert_eq!(officer.roles, ["bank.officer"]);
        assert_eq!(sorted(officer.organisations), [id(2), id(3), id(5)]);
        let day = 86_400 * SECOND;
        assert!(w.as_in(11, 5, START + 2 * day).await.roles.is_empty());
        let branch = w.as_in(18, 2, START).await;
        assert_eq!(branch.organisation, Some(id(5)), "nobody acts for it");
        assert!(branch.roles.is_empty(), "administrators are not made so");

        let (one, below) = (place(w, 2).await, place(w, 3).await);
        assert_eq!(one["status"], json!("closed"));
        assert_eq!(one["merged_into"], json!(id(5)));
        assert_eq!(
            (&one["parent"], &below["parent"]),
            (&json!(id(5)), &json!(id(5)))
        );
        // What was done in it stays attributed to it.
        let post = w.row("posts", &old.id).await;
        assert_eq!(post["organisation"], json!(id(2)));
        assert!(post["ended_at"].is_string());
        assert_eq!(w.directory().headcount(&id(2)).await.unwrap(), 0);

        assert_eq!(changes(w).await.len(), before + 1);
        let history = w.history("organisation.merge").await;
        let change = &history[0];
        assert_eq!(change["object"], json!(id(2)));
        assert_eq!(change["place"], json!("机构1 / 机构2"));
        assert_eq!(change["before"]["parent"], json!(id(1)));
        assert_eq!(change["before"]["below"], json!(["机构3"]));
        let people = json!(["用户11（授信审批）", "用户18"]);
        assert_eq!(change["before"]["people"], people);
        assert_eq!(change["after"]["merged_into"], json!(id(5)));
        assert_eq!(change["after"]["into"], json!("机构1 / 机构5"));
        assert_eq!(change["after"]["lost"], json!(["用户18（机构管理员）"]));
        assert_eq!(change["reason"], json!("网点调整"));
        assert_eq!(change["by_name"], json!("用户17"));
    })
    .await;
}

#[tokio::test]
async fn row_75_who_works_in_both_keeps_one_post_and_gets_what_it_lacks() {
    on_each_engine(&bank(), async |w| {
        // In 5 for two days what they have in 3 for good.
        granted(w, (14, 5), "bank.officer", "2025-11-25").await;
        let post = w.post_of(14, 5).await;
        merge(w, 3, 5).await;
        let posts = w.directory().posts_of(&id(14)).await.unwrap();
        assert_eq!(posts.len(), 1);
        assert_eq!((&posts[0].id, &*posts[0].title), (&post.id, "兼职"));
        let roles = async |now| sorted(w.as_in(14, 5, now).await.roles);
        let both = ["bank.officer", "model.developer"];
        assert_eq!(roles(START).await, both);
        let later = START + 30 * 86_400 * SECOND;
        assert_eq!(roles(later).await, both, "the longer term holds");
        // Nothing of the old place comes back with it.
        let user = w.row("users", &id(14)).await;
        assert_eq!(user["roles"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn row_75_a_merger_is_seen_within_five_seconds_and_ends_what_was_promised_in_the_old_place() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let password = w.password("teller").to_owned();
        let signed = w
            .sessions
            .login("teller", &password, None, at("a", START))
            .await
            .unwrap();
        let look = async |now| {
            let found = w.sessions.resolve(&signed.token, at("a", now)).await;
            found.unwrap().unwrap()
        };
        assert_eq!(look(START).await.organisation, Some(id(3)));
        let guest = Guest {
            name: "新人".into(),
            login: "newcomer".into(),
            title: "客户经理".into(),
            organisation: id(3),
        };
        let directory = w.directory();
        let invited = directory
            .invite(deed(&admin, START), &RowFilter::All, &w.sessions, &[guest])
            .await
            .unwrap();
        let Write::Insert { id: invitation, .. } = &invited[0] else {
            unreachable!("an invitation")
        };
        let token = w.sessions.invitation_token(invitation);
        w.done(&admin, invited, START).await;
        let request = asked(w, &admin, given(w, &admin, 14, 3, ADMIN).await).await;
        merge(w, 3, 2).await;

        // No node was told.
        let teller = look(START + 5 * SECOND).await;
        assert!(teller.posts.iter().all(|p| p.organisation != id(3)));
        assert_ne!(teller.organisation, Some(id(3)));
        let (write, name) = directory.act_for(&teller, &id(2)).await.unwrap();
        assert_eq!(name, "机构2");
        w.done(&teller, vec![write], START).await;
        let teller = look(START + 11 * SECOND).await;
        assert_eq!(teller.organisation, Some(id(2)));
        assert_eq!(sorted(teller.organisations), [id(2), id(3)]);
        assert_eq!(teller.roles, ["bank.officer"]);

        assert_eq!(w.sessions.invited(&token, START).await.unwrap(), None);
        let merger = &w.history("organisation.merge").await[0];
        assert_eq!(merger["after"]["invitations"], json!(1));
        let security = w.as_in(15, 6, START).await;
        let late = approval(w, &security, &request).await;
        assert_eq!(late.unwrap_err(), Refusal::Ended);

        // Opened again, it is an organisation like any other, without anybody in it.
        let opened = directory.switch(deed(&admin, START), &id(3), false).await;
        w.done(&admin, opened.unwrap(), START).await;
        let place = place(w, 3).await;
        assert!(
            place
                .get("merged_into")
                .is_none_or(serde_json::Value::is_null)
        );
        assert_eq!(directory.headcount(&id(3)).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn row_75_a_merger_is_whole_or_not_at_all() {
    on_each_engine(&bank(), async |w| {
        let operator = w.as_in(17, 6, START).await;
        let all = RowFilter::All;
        let writes = async |one, into| {
            let writes = merged(w, &operator, &all, (&id(one), &id(into))).await;
            writes.unwrap()
        };
        let (late, stale) = (writes(3, 5).await, writes(2, 5).await);
        // Somebody who works there gets a role in between: of all writes one is late.
        granted(w, (14, 3), "model.developer", "2025-12-31").await;
        let before = changes(w).await.len();
        let failed = w.try_done(&operator, late, START).await;
        assert!(
            matches!(failed, Err(CommitError::Stale { .. })),
            "{failed:?}"
        );
        let one = place(w, 3).await;
        assert_eq!(
            (&one["status"], &one["parent"]),
            (&json!("active"), &json!(id(2)))
        );
        assert!(!w.post_of(14, 3).await.ended);
        assert_eq!(w.as_in(14, 5, START).await.roles, ["model.developer"]);
        assert_eq!(changes(w).await.len(), before);

        merge(w, 3, 5).await;
        let both = ["bank.officer", "model.developer"];
        assert_eq!(sorted(w.as_in(14, 5, START).await.roles), both);
        // The tree is not the one that the other merger was checked against.
        let failed = w.try_done(&operator, stale, START).await;
        assert!(
            matches!(failed, Err(CommitError::Stale { .. })),
            "{failed:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn row_75_no_organisation_is_merged_where_it_may_not_go() {
    on_each_engine(&bank(), async |w| {
        let (head, branch) = (w.as_in(13, 1, START).await, w.as_in(18, 2, START).await);
        let operator = w.as_in(17, 6, START).await;
        let of = |p: &Principal| RowFilter::Organisations(p.organisations.clone());
        let not = async |by: &Principal, reach: &RowFilter, one: &str, into: &str| {
            refused(merged(w, by, reach, (one, into)).await)
        };
        for into in [2, 3] {
            let why = not(&head, &of(&head), &id(2), &id(into)).await;
            assert_eq!(why, Refusal::Cycle, "{into}");
        }
        for (one, into) in [(3, 5), (5, 2), (2, 5)] {
            let why = not(&branch, &of(&branch), &id(one), &id(into)).await;
            assert_eq!(why, Refusal::OutOfReach, "{one} into {into}");
        }
        for (one, into) in [(3, 7), (1, 5)] {
            let why = not(&head, &of(&head), &id(one), &id(into)).await;
            assert_eq!(why, Refusal::OutOfReach, "{one} into {into}");
        }
        let all = RowFilter::All;
        let why = not(&operator, &all, &id(3), &id(4)).await;
        assert_eq!(why, Refusal::OtherType);
        let why = not(&head, &all, &id(1), &id(7)).await;
        assert_eq!(why, Refusal::Oneself, "who works there");

        let directory = w.directory();
        let add = async |parent: &str, name: &str| {
            let added = directory
                .add(deed(&head, START), parent, &told(name, name))
                .await;
            let (new, writes) = added.unwrap();
            w.done(&head, writes, START).await;
            new
        };
        let shut = add(&id(2), "T1").await;
        let closed = directory.switch(deed(&head, START), &shut, true).await;
        w.done(&head, closed.unwrap(), START).await;
        for (one, into) in [(shut.clone(), id(5)), (id(3), shut)] {
            let why = not(&operator, &all, &one, &into).await;
            assert_eq!(why, Refusal::Closed);
        }
        let mut lowest = id(5);
        for level in 3..=12 {
            lowest = add(&lowest, &format!("L{level}")).await;
        }
        let why = not(&operator, &all, &id(3), &lowest).await;
        assert_eq!(why, Refusal::TooDeep(12));
    })
    .await;
}

#[tokio::test]
async fn row_75_no_merger_gives_what_the_other_may_not_or_cuts_off_who_depends_on_the_one() {
    on_each_engine(&bank(), async |w| {
        let (operator, admin) = (w.as_in(17, 6, START).await, w.as_in(13, 1, START).await);
        let security = w.as_in(15, 6, START).await;
        let directory = w.directory();
        let not = async |one: u32, into: u32| {
            let tried = merged(w, &operator, &RowFilter::All, (&id(one), &id(into))).await;
            refused(tried)
        };
        let over = |roles: &str| Refusal::RolesOverCeiling(roles.into());

        // The other may hand out less.
        let (other, less) = (id(5), ["model.".to_owned()]);
        let limit = directory.limit(deed(&security, START), &other, Some(&less));
        w.done(&security, limit.await.unwrap(), START).await;
        assert_eq!(not(3, 5).await, over("授信审批"));
        let limit = directory.limit(deed(&security, START), &other, None);
        w.done(&security, limit.await.unwrap(), START).await;

        // A role that was composed in it, and that somebody below it holds.
        let role = composed(w, &admin, 2).await;
        let gift: Given = given(w, &admin, 14, 3, &role).await;
        carried_out(w, &admin, gift).await;
        assert_eq!(not(2, 5).await, over("贷后检查"));
        assert_eq!(not(3, 5).await, over("贷后检查"), "good below 2 only");

        // A program that acts for it.
        let values = json!({ "name": "核心系统", "status": "suspended", "roles": [],
            "networks": [], "key": "x", "per_minute": 1, "per_day": 1 });
        let app = Write::Insert {
            collection: apps::APPS.into(),
            id: id(90),
            subject: None,
            organisation: Some(id(3)),
            district: None,
            values: values.as_object().cloned().unwrap(),
        };
        let commit = Commit {
            at: START,
            module: apps::MODULE.into(),
            writes: vec![app],
            ..Commit::default()
        };
        w.store.commit(commit).await.unwrap();
        assert_eq!(not(3, 2).await, Refusal::Connected("核心系统".into()));

        // What gives nothing any more is in nobody's way.
        let row = w.row("roles", &role).await;
        let row = kernel_identity::roles::RoleRow::read(&row);
        let retired = directory.retire(deed(&admin, START), &row).await;
        w.done(&admin, retired.unwrap(), START).await;
        merge(w, 2, 5).await;
        assert_eq!(w.as_in(18, 5, START).await.organisation, Some(id(5)));
    })
    .await;
}
