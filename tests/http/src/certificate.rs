//! A person's certificate, and the signatures made with it.

use std::io::{Cursor, Read as _};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel_crypto::sm2::SigningKey;
use serde_json::{Value, json};

use crate::{Answer, Client, Server};

/// A signature as people and programs hand it over.
pub fn signed(key: &SigningKey, text: &str) -> String {
    STANDARD.encode(key.sign(text.as_bytes()).expect("a signature"))
}

/// Values of a page's facts with a label.
pub fn fact(page: &Value, label: &str) -> String {
    let sections = page["sections"].as_array().expect("sections").iter();
    let blocks = sections.flat_map(|s| s["blocks"].as_array().expect("blocks"));
    let facts = blocks.flat_map(|b| b["facts"].as_array().into_iter().flatten());
    let mut found = facts.filter(|f| f["label"] == json!(label));
    found.next().expect("a fact")["value"]["value"]
        .as_str()
        .expect("a text")
        .to_owned()
}

/// Sets a certificate up for a client that is signed in.
pub fn set_up(server: &Server, client: &mut Client, login: &str) -> SigningKey {
    let key = SigningKey::generate().expect("a key");
    let pem = crate::program::pem(&key);
    let ask = |key: &str| json!({ "current": server.password(login), "label": "UKey", "key": key });
    let path = "/api/v1/platform/factors/begin-certificate";
    let bad = client.post(path, &ask("-----BEGIN PUBLIC KEY-----"));
    assert_eq!(bad.body["errors"][0]["code"], "bad-key", "{}", bad.body);
    let begun = client.post(path, &ask(&pem));
    assert_eq!(begun.status, 200, "{}", begun.body);
    let page = client.page("/platform/account").body;
    assert!(fact(&page, "证书").starts_with("-----BEGIN CERTIFICATE-----"));
    let text = fact(&page, "待签名文本");
    let newest = "/api/v1/platform/factors?sort=-created_at";
    let factors = server.user("auditor").get(newest);
    let id = factors.body["items"][0]["id"].clone();
    let path = "/api/v1/platform/factors/confirm-certificate";
    let confirm = |signature: String| json!({ "factor": id, "signature": signature });
    let wrong = client.post(path, &confirm(signed(&key, "x")));
    assert_eq!(wrong.body["errors"][0]["code"], "wrong-signature");
    let confirmed = client.post(path, &confirm(signed(&key, &text)));
    assert_eq!(confirmed.status, 200, "{}", confirmed.body);
    key
}

/// Posts with the signature over what a refusal asked for.
pub fn send_signed(
    client: &Client,
    path: &str,
    body: &Value,
    (refusal, signature): (&Answer, &str),
) -> Answer {
    let challenge = refusal.body["challenge"].as_str().expect("a challenge");
    let headers = [
        ("content-type", "application/json"),
        ("x-challenge", challenge),
        ("x-signature", signature),
    ];
    let sent = client.send("POST", path, &headers, body.to_string().as_bytes());
    sent.answer
}

/// Posts what is to be signed, and again with the signature.
pub fn act_signed(client: &mut Client, key: &SigningKey, path: &str, body: &Value) -> Answer {
    let refusal = client.post(path, body);
    assert_eq!(refusal.code(), "signature-needed", "{}", refusal.body);
    let text = refusal.body["text"].as_str().expect("a text");
    send_signed(client, path, body, (&refusal, &signed(key, text)))
}

/// The bytes of a file; none where it is refused.
pub fn fetch(client: &Client, path: &str) -> Option<Vec<u8>> {
    let sent = client.agent.get(format!("{}{path}", client.url)).call();
    let mut response = sent.expect("an answer");
    let bytes = response.body_mut().read_to_vec().expect("its bytes");
    (response.status().as_u16() == 200).then_some(bytes)
}

/// Fetches a zip file and unpacks it; none where it is refused.
pub fn unpack(client: &Client, path: &str, to: &Path) -> Option<()> {
    let bytes = fetch(client, path)?;
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip file");
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).expect("a file");
        let name = file.name().expect("its name").into_owned();
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("its bytes");
        std::fs::write(path, bytes).expect("a file");
    }
    Some(())
}

/// Whether the machine's openssl, run in a folder, says yes; what it prints. None without openssl.
pub fn openssl(folder: &Path, arguments: &str) -> Option<(bool, String)> {
    let mut command = Command::new("openssl");
    let output = command
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output();
    let output = output.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some((output.status.success(), text))
}
