//! A second factor proven again in the middle of a session, on both engines.

use kernel_identity::account::AccountError;
use kernel_identity::error::LoginError;
use kernel_identity::offer::Offer;
use kernel_identity::principal::Principal;
use kernel_identity::step_up::Proof;

use crate::account::{code, secret, signed_in, with_factor};
use crate::{SECOND, START, World, at, city, on_each_engine};

async fn proof(w: &World, p: &Principal, now: i64) -> Proof {
    w.sessions.proof(p, now).await.unwrap()
}

#[tokio::test]
async fn dj_04_a_proof_is_fresh_for_ten_minutes_in_the_session_it_was_given_in() {
    on_each_engine(&city(), async |w| {
        let plain = signed_in(w, "officer", START).await;
        assert_eq!(proof(w, &plain, START).await, Proof::NoFactor);
        let nobody = w
            .sessions
            .step_up(&plain, Offer::Code("123456"), at("a", START))
            .await;
        assert!(matches!(nobody, Err(AccountError::NoSuchFactor)));

        // Setting one up proves it.
        let (first, secret, _) = with_factor(w, "officer", START).await;
        assert_eq!(proof(w, &first, START).await, Proof::Fresh);
        assert_eq!(proof(w, &plain, START).await, Proof::Old, "not elsewhere");
        let later = START + 599 * SECOND;
        assert_eq!(proof(w, &first, later).await, Proof::Fresh);
        let old = START + 600 * SECOND;
        assert_eq!(proof(w, &first, old).await, Proof::Old);

        let right = code(&secret, old);
        let wrong = w
            .sessions
            .step_up(&first, Offer::Code("000000"), at("a", old))
            .await;
        assert!(matches!(wrong, Err(AccountError::WrongCode)));
        w.sessions
            .step_up(&first, Offer::Code(&right), at("a", old))
            .await
            .unwrap();
        assert_eq!(proof(w, &first, old + SECOND).await, Proof::Fresh);
        // The code is spent, also for another session.
        let replayed = w
            .sessions
            .step_up(&plain, Offer::Code(&right), at("a", old))
            .await;
        assert!(matches!(replayed, Err(AccountError::WrongCode)));

        // So does signing in with it.
        let now = old + 60 * SECOND;
        let password = w.password("officer");
        let right = code(&secret, now);
        let signed = w
            .sessions
            .login("officer", password, Some(&right), at("a", now))
            .await
            .unwrap();
        assert_eq!(proof(w, &signed.principal, now).await, Proof::Fresh);
        assert_eq!(w.steps("ok").await, 1);
        assert_eq!(w.steps("denied").await, 2);
    })
    .await;
}

#[tokio::test]
async fn dj_02_guessing_in_a_session_locks_the_account() {
    let w = crate::world().await;
    let (p, _, _) = with_factor(&w, "owner", START).await;
    let old = START + 700 * SECOND;
    for _ in 0..5 {
        let guess = w
            .sessions
            .step_up(&p, Offer::Code("000000"), at("a", old))
            .await;
        assert!(matches!(guess, Err(AccountError::WrongCode)));
    }
    let secret = secret(&w, p.user.as_deref().unwrap()).await;
    let right = code(&secret, old);
    let locked = w
        .sessions
        .step_up(&p, Offer::Code(&right), at("a", old))
        .await;
    assert!(matches!(locked, Err(AccountError::Locked { .. })));
    let password = w.password("owner");
    let login = w
        .sessions
        .login("owner", password, Some(&right), at("a", old))
        .await;
    assert!(matches!(login, Err(LoginError::Locked { .. })));
}
