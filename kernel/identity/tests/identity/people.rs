//! New passwords by link, people who leave and come back, accounts that nobody used: on both
//! engines.

use kernel_identity::account::AccountError;
use kernel_identity::error::LoginError;
use kernel_identity::grants::Given;
use kernel_identity::invitations::Guest;
use kernel_identity::principal::Principal;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_identity::resets::Reset;
use kernel_identity::two_person::Request;
use kernel_storage::{Commit, CommitError, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::query::{Filter, Query};
use serde_json::Value;

use crate::account::{code, make, with_factor};
use crate::organisations::{bank, deed, refused};
use crate::{SECOND, START, World, at, id, on_each_engine};

const NEW: &str = "Nine9lamps%over";
const DAY: i64 = 86_400 * SECOND;

async fn resets(w: &World, user: u32) -> Vec<Reset> {
    let query = Query::new("platform.resets")
        .filter(Filter::eq("user", id(user)))
        .sort("created_at", true);
    let found = w.store.find(&query, &RowFilter::All).await.unwrap();
    found.records.iter().map(Reset::read).collect()
}

/// The open link of a person.
async fn link(w: &World, user: u32, now: i64) -> String {
    let all = resets(w, user).await;
    let open: Vec<&Reset> = all.iter().filter(|r| r.is_open(now)).collect();
    assert_eq!(open.len(), 1, "one link at a time");
    w.sessions.reset_token(&open[0].id)
}

async fn issued(w: &World, by: &Principal, user: u32, now: i64) {
    let given = w.directory().issue_reset(deed(by, now), &id(user)).await;
    let Given::Done(writes) = given.unwrap() else {
        unreachable!("one person is enough");
    };
    w.done(by, writes, now).await;
}

fn reach(by: &Principal) -> RowFilter {
    RowFilter::Organisations(by.organisations.clone())
}

#[tokio::test]
async fn whoever_forgot_is_told_the_same_and_a_link_is_good_once_for_a_day() {
    on_each_engine(&bank(), async |w| {
        let origin = at("a", START);
        for (login, writes) in [("nobody", 0), ("teller", 1)] {
            let asked = w.sessions.ask_reset(login, origin).await.unwrap();
            assert_eq!(asked.len(), writes, "{login}");
            make(&w.store, asked, START).await;
        }
        // Asked once more, nothing new waits.
        assert_eq!(w.sessions.ask_reset("teller", origin).await.unwrap(), []);
        assert!(resets(w, 14).await[0].waits());

        let admin = w.as_in(13, 1, START).await;
        issued(w, &admin, 14, START).await;
        assert_eq!(resets(w, 14).await.len(), 1, "the ask is answered");
        let first = link(w, 14, START).await;
        issued(w, &admin, 14, START + SECOND).await;
        let token = link(w, 14, START + SECOND).await;
        let now = START + 2 * SECOND;
        assert_eq!(w.sessions.reset(&first, now).await.unwrap(), None);
        assert_eq!(w.sessions.reset(&token, now + DAY).await.unwrap(), None);
        let forged = token.replacen(&token[..8], "00000000", 1);
        for wrong in ["", "x", &token[..token.len() - 1], &forged] {
            assert_eq!(w.sessions.reset(wrong, now).await.unwrap(), None);
        }

        // Somebody guessed at the account before; the person's own new password opens it.
        for _ in 0..6 {
            let guess = w.sessions.login("teller", "wrong", None, at("g", now));
            drop(guess.await);
        }
        let reset = w.sessions.reset(&token, now).await.unwrap().unwrap();
        let stored = w.row("resets", &reset.id).await;
        assert!(!serde_json::to_string(&stored).unwrap().contains(&token));
        let used = |password: &'static str| {
            let reset = &reset;
            async move { w.sessions.use_reset(reset, password, at("a", now)).await }
        };
        assert!(matches!(used("teller1A").await, Err(AccountError::Weak(_))));
        let old = w.password("teller").to_owned();
        let (_, one) = used(NEW).await.unwrap();
        let (_, other) = used(NEW).await.unwrap();
        let nobody = Principal::anonymous();
        w.done(&nobody, one, now).await;
        let twice = w.try_done(&nobody, other, now).await;
        assert!(matches!(twice, Err(CommitError::Stale { .. })), "{twice:?}");
        assert_eq!(w.sessions.reset(&token, now).await.unwrap(), None);
        let before = w.sessions.login("teller", &old, None, at("a", now)).await;
        assert!(matches!(before, Err(LoginError::Refused)));
        let after = w.sessions.login("teller", NEW, None, at("a", now)).await;
        after.unwrap();
        assert_eq!(w.history("reset.use").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_link_ends_every_session_and_leaves_the_second_factor() {
    on_each_engine(&bank(), async |w| {
        let (p, secret, _) = with_factor(w, "teller", START).await;
        let admin = w.as_in(13, 1, START).await;
        let now = START + 60 * SECOND;
        issued(w, &admin, 14, now).await;
        let token = link(w, 14, now).await;
        let reset = w.sessions.reset(&token, now).await.unwrap().unwrap();
        let (user, writes) = w
            .sessions
            .use_reset(&reset, NEW, at("a", now))
            .await
            .unwrap();
        assert_eq!(Some(&user), p.user.as_ref());
        w.done(&Principal::anonymous(), writes, now).await;
        assert_eq!(w.sessions.live(&user, now).await.unwrap().len(), 0);
        let asked = w.sessions.login("teller", NEW, None, at("a", now)).await;
        assert!(matches!(asked, Err(LoginError::CodeNeeded { .. })));
        let code = code(&secret, now);
        let signed = w.sessions.login("teller", NEW, Some(&code), at("a", now));
        signed.await.unwrap();
        // Nobody issues one for themselves.
        let own = w.directory().issue_reset(deed(&admin, now), &id(13)).await;
        assert_eq!(refused(own), Refusal::Oneself);
    })
    .await;
}

#[tokio::test]
async fn dj_06_a_link_for_an_administrator_takes_two_people() {
    on_each_engine(&bank(), async |w| {
        let (operator, auditor) = (w.as_in(17, 6, START).await, w.as_in(16, 6, START).await);
        let asked = w
            .directory()
            .issue_reset(deed(&operator, START), &id(15))
            .await;
        let Given::Asked(request, writes) = asked.unwrap() else {
            unreachable!("two people are needed");
        };
        w.done(&operator, writes, START).await;
        assert_eq!(resets(w, 15).await, [], "nothing yet");
        let request = Request::read(&w.row("requests", &request).await);
        let security = w.as_in(15, 6, START).await;
        assert_eq!(
            request.may_decide(&security, START),
            Err(Refusal::NotAnother)
        );
        assert_eq!(
            request.may_decide(&operator, START),
            Err(Refusal::NotAnother)
        );
        assert_eq!(request.may_decide(&auditor, START), Ok(()));
        let writes = w
            .directory()
            .issue_approved(deed(&auditor, START), &request)
            .await
            .unwrap();
        w.done(&auditor, writes, START).await;
        link(w, 15, START).await;
        let history = w.history("user.issue-reset").await;
        assert_eq!(history[0]["by_name"], Value::from("用户17"));
        assert_eq!(history[0]["approved_by"], Value::from("用户16"));
    })
    .await;
}

#[tokio::test]
async fn dj_05_who_leaves_can_do_nothing_more_and_may_come_back() {
    on_each_engine(&bank(), async |w| {
        let password = w.password("teller").to_owned();
        let signed = w
            .sessions
            .login("teller", &password, None, at("a", START))
            .await
            .unwrap();
        let admin = w.as_in(13, 1, START).await;
        issued(w, &admin, 14, START).await;
        let token = link(w, 14, START).await;

        let left = w
            .directory()
            .leave(deed(&admin, START), &reach(&admin), &id(14))
            .await
            .unwrap();
        assert_eq!((left.posts, left.closed), (2, true), "also the second post");
        w.done(&admin, left.writes, START).await;
        let now = START + 6 * SECOND;
        let gone = w.sessions.resolve(&signed.token, at("a", now)).await;
        assert_eq!(gone.unwrap(), None);
        let login = w.sessions.login("teller", &password, None, at("a", now));
        assert!(matches!(login.await, Err(LoginError::Refused)));
        assert_eq!(w.sessions.reset(&token, now).await.unwrap(), None);
        assert_eq!(
            w.sessions.ask_reset("teller", at("a", now)).await.unwrap(),
            []
        );
        let grants = Query::new("platform.grants")
            .filter(Filter::eq("user", id(14)))
            .filter(Filter::Missing {
                field: "ended_at".into(),
            });
        let held = w.store.find(&grants, &RowFilter::All).await.unwrap();
        assert_eq!(held.records.len(), 0);
        let again = w
            .directory()
            .leave(deed(&admin, now), &reach(&admin), &id(14))
            .await;
        assert_eq!(refused(again), Refusal::Left);
        let link = w.directory().issue_reset(deed(&admin, now), &id(14)).await;
        assert!(
            matches!(link, Err(ref e) if e.to_string().contains("left")),
            "{link:?}"
        );

        let back = w
            .directory()
            .come_back(deed(&admin, now), &id(14), "返聘顾问")
            .await;
        w.done(&admin, back.unwrap(), now).await;
        let signed = w.sessions.login("teller", &password, None, at("a", now));
        let p = signed.await.unwrap().principal;
        assert_eq!(p.organisation, Some(id(3)));
        assert_eq!(p.posts.len(), 1);
        assert!(p.roles.is_empty(), "roles are given anew");
        assert_eq!(w.history("user.leave").await.len(), 1);
        assert_eq!(w.history("user.return").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn dj_05_leaving_one_organisation_keeps_what_is_beyond_reach() {
    on_each_engine(&bank(), async |w| {
        // The branch reaches 2 and 3, not the second post in 5.
        let branch = w.as_in(18, 2, START).await;
        let guest = Guest {
            name: "新人".into(),
            login: "newcomer".into(),
            title: "客户经理".into(),
            organisation: id(2),
        };
        let invited = w
            .directory()
            .invite(deed(&branch, START), &reach(&branch), &w.sessions, &[guest])
            .await
            .unwrap();
        w.done(&branch, invited, START).await;
        let left = w
            .directory()
            .leave(deed(&branch, START), &reach(&branch), &id(14))
            .await
            .unwrap();
        assert_eq!((left.posts, left.closed), (1, false));
        w.done(&branch, left.writes, START).await;
        let password = w.password("teller").to_owned();
        let signed = w.sessions.login("teller", &password, None, at("a", START));
        let p = signed.await.unwrap().principal;
        assert_eq!(p.organisation, Some(id(5)));
        assert_eq!(p.roles, ["model.developer"], "those of home are gone");

        // The branch's administrator leaves: the invitations they made die with it.
        let admin = w.as_in(13, 1, START).await;
        let left = w
            .directory()
            .leave(deed(&admin, START), &reach(&admin), &id(18))
            .await
            .unwrap();
        w.done(&admin, left.writes, START).await;
        let open = Query::new("platform.invitations").filter(Filter::Missing {
            field: "ended_at".into(),
        });
        let open = w.store.find(&open, &RowFilter::All).await.unwrap();
        assert_eq!(open.records.len(), 0);
        let own = w
            .directory()
            .leave(deed(&admin, START), &reach(&admin), &id(13))
            .await;
        assert_eq!(refused(own), Refusal::Oneself);
        // Somebody must be left who can give roles.
        let operator = w.as_in(17, 6, START).await;
        let last = w
            .directory()
            .leave(deed(&operator, START), &RowFilter::All, &id(15))
            .await;
        assert_eq!(refused(last), Refusal::LastOne);
    })
    .await;
}

async fn suspended(w: &World, user: u32) -> bool {
    w.row("users", &id(user)).await["suspended_at"].is_string()
}

#[tokio::test]
async fn dj_05_unused_accounts_are_suspended_and_opened_again() {
    on_each_engine(&bank(), async |w| {
        let password = w.password("owner").to_owned();
        let login = |now: i64| {
            let password = &password;
            async move {
                let signed = w.sessions.login("owner", password, None, at("a", now));
                signed.await.map(|s| s.principal)
            }
        };
        login(START + DAY).await.unwrap();
        let sweep = |now| w.sessions.suspend_unused(at("", now));
        assert_eq!(sweep(START + 90 * DAY - SECOND).await.unwrap(), 0);
        // Everybody but the one who signed in, and the last who could open the others.
        let now = START + 90 * DAY;
        let all = w.logins.len();
        assert_eq!(sweep(now).await.unwrap(), all - 2);
        assert_eq!(sweep(now).await.unwrap(), 0, "once");
        assert!(suspended(w, 11).await && !suspended(w, 12).await);
        assert!(!suspended(w, 17).await);
        assert_eq!(w.history("user.suspend").await.len(), all - 2);

        // The sign-in finds it as well as the sweep.
        let late = START + 91 * DAY;
        assert!(matches!(login(late).await, Err(LoginError::Stale)));
        assert!(suspended(w, 12).await);
        assert!(matches!(login(late).await, Err(LoginError::Stale)));
        let operator = w.password("operator").to_owned();
        let signed = w.sessions.login("operator", &operator, None, at("b", late));
        let operator = signed.await.unwrap().principal;
        let opened = w
            .directory()
            .open_again(deed(&operator, late), &id(12))
            .await;
        let writes: Vec<Write> = opened.unwrap();
        w.done(&operator, writes, late).await;
        login(late).await.unwrap();
        let again = w
            .directory()
            .open_again(deed(&operator, late), &id(12))
            .await;
        assert_eq!(refused(again), Refusal::Nothing);
    })
    .await;
}

#[tokio::test]
async fn dj_01_a_login_is_never_given_to_another() {
    on_each_engine(&bank(), async |w| {
        let admin = w.as_in(13, 1, START).await;
        let is_taken = async || {
            let guests = [Guest {
                name: "新人".into(),
                login: "teller".into(),
                title: "客户经理".into(),
                organisation: id(3),
            }];
            let (directory, reach) = (w.directory(), reach(&admin));
            let asked = directory.invite(deed(&admin, START), &reach, &w.sessions, &guests);
            matches!(
                asked.await.unwrap_err()[..],
                [(_, ChangeError::Refused(Refusal::LoginTaken))]
            )
        };
        assert!(is_taken().await, "while somebody has it");
        let left = w
            .directory()
            .leave(deed(&admin, START), &reach(&admin), &id(14))
            .await
            .unwrap();
        w.done(&admin, left.writes, START).await;
        assert!(is_taken().await, "and after they left");
        // Past all of that, the table itself refuses a second one.
        let mut double = w.row("users", &id(14)).await;
        let kept = ["name", "login", "roles", "active", "password"];
        double.retain(|name, _| kept.contains(&name.as_str()));
        let commit = Commit {
            at: START,
            module: "platform".into(),
            writes: vec![Write::Insert {
                collection: "users".into(),
                id: id(99),
                subject: None,
                organisation: None,
                district: None,
                values: double,
            }],
            ..Commit::default()
        };
        let second = w.store.commit(commit).await;
        assert!(
            matches!(second, Err(CommitError::Conflict { .. })),
            "{second:?}"
        );
    })
    .await;
}
