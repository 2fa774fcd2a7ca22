//! Time stamps by `openssl ts`, which signs with P-256 and RSA; it has no SM2 there.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use kernel_crypto::ca::List;
use kernel_crypto::timestamp::{
    Authorities, Imprint, Known, Question, RefusedStamp as Refused, Stamp, verify,
};

use crate::{openssl, run};

const MESSAGE: &[u8] = b"a signature";
const SETTINGS: &str = "[tsa]\ndefault_tsa = t\n[t]\nserial = ./serial\nsigner_digest = sha256\n\
    default_policy = 1.2.3.4.1\ndigests = sm3, sha256\naccuracy = secs:1, millisecs:500\n\
    clock_precision_digits = 3\nordering = yes\ntsa_name = yes\ness_cert_id_alg = sha256\n";

/// An authority under a root, with the extended key usages given.
fn authority(dir: &Path, key: &[&str], usages: &str) -> Authorities {
    fs::write(dir.join("ts.cnf"), SETTINGS).unwrap();
    fs::write(dir.join("serial"), "01").unwrap();
    let extensions = format!("extendedKeyUsage={usages}\nkeyUsage=critical,digitalSignature\n");
    fs::write(dir.join("ext"), extensions).unwrap();
    for name in ["root.key", "tsa.key"] {
        run(dir, &[&["genpkey", "-out", name], key].concat());
    }
    let root = "req -x509 -new -key root.key -sha256 -subj /CN=root -days 30 -out root.pem \
                -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign";
    words(dir, root);
    words(
        dir,
        "req -new -key tsa.key -sha256 -subj /CN=stamps -out tsa.csr",
    );
    words(
        dir,
        "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -sha256 -extfile ext -days 30 \
         -set_serial 2 -out tsa.pem",
    );
    let pem = fs::read_to_string(dir.join("root.pem")).unwrap();
    Authorities::from_pem(&pem).unwrap()
}

fn words(dir: &Path, command: &str) {
    let all: Vec<&str> = command.split_whitespace().collect();
    run(dir, &all);
}

fn answer(dir: &Path, question: &Question) -> Vec<u8> {
    fs::write(dir.join("question.tsq"), &question.request).unwrap();
    let reply = "ts -reply -config ts.cnf -queryfile question.tsq -signer tsa.pem -inkey tsa.key \
                 -out answer.tsr";
    words(dir, reply);
    fs::read(dir.join("answer.tsr")).unwrap()
}

/// A list is made a moment after the stamp that it is asked about.
pub(crate) const LATER: i64 = 60_000_000;
const LISTS: &str = "[ca]\ndefault_ca = one\n[one]\ndatabase = index\ncrlnumber = number\n";

/// The list of what the root in a folder took back, signed as it signs; the certificate on it if `taken`.
pub(crate) fn list(dir: &Path, (how, time): (&str, &str), taken: bool) -> Vec<u8> {
    for (name, content) in [("ca.cnf", LISTS), ("index", ""), ("number", "01")] {
        fs::write(dir.join(name), content).unwrap();
    }
    let who = format!("ca -config ca.cnf -keyfile root.key -cert root.pem {how}");
    if taken {
        words(dir, &format!("{who} -revoke tsa.pem"));
    }
    words(dir, &format!("{who} -gencrl {time} -out list.pem"));
    fs::read(dir.join("list.pem")).unwrap()
}

/// What is believed of an answer, by what is known of what was taken back.
pub(crate) fn by_lists(
    (answer, question): (&[u8], &Question),
    trusted: &Authorities,
    lists: &[&[u8]],
    at: i64,
) -> Result<Stamp, Refused> {
    let read = |bytes: &&[u8]| Arc::new(List::read_foreign(bytes).unwrap());
    let lists: Vec<Arc<List>> = lists.iter().map(read).collect();
    let known = Known { lists: &lists, at };
    verify(answer, MESSAGE, Some(question), trusted, Some(known))
}

fn stamped(found: Result<Stamp, Refused>) -> Stamp {
    found.unwrap()
}

#[test]
fn mm_4h_a_stamp_of_an_outside_authority_is_believed_for_its_question_only() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    if openssl(dir, &["version"]).is_none() {
        eprintln!("skipped: no openssl on this machine");
        return;
    }
    let elliptic: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let rsa: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let purpose = "critical,timeStamping";
    let other = authority(dir, elliptic, purpose);
    for (key, imprint) in [(elliptic, Imprint::Sm3), (rsa, Imprint::Sha256)] {
        let trusted = authority(dir, key, purpose);
        let question = Question::about(MESSAGE, imprint).unwrap();
        let bytes = answer(dir, &question);
        let stamp = stamped(verify(&bytes, MESSAGE, Some(&question), &trusted, None));
        assert_eq!(stamp.authority, "CN=stamps");
        assert_eq!(
            stamped(verify(&bytes, MESSAGE, None, &trusted, None)),
            stamp
        );
        let kept = Authorities::from_pem(&stamp.root).unwrap();
        assert_eq!(stamped(verify(&bytes, MESSAGE, None, &kept, None)), stamp);

        let again = Question::about(MESSAGE, imprint).unwrap();
        let refused = |question, message, trusted| {
            verify(&bytes, message, question, trusted, None).expect_err("not believed")
        };
        let found = refused(Some(&again), MESSAGE, &trusted);
        assert_eq!(found, Refused::OtherQuestion);
        assert_eq!(refused(None, b"another", &trusted), Refused::OtherContent);
        assert_eq!(refused(None, MESSAGE, &other), Refused::Untrusted);
    }
    let trusted = authority(dir, elliptic, purpose);
    let question = Question::about(MESSAGE, Imprint::Sm3).unwrap();
    let bytes = answer(dir, &question);
    let right = stamped(verify(&bytes, MESSAGE, Some(&question), &trusted, None));
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        // A few bytes say nothing: a second name of the signer, and how an algorithm is called.
        if let Ok(stamp) = verify(&altered, MESSAGE, Some(&question), &trusted, None) {
            assert_eq!(stamp, right, "byte {at}");
        }
        let cut = verify(&bytes[..at], MESSAGE, Some(&question), &trusted, None);
        assert!(cut.is_err(), "cut at {at}");
    }
}

#[test]
fn mm_4h_a_stamp_is_believed_by_a_list_of_its_authority_that_does_not_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    if openssl(dir, &["version"]).is_none() {
        eprintln!("skipped: no openssl on this machine");
        return;
    }
    let elliptic: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let rsa: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let now = ("-md sha256", "-crldays 30");
    let old = (
        "-md sha256",
        "-crl_lastupdate 20250101000000Z -crl_nextupdate 20250102000000Z",
    );
    authority(dir, elliptic, "critical,timeStamping");
    let anothers = list(dir, now, false);
    for key in [elliptic, rsa] {
        let trusted = authority(dir, key, "critical,timeStamping");
        let question = Question::about(MESSAGE, Imprint::Sm3).unwrap();
        let bytes = answer(dir, &question);
        let stamp = stamped(verify(&bytes, MESSAGE, Some(&question), &trusted, None));
        let by = |lists: &[&[u8]]| by_lists((&bytes, &question), &trusted, lists, stamp.at + LATER);
        let holds = list(dir, now, false);
        assert_eq!(by(&[&holds]), Ok(stamp.clone()));
        let late = list(dir, old, false);
        assert_eq!(by(&[]), Err(Refused::Unlisted));
        assert_eq!(by(&[&late, &anothers]), Err(Refused::Unlisted));
        assert_eq!(by(&[&late, &holds]), Ok(stamp.clone()));
        // One that names it says so also when it is out of date, or beside another.
        let taken = list(dir, old, true);
        assert_eq!(by(&[&taken, &holds]), Err(Refused::Revoked));
        // National tools take none of these for people's certificates.
        assert!(List::read(&holds).is_err());
    }
}
