//! Certificates of authorities outside as a second factor, on both engines. The authorities are the
//! machine's openssl's.

use std::path::Path;
use std::sync::Arc;

use kernel_crypto::ca::outside::Authorities;
use kernel_crypto::ca::{List, RefusedCertificate as Refused};
use kernel_crypto::keys::KeyRing;
use kernel_crypto::sm2::SigningKey;
use kernel_crypto::sm3;
use kernel_identity::account::AccountError;
use kernel_identity::error::LoginError;
use kernel_identity::offer::Offer;
use kernel_identity::principal::Principal;
use kernel_identity::session::{SessionPolicy, Sessions, SignedIn};
use kernel_storage::{Commit, CommitError};
use sdk_contract::call::Write;
use tests_authority::{ALWAYS, Authority, Wish, available, read};

use crate::account::make;
use crate::certificates::{HERE, forgive, signed};
use crate::{SECOND, START, World, at, city, id, on_each_engine};

/// An authority outside, with one below it that issues.
struct Outside {
    folder: tempfile::TempDir,
    root: Authority,
    issuing: Authority,
}

/// None without openssl.
fn outside() -> Option<Outside> {
    let folder = tempfile::tempdir().unwrap();
    if !available() {
        return None;
    }
    let root = Authority::root(folder.path(), "root");
    let issuing = root.below("issuing");
    Some(Outside {
        folder,
        root,
        issuing,
    })
}

impl Outside {
    fn at(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate with its chain.
    fn person(&self, name: &str, wish: Wish<'_>) -> (SigningKey, String) {
        let pem = self.issuing.issue(name, wish);
        let key = read(self.at(), &format!("{name}.key"));
        let key = SigningKey::from_pkcs8_pem(&key).unwrap();
        (key, pem + &self.issuing.pem())
    }

    /// A node that trusts it, on the world's store.
    fn node(&self, w: &World) -> Sessions {
        let mut outside = Authorities::default();
        outside.trust(&self.root.pem()).unwrap();
        let keys = KeyRing::open_or_create(&w.folder.path().join("keys"), None).unwrap();
        let policy = SessionPolicy {
            outside,
            ..SessionPolicy::default()
        };
        let node = Sessions::new(w.store.clone(), Arc::new(keys), policy);
        self.publish(&node, ALWAYS);
        node
    }

    /// Hands a node the lists of now.
    fn publish(&self, node: &Sessions, time: [&str; 2]) {
        for authority in [&self.root, &self.issuing] {
            let list = authority.list(time);
            let place = authority.pem();
            node.keep_list(&place, List::read(list.as_bytes()).unwrap());
        }
    }
}

async fn signed_in(node: &Sessions, w: &World, login: &str) -> Principal {
    let signed = node.login(login, w.password(login), None, at("a", START));
    signed.await.unwrap().principal
}

async fn register(
    node: &Sessions,
    w: &World,
    p: &Principal,
    (pem, row): (&str, u32),
) -> Result<Vec<Write>, AccountError> {
    let words = (w.password(&p.login), "CA 的 UKey", pem);
    node.register_certificate(p, words, id(row), at("a", START))
        .await
}

async fn confirm(
    node: &Sessions,
    p: &Principal,
    (key, row): (&SigningKey, u32),
) -> Result<Vec<Write>, AccountError> {
    let user = p.user.as_deref().unwrap();
    let own = node.certificates(user).await.unwrap();
    let begun = own.iter().find(|c| c.id == id(row)).unwrap();
    let signature = signed(key, &node.possession(p, begun));
    let words = (begun.id.as_str(), signature.as_str());
    node.confirm_certificate(p, words, at("a", START)).await
}

/// Registered and confirmed.
async fn enrolled(
    node: &Sessions,
    w: &World,
    login: &str,
    with: (&SigningKey, &str, u32),
) -> Principal {
    let (key, pem, row) = with;
    let p = signed_in(node, w, login).await;
    let begun = register(node, w, &p, (pem, row)).await.unwrap();
    make(&w.store, begun, START).await;
    let confirmed = confirm(node, &p, (key, row)).await.unwrap();
    make(&w.store, confirmed, START).await;
    p
}

async fn sign_in(
    node: &Sessions,
    w: &World,
    (login, key): (&str, &SigningKey),
    now: i64,
) -> Result<SignedIn, LoginError> {
    let first = node.login(login, w.password(login), None, at("a", now));
    let Err(LoginError::CodeNeeded { pending, ways }) = first.await else {
        unreachable!("a factor is asked for");
    };
    assert!(ways.certificate);
    let asked = node.challenge(&pending, HERE, now).unwrap();
    let offer = Offer::Signed {
        challenge: &asked.token,
        signature: &signed(key, &asked.text),
        address: HERE,
    };
    node.login_with(&pending, offer, at("a", now)).await
}

fn why(done: Result<SignedIn, LoginError>) -> Option<Refused> {
    match done {
        Err(LoginError::WrongCode { why, .. }) => why,
        done => unreachable!("{done:?}"),
    }
}

fn refused(done: Result<Vec<Write>, AccountError>) -> Refused {
    match done {
        Err(AccountError::Certificate(why)) => why,
        done => unreachable!("{done:?}"),
    }
}

#[tokio::test]
async fn mm_4a_a_certificate_of_outside_signs_in_on_every_node_until_its_authority_takes_it_back() {
    let Some(outside) = outside() else {
        return;
    };
    on_each_engine(&city(), async |w| {
        let name = format!("person{}", w.scratch.is_some());
        let (key, pem) = outside.person(&name, Wish::default());
        let (here, there) = (outside.node(w), outside.node(w));
        let p = enrolled(&here, w, "officer", (&key, &pem, 81)).await;
        let now = START + 60 * SECOND;
        for (n, node) in (0..).zip([&here, &there]) {
            let signed = sign_in(node, w, ("officer", &key), now + n * SECOND).await;
            signed.unwrap();
        }
        // Another's key is no more than a wrong code.
        let other = SigningKey::generate().unwrap();
        let wrong = sign_in(&there, w, ("officer", &other), now + 5 * SECOND).await;
        assert_eq!(why(wrong), None);

        // What its signature shows to others, with the chain.
        let p = Principal {
            address: HERE.into(),
            ..p
        };
        let session = p.session.clone().unwrap();
        let content = sm3::digest(b"a");
        let later = now + 10 * SECOND;
        let asked = here
            .challenge_about((&session, HERE), content, later)
            .unwrap();
        let signature = signed(&key, &asked.text);
        let given = (asked.token.as_str(), signature.as_str());
        let (own, _) = here
            .signed_by(&p, given, content, at("a", later))
            .await
            .unwrap();
        assert!(pem.starts_with(&own.certificate));
        assert_eq!(own.between, Some(vec![outside.issuing.pem()]));
        assert_eq!(own.root, outside.root.pem());

        outside.issuing.revoke(&name);
        outside.publish(&there, ALWAYS);
        let later = now + 20 * SECOND;
        let gone = sign_in(&there, w, ("officer", &key), later).await;
        assert_eq!(why(gone), Some(Refused::Revoked));
        assert_eq!(w.audit("denied").await, 2);
        // A node that has not read the newer list yet.
        sign_in(&here, w, ("officer", &key), later + SECOND)
            .await
            .unwrap();
        outside.publish(&here, ALWAYS);
        let asked = here
            .challenge_about((&session, HERE), content, later + 2 * SECOND)
            .unwrap();
        let signature = signed(&key, &asked.text);
        let given = (asked.token.as_str(), signature.as_str());
        let signs = here
            .signed_by(&p, given, content, at("a", later + 2 * SECOND))
            .await;
        assert!(matches!(
            signs,
            Err(AccountError::Certificate(Refused::Revoked))
        ));
    })
    .await;
}

#[tokio::test]
async fn mm_4a_without_a_list_that_holds_nobody_registers_or_gets_in() {
    let Some(outside) = outside() else {
        return;
    };
    let w = crate::world().await;
    let (key, pem) = outside.person("person", Wish::default());
    let mut trusted = Authorities::default();
    trusted.trust(&outside.root.pem()).unwrap();
    let keys = KeyRing::open_or_create(&w.folder.path().join("keys"), None).unwrap();
    let policy = SessionPolicy {
        outside: trusted,
        ..SessionPolicy::default()
    };
    let bare = Sessions::new(w.store.clone(), Arc::new(keys), policy);
    let p = signed_in(&bare, &w, "officer").await;
    let done = register(&bare, &w, &p, (&pem, 81)).await;
    assert_eq!(refused(done), Refused::NoList);

    let node = outside.node(&w);
    enrolled(&node, &w, "officer", (&key, &pem, 81)).await;
    let now = START + 60 * SECOND;
    let done = sign_in(&bare, &w, ("officer", &key), now).await;
    assert_eq!(why(done), Some(Refused::NoList));
    let old = ["20250101000000Z", "20250601000000Z"];
    outside.publish(&bare, old);
    let done = sign_in(&bare, &w, ("officer", &key), now + SECOND).await;
    assert_eq!(why(done), Some(Refused::OldList));
    // An older list than one that is known changes nothing.
    forgive(&w).await;
    let newer = ["20250201000000Z", "20450101000000Z"];
    outside.publish(&bare, newer);
    outside.publish(&bare, old);
    sign_in(&bare, &w, ("officer", &key), now + 2 * SECOND)
        .await
        .unwrap();
    // Nor does one that somebody else signed, under the authority's name or another, later.
    let stranger = Authority::root(outside.at(), "stranger");
    let namesake = tempfile::tempdir().unwrap();
    let namesake = Authority::root(namesake.path(), "root");
    for other in [stranger, namesake] {
        let list = other.list(["20250301000000Z", "20450101000000Z"]);
        bare.keep_list(&outside.root.pem(), List::read(list.as_bytes()).unwrap());
    }
    sign_in(&bare, &w, ("officer", &key), now + 3 * SECOND)
        .await
        .unwrap();
    // Who trusts nobody any more lets nobody in.
    let done = sign_in(&w.sessions, &w, ("officer", &key), now + 4 * SECOND).await;
    assert_eq!(why(done), Some(Refused::Untrusted));
}

#[tokio::test]
async fn mm_4a_one_certificate_is_one_persons() {
    let Some(outside) = outside() else {
        return;
    };
    on_each_engine(&city(), async |w| {
        let node = outside.node(w);
        let (key, pem) = outside.person("person", Wish::default());
        let officer = signed_in(&node, w, "officer").await;
        let owner = signed_in(&node, w, "owner").await;
        // Anybody may have seen the certificate; without its key they get nowhere.
        let begun = register(&node, w, &owner, (&pem, 81)).await.unwrap();
        make(&w.store, begun, START).await;
        let other = SigningKey::generate().unwrap();
        let done = confirm(&node, &owner, (&other, 81)).await;
        assert!(matches!(done, Err(AccountError::WrongSignature)));
        assert!(!node.ways(&id(12)).await.unwrap().any());

        let begun = register(&node, w, &officer, (&pem, 82)).await.unwrap();
        make(&w.store, begun, START).await;
        // At the same moment at two nodes the store decides.
        let first = confirm(&node, &officer, (&key, 82)).await.unwrap();
        let second = confirm(&node, &owner, (&key, 81)).await.unwrap();
        make(&w.store, first, START).await;
        let commit = Commit {
            at: START,
            module: "platform".into(),
            writes: second,
            ..Commit::default()
        };
        let done = w.store.commit(commit).await;
        assert!(
            matches!(done, Err(CommitError::Conflict { .. })),
            "{done:?}"
        );
        let done = confirm(&node, &owner, (&key, 81)).await;
        assert!(matches!(done, Err(AccountError::Taken)));
        let done = register(&node, w, &owner, (&pem, 83)).await;
        assert!(matches!(done, Err(AccountError::Taken)));
        // Nor the same key in another certificate; its owner may renew.
        let (_, renewed) = outside.person("person", Wish::default());
        let done = register(&node, w, &owner, (&renewed, 83)).await;
        assert!(matches!(done, Err(AccountError::Taken)));
        let begun = register(&node, w, &officer, (&renewed, 84)).await.unwrap();
        make(&w.store, begun, START).await;
        let confirmed = confirm(&node, &officer, (&key, 84)).await.unwrap();
        make(&w.store, confirmed, START).await;

        // One of them may go; the last may not, for the role needs one.
        for row in [82, 84] {
            let words = (w.password("officer"), &*id(row));
            let ended = node
                .revoke_certificate(&officer, words, at("a", START))
                .await;
            if row == 84 {
                assert!(matches!(ended, Err(AccountError::Needed)), "the last one");
                continue;
            }
            make(&w.store, ended.unwrap(), START).await;
        }
        let list = node.revocation_list(START).await.unwrap();
        assert!(list.is_none(), "the platform's list is not about others'");
    })
    .await;
}

#[tokio::test]
async fn mm_4a_what_is_no_certificate_for_people_is_not_registered() {
    let Some(outside) = outside() else {
        return;
    };
    let w = crate::world().await;
    let node = outside.node(&w);
    let p = signed_in(&node, &w, "owner").await;
    let stranger = tempfile::tempdir().unwrap();
    let stranger = Authority::root(stranger.path(), "root").issue("person", Wish::default());
    let issue = |name, extensions, time| {
        let wish = Wish {
            extensions,
            time,
            ..Wish::default()
        };
        outside.issuing.issue(name, wish) + &outside.issuing.pem()
    };
    let encryption = issue("encryption", "keyUsage=keyEncipherment\n", ALWAYS);
    let past = ["20250101000000Z", "20250601000000Z"];
    let expired = issue("expired", tests_authority::PERSON, past);
    let (_, good) = outside.person("person", Wish::default());
    for (pem, expected) in [
        ("", Refused::Malformed),
        ("您好", Refused::Malformed),
        (&good[..good.len() / 4], Refused::Malformed),
        (&stranger, Refused::Untrusted),
        (&outside.root.pem(), Refused::Purpose),
        (&encryption, Refused::Purpose),
        (&expired, Refused::Time),
        (&good.repeat(50), Refused::TooMany),
    ] {
        let done = register(&node, &w, &p, (pem, 81)).await;
        assert_eq!(refused(done), expected, "{pem:.60}");
    }
    let words = ("another password", "x", good.as_str());
    let done = node.register_certificate(&p, words, id(81), at("a", START));
    assert!(matches!(done.await, Err(AccountError::WrongPassword)));
    assert!(register(&node, &w, &p, (&good, 81)).await.is_ok());
}
