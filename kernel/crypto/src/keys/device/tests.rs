//! Against a double that keeps its keys in memory and can fail as a device does. A real device is
//! not at hand: only the protocol is tested here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ::sm2::SecretKey;
use ::sm2::dsa::Signature;
use ::sm2::dsa::signature::hazmat::PrehashSigner as _;

use super::*;
use crate::keys::{DecryptKey, KeyRing, KeyRingError, MacKey, SealKey, SignKey};
use crate::sm2::{DISTID, SigningKey};
use crate::{random, sm3, sm4};

/// A device's inside.
#[derive(Default)]
struct Inside {
    pairs: Mutex<BTreeMap<u32, SigningKey>>,
    /// What every call answers while it is not 0.
    broken: AtomicU32,
    /// The pair that signs, whatever index is asked for, while it is not 0.
    mixed_up: AtomicU32,
}

#[derive(Clone, Default)]
struct Double(Arc<Inside>);

const NO_KEY: Code = Code(0x0100_0008);

impl Double {
    fn works(&self) -> Result<(), Code> {
        match self.0.broken.load(Relaxed) {
            0 => Ok(()),
            code => Err(Code(code)),
        }
    }

    fn with<T>(&self, index: u32, use_it: impl FnOnce(&SigningKey) -> T) -> Result<T, Code> {
        let pairs = self.0.pairs.lock().unwrap();
        pairs.get(&index).map(use_it).ok_or(NO_KEY)
    }

    fn kek() -> sm4::Key {
        sm4::Key::from_bytes(b"a key in a test!")
    }
}

impl Device for Double {
    fn generate_random(&self, out: &mut [u8]) -> Result<(), Code> {
        self.works()?;
        random::fill(out).map_err(|_| Code(1))
    }

    fn auth_enc(&self, iv: &[u8; 12], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Code> {
        self.works()?;
        let sealed = sm4::seal_with_nonce(&Self::kek(), *iv, aad, plain).map_err(|_| Code(2))?;
        Ok(sealed[12..].to_vec())
    }

    fn auth_dec(&self, iv: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Code> {
        self.works()?;
        sm4::open(&Self::kek(), aad, &[iv, sealed].concat()).map_err(|_| Code(3))
    }

    fn hmac(&self, data: &[u8]) -> Result<[u8; 32], Code> {
        self.works()?;
        Ok(*sm3::hmac(b"another key in a test", data).as_bytes())
    }

    fn new_pair(&self) -> Result<u32, Code> {
        self.works()?;
        let mut pairs = self.0.pairs.lock().unwrap();
        let index = u32::try_from(pairs.len()).unwrap() + 1;
        pairs.insert(index, SigningKey::generate().unwrap());
        Ok(index)
    }

    fn export_sign_public_key(&self, index: u32) -> Result<[u8; 64], Code> {
        self.works()?;
        self.with(index, |key| {
            let secret = SecretKey::from_bytes((&*key.to_scalar()).into()).unwrap();
            secret.public_key().to_sec1_bytes()[1..].try_into().unwrap()
        })
    }

    fn internal_sign(&self, index: u32, digest: &[u8; 32]) -> Result<[u8; 64], Code> {
        self.works()?;
        let index = match self.0.mixed_up.load(Relaxed) {
            0 => index,
            other => other,
        };
        self.with(index, |key| {
            let secret = SecretKey::from_bytes((&*key.to_scalar()).into()).unwrap();
            let signer = ::sm2::dsa::SigningKey::new(DISTID, &secret).unwrap();
            let signature: Signature = signer.sign_prehash(digest).unwrap();
            signature.to_bytes().into()
        })
    }

    fn destroy_pair(&self, index: u32) -> Result<(), Code> {
        self.works()?;
        let mut pairs = self.0.pairs.lock().unwrap();
        pairs.remove(&index).map(drop).ok_or(NO_KEY)
    }
}

fn open(dir: &std::path::Path, name: &str, device: &Double) -> Result<KeyRing, KeyRingError> {
    KeyRing::open_with(dir, Box::new(DeviceKms::new(name, device.clone())))
}

#[test]
fn mm_4j_a_ring_over_a_device_signs_seals_and_reopens() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Double::default());
    let ring = open(dir.path(), "device-1", &device).unwrap();
    let signature = ring.sign(SignKey::Audit, b"m").unwrap();
    let sealed = ring.seal(SealKey::Field, b"row", b"plain").unwrap();
    let code = ring.mac(MacKey::Session, b"m");
    let password = ring.encrypting_key(DecryptKey::Password);
    let typed = password.encrypt(b"typed").unwrap();
    let again = open(dir.path(), "device-1", &device).unwrap();
    assert!(again.created().is_empty());
    assert!(again.verify(SignKey::Audit, b"m", &signature));
    assert!(!again.verify(SignKey::Certificate, b"m", &signature));
    assert_eq!(
        again.open(SealKey::Field, b"row", &sealed).unwrap(),
        b"plain"
    );
    assert_eq!(again.mac(MacKey::Session, b"m"), code);
    assert_eq!(
        *again.decrypt(DecryptKey::Password, &typed).unwrap(),
        b"typed"
    );

    // No private half is in the folder, wrapped or not: a signing key is an index there.
    let file = std::fs::read(dir.path().join("keys.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    for key in file["keys"].as_array().unwrap() {
        let expected = if key["kind"] == "sm2" {
            8
        } else {
            2 * (IV + 32 + TAG)
        };
        assert_eq!(key["material"].as_str().unwrap().len(), expected);
    }
}

#[test]
fn a_ring_opens_with_its_own_root_key_only() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Double::default());
    open(dir.path(), "device-1", &device).unwrap();
    let other = open(dir.path(), "device-2", &device).unwrap_err();
    assert!(matches!(other, KeyRingError::OtherRoot), "{other}");
    let embedded = KeyRing::open_or_create(dir.path(), None).unwrap_err();
    assert!(matches!(embedded, KeyRingError::OtherRoot), "{embedded}");

    let dir = tempfile::tempdir().unwrap();
    KeyRing::open_or_create(dir.path(), None).unwrap();
    let moved = open(dir.path(), "device-1", &device).unwrap_err();
    assert!(matches!(moved, KeyRingError::OtherRoot), "{moved}");
}

#[test]
fn a_failing_device_fails_the_call_with_its_code() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Double::default());
    let ring = open(dir.path(), "device-1", &device).unwrap();
    device.0.broken.store(0x0100_0001, Relaxed);
    let error = ring.sign(SignKey::Audit, b"m").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cryptographic device failed in ExportSignPublicKey with code 0x01000001"
    );
    assert!(open(dir.path(), "device-1", &device).is_err());
    device.0.broken.store(0, Relaxed);
    ring.sign(SignKey::Audit, b"m").unwrap();
}

#[test]
fn a_signature_that_does_not_verify_does_not_leave() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Double::default());
    let ring = open(dir.path(), "device-1", &device).unwrap();
    device.0.mixed_up.store(3, Relaxed);
    let error = ring.sign(SignKey::Audit, b"m").unwrap_err();
    assert!(matches!(error, KmsError::BadSignature), "{error}");
}

#[test]
fn a_wrapped_key_opens_under_its_label_only() {
    let kms = DeviceKms::new("device-1", Double::default());
    let wrapped = kms.wrap("field", b"secret").unwrap();
    assert_eq!(*kms.unwrap("field", &wrapped).unwrap(), b"secret");
    assert!(kms.unwrap("session", &wrapped).is_err());
    for length in 0..wrapped.len() {
        assert!(kms.unwrap("field", &wrapped[..length]).is_err(), "{length}");
    }
    assert!(kms.sign("audit", b"not an index", b"m").is_err());
    kms.destroy_pair("audit", &9u32.to_be_bytes()).unwrap_err();
    let pair = kms.new_pair("audit").unwrap();
    kms.destroy_pair("audit", &pair.stored).unwrap();
    assert!(kms.sign("audit", &pair.stored, b"m").is_err());
}
