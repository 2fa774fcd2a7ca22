//! Lists of certificates that an authority took back (RFC 5280 §5).

use std::collections::BTreeSet;

use x509_cert::certificate::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _};
use x509_cert::ext::pkix::KeyUsage;
use x509_cert::name::Name;

use super::RefusedCertificate as Refused;
use super::verify::{key, uses_sm2};
use crate::path::micros;

/// A list that was read. Whose it is shows with [`List::is_of`] only.
#[derive(Clone, Debug)]
pub struct List {
    issuer: Name,
    signed: Vec<u8>,
    signature: Vec<u8>,
    from: i64,
    until: Option<i64>,
    /// Big-endian, as certificates write them.
    serials: BTreeSet<Vec<u8>>,
}

impl List {
    /// From DER or PEM. A list of a part of what was taken back, of changes to another, or of several
    /// authorities says so in an extension that is critical, and is refused.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let list: CertificateList = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            CertificateList::from_pem(bytes.trim_ascii()).map_err(|_| Refused::Malformed)?
        } else {
            CertificateList::from_der(bytes).map_err(|_| Refused::Malformed)?
        };
        let content = list.tbs_cert_list;
        uses_sm2(&[&list.signature_algorithm, &content.signature])?;
        let signed = content.to_der().map_err(|_| Refused::Malformed)?;
        let revoked = content.revoked_certificates.unwrap_or_default();
        let of_entries = revoked
            .iter()
            .filter_map(|r| r.crl_entry_extensions.as_ref());
        let mut extensions = content.crl_extensions.iter().chain(of_entries).flatten();
        if extensions.any(|extension| extension.critical) {
            return Err(Refused::RevocationList);
        }
        Ok(Self {
            issuer: content.issuer,
            signed,
            signature: list.signature.raw_bytes().to_vec(),
            from: micros(content.this_update),
            until: content.next_update.map(micros),
            serials: revoked
                .iter()
                .map(|entry| entry.serial_number.as_bytes().to_vec())
                .collect(),
        })
    }

    /// The authority's name as RFC 4514 writes it, by the list's own word.
    pub fn issuer(&self) -> String {
        self.issuer.to_string()
    }

    /// When it was made, in microseconds since the epoch, UTC.
    pub const fn made_at(&self) -> i64 {
        self.from
    }

    /// Whether it may be relied on at a time; one that does not say until when never is.
    pub fn holds(&self, at: i64) -> bool {
        at >= self.from && self.until.is_some_and(|until| at <= until)
    }

    /// Whether it is on it.
    pub(super) fn has(&self, certificate: &Certificate) -> bool {
        let serial = certificate.tbs_certificate().serial_number();
        self.serials.contains(serial.as_bytes())
    }

    /// Whether the authority with this certificate signed it.
    pub(super) fn is_of(&self, authority: &Certificate) -> bool {
        let content = authority.tbs_certificate();
        let may = match content.get_extension::<KeyUsage>() {
            Ok(None) => true,
            Ok(Some((_, usage))) => usage.crl_sign(),
            Err(_) => false,
        };
        may && self.issuer == *content.subject()
            && key(authority).is_ok_and(|key| key.verify(&self.signed, &self.signature))
    }
}
