//! Argon2id, with bounds on what a stored header may ask for.

use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
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
    let mut memory = Memory::take(params.block_count());
    let mut out = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(secret, salt, &mut *out, &mut memory.0)
        .map_err(DeriveError::Argon2)?;
    Ok(out)
}

/// Memory of derivations that ended. Each takes megabytes on whatever thread runs it, and the
/// system's allocator would keep as much for every thread that ever did.
static SPARE: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());
/// Pieces kept at once.
const MOST_SPARE: usize = 8;
/// Blocks of 1 KiB in a piece worth keeping; what is larger derives once, at start.
const LARGEST_SPARE: usize = 32 * 1024;

/// The memory of one derivation, cleared and kept for another when it is dropped.
struct Memory(Vec<Block>);

impl Memory {
    fn take(blocks: usize) -> Self {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = spare.iter().position(|piece| piece.len() == blocks);
        let piece = fitting.map(|at| spare.swap_remove(at));
        drop(spare);
        Self(piece.unwrap_or_else(|| vec![Block::new(); blocks]))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.fill(Block::new());
        if self.0.len() > LARGEST_SPARE {
            return;
        }
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST_SPARE {
            spare.push(std::mem::take(&mut self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_memory_gives_the_same_key_and_keeps_no_secret() {
        let cost = Cost {
            memory_kib: 777,
            passes: 2,
            lanes: 1,
        };
        let first = argon2id(b"secret", b"saltsalt", cost).unwrap();
        assert_ne!(first, argon2id(b"other", b"saltsalt", cost).unwrap());
        assert_eq!(first, argon2id(b"secret", b"saltsalt", cost).unwrap());
        let spare = SPARE.lock().unwrap();
        let mut kept = spare.iter().filter(|piece| piece.len() == 776);
        let piece = kept.next().unwrap();
        assert!(
            piece
                .iter()
                .all(|b| b.as_ref().iter().all(|word| *word == 0))
        );
    }
}
