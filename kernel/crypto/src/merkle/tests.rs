//! Against the definition of RFC 6962 §2.1, written down a second time as it is printed there.

use std::collections::BTreeMap;

use super::*;

const MOST: u64 = 70;

fn leaves(count: u64) -> Vec<Digest32> {
    (0..count)
        .map(|n| leaf(sm3::digest(&n.to_be_bytes())))
        .collect()
}

/// MTH of the standard.
fn tree(leaves: &[Digest32]) -> Digest32 {
    match leaves {
        [] => sm3::digest(&[]),
        [one] => *one,
        _ => {
            let middle = usize::try_from(split(leaves.len() as u64)).unwrap();
            node(tree(&leaves[..middle]), tree(&leaves[middle..]))
        }
    }
}

/// PATH of the standard.
fn path(index: usize, leaves: &[Digest32]) -> Vec<Digest32> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = usize::try_from(split(leaves.len() as u64)).unwrap();
    let (left, right) = leaves.split_at(middle);
    let (mut below, beside) = if index < middle {
        (path(index, left), tree(right))
    } else {
        (path(index - middle, right), tree(left))
    };
    below.push(beside);
    below
}

/// SUBPROOF of the standard.
fn subproof(old: usize, leaves: &[Digest32], whole: bool) -> Vec<Digest32> {
    if old == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![tree(leaves)]
        };
    }
    let middle = usize::try_from(split(leaves.len() as u64)).unwrap();
    let (left, right) = leaves.split_at(middle);
    let (mut below, beside) = if old <= middle {
        (subproof(old, left, whole), tree(right))
    } else {
        (subproof(old - middle, right, false), tree(left))
    };
    below.push(beside);
    below
}

/// Every root that appending `leaves` gives out, and the leaves themselves.
fn grown(leaves: &[Digest32]) -> (Frontier, BTreeMap<Node, Digest32>) {
    let mut frontier = Frontier::new();
    let mut kept = BTreeMap::new();
    for (end, leaf) in (1..).zip(leaves) {
        kept.insert(Node { end, height: 0 }, *leaf);
        for (height, root) in (1..).zip(frontier.push(*leaf)) {
            kept.insert(Node { end, height }, root);
        }
    }
    (frontier, kept)
}

fn roots(spans: Vec<Span>, kept: &BTreeMap<Node, Digest32>) -> Vec<Digest32> {
    let root = |span: Span| span.root(|node| kept.get(&node).copied()).unwrap();
    spans.into_iter().map(root).collect()
}

#[test]
fn the_empty_tree_and_one_leaf_have_the_roots_of_the_standard() {
    assert_eq!(Frontier::new().root(), sm3::digest(&[]));
    let record = sm3::digest(b"record");
    let mut one = Frontier::new();
    assert!(one.push(leaf(record)).is_empty());
    let by_hand = sm3::digest(&[&[0u8][..], record.as_bytes()].concat());
    assert_eq!(one.root(), by_hand);
    let mut two = one.clone();
    assert_eq!(two.push(leaf(record)), [two.root()]);
    let by_hand = [&[1u8][..], by_hand.as_bytes(), by_hand.as_bytes()].concat();
    assert_eq!(two.root(), sm3::digest(&by_hand));
}

#[test]
fn a_growing_tree_has_the_root_of_the_definition_and_keeps_one_digest_a_leaf() {
    let leaves = leaves(MOST);
    let mut frontier = Frontier::new();
    let mut kept = 0;
    for (index, leaf) in leaves.iter().enumerate() {
        kept += frontier.push(*leaf).len();
        assert_eq!(frontier.root(), tree(&leaves[..=index]), "{index}");
        assert_eq!(frontier.size(), index as u64 + 1);
    }
    assert!(kept < leaves.len());
}

#[test]
fn a_frontier_is_found_again_from_what_was_kept() {
    let leaves = leaves(MOST);
    for size in 0..=MOST {
        let (frontier, kept) = grown(&leaves[..usize::try_from(size).unwrap()]);
        let roots = Frontier::nodes(size).iter().map(|n| kept[n]).collect();
        assert_eq!(Frontier::from_roots(size, roots), Some(frontier), "{size}");
    }
    assert_eq!(Frontier::from_roots(3, leaves[..1].to_vec()), None);
    assert_eq!(Frontier::nodes(u64::MAX).len(), 64);
}

#[test]
fn inclusion_is_proven_for_every_leaf_of_every_tree_and_for_no_other() {
    let leaves = leaves(MOST);
    for size in 1..=MOST {
        let upto = usize::try_from(size).unwrap();
        let (frontier, kept) = grown(&leaves[..upto]);
        for index in 0..size {
            let at = usize::try_from(index).unwrap();
            let proof = roots(inclusion(index, size).unwrap(), &kept);
            assert_eq!(proof, path(at, &leaves[..upto]));
            let root = frontier.root();
            assert!(verify_inclusion(leaves[at], index, size, &proof, root));
            assert!(!verify_inclusion(
                leaf(leaves[at]),
                index,
                size,
                &proof,
                root
            ));
            assert!(!verify_inclusion(leaves[at], index + 1, size, &proof, root));
            assert!(!verify_inclusion(leaves[at], index, size, &proof, leaves[at]) || size == 1);
            let longer = [proof.as_slice(), &[root]].concat();
            assert!(!verify_inclusion(leaves[at], index, size, &longer, root));
            if let Some(shorter) = proof.len().checked_sub(1) {
                let shorter = &proof[..shorter];
                assert!(!verify_inclusion(leaves[at], index, size, shorter, root));
            }
        }
    }
    assert_eq!(inclusion(3, 3), None);
    assert!(!verify_inclusion(leaves[0], 0, 0, &[], leaves[0]));
}

#[test]
fn consistency_is_proven_for_every_pair_of_trees_and_for_no_other_root() {
    let leaves = leaves(MOST);
    for size in 1..=MOST {
        let (frontier, kept) = grown(&leaves[..usize::try_from(size).unwrap()]);
        for old in 1..=size {
            let before = tree(&leaves[..usize::try_from(old).unwrap()]);
            let proof = roots(consistency(old, size).unwrap(), &kept);
            let whole = &leaves[..usize::try_from(size).unwrap()];
            assert_eq!(proof, subproof(usize::try_from(old).unwrap(), whole, true));
            let (was, is) = ((old, before), (size, frontier.root()));
            assert!(verify_consistency(was, is, &proof), "{old} of {size}");
            assert!(!verify_consistency((old, leaves[5]), is, &proof) || before == leaves[5]);
            assert!(!verify_consistency(was, (size, leaves[5]), &proof));
            let longer = [proof.as_slice(), &[before]].concat();
            assert!(!verify_consistency(was, is, &longer));
        }
    }
    assert_eq!(consistency(0, 3), None);
    assert_eq!(consistency(4, 3), None);
    assert!(!verify_consistency((0, leaves[0]), (3, leaves[1]), &[]));
    assert!(!verify_consistency((3, leaves[0]), (5, leaves[1]), &[]));
}
