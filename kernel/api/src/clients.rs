//! Which certificates clients may show at the door, as of now: those that the platform issued to nodes,
//! and those of authorities outside that none of their lists names. Whoever serves keeps it up to date
//! ([`Clients::trust`]), and an open connection is held against it anew when it changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use kernel_crypto::sm3::{self, Digest32};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// Whose certificates are taken.
#[derive(Default)]
pub struct Trusted {
    /// Of authorities outside, with their lists.
    pub outside: Option<Arc<dyn ClientCertVerifier>>,
    /// SM3 of certificates that the platform issued to nodes, and when each ends, in microseconds since
    /// the epoch.
    pub nodes: BTreeMap<[u8; 32], i64>,
}

/// See the [module](self). One for each side of the door, for each has its own cryptography.
pub struct Clients {
    provider: Arc<CryptoProvider>,
    mandatory: bool,
    trusted: RwLock<Arc<Trusted>>,
    /// How often it was exchanged.
    turn: AtomicU64,
}

/// A certificate that a client proved to hold.
pub struct Proved {
    chain: Vec<CertificateDer<'static>>,
    digest: Digest32,
    by: Arc<Clients>,
    /// The turn in which it was found good last.
    turn: AtomicU64,
}

impl Clients {
    /// Nobody is trusted yet. `mandatory`: who shows none is turned away.
    pub fn new(provider: Arc<CryptoProvider>, mandatory: bool) -> Self {
        Self {
            provider,
            mandatory,
            trusted: RwLock::default(),
            turn: AtomicU64::new(0),
        }
    }

    /// From now on these are taken, and no others.
    pub fn trust(&self, trusted: Trusted) {
        let mut held = self.trusted.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(trusted);
        self.turn.fetch_add(1, Ordering::Release);
    }

    fn trusted(&self) -> Arc<Trusted> {
        let held = self.trusted.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&held)
    }

    fn check(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let trusted = self.trusted();
        if let Some(until) = trusted.nodes.get(sm3::digest(shown).as_bytes()) {
            let until = u64::try_from(until / 1_000_000).unwrap_or_default();
            return if now.as_secs() < until {
                Ok(())
            } else {
                Err(CertificateError::Expired.into())
            };
        }
        match &trusted.outside {
            Some(outside) => outside.verify_client_cert(shown, between, now).map(drop),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

impl Proved {
    /// A chain that was checked in the handshake, the client's own first.
    pub(crate) fn new(chain: &[CertificateDer<'_>], by: Arc<Clients>) -> Option<Self> {
        let turn = AtomicU64::new(by.turn.load(Ordering::Acquire));
        let chain: Vec<_> = chain.iter().map(|c| c.clone().into_owned()).collect();
        let digest = sm3::digest(chain.first()?);
        Some(Self {
            chain,
            digest,
            by,
            turn,
        })
    }

    /// SM3 of the certificate in DER.
    pub fn digest(&self) -> Digest32 {
        self.digest
    }

    /// Whether it is still taken: looked at again when whose certificates are taken was looked at again.
    pub(crate) fn still_holds(&self) -> bool {
        let turn = self.by.turn.load(Ordering::Acquire);
        if self.turn.load(Ordering::Relaxed) == turn {
            return true;
        }
        let Some((own, between)) = self.chain.split_first() else {
            return false;
        };
        let holds = self.by.check(own, between, UnixTime::now()).is_ok();
        if holds {
            self.turn.store(turn, Ordering::Relaxed);
        }
        holds
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl fmt::Debug for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proved({})", self.digest)
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    /// None: whose certificates are taken changes while the door is open, and most clients have one only.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(shown, between, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mm_2a_an_open_connection_is_held_against_what_is_taken_now() {
        let provider = Arc::new(kernel_crypto::tls::provider());
        let clients = Arc::new(Clients::new(provider, false));
        let shown = CertificateDer::from(vec![1, 2, 3]);
        let digest = *sm3::digest(&shown).as_bytes();
        let far = i64::MAX;
        let trust = |until: Option<i64>| {
            clients.trust(Trusted {
                outside: None,
                nodes: until.map(|until| (digest, until)).into_iter().collect(),
            });
        };
        trust(Some(far));
        let proved = Proved::new(&[shown], Arc::clone(&clients)).unwrap();
        assert!(proved.still_holds());
        trust(Some(far));
        assert!(proved.still_holds(), "it was looked at again");
        for gone in [None, Some(0)] {
            trust(gone);
            assert!(!proved.still_holds() && !proved.still_holds(), "{gone:?}");
        }
        trust(Some(far));
        assert!(proved.still_holds());
        assert!(Proved::new(&[], clients).is_none());
    }
}
