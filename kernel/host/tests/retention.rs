//! Records whose time is over: deleted by the platform as a person would, brought back for a reason
//! and left alone then, and gone with what their history has of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and says what it skips"
)]

#[path = "support/host.rs"]
mod support;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_host::clock::TestClock;
use kernel_host::{Act, Engines, Host, KeptCode, Limits};
use kernel_storage::{AuditFilter, CollectionName, Commit, HistoryState, RowFilter};
use sdk_contract::call::{Ask, Write};
use sdk_contract::query::Query;
use sdk_contract::scalar::Timestamp;
use serde_json::{Value, json};
use support::{TestHost, person};

const DAY: i64 = 24 * 3600;
const SUBJECT: &str = "01930000-0000-7000-8000-00000000e001";

fn quotas() -> CollectionName {
    CollectionName::new("lending", "quotas")
}

fn id(n: u32) -> String {
    format!("01930000-0000-7000-8000-{n:012x}")
}

/// The city's plugins, and estimates of so many days ago; none without guests.
async fn city(limits: Option<Limits>, ages: &[i64]) -> Option<(TestHost, Arc<TestClock>)> {
    city_in(Arc::new(tempfile::tempdir().unwrap()), limits, ages).await
}

/// The same in a folder.
async fn city_in(
    data: Arc<tempfile::TempDir>,
    limits: Option<Limits>,
    ages: &[i64],
) -> Option<(TestHost, Arc<TestClock>)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration file"
    )]
    let Ok(guests) = std::env::var("RONGQIAO_GUESTS").map(PathBuf::from) else {
        println!("skipped: RONGQIAO_GUESTS is not set");
        return None;
    };
    let keys = KeyRing::open_or_create(&guests.join("keys"), None).unwrap();
    let code = KeptCode::open(&guests.join("code"), Arc::new(keys)).unwrap();
    let engines = Engines::keeping(Arc::new(code)).unwrap();
    let (clock, policy) = support::usual();
    let plugins = guests.join("plugins");
    let given = (Arc::clone(&clock), policy);
    let test = match limits {
        None => TestHost::start(given, None, data, &plugins, engines).await,
        Some(limits) => TestHost::limited(given, None, data, &plugins, engines, limits).await,
    };
    let products = Query::new("market.products").limit(1);
    let products = test.host.store().find(&products, &RowFilter::All).await;
    let product = products.unwrap().records.remove(0)["id"].clone();
    for (n, days) in (1..).zip(ages) {
        let at = Timestamp(support::NOW).plus_seconds(-days * DAY);
        let values = json!({
            "product": product, "product_name": "税易贷", "institution_name": "示范银行",
            "low": "100000.00", "high": "500000.00", "reasons": ["纳税稳定"],
            "certificate": "C-1", "estimated_at": at.to_string(),
        });
        let commit = Commit {
            at: at.micros(),
            module: "lending".into(),
            action: "lending.quota.estimate".into(),
            writes: vec![Write::Insert {
                collection: "quotas".into(),
                id: id(n),
                subject: Some(SUBJECT.into()),
                organisation: None,
                district: None,
                values: serde_json::from_value(values).unwrap(),
            }],
            ..Commit::default()
        };
        test.host.store().commit(commit).await.unwrap();
    }
    Some((test, clock))
}

async fn there(host: &Host, n: u32) -> bool {
    let found = host.store().get(&quotas(), &id(n), &RowFilter::All).await;
    found.unwrap().is_some()
}

/// The row of a deletion, if the record was deleted.
async fn deletion(host: &Host, n: u32) -> Option<serde_json::Map<String, Value>> {
    let rows = Query::new("console.deletions");
    let found = host.store().find(&rows, &RowFilter::All);
    let found = found.await.unwrap().records;
    found
        .into_iter()
        .find(|row| row["record"] == id(n).as_str())
}

#[tokio::test]
async fn pi_03_a_record_whose_time_is_over_is_deleted_kept_a_while_and_erased() {
    let Some((test, clock)) = city(None, &[366, 364]).await else {
        return;
    };
    let host = &test.host;
    assert_eq!(host.delete_expired().await.unwrap(), 1);
    assert_eq!((there(host, 1).await, there(host, 2).await), (false, true));
    assert_eq!(host.delete_expired().await.unwrap(), 0, "once");
    let row = deletion(host, 1).await.unwrap();
    let said = ["what", "by_name", "reason", "status"].map(|name| &row[name]);
    assert_eq!(
        said,
        ["lending.quotas", "平台", "保存期限 365 天届满", "kept"]
    );
    // Its time as a deleted record is not over.
    assert_eq!(host.purge_due().await.unwrap(), 0);

    // Thirty days later it is gone, and what its history had of it; by then the other is due too.
    clock.advance_seconds(31 * DAY);
    assert_eq!(host.purge_due().await.unwrap(), 1);
    let (of, first) = (quotas(), id(1));
    let kept = host.store().get_kept(&of, &first, &RowFilter::All);
    assert_eq!(kept.await.unwrap(), None);
    let past = host.store().changes(&quotas(), &id(1)).await.unwrap();
    assert_eq!(past.len(), 2, "that there were changes stays");
    assert!(
        past.iter()
            .all(|c| c.before.is_none() && c.after.is_empty())
    );
    assert_eq!(host.delete_expired().await.unwrap(), 1);
    assert!(!there(host, 2).await);

    // The trail tells of it, and does not take what was erased for altered.
    let filter = AuditFilter {
        action: Some("console.retention.delete".into()),
        ..AuditFilter::default()
    };
    let store = host.store();
    let deleted = store.audit_find(&filter, 9, 0);
    let deleted = deleted.await.unwrap().records;
    assert_eq!(deleted.len(), 2);
    let of_first = deleted.iter().find(|r| r.draft.object == id(1)).unwrap();
    assert_eq!(of_first.draft.detail["days"], 365);
    let state = store.audit_changes_kept(&of_first.draft).await.unwrap();
    assert_eq!(state, Some(HistoryState::Erased));
    let of_second = deleted.iter().find(|r| r.draft.object == id(2)).unwrap();
    let state = store.audit_changes_kept(&of_second.draft).await.unwrap();
    assert_eq!(state, Some(HistoryState::Whole));
    store.audit_verify().await.unwrap();
}

#[tokio::test]
async fn dj_14_one_that_was_changed_in_the_database_stays_and_keeps_no_other() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let Some((test, _)) = city_in(Arc::clone(&data), None, &[366, 367, 366]).await else {
        return;
    };
    let host = &test.host;
    let change = format!(
        "UPDATE lending__quotas SET high = high + 1 WHERE id = '{}'",
        id(2)
    );
    tests_scratch::tamper_file(&data.path().join("store.db"), &change).unwrap();
    assert_eq!(host.delete_expired().await.unwrap(), 2);
    assert_eq!((there(host, 1).await, there(host, 3).await), (false, false));
    let rows = Query::new("lending.quotas");
    let found = host.store().list(&rows, &RowFilter::All).await.unwrap();
    assert_eq!(found.altered.len(), 1);
    assert_eq!(found.altered[0].id, id(2));
    assert_eq!(deletion(host, 2).await, None);
}

#[tokio::test]
async fn pi_03_what_was_brought_back_for_a_reason_stays() {
    let Some((test, _)) = city(None, &[400]).await else {
        return;
    };
    let host = &test.host;
    assert_eq!(host.delete_expired().await.unwrap(), 1);
    let row = deletion(host, 1).await.unwrap();
    let restore = Act {
        module: "console".into(),
        action: "deletion.restore".into(),
        id: row["id"].as_str().map(str::to_owned),
        input: json!({"reason": "诉讼需要"}),
        ..Act::default()
    };
    host.act(&person("platform.operator"), restore)
        .await
        .unwrap();
    assert!(there(host, 1).await);
    assert_eq!(host.delete_expired().await.unwrap(), 0);
    assert!(there(host, 1).await);
}

#[tokio::test]
async fn pi_03_the_deployment_sets_other_days_and_the_page_says_what_holds() {
    let days = BTreeMap::from([("lending.quotas".to_owned(), NonZeroU32::new(30).unwrap())]);
    let limits = Limits {
        retention: days,
        ..Limits::default()
    };
    let Some((test, _)) = city(Some(limits), &[31, 29]).await else {
        return;
    };
    let host = &test.host;
    let page = |role: &str| {
        let ask = Ask {
            path: "/console/retention".into(),
            ..Ask::default()
        };
        let caller = person(role);
        async move { host.page(&caller, "console", ask).await }
    };
    let shown = page("platform.security").await.unwrap();
    let shown = serde_json::to_string(&shown).unwrap();
    assert!(shown.contains("30 天（模块建议 365 天）"), "{shown}");
    assert!(shown.contains("主体或业务存续期间"), "{shown}");
    assert!(page("enterprise.admin").await.is_err());
    assert_eq!(host.delete_expired().await.unwrap(), 1);
    assert_eq!((there(host, 1).await, there(host, 2).await), (false, true));
}
