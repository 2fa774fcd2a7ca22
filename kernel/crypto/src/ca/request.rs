//! What somebody asks a certificate for: a request in PEM (PKCS#10, RFC 2986), signed with SM2 by the
//! key that it names, so that nobody gets a certificate of another's key.

use x509_cert::der::{DecodePem as _, Encode as _};
use x509_cert::request::CertReq;

use super::RefusedCertificate as Refused;
use super::verify::uses_sm2;
use crate::sm2::VerifyingKey;

/// Longest request that is looked at, in characters.
pub const LONGEST: usize = 4_000;

/// The key of a request, which signed it. What else it says of its owner is not read: whom a
/// certificate names is decided by whoever issues it.
pub fn requested(pem: &str) -> Result<VerifyingKey, Refused> {
    if pem.len() > LONGEST {
        return Err(Refused::TooMany);
    }
    let request = CertReq::from_pem(pem.trim()).map_err(|_| Refused::Malformed)?;
    uses_sm2(&[&request.algorithm])?;
    let info = request.info.public_key.to_der();
    let key = VerifyingKey::from_der(&info.map_err(|_| Refused::Key)?).map_err(|_| Refused::Key)?;
    let signed = request.info.to_der().map_err(|_| Refused::Malformed)?;
    if key.verify(&signed, request.signature.raw_bytes()) {
        Ok(key)
    } else {
        Err(Refused::Signature)
    }
}
