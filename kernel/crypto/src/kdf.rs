//! Argon2id, with bounds on what a stored header may ask for.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

/// How much work one derivation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Memory in KiB.
    pub(crate) memory_kib: u32,
    /// Passes over the memory.
    pub(crate) passes: u32,
    /// Lanes; computed one after the other here.
    pub(crate) lanes: u32,
}

/// The cost is outside the bounds, or the memory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    #[error("the stored cost of the key derivation is out of bounds")]
    OutOfBounds,
    #[error("the key derivation failed")]
    Argon2(#[source] argon2::Error),
}

impl Cost {
    /// A stored value must not be able to exhaust the machine that reads it.
    const MOST: Self = Self {
        memory_kib: 256 * 1024,
        passes: 16,
        lanes: 8,
    };

    fn within_bounds(self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib
            && self.passes <= Self::MOST.passes
            && self.lanes <= Self::MOST.lanes
    }
}

/// Argon2id version 1.3 (RFC 9106) of `secret` and `salt` (at least 8 bytes).
pub(crate) fn argon2id(
    secret: &[u8],
    salt: &[u8],
    cost: Cost,
) -> Result<Zeroizing<[u8; 32]>, DeriveError> {
    if !cost.within_bounds() {
        return Err(DeriveError::OutOfBounds);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(DeriveError::Argon2)?;
    let mut out = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(secret, salt, &mut *out)
        .map_err(DeriveError::Argon2)?;
    Ok(out)
}
