//! An edition is switched on and off for a district while everybody is at work.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests_http::steps::{BANK, application, live_model, sign_letter, text};
use tests_http::{Client, Server, until};

/// The district of the first demo enterprise; the second is in another.
const DISTRICT: &str = "310115";
/// Switches during the load.
const SWITCHES: usize = 6;
/// Requests each client has made, at least, before the load ends.
const ENOUGH: usize = 40;

/// The operator's switch of the park edition.
fn park(operator: &Client) -> String {
    let plugins = operator.get("/api/v1/console/plugins?size=50").body;
    let all = plugins["items"].as_array().unwrap();
    let park = all.iter().find(|p| p["code"] == json!("park")).unwrap();
    format!("/api/v1/console/plugins/{}", text(&park["id"]))
}

fn switch(operator: &mut Client, park: &str, verb: &str) {
    let done = operator.post(&format!("{park}/{verb}"), &json!({ "district": DISTRICT }));
    assert_eq!(done.status, 200, "{}", done.body);
}

/// Home block, menu entry, pages, API: there, or none of them.
fn sees(client: &Client, there: bool) {
    let home = client.page("/").body;
    let blocks = home["sections"].to_string();
    assert_eq!(blocks.contains("\"park-"), there, "home block");
    let frame = client.get("/");
    assert_eq!(frame.text().contains("/park/home"), there, "menu entry");
    let status = if there { 200 } else { 404 };
    for path in [
        "/park/home",
        "/park/parks/01930000-0000-7000-8000-000000003001",
        "/api/v1/park/parks",
    ] {
        assert_eq!(client.get(path).status, status, "{path}");
    }
}

/// A product that only a park's tenants get.
fn park_product(client: &Client) -> Value {
    let found = client.get("/api/v1/market/products?size=200").body;
    let all = found["items"].as_array().unwrap();
    let own = |p: &&Value| !p["park"].is_null() && p["organisation"] == json!(BANK);
    all.iter().find(own).unwrap().clone()
}

#[test]
fn an_edition_comes_and_goes_with_all_it_brings() {
    let Some(server) = Server::start() else {
        return;
    };
    live_model(&server);
    let mut operator = server.user("operator");
    let mut enterprise = server.user("enterprise");
    let stranger = server.user("enterprise2");
    let park = park(&operator);
    sees(&enterprise, false);
    let refused = server
        .user("officer")
        .post(&format!("{park}/enable"), &json!({ "district": DISTRICT }));
    assert_eq!(refused.status, 403, "not everybody's switch");

    let product = park_product(&enterprise);
    sign_letter(&mut enterprise, BANK);
    let apply = "/api/v1/lending/applications/apply";
    let early = enterprise.post(apply, &application(&product));
    assert_eq!((early.status, early.code()), (422, "lending.park-only"));

    switch(&mut operator, &park, "enable");
    sees(&enterprise, true);
    sees(&stranger, false);
    let own = enterprise.get("/park/parks/01930000-0000-7000-8000-000000003001");
    assert!(
        own.text().contains(text(&product["id"]).as_str()),
        "its products"
    );
    let applied = enterprise.post(apply, &application(&product));
    assert_eq!(applied.status, 200, "{}", applied.body);
    let before = enterprise.get("/api/v1/park/parks").body;
    assert!(before["total"].as_u64() >= Some(2), "{before}");

    switch(&mut operator, &park, "disable");
    sees(&enterprise, false);
    let market = enterprise.get("/market/products?size=100");
    assert_eq!(market.status, 200, "the rest is served");
    let id = text(&applied.body["result"]["id"]);
    let mine = enterprise.get(&format!("/lending/applications/{id}"));
    assert_eq!(mine.status, 200, "an application under way goes on");
    let withdrawn = enterprise.post(
        &format!("/api/v1/lending/applications/{id}/withdraw"),
        &json!({ "reason": "改用其他产品" }),
    );
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.body);
    let late = enterprise.post(apply, &application(&product));
    assert_eq!((late.status, late.code()), (422, "lending.park-only"));

    switch(&mut operator, &park, "enable");
    sees(&enterprise, true);
    let after = enterprise.get("/api/v1/park/parks").body;
    assert_eq!(before, after, "its data stayed");
}

#[test]
fn nobody_notices_a_switch() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut operator = server.user("operator");
    let park = park(&operator);
    let ended = AtomicBool::new(false);
    let clients: Vec<(Client, AtomicUsize)> =
        ["enterprise", "enterprise2", "officer", "government"]
            .map(|login| (server.user(login), AtomicUsize::new(0)))
            .into();
    let watcher = server.user("enterprise");
    std::thread::scope(|scope| {
        for (client, served) in &clients {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    for path in [
                        "/",
                        "/market/products",
                        "/api/v1/market/products",
                        "/healthz",
                    ] {
                        let answer = client.get(path);
                        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        // Ends the load also when a switch fails.
        let _end = Ends(&ended);
        for round in 0..SWITCHES {
            let on = round % 2 == 0;
            switch(&mut operator, &park, if on { "enable" } else { "disable" });
            sees(&watcher, on);
        }
        until("every client was served", || {
            let done = |served: &AtomicUsize| served.load(Ordering::Relaxed) >= ENOUGH;
            clients.iter().all(|(_, served)| done(served))
        });
    });
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
