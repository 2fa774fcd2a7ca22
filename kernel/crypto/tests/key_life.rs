//! A key's life: made, used, counted, rotated and destroyed by two people; and a ring of the first
//! format taken over.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared test code is test code, too"
)]

use std::fs;
use std::path::{Path, PathBuf};

use kernel_crypto::keys::custody::{CustodianKey, CustodyError, Operation, VALID};
use kernel_crypto::keys::{
    DecryptKey, Done, KeyRing, KeyRingError, KeyState, MacKey, SealKey, SignKey, sealed_with,
};
use kernel_crypto::password;
use kernel_crypto::sm2::VerifyingKey;
use kernel_crypto::sm2::encryption::EncryptingKey;

const NOW: i64 = 1_795_420_800_000_000;
const SECRET: &str = "three quiet herons";

struct Desk {
    dir: tempfile::TempDir,
    ring: KeyRing,
    lin: CustodianKey,
    qiao: CustodianKey,
}

/// A ring with two custodians.
fn desk() -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap();
    let person = |name: &str| {
        let key = CustodianKey::create(&dir.path().join(name), name, SECRET).unwrap();
        ring.found(key.custodian().unwrap()).unwrap();
        key
    };
    let (lin, qiao) = (person("lin"), person("qiao"));
    Desk {
        dir,
        ring,
        lin,
        qiao,
    }
}

impl Desk {
    fn again(&self) -> KeyRing {
        KeyRing::open_or_create(&self.dir.path().join("keys"), None).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("keys").join("keys.json")
    }

    fn both(&self, operation: Operation) -> Result<Done, KeyRingError> {
        let request = self.ring.request(operation, &self.lin, NOW)?;
        let approval = self.ring.approve(&request.id, &self.qiao, NOW)?;
        self.ring.execute(approval, NOW)
    }

    fn rotate(&self, key: &str) -> u32 {
        match self.both(Operation::Rotate { key: key.into() }) {
            Ok(Done::Rotated { number }) => number,
            other => panic!("{other:?}"),
        }
    }

    fn state(&self, number: u32) -> KeyState {
        let list = self.ring.list();
        list.iter().find(|key| key.number == number).unwrap().state
    }
}

fn number(ring: &KeyRing, name: &str) -> u32 {
    let list = ring.list();
    let active =
        |key: &&kernel_crypto::keys::KeyInfo| key.name == name && key.state == KeyState::Active;
    list.iter().find(active).unwrap().number
}

#[test]
fn mm_9_rotation_needs_no_pause_old_values_open_and_new_ones_have_the_new_key() {
    let desk = desk();
    let running = desk.again();
    let old = number(&desk.ring, "field");
    let before = desk.ring.seal(SealKey::Field, b"row", b"plain").unwrap();
    assert_eq!(sealed_with(&before), Some(old));

    let new = desk.rotate("field");
    assert_eq!(
        (desk.state(old), desk.state(new)),
        (KeyState::DecryptOnly, KeyState::Active)
    );
    let after = desk.ring.seal(SealKey::Field, b"row", b"plain").unwrap();
    assert_eq!(sealed_with(&after), Some(new));
    for sealed in [&before, &after] {
        assert_eq!(
            desk.ring.open(SealKey::Field, b"row", sealed).unwrap(),
            b"plain"
        );
        assert!(desk.ring.open(SealKey::Field, b"row 2", sealed).is_err());
        // A process that runs since before the rotation opens what another sealed since.
        assert_eq!(
            running.open(SealKey::Field, b"row", sealed).unwrap(),
            b"plain"
        );
        assert_eq!(
            desk.again().open(SealKey::Field, b"row", sealed).unwrap(),
            b"plain"
        );
    }
    assert_eq!(
        sealed_with(&running.seal(SealKey::Field, b"r", b"p").unwrap()),
        Some(new)
    );

    // A value cannot be passed off as another key's.
    let mut moved = after.clone();
    moved[4..8].copy_from_slice(&old.to_be_bytes());
    assert!(desk.ring.open(SealKey::Field, b"row", &moved).is_err());
}

#[test]
fn mm_9_what_a_rotated_key_signed_still_verifies_and_the_fingerprint_tells_which() {
    let desk = desk();
    let running = desk.again();
    let old = desk.ring.verifying_key(SignKey::Audit);
    let signed = desk.ring.sign(SignKey::Audit, b"m").unwrap();
    desk.rotate("audit");
    let new = desk.ring.verifying_key(SignKey::Audit);
    assert_ne!(new.fingerprint(), old.fingerprint());
    assert!(old.verify(b"m", &signed) && !new.verify(b"m", &signed));
    assert!(desk.ring.verify(SignKey::Audit, b"m", &signed));
    let again = desk.ring.sign(SignKey::Audit, b"m").unwrap();
    assert!(new.verify(b"m", &again));
    assert!(
        !running.verify(SignKey::Audit, b"m", &again),
        "not known yet"
    );
    assert!(running.refresh().unwrap() && !running.refresh().unwrap());
    assert!(running.verify(SignKey::Audit, b"m", &again));
    let known: Vec<_> = running
        .verifying_keys(SignKey::Audit)
        .iter()
        .map(VerifyingKey::fingerprint)
        .collect();
    assert_eq!(known, [new.fingerprint(), old.fingerprint()]);
    assert!(desk.ring.public_pem(SignKey::Audit).unwrap() == new.to_pem().unwrap());
}

#[test]
fn mm_9_a_destroyed_key_is_gone_from_the_file_and_what_it_sealed_stays_shut() {
    let desk = desk();
    let old = number(&desk.ring, "field");
    let sealed = desk.ring.seal(SealKey::Field, b"row", b"plain").unwrap();
    let in_use = desk.both(Operation::Destroy { number: old });
    assert!(
        matches!(in_use, Err(KeyRingError::NotRetired { .. })),
        "{in_use:?}"
    );
    desk.rotate("field");
    let done = desk.both(Operation::Destroy { number: old }).unwrap();
    assert_eq!(done, Done::Destroyed { number: old });
    assert_eq!(desk.state(old), KeyState::Destroyed);
    for ring in [&desk.ring, &desk.again()] {
        assert!(ring.open(SealKey::Field, b"row", &sealed).is_err());
    }
    let file: serde_json::Value = serde_json::from_slice(&fs::read(desk.file()).unwrap()).unwrap();
    let stored = file["keys"].as_array().unwrap();
    let key = stored.iter().find(|key| key["number"] == old).unwrap();
    assert_eq!(
        (key["material"].as_str(), &key["destroyed"]),
        (None, &NOW.into())
    );
    assert!(matches!(
        desk.both(Operation::Destroy { number: old }),
        Err(KeyRingError::NotRetired { .. })
    ));
    assert!(matches!(
        desk.both(Operation::Destroy { number: 999 }),
        Err(KeyRingError::UnknownKey(_))
    ));

    // A signing key's public half stays: what it signed is evidence.
    let audit = number(&desk.ring, "audit");
    let signed = desk.ring.sign(SignKey::Audit, b"m").unwrap();
    desk.rotate("audit");
    desk.both(Operation::Destroy { number: audit }).unwrap();
    assert!(desk.again().verify(SignKey::Audit, b"m", &signed));
}

#[test]
fn mm_9_uses_are_counted_and_survive() {
    let desk = desk();
    let uses = |ring: &KeyRing, name: &str| {
        let number = number(ring, name);
        ring.list()
            .iter()
            .find(|key| key.number == number)
            .unwrap()
            .uses
    };
    let other = desk.again();
    for _ in 0..3 {
        desk.ring.seal(SealKey::Field, b"row", b"plain").unwrap();
        other.seal(SealKey::Field, b"row", b"plain").unwrap();
    }
    desk.ring.sign(SignKey::Certificate, b"m").unwrap();
    desk.ring.mac(MacKey::Session, b"m");
    assert_eq!(
        (uses(&desk.ring, "field"), uses(&desk.ring, "certificate")),
        (3, 1)
    );
    desk.ring.save_uses().unwrap();
    other.save_uses().unwrap();
    other.save_uses().unwrap();
    let again = desk.again();
    assert_eq!(
        (
            uses(&again, "field"),
            uses(&again, "certificate"),
            uses(&again, "session")
        ),
        (6, 1, 1)
    );
    // A rotation keeps the count of the old key and starts one for the new.
    let old = number(&desk.ring, "field");
    desk.rotate("field");
    assert_eq!(uses(&desk.ring, "field"), 0);
    assert_eq!(
        desk.ring
            .list()
            .iter()
            .find(|key| key.number == old)
            .unwrap()
            .uses,
        6
    );
}

fn custody(error: KeyRingError) -> CustodyError {
    match error {
        KeyRingError::Custody(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn dj_06_one_person_alone_rotates_and_destroys_nothing() {
    let desk = desk();
    let rotate = || Operation::Rotate {
        key: "field".into(),
    };
    let request = desk.ring.request(rotate(), &desk.lin, NOW).unwrap();
    let own = desk.ring.approve(&request.id, &desk.lin, NOW).unwrap_err();
    assert!(matches!(custody(own), CustodyError::SamePerson));

    // A stranger, and a stranger under a custodian's name.
    for name in ["zhao", "qiao"] {
        let path = desk.dir.path().join(format!("stranger-{name}"));
        let stranger = CustodianKey::create(&path, name, SECRET).unwrap();
        let refused = desk.ring.approve(&request.id, &stranger, NOW).unwrap_err();
        assert!(matches!(
            custody(refused),
            CustodyError::NotCustodian { .. }
        ));
        assert!(desk.ring.request(rotate(), &stranger, NOW).is_err());
    }

    // Too late, and before it was made.
    for now in [NOW + VALID + 1, NOW - 1] {
        let late = desk.ring.approve(&request.id, &desk.qiao, now).unwrap_err();
        assert!(matches!(custody(late), CustodyError::Lapsed));
    }
    assert_eq!(desk.ring.requests(NOW).len(), 1);
    assert_eq!(desk.ring.requests(NOW + VALID + 1).len(), 0);

    // An approval works once.
    let first = desk.ring.approve(&request.id, &desk.qiao, NOW).unwrap();
    let second = desk.ring.approve(&request.id, &desk.qiao, NOW).unwrap();
    let evidence = first.evidence();
    assert_eq!(evidence["request"]["by"], "lin");
    assert_eq!(evidence["approved_by"], "qiao");
    desk.ring.execute(first, NOW).unwrap();
    let again = desk.ring.execute(second, NOW).unwrap_err();
    assert!(matches!(custody(again), CustodyError::NoRequest(_)));
}

#[test]
fn dj_06_without_two_custodians_nothing_is_rotated_and_a_third_needs_two() {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap();
    let key = |name: &str| CustodianKey::create(&dir.path().join(name), name, SECRET).unwrap();
    let lin = key("lin");
    ring.found(lin.custodian().unwrap()).unwrap();
    let twice = ring.found(lin.custodian().unwrap()).unwrap_err();
    assert!(matches!(custody(twice), CustodyError::Enrolled { .. }));
    let alone = ring.request(
        Operation::Rotate {
            key: "audit".into(),
        },
        &lin,
        NOW,
    );
    assert!(matches!(custody(alone.unwrap_err()), CustodyError::TooFew));

    let (qiao, song) = (key("qiao"), key("song"));
    ring.found(qiao.custodian().unwrap()).unwrap();
    let third = ring.found(song.custodian().unwrap()).unwrap_err();
    assert!(matches!(custody(third), CustodyError::Founded));
    let dismiss = Operation::Dismiss { name: "lin".into() };
    let too_few = ring.request(dismiss.clone(), &qiao, NOW).unwrap_err();
    assert!(matches!(custody(too_few), CustodyError::TooFew));

    let both = |operation, first: &CustodianKey, second: &CustodianKey| {
        let request = ring.request(operation, first, NOW).unwrap();
        let approval = ring.approve(&request.id, second, NOW).unwrap();
        ring.execute(approval, NOW).unwrap()
    };
    let custodian = song.custodian().unwrap();
    assert_eq!(
        both(Operation::Enroll { custodian }, &lin, &qiao),
        Done::Enrolled
    );
    assert_eq!(both(dismiss, &qiao, &song), Done::Dismissed);
    let names: Vec<_> = ring.custodians().into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["qiao", "song"]);
    let gone = ring.request(
        Operation::Rotate {
            key: "audit".into(),
        },
        &lin,
        NOW,
    );
    assert!(gone.is_err(), "a dismissed custodian asks for nothing");
}

#[test]
fn pseudonyms_and_an_unknown_key_are_not_rotated() {
    let desk = desk();
    let refused = |key: &str| {
        desk.both(Operation::Rotate { key: key.into() })
            .unwrap_err()
    };
    assert!(matches!(
        refused("pseudonym"),
        KeyRingError::NotRotatable { .. }
    ));
    assert!(matches!(refused("tea"), KeyRingError::UnknownKey(_)));
    let before = desk.ring.mac(MacKey::Session, b"m");
    desk.rotate("session");
    assert_ne!(desk.ring.mac(MacKey::Session, b"m"), before);
}

#[test]
fn passwords_verify_with_the_pepper_they_were_made_with_until_it_is_destroyed() {
    let desk = desk();
    let running = desk.again();
    let first = number(&desk.ring, "pepper");
    let old = password::hash(&desk.ring, "Passw0rd").unwrap();
    assert!(!old.contains(",k="), "{old}");
    assert!(password::needs_pepper(&desk.ring, &old, first));

    let second = desk.rotate("pepper");
    let new = password::hash(&desk.ring, "Passw0rd").unwrap();
    assert!(new.contains(&format!(",k={second}$")), "{new}");
    // A process that runs since before the rotation verifies what another made since.
    for ring in [&running, &desk.ring, &desk.again()] {
        for stored in [&old, &new] {
            assert!(password::verify(ring, "Passw0rd", stored).unwrap());
            assert!(!password::verify(ring, "passw0rd", stored).unwrap());
        }
        assert!(password::needs_upgrade(ring, &old));
        assert!(!password::needs_upgrade(ring, &new));
    }
    assert!(!password::needs_pepper(&desk.ring, &new, first));
    assert!(password::needs_pepper(&desk.ring, &new, second));

    let third = desk.rotate("pepper");
    assert!(password::needs_upgrade(&desk.ring, &new));
    desk.both(Operation::Destroy { number: first }).unwrap();
    assert!(!password::verify(&desk.ring, "Passw0rd", &old).unwrap());
    assert!(password::verify(&desk.ring, "Passw0rd", &new).unwrap());
    let last = password::hash(&desk.ring, "Passw0rd").unwrap();
    assert!(
        last.contains(&format!(",k={third}$")),
        "the first stays the first"
    );
}

#[test]
fn a_custodians_file_opens_with_his_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lin.json");
    let refused = |result: Result<CustodianKey, _>| match result {
        Err(error) => format!("{error}"),
        Ok(_) => panic!("it opened"),
    };
    let short = refused(CustodianKey::create(&path, "lin", "short"));
    assert!(short.contains("12 characters"), "{short}");
    assert!(!path.exists());
    let key = CustodianKey::create(&path, "lin", SECRET).unwrap();
    let again = CustodianKey::open(&path, SECRET).unwrap();
    assert_eq!(key.custodian().unwrap(), again.custodian().unwrap());
    let wrong = refused(CustodianKey::open(&path, "three quiet geese"));
    assert!(wrong.contains("does not open"), "{wrong}");
    let twice = refused(CustodianKey::create(&path, "lin", SECRET));
    assert!(
        twice.contains("create"),
        "an existing file is kept: {twice}"
    );
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("PRIVATE") && !text.contains(SECRET));
    fs::write(&path, "{}").unwrap();
    assert!(CustodianKey::open(&path, SECRET).is_err());
}

/// A ring of the first format, with and without a passphrase; its keys are known and protect nothing.
fn first_format(passphrase: Option<&str>) -> (tempfile::TempDir, &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first_format");
    let files: &[(&str, &str)] = match passphrase {
        None => &[("open.json", "keys.json"), ("open.kek", "kek")],
        Some(_) => &[("passphrase.json", "keys.json")],
    };
    for (from, to) in files {
        let to = dir.path().join(to);
        fs::copy(folder.join(from), &to).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&to, private).unwrap();
    }
    let values = if passphrase.is_some() {
        include_str!("first_format/passphrase.values.json")
    } else {
        include_str!("first_format/open.values.json")
    };
    (dir, values)
}

#[test]
fn dj_03_what_was_encrypted_before_a_rotation_opens_until_the_key_is_destroyed() {
    let desk = desk();
    let running = desk.again();
    let key = DecryptKey::Password;
    let old = number(&desk.ring, "password");
    let before = desk.ring.encrypting_key(key).encrypt(b"typed").unwrap();
    assert_eq!(*running.decrypt(key, &before).unwrap(), b"typed");

    let new = desk.rotate("password");
    let after = desk.ring.encrypting_key(key).encrypt(b"typed").unwrap();
    for der in [&before, &after] {
        assert_eq!(*desk.ring.decrypt(key, der).unwrap(), b"typed");
        assert_eq!(*desk.again().decrypt(key, der).unwrap(), b"typed");
    }
    // A process that runs since before the rotation learns of it by what comes.
    assert_eq!(*running.decrypt(key, &after).unwrap(), b"typed");
    assert_eq!(
        running.encrypting_key(key).fingerprint(),
        desk.ring.encrypting_key(key).fingerprint()
    );
    let listed = desk.ring.list();
    let public = |number| {
        let key = listed.iter().find(|key| key.number == number).unwrap();
        key.public.clone().unwrap()
    };
    assert_ne!(public(old), public(new));

    desk.both(Operation::Destroy { number: old }).unwrap();
    for ring in [&desk.ring, &desk.again()] {
        assert!(ring.decrypt(key, &before).is_err());
        assert_eq!(*ring.decrypt(key, &after).unwrap(), b"typed");
    }
    // Another ring's key is none of this one's, nor is a key that signs.
    let other = self::desk().ring.encrypting_key(key);
    let signs = EncryptingKey::from_pem(&desk.ring.public_pem(SignKey::Audit).unwrap()).unwrap();
    for wrong in [other, signs] {
        let der = wrong.encrypt(b"typed").unwrap();
        assert!(desk.ring.decrypt(key, &der).is_err());
    }
}

#[test]
fn a_ring_of_the_first_format_is_taken_over_with_all_it_made() {
    for passphrase in [None, Some("correct horse")] {
        let (dir, values) = first_format(passphrase);
        let values: serde_json::Value = serde_json::from_str(values).unwrap();
        let value = |name: &str| values[name].as_str().unwrap();
        let bytes = |name: &str| hex::decode(value(name)).unwrap();
        let open = || KeyRing::open_or_create(dir.path(), passphrase.map(str::as_bytes)).unwrap();
        let ring = open();
        assert_eq!(
            ring.created().iter().collect::<Vec<_>>(),
            [
                &"authority",
                &"blind",
                &"code",
                &"password",
                &"payload",
                &"pseudonym",
                &"record"
            ]
        );
        for ring in [ring, open()] {
            let signature = bytes("signature");
            assert!(ring.verify(SignKey::Audit, b"m", &signature));
            assert_eq!(ring.public_pem(SignKey::Audit).unwrap(), value("public"));
            assert_eq!(
                ring.mac(MacKey::Session, b"m").to_string(),
                value("session")
            );
            assert_eq!(ring.mac(MacKey::Pepper, b"m").to_string(), value("pepper"));
            let sealed = bytes("sealed");
            assert_eq!(sealed_with(&sealed), None);
            assert_eq!(
                ring.open(SealKey::Field, b"row 1", &sealed).unwrap(),
                b"plain"
            );
            assert!(ring.open(SealKey::Field, b"row 2", &sealed).is_err());
            let again = ring.sign(SignKey::Audit, b"m").unwrap();
            assert!(ring.verify(SignKey::Audit, b"m", &again));
        }
    }
}

#[test]
fn an_unnumbered_value_opens_after_a_rotation_too() {
    let (dir, values) = first_format(None);
    let values: serde_json::Value = serde_json::from_str(values).unwrap();
    let ring = KeyRing::open_or_create(dir.path(), None).unwrap();
    let people = tempfile::tempdir().unwrap();
    let key = |name: &str| {
        let key = CustodianKey::create(&people.path().join(name), name, SECRET).unwrap();
        ring.found(key.custodian().unwrap()).unwrap();
        key
    };
    let (lin, qiao) = (key("lin"), key("qiao"));
    let rotate = Operation::Rotate {
        key: "field".into(),
    };
    let request = ring.request(rotate, &lin, NOW).unwrap();
    ring.execute(ring.approve(&request.id, &qiao, NOW).unwrap(), NOW)
        .unwrap();
    let sealed = hex::decode(values["sealed"].as_str().unwrap()).unwrap();
    assert_eq!(
        ring.open(SealKey::Field, b"row 1", &sealed).unwrap(),
        b"plain"
    );
}
