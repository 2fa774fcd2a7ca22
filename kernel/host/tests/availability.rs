//! Availability as it is marked and shown.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/host.rs"]
mod support;

use std::sync::Arc;

use kernel_crypto::keys::KeyRing;
use kernel_host::{Engines, KeptCode};
use kernel_storage::RowFilter;
use sdk_contract::call::Ask;
use sdk_contract::error::FaultKind;
use sdk_contract::query::Query;
use support::{TestHost, person};

#[tokio::test]
async fn op_01_minutes_are_marked_once_and_what_nobody_marked_is_shown() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let plugins = data.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let keys = Arc::new(KeyRing::open_or_create(&data.path().join("code-keys"), None).unwrap());
    let code = KeptCode::open(&data.path().join("code"), keys).unwrap();
    let engines = Engines::keeping(Arc::new(code)).unwrap();
    let (clock, policy) = support::usual();
    let given = (Arc::clone(&clock), policy);
    let test = TestHost::start(given, None, data, &plugins, engines).await;
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
