//! Certificates of anybody, as they are recognised: nothing is checked here but their form.

use x509_cert::certificate::Certificate;
use x509_cert::der::Encode as _;

use super::RefusedCertificate as Refused;
use crate::path::micros;
use crate::sm3::{self, Digest32};

/// Most certificates in one text.
const MOST: usize = 8;

/// What there is to see of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The subject as RFC 4514 writes it.
    pub subject: String,
    /// Big-endian hex.
    pub serial: String,
    /// When it ends, in microseconds since the epoch, UTC.
    pub until: i64,
    /// SM3 of it in DER.
    pub digest: Digest32,
}

/// Certificates in PEM, one or several, of whatever algorithms.
pub fn shown(pem: &str) -> Result<Vec<Shown>, Refused> {
    if pem.matches("-----BEGIN").count() > MOST {
        return Err(Refused::TooMany);
    }
    let all = Certificate::load_pem_chain(pem.as_bytes()).map_err(|_| Refused::Malformed)?;
    if all.is_empty() {
        return Err(Refused::Malformed);
    }
    all.iter().map(of).collect()
}

fn of(certificate: &Certificate) -> Result<Shown, Refused> {
    let der = certificate.to_der().map_err(|_| Refused::Malformed)?;
    let content = certificate.tbs_certificate();
    Ok(Shown {
        subject: content.subject().to_string(),
        serial: hex::encode(content.serial_number().as_bytes()),
        until: micros(content.validity().not_after),
        digest: sm3::digest(&der),
    })
}
