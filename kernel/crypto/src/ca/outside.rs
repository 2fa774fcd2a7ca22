//! People's certificates that authorities outside the platform issued: whom they name, and whether they
//! may be believed. SM2 with SM3 all the way up; OpenSSL makes and checks the same ones.

use std::sync::Arc;

use x509_cert::certificate::Certificate;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Encode as _, EncodePem as _};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use super::list::not_listed;
use super::verify::{key, uses_sm2};
use super::{CLIENT, Holder, List, RefusedCertificate as Refused};
use crate::path::{self, Broken, MOST_BETWEEN};
use crate::sm2::VerifyingKey;
use crate::sm3::{self, Digest32};

/// Most certificates in one text: a person's, those between, and the root that many put beside them.
const MOST: usize = MOST_BETWEEN + 2;

/// Authorities that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities {
    trusted: Vec<Certificate>,
    between: Vec<Certificate>,
}

/// A person's certificate, with those between it and a trusted one as far as they were brought.
#[derive(Clone, Debug)]
pub struct Brought {
    leaf: Certificate,
    between: Vec<Certificate>,
}

/// A certificate that was believed.
#[derive(Clone, Debug)]
pub struct Believed {
    pub holder: Holder,
    /// PEM of its issuers, the nearest first and the trusted one last.
    pub issuers: Vec<String>,
}

impl Authorities {
    /// Trusts certificates in PEM, one or several.
    pub fn trust(&mut self, pem: &str) -> Result<(), Refused> {
        self.trusted.extend(read(pem)?);
        Ok(())
    }

    /// Knows certificates that are between trusted ones and people's.
    pub fn know(&mut self, pem: &str) -> Result<(), Refused> {
        self.between.extend(read(pem)?);
        Ok(())
    }

    /// Whether one of them signed a list.
    pub fn signed(&self, list: &List) -> bool {
        let mut all = self.trusted.iter().chain(&self.between);
        all.any(|authority| list.is_of(authority))
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }
}

impl Brought {
    /// From PEM, the person's first.
    pub fn from_pem(pem: &str) -> Result<Self, Refused> {
        if pem.matches("-----BEGIN").count() > MOST {
            return Err(Refused::TooMany);
        }
        let mut all = read(pem)?.into_iter();
        Ok(Self {
            leaf: all.next().ok_or(Refused::Malformed)?,
            between: all.collect(),
        })
    }

    /// The person's key.
    pub fn key(&self) -> Result<VerifyingKey, Refused> {
        key(&self.leaf)
    }

    /// Who issued it, by its own word, as RFC 4514 writes it.
    pub fn issuer(&self) -> String {
        self.leaf.tbs_certificate().issuer().to_string()
    }

    /// Big-endian.
    pub fn serial(&self) -> &[u8] {
        self.leaf.tbs_certificate().serial_number().as_bytes()
    }

    /// When it ends, in microseconds since the epoch, UTC.
    pub fn until(&self) -> i64 {
        path::micros(self.leaf.tbs_certificate().validity().not_after)
    }

    /// SM3 of the person's certificate in DER.
    pub fn digest(&self) -> Result<Digest32, Refused> {
        let der = self.leaf.to_der().map_err(|_| Refused::Malformed)?;
        Ok(sm3::digest(&der))
    }

    /// All of it, one after another, in PEM.
    pub fn to_pem(&self) -> Result<String, Refused> {
        let all = std::iter::once(&self.leaf).chain(&self.between);
        all.map(pem).collect()
    }

    /// The person's certificate alone.
    pub fn leaf_pem(&self) -> Result<String, Refused> {
        pem(&self.leaf)
    }
}

/// Checks that a person's certificate is under a trusted one at time `at` (microseconds since the epoch,
/// UTC) and is for signing in and signing, and that neither it nor one between is on the list of its
/// issuer, of which one must be there that holds.
///
/// Give no lists only for what was checked with them at that time.
pub fn verify(
    brought: &Brought,
    authorities: &Authorities,
    lists: Option<&[Arc<List>]>,
    at: i64,
) -> Result<Believed, Refused> {
    let leaf = &brought.leaf;
    let holder = Holder {
        subject: leaf.tbs_certificate().subject().to_string(),
        serial: brought.serial().to_vec(),
        key: brought.key()?,
    };
    let between: Vec<&Certificate> = brought.between.iter().chain(&authorities.between).collect();
    let mut algorithms = vec![
        leaf.signature_algorithm(),
        leaf.tbs_certificate().signature(),
    ];
    uses_sm2(&algorithms)?;
    let issuers = path::up(leaf, &between, &authorities.trusted, at);
    let issuers = issuers.map_err(|broken| match broken {
        Broken::Untrusted => Refused::Untrusted,
        Broken::Time => Refused::Time,
        Broken::Unusable => Refused::NotAnAuthority,
    })?;
    for issuer in &issuers {
        key(issuer)?;
    }
    // How the trusted one itself was signed is nobody's concern.
    let (_, signed) = issuers.split_last().ok_or(Refused::Untrusted)?;
    algorithms = signed
        .iter()
        .flat_map(|c| [c.signature_algorithm(), c.tbs_certificate().signature()])
        .collect();
    uses_sm2(&algorithms)?;
    is_for_people(leaf)?;
    if let Some(lists) = lists {
        for (certificate, issuer) in std::iter::once(&leaf).chain(&issuers).zip(&issuers) {
            not_listed(certificate, issuer, lists, at)?;
        }
    }
    Ok(Believed {
        holder,
        issuers: issuers.into_iter().map(pem).collect::<Result<_, _>>()?,
    })
}

/// An end certificate whose key signs; of a person's pair it is not the one for encryption.
fn is_for_people(leaf: &Certificate) -> Result<(), Refused> {
    let content = leaf.tbs_certificate();
    let basic = match content.get_extension::<BasicConstraints>() {
        Ok(None) => true,
        Ok(Some((_, basic))) => !basic.ca,
        Err(_) => false,
    };
    let signs = match content.get_extension::<KeyUsage>() {
        Ok(Some((_, usage))) => usage.digital_signature(),
        _ => false,
    };
    let client = match content.get_extension::<ExtendedKeyUsage>() {
        Ok(None) => true,
        Ok(Some((_, usages))) => usages.0.contains(&CLIENT),
        Err(_) => false,
    };
    if basic && signs && client {
        Ok(())
    } else {
        Err(Refused::Purpose)
    }
}

fn read(pem: &str) -> Result<Vec<Certificate>, Refused> {
    match Certificate::load_pem_chain(pem.trim().as_bytes()) {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(Refused::Malformed),
    }
}

fn pem(certificate: &Certificate) -> Result<String, Refused> {
    certificate
        .to_pem(LineEnding::LF)
        .map_err(|_| Refused::Malformed)
}
