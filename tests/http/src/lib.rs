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

mod authenticator;
mod browser;
pub mod certificate;
mod city;
pub mod collector;
pub mod database;
mod documented;
mod node;
pub mod program;
mod providers;
pub mod sealed;
mod security_key;
pub mod stamper;
pub mod steps;
pub mod wire;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use authenticator::Authenticator;
pub use browser::{Browser, Screen};
pub use documented::documented;
pub use node::Node;
pub use providers::Providers;
pub use security_key::SecurityKey;
use serde_json::{Value, json};

use database::Database;

/// Clients made so far.
static CLIENTS: AtomicU32 = AtomicU32::new(0);

/// How many a first start makes.
const ADMINISTRATORS: usize = 3;

/// The passphrase of every custodian of a test.
const CUSTODIAN: &str = "three quiet herons";

/// What the environment that `./x test` sets says.
#[derive(Clone)]
pub struct Built {
    pub bin: PathBuf,
    pub guests: PathBuf,
}

impl Built {
    /// None, with a word, when there is no binary or no guests to start.
    pub fn find() -> Option<Self> {
        let (Some(bin), Some(guests)) = (
            std::env::var_os("RONGQIAO_BIN"),
            std::env::var_os("RONGQIAO_GUESTS"),
        ) else {
            eprintln!("skipped: RONGQIAO_BIN and RONGQIAO_GUESTS are not set; run ./x test");
            return None;
        };
        Some(Self {
            bin: bin.into(),
            guests: guests.into(),
        })
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
}

/// How a platform is started, where it differs from the usual.
#[derive(Default)]
pub struct Start {
    /// Another database than a SQLite file in the data folder.
    pub database: Option<Database>,
    /// Another folder of plugins than the built ones.
    pub plugins: Option<PathBuf>,
    /// Watches the folder of plugins.
    pub dev: bool,
    /// A configuration file.
    pub config: Option<PathBuf>,
    /// Keys of its own, for a test that changes them.
    pub own_keys: bool,
    /// No demo data: the first start makes the administrators, as in earnest.
    pub bare: bool,
    /// Which of several servers on one database it is; everything when absent.
    pub role: Option<&'static str>,
}

impl Start {
    /// Whether its first start makes what every other's does.
    fn is_usual(&self) -> bool {
        self.database.is_none()
            && self.plugins.is_none()
            && self.config.is_none()
            && !self.own_keys
            && !self.bare
    }
}

/// A running platform with demo data in a folder of its own; stopped and removed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    pub data: tempfile::TempDir,
    logins: BTreeMap<String, String>,
    built: Built,
    start: Start,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts one; none when the environment has no binary or guests to start.
    pub fn start() -> Option<Self> {
        Self::start_as(Start::default())
    }

    pub fn start_as(start: Start) -> Option<Self> {
        let built = Built::find()?;
        let data = tempfile::tempdir().expect("a temporary folder");
        if start.is_usual() {
            city::settle(&built, data.path());
        }
        Some(Self::on(data, built, start))
    }

    /// One on a folder as it is.
    fn on(data: tempfile::TempDir, built: Built, start: Start) -> Self {
        let log = Arc::default();
        let (child, url, mut logins) = spawn(&built, &start, data.path(), &log);
        if !start.bare {
            let file = std::fs::read(data.path().join("demo-logins.json")).expect("the logins");
            logins = serde_json::from_slice(&file).expect("the logins");
        }
        Self {
            child,
            url,
            data,
            logins,
            built,
            start,
            log,
        }
    }

    /// Ends the process as a failing machine does: no signal it could answer to.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server is killed");
        self.child.wait().expect("the server is gone");
    }

    /// Asks it to stop, as a service manager does, and waits until it has.
    pub fn stop(&mut self) {
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(asked.is_ok_and(|status| status.success()), "kill runs");
        let ended = self.child.wait().expect("the server ends");
        assert!(ended.success(), "{ended}");
    }

    /// Starts it again, on the same data and another port.
    pub fn start_again(&mut self) {
        assert!(!self.start.bare, "only a first start prints passwords");
        let (child, url, _) = spawn(&self.built, &self.start, self.data.path(), &self.log);
        (self.child, self.url) = (child, url);
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The options with which a command finds this platform's data.
    pub fn place(&self) -> Vec<String> {
        place(&self.built, &self.start, self.data.path())
    }

    /// Runs a command of the binary on this platform's data and gives its output.
    pub fn command(&self, args: &[&str]) -> (bool, String) {
        let place = self.place();
        let all: Vec<&str> = args
            .iter()
            .copied()
            .chain(place.iter().map(String::as_str))
            .collect();
        self.built.run(&all)
    }

    /// Runs a command on this platform's data, as a custodian where it asks for one, and gives what
    /// it printed as its result. It must succeed.
    pub fn result(&self, args: &[&str]) -> String {
        let out = self.custodian(args);
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{args:?}: {errors}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Whether a command is refused, though a custodian gives it.
    pub fn refuses(&self, args: &[&str]) -> bool {
        !self.custodian(args).status.success()
    }

    fn custodian(&self, args: &[&str]) -> Output {
        Command::new(&self.built.bin)
            .args(args)
            .args(self.place())
            .env("RONGQIAO_CUSTODIAN_PASSPHRASE", CUSTODIAN)
            .output()
            .expect("the command runs")
    }

    /// The password of a demo user, or of an administrator of the first start.
    pub fn password(&self, login: &str) -> &str {
        self.logins.get(login).expect("a login")
    }

    /// Takes note of a password that somebody changed.
    pub fn now_password(&mut self, login: &str, password: &str) {
        self.logins.insert(login.to_owned(), password.to_owned());
    }

    /// Ends a session on the server; its owner still has the cookie, as after a long break.
    pub fn end_session(&self, of: &Client) {
        let session = of.agent.cookie_jar_lock();
        let cookies: Vec<String> = session
            .iter()
            .map(|cookie| format!("{}={}", cookie.name(), cookie.value()))
            .collect();
        drop(session);
        let ended = self
            .anonymous()
            .agent
            .delete(format!("{}/api/v1/session", self.url))
            .header("cookie", cookies.join("; "))
            .header("x-csrf-token", &of.csrf)
            .call();
        assert_eq!(answer(ended).status, 204);
    }

    /// A client signed in as a demo user.
    pub fn user(&self, login: &str) -> Client {
        self.signed_in(&json!({ "login": login, "password": self.password(login) }))
    }

    /// A client signed in by these credentials.
    pub fn signed_in(&self, credentials: &Value) -> Client {
        let mut client = self.anonymous();
        let answer = client.post("/api/v1/session", credentials);
        assert_eq!(answer.status, 200, "signs in: {}", answer.body);
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
            number: CLIENTS.fetch_add(1, Ordering::Relaxed),
            keys: 0,
        }
    }

    /// A built model's component.
    pub fn model(&self, name: &str) -> PathBuf {
        self.built.model(name)
    }

    /// Runs a command of the binary and gives its output.
    pub fn run(&self, args: &[&str]) -> (bool, String) {
        self.built.run(args)
    }

    /// The database it was given, if it was given one.
    pub fn database(&self) -> Option<&Database> {
        self.start.database.as_ref()
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

/// The keys lie beside the guests, for compiled code is kept under them from one server to the next.
fn place(built: &Built, start: &Start, data: &Path) -> Vec<String> {
    let mut options = vec!["--data".to_owned(), data.display().to_string()];
    if !start.own_keys {
        let keys = built.guests.join("keys");
        options.extend(["--keys".to_owned(), keys.display().to_string()]);
    }
    if let Some(database) = &start.database {
        options.extend(["--database".to_owned(), database.url.clone()]);
    }
    options
}

/// The process, where it is, and the passwords it prints at a first start without demo data.
fn spawn(
    built: &Built,
    start: &Start,
    data: &Path,
    log: &Arc<Mutex<String>>,
) -> (Child, String, BTreeMap<String, String>) {
    let mut command = Command::new(&built.bin);
    command
        .args(["serve", "--port", "0", "--plugins"])
        .arg(
            start
                .plugins
                .clone()
                .unwrap_or_else(|| built.guests.join("plugins")),
        )
        .arg("--code")
        .arg(built.guests.join("code"))
        .args(place(built, start, data))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if start.dev {
        command.arg("--dev");
    }
    if !start.bare {
        command.arg("--demo");
    }
    if let Some(config) = &start.config {
        command.arg("--config").arg(config);
    }
    if let Some(role) = start.role {
        command.args(["--role", role]);
    }
    let mut child = command.spawn().expect("the server starts");
    let errors = BufReader::new(child.stderr.take().expect("its log")).lines();
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in errors.map_while(Result::ok) {
            eprintln!("{line}");
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let url = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            let at = line.find("http://").or_else(|| line.find("https://"))?;
            line.get(at..).map(str::to_owned)
        })
        .expect("the server says where it is");
    let first = lines.by_ref().map_while(Result::ok);
    let first = first.take(if start.bare { ADMINISTRATORS } else { 0 });
    let logins = first
        .filter_map(|line| {
            let (who, password) = line.strip_prefix("first sign-in of ")?.split_once(": ")?;
            let login = who.split(' ').next()?;
            Some((login.to_owned(), password.to_owned()))
        })
        .collect();
    // Its output must be read to the end, or it would block when the pipe is full.
    std::thread::spawn(move || lines.for_each(drop));
    (child, url, logins)
}

/// Asks again until the answer is yes, for at most two minutes: a busy machine is no failure.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(2), "never: {what}");
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for; its clock is not ours to move"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

/// Seconds since 1970 by the machine's clock, as a telephone has it.
#[expect(
    clippy::disallowed_methods,
    reason = "the server under test runs by the same clock"
)]
fn seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs().cast_signed())
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
    /// Tells this client's idempotency keys from those of others of the same person.
    number: u32,
    keys: u32,
}

/// An answer as a test looks at it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    /// Parsed JSON, or the text.
    pub body: Value,
    /// As it came.
    pub bytes: Vec<u8>,
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

/// An answer with its headers.
#[derive(Debug)]
pub struct Signed {
    pub answer: Answer,
    headers: Vec<(String, String)>,
}

impl Signed {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// Sends a request as it is, with these headers.
    pub fn signed(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Signed {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url));
        if !headers.iter().any(|(name, _)| name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body.to_vec()).expect("a request");
        let config = self.agent.configure_request(request);
        let request = config.allow_non_standard_methods(true).build();
        let sent = self.agent.run(request);
        let headers = match &sent {
            Ok(response) => response.headers().iter(),
            Err(error) => panic!("the server does not answer: {error}"),
        };
        let headers = headers
            .map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned()))
            .collect();
        Signed {
            headers,
            answer: answer(sent),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        answer(self.agent.get(format!("{}{path}", self.url)).call())
    }

    /// Posts JSON with a fresh idempotency key.
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.keys += 1;
        let key = format!("test-{}-{}", self.number, self.keys);
        self.post_with_key(path, body, &key)
    }

    pub fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Answer {
        match self.attempt(path, body, key) {
            Ok(answer) => answer,
            Err(error) => panic!("the server does not answer: {error}"),
        }
    }

    /// Posts to a server that may be gone before it answers.
    pub fn attempt(&self, path: &str, body: &Value, key: &str) -> Result<Answer, ureq::Error> {
        let sent = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("x-csrf-token", &self.csrf)
            .header("idempotency-key", key)
            .send_json(body);
        read(sent)
    }

    /// A page as its typed document.
    pub fn page(&self, path: &str) -> Answer {
        answer(
            self.agent
                .get(format!("{}{path}", self.url))
                .header("accept", "application/vnd.rongqiao.page+json")
                .call(),
        )
    }

    /// Sends a form as a browser does, from the page it stands on.
    pub fn submit(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        answer(
            self.agent
                .post(format!("{}{path}", self.url))
                .header("accept", "text/html")
                .header("content-type", kind)
                .send(body),
        )
    }

    /// Sends a form without files.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        let kind = "application/x-www-form-urlencoded";
        self.submit(path, kind, body.join("&").as_bytes())
    }

    /// The token in a page's form: only whom it was drawn for may send it.
    pub fn form_token(&self, path: &str) -> String {
        let page = self.get(path);
        let (_, after) = page
            .text()
            .split_once("name=\"_csrf\" value=\"")
            .unwrap_or_else(|| panic!("{path} has a form: {}", page.status));
        after.split('"').next().unwrap_or_default().to_owned()
    }

    /// The same person, after the server moved to another port.
    pub fn follow(&mut self, server: &Server) {
        self.url.clone_from(&server.url);
    }

    /// Sends a file; the answer is what an action takes as a file.
    pub fn upload(&self, name: &str, bytes: &[u8]) -> Answer {
        let request = self
            .agent
            .post(format!("{}/api/v1/files?name={name}", self.url))
            .header("x-csrf-token", &self.csrf)
            .header("content-type", "application/octet-stream");
        answer(request.send(bytes))
    }

    /// Sends any request with the form token, and gives the headers of its answer, too.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Signed {
        let own = ("x-csrf-token", self.csrf.as_str());
        let all = headers.iter().copied().chain([own]);
        let all: Vec<(String, String)> = all.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        self.signed(method, target, &all, body)
    }

    /// A form token for the session as it is now: it has another after a switch of organisations.
    pub fn renew(&mut self) {
        let session = self.get("/api/v1/session");
        assert_eq!(session.status, 200, "{}", session.body);
        session.body["csrf"]
            .as_str()
            .expect("a form token")
            .clone_into(&mut self.csrf);
    }

    /// The form token forgotten: what another site's form would send.
    pub fn without_token(&mut self) {
        self.csrf.clear();
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    match read(result) {
        Ok(answer) => answer,
        Err(error) => panic!("the server does not answer: {error}"),
    }
}

fn read(
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, ureq::Error> {
    let mut response = result?;
    let status = response.status().as_u16();
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|h| h.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let bytes = response.body_mut().read_to_vec()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer {
        status,
        kind,
        body,
        bytes,
    })
}
