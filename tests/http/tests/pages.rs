//! A page with a record in its path, over HTTP: to whom it answers and with what, and that a role
//! that was taken away a second ago opens nothing any more. What every page answers to everyone who
//! matters is generated in `kernel/host/tests/plugins/pages.rs`.

use serde_json::json;
use tests_http::steps::{BANK, text};
use tests_http::{Built, Client, Server, Start};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";

#[test]
fn dj_07_a_page_of_a_record_is_closed_with_the_role_that_opened_it() {
    let start = || {
        let plugins = Built::find()?.guests.join("test-plugins");
        Server::start_as(Start {
            plugins: Some(plugins),
            ..Start::default()
        })
    };
    let Some(server) = start() else {
        return;
    };
    let input = json!({ "number": "L1", "amount": "5", "bank": BANK, "district": "310115" });
    let mut owner = server.user("enterprise");
    let made = owner.post("/api/v1/example/loans/request", &input);
    assert_eq!(made.status, 200, "{}", made.body);
    let id = text(&made.body["result"]["id"]);
    let page = format!("/example/loans/{id}");
    let record = format!("/api/v1/example/loans/{id}");
    let asks = |client: &Client| (client.page(&page).status, client.get(&record).status);

    let officer = server.user("officer");
    assert_eq!(asks(&officer), (200, 200));
    assert_eq!(asks(&owner), (200, 200));
    assert_eq!(asks(&server.anonymous()), (401, 401));
    // Another organisation, one below, another party, and a role without the permission.
    for (login, status) in [
        ("officer2", 404),
        ("officer3", 404),
        ("enterprise2", 404),
        ("security", 403),
    ] {
        assert_eq!(asks(&server.user(login)), (status, status), "{login}");
    }

    let mut admin = server.user("bankadmin");
    let found = admin.get(&format!("/api/v1/platform/posts?user={OFFICER}"));
    let post = text(&found.body["items"][0]["id"]);
    let revoked = admin.post(
        &format!("/api/v1/platform/posts/{post}/revoke"),
        &json!({ "role": "bank.officer", "reason": "轮岗" }),
    );
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    assert_eq!(asks(&officer), (403, 403), "at the next request");
    assert_eq!(officer.get("/api/v1/example/loans").status, 403);
}
