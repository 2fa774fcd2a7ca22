//! The platform's own certificate authority: SM2 X.509 certificates (RFC 5280; SM2 with SM3 by
//! GB/T 20518-2018 and GM/T 0015-2012) for plugin publishers, users and nodes.
//!
//! One self-signed root, signed by the ring's `authority` key, issues end certificates directly. A
//! certificate is taken back by listing its serial number in a [`revocation_list`]; [`verify`]
//! checks chain, time, purpose and list, and refuses when any of them does not hold. OpenSSL checks
//! the same files with `openssl verify`.
//!
//! Pure: serial numbers, times and the register of what was issued are the caller's.

pub(crate) mod list;
pub mod outside;
mod request;
mod shown;
mod verify;

use std::str::FromStr as _;
use std::time::Duration;

use ::sm2::dsa;
use ::sm2::dsa::signature::Keypair;
use ::sm2::pkcs8::spki::{
    AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey as _,
    Error as SpkiError,
};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::der::asn1::{BitString, Ia5String, ObjectIdentifier, OctetString, Uint};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{DateTime, Decode as _, DecodePem as _, Encode as _, EncodePem as _};
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, CrlNumber, ExtendedKeyUsage,
    KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::keys::{KmsError, Signer};
use crate::sm2::VerifyingKey;

pub use list::{List, Lists};
pub use request::{LONGEST as LONGEST_REQUEST, requested};
pub use shown::{Shown, shown};
pub use verify::{Holder, RefusedCertificate, verify};

/// SM2 with SM3 (GM/T 0006-2012).
const SM2_WITH_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");

/// What a certificate is for; its extended key usages say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs plugins.
    Publisher,
    /// A person, who signs in and signs documents.
    User,
    /// A node of the platform or of a partner, on either end of a connection. Its common name is the
    /// name of its host.
    Node,
}

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub common_name: String,
    pub organisation: String,
}

/// The time a certificate or list holds, in microseconds since the epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: i64,
    pub to: i64,
}

/// A certificate taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub serial: u64,
    /// Microseconds since the epoch, UTC.
    pub at: i64,
}

/// A certificate or list could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("not a certificate in PEM")]
    NotACertificate,
    #[error(
        "a name may have 1 to 60 characters, without control characters or any of , + \" \\ < > ; = #"
    )]
    Name,
    #[error("a node is named as its host is: letters, digits, hyphens and dots")]
    Host,
    #[error("the time is out of range or ends before it begins")]
    Period,
    #[error("a certificate cannot be encoded")]
    Encoding,
    #[error("the authority's key failed")]
    Key(#[from] KmsError),
}

impl Purpose {
    fn usages(self) -> Vec<ObjectIdentifier> {
        match self {
            Self::Publisher => vec![CODE],
            Self::User => vec![CLIENT],
            Self::Node => vec![SERVER, CLIENT],
        }
    }

    fn key_usage(self) -> FlagSet<KeyUsages> {
        match self {
            Self::Node => KeyUsages::DigitalSignature.into(),
            // Both sign what they answer for.
            Self::Publisher | Self::User => KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
        }
    }
}

impl Subject {
    fn name(&self) -> Result<Name, CaError> {
        let plain = |text: &str| {
            (1..=60).contains(&text.chars().count())
                && text.trim() == text
                && !text
                    .chars()
                    .any(|c| c.is_control() || ",+\"\\<>;=#".contains(c))
        };
        if !plain(&self.common_name) || !plain(&self.organisation) {
            return Err(CaError::Name);
        }
        let text = format!("CN={},O={},C=CN", self.common_name, self.organisation);
        Name::from_str(&text).map_err(|_| CaError::Name)
    }
}

impl Period {
    fn validity(self) -> Result<Validity, CaError> {
        if self.to <= self.from {
            return Err(CaError::Period);
        }
        Ok(Validity::new(time(self.from)?, time(self.to)?))
    }
}

/// The root certificate in PEM.
pub fn root(
    signer: &Signer<'_>,
    subject: &Subject,
    serial: u64,
    period: Period,
) -> Result<String, CaError> {
    let name = subject.name()?;
    let shape = Shape {
        issuer: name.clone(),
        subject: name,
        issuer_key: signer.verifying_key().clone(),
        key: signer.verifying_key().clone(),
        purpose: None,
        host: None,
        list: None,
    };
    make(signer, shape, serial, period)
}

/// A certificate of `key` in PEM, under the root `issuer` (PEM), whose key `signer` is. `list` is the
/// address of the list that says when it was taken back.
pub fn issue(
    signer: &Signer<'_>,
    (issuer, list): (&str, Option<&str>),
    (purpose, subject): (Purpose, &Subject),
    key: &VerifyingKey,
    (serial, period): (u64, Period),
) -> Result<String, CaError> {
    let host = (purpose == Purpose::Node).then_some(&subject.common_name);
    if host.is_some_and(|name| !is_host(name)) {
        return Err(CaError::Host);
    }
    let shape = Shape {
        issuer: certificate(issuer)?.tbs_certificate().subject().clone(),
        subject: subject.name()?,
        issuer_key: signer.verifying_key().clone(),
        key: key.clone(),
        purpose: Some(purpose),
        host: host.cloned(),
        list: list.map(str::to_owned),
    };
    make(signer, shape, serial, period)
}

/// The list number `number` of certificates that `issuer` took back, in PEM.
pub fn revocation_list(
    signer: &Signer<'_>,
    issuer: &str,
    number: u64,
    period: Period,
    revoked: &[Revoked],
) -> Result<String, CaError> {
    let encoding = |_| CaError::Encoding;
    let period = period.validity()?;
    let issuer = certificate(issuer)?.tbs_certificate().subject().clone();
    let number = Uint::new(&number.to_be_bytes()).map_err(encoding)?;
    let extensions = vec![
        CrlNumber(number)
            .to_extension(&issuer, &[])
            .map_err(encoding)?,
        authority_key(signer.verifying_key())?
            .to_extension(&issuer, &[])
            .map_err(encoding)?,
    ];
    let entries = revoked.iter().map(|entry| {
        Ok(RevokedCert {
            serial_number: SerialNumber::from(entry.serial),
            revocation_date: time(entry.at)?,
            crl_entry_extensions: None,
        })
    });
    let entries: Vec<RevokedCert> = entries.collect::<Result<_, CaError>>()?;
    let list: TbsCertList = TbsCertList {
        version: Version::V2,
        signature: algorithm(),
        issuer,
        this_update: period.not_before,
        next_update: Some(period.not_after),
        // An empty list is left out: RFC 5280 §5.1.2.6.
        revoked_certificates: (!entries.is_empty()).then_some(entries),
        crl_extensions: Some(extensions),
    };
    let signature = signer.sign(&list.to_der().map_err(encoding)?)?;
    CertificateList {
        tbs_cert_list: list,
        signature_algorithm: algorithm(),
        signature: BitString::from_bytes(&signature).map_err(encoding)?,
    }
    .to_pem(LineEnding::LF)
    .map_err(encoding)
}

fn make(signer: &Signer<'_>, shape: Shape, serial: u64, period: Period) -> Result<String, CaError> {
    let encoding = |_| CaError::Encoding;
    let key = subject_key_info(&shape.key)?;
    let serial = SerialNumber::from(serial);
    let named = Named(signer.verifying_key());
    let mut builder = CertificateBuilder::new(shape, serial, period.validity()?, key)
        .map_err(|_| CaError::Encoding)?;
    let content = builder.finalize(&named).map_err(|_| CaError::Encoding)?;
    // X.509 holds the signature in DER, not as r ‖ s.
    let signature = BitString::from_bytes(&signer.sign(&content)?).map_err(encoding)?;
    builder
        .assemble(signature, &named)
        .map_err(|_| CaError::Encoding)?
        .to_pem(LineEnding::LF)
        .map_err(encoding)
}

/// What the builder asks of a signer besides signatures.
struct Named<'k>(&'k VerifyingKey);

impl Keypair for Named<'_> {
    type VerifyingKey = dsa::VerifyingKey;

    fn verifying_key(&self) -> dsa::VerifyingKey {
        self.0.verifier().clone()
    }
}

impl DynSignatureAlgorithmIdentifier for Named<'_> {
    fn signature_algorithm_identifier(&self) -> Result<AlgorithmIdentifierOwned, SpkiError> {
        Ok(algorithm())
    }
}

/// A certificate's names, keys and purpose; without one it is the root's.
struct Shape {
    issuer: Name,
    subject: Name,
    issuer_key: VerifyingKey,
    key: VerifyingKey,
    purpose: Option<Purpose>,
    /// Name of a node's host: whoever connects to it looks for it here (RFC 9525).
    host: Option<String>,
    /// Address of the revocation list.
    list: Option<String>,
}

impl BuilderProfile for Shape {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        _tbs: &TbsCertificate,
    ) -> Result<Vec<Extension>, x509_cert::builder::Error> {
        let name = &self.subject;
        let usage = match self.purpose {
            Some(purpose) => purpose.key_usage(),
            None => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        };
        let basic = BasicConstraints {
            ca: self.purpose.is_none(),
            path_len_constraint: self.purpose.is_none().then_some(0),
        };
        let mut extensions = vec![
            subject_key(&self.key)?.to_extension(name, &[])?,
            authority_key_of(&self.issuer_key)?.to_extension(name, &[])?,
            basic.to_extension(name, &[])?,
            KeyUsage(usage).to_extension(name, &[])?,
        ];
        if let Some(purpose) = self.purpose {
            extensions.push(ExtendedKeyUsage(purpose.usages()).to_extension(name, &[])?);
        }
        if let Some(host) = &self.host {
            let host = GeneralName::DnsName(Ia5String::new(host)?);
            extensions.push(SubjectAltName(vec![host]).to_extension(name, &[])?);
        }
        if let Some(list) = &self.list {
            extensions.push(listed_at(list)?.to_extension(name, &[])?);
        }
        Ok(extensions)
    }
}

/// Whether a name is one of a host (RFC 1123, in small letters), so that it can be looked for.
pub fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=60).contains(&name.len()) && name.split('.').all(label)
}

/// Where the revocation list is.
fn listed_at(address: &str) -> Result<CrlDistributionPoints, x509_cert::der::Error> {
    let address = GeneralName::UniformResourceIdentifier(Ia5String::new(address)?);
    Ok(CrlDistributionPoints(vec![DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![address])),
        reasons: None,
        crl_issuer: None,
    }]))
}

/// The first 20 bytes of the key's fingerprint: an identifier, not a check.
fn key_identifier(key: &VerifyingKey) -> Result<OctetString, x509_cert::der::Error> {
    let fingerprint = key.fingerprint();
    let (identifier, _) = fingerprint.as_bytes().split_at(20);
    OctetString::new(identifier)
}

fn subject_key(key: &VerifyingKey) -> Result<SubjectKeyIdentifier, x509_cert::der::Error> {
    key_identifier(key).map(SubjectKeyIdentifier)
}

fn authority_key_of(key: &VerifyingKey) -> Result<AuthorityKeyIdentifier, x509_cert::der::Error> {
    Ok(AuthorityKeyIdentifier {
        key_identifier: Some(key_identifier(key)?),
        ..AuthorityKeyIdentifier::default()
    })
}

fn authority_key(key: &VerifyingKey) -> Result<AuthorityKeyIdentifier, CaError> {
    authority_key_of(key).map_err(|_| CaError::Encoding)
}

fn algorithm() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: SM2_WITH_SM3,
        parameters: None,
    }
}

fn certificate(pem: &str) -> Result<Certificate, CaError> {
    Certificate::from_pem(pem).map_err(|_| CaError::NotACertificate)
}

fn subject_key_info(key: &VerifyingKey) -> Result<SubjectPublicKeyInfoOwned, CaError> {
    let der = key
        .verifier()
        .to_public_key_der()
        .map_err(|_| CaError::Encoding)?;
    SubjectPublicKeyInfoOwned::from_der(der.as_bytes()).map_err(|_| CaError::Encoding)
}

/// Certificates count whole seconds.
fn time(micros: i64) -> Result<Time, CaError> {
    let seconds = u64::try_from(micros / 1_000_000).map_err(|_| CaError::Period)?;
    let moment =
        DateTime::from_unix_duration(Duration::from_secs(seconds)).map_err(|_| CaError::Period)?;
    Ok(Time::from(moment))
}
