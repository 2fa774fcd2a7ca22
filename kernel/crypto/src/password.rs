//! Storage of passwords: `HMAC-SM3(pepper, Argon2id(password, salt))`.
//!
//! A stolen table alone cannot be guessed at, for the pepper lives in the key ring; with the
//! pepper stolen too, each guess still costs 7 MiB and five passes, one of the pairs that OWASP's
//! Password Storage Cheat Sheet calls equally strong. Of them it is the one that stays nearest to the
//! processor: it took two thirds of the time of 19 MiB and two passes where it was measured. The
//! stored text names its scheme and cost, so that a login can upgrade it ([`needs_upgrade`]):
//!
//! ```text
//! argon2id-hmac-sm3$m=7168,t=5,p=1$<salt, 32 hex>$<code, 64 hex>
//! argon2id-hmac-sm3$m=7168,t=5,p=1,k=12$<salt, 32 hex>$<code, 64 hex>
//! ```
//!
//! `k` is the number of the pepper in the key ring; without it, it is the first. So a pepper can be
//! rotated: what older ones made verifies until they are destroyed, and is made anew at the next
//! login.
//!
//! What a password must look like, lockouts and second factors are identity's business.

use std::hint::black_box;

use crate::kdf::{self, Cost, DeriveError};
use crate::keys::{KeyRing, MacKey};
use crate::random::{self, EntropyError};
use crate::sm3::Digest32;

const SCHEME: &str = "argon2id-hmac-sm3";

/// Cost of new passwords.
const COST: Cost = Cost {
    memory_kib: 7 * 1024,
    passes: 5,
    lanes: 1,
};

/// A password could not be hashed or checked; this is not a wrong password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("no salt could be drawn")]
    Entropy(#[from] EntropyError),
    #[error("the stored password is not in a known form")]
    Malformed,
    #[error("the password could not be hashed")]
    Derive(#[from] DeriveError),
}

/// A stored password taken apart.
struct Stored {
    cost: Cost,
    /// Number of the pepper; none is the first.
    pepper: Option<u32>,
    salt: [u8; 16],
    code: Digest32,
}

/// Hashes `password` for storage, with a fresh salt.
pub fn hash(ring: &KeyRing, password: &str) -> Result<String, PasswordError> {
    let salt = random::array::<16>()?;
    let slow = kdf::argon2id(password.as_bytes(), &*salt, COST)?;
    let (pepper, code) = ring.numbered_mac(MacKey::Pepper, &*slow);
    Ok(Stored {
        cost: COST,
        pepper,
        salt: *salt,
        code,
    }
    .to_text())
}

/// Whether `password` is the one `stored` was made of. One whose pepper is destroyed never is.
pub fn verify(ring: &KeyRing, password: &str, stored: &str) -> Result<bool, PasswordError> {
    let stored = Stored::parse(stored).ok_or(PasswordError::Malformed)?;
    let slow = kdf::argon2id(password.as_bytes(), &stored.salt, stored.cost)?;
    let code = ring.mac_by(MacKey::Pepper, stored.pepper, &*slow);
    Ok(code.is_some_and(|code| code == stored.code))
}

/// Does the work of [`verify`] for a user who does not exist, so that the time of the answer does
/// not tell whether there is such a user. The answer is always "wrong password".
pub fn verify_absent(ring: &KeyRing, password: &str) -> Result<(), PasswordError> {
    let slow = kdf::argon2id(password.as_bytes(), &[0x5a; 16], COST)?;
    let code = ring.mac(MacKey::Pepper, &*slow);
    black_box(code == Digest32::from_bytes([0; 32]));
    Ok(())
}

/// Whether `stored` should be replaced by a new [`hash`] at the next successful login.
pub fn needs_upgrade(ring: &KeyRing, stored: &str) -> bool {
    Stored::parse(stored)
        .is_none_or(|stored| stored.cost != COST || !ring.codes_with(MacKey::Pepper, stored.pepper))
}

/// Whether `stored` verifies only while the pepper of that number is there.
pub fn needs_pepper(ring: &KeyRing, stored: &str, number: u32) -> bool {
    Stored::parse(stored)
        .is_some_and(|stored| stored.pepper.unwrap_or_else(|| ring.first(MacKey::Pepper)) == number)
}

impl Stored {
    fn to_text(&self) -> String {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        let salt = hex::encode(self.salt);
        let pepper = self.pepper.map(|k| format!(",k={k}")).unwrap_or_default();
        format!(
            "{SCHEME}$m={memory_kib},t={passes},p={lanes}{pepper}${salt}${}",
            self.code
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(SCHEME)?.strip_prefix('$')?;
        let (cost, rest) = rest.split_once('$')?;
        let (salt_hex, code) = rest.split_once('$')?;
        let (memory, rest) = cost.strip_prefix("m=")?.split_once(",t=")?;
        let (passes, lanes) = rest.split_once(",p=")?;
        let (lanes, pepper) = match lanes.split_once(",k=") {
            Some((lanes, pepper)) => (lanes, Some(pepper.parse().ok()?)),
            None => (lanes, None),
        };
        let mut salt = [0; 16];
        hex::decode_to_slice(salt_hex, &mut salt).ok()?;
        Some(Self {
            cost: Cost {
                memory_kib: memory.parse().ok()?,
                passes: passes.parse().ok()?,
                lanes: lanes.parse().ok()?,
            },
            pepper,
            salt,
            code: code.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let dir = tempfile::tempdir().unwrap();
        let ring = KeyRing::open_or_create(dir.path(), None).unwrap();
        (dir, ring)
    }

    #[test]
    fn the_right_password_verifies_and_a_wrong_one_does_not() {
        let (_dir, ring) = ring();
        let stored = hash(&ring, "融桥-Passw0rd").unwrap();
        assert!(verify(&ring, "融桥-Passw0rd", &stored).unwrap());
        assert!(!verify(&ring, "融桥-passw0rd", &stored).unwrap());
        assert!(!verify(&ring, "", &stored).unwrap());
    }

    #[test]
    fn equal_passwords_are_stored_differently_and_never_in_clear() {
        let (_dir, ring) = ring();
        let stored = hash(&ring, "Passw0rd").unwrap();
        assert!(
            stored.starts_with("argon2id-hmac-sm3$m=7168,t=5,p=1$"),
            "{stored}"
        );
        assert!(!stored.contains("Passw0rd"));
        assert_ne!(hash(&ring, "Passw0rd").unwrap(), stored);
    }

    #[test]
    fn a_stolen_table_does_not_verify_under_another_pepper() {
        let (_dir, mine) = ring();
        let (_other_dir, other) = ring();
        let stored = hash(&mine, "Passw0rd").unwrap();
        assert!(!verify(&other, "Passw0rd", &stored).unwrap());
    }

    #[test]
    fn a_cheaper_hash_still_verifies_and_asks_for_an_upgrade() {
        let (_dir, ring) = ring();
        let cost = Cost {
            memory_kib: 1024,
            passes: 1,
            lanes: 1,
        };
        let slow = kdf::argon2id(b"Passw0rd", &[7; 16], cost).unwrap();
        let code = ring.mac(MacKey::Pepper, &*slow);
        let old = Stored {
            cost,
            pepper: None,
            salt: [7; 16],
            code,
        }
        .to_text();
        assert!(verify(&ring, "Passw0rd", &old).unwrap());
        assert!(needs_upgrade(&ring, &old));
        assert!(!needs_upgrade(&ring, &hash(&ring, "Passw0rd").unwrap()));
        assert!(needs_upgrade(&ring, "md5$whatever"));
    }

    #[test]
    fn damaged_or_ruinous_stored_text_is_an_error_and_not_a_wrong_password() {
        let (_dir, ring) = ring();
        let stored = hash(&ring, "Passw0rd").unwrap();
        let cut = &stored[..stored.len() - 1];
        for text in ["", "plain", cut, &stored.replace("m=7168", "m=-1")] {
            let error = verify(&ring, "Passw0rd", text).unwrap_err();
            assert!(matches!(error, PasswordError::Malformed), "{text}: {error}");
        }
        let huge = stored.replace("m=7168", "m=4294967295");
        let error = verify(&ring, "Passw0rd", &huge).unwrap_err();
        assert!(
            matches!(error, PasswordError::Derive(DeriveError::OutOfBounds)),
            "{error}"
        );
        // m too small for Argon2 must be refused as well, not rounded up.
        let tiny = stored.replace("m=7168", "m=1");
        assert!(verify(&ring, "Passw0rd", &tiny).is_err());
    }

    #[test]
    fn an_absent_user_costs_a_derivation_and_yields_nothing() {
        let (_dir, ring) = ring();
        verify_absent(&ring, "Passw0rd").unwrap();
    }
}
