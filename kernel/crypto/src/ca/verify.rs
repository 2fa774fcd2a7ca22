//! Whether a certificate may be believed.

use x509_cert::certificate::Certificate;
use x509_cert::der::{DecodePem as _, Encode as _};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::{List, Purpose, SM2_WITH_SM3};
use crate::path::micros;
use crate::sm2::VerifyingKey;

/// The holder of a certificate that was believed.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The subject as RFC 4514 writes it.
    pub subject: String,
    /// Big-endian, without leading zeros.
    pub serial: Vec<u8>,
    pub key: VerifyingKey,
}

/// Why a certificate is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedCertificate {
    #[error("not a certificate or revocation list in PEM")]
    Malformed,
    #[error("the certificate is not signed with SM2 and SM3")]
    Algorithm,
    #[error("the certificate's key is not an SM2 key")]
    Key,
    #[error("the issuer may not issue certificates")]
    NotAnAuthority,
    #[error("the certificate names another issuer")]
    OtherIssuer,
    #[error("the certificate is not signed by its issuer")]
    Signature,
    #[error("the certificate does not hold at this time")]
    Time,
    #[error("the certificate is not for this purpose")]
    Purpose,
    #[error("the revocation list is not the issuer's, or is out of date")]
    RevocationList,
    #[error("the certificate was revoked")]
    Revoked,
    #[error("the certificate is not under one that is trusted")]
    Untrusted,
    #[error("more certificates than a chain has")]
    TooMany,
    #[error("no list says whether the certificate was revoked")]
    NoList,
    #[error("the list that says whether the certificate was revoked is out of date")]
    OldList,
}

use RefusedCertificate as Refused;

/// Checks that `certificate` is for `purpose`, was issued by `root`, holds at time `at`
/// (microseconds since the epoch, UTC), and is not on `list`. All three are PEM. The root is
/// trusted because the caller says so; its own signature and time are checked all the same.
///
/// Give no list only where none was ever published.
pub fn verify(
    certificate: &str,
    root: &str,
    list: Option<&str>,
    purpose: Purpose,
    at: i64,
) -> Result<Holder, RefusedCertificate> {
    let root = Certificate::from_pem(root).map_err(|_| Refused::Malformed)?;
    let leaf = Certificate::from_pem(certificate).map_err(|_| Refused::Malformed)?;
    let authority = key(&root)?;
    may_issue(&root)?;
    for certificate in [&root, &leaf] {
        let content = certificate.tbs_certificate();
        if content.issuer() != root.tbs_certificate().subject() {
            return Err(Refused::OtherIssuer);
        }
        uses_sm2(&[certificate.signature_algorithm(), content.signature()])?;
        let signed = content.to_der().map_err(|_| Refused::Malformed)?;
        if !authority.verify(&signed, certificate.signature().raw_bytes()) {
            return Err(Refused::Signature);
        }
        let validity = content.validity();
        if at < micros(validity.not_before) || at > micros(validity.not_after) {
            return Err(Refused::Time);
        }
    }
    is_for(&leaf, purpose)?;
    if let Some(list) = list {
        not_listed(&leaf, &root, list, at)?;
    }
    Ok(Holder {
        subject: leaf.tbs_certificate().subject().to_string(),
        serial: leaf.tbs_certificate().serial_number().as_bytes().to_vec(),
        key: key(&leaf)?,
    })
}

fn may_issue(root: &Certificate) -> Result<(), RefusedCertificate> {
    let content = root.tbs_certificate();
    let basic = content.get_extension::<BasicConstraints>();
    let usage = content.get_extension::<KeyUsage>();
    match (basic, usage) {
        (Ok(Some((_, basic))), Ok(Some((_, usage))))
            if basic.ca && usage.key_cert_sign() && usage.crl_sign() =>
        {
            Ok(())
        }
        _ => Err(Refused::NotAnAuthority),
    }
}

/// An end certificate with exactly the usages that were issued for the purpose.
fn is_for(leaf: &Certificate, purpose: Purpose) -> Result<(), RefusedCertificate> {
    let content = leaf.tbs_certificate();
    let basic = content.get_extension::<BasicConstraints>();
    let usages = content.get_extension::<ExtendedKeyUsage>();
    match (basic, usages) {
        (Ok(Some((_, basic))), Ok(Some((_, usages))))
            if !basic.ca && usages.0 == purpose.usages() =>
        {
            Ok(())
        }
        _ => Err(Refused::Purpose),
    }
}

fn not_listed(
    leaf: &Certificate,
    root: &Certificate,
    list: &str,
    at: i64,
) -> Result<(), RefusedCertificate> {
    let list = List::read(list.as_bytes())?;
    if !list.is_of(root) || !list.holds(at) {
        return Err(Refused::RevocationList);
    }
    if list.has(leaf) {
        return Err(Refused::Revoked);
    }
    Ok(())
}

pub(super) fn key(certificate: &Certificate) -> Result<VerifyingKey, RefusedCertificate> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    let der = info.to_der().map_err(|_| Refused::Key)?;
    VerifyingKey::from_der(&der).map_err(|_| Refused::Key)
}

pub(super) fn uses_sm2(algorithms: &[&AlgorithmIdentifierOwned]) -> Result<(), RefusedCertificate> {
    if algorithms.iter().all(|found| found.oid == SM2_WITH_SM3) {
        Ok(())
    } else {
        Err(Refused::Algorithm)
    }
}
