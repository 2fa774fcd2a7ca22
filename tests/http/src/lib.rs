//! Black-box tests: a real `rongqiao serve --demo` on a port of its own, driven over HTTP.
//!
//! The binary and the built guests come from the environment that `./x test` sets; without it a
//! test says that it is skipped and why.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "this crate is only used by tests"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running platform with demo data in a folder of its own; stopped and removed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    pub data: tempfile::TempDir,
    logins: BTreeMap<String, String>,
    guests: PathBuf,
    pub bin: PathBuf,
}

impl Server {
    /// Starts one; none when the environment has no binary or guests to start.
    pub fn start() -> Option<Self> {
        let (Some(bin), Some(guests)) = (
            std::env::var_os("RONGQIAO_BIN"),
            std::env::var_os("RONGQIAO_GUESTS"),
        ) else {
            eprintln!("skipped: RONGQIAO_BIN and RONGQIAO_GUESTS are not set; run ./x test");
            return None;
        };
        let (bin, guests) = (PathBuf::from(bin), PathBuf::from(guests));
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(&bin)
            .args(["serve", "--demo", "--port", "0"])
            .arg("--data")
            .arg(data.path())
            .arg("--plugins")
            .arg(guests.join("plugins"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("http://")
                    .map(|(_, at)| format!("http://{at}"))
            })
            .expect("the server says where it is");
        // Its output must be read to the end, or it would block when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        let logins = std::fs::read(data.path().join("demo-logins.json")).expect("the logins");
        let logins = serde_json::from_slice(&logins).expect("the logins");
        Some(Self {
            child,
            url,
            data,
            logins,
            guests,
            bin,
        })
    }

    /// A client signed in as a demo user.
    pub fn user(&self, login: &str) -> Client {
        let password = self.logins.get(login).expect("a demo login");
        let mut client = self.anonymous();
        let answer = client.post(
            "/api/v1/session",
            &json!({ "login": login, "password": password }),
        );
        assert_eq!(answer.status, 200, "{login} signs in: {}", answer.body);
        client.csrf = answer.body["csrf"].as_str().expect("a form token").into();
        client
    }

    pub fn anonymous(&self) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build();
        Client {
            agent: config.into(),
            url: self.url.clone(),
            csrf: String::new(),
            keys: 0,
        }
    }

    /// A built model's component.
    pub fn model(&self, name: &str) -> PathBuf {
        self.guests.join("models").join(format!("{name}.wasm"))
    }

    /// Runs a command of the binary and gives its output.
    pub fn run(&self, args: &[&str]) -> (bool, String) {
        let out = Command::new(&self.bin)
            .args(args)
            .output()
            .expect("the command runs");
        let text = [out.stdout, out.stderr].concat();
        (
            out.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One caller with its own cookies.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    csrf: String,
    keys: u32,
}

/// An answer as a test looks at it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    /// Parsed JSON, or the text.
    pub body: Value,
}

impl Answer {
    /// The stable code of a problem.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn text(&self) -> &str {
        self.body.as_str().unwrap_or_default()
    }
}

impl Client {
    pub fn get(&self, path: &str) -> Answer {
        answer(self.agent.get(format!("{}{path}", self.url)).call())
    }

    /// Posts JSON with a fresh idempotency key.
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.keys += 1;
        let key = format!("test-{}", self.keys);
        self.post_with_key(path, body, &key)
    }

    pub fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Answer {
        answer(
            self.agent
                .post(format!("{}{path}", self.url))
                .header("x-csrf-token", &self.csrf)
                .header("idempotency-key", key)
                .send_json(body),
        )
    }

    /// Sends a file; the answer is what an action takes as a file.
    pub fn upload(&self, name: &str, bytes: &[u8]) -> Answer {
        answer(
            self.agent
                .post(format!("{}/api/v1/files?name={name}", self.url))
                .header("x-csrf-token", &self.csrf)
                .header("content-type", "application/octet-stream")
                .send(bytes),
        )
    }

    /// The form token forgotten: what another site's form would send.
    pub fn without_token(&mut self) {
        self.csrf.clear();
    }
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = match result {
        Ok(response) => response,
        Err(error) => panic!("the server does not answer: {error}"),
    };
    let status = response.status().as_u16();
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|h| h.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let text = response.body_mut().read_to_string().expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, kind, body }
}
