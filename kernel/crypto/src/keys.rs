//! The key ring: the platform's long-lived keys behind handles.
//!
//! A caller names a key ([`SignKey`], [`MacKey`], [`SealKey`], …) and gets a signature, a code or a
//! sealed value; private bytes never leave this crate. Which operation a key may be used for is
//! its type, so a pepper cannot sign.
//!
//! # Hierarchy
//!
//! The root key is held by a [`Kms`]: the [embedded](Embedded) provider, or a [device] for
//! production. Under it every other key is wrapped, bound to its ring, name, kind and number, in
//! `keys.json` of the ring's folder, which carries a code by the root key: a state or a count edited
//! in the file is found at the next opening.
//!
//! With the embedded provider the root key comes from a passphrase by Argon2id and HMAC-SM3.
//! **Without a passphrase it comes from a random file `kek` in the same folder: whoever copies the
//! folder has every key. The embedded provider is for development only**; production keeps the root
//! key in a certified device.
//!
//! # Life
//!
//! | state | seals, signs | opens | verifies | ends by |
//! |---|---|---|---|---|
//! | active | yes | yes | yes | rotation |
//! | decrypt-only | no | yes | yes | destruction |
//! | destroyed | no | no | yes (the public half stays) | – |
//!
//! Keys have numbers that are never used again. A sealed value begins with the number of its key
//! ([`sealed_with`]), a checkpoint names its key's fingerprint. So a rotation needs no pause: what
//! is new is made with the new key, what is old opens with the old one. A process that runs while
//! another rotates notices ([`KeyRing::refresh`]). Rotation and destruction take two people
//! ([`custody`]). Uses are counted ([`KeyRing::save_uses`]).
//!
//! Wiping is best effort: keys are wiped when they are dropped, but the arithmetic may leave copies
//! in registers and on the stack.

pub mod custody;
pub mod device;
mod embedded;
mod error;
mod file;
mod kek;
mod kms;
mod names;
mod open;
mod opened;
mod operations;
mod pseudonym;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::sm2::encryption::{DecryptError, EncryptingKey};
use crate::sm2::{Sm2Error, VerifyingKey};
use crate::sm3::{self, Digest32};
use crate::sm4::{self, OpenError, SealError};
use custody::{Approval, Custodian, CustodianKey, CustodyError, Operation, Request};
use file::{Content, Locked, Stamp};
use open::Ready;
use opened::{Opened, Signing};
use operations::{enroll, find_request, perform, possible};

pub use embedded::Embedded;
pub use error::KeyRingError;
pub use kms::{Kms, KmsError, Pair};
pub use names::{AttestKey, DecryptKey, KeyKind, KeyState, MacKey, SealKey, SignKey};
pub use pseudonym::{Pseudonyms, new_secret};

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    pub number: u32,
    pub name: String,
    pub kind: KeyKind,
    pub state: KeyState,
    /// When it was made, in microseconds since the epoch; unknown for a ring's first keys.
    pub since: Option<i64>,
    pub uses: u64,
    /// The public half of a key of SM2, PEM.
    pub public: Option<String>,
}

/// What an approved operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The number of the new key.
    Rotated {
        number: u32,
    },
    Destroyed {
        number: u32,
    },
    Enrolled,
    Dismissed,
}

/// The platform's keys, opened. See the [module](self).
pub struct KeyRing {
    dir: PathBuf,
    kms: Box<dyn Kms>,
    opened: RwLock<Arc<Opened>>,
    created: BTreeSet<&'static str>,
}

/// 32 secret bytes, wiped when dropped.
type Secret = Zeroizing<[u8; 32]>;

/// In front of a sealed value, before the number of its key.
pub const SEALED: [u8; 4] = *b"RQS2";

impl KeyRing {
    /// Opens the key ring in `dir`, creating the folder (0700), the files (0600) and whichever
    /// keys are missing; [`KeyRing::created`] names those. A ring of the first format is taken over.
    ///
    /// The passphrase must be the one the ring was created with; a ring created without one opens
    /// only without. Files that others than their owner may read are refused. Blocks for the time
    /// of one Argon2id derivation (64 MiB), and while another process opens the same ring.
    pub fn open_or_create(dir: &Path, passphrase: Option<&[u8]>) -> Result<Self, KeyRingError> {
        let folder = Locked::folder(dir)?;
        Self::ready(dir, open::embedded(&folder, passphrase, true)?)
    }

    /// As [`KeyRing::open_or_create`], but refuses a folder without a ring.
    pub fn open_existing(dir: &Path, passphrase: Option<&[u8]>) -> Result<Self, KeyRingError> {
        let path = file::file_in(dir);
        if !path.exists() {
            return Err(file::io_error("open", &path)(
                std::io::ErrorKind::NotFound.into(),
            ));
        }
        let folder = Locked::folder(dir)?;
        Self::ready(dir, open::embedded(&folder, passphrase, false)?)
    }

    /// Opens or creates a ring whose root key `kms` holds.
    pub fn open_with(dir: &Path, kms: Box<dyn Kms>) -> Result<Self, KeyRingError> {
        let folder = Locked::folder(dir)?;
        Self::ready(dir, open::device(&folder, kms)?)
    }

    fn ready(dir: &Path, ready: Ready) -> Result<Self, KeyRingError> {
        let opened = Opened::new(ready.content, Stamp::of(dir), &*ready.kms, None)?;
        Ok(Self {
            dir: dir.to_owned(),
            kms: ready.kms,
            opened: RwLock::new(Arc::new(opened)),
            created: ready.created,
        })
    }

    /// Names of the keys that this opening had to create: all at the first start; later only those
    /// that a newer release brings.
    pub fn created(&self) -> &BTreeSet<&'static str> {
        &self.created
    }

    fn opened(&self) -> Arc<Opened> {
        Arc::clone(&self.opened.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The SM2 signature of `message` in DER, by the active key.
    pub fn sign(&self, key: SignKey, message: &[u8]) -> Result<Vec<u8>, KmsError> {
        self.signer(key).sign(message)
    }

    /// The active key, to name it in what it signs: a rotation meanwhile does not part the two.
    pub fn signer(&self, key: SignKey) -> Signer<'_> {
        Signer {
            opened: self.opened(),
            key,
            kms: &*self.kms,
        }
    }

    /// Whether `signature` is this ring's signature of `message`, by the active key or one before
    /// it; see [`VerifyingKey::verify`].
    #[must_use]
    pub fn verify(&self, key: SignKey, message: &[u8], signature: &[u8]) -> bool {
        let opened = self.opened();
        let public = &opened.signing(key).public;
        public
            .iter()
            .any(|public| public.verify(message, signature))
    }

    /// The active key's public half, to verify elsewhere. Its fingerprint is the key's id in
    /// documents.
    pub fn verifying_key(&self, key: SignKey) -> VerifyingKey {
        self.opened().signing(key).active.clone()
    }

    /// The public halves of this key and of all that came before it, the active one first.
    pub fn verifying_keys(&self, key: SignKey) -> Vec<VerifyingKey> {
        self.opened().signing(key).public.clone()
    }

    /// The active key's public half as `SubjectPublicKeyInfo` PEM.
    pub fn public_pem(&self, key: SignKey) -> Result<String, Sm2Error> {
        self.opened().signing(key).active.to_pem()
    }

    /// HMAC-SM3 of `data`. Compare codes with `==` of [`Digest32`], which is constant in time. A
    /// key of several uses wants a distinct prefix in `data` for each.
    pub fn mac(&self, key: MacKey, data: &[u8]) -> Digest32 {
        self.numbered_mac(key, data).1
    }

    /// The same, with the key's number to keep beside the code: [`KeyRing::mac_by`] codes again by
    /// that key. None is the first key of that name, so that codes from before numbers were kept
    /// are its.
    pub fn numbered_mac(&self, key: MacKey, data: &[u8]) -> (Option<u32>, Digest32) {
        let opened = self.opened();
        let coding = opened.coding(key);
        coding.uses.fetch_add(1, Relaxed);
        let number = (coding.active != coding.first).then_some(coding.active);
        (number, sm3::hmac(&*coding.secret, data))
    }

    /// The code by the key of that number; none where it is destroyed or unknown.
    pub fn mac_by(&self, key: MacKey, number: Option<u32>, data: &[u8]) -> Option<Digest32> {
        // Coded by a process that already knows of a rotation.
        self.learn_of(key, number);
        let opened = self.opened();
        let coding = opened.coding(key);
        let number = number.unwrap_or(coding.first);
        if number == coding.active {
            coding.uses.fetch_add(1, Relaxed);
        }
        Some(sm3::hmac(&**coding.secrets.get(&number)?, data))
    }

    /// Whether codes with this number beside them are by the active key.
    pub fn codes_with(&self, key: MacKey, number: Option<u32>) -> bool {
        let opened = self.opened();
        let coding = opened.coding(key);
        number.unwrap_or(coding.first) == coding.active
    }

    /// The numbers of all keys of a name that are there, as [`KeyRing::mac_by`] takes them.
    pub fn coding_numbers(&self, key: MacKey) -> Vec<Option<u32>> {
        let opened = self.opened();
        let coding = opened.coding(key);
        let numbers = coding.secrets.keys();
        numbers
            .map(|number| (*number != coding.first).then_some(*number))
            .collect()
    }

    /// Learns of a key that another process knows already.
    pub fn learn_of(&self, key: MacKey, number: Option<u32>) {
        let known = |n: u32| self.opened().coding(key).secrets.contains_key(&n);
        if number.is_some_and(|n| !known(n)) {
            // Where it fails the ring is used as it was known, and what needs the key fails.
            let _ = self.refresh();
        }
    }

    /// The number of the first key of a name, which codes without a number are by.
    pub fn first(&self, key: MacKey) -> u32 {
        self.opened().coding(key).first
    }

    /// Seals `plain` with SM4-GCM under the active key, bound to `aad` (for a field: table, column,
    /// row). The result is `"RQS2" ‖ key number (4, big-endian) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`;
    /// the header is bound in as well.
    ///
    /// The SM4 key is derived from the master and `aad`, so that the 2³² values one GCM key may
    /// seal are counted per `aad` and not over the whole database.
    pub fn seal(&self, key: SealKey, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let opened = self.opened();
        let sealing = opened.sealing(key);
        sealing.uses.fetch_add(1, Relaxed);
        let header = mark(sealing.active);
        let derived = derive(&sealing.secret, b"rongqiao.seal.2\0", aad);
        let sealed = sm4::seal(&derived, &[&header, aad].concat(), plain)?;
        Ok([header.as_slice(), &sealed].concat())
    }

    /// Opens what [`KeyRing::seal`] made for the same `aad`, with whichever key it was.
    pub fn open(&self, key: SealKey, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        if let Some(number) = sealed_with(sealed) {
            let mut opened = self.opened();
            // Unknown: sealed by a process that already knows of a rotation.
            if !opened.sealing(key).opening.contains_key(&number) && self.refresh().is_ok() {
                opened = self.opened();
            }
            let secret = opened.sealing(key).opening.get(&number);
            if let (Some(secret), Some((header, body))) = (secret, sealed.split_at_checked(8)) {
                let derived = derive(secret, b"rongqiao.seal.2\0", aad);
                if let Ok(plain) = sm4::open(&derived, &[header, aad].concat(), body) {
                    return Ok(plain);
                }
            }
        }
        // A value from before the numbers may begin with any bytes, so it is tried last.
        let opened = self.opened();
        let sealing = opened.sealing(key);
        let unnumbered = sealing.unnumbered.ok_or(OpenError)?;
        let secret = sealing.opening.get(&unnumbered).ok_or(OpenError)?;
        sm4::open(&derive(secret, b"rongqiao.seal.1\0", aad), aad, sealed)
    }

    /// The public half that others encrypt with now.
    pub fn encrypting_key(&self, key: DecryptKey) -> EncryptingKey {
        self.opened().decrypting(key).active.clone()
    }

    /// Opens an `SM2Cipher` in DER that was encrypted for this key: the active one, or one before it
    /// that is not destroyed. A ciphertext does not say which, so each is tried.
    pub fn decrypt(&self, key: DecryptKey, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        self.opened().decrypting(key).decrypt(der).or_else(|error| {
            // Encrypted with the key of a process that already knows of a rotation?
            match self.refresh() {
                Ok(true) => self.opened().decrypting(key).decrypt(der),
                _ => Err(error),
            }
        })
    }

    /// A code of `data` that names its key: `key number (4, big-endian) ‖ HMAC-SM3 (32)`, by the
    /// active key. Each use of a key wants a distinct prefix in `data`.
    pub fn attest(&self, key: AttestKey, data: &[u8]) -> [u8; ATTESTED] {
        let opened = self.opened();
        let attesting = opened.attesting(key);
        attesting.uses.fetch_add(1, Relaxed);
        let mut code = [0; ATTESTED];
        let (number, digest) = code.split_at_mut(4);
        number.copy_from_slice(&attesting.active.to_be_bytes());
        digest.copy_from_slice(sm3::hmac(&*attesting.secret, data).as_bytes());
        code
    }

    /// Whether [`KeyRing::attest`] made `code` of the same data, with whichever key it was that is
    /// not destroyed.
    #[must_use]
    pub fn attests(&self, key: AttestKey, data: &[u8], code: &[u8]) -> bool {
        let Some(number) = attested_with(code) else {
            return false;
        };
        let mut opened = self.opened();
        // Unknown: attested by a process that already knows of a rotation.
        if !opened.attesting(key).opening.contains_key(&number) && self.refresh().is_ok() {
            opened = self.opened();
        }
        let secret = opened.attesting(key).opening.get(&number);
        let found = code.get(4..).and_then(|found| found.try_into().ok());
        match (secret, found) {
            (Some(secret), Some(found)) => {
                sm3::hmac(&**secret, data) == Digest32::from_bytes(found)
            }
            _ => false,
        }
    }

    /// The number of the key that attests now.
    pub fn attesting_with(&self, key: AttestKey) -> u32 {
        self.opened().attesting(key).active
    }

    /// Whether codes of another key than the active one still hold.
    pub fn attests_older(&self, key: AttestKey) -> bool {
        self.opened().attesting(key).opening.len() > 1
    }

    /// The number of the key that seals now.
    pub fn sealing_with(&self, key: SealKey) -> u32 {
        self.opened().sealing(key).active
    }

    /// The number of the key that opens values from before values had numbers, if it is there.
    pub fn opens_unnumbered(&self, key: SealKey) -> Option<u32> {
        self.opened().sealing(key).unnumbered
    }

    /// Whether another key than the active one still opens.
    pub fn opens_older(&self, key: SealKey) -> bool {
        self.opened().sealing(key).opening.len() > 1
    }

    /// Every key of the ring, in the order they were made.
    pub fn list(&self) -> Vec<KeyInfo> {
        let opened = self.opened();
        let info = |key: &file::StoredKey| KeyInfo {
            number: key.number,
            name: key.name.clone(),
            kind: key.kind,
            state: key.state,
            since: key.since,
            uses: key.uses.saturating_add(opened.unsaved(key.number)),
            public: key.public.clone(),
        };
        opened.content.keys.iter().map(info).collect()
    }

    pub fn custodians(&self) -> Vec<Custodian> {
        self.opened().content.custodians.clone()
    }

    /// Requests that wait for their approval.
    pub fn requests(&self, now: i64) -> Vec<Request> {
        let opened = self.opened();
        let waiting = opened.content.requests.iter();
        waiting
            .filter(|request| request.is_valid(now))
            .cloned()
            .collect()
    }

    /// Enrolls one of the first two custodians.
    pub fn found(&self, custodian: Custodian) -> Result<(), KeyRingError> {
        self.edit(|content, _| {
            if content.custodians.len() >= custody::LEAST {
                return Err(CustodyError::Founded.into());
            }
            enroll(content, custodian)
        })
    }

    /// The first person's half of an operation. `now` is in microseconds since the epoch.
    pub fn request(
        &self,
        operation: Operation,
        custodian: &CustodianKey,
        now: i64,
    ) -> Result<Request, KeyRingError> {
        self.edit(|content, _| {
            possible(content, &operation)?;
            let request = Request::new(
                &content.ring,
                &content.custodians,
                operation,
                custodian,
                now,
            )?;
            content.requests.retain(|request| request.is_valid(now));
            content.requests.push(request.clone());
            Ok(request)
        })
    }

    /// The second person's half. Nothing is changed yet: record [`Approval::evidence`] first, then
    /// [`KeyRing::execute`].
    pub fn approve(
        &self,
        id: &str,
        custodian: &CustodianKey,
        now: i64,
    ) -> Result<Approval, KeyRingError> {
        self.refresh()?;
        let opened = self.opened();
        let content = &opened.content;
        let request = find_request(content, id)?.clone();
        possible(content, &request.operation)?;
        Ok(request.approve(&content.ring, &content.custodians, custodian, now)?)
    }

    /// Does what two custodians signed, once.
    pub fn execute(&self, approval: Approval, now: i64) -> Result<Done, KeyRingError> {
        self.edit(|content, kms| {
            let id = &approval.request.id;
            if content.ring != approval.ring || find_request(content, id)? != &approval.request {
                return Err(CustodyError::NoRequest(id.clone()).into());
            }
            content.requests.retain(|request| request.id != *id);
            perform(content, kms, approval.request.operation, now)
        })
    }

    /// Keeps a fact for good where whoever changes the database does not reach.
    pub fn note(&self, fact: &str) -> Result<(), KeyRingError> {
        self.edit(|content, _| {
            content.notes.insert(fact.to_owned());
            Ok(())
        })
    }

    /// Whether [`KeyRing::note`] was told so, as far as this process knows.
    pub fn noted(&self, fact: &str) -> bool {
        self.opened().content.notes.contains(fact)
    }

    /// Learns what another process changed; whether there was anything.
    pub fn refresh(&self) -> Result<bool, KeyRingError> {
        let before = self.opened();
        let stamp = Stamp::of(&self.dir);
        if stamp == before.stamp {
            return Ok(false);
        }
        let path = file::file_in(&self.dir);
        let Some(bytes) = file::read(&path)? else {
            return Err(file::io_error("open", &path)(
                std::io::ErrorKind::NotFound.into(),
            ));
        };
        let (content, mac) = file::parse(&path, &bytes)?;
        file::check_mac(&path, &content, mac, &*self.kms)?;
        self.put(content, stamp, &before)?;
        Ok(true)
    }

    /// Adds the uses since the last save to the file. Call it now and then and at the end: a crash
    /// loses the count since.
    pub fn save_uses(&self) -> Result<(), KeyRingError> {
        if self.opened().has_uncounted() {
            self.edit(|_, _| Ok(()))?;
        }
        Ok(())
    }

    fn put(
        &self,
        content: Content,
        stamp: Option<Stamp>,
        before: &Opened,
    ) -> Result<(), KeyRingError> {
        let opened = Opened::new(content, stamp, &*self.kms, Some(before))?;
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened);
        Ok(())
    }

    /// Changes the file under its lock, starting from what it holds now.
    fn edit<T>(
        &self,
        change: impl FnOnce(&mut Content, &dyn Kms) -> Result<T, KeyRingError>,
    ) -> Result<T, KeyRingError> {
        let folder = Locked::folder(&self.dir)?;
        self.refresh()?;
        let before = self.opened();
        let mut content = before.content.clone();
        let out = change(&mut content, &*self.kms)?;
        before.count(&mut content);
        folder.save(&content, &*self.kms)?;
        self.put(content, Stamp::of(&self.dir), &before)?;
        Ok(out)
    }
}

/// A signing key as it stood when it was asked for.
pub struct Signer<'r> {
    opened: Arc<Opened>,
    key: SignKey,
    kms: &'r dyn Kms,
}

impl Signer<'_> {
    fn signing(&self) -> &Signing {
        self.opened.signing(self.key)
    }

    /// The public half.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.signing().active
    }

    /// The SM2 signature of `message` in DER.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KmsError> {
        let signing = self.signing();
        signing.uses.fetch_add(1, Relaxed);
        self.kms.sign(&signing.label, &signing.pair, message)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("root", &self.kms.name())
            .field("audit", &self.verifying_key(SignKey::Audit))
            .finish_non_exhaustive()
    }
}

/// Bytes of a code that [`KeyRing::attest`] makes.
pub const ATTESTED: usize = 36;

/// The number of the key that a code names.
pub fn attested_with(code: &[u8]) -> Option<u32> {
    code.first_chunk().map(|number| u32::from_be_bytes(*number))
}

/// The number of the key that sealed a value; none for one from before the numbers.
pub fn sealed_with(sealed: &[u8]) -> Option<u32> {
    let (number, _) = sealed.strip_prefix(&SEALED)?.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*number))
}

/// What a value begins with that this key has sealed.
pub fn mark(number: u32) -> [u8; 8] {
    let mut header = [0; 8];
    let (magic, key) = header.split_at_mut(4);
    magic.copy_from_slice(&SEALED);
    key.copy_from_slice(&number.to_be_bytes());
    header
}

fn derive(master: &Secret, tag: &[u8], aad: &[u8]) -> sm4::Key {
    sm4::Key::from_digest(sm3::hmac(&**master, &[tag, aad].concat()))
}
