//! The experiment behind "WIT carries small types that will not grow, documents carry what does":
//! a record that gains a field breaks every component built before it, a document that gains one
//! breaks none.

use std::path::Path;

use kernel_host::InstallError;
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::plugin_guest::{PluginGuest, put};
use crate::stage::Stage;

/// The record that every plugin exports, as it is today.
const TODAY: &str = "record document { version: u32, json: string }";
/// The same before it gained `version`.
const BEFORE: &str = "record document { json: string }";

/// A plugin built against the interface as this text has it. It needs no code that works: whether
/// it links is decided by its types.
fn built_against(wit: &str) -> Vec<u8> {
    let mut module = wat::parse_str(
        r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "rongqiao:plugin/guest@0.1.0#describe") (result i32) unreachable)
        (func (export "rongqiao:plugin/guest@0.1.0#page") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "rongqiao:plugin/guest@0.1.0#act") (param i32 i32 i32 i32 i32 i32) (result i32) unreachable)
        (func (export "rongqiao:plugin/guest@0.1.0#on-event") (param i32 i32 i32 i32) (result i32) unreachable))"#,
    )
    .unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

async fn refusal(wit: &str) -> String {
    let stage = Stage::with(&[]).await;
    put(stage.folder(), "old", "", &built_against(wit));
    let error = stage.refuses_folder("old").await;
    let InstallError::Describe { source, .. } = error else {
        panic!("{error:?}")
    };
    format!("{source:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_built_before_a_record_gained_a_field_does_not_link() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/plugin/plugin.wit");
    let today = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        today.matches(TODAY).count(),
        1,
        "the experiment's record moved"
    );
    // The control: against today's interface it links, and then its code traps.
    let links = refusal(&today).await;
    assert!(links.contains("unreachable"), "{links}");
    let before = refusal(&today.replace(TODAY, BEFORE)).await;
    assert!(!before.contains("unreachable"), "its code ran: {before}");
    assert!(before.contains("record"), "{before}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_may_gain_a_field() {
    let newer = PluginGuest::calm("newer").declares(|def| {
        def["gained"] = json!({ "later": true });
        def["collections"][0]["gained"] = json!([1, 2]);
    });
    let stage = Stage::with(&[newer]).await;
    assert_eq!(stage.page("newer").await.unwrap().title, "newer");
}
