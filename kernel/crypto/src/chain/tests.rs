//! A chain of ten records, damaged in every way the log could be, and where the damage is found.

use std::convert::Infallible;

use proptest::prelude::*;

use super::proof::{Consistency, Inclusion, Proof, ProofError};
use super::*;
use crate::merkle::{self, Frontier};
use crate::sm2::SigningKey;

type Records = Vec<Entry<Vec<u8>>>;

/// Time of record 0; each record is a second later than the one before.
const START: i64 = 1_790_000_000_000_000;

/// A chain and its tree as a writer holds them.
struct Log {
    head: Head,
    tree: Frontier,
    records: Records,
}

impl Log {
    fn new() -> Self {
        Self {
            head: Head::start("audit"),
            tree: Frontier::new(),
            records: Vec::new(),
        }
    }

    fn push(&mut self, content: &[u8]) {
        let link = self.head.link(content);
        self.head = link.head();
        self.records.push(Entry {
            link,
            at: at(link.seq),
            content: content.to_vec(),
            nodes: self.tree.push(merkle::leaf(link.hash)),
        });
    }

    fn sign(&self, key: &SigningKey) -> Checkpoint {
        let tree = Some(TreeStatement {
            root: self.tree.root(),
            key: key.verifying_key().unwrap().fingerprint(),
        });
        statement(&self.head, tree)
            .sign(|bytes| key.sign(bytes))
            .unwrap()
    }
}

fn at(seq: u64) -> i64 {
    START + i64::try_from(seq).unwrap() * 1_000_000
}

fn statement(head: &Head, tree: Option<TreeStatement>) -> Statement {
    Statement {
        seq: head.seq,
        hash: head.hash,
        at: at(head.seq),
        tree,
    }
}

/// A log of `count` records.
fn log(count: u64) -> Log {
    let mut log = Log::new();
    for n in 1..=count {
        log.push(format!(r#"{{"event":{n}}}"#).as_bytes());
    }
    log
}

fn ten() -> (Head, Records) {
    let log = log(10);
    (log.head, log.records)
}

fn check(records: &Records, checkpoints: &[Checkpoint], key: &SigningKey) -> Result<Head, Break> {
    let keys = [key.verifying_key().unwrap()];
    let mut walk = Verifier::new("audit", checkpoints.iter().cloned(), &keys)?;
    walk.records(records.iter().cloned())?;
    walk.finish()
}

/// As the releases before the tree signed.
fn sign(head: &Head, key: &SigningKey) -> Checkpoint {
    statement(head, None).sign(|bytes| key.sign(bytes)).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

#[test]
fn an_untouched_chain_holds_and_gives_its_head() {
    let (key, (head, records)) = (key(), ten());
    let middle = records[4].link.head();
    let points = [
        sign(&head, &key),
        sign(&middle, &key),
        sign(&Head::start("audit"), &key),
    ];
    assert_eq!(check(&records, &points, &key), Ok(head));
    assert_eq!(check(&Vec::new(), &[], &key), Ok(Head::start("audit")));
}

#[test]
fn an_altered_record_is_located() {
    let (_, mut records) = ten();
    records[3].content[2] ^= 1;
    assert_eq!(check(&records, &[], &key()), Err(Break::Altered { seq: 4 }));
}

#[test]
fn an_altered_record_with_a_new_hash_shows_at_its_tree_or_at_the_next() {
    let rewritten = |index: usize| {
        let (_, mut records) = ten();
        records[index].content = b"{}".to_vec();
        records[index].link = records[index - 1].link.head().link(b"{}");
        check(&records, &[], &key())
    };
    // An even record fills a subtree, an odd one fills none.
    assert_eq!(rewritten(3), Err(Break::Tree { seq: 4 }));
    assert_eq!(rewritten(4), Err(Break::Unlinked { seq: 6 }));
    assert_eq!(rewritten(9), Err(Break::Tree { seq: 10 }));
}

#[test]
fn a_deleted_record_is_located_even_when_the_rest_is_renumbered() {
    let (_, mut records) = ten();
    records.remove(3);
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Deleted { seq: 4, found: 5 })
    );
    for record in &mut records[3..] {
        record.link.seq -= 1;
    }
    assert_eq!(check(&records, &[], &key()), Err(Break::Altered { seq: 4 }));
}

#[test]
fn a_deleted_first_record_is_located() {
    let (_, mut records) = ten();
    records.remove(0);
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Deleted { seq: 1, found: 2 })
    );
}

#[test]
fn swapped_records_are_located() {
    let (_, mut records) = ten();
    records.swap(3, 6);
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Reordered { seq: 4, found: 7 })
    );
}

#[test]
fn a_repeated_record_is_located() {
    let (_, mut records) = ten();
    records.insert(4, records[3].clone());
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Reordered { seq: 5, found: 4 })
    );
}

#[test]
fn a_cut_tail_shows_against_a_checkpoint_only() {
    let (key, (head, mut records)) = (key(), ten());
    let points = [sign(&records[4].link.head(), &key), sign(&head, &key)];
    records.truncate(7);
    assert!(
        check(&records, &[], &key).is_ok(),
        "without a checkpoint it cannot be seen"
    );
    assert_eq!(
        check(&records, &points, &key),
        Err(Break::Truncated {
            last: 7,
            signed: 10
        })
    );
    records.clear();
    assert_eq!(
        check(&records, &points, &key),
        Err(Break::Truncated {
            last: 0,
            signed: 10
        })
    );
}

/// Seven records as they were, then three others with fitting hashes and a fitting tree.
fn forked() -> Log {
    let mut forked = log(7);
    for content in [b"x", b"y", b"z"] {
        forked.push(content);
    }
    forked
}

#[test]
fn a_tail_rewritten_with_fitting_hashes_shows_between_two_checkpoints() {
    let (key, (head, records), forked) = (key(), ten(), forked());
    assert_eq!(check(&forked.records, &[], &key), Ok(forked.head));
    let points = [sign(&records[4].link.head(), &key), sign(&head, &key)];
    assert_eq!(
        check(&forked.records, &points, &key),
        Err(Break::Rewritten { after: 5, seq: 10 })
    );
}

#[test]
fn a_checkpoint_with_another_root_is_as_good_as_another_hash() {
    let key = key();
    let mut whole = log(10);
    let (head, records) = (whole.head, whole.records.clone());
    assert_eq!(check(&records, &[whole.sign(&key)], &key), Ok(head));
    whole.tree = forked().tree;
    assert_eq!(
        check(&records, &[whole.sign(&key)], &key),
        Err(Break::Rewritten { after: 0, seq: 10 })
    );
}

#[test]
fn a_wrong_node_of_the_tree_is_located() {
    let (_, mut records) = ten();
    records[7].nodes[1] = records[0].link.hash;
    assert_eq!(check(&records, &[], &key()), Err(Break::Tree { seq: 8 }));
    let (_, mut records) = ten();
    records[5].nodes.clear();
    assert_eq!(check(&records, &[], &key()), Err(Break::Tree { seq: 6 }));
}

#[test]
fn a_clock_set_back_is_located_and_a_late_commit_is_not() {
    let (key, (_, mut records)) = (key(), ten());
    records[6].at = at(7) - CLOCK_TOLERANCE;
    assert!(check(&records, &[], &key).is_ok());
    records[6].at = at(6) - CLOCK_TOLERANCE - 1;
    assert_eq!(
        check(&records, &[], &key),
        Err(Break::Backdated {
            seq: 7,
            at: records[6].at,
            after: at(6)
        })
    );
    // A record may not be older than the checkpoint before it, either.
    let (_, mut records) = ten();
    let mut late = statement(&records[4].link.head(), None);
    late.at = at(5) + 2 * CLOCK_TOLERANCE;
    let late = late.sign(|bytes| key.sign(bytes)).unwrap();
    let found = check(&records, std::slice::from_ref(&late), &key);
    assert!(matches!(found, Err(Break::Backdated { seq: 6, .. })));
    records.truncate(5);
    assert!(check(&records, &[late], &key).is_ok());
}

#[test]
fn a_checkpoint_of_another_key_or_with_another_time_is_refused() {
    let (key, (head, records)) = (key(), ten());
    let foreign = sign(&head, &SigningKey::generate().unwrap());
    assert_eq!(
        check(&records, &[foreign], &key),
        Err(Break::Forged { seq: 10 })
    );
    let mut moved = sign(&head, &key);
    moved.statement.at += 1;
    assert_eq!(
        check(&records, &[moved], &key),
        Err(Break::Forged { seq: 10 })
    );
    let empty = statement(&head, None)
        .sign(|_| Ok::<_, Infallible>(Vec::new()))
        .unwrap();
    assert_eq!(
        check(&records, &[empty], &key),
        Err(Break::Forged { seq: 10 })
    );
}

#[test]
fn a_record_of_another_chain_does_not_fit() {
    let records = vec![Entry {
        link: Head::start("audit-2").link(b"{}"),
        at: START,
        content: b"{}".to_vec(),
        nodes: Vec::new(),
    }];
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Unlinked { seq: 1 })
    );
}

#[test]
fn links_and_checkpoints_survive_json() {
    let (head, records) = ten();
    let text = serde_json::to_string(&records[0].link).unwrap();
    assert_eq!(
        serde_json::from_str::<Link>(&text).unwrap(),
        records[0].link
    );
    for point in [sign(&head, &key()), log(10).sign(&key())] {
        let text = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), point);
    }
}

#[test]
fn a_checkpoint_names_its_key_and_any_known_key_may_have_signed() {
    let (old, new) = (key(), key());
    let keys = [old.verifying_key().unwrap(), new.verifying_key().unwrap()];
    assert!(log(3).sign(&old).is_signed_by(&keys) && log(3).sign(&new).is_signed_by(&keys));
    assert!(!log(3).sign(&old).is_signed_by(&keys[1..]));
    // A signature of one key under the name of another.
    let mut crossed = log(3).sign(&old).statement;
    crossed.tree.as_mut().unwrap().key = keys[1].fingerprint();
    let crossed = crossed.sign(|bytes| old.sign(bytes)).unwrap();
    assert!(!crossed.is_signed_by(&keys));
}

/// The proof that record `seq` is in `log`, made from what a writer keeps.
fn inclusion(log: &Log, seq: u64, key: &SigningKey) -> Inclusion {
    let record = &log.records[usize::try_from(seq - 1).unwrap()];
    Inclusion {
        seq,
        record: serde_json::from_slice(&record.content).unwrap(),
        prev: record.link.prev,
        path: roots(log, &merkle::inclusion(seq - 1, log.head.seq).unwrap()),
        checkpoint: log.sign(key),
    }
}

fn roots(log: &Log, spans: &[merkle::Span]) -> Vec<Digest32> {
    let kept = |node: merkle::Node| {
        let record = &log.records[usize::try_from(node.end - 1).unwrap()];
        match usize::try_from(node.height).unwrap() {
            0 => Some(merkle::leaf(record.link.hash)),
            height => Some(record.nodes[height - 1]),
        }
    };
    spans.iter().map(|span| span.root(kept).unwrap()).collect()
}

#[test]
fn a_record_is_proven_to_someone_who_has_the_public_key_only() {
    let (key, log) = (key(), log(21));
    let keys = [key.verifying_key().unwrap()];
    for seq in 1..=21 {
        let text = serde_json::to_string(&Proof::Inclusion(inclusion(&log, seq, &key))).unwrap();
        let read: Proof = serde_json::from_str(&text).unwrap();
        assert_eq!(read.check(&keys), Ok(()), "{text}");
    }
    let good = inclusion(&log, 13, &key);
    let refused = |change: &dyn Fn(&mut Inclusion)| {
        let mut proof = good.clone();
        change(&mut proof);
        Proof::Inclusion(proof).check(&keys).unwrap_err()
    };
    let not = ProofError::NotIncluded;
    assert_eq!(refused(&|p| p.record["event"] = 12.into()), not);
    assert_eq!(refused(&|p| p.seq = 12), not);
    assert_eq!(refused(&|p| p.seq = 0), not);
    assert_eq!(refused(&|p| p.prev = p.path[0]), not);
    assert_eq!(refused(&|p| p.path.truncate(1)), not);
    let forged = ProofError::Forged { seq: 21 };
    let root = log.records[0].link.hash;
    assert_eq!(
        refused(&|p| p.checkpoint.statement.tree.as_mut().unwrap().root = root),
        forged
    );
    assert_eq!(refused(&|p| p.checkpoint.signature.clear()), forged);
    let other = [SigningKey::generate().unwrap().verifying_key().unwrap()];
    assert_eq!(Proof::Inclusion(good).check(&other), Err(forged));
    let mut old = inclusion(&log, 2, &key);
    old.checkpoint = sign(&log.head, &key);
    assert_eq!(
        Proof::Inclusion(old).check(&keys),
        Err(ProofError::NoTree { seq: 21 })
    );
}

#[test]
fn growth_is_proven_and_a_rewritten_log_has_no_proof() {
    let key = key();
    let keys = [key.verifying_key().unwrap()];
    let (early, late, other) = (log(8), log(10), forked());
    let path = roots(&late, &merkle::consistency(8, 10).unwrap());
    let proof = |later: &Log, path: &[Digest32]| {
        Proof::Consistency(Consistency {
            earlier: early.sign(&key),
            later: later.sign(&key),
            path: path.to_vec(),
        })
        .check(&keys)
    };
    assert_eq!(proof(&late, &path), Ok(()));
    let forged = roots(&other, &merkle::consistency(8, 10).unwrap());
    for path in [path, forged] {
        assert_eq!(proof(&other, &path), Err(ProofError::NotConsistent));
    }
}

proptest! {
    #[test]
    fn any_flipped_bit_of_any_record_breaks_the_chain_there(
        record in 0..10_usize, byte in 0..8_usize, bit in 0..8_u32,
    ) {
        let (_, mut records) = ten();
        records[record].content[byte] ^= 1 << bit;
        let seq = u64::try_from(record).unwrap() + 1;
        prop_assert_eq!(check(&records, &[], &key()), Err(Break::Altered { seq }));
    }
}
