//! A certificate as a second factor, from the request to the next sign-in, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;

use kernel_crypto::sm2::SigningKey;
use serde_json::json;
use tests_http::certificate::{fetch, openssl, set_up, signed};
use tests_http::{Authenticator, Browser, Server, Start};

const OFFICER: &str = "01930000-0000-7000-8000-000000000913";

#[test]
fn mm_4a_a_program_signs_in_and_steps_up_with_a_certificate() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut before = server.user("bankadmin");
    let key = set_up(&server, &mut server.user("bankadmin"), "bankadmin");

    let credentials = json!({ "login": "bankadmin", "password": server.password("bankadmin") });
    let mut client = server.anonymous();
    let asked = client.post("/api/v1/session", &credentials);
    assert_eq!((asked.status, asked.code()), (401, "code-needed"));
    assert_eq!(asked.body["ways"], json!(["certificate"]), "{}", asked.body);
    let text = asked.body["text"].as_str().unwrap().to_owned();
    assert_eq!(text.lines().nth(1), Some(server.url.as_str()));
    let proof = |signature: String| {
        json!({
            "pending": asked.body["pending"], "challenge": asked.body["challenge"],
            "signature": signature,
        })
    };
    let other = SigningKey::generate().unwrap();
    let wrong = client.post("/api/v1/session", &proof(signed(&other, &text)));
    assert_eq!((wrong.status, wrong.code()), (401, "wrong-code"));
    let done = client.post("/api/v1/session", &proof(signed(&key, &text)));
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.body["name"], "罗清和");
    let replayed = client.post("/api/v1/session", &proof(signed(&key, &text)));
    assert_eq!(replayed.code(), "wrong-code", "good once");

    // A session that never proved it.
    let found = before.get(&format!("/api/v1/platform/posts?user={OFFICER}"));
    let post = found.body["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/platform/posts/{post}/grant");
    let grant = json!({ "role": "model.validator", "reason": "轮岗" });
    let refused = before.post(&path, &grant);
    assert_eq!(refused.code(), "step-up-needed");
    let at = refused.body["step_up"].as_str().unwrap();
    let how = before.get(at);
    assert_eq!(how.body["ways"], json!(["certificate"]), "{}", how.body);
    let signature = signed(&key, how.body["text"].as_str().unwrap());
    let proof = json!({ "challenge": how.body["challenge"], "signature": signature });
    assert_eq!(before.post(at, &proof).status, 204);
    assert_eq!(before.post(&path, &grant).status, 200);
}

#[test]
fn mm_4a_a_person_signs_the_text_of_the_sign_in_page() {
    let Some(server) = Server::start() else {
        return;
    };
    let key = set_up(&server, &mut server.user("bankadmin"), "bankadmin");
    let mut browser = Browser::new(&server);
    let login = browser.get("/login");
    let asked = browser.sign_in(&server, "bankadmin", &login);
    assert_eq!(asked.status, 200, "{}", asked.html);
    assert!(!asked.html.contains("name=\"code\""), "there are no codes");
    let (_, text) = asked.html.split_once("readonly>").unwrap();
    let text = text.split("</textarea>").next().unwrap();
    let send = |browser: &mut Browser, signature: &str| {
        let (pending, challenge) = (asked.hidden("pending"), asked.hidden("_challenge"));
        let typed = [
            ("username", "bankadmin"),
            ("pending", &pending),
            ("_challenge", &challenge),
            ("_signature", signature),
        ];
        browser.send("/login", &asked, &typed)
    };
    let wrong = send(&mut browser, &signed(&key, "x"));
    assert_eq!(wrong.status, 401, "{}", wrong.html);
    assert!(wrong.html.contains("待签名文本"), "and is asked again");
    let done = send(&mut browser, &signed(&key, text));
    assert_eq!(done.status, 303, "{}", done.html);
}

/// Whether openssl finds the root's signature under the list; it knows no signer's identity for lists,
/// so the list is taken apart.
fn list_is_signed(folder: &Path) -> bool {
    let run = |arguments: &str| openssl(folder, arguments).unwrap();
    let (_, shown) = run("asn1parse -inform DER -in list.crl");
    let offset = |line: &str| line.split(':').next().unwrap().trim().to_owned();
    let signed = offset(shown.lines().nth(1).unwrap());
    let last = shown.lines().rfind(|line| line.contains("BIT STRING"));
    let signature = offset(last.unwrap());
    for (at, to) in [(signed, "signed"), (signature, "signature")] {
        run(&format!(
            "asn1parse -inform DER -in list.crl -strparse {at} -noout -out {to}"
        ));
    }
    run("x509 -in root.pem -noout -pubkey -out root.pub");
    let identity = "distid:1234567812345678";
    run(&format!(
        "dgst -sm3 -verify root.pub -sigopt {identity} -signature signature signed"
    ))
    .0
}

#[test]
fn mm_4a_others_see_which_certificates_were_taken_back() {
    let Some(server) = Server::start() else {
        return;
    };
    let anybody = server.anonymous();
    for path in ["/pki/users.crl", "/pki/users.pem"] {
        assert_eq!(fetch(&anybody, path), None, "nothing was issued");
    }
    let mut client = server.user("enterprise");
    set_up(&server, &mut client, "enterprise");
    let list = || fetch(&anybody, "/pki/users.crl").unwrap();
    let before = list();
    assert_eq!(list(), before, "the same one as long as nothing changed");
    let factors = "/api/v1/platform/factors?sort=-created_at";
    let factor = server.user("auditor").get(factors).body["items"][0].clone();
    let serial = factor["serial"].as_str().unwrap().to_uppercase();
    let revoke = json!({ "current": server.password("enterprise"), "factor": factor["id"] });
    let path = "/api/v1/platform/factors/revoke-certificate";
    assert_eq!(client.post(path, &revoke).status, 200);
    let after = list();
    assert_ne!(after, before, "a new one at once");

    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(
        at.join("root.pem"),
        fetch(&anybody, "/pki/users.pem").unwrap(),
    )
    .unwrap();
    let mut shown = Vec::new();
    for bytes in [before, after] {
        fs::write(at.join("list.crl"), bytes).unwrap();
        let Some((true, text)) = openssl(at, "crl -inform DER -in list.crl -noout -text") else {
            eprintln!("skipped in part: no openssl with SM2 on this machine");
            return;
        };
        assert!(
            text.contains("SM2-with-SM3") && text.contains("Next Update"),
            "{text}"
        );
        assert!(list_is_signed(at));
        shown.push(text);
    }
    assert!(
        !shown[0].contains(&serial) && shown[1].contains(&serial),
        "{serial}: {shown:?}"
    );
    let mut bytes = list();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(at.join("list.crl"), bytes).unwrap();
    assert!(!list_is_signed(at), "one bit is found");
}

#[test]
fn mm_4a_a_role_that_needs_a_certificate_opens_the_own_account_alone_until_there_is_one() {
    let config = tempfile::NamedTempFile::new().unwrap();
    fs::write(&config, "[sessions]\ncertificate = [\"platform.\"]\n").unwrap();
    let start = Start {
        bare: true,
        config: Some(config.path().to_owned()),
        ..Start::default()
    };
    let Some(mut server) = Server::start_as(start) else {
        return;
    };
    let page = "/platform/account";
    let mut browser = Browser::signed_in(&server, "secadmin");
    let (old, new) = (server.password("secadmin").to_owned(), "Nine9lamps%over");
    let send = |browser: &mut Browser, form: &str, action: &str, typed: &[(&str, &str)]| {
        let screen = browser.get(page);
        let factor = screen.hidden("factor");
        let mut all = vec![("_form", form), ("_action", action), ("factor", &factor)];
        all.extend(typed);
        let done = browser.send(page, &screen, &all);
        assert_eq!(done.status, 303, "{action}: {}", done.html);
    };
    let password = [("current", old.as_str()), ("new", new), ("again", new)];
    send(&mut browser, "password", "user.change-password", &password);
    server.now_password("secadmin", new);
    let agreed = [("agree", "1")];
    send(&mut browser, "terms", "user.accept-terms", &agreed);

    // One-time codes are not what the role takes.
    Authenticator::set_up_on(&server, &mut browser, page, "secadmin");
    let led = browser.get("/platform/people");
    assert_eq!((led.status, led.to.as_deref()), (303, Some(page)));
    assert!(browser.get(page).html.contains("只能以 SM2 数字证书"));

    let key = SigningKey::generate().unwrap();
    let pem = tests_http::program::pem(&key);
    let asked = [("label", "UKey"), ("key", pem.as_str()), ("current", new)];
    let begin = "factor.begin-certificate";
    send(&mut browser, "certificate-begin", begin, &asked);
    let shown = browser.get(page).html;
    let (_, rest) = shown.split_once("rongqiao.possession.1").unwrap();
    let text = format!("rongqiao.possession.1{}", rest.split('<').next().unwrap());
    let signature = signed(&key, &text);
    let confirm = "factor.confirm-certificate";
    let proof = [("signature", signature.as_str())];
    send(&mut browser, "certificate-confirm", confirm, &proof);
    let home = browser.get("/");
    assert_ne!(home.to.as_deref(), Some(page), "{}", home.html);

    // And from now on a sign-in takes it.
    let credentials = json!({ "login": "secadmin", "password": new });
    let asked = server.anonymous().post("/api/v1/session", &credentials);
    assert_eq!(asked.body["ways"], json!(["certificate"]), "{}", asked.body);
}
