//! Agreement with the machine's `openssl`, where there is one: a second implementation that shares
//! no code with ours. Each test says when it was skipped.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "shared test code is test code, too; a skipped test says why"
)]

mod certificates;
mod encryption;
mod national_stamps;
mod outside;
mod timestamps;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kernel_crypto::sm2::{SigningKey, VerifyingKey};
use kernel_crypto::sm3;

const MESSAGE: &[u8] = "同意授权 沪江银行 查询".as_bytes();
/// OpenSSL takes an empty signer identity unless told otherwise.
const SM2: [&str; 5] = [
    "-rawin",
    "-digest",
    "sm3",
    "-pkeyopt",
    "distid:1234567812345678",
];

/// Runs openssl in `dir`; `None` when there is no openssl.
fn openssl(dir: &Path, arguments: &[&str]) -> Option<Output> {
    Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output()
        .ok()
}

/// Runs openssl in `dir`, which must succeed.
fn run(dir: &Path, arguments: &[&str]) -> Output {
    let output = openssl(dir, arguments).unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

/// Whether this openssl knows SM2; says so when not.
fn has_sm2(dir: &Path) -> bool {
    let curves = openssl(dir, &["ecparam", "-list_curves"]);
    let found = curves.is_some_and(|out| String::from_utf8_lossy(&out.stdout).contains("SM2"));
    if !found {
        eprintln!("skipped: no openssl with SM2 on this machine");
    }
    found
}

#[test]
fn sm3_digests_and_codes_agree() {
    let dir = tempfile::tempdir().unwrap();
    for length in [0, 1, 55, 56, 63, 64, 65, 1000] {
        let data: Vec<u8> = (0..=250).cycle().take(length).collect();
        fs::write(dir.path().join("data"), &data).unwrap();
        let key = hex::encode([0xa5; 80]);
        let hexkey = format!("hexkey:{key}");
        let digest = ["dgst", "-sm3", "-r", "data"];
        let code = [
            "dgst", "-sm3", "-mac", "HMAC", "-macopt", &hexkey, "-r", "data",
        ];
        let expected = [sm3::digest(&data), sm3::hmac(&[0xa5; 80], &data)];
        for (arguments, expected) in [&digest[..], &code[..]].into_iter().zip(expected) {
            let Some(output) = openssl(dir.path(), arguments) else {
                eprintln!("skipped: no openssl on this machine");
                return;
            };
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let shown = text.split_whitespace().next();
            assert_eq!(
                shown,
                Some(expected.to_string().as_str()),
                "{length} bytes: {output:?}"
            );
        }
    }
}

#[test]
fn openssl_verifies_our_signature() {
    let dir = tempfile::tempdir().unwrap();
    if !has_sm2(dir.path()) {
        return;
    }
    let key = SigningKey::generate().unwrap();
    fs::write(
        dir.path().join("public.pem"),
        key.verifying_key().unwrap().to_pem().unwrap(),
    )
    .unwrap();
    fs::write(dir.path().join("signature"), key.sign(MESSAGE).unwrap()).unwrap();
    let verify = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "public.pem",
        "-sigfile",
        "signature",
    ];
    let arguments = [&verify[..], &["-in", "message"], &SM2].concat();

    fs::write(dir.path().join("message"), MESSAGE).unwrap();
    let output = openssl(dir.path(), &arguments).unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::write(dir.path().join("message"), b"another").unwrap();
    assert!(!openssl(dir.path(), &arguments).unwrap().status.success());
}

#[test]
fn we_verify_the_signature_of_openssl_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    if !has_sm2(dir.path()) {
        return;
    }
    fs::write(dir.path().join("message"), MESSAGE).unwrap();
    let run = |arguments: &[&str]| {
        let output = openssl(dir.path(), arguments).unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    run(&["genpkey", "-algorithm", "SM2", "-out", "private.pem"]);
    run(&[
        "pkey",
        "-in",
        "private.pem",
        "-pubout",
        "-out",
        "public.pem",
    ]);
    let sign = [
        "pkeyutl",
        "-sign",
        "-inkey",
        "private.pem",
        "-in",
        "message",
        "-out",
        "signature",
    ];
    run(&[&sign[..], &SM2].concat());
    run(&[
        "pkeyutl",
        "-sign",
        "-inkey",
        "private.pem",
        "-rawin",
        "-digest",
        "sm3",
        "-in",
        "message",
        "-out",
        "without-identity",
    ]);

    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let public = VerifyingKey::from_pem(&read("public.pem")).unwrap();
    let signature = fs::read(dir.path().join("signature")).unwrap();
    assert!(public.verify(MESSAGE, &signature));
    assert!(!public.verify(b"another", &signature));
    let without = fs::read(dir.path().join("without-identity")).unwrap();
    assert!(
        !public.verify(MESSAGE, &without),
        "an empty identity is another signature"
    );

    // Its private key is read as well, and signs for the same public key.
    let private = SigningKey::from_pkcs8_pem(&read("private.pem")).unwrap();
    assert!(public.verify(b"ours", &private.sign(b"ours").unwrap()));
}
