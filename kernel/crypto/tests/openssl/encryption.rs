//! SM2 encryption both ways.

use std::fs;

use kernel_crypto::keys::{DecryptKey, KeyRing};
use kernel_crypto::sm2::encryption::{DecryptingKey, EncryptingKey};

use crate::{MESSAGE, has_sm2, run};

#[test]
fn openssl_decrypts_what_we_encrypt() {
    let dir = tempfile::tempdir().unwrap();
    if !has_sm2(dir.path()) {
        return;
    }
    let key = DecryptingKey::generate().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("private.pem"), key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    // Some lengths on both sides of the key stream's blocks, and some random points: a coordinate
    // with a leading zero is encoded shorter.
    for length in [1, 31, 32, 33, 64, 1000].into_iter().chain(100..130) {
        let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
        let sealed = key.encrypting_key().encrypt(&plain).unwrap();
        fs::write(path("sealed"), sealed).unwrap();
        let arguments = [
            "pkeyutl",
            "-decrypt",
            "-inkey",
            "private.pem",
            "-in",
            "sealed",
        ];
        assert_eq!(run(dir.path(), &arguments).stdout, plain, "{length} bytes");
    }
}

#[test]
fn we_decrypt_what_openssl_encrypts() {
    let dir = tempfile::tempdir().unwrap();
    if !has_sm2(dir.path()) {
        return;
    }
    let path = |name: &str| dir.path().join(name);
    run(
        dir.path(),
        &["genpkey", "-algorithm", "SM2", "-out", "private.pem"],
    );
    let public = [
        "pkey",
        "-in",
        "private.pem",
        "-pubout",
        "-out",
        "public.pem",
    ];
    run(dir.path(), &public);
    fs::write(path("message"), MESSAGE).unwrap();
    let encrypt = [
        "pkeyutl",
        "-encrypt",
        "-pubin",
        "-inkey",
        "public.pem",
        "-in",
        "message",
        "-out",
        "sealed",
    ];
    let private = fs::read_to_string(path("private.pem")).unwrap();
    let key = DecryptingKey::from_pkcs8_pem(&private).unwrap();
    for _ in 0..30 {
        run(dir.path(), &encrypt);
        let mut sealed = fs::read(path("sealed")).unwrap();
        assert_eq!(*key.decrypt(&sealed).unwrap(), MESSAGE);
        *sealed.last_mut().unwrap() ^= 1;
        assert!(key.decrypt(&sealed).is_err());
    }
    let public = fs::read_to_string(path("public.pem")).unwrap();
    let public = EncryptingKey::from_pem(&public).unwrap();
    assert_eq!(public.fingerprint(), key.encrypting_key().fingerprint());
}

#[test]
fn dj_03_a_ring_decrypts_what_openssl_encrypts_for_it() {
    let dir = tempfile::tempdir().unwrap();
    if !has_sm2(dir.path()) {
        return;
    }
    let ring = KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap();
    let public = ring.encrypting_key(DecryptKey::Password).to_pem().unwrap();
    fs::write(dir.path().join("public.pem"), public).unwrap();
    fs::write(dir.path().join("message"), MESSAGE).unwrap();
    let encrypt = [
        "pkeyutl",
        "-encrypt",
        "-pubin",
        "-inkey",
        "public.pem",
        "-in",
        "message",
        "-out",
        "sealed",
    ];
    run(dir.path(), &encrypt);
    let sealed = fs::read(dir.path().join("sealed")).unwrap();
    let plain = ring.decrypt(DecryptKey::Password, &sealed).unwrap();
    assert_eq!(*plain, MESSAGE);
}
