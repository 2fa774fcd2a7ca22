//! The path from a certificate up to one that is trusted (RFC 5280 §6): names, signatures, times, and
//! whether each may issue what is below it.
//!
//! What a certificate is for, with which algorithms, and whether it was taken back, is the caller's to
//! ask. Names are compared as they are written. An extension that is critical and not understood makes a
//! certificate unusable, policies and constraints of names among them.

use x509_cert::certificate::Certificate;
use x509_cert::der::Encode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::time::Time;

use crate::foreign::{ForeignKey, Form};
use crate::sm2::VerifyingKey;

/// Certificates between one and a trusted one, at most.
pub(crate) const MOST_BETWEEN: usize = 4;
/// Usages of keys, basic constraints, extended usages of keys.
const UNDERSTOOD: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// Why there is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nobody who is trusted issued it, nor anybody between.
    Untrusted,
    /// One of them does not hold at this time.
    Time,
    /// An issuer may not issue it, or one of them asks for what is not understood.
    Unusable,
}

/// The issuers of a certificate at a time, the nearest first and the trusted one last.
pub(crate) fn up<'c>(
    leaf: &'c Certificate,
    between: &[&'c Certificate],
    trusted: &'c [Certificate],
    at: i64,
) -> Result<Vec<&'c Certificate>, Broken> {
    let mut below = leaf;
    holds(below, at)?;
    let mut issuers = Vec::new();
    for depth in 0..=MOST_BETWEEN {
        let signs = |issuer: &&Certificate| {
            let content = below.tbs_certificate();
            let body = content.to_der().unwrap_or_default();
            issuer.tbs_certificate().subject() == content.issuer()
                && is_signed_by(issuer, &body, below.signature().raw_bytes())
        };
        let root = trusted.iter().find(signs);
        let next = root.or_else(|| between.iter().copied().find(signs));
        let next = next.ok_or(Broken::Untrusted)?;
        may_issue(next, depth)?;
        holds(next, at)?;
        issuers.push(next);
        if root.is_some() {
            return Ok(issuers);
        }
        below = next;
    }
    Err(Broken::Untrusted)
}

/// Whether a certificate may issue others, with so many between it and the first.
fn may_issue(issuer: &Certificate, between: usize) -> Result<(), Broken> {
    let content = issuer.tbs_certificate();
    let basic = content.get_extension::<BasicConstraints>();
    let usage = content.get_extension::<KeyUsage>();
    let signs = match usage {
        Ok(None) => true,
        Ok(Some((_, usage))) => usage.key_cert_sign(),
        Err(_) => false,
    };
    match basic {
        Ok(Some((_, basic)))
            if signs
                && basic.ca
                && basic
                    .path_len_constraint
                    .is_none_or(|most| between <= usize::from(most)) =>
        {
            Ok(())
        }
        _ => Err(Broken::Unusable),
    }
}

/// Whether a certificate holds at a time, and asks for nothing that is not understood.
fn holds(certificate: &Certificate, at: i64) -> Result<(), Broken> {
    let content = certificate.tbs_certificate();
    let validity = content.validity();
    if at < micros(validity.not_before) || at > micros(validity.not_after) {
        return Err(Broken::Time);
    }
    let extensions = content.extensions().map_or(&[][..], |all| all.as_slice());
    let mut critical = extensions.iter().filter(|e| e.critical);
    if critical.all(|e| UNDERSTOOD.contains(&e.extn_id)) {
        Ok(())
    } else {
        Err(Broken::Unusable)
    }
}

/// Whether a certificate's key signed a message, with whatever algorithm that we know.
pub(crate) fn is_signed_by(certificate: &Certificate, message: &[u8], signature: &[u8]) -> bool {
    let info = certificate.tbs_certificate().subject_public_key_info();
    let Ok(info) = info.to_der() else {
        return false;
    };
    match VerifyingKey::from_der(&info) {
        Ok(key) => key.verify(message, signature),
        Err(_) => ForeignKey::from_spki(&info)
            .is_some_and(|key| key.verify(message, signature, Form::Der)),
    }
}

/// Microseconds since the epoch, UTC.
pub(crate) fn micros(time: Time) -> i64 {
    let seconds = time.to_unix_duration().as_secs();
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000)
}
