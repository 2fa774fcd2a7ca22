//! The hash chain of the audit log, and the signed checkpoints that hold its end.
//!
//! Record `seq` (from 1) has the hash
//!
//! ```text
//! SM3("rongqiao.chain.link.1\0" ‖ seq (8, big-endian) ‖ previous hash (32) ‖ content)
//! ```
//!
//! and record 1 follows on a start hash made from the chain's name, so a record of one chain does
//! not fit into another. `content` is the record's canonical bytes, without the link itself.
//!
//! The chain alone shows any change inside it, but not that its tail was cut off or that it was
//! rewritten from some point on. A [`Checkpoint`] signed with SM2 and kept elsewhere shows both. It
//! carries the root of the [Merkle tree](crate::merkle) over the record hashes, too, so that single
//! records and the growth of the log are proven to third parties ([`proof`]).
//!
//! Pure: no clock, no storage, no key. Reading and exporting is the caller's work, and only the
//! public key is needed to verify.

pub mod proof;
mod verify;

use serde::{Deserialize, Serialize};

use crate::sm2::VerifyingKey;
use crate::sm3::{self, Digest32, Hasher};

pub use verify::{Break, CLOCK_TOLERANCE, Entry, Verifier, is_backdated};

const START_TAG: &[u8] = b"rongqiao.chain.start.1\0";
const LINK_TAG: &[u8] = b"rongqiao.chain.link.1\0";
/// Before there was a tree.
const CHECKPOINT_TAG_1: &[u8] = b"rongqiao.chain.checkpoint.1\0";
const CHECKPOINT_TAG: &[u8] = b"rongqiao.chain.checkpoint.2\0";

/// The end of a chain: what the next record follows on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Hash of the last record; the start hash before the first.
    pub hash: Digest32,
}

/// What is stored beside a record to tie it into the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Number of this record, from 1.
    pub seq: u64,
    /// Hash of the record before.
    pub prev: Digest32,
    /// Hash of this record.
    pub hash: Digest32,
}

/// A signed statement of where the chain and its tree stood at time `at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    #[serde(flatten)]
    pub statement: Statement,
    /// SM2 signature in DER over [`Statement::message`].
    #[serde(with = "hex::serde")]
    pub signature: Vec<u8>,
}

/// What a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Number of the last record covered.
    pub seq: u64,
    /// Hash of that record.
    pub hash: Digest32,
    /// Microseconds since the epoch, UTC.
    pub at: i64,
    /// The tree's root and the signer; absent in checkpoints from before there was a tree.
    #[serde(flatten)]
    pub tree: Option<TreeStatement>,
}

/// The part of a statement that came with the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeStatement {
    /// Root of the tree over the records 1 to `seq`.
    pub root: Digest32,
    /// Fingerprint of the key that signed.
    pub key: Digest32,
}

impl Head {
    /// The head of the empty chain called `name`.
    pub fn start(name: &str) -> Self {
        let hash = sm3::digest(&[START_TAG, name.as_bytes()].concat());
        Self { seq: 0, hash }
    }

    /// The link of the next record. The new head is [`Link::head`].
    pub fn link(&self, content: &[u8]) -> Link {
        // 2⁶⁴ records cannot be written; saturating keeps this total and `verify` would show it.
        let seq = self.seq.saturating_add(1);
        Link {
            seq,
            prev: self.hash,
            hash: link_hash(seq, self.hash, content),
        }
    }
}

impl Link {
    /// The head of the chain that ends with this record.
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

impl Statement {
    /// The signed bytes, integers big-endian:
    /// `"rongqiao.chain.checkpoint.2\0" ‖ seq (8) ‖ hash (32) ‖ root (32) ‖ key (32) ‖ at (8)`, and
    /// without a tree `"rongqiao.chain.checkpoint.1\0" ‖ seq (8) ‖ hash (32) ‖ at (8)`.
    pub fn message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(140);
        out.extend_from_slice(match self.tree {
            Some(_) => CHECKPOINT_TAG,
            None => CHECKPOINT_TAG_1,
        });
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(self.hash.as_bytes());
        if let Some(tree) = &self.tree {
            out.extend_from_slice(tree.root.as_bytes());
            out.extend_from_slice(tree.key.as_bytes());
        }
        out.extend_from_slice(&self.at.to_be_bytes());
        out
    }

    /// Signs this. `sign` gets [`Statement::message`] and returns a DER signature.
    pub fn sign<E>(self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Checkpoint, E> {
        Ok(Checkpoint {
            signature: sign(&self.message())?,
            statement: self,
        })
    }
}

impl Checkpoint {
    /// Whether one of `keys` signed this, and the one it names where it names one.
    #[must_use]
    pub fn is_signed_by(&self, keys: &[VerifyingKey]) -> bool {
        let message = self.statement.message();
        keys.iter()
            .filter(|key| {
                let named = self.statement.tree.map(|tree| tree.key);
                named.is_none_or(|named| named == key.fingerprint())
            })
            .any(|key| key.verify(&message, &self.signature))
    }
}

fn link_hash(seq: u64, prev: Digest32, content: &[u8]) -> Digest32 {
    let mut hasher = Hasher::new();
    hasher.update(LINK_TAG);
    hasher.update(&seq.to_be_bytes());
    hasher.update(prev.as_bytes());
    hasher.update(content);
    hasher.finish()
}

#[cfg(test)]
mod tests;
