//! Which keys there are, what they are for, and where they are in their lives.

use serde::{Deserialize, Serialize};

/// Keys that sign with SM2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignKey {
    /// Checkpoints of the audit chain.
    Audit,
    /// Score certificates.
    Certificate,
    /// X.509 certificates and revocation lists of the platform's own authority.
    Authority,
}

/// Keys of HMAC-SM3 codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MacKey {
    /// Session and form tokens. Rotating it signs everybody out.
    Session,
    /// Passwords, see [`crate::password`]. Each keeps the number of the one it was made with.
    Pepper,
    /// Compiled components: what is loaded as native code must have been compiled here. Rotating it
    /// only has everything compiled again.
    Code,
    /// Digests that stand for encrypted values in an index. All of them are made anew after a
    /// rotation.
    Blind,
    /// Pseudonyms, see [`super::Pseudonyms`]. They are in files that went out, so it never rotates;
    /// each project has a secret of its own besides.
    Pseudonym,
}

/// Keys of HMAC-SM3 codes that are stored beside what they speak for. A code names its key, so that
/// it holds after a rotation until it is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttestKey {
    /// Records of attested collections, and what modules have declared.
    Record,
}

/// Keys of SM2 that others encrypt for, and that open here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecryptKey {
    /// Passwords on their way from whoever typed them. Nothing is kept under it, so an older one may
    /// be destroyed as soon as the rotation is minutes ago.
    Password,
    /// Content keys of sealed calls, see [`crate::payload`]. Nothing is kept under it either.
    Payload,
}

/// Master keys that seal with SM4-GCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealKey {
    /// Encrypted fields of records.
    Field,
}

/// Every key name of this release.
pub(super) const NAMES: [(&str, KeyKind); 12] = [
    (SignKey::Audit.name(), KeyKind::Sm2),
    (SignKey::Authority.name(), KeyKind::Sm2),
    (SignKey::Certificate.name(), KeyKind::Sm2),
    (MacKey::Blind.name(), KeyKind::HmacSm3),
    (MacKey::Code.name(), KeyKind::HmacSm3),
    (SealKey::Field.name(), KeyKind::Sm4Master),
    (MacKey::Pepper.name(), KeyKind::HmacSm3),
    (MacKey::Pseudonym.name(), KeyKind::HmacSm3),
    (AttestKey::Record.name(), KeyKind::HmacSm3),
    (MacKey::Session.name(), KeyKind::HmacSm3),
    (DecryptKey::Password.name(), KeyKind::Sm2Encryption),
    (DecryptKey::Payload.name(), KeyKind::Sm2Encryption),
];

impl SignKey {
    pub const ALL: [Self; 3] = [Self::Audit, Self::Certificate, Self::Authority];

    /// As it is called in the ring and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Certificate => "certificate",
            Self::Authority => "authority",
        }
    }
}

impl MacKey {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Pepper => "pepper",
            Self::Code => "code",
            Self::Blind => "blind",
            Self::Pseudonym => "pseudonym",
        }
    }
}

impl AttestKey {
    /// As it is called in the ring and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
        }
    }
}

impl DecryptKey {
    /// As it is called in the ring and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Payload => "payload",
        }
    }
}

impl SealKey {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Field => "field",
        }
    }
}

/// What a key is for. Bound into its wrapping, so that keys cannot be exchanged in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// Signs.
    Sm2,
    /// Decrypts.
    Sm2Encryption,
    HmacSm3,
    Sm4Master,
}

impl KeyKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm2 => "sm2",
            Self::Sm2Encryption => "sm2-encryption",
            Self::HmacSm3 => "hmac-sm3",
            Self::Sm4Master => "sm4-master",
        }
    }
}

/// Where a key is in its life; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    Active,
    DecryptOnly,
    Destroyed,
}

impl KeyState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::DecryptOnly => "decrypt-only",
            Self::Destroyed => "destroyed",
        }
    }
}
