//! Time stamps of an authority outside the platform (RFC 3161; with SM2 and SM3 as GM/T 0033 has
//! them): what is asked, and whether an answer may be believed.
//!
//! Authorities sign with SM2, or with ECDSA on P-256 or RSA, both with SHA-256 ([`crate::foreign`]).
//! Encodings other than DER are refused. Whether an authority took its certificate back is asked of the
//! lists that are given.

use std::collections::VecDeque;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};
use x509_cert::certificate::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{
    DateTime, Decode as _, Encode as _, EncodePem as _, Reader as _, SliceReader,
};
use x509_cert::ext::pkix::ExtendedKeyUsage;

use crate::ca::list::not_listed;
use crate::ca::{List, RefusedCertificate};
use crate::foreign;
use crate::path::{self, is_signed_by};
use crate::random::{self, EntropyError};
use crate::sm3;

/// Bytes of a random number that ties an answer to its question.
const NONCE: usize = 16;

/// Version, digest algorithm and the head of a digest of 32 bytes, as a `TimeStampReq` begins.
const ASKS_SM3: [u8; 23] = [
    0x30, 0x4a, 0x02, 0x01, 0x01, 0x30, 0x30, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55,
    0x01, 0x83, 0x11, 0x05, 0x00, 0x04, 0x20,
];
const ASKS_SHA256: [u8; 24] = [
    0x30, 0x4b, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
    0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];
/// Head of the nonce.
const NONCE_HEAD: [u8; 2] = [INTEGER, 0x10];
/// That the authority's certificates be in the answer.
const WITH_CERTIFICATES: [u8; 3] = [0x01, 0x01, 0xff];

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const TAG_0: u8 = 0xa0;

const SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// The same (GM/T 0010-2012).
const SIGNED_DATA_GM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.6.1.4.2.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// What a message is digested with before the authority sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Imprint {
    #[default]
    Sm3,
    /// For an authority that cannot do otherwise.
    Sha256,
}

/// A question to an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `TimeStampReq` in DER.
    pub request: Vec<u8>,
    nonce: [u8; NONCE],
}

/// Whose word counts.
#[derive(Clone, Debug)]
pub struct Authorities(Vec<Certificate>);

/// What is known at a time, in microseconds since the epoch, UTC, of certificates that were taken back.
#[derive(Clone, Copy, Debug)]
pub struct Known<'l> {
    pub lists: &'l [Arc<List>],
    pub at: i64,
}

/// A time stamp that was believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// By the authority's word, in microseconds since the epoch, UTC.
    pub at: i64,
    /// The subject of the authority's certificate, as RFC 4514 writes it.
    pub authority: String,
    /// The trusted certificate that it was believed by, in PEM.
    pub root: String,
}

/// Why a time stamp is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedStamp {
    #[error("not certificates in PEM")]
    NotCertificates,
    #[error("not a time stamp in DER")]
    Malformed,
    #[error("the authority refuses")]
    Rejected,
    #[error("the time stamp uses an algorithm that is not known")]
    Algorithm,
    #[error("the time stamp is of another content")]
    OtherContent,
    #[error("the time stamp answers another question")]
    OtherQuestion,
    #[error("the time stamp is not signed by whom it names")]
    Signature,
    #[error("the authority's certificate is not for time stamps")]
    Purpose,
    #[error("the authority's certificate is not under a trusted one, or did not hold at the time")]
    Untrusted,
    #[error("the authority's certificate, or one that it is under, was taken back")]
    Revoked,
    #[error(
        "no list that may be relied on says whether the authority's certificate was taken back"
    )]
    Unlisted,
}

use RefusedStamp as Refused;

impl Imprint {
    fn digest(self, bytes: &[u8]) -> [u8; 32] {
        match self {
            Self::Sm3 => *sm3::digest(bytes).as_bytes(),
            Self::Sha256 => foreign::sha256(bytes),
        }
    }

    /// Of an `AlgorithmIdentifier`.
    fn named(algorithm: Part<'_>) -> Result<Self, Refused> {
        match Parts::of(algorithm.inner)?.take(OID)?.oid()? {
            SM3 => Ok(Self::Sm3),
            SHA256 => Ok(Self::Sha256),
            _ => Err(Refused::Algorithm),
        }
    }
}

impl Question {
    /// Asks for the time of `message`, of which the authority sees the digest.
    pub fn about(message: &[u8], imprint: Imprint) -> Result<Self, EntropyError> {
        let mut nonce = [0; NONCE];
        random::fill(&mut nonce)?;
        // A positive number of exactly so many bytes.
        if let Some(first) = nonce.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        let head: &[u8] = match imprint {
            Imprint::Sm3 => &ASKS_SM3,
            Imprint::Sha256 => &ASKS_SHA256,
        };
        let digest = imprint.digest(message);
        let request = [head, &digest, &NONCE_HEAD, &nonce, &WITH_CERTIFICATES].concat();
        Ok(Self { request, nonce })
    }
}

impl Authorities {
    /// One certificate or several, in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, RefusedStamp> {
        match Certificate::load_pem_chain(pem.as_bytes()) {
            Ok(all) if !all.is_empty() => Ok(Self(all)),
            _ => Err(Refused::NotCertificates),
        }
    }

    /// Whether one of them signed a list.
    pub fn signed(&self, list: &List) -> bool {
        self.0.iter().any(|authority| list.is_of(authority))
    }
}

/// Checks a `TimeStampResp` (DER): that it is granted, is of `message`, answers `question`, and was
/// signed by an authority for time stamps whose certificate was under a trusted one at that time.
/// With what is known of certificates that were taken back, neither that one nor one it is under is on
/// the list of its issuer, of which one must be there. A stamp that was kept is checked without that, and
/// without a question, where any nonce is right.
pub fn verify(
    answer: &[u8],
    message: &[u8],
    question: Option<&Question>,
    trusted: &Authorities,
    known: Option<Known<'_>>,
) -> Result<Stamp, RefusedStamp> {
    let token = Signed::read(granted(answer)?)?;
    let at = token.time(message, question)?;
    let signer = token.signer()?;
    is_for_stamps(signer)?;
    let issuers = issuers(signer, &token.certificates, trusted, at)?;
    if let Some(known) = known {
        for (certificate, issuer) in std::iter::once(&signer).chain(&issuers).zip(&issuers) {
            not_listed(certificate, issuer, known.lists, known.at).map_err(|why| match why {
                RefusedCertificate::Revoked => Refused::Revoked,
                _ => Refused::Unlisted,
            })?;
        }
    }
    let root = issuers.last().ok_or(Refused::Untrusted)?;
    Ok(Stamp {
        at,
        authority: signer.tbs_certificate().subject().to_string(),
        root: root
            .to_pem(LineEnding::LF)
            .map_err(|_| Refused::Malformed)?,
    })
}

/// The token in an answer.
fn granted(answer: &[u8]) -> Result<Part<'_>, Refused> {
    let mut outer = Parts::of(answer)?;
    let mut answer = Parts::of(outer.take(SEQUENCE)?.inner)?;
    outer.end()?;
    let status = Parts::of(answer.take(SEQUENCE)?.inner)?.take(INTEGER)?;
    // Granted, or granted with changes, which are checked like all else.
    if !matches!(status.inner, [0 | 1]) {
        return Err(Refused::Rejected);
    }
    let token = answer.take(SEQUENCE)?;
    answer.end()?;
    Ok(token)
}

/// The signed data of a token (RFC 5652).
struct Signed<'a> {
    /// `TSTInfo`.
    content: &'a [u8],
    certificates: Vec<Certificate>,
    /// What the signature is over, as it stands in the token.
    attributes: &'a [u8],
    digest: Imprint,
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(token: Part<'a>) -> Result<Self, Refused> {
        let mut token = Parts::of(token.inner)?;
        let kind = token.take(OID)?.oid()?;
        if kind != SIGNED_DATA && kind != SIGNED_DATA_GM {
            return Err(Refused::Malformed);
        }
        let data = Parts::of(token.take(TAG_0)?.inner)?.take(SEQUENCE)?;
        let mut data = Parts::of(data.inner)?;
        data.take(INTEGER)?;
        data.take(SET)?;
        let mut content = Parts::of(data.take(SEQUENCE)?.inner)?;
        if content.take(OID)?.oid()? != TST_INFO {
            return Err(Refused::Malformed);
        }
        let content = Parts::of(content.take(TAG_0)?.inner)?.take(OCTETS)?;
        let certificates = match data.maybe(TAG_0) {
            None => Vec::new(),
            Some(all) => Parts::of(all.inner)?.certificates(),
        };
        data.maybe(0xa1);
        let mut signers = Parts::of(data.take(SET)?.inner)?;
        let mut signer = Parts::of(signers.take(SEQUENCE)?.inner)?;
        signers.end()?;
        signer.take(INTEGER)?;
        // Whose it is, is said by what is signed.
        signer.any()?;
        let digest = Imprint::named(signer.take(SEQUENCE)?)?;
        let attributes = signer.take(TAG_0)?;
        signer.take(SEQUENCE)?;
        Ok(Self {
            content: content.inner,
            certificates,
            attributes: attributes.whole,
            digest,
            signature: signer.take(OCTETS)?.inner,
        })
    }

    /// When the message was there, if it is the one that was stamped for this question.
    fn time(&self, message: &[u8], question: Option<&Question>) -> Result<i64, Refused> {
        let mut info = Parts::of(self.content)?;
        let mut info = Parts::of(info.take(SEQUENCE)?.inner)?;
        info.take(INTEGER)?;
        info.take(OID)?;
        let mut imprint = Parts::of(info.take(SEQUENCE)?.inner)?;
        let how = Imprint::named(imprint.take(SEQUENCE)?)?;
        if imprint.take(OCTETS)?.inner != how.digest(message) {
            return Err(Refused::OtherContent);
        }
        info.take(INTEGER)?;
        let at = moment(info.take(TIME)?.inner).ok_or(Refused::Malformed)?;
        info.maybe(SEQUENCE);
        info.maybe(BOOLEAN);
        let nonce = info.maybe(INTEGER);
        if let Some(question) = question
            && nonce.map(|n| n.inner) != Some(question.nonce.as_slice())
        {
            return Err(Refused::OtherQuestion);
        }
        Ok(at)
    }

    /// The certificate that the signed attributes name, if its key signed them and they are of the
    /// content.
    fn signer(&self) -> Result<&Certificate, Refused> {
        let attributes = Parts::of(self.attributes)?.take(TAG_0)?;
        let content_type = attribute(attributes, &CONTENT_TYPE)?.ok_or(Refused::Signature)?;
        let digest = attribute(attributes, &MESSAGE_DIGEST)?.ok_or(Refused::Signature)?;
        if content_type.oid()? != TST_INFO || digest.inner != self.digest.digest(self.content) {
            return Err(Refused::Signature);
        }
        let mut found = None;
        for certificate in &self.certificates {
            if is_named(attributes, certificate)? {
                found = Some(certificate);
            }
        }
        let signer = found.ok_or(Refused::Signature)?;
        // Signed as the set that they are; in the token another tag stands in its place.
        let mut set = self.attributes.to_vec();
        if let Some(tag) = set.first_mut() {
            *tag = SET;
        }
        if is_signed_by(signer, &set, self.signature) {
            Ok(signer)
        } else {
            Err(Refused::Signature)
        }
    }
}

/// The one value of an attribute.
fn attribute<'a>(
    attributes: Part<'a>,
    name: &ObjectIdentifier,
) -> Result<Option<Part<'a>>, Refused> {
    for attribute in Parts::of(attributes.inner)?.0 {
        let mut attribute = Parts::of(attribute.inner)?;
        if attribute.take(OID)?.oid()? == *name {
            let mut values = Parts::of(attribute.take(SET)?.inner)?;
            let value = values.any()?;
            values.end()?;
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Whether the signed attributes name this certificate as the signer's (RFC 5035; RFC 2634 with SHA-1,
/// which names, and no more, what an issuer vouches for besides).
fn is_named(attributes: Part<'_>, certificate: &Certificate) -> Result<bool, Refused> {
    let der = certificate.to_der().map_err(|_| Refused::Malformed)?;
    let newer = attribute(attributes, &SIGNER_V2)?;
    let Some(named) = newer.or(attribute(attributes, &SIGNER)?) else {
        return Ok(false);
    };
    let all = Parts::of(named.inner)?.take(SEQUENCE)?;
    let mut first = Parts::of(Parts::of(all.inner)?.take(SEQUENCE)?.inner)?;
    if newer.is_none() {
        let digest = Sha1::digest(&der);
        return Ok(first.take(OCTETS)?.inner == digest.as_slice());
    }
    let how = match first.maybe(SEQUENCE) {
        Some(algorithm) => Imprint::named(algorithm)?,
        None => Imprint::Sha256,
    };
    Ok(first.take(OCTETS)?.inner == how.digest(&der))
}

fn is_for_stamps(signer: &Certificate) -> Result<(), Refused> {
    let content = signer.tbs_certificate();
    let usages = content.get_extension::<ExtendedKeyUsage>();
    match usages {
        // RFC 3161, 2.3: critical, and nothing else beside it.
        Ok(Some((true, usages))) if usages.0 == [STAMPING] => Ok(()),
        _ => Err(Refused::Purpose),
    }
}

/// The certificates that the signer's is under, the trusted one last.
fn issuers<'t>(
    signer: &'t Certificate,
    between: &'t [Certificate],
    trusted: &'t Authorities,
    at: i64,
) -> Result<Vec<&'t Certificate>, Refused> {
    let between: Vec<&Certificate> = between.iter().collect();
    path::up(signer, &between, &trusted.0, at).map_err(|_| Refused::Untrusted)
}

/// A `GeneralizedTime`, `YYYYMMDDhhmmss[.f…]Z`, in microseconds.
fn moment(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<u8>().ok();
    let date = DateTime::new(
        whole.get(..4)?.parse().ok()?,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
    );
    let seconds = of_seconds(date.ok()?.unix_duration().as_secs());
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    seconds.checked_add(micros.parse().ok()?)
}

fn of_seconds(seconds: u64) -> i64 {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    seconds.saturating_mul(1_000_000)
}

/// A value in DER: all of it, and what is inside.
#[derive(Clone, Copy)]
struct Part<'a> {
    whole: &'a [u8],
    inner: &'a [u8],
}

impl Part<'_> {
    fn has(&self, tag: u8) -> bool {
        self.whole.first() == Some(&tag)
    }

    fn oid(&self) -> Result<ObjectIdentifier, Refused> {
        ObjectIdentifier::from_der(self.whole).map_err(|_| Refused::Malformed)
    }
}

/// Values one after another.
struct Parts<'a>(VecDeque<Part<'a>>);

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Refused> {
        let malformed = |_| Refused::Malformed;
        let mut reader = SliceReader::new(bytes).map_err(malformed)?;
        let mut all = VecDeque::new();
        while !reader.is_finished() {
            let whole = reader.tlv_bytes().map_err(malformed)?;
            let inner = AnyRef::from_der(whole).map_err(malformed)?.value();
            all.push_back(Part { whole, inner });
        }
        Ok(Self(all))
    }

    fn any(&mut self) -> Result<Part<'a>, Refused> {
        self.0.pop_front().ok_or(Refused::Malformed)
    }

    fn maybe(&mut self, tag: u8) -> Option<Part<'a>> {
        self.0.front().filter(|part| part.has(tag))?;
        self.0.pop_front()
    }

    fn take(&mut self, tag: u8) -> Result<Part<'a>, Refused> {
        self.maybe(tag).ok_or(Refused::Malformed)
    }

    fn end(&self) -> Result<(), Refused> {
        self.0.is_empty().then_some(()).ok_or(Refused::Malformed)
    }

    /// Those that are certificates of X.509.
    fn certificates(&self) -> Vec<Certificate> {
        let all = self.0.iter();
        all.filter_map(|part| Certificate::from_der(part.whole).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_and_without_fractions() {
        let at = |text: &str| moment(text.as_bytes());
        assert_eq!(at("19700101000001Z"), Some(1_000_000));
        assert_eq!(at("19700101000001.5Z"), Some(1_500_000));
        assert_eq!(at("20261201023000.1234567Z"), Some(1_796_092_200_123_456));
        for bad in [
            "",
            "Z",
            "19700101000001",
            "1970010100000Z",
            "19701301000001Z",
            "19700101000001.Z",
            "19700101000001+0800",
            "1970010100000xZ",
            "19700101000001.-1Z",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_question_has_its_length_and_asks_once() {
        for how in [Imprint::Sm3, Imprint::Sha256] {
            let (a, b) = (Question::about(b"x", how), Question::about(b"x", how));
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_ne!(a.nonce, b.nonce);
            let parts = Parts::of(&a.request).unwrap();
            assert_eq!(parts.0.len(), 1);
            let parts = Parts::of(parts.0[0].inner).unwrap();
            assert_eq!(parts.0.len(), 4);
            assert_eq!(parts.0[2].inner, a.nonce);
        }
    }

    #[test]
    fn nothing_is_believed_of_noise() {
        let root = include_str!("timestamp/nobody.pem");
        let trusted = Authorities::from_pem(root).unwrap();
        let bad: [&[u8]; 5] = [
            b"",
            b"x",
            &[0x30, 0x80],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30; 300],
        ];
        for bytes in bad {
            assert_eq!(
                verify(bytes, b"x", None, &trusted, None),
                Err(Refused::Malformed)
            );
        }
        let rejected = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02];
        let found = verify(&rejected, b"x", None, &trusted, None);
        assert_eq!(found, Err(Refused::Rejected));
        assert!(Authorities::from_pem("").is_err());
    }
}
