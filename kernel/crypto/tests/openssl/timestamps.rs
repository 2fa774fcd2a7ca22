//! Time stamps by `openssl ts`, which signs with P-256 and RSA; it has no SM2 there.

use std::fs;
use std::path::Path;

use kernel_crypto::timestamp::{
    Authorities, Imprint, Question, RefusedStamp as Refused, Stamp, verify,
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
                -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign";
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
        let stamp = stamped(verify(&bytes, MESSAGE, Some(&question), &trusted));
        assert_eq!(stamp.authority, "CN=stamps");
        assert_eq!(stamped(verify(&bytes, MESSAGE, None, &trusted)), stamp);
        let kept = Authorities::from_pem(&stamp.root).unwrap();
        assert_eq!(stamped(verify(&bytes, MESSAGE, None, &kept)), stamp);

        let again = Question::about(MESSAGE, imprint).unwrap();
        let refused = |question, message, trusted| {
            verify(&bytes, message, question, trusted).expect_err("not believed")
        };
        let found = refused(Some(&again), MESSAGE, &trusted);
        assert_eq!(found, Refused::OtherQuestion);
        assert_eq!(refused(None, b"another", &trusted), Refused::OtherContent);
        assert_eq!(refused(None, MESSAGE, &other), Refused::Untrusted);
    }
    let trusted = authority(dir, elliptic, purpose);
    let question = Question::about(MESSAGE, Imprint::Sm3).unwrap();
    let bytes = answer(dir, &question);
    let right = stamped(verify(&bytes, MESSAGE, Some(&question), &trusted));
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        // A few bytes say nothing: a second name of the signer, and how an algorithm is called.
        if let Ok(stamp) = verify(&altered, MESSAGE, Some(&question), &trusted) {
            assert_eq!(stamp, right, "byte {at}");
        }
        let cut = verify(&bytes[..at], MESSAGE, Some(&question), &trusted);
        assert!(cut.is_err(), "cut at {at}");
    }
}
