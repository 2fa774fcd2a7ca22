//! Opening a ring: its root key, its file, and what a file of the first format becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::file::{self, Content, FORMAT, Locked, StoredKey};
use super::kek::{Root, Source};
use super::kms::Kms;
use super::names::NAMES;
use super::opened::{self, label};
use super::{Embedded, KeyKind, KeyRingError, KeyState, Secret};
use crate::random;
use crate::sm2::SigningKey;
use crate::sm4;

/// Wrapped under the root key to tell a wrong passphrase from a damaged key.
const CHECK: &[u8] = b"rongqiao.keyring.check.1";
const CHECK_LABEL: &str = "rongqiao.keyring.check.2";
const FIRST_FORMAT: &str = "rongqiao-keyring-1";

/// A ring's content and the holder of its root key.
pub(super) struct Ready {
    pub(super) content: Content,
    pub(super) kms: Box<dyn Kms>,
    /// Names of the keys that were made just now.
    pub(super) created: BTreeSet<&'static str>,
}

/// Opens or makes the ring of the embedded provider.
pub(super) fn embedded(
    folder: &Locked,
    passphrase: Option<&[u8]>,
    make: bool,
) -> Result<Ready, KeyRingError> {
    if passphrase.is_some_and(<[u8]>::is_empty) {
        return Err(KeyRingError::PassphraseEmpty);
    }
    let path = folder.path();
    let Some(bytes) = folder.bytes()? else {
        if !make {
            return Err(file::io_error("open", path)(io::ErrorKind::NotFound.into()));
        }
        let (source, root) = fresh_root(path, passphrase)?;
        return fresh(folder, source, Box::new(Embedded::new(root)));
    };
    if file::format(path, &bytes)?.0 == FIRST_FORMAT {
        return upgrade(folder, &bytes, passphrase);
    }
    let (content, mac) = file::parse(path, &bytes)?;
    let (root, wrong) = root(path, &content.root, passphrase)?;
    let kms = Embedded::new(root);
    if kms.unwrap(CHECK_LABEL, &content.check).is_err() {
        return Err(wrong);
    }
    file::check_mac(path, &content, mac, &kms)?;
    complete(folder, content, Box::new(kms))
}

/// Opens or makes the ring whose root key is in a device.
pub(super) fn device(folder: &Locked, kms: Box<dyn Kms>) -> Result<Ready, KeyRingError> {
    let path = folder.path();
    let source = Source::Device {
        name: kms.name().to_owned(),
    };
    let Some(bytes) = folder.bytes()? else {
        return fresh(folder, source, kms);
    };
    let (content, mac) = file::parse(path, &bytes)?;
    if content.root != source {
        return Err(KeyRingError::OtherRoot);
    }
    file::check_mac(path, &content, mac, &*kms)?;
    complete(folder, content, kms)
}

fn fresh(folder: &Locked, root: Source, kms: Box<dyn Kms>) -> Result<Ready, KeyRingError> {
    let content = Content {
        format: FORMAT.to_owned(),
        ring: random::token_hex(8)?,
        root,
        check: kms.wrap(CHECK_LABEL, CHECK)?,
        next: 1,
        keys: Vec::new(),
        custodians: Vec::new(),
        requests: Vec::new(),
        notes: BTreeSet::new(),
    };
    complete(folder, content, kms)
}

/// Makes the keys that this release knows and the ring has not, and saves them before anyone uses
/// them.
fn complete(
    folder: &Locked,
    mut content: Content,
    kms: Box<dyn Kms>,
) -> Result<Ready, KeyRingError> {
    let mut created = BTreeSet::new();
    for (name, kind) in NAMES {
        if content.keys.iter().all(|key| key.name != name) {
            opened::add(&mut content, name, kind, None, &*kms)?;
            created.insert(name);
        }
    }
    if !created.is_empty() {
        folder.save(&content, &*kms)?;
    }
    Ok(Ready {
        content,
        kms,
        created,
    })
}

/// The root key of a new ring. Only the key file, if any, is written here.
fn fresh_root(path: &Path, passphrase: Option<&[u8]>) -> Result<(Source, Root), KeyRingError> {
    let (source, root) = match passphrase {
        Some(passphrase) => {
            let source = Source::passphrase(*random::array()?);
            let root = source.derive(passphrase)?;
            (source, root)
        }
        None => (
            Source::KeyFile,
            Source::KeyFile.derive(&*file::read_or_write_key_file(path)?)?,
        ),
    };
    Ok((source, root))
}

/// The root key of a ring that exists, and what to say when it does not fit.
fn root(
    path: &Path,
    source: &Source,
    passphrase: Option<&[u8]>,
) -> Result<(Root, KeyRingError), KeyRingError> {
    match (source, passphrase) {
        (Source::Device { .. }, _) => Err(KeyRingError::OtherRoot),
        (Source::Argon2id { .. }, None) => Err(KeyRingError::PassphraseNeeded),
        (Source::KeyFile, Some(_)) => Err(KeyRingError::PassphraseUnexpected),
        (Source::Argon2id { .. }, Some(passphrase)) => {
            Ok((source.derive(passphrase)?, KeyRingError::PassphraseWrong))
        }
        (Source::KeyFile, None) => {
            let secret = file::read_key_file(path)?.ok_or_else(|| {
                file::io_error("read", &file::key_file(path))(io::ErrorKind::NotFound.into())
            })?;
            Ok((source.derive(&*secret)?, KeyRingError::KeyFileWrong))
        }
    }
}

/// The first format: one key a name, no numbers, no code over the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    #[serde(rename = "format")]
    _format: String,
    kek: Source,
    #[serde(with = "hex::serde")]
    check: Vec<u8>,
    keys: BTreeMap<String, FirstKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstKey {
    kind: KeyKind,
    #[serde(with = "hex::serde")]
    wrapped: Vec<u8>,
}

/// Takes the keys of a ring of the first format over. Each keeps its bytes, so that whatever it
/// sealed, signed or coded still opens and verifies.
fn upgrade(
    folder: &Locked,
    bytes: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<Ready, KeyRingError> {
    let path = folder.path();
    let first: First = serde_json::from_slice(bytes).map_err(file::malformed(path))?;
    let (root, wrong) = root(path, &first.kek, passphrase)?;
    if sm4::open(&root.kek, CHECK, &first.check).is_err() {
        return Err(wrong);
    }
    let mut opened: Vec<(String, KeyKind, Secret)> = Vec::new();
    for (name, key) in first.keys {
        let aad = format!("rongqiao.keyring.key.1\0{name}\0{}", key.kind.name());
        let damaged = || KeyRingError::Damaged { name: name.clone() };
        let secret = sm4::open(&root.kek, aad.as_bytes(), &key.wrapped)
            .map(zeroize::Zeroizing::new)
            .map_err(|_| damaged())?;
        let secret = <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| damaged())?;
        opened.push((name, key.kind, zeroize::Zeroizing::new(secret)));
    }
    let kms = Embedded::new(root);
    let mut content = Content {
        format: FORMAT.to_owned(),
        ring: random::token_hex(8)?,
        root: first.kek,
        check: kms.wrap(CHECK_LABEL, CHECK)?,
        next: 1,
        keys: Vec::new(),
        custodians: Vec::new(),
        requests: Vec::new(),
        notes: BTreeSet::new(),
    };
    for (name, kind, secret) in opened {
        take_over(&mut content, name, kind, &secret, &kms)?;
    }
    folder.save(&content, &kms)?;
    complete(folder, content, Box::new(kms))
}

fn take_over(
    content: &mut Content,
    name: String,
    kind: KeyKind,
    secret: &Secret,
    kms: &Embedded,
) -> Result<(), KeyRingError> {
    let public = match kind {
        KeyKind::Sm2 => {
            let public = SigningKey::from_scalar(secret).and_then(|key| key.verifying_key());
            let pem = public.and_then(|public| public.to_pem());
            Some(pem.map_err(|_| KeyRingError::Damaged { name: name.clone() })?)
        }
        KeyKind::Sm2Encryption | KeyKind::HmacSm3 | KeyKind::Sm4Master => None,
    };
    let mut key = StoredKey {
        number: content.next,
        name,
        kind,
        state: KeyState::Active,
        since: None,
        retired: None,
        destroyed: None,
        uses: 0,
        unnumbered: kind == KeyKind::Sm4Master,
        material: None,
        public,
    };
    let wrapped = kms.wrap(&label(&content.ring, &key), &**secret)?;
    key.material = Some(hex::encode(wrapped));
    content.next = content.next.saturating_add(1);
    content.keys.push(key);
    Ok(())
}
