//! Second factors that were lost and are lifted, on both engines.

use kernel_identity::account::AccountError;
use kernel_identity::duty::Duty;
use kernel_identity::error::LoginError;
use kernel_identity::grants::Given;
use kernel_identity::lifts::LIFT;
use kernel_identity::principal::Principal;
use kernel_identity::refusal::{ChangeError, Refusal};
use kernel_identity::two_person::{Request, Verdict};
use kernel_storage::{CommitError, RowFilter};
use sdk_contract::query::{Filter, Query};
use serde_json::Value;

use crate::account::{code, with_factor};
use crate::organisations::{bank, deed, refused};
use crate::{SECOND, START, World, at, id, on_each_engine};

const NEW: &str = "Nine9lamps%over";
const DAY: i64 = 86_400 * SECOND;

/// Requests about a person's factor that nobody has decided.
async fn waiting(w: &World, user: u32) -> Vec<Request> {
    let query = Query::new("platform.requests")
        .filter(Filter::eq("deed", LIFT))
        .filter(Filter::eq("status", "pending"))
        .filter(Filter::eq("beneficiary", id(user)));
    let found = w.store.find(&query, &RowFilter::All).await.unwrap();
    found.records.iter().map(Request::read).collect()
}

/// The teller asks at the sign-in page.
async fn asks(w: &World, password: &str, now: i64) -> Result<usize, AccountError> {
    let asked = w
        .sessions
        .ask_lift(("teller", password), "手机遗失", at("a", now));
    let writes = asked.await?;
    let made = writes.len();
    w.done(&Principal::anonymous(), writes, now).await;
    Ok(made)
}

async fn approves(
    w: &World,
    by: &Principal,
    request: &Request,
    now: i64,
) -> Result<(), ChangeError> {
    request.may_decide(by, now)?;
    let mut writes = w.directory().lift_approved(deed(by, now), request).await?;
    writes.push(request.decided(Verdict::Approved, deed(by, now)));
    w.done(by, writes, now).await;
    Ok(())
}

#[tokio::test]
async fn dj_04_a_lost_factor_is_lifted_by_another_and_set_up_anew() {
    on_each_engine(&bank(), async |w| {
        let password = w.password("teller").to_owned();
        let early = asks(w, &password, START).await;
        assert!(matches!(early, Err(AccountError::NoSuchFactor)), "has none");
        let (_, secret, _) = with_factor(w, "teller", START).await;
        let now = START + 60 * SECOND;
        let wrong = asks(w, "not it", now).await;
        assert!(matches!(wrong, Err(AccountError::WrongPassword)));
        assert_eq!(asks(w, &password, now).await.unwrap(), 2);
        assert_eq!(
            asks(w, &password, now).await.unwrap(),
            0,
            "it waits already"
        );
        let request = waiting(w, 14).await.remove(0);
        assert_eq!(
            request.organisation,
            Some(id(3)),
            "whose administrators decide"
        );

        // Nothing has changed yet, and the person is told.
        let asked = w.sessions.login("teller", &password, None, at("a", now));
        assert!(matches!(asked.await, Err(LoginError::CodeNeeded { .. })));
        let told = w.directory().lifts_of(&id(14), now).await.unwrap();
        assert_eq!((told.asked.len(), told.done.len()), (1, 0));
        let own = w.as_in(14, 3, now).await;
        assert_eq!(request.may_decide(&own, now), Err(Refusal::NotAnother));

        let admin = w.as_in(13, 1, now).await;
        approves(w, &admin, &request, now).await.unwrap();
        assert_eq!(w.sessions.live(&id(14), now).await.unwrap().len(), 0);
        let signed = w.sessions.login("teller", &password, None, at("a", now));
        let p = signed.await.unwrap().principal;
        assert_eq!(p.duty, Some(Duty::AddFactor), "before anything else");
        let old = code(&secret, now);
        let old = w
            .sessions
            .login("teller", &password, Some(&old), at("a", now));
        assert!(
            old.await.is_ok(),
            "a code is not asked for, and proves nothing"
        );
        let told = w.directory().lifts_of(&id(14), now).await.unwrap();
        assert_eq!((told.asked.len(), told.done.len()), (0, 1));
        let late = now + 31 * DAY;
        let told = w.directory().lifts_of(&id(14), late).await.unwrap();
        assert_eq!(told.done.len(), 0);

        let history = w.history(LIFT).await;
        assert_eq!(history.len(), 1);
        assert_eq!(history[0]["by_name"], Value::from("用户14"));
        assert_eq!(history[0]["approved_by"], Value::from("用户13"));
        assert_eq!(history[0]["reason"], Value::from("手机遗失"));
        assert_eq!(w.history("request.ask-lift").await.len(), 1);
        // Once.
        let d = w.directory();
        let again = d.lift_approved(deed(&admin, now), &request).await;
        assert_eq!(refused(again), Refusal::NoFactor);
    })
    .await;
}

#[tokio::test]
async fn dj_06_an_administrator_asks_and_another_approves() {
    on_each_engine(&bank(), async |w| {
        with_factor(w, "teller", START).await;
        let (admin, branch) = (w.as_in(13, 1, START).await, w.as_in(18, 2, START).await);
        let ask = |by, user: u32| {
            let d = w.directory();
            async move { d.ask_lift(deed(by, START), &id(user)).await }
        };
        assert_eq!(refused(ask(&admin, 13).await), Refusal::Oneself);
        assert_eq!(refused(ask(&admin, 12).await), Refusal::NoFactor);
        let (_, writes) = ask(&admin, 14).await.unwrap();
        w.done(&admin, writes, START).await;
        assert_eq!(refused(ask(&branch, 14).await), Refusal::AskedAlready);
        let request = waiting(w, 14).await.remove(0);
        let own = approves(w, &admin, &request, START).await;
        assert_eq!(refused(own), Refusal::NotAnother);
        let late = START + 72 * 3_600 * SECOND;
        let expired = approves(w, &branch, &request, late).await;
        assert_eq!(refused(expired), Refusal::Expired);

        // Two who approve at once lift it once.
        let security = w.as_in(15, 6, START).await;
        let both = async |by: &Principal| {
            let d = w.directory();
            let lifted = d.lift_approved(deed(by, START), &request).await;
            let mut writes = lifted.unwrap();
            writes.push(request.decided(Verdict::Approved, deed(by, START)));
            writes
        };
        let (one, other) = (both(&branch).await, both(&security).await);
        w.done(&branch, one, START).await;
        let twice = w.try_done(&security, other, START).await;
        assert!(matches!(twice, Err(CommitError::Stale { .. })), "{twice:?}");
        assert_eq!(w.history(LIFT).await.len(), 1);
        assert!(!w.sessions.ways(&id(14)).await.unwrap().any());
    })
    .await;
}

#[tokio::test]
async fn who_handed_out_the_password_does_not_approve_what_was_asked_with_it() {
    on_each_engine(&bank(), async |w| {
        with_factor(w, "teller", START).await;
        let admin = w.as_in(13, 1, START).await;
        let given = w
            .directory()
            .issue_reset(deed(&admin, START), &id(14))
            .await;
        let Given::Done(writes) = given.unwrap() else {
            unreachable!("one person is enough");
        };
        w.done(&admin, writes, START).await;
        let query = Query::new("platform.resets").filter(Filter::eq("user", id(14)));
        let link = w.store.find(&query, &RowFilter::All).await.unwrap();
        let token = w
            .sessions
            .reset_token(link.records[0]["id"].as_str().unwrap());
        let reset = w.sessions.reset(&token, START).await.unwrap().unwrap();
        let used = w.sessions.use_reset(&reset, NEW, at("a", START)).await;
        w.done(&Principal::anonymous(), used.unwrap().1, START)
            .await;

        asks(w, NEW, START).await.unwrap();
        let request = waiting(w, 14).await.remove(0);
        let alone = approves(w, &admin, &request, START).await;
        assert_eq!(refused(alone), Refusal::NotAnother);
        let branch = w.as_in(18, 2, START).await;
        approves(w, &branch, &request, START).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn guesses_at_the_password_count_as_those_of_a_sign_in() {
    on_each_engine(&bank(), async |w| {
        with_factor(w, "teller", START).await;
        for _ in 0..5 {
            let wrong = asks(w, "not it", START).await;
            assert!(matches!(wrong, Err(AccountError::WrongPassword)));
        }
        let password = w.password("teller").to_owned();
        let locked = asks(w, &password, START).await;
        assert!(matches!(locked, Err(AccountError::Locked { .. })));
        let sign_in = w.sessions.login("teller", &password, None, at("b", START));
        assert!(matches!(sign_in.await, Err(LoginError::Locked { .. })));
    })
    .await;
}
