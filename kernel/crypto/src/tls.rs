//! National suites of TLS 1.3 (RFC 8998) as a provider for `rustls`.
//!
//! | Part | Offered | Code point |
//! |---|---|---|
//! | suite | `TLS_SM4_GCM_SM3`, `TLS_SM4_CCM_SM3` | `00C6`, `00C7` |
//! | key exchange | `curveSM2`, ephemeral | 41 |
//! | signature | `sm2sig_sm3` | `0708` |
//!
//! The protocol is `rustls`'s; this module only lends it the algorithms of this crate. A handshake
//! is signed under the identity [`TLS_ID`] (RFC 8998 §3.2.1), a certificate under
//! [`crate::sm2::DISTID`] (GM/T 0009), so a signature of one kind never passes for the other.
//!
//! Deliberately absent: TLS 1.2, resumption secrets for other layers, and TLCP (GB/T 38636), which
//! belongs to a certified gateway in front of the platform.

mod exchange;
mod hash;
mod record;
mod signature;

use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};
use rustls::{
    CipherSuite, CipherSuiteCommon, NamedGroup, SignatureScheme, SupportedCipherSuite,
    Tls13CipherSuite,
};

/// Identity under which an SM2 handshake signature is made.
pub const TLS_ID: &str = "TLSv1.3+GM+Cipher+Suite";

/// `TLS_SM4_GCM_SM3`
pub const TLS_SM4_GCM_SM3: CipherSuite = CipherSuite::Unknown(0x00c6);
/// `TLS_SM4_CCM_SM3`
pub const TLS_SM4_CCM_SM3: CipherSuite = CipherSuite::Unknown(0x00c7);
/// `curveSM2`
pub const CURVE_SM2: NamedGroup = NamedGroup::Unknown(41);
/// `sm2sig_sm3`
pub const SM2SIG_SM3: SignatureScheme = SignatureScheme::Unknown(0x0708);

/// The national suites and nothing else: a connection made with it cannot fall back.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![GCM, CCM],
        kx_groups: vec![&exchange::CurveSm2],
        signature_verification_algorithms: signature::ALGORITHMS,
        secure_random: &Entropy,
        key_provider: &signature::Keys,
    }
}

/// A client that offers these can be served with [`provider`].
pub fn offered(suites: &[CipherSuite], groups: &[NamedGroup], schemes: &[SignatureScheme]) -> bool {
    (suites.contains(&TLS_SM4_GCM_SM3) || suites.contains(&TLS_SM4_CCM_SM3))
        && groups.contains(&CURVE_SM2)
        && schemes.contains(&SM2SIG_SM3)
}

/// Records one key may protect: RFC 9147 §4.5.3's bound for AES-GCM, whose block size SM4 shares.
const GCM_RECORDS: u64 = 1 << 24;
/// The same for CCM.
const CCM_RECORDS: u64 = 1 << 23;

static GCM: SupportedCipherSuite = SupportedCipherSuite::Tls13(&Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: TLS_SM4_GCM_SM3,
        hash_provider: &hash::Sm3,
        confidentiality_limit: GCM_RECORDS,
    },
    hkdf_provider: &HkdfUsingHmac(&hash::HmacSm3),
    aead_alg: &record::GCM,
    quic: None,
});

static CCM: SupportedCipherSuite = SupportedCipherSuite::Tls13(&Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: TLS_SM4_CCM_SM3,
        hash_provider: &hash::Sm3,
        confidentiality_limit: CCM_RECORDS,
    },
    hkdf_provider: &HkdfUsingHmac(&hash::HmacSm3),
    aead_alg: &record::CCM,
    quic: None,
});

#[derive(Debug)]
struct Entropy;

impl SecureRandom for Entropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), GetRandomFailed> {
        crate::random::fill(out).map_err(|_| GetRandomFailed)
    }
}
