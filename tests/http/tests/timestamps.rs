//! Signatures stamped by an authority outside the platform, which is Debian's `openssl ts`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_http::certificate::{openssl, unpack};
use tests_http::collector::Pki;
use tests_http::database::Database;
use tests_http::stamper::{Authority, Does};
use tests_http::steps::{BANK, over, sign_letter, text};
use tests_http::{Client, Node, Server, until};

const LETTERS: &str = "/api/v1/consent/letters";
const LATER: Duration = Duration::from_secs(30);

fn stamp(client: &Client, letter: &str) -> (String, Value) {
    let all = client.get(&format!("{LETTERS}/{letter}/signatures"));
    assert_eq!(all.status, 200, "{}", all.body);
    let one = all.body["items"].as_array().unwrap().first().unwrap();
    (text(&one["id"]), one["stamp"].clone())
}

fn is_stamped(client: &Client, letter: &str) -> bool {
    let (_, stamp) = stamp(client, letter);
    assert!(
        stamp["at"].is_null() || stamp["holds"] == json!(true),
        "{stamp}"
    );
    stamp["at"].is_string()
}

fn page(client: &Client, letter: &str) -> String {
    let page = client.page(&format!("/consent/letters/{letter}"));
    page.body.to_string()
}

#[test]
fn mm_4h_a_stamp_of_an_outside_authority_is_checked_by_openssl() {
    is_checked_by_openssl(None);
}

#[test]
fn mm_4h_a_stamp_is_checked_by_openssl_on_postgres() {
    if let Some(database) = Database::create("timestamps") {
        is_checked_by_openssl(Some(database));
    }
}

fn is_checked_by_openssl(database: Option<Database>) {
    let Some(authority) = Authority::start(Does::Stamps) else {
        return;
    };
    let Some(server) = authority.platform_on(database, "") else {
        return;
    };
    let mut client = server.user("enterprise");
    let letter = sign_letter(&mut client, BANK);
    until("it is stamped", || is_stamped(&client, &letter));
    let (id, found) = stamp(&client, &letter);
    assert_eq!(found["authority"], "CN=stamps");
    assert!(page(&client, &letter).contains("CN=stamps"));

    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    unpack(&client, &format!("{LETTERS}/{letter}/signatures/{id}"), at).unwrap();
    let read_me = fs::read_to_string(at.join("README.txt")).unwrap();
    assert!(read_me.contains("openssl ts -verify -data platform/signature.der"));
    let check = "ts -verify -data platform/signature.der -in timestamp/timestamp.tsr -CAfile \
                 timestamp/root.pem";
    assert!(openssl(at, check).unwrap().0);
    fs::write(at.join("platform/signature.der"), b"another").unwrap();
    assert!(!openssl(at, check).unwrap().0);
}

#[test]
fn mm_4h_an_answer_that_is_wrong_is_not_kept_and_the_authority_is_asked_again() {
    let Some(authority) = Authority::start(Does::Stamps) else {
        return;
    };
    let Some(server) = authority.platform() else {
        return;
    };
    let mut client = server.user("enterprise");
    let first = sign_letter(&mut client, BANK);
    until("it is stamped", || is_stamped(&client, &first));
    let kept = stamp(&client, &first);
    let mut letters = Vec::new();
    for does in [
        Does::Repeats,
        Does::StampsAnother,
        Does::Rejects,
        Does::Garbage,
        Does::TenMegabytes,
        Does::HangsUp,
    ] {
        authority.now(does);
        let before = authority.asked();
        let letter = sign_letter(&mut client, BANK);
        until("the authority is asked", || authority.asked() > before);
        let (_, found) = stamp(&client, &letter);
        assert!(found["at"].is_null(), "{does:?}: {found}");
        assert!(page(&client, &letter).contains("待加盖"), "{does:?}");
        letters.push(letter);
    }
    // Whoever looks after the platform sees that they wait; none for an hour yet.
    let (well, told) = server.command(&["doctor", "--json"]);
    assert!(well, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let checks = told["checks"].as_array().unwrap();
    let stamps = checks
        .iter()
        .find(|check| check["name"] == "stamps")
        .unwrap();
    assert_eq!(
        (&stamps["state"], &stamps["detail"]["waiting"]),
        (&json!("ok"), &json!(letters.len()))
    );
    authority.now(Does::Stamps);
    for letter in &letters {
        until("each is stamped in the end", || is_stamped(&client, letter));
    }
    assert_eq!(stamp(&client, &first), kept, "what is kept stays");
}

#[test]
fn mm_4h_killed_between_the_answer_and_keeping_it_a_signature_is_stamped_in_the_end() {
    let Some(authority) = Authority::start(Does::Stamps) else {
        return;
    };
    let Some(mut server) = authority.platform() else {
        return;
    };
    let mut client = server.user("enterprise");
    let letter = sign_letter(&mut client, BANK);
    until("the authority has answered", || authority.asked() > 0);
    server.kill();
    server.start_again();
    client.follow(&server);
    until("it is stamped", || is_stamped(&client, &letter));
    let (id, found) = stamp(&client, &letter);
    let asked = authority.asked();
    let other = sign_letter(&mut client, BANK);
    until("another is, too", || is_stamped(&client, &other));
    assert_eq!(stamp(&client, &letter), (id, found), "and once");
    assert_eq!(authority.asked(), asked + 1);
}

#[test]
fn mm_4h_without_an_authority_the_time_is_the_platforms_and_the_page_says_so() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut client = server.user("enterprise");
    let letter = sign_letter(&mut client, BANK);
    assert_eq!(stamp(&client, &letter).1, Value::Null);
    assert!(page(&client, &letter).contains("平台时间"));
}

/// What the page of what the platform does by itself says, to whoever operates it.
fn told(server: &Server) -> String {
    let page = server.user("operator").page("/console/schedules");
    assert_eq!(page.status, 200, "{}", page.body);
    page.body.to_string()
}

#[test]
fn mm_4h_an_authority_that_never_answers_costs_a_bounded_time_and_holds_up_nothing() {
    let Some(authority) = Authority::start(Does::IsSilent) else {
        return;
    };
    let Some(server) = authority.platform() else {
        return;
    };
    let mut client = server.user("enterprise");
    let letter = sign_letter(&mut client, BANK);
    until("the authority is asked", || authority.came().at_once > 0);
    // While it is silent people sign, and the work beside goes on.
    let began = Instant::now();
    let other = sign_letter(&mut client, BANK);
    let wanted = json!({ "format": "csv", "reason": "核对" });
    let export = client.post(&format!("{LETTERS}/export"), &wanted);
    assert_eq!(over(&client, &export)["status"], "done");
    if began.elapsed() < Duration::from_secs(5) {
        assert_eq!(authority.asked(), 0, "the question is open all the while");
    }
    until("it is given up", || authority.asked() > 0);
    until("why is told", || {
        told(&server).contains("时间戳机构没有应答")
    });
    let page = told(&server);
    assert!(
        page.contains("签名时间戳") && page.contains("等待加盖的签名"),
        "{page}"
    );
    authority.now(Does::Trickles);
    until("one that trickles is given up, too", || {
        authority.came().waited.len() > 2
    });
    authority.now(Does::Stamps);
    for letter in [&letter, &other] {
        until("it is asked again", || is_stamped(&client, letter));
    }
    let came = authority.came();
    let longest = came.waited.iter().max().unwrap();
    assert!(*longest < LATER, "{:?}", came.waited);
    assert_eq!(came.twice, 0, "never again before it is given up");
}

#[test]
fn mm_4h_an_authority_behind_tls_is_asked_where_its_certificate_is_believed() {
    let (Some(own), Some(anothers)) = (Pki::make(), Pki::make()) else {
        return;
    };
    let Some(authority) = Authority::secure(Does::Stamps, &own) else {
        return;
    };
    let trusts = |pki: &Pki| format!("[outgoing]\nauthorities = \"{}\"\n", pki.authority());
    let Some(mut server) = authority.platform_on(None, &trusts(&anothers)) else {
        return;
    };
    let mut client = server.user("enterprise");
    let letter = sign_letter(&mut client, BANK);
    until("it is tried", || authority.came().connections > 0);
    until("why is told", || {
        told(&server).contains("不能与它建立可信的连接")
    });
    assert!(!is_stamped(&client, &letter));
    assert!(authority.came().about.is_empty(), "it is told nothing");

    server.stop();
    authority.config(&trusts(&own));
    server.start_again();
    client.follow(&server);
    until("it is stamped", || is_stamped(&client, &letter));
    assert_eq!(authority.came().about.len(), 1);
}

#[test]
fn mm_4h_two_that_work_at_once_have_each_signature_stamped_once() {
    let Some(database) = Database::create("stampers") else {
        return;
    };
    let Some(authority) = Authority::start(Does::StampsSlowly) else {
        return;
    };
    let Some(server) = authority.platform_on(Some(database), "") else {
        return;
    };
    let _second = Node::beside(&server, "worker");
    let mut client = server.user("enterprise");
    let letters: Vec<String> = (0..12).map(|_| sign_letter(&mut client, BANK)).collect();
    for letter in &letters {
        until("each is stamped", || is_stamped(&client, letter));
    }
    let came = authority.came();
    assert_eq!(came.about.len(), letters.len());
    assert!(came.about.values().all(|times| *times == 1), "{came:?}");
    assert_eq!((came.twice, came.at_once), (0, 2), "both were at it");
}

#[test]
fn mm_4h_what_its_root_took_back_or_nobody_answers_for_stamps_nothing() {
    let Some(authority) = Authority::start(Does::Stamps) else {
        return;
    };
    // Out of date for long.
    authority.lists(Some(["20250101000000Z", "20250102000000Z"]));
    let lists = format!("lists = [\"{}\"]\n", authority.list().display());
    let Some(server) = authority.platform_on(None, &lists) else {
        return;
    };
    let mut client = server.user("enterprise");
    let first = sign_letter(&mut client, BANK);
    until("it is asked", || authority.asked() > 0);
    until("why is told", || {
        told(&server).contains("没有有效的吊销列表")
    });
    assert!(!is_stamped(&client, &first));
    assert!(server.log().contains("timestamps.list"));

    authority.lists(None);
    until("with a list that holds it is stamped", || {
        is_stamped(&client, &first)
    });
    let kept = stamp(&client, &first);
    authority.revoke();
    authority.lists(None);
    until("it is known", || {
        let letter = sign_letter(&mut client, BANK);
        let asked = authority.asked();
        until("it is asked", || {
            authority.asked() > asked || is_stamped(&client, &letter)
        });
        told(&server).contains("机构的证书已被吊销")
    });
    let second = sign_letter(&mut client, BANK);
    let asked = authority.asked();
    until("it is asked", || authority.asked() > asked);
    assert!(!is_stamped(&client, &second));
    assert_eq!(stamp(&client, &first), kept, "what was kept stays");
    authority.renew();
    until("with another certificate it is stamped", || {
        is_stamped(&client, &second)
    });
}
