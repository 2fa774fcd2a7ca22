//! Backup, restore and doctor through the binary, beside a serving platform.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use serde_json::Value;
use tests_http::Server;

/// What `doctor` found.
fn found((ok, text): (bool, String)) -> Value {
    assert!(ok, "{text}");
    let start = text.find('{').expect("a document");
    let mut documents = serde_json::Deserializer::from_str(&text[start..]).into_iter();
    documents.next().expect("a document").expect("JSON")
}

#[test]
fn dj_16_a_backup_of_a_serving_platform_restores_to_the_same_collections() {
    let Some(server) = Server::start() else {
        return;
    };
    let data = server.data().to_str().expect("a path").to_owned();
    let spare = tempfile::tempdir().expect("a folder");
    let path = |name: &str| spare.path().join(name).to_str().expect("a path").to_owned();
    let (file, new) = (path("backup"), path("new"));

    let (ok, text) = server.command(&["backup", "--out", &file]);
    assert!(ok, "{text}");
    let (ok, text) = server.command(&["backup", "--out", &file]);
    assert!(!ok && text.contains("never replaces a file"), "{text}");
    let (ok, text) = server.run(&["restore", &file, "--check"]);
    assert!(ok, "{text}");
    let (ok, text) = server.run(&["restore", &file, "--data", &data]);
    assert!(!ok && text.contains("is not empty"), "{text}");
    let (ok, text) = server.run(&["restore", &file, "--data", &new]);
    assert!(ok, "{text}");

    // That the server is there is marked every minute.
    let without_marks = |mut found: Value| {
        let collections = found["collections"].as_object_mut().expect("collections");
        assert!(collections.remove("console.uptime-days").is_some());
        found
    };
    let before = without_marks(found(server.command(&["doctor", "--json"])));
    let after = without_marks(found(server.run(&["doctor", "--data", &new, "--json"])));
    let collections = before["collections"].as_object().expect("collections");
    assert!(collections.len() > 10 && collections["platform.users"]["rows"].as_u64() > Some(5));
    assert_eq!(before["collections"], after["collections"]);
    assert_eq!(after["ok"], true, "{after}");

    // Without its recovery key the backup stays shut.
    std::fs::rename(path("backup.key"), path("elsewhere")).expect("moved");
    let (ok, text) = server.run(&["restore", &file, "--data", &path("other")]);
    assert!(!ok && text.contains("recovery key"), "{text}");
    let key = path("elsewhere");
    let (ok, text) = server.run(&["restore", &file, "--data", &path("other"), "--key", &key]);
    assert!(ok, "{text}");

    // A folder between the two halves of a restore does not open.
    std::fs::write(spare.path().join("new").join("RESTORING"), "x").expect("a mark");
    let (ok, text) = server.run(&["doctor", "--data", &new]);
    assert!(!ok && text.contains("half restored"), "{text}");
}

#[test]
fn an_sqlite_file_has_one_server() {
    let Some(server) = Server::start() else {
        return;
    };
    let (ok, text) = server.command(&["serve", "--port", "0"]);
    assert!(!ok && text.contains("another server"), "{text}");
    assert_eq!(found(server.command(&["doctor", "--json"]))["ok"], true);
}
