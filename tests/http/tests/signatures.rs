//! Signed actions, from the signature to the offline check, over HTTP and with Debian's openssl.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first surprise; a skipped test says why"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel_crypto::sm2::SigningKey;
use kernel_crypto::sm3;
use serde_json::{Value, json};
use tests_http::certificate::{act_signed, openssl, send_signed, set_up, signed, unpack};
use tests_http::database::Database;
use tests_http::program::Program;
use tests_http::steps::{
    BANK, application, in_days, live_model, scored_product, sign_letter, text, trail,
};
use tests_http::{Browser, Client, Server, Start, until};

const LETTERS: &str = "/api/v1/consent/letters";
const APPLICATIONS: &str = "/api/v1/lending/applications";
const IDENTITY: &str = "distid:1234567812345678";

fn letter(days: u64) -> Value {
    json!({
        "recipient": BANK, "items": ["15", "25"], "purposes": ["02"],
        "valid_to": in_days(days), "separate": true, "agree": true,
    })
}

fn signatures(client: &Client, path: &str, id: &str) -> Vec<Value> {
    let all = client.get(&format!("{path}/{id}/signatures"));
    assert_eq!(all.status, 200, "{}", all.body);
    all.body["items"].as_array().unwrap().clone()
}

fn letters(client: &Client) -> u64 {
    client.get(LETTERS).body["total"].as_u64().unwrap()
}

/// Whether a signature in a folder is the key's over the message beside it; none without openssl.
fn verified(folder: &Path, part: &str, message: &str) -> Option<bool> {
    let arguments = format!(
        "dgst -sm3 -verify {part}/key.pem -sigopt {IDENTITY} -signature {part}/signature.der \
         {part}/{message}"
    );
    openssl(folder, &arguments).map(|(is, _)| is)
}

/// Turns one byte of a file into another.
fn alter(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn digest(folder: &Path, file: &str) -> String {
    let (_, told) = openssl(folder, &format!("dgst -sm3 -r {file}")).unwrap();
    told.split(' ').next().unwrap().to_owned()
}

fn has_sm2() -> bool {
    let curves = openssl(Path::new("."), "ecparam -list_curves");
    let found = curves.is_some_and(|(_, told)| told.contains("SM2"));
    if !found {
        eprintln!("skipped in part: no openssl with SM2 on this machine");
    }
    found
}

fn enterprise_signs(database: Option<Database>) {
    let start = Start {
        database,
        ..Start::default()
    };
    let Some(server) = Server::start_as(start) else {
        return;
    };
    let (mut client, officer) = (server.user("enterprise"), server.user("officer"));
    let key = set_up(&server, &mut client, "enterprise");
    let (path, before) = (format!("{LETTERS}/sign"), letters(&client));

    // What is to be signed is told, and its digest is in the text.
    let (wanted, other) = (letter(30), letter(31));
    let refusal = client.post(&path, &wanted);
    assert_eq!((refusal.status, refusal.code()), (403, "signature-needed"));
    let content = text(&refusal.body["content"]);
    let asked = text(&refusal.body["text"]);
    assert_eq!(
        asked.lines().last(),
        Some(sm3::digest(content.as_bytes()).to_string().as_str())
    );
    let entered: Value = serde_json::from_str(&content).unwrap();
    assert_eq!(entered["action"], "consent.letter.sign");
    assert_eq!(entered["input"]["valid_to"], wanted["valid_to"]);

    // A right signature over other content, and another's over this.
    let right = signed(&key, &asked);
    let stranger = signed(&SigningKey::generate().unwrap(), &asked);
    for (body, signature) in [(&other, &right), (&wanted, &stranger)] {
        let wrong = send_signed(&client, &path, body, (&refusal, signature));
        assert_eq!((wrong.status, wrong.code()), (403, "signature-needed"));
        assert!(wrong.body["content"].is_string(), "and is asked again");
    }
    assert_eq!(letters(&client), before, "nothing was signed");

    let done = send_signed(&client, &path, &wanted, (&refusal, &right));
    assert_eq!(done.status, 200, "{}", done.body);
    let id = text(&done.body["result"]["id"]);
    let again = send_signed(&client, &path, &wanted, (&refusal, &right));
    assert_eq!(again.code(), "signature-needed", "each is signed by itself");
    assert_eq!(letters(&client), before + 1);

    let all = signatures(&client, LETTERS, &id);
    assert_eq!(all.len(), 1);
    let one = &all[0];
    assert_eq!(one["way"], "certificate");
    assert_eq!((&one["holds"], &one["differs"]), (&json!(true), &json!([])));
    assert_eq!(
        (&one["name"], &one["revision"]),
        (&json!("林知远"), &json!(1))
    );
    assert!(one["serial"].as_str().is_some_and(|s| s.len() == 16));
    assert_eq!(signatures(&officer, LETTERS, &id), all, "the recipient too");
    let stranger = server.user("enterprise2");
    let path = format!("{LETTERS}/{id}/signatures");
    assert_eq!(stranger.get(&path).status, 404);
    let file = format!("{path}/{}", text(&one["id"]));
    assert_eq!(stranger.get(&file).status, 404);
    assert_eq!(server.anonymous().get(&file).status, 401);
    let auditor = server.user("auditor");
    assert!(
        trail(&auditor, &id)
            .iter()
            .any(|a| a.contains("签署授权书"))
    );

    offline(&client, &file, &wanted, &text(&one["digest"]));

    // Whoever has a certificate signs the end of the letter, too.
    let reason = json!({ "reason": "不再需要" });
    let revoke = format!("{LETTERS}/{id}/revoke");
    let ended = act_signed(&mut client, &key, &revoke, &reason);
    assert_eq!(ended.status, 200, "{}", ended.body);
    let all = signatures(&client, LETTERS, &id);
    assert_eq!(all.len(), 2);
    assert!(
        all.iter()
            .all(|s| s["holds"] == json!(true) && s["differs"] == json!([]))
    );
    let page = client
        .page(&format!("/consent/letters/{id}"))
        .body
        .to_string();
    assert!(
        page.contains("本人数字证书签名") && page.contains("有效"),
        "{page}"
    );
}

/// The package says what was signed, and each altered byte of it is found.
fn offline(client: &Client, file: &str, wanted: &Value, kept: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    unpack(client, file, at).unwrap();
    let message = fs::read(at.join("platform/message.json")).unwrap();
    let said: Value = serde_json::from_slice(&message).unwrap();
    let content = &said["content"];
    assert_eq!(content["by"]["login"], "enterprise");
    assert_eq!(
        content["by"]["organisation"]["name"],
        "上海云杉智能装备有限公司"
    );
    assert_eq!(content["input"]["valid_to"], wanted["valid_to"]);
    let fields = content["records"][0]["fields"].as_array().unwrap();
    let of = |name: &str| &fields.iter().find(|f| f["name"] == json!(name)).unwrap()["value"];
    assert_eq!(of("valid_to"), &wanted["valid_to"]);
    assert!(
        of("text").as_str().unwrap().contains("授权"),
        "all of the letter"
    );
    assert_eq!(sm3::digest(&message).to_string(), kept);
    let read_me = fs::read_to_string(at.join("README.txt")).unwrap();
    assert!(read_me.contains("openssl dgst -sm3 -verify platform/key.pem"));
    if !has_sm2() {
        return;
    }
    let export = "x509 -in own/certificate.pem -noout -pubkey -out own/key.pem";
    assert!(openssl(at, export).unwrap().0);
    let chain = format!("verify -CAfile own/root.pem -vfyopt {IDENTITY} own/certificate.pem");
    assert!(openssl(at, &chain).unwrap().0);
    let last = fs::read_to_string(at.join("own/message.txt")).unwrap();
    let last = last.trim_end().lines().last().unwrap().to_owned();
    assert_eq!(digest(at, "own/content.json"), last);
    for (part, name) in [("platform", "message.json"), ("own", "message.txt")] {
        assert_eq!(verified(at, part, name), Some(true), "{part}");
        let file = at.join(part).join(name);
        alter(&file);
        assert_eq!(verified(at, part, name), Some(false), "{part}");
        alter(&file);
        alter(&at.join(part).join("signature.der"));
        assert_eq!(verified(at, part, name), Some(false), "{part}");
    }
    alter(&at.join("own/content.json"));
    assert_ne!(digest(at, "own/content.json"), last);
}

#[test]
fn mm_4h_an_enterprise_signs_a_letter_on_sqlite() {
    enterprise_signs(None);
}

#[test]
fn mm_4h_an_enterprise_signs_a_letter_on_postgres() {
    if let Some(database) = Database::create("signatures") {
        enterprise_signs(Some(database));
    }
}

/// An application that waits for the bank.
fn applied(server: &Server) -> String {
    live_model(server);
    let mut owner = server.user("enterprise");
    sign_letter(&mut owner, BANK);
    let product = scored_product(&owner, BANK);
    let made = owner.post(&format!("{APPLICATIONS}/apply"), &application(&product));
    assert_eq!(made.status, 200, "{}", made.body);
    text(&made.body["result"]["id"])
}

#[test]
fn mm_4h_a_decision_is_signed_and_what_is_hidden_stays_so() {
    let Some(server) = Server::start() else {
        return;
    };
    let id = applied(&server);
    let owner = server.user("enterprise");
    assert!(signatures(&owner, APPLICATIONS, &id).is_empty());

    // A program takes it on: the signature of its call is kept.
    let program = Program::approved(&server, |_| {});
    let mut parts = program.parts("POST", &format!("{APPLICATIONS}/{id}/accept"), "?");
    parts.body = b"{}".to_vec();
    let accepted = program.send(&server.anonymous(), &parts);
    assert_eq!(accepted.answer.status, 200, "{}", accepted.answer.body);

    let mut officer = server.user("officer");
    let key = set_up(&server, &mut officer, "officer");
    let refuse = format!("{APPLICATIONS}/{id}/refuse");
    let why = json!({ "refusal": "debt", "reason": "负债水平偏高，建议半年后再申请" });
    let refusal = officer.post(&refuse, &why);
    let content: Value = serde_json::from_str(&text(&refusal.body["content"])).unwrap();
    assert_eq!(content["record"]["id"], json!(id));
    // Somebody changed the record since: what is signed is not what they saw.
    let missing = json!({ "reason": "请补充近三个月流水" });
    let returned = act_signed(
        &mut officer,
        &key,
        &format!("{APPLICATIONS}/{id}/return"),
        &missing,
    );
    assert_eq!(returned.status, 200, "{}", returned.body);
    let signature = signed(&key, &text(&refusal.body["text"]));
    let late = send_signed(&officer, &refuse, &why, (&refusal, &signature));
    assert_eq!(late.status, 409, "it is returned by now: {}", late.body);

    let all = signatures(&officer, APPLICATIONS, &id);
    let ways: Vec<&str> = all.iter().map(|s| s["way"].as_str().unwrap()).collect();
    assert_eq!(ways, ["signed-call", "certificate"]);
    assert!(
        all.iter()
            .all(|s| s["holds"] == json!(true) && s["differs"] == json!([]))
    );

    let folder = tempfile::tempdir().unwrap();
    let (bank, enterprise) = (folder.path().join("bank"), folder.path().join("owner"));
    let file = |at: usize| {
        let signature = text(&all[at]["id"]);
        format!("{APPLICATIONS}/{id}/signatures/{signature}")
    };
    unpack(&officer, &file(1), &bank).unwrap();
    unpack(&owner, &file(1), &enterprise).unwrap();
    let score = bank.join("fields/0-score.json");
    let phone = "fields/0-phone.json";
    assert!(!bank.join(phone).exists(), "the bank looks, for a reason");
    let own = fs::read_to_string(enterprise.join(phone)).unwrap();
    assert!(own.contains("13800001234"), "{own}");
    let message = fs::read_to_string(enterprise.join("platform/message.json")).unwrap();
    let said: Value = serde_json::from_str(&message).unwrap();
    let guarded = said["content"]["records"][0]["guarded"].as_array().unwrap();
    let of = |name: &str| &guarded.iter().find(|f| f["name"] == json!(name)).unwrap()["digest"];
    let disclosed = fs::read(&score).unwrap();
    assert_eq!(of("score"), &json!(sm3::digest(&disclosed).to_string()));
    assert!(!message.contains("13800001234"), "no telephone");

    let call = folder.path().join("call");
    unpack(&officer, &file(0), &call).unwrap();
    if has_sm2() {
        assert_eq!(verified(&call, "call", "message.txt"), Some(true));
        alter(&call.join("call/message.txt"));
        assert_eq!(verified(&call, "call", "message.txt"), Some(false));
        assert_eq!(verified(&call, "platform", "message.json"), Some(true));
    }
}

#[test]
fn mm_4h_a_person_signs_between_the_form_and_what_it_does() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut browser = Browser::signed_in(&server, "enterprise");
    let mut client = server.user("enterprise");
    let id = sign_letter(&mut client, BANK);
    let key = set_up(&server, &mut client, "enterprise");
    let path = format!("/consent/letters/{id}");
    let page = browser.get(&path);
    let typed = [
        ("_action", "letter.revoke"),
        ("_record", id.as_str()),
        ("reason", "换一家银行"),
    ];
    let asked = browser.send(&path, &page, &typed);
    assert_eq!(asked.status, 403, "{}", asked.html);
    for said in ["请用数字证书签名", "consent.letter.revoke", "换一家银行"] {
        assert!(asked.html.contains(said), "{said}: {}", asked.html);
    }
    let challenge = asked.html.split("id=\"challenge\"").nth(1).unwrap();
    let (_, rest) = challenge.split_once('>').unwrap();
    let asked_text = rest.split("</textarea>").next().unwrap();
    let send = |browser: &mut Browser, screen: &tests_http::Screen, signature: &str| {
        let (parked, challenge) = (screen.hidden("_parked"), screen.hidden("_challenge"));
        let typed = [
            ("_parked", parked.as_str()),
            ("_challenge", challenge.as_str()),
            ("_signature", signature),
        ];
        browser.send(&path, screen, &typed)
    };
    let wrong = send(&mut browser, &asked, &signed(&key, "x"));
    assert_eq!(wrong.status, 401, "{}", wrong.html);
    assert!(wrong.html.contains("签名不正确") && wrong.html.contains("换一家银行"));
    let done = send(&mut browser, &asked, &signed(&key, asked_text));
    assert_eq!(done.status, 303, "{}", done.html);
    let letter = client.get(&format!("{LETTERS}/{id}"));
    assert_eq!(letter.body["reason"], "换一家银行");
    let ways: Vec<Value> = signatures(&client, LETTERS, &id)
        .into_iter()
        .map(|s| s["way"].clone())
        .collect();
    assert_eq!(ways, [json!("password"), json!("certificate")]);
    let page = browser.get(&path);
    assert!(
        page.html.contains("仅密码，平台见证"),
        "it says so honestly"
    );
}

/// Changes the database of a running platform behind its back.
fn tamper(server: &Server, sql: &str) {
    let code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=20); \
                c.execute(sys.argv[2]); c.commit()";
    let database = server.data().join("rongqiao.sqlite");
    let mut python = Command::new("python3");
    let out = python.args(["-c", code]).arg(database).arg(sql).output();
    let out = out.unwrap();
    assert!(out.status.success(), "{out:?}");
}

#[test]
fn mm_4h_what_is_altered_is_shown_as_such() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut client = server.user("enterprise");
    let id = sign_letter(&mut client, BANK);
    let path = format!("/consent/letters/{id}");
    let one = &signatures(&client, LETTERS, &id)[0];
    assert_eq!((&one["holds"], &one["differs"]), (&json!(true), &json!([])));
    // Changed, a letter is nobody's to read, and whose signatures they are is not known by it.
    let of = |name: &str| {
        format!("UPDATE consent__letters SET recipient_name = {name} WHERE id = '{id}'")
    };
    tamper(&server, &of("recipient_name || '!'"));
    let refused = client.get(&format!("{LETTERS}/{id}/signatures"));
    assert_eq!(
        (refused.status, refused.code()),
        (503, "record-altered"),
        "{}",
        refused.body
    );
    tamper(&server, &of("rtrim(recipient_name, '!')"));
    let again = &signatures(&client, LETTERS, &id)[0];
    assert_eq!(again, one, "as it was, it is what was signed");

    // Put back whole, with its code, as it was before it was revoked: what was signed since tells.
    let kept = format!("CREATE TABLE kept AS SELECT * FROM consent__letters WHERE id = '{id}'");
    tamper(&server, &kept);
    let reason = json!({ "reason": "不再需要" });
    let revoked = client.post(&format!("{LETTERS}/{id}/revoke"), &reason);
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    tamper(
        &server,
        &format!("DELETE FROM consent__letters WHERE id = '{id}'"),
    );
    tamper(&server, "INSERT INTO consent__letters SELECT * FROM kept");
    let all = signatures(&client, LETTERS, &id);
    let differing = |one: &Value| one["differs"].to_string().contains("状态");
    let told: Vec<bool> = all.iter().map(differing).collect();
    assert_eq!(told, [false, true], "{all:?}");
    assert_eq!(all[1]["holds"], json!(true), "what was signed is as it was");
    let page = client.page(&path).body.to_string();
    assert!(page.contains("记录与签名不符："), "{page}");

    let change = format!("UPDATE platform__signatures SET way = 'code' WHERE record = '{id}'");
    tamper(&server, &change);
    assert!(
        signatures(&client, LETTERS, &id).is_empty(),
        "nothing is read from it"
    );
    let page = client.page(&path).body.to_string();
    assert!(page.contains("签名记录被改动"), "{page}");
}

/// Letters signed until the server was killed, by the ids that were acknowledged.
fn signs_until_killed(client: &Client, done: &AtomicUsize) -> Vec<String> {
    let mut all = Vec::new();
    for turn in 0.. {
        let key = format!("killed-{turn}");
        let Ok(answer) = client.attempt(&format!("{LETTERS}/sign"), &letter(30), &key) else {
            break;
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
        all.push(text(&answer.body["result"]["id"]));
        done.fetch_add(1, Ordering::Relaxed);
    }
    all
}

fn killed(database: Option<Database>) {
    let start = Start {
        database,
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let mut client = server.user("enterprise");
    let ids = |client: &Client| -> Vec<String> {
        let all = client.get(&format!("{LETTERS}?size=200")).body;
        let all = all["items"].as_array().unwrap();
        all.iter().map(|l| text(&l["id"])).collect()
    };
    let before = ids(&client);
    let done = AtomicUsize::new(0);
    let acknowledged = std::thread::scope(|scope| {
        let signing = scope.spawn(|| signs_until_killed(&client, &done));
        until("letters are signed", || done.load(Ordering::Relaxed) >= 12);
        server.kill();
        signing.join().unwrap()
    });
    server.start_again();
    client.follow(&server);
    let mut after = ids(&client);
    after.retain(|id| !before.contains(id));
    assert!(acknowledged.iter().all(|id| after.contains(id)));
    for id in after {
        let all = signatures(&client, LETTERS, &id);
        assert_eq!(all.len(), 1, "{id}: neither without the other");
        assert_eq!(all[0]["holds"], json!(true));
    }
}

#[test]
fn mm_4h_killed_at_any_moment_a_letter_has_its_signature_on_sqlite() {
    killed(None);
}

#[test]
fn mm_4h_killed_at_any_moment_a_letter_has_its_signature_on_postgres() {
    if let Some(database) = Database::create("killed_letters") {
        killed(Some(database));
    }
}
