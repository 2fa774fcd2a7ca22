//! What whoever operates the platform sees of how it is: its availability, and time stamps that are late.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/host.rs"]
mod support;

use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_host::clock::TestClock;
use kernel_host::{Engines, Host, KeptCode};
use kernel_identity::module::{MODULE, TIMESTAMPS};
use kernel_storage::{Commit, RowFilter};
use sdk_contract::call::{Ask, Write};
use sdk_contract::error::FaultKind;
use sdk_contract::query::Query;
use sdk_contract::scalar::Timestamp;
use serde_json::json;
use support::{TestHost, person};

/// A host without plugins.
async fn host() -> (TestHost, Arc<TestClock>) {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let plugins = data.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let keys = Arc::new(KeyRing::open_or_create(&data.path().join("code-keys"), None).unwrap());
    let code = KeptCode::open(&data.path().join("code"), keys).unwrap();
    let engines = Engines::keeping(Arc::new(code)).unwrap();
    let (clock, policy) = support::usual();
    let given = (Arc::clone(&clock), policy);
    let test = TestHost::start(given, None, data, &plugins, engines).await;
    (test, clock)
}

#[tokio::test]
async fn op_01_minutes_are_marked_once_and_what_nobody_marked_is_shown() {
    let (test, clock) = host().await;
    let host = &test.host;

    // 16:00 to 16:05, and 16:10 to 16:11.
    for skipped in [1, 1, 1, 1, 1, 5, 1] {
        host.mark_minute().await.unwrap();
        host.mark_minute().await.unwrap();
        clock.advance_seconds(60 * skipped);
    }
    host.mark_minute().await.unwrap();
    let days = Query::new("console.uptime-days");
    let days = host.store().find(&days, &RowFilter::All).await.unwrap();
    let row = days.records.first().unwrap();
    assert_eq!(days.records.len(), 1);
    assert_eq!(
        row.get("minutes").unwrap().to_string(),
        "[[960,965],[970,971]]"
    );
    assert_eq!(row.get("revision").unwrap(), 8, "once a minute");

    let ask = || Ask {
        path: "/console/availability".into(),
        ..Ask::default()
    };
    let operator = person("platform.operator");
    let page = host.page(&operator, "console", ask()).await.unwrap();
    let page = serde_json::to_string(&page).unwrap();
    for part in ["63.63%", "2026-11-23 16:06", "2026-11-23 16:10", "4 分钟"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let refused = host.page(&person("bank.officer"), "console", ask()).await;
    assert_eq!(refused.unwrap_err().kind, FaultKind::Forbidden);
}

/// A signature's row that waits for its stamp since a moment.
async fn waits(host: &Host, n: u32, since: Timestamp, why: &str) {
    let values = json!({
        "signature": format!("S{n}"), "due_at": since.to_string(), "attempts": 1, "why": why,
    });
    let commit = Commit {
        at: since.micros(),
        module: MODULE.into(),
        writes: vec![Write::Insert {
            collection: TIMESTAMPS.into(),
            id: format!("01930000-0000-7000-8000-{n:012x}"),
            subject: None,
            organisation: None,
            district: None,
            values: serde_json::from_value(values).unwrap(),
        }],
        ..Commit::default()
    };
    host.store().commit(commit).await.unwrap();
}

#[tokio::test]
async fn mm_4h_late_stamps_are_on_the_operators_home_page_and_in_the_list_of_what_is_done() {
    let (test, clock) = host().await;
    let host = &test.host;
    let operator = person("platform.operator");
    let schedules = || Ask {
        path: "/console/schedules".into(),
        ..Ask::default()
    };
    let home = async || serde_json::to_string(&host.home(&operator).await.unwrap()).unwrap();
    let page = async || {
        let page = host.page(&operator, "console", schedules()).await.unwrap();
        serde_json::to_string(&page).unwrap()
    };
    assert!(!page().await.contains("签名时间戳"), "nobody is asked");
    let now = Timestamp(support::NOW);
    waits(host, 1, now, "应答的签名不成立").await;
    assert!(page().await.contains("签名时间戳"));
    assert!(!home().await.contains("没有加盖时间戳"));

    clock.advance_seconds(3_700);
    waits(host, 2, now.plus_seconds(3_600), "机构的证书已被吊销").await;
    for shown in [home().await, page().await] {
        assert!(
            shown.contains("有 1 个签名超过一小时没有加盖时间戳"),
            "{shown}"
        );
        assert!(
            shown.contains("机构的证书已被吊销"),
            "the last reason: {shown}"
        );
    }
    let other = host.home(&person("platform.security")).await.unwrap();
    let other = serde_json::to_string(&other).unwrap();
    assert!(!other.contains("没有加盖时间戳"), "{other}");
}
