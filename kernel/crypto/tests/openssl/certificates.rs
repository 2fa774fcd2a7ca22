//! The authority's certificates and lists before `openssl verify`, and OpenSSL's before ours.

use std::fs;
use std::path::Path;

use kernel_crypto::ca::{
    self, CaError, Period, Purpose, RefusedCertificate as Refused, Revoked, Subject,
};
use kernel_crypto::keys::{KeyRing, SignKey};
use kernel_crypto::sm2::{SigningKey, VerifyingKey};

use crate::{has_sm2, openssl, run};

/// 2026-01-01 to 2046-01-01.
const PERIOD: Period = Period {
    from: 1_767_225_600_000_000,
    to: 2_398_377_600_000_000,
};
/// 2026-11-23.
const NOW: i64 = 1_795_420_800_000_000;
/// Where certificates say that the list is.
const LIST: &str = "https://rongqiao.example/pki/users.crl";
const DAY: i64 = 86_400_000_000;

struct Authority {
    dir: tempfile::TempDir,
    ring: KeyRing,
    root: String,
}

fn subject(common_name: &str) -> Subject {
    Subject {
        common_name: common_name.into(),
        organisation: "融桥示范市".into(),
    }
}

fn authority() -> Authority {
    let dir = tempfile::tempdir().unwrap();
    let ring = KeyRing::open_or_create(&dir.path().join("keys"), None).unwrap();
    let signer = ring.signer(SignKey::Authority);
    let root = ca::root(&signer, &subject("融桥根证书"), 1, PERIOD).unwrap();
    fs::write(dir.path().join("root.pem"), &root).unwrap();
    Authority { dir, ring, root }
}

impl Authority {
    fn issue(&self, purpose: Purpose, serial: u64, period: Period) -> (SigningKey, String) {
        let key = SigningKey::generate().unwrap();
        let name = match purpose {
            Purpose::Node => "node1.bank.example",
            _ => "王小明",
        };
        let pem = ca::issue(
            &self.ring.signer(SignKey::Authority),
            (&self.root, Some(LIST)),
            (purpose, &subject(name)),
            &key.verifying_key().unwrap(),
            (serial, period),
        );
        let pem = pem.unwrap();
        fs::write(self.dir.path().join("leaf.pem"), &pem).unwrap();
        (key, pem)
    }

    fn list(&self, number: u64, revoked: &[Revoked]) -> String {
        let period = Period {
            from: NOW - DAY,
            to: NOW + 7 * DAY,
        };
        let signer = self.ring.signer(SignKey::Authority);
        let list = ca::revocation_list(&signer, &self.root, number, period, revoked).unwrap();
        fs::write(self.dir.path().join("list.pem"), &list).unwrap();
        list
    }

    fn openssl_verifies(&self, extra: &[&str]) -> bool {
        let now = (NOW / 1_000_000).to_string();
        let arguments = [
            &["verify", "-x509_strict", "-attime", &now][..],
            &["-vfyopt", "distid:1234567812345678", "-CAfile", "root.pem"],
            extra,
            &["leaf.pem"],
        ]
        .concat();
        let output = openssl(self.dir.path(), &arguments).unwrap();
        // Shown by the runner when the test fails.
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        output.status.success()
    }
}

#[test]
fn openssl_verifies_the_chain_for_its_purpose_and_time() {
    let authority = authority();
    if !has_sm2(authority.dir.path()) {
        return;
    }
    for (purpose, name) in [(Purpose::User, "sslclient"), (Purpose::Node, "sslserver")] {
        authority.issue(purpose, 2, PERIOD);
        assert!(authority.openssl_verifies(&["-purpose", name]), "{name}");
    }
    authority.issue(Purpose::User, 3, PERIOD);
    let shown = run(
        authority.dir.path(),
        &["x509", "-in", "leaf.pem", "-noout", "-text"],
    );
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("URI:{LIST}")), "{shown}");
    assert!(!authority.openssl_verifies(&["-purpose", "sslserver"]));
    authority.issue(Purpose::Publisher, 4, PERIOD);
    assert!(authority.openssl_verifies(&[]));
    assert!(!authority.openssl_verifies(&["-purpose", "sslclient"]));

    let over = Period {
        to: NOW - DAY,
        ..PERIOD
    };
    authority.issue(Purpose::User, 5, over);
    assert!(!authority.openssl_verifies(&[]));

    // Of another authority with the same name.
    let other = self::authority();
    let (_, foreign) = other.issue(Purpose::User, 2, PERIOD);
    fs::write(authority.dir.path().join("leaf.pem"), foreign).unwrap();
    assert!(!authority.openssl_verifies(&[]));
}

/// `openssl verify` gives the signer's identity to the end certificate only, so what else the
/// authority signs is taken apart and its signature checked by itself.
fn openssl_verifies_signature(dir: &Path, pem: &str) -> bool {
    let parse = |extra: &[&str]| run(dir, &[&["asn1parse", "-in", pem][..], extra].concat()).stdout;
    let shown = String::from_utf8(parse(&[])).unwrap();
    // The signed part is the second line, the signature the last bit string.
    let offset = |line: &str| line.split(':').next().unwrap().trim().to_owned();
    let signed = offset(shown.lines().nth(1).unwrap());
    let signature = offset(
        shown
            .lines()
            .rfind(|line| line.contains("BIT STRING"))
            .unwrap(),
    );
    parse(&["-strparse", &signed, "-noout", "-out", "signed"]);
    parse(&["-strparse", &signature, "-noout", "-out", "signature"]);
    let key = run(dir, &["x509", "-in", "root.pem", "-noout", "-pubkey"]).stdout;
    fs::write(dir.join("root.pub"), key).unwrap();
    let verify = [
        "dgst",
        "-sm3",
        "-verify",
        "root.pub",
        "-sigopt",
        "distid:1234567812345678",
        "-signature",
        "signature",
        "signed",
    ];
    openssl(dir, &verify).unwrap().status.success()
}

#[test]
fn openssl_reads_the_list_and_the_authoritys_signatures_hold() {
    let authority = authority();
    let dir = authority.dir.path();
    if !has_sm2(dir) {
        return;
    }
    for revoked in [
        &[][..],
        &[Revoked {
            serial: 0x77,
            at: NOW,
        }],
    ] {
        authority.list(3, revoked);
        let shown = run(dir, &["crl", "-in", "list.pem", "-noout", "-text"]).stdout;
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("SM2-with-SM3"), "{shown}");
        assert_eq!(
            shown.contains("Serial Number: 77"),
            !revoked.is_empty(),
            "{shown}"
        );
        assert!(openssl_verifies_signature(dir, "list.pem"));
    }
    assert!(openssl_verifies_signature(dir, "root.pem"));
    // The list of another authority.
    let other = self::authority();
    other.list(3, &[]);
    fs::copy(other.dir.path().join("list.pem"), dir.join("list.pem")).unwrap();
    assert!(!openssl_verifies_signature(dir, "list.pem"));
}

#[test]
fn a_certificate_is_believed_for_its_purpose_time_and_issuer_only() {
    let authority = authority();
    let (key, pem) = authority.issue(Purpose::Publisher, 0x0102_0304, PERIOD);
    let check = |purpose, at| ca::verify(&pem, &authority.root, None, purpose, at);
    let holder = check(Purpose::Publisher, NOW).unwrap();
    assert_eq!(
        holder.key.fingerprint(),
        key.verifying_key().unwrap().fingerprint()
    );
    assert_eq!(holder.serial, [1, 2, 3, 4]);
    assert!(holder.subject.contains("王小明"), "{}", holder.subject);

    let refused = |purpose, at| check(purpose, at).unwrap_err();
    assert_eq!(refused(Purpose::User, NOW), Refused::Purpose);
    assert_eq!(refused(Purpose::Node, NOW), Refused::Purpose);
    assert_eq!(
        refused(Purpose::Publisher, PERIOD.from - 1_000_000),
        Refused::Time
    );
    assert_eq!(
        refused(Purpose::Publisher, PERIOD.to + 1_000_000),
        Refused::Time
    );

    let other = self::authority();
    let against = |root: &str| ca::verify(&pem, root, None, Purpose::Publisher, NOW).unwrap_err();
    assert_eq!(against(&other.root), Refused::Signature);
    // An end certificate is no authority, whatever it signs.
    assert_eq!(against(&pem), Refused::NotAnAuthority);
    assert_eq!(against("x"), Refused::Malformed);
    // The root is no end certificate.
    let root = ca::verify(&authority.root, &authority.root, None, Purpose::User, NOW);
    assert_eq!(root.unwrap_err(), Refused::Purpose);
}

#[test]
fn a_revoked_certificate_and_a_stale_or_foreign_list_are_refused() {
    let authority = authority();
    let (_, pem) = authority.issue(Purpose::User, 7, PERIOD);
    let check =
        |list: &str, at| ca::verify(&pem, &authority.root, Some(list), Purpose::User, at).map(drop);
    let empty = authority.list(1, &[]);
    assert_eq!(check(&empty, NOW), Ok(()));
    let other_serial = authority.list(2, &[Revoked { serial: 8, at: NOW }]);
    assert_eq!(check(&other_serial, NOW), Ok(()));
    let listed = authority.list(3, &[Revoked { serial: 7, at: NOW }]);
    assert_eq!(check(&listed, NOW), Err(Refused::Revoked));
    assert_eq!(check(&empty, NOW + 8 * DAY), Err(Refused::RevocationList));
    assert_eq!(check(&empty, NOW - 2 * DAY), Err(Refused::RevocationList));
    let foreign = self::authority().list(1, &[]);
    assert_eq!(check(&foreign, NOW), Err(Refused::RevocationList));
    assert_eq!(check("x", NOW), Err(Refused::Malformed));
}

#[test]
fn a_flipped_bit_anywhere_in_a_certificate_is_refused() {
    let authority = authority();
    let (_, pem) = authority.issue(Purpose::User, 7, PERIOD);
    let lines: Vec<&str> = pem.lines().collect();
    for line in 1..lines.len() - 1 {
        for at in [0, lines[line].len() / 2] {
            let mut damaged: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            let was = &damaged[line][at..=at];
            let other = if was == "A" { "B" } else { "A" };
            damaged[line].replace_range(at..=at, other);
            let damaged = damaged.join("\n") + "\n";
            let read = ca::verify(&damaged, &authority.root, None, Purpose::User, NOW);
            assert!(read.is_err(), "line {line}, character {at}");
        }
    }
}

#[test]
fn names_and_times_that_would_mislead_are_refused() {
    let authority = authority();
    let signer = authority.ring.signer(SignKey::Authority);
    for name in ["", "a,CN=b", "a+b", "a\nb", " a", "a=b", &"长".repeat(61)] {
        assert!(
            ca::root(&signer, &subject(name), 1, PERIOD).is_err(),
            "{name:?}"
        );
    }
    let backwards = Period {
        from: PERIOD.to,
        to: PERIOD.from,
    };
    let early = Period {
        from: -1_000_000,
        to: NOW,
    };
    for period in [backwards, early] {
        assert!(ca::root(&signer, &subject("a"), 1, period).is_err());
    }
}

fn openssl_authority(dir: &Path) {
    let sign = ["-sm3", "-sigopt", "distid:1234567812345678", "-days", "400"];
    run(dir, &["genpkey", "-algorithm", "SM2", "-out", "root.key"]);
    run(dir, &["genpkey", "-algorithm", "SM2", "-out", "leaf.key"]);
    let root = [
        "req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=root", "-out", "root.pem",
    ];
    let usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
    run(dir, &[&root[..], &usage, &sign].concat());
    let request = [
        "req", "-new", "-key", "leaf.key", "-subj", "/CN=leaf", "-out", "leaf.csr",
    ];
    run(dir, &[&request[..], &sign[..3]].concat());
    let extensions = "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n";
    fs::write(dir.join("extensions"), extensions).unwrap();
    let issue = [
        "x509",
        "-req",
        "-in",
        "leaf.csr",
        "-CA",
        "root.pem",
        "-CAkey",
        "root.key",
        "-extfile",
        "extensions",
        "-set_serial",
        "9",
        "-vfyopt",
        "distid:1234567812345678",
        "-out",
        "leaf.pem",
    ];
    run(dir, &[&issue[..], &sign].concat());
}

#[test]
fn we_verify_a_chain_that_openssl_issued() {
    let dir = tempfile::tempdir().unwrap();
    if !has_sm2(dir.path()) {
        return;
    }
    openssl_authority(dir.path());
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let (root, leaf) = (read("root.pem"), read("leaf.pem"));
    // OpenSSL issued it by the machine's clock, from which the time to check at is taken.
    let out = run(
        dir.path(),
        &[
            "x509",
            "-in",
            "leaf.pem",
            "-noout",
            "-startdate",
            "-dateopt",
            "iso_8601",
        ],
    );
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let at = start_of(&text) + DAY;
    let holder = ca::verify(&leaf, &root, None, Purpose::User, at).unwrap();
    assert_eq!(
        (holder.subject.as_str(), holder.serial.as_slice()),
        ("CN=leaf", &[9][..])
    );
    assert!(ca::verify(&leaf, &root, None, Purpose::Node, at).is_err());
    assert!(ca::verify(&leaf, &leaf, None, Purpose::User, at).is_err());
}

/// The microseconds of midnight of `notBefore=2026-11-24 15:37:27Z`.
fn start_of(text: &str) -> i64 {
    let date = text.trim().strip_prefix("notBefore=").unwrap();
    let mut numbers = date[..10].split('-').map(|n| n.parse::<i64>().unwrap());
    let mut next = || numbers.next().unwrap();
    let (year, month, day) = (next(), next(), next());
    // Days since 1970 in the civil calendar, years counted from March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    (days - 719_468) * DAY
}

/// A request by openssl; none where it knows no SM2.
fn request(dir: &Path, key: &[&str], sign: &[&str]) -> Option<String> {
    if !has_sm2(dir) {
        return None;
    }
    run(dir, &[&["genpkey", "-out", "asked.key"][..], key].concat());
    let ask = [
        "req",
        "-new",
        "-key",
        "asked.key",
        "-subj",
        "/CN=x",
        "-out",
        "asked.csr",
    ];
    run(dir, &[&ask[..], sign].concat());
    Some(fs::read_to_string(dir.join("asked.csr")).unwrap())
}

#[test]
fn a_request_of_openssl_proves_its_key_and_a_changed_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let national = ["-sm3", "-sigopt", "distid:1234567812345678"];
    let Some(asked) = request(dir.path(), &["-algorithm", "SM2"], &national) else {
        return;
    };
    let public = run(dir.path(), &["pkey", "-in", "asked.key", "-pubout"]).stdout;
    let public = VerifyingKey::from_pem(&String::from_utf8(public).unwrap()).unwrap();
    let found = ca::requested(&asked).unwrap();
    assert_eq!(found.fingerprint(), public.fingerprint());

    // Whatever letter is changed, it proves no other key.
    let body = asked.find('\n').unwrap() + 1..asked.rfind("-----END").unwrap();
    for place in body {
        let mut changed = asked.clone().into_bytes();
        changed[place] = match changed[place] {
            b'\n' => continue,
            b'A' => b'B',
            _ => b'A',
        };
        if changed == asked.as_bytes() {
            continue;
        }
        let changed = String::from_utf8(changed).unwrap();
        // What the signature does not speak for is the parameters of its own algorithm.
        let other = ca::requested(&changed).is_ok_and(|k| k.fingerprint() != public.fingerprint());
        assert!(!other, "{place}");
    }
    for cut in 0..asked.trim_end().len() {
        assert!(ca::requested(&asked[..cut]).is_err(), "{cut}");
    }
    // Another identity of the signer, another algorithm.
    let other = request(
        dir.path(),
        &["-algorithm", "SM2"],
        &["-sm3", "-sigopt", "distid:x"],
    );
    assert_eq!(
        ca::requested(&other.unwrap()).unwrap_err(),
        Refused::Signature
    );
    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let other = request(dir.path(), &curve, &["-sha256"]);
    assert_eq!(
        ca::requested(&other.unwrap()).unwrap_err(),
        Refused::Algorithm
    );
}

#[test]
fn a_node_is_named_as_its_host_is() {
    let authority = authority();
    let signer = authority.ring.signer(SignKey::Authority);
    let key = SigningKey::generate().unwrap().verifying_key().unwrap();
    let issue = |name: &str| {
        let subject = Subject {
            common_name: name.into(),
            organisation: "示范银行".into(),
        };
        let shape = (Purpose::Node, &subject);
        ca::issue(&signer, (&authority.root, None), shape, &key, (9, PERIOD))
    };
    for bad in [
        "",
        "示范",
        "A.example",
        "a..b",
        "-a",
        "a-",
        "a_b",
        &"a".repeat(64),
    ] {
        assert!(matches!(issue(bad), Err(CaError::Host)), "{bad}");
    }
    let leaf = issue("node-1.bank.example").unwrap();
    fs::write(authority.dir.path().join("node.pem"), leaf).unwrap();
    let shown = run(
        authority.dir.path(),
        &["x509", "-in", "node.pem", "-noout", "-text"],
    );
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("DNS:node-1.bank.example"), "{shown}");
}
