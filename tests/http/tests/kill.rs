//! The whole server is killed while enterprises apply: what was acknowledged is there, nothing is
//! half there, and whoever got no answer may ask again without getting a second application.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use serde_json::{Value, json};
use tests_http::database::Database;
use tests_http::steps::{application, text, trail};
use tests_http::{Client, Server, Start, until};

const APPLICATIONS: &str = "/api/v1/lending/applications";
/// Applications to wait for before each kill.
const ENOUGH: usize = 24;
const KILLS: usize = 2;

/// One application as its sender knows it.
struct Sent {
    login: &'static str,
    key: String,
    body: Value,
    /// Its id, once the server answered.
    acknowledged: Option<String>,
    /// What is known of taking it back.
    withdrawn: Withdrawn,
}

#[derive(PartialEq, Debug)]
enum Withdrawn {
    No,
    /// Asked for, without an answer.
    Perhaps,
    Yes,
}

/// Applies for a product, takes it back, and again, until the server is gone.
fn enterprise(
    client: &Client,
    login: &'static str,
    name: &str,
    product: &Value,
    done: &AtomicUsize,
) -> Vec<Sent> {
    let mut all = Vec::new();
    for turn in 0.. {
        let mut sent = Sent {
            login,
            key: format!("{name}-{turn}"),
            body: fitting(product),
            acknowledged: None,
            withdrawn: Withdrawn::No,
        };
        let answer = client.attempt(&format!("{APPLICATIONS}/apply"), &sent.body, &sent.key);
        let Ok(answer) = answer else {
            all.push(sent);
            return all;
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
        let id = text(&answer.body["result"]["id"]);
        sent.acknowledged = Some(id.clone());
        done.fetch_add(1, Ordering::Relaxed);
        let back = client.attempt(
            &format!("{APPLICATIONS}/{id}/withdraw"),
            &json!({ "reason": "改用其他产品" }),
            &format!("{name}-{turn}-back"),
        );
        sent.withdrawn = match &back {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.body);
                Withdrawn::Yes
            }
            Err(_) => Withdrawn::Perhaps,
        };
        all.push(sent);
        if back.is_err() {
            return all;
        }
    }
    all
}

/// An application within what the product offers.
fn fitting(product: &Value) -> Value {
    let mut body = application(product);
    body["amount"] = product["amount_min"].clone();
    body["term_months"] = product["term_max"].clone();
    body
}

fn survives(database: Option<Database>) {
    let start = Start {
        database,
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let mut clients: BTreeMap<&'static str, Client> = ["enterprise", "enterprise2"]
        .map(|login| (login, server.user(login)))
        .into();
    let mut auditor = server.user("auditor");
    let products = clients["enterprise"]
        .get("/api/v1/market/products?size=200")
        .body;
    // Those that need neither a model nor a park.
    let plain = |p: &&Value| p["model"].is_null() && p["park"].is_null();
    let products: Vec<&Value> = products["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(plain)
        .take(4)
        .collect();
    let mut sent: Vec<Sent> = Vec::new();
    for kill in 0..KILLS {
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let at_work: Vec<_> = clients
                .iter()
                .flat_map(|(login, client)| products.iter().map(move |p| (*login, client, *p)))
                .map(|(login, client, product)| {
                    let name = format!("{kill}-{login}-{}", text(&product["code"]));
                    let done = &done;
                    scope.spawn(move || enterprise(client, login, &name, product, done))
                })
                .collect();
            until("enough applications", || {
                done.load(Ordering::Relaxed) >= ENOUGH
                    || at_work.iter().any(ScopedJoinHandle::is_finished)
            });
            server.kill();
            sent.extend(at_work.into_iter().flat_map(|w| w.join().unwrap()));
        });
        assert!(done.load(Ordering::Relaxed) >= ENOUGH);
        server.start_again();
        for client in clients.values_mut() {
            client.follow(&server);
        }
        auditor.follow(&server);
        holds(&server, &clients, &auditor, &mut sent);
        // So that the next round may apply for the same products.
        for sent in &mut sent {
            if sent.withdrawn != Withdrawn::Yes {
                let id = sent.acknowledged.as_ref().unwrap();
                let path = format!("{APPLICATIONS}/{id}/withdraw");
                let input = json!({ "reason": "改用其他产品" });
                let back =
                    clients[sent.login].post_with_key(&path, &input, &format!("{}-end", sent.key));
                let already = sent.withdrawn == Withdrawn::Perhaps && back.status == 409;
                assert!(back.status == 200 || already, "{}", back.body);
                sent.withdrawn = Withdrawn::Yes;
            }
        }
    }
}

fn holds(
    server: &Server,
    clients: &BTreeMap<&'static str, Client>,
    auditor: &Client,
    sent: &mut [Sent],
) {
    for sent in sent.iter_mut() {
        let client = &clients[sent.login];
        // The same request with the same key: the answer it had, or the one it did not get.
        let again = client.post_with_key(&format!("{APPLICATIONS}/apply"), &sent.body, &sent.key);
        assert_eq!(again.status, 200, "{}: {}", sent.key, again.body);
        let id = text(&again.body["result"]["id"]);
        if let Some(known) = &sent.acknowledged {
            assert_eq!(known, &id, "{} was acknowledged", sent.key);
        }
        sent.acknowledged = Some(id.clone());
        let record = client.get(&format!("{APPLICATIONS}/{id}"));
        assert_eq!(record.status, 200, "{} is there", sent.key);
        let status = text(&record.body["status"]);
        let possible: &[&str] = match sent.withdrawn {
            Withdrawn::No => &["submitted"],
            Withdrawn::Perhaps => &["submitted", "withdrawn"],
            Withdrawn::Yes => &["withdrawn"],
        };
        assert!(
            possible.contains(&status.as_str()),
            "{}: {status}",
            sent.key
        );
        whole(client, auditor, &id, &status);
    }
    for (login, client) in clients {
        let all = client.get(&format!("{APPLICATIONS}?size=1")).body["total"].clone();
        let own = sent.iter().filter(|s| s.login == *login).count();
        assert_eq!(all, json!(own), "{login} has one application for each key");
    }
    let (ok, said) = server.command(&["audit", "verify"]);
    assert!(ok && said.contains("records hold"), "{said}");
}

/// Record, flow step and audit record were one commit: all are there, or none.
fn whole(client: &Client, auditor: &Client, id: &str, status: &str) {
    let page = client.page(&format!("/lending/applications/{id}"));
    assert_eq!(page.status, 200);
    let progress = page.body["sections"].to_string();
    assert!(progress.contains("\"progress\""), "{progress}");
    let told = trail(auditor, id);
    let tells = |what: &str| told.iter().any(|told| told.ends_with(what));
    assert!(tells(" · 提交申请"), "{id}: {told:?}");
    assert_eq!(
        tells(" · 撤回申请"),
        status == "withdrawn",
        "{id}: the audit trail tells what the record tells: {told:?}"
    );
}

#[test]
fn op_01_a_killed_server_keeps_its_word_on_sqlite() {
    survives(None);
}

#[test]
fn op_01_a_killed_server_keeps_its_word_on_postgresql() {
    if let Some(database) = Database::create("kill") {
        survives(Some(database));
    }
}
