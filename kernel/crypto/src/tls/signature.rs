//! SM2 signatures of handshakes and certificates.

use std::sync::Arc;

use ::sm2::SecretKey;
use ::sm2::dsa::signature::{RandomizedSigner as _, Verifier as _};
use ::sm2::dsa::{self, Signature};
use ::sm2::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rustls::crypto::{KeyProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm,
    SubjectPublicKeyInfoDer,
};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::{SM2SIG_SM3, TLS_ID};
use crate::random;
use crate::sm2::DISTID;

/// TLS's registry of signature algorithms (RFC 8998 §3.2.1 uses `sm2` = 8).
const SM2: SignatureAlgorithm = SignatureAlgorithm::Unknown(8);

/// Reads private keys of this curve and no other.
#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let refused = || Error::General("not an SM2 private key in PKCS#8".into());
        let PrivateKeyDer::Pkcs8(der) = &der else {
            return Err(refused());
        };
        let secret = SecretKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|_| refused())?;
        let signer = dsa::SigningKey::new(TLS_ID, &secret).map_err(|_| refused())?;
        Ok(Arc::new(Key(signer)))
    }
}

#[derive(Debug, Clone)]
struct Key(dsa::SigningKey);

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let chosen = offered.contains(&SM2SIG_SM3);
        chosen.then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }
    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        let der = self.0.verifying_key().to_public_key_der().ok()?;
        Some(SubjectPublicKeyInfoDer::from(der.into_vec()))
    }
    fn algorithm(&self) -> SignatureAlgorithm {
        SM2
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: Signature = self
            .0
            .try_sign_with_rng(&mut random::generator(), message)
            .map_err(|_| Error::General("the SM2 signature could not be computed".into()))?;
        Ok(signature.to_der().to_vec())
    }
    fn scheme(&self) -> SignatureScheme {
        SM2SIG_SM3
    }
}

/// Verifies under one identity.
#[derive(Debug)]
struct Under(&'static str);

/// Certificates are signed under the default identity, handshakes under TLS's own.
pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&Under(DISTID)],
    mapping: &[(SM2SIG_SM3, &[&Under(TLS_ID)])],
};

/// id-ecPublicKey (1.2.840.10045.2.1), the curve SM2 (1.2.156.10197.1.301)
const PUBLIC_KEY: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55,
    0x01, 0x82, 0x2d,
]);
/// SM2-with-SM3 (1.2.156.10197.1.501)
const SM2_WITH_SM3: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75]);

impl SignatureVerificationAlgorithm for Under {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        PUBLIC_KEY
    }
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        SM2_WITH_SM3
    }
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key =
            dsa::VerifyingKey::from_sec1_bytes(self.0, public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature)
            .map_err(|_| InvalidSignature)
    }
}
