//! Accounts elsewhere that people sign in with, on both engines.

use kernel_identity::account::AccountError;
use kernel_identity::error::LoginError;
use kernel_identity::federation::{Arrival, Arrived, Binding, Vouched};
use kernel_identity::principal::Principal;
use kernel_identity::step_up::Proof;

use crate::account::{code, make, signed_in, with_factor};
use crate::{SECOND, START, World, at, city, on_each_engine};

const NUMBER: &str = "11010519491231002X";

fn vouched(provider: &str, subject: &str, number: Option<&str>) -> Vouched {
    Vouched {
        provider: provider.into(),
        provider_name: provider.into(),
        subject: subject.into(),
        name: "林知远".into(),
        id_number: number.map(str::to_owned),
        party: None,
        two_factors: false,
    }
}

/// The caller in a browser of their own.
fn browser(p: &Principal, visit: &str) -> Principal {
    Principal {
        visit: visit.into(),
        ..p.clone()
    }
}

/// Comes back from a provider in a browser called `v`.
async fn comes(
    w: &World,
    (state, vouched): (&str, &Vouched),
    caller: &Principal,
    now: i64,
) -> (Arrival, Result<(Arrived, bool), LoginError>) {
    let origin = at("a", now);
    let arrival = w.sessions.spend(state, (&vouched.provider, "v"), origin);
    let arrival = arrival.await.unwrap();
    let who = (caller, None);
    let arrived = Box::pin(w.sessions.arrive(&arrival, vouched, who, origin)).await;
    (arrival, arrived)
}

async fn waiting(w: &World, arrival: &Arrival, caller: &Principal, now: i64) -> Option<Arrival> {
    let caller = browser(caller, "v");
    w.sessions.arrival(&arrival.id, &caller, now).await.unwrap()
}

/// Binds an account elsewhere to one that signs in with a password meanwhile.
async fn binds(w: &World, state: &str, vouched: &Vouched, login: &str) -> Principal {
    let nobody = Principal::anonymous();
    let (arrival, arrived) = comes(w, (state, vouched), &nobody, START).await;
    assert!(matches!(arrived, Ok((Arrived::New, true))));
    let p = signed_in(w, login, START + SECOND).await;
    let arrival = waiting(w, &arrival, &p, START + SECOND).await.unwrap();
    let words = (&arrival, w.password(login));
    let bound = w.sessions.bind(&p, words, at("a", START + SECOND));
    make(&w.store, bound.await.unwrap(), START + SECOND).await;
    p
}

/// Who is let in at once.
async fn comes_in(w: &World, state: &str, vouched: &Vouched, now: i64) -> Principal {
    let (_, arrived) = comes(w, (state, vouched), &Principal::anonymous(), now).await;
    let Ok((Arrived::In(signed), false)) = arrived else {
        unreachable!("one's own account: {arrived:?}");
    };
    signed.principal.clone()
}

fn id_of(row: &kernel_storage::Record) -> String {
    row["id"].as_str().unwrap().to_owned()
}

async fn own(w: &World, p: &Principal) -> Vec<Binding> {
    let user = p.user.as_deref().unwrap();
    w.sessions.bindings(user).await.unwrap()
}

#[tokio::test]
async fn a_return_is_spent_once_and_waits_in_its_own_browser() {
    on_each_engine(&city(), async |w| {
        let nobody = Principal::anonymous();
        let lin = vouched("suishenban", "1", None);
        let (arrival, arrived) = comes(w, ("s1", &lin), &nobody, START).await;
        assert!(matches!(arrived, Ok((Arrived::New, true))));
        let origin = at("a", START + SECOND);
        let twice = w.sessions.spend("s1", ("suishenban", "v"), origin).await;
        assert!(matches!(twice, Err(LoginError::Replayed)));
        assert_eq!(w.audit("denied").await, 1);

        let found = waiting(w, &arrival, &nobody, START + SECOND).await.unwrap();
        assert_eq!(found.vouched.as_ref(), Some(&lin));
        let other = browser(&nobody, "w");
        let there = w.sessions.arrival(&arrival.id, &other, START + SECOND);
        assert!(there.await.unwrap().is_none(), "another browser's");
        let program = w.sessions.arrival(&arrival.id, &nobody, START + SECOND);
        assert!(program.await.unwrap().is_none(), "no browser at all");
        let late = START + 900 * SECOND;
        assert!(waiting(w, &arrival, &nobody, late).await.is_none());

        assert_eq!(w.sessions.end_arrivals(at("", START)).await.unwrap(), 0);
        assert_eq!(w.sessions.end_arrivals(at("", late)).await.unwrap(), 1);
        assert!(
            waiting(w, &arrival, &nobody, START + SECOND)
                .await
                .is_none()
        );
    })
    .await;
}

#[tokio::test]
async fn one_resident_id_is_one_account_and_a_name_is_nothing() {
    on_each_engine(&city(), async |w| {
        let nobody = Principal::anonymous();
        let lin = vouched("suishenban", "1", Some(NUMBER));
        let owner = Box::pin(binds(w, "s1", &lin, "owner")).await;
        let user = owner.user.clone();
        let again = Box::pin(comes_in(w, "s2", &lin, START + 2 * SECOND)).await;
        assert_eq!(again.user, user);

        // Another provider that verified the same id, and one that says but the name.
        let same = vouched("qiyeyun", "9", Some(NUMBER));
        let by_id = Box::pin(comes_in(w, "s3", &same, START + 3 * SECOND)).await;
        assert_eq!(by_id.user, user);
        assert_eq!(w.audited("platform.binding.add", "ok").await, 1);
        let named = vouched("qiyeyun", "10", None);
        let (_, by_name) = comes(w, ("s4", &named), &nobody, START + 4 * SECOND).await;
        assert!(matches!(by_name, Ok((Arrived::New, true))));
        assert_eq!(own(w, &owner).await.len(), 2);

        // Nobody else's account takes it, and this one takes nobody else's.
        let officer = signed_in(w, "officer", START + 5 * SECOND).await;
        let (_, another) = comes(w, ("s5", &lin), &officer, START + 5 * SECOND).await;
        assert!(matches!(another, Err(LoginError::Another)));
        let other = vouched("suishenban", "2", Some("110105199001011233"));
        let (arrival, _) = comes(w, ("s6", &other), &nobody, START + 5 * SECOND).await;
        let later = START + 6 * SECOND;
        let owner = signed_in(w, "owner", later).await;
        let arrival = waiting(w, &arrival, &owner, later).await.unwrap();
        let words = (&arrival, w.password("owner"));
        let bound = w.sessions.bind(&owner, words, at("a", later)).await;
        assert!(matches!(bound, Err(AccountError::OtherPerson)));
    })
    .await;
}

#[tokio::test]
async fn who_is_refused_has_bound_nothing() {
    on_each_engine(&city(), async |w| {
        let lin = vouched("suishenban", "1", Some(NUMBER));
        let owner = binds(w, "s1", &lin, "owner").await;
        let officer = signed_in(w, "officer", START + 3 * SECOND).await;
        let same = vouched("qiyeyun", "9", Some(NUMBER));
        let (_, another) = comes(w, ("s2", &same), &officer, START + 3 * SECOND).await;
        assert!(matches!(another, Err(LoginError::Another)));
        assert_eq!(own(w, &owner).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_away_does_not_come_back_by_itself_and_its_sessions_end() {
    on_each_engine(&city(), async |w| {
        let nobody = Principal::anonymous();
        let lin = vouched("suishenban", "1", Some(NUMBER));
        let stolen = vouched("qiyeyun", "9", Some(NUMBER));
        let owner = binds(w, "s1", &lin, "owner").await;
        let now = START + 2 * SECOND;
        let thief = comes_in(w, "s2", &stolen, now).await;
        assert_eq!(thief.user, owner.user);

        let taken = own(w, &owner).await;
        let taken = taken.iter().find(|b| b.provider == "qiyeyun").unwrap();
        let words = (w.password("owner"), taken.id.as_str());
        let ended = w.sessions.unbind(&owner, words, at("a", now)).await;
        make(&w.store, ended.unwrap(), now).await;
        let live = w.sessions.live(owner.user.as_deref().unwrap(), now).await;
        let live: Vec<String> = live.unwrap().iter().map(id_of).collect();
        assert_eq!(live, [owner.session.clone().unwrap()]);

        let (arrival, back) = comes(w, ("s3", &stolen), &nobody, now + SECOND).await;
        assert!(matches!(back, Ok((Arrived::New, true))), "{back:?}");
        // By hand and with the password it can be bound again, to this person alone.
        let later = now + 2 * SECOND;
        let officer = signed_in(w, "officer", later).await;
        let waits = waiting(w, &arrival, &officer, later).await.unwrap();
        let words = (&waits, w.password("officer"));
        let other = w.sessions.bind(&officer, words, at("a", later)).await;
        assert!(matches!(other, Err(AccountError::BoundElsewhere)));
        let words = (&waits, w.password("owner"));
        let again = w.sessions.bind(&owner, words, at("a", later)).await;
        make(&w.store, again.unwrap(), later).await;
        comes_in(w, "s4", &stolen, later + SECOND).await;
    })
    .await;
}

#[tokio::test]
async fn an_outage_or_a_burst_counts_against_nobody_and_unknown_codes_do() {
    on_each_engine(&city(), async |w| {
        let nobody = Principal::anonymous();
        for i in 0..40 {
            let state = format!("outage-{i}");
            let spent = w.sessions.spend(&state, ("qiyeyun", "v"), at("a", START));
            spent.await.unwrap();
        }
        signed_in(w, "owner", START).await;
        let mut refused = 0;
        loop {
            let counted = w.sessions.refuse_code("qiyeyun", &nobody, at("a", START));
            match counted.await {
                Ok(()) => refused += 1,
                Err(LoginError::Locked { .. }) => break,
                Err(e) => unreachable!("{e}"),
            }
        }
        assert!((1..40).contains(&refused), "{refused}");
        let spent = w.sessions.spend("late", ("qiyeyun", "v"), at("a", START));
        assert!(matches!(spent.await, Err(LoginError::Locked { .. })));
    })
    .await;
}

#[tokio::test]
async fn binding_takes_the_password() {
    on_each_engine(&city(), async |w| {
        let p = signed_in(w, "owner", START).await;
        let lin = vouched("suishenban", "1", None);
        let (arrival, arrived) = comes(w, ("s1", &lin), &p, START + SECOND).await;
        assert!(matches!(arrived, Ok((Arrived::New, true))));
        let now = START + 2 * SECOND;
        let arrival = waiting(w, &arrival, &p, now).await.unwrap();
        let without = w.sessions.bind(&p, (&arrival, ""), at("a", now)).await;
        assert!(matches!(without, Err(AccountError::WrongPassword)));
        let password = w.password("owner").to_owned();
        let bound = w.sessions.bind(&p, (&arrival, &password), at("a", now));
        make(&w.store, bound.await.unwrap(), now).await;

        // Unbound, it is nobody's again, and may be bound to another account.
        let own = own(w, &p).await;
        let words = (password.as_str(), own[0].id.as_str());
        let ended = w.sessions.unbind(&p, words, at("a", now)).await;
        make(&w.store, ended.unwrap(), now).await;
        binds(w, "s2", &lin, "officer").await;
    })
    .await;
}

#[tokio::test]
async fn dj_04_a_provider_is_one_factor_unless_it_proves_two() {
    on_each_engine(&city(), async |w| {
        let lin = vouched("suishenban", "1", None);
        let (p, secret, _) = with_factor(w, "officer", START).await;
        let nobody = Principal::anonymous();
        let (arrival, _) = comes(w, ("s1", &lin), &p, START + SECOND).await;
        let now = START + 2 * SECOND;
        let arrival = waiting(w, &arrival, &p, now).await.unwrap();
        let password = w.password("officer").to_owned();
        let bound = w.sessions.bind(&p, (&arrival, &password), at("a", now));
        make(&w.store, bound.await.unwrap(), now).await;

        let now = START + 60 * SECOND;
        let (_, asked) = comes(w, ("s2", &lin), &nobody, now).await;
        let Ok((Arrived::Pending { pending, ways }, false)) = asked else {
            unreachable!("the second factor is asked for");
        };
        assert!(ways.code);
        let offer = |code| kernel_identity::offer::Offer::Code(code);
        let wrong = w
            .sessions
            .login_with(&pending, offer("000000"), at("a", now));
        assert!(matches!(wrong.await, Err(LoginError::WrongCode { .. })));
        let right = code(&secret, now);
        let done = w.sessions.login_with(&pending, offer(&right), at("a", now));
        assert_eq!(done.await.unwrap().principal.user, p.user);

        let both = Vouched {
            two_factors: true,
            ..lin
        };
        let p = comes_in(w, "s3", &both, now).await;
        // It may have asked nobody anything just now: sensitive actions ask here.
        assert_eq!(w.sessions.proof(&p, now).await.unwrap(), Proof::Old);

        // Nor does an account with a factor take in one that it never bound.
        let numbered = vouched("shenzhengtong", "7", Some(NUMBER));
        let (arrival, _) = comes(w, ("s4", &numbered), &p, now).await;
        let arrival = waiting(w, &arrival, &p, now).await.unwrap();
        let words = (&arrival, password.as_str());
        let bound = w.sessions.bind(&p, words, at("a", now)).await;
        make(&w.store, bound.unwrap(), now).await;
        let never = Vouched {
            two_factors: true,
            ..vouched("qiyeyun", "9", Some(NUMBER))
        };
        let (_, past) = comes(w, ("s5", &never), &nobody, now).await;
        assert!(matches!(past, Ok((Arrived::New, true))), "{past:?}");
    })
    .await;
}
