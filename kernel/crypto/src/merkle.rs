//! The Merkle tree over a chain's records: RFC 6962 §2.1 (as restated in RFC 9162 §2.1) with SM3 in
//! the place of SHA-256.
//!
//! ```text
//! leaf = SM3(00 ‖ record hash)        node = SM3(01 ‖ left ‖ right)        empty tree = SM3()
//! ```
//!
//! The prefixes keep a leaf from being passed off as a node. With the tree's root signed, one record
//! is proven to a third party with about log₂ n digests ([`verify_inclusion`]), and a later tree is
//! proven to continue an earlier one ([`verify_consistency`]), without showing any other record.
//!
//! A tree only grows to the right, so a subtree that is full never changes. Leaf number `n` fills
//! one subtree for every factor two in `n`; [`Frontier::push`] gives their roots out, to be kept
//! beside the record: on average one digest a record. Every digest a proof needs is, or is made of,
//! such roots ([`Span::nodes`]), so neither appending nor proving ever reads the log again.
//!
//! Pure: no storage. Leaves are counted from 0 in spans and from 1 where they end a subtree.

use crate::sm3::{self, Digest32, Hasher};

const LEAF: &[u8] = &[0x00];
const NODE: &[u8] = &[0x01];

/// A full subtree: `2^height` leaves, of which the last is number `end`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    pub end: u64,
    pub height: u32,
}

/// The leaves from `from` (counted from 0) up to and without `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

/// The right edge of a tree: all that is needed to append to it and to tell its root.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the full subtrees that cover the tree, from the left and largest to the right.
    roots: Vec<Digest32>,
}

/// The leaf of the record with this hash.
pub fn leaf(record: Digest32) -> Digest32 {
    hash(LEAF, &[record])
}

fn node(left: Digest32, right: Digest32) -> Digest32 {
    hash(NODE, &[left, right])
}

fn hash(prefix: &[u8], parts: &[Digest32]) -> Digest32 {
    let mut hasher = Hasher::new();
    hasher.update(prefix);
    for part in parts {
        hasher.update(part.as_bytes());
    }
    hasher.finish()
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier of a tree of `size` leaves from the roots of [`Frontier::nodes`], in that
    /// order; none when their number does not fit.
    pub fn from_roots(size: u64, roots: Vec<Digest32>) -> Option<Self> {
        (roots.len() == Self::nodes(size).len()).then_some(Self { size, roots })
    }

    /// The subtrees whose roots make the frontier of a tree of `size` leaves.
    pub fn nodes(size: u64) -> Vec<Node> {
        Span { from: 0, to: size }.nodes()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. Returns the roots of the subtrees it fills, by height from 1 up.
    pub fn push(&mut self, leaf: Digest32) -> Vec<Digest32> {
        let mut filled = Vec::new();
        let mut root = leaf;
        // One subtree of each height ends here for every trailing one of the old size.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            root = node(left, root);
            filled.push(root);
        }
        self.roots.push(root);
        self.size = self.size.saturating_add(1);
        filled
    }

    /// The root of the whole tree.
    pub fn root(&self) -> Digest32 {
        fold(&self.roots).unwrap_or_else(|| sm3::digest(&[]))
    }
}

/// Joins neighbouring subtrees, largest first, as the standard splits them.
fn fold(roots: &[Digest32]) -> Option<Digest32> {
    let (last, left) = roots.split_last()?;
    Some(
        left.iter()
            .rev()
            .fold(*last, |right, left| node(*left, right)),
    )
}

impl Span {
    /// The full subtrees that cover the span, from the left. Spans of proofs begin where a subtree
    /// of their size may begin, so there are at most 64.
    pub fn nodes(self) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut from = self.from;
        while let Some(left) = self.to.checked_sub(from)
            && left > 0
        {
            // The largest power of two that fits in and may begin here.
            let height = left.ilog2().min(from.trailing_zeros());
            from = from.saturating_add(1 << height);
            nodes.push(Node { end: from, height });
        }
        nodes
    }

    /// The root of the span's subtree, from the roots of [`Span::nodes`].
    pub fn root(self, mut root_of: impl FnMut(Node) -> Option<Digest32>) -> Option<Digest32> {
        let roots: Option<Vec<Digest32>> = self.nodes().into_iter().map(&mut root_of).collect();
        fold(&roots?)
    }
}

/// The spans whose roots prove that leaf `index` (from 0) is in a tree of `size` leaves, in the
/// order [`verify_inclusion`] takes them. None when the tree has no such leaf.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Span>> {
    if index >= size {
        return None;
    }
    let (mut from, mut to) = (0, size);
    let mut spans = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            spans.push(Span { from: middle, to });
            to = middle;
        } else {
            spans.push(Span { from, to: middle });
            from = middle;
        }
    }
    spans.reverse();
    Some(spans)
}

/// The spans whose roots prove that a tree of `size` leaves continues the tree of its first `old`,
/// in the order [`verify_consistency`] takes them. None unless `1 ≤ old ≤ size`.
pub fn consistency(old: u64, size: u64) -> Option<Vec<Span>> {
    if old == 0 || old > size {
        return None;
    }
    let (mut from, mut to) = (0, size);
    let mut spans = Vec::new();
    // Whether the part still looked at begins with the whole old tree, whose root is known.
    let mut whole = true;
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            spans.push(Span { from: middle, to });
            to = middle;
        } else {
            spans.push(Span { from, to: middle });
            from = middle;
            whole = false;
        }
    }
    if !whole {
        spans.push(Span { from, to });
    }
    spans.reverse();
    Some(spans)
}

/// The largest power of two smaller than `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Whether `path` proves that `leaf` is number `index` (from 0) in the tree of `size` leaves with
/// this root. RFC 9162 §2.1.3.2.
#[must_use]
pub fn verify_inclusion(
    leaf: Digest32,
    index: u64,
    size: u64,
    path: &[Digest32],
    root: Digest32,
) -> bool {
    if index >= size {
        return false;
    }
    let mut walk = Walk {
        at: index,
        last: size - 1,
    };
    let mut reached = leaf;
    for sibling in path {
        if walk.last == 0 {
            return false;
        }
        reached = if walk.is_right() {
            node(*sibling, reached)
        } else {
            node(reached, *sibling)
        };
        walk.up();
    }
    walk.last == 0 && reached == root
}

/// Whether `path` proves that the tree of `size` leaves with `root` continues the tree of `old`
/// leaves with `old_root`. RFC 9162 §2.1.4.2.
#[must_use]
pub fn verify_consistency(
    (old, old_root): (u64, Digest32),
    (size, root): (u64, Digest32),
    path: &[Digest32],
) -> bool {
    if old == 0 || old > size {
        return false;
    }
    if old == size {
        return path.is_empty() && old_root == root;
    }
    let (first, rest) = if old.is_power_of_two() {
        (old_root, path)
    } else {
        match path.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let mut walk = Walk {
        at: old - 1,
        last: size - 1,
    };
    while walk.at & 1 == 1 {
        walk.shift();
    }
    let (mut before, mut after) = (first, first);
    for sibling in rest {
        if walk.last == 0 {
            return false;
        }
        if walk.is_right() {
            before = node(*sibling, before);
            after = node(*sibling, after);
        } else {
            after = node(after, *sibling);
        }
        walk.up();
    }
    walk.last == 0 && before == old_root && after == root
}

/// The way up from one node, with the last node of the same level beside it.
struct Walk {
    at: u64,
    last: u64,
}

impl Walk {
    /// Whether the sibling stands on the left.
    fn is_right(&self) -> bool {
        self.at & 1 == 1 || self.at == self.last
    }

    /// Goes one level up, and past the levels on which a last node has no sibling.
    fn up(&mut self) {
        if self.is_right() {
            while self.at & 1 == 0 && self.at != 0 {
                self.shift();
            }
        }
        self.shift();
    }

    fn shift(&mut self) {
        self.at >>= 1;
        self.last >>= 1;
    }
}

#[cfg(test)]
mod tests;
