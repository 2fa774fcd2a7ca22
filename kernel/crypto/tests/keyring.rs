//! The key ring on disk: what survives, what is refused, and with which words.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kernel_crypto::keys::{AttestKey, KeyRing, KeyRingError, MacKey, SealKey, SignKey, new_secret};
use kernel_crypto::sm2::VerifyingKey;
use kernel_crypto::sm4::OpenError;

const PASSPHRASE: Option<&[u8]> = Some(b"correct horse");

fn open(dir: &Path, passphrase: Option<&[u8]>) -> Result<KeyRing, KeyRingError> {
    KeyRing::open_or_create(dir, passphrase)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .map(|data| data.permissions().mode() & 0o777)
        .unwrap_or_default()
}

#[test]
fn a_reopened_ring_holds_the_same_keys() {
    for passphrase in [None, PASSPHRASE] {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), passphrase).unwrap();
        let names: Vec<_> = first.created().iter().copied().collect();
        assert_eq!(
            names,
            [
                "audit",
                "authority",
                "blind",
                "certificate",
                "code",
                "field",
                "password",
                "payload",
                "pepper",
                "pseudonym",
                "record",
                "session"
            ]
        );

        let again = open(dir.path(), passphrase).unwrap();
        assert!(again.created().is_empty());
        for key in [SignKey::Audit, SignKey::Certificate] {
            assert_eq!(
                first.public_pem(key).unwrap(),
                again.public_pem(key).unwrap()
            );
            assert!(again.verify(key, b"m", &first.sign(key, b"m").unwrap()));
        }
        for key in [MacKey::Session, MacKey::Pepper, MacKey::Code, MacKey::Blind] {
            assert_eq!(first.mac(key, b"m"), again.mac(key, b"m"));
        }
        let code = first.attest(AttestKey::Record, b"row 1");
        assert!(again.attests(AttestKey::Record, b"row 1", &code));
        for (other, code) in [
            (&b"row 2"[..], &code[..]),
            (b"row 1", &code[..35]),
            (b"row 1", b""),
        ] {
            assert!(!again.attests(AttestKey::Record, other, code));
        }
        assert!(!first.noted("a fact"));
        first.note("a fact").unwrap();
        assert!(open(dir.path(), passphrase).unwrap().noted("a fact"));
        let sealed = first.seal(SealKey::Field, b"row 1", b"plain").unwrap();
        assert_eq!(
            again.open(SealKey::Field, b"row 1", &sealed).unwrap(),
            b"plain"
        );
    }
}

#[test]
fn every_key_is_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let ring = open(dir.path(), None).unwrap();
    let signature = ring.sign(SignKey::Audit, b"m").unwrap();
    assert!(!ring.verify(SignKey::Certificate, b"m", &signature));
    assert_ne!(
        ring.mac(MacKey::Session, b"m"),
        ring.mac(MacKey::Pepper, b"m")
    );
    let other_dir = tempfile::tempdir().unwrap();
    let other = open(other_dir.path(), None).unwrap();
    assert!(!other.verify(SignKey::Audit, b"m", &signature));
    assert_ne!(
        ring.mac(MacKey::Session, b"m"),
        other.mac(MacKey::Session, b"m")
    );
}

#[test]
fn the_exported_public_key_verifies_without_the_ring() {
    let dir = tempfile::tempdir().unwrap();
    let ring = open(dir.path(), None).unwrap();
    let public = VerifyingKey::from_pem(&ring.public_pem(SignKey::Certificate).unwrap()).unwrap();
    assert!(public.verify(b"m", &ring.sign(SignKey::Certificate, b"m").unwrap()));
    assert_eq!(
        public.fingerprint(),
        ring.verifying_key(SignKey::Certificate).fingerprint()
    );
}

#[test]
fn a_wrong_missing_needless_or_empty_passphrase_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), PASSPHRASE).unwrap();
    let refused = |passphrase| open(dir.path(), passphrase).unwrap_err().to_string();
    assert_eq!(
        refused(Some(b"incorrect horse")),
        "the passphrase is not the one this key ring was created with"
    );
    assert_eq!(
        refused(None),
        "this key ring was created with a passphrase; give it"
    );
    assert_eq!(refused(Some(b"")), "the passphrase is empty");

    let open_dir = tempfile::tempdir().unwrap();
    open(open_dir.path(), None).unwrap();
    let error = open(open_dir.path(), PASSPHRASE).unwrap_err();
    assert!(
        matches!(error, KeyRingError::PassphraseUnexpected),
        "{error}"
    );
}

#[test]
fn files_are_private_and_exposed_ones_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("keys");
    open(&dir, None).unwrap();
    assert_eq!(mode(&dir), 0o700);
    for name in ["keys.json", "kek", "keys.lock"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    for name in ["keys.json", "kek"] {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        let error = open(&dir, None).unwrap_err();
        assert!(
            matches!(error, KeyRingError::Exposed { mode: 0o644, .. }),
            "{name}: {error}"
        );
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    open(&dir, None).unwrap();
}

#[test]
fn a_lost_emptied_or_foreign_key_file_is_refused_and_the_ring_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), None).unwrap();
    let kek = dir.path().join("kek");
    let ring_file = fs::read(dir.path().join("keys.json")).unwrap();
    let good = fs::read(&kek).unwrap();

    fs::write(&kek, "").unwrap();
    assert!(matches!(
        open(dir.path(), None),
        Err(KeyRingError::KeyFileWrong)
    ));
    fs::write(&kek, "0".repeat(64)).unwrap();
    assert!(matches!(
        open(dir.path(), None),
        Err(KeyRingError::KeyFileWrong)
    ));
    fs::remove_file(&kek).unwrap();
    assert!(matches!(
        open(dir.path(), None),
        Err(KeyRingError::Io { .. })
    ));
    assert!(!kek.exists(), "a lost key file is not replaced");

    assert_eq!(fs::read(dir.path().join("keys.json")).unwrap(), ring_file);
    fs::write(&kek, good).unwrap();
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
    open(dir.path(), None).unwrap();
}

#[test]
fn dj_14_a_file_changed_behind_the_programs_back_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), None).unwrap();
    let path = dir.path().join("keys.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let refused = |value: &serde_json::Value| {
        fs::write(&path, value.to_string()).unwrap();
        open(dir.path(), None).unwrap_err()
    };

    // Any edit shows, of a key …
    for change in [
        |file: &mut serde_json::Value| file["keys"][0]["material"] = "00".into(),
        |file: &mut serde_json::Value| file["keys"][0]["state"] = "destroyed".into(),
        |file: &mut serde_json::Value| file["keys"][1]["uses"] = 77.into(),
        |file: &mut serde_json::Value| file["keys"][2]["public"] = serde_json::Value::Null,
        // … of a key's absence, of the order, of who may act.
        |file: &mut serde_json::Value| drop(file["keys"].as_array_mut().unwrap().pop()),
        |file: &mut serde_json::Value| file["keys"].as_array_mut().unwrap().swap(0, 1),
        |file: &mut serde_json::Value| {
            file["custodians"] = serde_json::json!([{"name": "mallory", "public": ""}]);
        },
        |file: &mut serde_json::Value| file["mac"] = "0".repeat(64).into(),
    ] {
        let mut altered = good.clone();
        change(&mut altered);
        let error = refused(&altered);
        assert!(matches!(error, KeyRingError::Altered { .. }), "{error}");
    }

    let mut newer = good.clone();
    newer["format"] = "rongqiao-keyring-9".into();
    assert!(matches!(refused(&newer), KeyRingError::Format { .. }));

    fs::write(&path, "{").unwrap();
    assert!(matches!(
        open(dir.path(), None),
        Err(KeyRingError::Malformed { .. })
    ));
}

#[test]
fn a_crash_before_the_rename_leaves_the_old_ring() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), None).unwrap();
    fs::write(dir.path().join("keys.new"), "half a fi").unwrap();
    let again = open(dir.path(), None).unwrap();
    assert_eq!(
        first.mac(MacKey::Session, b"m"),
        again.mac(MacKey::Session, b"m")
    );
}

#[test]
fn two_openers_at_once_get_one_ring() {
    let dir = tempfile::tempdir().unwrap();
    let codes: Vec<_> = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| open(dir.path(), None).unwrap().mac(MacKey::Session, b"m")))
            .collect();
        openers
            .into_iter()
            .map(|opener| opener.join().unwrap())
            .collect()
    });
    assert!(codes.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn mm_4e_a_field_opens_at_its_own_place_only() {
    let dir = tempfile::tempdir().unwrap();
    let ring = open(dir.path(), None).unwrap();
    let sealed = ring
        .seal(SealKey::Field, b"enterprise/phone/1", b"13800000000")
        .unwrap();
    assert_eq!(
        ring.open(SealKey::Field, b"enterprise/phone/2", &sealed),
        Err(OpenError)
    );
    assert_eq!(
        ring.open(SealKey::Field, b"enterprise/phone/1", &[]),
        Err(OpenError)
    );
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let opened = ring.open(SealKey::Field, b"enterprise/phone/1", &damaged);
        assert_eq!(opened, Err(OpenError), "bit {bit}");
    }
}

#[test]
fn mm_9_no_secret_stands_in_the_file_or_in_debug_output() {
    let dir = tempfile::tempdir().unwrap();
    let ring = open(dir.path(), PASSPHRASE).unwrap();
    let file = fs::read_to_string(dir.path().join("keys.json")).unwrap();
    assert!(!file.contains("correct horse"));
    assert!(!file.contains(&hex::encode("correct horse")));
    let shown = format!("{ring:?}");
    assert!(
        shown.contains("audit") && !shown.contains("pepper"),
        "{shown}"
    );
}

#[test]
fn row_93_a_value_has_one_pseudonym_in_a_project_and_another_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_or_create(dir.path(), None).unwrap();
    let of =
        |project: &str, secret: &str| ring.pseudonyms(project, secret).pseudonym("13800001234");
    let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
    assert_eq!(of("a", &one), of("a", &one));
    let all = [
        of("a", &one),
        of("b", &one),
        of("a", &other),
        of("a", "1b"),
        of("a1", "b"),
    ];
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert!(all.iter().all(|p| p.len() == 33 && p.starts_with('p')));
    let again = KeyRing::open_or_create(dir.path(), None).unwrap();
    assert_eq!(again.pseudonyms("a", &one).pseudonym("13800001234"), all[0]);
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = KeyRing::open_or_create(elsewhere.path(), None).unwrap();
    assert_ne!(
        elsewhere.pseudonyms("a", &one).pseudonym("13800001234"),
        all[0]
    );
}

#[test]
fn row_93_a_token_opens_for_its_project_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_or_create(dir.path(), None).unwrap();
    let secret = new_secret().unwrap();
    let project = ring.pseudonyms("a", &secret);
    let token = project.token("林知远").unwrap();
    assert_ne!(token, project.token("林知远").unwrap());
    assert_eq!(project.value(&token).unwrap(), "林知远");
    // Without the secret nothing opens it, the ring included.
    for (project, secret) in [("b", secret.as_str()), ("a", ""), ("a", "00")] {
        assert_eq!(
            ring.pseudonyms(project, secret).value(&token),
            Err(OpenError)
        );
    }
    for bad in [
        "",
        "t",
        "x",
        "t00",
        &token[1..],
        &token[..token.len() - 2],
        "t\u{4e00}",
    ] {
        assert_eq!(project.value(bad), Err(OpenError), "{bad}");
    }
}
