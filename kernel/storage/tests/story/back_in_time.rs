//! PostgreSQL goes back to a moment between two backups, as docs/operations.md says: what stood then
//! stands again, to the last digest, and what came later is gone as if it had not been.

use kernel_storage::{AuditDraft, StoreUrl};
use serde_json::json;

use crate::bench::{Bench, commit, get, id, order};
use crate::server::Server;

#[tokio::test]
async fn dj_16_the_database_goes_back_to_any_moment_of_its_log() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    server.archive().await;
    let bench = Bench::at(StoreUrl::Postgres(server.url()));
    let store = bench.stocked().await;
    let write = async |n: u32| {
        let phone = json!({"shelf": id(1), "phone": "13800001234"});
        let mut both = commit(vec![order(n, phone)]);
        both.audit = vec![AuditDraft {
            object: id(n),
            ..AuditDraft::default()
        }];
        store.commit(both).await.unwrap();
    };
    for n in 1000..1040 {
        write(n).await;
    }
    let then = store.contents().await.unwrap();
    let records = store.audit_verify().await.unwrap();
    let moment: String = server.ask("SELECT clock_timestamp()::text").await;
    for n in 1040..1080 {
        write(n).await;
    }
    assert_ne!(store.contents().await.unwrap(), then);
    store.close().await;

    server.go_back(&moment).await;
    let store = bench.open().await;
    assert_eq!(store.contents().await.unwrap(), then);
    assert_eq!(store.audit_verify().await.unwrap(), records);
    assert!(get(&store, 1039).await.is_some());
    assert!(get(&store, 1040).await.is_none());
    // It goes on from there.
    let again = commit(vec![order(1040, json!({"shelf": id(1)}))]);
    store.commit(again).await.unwrap();
    assert!(get(&store, 1040).await.is_some());
    store.close().await;
}
