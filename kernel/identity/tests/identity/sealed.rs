//! Passwords that come sealed: good once, for one form, for a few minutes, on all nodes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::sm2::encryption::EncryptingKey;
use kernel_identity::error::LoginError;
use kernel_identity::module::{PASSWORDS, definition};
use kernel_identity::sealed::{SealError, Sealing};
use kernel_identity::session::{Sessions, SignedIn};
use serde_json::json;

use crate::{SECOND, START, World, at, city, on_each_engine, open, world};

const HERE: &str = "https://rongqiao.example";
const FORM: &str = "/login";

/// As a browser seals.
fn seal(sealing: &Sealing, form: &str, password: &str) -> String {
    let key = EncryptingKey::from_pem(&sealing.key).unwrap();
    let content = json!({
        "for": form, "nonce": sealing.nonce, "fields": { "password": password },
    });
    STANDARD.encode(key.encrypt(content.to_string().as_bytes()).unwrap())
}

/// Sealed for the sign-in, just now.
fn fresh(sessions: &Sessions, password: &str, now: i64) -> String {
    seal(&sessions.sealing(FORM, HERE, now).unwrap(), FORM, password)
}

async fn signs_in(sessions: &Sessions, sealed: &str, now: i64) -> Result<SignedIn, LoginError> {
    let opened = sessions.unseal(sealed, (FORM, HERE), now).await;
    let opened = opened.map_err(LoginError::Sealed)?;
    let origin = at("a", now);
    sessions.login_sealed("owner", &opened, None, origin).await
}

/// The code of a refusal.
fn code(result: Result<SignedIn, LoginError>) -> &'static str {
    match result.unwrap_err() {
        LoginError::Sealed(error) => error.code(),
        LoginError::Refused => "bad-credentials",
        LoginError::Locked { .. } => "locked",
        _ => "another",
    }
}

/// Another node of the same platform.
async fn second(w: &World) -> Sessions {
    match &w.scratch {
        Some(scratch) => open(&w.folder, scratch.url().parse().unwrap()).await.1,
        // There is one node on SQLite; this is as if it had been started again.
        None => w.restarted(),
    }
}

#[tokio::test]
async fn dj_03_a_sealed_password_signs_in_once_on_all_nodes() {
    on_each_engine(&city(), async |w: &World| {
        let password = w.password("owner");
        let sealed = fresh(&w.sessions, password, START);
        signs_in(&w.sessions, &sealed, START).await.unwrap();
        let again = signs_in(&w.sessions, &sealed, START + SECOND).await;
        assert_eq!(code(again), "seal-used");
        assert_eq!(w.audit("denied").await, 1, "a replay is on record");

        let other = second(w).await;
        let there = signs_in(&other, &sealed, START + SECOND).await;
        assert_eq!(code(there), "seal-used");
        // Given out by one node, it is good on another, though that one's clock is a little behind.
        let sealed = fresh(&w.sessions, password, START + 9 * SECOND);
        signs_in(&other, &sealed, START + 5 * SECOND).await.unwrap();
        let back = signs_in(&w.sessions, &sealed, START + 9 * SECOND).await;
        assert_eq!(code(back), "seal-used");
        // A wrong password takes the nonce as well.
        let wrong = fresh(&w.sessions, "wrong", START + 10 * SECOND);
        for expected in ["bad-credentials", "seal-used"] {
            let refused = signs_in(&w.sessions, &wrong, START + 10 * SECOND).await;
            assert_eq!(code(refused), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn dj_03_a_sealed_password_is_too_old_after_five_minutes() {
    let w = world().await;
    let sealed = fresh(&w.sessions, w.password("owner"), START);
    let end = START + 300 * SECOND;
    for late in [end, end + 86_400 * SECOND, START - 60 * SECOND] {
        let refused = signs_in(&w.sessions, &sealed, late).await;
        assert_eq!(code(refused), "seal-late", "{}", late - START);
    }
    signs_in(&w.sessions, &sealed, end - 1).await.unwrap();
    // It is remembered for longer than it is good.
    let still = signs_in(&w.sessions, &sealed, end - 1).await;
    assert_eq!(code(still), "seal-used");
}

#[tokio::test]
async fn dj_03_what_was_sealed_for_one_form_is_no_use_in_another() {
    let w = world().await;
    let (s, password) = (&w.sessions, w.password("owner"));
    let change = s.sealing("/account#password", HERE, START).unwrap();
    let wrong = [
        // Of another form, and of another form with this one's name on it.
        seal(&change, "/account#password", password),
        seal(&change, FORM, password),
        // With this form's nonce, and another's name on it.
        seal(
            &s.sealing(FORM, HERE, START).unwrap(),
            "/account#password",
            password,
        ),
        // Given out under another address.
        seal(
            &s.sealing(FORM, "https://evil.example", START).unwrap(),
            FORM,
            password,
        ),
    ];
    for sealed in &wrong {
        let refused = signs_in(s, sealed, START).await;
        assert_eq!(code(refused), "seal-wrong");
    }
    let opened = s
        .unseal(&wrong[0], ("/account#password", HERE), START)
        .await
        .unwrap();
    assert_eq!(opened.field("password"), password);
    assert_eq!(opened.field("another"), "");
    assert!(!format!("{opened:?}").contains(password));
}

#[tokio::test]
async fn dj_03_a_flipped_byte_another_key_and_a_made_up_nonce_are_refused() {
    let w = world().await;
    let (s, password) = (&w.sessions, w.password("owner"));
    let sealing = s.sealing(FORM, HERE, START).unwrap();
    let sealed = seal(&sealing, FORM, password);
    let mut refused = vec![String::new(), "not base64!".into(), "A".repeat(20_000)];
    let der = STANDARD.decode(&sealed).unwrap();
    for at in (0..der.len()).step_by(37) {
        let mut flipped = der.clone();
        flipped[at] ^= 1;
        refused.push(STANDARD.encode(flipped));
    }
    let other = kernel_crypto::sm2::encryption::DecryptingKey::generate().unwrap();
    let key = other.encrypting_key().to_pem().unwrap();
    refused.push(seal(
        &Sealing {
            key,
            ..sealing.clone()
        },
        FORM,
        password,
    ));
    for nonce in [
        "",
        "a.b",
        &format!("{}0", sealing.nonce),
        &sealing.nonce[1..],
    ] {
        let nonce = nonce.to_owned();
        refused.push(seal(
            &Sealing {
                nonce,
                ..sealing.clone()
            },
            FORM,
            password,
        ));
    }
    let key = EncryptingKey::from_pem(&sealing.key).unwrap();
    for text in [
        "null".to_owned(),
        json!({ "for": FORM, "nonce": sealing.nonce }).to_string(),
        json!({ "for": FORM, "nonce": sealing.nonce, "fields": { "password": 7 } }).to_string(),
    ] {
        refused.push(STANDARD.encode(key.encrypt(text.as_bytes()).unwrap()));
    }
    for sealed in refused {
        let error = s.unseal(&sealed, (FORM, HERE), START).await.unwrap_err();
        assert!(matches!(error, SealError::Wrong), "{error}: {sealed}");
    }
    // None of it has used the nonce up.
    signs_in(s, &sealed, START).await.unwrap();
}

#[tokio::test]
async fn dj_03_whoever_is_locked_out_leaves_no_nonce() {
    let w = world().await;
    let s = &w.sessions;
    for _ in 0..5 {
        let wrong = fresh(s, "wrong", START);
        assert_eq!(code(signs_in(s, &wrong, START).await), "bad-credentials");
    }
    let sealed = fresh(s, w.password("owner"), START);
    for _ in 0..2 {
        // Not even the second time is it one that was used.
        assert_eq!(code(signs_in(s, &sealed, START).await), "locked");
    }
}

/// Programs bring these sealed, and where the configuration says so only so.
#[test]
fn dj_03_every_input_that_is_a_password_is_known_as_one() {
    let module = definition();
    let inputs = module.actions.iter().flat_map(|action| &action.input);
    let mut found = 0;
    for field in inputs {
        let known = PASSWORDS.contains(&field.name.as_str());
        assert_eq!(field.label.zh.contains("密码"), known, "{}", field.name);
        found += usize::from(known);
    }
    assert!(found > PASSWORDS.len(), "{found}");
}
