//! The keys of a ring as they are used: unwrapped where they seal or decrypt, by their holder's name
//! where they sign.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use zeroize::Zeroizing;

use super::file::{Content, Stamp, StoredKey};
use super::kms::{Kms, KmsError};
use super::{
    AttestKey, DecryptKey, KeyKind, KeyRingError, KeyState, MacKey, SealKey, Secret, SignKey,
};
use crate::sm2::VerifyingKey;
use crate::sm2::encryption::{DecryptError, DecryptingKey, EncryptingKey};

/// Uses of a key since the file was last written.
pub(super) type Uses = Arc<AtomicU64>;

/// A ring that is ready for use, as its file was at one time.
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) stamp: Option<Stamp>,
    audit: Signing,
    certificate: Signing,
    authority: Signing,
    session: Coding,
    pepper: Coding,
    code: Coding,
    blind: Coding,
    pseudonym: Coding,
    field: Sealing,
    record: Sealing,
    password: Decrypting,
    payload: Decrypting,
    uses: BTreeMap<u32, Uses>,
}

/// A signing key and all that came before it.
pub(super) struct Signing {
    pub(super) label: String,
    pub(super) pair: Vec<u8>,
    pub(super) uses: Uses,
    pub(super) active: VerifyingKey,
    /// The active key's public half first, then those of all before it.
    pub(super) public: Vec<VerifyingKey>,
}

/// A key that codes, and those that coded before it.
pub(super) struct Coding {
    pub(super) active: u32,
    pub(super) secret: Secret,
    pub(super) uses: Uses,
    /// Every key that is there, the active one among them, by number.
    pub(super) secrets: BTreeMap<u32, Secret>,
    /// The first of its name: what it coded may be kept without a number.
    pub(super) first: u32,
}

/// A key that seals or attests, and those whose work still opens or holds.
pub(super) struct Sealing {
    pub(super) active: u32,
    pub(super) secret: Secret,
    pub(super) uses: Uses,
    /// Every key that opens, the active one among them, by number.
    pub(super) opening: BTreeMap<u32, Secret>,
    /// The key that opens values without a number.
    pub(super) unnumbered: Option<u32>,
}

/// A key that decrypts, and those before it that still do.
pub(super) struct Decrypting {
    uses: Uses,
    /// The active key's public half.
    pub(super) active: EncryptingKey,
    /// The active key first.
    keys: Vec<DecryptingKey>,
}

impl Decrypting {
    pub(super) fn decrypt(&self, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let plain = self.keys.iter().find_map(|key| key.decrypt(der).ok());
        let plain = plain.ok_or(DecryptError)?;
        self.uses.fetch_add(1, Relaxed);
        Ok(plain)
    }
}

impl Opened {
    /// Unwraps the keys of `content`. Counts go on where `before` stopped.
    pub(super) fn new(
        content: Content,
        stamp: Option<Stamp>,
        kms: &dyn Kms,
        before: Option<&Self>,
    ) -> Result<Self, KeyRingError> {
        let uses: BTreeMap<u32, Uses> = content
            .keys
            .iter()
            .map(|key| {
                let kept = before.and_then(|before| before.uses.get(&key.number));
                (key.number, kept.cloned().unwrap_or_default())
            })
            .collect();
        let load = Load {
            content: &content,
            kms,
            uses: &uses,
        };
        Ok(Self {
            audit: load.signing(SignKey::Audit)?,
            certificate: load.signing(SignKey::Certificate)?,
            authority: load.signing(SignKey::Authority)?,
            session: load.coding(MacKey::Session)?,
            pepper: load.coding(MacKey::Pepper)?,
            code: load.coding(MacKey::Code)?,
            blind: load.coding(MacKey::Blind)?,
            pseudonym: load.coding(MacKey::Pseudonym)?,
            field: load.sealing(SealKey::Field.name())?,
            record: load.sealing(AttestKey::Record.name())?,
            password: load.decrypting(DecryptKey::Password)?,
            payload: load.decrypting(DecryptKey::Payload)?,
            stamp,
            uses,
            content,
        })
    }

    pub(super) fn signing(&self, key: SignKey) -> &Signing {
        match key {
            SignKey::Audit => &self.audit,
            SignKey::Certificate => &self.certificate,
            SignKey::Authority => &self.authority,
        }
    }

    pub(super) fn coding(&self, key: MacKey) -> &Coding {
        match key {
            MacKey::Session => &self.session,
            MacKey::Pepper => &self.pepper,
            MacKey::Code => &self.code,
            MacKey::Blind => &self.blind,
            MacKey::Pseudonym => &self.pseudonym,
        }
    }

    pub(super) fn sealing(&self, key: SealKey) -> &Sealing {
        match key {
            SealKey::Field => &self.field,
        }
    }

    pub(super) fn attesting(&self, key: AttestKey) -> &Sealing {
        match key {
            AttestKey::Record => &self.record,
        }
    }

    pub(super) fn decrypting(&self, key: DecryptKey) -> &Decrypting {
        match key {
            DecryptKey::Password => &self.password,
            DecryptKey::Payload => &self.payload,
        }
    }

    /// Uses of a key that its file does not know of yet.
    pub(super) fn unsaved(&self, number: u32) -> u64 {
        self.uses.get(&number).map_or(0, |uses| uses.load(Relaxed))
    }

    /// Moves the counts since the last save into `content`.
    pub(super) fn count(&self, content: &mut Content) {
        for key in &mut content.keys {
            if let Some(uses) = self.uses.get(&key.number) {
                key.uses = key.uses.saturating_add(uses.swap(0, Relaxed));
            }
        }
    }

    pub(super) fn has_uncounted(&self) -> bool {
        self.uses.values().any(|uses| uses.load(Relaxed) > 0)
    }
}

struct Load<'a> {
    content: &'a Content,
    kms: &'a dyn Kms,
    uses: &'a BTreeMap<u32, Uses>,
}

impl<'a> Load<'a> {
    fn named(&self, name: &'static str) -> impl Iterator<Item = &'a StoredKey> {
        self.content.keys.iter().filter(move |key| key.name == name)
    }

    fn active(&self, name: &'static str) -> Result<&'a StoredKey, KeyRingError> {
        self.named(name)
            .find(|key| key.state == KeyState::Active)
            .ok_or(KeyRingError::Missing { name })
    }

    fn uses(&self, key: &StoredKey) -> Uses {
        self.uses.get(&key.number).cloned().unwrap_or_default()
    }

    fn secret(&self, key: &StoredKey) -> Result<Secret, KeyRingError> {
        let damaged = || KeyRingError::Damaged {
            name: key.name.clone(),
        };
        let opened = self
            .kms
            .unwrap(&label(&self.content.ring, key), &material(key)?)
            .map_err(|error| match error {
                KmsError::Unwrap => damaged(),
                other => other.into(),
            })?;
        let bytes = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| damaged())?;
        Ok(Zeroizing::new(bytes))
    }

    fn signing(&self, key: SignKey) -> Result<Signing, KeyRingError> {
        let active = self.active(key.name())?;
        let older = self
            .named(key.name())
            .filter(|key| key.number != active.number)
            .map(public);
        let active_key = public(active)?;
        Ok(Signing {
            label: label(&self.content.ring, active),
            pair: material(active)?,
            uses: self.uses(active),
            public: std::iter::once(Ok(active_key.clone()))
                .chain(older)
                .collect::<Result<_, _>>()?,
            active: active_key,
        })
    }

    fn coding(&self, key: MacKey) -> Result<Coding, KeyRingError> {
        let active = self.active(key.name())?;
        let numbers = self.named(key.name()).map(|key| key.number);
        Ok(Coding {
            active: active.number,
            secret: self.secret(active)?,
            uses: self.uses(active),
            secrets: self.alive(key.name())?,
            first: numbers.min().unwrap_or(active.number),
        })
    }

    fn sealing(&self, name: &'static str) -> Result<Sealing, KeyRingError> {
        let active = self.active(name)?;
        let opening = self.alive(name)?;
        let unnumbered = self.named(name).find(|key| key.unnumbered);
        let unnumbered = unnumbered.map(|key| key.number);
        Ok(Sealing {
            active: active.number,
            secret: self.secret(active)?,
            uses: self.uses(active),
            unnumbered: unnumbered.filter(|number| opening.contains_key(number)),
            opening,
        })
    }

    fn decrypting(&self, key: DecryptKey) -> Result<Decrypting, KeyRingError> {
        let active = self.active(key.name())?;
        let mut keys = Vec::new();
        // The newest has the highest number.
        for secret in self.alive(key.name())?.values().rev() {
            let damaged = |_| KeyRingError::Damaged {
                name: key.name().to_owned(),
            };
            keys.push(DecryptingKey::from_scalar(secret).map_err(damaged)?);
        }
        let public = keys.first().map(DecryptingKey::encrypting_key);
        Ok(Decrypting {
            uses: self.uses(active),
            active: public.ok_or(KeyRingError::Missing { name: key.name() })?,
            keys,
        })
    }

    /// The keys of a name that are not destroyed, by number.
    fn alive(&self, name: &'static str) -> Result<BTreeMap<u32, Secret>, KeyRingError> {
        let alive = self
            .named(name)
            .filter(|key| key.state != KeyState::Destroyed);
        alive
            .map(|key| Ok((key.number, self.secret(key)?)))
            .collect()
    }
}

/// Binds a key's wrapping to its ring, name, kind and number.
pub(super) fn label(ring: &str, key: &StoredKey) -> String {
    let kind = key.kind.name();
    format!(
        "rongqiao.keyring.key.2\0{ring}\0{}\0{kind}\0{}",
        key.name, key.number
    )
}

fn public(key: &StoredKey) -> Result<VerifyingKey, KeyRingError> {
    let pem = key.public.as_deref().unwrap_or_default();
    VerifyingKey::from_pem(pem).map_err(|_| KeyRingError::Damaged {
        name: key.name.clone(),
    })
}

fn material(key: &StoredKey) -> Result<Vec<u8>, KeyRingError> {
    let text = key.material.as_deref().unwrap_or_default();
    hex::decode(text).map_err(|_| KeyRingError::Damaged {
        name: key.name.clone(),
    })
}

/// A new active key of this name; the one before, if any, stops sealing or signing.
pub(super) fn add(
    content: &mut Content,
    name: &str,
    kind: KeyKind,
    since: Option<i64>,
    kms: &dyn Kms,
) -> Result<u32, KeyRingError> {
    let mut key = StoredKey {
        number: content.next,
        name: name.to_owned(),
        kind,
        state: KeyState::Active,
        since,
        retired: None,
        destroyed: None,
        uses: 0,
        unnumbered: false,
        material: None,
        public: None,
    };
    let label = label(&content.ring, &key);
    let material = if kind == KeyKind::Sm2 {
        let pair = kms.new_pair(&label)?;
        key.public = Some(pair.public.to_pem().map_err(KmsError::Sm2)?);
        pair.stored
    } else {
        let mut secret = Zeroizing::new([0; 32]);
        kms.random(&mut *secret)?;
        if kind == KeyKind::Sm2Encryption {
            let public = DecryptingKey::from_scalar(&secret).map(|key| key.encrypting_key());
            let pem = public.and_then(|public| public.to_pem());
            key.public = Some(pem.map_err(KmsError::Sm2)?);
        }
        kms.wrap(&label, &*secret)?
    };
    key.material = Some(hex::encode(material));
    content.next = content.next.saturating_add(1);
    for before in &mut content.keys {
        if before.name == name && before.state == KeyState::Active {
            before.state = KeyState::DecryptOnly;
            before.retired = since;
        }
    }
    let number = key.number;
    content.keys.push(key);
    Ok(number)
}
