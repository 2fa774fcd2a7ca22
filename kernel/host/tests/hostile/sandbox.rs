//! A plugin that is let in and then turns bad costs its own call and nothing else.

use kernel_host::Act;
use kernel_identity::principal::Principal;
use kernel_storage::AuditFilter;
use sdk_contract::call::{Ask, Event, ScoreRequest};
use sdk_contract::error::{Fault, FaultKind};
use sdk_contract::page::{Block, Page};
use serde_json::{Value, json};

use crate::plugin_guest::{
    ASKS_FOR_A_SCORE, BLOATS, DIGESTS, PluginGuest, SEEDED, SPINS, TESTER, TRAPS,
};
use crate::stage::Stage;
use crate::support::person;

const TRAPPED: &str = "plugin.trapped";
const BANK: &str = "01930000-0000-7000-8000-00000000b001";
const SCORE: &str =
    r#"(import "rongqiao:plugin/models@0.1.0" "score" (func $ask_score (param i32 i32 i32)))"#;

fn bad() -> PluginGuest {
    PluginGuest::calm("bad")
}

/// Asks for the bad plugin's page while the calm one is asked, and for the calm one after it.
async fn contained(guest: PluginGuest) -> Fault {
    let stage = Stage::with(&[guest]).await;
    let (bad, good) = tokio::join!(stage.page("bad"), stage.page("calm"));
    assert_eq!(good.unwrap().title, "calm");
    stage.calm_is_served().await;
    bad.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_contained() {
    let fault = contained(bad().page_runs(TRAPS)).await;
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Internal, TRAPPED)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_ends_at_the_deadline() {
    let fault = contained(
        bad()
            .page_runs(SPINS)
            .manifest("[limits]\ndeadline_ms = 200"),
    )
    .await;
    assert_eq!(fault.code, TRAPPED);
}

/// On a single thread a loop that never gives way would keep everybody waiting.
#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_gives_others_their_turn() {
    let stage = Stage::with(&[bad().page_runs(SPINS)]).await;
    let looping = stage.page("bad");
    let others = async {
        for _ in 0..5 {
            stage.calm_is_served().await;
        }
    };
    tokio::select! {
        biased;
        ended = looping => panic!("the others were served only after the loop: {ended:?}"),
        () = others => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_stops_at_its_limit() {
    let fault = contained(bad().page_runs(BLOATS).manifest("[limits]\nmemory_mb = 4")).await;
    assert_eq!(fault.code, TRAPPED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_page_is_refused() {
    // Longer than an answer may be; longer than the host would even copy; longer than the memory.
    let said = "(call $page_of (i32.const 0) (i32.const 5000000))";
    assert_eq!(
        contained(bad().pages(100).page_runs(said)).await.code,
        TRAPPED
    );
    let copied = "(call $page_of (i32.const 0) (i32.const 9000000))";
    assert_eq!(
        contained(bad().pages(160).page_runs(copied)).await.code,
        TRAPPED
    );
    let beyond = "(call $page_of (i32.const 1000) (i32.const -1))";
    assert_eq!(contained(bad().page_runs(beyond)).await.code, TRAPPED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_read_is_refused() {
    for document in ["", "{}", "null", &"[".repeat(100_000), "\u{0}"] {
        assert_eq!(
            contained(bad().page_says(document)).await.code,
            TRAPPED,
            "{document:.10}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ds_02_a_page_with_a_link_off_the_site_is_refused() {
    for to in [
        "https://phish.example/",
        "//phish.example/",
        "javascript:alert(1)",
        "/\\phish.example",
    ] {
        let page = Page::new("bad")
            .under("首页", to)
            .block(Block::prose("words", "请登录"));
        let fault = contained(bad().page_says(serde_json::to_string(&page).unwrap())).await;
        assert_eq!(fault.code, TRAPPED, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_without_a_grant_names_the_line_that_would_allow_it() {
    const FIND: &str =
        r#"(import "rongqiao:plugin/storage@0.1.0" "find" (func $find (param i32 i32 i32)))"#;
    let query = json!({ "collection": "calm.things", "limit": 5 }).to_string();
    let fault = contained(bad().imports(FIND, query.clone())).await;
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "capability.denied")
    );
    assert!(
        fault
            .message
            .contains("plugin.toml: [capabilities] read = [\"calm.things\"]"),
        "{fault}"
    );

    let granted = "[capabilities]\nread = [\"calm.things\"]";
    let stage = Stage::with(&[bad().imports(FIND, query).manifest(granted)]).await;
    assert_eq!(stage.page("bad").await.unwrap().title, "bad");
}

/// Each call holds its place in the pool while the store answers, and there are more calls.
#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_the_pool_has_places_all_are_served() {
    let stage = Stage::with(&[]).await;
    let served = futures_util::future::join_all((0..400).map(|_| stage.page("calm"))).await;
    assert!(served.iter().all(Result::is_ok), "{served:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scoring_without_a_grant_names_the_line_that_would_allow_it() {
    let request = ScoreRequest {
        organisation: "o".into(),
        model: "m".into(),
        subject: "s".into(),
        reference: "r".into(),
    };
    let request = serde_json::to_string(&request).unwrap();
    let guest = || {
        bad()
            .imports(SCORE, request.clone())
            .page_runs(ASKS_FOR_A_SCORE)
    };
    let fault = contained(guest()).await;
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "capability.denied")
    );
    assert!(
        fault
            .message
            .contains("plugin.toml: [capabilities] models = true"),
        "{fault}"
    );
    // With the grant the request is looked at, and refused for what it asks.
    let fault = contained(guest().manifest("[capabilities]\nmodels = true")).await;
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Forbidden, "forbidden")
    );
}

/// A page declares no purpose, and an action the one that is in its declaration: neither can say
/// another when it asks.
#[tokio::test(flavor = "multi_thread")]
async fn dj_18_what_declares_no_purpose_has_nothing_read_under_a_letter() {
    let request = json!({
        "organisation": BANK, "model": "m", "subject": "s", "purpose": "02", "reference": "r",
    });
    let guest = |purpose: Option<&str>| {
        bad()
            .imports(SCORE, request.to_string())
            .manifest("[capabilities]\nmodels = true")
            .page_runs(ASKS_FOR_A_SCORE)
            .act_runs(ASKS_FOR_A_SCORE)
            .declares(|def| def["actions"][1]["purpose"] = json!(purpose))
    };
    let stage = |purpose: Option<&str>| {
        let guest = guest(purpose);
        async move { Stage::with(&[guest]).await }
    };
    let banker = Principal {
        organisations: vec![BANK.into()],
        ..person(TESTER)
    };
    let send = || Act {
        module: "bad".into(),
        action: "thing.send".into(),
        id: Some(SEEDED.into()),
        input: json!({}),
        ..Act::default()
    };
    let page = Ask {
        path: "/bad/things".into(),
        ..Ask::default()
    };
    let without = stage(None).await;
    let drawn = without.host().page(&banker, "bad", page).await.unwrap_err();
    let acted = without.host().act(&banker, send()).await.unwrap_err();
    for fault in [drawn, acted] {
        assert_eq!(
            (fault.kind, fault.code.as_str()),
            (FaultKind::Forbidden, "purpose-undeclared")
        );
    }
    let with = stage(Some("03")).await;
    let acted = with.host().act(&banker, send()).await.unwrap_err();
    assert_eq!(acted.code, "model.not-live", "looked at");
    // Each refusal names what was declared, not what was asked.
    let filter = AuditFilter {
        action: Some("model.score".into()),
        ..AuditFilter::default()
    };
    for (stage, purposes) in [(&without, vec![Value::Null; 2]), (&with, vec![json!("03")])] {
        let found = stage.host().store().audit_find(&filter, 10, 0).await;
        let records = found.unwrap().records;
        let named = records.iter().map(|r| r.draft.detail["purpose"].clone());
        assert_eq!(named.collect::<Vec<_>>(), purposes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn digesting_needs_a_grant() {
    const DIGEST: &str =
        r#"(import "rongqiao:plugin/crypto@0.1.0" "digest" (func $digest (param i32 i32 i32)))"#;
    let guest = || bad().imports(DIGEST, "abc").page_runs(DIGESTS);
    assert_eq!(contained(guest()).await.code, TRAPPED);
    let stage = Stage::with(&[guest().manifest("[capabilities]\ndigest = true")]).await;
    assert_eq!(stage.page("bad").await.unwrap().title, "bad");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_traps_quarantine_a_plugin_until_it_is_replaced() {
    let stage = Stage::with(&[bad().page_runs(TRAPS)]).await;
    for _ in 0..3 {
        assert_eq!(stage.page("bad").await.unwrap_err().code, TRAPPED);
        stage.calm_is_served().await;
    }
    let fault = stage.page("bad").await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str()),
        (FaultKind::Unavailable, "plugin.quarantined")
    );
    // Its data can still be read, and the others are served.
    assert_eq!(stage.count("bad").await, 1);
    stage.calm_is_served().await;

    bad().put(stage.folder());
    stage.host().install("bad").await.unwrap();
    assert_eq!(stage.page("bad").await.unwrap().title, "bad");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_traps_costs_its_own_delivery() {
    let listens = |id| {
        PluginGuest::calm(id)
            .manifest("[capabilities.events]\nsubscribe = [\"calm.thing.sent\"]")
            .declares(|def| def["on"] = json!(["calm.thing.sent"]))
    };
    let stage = Stage::with(&[listens("bad").hear_runs(TRAPS), listens("good")]).await;
    assert_eq!(stage.host().listeners("calm.thing.sent"), ["bad", "good"]);
    let event = Event {
        id: "01930000-0000-7000-8000-00000000b001".into(),
        name: "calm.thing.sent".into(),
        aggregate: "a".into(),
        at: 0,
        data: json!({}),
    };
    assert_eq!(
        stage.host().deliver("bad", &event).await.unwrap_err().code,
        TRAPPED
    );
    stage.host().deliver("good", &event).await.unwrap();
    stage.calm_is_served().await;
}
