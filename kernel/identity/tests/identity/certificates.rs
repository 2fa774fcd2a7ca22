//! SM2 certificates as a second factor, on both engines.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::keys::KeyRing;
use kernel_crypto::sm2::SigningKey;
use kernel_crypto::sm3;
use kernel_identity::account::AccountError;
use kernel_identity::duty::Duty;
use kernel_identity::error::LoginError;
use kernel_identity::offer::{Offer, Ways};
use kernel_identity::principal::Principal;
use kernel_identity::session::{SessionPolicy, Sessions, SignedIn};
use kernel_identity::step_up::Proof;

use crate::account::{code, make, signed_in, with_factor};
use crate::{SECOND, START, World, at, city, id, on_each_engine};

pub(crate) const HERE: &str = "https://rongqiao.example";
const DAY: i64 = 86_400 * SECOND;

pub(crate) fn signed(key: &SigningKey, text: &str) -> String {
    STANDARD.encode(key.sign(text.as_bytes()).unwrap())
}

/// Asks for a certificate of a new key and has it issued; it is not confirmed yet.
async fn begun(w: &World, p: &Principal, login: &str, row: u32) -> SigningKey {
    let key = SigningKey::generate().unwrap();
    let pem = key.verifying_key().unwrap().to_pem().unwrap();
    let words = (w.password(login), "办公室", pem.as_str());
    let begun = w
        .sessions
        .begin_certificate(p, words, id(row), at("a", START))
        .await;
    make(&w.store, begun.unwrap(), START).await;
    key
}

/// The same, confirmed.
async fn with_certificate(w: &World, p: &Principal, login: &str, row: u32) -> SigningKey {
    let key = begun(w, p, login, row).await;
    let user = p.user.as_deref().unwrap();
    let own = w.sessions.certificates(user).await.unwrap();
    let begun = own.iter().find(|c| !c.confirmed).unwrap();
    let text = w.sessions.possession(p, begun);
    let words = (begun.id.as_str(), &*signed(&key, &text));
    let confirmed = w
        .sessions
        .confirm_certificate(p, words, at("a", START))
        .await;
    make(&w.store, confirmed.unwrap(), START).await;
    key
}

async fn pending(w: &World, login: &str, now: i64) -> (String, Ways) {
    let password = w.password(login);
    let asked = w.sessions.login(login, password, None, at("a", now)).await;
    let Err(LoginError::CodeNeeded { pending, ways }) = asked else {
        unreachable!("a factor is asked for");
    };
    (pending, ways)
}

async fn offers(
    w: &World,
    pending: &str,
    (challenge, signature, address): (&str, &str, &str),
    now: i64,
) -> Result<SignedIn, LoginError> {
    let offer = Offer::Signed {
        challenge,
        signature,
        address,
    };
    w.sessions.login_with(pending, offer, at("a", now)).await
}

fn wrong(done: &Result<SignedIn, LoginError>) -> bool {
    matches!(done, Err(LoginError::WrongCode { .. }))
}

#[tokio::test]
async fn mm_4a_a_certificate_signs_in_and_each_challenge_is_good_once_here_and_now() {
    on_each_engine(&city(), async |w| {
        let p = signed_in(w, "officer", START).await;
        let stranger = signed_in(w, "owner", START).await;
        let key = with_certificate(w, &p, "officer", 71).await;
        let other = with_certificate(w, &stranger, "owner", 72).await;
        assert_eq!(w.sessions.proof(&p, START).await.unwrap(), Proof::Fresh);

        let now = START + 60 * SECOND;
        let (waiting, ways) = pending(w, "officer", now).await;
        assert_eq!((ways.code, ways.certificate), (false, true));
        let asked = w.sessions.challenge(&waiting, HERE, now).unwrap();
        let lines: Vec<&str> = asked.text.lines().collect();
        assert_eq!((lines[1], lines[4].len()), (HERE, 64));
        let good = signed(&key, &asked.text);
        let token = asked.token.as_str();

        let elsewhere = w.sessions.challenge("another", HERE, now).unwrap();
        let forged = token.replacen(&token[..4], "AAAA", 1);
        let phished = w
            .sessions
            .challenge(&waiting, "https://evil.example", now)
            .unwrap();
        for (challenge, signature, why) in [
            (token, signed(&other, &asked.text), "another's key"),
            (token, signed(&key, &elsewhere.text), "another text"),
            (
                &elsewhere.token,
                signed(&key, &elsewhere.text),
                "another sign-in",
            ),
            (&forged, good.clone(), "not ours"),
            (&phished.token, signed(&key, &phished.text), "another site"),
            (token, "no base64".into(), "no signature"),
            (token, String::new(), "nothing"),
        ] {
            let done = offers(w, &waiting, (challenge, &signature, HERE), now).await;
            assert!(wrong(&done), "{why}: {done:?}");
            // Each counts as a failed sign-in.
            forgive(w).await;
        }
        let late = now + 301 * SECOND;
        let (again, _) = pending(w, "officer", late).await;
        let done = offers(w, &again, (token, &good, HERE), late).await;
        assert!(wrong(&done), "too late: {done:?}");

        let blanks = format!(" {}\n{} ", &good[..20], &good[20..]);
        let done = offers(w, &waiting, (token, &blanks, HERE), now).await;
        let fresh = done.unwrap().principal;
        assert_eq!(w.sessions.proof(&fresh, now).await.unwrap(), Proof::Fresh);
        let replayed = offers(w, &waiting, (token, &good, HERE), now).await;
        assert!(wrong(&replayed), "{replayed:?}");
    })
    .await;
}

/// The account's failures forgotten, as after the throttle's window.
pub(crate) async fn forgive(w: &World) {
    use kernel_storage::RowFilter;
    use sdk_contract::query::Query;
    let found = w
        .store
        .find(&Query::new("platform.throttles"), &RowFilter::All)
        .await
        .unwrap();
    for row in found.records {
        let write = sdk_contract::call::Write::Update {
            collection: "throttles".into(),
            id: row["id"].as_str().unwrap().into(),
            revision: row["revision"].as_i64().unwrap(),
            values: [("failures".to_owned(), 0.into())].into_iter().collect(),
        };
        make(&w.store, vec![write], START).await;
    }
}

#[tokio::test]
async fn mm_4a_a_certificate_counts_once_its_key_signed_and_until_it_is_taken_back() {
    on_each_engine(&city(), async |w| {
        let p = signed_in(w, "owner", START).await;
        let bad = w
            .sessions
            .begin_certificate(
                &p,
                (w.password("owner"), "x", "no key"),
                id(70),
                at("a", START),
            )
            .await;
        assert!(matches!(bad, Err(AccountError::BadKey)));
        let key = begun(w, &p, "owner", 71).await;
        assert!(!w.sessions.ways(&id(12)).await.unwrap().any(), "not yet");
        let own = w.sessions.certificates(&id(12)).await.unwrap();
        let text = w.sessions.possession(&p, &own[0]);
        let other = SigningKey::generate().unwrap();
        for (row, signature) in [
            (own[0].id.as_str(), signed(&other, &text)),
            (own[0].id.as_str(), signed(&key, "another text")),
        ] {
            let words = (row, signature.as_str());
            let refused = w
                .sessions
                .confirm_certificate(&p, words, at("a", START))
                .await;
            assert!(matches!(refused, Err(AccountError::WrongSignature)));
        }
        let words = (own[0].id.as_str(), &*signed(&key, &format!("{text}\n")));
        let confirmed = w
            .sessions
            .confirm_certificate(&p, words, at("a", START))
            .await;
        make(&w.store, confirmed.unwrap(), START).await;
        assert!(w.sessions.ways(&id(12)).await.unwrap().certificate);

        // In a session, for what takes one.
        let old = START + 700 * SECOND;
        let session = p.session.clone().unwrap();
        let asked = w.sessions.challenge(&session, HERE, old).unwrap();
        let signature = signed(&key, &asked.text);
        let offer = Offer::Signed {
            challenge: &asked.token,
            signature: &signature,
            address: HERE,
        };
        assert_eq!(w.sessions.proof(&p, old).await.unwrap(), Proof::Old);
        w.sessions.step_up(&p, offer, at("a", old)).await.unwrap();
        assert_eq!(w.sessions.proof(&p, old).await.unwrap(), Proof::Fresh);

        // Out of date, it proves nothing.
        let year = START + 400 * DAY;
        let challenge = w.sessions.challenge(&session, HERE, year).unwrap();
        let signature = signed(&key, &challenge.text);
        let offer = Offer::Signed {
            challenge: &challenge.token,
            signature: &signature,
            address: HERE,
        };
        let expired = w.sessions.step_up(&p, offer, at("a", year)).await;
        assert!(matches!(expired, Err(AccountError::WrongCode)));

        let words = (w.password("owner"), own[0].id.as_str());
        let revoked = w.sessions.revoke_certificate(&p, words, at("a", old)).await;
        make(&w.store, revoked.unwrap(), old).await;
        assert!(!w.sessions.ways(&id(12)).await.unwrap().any());
        let password = w.password("owner");
        let plain = w.sessions.login("owner", password, None, at("a", old));
        plain.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn mm_4h_a_signature_over_content_is_good_for_that_content_here_and_once() {
    on_each_engine(&city(), async |w| {
        let p = signed_in(w, "owner", START).await;
        let key = with_certificate(w, &p, "owner", 73).await;
        let p = Principal {
            address: HERE.into(),
            ..p
        };
        let session = p.session.clone().unwrap();
        let now = START + 700 * SECOND;
        let (content, other) = (sm3::digest(b"a"), sm3::digest(b"b"));
        assert!(w.sessions.signs(&p).await.unwrap());
        let asked = w
            .sessions
            .challenge_about((&session, HERE), content, now)
            .unwrap();
        assert_eq!(
            asked.text.lines().last(),
            Some(content.to_string().as_str())
        );
        let signature = signed(&key, &asked.text);
        let given = (asked.token.as_str(), signature.as_str());
        let wrong = w.sessions.signed_by(&p, given, other, at("a", now)).await;
        assert!(matches!(wrong, Err(AccountError::WrongSignature)));
        // It is no step-up, and a step-up is no signature.
        let offer = Offer::Signed {
            challenge: &asked.token,
            signature: &signature,
            address: HERE,
        };
        let step_up = w.sessions.step_up(&p, offer, at("a", now)).await;
        assert!(matches!(step_up, Err(AccountError::WrongCode)));
        let plain = w.sessions.challenge(&session, HERE, now).unwrap();
        let of_plain = signed(&key, &plain.text);
        let offered = (plain.token.as_str(), of_plain.as_str());
        let step_up = w
            .sessions
            .signed_by(&p, offered, content, at("a", now))
            .await;
        assert!(matches!(step_up, Err(AccountError::WrongSignature)));

        let signed = w.sessions.signed_by(&p, given, content, at("a", now)).await;
        let (own, spent) = signed.unwrap();
        assert_eq!(own.text, asked.text);
        make(&w.store, vec![spent], now).await;
        let again = w.sessions.signed_by(&p, given, content, at("a", now)).await;
        assert!(matches!(again, Err(AccountError::WrongSignature)));
    })
    .await;
}

#[tokio::test]
async fn mm_4a_whoever_needs_a_factor_keeps_one() {
    let w = crate::world().await;
    let p = signed_in(&w, "officer", START).await;
    with_certificate(&w, &p, "officer", 71).await;
    let now = START + SECOND;
    let own = w.sessions.certificates(&id(11)).await.unwrap();
    let words = (w.password("officer"), own[0].id.as_str());
    let last = w.sessions.revoke_certificate(&p, words, at("a", now)).await;
    assert!(matches!(last, Err(AccountError::Needed)));
    with_certificate(&w, &p, "officer", 72).await;
    let one = w.sessions.revoke_certificate(&p, words, at("a", now)).await;
    make(&w.store, one.unwrap(), now).await;
}

#[tokio::test]
async fn mm_4a_where_a_role_needs_a_certificate_no_other_factor_stands_in_for_it() {
    let mut w = crate::world().await;
    // With one-time codes from before the role asked for more.
    let (_, secret, _) = with_factor(&w, "officer", START).await;
    let keys = KeyRing::open_or_create(&w.folder.path().join("keys"), None).unwrap();
    let policy = SessionPolicy {
        certificate: vec!["bank.".into()],
        ..SessionPolicy::default()
    };
    w.sessions = Sessions::new(w.store.clone(), Arc::new(keys), policy);
    let (officer, password) = (id(11), w.password("officer").to_owned());

    // Until there is a certificate the code is asked for, and opens nothing but the own account.
    let now = START + 60 * SECOND;
    let (_, ways) = pending(&w, "officer", now).await;
    assert_eq!((ways.code, ways.certificate), (true, false));
    let right = code(&secret, now);
    let signed_in = w
        .sessions
        .login("officer", &password, Some(&right), at("a", now));
    let p = signed_in.await.unwrap().principal;
    assert_eq!(p.duty, Some(Duty::AddCertificate));
    assert_eq!(w.sessions.proof(&p, now).await.unwrap(), Proof::Fresh);
    let key = with_certificate(&w, &p, "officer", 71).await;
    let session = p.session.clone().unwrap();
    assert_eq!(w.sessions.proof(&p, now).await.unwrap(), Proof::Fresh);

    // From then on it is the only one, at sign-in
    let now = START + 800 * SECOND;
    let right = code(&secret, now);
    let by_code = w
        .sessions
        .login("officer", &password, Some(&right), at("a", now));
    let Err(LoginError::WrongCode { ways, .. }) = by_code.await else {
        unreachable!("a code is no certificate");
    };
    assert_eq!((ways.code, ways.certificate), (false, true));
    let (waiting, ways) = pending(&w, "officer", now).await;
    assert_eq!((ways.code, ways.certificate), (false, true));
    let offer = Offer::Code(&right);
    let done = w.sessions.login_with(&waiting, offer, at("a", now)).await;
    assert!(wrong(&done), "{done:?}");
    // and at step-up.
    assert_eq!(w.sessions.proof(&p, now).await.unwrap(), Proof::Old);
    let step_up = w.sessions.step_up(&p, offer, at("a", now)).await;
    assert!(matches!(step_up, Err(AccountError::WrongCode)));
    let asked = w.sessions.challenge(&session, HERE, now).unwrap();
    let signature = signed(&key, &asked.text);
    let offer = Offer::Signed {
        challenge: &asked.token,
        signature: &signature,
        address: HERE,
    };
    w.sessions.step_up(&p, offer, at("a", now)).await.unwrap();
    forgive(&w).await;
    let (waiting, _) = pending(&w, "officer", now + SECOND).await;
    let asked = w.sessions.challenge(&waiting, HERE, now + SECOND).unwrap();
    let signature = signed(&key, &asked.text);
    let given = (asked.token.as_str(), signature.as_str(), HERE);
    let done = offers(&w, &waiting, given, now + SECOND).await.unwrap();
    assert_eq!(done.principal.duty, None);

    // The last one stays, whatever other factors there are; the codes may go.
    let own = w.sessions.certificates(&officer).await.unwrap();
    let words = (password.as_str(), own[0].id.as_str());
    let last = w.sessions.revoke_certificate(&p, words, at("a", now)).await;
    assert!(matches!(last, Err(AccountError::Needed)));
    let right = code(&secret, now);
    let codes = w
        .sessions
        .remove_factor(&p, (&password, &right), at("a", now));
    make(&w.store, codes.await.unwrap(), now).await;
    // Who needs none is asked for none.
    let owner = w
        .sessions
        .login("owner", w.password("owner"), None, at("a", now));
    assert_eq!(owner.await.unwrap().principal.duty, None);
}

#[tokio::test]
async fn dj_04_what_was_proven_before_a_role_needs_a_certificate_is_over() {
    let mut w = crate::world().await;
    let (p, secret, _) = with_factor(&w, "officer", START).await;
    with_certificate(&w, &p, "officer", 71).await;
    let password = w.password("officer").to_owned();
    // Signed in with a code, where either would do.
    let now = START + 60 * SECOND;
    let right = code(&secret, now);
    let signed_in = w
        .sessions
        .login("officer", &password, Some(&right), at("a", now));
    let p = signed_in.await.unwrap().principal;
    assert_eq!(w.sessions.proof(&p, now).await.unwrap(), Proof::Fresh);
    let keys = KeyRing::open_or_create(&w.folder.path().join("keys"), None).unwrap();
    let policy = SessionPolicy {
        certificate: vec!["bank.officer".into()],
        ..SessionPolicy::default()
    };
    w.sessions = Sessions::new(w.store.clone(), Arc::new(keys), policy);
    assert_eq!(w.sessions.proof(&p, now).await.unwrap(), Proof::Old);
}
