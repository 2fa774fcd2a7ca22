//! The key ring: the platform's long-lived keys behind handles.
//!
//! A caller names a key ([`SignKey`], [`MacKey`], [`SealKey`]) and gets a signature, a code or a
//! sealed value; private bytes never leave this crate. Which operation a key may be used for is
//! its type, so a pepper cannot sign.
//!
//! This is the embedded provider. The keys lie in `keys.json` of a folder, each wrapped with
//! SM4-GCM under a key-encryption key (KEK). With a passphrase the KEK comes from it by Argon2id
//! and HMAC-SM3. **Without one the KEK comes from a random file `kek` in the same folder: whoever
//! copies the folder has every key. That is for development only**; production gives a passphrase
//! from its secret store, or keeps the keys in a certified device behind a provider of its own.
//!
//! Wiping is best effort: keys are wiped from the ring when it is dropped, but the arithmetic may
//! leave copies in registers and on the stack. Rotation and destruction are not offered yet.

mod file;
mod kek;

use std::collections::BTreeSet;
use std::path::Path;

use zeroize::Zeroizing;

use crate::random;
use crate::sm2::{SigningKey, Sm2Error, VerifyingKey};
use crate::sm3::{self, Digest32};
use crate::sm4::{self, OpenError, SealError};
use file::{KeyKind, Unlocked};

pub use file::KeyRingError;

/// Keys that sign with SM2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignKey {
    /// Checkpoints of the audit chain.
    Audit,
    /// Score certificates.
    Certificate,
}

/// Keys of HMAC-SM3 codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MacKey {
    /// Session and form tokens.
    Session,
    /// Passwords, see [`crate::password`].
    Pepper,
    /// Compiled components: what is loaded as native code must have been compiled here.
    Code,
}

/// Master keys that seal with SM4-GCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealKey {
    /// Encrypted fields of records.
    Field,
}

/// The platform's keys, opened. See the [module](self).
pub struct KeyRing {
    audit: Pair,
    certificate: Pair,
    session: Secret,
    pepper: Secret,
    code: Secret,
    field: Secret,
    created: BTreeSet<&'static str>,
}

/// 32 secret bytes, wiped when dropped.
type Secret = Zeroizing<[u8; 32]>;

/// An SM2 key with its public half at hand.
struct Pair {
    signing: SigningKey,
    verifying: VerifyingKey,
}

impl KeyRing {
    /// Opens the key ring in `dir`, creating the folder (0700), the files (0600) and whichever
    /// keys are missing; [`KeyRing::created`] names those.
    ///
    /// The passphrase must be the one the ring was created with; a ring created without one opens
    /// only without. Files that others than their owner may read are refused. Blocks for the time
    /// of one Argon2id derivation (64 MiB), and while another process opens the same ring.
    pub fn open_or_create(dir: &Path, passphrase: Option<&[u8]>) -> Result<Self, KeyRingError> {
        let mut unlocked = Unlocked::open_or_create(dir, passphrase)?;
        let ring = Self {
            audit: pair(&mut unlocked, "audit")?,
            certificate: pair(&mut unlocked, "certificate")?,
            session: secret(&mut unlocked, "session", KeyKind::HmacSm3)?,
            pepper: secret(&mut unlocked, "pepper", KeyKind::HmacSm3)?,
            code: secret(&mut unlocked, "code", KeyKind::HmacSm3)?,
            field: secret(&mut unlocked, "field", KeyKind::Sm4Master)?,
            created: unlocked.created().clone(),
        };
        // The keys are handed out only once they are safely on disk.
        unlocked.save()?;
        Ok(ring)
    }

    /// Names of the keys that this opening had to create: all at the first start, none later.
    /// A name here on an old installation means that its key was lost: record it.
    pub fn created(&self) -> &BTreeSet<&'static str> {
        &self.created
    }

    /// The SM2 signature of `message` in DER.
    pub fn sign(&self, key: SignKey, message: &[u8]) -> Result<Vec<u8>, Sm2Error> {
        self.pair(key).signing.sign(message)
    }

    /// Whether `signature` is this ring's signature of `message`; see [`VerifyingKey::verify`].
    #[must_use]
    pub fn verify(&self, key: SignKey, message: &[u8], signature: &[u8]) -> bool {
        self.pair(key).verifying.verify(message, signature)
    }

    /// The public half, to verify elsewhere. Its fingerprint is the key's id in documents.
    pub fn verifying_key(&self, key: SignKey) -> &VerifyingKey {
        &self.pair(key).verifying
    }

    /// The public half as `SubjectPublicKeyInfo` PEM.
    pub fn public_pem(&self, key: SignKey) -> Result<String, Sm2Error> {
        self.verifying_key(key).to_pem()
    }

    /// HMAC-SM3 of `data`. Compare codes with `==` of [`Digest32`], which is constant in time. A
    /// key of several uses wants a distinct prefix in `data` for each.
    pub fn mac(&self, key: MacKey, data: &[u8]) -> Digest32 {
        let key = match key {
            MacKey::Session => &self.session,
            MacKey::Pepper => &self.pepper,
            MacKey::Code => &self.code,
        };
        sm3::hmac(&**key, data)
    }

    /// Seals `plain` with SM4-GCM, bound to `aad` (for a field: table, column, row). The result is
    /// `nonce (12) ‖ ciphertext ‖ tag (16)`.
    ///
    /// The SM4 key is derived from the master and `aad`, so that the 2³² values one GCM key may
    /// seal are counted per `aad` and not over the whole database.
    pub fn seal(&self, key: SealKey, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        sm4::seal(&self.sealing_key(key, aad), aad, plain)
    }

    /// Opens what [`KeyRing::seal`] made for the same `aad`.
    pub fn open(&self, key: SealKey, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        sm4::open(&self.sealing_key(key, aad), aad, sealed)
    }

    fn pair(&self, key: SignKey) -> &Pair {
        match key {
            SignKey::Audit => &self.audit,
            SignKey::Certificate => &self.certificate,
        }
    }

    fn sealing_key(&self, key: SealKey, aad: &[u8]) -> sm4::Key {
        let master = match key {
            SealKey::Field => &self.field,
        };
        let derived = sm3::hmac(&**master, &[b"rongqiao.seal.1\0", aad].concat());
        sm4::Key::from_digest(derived)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("audit", &self.audit.verifying)
            .field("certificate", &self.certificate.verifying)
            .finish_non_exhaustive()
    }
}

fn secret(
    unlocked: &mut Unlocked,
    name: &'static str,
    kind: KeyKind,
) -> Result<Secret, KeyRingError> {
    unlocked.key(name, kind, || Ok(random::array()?))
}

fn pair(unlocked: &mut Unlocked, name: &'static str) -> Result<Pair, KeyRingError> {
    let scalar = unlocked.key(name, KeyKind::Sm2, || {
        let key = SigningKey::generate().map_err(|source| KeyRingError::Key { name, source })?;
        Ok(key.to_scalar())
    })?;
    let read = || {
        let signing = SigningKey::from_scalar(&scalar)?;
        let verifying = signing.verifying_key()?;
        Ok(Pair { signing, verifying })
    };
    read().map_err(|source| KeyRingError::Key { name, source })
}
