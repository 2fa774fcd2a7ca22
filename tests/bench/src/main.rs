//! `./x bench`: measures the platform as it ships and writes `docs/bench.md`.
//!
//! Everything stands beside a baseline that is measured in turns in the same run, because a
//! machine's speed drifts and its absolute figures mean little elsewhere. Nothing is asserted:
//! the page says what was measured and whether it is what the project wants.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a program for a person at a terminal that divides times; no money passes here"
)]

mod bare;
mod city;
mod host;
mod load;
mod machine;
mod measure;
mod report;
mod storage;
mod web;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use kernel_storage::StoreUrl;
use sdk_contract::scalar::Timestamp;
use tests_scratch::Scratch;

/// The server's, for what is measured in process as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "bench", about = "Measures the platform")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure and write the page
    Run(Run),
    /// Serve the bare handlers that the platform stands beside
    Bare {
        /// Folder of what they answer
        payloads: PathBuf,
    },
}

#[derive(Args)]
struct Run {
    /// The server's binary, release profile
    #[arg(long)]
    server: PathBuf,
    /// Folder with the bench's plugin in `bench/`
    #[arg(long)]
    plugins: PathBuf,
    /// The component of the German credit model
    #[arg(long)]
    model: PathBuf,
    /// `postgres://…` of a server to make a database on
    #[arg(long)]
    postgres: Option<String>,
    /// Only parts whose name starts so: `host`, `sqlite`, `postgres`, `web`
    #[arg(long)]
    only: Option<String>,
    /// Where the page goes; to the terminal if absent
    #[arg(long)]
    out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Run(run) => run.run().await,
        Task::Bare { payloads } => bare::serve(&payloads).await,
    }
}

impl Run {
    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| part.starts_with(only))
    }

    async fn run(&self) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut facts = machine::facts();
        let now = kernel_host::clock::Clock::now(&kernel_host::clock::SystemClock::default());
        facts.push(("Date", day(now)));
        facts.push((
            "One small write durable on the disk",
            report::time(measure::micros(machine::sync_time(folder.path())?)),
        ));
        let mut shared = machine::others().await;
        let mut sections = Vec::new();
        let data = folder.path().join("city");
        std::fs::create_dir_all(&data)?;
        let city = city::City::open(&data, &self.plugins).await?;
        let keys = std::sync::Arc::clone(&city.keys);
        if self.wants("host") {
            eprintln!("sandboxes …");
            sections.push(host::section(&city, &self.plugins, &self.model).await?);
            shared = shared.max(machine::others().await);
        }
        if self.wants("sqlite") {
            eprintln!("storage on SQLite …");
            let url = StoreUrl::Sqlite(folder.path().join("million.sqlite"));
            sections.push(storage::section(&url, "Storage on SQLite", keys.clone()).await?);
            shared = shared.max(machine::others().await);
        }
        match &self.postgres {
            Some(server) if self.wants("postgres") => {
                eprintln!("storage on PostgreSQL …");
                facts.push(("PostgreSQL", storage::version(server).await?));
                let scratch = Scratch::create(server, "bench").await?;
                let url = StoreUrl::Postgres(scratch.url());
                let done = storage::section(&url, "Storage on PostgreSQL", keys.clone()).await;
                scratch.remove().await?;
                sections.push(done?);
                shared = shared.max(machine::others().await);
            }
            Some(_) => {}
            None => eprintln!("skipped: storage on PostgreSQL, because --postgres names no server"),
        }
        if self.wants("web") {
            eprintln!("HTTP and signing in …");
            let password = web::prepare(city, &data).await?;
            let places = web::Places {
                server: &self.server,
                plugins: &self.plugins,
                data: &data,
            };
            sections.extend(web::sections(&places, &keys, &password).await?);
            shared = shared.max(machine::others().await);
        }
        let page = report::page(&facts, shared, &sections);
        match &self.out {
            Some(out) => std::fs::write(out, page).context("the page cannot be written")?,
            None => println!("{page}"),
        }
        Ok(())
    }
}

fn day(now: Timestamp) -> String {
    now.local_date().to_string()
}
