//! A chain of ten records, damaged in every way the log could be, and where the damage is found.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::sm2::SigningKey;

type Records = Vec<(Link, Vec<u8>)>;

fn extend(head: &mut Head, count: usize) -> Records {
    let mut records = Vec::new();
    for _ in 0..count {
        let content = format!(r#"{{"event":{}}}"#, head.seq + 1).into_bytes();
        let link = head.link(&content);
        *head = link.head();
        records.push((link, content));
    }
    records
}

fn ten() -> (Head, Records) {
    let mut head = Head::start("audit");
    let records = extend(&mut head, 10);
    (head, records)
}

fn check(records: &Records, checkpoints: &[Checkpoint], key: &SigningKey) -> Result<Head, Break> {
    let key = key.verifying_key().unwrap();
    verify(
        Head::start("audit"),
        records.iter().cloned(),
        checkpoints,
        &key,
    )
}

fn sign(head: &Head, key: &SigningKey) -> Checkpoint {
    Checkpoint::sign(head, 1_790_000_000_000_000, |bytes| key.sign(bytes)).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

#[test]
fn an_untouched_chain_holds_and_gives_its_head() {
    let (key, (head, records)) = (key(), ten());
    let middle = records[4].0.head();
    let points = [
        sign(&head, &key),
        sign(&middle, &key),
        sign(&Head::start("audit"), &key),
    ];
    assert_eq!(check(&records, &points, &key), Ok(head));
    assert_eq!(check(&Vec::new(), &[], &key), Ok(Head::start("audit")));
}

#[test]
fn a_part_is_checked_from_a_trusted_head() {
    let (key, (head, records)) = (key(), ten());
    let early = sign(&records[1].0.head(), &key);
    let part = records[5..].iter().cloned();
    let public = key.verifying_key().unwrap();
    assert_eq!(
        verify(records[4].0.head(), part, &[early], &public),
        Ok(head)
    );
}

#[test]
fn an_altered_record_is_located() {
    let (_, mut records) = ten();
    records[3].1[2] ^= 1;
    assert_eq!(check(&records, &[], &key()), Err(Break::Altered { seq: 4 }));
}

#[test]
fn an_altered_record_with_a_new_hash_shows_at_the_next() {
    let (_, mut records) = ten();
    records[3].1 = b"{}".to_vec();
    records[3].0 = records[2].0.head().link(b"{}");
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Unlinked { seq: 5 })
    );
}

#[test]
fn a_deleted_record_is_located_even_when_the_rest_is_renumbered() {
    let (_, mut records) = ten();
    records.remove(3);
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Deleted { seq: 4, found: 5 })
    );
    for (link, _) in &mut records[3..] {
        link.seq -= 1;
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
    let points = [sign(&records[4].0.head(), &key), sign(&head, &key)];
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

#[test]
fn a_tail_rewritten_with_fitting_hashes_shows_against_a_checkpoint() {
    let (key, (head, mut records)) = (key(), ten());
    records.truncate(7);
    let mut forked = records[6].0.head();
    for content in [b"x", b"y", b"z"] {
        let link = forked.link(content);
        forked = link.head();
        records.push((link, content.to_vec()));
    }
    assert_eq!(check(&records, &[], &key), Ok(forked));
    let points = [sign(&head, &key)];
    assert_eq!(
        check(&records, &points, &key),
        Err(Break::Rewritten { seq: 10 })
    );
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
    moved.at += 1;
    assert_eq!(
        check(&records, &[moved], &key),
        Err(Break::Forged { seq: 10 })
    );
    let empty = Checkpoint::sign(&head, 0, |_| Ok::<_, Infallible>(Vec::new())).unwrap();
    assert_eq!(
        check(&records, &[empty], &key),
        Err(Break::Forged { seq: 10 })
    );
}

#[test]
fn a_record_of_another_chain_does_not_fit() {
    let foreign = Head::start("audit-2").link(b"{}");
    let records = vec![(foreign, b"{}".to_vec())];
    assert_eq!(
        check(&records, &[], &key()),
        Err(Break::Unlinked { seq: 1 })
    );
}

#[test]
fn links_and_checkpoints_survive_json() {
    let (head, records) = ten();
    let text = serde_json::to_string(&records[0].0).unwrap();
    assert_eq!(serde_json::from_str::<Link>(&text).unwrap(), records[0].0);
    let point = sign(&head, &key());
    let text = serde_json::to_string(&point).unwrap();
    assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), point);
}

proptest! {
    #[test]
    fn any_flipped_bit_of_any_record_breaks_the_chain_there(
        record in 0..10_usize, byte in 0..8_usize, bit in 0..8_u32,
    ) {
        let (_, mut records) = ten();
        records[record].1[byte] ^= 1 << bit;
        let seq = u64::try_from(record).unwrap() + 1;
        prop_assert_eq!(check(&records, &[], &key()), Err(Break::Altered { seq }));
    }
}
