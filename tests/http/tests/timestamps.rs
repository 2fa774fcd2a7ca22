//! Signatures stamped by an authority outside the platform, which is Debian's `openssl ts`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first surprise; a skipped test says why"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tests_http::certificate::{openssl, unpack};
use tests_http::database::Database;
use tests_http::steps::{BANK, sign_letter, text};
use tests_http::{Client, Server, Start, until};

const LETTERS: &str = "/api/v1/consent/letters";
const SETTINGS: &str = "[tsa]\ndefault_tsa = t\n[t]\nserial = ./serial\nsigner_digest = sha256\n\
    default_policy = 1.2.3.4.1\ndigests = sm3, sha256\naccuracy = secs:1\nordering = yes\n\
    tsa_name = yes\ness_cert_id_alg = sha256\n";

/// What the authority does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Stamps,
    /// The answer to the question before.
    Repeats,
    /// Stamps other bytes for the same nonce.
    StampsAnother,
    Rejects,
    Garbage,
    TenMegabytes,
    HangsUp,
}

struct Authority {
    folder: tempfile::TempDir,
    port: u16,
    does: Arc<Mutex<Does>>,
    asked: Arc<AtomicUsize>,
}

fn run(folder: &Path, arguments: &str) {
    let (done, told) = openssl(folder, arguments).unwrap();
    assert!(done, "{arguments}: {told}");
}

impl Authority {
    /// None without openssl.
    fn start(does: Does) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        if openssl(at, "version").is_none() {
            eprintln!("skipped: no openssl on this machine");
            return None;
        }
        let extensions = "extendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature\n";
        for (name, content) in [("ts.cnf", SETTINGS), ("serial", "01"), ("ext", extensions)] {
            fs::write(at.join(name), content).unwrap();
        }
        for command in [
            "ecparam -genkey -name prime256v1 -noout -out root.key",
            "ecparam -genkey -name prime256v1 -noout -out tsa.key",
            "req -x509 -new -key root.key -sha256 -subj /CN=root -days 30 -out root.pem \
             -addext keyUsage=critical,keyCertSign",
            "req -new -key tsa.key -sha256 -subj /CN=stamps -out tsa.csr",
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -sha256 -extfile ext -days 30 \
             -set_serial 2 -out tsa.pem",
        ] {
            run(at, command);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = Self {
            port: listener.local_addr().unwrap().port(),
            does: Arc::new(Mutex::new(does)),
            asked: Arc::default(),
            folder,
        };
        let (does, asked) = (Arc::clone(&authority.does), Arc::clone(&authority.asked));
        let at = authority.folder.path().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let does = *does.lock().unwrap();
                answer(&at, stream.unwrap(), does);
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
        Some(authority)
    }

    fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A platform that asks it.
    fn platform(&self) -> Option<Server> {
        self.platform_on(None)
    }

    /// The same on another database.
    fn platform_on(&self, database: Option<Database>) -> Option<Server> {
        let root = self.folder.path().join("root.pem");
        let config = format!(
            "[timestamps]\nurl = \"http://127.0.0.1:{}/\"\ncertificates = \"{}\"\n",
            self.port,
            root.display()
        );
        let file = self.folder.path().join("config.toml");
        fs::write(&file, config).unwrap();
        Server::start_as(Start {
            config: Some(file),
            database,
            ..Start::default()
        })
    }
}

/// The body of a request.
fn question(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
        all.extend_from_slice(piece.get(..n)?);
        let Some(head) = all.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let said = String::from_utf8_lossy(all.get(..head)?).to_lowercase();
        assert!(said.contains("application/timestamp-query"), "{said}");
        let length = said.split("content-length: ").nth(1)?.lines().next()?;
        let body = all.get(head + 4..)?;
        if body.len() >= length.trim().parse().ok()? {
            return Some(body.to_vec());
        }
    }
}

fn answer(at: &Path, mut stream: TcpStream, does: Does) {
    let Some(asked) = question(&mut stream) else {
        return;
    };
    let mut asked_for = asked.clone();
    if does == Does::StampsAnother {
        // Within the digest, which ends before the nonce.
        if let Some(byte) = asked_for.get_mut(40) {
            *byte ^= 1;
        }
    }
    let body = match does {
        Does::HangsUp => return,
        Does::Garbage => b"<html>busy</html>".to_vec(),
        Does::TenMegabytes => vec![0x30; 10 << 20],
        Does::Rejects => vec![0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02],
        Does::Repeats => fs::read(at.join("answer.tsr")).unwrap(),
        Does::Stamps | Does::StampsAnother => {
            fs::write(at.join("question.tsq"), asked_for).unwrap();
            let reply = "ts -reply -config ts.cnf -queryfile question.tsq -signer tsa.pem \
                         -inkey tsa.key -out answer.tsr";
            run(at, reply);
            fs::read(at.join("answer.tsr")).unwrap()
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    // The other end hangs up on what is too long, or was killed.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

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
    let Some(server) = authority.platform_on(database) else {
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
