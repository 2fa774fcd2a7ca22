//! Lists of certificates that an authority took back (RFC 5280 §5), and the newest of each place that they
//! are read at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use x509_cert::certificate::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _};
use x509_cert::ext::pkix::KeyUsage;
use x509_cert::name::Name;

use super::RefusedCertificate as Refused;
use super::verify::uses_sm2;
use crate::path::{is_signed_by, micros};

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

/// The newest list of each place, for whoever asks about certificates.
#[derive(Debug, Default)]
pub struct Lists(RwLock<BTreeMap<String, Arc<List>>>);

impl Lists {
    /// Keeps a list that was read at a place, unless the one known of there is newer, or somebody who is
    /// trusted signed that one and nobody this: whoever stands in between takes no list away.
    pub fn keep(&self, place: &str, list: List, is_signed: impl Fn(&List) -> bool) {
        let signed = is_signed(&list);
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let stays = |known: &Arc<List>| {
            let newer = known.issuer == list.issuer && known.from > list.from;
            newer || !signed && is_signed(known)
        };
        if !lists.get(place).is_some_and(stays) {
            lists.insert(place.to_owned(), Arc::new(list));
        }
    }

    /// Whether the list of a place is there and may be relied on.
    pub fn holds(&self, place: &str, now: i64) -> bool {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lists.get(place).is_some_and(|list| list.holds(now))
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<List>> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lists.values().cloned().collect()
    }
}

impl List {
    /// From DER or PEM, signed with SM2. A list of a part of what was taken back, of changes to another,
    /// or of several authorities says so in an extension that is critical, and is refused.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let (list, read) = Self::parse(bytes)?;
        uses_sm2(&[&list.signature_algorithm, &list.tbs_cert_list.signature])?;
        Ok(read)
    }

    /// The same of an authority that may sign otherwise, with ECDSA on P-256 or RSA.
    pub fn read_foreign(bytes: &[u8]) -> Result<Self, Refused> {
        let (list, read) = Self::parse(bytes)?;
        if list.signature_algorithm.oid == list.tbs_cert_list.signature.oid {
            Ok(read)
        } else {
            Err(Refused::Algorithm)
        }
    }

    fn parse(bytes: &[u8]) -> Result<(CertificateList, Self), Refused> {
        let list: CertificateList = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            CertificateList::from_pem(bytes.trim_ascii()).map_err(|_| Refused::Malformed)?
        } else {
            CertificateList::from_der(bytes).map_err(|_| Refused::Malformed)?
        };
        let content = &list.tbs_cert_list;
        let signed = content.to_der().map_err(|_| Refused::Malformed)?;
        let revoked = content.revoked_certificates.as_deref().unwrap_or_default();
        let of_entries = revoked
            .iter()
            .filter_map(|r| r.crl_entry_extensions.as_ref());
        let mut extensions = content.crl_extensions.iter().chain(of_entries).flatten();
        if extensions.any(|extension| extension.critical) {
            return Err(Refused::RevocationList);
        }
        let read = Self {
            issuer: content.issuer.clone(),
            signed,
            signature: list.signature.raw_bytes().to_vec(),
            from: micros(content.this_update),
            until: content.next_update.map(micros),
            serials: revoked
                .iter()
                .map(|entry| entry.serial_number.as_bytes().to_vec())
                .collect(),
        };
        Ok((list, read))
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
    pub(crate) fn is_of(&self, authority: &Certificate) -> bool {
        let content = authority.tbs_certificate();
        let may = match content.get_extension::<KeyUsage>() {
            Ok(None) => true,
            Ok(Some((_, usage))) => usage.crl_sign(),
            Err(_) => false,
        };
        may && self.issuer == *content.subject()
            && is_signed_by(authority, &self.signed, &self.signature)
    }
}

/// Whether the issuer has not taken a certificate back, by a list of its own that may be relied on at a
/// time.
pub(crate) fn not_listed(
    certificate: &Certificate,
    issuer: &Certificate,
    lists: &[Arc<List>],
    at: i64,
) -> Result<(), Refused> {
    let own: Vec<_> = lists.iter().filter(|list| list.is_of(issuer)).collect();
    // What was taken back once stays so, also by the word of a list that is old.
    if own.iter().any(|list| list.has(certificate)) {
        return Err(Refused::Revoked);
    }
    if own.iter().any(|list| list.holds(at)) {
        return Ok(());
    }
    Err(if own.is_empty() {
        Refused::NoList
    } else {
        Refused::OldList
    })
}
