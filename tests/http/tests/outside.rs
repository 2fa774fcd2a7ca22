//! Certificates of an authority outside, which is Debian's openssl: registered, signed in and signed
//! with, and taken back there, over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use kernel_crypto::sm2::SigningKey;
use serde_json::json;
use tests_authority::{ALWAYS, Authority, Wish, available, read};
use tests_http::certificate::{act_signed, fact, openssl, signed, unpack};
use tests_http::steps::{BANK, in_days, recorded, text, trail};
use tests_http::{Answer, Browser, Client, Server, Start, until};

const REGISTER: &str = "/api/v1/platform/factors/register-certificate";
const CONFIRM: &str = "/api/v1/platform/factors/confirm-certificate";
const LETTERS: &str = "/api/v1/consent/letters";

/// An authority outside, whose list is at an address; its root's is a file.
struct Outside {
    folder: tempfile::TempDir,
    issuing: Authority,
    url: String,
}

/// None without openssl.
fn outside() -> Option<Outside> {
    let folder = tempfile::tempdir().unwrap();
    if !available() {
        return None;
    }
    let root = Authority::root(folder.path(), "root");
    let issuing = root.below("issuing");
    root.list(ALWAYS);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/users.crl", listener.local_addr().unwrap());
    let body = issuing.list(ALWAYS);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut asked) = (stream.unwrap(), [0; 4096]);
            let _ = stream.read(&mut asked);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    Some(Outside {
        folder,
        issuing,
        url,
    })
}

impl Outside {
    fn at(&self) -> &Path {
        self.folder.path()
    }

    /// A platform that trusts it and reads these lists.
    fn platform(&self, lists: &[&str]) -> Option<Server> {
        let root = self.at().join("root.pem");
        let config = format!(
            "[certificates]\ntrusted = [{:?}]\nlists = {lists:?}\n",
            root.display().to_string()
        );
        let file = self.at().join("config.toml");
        fs::write(&file, config).unwrap();
        Server::start_as(Start {
            config: Some(file),
            ..Start::default()
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.at().join(name)
    }

    /// A certificate with its chain.
    fn person(&self, name: &str) -> (SigningKey, String) {
        let pem = self.issuing.issue(name, Wish::default());
        let key = SigningKey::from_pkcs8_pem(&read(self.at(), &format!("{name}.key")));
        (key.unwrap(), pem + &self.issuing.pem())
    }
}

fn register(server: &Server, client: &mut Client, login: &str, pem: &str) -> Answer {
    let given =
        json!({ "current": server.password(login), "label": "CA UKey", "certificate": pem });
    client.post(REGISTER, &given)
}

fn enrol(server: &Server, client: &mut Client, login: &str, with: (&SigningKey, &str)) {
    let (key, pem) = with;
    // Until the platform has read the lists nobody registers.
    until("the lists are there", || {
        let begun = register(server, client, login, pem);
        let waits = begun.body["errors"][0]["code"] == "certificate-unchecked";
        assert!(waits || begun.status == 200, "{}", begun.body);
        begun.status == 200
    });
    let page = client.page("/platform/account").body;
    let possession = fact(&page, "待签名文本");
    let newest = "/api/v1/platform/factors?sort=-created_at";
    let id = server.user("auditor").get(newest).body["items"][0]["id"].clone();
    let confirm = |signature: String| json!({ "factor": id, "signature": signature });
    let wrong = client.post(CONFIRM, &confirm(signed(key, "x")));
    assert_eq!(wrong.body["errors"][0]["code"], "wrong-signature");
    let done = client.post(CONFIRM, &confirm(signed(key, &possession)));
    assert_eq!(done.status, 200, "{}", done.body);
}

/// Signs in with password and certificate.
fn sign_in(server: &Server, login: &str, key: &SigningKey) -> Answer {
    let mut client = server.anonymous();
    let credentials = json!({ "login": login, "password": server.password(login) });
    let asked = client.post("/api/v1/session", &credentials);
    assert_eq!(asked.code(), "code-needed", "{}", asked.body);
    let signature = signed(key, asked.body["text"].as_str().unwrap());
    let proof = json!({
        "pending": asked.body["pending"], "challenge": asked.body["challenge"],
        "signature": signature,
    });
    client.post("/api/v1/session", &proof)
}

#[test]
fn mm_4a_a_certificate_of_outside_signs_in_and_its_chain_goes_along_with_what_it_signs() {
    let Some(outside) = outside() else {
        return;
    };
    let list = outside.file("root.list").display().to_string();
    let Some(server) = outside.platform(&[&list, &outside.url]) else {
        return;
    };
    let (key, pem) = outside.person("person");
    let mut client = server.user("enterprise");
    enrol(&server, &mut client, "enterprise", (&key, &pem));
    let again = sign_in(&server, "enterprise", &key);
    assert_eq!(again.status, 200, "{}", again.body);
    // Somebody else does not register it as well.
    let mut other = server.user("enterprise2");
    let taken = register(&server, &mut other, "enterprise2", &pem);
    assert_eq!(taken.body["errors"][0]["code"], "certificate-taken");
    let auditor = server.user("auditor");
    for what in ["register-certificate", "confirm-certificate"] {
        let filters = format!("what=platform.factor.{what}&outcome=done");
        assert_eq!(recorded(&server, &filters), 1, "{what}");
    }

    let letter = json!({
        "recipient": BANK, "items": ["15", "25"], "purposes": ["02"],
        "valid_to": in_days(30), "separate": true, "agree": true,
    });
    let done = act_signed(&mut client, &key, &format!("{LETTERS}/sign"), &letter);
    assert_eq!(done.status, 200, "{}", done.body);
    let id = text(&done.body["result"]["id"]);
    assert!(!trail(&auditor, &id).is_empty());
    let path = format!("{LETTERS}/{id}/signatures");
    let one = client.get(&path).body["items"][0].clone();
    assert_eq!(
        (&one["way"], &one["holds"]),
        (&json!("certificate"), &json!(true))
    );
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    unpack(&client, &format!("{path}/{}", text(&one["id"])), at).unwrap();
    let read_me = fs::read_to_string(at.join("README.txt")).unwrap();
    // Every command of the second part, as it stands there.
    let (_, own) = read_me.split_once("2. 本人的签名").unwrap();
    let own = own.replace("\\\n", " ");
    let commands: Vec<&str> = own
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("openssl"))
        .collect();
    assert_eq!(commands.len(), 5, "{own}");
    let run = || {
        commands.iter().all(|command| {
            let command = command.strip_prefix("openssl ").unwrap();
            let (command, to) = command.split_once(" > ").unwrap_or((command, ""));
            let (done, told) = openssl(at, command).unwrap();
            if !to.is_empty() {
                fs::write(at.join(to), told).unwrap();
            }
            done
        })
    };
    assert!(run(), "{own}");
    // The chain of another authority of the same names.
    let other = tempfile::tempdir().unwrap();
    let stranger = Authority::root(other.path(), "root").below("issuing");
    fs::write(at.join("own/issuer-1.pem"), stranger.pem()).unwrap();
    assert!(!run());
}

#[test]
fn mm_4a_what_its_authority_takes_back_stops_working_and_without_a_list_nobody_gets_in() {
    let Some(outside) = outside() else {
        return;
    };
    let root = outside.file("root.list").display().to_string();
    let issuing = outside.file("issuing.list").display().to_string();
    let Some(server) = outside.platform(&[&root, &issuing]) else {
        return;
    };
    let (key, pem) = outside.person("person");
    let mut client = server.user("enterprise");
    enrol(&server, &mut client, "enterprise", (&key, &pem));
    assert_eq!(sign_in(&server, "enterprise", &key).status, 200);

    // Noise in its place changes nothing, for the list of before still holds.
    fs::write(&issuing, b"\x30\x80 no list").unwrap();
    until("it is told of", || {
        server.log().contains("a list is not read")
    });
    assert_eq!(sign_in(&server, "enterprise", &key).status, 200);
    outside.issuing.revoke("person");
    outside.issuing.list(ALWAYS);
    until("the list is read", || {
        let done = sign_in(&server, "enterprise", &key);
        done.code() == "certificate-revoked"
    });
    let done = sign_in(&server, "enterprise", &key);
    assert_eq!(done.status, 401);
    assert!(
        text(&done.body["detail"]).contains("已吊销"),
        "{}",
        done.body
    );
    assert!(recorded(&server, "what=platform.session.start&outcome=refused") > 0);
    drop(server);

    // The list's time is over.
    outside.issuing.list(["20250101000000Z", "20250601000000Z"]);
    let Some(server) = outside.platform(&[&root, &issuing]) else {
        return;
    };
    let (_, pem) = outside.person("another");
    let mut client = server.user("enterprise");
    until("it is told of", || {
        server.log().contains("certificates.list")
    });
    let done = register(&server, &mut client, "enterprise", &pem);
    assert_eq!(done.status, 400);
    assert_eq!(done.body["errors"][0]["code"], "certificate-unchecked");
}

#[test]
fn mm_4a_a_person_registers_a_certificate_on_the_page_of_the_account() {
    let Some(outside) = outside() else {
        return;
    };
    let list = outside.file("root.list").display().to_string();
    let Some(server) = outside.platform(&[&list, &outside.url]) else {
        return;
    };
    let (key, pem) = outside.person("person");
    let mut browser = Browser::signed_in(&server, "enterprise");
    let page = "/platform/account";
    let password = server.password("enterprise").to_owned();
    let send = |browser: &mut Browser, form: &str, action: &str, typed: &[(&str, &str)]| {
        let screen = browser.get(page);
        let mut all = vec![("_form", form), ("_action", action)];
        all.extend(typed);
        browser.send(page, &screen, &all)
    };
    let register = |browser: &mut Browser, pem: &str| {
        let typed = [
            ("label", "UKey"),
            ("certificate", pem),
            ("current", &password),
        ];
        let (form, action) = ("certificate-register", "factor.register-certificate");
        send(browser, form, action, &typed)
    };
    let leaf = pem
        .split_inclusive("-----END CERTIFICATE-----")
        .next()
        .unwrap();
    for (bad, why) in [("您好", "不是证书"), (leaf, "中间证书")] {
        let refused = register(&mut browser, bad);
        assert_eq!(refused.status, 422, "{}", refused.html);
        assert!(refused.html.contains(why), "{}", refused.html);
    }
    until("the lists are there", || {
        register(&mut browser, &pem).status == 303
    });
    let begun = browser.get(page).html;
    assert!(begun.contains("CN=issuing"), "{begun}");
    let (_, rest) = begun.split_once("rongqiao.possession.1").unwrap();
    let text = format!("rongqiao.possession.1{}", rest.split('<').next().unwrap());
    let newest = "/api/v1/platform/factors?sort=-created_at";
    let factor = server.user("auditor").get(newest).body["items"][0]["id"].clone();
    let signature = signed(&key, &text);
    let typed = [
        ("factor", factor.as_str().unwrap()),
        ("signature", &signature),
    ];
    let (form, action) = ("certificate-confirm", "factor.confirm-certificate");
    let done = send(&mut browser, form, action, &typed);
    assert_eq!(done.status, 303, "{}", done.html);
    assert_eq!(sign_in(&server, "enterprise", &key).status, 200);

    let typed = [("factor", factor.as_str().unwrap()), ("current", &password)];
    let (form, action) = ("certificate-revoke", "factor.revoke-certificate");
    let ended = send(&mut browser, form, action, &typed);
    assert_eq!(ended.status, 303, "{}", ended.html);
    // Without a factor the password is enough again.
    Browser::signed_in(&server, "enterprise");
}
