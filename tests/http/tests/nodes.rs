//! Several servers on one PostgreSQL: sessions and form tokens go from one to the other, and work can
//! be kept away from those that people wait for.

use serde_json::json;
use tests_http::database::Database;
use tests_http::steps::{BANK, over, sign_letter, text};
use tests_http::{Node, Server, Start};

#[test]
fn dj_16_when_a_node_is_killed_its_sessions_go_on_at_another() {
    let Some(database) = Database::create("nodes") else {
        return;
    };
    let start = Start {
        database: Some(database),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let second = Node::beside(&server, "all");
    let mut enterprise = server.user("enterprise");
    let mine = sign_letter(&mut enterprise, BANK);
    server.kill();
    server.url.clone_from(&second.url);
    enterprise.follow(&server);
    let letter = format!("/api/v1/consent/letters/{mine}");
    assert_eq!(enterprise.get(&letter).status, 200, "the same session");
    // Its form token as well: what it writes is there for everybody.
    let next = sign_letter(&mut enterprise, BANK);
    let seen = server
        .user("officer")
        .get(&format!("/api/v1/consent/letters/{next}"));
    assert_eq!(seen.status, 200, "{}", seen.body);
}

#[test]
fn a_server_for_people_leaves_work_to_a_worker() {
    let Some(database) = Database::create("roles") else {
        return;
    };
    let start = Start {
        database: Some(database),
        role: Some("web"),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let mut enterprise = server.user("enterprise");
    sign_letter(&mut enterprise, BANK);
    let wanted = json!({ "format": "csv", "reason": "核对" });
    let begun = enterprise.post("/api/v1/consent/letters/export?", &wanted);
    let job = format!("/api/v1/console/jobs/{}", text(&begun.body["result"]["id"]));
    // Whoever worked here would begin at once.
    for _ in 0..50 {
        assert_eq!(enterprise.get(&job).body["status"], "queued");
    }
    let worker = Node::beside(&server, "worker");
    assert_eq!(over(&enterprise, &begun)["status"], "done");
    // It serves nobody, but says whether it is well.
    server.url.clone_from(&worker.url);
    let anonymous = server.anonymous();
    assert_eq!(anonymous.get("/healthz").body["status"], "ok");
    for closed in ["/login", "/api/v1/session", "/api/v1/consent/letters"] {
        assert_eq!(anonymous.get(closed).status, 404, "{closed}");
    }
}
