//! Trees of organisations, posts and acting for one of them, on both engines. Named after the rows
//! of the tender that they hold.

use std::collections::BTreeMap;

use kernel_identity::demo::{Demo, DemoPost};
use kernel_identity::directory::{Directory, Told};
use kernel_identity::history::Deed;
use kernel_identity::module::{AUDITOR, MODULE, OPERATOR, SECURITY};
use kernel_identity::posts::PostRow;
use kernel_identity::principal::Principal;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_storage::{By, CollectionName, Commit, CommitError, Record, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, MAX_LIMIT, Query};
use serde_json::{Value, json};

use crate::{SECOND, START, World, at, city, id, on_each_engine, organisation};

/// Head office 1 with 2 ─ 3 and 5 below it; the platform's own people at 6.
pub(crate) fn bank() -> Demo {
    let mut demo = city();
    demo.organisations
        .push(organisation(5, "institution", Some(1)));
    demo.organisations.push(organisation(6, "platform", None));
    demo.organisations
        .push(organisation(7, "institution", None));
    let user = demo.users[0].clone();
    let mut add = |n, login: &str, at: u32, role: &str| {
        let mut user = user.clone();
        user.id = id(n);
        user.login = login.into();
        user.name = format!("用户{n}");
        user.organisation = id(at);
        user.roles = vec![role.into()];
        demo.users.push(user);
    };
    add(13, "admin", 1, "organisation.admin");
    add(14, "teller", 3, "bank.officer");
    add(15, "security", 6, SECURITY);
    add(16, "auditor", 6, AUDITOR);
    add(17, "operator", 6, OPERATOR);
    add(18, "branch", 2, "organisation.admin");
    demo.users[3].also.push(DemoPost {
        organisation: id(5),
        post: "兼职".into(),
        roles: vec!["model.developer".into()],
    });
    demo
}

impl World {
    pub(crate) fn directory(&self) -> Directory {
        self.sessions.directory()
    }

    /// Somebody as they are when acting for an organisation.
    pub(crate) async fn as_in(&self, user: u32, organisation: u32, now: i64) -> Principal {
        let seen = self
            .sessions
            .preview(&id(user), &id(organisation), at("a", now))
            .await;
        seen.unwrap().unwrap()
    }

    pub(crate) async fn done(&self, by: &Principal, writes: Vec<Write>, now: i64) {
        self.try_done(by, writes, now).await.unwrap();
    }

    pub(crate) async fn try_done(
        &self,
        by: &Principal,
        writes: Vec<Write>,
        now: i64,
    ) -> Result<(), CommitError> {
        let commit = Commit {
            at: now,
            by: By {
                user: by.user.clone().unwrap_or_default(),
                name: by.name.clone(),
                organisation: by.organisation.clone(),
            },
            module: MODULE.into(),
            writes,
            ..Commit::default()
        };
        self.store.commit(commit).await.map(|_| ())
    }

    pub(crate) async fn row(&self, collection: &str, id: &str) -> Record {
        let name = CollectionName::new(MODULE, collection);
        let found = self.store.get(&name, id, &RowFilter::All).await;
        found.unwrap().unwrap()
    }

    pub(crate) async fn post_of(&self, user: u32, organisation: u32) -> PostRow {
        let query = Query::new("platform.posts")
            .filter(Filter::eq("user", id(user)))
            .filter(Filter::eq("organisation", id(organisation)))
            .sort("created_at", true);
        let found = self.store.find(&query, &RowFilter::All).await.unwrap();
        PostRow::read(&found.records[0])
    }

    pub(crate) async fn history(&self, what: &str) -> Vec<Record> {
        let query = Query::new("platform.changes")
            .filter(Filter::eq("what", what))
            .limit(MAX_LIMIT);
        let found = self.store.find(&query, &RowFilter::All).await;
        found.unwrap().records
    }
}

pub(crate) fn deed(by: &Principal, now: i64) -> Deed<'_> {
    Deed {
        by,
        now,
        reason: "网点调整",
        approved_by: None,
    }
}

pub(crate) fn refused<T: std::fmt::Debug>(done: Result<T, ChangeError>) -> Refusal {
    match done {
        Err(ChangeError::Refused(why)) => why,
        other => unreachable!("a refusal, not {other:?}"),
    }
}

pub(crate) fn told(name: &str, code: &str) -> Told {
    Told {
        name: name.into(),
        code: Some(code.into()),
        ..Told::default()
    }
}

#[tokio::test]
async fn row_75_a_move_changes_who_sees_what_at_once_and_keeps_what_was() {
    on_each_engine(&bank(), async |w| {
        let operator = w.as_in(17, 6, START).await;
        let (admin_2, before) = (w.as_in(18, 2, START).await, w.as_in(14, 3, START).await);
        assert_eq!(admin_2.organisations, [id(2), id(3)]);
        let old_row = w.row("posts", &w.post_of(14, 3).await.id).await;

        let moved = w
            .directory()
            .relocate(deed(&operator, START), &RowFilter::All, &id(3), &id(5))
            .await;
        w.done(&operator, moved.unwrap(), START).await;

        // The branch's administrator reaches it no more; the head office still does.
        assert_eq!(w.as_in(18, 2, START).await.organisations, [id(2)]);
        let head = w.as_in(13, 1, START).await;
        assert!(head.organisations.contains(&id(3)));
        let teller = w.as_in(14, 3, START).await;
        assert_eq!(teller.organisation, before.organisation);
        // Records stay with the organisation they were made in.
        let row = w.row("posts", &w.post_of(14, 3).await.id).await;
        assert_eq!(row["organisation"], old_row["organisation"]);
        let history = w.history("organisation.move").await;
        assert_eq!(history.len(), 1);
        let change = &history[0];
        assert_eq!(change["before"]["parent"], json!(id(2)));
        assert_eq!(change["after"]["parent"], json!(id(5)));
        assert_eq!(change["place"], json!("机构1 / 机构2 / 机构3"));
        assert_eq!(change["reason"], json!("网点调整"));
        assert_eq!(change["by_name"], json!("用户17"));
    })
    .await;
}

#[tokio::test]
async fn row_75_seven_levels_with_code_tier_licence_and_region() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let mut parent = id(1);
        for level in 2..=7 {
            let mut told = told(&format!("第{level}级"), &format!("L{level}"));
            told.tier = Some("团队".into());
            told.licence = Some("B0001H231000001".into());
            told.region = Some("310104".into());
            let added = w.directory().add(deed(&admin, START), &parent, &told).await;
            let (new, writes) = added.unwrap();
            w.done(&admin, writes, START).await;
            parent = new;
        }
        let tree = w.directory().tree(&parent).await.unwrap();
        assert_eq!(tree.path(&parent).len(), 7);
        let leaf = tree.get(&parent).unwrap();
        assert_eq!(leaf.tier.as_deref(), Some("团队"));
        assert_eq!(leaf.region.as_deref(), Some("310104"));
        let head = w.as_in(13, 1, START).await;
        assert!(
            head.organisations.contains(&parent),
            "the lowest is seen from the top"
        );
        let again = w
            .directory()
            .add(deed(&admin, START), &id(2), &told("另一处", "L7"))
            .await;
        assert_eq!(refused(again), Refusal::CodeTaken);
    })
    .await;
}

#[tokio::test]
async fn row_75_two_moves_at_once_make_no_cycle() {
    on_each_engine(&bank(), async |w| {
        let operator = w.as_in(17, 6, START).await;
        let directory = w.directory();
        let all = RowFilter::All;
        // Each alone would do: 2 below 5, and 5 below 3, which is below 2.
        let one = directory
            .relocate(deed(&operator, START), &all, &id(2), &id(5))
            .await;
        let one = one.unwrap();
        let other = directory
            .relocate(deed(&operator, START), &all, &id(5), &id(3))
            .await;
        let other = other.unwrap();
        w.done(&operator, one, START).await;
        let late = w.try_done(&operator, other, START).await;
        assert!(matches!(late, Err(CommitError::Stale { .. })), "{late:?}");
        let again = directory
            .relocate(deed(&operator, START), &all, &id(5), &id(3))
            .await;
        assert_eq!(refused(again), Refusal::Cycle);
    })
    .await;
}

#[tokio::test]
async fn an_administrator_changes_nothing_outside_the_own_organisation() {
    on_each_engine(&bank(), async |w| {
        let branch = w.as_in(18, 2, START).await;
        let reach = RowFilter::Organisations(branch.organisations.clone());
        let directory = w.directory();
        let take = directory
            .relocate(deed(&branch, START), &reach, &id(5), &id(2))
            .await;
        assert_eq!(refused(take), Refusal::OutOfReach);
        let give = directory
            .relocate(deed(&branch, START), &reach, &id(3), &id(5))
            .await;
        assert_eq!(refused(give), Refusal::OutOfReach);
        let leave = directory
            .relocate(deed(&branch, START), &reach, &id(2), &id(3))
            .await;
        assert_eq!(refused(leave), Refusal::OutOfReach);
        let other = directory
            .relocate(deed(&branch, START), &reach, &id(3), &id(7))
            .await;
        assert_eq!(refused(other), Refusal::OutOfReach);
        // Somebody else's people are not to be found out by their names.
        let stranger = directory
            .appoint(deed(&branch, START), &reach, &id(2), ("owner", "顾问"))
            .await;
        assert_eq!(refused(stranger), Refusal::NoSuchPerson);
    })
    .await;
}

#[tokio::test]
async fn an_organisation_in_use_is_not_closed() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let directory = w.directory();
        let used = directory.switch(deed(&admin, START), &id(2), true).await;
        assert_eq!(refused(used), Refusal::InUse);
        let added = directory
            .add(deed(&admin, START), &id(2), &told("临时网点", "T1"))
            .await;
        let (new, writes) = added.unwrap();
        w.done(&admin, writes, START).await;
        let closed = directory.switch(deed(&admin, START), &new, true).await;
        w.done(&admin, closed.unwrap(), START).await;
        let below = directory
            .add(deed(&admin, START), &new, &told("再下级", "T2"))
            .await;
        assert_eq!(refused(below), Refusal::Closed);
        let opened = directory.switch(deed(&admin, START), &new, false).await;
        w.done(&admin, opened.unwrap(), START).await;
        let shown: Vec<Value> = w
            .history("organisation.close")
            .await
            .iter()
            .map(|c| c["after"]["status"].clone())
            .collect();
        assert_eq!(shown, [json!("closed")]);
    })
    .await;
}

#[tokio::test]
async fn a_person_acts_for_one_of_the_own_posts_and_writes_carry_it() {
    on_each_engine(&bank(), async |w| {
        let password = w.password("teller").to_owned();
        let signed = w
            .sessions
            .login("teller", &password, None, at("a", START))
            .await
            .unwrap();
        let p = signed.principal;
        let posts: BTreeMap<&str, &str> = p
            .posts
            .iter()
            .map(|post| (post.organisation_name.as_str(), post.title.as_str()))
            .collect();
        assert_eq!(posts.get("机构5"), Some(&"兼职"));
        assert_eq!(
            (p.organisation.as_deref(), &p.roles[..]),
            (Some(&*id(3)), &["bank.officer".to_owned()][..])
        );

        let directory = w.directory();
        let stranger = directory.act_for(&p, &id(7)).await;
        assert_eq!(refused(stranger), Refusal::OutOfReach);
        let (write, name) = directory.act_for(&p, &id(5)).await.unwrap();
        assert_eq!(name, "机构5");
        w.done(&p, vec![write], START).await;
        w.sessions.forget_all();
        let now = w
            .sessions
            .resolve(&signed.token, at("a", START))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(now.organisation, Some(id(5)));
        assert_eq!(now.organisations, [id(5)]);
        assert_eq!(
            now.roles,
            ["model.developer"],
            "the roles of that post and no others"
        );
        assert_eq!(now.user, p.user);

        // A post that ends is acted in no more, from the next look on.
        let admin = w.as_in(13, 1, START).await;
        let post = w.post_of(14, 5).await;
        let end = directory
            .end_post(deed(&admin, START), &post)
            .await
            .unwrap();
        w.done(&admin, end, START).await;
        w.sessions.forget_all();
        let back = w
            .sessions
            .resolve(&signed.token, at("a", START))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(back.organisation, Some(id(3)));
        let ended = w.row("posts", &post.id).await;
        assert_eq!(
            ended["organisation"],
            json!(id(5)),
            "where it was stays known"
        );
    })
    .await;
}

#[tokio::test]
async fn a_change_is_seen_within_five_seconds_on_a_node_that_was_not_told() {
    on_each_engine(&bank(), async |w| {
        let password = w.password("branch").to_owned();
        let signed = w
            .sessions
            .login("branch", &password, None, at("a", START))
            .await
            .unwrap();
        let look = async |now| {
            let found = w.sessions.resolve(&signed.token, at("a", now)).await;
            found.unwrap().unwrap().organisations
        };
        assert_eq!(look(START).await, [id(2), id(3)]);
        let operator = w.as_in(17, 6, START).await;
        let moved = w
            .directory()
            .relocate(deed(&operator, START), &RowFilter::All, &id(3), &id(5))
            .await;
        w.done(&operator, moved.unwrap(), START).await;
        assert_eq!(look(START + 5 * SECOND).await, [id(2)]);
    })
    .await;
}

#[tokio::test]
async fn a_store_from_before_posts_gets_them_once() {
    let w = crate::world().await;
    let made = kernel_identity::posts::give_first(&w.store, START).await;
    assert_eq!(made.unwrap(), 0, "there are posts already");
    let ((store, sessions), _folder) = crate::empty().await;
    let user = |n: u32| Write::Insert {
        collection: "users".into(),
        id: id(n),
        subject: None,
        organisation: Some(id(1)),
        district: None,
        values: json!({ "name": "x", "login": format!("l{n}"), "roles": ["bank.officer"],
            "active": true, "password": "x" })
        .as_object()
        .cloned()
        .unwrap(),
    };
    let place = Write::Insert {
        collection: "organisations".into(),
        id: id(1),
        subject: None,
        organisation: Some(id(1)),
        district: None,
        values: json!({ "name": "行", "type": "institution" })
            .as_object()
            .cloned()
            .unwrap(),
    };
    let commit = Commit {
        at: START,
        module: MODULE.into(),
        writes: vec![place, user(11), user(12)],
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
    let give = || kernel_identity::posts::give_first(&store, START);
    assert_eq!((give().await.unwrap(), give().await.unwrap()), (2, 0));
    let seen = sessions.preview(&id(11), &id(1), at("a", START)).await;
    assert_eq!(seen.unwrap().unwrap().roles, ["bank.officer"]);
}
