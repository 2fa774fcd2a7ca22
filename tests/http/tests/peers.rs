//! Clients that show certificates: of a partner's authority, which is Debian's openssl, named by the app
//! whose calls they bring and taken back by a list; told by a gateway; and what the platform itself issues
//! to nodes and publishers.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::ca::{self, Purpose};
use kernel_crypto::sm2::SigningKey;
use serde_json::{Value, json};
use tests_http::program::{Program, now};
use tests_http::steps::{recorded, text};
use tests_http::wire::{OK, Wire, header};
use tests_http::{Server, Start, until};

const CERTIFICATES: &str = "/api/v1/access/certificates";

/// A partner's authority with two certificates, and the platform's own, all of P-256.
struct Partner {
    folder: tempfile::TempDir,
}

impl Partner {
    fn new() -> Self {
        let partner = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let settings = "[ca]\ndefault_ca = one\n[one]\ndatabase = index\ncrlnumber = number\n\
            default_md = sha256\ndefault_crl_days = 7\n[leaf]\nbasicConstraints = CA:FALSE\n\
            keyUsage = digitalSignature\nextendedKeyUsage = clientAuth, serverAuth\n\
            subjectAltName = DNS:localhost\n";
        fs::write(partner.at("ca.cnf"), settings).unwrap();
        fs::write(partner.at("index"), "").unwrap();
        fs::write(partner.at("number"), "01\n").unwrap();
        for name in ["authority", "first", "second", "site"] {
            let key = format!("{name}.key");
            let curve = "ec_paramgen_curve:P-256";
            let make = ["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out"];
            partner.openssl(&[&make[..], &[&key]].concat());
        }
        let root = [
            "req",
            "-x509",
            "-new",
            "-key",
            "authority.key",
            "-days",
            "9",
        ];
        let usage = "keyUsage=critical,keyCertSign,cRLSign";
        let named = [
            "-subj",
            "/CN=Partner",
            "-addext",
            usage,
            "-out",
            "authority.pem",
        ];
        partner.openssl(&[&root[..], &named].concat());
        for name in ["first", "second", "site"] {
            let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
            let (leaf, subject) = (format!("{name}.pem"), format!("/CN={name}"));
            partner.openssl(&[
                "req", "-new", "-key", &key, "-subj", &subject, "-out", &request,
            ]);
            let by = [
                "-CA",
                "authority.pem",
                "-CAkey",
                "authority.key",
                "-CAcreateserial",
            ];
            let like = ["-extfile", "ca.cnf", "-extensions", "leaf", "-days", "9"];
            let sign = ["x509", "-req", "-in", &request, "-out", &leaf];
            partner.openssl(&[&sign[..], &by, &like].concat());
        }
        partner.list();
        partner
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn openssl(&self, arguments: &[&str]) {
        openssl(self.folder.path(), arguments);
    }

    fn authority(&self, arguments: &[&str]) {
        let by = [
            "-config",
            "ca.cnf",
            "-cert",
            "authority.pem",
            "-keyfile",
            "authority.key",
        ];
        self.openssl(&[&["ca"][..], &by, arguments].concat());
    }

    /// Makes its list anew, put in its place at once as a careful operator does.
    fn list(&self) {
        self.authority(&["-gencrl", "-out", "next.crl"]);
        fs::rename(self.at("next.crl"), self.at("partner.crl")).unwrap();
    }

    fn config(&self) -> String {
        let at = |name: &str| self.at(name).display().to_string();
        format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}\nclient_authorities = {:?}\nclient_lists = [{:?}]\n\
             client_certificate = \"optional\"\n",
            at("site.pem"),
            at("site.key"),
            at("authority.pem"),
            at("partner.crl")
        )
    }

    /// A signed call by curl, which shows a certificate; status, and code or nothing.
    fn call(&self, server: &Server, program: &Program, shows: Option<&str>) -> (u16, String) {
        let parts = program.list();
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "30",
            "--write-out",
            "\n%{http_code}",
        ])
        .arg("--cacert")
        .arg(self.at("authority.pem"));
        if let Some(name) = shows {
            let (leaf, key) = (
                self.at(&format!("{name}.pem")),
                self.at(&format!("{name}.key")),
            );
            curl.arg("--cert").arg(leaf).arg("--key").arg(key);
        }
        for (name, value) in program.headers(&parts) {
            curl.arg("--header").arg(format!("{name}: {value}"));
        }
        // The certificate names no address.
        let url = server.url.replace("127.0.0.1", "localhost");
        let out = curl
            .arg(format!("{url}{}{}", parts.path, parts.query))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let code = body["code"].as_str().unwrap_or_default().to_owned();
        (status.parse().unwrap_or_default(), code)
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let out = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "openssl {arguments:?}: {told}");
}

#[test]
fn mm_2a_an_app_calls_over_its_own_certificate_until_that_is_taken_back() {
    let partner = Partner::new();
    let config = partner.at("config.toml");
    fs::write(&config, "").unwrap();
    let start = Start {
        config: Some(config.clone()),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let bound = Program::approved(&server, |asked| {
        asked["certificates"] = partner.read("first.pem").into();
    });
    let free = Program::approved(&server, |_| {});
    let plain = bound.calls(&server.anonymous());
    assert_eq!(
        (plain.answer.status, plain.answer.code()),
        (403, "client-certificate-needed")
    );
    assert_eq!(
        recorded(&server, "what=api.call&outcome=client-certificate-needed"),
        1
    );
    // Whoever looks after apps sees which one it is.
    let page = server
        .user("security")
        .get(&format!("/access/apps/{}", bound.id));
    let digest = ca::shown(&partner.read("first.pem")).unwrap()[0].digest;
    assert!(page.text().contains(&digest.to_string()) && page.text().contains("CN=first"));

    server.stop();
    fs::write(&config, partner.config()).unwrap();
    server.start_again();
    let call = |program: &Program, shows| partner.call(&server, program, shows);
    let ok = (200, String::new());
    let needed = (403, "client-certificate-needed".to_owned());
    assert_eq!(call(&bound, Some("first")), ok);
    assert_eq!(call(&bound, Some("second")), needed);
    assert_eq!(call(&bound, None), needed);
    assert_eq!(call(&free, Some("second")), ok);
    assert_eq!(call(&free, None), ok);

    // Taken back: within seconds nobody with it comes through the door, and others do.
    partner.authority(&["-revoke", "first.pem"]);
    partner.list();
    until("the list is read", || call(&bound, Some("first")).0 == 0);
    assert_eq!(call(&free, Some("second")), ok);
    // Without a list nobody knows, so nobody is let in.
    fs::remove_file(partner.at("partner.crl")).unwrap();
    until("the list is missed", || call(&free, Some("second")).0 == 0);
    assert_eq!(call(&free, None), ok);
    assert!(
        server.log().contains("certificates.list"),
        "{}",
        server.log()
    );
    partner.list();
    until("the list is there again", || {
        call(&free, Some("second")) == ok
    });
}

#[test]
fn mm_2a_a_gateway_tells_the_certificate_and_nobody_else_does() {
    let partner = Partner::new();
    let config = partner.at("config.toml");
    let believed = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\nproxy_certificates = true\n";
    fs::write(&config, believed).unwrap();
    let start = Start {
        config: Some(config.clone()),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let program = Program::approved(&server, |asked| {
        asked["certificates"] = partner.read("first.pem").into();
    });
    let told = |server: &Server, name: &str| {
        partner.openssl(&[
            "x509",
            "-in",
            &format!("{name}.pem"),
            "-outform",
            "DER",
            "-out",
            "der",
        ]);
        let line = format!(
            ":{}:",
            STANDARD.encode(fs::read(partner.at("der")).unwrap())
        );
        let parts = program.list();
        let mut headers = program.headers(&parts);
        for (name, value) in [
            ("client-cert", line.as_str()),
            ("x-forwarded-for", "203.0.113.9"),
        ] {
            headers.push((name.to_owned(), value.to_owned()));
        }
        let path = format!("{}{}", parts.path, parts.query);
        let called = server
            .anonymous()
            .signed(parts.method, &path, &headers, &[]);
        (called.answer.status, called.answer.code().to_owned())
    };
    assert_eq!(told(&server, "first").0, 200);
    assert_eq!(
        told(&server, "second"),
        (403, "client-certificate-needed".to_owned())
    );

    // The other one follows by way of a change that somebody else approves; both hold then, or none is
    // asked for.
    let ask = |server: &Server, body: Value| {
        program.decide(server, "operator", "change", &body);
        program.decide(server, "security", "accept-change", &json!({}));
    };
    let both = partner.read("first.pem") + &partner.read("second.pem");
    ask(&server, json!({ "certificates": both }));
    assert_eq!(told(&server, "first").0, 200);
    assert_eq!(told(&server, "second").0, 200);
    ask(
        &server,
        json!({ "certificates": partner.read("second.pem") }),
    );
    assert_eq!(told(&server, "first").0, 403);
    let change = format!("/api/v1/access/apps/{}/change", program.id);
    for (bad, field) in [
        (json!({ "certificates": "hello" }), "certificates"),
        (
            json!({ "certificates": partner.read("first.key") }),
            "certificates",
        ),
        (json!({ "certificates": both.repeat(2) }), "certificates"),
        (
            json!({ "certificates": both, "any_connection": true }),
            "certificates",
        ),
    ] {
        let refused = server.user("operator").post(&change, &bad);
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert_eq!(
            refused.body["errors"][0]["field"], field,
            "{}",
            refused.body
        );
    }

    // Of proxies that are not said to tell certificates nothing is believed.
    server.stop();
    fs::write(&config, "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n").unwrap();
    server.start_again();
    assert_eq!(
        told(&server, "second"),
        (403, "client-certificate-needed".to_owned())
    );
    ask(&server, json!({ "any_connection": true }));
    assert_eq!(told(&server, "first").0, 200);
}

/// A request for a certificate, made and signed by openssl, and its key's public half.
fn request(folder: &Path, name: &str) -> String {
    let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
    openssl(folder, &["genpkey", "-algorithm", "SM2", "-out", &key]);
    let sign = ["-sm3", "-sigopt", "distid:1234567812345678"];
    let ask = [
        "req",
        "-new",
        "-key",
        &key,
        "-subj",
        "/CN=ignored",
        "-out",
        &request,
    ];
    openssl(folder, &[&ask[..], &sign].concat());
    fs::read_to_string(folder.join(request)).unwrap()
}

#[test]
fn mm_2a_nodes_and_publishers_get_certificates_from_two_people_and_lose_them_at_once() {
    let Some(server) = Server::start() else {
        return;
    };
    if !tests_authority::available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut operator = server.user("operator");
    let mut security = server.user("security");
    let ask = |purpose: &str, name: &str| {
        json!({
            "purpose": purpose, "name": name, "holder": "示范银行", "days": 90,
            "request": request(folder.path(), purpose),
        })
    };
    let mut issued = Vec::new();
    for (purpose, name, of) in [
        ("node", "node1.bank.example", Purpose::Node),
        ("publisher", "示范银行软件", Purpose::Publisher),
    ] {
        let asked = operator.post(&format!("{CERTIFICATES}/request"), &ask(purpose, name));
        assert_eq!(asked.status, 200, "{}", asked.body);
        let record = format!("{CERTIFICATES}/{}", text(&asked.body["result"]["id"]));
        let own = operator.post(&format!("{record}/issue"), &json!({}));
        assert_eq!(own.status, 403, "who asks does not issue: {}", own.body);
        let done = security.post(&format!("{record}/issue"), &json!({}));
        assert_eq!(done.status, 200, "{}", done.body);
        let again = security.post(&format!("{record}/issue"), &json!({}));
        assert_eq!(
            (again.status, again.code()),
            (409, "access.illegal-transition")
        );

        let certificate = text(&operator.get(&record).body["certificate"]);
        let roots = server.anonymous().get("/pki/users.pem").text().to_owned();
        let at = now() * 1_000_000;
        let holder = ca::verify(&certificate, &roots, None, of, at).unwrap();
        assert!(holder.subject.contains(name) && !holder.subject.contains("ignored"));
        let other = [Purpose::User, Purpose::Node, Purpose::Publisher];
        for wrong in other.into_iter().filter(|p| *p != of) {
            assert!(ca::verify(&certificate, &roots, None, wrong, at).is_err());
        }
        // Strangers check it with openssl, from what the platform publishes.
        fs::write(folder.path().join("root.pem"), &roots).unwrap();
        fs::write(folder.path().join("leaf.pem"), &certificate).unwrap();
        let identity = ["-vfyopt", "distid:1234567812345678"];
        let check = ["verify", "-x509_strict", "-CAfile", "root.pem", "leaf.pem"];
        openssl(
            folder.path(),
            &[&check[..1], &identity, &check[1..]].concat(),
        );
        issued.push((record.clone(), text(&operator.get(&record).body["serial"])));
    }
    let list = |server: &Server| {
        let list = ureq::get(format!("{}/pki/users.crl", server.url))
            .call()
            .unwrap();
        let bytes = list.into_body().read_to_vec().unwrap();
        let shown = folder.path().join("list");
        fs::write(&shown, bytes).unwrap();
        let text = ["crl", "-inform", "DER", "-noout", "-text", "-in", "list"];
        let out = Command::new("openssl")
            .args(text)
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    for (record, serial) in issued {
        let serial = serial.to_uppercase();
        assert!(!list(&server).contains(&serial));
        let revoke = format!("{record}/revoke");
        let bare = operator.post(&revoke, &json!({}));
        assert_eq!(bare.status, 400, "{}", bare.body);
        assert_eq!(
            server
                .user("officer")
                .post(&revoke, &json!({ "reason": "x" }))
                .status,
            403
        );
        let done = operator.post(&revoke, &json!({ "reason": "节点下线" }));
        assert_eq!(done.status, 200, "{}", done.body);
        assert!(list(&server).contains(&serial), "{serial}");
    }
    assert_eq!(
        recorded(&server, "what=access.certificate.issue&outcome=done"),
        2
    );
    assert_eq!(
        recorded(&server, "what=access.certificate.revoke&outcome=done"),
        2
    );
    let page = security.get("/access/certificates").text().to_owned();
    assert!(
        page.contains("node1.bank.example") && page.contains("已吊销"),
        "{page}"
    );
}

#[test]
fn mm_2a_a_request_that_proves_no_key_gets_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    if !tests_authority::available() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let good = request(folder.path(), "node");
    let mut flipped: Vec<char> = good.chars().collect();
    let place = good.len() - 60;
    flipped[place] = if flipped[place] == 'A' { 'B' } else { 'A' };
    let flipped: String = flipped.into_iter().collect();
    let p256 = Partner::new();
    let public = SigningKey::generate()
        .unwrap()
        .verifying_key()
        .unwrap()
        .to_pem()
        .unwrap();
    let mut operator = server.user("operator");
    let mut refused = |change: Value| {
        let mut asked = json!({
            "purpose": "node", "name": "node1.bank.example", "holder": "示范银行", "days": 90,
            "request": good,
        });
        for (name, value) in change.as_object().unwrap() {
            asked[name] = value.clone();
        }
        let answer = operator.post(&format!("{CERTIFICATES}/request"), &asked);
        assert!(
            matches!(answer.status, 400 | 422),
            "{change}: {}",
            answer.body
        );
        text(&answer.body["errors"][0]["field"])
    };
    for bad in [
        flipped.as_str(),
        "hello",
        &public,
        &p256.read("first.csr"),
        &"x".repeat(5_000),
    ] {
        assert_eq!(refused(json!({ "request": bad })), "request");
    }
    for bad in [
        "示范银行",
        "Node1.bank.example",
        "-a.example",
        "a..b",
        &"a".repeat(80),
    ] {
        assert_eq!(refused(json!({ "name": bad })), "name", "{bad}");
    }
    for bad in [json!(0), json!(826), json!(-1), json!("x")] {
        assert_eq!(refused(json!({ "days": bad })), "days", "{bad}");
    }
    assert_eq!(refused(json!({ "holder": "a, O=b" })), "holder");
    assert_eq!(refused(json!({ "purpose": "user" })), "purpose");
    let none = operator.get(CERTIFICATES);
    assert_eq!(
        none.body["items"].as_array().unwrap().len(),
        0,
        "{}",
        none.body
    );
}

#[test]
fn mm_2a_a_node_connects_with_its_certificate_until_that_is_taken_back_also_when_connected() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "").unwrap();
    let start = Start {
        config: Some(config.clone()),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    if !tests_authority::available() {
        return;
    }
    let (mut operator, mut security) = (server.user("operator"), server.user("security"));
    let asked = json!({
        "purpose": "node", "name": "node1.bank.example", "holder": "示范银行", "days": 90,
        "request": request(folder.path(), "node"),
    });
    let asked = operator.post(&format!("{CERTIFICATES}/request"), &asked);
    let record = format!("{CERTIFICATES}/{}", text(&asked.body["result"]["id"]));
    let done = security.post(&format!("{record}/issue"), &json!({}));
    assert_eq!(done.status, 200, "{}", done.body);
    let pem = text(&operator.get(&record).body["certificate"]);
    fs::write(folder.path().join("node.pem"), pem).unwrap();
    // The site, and a stranger who made a certificate of their own.
    for name in ["site", "stranger"] {
        let key = format!("{name}.key");
        openssl(
            folder.path(),
            &["genpkey", "-algorithm", "SM2", "-out", &key],
        );
        let (leaf, identity) = (format!("{name}.pem"), "distid:1234567812345678");
        let make = [
            "req", "-x509", "-new", "-key", &key, "-sm3", "-sigopt", identity,
        ];
        let named = [
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        openssl(
            folder.path(),
            &[&make[..], &named, &["-out", &leaf]].concat(),
        );
    }
    server.stop();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (site, key) = (at("site.pem"), at("site.key"));
    let tls = format!(
        "[tls]\nnational_certificate = {site:?}\nnational_key = {key:?}\nplatform_nodes = true\n\
         client_certificate = \"optional\"\n"
    );
    fs::write(&config, tls).unwrap();
    server.start_again();

    let open = |shows| Wire::open(&server, folder.path(), shows);
    let get = |wire: &mut Wire| wire.ask("GET /healthz", &[], &Value::Null).0;
    let mut node = open(Some("node"));
    assert!(get(&mut node).starts_with(OK));
    assert_eq!(get(&mut open(Some("stranger"))), "");
    let mut plain = open(None);
    assert!(get(&mut plain).starts_with(OK));

    // Taken back: what is open is told so and closed, and nothing new is opened.
    let credentials = json!({ "login": "operator", "password": server.password("operator") });
    let (head, session) = plain.ask("POST /api/v1/session", &[], &credentials);
    assert!(head.starts_with(OK), "{head} {session}");
    let cookie = header(&head, "set-cookie").unwrap().split(';').next();
    let caller = [
        ("cookie", cookie.unwrap()),
        ("x-csrf-token", session["csrf"].as_str().unwrap()),
    ];
    assert!(get(&mut node).starts_with(OK), "nothing has changed yet");
    let reason = json!({ "reason": "节点下线" });
    let (head, told) = plain.ask(&format!("POST {record}/revoke"), &caller, &reason);
    assert!(head.starts_with(OK), "{head} {told}");
    let mut last = (String::new(), Value::Null);
    until("the node is told", || {
        last = node.ask("GET /healthz", &[], &Value::Null);
        !last.0.starts_with(OK)
    });
    let (head, told) = last;
    assert_eq!(told["code"], "client-certificate-refused", "{head}");
    assert_eq!(header(&head, "connection"), Some("close"), "{head}");
    assert_eq!(get(&mut node), "");
    assert_eq!(get(&mut open(Some("node"))), "");
    assert!(get(&mut plain).starts_with(OK), "others go on");
}
