//! Proofs for third parties: that one record is in the log, and that the log only grew.
//!
//! A proof is one JSON document. Whoever has the audit key's public half, from a source he trusts,
//! checks it with [`Proof::check`] and needs neither the log nor the platform.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Checkpoint, link_hash};
use crate::canonical;
use crate::merkle;
use crate::sm2::VerifyingKey;
use crate::sm3::Digest32;

/// A self-contained proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "kebab-case")]
pub enum Proof {
    /// The record stands in the log that the checkpoint signs.
    Inclusion(Inclusion),
    /// The later checkpoint's log begins with the whole of the earlier one's.
    Consistency(Consistency),
}

/// See [`Proof::Inclusion`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// Number of the record, from 1.
    pub seq: u64,
    /// The record; its canonical bytes are what is hashed.
    pub record: Value,
    /// Hash of the record before.
    pub prev: Digest32,
    /// Digests from the leaf to the root.
    pub path: Vec<Digest32>,
    pub checkpoint: Checkpoint,
}

/// See [`Proof::Consistency`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    pub earlier: Checkpoint,
    pub later: Checkpoint,
    pub path: Vec<Digest32>,
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the checkpoint of record {seq} is not signed by this key")]
    Forged { seq: u64 },
    #[error("the checkpoint of record {seq} is from before there was a tree")]
    NoTree { seq: u64 },
    #[error("the record is not in the log that the checkpoint signs, or was altered")]
    NotIncluded,
    #[error("the later checkpoint does not continue the earlier one")]
    NotConsistent,
}

impl Proof {
    /// Checks the proof against the audit key's public halves.
    pub fn check(&self, keys: &[VerifyingKey]) -> Result<(), ProofError> {
        match self {
            Self::Inclusion(proof) => {
                let root = signed_root(&proof.checkpoint, keys)?;
                let content = canonical::to_vec(&proof.record);
                let leaf = merkle::leaf(link_hash(proof.seq, proof.prev, &content));
                let size = proof.checkpoint.statement.seq;
                let index = proof.seq.checked_sub(1).ok_or(ProofError::NotIncluded)?;
                if merkle::verify_inclusion(leaf, index, size, &proof.path, root) {
                    Ok(())
                } else {
                    Err(ProofError::NotIncluded)
                }
            }
            Self::Consistency(proof) => {
                let was = signed_root(&proof.earlier, keys)?;
                let is = signed_root(&proof.later, keys)?;
                let (old, size) = (proof.earlier.statement.seq, proof.later.statement.seq);
                if merkle::verify_consistency((old, was), (size, is), &proof.path) {
                    Ok(())
                } else {
                    Err(ProofError::NotConsistent)
                }
            }
        }
    }
}

fn signed_root(point: &Checkpoint, keys: &[VerifyingKey]) -> Result<Digest32, ProofError> {
    let seq = point.statement.seq;
    if !point.is_signed_by(keys) {
        return Err(ProofError::Forged { seq });
    }
    let tree = point.statement.tree.ok_or(ProofError::NoTree { seq })?;
    Ok(tree.root)
}
