//! People's certificates of authorities outside: root, one between, person, all made by OpenSSL.

use std::path::Path;
use std::sync::Arc;

use kernel_crypto::ca::outside::{self, Authorities, Believed, Brought};
use kernel_crypto::ca::{List, RefusedCertificate as Refused};
use kernel_crypto::sm2::SigningKey;
use tests_authority::{ALWAYS, Authority, PERSON, Wish, available, read};

/// 2026-11-23.
const NOW: i64 = 1_795_420_800_000_000;

struct Outside {
    folder: tempfile::TempDir,
    root: Authority,
    between: Authority,
    trusted: Authorities,
}

/// None without openssl.
fn made() -> Option<Outside> {
    let folder = tempfile::tempdir().unwrap();
    if !available() {
        return None;
    }
    let root = Authority::root(folder.path(), "root");
    let between = root.below("between");
    let mut trusted = Authorities::default();
    trusted.trust(&root.pem()).unwrap();
    Some(Outside {
        folder,
        root,
        between,
        trusted,
    })
}

fn listed(all: &[&str]) -> Vec<Arc<List>> {
    let read = |list: &&str| Arc::new(List::read(list.as_bytes()).unwrap());
    all.iter().map(read).collect()
}

impl Outside {
    fn at(&self) -> &Path {
        self.folder.path()
    }

    /// Lists of both authorities as they are now.
    fn lists(&self) -> Vec<Arc<List>> {
        listed(&[&self.root.list(ALWAYS), &self.between.list(ALWAYS)])
    }

    fn check(&self, pem: &str, lists: &[Arc<List>]) -> Result<Believed, Refused> {
        let brought = Brought::from_pem(pem)?;
        outside::verify(&brought, &self.trusted, Some(lists), NOW)
    }

    /// Issues a certificate and checks it with its chain.
    fn wished(&self, wish: Wish<'_>) -> Result<Believed, Refused> {
        let pem = self.between.issue("person", wish);
        self.check(&(pem + &self.between.pem()), &self.lists())
    }
}

#[test]
fn mm_4a_a_chain_of_an_outside_authority_is_believed_and_openssl_agrees() {
    let Some(mut made) = made() else {
        return;
    };
    let lists = made.lists();
    let person = made.between.issue("person", Wish::default());
    let chain = format!("{person}{}", made.between.pem());
    let believed = made.check(&chain, &lists).unwrap();
    let key = SigningKey::from_pkcs8_pem(&read(made.at(), "person.key")).unwrap();
    let fingerprint = key.verifying_key().unwrap().fingerprint();
    assert_eq!(believed.holder.key.fingerprint(), fingerprint);
    assert_eq!(believed.holder.subject, "CN=person");
    assert_eq!(believed.issuers, [made.between.pem(), made.root.pem()]);
    // The root beside them, and in whatever line ends, it is the same.
    let whole = format!("\r\n{chain}{}\n\n", made.root.pem()).replace('\n', "\r\n");
    made.check(&whole, &lists).unwrap();

    // Each step by itself: openssl gives the signer's identity to the end certificate only.
    std::fs::write(made.at().join("between-brought.pem"), &believed.issuers[0]).unwrap();
    for (authority, certificate) in [
        ("between-brought.pem", "person.pem"),
        ("root.pem", "between.pem"),
    ] {
        let arguments = [
            "verify",
            "-partial_chain",
            "-vfyopt",
            "distid:1234567812345678",
            "-attime",
            "1795420800",
            "-CAfile",
            authority,
            certificate,
        ];
        let (holds, told) = tests_authority::run(made.at(), &arguments);
        assert!(holds, "{told}");
    }

    // Without what is between there is no way up, unless the platform knows it.
    assert_eq!(made.check(&person, &lists).unwrap_err(), Refused::Untrusted);
    made.trusted.know(&made.between.pem()).unwrap();
    made.check(&person, &lists).unwrap();
}

#[test]
fn mm_4a_a_certificate_of_another_purpose_time_authority_or_algorithm_is_refused() {
    let Some(made) = made() else {
        return;
    };
    let person = |extensions| {
        let wish = Wish {
            extensions,
            ..Wish::default()
        };
        made.wished(wish).map(drop)
    };
    assert_eq!(person(PERSON), Ok(()));
    assert_eq!(person("keyUsage=digitalSignature\n"), Ok(()));
    for (extensions, why) in [
        ("basicConstraints=CA:FALSE\n", "no usage of the key"),
        (
            "keyUsage=critical,keyEncipherment,dataEncipherment\n",
            "for encryption",
        ),
        (
            "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n",
            "a server's",
        ),
        (
            "keyUsage=digitalSignature\nextendedKeyUsage=codeSigning\n",
            "for programs",
        ),
        (
            "keyUsage=digitalSignature,keyCertSign\nbasicConstraints=critical,CA:TRUE\n",
            "an authority",
        ),
    ] {
        assert_eq!(person(extensions), Err(Refused::Purpose), "{why}");
    }
    let unknown = format!("{PERSON}1.2.3.4=critical,DER:0500\n");
    assert_eq!(person(&unknown), Err(Refused::NotAnAuthority));

    for time in [
        ["20250101000000Z", "20260101000000Z"],
        ["20270101000000Z", "20280101000000Z"],
    ] {
        let wish = Wish {
            time,
            ..Wish::default()
        };
        assert_eq!(made.wished(wish).unwrap_err(), Refused::Time);
    }
    let rsa = Wish {
        key: "RSA",
        ..Wish::default()
    };
    let rsa = made.between.issue("rsa", rsa) + &made.between.pem();
    assert_eq!(made.check(&rsa, &made.lists()).unwrap_err(), Refused::Key);

    let lists = made.lists();
    let other = tempfile::tempdir().unwrap();
    // Another authority of the same names.
    let root = Authority::root(other.path(), "root");
    let between = root.below("between");
    let foreign = between.issue("person", Wish::default());
    for between in [&between, &made.between] {
        let chain = format!("{foreign}{}", between.pem());
        assert_eq!(made.check(&chain, &lists).unwrap_err(), Refused::Untrusted);
    }
    // Signed by nobody but itself, and by somebody who may not.
    let own = Authority::root(other.path(), "own");
    assert_eq!(
        made.check(&own.pem(), &lists).unwrap_err(),
        Refused::Untrusted
    );
    assert_eq!(
        made.check(&made.root.pem(), &lists).unwrap_err(),
        Refused::Purpose
    );
}

#[test]
fn mm_4a_no_list_an_old_one_or_anothers_is_no_list() {
    let Some(made) = made() else {
        return;
    };
    let person = made.between.issue("person", Wish::default());
    let chain = format!("{person}{}", made.between.pem());
    let check = |lists: &[&str]| made.check(&chain, &listed(lists)).map(drop);
    let (root, between) = (made.root.list(ALWAYS), made.between.list(ALWAYS));
    assert_eq!(check(&[&root, &between]), Ok(()));
    assert_eq!(check(&[]), Err(Refused::NoList));
    assert_eq!(check(&[&root]), Err(Refused::NoList));
    // Who is between was perhaps taken back as well.
    assert_eq!(check(&[&between]), Err(Refused::NoList));
    let old = made.between.list(["20250101000000Z", "20260101000000Z"]);
    assert_eq!(check(&[&root, &old]), Err(Refused::OldList));
    let early = made.between.list(["20270101000000Z", "20280101000000Z"]);
    assert_eq!(check(&[&root, &early]), Err(Refused::OldList));
    assert_eq!(check(&[&root, &old, &between]), Ok(()));
    let other = tempfile::tempdir().unwrap();
    let foreign = Authority::root(other.path(), "root").below("between");
    assert_eq!(check(&[&root, &foreign.list(ALWAYS)]), Err(Refused::NoList));

    made.between.revoke("person");
    let revoked = made.between.list(ALWAYS);
    assert_eq!(check(&[&root, &revoked]), Err(Refused::Revoked));
    let old = made.between.list(["20250101000000Z", "20260101000000Z"]);
    assert_eq!(check(&[&root, &between, &old]), Err(Refused::Revoked));
    made.root.revoke("between");
    let root = made.root.list(ALWAYS);
    assert_eq!(check(&[&root, &between]), Err(Refused::Revoked));
}

#[test]
fn mm_4a_noise_is_refused_and_a_chain_that_loops_or_is_long_ends() {
    let Some(made) = made() else {
        return;
    };
    let lists = made.lists();
    let person = made.between.issue("person", Wish::default());
    let between = made.between.pem();
    let hundred = person.clone() + &between.repeat(99);
    assert_eq!(made.check(&hundred, &lists).unwrap_err(), Refused::TooMany);
    // Two that issued each other, of which none is trusted.
    let other = tempfile::tempdir().unwrap();
    let one = Authority::root(other.path(), "one");
    let two = one.below("two");
    let end = two.issue("end", Wish::default());
    let two_pem = two.pem();
    let crossed = two.issue(
        "one",
        Wish {
            extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
            ..Wish::default()
        },
    );
    let loops = format!("{end}{two_pem}{crossed}");
    assert_eq!(made.check(&loops, &lists).unwrap_err(), Refused::Untrusted);
    // More between than are taken.
    let mut deep = made.root.clone();
    let mut chain = String::new();
    for n in 0..6 {
        deep = deep.below(&format!("deep{n}"));
        chain.insert_str(0, &deep.pem());
    }
    let end = deep.issue("end", Wish::default());
    assert_eq!(
        made.check(&(end.clone() + &chain), &lists).unwrap_err(),
        Refused::TooMany
    );
    let mut trusted = made.trusted.clone();
    trusted.know(&chain).unwrap();
    let brought = Brought::from_pem(&end).unwrap();
    let found = outside::verify(&brought, &trusted, None, NOW);
    assert_eq!(found.unwrap_err(), Refused::Untrusted);

    let chain = person + &between;
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    for length in 0..200 {
        let mut junk = Vec::new();
        for _ in 0..length {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            junk.push(noise.to_be_bytes()[2]);
        }
        assert!(List::read(&junk).is_err());
        let text = String::from_utf8_lossy(&junk);
        assert!(Brought::from_pem(&text).is_err());
        let wrapped = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        assert!(Brought::from_pem(&wrapped).is_err());
        assert!(Brought::from_pem(&chain[..length]).is_err());
    }
    let list = made.between.list(ALWAYS);
    for at in (30..chain.len()).step_by(37) {
        let mut bytes = chain.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(bytes).unwrap();
        assert!(made.check(&text, &lists).is_err(), "character {at}");
        let mut bytes = list.clone().into_bytes();
        let at = 30 + at % (list.len() - 60);
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let Ok(read) = List::read(&bytes) else {
            continue;
        };
        let both = [Arc::clone(&lists[0]), Arc::new(read)];
        assert!(
            made.check(&chain, &both).is_err(),
            "character {at} of the list"
        );
    }
}
