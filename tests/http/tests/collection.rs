//! The audit trail at a central collector, and the clock it is written by.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::path::Path;

use serde_json::{Value, json};
use tests_http::collector::{Collector, Message, Pki, time_server};
use tests_http::database::Database;
use tests_http::steps::{self, BANK, application, live_model, scored_product, text};
use tests_http::{Server, Start, until};

fn started(folder: &Path, config: &str, database: Option<Database>) -> Option<Server> {
    let file = folder.join("config.toml");
    std::fs::write(&file, config).unwrap();
    Server::start_as(Start {
        config: Some(file),
        database,
        ..Start::default()
    })
}

/// How many records the trail has; no request is asked, which would make one more.
fn records(server: &Server) -> u64 {
    let held = server.result(&["audit", "verify"]);
    held.split(' ').next().unwrap().parse().unwrap()
}

fn has_all(collector: &Collector, records: u64) -> bool {
    collector.came().iter().any(|m| m.number() >= records)
}

/// What came, each record once: one that came again is the same.
fn once(came: Vec<Message>) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    for message in came {
        let next = all.len() as u64 + 1;
        match message.number() {
            number if number == next => all.push(message),
            number => assert_eq!(
                Some(&message),
                all.get(usize::try_from(number).unwrap() - 1)
            ),
        }
    }
    all
}

#[test]
fn dj_20_a_collector_gets_every_record_in_order_whatever_fails() {
    collected(None);
}

#[test]
fn dj_20_a_collector_gets_every_record_from_postgresql() {
    if let Some(database) = Database::create("collection") {
        collected(Some(database));
    }
}

fn collected(database: Option<Database>) {
    let folder = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(None);
    let checkpoints = folder.path().join("checkpoints");
    let config = format!(
        "[audit]\ncheckpoint_folder = \"{}\"\n[audit.forward]\ncollector = \"tcp://127.0.0.1:{}\"\n",
        checkpoints.display(),
        collector.port()
    );
    let Some(mut server) = started(folder.path(), &config, database) else {
        return;
    };
    // A look at a telephone number, somebody who types the password for the name, and a search.
    live_model(&server);
    let mut enterprise = server.user("enterprise");
    steps::sign_letter(&mut enterprise, BANK);
    let asks = application(&scored_product(&enterprise, BANK));
    let applied = enterprise.post("/api/v1/lending/applications/apply", &asks);
    assert_eq!(applied.status, 200, "{}", applied.body);
    let id = text(&applied.body["result"]["id"]);
    let look = format!("/api/v1/lending/applications/{id}/look");
    let why = json!({ "field": "phone", "reason": "回拨 13800001234 核实" });
    let looked = server.user("officer").post(&look, &why);
    assert_eq!(looked.body["value"], asks["phone"], "{}", looked.body);
    let typed = json!({ "login": server.password("officer"), "password": "officer" });
    assert_eq!(
        server.anonymous().post("/api/v1/session", &typed).status,
        401
    );
    let all = records(&server);
    until("the collector has everything", || has_all(&collector, all));

    // Away: everything is served, and the log, the state and the doctor say so.
    collector.leave();
    let auditor = server.user("auditor");
    until("an alarm", || server.log().contains("audit.forward-failed"));
    let health = server.anonymous().get("/healthz").body;
    assert_eq!(health["status"], "ok");
    assert_eq!(health["collector"]["reached"], false);
    assert!(health["collector"]["behind"].as_u64() > Some(0), "{health}");
    assert_eq!(auditor.get("/console/audit").status, 200);
    let (_, doctor) = server.command(&["doctor"]);
    assert!(doctor.contains(" behind"), "{doctor}");

    // Killed while it is away, and started again; then a collector that dies over what it was sent.
    server.kill();
    server.start_again();
    server.user("security").get("/console/audit");
    collector.come_back(true);
    until("another alarm", || {
        server.log().matches("audit.forward-failed").count() > 2
    });
    collector.come_back(false);
    let all = records(&server);
    until("the collector has the rest", || has_all(&collector, all));
    until("it is no alarm any more", || {
        let health = server.anonymous().get("/healthz").body;
        health["collector"] == json!({ "reached": true, "behind": 0 })
    });

    // Killed between sending and keeping that it was sent, or not: nothing is missing.
    server.kill();
    server.start_again();
    server.user("auditor").get("/console/audit");
    let all = records(&server);
    until("the collector has what followed", || {
        has_all(&collector, all)
    });

    // Complete and in order; each follows on the one before, as the signed checkpoints have it.
    until("a checkpoint is signed", || checkpoints.is_dir());
    let (seq, hash) = newest(&checkpoints);
    until("the collector has what it signs", || {
        has_all(&collector, seq)
    });
    let came = collector.came();
    let everything: String = came.iter().map(|m| m.0.as_str()).collect();
    let trail = once(came);
    assert!(trail.len() as u64 >= all);
    assert!(
        trail
            .windows(2)
            .all(|w| w[0].of("hash") == w[1].of("previous"))
    );
    assert_eq!(trail[usize::try_from(seq).unwrap() - 1].of("hash"), hash);
    let seen = trail
        .iter()
        .find(|m| m.of("action") == "field.look")
        .unwrap();
    assert_eq!(
        (seen.of("object"), seen.of("field"), seen.of("outcome")),
        (id.as_str(), "phone", "ok")
    );
    assert_eq!(seen.of("address"), "127.0.0.1");
    assert!(!seen.of("request").is_empty() && !seen.of("actor").is_empty());
    let refused = trail
        .iter()
        .any(|m| m.0.starts_with("<108>1 ") && m.of("action") == "platform.session.start");
    assert!(refused, "a refused sign-in is a warning");
    for secret in [text(&asks["phone"]).as_str(), server.password("officer")] {
        assert!(!everything.contains(secret), "{secret}");
    }
    let page = |login: &str| server.user(login).get("/console/collectors");
    assert!(page("auditor").text().contains("tcp://127.0.0.1:"));
    assert_eq!(page("operator").status, 403);
}

/// Number and hash of the newest checkpoint in a folder.
fn newest(folder: &Path) -> (u64, String) {
    let parts = std::fs::read_dir(folder).unwrap();
    let files = parts.flat_map(|part| std::fs::read_dir(part.unwrap().path()).unwrap());
    let newest = files.map(|file| file.unwrap().path()).max().unwrap();
    let point: Value = serde_json::from_slice(&std::fs::read(newest).unwrap()).unwrap();
    (point["seq"].as_u64().unwrap(), text(&point["hash"]))
}

#[test]
fn dj_20_the_trail_goes_by_tls_to_a_collector_that_is_trusted_and_to_no_other() {
    let (Some(trusted), Some(other)) = (Pki::make(), Pki::make()) else {
        return;
    };
    for (collector, comes) in [(&trusted, true), (&other, false)] {
        let folder = tempfile::tempdir().unwrap();
        let collector = Collector::start(Some(collector));
        let config = format!(
            "[outgoing]\nauthorities = \"{}\"\n[audit.forward]\ncollector = \"tls://localhost:{}\"\n",
            trusted.authority(),
            collector.port()
        );
        let Some(server) = started(folder.path(), &config, None) else {
            return;
        };
        server.user("auditor").get("/console/audit");
        let all = records(&server);
        if comes {
            until("the collector has everything", || has_all(&collector, all));
            assert!(once(collector.came()).len() as u64 >= all);
        } else {
            until("an alarm", || server.log().contains("audit.forward-failed"));
            assert_eq!(collector.came(), []);
        }
    }
}

#[test]
fn dj_20_a_clock_that_is_away_from_the_time_is_an_alarm() {
    for (moved, code) in [
        (90, "clock.offset"),
        (-90, "clock.offset"),
        (0, "clock.right"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[clock]\nserver = \"127.0.0.1:{}\"\nalarm_ms = 5000\n",
            time_server(moved)
        );
        let Some(server) = started(folder.path(), &config, None) else {
            return;
        };
        until(code, || server.log().contains(code));
        let alarmed = server.log().contains("clock.offset");
        assert_eq!(alarmed, moved != 0, "{moved}");
    }
}
