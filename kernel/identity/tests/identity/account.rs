//! What a person does with the own account, on a real store. Named after the clauses of
//! GB/T 22239-2019 that they hold.

use std::sync::Arc;

use kernel_crypto::keys::custody::{CustodianKey, Operation};
use kernel_crypto::keys::{Done, KeyRing};
use kernel_crypto::otp;
use kernel_identity::account::AccountError;
use kernel_identity::duty::Duty;
use kernel_identity::error::LoginError;
use kernel_identity::first;
use kernel_identity::offer::Offer;
use kernel_identity::password_rules::Weak;
use kernel_identity::peppers;
use kernel_identity::principal::Principal;
use kernel_identity::session::{SessionPolicy, Sessions};
use kernel_storage::{Commit, Store};
use sdk_contract::call::Write;

use crate::{SECOND, START, World, at, city, id, on_each_engine, world};

const NEW: &str = "Nine9lamps%over";
const DAY: i64 = 86_400 * SECOND;

pub(crate) async fn make(store: &Store, writes: Vec<Write>, at: i64) {
    let commit = Commit {
        at,
        module: "platform".into(),
        writes,
        ..Commit::default()
    };
    store.commit(commit).await.unwrap();
}

/// Signed in with the demo password.
pub(crate) async fn signed_in(w: &World, login: &str, now: i64) -> Principal {
    let password = w.password(login);
    let signed = w.sessions.login(login, password, None, at("a", now)).await;
    signed.unwrap().principal
}

#[tokio::test]
async fn a_password_goes_over_to_the_new_pepper_when_its_owner_signs_in() {
    on_each_engine(&city(), async |w| {
        let keys = KeyRing::open_or_create(&w.folder.path().join("keys"), None).unwrap();
        let keys = Arc::new(keys);
        let policy = SessionPolicy::default();
        let sessions = Sessions::new(w.store.clone(), Arc::clone(&keys), policy);
        let sign_in = async |login: &str, now| {
            let signed = sessions.login(login, w.password(login), None, at("a", now));
            Box::pin(signed).await.unwrap().principal
        };
        let [lin, qiao] = ["lin", "qiao"].map(|name| {
            let file = w.folder.path().join(name);
            let key = CustodianKey::create(&file, name, "three quiet herons").unwrap();
            keys.found(key.custodian().unwrap()).unwrap();
            key
        });
        let both = |operation| {
            let request = keys.request(operation, &lin, START).unwrap();
            let approval = keys.approve(&request.id, &qiao, START).unwrap();
            keys.execute(approval, START).unwrap()
        };
        let list = keys.list();
        let old = list.iter().find(|key| key.name == "pepper").unwrap().number;
        let users = peppers::needed_by(&w.store, &keys, old).await.unwrap();
        assert!(users > 1);
        let Done::Rotated { number } = both(Operation::Rotate {
            key: "pepper".into(),
        }) else {
            panic!("no rotation");
        };
        // A wrong password changes nothing.
        let wrong = sessions.login("officer", "Wrong1pass%word", None, at("a", START));
        assert!(Box::pin(wrong).await.is_err());
        assert_eq!(
            peppers::needed_by(&w.store, &keys, old).await.unwrap(),
            users
        );
        // At once from two places, and again.
        let twice = tokio::join!(
            sign_in("officer", START + SECOND),
            sign_in("officer", START + SECOND)
        );
        assert_eq!(twice.0.user, twice.1.user);
        // A process that has not heard of the rotation lets them in as well.
        Box::pin(signed_in(w, "officer", START + 2 * SECOND)).await;
        let left = peppers::needed_by(&w.store, &keys, old).await.unwrap();
        assert_eq!(left, users - 1);
        assert_eq!(
            peppers::needed_by(&w.store, &keys, number).await.unwrap(),
            1
        );
        // The others sign in with what they have.
        sign_in("owner", START + 3 * SECOND).await;
        assert_eq!(
            peppers::needed_by(&w.store, &keys, number).await.unwrap(),
            2
        );
        both(Operation::Destroy { number: old });
        sign_in("owner", START + 4 * SECOND).await;
    })
    .await;
}

/// The secret of the factor that is being set up, as an authenticator would scan it.
pub(crate) async fn secret(w: &World, user: &str) -> String {
    let factor = w.sessions.factor(user).await.unwrap().unwrap();
    let uri = factor.uri("x");
    let (_, rest) = uri.split_once("secret=").unwrap();
    rest.split('&').next().unwrap().to_owned()
}

pub(crate) fn code(secret: &str, now: i64) -> String {
    otp::code(secret, otp::step(now / SECOND)).unwrap()
}

/// Sets a factor up; its secret and recovery codes.
pub(crate) async fn with_factor(
    w: &World,
    login: &str,
    now: i64,
) -> (Principal, String, Vec<String>) {
    let p = signed_in(w, login, now).await;
    let user = p.user.clone().unwrap();
    let password = w.password(login).to_owned();
    let begun = w.sessions.begin_factor(&p, &password, id(77), at("a", now));
    make(&w.store, begun.await.unwrap(), now).await;
    let secret = secret(w, &user).await;
    let codes = w.sessions.factor(&user).await.unwrap().unwrap();
    let codes = codes.codes().to_vec();
    let first = code(&secret, now);
    let confirmed = w.sessions.confirm_factor(&p, &first, at("a", now)).await;
    make(&w.store, confirmed.unwrap(), now).await;
    (p, secret, codes)
}

#[tokio::test]
async fn dj_01_a_new_password_ends_the_other_sessions_and_is_not_an_old_one() {
    let w = world().await;
    let old = w.password("owner").to_owned();
    let other = w
        .sessions
        .login("owner", &old, None, at("b", START))
        .await
        .unwrap();
    let p = signed_in(&w, "owner", START).await;
    let change = |current: &str, new: &str| {
        let words = (current.to_owned(), new.to_owned());
        let (w, p) = (&w, &p);
        async move {
            w.sessions
                .change_password(p, (&words.0, &words.1), at("a", START))
                .await
        }
    };
    assert!(matches!(
        change("wrong", NEW).await,
        Err(AccountError::WrongPassword)
    ));
    let weak = change(&old, "Password123!").await;
    assert!(matches!(weak, Err(AccountError::Weak(Weak::Common))));

    make(&w.store, change(&old, NEW).await.unwrap(), START).await;
    let gone = w
        .sessions
        .resolve(&other.token, at("b", START + 6 * SECOND))
        .await;
    assert_eq!(gone.unwrap(), None);
    let refused = w.sessions.login("owner", &old, None, at("a", START)).await;
    assert!(matches!(refused, Err(LoginError::Refused)));
    w.sessions
        .login("owner", NEW, None, at("a", START))
        .await
        .unwrap();
    let again = change(NEW, NEW).await;
    assert!(matches!(again, Err(AccountError::Weak(Weak::Used))));
}

#[tokio::test]
async fn dj_01_an_old_password_is_changed_before_anything_else() {
    let w = world().await;
    let old = w.password("owner").to_owned();
    let p = signed_in(&w, "owner", START).await;
    assert_eq!(p.duty, None);
    let writes = w
        .sessions
        .change_password(&p, (&old, NEW), at("a", START))
        .await;
    make(&w.store, writes.unwrap(), START).await;
    for (days, duty) in [(89, None), (90, Some(Duty::ChangePassword))] {
        let now = START + days * DAY;
        // A sign-in in between keeps the account from going stale.
        let signed = w
            .sessions
            .login("owner", NEW, None, at("a", now))
            .await
            .unwrap();
        assert_eq!(signed.principal.duty, duty, "{days} days");
    }
}

#[tokio::test]
async fn dj_02_one_session_too_many_ends_the_oldest() {
    let w = world().await;
    let mut tokens = Vec::new();
    for i in 0..6 {
        let now = START + i * SECOND;
        let password = w.password("owner");
        let signed = w
            .sessions
            .login("owner", password, None, at("a", now))
            .await;
        tokens.push(signed.unwrap().token);
    }
    let now = START + 20 * SECOND;
    let mut live = Vec::new();
    for token in &tokens {
        live.push(
            w.sessions
                .resolve(token, at("a", now))
                .await
                .unwrap()
                .is_some(),
        );
    }
    assert_eq!(live, [false, true, true, true, true, true]);
}

#[tokio::test]
async fn dj_02_a_person_ends_the_own_sessions_only() {
    let w = world().await;
    let password = w.password("owner").to_owned();
    let lost = w
        .sessions
        .login("owner", &password, None, at("b", START))
        .await
        .unwrap();
    let p = signed_in(&w, "owner", START).await;
    let stranger = signed_in(&w, "officer", START).await;
    let session = lost.principal.session.clone().unwrap();
    let not_mine = w
        .sessions
        .end_own(&stranger, &session, at("a", START))
        .await;
    assert_eq!(not_mine.unwrap(), None);
    let ended = w
        .sessions
        .end_own(&p, &session, at("a", START))
        .await
        .unwrap();
    make(&w.store, ended.into_iter().collect(), START).await;
    let gone = w
        .sessions
        .resolve(&lost.token, at("b", START + 6 * SECOND))
        .await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn dj_04_the_password_alone_is_not_enough_and_a_code_is_good_once() {
    let w = world().await;
    let (_, secret, codes) = with_factor(&w, "owner", START).await;
    let now = START + 60 * SECOND;
    let w = &w;
    let login = |code: Option<String>, now: i64| {
        let password = w.password("owner");
        async move {
            w.sessions
                .login("owner", password, code.as_deref(), at("a", now))
                .await
        }
    };
    let Err(LoginError::CodeNeeded { pending, .. }) = login(None, now).await else {
        panic!("a code is asked for");
    };
    let wrong = login(Some("000000".into()), now).await;
    assert!(matches!(wrong, Err(LoginError::WrongCode { .. })));

    let right = code(&secret, now);
    let signed = w
        .sessions
        .login_with(&pending, Offer::Code(&right), at("a", now))
        .await;
    signed.unwrap();
    let replayed = login(Some(right), now).await;
    assert!(matches!(replayed, Err(LoginError::WrongCode { .. })));

    login(Some(codes[0].clone()), now).await.unwrap();
    let spent = login(Some(codes[0].clone()), now).await;
    assert!(matches!(spent, Err(LoginError::WrongCode { .. })));
}

#[tokio::test]
async fn dj_04_proof_of_the_password_is_short_lived_and_cannot_be_made_up() {
    let w = world().await;
    let (_, secret, _) = with_factor(&w, "owner", START).await;
    let now = START + 60 * SECOND;
    let password = w.password("owner");
    let Err(LoginError::CodeNeeded { pending, .. }) = w
        .sessions
        .login("owner", password, None, at("a", now))
        .await
    else {
        panic!("a code is asked for");
    };
    let late = now + 301 * SECOND;
    let forged = pending.replacen(&id(12), &id(11), 1);
    for (pending, now) in [
        (pending.as_str(), late),
        (forged.as_str(), now),
        ("", now),
        ("a.b.c", now),
    ] {
        let right = code(&secret, now);
        let answer = w
            .sessions
            .login_with(pending, Offer::Code(&right), at("a", now))
            .await;
        assert!(matches!(answer, Err(LoginError::Late)), "{pending}");
    }
}

#[tokio::test]
async fn dj_04_guessing_codes_locks_the_account() {
    let w = world().await;
    with_factor(&w, "owner", START).await;
    let now = START + 60 * SECOND;
    let password = w.password("owner");
    let mut last = None;
    for _ in 0..6 {
        let guess = w
            .sessions
            .login("owner", password, Some("123456"), at("a", now));
        last = Some(guess.await);
    }
    assert!(
        matches!(last, Some(Err(LoginError::Locked { .. }))),
        "{last:?}"
    );
}

#[tokio::test]
async fn dj_04_a_role_that_needs_a_second_factor_cannot_do_without() {
    let w = world().await;
    let p = signed_in(&w, "officer", START).await;
    assert_eq!(p.duty, Some(Duty::AddFactor));
    let (p, secret, _) = with_factor(&w, "officer", START).await;
    let now = START + 60 * SECOND;
    let password = w.password("officer").to_owned();
    let signed = w
        .sessions
        .login(
            "officer",
            &password,
            Some(&code(&secret, now)),
            at("a", now),
        )
        .await;
    assert_eq!(signed.unwrap().principal.duty, None);
    let later = now + 60 * SECOND;
    let words = (password.as_str(), &*code(&secret, later));
    let removed = w.sessions.remove_factor(&p, words, at("a", later)).await;
    assert!(matches!(removed, Err(AccountError::Needed)));
}

#[tokio::test]
async fn dj_05_an_account_that_nobody_used_is_closed() {
    let w = world().await;
    signed_in(&w, "owner", START).await;
    let password = w.password("owner");
    let now = START + 90 * DAY;
    let stale = w
        .sessions
        .login("owner", password, None, at("a", now))
        .await;
    assert!(matches!(stale, Err(LoginError::Stale)), "{stale:?}");
}

#[tokio::test]
async fn dj_05_a_fresh_installation_has_no_known_credential() {
    let w = world().await;
    // Where somebody can sign in, nothing is made.
    let none = first::administrators(&w.store, &w.sessions, "平台", START).await;
    assert_eq!(none.unwrap(), []);

    let (empty, _folder) = crate::empty().await;
    let made = first::administrators(&empty.0, &empty.1, "平台", START)
        .await
        .unwrap();
    let (again, _folder2) = crate::empty().await;
    let others = first::administrators(&again.0, &again.1, "平台", START)
        .await
        .unwrap();
    assert_eq!(made.len(), 3);
    for (one, other) in made.iter().zip(&others) {
        assert_eq!(one.login, other.login);
        assert_ne!(one.password, other.password);
        let signed = empty
            .1
            .login(&one.login, &one.password, None, at("a", START))
            .await;
        let p = signed.unwrap().principal;
        assert_eq!(p.duty, Some(Duty::ChangePassword));
        assert_eq!(p.roles.len(), 1, "nobody is more than one of the three");
    }
}
