//! Development: a rebuilt plugin is served without a restart, and a broken one is not.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::path::Path;

use tests_http::steps::text;
use tests_http::{Built, Client, Server, Start, until};

const PLUGIN: &str = "market";
const PAGE: &str = "/market/products";

/// A folder of plugins that a test may write to.
fn copy(from: &Path, to: &Path) {
    for plugin in std::fs::read_dir(from).unwrap() {
        let plugin = plugin.unwrap();
        let folder = to.join(plugin.file_name());
        std::fs::create_dir_all(&folder).unwrap();
        for file in std::fs::read_dir(plugin.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }
}

/// As a build does: a whole file, in one step.
fn put(folder: &Path, bytes: &[u8]) {
    let partial = folder.join("component.part");
    std::fs::write(&partial, bytes).unwrap();
    std::fs::rename(partial, folder.join("component.wasm")).unwrap();
}

/// The plugin as if somebody had changed these words in its source. Their length stays.
fn reworded(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut changed = component.to_vec();
    let mut found = 0;
    for at in 0..=changed.len() - from.len() {
        if changed[at..].starts_with(from) {
            changed[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "the title stands in the component");
    changed
}

fn title(client: &Client) -> String {
    let page = client.page(PAGE);
    assert_eq!(page.status, 200, "the page is served all the time");
    text(&page.body["title"])
}

#[test]
fn a_saved_plugin_is_served_and_a_broken_one_is_not() {
    let Some(built) = Built::find() else {
        return;
    };
    let plugins = tempfile::tempdir().unwrap();
    copy(&built.guests.join("plugins"), plugins.path());
    let folder = plugins.path().join(PLUGIN);
    let component = std::fs::read(folder.join("component.wasm")).unwrap();
    let start = Start {
        plugins: Some(plugins.path().to_owned()),
        dev: true,
        ..Start::default()
    };
    let server = Server::start_as(start).unwrap();
    let client = server.anonymous();
    let was = title(&client);
    let mut letters = was.chars();
    letters.next();
    let new = format!("新{}", letters.as_str());
    assert_ne!(was, new);

    put(&folder, &reworded(&component, &was, &new));
    until("the saved page is served", || title(&client) == new);

    // Not WebAssembly at all, then a component of something else: the last good one goes on.
    let other = std::fs::read(plugins.path().join("park/component.wasm")).unwrap();
    for (broken, why) in [
        (b"not wasm".to_vec(), "not a valid WebAssembly component"),
        (
            component[..component.len() / 2].to_vec(),
            "not a valid WebAssembly component",
        ),
        (other, "differ"),
    ] {
        let before = server.log().len();
        put(&folder, &broken);
        until("the log says why", || {
            let log = server.log();
            let said = &log[before..];
            assert!(title(&client) == new, "the old one serves");
            said.contains("not reloaded") && said.contains(PLUGIN) && said.contains(why)
        });
    }
    put(&folder, &component);
    until("the mended page is served", || title(&client) == was);
}
