use kernel_crypto::chain::Break;
use kernel_storage::{AuditDraft, AuditFault, AuditFilter, Store};
use serde_json::json;

use crate::bench::{Bench, NOW, commit, id, on_each_engine, order};

pub(crate) fn draft(n: i64) -> AuditDraft {
    AuditDraft {
        at: NOW + n,
        actor: format!("user-{}", n % 2),
        organisation: Some("org".into()),
        subject: None,
        action: if n % 3 == 0 {
            "session.login".into()
        } else {
            "desk.order.read".into()
        },
        object: format!("desk.orders/{n}"),
        outcome: "ok".into(),
        detail: json!({"n": n, "理由": "查询"}),
        request: format!("r-{n}"),
    }
}

/// Twelve records: eleven alone, one with a commit.
pub(crate) async fn trail(bench: &Bench) -> Store {
    let store = bench.stocked().await;
    for n in 1..=5 {
        assert_eq!(
            store.audit_append(vec![draft(n)]).await.unwrap(),
            [n.cast_unsigned()]
        );
    }
    let mut with_audit = commit(vec![order(2, json!({}))]);
    with_audit.audit = vec![draft(6)];
    assert_eq!(store.commit(with_audit).await.unwrap().audit, [6]);
    assert_eq!(
        store
            .audit_append((7..=12).map(draft).collect())
            .await
            .unwrap()
            .len(),
        6
    );
    store
}

#[tokio::test]
async fn dj_09_the_trail_is_gapless_and_verifies() {
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        assert_eq!(store.audit_verify().await.unwrap(), 12);
        // A refused commit leaves no record and no gap.
        let mut refused = commit(vec![order(2, json!({}))]);
        refused.audit = vec![draft(13)];
        assert!(store.commit(refused).await.is_err());
        assert_eq!(store.audit_append(vec![draft(13)]).await.unwrap(), [13]);

        let many = (0..40).map(|n| store.audit_append(vec![draft(n)]));
        let mut seqs: Vec<u64> = futures_util::future::join_all(many)
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .collect();
        seqs.sort_unstable();
        assert_eq!(seqs, (14..=53).collect::<Vec<_>>());
        assert_eq!(store.audit_verify().await.unwrap(), 53);
    })
    .await;
}

#[tokio::test]
async fn pi_02_the_trail_is_searched_by_whose_data_it_is_about() {
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        let (one, other) = (id(7001), id(7002));
        let about = |n, parties: &[&String]| {
            draft(n).about(&parties.iter().map(|p| (*p).clone()).collect())
        };
        let drafts = vec![
            about(13, &[&one, &other]),
            about(14, &[&other]),
            about(15, &[]),
        ];
        store.audit_append(drafts).await.unwrap();
        let find = async |party: &str| {
            let filter = AuditFilter {
                party: Some(party.to_owned()),
                ..AuditFilter::default()
            };
            let page = store.audit_find(&filter, 9, 0).await.unwrap();
            let seqs = page.records.iter().map(|r| r.seq);
            (page.total, seqs.collect::<Vec<_>>())
        };
        assert_eq!(find(&one).await, (1, vec![13]));
        assert_eq!(find(&other).await, (2, vec![14, 13]));
        assert_eq!(find(&id(7003)).await, (0, vec![]));
        // Under the hash like all else of a record: it is no claim of the table's.
        let filter = AuditFilter {
            seq: Some(13),
            ..AuditFilter::default()
        };
        let mut record = store
            .audit_find(&filter, 1, 0)
            .await
            .unwrap()
            .records
            .remove(0);
        assert!(record.intact());
        let mut parties: Vec<&str> = record.draft.parties().collect();
        parties.sort_unstable();
        assert_eq!(parties, [one.as_str(), other.as_str()]);
        record.draft = about(13, &[&one]);
        assert!(!record.intact());
        assert_eq!(store.audit_verify().await.unwrap(), 15);
    })
    .await;
}

#[tokio::test]
async fn the_trail_is_searched_newest_first() {
    on_each_engine(async |bench| {
        let store = trail(bench).await;
        let find = async |filter: AuditFilter| {
            let page = store.audit_find(&filter, 3, 0).await.unwrap();
            (
                page.total,
                page.records.iter().map(|r| r.seq).collect::<Vec<_>>(),
            )
        };
        let all = AuditFilter::default();
        assert_eq!(find(all.clone()).await, (12, vec![12, 11, 10]));
        assert_eq!(
            find(AuditFilter {
                actors: vec!["user-1".into()],
                ..all.clone()
            })
            .await,
            (6, vec![11, 9, 7])
        );
        assert_eq!(
            find(AuditFilter {
                action: Some("session.".into()),
                ..all.clone()
            })
            .await,
            (4, vec![12, 9, 6])
        );
        assert_eq!(
            find(AuditFilter {
                objects: vec!["desk.orders/4".into(), "desk.orders/none".into()],
                ..all.clone()
            })
            .await,
            (1, vec![4])
        );
        assert_eq!(
            find(AuditFilter {
                from: Some(NOW + 3),
                to: Some(NOW + 5),
                ..all.clone()
            })
            .await,
            (2, vec![4, 3])
        );
        let refused = AuditDraft {
            outcome: "refused".into(),
            ..draft(13)
        };
        store.audit_append(vec![refused]).await.unwrap();
        let outcome = |done| AuditFilter {
            done: Some(done),
            ..all.clone()
        };
        assert_eq!(find(outcome(false)).await, (1, vec![13]));
        assert_eq!(find(outcome(true)).await, (12, vec![12, 11, 10]));
        let one = AuditFilter {
            seq: Some(7),
            ..all.clone()
        };
        let found = store.audit_find(&one, 1, 0).await.unwrap();
        let mut record = found.records[0].clone();
        assert_eq!((found.total, record.seq), (1, 7));
        assert!(record.intact());
        record.draft.object = "desk.orders/8".into();
        assert!(!record.intact(), "another content has another hash");
        let page = store.audit_find(&all, 3, 12).await.unwrap();
        assert_eq!(page.records[0].draft, draft(1));
        assert!(store.audit_find(&all, 201, 0).await.is_err());
    })
    .await;
}

async fn broken(bench: &Bench, sql: &str) -> Break {
    let store = trail(bench).await;
    store.audit_checkpoint(NOW).await.unwrap().unwrap();
    bench.tamper(sql).await;
    match store.audit_verify().await.unwrap_err() {
        AuditFault::Broken(found) => found,
        AuditFault::Storage(e) => panic!("{e}"),
    }
}

#[tokio::test]
async fn altered_content_is_found() {
    on_each_engine(async |bench| {
        let sql = r#"UPDATE kernel__audit SET detail = '{"n":99}' WHERE seq = 4"#;
        assert_eq!(broken(bench, sql).await, Break::Altered { seq: 4 });
    })
    .await;
}

#[tokio::test]
async fn unreadable_content_is_found() {
    on_each_engine(async |bench| {
        let sql = "UPDATE kernel__audit SET hash = 'x' WHERE seq = 12";
        assert!(matches!(broken(bench, sql).await, Break::Altered { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_record_is_found() {
    on_each_engine(async |bench| {
        let sql = "DELETE FROM kernel__audit WHERE seq = 7";
        assert_eq!(
            broken(bench, sql).await,
            Break::Deleted { seq: 7, found: 8 }
        );
    })
    .await;
}

#[tokio::test]
async fn a_cut_off_tail_is_found_by_the_checkpoint() {
    on_each_engine(async |bench| {
        let sql = "DELETE FROM kernel__audit WHERE seq > 10";
        assert_eq!(
            broken(bench, sql).await,
            Break::Truncated {
                last: 10,
                signed: 12
            }
        );
    })
    .await;
}

#[tokio::test]
async fn checkpoints_are_made_once_per_end() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        assert_eq!(store.audit_checkpoint(NOW).await.unwrap(), None);
        store.audit_append(vec![draft(1)]).await.unwrap();
        let point = store.audit_checkpoint(NOW).await.unwrap().unwrap();
        assert_eq!((point.statement.seq, point.statement.at), (1, NOW));
        assert_eq!(store.audit_checkpoint(NOW + 1).await.unwrap(), None);
        store.audit_append(vec![draft(2)]).await.unwrap();
        assert_eq!(store.audit_verify().await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_long_trail_is_verified_page_by_page() {
    on_each_engine(async |bench| {
        let store = bench.stocked().await;
        for part in 0..5 {
            store
                .audit_append((0..500).map(|n| draft(part * 500 + n)).collect())
                .await
                .unwrap();
            store.audit_checkpoint(NOW).await.unwrap().unwrap();
        }
        assert_eq!(store.audit_verify().await.unwrap(), 2500);
        bench
            .tamper("UPDATE kernel__audit SET actor = 'x' WHERE seq = 2001")
            .await;
        let found = store.audit_verify().await.unwrap_err();
        assert!(
            matches!(found, AuditFault::Broken(Break::Altered { seq: 2001 })),
            "{found}"
        );
    })
    .await;
}
