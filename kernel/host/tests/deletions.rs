//! Deleted records as people look after them: restored by the operator, held by the auditor, purged
//! by the platform when their time has passed.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/host.rs"]
mod support;

use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_host::{Act, Engines, Host, KeptCode};
use kernel_storage::{AuditFilter, CollectionName, Commit, RowFilter};
use sdk_contract::call::Write;
use sdk_contract::def::ModuleDef;
use sdk_contract::error::FaultKind;
use serde_json::{Value, json};
use support::{TestHost, person};

const RECORD: &str = "01930000-0000-7000-8000-00000000d001";
const ROW: &str = "01930000-0000-7000-8000-00000000d002";
/// A day before and a day after the host's clock.
const PASSED: &str = "2026-11-22T08:00:00Z";
const TO_COME: &str = "2026-11-24T08:00:00Z";

fn module() -> ModuleDef {
    let label = json!({"zh": "信件", "en": ""});
    serde_json::from_value(json!({
        "id": "post", "label": label,
        "collections": [{
            "name": "letters", "entity": "letter", "label": label, "title": "number",
            "shard": "aggregate", "audited": true, "read": "letter.read", "keep_deleted": 30,
            "fields": [{"name": "number", "label": label, "kind": "text", "max": 20}],
        }],
    }))
    .unwrap()
}

fn insert(collection: &str, id: &str, values: Value) -> Write {
    Write::Insert {
        collection: collection.into(),
        id: id.into(),
        subject: None,
        organisation: None,
        district: None,
        values: serde_json::from_value(values).unwrap(),
    }
}

fn letters() -> CollectionName {
    CollectionName::new("post", "letters")
}

async fn started(until: &str) -> TestHost {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let plugins = data.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let keys = Arc::new(KeyRing::open_or_create(&data.path().join("code-keys"), None).unwrap());
    let code = KeptCode::open(&data.path().join("code"), keys).unwrap();
    let engines = Engines::keeping(Arc::new(code)).unwrap();
    let test = TestHost::start(support::usual(), None, Arc::clone(&data), &plugins, engines).await;
    let store = test.host.store();
    store.apply(&module(), 1).await.unwrap();
    let deletion = json!({
        "what": "post.letters", "label": "信件", "record": RECORD, "title": "RQ-1",
        "by_name": "王芳", "until": until, "status": "kept",
    });
    let commits = [
        (
            vec![insert("letters", RECORD, json!({"number": "RQ-1"}))],
            vec![],
        ),
        (
            vec![Write::Delete {
                collection: "letters".into(),
                id: RECORD.into(),
                revision: 1,
            }],
            vec![("console".to_owned(), insert("deletions", ROW, deletion))],
        ),
    ];
    for (writes, others) in commits {
        let commit = Commit {
            at: 2,
            module: "post".into(),
            writes,
            others,
            ..Commit::default()
        };
        store.commit(commit).await.unwrap();
    }
    test
}

async fn act(host: &Host, role: &str, verb: &str) -> Result<(), FaultKind> {
    let act = Act {
        module: "console".into(),
        action: format!("deletion.{verb}"),
        id: Some(ROW.into()),
        input: json!({"reason": "案件调查"}),
        ..Act::default()
    };
    let done = host.act(&person(role), act).await;
    done.map(drop).map_err(|fault| fault.kind)
}

async fn there(host: &Host) -> (bool, bool) {
    let (store, all) = (host.store(), &RowFilter::All);
    let seen = store.get(&letters(), RECORD, all).await.unwrap();
    let kept = store.get_kept(&letters(), RECORD, all).await.unwrap();
    (seen.is_some(), kept.is_some())
}

#[tokio::test]
async fn the_operator_restores() {
    let test = started(TO_COME).await;
    let host = &test.host;
    assert_eq!(there(host).await, (false, true));
    assert_eq!(host.purge_due().await.unwrap(), 0);
    let refused = act(host, "platform.auditor", "restore").await;
    assert_eq!(refused, Err(FaultKind::Forbidden));
    act(host, "platform.operator", "restore").await.unwrap();
    assert_eq!(there(host).await, (true, true));
    let past = host.store().changes(&letters(), RECORD).await.unwrap();
    let last = past.last().unwrap();
    assert_eq!(last.action.as_deref(), Some("console.deletion.restore"));
    assert_eq!(last.note.as_deref(), Some("案件调查"));
    // Once.
    let again = act(host, "platform.operator", "restore").await;
    assert_eq!(again, Err(FaultKind::Conflict));
}

#[tokio::test]
async fn pi_03_a_held_record_outlives_its_time_and_a_purge_is_audited() {
    let test = started(PASSED).await;
    let host = &test.host;
    let refused = act(host, "platform.operator", "hold").await;
    assert_eq!(refused, Err(FaultKind::Forbidden));
    act(host, "platform.auditor", "hold").await.unwrap();
    assert_eq!(host.purge_due().await.unwrap(), 0);
    let refused = act(host, "platform.operator", "restore").await;
    assert_eq!(refused, Err(FaultKind::Conflict), "not while it is held");
    assert_eq!(there(host).await, (false, true));

    act(host, "platform.security", "release").await.unwrap();
    assert_eq!(host.purge_due().await.unwrap(), 1);
    assert_eq!(there(host).await, (false, false));
    assert_eq!(host.purge_due().await.unwrap(), 0);
    let filter = AuditFilter {
        action: Some("console.deletion.purge".into()),
        ..AuditFilter::default()
    };
    let found = host.store().audit_find(&filter, 9, 0).await.unwrap();
    assert_eq!(found.records.len(), 1);
    assert_eq!(found.records[0].draft.object, RECORD);
    let past = host.store().changes(&letters(), RECORD).await.unwrap();
    assert_eq!(past.len(), 2, "its history stays");
    let row = host
        .get(&person("platform.auditor"), "console.deletions", ROW)
        .await
        .unwrap();
    assert_eq!(row["status"], "purged");
    host.store().audit_verify().await.unwrap();
}
