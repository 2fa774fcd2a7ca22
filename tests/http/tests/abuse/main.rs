//! Abuse: ten thousand malformed requests on one running platform give no failure of its own, no
//! panic, no markup of a stranger's making, and leave it serving.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod grammar;
mod wire;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests_http::Server;
use tests_http::steps::{BANK, live_model};

use grammar::{Dice, MARK, Operation, Request, Who};
use wire::{Answer, Wire};

const REQUESTS: usize = 12_000;
/// Another seed by `RONGQIAO_ABUSE_SEED`.
const SEED: u64 = 20_261_124;
const PEOPLE: [&str; 7] = [
    "enterprise",
    "officer",
    "developer",
    "validator",
    "operator",
    "security",
    "government",
];
/// What would end the sessions that the test rests on.
const SPARED: [&str; 2] = ["/api/v1/session", "/api/v1/platform/sessions/end"];

fn seed() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no configuration file"
    )]
    let given = std::env::var("RONGQIAO_ABUSE_SEED");
    given.ok().and_then(|s| s.parse().ok()).unwrap_or(SEED)
}

fn sign_in(wire: &mut Wire, server: &Server, login: &str) -> Who {
    let body = json!({ "login": login, "password": server.password(login) }).to_string();
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = wire.send(request.as_bytes(), false).expect("an answer");
    assert_eq!(answer.status, 200, "{login}: {}", answer.text());
    let cookie = answer.header("set-cookie").expect("a session");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    Who {
        cookie: cookie.split(';').next().expect("a pair").to_owned(),
        csrf: body["csrf"].as_str().expect("a form token").to_owned(),
    }
}

fn get(wire: &mut Wire, path: &str, who: &Who) -> Answer {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\ncookie: {}\r\n\r\n",
        who.cookie
    );
    wire.send(request.as_bytes(), false).expect("an answer")
}

/// What is wrong with an answer; none when nothing is.
fn wrong(request: &Request, answer: &Answer) -> Option<&'static str> {
    if answer.status >= 500 {
        return Some("a failure of the platform's own");
    }
    if !answer.is_ours() {
        // Not HTTP, or beyond the library's own limits: refused before anything of ours.
        let known = matches!(answer.status, 400 | 414 | 431) && answer.body.is_empty();
        return (!known).then_some("an answer of unknown origin");
    }
    if answer.kind().starts_with("text/html") && answer.text().contains(MARK) {
        return Some("a stranger's markup");
    }
    if answer.status >= 400 && !request.page && !request.head_only {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let coded = body["code"].as_str().is_some_and(|c| !c.is_empty());
        let fits = answer.kind() == "application/problem+json" && body["status"] == answer.status;
        return (!coded || !fits).then_some("no problem+json");
    }
    None
}

fn shown(why: &str, request: &Request, answer: &Answer) -> String {
    let short = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.chars().take(1_500).collect::<String>()
    };
    let (sent, got) = (short(&request.bytes), short(&answer.body));
    format!(
        "{why}: {} {}\n{sent}\n→ {got}\n",
        answer.status,
        answer.kind()
    )
}

#[test]
fn dj_12_ten_thousand_malformed_requests_break_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    // With a model in service nothing that is asked for may be unavailable.
    live_model(&server);
    let mut wire = Wire::new(&server.url);
    let mut callers = vec![Who {
        cookie: String::new(),
        csrf: String::new(),
    }];
    for login in PEOPLE {
        callers.push(sign_in(&mut wire, &server, login));
    }
    let document = get(&mut wire, "/api/v1/openapi.json", &callers[0]);
    let document: Value = serde_json::from_slice(&document.body).expect("JSON");
    let all = grammar::operations(&document);
    assert!(all.len() > 60, "{}", all.len());
    let spared = |o: &Operation| SPARED.contains(&o.path.as_str());
    let kept: Vec<Operation> = all.iter().filter(|o| !spared(o)).cloned().collect();

    let seed = seed();
    eprintln!("seed {seed}");
    let mut dice = Dice::new(seed);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let (mut silent, mut found) = (0, Vec::new());
    for _ in 0..REQUESTS {
        let who = dice.below(callers.len());
        let from = if who == 0 { &all } else { &kept };
        let request = grammar::request(&mut dice, from, &callers[who]);
        let answer = if request.cut {
            wire.send_cut(&request.bytes)
        } else {
            let answer = wire.send(&request.bytes, request.head_only);
            assert!(answer.is_some(), "no answer to {}", request.target);
            answer
        };
        match answer {
            Some(answer) => {
                if let Some(why) = wrong(&request, &answer) {
                    found.push(shown(why, &request, &answer));
                }
                *statuses.entry(answer.status).or_default() += 1;
            }
            // Cut off in the middle: there may be nobody to answer to.
            None => silent += 1,
        }
    }
    eprintln!("answers by status {statuses:?}, cut off {silent}");
    let first: String = found.iter().take(8).map(String::as_str).collect();
    assert!(found.is_empty(), "{} wrong answers:\n{first}", found.len());
    assert!(
        statuses.len() > 8,
        "the grammar reaches what there is: {statuses:?}"
    );

    let log = server.log();
    assert!(!log.contains("panicked"), "a panic is in the log");
    for who in &callers[1..] {
        crawl(&mut wire, who);
    }
    let health = get(&mut wire, "/healthz", &callers[0]);
    assert_eq!(
        (health.status, health.text().contains("\"ok\"")),
        (200, true)
    );
    let list = get(&mut wire, "/api/v1/market/products", &callers[1]);
    assert_eq!(list.status, 200, "{}", list.text());
    let (ok, text) = server.command(&["doctor"]);
    assert!(ok, "{text}");
}

/// Looks at every page that a person is led to, for what others have typed.
fn crawl(wire: &mut Wire, who: &Who) {
    let (mut seen, mut waiting) = (Vec::new(), vec!["/".to_owned(), "/access/apps".to_owned()]);
    while let Some(path) = waiting.pop() {
        if seen.contains(&path) || seen.len() >= 80 {
            continue;
        }
        let page = get(wire, &path, who);
        assert!(page.status < 500, "{path}: {}", page.text());
        let html = page.text();
        assert!(!html.contains(MARK), "{path} shows a stranger's markup");
        seen.push(path);
        let links = html
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let pages =
            links.filter(|l| l.starts_with('/') && !l.starts_with("/assets/") && *l != "/logout");
        waiting.extend(pages.map(|l| l.replace("&amp;", "&")));
    }
    assert!(seen.len() > 3, "{seen:?}");
}

#[test]
fn dj_12_what_somebody_typed_is_text_on_every_page() {
    let Some(server) = Server::start() else {
        return;
    };
    let typed = "\"><rqx onmouseover=alert(1)>";
    let mut operator = server.user("operator");
    let key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAECfnfMR5UIaFQ3X0WHkvFxnIXn60Y\n\
        M/wHa7CP81bzUCDM6kkM4md1pS3G6nGMwapgCu0F+/NeCEpmMvYHLamtEw==\n-----END PUBLIC KEY-----\n";
    let registered = operator.post(
        "/api/v1/access/apps/register",
        &json!({
            "name": typed, "organisation": BANK, "roles": ["bank.officer"], "key": key,
            "networks": "203.0.113.0/24", "per_minute": 1, "per_day": 1,
        }),
    );
    assert_eq!(registered.status, 200, "{}", registered.body);
    let id = registered.body["result"]["id"].as_str().expect("an id");
    let auditor = server.user("auditor");
    for (path, reader) in [
        ("/access/apps".to_owned(), &operator),
        (format!("/access/apps/{id}"), &operator),
        ("/console/audit".into(), &auditor),
    ] {
        let page = reader.get(&path);
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text().contains(MARK), "{path}");
        let shown =
            page.text().contains("&quot;&gt;&lt;rqx") || page.text().contains("\"&gt;&lt;rqx");
        assert!(shown, "{path} shows it as text");
    }
}

#[test]
fn dj_12_a_body_that_must_be_unpacked_is_not_taken() {
    let Some(server) = Server::start() else {
        return;
    };
    let developer = server.user("developer");
    let packed = developer.signed(
        "POST",
        "/api/v1/files?name=a.csv",
        &[("content-encoding".into(), "gzip".into())],
        b"\x1f\x8b\x08\0",
    );
    let got = (packed.answer.status, packed.answer.code().to_owned());
    assert_eq!(got, (415, "unsupported-media-type".to_owned()));
    for (name, bytes) in [
        ("a.wasm", b"PK\x03\x04\0\0".as_slice()),
        ("a.csv", b"<html><script>alert(1)</script>"),
        (
            "a.csv",
            b"<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
        ),
        ("a.csv", b"\x7fELF\x02\x01"),
    ] {
        let refused = developer.upload(name, bytes);
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid"),
            "{}",
            refused.body
        );
        assert_eq!(refused.body["errors"][0]["code"], "bad-file");
    }
}
