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
//! rewritten from some point on. A [`Checkpoint`] signed with SM2 and kept elsewhere shows both.
//!
//! Pure: no clock, no storage, no key. Reading and exporting is the caller's work, and only the
//! public key is needed to verify.

use serde::{Deserialize, Serialize};

use crate::sm2::VerifyingKey;
use crate::sm3::{self, Digest32, Hasher};

const START_TAG: &[u8] = b"rongqiao.chain.start.1\0";
const LINK_TAG: &[u8] = b"rongqiao.chain.link.1\0";
const CHECKPOINT_TAG: &[u8] = b"rongqiao.chain.checkpoint.1\0";

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

/// A signed statement that record `seq` had `hash` at time `at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Number of the last record covered.
    pub seq: u64,
    /// Hash of that record.
    pub hash: Digest32,
    /// Microseconds since the epoch, UTC.
    pub at: i64,
    /// SM2 signature in DER over [`Checkpoint::message`].
    #[serde(with = "hex::serde")]
    pub signature: Vec<u8>,
}

/// The first place where a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    #[error("record {seq} was altered: its content does not have its hash")]
    Altered { seq: u64 },
    #[error("record {seq} does not follow on the record before it: one of the two was replaced")]
    Unlinked { seq: u64 },
    #[error("record {seq} is missing: record {found} stands in its place")]
    Deleted { seq: u64, found: u64 },
    #[error("record {seq} is out of order: record {found} stands in its place")]
    Reordered { seq: u64, found: u64 },
    #[error("the chain ends at record {last}, but a checkpoint signed for record {signed}")]
    Truncated { last: u64, signed: u64 },
    #[error("record {seq} has another hash than its signed checkpoint: the chain was rewritten")]
    Rewritten { seq: u64 },
    #[error("the checkpoint of record {seq} is not signed by the audit key")]
    Forged { seq: u64 },
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

impl Checkpoint {
    /// Signs that the chain stood at `head` at time `at` (microseconds since the epoch, UTC).
    /// `sign` gets the bytes of [`Checkpoint::message`] and returns a DER signature.
    pub fn sign<E>(
        head: &Head,
        at: i64,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let signature = sign(&message(head, at))?;
        Ok(Self {
            seq: head.seq,
            hash: head.hash,
            at,
            signature,
        })
    }

    /// The signed bytes: `"rongqiao.chain.checkpoint.1\0" ‖ seq (8) ‖ hash (32) ‖ at (8)`,
    /// integers big-endian.
    pub fn message(&self) -> Vec<u8> {
        message(
            &Head {
                seq: self.seq,
                hash: self.hash,
            },
            self.at,
        )
    }

    /// Whether `key` signed this.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        key.verify(&self.message(), &self.signature)
    }
}

/// Checks `records` (link and content, in order, the first following on `start`) and that they
/// pass through every one of `checkpoints`. Returns the head reached, or the first break.
///
/// To check a part, give the trusted head before it as `start`; checkpoints before that are only
/// checked for their signature. The checkpoints may come in any order.
pub fn verify<Content: AsRef<[u8]>>(
    start: Head,
    records: impl IntoIterator<Item = (Link, Content)>,
    checkpoints: &[Checkpoint],
    key: &VerifyingKey,
) -> Result<Head, Break> {
    if let Some(forged) = checkpoints.iter().find(|point| !point.is_signed_by(key)) {
        return Err(Break::Forged { seq: forged.seq });
    }
    let mut pending: Vec<&Checkpoint> = checkpoints
        .iter()
        .filter(|point| point.seq >= start.seq)
        .collect();
    // Earliest last, to be taken off the end.
    pending.sort_by_key(|point| std::cmp::Reverse(point.seq));

    let mut head = start;
    pass_checkpoints(&head, &mut pending)?;
    let mut records = records.into_iter();
    while let Some((link, content)) = records.next() {
        let seq = head.seq.saturating_add(1);
        if link.seq != seq {
            return Err(misplaced(seq, link.seq, records.map(|(link, _)| link.seq)));
        }
        if link_hash(seq, link.prev, content.as_ref()) != link.hash {
            return Err(Break::Altered { seq });
        }
        if link.prev != head.hash {
            return Err(Break::Unlinked { seq });
        }
        head = link.head();
        pass_checkpoints(&head, &mut pending)?;
    }
    match pending.first() {
        Some(point) => Err(Break::Truncated {
            last: head.seq,
            signed: point.seq,
        }),
        None => Ok(head),
    }
}

/// Compares `head` with the checkpoints at its number and takes them off.
fn pass_checkpoints(head: &Head, pending: &mut Vec<&Checkpoint>) -> Result<(), Break> {
    while let Some(point) = pending.pop_if(|point| point.seq == head.seq) {
        if point.hash != head.hash {
            return Err(Break::Rewritten { seq: head.seq });
        }
    }
    Ok(())
}

/// Tells a gap from a changed order: in the latter the missing record comes later.
fn misplaced(seq: u64, found: u64, mut later: impl Iterator<Item = u64>) -> Break {
    if found < seq || later.any(|later| later == seq) {
        Break::Reordered { seq, found }
    } else {
        Break::Deleted { seq, found }
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

fn message(head: &Head, at: i64) -> Vec<u8> {
    let mut out = CHECKPOINT_TAG.to_vec();
    out.extend_from_slice(&head.seq.to_be_bytes());
    out.extend_from_slice(head.hash.as_bytes());
    out.extend_from_slice(&at.to_be_bytes());
    out
}

#[cfg(test)]
mod tests;
