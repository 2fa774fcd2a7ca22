//! The whole way over HTTP on `SQLite`, with session, permission and row scope, beside a bare
//! handler of the same framework that answers the same payload; and signing in.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use kernel_crypto::keys::KeyRing;
use kernel_crypto::password;
use kernel_storage::StoreUrl;
use serde_json::json;
use tokio::task::JoinSet;

use crate::city::{self, City};
use crate::host::SHEET;
use crate::load::{Answer, Load, Make, Visitor, Wire, load, request};
use crate::machine::{cpu, memory};
use crate::measure::{Figures, Pair, micros};
use crate::report::{Line, Section, Target, time};

/// Rows of the collection, all of the clerks' organisation.
const ROWS: u64 = 100_000;
/// Clerks, each with a session.
const CLERKS: u32 = 500;
/// Sign-ins at once.
const AT_ONCE: usize = 100;
const ROUNDS: u32 = 3;
const SLICE: Duration = Duration::from_millis(1500);
const JSON: &str = "application/json";
const PAGE_JSON: &str = "application/vnd.rongqiao.page+json";
const TICKETS: &str = "/api/v1/bench/tickets";

/// A process that serves, stopped when dropped.
struct Served {
    child: Child,
    at: SocketAddr,
}

impl Served {
    /// Starts a program that says where it is in its output.
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("a server does not start")?;
        let output = child.stdout.take().context("a server without output")?;
        let mut lines = BufReader::new(output).lines();
        let at = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
        // Read to the end, or it would block when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        let at = at
            .context("a server that does not say where it is")?
            .parse()?;
        Ok(Self { child, at })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the data that the server is started on; gives the clerks' password.
pub(crate) async fn prepare(city: City, data: &Path) -> Result<String> {
    let password = city.people(CLERKS).await?;
    let url = StoreUrl::Sqlite(data.join("rongqiao.sqlite"));
    city::fill(&url, ROWS, 1).await?;
    city.store.close().await;
    Ok(password)
}

/// Where things are.
pub(crate) struct Places<'a> {
    pub(crate) server: &'a Path,
    pub(crate) plugins: &'a Path,
    pub(crate) data: &'a Path,
}

pub(crate) async fn sections(
    places: &Places<'_>,
    keys: &Arc<KeyRing>,
    secret: &str,
) -> Result<Vec<Section>> {
    let ours = Served::start(
        Command::new(places.server)
            .args(["serve", "--port", "0"])
            .arg("--data")
            .arg(places.data)
            .arg("--plugins")
            .arg(places.plugins),
    )?;
    let idle = memory(ours.child.id(), "VmRSS");
    let mut visitors = Vec::new();
    let mut online = Vec::new();
    for from in (1..=CLERKS).step_by(AT_ONCE) {
        let burst = Burst::run(ours.at, from, secret).await?;
        ensure!(
            burst.refused == 0,
            "{} of {AT_ONCE} sign-ins refused",
            burst.refused
        );
        online.push(burst.figures);
        visitors.extend(burst.visitors);
    }
    let visitors: Arc<[Visitor]> = visitors.into();
    let payloads = tempfile::tempdir()?;
    let first = visitors.first().context("nobody is signed in")?;
    for (name, path, accept) in paths() {
        let answer = Wire::open(ours.at)
            .await?
            .ask(&request("GET", &path, accept, first, ""))
            .await?;
        ensure!(answer.status == 200, "{path}: {}", answer.head);
        std::fs::write(
            payloads.path().join(name).with_extension("json"),
            &answer.body,
        )?;
    }
    let program = std::env::current_exe()?;
    let bare = Served::start(Command::new(program).arg("bare").arg(payloads.path()))?;
    let web = requests(&ours, &bare, &visitors, idle).await?;
    let login = sign_ins(&ours, keys, secret, &online).await?;
    Ok(vec![web, login])
}

/// What is read, under its name at the bare server.
fn paths() -> [(&'static str, String, &'static str); 3] {
    [
        (
            "list",
            format!("{TICKETS}?status=open&sort=-placed&size=20"),
            JSON,
        ),
        ("get", format!("{TICKETS}/{}", city::row(1)), JSON),
        ("page", SHEET.into(), PAGE_JSON),
    ]
}

/// The loads: what it is called, at how many clients, and what is wanted of it.
async fn requests(
    ours: &Served,
    bare: &Served,
    visitors: &Arc<[Visitor]>,
    idle: f64,
) -> Result<Section> {
    let mut lines = Vec::new();
    let mut notes = Vec::new();
    let mut client_share: f64 = 0.0;
    for clients in [16, 100] {
        for (what, make, plain, target) in loads(visitors) {
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let before = cpu(ours.child.id());
                let a = load(ours.at, clients, SLICE, Arc::clone(&make)).await?;
                let spent = cpu(ours.child.id()).saturating_sub(before);
                let b = load(bare.at, clients, SLICE, Arc::clone(&plain)).await?;
                ensure!(
                    a.failed + b.failed == 0,
                    "{what}: {} requests failed",
                    a.failed + b.failed
                );
                client_share = client_share.max(a.client_share);
                rounds.push((with_cpu(&a, spent), b.figures));
            }
            let pair = Pair::of(&rounds);
            let line = Line::new(format!("{what}, {clients} clients"), pair);
            lines.push(match target {
                Some(rate) if clients == 100 => line.target(Target::Rate(rate)),
                Some(_) => line.target(Target::P99(60_000.0)),
                None => line,
            });
        }
    }
    let peak = memory(ours.child.id(), "VmHWM");
    notes.push(format!(
        "Resident memory: {idle:.0} MiB idle, {:.0} MiB after the loads, {peak:.0} MiB at most with \
         two password hashes of 7 MiB at once (wanted: below 100 MiB).",
        memory(ours.child.id(), "VmRSS"),
    ));
    notes.push(format!(
        "The load client is one thread on the same cores; it took up to {:.0} % of one core beside \
         the platform.",
        client_share * 100.0
    ));
    notes.push(
        "The tender asks that with 100 people at once nine of ten pages read or write within 3 s."
            .into(),
    );
    notes.push(
        "A data backend on Node measured on such a machine answers 270 lists/s and 170 creates/s, \
         p99 600–780 ms, with 700 MB of memory."
            .into(),
    );
    Ok(Section {
        title: "HTTP on SQLite",
        about: format!(
            "`rongqiao serve` as it ships, a collection of {ROWS} rows, {CLERKS} sessions. Each \
             request carries a session; the list is filtered, sorted, scoped to the caller's \
             organisation and counted in full; a create runs the plugin and is durable and audited \
             before it is answered. The baseline is a bare axum handler that answers the same JSON \
             from memory."
        ),
        lines,
        notes,
    })
}

type Loading = (&'static str, Make, Make, Option<f64>);

fn loads(visitors: &Arc<[Visitor]>) -> [Loading; 4] {
    let [list, ..] = paths();
    let by = |visitors: &Arc<[Visitor]>, client: usize| {
        visitors.get(client).cloned().unwrap_or_default()
    };
    let plain = |path: &str| -> Make {
        let bytes = request("GET", path, JSON, &Visitor::default(), "");
        Arc::new(move |_, _| bytes.clone())
    };
    let (v, path) = (Arc::clone(visitors), list.1);
    let lists: Make = Arc::new(move |client, _| request("GET", &path, JSON, &by(&v, client), ""));
    let v = Arc::clone(visitors);
    let gets: Make = Arc::new(move |client, n| {
        let id = city::row((n + client as u64 * 997) * 7919 % ROWS + 1);
        request("GET", &format!("{TICKETS}/{id}"), JSON, &by(&v, client), "")
    });
    let v = Arc::clone(visitors);
    let creates: Make = Arc::new(move |client, n| {
        request(
            "POST",
            &format!("{TICKETS}/create"),
            JSON,
            &by(&v, client),
            &ticket(client, n),
        )
    });
    let v = Arc::clone(visitors);
    let pages: Make =
        Arc::new(move |client, _| request("GET", SHEET, PAGE_JSON, &by(&v, client), ""));
    let bodies: Make = Arc::new(|client, n| {
        request(
            "POST",
            "/create",
            JSON,
            &Visitor::default(),
            &ticket(client, n),
        )
    });
    [
        ("list of 20", lists, plain("/list"), Some(8_000.0)),
        ("get by id", gets, plain("/get"), None),
        ("create", creates, bodies, Some(3_400.0)),
        ("plugin page", pages, plain("/page"), None),
    ]
}

fn ticket(client: usize, n: u64) -> String {
    json!({ "number": format!("N{client}-{n}"), "amount": "1234.56", "note": "a note of some words" })
        .to_string()
}

fn with_cpu(load: &Load, spent: Duration) -> Figures {
    let count = load.figures.per_second * SLICE.as_secs_f64();
    Figures {
        cpu: micros(spent) / count.max(1.0),
        ..load.figures
    }
}

/// Many sign-ins at the same moment.
struct Burst {
    figures: Figures,
    visitors: Vec<Visitor>,
    /// Told to come back later.
    refused: usize,
}

impl Burst {
    /// [`AT_ONCE`] clerks from number `from` on, connected before and then all at once.
    async fn run(at: SocketAddr, from: u32, secret: &str) -> Result<Self> {
        let mut ready = Vec::new();
        for n in 0..u32::try_from(AT_ONCE)? {
            let body = json!({ "login": format!("clerk{}", from + n), "password": secret });
            let bytes = request(
                "POST",
                "/api/v1/session",
                JSON,
                &Visitor::default(),
                &body.to_string(),
            );
            ready.push((Wire::open(at).await?, bytes));
        }
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for (mut wire, bytes) in ready {
            tasks.spawn(async move {
                let answer = wire.ask(&bytes).await?;
                anyhow::Ok((began.elapsed(), answer))
            });
        }
        let (mut times, mut visitors, mut refused) = (Vec::new(), Vec::new(), 0);
        while let Some(done) = tasks.join_next().await {
            let (took, answer) = done??;
            match answer.status {
                200 => {
                    times.push(took);
                    visitors.push(visitor(&answer)?);
                }
                429 => refused += 1,
                status => return Err(anyhow!("a sign-in got {status}")),
            }
        }
        Ok(Self {
            figures: Figures::of(times, began.elapsed(), Duration::ZERO),
            visitors,
            refused,
        })
    }
}

fn visitor(answer: &Answer) -> Result<Visitor> {
    let cookie = answer.header("set-cookie").context("no session came")?;
    let body = answer.json()?;
    Ok(Visitor {
        cookie: cookie.split(';').next().unwrap_or_default().to_owned(),
        csrf: body
            .get("csrf")
            .and_then(|v| v.as_str())
            .unwrap_or_default()
            .to_owned(),
    })
}

async fn sign_ins(
    ours: &Served,
    keys: &Arc<KeyRing>,
    secret: &str,
    online: &[Figures],
) -> Result<Section> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut rounds, mut refused) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let from = 1 + round * u32::try_from(AT_ONCE)?;
        let burst = Burst::run(ours.at, from, secret).await?;
        refused += burst.refused;
        rounds.push((burst.figures, hashes(keys, secret, cores).await?));
    }
    let pair = Pair::of(&rounds);
    let first = online.iter().map(|f| f.p99).fold(0.0, f64::max);
    let fits = pair.ours.per_second * 0.99;
    Ok(Section {
        title: "Signing in",
        about: format!(
            "{AT_ONCE} people press the button at the same moment while {CLERKS} sessions are open. \
             The baseline is Argon2id alone with the same parameters (7 MiB, five passes, one lane: \
             one of the pairs that OWASP's Password Storage Cheat Sheet names for it) on every core."
        ),
        lines: vec![
            Line::new(format!("sign-in, {AT_ONCE} at once"), pair).target(Target::P99(1_000_000.0)),
        ],
        notes: vec![
            format!(
                "Opening the first {CLERKS} sessions, {AT_ONCE} at once: p99 up to {}.",
                time(first)
            ),
            "The tender asks for a sign-in within 2 s.".into(),
            format!(
                "Told to come back later (429 with Retry-After): {refused} of {}.",
                AT_ONCE * ROUNDS as usize
            ),
            format!(
                "The arithmetic: {cores} cores hash {:.0} passwords a second and do nothing else; \
                 with the rest of a sign-in and the client beside it {:.0} sign-ins a second pass, \
                 so at most {fits:.0} at the same moment are all answered within one second.",
                pair.bare.per_second, pair.ours.per_second
            ),
        ],
    })
}

/// Password checks alone, on every core for a second.
async fn hashes(keys: &Arc<KeyRing>, secret: &str, cores: usize) -> Result<Figures> {
    let stored = password::hash(keys, secret)?;
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..cores {
        let (keys, secret, stored) = (Arc::clone(keys), secret.to_owned(), stored.clone());
        tasks.spawn_blocking(move || {
            let mut times = Vec::new();
            while began.elapsed() < Duration::from_secs(1) {
                let one = Instant::now();
                ensure!(
                    password::verify(&keys, &secret, &stored)?,
                    "a password does not match"
                );
                times.push(one.elapsed());
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(Figures::of(times, began.elapsed(), Duration::ZERO))
}
