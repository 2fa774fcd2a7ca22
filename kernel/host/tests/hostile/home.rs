//! The home page is made of everybody's blocks: a bad one costs its own block.

use sdk_contract::page::{Body, check};

use crate::plugin_guest::{PluginGuest, TRAPS};
use crate::stage::Stage;

fn said(page: &sdk_contract::page::Page, words: &str) -> usize {
    page.blocks()
        .filter(|b| match &b.body {
            Body::Prose { text } => text.contains(words),
            Body::Notice(notice) => notice.text.contains(words),
            _ => false,
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_costs_its_own_block() {
    let stage = Stage::with(&[PluginGuest::calm("bad").page_runs(TRAPS)]).await;
    let home = stage.host().home(stage.tester()).await.unwrap();
    assert_eq!(
        (said(&home, "一切正常"), said(&home, "暂时无法显示")),
        (1, 1)
    );
    check(&home).unwrap();
}

/// Plugins know nothing of each other, so two may name their blocks alike.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_the_same_name_stand_side_by_side() {
    let stage = Stage::with(&[PluginGuest::calm("other")]).await;
    let home = stage.host().home(stage.tester()).await.unwrap();
    assert_eq!(said(&home, "一切正常"), 2);
    check(&home).unwrap();
}
