//! Time stamps signed with SM2, put together here for want of a program that makes them, under
//! certificates that openssl made.

use std::fs;
use std::path::Path;

use kernel_crypto::sm2::SigningKey;
use kernel_crypto::sm3;
use kernel_crypto::timestamp::{Authorities, Imprint, Question, RefusedStamp as Refused, verify};

use crate::{has_sm2, run};

const MESSAGE: &[u8] = b"a signature";
const NAME: &str = "distid:1234567812345678";

const SM3: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11];
const SM2_WITH_SM3: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75];
const SIGNED_DATA: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x06, 0x01, 0x04, 0x02, 0x02];
/// Of PKCS #9: `id-contentType`, `id-messageDigest`, `id-aa-signingCertificateV2`, `id-ct-TSTInfo`.
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SIGNER: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f,
];
const TST_INFO: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04,
];

/// A value in DER of the tag and the parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let inner = parts.concat();
    let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
    let head: &[u8] = match length {
        [0, short @ 0..=127] => &[tag, short],
        [0, long] => &[tag, 0x81, long],
        [high, low] => &[tag, 0x82, high, low],
    };
    [head, &inner].concat()
}

fn oid(id: &[u8]) -> Vec<u8> {
    der(0x06, &[id])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der(0x30, parts)
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    der(0x04, &[bytes])
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    der(0x02, &[bytes])
}

fn attribute(id: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&oid(id), &der(0x31, &[value])])
}

struct Authority {
    key: SigningKey,
    certificate: Vec<u8>,
    trusted: Authorities,
}

impl Authority {
    fn made_in(dir: &Path) -> Self {
        let words = |command: &str| {
            let all: Vec<&str> = command.split_whitespace().collect();
            run(dir, &all);
        };
        let extensions =
            "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n";
        fs::write(dir.join("ext"), extensions).unwrap();
        words("genpkey -algorithm SM2 -out root.key");
        words("genpkey -algorithm SM2 -out tsa.key");
        words(&format!(
            "req -x509 -new -key root.key -sm3 -sigopt {NAME} -subj /CN=root -days 30 -out root.pem \
             -addext keyUsage=critical,keyCertSign,cRLSign"
        ));
        words(&format!(
            "req -new -key tsa.key -sm3 -sigopt {NAME} -subj /CN=stamps -out tsa.csr"
        ));
        words(&format!(
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -sm3 -sigopt {NAME} -vfyopt {NAME} \
             -extfile ext -days 30 -set_serial 2 -out tsa.pem"
        ));
        words("x509 -in tsa.pem -outform DER -out tsa.der");
        let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        Self {
            key: SigningKey::from_pkcs8_pem(&text("tsa.key")).unwrap(),
            certificate: fs::read(dir.join("tsa.der")).unwrap(),
            trusted: Authorities::from_pem(&text("root.pem")).unwrap(),
        }
    }

    /// `TimeStampResp` at a time, in `YYYYMMDDhhmmssZ`.
    fn answer(&self, question: &Question, at: &str) -> Vec<u8> {
        let algorithm = sequence(&[&oid(SM3), &[0x05, 0x00]]);
        // The nonce stands before the last three bytes of what we ask.
        let (asked, _) = question.request.split_at(question.request.len() - 3);
        let (_, nonce) = asked.split_at(asked.len() - 16);
        let digest = octets(sm3::digest(MESSAGE).as_bytes());
        let info = sequence(&[
            &integer(&[1]),
            &oid(&[0x2a, 0x03, 0x04]),
            &sequence(&[&algorithm, &digest]),
            &integer(&[7]),
            &der(0x18, &[at.as_bytes()]),
            &integer(nonce),
        ]);
        let named = octets(sm3::digest(&self.certificate).as_bytes());
        let named = sequence(&[&sequence(&[&sequence(&[&algorithm, &named])])]);
        let attributes = [
            attribute(CONTENT_TYPE, &oid(TST_INFO)),
            attribute(MESSAGE_DIGEST, &octets(sm3::digest(&info).as_bytes())),
            attribute(SIGNER, &named),
        ]
        .concat();
        let signature = self.key.sign(&der(0x31, &[&attributes])).unwrap();
        let signer = sequence(&[
            &integer(&[1]),
            &sequence(&[]),
            &algorithm,
            &der(0xa0, &[&attributes]),
            &sequence(&[&oid(SM2_WITH_SM3)]),
            &octets(&signature),
        ]);
        let content = sequence(&[&oid(TST_INFO), &der(0xa0, &[&octets(&info)])]);
        let data = sequence(&[
            &integer(&[3]),
            &der(0x31, &[&algorithm]),
            &content,
            &der(0xa0, &[&self.certificate]),
            &der(0x31, &[&signer]),
        ]);
        let token = sequence(&[&oid(SIGNED_DATA), &der(0xa0, &[&data])]);
        sequence(&[&sequence(&[&integer(&[0])]), &token])
    }
}

/// The first second of the authority's certificate.
fn start(dir: &Path) -> String {
    let out = run(
        dir,
        &[
            "x509",
            "-in",
            "tsa.pem",
            "-noout",
            "-startdate",
            "-dateopt",
            "iso_8601",
        ],
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    format!("{digits}Z")
}

#[test]
fn mm_4h_a_stamp_signed_with_sm2_is_believed_whole_and_in_no_other_way() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    if !has_sm2(dir) {
        return;
    }
    let authority = Authority::made_in(dir);
    let at = start(dir);
    let question = Question::about(MESSAGE, Imprint::Sm3).unwrap();
    let bytes = authority.answer(&question, &at);
    let sm3 = format!("-md sm3 -sigopt {NAME}");
    let list = |taken| crate::timestamps::list(dir, (&sm3, "-crldays 30"), taken);
    let by = |lists: &[&[u8]]| {
        let stamp = verify(&bytes, MESSAGE, Some(&question), &authority.trusted, None).unwrap();
        let at = stamp.at + crate::timestamps::LATER;
        crate::timestamps::by_lists((&bytes, &question), &authority.trusted, lists, at)
    };
    assert_eq!(by(&[]), Err(Refused::Unlisted));
    let (holds, taken) = (list(false), list(true));
    assert!(by(&[&holds]).is_ok_and(|stamp| stamp.authority == "CN=stamps"));
    assert_eq!(by(&[&taken]), Err(Refused::Revoked));
    let checked = |bytes: &[u8]| verify(bytes, MESSAGE, Some(&question), &authority.trusted, None);
    let right = checked(&bytes).unwrap();
    assert_eq!(right.authority, "CN=stamps");

    let again = Question::about(MESSAGE, Imprint::Sm3).unwrap();
    let found = verify(&bytes, MESSAGE, Some(&again), &authority.trusted, None);
    assert_eq!(found, Err(Refused::OtherQuestion));
    let found = verify(
        &bytes,
        b"another",
        Some(&question),
        &authority.trusted,
        None,
    );
    assert_eq!(found, Err(Refused::OtherContent));
    let early = authority.answer(&question, "20200101000000Z");
    assert_eq!(checked(&early), Err(Refused::Untrusted));
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::made_in(elsewhere.path()).trusted;
    let found = verify(&bytes, MESSAGE, Some(&question), &other, None);
    assert_eq!(found, Err(Refused::Untrusted));
    // Named and signed by a certificate of the same name, with another key.
    let key = SigningKey::generate().unwrap();
    let forged = Authority { key, ..authority };
    let bytes_forged = forged.answer(&question, &at);
    let found = verify(
        &bytes_forged,
        MESSAGE,
        Some(&question),
        &forged.trusted,
        None,
    );
    assert_eq!(found, Err(Refused::Signature));

    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        // A few bytes say nothing: how an algorithm is called.
        let found = verify(&altered, MESSAGE, Some(&question), &forged.trusted, None);
        if let Ok(stamp) = found {
            assert_eq!(stamp, right, "byte {at}");
        }
        let cut = verify(
            &bytes[..at],
            MESSAGE,
            Some(&question),
            &forged.trusted,
            None,
        );
        assert!(cut.is_err(), "cut at {at}");
    }
}
