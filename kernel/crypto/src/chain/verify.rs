//! Walking a chain from its start, record by record, and naming the first place that does not hold.

use super::{Checkpoint, Head, Link, link_hash};
use crate::merkle::{self, Frontier};
use crate::sm2::VerifyingKey;
use crate::sm3::Digest32;

/// How far a record's time may lie before that of an earlier one, in microseconds: five minutes.
/// Requests take their time when they start and their place when they commit, and nodes of one
/// platform agree on the time only about.
pub const CLOCK_TOLERANCE: i64 = 300_000_000;

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<Content> {
    pub link: Link,
    /// The time the record gives, in microseconds since the epoch, UTC.
    pub at: i64,
    /// Its canonical bytes.
    pub content: Content,
    /// The tree's roots kept with it: see [`Frontier::push`].
    pub nodes: Vec<Digest32>,
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
    #[error(
        "the chain was rewritten after record {after}: record {seq} has another hash than its \
         signed checkpoint"
    )]
    Rewritten { after: u64, seq: u64 },
    #[error("the checkpoint of record {seq} is not signed by the audit key")]
    Forged { seq: u64 },
    #[error("the tree kept with record {seq} is not the one the records give")]
    Tree { seq: u64 },
    #[error(
        "the clock was set back: record {seq} gives the time {at}, but {after} was reached before \
         (microseconds since 1970)"
    )]
    Backdated { seq: u64, at: i64, after: i64 },
}

/// A walk along a chain and past its checkpoints. Needs the public keys, and nothing of the writer.
#[derive(Debug)]
pub struct Verifier {
    head: Head,
    tree: Frontier,
    /// The latest time reached.
    clock: i64,
    /// Number of the last checkpoint passed; up to there nothing was rewritten.
    signed: u64,
    /// Not passed yet, the next one last.
    pending: Vec<Checkpoint>,
}

impl Verifier {
    /// Starts at the beginning of the chain called `name`. The `checkpoints` may come in any order
    /// and more than once; each must be signed by one of `keys`.
    pub fn new(
        name: &str,
        checkpoints: impl IntoIterator<Item = Checkpoint>,
        keys: &[VerifyingKey],
    ) -> Result<Self, Break> {
        let mut pending: Vec<Checkpoint> = checkpoints.into_iter().collect();
        if let Some(forged) = pending.iter().find(|point| !point.is_signed_by(keys)) {
            let seq = forged.statement.seq;
            return Err(Break::Forged { seq });
        }
        pending.sort_by_key(|point| std::cmp::Reverse((point.statement.seq, point.statement.at)));
        let mut verifier = Self {
            head: Head::start(name),
            tree: Frontier::new(),
            clock: i64::MIN,
            signed: 0,
            pending,
        };
        verifier.pass_checkpoints()?;
        Ok(verifier)
    }

    /// Where the walk stands.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The tree over the records walked past.
    pub fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// Walks on over the next records. Within one call a missing record is told from one that comes
    /// later.
    pub fn records<Content: AsRef<[u8]>>(
        &mut self,
        entries: impl IntoIterator<Item = Entry<Content>>,
    ) -> Result<(), Break> {
        let mut entries = entries.into_iter();
        while let Some(entry) = entries.next() {
            let seq = self.head.seq.saturating_add(1);
            if entry.link.seq != seq {
                let later = entries.map(|entry| entry.link.seq);
                return Err(misplaced(seq, entry.link.seq, later));
            }
            self.record(&entry)?;
            self.pass_checkpoints()?;
        }
        Ok(())
    }

    fn record<Content: AsRef<[u8]>>(&mut self, entry: &Entry<Content>) -> Result<(), Break> {
        let Link { seq, prev, hash } = entry.link;
        if link_hash(seq, prev, entry.content.as_ref()) != hash {
            return Err(Break::Altered { seq });
        }
        if prev != self.head.hash {
            return Err(Break::Unlinked { seq });
        }
        if self.tree.push(merkle::leaf(hash)) != entry.nodes {
            return Err(Break::Tree { seq });
        }
        self.head = entry.link.head();
        self.time(seq, entry.at)
    }

    fn time(&mut self, seq: u64, at: i64) -> Result<(), Break> {
        if is_backdated(at, self.clock) {
            let after = self.clock;
            return Err(Break::Backdated { seq, at, after });
        }
        self.clock = self.clock.max(at);
        Ok(())
    }

    /// Compares the walk with the checkpoints at its number and takes them off.
    fn pass_checkpoints(&mut self) -> Result<(), Break> {
        let seq = self.head.seq;
        while let Some(point) = self.pending.pop_if(|point| point.statement.seq == seq) {
            let statement = point.statement;
            let root = statement.tree.map(|tree| tree.root);
            if statement.hash != self.head.hash || root.is_some_and(|root| root != self.tree.root())
            {
                let after = self.signed;
                return Err(Break::Rewritten { after, seq });
            }
            self.time(seq, statement.at)?;
            self.signed = seq;
        }
        Ok(())
    }

    /// Ends the walk after the last record: every checkpoint must have been passed.
    pub fn finish(self) -> Result<Head, Break> {
        match self.pending.first() {
            Some(point) => Err(Break::Truncated {
                last: self.head.seq,
                signed: point.statement.seq,
            }),
            None => Ok(self.head),
        }
    }
}

/// Whether a record of time `at` cannot follow on one of time `before`: the clock was set back.
pub fn is_backdated(at: i64, before: i64) -> bool {
    at < before.saturating_sub(CLOCK_TOLERANCE)
}

/// Tells a gap from a changed order: in the latter the missing record comes later.
fn misplaced(seq: u64, found: u64, mut later: impl Iterator<Item = u64>) -> Break {
    if found < seq || later.any(|later| later == seq) {
        Break::Reordered { seq, found }
    } else {
        Break::Deleted { seq, found }
    }
}
