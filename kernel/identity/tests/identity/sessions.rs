//! Sessions and demo users on a real store.

use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_identity::demo::{self, LOGINS_FILE};
use kernel_identity::error::LoginError;
use kernel_identity::session::{CACHE_MICROS, Origin, SessionPolicy, Sessions};

use crate::{SECOND, START, at, city, empty, id, people, world};

#[tokio::test]
async fn a_session_carries_its_user_and_the_tree_below() {
    let w = world().await;
    let signed = w
        .sessions
        .login(" officer ", w.password("officer"), None, at("a", START))
        .await
        .unwrap();
    let p = w
        .sessions
        .resolve(&signed.token, at("a", START))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(p.organisations, [id(1), id(2), id(3)]);
    assert_eq!(p.subject, None);
    assert_eq!(p.roles, ["bank.officer"]);
    let owner = w
        .sessions
        .login("owner", w.password("owner"), None, at("a", START))
        .await
        .unwrap();
    assert_eq!(owner.principal.subject, Some(id(4)));
    assert_eq!(owner.principal.district.as_deref(), Some("310115"));
    assert_eq!(
        w.sessions
            .resolve("no such token", at("a", START))
            .await
            .unwrap(),
        None
    );
    assert_eq!(w.audit("ok").await, 2);
}

#[tokio::test]
async fn dj_02_sessions_end_when_idle_and_in_any_case() {
    let w = world().await;
    let idle = SessionPolicy::default().idle_seconds * SECOND;
    let absolute = SessionPolicy::default().absolute_seconds * SECOND;
    let token = w
        .sessions
        .login("owner", w.password("owner"), None, at("a", START))
        .await
        .unwrap()
        .token;
    // Seen again and again, it lives on; once not seen for the idle time, it is over.
    let mut now = START;
    while now < START + absolute - idle {
        now += idle - SECOND;
        assert!(
            w.sessions
                .resolve(&token, at("a", now))
                .await
                .unwrap()
                .is_some(),
            "{now}"
        );
    }
    assert!(
        w.sessions
            .resolve(&token, at("a", START + absolute))
            .await
            .unwrap()
            .is_none()
    );
    let token = w
        .sessions
        .login("owner", w.password("owner"), None, at("a", START))
        .await
        .unwrap()
        .token;
    assert!(
        w.sessions
            .resolve(&token, at("a", START + idle))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn dj_02_whoever_administers_the_platform_is_signed_out_sooner() {
    let mut demo = city();
    demo.users[0].roles = vec!["platform.operator".into()];
    let (opened, folder) = empty().await;
    let w = people(opened, folder, &demo).await;
    for (login, minutes) in [("officer", 10), ("owner", 15)] {
        let signed = w
            .sessions
            .login(login, w.password(login), None, at("a", START));
        let token = signed.await.unwrap().token;
        let idle = minutes * 60 * SECOND;
        let seen = START + idle - 1;
        let there = w.sessions.resolve(&token, at("a", seen)).await.unwrap();
        assert!(there.is_some(), "{login}");
        let gone = w.sessions.resolve(&token, at("a", seen + idle)).await;
        assert!(gone.unwrap().is_none(), "{login}");
    }
}

#[tokio::test]
async fn dj_12_whoever_administers_the_platform_does_so_from_its_networks() {
    let mut demo = city();
    demo.users[0].roles = vec!["platform.operator".into()];
    let (opened, folder) = empty().await;
    let w = people(opened, folder, &demo).await;
    let keys = Arc::new(KeyRing::open_or_create(&w.folder.path().join("keys"), None).unwrap());
    let policy = SessionPolicy {
        administrator_networks: vec!["10.1.0.0/16".parse().unwrap()],
        ..SessionPolicy::default()
    };
    let sessions = Sessions::new(w.store.clone(), keys, policy);
    let from = |ip| Origin {
        ip,
        ..at("a", START)
    };
    let sign_in = async |login, ip| {
        let signed = sessions.login(login, w.password(login), None, from(ip));
        signed.await.map(|signed| signed.token)
    };
    let refused = sign_in("officer", "203.0.113.9").await;
    assert!(matches!(refused, Err(LoginError::Elsewhere)), "{refused:?}");
    assert_eq!(w.audit("denied").await, 1);
    let token = sign_in("officer", "10.1.2.3").await.unwrap();
    // Once remembered, too: whoever takes the token away has nothing of it.
    for _ in 0..2 {
        for (ip, there) in [("10.1.9.9", true), ("203.0.113.9", false)] {
            let seen = sessions.resolve(&token, from(ip)).await.unwrap();
            assert_eq!(seen.is_some(), there, "{ip}");
        }
    }
    let token = sign_in("owner", "203.0.113.9").await.unwrap();
    let seen = sessions.resolve(&token, from("198.51.100.1")).await;
    assert!(seen.unwrap().is_some());
}

#[tokio::test]
async fn dj_02_logging_out_ends_it_here_at_once_and_elsewhere_within_five_seconds() {
    let w = world().await;
    let keys = Arc::new(KeyRing::open_or_create(&w.folder.path().join("keys"), None).unwrap());
    let elsewhere = Sessions::new(w.store.clone(), keys, SessionPolicy::default());
    let token = w
        .sessions
        .login("owner", w.password("owner"), None, at("a", START))
        .await
        .unwrap()
        .token;
    assert!(
        elsewhere
            .resolve(&token, at("a", START))
            .await
            .unwrap()
            .is_some()
    );
    w.sessions
        .logout(&token, at("a", START + SECOND))
        .await
        .unwrap();
    assert!(
        w.sessions
            .resolve(&token, at("a", START + SECOND))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        elsewhere
            .resolve(&token, at("a", START + CACHE_MICROS))
            .await
            .unwrap()
            .is_none()
    );
    w.sessions
        .logout(&token, at("a", START + 2 * SECOND))
        .await
        .unwrap();
    assert_eq!(w.audit("ok").await, 2, "one start, one end");
}

#[tokio::test]
async fn dj_02_five_failures_lock_the_account_and_no_one_learns_whether_it_exists() {
    let w = world().await;
    for login in ["owner", "nobody"] {
        for i in 0..5 {
            let ip = format!("{login}{i}");
            let refused = w.sessions.login(login, "wrong", None, at(&ip, START)).await;
            assert!(matches!(refused, Err(LoginError::Refused)), "{login} {i}");
        }
        let locked = w
            .sessions
            .login(login, "wrong", None, at("other", START))
            .await;
        assert!(
            matches!(locked, Err(LoginError::Locked { retry_after: 900 })),
            "{login}"
        );
    }
    let right = w.password("owner").to_owned();
    let locked = w
        .sessions
        .login("owner", &right, None, at("x", START + 899 * SECOND))
        .await;
    assert!(matches!(locked, Err(LoginError::Locked { retry_after: 1 })));
    w.sessions
        .login("owner", &right, None, at("x", START + 900 * SECOND))
        .await
        .unwrap();
    assert_eq!(w.audit("denied").await, 13);
}

#[tokio::test]
async fn dj_02_an_address_is_locked_over_all_accounts_and_successes_do_not_count() {
    let w = world().await;
    let right = w.password("officer").to_owned();
    for i in 0..7 {
        w.sessions
            .login("officer", &right, None, at("one", START))
            .await
            .unwrap();
        let refused = w
            .sessions
            .login(&format!("u{i}"), "x", None, at("one", START))
            .await;
        assert!(matches!(refused, Err(LoginError::Refused)), "{i}");
    }
    let locked = w
        .sessions
        .login("officer", &right, None, at("one", START))
        .await;
    assert!(matches!(locked, Err(LoginError::Locked { .. })));
    w.sessions
        .login("officer", &right, None, at("two", START))
        .await
        .unwrap();
}

#[tokio::test]
async fn guesses_sent_side_by_side_cannot_pass_the_limit() {
    let w = world().await;
    let tries = (0..12).map(|i| {
        let sessions = w.sessions.clone();
        async move {
            let ip = format!("ip{i}");
            sessions.login("owner", "wrong", None, at(&ip, START)).await
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for one in tries {
        tasks.spawn(one);
    }
    let results = tasks.join_all().await;
    let judged = results
        .iter()
        .filter(|r| matches!(r, Err(LoginError::Refused)))
        .count();
    assert_eq!(judged, 5);
}

/// An office signs in at nine: one address, one moment, every password right.
#[tokio::test(flavor = "multi_thread")]
async fn many_sign_ins_from_one_address_at_once_all_succeed() {
    let w = world().await;
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..30 {
        let login = ["officer", "owner"][i % 2];
        let (sessions, right) = (w.sessions.clone(), w.password(login).to_owned());
        tasks.spawn(async move {
            sessions
                .login(login, &right, None, at("office", START))
                .await
        });
    }
    let results = tasks.join_all().await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    // Nothing stays counted: the address has all its failures before it is locked.
    for i in 0..7 {
        let login = format!("u{i}");
        let refused = w.sessions.login(&login, "x", None, at("office", START));
        assert!(matches!(refused.await, Err(LoginError::Refused)), "{i}");
    }
    assert_eq!(w.audit("ok").await, 30);
}

#[tokio::test]
async fn demo_passwords_stay_while_their_file_stays() {
    let w = world().await;
    let again = demo::apply(&w.store, &w.sessions, &city(), w.folder.path(), START)
        .await
        .unwrap();
    assert_eq!(again, w.logins);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(w.folder.path().join(LOGINS_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::remove_file(w.folder.path().join(LOGINS_FILE)).unwrap();
    let fresh = demo::apply(&w.store, &w.sessions, &city(), w.folder.path(), START)
        .await
        .unwrap();
    assert_ne!(fresh, w.logins);
    let old = w
        .sessions
        .login("owner", w.password("owner"), None, at("a", START))
        .await;
    assert!(matches!(old, Err(LoginError::Refused)));
    let new = &fresh.iter().find(|l| l.login == "owner").unwrap().password;
    w.sessions
        .login("owner", new, None, at("a", START))
        .await
        .unwrap();
}

#[tokio::test]
async fn dj_15_neither_tokens_nor_passwords_are_stored() {
    let w = world().await;
    let token = w
        .sessions
        .login("owner", w.password("owner"), None, at("a", START))
        .await
        .unwrap()
        .token;
    w.store.close().await;
    for entry in std::fs::read_dir(w.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != LOGINS_FILE {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [
                token.as_bytes(),
                w.password("owner").as_bytes(),
                b"argon2id",
            ] {
                assert!(
                    !bytes.windows(secret.len()).any(|s| s == secret),
                    "{}",
                    path.display()
                );
            }
        }
    }
}
