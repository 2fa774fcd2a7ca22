//! A stage: the real platform for one scenario, on a fresh database, under a clock that only the
//! scenario moves. Not shipped: it offers what production must not.
//!
//! The ordinary API is served over HTTP. The scenario's own controls are lines of JSON on standard
//! input and output ([`Control`], [`Told`]), where nobody else can reach them; when the input ends,
//! so do the stage and its database. An answer to a request that changes something comes after the
//! events of the change were delivered, so that a scenario never waits or looks twice.

mod hearing;
mod people;
mod setup;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use clap::Parser;
use kernel_api::{Door, Peer};
use kernel_host::clock::{Clock as _, TestClock};
use kernel_server::wire::{self, Place, Platform, Setup};
use sdk_contract::call::Event;
use sdk_contract::scalar::Timestamp;
use serde::{Deserialize, Serialize};
use tests_scratch::Scratch;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::hearing::Hearing;

#[derive(Debug, Parser)]
struct Cli {
    /// Folder of built guests; keys and compiled code are kept in it for the next stage.
    #[arg(long)]
    guests: PathBuf,
    /// A plugin on this stage.
    #[arg(long = "plugin")]
    plugins: Vec<String>,
    /// `<organisation>=<model>`: a model that is live for an institution.
    #[arg(long = "model")]
    models: Vec<String>,
    /// `PostgreSQL` server to make the database on; `SQLite` when absent.
    #[arg(long)]
    postgres: Option<String>,
    /// Where the clock stands, in microseconds since 1970.
    #[arg(long)]
    now: i64,
}

/// What a scenario may ask.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Control {
    /// Moves the clock on, and delivers what becomes due.
    Advance { seconds: i64 },
    /// What was delivered so far, oldest first.
    Events,
}

/// What a stage says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// Open at this address; login → password.
    Open {
        url: String,
        logins: BTreeMap<String, String>,
    },
    Now(i64),
    Events(Vec<Event>),
}

#[tokio::main]
async fn main() -> ExitCode {
    kernel_server::log();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let scratch = match &cli.postgres {
        Some(server) => Some(
            Scratch::create(server, "stage")
                .await
                .context("no database can be made")?,
        ),
        None => None,
    };
    let data = tempfile::tempdir()?;
    let played = play(&cli, data.path().to_owned(), scratch.as_ref()).await;
    if let Some(scratch) = scratch {
        scratch.remove().await?;
    }
    played
}

async fn play(cli: &Cli, data: PathBuf, scratch: Option<&Scratch>) -> Result<()> {
    let place = Place {
        data: data.clone(),
        database: scratch.map(Scratch::url),
        // Compiled code is under a key of the ring, so stages that share one share the other.
        keys: Some(cli.guests.join("keys")),
        config: None,
    };
    let setup = Setup {
        plugins: setup::plugins(&cli.guests, &cli.plugins, &data)?,
        code: Some(cli.guests.join("code")),
        demo: true,
    };
    let clock = Arc::new(TestClock::at(Timestamp::from_micros(cli.now)));
    let opened = wire::open(&place).await?;
    let platform = Platform::start(opened, clock.clone(), setup).await?;
    setup::editions(&platform.host).await?;
    setup::models(&platform.host, &cli.guests, &cli.models).await?;
    platform.host.run_schedules().await?;
    let hearing = Arc::new(Hearing::new(platform.host.clone()));
    let router = platform
        .router()?
        .layer(from_fn_with_state(Arc::clone(&hearing), after_its_events));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let logins = platform.logins.iter();
    say(&Told::Open {
        url,
        logins: logins
            .map(|l| (l.login.clone(), l.password.clone()))
            .collect(),
    })?;
    let service = router.into_make_service_with_connect_info::<Peer>();
    tokio::select! {
        served = axum::serve(Door::new(listener, None), service) => served?,
        talked = talk(&clock, &hearing) => talked?,
    }
    platform.store.close().await;
    Ok(())
}

/// Answers until the input ends.
async fn talk(clock: &TestClock, hearing: &Hearing) -> Result<()> {
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        say(&match serde_json::from_str(&line)? {
            Control::Advance { seconds } => {
                clock.advance_seconds(seconds);
                hearing.settle().await?;
                Told::Now(clock.now().micros())
            }
            Control::Events => Told::Events(hearing.heard()),
        })?;
    }
    Ok(())
}

/// Lines of standard input. Reading it blocks, so it has a thread of its own, which ends with the
/// process.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (tell, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn say(told: &Told) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, told)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

async fn after_its_events(
    State(hearing): State<Arc<Hearing>>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if !reads && let Err(error) = hearing.settle().await {
        tracing::error!("{error:#}");
    }
    response
}
