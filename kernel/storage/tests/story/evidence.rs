//! The audit trail as evidence: every way of tampering behind the store's back is found and located,
//! by someone who has the public key and the exported checkpoints only.

use futures_util::FutureExt as _;
use kernel_crypto::chain::proof::Proof;
use kernel_crypto::chain::{Break, CLOCK_TOLERANCE, Checkpoint, Head, Statement};
use kernel_crypto::keys::SignKey;
use kernel_crypto::merkle::{Frontier, leaf};
use kernel_crypto::sm2::VerifyingKey;
use kernel_storage::{
    AuditCopy, AuditDraft, AuditFault, AuditFilter, CheckpointFolder, Store, StoreUrl, Verified,
};
use serde_json::json;

use crate::audit::{draft, trail};
use crate::bench::{Bench, NOW, commit, get, on_each_engine, order};

/// The verifier's view: a public key that travelled as PEM, and a folder of checkpoints.
async fn verified(bench: &Bench, folder: &CheckpointFolder) -> Result<Verified, AuditFault> {
    let pem = bench.keys.public_pem(SignKey::Audit).unwrap();
    let keys = [VerifyingKey::from_pem(&pem).unwrap()];
    let copy = AuditCopy::open(&bench.url).await.unwrap();
    copy.verify(&keys, folder.read().unwrap()).await
}

/// A trail of 12 records, signed and exported at 6 and at 12.
async fn signed(bench: &Bench, folder: &CheckpointFolder) -> Store {
    let store = trail(bench).await;
    for point in store.audit_checkpoints_after(0).await.unwrap() {
        folder.write(&point).unwrap();
    }
    let six = rewritten(&store, |_, _| {}).await;
    let first = sign(bench, six.get(5).unwrap().head, Some(&six[5].tree), NOW + 6);
    folder.write(&first).unwrap();
    let last = store.audit_checkpoint(NOW + 12).await.unwrap().unwrap();
    folder.write(&last).unwrap();
    store
}

fn sign(bench: &Bench, head: Head, tree: Option<&Frontier>, at: i64) -> Checkpoint {
    let signer = bench.keys.signer(SignKey::Audit);
    let statement = Statement {
        seq: head.seq,
        hash: head.hash,
        at,
        tree: tree.map(|tree| kernel_crypto::chain::TreeStatement {
            root: tree.root(),
            key: signer.verifying_key().fingerprint(),
        }),
    };
    statement.sign(|message| signer.sign(message)).unwrap()
}

struct Rewritten {
    head: Head,
    prev: String,
    nodes: String,
    tree: Frontier,
    draft: AuditDraft,
}

/// Every record with the links it would have, had `change` been so from the start.
async fn rewritten(store: &Store, change: impl Fn(u64, &mut AuditDraft)) -> Vec<Rewritten> {
    let page = store
        .audit_find(&AuditFilter::default(), 200, 0)
        .await
        .unwrap();
    let (mut head, mut tree) = (Head::start("audit"), Frontier::new());
    let mut out = Vec::new();
    for record in page.records.into_iter().rev() {
        let mut draft = record.draft;
        change(record.seq, &mut draft);
        let content = kernel_crypto::canonical::to_vec(&json!({
            "at": draft.at, "actor": draft.actor, "organisation": draft.organisation,
            "subject": draft.subject, "action": draft.action, "object": draft.object,
            "outcome": draft.outcome, "detail": draft.detail, "request": draft.request,
        }));
        let link = head.link(&content);
        head = link.head();
        let nodes = tree.push(leaf(link.hash));
        out.push(Rewritten {
            head,
            prev: link.prev.to_string(),
            nodes: nodes.iter().map(ToString::to_string).collect(),
            tree: tree.clone(),
            draft,
        });
    }
    out
}

/// Puts rewritten records in the place of the real ones, from number `from` on.
async fn forge(bench: &Bench, records: &[Rewritten], from: u64) {
    for record in records.iter().filter(|record| record.head.seq >= from) {
        let nodes = match (&bench.url, record.nodes.as_str()) {
            (_, "") => "NULL".to_owned(),
            (StoreUrl::Sqlite(_), nodes) => format!("x'{nodes}'"),
            (StoreUrl::Postgres(_), nodes) => format!("'\\x{nodes}'::bytea"),
        };
        let (hash, prev, at) = (record.head.hash, &record.prev, record.draft.at);
        let detail = String::from_utf8(kernel_crypto::canonical::to_vec(&record.draft.detail));
        let (detail, seq) = (detail.unwrap(), record.head.seq);
        bench
            .tamper(&format!(
                "UPDATE kernel__audit SET hash = '{hash}', prev = '{prev}', nodes = {nodes}, \
                 at = {at}, detail = '{detail}' WHERE seq = {seq}"
            ))
            .await;
    }
}

async fn found(bench: &Bench, folder: &CheckpointFolder) -> Break {
    match verified(bench, folder).await.unwrap_err() {
        AuditFault::Broken(found) => found,
        AuditFault::Storage(e) => panic!("{e}"),
    }
}

#[tokio::test]
async fn dj_10_an_untouched_copy_holds_for_whoever_has_the_public_key() {
    on_each_engine(async |bench| {
        let dir = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::new(dir.path());
        let store = signed(bench, &folder).await;
        store.audit_append(vec![draft(13)]).await.unwrap();
        let whole = Verified {
            records: 13,
            checkpoints: 2,
            signed: 12,
        };
        assert_eq!(verified(bench, &folder).await.unwrap(), whole);
        let copy = AuditCopy::open(&bench.url).await.unwrap();
        let stranger = kernel_crypto::sm2::SigningKey::generate().unwrap();
        let keys = [stranger.verifying_key().unwrap()];
        let forged = copy.verify(&keys, Vec::new()).await.unwrap_err();
        assert!(matches!(forged, AuditFault::Broken(Break::Forged { .. })));
    })
    .await;
}

#[tokio::test]
async fn dj_10_alter_delete_reorder_and_truncate_are_located() {
    let cases: [(&[&str], Break); 6] = [
        (
            &["UPDATE kernel__audit SET actor = 'x' WHERE seq = 4"],
            Break::Altered { seq: 4 },
        ),
        (
            &["DELETE FROM kernel__audit WHERE seq = 7"],
            Break::Deleted { seq: 7, found: 8 },
        ),
        // Two records change places.
        (
            &[
                "UPDATE kernel__audit SET seq = -1 WHERE seq = 4",
                "UPDATE kernel__audit SET seq = 4 WHERE seq = 7",
                "UPDATE kernel__audit SET seq = 7 WHERE seq = -1",
            ],
            Break::Altered { seq: 4 },
        ),
        (
            &["UPDATE kernel__audit SET nodes = NULL WHERE seq = 8"],
            Break::Tree { seq: 8 },
        ),
        // The tail and its checkpoint go together: only the exported one knows.
        (
            &[
                "DELETE FROM kernel__audit WHERE seq > 10",
                "DELETE FROM kernel__checkpoints",
            ],
            Break::Truncated {
                last: 10,
                signed: 12,
            },
        ),
        (
            &[
                "DELETE FROM kernel__audit",
                "DELETE FROM kernel__checkpoints",
            ],
            Break::Truncated {
                last: 0,
                signed: 12,
            },
        ),
    ];
    for (statements, expected) in cases {
        on_each_engine(async |bench| {
            let dir = tempfile::tempdir().unwrap();
            let folder = CheckpointFolder::new(dir.path());
            let store = signed(bench, &folder).await;
            store.close().await;
            for sql in statements {
                bench.tamper(sql).await;
            }
            assert_eq!(found(bench, &folder).await, expected, "{statements:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn dj_10_a_trail_rehashed_forward_is_located_between_two_checkpoints() {
    on_each_engine(async |bench| {
        let dir = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::new(dir.path());
        let store = signed(bench, &folder).await;
        let forged = rewritten(&store, |seq, draft| {
            if seq == 9 {
                draft.detail = json!({"n": 9, "理由": "无"});
            }
        })
        .await;
        store.close().await;
        forge(bench, &forged, 9).await;
        let rewritten = Break::Rewritten { after: 6, seq: 12 };
        assert_eq!(found(bench, &folder).await, rewritten);
        // Without the database's own checkpoint and before the exported one, all seems well: that is
        // what the export is for.
        bench.tamper("DELETE FROM kernel__checkpoints").await;
        let nothing = tempfile::tempdir().unwrap();
        let nothing = CheckpointFolder::new(nothing.path());
        assert_eq!(verified(bench, &nothing).await.unwrap().records, 12);
        assert_eq!(found(bench, &folder).await, rewritten);
    })
    .await;
}

#[tokio::test]
async fn dj_10_a_clock_set_back_is_located_even_with_fitting_hashes() {
    on_each_engine(async |bench| {
        let dir = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::new(dir.path());
        let store = trail(bench).await;
        assert_eq!(store.audit_health().set_back, 0);
        let back = NOW - CLOCK_TOLERANCE - 60_000_000;
        let late = AuditDraft {
            at: back,
            ..draft(13)
        };
        // It is recorded all the same, and told at once.
        assert_eq!(store.audit_append(vec![late]).await.unwrap(), [13]);
        assert_eq!(store.audit_health().set_back, 1);
        let expected = Break::Backdated {
            seq: 13,
            at: back,
            after: NOW + 12,
        };
        assert_eq!(found(bench, &folder).await, expected);
        store.close().await;
    })
    .await;
    // Rewritten to an earlier time, with hashes that fit.
    on_each_engine(async |bench| {
        let dir = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::new(dir.path());
        let store = trail(bench).await;
        let back = NOW - 2 * CLOCK_TOLERANCE;
        let forged = rewritten(&store, |seq, draft| {
            if seq == 8 {
                draft.at = back;
            }
        })
        .await;
        store.close().await;
        forge(bench, &forged, 8).await;
        let expected = Break::Backdated {
            seq: 8,
            at: back,
            after: NOW + 7,
        };
        assert_eq!(found(bench, &folder).await, expected);
    })
    .await;
}

#[tokio::test]
async fn dj_10_nothing_removes_a_record_for_its_age() {
    const DAY: i64 = 86_400_000_000;
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        for day in [30, 179, 200, 400] {
            let later = AuditDraft {
                at: NOW + day * DAY,
                ..draft(day)
            };
            store.audit_append(vec![later]).await.unwrap();
            store.audit_checkpoint(NOW + day * DAY).await.unwrap();
        }
        store.close().await;
        let store = bench.open().await;
        let oldest = AuditFilter {
            to: Some(NOW + 2),
            ..AuditFilter::default()
        };
        assert_eq!(store.audit_find(&oldest, 1, 0).await.unwrap().total, 1);
        assert_eq!(store.audit_verify().await.unwrap(), 16);
    })
    .await;
    // No statement of this crate takes a record or a checkpoint away, and only the planting of the
    // tree changes one.
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    let mut updates = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for table in ["kernel__audit", "kernel__checkpoints"] {
                assert!(!text.contains(&format!("DELETE FROM {table}")), "{path:?}");
                updates += text.matches(&format!("UPDATE {table}")).count();
            }
        }
    }
    assert_eq!(updates, 1);
}

#[tokio::test]
async fn dj_11_when_the_trail_cannot_be_written_nothing_else_is_and_the_alarm_stands() {
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        assert!(!store.audit_health().down);
        bench
            .tamper("ALTER TABLE kernel__audit RENAME TO hidden")
            .await;
        let mut sensitive = commit(vec![order(77, json!({}))]);
        sensitive.audit = vec![draft(13)];
        assert!(store.commit(sensitive.clone()).await.is_err());
        assert!(store.audit_append(vec![draft(13)]).await.is_err());
        assert_eq!(get(&store, 77).await, None);
        let health = store.audit_health();
        assert!(health.down && health.failures >= 2, "{health:?}");

        bench
            .tamper("ALTER TABLE hidden RENAME TO kernel__audit")
            .await;
        assert_eq!(store.commit(sensitive).await.unwrap().audit, [13]);
        assert!(get(&store, 77).await.is_some());
        assert!(!store.audit_health().down);
        assert_eq!(store.audit_verify().await.unwrap(), 13);
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_is_due_after_a_thousand_records() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        let many = |from: i64, to: i64| (from..to).map(draft).collect::<Vec<_>>();
        store.audit_append(many(0, 999)).await.unwrap();
        let due = || store.audit_checkpoint_due().notified().now_or_never();
        assert_eq!(due(), None);
        assert_eq!(store.audit_health().unsigned, 999);
        store.audit_append(many(999, 1000)).await.unwrap();
        assert_eq!(due(), Some(()));
        let point = store.audit_checkpoint(NOW + 1000).await.unwrap().unwrap();
        assert_eq!(point.statement.seq, 1000);
        assert_eq!(store.audit_health().unsigned, 0);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_write_one_trail() {
    on_each_engine(async |bench| {
        let (one, two) = (bench.stocked().await, bench.open().await);
        for n in 0..20 {
            let store = if n % 3 == 0 { &one } else { &two };
            store.audit_append(vec![draft(n)]).await.unwrap();
            // A commit that comes to nothing after it has appended leaves no trace in the tree.
            let mut refused = commit(vec![order(1, json!({"shelf": crate::bench::id(404)}))]);
            refused.audit = vec![draft(n)];
            assert!(store.commit(refused).await.is_err());
        }
        let point = one.audit_checkpoint(NOW + 20).await.unwrap().unwrap();
        assert_eq!(two.audit_checkpoint(NOW + 20).await.unwrap(), None);
        assert_eq!(two.audit_checkpoint_last().await.unwrap(), Some(point));
        assert_eq!(two.audit_verify().await.unwrap(), 20);
    })
    .await;
}

#[tokio::test]
async fn a_record_and_the_growth_are_proven_with_the_public_key_only() {
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        let first = store.audit_checkpoint(NOW + 12).await.unwrap().unwrap();
        let more = (13..=40).map(draft).collect();
        store.audit_append(more).await.unwrap();
        let last = store.audit_checkpoint(NOW + 40).await.unwrap().unwrap();
        let pem = bench.keys.public_pem(SignKey::Audit).unwrap();
        let keys = [VerifyingKey::from_pem(&pem).unwrap()];
        for seq in 1..=40 {
            let covering = store.audit_checkpoint_over(seq).await.unwrap().unwrap();
            assert_eq!(
                covering,
                if seq <= 12 {
                    first.clone()
                } else {
                    last.clone()
                }
            );
            let proof = store.audit_prove(seq, covering).await.unwrap().unwrap();
            let text = serde_json::to_string(&proof).unwrap();
            let read: Proof = serde_json::from_str(&text).unwrap();
            assert_eq!(read.check(&keys), Ok(()), "{text}");
        }
        assert_eq!(store.audit_prove(13, first.clone()).await.unwrap(), None);
        assert_eq!(store.audit_prove(0, first.clone()).await.unwrap(), None);
        let growth = store.audit_prove_growth(first.clone(), last.clone()).await;
        assert_eq!(growth.unwrap().unwrap().check(&keys), Ok(()));
        let backwards = store.audit_prove_growth(last, first).await;
        assert_eq!(backwards.unwrap(), None);
    })
    .await;
}

/// A database as the release before the tree left it.
#[tokio::test]
async fn a_trail_from_before_the_tree_is_planted_and_its_checkpoints_still_hold() {
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        let records = rewritten(&store, |_, _| {}).await;
        let old = sign(bench, records[9].head, None, NOW + 10);
        store.close().await;
        let signature = old.signature.iter().map(|byte| format!("{byte:02x}"));
        let signature: String = signature.collect();
        for sql in [
            "ALTER TABLE kernel__audit DROP COLUMN nodes",
            "ALTER TABLE kernel__checkpoints DROP COLUMN root",
            "ALTER TABLE kernel__checkpoints DROP COLUMN signer",
            "DELETE FROM kernel__migrations WHERE version = 2",
            &format!(
                "INSERT INTO kernel__checkpoints (seq, hash, at, signature) \
                 VALUES (10, '{}', {}, '{signature}')",
                old.statement.hash, old.statement.at
            ),
        ] {
            bench.tamper(sql).await;
        }
        let store = bench.open().await;
        assert_eq!(store.audit_checkpoint_at(10).await.unwrap(), Some(old));
        assert_eq!(store.audit_verify().await.unwrap(), 12);
        store.audit_append(vec![draft(13)]).await.unwrap();
        let new = store.audit_checkpoint(NOW + 13).await.unwrap().unwrap();
        assert!(new.statement.tree.is_some());
        // The old checkpoint has no root, so a record before it is proven by the new one.
        assert_eq!(
            store.audit_checkpoint_over(3).await.unwrap(),
            Some(new.clone())
        );
        let proof = store.audit_prove(3, new).await.unwrap().unwrap();
        assert_eq!(
            proof.check(&bench.keys.verifying_keys(SignKey::Audit)),
            Ok(())
        );
        store.close().await;

        // The same with a record missing: a tree over the gap would hide it.
        for sql in [
            "DELETE FROM kernel__audit WHERE seq = 5",
            "ALTER TABLE kernel__audit DROP COLUMN nodes",
            "ALTER TABLE kernel__checkpoints DROP COLUMN root",
            "ALTER TABLE kernel__checkpoints DROP COLUMN signer",
            "DELETE FROM kernel__migrations WHERE version = 2",
        ] {
            bench.tamper(sql).await;
        }
        let refused = Store::open(&bench.url, std::sync::Arc::clone(&bench.keys)).await;
        let Err(refused) = refused else {
            panic!("it opened")
        };
        assert!(refused.to_string().contains("no record 5"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn exported_checkpoints_are_kept_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("far").join("away");
    let folder = CheckpointFolder::new(&path);
    assert_eq!(
        (folder.last().unwrap(), folder.read().unwrap().len()),
        (0, 0)
    );
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        let point = store.audit_checkpoint(NOW + 12).await.unwrap().unwrap();
        let path = path.join(store.engine().name());
        let folder = CheckpointFolder::new(&path);
        folder.write(&point).unwrap();
        let mut other = point.clone();
        other.statement.at += 1;
        folder.write(&other).unwrap();
        std::fs::write(path.join("notes.txt"), "not a checkpoint").unwrap();
        assert_eq!(folder.read().unwrap(), [point]);
        assert_eq!(folder.last().unwrap(), 12);
        let part = path.join("000000000000000");
        assert!(part.join("00000000000000000012.checkpoint.json").is_file());
        std::fs::write(part.join("00000000000000000013.checkpoint.json"), "{").unwrap();
        assert_eq!(folder.last().unwrap(), 13);
        assert!(folder.read().is_err());
    })
    .await;
}
